"""`status`: what a run would do and why. It writes and starts nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.cli.deselected import disabled_among, say_deselected, say_disabled
from treadle.cli.last_runs import in_order, last_data, slowest_rows
from treadle.core import decision, wording
from treadle.core.decision import Reason, Verdict
from treadle.core.text import safe
from treadle.session.look import looked, named_last, open_plans, without_skips
from treadle.ui.console import FORMAT
from treadle.ui.text import columns, line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from treadle.command.walk import CommandWalk
    from treadle.frontends.base import Project
    from treadle.session.call import Call
    from treadle.ui.text import Line

RESTORED = "would be restored"
_DECISIONS = (decision.RUN, decision.RESTORE, decision.MAY_RUN, decision.SKIP, decision.NOT_NEEDED)


def status_command(call: Call) -> int:
    """Print what a run would do; return 1 if there is work."""
    plan = call.load()
    selected = call.selected(plan)
    walk = looked(call, plan, [uid for uid in (*selected, *plan.plan_producers) if not plan.actions[uid].is_last])
    named = named_last(call, plan)
    verdicts = _with_last(
        plan, named, len(named) < len(selected), {str(uid): verdict for uid, verdict in walk.verdicts.items()}
    )
    options = call.options
    lasts = {}
    if options.json or options.sort == "duration" or options.durations:
        lasts = call.judge_by(plan.root).last_of(plan, list(verdicts))
    if options.sort:
        verdicts = {uid: verdicts[uid] for uid in in_order(options.sort, verdicts, lasts)}
    counts = dict.fromkeys(_DECISIONS, 0)
    for uid, verdict in verdicts.items():
        counts[shown_decision(walk, uid, verdict)] += 1
    disabled = disabled_among(call, plan)
    if options.json:
        call.console.say_data(
            {
                "format": FORMAT,
                "actions": [
                    {
                        "name": uid,
                        "decision": shown_decision(walk, uid, verdict),
                        "reasons": [reason_data(r) for r in verdict.reasons],
                        **last_data(lasts[uid]),
                    }
                    for uid, verdict in verdicts.items()
                ],
                "counts": counts,
                "unread": plan.unread,
                "deselected": call.deselected,
                "disabled": disabled,
            }
        )
    elif not options.quiet:
        shown = verdicts if options.verbose else without_skips(verdicts)
        call.console.say(_short(uid, verdict, shown_decision(walk, uid, verdict)) for uid, verdict in shown.items())
        call.console.say(_open(uid, said) for uid, said in open_plans(plan, verdicts).items())
        call.console.say([_totals(counts)])
        say_deselected(call)
        if options.verbose:
            say_disabled(call, disabled)
        if options.durations:
            rows = slowest_rows(options.durations, lasts)
            call.console.say([line(("slowest:", "name")), *map(line, columns(rows, room=call.console.room))])
    pending = counts[decision.RUN] + counts[decision.RESTORE] + counts[decision.MAY_RUN]
    return 1 if pending else 0


def _with_last(
    plan: Project, named: Sequence[str], has_others: bool, verdicts: Mapping[str, Verdict]
) -> dict[str, Verdict]:
    """Return the verdicts without those on actions at the end that do not take place.

    :param named: those of them that the call names, which do
    :param has_others: whether it selects other actions too
    """
    found = {}
    for uid, verdict in verdicts.items():
        if not plan.actions[uid].is_last:
            found[uid] = verdict
        elif uid in named:
            is_sure = verdict.decision == decision.RUN
            found[uid] = verdict if is_sure else Verdict(decision.RUN, [Reason(decision.AT_END)])
        elif verdict.decision != decision.SKIP and has_others:
            found[uid] = verdict
    return found


def reason_data(why: Reason) -> dict[str, object]:
    """Return a reason for programs: its parts, and what it says."""
    return {"kind": why.kind, "name": why.name, "old": why.old, "new": why.new, "text": wording.reason(why)}


def shown_decision(walk: CommandWalk, uid: str, verdict: Verdict) -> str:
    """Return what is done with an action: RESTORE in place of RUN if a cache has its outputs."""
    return decision.RESTORE if verdict.decision == decision.RUN and uid in walk.restorable else verdict.decision


def _short(uid: str, verdict: Verdict, how: str) -> Line:
    name = (safe(uid), "name")
    if how == decision.SKIP:
        return line(("up to date", "dim"), ": ", name)
    style = "warn" if how == decision.RUN else "dim"
    what = RESTORED if how == decision.RESTORE else how
    return line((what, style), " ", name, f": {wording.reasons(verdict.reasons)}")


def _open(uid: str, said: str) -> Line:
    return line((decision.MAY_RUN, "dim"), " ", (f"{safe(uid)}:...", "name"), f": {safe(said)}")


def _totals(counts: dict[str, int]) -> Line:
    run, may, skip = counts[decision.RUN], counts[decision.MAY_RUN], counts[decision.SKIP]
    restore, unneeded = counts[decision.RESTORE], counts[decision.NOT_NEEDED]
    if not run and not restore and not may:
        more = f", {unneeded} not needed" if unneeded else ""
        return line(("nothing to do", "good"), f": {wording.count(skip, 'action')} up to date{more}")
    words = (
        *((run, "to run"), (restore, RESTORED), (may, "may run")),
        *((skip, "up to date"), (unneeded, "not needed")),
    )
    return line(", ".join(f"{number} {what}" for number, what in words if number))
