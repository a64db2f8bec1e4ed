"""What must always hold: one test for each of the invariants of docs/explanation/design.md, through the real command.

Each of them is held by many others in depth; these are the shortest that would fail.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from project import Project, alive, wait_until
from treadle import DAG, EmptyJob, InternalError, Job, ReturnValue, Scheduler

PLAN = """
treadle: 1
actions:
  a:
    sh: echo a >> $LOG; cut -c1 ${in} > ${out}
    in: in.txt
    out: a.txt
    pass: [LOG]
    track: [FLAVOUR]
  b:
    sh: echo b >> $LOG; cat ${in} > ${out}
    in: a.txt
    out: b.txt
    pass: [LOG]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.write("plan", PLAN)
    made.write("in.txt", "text")
    assert made.run() == ["a", "b"]
    return made


def test_invariant_1_never_stale(project: Project) -> None:
    project.write("in.txt", "other")
    assert project.run() == ["a", "b"]
    assert project.read("b.txt") == "o\n"
    assert project.run(FLAVOUR="mint") == ["a"]
    (project.folder / "b.txt").unlink()
    assert project.run(FLAVOUR="mint") == ["b"]


def test_invariant_2_never_needless(project: Project) -> None:
    assert project.run() == []
    os.utime(project.folder / "in.txt")
    assert project.run() == []
    project.write("in.txt", "tea")
    assert project.run() == ["a"]


def test_invariant_3_looking_never_writes(project: Project) -> None:
    project.write("in.txt", "other")
    before = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    for question in (["status"], ["why"], ["why", "b"], ["list"], ["check"], ["run", "-n"], ["log", "a"]):
        project.treadle(*question)
    assert {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()} == before


def test_invariant_4_damaged_state_means_will_run_with_one_line(project: Project) -> None:
    project.write(".treadle/records", b"rubbish")
    done = project.treadle("run")
    assert done.code == 0
    assert len([line for line in done.err.splitlines() if "records" in line]) == 1
    assert "2 run" in done.out
    assert project.run() == []


def test_invariant_5_the_reason_that_is_shown_is_the_one_that_decided(project: Project) -> None:
    project.write("in.txt", "other")
    foreseen = project.treadle("why", "a").out
    ran = project.treadle("run").out
    afterwards = project.treadle("why", "a").out
    for text in (foreseen, ran, afterwards):
        assert re.search(r"input in\.txt changed", text)


def test_invariant_6_killed_at_any_instant_the_next_run_is_right(project: Project) -> None:
    os.mkfifo(project.folder / "gate")
    project.write("plan", PLAN.replace("cut -c1", "echo half > ${out}; cat gate; cut -c1"))
    child = project.start("run")
    wait_until(lambda: (project.folder / "a.txt").exists() and project.read("a.txt") == "half\n")
    child.send_signal(signal.SIGKILL)
    with child:
        run = (project.folder / ".treadle/lock").read_text().splitlines()[0]
    (project.folder / "gate").unlink()
    project.write("gate", "")
    assert "a" in project.run()
    assert alive(f"{run}/") == []
    assert project.read("b.txt") == "t\n"


def test_invariant_7_work_that_cannot_start_is_a_bug_and_no_wait() -> None:
    class Lost(Scheduler):
        def launch(self) -> None:
            """Forget to start anything."""

    dag = DAG()
    dag.add_vertex("a")
    with pytest.raises(InternalError):
        Lost(Scheduler.simple_provider(Job)).run(dag)


def test_invariant_8_a_run_with_nothing_to_do_pays_for_nothing_else(project: Project) -> None:
    project.run()
    project.run()
    program = (
        "import sys; sys.argv = ['treadle', 'run']; from treadle.__main__ import main; main(); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project.folder, env=project.environ, capture_output=True, text=True
    )
    assert "nothing to do" in done.stdout
    assert not {"yaml", "rich", "argparse", "treadle.plan", "treadle.walk"} & set(done.stdout.split())


def test_invariant_9_the_quick_answer_is_never_bolder_than_the_walk(project: Project) -> None:
    assert "nothing to do" in project.treadle("run").out
    records = project.folder / ".treadle/records"
    data = records.read_bytes()
    project.treadle("forget", "a")
    assert project.run() == ["a"]
    records.write_bytes(data)
    (project.folder / "a.txt").write_text("by hand")
    assert "a" in project.run()


def test_a_job_that_is_skipped_takes_nothing() -> None:
    dag = DAG()
    dag.add_vertex("a")
    scheduler = Scheduler(lambda uid, data, _, end: EmptyJob(uid, data, end, ReturnValue.skip), tokens=0)
    scheduler.run(dag)
    assert scheduler.max_active_jobs == 0
