"""Conditions of edges: what their texts say, and what becomes of an action by the ends of all that it needs."""

from __future__ import annotations

import copy
import pickle
from itertools import product

import pytest

from treadle.core.conditions import (
    ALWAYS,
    BLOCKED,
    NAMES,
    NEEDLESS,
    NOT_STARTED,
    ON_FAILURE,
    ON_SUCCESS,
    RUN,
    Condition,
    Start,
    judge,
    parse,
)
from treadle.core.outcomes import FAIL, KINDS, PASS, outcome
from treadle.errors import UsageError

OF = {kind: category for kind, (category, *_) in KINDS.items()}
FAILURES = {kind for kind, category in OF.items() if category == FAIL}
PASSES = {kind for kind, category in OF.items() if category == PASS}

TEXTS = [
    ("on_success", PASSES | {"skip"}),
    ("on_failure", FAILURES),
    ("always", set(KINDS)),
    (" Always ", set(KINDS)),
    ("ON_FAILURE", FAILURES),
    ("timeout", {"timeout"}),
    ("xfail", {"expected_failure"}),
    ("XDIFF or expected_diff", {"expected_diff"}),
    ("pass", PASSES),
    ("FAIL", FAILURES),
    ("skip", {"skip"}),
    ("cancel", {"cancelled", "interrupted"}),
    ("none", {"not_started", "not_ready"}),
    ("timeout or (failed and not diffed)", {"timeout", "failed"}),
    ("timeout OR failed AND NOT diffed", {"timeout", "failed"}),
    ("not fail", set(KINDS) - FAILURES),
    ("not not timeout", {"timeout"}),
    ("not (pass or skip)", set(KINDS) - PASSES - {"skip"}),
    ("fail and not(timeout or lost)", FAILURES - {"timeout", "lost"}),
    ("((blocked))", {"blocked"}),
    ("on_failure or cancelled", FAILURES | {"cancelled"}),
    ("fail\n  or   none", FAILURES | {"not_started", "not_ready"}),
]


@pytest.mark.parametrize(("text", "kinds"), TEXTS)
def test_a_condition_is_met_by_the_outcomes_that_it_names(text: str, kinds: set[str]) -> None:
    """C3: each word and expression, over all kinds of outcomes."""
    condition = parse(text)
    assert {kind for kind in KINDS if condition.is_met(outcome(kind))} == kinds


WRONG = [
    ("timout", "there is no outcome 'timout'", "the nearest name is 'timeout'"),
    ("on_sucess", "there is no outcome 'on_sucess'", "the nearest name is 'on_success'"),
    ("timeout or Faild", "there is no outcome 'Faild'", "the nearest name is 'failed'"),
    ("mode == 'x'", "there is no outcome 'mode'", ""),
    ("zzz", "there is no outcome 'zzz'", "expected one of on_success, on_failure, always"),
    ("failed and", "it ends too early", "expected the name of an outcome"),
    ("not", "it ends too early", "expected the name of an outcome"),
    ("and failed", "'and' is unexpected", "expected the name of an outcome"),
    ("failed timeout", "'timeout' is unexpected", "expected `and`, `or` or the end"),
    ("(failed", "a bracket is not closed", "expected `)`"),
    ("failed)", "')' is unexpected", "expected `and`, `or` or the end"),
    ("()", "')' is unexpected", "expected the name of an outcome"),
    ("failed && lost", "'&&' is unexpected", "expected `and`, `or` or the end"),
    ("failed and timeout", "no outcome can meet it", "contradicts itself"),
    ("not always", "no outcome can meet it", "contradicts itself"),
    ("pass and not (pass or fail)", "no outcome can meet it", "contradicts itself"),
    ("(" * 60 + "failed" + ")" * 60, "it is nested too deep", "at most 50 levels"),
    ("not " * 60 + "failed", "it is nested too deep", "at most 50 levels"),
    ("failed or " * 200 + "lost", "the condition has 2004 characters", "at most 1000"),
    ("", "the condition is empty", "expected on_success, on_failure, always"),
    ("  ", "the condition is empty", "expected on_success, on_failure, always"),
    (None, "the condition is None", "expected on_success, on_failure, always"),
    (True, "the condition is True", "expected on_success, on_failure, always"),
    (["failed"], "the condition is ['failed']", "expected on_success, on_failure, always"),
]


@pytest.mark.parametrize(("text", "what", "fact"), WRONG)
def test_a_wrong_condition_is_refused_with_what_was_expected(text: object, what: str, fact: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert what in caught.value.what
    assert fact in " ".join(caught.value.facts)


def test_all_names_but_contradictions_can_be_negated_and_joined() -> None:
    for first, second in product(NAMES, NAMES):
        both = parse(f"{first} or {second}")
        assert both.kinds == parse(first).kinds | parse(second).kinds
        assert parse(f"({second}) or {first}") == both
        if parse(first).kinds != set(KINDS):
            assert parse(f"not {first}").kinds == set(KINDS) - parse(first).kinds


def test_conditions_are_equal_if_the_same_outcomes_meet_them() -> None:
    assert parse("pass or skip") == ON_SUCCESS
    assert parse("pass or skip").is_default
    assert parse("fail") == ON_FAILURE != ALWAYS
    assert hash(parse("fail")) == hash(ON_FAILURE)
    assert ON_FAILURE != "on_failure"
    assert not ON_FAILURE.is_default
    assert parse(ON_FAILURE) is ON_FAILURE
    assert str(parse("Timeout or  LOST")) == "Timeout or LOST"
    assert str(parse("ON_FAILURE")) == "on_failure"


@pytest.mark.parametrize("condition", [ON_FAILURE, parse("timeout or lost")])
def test_a_condition_can_be_copied_and_pickled(condition: Condition) -> None:
    for again in (copy.deepcopy(condition), pickle.loads(pickle.dumps(condition))):
        assert again == condition
        assert str(again) == str(condition)


@pytest.mark.parametrize(
    ("text", "success", "skip", "no_start"),
    [
        ("on_success", True, True, False),
        ("always", True, True, True),
        ("on_failure", False, False, False),
        ("timeout or not_started", False, False, True),
        ("success", True, False, False),
        ("skip or fail", True, True, False),
        ("blocked", False, False, False),
        ("not_needed", False, False, False),
        ("not fail", True, True, True),
    ],
)
def test_a_condition_says_what_can_meet_it(text: str, success: bool, skip: bool, no_start: bool) -> None:
    """C8: whether only a failure can meet it, which the snapshot needs to know."""
    condition = parse(text)
    assert condition.may_follow_success is success
    assert condition.may_follow_skip is skip
    assert condition.may_follow_no_start is no_start


def start(uid: str, kind: str, condition: Condition = ON_SUCCESS, *origins: str) -> Start:
    how = outcome(kind)
    return Start(uid, how, condition.is_met(how), origins)


@pytest.mark.parametrize("kind", KINDS)
def test_one_edge_decides_by_the_outcome_of_its_start(kind: str) -> None:
    """C4: unmet after a failure is blocked, unmet without one is not needed."""
    on_success, on_failure = judge([start("a", kind)]), judge([start("a", kind, ON_FAILURE)])
    if OF[kind] == PASS or kind == "skip":
        assert (on_success.kind, on_failure.kind) == (RUN, NEEDLESS)
    elif OF[kind] == FAIL:
        assert (on_success.kind, on_failure.kind) == (BLOCKED, RUN)
    elif kind in ("blocked", "not_ready"):
        assert (on_success.kind, on_failure.kind) == (BLOCKED, BLOCKED)
    elif kind in ("skipped", "not_needed", "disabled"):
        assert (on_success.kind, on_failure.kind) == (NEEDLESS, NEEDLESS)
    else:
        assert (on_success.kind, on_failure.kind) == (NOT_STARTED, NOT_STARTED)


@pytest.mark.parametrize("kind", KINDS)
def test_an_outcome_that_is_no_success_demands_a_run(kind: str) -> None:
    """C5: what is met by something else than a success runs, and the edge that says so is named."""
    found = judge([start("a", kind, ALWAYS), start("b", "success", ALWAYS)])
    assert found.kind == RUN
    calm = OF[kind] == PASS or kind in ("skip", "not_needed", "disabled")
    assert [one.uid for one in found.by] == ([] if calm else ["a"])


@pytest.mark.parametrize(
    ("starts", "kind", "by", "origins"),
    [
        ([], RUN, [], []),
        ([start("a", "success"), start("b", "skip")], RUN, [], []),
        ([start("a", "failed"), start("b", "blocked", ON_SUCCESS, "c", "a")], BLOCKED, ["a", "b"], ["a", "c"]),
        ([start("a", "failed", ON_FAILURE), start("b", "failed")], BLOCKED, ["b"], ["b"]),
        ([start("a", "success", ON_FAILURE), start("b", "failed")], BLOCKED, ["b"], ["b"]),
        ([start("a", "success", ON_FAILURE), start("b", "success")], NEEDLESS, ["a"], []),
        ([start("a", "failed", ON_FAILURE), start("b", "success", ON_FAILURE)], NEEDLESS, ["b"], []),
        ([start("a", "failed", ON_FAILURE), start("b", "timeout", ON_FAILURE)], RUN, ["a", "b"], []),
        ([start("a", "not_started"), start("b", "success", ON_FAILURE)], NOT_STARTED, ["a"], []),
        ([start("a", "not_started"), start("b", "failed")], BLOCKED, ["b"], ["b"]),
        ([start("a", "failed", parse("timeout"))], BLOCKED, ["a"], ["a"]),
        ([start("a", "blocked", ALWAYS, "z"), start("b", "not_started", ALWAYS)], RUN, ["a", "b"], []),
    ],
)
def test_all_edges_have_to_be_met(starts: list[Start], kind: str, by: list[str], origins: list[str]) -> None:
    """C2 and C4: all edges count; a failure weighs more than the end of the run, that more than a success."""
    found = judge(starts)
    assert found.kind == kind
    assert [one.uid for one in found.by] == by
    assert list(found.origins) == origins
