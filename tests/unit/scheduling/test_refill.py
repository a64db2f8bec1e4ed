"""A slot gets the next job before the end of the last one is seen to, where only the clock can tell."""

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


def queued(queues: dict[str, int], jobs: dict[str, tuple[str, int]]) -> list[str]:
    """Return what had started when each job was collected, in the order of their ends: the oldest first.

    :param jobs: a letter -> its queue and tokens
    """

    class Queued(Good):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.queue_name, self.tokens = jobs[self.uid]

    runner = ManualRunner()
    found: list[str] = []

    def note(_: Any) -> bool:
        found.append("".join(programs(runner)))
        return False

    scheduler = Book(Queued, note).scheduler(runner, queues=queues)
    scheduler.refills = True
    scheduler.run(graph(*((name,) for name in jobs)))
    return found


@pytest.mark.parametrize(
    ("queues", "jobs", "at_ends"),
    [
        pytest.param(
            {"all": 3, "one": 1},
            {"a": ("all", 1), "x": ("one", 1), "b": ("all", 2), "c": ("all", 1)},
            ["abxc"] * 4,
            id="all that could",
        ),
        pytest.param(
            {"one": 1, "all": 3},
            {"a": ("one", 1), "x": ("all", 1), "b": ("one", 1)},
            ["ax", "axb", "axb"],
            id="of a queue with one token",
        ),
        pytest.param(
            {"all": 3, "one": 1},
            {"a": ("all", 3), "x": ("one", 1), "b": ("all", 1)},
            ["ax", "axb", "axb"],
            id="that had all tokens",
        ),
        pytest.param(
            {"all": 3, "one": 1},
            {"a": ("all", 1), "x": ("one", 1), "b": ("all", 3)},
            ["ax", "axb", "axb"],
            id="before one that takes all tokens",
        ),
        pytest.param(
            {"all": 3, "one": 1},
            {"a": ("all", 2), "x": ("one", 1), "b": ("all", 2)},
            ["ax", "axb", "axb"],
            id="where both have too many tokens",
        ),
    ],
)
def test_what_could_not_run_beside_it_starts_after_its_end_is_seen_to(
    queues: dict[str, int], jobs: dict[str, tuple[str, int]], at_ends: list[str]
) -> None:
    assert queued(queues, jobs) == at_ends


def test_what_another_end_has_made_ready_may_go_first() -> None:
    class Urgent(Good):
        priority = property(lambda self: 9 if self.uid == "z" else 0)

    def end_two(manual: ManualRunner) -> None:
        for job in list(manual.running)[:2]:
            manual.end(job)

    runner = ManualRunner(play=end_two)
    scheduler = Book(Urgent).scheduler(runner, tokens=3)
    scheduler.refills = True
    scheduler.run(graph(("a",), ("b",), ("x",), ("c",), ("d",), ("z", "a")))
    assert programs(runner)[3] == "z"
