from __future__ import annotations

import io
import os

import pytest

from helpers import screen_of
from treadle.ui.screen import Screen, can_redraw, wants_colours
from treadle.ui.text import line


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("choice", "environ", "on_terminal", "without"),
    [
        ("auto", {}, True, False),
        ("auto", {"TERM": "dumb"}, False, False),
        ("auto", {"NO_COLOR": "1"}, False, False),
        ("auto", {"NO_COLOR": ""}, True, False),
        ("auto", {"FORCE_COLOR": "1"}, True, True),
        ("auto", {"FORCE_COLOR": "0"}, True, False),
        ("auto", {"CLICOLOR_FORCE": "1"}, True, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ("always", {"NO_COLOR": "1"}, True, True),
        ("never", {"FORCE_COLOR": "1"}, False, False),
    ],
)
def test_colours_follow_the_choice_then_the_environment_then_the_terminal(
    choice: str, environ: dict[str, str], on_terminal: bool, without: bool
) -> None:
    assert wants_colours(Tty(), choice, {"TERM": "xterm", **environ}) is on_terminal
    assert wants_colours(io.StringIO(), choice, {"TERM": "xterm", **environ}) is without


def test_only_a_terminal_that_is_not_dumb_is_drawn_on() -> None:
    assert can_redraw(Tty(), {"TERM": "xterm"})
    assert not can_redraw(Tty(), {"TERM": "dumb"})
    assert not can_redraw(Tty(), {})
    assert not can_redraw(io.StringIO(), {"TERM": "xterm"})


def test_lines_that_stay_push_the_status_line_away() -> None:
    stream = Tty()
    screen = Screen(stream, redraws=True)
    screen.draw(line("[1/3] a longer status"))
    screen.draw(line("[2/3] short"))
    assert screen_of(stream.getvalue()) == ["[2/3] short"]
    screen.write([line("ran a")])
    assert screen_of(stream.getvalue()) == ["ran a", ""]
    screen.draw(line("[3/3]"))
    assert screen_of(stream.getvalue()) == ["ran a", "[3/3]"]
    screen.erase()
    screen.erase()
    assert screen_of(stream.getvalue()) == ["ran a", ""]


def test_the_status_line_is_not_broken_by_the_library_that_draws_it() -> None:
    stream = Tty()
    Screen(stream, redraws=True).draw(line("x" * 200, " [bold]not markup[/bold] :smile: 42"))
    assert screen_of(stream.getvalue()) == ["x" * 200 + " [bold]not markup[/bold] :smile: 42"]


def test_without_colours_there_is_none_in_the_status_line() -> None:
    plain, colourful = Tty(), Tty()
    Screen(plain, redraws=True).draw(line(("1 failed", "bad")))
    Screen(colourful, redraws=True, colours=True).draw(line(("1 failed", "bad")))
    assert "m" not in plain.getvalue()
    assert "\x1b[1;31m1 failed" in colourful.getvalue()


def test_without_a_terminal_nothing_is_drawn() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    screen.draw(line("[1/3]"))
    screen.erase()
    screen.write([line("ran ", ("a", "name"))])
    assert stream.getvalue() == "ran a\n"


def test_while_somebody_else_has_the_terminal_lines_wait() -> None:
    stream = Tty()
    screen = Screen(stream, redraws=True)
    screen.draw(line("[1/3]"))
    screen.hold()
    screen.draw(line("[2/3]"))
    screen.write([line("ran b")])
    assert screen_of(stream.getvalue()) == [""]
    screen.release()
    assert screen_of(stream.getvalue()) == ["ran b", ""]


def test_a_reader_that_goes_away_is_no_error() -> None:
    out, inside = os.pipe()
    os.close(out)
    with os.fdopen(inside, "w") as stream:
        screen = Screen(stream, redraws=True)
        screen.write([line("one")])
        assert screen.gone
        screen.write([line("two")])
        screen.draw(line("three"))
        screen.erase()


def test_a_stream_that_is_no_terminal_is_eighty_columns_wide() -> None:
    assert Screen(io.StringIO()).width == 80
