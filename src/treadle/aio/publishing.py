"""Publishing: a run of a scheduler as the events that each walk publishes."""

from __future__ import annotations

from heapq import heappop, heappush
from time import monotonic

from treadle.core.decision import RUN, Verdict
from treadle.core.outcomes import FAILED, INTERRUPTED, RAN
from treadle.events.bus import Action, Bus, Ended, Started, WalkBegan, WalkEnded

from .graph import levels
from .naming import named
from .run import CANCELLED, CANCELLING, STARTING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from treadle.events.bus import Subscriber

    from .job import AbstractJob
    from .scheduler import PureScheduler

_TO_RUN = Verdict(RUN)


class Publishing:
    """Calls subscribers with what happens to the jobs of a scheduler, and of those in it, while it is open.

    :param scheduler: it is to run once meanwhile
    :param subscribers: called in the thread of its event loop; one that raises is dropped with a note
    """

    def __init__(self, scheduler: PureScheduler, *subscribers: Subscriber) -> None:
        self.scheduler = scheduler
        self.bus = Bus(subscribers)
        self._names: dict[AbstractJob, str] = {}
        self._starts: dict[AbstractJob, tuple[float, int]] = {}
        """Of what runs: when it started, and its slot."""
        self._free: list[int] = []
        self._has_interrupted = False

    @property
    def is_well(self) -> bool:
        """Whether the run has ended well."""
        return self.scheduler.why() == "FINE" and not self._has_interrupted

    def __enter__(self) -> Self:
        """Begin.

        :raises DAGError: no order honours what the jobs require
        """
        jobs = named(self.scheduler)
        self._names = {one.job: one.name for one in jobs}
        self.bus.publish("walk_began", WalkBegan(list(self._names.values()), 0, {}))
        for one in jobs:
            self.bus.publish("action", Action(one.name, help=one.job.details() or "", needs=list(one.needs)))
        for graph in levels(self.scheduler):
            graph._aio_listener = self._take  # type: ignore[attr-defined]
        return self

    def __exit__(self, *_: object) -> None:
        """End: what is still running has been cancelled, what never started is told."""
        for graph in levels(self.scheduler):
            graph._aio_listener = None  # type: ignore[attr-defined]
        is_fine = self.scheduler.why() == "FINE"
        for job in list(self._starts):
            self._ended(job, RAN if job.forever and is_fine else INTERRUPTED)
        left = {self._names[job]: None for job in self._names if not job.is_running()}
        total = len(self._names)
        ended = WalkEnded(left, ok=is_fine, interrupted=is_fine and self._has_interrupted, total=total)
        self.bus.publish("walk_ended", ended)

    def _take(self, what: str, job: AbstractJob) -> None:
        if what == CANCELLING:
            # it has not ended yet
            return
        if what == STARTING:
            slot = heappop(self._free) if self._free else len(self._starts)
            now = monotonic()
            self._starts[job] = (now, slot)
            self.bus.publish("decided", self._names[job], _TO_RUN)
            self.bus.publish("started", Started(self._names[job], 1, slot, now))
        elif job in self._starts:
            is_raised = job._aio_exception is not None
            self._ended(job, INTERRUPTED if what == CANCELLED else FAILED if is_raised else RAN)
        self.bus.publish("round")

    def _ended(self, job: AbstractJob, how: str) -> None:
        start, slot = self._starts.pop(job)
        heappush(self._free, slot)
        self._has_interrupted |= how == INTERRUPTED
        error = job._aio_exception
        failure = "" if error is None else f"{type(error).__name__}: {error}"
        self.bus.publish("ended", Ended(self._names[job], how, monotonic() - start, failure=failure))
