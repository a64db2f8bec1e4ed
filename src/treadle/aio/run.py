"""Run: one run of one scheduler: the asyncio shell around `core`. It knows no nesting, no lists and no shutdown.

The core says which jobs wait for nothing more (Countdown) and who may start now (Admission); here each of those
becomes a task of asyncio's, which tells its end at the end of its own last turn.
"""

from __future__ import annotations

import asyncio
from functools import partial

from treadle.core.admission import Admission
from treadle.core.dag_iterator import Countdown
from treadle.errors import InternalError, RunError, TreadleError

from .badges import DONE, RUNNING, SCHEDULED
from .job import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from treadle.core.dag_order import Wiring

    from .job import AbstractJob

WINDOW = "window"
"""The one queue of a scheduler; each job takes a token of it."""


_REUSED = ("cannot reuse already awaited coroutine", "coroutine is being awaited already")
"""What Python says of a coroutine that somebody else awaits, or has awaited."""


class Run:
    """Runs jobs until the last finite one has ended, a critical one has failed, or the time is up.

    :param wiring: the jobs and the edges between them
    :param window: how many may run at once, 0 for no limit
    :param tell: called with what happens, and to which job; None: nobody listens
    """

    def __init__(self, wiring: Wiring, window: int, tell: Callable[[str, AbstractJob], None] | None = None) -> None:
        self.failure: BaseException | None = None
        """The exception of the first critical job that failed."""
        self.timed_out = False
        self.started = 0
        jobs: Any = wiring.ids
        self._jobs: list[Any] = jobs
        self._countdown = Countdown(wiring)
        self._tell = tell
        self._admission = Admission({WINDOW: window})
        self._tokens = 1 if window else 0
        self._tasks: dict[int, asyncio.Task[None]] = {}
        finite = sum(1 for job in jobs if not job.forever)
        self._ends_at_first = not finite
        self._left = finite or 1
        self._is_over = False
        self._is_admitting = False
        self._alive = 0

    async def run(self, timeout: float | None) -> None:
        """Run; return when nothing runs any more.

        :param timeout: seconds, None for no limit
        :raises CancelledError: if somebody has cancelled it; nothing runs any more then
        """
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        # a factory may make tasks of its own kind; without one there is no need to ask the loop
        self._task = loop.create_task if loop.get_task_factory() else partial(asyncio.Task, loop=loop)
        timer = None if timeout is None else loop.call_later(max(0.0, timeout), self._time_is_up)
        try:
            self._start(self._countdown.first())
            await self._over
        finally:
            self._is_over = True
            if timer is not None:
                timer.cancel()
            if self._tasks:
                await self._cancel()

    def _start(self, numbers: Iterable[int]) -> None:
        """Let jobs wait for their turn that require nothing more, and start those that it has come for."""
        push, jobs, tokens = self._admission.push, self._jobs, self._tokens
        for number in numbers:
            jobs[number]._aio_phase = SCHEDULED
            push(number, WINDOW, tokens, 0)
        self._admit()

    def _admit(self) -> None:
        if self._is_admitting:
            # an eager task has ended while it was made: the loop below goes on with what that has let in
            return
        self._is_admitting = True
        jobs, tasks, make_task = self._jobs, self._tasks, self._task
        number: Any
        for number, slot in self._admission.admit():
            job = jobs[number]
            if self._tell is not None:
                self._tell("STARTING", job)
            job._aio_phase = RUNNING
            self.started += 1
            self._alive += 1
            task = make_task(self._drive(number, job, slot))
            if not task.done():
                tasks[number] = task
        self._is_admitting = False
        if not self._alive and not self._is_over:
            self._is_over = True
            self._over.set_exception(InternalError("nothing runs and nothing can start, but work remains"))

    async def _drive(self, number: int, job: AbstractJob, slot: int) -> None:
        """Run a job in a task of its own."""
        try:
            job._aio_value = await job._aio_awaited()
        except BaseException as error:
            self._raised(job, error)
            self._ended(number, job, slot)
            if not isinstance(error, Exception | asyncio.CancelledError):
                # asyncio passes it on to whoever runs the loop, and yet wants to be asked for it
                if (task := asyncio.current_task()) is not None:
                    task.add_done_callback(asyncio.Task.exception)
                raise
            return
        job._aio_phase = DONE
        if self._tell is not None:
            self._tell("DONE", job)
        self._ended(number, job, slot)

    def _raised(self, job: AbstractJob, error: BaseException) -> None:
        """Note how a job has failed, and end the run if it is critical."""
        failure = error
        if isinstance(error, asyncio.CancelledError):
            if self._is_over:
                return
            failure = TreadleError(f"the job {name_of(job)!r} was cancelled, and not by its scheduler")
        else:
            if isinstance(error, RuntimeError) and str(error) in _REUSED:
                failure = RunError(f"the job {name_of(job)!r} cannot run: its coroutine is used elsewhere")
                failure.__cause__ = error
            elif error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                # without our own frame, which would hold on to all jobs
                error.__traceback__ = error.__traceback__.tb_next
            job._aio_exception = failure
            job._aio_stack = failure.__traceback__
            job._aio_phase = DONE
        if self._tell is not None:
            self._tell("RAISED" if job._aio_exception is not None else "CANCELLED", job)
        if job.is_critical() and not self._is_over:
            self.failure = failure
            self._end()

    def _ended(self, number: int, job: AbstractJob, slot: int) -> None:
        """Give back what a job held that has ended, and let others start."""
        self._tasks.pop(number, None)
        self._alive -= 1
        self._admission.release(slot)
        if self._is_over:
            return
        if self._ends_at_first or not job.forever:
            self._left -= 1
            if not self._left:
                self._end()
                return
        ready = self._countdown.leave(number)
        if ready:
            self._start(ready)
        elif self._admission.waiting or not self._alive:
            self._admit()

    def _end(self) -> None:
        self._is_over = True
        if not self._over.done():
            self._over.set_result(None)

    def _time_is_up(self) -> None:
        if not self._is_over:
            self.timed_out = True
            self._end()

    async def _cancel(self) -> None:
        """Cancel what runs, and wait for its end however long that takes."""
        if self._tell is not None:
            for number in self._tasks:
                self._tell("CANCELLING", self._jobs[number])
        await end_all(list(self._tasks.values()))


async def end_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their ends, also if we are cancelled meanwhile: that is passed on at the end."""
    pending = set(tasks)
    interrupted: asyncio.CancelledError | None = None
    while pending:
        for task in pending:
            task.cancel()
        try:
            _, pending = await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            interrupted = error
            pending = {task for task in pending if not task.done()}
    if interrupted is not None:
        raise interrupted
