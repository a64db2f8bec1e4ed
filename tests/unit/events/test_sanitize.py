from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from treadle.events import sanitize as clean
from treadle.events.sanitize import Tail

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain\n", "plain\n"),
        (b"a\tb\n\n", "a\tb\n\n"),
        (b"\x1b[1;38;2;1;2;3mred\x1b[m", "red"),
        (b"\x1b[2K\x1b[1Gdone", "done"),
        (b"\x1b]0;title\x07text \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "text link"),
        (b"\x1b(B\x1b=\x1b7kept", "kept"),
        (b"10%\r20%\r100%\r\nnext\r\n", "100%\nnext\n"),
        (b"bo\x08old _\x08u", "bold u"),
        (b"\x08\x08x", "x"),
        (b"bell\x07 nul\x00", "bell\\x07 nul\\x00"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("grüße 見".encode(), "grüße 見"),
        ("\u202eevil".encode(), "\\u202eevil"),
        (b"half \x1b[3", "half \\x1b[3"),
    ],
)
def test_what_programs_print_becomes_plain_text(raw: bytes, text: str) -> None:
    assert clean.clean(raw) == text


def test_a_log_is_told_in_whole_lines_and_its_last_piece_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = Tail(str(path))
    assert tail.new() == ("", 0)
    path.write_bytes(b"one\ntw")
    assert tail.new() == ("one\n", 0)
    assert tail.new() == ("", 0)
    path.write_bytes(b"one\ntwo\nthree")
    assert tail.new() == ("two\n", 0)
    assert tail.new(last=True) == ("three", 0)
    assert tail.new(last=True) == ("", 0)


def test_each_byte_of_a_long_log_is_told_or_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = [f"line {number}\n" for number in range(40_000)]
    tail = Tail(str(path))
    told, omitted = "", 0
    for count in (1, 5_000, 20_000, 40_000):
        path.write_text("".join(lines[:count]))
        text, left = tail.new(last=count == 40_000)
        told, omitted = told + text, omitted + left
    assert len(told) + omitted == path.stat().st_size
    assert told.startswith("line 0\nline 1\n")
    assert told.endswith("line 39999\n")
    assert len(told) <= clean.LIVE_BYTES + clean.LAST_BYTES
    assert set(told.splitlines(keepends=True)) <= set(lines)


def test_a_long_line_without_an_end_is_cut_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 1_000_000)
    tail = Tail(str(path))
    assert tail.new() == ("", 0)
    text, omitted = tail.new(last=True)
    assert text == "x" * clean.LAST_BYTES
    assert omitted == 1_000_000 - clean.LAST_BYTES
