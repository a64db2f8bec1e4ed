from __future__ import annotations

import pytest

from treadle.core import decision, wording
from treadle.core.decision import Reason
from treadle.ui.durations import duration

DIGEST = "3fa9" + "0" * 28


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0s"),
        (0.26, "0.3s"),
        (4.2, "4.2s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (38, "38s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (123, "2m 03s"),
        (3599.7, "1h 00m"),
        (3900, "1h 05m"),
        (86399, "23h 59m"),
        (86400 + 4 * 3600, "1d 04h"),
        (-1, "0.0s"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_counts_have_a_plural_and_marks_for_thousands() -> None:
    assert wording.count(1, "input") == "1 input"
    assert wording.count(1204, "byte") == "1,204 bytes"
    assert wording.count(0, "entry", "entries") == "0 entries"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (f"file 1204 {DIGEST}", "1,204 bytes 3fa9..."),
        (f"exec 1 {DIGEST}", "1 byte 3fa9..., executable"),
        (f"tree 3 {DIGEST}", "3 entries 3fa9..."),
        ("absent", "not there"),
        ("special character device", "a character device"),
        ("", "(empty)"),
        ("two\nlines", "two\\nlines"),
        ("x" * 100, "x" * 57 + "..."),
        ("file me under", "file me under"),
    ],
)
def test_values_are_short(value: str, said: str) -> None:
    assert wording.value(value) == said


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (Reason(decision.NEW), "new: it has not run here before"),
        (Reason(decision.CHANGED, "command", "a", "b"), "command changed"),
        (Reason(decision.CHANGED, "shell", "a", "b"), "shell changed"),
        (Reason(decision.CHANGED, "folder", "a", "b"), "folder changed from a to b"),
        (Reason(decision.CHANGED, "input data/raw.csv", "x", "y"), "input data/raw.csv changed"),
        (Reason(decision.CHANGED, "input a", "x", "absent"), "input a is not there"),
        (Reason(decision.CHANGED, "input a", "absent", "x"), "input a is there now"),
        (Reason(decision.ADDED, "input a", None, "x"), "input a added"),
        (Reason(decision.REMOVED, "input a", "x", None), "input a removed"),
        (Reason(decision.CHANGED, "found a.h", "x", "y"), "discovered input a.h changed"),
        (Reason(decision.CHANGED, "env CC", "gcc", "clang"), "env CC changed from gcc to clang"),
        (Reason(decision.ADDED, "env CC", None, "gcc"), "env CC is set now, to gcc"),
        (Reason(decision.REMOVED, "env CC", "gcc", None), "env CC is not set any more, it was gcc"),
        (Reason(decision.CHANGED, "env CC", "gcc", ""), "env CC changed from gcc to (empty)"),
        (Reason(decision.CHANGED, "tool cc", "x", "y"), "tool cc changed"),
        (Reason(decision.OUTPUT_MISSING, "output out/x", "x", "absent"), "output out/x is missing"),
        (Reason(decision.OUTPUT_ALTERED, "output out/x", "x", "y"), "output out/x was altered"),
        (Reason(decision.ADDED, "output out/x", None, "y"), "output out/x added"),
        (Reason(decision.ALWAYS), "it runs each time"),
        (Reason(decision.FORCED), "forced"),
        (Reason(decision.FAILED, "", "exit code 2"), "the last run failed (exit code 2)"),
        (Reason(decision.FAILED), "the last run failed"),
        (Reason(decision.INTERRUPTED, "", "interrupted"), "the last run was interrupted"),
        (Reason(decision.INPUTS_MOVED, "", "changed: a"), "inputs changed during the last run"),
        (Reason(decision.UNANSWERED, "", None, "no cc"), "what it depends on cannot be read (no cc)"),
        (Reason(decision.BLOCKED_BY, "fit@a"), "blocked by fit@a"),
        (Reason(decision.DEPENDS_ON, "fit@a"), "depends on fit@a"),
        (Reason(decision.CHANGED, "input two\nlines", "x", "y"), "input two\\nlines changed"),
        (Reason(decision.CHANGED, "os_version", "x", "y"), "os_version changed"),
    ],
)
def test_reasons_are_said_in_words(reason: Reason, said: str) -> None:
    assert wording.reason(reason) == said


NO_KINDS = ("RUN", "SKIP", "BLOCKED", "MAY_RUN", "RESTORE", "NOT_NEEDED", "OUTPUT", "COMMAND", "ABSENT")
KINDS = [
    value
    for name, value in vars(decision).items()
    if name.isupper() and isinstance(value, str) and name not in NO_KINDS
]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_reason_has_words_of_its_own(kind: str) -> None:
    reason = Reason(kind, "input x", "a", "b")
    assert wording.reason(reason) != str(reason)


def test_only_the_first_reasons_are_said_and_the_others_counted() -> None:
    reasons = [Reason(decision.CHANGED, f"input {n}", "x", "y") for n in range(5)]
    assert wording.reasons(reasons[:1]) == "input 0 changed"
    assert wording.reasons(reasons) == "input 0 changed; input 1 changed; and 3 more"
    assert wording.reasons(()) == ""


@pytest.mark.parametrize(
    "odd", ["a\nb", "file 12 a\nb", "exec 1 \r\n", "tree 2 \n\n\n\n", "special a\nb", "special \x1b[31m", "\u2028"]
)
@pytest.mark.parametrize("name", ["env X", "input a\nb", "found c", "folder", "tool cc", "made\nup"])
@pytest.mark.parametrize(
    "kind", [decision.CHANGED, decision.ADDED, decision.REMOVED, decision.FAILED, decision.UNANSWERED]
)
def test_a_reason_is_one_line_whatever_is_in_it(kind: str, name: str, odd: str) -> None:
    assert wording.reason(Reason(kind, name, odd, f"{odd}2")).isprintable()
    assert wording.value(odd).isprintable()


def test_a_variable_that_looks_like_a_file_is_shown_as_it_is() -> None:
    said = wording.reason(Reason(decision.CHANGED, "env X", "file 12 abcdef", "tree 3 abcdef"))
    assert said == "env X changed from file 12 abcdef to tree 3 abcdef"
