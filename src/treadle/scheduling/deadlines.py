"""Deadlines: when which attempt of which job has had its time. They do nothing about it."""

from __future__ import annotations

from treadle.core.containers import heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

    from .job import Job


class Deadlines:
    """A heap of times; those of attempts that are over do not count.

    :param active: the jobs that run
    """

    __slots__ = ("_active", "_added", "_heap")

    def __init__(self, active: dict[Hashable, Job]) -> None:
        self._active = active
        self._added = 0
        self._heap: list[tuple[float, int, int, Job]] = []

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, when: float, job: Job) -> None:
        """Note that the attempt of a job that runs now has time until `when`."""
        self._added += 1
        heappush(self._heap, (when, self._added, job.attempt, job))

    def first(self) -> float | None:
        """Return when the next is due, None if there is none."""
        while self._heap and not self._counts(self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> Job | None:
        """Take out the next one if it is due, and return its job."""
        due = self.first()
        return heappop(self._heap)[3] if due is not None and due <= now else None

    def _counts(self, entry: tuple[float, int, int, Job]) -> bool:
        _, _, attempt, job = entry
        return job.attempt == attempt and self._active.get(job.uid) is job
