"""The names that code written against e3's job, DAG, status, fingerprint and error modules imports.

Each class here has the names of the old class and no other, so whatever a subclass adds is its own. The Treadle
object that does the work is inside (`native` returns it); of the object outside it uses the old names alone. What
differs from e3 is the table of docs/reference/e3.md, and a test holds each row of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, ItemsView, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from . import walk as _walk
from .content import fingerprint as _fingerprint
from .content.fingerprint import FINGERPRINT_VERSION
from .core.callbacks import NotifyEnd
from .core.graph import dag as _dag
from .core.graph.dag import DAGIterator
from .core.outcomes import JobTimingInfo
from .errors import DAGError
from .errors import TreadleError as E3Error
from .scheduling import job as _job
from .scheduling import scheduler as _scheduler
from .scheduling.hooks import call_hook, refusal
from .scheduling.scheduler import DEFAULT_JOB_MAX_DURATION
from .status import ReturnValue

if TYPE_CHECKING:
    import os
    from datetime import datetime

    Path = str | os.PathLike[str]

__all__ = [
    "DAG",
    "DEFAULT_JOB_MAX_DURATION",
    "FINGERPRINT_VERSION",
    "CollectCallback",
    "DAGError",
    "DAGIterator",
    "E3Error",
    "EmptyJob",
    "Fingerprint",
    "Job",
    "JobProviderCallback",
    "JobTimingInfo",
    "NotifyEnd",
    "ProcessJob",
    "ReturnValue",
    "Scheduler",
    "Walk",
    "logger",
    "native",
]

logger = logging.getLogger("treadle")
"""The logger above those of walks, schedulers and jobs."""


def native(thing: Any) -> Any:
    """Return the Treadle object inside a Walk, Scheduler, Job or Fingerprint of this module; others as they are.

    It has what the old classes have not, such as `native(walk).report()` and `native(job).timeout`.
    """
    return thing._treadle if isinstance(thing, (Walk, Scheduler, Job, Fingerprint)) else thing


def _outer(thing: Any) -> Any:
    """Return the object of this module that a Treadle object works for; others as they are."""
    return thing.outer if isinstance(thing, (_JobInside, _SchedulerInside)) else thing


def _inside(given: Any, hook: Callable[..., Any], uid: Hashable) -> Any:
    """Return the Treadle job inside what a hook has returned.

    :raises HookError: it is no job
    """
    job = native(given)
    if not isinstance(job, _job.Job):
        raise refusal(hook, given, "a Job", uid)
    return job


def _outside(name: str) -> Any:
    """Return the attribute of an object inside that is the attribute `name` of the object outside."""

    def get(self: Any) -> Any:
        return getattr(self.outer, name)

    def put(self: Any, value: Any) -> None:
        setattr(self.outer, name, value)

    return property(get, put)


def _named(kind: type, outer: type) -> Any:
    """Return a class of an object inside under the name of the class outside, so that messages name that one."""
    key = (kind, outer.__name__)
    if key not in _NAMED:
        _NAMED[key] = type(outer.__name__, (kind,), {})
    return _NAMED[key]


_NAMED: dict[tuple[type, str], type] = {}


class DAG(_dag.DAG):
    """A graph in which a vertex that is not there has no predecessors; `treadle.DAG` refuses the name."""

    has_conditions = False
    """The old class knows none, and leaves the name to its subclasses."""

    def get_predecessors(self, vertex_id: Hashable) -> frozenset[Hashable]:
        """Return the predecessors of a vertex; of one that is not in the graph, none."""
        return super().get_predecessors(vertex_id) if vertex_id in self.vertex_data else frozenset()

    def get_closure(self, vertex_id: Hashable) -> set[Hashable]:
        """Return the predecessors of a vertex, theirs, and so on; of one that is not in the graph, none."""
        return super().get_closure(vertex_id) if vertex_id in self.vertex_data else set()

    def vertex_predecessors_items(self) -> ItemsView[Hashable, frozenset[Hashable]]:
        """Return pairs of a vertex and its predecessors."""
        return self.vertex_predecessors.items()

    def _blank(self) -> DAG:
        return DAG()


class Fingerprint:
    """Elements that are the same as long as nothing that matters has changed."""

    def __init__(self) -> None:
        self._treadle = _fingerprint.Fingerprint()
        self._treadle.elements["fingerprint_version"] = FINGERPRINT_VERSION

    @property
    def elements(self) -> dict[str, str]:
        """Name -> value."""
        return self._treadle.elements

    @elements.setter
    def elements(self, elements: dict[str, str]) -> None:
        self._treadle.elements = elements

    def add(self, name: str, value: str, *, result: bool | None = None, answer: bool | None = None) -> None:
        """Add an element, or replace it.

        :param result: whether the action makes it, such as an output: it may change while a job runs
        :param answer: the old name of `result`
        :raises E3Error: if the name or the value is not text
        """
        self._treadle.add(name, value, result=_result(result, answer))

    def add_file(self, filename: Path, *, result: bool | None = None, answer: bool | None = None) -> None:
        """Add a file by its content and by whether its owner may execute it."""
        self._treadle.add_file(filename, result=_result(result, answer))

    def add_dir(self, path: Path, *, result: bool | None = None, answer: bool | None = None) -> None:
        """Add a folder by all that is in it."""
        self._treadle.add_dir(path, result=_result(result, answer))

    def checksum(self) -> str:
        """Return the digest of all elements."""
        return self._treadle.checksum()

    def compare_to(self, other: Any) -> dict[str, set[str]] | None:
        """Return the names by which `other` differs (updated, new, obsolete), or None if it is equal."""
        return self._treadle.compare_to(native(other))

    def __eq__(self, other: object) -> bool:
        return bool(self._treadle == native(other))

    def __ne__(self, other: object) -> bool:
        return bool(self._treadle != native(other))

    # It can be added to, so it has no lasting hash.
    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return str(self._treadle)

    def save_to_file(self, filename: Path) -> None:
        """Write it as JSON, in one step."""
        self._treadle.save_to_file(filename)

    @classmethod
    def load_from_file(cls, filename: Path) -> Any:
        """Return the fingerprint in a file, or None if there is none that this version can read."""
        found = _fingerprint.Fingerprint.load_from_file(filename)
        if found is None:
            return None
        result = cls()
        result._treadle = found
        return result


def _result(result: bool | None, answer: bool | None) -> bool | None:
    """Return what was given by either name; the old one stays here, without a warning.

    :raises TypeError: both names were given
    """
    if result is not None and answer is not None:
        raise TypeError(_fingerprint.BOTH_NAMES)
    return answer if result is None else result


class Job:
    """One piece of work: subclasses override `run`, and what else of these names does not do."""

    lock = _job.Job.lock
    """One for all jobs of this module, held while `job_provider` or `collect` runs."""
    index_counter = 0
    queue_name = "default"
    tokens = 1
    should_skip = False
    slot: int | None = None
    interrupted = False

    # set by the job inside
    uid: Any
    data: Any
    notify_end: NotifyEnd

    def __init__(self, uid: Any, data: Any, notify_end: NotifyEnd) -> None:
        # no lock: an interrupt at the end of a `with` would leave it held, and the next job would wait for ever
        self.index = Job.index_counter = next(_NUMBERS)
        self._treadle: _JobInside = _named(_kind_inside(self), type(self))(self, uid, data, notify_end)

    @property
    def priority(self) -> int:
        """Among what waits in one queue the higher goes first."""
        return 0

    @property
    def status(self) -> ReturnValue:
        """How it ended; a job that ran to its end succeeded, unless `run` raised an exception."""
        return super(_JobInside, self._treadle).status

    @property
    def timing_info(self) -> JobTimingInfo:
        """When it started and ended, and for how long it ran."""
        return super(_JobInside, self._treadle).timing_info

    def record_start_time(self) -> None:
        """Note that it starts now."""
        super(_JobInside, self._treadle).record_start_time()

    def record_stop_time(self) -> None:
        """Note that it ends now."""
        super(_JobInside, self._treadle).record_stop_time()

    def start(self, slot: int) -> None:
        """Run it in a thread, or as a program; called without a scheduler it calls `notify_end` at the end.

        An override that does not call this one runs the job itself, and calls `notify_end(uid)` at the end.
        """
        self._treadle.own_start(slot)

    def run(self) -> None:
        """Do the work."""
        raise NotImplementedError(f"{type(self).__name__} has no run()")

    def interrupt(self) -> bool:
        """Ask it to end; return True the first time. What runs in a thread has to look at `interrupted` itself."""
        return super(_JobInside, self._treadle).interrupt()

    def on_start(self, scheduler: Any) -> None:
        """Take note of the start."""

    def on_finish(self, scheduler: Any) -> None:
        """Take note that it was collected, also if it was skipped or interrupted."""


class EmptyJob(Job):
    """A job that is never started: its status is known beforehand."""

    should_skip = True

    def __init__(
        self, uid: Any, data: Any, notify_end: NotifyEnd, status: ReturnValue = ReturnValue.force_fail
    ) -> None:
        super().__init__(uid, data, notify_end)
        self._treadle.fixed_status = status

    @property
    def status(self) -> ReturnValue:
        """The status given at construction."""
        return self._treadle.fixed_status

    def run(self) -> None:
        """Do nothing."""


class ProcessJob(Job):
    """A job that is a program: subclasses say which by `cmdline`, and how by `cmd_options`."""

    proc_handle: Any = None
    """The program, None before it was started: `pid`, `status`, `is_running`, `wait`, `kill`."""

    @property
    def cmdline(self) -> list[str]:
        """The program and its arguments."""
        raise NotImplementedError(f"{type(self).__name__} has no cmdline")

    @property
    def cmd_options(self) -> dict[str, Any]:
        """How to start it: `cwd`, `output`, `error`, `input`, `env`, `ignore_environ`."""
        return {"output": None}

    def run(self) -> None:
        """Run the program and wait for its end."""
        _job.ProcessJob.run(native(self))


class _JobInside(_job.Job):
    """The Treadle job inside a Job of this module: what an old name means is read from the job outside.

    Where no subclass overrides a method, the one outside calls `super(_JobInside, …)` of the one inside.
    """

    def __init__(self, outer: Job, uid: Any, data: Any, notify_end: NotifyEnd) -> None:
        self.outer = outer
        self.runs_itself = False
        """Whether `start` was overridden and has not come to ours: its end is known by `notify_end` alone."""
        self.fixed_status = ReturnValue.force_fail
        self._next_host: _job.Host | None = None
        super().__init__(uid, data, notify_end)

    uid = _outside("uid")
    data = _outside("data")
    notify_end = _outside("notify_end")
    lock = _outside("lock")
    queue_name = _outside("queue_name")
    tokens = _outside("tokens")
    should_skip = _outside("should_skip")
    slot = _outside("slot")
    interrupted = _outside("interrupted")
    priority = _outside("priority")
    status = _outside("status")
    timing_info = _outside("timing_info")

    record_start_time = _outside("record_start_time")

    record_stop_time = _outside("record_stop_time")

    def start(self, slot: int, host: _job.Host | None = None) -> None:
        self._next_host = host
        self.runs_itself = host is not None
        self.outer.start(slot)

    def own_start(self, slot: int) -> None:
        self.runs_itself = False
        # of this attempt alone: the next one may be started by hand
        host, self._next_host = self._next_host, None
        super().start(slot, host)

    interrupt = _outside("interrupt")

    def run(self) -> Any:
        # what it returns has to be seen: a coroutine would be work that was not done
        run: Callable[[], Any] = self.outer.run
        return run()

    def on_start(self, scheduler: Any) -> None:
        self.outer.on_start(_outer(scheduler))

    def on_finish(self, scheduler: Any) -> None:
        self.outer.on_finish(_outer(scheduler))


class _ProgramInside(_JobInside, _job.ProcessJob):
    """What is inside a ProcessJob: the scheduler's runner waits for its program."""

    cmdline = _outside("cmdline")
    cmd_options = _outside("cmd_options")
    proc_handle = _outside("proc_handle")
    run = _job.ProcessJob.run


class _OwnProgramInside(_ProgramInside):
    """What is inside a ProcessJob whose class has a `run` of its own, which a thread calls."""

    run = _JobInside.run


def _kind_inside(outer: Job) -> type[_JobInside]:
    if not isinstance(outer, ProcessJob):
        return _JobInside
    return _ProgramInside if type(outer).run is ProcessJob.run else _OwnProgramInside


_NUMBERS = count(1)
"""The number of the next job; taking one is a single step."""


class Scheduler:
    """Runs a graph of jobs by queue, tokens and priority."""

    def __init__(
        self,
        job_provider: JobProviderCallback,
        collect: CollectCallback | None = None,
        queues: Mapping[str, int] | None = None,
        tokens: int = 1,
        job_timeout: float | None = DEFAULT_JOB_MAX_DURATION,
    ) -> None:
        self.job_provider = job_provider
        self.collect: Callable[[Any], bool | None] = collect or (lambda _job: False)
        self.queues: dict[str, int] = {}
        self.job_timeout = job_timeout
        self.max_active_jobs = 0
        self._treadle: _SchedulerInside = _named(_SchedulerInside, type(self))(self, queues, tokens, job_timeout)

    @classmethod
    def simple_provider(cls, job_class: type[Job]) -> JobProviderCallback:
        """Return a provider that makes a `job_class` for each vertex."""
        kind: Any = job_class
        return _scheduler.Scheduler.simple_provider(kind)

    @property
    def tokens(self) -> dict[str, int]:
        """The tokens of each queue that are free now, as a copy."""
        return self._treadle.free_tokens()

    @property
    def slots(self) -> list[int]:
        """The slots that no job has now, of as many as there are tokens, as a copy."""
        return self._treadle.free_slots()

    @property
    def active_jobs(self) -> list[Job]:
        """The jobs that run now, in order of their start."""
        return [_outer(job) for job in self._treadle.active_jobs]

    @property
    def queued_jobs(self) -> int:
        """How many jobs wait for tokens."""
        return self._treadle.queued_jobs

    @property
    def start_time(self) -> datetime | None:
        """When the run began, in UTC."""
        return self._treadle.start_time

    @property
    def stop_time(self) -> datetime | None:
        """When the run ended, in UTC."""
        return self._treadle.stop_time

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return super(_SchedulerInside, self._treadle).is_finished

    def run(self, dag: _dag.DAG) -> None:
        """Run all jobs of the graph; return when they have ended."""
        self._treadle.run(dag)

    def init_state(self, dag: _dag.DAG) -> None:
        """Forget the previous run and take in a graph, which is checked."""
        super(_SchedulerInside, self._treadle).init_state(dag)

    def enqueue(self) -> None:
        """Take all vertices that are ready."""
        super(_SchedulerInside, self._treadle).enqueue()

    def push(self, job: Any) -> None:
        """Put a job into its queue."""
        super(_SchedulerInside, self._treadle).push(native(job))

    def launch(self) -> None:
        """Attempt all jobs that have their tokens."""
        super(_SchedulerInside, self._treadle).launch()

    def wait(self) -> None:
        """Sleep until a job ends or a time limit passes."""
        super(_SchedulerInside, self._treadle).wait()

    def log_state(self) -> None:
        """Show the state, once in each round."""

    def safe_collect(self, job: Any) -> bool:
        """Call `collect` under the lock of the jobs."""
        return super(_SchedulerInside, self._treadle).safe_collect(native(job))

    def safe_job_provider(self, uid: Hashable, data: Any, predecessors: frozenset[Hashable]) -> Any:
        """Call `job_provider` under the lock of the jobs."""
        return _outer(super(_SchedulerInside, self._treadle).safe_job_provider(uid, data, predecessors))


class _SchedulerInside(_scheduler.Scheduler):
    """The Treadle scheduler inside a Scheduler of this module."""

    def __init__(
        self, outer: Scheduler, queues: Mapping[str, int] | None, tokens: int, job_timeout: float | None
    ) -> None:
        self.outer = outer
        self._is_aborting = False
        super().__init__(self._provide, self._collect, queues, tokens, job_timeout)
        self.lock = Job.lock

    queues = _outside("queues")
    job_timeout = _outside("job_timeout")
    max_active_jobs = _outside("max_active_jobs")
    is_finished = _outside("is_finished")

    def _provide(self, uid: Hashable, data: Any, predecessors: frozenset[Hashable], _: NotifyEnd) -> Any:
        made: list[Any] = []

        def notify_end(_: Hashable) -> None:
            # called only by a job with a `start` of its own
            for job in made:
                self.report_end(job, job.attempt)

        provider = self.outer.job_provider
        job = _inside(call_hook(provider, uid, uid, data, predecessors, notify_end), provider, uid)
        made.append(job)
        return job

    def _collect(self, job: _job.Job) -> bool | None:
        requeue: bool | None = call_hook(self.outer.collect, job.uid, _outer(job))
        return requeue

    def free_tokens(self) -> dict[str, int]:
        admission = getattr(self, "_admission", None)
        return dict(self.outer.queues if admission is None else admission.free)

    def free_slots(self) -> list[int]:
        admission = getattr(self, "_admission", None)
        taken = () if admission is None else admission.taken
        return [slot for slot in range(sum(self.outer.queues.values())) if slot not in taken]

    def init_state(self, dag: _dag.DAG) -> None:
        self._is_aborting = False
        self.outer.init_state(dag)

    enqueue = _outside("enqueue")

    def push(self, job: _job.Job) -> None:
        self.outer.push(_outer(job))

    launch = _outside("launch")

    wait = _outside("wait")

    log_state = _outside("log_state")

    def safe_collect(self, job: _job.Job) -> bool:
        return self.outer.safe_collect(_outer(job))

    def safe_job_provider(self, uid: Hashable, data: Any, predecessors: frozenset[Hashable]) -> Any:
        provider = self.outer.safe_job_provider
        return _inside(call_hook(provider, uid, uid, data, predecessors), provider, uid)

    def _abort(self, error: BaseException) -> None:
        self._is_aborting = True
        super()._abort(error)

    def _finish(self, job: _job.Job) -> None:
        if self._is_aborting:
            # also what has ended before it could be interrupted: e3 collects it as interrupted
            job.interrupted = True
        super()._finish(job)

    def _abandon(self, job: _job.Job) -> bool:
        if not isinstance(job, _JobInside) or not job.runs_itself:
            return super()._abandon(job)
        self._inbox.ended.append(job)
        self._given_up.add(job)
        job.fail("it did not end when it was interrupted")
        return True


class Walk:
    """A walk that runs as soon as it is made: a subclass sets its attributes before it calls this constructor.

    An action meets the hooks in this order: `load_previous_fingerprint`, `compute_fingerprint` (the prediction),
    `should_execute_action`, then `create_skipped_job` or `create_job`; before its job starts
    `save_fingerprint(uid, None)`; after it ended well `compute_fingerprint` and `save_fingerprint`.
    """

    def __init__(self, actions: _dag.DAG) -> None:
        self.scheduler: Any = None
        self._treadle: _WalkInside = _named(_WalkInside, type(self))(self, actions)
        self._treadle.run()

    # set by the walk inside, before any hook is called
    actions: Any
    prev_fingerprints: dict[Hashable, Any]
    new_fingerprints: dict[Hashable, Any]
    job_status: dict[Hashable, ReturnValue]
    failure_source: dict[Hashable, set[Hashable]]
    queues: dict[str, int]
    tokens: int
    job_timeout: float | None

    def set_scheduling_params(self) -> None:
        """Set `queues`, `tokens` and `job_timeout`."""

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        """Return what the outcome of the action depends on, or None if that is not known.

        :param is_prediction: True before the action runs, False after it ended well
        """
        return None

    def save_fingerprint(self, uid: Any, fingerprint: Any) -> None:
        """Put a fingerprint on record; None removes the one that is there."""

    def load_previous_fingerprint(self, uid: Any) -> Any:
        """Return the fingerprint on record, None if there is none."""
        return None

    def should_execute_action(self, uid: Any, previous_fingerprint: Any, new_fingerprint: Any) -> bool:
        """Return whether the action runs."""
        return super(_WalkInside, self._treadle).should_execute_action(uid, previous_fingerprint, new_fingerprint)

    def create_skipped_job(
        self,
        uid: Any,
        data: Any,
        predecessors: frozenset[Any],
        reason: str,
        notify_end: NotifyEnd,
        status: ReturnValue = ReturnValue.failure,
    ) -> Job:
        """Return the job of an action that does not run."""
        return EmptyJob(uid, data, notify_end, status)

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
        """Return the job of an action that runs."""
        raise NotImplementedError(f"{type(self).__name__} has no create_job()")

    def request_requeue(self, job: Any) -> bool:
        """Return whether a job that ended with notready is queued again."""
        return False

    def get_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
        """Decide on an action whose predecessors are done, and return its job."""
        job: Job = _outer(self._treadle.get_job(uid, data, predecessors, notify_end))
        return job

    def collect(self, job: Any) -> bool:
        """Take in a job that ended; return whether it is queued again."""
        return self._treadle.collect(native(job))


class _WalkInside(_walk.Walk):
    """The Treadle walk inside a Walk of this module."""

    def __init__(self, outer: Walk, actions: _dag.DAG) -> None:
        self.outer = outer
        super().__init__(actions)

    actions = _outside("actions")
    prev_fingerprints = _outside("prev_fingerprints")
    new_fingerprints = _outside("new_fingerprints")
    job_status = _outside("job_status")
    failure_source = _outside("failure_source")
    queues = _outside("queues")
    tokens = _outside("tokens")
    job_timeout = _outside("job_timeout")

    def create_scheduler(self) -> _scheduler.Scheduler:
        outer = self.outer
        outer.scheduler = Scheduler(outer.get_job, outer.collect, outer.queues, outer.tokens, outer.job_timeout)
        inside: _scheduler.Scheduler = native(outer.scheduler)
        inside.before_start = self._before_start
        return inside

    set_scheduling_params = _outside("set_scheduling_params")

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        if is_prediction:
            return self.outer.compute_fingerprint(uid, data, is_prediction=True)
        return self.outer.compute_fingerprint(uid, data)

    def inputs_moved(self, uid: Any, before: Any, after: Any) -> list[str]:
        return super().inputs_moved(uid, native(before), native(after))

    def _has_results(self, fingerprint: Any) -> bool:
        return super()._has_results(native(fingerprint))

    save_fingerprint = _outside("save_fingerprint")

    load_previous_fingerprint = _outside("load_previous_fingerprint")

    should_execute_action = _outside("should_execute_action")

    def create_skipped_job(
        self,
        uid: Any,
        data: Any,
        predecessors: frozenset[Any],
        reason: str,
        notify_end: NotifyEnd,
        status: ReturnValue = ReturnValue.failure,
    ) -> Any:
        return native(self.outer.create_skipped_job(uid, data, predecessors, reason, notify_end, status))

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Any:
        return native(self.outer.create_job(uid, data, predecessors, notify_end))

    def request_requeue(self, job: Any) -> bool:
        return self.outer.request_requeue(_outer(job))


JobProviderCallback = Callable[[Hashable, Any, frozenset[Hashable], NotifyEnd], Any]
"""`(uid, data, predecessors, notify_end) -> Job`: called when all predecessors of a vertex have left."""
CollectCallback = Callable[[Any], bool | None]
"""Called with each job that ended; a true result queues the same job again."""
