"""Schedulers in schedulers: what they return, pass on, limit and shut down."""

from __future__ import annotations

import pytest

from aio_jobs import Log, Logging, endless, raising, turn, value
from treadle.aio import Job, PureScheduler, Scheduler, Sequence

SOON = 0.001


def test_a_scheduler_is_a_job_with_requirements_and_a_result() -> None:
    log = Log()
    inner = Scheduler(log.job("b"), log.job("c"), required=(first := log.job("a")), label="inner")
    assert Scheduler(first, inner, log.job("d", required=inner)).run()
    assert log.starts() == ["a", "b", "c", "d"]
    assert inner.result() is True
    assert inner.is_done()


def test_schedulers_lie_in_each_other_at_any_depth() -> None:
    scheduler = Scheduler(Job(value("deep")))
    (job,) = scheduler
    for _ in range(20):
        scheduler = Scheduler(scheduler)
    assert scheduler.run()
    assert job.result() == "deep"


def test_a_sequence_takes_schedulers() -> None:
    log = Log()
    assert Scheduler(Sequence(log.job("a"), Scheduler(log.job("b"), log.job("c")), log.job("d"))).run()
    assert log.starts() == ["a", "b", "c", "d"]


def test_a_critical_failure_in_a_critical_scheduler_ends_the_outer_one() -> None:
    error = ZeroDivisionError()
    inner = Scheduler(Job(raising(error)))
    after = Job(value(), required=inner)
    outer = Scheduler(inner, after)
    with pytest.raises(ZeroDivisionError):
        outer.run()
    assert inner.raised_exception() is error
    assert (inner.failed_critical(), outer.failed_critical()) == (True, True)
    assert after.is_idle()


@pytest.mark.parametrize("outer", [PureScheduler(), Scheduler(critical=False)])
def test_an_outer_scheduler_that_is_not_critical_returns_false(outer: PureScheduler) -> None:
    outer.add(Scheduler(Job(raising(ZeroDivisionError()))))
    assert outer.run() is False


@pytest.mark.parametrize("critical", [True, False])
def test_a_failure_in_a_scheduler_that_is_not_critical_stays_there(critical: bool) -> None:
    inner = Scheduler(Job(raising(ZeroDivisionError())), critical=False)
    after = Job(value("ran"), required=inner)
    outer = Scheduler(inner, after, critical=critical)
    assert outer.run() is True
    assert (inner.result(), after.result()) == (False, "ran")
    assert (inner.failed_critical(), outer.failed_critical()) == (True, False)


def test_each_scheduler_has_a_window_of_its_own_and_takes_one_place_of_the_outer_one() -> None:
    running: dict[str, int] = {"inner": 0, "outer": 0}
    most = dict(running)

    async def counted(where: str) -> None:
        running[where] += 1
        most[where] = max(most[where], running[where])
        for _ in range(3):
            await turn()
        running[where] -= 1

    def jobs(where: str) -> list[Job]:
        return [Job(counted(where)) for _ in range(6)]

    inner = Scheduler(*jobs("inner"), jobs_window=3)
    assert Scheduler(inner, *jobs("outer"), jobs_window=2).run()
    assert most == {"inner": 3, "outer": 2}


def test_each_scheduler_has_a_time_limit_of_its_own() -> None:
    inner = Scheduler(Job(endless()), timeout=SOON, label="inner")
    outer = Scheduler(inner, Job(endless()))
    with pytest.raises(TimeoutError, match="'inner' has not ended within"):
        outer.run()
    assert inner.failed_time_out() == SOON
    assert outer.failed_time_out() is False
    assert outer.failed_critical()


def test_a_time_limit_that_is_not_critical_lets_others_go_on() -> None:
    inner = Scheduler(Job(endless()), timeout=SOON, critical=False)
    after = Job(value("ran"), required=inner)
    assert Scheduler(inner, after).run()
    assert (inner.result(), after.result()) == (False, "ran")


def test_the_outer_time_limit_cancels_the_inner_jobs() -> None:
    log = Log()
    inner = Scheduler(Job(log.endless("a")), Logging(log, "b"))
    assert PureScheduler(inner, timeout=SOON).run() is False
    assert log == ["a starts", "b starts", "b ends", "a is cancelled", "b is shut down"]
    assert not inner.is_done()


def test_a_scheduler_may_run_for_ever() -> None:
    log = Log()
    service = Scheduler(Job(log.endless("service")), forever=True)
    assert Scheduler(service, log.job("a")).run()
    assert log[-1] == "service is cancelled"


def test_jobs_are_counted_and_iterated_by_level() -> None:
    inner = Scheduler(Job(value()), Job(value()))
    outer = Scheduler(inner, Job(value()))
    assert len(outer) == 2
    assert len(list(outer.iterate_jobs())) == 3
    assert list(outer.iterate_jobs(scan_schedulers=True))[:2] == [outer, inner]
    assert next(PureScheduler(inner).iterate_jobs(scan_schedulers=True)) is inner
    outer.close_all_jobs()


def test_a_run_can_be_repeated_at_all_depths() -> None:
    log = Log()
    outer = Scheduler(Scheduler(Logging(log, "a")))
    assert outer.run()
    assert outer.run()
    assert log == ["a starts", "a ends", "a is shut down"] * 2


def test_what_an_inner_scheduler_could_not_start_is_closed() -> None:
    inner = Scheduler(Job(value()), Scheduler(Job(value(), coshutdown=value())))
    bad = Job(raising(ValueError()))
    assert PureScheduler(bad, Scheduler(inner, required=bad)).run() is False


def test_an_inner_scheduler_may_run_alone_after_an_outer_run_that_did_not_come_to_it() -> None:
    log = Log()
    bad = Job(raising(ValueError()))
    inner = Scheduler(Logging(log, "a"), required=bad)
    outer = PureScheduler(bad, inner)
    assert outer.run() is False
    outer.remove(inner)
    inner.requires(bad, remove=True)
    assert inner.run()
    assert log == ["a is shut down", "a starts", "a ends", "a is shut down"]
