"""Queues, tokens, priorities and slots, one rule after the other, then at random against a model of a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core.admission import Admission
from treadle.core.ranked_admission import ranked

if TYPE_CHECKING:
    from collections.abc import Hashable


def names(admission: Admission) -> list[Hashable]:
    """Admit all that may start, and return their names."""
    return [uid for uid, _ in admission.admit()]


def test_as_many_start_as_there_are_tokens() -> None:
    admission = Admission({"q": 2})
    for uid in "abc":
        admission.push(uid, "q", 1, 0)
    assert admission.waiting == 3
    assert list(admission.admit()) == [("a", 0), ("b", 1)]
    assert admission.waiting == 1
    assert list(admission.admit()) == []
    admission.release(0)
    assert list(admission.admit()) == [("c", 0)]
    assert admission.waiting == 0


def test_the_higher_priority_goes_first_and_equals_go_as_they_came() -> None:
    admission = Admission({"q": 9})
    for uid, priority in (("a", 0), ("b", 5), ("c", -1), ("d", 5), ("e", 0)):
        admission.push(uid, "q", 1, priority)
    assert names(admission) == ["b", "d", "a", "e", "c"]


def test_nothing_overtakes_a_large_demand_at_the_head() -> None:
    admission = Admission({"q": 3})
    admission.push("running", "q", 1, 0)
    assert names(admission) == ["running"]
    admission.push("large", "q", 3, 0)
    admission.push("small", "q", 1, 0)
    assert names(admission) == []
    admission.release(0)
    assert names(admission) == ["large"]
    admission.release(0)
    assert names(admission) == ["small"]


@pytest.mark.parametrize("ranked_after", [0, 3, 6])
def test_the_higher_rank_goes_first_among_equal_priorities(ranked_after: int) -> None:
    """A2: also where ranks become known when some wait already."""
    admission = Admission({"q": 9})
    came = (("a", 0, 1), ("b", 0, 5), ("c", 3, 0), ("d", 0, 5), ("e", -1, 99), ("f", 3, 0.5))
    ranks = {uid: rank for uid, _, rank in came}
    for number, (uid, priority, _) in enumerate(came):
        if number == ranked_after:
            admission = ranked(admission, ranks.__getitem__)
        admission.push(uid, "q", 1, priority)
    if ranked_after == len(came):
        admission = ranked(admission, ranks.__getitem__)
    assert [(uid, priority) for uid, _, _, priority in admission.items()] == [
        (uid, priority) for name in "fcbdae" for uid, priority, _ in came if uid == name
    ]
    assert admission.waiting == len(came)
    assert names(admission) == list("fcbdae")


@pytest.mark.parametrize(
    ("tokens", "most", "lacks"),
    [([1, 1, 1], None, False), ([1, 1, 2], None, True), ([4], None, False), ([0, 0], 1, True), ([1, 1], 2, False)],
)
def test_ranks_are_needed_when_more_waits_than_may_start(
    tokens: list[int], most: int | None, *, lacks: bool
) -> None:
    """A2: one alone has no order, and what is known already is not asked for again."""
    admission = Admission({"q": 3, "r": 1}, most)
    for uid, number in enumerate(tokens):
        admission.push(uid, "q", number, 0)
    assert admission.is_short is lacks
    admission = ranked(admission, float)
    assert not admission.is_short


@pytest.mark.parametrize("has_ranks", [False, True])
@pytest.mark.parametrize(
    ("came", "order"),
    [
        # queue, tokens, priority
        ([("q", 1, 0), ("q", 1, 0), ("r", 1, 5), ("s", 1, 9)], [3, 2, 0, 1]),
        # between equals that queue goes first which was named first
        ([("s", 1, 0), ("r", 1, 0), ("q", 1, 0), ("r", 1, 1)], [3, 2, 1, 0]),
        ([("q", 1, -1), ("r", 1, -2), ("q", 1, -3)], [0, 1, 2]),
        # the first of `r` lacks tokens, so that another queue is next
        ([("r", 2, 9), ("r", 3, 8), ("q", 1, 0), ("r", 1, 0)], [0, 2, 1, 3]),
        ([("r", 0, 1), ("q", 0, 2), ("r", 0, 3)], [2, 1, 0]),
    ],
)
def test_a_limit_of_the_run_lets_the_first_of_all_queues_go_first(
    came: list[tuple[str, int, int]], order: list[int], *, has_ranks: bool
) -> None:
    """A2: a queue that was named before others has no precedence, with ranks or without."""
    admission = Admission({"q": 3, "r": 3, "s": 3}, 2)
    for uid, (queue, tokens, priority) in enumerate(came):
        admission.push(uid, queue, tokens, priority)
    if has_ranks:
        admission = ranked(admission, lambda _: 0.0)
    started, ended = list(admission.admit()), 0
    assert len(started) == 2
    while admission.waiting:
        admission.release(started[ended][1])
        ended += 1
        started += admission.admit()
        assert len(started) - ended <= 2
    assert [uid for uid, _ in started] == order


def test_queues_are_short_one_by_one() -> None:
    """A2: tokens that are free in another queue help nothing."""
    admission = Admission({"q": 3, "r": 1})
    for uid in "ab":
        admission.push(uid, "r", 1, 0)
    assert admission.is_short


def test_a_higher_priority_does_overtake() -> None:
    admission = Admission({"q": 1})
    admission.push("first", "q", 1, 0)
    names(admission)
    admission.push("low", "q", 1, 0)
    admission.push("high", "q", 1, 1)
    admission.release(0)
    assert names(admission) == ["high"]


def test_no_more_than_so_many_run_over_all_queues() -> None:
    admission = Admission({"q": 9, "r": 9}, 3)
    for uid, queue in (("a", "q"), ("b", "q"), ("c", "r"), ("d", "r")):
        admission.push(uid, queue, 1, 0)
    assert names(admission) == ["a", "b", "c"]
    assert names(admission) == []
    admission.release(1)
    assert names(admission) == ["d"]


def test_queues_do_not_wait_for_each_other() -> None:
    admission = Admission({"q": 1, "r": 1})
    for uid, queue in (("q1", "q"), ("q2", "q"), ("r1", "r")):
        admission.push(uid, queue, 1, 0)
    assert list(admission.admit()) == [("q1", 0), ("r1", 1)]


def test_a_demand_of_nothing_starts_at_the_head_and_not_behind_it() -> None:
    admission = Admission({"q": 1, "none": 0})
    admission.push("one", "q", 1, 0)
    admission.push("free", "none", 0, 0)
    admission.push("two", "q", 1, 0)
    admission.push("zero", "q", 0, 0)
    assert list(admission.admit()) == [("one", 0), ("free", 1)]
    admission.release(0)
    assert list(admission.admit()) == [("two", 0), ("zero", 2)]


def test_the_lowest_free_slot_is_given_out_first() -> None:
    admission = Admission({"q": 4})
    for uid in "abcd":
        admission.push(uid, "q", 1, 0)
    assert [slot for _, slot in admission.admit()] == [0, 1, 2, 3]
    for slot in (2, 0, 3):
        admission.release(slot)
    for uid in "efg":
        admission.push(uid, "q", 1, 0)
    assert list(admission.admit()) == [("e", 0), ("f", 2), ("g", 3)]


def test_what_was_granted_is_given_back_once() -> None:
    admission = Admission({"q": 2})
    admission.push("a", "q", 2, 0)
    names(admission)
    admission.release(0)
    with pytest.raises(KeyError):
        admission.release(0)
    assert admission.free == {"q": 2}


def test_its_queues_are_its_own() -> None:
    queues = {"q": 1}
    admission = Admission(queues)
    queues["q"] = 5
    assert admission.refusal("q", 2) is not None


@pytest.mark.parametrize(
    ("queue", "tokens", "words"),
    [
        ("other", 1, "there is no queue 'other' (known: q, zero)"),
        ("q", -1, "it asks for -1 tokens"),
        ("q", 4, "it asks for 4 tokens of queue 'q', which has 3"),
        ("zero", 1, "it asks for 1 tokens of queue 'zero', which has 0"),
        ("q", 3, None),
        ("q", 0, None),
        ("zero", 0, None),
    ],
)
def test_a_demand_that_can_never_be_met_is_refused_in_words(queue: str, tokens: int, words: str | None) -> None:
    assert Admission({"zero": 0, "q": 3}).refusal(queue, tokens) == words


def test_without_any_queue_all_is_refused() -> None:
    assert Admission({}).refusal("default", 1) == "there is no queue 'default' (known: there is none)"


def rank_of(uid: int) -> float:
    return float(uid * 7 % 4)


class Model:
    """The token rules, told as plainly as can be."""

    def __init__(self, queues: dict[str, int]) -> None:
        self.queues = queues
        self.has_ranks = False
        self.lines: dict[str, list[tuple[int, int, int]]] = {name: [] for name in queues}
        self.running: dict[int, tuple[str, int, int]] = {}

    def admit(self) -> list[tuple[int, int]]:
        """Start what may start: from the head of each queue, into the lowest slot that nobody has."""
        started = []
        for name, line in self.lines.items():
            line.sort(key=lambda entry: (-entry[1], -rank_of(entry[0]) if self.has_ranks else 0, entry[0]))
            while line and line[0][2] <= self.queues[name] - sum(
                tokens for queue, tokens, _ in self.running.values() if queue == name
            ):
                uid, _, tokens = line.pop(0)
                slot = min(set(range(len(self.running) + 1)) - self.running.keys())
                self.running[slot] = (name, tokens, uid)
                started.append((uid, slot))
        return started


QUEUES = st.dictionaries(st.sampled_from("qrs"), st.integers(0, 4), min_size=1)
PUSH = st.tuples(st.just("push"), st.sampled_from("qrs"), st.integers(0, 4), st.integers(-1, 1))
RELEASE = st.tuples(st.just("release"), st.integers(0, 9), st.just(0), st.just(0))


@settings(max_examples=300)
@given(QUEUES, st.lists(PUSH | RELEASE, max_size=40), st.integers(0, 60))
def test_it_does_what_a_model_of_a_few_lines_does(
    queues: dict[str, int], events: list[tuple[str, str | int, int, int]], ranked_at: int
) -> None:
    admission, model = Admission(queues), Model(queues)
    for uid, (kind, what, tokens, priority) in enumerate(events):
        if uid == ranked_at:
            admission = ranked(admission, rank_of)
            model.has_ranks = True
        if kind == "push":
            queue = str(what)
            refused = queue not in queues or tokens > queues[queue]
            assert (admission.refusal(queue, tokens) is not None) is refused
            if not refused:
                admission.push(uid, queue, tokens, priority)
                model.lines[queue].append((uid, priority, tokens))
        elif model.running:
            slot = sorted(model.running)[int(what) % len(model.running)]
            admission.release(slot)
            del model.running[slot]
        assert list(admission.admit()) == model.admit()
        assert admission.waiting == sum(len(line) for line in model.lines.values())
        for name, most in queues.items():
            used = sum(tokens for queue, tokens, _ in model.running.values() if queue == name)
            assert 0 <= used <= most
            assert admission.free[name] == most - used
