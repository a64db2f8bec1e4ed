"""Conditions of edges in a walk: what runs after a failure, what is blocked, and what is not needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from treadle import DAG, EmptyJob, Fingerprint, Job, ReturnValue
from treadle.core import decision
from treadle.core.decision import Reason
from treadle.core.outcomes import KINDS, outcome
from treadle.core.wording import reason
from treadle.testing import MemoryWalk

if TYPE_CHECKING:
    from jobs import Notify
    from treadle import Outcome


class Fixed(MemoryWalk):
    """A walk whose actions end as they are told; what ends well is recorded.

    :param ends: uid -> the kinds of its outcomes, one for each attempt; success by default
    """

    def __init__(self, actions: DAG, records: dict[Any, Any] | None = None, **ends: Any) -> None:
        super().__init__(actions, records)
        self.ends = {uid: kinds.split() for uid, kinds in ends.items()}
        self.ran: list[str] = []
        self.left: list[tuple[str, ReturnValue]] = []
        self.why: dict[str, str] = {}

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint:
        return Fingerprint.from_elements({"value of x": uid}, ())

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        return Noting(uid, self, notify_end)

    def create_skipped_job(
        self, uid: Any, data: Any, predecessors: frozenset[Any], reason: str, notify_end: Notify, status: Any = None
    ) -> Job:
        self.left.append((uid, status))
        self.why[uid] = reason
        return EmptyJob(uid, data, notify_end, status)

    def outcome_of(self, job: Any) -> Outcome:
        if not isinstance(job, Noting):
            return super().outcome_of(job)
        kinds = self.ends.get(job.uid, ["success"])
        return outcome(kinds[min(job.attempt, len(kinds)) - 1])

    def request_requeue(self, job: Any) -> bool:
        attempt: int = job.attempt
        return attempt < len(self.ends[job.uid])


class Noting(Job):
    """Notes that it ran."""

    def run(self) -> None:
        self.data.ran.append(self.uid)


def graph(**edges: Any) -> DAG:
    dag = DAG()
    for uid, starts in edges.items():
        dag.add_vertex(uid, None, starts)
    return dag


def kinds(walk: Fixed) -> dict[Any, str]:
    return {uid: one.outcome.kind for uid, one in walk.run().actions.items()}


MAIL = {"test": [], "mail": {"test": "on_failure"}, "sent": ["mail"], "report": {"mail": "always"}}


def test_a_green_run_with_an_action_for_failures_is_green() -> None:
    """C4: what only a failure needs, and what needs that, is not needed and has ended well."""
    walk = Fixed(graph(**MAIL))
    assert kinds(walk) == {"test": "success", "mail": "not_needed", "sent": "not_needed", "report": "success"}
    report = walk.report()
    assert report.ok
    assert not report.interrupted
    assert walk.left == [("mail", ReturnValue.skip), ("sent", ReturnValue.skip)]
    assert walk.job_status["mail"] == ReturnValue.skip
    verdict = walk.verdicts["mail"]
    assert verdict.decision == decision.NOT_NEEDED
    assert list(verdict.reasons) == [Reason(decision.ONLY_IF, "test", "on_failure", "success")]
    assert reason(verdict.reasons[0]) == "runs only if test fails"
    assert reason(walk.verdicts["sent"].reasons[0]) == "runs only if mail succeeds"
    assert walk.why["mail"] == "Not needed:\n  runs only if test fails\n"
    assert "mail" not in walk.records


def test_what_a_failure_needs_runs_and_what_comes_after_that_too() -> None:
    """C3: on_failure is met by a failure, always by any end."""
    walk = Fixed(graph(**MAIL), test="failed")
    assert kinds(walk) == {"test": "failed", "mail": "success", "sent": "success", "report": "success"}
    assert walk.ran == ["test", "mail", "sent", "report"]
    assert not walk.report().ok


@pytest.mark.parametrize(
    ("edges", "ends", "expected"),
    [
        # both need the same; a failure before wins over what was not needed
        (
            {"a": [], "b": ["a"], "c": {"b": "on_failure"}, "d": ["c"], "e": {"c": "always", "d": "always"}},
            {"a": "failed"},
            {"a": "failed", "b": "blocked", "c": "blocked", "d": "blocked", "e": "success"},
        ),
        (
            {"a": [], "b": [], "c": {"a": "on_failure", "b": "on_failure"}},
            {"a": "failed"},
            {"a": "failed", "b": "success", "c": "not_needed"},
        ),
        (
            {"a": [], "b": [], "c": {"a": "on_failure", "b": "on_success"}},
            {"b": "failed"},
            {"a": "success", "b": "failed", "c": "blocked"},
        ),
        (
            {"a": [], "b": {"a": "timeout"}, "c": {"a": "failed or lost"}, "d": {"b": "blocked"}},
            {"a": "lost"},
            {"a": "lost", "b": "blocked", "c": "success", "d": "success"},
        ),
        (
            {"a": [], "b": ["a"], "c": {"a": "skipped"}, "d": {"b": "not_needed", "a": "always"}},
            {"a": "skipped"},
            {"a": "skipped", "b": "not_needed", "c": "success", "d": "success"},
        ),
        (
            {"a": [], "b": ["a"], "c": {"a": "not_ready"}, "d": {"b": "always"}},
            {"a": "not_ready"},
            {"a": "not_ready", "b": "blocked", "c": "success", "d": "success"},
        ),
        (
            {"a": [], "b": {"a": "on_failure"}, "c": {"b": "on_failure"}, "d": {"c": "on_success", "a": "always"}},
            {"a": "failed", "b": "failed"},
            {"a": "failed", "b": "failed", "c": "success", "d": "success"},
        ),
    ],
)
def test_all_edges_have_to_be_met(edges: Any, ends: Any, expected: dict[str, str]) -> None:
    """C2, C3 and C4 over several edges."""
    assert kinds(Fixed(graph(**edges), **ends)) == expected


def test_what_is_blocked_names_the_failures_where_it_began() -> None:
    """C4: blocked with origins, transitively, also through conditions."""
    dag = graph(a=[], b=["a"], c={"b": "on_failure"}, d={"c": "on_success"}, x=[], e=["d", "x"])
    walk = Fixed(dag, a="timeout", x="failed")
    report = walk.run()
    origins = {uid: set(one.origins) for uid, one in report.actions.items() if one.origins}
    assert origins == {"b": {"a"}, "c": {"a"}, "d": {"a"}, "e": {"a", "x"}}
    assert walk.job_status["c"] == ReturnValue.force_fail
    assert "Origin(s) of failure:\n  a\n" in walk.why["c"]


def test_an_edge_is_looked_at_when_the_last_attempt_has_ended() -> None:
    """C2: an attempt that is followed by another one meets nothing."""
    dag = graph(test=[], mail={"test": "not_ready or failed"})
    assert kinds(Fixed(dag, test="not_ready not_ready success")) == {"test": "success", "mail": "not_needed"}
    walk = Fixed(dag, test="not_ready not_ready failed")
    assert kinds(walk) == {"test": "failed", "mail": "success"}
    assert walk.ran == ["test"] * 3 + ["mail"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_met_by_something_else_than_a_success_runs(kind: str) -> None:
    """C5: it runs though nothing has changed, with the reason, and its record is as ever."""
    records: dict[Any, Any] = {}
    dag = graph(test=[], mail={"test": "always"})
    Fixed(dag, records).run()
    assert set(records) == {"test", "mail"}
    before = records["mail"]
    records.pop("test")
    walk = Fixed(dag, records, test=kind)
    ends = kinds(walk)
    calm = KINDS[kind][0] == "PASS" or kind in ("skip", "not_needed", "disabled")
    assert ends["mail"] == ("skip" if calm else "success")
    why = list(walk.verdicts["mail"].reasons)
    assert why == ([] if calm else [Reason(decision.MET_BY, "test", None, kind)])
    if not calm:
        assert reason(why[0]) == f"met by: test {kind.replace('_', ' ')}"
    assert records["mail"] == before


def test_a_record_from_a_failure_does_not_skip_after_the_next_one() -> None:
    """C6: it is recorded, and runs again after each failure."""
    records: dict[Any, Any] = {}
    dag = graph(test=[], mail={"test": "on_failure"})
    for _ in range(3):
        walk = Fixed(dag, records, test="failed")
        assert kinds(walk) == {"test": "failed", "mail": "success"}
        assert set(records) == {"mail"}
    assert kinds(Fixed(dag, records)) == {"test": "success", "mail": "not_needed"}
    # what is not needed keeps its record
    assert set(records) == {"mail", "test"}
    assert kinds(Fixed(dag, records)) == {"test": "skip", "mail": "not_needed"}
    records.pop("test")
    assert kinds(Fixed(dag, records, test="failed")) == {"test": "failed", "mail": "success"}


def test_always_makes_nothing_run() -> None:
    """C5: after successes, skips and what was not needed, the fingerprint decides as ever."""
    records: dict[Any, Any] = {}
    dag = graph(test=[], mail={"test": "on_failure"}, tidy={"test": "always", "mail": "always"})
    Fixed(dag, records).run()
    assert kinds(Fixed(dag, records)) == {"test": "skip", "mail": "not_needed", "tidy": "skip"}


def test_a_hook_that_compares_does_not_skip_what_follows_from_a_failure() -> None:
    """C5: a walk that decides by its own comparison runs it too."""

    class Comparing(Fixed):
        def should_execute_action(self, uid: Any, previous_fingerprint: Any, new_fingerprint: Any) -> bool:
            return bool(previous_fingerprint != new_fingerprint)

    records: dict[Any, Any] = {}
    dag = graph(test=[], mail={"test": "always"})
    Comparing(dag, records).run()
    records.pop("test")
    assert kinds(Comparing(dag, records, test="failed")) == {"test": "failed", "mail": "success"}


def test_is_met_may_be_overridden() -> None:
    """The hook decides in place of conditions, for each edge."""

    class Lenient(Fixed):
        asked: list[tuple[Any, Any, str]]

        def is_met(self, uid: Any, predecessor: Any, outcome: Outcome) -> bool:
            self.asked = [*getattr(self, "asked", []), (uid, predecessor, outcome.kind)]
            return outcome.kind == "failed" or super().is_met(uid, predecessor, outcome)

    walk = Lenient(graph(a=[], b=["a"], c=["b"], d=["a"], e=["d"]), a="failed", d="lost")
    assert kinds(walk) == {"a": "failed", "b": "success", "c": "success", "d": "lost", "e": "blocked"}
    assert walk.asked == [("b", "a", "failed"), ("d", "a", "failed"), ("c", "b", "success"), ("e", "d", "lost")]
    assert walk.verdicts["b"].reasons[0] == Reason(decision.MET_BY, "a", None, "failed")


def test_what_skips_itself_makes_what_needs_it_not_needed_without_conditions_too() -> None:
    """C4: `skipped` is no success: what needs it is not needed, transitively."""
    walk = Fixed(graph(a=[], b=["a"], c=["b"], d=[], e=["d"]), a="skipped")
    assert kinds(walk) == {"a": "skipped", "b": "not_needed", "c": "not_needed", "d": "success", "e": "success"}
    assert walk.report().ok
    failing = Fixed(graph(a=[], x=[], b=["a", "x"]), a="skipped", x="failed")
    assert kinds(failing) == {"a": "skipped", "x": "failed", "b": "blocked"}


def test_a_cancelled_start_leaves_its_end_not_started() -> None:
    """C4: nothing failed and the run did not come to it: not started, and no event of its end."""
    walk = Fixed(graph(a=[], b={"a": "success"}, c={"b": "always"}), a="cancelled")
    ends = kinds(walk)
    assert ends == {"a": "cancelled", "b": "not_started", "c": "success"}
    assert walk.report().actions["b"].is_open
    assert "b" not in walk.job_status
