"""Threads that run jobs, reused from job to job. They know nothing of tokens, time limits and what a job does.

All take from one queue, so that a thread which finds the next job waiting goes on without a change of threads. The
rule that makes none wait for another: there are never fewer threads than jobs that were handed over and have
neither ended nor been given up. There may be more.

They are daemon threads: they never keep the process from ending.
"""

from __future__ import annotations

from _queue import SimpleQueue
from _thread import get_ident
from errno import EAGAIN
from typing import TYPE_CHECKING

from treadle.thread_owners import work_for, work_is_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from .job import Job


class Threads:
    """As many threads as there were ever jobs for them at once.

    :param report_end: called in the thread with a job that has ended, and its attempt
    """

    __slots__ = ("_busy", "_count", "_queue", "_report_end", "_untaken")

    def __init__(self, report_end: Callable[[Job, int], None]) -> None:
        self._report_end = report_end
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._count = 0
        """Threads that take from the queue or will do so again; too low a number only makes one too many."""
        self._busy: dict[Job, bool] = {}
        """What was handed over and has neither ended nor been given up."""
        self._untaken: dict[Job, bool] = {}
        """What of it no thread has come to; the thread that takes it out runs it, be it in the queue twice."""

    def run(self, job: Job) -> None:
        """Run a job in a thread of its own for so long."""
        self._untaken[job] = True
        self._busy[job] = True
        self._hand_over(job)

    def runs(self, job: Job) -> bool:
        """Return whether a job has a thread."""
        return job in self._busy

    def run_again(self, job: Job) -> bool:
        """Hand a job over once more where `run` may not have come to it; return whether it has a thread at all."""
        if job not in self._busy:
            return False
        self._hand_over(job)
        return True

    def abandon(self, job: Job) -> bool:
        """Give up the thread that runs `job`; return whether there is one."""
        self._untaken.pop(job, False)
        self._count -= 1
        return self._busy.pop(job, False)

    def close(self) -> None:
        """Let the threads end that have nothing to do."""
        queue, self._queue, self._count = self._queue, SimpleQueue(), 0
        queue.put(None)

    def _hand_over(self, job: Job) -> None:
        if len(self._busy) > self._count:
            import threading

            try:
                given = (self._queue, get_ident())
                threading.Thread(target=self._body, args=given, daemon=True, name="treadle-job").start()
                self._count += 1
            except RuntimeError as error:
                if self._count <= 0:
                    self._untaken.pop(job, None)
                    self._busy.pop(job, None)
                    raise OSError(EAGAIN, "no thread can be started") from error
                # one of the others takes it when it has ended its own
        self._queue.put(job)

    def _body(self, queue: SimpleQueue[Job | None], owner: int) -> None:
        work_for(owner)
        try:
            self._work(queue)
        finally:
            work_is_over()

    def _work(self, queue: SimpleQueue[Job | None]) -> None:
        while (job := queue.get()) is not None:
            if not self._untaken.pop(job, False):
                # handed over twice, or given up in the meantime
                continue
            attempt = job.attempt
            job.run_guarded()
            if not self._busy.pop(job, False):
                return
            self._report_end(job, attempt)
        # for the next one: all are to end
        queue.put(None)
