"""The examples of pages that show plans and what they print: each plan in a folder of its own, then its commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import DEADLINE, environment

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```(\w+)( \S+)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARYING = ((r"\b\d+(\.\d+)?s\b", "TIME"), (r"[0-9a-f]{4,}\.\.\.", "DIGEST..."))
"""What an example cannot know."""

Example = tuple[dict[str, str], list[tuple[str, list[str]]]]


def examples(page: str) -> list[Example]:
    """Return for each plan on a page the files that it has with it, and the commands with what they print.

    The name of a file stands behind the language of its block; a plan has none.
    """
    found: list[Example] = []
    for language, name, text in BLOCK.findall((DOCS / page).read_text("utf-8")):
        if name:
            found[-1][0][name.strip()] = text
        elif language == "yaml" and text.startswith("treadle: 1"):
            found.append(({"treadle.yaml": text}, []))
        elif language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, *printed = part.rstrip("\n").split("\n")
                found[-1][1].append((command, printed))
    return found


def settled(lines: list[str]) -> list[str]:
    """Return lines without what differs from run to run."""
    for pattern, word in VARYING:
        lines = [re.sub(pattern, word, line) for line in lines]
    return lines


def of_all_pages() -> list[object]:
    made: list[object] = []
    for page in ("scheduling.md",):
        all_of_page = examples(page)
        assert all_of_page, page
        made += [pytest.param(one, id=f"{page}-{number}") for number, one in enumerate(all_of_page)]
    return made


@pytest.mark.parametrize("example", of_all_pages())
def test_the_commands_of_an_example_print_what_the_page_says(example: Example, tmp_path: Path) -> None:
    files, commands = example
    bin_folder, folder = tmp_path / "bin", tmp_path / "project"
    bin_folder.mkdir()
    folder.mkdir()
    (bin_folder / "treadle").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m treadle "$@"\n')
    (bin_folder / "treadle").chmod(0o755)
    (bin_folder / "python3").symlink_to(sys.executable)
    (folder / "x").touch()
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    env = environment({"PATH": path, "GIT_CEILING_DIRECTORIES": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""})
    assert commands
    for command, printed in commands:
        done = subprocess.run(
            ["bash", "-c", f"exec 2>&1; {command}"],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert settled(done.stdout.splitlines()) == settled(printed), (command, done)
