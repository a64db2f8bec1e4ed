"""A graph for display: its actions with their states, families folded, the part around some names.

It knows nothing of plans and walks, nor of how a graph is drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from treadle.core.graph.order import Wiring

FAILED, RUN, MAY_RUN, UP_TO_DATE, UNKNOWN = "failed", "would run", "may run", "up to date", ""
STATES = (FAILED, RUN, MAY_RUN, UP_TO_DATE)
"""What a run would do with an action; of several states the first one counts. A failed action would run, too."""

DATA, NEEDS, AFTER = "data", "needs", "after"
_STRENGTH = (DATA, NEEDS, AFTER)


@dataclass(slots=True, eq=False)
class Vertex:
    """An action, or a family that is shown as one.

    :ivar name: the uid; `fit@...` for a family
    :ivar members: the uids of a family, else its own
    :ivar states: state -> how many of its members have it
    :ivar note: why, in a few words
    :ivar is_last: whether it runs at the end of a run
    """

    name: str
    family: str
    help: str = ""
    note: str = ""
    members: tuple[str, ...] = ()
    states: dict[str, int] = field(default_factory=dict)
    is_last: bool = False

    def __post_init__(self) -> None:
        self.members = self.members or (self.name,)

    def set_state(self, state: str, note: str) -> None:
        """Set what a run would do with the action, and why."""
        self.states, self.note = {state: 1}, note

    @property
    def state(self) -> str:
        """The first of STATES that a member has."""
        return next((state for state in STATES if state in self.states), UNKNOWN)

    @property
    def is_folded(self) -> bool:
        """Whether it is a family."""
        return self.name not in self.members


@dataclass(slots=True, eq=False)
class Graph:
    """Vertices in their order, and edges.

    :ivar edges: (before, after) -> DATA, NEEDS or AFTER
    :ivar conditions: (before, after) -> which outcome is needed, of the edges that need another one than success
    """

    vertices: dict[str, Vertex] = field(default_factory=dict)
    edges: dict[tuple[str, str], str] = field(default_factory=dict)
    conditions: dict[tuple[str, str], str] = field(default_factory=dict)

    def connect(self, before: str, after: str, kind: str, condition: str = "") -> None:
        """Add an edge; of two between the same vertices the stronger one stays, and both conditions."""
        known = self.edges.get((before, after))
        if known is None or _STRENGTH.index(kind) < _STRENGTH.index(known):
            self.edges[before, after] = kind
        if condition:
            others = self.conditions.get((before, after), condition)
            parts = others.split(", ")
            self.conditions[before, after] = others if condition in parts else f"{others}, {condition}"

    def predecessors(self, *kinds: str) -> dict[str, list[str]]:
        """Return the vertices right before each vertex, by edges of these kinds (default: all)."""
        return self._neighbours(kinds, 1, 0)

    def successors(self, *kinds: str) -> dict[str, list[str]]:
        """Return the vertices right after each vertex, by edges of these kinds (default: all)."""
        return self._neighbours(kinds, 0, 1)

    def _neighbours(self, kinds: Collection[str], here: int, there: int) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in self.vertices}
        for pair, kind in self.edges.items():
            if not kinds or kind in kinds:
                found[pair[here]].append(pair[there])
        return found

    def counts(self) -> dict[str, int]:
        """Return how many actions have which state, in the order of STATES."""
        found = dict.fromkeys(STATES, 0)
        for vertex in self.vertices.values():
            for state, number in vertex.states.items():
                found[state] += number
        return {state: number for state, number in found.items() if number}


def around(graph: Graph, names: Iterable[str], depth: int | None = None) -> Graph:
    """Return the part of a graph with what some vertices need and what follows them; edges of order do not count.

    :param depth: how many edges away, None for any number
    """
    names = list(names)
    found = set(names)
    for neighbours in (graph.predecessors(DATA, NEEDS), graph.successors(DATA, NEEDS)):
        edge, reached, steps = names, set(names), 0
        while edge and (depth is None or steps < depth):
            edge = list(dict.fromkeys(n for name in edge for n in neighbours[name] if n not in reached))
            reached.update(edge)
            steps += 1
        found |= reached
    return _part(graph, found)


def _part(graph: Graph, names: Collection[str]) -> Graph:
    return Graph(
        {name: vertex for name, vertex in graph.vertices.items() if name in names},
        {pair: kind for pair, kind in graph.edges.items() if pair[0] in names and pair[1] in names},
        graph.conditions,
    )


def fold(graph: Graph, bound: int, keep: Collection[str] = ()) -> Graph:
    """Return a graph in which each family of more than `bound` actions is one vertex.

    A family is not folded if that would make a circle.

    :param bound: 0 to fold none
    :param keep: vertices that stay themselves
    """
    families: dict[str, list[Vertex]] = {}
    for name, vertex in graph.vertices.items():
        if name not in keep:
            families.setdefault(vertex.family, []).append(vertex)
    folding = {family: members for family, members in families.items() if bound and len(members) > bound}
    while True:
        made = _folded(graph, folding)
        circle = {made.vertices[name].family for name in _in_circles(made)} & folding.keys()
        if not circle:
            return made
        for family in circle:
            del folding[family]


def _folded(graph: Graph, folding: Mapping[str, list[Vertex]]) -> Graph:
    made = Graph()
    name_of = {name: name for name in graph.vertices}
    for family, members in folding.items():
        name_of |= {member.name: f"{family}@..." for member in members}
    for name, vertex in graph.vertices.items():
        shown = name_of[name]
        if shown == name:
            made.vertices[name] = vertex
        elif shown not in made.vertices:
            made.vertices[shown] = _family(shown, folding[vertex.family])
    for (before, after), kind in graph.edges.items():
        if name_of[before] != name_of[after]:
            made.connect(name_of[before], name_of[after], kind, graph.conditions.get((before, after), ""))
    return made


def _family(name: str, members: list[Vertex]) -> Vertex:
    totals = {state: sum(member.states.get(state, 0) for member in members) for state in STATES}
    states = {state: number for state, number in totals.items() if number}
    first = members[0]
    names = tuple(one.name for one in members)
    return Vertex(name, first.family, first.help, members=names, states=states, is_last=first.is_last)


def _in_circles(graph: Graph) -> set[Any]:
    """Return the vertices on a circle, or between circles."""
    before: dict[Any, list[str]] = graph.predecessors()
    wirings = [Wiring(graph.vertices, (before.__getitem__,), backwards=turned) for turned in (False, True)]
    forwards, backwards = ({one.ids[number] for number in one.sort()[1]} for one in wirings)
    return forwards & backwards


def ranks(graph: Graph) -> dict[str, int]:
    """Return the number of edges on the longest way to each vertex."""
    before: dict[Any, list[str]] = graph.predecessors()
    wiring = Wiring(graph.vertices, (before.__getitem__,))
    rank: dict[str, int] = {}
    for number in wiring.sort()[0]:
        name = str(wiring.ids[number])
        rank[name] = max((rank[one] + 1 for one in before[name]), default=0)
    return rank


def without_shortcuts(graph: Graph) -> Graph:
    """Return a graph without the edges that a longer way implies."""
    rank, kept = ranks(graph), graph.conditions
    # what needs another outcome than success implies nothing, and is implied by nothing
    plain = Graph(graph.vertices, {pair: kind for pair, kind in graph.edges.items() if pair not in kept})
    firm = plain.successors(DATA, NEEDS)
    edges = {pair: kind for pair, kind in graph.edges.items() if pair in kept or not _is_shortcut(pair, firm, rank)}
    return Graph(graph.vertices, edges, kept)


def _is_shortcut(pair: tuple[str, str], after: Mapping[str, list[str]], rank: Mapping[str, int]) -> bool:
    """Return whether a way with other vertices on it leads from one to the other."""
    start, end = pair
    todo = [one for one in after[start] if one != end]
    seen = set(todo)
    while todo:
        name = todo.pop()
        for one in after[name]:
            if one == end:
                return True
            if one not in seen and rank[one] < rank[end]:
                seen.add(one)
                todo.append(one)
    return False
