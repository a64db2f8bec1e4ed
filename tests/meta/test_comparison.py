"""The comparisons with other systems, line by line, name tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_each_line_of_the_comparison_is_held_by_tests_that_exist() -> None:
    text = (ROOT / "docs/explanation/comparison.md").read_text("utf-8").partition("\n## asynciojobs\n")[2]
    rows = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("| ")][2:]
    sources = "".join(path.read_text("utf-8") for path in sorted((ROOT / "tests/unit/aio").glob("test_*.py")))
    there = set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE))
    named = [set(re.findall(r"`(test_\w+)`", row)) for row in rows]
    assert len(rows) == 28
    assert all(named)
    assert set().union(*named) <= there


def rows_of(system: str) -> list[list[list[str]]]:
    """Return the tables of a section, each with the cells of its rows, without the heads."""
    section = (
        (ROOT / "docs/explanation/comparison.md")
        .read_text("utf-8")
        .partition(f"\n## {system}\n")[2]
        .partition("\n## ")[0]
    )
    tables = [[line for line in part.splitlines() if line.startswith("| ")][2:] for part in section.split("\n\n")]
    return [[re.split(r"(?<!\\\\) \| ", row.strip("| ")) for row in table] for table in tables if table]


@pytest.mark.parametrize("system", ["canary", "jobmon"])
def test_each_line_about_a_system_is_held_by_tests_or_has_a_reason(system: str) -> None:
    held, commands, otherwise = rows_of(system)
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert {len(row) for row in held} == {3}
    assert {len(row) for row in [*commands, *otherwise]} == {2}
    named = [set(re.findall(r"`(test_\w+)`", row[2])) for row in held]
    assert all(named)
    assert sorted(set().union(*named) - there) == []
    # a reason is at least a sentence
    assert [row for row in otherwise if not row[1].endswith(".")] == []
