"""Which vertices of a graph are not needed as long as nothing fails, by the conditions of their edges alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .conditions import NOT_NEEDED, ON_SUCCESS, UP_TO_DATE
from .outcomes import outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable

    from .graph.dag import DAG
    from .outcomes import Outcome


def unneeded(
    dag: DAG,
    is_met: Callable[[Hashable, Hashable, Outcome], bool] | None = None,
    kept: Collection[Hashable] = (),
) -> set[Hashable]:
    """Return the vertices that are not needed as long as all others are up to date.

    :param is_met: `(uid, predecessor, outcome)`; None to ask the conditions of the graph
    :param kept: vertices that something outside of the graph keeps from running
    """

    def by_conditions(uid: Hashable, predecessor: Hashable, ended: Outcome) -> bool:
        return (dag.get_condition(predecessor, uid) or ON_SUCCESS).is_met(ended)

    asked = is_met or by_conditions
    up_to_date, not_needed = outcome(UP_TO_DATE), outcome(NOT_NEEDED)
    found: set[Hashable] = set()
    for uid, _ in dag:
        starts = dag.get_predecessors(uid)
        if uid in kept or not all(asked(uid, p, not_needed if p in found else up_to_date) for p in starts):
            found.add(uid)
    return found
