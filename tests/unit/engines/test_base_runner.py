"""How an engine in this process reports ends: each once, and none without a call."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from treadle import Attempt, BaseRunner

if TYPE_CHECKING:
    from collections.abc import Iterable


class Reports(BaseRunner):
    """Starts nothing; the test reports ends."""

    def submit(self, key: object, attempt: Attempt) -> None:
        """Take it."""


def attempt() -> Attempt:
    return Attempt([["true"]], mark="run/a", environ={})


def test_ends_that_are_taken_together_have_one_call() -> None:
    runner, calls = Reports(), [0]

    def count() -> None:
        calls[0] += 1

    runner.on_end = count
    for key in range(3):
        runner.start(key, attempt())
        runner.report(key, 0)
    assert calls == [1]
    assert len(runner.poll(0)) == 3
    runner.start(3, attempt())
    runner.report(3, 0)
    assert calls == [2]


def test_no_end_is_left_without_a_call_however_threads_meet() -> None:
    """A call that is left out would let the loop sleep with an end that nothing tells it of."""
    runner, bell = Reports(), threading.Semaphore(0)
    runner.on_end = bell.release
    keys = range(2000)
    for key in keys:
        runner.start(key, attempt())

    def report(some: Iterable[int]) -> None:
        for key in some:
            runner.report(key, 0)

    threads = [threading.Thread(target=report, args=(keys[at::4],)) for at in range(4)]
    for thread in threads:
        thread.start()
    while runner.active:
        assert bell.acquire(timeout=30), f"{runner.active} are left, and nothing was told"
        runner.poll(0)
    for thread in threads:
        thread.join()
