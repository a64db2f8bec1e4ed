"""What waits for nothing more, as others are done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.graph.countdown import Countdown

DIAMOND: dict[str, set[str]] = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}}


def test_each_vertex_is_ready_when_the_last_one_it_waits_for_is_done() -> None:
    countdown = Countdown(DIAMOND, DIAMOND.__getitem__)
    assert countdown.first == ["a"]
    assert [list(countdown.leave(vertex)) for vertex in "abcd"] == [["b", "c"], [], ["d"], []]


@pytest.mark.parametrize(
    ("order", "in_order"), [("abcd", True), ("acbd", True), ("bacd", False), ("abdc", False), ("dcba", False)]
)
def test_an_order_that_honours_the_edges_is_told_from_one_that_does_not(order: str, in_order: bool) -> None:
    assert Countdown(order, DIAMOND.__getitem__).in_order is in_order


@pytest.mark.parametrize("edges", [{"a": {"a"}}, {"a": {"b"}, "b": {"a"}}, {"a": {"gone"}}])
def test_a_cycle_and_a_stranger_are_never_in_order(edges: dict[str, set[str]]) -> None:
    assert not Countdown(edges, edges.__getitem__).in_order


@given(st.lists(st.sets(st.integers(0, 20))))
def test_all_vertices_come_up_once_and_after_all_that_they_wait_for(wanted: list[set[int]]) -> None:
    edges = {number: {start for start in starts if start < number} for number, starts in enumerate(wanted)}
    countdown = Countdown(edges, edges.__getitem__)
    done: list[int] = []
    ready = countdown.first
    while ready:
        vertex = ready.pop()
        assert edges[vertex] <= set(done)
        done.append(vertex)
        ready += countdown.leave(vertex)
    assert sorted(done) == list(edges)
