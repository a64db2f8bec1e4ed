"""Run, skip or blocked: each reason, and that the decision only looks."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core import decision
from treadle.core.decision import Reason, Verdict, blocked, decide, differences


class Elements:
    """A fingerprint of elements and nothing else."""

    def __init__(self, **elements: str) -> None:
        self.elements = {name.replace("_", " "): value for name, value in elements.items()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Elements) and self.elements == other.elements

    def __hash__(self) -> int:
        return hash(tuple(self.elements.items()))


def kinds(verdict: Verdict) -> list[str]:
    """Return the kinds of the reasons."""
    return [reason.kind for reason in verdict.reasons]


def test_equal_fingerprints_are_a_skip_without_reasons() -> None:
    verdict = decide("f", "f")
    assert (verdict.decision, verdict.reasons) == (decision.SKIP, ())


def test_without_a_record_it_is_new() -> None:
    verdict = decide(None, "f")
    assert (verdict.decision, verdict.reasons) == (decision.RUN, (Reason(decision.NEW),))


def test_without_a_prediction_it_runs() -> None:
    assert kinds(decide("f", None)) == [decision.NO_PREDICTION]
    assert kinds(decide(None, None)) == [decision.NEW, decision.NO_PREDICTION]


def test_after_a_predecessor_without_a_fingerprint_it_runs() -> None:
    verdict = decide("f", "f", untracked=["a", 7])
    assert verdict.decision == decision.RUN
    assert verdict.reasons == (Reason(decision.UNTRACKED, "a"), Reason(decision.UNTRACKED, "7"))


def test_a_demand_is_a_reason_of_its_own_and_stands_first() -> None:
    forced = Reason(decision.FORCED)
    assert decide("f", "f", demands=[forced]).reasons == (forced,)
    assert kinds(decide(None, "f", demands=[forced])) == [decision.FORCED]
    assert kinds(decide("f", "g", demands=[forced])) == [decision.FORCED, decision.CHANGED]


def test_fingerprints_that_are_no_elements_differ_as_a_whole() -> None:
    assert decide(1, 2).reasons == (Reason(decision.CHANGED, "fingerprint", "1", "2"),)


def test_each_element_that_differs_is_a_reason() -> None:
    old = Elements(command="cc", input_a="1", input_b="2")
    new = Elements(command="cc", input_a="9", input_c="3")
    assert decide(old, new).reasons == (
        Reason(decision.CHANGED, "input a", "1", "9"),
        Reason(decision.ADDED, "input c", None, "3"),
        Reason(decision.REMOVED, "input b", "2", None),
    )


@pytest.mark.parametrize(
    ("now", "kind"), [("absent", decision.OUTPUT_MISSING), ("file 9", decision.OUTPUT_ALTERED)]
)
def test_an_output_is_missing_or_altered(now: str, kind: str) -> None:
    found = differences(Elements(output_o="file 1"), Elements(output_o=now))
    assert found == [Reason(kind, "output o", "file 1", now)]


def test_unequal_fingerprints_with_equal_elements_still_have_a_reason() -> None:
    class Stubborn(Elements):
        def __eq__(self, other: object) -> bool:
            return False

        __hash__ = Elements.__hash__

    assert kinds(decide(Stubborn(a="1"), Stubborn(a="1"))) == [decision.CHANGED]


def test_blocked_names_where_it_began() -> None:
    verdict = blocked(["a", 3])
    assert verdict.decision == decision.BLOCKED
    assert verdict.reasons == (Reason(decision.BLOCKED_BY, "a"), Reason(decision.BLOCKED_BY, "3"))


def test_a_reason_is_told_in_one_line() -> None:
    told = [
        Reason(decision.NEW),
        Reason(decision.CHANGED, "input a", "1", "2"),
        Reason(decision.ADDED, "input b", None, "3"),
        Reason(decision.UNTRACKED, "p"),
    ]
    assert [str(reason) for reason in told] == [
        "new",
        "changed: input a: 1 -> 2",
        "added: input b",
        "untracked predecessor: p",
    ]


def test_reasons_are_values() -> None:
    assert Reason("new") == Reason("new") != Reason("always")
    assert len({Reason("changed", "a", "1", "2"), Reason("changed", "a", "1", "2")}) == 1
    assert repr(Reason("new")) == "Reason('new', '', None, None)"
    assert repr(Verdict("run", [Reason("new")])) == "Verdict('run', (Reason('new', '', None, None),))"


FINGERPRINTS = (
    st.none()
    | st.text(max_size=1)
    | st.dictionaries(st.sampled_from("ab"), st.sampled_from("12")).map(lambda elements: Elements(**elements))
)


@given(FINGERPRINTS, FINGERPRINTS, st.lists(st.integers(0, 2), max_size=2), st.booleans())
def test_it_runs_exactly_when_there_is_a_reason(
    previous: object, new: object, untracked: list[int], forced: bool
) -> None:
    demands = [Reason(decision.FORCED)] if forced else []
    before = deepcopy((previous, new, untracked, demands))
    verdict = decide(previous, new, untracked=untracked, demands=demands)
    same = previous is not None and new is not None and previous == new
    assert (verdict.decision == decision.SKIP) is (same and not untracked and not forced)
    assert (verdict.decision == decision.RUN) is bool(verdict.reasons)
    assert (previous, new, untracked, demands) == before
    assert decide(previous, new, untracked=untracked, demands=demands).reasons == verdict.reasons
