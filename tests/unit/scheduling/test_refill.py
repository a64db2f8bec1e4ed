"""A slot gets the next job before the end of the last one is seen to, where nobody can tell but by the clock."""

from __future__ import annotations

from typing import Any

import pytest

from jobs import Book, Fake, graph, programs
from treadle.core.pool import Demand
from treadle.scheduling.scheduler import DRAINING
from treadle.testing import ManualRunner


class Good(Fake):
    """A program of which it is known at its end that it has ended well."""

    @property
    def ended_well_at_once(self) -> bool:
        return self.code == 0


def started_at_ends(
    *edges: tuple[Any, ...], tokens: int = 2, refills: bool = True, job: Any = Good
) -> dict[Any, str]:
    """Return which programs had started when each job was collected."""
    runner = ManualRunner()
    found: dict[Any, str] = {}

    def note(job: Any) -> bool:
        found[job.uid] = "".join(programs(runner))
        return False

    scheduler = Book(job, note).scheduler(runner, tokens=tokens)
    scheduler.refills = refills
    scheduler.run(graph(*edges))
    assert len(programs(runner)) == len(edges)
    return found


FOUR = (("a",), ("b",), ("c",), ("d",))


def test_the_next_one_starts_before_the_end_is_seen_to() -> None:
    assert started_at_ends(*FOUR) == {"a": "abc", "b": "abcd", "c": "abcd", "d": "abcd"}


def test_it_does_not_unless_that_is_said() -> None:
    assert started_at_ends(*FOUR, refills=False) == {"a": "ab", "b": "abc", "c": "abcd", "d": "abcd"}


def test_one_after_the_other_stays_so() -> None:
    assert started_at_ends(*FOUR, tokens=1) == {"a": "a", "b": "ab", "c": "abc", "d": "abcd"}


def test_what_its_end_makes_ready_may_go_first() -> None:
    ends = started_at_ends(("a",), ("b",), ("c",), ("z", "a"))
    assert ends["a"] == "ab"


def test_what_waits_for_others_too_does_not_count() -> None:
    ends = started_at_ends(("a",), ("b",), ("c",), ("z", "a", "c"))
    assert ends["a"] == "acb"


def test_what_did_not_end_well_may_be_the_last() -> None:
    assert started_at_ends(*FOUR, job=Fake)["a"] == "ab"


def test_what_asks_for_resources_is_seen_to_first() -> None:
    class Asking(Good):
        demand = Demand({"cpus": 1})

    assert started_at_ends(*FOUR, job=Asking)["a"] == "ab"


def test_a_run_that_is_to_end_starts_nothing() -> None:
    runner = ManualRunner()
    book = Book(Good)
    scheduler = book.scheduler(runner, tokens=2)
    scheduler.refills = True

    def end(manual: ManualRunner) -> None:
        scheduler.stop(DRAINING)
        manual.end_oldest()

    runner.play = end
    scheduler.run(graph(*FOUR))
    assert programs(runner) == ["a", "b"]


def test_an_exception_at_the_start_of_the_next_one_ends_the_run_and_each_end_is_seen_to_once() -> None:
    book = Book(Good)
    scheduler = book.scheduler(tokens=2)
    scheduler.refills = True

    def refuse(jobs: list[Any]) -> None:
        if jobs[0].uid == "c":
            raise KeyError("c")

    scheduler.before_start = refuse
    with pytest.raises(KeyError):
        scheduler.run(graph(*FOUR))
    assert sorted(map(str, book.collected)) == ["a", "b"]
