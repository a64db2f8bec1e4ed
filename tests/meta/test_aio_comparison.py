"""The comparison with asynciojobs names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_line_of_the_comparison_is_held_by_tests_that_exist() -> None:
    text = (ROOT / "docs" / "comparison.md").read_text("utf-8").partition("\n## asynciojobs\n")[2]
    rows = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("| ")][2:]
    sources = "".join(path.read_text("utf-8") for path in sorted((ROOT / "tests/unit/aio").glob("test_*.py")))
    there = set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE))
    named = [set(re.findall(r"`(test_\w+)`", row)) for row in rows]
    assert len(rows) == 28
    assert all(named)
    assert set().union(*named) <= there
