"""A draft from a makefile: its rules as actions, its pattern rules as families, its phony names as groups."""

from __future__ import annotations

import contextlib
import os
import re
from glob import glob

from .draft import OWN_SHELL, SAFE, Draft, action_name
from .holes import Hole, HoleError, command_keys, filled
from .make_text import MakeText, Rule
from .make_values import DEFAULTS, UnknownError, matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .draft import DraftAction, Value

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ONLY_SAYS = re.compile(r"\s*[@-]*\s*(echo|printf)\b[^>]*$")
_PHONY = frozenset(
    (
        *(
            "all",
            "build",
            "check",
            "clean",
            "coverage",
            "deploy",
            "deps",
            "dev",
            "dist",
            "distclean",
            "doc",
            "docs",
        ),
        *("fmt", "format", "help", "install", "lint", "mostlyclean", "publish", "release", "run", "serve", "setup"),
        *("start", "stop", "test", "tests", "typecheck", "uninstall", "watch"),
    )
)
"""Names that are no files though a makefile may not say so."""
_BUILT_IN = """
%.o: %.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
%.o: %.cc
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c -o $@ $<
%.o: %.cpp
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c -o $@ $<
"""
_LINK = "$(CC) $(LDFLAGS) $^ $(LOADLIBES) $(LDLIBS) -o $@"
_NOT_VARIABLES = frozenset(("SHELL", "MAKEFLAGS", ".DEFAULT_GOAL", "CURDIR", "VPATH"))


def makefile_draft(root: str, name: str) -> Draft:
    """Return the draft of a makefile."""
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
        text = file.read()

    def there(pattern: str) -> list[str]:
        return sorted(glob(pattern, root_dir=root))

    return _Translation(Draft(name), MakeText(text, there).read(), root).translate()


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
        self.names: dict[str, str] = {}

    def translate(self) -> Draft:
        """Fill the draft, and return it."""
        self._sort_rules()
        self._hold_variables()
        self._find_instances()
        self._give_names()
        for pattern in self.patterns:
            self._family(pattern)
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
        return self.draft

    def _sort_rules(self) -> None:
        for rule in self.make.rules:
            if ".PHONY" in rule.targets:
                self.phony.update(rule.prerequisites)
        for rule in self.make.rules:
            if rule.is_pattern:
                if rule.recipe:
                    self.patterns.append(rule)
                continue
            for target in rule.targets:
                if target.startswith(".") and "/" not in target:
                    continue
                known = self.files.get(target)
                if known is None:
                    known = self.files[target] = Rule([target], [], [], rule.line)
                known.prerequisites += [one for one in rule.prerequisites if one not in known.prerequisites]
                known.order_only += rule.order_only
                known.recipe = rule.recipe or known.recipe
                known.help = rule.help or known.help
        self.patterns += MakeText(_BUILT_IN, lambda _: []).read().rules
        for target, rule in self.files.items():
            if self._is_no_file(target, rule):
                self.phony.add(target)
            if not rule.recipe and f"{target}.o" in rule.prerequisites and target not in self.phony:
                rule.recipe = [_LINK]

    def _is_no_file(self, target: str, rule: Rule) -> bool:
        """Return whether a target that is not said to be phony is no file: nothing of it says that it is one."""
        if not rule.recipe:
            return not rule.prerequisites
        if "/" in target or os.path.isfile(os.path.join(self.root, target)):
            return False
        text = "\n".join(line for line in rule.recipe if not _ONLY_SAYS.match(line))
        if any(sign in text for sign in ("$@", "$(@", "${@")):
            return False
        with contextlib.suppress(UnknownError):
            text = self.make.variables.expand(text, dict.fromkeys("<^?+*|", "") | {"*D": "", "<D": "", "<F": ""})
        return target in _PHONY or ("." not in target and not re.search(rf"(?<![\w.-]){re.escape(target)}\b", text))

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
                self.holes[name] = Hole(name, " ".join(words), is_list=len(words) > 1)

    def _variables(self) -> None:
        """Put the variables that were used into the draft; what the environment may set is a parameter."""
        for name in (*self.make.variables.values, *DEFAULTS):
            hole = self.holes.get(name)
            if hole is None or name not in self.used or hole.plain is None:
                continue
            is_open = name in self.make.variables.from_outside or name not in self.make.variables.values
            if is_open and not hole.is_list:
                self.draft.params[name] = {"env": name, "default": hole.plain}
            else:
                self.draft.vars[name] = hole.plain.split() if hole.is_list else hole.plain

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
            self.names[key] = name

    def _family(self, pattern: Rule) -> None:
        """Add the family of a pattern rule, if anything is made by it."""
        members = {target: stem for target, (rule, stem) in self.instances.items() if rule is pattern}
        if not members:
            return
        first, *more = pattern.prerequisites or [""]
        made = next(one for one in pattern.targets if any(matches(one, target) is not None for target in members))
        sources = [first.replace("%", stem) for stem in members.values()]
        found = sorted(glob(first.replace("%", "*"), root_dir=self.root)) if "%" in first else []
        is_glob = found and sorted(sources) == found and "/" not in "".join(members.values())
        if is_glob:
            name, stem = "src", "${src.stem}"
            each: Value = first.replace("%", "*")
            read: list[Value] = ["${src}"]
        else:
            name, stem, each = "stem", "${stem}", list(members.values())
            read = [first.replace("%", stem)] if first else []
        out = made.replace("%", stem)
        extra = self._read_by_some(members, {first, *more})
        read += [one.replace("%", stem) for one in more if one not in self.phony]
        holes = {
            **self.holes,
            "in": Hole("in", None, is_list=len(read) > 1),
            "out": Hole("out", None),
            "stem": Hole("src.stem" if is_glob else "stem", None),
        }
        holes["first"] = Hole("src", None)
        special = {"@": _mark("out"), "*": _mark("stem"), "^": _mark("in")}
        special["<"] = _mark("first") if is_glob else first.replace("%", _mark("stem"))
        if extra:
            special["^"] = " ".join([special["<"], *(one.replace("%", _mark("stem")) for one in more)])
        special["+"] = special["^"]
        keys: dict[str, Value] = {"help": pattern.help, "foreach": {name: each}}
        notes = ["there each of these reads only some of the files at the end of in"] if extra else []
        read += extra
        name = self.names[f"%{id(pattern)}"]
        action = self._add(name, pattern, keys, {"in": _one(read), "out": out}, (special, holes), notes)
        if action is not None:
            action.makes.update(members)

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
            elif target not in self.phony:
                self.draft.notes.append(f"{target}: nothing is done for it")
            return
        if _is_mkdir(rule):
            return
        if _is_clean(rule, target):
            self.draft.notes.append(f"{target}: `treadle clean` removes what the plan makes")
            return
        is_phony = target in self.phony
        keys: dict[str, Value] = {"help": rule.help}
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
        special = {"@": target if is_phony else _mark("out"), **dict.fromkeys("^+?", _mark("in") if read else "")}
        special["<"] = _mark("first") if len(read) == 1 else (read or [""])[0]
        special["*"] = os.path.splitext(target)[0]
        ends = {"in": _one(inputs), "needs": list(dict.fromkeys(needs)), "out": "" if is_phony else target}
        if is_phony and inputs:
            ends["always"] = True
        self._add(name, rule, keys, ends, (special, holes), [])

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
        try:
            script = "\n".join(self._lines(rule, {**_plain(special, holes), **special}))
            command = command_keys(filled(script, holes, used))
        except (UnknownError, HoleError, KeyError) as error:
            shown = "\n".join([f"{name} (line {rule.line}): {error}", *rule.recipe])
            self.draft.notes.append(shown)
            return None
        self.used |= used
        depfile = _depfile(script, str(ends.get("out", "")))
        env = {one: self.make.variables.values.get(one, "") for one in self.make.exported}
        env = {one: value for one, value in env.items() if value and "$" not in value}
        return self.draft.add(name, {**keys, **command, **ends, "depfile": depfile, "env": env}, notes)

    def _lines(self, rule: Rule, special: dict[str, str]) -> list[str]:
        """Return the recipe as lines of one script; those that would change the shell get one of their own."""
        marks = {name: hole.mark for name, hole in self.holes.items()}
        made = []
        for raw in rule.recipe:
            text = raw.lstrip()
            flags = re.match(r"[@+\- ]*", text)
            start = flags.group() if flags else ""
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
        return target in self.phony and target in self.files

    def _is_folder(self, target: str) -> bool:
        rule = self.files.get(target)
        return (rule is not None and _is_mkdir(rule)) or os.path.isdir(os.path.join(self.root, target))

    def _default(self) -> None:
        goal = self.make.variables.values.get(".DEFAULT_GOAL", "").strip() or next(iter(self.files), "")
        self.draft.default = [self._named(goal)] if goal else []


def _mark(name: str) -> str:
    return Hole(name, None).mark


def _one(values: list[Value]) -> Value:
    return values[0] if len(values) == 1 else values


def _family_name(pattern: Rule) -> str:
    ending = os.path.splitext(pattern.targets[0])[1]
    return {".o": "objects", ".obj": "objects"}.get(ending, ending[1:] or pattern.targets[0].replace("%", "each"))


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


def _is_mkdir(rule: Rule) -> bool:
    return bool(rule.recipe) and all(re.match(r"\s*[@-]*\s*mkdir\b[^;&|]*$", line) for line in rule.recipe)


def _is_clean(rule: Rule, target: str) -> bool:
    words: Iterable[str] = (line.lstrip("@- \t") for line in rule.recipe)
    return "clean" in target and all(line.startswith(("rm ", "$(RM)", "${RM}")) for line in words)


def _depfile(script: str, out: str) -> str:
    """Return the depfile that a compiler writes beside its object."""
    if re.search(r"(^|\s)-MM?D(\s|$)", script) and " -MF" not in script and out.endswith(".o"):
        return f"{out[:-2]}.d"
    return ""
