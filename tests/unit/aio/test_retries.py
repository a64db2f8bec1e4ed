"""Jobs of treadle.aio that are tried again, by the rules of plans and walks, and schedulers that fail fast."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aio_jobs import turn, value
from treadle import DAG, Command, Limits, Pool, Retries, Script, UsageError
from treadle.aio import AbstractJob, ActionJob, Job, ProcessJob, PureScheduler, Scheduler
from treadle.aio.publishing import Publishing
from treadle.errors import Diffed, NotReady, Skipped
from treadle.events.bus import Ended, Started, Subscriber
from treadle.testing import MemoryWalk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Tried:
    """Makes coroutines that raise one exception after the other, and then return."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = errors
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= len(self.errors):
            raise self.errors[self.calls - 1]
        return f"call {self.calls}"


BAD = ValueError("bad")


@pytest.mark.parametrize("options", [{}, {"jobs_window": 1}, {"max_running": 1}])
@pytest.mark.parametrize(
    ("retries", "errors", "calls", "kind"),
    [
        (Retries(2), [], 1, "success"),
        (Retries(2), [BAD, BAD], 3, "success"),
        (Retries(2), [BAD] * 3, 3, "error"),
        (Retries(2, on=["timeout"]), [BAD], 1, "error"),
        (Retries(1, on=["diffed"]), [Diffed("one"), BAD], 2, "error"),
        (Retries(1, on=["timeout"]), [NotReady("soon")], 2, "success"),
        (Retries(3), [Skipped("not here")], 1, "skipped"),
        (Retries(1100), [BAD] * 1050, 1051, "success"),
        (Retries(1, backoff=0.001, jitter=0.5), [BAD], 2, "success"),
    ],
)
def test_a_function_makes_a_coroutine_for_each_attempt(
    retries: Retries, errors: list[Exception], calls: int, kind: str, options: dict[str, Any]
) -> None:
    """R1: the policy of plans serves coroutines; more than a thousand attempts in no time overflow nothing."""
    tried = Tried(*errors)
    job = Job(tried, retries=retries, critical=False)
    scheduler = Scheduler(job, Job(value(), required=job), **options)
    assert scheduler.run()
    assert tried.calls == calls
    outcome = job.outcome
    assert outcome is not None
    assert outcome.kind == kind
    if kind == "success":
        assert job.result() == f"call {calls}"


def test_a_scheduler_of_such_jobs_runs_more_than_once() -> None:
    tried = Tried(BAD)
    scheduler = Scheduler(Job(tried, retries=Retries(1)))
    assert scheduler.run()
    assert scheduler.run()
    assert tried.calls == 3


def test_a_critical_job_ends_the_run_with_its_last_attempt() -> None:
    tried = Tried(BAD, RuntimeError("worse"))
    with pytest.raises(RuntimeError, match="worse"):
        Scheduler(Job(tried, retries=Retries(1))).run()


@pytest.mark.parametrize("options", [{}, {"jobs_window": 1}, {"pool": Pool({"cpus": 1})}])
def test_nothing_is_held_during_a_pause(options: dict[str, Any]) -> None:
    """A1: what waits for its next attempt gives its place to others."""
    order: list[str] = []
    gone = asyncio.Event()

    async def fail_once() -> None:
        order.append("fails")
        if len(order) == 1:
            raise BAD
        gone.set()

    async def other() -> None:
        order.append("other")

    asks: dict[str, Any] = {"resources": {"cpus": 1}} if "pool" in options else {}
    scheduler = Scheduler(Job(fail_once, retries=Retries(1, backoff=0.05), **asks), Job(other(), **asks), **options)
    assert scheduler.run()
    assert order == ["fails", "other", "fails"]


@pytest.mark.parametrize("timeout", [0.05, None])
def test_a_run_that_ends_during_a_pause_leaves_the_end_of_the_last_attempt(timeout: float | None) -> None:
    job = Job(Tried(BAD), retries=Retries(1, backoff=600.0), critical=False)

    async def break_off() -> None:
        raise RuntimeError("off")

    others = [] if timeout else [Job(break_off())]
    scheduler = PureScheduler(job, *others, timeout=timeout)
    assert not scheduler.run()
    assert str(job.outcome) == "error: ValueError: bad"
    assert job.raised_exception() is BAD


def test_what_a_job_asks_for_grows(tmp_path: Path) -> None:
    """R2: the demand of the next attempt, up to what the pool has."""
    got: list[int] = []

    class Fit(AbstractJob):
        async def co_run(self) -> None:
            assert self.resources is not None
            got.append(self.resources.amounts["memory"])
            raise BAD

    fit = Fit(resources={"memory": 3, "cpus": 1}, retries=Retries(3, grow={"cpus": 2}), critical=False)
    lacking = Command(
        script=Script("echo $TREADLE_CPUS >> said; exit 3"),
        limits=Limits(resources={"cpus": 1}, retries=Retries(3, grow={"cpus": 2})),
    )
    program = ProcessJob(lacking, root=str(tmp_path), critical=False)
    assert Scheduler(fit, program, pool=Pool({"memory": 5, "cpus": 3})).run()
    assert got == [3] * 4
    assert (tmp_path / "said").read_text().split() == ["1", "2", "3", "3"]


def test_the_time_limit_of_a_program_grows(tmp_path: Path) -> None:
    """R2: and what cannot grow any further is not tried again."""
    limits = Limits(timeout=0.02, retries=Retries(9, on=["timeout"], grow={"timeout": [0.03]}))
    job = ProcessJob(Command(["sleep", "600"], limits=limits), root=str(tmp_path), critical=False)
    assert Scheduler(job).run()
    assert str(job.outcome) == (
        "timeout: sleep 600: ended after its time limit of 0.03 s; not tried again: its time limit of 0.03 s cannot grow"
    )


class Told(Subscriber):
    """Keeps what is told of attempts."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def started(self, event: Started) -> None:
        self.told.append(("started", event.attempt))

    def attempt_ended(self, event: Ended) -> None:
        self.told.append(("attempt", event.attempts, event.failure, event.delay))

    def ended(self, event: Ended) -> None:
        self.told.append(("ended", event.attempts, event.outcome.kind, event.delay))


def test_each_attempt_is_published() -> None:
    """R5: as in a walk."""
    told = Told()
    scheduler = PureScheduler(Job(Tried(BAD), retries=Retries(2)))
    with Publishing(scheduler, told):
        scheduler.run()
    assert told.told == [
        ("started", 1),
        ("attempt", 1, "ValueError: bad", 0.0),
        ("started", 2),
        ("ended", 2, "success", None),
    ]


def test_an_attempt_that_none_follows_after_all_is_published_as_the_end() -> None:
    told = Told()
    job = Job(Tried(BAD), retries=Retries(2, backoff=600.0), critical=False)
    scheduler = PureScheduler(job, timeout=0.05)
    with Publishing(scheduler, told):
        scheduler.run()
    assert told.told == [("started", 1), ("attempt", 1, "ValueError: bad", 600.0), ("ended", 1, "error", None)]


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: Job(value(), retries=Retries(2)), TypeError, "takes a function that makes its coroutine"),
        (lambda: Job(Tried(), retries=2), UsageError, "the retries of a job are 2"),
        (lambda: Job(Tried(), retries=Retries(passes=2)), UsageError, "retries with passes"),
        (lambda: Scheduler(retries=Retries(2)), UsageError, "a scheduler is not tried again"),
        (lambda: Job(Tried()), TypeError, "takes a coroutine"),
    ],
)
def test_what_cannot_be_tried_again_is_refused_in_words(
    make: Callable[[], object], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        make()


def test_an_action_of_a_walk_is_tried_again_by_the_retries_of_its_job() -> None:
    tried = Tried(BAD)

    class Coroutines(MemoryWalk):
        def create_job(self, uid: Any, data: Any, predecessors: Any, notify_end: Any) -> ActionJob:
            del predecessors
            return ActionJob(uid, data, notify_end, Job(tried, retries=Retries(1)))

    dag = DAG()
    dag.add_vertex("a")
    action = Coroutines(dag).run().actions["a"]
    assert action.outcome.kind == "success"
    assert [one.outcome.kind for one in action.attempts] == ["error", "success"]


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize("options", [{}, {"jobs_window": 2}, {"max_running": 2}])
def test_after_a_failure_nothing_new_starts_and_what_runs_may_end(
    options: dict[str, Any], *, critical: bool
) -> None:
    """R7: fail_fast, also of jobs that are not critical."""
    order: list[str] = []
    failed = asyncio.Event()

    async def fail() -> None:
        failed.set()
        raise BAD

    async def go_on() -> None:
        await failed.wait()
        for _ in range(20):
            await turn()
        order.append("went on")

    async def follow() -> None:
        order.append("followed")

    bad = Job(fail(), critical=critical, label="bad")
    running = Job(go_on(), label="running")
    after = [Job(follow(), required=bad), Job(follow(), required=running), Job(follow(), required=running)]
    mended = Job(follow(), label="mended").requires(bad, when="on_failure")
    scheduler = PureScheduler(bad, running, *after, mended, fail_fast=True, **options)
    assert not scheduler.run()
    assert sorted(order) == ["followed", "went on"]
    assert {str(job.outcome).partition(":")[0] for job in after} <= {"not_started", "blocked"}
    assert str(mended.outcome) == "success"
    assert scheduler.why() == (
        "a CRITICAL job has raised an exception" if critical else "a job has raised an exception"
    )


def test_what_pauses_is_not_tried_again_after_a_failure() -> None:
    """R7: nor is what waits for its next attempt."""
    first = Tried(BAD)
    pausing = Job(first, retries=Retries(1, backoff=600.0), label="pausing")

    async def fail() -> None:
        while first.calls == 0:
            await turn()
        raise RuntimeError("bad")

    scheduler = PureScheduler(pausing, Job(fail(), critical=False), fail_fast=True)
    assert not scheduler.run()
    assert first.calls == 1
    assert str(pausing.outcome) == "error: ValueError: bad"


def test_without_a_failure_it_changes_nothing() -> None:
    scheduler = Scheduler(Job(value()), Job(Tried(BAD), retries=Retries(1)), fail_fast=True)
    assert scheduler.run()
    assert scheduler.why() == "FINE"
