"""A run as the lines that the terminal has shown, made from its events."""

from __future__ import annotations

from treadle.core.decision import Reason
from treadle.core.outcomes import BLOCKED, FAILED, INTERRUPTED, RAN, RESTORED, SKIPPED, SKIPPED_ITSELF, RunCounts
from treadle.core.text import safe, shell_join
from treadle.errors import Place, TreadleError
from treadle.events.bus import Ended
from treadle.events.run_model import UNFINISHED, ActionRun, Run
from treadle.events.schema import Event
from treadle.ui import render
from treadle.ui.error_text import problems_lines
from treadle.ui.text import Line, line

from .failures import failure_groups

_LAST = 20


def text_lines(run: Run, *, verbose: bool = False) -> list[Line]:
    """Return the lines of the actions, then those of the failures, then the totals.

    :param verbose: whether skipped actions get a line too
    """
    state = RunCounts(len(run.actions), 0.0)
    # those that a recorded run counts and says no more of
    state.expect(run.counts()[SKIPPED] - len(run.with_status(SKIPPED)), SKIPPED)
    blocked: dict[tuple[str, ...], list[str]] = {}
    lines = [line((text, "dim")) for text in _call_texts(run)]
    lines += [line((f"treadle: {safe(note)}", "dim")) for note in run.notes]
    failed = []
    for action in run.order:
        if action.status not in state.counts:
            continue
        ended = _ended(action)
        state.end(action.name, action.status)
        if action.status == BLOCKED:
            blocked.setdefault(render.origins_of(ended), []).append(action.name)
        if verbose or action.status in (RAN, RESTORED, FAILED, INTERRUPTED, SKIPPED_ITSELF):
            lines.append(render.ended_line(state, ended))
        if action.status == FAILED:
            failed.append((action, ended))
    for action, ended in failed:
        output = action.printed().removesuffix("\n").split("\n")[-_LAST:] if action.output else []
        lines += render.failure_block(render.Failure(ended, action.command, action.log, "", output))
    lines += _group_lines(run)
    lines += render.blocked_lines(blocked)
    if verbose:
        lines += render.disabled_lines(run.left_out)
    if run.problems:
        return [*lines, *problems_lines([_problem(problem) for problem in run.problems])]
    cut_off = run.result if run.result in (INTERRUPTED, UNFINISHED) else ""
    lines.append(render.totals(state, run.duration, saved=run.saved, cut_off=cut_off))
    return lines


def _group_lines(run: Run) -> list[Line]:
    """Return a line for each group of failures that say the same, but for numbers and paths."""
    return [render.alike_line(text, names) for text, names in failure_groups(run) if len(names) > 1]


def _call_texts(run: Run) -> list[str]:
    """Return what was called, with which parameters, and where."""
    words = [safe(shell_join(run.argv))] if run.argv else []
    for name, value in run.params.items():
        text = value if isinstance(value, str) else ", ".join(value)
        words.append(f"{safe(name)} = {safe(text)}")
    about = [f"on {safe(run.host)}" if run.host else "", f"-j {run.jobs}" if run.jobs else ""]
    about.append(f"commit {safe(run.commit)}" if run.commit else "")
    here = ", ".join(filter(None, about))
    return [*words, here] if here else words


def _problem(event: Event) -> TreadleError:
    """Return an error of a run; its source line is in no event."""
    place = event.get("place")
    return TreadleError(
        str(event["text"]),
        facts=[str(fact) for fact in event.get("facts", ())],
        hint=str(event.get("hint", "")),
        place=Place(str(place["file"]), int(place["line"]), int(place["column"])) if place else None,
    )


def _ended(action: ActionRun) -> Ended:
    reasons = [
        Reason(str(why.get("kind", "")), str(why.get("element", "")), why.get("old"), why.get("new"))
        for why in action.reasons
    ]
    attempts = action.attempts[-1].number if action.attempts else 0
    about = (action.name, action.status, action.duration, reasons, action.failure, attempts, action.emptied)
    return Ended(*about, outcome=action.outcome)
