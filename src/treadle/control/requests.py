"""What a request to a run may say: a verb, names, numbers, and nothing else.

A request never carries a command, a path, a variable or a plan, so it has no power that the plan has not.
This module knows no runs and no sockets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from treadle.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

SET, PAUSE, CONTINUE, STOP, MARK, STATE = "set", "pause", "continue", "stop", "mark", "state"
FIELDS: Mapping[str, tuple[str, ...]] = {
    SET: ("queues", "resources", "limits", "max_running"),
    PAUSE: (),
    CONTINUE: (),
    STOP: ("now",),
    MARK: ("names", "as"),
    STATE: (),
}
"""verb -> the fields that a request may have besides `verb` and `id`."""
DONE, TODO = "done", "todo"

MOST_NAMES = 10_000
"""How many actions one request may name."""
LONGEST_NAME = 1000
MOST = 10**15
"""No number is larger."""
LONGEST_ID = 64
LONGEST_REQUEST = 1 << 20
"""Bytes of a request as it is sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a run.

    :ivar verb: one of `FIELDS`
    :ivar id: what makes it this request: one that comes twice is done once; "" where it changes nothing
    :ivar queues: name -> tokens
    :ivar resources: type -> how much may be used
    :ivar limits: family -> how many of its actions may run at the same time
    :ivar now: whether what runs is killed, and not only asked to end
    :ivar names: actions
    :ivar mark: DONE or TODO
    """

    verb: str
    id: str = ""
    queues: Mapping[str, int] = field(default_factory=dict)
    resources: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    max_running: int | None = None
    now: bool = False
    names: tuple[str, ...] = ()
    mark: str = ""

    @property
    def changes(self) -> bool:
        """Whether it may change something: then it is an event of the run."""
        return self.verb != STATE

    def as_data(self) -> dict[str, Any]:
        """Return it as data, without what it does not say."""
        said = {
            "verb": self.verb,
            "id": self.id,
            "queues": dict(self.queues),
            "resources": dict(self.resources),
            "limits": dict(self.limits),
            "max_running": self.max_running,
            "now": self.now,
            "names": list(self.names),
            "as": self.mark,
        }
        return {name: value for name, value in said.items() if value not in ("", {}, None, False, [])}


def request_of(data: object) -> Request:
    """Return a request that was sent as data.

    :raises UsageError: it is none, or says what no request may say
    """
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise UsageError("a request is an object with the field `verb`")
    verb = data.get("verb")
    if not isinstance(verb, str) or verb not in FIELDS:
        close = nearest(verb, FIELDS) if isinstance(verb, str) else None
        hint = f"did you mean {close}?" if close else f"it is one of {', '.join(FIELDS)}"
        raise UsageError(f"there is no request {_short(verb)}", hint=hint)
    for name in data:
        if name not in ("verb", "id", *FIELDS[verb]):
            raise UsageError(f"a request to {verb} has no field {_short(name)}")
    given = data.get("id", "")
    if not isinstance(given, str) or len(given) > LONGEST_ID or not (given.isascii() and given.isprintable()):
        raise UsageError(f"the id of a request is at most {LONGEST_ID} printable characters")
    if verb != STATE and not given:
        raise UsageError(f"a request to {verb} needs an id", hint="with it a request that comes twice is done once")
    now = data.get("now", False)
    if not isinstance(now, bool):
        raise UsageError("`now` of a request to stop is true or false")
    most = data.get("max_running")
    if most is not None and (not _is_number(most) or most < 1):
        raise UsageError(
            f"max_running is {_short(most)}, expected a whole number above 0", hint="`pause` lets nothing start"
        )
    request = Request(
        verb,
        given,
        _amounts(data, "queues"),
        _amounts(data, "resources"),
        _amounts(data, "limits"),
        most,
        now,
        _names(data),
        _mark(data),
    )
    if verb == SET and not (request.queues or request.resources or request.limits or most is not None):
        raise UsageError("a request to set says a queue, a resource, a limit or max_running")
    return request


def _amounts(data: Mapping[str, Any], what: str) -> dict[str, int]:
    given = data.get(what, {})
    if not isinstance(given, dict) or len(given) > MOST_NAMES:
        raise UsageError(f"the {what} of a request are an object: name -> a whole number")
    for name, number in given.items():
        if not _is_name(name):
            raise UsageError(f"{what} of a request: {_short(name)} is no name")
        if not _is_number(number):
            raise UsageError(
                f"{what} of a request: {name} is {_short(number)}, expected a whole number of 0 or more"
            )
    return given


def _names(data: Mapping[str, Any]) -> tuple[str, ...]:
    if data["verb"] != MARK:
        return ()
    names = data.get("names")
    if not isinstance(names, list) or not names or not all(map(_is_name, names)):
        raise UsageError("a request to mark names actions")
    if len(names) > MOST_NAMES:
        raise UsageError(f"a request names {len(names)} actions, at most {MOST_NAMES} are possible")
    return tuple(names)


def _mark(data: Mapping[str, Any]) -> str:
    if data["verb"] != MARK:
        return ""
    mark = data.get("as")
    if mark not in (DONE, TODO):
        raise UsageError(f"an action is marked as {DONE} or {TODO}, not {_short(mark)}")
    return str(mark)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def _short(value: object) -> str:
    """Return a value as it is shown in an error, shortened."""
    try:
        text = repr(value) if not isinstance(value, int) or abs(value) <= MOST else "a large number"
    except RecursionError:
        text = "deeply nested"
    return text if len(text) <= 40 else f"{text[:40]}..."
