"""A front end from outside works with each command as YAML does, by an entry point and without an edit of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import environment
from toy_front_end import ToyPlans
from treadle import Project, Session
from treadle.session import front_ends
from watched import READY, TOTALS, Watched

PLAN = """# letters
one: in.txt = tr a-z A-Z < in.txt > one
deep/two: one = cat one one > deep/two
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a plan in the toy format, and beside it a package that reads such plans."""
    package = tmp_path / "package"
    info = package / "toy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[treadle.frontends]\ntoy = toy_front_end:ToyPlans\n")
    root = tmp_path / "project"
    root.mkdir()
    (root / "build.toy").write_text(PLAN)
    (root / "in.txt").write_text("abc\n")
    return root


def treadle(root: Path, *words: str, code: int = 0) -> str:
    path = os.pathsep.join([str(root.parent / "package"), str(Path(__file__).parents[1] / "support")])
    done = subprocess.run(
        [sys.executable, "-m", "treadle", *words],
        cwd=root,
        env={**environment(), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_run_runs_what_changed_and_skips_the_rest(project: Path) -> None:
    assert "2 run" in treadle(project, "run", "-f", "build.toy")
    assert (project / "deep/two").read_text() == "ABC\nABC\n"
    assert treadle(project, "run", "-f", "build.toy").startswith("nothing to do: 2 up to date")
    (project / "in.txt").write_text("x\n")
    assert "input in.txt changed" in treadle(project, "run", "-f", "build.toy")
    assert (project / "deep/two").read_text() == "X\nX\n"


def test_names_select_actions_and_outputs(project: Path) -> None:
    assert "1 run" in treadle(project, "run", "-f", "build.toy", "one")
    assert "1 run, 1 up to date" in treadle(project, "run", "-f", "build.toy", "deep/two")
    assert "there is no action, group or output 'tow'" in treadle(project, "run", "-f", "build.toy", "tow", code=2)


def test_questions_answer(project: Path) -> None:
    assert "to run" in treadle(project, "status", "-f", "build.toy", code=1)
    treadle(project, "run", "-f", "build.toy")
    assert "nothing to do" in treadle(project, "status", "-f", "build.toy")
    assert "is up to date" in treadle(project, "why", "-f", "build.toy", "one")
    assert "deep-two" in treadle(project, "list", "-f", "build.toy")
    edges = json.loads(treadle(project, "graph", "-f", "build.toy", "--format", "json"))["edges"]
    assert [(edge["from"], edge["to"]) for edge in edges] == [("one", "deep-two")]
    assert "2 actions, no problems" in treadle(project, "check", "-f", "build.toy")


def test_clean_removes_what_was_made(project: Path) -> None:
    treadle(project, "run", "-f", "build.toy")
    treadle(project, "clean", "-f", "build.toy")
    assert sorted(path.name for path in project.iterdir()) == [".treadle", "build.toy", "in.txt"]


def test_completion_knows_the_names(project: Path) -> None:
    told = treadle(project, "__complete", "--", "run", "-f", "build.toy", "d")
    assert "deep-two" in told


def test_a_watched_plan_runs_again_after_an_edit(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.pathsep.join([str(project.parent / "package"), str(Path(__file__).parents[1] / "support")])
    monkeypatch.setenv("PYTHONPATH", path)
    watched = Watched(project, "-f", "build.toy")
    watched.until(READY)
    (project / "in.txt").write_text("watched\n")
    watched.until(TOTALS)
    assert (project / "deep/two").read_text() == "WATCHED\nWATCHED\n"
    (project / "build.toy").write_text(PLAN.replace("cat one one", "cat one"))
    watched.until(TOTALS)
    assert (project / "deep/two").read_text() == "WATCHED\n"
    assert watched.end() == 130


def test_a_mistake_has_its_place(project: Path) -> None:
    (project / "build.toy").write_text(PLAN + "three = x\n")
    told = treadle(project, "run", "-f", "build.toy", code=2)
    assert "build.toy:4:1: expected OUTPUT: INPUT... = COMMAND" in told
    assert not (project / "one").exists()


def test_a_session_runs_it_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(project.parent / "package"))
    session = Session(str(project / "build.toy"))
    assert session.run().ok
    assert isinstance(session.load(), Project)
    assert isinstance(front_ends.front_end_of("x.toy"), ToyPlans)


def test_a_file_that_no_package_reads_is_taken_for_yaml(project: Path) -> None:
    (project / "plan.other").write_text("treadle: 1\nactions: {a: {sh: 'echo > ${out}', out: o}}\n")
    assert "1 run" in treadle(project, "run", "-f", "plan.other")


FAILURES = {
    "returns nothing": "return None",
    "raises": "raise ValueError('no')",
    "exits": "sys.exit(0)",
    "does not say what is wrong": "raise treadle.PlanError([])",
    "calls itself": "return self.load(request)",
    "makes a project of no Commands": "return treadle.Project.of(request.file, {'a': 3})",
}


@pytest.mark.parametrize("command", ["run", "check", "status"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_front_end_that_fails_is_named_and_is_no_bug_of_ours(project: Path, failure: str, command: str) -> None:
    module = "import sys, treadle\nclass Odd(treadle.FrontEnd):\n    def load(self, request):\n        "
    (project.parent / "package/odd.py").write_text(module + FAILURES[failure] + "\n")
    info = project.parent / "package/toy-1.0.dist-info/entry_points.txt"
    info.write_text("[treadle.frontends]\nodd = odd:Odd\n")
    (project / "p.odd").write_text("")
    told = treadle(project, command, "-f", "p.odd", code=2)
    assert "the front end odd.Odd" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("entry", ["missing:Odd", "odd:nothing"])
def test_an_entry_point_that_leads_nowhere_is_named(project: Path, entry: str) -> None:
    (project.parent / "package/odd.py").write_text("x = 1\n")
    info = project.parent / "package/toy-1.0.dist-info/entry_points.txt"
    info.write_text(f"[treadle.frontends]\nodd = {entry}\n")
    (project / "p.odd").write_text("")
    assert f"the front end {entry} cannot be made" in treadle(project, "check", "-f", "p.odd", code=2)
