"""The time left in the status line: a walk with a fake clock, shown by Progress on a screen that keeps its lines."""

from __future__ import annotations

import io
from collections.abc import Hashable, Mapping
from typing import Any

import pytest

from jobs import Fake, Notify, graph
from treadle import DAG, Job, Scheduler, Walk
from treadle.core.outcomes import RunCounts
from treadle.testing import FakeClock, ManualRunner
from treadle.ui import render
from treadle.ui.console import Console
from treadle.ui.progress import Progress
from treadle.ui.screen import Screen
from treadle.ui.text import Line, plain


class Kept(Screen):
    """A screen that keeps the status lines that were drawn, each with its time."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(io.StringIO(), redraws=True)
        self.clock = clock
        self.lines: list[tuple[float, str]] = []

    def draw(self, text: Line) -> None:
        self.lines.append((self.clock(), plain(text)))

    def at(self, seconds: float) -> str:
        """Return the last line that was drawn up to a time."""
        return [line for when, line in self.lines if when <= seconds][-1]


class Played(Walk):
    """A walk whose programs take as long as `takes` says, by a fake clock.

    :param says: what is expected of them
    """

    def __init__(self, actions: DAG, takes: Mapping[str, float], says: Mapping[str, float | None]) -> None:
        super().__init__(actions)
        self.tokens = 2
        self.clock, self.takes, self.says = FakeClock(), takes, says
        self.since: dict[Hashable, float] = {}
        self.asked: list[Hashable] = []
        self.fails: set[Hashable] = set()

    def expected_duration(self, uid: Any) -> float | None:
        self.asked.append(uid)
        return self.says.get(uid)

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        return Fake(uid, data, notify_end)

    def create_scheduler(self) -> Scheduler:
        scheduler = super().create_scheduler()
        scheduler.clock = self.clock
        scheduler.runner = ManualRunner(self.clock, self._play)
        return scheduler

    def _play(self, runner: ManualRunner) -> None:
        for job in [key for key in runner.running if isinstance(key, Job)]:
            since = self.since.setdefault(job.uid, self.clock())
            if self.clock() - since >= self.takes.get(job.uid, 1.0) - 1e-6:
                runner.end(job, 1 if job.uid in self.fails else 0)

    def watched(self) -> Kept:
        """Walk; return what was drawn."""
        console = Console.silent()
        screen = console.screen = Kept(self.clock)
        self.bus.add(Progress(console, 0.0, str, clock=self.clock))
        self.run()
        return screen


CHAIN = graph(("a",), ("b", "a"), ("c", "b"), ("x",))
TAKES = {"a": 10.0, "b": 50.0, "c": 30.0, "x": 5.0}


def test_the_status_line_says_how_long_the_longest_path_takes() -> None:
    screen = Played(CHAIN, TAKES, {"a": 10.0, "b": 20.0, "c": 30.0, "x": 5.0}).watched()
    assert screen.lines[0][1] == "[0/4] 2 running, about 1m 00s left | longest: a 0.2s"
    assert "about 57s left" in screen.at(3)
    assert "about 40s left" in screen.at(20)
    # b takes longer than the last time: c is left at least
    assert "about 30s left" in screen.at(45)
    assert "about 10s left" in screen.at(80)
    assert "about 4s left" in screen.at(86)
    # the last second is none to wait for, and what is late says nothing
    assert " left" not in screen.at(89.8)


def test_the_status_line_says_how_long_the_queue_takes() -> None:
    names = [f"n{number}" for number in range(10)]
    walk = Played(graph(*((name,) for name in names)), dict.fromkeys(names, 8.0), dict.fromkeys(names, 8.0))
    screen = walk.watched()
    assert "about 38s left" in screen.at(2)
    assert "about 20s left" in screen.at(20)


@pytest.mark.parametrize(("known", "is_said"), [("", False), ("a", False), ("ab", True), ("abcx", True)])
def test_nothing_is_said_where_most_of_what_is_left_is_not_known(known: str, *, is_said: bool) -> None:
    screen = Played(CHAIN, TAKES, {name: TAKES[name] for name in known}).watched()
    assert (" left" in screen.at(1)) is is_said
    assert any(" left" in line for _, line in screen.lines) is is_said


def test_after_a_failure_only_what_runs_is_left() -> None:
    walk = Played(
        graph(("bad",), ("long",), ("after", "long")), {"bad": 5.0, "long": 30.0}, {"long": 30.0, "after": 60}
    )
    walk.fails = {"bad"}
    walk.bus.add(_Stopper(walk))
    screen = walk.watched()
    assert "about 1m 2" in screen.at(4)
    assert "about 20s left" in screen.at(10)


class _Stopper(Progress):
    """Has the walk start nothing new after its first end, as a plan does after a failure."""

    def __init__(self, walk: Walk) -> None:
        super().__init__(Console.silent(), 0.0, str)
        self._walk = walk

    def ended(self, event: Any) -> None:
        from treadle.scheduling.scheduler import DRAINING

        assert event.name
        self._walk.stop(DRAINING)


def test_a_run_that_is_over_before_a_line_is_drawn_asks_for_nothing() -> None:
    walk = Played(graph(("a",)), {"a": 0.1}, {"a": 9.0})
    assert walk.watched().lines == []
    assert walk.asked == []


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (None, ""),
        (0.4, ""),
        (0.99, ""),
        (1.2, ", about 1s left"),
        (9.6, ", about 10s left"),
        (62.4, ", about 1m 02s left"),
        (3700.0, ", about 1h 01m left"),
    ],
)
def test_the_time_left_is_rounded_and_none_below_a_second(left: float | None, text: str) -> None:
    counts = RunCounts(9, 0.0)
    counts.start("fit", 100.0)
    line = plain(render.status_line(counts, 112.0, 80, left))
    assert line == f"[0/9] 1 running{text} | longest: fit 12s"
