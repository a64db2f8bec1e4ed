"""Walk: computes, loads and compares fingerprints, decides, and hands jobs to the Scheduler.

Subclass it and override hooks; `run()` walks. It knows nothing of commands, files or where records are kept.
"""

from __future__ import annotations

import sys

from .collector import RareCollection
from .core import decision
from .core.dag import require_graph
from .core.decision import Reason, Verdict
from .job import EmptyJob, Job
from .scheduler import DEFAULT_JOB_MAX_DURATION, KILLING, STOPPING, Scheduler
from .status import ReturnValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Hashable
    from typing import Any

    from .core.dag import DAG
    from .job import NotifyEnd


_NOWHERE: frozenset[Hashable] = frozenset()


class ActionReport:
    """How one action fared in a walk.

    :param status: its last status; None if the walk ended before its turn
    :param verdict: what was decided, with the reasons, also if it then did not start; None if nothing was
    """

    __slots__ = ("attempts", "duration", "failure", "interrupted", "origins", "status", "uid", "verdict")

    def __init__(self, uid: Hashable, status: ReturnValue | None, verdict: Verdict | None) -> None:
        self.uid: Any = uid
        self.status = status
        self.verdict = verdict
        self.origins: frozenset[Hashable] = _NOWHERE
        """The failures that it is blocked by: always those where it began, never those in between."""
        self.duration = 0.0
        """Seconds that its last attempt took."""
        self.attempts = 0
        self.failure: str | None = None
        """Why it failed, where an exit code does not say it."""
        self.interrupted = False
        """Whether somebody has ended it, and no time limit: nobody knows then what it would have done."""

    def __repr__(self) -> str:
        name = self.status.name if self.status is not None else "not started"
        return f"ActionReport({self.uid!r}, {name})"


class Report:
    """What a walk has done: one `ActionReport` for each action, in the order of the graph."""

    def __init__(self, actions: dict[Hashable, ActionReport], interrupted: bool) -> None:
        self.actions = actions
        self.interrupted = interrupted
        """Whether it was told to end before all was done."""

    @property
    def ok(self) -> bool:
        """Whether every action ended well or needed nothing."""
        return all(a.status is not None and a.status.is_good for a in self.actions.values())

    def with_status(self, *statuses: ReturnValue | None) -> list[ActionReport]:
        """Return the actions that ended with one of these statuses."""
        return [action for action in self.actions.values() if action.status in statuses]


class Walk:
    """Walks a graph of actions and runs those that changed.

    The constructor only keeps its arguments. The hooks, in the order in which an action meets them:
    `set_scheduling_params` (once), `load_previous_fingerprint`, `compute_fingerprint` (the prediction),
    `should_execute_action`, then `create_skipped_job` or `create_job`; before a job starts
    `save_fingerprint(uid, None)`; after it ended well `compute_fingerprint` and `save_fingerprint`, after
    notready `request_requeue`. Where they are left alone nothing has a fingerprint, and each action runs.
    The names and signatures are those of e3.
    """

    def __init__(self, actions: DAG) -> None:
        require_graph(actions)
        self.actions = actions
        self.prev_fingerprints: dict[Hashable, Any] = {}
        self.new_fingerprints: dict[Hashable, Any] = {}
        self.job_status: dict[Hashable, ReturnValue] = {}
        self.failure_source: dict[Hashable, set[Hashable]] = {}
        self.verdicts: dict[Hashable, Verdict] = {}
        self.reports: dict[Hashable, ActionReport] = {}
        self.queues: dict[str, int] = {}
        self.tokens = 1
        self.job_timeout: float | None = DEFAULT_JOB_MAX_DURATION
        self.scheduler: Scheduler | None = None
        self._told_to_end: int | None = None
        self._positions: dict[Hashable, int] | None = None

    def set_scheduling_params(self) -> None:
        """Set `queues`, `tokens` and `job_timeout`; called at the start of `run`."""

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        """Return what the outcome of the action depends on, or None if nobody can say.

        :param is_prediction: True before the action runs: what the fingerprint will be if it succeeds. None
            makes it run. False after it ended well: this fingerprint goes on record.
        """
        return None

    def save_fingerprint(self, uid: Any, fingerprint: Any) -> None:
        """Put a fingerprint on record; None removes the one that is there, since the action is about to start."""

    def load_previous_fingerprint(self, uid: Any) -> Any:
        """Return the fingerprint on record, None if there is none."""
        return None

    def should_execute_action(self, uid: Any, previous_fingerprint: Any, new_fingerprint: Any) -> bool:
        """Return whether the action runs; by default as its verdict says (see `core.decision.decide`)."""
        return self.decide(uid, previous_fingerprint, new_fingerprint).outcome == decision.RUN

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
        :param status: `skip`, or `force_fail` after a failure before it
        """
        return EmptyJob(uid, data, notify_end, status)

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
        """Return the job of an action that runs."""
        raise NotImplementedError(f"{type(self).__name__} has no create_job()")

    def request_requeue(self, job: Any) -> bool:
        """Return whether a job that ended with notready is queued again."""
        return False

    def demands(self, uid: Any) -> list[Reason]:
        """Return reasons to run that no fingerprint holds: always, forced, the last run failed."""
        return []

    def decide(self, uid: Any, previous: Any, new: Any) -> Verdict:
        """Return the verdict on an action whose predecessors are done and well."""
        return decision.decide(previous, new, untracked=self._untracked(uid), demands=self.demands(uid))

    def about_to_start(self, jobs: list[Job]) -> None:
        """Hear which jobs start now: their records cease to count, before anything of theirs runs."""
        for job in jobs:
            self.save_fingerprint(job.uid, None)

    def run(self) -> Report:
        """Walk the graph and return what became of each action.

        :raises DAGError: the graph has a cycle or a predecessor that is not there; nothing has started then
        """
        self.prev_fingerprints, self.new_fingerprints, self.job_status = {}, {}, {}
        self.failure_source, self.verdicts, self.reports = {}, {}, {}
        self._positions = None
        self.set_scheduling_params()
        self.scheduler = self.create_scheduler()
        if self._told_to_end is None:
            with RareCollection():
                self.scheduler.run(self.actions)
        return self.report()

    async def co_run(self) -> Report:
        """Walk the graph as `run` does, for a coroutine; whoever cancels it stops the walk, and waits."""
        from .awaited import in_thread

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
        )
        scheduler.before_start = self.about_to_start
        return scheduler

    def stop(self, hurry: int = STOPPING) -> None:
        """Tell the walk to end; any thread and any signal handler may call this.

        :param hurry: `scheduler.DRAINING` (nothing new starts), STOPPING (what runs is ended) or KILLING (at once)
        """
        self._told_to_end = max(hurry, self._told_to_end or 0)
        if self.scheduler is not None:
            self.scheduler.stop(hurry)

    def report(self) -> Report:
        """Return what has become of each action up to now."""
        actions = {
            uid: self.reports.get(uid) or ActionReport(uid, None, self.verdicts.get(uid))
            for uid in self.actions.vertex_data
        }
        if any(action.status is None for action in actions.values()):
            self._find_blocked(actions)
        return Report(actions, interrupted=self._told_to_end is not None)

    def _find_blocked(self, actions: dict[Hashable, ActionReport]) -> None:
        """Say of what the walk did not come to whether a failure has blocked them; an interruption is none."""
        for uid, _ in self.actions:
            action = actions[uid]
            if action.status is not None:
                continue
            before = [actions[p] for p in self.actions.get_predecessors(uid)]
            failed = [a for a in before if a.status is not None and not a.status.is_good and not a.interrupted]
            if failed:
                action.status = ReturnValue.force_fail
                action.origins = frozenset().union(*(a.origins or {a.uid} for a in failed))
                action.verdict = decision.blocked(self._in_order(action.origins))

    def get_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
        """Decide on an action whose predecessors are done, and return its job."""
        failed = [p for p in predecessors if not self._is_good(p)]
        if failed:
            return self._blocked_job(uid, data, predecessors, self._in_order(failed), notify_end)
        previous = self.prev_fingerprints[uid] = self.load_previous_fingerprint(uid)
        new = self.new_fingerprints[uid] = self.compute_fingerprint(uid, data, is_prediction=True)
        verdict = self._verdict(uid, previous, new)
        self.verdicts[uid] = verdict
        if verdict.outcome == decision.SKIP:
            return self.create_skipped_job(uid, data, predecessors, "skipped", notify_end, ReturnValue.skip)
        return self.create_job(uid, data, predecessors, notify_end)

    def collect(self, job: Any) -> bool:
        """Take in a job that ended; return whether it is queued again."""
        uid, status = job.uid, job.outcome
        self.job_status[uid] = status
        self._note(job, status)
        verdict = self.verdicts.get(uid)
        if status.is_good and (verdict is None or verdict.outcome == decision.RUN):
            self.new_fingerprints[uid] = self.compute_fingerprint(uid, job.data)
            if not (job.should_skip and status == ReturnValue.skip):
                self.save_fingerprint(uid, self.new_fingerprints[uid])
        if status == ReturnValue.notready and not job.should_skip:
            return bool(self.request_requeue(job))
        return False

    def _verdict(self, uid: Hashable, previous: Any, new: Any) -> Verdict:
        verdict = self.decide(uid, previous, new)
        if type(self).should_execute_action is Walk.should_execute_action:
            return verdict
        runs = bool(self.should_execute_action(uid, previous, new))
        if runs == (verdict.outcome == decision.RUN):
            return verdict
        kind = decision.ASKED if runs else decision.DECLINED
        return Verdict(decision.RUN if runs else decision.SKIP, (Reason(kind),))

    def _untracked(self, uid: Hashable) -> list[Hashable]:
        fingerprints = self.new_fingerprints
        return self._in_order([p for p in self.actions.get_predecessors(uid) if fingerprints.get(p) is None])

    def _in_order(self, uids: Collection[Hashable]) -> list[Hashable]:
        """Return `uids` in the order in which the graph holds them."""
        if len(uids) < 2:
            return list(uids)
        if self._positions is None:
            self._positions = {uid: number for number, uid in enumerate(self.actions.vertex_data)}
        return sorted(uids, key=self._positions.__getitem__)

    def _is_good(self, uid: Hashable) -> bool:
        status = self.job_status.get(uid)
        return status is not None and status.is_good

    def _blocked_job(
        self, uid: Hashable, data: Any, predecessors: frozenset[Any], failed: list[Hashable], notify_end: NotifyEnd
    ) -> Job:
        origins: set[Hashable] = set()
        for predecessor in failed:
            origins.update(self.failure_source.get(predecessor, (predecessor,)))
        self.failure_source[uid] = origins
        # nothing is looked at for it, but each action has its entries
        self.prev_fingerprints[uid] = self.new_fingerprints[uid] = None
        in_order = self._in_order(origins)
        self.verdicts[uid] = decision.blocked(in_order)
        reason = "Blocked by the failure of:\n" + "".join(f"  {p}\n" for p in failed)
        reason += "\nOrigin(s) of failure:\n" + "".join(f"  {origin}\n" for origin in in_order)
        return self.create_skipped_job(uid, data, predecessors, reason, notify_end, ReturnValue.force_fail)

    def _note(self, job: Job, status: ReturnValue) -> None:
        uid = job.uid
        report = ActionReport(uid, status, self.verdicts.get(uid))
        if uid in self.failure_source:
            report.origins = frozenset(self.failure_source[uid])
        report.duration = job.timing_info.duration
        report.attempts = job.attempt
        report.failure = job.failure
        report.interrupted = job.interrupted and not job.timed_out
        self.reports[uid] = report
        _log_end(job, status)


def _log_end(job: Job, status: ReturnValue) -> None:
    if "logging" not in sys.modules or status in (ReturnValue.skip, ReturnValue.force_fail):
        return
    import logging

    seconds = job.timing_info.duration
    logging.getLogger("treadle.walk").info("[%-10s %-9s %4ds] %s", job.queue_name, status.name, seconds, job.data)
