"""Algorithms that few callers need: contexts, pruning, and what networkx knows.

It works on edges and knows nothing of the graph class. networkx is imported where it is needed: that takes longer
than a whole run with nothing to do, and no run needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle._startup.interpreter import deque
from treadle.errors import DAGError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
    from typing import Any, TypeVar

    import networkx as nx

    from .order import Edges

    T = TypeVar("T", bound=Hashable)


def context(
    vertex_id: Hashable,
    neighbours: Callable[[Hashable], Iterable[Hashable]],
    tags: Mapping[Hashable, Any],
    max_distance: int | None,
    max_element: int | None,
) -> list[tuple[int, Hashable, Any]]:
    """Return (distance, id, tag) of the nearest tagged vertex on each branch, the nearest first."""
    result: list[tuple[int, Hashable, Any]] = []
    seen = {vertex_id}
    queue = deque(((0, vertex_id),))
    while queue and (max_element is None or len(result) < max_element):
        distance, here = queue.popleft()
        if tags.get(here) is not None:
            result.append((distance, here, tags[here]))
        elif max_distance is None or distance < max_distance:
            new = [other for other in neighbours(here) if other not in seen]
            seen.update(new)
            queue += ((distance + 1, other) for other in new)
    return result


def reached(starts: Iterable[T], neighbours: Callable[[T], Iterable[T]]) -> Iterator[T]:
    """Yield some vertices and all that are reached from them, each once, the nearest first.

    :param neighbours: returns what is reached from a vertex in one step
    """
    found = set(starts := list(starts))
    for here in starts:
        yield here
        for other in neighbours(here):
            if other not in found:
                found.add(other)
                starts.append(other)


def through(
    starts: Iterable[Hashable],
    before: Callable[[Hashable], Iterable[Hashable]],
    is_kept: Callable[[Hashable], bool],
    known: dict[Hashable, tuple[Hashable, ...]],
) -> tuple[Hashable, ...]:
    """Return the kept vertices that come before some, as they are or seen through those that are not kept.

    :param before: what comes right before a vertex; there is no cycle
    :param known: what was found of vertices that are not kept, for the next call
    """
    starts = list(starts)
    stack = [start for start in starts if not is_kept(start) and start not in known]
    while stack:
        here = stack[-1]
        todo = [start for start in before(here) if not is_kept(start) and start not in known]
        if todo:
            stack += todo
            continue
        stack.pop()
        known[here] = _kept_of(before(here), is_kept, known)
    return _kept_of(starts, is_kept, known)


def _kept_of(
    starts: Iterable[Hashable],
    is_kept: Callable[[Hashable], bool],
    known: Mapping[Hashable, tuple[Hashable, ...]],
) -> tuple[Hashable, ...]:
    found: dict[Hashable, None] = {}
    for start in starts:
        found.update(dict.fromkeys((start,) if is_kept(start) else known[start]))
    return tuple(found)


def bridged(
    order: Iterable[Hashable], edges: Edges, gone: Collection[Hashable]
) -> dict[Hashable, tuple[Hashable, ...]]:
    """Return what comes right before each vertex once those in `gone` are bridged over.

    :param order: all vertices, each after all that come before it
    """
    result: dict[Hashable, tuple[Hashable, ...]] = {}
    for vertex_id in order:
        starts = edges.before(vertex_id)
        only = next(iter(starts)) if len(starts) == 1 else None
        if len(starts) == 1 and only in gone:
            # One tuple for a whole chain of vertices that go.
            result[vertex_id] = result[only]
            continue
        kept: dict[Hashable, None] = {}
        for start in starts:
            kept.update(dict.fromkeys(result[start] if start in gone else (start,)))
        result[vertex_id] = tuple(kept)
    return result


def to_networkx(
    vertex_data: Mapping[Hashable, Any], edges: Edges, order_edges: Edges | None = None
) -> nx.DiGraph[Hashable]:
    """Return a networkx graph; see `DAG.to_networkx`."""
    import networkx as nx

    graph: nx.DiGraph[Hashable] = nx.DiGraph()
    for vertex_id, data in vertex_data.items():
        graph.add_node(vertex_id, data=data)
    for vertex_id in vertex_data:
        if order_edges is not None:
            graph.add_edges_from(((start, vertex_id) for start in order_edges.before(vertex_id)), order=True)
        graph.add_edges_from(((start, vertex_id) for start in edges.before(vertex_id)), order=False)
    return graph


def starts_of(
    graph: nx.Graph[Any],
) -> Iterator[tuple[Hashable, Any, dict[Hashable, Any], list[Hashable]]]:
    """Yield each node of a networkx graph with its data, its predecessors, and what comes before for order alone.

    The predecessors lead to their conditions, None for `on_success`.

    :raises DAGError: if the graph is not directed
    """
    if not graph.is_directed():
        raise DAGError("the networkx graph is not directed: its edges do not say what comes first")
    before: dict[Hashable, tuple[dict[Hashable, Any], list[Hashable]]] = {node: ({}, []) for node in graph}
    for start, end, attributes in graph.edges(data=True):
        if attributes.get("order"):
            before[end][1].append(start)
        else:
            before[end][0][start] = attributes.get("when")
    for node, attributes in graph.nodes(data=True):
        yield node, attributes.get("data"), *before[node]


def longest_path(graph: nx.DiGraph[Hashable], weights: Mapping[Hashable, float] | None) -> list[Hashable]:
    """Return the path whose vertices weigh most together."""
    import networkx as nx

    # networkx weighs edges: each takes the weight of its end, and each vertex has an edge from one before all.
    origin = object()
    ids = list(graph)
    graph.add_edges_from((origin, vertex_id) for vertex_id in ids)
    for _, end, attributes in graph.edges(data=True):
        attributes["weight"] = 1 if weights is None else weights.get(end, 0)
    return nx.dag_longest_path(graph)[1:]


def reduced(graph: nx.DiGraph[Hashable]) -> nx.DiGraph[Hashable]:
    """Return the graph without the edges that longer paths imply."""
    import networkx as nx

    return nx.transitive_reduction(graph)
