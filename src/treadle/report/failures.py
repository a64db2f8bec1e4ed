"""The failures of a run, in groups of those that say the same."""

from __future__ import annotations

from treadle.core.outcomes import FAILED, INTERRUPTED
from treadle.core.similar import grouped
from treadle.events.run_model import ActionRun, Run


def failure_groups(run: Run) -> list[tuple[str, list[str]]]:
    """Return what failed or was interrupted by what it says, the largest group first: a text, and the names."""
    return grouped((action.name, error_text(action)) for action in run.with_status(FAILED, INTERRUPTED))


def error_text(action: ActionRun) -> str:
    """Return why an action failed, with the last line that it printed, which mostly says more than an exit code."""
    last = _last_line(action)
    return f"{action.told}: {last}" if last and action.status == FAILED else action.told


_LINE_CHARACTERS = 200


def _last_line(action: ActionRun) -> str:
    if action.attempts and action.attempts[-1].last_line:
        return action.attempts[-1].last_line
    for text, _ in reversed(action.output):
        lines = text.rstrip().rsplit("\n", 1)
        if lines[-1]:
            return lines[-1].strip()[:_LINE_CHARACTERS]
    return ""
