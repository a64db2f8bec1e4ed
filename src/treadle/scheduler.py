"""Scheduler: the loop that joins admission with jobs and a runner. It knows nothing of fingerprints and records.

One round: take what the graph has ready (`enqueue`), start what admission lets in (`launch`), sleep until
something ends (`wait`). A job tells its end once, to one inbox, whoever runs it: a thread or the runner.
"""

from __future__ import annotations

import signal
from _queue import Empty, SimpleQueue
from collections import deque
from heapq import heappop, heappush
from time import monotonic, time

from .core.admission import Admission
from .core.dag import DAGIterator
from .errors import InternalError, TreadleError, UsageError
from .job import USE_SCHEDULER_TIMEOUT, Job
from .process import LONGEST_SLEEP
from .runner import GRACE, Ended, LocalRunner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from datetime import datetime
    from typing import Any

    from .core.dag import DAG
    from .job import NotifyEnd, ProcessJob
    from .process import Process
    from .runner import Runner, Start

    JobProvider = Callable[[Hashable, Any, frozenset[Hashable], NotifyEnd], Job]

DEFAULT_JOB_MAX_DURATION = 86400.0
"""Seconds that one attempt of a job may last if nobody says otherwise: a day, as in e3."""

RUNNING, DRAINING, STOPPING, KILLING = range(4)
"""How much of a hurry there is: none; nothing new starts; what runs is ended with grace; without."""


class Scheduler:
    """Runs a graph of jobs by queue, tokens and priority.

    :param job_provider: `(uid, data, predecessors, notify_end) -> Job`, called when all predecessors have left
    :param collect: called with each job that ended; a true answer queues the same job again
    :param queues: name -> tokens; if empty there is one queue, `default`, with `tokens` tokens
    :param tokens: tokens of the default queue where `queues` is empty
    :param job_timeout: seconds that one attempt may last, None for no limit; a job may set its own
    """

    def __init__(
        self,
        job_provider: JobProvider,
        collect: Callable[[Any], bool | None] | None = None,
        queues: Mapping[str, int] | None = None,
        tokens: int = 1,
        job_timeout: float | None = DEFAULT_JOB_MAX_DURATION,
    ) -> None:
        self.job_provider = job_provider
        self.collect: Callable[[Any], bool | None] = collect or (lambda _job: False)
        self.queues = dict(queues) if queues else {"default": tokens}
        self.job_timeout = job_timeout
        self.before_start: Callable[[list[Job]], None] | None = None
        """Called with each batch of jobs that is about to start."""
        self.tick: float | None = None
        """Seconds after which `wait` returns though nothing has ended, so that `log_state` is called."""
        self.clock: Callable[[], float] = monotonic
        self.runner: Runner = LocalRunner()
        self.grace = GRACE
        """Seconds that what is asked to end has for it."""
        self.hurry = RUNNING
        self._started: float | None = None
        self._stopped: float | None = None
        self.max_active_jobs = 0
        self._active: dict[Hashable, Job] = {}
        self.all_jobs_queued = False
        self.message_queue: SimpleQueue[tuple[Job | None, int]] = SimpleQueue()
        self._ended: deque[Job] = deque()
        self._threads = _Threads(self)

    @classmethod
    def simple_provider(cls, job_class: type[Job]) -> JobProvider:
        """Return a provider that makes a `job_class` for each vertex."""

        def provider(uid: Hashable, data: Any, _: frozenset[Hashable], notify_end: NotifyEnd) -> Job:
            return job_class(uid, data, notify_end)

        return provider

    @property
    def queued_jobs(self) -> int:
        """How many jobs wait for tokens, or for the end of their delay."""
        return self._admission.waiting + len(self._delayed)

    @property
    def start_time(self) -> datetime | None:
        """When the run began, in UTC."""
        return _as_datetime(self._started)

    @property
    def stop_time(self) -> datetime | None:
        """When the run ended, in UTC."""
        return _as_datetime(self._stopped)

    @property
    def active_jobs(self) -> list[Job]:
        """The jobs that run now, in order of their start."""
        return list(self._active.values())

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do: all has been queued and has ended, or nothing new may start."""
        if self._active:
            return False
        return self.hurry >= DRAINING or (self.all_jobs_queued and not self.queued_jobs)

    def run(self, dag: DAG) -> None:
        """Run all jobs of the graph; return when they have ended.

        An exception in a callback or a hook, KeyboardInterrupt among them, ends the running jobs (TERM, grace,
        KILL), collects them, and then goes on its way.

        :raises DAGError: the graph has a cycle or a predecessor that is not there; no job has started then
        """
        self.init_state(dag)
        with _Interrupts(self):
            try:
                while not self.is_finished:
                    self.enqueue()
                    self.launch()
                    self.log_state()
                    self.max_active_jobs = max(self.max_active_jobs, len(self._active))
                    self.wait()
            except BaseException as error:
                self._abort(error)
                raise
            finally:
                self._threads.close()
                self.runner.close()
                self._stopped = time()

    def init_state(self, dag: DAG) -> None:
        """Forget a former run and take in a graph, which is checked."""
        dag.check()
        for name, tokens in self.queues.items():
            if tokens < 0:
                raise TreadleError(f"queue {name!r} has {tokens} tokens")
        self.dag_iterator = DAGIterator(dag, enable_busy_state=True)
        self._active = {}
        self.all_jobs_queued = False
        self.max_active_jobs = 0
        if self._stopped is not None:
            # that was for the run before; a `stop` that comes before the first run counts for it
            self.hurry = RUNNING
        self._started, self._stopped = time(), None
        self.message_queue = SimpleQueue()
        self._ended = deque()
        self.runner.grace = self.grace
        self._admission = Admission(self.queues)
        self._jobs: dict[Hashable, Job] = {}
        self._deadlines = _Deadlines(self._active)
        self._delayed: list[tuple[float, int, Job]] = []
        self._processes = 0

    def enqueue(self) -> None:
        """Take all vertices that are ready; what is skipped is collected and left at once."""
        while not self.all_jobs_queued and self.hurry == RUNNING:
            try:
                uid, data, predecessors = self.dag_iterator.next_element()
            except StopIteration:
                self.all_jobs_queued = True
                return
            if uid is None:
                return
            job = self.safe_job_provider(uid, data, predecessors)
            if job.should_skip:
                self.safe_collect(job)
                job.on_finish(self)
                self.dag_iterator.leave(uid)
            else:
                self.push(job)

    def push(self, job: Job) -> None:
        """Put a job into its queue; one that could never start fails now, with the reason."""
        refusal = self._admission.refusal(job.queue_name, job.tokens)
        if refusal:
            job.fail(refusal)
            self.safe_collect(job)
            job.on_finish(self)
            self.dag_iterator.leave(job.uid)
            return
        self._jobs[job.uid] = job
        self._admission.push(job.uid, job.queue_name, job.tokens, job.priority)

    def launch(self) -> None:
        """Start all jobs that admission lets in."""
        self._push_delayed()
        if self.hurry != RUNNING or not self._admission.waiting:
            return
        batch = [(self._jobs.pop(uid), slot) for uid, slot in self._admission.admit()]
        if batch and self.before_start is not None:
            self.before_start([job for job, _ in batch])
        for job, slot in batch:
            job.prepare(slot)
            job.on_start(self)
            job.start(slot, self)
            self._active[job.uid] = job
            limit = self.job_timeout if job.timeout == USE_SCHEDULER_TIMEOUT else job.timeout
            if limit is not None:
                self._deadlines.add(self.clock() + limit, job)

    def wait(self) -> None:
        """Sleep until at least one job ends, a deadline passes or somebody calls `stop`; see to all of it."""
        if self.is_finished:
            return
        if not self._active and not self._delayed:
            self._look_for_work()
            return
        self._receive(self._time_to_sleep())
        self._see_to_deadlines()

    def log_state(self) -> None:
        """Hear of each round: a subclass or a caller may want to show the state."""

    def stop(self, hurry: int = STOPPING) -> None:
        """Tell a run that it should end; any thread and any signal handler may call this.

        :param hurry: DRAINING (nothing new starts), STOPPING (running jobs are ended with grace) or KILLING
        """
        self.hurry = max(self.hurry, hurry)
        self.message_queue.put((None, 0))
        self.runner.wake()

    def safe_collect(self, job: Job) -> bool:
        """Call `collect` under the lock of the jobs."""
        with Job.lock:
            return bool(self.collect(job))

    def safe_job_provider(self, uid: Hashable, data: Any, predecessors: frozenset[Hashable]) -> Job:
        """Call `job_provider` under the lock of the jobs."""
        with Job.lock:
            job = self.job_provider(uid, data, predecessors, _ignore_end)
        if job.uid != uid:
            raise UsageError(f"the job of vertex {uid!r} has another uid: {job.uid!r}")
        return job

    def run_in_thread(self, job: Job) -> None:
        """Run a job in a reused thread (for `Job.start`)."""
        self._threads.run(job)

    def run_process(self, job: ProcessJob, start: Start | None) -> Process | None:
        """Give a program to the runner (for `ProcessJob.start`)."""
        if start is None:
            self.tell_end(job, job.attempt)
            return None
        self._processes += 1
        return self.runner.start(job, start)

    def interrupt_process(self, job: ProcessJob) -> None:
        """Have the runner end a job's program (for `ProcessJob.interrupt`)."""
        if self.hurry >= KILLING:
            self.runner.kill(job)
        else:
            self.runner.stop(job)

    def tell_end(self, job: Job, attempt: int) -> None:
        """Tell the loop that an attempt of a job has ended; any thread may call this, once for each attempt."""
        self.message_queue.put((job, attempt))
        if self._processes:
            self.runner.wake()

    def _look_for_work(self) -> None:
        """Nothing runs: something must be about to start, or this is a bug of ours."""
        self.enqueue()
        self.launch()
        if not self._active and not self._delayed and not self.is_finished:
            raise InternalError("nothing runs and nothing can start, but work remains")

    def _receive(self, timeout: float | None) -> None:
        # What has ended is kept until it is collected: a callback may raise in between.
        ended = self._ended
        if ended:
            timeout = 0
        if self._processes:
            for how in self.runner.poll(timeout if self.message_queue.empty() else 0):
                self._processes -= 1
                ended.append(_process_ended(how))
            timeout = 0
        while True:
            try:
                job, attempt = self.message_queue.get(timeout is None or timeout > 0, timeout)
            except Empty:
                break
            timeout = 0
            if job is not None and attempt == job.attempt and self._active.get(job.uid) is job:
                ended.append(job)
        while ended:
            _note_interrupt(ended[0], self.hurry)
            self._finish(ended[0])
            ended.popleft()

    def _finish(self, job: Job, final: bool = False) -> None:
        """See to a job that has ended: give back what it held, collect it, then leave or queue it again."""
        if self._active.pop(job.uid, None) is None:
            # seen to already, and a callback has raised
            return
        job.record_stop_time()
        if job.slot is not None:
            self._admission.release(job.slot)
        again = self.safe_collect(job)
        job.on_finish(self)
        if again and not final and self.hurry == RUNNING:
            if job.retry_delay > 0:
                heappush(self._delayed, (self.clock() + job.retry_delay, job.index, job))
            else:
                self.push(job)
        else:
            self.dag_iterator.leave(job.uid)

    def _push_delayed(self) -> None:
        now = self.clock()
        while self._delayed and self._delayed[0][0] <= now:
            self.push(heappop(self._delayed)[2])

    def _time_to_sleep(self) -> float | None:
        due = [self._delayed[0][0]] if self._delayed else []
        first = self._deadlines.first()
        if first is not None:
            due.append(first)
        if self.tick is not None:
            due.append(self.clock() + self.tick)
        return min(max(0.0, min(due) - self.clock()), LONGEST_SLEEP) if due else None

    def _see_to_deadlines(self) -> None:
        """Interrupt what has reached its time limit, give up what had its grace, and end all if told to."""
        if self.hurry >= STOPPING:
            self._interrupt_all()
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
        """Give up a job that does not end though it was asked to: a thread cannot be ended from outside."""
        if not self._threads.abandon(job):
            return False
        job.fail("it did not end when it was interrupted")
        self._finish(job, final=True)
        return True

    def _interrupt(self, job: Job) -> None:
        self._deadlines.add(self.clock() + self.grace, job)
        try:
            job.interrupt()
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

    def _abort(self, error: BaseException) -> None:
        """End and collect what runs because `error` is on its way; what goes wrong now is added to it as a note."""
        self.hurry = max(self.hurry, STOPPING)
        failures, most = 0, 100 + 10 * len(self._active)
        while self._active:
            try:
                self._see_to_deadlines()
                self._receive(self._time_to_sleep())
            except KeyboardInterrupt:
                self.hurry = KILLING
            except Exception as another:
                failures += 1
                if failures == most:
                    return
                error.add_note(f"while the run was ended: {type(another).__name__}: {another}")


def _process_ended(how: Ended) -> Job:
    job: ProcessJob = how.key  # type: ignore[assignment]
    job.ended(how)
    return job


def _note_interrupt(job: Job, hurry: int) -> None:
    """Take what Ctrl-C on our terminal has ended for interrupted, though we have not asked it to end yet."""
    is_ours_alone = getattr(getattr(job, "proc_handle", None), "leads", True)
    if hurry >= STOPPING and not is_ours_alone and not job.outcome.is_good:
        job.interrupted = True


def _ignore_end(_: Hashable) -> None:
    """Stand in for `notify_end`: jobs that a Scheduler runs tell their end to it by themselves."""


def _as_datetime(seconds: float | None) -> datetime | None:
    if seconds is None:
        return None
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


class _Interrupts:
    """Ctrl-C while a run is under way, where nobody else sees to SIGINT: `stop`, with more hurry each time.

    KeyboardInterrupt is raised when the run has ended. Raised at once, between any two instructions, it would
    lose sight of the program that is just being started. From the third time on it is.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._count = 0
        self._is_ours = False

    def __enter__(self) -> None:
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return
        try:
            signal.signal(signal.SIGINT, self._hear)
        except ValueError:
            # another thread than the main one, which hears of no signals
            return
        self._is_ours = True

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._count and kind is None:
            raise KeyboardInterrupt

    def _hear(self, number: int, _: object) -> None:
        self._count += 1
        if self._count > 2:
            signal.default_int_handler(number, None)
        self._scheduler.stop(STOPPING if self._scheduler.hurry < STOPPING else KILLING)


class _Deadlines:
    """When which attempt of which job has had its time; those of attempts that are over do not count.

    :param active: the jobs that run
    """

    def __init__(self, active: dict[Hashable, Job]) -> None:
        self._active = active
        self._heap: list[tuple[float, int, int, Job]] = []

    def add(self, when: float, job: Job) -> None:
        heappush(self._heap, (when, job.index, job.attempt, job))

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


class _Threads:
    """Threads that run jobs, reused from job to job; they die with the process and hold nobody up."""

    def __init__(self, host: Scheduler) -> None:
        self._host = host
        self._idle: list[SimpleQueue[Job | None]] = []
        self._busy: dict[Job, SimpleQueue[Job | None]] = {}

    def run(self, job: Job) -> None:
        box = self._idle.pop() if self._idle else self._new()
        self._busy[job] = box
        box.put(job)

    def abandon(self, job: Job) -> bool:
        """Give up the thread that runs `job`; return whether there is one."""
        return self._busy.pop(job, None) is not None

    def close(self) -> None:
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
            attempt = job.attempt
            job.run_guarded()
            if self._busy.pop(job, None) is None:
                return
            self._idle.append(box)
            self._host.tell_end(job, attempt)
