"""What is refused by name when a scheduler runs, before anything starts; building stays free."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from aio_jobs import Log, endless, turn, value
from treadle.aio import AbstractJob, Job, PureScheduler, Scheduler
from treadle.errors import DAGError, HookError, RunError, UsageError


class Fine(AbstractJob):
    """A job that can run again."""

    async def co_run(self) -> None:
        return None


def test_a_scheduler_of_plain_jobs_cannot_run_twice() -> None:
    scheduler = Scheduler(Job(value(), label="once"))
    assert scheduler.run()
    with pytest.raises(RunError, match=r"the job 'once' cannot run again.*\n.*make new jobs"):
        scheduler.run()
    with pytest.raises(RuntimeError):
        scheduler.run()


def test_a_scheduler_cannot_run_while_it_runs() -> None:
    async def main() -> None:
        scheduler = Scheduler(Job(endless()), label="me")
        run = asyncio.ensure_future(scheduler.co_run())
        await turn()
        with pytest.raises(RunError, match="the scheduler 'me' runs already"):
            await scheduler.co_run()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())


def test_two_jobs_cannot_share_a_coroutine() -> None:
    log = Log()
    shared = log.value("x")
    scheduler = Scheduler(Job(shared, label="one"), Scheduler(Job(shared, label="two")))
    with pytest.raises(UsageError, match="two jobs share one coroutine: 'one' and 'two'"):
        scheduler.run()
    assert log == []
    scheduler.close_all_jobs()


def test_two_jobs_cannot_share_the_coroutine_of_a_shutdown_either() -> None:
    shared = value()
    scheduler = Scheduler(Job(value(), coshutdown=shared, label="one"), Job(shared, label="two"))
    with pytest.raises(UsageError, match="two jobs share one coroutine: 'one' and 'two'"):
        scheduler.run()
    scheduler.close_all_jobs()


def test_a_coroutine_that_somebody_else_has_awaited_is_told_by_the_name_of_its_job() -> None:
    async def main() -> None:
        used = value()
        await used
        await Scheduler(Job(used, label="late")).co_run()

    with pytest.raises(RunError, match="the job 'late' cannot run: its coroutine is used elsewhere"):
        asyncio.run(main())


def test_a_job_cannot_be_in_two_schedulers() -> None:
    job = Fine(label="shared")
    first, second = Scheduler(job, label="first"), PureScheduler(job)
    for scheduler in (first, second):
        with pytest.raises(UsageError, match=r"the job 'shared' is in two schedulers: a PureScheduler .* 'first'"):
            scheduler.run()
    second.remove(job)
    assert first.run() is True


def test_a_job_cannot_be_in_a_scheduler_and_in_one_within_it() -> None:
    job = Fine(label="shared")
    outer = Scheduler(job, Scheduler(job, label="inner"), label="outer")
    with pytest.raises(UsageError, match=r"'shared' is in two schedulers: the scheduler 'inner' and .* 'outer'"):
        outer.run()


def test_a_job_of_a_scheduler_that_is_gone_is_free() -> None:
    job = Fine()
    Scheduler(job)
    assert Scheduler(job).run() is True


def test_a_scheduler_cannot_hold_itself() -> None:
    scheduler = Scheduler(label="me")
    scheduler.add(scheduler)
    with pytest.raises(UsageError, match="the scheduler 'me' holds itself"):
        scheduler.run()


def test_a_requirement_on_a_job_of_no_scheduler_is_refused_by_name() -> None:
    outside = Fine(label="outside")
    with pytest.raises(DAGError, match=r"'mine' requires 'outside', which is not in .*\n  it is in no scheduler"):
        Scheduler(Fine(label="mine", required=outside)).run()


def test_a_requirement_on_a_job_of_another_scheduler_is_refused_by_both_names() -> None:
    outside = Fine(label="outside")
    other = Scheduler(outside, label="other")
    with pytest.raises(DAGError, match=r"'mine' requires 'outside'.*\n  it is in the scheduler 'other'"):
        Scheduler(Fine(label="mine", required=outside)).run()
    assert len(other) == 1


def test_a_wrong_graph_may_be_built_in_any_order_and_put_right() -> None:
    first, second = Fine(label="1"), Fine(label="2")
    second.requires(first)
    scheduler = Scheduler(second)
    with pytest.raises(DAGError):
        scheduler.run()
    scheduler.add(first)
    assert scheduler.run() is True


def test_what_an_inner_scheduler_would_refuse_is_refused_before_anything_starts() -> None:
    log = Log()
    inner = Scheduler(Fine(label="mine", required=Fine(label="outside")))
    job = log.job("a")
    inner.requires(job)
    with pytest.raises(DAGError, match="'outside'"):
        Scheduler(job, inner).run()
    assert log == []
    job.close()


def test_an_inner_scheduler_that_is_changed_under_way_is_looked_at_again() -> None:
    mine = Fine(label="mine")
    inner = Scheduler(mine)

    async def breaks() -> None:
        mine.requires(Fine(label="outside"))

    first = Job(breaks())
    inner.requires(first)
    with pytest.raises(DAGError, match="'outside'"):
        Scheduler(first, inner).run()


def test_the_coroutines_of_jobs_can_be_closed() -> None:
    job = Job(value(), coshutdown=value(), label="closed")
    idle = Scheduler(Job(value()))
    outer = Scheduler(job, idle)
    outer.close_idle_jobs()
    outer.close_all_jobs()
    job.close()
    with pytest.raises(RunError, match="'closed' cannot run again"):
        outer.run()


PROGRAM = """
import asyncio
from treadle.aio import *
async def nothing(): pass
async def bad(): raise ValueError
async def hangs(): await asyncio.Event().wait()
first = Job(bad())
inner = Scheduler(Job(nothing(), coshutdown=nothing()), required=first)
PureScheduler(first, inner, Job(hangs()), Job(nothing(), required=inner)).run()
PureScheduler(*(Job(hangs()) for _ in range(3)), jobs_window=1, timeout=0.001).run()
"""


def test_a_program_ends_without_a_word_about_coroutines() -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")


class Returns(AbstractJob):
    """Its `co_run` is no coroutine function."""

    def co_run(self) -> Any:
        return 3


class Yields(AbstractJob):
    """Its `co_run` is a generator function."""

    def co_run(self) -> Any:
        yield


class PlainJob(Job):
    """A job with a coroutine and a `co_run` that forgets it."""

    def co_run(self) -> Any:
        self.close()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (Returns, "Returns.co_run() returned 3"),
        (Yields, "Yields.co_run() returned <generator"),
        (lambda: PlainJob(value()), "PlainJob.co_run() returned None"),
    ],
)
def test_a_co_run_that_cannot_be_awaited_is_named(make: Any, told: str) -> None:
    with pytest.raises(HookError) as caught:
        Scheduler(make()).run()
    assert str(caught.value).startswith(told)
    assert "expected an awaitable" in str(caught.value)


@pytest.mark.parametrize("name", ["timeout", "shutdown_timeout"])
@pytest.mark.parametrize("given", ["1", True, float("nan"), [1]])
def test_a_time_limit_that_is_no_number_is_refused_before_anything_starts(name: str, given: Any) -> None:
    job = Job(endless())
    with pytest.raises(UsageError, match=f"the {name} of"):
        PureScheduler(job, **{name: given}).run()
    assert job.is_idle()
    job.close()
