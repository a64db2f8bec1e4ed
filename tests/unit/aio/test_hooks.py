"""Hooks of jobs that raise: the exception says which hook of which job it was."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from treadle.aio import AbstractJob, Job, Scheduler


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
