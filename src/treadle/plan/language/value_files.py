"""Reads files of values when a plan is loaded: yaml, json, toml, text. Unaware of actions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from treadle.errors import TreadleError
from treadle.plan.yaml import parser
from treadle.plan.yaml.nodes import Source

from .data import ErrorAt, tree_of
from .enabled_if import Number, Tree
from .globs import Disk

_SUFFIXES = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}
_ANOTHER = "correct it, or say another format: {file: ..., format: text}"
_TOML = re.compile(
    r"""(?P<text>"{3}(?:\\.|[^\\])*?"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')|(?P<rest>\#[^\n]*)"""
    r"""|(?P<sign>[\[\]{}=,\n])"""
    r"""|(?P<date>\d{4}-\d\d-\d\d(?:[Tt\ ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)?)?(?![\w:.-]))"""
    r"""|(?P<time>\d\d:\d\d:\d\d(?:\.\d+)?(?![\w:.-]))"""
    r"""|(?P<int>[+-]?(?:0x[0-9A-Fa-f_]+|0o[0-7_]+|0b[01_]+|\d[\d_]*))(?![\w.:-])|(?P<word>[\w.:+-]+)""",
    re.DOTALL,
)
"""The parts of a TOML text that are needed to find its values."""
_AT_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")


class ValueFiles:
    """Reads files of values, each once.

    :param disk: keeps which files were read
    """

    __slots__ = ("_disk", "_results", "_sources", "_trees", "named")

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.named: dict[str, ErrorAt] = {}
        """Absolute path -> a function that makes an error at the place that named it."""
        self._results: dict[str, dict[str, str]] = {}
        self._sources: dict[str, Source | None] = {}
        self._trees: dict[tuple[str, str], Tree] = {}

    def source(self, path: str, shown: str, error_at: ErrorAt) -> Source | None:
        """Return the text of a file, None if there is none.

        :param path: absolute
        :param shown: its path in errors
        :param error_at: makes an error at the place that names it
        :raises TreadleError: it cannot be read, or is not text
        """
        self.named.setdefault(path, error_at)
        if path in self._sources:
            return self._sources[path]
        self._disk.note(path)
        found: Source | None = None
        try:
            data = parser.read_own(path, shown)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            hint = "name a file that may be read"
            raise TreadleError(f"cannot read {shown}", facts=(str(why),), hint=hint) from None
        else:
            if len(data) > parser.MAX_BYTES:
                raise TreadleError(f"{shown} is larger than 64 MiB")
            found = parser.decode(shown, data)
        self._sources[path] = found
        return found

    def tree(self, path: str, kind: str, source: Source) -> Tree:
        """Return the content of a file.

        :param path: absolute
        :param kind: one of `schema.FORMATS`
        :raises TreadleError: it is not of that format
        """
        if (path, kind) not in self._trees:
            self._trees[path, kind] = _PARSERS[kind](source)
        return self._trees[path, kind]

    def result_of(self, path: str, make: Callable[[Source], dict[str, str]], source: Source) -> dict[str, str]:
        """Return the result of a function for a file; it is called once for each file."""
        if path not in self._results:
            self._results[path] = make(source)
        return self._results[path]


def shown_path(plan: str, path: str) -> str:
    """Return a path as it is shown in errors.

    :param plan: the plan's file as it is shown
    :param path: absolute
    """
    return os.path.join(os.path.dirname(plan), os.path.relpath(path, os.path.dirname(os.path.abspath(plan))))


def format_of(path: str) -> str:
    """Return the format for the suffix of a path."""
    return _SUFFIXES.get(os.path.splitext(path)[1].lower(), "text")


def _yaml(source: Source) -> Tree:
    return tree_of(parser.parse(source))


def _json(source: Source) -> Tree:
    import json  # few plans need it

    def once(pairs: list[tuple[str, Tree]]) -> dict[str, Tree]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            what = f"duplicate key {twice!r} in a map of {source.file}"
            raise TreadleError(what, hint="merge the two, or rename one")
        return found

    try:
        found: Tree = json.loads(
            source.text, parse_int=Number, parse_float=Number, parse_constant=str, object_pairs_hook=once
        )
    except json.JSONDecodeError as error:
        at = min(error.pos, len(source.text))
        raise source.error(f"not valid JSON: {error.msg}", at, hint=_ANOTHER) from None
    except RecursionError:
        raise TreadleError(f"{source.file} is nested too deep") from None
    return found


def _toml(source: Source) -> Tree:
    import tomllib  # few plans need it

    mark = "\ue000"
    while mark in source.text:
        mark += "\ue001"
    try:
        # once for the errors, with their places; then for the values, as they are written
        tomllib.loads(source.text, parse_float=Number)
        return _of_toml(tomllib.loads(_as_written(source.text, mark), parse_float=Number), mark)
    except tomllib.TOMLDecodeError as error:
        text = str(error)
        where = _AT_LINE.search(text)
        lines = source.text.split("\n")
        at = len(source.text)
        if where is not None:
            at = sum(len(line) + 1 for line in lines[: int(where[1]) - 1]) + int(where[2]) - 1
        raise source.error(
            f"not valid TOML: {_AT_LINE.sub('', text)}", min(at, len(source.text)), hint=_ANOTHER
        ) from None
    except RecursionError:
        raise TreadleError(f"{source.file} is nested too deep") from None


def _as_written(text: str, mark: str) -> str:
    """Return a TOML text with its whole numbers, dates and times as texts, as they are written.

    :param mark: the prefix of the texts of numbers
    """
    made: list[str] = []
    around: list[str] = []
    at = 0
    is_value = False
    while (found := _TOML.search(text, at)) is not None:
        made.append(text[at : found.start()])
        at, part, kind = found.end(), found.group(), found.lastgroup
        if is_value and kind in ("int", "date", "time"):
            made.append(f'"{mark if kind == "int" else ""}{part}"')
            is_value = False
            continue
        if part == "[" and not is_value and around[-1:] != ["["]:
            # the name of a table, to the end of the line
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
            part = text[found.start() : at]
        elif part in ("[", "{"):
            around.append(part)
            is_value = part == "["
        elif part in ("]", "}"):
            around.pop()
            is_value = False
        elif part == ",":
            is_value = around[-1] == "["
        elif part == "=":
            is_value = True
        elif kind in ("text", "word"):
            is_value = False
        made.append(part)
    return "".join(made) + text[at:]


def _of_toml(value: object, mark: str) -> Tree:
    if isinstance(value, dict):
        return {name: _of_toml(one, mark) for name, one in value.items()}
    if isinstance(value, list):
        return [_of_toml(one, mark) for one in value]
    if isinstance(value, str) and value.startswith(mark):
        return _whole_number(value[len(mark) :])
    assert isinstance(value, bool | str | Number)
    return value


def _whole_number(text: str) -> Number:
    try:
        return Number(text, float(int(text.replace("_", ""), 0 if text[1:2].isalpha() else 10)))
    except (OverflowError, ValueError):
        # too large for a comparison that is exact
        return Number(text, float("inf"))


def _text(source: Source) -> Tree:
    return source.text.rstrip("\n")


_PARSERS = {"yaml": _yaml, "json": _json, "toml": _toml, "text": _text}
