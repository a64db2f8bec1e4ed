"""What has asked a run to end, and the walk that is to be told of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from treadle.command.walk import CommandWalk


class StopRequests:
    """Counts what asks a run to end: the first request ends what runs, further ones end it at once."""

    def __init__(self) -> None:
        self.count = 0
        self.code = 0
        """The exit code that the first request stands for, 0 if there was none."""
        self._walk: CommandWalk | None = None
        self._repeated = 0

    def is_set(self) -> bool:
        """Return whether there was a request: what waits asks this, as it would ask a threading.Event."""
        return self.count > 0

    def forget(self) -> None:
        """Drop the requests of before: a run is about to begin, and what they were meant for is over."""
        self.count = self.code = self._repeated = 0
        self._walk = None

    def attach(self, walk: CommandWalk) -> None:
        """From now on requests are for a walk, which may have started actions."""
        self._walk = walk

    def detach(self) -> None:
        """From now on there is no walk."""
        self._walk = None

    def repeat(self) -> None:
        """Tell the walk of each request once more: a walk that is only about to begin does not listen yet."""
        if self._repeated < self.count and self._walk is not None:
            self._repeated = self.count
            self.tell(self._walk)

    def request(self) -> None:
        """Ask the run to end; asked again, it ends at once. Any thread may call this."""
        self.count += 1
        if self._walk is not None:
            self.tell(self._walk)

    def tell(self, walk: CommandWalk) -> None:
        """Tell a walk to end, as often as that was asked for."""
        from treadle.scheduling.scheduler import KILLING, STOPPING

        walk.stop(STOPPING if self.count == 1 else KILLING)
