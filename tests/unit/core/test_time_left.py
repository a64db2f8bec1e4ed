"""TimeLeft: the longest path, full queues, and when nothing is said; then against a model that starts anew each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle import DAG
from treadle.core.graph.longest_path import longest_paths, only_after_failures
from treadle.core.time_left import TimeLeft
from treadle.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping


def expected(
    edges: Mapping[str, str],
    seconds: Mapping[str, float],
    tokens: int = 2,
    drains: Callable[[], bool] = lambda: False,
) -> TimeLeft:
    """Return what is expected of a graph of actions in one queue."""
    dag = DAG()
    for uid, before in edges.items():
        dag.update_vertex(uid, None, before.split())
    known = {uid: seconds.get(uid) for uid in edges}
    paths = {str(uid): path for uid, path in longest_paths(dag, lambda uid: seconds.get(str(uid))).items()}
    return TimeLeft(known, paths, {key: {"queue": 1 / tokens} for key in edges}, drains)


CHAIN = {"a": "", "b": "a", "c": "b", "x": "", "y": ""}


def test_the_rest_takes_as_long_as_its_longest_path() -> None:
    left = expected(CHAIN, {"a": 10, "b": 20, "c": 30, "x": 5, "y": 5})
    clock = FakeClock(100.0)
    assert left.estimate({}, clock()) == 60
    running = {"a": clock(), "x": clock()}
    clock.advance(4)
    assert left.estimate(running, clock()) == 56
    clock.advance(3)
    left.end("x")
    running = {"a": 100.0, "y": clock()}
    assert left.estimate(running, clock()) == 53
    # it takes longer than expected: what comes after it is left all the same
    clock.advance(50)
    assert left.estimate(running, clock()) == 50
    left.end("a")
    left.end("y")
    running = {"b": clock()}
    clock.advance(5)
    assert left.estimate(running, clock()) == 45
    left.end("b")
    left.end("c")
    assert left.estimate({}, clock()) is None


def test_the_rest_takes_as_long_as_its_work_in_a_full_queue() -> None:
    names = {f"n{number}": "" for number in range(10)}
    left = expected(names, dict.fromkeys(names, 8.0))
    clock = FakeClock()
    assert left.estimate({}, clock()) == 40
    running = {"n0": clock(), "n1": clock()}
    clock.advance(2)
    assert left.estimate(running, clock()) == 38
    left.end("n0")
    left.end("n1")
    assert left.estimate({}, clock()) == 32


def test_each_bound_counts_by_itself() -> None:
    shares = {"a": {"default": 0.25, "net": 1.0}, "b": {"default": 0.25, "net": 1.0}, "c": {"default": 0.5}}
    seconds = {"a": 10.0, "b": 10.0, "c": 12.0}
    assert TimeLeft(seconds, seconds, shares).estimate({}, 0.0) == 20
    assert TimeLeft(seconds, seconds, {key: {} for key in shares}).estimate({}, 0.0) == 12


@pytest.mark.parametrize(
    ("known", "ended", "is_said"),
    [
        ({}, "", False),
        ({"a": 10}, "", False),
        ({"a": 10, "b": 10}, "", False),
        ({"a": 10, "b": 10, "c": 10}, "", True),
        ({"a": 10, "b": 10}, "x", True),
        ({"a": 10, "b": 10, "c": 10}, "ab", False),
        ({"x": 10, "c": 10}, "ab", True),
        (dict.fromkeys(CHAIN, 1.0), "abcxy", False),
    ],
)
def test_nothing_is_said_where_less_than_half_of_what_is_left_is_known(
    known: dict[str, float], ended: str, *, is_said: bool
) -> None:
    left = expected(CHAIN, known)
    for name in ended:
        left.end(name)
    assert (left.estimate({}, 0.0) is not None) is is_said


def test_what_is_not_known_counts_a_second() -> None:
    assert expected(CHAIN, {"a": 10, "b": 20, "x": 5}, tokens=9).estimate({}, 0.0) == 31


def test_what_waits_for_another_attempt_counts_as_a_whole_again() -> None:
    left = expected(CHAIN, dict.fromkeys(CHAIN, 10.0))
    assert left.estimate({"a": 0.0}, 9.0) == 21
    assert left.estimate({}, 9.0) == 30


def test_a_run_that_starts_nothing_new_has_only_what_runs_left() -> None:
    has_failed = False
    left = expected(CHAIN, {"a": 10, "b": 20, "c": 30}, drains=lambda: has_failed)
    assert left.estimate({"a": 0.0, "x": 0.0}, 4.0) == 56
    has_failed = True
    assert left.estimate({"a": 0.0, "x": 0.0}, 4.0) == 6
    assert left.estimate({"x": 0.0}, 4.0) is None
    assert left.estimate({}, 4.0) is None


def test_names_that_it_does_not_know_change_nothing() -> None:
    left = expected(CHAIN, dict.fromkeys(CHAIN, 10.0))
    left.end("another")
    assert left.estimate({"another": 0.0}, 99.0) == 30


@settings(max_examples=200)
@given(st.data(), st.integers(1, 8), st.integers(1, 3))
def test_after_each_end_it_says_what_a_new_one_of_the_rest_says(
    data: st.DataObject, size: int, tokens: int
) -> None:
    names = [f"n{number}" for number in range(size)]
    edges = {
        name: " ".join(data.draw(st.sets(st.sampled_from(names[:number])))) if number else ""
        for number, name in enumerate(names)
    }
    seconds = {name: float(data.draw(st.integers(0, 9))) for name in names}
    left = expected(edges, seconds, tokens)
    running: dict[str, float] = {}
    for now, name in enumerate(names):
        running[name] = float(now)
        if data.draw(st.booleans()):
            rest = [one for one in names if one in left._seconds]
            paths = {
                one: max(
                    seconds[one] - min(seconds[one], now - running.get(one, now)) + longest
                    for longest in [0.0, *(left._paths[end] for end in rest if one in edges[end].split())]
                )
                for one in rest
            }
            work = sum(seconds[one] - min(seconds[one], now - running.get(one, now)) for one in rest) / tokens
            assert left.estimate(running, float(now)) == pytest.approx(max(*paths.values(), work))
        ended = data.draw(st.sampled_from(sorted(running)))
        del running[ended]
        left.end(ended)


def test_edges_that_no_success_meets_are_no_paths() -> None:
    dag = DAG()
    dag.update_vertex("test")
    dag.update_vertex("diagnose", predecessors={"test": "on_failure"})
    dag.update_vertex("mail", predecessors=["diagnose"])
    dag.update_vertex("tidy", predecessors={"test": "always", "mail": "always"})
    seconds: dict[Hashable, float] = {"test": 1.0, "diagnose": 500.0, "mail": 2.0, "tidy": 4.0}
    assert longest_paths(dag, seconds.get)["test"] == 5
    assert only_after_failures(dag) == {"diagnose", "mail"}
    plain = DAG()
    plain.update_vertex("a")
    assert only_after_failures(plain) == set()
