"""Threads that run jobs, reused from job to job. They know nothing of tokens, time limits and what a job does.

They die with the process and hold nobody up.
"""

from __future__ import annotations

from _queue import SimpleQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .job import Job


class Threads:
    """As many threads as there were ever jobs for them at once.

    :param tell_end: called in the thread with a job that has ended, and its attempt
    """

    __slots__ = ("_busy", "_idle", "_tell_end")

    def __init__(self, tell_end: Callable[[Job, int], None]) -> None:
        self._tell_end = tell_end
        self._idle: list[SimpleQueue[Job | None]] = []
        self._busy: dict[Job, SimpleQueue[Job | None]] = {}

    def run(self, job: Job) -> None:
        """Run a job in a thread of its own for so long."""
        box = self._idle.pop() if self._idle else self._new()
        self._busy[job] = box
        box.put(job)

    def runs(self, job: Job) -> bool:
        """Return whether a job has a thread."""
        return job in self._busy

    def run_again(self, job: Job) -> bool:
        """Hand a job over once more where `run` may not have come to it; return whether it has a thread at all."""
        box = self._busy.get(job)
        if box is None:
            return False
        box.put(job)
        return True

    def abandon(self, job: Job) -> bool:
        """Give up the thread that runs `job`; return whether there is one."""
        return self._busy.pop(job, None) is not None

    def close(self) -> None:
        """Let the threads end that have nothing to do."""
        for box in self._idle:
            box.put(None)
        self._idle.clear()

    def _new(self) -> SimpleQueue[Job | None]:
        import threading

        box: SimpleQueue[Job | None] = SimpleQueue()
        threading.Thread(target=self._body, args=(box,), daemon=True, name="treadle-job").start()
        return box

    def _body(self, box: SimpleQueue[Job | None]) -> None:
        while (job := box.get()) is not None:
            if self._busy.get(job) is not box:
                # handed over twice
                continue
            attempt = job.attempt
            job.run_guarded()
            if self._busy.pop(job, None) is None:
                return
            self._idle.append(box)
            self._tell_end(job, attempt)
