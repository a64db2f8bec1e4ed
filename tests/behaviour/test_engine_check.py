"""`python -m treadle.engines.check`: ten lines on the engine of a plan (E5)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from project import Project

PLAN = """
treadle: 1
engine: {name: process, workers: {max: 2, resources: {cpus: 2, memory: 1GiB}}}
actions:
  a: {sh: 'echo > ${out}', out: o}
"""
LINES = ["workers", "hosts", "resources", "folder", "lock", "treadle", "python", "system", "clocks", "programs"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def check(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "treadle.engines.check", *arguments],
        cwd=project.folder,
        env=project.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_ten_lines_say_what_the_workers_are_and_see(project: Project) -> None:
    project.write("plan", PLAN)
    done = check(project)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [[what, "ok"] for what in LINES]
    assert "process, 2 of 2 workers answer" in lines[0]
    assert "worker-1 has cpus 2, memory 1.0 GiB" in lines[2]
    assert not (project.folder / "o").exists()
    assert list((project.folder / ".treadle" / "runs").iterdir()) == []


def test_a_plan_on_this_machine_has_nothing_to_check(project: Project) -> None:
    project.write("plan", PLAN.replace("engine: {name: process", "engine: {name: local"))
    assert "nothing to check" in check(project).stdout
    assert check(project, "--engine", "process").stdout.startswith("workers    ok  process, 2 of 2")


def test_an_engine_that_is_not_there_is_said(project: Project) -> None:
    project.write("plan", PLAN)
    done = check(project, "--engine", "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no engine 'none'" in done.stderr
