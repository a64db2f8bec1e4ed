"""Recording: a run of a scheduler as events like those of `treadle run`, for all that is made of them."""

from __future__ import annotations

from datetime import UTC, datetime
from heapq import heappop, heappush
from time import monotonic

from treadle._version import VERSION
from treadle.core.outcomes import FAILED, INTERRUPTED, NOT_STARTED, RAN
from treadle.events.files import Lines
from treadle.events.schema import SCHEMA, encoded

from .graph import levels
from .job import ask
from .naming import named
from .run import CANCELLED, CANCELLING, STARTING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from .job import AbstractJob
    from .scheduler import PureScheduler


class Recording:
    """Writes what happens to the jobs of a scheduler, and of those in it, while it is open (`with`).

    :param scheduler: it is to run once meanwhile
    :param path: the file; it is emptied first
    """

    def __init__(self, scheduler: PureScheduler, path: str) -> None:
        self.scheduler = scheduler
        self._lines = Lines(path)

    def __enter__(self) -> Self:
        """Begin.

        :raises UsageError: the file cannot be written
        :raises DAGError: no order honours what the jobs require
        """
        jobs = named(self.scheduler)
        self._lines.open()
        self._began = monotonic()
        self._names = {one.job: one.name for one in jobs}
        self._starts: dict[AbstractJob, tuple[float, int]] = {}
        """Of what runs: when it started, and its slot."""
        self._free: list[int] = []
        self._counts: dict[str, int] = {}
        began = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._tell("run", schema=SCHEMA, treadle=VERSION, began=began, names=[])
        for one in jobs:
            self._tell("action", name=one.name, help=ask(one.job, "details") or "", needs=one.needs)
        for graph in levels(self.scheduler):
            graph._aio_listener = self._hear  # type: ignore[attr-defined]
        return self

    def __exit__(self, *_: object) -> None:
        """End: what is still running has been cancelled, what never started is told."""
        for graph in levels(self.scheduler):
            graph._aio_listener = None  # type: ignore[attr-defined]
        is_fine = self.scheduler.why() == "FINE"
        for job in list(self._starts):
            self._ended(job, RAN if job.forever and is_fine else INTERRUPTED)
        for job in self._names:
            if not job.is_running():
                self._tell_end(job, NOT_STARTED)
        is_interrupted = is_fine and INTERRUPTED in self._counts
        self._tell(
            "summary",
            total=len(self._names),
            counts=self._counts,
            duration=self._now(),
            interrupted=is_interrupted,
            exit_code=0 if is_fine and not is_interrupted else 1,
        )
        self._lines.flush()
        self._lines.close()

    def _hear(self, what: str, job: AbstractJob) -> None:
        if what == CANCELLING:
            # it has not ended yet
            return
        if what == STARTING:
            slot = heappop(self._free) if self._free else len(self._starts)
            now = self._now()
            self._starts[job] = (now, slot)
            self._tell("verdict", name=self._names[job], verdict="run", reasons=[])
            self._tell("started", name=self._names[job], attempt=1, slot=slot, start=now)
        elif job in self._starts:
            is_raised = job._aio_exception is not None
            self._ended(job, INTERRUPTED if what == CANCELLED else FAILED if is_raised else RAN)
        self._lines.flush()

    def _ended(self, job: AbstractJob, status: str) -> None:
        start, slot = self._starts.pop(job)
        heappush(self._free, slot)
        error = job._aio_exception
        about = {} if error is None else {"failure": f"{type(error).__name__}: {error}"}
        self._tell_end(job, status, attempts=1, start=start, duration=self._now() - start, **about)

    def _tell_end(self, job: AbstractJob, status: str, **fields: Any) -> None:
        self._counts[status] = self._counts.get(status, 0) + 1
        self._tell("ended", name=self._names[job], status=status, **{"attempts": 0, "duration": 0.0, **fields})

    def _tell(self, event: str, **fields: Any) -> None:
        self._lines.add(encoded({"event": event, "t": self._now(), **fields}))

    def _now(self) -> float:
        return round(monotonic() - self._began, 6)
