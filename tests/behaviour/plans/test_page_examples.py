"""The examples of the pages on scheduling and on testing print what the pages say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import DEADLINE, environment

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARYING = ((r", \S+ saved by skipping", ""), (r"\b\d+(\.\d+)?s\b", "TIME"), (r"[0-9a-f]{4,}\.\.\.", "DIGEST..."))
"""What an example cannot know."""

Commands = list[tuple[str, list[str]]]
Example = tuple[str, Commands]
SUITE = DOCS.parent / "plans/suite"


def blocks(page: str) -> list[tuple[str, str]]:
    """Return language and text of each example on a page."""
    return BLOCK.findall((DOCS / page).read_text("utf-8"))


def commands_of(text: str) -> Commands:
    """Return the commands of a console, each with the lines that it prints."""
    found = [part.rstrip("\n").split("\n") for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]]
    return [(command, printed) for command, *printed in found]


def examples(page: str) -> list[Example]:
    """Return each plan on a page with the commands that follow it."""
    found: list[Example] = []
    for language, text in blocks(page):
        if language == "yaml" and text.startswith("treadle: 1"):
            found.append((text, []))
        elif language == "console":
            found[-1][1].extend(commands_of(text))
    assert found
    return found


def settled(lines: list[str]) -> list[str]:
    """Return lines without what differs from run to run; ends of actions in one order, up to the first other line."""
    for pattern, word in VARYING:
        lines = [re.sub(pattern, word, line) for line in lines]
    lines = [re.sub(r"^\[\d+/(\d+)\]", r"[./\1]", line) for line in lines]
    head = next((at for at, line in enumerate(lines) if not line.startswith("[./")), len(lines))
    return [*sorted(lines[:head]), *lines[head:]]


def check(folder: Path, commands: Commands) -> None:
    """Check what some commands print, one after the other in a folder."""
    programs = folder.parent / "programs"
    programs.mkdir()
    (programs / "treadle").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m treadle "$@"\n')
    (programs / "treadle").chmod(0o755)
    # no locale is there
    (programs / "locale").write_text("#!/bin/sh\n")
    (programs / "locale").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    variables = {"PATH": path, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""}
    env = environment(variables | {"GIT_CEILING_DIRECTORIES": str(folder.parent)})
    assert commands
    for command, printed in commands:
        bash = ["bash", "-c", f"exec 2>&1; {command}"]
        done = subprocess.run(bash, cwd=folder, env=env, capture_output=True, text=True, timeout=DEADLINE)
        said = done.stdout.replace(sys.executable, "python3").splitlines()
        assert settled(said) == settled(printed), (command, done)


@pytest.mark.parametrize("example", examples("explanation/scheduling.md"))
def test_the_commands_after_a_plan_print_what_the_page_says(example: Example, tmp_path: Path) -> None:
    text, commands = example
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "treadle.yaml").write_text(text)
    (folder / "x").touch()
    check(folder, commands)


def test_the_suite_to_take_over_prints_what_the_page_says(tmp_path: Path) -> None:
    shutil.copytree(SUITE, tmp_path / "suite", ignore=shutil.ignore_patterns("out", ".treadle", "__pycache__"))
    check(
        tmp_path / "suite",
        [one for kind, text in blocks("howto/testing.md") if kind == "console" for one in commands_of(text)],
    )


def test_each_piece_of_a_plan_on_the_page_is_one_of_the_suite() -> None:
    pieces = [text for kind, text in blocks("howto/testing.md") if kind == "yaml"]
    plan = (SUITE / "treadle.yaml").read_text("utf-8")
    assert len(pieces) > 5
    assert [piece for piece in pieces if piece not in plan] == []
