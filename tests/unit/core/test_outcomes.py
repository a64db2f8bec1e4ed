"""Outcomes: how an action ended, and the status that follows from it by one table."""

from __future__ import annotations

import pytest

from treadle import Outcome, ReturnValue
from treadle.core.outcomes import (
    CATEGORIES,
    ENDS,
    KINDS,
    NOT_STARTED,
    outcome,
    outcome_of_status,
)

S = ReturnValue
TABLE = {
    S.success: "success expected_diff expected_failure restored",
    S.unchanged: "unchanged",
    S.failure: "diffed failed error broken timeout invalid out_of_memory lost",
    S.unknown: "cancelled interrupted not_started",
    S.skip: "skip skipped not_needed disabled",
    S.force_fail: "blocked",
    S.notready: "not_ready",
}


@pytest.mark.parametrize("status", TABLE, ids=lambda one: one.name)
def test_the_status_follows_from_the_kind(status: ReturnValue) -> None:
    for kind in TABLE[status].split():
        assert outcome(kind).status == status
        assert outcome(kind).is_good == status.is_good


def test_the_table_holds_each_kind_once_with_a_code_of_its_own() -> None:
    assert sorted(KINDS) == sorted(" ".join(TABLE.values()).split())
    assert len({outcome(kind).code for kind in KINDS}) == len(KINDS)
    assert {outcome(kind).category for kind in KINDS} == set(CATEGORIES)
    assert {outcome(kind).end for kind in KINDS} == {*ENDS, NOT_STARTED}


@pytest.mark.parametrize("status", ReturnValue, ids=lambda one: one.name)
def test_a_bare_status_stands_for_an_outcome_of_that_status(status: ReturnValue) -> None:
    """But for `unknown`: what does not know how it ended has not ended well."""
    told = outcome_of_status(status, "why")
    assert told.status == (S.failure if status == S.unknown else status)
    assert told.reason == "why"
    assert outcome_of_status(status).kind == told.kind


@pytest.mark.parametrize(
    ("category", "kind", "code"),
    [("PASS", "failed", 65), ("FAIL", "failed", 64), ("FAIL", "faled", 65), ("", "", 0)],
)
def test_what_contradicts_the_table_is_refused(category: str, kind: str, code: int) -> None:
    with pytest.raises(ValueError, match="there is no outcome"):
        Outcome(category, kind, code)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no outcome 'faled'"):
        outcome("faled")


def test_outcomes_are_equal_by_kind_and_reason() -> None:
    assert outcome("failed", "exit code 3") == Outcome("FAIL", "failed", 65, "exit code 3")
    assert outcome("failed") != outcome("failed", "exit code 3")
    assert len({outcome("failed"), outcome("failed"), outcome("error")}) == 2
    assert str(outcome("failed", "exit code 3")) == "failed: exit code 3"
    assert str(outcome("skip")) == "skip"
