"""The graph that a walk walks: vertices with data, edges and tags, checked as they come or at once, and iterated.

It knows nothing of what the vertices represent. Vertex ids may be anything hashable. An edge leads from a
predecessor, or it is for order alone (`after`): the vertex at its start must be visited before, and is no
predecessor.
"""

from __future__ import annotations

from itertools import chain

from treadle._startup.interpreter import heappop, heappush
from treadle.errors import DAGError, DAGUsageError, UsageError, nearest, one_line, shortened

from .order import Edges, Labels, Wiring, shortest_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
    from typing import Any, Self

    import networkx as nx

    from treadle.core.conditions import Condition

    Neighbours = Callable[[Hashable], Iterable[Hashable]]

    Starts = Iterable[Hashable] | Mapping[Hashable, Condition | str | None]

_NONE: frozenset[Hashable] = frozenset()
_NO_CONDITIONS: dict[Hashable, Condition] = {}


class DAGIterator:
    """Visits the vertices of a graph, each after all that come before it.

    Among those that are ready, the one that was inserted first is next. The graph is taken as it is
    when the iterator is made; what is added later is not visited.

    :param dag: the graph; it is checked first
    :param enable_busy_state: a vertex counts as visited only when `leave` was called for it
    :param reversed_edges: visit each vertex before its predecessors instead of after them
    :raises DAGError: as `DAG.check`
    """

    NOT_VISITED = 0
    BUSY = 1
    VISITED = 2

    def __init__(self, dag: DAG, enable_busy_state: bool = False, reversed_edges: bool = False) -> None:
        require_graph(dag)
        dag.check()
        self.dag = dag
        self.enable_busy_state = enable_busy_state
        self.reversed_edges = reversed_edges
        self._wiring = wiring(dag, backwards=reversed_edges)
        self._waits = self._wiring.waits[:]
        self._states = bytearray(len(dag))
        self._ready = [number for number, count in enumerate(self._waits) if not count]
        self._left = len(dag)

    def __iter__(self) -> DAGIterator:
        return self

    def __next__(self) -> tuple[Hashable, Any]:
        """Return the id and the data of the next vertex, or (None, None) if none is ready yet."""
        vertex_id, data, _ = self.next_element()
        return vertex_id, data

    def next_element(self) -> tuple[Hashable, Any, frozenset[Hashable]]:
        """Return the id, the data and the predecessors of the next vertex (reversed: its successors).

        :return: (None, None, frozenset()) if none is ready before another one is left
        :raises StopIteration: if all are visited
        """
        if not self._left:
            raise StopIteration
        if not self._ready:
            return None, None, _NONE
        number = heappop(self._ready)
        self._states[number] = self.BUSY
        vertex_id = self._wiring.ids[number]
        if not self.enable_busy_state:
            self._leave(number)
        get = self.dag.get_successors if self.reversed_edges else self.dag.get_predecessors
        return vertex_id, self.dag.vertex_data[vertex_id], get(vertex_id)

    def leave(self, vertex_id: Hashable) -> None:
        """Note that a busy vertex is visited: what comes after it may be next.

        :raises DAGError: if it is not busy, or not in the graph; it is an AssertionError too
        """
        if self.state(vertex_id) != self.BUSY:
            known = vertex_id in self._wiring.index
            why = "is not busy, so it cannot be left" if known else "cannot be left: it is not in the graph"
            raise DAGUsageError(f"the vertex {vertex_id!r} {why}")
        self._leave(self._wiring.index[vertex_id])

    @property
    def has_ready(self) -> bool:
        """Whether a vertex is ready that has not been returned yet."""
        return bool(self._ready)

    def is_awaited(self, vertex_id: Hashable) -> bool:
        """Return whether a vertex is the last that another one waits for."""
        waits = self._waits
        return any(waits[end] == 1 for end in self._wiring.after(self._wiring.index[vertex_id]))

    def state(self, vertex_id: Hashable) -> int:
        """Return NOT_VISITED, BUSY or VISITED."""
        number = self._wiring.index.get(vertex_id)
        return self.NOT_VISITED if number is None else self._states[number]

    def _leave(self, number: int) -> None:
        self._states[number] = self.VISITED
        self._left -= 1
        for end in self._wiring.after(number):
            self._waits[end] -= 1
            if not self._waits[end]:
                heappush(self._ready, end)


class DAG:
    """Vertices in the order of their insertion, with data, tags and edges.

    An edge leads from a predecessor, or it is for order alone (`after`): the vertex at its start must be
    visited before, and is no predecessor. An edge from a predecessor may have a condition, which says what outcomes
    of its start let its end run. Without one it is `on_success`.

    >>> from treadle import DAG
    >>> graph = DAG()
    >>> graph.add_vertex("compile", "cc -c main.c")
    >>> graph.add_vertex("lint")
    >>> graph.add_vertex("link", predecessors=["compile"], after=["lint"])
    >>> [uid for uid, predecessors in graph]
    ['compile', 'lint', 'link']
    >>> sorted(graph.get_predecessors("link"))
    ['compile']

    What is checked is checked in linear time: `check` looks at all once, and an edge that leads from
    a vertex to one that was inserted later needs no search.
    """

    def __init__(self) -> None:
        self.vertex_data: dict[Hashable, Any] = {}
        self._edges = Edges()
        self._order_edges = Edges()
        self._conditions: dict[Hashable, dict[Hashable, Condition]] = {}
        """End -> start -> condition, of the edges that have one."""
        self._is_checked = True
        # Only of a checked graph; None: the order of insertion honours every edge.
        self._labels: Labels | None = None
        self.tags: dict[Hashable, Any] = {}
        """Vertex id -> tag."""

    def __iter__(self) -> DAGIterator:
        return DAGIterator(self)

    def reverse_graph(self, enable_checks: bool = True) -> DAG:
        """Return a graph with every edge turned round, conditions and all; it shares the tags with this one.

        :param enable_checks: check the new graph
        """
        result = self._rewired(self._edges.after, self._order_edges.after)
        result.tags = self.tags
        for end, start, condition in _triples(self._conditions):
            result._conditions.setdefault(start, {})[end] = condition
        if enable_checks:
            result.check()
        return result

    def __or__(self, other: DAG) -> DAG:
        """Return the vertices, edges and tags of both; data, tags and conditions of the right one win."""
        require_graph(other)
        result = self._blank()
        for dag in (self, other):
            for vertex_id, data in dag.vertex_data.items():
                result.update_vertex(
                    vertex_id,
                    data,
                    dag._edges.before(vertex_id),
                    enable_checks=False,
                    after=dag._order_edges.before(vertex_id),
                )
            result.tags.update(dag.tags)
            if result._conditions or dag._conditions:
                result._take_conditions(dag)
        result.check()
        return result

    def prune(self, fun: Callable[[DAG, Hashable], bool], preserve_context: bool = True) -> DAG:
        """Return a graph without some vertices: what came before them comes before what came after them.

        Edges for order alone are bridged over too: what was ordered through a vertex that goes stays in that order.
        An edge with a condition is not bridged over: the vertex that goes has no outcome any more.

        :param fun: gets this graph and an id, and says whether that vertex goes
        :param preserve_context: refuse to let tagged vertices go
        :raises DAGError: if a tagged vertex is to go, or one that a condition keeps between two that stay
        """
        from .algorithms import bridged, through

        gone = {vertex_id for vertex_id in self.vertex_data if fun(self, vertex_id)}
        tagged = [vertex_id for vertex_id in gone if self.get_tag(vertex_id) is not None]
        if tagged and preserve_context:
            raise DAGError(
                "tagged vertices cannot be pruned",
                facts=shortened(sorted(f"{vertex_id!r} has a tag" for vertex_id in tagged)),
                hint="preserve_context=False prunes them too",
            )
        before = bridged((vertex_id for vertex_id, _ in self), self._edges, gone)
        known: dict[Hashable, tuple[Hashable, ...]] = {}

        def after(here: Hashable) -> list[Hashable]:
            found = through(self._before(here), self._before, lambda start: start not in gone, known)
            needed, given = set(before[here]), set(self._order_edges.before(here))
            return [start for start in found if start not in needed or start in given]

        result = self._rewired(
            before.__getitem__,
            after,
            [vertex_id for vertex_id in self.vertex_data if vertex_id not in gone],
        )
        result.tags = {vertex_id: tag for vertex_id, tag in self.tags.items() if vertex_id not in gone}
        if self._conditions:
            self._refuse_bridges(gone)
            result._take_conditions(self)
        result.check()
        return result

    def transitive_reduction(self) -> DAG:
        """Return a graph without the predecessors that longer paths of predecessors imply.

        Edges for order alone and those with a condition stay as they are, and imply none.
        """
        from .algorithms import reduced, to_networkx

        self.check()
        conditions = [(start, end) for end, start, _ in _triples(self._conditions)]
        graph = to_networkx(self.vertex_data, self._edges)
        graph.remove_edges_from(conditions)
        graph = reduced(graph)
        graph.add_edges_from(conditions)
        result = self._rewired(
            lambda here: [start for start in self._edges.before(here) if graph.has_edge(start, here)],
            self._order_edges.before,
        )
        result.tags = dict(self.tags)
        result._take_conditions(self)
        result.check()
        return result

    def longest_path(self, weights: Mapping[Hashable, float] | None = None) -> list[Hashable]:
        """Return the vertices of the path that weighs most, along edges of both kinds.

        :param weights: the weight of each vertex, 0 where it has none; None: each weighs 1
        """
        from .algorithms import longest_path, to_networkx

        self.check()
        graph = to_networkx(self.vertex_data, self._edges, self._order_edges)
        return longest_path(graph, weights)

    @classmethod
    def from_networkx(cls, graph: nx.Graph[Any]) -> Self:
        """Return the vertices and edges of a networkx graph, as `to_networkx` writes them.

        :param graph: directed; the attribute `data` of a node is what the vertex carries, an edge whose attribute
            `order` is true is for order alone, and `when` is its condition. Other attributes are dropped
        :raises DAGError: if the graph is not directed or has a cycle, or a condition is wrong
        """
        from .algorithms import starts_of

        dag = cls()
        for vertex_id, data, predecessors, after in starts_of(graph):
            dag.update_vertex(vertex_id, data, predecessors, enable_checks=False, after=after)
        dag.check()
        return dag

    def to_networkx(self) -> nx.DiGraph[Hashable]:
        """Return a networkx graph, with edges from predecessor to successor.

        Vertices have the attribute `data`; edges have `order`, which is true if they are for order alone, and
        `when`, the text of their condition, if they have one.
        """
        from .algorithms import to_networkx

        graph = to_networkx(self.vertex_data, self._edges, self._order_edges)
        for end, start, condition in _triples(self._conditions):
            graph.edges[start, end]["when"] = condition.text
        return graph

    def add_tag(self, vertex_id: Hashable, data: Any) -> None:
        """Tag a vertex, which may be added later.

        :param data: the tag; None takes it away
        """
        self.tags[vertex_id] = data

    def get_tag(self, vertex_id: Hashable) -> Any:
        """Return the tag of a vertex, or None."""
        return self.tags.get(vertex_id)

    def get_context(
        self,
        vertex_id: Hashable,
        max_distance: int | None = None,
        max_element: int | None = None,
        reverse_order: bool = False,
    ) -> list[tuple[int, Hashable, Any]]:
        """Return (distance, id, tag) of the nearest tagged vertex on each branch of predecessors.

        The nearest is first. A vertex that is tagged itself is its own context, at distance 0.

        :param max_distance: do not look further; None: no limit
        :param max_element: do not return more; None: no limit
        :param reverse_order: look at the branches of successors
        :raises DAGError: as `check`, or if the vertex does not exist
        """
        from .algorithms import context

        self.check()
        self._require(vertex_id)
        neighbours = self._edges.after if reverse_order else self._edges.before
        return context(vertex_id, neighbours, self.tags, max_distance, max_element)

    def as_dot(self) -> str:
        """Return the graph for Graphviz; edges lead to predecessors, dashed ones are for order alone.

        A condition is the label of its edge.
        """
        from .formats import as_dot

        return as_dot(self.vertex_data, self._edges, self._order_edges, self._conditions_to)

    def as_tree(self, name_key: str | None = None) -> str:
        """Return the first vertex and its successors as a tree of lines, sorted; empty if there is none.

        A tree that gets too long shows the successors of a vertex once.

        :param name_key: where in the data of a vertex its name is; None: the id is the name
        :raises DAGError: if the data of a vertex holds no such name; it is an AssertionError too
        """
        from .formats import as_tree

        def name(vertex_id: Hashable) -> str:
            if name_key is None:
                return one_line(vertex_id)
            try:
                return one_line(self.vertex_data[vertex_id][name_key])
            except (LookupError, TypeError):
                raise DAGUsageError(f"the data of the vertex {vertex_id!r} has no {name_key!r}") from None

        return as_tree(next(iter(self.vertex_data)), self._edges.after, name) if self.vertex_data else ""

    def __str__(self) -> str:
        from .formats import as_lines

        return as_lines(self.vertex_data, self._edges, self._order_edges, self._conditions_to)

    def _blank(self) -> DAG:
        """Return an empty graph for what is made of this one."""
        return DAG()

    def _rewired(self, before: Neighbours, after: Neighbours, ids: Iterable[Hashable] | None = None) -> DAG:
        """Return an unchecked graph of these vertices, or all, with the same data and other edges."""
        result = self._blank()
        for vertex_id in self.vertex_data if ids is None else ids:
            result.update_vertex(
                vertex_id,
                self.vertex_data[vertex_id],
                before(vertex_id),
                enable_checks=False,
                after=after(vertex_id),
            )
        return result

    def add_vertex(
        self,
        vertex_id: Hashable,
        data: Any = None,
        predecessors: Starts | None = None,
        *,
        after: Iterable[Hashable] | None = None,
    ) -> None:
        """Add a vertex.

        :param vertex_id: anything hashable
        :param data: what the vertex carries
        :param predecessors: vertices of the graph that come before it; a mapping gives each edge a condition:
            `{"test": "on_failure"}`
        :param after: vertices of the graph that must be visited before it and are no predecessors
        :raises DAGError: if it exists, if a predecessor does not, if it would close a cycle, or if a condition is
            wrong
        """
        if vertex_id in self.vertex_data:
            raise DAGError(f"the vertex {vertex_id!r} exists already")
        self.update_vertex(vertex_id, data, predecessors, after=after)

    def update_vertex(
        self,
        vertex_id: Hashable,
        data: Any = None,
        predecessors: Starts | None = None,
        enable_checks: bool = True,
        *,
        after: Iterable[Hashable] | None = None,
    ) -> None:
        """Add a vertex, or add to one that exists. If it is refused, nothing has changed.

        :param vertex_id: anything hashable
        :param data: what the vertex carries; None keeps what it carries
        :param predecessors: added to the predecessors that it has; a mapping to conditions, as for `add_vertex`,
            replaces those of the edges that it names
        :param enable_checks: False leaves all looking to the next `check`: names may then come later
        :param after: added to the vertices that must be visited before it and are no predecessors
        :raises DAGError: if a predecessor does not exist, if it would close a cycle, or if a condition is wrong
        """
        if vertex_id is None:
            raise DAGError("None is not a vertex: an iterator says with it that none is ready")
        if predecessors.__class__ is not list or after is not None:
            _require_ids(vertex_id, "predecessors", predecessors)
            _require_ids(vertex_id, "after", after)
        conditions = _conditions_of(vertex_id, predecessors) if hasattr(predecessors, "keys") else None
        edges = self._edges.new(vertex_id, predecessors)
        order_edges = self._order_edges.new(vertex_id, after)
        starts = edges + order_edges
        if not enable_checks:
            self._mark_unchecked(vertex_id, starts)
        elif self._is_checked and starts:
            self._admit(vertex_id, starts)
        is_new = vertex_id not in self.vertex_data
        old_data = self.vertex_data.get(vertex_id)
        self._insert(vertex_id, data)
        self._edges.add(vertex_id, edges)
        self._order_edges.add(vertex_id, order_edges)
        if enable_checks and not self._is_checked:
            try:
                self.check()
            except DAGError:
                self._edges.remove(vertex_id, edges)
                self._order_edges.remove(vertex_id, order_edges)
                self.vertex_data[vertex_id] = old_data
                if is_new:
                    del self.vertex_data[vertex_id]
                raise
        if conditions is not None:
            self._set_conditions(vertex_id, conditions)

    def set_predecessors(self, vertex_id: Hashable, predecessors: Starts) -> None:
        """Replace the predecessors of a vertex and their conditions; the next `check` looks at them.

        :raises DAGError: if the vertex does not exist, or a condition is wrong
        """
        self._require(vertex_id)
        _require_ids(vertex_id, "predecessors", predecessors)
        conditions = _conditions_of(vertex_id, predecessors) if hasattr(predecessors, "keys") else {}
        starts = tuple(dict.fromkeys(predecessors))
        self._edges.remove(vertex_id, self._edges.before(vertex_id))
        self._mark_unchecked(vertex_id, starts)
        self._edges.add(vertex_id, starts)
        self._conditions.pop(vertex_id, None)
        self._set_conditions(vertex_id, conditions)

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

    @property
    def has_conditions(self) -> bool:
        """Whether an edge has a condition other than `on_success`."""
        return bool(self._conditions)

    def get_conditions(self, vertex_id: Hashable) -> Mapping[Hashable, Condition]:
        """Return predecessor -> condition, of the edges to a vertex that have another one than `on_success`."""
        return self._conditions_to(vertex_id)

    def _conditions_to(self, vertex_id: Hashable) -> Mapping[Hashable, Condition]:
        # under a name that no subclass uses for something else
        return self._conditions.get(vertex_id, _NO_CONDITIONS) if self._conditions else _NO_CONDITIONS

    def get_condition(self, start: Hashable, end: Hashable) -> Condition | None:
        """Return the condition of an edge; None for `on_success`."""
        return self._conditions_to(end).get(start)

    def conditions(self) -> Iterator[tuple[Hashable, Hashable, Condition]]:
        """Yield end, start and condition of each edge that has one other than `on_success`."""
        return _triples(self._conditions)

    def get_closure(self, vertex_id: Hashable) -> set[Hashable]:
        """Return the predecessors of a vertex, theirs, and so on; on a cycle, that is itself too."""
        self._require(vertex_id)
        from .algorithms import reached

        return set(reached(self._edges.before(vertex_id), self._edges.before))

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

    def _set_conditions(self, vertex_id: Hashable, conditions: Mapping[Hashable, Condition | None]) -> None:
        """Give edges to a vertex their conditions; None for `on_success`, which is not kept."""
        known = self._conditions.pop(vertex_id, {})
        found = {start: condition for start, condition in {**known, **conditions}.items() if condition is not None}
        if found:
            self._conditions[vertex_id] = found

    def _take_conditions(self, dag: DAG) -> None:
        """Give the edges that this graph shares with another one the conditions that they have there."""
        for vertex_id in dag.vertex_data:
            here = self._edges.before(vertex_id)
            given = dag._conditions_to(vertex_id)
            self._set_conditions(
                vertex_id, {start: given.get(start) for start in dag._edges.before(vertex_id) if start in here}
            )

    def _refuse_bridges(self, gone: Collection[Hashable]) -> None:
        """Refuse to bridge over an edge with a condition."""
        for end, start, condition in _triples(self._conditions):
            if start in gone:
                middle, has_neighbours = start, bool(self._edges.before(start))
            else:
                middle, has_neighbours = end, bool(self._edges.after(end))
            if middle in gone and has_neighbours:
                raise DAGError(
                    f"the vertex {middle!r} cannot be pruned: it cannot be bridged over",
                    facts=(f"the edge from {start!r} to {end!r} has the condition {condition.text!r}",),
                )

    def _mark_unchecked(self, vertex_id: Hashable, starts: Iterable[Hashable]) -> None:
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


def wiring(graph: DAG, *, backwards: bool = False) -> Wiring:
    """Return the edges of both kinds as numbers; each predecessor must exist.

    It is no method: a subclass may have a `wiring` of its own.
    """
    sources = [edges.before for edges in (graph._edges, graph._order_edges) if edges]
    return Wiring(graph.vertex_data, sources, backwards=backwards)


def require_graph(value: object) -> None:
    """Refuse what was given in place of a DAG.

    :raises DAGError: it says how a graph of networkx becomes one
    """
    if isinstance(value, DAG):
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


def edge_conditions(dag: DAG) -> Mapping[Hashable, Mapping[Hashable, Condition]]:
    """Return end -> start -> condition of a graph, also of one whose class uses the public names otherwise."""
    return dag._conditions


def _triples(
    conditions: Mapping[Hashable, Mapping[Hashable, Condition]],
) -> Iterator[tuple[Hashable, Hashable, Condition]]:
    for end, starts in conditions.items():
        for start, condition in starts.items():
            yield end, start, condition


def _conditions_of(vertex_id: Hashable, predecessors: Starts | None) -> dict[Hashable, Condition | None]:
    """Return predecessor -> condition of a mapping that was given in place of a list; None for `on_success`."""
    given: Mapping[Hashable, object] = predecessors  # type: ignore[assignment]
    found: dict[Hashable, Condition | None] = {}
    for start, text in given.items():
        if text is None or text == "on_success":
            found[start] = None
            continue
        from treadle.core.conditions import parse

        try:
            condition = parse(text)
        except UsageError as error:
            raise DAGError(
                f"predecessor {start!r} of the vertex {vertex_id!r}: {error.what}", facts=error.facts
            ) from None
        found[start] = None if condition.is_default else condition
    return found


def _cycle_error(cycle: list[Hashable]) -> DAGError:
    count = len(cycle) - 1
    path = " -> ".join(shortened([one_line(vertex_id) for vertex_id in cycle]))
    return DAGError(f"a cycle of {count} {'vertex' if count == 1 else 'vertices'}: {path}")
