"""Vertices with data and the edges between them, checked as they come or at once.

It knows nothing of what the vertices stand for. Vertex ids may be anything hashable.
An edge leads from a predecessor, or it is for order alone (`after`): the vertex at its start must be
visited before, and is no predecessor.
"""

from __future__ import annotations

from itertools import chain

from treadle.errors import DAGError, nearest, one_line, shortened

from .edges import Edges
from .order import Labels, Wiring, shortest_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator
    from typing import Any


class Graph:
    """Vertices in the order of their insertion, with data and edges.

    What is checked is checked in linear time: `check` looks at all once, and an edge that leads from
    a vertex to one that was inserted later needs no search.
    """

    def __init__(self) -> None:
        self.vertex_data: dict[Hashable, Any] = {}
        self._edges = Edges()
        self._order_edges = Edges()
        self._is_checked = True
        # Only of a checked graph; None: the order of insertion honours every edge.
        self._labels: Labels | None = None

    def add_vertex(
        self,
        vertex_id: Hashable,
        data: Any = None,
        predecessors: Iterable[Hashable] | None = None,
        *,
        after: Iterable[Hashable] | None = None,
    ) -> None:
        """Add a vertex.

        :param vertex_id: anything hashable
        :param data: what the vertex carries
        :param predecessors: vertices of the graph that come before it
        :param after: vertices of the graph that must be visited before it and are no predecessors
        :raises DAGError: if it exists, if a predecessor does not, or if it would close a cycle
        """
        if vertex_id in self.vertex_data:
            raise DAGError(f"the vertex {vertex_id!r} exists already")
        self.update_vertex(vertex_id, data, predecessors, after=after)

    def update_vertex(
        self,
        vertex_id: Hashable,
        data: Any = None,
        predecessors: Iterable[Hashable] | None = None,
        enable_checks: bool = True,
        *,
        after: Iterable[Hashable] | None = None,
    ) -> None:
        """Add a vertex, or add to one that exists. If it is refused, nothing has changed.

        :param vertex_id: anything hashable
        :param data: what the vertex carries; None keeps what it carries
        :param predecessors: added to the predecessors that it has
        :param enable_checks: False leaves all looking to the next `check`: names may then come later
        :param after: added to the vertices that must be visited before it and are no predecessors
        :raises DAGError: if a predecessor does not exist, or if it would close a cycle
        """
        if vertex_id is None:
            raise DAGError("None is not a vertex: an iterator says with it that none is ready")
        if predecessors.__class__ is not list or after is not None:
            _require_ids(vertex_id, "predecessors", predecessors)
            _require_ids(vertex_id, "after", after)
        edges = self._edges.new(vertex_id, predecessors)
        order_edges = self._order_edges.new(vertex_id, after)
        starts = edges + order_edges
        if not enable_checks:
            self._doubt(vertex_id, starts)
        elif self._is_checked and starts:
            self._admit(vertex_id, starts)
        is_new = vertex_id not in self.vertex_data
        old_data = self.vertex_data.get(vertex_id)
        self._insert(vertex_id, data)
        self._edges.add(vertex_id, edges)
        self._order_edges.add(vertex_id, order_edges)
        if self._is_checked or not enable_checks:
            return
        try:
            self.check()
        except DAGError:
            self._edges.remove(vertex_id, edges)
            self._order_edges.remove(vertex_id, order_edges)
            self.vertex_data[vertex_id] = old_data
            if is_new:
                del self.vertex_data[vertex_id]
            raise

    def set_predecessors(self, vertex_id: Hashable, predecessors: Iterable[Hashable]) -> None:
        """Replace the predecessors of a vertex; the next `check` looks at them.

        :raises DAGError: if the vertex does not exist
        """
        self._require(vertex_id)
        _require_ids(vertex_id, "predecessors", predecessors)
        starts = tuple(dict.fromkeys(predecessors))
        self._edges.remove(vertex_id, self._edges.before(vertex_id))
        self._doubt(vertex_id, starts)
        self._edges.add(vertex_id, starts)

    def check(self) -> None:
        """Check that each predecessor exists and that there is no cycle; cached until edges change.

        :raises DAGError: that names the predecessor and the nearest vertex, or a whole shortest cycle
        """
        if self._is_checked:
            return
        for vertex_id in self.vertex_data:
            for start in self._before(vertex_id):
                self._require(start, vertex_id)
        wired = wiring(self)
        if not wired.in_insertion_order:
            order, stuck = wired.sort()
            if stuck:
                raise _cycle_error(wired.shortest_cycle(stuck))
            self._labels = Labels((wired.ids[number] for number in order), self._before, self._behind)
        self._is_checked = True

    @property
    def vertex_predecessors(self) -> dict[Hashable, frozenset[Hashable]]:
        """The predecessors of each vertex, as a new dict."""
        return {vertex_id: self._edges.set_before(vertex_id) for vertex_id in self.vertex_data}

    def get_predecessors(self, vertex_id: Hashable) -> frozenset[Hashable]:
        """Return the predecessors of a vertex, without those for order alone."""
        self._require(vertex_id)
        return self._edges.set_before(vertex_id)

    def get_after(self, vertex_id: Hashable) -> frozenset[Hashable]:
        """Return the vertices that must be visited before a vertex for order alone."""
        self._require(vertex_id)
        return self._order_edges.set_before(vertex_id)

    def get_successors(self, vertex_id: Hashable) -> frozenset[Hashable]:
        """Return the vertices that have this one as a predecessor."""
        self._require(vertex_id)
        return self._edges.set_after(vertex_id)

    def get_closure(self, vertex_id: Hashable) -> set[Hashable]:
        """Return the predecessors of a vertex, theirs, and so on; on a cycle, that is itself too."""
        self._require(vertex_id)
        closure: set[Hashable] = set()
        todo = [vertex_id]
        while todo:
            new = [start for start in self._edges.before(todo.pop()) if start not in closure]
            closure.update(new)
            todo += new
        return closure

    def shortest_path(self, source: Hashable, target: Hashable) -> list[Hashable] | None:
        """Return the shortest path from predecessor to successor, or None where there is none.

        :param source: where it starts
        :param target: where it ends; the same as `source` asks for the shortest cycle through it
        """
        self._require(source)
        self._require(target)
        return shortest_path(source, target, self._edges.before)

    def __contains__(self, vertex_id: object) -> bool:
        return vertex_id in self.vertex_data

    def __getitem__(self, vertex_id: Hashable) -> Any:
        return self.vertex_data[vertex_id]

    def __len__(self) -> int:
        return len(self.vertex_data)

    def _before(self, vertex_id: Hashable) -> Iterator[Hashable]:
        return chain(self._edges.before(vertex_id), self._order_edges.before(vertex_id))

    def _behind(self, vertex_id: Hashable) -> Iterator[Hashable]:
        return chain(self._edges.after(vertex_id), self._order_edges.after(vertex_id))

    def _insert(self, vertex_id: Hashable, data: Any) -> None:
        if vertex_id not in self.vertex_data:
            self.vertex_data[vertex_id] = data
            if self._labels:
                self._labels.append(vertex_id)
        elif data is not None:
            self.vertex_data[vertex_id] = data

    def _doubt(self, vertex_id: Hashable, starts: Iterable[Hashable]) -> None:
        """Note that the graph is unchecked, unless these new edges to the vertex are seen to be right."""
        if self._is_checked:
            is_known = vertex_id in self.vertex_data
            for start in starts:
                if start not in self.vertex_data or (
                    is_known and not (self._labels and self._labels.agree(start, vertex_id))
                ):
                    self._is_checked = False
                    self._labels = None
                    return

    def _admit(self, vertex_id: Hashable, starts: Iterable[Hashable]) -> None:
        """Check new edges to a vertex of a checked graph."""
        for start in starts:
            if start != vertex_id:
                self._require(start, vertex_id)
        if vertex_id in self.vertex_data:
            self._labels = self._labels or Labels(self.vertex_data, self._before, self._behind)
            if all(self._labels.admit(start, vertex_id) for start in starts):
                return
        elif vertex_id not in starts:
            return

        def before(here: Hashable) -> Iterable[Hashable]:
            return chain(starts if here == vertex_id else (), self._before(here))

        raise _cycle_error(shortest_path(vertex_id, vertex_id, before) or [])

    def _require(self, vertex_id: Hashable, wanted_by: Hashable = None) -> None:
        if vertex_id in self.vertex_data:
            return
        what = f"there is no vertex {vertex_id!r}"
        if wanted_by is not None:
            what += f", which comes before {wanted_by!r}"
        found = None
        if isinstance(vertex_id, str):
            found = nearest(vertex_id, (name for name in self.vertex_data if isinstance(name, str)))
        raise DAGError(what, facts=(f"the nearest name is {found!r}",) if found else ())


def wiring(graph: Graph, *, backwards: bool = False) -> Wiring:
    """Return the edges of both kinds as numbers; each predecessor must exist.

    It is no method: a subclass may have a `wiring` of its own.
    """
    sources = [edges.before for edges in (graph._edges, graph._order_edges) if edges]
    return Wiring(graph.vertex_data, sources, backwards=backwards)


def require_graph(value: object) -> None:
    """Refuse what was given in place of a DAG.

    :raises DAGError: it says how a graph of networkx becomes one
    """
    if isinstance(value, Graph):
        return
    kind = type(value)
    is_networkx = kind.__module__.partition(".")[0] == "networkx"
    raise DAGError(
        f"expected a treadle.DAG, not {kind.__module__}.{kind.__qualname__}",
        hint="DAG.from_networkx(graph) makes a DAG of it" if is_networkx else "",
    )


def _require_ids(vertex_id: Hashable, what: str, ids: object) -> None:
    """Refuse what is no collection of ids: the letters of a text are none."""
    if ids is None or (hasattr(ids, "__iter__") and not isinstance(ids, str | bytes)):
        return
    kind = "the text " if isinstance(ids, str | bytes) else ""
    raise DAGError(
        f"{what} of the vertex {vertex_id!r} is {kind}{ids!r}", facts=("expected a list of ids such as ['a', 'b']",)
    )


def _cycle_error(cycle: list[Hashable]) -> DAGError:
    count = len(cycle) - 1
    path = " -> ".join(shortened([one_line(vertex_id) for vertex_id in cycle]))
    return DAGError(f"a cycle of {count} {'vertex' if count == 1 else 'vertices'}: {path}")
