"""The shutdown: who gets it, when, how often, and how long it may take."""

from __future__ import annotations

import asyncio
import logging

import pytest

from aio_jobs import Log, Logging, endless, raising, turn, value
from treadle.aio import Job, PureScheduler, Scheduler

SOON = 0.001


def test_each_job_is_shut_down_when_the_run_has_ended() -> None:
    log = Log()
    a = Logging(log, "a")
    assert Scheduler(a, Logging(log, "b", required=a)).run()
    assert log == ["a starts", "a ends", "b starts", "b ends", "a is shut down", "b is shut down"]


def test_a_plain_job_may_have_a_coroutine_for_it() -> None:
    log = Log()
    assert Scheduler(Job(value(), coshutdown=log.shutdown("a"))).run()
    assert log == ["a is shut down"]


def test_a_class_of_jobs_may_override_it() -> None:
    log = Log()

    class Mine(Job):
        async def co_shutdown(self) -> None:
            await log.shutdown("mine")

    assert Scheduler(Mine(value())).run()
    assert log == ["mine is shut down"]


def test_jobs_that_never_started_are_shut_down_too() -> None:
    log = Log()
    bad = Job(raising(ValueError()))
    assert PureScheduler(bad, Logging(log, "a", required=bad)).run() is False
    assert log == ["a is shut down"]


def test_it_comes_after_a_time_limit_as_well() -> None:
    log = Log()
    assert PureScheduler(Job(log.endless("a")), Logging(log, "b"), timeout=SOON).run() is False
    assert log[-2:] == ["a is cancelled", "b is shut down"]


def test_it_is_sent_once() -> None:
    log = Log()
    scheduler = Scheduler(Logging(log, "a"))
    assert scheduler.run()
    assert scheduler.shutdown() is None
    assert log == ["a starts", "a ends", "a is shut down"]


def test_it_can_be_sent_without_a_run() -> None:
    log = Log()
    scheduler = Scheduler(Logging(log, "a"))
    assert scheduler.shutdown() is True
    assert scheduler.shutdown() is None
    assert Scheduler().shutdown() is True
    assert log == ["a is shut down"]


def test_it_can_be_awaited() -> None:
    log = Log()

    async def main() -> object:
        return await PureScheduler(Logging(log, "a")).co_shutdown()

    assert asyncio.run(main()) is True


def test_what_takes_too_long_is_cancelled() -> None:
    log = Log()
    scheduler = Scheduler(Logging(log, "slow", hangs=True), Logging(log, "quick"), shutdown_timeout=SOON)
    assert scheduler.shutdown() is False
    assert log == ["slow is shut down", "quick is shut down"]


def test_a_run_goes_well_though_its_shutdown_takes_too_long() -> None:
    log = Log()
    assert Scheduler(Logging(log, "slow", hangs=True), shutdown_timeout=SOON).run() is True
    assert log == ["slow starts", "slow ends", "slow is shut down"]


def test_there_may_be_no_limit_and_the_usual_one_is_a_second() -> None:
    assert Scheduler().shutdown_timeout == 1
    log = Log()
    assert Scheduler(Logging(log, "a"), shutdown_timeout=None).shutdown() is True


def test_inner_jobs_are_shut_down_when_their_own_scheduler_ends() -> None:
    log = Log()
    inner = Scheduler(Logging(log, "in"))
    assert Scheduler(inner, Logging(log, "out", required=inner)).run()
    assert log == ["in starts", "in ends", "in is shut down", "out starts", "out ends", "out is shut down"]


def test_a_shutdown_without_a_run_reaches_the_inner_jobs_once() -> None:
    log = Log()
    inner = Scheduler(Logging(log, "in"))
    outer = Scheduler(inner, Logging(log, "out"))
    assert outer.shutdown() is True
    assert inner.shutdown() is None
    assert sorted(log) == ["in is shut down", "out is shut down"]


def test_an_inner_limit_does_not_count_against_the_outer_one() -> None:
    log = Log()
    inner = Scheduler(Logging(log, "in", hangs=True), shutdown_timeout=SOON)
    assert Scheduler(inner, Logging(log, "out"), shutdown_timeout=None).shutdown() is True


def test_an_outer_limit_cancels_the_inner_shutdown() -> None:
    log = Log()
    inner = Scheduler(Logging(log, "in", hangs=True), shutdown_timeout=None)
    outer = Scheduler(inner, shutdown_timeout=SOON)
    assert outer.shutdown() is False
    assert inner.shutdown() is None


def test_a_shutdown_that_raises_is_logged_and_counts_as_its_end(caplog: pytest.LogCaptureFixture) -> None:
    scheduler = Scheduler(Job(value(), coshutdown=raising(ValueError("broken")), label="a"))
    with caplog.at_level(logging.ERROR, "treadle.aio"):
        assert scheduler.run() is True
    assert "the shutdown of the job 'a' has raised" in caplog.text
    assert "ValueError: broken" in caplog.text


def test_a_shutdown_that_is_cancelled_cancels_those_of_the_jobs() -> None:
    log = Log()
    ended: list[str] = []

    class Slow(Logging):
        async def co_shutdown(self) -> None:
            try:
                await super().co_shutdown()
            finally:
                ended.append(self.name)

    async def main() -> None:
        shutdown = asyncio.ensure_future(Scheduler(Slow(log, "a", hangs=True), shutdown_timeout=None).co_shutdown())
        while not log:
            await turn()
        shutdown.cancel()
        with pytest.raises(asyncio.CancelledError):
            await shutdown

    asyncio.run(main())
    assert ended == ["a"]


def test_a_shutdown_that_did_not_begin_in_time_leaves_no_coroutine_behind() -> None:
    job = Job(endless(), forever=True, coshutdown=value())
    assert Scheduler(job, Job(value()), shutdown_timeout=0).run() is True


def test_a_shutdown_that_cannot_be_awaited_is_told_and_keeps_no_other_from_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = Log()

    class Broken(Job):
        def co_shutdown(self) -> int:  # type: ignore[override]
            return 1

    with caplog.at_level(logging.ERROR, "treadle.aio"):
        assert Scheduler(Logging(log, "a"), Broken(value(), label="broken"), Logging(log, "b")).run()
    assert [line for line in log if line.endswith("is shut down")] == ["a is shut down", "b is shut down"]
    assert "Broken.co_shutdown() returned 1" in caplog.text
