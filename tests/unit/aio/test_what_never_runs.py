"""What would never run is said: jobs that come too late, and those behind a window full of endless ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aio_jobs import endless, turn, value
from treadle.aio import AbstractJob, Job, PureScheduler, Scheduler, Sequence
from treadle.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable

    Caplog = pytest.LogCaptureFixture


class Fine(AbstractJob):
    """A job that can run again."""

    async def co_run(self) -> None:
        return None


class Named(Fine):
    """Has a name that is made after the constructor of its base."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.name = "it"

    def text_label(self) -> str:
        return self.name


ADDS: dict[str, Callable[[PureScheduler], object]] = {
    "add": lambda it: it.add(Fine(label="late")),
    "update": lambda it: it.update([Fine(label="late")]),
    "a sequence": lambda it: it.add(Sequence(Fine(label="late"))),
    "scheduler=": lambda it: Fine(label="late", scheduler=it),
    "the set of jobs": lambda it: it.jobs.add(Fine(label="late")),
    "a scheduler": lambda it: it.add(Scheduler(Fine(), label="late")),
}


@pytest.mark.parametrize("way", ADDS)
@pytest.mark.parametrize("kind", [PureScheduler, Scheduler])
def test_a_job_that_is_added_under_way_is_named(kind: type[PureScheduler], way: str, caplog: Caplog) -> None:
    scheduler = kind()

    async def adds() -> None:
        await turn()
        ADDS[way](scheduler)

    scheduler.add(Job(adds()))
    assert scheduler.run() is True
    assert len(caplog.records) == 1
    assert "the job 'late' will not run: it was added while " in caplog.text


def test_one_without_a_label_is_named_by_its_class(caplog: Caplog) -> None:
    scheduler = Scheduler(label="me")

    async def adds() -> None:
        Named(scheduler=scheduler)

    scheduler.add(Job(adds()))
    scheduler.run()
    assert "the Named without a label will not run: it was added while the scheduler 'me' ran" in caplog.text


def test_what_is_added_before_a_run_or_between_two_is_not(caplog: Caplog) -> None:
    scheduler = Scheduler(Fine())
    scheduler.add(Fine())
    assert scheduler.run()
    late = scheduler.add(Fine())
    assert scheduler.run()
    assert late.is_done()
    assert caplog.records == []


def test_a_job_that_is_there_already_may_be_added_again(caplog: Caplog) -> None:
    scheduler = Scheduler()

    async def adds() -> None:
        scheduler.add(known)

    known = scheduler.add(Job(adds()))
    assert scheduler.run()
    assert caplog.records == []


def test_a_scheduler_within_takes_jobs_until_it_begins_and_none_after_its_end(caplog: Caplog) -> None:
    async def adds(label: str) -> None:
        inner.add(Fine(label=label))

    inner = Scheduler(Fine(), label="inner")
    before = Job(adds("in time"))
    inner.requires(before)
    after = Job(adds("late"), required=inner)
    outer = Scheduler(before, inner, after)
    assert outer.run()
    assert [job.label for job in inner if job.is_done()] == [None, "in time"]
    assert [record.getMessage() for record in caplog.records] == [
        "the job 'late' will not run: it was added while the scheduler 'inner' ran"
    ]
    inner.add(Fine())
    assert len(caplog.records) == 1


def service() -> Job:
    """Return a job that runs for ever."""
    return Job(endless(), forever=True, label="service")


def behind() -> list[AbstractJob]:
    """Return jobs of which the last one waits for a place that an endless one took when the first had ended."""
    first = Job(value())
    last = Job(value(), required=first)
    return [first, service(), last]


FULL: dict[str, tuple[Callable[[], list[AbstractJob]], int]] = {
    "one": (lambda: [service(), Job(value())], 1),
    "two": (lambda: [service(), service(), Job(value())], 2),
    "after others": (lambda: [Job(value()), service(), Job(value()), service(), Job(value()), Job(value())], 2),
    "behind a requirement": (behind, 1),
    "endless ones behind": (lambda: [service(), service(), Job(value())], 1),
    "a scheduler for ever": (lambda: [Scheduler(service(), forever=True, label="service"), Job(value())], 1),
}


@pytest.mark.parametrize("case", FULL)
def test_a_window_full_of_endless_jobs_is_refused_by_their_names(case: str) -> None:
    make, window = FULL[case]
    with pytest.raises(
        RunError, match=r"fill the window of .*\n  they are 'service'.*\n  hint: a larger jobs_window"
    ):
        Scheduler(*make(), jobs_window=window).run()


@pytest.mark.parametrize("case", FULL)
def test_where_there_is_a_time_limit_it_is_told_and_waited_for(case: str, caplog: Caplog) -> None:
    make, window = FULL[case]

    async def main() -> None:
        run = asyncio.ensure_future(PureScheduler(*make(), jobs_window=window, timeout=3600).co_run())
        for _ in range(100):
            await turn()
        assert not run.done()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    assert [record.name for record in caplog.records if record.name != "asyncio"] == ["treadle.aio"]
    assert "jobs that run for ever fill the window" in caplog.text


def test_a_window_within_another_scheduler_is_refused_too() -> None:
    inner = Scheduler(service(), Job(value()), jobs_window=1, label="inner")
    with pytest.raises(RunError, match="fill the window of 1"):
        Scheduler(inner, Job(value())).run()


@pytest.mark.parametrize(
    "jobs",
    [
        lambda: [service(), Job(value()), Job(value()), Job(value())],
        lambda: [Job(value()), service(), Job(value())],
        lambda: [Job(value()), Job(value()), service(), service()],
    ],
)
def test_as_long_as_a_place_is_left_nothing_is_said(jobs: Callable[[], list[Job]], caplog: Caplog) -> None:
    assert Scheduler(*jobs(), jobs_window=2).run()
    assert caplog.records == []


def test_a_run_of_nothing_but_endless_jobs_is_as_it_was(caplog: Caplog) -> None:
    ends = [Job(value(), forever=True) for _ in range(3)]
    assert Scheduler(*ends, jobs_window=1).run()
    assert caplog.records == []
