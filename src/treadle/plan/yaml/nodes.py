"""Nodes of parsed YAML: scalars, lists and maps with their places in the text. Unaware of plans."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from treadle.errors import Place, TreadleError

NULLS = frozenset(("", "~", "null", "Null", "NULL"))


class Source:
    r"""A file's text; converts offsets in it to places.

    Of a plan with other plans in it, it is the text of all files, one after the other: so an offset alone
    identifies the file too.

    :param file: the name that places show
    :param text: the text with `\n` as the only line end
    """

    __slots__ = ("_bases", "_files", "_starts", "file", "text")

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._starts: list[int] = []
        self._files = [file]
        self._bases = [0]

    def add(self, other: Source) -> int:
        """Append the text of another file, and return the offset that its first character has now."""
        base = len(self.text) + 1
        self.text = f"{self.text}\n{other.text}"
        self._starts = []
        self._files.append(other.file)
        self._bases.append(base)
        return base

    def place(self, offset: int) -> Place:
        """Return the place of the character at `offset`."""
        if not self._starts:
            lengths = [len(line) + 1 for line in self.text.split("\n")]
            self._starts = [0, *accumulate(lengths[:-1])]
        line = bisect_right(self._starts, offset) - 1
        start = self._starts[line]
        end = self.text.find("\n", start)
        part = bisect_right(self._bases, offset) - 1
        before = bisect_right(self._starts, self._bases[part]) - 1 if part else 0
        text = self.text[start : None if end < 0 else end]
        return Place(self._files[part], line + 1 - before, offset - start + 1, text)

    def error(self, what: str, node: Node | int, *, facts: tuple[str, ...] = (), hint: str = "") -> TreadleError:
        """Return an error at a node or at an offset."""
        place = self.place(node if isinstance(node, int) else node.start)
        return TreadleError(what, facts=facts, hint=hint, place=place)

    def inside(self, node: Scalar, offset: int, snippet: str) -> int:
        """Return the offset in the file of the `snippet` at `offset` in the scalar's text.

        Escapes and folded lines move text. If the two cannot be matched, it is the scalar's start.
        """
        raw = self.text[node.start : node.end]
        skip = raw.find("\n") + 1 if node.style in ("|", ">") else 0
        if raw.count(snippet, skip) != node.text.count(snippet):
            return node.start
        at = skip - 1
        for _ in range(node.text.count(snippet, 0, offset) + 1):
            at = raw.find(snippet, at + 1 if at < skip else at + len(snippet))
        return node.start + at


@dataclass(slots=True, eq=False)
class Scalar:
    """A text as it was written, and its style: `None` for plain, or one of `'`, `"`, `|`, `>`."""

    text: str
    style: str | None
    start: int
    end: int

    @property
    def is_null(self) -> bool:
        """Whether it is null: `~`, `null`, or nothing at all."""
        return self.style is None and self.text in NULLS


@dataclass(slots=True, eq=False)
class Items:
    """A list; `flow` says that it is written in brackets."""

    start: int
    flow: bool
    end: int = 0
    nodes: list[Node] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Table:
    """A map; its keys are texts, in the order of the file."""

    start: int
    flow: bool
    end: int = 0
    keys: dict[str, Scalar] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)

    def items(self) -> Iterator[tuple[Scalar, Node]]:
        """Yield each key with its value."""
        for name, key in self.keys.items():
            yield key, self.nodes[name]


Node = Scalar | Items | Table


def move(root: Node, by: int) -> None:
    """Add a number to the offsets of a node and of all nodes in it."""
    stack, moved = [root], {id(root)}
    while stack:
        node = stack.pop()
        node.start += by
        node.end += by
        inside: Iterable[Node] = ()
        if isinstance(node, Table):
            inside = (*node.keys.values(), *node.nodes.values())
        elif isinstance(node, Items):
            inside = node.nodes
        for one in inside:
            if id(one) not in moved:
                moved.add(id(one))
                stack.append(one)


def shape(node: Node) -> str:
    """Describe a node, for an error text."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Table):
        return "a map"
    if node.is_null:
        return "an empty value"
    shown = node.text if len(node.text) <= 40 else node.text[:37] + "..."
    return repr(shown)
