"""A plan that includes others, through the command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from project import Project

TOP = """\
treadle: 1
include: [docs/plan.yaml, {file: local.yaml, optional: true}]
defaults: {pass: [LOG]}
actions:
  pack: {sh: "echo pack >> $LOG; cat ${in} > ${out}", in: {from: "docs:build"}, out: packed}
"""
DOCS = """\
treadle: 1
root: ..
defaults: {pass: [LOG]}
actions:
  build: {sh: "echo build >> $LOG; echo says build; cat ${in} > ${out}", in: docs/a.md, out: docs/out}
  page:
    foreach: {p: [a, b]}
    sh: echo page >> $LOG; echo ${p} > ${out}
    out: docs/${p}.html
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "p")
    project.write("plan", TOP)
    project.write("docs/plan.yaml", DOCS)
    project.write("docs/a.md", "a\n")
    assert project.run() == ["build", "pack", "page", "page"]
    assert project.run() == []
    return project


def test_an_edit_of_an_included_plan_is_noticed(project: Project) -> None:
    project.write("docs/plan.yaml", DOCS.replace("echo ${p} >", "echo new ${p} >"))
    assert project.run() == ["page", "page"]
    assert project.run() == []
    project.write("docs/plan.yaml", DOCS.replace("[a, b]", "[a, b, c]").replace("echo ${p} >", "echo new ${p} >"))
    assert project.run() == ["page"]
    assert project.read("docs/c.html") == "new c\n"


def test_an_input_of_an_included_action_is_noticed(project: Project) -> None:
    project.write("docs/a.md", "b\n")
    assert project.run() == ["build", "pack"]


def test_an_optional_plan_that_comes_and_goes_is_noticed(project: Project) -> None:
    project.write("local.yaml", "treadle: 1\nactions: {mine: {sh: 'echo mine >> $LOG', out: [], pass: [LOG]}}\n")
    assert project.run("local:mine") == ["mine"]
    assert project.run() == []
    project.write("local.yaml", "treadle: 1\nactions: {x: {sh: 'echo x >> $LOG; touch x', out: x, pass: [LOG]}}\n")
    assert project.run() == ["x"]
    assert project.run() == []
    os.unlink(project.folder / "local.yaml")
    assert project.run() == []
    assert "x" not in project.treadle("list").out.split()


def test_a_mistake_in_an_included_plan_is_told_after_a_run_without_one(project: Project) -> None:
    project.write("docs/plan.yaml", DOCS.replace("docs/a.md", "docs/b.md"))
    done = project.treadle("run")
    assert done.code == 2
    assert "docs/plan.yaml:5:" in done.err
    assert "docs:build reads it" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status", "docs:*"], "3 actions up to date"),
        (["why", "docs:page@a"], "docs:page@a"),
        (["log", "docs:build"], "says build"),
        (["list"], "docs:page@..."),
        (["list"], "what docs/plan.yaml does by default"),
        (["graph"], "docs:build"),
        (["graph", "--format", "dot"], "docs:build"),
        (["check"], "4 actions"),
    ],
)
def test_each_question_knows_included_names(words: list[str], said: str, project: Project) -> None:
    done = project.treadle(*words)
    assert (done.code, done.err) == (0, "")
    assert said in done.out


def test_a_log_has_the_whole_name(project: Project) -> None:
    names = os.listdir(project.folder / ".treadle/logs")
    assert sorted(names) == ["docs%3abuild.log", "docs%3apage@a.log", "docs%3apage@b.log", "pack.log"]


def test_what_an_included_action_wrote_and_failed_is_put_aside_under_its_name(project: Project) -> None:
    project.write("docs/plan.yaml", DOCS.replace("cat ${in} > ${out}", "cat ${in} > ${out}; false"))
    assert project.treadle("run").code == 1
    assert (project.folder / ".treadle/failed/docs%3abuild/docs/out").exists()


def test_an_included_plan_may_be_run_by_itself_too(project: Project) -> None:
    """Both make the same files, and neither says that the other is a second maker."""
    for _ in range(2):
        assert project.treadle("run", "-f", "docs/plan.yaml").code == 0
        assert project.treadle("run").code == 0
    assert project.run("-f", "docs/plan.yaml") == []
    assert project.run() == []
