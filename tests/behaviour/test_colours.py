"""Tools keep their colours where our own lines have some, and nothing else learns of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers import Terminal, plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

ASKED = ("FORCE_COLOR", "CLICOLOR_FORCE", "CARGO_TERM_COLOR")
SAY = f"import os; print({{name: os.environ[name] for name in {ASKED!r} if name in os.environ}})"
SET = "{'FORCE_COLOR': '1', 'CLICOLOR_FORCE': '1', 'CARGO_TERM_COLOR': 'always'}\n"


def project(folder: Path, more: str = "") -> Path:
    """Write a plan whose action says which variables ask it for colours."""
    (folder / "say.py").write_text(SAY + "\nprint(end='', file=open('o', 'w'))\n")
    plan(folder, f"actions:\n  a:\n    run: python3 say.py\n    in: say.py\n    out: o\n{more}")
    return folder


def said(folder: Path, *options: str, **env: str) -> str:
    run_treadle(folder, "run", "--force", *options, env=env, check=0)
    return (folder / ".treadle/logs/a.log").read_text()


def test_tools_are_asked_for_colours_where_our_own_lines_have_some(tmp_path: Path) -> None:
    project(tmp_path)
    assert said(tmp_path, "--color=always") == SET
    assert said(tmp_path, FORCE_COLOR="1") == SET
    assert said(tmp_path) == "{}\n"
    assert said(tmp_path, "--color=never", FORCE_COLOR="1") == "{}\n"
    assert said(tmp_path, NO_COLOR="1") == "{}\n"


def test_tools_are_asked_for_colours_on_a_terminal(tmp_path: Path) -> None:
    project(tmp_path)
    assert Terminal(tmp_path, "run").end() == 0
    assert (tmp_path / ".treadle/logs/a.log").read_text() == SET


@pytest.mark.parametrize("name", ["NO_COLOR", "FORCE_COLOR"])
def test_what_an_action_says_itself_of_colours_stands(tmp_path: Path, name: str) -> None:
    project(tmp_path, f"    env: {{{name}: '0'}}\n")
    assert said(tmp_path, "--color=always") == ("{}\n" if name == "NO_COLOR" else "{'FORCE_COLOR': '0'}\n")


def test_colours_are_no_part_of_the_question(tmp_path: Path) -> None:
    project(tmp_path)
    run_treadle(tmp_path, "run", "--color=always", check=0)
    assert run_treadle(tmp_path, "run", "--color=never", check=0).out.startswith("nothing to do")
    assert "\x1b[32mnothing to do" in run_treadle(tmp_path, "run", "--color=always", check=0).out


@pytest.mark.parametrize(
    "how",
    [
        "sh: 'python3 say.py > ${out}'",
        "sh: 'python3 say.py | tee ${out}'",
        "sh: 'x=$(python3 say.py); echo \"$x\" | cat - > ${out}'",
        "sh: 'echo `python3 say.py` > ${out}'",
        "run: bash -c 'python3 say.py > b'",
    ],
)
def test_nothing_that_goes_into_a_file_has_colours(tmp_path: Path, how: str) -> None:
    project(tmp_path, f"  b: {{{how}, out: b}}\n")
    run_treadle(tmp_path, "run", "--color=always", check=0)
    assert (tmp_path / "b").read_text() == "{}\n"


def test_an_output_that_takes_what_is_printed_has_no_colours(tmp_path: Path) -> None:
    project(tmp_path, "  b: {run: python3 say.py, stdout: b}\n")
    run_treadle(tmp_path, "run", "--color=always", check=0)
    assert (tmp_path / "b").read_text() == "{}\n"


RED = "\x1b[31mred\x1b[0m and \x1b[1;32mgreen\x1b[m\n"


def test_a_log_is_printed_with_its_colours_only_where_ours_are(tmp_path: Path) -> None:
    (tmp_path / "text").write_text(RED)
    plan(tmp_path, "actions:\n  a: {run: 'cat text', in: text}\n")
    run_treadle(tmp_path, "run", "a", check=0)
    assert run_treadle(tmp_path, "log", "a", check=0).out == "red and green\n"
    assert run_treadle(tmp_path, "log", "a", "--color=always", check=0).out == RED


def test_no_colour_is_missed_where_a_log_is_read_in_pieces(tmp_path: Path) -> None:
    text = "".join("x" * (number % 9) + "\x1b[1;31m" for number in range(60_000))
    (tmp_path / "text").write_text(text + "\x1b]0;kept\x07 \x1b[3")
    plan(tmp_path, "actions:\n  a: {run: 'cat text', in: text}\n")
    run_treadle(tmp_path, "run", "a", check=0)
    printed = run_treadle(tmp_path, "log", "a", check=0).out
    assert printed == text.replace("\x1b[1;31m", "") + "\x1b]0;kept\x07 \x1b[3"


def test_the_output_of_a_failure_is_shown_with_its_colours(tmp_path: Path) -> None:
    (tmp_path / "text").write_text(RED)
    plan(tmp_path, "actions:\n  a: {sh: 'cat text; exit 1', in: text}\n")
    done = run_treadle(tmp_path, "run", "a", "--color=always", "--events", "e", check=1)
    assert "\x1b[31mred\x1b[0m and" in done.out
    assert "\x1b" not in (tmp_path / "e").read_text()
    assert "\\u001b" not in (tmp_path / "e").read_text()
    assert "\x1b" not in run_treadle(tmp_path, "run", "a", check=1).out
