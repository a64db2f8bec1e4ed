"""The phases of an action and their legal steps; that a scheduler takes no other is in test_scheduler_phases.py."""

from __future__ import annotations

import pytest

from treadle import InternalError
from treadle.core.outcomes import (
    DONE,
    FINISHING,
    PHASES,
    QUEUED,
    READY,
    STARTED,
    STEPS,
    SUBMITTED,
    Steps,
    filled_in,
)


def test_each_phase_has_its_steps_and_all_are_reached() -> None:
    assert tuple(STEPS) == PHASES
    assert {phase for steps in STEPS.values() for phase in steps} == set(PHASES[1:])
    assert [phase for phase, steps in STEPS.items() if not steps] == [DONE]


@pytest.mark.parametrize("before", PHASES)
@pytest.mark.parametrize("after", PHASES)
def test_a_step_that_is_not_in_the_table_is_refused(before: str, after: str) -> None:
    steps = Steps(before)
    if after in STEPS[before]:
        steps.go(after, 1.0)
        assert steps.phase == after
        return
    with pytest.raises(InternalError, match=f"a job that is {before} cannot become {after}"):
        steps.go(after, 1.0)
    assert steps.phase == before


@pytest.mark.parametrize("before", [QUEUED, SUBMITTED, STARTED, FINISHING])
def test_what_was_not_heard_of_is_passed(before: str) -> None:
    steps = Steps(before)
    steps.pass_on(FINISHING, 1.0)
    assert steps.phase == FINISHING


@pytest.mark.parametrize("before", [READY, DONE])
def test_what_has_no_attempt_passes_nothing(before: str) -> None:
    with pytest.raises(InternalError):
        Steps(before).pass_on(FINISHING, 1.0)


@pytest.mark.parametrize(
    ("heard", "times"),
    [
        ({}, {}),
        ({QUEUED: 1.0}, {QUEUED: 1.0}),
        ({QUEUED: 1.0, STARTED: 3.0}, {QUEUED: 1.0, SUBMITTED: 3.0, STARTED: 3.0}),
        ({QUEUED: 1.0, FINISHING: 4.0}, {QUEUED: 1.0, SUBMITTED: 4.0, STARTED: 4.0, FINISHING: 4.0}),
        ({DONE: 5.0}, dict.fromkeys((QUEUED, SUBMITTED, STARTED, FINISHING, DONE), 5.0)),
    ],
)
def test_a_step_that_was_not_heard_of_is_as_late_as_the_next(
    heard: dict[str, float], times: dict[str, float]
) -> None:
    assert filled_in(heard) == times
    assert list(filled_in(heard)) == list(times)


def test_each_attempt_has_times_of_its_own() -> None:
    steps = Steps()
    for at, phase in enumerate((QUEUED, SUBMITTED, STARTED, FINISHING, QUEUED, SUBMITTED)):
        steps.go(phase, float(at))
    steps.pass_on(FINISHING, 6.0)
    steps.go(DONE, 7.0)
    assert steps.times == [
        {QUEUED: 0.0, SUBMITTED: 1.0, STARTED: 2.0, FINISHING: 3.0},
        {QUEUED: 4.0, SUBMITTED: 5.0, STARTED: 6.0, FINISHING: 6.0, DONE: 7.0},
    ]
