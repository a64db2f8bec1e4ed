"""A run as one object for programs, made from its events: `treadle report --json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from treadle.events.run_model import ActionRun, Attempt, Run


def run_data(run: Run) -> dict[str, Any]:
    """Return a run with its actions, each with its attempts. What is not known is left out; seconds and bytes."""
    return {
        "plan": run.plan,
        "began": run.began,
        "result": run.result,
        "duration": run.duration,
        "counts": run.counts(),
        "actions": [_action_data(action) for action in run.actions.values()],
    }


def _action_data(action: ActionRun) -> dict[str, Any]:
    data: dict[str, Any] = {"name": action.name, "family": action.family, "status": action.status}
    data |= {"duration": action.duration, "why": action.why, "failure": action.failure, "log": action.log}
    if action.exit_code is not None:
        data["exit_code"] = action.exit_code
    data["attempts"] = [_attempt_data(attempt) for attempt in action.attempts]
    said = _said(action.attempts[-1]) if action.attempts else {}
    return {name: value for name, value in (data | said).items() if value != ""}


def _attempt_data(attempt: Attempt) -> dict[str, Any]:
    data: dict[str, Any] = {"number": attempt.number, "start": attempt.start, "duration": attempt.duration}
    data |= {"outcome": attempt.outcome.kind, "category": attempt.outcome.category}
    more: dict[str, Any] = {"queued": attempt.queued, "exit_code": attempt.exit_code, "log": attempt.log or None}
    more |= {"failure": attempt.failure or None, "resources": dict(attempt.resources) or None}
    return data | {name: value for name, value in more.items() if value is not None} | _said(attempt)


def _said(attempt: Attempt) -> dict[str, Any]:
    """Return what is known of an attempt by measuring, and what it has said itself."""
    found = {
        "usage": dict(attempt.usage),
        "measurements": dict(attempt.measurements),
        "attributes": dict(attempt.attributes),
        "artifacts": attempt.artifacts,
    }
    return {name: value for name, value in found.items() if value}
