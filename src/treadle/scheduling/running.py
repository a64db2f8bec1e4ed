"""RunningJobs: the jobs that run now, and how they are made to end. They know no graph and no admission."""

from __future__ import annotations

from time import monotonic

from treadle.engines.local import GRACE, LocalRunner

from .deadlines import Deadlines
from .hooks import ask
from .inbox import Inbox
from .job import Job
from .threads import Threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from treadle.engines.local import Runner

    from .coroutine_job import CoroutineJob
    from .coroutines import Coroutines
    from .job import ProcessJob

RUNNING, DRAINING, STOPPING, KILLING = range(4)
"""How much of a hurry there is: none; nothing new starts; what runs is ended with grace; without."""


class RunningJobs:
    """What a Scheduler has running: programs in a runner, coroutines in an event loop, other jobs in threads.

    A job may be asked to end: by its time limit, by `stop`, or because an exception is on its way. It then has
    its grace, and is killed after that, or given up where it is no program.
    """

    def __init__(self) -> None:
        self.clock: Callable[[], float] = monotonic
        self.runner: Runner = LocalRunner()
        self.grace = GRACE
        """Seconds that what is asked to end has for it."""
        self.hurry = RUNNING
        self._threads = Threads(self.tell_end)
        self._coroutines: Coroutines | None = None
        """None until the first job comes that is one: a run without them does not load asyncio."""
        self._forget()

    def _forget(self) -> None:
        """Forget a former run."""
        self._active: dict[Hashable, Job] = {}
        self._starting: Job | None = None
        """What is just being started, and may run already or not."""
        self._inbox = Inbox(self._active)
        self._deadlines = Deadlines(self._active)
        self._given_up: set[Job] = set()

    @property
    def active_jobs(self) -> list[Job]:
        """The jobs that run now, in order of their start."""
        return list(self._active.values())

    def stop(self, hurry: int = STOPPING) -> None:
        """Tell a run that it should end; any thread and any signal handler may call this.

        :param hurry: DRAINING (nothing new starts), STOPPING (running jobs are ended with grace) or KILLING
        """
        self.hurry = max(self.hurry, hurry)
        self._inbox.ring()
        self.runner.wake()

    def run_in_thread(self, job: Job) -> None:
        """Run a job in a reused thread (for `Job.start`)."""
        self._threads.run(job)

    def run_coroutine(self, job: CoroutineJob) -> None:
        """Run a job in the event loop (for `CoroutineJob.start`)."""
        if self._coroutines is None:
            from .coroutines import Coroutines

            self._coroutines = Coroutines(self.tell_end)
        self._coroutines.run(job)

    def interrupt_coroutine(self, job: CoroutineJob) -> None:
        """Cancel a job in the event loop (for `CoroutineJob.interrupt`)."""
        if self._coroutines is not None:
            self._coroutines.cancel(job)

    def interrupt_process(self, job: ProcessJob) -> None:
        """Have the runner end a job's program (for `ProcessJob.interrupt`)."""
        if self.hurry >= KILLING:
            self.runner.kill(job)
        else:
            self.runner.stop(job)

    def tell_end(self, job: Job, attempt: int) -> None:
        """Tell the loop that an attempt of a job has ended; any thread may call this, once for each attempt."""
        self._inbox.tell(job, attempt)
        if self._inbox.is_with_runner:
            self.runner.wake()

    def _see_to_deadlines(self) -> None:
        """Interrupt what has reached its time limit, give up what had its grace, and end all if told to."""
        if self.hurry >= STOPPING:
            self._interrupt_all()
        if self._deadlines:
            now = self.clock()
            while (job := self._deadlines.take(now)) is not None:
                self._time_is_up(job)

    def _time_is_up(self, job: Job) -> None:
        if not job.interrupted:
            job.timed_out = True
            self._interrupt(job)
        elif not self._abandon(job):
            self.runner.kill(job)
            self._deadlines.add(self.clock() + max(self.grace, 1.0), job)

    def _abandon(self, job: Job) -> bool:
        """Give up a job that does not end though it was asked to: a thread or a coroutine cannot be made to."""
        coroutines = self._coroutines
        where = coroutines if coroutines is not None and coroutines.runs(job) else self._threads
        if not where.runs(job):
            return False
        # before its thread is forgotten: an exception in between must not lose it
        self._inbox.ended.append(job)
        if where.abandon(job):
            self._given_up.add(job)
            job.fail("it did not end when it was interrupted")
        return True

    def _interrupt(self, job: Job) -> None:
        self._deadlines.add(self.clock() + self.grace, job)
        try:
            ask(job.interrupt, job.uid)
        finally:
            # an override may do without
            job.interrupted = True

    def _interrupt_all(self) -> None:
        at_once = self.hurry >= KILLING
        for job in self.active_jobs:
            if not job.interrupted:
                self._interrupt(job)
                if at_once:
                    self._abandon(job)
            elif at_once and not self._abandon(job):
                self.runner.kill(job)

    def _recover(self) -> None:
        """Find out about the job that was just being started, and take in what had ended before."""
        self._inbox.recover(self.runner)
        job = self._starting
        if job is not None:
            self._active[job.uid] = job
            if not job.interrupted:
                self._interrupt(job)
            coroutines = self._coroutines
            is_known = self._threads.run_again(job) or (coroutines is not None and coroutines.run_again(job))
            if not is_known and not self.runner.knows(job):
                # nothing runs it
                self._inbox.ended.append(job)
            self._starting = None
