"""Publishing: a run of a scheduler as the events that each walk publishes."""

from __future__ import annotations

from heapq import heappop, heappush
from time import monotonic
from typing import TYPE_CHECKING, Self

from treadle.core.decision import RUN, Verdict, blocked, not_needed
from treadle.core.outcomes import INTERRUPTED, NO_OUTCOME, NOT_STARTED, Usage, outcome
from treadle.events.bus import Action, Bus, Ended, Started, Subscriber, WalkBegan, WalkEnded

from .graph import levels
from .job import AbstractJob
from .naming import named
from .run import AGAIN, CANCELLING, LEFT_OUT, STARTING
from .scheduler import PureScheduler

if TYPE_CHECKING:
    from treadle.core.outcomes import Outcome

_TO_RUN = Verdict(RUN)


class Publishing:
    """Calls subscribers with what happens to the jobs of a scheduler, and of those in it, while it is open.

    :param scheduler: it is to run once meanwhile
    :param subscribers: called in the thread of its event loop; one that raises is dropped with a note
    """

    def __init__(self, scheduler: PureScheduler, *subscribers: Subscriber) -> None:
        self.scheduler = scheduler
        self.bus = Bus(subscribers)
        self._run: _PublishedRun | None = None

    @property
    def is_well(self) -> bool:
        """Whether the run has ended well."""
        return self.scheduler.why() == "FINE" and not (self._run is not None and self._run.has_interrupted)

    def __enter__(self) -> Self:
        """Begin.

        :raises DAGError: no order honours what the jobs require
        """
        self._run = _PublishedRun(self.scheduler, self.bus)
        return self

    def __exit__(self, *_: object) -> None:
        """End: jobs that still run have been cancelled, jobs that never started are published as such."""
        if self._run is not None:
            self._run.end()


class _PublishedRun:
    """One run: its begin is published when this is made."""

    def __init__(self, scheduler: PureScheduler, bus: Bus) -> None:
        self.has_interrupted = False
        self._scheduler = scheduler
        self._bus = bus
        self._starts: dict[AbstractJob, tuple[float, int]] = {}
        """Running job -> when it started, and its slot."""
        self._between: dict[AbstractJob, Ended] = {}
        """What is tried again, and has not started again -> the end of its last attempt."""
        self._left_out: set[AbstractJob] = set()
        self._free: list[int] = []
        jobs = named(scheduler)
        self._names = {one.job: one.name for one in jobs}
        bus.publish("walk_began", WalkBegan(list(self._names.values()), 0, {}))
        for one in jobs:
            bus.publish("action", Action(one.name, help=one.job.details() or "", needs=list(one.needs)))
        for graph in levels(scheduler):
            graph._aio_listen(self._take)

    def end(self) -> None:
        """Publish the ends of what was cancelled, and the end of the run."""
        for graph in levels(self._scheduler):
            graph._aio_listen(None)
        is_fine = self._scheduler.why() == "FINE"
        for job in list(self._starts):
            how = "success" if job.forever and is_fine else "interrupted"
            self._publish_end(job, job._aio_outcome() or outcome(how))
        names = self._names.items()
        left = {name: None for job, name in names if not job.is_running() and job not in self._left_out}
        is_interrupted = is_fine and self.has_interrupted
        ended = WalkEnded(left, ok=is_fine, interrupted=is_interrupted, total=len(self._names))
        self._bus.publish("walk_ended", ended)

    def _take(self, what: str, job: AbstractJob) -> None:
        if what == CANCELLING:
            # it has not ended yet
            return
        if what == STARTING:
            slot = heappop(self._free) if self._free else len(self._starts)
            now = monotonic()
            self._starts[job] = (now, slot)
            if self._between.pop(job, None) is None:
                self._bus.publish("decided", self._names[job], _TO_RUN)
            self._bus.publish("started", Started(self._names[job], job._aio_attempt or 1, slot, now))
        elif what == AGAIN:
            self._publish_again(job)
        elif job in self._between:
            end = self._between.pop(job)
            end.delay = None
            self._bus.publish("ended", end)
        elif what == LEFT_OUT:
            self._publish_left_out(job, job._aio_outcome() or NO_OUTCOME)
        elif job in self._starts:
            self._publish_end(job, job._aio_outcome() or NO_OUTCOME)
        self._bus.publish("round")

    def _publish_left_out(self, job: AbstractJob, ended: Outcome) -> None:
        """Publish that a job will not start by its conditions.

        Jobs that the run does not reach are reported at its end.
        """
        if ended.end == NOT_STARTED:
            return
        self._left_out.add(job)
        origins = [self._names[one] for one in job._aio_origins]
        verdict = blocked(origins) if ended.kind == "blocked" else not_needed(())
        self._bus.publish("decided", self._names[job], verdict)
        self._bus.publish("ended", Ended(self._names[job], ended.end, 0.0, verdict.reasons, outcome=ended))

    def _publish_again(self, job: AbstractJob) -> None:
        """Publish the end of an attempt that another one follows."""
        tries = job._aio_tries
        if job not in self._starts or tries is None:
            return
        end = self._between[job] = self._end_of(job, tries.ended)
        end.delay, end.grown = tries.delay, tries.grown
        self._bus.publish("attempt_ended", end)

    def _publish_end(self, job: AbstractJob, ended: Outcome) -> None:
        self.has_interrupted |= ended.end == INTERRUPTED
        self._bus.publish("ended", self._end_of(job, ended))

    def _end_of(self, job: AbstractJob, ended: Outcome) -> Ended:
        start, slot = self._starts.pop(job)
        heappush(self._free, slot)
        failure = "" if ended.is_good else ended.reason
        # a subclass may mean something else by this name
        usage = job.usage if isinstance(job.usage, Usage) else None
        took = monotonic() - start
        end = Ended(self._names[job], ended.end, took, failure=failure, usage=usage, outcome=ended)
        end.values = job._treadle_values
        end.attempts = job._aio_attempt or 1
        if job._aio_retries is not None:
            end.most = job._aio_retries.max + 1
        return end
