"""Watch: says how much time has passed. It knows nothing of jobs."""

from __future__ import annotations

from datetime import datetime
from time import monotonic


class Watch:
    """Counts from the moment it is made, and says so on stdout.

    :param message: printed after the time
    :param show_elapsed: print the seconds, that is zero
    :param show_wall_clock: print the time of day
    """

    def __init__(
        self, message: str | None = None, *, show_elapsed: bool = True, show_wall_clock: bool = False
    ) -> None:
        self.reset()
        if show_elapsed:
            self.print_elapsed()
            print(message or "")
        if show_wall_clock:
            self.print_wall_clock()
            print(message or "")

    def reset(self) -> None:
        """Count from now on."""
        self._start = monotonic()

    def seconds(self) -> float:
        """Return how many seconds have passed."""
        return monotonic() - self._start

    def elapsed(self) -> str:
        """Return how many seconds have passed, in seven columns."""
        return f"{self.seconds():07.3f}"

    def print_elapsed(self, suffix: str = " ") -> None:
        """Print how many seconds have passed, and `suffix`, without an end of line."""
        print(self.elapsed(), end=suffix)

    @staticmethod
    def print_wall_clock(suffix: str = " ") -> None:
        """Print the time of day, and `suffix`, without an end of line."""
        print(wall_clock(), end=suffix)


def wall_clock() -> str:
    """Return the time of day, with milliseconds."""
    return datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
