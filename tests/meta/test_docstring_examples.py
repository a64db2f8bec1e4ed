"""The examples in docstrings of public classes run, and print what they show."""

from __future__ import annotations

import doctest
from typing import TYPE_CHECKING

import pytest

import treadle

if TYPE_CHECKING:
    from pathlib import Path

FIRST = ("CommandWalk", "DAG", "Engine", "OutputCache", "Scheduler", "Session", "Settings", "Walk")
"""What a newcomer meets first on the pages of the API: each of these has an example."""


def examples() -> list[doctest.DocTest]:
    """Return the examples of all public names, also those of methods."""
    finder = doctest.DocTestFinder()
    found = {
        test.name: test
        for name in treadle.__all__
        if isinstance(kind := getattr(treadle, name), type)
        for test in finder.find(kind, name, globs={})
        if test.examples
    }
    return list(found.values())


@pytest.mark.parametrize("test", [pytest.param(test, id=test.name) for test in examples()])
def test_an_example_prints_what_it_shows(
    test: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    assert doctest.DocTestRunner().run(test, out=printed.append).failed == 0, "".join(printed)


def test_what_a_newcomer_meets_first_has_an_example() -> None:
    assert set(FIRST) <= {test.name for test in examples()}
