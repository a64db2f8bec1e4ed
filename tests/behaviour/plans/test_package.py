"""plans/package: an environment that its action made, and what each edit runs again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers import run_treadle
from plan_runs import Copy

TESTS = ["test@tests/test_command.py", "test@tests/test_words.py"]
USERS = ["pages", "program", "style", *TESTS]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = Copy(tmp_path_factory.mktemp("package"), "plans/package/treadle.yaml")
    copy.take("plans/package")
    assert copy.run() == sorted([*USERS, "venv"])
    return copy


@pytest.fixture
def package(project: Copy) -> Copy:
    """The package, with nothing to do."""
    project.run()
    return project


def test_the_program_counts_words(package: Copy) -> None:
    program = package.folder / "plans/package/out/tally.pyz"
    done = subprocess.run(
        [sys.executable, program], input="one two two", capture_output=True, text=True, check=True
    )
    assert done.stdout == "2 two\n1 one\n"


@pytest.mark.parametrize(
    ("file", "runs"),
    [
        ("tests/test_words.py", ["test@tests/test_words.py"]),
        ("docs/usage.md", ["pages"]),
        ("src/tally/words.py", USERS),
        ("tools/style.py", ["style"]),
        ("tools/pack.py", ["program"]),
        ("pyproject.toml", [*USERS, "venv"]),
    ],
)
def test_an_edit_runs_what_reads_the_file(package: Copy, file: str, runs: list[str]) -> None:
    path = package.folder / "plans/package" / file
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")
    assert package.run() == sorted(runs)
    assert package.run() == []


def test_litter_of_tools_runs_nothing(package: Copy) -> None:
    for litter in (
        "src/tally/__pycache__/words.cpython-399.pyc",
        "src/tally.egg-info/PKG-INFO",
        "tests/__pycache__/test_words.pyc",
        ".venv/lib/cache/entry",
        ".venv/bin/tool",
        ".mypy_cache/entry",
        "build/lib/tally/words.py",
    ):
        path = package.folder / "plans/package" / litter
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("litter\n", "utf-8")
    assert package.run() == []


def test_a_new_file_of_tests_is_a_new_action(package: Copy) -> None:
    new = package.folder / "plans/package/tests/test_more.py"
    new.write_text(package.read("plans/package/tests/test_words.py"), "utf-8")
    assert package.run() == ["test@tests/test_more.py"]
    new.unlink()
    assert package.run() == []


def test_a_failing_test_runs_again_until_it_passes(package: Copy) -> None:
    """Both edits are of one size, and may be of one second: no compiled code of the first may outlive it."""
    package.edit("plans/package/src/tally/words.py", "text.lower()", "text.upper()")
    failed = run_treadle(package.folder, "run", "-f", package.plan, "-k", "checks", check=1)
    assert "failed test@tests/test_words.py" in failed.out
    assert "ran style" in failed.out
    package.edit("plans/package/src/tally/words.py", "text.upper()", "text.lower()")
    assert package.run() == ["pages", "style", *TESTS]  # the program is as before: it has not seen the mistake


def test_a_lost_environment_is_made_again(package: Copy) -> None:
    (package.folder / "plans/package/.venv/pyvenv.cfg").unlink()
    assert package.run() == sorted([*USERS, "venv"])


def test_a_moved_project_makes_its_environment_again_as_that_holds_a_path(package: Copy, tmp_path: Path) -> None:
    moved = package.moved(tmp_path / "elsewhere")
    assert "the folder has moved" in moved.why("venv")
    assert "venv" in moved.run("test")
    sources = next((moved.folder / "plans/package/.venv").rglob("sources.pth"))
    assert sources.read_text("utf-8") == f"{(moved.folder / 'plans/package/src').resolve()}\n"
