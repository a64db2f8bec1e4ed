"""What a name brings in beside what the plan says: the makers of files that it was found to read last time."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.frontends.base import Project


def with_makers_of_found(plan: Project, uids: list[str]) -> list[str]:
    """Return actions and those that make what they were found to read last time, though no plan says so."""
    if not any(action.command.discovery is not None for action in plan.actions.values()):
        return uids
    from treadle.command.discovered import producers_on_record
    from treadle.state.store import Store

    store = Store(plan.root)
    store.load()
    makers = list(producers_on_record(store, {uid: action.command for uid, action in plan.actions.items()}))
    while True:
        inside = plan.dag(uids).vertex_data
        more = dict.fromkeys(maker for uid, maker in makers if uid in inside and maker not in inside)
        if not more:
            return uids
        uids = [*uids, *more]


def with_all_before(plan: Project, uids: Sequence[str]) -> list[str]:
    """Return some actions and all that they need."""
    return [str(uid) for uid in plan.dag(with_makers_of_found(plan, list(uids))).vertex_data]
