"""A graph as text for other programs: dot, Mermaid, and data for JSON. It knows no plans and no walks."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from treadle.core.graph.dot import quoted
from treadle.core.text import crop_middle, safe

from .model import AFTER, FAILED, MAY_RUN, NEEDS, RUN, STATES, UNKNOWN, UP_TO_DATE, Graph, Vertex, ranks
from .tree import said_of

FORMAT = 1
"""The version of the data: names in it are stable, new ones may be added."""
_ROOM = 48
"""Cells of a name in a picture; its tooltip has all of it."""
_COLUMN = 25
"""Leaves of one column of a picture; more are drawn in several columns."""

_FILLS = {FAILED: "#f6b8b0", RUN: "#ffd98a", MAY_RUN: "#fff3cd", UP_TO_DATE: "#dcefdc", UNKNOWN: "#ffffff"}
_BORDERS = {FAILED: "#a11b0e", RUN: "#9a6700", MAY_RUN: "#9a6700", UP_TO_DATE: "#4d7a4d", UNKNOWN: "#555555"}
_EDGES = {NEEDS: "dashed", AFTER: "dotted"}


def dot_lines(graph: Graph, title: str = "") -> Iterator[str]:
    """Yield the lines of a graph in the language of Graphviz.

    :param title: a line below the picture, before what the colours mean
    """
    yield "digraph plan {"
    yield '  graph [rankdir=LR, nodesep=0.12, ranksep=0.5, pad=0.2, fontname="Helvetica,Arial,sans-serif",'
    yield f"    fontsize=11, labelloc=b, labeljust=l, label={_legend(graph, title)}]"
    yield '  node [shape=box, style="filled,rounded", fontname="Helvetica,Arial,sans-serif", fontsize=11,'
    yield '    height=0.25, margin="0.08,0.03"]'
    yield '  edge [color="#777777", arrowsize=0.5, penwidth=0.8]'
    ids = {name: f"n{number}" for number, name in enumerate(graph.vertices)}
    for name, vertex in graph.vertices.items():
        yield f"  {ids[name]} [{_attributes(vertex)}]"
    lengths = _lengths(graph)
    for pair, kind in graph.edges.items():
        marks = [f"style={_EDGES[kind]}"] if kind in _EDGES else []
        if pair in graph.conditions:
            marks.append(f"label={quoted(safe(graph.conditions[pair]))}, fontsize=9")
        marks += [f"minlen={lengths[pair]}"] if pair in lengths else []
        yield f"  {ids[pair[0]]} -> {ids[pair[1]]}{' [' + ', '.join(marks) + ']' if marks else ''}"
    yield from (f"  {' -> '.join(ids[name] for name in row)} [style=invis]" for row in _rows(graph))
    yield "}"


def _lengths(graph: Graph) -> dict[tuple[str, str], int]:
    """Return the lengths of the edges to leaves by which many leaves are drawn in several columns."""
    degree = dict.fromkeys(graph.vertices, 0)
    for pair in graph.edges:
        for name in pair:
            degree[name] += 1
    rank = ranks(graph)
    columns: dict[tuple[int, bool], list[tuple[str, str]]] = {}
    for pair in graph.edges:
        for end, other in (pair, pair[::-1]):
            if degree[end] == 1:
                columns.setdefault((rank[other], end == pair[0]), []).append(pair)
                break
    return {
        pair: 1 + number % wide
        for pairs in columns.values()
        if (wide := -(-len(pairs) // _COLUMN)) > 1
        for number, pair in enumerate(pairs)
    }


def _rows(graph: Graph) -> Iterator[list[str]]:
    """Yield the vertices without edges in rows, so that they are not drawn in one long column."""
    busy = {name for pair in graph.edges for name in pair}
    alone = [name for name in graph.vertices if name not in busy]
    wide = max(1, round(len(alone) ** 0.5 / 2))
    for at in range(0, len(alone), wide):
        if len(alone[at : at + wide]) > 1:
            yield alone[at : at + wide]


def _legend(graph: Graph, title: str) -> str:
    """Return the label below the picture: its title, and how many actions each colour means."""
    cells = [f"<td>{escape(safe(title))}</td>"] if title else []
    cells += [f'<td bgcolor="{_FILLS[state]}">{number} {state}</td>' for state, number in graph.counts().items()]
    return f'<<table border="0" cellspacing="6"><tr>{"".join(cells)}</tr></table>>' if cells else '""'


def _attributes(vertex: Vertex) -> str:
    state = vertex.state
    said = " - ".join(text for text in (vertex.name, vertex.help, said_of(vertex), vertex.note) if text)
    made = [
        f"label={quoted(_label(vertex))}",
        f"tooltip={quoted(safe(said))}",
        f'fillcolor="{_FILLS[state]}"',
        f'color="{_BORDERS[state]}"',
    ]
    if state == MAY_RUN:
        made.append('style="filled,rounded,dashed"')
    if state in (FAILED, RUN):
        made.append("penwidth=1.8")
    if vertex.is_folded:
        made.append("peripheries=2")
    return ", ".join(made)


def _label(vertex: Vertex) -> str:
    name = crop_middle(safe(vertex.name), _ROOM) + (" [at the end]" if vertex.is_last else "")
    return f"{name} ({len(vertex.members)})" if vertex.is_folded else name


def mermaid_lines(graph: Graph) -> Iterator[str]:
    """Yield the lines of a graph in the language of Mermaid."""
    yield "flowchart LR"
    ids = {name: f"n{number}" for number, name in enumerate(graph.vertices)}
    for name, vertex in graph.vertices.items():
        label = _in_mermaid(_label(vertex))
        shape = f'[["{label}"]]' if vertex.is_folded else f'["{label}"]'
        yield f"  {ids[name]}{shape}"
    for (before, after), kind in graph.edges.items():
        arrow = "-.->" if kind in _EDGES else "-->"
        condition = graph.conditions.get((before, after))
        arrow += f'|"{_in_mermaid(condition)}"|' if condition else ""
        yield f"  {ids[before]} {arrow} {ids[after]}"
    for state in STATES:
        members = [ids[name] for name, vertex in graph.vertices.items() if vertex.state == state]
        if members:
            word = state.replace(" ", "")
            dashes = ",stroke-dasharray:4" if state == MAY_RUN else ""
            yield f"  classDef {word} fill:{_FILLS[state]},stroke:{_BORDERS[state]},color:#222222{dashes}"
            yield f"  class {','.join(members)} {word}"


def _in_mermaid(text: str) -> str:
    """Return a text in which all characters that are special to Mermaid or HTML are entities."""
    return "".join(char if char.isalnum() or char in " _-./@:,()+=" else f"#{ord(char)};" for char in text)


def graph_data(graph: Graph) -> dict[str, object]:
    """Return a graph as data for programs."""
    return {
        "format": FORMAT,
        "nodes": [_vertex_data(vertex) for vertex in graph.vertices.values()],
        "edges": [
            {
                "from": before,
                "to": after,
                "kind": kind,
                **({"when": graph.conditions[before, after]} if (before, after) in graph.conditions else {}),
            }
            for (before, after), kind in graph.edges.items()
        ],
    }


_DATA = {UP_TO_DATE: "skipped"}
"""What programs read of a state, where that is another word."""


def _vertex_data(vertex: Vertex) -> dict[str, object]:
    return {
        "name": vertex.name,
        "family": vertex.family,
        "help": vertex.help,
        "state": _DATA.get(vertex.state, vertex.state) or None,
        "why": vertex.note,
        "actions": list(vertex.members),
        "states": {_DATA.get(state, state): number for state, number in vertex.states.items()},
        **({"finally": True} if vertex.is_last else {}),
    }
