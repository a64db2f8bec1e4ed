"""How an action ends, in words for people and programs, and how many of a run have ended so. It knows no clock."""

from __future__ import annotations

RAN = "ran"
SKIPPED = "skipped"
FAILED = "failed"
INTERRUPTED = "interrupted"
BLOCKED = "blocked"
NOT_STARTED = "not started"
"""The run ended before its turn."""

ENDS = (RAN, SKIPPED, FAILED, INTERRUPTED, BLOCKED)
"""How an action that had its turn may end."""
STATUSES = (*ENDS, NOT_STARTED)
UP_TO_DATE = "up to date"


def label(how: str) -> str:
    """Return what people read of an end; programs read the end itself."""
    return UP_TO_DATE if how == SKIPPED else how


class RunCounts:
    """The progress of a run, as counts and names.

    :param total: how many actions it has
    :param began: when it began, in seconds of any clock that `now` is also taken from
    """

    __slots__ = ("began", "counts", "running", "total")

    def __init__(self, total: int, began: float) -> None:
        self.total = total
        self.began = began
        self.counts = dict.fromkeys(ENDS, 0)
        self.running: dict[str, float] = {}
        """uid -> when it started; in the order of the starts."""

    @property
    def done(self) -> int:
        """How many actions have ended."""
        return sum(self.counts.values())

    @property
    def left(self) -> int:
        """How many actions have neither ended nor started."""
        return self.total - self.done - len(self.running)

    def expect(self, number: int, how: str = "") -> None:
        """Add actions to the total.

        :param how: their end, if they have ended already
        """
        self.total += number
        if how:
            self.counts[how] += number

    def start(self, uid: str, now: float) -> None:
        """Note the start of an attempt."""
        self.running[uid] = now

    def end(self, uid: str, how: str) -> None:
        """Note the end of an action."""
        self.running.pop(uid, None)
        self.counts[how] += 1

    def pause(self, uid: str) -> None:
        """Note the end of an attempt that another one follows."""
        self.running.pop(uid, None)
