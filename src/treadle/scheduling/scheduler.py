"""Scheduler: the loop that joins admission with jobs and a runner. It knows nothing of fingerprints and records.

One round: take what the graph has ready (`enqueue`), start what admission lets in (`launch`), sleep until
something ends (`wait`). The end of a job is reported once, to one inbox, by the thread or the runner that runs it.
KeyboardInterrupt may be raised between any two lines: `_abort` makes good what that has left half done.
"""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from _thread import RLock, allocate_lock, get_ident
from time import monotonic, time

from treadle._startup.interpreter import deque, heappop, heappush, inherited
from treadle.core.admission import Admission
from treadle.core.graph.dag import DAGIterator, require_graph
from treadle.core.outcomes import DONE, FINISHING, NOT_QUEUED, QUEUED, SKIPPED_OVER, STARTED, SUBMITTED
from treadle.engines.base import GRACE, AttemptStart
from treadle.engines.local import LONGEST_NAP, LocalRunner
from treadle.engines.process import LONGEST_SLEEP
from treadle.errors import PATIENCE, InternalError, RunError, TreadleError, UsageError, is_shortage, pause_after

from .hooks import call_hook, refusal, shown
from .job import USE_SCHEDULER_TIMEOUT, Job, attribute_of, check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from treadle.core.callbacks import NotifyEnd
    from treadle.core.graph.dag import DAG
    from treadle.core.pool import Pool
    from treadle.core.pool_admission import PoolAdmission
    from treadle.engines.base import Attempt, AttemptEnd, Runner
    from treadle.engines.process import Process

    from .coroutine_job import CoroutineJob
    from .coroutines import Coroutines
    from .job import ProcessJob
    from .live import Bound, LiveLimits, Waiting
    from .threads import Threads

    JobProvider = Callable[[Hashable, Any, frozenset[Hashable], NotifyEnd], Job]

__all__ = ["DEFAULT_JOB_MAX_DURATION", "DRAINING", "KILLING", "RUNNING", "STOPPING", "Scheduler"]

RUNNING, DRAINING, STOPPING, KILLING = range(4)
"""Stop modes: none; drain (nothing new starts); terminate what runs, with grace; kill what runs."""

DEFAULT_JOB_MAX_DURATION = 86400.0
"""Seconds that one attempt of a job may last if nothing else is said: a day, as in e3."""


class Scheduler:
    """Runs a graph of jobs by queue, tokens and priority, and of equal ones that with the longest way to the end.

    >>> from treadle import DAG, Scheduler
    >>> from treadle.testing import CallJob
    >>> jobs = DAG()
    >>> jobs.add_vertex("fetch", lambda: print("fetch"))
    >>> jobs.add_vertex("unpack", lambda: print("unpack"), ["fetch"])
    >>> def provide(uid, data, predecessors, notify_end):
    ...     return CallJob(uid, data, notify_end, data)
    >>> Scheduler(provide, tokens=2).run(jobs)
    fetch
    unpack

    :param job_provider: `(uid, data, predecessors, notify_end) -> Job`, called when all predecessors have left
    :param collect: called with each job that ended; a true result queues the same job again
    :param queues: name -> tokens; if empty there is one queue, `default`, with `tokens` tokens
    :param tokens: tokens of the default queue where `queues` is empty
    :param job_timeout: seconds that one attempt may last, None for no limit; a job may set its own
    :param pool: what there is for jobs that have a `demand`; None for what this machine has
    """

    def __init__(
        self,
        job_provider: JobProvider,
        collect: Callable[[Any], bool | None] | None = None,
        queues: Mapping[str, int] | None = None,
        tokens: int = 1,
        job_timeout: float | None = DEFAULT_JOB_MAX_DURATION,
        pool: Pool | None = None,
    ) -> None:
        self.clock: Callable[[], float] = monotonic
        self.runner: Runner = LocalRunner()
        self.grace = GRACE
        """Seconds between TERM and KILL of what is to end."""
        self.stop_mode = RUNNING
        self.is_paused = False
        """Whether nothing new starts; see `pause`."""
        self.live: LiveLimits | None = None
        """The limits that were changed while this runs, or before it."""
        self.thread = 0
        """The thread that runs the loop, 0 if none does."""
        self._calls: deque[Callable[[], object]] = deque()
        """What other threads want to have called in the loop."""
        # None until the first job comes for them: a run of programs alone loads neither threads nor asyncio
        self._threads: Threads | None = None
        self._coroutines: Coroutines | None = None
        self._forget()
        self.lock = RLock()
        """Held while `job_provider` or `collect` runs; its jobs have it as their `lock`."""
        self._running = allocate_lock()
        self.job_provider = job_provider
        self.collect: Callable[[Any], bool | None] = collect or (lambda _job: False)
        if queues and not hasattr(queues, "items"):
            raise UsageError(f"the queues are {shown(queues)}", facts=("expected a dict: name -> tokens",))
        self.queues = dict(queues) if queues else {"default": tokens}
        self.job_timeout = job_timeout
        self.pool = pool
        self.max_running: int | None = None
        """How many jobs may run at the same time, over all queues; None for any number."""
        self.expected_duration: Callable[[Hashable], float | None] | None = None
        """Returns how many seconds a vertex will take; called when first more is ready than may start."""
        self.before_start: Callable[[list[Job]], None] | None = None
        """Called with each batch of jobs that is about to start."""
        self.after_start: Callable[[Job], None] | None = None
        """Called with each job that has started, once for each attempt."""
        self.refills = False
        """Whether a slot may get the next job before the end of the last one is seen to, if that ended well."""
        self.on_round: Callable[[], None] | None = None
        """Called in each round, by `log_state`."""
        self.tick: float | None = None
        """Seconds after which `wait` returns though nothing has ended, so that `log_state` is called."""
        self._started: float | None = None
        self._stopped: float | None = None
        self.max_active_jobs = 0
        self.all_jobs_queued = False

    def _forget(self) -> None:
        """Forget the previous run."""
        self._active: dict[Hashable, Job] = {}
        self._starting: Job | None = None
        """What is just being started, and may run already or not."""
        self._inbox = Inbox(self._active, self._has_begun)
        self._deadlines = Deadlines(self._active)
        self._given_up: set[Job] = set()

    @classmethod
    def simple_provider(cls, job_class: type[Job]) -> JobProvider:
        """Return a provider that makes a `job_class` for each vertex."""

        def provider(uid: Hashable, data: Any, _: frozenset[Hashable], notify_end: NotifyEnd) -> Job:
            return job_class(uid, data, notify_end)

        return provider

    @property
    def queued_jobs(self) -> int:
        """How many jobs wait for tokens, or for the end of their delay."""
        return self._admission.waiting + len(self._delayed) + len(self._admitted)

    @property
    def start_time(self) -> datetime | None:
        """When the run began, in UTC."""
        return _as_datetime(self._started)

    @property
    def stop_time(self) -> datetime | None:
        """When the run ended, in UTC."""
        return _as_datetime(self._stopped)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do: all has been queued and has ended, or nothing new may start."""
        if self._active or self._inbox.ended or self._short is not None:
            return False
        return self.stop_mode >= DRAINING or (self.all_jobs_queued and not self.queued_jobs)

    @property
    def may_wait(self) -> bool:
        """Whether what the system has no resource for may get it: something runs, or it was not tried often."""
        return bool(self._active) or self._tries + 1 < PATIENCE

    def run(self, dag: DAG) -> None:
        """Run all jobs of the graph; return when they have ended.

        An exception in a callback or a hook, and KeyboardInterrupt wherever it comes, ends the running jobs
        (TERM, grace, KILL), collects them, and then goes on its way. A second KeyboardInterrupt kills at once.

        :raises DAGError: the graph has a cycle or a predecessor that is not there; no job has started then
        :raises RunError: it runs already, in another thread or around this call
        """
        if not self._running.acquire(blocking=False):
            raise RunError("this scheduler runs already", hint="make another one")
        try:
            self._run_alone(dag)
        finally:
            self._running.release()

    def _run_alone(self, dag: DAG) -> None:
        self.init_state(dag)
        self.thread = get_ident()
        try:
            while not self.is_finished:
                self.enqueue()
                self.launch()
                self.log_state()
                self.max_active_jobs = max(self.max_active_jobs, len(self._active))
                self.wait()
        except BaseException as error:
            try:
                self._abort(error)
            except KeyboardInterrupt:
                # it came before `_abort` listened
                self.stop_mode = KILLING
                self._abort(error)
            raise
        finally:
            if self._threads is not None:
                self._threads.close()
            if self._coroutines is not None:
                self._coroutines.close()
            self.runner.close()
            self._stopped = time()
            # what comes after this is not called any more, as `thread` shows
            self._make_calls()
            self.thread = 0

    async def co_run(self, dag: DAG) -> None:
        """Run all jobs of the graph as `run` does, for a coroutine; cancelling it stops the run, and waits."""
        from .awaiting import in_thread

        await in_thread(lambda: self.run(dag), lambda again: self.stop(KILLING if again else STOPPING))

    def init_state(self, dag: DAG) -> None:
        """Forget the previous run and take in a graph, which is checked."""
        require_graph(dag)
        dag.check()
        for name, tokens in self.queues.items():
            if not isinstance(tokens, int):
                raise UsageError(f"queue {name!r} has {shown(tokens)} tokens", facts=("expected a whole number",))
            if tokens < 0:
                raise TreadleError(f"queue {name!r} has {tokens} tokens")
        limit = self.job_timeout
        if limit is not None and not (_is_number(limit, int | float) and limit > 0):
            raise UsageError(
                f"the job_timeout is {shown(limit)}", facts=("expected seconds above 0, None for no limit",)
            )
        most = self.max_running
        if most is not None and not (_is_number(most, int) and most > 0):
            raise UsageError(
                f"max_running is {shown(most)}", facts=("expected a whole number above 0, None for any number",)
            )
        self.dag_iterator = DAGIterator(dag, enable_busy_state=True)
        self._forget()
        self._finishing: tuple[Job | None, int] = (None, 0)
        self.all_jobs_queued = False
        self.max_active_jobs = 0
        if self._stopped is not None:
            # that was for the run before; a `stop` that comes before the first run counts for it
            self.stop_mode = RUNNING
        self._started, self._stopped = time(), None
        self.runner.grace = self.grace
        self._lets_in: Callable[[Job], bool] | None = None
        self._admission = Admission(self.queues, self.max_running)
        self._pooled: PoolAdmission | None = None
        """`_admission` as it is from the first demand on."""
        self._most_tokens: dict[str, int] = {}
        """Queue -> the most tokens that a job of it has asked for."""
        self._delayed: list[tuple[float, int, Job]] = []
        self._admitted: deque[tuple[Job, int]] = deque()
        """What has tokens and a slot and has not started."""
        self._short: Job | None = None
        """The first of them, if the system had no resource for its start."""
        self._unanswered: tuple[Hashable, Any, frozenset[Hashable]] | None = None
        """The vertex that is ready, if the system had no resource for its job."""
        self._tries = 0
        """How often something met a shortage while nothing ran."""
        self._retry_at = 0.0
        if self.live is not None:
            self.take_over_limits()

    def enqueue(self) -> None:
        """Take all vertices that are ready; what is skipped is collected and left at once."""
        while not self.all_jobs_queued and self.stop_mode == RUNNING:
            try:
                uid, data, predecessors = self._unanswered or self.dag_iterator.next_element()
            except StopIteration:
                self.all_jobs_queued = True
                return
            if uid is None or not self._is_time_to_try(self._unanswered):
                return
            try:
                job = self.safe_job_provider(uid, data, predecessors)
            except Exception as error:
                if not (is_shortage(error) and self.may_wait):
                    raise
                self._unanswered = (uid, data, predecessors)
                self._note_shortage()
                return
            self._unanswered = None
            job.steps = SKIPPED_OVER if job.should_skip else NOT_QUEUED
            if job.should_skip:
                self.safe_collect(job)
                call_hook(job.on_finish, uid, self)
                self.dag_iterator.leave(uid)
            else:
                self.push(job)

    def push(self, job: Job) -> None:
        """Put a job into its queue; one that could never start fails now, with the reason."""
        queue, tokens, priority = (
            attribute_of(job, "queue_name"),
            attribute_of(job, "tokens"),
            attribute_of(job, "priority"),
        )
        demand = attribute_of(job, "demand")
        if job._treadle_tries is not None:
            priority = job._treadle_tries.priority(priority)
        if demand is not None:
            queue, tokens = getattr(demand, "queue", queue), getattr(demand, "tokens", tokens)
        refused = _odd_demand(queue, tokens, priority, attribute_of(job, "timeout"))
        if not refused:
            refused = self._refusal(queue, tokens, demand)
        if demand is not None and not refused and demand.fallbacks:
            demand = job.demand = self._with_pool().pool.chosen(demand)
        if refused:
            job.fail(refused, "invalid")
            self.safe_collect(job)
            call_hook(job.on_finish, job.uid, self)
            job.go(DONE, monotonic())
            self.dag_iterator.leave(job.uid)
            return
        job.go(QUEUED, monotonic())
        call_hook(job.on_queued, job.uid, self)
        if tokens > self._most_tokens.get(queue, 0):
            self._most_tokens[queue] = tokens
        if demand is None:
            self._admission.push(job, queue, tokens, priority)
        else:
            self._with_pool().push(job, queue, tokens, priority, demand)

    def _refusal(self, queue: str, tokens: int, demand: Any) -> str | None:
        """Return why a job could never start; None if it could."""
        if demand is None:
            return self._admission.refusal(queue, tokens)
        from treadle.core.pool import Demand

        if not isinstance(demand, Demand):
            return f"its demand is {shown(demand)}, expected a Demand, or None for tokens alone"
        return self._with_pool().refusal(queue, tokens, demand)

    def _with_pool(self) -> PoolAdmission:
        """Return the admission by resources: it goes on from that by tokens when the first demand comes."""
        if self._pooled is None:
            from treadle.core.pool_admission import PoolAdmission

            if self.pool is None:
                from treadle.engines.machine import pool_of_machine

                self.pool = pool_of_machine(inherited(), cpus=self.queues.get("default"))
            from treadle.core.pool import Pool

            if not isinstance(self.pool, Pool):
                raise UsageError(
                    f"the pool is {shown(self.pool)}", facts=("expected a Pool, None for what this machine has",)
                )
            self._pooled = PoolAdmission.continuing(self._admission, self.pool)
            self._admission = self._pooled
            if self.live is not None:
                self.take_over_limits()
        return self._pooled

    def launch(self) -> None:
        """Attempt all jobs that admission lets in, as long as the system has the resources for them."""
        if self._calls:
            self._make_calls()
        if self._delayed:
            self._push_delayed()
        if self.stop_mode != RUNNING:
            self._see_to_short()
            return
        if self.is_paused:
            return
        if self._admission.waiting and not self._admitted:
            if self._admission.is_short:
                from treadle.core.graph.longest_path import longest_paths
                from treadle.core.ranked_admission import ranked

                paths = longest_paths(self.dag_iterator.dag, self.expected_duration)
                self._admission = ranked(self._admission, lambda job: paths.get(job.uid, 0.0))
            batch = self._next_batch()
            if batch and self.before_start is not None:
                self.before_start([job for job, _ in batch])
            self._admitted.extend(batch)
        while self._admitted and self._is_time_to_try(self._short) and self._start_first():
            pass

    def narrow(self, lets_in: Callable[[Job], bool]) -> None:
        """Let only some jobs start from now on; others are left as they are, and what comes after them is next."""
        self._lets_in = lets_in
        self._delayed = sorted((due if lets_in(job) else 0.0, index, job) for due, index, job in self._delayed)

    def _next_batch(self) -> list[tuple[Job, int]]:
        """Return what admission lets in; what may not start any more makes room for others."""
        batch: list[tuple[Job, int]] = list(self._admission.admit())
        while self._lets_in is not None and (gone := [one for one in batch if not self._lets_in(one[0])]):
            for job, slot in gone:
                self._admission.release(slot)
                self.dag_iterator.leave(job.uid)
            self.enqueue()
            batch = [one for one in batch if one not in gone] + list(self._admission.admit())
        return batch

    def wait(self) -> None:
        """Sleep until at least one job ends, a deadline passes or `stop` is called; see to all of it."""
        if self.is_finished:
            return
        if not self._active and not self._delayed:
            if self.is_paused and self.stop_mode == RUNNING:
                self._inbox.receive(self.runner, self._time_to_sleep())
                self._finish_all()
            elif self._short is not None or self._unanswered is not None:
                self._inbox.receive(self.runner, pause_after(self._tries))
                self._finish_all()
            else:
                self._look_for_work()
            return
        self._inbox.receive(self.runner, self._time_to_sleep())
        self._finish_all()
        self._see_to_deadlines()
        self._finish_all()

    def log_state(self) -> None:
        """Take note of each round: a subclass may want to show the state."""
        if self.on_round is not None:
            self.on_round()

    def safe_collect(self, job: Job) -> bool:
        """Call `collect` under the lock of this scheduler."""
        with self.lock:
            self._finishing = (job, _COLLECTED)
            return bool(call_hook(self.collect, job.uid, job))

    def safe_job_provider(self, uid: Hashable, data: Any, predecessors: frozenset[Hashable]) -> Job:
        """Call `job_provider` under the lock of this scheduler, which becomes that of the job."""
        with self.lock:
            job = call_hook(self.job_provider, uid, uid, data, predecessors, _ignore_end)
            if not isinstance(job, Job):
                raise refusal(self.job_provider, job, "a Job", uid)
            check(job, uid)
            if job.lock is Job.lock:
                # else its class has one of its own under this name
                job.lock = self.lock
        if job.uid != uid:
            raise UsageError(f"the job of vertex {uid!r} has another uid: {job.uid!r}")
        return job

    def run_process(self, job: ProcessJob, start: Attempt | None) -> Process | None:
        """Give a program to the runner (for `ProcessJob.start`)."""
        if start is None:
            self.report_end(job, job.attempt)
            return None
        return self.runner.start(job, start)

    def _start_first(self) -> bool:
        """Attempt the first job that is admitted; return False if the system has no resource for it now."""
        job, slot = self._admitted[0]
        if self._active and self._short is None and not self.runner.has_room:
            return False
        self._starting = job
        try:
            if self._short is None:
                if self._pooled is not None:
                    job.resources = self._pooled.allocation(slot)
                call_hook(job.prepare, job.uid, slot)
                job.steps.go(SUBMITTED, job.started_at)
                call_hook(job.on_submitted, job.uid, self)
                if not (job.has_runner and self.runner.tells_start(job)):
                    job.steps.go(STARTED, job.started_at)
                    call_hook(job.on_start, job.uid, self)
            else:
                # the same attempt, which begins only now
                job.record_start_time()
                job.steps.hear(job.started_at)
            call_hook(job.start, job.uid, slot, self)
        except Exception as error:
            if not is_shortage(error):
                raise
            self._starting = None
            if self.may_wait:
                self._short = job
                self._note_shortage()
                return False
            job.fail(str(error))
            self._inbox.ended.append(job)
        else:
            self._tries = 0
        self._active[job.uid] = job
        self._starting = self._short = None
        self._admitted.popleft()
        if self.after_start is not None:
            self.after_start(job)
        if job.steps.phase == STARTED:
            self._limit_time(job)
        return True

    def _limit_time(self, job: Job) -> None:
        job._limit = self.job_timeout if job.timeout == USE_SCHEDULER_TIMEOUT else job.timeout
        if job._limit is not None:
            self._deadlines.add(self.clock() + job._limit, job)

    def _note_shortage(self) -> None:
        """Have what met a shortage tried again when something has ended, or after a pause."""
        if not self._active:
            self._tries += 1
        self._retry_at = self.clock() + pause_after(self._tries)

    def _is_time_to_try(self, short: object) -> bool:
        """Return whether what met a shortage, if anything did, may be tried again."""
        return short is None or not self._active or self.clock() >= self._retry_at

    def _see_to_short(self) -> None:
        """See to a job that met a shortage at its start, when nothing new may start: it goes on or ends."""
        if self._short is None:
            return
        if self.stop_mode == DRAINING:
            if self._is_time_to_try(self._short):
                self._start_first()
            return
        job = self._short
        self._short = None
        self._admitted.popleft()
        job.interrupted = True
        self._active[job.uid] = job
        self._inbox.ended.append(job)

    def _look_for_work(self) -> None:
        """Nothing runs: something must be about to start, or this is a bug of ours."""
        self.enqueue()
        self.launch()
        if not self._active and not self._delayed and not self.is_finished:
            if self.live is None or not self._admission.waits_for_limits:
                raise InternalError("nothing runs and nothing can start, but work remains")
            # what a request has lowered another one raises
            self.live.note_standstill()
            self._inbox.receive(self.runner, self._time_to_sleep())

    def _finish_all(self) -> None:
        """Finish all jobs that have ended; if a callback raises, its job stays the first, to be finished later."""
        ended = self._inbox.ended
        while ended:
            if self.stop_mode >= STOPPING:
                _note_interrupt(ended[0])
            self._finish(ended[0])
            ended.popleft()

    def _has_begun(self, job: Job) -> None:
        """Take note that an attempt has started which was submitted some time ago."""
        if job.steps.phase == SUBMITTED:
            job.record_start_time()
            job.steps.go(STARTED, job.started_at)
            call_hook(job.on_start, job.uid, self)
            self._limit_time(job)

    def _finish(self, job: Job) -> None:
        """Give back what a job held that has ended, collect it, then leave or queue it again.

        Where an exception came in between, the next call goes on from there: each callback is called once.
        """
        last, stage = self._finishing
        if last is not job:
            if self._active.get(job.uid) is not job:
                return
            self._finishing, stage = (job, 0), 0
        again = False
        if stage < _RELEASED:
            self._active.pop(job.uid, None)
            # its end may have freed what another one waits for
            self._retry_at = 0.0
            job.record_stop_time()
            job.steps.pass_on(FINISHING, job._stopped_at)
            self._finishing = (job, _RELEASED)
            if job.slot is not None:
                self._admission.release(job.slot)
            if self.refills and job.ended_well_at_once:
                self._refill(job)
        if stage < _COLLECTED:
            again = self.safe_collect(job)
        if stage < _FINISHED:
            self._finishing = (job, _FINISHED)
            call_hook(job.on_finish, job.uid, self)
        self._finishing = (None, 0)
        if not again or job in self._given_up or self.stop_mode != RUNNING:
            job.steps.go(DONE, monotonic())
            self.dag_iterator.leave(job.uid)
        elif job.retry_delay > 0:
            heappush(self._delayed, (self.clock() + job.retry_delay, job.index, job))
        else:
            self.push(job)

    def _refill(self, job: Job) -> None:
        """Start what waits before the end of a job is seen to, if that end makes nothing ready that might go first.

        Only while others run, and only where each of its queue could run at the same time: what runs alone is
        over before the next one starts, and one of the two may use files that the other one has left. A demand
        may be a name that means such files too. A missing output is noticed one start later then: else a core
        would be idle meanwhile.
        """
        queue = job.queue_name
        if (
            self._active
            and job.tokens + self._most_tokens.get(queue, 0) <= self.queues.get(queue, 0)
            and not self.dag_iterator.has_ready
            and self._admission.waiting
            and self.stop_mode == RUNNING
            and self._pooled is None
            and self._lets_in is None
            and self._short is None
            and not self.dag_iterator.is_awaited(job.uid)
        ):
            self.launch()

    def _push_delayed(self) -> None:
        now = self.clock()
        while self._delayed and self._delayed[0][0] <= now:
            self.push(heappop(self._delayed)[2])

    def _time_to_sleep(self) -> float | None:
        due = [self._delayed[0][0]] if self._delayed else []
        if (self._short is not None or self._unanswered is not None) and not self.is_paused:
            due.append(self._retry_at)
        if self._deadlines and (first := self._deadlines.first()) is not None:
            due.append(first)
        if not due and self.tick is None:
            return None
        now = self.clock()
        if self.tick is not None:
            due.append(now + self.tick)
        return min(max(0.0, min(due) - now), LONGEST_SLEEP)

    def _abort(self, error: BaseException) -> None:
        """End and collect what runs because `error` is on its way; what goes wrong now is added to it as a note."""
        self.stop_mode = max(self.stop_mode, STOPPING)
        failures, most = 0, 100 + 10 * len(self._active)
        is_sound = False
        while self._active or self._inbox.ended or self._starting is not None:
            try:
                if not is_sound:
                    self._recover()
                    is_sound = True
                else:
                    self._see_to_deadlines()
                    self._inbox.receive(self.runner, self._time_to_sleep())
                self._finish_all()
            except KeyboardInterrupt:
                self.stop_mode = KILLING
                is_sound = False
            except BaseException as another:
                failures += 1
                if failures == most:
                    return
                error.add_note(f"while the run was ended: {type(another).__name__}: {another}")

    def has_given_up(self, job: Job) -> bool:
        """Return whether a job was left to itself, as it did not end when it was interrupted."""
        return job in self._given_up

    @property
    def active_jobs(self) -> list[Job]:
        """The jobs that run now, in order of their start."""
        return list(self._active.values())

    def stop(self, stop_mode: int = STOPPING) -> None:
        """Notify a run that it should end; any thread and any signal handler may call this.

        :param stop_mode: DRAINING (nothing new starts), STOPPING (running jobs are ended with grace) or KILLING
        """
        self.stop_mode = max(self.stop_mode, stop_mode)
        self.wake()

    def wake(self) -> None:
        """Make the loop go round; any thread and any signal handler may call this."""
        self._inbox.ring()
        self.runner.wake()

    def pause(self) -> None:
        """Start nothing new until `go_on`; what runs goes on. Any thread may call this."""
        self.is_paused = True

    def go_on(self) -> None:
        """Start again what may start; any thread may call this."""
        self.is_paused = False
        self.wake()

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call a function in the thread of the loop, or at its end; any thread may call this.

        What it raises ends the run. Without a run it is called at the begin of the next one.
        """
        self._calls.append(function)
        self.wake()

    def take_over_limits(self) -> None:
        """Let limits count that were changed in `live`; called in the thread of the loop."""
        if self.live is not None:
            self.live.take_over(self._admission, self._pooled)

    def bounds(self) -> dict[str, Bound]:
        """Return how much there is of what jobs hold while they run, see `live.bounds_of`."""
        from .live import bounds_of

        return bounds_of(self._admission, self._pooled)

    def waiting_jobs(self) -> Iterator[Waiting]:
        """Yield the jobs that wait in queues, in order, and what each lacks; for the thread of the loop."""
        from .live import Waiting, waiting_in

        for job, _ in self._admitted:
            yield Waiting(job, job.queue_name, {})
        yield from waiting_in(self._admission, self._pooled)

    def delayed_jobs(self) -> list[tuple[Job, float]]:
        """Return the jobs that wait for their next attempt, each with the seconds until then."""
        now = self.clock()
        return [(job, max(0.0, due - now)) for due, _, job in sorted(self._delayed, key=lambda one: one[:2])]

    def _make_calls(self) -> None:
        while self._calls:
            self._calls.popleft()()

    def limit_running(self, seconds: float) -> None:
        """Give each job that runs without a time limit so many seconds from now."""
        for job in self.active_jobs:
            if job._limit is None:
                job._limit = seconds
                self._deadlines.add(self.clock() + seconds, job)

    def run_in_thread(self, job: Job) -> None:
        """Run a job in a reused thread (for `Job.start`)."""
        if self._threads is None:
            from .threads import Threads

            self._threads = Threads(self.report_end)
        self._threads.run(job)

    def run_coroutine(self, job: CoroutineJob) -> None:
        """Run a job in the event loop (for `CoroutineJob.start`)."""
        if self._coroutines is None:
            from .coroutines import Coroutines

            self._coroutines = Coroutines(self.report_end)
        self._coroutines.run(job)

    def interrupt_coroutine(self, job: CoroutineJob) -> None:
        """Cancel a job in the event loop (for `CoroutineJob.interrupt`)."""
        if self._coroutines is not None:
            self._coroutines.cancel(job)

    def interrupt_process(self, job: ProcessJob) -> None:
        """Have the runner end a job's program (for `ProcessJob.interrupt`)."""
        if self.stop_mode >= KILLING:
            self.runner.kill(job)
        else:
            self.runner.stop(job)

    def report_end(self, job: Job, attempt: int) -> None:
        """Notify the loop that an attempt of a job has ended; any thread may call this, once for each attempt."""
        self._inbox.put(job, attempt)
        if self._inbox.is_with_runner:
            self.runner.wake()

    def _see_to_deadlines(self) -> None:
        """Interrupt what has reached its time limit, give up what had its grace, end all if a stop mode is set."""
        if self.stop_mode >= STOPPING:
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
        """Give up a job that does not end though it was interrupted: a thread or a coroutine cannot be made to."""
        where = next((one for one in (self._coroutines, self._threads) if one is not None and one.runs(job)), None)
        if where is None:
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
            call_hook(job.interrupt, job.uid)
        finally:
            # an override may do without
            job.interrupted = True

    def _interrupt_all(self) -> None:
        at_once = self.stop_mode >= KILLING
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
            is_known = any(one.run_again(job) for one in (self._threads, self._coroutines) if one is not None)
            if not is_known and not self.runner.knows(job):
                # nothing runs it
                self._inbox.ended.append(job)
            self._starting = None


class Inbox:
    """Where the ends of jobs arrive, those of threads and those of programs. It does nothing about them.

    An exception, KeyboardInterrupt among them, may come between any two lines: an end stays in one place until it
    is in the next.

    No wake-up is lost, and few are needless: a sender first puts the end down and then checks whether the scheduler
    sleeps; the scheduler first notes that it goes to sleep and then checks whether an end was put down.

    :param active: the jobs that run
    :param on_begun: called with one that has started, where the runner reports that
    """

    __slots__ = ("_active", "_bell", "_on_begun", "_reported", "ended", "is_with_runner")

    def __init__(self, active: dict[Hashable, Job], on_begun: Callable[[Job], None]) -> None:
        self._active = active
        self._on_begun = on_begun
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._reported: deque[tuple[Job, int]] = deque()
        self.ended: deque[Job] = deque()
        """What has ended and has not been seen to. A job may be here twice."""
        self.is_with_runner = False
        """Whether `receive` may be waiting for the runner, so that no bell wakes it."""

    def put(self, job: Job, attempt: int) -> None:
        """Put in that an attempt of a job has ended; any thread may call this."""
        self._reported.append((job, attempt))
        if self._bell.empty():
            self._bell.put(None)

    def ring(self) -> None:
        """Make a `receive` that is under way return, unless it waits for the runner."""
        self._bell.put(None)

    def receive(self, runner: Runner, timeout: float | None) -> None:
        """Wait until something ends, the bell rings or `timeout` seconds are over; add to `ended` what ended."""
        if runner.active:
            self.is_with_runner = True
            is_due = self.ended or self._reported or not self._bell.empty()
            self._take(runner.poll(0 if is_due else timeout))
            self.is_with_runner = False
            timeout = 0
        elif self.ended or self._reported:
            timeout = 0
        self._wait(timeout)
        self._take_reported()

    def recover(self, runner: Runner) -> None:
        """Take in, without a look at what runs, all that has ended before an exception came."""
        self._take(runner.recover())
        self._take_reported()

    def _take(self, told: Sequence[AttemptStart | AttemptEnd]) -> None:
        for how in told:
            job: ProcessJob = how.key  # type: ignore[assignment]
            if isinstance(how, AttemptStart):
                self._on_begun(job)
            else:
                self.ended.append(job)
                job.ended(how)

    def _take_reported(self) -> None:
        while self._reported:
            ended, attempt = self._reported[0]
            if attempt == ended.attempt and self._active.get(ended.uid) is ended:
                self.ended.append(ended)
            self._reported.popleft()

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


class Deadlines:
    """When which attempt of which job has had its time: a heap; attempts that are over do not count.

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


def _note_interrupt(job: Job) -> None:
    """Take what Ctrl-C on our terminal has ended for interrupted, though we have not interrupted it yet."""
    is_ours_alone = getattr(getattr(job, "proc_handle", None), "leads", True)
    if not is_ours_alone and not job.final_status.is_good:
        job.interrupted = True


def _odd_demand(queue: object, tokens: object, priority: object, timeout: object) -> str | None:
    """Return what is wrong with the kinds of values that a job demands; None if nothing is."""
    if not isinstance(queue, str):
        return f"its queue_name is {shown(queue)}, expected a text"
    if not isinstance(tokens, int):
        return f"its tokens are {shown(tokens)}, expected a whole number"
    if not isinstance(priority, int | float):
        return f"its priority is {shown(priority)}, expected a number"
    if timeout is not None and timeout != USE_SCHEDULER_TIMEOUT:
        is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
        if not (is_number and timeout > 0):  # type: ignore[operator]
            return f"its timeout is {shown(timeout)}, expected seconds above 0, None for no limit"
    return None


def _is_number(value: object, kinds: Any) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _ignore_end(_: Hashable) -> None:
    """Take the place of `notify_end`: jobs that a Scheduler runs report their end to it by themselves."""


def _as_datetime(seconds: float | None) -> datetime | None:
    if seconds is None:
        return None
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


_RELEASED, _COLLECTED, _FINISHED = 1, 2, 3
"""How far a job that has ended has been seen to: tokens given back, `collect` called, `on_finish` called."""
