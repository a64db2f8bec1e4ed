"""Justfiles: parsed into settings, values, aliases and recipes. Nothing is run and nothing is evaluated."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field

_SETTING = re.compile(r"set\s+([a-z-]+)\s*(?::=\s*(.*))?")
_VALUE = re.compile(r"(export\s+)?([A-Za-z_][\w-]*)\s*:=\s*(.*)", re.DOTALL)
_ALIAS = re.compile(r"alias\s+([A-Za-z_][\w-]*)\s*:=\s*([\w:-]+)")
_IMPORT = re.compile(r"import(\?)?\s+(['\"])([^'\"]+)\2")
_MODULE = re.compile(r"mod\??\s+[A-Za-z_].*")
_RECIPE = re.compile(r"(@?)([A-Za-z_][\w-]*)\s*((?:[^:'\"]|'[^']*'|\"[^\"]*\"|:(?==))*):(?!=)(.*)", re.DOTALL)
_PARAMETER = re.compile(
    r"(?P<kind>[+*]?)(?P<export>\$?)(?P<name>[A-Za-z_][\w-]*)"
    r"(?:=(?P<default>'[^']*'|\"[^\"]*\"|[A-Za-z_][\w-]*|\([^)]*\)))?\s*"
)
_ATTRIBUTE = re.compile(r"([a-z-]+)\s*(?:\(\s*(.*?)\s*\)|:\s*('[^']*'|\"[^\"]*\"))?\s*,?\s*")
_DEPENDENCY = re.compile(r"([\w:-]+)|\(\s*([\w:-]+)\s*([^)]*)\)")
_MOST_FILES = 50
_ASSIGNS = re.compile(r"(?:export\s+)?[A-Za-z_][\w-]*\s*:=|set\s")
_QUOTES = ('"""', "'''", "```", '"', "'", "`")


@dataclass(slots=True, eq=False)
class Parameter:
    """A parameter of a recipe.

    :ivar kind: `+` and `*` take several words, `+` at least one
    :ivar default: an expression, None if a value has to be given
    """

    name: str
    kind: str
    default: str | None
    is_exported: bool


@dataclass(slots=True, eq=False)
class Recipe:
    """A recipe.

    :ivar attributes: name and argument
    :ivar before: the recipes that run first, each with its arguments
    :ivar after: likewise those that run at its end
    :ivar odd: what of its head is not understood
    """

    name: str
    line: int
    head: str
    attributes: list[tuple[str, str]] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)
    before: list[tuple[str, str]] = field(default_factory=list)
    after: list[tuple[str, str]] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    help: str = ""
    odd: str = ""

    @property
    def text(self) -> str:
        """The recipe as a justfile has it."""
        said = [f"[{name}({value})]" if value else f"[{name}]" for name, value in self.attributes]
        return "\n".join([*said, self.head, *(f"    {line}" for line in self.body)])

    @property
    def is_script(self) -> bool:
        """Whether its body is a script of its own interpreter."""
        return bool(self.body) and self.body[0].startswith("#!")


class Justfile:
    """A justfile, read from its first line to its last.

    :param read: returns the text of a file that is imported, None if it is not there
    :ivar values: name -> expression
    :ivar odd: what of the file is not understood; it may be about any recipe
    """

    def __init__(self, text: str, read: Callable[[str], str | None]) -> None:
        self.settings: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.exported: list[str] = []
        self.aliases: dict[str, str] = {}
        self.recipes: list[Recipe] = []
        self.modules: list[str] = []
        self.odd: list[str] = []
        self._read = read
        self._files = 0
        self._take(text, "")

    def _take(self, text: str, folder: str) -> None:
        recipe: Recipe | None = None
        attributes: list[tuple[str, str]] = []
        comment = ""
        for number, line in _logical_lines(text):
            if recipe is not None and (not line.strip() or line[0] in " \t"):
                recipe.body.append(line)
                continue
            recipe = None
            stripped = line.strip()
            if not stripped or stripped.startswith("#"):
                comment = stripped.lstrip("# ") if not stripped.startswith("#!") else ""
                continue
            if stripped.startswith("[") and stripped.endswith("]"):
                found = _attributes(stripped[1:-1])
                attributes += found if found is not None else [(stripped, "")]
                continue
            if self._statement(_without_comment(stripped), number, folder):
                recipe = self._recipe(_without_comment(stripped), number, attributes, comment)
            elif attributes:
                # of an alias or a module: it changes only how that is listed
                attributes = []
            if recipe is not None:
                attributes = []
            comment = ""
        for one in self.recipes:
            _dedent(one)

    def _statement(self, line: str, number: int, folder: str) -> bool:
        """Take a line that is no recipe; return whether it may be one."""
        if found := _SETTING.fullmatch(line):
            self.settings[found.group(1)] = (found.group(2) or "true").strip()
        elif found := _ALIAS.fullmatch(line):
            self.aliases[found.group(1)] = found.group(2)
        elif found := _IMPORT.fullmatch(line):
            self._import(os.path.join(folder, found.group(3)), bool(found.group(1)), f"line {number}: {line}")
        elif _MODULE.fullmatch(line):
            self.modules.append(line)
        elif found := _VALUE.fullmatch(line):
            self.values[found.group(2)] = found.group(3).strip()
            if found.group(1):
                self.exported.append(found.group(2))
        elif line.startswith("unexport "):
            self.odd.append(f"line {number}: {line}")
        else:
            return True
        return False

    def _import(self, path: str, is_optional: bool, shown: str) -> None:
        text = self._read(path)
        self._files += 1
        if text is not None and self._files <= _MOST_FILES:
            self._take(text, os.path.dirname(path))
        elif not is_optional:
            self.odd.append(f"{shown}, which does not exist")

    def _recipe(self, line: str, number: int, attributes: list[tuple[str, str]], comment: str) -> Recipe | None:
        found = _RECIPE.fullmatch(line)
        if found is None:
            self.odd.append(f"line {number}: {line}")
            return None
        recipe = Recipe(found.group(2), number, line, list(attributes), help=comment)
        rest = found.group(3).strip()
        while rest:
            one = _PARAMETER.match(rest)
            if one is None or not one.end():
                recipe.odd = f"parameters: {rest}"
                break
            recipe.parameters.append(Parameter(one["name"], one["kind"], one["default"], bool(one["export"])))
            rest = rest[one.end() :]
        first, _, last = found.group(4).partition("&&")
        recipe.before, recipe.after = _dependencies(first, recipe), _dependencies(last, recipe)
        self.recipes.append(recipe)
        return recipe


def _dependencies(text: str, recipe: Recipe) -> list[tuple[str, str]]:
    found = [(one.group(1) or one.group(2), (one.group(3) or "").strip()) for one in _DEPENDENCY.finditer(text)]
    if _DEPENDENCY.sub("", text).strip():
        recipe.odd = f"dependencies: {text.strip()}"
    return found


def _attributes(text: str) -> list[tuple[str, str]] | None:
    found, at = [], 0
    while at < len(text):
        one = _ATTRIBUTE.match(text, at)
        if one is None or one.end() == at:
            return None
        found.append((one.group(1), (one.group(2) or one.group(3) or "").strip("'\"")))
        at = one.end()
    return found


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines with their numbers, those that go on after a backslash as one."""
    found: list[tuple[int, str]] = []
    is_open = False
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if is_open:
            start, before = found[-1]
            found[-1] = start, f"{before}\n{line}"
        else:
            found.append((number, line))
        is_open = line.endswith("\\") or _is_open(found[-1][1])
    return found


def _is_open(text: str) -> bool:
    """Return whether a value ends inside of a text, which goes on in the next line."""
    if not _ASSIGNS.match(text):
        return False
    at, quote = 0, ""
    while at < len(text):
        mark = next((one for one in _QUOTES if text.startswith(one, at)), "")
        if quote:
            if text[at] == "\\" and quote[0] == '"':
                at += 1
            elif text.startswith(quote, at):
                at += len(quote) - 1
                quote = ""
        elif mark:
            quote = mark
            at += len(mark) - 1
        elif text[at] == "#":
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        at += 1
    return bool(quote)


def _without_comment(line: str) -> str:
    quote = ""
    for at, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"`":
            quote = char
        elif char == "#":
            return line[:at].rstrip()
    return line


def _dedent(recipe: Recipe) -> None:
    while recipe.body and not recipe.body[-1].strip():
        recipe.body.pop()
    starts = [re.match(r"[ \t]*", one) for one in recipe.body if one.strip()]
    indent = min((one.group() for one in starts if one is not None), key=len, default="")
    recipe.body = ["\n".join(part.removeprefix(indent) for part in one.split("\n")) for one in recipe.body]
