"""A run as a JUnit file: a suite of the plan, a case for each action."""

from __future__ import annotations

import re
from collections.abc import Iterator

from treadle.core.outcomes import BLOCKED, FAILED, INTERRUPTED, NOT_NEEDED, RAN, RESTORED, SKIPPED, told, words
from treadle.core.text import safe
from treadle.events.run_model import ActionRun, Attempt, Run, further
from treadle.events.schema import Event

BEGINS = '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="treadle"'
_NEVER_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTITIES = {ord(char): entity for char, entity in zip("&<>\"'", ("amp", "lt", "gt", "quot", "#39"), strict=True)}
_IN_ATTRIBUTES = {number: f"&{entity};" for number, entity in _ENTITIES.items()}


def junit(run: Run) -> Iterator[str]:
    """Yield the text of a JUnit file.

    An action that failed at what it does is a failure. Where it is not known whether it would have, that is an
    error: it could not be started, its outputs are missing, it was lost or interrupted.
    """
    elements = [_element(action) for action in run.actions.values()]
    failures, skipped = elements.count("failure"), elements.count("skipped")
    errors = elements.count("error") + len(run.problems)
    tests = len(run.actions) + len(run.problems)
    numbers = f'tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
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
    yield f'<property name="outcome" value="{action.outcome.kind}"/>'
    if action.restored:
        yield f'<property name="restored" value="{_attribute(action.restored)}"/>'
    for why in action.reasons:
        yield f'<property name="reason" value="{_attribute(str(why.get("text", "")))}"/>'
    for name, value in action.usage.items():
        yield f'<property name="usage.{_attribute(name)}" value="{value:.12g}"/>'
    if len(action.attempts) > 1:
        yield f'<property name="attempts" value="{action.attempts[-1].number}"/>'
    yield "</properties>\n"
    yield from _outcome(action)
    for attempt in action.attempts[:-1]:
        yield from _earlier(action, attempt)
    printed = action.printed()
    if printed:
        yield f"<system-out>{_text(printed)}</system-out>\n"
    yield "</testcase>\n"


def _outcome(action: ActionRun) -> Iterator[str]:
    """Yield the element for the end of an action; none if it succeeded."""
    element = _element(action)
    if element == "skipped":
        yield f'<skipped message="{_attribute(_why_skipped(action))}"/>\n'
    elif element:
        first = action.told.split("\n")[0]
        text = _text("\n".join((action.told, *(f"$ {one}" for one in action.command.split("\n")))))
        yield f'<{element} type="{action.outcome.kind}" message="{_attribute(first)}">{text}</{element}>\n'


def _earlier(action: ActionRun, attempt: Attempt) -> Iterator[str]:
    """Yield the element for an attempt that another one has followed, as Surefire names them; none if it passed."""
    if attempt.outcome.end not in (FAILED, INTERRUPTED):
        return
    is_error = attempt.outcome.end == INTERRUPTED or attempt.outcome.kind in _ERRORS
    name = ("flaky" if action.status == RAN else "rerun") + ("Error" if is_error else "Failure")
    why = told(attempt.outcome.kind, attempt.failure or attempt.outcome.reason)
    first, text = _attribute(why.split("\n")[0]), _text(f"attempt {attempt.number}: {why}")
    printed = attempt.printed()
    output = f"<system-out>{_text(printed)}</system-out>" if printed else ""
    more = f"<stackTrace>{text}</stackTrace>{output}"
    yield f'<{name} type="{attempt.outcome.kind}" message="{first}">{more}</{name}>\n'


def _element(action: ActionRun) -> str:
    """Return the element for the end of an action: failure, error or skipped; "" if it succeeded."""
    if action.status in (RAN, RESTORED):
        return ""
    if action.status == INTERRUPTED or action.outcome.kind in _ERRORS:
        return "error"
    return "failure" if action.status == FAILED else "skipped"


_ERRORS = ("error", "broken", "invalid", "lost")


def _why_skipped(action: ActionRun) -> str:
    if action.status == SKIPPED:
        return "nothing changed"
    said = words(action.outcome.kind)
    if action.status == BLOCKED:
        return action.failure or action.why or said
    more = action.outcome.reason or action.failure or (action.why if action.status == NOT_NEEDED else "")
    return f"{said}: {more}" if more else said


def _place(action: ActionRun) -> str:
    place = action.about.get("place")
    return f' file="{_attribute(place["file"])}" line="{int(place["line"])}"' if place else ""


def _attribute(text: str) -> str:
    text = _NEVER_IN_XML.sub("?", text).translate(_IN_ATTRIBUTES)
    return text.replace("\t", "&#9;").replace("\n", "&#10;").replace("\r", "&#13;")


def _text(text: str) -> str:
    return _NEVER_IN_XML.sub("?", text).translate(_IN_ATTRIBUTES).replace("\r", "&#13;")
