"""The order among jobs that wait for their turn: by the longest path to the end, then as they were added."""

from __future__ import annotations

from typing import Any

import pytest

from aio_jobs import Log, Logging
from treadle.aio import AbstractJob, Job, Scheduler
from treadle.core.pool import Pool
from treadle.errors import UsageError

WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "window": ({"jobs_window": 1}, {}),
    "pool": ({"pool": Pool({"licences": 1})}, {"resources": {"licences": 1}}),
}
"""What makes jobs wait -> arguments of the scheduler, and of each job."""


def chain_and_others(log: Log, each: dict[str, Any], **seconds: float) -> list[AbstractJob]:
    """Return two jobs that stand alone, and a chain that was added after them."""
    jobs = {name: log.job(name, expected_duration=seconds.get(name), **each) for name in ("a", "b", "x", "y", "z")}
    jobs["y"].requires(jobs["x"])
    jobs["z"].requires(jobs["y"])
    return list(jobs.values())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({}, "xyabz"),
        ({"b": 9.0}, "bxyaz"),
        ({"z": 50.0, "b": 9.0}, "xyzba"),
        ({"x": 0.0, "y": 0.0, "z": 0.0}, "abxyz"),
    ],
)
def test_what_has_the_longest_path_behind_it_goes_first(way: str, seconds: dict[str, float], expected: str) -> None:
    """A2: a second for each job that says nothing."""
    whole, each = WAYS[way]
    log = Log()
    assert Scheduler(*chain_and_others(log, each, **seconds), **whole).run()
    assert log.starts() == list(expected)


@pytest.mark.parametrize("way", WAYS)
def test_equal_paths_go_as_they_were_added(way: str) -> None:
    """A2."""
    whole, each = WAYS[way]
    log = Log()
    names = [f"{letter}{number}" for number in range(5) for letter in "zya"]
    assert Scheduler(*(log.job(name, **each) for name in names), **whole).run()
    assert log.starts() == names


@pytest.mark.parametrize(("said", "expected"), [(None, "inner"), (2.5, "inner"), (1.5, "two")])
def test_a_scheduler_takes_as_long_as_its_jobs_unless_it_says_otherwise(said: float | None, expected: str) -> None:
    """A2."""
    log = Log()
    first = log.job("inner")
    last = log.job("last", required=log.job("beside"))
    inner = Scheduler(first, log.job("second", required=first), *last.required, last, expected_duration=said)
    two = log.job("two", expected_duration=1.75)
    assert Scheduler(two, inner, jobs_window=1).run()
    assert log.starts()[0] == expected


def test_what_comes_after_a_scheduler_comes_after_its_jobs() -> None:
    """A2: in one pool the jobs of all schedulers are compared."""
    log = Log()
    each = {"resources": {"licences": 1}}
    alone = log.job("alone", expected_duration=5.0, **each)
    inner = Scheduler(log.job("within", **each), label="inner")
    after = log.job("after", required=inner, expected_duration=9.0, **each)
    holder = log.job("holder", expected_duration=99.0, **each)
    assert Scheduler(holder, alone, inner, after, pool=Pool({"licences": 1})).run()
    assert log.starts()[:2] == ["holder", "within"]


@pytest.mark.parametrize("odd", ["1", -1, float("nan"), float("inf"), True])
def test_what_is_no_duration_is_refused(odd: Any) -> None:
    with pytest.raises(UsageError, match="expected_duration"):
        Logging(Log(), "a", expected_duration=odd)


def test_what_a_running_job_makes_others_require_changes_no_order() -> None:
    log = Log()
    jobs = chain_and_others(log, {})

    async def meddles() -> None:
        jobs[0].requires(Logging(log, "elsewhere"))

    first = Job(meddles())
    for job in (jobs[0], jobs[1], jobs[2]):
        job.requires(first)
    assert Scheduler(first, *jobs, jobs_window=1).run()
    assert log.starts() == list("xyabz")
