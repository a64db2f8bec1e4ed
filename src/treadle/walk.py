"""Walk: computes, loads and compares fingerprints, decides, and hands jobs to the Scheduler.

Subclass it and override hooks; `run()` walks. It knows nothing of commands, files or where records are kept.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from time import monotonic

from ._startup.interpreter import RareCollection
from .core import decision
from .core.decision import Reason, Verdict
from .core.graph.dag import edge_conditions, require_graph
from .core.outcomes import CANCEL, FAIL, NO_OUTCOME, PASS, RAN, ActionReport, Outcome, Report, outcome
from .errors import (
    HookError,
    RunError,
    StateError,
    StopRequestedError,
    TreadleError,
    UsageError,
    is_shortage,
    listed,
)
from .events.bus import Action, Bus, Ended, Started, WalkBegan, end_of_walk
from .scheduling.hooks import add_note, call_hook, refusal, shown, words_of
from .scheduling.job import RUN_ID, EmptyJob, Job, ProcessJob
from .scheduling.scheduler import DEFAULT_JOB_MAX_DURATION, DRAINING, KILLING, RUNNING, STOPPING, Scheduler
from .status import ReturnValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
    from typing import Any

    from .content.fingerprint import Fingerprint
    from .core.callbacks import NotifyEnd
    from .core.conditions import Judgement, Start
    from .core.graph.dag import DAG
    from .core.pool import Pool
    from .core.retry import Policy
    from .core.time_left import TimeLeft
    from .engines.base import BaseRunner
    from .engines.spec import Engine
    from .scheduling.live import LiveLimits

OUT_OF_TIME = "the time limit of the run was reached"


class Walk:
    """Walks a graph of actions and runs those that changed.

    The constructor only keeps its arguments. The hooks, in the order in which an action meets them:
    `set_scheduling_params` (once), `load_previous_fingerprint`, `compute_fingerprint` (the prediction),
    `should_execute_action`, then `create_skipped_job` or `restore` and `create_job`; once more is ready than may
    start, `expected_duration`; before a job starts `save_fingerprint(uid, None)`; after it ended well
    `compute_fingerprint`, `inputs_moved` and `save_fingerprint`, after notready `request_requeue`. Where they are
    left alone nothing has a fingerprint, and each action runs.
    The names and signatures are those of e3.

    >>> from treadle import DAG, Job, Walk
    >>> class Greet(Job):
    ...     def run(self):
    ...         print("hello", self.data)
    >>> class Greetings(Walk):
    ...     def create_job(self, uid, data, predecessors, notify_end):
    ...         return Greet(uid, data, notify_end)
    >>> actions = DAG()
    >>> actions.add_vertex("first", "world")
    >>> actions.add_vertex("second", "again", ["first"])
    >>> Greetings(actions).run().ok
    hello world
    hello again
    True

    :param fail_fast: whether nothing new starts after the first failure, see `keep_going`
    """

    def __init__(self, actions: DAG, *, fail_fast: bool = False) -> None:
        require_graph(actions)
        self.actions = actions
        self.prev_fingerprints: dict[Hashable, Any] = {}
        self.new_fingerprints: dict[Hashable, Any] = {}
        self.outcomes: dict[Hashable, Outcome] = {}
        """How each action that had its turn has ended."""
        self.job_status: dict[Hashable, ReturnValue] = {}
        """The status that follows from that."""
        self.failure_source: dict[Hashable, set[Hashable]] = {}
        self.verdicts: dict[Hashable, Verdict] = {}
        self.reports: dict[Hashable, ActionReport] = {}
        self.queues: dict[str, int] = {}
        self.tokens = 1
        self.job_timeout: float | None = DEFAULT_JOB_MAX_DURATION
        self.pool: Pool | None = None
        """What there is for jobs that have a `demand`; None for what this machine has."""
        self.keep_going = 1 if fail_fast else 0
        """Failures after which nothing new starts, and what runs may end; 0 for any number. What is tried again has
        not failed."""
        self.stop_after = 0
        """Actions that have run, well or not, after whose end nothing new starts; 0 for any number."""
        self.deadline: float | None = None
        """When what runs is ended and nothing new starts, on the clock of `time.monotonic`; None for never."""
        self.why_stopped = ""
        """Why nothing new starts, where the walk has found that itself."""
        self.max_running: int | None = None
        """How many jobs may run at the same time, over all queues; None for any number."""
        self.scheduler: Scheduler | None = None
        self.bus = Bus()
        """Where the walk publishes what happens in it."""
        self.engines: dict[str, BaseRunner | Engine] = {}
        """Name -> engine, in addition to this machine: a job whose `engine` names one has its program run there."""
        self.untouched = 0
        """How many actions in addition to the graph need not be walked, since nothing of them has moved."""
        self.unneeded = 0
        """How many of these are not needed, as long as nothing fails."""
        self.saved = 0.0
        """Seconds that the actions which were skipped took when they last ran, as far as is known."""
        self.is_paused = False
        """Whether nothing new starts, see `pause`."""
        self.live: LiveLimits | None = None
        """The limits that `set_limits` has changed."""
        self._stop_requested: int | None = None
        self._failures = 0
        self.runs_ended = 0
        """How many actions have run, well or not, and are not tried again."""
        self._has_said_why = False
        self._running = allocate_lock()
        self._has_run = False
        self._is_cut = False
        """Whether an exception has ended the last run."""
        self._is_published = False
        """Whether the begin of this run was published."""
        self._between: dict[str, Ended] = {}
        """Name -> how its last attempt ended, as published, of what is tried again."""
        self._restored_from: dict[Hashable, str] = {}
        """Where the outputs came from of actions that were restored in place of running."""
        self._positions: dict[Hashable, int] | None = None
        self._said_durations: dict[Hashable, float | None] = {}
        """What `expected_duration` has said."""
        self._unrecorded: dict[Hashable, str] = {}
        """Why the last success of an action was not recorded; the next run of this object says it as its reason."""
        self._unknown: set[Hashable] = set()
        """Those of them that have no result elements: what depends on them is not recorded either."""
        self._turn = 0
        """Counts starts and ends of jobs."""
        self._decided: dict[Hashable, int] = {}
        """The turn in which each action was last looked at."""
        self._needless: set[Hashable] = set()
        """What has ended well without a result: not needed, or skipped by itself."""
        self._is_conditional: bool | None = None
        """`_has_conditions` of this run, once it has been asked."""
        self._unstarted: set[Hashable] = set()
        """What was left as it is although all that it comes after has ended."""
        self._why_unstarted: dict[Hashable, str] = {}
        """Why, of those for which it is not that the run ends."""
        self._met_by: dict[Hashable, tuple[Reason, ...]] = {}
        """The conditions of actions that something else than a success has met, as reasons to run."""

    def set_scheduling_params(self) -> None:
        """Set `queues`, `tokens`, `job_timeout`, `pool` and `max_running`; called at the start of `run`."""

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        """Return what the outcome of the action depends on, or None if that is not known.

        :param is_prediction: True before the action runs: what the fingerprint will be if it succeeds. None
            makes it run; it is called once more when the job starts, if others started or ended meanwhile.
            False after it ended well: this fingerprint goes on record, unless `inputs_moved` says otherwise.
        """
        return None

    def inputs_moved(self, uid: Any, before: Any, after: Any) -> list[str]:
        """Return the names of what changed while the job ran; if there are any, its success is not recorded.

        What the job has read then is neither the state before nor the state after, so the action runs again next
        time. By default this compares the keys of two Fingerprints: all elements that are not results. Of other
        values it cannot say what is an input and what is a result of the job, and returns nothing: a subclass whose
        fingerprints are values of another kind overrides this. What changed and was changed back is not seen.

        :param before: the prediction as it was when the job started; None if there was none
        :param after: the fingerprint after the job ended well
        """
        from .content.fingerprint import Fingerprint

        if not isinstance(before, Fingerprint) or not isinstance(after, Fingerprint):
            return []
        return sorted({name for name, _ in _key_of(before) ^ _key_of(after)})

    def save_fingerprint(self, uid: Any, fingerprint: Any) -> None:
        """Put a fingerprint on record; None removes the one that is there, since the action is about to start."""

    def load_previous_fingerprint(self, uid: Any) -> Any:
        """Return the fingerprint on record, None if there is none."""
        return None

    def should_execute_action(self, uid: Any, previous_fingerprint: Any, new_fingerprint: Any) -> bool:
        """Return whether the action runs; by default as its verdict says (see `core.decision.decide`)."""
        return self.decide(uid, previous_fingerprint, new_fingerprint).decision == decision.RUN

    def create_skipped_job(
        self,
        uid: Any,
        data: Any,
        predecessors: frozenset[Any],
        reason: str,
        notify_end: NotifyEnd,
        status: ReturnValue = ReturnValue.failure,
    ) -> Job:
        """Return the job of an action that does not run.

        :param reason: why, in words
        :param status: `skip`, also if it is not needed, or `force_fail` after a failure before it
        """
        return EmptyJob(uid, data, notify_end, status)

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
        """Return the job of an action that runs."""
        raise NotImplementedError(f"{type(self).__name__} has no create_job()")

    def restore(self, uid: Any, data: Any, fingerprint: Any) -> str | None:
        """Put what an action would make into its place from elsewhere, in place of running it.

        Called for an action that was decided to run for a reason that this meets too, not for what is forced, and
        only if a subclass overrides it. It puts all of it there or changes nothing. The record has ceased to count
        by then; this end is recorded as a success is.

        :param fingerprint: the prediction: what the action depends on as it is now
        :return: where it came from, in words; None to have the action run
        :raises OSError: it failed midway: the action fails with these words; so does a TreadleError
        """
        return None

    def outcome_of(self, job: Any) -> Outcome:
        """Return how a job that ended has ended: by default what it says itself.

        The status, what comes after it and whether it goes on record follow from this.
        """
        ended: Outcome = job.outcome
        return ended

    def request_requeue(self, job: Any) -> bool:
        """Return whether a job that ended with notready, or failed and has `retries`, is queued again.

        By default as its `retries` say; without these it is not.
        """
        if job.retries is None or self._stop_requested:
            return False
        code = job.code if isinstance(job, ProcessJob) and job.failure is None and not job.timed_out else None
        return self._next_attempt(job, job.retries, self.outcomes[job.uid], code=code)

    def _next_attempt(
        self, job: Job, retries: Policy, ended: Outcome, *, code: int | None, codes: Collection[int] = ()
    ) -> bool:
        """Return whether another attempt follows one that did not end well, and let the job have what it gets then.

        :param code: the exit code, None if no program of it ended by itself
        :param codes: exit codes that ask for another attempt
        """
        from .scheduling.retrying import capped, next_attempt, with_remark

        seed = self._seed_of(job.uid)
        found = next_attempt(job, retries, ended, seed=seed, code=code, codes=codes, pool=self._pool_to_grow_in)
        if found.remark:
            self._note(job, with_remark(ended, found))
        if found.capped:
            self.bus.publish("note", f"{job.uid}: {capped(found)}, as there is no more")
        return found.again

    def _seed_of(self, uid: Hashable) -> str:
        """Return what the jitter of pauses depends on."""
        return f"{RUN_ID} {uid}"

    def _pool_to_grow_in(self) -> Pool | None:
        """Return what there is for attempts that grow; None where no job has asked for anything of it."""
        return self.pool if self.scheduler is None else self.scheduler.pool

    def expected_duration(self, uid: Any) -> float | None:
        """Return the seconds that an action is expected to take, None where that is not known.

        Of what is ready and equal in priority that goes first with which the longest path begins; what is not known
        counts as one second. It is called once for each action, when for the first time more is ready than may
        start, or shown how much is left; that is before most of them are decided.
        """
        return None

    def is_met(self, uid: Any, predecessor: Any, outcome: Outcome) -> bool:
        """Return whether the end of a predecessor lets an action run: by default as the edge's condition says.

        Called when all attempts of the predecessor are over. The action runs if this holds for all of them.
        """
        condition = self.actions.get_condition(predecessor, uid)
        return _lets_success_in(outcome) if condition is None else condition.is_met(outcome)

    def demands(self, uid: Any) -> list[Reason]:
        """Return reasons to run that no fingerprint holds: always, forced, the last run failed."""
        return []

    def decide(self, uid: Any, previous: Any, new: Any) -> Verdict:
        """Return the verdict on an action whose predecessors have ended well."""
        demands = call_hook(self.demands, uid, uid)
        if not isinstance(demands, list | tuple) or not all(isinstance(one, Reason) for one in demands):
            raise refusal(self.demands, demands, "a list of Reasons", uid)
        if previous is None and uid in self._unrecorded:
            demands = [*demands, Reason(decision.INPUTS_MOVED, "", self._unrecorded[uid])]
        if uid in self._met_by:
            # that it also followed one the last time says nothing more
            demands = [*self._met_by[uid], *(one for one in demands if one.kind != decision.AFTER_FAILURE)]
        return decision.decide(previous, new, untracked=self._untracked(uid), demands=demands)

    def about_to_start(self, jobs: list[Job]) -> None:
        """Invalidate the records of the jobs of a batch that is about to start.

        Only jobs of actions that were decided to run are among them: the job of a skipped or blocked action may do
        something too, and leaves the record alone.
        """
        for job in jobs:
            self._look_again(job)
            call_hook(self.save_fingerprint, job.uid, job.uid, None)

    def run(self) -> Report:
        """Walk the graph and return what became of each action.

        :raises DAGError: the graph has a cycle or a predecessor that is not there; nothing has started then
        :raises RunError: it runs already, in another thread or around this call
        """
        if not self._running.acquire(blocking=False):
            raise RunError("this walk runs already", hint="make another one of the same graph")
        try:
            if self._has_run:
                # what came after the end of the previous run was for that one
                self._stop_requested = None
            self._has_run, self._is_cut, self._is_published = True, False, False
            self.why_stopped, self._has_said_why = "", False
            report = self._run_alone() if self.deadline is None else self._run_until(self.deadline)
        except BaseException:
            self._is_cut = True
            if self._is_published:
                self._publish_end(self.report())
            raise
        else:
            if self._is_published:
                self._publish_end(report)
            return report
        finally:
            self._running.release()

    def _run_until(self, deadline: float) -> Report:
        """Do what `_run_alone` does, and end at a time."""
        given: object = deadline
        # not a number does not equal itself
        if not isinstance(given, int | float) or isinstance(given, bool) or given != given:
            raise UsageError(
                f"the deadline is {shown(deadline)}",
                facts=("expected a time on the clock of time.monotonic, None for no end",),
            )
        from threading import TIMEOUT_MAX, Timer

        left = deadline - monotonic()
        if left <= 0:
            self._end_in_time()
            return self._run_alone()
        timer = Timer(min(left, TIMEOUT_MAX), self._end_in_time)
        timer.daemon = True
        timer.start()
        try:
            return self._run_alone()
        finally:
            timer.cancel()
            timer.join()

    def _end_in_time(self) -> None:
        """End what runs, as the time of the run is over; called in a thread of its own."""
        if (self._stop_requested or 0) < STOPPING:
            self.why_stopped, self._has_said_why = OUT_OF_TIME, False
        self.stop(STOPPING)

    def _run_alone(self) -> Report:
        """Do what `run` does, which sees to it that nothing else does so at the same time."""
        self.prev_fingerprints, self.new_fingerprints, self.job_status = {}, {}, {}
        self.failure_source, self.verdicts, self.reports, self.outcomes = {}, {}, {}, {}
        self._positions = None
        self._said_durations = {}
        self._unknown, self._decided, self._turn, self._between = set(), {}, 0, {}
        self._restored_from = {}
        self._needless, self._met_by, self._unstarted, self._is_conditional = set(), {}, set(), None
        self._why_unstarted = {}
        self._failures = self.runs_ended = 0
        self._ask_once(self.set_scheduling_params)
        for name in ("keep_going", "stop_after"):
            number = getattr(self, name)
            # True would be one failure, which is the opposite of what it says
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                raise UsageError(f"{name} is {shown(number)}", facts=("expected a whole number, 0 for no limit",))
        scheduler = self._ask_once(self.create_scheduler)
        if not isinstance(scheduler, Scheduler):
            raise refusal(self.create_scheduler, scheduler, "a Scheduler")
        self.scheduler = scheduler
        if self.bus:
            self._publish_began(self.actions)
        if self._stop_requested is None:
            with RareCollection():
                self.scheduler.run(self.actions)
        return self.report()

    async def co_run(self) -> Report:
        """Walk the graph as `run` does, for a coroutine; cancelling it stops the walk, and waits."""
        from .scheduling.awaiting import in_thread

        report: Report = await in_thread(self.run, lambda again: self.stop(KILLING if again else STOPPING))
        return report

    def create_scheduler(self) -> Scheduler:
        """Return the Scheduler of this walk."""
        scheduler = Scheduler(
            job_provider=self.get_job,
            collect=self.collect,
            queues=self.queues,
            tokens=self.tokens,
            job_timeout=self.job_timeout,
            pool=self.pool,
        )
        scheduler.max_running = self.max_running
        scheduler.is_paused, scheduler.live = self.is_paused, self.live
        scheduler.before_start = self._before_start
        scheduler.expected_duration = self._expected
        runners = self._runners()
        if runners:
            from .engines.several import Engines

            scheduler.runner = Engines(runners)
            for one in runners.values():
                one.on_note = lambda text: scheduler.call_soon(lambda: self.bus.publish("note", text))
        if self.bus:
            scheduler.after_start = self._publish_started
            scheduler.on_round = self._round
            scheduler.tick = self.bus.tick
        return scheduler

    def _runners(self) -> dict[str, BaseRunner]:
        """Return name -> what runs attempts there, of each engine other than this machine."""
        if not self.engines:
            return {}
        from .engines.base import BaseRunner

        runners = {name: one for name, one in self.engines.items() if isinstance(one, BaseRunner)}
        for name in self.engines.keys() - runners.keys():
            raise UsageError(
                f"the engine {name} needs a folder that its workers see, which a {type(self).__name__} has not",
                hint="a CommandWalk has one; a BaseRunner needs none",
            )
        return runners

    def _expected(self, uid: Hashable) -> float | None:
        if uid in self._said_durations:
            return self._said_durations[uid]
        seconds: float | None = call_hook(self.expected_duration, uid, uid)
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if seconds is not None and not (is_number and 0 <= seconds < float("inf")):
            raise refusal(self.expected_duration, seconds, "seconds, or None where they are not known", uid)
        self._said_durations[uid] = seconds
        return seconds

    def _time_left(self) -> TimeLeft:
        """Return what is expected of the actions that do not wait for a failure."""
        from .core.graph.longest_path import longest_paths, only_after_failures
        from .core.time_left import TimeLeft

        unlikely = only_after_failures(self.actions)
        names = {uid: str(uid) for uid in self.actions.vertex_data if uid not in unlikely}
        paths = longest_paths(self.actions, self._expected)
        return TimeLeft(
            {name: self._expected(uid) for uid, name in names.items()},
            {name: paths[uid] for uid, name in names.items()},
            {name: self._shares(uid) for uid, name in names.items()},
            lambda: self.scheduler is not None and self.scheduler.stop_mode != RUNNING,
        )

    def _shares(self, uid: Hashable) -> dict[str, float]:
        """Return the parts that an action takes of what bounds how many run at the same time, by name."""
        del uid
        # what queue a job is for only the job says
        most = sum(self.queues.values()) or self.tokens
        return {"": 1 / max(1, most if self.max_running is None else min(most, self.max_running))}

    def stop(self, stop_mode: int = STOPPING) -> None:
        """Request the end of the walk; any thread and any signal handler may call this.

        Before the first run it counts for that one; after a run it comes too late, and the next one is not stopped.

        :param stop_mode: `DRAINING` (nothing new starts), `STOPPING` (what runs is ended) or `KILLING` (at once)
        """
        if self._has_run and not self._running.locked():
            # it is done
            return
        self._stop_requested = max(stop_mode, self._stop_requested or 0)
        if self.scheduler is not None:
            self.scheduler.stop(stop_mode)

    def pause(self) -> None:
        """Start nothing new until `go_on` is called; what runs goes on. Any thread may call this.

        Before the first run it counts for that one.
        """
        self.is_paused = True
        if self.scheduler is not None:
            self.scheduler.pause()

    def go_on(self) -> None:
        """Start again what may start, after `pause`; any thread may call this."""
        self.is_paused = False
        if self.scheduler is not None:
            self.scheduler.go_on()

    def set_limits(
        self,
        *,
        queues: Mapping[str, int] | None = None,
        resources: Mapping[str, int] | None = None,
        limits: Mapping[str, int] | None = None,
        max_running: int | None = None,
    ) -> None:
        """Change how much may run at the same time; any thread may call this, also while the walk runs.

        What runs goes on: after a limit was lowered nothing starts until enough has ended. What then waits for more
        than there is waits until the limit is raised.

        :param queues: name -> tokens
        :param resources: type -> how much may be used, up to what the pool has
        :param limits: the group of a `limit`, in a plan a family of actions -> how many of it may run
        :param max_running: how many jobs may run, over all queues
        :raises UsageError: a number is no whole number of 0 or more
        """
        from .scheduling.live import LiveLimits, check_limits

        check_limits(queues, resources, limits, max_running)
        if self.live is None:
            self.live = LiveLimits()
        live, scheduler = self.live, self.scheduler
        live.change(queues, resources, limits, max_running)
        if scheduler is not None:
            scheduler.live = live
            scheduler.call_soon(scheduler.take_over_limits)

    def report(self) -> Report:
        """Return what has become of each action up to now."""
        actions = {uid: self.reports.get(uid) or self._open_report(uid) for uid in self.actions.vertex_data}
        if any(action.status is None for action in actions.values()):
            self._find_blocked(actions)
        return Report(actions, interrupted=self._is_cut or self._stop_requested is not None)

    def _open_report(self, uid: Hashable) -> ActionReport:
        why = self._why_unstarted.get(uid, self.why_stopped)
        report = ActionReport(uid, outcome("not_started", why) if why else NO_OUTCOME, self.verdicts.get(uid))
        report.is_open = True
        return report

    def _find_blocked(self, actions: dict[Hashable, ActionReport]) -> None:
        """Say of what the walk did not come to whether a failure has blocked them; an interruption is none."""
        for uid, _ in self.actions:
            action = actions[uid]
            if action.status is not None:
                continue
            before = [actions[p] for p in self.actions.get_predecessors(uid)]
            failed = [a for a in before if a.status is not None and not a.status.is_good and not a.interrupted]
            if failed and self._has_conditions:
                from .core.conditions import has_failed

                failed = [
                    a
                    for a in failed
                    if has_failed(a.outcome) and not call_hook(self.is_met, uid, uid, a.uid, a.outcome)
                ]
            outside = frozenset(self._failed_before(uid))
            if failed or outside:
                action.outcome, action.status = outcome("blocked"), ReturnValue.force_fail
                action.origins = outside.union(*(a.origins or {a.uid} for a in failed))
                action.verdict = decision.blocked(self._in_order(action.origins))

    def get_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
        """Decide on an action whose predecessors are done, and return its job.

        An OSError or a TreadleError of a hook is about what the action works on: it fails that action alone. All
        other exceptions, and what a hook may not return, are bugs of the hook: they end the walk.
        """
        if self._is_conditional is None:
            self._is_conditional = self._has_conditions
        try:
            if self._is_conditional or not self._unstarted.isdisjoint(predecessors):
                job = self._job_by_conditions(uid, data, predecessors, notify_end)
            elif failed := [*self._failed_before(uid), *(p for p in predecessors if not self._is_good(p))]:
                if any(self._was_cut_short(p) for p in failed):
                    # that is no failure
                    job = self._job_by_conditions(uid, data, predecessors, notify_end)
                else:
                    job = self._blocked_job(uid, data, predecessors, self._in_order(failed), notify_end)
            elif self._needless and not self._needless.isdisjoint(predecessors):
                job = self._job_by_conditions(uid, data, predecessors, notify_end)
            else:
                job = self._decided_job(uid, data, predecessors, notify_end)
        except HookError:
            raise
        except (OSError, TreadleError) as error:
            job = self._job_of_unanswered(uid, data, notify_end, error)
        if self.bus and uid in self.verdicts:
            self.bus.publish("decided", str(uid), self.verdicts[uid])
        return job

    def collect(self, job: Any) -> bool:
        """Take in a job that ended; return whether it is queued again."""
        uid = job.uid
        if uid in self._unstarted:
            return False
        self._turn += not job.should_skip
        ended = self._asked_outcome(job)
        self._note(job, ended)
        if (ended.category == PASS or ended.kind == "skip") and self._is_to_run(uid):
            self._finish(job)
        retry = False
        if not job.should_skip and (
            ended.status == ReturnValue.notready or (job.retries is not None and ended.category == FAIL)
        ):
            retry = bool(call_hook(self.request_requeue, uid, job))
            if retry and self.scheduler is not None and self.scheduler.has_given_up(job):
                retry = False
        if not retry:
            self._count_end(job)
        self._publish_ended(job, retry=retry)
        return retry

    def _count_end(self, job: Job) -> None:
        """Count an action that has ended for good; after enough of them nothing new starts."""
        ended = self.outcomes[job.uid]
        if ended.category == FAIL or ended.kind == "not_ready":
            self._count_failure()
        if job.attempt and ended.category != CANCEL and self._is_to_run(job.uid):
            self.runs_ended += 1
            if self.runs_ended == self.stop_after:
                self.why_stopped = self.why_stopped or _so_many(self.runs_ended, "run")
                if self.scheduler is not None:
                    self.scheduler.stop(DRAINING)

    def _count_failure(self) -> None:
        self._failures += 1
        if self._failures == self.keep_going:
            # each failure is published by itself
            self._has_said_why = not self.why_stopped
            self.why_stopped = self.why_stopped or _so_many(self._failures, "failed")
            self._stop_after_failures()

    def _stop_after_failures(self) -> None:
        """Let what runs end, and start nothing new."""
        if self.scheduler is not None:
            self.scheduler.stop(DRAINING)

    @property
    def _has_conditions(self) -> bool:
        """Whether it takes more than the statuses of its predecessors to say whether an action may run."""
        return bool(edge_conditions(self.actions)) or type(self).is_met is not Walk.is_met

    def _was_cut_short(self, uid: Hashable) -> bool:
        """Return whether an action was cancelled, or left unstarted."""
        ended = self.outcomes.get(uid, outcome("failed"))
        return ended.category == CANCEL or ended.kind == NO_OUTCOME.kind

    def _outside_starts(self, uid: Hashable) -> Collection[Start]:
        """Return how those starts of edges to an action have ended that are not in the graph of this walk."""
        return ()

    def _start_of(self, uid: Hashable, predecessor: Any, ended: Outcome) -> Start:
        """Return the start of an edge with how it has ended, or is taken to end."""
        from .core.conditions import Start

        condition = self.actions.get_condition(predecessor, uid)
        origins = self._in_order(self.failure_source.get(predecessor, ()))
        is_met = bool(call_hook(self.is_met, uid, uid, predecessor, ended))
        return Start(predecessor, ended, is_met, origins, "on_success" if condition is None else condition.text)

    def _judge(self, uid: Hashable, predecessors: Collection[Any]) -> Judgement:
        """Return what the conditions of an action say, all of whose predecessors have ended."""
        from .core.conditions import Start, judge

        starts = [Start(p, outcome("failed"), False) for p in self._failed_before(uid)]
        starts += [self._start_of(uid, p, self.outcomes.get(p, NO_OUTCOME)) for p in self._in_order(predecessors)]
        return judge([*starts, *self._outside_starts(uid)])

    def _job_by_conditions(
        self, uid: Hashable, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd
    ) -> Job:
        """Return the job of an action as the conditions of its edges say."""
        from .core import conditions

        judged = self._judge(uid, predecessors)
        if judged.kind == conditions.BLOCKED:
            failed = [start.uid for start in judged.by]
            return self._blocked_job(uid, data, predecessors, failed, notify_end, judged.origins)
        if judged.kind == conditions.NEEDLESS:
            return self._unneeded_job(uid, data, predecessors, judged, notify_end)
        if judged.kind == conditions.NOT_STARTED or not self._is_let_in(uid, judged):
            unstarted = [str(start.uid) for start in judged.by if start.uid in self._why_unstarted]
            if unstarted:
                self._why_unstarted[uid] = f"it needs {listed(unstarted, 3)}, which was not started"
            return self._unstarted_job(uid, data, notify_end)
        if judged.by:
            self._met_by[uid] = tuple(Reason(decision.MET_BY, str(s.uid), None, s.outcome.kind) for s in judged.by)
        return self._decided_job(uid, data, predecessors, notify_end)

    def _is_let_in(self, uid: Hashable, judged: Judgement) -> bool:
        """Return whether an action may start, all conditions of which are met."""
        return True

    def _unstarted_job(self, uid: Hashable, data: Any, notify_end: NotifyEnd) -> Job:
        """Return the job of an action that is left as it is: what it needs has not started, or the run ends."""
        self._unstarted.add(uid)
        return EmptyJob(uid, data, notify_end, ReturnValue.unknown)

    def _unneeded_job(
        self, uid: Hashable, data: Any, predecessors: frozenset[Any], judged: Judgement, notify_end: NotifyEnd
    ) -> Job:
        """Return the job of an action of which a condition is not met, although nothing failed."""
        from .core import wording

        self.prev_fingerprints[uid] = self.new_fingerprints[uid] = None
        unmet = [Reason(decision.ONLY_IF, str(s.uid), s.condition, s.outcome.kind) for s in judged.by]
        self.verdicts[uid] = decision.not_needed(unmet)
        why = "\n".join(["Not needed:", *(f"  {wording.reason(one)}" for one in unmet), ""])
        return self._created(self.create_skipped_job, uid, data, predecessors, why, notify_end, ReturnValue.skip)

    def _decided_job(self, uid: Hashable, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
        previous = self.prev_fingerprints[uid] = self._load(uid)
        new = self.new_fingerprints[uid] = self._compute(uid, data, is_prediction=True)
        verdict = self._verdict(uid, previous, new)
        self.verdicts[uid] = verdict
        self._decided[uid] = self._turn
        if verdict.decision == decision.SKIP:
            return self._created(
                self.create_skipped_job, uid, data, predecessors, "skipped", notify_end, ReturnValue.skip
            )
        if verdict.decision == decision.RUN and type(self).restore is not Walk.restore:
            job = self._restored_job(uid, data, verdict, notify_end)
            if job is not None:
                return job
        return self._created(self.create_job, uid, data, predecessors, notify_end)

    def _restored_job(self, uid: Hashable, data: Any, verdict: Verdict, notify_end: NotifyEnd) -> Job | None:
        """Return the job of an action whose outputs were restored in place of running it, None if it has to run."""
        from .core.restoring import may_restore

        prediction = self.new_fingerprints[uid]
        if prediction is None or not may_restore(verdict.reasons):
            return None
        # killed in between, the next run must not take a part of the outputs for what is on record
        call_hook(self.save_fingerprint, uid, uid, None)
        origin: object = call_hook(self.restore, uid, uid, data, prediction)
        if origin is None:
            return None
        if not isinstance(origin, str) or not origin:
            raise refusal(self.restore, origin, "where the outputs came from, as text, or None to have it run", uid)
        self._restored_from[uid] = origin
        job = EmptyJob(uid, data, notify_end, ReturnValue.success)
        job._said = outcome("restored")
        return job

    def _ask_once(self, hook: Callable[[], Any]) -> Any:
        try:
            return hook()
        except Exception as error:
            add_note(error, hook, [])
            raise

    def _created(self, hook: Callable[..., Any], uid: Hashable, *arguments: Any) -> Job:
        job = call_hook(hook, uid, uid, *arguments)
        if not isinstance(job, Job):
            raise refusal(hook, job, "a Job", uid)
        return job

    def _job_of_unanswered(self, uid: Hashable, data: Any, notify_end: NotifyEnd, error: Exception) -> Job:
        """Return the job of an action that fails since it is not known what to do with it."""
        if is_shortage(error) and self.scheduler is not None and self.scheduler.may_wait:
            raise error
        text = words_of(error)
        if uid not in self.failure_source:
            what = error.what if isinstance(error, TreadleError) else text
            self.verdicts[uid] = Verdict(decision.RUN, [Reason(decision.UNANSWERED, "", None, what)])
        job = EmptyJob(uid, data, notify_end, ReturnValue.failure)
        job.fail(text)
        # a look that was given up says nothing of the action
        job.interrupted = isinstance(error, StopRequestedError)
        return job

    def _load(self, uid: Hashable) -> Any:
        """Return the fingerprint on record; one that cannot be read is none, so that the action runs."""
        try:
            return call_hook(self.load_previous_fingerprint, uid, uid)
        except (OSError, StateError) as error:
            _log().warning("%s: its record cannot be read, so it runs: %s", uid, words_of(error))
            self.bus.publish("note", f"{uid}: its record cannot be read, so it runs: {words_of(error)}")
            return None

    def _compute(self, uid: Hashable, data: Any, is_prediction: bool = False) -> Any:
        try:
            if is_prediction:
                return self.compute_fingerprint(uid, data, is_prediction=True)
            return self.compute_fingerprint(uid, data)
        except Exception as error:
            add_note(error, self.compute_fingerprint, [uid])
            raise

    def _finish(self, job: Job) -> None:
        """Record what ended well; where what it depends on cannot be read any more, it has failed after all."""
        uid = job.uid
        before = self.new_fingerprints.get(uid)
        try:
            after = self._compute(uid, job.data)
        except (OSError, TreadleError) as error:
            job.fail(words_of(error), "broken")
            self.new_fingerprints[uid] = None
            self._note(job, job.outcome)
            return
        self.new_fingerprints[uid] = after
        if not job.should_skip or self.outcomes[uid].category == PASS:
            self._record(uid, before, after)

    def _before_start(self, jobs: list[Job]) -> None:
        self._turn += 1
        to_run = [job for job in jobs if self._is_to_run(job.uid)]
        if to_run:
            try:
                self.about_to_start(to_run)
            except Exception as error:
                add_note(error, self.about_to_start, [job.uid for job in to_run])
                raise

    def _is_to_run(self, uid: Hashable) -> bool:
        """Return whether an action was decided to run; one without a verdict (see `get_job`) counts as such."""
        verdict = self.verdicts.get(uid)
        return verdict is None or verdict.decision == decision.RUN

    def _asked_outcome(self, job: Job) -> Outcome:
        """Return how a job ended; what is blocked or not needed stays so, however well its job ended."""
        ended = call_hook(self.outcome_of, job.uid, job)
        if not isinstance(ended, Outcome):
            raise refusal(self.outcome_of, ended, "an Outcome", job.uid)
        verdict = self.verdicts.get(job.uid)
        if verdict is not None and ended.is_good:
            if verdict.decision == decision.BLOCKED:
                return outcome("blocked")
            if verdict.decision == decision.NOT_NEEDED:
                return outcome("not_needed")
        if ended.kind == "interrupted" and not ended.reason and self._stop_requested is not None:
            return outcome("interrupted", self.why_stopped)
        return ended

    def _look_again(self, job: Job) -> None:
        """Predict once more for a job that has waited: what was edited meanwhile is what it reads."""
        uid = job.uid
        # `_before_start` has counted this start
        if self._decided.get(uid) == self._turn - 1 or not self._compares(self.new_fingerprints.get(uid)):
            return
        try:
            again = self._compute(uid, job.data, is_prediction=True)
        except (OSError, TreadleError):
            # the earlier look counts: it was before the start too
            return
        if again is not None:
            self.new_fingerprints[uid] = again

    def _compares(self, prediction: object) -> bool:
        from .content.fingerprint import Fingerprint

        return isinstance(prediction, Fingerprint) or type(self).inputs_moved is not Walk.inputs_moved

    def _record(self, uid: Hashable, before: Any, after: Any) -> None:
        """Save the fingerprint of a success, unless it is not known what the job has read."""
        text = ""
        unknown = [str(p) for p in self._in_order(self._unknown & self.actions.get_predecessors(uid))]
        names = call_hook(self.inputs_moved, uid, uid, before, after)
        if not isinstance(names, list | tuple | set | frozenset):
            raise refusal(self.inputs_moved, names, "a list of names, empty if nothing changed", uid)
        if names:
            text = "changed while it ran: " + listed(names, 5)
        elif unknown:
            text = "it depends on what is not recorded: " + listed(unknown, 5)
        if not text:
            self._unrecorded.pop(uid, None)
            call_hook(self.save_fingerprint, uid, uid, after)
            return
        # also where no job was started, so that the record has not been taken away yet
        call_hook(self.save_fingerprint, uid, uid, None)
        self.reports[uid].unrecorded = self._unrecorded[uid] = text
        if not self._has_results(after):
            # it will be the same after the next attempt, whatever that makes: its successors could not see a change
            self._unknown.add(uid)
        _log().warning("%s is not recorded, it will run again: %s", uid, text)
        self.bus.publish("note", f"{uid} is not recorded, it will run again: {text}")

    def _has_results(self, fingerprint: Any) -> bool:
        """Return whether a fingerprint has elements that belong to the result."""
        return bool(getattr(fingerprint, "results", None))

    def _verdict(self, uid: Hashable, previous: Any, new: Any) -> Verdict:
        verdict = call_hook(self.decide, uid, uid, previous, new)
        if not isinstance(verdict, Verdict):
            raise refusal(self.decide, verdict, "a Verdict", uid)
        if type(self).should_execute_action is Walk.should_execute_action or uid in self._met_by:
            # no comparison of fingerprints says what to do after a failure
            return verdict
        runs = bool(call_hook(self.should_execute_action, uid, uid, previous, new))
        if runs == (verdict.decision == decision.RUN):
            return verdict
        kind = decision.ASKED if runs else decision.DECLINED
        return Verdict(decision.RUN if runs else decision.SKIP, (Reason(kind),))

    def _untracked(self, uid: Hashable) -> list[Hashable]:
        fingerprints = self.new_fingerprints
        found = [p for p in self.actions.get_predecessors(uid) if fingerprints.get(p) is None]
        if self._needless or self._met_by:
            # what was not needed has not run, and what a condition was met by is a reason of its own
            named = {why.name for why in self._met_by.get(uid, ())}
            found = [p for p in found if p not in self._needless and str(p) not in named]
        return self._in_order(found)

    def _in_order(self, uids: Collection[Hashable]) -> list[Hashable]:
        """Return `uids` in the order in which the graph holds them."""
        if len(uids) < 2:
            return list(uids)
        if self._positions is None:
            self._positions = {uid: number for number, uid in enumerate(self.actions.vertex_data)}
        positions = self._positions
        # a failure of an earlier walk is not in the graph
        return sorted(uids, key=lambda uid: positions.get(uid, -1))

    def describe(self, uid: Any) -> Action:
        """Return what subscribers get of an action."""
        graph = self.actions
        needs, after = graph.get_predecessors(uid), graph.get_after(uid)
        return Action(
            str(uid), needs=list(map(str, needs)), after=list(map(str, after)), conditions=self._conditions_of(uid)
        )

    def _conditions_of(self, uid: Hashable) -> dict[str, str]:
        return {str(start): condition.text for start, condition in self.actions.get_conditions(uid).items()}

    def _round(self) -> None:
        if self.why_stopped and self._stop_requested is not None:
            self._say_why()
        self.bus.publish("round")

    def _say_why(self) -> None:
        """Publish once why nothing new starts."""
        if self.why_stopped and not self._has_said_why:
            self._has_said_why = True
            self.bus.publish("note", f"{self.why_stopped}: nothing new starts")

    def _publish_began(self, actions: DAG) -> None:
        """Publish that a walk of some actions begins, with each of them."""
        self._is_published = True
        names = [str(uid) for uid in actions.vertex_data]
        queues = self.queues or {"default": self.tokens}
        is_last = actions is not self.actions
        time_left, unneeded = (None, 0) if is_last else (self._time_left, self.unneeded)
        uids = {str(uid): uid for uid in actions.vertex_data if not isinstance(uid, str)}

        def described(name: str) -> Action:
            return self.describe(uids.get(name, name))

        # after the walk of the last ones the graph is another one
        describe = {name: described(name) for name in names}.__getitem__ if is_last else described
        began = WalkBegan(names, self.untouched, queues, time_left, unneeded, is_last=is_last, describe=describe)
        self.bus.publish("walk_began", began)
        if self.bus.wants("action"):
            for uid in actions.vertex_data:
                self.bus.publish("action", self.describe(uid))

    def _publish_started(self, job: Job) -> None:
        """Publish that an attempt of a job has started; one that does nothing has none."""
        if not job.should_skip:
            self.bus.publish("started", Started(str(job.uid), job.attempt, job.slot, job.started_at))

    def _publish_ended(self, job: Job, *, retry: bool) -> None:
        """Publish how a job has ended."""
        if not self.bus:
            return
        end = self._end_of(job, retry=retry)
        if retry:
            self._between[end.name] = end
        else:
            self._between.pop(end.name, None)
        self.bus.publish("attempt_ended" if retry else "ended", end)

    def _end_of(self, job: Job, *, retry: bool) -> Ended:
        """Return what subscribers get of the end of a job."""
        report = self.reports[job.uid]
        reasons = report.verdict.reasons if report.verdict is not None else ()
        end = Ended(
            str(job.uid),
            report.outcome.end,
            report.duration,
            reasons,
            report.failure or "",
            report.attempt,
            outcome=report.outcome,
        )
        end.usage, end.values = report.usage, report.values
        end.exit_code, end.resources, end.heard = report.exit_code, report.resources, report.heard
        end.host = report.host
        end.restored = self._restored_from.get(job.uid, "")
        if retry:
            end.delay = job.retry_delay
            if job._treadle_tries is not None:
                end.grown = job._treadle_tries.grown
        return end

    def _publish_end(self, report: Report) -> None:
        """Publish that the walk is over, and before that the end of what was to be tried again, and is not."""
        for end in self._between.values():
            end.delay = None
            if end.how == RAN:
                # more attempts had to end well
                end.outcome = next(one.outcome for uid, one in report.actions.items() if str(uid) == end.name)
                end.how = end.outcome.end
            self.bus.publish("ended", end)
        self._between = {}
        if any(one.is_open for one in report.actions.values()):
            self._say_why()
        self.bus.publish("walk_ended", end_of_walk(report, self.saved))

    def _failed_before(self, uid: Hashable) -> Collection[Hashable]:
        """Return the failures of an earlier walk that an action of this one is blocked by."""
        return ()

    def _is_good(self, uid: Hashable) -> bool:
        status = self.job_status.get(uid)
        return status is not None and status.is_good

    def _blocked_job(
        self,
        uid: Hashable,
        data: Any,
        predecessors: frozenset[Any],
        failed: list[Hashable],
        notify_end: NotifyEnd,
        known: Iterable[Hashable] = (),
    ) -> Job:
        origins = set(known)
        for predecessor in failed if not origins else ():
            origins.update(self.failure_source.get(predecessor, (predecessor,)))
        self.failure_source[uid] = origins
        # nothing is looked at for it, but each action has its entries
        self.prev_fingerprints[uid] = self.new_fingerprints[uid] = None
        in_order = self._in_order(origins)
        self.verdicts[uid] = decision.blocked(in_order)
        reason = "Blocked by the failure of:\n" + "".join(f"  {p}\n" for p in failed)
        reason += "\nOrigin(s) of failure:\n" + "".join(f"  {origin}\n" for origin in in_order)
        return self._created(
            self.create_skipped_job, uid, data, predecessors, reason, notify_end, ReturnValue.force_fail
        )

    def _note(self, job: Job, ended: Outcome) -> None:
        """Keep how a job has ended."""
        uid = job.uid
        self.outcomes[uid] = ended
        if ended.is_needless:
            self._needless.add(uid)
        status = self.job_status[uid] = ended.status
        report = ActionReport(uid, ended, self.verdicts.get(uid))
        if uid in self.failure_source:
            report.origins = frozenset(self.failure_source[uid])
        report.duration = job.timing_info.duration
        report.attempt, report.usage, report.values = job.attempt, job.usage, job._treadle_values
        if job.attempt:
            report.resources, report.heard = job.resources, job.steps.heard
            if isinstance(job, ProcessJob):
                report.host = job.host
                if job.proc_handle is not None:
                    report.exit_code = job.proc_handle.status
            report.follow(self.reports.get(uid))
        report.failure = None if status.is_good else ended.reason or job._why_not_good()
        report.interrupted = ended.category == CANCEL or (job.interrupted and not job.timed_out)
        self.reports[uid] = report
        _log_end(job, status)


def _lets_success_in(ended: Outcome) -> bool:
    """Return whether an end lets run what needs a success."""
    return ended.category == PASS or ended.kind == "skip"


def _so_many(number: int, how: str) -> str:
    return f"{number} {'action has' if number == 1 else 'actions have'} {how}"


def _key_of(fingerprint: Fingerprint) -> set[tuple[str, str]]:
    return {(name, value) for name, value in fingerprint.elements.items() if name not in fingerprint.results}


def _log_end(job: Job, status: ReturnValue) -> None:
    if "logging" not in sys.modules or status in (ReturnValue.skip, ReturnValue.force_fail):
        return
    seconds = job.timing_info.duration
    _log().info("[%-10s %-9s %4ds] %s", job.queue_name, status.name, seconds, job.data)


def _log() -> Any:
    import logging

    return logging.getLogger("treadle.walk")
