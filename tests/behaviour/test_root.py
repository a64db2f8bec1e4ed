"""`${root}`: the absolute root as a value, and what a moved folder makes run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from project import Project

HEAD = """\
treadle: 1
params: {mode: {default: plain}}
vars: {r: "${root}", data: "${root}/data", list: ["${root}/a", b], rec: [{name: one, at: "${root}/data"}]}
actions:
  other: {sh: "echo other >> $LOG; cp ${in} ${out}", in: one.txt, out: out/other, pass: [LOG]}
"""
USES = {
    "run": "run: sh -c 'echo a >> $LOG; echo \"$1\" > out/a' - ${root}/x",
    "a word that is the root": "run: sh -c 'echo a >> $LOG; echo \"$1\" > out/a' - ${root}",
    "argv": "argv: [sh, -c, 'echo a >> $LOG; echo \"$1\" > out/a', '-', '${root}/x']",
    "argv from a list": "argv: [sh, -c, 'echo a >> $LOG; echo \"$1\" > out/a', '-', '${list}']",
    "sh": "sh: echo a >> $LOG; echo ${root}/x > ${out}",
    "sh in quotes": 'sh: echo a >> $LOG; echo "in ${root}" > ${out}',
    "sh in a heredoc": 'sh: "echo a >> $LOG; cat <<END > ${out}\\nin ${root}\\nEND\\n"',
    "sh with a list": "sh: echo a >> $LOG; echo ${list} > ${out}",
    "a var": "sh: echo a >> $LOG; echo ${data} > ${out}",
    "a var of a var": "sh: echo a >> $LOG; echo ${r}/x > ${out}",
    "env": "{sh: 'echo a >> $LOG; echo $X > ${out}', env: {X: '-I${root}/x'}}",
    "a secret of env": "{sh: 'echo a >> $LOG; echo $X > ${out}', env: {X: '${root}/x'}, secret: X}",
    "foreach": "{foreach: {p: ['${root}/data']}, sh: 'echo a >> $LOG; echo ${p} > out/a'}",
    "a part of a path": "{foreach: {p: ['${root}/data/x']}, sh: 'echo a >> $LOG; echo ${p.dir} > out/a'}",
    "a field of a record": "{foreach: {p: '${rec}'}, sh: 'echo a >> $LOG; echo ${p.at} > out/a'}",
    "a program": "run: ${root}/bin/a ${out}",
    "a select": "sh: {select: '${mode}', plain: 'echo a >> $LOG; echo ${root} > ${out}'}",
}


def plan_with(use: str) -> str:
    """Return a plan whose action `a` uses the root in some way."""
    entries = use if use.startswith("{") else "{" + _quoted(use) + "}"
    return HEAD + f"  a: {entries[:-1]}, in: one.txt, out: out/a, pass: [LOG]}}\n"


def _quoted(entry: str) -> str:
    key, _, value = entry.partition(": ")
    return entry if key == "argv" or value.startswith(("{", '"')) else f"{key}: {json.dumps(value)}"


@pytest.fixture
def files(project: Project) -> Project:
    for name in ("one.txt", "data/x"):
        project.write(name, f"{name}\n")
    project.write("bin/a", '#!/bin/sh\necho a >> $LOG\necho "$0" > "$1"\n').chmod(0o755)
    return project


def moved(project: Project, *, copied: bool = False) -> Project:
    """Move or copy a project to a folder that lies elsewhere, with its state."""
    there = project.folder.parent / "deep down" / "it's here"
    there.parent.mkdir()
    if copied:
        shutil.copytree(project.folder, there, symlinks=True)
    else:
        os.rename(project.folder, there)
    other = Project(there)
    other.environ, other.log = project.environ, project.log
    return other


@pytest.mark.parametrize(
    ("use", "copied"), [*((use, False) for use in USES), ("sh", True), ("env", True), ("a program", True)]
)
def test_an_action_that_uses_the_root_runs_after_a_move_and_no_other(
    files: Project, use: str, copied: bool
) -> None:
    files.write("plan", plan_with(USES[use]))
    assert files.run() == ["a", "other"]
    assert files.run() == []
    assert str(files.folder) in files.read("out/a")
    old = files.folder

    there = moved(files, copied=copied)
    uid = next(
        one["name"] for one in json.loads(there.treadle("list", "--json").out)["actions"] if one["family"] == "a"
    )
    why = there.treadle("why", uid).out
    if "secret" not in use:
        assert f"the folder has moved: {old} -> {there.folder}" in why, why
        assert "command changed" not in why
        assert "env X" not in why
    assert there.run() == ["a"]
    assert str(there.folder) in there.read("out/a")
    assert there.run() == []
    assert there.run() == []


@pytest.mark.parametrize("use", ["sh", "env", "foreach"])
def test_an_edited_input_after_a_move_is_walked_with_the_new_root(files: Project, use: str) -> None:
    files.write("plan", plan_with(USES[use]))
    files.run()
    files.run()
    there = moved(files)
    there.write("one.txt", "edited\n")
    assert there.run() == ["a", "other"]
    assert str(there.folder) in there.read("out/a")
    assert there.run() == []


def test_a_plan_without_the_root_is_up_to_date_after_a_move(files: Project) -> None:
    files.write("plan", HEAD.replace("${root}", "x"))
    assert files.run() == ["other"]
    files.run()
    assert moved(files).run() == []


def test_the_root_is_the_same_through_a_link(files: Project) -> None:
    files.write("plan", plan_with(USES["sh"]))
    assert files.run() == ["a", "other"]
    link = files.folder.parent / "link"
    link.symlink_to(files.folder)
    assert files.run("-f", str(link / "treadle.yaml")) == []
    other = Project(files.folder.parent / "elsewhere")
    other.environ, other.log = files.environ, files.log
    assert other.run("-f", str(link / "treadle.yaml")) == []


def test_a_link_that_leads_to_a_copy_now_is_a_move(files: Project) -> None:
    files.write("plan", plan_with(USES["sh"]))
    link = files.folder.parent / "link"
    link.symlink_to(files.folder)
    call = ("-C", str(link))
    other = Project(files.folder.parent / "elsewhere")
    other.environ, other.log = files.environ, files.log
    assert other.run(*call) == ["a", "other"]
    assert other.run(*call) == []
    there = moved(files, copied=True)
    link.unlink()
    link.symlink_to(there.folder)
    assert other.run(*call) == ["a"]
    assert str(there.folder) in there.read("out/a")


PATHS = {
    "an input": ("in: '${root}/one.txt', out: out/a", ["one.txt"], ["out/a"]),
    "an input of an input list": ("in: ['${data}/x', one.txt], out: out/a", ["data/x", "one.txt"], ["out/a"]),
    "a glob": ("in: '${root}/data/x*', out: out/a", ["data/x"], ["out/a"]),
    "a glob of a var": ("in: '${g}', out: out/a", ["data/x"], ["out/a"]),
    "an excluded path": ("in: {glob: '*.txt', exclude: '${root}/two.txt'}, out: out/a", ["one.txt"], ["out/a"]),
    "an output": ("in: one.txt, out: '${root}/out/a'", ["one.txt"], ["out/a"]),
    "an output folder": ("in: one.txt, out: ['${root}/out/a', '${root}/out/b/']", ["one.txt"], ["out/a", "out/b/"]),
    "a named output": ("in: one.txt, out: {x: '${data}/a'}", ["one.txt"], ["data/a"]),
    "stdout": ("in: one.txt, stdout: '${root}/out/a'", ["one.txt"], ["out/a"]),
    "an edited file": ("edits: '${root}/one.txt', out: out/a", [], ["out/a"]),
    "the root as a folder": (
        "in: {glob: '${root}/*.txt'}, out: out/a, cwd: '${root}'",
        ["one.txt", "two.txt"],
        ["out/a"],
    ),
}


@pytest.mark.parametrize("use", PATHS)
def test_a_path_below_the_root_is_relative_to_it(files: Project, use: str) -> None:
    entries, inputs, outputs = PATHS[use]
    files.write("two.txt", "two")
    sh = "sh: 'echo a >> $LOG; mkdir -p out/b; echo a > out/a; echo a > data/a'"
    files.write(
        "plan",
        HEAD.replace("vars: {", "vars: {g: {glob: '${root}/data/x'}, ")
        + f"  a: {{{sh}, {entries}, pass: [LOG]}}\n",
    )
    found = json.loads(files.treadle("list", "a", "--json").out)["actions"][0]
    assert (found["inputs"], found["outputs"]) == (inputs, outputs)
    files.run()
    there = moved(files)
    assert there.run() == []
    assert there.treadle("why", "a").out.count("up to date") == 1


def test_an_output_elsewhere_in_the_root_stays_one_of_its_action(files: Project) -> None:
    files.write(
        "plan",
        HEAD
        + "  a: {sh: 'cp ${in} ${out}', in: one.txt, out: '${root}/out/a'}\n  b: {run: 'cp ${in} ${out}', in: out/a, out: out/b}\n",
    )
    assert files.treadle("run").code == 0
    assert files.read("out/b") == "one.txt\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("actions: {a: {run: echo, out: '${root}/../x'}}", "an output is outside the root: ${root}/../x"),
        ("actions: {a: {run: echo, out: '${root}'}}", "an output is the root itself: ${root}"),
        ("actions: {a: {run: echo, in: '${root}/none'}}", "none"),
        ("actions: {a: {run: echo, when: root == 'x'}}", "a condition cannot use the root"),
        ("vars: {root: x}\nactions: {a: {run: echo}}", "root cannot be the name of a var: the name is reserved"),
        ("params: {root: {default: x}}\nactions: {a: {run: echo}}", "root cannot be the name of a parameter"),
        ("params: {p: {default: '${root}'}}\nactions: {a: {run: echo}}", "a default cannot contain ${}"),
        ("actions: {a: {foreach: {root: [x]}, run: 'echo ${root}'}}", "root cannot be the name of a foreach value"),
        ("actions: {a: {run: 'echo ${root.x}'}}", "${root.x} is not defined"),
        ("actions: {a: {run: 'echo ${roots}'}}", "did you mean ${root}?"),
        ("root: '${root}'\nactions: {a: {run: echo}}", "root must not contain ${}"),
    ],
)  # fmt: skip
def test_a_root_that_is_no_value_there_is_refused(files: Project, text: str, said: str) -> None:
    files.write("plan", f"treadle: 1\n{text}\n")
    done = files.treadle("check")
    assert done.code == 2
    assert said in done.text


def test_two_texts_that_look_the_same_are_told_apart(files: Project) -> None:
    for words in ("['$${root}', '${root}']", "['${root}', '$${root}']"):
        argv = f"argv: [sh, -c, 'echo a >> $LOG; echo \"$@\" > out/a', '-', {words[1:]}"
        files.write("plan", HEAD + f"  a: {{{argv}, in: one.txt, out: out/a, pass: [LOG]}}\n")
        assert "a" in files.run()
        assert files.run() == []


def test_an_included_plan_has_the_root_of_the_whole_plan(files: Project) -> None:
    files.write(
        "plan",
        HEAD.replace(
            "actions:",
            "include: [{file: lib/treadle.yaml, params: {at: '${data}', p: '${root}/data'}}]\nactions:",
        ),
    )
    files.write(
        "lib/treadle.yaml",
        """\
treadle: 1
params: {at: {default: none}, p: {type: path, default: .}}
actions:
  a: {sh: "echo a >> $LOG; echo ${root} ${at} ${p} > ${out}", in: ["${root}/one.txt", "${p}/x"], out: a, pass: [LOG]}
  b: {sh: "echo b >> $LOG; pwd > ${out}", in: "${root}/data/*", out: b, pass: [LOG]}
""",
    )
    assert files.run() == ["a", "b", "other"]
    here = files.folder
    assert files.read("lib/a").split() == [str(here), f"{here}/data", f"{here}/data"]
    there = moved(files)
    assert f"the folder has moved: {here} -> {there.folder}" in there.treadle("why", "lib:a").out
    assert there.run() == ["a"]
    assert there.run() == []


def test_a_plan_below_its_root_has_the_root(files: Project) -> None:
    files.write(
        "ci/treadle.yaml",
        HEAD.replace("params", "root: ..\nparams") + "  a: {sh: 'echo ${root} > ${out}', out: out/a}\n",
    )
    assert files.treadle("run", "-f", "ci/treadle.yaml").code == 0
    assert files.read("out/a") == f"{files.folder}\n"


def test_the_command_that_is_shown_has_the_folder(files: Project) -> None:
    files.write("plan", plan_with(USES["sh"]))
    assert f"'{files.folder}'/x" in json.loads(files.treadle("list", "a", "--json").out)["actions"][0]["command"]


def test_an_action_that_begins_to_use_the_root_says_so(files: Project) -> None:
    plain = plan_with(USES["sh"]).replace("${root}/x", "x")
    files.write("plan", plain)
    files.run()
    files.write("plan", plan_with(USES["sh"]))
    assert f"it depends on where the folder is now: {files.folder}" in files.treadle("why", "a").out
    files.run()
    files.write("plan", plain)
    assert "it does not depend on where the folder is any more" in files.treadle("why", "a").out


def test_an_action_without_outputs_keeps_its_record_where_the_folder_moves(files: Project) -> None:
    files.write(
        "plan", HEAD + "  a: {sh: 'echo a >> $LOG; echo ${root}', in: one.txt, pass: [LOG]}\ndefault: [a, other]\n"
    )
    assert files.run() == ["a", "other"]
    old, there = files.folder, moved(files)
    assert f"the folder has moved: {old} -> {there.folder}" in there.treadle("why", "a").out
    assert there.run() == ["a"]
    assert there.run() == []


def test_the_root_may_have_any_name(tmp_path: Path) -> None:
    project = Project(tmp_path / "a 'b' \"c\" $HOME [x]*")
    project.log = tmp_path / "log"
    project.environ["LOG"] = str(project.log)
    project.write("one.txt", "one")
    project.write(
        "plan", plan_with(USES["sh"]) + "  g: {sh: 'cp ${in} ${out}', in: '${root}/o*.txt', out: '${root}/out/g'}\n"
    )
    project.run()
    assert project.read("out/a") == f"{project.folder}/x\n"
    assert project.read("out/g") == "one"
