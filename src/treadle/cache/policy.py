"""Which actions are cached, and whether storing pays. It knows commands only by the attributes that it names."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

LATENCY = 0.0002
"""Seconds that storing takes at least."""
THROUGHPUT = 500e6
"""Bytes that are stored in a second."""
WORTH = 4
"""What an action has to last, in times of what storing it takes."""
WORTH_SHARING = 0.05
"""Seconds that an action has to last for a store on a server to be asked."""
MOST_FAULTS = 3
"""Faults in a row after which a store is not asked any more."""
MOST_LOG = 1 << 20
"""Bytes of a log that is stored."""

NEVER, ALWAYS, WITHOUT_LOG = "never", "always", "without log"
"""What an action may say of the cache: not cached; stored even if that does not pay; stored without its log."""


def said(cache: object) -> str | None:
    """Return in one of these words what True, False or a map with `log` say of the cache; None for all else.

    One of these words says itself.
    """
    if isinstance(cache, str):
        return cache if cache in ("", NEVER, ALWAYS, WITHOUT_LOG) else None
    if cache is True or cache is False:
        return ALWAYS if cache else NEVER
    if (
        not isinstance(cache, Mapping)
        or set(cache) - {"log"}
        or not all(isinstance(one, bool) for one in cache.values())
    ):
        return None
    return WITHOUT_LOG if cache.get("log") is False else ""


class Cacheable(Protocol):
    """What of a command says whether it is cached."""

    cache: str
    always: bool
    once: bool
    console: bool
    keep: bool
    edits: tuple[str, ...]
    outputs: tuple[str, ...]
    presence: tuple[str, ...]
    expect: Any
    guards: Any
    baseline: Any

    env: Any


def why_not(command: Cacheable) -> str:
    """Return in words why an action is never cached, "" if it is."""
    rules = (
        (command.cache == NEVER, "it says `cache: false`"),
        (not command.outputs, "it has no outputs"),
        (command.always, "it always runs"),
        (command.once, "it runs `once`: only the presence of its outputs counts"),
        (command.edits, "it edits files in place"),
        (
            command.guards is not None and command.guards.confirm,
            "it has to be confirmed: it does more than its outputs",
        ),
        (command.console, "it has the terminal"),
        (command.keep, "it keeps its outputs: what it makes depends on older ones"),
        (command.presence, "its outputs are judged by presence"),
        (command.env.secret, "it has a secret variable"),
        (command.expect is not None or command.baseline, "its end is compared with what is expected"),
        (not are_texts(command.outputs), "the name of an output is not UTF-8"),
    )
    return next((why for holds, why in rules if holds), "")


def are_texts(names: Iterable[str]) -> bool:
    """Return whether names can be encoded as UTF-8."""
    try:
        for name in names:
            name.encode()
    except UnicodeEncodeError:
        return False
    return True


def keeps_log(command: Cacheable) -> bool:
    """Return whether the log of an action is stored: not if it may show a variable that does not count."""
    return command.cache != WITHOUT_LOG and not command.env.pass_


class Breaker:
    """Says when a store is not asked any more: after one request that was late, or three faults in a row.

    Several threads may use it: at worst a request or two more are made.

    :param pause: seconds after which it is asked again
    """

    def __init__(self, pause: float = inf) -> None:
        self._pause = pause
        self._faults = 0
        self._until = -inf
        self.why = ""
        """The kind of the first of the last faults in a row: that was reported, and the others follow."""

    def is_open(self, now: float) -> bool:
        """Return whether it is not asked now."""
        return now < self._until

    def failed(self, why: str, now: float, *, is_late: bool = False) -> None:
        """Note a fault.

        :param why: its kind
        :param now: on the monotonic clock
        """
        if not self._faults and not self.is_open(now):
            self.why = why
        self._faults += 1
        if is_late or self._faults >= MOST_FAULTS:
            self._until, self._faults = now + self._pause, 0

    def worked(self) -> None:
        """Note a reply, be it that something is not there."""
        self._faults = 0


def pays(duration: float, size: int, said: str = "") -> bool:
    """Return whether an action took so long that it is worth storing.

    :param duration: seconds
    :param size: bytes of its outputs
    :param said: what it says of the cache
    """
    return said == ALWAYS or duration >= WORTH * (LATENCY + size / THROUGHPUT)


def is_worth_sharing(duration: float | None, said: str = "") -> bool:
    """Return whether an action lasts so long that asking a server is worth it.

    :param duration: seconds that it took last, None if that is not known
    :param said: what it says of the cache
    """
    return said == ALWAYS or duration is None or duration >= WORTH_SHARING
