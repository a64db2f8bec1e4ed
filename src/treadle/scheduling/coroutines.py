"""Coroutines: runs jobs that are coroutines, thousands at once, in one event loop in one thread.

It knows nothing of tokens and time limits. Nothing here loads asyncio before the first such job comes.

That thread is not the one of the scheduler, which calls hooks and waits for programs: a coroutine that computes
would delay them.
"""

from __future__ import annotations

from _thread import get_ident
from collections import deque
from typing import TYPE_CHECKING

from treadle.thread_owners import work_for, work_is_over

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Event, Task
    from collections.abc import Callable
    from threading import Thread
    from typing import Any

    from .job import Job


class Coroutines:
    """One event loop for all jobs of a run, from the first of them to the end of the run.

    :param report_end: called in the loop's thread with a job that has ended, and its attempt
    """

    __slots__ = ("_end", "_is_called", "_jobs", "_loop", "_new", "_report_end", "_tasks", "_thread")

    def __init__(self, report_end: Callable[[Job, int], None]) -> None:
        self._report_end = report_end
        self._jobs: dict[Job, int] = {}
        """Job -> attempt, for the jobs that the scheduler waits for."""
        self._new: deque[Job] = deque()
        self._is_called = False
        """Whether the loop was woken to look at what is new, and has not looked yet."""
        self._tasks: dict[Job, Task[None] | None] = {}
        """None until the task has had its first turn. Only the loop's thread looks at it."""
        self._loop: AbstractEventLoop | None = None
        self._thread: Thread | None = None

    def run(self, job: Job) -> None:
        """Run a job in the loop."""
        self._jobs[job] = job.attempt
        self.run_again(job)

    def runs(self, job: Job) -> bool:
        """Return whether a job runs here."""
        return job in self._jobs

    def run_again(self, job: Job) -> bool:
        """Hand a job over once more where `run` may not have come to it; return whether it runs here at all."""
        if job not in self._jobs:
            return False
        self._new.append(job)
        if self._loop is None:
            self._open()
        if not self._is_called:
            self._is_called = True
            self._call(self._take)
        return True

    def cancel(self, job: Job) -> None:
        """Cancel a job, which is marked as interrupted, wherever it has come to."""
        self._call(self._cancel, job)

    def abandon(self, job: Job) -> bool:
        """Wait no longer for the end of a job; return whether the scheduler did."""
        return self._jobs.pop(job, None) is not None

    def close(self) -> None:
        """End the loop and its thread; one that does not end dies with the process."""
        if self._loop is None or self._thread is None:
            return
        is_idle = not self._jobs and not self._tasks
        self._call(self._stop)
        self._thread.join(_PATIENCE if is_idle else 0)
        self._loop = self._thread = None
        self._tasks = {}

    def _open(self) -> None:
        import asyncio
        import threading

        loop = asyncio.new_event_loop()
        end = asyncio.Event()
        given = (loop, end, get_ident())
        thread = threading.Thread(target=self._body, args=given, daemon=True, name="treadle-coroutines")
        thread.start()
        self._loop, self._thread, self._end = loop, thread, end

    def _body(self, loop: AbstractEventLoop, end: Event, owner: int) -> None:
        from asyncio import Runner

        work_for(owner)
        try:
            with Runner(loop_factory=lambda: loop) as runner:
                runner.run(_until(end))
        finally:
            work_is_over()

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        """Have the loop's thread call a function."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(function, *arguments)

    def _stop(self) -> None:
        self._end.set()

    def _take(self) -> None:
        self._is_called = False
        create_task, new, tasks = self._loop_now().create_task, self._new, self._tasks
        while new:
            job = new.popleft()
            attempt = self._jobs.get(job)
            # a job may have been handed over twice
            if attempt is not None and job not in tasks:
                tasks[job] = None
                create_task(self._drive(job, attempt))

    async def _drive(self, job: Any, attempt: int) -> None:
        from asyncio import current_task

        # what is cancelled before its first turn would never come here: it is only marked as interrupted
        self._tasks[job] = current_task()
        try:
            await job.co_run_guarded()
        finally:
            self._tasks.pop(job, None)
            if self._jobs.pop(job, None) is not None:
                self._report_end(job, attempt)

    def _cancel(self, job: Job) -> None:
        task = self._tasks.get(job)
        if task is not None:
            task.cancel()

    def _loop_now(self) -> AbstractEventLoop:
        from asyncio import get_running_loop

        return get_running_loop()


async def _until(end: Event) -> None:
    await end.wait()


_PATIENCE = 5.0
"""Seconds that a loop without jobs is given to close: it ends asynchronous generators and its executor."""
