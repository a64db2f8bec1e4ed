"""A makefile taken apart: its variables, its rules, and what of it only make can tell. Nothing is run.

What only make can tell is kept as a doubt, with the reason: of variables, of targets, or of all of the makefile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from itertools import chain

from .variables import UnknownError, Variables, matches

ASSIGNMENT = re.compile(
    r"\s*(?:(override|private|export)\s+)*([^\s:#=!?+]+)\s*(=|:=|::=|\?=|\+=|!=)\s*(.*)", re.DOTALL
)
_DIRECTIVE = re.compile(r"\s*(ifeq|ifneq|ifdef|ifndef|else|endif)\b\s*(.*)")
_HELP = re.compile(r"##\s*(.+)$")
_OF_COMPILERS = (".d", ".dep", ".deps", ".depend", ".P", ".Po")
"""Ends of files that compilers write and makefiles include: what they say is found anew."""
_MOST_FILES = 100
_ONLY_SAYS = re.compile(r"\s*\$[({](info|warning)\s[^$]*[)}]\s*")
"""A line that prints and does nothing else."""
_HARMLESS_FLAGS = re.compile(
    r"(-[sj]\d*|-r|-R|-rR|-Rr|--silent|--quiet|--jobs(=\d*)?|--(no-)?print-directory|--no-builtin-(rules|variables)"
    r"|--warn-undefined-variables|--output-sync(=\w+)?|-O\w*|--no-silent|\d+)"
)
"""Flags in a makefile that change nothing of what is done, or what was taken in."""


class Rule:
    """One rule: what is made, from what, how.

    :ivar is_joint: one run of it makes all its targets (`&:`)
    :ivar is_double: it is one of several of its target that all count (`::`)
    :ivar only: the targets that a pattern is for, None for all that it matches
    """

    __slots__ = (
        "help",
        "is_double",
        "is_joint",
        "line",
        "only",
        "order_only",
        "prerequisites",
        "recipe",
        "targets",
    )

    def __init__(self, targets: list[str], prerequisites: list[str], order_only: list[str], line: int) -> None:
        self.targets = targets
        self.prerequisites = prerequisites
        self.order_only = order_only
        self.recipe: list[str] = []
        self.line = line
        self.help = ""
        self.is_joint = self.is_double = False
        self.only: list[str] | None = None

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


class MakeText:
    """A makefile, read from its first line to its last.

    :param text: the text
    :param glob: answers `$(wildcard ...)`
    :param read: returns the text of a file that is included, None if it is not there
    """

    def __init__(
        self, text: str, glob: Callable[[str], list[str]], read: Callable[[str], str | None] = lambda _: None
    ) -> None:
        self.variables = Variables(glob)
        self._read = read
        self._files = 0
        self.rules: list[Rule] = []
        self.exported: dict[str, None] = {}
        self.exports_all = False
        self.has_built_in_rules = True
        self.notes: list[str] = []
        self.own: dict[str, list[tuple[str, str, str]]] = {}
        """Target -> the variables that are its own: name, sign, value."""
        self.whole: list[str] = []
        """Why only make can tell what any recipe of the makefile does."""
        self.doubts: dict[str, str] = {}
        """Target, or pattern of targets -> why only make can tell what is done for it."""
        self.lost: list[tuple[str, str, str]] = []
        """Rules whose targets only make can tell: what is known of these, the reason, the text."""
        self._open: list[str] = []
        """Of each conditional around the line: `yes`, `no`, `done` (an earlier branch counts) or a doubt."""
        self._rule: Rule | None = None
        self._lines: Iterator[tuple[int, str]] = _numbered(text)

    def read(self) -> MakeText:
        """Read all of it."""
        while (numbered := next(self._lines, None)) is not None:
            number, raw = numbered
            if raw.startswith("\t") and self._rule is not None:
                self._recipe_line(raw[1:])
                continue
            line = self._joined(raw)
            told = _HELP.search(line)
            line = _without_comment(line)
            if not line.strip() or self._conditional(line, number) or self._is_skipped:
                continue
            try:
                self._statement(line, number, told.group(1) if told else "")
            except UnknownError as error:
                self._rule = None
                self.whole.append(f"line {number}: {line.strip()} ({error})")
        return self

    def doubt_of(self, target: str) -> str:
        """Return why only make can tell what is done for a target, "" if that is known."""
        if self.whole:
            return self.whole[0]
        for one, reason in self.doubts.items():
            if one == target or matches(one, target) is not None or ("*" in one and fnmatchcase(target, one)):
                return reason
        return ""

    @property
    def _is_skipped(self) -> bool:
        return any(one in ("no", "done") for one in self._open)

    @property
    def _doubt(self) -> str:
        """Why only make can tell whether the line counts, "" if it does."""
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
        if self._rule is not None and not self._is_skipped and text.strip():
            self._rule.recipe.append(text)
            if self._doubt:
                self._doubt_targets(self._rule.targets)

    def _conditional(self, line: str, number: int) -> bool:
        """Take in a directive that opens, turns or closes a conditional; return whether it is one."""
        found = _DIRECTIVE.fullmatch(line)
        if found is None:
            return False
        word, rest = found.groups()
        if word == "endif":
            if self._open:
                self._open.pop()
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
            self._open.append("no" if self._is_skipped else self._holds(word, rest, number))
        return True

    def _holds(self, word: str, rest: str, number: int) -> str:
        variables = self.variables
        before, variables.asked = variables.asked, {}
        shown = f"line {number}: {word} {rest.strip()}"
        try:
            if word in ("ifdef", "ifndef"):
                found = variables.is_defined(variables.expand(rest).strip()) == (word == "ifdef")
            else:
                left, right = _operands(rest)
                found = (variables.expand(left) == variables.expand(right)) == (word == "ifeq")
            if variables.asked:
                names = ", ".join(variables.asked)
                self.notes.append(
                    f"{shown}: decided for what {names} is if nothing outside of the makefile sets it"
                )
        except (UnknownError, ValueError) as error:
            return f"{shown}: only make can tell whether it holds" + (f", {error}" if str(error) else "")
        finally:
            variables.asked = before
        return "yes" if found else "no"

    def _doubt_targets(self, targets: list[str]) -> None:
        for target in targets:
            self.doubts.setdefault(target, self._doubt)

    def _statement(self, line: str, number: int, told: str) -> None:
        words = line.split()
        first = words[0]
        doubt = self._doubt
        found = ASSIGNMENT.fullmatch(line)
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
            self.notes.append(f"line {number}: {line.strip()}: files are not looked for elsewhere here")
        elif first == "export" and "=" not in line:
            if doubt or "$" in line:
                raise UnknownError(doubt or "computed names")
            self.exported.update(dict.fromkeys(words[1:]))
            self.exports_all |= len(words) == 1
        elif found is not None:
            self._assign(found, line)
        elif not _ONLY_SAYS.fullmatch(line):
            self._begin_rule(line, number, told)

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
        self.variables.doubt(words[0], f"line {number}: {line.strip()} ... endef is for make to tell")

    def _include(self, line: str, number: int) -> None:
        """Go on with the lines of the files that are included, those of compilers left out."""
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
            if text is not None and self._files <= _MOST_FILES:
                self._lines = chain(_numbered(text), self._lines)
            elif word == "include":
                self.whole.append(f"line {number}: {word} {name}, which is not there")

    def _assign(self, found: re.Match[str], line: str) -> None:
        _, name, sign, value = found.groups()
        self._rule = None
        name = self.variables.expand(name).strip()
        if name in (".RECIPEPREFIX", ".EXTRA_PREREQS") or (name == ".SHELLFLAGS" and self._doubt):
            raise UnknownError(f"{name} changes what recipes are")
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

    def _begin_rule(self, line: str, number: int, told: str) -> None:
        head, _, recipe = line.partition(";")
        at = _colon(head)
        self._rule = None
        if at < 0:
            raise UnknownError("it is for make to tell")
        left, right = head[:at], head[at + 1 :].lstrip(":")
        found = ASSIGNMENT.fullmatch(line[at + 1 :].lstrip(":"))
        shown = f"line {number}: {line.strip()}"
        if found is not None and ";" not in found.group(2):
            self._of_one_target(left, found, shown)
            return
        is_joint = left.endswith("&")
        left = left.removesuffix("&")
        rule = Rule([], [], [], number)
        rule.help = told.strip()
        rule.is_joint, rule.is_double = is_joint, head[at : at + 2] == "::"
        if recipe.strip():
            rule.recipe.append(recipe.strip())
        self._rule = rule
        rule.targets = self._targets(left, shown)
        middle = _colon(right)
        try:
            pattern = self._names(right[:middle]).strip() if middle >= 0 else ""
            before, _, order = self._names(right[middle + 1 :]).partition("|")
        except UnknownError as error:
            rule.prerequisites = [right.strip()]
            for target in rule.targets:
                self.doubts.setdefault(target, f"{shown} ({error})")
            pattern = before = order = ""
        else:
            rule.prerequisites, rule.order_only = (
                [_bare(word) for word in one] for one in (before.split(), order.split())
            )
        for target in rule.targets:
            reason = self._doubt or ("its prerequisites are expanded twice" if "$" in before + order else "")
            if reason or "(" in target:
                self.doubts.setdefault(target, reason or "members of archives are for make to tell")
        if ".POSIX" in rule.targets:
            self.variables.become_posix()
        if pattern:
            self._static(rule, pattern)
        else:
            self.rules.append(rule)

    def _targets(self, text: str, shown: str) -> list[str]:
        """Return the targets of a rule; where only make can tell their names, what is doubtful instead."""
        found = []
        for word in _words(text):
            try:
                found += [_bare(one) for one in self._names(word).split()]
            except UnknownError as error:
                like = _bare(_like(word))
                if not like.strip("*"):
                    raise
                self.doubts.setdefault(like, f"{shown} ({error})")
                self.lost.append((word, str(error), shown))
        return found

    def _names(self, text: str) -> str:
        """Return a text of names of files expanded."""
        variables = self.variables
        before, variables.asked = variables.asked, {}
        try:
            made = variables.expand(text)
            if variables.asked:
                shown = ", ".join(f"{name} as {variables.default(name) or 'empty'}" for name in variables.asked)
                note = f"in the names of files the makefile's own values count: {shown}"
                if note not in self.notes:
                    self.notes.append(note)
            return made
        finally:
            variables.asked = before

    def _of_one_target(self, left: str, found: re.Match[str], line: str) -> None:
        """Take in a variable that only some targets, and what these need, are to see."""
        word, name, sign, value = found.groups()
        for target in self._targets(left, line):
            if word == "export" or self._doubt or "%" in target:
                self.doubts.setdefault(target, self._doubt or f"{line} (a variable of one target)")
            self.own.setdefault(target, []).append((name, sign, value.strip()))

    def _static(self, rule: Rule, pattern: str) -> None:
        """Take a static pattern rule as the pattern rule that it is for its targets."""
        made = Rule([pattern], rule.prerequisites, rule.order_only, rule.line)
        made.recipe, made.help, made.only = rule.recipe, rule.help, rule.targets
        listed = Rule(rule.targets, [], [], rule.line)
        listed.is_double = rule.is_double
        self.rules += [made, listed]


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    return iter(enumerate(text.replace("\r\n", "\n").split("\n"), 1))


def _operands(text: str) -> tuple[str, str]:
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        depth = 0
        for at, char in enumerate(text):
            depth += {"(": 1, ")": -1}.get(char, 0)
            if char == "," and depth == 1:
                return text[1:at].strip(), text[at + 1 : -1].strip()
    found = re.fullmatch(r"""(["'])(.*?)\1\s*(["'])(.*?)\3""", text)
    if found is None:
        raise ValueError(text)
    return found.group(2), found.group(4)


def _colon(text: str) -> int:
    """Return where the colon of a rule stands, -1 if there is none."""
    depth = 0
    for at, char in enumerate(text):
        if char in "({":
            depth += 1
        elif char in ")}":
            depth -= 1
        elif char == ":" and not depth:
            return at
    return -1


def _words(text: str) -> list[str]:
    """Return the words of a text, each reference to a variable as part of one."""
    found, depth, start = [], 0, 0
    for at, char in enumerate(f"{text} "):
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(char, 0)
        if char.isspace() and depth <= 0:
            found.append(text[start:at])
            start = at + 1
    return [one for one in [*found, text[start:]] if one]


def _like(word: str) -> str:
    """Return a word with a `*` for each reference to a variable."""
    made, depth = "", 0
    at = 0
    while at < len(word):
        char = word[at]
        if char == "$" and not depth and word[at + 1 : at + 2] not in ("(", "{"):
            made, at = f"{made}*", at + 2
            continue
        if char in "({":
            depth += 1
        elif char in ")}":
            depth -= 1
            made += "*" if not depth else ""
        elif not depth and char != "$":
            made += char
        at += 1
    return made


def _without_comment(line: str) -> str:
    at = -1
    while (at := line.find("#", at + 1)) >= 0:
        if not at or line[at - 1] != "\\":
            return line[:at]
    return line.replace("\\#", "#")


def _bare(word: str) -> str:
    """Return a name as make compares it: without a `./` before it."""
    return word.removeprefix("./") or word
