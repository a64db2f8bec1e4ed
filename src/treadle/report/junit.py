"""A run as a JUnit file: a suite of the plan, a case for each action."""

from __future__ import annotations

import re
from collections.abc import Iterator

from treadle.core.outcomes import BLOCKED, FAILED, INTERRUPTED, NOT_STARTED, SKIPPED
from treadle.core.text import safe
from treadle.events.run_model import ActionRun, Run, further
from treadle.events.schema import Event

BEGINS = '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="treadle"'
_NEVER_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTITIES = {ord(char): entity for char, entity in zip("&<>\"'", ("amp", "lt", "gt", "quot", "#39"), strict=True)}
_IN_ATTRIBUTES = {number: f"&{entity};" for number, entity in _ENTITIES.items()}


def junit(run: Run) -> Iterator[str]:
    """Yield the text of a JUnit file: failed actions are failures, interrupted ones errors."""
    counts = run.counts()
    skipped = counts[SKIPPED] + counts[BLOCKED] + counts[NOT_STARTED]
    errors = counts[INTERRUPTED] + len(run.problems)
    tests = len(run.actions) + len(run.problems)
    numbers = f'tests="{tests}" failures="{counts[FAILED]}" errors="{errors}" skipped="{skipped}"'
    time = f'time="{run.duration:.6f}"'
    yield f"{BEGINS} {numbers} {time}>\n"
    yield f'<testsuite name="{_attribute(run.plan or "treadle")}" {numbers} {time}{_timestamp(run)}>\n'
    for problem in run.problems:
        yield _problem(problem)
    for action in run.actions.values():
        yield from _case(action)
    yield "</testsuite>\n</testsuites>\n"


def _timestamp(run: Run) -> str:
    return f' timestamp="{_attribute(run.began)}"' if run.began else ""


def _problem(problem: Event) -> str:
    more = "\n".join(further(problem))
    place = problem.get("place")
    where = f"{place['file']}:{place['line']}:{place['column']}: " if place else ""
    what = _attribute(where + str(problem.get("text", "")))
    error = f'<error message="{what}">{_text(more)}</error>'
    return f'<testcase classname="plan" name="plan" time="0">{error}</testcase>\n'


def _case(action: ActionRun) -> Iterator[str]:
    name, family = _attribute(safe(action.name)), _attribute(safe(action.family))
    yield f'<testcase classname="{family}" name="{name}" time="{action.duration:.6f}"{_place(action)}>\n'
    yield f'<properties><property name="status" value="{action.status}"/>'
    for why in action.reasons:
        yield f'<property name="reason" value="{_attribute(str(why.get("text", "")))}"/>'
    yield "</properties>\n"
    yield from _outcome(action)
    printed = action.printed()
    if printed:
        yield f"<system-out>{_text(printed)}</system-out>\n"
    yield "</testcase>\n"


def _outcome(action: ActionRun) -> Iterator[str]:
    """Yield the element for the end of an action; none if it succeeded."""
    if action.status in (FAILED, INTERRUPTED):
        kind = "failure" if action.status == FAILED else "error"
        first = action.failure.split("\n")[0] or action.status
        text = _text("\n".join((action.failure, *(f"$ {one}" for one in action.command.split("\n")))))
        yield f'<{kind} type="{action.status}" message="{_attribute(first)}">{text}</{kind}>\n'
    elif action.status in (SKIPPED, BLOCKED, NOT_STARTED):
        message = action.why if action.status == BLOCKED else _WHY_SKIPPED.get(action.status, action.status)
        yield f'<skipped message="{_attribute(message)}"/>\n'


_WHY_SKIPPED = {SKIPPED: "nothing changed", NOT_STARTED: "not started"}


def _place(action: ActionRun) -> str:
    place = action.about.get("place")
    return f' file="{_attribute(place["file"])}" line="{int(place["line"])}"' if place else ""


def _attribute(text: str) -> str:
    text = _NEVER_IN_XML.sub("?", text).translate(_IN_ATTRIBUTES)
    return text.replace("\t", "&#9;").replace("\n", "&#10;").replace("\r", "&#13;")


def _text(text: str) -> str:
    return _NEVER_IN_XML.sub("?", text).translate(_IN_ATTRIBUTES).replace("\r", "&#13;")
