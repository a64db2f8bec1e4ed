"""plans/dev.yaml: the project's own lint and tests, and which an edit asks for again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from helpers import run_treadle
from plan_runs import ROOT, Copy

PACKAGES = [path.name for path in (ROOT / "tests/unit").iterdir() if path.is_dir() and path.name != "__pycache__"]


@pytest.fixture
def dev(tmp_path: Path) -> Copy:
    """Return the project with the tests of one small package, and with the files that the plan names beside it."""
    copy = Copy(tmp_path / "project", "plans/dev.yaml")
    copy.take("src", "scripts", "bench", "plans", "docs", "pyproject.toml", ".ci/run", "LICENSE")
    copy.take("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "tests/conftest.py", "tests/support")
    copy.take("tests/unit/core/graph/test_countdown.py")
    for package in PACKAGES:
        (copy.folder / "tests/unit" / package).mkdir(exist_ok=True)
    for folder in ("behaviour", "contract", "meta"):
        (copy.folder / "tests" / folder).mkdir()
    return copy


def test_a_package_is_tested_again_when_a_file_changes_that_its_tests_have_read(dev: Copy) -> None:
    assert dev.run("test@core") == ["test@core"]
    assert dev.run("test@core") == []
    dev.edit("src/treadle/cli/main.py", '"""', '"""Again: ')
    dev.edit("docs/explanation/design.md", "# ", "# On ")
    assert dev.run("test@core") == []
    dev.edit("src/treadle/core/graph/countdown.py", '"""', '"""Again: ')
    assert dev.run("test@core") == ["test@core"]
    assert "tests/unit/core/graph/test_countdown.py" in dev.read("out/dev/core.d")


@pytest.mark.system("ruff")
@pytest.mark.skipif(not Path(sys.executable).with_name("ruff").exists(), reason="ruff is needed")
def test_lint_runs_again_after_an_edit_of_python_and_for_a_page_only_the_layout_does(dev: Copy) -> None:
    assert dev.run("lint", "layout") == ["layout", "lint"]
    dev.edit("docs/explanation/design.md", "# ", "# On ")
    assert dev.run("lint", "layout") == ["layout"]
    dev.edit("src/treadle/errors.py", '"""', '"""Again: ')
    assert dev.run("lint", "layout") == ["layout", "lint"]


def test_the_site_is_part_of_it(dev: Copy) -> None:
    assert "site:outline@docs/reference/walk.md" in dev.run("site:links")
    assert dev.run("site:links") == []


def test_each_package_with_tests_has_its_action() -> None:
    done = run_treadle(ROOT, "list", "-f", "plans/dev.yaml", "--json", "--all", check=0)
    names = json.loads(done.out)["default"]
    assert {name for name in names if name.startswith("test@")} == {f"test@{package}" for package in PACKAGES}
