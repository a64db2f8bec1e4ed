"""The scripts of the tour: what they count, and that equal numbers are equal bytes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

SCRIPTS = Path(__file__).parents[3] / "plans" / "tour"

SHAPES = '''"""Shapes, and what they weigh."""

import os.path
from shapes.round import circle
from collections.abc import Iterable

# a remark


class Square:
    """Four sides."""

    def area(self):
        """Return the area."""
        return 1

    def _secret(self):
        return 2


def weigh(shape):
    import json
    return """not a docstring
# not a remark"""
'''


def run(script: str, *arguments: str | Path) -> None:
    """Run one script of the tour as the plan does."""
    words = [sys.executable, "-I", "-S", str(SCRIPTS / script), *map(str, arguments)]
    subprocess.run(words, check=True, timeout=60)


def measured(folder: Path, name: str, *files: Path) -> dict[str, Any]:
    """Measure files and return the numbers."""
    out = folder / f"{name}.json"
    run("measure.py", out, name, *files)
    numbers: dict[str, Any] = json.loads(out.read_text())
    return numbers


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Return a small module."""
    path = tmp_path / "shapes.py"
    path.write_text(SHAPES)
    return path


@pytest.fixture
def catalogue(tmp_path: Path, shapes: Path) -> Path:
    """Return a catalogue of three books on two shelves."""
    other = tmp_path / "other.py"
    other.write_text("import shapes\n\n\ndef ask():\n    return shapes\n")
    hidden = tmp_path / "_hidden.py"
    hidden.write_text("import other\nimport shapes\n")
    for path in (shapes, other, hidden):
        measured(tmp_path, path.stem, path)
    run("shelf.py", tmp_path / "visible", tmp_path / "shapes.json", tmp_path / "other.json")
    run("shelf.py", tmp_path / "hidden", tmp_path / "_hidden.json")
    run("shelf.py", tmp_path / "empty")
    run("catalogue.py", tmp_path / "catalogue", *(tmp_path / name for name in ("hidden", "visible", "empty")))
    return tmp_path / "catalogue"


def test_a_module_is_measured_by_what_its_source_says(tmp_path: Path, shapes: Path) -> None:
    numbers = measured(tmp_path, "shapes", shapes)
    assert numbers == {
        "name": "shapes",
        "files": 1,
        "lines": len(SHAPES.splitlines()),
        "code": 12,
        "classes": 1,
        "functions": 3,
        "public": 4,
        "documented": 3,
        "unparsed": 0,
        "imports": ["collections", "json", "os"],
    }


def test_a_package_is_measured_over_all_its_files(tmp_path: Path, shapes: Path) -> None:
    one, two = measured(tmp_path, "one", shapes), measured(tmp_path, "two", shapes, shapes)
    assert two["files"] == 2
    assert two["lines"] == 2 * one["lines"]
    assert two["imports"] == one["imports"]


def test_a_file_that_is_not_python_counts_its_lines_only(tmp_path: Path) -> None:
    odd = tmp_path / "odd.py"
    odd.write_bytes(b"print 'hello'\n\xff\n")
    numbers = measured(tmp_path, "odd", odd)
    assert (numbers["lines"], numbers["code"], numbers["unparsed"]) == (2, 0, 1)


def test_the_same_module_in_another_place_is_the_same_bytes(tmp_path: Path, shapes: Path) -> None:
    moved = tmp_path / "elsewhere" / "shapes.py"
    moved.parent.mkdir()
    moved.write_text(SHAPES)
    run("measure.py", tmp_path / "here", "shapes", shapes)
    run("measure.py", tmp_path / "there", "shapes", moved)
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


def test_the_catalogue_counts_who_imports_a_book_and_puts_private_ones_last(catalogue: Path) -> None:
    books = json.loads(catalogue.read_text())
    assert [(book["name"], book["readers"]) for book in books] == [("other", 1), ("shapes", 2), ("_hidden", 0)]


def test_the_picture_is_one_spine_per_book_and_always_the_same(tmp_path: Path, catalogue: Path) -> None:
    for name in ("first.svg", "second.svg"):
        run("picture.py", tmp_path / name, catalogue)
    picture = (tmp_path / "first.svg").read_bytes()
    assert picture == (tmp_path / "second.svg").read_bytes()
    titles = [node.text or "" for node in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}title")]
    assert [title.partition(":")[0] for title in titles] == ["other", "shapes", "_hidden"]


def test_the_report_fits_a_terminal(tmp_path: Path, catalogue: Path) -> None:
    run("report.py", tmp_path / "report.txt", catalogue)
    lines = (tmp_path / "report.txt").read_text("utf-8").splitlines()
    assert max(map(len, lines)) <= 80
    assert "  3 modules and packages in 3 files: 31 lines, 17 of them code." in lines


@pytest.fixture
def tour(tmp_path: Path, shapes: Path) -> Path:
    """Return a folder that holds the tour's plan and a small library with modules and packages."""
    home = tmp_path / "home"
    shutil.copytree(SCRIPTS.parent, home / "plans", ignore=shutil.ignore_patterns("__pycache__"))
    library = tmp_path / "library"
    for package in ("round", "test"):
        (library / package / "tests").mkdir(parents=True)
        (library / package / "__init__.py").write_text("import shapes\n")
        (library / package / "tests" / "long.py").write_text("x = 1\n" * 1000)
    shutil.copy(shapes, library)
    (library / "_hidden.py").write_text("import shapes\n")
    return home


def treadle(home: Path, *arguments: str) -> int:
    """Call the real command on the tour and return its exit code."""
    words = [sys.executable, "-m", "treadle", "-C", str(home), *arguments]
    settings = ["-p", f"lib={home.parent / 'library'}", "-p", f"python={sys.executable}"]
    return subprocess.run([*words, "-f", "plans/tour.yaml", *settings], timeout=120).returncode


def test_the_tour_measures_what_there_is_without_tests(tour: Path) -> None:
    assert treadle(tour, "run") == 0
    books = json.loads((tour / "out" / "tour" / "catalogue.json").read_text())
    found = [(book["name"], book["files"], book["lines"], book["readers"]) for book in books]
    assert found == [("round", 1, 1, 0), ("shapes", 1, len(SHAPES.splitlines()), 2), ("_hidden", 1, 1, 0)]


def test_the_second_tour_has_nothing_to_do(tour: Path) -> None:
    assert treadle(tour, "run") == 0
    assert treadle(tour, "status") == 0


def test_a_remark_in_the_measuring_script_measures_again_and_draws_nothing(tour: Path) -> None:
    assert treadle(tour, "run") == 0
    book, picture = tour / "out" / "tour" / "books" / "shapes.json", tour / "out" / "tour" / "library.svg"
    measured_at, drawn_at = book.stat().st_mtime_ns, picture.stat().st_mtime_ns
    with (tour / "plans" / "tour" / "measure.py").open("a") as script:
        script.write("# a remark\n")
    assert treadle(tour, "status") == 1
    assert treadle(tour, "run") == 0
    assert book.stat().st_mtime_ns > measured_at
    assert picture.stat().st_mtime_ns == drawn_at
