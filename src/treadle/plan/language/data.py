"""Values that hold more than a text or a list: records, and what a file of values holds, under names with dots.

It knows nothing of actions, and looks at no file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from treadle.errors import TreadleError
from treadle.plan.schema.keys import NAME
from treadle.plan.yaml.nodes import Items, Node, Scalar, Source, Table

from .enabled_if import Number, Operand, text_of
from .templates import Record, Value

MAX_DEPTH = 100

_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)

Tree = Operand | list["Tree"] | dict[str, "Tree"] | None
"""What a file holds, whatever its format: numbers keep the text that they were written as."""
ErrorAt = Callable[[str], TreadleError]
"""Makes an error of ours of what is wrong, at the place that it is about."""


class Data:
    """What values beside texts and lists there are, by name.

    :ivar typed: what conditions see of values that are numbers or booleans
    :ivar records: lists of records
    :ivar odd: what is no value: name -> what to say where it is used
    """

    __slots__ = ("records", "typed", "unusable")

    def __init__(self) -> None:
        self.typed: dict[str, Operand] = {}
        self.records: dict[str, tuple[Record, ...]] = {}
        self.unusable: dict[str, str] = {}

    def take(self, name: str, tree: Tree, base: dict[str, Value], told: ErrorAt, where: str = "") -> None:
        """Take in what a name stands for: texts and lists go into `base`.

        :param where: it is defined, for the errors about what is no value
        :raises TreadleError: a text in it can be no value
        """
        fact = f"\n{name} is defined {where}" if where else ""
        for path, found in _walk(name, tree, told):
            for before in (self.unusable, self.records, self.typed):
                before.pop(path, None)
            base.pop(path, None)
            if found is None:
                self.unusable[path] = f"${{{path}}} is null\ngive it a value{fact}"
            elif isinstance(found, list):
                self._take_list(path, found, base, told)
                if path in self.unusable:
                    self.unusable[path] += fact
            else:
                base[path] = text_of(found)
                if not isinstance(found, str):
                    self.typed[path] = found

    def _take_list(self, path: str, found: list[Tree], base: dict[str, Value], told: ErrorAt) -> None:
        maps = sum(isinstance(one, dict) for one in found)
        if maps and maps == len(found):
            self.records[path] = tuple([record(one, told) for one in found])
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
                base[path] = tuple([_checked(text, told) for text in texts if text is not None])


def record(tree: Tree, told: ErrorAt) -> Record:
    """Return a map as a record."""
    data, values = Data(), dict[str, Value]()
    for key, one in tree.items() if isinstance(tree, dict) else ():
        if NAME.fullmatch(key):
            data.take(key, one, values, told)
    return Record(values, data.typed, data.unusable)


def _walk(name: str, tree: Tree, told: ErrorAt) -> Iterator[tuple[str, Operand | list[Tree] | None]]:
    """Yield all that is no map, under its whole name."""
    stack: list[tuple[str, Tree]] = [(name, tree)]
    while stack:
        path, one = stack.pop()
        if isinstance(one, dict):
            if path.count(".") >= MAX_DEPTH:
                raise told(f"nested more than {MAX_DEPTH} levels deep")
            inside = [(f"{path}.{key}", value) for key, value in one.items() if NAME.fullmatch(key)]
            stack.extend(reversed(inside))
        else:
            yield path, _checked(one, told) if isinstance(one, str) else one


def _texts(tree: list[Tree]) -> Iterator[str | None]:
    stack: list[Tree] = list(reversed(tree))
    while stack:
        one = stack.pop()
        if isinstance(one, list):
            stack.extend(reversed(one))
        elif not isinstance(one, dict):
            yield None if one is None else text_of(one)


def _checked(text: str, told: ErrorAt) -> str:
    if "\0" in text:
        raise told("a text with a NUL character: no path, argument or variable can hold one")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise told("a text with a lone surrogate (half a character)")
    return text


def scalar(text: str, *, is_plain: bool) -> Operand:
    """Return a scalar of YAML: a plain number or boolean is one for conditions, and stays the text it is."""
    if not is_plain:
        return text
    if text in ("true", "false"):
        return text == "true"
    return Number(text) if _NUMBER.fullmatch(text) else text


def tree_of(node: Node) -> Tree:
    """Return what a YAML file of values holds."""
    if isinstance(node, Scalar):
        return None if node.is_null else scalar(node.text, is_plain=node.style is None)
    if isinstance(node, Items):
        return [tree_of(one) for one in node.nodes]
    return {name: tree_of(value) for name, value in node.nodes.items()}


def at(source: Source, node: Node) -> ErrorAt:
    """Return what makes errors at a node."""
    return lambda what: source.error(what, node, hint="correct that value, or use another one")


def has_tables(node: Node) -> bool:
    """Whether there is a map in a list, or in the lists in it."""
    if isinstance(node, Items):
        return any(has_tables(one) for one in node.nodes)
    return isinstance(node, Table)
