"""The graph that a walk walks: it can be iterated, tagged, merged, reversed, pruned and shown.

It knows nothing of what the vertices stand for; checks and edges are in `dag_graph`.
"""

from __future__ import annotations

from treadle.errors import DAGError, DAGUsageError, one_line, shortened

from .graph import Graph, require_graph
from .iterator import DAGIterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping
    from typing import Any, Self

    import networkx as nx

    Neighbours = Callable[[Hashable], Iterable[Hashable]]

__all__ = ["DAG", "DAGIterator", "require_graph"]


class DAG(Graph):
    """Vertices in the order of their insertion, with data, tags and edges.

    An edge leads from a predecessor, or it is for order alone (`after`): the vertex at its start must be
    visited before, and is no predecessor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[Hashable, Any] = {}
        """Vertex id -> tag."""

    def __iter__(self) -> DAGIterator:
        return DAGIterator(self)

    def reverse_graph(self, enable_checks: bool = True) -> DAG:
        """Return a graph with every edge turned round; it shares the tags with this one.

        :param enable_checks: check the new graph
        """
        result = self._rewired(self._edges.after, self._order_edges.after)
        result.tags = self.tags
        if enable_checks:
            result.check()
        return result

    def __or__(self, other: DAG) -> DAG:
        """Return the vertices, edges and tags of both; data and tags of the right one win."""
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
        result.check()
        return result

    def prune(self, fun: Callable[[DAG, Hashable], bool], preserve_context: bool = True) -> DAG:
        """Return a graph without some vertices: what came before them comes before what came after them.

        Edges for order alone are bridged over too: what was ordered through a vertex that goes stays in that order.

        :param fun: gets this graph and an id, and says whether that vertex goes
        :param preserve_context: refuse to let tagged vertices go
        :raises DAGError: if a tagged vertex is to go
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
        result.check()
        return result

    def transitive_reduction(self) -> DAG:
        """Return a graph without the predecessors that longer paths of predecessors imply.

        Edges for order alone stay as they are.
        """
        from .algorithms import reduced, to_networkx

        self.check()
        graph = reduced(to_networkx(self.vertex_data, self._edges))
        result = self._rewired(
            lambda here: [start for start in self._edges.before(here) if graph.has_edge(start, here)],
            self._order_edges.before,
        )
        result.tags = dict(self.tags)
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

        :param graph: directed; the attribute `data` of a node is what the vertex carries, and an edge whose
            attribute `order` is true is for order alone. Other attributes are left behind
        :raises DAGError: if the graph is not directed or has a cycle
        """
        from .algorithms import starts_of

        dag = cls()
        for vertex_id, data, predecessors, after in starts_of(graph):
            dag.update_vertex(vertex_id, data, predecessors, enable_checks=False, after=after)
        dag.check()
        return dag

    def to_networkx(self) -> nx.DiGraph[Hashable]:
        """Return a networkx graph, with edges from predecessor to successor.

        Vertices have the attribute `data`; edges have `order`, which is true if they are for order alone.
        """
        from .algorithms import to_networkx

        return to_networkx(self.vertex_data, self._edges, self._order_edges)

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
        """Return the graph for Graphviz; edges lead to predecessors, dashed ones are for order alone."""
        from .formats import as_dot

        return as_dot(self.vertex_data, self._edges, self._order_edges)

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

        return as_lines(self.vertex_data, self._edges, self._order_edges)

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
