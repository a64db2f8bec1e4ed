"""A graph as an indented text: below each action what it needs. It knows no plans and no walks."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from treadle.core.text import safe
from treadle.ui.text import Line, crop_line, line

from .model import FAILED, MAY_RUN, RUN, UP_TO_DATE, Graph, Vertex

STYLES = {FAILED: "bad", RUN: "warn", MAY_RUN: "warn", UP_TO_DATE: "good"}
DEEPEST = 20
"""Levels of indentation: deeper vertices are shown further below, from the margin."""


def tree_lines(graph: Graph, named: Collection[str] = (), room: int = 0) -> Iterator[Line]:
    """Yield the lines of a graph, from what nothing needs down to what needs nothing.

    Each vertex is shown with what it needs once; `...` after a name refers to that place.

    :param named: names that are marked
    :param room: cells of a line, 0 for no bound
    """
    before, after = graph.predecessors(), graph.successors()
    roots = [name for name in graph.vertices if not after[name]]
    shown: set[str] = set()
    while roots:
        stack = [(roots.pop(0), 0, "")]
        while stack:
            name, level, condition = stack.pop()
            again = bool(before[name]) and (name in shown or level >= DEEPEST)
            if level >= DEEPEST and before[name] and name not in shown:
                roots.append(name)
            made = _line(graph.vertices[name], level, condition, again=again, is_named=name in named)
            yield crop_line(made, room) if room else made
            if not again:
                shown.add(name)
                needs = graph.conditions
                stack += [(one, level + 1, needs.get((one, name), "")) for one in reversed(before[name])]


def _line(vertex: Vertex, level: int, condition: str, *, again: bool, is_named: bool) -> Line:
    name = safe(vertex.name)
    if vertex.is_folded:
        name += f" ({len(vertex.members)})"
    parts: list[str | tuple[str, str]] = ["  " * level, (name, "name" if is_named or not level else "")]
    if condition:
        parts.append((f" [{safe(condition)}]", "dim"))
    if vertex.is_last:
        parts.append((" [at the end]", "dim"))
    if again:
        return line(*parts, (" ...", "dim"))
    said = said_of(vertex)
    if said:
        parts += [": ", (said, STYLES[vertex.state])]
        if vertex.note:
            parts.append((f" ({safe(vertex.note)})", "dim"))
    return line(*parts)


def said_of(vertex: Vertex) -> str:
    """Return the state of a vertex in words; of a family the number of members with each state."""
    if not vertex.is_folded:
        return vertex.state
    return ", ".join(f"{number} {state}" for state, number in vertex.states.items())
