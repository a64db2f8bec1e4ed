from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.text import crop, crop_left, crop_middle, safe, shell_join, width, wrap
from treadle.ui.text import coloured, columns, crop_line, folded, line, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("naïve 日本 🧵", "naïve 日本 🧵"),
        ("two\nlines", "two\\nlines"),
        ("a\tb\rc", "a\\tb\\rc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("bell\x07 del\x7f c1\x9b", "bell\\x07 del\\x7f c1\\x9b"),
        ("byte \udcff", "byte \\xff"),
        ("lone \ud800", "lone \\ud800"),
        ("turned \u202egnp.exe", "turned \\u202egnp.exe"),
        ("no\u00a0break", "no\u00a0break"),
        ("sep\u2028para", "sep\\u2028para"),
        ("family 👨\u200d👩\u200d👧", "family 👨\u200d👩\u200d👧"),
    ],
)
def test_what_could_change_the_terminal_or_the_line_is_escaped(text: str, shown: str) -> None:
    assert safe(text) == shown


@given(st.text(st.characters()))
def test_a_safe_text_has_no_control_characters_and_can_be_encoded(text: str) -> None:
    shown = safe(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    shown.encode()


@pytest.mark.parametrize(
    ("text", "cells"), [("", 0), ("abc", 3), ("日本", 4), ("e\u0301", 1), ("naïve", 5), ("ｱ", 1), ("\uff21", 2)]
)
def test_the_width_is_in_cells(text: str, cells: int) -> None:
    assert width(text) == cells


@given(st.text(), st.integers(0, 40))
def test_nothing_is_ever_cropped_to_more_than_its_room(text: str, room: int) -> None:
    text = safe(text)
    assert width(crop(text, room)) <= room
    assert width(crop_middle(text, room)) <= room
    assert width(crop_left(text, room)) <= room
    assert width(plain(crop_line(line("head ", (text, "bad"), " tail"), room))) <= room


def test_what_fits_is_not_cropped() -> None:
    assert crop("日本語", 6) == "日本語"
    assert crop_middle("abcdefgh", 8) == "abcdefgh"
    assert crop_line(line("ab", ("cd", "bad")), 4) == line("ab", ("cd", "bad"))


def test_cropping_keeps_the_beginning_or_both_ends() -> None:
    assert crop("abcdefghij", 8) == "abcde..."
    assert crop("日本語日本語", 8) == "日本..."
    assert crop_middle("a-very-long-name", 11) == "a-ve...name"
    assert crop_left("日本語日本語", 8) == "...本語"


def test_a_line_is_cropped_across_its_pieces_and_keeps_their_styles() -> None:
    assert crop_line(line("abc", ("defgh", "bad"), "ij"), 8) == line("abc", ("de...", "bad"))
    assert plain(crop_line(line("abcdef", "gh"), 7)) == "abcd..."


def test_colours_begin_and_end_with_their_piece() -> None:
    assert coloured(line("a ", ("b", "bad"), " c")) == "a \x1b[1;31mb\x1b[0m c"
    assert plain(line("a ", ("b", "bad"), " c")) == "a b c"


def test_a_long_text_is_broken_at_blanks() -> None:
    assert wrap("one two three four", 11, "  ") == ["  one two", "  three", "  four"]
    assert wrap("日本 語", 5) == ["日本", "語"]
    assert wrap("averylongword x", 5) == ["averylongword", "x"]
    assert wrap("one two three four", 0, "  ") == ["  one two three four"]


def test_columns_stand_below_each_other_in_cells() -> None:
    rows = [("a", "first"), ("日本", "second"), ("c", "")]
    assert columns(rows) == ["  a     first", "  日本  second", "  c"]
    assert columns([("x" * 40, "long"), ("y", "short")]) == [f"  {'x' * 40}  long", "  y  short"]


def test_a_plain_line_is_broken_and_its_rest_indented() -> None:
    made = folded(line("  one two three four five"), 16)
    assert [plain(one) for one in made] == ["  one two", "      three four", "      five"]
    styled = line("  one two three", (" four five", "good"))
    assert folded(styled, 10) == [styled]
    assert folded(line("  one two three"), 0) == [line("  one two three")]


def test_columns_in_a_bounded_room_go_on_below_themselves() -> None:
    rows = [("a", "one two three four five six seven"), ("much-longer-than-the-others", "tail")]
    assert columns(rows, room=30, widest=5) == [
        "  a  one two three four five",
        "     six seven",
        "  much-longer-than-the-others",
        "     tail",
    ]


@given(st.lists(st.text() | st.text("ab'\"$ é\n@%+=:,./-_~*\udcff")))
def test_words_are_quoted_for_a_shell_as_the_standard_library_quotes_them(words: list[str]) -> None:
    assert shell_join(words) == shlex.join(words)
