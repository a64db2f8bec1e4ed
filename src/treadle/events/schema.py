"""The events of a run: their fields, and how a line of the file is read.

They are the only source of all reports. This module knows nothing of walks; docs/reference/events.md is its page,
and a test compares the two.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from treadle.errors import UsageError

from .encoding import SCHEMA

Event = dict[str, Any]

FIELDS: Mapping[str, tuple[str, ...]] = {
    "run": (
        *("schema", "treadle", "began", "names", "host", "jobs", "commit", "id", "origin", "pid", "user"),
        *("plan", "workflow", "resumes", "identity", "attributes", "selection"),
    ),
    "call": ("argv", "params"),
    "plan": ("file", "actions", "queues", "left_out"),
    "action": (
        *("name", "family", "help", "command", "needs", "after", "queue", "tokens", "place", "outputs"),
        *("conditions", "finally"),
    ),
    "note": ("text",),
    "waiting": ("holder",),
    "verdict": ("name", "verdict", "reasons"),
    "started": ("name", "attempt", "slot", "console", "start"),
    "output": ("name", "text", "omitted"),
    "attempt": (
        *("name", "attempt", "outcome", "category", "queued", "start", "duration", "failure", "last_line"),
        *("exit_code", "delay", "log", "resources", "host", "usage", "measurements", "attributes", "artifacts"),
    ),
    "restored": ("name", "key", "store", "run", "host", "bytes", "seconds", "saved"),
    "stored": ("name", "key", "store", "bytes", "tied"),
    "cache_fault": ("store", "fault"),
    "file": ("name", "path", "type", "data", "rows", "omitted"),
    "ended": (
        *("name", "status", "outcome", "category", "reason", "attempts", "queued", "start", "duration"),
        *("failure", "last_line", "exit_code", "emptied", "restored", "store", "log", "resources", "host"),
        *("usage", "measurements", "attributes", "artifacts"),
    ),
    "request": (
        *("verb", "id", "user", "via", "ok", "text", "queues", "resources", "limits", "max_running", "now"),
        *("names", "as"),
    ),
    "problem": ("text", "facts", "hint", "place"),
    "lost": ("host", "user", "reason"),
    "summary": ("total", "counts", "duration", "saved", "interrupted", "exit_code"),
}
"""kind -> the fields that it may have besides `event` and `t`."""

BEGINS = '{"event":"run"'
"""The beginning of each file of events."""
_MOST = sys.float_info.max
_LARGEST = 1e15
"""No number of seconds, bytes or actions is larger."""


def is_number(value: object) -> bool:
    """Return whether a value is a number, and none that is out of all bounds."""
    return isinstance(value, (int, float)) and -_LARGEST < value < _LARGEST


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def are_texts(value: object) -> bool:
    """Return whether a value is a list of texts."""
    return isinstance(value, list) and all(map(_is_text, value))


def _are_rows(value: object) -> bool:
    return isinstance(value, list) and all(map(are_texts, value))


def _is_number_or_text(value: object) -> bool:
    return is_number(value) or _is_text(value)


def are_values(value: object) -> bool:
    """Return whether a value is a map of texts and lists of texts."""
    return isinstance(value, dict) and all(_is_text(one) or are_texts(one) for one in value.values())


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_map(value: object) -> bool:
    return isinstance(value, dict)


def are_numbers(value: object) -> bool:
    """Return whether a value is a map of numbers."""
    return isinstance(value, dict) and all(map(is_number, value.values()))


def _are_granted(value: object) -> bool:
    return isinstance(value, dict) and all(is_number(one) or are_texts(one) for one in value.values())


def _is_finite(value: object) -> bool:
    # a whole number may be too large to be made a float
    return isinstance(value, int | float) and -_MOST <= value <= _MOST


def _are_finite(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_finite, value.values()))


def _are_texts_by_name(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _are_maps(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_map, value))


def _is_place(value: object) -> bool:
    return isinstance(value, dict) and (not value or (_is_text(value.get("file")) and is_number(value.get("line"))))


_SHAPES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(("name", "family", "help", "command", "queue", "file", "text"), (_is_text, "a text")),
    **dict.fromkeys(
        ("host", "commit", "path", "type", "data", "outcome", "category", "reason", "id", "origin", "user"),
        (_is_text, "a text"),
    ),
    **dict.fromkeys(("began", "failure", "last_line"), (_is_text, "a text")),
    **dict.fromkeys(("names", "needs", "after", "emptied", "facts"), (are_texts, "a list of texts")),
    **dict.fromkeys(("argv", "outputs"), (are_texts, "a list of texts")),
    "rows": (_are_rows, "a list of lists of texts"),
    **dict.fromkeys(("params", "selection"), (are_values, "a map of texts and lists of texts")),
    **dict.fromkeys(
        ("t", "tokens", "slot", "queued", "start", "duration", "total", "saved"), (is_number, "a number")
    ),
    **dict.fromkeys(("plan", "workflow", "resumes", "identity"), (_is_text, "a text")),
    **dict.fromkeys(("attempt", "attempts", "jobs", "pid", "exit_code", "delay"), (is_number, "a number")),
    **dict.fromkeys(("verb", "via", "as"), (_is_text, "a text")),
    **dict.fromkeys(("ok", "now"), (_is_flag, "true or false")),
    "limits": (are_numbers, "a map of numbers"),
    "max_running": (is_number, "a number"),
    **dict.fromkeys(("restored", "store", "key", "run", "tied", "fault"), (_is_text, "a text")),
    **dict.fromkeys(("bytes", "seconds"), (is_number, "a number")),
    "omitted": (_is_number_or_text, "a number or a text"),
    **dict.fromkeys(("queues", "left_out", "conditions"), (_is_map, "a map")),
    "counts": (are_numbers, "a map of numbers"),
    "log": (_is_text, "a text"),
    "resources": (_are_granted, "a map of numbers and lists of texts"),
    "usage": (are_numbers, "a map of numbers"),
    "measurements": (_are_finite, "a map of numbers"),
    "attributes": (_are_texts_by_name, "a map of texts"),
    "artifacts": (are_texts, "a list of texts"),
    "place": (_is_place, "a map with file and line"),
    "reasons": (_are_maps, "a list of maps"),
}
"""Field -> a check of its value, and what it expects."""


def check_shapes(event: Event) -> None:
    """Check that the fields of an event have the types that Treadle writes; unknown kinds are not checked.

    :raises TypeError: one does not
    """
    for field in ("t", *FIELDS.get(event["event"], ())):
        if field in event and field in _SHAPES and not _SHAPES[field][0](event[field]):
            raise TypeError(f"`{field}` that is not {_SHAPES[field][1]}")


def read_events(path: str) -> Iterator[Event]:
    """Yield the events of a file, without an unfinished last line: its run was killed.

    :raises UsageError: it cannot be read, is not a file of events, or has a newer schema
    """
    try:
        with open(path, "rb") as file:
            number = 0
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    return
                yield _event(raw, number, path)
            if not number:
                raise UsageError(f"{path} is empty: no events of a run")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _event(raw: bytes, number: int, path: str) -> Event:
    event: Any = None
    with suppress(ValueError, RecursionError):
        event = json.loads(raw)
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise UsageError(
            f"{path} holds no events of a run: line {number} is none",
            hint="it is written by `treadle run --events FILE`",
        )
    if number == 1 and event["event"] != "run":
        raise UsageError(f"{path} does not begin with the event `run`, as the events of a run do")
    if event["event"] == "run" and event.get("schema") != SCHEMA:
        raise UsageError(
            f"{path} is of schema {event.get('schema')}, and this Treadle reads {SCHEMA}",
            facts=[f"Treadle {event.get('treadle')} has written it"],
        )
    return event
