"""What it costs to check edges one by one is counted in edges looked at, not in seconds."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from treadle.core.graph.order import Labels

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

SIZE = 4_000


class Recorder:
    """Admits edges to labels and keeps those that are admitted."""

    def __init__(self) -> None:
        self.before: dict[Hashable, list[Hashable]] = defaultdict(list)
        self.after: dict[Hashable, list[Hashable]] = defaultdict(list)
        self.labels = Labels(range(SIZE), self.before.__getitem__, self.after.__getitem__)

    def admit(self, edges: Iterable[tuple[int, int]]) -> int:
        """Return how many edges were looked at."""
        for start, end in edges:
            assert self.labels.admit(start, end)
            self.before[end].append(start)
            self.after[start].append(end)
        for later, starts in self.before.items():
            assert all(self.labels.agree(earlier, later) for earlier in starts)
        return self.labels.looked


EVEN = range(0, SIZE, 2)
ODD = range(1, SIZE, 2)


def chained(numbers: Iterable[int]) -> list[tuple[int, int]]:
    return list(pairwise(numbers))


def shuffled(edges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    random.Random(SIZE).shuffle(edges)
    return edges


EDGES: dict[str, list[tuple[int, int]]] = {
    "a chain backwards": chained(reversed(range(SIZE))),
    "a chain backwards, shuffled": shuffled(chained(reversed(range(SIZE)))),
    "a chain in the order of insertion, shuffled": shuffled(chained(range(SIZE))),
    "one chain before another, tooth by tooth": [
        *chained(EVEN),
        *chained(ODD),
        *((start, ODD[0]) for start in EVEN),
    ],
    "one chain after another, tooth by tooth": [
        *chained(EVEN),
        *chained(ODD),
        *((EVEN[-1], end) for end in reversed(ODD)),
    ],
    "two chains crossed": [*chained(EVEN), *chained(ODD), *zip(EVEN, reversed(ODD), strict=True)],
    "ten layers backwards": [
        (start, start - SIZE // 10 + chance)
        for start in range(SIZE // 10, SIZE)
        for chance in (0, -3, 5)
        if start + chance >= SIZE // 10
    ],
}


@pytest.mark.parametrize("name", EDGES)
def test_edges_in_a_bad_order_cost_a_few_looks_each(name: str) -> None:
    edges = EDGES[name]
    assert Recorder().admit(edges) <= 20 * len(edges)


def test_edges_in_the_order_of_insertion_cost_no_look() -> None:
    assert Recorder().admit(chained(range(SIZE))) == 0


def test_an_edge_that_closes_a_cycle_is_refused_and_the_labels_stay_right() -> None:
    recorder = Recorder()
    recorder.admit(chained(reversed(range(SIZE))))
    assert not recorder.labels.admit(0, SIZE - 1)
    assert not recorder.labels.admit(5, 5)
    recorder.admit([(7, 3)])
