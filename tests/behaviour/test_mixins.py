"""`mixins`: an edit of one is an edit of the actions that use it."""

from __future__ import annotations

from project import Project

PLAN = """\
treadle: 1
mixins:
  loud: {env: {X: "1"}, pass: [LOG]}
  quick: {timeout: 1m}
actions:
  a: {use: loud, sh: "echo a >> $LOG; echo $X > ${out}", out: out/a}
  b: {use: [loud, quick], sh: "echo b >> $LOG; echo $X > ${out}", env: {X: "2"}, out: out/b}
  c: {use: quick, sh: "echo c >> $LOG; echo > ${out}", pass: [LOG], out: out/c}
"""


def test_an_edited_mixin_runs_what_uses_it(project: Project) -> None:
    project.write("plan", PLAN)
    assert project.run() == ["a", "b", "c"]
    assert project.run() == []
    project.write("plan", PLAN.replace('{X: "1"}', '{X: "3"}'))
    assert "env X changed from 1 to 3" in project.treadle("why", "a").out
    assert project.run() == ["a"]
    assert project.read("out/a") == "3\n"
    assert project.run() == []
    project.write("plan", PLAN.replace('{X: "1"}', '{X: "3"}').replace("timeout: 1m", "timeout: 2m"))
    assert project.run() == []
    done = project.treadle("check")
    assert done.code == 0
