"""Words that say of things what is true of people: their number in pages and sources only goes down."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / "docs/_tools/count_words.py"))
BOUNDS = {"README.md": 0, "CONTRIBUTING.md": 2, "docs/tutorials": 1, "docs/howto": 20, "docs/reference": 130}
BOUNDS |= {"docs/explanation": 110, "src/treadle": 330}
"""How many there are at most: lower a bound when you have removed some."""


@pytest.mark.parametrize("path", BOUNDS)
def test_words_of_people_get_fewer(path: str) -> None:
    words, _ = TOOL["count"]([ROOT / path])
    assert words.total() <= BOUNDS[path], f"python docs/_tools/count_words.py --lines {path}: {dict(words)}"
