"""Walk: its hooks and their order, what it reports, and that looking never writes."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

import pytest

from jobs import Notify, graph, nothing
from treadle import DAG, DAGError, EmptyJob, Job, ReturnValue, Walk
from treadle.core import decision
from treadle.core.decision import Reason
from treadle.core.outcomes import Report
from treadle.scheduling.scheduler import DRAINING
from treadle.testing import CallJob, MemoryWalk

SUCCESS, FAILURE, SKIP = ReturnValue.success, ReturnValue.failure, ReturnValue.skip
FORCE_FAIL, NOTREADY = ReturnValue.force_fail, ReturnValue.notready


class Made(MemoryWalk):
    """A walk over values in memory: a fingerprint is the value of an action and the fingerprints before it."""

    def __init__(self, actions: DAG, records: dict[Hashable, Any] | None = None, **values: Any) -> None:
        super().__init__(actions, records)
        self.values = values
        self.does: dict[Hashable, Any] = {}
        """uid -> what its job does: a function, or what it returns."""
        self.calls: list[tuple[Any, ...]] = []
        self.ran: list[Hashable] = []

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        self.calls.append(("predict" if is_prediction else "compute", uid))
        return (self.values.get(str(uid), 0), *(self.records.get(p) for p in self.actions.get_predecessors(uid)))

    def load_previous_fingerprint(self, uid: Any) -> Any:
        self.calls.append(("load", uid))
        return super().load_previous_fingerprint(uid)

    def save_fingerprint(self, uid: Any, fingerprint: Any) -> None:
        self.calls.append(("drop" if fingerprint is None else "save", uid))
        super().save_fingerprint(uid, fingerprint)

    def create_skipped_job(self, uid: Any, data: Any, predecessors: Any, reason: str, *args: Any) -> Job:
        self.calls.append(("skip", uid))
        return super().create_skipped_job(uid, data, predecessors, reason, *args)

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        self.calls.append(("create", uid))
        does = self.does.get(uid, nothing)

        def work() -> object:
            self.ran.append(uid)
            return does() if callable(does) else does

        return CallJob(uid, data, notify_end, work)

    def request_requeue(self, job: Any) -> bool:
        self.calls.append(("requeue", job.uid))
        return bool(job.attempt < 3)


LINE = graph(("a",), ("b", "a"), ("c", "b"))


class TestConstruction:
    def test_it_only_keeps_its_arguments(self) -> None:
        walk = Made(graph(("a", "a")))
        assert walk.calls == []
        assert walk.scheduler is None

    def test_run_walks_and_returns_a_report(self) -> None:
        walk = Made(LINE)
        report = walk.run()
        assert isinstance(report, Report)
        assert walk.ran == ["a", "b", "c"]
        assert report.ok

    def test_it_may_run_again(self) -> None:
        walk = Made(LINE)
        walk.run()
        walk.ran.clear()
        assert walk.run().with_status(SKIP) != []
        assert walk.ran == []

    def test_without_create_job_it_says_so(self) -> None:
        with pytest.raises(NotImplementedError, match="Walk has no create_job"):
            Walk(LINE).run()

    def test_what_cannot_be_walked_is_refused_before_anything_is_asked(self) -> None:
        walk = Made(graph(("free",), ("a", "b"), ("b", "a")))
        with pytest.raises(DAGError):
            walk.run()
        assert walk.calls == []


class TestOrderOfHooks:
    def test_for_an_action_that_runs(self) -> None:
        walk = Made(graph(("a",)))
        walk.does["a"] = lambda: walk.calls.append(("run", "a"))
        walk.run()
        assert [name for name, _ in walk.calls] == ["load", "predict", "create", "drop", "run", "compute", "save"]

    def test_for_one_that_is_skipped_nothing_is_written(self) -> None:
        walk = Made(graph(("a",)))
        walk.run()
        walk.calls.clear()
        walk.run()
        assert [name for name, _ in walk.calls] == ["load", "predict", "skip"]

    def test_for_one_that_fails_the_record_stays_dropped(self) -> None:
        walk = Made(graph(("a",)))
        walk.does["a"] = FAILURE
        walk.run()
        assert [name for name, _ in walk.calls] == ["load", "predict", "create", "drop"]
        assert walk.records == {}

    def test_for_one_that_is_blocked_nothing_is_even_looked_at(self) -> None:
        walk = Made(LINE)
        walk.does["a"] = FAILURE
        walk.run()
        assert [call for call in walk.calls if call[1] != "a"] == [("skip", "b"), ("skip", "c")]

    def test_each_attempt_drops_the_record_before_it(self) -> None:
        walk = Made(graph(("a",)))
        walk.does["a"] = NOTREADY
        walk.run()
        names = [name for name, _ in walk.calls]
        assert names == ["load", "predict", "create", *["drop", "requeue"] * 3]


class TestLookingNeverWrites:
    """A record goes when its action is about to start, and at no other time."""

    def records(self) -> dict[Hashable, Any]:
        records: dict[Hashable, Any] = {}
        Made(LINE, records).run()
        assert records.keys() == {"a", "b", "c"}
        return records

    def test_what_is_blocked_keeps_its_record(self) -> None:
        records = self.records()
        before = dict(records)
        walk = Made(LINE, records, a=1)
        walk.does["a"] = FAILURE
        walk.run()
        assert records == {uid: before[uid] for uid in ("b", "c")}

    def test_a_dry_run_keeps_all(self) -> None:
        class Dry(Made):
            def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
                return EmptyJob(uid, data, notify_end, SKIP)

        records = self.records()
        before = dict(records)
        walk = Dry(LINE, records, b=1)
        report = walk.run()
        assert records == before
        assert report.actions["b"].verdict is not None
        assert report.actions["b"].verdict.decision == decision.RUN

    def test_what_waits_for_a_token_when_the_walk_ends_keeps_its_record(self) -> None:
        dag = graph(("a",), ("b",))
        records: dict[Hashable, Any] = {}
        Made(dag, records).run()
        before = dict(records)
        walk = Made(dag, records, a=1, b=1)
        walk.does["a"] = lambda: walk.stop(DRAINING)
        report = walk.run()
        assert walk.ran == ["a"]
        assert records == {"a": (1,), "b": before["b"]}
        assert report.actions["b"].status is None

    def test_a_job_that_could_never_start_keeps_its_record(self) -> None:
        class Greedy(Made):
            def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
                job = super().create_job(uid, data, predecessors, notify_end)
                job.tokens = 99
                return job

        records = self.records()
        before = dict(records)
        report = Greedy(LINE, records, a=1).run()
        assert records == before
        assert report.actions["a"].status == FAILURE
        assert report.actions["a"].failure == "it asks for 99 tokens of queue 'default', which has 1"
        assert report.actions["b"].origins == {"a"}

    def test_an_early_cutoff_touches_nothing_behind_it(self) -> None:
        records = self.records()
        del records["a"]
        walk = Made(LINE, records)
        walk.run()
        assert walk.ran == ["a"]
        assert {uid for name, uid in walk.calls if name in ("drop", "save")} == {"a"}


class TestReport:
    def test_actions_stand_in_the_order_of_the_graph(self) -> None:
        dag = graph(("z", "y"), ("y",), ("x",))
        assert list(Made(dag).run().actions) == ["z", "y", "x"]

    def test_it_holds_status_reasons_origins_and_durations(self) -> None:
        dag = graph(("a",), ("b", "a"), ("c", "b"), ("d",), ("e", "d", "c"))
        walk = Made(dag, d=5)
        walk.does = {"a": FAILURE, "d": NOTREADY}
        report = walk.run()
        assert not report.ok
        assert not report.interrupted
        found = {uid: (action.status, action.origins) for uid, action in report.actions.items()}
        assert found == {
            "a": (FAILURE, frozenset()),
            "b": (FORCE_FAIL, {"a"}),
            "c": (FORCE_FAIL, {"a"}),
            "d": (NOTREADY, frozenset()),
            "e": (FORCE_FAIL, {"a", "d"}),
        }
        verdicts = {uid: action.verdict for uid, action in report.actions.items()}
        assert verdicts["a"] is not None
        assert verdicts["a"].reasons == (Reason(decision.NEW),)
        assert verdicts["e"] is not None
        assert verdicts["e"].reasons == (Reason(decision.BLOCKED_BY, "a"), Reason(decision.BLOCKED_BY, "d"))
        assert report.actions["a"].duration > 0
        assert report.actions["b"].duration == 0
        assert [report.actions[uid].attempt for uid in "abd"] == [1, 0, 3]
        assert [action.uid for action in report.with_status(FORCE_FAIL)] == ["b", "c", "e"]
        assert repr(report.actions["a"]) == "ActionReport('a', failure)"

    def test_a_crash_says_what_it_was(self, caplog: pytest.LogCaptureFixture) -> None:
        walk = Made(LINE)
        walk.does["b"] = lambda: 1 // 0
        report = walk.run()
        assert report.actions["b"].failure == "ZeroDivisionError: integer division or modulo by zero"
        assert walk.records.keys() == {"a"}
        assert "Traceback" in caplog.text

    def test_the_reason_is_the_object_that_decided(self) -> None:
        walk = Made(LINE)
        report = walk.run()
        assert all(report.actions[uid].verdict is walk.verdicts[uid] for uid in "abc")

    def test_a_change_names_what_it_was_and_is(self) -> None:
        records: dict[Hashable, Any] = {}
        Made(graph(("a",)), records, a=1).run()
        report = Made(graph(("a",)), records, a=2).run()
        assert report.actions["a"].verdict is not None
        assert report.actions["a"].verdict.reasons == (Reason(decision.CHANGED, "fingerprint", "(1,)", "(2,)"),)

    def test_an_untracked_predecessor_is_a_reason(self) -> None:
        class Half(Made):
            def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
                return None if uid == "a" else "same"

        records: dict[Hashable, Any] = {}
        Half(LINE, records).run()
        walk = Half(LINE, records)
        walk.run()
        assert walk.ran == ["a", "b"]
        assert walk.verdicts["b"].reasons == (Reason(decision.UNTRACKED, "a"),)
        assert walk.verdicts["a"].reasons == (Reason(decision.NEW), Reason(decision.NO_PREDICTION))

    def test_a_demand_is_a_reason(self) -> None:
        class Forced(Made):
            def demands(self, uid: Any) -> list[Reason]:
                return [Reason(decision.FORCED)] if uid == "b" else []

        records: dict[Hashable, Any] = {}
        Made(LINE, records).run()
        walk = Forced(LINE, records)
        walk.run()
        assert walk.ran == ["b"]
        assert walk.verdicts["b"].reasons == (Reason(decision.FORCED),)

    @pytest.mark.parametrize(
        ("answer", "runs", "kind"), [(1, True, decision.ASKED), (None, False, decision.DECLINED)]
    )
    def test_an_overridden_decision_is_told_as_such(self, answer: Any, runs: bool, kind: str) -> None:
        class Stubborn(Made):
            def should_execute_action(self, uid: Any, previous_fingerprint: Any, new_fingerprint: Any) -> bool:
                return answer  # type: ignore[no-any-return]

        records: dict[Hashable, Any] = {}
        if runs:
            Made(graph(("a",)), records).run()
        walk = Stubborn(graph(("a",)), records)
        report = walk.run()
        assert bool(walk.ran) is runs
        assert report.actions["a"].verdict is not None
        assert report.actions["a"].verdict.reasons == (Reason(kind),)

    def test_an_override_that_agrees_leaves_the_reasons_as_they_are(self) -> None:
        class Agreeing(Made):
            def should_execute_action(self, uid: Any, previous_fingerprint: Any, new_fingerprint: Any) -> bool:
                return bool(previous_fingerprint != new_fingerprint)

        walk = Agreeing(graph(("a",)))
        walk.run()
        assert walk.verdicts["a"].reasons == (Reason(decision.NEW),)

    def test_it_agrees_by_any_value_that_is_true_or_false(self) -> None:
        class Agreeing(Made):
            def should_execute_action(self, uid: Any, previous_fingerprint: Any, new_fingerprint: Any) -> bool:
                return "yes" if uid == "b" else None  # type: ignore[return-value]

        records: dict[Hashable, Any] = {}
        Made(graph(("a",)), records).run()
        walk = Agreeing(graph(("a",), ("b",)), records)
        walk.run()
        assert walk.verdicts["a"].reasons == ()
        assert walk.verdicts["b"].reasons == (Reason(decision.NEW),)


class TestScheduling:
    def test_set_scheduling_params_sets_queues(self) -> None:
        class Wide(Made):
            def set_scheduling_params(self) -> None:
                self.queues = {"default": 3, "other": 1}
                self.job_timeout = None

        barrier = threading.Barrier(3, timeout=20)
        walk = Wide(graph(("a",), ("b",), ("c",)))
        walk.does = dict.fromkeys("abc", barrier.wait)
        assert walk.run().ok

    def test_get_job_may_be_replaced(self) -> None:
        class Own(Made):
            def get_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
                return self.create_job(uid, data, predecessors, notify_end)

        walk = Own(LINE)
        report = walk.run()
        assert report.ok
        assert report.actions["a"].verdict is None
        assert walk.records.keys() == {"a", "b", "c"}

    def test_predecessors_are_handed_to_the_job(self) -> None:
        seen: dict[Any, frozenset[Any]] = {}

        class Noting(Made):
            def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
                seen[uid] = predecessors
                return super().create_job(uid, data, predecessors, notify_end)

        Noting(graph((1,), ((2, "x"), 1), ("c", 1, (2, "x")))).run()
        assert seen == {1: frozenset(), (2, "x"): {1}, "c": {1, (2, "x")}}

    def test_what_comes_before_for_order_alone_may_fail(self) -> None:
        dag = DAG()
        dag.add_vertex("a")
        dag.add_vertex("b", after=["a"])
        walk = Made(dag)
        walk.does["a"] = FAILURE
        report = walk.run()
        assert walk.ran == ["a", "b"]
        assert report.actions["b"].status == SUCCESS


class TestStop:
    def test_before_the_run_nothing_happens(self) -> None:
        walk = Made(LINE)
        walk.stop()
        report = walk.run()
        assert (walk.calls, report.interrupted, report.ok) == ([], True, False)
        assert [action.status for action in report.actions.values()] == [None] * 3
        assert repr(report.actions["a"]) == "ActionReport('a', not started)"

    def test_draining_ends_what_runs_well(self) -> None:
        walk = Made(LINE)

        def drain() -> None:
            thread = threading.Thread(target=walk.stop, args=(DRAINING,))
            thread.start()
            thread.join()

        walk.does["a"] = drain
        report = walk.run()
        assert [action.status for action in report.actions.values()] == [SUCCESS, None, None]
        assert report.interrupted
        assert walk.records.keys() == {"a"}

    def test_what_was_interrupted_is_not_recorded(self) -> None:
        walk = Made(LINE)
        looked = threading.Event()

        def work() -> None:
            assert walk.scheduler is not None
            (job,) = walk.scheduler.active_jobs
            walk.stop()
            while not job.interrupted:
                looked.wait(0.001)

        walk.does["a"] = work
        report = walk.run()
        assert report.actions["a"].status == ReturnValue.unknown
        assert report.actions["a"].interrupted
        assert walk.records == {}
        # nothing is wrong with what comes before them
        assert [(report.actions[uid].status, report.actions[uid].verdict) for uid in "bc"] == [(None, None)] * 2

    def test_what_was_decided_but_did_not_start_keeps_its_verdict(self) -> None:
        walk = Made(graph(("a",), ("b",), ("c", "b"), ("later", "a")))
        walk.does["a"] = lambda: walk.stop(DRAINING)
        actions = walk.run().actions
        assert [actions[uid].status for uid in "abc"] == [SUCCESS, None, None]
        assert actions["b"].verdict is walk.verdicts["b"]
        assert actions["b"].verdict is not None
        assert actions["b"].verdict.reasons == (Reason(decision.NEW),)
        assert actions["c"].verdict is None

    def test_what_failed_before_the_end_still_blocks_in_the_report(self) -> None:
        walk = Made(graph(("a",), ("b", "a"), ("c", "b"), ("d",)))

        def fail() -> ReturnValue:
            walk.stop(DRAINING)
            return FAILURE

        walk.does["a"] = fail
        actions = walk.run().actions
        assert [actions[uid].status for uid in "abcd"] == [FAILURE, FORCE_FAIL, FORCE_FAIL, None]
        assert actions["c"].origins == {"a"}

    def test_no_requeue_is_granted_any_more(self) -> None:
        walk = Made(graph(("a",)))

        def work() -> ReturnValue:
            walk.stop(DRAINING)
            return NOTREADY

        walk.does["a"] = work
        report = walk.run()
        assert (walk.ran, report.actions["a"].status) == (["a"], NOTREADY)


HOOKS = (
    *("load_previous_fingerprint", "compute_fingerprint", "should_execute_action", "demands", "create_job"),
    *("create_skipped_job", "about_to_start", "save_fingerprint", "request_requeue"),
)


@pytest.mark.parametrize("hook", HOOKS)
def test_an_exception_in_a_hook_ends_and_collects_what_runs(hook: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Polite(Job):
        """Runs until it is interrupted."""

        def run(self) -> None:
            pause = threading.Event()
            while not self.interrupted:
                pause.wait(0.001)

    class Broken(Made):
        def set_scheduling_params(self) -> None:
            self.tokens = 2

        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
            if uid == "long":
                return Polite(uid, data, notify_end)
            return super().create_job(uid, data, predecessors, notify_end)

    def boom(self: Broken, subject: Any, *args: Any, **options: Any) -> Any:
        uids = [job.uid for job in subject] if isinstance(subject, list) else [getattr(subject, "uid", subject)]
        if "bad" in uids:
            raise LookupError(hook)
        return original(self, subject, *args, **options)

    original = getattr(Broken, hook)
    monkeypatch.setattr(Broken, hook, boom)
    walk = Broken(graph(("long",), ("before",), ("bad", "before")))
    walk.does["bad"] = NOTREADY
    if hook == "create_skipped_job":
        walk.does["before"] = FAILURE
    with pytest.raises(LookupError, match=hook):
        walk.run()
    assert walk.job_status["long"] == ReturnValue.unknown
    assert "long" not in walk.records
    assert walk.report().actions["bad"].status in (None, NOTREADY, FORCE_FAIL)
    assert "bad" not in walk.records
