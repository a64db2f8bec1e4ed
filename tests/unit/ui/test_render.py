from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from treadle.core import decision
from treadle.core.decision import Reason
from treadle.core.outcomes import BLOCKED, FAILED, INTERRUPTED, RAN, SKIPPED, RunCounts, outcome_of_status
from treadle.core.text import width
from treadle.events.bus import Ended
from treadle.status import ReturnValue
from treadle.ui import render
from treadle.ui.text import plain

if TYPE_CHECKING:
    from treadle.ui.text import Line

CHANGED = Reason(decision.CHANGED, "input data/raw.csv", "x", "y")


def state(total: int = 240, *, running: dict[str, float] | None = None, **counts: int) -> RunCounts:
    """Return a state that began at 100."""
    made = RunCounts(total, 100.0)
    made.counts |= counts
    for uid, since in (running or {}).items():
        made.start(uid, since)
    return made


def texts(lines: list[Line]) -> list[str]:
    return [plain(one) for one in lines]


def test_the_status_line_tells_counts_and_what_runs_longest() -> None:
    now = state(running={"fit@a": 108.0, "fit@b": 119.0}, ran=7, skipped=180, failed=1)
    line = plain(render.status_line(now, 120.0, 80))
    assert line == "[188/240] 2 running, 180 up to date, 1 failed | longest: fit@a 12s"


def test_the_status_line_of_a_run_that_looks_says_so() -> None:
    assert plain(render.status_line(state(), 100.5, 80)) == "[0/240] 0 running"
    assert plain(render.status_line(state(skipped=20), 100.5, 80)) == "[20/240] 20 up to date"


@pytest.mark.parametrize("room", [0, 1, 3, 10, 20, 40, 60, 79, 120])
@pytest.mark.parametrize("name", ["a", "fit@" + "x" * 300, "日本語の名前でとても長いものですよ", "two\nlines"])
def test_the_status_line_is_never_wider_than_its_room(room: int, name: str) -> None:
    now = state(running={name: 100.0}, ran=100, skipped=100, failed=10, blocked=10, interrupted=3)
    line = plain(render.status_line(now, 4000.0, room))
    assert width(line) <= room
    assert "\n" not in line


def test_a_long_name_gives_way_before_the_counts_do() -> None:
    now = state(running={"x" * 100 + "@end": 100.0}, skipped=9)
    assert (
        plain(render.status_line(now, 101.0, 60)) == "[9/240] 1 running, 9 up to date | longest: xxxx...x@end 1.0s"
    )
    assert plain(render.status_line(now, 101.0, 44)) == "[9/240] 1 running, 9 up to date"
    assert plain(render.status_line(now, 101.0, 20)) == "[9/240] 1 running..."


@pytest.mark.parametrize(
    ("ended", "line"),
    [
        (Ended("fit", RAN, 0.3, [CHANGED]), "[1/240] ran fit 0.3s (input data/raw.csv changed)"),
        (Ended("fit", RAN, 0.3), "[1/240] ran fit 0.3s"),
        (
            Ended("fit", RAN, 0.3, [CHANGED], emptied=["site/"]),
            "[1/240] ran fit 0.3s (input data/raw.csv changed; emptied site/ first)",
        ),
        (
            Ended("fit", RAN, 0.3, [CHANGED], attempts=3),
            "[1/240] ran fit 0.3s, attempt 3 (input data/raw.csv changed)",
        ),
        (Ended("fit", SKIPPED), "[1/240] up to date fit"),
        (Ended("fit", FAILED, 0.3, [CHANGED], "exit code 2"), "[1/240] failed fit 0.3s: exit code 2"),
        (Ended("fit", FAILED, 0.0, [], "no tool\n  PATH=x"), "[1/240] failed fit 0.0s: no tool"),
        (Ended("fit", INTERRUPTED, 2.0, [CHANGED]), "[1/240] interrupted fit 2.0s (input data/raw.csv changed)"),
        (Ended("a\nb", BLOCKED, 0, [Reason(decision.BLOCKED_BY, "x")]), "[1/240] blocked a\\nb by x"),
    ],
)
def test_an_action_that_ended_takes_one_line(ended: Ended, line: str) -> None:
    assert plain(render.ended_line(state(ran=1), ended)) == line


def retried(delay: float) -> Ended:
    outcome = outcome_of_status(ReturnValue.notready, "exit code 75")
    return Ended("fit", outcome.end, 1.0, [], "exit code 75", 1, delay=delay, most=3, outcome=outcome)


def test_an_attempt_that_is_followed_by_another_one_says_when() -> None:
    line = plain(render.retry_line(retried(5.0)))
    assert line == "failed fit: not ready: exit code 75; trying again in 5.0s (1 of 3 attempts are over)"
    assert "trying again (1" in plain(render.retry_line(retried(0.0)))


def test_a_failure_is_told_with_all_that_helps() -> None:
    ended = Ended("fit@a", FAILED, 0.3, [CHANGED], "exit code 2")
    failure = render.Failure(
        ended, "wc -c < a > b\ntouch c", ".treadle/logs/fit@a.log", "treadle run fit@a", ["oops"]
    )
    assert texts(render.failure_block(failure)) == [
        "failed fit@a: exit code 2",
        "  why      input data/raw.csv changed",
        "  command  wc -c < a > b",
        "           touch c",
        "  log      .treadle/logs/fit@a.log",
        "  again    treadle run fit@a",
        "  | oops",
    ]


def test_a_failure_that_never_ran_has_no_log_and_tells_its_facts() -> None:
    ended = Ended("fit", FAILED, 0.0, [], "the input a is missing\n  so is b")
    block = texts(render.failure_block(render.Failure(ended, "true", "", "treadle run fit", None)))
    assert block == [
        "failed fit: the input a is missing",
        "    so is b",
        "  command  true",
        "  again    treadle run fit",
    ]


def test_a_long_command_is_cut_in_lines_and_in_width() -> None:
    ended = Ended("fit", FAILED)
    command = "\n".join(["x" * 1000] * 10)
    block = texts(render.failure_block(render.Failure(ended, command, "", "", None)))
    assert max(map(len, block)) < 420
    assert block[-1] == "           ... and 5 more lines"
    assert len(block) == 7


def test_those_who_are_blocked_by_the_same_stand_together() -> None:
    blocked = {("fit@a",): ["merge", "report", "x1", "x2", "x3", "x4", "x5", "x6"], ("a", "b"): ["c"]}
    assert texts(render.blocked_lines(blocked)) == [
        "blocked by fit@a: merge, report, x1, x2, x3 (+3)",
        "blocked by a, b: c",
    ]


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (state(ran=12, skipped=224, failed=1, blocked=3), "12 run, 224 up to date, 1 failed, 3 blocked in 4.2s"),
        (state(ran=240), "240 run in 4.2s"),
        (state(skipped=238, failed=1), "0 run, 238 up to date, 1 failed, 1 not started in 4.2s"),
        (state(skipped=240), "nothing to do: 240 up to date in 4.2s"),
        (state(0), "nothing to do in 4.2s"),
    ],
)
def test_the_last_line_tells_the_totals_without_zeros(now: RunCounts, line: str) -> None:
    assert plain(render.totals(now, 104.2)) == line


def test_the_last_line_tells_what_was_saved() -> None:
    now = state(skipped=240)
    assert (
        plain(render.totals(now, 100.1, saved=123.0))
        == "nothing to do: 240 up to date in 0.1s, 2m 03s saved by skipping"
    )
    assert "saved" not in plain(render.totals(now, 100.1, saved=0.01))


def test_the_last_line_of_an_interrupted_run_says_so() -> None:
    now = state(ran=1, interrupted=2)
    assert plain(render.totals(now, 101.0, cut_off="interrupted")) == (
        "interrupted: 1 run, 2 interrupted, 237 not started in 1.0s"
    )
    assert plain(render.totals(state(2, skipped=2), 101.0, cut_off="interrupted")).startswith("interrupted: 0 run")


def test_a_retry_is_no_end() -> None:
    now = state(running={"fit": 100.0})
    now.pause("fit")
    assert (now.done, now.running, now.left) == (0, {}, 240)
    now.start("fit", 101.0)
    now.end("fit", RAN)
    assert (now.done, now.running, now.left) == (1, {}, 239)
