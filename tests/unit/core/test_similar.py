"""Failures that say the same are one group."""

from __future__ import annotations

import pytest

from treadle.core.similar import grouped, shape


def test_failures_are_grouped_by_their_text_without_numbers_and_paths() -> None:
    failures = [("a", "killed by SIGKILL"), ("b", "exit code 1: x/1.c:3"), ("c", "exit code 2: y/2.c:4")]
    assert grouped(failures) == [("exit code 1: x/1.c:3", ["b", "c"]), ("killed by SIGKILL", ["a"])]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("exit code 1: line 3", "exit code 2: line 40", True),
        ("no such file: /a/b c", "no such file: d/e c", True),
        ("at 0x7fff", "at 0xdead", True),
        ("took 1.5 s", "took 12 s", True),
        ("took 1.5 s", "took 12 m", False),
        ("no file a.txt", "no file b.txt", False),
        ("exit code 1: ValueError: x", "exit code 1: KeyError: x", False),
    ],
)
def test_only_numbers_and_paths_are_left_away(one: str, other: str, alike: bool) -> None:
    assert (shape(one) == shape(other)) is alike


def test_a_long_word_without_a_blank_costs_no_more_than_its_length() -> None:
    assert shape("x" * 1_000_000) == shape("x" * 2_000_000)
