"""The order among ready actions: priority, then the longest path that begins there, then insertion."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import Notify, graph
from treadle import DAG, Demand, Job, Pool, ReturnValue, Scheduler, UsageError, Walk
from treadle.testing import CallJob

POOL = Pool({"cpus": 100, "licences": 1})
DEMANDS = {"tokens": None, "pool": Demand({"licences": 1})}


class Asking(CallJob):
    """A job with a priority and a demand of its own."""

    priority = 0
    demand: Demand | None = None


class Timed(Walk):
    """A walk with what its actions are expected to take, and a list of what has started."""

    def __init__(
        self,
        actions: DAG,
        seconds: Mapping[Hashable, Any] | None = None,
        priorities: Mapping[Hashable, int] | None = None,
        demand: Demand | None = None,
    ) -> None:
        super().__init__(actions)
        self.pool = POOL
        self.tokens = 1 if demand is None else 100
        self.seconds, self.priorities, self.demand = seconds or {}, priorities or {}, demand
        self.asked: list[Hashable] = []
        self.started: list[Hashable] = []

    def expected_duration(self, uid: Any) -> float | None:
        self.asked.append(uid)
        return self.seconds.get(uid)

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        job = Asking(uid, data, notify_end, lambda: self.started.append(uid))
        job.priority, job.demand = self.priorities.get(uid, 0), self.demand
        return job


CHAIN = (("a",), ("b",), ("first",), ("second", "first"), ("third", "second"))
"""Two that stand alone, and a chain that was inserted after them."""


@pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
@pytest.mark.parametrize(
    ("seconds", "priorities", "expected"),
    [
        ({}, {}, "first second a b third"),
        ({"third": 0.5}, {}, "first second a b third"),
        ({"a": 9.0}, {}, "a first second b third"),
        ({"a": 2.0, "b": 3.0}, {}, "b first a second third"),
        ({"third": 100.0}, {}, "first second third a b"),
        ({"first": 0.0, "second": 0.0, "third": 0.0}, {}, "a b first second third"),
        ({"third": 100.0}, {"b": 1}, "b first second third a"),
        ({"third": 100.0}, {"first": -1}, "a b first second third"),
        ({"b": 50.0}, {"a": 1, "b": 1}, "b a first second third"),
    ],
)
def test_priority_comes_first_then_the_path_then_insertion(
    seconds: Mapping[Hashable, float], priorities: Mapping[Hashable, int], expected: str, demand: Demand | None
) -> None:
    """A2: with one token, and with one licence."""
    walk = Timed(graph(*CHAIN), seconds, priorities, demand)
    assert walk.run().ok
    assert walk.started == expected.split()


@pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
def test_equal_paths_start_as_they_were_inserted(demand: Demand | None) -> None:
    """A2."""
    names = [f"{letter}{number}" for number in range(8) for letter in "zya"]
    walk = Timed(graph(*((name,) for name in names)), demand=demand)
    walk.run()
    assert walk.started == names


@pytest.mark.parametrize(
    ("actions", "tokens", "is_asked"),
    [
        (CHAIN, 3, False),
        (CHAIN, 2, True),
        ((("a",), ("b", "a"), ("c", "b")), 1, False),
        ((), 1, False),
        ((("a",), ("b", "a"), ("c", "a")), 1, True),
    ],
)
def test_durations_are_asked_for_when_first_more_is_ready_than_may_start(
    actions: tuple[tuple[str, ...], ...], tokens: int, *, is_asked: bool
) -> None:
    """A2: once for each action, or not at all."""
    walk = Timed(graph(*actions))
    walk.tokens = tokens
    walk.run()
    assert sorted(map(str, walk.asked)) == (sorted(walk.actions.vertex_data) if is_asked else [])  # type: ignore[type-var]


def test_a_scheduler_of_jobs_alone_counts_a_second_for_each() -> None:
    """A2."""
    started: list[Hashable] = []

    def job(uid: Any, data: Any, _: frozenset[Any], notify_end: Notify) -> Job:
        return CallJob(uid, data, notify_end, lambda: started.append(uid))

    Scheduler(job).run(graph(*CHAIN))
    assert started == ["first", "second", "a", "b", "third"]


def test_what_is_queued_again_goes_by_its_path_too() -> None:
    """A2."""
    walk = Timed(graph(*CHAIN), {"third": 100.0})
    tries = {"first": 3}

    def again(job: Any) -> bool:
        tries[job.uid] -= 1
        return tries[job.uid] > 0

    def create_job(uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        made = Timed.create_job(walk, uid, data, predecessors, notify_end)
        if uid != "first":
            return made

        def not_ready() -> ReturnValue:
            walk.started.append(uid)
            return ReturnValue.notready

        return CallJob(uid, data, notify_end, not_ready)

    walk.request_requeue, walk.create_job = again, create_job  # type: ignore[method-assign]
    walk.run()
    assert walk.started == ["first", "first", "first", "a", "b"]


@pytest.mark.parametrize("odd", ["1", -1, float("nan"), float("inf"), True, [1]])
def test_what_is_no_duration_is_refused_by_the_name_of_the_hook(odd: object) -> None:
    walk = Timed(graph(("a",), ("b",)), {"b": odd})
    with pytest.raises(UsageError, match="expected_duration"):
        walk.run()
    assert walk.started == []


@settings(max_examples=100)
@given(st.data(), st.integers(2, 10), st.sampled_from(["tokens", "pool"]))
def test_one_at_a_time_the_best_of_what_is_ready_is_next(data: st.DataObject, size: int, kind: str) -> None:
    """A2: on random graphs, against a model of a few lines."""
    before: dict[int, set[int]] = {
        n: data.draw(st.sets(st.integers(0, n - 1))) if n else set() for n in range(size)
    }
    seconds: dict[Hashable, float | None] = {
        n: data.draw(st.sampled_from([None, 0.0, 0.5, 1.0, 3.0])) for n in range(size)
    }
    priorities: dict[Hashable, int] = {n: data.draw(st.sampled_from([0, 0, 0, 1, -1])) for n in range(size)}
    walk = Timed(graph(*((n, *before[n]) for n in range(size))), seconds, priorities, DEMANDS[kind])
    walk.run()
    assert walk.started == expected_order(before, seconds, priorities)


def expected_order(
    before: Mapping[int, set[int]], seconds: Mapping[Hashable, float | None], priorities: Mapping[Hashable, int]
) -> list[int]:
    paths: dict[int, float] = {}
    for n in sorted(before, reverse=True):
        own = seconds[n]
        paths[n] = (1.0 if own is None else own) + max((paths[m] for m in paths if n in before[m]), default=0.0)
    came: list[int] = []
    order: list[int] = []
    while len(order) < len(before):
        came += [n for n in before if n not in came and before[n] <= set(order)]
        order.append(
            min((n for n in came if n not in order), key=lambda n: (-priorities[n], -paths[n], came.index(n)))
        )
    return order
