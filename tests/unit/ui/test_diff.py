from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from treadle.ui.diff import text_difference
from treadle.ui.text import coloured, plain


def lines(old: str, new: str, most: int = 100) -> list[str]:
    return [plain(one) for one in text_difference(old, new, most, "")]


def test_the_lines_that_changed_stand_with_one_beside_them() -> None:
    old = "\n".join(f"line {n}" for n in range(9))
    assert lines(old, old.replace("line 4", "LINE 4")) == [
        "...",
        "  line 3",
        "- line 4",
        "+ LINE 4",
        "  line 5",
    ]
    assert lines("a\nb", "a\nx\nb") == ["  a", "+ x", "  b"]


def test_only_the_words_that_changed_are_in_colour() -> None:
    old, new = text_difference("cc -O0 -g a.c", "cc -O2 -g a.c", 9, "")
    assert coloured(old) == "\x1b[1;31m- \x1b[0mcc\x1b[1;31m -O0\x1b[0m -g a.c"
    assert coloured(new) == "\x1b[32m+ \x1b[0mcc\x1b[32m -O2\x1b[0m -g a.c"


def test_of_a_long_line_equal_words_in_the_middle_are_left_out_too() -> None:
    same = " ".join(f"file{n}.o" for n in range(50))
    assert lines(f"ld -s {same} -lm", f"ld -x {same} -lc") == [
        "- ld -s file0.o file1.o ... file48.o file49.o -lm",
        "+ ld -x file0.o file1.o ... file48.o file49.o -lc",
    ]


def test_a_pair_of_long_lines_in_a_script_is_told_by_words() -> None:
    same = " ".join(["word"] * 60)
    assert lines(f"set -e\n{same} one\nend", f"set -e\n{same} two\nend") == [
        "  set -e",
        "- ... word word one",
        "+ ... word word two",
        "  end",
    ]


def test_more_than_fits_is_cut_and_counted() -> None:
    made = lines("\n".join("abcdefgh"), "\n".join("ABCDEFGH"), most=5)
    assert len(made) == 6
    assert made[-1] == "... and 11 more lines"


def test_very_many_words_that_changed_are_one_change() -> None:
    old, new = " ".join(f"a{n}" for n in range(5000)), " ".join(f"b{n}" for n in range(5000))
    made = lines(f"x {old} y", f"x {new} y")
    assert len(made) == 2
    assert made[0].startswith("- x a0 a1")


def test_very_many_lines_are_not_compared() -> None:
    assert lines("a\n" * 15_000, "b\n" * 15_000) == ["15001 lines became 15001"]


def test_control_characters_are_shown_as_escapes() -> None:
    assert lines("a\x1b[2J", "b") == ["- a\\x1b[2J", "+ b"]


@given(st.text(alphabet="ab \n", max_size=60), st.text(alphabet="ab \n", max_size=60))
def test_short_texts_can_be_told_apart_by_their_difference(old: str, new: str) -> None:
    made = [plain(one) for one in text_difference(old, new, 1000, "")]
    assert any(one[:1] in "-+" for one in made) == (old != new)


def test_nothing_at_all_is_a_text() -> None:
    assert lines("", "a") == ["-", "+ a"]
    assert lines("a", "") == ["- a", "+"]
    assert lines("a\n\nb", "a\nb") == ["  a", "-", "  b"]
