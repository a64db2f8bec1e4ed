"""Structured values: records and nested maps, whose fields get names with dots. It reads no files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from treadle.errors import TreadleError
from treadle.plan.schema.keys import NAME
from treadle.plan.yaml.nodes import Items, Node, Scalar, Source, Table

from .enabled_if import Number, Operand, Tree, text_of
from .templates import ROOT_MARK, Record, Value

MAX_DEPTH = 100

_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)

ErrorAt = Callable[[str], TreadleError]
"""Called with what is wrong; returns the error at the place that it is about."""


@dataclass(slots=True, eq=False)
class Data:
    """The named values that are not plain texts and lists.

    :param typed: the values in conditions of names that are numbers or booleans
    :param records: lists of records
    :param unusable: a name that is neither a text nor a list -> the error if it is used
    :param trees: a name -> all that it holds
    """

    typed: dict[str, Operand] = field(default_factory=dict)
    records: dict[str, tuple[Record, ...]] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    trees: dict[str, Tree] = field(default_factory=dict)

    def add(self, name: str, tree: Tree, base: dict[str, Value], error_at: ErrorAt, where: str = "") -> None:
        """Add the value of a name, and of all names in it; texts and lists go into `base`.

        :param where: where it is defined, for errors
        :raises TreadleError: a text in it is not allowed as a value
        """
        fact = f"\n{name} is defined {where}" if where else ""
        self.trees[name] = _over(self.trees.get(name), tree)
        for path, found in _walk(name, tree, error_at):
            for before in (self.unusable, self.records, self.typed):
                before.pop(path, None)
            base.pop(path, None)
            if found is None:
                self.unusable[path] = f"${{{path}}} is null\ngive it a value{fact}"
            elif isinstance(found, list):
                self._add_list(path, found, base, error_at)
                if path in self.unusable:
                    self.unusable[path] += fact
            else:
                base[path] = text_of(found)
                if not isinstance(found, str):
                    self.typed[path] = found

    def _add_list(self, path: str, found: list[Tree], base: dict[str, Value], error_at: ErrorAt) -> None:
        maps = sum(isinstance(one, dict) for one in found)
        if maps and maps == len(found):
            self.records[path] = tuple([record(one, error_at) for one in found])
            self.unusable[path] = (
                f"${{{path}}} is a list of records: only foreach can use it\nuse foreach: and ${{t.NAME}}"
            )
        elif maps:
            self.unusable[path] = (
                f"${{{path}}} is a list that mixes maps and other values\nmake all of them maps, or none"
            )
        else:
            texts = list(_texts(found))
            if None in texts:
                self.unusable[path] = f"${{{path}}} is a list that holds null\nremove the null"
            else:
                base[path] = tuple([_checked(text, error_at) for text in texts if text is not None])


def record(tree: Tree, error_at: ErrorAt) -> Record:
    """Return a map as a record."""
    data, values = Data(), dict[str, Value]()
    for key, one in tree.items() if isinstance(tree, dict) else ():
        if NAME.fullmatch(key):
            data.add(key, one, values, error_at)
    return Record(values, data.typed, data.unusable, tree)


def is_ambiguous(text: str) -> bool:
    """Whether a text without quotes could be read as another value: a number, `null`, a list."""
    return text in ("", "true", "false", "null") or text[0] in '[{"' or _NUMBER.fullmatch(text) is not None


def _over(before: Tree, tree: Tree) -> Tree:
    """Return a tree with the entries of an earlier one that it does not have."""
    if not isinstance(before, dict) or not isinstance(tree, dict):
        return tree
    return {**before, **{key: _over(before.get(key), one) for key, one in tree.items()}}


def _walk(name: str, tree: Tree, error_at: ErrorAt) -> Iterator[tuple[str, Operand | list[Tree] | None]]:
    """Yield everything that is not a map, with its full name."""
    stack: list[tuple[str, Tree]] = [(name, tree)]
    while stack:
        path, one = stack.pop()
        if isinstance(one, dict):
            if path.count(".") >= MAX_DEPTH:
                raise error_at(f"nested more than {MAX_DEPTH} levels deep")
            inside = [(f"{path}.{key}", value) for key, value in one.items() if NAME.fullmatch(key)]
            stack.extend(reversed(inside))
        else:
            yield path, _checked(one, error_at) if isinstance(one, str) else one


def _texts(tree: list[Tree]) -> Iterator[str | None]:
    stack: list[Tree] = list(reversed(tree))
    while stack:
        one = stack.pop()
        if isinstance(one, list):
            stack.extend(reversed(one))
        elif not isinstance(one, dict):
            yield None if one is None else text_of(one)


def _checked(text: str, error_at: ErrorAt) -> str:
    if "\0" in text:
        raise error_at("a text with a NUL character: no path, argument or variable can hold one")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text.replace(ROOT_MARK, "")):
        raise error_at("a text with a lone surrogate (half a character)")
    return text


def scalar(text: str, *, is_plain: bool) -> Operand:
    """Return a scalar of YAML: a plain number or boolean is one in conditions, and keeps its text."""
    if not is_plain:
        return text
    if text in ("true", "false"):
        return text == "true"
    return Number(text) if _NUMBER.fullmatch(text) else text


def tree_of(node: Node) -> Tree:
    """Return the content of a YAML file of values."""
    if isinstance(node, Scalar):
        return None if node.is_null else scalar(node.text, is_plain=node.style is None)
    if isinstance(node, Items):
        return [tree_of(one) for one in node.nodes]
    return {name: tree_of(value) for name, value in node.nodes.items()}


def at(source: Source, node: Node) -> ErrorAt:
    """Return a function that makes errors at a node."""
    return lambda what: source.error(what, node, hint="correct that value, or use another one")


def has_tables(node: Node) -> bool:
    """Whether a node is a map, or a list with a map in it at any depth."""
    if isinstance(node, Items):
        return any(has_tables(one) for one in node.nodes)
    return isinstance(node, Table)
