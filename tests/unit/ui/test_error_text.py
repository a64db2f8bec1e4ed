from __future__ import annotations

from treadle.core.text import width
from treadle.errors import Place, TreadleError, UsageError
from treadle.ui.error_text import problem_lines, problems_lines
from treadle.ui.text import plain


def shown(error: TreadleError, room: int = 0) -> list[str]:
    return [plain(one) for one in problem_lines(error, room=room)]


def test_an_error_tells_what_where_facts_and_hint() -> None:
    place = Place("plan.yaml", 12, 5, "    runn: cp a b")
    error = TreadleError("unknown key runn", facts=["known: run, sh"], hint="did you mean run?", place=place)
    assert shown(error) == [
        "treadle: plan.yaml:12:5: unknown key runn",
        "        runn: cp a b",
        "        ^",
        "  known: run, sh",
        "  hint: did you mean run?",
    ]


def test_an_error_without_a_place_is_short() -> None:
    assert shown(TreadleError("it is busy")) == ["treadle: it is busy"]


def test_an_error_whose_line_is_not_known_has_no_mark() -> None:
    assert shown(TreadleError("no", place=Place("a.yaml", 1, 1))) == ["treadle: a.yaml:1:1: no"]


def test_the_mark_stands_below_the_place_after_tabs_and_wide_characters() -> None:
    for text in ("\tin: x", "日本: x", "e\u0301: x", "a\u202e: x"):
        column = text.index("x") + 1
        _, source, mark = shown(TreadleError("what", place=Place("f", 1, column, text)))
        assert width(source[: source.index("x")]) == mark.index("^"), text


def test_the_mark_can_stand_after_the_end_of_the_line() -> None:
    assert shown(TreadleError("what", place=Place("f", 1, 4, "abc")))[1:] == ["    abc", "       ^"]


def test_of_a_long_line_the_part_around_the_place_is_shown() -> None:
    text = "a" * 500 + "HERE" + "b" * 500
    _, source, mark = shown(TreadleError("what", place=Place("f", 1, 501, text)))
    assert width(source) <= 80
    assert source[mark.index("^") :].startswith("HERE")
    assert source.startswith("    ...")
    assert source.endswith("...")


def test_control_characters_and_lines_in_an_error_are_shown_and_not_sent() -> None:
    error = TreadleError("bad \x1b[2J\nsecond", facts=["one\ntwo \x07"], hint="a\tb")
    assert shown(error) == [
        "treadle: bad \\x1b[2J",
        "  second",
        "  one",
        "  two \\x07",
        "  hint: a\\tb",
    ]


def test_facts_and_hints_are_broken_where_they_are_read_on_a_terminal() -> None:
    error = TreadleError("what", facts=["known: one, two, three, four"], hint="take one of them, or two of them")
    assert shown(error, room=20) == [
        "treadle: what",
        "  known: one, two,",
        "  three, four",
        "  hint: take one of",
        "        them, or two",
        "        of them",
    ]


def test_paths_are_shown_as_people_would_write_them() -> None:
    error = TreadleError("what", place=Place("/home/me/plan.yaml", 1, 2))
    (line,) = problem_lines(error, lambda path: path.removeprefix("/home/me/"))
    assert plain(line) == "treadle: plan.yaml:1:2: what"


def test_many_problems_are_counted_and_the_first_are_shown() -> None:
    problems = [TreadleError(f"problem {n}") for n in range(10)]
    lines = [plain(one) for one in problems_lines(problems, more=5)]
    assert lines[9:] == ["treadle: problem 9", "treadle: 15 problems, the first 10 are shown"]
    assert [plain(one) for one in problems_lines(problems[:2])][-1] == "treadle: 2 problems"
    assert len(problems_lines(problems[:1])) == 1


def test_at_a_terminal_an_error_names_its_page() -> None:
    error = UsageError("there is no such option")
    assert shown(error, room=80)[-1] == "  docs: reference/command/"
    assert "docs:" not in "".join(shown(error))
