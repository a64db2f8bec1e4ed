"""The retry rule, by tables."""

from __future__ import annotations

from typing import Any

import pytest

from treadle.core.outcomes import KINDS, outcome
from treadle.core.retry import SIGNALS, Tries, is_word, should_retry

KILLED = (-9, 137)


@pytest.mark.parametrize(
    ("word", "met", "not_met"),
    [
        ("exit 3", (3,), (0, 2, 4, -3, 131)),
        ("exit 3-5", (3, 4, 5), (2, 6, -4)),
        ("exit 137", KILLED, (9, -15, 143)),
        ("exit 143", (-15, 143), KILLED),
        ("exit 130-143", (*KILLED, -2, 130, -15, 143), (129, 144, -1, -16)),
        ("signal", (*KILLED, -1, -64, 129, 192), (128, 193, 9, 1)),
        ("signal KILL", KILLED, (9, -15)),
        ("signal SIGKILL", KILLED, (-15,)),
        ("signal kill", KILLED, (-15,)),
        ("signal 9", KILLED, (9, -15)),
        ("signal TERM", (-15, 143), KILLED),
        ("signal 64", (-64, 192), KILLED),
        ("any", (1, 64, -9, 255, None), ()),
        ("timeout", (), (1, -9, None)),
        ("diffed", (), (1, -9, None)),
        ("not_ready", (), (1, -9, None)),
        ("unheard of", (), (1, -9, None)),
    ],
)
def test_a_word_meets_the_ends_that_it_names(word: str, met: tuple[int, ...], not_met: tuple[int, ...]) -> None:
    failed = outcome("failed")
    assert all(should_retry(1, 1, [word], ended=failed, code=code) for code in met)
    assert not any(should_retry(1, 1, [word], ended=failed, code=code) for code in not_met)
    assert is_word(word) == (word != "unheard of")


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_failed_or_was_not_ready_is_tried_again(kind: str) -> None:
    is_bad = KINDS[kind][0] == "FAIL" or kind == "not_ready"
    if kind == "invalid":
        # it would get no more the next time
        assert not should_retry(1, 1, ["any"], ended=outcome(kind))
        return
    assert should_retry(1, 1, ["any", "signal", "exit 3"], ended=outcome(kind), code=3, codes=[3]) == is_bad
    assert should_retry(2, 1, ["any"], ended=outcome(kind)) == (kind == "lost")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("timeout", "timeout"),
        ("memory", "out_of_memory"),
        ("lost", "lost"),
        ("diffed", "diffed"),
        ("not_ready", "not_ready"),
    ],
)
def test_a_kind_is_a_word_of_its_own(word: str, kind: str) -> None:
    """R1: the words that are no exit codes."""
    assert is_word(word)
    assert should_retry(1, 1, [word], ended=outcome(kind), code=None)
    assert should_retry(1, 1, [word], ended=outcome("failed"), code=3) is False
    assert should_retry(1, 1, [word], ended=outcome("error")) is False


def test_losses_have_a_bound_of_their_own() -> None:
    """R1: three further attempts, which count nothing of the others."""
    lost, failed = outcome("lost"), outcome("failed")
    for losses in (1, 2, 3):
        assert should_retry(losses, 0, ["any"], ended=lost, losses=losses)
        assert should_retry(losses + 1, 1, ["any"], ended=failed, losses=losses)
        assert not should_retry(losses + 2, 1, ["any"], ended=failed, losses=losses)
    assert not should_retry(4, 9, ["any"], ended=lost, losses=4)


def test_a_code_that_asks_for_another_attempt_needs_no_word() -> None:
    failed = outcome("failed")
    assert should_retry(1, 1, [], ended=failed, code=3, codes=[3])
    assert should_retry(1, 1, [], ended=failed, code=-9, codes=[137])
    assert not should_retry(1, 1, [], ended=failed, code=4, codes=[3])
    assert not should_retry(1, 0, [], ended=failed, code=3, codes=[3])


@pytest.mark.parametrize(
    "word",
    [
        "",
        "exit",
        "exit 256",
        "exit -1",
        "exit 5-3",
        "exit 1-300",
        "exit x",
        "signal 0",
        "signal 65",
        "signal NONE",
        "killed",
        "9",
        "exit  3",
        "SIGKILL",
        "signal -9",
        "signal ²",
    ],
)
def test_what_is_no_word_is_refused(word: str) -> None:
    assert not is_word(word)


def test_signals_have_the_numbers_of_this_system() -> None:
    import signal

    assert {name: number for name, number in SIGNALS.items() if signal.Signals[f"SIG{name}"] != number} == {}


class Rule:
    """What a plan says of retries."""

    def __init__(self, grow: dict[str, object], on: tuple[str, ...] = ("any",), most: int = 0) -> None:
        self.max, self.on, self.grow = most, on, grow
        self.backoff = self.jitter = 0.0


@pytest.mark.parametrize(
    ("grow", "on", "ends", "most", "expected"),
    [
        ({"memory": 1.5}, ("any",), ["out_of_memory"], None, {"memory": 12.0}),
        ({"memory": 1.5}, ("any",), ["out_of_memory", "out_of_memory"], None, {"memory": 18.0}),
        # of a list the next amount counts, and the last one stays
        ({"memory": [16, 64]}, ("any",), ["out_of_memory", "out_of_memory"], None, {"memory": 64.0}),
        ({"memory": [16]}, ("any",), ["out_of_memory", "out_of_memory"], None, {"memory": 16.0}),
        # memory grows after one kind alone, and all else after any that is tried again
        ({"memory": 2, "timeout": 2}, ("any",), ["timeout"], None, {"timeout": 20.0}),
        ({"memory": 2, "cpus": 2}, ("any",), ["failed", "out_of_memory"], None, {"memory": 16.0, "cpus": 4.0}),
        ({"memory": 2, "cpus": 2}, ("timeout",), ["out_of_memory"], None, {"memory": 16.0}),
        ({"memory": 2}, ("any",), ["lost", "out_of_memory"], None, {"memory": 16.0}),
        # there is no more of it
        ({"memory": 2}, ("any",), ["out_of_memory", "out_of_memory"], 20.0, {"memory": 20.0}),
        ({"memory": 2}, ("any",), ["out_of_memory"], 8.0, {}),
        ({}, ("any",), ["out_of_memory"], None, {}),
    ],
)
def test_what_goes_on_begins_with_the_next_amounts(
    grow: dict[str, object], on: tuple[str, ...], ends: list[str], most: float | None, expected: dict[str, float]
) -> None:
    rule: Any = Rule(grow, on)
    tries = Tries(rule, {"memory": 8, "cpus": 1, "timeout": 10.0})
    found = tries.begin_after([(outcome(kind), None) for kind in ends], cap=lambda kind, amounts: most)
    assert found == expected
    assert tries.amounts == {"memory": 8, "cpus": 1, "timeout": 10.0, **expected}
    # it goes before all of its priority, as any attempt that has grown
    assert tries.has_grown is bool(expected)
