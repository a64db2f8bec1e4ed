"""Iteration over a graph in an order that honours its edges; it changes nothing in the graph."""

from __future__ import annotations

from treadle.core.containers import heappop, heappush
from treadle.errors import DAGUsageError

from .graph import require_graph, wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from .graph import Graph

_NONE: frozenset[Hashable] = frozenset()


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

    def __init__(self, dag: Graph, enable_busy_state: bool = False, reversed_edges: bool = False) -> None:
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
