"""plans/monorepo: members with plans of their own, and which of them an edit runs again."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from helpers import run_treadle
from plan_runs import Copy

MEMBERS = "plans/monorepo"
APP = ["app:style", "app:test"]
REPORT = ["report:build", "report:pages", "report:style", "report:test"]
WORDS = ["words:build", "words:style", "words:test"]
ALL = [*APP, *REPORT, *WORDS]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = Copy(tmp_path_factory.mktemp("monorepo"), f"{MEMBERS}/treadle.yaml")
    copy.take(MEMBERS)
    assert copy.run() == ALL
    return copy


@pytest.fixture
def monorepo(project: Copy) -> Copy:
    """The members, with nothing to do."""
    project.run()
    return project


def append(copy: Copy, file: str) -> None:
    path = copy.folder / MEMBERS / file
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")


def in_folder(copy: Copy, member: str, *call: str) -> list[str]:
    done = run_treadle(copy.folder / MEMBERS / member, *call, check=0)
    return sorted(re.findall(r"^\[\d+/\d+\] ran (\S+) ", done.out, re.MULTILINE))


@pytest.mark.parametrize(
    ("file", "runs"),
    [
        ("words/words.py", ["app:test", "report:pages", "report:test", *WORDS]),
        ("words/tests/test_words.py", ["words:test"]),
        ("report/report.py", ["app:test", *REPORT]),
        ("report/README.md", ["report:pages"]),
        ("app/app.py", APP),
        ("tools/style.py", ["app:style", "report:style", "words:style"]),
        ("tools/pack.py", ["report:build", "words:build"]),  # these make the same, so their readers do not run
    ],
)
def test_an_edit_runs_what_reads_the_file_in_whichever_member(monorepo: Copy, file: str, runs: list[str]) -> None:
    append(monorepo, file)
    assert monorepo.run() == runs
    assert monorepo.run() == []


def test_in_the_folder_of_a_member_its_part_runs_with_what_it_needs(monorepo: Copy) -> None:
    append(monorepo, "words/words.py")
    assert in_folder(monorepo, "report", "run") == ["report:pages", "report:test", "words:build"]
    assert in_folder(monorepo, "report", "run", "words:style") == ["words:style"]
    assert in_folder(monorepo, "app", "run", "test") == ["app:test"]
    assert monorepo.run() == ["words:test"]


def test_a_group_has_the_checks_of_all_members(monorepo: Copy) -> None:
    append(monorepo, "report/report.py")
    assert monorepo.run("checks") == ["app:test", *REPORT]  # report:build, as app:test needs what that makes
    append(monorepo, "words/words.py")
    assert monorepo.run("words") == WORDS


def test_since_takes_the_members_that_depend_on_what_differs(monorepo: Copy, tmp_path: Path) -> None:
    copy = monorepo.moved(tmp_path / "repository")
    (copy.folder / ".gitignore").write_text("out/\n__pycache__/\n", "utf-8")
    for call in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "all of it"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *call], cwd=copy.folder, check=True)
    append(copy, "words/words.py")
    append(copy, "report/README.md")
    assert copy.run("report:pages") == ["report:pages", "words:build"]
    since = run_treadle(copy.folder, "status", "-f", copy.plan, "--since", "main", "--json", "report:*", "words:*")
    assert list(json.loads(since.out)["deselected"]) == ["report:style", "report:build"]
    assert copy.run("--since", "main", "words") == ["words:style", "words:test"]
