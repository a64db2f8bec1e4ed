"""How a walk says of each action how it ended, and that a walk may say otherwise."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from jobs import Shell, graph
from treadle import (
    CoroutineJob,
    Diffed,
    EmptyJob,
    Failed,
    Fingerprint,
    Job,
    NotReady,
    Outcome,
    ReturnValue,
    Skipped,
)
from treadle.core.outcomes import outcome
from treadle.errors import UsageError
from treadle.testing import MemoryWalk

if TYPE_CHECKING:
    from jobs import Notify

LINE = (("a",), ("b", "a"))


class Ends(MemoryWalk):
    """`a` is a job that ends in some way, `b` comes after it."""

    def __init__(self, job: type[Job], records: dict[Any, Any] | None = None) -> None:
        super().__init__(graph(*LINE), records)
        self.job = job

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint:
        return Fingerprint()

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        return (self.job if uid == "a" else Plain)(uid, data, notify_end)


def program(script: str, **attributes: Any) -> type[Job]:
    return type("Program", (Shell,), {"cmdline": property(lambda self: ["sh", "-c", script]), **attributes})


class Plain(Job):
    """Does nothing."""

    def run(self) -> None:
        pass


class Says(Plain):
    """Says its status."""

    says: Any = ReturnValue.success

    @property
    def status(self) -> Any:
        return self.says


def saying(status: Any) -> type[Job]:
    return type("Saying", (Says,), {"says": status})


class Raises(Plain):
    def run(self) -> None:
        raise KeyError("x")


class Demands(Plain):
    tokens = 7


CASES: dict[str, tuple[type[Job], str, str]] = {
    "a job that came to its end": (Plain, "success", "success"),
    "a program that found nothing to do": (program("exit 126"), "unchanged", "success"),
    "a program that failed": (program("exit 3"), "failed: exit code 3", "blocked"),
    "a program that a signal ended": (program("kill -KILL $$"), "failed: killed by SIGKILL", "blocked"),
    "a program that is not there": (type("No", (Shell,), {"cmdline": ["/no"]}), "error: ", "blocked"),
    "a program that was not ready": (program("exit 75"), "not_ready: exit code 75", "blocked"),
    "an exception": (Raises, "error: KeyError: 'x'", "blocked"),
    "a demand that cannot be met": (Demands, "invalid: it asks for 7 tokens", "blocked"),
    "a time limit": (program("sleep 60", timeout=0.01), "timeout: ended after its time limit", "blocked"),
    "a bare number": (saying(0), "error: its status is 0", "blocked"),
    "a status that is not known": (saying(ReturnValue.unknown), "error", "blocked"),
    "a status that fails": (saying(ReturnValue.failure), "failed", "blocked"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_end_has_a_kind_and_a_reason(case: str) -> None:
    job, how, after = CASES[case]
    walk = Ends(job)
    actions = walk.run().actions
    assert str(actions["a"].outcome).startswith(how)
    assert actions["b"].outcome.kind == after
    for uid, action in actions.items():
        assert action.status == action.outcome.status == walk.job_status[uid]
        assert action.outcome == walk.outcomes[uid]
        assert (uid in walk.records) is (action.outcome.category == "PASS")


def test_what_nothing_has_changed_for_is_a_skip() -> None:
    records: dict[Any, Any] = {}
    Ends(Plain, records).run()
    assert {str(a.outcome) for a in Ends(Plain, records).run().actions.values()} == {"skip"}


def test_what_a_walk_did_not_come_to_is_not_started_or_blocked() -> None:
    class Stops(Ends):
        def collect(self, job: Any) -> bool:
            self.stop()
            return super().collect(job)

    assert Stops(Plain).run().actions["b"].outcome.kind == "not_started"
    assert Stops(Raises).run().actions["b"].outcome.kind == "blocked"


def test_what_was_interrupted_is_said_so() -> None:
    class Stops(Ends):
        def about_to_start(self, jobs: list[Job]) -> None:
            super().about_to_start(jobs)
            self.stop()

    actions = Stops(program("sleep 60")).run().actions
    assert actions["a"].outcome.kind == "interrupted"
    assert actions["a"].status == ReturnValue.unknown
    assert actions["b"].outcome.kind == "not_started"


@pytest.mark.parametrize(
    ("kind", "after", "is_recorded"),
    [
        ("success", "success", True),
        ("expected_failure", "success", True),
        ("unchanged", "success", True),
        ("diffed", "blocked", False),
        ("lost", "blocked", False),
    ],
)
def test_a_walk_may_say_what_an_end_means(kind: str, after: str, is_recorded: bool) -> None:
    class Judges(Ends):
        def outcome_of(self, job: Any) -> Outcome:
            return outcome(kind, "said so") if job.uid == "a" else super().outcome_of(job)

    walk = Judges(program("exit 3"))
    actions = walk.run().actions
    assert str(actions["a"].outcome) == f"{kind}: said so"
    assert actions["b"].outcome.kind == after
    assert ("a" in walk.records) is is_recorded
    assert actions["a"].failure == (None if is_recorded else "said so")


class Raising(Plain):
    """Raises what it is told to."""

    error: BaseException

    def run(self) -> None:
        raise self.error


class Awaiting(CoroutineJob):
    """Raises what it is told to, in a coroutine."""

    error: BaseException

    async def co_run(self) -> None:
        raise self.error


def raising(base: type[Job], error: BaseException) -> type[Job]:
    return type("It", (base,), {"error": error})


@pytest.mark.parametrize("base", [Raising, Awaiting])
@pytest.mark.parametrize(
    ("error", "how", "status"),
    [
        (Skipped("no GPU here"), "skipped: no GPU here", ReturnValue.skip),
        (Diffed("3 lines"), "diffed: 3 lines", ReturnValue.failure),
        (Failed("2 of 9 tests"), "failed: 2 of 9 tests", ReturnValue.failure),
        (NotReady("the server starts"), "not_ready: the server starts", ReturnValue.notready),
        (Failed(), "failed", ReturnValue.failure),
    ],
)
def test_a_job_may_raise_how_it_has_ended(
    base: type[Job], error: BaseException, how: str, status: ReturnValue, caplog: pytest.LogCaptureFixture
) -> None:
    walk = Ends(raising(base, error))
    action = walk.run().actions["a"]
    assert (str(action.outcome), action.status) == (how, status)
    assert walk.outcomes["b"].kind == ("not_needed" if status == ReturnValue.skip else "blocked")
    assert action.failure == (None if status == ReturnValue.skip else str(error) or None)
    assert "a" not in walk.records
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("base", [Raising, Awaiting])
def test_an_exception_that_says_nothing_of_an_end_is_an_error(base: type[Job]) -> None:
    class Own(Failed):
        """One of a program."""

    assert str(Ends(raising(base, Own("x"))).run().actions["a"].outcome) == "failed: x"
    assert str(Ends(raising(base, OSError("x"))).run().actions["a"].outcome) == "error: OSError: x"


def test_what_is_not_ready_by_its_own_word_may_be_tried_again() -> None:
    tries: list[int] = []

    class Later(Plain):
        def run(self) -> None:
            tries.append(self.attempt)
            if self.attempt < 3:
                raise NotReady(f"try {self.attempt}")

    class Again(Ends):
        def request_requeue(self, job: Any) -> bool:
            return True

    assert str(Again(Later).run().actions["a"].outcome) == "success"
    assert tries == [1, 2, 3]


def test_what_was_interrupted_has_no_word_of_its_own() -> None:
    class Ending(CoroutineJob):
        async def co_run(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                raise Skipped("never mind")

    class Stops(Ends):
        def about_to_start(self, jobs: list[Job]) -> None:
            super().about_to_start(jobs)
            self.stop()

    assert Stops(Ending).run().actions["a"].outcome.kind == "interrupted"


def test_what_is_blocked_stays_so_whatever_a_walk_says() -> None:
    class Judges(Ends):
        def outcome_of(self, job: Any) -> Outcome:
            return outcome("success") if job.uid == "b" else super().outcome_of(job)

        def create_skipped_job(self, uid: Any, data: Any, *rest: Any) -> Job:
            return EmptyJob(uid, data, rest[2], ReturnValue.success)

    assert Judges(Raises).run().actions["b"].outcome.kind == "blocked"


def test_what_is_no_outcome_is_refused() -> None:
    class Judges(Ends):
        def outcome_of(self, job: Any) -> Any:
            return ReturnValue.success

    with pytest.raises(UsageError, match="an Outcome"):
        Judges(Plain).run()


class Cut(MemoryWalk):
    """`a` ends as it is told, `f` fails; `b`, `c` and `d` come after them."""

    def __init__(self, ended: Outcome) -> None:
        super().__init__(graph(("a",), ("f",), ("b", "a"), ("c", "b"), ("d", "a", "f")), {})
        self.ended = ended

    def outcome_of(self, job: Job) -> Outcome:
        return {"a": self.ended, "f": outcome("failed")}.get(job.uid) or super().outcome_of(job)

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        return Plain(uid, data, notify_end)


@pytest.mark.parametrize("kind", ["cancelled", "interrupted", "not_started"])
def test_what_comes_after_an_end_that_is_no_failure_does_not_start_and_is_not_blocked(kind: str) -> None:
    report = Cut(outcome(kind, "as asked")).run()
    ends = {uid: action.outcome.kind for uid, action in report.actions.items()}
    assert ends == {"a": kind, "f": "failed", "b": "not_started", "c": "not_started", "d": "blocked"}
    assert report.actions["d"].origins == {"f"}
    assert not report.ok


def test_what_comes_after_one_job_that_was_interrupted_does_not_start() -> None:
    class Ending(Plain):
        """Is interrupted by itself, as by another thread."""

        def run(self) -> None:
            self.interrupt()

    report = Ends(Ending).run()
    assert [action.outcome.kind for action in report.actions.values()] == ["interrupted", "not_started"]
