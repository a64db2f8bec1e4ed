"""A run as a trace in Chrome's format, for chrome://tracing, Perfetto and speedscope: a row for each token.

The critical path also has a row of its own, since not every viewer shows colours and categories.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from treadle.core.outcomes import FAILED, INTERRUPTED, RAN, RESTORED, SKIPPED_ITSELF, told
from treadle.events.run_model import ActionRun, Attempt, Run

from .critical import critical_path

BEGINS = '{"displayTimeUnit":"ms","otherData":'
_COLOURS = {FAILED: "terrible", INTERRUPTED: "bad", RAN: "good", RESTORED: "olive", SKIPPED_ITSELF: "grey"}
"""Names of colours that chrome://tracing knows."""
_CRITICAL = "yellow"


def trace(run: Run) -> Iterator[str]:
    """Yield the text of a trace; times are in microseconds since the run began."""
    path = critical_path(run)
    critical = set(path)
    yield BEGINS
    yield json.dumps({"plan": run.plan, "began": run.began, "critical_path": path})
    yield ',"traceEvents":[\n'
    separator = ""
    for event in _events(run, path, critical):
        yield separator + json.dumps(event)
        separator = ",\n"
    yield "\n]}\n"


def _events(run: Run, path: list[str], critical: set[str]) -> Iterator[dict[str, Any]]:
    yield {"ph": "M", "pid": 1, "tid": 0, "name": "process_name", "args": {"name": run.plan or "treadle"}}
    slots = sorted({attempt.slot for action in run.actions.values() for attempt in action.attempts})
    for slot in slots:
        row = {"ph": "M", "pid": 1, "tid": slot + 1}
        yield {**row, "name": "thread_name", "args": {"name": f"token {slot + 1}"}}
        yield {**row, "name": "thread_sort_index", "args": {"sort_index": slot}}
    if path:
        row = {"ph": "M", "pid": 1, "tid": 0}
        yield {**row, "name": "thread_name", "args": {"name": "critical path"}}
        yield {**row, "name": "thread_sort_index", "args": {"sort_index": -1}}
    for action in run.actions.values():
        for attempt in action.attempts:
            bar = _bar(action, attempt, is_critical=action.name in critical)
            yield bar
            if action.name in critical:
                yield {**bar, "tid": 0, "cat": "critical path"}
    for number, (before, after) in enumerate(pairwise(path)):
        yield from _arrow(number, run.actions[before].attempts[-1], run.actions[after].attempts[0])


def _bar(action: ActionRun, attempt: Attempt, *, is_critical: bool) -> dict[str, Any]:
    is_last = attempt is action.attempts[-1]
    status = action.status if is_last else FAILED
    colour = _CRITICAL if is_critical and status == RAN else _COLOURS.get(status)
    args: dict[str, Any] = {"status": status, "reasons": [why.get("text", "") for why in action.reasons]}
    ended = action.outcome if is_last else attempt.outcome
    args |= {"outcome": ended.kind, "category": ended.category}
    args |= {"command": action.command, "critical": is_critical}
    if len(action.attempts) > 1:
        args["attempt"] = attempt.number
    if attempt.usage:
        args["usage"] = dict(attempt.usage)
    if attempt.resources:
        args["resources"] = dict(attempt.resources)
    failure = action.failure if is_last else attempt.failure
    if failure:
        args["failure"] = told(ended.kind, failure)
    elif ended.reason:
        args["reason"] = ended.reason
    return {
        "ph": "X",
        "name": action.name,
        "cat": f"{status},critical path" if is_critical else status,
        "pid": 1,
        "tid": attempt.slot + 1,
        "ts": microseconds(attempt.start),
        "dur": microseconds(attempt.duration or 0.0),
        **({"cname": colour} if colour else {}),
        "args": args,
    }


def _arrow(number: int, before: Attempt, after: Attempt) -> Iterator[dict[str, Any]]:
    """Yield the two ends of an arrow along the critical path."""
    both = {"name": "critical path", "cat": "critical path", "id": number, "pid": 1}
    end = before.start + (before.duration or 0.0)
    # it has to begin inside of its bar
    inside = max(before.start, end - 1e-6)
    yield {**both, "ph": "s", "tid": before.slot + 1, "ts": microseconds(inside)}
    yield {**both, "ph": "f", "bp": "e", "tid": after.slot + 1, "ts": microseconds(max(after.start, inside))}


def microseconds(seconds: float) -> int:
    """Return seconds in whole microseconds."""
    return round(seconds * 1e6)
