"""`jitter`, limits of actions and runs, budgets and repetitions of a call, by the real command."""

from __future__ import annotations

import json

import pytest

from project import Project
from treadle.core.retry import LONGEST_BACKOFF, pause_before


def events(project: Project, kind: str) -> list[dict[str, object]]:
    """Return the events of a kind, of the run that has recorded them last."""
    lines = map(json.loads, project.read("events.jsonl").splitlines())
    return [event for event in lines if event["event"] == kind]


def test_jitter_shortens_each_pause_by_a_share_that_run_action_and_attempt_say() -> None:
    """R4: drawn from what run, action and attempt say, within the share, and never beyond ten minutes."""
    attempts = range(2, 2000)
    pauses = [pause_before(attempt, 1.0, 0.2, "run action") for attempt in attempts]
    assert pauses == [pause_before(attempt, 1.0, 0.2, "run action") for attempt in attempts]
    for attempt, pause in zip(attempts, pauses, strict=True):
        whole = pause_before(attempt, 1.0)
        assert 0.8 * whole < pause <= whole <= LONGEST_BACKOFF
    shares = [pause / pause_before(attempt, 1.0) for attempt, pause in zip(attempts, pauses, strict=True)]
    assert min(shares) < 0.81
    assert max(shares) > 0.99
    assert pauses != [pause_before(attempt, 1.0, 0.2, "run other") for attempt in attempts]


def test_a_pause_with_jitter_may_be_none_at_all() -> None:
    """R4: a share of 1 draws from the whole pause."""
    pauses = [pause_before(2, 1.0, 1.0, f"run {number}") for number in range(1000)]
    assert 0.0 < min(pauses) < 0.01
    assert max(pauses) > 0.99


def test_jitter_counts_from_a_plan_and_from_its_snapshot(project: Project) -> None:
    """R4: the pauses of a run are in its events; they differ by attempt and stay below what `backoff` says."""
    retries = "{max: 3, backoff: 10ms, jitter: 0.5}"
    project.write("plan", f"treadle: 1\nactions:\n  a: {{sh: 'exit 1', in: x, out: o, retries: {retries}}}\n")
    project.write("x", "1")
    for _ in range(2):
        # the second run takes the action from the snapshot of the first
        assert project.treadle("run", "--events", "events.jsonl", "a").code == 1
        delays = [event["delay"] for event in events(project, "attempt")]
        assert len(delays) == 3
        for delay, whole in zip(delays, (0.01, 0.02, 0.04), strict=True):
            assert isinstance(delay, float)
            assert whole / 2 <= delay < whole


@pytest.mark.parametrize("value", ["1.1", "-0.1", "often", "'0.2'", "[0.2]", "2"])
def test_a_jitter_that_is_no_share_is_an_error(value: str, project: Project) -> None:
    project.write("plan", f"treadle: 1\nactions:\n  a: {{sh: x, retries: {{max: 1, jitter: {value}}}}}\n")
    done = project.treadle("check")
    assert done.code == 2
    assert "a number from 0 to 1" in done.err


def test_more_than_a_thousand_instant_failures_do_not_overflow(project: Project) -> None:
    """R4: the 1,100th attempt starts as the second one does."""
    project.write("plan", "treadle: 1\nactions:\n  a: {run: 'false', retries: {max: 1100, jitter: 0.5}}\n")
    done = project.treadle("run", "-q", "--events", "events.jsonl", "a")
    assert done.code == 1
    assert events(project, "ended")[0]["attempts"] == 1101
