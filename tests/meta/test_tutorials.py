"""Each tutorial, followed word for word in an empty folder, prints what it shows."""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / "docs/_tools/follow.py"))
FOLLOWED = [
    path.relative_to(ROOT).as_posix()
    for path in sorted([*(ROOT / "docs/tutorials").glob("*.md"), *(ROOT / "docs/howto").glob("*.md")])
    if any(step.path for step in TOOL["steps"](path.read_text("utf-8")))
]
NEEDS = {
    "docs/howto/generated-files.md": "cc",
    "docs/tutorials/c-project.md": "cc",
    "docs/tutorials/cluster.md": "dask",
}
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def marks(page: str) -> list[pytest.MarkDecorator]:
    program = NEEDS.get(page)
    if program is None:
        return []
    missing = pytest.mark.skipif(shutil.which(program, path=PATH) is None, reason=f"{page} needs {program}")
    return [pytest.mark.system(program), missing]


@pytest.mark.parametrize("page", [pytest.param(page, marks=marks(page)) for page in FOLLOWED])
def test_a_page_that_is_followed_word_for_word_prints_what_it_shows(page: str, tmp_path: Path) -> None:
    _, wrong = TOOL["follow"]((ROOT / page).read_text("utf-8"), tmp_path)
    assert not wrong, "\n".join(wrong)


SECTIONS = [("docs/reference/workdir.md", "What actions measure")]
"""Sections of other pages that have a plan and what commands print of it."""


@pytest.mark.parametrize(("page", "title"), SECTIONS)
def test_a_section_that_is_followed_word_for_word_prints_what_it_shows(
    page: str, title: str, tmp_path: Path
) -> None:
    section = (ROOT / page).read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert any(step.path for step in TOOL["steps"](section))
    _, wrong = TOOL["follow"](section, tmp_path)
    assert not wrong, "\n".join(wrong)


def test_the_tutorials_are_followed() -> None:
    assert len([page for page in FOLLOWED if page.startswith("docs/tutorials/")]) >= 5


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["[1/2] ran a 0.1s", "[2/2] ran b 0.0s"], ["[1/2] ran b 1.5s", "[2/2] ran a 0.2s"], True),
        (["one", "...", "end"], ["one", "two", "three", "end"], True),
        (["one", "...", "end"], ["one", "two"], False),
        (["1 run in 0.1s"], ["2 run in 0.1s"], False),
        (["1 (new)"], ["1 (old)"], False),
    ],
)
def test_times_and_the_order_of_actions_are_all_that_may_differ(
    shown: list[str], printed: list[str], same: bool
) -> None:
    assert TOOL["is_same"](shown, printed) is same


def test_a_command_goes_on_in_the_next_line_after_a_backslash() -> None:
    page = "```console\n$ echo one \\\n    two \\\n    three\none two three\n$ true\n```\n"
    (first, second) = TOOL["steps"](page)
    assert (first.text, first.printed) == ("echo one \\\n    two \\\n    three", ("one two three",))
    assert (second.text, second.printed) == ("true", ())
