"""A draft from a makefile: its rules as actions, its pattern rules as families, its phony names as groups."""

from __future__ import annotations

import os
import re
from glob import glob

from .draft import OWN_SHELL, SAFE, Draft, action_name
from .holes import Hole, HoleError, command_keys, filled
from .make_recipes import OUT_FOLDER, depfile_of, is_clean, is_filled_by, is_made_by, is_mkdir
from .make_text import MakeText, Rule
from .make_values import DEFAULTS, UnknownError, matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from .draft import DraftAction, Value

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SUFFIX_RULE = re.compile(r"(\.\w+)(\.\w+)")
_SUFFIXES = frozenset((".c", ".cc", ".cpp", ".cxx", ".C", ".f", ".h", ".l", ".o", ".p", ".s", ".S", ".tex", ".y"))
"""Those that rules may be about without `.SUFFIXES`."""
_SPECIAL = re.compile(r"\.[A-Z_]+")
_BUILT_IN = """
%.o: %.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
%.o: %.cc
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c -o $@ $<
%.o: %.cpp
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c -o $@ $<
%: %.c
	$(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@
%: %.cpp
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@
"""
_COMPILE_AND_LINK = "$(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@"
_LINK = "$(CC) $(LDFLAGS) $^ $(LOADLIBES) $(LDLIBS) -o $@"
_OFTEN_SEVERAL = ("FLAGS", "LIBS", "OPTS", "ARGS")
"""How names of variables end that hold several words for some, if one here."""
_NOT_VARIABLES = frozenset(("SHELL", "MAKEFLAGS", ".DEFAULT_GOAL", "CURDIR", "VPATH"))


def makefile_draft(root: str, name: str) -> Draft:
    """Return the draft of a makefile."""
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
        text = file.read()

    def there(pattern: str) -> list[str]:
        return sorted(glob(pattern, root_dir=root))

    def read(path: str) -> str | None:
        try:
            with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return None

    return _Translation(Draft(name), MakeText(text, there, read).read(), root).translate()


class _Translation:
    """One makefile on its way."""

    def __init__(self, draft: Draft, make: MakeText, root: str) -> None:
        self.draft = draft
        self.make = make
        self.root = root
        self.used: set[str] = set()
        self.holes: dict[str, Hole] = {}
        self.files: dict[str, Rule] = {}
        """Target -> its rule, several rules of one target joined."""
        self.patterns: list[Rule] = []
        self.instances: dict[str, tuple[Rule, str]] = {}
        """File -> the pattern rule that makes it, and its stem."""
        self.phony: set[str] = set()
        self.own = 0
        """How many of the patterns are the makefile's own; the others are make's."""
        self.joint: dict[str, list[str]] = {}
        """Target -> the others that are made with it."""
        self.names: dict[str, str] = {}

    def translate(self) -> Draft:
        """Fill the draft, and return it."""
        self._sort_rules()
        self._hold_variables()
        self._find_instances()
        self._give_names()
        for number, pattern in enumerate(self.patterns):
            if not self._family(pattern) and number < self.own:
                shown = f"{' '.join(pattern.targets)}: {' '.join(pattern.prerequisites)}".rstrip()
                self.draft.notes.append(f"{shown} (line {pattern.line}): nothing that is wanted here is made by it")
        for target, rule in self.files.items():
            self._rule(target, rule)
        self._default()
        self._variables()
        shell = self.make.variables.values.get("SHELL", "").split()
        self.draft.shell = ["bash", "-ec"] if shell and shell[-1].endswith("bash") else ["sh", "-ec"]
        for name in self.make.exported:
            if "$" in self.make.variables.values.get(name, ""):
                self.draft.notes.append(f"export {name} = {self.make.variables.values[name]}")
        self.draft.notes += self.make.notes
        self.draft.notes += _unseen(self.make, self.files, self.files.keys() | self.instances.keys())
        return self.draft

    def _sort_rules(self) -> None:
        for rule in self.make.rules:
            if ".PHONY" in rule.targets:
                self.phony.update(rule.prerequisites)
        for rule in self.make.rules:
            pattern = self._of_suffixes(rule)
            if pattern is not None:
                if rule.recipe:
                    self.patterns.append(pattern)
                continue
            targets = [one for one in rule.targets if not _SPECIAL.fullmatch(one)]
            if rule.is_joint and targets:
                self.joint[targets[0]] = targets[1:]
                targets = targets[:1]
            for target in targets:
                self._sort_target(target, rule)
        self.own = len(self.patterns)
        self.patterns += MakeText(_BUILT_IN, lambda _: []).read().rules
        for target, rule in self.files.items():
            if self._is_no_file(target, rule):
                self.phony.add(target)
            for ending, recipe in (".o", _LINK), (".c", _COMPILE_AND_LINK):
                if not rule.recipe and target + ending in rule.prerequisites and target not in self.phony:
                    rule.recipe = [recipe]

    def _sort_target(self, target: str, rule: Rule) -> None:
        known = self.files.get(target)
        if known is None:
            known = self.files[target] = Rule([target], [], [], rule.line)
        known.prerequisites += [one for one in rule.prerequisites if one not in known.prerequisites]
        known.order_only += rule.order_only
        known.recipe = [*known.recipe, *rule.recipe] if rule.is_double else rule.recipe or known.recipe
        known.help = rule.help or known.help

    def _of_suffixes(self, rule: Rule) -> Rule | None:
        """Return a rule as one of a pattern, None if it is one of files."""
        if rule.is_pattern:
            return rule
        known = {one for other in self.make.rules if ".SUFFIXES" in other.targets for one in other.prerequisites}
        found = _SUFFIX_RULE.fullmatch(rule.targets[0]) if len(rule.targets) == 1 else None
        if found is None or rule.prerequisites or not {*found.groups()} <= known | _SUFFIXES:
            return None
        made = Rule([f"%{found.group(2)}"], [f"%{found.group(1)}"], [], rule.line)
        made.recipe = rule.recipe
        return made

    def _is_no_file(self, target: str, rule: Rule) -> bool:
        """Return whether a target that is not said to be phony is no file: nothing of it says that it is one."""
        if not rule.recipe:
            return not rule.prerequisites
        if "/" in target or os.path.isfile(os.path.join(self.root, target)):
            return False
        return not is_made_by(target, rule.recipe, self.make.variables)

    def _hold_variables(self) -> None:
        """Keep those variables as values of the plan whose words no shell takes for more than words."""
        variables = self.make.variables
        for name in dict.fromkeys((*variables.values, "CC", "CXX")):
            try:
                words = variables.text(name).split()
            except UnknownError:
                continue
            if name in _NOT_VARIABLES or not _NAME.fullmatch(name) or not words:
                continue
            if all(SAFE.fullmatch(word) for word in words):
                may_be_more = name in variables.from_outside and name.endswith(_OFTEN_SEVERAL)
                self.holes[name] = Hole(name, " ".join(words), is_list=len(words) > 1 or may_be_more)

    def _variables(self) -> None:
        """Put the variables that were used into the draft; what the environment may set is a parameter."""
        for name in (*self.make.variables.values, *DEFAULTS):
            hole = self.holes.get(name)
            if hole is None or name not in self.used or hole.plain is None:
                continue
            is_open = name in self.make.variables.from_outside or name not in self.make.variables.values
            if is_open and hole.is_list:
                self.draft.params[name] = {"split": "words", "env": name, "default": hole.plain.split()}
            elif is_open:
                self.draft.params[name] = {"env": name, "default": hole.plain}
            else:
                self.draft.vars[name] = hole.plain.split() if hole.is_list else hole.plain
                if name in self.make.variables.of_today:
                    self.draft.notes.append(f"{name} names the files of today: `in` with a glob sees new ones")

    def _find_instances(self) -> None:
        wanted = [one for rule in self.files.values() for one in (*rule.targets, *rule.prerequisites)]
        for target in wanted:
            if target in self.instances or target in self.phony:
                continue
            known = self.files.get(target)
            if known is not None and known.recipe:
                continue
            for pattern in self.patterns:
                stem = next((s for one in pattern.targets if (s := matches(one, target)) is not None), None)
                if stem is None:
                    continue
                sources = [one.replace("%", stem) for one in pattern.prerequisites]
                if all(one in self.files or os.path.exists(os.path.join(self.root, one)) for one in sources):
                    self.instances[target] = pattern, stem
                    wanted += sources
                    break

    def _give_names(self) -> None:
        taken: set[str] = set()
        families = [pattern for pattern in self.patterns if any(p is pattern for p, _ in self.instances.values())]
        for key, wish in [
            *((target, target) for target in self.files if target not in self.instances),
            *((f"%{id(pattern)}", _family_name(pattern)) for pattern in families),
        ]:
            name, number = action_name(wish), 2
            while name in taken:
                name, number = f"{action_name(wish)}-{number}", number + 1
            taken.add(name)
            self.names.update(dict.fromkeys((key, *self.joint.get(key, ())), name))

    def _family(self, pattern: Rule) -> bool:
        """Add the family of a pattern rule; return whether anything is made by it."""
        members = {target: stem for target, (rule, stem) in self.instances.items() if rule is pattern}
        if not members:
            return False
        stems = list(dict.fromkeys(members.values()))
        first, *more = pattern.prerequisites or [""]
        sources = [first.replace("%", stem) for stem in stems]
        found = sorted(glob(first.replace("%", "*"), root_dir=self.root)) if "%" in first else []
        is_glob = found and sorted(sources) == found and "/" not in "".join(stems)
        if is_glob:
            name, stem = "src", "${src.stem}"
            each: Value = first.replace("%", "*")
            read: list[Value] = ["${src}"]
        else:
            name, stem, each = "stem", "${stem}", stems
            read = [first.replace("%", stem)] if first else []
        outs = [one.replace("%", stem) for one in pattern.targets]
        extra = self._read_by_some(members, {first, *more})
        read += [one.replace("%", stem) for one in more if one not in self.phony]
        holes = {
            **self.holes,
            "in": Hole("in", None, is_list=len(read) > 1),
            "out": Hole("out", None),
            "stem": Hole("src.stem" if is_glob else "stem", None),
            "first": Hole("src", None),
        }
        special = _automatic(pattern, (_mark("stem"), stems), is_glob=bool(is_glob), has_extra=bool(extra))
        keys: dict[str, Value] = {"help": pattern.help, "foreach": {name: each}}
        notes = ["there each of these reads only some of the files at the end of in"] if extra else []
        read += extra
        name = self.names[f"%{id(pattern)}"]
        action = self._add(name, pattern, keys, {"in": _one(read), "out": _one(outs)}, (special, holes), notes)
        if action is not None:
            action.makes.update(one.replace("%", stem) for one in pattern.targets for stem in stems)
        return True

    def _read_by_some(self, members: Iterable[str], known: set[str]) -> list[str]:
        """Return what rules without a recipe say that some members of a family read beside its pattern."""
        found: dict[str, None] = {}
        for target in members:
            rule, stem = self.instances[target]
            sources = {one.replace("%", stem) for one in rule.prerequisites} | known
            own = self.files.get(target)
            found.update(dict.fromkeys(one for one in (own.prerequisites if own else ()) if one not in sources))
        return [one for one in found if not self._is_phony(one)]

    def _rule(self, target: str, rule: Rule) -> None:
        """Add what one rule stands for: an action, a group, or nothing that is needed."""
        if target in self.instances:
            return
        name = self.names[target]
        if not rule.recipe:
            members = [self._named(one) for one in rule.prerequisites]
            if members:
                self.draft.groups[name] = list(dict.fromkeys(members))
                self.draft.group_help[name] = rule.help
            elif not self._is_nothing(target):
                self.draft.notes.append(f"{target}: nothing is done for it")
            return
        if is_mkdir(rule):
            return
        if is_clean(rule, target):
            self.draft.notes.append(f"{target}: `treadle clean` removes what the plan makes")
            return
        is_phony = target in self.phony
        keys: dict[str, Value] = {"help": rule.help}
        others = self.joint.get(target, [])
        is_always = any(map(self._is_nothing, rule.prerequisites))
        rule.prerequisites = [one for one in rule.prerequisites if not self._is_nothing(one)]
        read = [one for one in rule.prerequisites if not self._is_phony(one) and not self._is_folder(one)]
        needs = [self._named(one) for one in (*rule.prerequisites, *rule.order_only) if self._is_phony(one)]
        after = [one for one in rule.order_only if not self._is_phony(one) and not self._is_folder(one)]
        needs += [self._named(one) for one in after if one in self.files or one in self.instances]
        inputs = self._with_families(read)
        holes = {
            **self.holes,
            "in": Hole("in", " ".join(read), is_list=len(read) != 1),
            "out": Hole("out", target),
            "first": Hole("in", read[0] if read else ""),
        }
        for variable, hole in self.holes.items():
            # a variable that holds all that is read, as of objects, would know those of today only
            if hole.is_list and hole.plain is not None and hole.plain.split() == read:
                holes[variable] = holes["in"]
        special = {
            "@": target if is_phony or others else _mark("out"),
            **dict.fromkeys("^+?", _mark("in") if read else ""),
        }
        special["<"] = _mark("first") if len(read) == 1 else (read or [""])[0]
        special["*"] = os.path.splitext(target)[0]
        is_folder = self._makes_folder(target)
        outs = [] if is_phony or is_folder else [target, *others]
        ends = {"in": _one(inputs), "needs": list(dict.fromkeys(needs)), "out": _one(outs)}
        ends["always"] = is_always or bool(is_phony and inputs and not is_folder)
        notes = [f"the folder {target} is no output here: programs write into it"] if is_folder else []
        self._add(name, rule, keys, ends, (special, holes), notes)

    def _add(
        self,
        name: str,
        rule: Rule,
        keys: dict[str, Value],
        ends: dict[str, Value],
        values: tuple[dict[str, str], dict[str, Hole]],
        notes: list[str],
    ) -> DraftAction | None:
        """Add an action, or a remark if only make can tell what it does."""
        special, holes = values
        used: set[str] = set()
        own = self.make.own.get(rule.targets[0], [])
        holes = {key: hole for key, hole in holes.items() if key not in {one for one, _, _ in own}}
        try:
            with self.make.variables.changed(own):
                script = "\n".join(self._lines(rule, {**_plain(special, holes), **special}, holes))
            command = command_keys(filled(script, holes, used))
        except (UnknownError, HoleError, KeyError) as error:
            shown = "\n".join([f"{name} (line {rule.line}): {error}", *rule.recipe])
            self.draft.notes.append(shown)
            return None
        self.used |= used
        depfile = depfile_of(script, str(ends.get("out", "")))
        env = {one: self.make.variables.values.get(one, "") for one in self.make.exported}
        env = {one: value for one, value in env.items() if value and "$" not in value}
        return self.draft.add(name, {**keys, **command, **ends, "depfile": depfile, "env": env}, notes)

    def _lines(self, rule: Rule, special: dict[str, str], holes: dict[str, Hole]) -> list[str]:
        """Return the recipe as lines of one script; those that would change the shell get one of their own."""
        marks = {name: hole.mark for name, hole in self.holes.items() if name in holes}
        made = []
        for raw in rule.recipe:
            text = raw.lstrip()
            flags = re.match(r"[@+\- ]*", text)
            start = flags.group() if flags else ""
            if OUT_FOLDER.fullmatch(text[len(start) :].rstrip()):
                continue
            line = self.make.variables.expand(text[len(start) :], {**marks, **special}).strip()
            if not line:
                continue
            if len(rule.recipe) > 1 and OWN_SHELL.search(line) and not line.startswith("#"):
                line = f"({line}\n)" if "#" in line else f"({line})"
            made.append(f"{line} || true" if "-" in start else line)
        return made

    def _with_families(self, read: list[str]) -> list[Value]:
        """Return what is read, with all that a family makes as its name."""
        found: list[Value] = list(read)
        for pattern in self.patterns:
            members = [target for target, (rule, _) in self.instances.items() if rule is pattern]
            if len(members) > 1 and [one for one in read if one in members] == members:
                at = found.index(members[0])
                if found[at : at + len(members)] == members:
                    found[at : at + len(members)] = [{"from": self.names[f"%{id(pattern)}"]}]
        return found

    def _named(self, target: str) -> str:
        return target if target in self.instances else self.names.get(target, target)

    def _is_phony(self, target: str) -> bool:
        """Return whether a target is an action or a group, and no file that could be read."""
        rule = self.files.get(target)
        if rule is None or is_mkdir(rule):
            return False
        if target in self.phony or self._makes_folder(target):
            return True
        is_file = target in self.instances or os.path.isfile(os.path.join(self.root, target))
        return not rule.recipe and not is_file

    def _is_nothing(self, target: str) -> bool:
        """Return whether a target only says that who needs it runs each time, as FORCE does."""
        rule = self.files.get(target)
        return target in self.phony and (rule is None or not (rule.recipe or rule.prerequisites or rule.order_only))

    def _is_folder(self, target: str) -> bool:
        rule = self.files.get(target)
        return (rule is not None and is_mkdir(rule)) or os.path.isdir(os.path.join(self.root, target))

    def _makes_folder(self, target: str) -> bool:
        """Return whether a target is a folder that something else fills, as that of an installation."""
        rule = self.files.get(target)
        if rule is None or not rule.recipe or is_mkdir(rule) or target in self.phony:
            return False
        if os.path.isdir(os.path.join(self.root, target)):
            return True
        return is_filled_by(target, rule.recipe, self.make.variables)

    def _default(self) -> None:
        first = next((one for one in self.files if not one.startswith(".") or "/" in one), "")
        goal = self.make.variables.values.get(".DEFAULT_GOAL", "").strip() or first
        self.draft.default = [self._named(goal)] if goal else []


def _unseen(make: MakeText, files: Mapping[str, Rule], made: AbstractSet[str]) -> list[str]:
    """Return remarks on variables that only some targets see, and on those that are set nowhere.

    :param files: target -> its rule
    :param made: what rules make
    """
    notes = []
    for target, own in make.own.items():
        rule = files.get(target, Rule([target], [], [], 0))
        needed = made if rule.recipe else set(rule.prerequisites)
        if not needed.isdisjoint(rule.prerequisites):
            notes.append(f"{target}: {', '.join(map(' '.join, own))}: what it needs sees it there, and not here")
    of_targets = {name for own in make.own.values() for name, _, _ in own}
    unset = [name for name in make.variables.unset if _NAME.fullmatch(name) and name not in of_targets]
    return [*notes, f"set nowhere, and taken as empty: {', '.join(unset)}"] if unset else notes


def _mark(name: str) -> str:
    return Hole(name, None).mark


def _automatic(pattern: Rule, stem: tuple[str, list[str]], *, is_glob: bool, has_extra: bool) -> dict[str, str]:
    """Return the automatic variables in the recipe of a pattern rule.

    :param stem: its mark, and all that it stands for
    :param has_extra: whether there are inputs that the pattern does not name
    """
    mark, stems = stem
    first, *more = pattern.prerequisites or [""]
    plain = {"@": pattern.targets[0].replace("%", mark), "<": first.replace("%", mark), "*": mark}
    special = {**plain, "@": _mark("out") if len(pattern.targets) == 1 else plain["@"], "^": _mark("in")}
    if is_glob:
        special["<"] = _mark("first")
    if has_extra:
        special["^"] = " ".join([special["<"], *(one.replace("%", mark) for one in more)])
    special["+"] = special["^"]
    if not any("/" in one for one in stems):
        for sign, text in plain.items():
            special[f"{sign}D"], special[f"{sign}F"] = os.path.dirname(text) or ".", os.path.basename(text)
    return special


def _one(values: list[Value]) -> Value:
    return values[0] if len(values) == 1 else values


def _family_name(pattern: Rule) -> str:
    ending = os.path.splitext(pattern.targets[0])[1]
    return {".o": "objects", ".obj": "objects", "": "programs"}.get(
        ending, ending[1:] or pattern.targets[0].replace("%", "each")
    )


def _plain(special: dict[str, str], holes: dict[str, Hole]) -> dict[str, str]:
    """Return what functions and $(@D), $(@F) and so on take for automatic variables, where it is plain text."""
    found = {}
    for sign, value in special.items():
        text: str | None = value
        if "\ue000" in value:
            hole = holes.get(value[1:-1])
            text = hole.plain if hole is not None else None
        if text is not None:
            found[f"={sign}"] = text
            if sign in "@<*":
                found[f"{sign}D"] = os.path.dirname(text) or "."
                found[f"{sign}F"] = os.path.basename(text)
    return found
