"""What a run has done and is doing, as counts and names. It knows no clock: `now` is an argument."""

from __future__ import annotations

from treadle.core.outcomes import ENDS


class State:
    """Where a run stands.

    :param total: how many actions it has
    :param began: when it began, in seconds of any clock that `now` is also taken from
    """

    __slots__ = ("began", "counts", "running", "saved", "total")

    def __init__(self, total: int, began: float) -> None:
        self.total = total
        self.began = began
        self.counts = dict.fromkeys(ENDS, 0)
        self.running: dict[str, float] = {}
        """uid -> when it started; in the order of the starts."""
        self.saved = 0.0
        """Seconds that skipping has saved."""

    @property
    def done(self) -> int:
        """How many actions have ended, one way or the other."""
        return sum(self.counts.values())

    @property
    def left(self) -> int:
        """How many actions have neither ended nor started."""
        return self.total - self.done - len(self.running)

    def start(self, uid: str, now: float) -> None:
        """Take in that an attempt of an action starts."""
        self.running[uid] = now

    def end(self, uid: str, how: str) -> None:
        """Take in that an action ended."""
        self.running.pop(uid, None)
        self.counts[how] += 1

    def pause(self, uid: str) -> None:
        """Take in that an attempt of an action ended, and that another one follows."""
        self.running.pop(uid, None)
