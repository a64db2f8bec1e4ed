"""A draft from a makefile: its rules as actions, its pattern rules as families, its phony names as groups."""

from __future__ import annotations

import os
import re
from glob import glob

from treadle.importers.caches import keep_caches
from treadle.importers.draft import SAFE, Draft, action_name, in_own_shells, paths, without_failure
from treadle.importers.placeholders import Hole, HoleError, command_keys, filled

from .parser import MakeText, Rule
from .recipes import OUT_FOLDER, depfile_of, folders_made, is_clean, is_filled_by, is_made_by
from .variables import OUTSIDE, UnknownError, matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from treadle.importers.draft import DraftAction, Value

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SUFFIX_RULE = re.compile(r"(\.\w+)(\.\w+)")
_SUFFIXES = frozenset((".c", ".cc", ".cpp", ".cxx", ".C", ".f", ".h", ".l", ".o", ".p", ".s", ".S", ".tex", ".y"))
"""Those that rules may be about without `.SUFFIXES`."""
_SPECIAL = re.compile(r"\.[A-Z_]+")
_BUILT_IN = """
%.o: %.c
	$(COMPILE.c) $(OUTPUT_OPTION) $<
%.o: %.cc
	$(COMPILE.cc) $(OUTPUT_OPTION) $<
%.o: %.cpp
	$(COMPILE.cpp) $(OUTPUT_OPTION) $<
%: %.c
	$(LINK.c) $^ $(LOADLIBES) $(LDLIBS) -o $@
%: %.cpp
	$(LINK.cpp) $^ $(LOADLIBES) $(LDLIBS) -o $@
"""
_COMPILE_AND_LINK = "$(LINK.c) $^ $(LOADLIBES) $(LDLIBS) -o $@"
_LINK = "$(LINK.o) $^ $(LOADLIBES) $(LDLIBS) -o $@"
_OFTEN_SEVERAL = ("FLAGS", "LIBS", "OPTS", "ARGS", "OPTIONS", "LIBES", "TARGET_ARCH")
"""How names of variables end that hold several words for some, if one here."""
_NOT_VARIABLES = frozenset(("SHELL", "MAKEFLAGS", ".DEFAULT_GOAL", "CURDIR", "VPATH"))
_OF_THE_PLAN = frozenset(("in", "out", "stem", "first", "src", "edits", "depfile", "platform", "env", "item"))
"""Names that mean something else in a plan: such variables stand there as plain text."""
_BY_NATURE = frozenset(
    (
        *(".PHONY", ".SUFFIXES", ".SILENT", ".DELETE_ON_ERROR", ".POSIX", ".SECONDARY", ".INTERMEDIATE"),
        *(".NOTINTERMEDIATE", ".LOW_RESOLUTION_TIME"),
    )
)
"""Special targets that are taken in, or say what holds here anyhow."""
_SHELLS = frozenset(("sh", "bash", "dash", "ash", "ksh", "zsh"))
_OUTSIDE_MARK = re.compile(f"\ue000{OUTSIDE}([^\ue001]*)\ue001")


def makefile_draft(root: str, name: str) -> Draft:
    """Return the draft of a makefile."""
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
        text = file.read()

    def there(pattern: str) -> list[str]:
        return sorted(glob(pattern, root_dir=root))

    def read(path: str) -> str | None:
        full = os.path.join(root, path)
        if not os.path.isfile(full):
            # a pipe would never end, nor would a device
            return None
        try:
            with open(full, encoding="utf-8", errors="replace") as file:
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
        self.folders: dict[str, tuple[str, list[str]]] = {}
        """Target of a rule that only makes folders -> what it gives to `mkdir -p`, and the folders."""
        self.own = 0
        """How many of the patterns are the makefile's own; the others are make's."""
        self.joint: dict[str, list[str]] = {}
        """Target -> the others that are made with it."""
        self.names: dict[str, str] = {}
        self.is_one_shell = False
        self.kept: list[str] = []
        """Targets, or patterns of targets, that stay where a recipe of theirs fails."""
        self.env: dict[str, str] = {}
        self.passed: list[str] = []
        self.outside: dict[str, Hole] = {}
        """Variables that the environment may set -> what stands for them."""

    def translate(self) -> Draft:
        """Fill the draft, and return it."""
        self._sort_rules()
        self._hold_variables()
        self._find_instances()
        self._find_shell()
        self._find_environment()
        self._give_names()
        for number, pattern in enumerate(self.patterns):
            if not self._family(pattern) and number < self.own:
                shown = f"{' '.join(pattern.targets)}: {' '.join(pattern.prerequisites)}".rstrip()
                self.draft.notes.append(f"{shown} (line {pattern.line}): nothing that is wanted here is made by it")
        for target, rule in self.files.items():
            self._rule(target, rule)
        for word, reason, text in self.make.lost:
            self.draft.leave_out(word, reason, text)
        self._default()
        self._variables()
        self.draft.notes += self.make.notes
        keep_caches(self.draft)
        return self.draft

    def _find_shell(self) -> None:
        """Take over the shell of recipes; one that is not known is a doubt about all of them."""
        variables = self.make.variables
        try:
            shell = variables.text("SHELL").split() if "SHELL" in variables.values else ["sh"]
            flags = variables.text(".SHELLFLAGS").split() if ".SHELLFLAGS" in variables.values else []
        except UnknownError as error:
            shell, flags = ["sh"], []
            self.make.whole.append(f"SHELL: {error}")
        program = os.path.basename(shell[-1]) if shell else "sh"
        if program not in _SHELLS or (len(shell) > 1 and os.path.basename(shell[0]) != "env"):
            self.make.whole.append(
                f"SHELL = {' '.join(shell)}: recipes are no scripts of a shell that is known here"
            )
        if not re.fullmatch(r"(-[eux]*(o pipefail)? )*-[eux]*c", " ".join(flags or ["-c"])):
            self.make.whole.append(f".SHELLFLAGS = {' '.join(flags)} is not understood")
        has_e = any("e" in one for one in flags if one[0] == "-")
        self.draft.shell = [program, *(flags if has_e else [*flags[:-1], f"-e{(flags or ['-c'])[-1][1:]}"])]

    def _find_environment(self) -> None:
        """Take over what is exported to recipes; what only make can tell of it is a doubt about all of them."""
        make = self.make
        standard = {name: None for name in make.variables.values if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        every = {name: None for name in make.variables.values if make.exports_all and _NAME.fullmatch(name)}
        for name in {**make.exported, **standard, **every}:
            if name not in make.variables.values and name not in make.variables.unknown:
                self.passed.append(name)
                continue
            try:
                text = make.variables.expand(f"$({name})", self._marks())
                self.env[name] = filled(text, self._holes_in(text, self.holes), self.used)
            except (UnknownError, HoleError) as error:
                make.whole.append(f"export {name}: {error}")

    def _marks(self) -> dict[str, str]:
        """Return what stands for variables in commands, what the environment says included."""
        return {OUTSIDE: "", **{name: hole.mark for name, hole in self.holes.items()}}

    def _marks_among(self, holes: dict[str, Hole]) -> dict[str, str]:
        return {name: mark for name, mark in self._marks().items() if name in holes or name == OUTSIDE}

    def _holes_in(self, text: str, holes: dict[str, Hole]) -> dict[str, Hole]:
        """Return the holes of a text: the variables that the environment may set are found as they are met."""
        found = dict(holes)
        for name in _OUTSIDE_MARK.findall(text):
            if name not in self.outside:
                default = self.make.variables.default(name).split()
                is_list = len(default) > 1 or name.endswith(_OFTEN_SEVERAL)
                is_list = is_list or (not default and self._stands_alone(name))
                shown = f"{name}_" if name in self.holes or name in _OF_THE_PLAN else name
                self.outside[name] = Hole(shown, None, is_list=is_list)
            found[f"{OUTSIDE}{name}"] = self.outside[name]
        return found

    def _stands_alone(self, name: str) -> bool:
        """Return whether a variable is a word of its own anywhere: if it is empty there is no word then."""
        variables = self.make.variables
        texts = [*(line for rule in self.make.rules for line in rule.recipe), *variables.values.values()]
        alone = re.compile(rf"(?<![^\s;|&(]){re.escape('$')}[({{]{OUTSIDE}?{name}[)}}](?![^\s;|&)])")
        return any(alone.search(text) for text in texts)

    def _doubt_of(self, targets: Iterable[str], rule: Rule) -> str:
        """Return why only make can tell what a rule does, "" if its recipe is understood."""
        make = self.make
        for target in targets:
            if reason := make.doubt_of(target):
                return reason
        if self.is_one_shell and len(rule.recipe) > 1:
            return ".ONESHELL: its lines are one script there"
        own = [name for target in targets for name, _, _ in make.own.get(target, ())]
        made = self.files.keys() | self.instances.keys()
        if own and not made.isdisjoint((*rule.prerequisites, *rule.order_only)):
            return f"{', '.join(dict.fromkeys(own))} of its own: what it needs sees it there, and not here"
        if {"SHELL", ".SHELLFLAGS"} & {*own}:
            return "it has a shell of its own"
        return ""

    def _sort_rules(self) -> None:
        for rule in self.make.rules:
            if ".PHONY" in rule.targets:
                self.phony.update(rule.prerequisites)
        for rule in self.make.rules:
            for target in filter(_SPECIAL.fullmatch, rule.targets):
                self._take_special(target, rule)
            pattern = self._of_suffixes(rule)
            if pattern is not None:
                if rule.recipe:
                    self._add_pattern(pattern)
                continue
            targets = [one for one in rule.targets if not _SPECIAL.fullmatch(one)]
            if rule.is_joint and targets:
                self.joint[targets[0]] = targets[1:]
                for target in targets:
                    if (reason := self.make.doubt_of(target)) and not self.make.whole:
                        self.make.doubts.setdefault(targets[0], reason)
                targets = targets[:1]
            for target in targets:
                self._sort_target(target, rule)
        self.own = len(self.patterns)
        if self.make.has_built_in_rules:
            cancelled = [
                (one.targets, one.prerequisites) for one in self.make.rules if one.is_pattern and not one.recipe
            ]
            built_in = MakeText(_BUILT_IN, lambda _: []).read().rules
            self.patterns += [one for one in built_in if (one.targets, one.prerequisites) not in cancelled]
        self._find_folders()
        for target, rule in self.files.items():
            if not self._is_mkdir(target) and self._is_no_file(target, rule):
                self.phony.add(target)
            for ending, recipe in (".o", _LINK), (".c", _COMPILE_AND_LINK):
                is_linked = target + ending in rule.prerequisites and target not in self.phony
                if not rule.recipe and is_linked and self.make.has_built_in_rules:
                    rule.recipe = [recipe]

    def _find_folders(self) -> None:
        """Find the rules that only make folders: a plan makes the folders around outputs by itself."""
        # those that another one needs first
        todo = [target for target, rule in self.files.items() if folders_made(rule.recipe) is not None]
        for target in sorted(todo, key=lambda one: one.count("/")):
            rule = self.files[target]
            if any(one not in self.folders for one in (*rule.prerequisites, *rule.order_only)):
                continue
            given = " ".join(folders_made(rule.recipe) or ())
            try:
                listed = self.make.variables.expand(given, {"@": target}).split()
            except UnknownError:
                continue
            made = [os.path.normpath(one) for one in listed if one[0] != "-"]
            is_of_it = any(f"{one}/".startswith(f"{os.path.normpath(target)}/") for one in made)
            if is_of_it or target in self.phony:
                self.folders[target] = given, made
        for target, rule in self.files.items():
            needed = [*rule.prerequisites, *rule.order_only]
            is_of_folders = bool(needed) and all(one in self.folders for one in needed)
            if is_of_folders and not rule.recipe and self._made_as(target) is None:
                given = " ".join(self.folders[one][0].replace("$@", one) for one in needed)
                self.folders[target] = given, [path for one in needed for path in self.folders[one][1]]

    def _is_mkdir(self, target: str) -> bool:
        """Return whether a target is a folder, and its rule only makes that."""
        return target in self.folders and (target not in self.phony or not self.files[target].recipe)

    def _needed_folders(self, rule: Rule, ends: dict[str, Value], holes: dict[str, Hole]) -> list[str]:
        """Return commands for folders that an action needs and that nothing in the plan makes before it.

        The plan makes those around its outputs, and those around its inputs are there. A rule that only makes a
        folder is no action: without outputs it would run each time.
        """
        outs = [one for one in (ends.get("out"), ends.get("depfile")) if one]
        there = [*paths(outs), *rule.prerequisites]
        after = self._before(rule)
        marks = self._marks_among(holes)
        return [
            f"mkdir -p {self.make.variables.expand(given, {**marks, '@': target})}"
            for target, (given, made) in self.folders.items()
            if target in after and not all(any(path.startswith(f"{one}/") for path in there) for one in made)
        ]

    def _before(self, rule: Rule) -> set[str]:
        """Return what make has done before a rule: what it names, and what is named before it elsewhere."""
        names = {*rule.targets, *(one for one, (pattern, _) in self.instances.items() if pattern is rule)}
        found = {*rule.order_only, *rule.prerequisites}
        for target in names:
            if (known := self.files.get(target)) is not None:
                found.update((*known.prerequisites, *known.order_only))
        for other in self.files.values():
            listed = [*other.prerequisites, *other.order_only]
            for number, one in enumerate(listed):
                if one in names:
                    found.update(listed[:number])
        todo = list(found)
        while todo:
            known = self.files.get(todo.pop())
            if known is not None and not known.recipe:
                new = {*known.prerequisites, *known.order_only} - found
                found |= new
                todo += new
        # what it needs as an action has made its folders already
        needed = {*rule.prerequisites, *rule.order_only} & self.phony
        return found - needed

    def _add_pattern(self, pattern: Rule) -> None:
        """Take in a pattern rule; it replaces an earlier one of the same names."""
        names = pattern.targets, pattern.prerequisites, pattern.only
        self.patterns = [one for one in self.patterns if (one.targets, one.prerequisites, one.only) != names]
        self.patterns.append(pattern)

    def _take_special(self, target: str, rule: Rule) -> None:
        """Take in a special target; what of it is not understood is a doubt."""
        make = self.make
        reason = make.doubts.get(target, "")
        if reason:
            make.whole.append(reason)
        elif target == ".SUFFIXES" and not rule.prerequisites:
            make.has_built_in_rules = False
        elif target == ".ONESHELL":
            self.is_one_shell = True
        elif target == ".EXPORT_ALL_VARIABLES":
            make.exports_all = True
        elif target == ".PRECIOUS":
            self.kept += rule.prerequisites
        elif target == ".IGNORE" and rule.prerequisites:
            make.doubts.update(dict.fromkeys(rule.prerequisites, ".IGNORE: its errors do not count there"))
        elif target == ".SECONDEXPANSION":
            # only where a prerequisite has a $ left, and such a rule is doubted by itself
            return
        elif target not in _BY_NATURE:
            shown = rule.text.partition("\n")[0]
            make.whole.append(f"line {rule.line}: {shown}: recipes are run in another way by it")

    def _sort_target(self, target: str, rule: Rule) -> None:
        known = self.files.get(target)
        if known is None:
            known = self.files[target] = Rule([target], [], [], rule.line)
        known.prerequisites += [one for one in rule.prerequisites if one not in known.prerequisites]
        known.order_only += rule.order_only
        if rule.is_double and rule.recipe:
            if known.recipe:
                self.make.doubts.setdefault(target, "each of its rules (::) is run for itself there")
            known.is_double = not rule.prerequisites
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

    def _is_kept(self, target: str) -> bool:
        return any(one == target or matches(one, target) is not None for one in self.kept)

    def _is_no_file(self, target: str, rule: Rule) -> bool:
        """Return whether a target that is not said to be phony is no file: nothing of it says that it is one."""
        if any(pattern.only is not None and target in pattern.only for pattern in self.patterns):
            return False
        if not rule.recipe:
            return not rule.prerequisites and not rule.order_only
        if "/" in target or os.path.isfile(os.path.join(self.root, target)):
            return False
        return not is_made_by(target, rule.recipe, self.make.variables)

    def _hold_variables(self) -> None:
        """Keep those variables as values of the plan whose words no shell takes for more than words."""
        variables = self.make.variables
        for name, default in variables.defaults.items():
            try:
                if _OUTSIDE_MARK.search(variables.expand(default, {OUTSIDE: ""})):
                    variables.closed.add(name)
                    self.draft.notes.append(f"{name} ?= {default}: what the environment says of it is not taken")
            except UnknownError:
                continue
        for name in variables.values:
            before, variables.asked = variables.asked, {}
            try:
                words = variables.text(name).split()
            except UnknownError:
                words = []
            is_open, variables.asked = bool(variables.asked), before
            if is_open or name in _NOT_VARIABLES | _OF_THE_PLAN or not _NAME.fullmatch(name) or not words:
                continue
            if all(SAFE.fullmatch(word) for word in words):
                self.holes[name] = Hole(name, " ".join(words), is_list=len(words) > 1)

    def _variables(self) -> None:
        """Put the variables that were used into the draft; what the environment may set is a parameter."""
        variables = self.make.variables
        for name, hole in self.outside.items():
            if hole.name not in self.used:
                continue
            default = variables.default(name)
            if hole.is_list:
                self.draft.params[hole.name] = {"split": "words", "env": name, "default": default.split()}
            else:
                self.draft.params[hole.name] = {"env": name, "default": default.strip()}
            if not default:
                self.draft.params[hole.name]["help"] = "not set in the makefile"
        for name in variables.values:
            hole_of = self.holes.get(name)
            if hole_of is None or name not in self.used or hole_of.plain is None:
                continue
            self.draft.vars[name] = hole_of.plain.split() if hole_of.is_list else hole_of.plain
            if name in variables.of_today:
                self.draft.notes.append(f"{name} names the files of today: `in` with a glob sees new ones")

    def _find_instances(self) -> None:
        wanted = [one for rule in self.files.values() for one in (*rule.targets, *rule.prerequisites)]
        for target in wanted:
            if target in self.instances or target in self.phony:
                continue
            known = self.files.get(target)
            if known is not None and known.recipe:
                continue
            instance = self._made_as(target)
            if instance is not None:
                self.instances[target] = pattern, stem = instance
                wanted += [one.replace("%", stem) for one in pattern.prerequisites]

    def _made_as(self, target: str) -> tuple[Rule, str] | None:
        """Return the pattern rule that makes a target, and its stem; None if all of them lack a source."""
        for stem, pattern in self._matching(target):
            sources = [one.replace("%", stem) for one in pattern.prerequisites]
            if all(one in self.files or os.path.exists(os.path.join(self.root, one)) for one in sources):
                return pattern, stem
        return None

    def _matching(self, target: str) -> list[tuple[str, Rule]]:
        """Return the pattern rules that may make a target with what their `%` is, the closest ones first."""
        found = [
            (stem, pattern)
            for pattern in self.patterns
            for one in pattern.targets
            if (stem := matches(one, target)) is not None and (pattern.only is None or target in pattern.only)
        ]
        # a static pattern rule is a rule for its targets, and comes before all others
        return sorted(found, key=lambda one: (one[1].only is None, len(one[0])))

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
        name = self.names[f"%{id(pattern)}"]
        own = next((f"{one} has variables of its own" for one in members if one in self.make.own), "")
        if "%" in "".join(pattern.order_only):
            own = "order-only prerequisites with a %"
        if reason := self._doubt_of((*pattern.targets, *members), pattern) or own:
            self.draft.leave_out(name, reason, pattern.text, members)
            return True
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
        read += [one.replace("%", stem) for one in more if not self._is_phony(one)]
        holes = {
            **self.holes,
            "in": Hole("in", None, is_list=len(read) > 1),
            "out": Hole("out", None),
            "stem": Hole("src.stem" if is_glob else "stem", None),
            "first": Hole("src", None),
        }
        special = _automatic(pattern, (_mark("stem"), stems), is_glob=bool(is_glob), has_extra=bool(extra))
        keys: dict[str, Value] = {"help": pattern.help, "foreach": {name: each}}
        before = [
            *pattern.prerequisites,
            *(one for key in members if key in self.files for one in self.files[key].prerequisites),
        ]
        order = [
            *pattern.order_only,
            *(one for key in members if key in self.files for one in self.files[key].order_only),
        ]
        phony = [one for one in before if "%" not in one and self._is_phony(one) and not self._is_nothing(one)]
        needs = [self._named(one) for one in (*phony, *self._in_order(order))]
        always = any(self._is_always(one) for one in before)
        notes = ["there each of these reads only some of the files at the end of in"] if extra else []
        read += extra
        ends = {"in": _one(read), "needs": list(dict.fromkeys(needs)), "out": _one(outs), "always": always}
        ends["keep"] = any(map(self._is_kept, members))
        action = self._add(self.names[f"%{id(pattern)}"], pattern, keys, ends, (special, holes), notes)
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
        others = self.joint.get(target, [])
        reason = self._doubt_of((target, *others), rule)
        if not rule.recipe:
            members = [
                self._named(one)
                for one in (*rule.prerequisites, *rule.order_only)
                if not self._is_there(one) and not self._is_mkdir(one)
            ]
            if reason and (members or not self._is_nothing(target)):
                self.draft.leave_out(name, reason, rule.text)
            elif members:
                self.draft.groups[name] = list(dict.fromkeys(members))
                self.draft.group_help[name] = rule.help
            elif not self._is_nothing(target) and not self._is_there(target):
                self.draft.notes.append(f"{target}: nothing is done for it")
            return
        if reason:
            self.draft.leave_out(name, reason, rule.text, () if target in self.phony else (target, *others))
            return
        if self._is_mkdir(target):
            if target != self._goal():
                return
            # where it is there make does nothing
            rule.recipe = [f"mkdir -p {self.folders[target][0]}"]
        if is_clean(rule, target):
            self.draft.notes.append(f"{target}: `treadle clean` removes what the plan makes")
            return
        is_phony = target in self.phony or target in self.folders
        keys: dict[str, Value] = {"help": rule.help}
        is_always = rule.is_double or any(map(self._is_always, rule.prerequisites))
        rule.prerequisites = [one for one in rule.prerequisites if not self._is_nothing(one)]
        read = [one for one in rule.prerequisites if not self._is_phony(one) and not self._is_folder(one)]
        needs = [self._named(one) for one in rule.prerequisites if self._is_phony(one)]
        needs += [self._named(one) for one in self._in_order(rule.order_only)]
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
        # without files it runs each time by itself
        ends["always"] = bool((is_always and (inputs or outs)) or (is_phony and inputs and not is_folder))
        ends["keep"] = bool(outs) and any(map(self._is_kept, outs))
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
    ) -> DraftAction:
        """Add an action, or leave it out if only make can tell what it does."""
        special, holes = values
        used: set[str] = set()
        own = self.make.own.get(rule.targets[0], [])
        holes = {key: hole for key, hole in holes.items() if key not in {one for one, _, _ in own}}
        variables = self.make.variables
        before, variables.asked = variables.asked, {}
        try:
            with variables.changed(own):
                lines = self._lines(rule, {**_plain(special, holes), **special}, holes)
                if lines:
                    lines = [*self._needed_folders(rule, ends, holes), *lines]
                script = "\n".join(lines)
                command = command_keys(filled(script, self._holes_in(script, holes), used))
            if variables.asked:
                raise UnknownError(f"a function takes what the environment says of {', '.join(variables.asked)}")
            if not script:
                raise UnknownError("nothing is left of its recipe")
        except (UnknownError, HoleError, KeyError) as error:
            makes = [one for one in (*rule.targets, *self.joint.get(rule.targets[0], ())) if "%" not in one]
            return self.draft.leave_out(
                name, f"line {rule.line}: {error}", rule.text, makes if ends.get("out") else ()
            )
        finally:
            variables.asked = before
        self.used |= used
        depfile = depfile_of(script, str(ends.get("out", "")))
        given = {"depfile": depfile, "env": dict(self.env), "pass": list(self.passed)}
        return self.draft.add(name, {**keys, **command, **ends, **given}, notes)

    def _lines(self, rule: Rule, special: dict[str, str], holes: dict[str, Hole]) -> list[str]:
        """Return the recipe as lines of one script; those that would change the shell get one of their own."""
        marks = self._marks_among(holes)
        made = []
        for raw in rule.recipe:
            if OUT_FOLDER.fullmatch(raw.lstrip("@+- \t").rstrip()):
                continue
            line, ignored = self._without_prefix(self.make.variables.expand(raw.lstrip(), {**marks, **special}))
            if not line:
                continue
            if ignored:
                made.append(without_failure(line))
            else:
                made.append(line)
        return in_own_shells(made)

    def _without_prefix(self, line: str) -> tuple[str, bool]:
        """Return a line of a recipe without `@`, `+` and `-`, and whether its failure does not count."""
        ignored = False
        while True:
            line = line.lstrip()
            if line[:1] in ("@", "+", "-"):
                ignored |= line[0] == "-"
                line = line[1:]
                continue
            found = re.match("\ue000([^\ue001]*)\ue001", line)
            hole = self.holes.get(found.group(1)) if found else None
            if found is None or hole is None or not (hole.plain or "").startswith(("@", "+", "-")):
                return line.strip(), ignored
            line = (hole.plain or "") + line[found.end() :]

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
        if rule is None or self._is_mkdir(target):
            return False
        if target in self.phony or self._makes_folder(target):
            return True
        is_file = target in self.instances or os.path.isfile(os.path.join(self.root, target))
        return not rule.recipe and not is_file

    def _in_order(self, order_only: Iterable[str]) -> list[str]:
        """Return what of order-only prerequisites is made or done by something here."""
        return [one for one in order_only if not self._is_folder(one) and not self._is_there(one)]

    def _is_there(self, target: str) -> bool:
        """Return whether a prerequisite is a file or folder of the project for which nothing is done."""
        rule = self.files.get(target)
        is_made = target in self.instances or target in self.phony
        is_made = is_made or (rule is not None and bool(rule.recipe or rule.prerequisites or rule.order_only))
        return not is_made and os.path.exists(os.path.join(self.root, target))

    def _is_always(self, target: str) -> bool:
        """Return whether what has this prerequisite is made anew each time."""
        rule = self.files.get(target)
        if rule is None or self._is_mkdir(target) or self._makes_folder(target):
            return target in self.phony
        return target in self.phony or (self._is_phony(target) and not rule.recipe)

    def _is_nothing(self, target: str) -> bool:
        """Return whether a target only says that what needs it runs each time, as FORCE does."""
        rule = self.files.get(target)
        return target in self.phony and (rule is None or not (rule.recipe or rule.prerequisites or rule.order_only))

    def _is_folder(self, target: str) -> bool:
        return self._is_mkdir(target) or os.path.isdir(os.path.join(self.root, target))

    def _makes_folder(self, target: str) -> bool:
        """Return whether a target is a folder that something else fills, as that of an installation."""
        rule = self.files.get(target)
        if rule is None or not rule.recipe or target in self.folders or target in self.phony:
            return False
        if os.path.isdir(os.path.join(self.root, target)):
            return True
        return is_filled_by(target, rule.recipe, self.make.variables)

    def _goal(self) -> str:
        """Return what a bare make does, as far as that is known."""
        first = next((one for one in self.files if not one.startswith(".") or "/" in one), "")
        variables = self.make.variables
        try:
            return (variables.text(".DEFAULT_GOAL").strip() if ".DEFAULT_GOAL" in variables.values else "") or first
        except UnknownError as error:
            note = f".DEFAULT_GOAL: {error}"
            if note not in self.draft.notes:
                self.draft.notes.append(note)
            return ""

    def _default(self) -> None:
        goal = self._goal()
        # what a doubtful rule before it would be is not known, so it may be the goal itself
        self.draft.default = [self._named(goal)] if goal and not self.make.lost else []


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
