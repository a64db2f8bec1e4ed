"""A draft from a makefile: its rules as actions, its pattern rules as families, its phony names as groups."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from glob import glob
from typing import Any

from treadle.importers.caches import keep_caches
from treadle.importers.draft import Draft, DraftAction, action_name, free_name, paths, single
from treadle.importers.files import read_text
from treadle.importers.order import keep_order
from treadle.importers.placeholders import PLACEHOLDER, Placeholder, PlaceholderError, filled, is_often_several
from treadle.importers.scripts import SAFE, SHELLS, command_keys, in_own_shells, without_failure
from treadle.importers.task_guards import dotenv_of

from .parser import Makefile, Rule
from .recipes import OUT_FOLDER, depfile_of, is_help, removed, removes
from .targets import Targets
from .variables import OUTSIDE, OUTSIDE_MARK, UnknownError, matches

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_VARIABLES = frozenset(("SHELL", "MAKEFLAGS", ".DEFAULT_GOAL", "CURDIR", "VPATH"))
_OF_THE_PLAN = frozenset(
    ("in", "out", "stem", "root", "first", "src", "edits", "depfile", "platform", "env", "item")
)
"""Names with another meaning in a plan: the values of such variables are plain text there."""
_FAMILY_NAMES = {".o": "objects", ".obj": "objects", "": "programs"}


_ROOT = Placeholder("root")


def makefile_draft(root: str, name: str) -> Draft:
    """Return the draft of a makefile."""

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

    def find(places: list[str], pattern: str) -> list[str]:
        return sorted(
            os.path.normpath(os.path.relpath(os.path.join(folder, name), root))
            for place in places
            for folder, _, names in os.walk(os.path.join(root, place))
            if f"{os.sep}.treadle" not in folder
            for name in names
            if fnmatchcase(name, pattern)
        )

    make = Makefile(read(name) or "", lambda pattern: sorted(glob(pattern, root_dir=root)), read, find)
    return _Translation(name, make, root).draft


class _Translation:
    """The translation of one makefile.

    :ivar draft: the draft, complete
    """

    def __init__(self, name: str, make: Makefile, root: str) -> None:
        self.draft = Draft(name, passes_environment=True)
        self.make = make
        self.root = root
        self.targets = targets = Targets(make, root)
        self.used: set[str] = set()
        """The values of the plan that actions use."""
        self.outside: dict[str, Placeholder] = {}
        """Variables that the environment may set -> their placeholders."""
        self.placeholders = self._variables_of_the_plan()
        self._find_shell()
        self.env: dict[str, str] = {}
        self.passed: list[str] = []
        self._find_environment()
        self.names: dict[str | int, str] = {}
        """Target, or id of a pattern rule -> the name of its action or group."""
        self._give_names()
        for number, pattern in enumerate(targets.patterns):
            if id(pattern) in targets.named:
                continue
            if members := targets.members(pattern):
                self._add_family(pattern, members)
            elif number < targets.own:
                shown = f"{' '.join(pattern.targets)}: {' '.join(pattern.prerequisites)}".rstrip()
                self.draft.notes.append(f"{shown} (line {pattern.line}): no target needs it")
        for target, rule in targets.files.items():
            if target not in targets.instances:
                self._add_rule(target, rule)
        for word, reason, text in make.lost:
            self.draft.leave_out(word, reason, text)
        goal = self._goal()
        # what a doubtful rule before it would be is not known, so it may be the goal itself
        self.draft.default = [self._named(goal)] if goal and not make.lost else []
        self._declare_values()
        self.draft.notes += make.notes
        self._keep_order()
        keep_caches(self.draft)

    def _keep_order(self) -> None:
        files = self.targets.files
        lists = (
            (self.names[one], list(map(self._named, rule.needed)))
            for one, rule in files.items()
            if one in self.names
        )
        keep_order(self.draft, lists, [self.names[one] for one, rule in files.items() if removes(rule)])

    def _variables_of_the_plan(self) -> dict[str, Placeholder]:
        """Return placeholders for the variables whose words a shell takes for nothing but words."""
        variables = self.make.variables
        for name, default in variables.defaults.items():
            try:
                if OUTSIDE_MARK.search(variables.expand(default, {OUTSIDE: ""})):
                    variables.closed.add(name)
                    self.draft.notes.append(f"{name} ?= {default}: a value from the environment is not used")
            except UnknownError:
                continue
        found = {}
        for name in variables.values:
            with variables.assuming() as assumed:
                try:
                    words = variables.text(name).split()
                except UnknownError:
                    words = []
            if assumed or name in _NOT_VARIABLES | _OF_THE_PLAN or not _NAME.fullmatch(name) or not words:
                continue
            if all(SAFE.fullmatch(word) for word in words):
                found[name] = Placeholder(name, " ".join(words), is_list=len(words) > 1)
        return found

    def _find_shell(self) -> None:
        """Take over the shell of recipes; one that is not known is a doubt about all of them."""
        variables, doubts = self.make.variables, self.make.general_doubts
        try:
            shell = variables.text("SHELL").split() if "SHELL" in variables.values else ["sh"]
            flags = variables.text(".SHELLFLAGS").split() if ".SHELLFLAGS" in variables.values else []
        except UnknownError as error:
            shell, flags = ["sh"], []
            doubts.append(f"SHELL: {error}")
        program = os.path.basename(shell[-1]) if shell else "sh"
        if program not in SHELLS or (len(shell) > 1 and os.path.basename(shell[0]) != "env"):
            doubts.append(f"SHELL = {' '.join(shell)}: not a shell that init knows")
        if not re.fullmatch(r"(-[eux]*(o pipefail)? )*-[eux]*c", " ".join(flags or ["-c"])):
            doubts.append(f".SHELLFLAGS = {' '.join(flags)} is not understood")
        has_e = any("e" in one for one in flags if one[0] == "-")
        self.draft.shell = [program, *(flags if has_e else [*flags[:-1], f"-e{(flags or ['-c'])[-1][1:]}"])]

    def _find_environment(self) -> None:
        """Take over what is exported to recipes; a value that only make knows is a doubt about all of them."""
        make = self.make
        standard = {name: None for name in make.variables.values if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        every = {name: None for name in make.variables.values if make.exports_all and _NAME.fullmatch(name)}
        of_dotenv = make.of_dotenv & make.variables.unknown.keys()
        if make.dotenv and (make.exports_all or not of_dotenv.isdisjoint(make.exported)):
            self._take_dotenv(of_dotenv <= make.exported.keys() or make.exports_all)
        for name in {**make.exported, **standard, **every}:
            if name in of_dotenv:
                continue
            if name not in make.variables.values and name not in make.variables.unknown:
                self.passed.append(name)
                continue
            try:
                text = make.variables.expand(f"$({name})", self._marks(self.placeholders))
                self.env[name] = filled(text, self._all_in(text, self.placeholders), self.used)
            except (UnknownError, PlaceholderError) as error:
                make.general_doubts.append(f"export {name}: {error}")

    def _take_dotenv(self, is_whole: bool) -> None:
        """Take over a file of variables that the makefile includes and exports."""
        file = dotenv_of(self.root, self.make.dotenv)
        text = read_text(self.root, self.make.dotenv[0])
        # make takes quotes as they are, and a file of which only a part is exported is not that of a plan
        if file is None or not is_whole or "'" in text or '"' in text:
            self.make.general_doubts.append(f"include {', '.join(self.make.dotenv)}: only make reads it so")
        else:
            self.draft.defaults["dotenv"] = file

    def _give_names(self) -> None:
        families = [pattern for pattern in self.targets.patterns if self.targets.members(pattern)]
        wishes: list[tuple[str | int, str]] = [
            *((target, target) for target in self.targets.files if target not in self.targets.instances),
            *((id(pattern), _family_name(pattern)) for pattern in families),
        ]
        for key, wish in wishes:
            name = free_name(action_name(wish), self.names.values())
            others = self.targets.joint.get(key, ()) if isinstance(key, str) else ()
            self.names.update(dict.fromkeys((key, *others), name))

    def _named(self, target: str) -> str:
        return target if target in self.targets.instances else self.names.get(target, target)

    def _marks(self, placeholders: dict[str, Placeholder]) -> dict[str, str]:
        """Return the texts of variables in commands, those from outside included.

        :param placeholders: of which variables
        """
        here = dict.fromkeys(("CURDIR", "PWD"), _ROOT.mark)
        return {
            OUTSIDE: "",
            **here,
            **{name: one.mark for name, one in self.placeholders.items() if name in placeholders},
        }

    def _all_in(self, text: str, placeholders: dict[str, Placeholder]) -> dict[str, Placeholder]:
        """Return placeholders, with those of a text for variables from outside, which are found as they are met."""
        found = {**placeholders, _ROOT.name: _ROOT}
        for name in OUTSIDE_MARK.findall(text):
            if name not in self.outside:
                default = self.make.variables.default(name).split()
                is_list = len(default) > 1 or is_often_several(name)
                is_list = is_list or (not default and self._is_alone(name))
                shown = f"{name}_" if name in self.placeholders or name in _OF_THE_PLAN else name
                self.outside[name] = Placeholder(shown, is_list=is_list)
            found[f"{OUTSIDE}{name}"] = self.outside[name]
        return found

    def _is_alone(self, name: str) -> bool:
        """Return whether a variable is a word of its own anywhere: if it is empty, there is no word then."""
        variables = self.make.variables
        texts = [*(line for rule in self.make.rules for line in rule.recipe), *variables.values.values()]
        alone = re.compile(rf"(?<![^\s;|&(]){re.escape('$')}[({{]{OUTSIDE}?{name}[)}}](?![^\s;|&)])")
        return any(alone.search(text) for text in texts)

    def _declare_values(self) -> None:
        """Write the values that actions use into the draft; one that the environment may set is a parameter."""
        variables = self.make.variables
        for name, one in self.outside.items():
            if one.name not in self.used:
                continue
            default = variables.default(name)
            param: dict[str, Any] = {"env": name, "default": default.strip()}
            if one.is_list:
                param = {"split": "words", "env": name, "default": default.split()}
            self.draft.params[one.name] = param if default else {**param, "help": "not set in the makefile"}
        for name, one in self.placeholders.items():
            if name not in self.used or one.plain is None:
                continue
            self.draft.vars[name] = one.plain.split() if one.is_list else one.plain
            if name in variables.of_today:
                self.draft.notes.append(f"{name} lists the files of now; `in` with a glob would also read new ones")

    def _doubt_of(self, targets: Iterable[str], rule: Rule) -> str:
        """Return why only make knows what a rule does, "" if its recipe is understood."""
        make = self.make
        for target in targets:
            if reason := make.doubt_of(target):
                return reason
        if make.is_one_shell and len(rule.recipe) > 1:
            return ".ONESHELL: make runs its lines as one script"
        own = [name for target in targets for name, _, _ in make.own.get(target, ())]
        made = self.targets.files.keys() | self.targets.instances.keys()
        if own and not made.isdisjoint(rule.needed):
            return (
                f"{', '.join(dict.fromkeys(own))} of its own: make also sets it for what it needs, a plan does not"
            )
        if {"SHELL", ".SHELLFLAGS"} & {*own}:
            return "it has a shell of its own"
        return ""

    def _add_family(self, pattern: Rule, members: dict[str, str]) -> None:
        """Add the family of a pattern rule.

        :param members: the files that it makes, each with its stem
        """
        targets, stems = self.targets, list(dict.fromkeys(members.values()))
        name = self.names[id(pattern)]
        own = next((f"{one} has variables of its own" for one in members if one in self.make.own), "")
        if "%" in "".join(pattern.order_only):
            own = "order-only prerequisites with a %"
        if reason := self._doubt_of((*pattern.targets, *members), pattern) or own:
            self.draft.leave_out(name, reason, pattern.text, members)
            return
        first, *more = pattern.prerequisites or [""]
        sources = [first.replace("%", stem) for stem in stems]
        found = sorted(glob(first.replace("%", "*"), root_dir=self.root)) if "%" in first else []
        is_glob = bool(found) and sorted(sources) == found and "/" not in "".join(stems)
        each: dict[str, Any]
        if is_glob:
            stem, read, each = "${src.stem}", ["${src}"], {"src": first.replace("%", "*")}
        else:
            stem, read, each = "${stem}", [first.replace("%", "${stem}")] if first else [], {"stem": stems}
        extra = self._read_by_some(members, {first, *more})
        read += [one.replace("%", stem) for one in more if not targets.is_phony(one)]
        placeholders = {
            **self.placeholders,
            "in": Placeholder("in", is_list=len(read) > 1),
            "out": Placeholder("out"),
            "stem": Placeholder("src.stem" if is_glob else "stem"),
            "first": Placeholder("src"),
        }
        rules = [targets.files[one] for one in members if one in targets.files]
        before = [*pattern.prerequisites, *(one for rule in rules for one in rule.prerequisites)]
        order = [*pattern.order_only, *(one for rule in rules for one in rule.order_only)]
        phony = [one for one in before if "%" not in one and targets.is_phony(one) and not targets.is_nothing(one)]
        needs = [self._named(one) for one in (*phony, *targets.in_order(order))]
        keys = {
            "in": single([*read, *extra]),
            "needs": list(dict.fromkeys(needs)),
            "out": single([one.replace("%", stem) for one in pattern.targets]),
            "always": any(targets.is_always(one) for one in before),
            "keep": any(map(self._is_kept, members)),
        }
        special = _automatic(pattern, stems, is_glob=is_glob, has_extra=bool(extra))
        notes = ["in the makefile, each of these reads only some of the last files of `in`"] if extra else []
        head: dict[str, Any] = {"help": pattern.help, "foreach": each}
        action = self._add(name, pattern, (head, keys), (special, placeholders), notes)
        action.makes.update(one.replace("%", stem) for one in pattern.targets for stem in stems)

    def _read_by_some(self, members: dict[str, str], known: set[str]) -> list[str]:
        """Return what rules without a recipe add to what some instances of a pattern read."""
        found: dict[str, None] = {}
        for target, stem in members.items():
            pattern, _ = self.targets.instances[target]
            sources = {one.replace("%", stem) for one in pattern.prerequisites} | known
            own = self.targets.files.get(target)
            found.update(dict.fromkeys(one for one in (own.prerequisites if own else ()) if one not in sources))
        return [one for one in found if not self.targets.is_phony(one)]

    def _add_rule(self, target: str, rule: Rule) -> None:
        """Add what one rule is here: an action, a group, or nothing that is needed."""
        targets, others = self.targets, self.targets.joint.get(target, [])
        name = self.names[target]
        reason = self._doubt_of((target, *others), rule)
        if not rule.recipe:
            self._add_group(target, rule, reason)
        elif reason:
            made = () if target in targets.phony else (target, *others)
            self.draft.leave_out(name, reason, rule.text, made)
        elif targets.is_mkdir(target):
            if target == self._goal():
                # where it is there make does nothing
                self._add_action(target, replace(rule, recipe=[f"mkdir -p {targets.folders[target][0]}"]))
        elif is_help(rule):
            self.draft.notes.append(f"{target}: `treadle list` replaces it")
        else:
            self._add_action(target, rule)

    def _add_group(self, target: str, rule: Rule, doubt: str) -> None:
        """Add a rule without a recipe as a group, if it has members."""
        targets, name = self.targets, self.names[target]
        listed = [one for one in rule.needed if not targets.is_there(one) and not targets.is_mkdir(one)]
        members = [self._named(one) for one in listed]
        if doubt and (members or not targets.is_nothing(target)):
            self.draft.leave_out(name, doubt, rule.text)
        elif members:
            self.draft.add_group(name, members, rule.help)
        elif not targets.is_nothing(target) and not targets.is_there(target):
            self.draft.notes.append(f"{target}: it has no recipe")

    def _add_action(self, target: str, rule: Rule) -> None:
        targets, others = self.targets, self.targets.joint.get(target, [])
        is_phony = target in targets.phony or target in targets.folders
        is_always = rule.is_double or any(map(targets.is_always, rule.prerequisites))
        rule = replace(rule, prerequisites=[one for one in rule.prerequisites if not targets.is_nothing(one)])
        read = [one for one in rule.prerequisites if not targets.is_phony(one) and not targets.is_folder(one)]
        needs = [self._named(one) for one in rule.prerequisites if targets.is_phony(one)]
        needs += [self._named(one) for one in targets.in_order(rule.order_only)]
        inputs = self._with_families(read)
        placeholders = {
            **self.placeholders,
            "in": Placeholder("in", " ".join(read), is_list=len(read) != 1),
            "out": Placeholder("out", target),
            "first": Placeholder("in", read[0] if read else ""),
        }
        for variable, one in self.placeholders.items():
            # a variable that holds all that is read, as of objects, would know those of today only
            if one.is_list and one.plain is not None and one.plain.split() == read:
                placeholders[variable] = placeholders["in"]
        special = {
            "@": target if is_phony or others else _mark("out"),
            **dict.fromkeys("^+?", _mark("in") if read else ""),
            "<": _mark("first") if len(read) == 1 else (read or [""])[0],
            "*": os.path.splitext(target)[0],
        }
        is_folder = targets.makes_folder(target)
        outs = [] if is_phony or is_folder else [target, *others]
        keys = {
            "in": single(inputs),
            "needs": list(dict.fromkeys(needs)),
            "out": single(outs),
            # without files it runs each time by itself
            "always": bool((is_always and (inputs or outs)) or (is_phony and inputs and not is_folder)),
            "keep": any(map(self._is_kept, outs)),
        }
        notes = [f"the folder {target} is no output here: programs write into it"] if is_folder else []
        action = self._add(self.names[target], rule, ({"help": rule.help}, keys), (special, placeholders), notes)
        if not rule.needed and not outs:
            action.removes = removed(rule, self.make.variables) or []

    def _is_kept(self, target: str) -> bool:
        return any(one == target or matches(one, target) is not None for one in self.make.kept)

    def _add(
        self,
        name: str,
        rule: Rule,
        keys: tuple[dict[str, Any], dict[str, Any]],
        values: tuple[dict[str, str], dict[str, Placeholder]],
        notes: list[str],
    ) -> DraftAction:
        """Add an action, or leave it out if only make knows what it does.

        :param keys: those before and those after the command
        :param values: the automatic variables, and all placeholders that may be in the command
        """
        (before, after), (special, placeholders) = keys, values
        used: set[str] = set()
        target, out = rule.targets[0], after["out"]
        own = self.make.own.get(target, [])
        names = {one for one, _, _ in own}
        placeholders = {key: one for key, one in placeholders.items() if key not in names}
        variables = self.make.variables
        try:
            with variables.assuming() as assumed:
                with variables.changed(own):
                    lines = self._lines(rule, {**_plain(special, placeholders), **special}, placeholders)
                    if lines:
                        lines = [*self._needed_folders(rule, after, placeholders), *lines]
                    script = "\n".join(lines)
                    command = command_keys(filled(script, self._all_in(script, placeholders), used))
                if assumed:
                    raise UnknownError(f"a function uses variables of the environment: {', '.join(assumed)}")
            if not script:
                raise UnknownError("its recipe does nothing")
        except (UnknownError, PlaceholderError, KeyError) as error:
            makes = [one for one in (*rule.targets, *self.targets.joint.get(target, ())) if "%" not in one]
            return self.draft.leave_out(name, f"line {rule.line}: {error}", rule.text, makes if out else ())
        self.used |= used
        depfile = depfile_of(script, str(out))
        more = {"depfile": depfile, "env": dict(self.env), "pass": list(self.passed)}
        return self.draft.add(name, {**before, **command, **after, **more}, notes)

    def _lines(self, rule: Rule, special: dict[str, str], placeholders: dict[str, Placeholder]) -> list[str]:
        """Return the recipe as lines of one script; those that would change the shell get one of their own."""
        marks = self._marks(placeholders)
        made = []
        for raw in rule.recipe:
            if OUT_FOLDER.fullmatch(raw.lstrip("@+- \t").rstrip()):
                continue
            line, ignored = self._without_prefix(self.make.variables.expand(raw.lstrip(), {**marks, **special}))
            if line:
                made.append(without_failure(line) if ignored else line)
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
            match = PLACEHOLDER.match(line)
            one = self.placeholders.get(match.group(1)) if match else None
            if match is None or one is None or not (one.plain or "").startswith(("@", "+", "-")):
                return line.strip(), ignored
            line = (one.plain or "") + line[match.end() :]

    def _needed_folders(self, rule: Rule, keys: dict[str, Any], placeholders: dict[str, Placeholder]) -> list[str]:
        """Return commands for folders that an action needs and that nothing in the plan makes before it.

        The plan makes those around its outputs, and those around its inputs are there. A rule that only makes a
        folder is no action: without outputs it would run each time.
        """
        there = [*paths(keys["out"]), *rule.prerequisites]
        before = self.targets.before(rule)
        marks = self._marks(placeholders)
        return [
            f"mkdir -p {self.make.variables.expand(given, {**marks, '@': target})}"
            for target, (given, made) in self.targets.folders.items()
            if target in before and not all(any(path.startswith(f"{one}/") for path in there) for one in made)
        ]

    def _with_families(self, read: list[str]) -> list[Any]:
        """Return the inputs, with all that a family makes as its name."""
        found: list[Any] = list(read)
        for pattern in self.targets.patterns:
            members = list(self.targets.members(pattern))
            if len(members) > 1 and [one for one in read if one in members] == members:
                at = found.index(members[0])
                if found[at : at + len(members)] == members:
                    found[at : at + len(members)] = [{"from": self.names[id(pattern)]}]
        return found

    def _goal(self) -> str:
        """Return what a bare make does, as far as that is known."""
        first = next((one for one in self.targets.files if not one.startswith(".") or "/" in one), "")
        variables = self.make.variables
        try:
            return (variables.text(".DEFAULT_GOAL").strip() if ".DEFAULT_GOAL" in variables.values else "") or first
        except UnknownError as error:
            note = f".DEFAULT_GOAL: {error}"
            if note not in self.draft.notes:
                self.draft.notes.append(note)
            return ""


def _mark(name: str) -> str:
    return Placeholder(name).mark


def _automatic(pattern: Rule, stems: list[str], *, is_glob: bool, has_extra: bool) -> dict[str, str]:
    """Return the automatic variables in the recipe of a pattern rule.

    :param stems: those of all its instances
    :param has_extra: whether there are inputs that the pattern does not name
    """
    mark = _mark("stem")
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


def _family_name(pattern: Rule) -> str:
    ending = os.path.splitext(pattern.targets[0])[1]
    return _FAMILY_NAMES.get(ending) or ending[1:] or pattern.targets[0].replace("%", "each")


def _plain(special: dict[str, str], placeholders: dict[str, Placeholder]) -> dict[str, str]:
    """Return the values of automatic variables in functions and in $(@D), where they are plain text."""
    found = {}
    for sign, value in special.items():
        match = PLACEHOLDER.search(value)
        one = placeholders.get(value[1:-1]) if match else None
        text = (one.plain if one is not None else None) if match else value
        if text is not None:
            found[f"={sign}"] = text
            if sign in "@<*":
                found[f"{sign}D"] = os.path.dirname(text) or "."
                found[f"{sign}F"] = os.path.basename(text)
    return found
