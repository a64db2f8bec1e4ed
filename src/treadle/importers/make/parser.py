"""Makefiles: parsed into variables and rules, with doubts about what only make knows. Nothing is run.

A doubt is the reason why only make knows something: about variables, about targets, or about all of the makefile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import chain

from .variables import UnknownError, Variables, matches, reference, with_depth

_ASSIGNMENT = re.compile(
    r"\s*(?:(override|private|export)\s+)*([^\s:#=!?+]+)\s*(=|:=|::=|\?=|\+=|!=)\s*(.*)", re.DOTALL
)
_DIRECTIVE = re.compile(r"\s*(ifeq|ifneq|ifdef|ifndef|else|endif)\b\s*(.*)")
_HELP = re.compile(r"##\s*(.+)$")
_OF_COMPILERS = (".d", ".dep", ".deps", ".depend", ".P", ".Po")
"""Endings of files that compilers write and makefiles include: depfiles give a plan the same anew."""
_MOST_FILES = 100
_DOTENV = re.compile(r"\.env(\..+)?|.+\.env")
"""Files of variables for the environment, which some makefiles include."""
_ONLY_PRINTS = re.compile(r"\s*\$[({](info|warning)\s[^$]*[)}]\s*")
"""A line that prints and does nothing else."""
_HARMLESS_FLAGS = re.compile(
    r"(-[sj]\d*|-r|-R|-rR|-Rr|--silent|--quiet|--jobs(=\d*)?|--(no-)?print-directory|--no-builtin-(rules|variables)"
    r"|--warn-undefined-variables|--output-sync(=\w+)?|-O\w*|--no-silent|\d+)"
)
"""Flags in a makefile that do not change what is done, or whose effect is taken over."""
SPECIAL = re.compile(r"\.[A-Z_]+")
"""The name of a special target."""
_SUFFIX_RULE = re.compile(r"(\.\w+)(\.\w+)")
_SUFFIXES = frozenset((".c", ".cc", ".cpp", ".cxx", ".C", ".f", ".h", ".l", ".o", ".p", ".s", ".S", ".tex", ".y"))
"""Those that suffix rules may be about without `.SUFFIXES`."""
_NO_EFFECT = frozenset(
    (
        *(".PHONY", ".SUFFIXES", ".SILENT", ".DELETE_ON_ERROR", ".POSIX", ".SECONDARY", ".INTERMEDIATE"),
        *(".NOTINTERMEDIATE", ".LOW_RESOLUTION_TIME"),
    )
)
"""Special targets that are taken over elsewhere, or change nothing in a plan."""


@dataclass(slots=True, eq=False)
class Rule:
    """One rule: what is made, from what, how.

    :ivar is_joint: one run of it makes all its targets (`&:`)
    :ivar is_double: it is one of several of its target that all count (`::`)
    :ivar only: the targets that a pattern is for, None for all that it matches
    """

    targets: list[str]
    prerequisites: list[str]
    order_only: list[str]
    line: int
    recipe: list[str] = field(default_factory=list)
    help: str = ""
    is_joint: bool = False
    is_double: bool = False
    only: list[str] | None = None

    @property
    def needed(self) -> list[str]:
        """All prerequisites, those for order alone at the end."""
        return [*self.prerequisites, *self.order_only]

    def join(self, other: Rule) -> None:
        """Add another rule of the same target."""
        self.prerequisites += [one for one in other.prerequisites if one not in self.prerequisites]
        self.order_only += other.order_only
        if other.is_double and other.recipe:
            self.is_double = not other.prerequisites
        self.recipe = [*self.recipe, *other.recipe] if other.is_double else other.recipe or self.recipe
        self.help = other.help or self.help

    @property
    def text(self) -> str:
        """The rule as a makefile has it."""
        order = ["|", *self.order_only] if self.order_only else []
        head = f"{' '.join(self.targets)}:{':' if self.is_double else ''} {' '.join([*self.prerequisites, *order])}"
        return "\n".join([head.rstrip(), *(f"    {line}" for line in self.recipe)])

    @property
    def is_pattern(self) -> bool:
        """Whether it is about names with a `%`."""
        return any("%" in target for target in self.targets)


class Makefile:
    """A makefile, read from its first line to its last.

    :param text: the text
    :param glob: returns the files for `$(wildcard ...)`
    :param read: returns the text of a file that is included, None if it is not there
    :param find: returns the files below some folders whose names match a pattern
    :ivar own: target -> the variables that are its own: name, sign, value
    :ivar phony: targets that are no files, as `.PHONY` says
    :ivar dotenv: the files of variables for the environment that are included
    :ivar of_dotenv: the variables that these set
    :ivar kept: targets, or patterns of targets, that stay if a recipe of theirs fails
    :ivar is_one_shell: whether a recipe is one script
    :ivar general_doubts: why only make knows what any recipe does
    :ivar doubts: target, or pattern of targets -> why only make knows what is done for it
    :ivar lost: rules whose targets only make knows: what is known of these, the reason, the text
    """

    def __init__(
        self,
        text: str,
        glob: Callable[[str], list[str]],
        read: Callable[[str], str | None] = lambda _: None,
        find: Callable[[list[str], str], list[str]] = lambda *_: [],
    ) -> None:
        self.variables = Variables(glob, find)
        self.rules: list[Rule] = []
        self.exported: dict[str, None] = {}
        self.exports_all = False
        self.dotenv: list[str] = []
        self.of_dotenv: set[str] = set()
        self.has_built_in_rules = True
        self.notes: list[str] = []
        self.own: dict[str, list[tuple[str, str, str]]] = {}
        self.phony: set[str] = set()
        self.kept: list[str] = []
        self.is_one_shell = False
        self.general_doubts: list[str] = []
        self.doubts: dict[str, str] = {}
        self.lost: list[tuple[str, str, str]] = []
        self._read = read
        self._files = 0
        self._assumed: list[str] = []
        """For each conditional around the line: how it was decided for a variable of the environment, or ""."""
        self._open: list[str] = []
        """The conditionals around the line: `yes`, `no`, `done` (an earlier branch holds) or a doubt."""
        self._rule: Rule | None = None
        self._lines = _numbered(text)
        self._read_lines()
        for rule in self.rules:
            for target in filter(SPECIAL.fullmatch, rule.targets):
                self._take_special(target, rule)

    def _read_lines(self) -> None:
        while (numbered := next(self._lines, None)) is not None:
            number, raw = numbered
            if raw.startswith("\t") and self._rule is not None:
                self._recipe_line(raw[1:])
                continue
            line = self._joined(raw)
            help_text = _HELP.search(line)
            line = _without_comment(line)
            if not line.strip() or self._conditional(line, number):
                continue
            if self._is_skipped:
                self._skip(line)
                continue
            try:
                self._statement(line, number, help_text.group(1) if help_text else "")
            except UnknownError as error:
                self._rule = None
                self.general_doubts.append(f"line {number}: {line.strip()} ({error})")

    def doubt_of(self, target: str) -> str:
        """Return why only make knows what is done for a target, "" if that is known."""
        if self.general_doubts:
            return self.general_doubts[0]
        for one, reason in self.doubts.items():
            if one == target or matches(one, target) is not None or ("*" in one and fnmatchcase(target, one)):
                return reason
        return ""

    def doubt(self, target: str, reason: str) -> None:
        """Note why only make knows what is done for a target; the first reason stays."""
        self.doubts.setdefault(target, reason)

    def pattern_of(self, rule: Rule) -> Rule | None:
        """Return a pattern rule or a suffix rule as a pattern rule, None for a rule of files."""
        if rule.is_pattern:
            return rule
        known = {one for other in self.rules if ".SUFFIXES" in other.targets for one in other.prerequisites}
        found = _SUFFIX_RULE.fullmatch(rule.targets[0]) if len(rule.targets) == 1 else None
        if found is None or rule.prerequisites or not {*found.groups()} <= known | _SUFFIXES:
            return None
        return Rule([f"%{found.group(2)}"], [f"%{found.group(1)}"], [], rule.line, rule.recipe)

    def _take_special(self, target: str, rule: Rule) -> None:
        """Apply a special target; one that is not understood is a doubt about all recipes."""
        if reason := self.doubts.get(target, ""):
            self.general_doubts.append(reason)
        if target == ".PHONY":
            self.phony.update(rule.prerequisites)
        elif reason:
            return
        elif target == ".SUFFIXES" and not rule.prerequisites:
            self.has_built_in_rules = False
        elif target == ".ONESHELL":
            self.is_one_shell = True
        elif target == ".EXPORT_ALL_VARIABLES":
            self.exports_all = True
        elif target == ".PRECIOUS":
            self.kept += rule.prerequisites
        elif target == ".IGNORE" and rule.prerequisites:
            self.doubts.update(dict.fromkeys(rule.prerequisites, ".IGNORE: its errors do not count there"))
        elif target == ".SECONDEXPANSION":
            # it matters only where a prerequisite has a $ left, and such a rule has a doubt of its own
            return
        elif target not in _NO_EFFECT:
            shown = rule.text.partition("\n")[0]
            self.general_doubts.append(f"line {rule.line}: {shown}: it changes how recipes are run")

    @property
    def _is_skipped(self) -> bool:
        return any(one in ("no", "done") for one in self._open)

    @property
    def _assumption(self) -> str:
        """Why the environment may decide otherwise about the line, "" if it may not."""
        return next(filter(None, self._assumed), "")

    @property
    def _doubt(self) -> str:
        """Why only make knows whether the line counts, "" if it does."""
        return next((one for one in self._open if one not in ("yes", "no", "done")), "")

    def _joined(self, raw: str) -> str:
        while raw.endswith("\\"):
            more = next(self._lines, None)
            if more is None:
                break
            raw = f"{raw[:-1].rstrip()} {more[1].strip()}"
        return raw

    def _recipe_line(self, text: str) -> None:
        while text.endswith("\\"):
            more = next(self._lines, None)
            if more is None:
                break
            text += "\n" + more[1].removeprefix("\t")
        if self._rule is None or not text.strip():
            return
        if not self._is_skipped:
            self._rule.recipe.append(text)
        # also of a line that is not taken: where the environment sets the variable, make takes it
        if reason := ("" if self._is_skipped else self._doubt) or self._assumption:
            for target in self._rule.targets:
                self.doubt(target, reason)

    def _skip(self, line: str) -> None:
        """Note of a rule that is skipped for what the environment sets that only make knows its targets."""
        at = _colon(line.partition(";")[0])
        if at < 0 or _ASSIGNMENT.fullmatch(line):
            return
        self._rule = None
        if self._assumption:
            for target in line[:at].removesuffix("&").split():
                self.doubt(_bare(target), self._assumption)

    def _conditional(self, line: str, number: int) -> bool:
        """Follow a directive that opens, turns or closes a conditional; return whether it is one."""
        found = _DIRECTIVE.fullmatch(line)
        if found is None:
            return False
        word, rest = found.groups()
        if word == "endif":
            if self._open:
                self._open.pop()
                self._assumed.pop()
        elif word == "else":
            if self._open:
                was = self._open.pop()
                if was == "no":
                    more = _DIRECTIVE.fullmatch(rest)
                    was = "yes" if more is None else self._holds(more.group(1), more.group(2), number)
                elif was == "yes":
                    was = "done"
                self._open.append(was)
        else:
            self._assumed.append("")
            self._open.append("no" if self._is_skipped else self._holds(word, rest, number))
        return True

    def _holds(self, word: str, rest: str, number: int) -> str:
        variables = self.variables
        shown = f"line {number}: {word} {rest.strip()}"
        try:
            with variables.assuming() as assumed:
                if word in ("ifdef", "ifndef"):
                    holds = variables.is_defined(variables.expand(rest).strip()) == (word == "ifdef")
                else:
                    left, right = _operands(rest)
                    holds = (variables.expand(left) == variables.expand(right)) == (word == "ifeq")
        except (UnknownError, ValueError) as error:
            return f"{shown}: only make knows whether it holds" + (f", {error}" if str(error) else "")
        if assumed:
            names = ", ".join(assumed)
            self.notes.append(f"{shown}: decided as if the environment did not set {names}")
            self._assumed[-1] = f"{shown}: the environment may set {names}"
        return "yes" if holds else "no"

    def _statement(self, line: str, number: int, help_text: str) -> None:
        words = line.split()
        first = words[0]
        doubt = self._doubt
        found = _ASSIGNMENT.fullmatch(line)
        if first in ("include", "-include", "sinclude"):
            self._rule = None
            self._include(line, number)
        elif first == "define" or words[:2] == ["override", "define"]:
            self._rule = None
            self._define(line, number)
        elif first in ("undefine", "unexport") and len(words) > 1:
            for name in words[1:]:
                if doubt or "$" in name:
                    raise UnknownError(doubt or "computed names")
                self.exported.pop(name, None)
                if first == "undefine":
                    self.variables.undefine(name)
        elif first == "vpath":
            self.notes.append(f"line {number}: {line.strip()}: a plan does not search other folders")
        elif first == "export" and "=" not in line:
            if doubt or "$" in line:
                raise UnknownError(doubt or "computed names")
            self.exported.update(dict.fromkeys(words[1:]))
            self.exports_all |= len(words) == 1
        elif found is not None:
            self._assign(found, line)
        elif not _ONLY_PRINTS.fullmatch(line):
            self._begin_rule(line, number, help_text)

    def _define(self, line: str, number: int) -> None:
        words = [one for one in line.split() if one not in ("override", "define")]
        depth = 1
        for _, text in self._lines:
            start = text.split()[:1]
            depth += (start == ["define"]) - (start == ["endef"])
            if not depth:
                break
        if not words or "$" in words[0]:
            raise UnknownError("a computed name")
        self.variables.doubt(words[0], f"line {number}: {line.strip()} ... endef: only make knows its value")

    def _include(self, line: str, number: int) -> None:
        """Go on with the lines of the included files, except those that compilers write."""
        word, _, rest = line.strip().partition(" ")
        if re.fullmatch(r"\s*([\w./-]*|\$[({][^)}]*?[:%/=.\w]*)\.(d|dep|deps|P|Po)[)}]?\s*", rest):
            return
        for name in reversed(self.variables.expand(rest).split()):
            if name.endswith(_OF_COMPILERS):
                continue
            if self._doubt:
                raise UnknownError(self._doubt)
            text = self._read(name)
            self._files += 1
            if _DOTENV.fullmatch(name.rpartition("/")[2]):
                self._take_dotenv(name, text or "")
                text = "" if text is not None or word != "include" else None
            if text is not None and self._files <= _MOST_FILES:
                self._lines = chain(_numbered(text), self._lines)
            elif word == "include":
                self.general_doubts.append(f"line {number}: {word} {name}, which does not exist")

    def _take_dotenv(self, name: str, text: str) -> None:
        """Note which variables a file of the environment sets: such files hold secrets, which no plan copies."""
        self.dotenv.append(name)
        for line in text.split("\n"):
            found = _ASSIGNMENT.fullmatch(_without_comment(line))
            if found is not None:
                self.variables.doubt(found.group(2), f"its value is in {name}, which is not copied")
                self.of_dotenv.add(found.group(2))

    def _assign(self, found: re.Match[str], line: str) -> None:
        _, name, sign, value = found.groups()
        self._rule = None
        name = self.variables.expand(name).strip()
        if name in (".RECIPEPREFIX", ".EXTRA_PREREQS") or (name == ".SHELLFLAGS" and self._doubt):
            raise UnknownError(f"{name} changes the syntax of recipes")
        if name in ("MAKEFLAGS", "GNUMAKEFLAGS"):
            if self._doubt or not all(map(_HARMLESS_FLAGS.fullmatch, value.split())):
                raise UnknownError("flags of make that may change what is done")
            self.has_built_in_rules &= not re.search(r"(^|\s)(-\w*[rR]|--no-builtin-rules)", value)
            return
        if line.lstrip().startswith("export"):
            self.exported[name] = None
        if self._doubt:
            self.variables.doubt(name, self._doubt)
            return
        self.variables.assign(name, sign, value.rstrip() if sign != "=" else value)

    def _begin_rule(self, line: str, number: int, help_text: str) -> None:
        head, _, recipe = line.partition(";")
        at = _colon(head)
        self._rule = None
        if at < 0:
            raise UnknownError("only make understands it")
        left, right = head[:at], head[at + 1 :].lstrip(":")
        found = _ASSIGNMENT.fullmatch(line[at + 1 :].lstrip(":"))
        shown = f"line {number}: {line.strip()}"
        if found is not None and ";" not in found.group(2):
            self._of_one_target(left, found, shown)
            return
        is_joint = left.endswith("&")
        left = left.removesuffix("&")
        is_double = head[at : at + 2] == "::"
        lines = [recipe.strip()] if recipe.strip() else []
        rule = Rule([], [], [], number, lines, help_text.strip(), is_joint=is_joint, is_double=is_double)
        self._rule = rule
        rule.targets = self._targets(left, shown)
        middle = _colon(right)
        try:
            pattern = self._names(right[:middle]).strip() if middle >= 0 else ""
            before, _, order = self._names(right[middle + 1 :]).partition("|")
        except UnknownError as error:
            rule.prerequisites = [right.strip()]
            for target in rule.targets:
                self.doubt(target, f"{shown} ({error})")
            pattern = before = order = ""
        else:
            rule.prerequisites, rule.order_only = (
                [_bare(word) for word in one] for one in (before.split(), order.split())
            )
        for target in rule.targets:
            reason = (
                self._doubt
                or self._assumption
                or ("its prerequisites are expanded twice" if "$" in before + order else "")
            )
            if reason or "(" in target:
                self.doubt(target, reason or "only make knows members of archives")
        if ".POSIX" in rule.targets:
            self.variables.become_posix()
        if pattern:
            self._static(rule, pattern)
        else:
            self.rules.append(rule)

    def _targets(self, text: str, shown: str) -> list[str]:
        """Return the targets of a rule; those whose names only make knows become doubts."""
        found = []
        for word in _words(text):
            try:
                found += [_bare(one) for one in self._names(word).split()]
            except UnknownError as error:
                like = _bare(_like(word))
                if not like.strip("*"):
                    raise
                self.doubt(like, f"{shown} ({error})")
                self.lost.append((word, str(error), shown))
        return found

    def _names(self, text: str) -> str:
        """Return a text of names of files expanded."""
        with self.variables.assuming() as assumed:
            made = self.variables.expand(text, {"CURDIR": "."})
        if assumed:
            shown = ", ".join(f"{name} as {self.variables.default(name) or 'empty'}" for name in assumed)
            note = f"in names of files, variables have the values of the makefile: {shown}"
            if note not in self.notes:
                self.notes.append(note)
        return made

    def _of_one_target(self, left: str, found: re.Match[str], line: str) -> None:
        """Note a variable that only some targets, and what these need, see."""
        word, name, sign, value = found.groups()
        for target in self._targets(left, line):
            if word == "export" or self._doubt or "%" in target:
                self.doubt(target, self._doubt or f"{line} (a variable of one target)")
            self.own.setdefault(target, []).append((name, sign, value.strip()))

    def _static(self, rule: Rule, pattern: str) -> None:
        """Add a static pattern rule as the pattern rule that it is for its targets."""
        more = (rule.recipe, rule.help)
        self.rules += [
            Rule([pattern], rule.prerequisites, rule.order_only, rule.line, *more, only=rule.targets),
            Rule(rule.targets, [], [], rule.line, is_double=rule.is_double),
        ]


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    return iter(enumerate(text.replace("\r\n", "\n").split("\n"), 1))


def _operands(text: str) -> tuple[str, str]:
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        for at, char, depth in with_depth(text):
            if char == "," and depth == 1:
                return text[1:at].strip(), text[at + 1 : -1].strip()
    found = re.fullmatch(r"""(["'])(.*?)\1\s*(["'])(.*?)\3""", text)
    if found is None:
        raise ValueError(text)
    return found.group(2), found.group(4)


def _colon(text: str) -> int:
    """Return the position of the colon of a rule, -1 if there is none."""
    return next((at for at, char, depth in with_depth(text) if char == ":" and not depth), -1)


def _words(text: str) -> list[str]:
    """Return the words of a text, each reference to a variable as part of one."""
    found, start = [], 0
    for at, char, depth in with_depth(f"{text} "):
        if char.isspace() and depth <= 0:
            found.append(text[start:at])
            start = at + 1
    return [one for one in [*found, text[start:]] if one]


def _like(word: str) -> str:
    """Return a word with a `*` for each reference to a variable."""
    parts, at = [], 0
    while (found := word.find("$", at)) >= 0:
        parts.append(word[at:found])
        _, at = reference(word, found + 1)
    return "*".join([*parts, word[at:]])


def _without_comment(line: str) -> str:
    at = -1
    while (at := line.find("#", at + 1)) >= 0:
        if not at or line[at - 1] != "\\":
            return line[:at]
    return line.replace("\\#", "#")


def _bare(word: str) -> str:
    """Return a name as make compares it: without a `./` before it."""
    return word.removeprefix("./") or word
