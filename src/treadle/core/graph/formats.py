"""A graph as text: lines, a tree, and the language of Graphviz; it decides nothing about the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.errors import one_line

from .dot import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping

    from treadle.core.conditions import Condition

    from .order import Edges

    Conditions = Callable[[Hashable], Mapping[Hashable, Condition]]

TREE_LINES = 1_000
"""A tree with more lines shows what comes after a vertex once; a graph can unfold without bound."""


def as_lines(ids: Iterable[Hashable], edges: Edges, order_edges: Edges, conditions: Conditions) -> str:
    """Return a line for each vertex: `b -> a, c`, or `a -> (none)`; `(after d)` shows edges for order.

    A condition is after its start: `mail -> test (on_failure)`.
    """
    lines = []
    for vertex_id in ids:
        given = conditions(vertex_id)
        names = [
            f"{one_line(start)} ({given[start]})" if start in given else one_line(start)
            for start in edges.before(vertex_id)
        ]
        line = f"{one_line(vertex_id)} -> {', '.join(names) or '(none)'}"
        if order_edges.before(vertex_id):
            line += f" (after {_listed(order_edges.before(vertex_id))})"
        lines.append(line)
    return "\n".join(lines)


def _listed(ids: Iterable[Hashable]) -> str:
    return ", ".join(one_line(vertex_id) for vertex_id in ids)


def as_dot(ids: Collection[Hashable], edges: Edges, order_edges: Edges, conditions: Conditions) -> str:
    """Return the graph for Graphviz, each edge drawn from a vertex to what comes before it, with its condition."""
    lines = ["digraph G {", 'rankdir="LR";']
    lines += [f"{quoted(vertex_id)};" for vertex_id in ids]
    for vertex_id in ids:
        name = quoted(vertex_id)
        given = conditions(vertex_id)
        for start in edges.before(vertex_id):
            label = f" [label={quoted(given[start])}]" if start in given else ""
            lines.append(f"{name} -> {quoted(start)}{label};")
        lines += [f"{name} -> {quoted(start)} [style=dashed];" for start in order_edges.before(vertex_id)]
    lines.append("}")
    return "\n".join(lines)


def as_tree(
    first: Hashable, after: Callable[[Hashable], Iterable[Hashable]], name_of: Callable[[Hashable], str]
) -> str:
    """Return the vertices from `first` along `after` as a tree, sorted by their names."""
    lines = _tree_lines(first, after, name_of, folded=False)
    if len(lines) > TREE_LINES:
        lines = _tree_lines(first, after, name_of, folded=True)
    return "\n".join(lines)


def _tree_lines(
    first: Hashable,
    after: Callable[[Hashable], Iterable[Hashable]],
    name_of: Callable[[Hashable], str],
    *,
    folded: bool,
) -> list[str]:
    lines: list[str] = []
    shown: set[Hashable] = set()
    todo = [("", "", first)]
    while todo and (folded or len(lines) <= TREE_LINES):
        indent, branch, vertex_id = todo.pop()
        names = sorted(((name_of(end), end) for end in after(vertex_id)), key=lambda pair: pair[0])
        is_repeated = folded and vertex_id in shown and names
        lines.append(f"{indent}{branch}{name_of(vertex_id)}{' (see above)' if is_repeated else ''}")
        if is_repeated:
            continue
        shown.add(vertex_id)
        indent += {"": "", "├── ": "│   ", "└── ": "    "}[branch]
        branches = ["├── "] * (len(names) - 1) + ["└── "]
        below = [(indent, mark, end) for mark, (_, end) in zip(branches, names, strict=False)]
        todo += reversed(below)
    return lines
