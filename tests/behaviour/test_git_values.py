"""`${git.sha}` and its like count by their values, on each way in."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from project import Project
from repositories import Repository

pytestmark = pytest.mark.system("git")

PLAN = """
treadle: 1
vars: {short: "${git.sha}"}
actions:
  stamp:
    sh: "echo stamp >> $LOG; echo ${git.sha} ${git.branch} ${git.describe} ${short} > ${out}"
    out: out/stamp
    pass: [LOG]
  plain: {sh: "echo plain >> $LOG; cat ${in} > ${out}", in: in.txt, out: out/plain, pass: [LOG]}
  main: {sh: "echo main >> $LOG; touch ${out}", out: out/main, when: git.branch == 'main', pass: [LOG]}
"""
DIRTY = PLAN.replace("${git.describe}", "${git.dirty}")


def git(project: Project, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=project.folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def made(folder: Path, plan: str = PLAN) -> Project:
    project = Project(folder)
    project.write("plan", plan)
    project.write("in.txt", "one")
    project.write(".gitignore", ".treadle\nout\n")
    Repository(project.folder).commit_all()
    return project


STORY: list[tuple[Callable[[Project], object], list[str]]] = [
    (lambda p: git(p, "commit", "-qm", "two", "--allow-empty"), ["stamp"]),
    (lambda p: git(p, "pack-refs", "--all"), []),
    (lambda p: git(p, "tag", "v1"), ["stamp"]),
    (lambda p: git(p, "gc", "-q"), []),
    (lambda p: git(p, "checkout", "-q", "-b", "other"), ["stamp"]),
    (lambda p: (p.write("in.txt", "two"), git(p, "commit", "-qam", "three")), ["plain", "stamp"]),
    (lambda p: git(p, "checkout", "-q", "main"), ["main", "plain", "stamp"]),
    (lambda p: git(p, "checkout", "-q", "--detach"), ["stamp"]),
]


def test_each_run_has_the_values_of_now_and_a_second_one_has_nothing_to_do(tmp_path: Path) -> None:
    project = made(tmp_path / "project")
    assert project.run() == ["main", "plain", "stamp"]
    # the output of the disabled action is still there, so it need not run when it is enabled again
    was_off = False
    for change, expected in STORY:
        change(project)
        wanted = [name for name in expected if not (name == "main" and was_off)]
        was_off = True
        status = project.treadle("status", "--json")
        dirty = [one["name"] for one in json.loads(status.out)["actions"] if one["decision"] != "skip"]
        assert sorted(dirty) == wanted
        assert project.run() == wanted
        commit = git(project, "rev-parse", "HEAD")
        branch = git(project, "branch", "--show-current") or "HEAD"
        describe = git(project, "describe", "--tags", "--always")
        assert project.read("out/stamp").split() == [commit, branch, describe, commit]
    before = git(project, "rev-parse", "HEAD")
    done = project.treadle("run", PYTHONVERBOSE="1")
    assert "nothing to do" in done.out
    assert "treadle.plan" not in done.err
    assert git(project, "rev-parse", "HEAD") == before


def test_dirty_is_computed_by_runs_and_taken_from_the_record_by_others(tmp_path: Path) -> None:
    project = made(tmp_path / "project", DIRTY)
    first = project.treadle("status")
    assert "git.dirty is taken as false, until a run: only a run looks at the work tree" in first.err
    assert not (project.folder / ".treadle").exists()
    assert project.run() == ["main", "plain", "stamp"]
    assert project.read("out/stamp").split()[2] == "false"
    assert project.run() == []
    project.write("in.txt", "two")
    status = project.treadle("status")
    assert "git.dirty is taken as false, as the last run has found it" in status.err
    assert "1 to run" in status.out
    assert project.run() == ["plain", "stamp"]
    assert project.read("out/stamp").split()[2] == "true"
    assert project.treadle("status").code == 0
    git(project, "commit", "-qam", "two")
    assert project.run() == ["stamp"]
    assert project.read("out/stamp").split()[2] == "false"
    # no snapshot says that there is nothing to do
    project.write(".gitignore", ".treadle\nout\n# more\n")
    assert project.run() == ["stamp"]
    assert project.read("out/stamp").split()[2] == "true"


def test_looking_runs_nothing_that_the_repository_configures(tmp_path: Path) -> None:
    project = made(tmp_path / "project", DIRTY.replace("${git.branch}", "${git.describe}"))
    assert project.treadle("run").code == 0
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    program.chmod(0o755)
    project.write(".gitattributes", "*.txt filter=f diff=f\n")
    for name in ("filter.f.clean", "filter.f.process", "diff.f.textconv", "core.fsmonitor", "diff.external"):
        git(project, "config", name, str(program))
    ran.unlink(missing_ok=True)
    project.write("in.txt", "another text")
    for words in (["status"], ["run", "-n"], ["list"], ["why"], ["graph"], ["check"], ["clean", "-n"]):
        assert project.treadle(*words).code in (0, 1)
    project.treadle("__complete", "--", "run", "s")
    assert not ran.exists()


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (PLAN, "treadle.yaml:3:16: ${git.sha} is not known: there is no git repository around"),
        (
            "treadle: 1\nactions: {a: {run: 'echo ${git.branch}', out: x}}\n",
            "treadle.yaml:2:26: ${git.branch} is not",
        ),
        ("treadle: 1\nactions: {a: {run: 'echo ${git.head}', out: x}}\n", "${git.head} is not defined"),
    ],
)
def test_where_there_is_no_value_the_place_is_an_error(plan: str, said: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write("plan", plan)
    done = project.treadle("run")
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize(
    "text", ["# ${git.sha}\n", "vars: {git: {file: g.yaml}}\n", "params: {git: {default: mine}}\n"]
)
def test_a_comment_and_a_name_of_the_plan_need_no_repository(text: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    name = "sha" if "file" in text else ""
    value = "${git.sha}" if name else "${git}" if "params" in text else "x"
    project.write("g.yaml", "sha: mine\n")
    project.write("plan", f"treadle: 1\n{text}actions: {{a: {{sh: 'echo {value} > ${{out}}', out: x}}}}\n")
    done = project.treadle("run")
    assert done.code == 0, done.text
    assert project.read("x") == ("x\n" if value == "x" else "mine\n")


def test_an_included_plan_has_the_values_of_its_own_repository(tmp_path: Path) -> None:
    project = made(tmp_path / "project", "treadle: 1\ninclude: [sub/treadle.yaml]\n")
    inner = made(
        tmp_path / "project" / "sub", "treadle: 1\nactions: {a: {sh: 'echo ${git.sha} > ${out}', out: x}}\n"
    )
    assert project.treadle("run").code == 0
    assert project.read("sub/x").strip() == git(inner, "rev-parse", "HEAD")


def test_with_since_all_actions_of_such_a_plan_are_selected(tmp_path: Path) -> None:
    project = made(tmp_path / "project")
    listed = json.loads(project.treadle("list", "--json", "--since", "HEAD").out)
    assert len(listed["actions"]) == 3
