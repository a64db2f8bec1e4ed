"""Guards that a plan has too restrain its actions as they restrain the tasks that they come from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from first_plans import drafted, first_plan, write
from helpers import run_treadle

if TYPE_CHECKING:
    from pathlib import Path

OS = {"linux": "linux", "darwin": "darwin"}[sys.platform]
OTHER = {"linux": "darwin", "darwin": "linux"}[sys.platform]
TASKFILE = """\
version: '3'
vars: {{KIND: small, MODE: '{{{{.MODE | default "debug"}}}}'}}
tasks:
  free: {{cmds: ['echo free > free']}}
  drop:
    {guard}
    cmds: ['echo ran $X > ran']
  next: {{deps: [drop], cmds: ['echo next > next']}}
"""


@pytest.mark.parametrize(
    ("guard", "environ", "runs"),
    [
        ("requires: {vars: [STAGE]}", {}, False),
        ("requires: {vars: [STAGE]}", {"STAGE": "a b"}, True),
        ("requires: {vars: [{name: STAGE, enum: [dev, prod]}]}", {}, False),
        ("requires: {vars: [{name: STAGE, enum: [dev, prod]}]}", {"STAGE": "de"}, False),
        ("requires: {vars: [{name: STAGE, enum: [dev, prod]}]}", {"STAGE": "prod"}, True),
        ("requires: {vars: [STAGE, USERNAME]}", {"STAGE": "x"}, False),
        ("requires: {vars: [KIND]}", {}, True),
        ("requires: {vars: [MODE]}", {}, True),
        ("requires: {vars: [{name: MODE, enum: [release]}]}", {}, False),
        ("requires: {vars: [{name: MODE, enum: [release]}]}", {"MODE": "release"}, True),
        ("requires: {vars: [DEPLOY_FLAGS]}", {}, False),
        ("requires: {vars: [DEPLOY_FLAGS]}", {"DEPLOY_FLAGS": "-a -b"}, True),
        ("preconditions: ['test -n \"$STAGE\"']", {}, False),
        ("preconditions: ['test -n \"$STAGE\"']", {"STAGE": "prod"}, True),
        ("preconditions: [{sh: 'X=1; test \"$X$STAGE\" = 1a', msg: no}]", {"STAGE": "a"}, True),
        (f"platforms: [{OS}]", {}, True),
        (f"platforms: [{OTHER}]", {}, False),
        ("platforms: [windows]", {}, False),
        (f"platforms: [windows, {OS}]", {}, True),
        (f"platforms: [{OS}/s390x]", {}, False),
        (f"platforms: [{OS}/amd64, {OS}/arm64]", {}, True),
        ("platforms: [riscv64]", {}, False),
        ("if: '[ \"$STAGE\" = prod ]'", {}, False),
        ("if: '[ \"$STAGE\" = prod ]'", {"STAGE": "prod"}, True),
        ("if: '[ -n \"$STAGE\" ]'", {}, False),
        ("if: '[ -z \"${STAGE:-}\" ]'", {}, True),
        ("if: 'test -n \"$STAGE\" && [[ $STAGE != prod ]]'", {"STAGE": "prod"}, False),
        ("if: 'test -n \"$STAGE\" || [ ! -n \"$USERNAME\" ]'", {}, True),
        ("if: '[ \"{{.KIND}}\" == \"small\" ]'", {}, True),
        ("if: '[ \"{{.KIND}}\" != \"small\" ]'", {}, False),
        ("if: '{{eq .MODE \"release\"}}'", {}, False),
        ("if: '{{eq .MODE \"release\"}}'", {"MODE": "release"}, True),
        ("if: '{{ne .MODE \"release\"}}'", {"MODE": "release"}, False),
        (f"if: '{{{{eq OS \"{OS}\"}}}}'", {}, True),
        (f"if: '{{{{ne OS \"{OS}\"}}}}'", {}, False),
        (f"if: '[ \"{{{{OS}}}}\" = \"{OTHER}\" ]'", {}, False),
        (f"if: '[ -n \"$STAGE\" ]'\n    platforms: [{OS}]", {}, False),
        ("preconditions: ['test -f there', {sh: '[ \"{{.KIND}}\" = small ]', msg: no}]", {}, True),
        ("preconditions: ['test -f there', {sh: '[ \"{{.KIND}}\" = large ]', msg: no}]", {}, False),
        ("preconditions: [{sh: 'test \"$STAGE\" = x', msg: 'no {{.KIND}}'}]", {"STAGE": "y"}, False),
        ("prompt: Drop {{.KIND}}?", {}, False),
        ("prompt: ['Really?', \"Don't you care?\"]", {}, False),
        ("prompt: sure?\n    requires: {vars: [STAGE]}\n    deps: [free]", {"STAGE": "x"}, False),
        ("requires: {vars: [STAGE]}\n    deps: [free]", {}, False),
        ("requires: {vars: [STAGE]}\n    deps: [free]", {"STAGE": "x"}, True),
        ("status: [test -f ran]", {}, True),
        ("status: ['[ -f ran ]', test -e there]", {}, True),
        ("dotenv: [gone.env]", {}, True),
        ("set: [pipefail, nounset]", {}, False),
        ("set: [u]", {"X": "1"}, False),
        ("shopt: [globstar]", {}, True),
        ("aliases: [d, remove]", {}, True),
    ],
)  # fmt: skip
def test_a_guard_of_a_task_is_one_of_its_action(
    tmp_path: Path, guard: str, environ: dict[str, str], runs: bool
) -> None:
    write(tmp_path, Taskfile_dot_yml=TASKFILE.format(guard=guard), there="")
    _, text = drafted(tmp_path)
    if "set: [u" in guard:
        # the variable is passed, and set only in one of the two environments
        environ, runs = ({"X": "1"}, True) if environ else ({}, False)
    assert "# Not taken over:" not in text
    done = run_treadle(tmp_path, "run", "next", env=environ)
    assert (tmp_path / "ran").exists() == runs, (done, text)
    assert (tmp_path / "next").exists() == runs
    assert (done.code == 0) == runs


def test_what_a_task_requires_is_looked_at_before_its_deps_run(tmp_path: Path) -> None:
    guard = "requires: {vars: [STAGE]}\n    deps: [free]\n    prompt: Drop {{.KIND}} of {{.STAGE}}?"
    write(tmp_path, Taskfile_dot_yml=TASKFILE.format(guard=guard))
    first_plan(tmp_path)
    run_treadle(tmp_path, "run", "drop", "--yes", check=1)
    assert not (tmp_path / "free").exists()
    said = run_treadle(tmp_path, "run", "drop", env={"STAGE": "x"}, check=1).out
    assert "Drop small of x?" in said
    assert (tmp_path / "free").exists()
    run_treadle(tmp_path, "run", "drop", "--yes", env={"STAGE": "x"}, check=0)
    assert (tmp_path / "ran").exists()


def test_a_status_that_looks_for_a_file_keeps_the_task_from_running_again(tmp_path: Path) -> None:
    write(tmp_path, Taskfile_dot_yml=TASKFILE.format(guard="status: [test -f ran]"))
    first_plan(tmp_path)
    run_treadle(tmp_path, "run", "drop", check=0)
    write(tmp_path, ran="mine")
    run_treadle(tmp_path, "run", "drop", check=0)
    assert (tmp_path / "ran").read_text() == "mine"


def test_other_names_of_a_task_are_groups_and_go_with_it(tmp_path: Path) -> None:
    task = TASKFILE.format(guard="aliases: [d, 'x y', free]")
    write(
        tmp_path,
        a__Taskfile_dot_yml=task,
        b__Taskfile_dot_yml=task.replace("aliases", "watch: true\n    aliases"),
    )
    assert first_plan(tmp_path / "a").groups.keys() == {"d"}
    assert first_plan(tmp_path / "b").groups.keys() == set()
    assert "left out: drop, next;" not in (tmp_path / "b/treadle.yaml").read_text()


def test_a_file_of_variables_is_the_one_of_the_task(tmp_path: Path) -> None:
    write(tmp_path, Taskfile_dot_yml=TASKFILE.format(guard="dotenv: [dev.env]"), dev_dot_env="X=of the file\n")
    first_plan(tmp_path)
    run_treadle(tmp_path, "run", "drop", check=0)
    assert (tmp_path / "ran").read_text() == "ran of the file\n"


def test_a_failure_of_a_task_that_ignores_errors_does_not_count(tmp_path: Path) -> None:
    tasks = "  a: {ignore_error: true, cmds: ['false', {cmd: 'exit 3'}, 'echo x > ran']}\n"
    write(tmp_path, Taskfile_dot_yml=f"version: '3'\ntasks:\n{tasks}")
    first_plan(tmp_path)
    run_treadle(tmp_path, "run", "a", check=0)
    assert (tmp_path / "ran").exists()
    calls = "  a: {ignore_error: true, cmds: [{task: b}]}\n  b: 'false'\n"
    write(tmp_path, Taskfile_dot_yml=f"version: '3'\ntasks:\n{calls}")
    (tmp_path / "treadle.yaml").unlink()
    assert first_plan(tmp_path).actions.keys() == {"b"}


def test_a_value_that_the_caller_sets_is_never_taken_for_an_empty_text(tmp_path: Path) -> None:
    write(
        tmp_path,
        Taskfile_dot_yml="version: '3'\nvars: {NAME: web, MODE: '{{.MODE | default \"debug\"}}', O: 'out/{{.NAME}}-{{.MODE}}'}\n"
        "tasks:\n  a: {cmds: ['rm -rf {{.O}}']}\n  b: {vars: {X: '{{.CLI_ARGS}}/x'}, cmds: ['rm -rf {{.X}}']}\n"
        "  c: {cmds: ['echo {{.MODE}}']}\n  d: {vars: {X: 'a {{.MODE}}'}, cmds: ['rm -rf {{.X}}']}\n",
    )
    plan, _ = drafted(tmp_path, {"MODE": "x y"})
    assert plan.actions.keys() == {"a", "c"}
    assert plan.actions["a"].command.shown == "rm -rf 'out/web-x y'"


def test_a_folder_that_a_status_looks_for_is_made_by_the_task_itself(tmp_path: Path) -> None:
    task = "  h: {status: ['[ -d made ]'], cmds: ['mkdir made && touch made/a']}\n"
    write(tmp_path, Taskfile_dot_yml=f"version: '3'\ntasks:\n{task}")
    first_plan(tmp_path)
    run_treadle(tmp_path, "run", "h", check=0)
    assert "nothing to do" in run_treadle(tmp_path, "run", "h", check=0).out
