"""INT, TERM and HUP: a run ends what it has started, all else ends at once."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType

    from treadle.command.walk import CommandWalk
else:
    # the same without its enums, which take as long as all that a short run does
    import _signal as signal

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE = 1.0
"""Seconds that the last kill may take."""


class Interrupts:
    """What signals have come, and the walk that has to hear of them.

    The first one asks what runs to end, the second ends it at once, the third kills it from here and ends us as
    we stand: the loop, which should have done so, may hang or may not have come to it. Where there is no walk
    the first one ends us: nothing has been started and nothing is half-written then, and an exception out of a
    signal handler may surface anywhere.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first = 0
        self._walk: CommandWalk | None = None
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

    def attach(self, walk: CommandWalk) -> None:
        """From now on signals are for a walk, which may have started actions."""
        self._walk = walk

    def detach(self) -> None:
        """From now on there is no walk: the next signal ends us."""
        self._walk = None

    def repeat(self) -> None:
        """Tell the walk of each signal once more: a walk that is only about to begin does not listen yet."""
        if self._repeated < self.count and self._walk is not None:
            self._repeated = self.count
            self._stop(self._walk)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.first = self.first or number
        if self._walk is None:
            os._exit(self.code)
        if self.count > 2:
            _end_all(self._walk.run_id, self.code)
        self._stop(self._walk)

    def _stop(self, walk: CommandWalk) -> None:
        from treadle.scheduling.scheduler import KILLING, STOPPING

        walk.stop(STOPPING if self.count == 1 else KILLING)


def _end_all(run: str, code: int) -> None:
    """Kill all that a run has started, and end."""
    from treadle.engines.process_marks import end_marked

    left = end_marked(f"{run}/", _PATIENCE)
    how = f"processes {left} do not end" if left else "what was still running was killed"
    # on a terminal the status line may stand there
    start = "\n" if os.isatty(2) else ""
    try:
        os.write(2, f"{start}treadle: ended by the third signal, {how}\n".encode())
    finally:
        os._exit(code)
