"""What depends on a plan that could not be made, as far as that can be known without the plan.

An action that needs its maker, that reads what the plan's actions have made in former runs, or that cannot be
understood without it, depends on it. All else goes on.
"""

from __future__ import annotations

from treadle.command.discovered import found_on_record, producers_on_record
from treadle.core.graph.algorithms import reached
from treadle.errors import UsageError
from treadle.frontends.names import is_pattern
from treadle.session.foreseen import left_by
from treadle.state.store import Store

from .makers import with_makers_of_found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from treadle.frontends.base import Project
    from treadle.session.call import Call


def needed_makers(call: Call, plan: Project, *, if_unclear: bool) -> set[str]:
    """Return the makers of unread plans that what was named needs.

    :param if_unclear: whether to return all of them where a name cannot be understood without these plans
    """
    unread = plan.unread
    found: set[str] = set()
    for name in call.options.names:
        is_clear = not _may_stand_in(plan, name)
        try:
            uids = call.select(plan, [name])
            is_clear = is_clear and not plan.names.unclear_among([name])
        except UsageError:
            # it may be an output of an action that no plan has named yet
            uids, is_clear = [], False
        found |= set(unread) if if_unclear and not is_clear else _needed_by(plan, uids, unread)
    return found


def _needed_by(plan: Project, uids: list[str], unread: Collection[str]) -> set[str]:
    inside = list(map(str, plan.dag(with_makers_of_found(plan, uids)).vertex_data))
    reads = _blocked_by_former(plan, inside, Store(plan.root), unread)
    return {uid for uid in unread if uid in inside} | {maker for makers in reads.values() for maker in makers}


def blocked_by(
    plan: Project, uids: Iterable[str], failed: Mapping[str, Collection[str]]
) -> dict[str, tuple[str, ...]]:
    """Return uid -> origins of the actions that what has failed blocks directly, not of what comes after these.

    :param failed: uid of what failed, or was blocked, in an earlier walk -> the failures that this comes from
    """
    found: dict[str, dict[str, None]] = {}
    inside = dict.fromkeys(uid for uid in uids if uid in plan.actions)
    store = Store(plan.root)
    for uid in inside:
        for before in plan.actions[uid].predecessors:
            if before in failed:
                found.setdefault(uid, {}).update(dict.fromkeys(failed[before]))
    reads = _blocked_by_former(plan, inside, store, failed)
    commands = {uid: action.command for uid, action in plan.actions.items()}
    pairs = [
        *((uid, maker) for uid, makers in reads.items() for maker in makers),
        *producers_on_record(store, commands),
    ]
    for uid, maker in pairs:
        if maker in failed and uid in inside:
            found.setdefault(uid, {}).update(dict.fromkeys(failed[maker]))
    return {uid: tuple(origins) for uid, origins in found.items()}


def _blocked_by_former(
    plan: Project, uids: Iterable[str], store: Store, makers: Collection[str]
) -> dict[str, dict[str, None]]:
    """Return uid -> those makers whose unread plans had actions, in former runs, that made what it reads."""
    store.load()
    left = left_by(plan, store, makers)
    found: dict[str, dict[str, None]] = {}
    for uid in uids if left else ():
        command = plan.actions[uid].command
        read = [*command.inputs, *command.edits, *found_on_record(store, uid, command), *plan.guessed.get(uid, ())]
        touching = dict.fromkeys(maker for path in read for maker in left.of(path))
        if touching:
            found[uid] = touching
    return found


def _may_stand_in(plan: Project, name: str) -> bool:
    """Whether a name that was given, or one in a group, may stand for what an unread plan holds."""
    groups = plan.names.groups
    for one in reached([name], lambda one: groups[one].members if one in groups else ()):
        if one not in groups and is_pattern(one):
            head = one.replace("?", "*").partition("*")[0]
            # a pattern may also take outputs
            if any(f"{maker}:".startswith(head) or head.startswith(f"{maker}:") for maker in plan.unread):
                return True
            if "/" in one:
                return True
    return False
