"""Walk and the garbage collector of the process: it looks seldom during a walk, and all is put back after it."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from jobs import graph
from treadle import EmptyJob, Job, ReturnValue, Walk

State = tuple[tuple[int, int, int], int, bool]


def state() -> State:
    return gc.get_threshold(), gc.get_freeze_count(), gc.isenabled()


@pytest.fixture(autouse=True)
def _as_usual() -> Iterator[None]:
    gc.unfreeze()
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


class Looking(Walk):
    """Notes how the collector stands when a job is made."""

    inner: Looking | None = None
    error: BaseException | None = None
    seen: State

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
        if self.inner is not None:
            self.inner.run()
        self.seen = state()
        if self.error is not None:
            raise self.error
        return EmptyJob(uid, data, notify_end, ReturnValue.success)


def test_it_looks_seldom_and_not_at_what_was_there_before() -> None:
    before = state()
    walk = Looking(graph(("a",)))
    walk.run()
    assert walk.seen[0] > before[0]
    assert walk.seen[1] > 0
    assert state() == before


def test_an_exception_puts_it_back_too() -> None:
    before = state()
    walk = Looking(graph(("a",)))
    walk.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        walk.run()
    assert state() == before


def test_a_walk_inside_of_a_walk_leaves_it_to_the_outer_one() -> None:
    before = state()
    outer, inner = Looking(graph(("a",))), Looking(graph(("b",)))
    outer.inner = inner
    outer.run()
    assert inner.seen[0] == outer.seen[0] > before[0]
    assert outer.seen[1] > 0
    assert state() == before


def test_what_somebody_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        before = state()
        walk = Looking(graph(("a",)))
        walk.run()
        assert state() == before
        assert walk.seen[1] == before[1] > 0
    finally:
        gc.unfreeze()


def test_who_has_it_look_more_seldom_or_never_keeps_that() -> None:
    for thresholds in ((0, 10, 10), (10_000_000, 10, 10)):
        gc.set_threshold(*thresholds)
        walk = Looking(graph(("a",)))
        walk.run()
        assert walk.seen[0] == thresholds
        assert gc.get_threshold() == thresholds


def test_a_cycle_from_before_or_from_within_a_walk_is_found_after_it() -> None:
    class Knot:
        def __init__(self) -> None:
            self.knot = self

    class Making(Looking):
        def create_job(self, *args: Any) -> Job:
            found.append(weakref.ref(Knot()))
            return super().create_job(*args)

    found = [weakref.ref(Knot())]
    Making(graph(("a",))).run()
    gc.collect()
    assert [knot() for knot in found] == [None, None]


def test_the_program_does_without_the_collector() -> None:
    looks = "import gc, treadle.__main__ as m; m.main = lambda: 3 + gc.isenabled(); m.program()"
    assert subprocess.run([sys.executable, "-c", looks]).returncode == 3
