"""Traps that a tester laid for the quick answer: what a run leaves is what a walk without a snapshot would leave."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from project import Project

COPY = '{sh: "cat ${in} > ${out}", in: i, out: o/a}'
READER = '{sh: "cat idx $(grep o/ idx) > ${out}; echo ${out}: $(grep o/ idx) > o/b.d", in: idx, out: o/b, depfile: o/b.d}'
"""Reads the files that `idx` names, and says so."""


def do(project: Project, script: str) -> None:
    done = subprocess.run(["bash", "-ec", script], cwd=project.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def settled(project: Project, *names: str, **environ: str) -> None:
    """Run until nothing is left to do, with the snapshot that the last run has used, and see that it is so."""
    assert project.treadle("run", *names, **environ).code == 0
    looked = project.treadle("status", *names, **environ)
    assert looked.code == 0, looked.text


def test_a_named_run_asks_for_the_maker_of_what_was_found_in_it(project: Project) -> None:
    project.write("plan", f"treadle: 1\nactions:\n  a: {COPY}\n  b: {READER}\n")
    do(project, "echo 1 > i; echo o/a > idx")
    settled(project, "a")
    settled(project, "b")
    do(project, "echo 2 > i")
    settled(project, "b")
    assert project.read("o/b") == "o/a\n2\n"


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_what_is_found_in_a_part_is_waited_for_from_then_on(project: Project, order: str) -> None:
    lines = {"a": f"  a: {COPY}\n", "b": f"  b: {READER}\n"}
    project.write("plan", "treadle: 1\nactions:\n" + "".join(lines[name] for name in order))
    do(project, "echo 1 > i; echo none > idx")
    for change in ("true", "true", "echo o/a > idx", "true", "echo 2 > i"):
        do(project, change)
        settled(project)
    assert project.read("o/b") == "o/a\n2\n"


@pytest.mark.parametrize("key", ["out", "edits"])
def test_who_makes_from_now_on_what_was_found_is_asked_for(project: Project, key: str) -> None:
    project.write(
        "plan",
        "treadle: 1\ndefault: b\nactions:\n"
        f"  a: {{sh: cp i s/f, in: i, {key}: s/z}}\n"
        '  b: {sh: "cat s/f > o/b; echo o/b: s/f > o/b.d", out: o/b, depfile: o/b.d}\n',
    )
    do(project, "mkdir s; echo 1 > s/f; echo 1 > s/z; echo 1 > i")
    settled(project)
    do(project, "sed -i 's,s/z,s/f,' treadle.yaml; echo 22 > i")
    settled(project)
    assert project.read("o/b") == "22\n"


def test_who_edits_from_now_on_what_was_found_goes_first(project: Project) -> None:
    project.write(
        "plan",
        "treadle: 1\nactions:\n"
        '  b: {sh: "cat s/f > o/b; echo o/b: s/f > o/b.d", in: i, out: o/b, depfile: o/b.d}\n'
        '  a: {sh: "echo done > o/a; [ ! -e tick ] || cp tick s/f", in: i, out: o/a, edits: s/g}\n',
    )
    do(project, "mkdir s; echo 1 > s/f; echo 1 > s/g; echo x > i")
    settled(project)
    do(project, "echo new > tick; sed -i 's#edits: s/g#edits: [s/g, s/f]#' treadle.yaml")
    settled(project)
    assert project.read("o/b") == "new\n"


def test_what_is_found_below_a_folder_that_is_made_is_waited_for(project: Project) -> None:
    project.write(
        "plan",
        "treadle: 1\nactions:\n"
        '  b: {sh: "cat k o/d/x > ${out}; echo ${out}: o/d/x > o/b.d", in: k, out: o/b, depfile: o/b.d}\n'
        '  a: {sh: "mkdir -p ${out}; cp i ${out}/x", in: i, out: o/d/}\n',
    )
    do(project, "mkdir -p o/d; echo 0 > o/d/x; echo 1 > i; echo 0 > k")
    for change in ("true", "true", "echo 2 > i; echo 1 > k", "rm -r .treadle/quick; echo 3 > i; echo 2 > k"):
        do(project, change)
        project.treadle("run", "-j2")
    settled(project)
    assert project.read("o/b") == "2\n3\n"


PROGRAMS: dict[str, tuple[str, str, str]] = {
    # plan, what changes on disk, the folders of PATH before and after
    "PATH names another folder": ("a: {run: gen o/a, out: o/a}", "true", "b1 b2"),
    "a program comes to stand before it": ("a: {run: gen o/a, out: o/a}", "mkdir b0; cp b2/gen b0", "b0:b1 b0:b1"),
    "PATH had no folder of the root": (
        "a: {run: sh b1/gen o/a, out: o/a, in: b1/gen}",
        "cp b2/gen b1/gen",
        "/bin b1",
    ),
    "it is the shell": ('a: {sh: "o/a", shell: [gen], out: o/a}', "true", "b1 b2"),
    "the action has a PATH of its own": (
        'a: {run: gen o/a, out: o/a, env: {PATH: "b0:b1:/usr/bin:/bin"}}',
        "mkdir b0; cp b2/gen b0",
        "b1 b1",
    ),
}


@pytest.mark.parametrize("case", PROGRAMS)
def test_another_program_of_the_root_is_noticed(project: Project, case: str) -> None:
    plan, change, folders = PROGRAMS[case]
    project.write("plan", f"treadle: 1\nactions:\n  {plan}\n")
    for number in "12":
        script = f"#!/bin/sh\necho v{number} > $1\n"
        project.write(f"b{number}/gen", script).chmod(0o755)

    def environ(names: str) -> str:
        parts = [os.path.join(project.folder, name) for name in names.split(":")]
        return os.pathsep.join([*parts, os.environ["PATH"]])

    before, after = folders.split()
    for _ in range(2):
        settled(project, PATH=environ(before))
    assert project.read("o/a") == "v1\n"
    do(project, change)
    settled(project, PATH=environ(after))
    assert project.read("o/a") == "v2\n"


def test_a_path_without_a_folder_of_the_root_may_change(project: Project) -> None:
    project.write("plan", f"treadle: 1\nactions:\n  a: {COPY}\n")
    do(project, "echo 1 > i")
    # what was written just before a run is looked at again by the next one, with the plan
    settled(project)
    settled(project)
    done = project.treadle("run", PATH=f"/nowhere:{os.environ['PATH']}", PYTHONPROFILEIMPORTTIME="1")
    assert "nothing to do" in done.out
    assert "treadle.command.walk" not in done.err
    (project.folder / "bin").mkdir()
    done = project.treadle("run", PATH=f"{project.folder}/bin:{os.environ['PATH']}", PYTHONPROFILEIMPORTTIME="1")
    assert "nothing to do" in done.out
    assert "treadle.command.walk" in done.err


def test_a_link_that_leads_somewhere_from_now_on_is_matched(project: Project) -> None:
    project.write("plan", 'treadle: 1\nactions:\n  a: {sh: "cat ${in} > ${out}", in: "g/*.c", out: o/a}\n')
    do(project, "mkdir g other; echo q > g/q.c; ln -s ../other/d.c g/d.c")
    settled(project)
    settled(project)
    do(project, "echo linked > other/d.c")
    settled(project)
    assert project.read("o/a") == "linked\nq\n"


def test_a_file_that_changes_just_before_the_plan_reads_it_is_another_input_too(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    import treadle.plan.load
    from treadle.cli.main import main
    from treadle.session.fast_start import look

    real: Callable[..., Any] = treadle.plan.load.load_plan

    def load_plan(*args: Any, **options: Any) -> Any:
        project.write("v.yaml", "k: 2\n")
        return real(*args, **options)

    project.write(
        "plan",
        "treadle: 1\nvars: {c: {file: v.yaml}}\nactions:\n"
        "  x: {run: cp v.yaml o/x, in: v.yaml, out: o/x}\n"
        '  y: {sh: "echo ${c.k} > o/y", out: o/y}\n',
    )
    project.write("v.yaml", "k: 1\n")
    for _ in range(2):
        settled(project)
    do(project, "echo '# a comment' >> treadle.yaml")
    monkeypatch.chdir(project.folder)
    with monkeypatch.context() as patch:
        patch.setattr(treadle.plan.load, "load_plan", load_plan)
        patch.setattr(os, "environ", project.environ)
        assert main(["run"], look(["run"])) == 0
    settled(project)
    assert (project.read("o/x"), project.read("o/y")) == ("k: 2\n", "2\n")


def test_the_snapshots_of_a_project_without_such_things_are_kept(project: Project) -> None:
    project.write("plan", f"treadle: 1\nactions:\n  a: {COPY}\n  b: {READER}\n")
    do(project, "echo 1 > i; echo o/a > idx")
    assert project.treadle("run").code == 0
    settled(project)
    assert [path for path in Path(project.folder, ".treadle/quick").iterdir() if "-" not in path.name]
