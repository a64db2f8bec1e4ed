"""Words that say of things what is true of people: their number in pages and sources only goes down."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / "docs/_tools/count_words.py"))
BOUNDS = {
    "README.md": 0,
    "CONTRIBUTING.md": 3,
    "docs/tutorials": 0,
    "docs/howto": 5,
    "docs/reference": 0,
    "docs/explanation": 5,
    "src/treadle": 138,
}
"""How many there are at most: lower a bound when you have removed some."""


@pytest.mark.parametrize("path", BOUNDS)
def test_words_of_people_get_fewer(path: str) -> None:
    words, _ = TOOL["count"]([ROOT / path])
    assert words.total() <= BOUNDS[path], f"python docs/_tools/count_words.py --lines {path}: {dict(words)}"
