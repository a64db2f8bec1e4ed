"""Run: one run of one scheduler: the asyncio shell around `core`. It knows no nesting, no lists and no shutdown.

The core says which jobs wait for nothing more (Countdown) and, if there is a window, which may start
(Admission). Here each of those becomes a task of asyncio, which reports its end at the end of its own last turn.
Where a job asks for resources, all runs around and within share one admission (`sharing`).

A run waits for everything that it has started, however long a job takes over its cancellation, so nothing
outlives it. In a walk a coroutine has a grace period instead, as a walk must end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from treadle.core.admission import Admission
from treadle.core.graph.countdown import Countdown
from treadle.core.ranked_admission import ranked
from treadle.errors import InternalError, RunError, Skipped, TreadleError, listed
from treadle.scheduling.hooks import add_note_of_job

from .badges import FAILED_BEFORE, RUNNING, SCHEDULED
from .job import AbstractJob, Job, call_hook, known_as, name_of
from .ranks import ranks_of

if TYPE_CHECKING:
    from .conditions import Conditions
    from .sharing import Share

STARTING, DONE_WELL, RAISED, CANCELLED, CANCELLING = "STARTING", "DONE", "RAISED", "CANCELLED", "CANCELLING"
LEFT_OUT = "LEFT OUT"
AGAIN = "TRYING AGAIN"
"""What happens to a job, for listeners: CANCELLED from outside, or the run is about to cancel it (CANCELLING); it
will not start by its conditions (LEFT_OUT); an attempt has failed, and another one follows (AGAIN)."""
WINDOW = "window"
"""The one queue of a scheduler with a window; each job takes a token of it."""
_REUSED = ("cannot reuse already awaited coroutine", "coroutine is being awaited already")
"""Messages of Python for a coroutine that is awaited elsewhere, or was."""


class Run:
    """Runs jobs until the last finite one has ended, a critical one has failed, or the time is up.

    :param jobs: all of them
    :param countdown: what each of them waits for
    :param window: how many may run at once, 0 for no limit
    :param inner: the schedulers within that have been checked
    :param listener: called with what happens, and to which job
    :param share: its part of the pool; None where no job asks for resources
    :param conditions: the conditions of its jobs; None where none has one
    :param fail_fast: whether any failure lets nothing new start, and what runs come to its end; `conditions` are
        needed for that
    """

    def __init__(
        self,
        jobs: Iterable[AbstractJob],
        countdown: Countdown,
        window: int,
        inner: list[Any],
        listener: Callable[[str, AbstractJob], None] | None = None,
        share: Share | None = None,
        conditions: Conditions | None = None,
        *,
        fail_fast: bool = False,
    ) -> None:
        self._fail_fast = fail_fast
        self._between: dict[AbstractJob, Exception] = {}
        """What has failed and is tried again, but has not started again -> how it has failed."""
        self._pauses: dict[AbstractJob, asyncio.TimerHandle] = {}
        """What of that pauses before."""
        self.failure: BaseException | None = None
        """The exception of the first critical job that failed, or of any with `fail_fast`."""
        self.failed: AbstractJob | None = None
        """That job."""
        self.timed_out = False
        self.inner = inner
        self._countdown = countdown
        self._listener = listener
        self._share = share
        self._conditions = conditions
        self._is_draining = False
        """Whether a critical job has failed, and only what its conditions let in goes on."""
        self._given_up: set[AbstractJob] = set()
        """What was cancelled since the run drains."""
        self._admission = Admission({WINDOW: window}) if window and share is None else None
        self._tasks: dict[AbstractJob, asyncio.Task[None]] = {}
        self._jobs = jobs
        self._finite = len([1 for job in jobs if not job.forever])
        self._left = self._finite or 1
        self._is_over = False
        self._is_starting = False
        self._has_lost = False
        """Whether a job had no turn."""
        self._window = window
        self.has_limit = False
        """Whether it has a time limit."""
        self._endless: set[AbstractJob] = set()
        """The running jobs that run for ever; only if there is a window."""
        self._has_warned = False
        self._ready: list[AbstractJob] = []
        """Jobs that have become ready while others were being started."""

    def is_whole(self, count: int) -> bool:
        """Return whether so many jobs have come to their end."""
        is_through = not self._left and self._finite == count and not self._has_lost
        return is_through and self.failure is None and not self.timed_out

    @property
    def is_over(self) -> bool:
        """Whether it will go on by itself, to its end."""
        return self._over.done()

    @property
    def has_end(self) -> bool:
        """Whether it has jobs that it waits for."""
        return self._finite > 0

    async def run(self, timeout: float | None) -> None:
        """Run; return when nothing runs any more.

        :param timeout: seconds, None for no limit
        :raises CancelledError: if it was cancelled; nothing runs any more then
        :raises RunError: if jobs that run for ever fill the window and others wait, and there is no time limit
        """
        self.has_limit = timeout is not None
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        self._loop = loop
        # it may make tasks of its own kind, which may have ended when they are made
        self._has_factory = loop.get_task_factory() is not None
        timer = None if timeout is None else loop.call_later(max(0.0, timeout), self._time_is_up)
        share = self._share
        if share is not None:
            share.begin_run(self)
        try:
            self._start_ready(self._countdown.first)
            if share is not None:
                share.rest()
            await self._over
        finally:
            self._close()
            if timer is not None:
                timer.cancel()
            try:
                if self._tasks:
                    await self._cancel()
            finally:
                if share is not None:
                    share.end_run()

    def _start_ready(self, jobs: Collection[AbstractJob]) -> None:
        """Start jobs that require nothing more; if there is a window, those whose turn has come."""
        if self._conditions is not None:
            jobs = self._let_through(self._conditions, jobs)
            if self._is_over:
                jobs = ()
                if self._share is None:
                    return
        if self._share is not None:
            self._ask(self._share, jobs)
            return
        admission = self._admission
        if admission is None:
            self._ready += jobs
        else:
            for job in jobs:
                job._aio_enter(SCHEDULED)
                admission.push(job, WINDOW, 1, 0)
        if self._is_starting:
            # an eager task has ended while it was made: the loop below goes on with what that has made ready
            return
        self._is_starting = True
        if admission is not None and admission.is_short:
            admission = self._admission = ranked(admission, ranks_of([self._jobs]).__getitem__)
        if admission is None:
            # the list may grow meanwhile
            for job in self._ready:
                if not (self._is_draining and self._is_held_back(job)):
                    self._start(job)
            self._ready = []
        else:
            for job, slot in admission.admit():
                if self._is_draining and self._is_held_back(job):
                    admission.release(slot)
                    continue
                if job.forever:
                    self._endless.add(job)
                self._start(job, slot)
            if len(self._endless) >= self._window and admission.waiting and self._finite:
                self._window_is_lost(admission.waiting)
        self._is_starting = False
        if not (self._tasks or self._pauses or self._is_over):
            self.refuse(InternalError("nothing runs and nothing can start, but work remains"))

    def _ask(self, share: Share, jobs: Collection[AbstractJob]) -> None:
        """Have jobs that require nothing more started, each when it can have all that it asks for."""
        for job in jobs:
            job._aio_enter(SCHEDULED)
        share.ask(jobs)
        if self._window and len(self._endless) >= self._window and share.waiting and self._finite:
            self._window_is_lost(len(share.waiting))
        if not (self._tasks or self._pauses or share.waiting or self._is_over):
            self.refuse(InternalError("nothing runs and nothing can start, but work remains"))

    def _let_through(self, conditions: Conditions, jobs: Iterable[AbstractJob]) -> list[AbstractJob]:
        """Return which jobs may start of those that require nothing more; leave out the others."""
        todo, through = list(jobs), []
        # the list may grow meanwhile
        for job in todo:
            if self._is_over:
                return []
            left_out = conditions.left_out(job)
            if left_out is None:
                through.append(job)
            else:
                todo += self._leave_out(conditions, job, *left_out)
        return through

    def _leave_out(
        self, conditions: Conditions, job: AbstractJob, kind: str, reason: str
    ) -> Collection[AbstractJob]:
        """Note that a job will not start; return what requires nothing more then."""
        if job in self._between:
            self._give_up(job)
        else:
            job._aio_end = (kind, reason)
        self._has_lost = True
        conditions.note(job, self._tasks)
        if self._listener is not None and job._aio_end is not None:
            self._listener(LEFT_OUT, job)
        return self._left_by(job) or ()

    def _is_held_back(self, job: AbstractJob) -> bool:
        """Return whether a job that waited for its turn will not start, as the run drains; it is left out then."""
        conditions = self._conditions
        if conditions is None or conditions.is_let_in(job):
            return False
        self._start_ready(self._leave_out(conditions, job, "not_started", FAILED_BEFORE))
        return True

    def start_one(self, job: AbstractJob, slot: int) -> None:
        """Start a job whose turn has come (for `sharing`)."""
        if job.forever:
            self._endless.add(job)
        try:
            self._start(job, slot)
        except Exception as raised:
            # the end of another run may have brought its turn; the slot comes back when this one has ended
            self._hook_raised(raised)

    def _start(self, job: AbstractJob, slot: int = -1) -> None:
        if job._aio_retries is not None:
            job._aio_attempt += 1
            self._between.pop(job, None)
        if self._listener is not None:
            self._listener(STARTING, job)
        job._aio_enter(RUNNING)
        work, name = self._drive(job, slot), job.label or "treadle.aio"
        if not self._has_factory:
            # not by a constructor of its own: one in Python would be a tenth of the work of an empty job
            task = self._tasks[job] = _JobTask(work, loop=self._loop, name=name)
            task.about = (self, job, slot)
        elif not (made := self._loop.create_task(work, name=name)).done():
            self._tasks[job] = made

    async def _drive(self, job: AbstractJob, slot: int) -> None:
        """Run a job in a task of its own, and start others that have waited for it."""
        try:
            # most are plain, and most runs are of many: no detour
            value = await (job.corun if type(job) is Job else job._aio_awaited())
        except BaseException as error:
            if job._aio_retries is not None and self._goes_on(job, error, slot):
                return
            self._note_end(job, error)
            self._ended(job, slot)
            if not isinstance(error, Exception | asyncio.CancelledError):
                # asyncio raises it out of the loop, and yet warns of it unless it is retrieved
                if (task := asyncio.current_task()) is not None:
                    task.add_done_callback(asyncio.Task.exception)
                raise
            return
        job._aio_return(value)
        if self._listener is not None:
            self._note_end(job, None)
        self._ended(job, slot)

    def _goes_on(self, job: AbstractJob, error: BaseException, slot: int) -> bool:
        """Return whether another attempt of a job follows, which is seen to then; if that raises, the run fails."""
        is_let_in = self._conditions is None or self._conditions.is_let_in(job)
        if self._is_over or not isinstance(error, Exception) or not is_let_in:
            return False
        try:
            from .retrying import next_attempt

            found = next_attempt(job, error, self._share)
            if not found.again:
                return False
            self._between[job] = error
            if self._listener is not None:
                self._listener(AGAIN, job)
            self._tasks.pop(job, None)
            self._endless.discard(job)
            if self._share is not None:
                self._share.release(slot)
            elif slot >= 0 and self._admission is not None:
                self._admission.release(slot)
            job._aio_enter(SCHEDULED)
            if found.delay:
                self._pauses[job] = self._loop.call_later(found.delay, self._pause_is_over, job)
            self._start_ready(() if found.delay else (job,))
        except Exception as raised:
            self._hook_raised(raised)
        return True

    def _pause_is_over(self, job: AbstractJob) -> None:
        del self._pauses[job]
        try:
            self._start_ready((job,))
        except Exception as raised:
            self._hook_raised(raised)

    def _give_up(self, job: AbstractJob) -> None:
        """Have a job that was to be tried again end as its last attempt has."""
        if job in self._pauses:
            self._pauses.pop(job).cancel()
        job._aio_raise(self._between.pop(job))
        if self._listener is not None:
            self._listener(RAISED, job)

    def _note_end(self, job: AbstractJob, error: BaseException | None) -> None:
        """Note how a job has ended and call the listener; if a hook raises in this, the run fails by that."""
        try:
            if error is not None:
                self._raised(job, error)
            elif self._listener is not None:
                self._listener(DONE_WELL, job)
        except Exception as raised:
            self._hook_raised(raised)

    def _lost(self, job: AbstractJob, slot: int) -> None:
        """Note that a job was cancelled before its first turn."""
        self._has_lost = True
        self._note_end(job, asyncio.CancelledError())
        self._ended(job, slot)

    def _lost_unseen(self, job: AbstractJob, _: object) -> None:
        if job in self._tasks:
            self._lost(job, -1)

    def _raised(self, job: AbstractJob, error: BaseException) -> None:
        """Note how a job has failed, and end the run if it is critical."""
        failure = error
        if isinstance(error, asyncio.CancelledError):
            if self._is_over or job in self._given_up:
                self._cancelled(job)
                return
            failure = TreadleError(f"the job {name_of(job)!r} was cancelled, and not by its scheduler")
            job._aio_end = ("cancelled", "not by its scheduler")
        elif isinstance(error, Skipped):
            self._skipped(job, error)
            return
        else:
            if isinstance(error, RuntimeError) and str(error) in _REUSED:
                failure = RunError(f"the job {name_of(job)!r} cannot run: its coroutine is used elsewhere")
                failure.__cause__ = error
            elif error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                # without our own frame, which would hold on to all jobs
                error.__traceback__ = error.__traceback__.tb_next
            if isinstance(failure, Exception) and not hasattr(job, "jobs"):
                # what a scheduler raises names the job within that has raised it
                add_note_of_job(failure, job.co_run, known_as(job))
            job._aio_raise(failure)
        if self._listener is not None:
            self._listener(RAISED if job._aio_exception is not None else CANCELLED, job)
        if not self._is_over and (self._fail_fast or call_hook(job, "is_critical")):
            self._fail(job, failure)

    def _cancelled(self, job: AbstractJob) -> None:
        """Note that a job has ended because we have cancelled it."""
        over = self._over
        if self.timed_out:
            job._aio_end = ("interrupted", "its scheduler has reached its time limit")
        elif self.failure is not None:
            job._aio_end = ("interrupted", FAILED_BEFORE)
        elif job.forever and over.done() and not over.cancelled() and over.exception() is None:
            job._aio_end = ("success", "")
        else:
            job._aio_end = ("interrupted", "its run has ended")
        if self._listener is not None and not self._is_over:
            self._listener(CANCELLED, job)

    def _skipped(self, job: AbstractJob, error: Skipped) -> None:
        """Note that a job does not apply, as it says."""
        job._aio_end = ("skipped", str(error))
        job._aio_return(None)
        if self._conditions is None:
            # what follows it is left out
            from .conditions import Conditions

            self._conditions = Conditions()
        if self._listener is not None:
            self._listener(DONE_WELL, job)

    def _fail(self, job: AbstractJob, failure: BaseException) -> None:
        """End the run since a critical job has failed; what conditions let in then goes on before."""
        if self.failure is None:
            self.failure, self.failed = failure, job
        conditions = self._conditions
        if conditions is not None and conditions.can_let_in:
            self._drain(conditions, job)
            return
        self._end()

    def _drain(self, conditions: Conditions, failed: AbstractJob) -> None:
        """Go on with what conditions let in after a critical failure alone; cancel the rest, or leave it out."""
        needed = conditions.fail(failed, [job for job in self._tasks if job is not failed])
        if self._is_draining:
            return
        self._is_draining = True
        for job in list(self._pauses):
            if not conditions.is_let_in(job):
                self._start_ready(self._leave_out(conditions, job, "not_started", FAILED_BEFORE))
        for job, task in list(self._tasks.items()) if not self._fail_fast else ():
            if not (job is failed or job in needed or job.forever):
                self._given_up.add(job)
                if self._listener is not None:
                    self._listener(CANCELLING, job)
                if not isinstance(task, _JobTask):
                    # it may not have begun, and would report no end then
                    task.add_done_callback(partial(self._lost_unseen, job))
                task.cancel()
        if self._share is not None:
            again: list[AbstractJob] = []
            ready: list[AbstractJob] = []
            for job in self._share.withdraw():
                if conditions.is_let_in(job):
                    again.append(job)
                else:
                    ready += self._leave_out(conditions, job, "not_started", FAILED_BEFORE)
            again += self._let_through(conditions, ready)
            for job in again:
                job._aio_enter(SCHEDULED)
            self._share.ask(again)

    def _hook_raised(self, error: Exception) -> None:
        """End the run by what a hook of a job has raised: nothing waits for the task in which that was."""
        if self._over.done():
            logging.getLogger("treadle.aio").error("%s", error, exc_info=error)
        self.refuse(error)

    def _ended(self, job: AbstractJob, slot: int) -> None:
        """Release what a job held that has ended, and let others start; if a hook raises in this, the run fails."""
        try:
            self._make_way(job, slot)
        except Exception as raised:
            self._hook_raised(raised)

    def _make_way(self, job: AbstractJob, slot: int) -> None:
        """Release what a job held that has ended, and let others start."""
        self._tasks.pop(job, None)
        self._endless.discard(job)
        if self._is_draining and self._conditions is not None:
            self._conditions.note(job, self._tasks)
        if self._share is not None:
            self._share.release(slot)
            ready = None if self._is_over else self._left_by(job)
            # what is freed may be for others, also where this run is over
            if ready is None:
                self._ask(self._share, ())
            else:
                self._start_ready(ready)
            return
        ready = None if self._is_over else self._left_by(job)
        if ready is None:
            return
        if slot >= 0 and self._admission is not None:
            self._admission.release(slot)
            self._start_ready(ready)
        elif ready or not self._tasks:
            self._start_ready(ready)

    def _left_by(self, job: AbstractJob) -> Collection[AbstractJob] | None:
        """Return what requires nothing more now that a job has ended; None if it was the last: the run is over."""
        if not job.forever or not self._finite:
            self._left -= 1
            if not self._left:
                self._end()
                return None
        return self._countdown.leave(job)

    def _end(self) -> None:
        self._close()
        if not self._over.done():
            self._over.set_result(None)

    def refuse(self, error: Exception) -> None:
        """End by an error that no job has raised; where a critical job has failed before, that counts."""
        self._close()
        if self._over.done():
            return
        if self.failure is None or isinstance(error, InternalError):
            self._over.set_exception(error)
        else:
            logging.getLogger("treadle.aio").warning("%s", error)
            self._over.set_result(None)

    def _close(self) -> None:
        """Start nothing more."""
        self._is_over = True
        if self._share is not None:
            self._share.wake()
        for job in list(self._between):
            self._give_up(job)

    def _window_is_lost(self, waiting: int) -> None:
        """Refuse to wait for a place that never gets free; only warn if there is a time limit."""
        if self._is_over or self._has_warned:
            return
        self._has_warned = True
        names = sorted(repr(name_of(job)) for job in self._endless)
        error = RunError(
            f"jobs that run for ever fill the window of {self._window}, and {waiting} more wait for a place",
            facts=(f"they are {listed(names, 5)}",),
            hint="a larger jobs_window, or jobs without forever=True",
        )
        if self.has_limit:
            logging.getLogger("treadle.aio").warning("%s", error)
            return
        self.refuse(error)

    def _time_is_up(self) -> None:
        if not self._is_over:
            self.timed_out = True
            self._end()

    async def _cancel(self) -> None:
        """Cancel running jobs, and wait for their ends however long that takes."""
        if self._listener is not None:
            for job in self._tasks:
                self._listener(CANCELLING, job)
        await end_all(list(self._tasks.values()))


class _JobTask(asyncio.Task[None]):
    """A task that reports to its run when it is cancelled before its first turn, as its coroutine never begins."""

    __slots__ = ("about",)
    about: tuple[Run, AbstractJob, int]

    def cancel(self, msg: Any = None) -> bool:
        coroutine: Any = self.get_coro()
        if not (self.done() or coroutine.cr_running or coroutine.cr_suspended):
            run, job, slot = self.about
            self.get_loop().call_soon(run._lost, job, slot)
        return super().cancel(msg)


async def end_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their ends, also if we are cancelled meanwhile: that is raised at the end."""
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
