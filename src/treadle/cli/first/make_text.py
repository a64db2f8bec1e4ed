"""A makefile taken apart: its variables, its rules, and what of it nobody but make can tell. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain

from .make_values import UnknownError, Variables

ASSIGNMENT = re.compile(
    r"\s*(?:(override|private|export)\s+)*([^\s:#=!?+]+)\s*(=|:=|::=|\?=|\+=|!=)\s*(.*)", re.DOTALL
)
_DIRECTIVE = re.compile(r"\s*(ifeq|ifneq|ifdef|ifndef|else|endif)\b\s*(.*)")
_HELP = re.compile(r"##\s*(.+)$")
_OF_COMPILERS = (".d", ".dep", ".deps", ".depend", ".P", ".Po")
"""Ends of files that compilers write and makefiles include: what they say is found anew."""
_MOST_FILES = 100


class Rule:
    """One rule: what is made, from what, how.

    :ivar is_joint: one run of it makes all its targets (`&:`)
    :ivar is_double: it is one of several of its target that all count (`::`)
    """

    __slots__ = ("help", "is_double", "is_joint", "line", "order_only", "prerequisites", "recipe", "targets")

    def __init__(self, targets: list[str], prerequisites: list[str], order_only: list[str], line: int) -> None:
        self.targets = targets
        self.prerequisites = prerequisites
        self.order_only = order_only
        self.recipe: list[str] = []
        self.line = line
        self.help = ""
        self.is_joint = self.is_double = False

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
        self.exported: list[str] = []
        self.notes: list[str] = []
        self.own: dict[str, list[tuple[str, str, str]]] = {}
        """Target -> the variables that are its own: name, sign, value."""
        self._open: list[bool | None] = []
        """Of each conditional around the line: whether its branch counts; None if nobody can tell."""
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
            if not line.strip():
                continue
            if self._conditional(line, number) or not all(self._open):
                continue
            self._statement(line, number, told.group(1) if told else "")
        return self

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
        if self._rule is not None and all(self._open) and text.strip():
            self._rule.recipe.append(text)

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
                more = _DIRECTIVE.fullmatch(rest)
                self._open.append(
                    was is False and (more is None or self._holds(more.group(1), more.group(2), number))
                )
        else:
            self._open.append(self._holds(word, rest, number))
        return True

    def _holds(self, word: str, rest: str, number: int) -> bool:
        asked = dict(self.variables.unset)
        try:
            if word in ("ifdef", "ifndef"):
                return bool(self.variables.text(rest.strip())) == (word == "ifdef")
            left, right = _operands(rest)
            return (self.variables.expand(left) == self.variables.expand(right)) == (word == "ifeq")
        except (UnknownError, ValueError):
            self.notes.append(f"line {number}: {word} {rest.strip()} was taken as false, as only make can tell")
            return False
        finally:
            self.variables.unset = asked

    def _statement(self, line: str, number: int, told: str) -> None:
        self_words = line.split()
        first = self_words[0]
        if first in ("include", "-include", "sinclude"):
            self._rule = None
            self._include(line, number)
        elif first == "define":
            self.notes.append(f"line {number}: {line.strip()} ... endef")
            for _, text in self._lines:
                if text.strip() == "endef":
                    break
            self._rule = None
        elif first in ("vpath", "unexport", "undefine"):
            self.notes.append(f"line {number}: {line.strip()}")
        elif first == "export" and "=" not in line:
            self.exported += self_words[1:]
        elif found := ASSIGNMENT.fullmatch(line):
            self._assign(found, line)
        else:
            self._begin_rule(line, number, told)

    def _include(self, line: str, number: int) -> None:
        """Go on with the lines of the files that are included, those of compilers left out."""
        word, _, rest = line.strip().partition(" ")
        try:
            texts = [(one, self._read(one)) for one in self.variables.expand(rest).split()]
        except UnknownError as error:
            self.notes.append(f"line {number}: {line.strip()} ({error})")
            return
        for name, text in reversed(texts):
            if name.endswith(_OF_COMPILERS):
                continue
            self._files += 1
            if text is not None and self._files <= _MOST_FILES:
                self._lines = chain(_numbered(text), self._lines)
            elif word == "include":
                self.notes.append(f"line {number}: {word} {name}, which is not there")

    def _assign(self, found: re.Match[str], line: str) -> None:
        _, name, sign, value = found.groups()
        self._rule = None
        if line.lstrip().startswith("export"):
            self.exported.append(name)
        self.variables.assign(name, sign, value.rstrip() if sign != "=" else value)

    def _begin_rule(self, line: str, number: int, told: str) -> None:
        head, _, recipe = line.partition(";")
        at = _colon(head)
        self._rule = None
        if at < 0:
            self.notes.append(f"line {number}: {line.strip()}")
            return
        left, right = head[:at], head[at + 1 :].lstrip(":")
        found = ASSIGNMENT.fullmatch(line[at + 1 :].lstrip(":"))
        if found is not None and ";" not in found.group(2):
            self._of_one_target(left, found, f"line {number}: {line.strip()}")
            return
        is_joint = left.endswith("&")
        left = left.removesuffix("&")
        try:
            targets = self.variables.expand(left).split()
            middle = _colon(right)
            pattern = self.variables.expand(right[:middle]).strip() if middle >= 0 else ""
            before, _, order = self.variables.expand(right[middle + 1 :]).partition("|")
        except UnknownError as error:
            self.notes.append(f"line {number}: {line.strip()} ({error})")
            return
        targets, sources, order_only = (
            [_bare(word) for word in one] for one in (targets, before.split(), order.split())
        )
        rule = Rule(targets, sources, order_only, number)
        rule.help = told.strip()
        rule.is_joint, rule.is_double = is_joint, head[at : at + 2] == "::"
        self._rule = rule
        if recipe.strip():
            rule.recipe.append(recipe.strip())
        if pattern:
            self._static(rule, pattern)
        else:
            self.rules.append(rule)

    def _of_one_target(self, left: str, found: re.Match[str], line: str) -> None:
        """Take in a variable that only some targets, and what these need, are to see."""
        word, name, sign, value = found.groups()
        try:
            targets = [_bare(one) for one in self.variables.expand(left).split()]
        except UnknownError as error:
            self.notes.append(f"{line} ({error})")
            return
        if word == "export" or any("%" in one for one in targets):
            self.notes.append(f"{line} (a variable of one target)")
        for target in targets:
            self.own.setdefault(target, []).append((name, sign, value.strip()))

    def _static(self, rule: Rule, pattern: str) -> None:
        """Take a static pattern rule as the pattern rule that it is for its targets."""
        made = Rule([pattern], rule.prerequisites, rule.order_only, rule.line)
        made.recipe, made.help = rule.recipe, rule.help
        self.rules += [made, Rule(rule.targets, [], [], rule.line)]


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


def _without_comment(line: str) -> str:
    at = -1
    while (at := line.find("#", at + 1)) >= 0:
        if not at or line[at - 1] != "\\":
            return line[:at]
    return line.replace("\\#", "#")


def _bare(word: str) -> str:
    """Return a name as make compares it: without a `./` before it."""
    return word.removeprefix("./") or word
