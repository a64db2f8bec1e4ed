"""The longest path that begins with each vertex, in seconds: how soon a run may be over if it starts there now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dag import edge_conditions
from .dag import wiring as wiring_of
from .order import Wiring

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from .dag import DAG

UNKNOWN = 1.0
"""Seconds that count for a vertex of which no duration is known."""


def longest_paths(
    graph: DAG | Wiring, duration: Callable[[Hashable], float | None] | None = None
) -> dict[Hashable, float]:
    """Return vertex -> the seconds of the longest path that begins with it, its own among them.

    An edge that no success meets is none here: most runs have no failure.

    :param graph: has no cycle
    :param duration: returns the seconds that a vertex takes, None where they are not known
    """
    wiring = graph if isinstance(graph, Wiring) else _wiring(graph)
    ids, head, link, target = wiring.ids, wiring.head, wiring.link, wiring.target
    best = [0.0] * len(ids)
    for number in reversed(wiring.sort()[0]):
        rest, edge = 0.0, head[number]
        while edge >= 0:
            after = best[target[edge]]
            if after > rest:
                rest = after
            edge = link[edge]
        own = UNKNOWN if duration is None else duration(ids[number])
        # equal sums, whatever the order of their terms
        best[number] = round(rest + (UNKNOWN if own is None else own), 6)
    return dict(zip(ids, best, strict=True))


def only_after_failures(graph: DAG) -> set[Hashable]:
    """Return the vertices that do not run unless something fails."""
    found: set[Hashable] = set()
    known = edge_conditions(graph)
    if not known:
        return found
    for uid, _ in graph:
        conditions = known.get(uid, {})
        if not all(condition.may_follow_success for condition in conditions.values()) or any(
            start in found and start not in conditions for start in graph.get_predecessors(uid)
        ):
            found.add(uid)
    return found


def _wiring(graph: DAG) -> Wiring:
    known = edge_conditions(graph)
    if not known:
        return wiring_of(graph)

    def likely(uid: Hashable) -> list[Hashable]:
        conditions = known.get(uid, {})
        before = graph.get_predecessors(uid)
        return [p for p in before if p not in conditions or conditions[p].may_follow_success]

    return Wiring(graph.vertex_data, (likely, graph.get_after))
