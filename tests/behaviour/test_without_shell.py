"""Scripts of plain words in a run: nothing that a user sees tells whether a shell was between."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from project import Project

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to try a shell")

MANY = 22
"""More than have a shell in any case."""
SHELLS = pytest.mark.parametrize("shell", ["[sh, -c]", "[bash, -euo, pipefail, -c]"])


def write_plan(project: Project, shell: str, script: str, *more: str) -> None:
    """Write a plan in which an action `last` comes after many others; alone it has its shell."""
    lines = ["treadle: 1", f"shell: {shell}", "actions:"]
    for number in range(MANY):
        lines += [f"  first{number}:", "    in: [source]", "    sh: cat ${in} > ${out}", f"    out: out/{number}"]
    lines += ["  last:", "    in: [source]", f"    sh: {script}", "    out: out/last", *more]
    project.write("plan", "\n".join(lines) + "\n")
    project.write("source", "the source\n")


def run_alone(project: Project) -> int:
    """Run `last` once more, and nothing else; return the exit code."""
    project.write("out/last", "no output of it")
    return project.treadle("run", "last").code


@SHELLS
def test_the_last_of_many_have_no_shell_and_the_variables_that_it_would_give(project: Project, shell: str) -> None:
    write_plan(project, shell, "cat /proc/self/environ /proc/self/stat > ${out}")
    child = project.start("run", "-j1")
    child.communicate(timeout=60)
    assert child.returncode == 0
    variables, _, about = project.read("out/last").rpartition("\0")
    assert parent_in(about) == child.pid
    assert project.read("out/21") == "the source\n"
    assert run_alone(project) == 0
    with_shell, _, about = project.read("out/last").rpartition("\0")
    assert parent_in(about) != child.pid
    one_run = re.compile(r"\b[0-9a-f]{12,}\b")
    assert one_run.sub("RUN", variables) == one_run.sub("RUN", with_shell)


def parent_in(stat: str) -> int:
    """Return the parent that the text of a /proc/PID/stat tells of."""
    return int(stat.rpartition(")")[2].split()[1])


@SHELLS
def test_records_do_not_know_of_shells(project: Project, shell: str) -> None:
    write_plan(project, shell, "cat source > ${out}")
    assert project.treadle("run").code == 0
    assert "nothing to do" in project.treadle("run").out
    project.write("source", "another\n")
    assert project.treadle("run", "first21").code == 0
    assert "nothing to do" in project.treadle("run", "first21").out
    assert project.read("out/21") == "another\n"


@SHELLS
@pytest.mark.parametrize(
    "script",
    [
        "./die HUP",
        "./die HUP > ${out}",
        "./die KILL > ${out}",
        "cat missing",
        "./missing",
        "cat source > no/file",
        "./x",
    ],
)
def test_a_failure_is_told_as_with_a_shell(project: Project, shell: str, script: str) -> None:
    write_plan(project, shell, script)
    project.write("die", "#!/bin/sh\necho dying >&2\nkill -$1 $$\n").chmod(0o755)
    assert project.treadle("run", "-j1").code == 1
    told = project.treadle("log", "last").out
    assert run_alone(project) == 1
    number = re.compile(r"line 1: +\d+|\d+\.\ds|\d+ (seconds?|minutes?) ago|just now|\d\d:\d\d")
    assert number.sub("N", told) == number.sub("N", project.treadle("log", "last").out)
    assert told


@pytest.mark.parametrize("script", ["tail -f source", "tail -f source > ${out}"])
def test_a_time_limit_ends_it(project: Project, script: str) -> None:
    write_plan(project, "[bash, -c]", script, "    timeout: 0.2s")
    done = project.treadle("run", "-j1")
    assert done.code == 1
    assert "time limit of 0.2" in done.text


def test_a_secret_and_a_variable_of_the_plan_reach_it(project: Project) -> None:
    write_plan(
        project,
        "[sh, -c]",
        "env > ${out}",
        "    env: {GIVEN: 'a b'}",
        "    track: [HIDDEN]",
        "    secret: [HIDDEN]",
    )
    assert project.treadle("run", "-j1", HIDDEN="$x").code == 0
    assert {"GIVEN=a b", "HIDDEN=$x"} <= set(project.read("out/last").splitlines())
