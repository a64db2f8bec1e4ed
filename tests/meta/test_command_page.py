"""The page of the command: each command and each option is on it, and its examples print what it says."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers import DEADLINE, environment, run_treadle
from treadle.cli.parser import _DAILY, _OTHERS, COMMANDS, make_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs/reference/command.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## treadle (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
COMMON = PAGE.partition("## The plan, and other options")[2].partition("\n## ")[0]
VARYING = (
    (r"\b(\d+m )?\d+(\.\d+)?s\b", "TIME"),
    (r"TIME ±TIME", "TIME"),
    # a column is as wide as its longest time
    (r"(?<=\S) {2,}(?=TIME|mean|median|95 %|longest)", "  "),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE"),
    (r", TIME saved by skipping", ""),
    (r"\b\d{8}-\d{6}-[0-9a-f]{9}\b", "RUN"),
    (r"today \d\d:\d\d:\d\d", "TODAY"),
    (r"on +\S+, as \S+, process \d+$", "on HOST, as USER, process PID"),
    (r"^on \S+, -j \d+$", "on HOST, -j JOBS"),
)
"""What an example cannot know."""


def options_of(command: str) -> dict[str, argparse.Action]:
    """Return the options of a command that are not hidden."""
    parser = make_parser()
    assert parser._subparsers is not None
    choices = parser._subparsers._group_actions[0].choices
    assert isinstance(choices, dict)
    found = choices[command]._actions
    return {option.option_strings[-1]: option for option in found if option.option_strings and _is_shown(option)}


def _is_shown(option: argparse.Action) -> bool:
    return option.help != argparse.SUPPRESS and option.dest != "help"


def test_the_page_has_a_section_for_each_command() -> None:
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_of_a_command_is_on_the_page(command: str) -> None:
    text = COMMON + SECTIONS[command]
    missing = [name for name in options_of(command) if not re.search(rf"`{re.escape(name)}\b", text)]
    assert not missing, f"docs/reference/command.md says nothing of {missing} of treadle {command}"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_tells_of_no_option_that_is_not_there(command: str) -> None:
    rows = re.findall(r"^\| (`-.*?) \|", SECTIONS[command], re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(--?[a-z-]+)", row)}
    known = {name for option in options_of(command).values() for name in option.option_strings}
    assert {name if name.startswith("--") else name[:2] for name in told} <= known


@pytest.mark.parametrize("words", [[], ["--help"], *([command, "--help"] for command in COMMANDS)])
def test_no_help_is_wider_than_a_terminal(tmp_path: Path, words: list[str]) -> None:
    lines = run_treadle(tmp_path, *words, check=0).lines
    assert lines
    assert max(map(len, lines)) <= 80, max(lines, key=len)


def test_a_bare_call_names_further_commands_in_rows(tmp_path: Path) -> None:
    lines = run_treadle(tmp_path, check=0).lines
    rows = [line for line in lines if re.match(r"  [a-z]+( [a-z]+)* {2,}[a-z]+, ", line)]
    assert [line.split("  ")[1] for line in rows] == [*_OTHERS]
    assert sum(len(line.split(", ")) for line in rows) == len(COMMANDS) - len(_DAILY)
    assert len(lines) < 20


def examples() -> Iterator[tuple[str, list[str]]]:
    """Yield each command line of the page's examples with the lines that it prints."""
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        line = ""
        told: list[str] = []
        for text in block.split("\n")[:-1]:
            if text.startswith("$ "):
                if line:
                    yield line, told
                line, told = text[2:], []
            else:
                told.append(text)
        yield line, told


def settled(lines: list[str]) -> list[str]:
    """Return lines without what differs from run to run; actions that ran at the same time in one order."""
    made = []
    for line in lines:
        for pattern, word in VARYING:
            line = re.sub(pattern, word, line)
        made.append(re.sub(r"^\[\d+/(\d+)\]", r"[./\1]", line))
    head = next((at for at, line in enumerate(made) if not line.startswith("[./")), len(made))
    return [*sorted(made[:head]), *made[head:]]


def test_the_examples_print_what_the_page_says(tmp_path: Path) -> None:
    plan = re.search(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert plan is not None
    commands, project = tmp_path / "commands", tmp_path / "project"
    commands.mkdir()
    project.mkdir()
    launcher = commands / "treadle"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m treadle "$@"\n')
    launcher.chmod(0o755)
    (project / "treadle.yaml").write_text(plan.group(1))
    (project / "text.txt").write_text("how are you?\n")
    env = environment(
        {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    )
    found = list(examples())
    assert len(found) > 20
    for line, told in found:
        done = subprocess.run(
            ["bash", "-c", line], cwd=project, env=env, capture_output=True, text=True, timeout=DEADLINE
        )
        assert settled(done.stdout.splitlines()) == settled(told), (line, done)
        assert done.stderr == "", (line, done)
