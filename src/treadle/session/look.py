"""What a run would do now: a walk that looks and starts nothing."""

from __future__ import annotations

from treadle.command.walk import CommandWalk, Settings
from treadle.core import decision

from .conflicts import refuse_shared_outputs
from .makers import with_makers_of_found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.frontends.base import Project

    from .call import Call


def without_skips(
    verdicts: dict[object, decision.Verdict] | dict[str, decision.Verdict],
) -> dict[str, decision.Verdict]:
    """Return the verdicts on actions that would or may run."""
    return {str(uid): verdict for uid, verdict in verdicts.items() if verdict.outcome != decision.SKIP}


def open_plans(
    plan: Project, verdicts: dict[object, decision.Verdict] | dict[str, decision.Verdict]
) -> dict[str, str]:
    """Return makers of plans that may hold something else after a run, and what is said of each of these plans."""
    found = {uid: f"{plan.makers[uid]} is not made yet" for uid in plan.unread}
    runs = [uid for uid in plan.makers if uid not in found and uid in without_skips(verdicts)]
    return found | {uid: f"{plan.makers[uid]} may be another one then" for uid in runs}


def looked(call: Call, plan: Project, uids: Sequence[str]) -> CommandWalk:
    """Return a walk that has looked at some actions and all that they need."""
    forced = call.select(plan, call.options.force)
    dag = plan.dag(with_makers_of_found(plan, [*uids, *forced]))
    force = [str(uid) for uid in dag.vertex_data] if call.options.force_all else forced
    walk = CommandWalk(dag, plan.root, Settings(call.options.jobs, plan.queues, force=force))
    # it may begin or end while we look
    busy = walk.store.lock.is_busy()
    walk.look()
    for note in walk.store.notes:
        call.note(note)
    if plan.unread:
        from .foreseen import foresee

        foresee(plan, walk)
    refuse_shared_outputs(plan, map(str, dag.vertex_data), walk.store)
    if busy or walk.store.lock.is_busy():
        holder = walk.store.lock.holder() or "another run"
        call.note(f"{holder} is at work in this folder: what it is running now shows as interrupted")
    return walk
