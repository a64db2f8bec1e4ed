"""A graph as people look at it: its actions with their states, families folded, the part around some names.

It knows nothing of plans and walks, nor of how a graph is drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

FAILED, RUN, MAY_RUN, SKIP, UNKNOWN = "failed", "would run", "may run", "skipped", ""
STATES = (FAILED, RUN, MAY_RUN, SKIP)
"""What a run would do with an action; of several the first one counts. A failed one would run, too."""

DATA, NEEDS, AFTER = "data", "needs", "after"
_STRENGTH = (DATA, NEEDS, AFTER)


class Vertex:
    """An action, or a family that is shown as one.

    :param name: the uid; `fit@...` for a family
    :param members: the uids that it stands for
    :param states: state -> how many of its members have it
    :param note: why, in a few words
    """

    __slots__ = ("family", "help", "members", "name", "note", "states")

    def __init__(self, name: str, family: str, help: str = "", state: str = UNKNOWN, note: str = "") -> None:  # noqa: A002 - the plan's word
        self.name = name
        self.family = family
        self.help = help
        self.note = note
        self.members: tuple[str, ...] = (name,)
        self.states = {state: 1} if state else {}

    @property
    def state(self) -> str:
        """The state that counts."""
        return next((state for state in STATES if state in self.states), UNKNOWN)

    @property
    def is_folded(self) -> bool:
        """Whether it stands for a family."""
        return self.name not in self.members


class Graph:
    """Vertices in their order, and what comes before what."""

    __slots__ = ("edges", "vertices")

    def __init__(self) -> None:
        self.vertices: dict[str, Vertex] = {}
        self.edges: dict[tuple[str, str], str] = {}
        """(before, after) -> DATA, NEEDS or AFTER."""

    def connect(self, before: str, after: str, kind: str) -> None:
        """Add an edge; of two between the same vertices the stronger one stays."""
        known = self.edges.get((before, after))
        if known is None or _STRENGTH.index(kind) < _STRENGTH.index(known):
            self.edges[before, after] = kind

    def predecessors(self, *kinds: str) -> dict[str, list[str]]:
        """Return what comes right before each vertex, by edges of these kinds; of all without any."""
        found: dict[str, list[str]] = {name: [] for name in self.vertices}
        for (before, after), kind in self.edges.items():
            if not kinds or kind in kinds:
                found[after].append(before)
        return found

    def successors(self, *kinds: str) -> dict[str, list[str]]:
        """Return what comes right after each vertex, by edges of these kinds; of all without any."""
        found: dict[str, list[str]] = {name: [] for name in self.vertices}
        for (before, after), kind in self.edges.items():
            if not kinds or kind in kinds:
                found[before].append(after)
        return found

    def counts(self) -> dict[str, int]:
        """Return how many actions have which state, in the order of STATES."""
        found = dict.fromkeys(STATES, 0)
        for vertex in self.vertices.values():
            for state, number in vertex.states.items():
                found[state] += number
        return {state: number for state, number in found.items() if number}


def around(graph: Graph, names: Iterable[str], depth: int | None = None) -> Graph:
    """Return the part of a graph that some vertices need, and that follows them; order alone leads nowhere.

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
    part = Graph()
    part.vertices = {name: vertex for name, vertex in graph.vertices.items() if name in names}
    part.edges = {pair: kind for pair, kind in graph.edges.items() if pair[0] in names and pair[1] in names}
    return part


def fold(graph: Graph, bound: int, keep: Collection[str] = ()) -> Graph:
    """Return a graph in which each family of more than `bound` actions is one vertex.

    A family stays as it is where folding it would make a circle.

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
            made.connect(name_of[before], name_of[after], kind)
    return made


def _family(name: str, members: list[Vertex]) -> Vertex:
    vertex = Vertex(name, members[0].family, members[0].help)
    vertex.members = tuple(member.name for member in members)
    for state in STATES:
        number = sum(member.states.get(state, 0) for member in members)
        if number:
            vertex.states[state] = number
    return vertex


def _in_circles(graph: Graph) -> set[str]:
    """Return the vertices that lie on a circle, or between circles."""
    left = set(graph.vertices)
    for before, after in ((graph.predecessors(), graph.successors()), (graph.successors(), graph.predecessors())):
        waiting = {name: sum(one in left for one in before[name]) for name in left}
        free = [name for name, number in waiting.items() if not number]
        while free:
            name = free.pop()
            left.discard(name)
            for one in after[name]:
                if one in waiting:
                    waiting[one] -= 1
                    if not waiting[one] and one in left:
                        free.append(one)
    return left


def ranks(graph: Graph) -> dict[str, int]:
    """Return how many edges the longest way to each vertex has."""
    after = graph.successors()
    rank: dict[str, int] = {}
    waiting = {name: len(before) for name, before in graph.predecessors().items()}
    free = [name for name, number in waiting.items() if not number]
    for name in free:
        rank.setdefault(name, 0)
        for one in after[name]:
            rank[one] = max(rank.get(one, 0), rank[name] + 1)
            waiting[one] -= 1
            if not waiting[one]:
                free.append(one)
    return rank


def without_shortcuts(graph: Graph) -> Graph:
    """Return a graph without the edges that a longer way says already: less ink, the same order."""
    rank, firm = ranks(graph), graph.successors(DATA, NEEDS)
    made = Graph()
    made.vertices = graph.vertices
    made.edges = {pair: kind for pair, kind in graph.edges.items() if not _is_shortcut(pair, firm, rank)}
    return made


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
