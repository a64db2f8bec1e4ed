"""`status`: what a run would do and why, with nothing written and nothing started."""

from __future__ import annotations

from treadle.command.walk import CommandWalk, Settings
from treadle.core import decision
from treadle.session.conflicts import refuse_shared_outputs
from treadle.session.makers import with_makers_of_found
from treadle.ui import wording as words
from treadle.ui.text import line, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.core.decision import Reason
    from treadle.plan import Plan
    from treadle.ui.console import Context
    from treadle.ui.text import Line

FORMAT = 1
"""The version of what --json prints: names in it stay, new ones may come."""


def status_command(context: Context) -> int:
    """Say what a run would do; 1 if there is work."""
    plan = context.load()
    walk = looked(context, plan, [*context.selected(plan), *plan.makers])
    verdicts = {str(uid): verdict for uid, verdict in walk.verdicts.items()}
    counts = {decision.RUN: 0, decision.MAY_RUN: 0, decision.SKIP: 0}
    for verdict in verdicts.values():
        counts[verdict.outcome] += 1
    if context.options.json:
        context.say_data(
            {
                "format": FORMAT,
                "actions": [
                    {"name": uid, "outcome": verdict.outcome, "reasons": [reason_data(r) for r in verdict.reasons]}
                    for uid, verdict in verdicts.items()
                ],
                "counts": counts,
                "unread": plan.unread,
            }
        )
    elif not context.options.quiet:
        shown = verdicts if context.options.verbose else without_skips(verdicts)
        context.say(_short(uid, verdict) for uid, verdict in shown.items())
        context.say(_open(uid, said) for uid, said in open_plans(plan, verdicts).items())
        context.say([_totals(counts)])
    pending = counts[decision.RUN] + counts[decision.MAY_RUN]
    return context.ended(1 if pending else 0)


def reason_data(why: Reason) -> dict[str, object]:
    """Return a reason for programs: its parts, and what it says."""
    return {"kind": why.kind, "name": why.name, "old": why.old, "new": why.new, "text": words.reason(why)}


def without_skips(
    verdicts: dict[object, decision.Verdict] | dict[str, decision.Verdict],
) -> dict[str, decision.Verdict]:
    """Return the verdicts on actions that would or may run."""
    return {str(uid): verdict for uid, verdict in verdicts.items() if verdict.outcome != decision.SKIP}


def open_plans(
    plan: Plan, verdicts: dict[object, decision.Verdict] | dict[str, decision.Verdict]
) -> dict[str, str]:
    """Return makers of plans that may hold something else after a run, and what is said of each of these plans."""
    found = {uid: f"{plan.makers[uid]} is not made yet" for uid in plan.unread}
    runs = [uid for uid in plan.makers if uid not in found and uid in without_skips(verdicts)]
    return found | {uid: f"{plan.makers[uid]} may be another one then" for uid in runs}


def looked(context: Context, plan: Plan, uids: Sequence[str]) -> CommandWalk:
    """Return a walk that has looked at some actions and all that they need."""
    forced = context.select(plan, context.options.force)
    dag = plan.dag(with_makers_of_found(plan, [*uids, *forced]))
    force = [str(uid) for uid in dag.vertex_data] if context.options.force_all else forced
    walk = CommandWalk(dag, plan.root, Settings(context.options.jobs, plan.queues, force=force))
    # it may begin or end while we look
    busy = walk.store.lock.is_busy()
    context.look(walk)
    if plan.unread:
        from .foreseen import foresee

        foresee(plan, walk)
    refuse_shared_outputs(plan, map(str, dag.vertex_data), walk.store)
    if busy or walk.store.lock.is_busy():
        who = walk.store.lock.holder() or "another run"
        context.warn(f"{who} is at work in this folder: what it is running now shows as interrupted")
    return walk


def _short(uid: str, verdict: decision.Verdict) -> Line:
    name = (safe(uid), "name")
    if verdict.outcome == decision.SKIP:
        return line(("skip", "dim"), " ", name)
    style = "warn" if verdict.outcome == decision.RUN else "dim"
    return line((verdict.outcome, style), " ", name, f": {words.reasons(verdict.reasons)}")


def _open(uid: str, said: str) -> Line:
    return line((decision.MAY_RUN, "dim"), " ", (f"{safe(uid)}:...", "name"), f": {safe(said)}")


def _totals(counts: dict[str, int]) -> Line:
    run, may, skip = counts[decision.RUN], counts[decision.MAY_RUN], counts[decision.SKIP]
    if not run and not may:
        return line(("nothing to do", "good"), f": {words.count(skip, 'action')} would be skipped")
    said = [f"{number} {what}" for number, what in ((run, "to run"), (may, "may run"), (skip, "to skip")) if number]
    return line(", ".join(said))
