"""`why` and `status`: what a run would do and why, with nothing written and nothing started."""

from __future__ import annotations

from time import localtime, strftime, time

from treadle.command_walk import CommandWalk, Settings
from treadle.core import decision
from treadle.ui import words
from treadle.ui.durations import duration
from treadle.ui.text import line, safe

from .makers import with_makers_of_found
from .other_plans import refuse_shared_outputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.plan import Plan
    from treadle.ui.text import Line

    from .context import Context


def status_command(context: Context) -> int:
    """Say what a run would do; 1 if there is work."""
    plan = context.load()
    walk = looked(context, plan, context.selected(plan))
    verdicts = {str(uid): verdict for uid, verdict in walk.verdicts.items()}
    counts = {decision.RUN: 0, decision.MAY_RUN: 0, decision.SKIP: 0}
    for verdict in verdicts.values():
        counts[verdict.outcome] += 1
    if not context.options.quiet:
        shown = verdicts if context.options.verbose else without_skips(verdicts)
        context.say(_short(uid, verdict) for uid, verdict in shown.items())
        context.say([_totals(counts)])
    pending = counts[decision.RUN] + counts[decision.MAY_RUN]
    return context.ended(1 if pending else 0)


def why_command(context: Context) -> int:
    """Say why actions would run or be skipped now, and why they ran last time."""
    plan = context.load()
    names = context.options.names
    uids = context.selected(plan)
    walk = looked(context, plan, uids)
    if not names:
        uids = [str(uid) for uid in without_skips(walk.verdicts)]
        if not uids:
            context.say([line(f"nothing would run: {words.count(len(walk.verdicts), 'action')} would be skipped")])
    context.say(made for uid in uids for made in _explained(walk, uid, last=bool(names)))
    return context.ended(0)


def without_skips(
    verdicts: dict[object, decision.Verdict] | dict[str, decision.Verdict],
) -> dict[str, decision.Verdict]:
    """Return the verdicts on actions that would or may run."""
    return {str(uid): verdict for uid, verdict in verdicts.items() if verdict.outcome != decision.SKIP}


def looked(context: Context, plan: Plan, uids: Sequence[str]) -> CommandWalk:
    """Return a walk that has looked at some actions and all that they need."""
    forced = context.select(plan, context.options.force)
    dag = plan.dag(with_makers_of_found(plan, [*uids, *forced]))
    force = [str(uid) for uid in dag.vertex_data] if context.options.force_all else forced
    walk = CommandWalk(dag, plan.root, Settings(context.options.jobs, plan.queues, force=force))
    # it may begin or end while we look
    busy = walk.store.lock.is_busy()
    context.look(walk)
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


def _totals(counts: dict[str, int]) -> Line:
    run, may, skip = counts[decision.RUN], counts[decision.MAY_RUN], counts[decision.SKIP]
    if not run and not may:
        return line(("nothing to do", "good"), f": {words.count(skip, 'action')} would be skipped")
    said = [f"{number} {what}" for number, what in ((run, "to run"), (may, "may run"), (skip, "to skip")) if number]
    return line(", ".join(said))


def _explained(walk: CommandWalk, uid: str, *, last: bool) -> list[Line]:
    """Return all that is known of one action.

    :param last: whether to tell of its last run
    """
    from treadle.ui.why import last_run_lines, verdict_lines

    compared = getattr(walk.new_fingerprints.get(uid), "elements", {})
    lines = verdict_lines(uid, walk.verdicts[uid], compared)
    if not last:
        return lines
    entry = walk.store.entries.get(walk.owner(uid, walk.actions.vertex_data[uid]).key)
    if entry is None:
        return lines
    run = entry.last_run
    if run is None:
        how = "has not ended yet" if walk.store.lock.is_busy() else "was cut off before it ended"
        return [*lines, line(f"  its last run {how}")]
    return lines + last_run_lines(run.state, _when(run.ended_at / 1000), run.duration, run.text, run.reasons)


def _when(seconds: float) -> str:
    """Return a time as a date and how long ago it was."""
    ago = duration(max(0.0, time() - seconds))
    return f"{ago} ago ({strftime('%Y-%m-%d %H:%M:%S', localtime(seconds))})"
