"""Jobs of a plain Walk that are tried again by their `retries`: the rules of plans, without any command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from treadle import DAG, Demand, Job, Pool, ProcessJob, Retries, Walk
from treadle.testing import FakeClock, ManualRunner

if TYPE_CHECKING:
    from collections.abc import Callable


class Failing(Job):
    """Raises as often as its data says, and then succeeds."""

    def run(self) -> None:
        if self.attempt <= self.data:
            raise ValueError(f"attempt {self.attempt}")


class Trying(Walk):
    """Walks over jobs that have retries."""

    retries: Retries | None = Retries(2)
    asked = 0

    def create_job(self, uid: Any, data: Any, predecessors: Any, notify_end: Any) -> Job:
        del predecessors
        job = Failing(uid, data, notify_end)
        job.retries = self.retries
        return job


@pytest.mark.parametrize(
    ("retries", "failures", "attempts", "kind"),
    [
        (None, 1, 1, "error"),
        (Retries(2), 0, 1, "success"),
        (Retries(2), 2, 3, "success"),
        (Retries(2), 3, 3, "error"),
        (Retries(2, on=["timeout", "exit 1"]), 1, 1, "error"),
        (Retries(1100, jitter=0.5), 1050, 1051, "success"),
    ],
)
def test_a_job_of_a_plain_walk_is_tried_again_by_its_retries(
    retries: Retries | None, failures: int, attempts: int, kind: str
) -> None:
    """R1: the policy of plans; more than a thousand attempts in no time overflow nothing."""
    walk = Trying(DAG())
    walk.actions.add_vertex("a", failures)
    walk.retries = retries
    action = walk.run().actions["a"]
    assert (action.attempts[-1].number, action.outcome.kind) == (attempts, kind)


def test_request_requeue_decides_in_place_of_the_retries() -> None:
    class Own(Trying):
        def request_requeue(self, job: Job) -> bool:
            self.asked += 1
            return super().request_requeue(job) and job.attempt < 2

    walk = Own(DAG())
    walk.actions.add_vertex("a", 9)
    assert len(walk.run().actions["a"].attempts) == 2
    assert walk.asked == 2


def test_only_the_last_attempt_counts_for_the_end_of_a_walk() -> None:
    """R7: what is tried again has not failed."""
    walk = Trying(DAG(), fail_fast=True)
    walk.actions.add_vertex("a", 1)
    walk.actions.add_vertex("b", 0, ["a"])
    assert walk.run().ok


class Program(ProcessJob):
    demand = Demand({"memory": 3, "cpus": 1})
    retries = Retries(2, on=["memory", "timeout"], grow={"memory": 2, "timeout": 3})
    timeout = 7.0

    @property
    def cmdline(self) -> list[str]:
        return [self.data]


def walk_programs(play: Callable[[ManualRunner], object], pool: Pool) -> tuple[Any, ManualRunner]:
    clock = FakeClock()
    runner = ManualRunner(clock, play)

    class Programs(Walk):
        def create_job(self, uid: Any, data: Any, predecessors: Any, notify_end: Any) -> Job:
            del predecessors
            return Program(uid, data, notify_end)

        def create_scheduler(self) -> Any:
            scheduler = super().create_scheduler()
            scheduler.clock, scheduler.runner = clock, runner
            return scheduler

    walk = Programs(DAG())
    walk.pool = pool
    walk.actions.add_vertex("a", "x")
    return walk.run().actions["a"], runner


def test_a_program_gets_more_of_what_it_lacked() -> None:
    """R2: the demand and the time limit of a job grow."""
    began: list[float] = []

    def play(runner: ManualRunner) -> None:
        if len(began) < len(runner.starts):
            began.append(runner.clock.now)
            if len(began) == 1:
                runner.end("a", -9, cause="out_of_memory")

    action, runner = walk_programs(play, Pool({"memory": 5, "cpus": 1}))
    assert [start.environ["TREADLE_MEMORY"] for start in runner.starts] == ["3", "5", "5"]
    assert (action.outcome.kind, action.failure) == ("timeout", "ended after its time limit of 21 s")
    # the second had 7 s and the grace
    assert began == [0.0, 0.0, 12.0]


def test_what_is_lost_is_tried_again_beside_max() -> None:
    """R1: a fake runner loses programs too."""
    hosts = iter("wxyz")

    def play(runner: ManualRunner) -> None:
        if runner.running and (host := next(hosts, "")):
            runner.lose("a", host)

    lost = Retries(0)
    Program.retries, before = lost, Program.retries
    try:
        action, runner = walk_programs(play, Pool({"memory": 5, "cpus": 1}))
    finally:
        Program.retries = before
    assert len(runner.starts) == 4
    assert action.failure == "its worker went away while it ran (on z); lost 4 times, on w, x, y, z"
