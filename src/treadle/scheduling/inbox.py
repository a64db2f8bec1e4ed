"""Inbox: where the ends of jobs arrive, those of threads and those of programs. It does nothing about them.

An exception, KeyboardInterrupt among them, may come between any two lines: an end stays in one place until it
stands in the next.

No wake-up is lost, and few are needless: a sender puts the end down first and looks then whether the scheduler
sleeps; the scheduler says first that it goes to sleep and looks then whether an end was put down.
"""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from time import monotonic

from treadle.core.containers import deque
from treadle.engines.local import LONGEST_NAP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

    from treadle.engines.base import AttemptEnd, Runner

    from .job import Job, ProcessJob


class Inbox:
    """Takes in what ended.

    :param active: the jobs that run
    """

    __slots__ = ("_active", "_bell", "_told", "ended", "is_with_runner")

    def __init__(self, active: dict[Hashable, Job]) -> None:
        self._active = active
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._told: deque[tuple[Job, int]] = deque()
        self.ended: deque[Job] = deque()
        """What has ended and has not been seen to. A job may stand here twice."""
        self.is_with_runner = False
        """Whether `receive` may be waiting for the runner, so that no bell wakes it."""

    def tell(self, job: Job, attempt: int) -> None:
        """Put in that an attempt of a job has ended; any thread may call this."""
        self._told.append((job, attempt))
        if self._bell.empty():
            self._bell.put(None)

    def ring(self) -> None:
        """Make a `receive` that is under way return, unless it waits for the runner."""
        self._bell.put(None)

    def receive(self, runner: Runner, timeout: float | None) -> None:
        """Wait until something ends, the bell rings or `timeout` seconds are over; add to `ended` what ended."""
        if runner.active:
            self.is_with_runner = True
            is_due = self.ended or self._told or not self._bell.empty()
            self._take(runner.poll(0 if is_due else timeout))
            self.is_with_runner = False
            timeout = 0
        elif self.ended or self._told:
            timeout = 0
        self._wait(timeout)
        self._hear()

    def recover(self, runner: Runner) -> None:
        """Take in, without a look at what runs, all that has ended before an exception came."""
        self._take(runner.recover())
        self._hear()

    def _take(self, ends: list[AttemptEnd]) -> None:
        for how in ends:
            job: ProcessJob = how.key  # type: ignore[assignment]
            self.ended.append(job)
            job.ended(how)

    def _hear(self) -> None:
        while self._told:
            ended, attempt = self._told[0]
            if attempt == ended.attempt and self._active.get(ended.uid) is ended:
                self.ended.append(ended)
            self._told.popleft()

    def _wait(self, timeout: float | None) -> None:
        bell = self._bell
        end = None if timeout is None else monotonic() + timeout
        while bell.empty():
            left = LONGEST_NAP if end is None else min(LONGEST_NAP, end - monotonic())
            if left <= 0:
                return
            try:
                bell.get(True, left)
                break
            except Empty:
                continue
        while not bell.empty():
            bell.get(False)
