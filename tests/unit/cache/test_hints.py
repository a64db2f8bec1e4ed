"""Hints: names and digests of what an entry was stored for; what is no hint explains nothing."""

from __future__ import annotations

import pytest

from treadle.cache import hints
from treadle.cache.hints import Hint

PARTS = hints.parts_of({"command": "cc"}, ["o", "d/"], {"/bin/cc": "exec 1 a"}, {"TZ": "UTC"}, {"h": "file 1 b"})
HINT = Hint("ab" * 32, "5f0c", 12, hints.digests_of(PARTS))


def test_the_parts_of_a_key_have_names() -> None:
    """F5: a program by its name, as its path does not count."""
    assert sorted(PARTS) == ["command", "found h", "locale TZ", "output d/", "output o", "program 1 cc"]


def test_a_hint_is_what_it_was_after_it_was_read_again() -> None:
    assert hints.decode(hints.encode(HINT)) == [HINT]


def test_the_last_hints_count_each_key_once() -> None:
    lines = [hints.encode(HINT._replace(key=f"{number % 10:064}", at=number)) for number in range(25)]
    assert [one.at for one in hints.decode(b"".join(lines))] == [*range(24, 16, -1)]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"3",
        b"\xff",
        b"[" * 5000,
        hints.encode(HINT)[:-4],
        hints.encode(HINT).replace(b'"at":12', b'"at":"12"'),
        hints.encode(HINT).replace(b'"run":"5f0c"', b'"run":3'),
        hints.encode(HINT).replace(b'"command":"', b'"command":3,"c":"'),
    ],
)
def test_what_is_no_hint_is_left_out(line: bytes) -> None:
    assert hints.decode(line + b"\n" + hints.encode(HINT)) == [HINT]


def test_one_that_would_be_long_is_not_kept() -> None:
    long = HINT._replace(digests=hints.digests_of({f"input {number}": "" for number in range(20_000)}))
    assert hints.encode(long) == b""


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (PARTS, []),
        ({**PARTS, "command": "gcc"}, ["command differs"]),
        ({**PARTS, "env A": ""}, ["env A is new"]),
        ({name: PARTS[name] for name in PARTS if name != "found h"}, ["found h is gone"]),
    ],
)
def test_what_differs_is_named(parts: dict[str, str], said: list[str]) -> None:
    assert hints.differences(parts, HINT) == said


def test_the_nearest_is_that_with_the_fewest_differences_and_of_equal_ones_the_newest() -> None:
    far = HINT._replace(key="1", digests=hints.digests_of({"command": "x"}))
    near, same = HINT._replace(key="2"), HINT._replace(key="3")
    found = hints.nearest({**PARTS, "command": "x"}, [far, near, same])
    assert found == (near, ["command differs"])
    assert hints.nearest(PARTS, []) is None
