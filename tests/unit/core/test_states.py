"""The states of runs, actions and attempts, by tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from treadle.core.outcomes import KINDS, outcome
from treadle.core.states import ACTION, ATTEMPT, RUN, ActionStates, before, end_of, end_of_run, step
from treadle.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLES = {"run": RUN, "action": ACTION, "attempt": ATTEMPT}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_state_that_a_step_leads_to_is_in_its_table_and_is_reached(table: Mapping[str, Any]) -> None:
    reached = {new for following in table.values() for new in following}
    assert reached <= table.keys()
    # all but the first one are reached
    assert table.keys() - reached == {next(iter(table))}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_all_that_is_no_step_is_a_bug(table: Mapping[str, Any]) -> None:
    for old in table:
        for new in table:
            if new in table[old]:
                assert step(table, old, new, "it") == new
                assert old in before(table, new)
            else:
                with pytest.raises(InternalError, match=f"it that is {old} cannot become {new}"):
                    step(table, old, new, "it")
                assert old not in before(table, new)


@pytest.mark.parametrize("over", ["done", "failed", "stopped", "broken", "lost"])
def test_a_run_that_is_over_stays_so(over: str) -> None:
    assert RUN[over] == ()


@pytest.mark.parametrize(
    ("code", "is_interrupted", "has_problems", "expected"),
    [
        (0, False, False, "done"),
        (1, False, False, "failed"),
        (2, False, True, "broken"),
        (130, True, False, "stopped"),
        (130, True, True, "stopped"),
    ],
)
def test_the_state_of_a_run_follows_from_its_end(
    code: int, is_interrupted: bool, has_problems: bool, expected: str
) -> None:
    assert end_of_run(code, is_interrupted=is_interrupted, has_problems=has_problems) == expected
    assert "running" in before(RUN, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_each_outcome_ends_an_action_in_a_state_that_nothing_follows(kind: str) -> None:
    state = end_of(outcome(kind))
    assert ACTION[state] == ()
    # a run of its own, nothing but its end told, or after a start
    ActionStates().ended("a", 0, outcome(kind))
    assert state == _ENDS.get(kind, {"PASS": "done", "FAIL": "failed", "SKIP": "skipped"}.get(KINDS[kind][0]))


_ENDS = {
    "blocked": "blocked",
    "not_needed": "not needed",
    "not_ready": "failed",
    **dict.fromkeys(("cancelled", "interrupted", "not_started"), "cancelled"),
}


GOOD, BAD, LOST, CUT = (outcome(kind) for kind in ("success", "failed", "lost", "interrupted"))
TOLD = {
    "runs": [("started", 1), ("ended", 1, GOOD)],
    "is tried again": [("started", 1), ("attempt_ended", 1, BAD), ("started", 2), ("ended", 2, GOOD)],
    "was lost, and is tried again": [("started", 1), ("attempt_ended", 1, LOST), ("started", 2), ("ended", 2, BAD)],
    "ends between two attempts": [("started", 1), ("attempt_ended", 1, BAD), ("ended", 1, CUT)],
    "could not be started": [("ended", 0, BAD)],
    "is restored": [("ended", 1, GOOD)],
    "is another action in the next walk": [
        *(("started", 1), ("ended", 1, GOOD), ("begin", ["a"])),
        *(("started", 1), ("ended", 1, GOOD)),
    ],
    "goes on in the next walk": [("started", 1), ("begin", ["a"]), ("ended", 1, GOOD)],
}
WRONG = {
    "starts twice at once": [("started", 1), ("started", 2)],
    "starts after its end": [("started", 1), ("ended", 1, GOOD), ("started", 2)],
    "ends twice": [("started", 1), ("ended", 1, GOOD), ("ended", 1, GOOD)],
    "goes back to an attempt before": [("started", 2), ("attempt_ended", 2, BAD), ("started", 1)],
    "ends an attempt that is not the current one": [("started", 2), ("attempt_ended", 1, BAD)],
    "ends an attempt that never began": [("attempt_ended", 1, BAD)],
    "ends by an attempt before": [
        *(("started", 1), ("attempt_ended", 1, BAD)),
        *(("started", 2), ("ended", 1, GOOD)),
    ],
}


def tell(told: list[Any], name: str = "a") -> ActionStates:
    found = ActionStates()
    for method, *arguments in told:
        if method == "begin":
            found.begin(*arguments)
        else:
            getattr(found, method)(name, *arguments)
    return found


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
def test_what_may_happen_to_an_action_is_taken(told: list[Any]) -> None:
    assert ACTION[tell(told).state("a")] == ()
    assert tell(told).state("b") == "waiting"


@pytest.mark.parametrize("told", WRONG.values(), ids=WRONG)
def test_what_cannot_happen_to_an_action_is_a_bug(told: list[Any]) -> None:
    tell(told[:-1])
    with pytest.raises(InternalError):
        tell(told)
