"""Coroutines in walks and walks in schedulers of coroutines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aio_jobs import Log, Logging, endless, raising, value
from jobs import graph
from treadle import DAG, Job, ReturnValue
from treadle.aio import AbstractJob, ActionJob, PureScheduler, Scheduler
from treadle.aio import Job as AioJob
from treadle.testing import CallJob, MemoryWalk

if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle import NotifyEnd, Report


class Actions(MemoryWalk):
    """A walk whose actions are what functions make for them: jobs or schedulers of treadle.aio."""

    def __init__(self, dag: DAG, make: Callable[[str], AbstractJob | PureScheduler], records: Any = None) -> None:
        super().__init__(dag, records)
        self.make = make
        self.jobs: dict[str, ActionJob] = {}

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        return uid

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
        self.jobs[uid] = ActionJob(uid, data, notify_end, self.make(uid))
        return self.jobs[uid]


def statuses(report: Report) -> dict[Any, str]:
    return {uid: action.status.name for uid, action in report.actions.items() if action.status is not None}


def test_a_scheduler_is_the_job_of_an_action() -> None:
    log = Log()
    records: dict[Any, Any] = {}
    dag = graph(("a",), ("b", "a"))

    def make(uid: str) -> Scheduler:
        return Scheduler(log.job(f"{uid}1"), Scheduler(log.job(f"{uid}2")))

    assert statuses(Actions(dag, make, records).run()) == {"a": "success", "b": "success"}
    assert sorted(log.starts()) == ["a1", "a2", "b1", "b2"]
    assert log.starts()[2:] == ["b1", "b2"]
    assert statuses(Actions(dag, make, records).run()) == {"a": "skip", "b": "skip"}


def test_a_plain_job_is_one_too_and_its_result_is_kept() -> None:
    walk = Actions(graph(("a",)), lambda uid: AioJob(value(f"{uid}!")))
    assert walk.run().ok
    assert walk.jobs["a"].result == "a!"


def test_a_job_may_return_a_status() -> None:
    walk = Actions(graph(("a",)), lambda _: AioJob(value(ReturnValue.unchanged)))
    assert statuses(walk.run()) == {"a": "unchanged"}


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (lambda *jobs: Scheduler(*jobs, label="inner"), "ValueError: no"),
        (
            PureScheduler,
            "a PureScheduler without a label: a CRITICAL job has raised an exception",
        ),
    ],
)
def test_an_action_fails_with_its_scheduler_and_blocks_what_comes_after(kind: Any, says: str) -> None:
    report = Actions(
        graph(("a",), ("b", "a")), lambda uid: kind(AioJob(raising(ValueError("no"))) if uid == "a" else None)
    ).run()
    assert statuses(report) == {"a": "failure", "b": "force_fail"}
    assert says in (report.actions["a"].failure or "")


def test_a_time_limit_of_the_walk_cancels_the_scheduler_and_runs_its_shutdown() -> None:
    log = Log()
    walk = Actions(graph(("a",)), lambda _: Scheduler(AioJob(endless()), Logging(log, "x")))
    walk.set_scheduling_params = lambda: setattr(walk, "job_timeout", 0.02)  # type: ignore[method-assign]
    assert statuses(walk.run()) == {"a": "failure"}
    assert log == ["x starts", "x ends", "x is shut down"]


def test_a_walk_is_awaited_in_a_scheduler_and_another_one_in_that() -> None:
    log = Log()
    inner = Actions(graph(("i",)), log.job)
    outer = Actions(graph(("o",)), lambda _: AioJob(inner.co_run()))
    walk = AioJob(outer.co_run(), label="walk")
    assert Scheduler(walk, log.job("after", required=walk)).run()
    assert walk.result().ok
    assert log.starts() == ["i", "after"]


def test_cancelling_a_scheduler_stops_the_walk_in_it() -> None:
    started: list[Callable[[], object]] = []

    async def main() -> None:
        loop, is_started = asyncio.get_running_loop(), asyncio.Event()
        started.append(lambda: loop.call_soon_threadsafe(is_started.set))

        async def endless_and_told() -> None:
            started[0]()
            await endless()

        walk = Actions(graph(("a",)), lambda _: AioJob(endless_and_told()))
        run = asyncio.ensure_future(Scheduler(AioJob(walk.co_run())).co_run())
        await is_started.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert walk.report().interrupted

    asyncio.run(main())


def test_a_walk_mixes_coroutines_with_other_jobs() -> None:
    log = Log()

    class Mixed(Actions):
        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
            if uid == "thread":
                return CallJob(uid, data, notify_end, lambda: log.append("thread"))
            return super().create_job(uid, data, predecessors, notify_end)

    assert Mixed(graph(("a",), ("thread", "a"), ("b", "thread")), log.job).run().ok
    assert log == ["a starts", "a ends", "thread", "b starts", "b ends"]
