"""INT, TERM and HUP: a run ends what it has started, all else ends at once."""

from __future__ import annotations

import os

from treadle.session.call import StopRequests

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


class Interrupts(StopRequests):
    """Takes signals for requests to end.

    The first one asks what runs to end, the second ends it at once, the third kills it from here and ends us as
    we are: the loop, which should have done so, may hang or may not have come to it. Where there is no walk
    the first one ends us: nothing has been started and nothing is half-written then, and an exception out of a
    signal handler may surface anywhere.
    """

    def install(self) -> None:
        """Take the signals over; one that is ignored, as under nohup, stays ignored."""
        for number in _NUMBERS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._hear)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self.code = self.code or 128 + number
        if self._walk is None:
            os._exit(self.code)
        if number == signal.SIGHUP and not self.count:
            # the terminal is gone, and not the wish for what runs
            self.is_leaving = self.leaves
        if self.count >= 2:
            _end_all(self._walk, self.code)
        self.request()


def _end_all(walk: CommandWalk, code: int) -> None:
    """Kill all that a walk has started, and end."""
    from treadle.engines.process_marks import end_marked

    left = end_marked(f"{walk.run_id}/", _PATIENCE)
    how = f"processes {left} do not end" if left else "all running programs were killed"
    # the cursor may be after the status line
    start = "\n" if os.isatty(2) else ""
    try:
        os.write(2, f"{start}treadle: ended by the third signal, {how}\n".encode())
    finally:
        os._exit(code)
