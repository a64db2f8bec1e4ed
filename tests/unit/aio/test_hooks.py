"""Hooks of jobs that raise: the exception says which hook of which job it was."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from treadle.aio import AbstractJob, Failed, Job, PureScheduler, Scheduler


class Broken(AbstractJob):
    """A job that raises in one of its hooks."""

    def __init__(self, hook: str, **options: Any) -> None:
        super().__init__(**options)
        self.hook = hook

    def _may_raise(self, hook: str) -> None:
        if hook == self.hook:
            raise ValueError(f"in {hook}")

    async def co_run(self) -> None:
        self._may_raise("co_run")
        if self.hook == "is_critical":
            raise KeyError("x")

    async def co_shutdown(self) -> None:
        self._may_raise("co_shutdown")

    def text_label(self) -> str | None:
        self._may_raise("text_label")
        return None

    def graph_label(self) -> str | None:
        self._may_raise("graph_label")
        return None

    def details(self) -> str | None:
        self._may_raise("details")
        return None

    def is_critical(self) -> bool:
        self._may_raise("is_critical")
        return True


def notes_of(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", ()))


ASKS: dict[str, Any] = {
    "co_run": lambda scheduler: scheduler.run(),
    "is_critical": lambda scheduler: scheduler.run(),
    "text_label": lambda scheduler: scheduler.list(),
    "details": lambda scheduler: scheduler.list(details=True),
    "graph_label": lambda scheduler: scheduler.dot_format(),
}


@pytest.mark.parametrize("label", ["mine", None])
@pytest.mark.parametrize("hook", ASKS)
def test_an_exception_in_a_hook_names_the_hook_and_the_job(hook: str, label: str | None) -> None:
    job = Broken(hook, label=None if hook == "text_label" else label)
    for scheduler in (Scheduler(job), Scheduler(Scheduler(Broken(hook, label=job.label), label="outer"))):
        with pytest.raises(ValueError, match=f"in {hook}") as caught:
            ASKS[hook](scheduler)
        assert notes_of(caught.value) == [f"raised by Broken.{hook}() for the job {job.label or 'Broken'!r}"]


def test_an_exception_of_a_coroutine_names_its_job() -> None:
    async def fails() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x") as caught:
        Scheduler(Job(fails(), label="mine")).run()
    assert notes_of(caught.value) == ["raised by Job.co_run() for the job 'mine'"]


def test_an_exception_in_a_shutdown_names_its_job(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "treadle.aio"):
        assert Scheduler(Broken("co_shutdown", label="mine")).run()
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is not None
    assert notes_of(record.exc_info[1]) == ["raised by Broken.co_shutdown() for the job 'mine'"]


class Working(AbstractJob):
    """A job that calls a function."""

    def __init__(self, work: Callable[[], Awaitable[object]], **options: Any) -> None:
        super().__init__(**options)
        self.work = work

    async def co_run(self) -> None:
        await self.work()


class Unnamed(Working):
    """A job that cannot say its name."""

    def text_label(self) -> str | None:
        raise KeyError("the hook")


class Unshown(Working):
    """A job that has no line in lists."""

    def repr_main(self) -> str:
        raise KeyError("the hook")


async def fails() -> None:
    raise Failed("x")


async def fails_first() -> None:
    raise Failed("first")


async def waits() -> None:
    await asyncio.Event().wait()


async def returns() -> None:
    pass


def left_out() -> list[AbstractJob]:
    first = Unnamed(fails, critical=False)
    return [first, Job(returns()).requires(first, when="on_success")]


def left_out_while_others_run() -> list[AbstractJob]:
    return [*left_out(), Job(waits())]


def left_out_in_a_pool() -> list[AbstractJob]:
    return [*left_out(), Job(waits(), mutex=["a"])]


def left_out_after_a_critical_failure() -> list[AbstractJob]:
    critical = Job(fails_first())
    return [critical, *left_out(), Job(waits()).requires(critical, when="on_failure")]


def endless_in_a_window() -> list[AbstractJob]:
    first = Job(returns())
    return [first, Unnamed(waits, forever=True, required=first), Job(returns(), required=first)]


def started_later() -> list[AbstractJob]:
    first = Job(returns())
    return [first, Unshown(returns, required=first), Job(waits())]


def started_later_in_a_pool() -> list[AbstractJob]:
    return [Job(returns(), mutex=["a"]), Unshown(returns, mutex=["a"]), Job(waits())]


def started_by_another_run() -> list[AbstractJob]:
    first = Job(returns(), mutex=["a"])
    return [Scheduler(first), Scheduler(Unshown(returns, mutex=["a"]), verbose=True), Job(waits())]


@pytest.mark.parametrize("scheduler_class", [Scheduler, PureScheduler])
@pytest.mark.parametrize(
    ("jobs", "options"),
    [
        (left_out, {}),
        (left_out_while_others_run, {}),
        (left_out_in_a_pool, {}),
        (endless_in_a_window, {"jobs_window": 1}),
        (started_later, {"verbose": True}),
        (started_later, {"verbose": True, "jobs_window": 2}),
        (started_later_in_a_pool, {"verbose": True}),
    ],
)
def test_an_exception_in_a_hook_that_is_called_when_another_job_ends_ends_the_run(
    scheduler_class: Any, jobs: Callable[[], list[AbstractJob]], options: dict[str, Any]
) -> None:
    scheduler = scheduler_class(*jobs(), **options)
    with pytest.raises(KeyError, match="the hook"):
        asyncio.run(asyncio.wait_for(scheduler.co_run(), 20))
    assert all(job.outcome is not None for job in scheduler.iterate_jobs())


def test_an_exception_in_a_hook_ends_the_run_that_the_job_is_in_though_another_run_gave_the_turn() -> None:
    first, second, third = started_by_another_run()
    with pytest.raises(KeyError, match="the hook"):
        asyncio.run(asyncio.wait_for(Scheduler(first, second, third).co_run(), 20))
    assert [str(job.outcome).partition(":")[0] for job in (first, second, third)] == [
        "success",
        "error",
        "interrupted",
    ]


def test_what_has_failed_before_counts_more_than_a_hook_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "treadle.aio"), pytest.raises(Failed, match="first"):
        asyncio.run(asyncio.wait_for(Scheduler(*left_out_after_a_critical_failure()).co_run(), 20))
    assert "the hook" in caplog.text
