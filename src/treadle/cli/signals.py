"""INT, TERM and HUP: a run ends what it has started, all else ends at once."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from treadle.walk import Walk

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """What signals have come, and the walk that has to hear of them.

    The first one asks what runs to end, the second ends it at once, the third ends us as we stand. So does the
    first one where there is no walk: nothing has been started and nothing is half-written then, and an exception
    out of a signal handler may surface anywhere.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first = 0
        self._walk: Walk | None = None
        self._repeated = 0

    @property
    def code(self) -> int:
        """The exit code that the first signal stands for, 0 if there was none."""
        return 128 + self.first if self.first else 0

    def install(self) -> None:
        """Take the signals over; one that is ignored, as under nohup, stays ignored."""
        for number in _NUMBERS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._hear)

    def attach(self, walk: Walk) -> None:
        """From now on signals are for a walk, which may have started actions."""
        self._walk = walk

    def repeat(self) -> None:
        """Tell the walk of each signal once more: a walk that is only about to begin does not listen yet."""
        if self._repeated < self.count and self._walk is not None:
            self._repeated = self.count
            self._stop(self._walk)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.first = self.first or number
        if self._walk is None or self.count > 2:
            os._exit(self.code)
        self._stop(self._walk)

    def _stop(self, walk: Walk) -> None:
        from treadle.scheduler import KILLING, STOPPING

        walk.stop(STOPPING if self.count == 1 else KILLING)
