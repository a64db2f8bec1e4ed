"""What the pages say is true: their links lead somewhere, their Python runs, the commands are those of CI."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import treadle
from treadle import aio, errors
from treadle.plan.schema.keys import TABLES
from treadle.plan.schema.pages import page_of_key, page_of_keys

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"))
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)")


def blocks(page: str, language: str) -> list[str]:
    """Return the examples of one language on a page."""
    return [text for kind, text in BLOCK.findall((ROOT / page).read_text("utf-8")) if kind == language]


NEEDS = {"docs/tutorials/build-system.md": "cc"}
"""The programs of the system that the examples of a page need."""


def with_python() -> list[ParameterSet | str]:
    """Return the pages that hold examples in Python."""
    return [with_needs(page) for page in PAGES if blocks(page, "python")]


def with_needs(page: str) -> ParameterSet | str:
    """Return a page that skips where the program is missing that it needs."""
    program = NEEDS.get(page)
    if program is None:
        return page
    is_missing = pytest.mark.skipif(shutil.which(program) is None, reason=f"{page} needs {program}")
    return pytest.param(page, marks=[pytest.mark.system(program), is_missing])


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_project_lead_somewhere(page: str) -> None:
    text = BLOCK.sub("", (ROOT / page).read_text("utf-8"))
    inside = [link for link in LINK.findall(text) if "://" not in link]
    lost = [link for link in inside if not ((ROOT / page).parent / link).exists()]
    assert not lost


@pytest.mark.parametrize("page", with_python())
def test_the_python_on_a_page_runs_from_its_first_line_to_its_last(page: str, tmp_path: Path) -> None:
    program = "\n".join(blocks(page, "python"))
    if page == "README.md":
        # the plan that the page begins with is there
        (tmp_path / "treadle.yaml").write_text(blocks(page, "yaml")[0])
        (tmp_path / "book").mkdir()
        (tmp_path / "book/one.txt").write_text("it was the best of times\n")
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_ci_ends_with_the_test_command_of_the_readme() -> None:
    commands = [block.strip() for block in blocks("README.md", "sh") if "pytest" in block]
    assert len(commands) == 1
    assert (ROOT / ".ci" / "run").read_text("utf-8").rstrip().splitlines()[-1] == commands[0]


def test_the_changes_name_the_commands_that_there_are() -> None:
    done = subprocess.run([sys.executable, "-m", "treadle", "--help"], capture_output=True, text=True, check=True)
    listed = done.stdout.split("  COMMAND\n")[1].split("\n\n")[0]
    commands = re.findall(r"^    (\w+)(?: |$)", listed, re.MULTILINE)
    (line,) = (text for text in (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines() if "The command:" in text)
    assert re.findall(r"`(?:treadle )?(\w+)`", line) == commands


def test_each_public_name_is_on_a_page_of_the_api() -> None:
    pages = "".join(path.read_text("utf-8") for path in (ROOT / "docs/reference/api").glob("*.md"))
    named = set(re.findall(r"^\.\. auto\w+:: (treadle\.[\w.]+)$", pages, re.MULTILINE))
    public = {f"treadle.{name}" for name in treadle.__all__ if name != "__version__"}
    public |= {f"treadle.aio.{name}" for name in aio.__all__} - {f"treadle.aio.{name}" for name in treadle.__all__}
    assert public - named == set()


IN_SOURCES = re.compile(r"docs/[\w./-]+\.md(?:#[\w-]+)?")
"""A page that an error names, or a docstring."""
ON_THE_SITE = re.compile(r"see ((?:howto|tutorials|reference|explanation)/[\w/#-]+) in the docs")
"""A page of the site that a hint names."""


def pages_in_sources() -> set[str]:
    texts = [path.read_text("utf-8") for path in sorted((ROOT / "src/treadle").rglob("*.py"))]
    on_the_site = (where.partition("#") for text in texts for where in ON_THE_SITE.findall(text))
    pages = {f"docs/{path.rstrip('/')}.md{sign}{anchor}" for path, sign, anchor in on_the_site}
    return pages.union(*map(IN_SOURCES.findall, texts))


def without_a_page() -> set[str]:
    """Return the classes below `TreadleError` that neither have nor inherit a page, read from the sources."""
    classes = [
        node
        for path in sorted((ROOT / "src/treadle").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    found = {"TreadleError"}
    before: set[str] = set()
    while before != found:
        before = set(found)
        for node in classes:
            has_page = any(
                isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "page" for one in node.body
            )
            if not has_page and any(ast.unparse(base).rpartition(".")[2] in found for base in node.bases):
                found.add(node.name)
    return found


WITHOUT_A_PAGE = {
    "PlanError": "its problems have pages",
    "StopRequestedError": "it ends a look, and is not shown",
    "TreadleError": "what raises it may name a page",
    "UnloadedNameError": "it is an error of a plan: it has a place",
    "_SilentError": "it ends a start, and is not shown",
}
"""Classes of errors without a page of their own, with the reason."""


def test_each_class_of_error_that_is_shown_names_its_page() -> None:
    assert without_a_page() == set(WITHOUT_A_PAGE)


def pages_of_errors() -> set[str]:
    pages = {page_of_keys(keys) for keys in TABLES.values()}
    pages |= {page_of_key(key) for table, keys in TABLES.items() if table != "defaults" for key in keys.values()}
    pages |= {kind.page for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "page")}
    return (pages | pages_in_sources()) - {""}


def test_the_pages_that_errors_name_are_there_with_their_anchors() -> None:
    anchors: dict[str, set[str]] = {}
    for place in pages_of_errors():
        page, _, anchor = place.partition("#")
        if page not in anchors:
            headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
            anchors[page] = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in headings}
        assert not anchor or anchor in anchors[page], place


def test_the_pictures_are_drawn_by_the_script() -> None:
    tool = runpy.run_path(str(ROOT / "docs/_tools/pictures.py"))
    for name, draw in tool["PICTURES"].items():
        assert (ROOT / "docs/images" / name).read_text("utf-8") == draw(), "python docs/_tools/pictures.py"
