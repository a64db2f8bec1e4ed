"""A run: order, failures, windows, time limits, jobs that run for ever, and what is returned and raised."""

from __future__ import annotations

import asyncio
import signal

import pytest

from aio_jobs import Log, Logging, endless, raising, turn, value
from treadle.aio import AbstractJob, Job, PureScheduler, Scheduler
from treadle.errors import RunError, TreadleError, UsageError

SOON = 0.001
"""Seconds of a time limit that is meant to be reached: what it ends would never end by itself."""


def test_jobs_run_in_parallel_and_after_what_they_require() -> None:
    log = Log()
    a, b = log.job("a"), log.job("b")
    assert Scheduler(log.job("c", required=(a, b)), a, b).run() is True
    assert log == ["a starts", "b starts", "a ends", "b ends", "c starts", "c ends"]


def test_what_is_ready_starts_in_the_order_in_which_it_was_added() -> None:
    log = Log()
    first = log.job("0")
    others = [log.job(str(number), required=first) for number in range(1, 9)]
    assert Scheduler(first, *others).run()
    assert log.starts() == [str(number) for number in range(9)]


def test_an_empty_scheduler_runs_well() -> None:
    assert Scheduler().run() is True
    assert PureScheduler().run() is True


def test_orchestrate_is_run() -> None:
    job = Job(value(1))
    assert Scheduler(job).orchestrate() is True
    assert job.result() == 1


def test_co_run_is_awaited_where_a_loop_runs_already() -> None:
    async def main() -> bool:
        scheduler = Scheduler(Job(value(1)))
        with pytest.raises(RunError, match=r"use `await co_run\(\)`"):
            scheduler.run()
        with pytest.raises(RuntimeError):
            scheduler.shutdown()
        return await scheduler.co_run()

    assert asyncio.run(main()) is True


def test_a_critical_job_that_raises_ends_the_run() -> None:
    log = Log()
    error = ZeroDivisionError("no")
    done, bad = Job(value("kept"), label="done"), Job(raising(error))
    long, after = Job(log.endless("long")), Job(log.value("after"), required=bad)
    scheduler = Scheduler(done, bad, long, after)
    with pytest.raises(ZeroDivisionError) as caught:
        scheduler.run()
    assert caught.value is error
    assert scheduler.failed_critical()
    assert log == ["long starts", "long is cancelled"]
    assert done.result() == "kept"
    assert after.is_idle()
    assert scheduler.why() == "a CRITICAL job has raised an exception"


@pytest.mark.parametrize("scheduler", [PureScheduler(), Scheduler(critical=False)])
def test_a_scheduler_that_is_not_critical_returns_false(scheduler: PureScheduler) -> None:
    scheduler.add(Job(raising(ZeroDivisionError())))
    assert scheduler.run() is False
    assert scheduler.failed_critical()
    assert scheduler.failed_time_out() is False


def test_of_several_critical_exceptions_the_first_is_raised() -> None:
    first, second = ZeroDivisionError(), ValueError()
    jobs = Job(raising(first)), Job(raising(second))
    with pytest.raises(ZeroDivisionError):
        Scheduler(*jobs).run()
    assert [job.raised_exception() for job in jobs] == [first, second]


def test_a_job_that_is_not_critical_fails_alone_and_what_requires_it_runs() -> None:
    error = ZeroDivisionError()
    bad = Job(raising(error), critical=False)
    after = Job(value("ran"), required=bad)
    scheduler = Scheduler(bad, after)
    assert scheduler.run() is True
    assert (bad.raised_exception(), after.result()) == (error, "ran")
    assert not scheduler.failed_critical()
    assert scheduler.why() == "FINE"


def test_a_critical_job_may_say_so_by_its_method() -> None:
    class Lenient(AbstractJob):
        def is_critical(self) -> bool:
            return False

        async def co_run(self) -> None:
            raise ZeroDivisionError

    assert Scheduler(Lenient()).run() is True


@pytest.mark.parametrize("window", [1, 2, 3])
def test_no_more_jobs_run_than_the_window_has_room_for(window: int) -> None:
    running = most = 0

    async def counted() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await turn()
        running -= 1

    assert Scheduler(*(Job(counted()) for _ in range(7)), jobs_window=window).run()
    assert most == window


@pytest.mark.parametrize("window", [None, 0])
def test_no_window_means_no_limit(window: int | None) -> None:
    count = 50
    everybody = asyncio.Barrier(count)

    async def met() -> None:
        await everybody.wait()

    assert Scheduler(*(Job(met()) for _ in range(count)), jobs_window=window).run()


def test_a_window_that_is_no_number_is_refused() -> None:
    scheduler = Scheduler(Job(value()), jobs_window="x")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="jobs_window is a number of jobs, or None, not 'x'"):
        scheduler.run()
    scheduler.close_all_jobs()


def test_a_window_gets_its_place_back_from_a_job_that_fails() -> None:
    jobs = [Job(raising(ValueError()), critical=False) for _ in range(3)]
    last = Job(value("ran"))
    assert Scheduler(*jobs, last, jobs_window=1).run()
    assert last.result() == "ran"


def test_a_window_gets_its_place_back_from_a_job_that_is_cancelled() -> None:
    async def gives_up() -> None:
        raise asyncio.CancelledError

    last = Job(value("ran"))
    assert Scheduler(Job(gives_up(), critical=False), last, jobs_window=1).run()
    assert last.result() == "ran"


def test_a_job_that_runs_for_ever_holds_its_place_in_the_window() -> None:
    log = Log()
    jobs = [Job(endless(), forever=True), log.job("a"), log.job("b")]
    assert Scheduler(*jobs, jobs_window=2).run()
    assert log == ["a starts", "a ends", "b starts", "b ends"]
    waits = Job(value())
    scheduler = PureScheduler(Job(endless(), forever=True), waits, jobs_window=1, timeout=SOON)
    assert scheduler.run() is False
    assert waits.is_scheduled()
    assert not waits.is_running()


@pytest.mark.parametrize(("kind", "raises"), [(PureScheduler, False), (Scheduler, True)])
def test_the_time_limit_ends_what_runs(kind: type[PureScheduler], raises: bool) -> None:
    log = Log()
    job = Job(log.endless("a"))
    scheduler = kind(job, Job(log.value("b"), required=job), timeout=SOON)
    if raises:
        with pytest.raises(TimeoutError, match=r"has not ended within 0\.001 s"):
            scheduler.run()
    else:
        assert scheduler.run() is False
    assert log == ["a starts", "a is cancelled"]
    assert scheduler.failed_time_out() == SOON
    assert not scheduler.failed_critical()
    assert scheduler.why() == "TIMED OUT after 0.001s"


def test_a_scheduler_that_is_not_critical_returns_false_when_its_time_is_up() -> None:
    assert Scheduler(Job(endless()), critical=False, timeout=SOON).run() is False


def test_a_time_limit_that_is_not_reached_is_not_noticed() -> None:
    scheduler = Scheduler(Job(value()), timeout=3600)
    assert scheduler.run() is True
    assert scheduler.failed_time_out() is False


def test_jobs_that_run_for_ever_are_cancelled_when_all_others_have_ended() -> None:
    log = Log()
    service = Job(log.endless("service"), forever=True)
    assert Scheduler(service, log.job("a")).run() is True
    assert log == ["service starts", "a starts", "a ends", "service is cancelled"]


def test_a_critical_job_that_runs_for_ever_still_ends_the_run_by_raising() -> None:
    scheduler = Scheduler(Job(raising(ZeroDivisionError()), forever=True), Job(endless()))
    with pytest.raises(ZeroDivisionError):
        scheduler.run()


def test_with_nothing_but_jobs_for_ever_the_first_end_is_the_end() -> None:
    log = Log()
    jobs = Job(log.endless("a"), forever=True), Job(log.value("b"), forever=True)
    assert Scheduler(*jobs).run() is True
    assert log == ["a starts", "b starts", "b ends", "a is cancelled"]


def test_what_requires_a_job_for_ever_runs_after_it_if_it_ends() -> None:
    first = Job(value(), forever=True)
    after = Job(value("ran"), required=first)
    assert Scheduler(first, after).run()
    assert after.result() == "ran"


def test_a_critical_job_that_somebody_else_cancels_ends_the_run_by_name() -> None:
    async def gives_up() -> None:
        raise asyncio.CancelledError

    log = Log()
    bad = Job(gives_up(), label="bad")
    scheduler = Scheduler(Job(log.endless("other")), bad)
    with pytest.raises(TreadleError, match="the job 'bad' was cancelled, and not by its scheduler"):
        scheduler.run()
    assert not bad.is_done()
    assert log == ["other starts", "other is cancelled"]


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize("window", [None, 2])
def test_a_job_that_somebody_cancels_before_its_first_turn_is_not_waited_for(
    critical: bool, window: int | None
) -> None:
    async def cancels() -> None:
        for task in asyncio.all_tasks():
            if task.get_name() == "victim":
                task.cancel()

    victim = Job(value(), label="victim", critical=critical)
    after = Job(value("ran"), required=victim)
    scheduler = Scheduler(Job(cancels()), victim, after, jobs_window=window)
    if critical:
        with pytest.raises(TreadleError, match="the job 'victim' was cancelled"):
            scheduler.run()
    else:
        assert scheduler.run()
        assert after.result() == "ran"
    assert not victim.is_done()


def test_a_job_that_takes_its_time_over_a_cancellation_is_waited_for() -> None:
    log = Log()

    async def careful() -> None:
        try:
            await endless()
        finally:
            for _ in range(5):
                await turn()
            log.append("cleaned up")

    assert Scheduler(Job(careful(), forever=True), Job(value())).run()
    assert log == ["cleaned up"]


def test_what_a_job_raises_while_it_is_cancelled_is_kept() -> None:
    async def careless() -> None:
        try:
            await endless()
        finally:
            raise KeyError("lost")

    job = Job(careless())
    assert PureScheduler(job, timeout=SOON).run() is False
    assert isinstance(job.raised_exception(), KeyError)


def test_cancelling_from_outside_cancels_the_jobs_and_runs_the_shutdown() -> None:
    log = Log()

    async def main() -> None:
        started = asyncio.Event()

        async def long() -> None:
            started.set()
            await log.endless("long")

        scheduler = Scheduler(Job(long()), Logging(log, "other"), Job(log.value("never")), jobs_window=1)
        run = asyncio.ensure_future(scheduler.co_run())
        await started.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert log == ["long starts", "long is cancelled", "other is shut down"]


def test_a_timeout_of_asyncios_around_a_run_is_a_cancellation_from_outside() -> None:
    log = Log()

    async def main() -> None:
        async with asyncio.timeout(SOON):
            await Scheduler(Job(log.endless("a"))).co_run()

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert log == ["a starts", "a is cancelled"]


def test_a_second_cancellation_waits_for_the_jobs_as_well() -> None:
    log = Log()

    async def main() -> None:
        cleaning, go_on = asyncio.Event(), asyncio.Event()

        async def careful() -> None:
            try:
                await endless()
            except asyncio.CancelledError:
                cleaning.set()
                await go_on.wait()
                log.append("cleaned up")
                raise

        async def stubborn() -> None:
            task = asyncio.ensure_future(careful())
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                task.cancel()
                while not task.done():
                    try:
                        await asyncio.wait([task])
                    except asyncio.CancelledError:
                        go_on.set()
                raise

        run = asyncio.ensure_future(Scheduler(Job(stubborn())).co_run())
        await turn()
        await turn()
        run.cancel()
        await cleaning.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    assert log == ["cleaned up"]


def test_control_c_ends_the_jobs_and_is_passed_on() -> None:
    log = Log()

    async def interrupted() -> None:
        await turn()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Scheduler(Job(interrupted()), Logging(log, "x"), Job(log.endless("long"))).run()
    assert "long is cancelled" in log
    assert "x is shut down" in log


def test_a_signal_of_the_terminal_cancels_the_run_and_shuts_it_down() -> None:
    log = Log()

    async def interrupted() -> None:
        signal.raise_signal(signal.SIGINT)
        await log.endless("hit")

    with pytest.raises(KeyboardInterrupt):
        Scheduler(Job(interrupted()), Logging(log, "x")).run()
    assert "hit is cancelled" in log
    assert log[-1] == "x is shut down"


def test_jobs_of_a_class_can_run_again_and_forget_the_run_before() -> None:
    log = Log()
    scheduler = Scheduler(Logging(log, "a"), Job(raising(ValueError()), critical=False))
    assert scheduler.run()
    (job, bad) = scheduler
    scheduler.remove(bad)
    assert scheduler.run()
    assert log == ["a starts", "a ends", "a is shut down"] * 2
    assert job.result() == "a"


def test_a_job_that_is_added_while_the_scheduler_runs_waits_for_the_next_run() -> None:
    scheduler = Scheduler()
    late = Job(value())

    async def adds() -> None:
        scheduler.add(late)

    scheduler.add(Job(adds()))
    assert scheduler.run()
    assert late.is_idle()


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="asyncio has no eager tasks before 3.12")
def test_eager_tasks_run_too_however_long_the_chain() -> None:
    async def nothing() -> int:
        return 1

    async def main() -> bool:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        jobs = [Job(nothing())]
        for _ in range(3000):
            jobs.append(Job(nothing(), required=jobs[-1]))
        done = await Scheduler(*jobs).co_run()
        return done and jobs[-1].is_done()

    assert asyncio.run(main())
