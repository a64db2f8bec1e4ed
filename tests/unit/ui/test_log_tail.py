from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.ui.log_tail import LONGEST_LINE, Follower, last_lines, visible

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", "plain"),
        ("naïve 日本".encode(), "naïve 日本"),
        (b"\xff\xfe bad utf-8", "\\xff\\xfe bad utf-8"),
        (b"nul\0 bell\x07", "nul\\x00 bell\\x07"),
        (b"\x1b]0;title\x07 \x1b[2J \x1b[31mred\x1b[0m", "  red"),
        (b"\x1b[01;31m\x1b[Kerror:\x1b[m\x1b[K \x1b]8;;http://x\x1b\\here\x1b]8;;\x1b\\", "error: here"),
        (b"\x1b[6n\x1bc\x1b", "\\x1b"),
        (b"a\tb", "a\tb"),
        (b"10%\r20%\r100%", "100%"),
        (b"dos\r", "dos"),
        (b"", ""),
    ],
)
def test_a_line_of_output_cannot_harm_a_terminal(raw: bytes, shown: str) -> None:
    assert visible(raw) == shown


def test_colours_stay_on_a_terminal_and_end_with_the_line() -> None:
    assert visible(b"\x1b[31mred\x1b[2K", colours=True) == "\x1b[31mred\x1b[0m"
    assert visible(b"none", colours=True) == "none"


@given(st.binary(max_size=3000))
def test_no_line_is_longer_than_the_bound(raw: bytes) -> None:
    shown = visible(raw.replace(b"\n", b""))
    assert len(shown) <= LONGEST_LINE + 3
    assert not any(ord(c) < 32 and c != "\t" for c in shown)


def test_a_long_line_says_that_it_goes_on() -> None:
    assert visible(b"x" * 10_000) == "x" * LONGEST_LINE + "..."
    assert visible(b"x" * LONGEST_LINE) == "x" * LONGEST_LINE


def test_the_last_lines_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {n}\n" for n in range(100_000)))
    assert last_lines(str(log), 3) == (["line 99997", "line 99998", "line 99999"], False)
    log.write_text("one\n\nno end")
    assert last_lines(str(log), 20) == (["one", "", "no end"], True)
    assert last_lines(str(log), 3) == (["one", "", "no end"], True)
    assert last_lines(str(log), 2) == (["", "no end"], False)


def test_no_file_and_an_empty_file_have_no_last_lines(tmp_path: Path) -> None:
    assert last_lines(str(tmp_path / "none"), 20) == ([], True)
    (tmp_path / "empty").touch()
    assert last_lines(str(tmp_path / "empty"), 20) == ([], True)


def test_of_a_huge_file_only_the_end_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(4 << 30)
        file.seek(0, 2)
        file.write(b"\nthe end\n")
    assert last_lines(str(log), 2) == (["the end"], False)


def test_a_huge_file_without_a_line_shows_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 1_000_000 + b"END")
    (shown,), is_all = last_lines(str(log), 20)
    assert not is_all
    assert len(shown) <= LONGEST_LINE + 3


def test_a_follower_gives_whole_lines_as_they_come(tmp_path: Path) -> None:
    log = tmp_path / "log"
    follower = Follower(str(log))
    assert list(follower.new_lines()) == []
    with log.open("ab", buffering=0) as file:
        file.write(b"one\ntw")
        assert list(follower.new_lines()) == ["one"]
        assert list(follower.new_lines()) == []
        file.write(b"o\nthree")
        assert list(follower.new_lines()) == ["two"]
    assert list(follower.new_lines(all_of_it=True)) == ["three"]
    assert list(follower.new_lines(all_of_it=True)) == []


def test_a_talkative_action_is_followed_piece_by_piece_and_to_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {n}\n" for n in range(100_000)))
    follower = Follower(str(log))
    first = list(follower.new_lines())
    assert 0 < len(first) < 100_000
    rest = list(follower.new_lines(all_of_it=True))
    assert len(first) + len(rest) == 100_000
    assert rest[-1] == "line 99999"


def test_a_line_without_an_end_takes_no_memory_for_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(32 << 20)
        file.seek(0, 2)
        file.write(b"\nnext\n")
    tracemalloc.start()
    try:
        first, second = Follower(str(log)).new_lines(all_of_it=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert first.startswith("\\x00\\x00")
    assert second == "next"
    assert peak < 4 << 20
