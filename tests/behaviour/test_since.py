"""`--since REV` selects what depends on what differs from a commit, and never too little."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import run_treadle
from project import Project
from repositories import Repository

pytestmark = pytest.mark.system("git")

PLAN = """
treadle: 1
vars:
  flags: {file: flags.yaml}
include: [sub/treadle.yaml]
actions:
  obj:
    foreach: {s: "src/*.c"}
    sh: "cat ${in} > ${out}; echo ${out}: inc/${s.stem}.h > ${depfile}"
    in: ${s}
    out: out/${s.stem}.o
    depfile: out/${s.stem}.d
  link: {sh: "cat ${in} > ${out}", in: {from: obj}, out: out/prog}
  name: {foreach: {s: "names/*"}, sh: "echo ${s} > ${out}", out: "out/${s.stem}.name"}
  names: {sh: "cat ${in} > ${out}", in: {from: name}, out: out/names}
  doc: {sh: "cat ${in} > ${out}", in: {glob: "docs/*.md", empty: ok}, out: out/doc}
  tree: {sh: "ls -R ${in} > ${out}", in: tree/, out: out/tree}
  tool: {run: "./tools/make ${out}", out: out/tool}
  flag: {sh: "echo ${flags.one} > ${out}", out: out/flag}
  env: {sh: "echo $A > ${out}", dotenv: vars.env, out: out/env}
  other: {sh: "cat ${in} > ${out}", in: other.txt, out: out/other}
"""
SUB = 'treadle: 1\nactions: {page: {sh: "cat ${in} > ${out}", in: page.txt, out: out/page}}\n'
FILES = {
    **{f"src/{name}.c": name for name in "abc"},
    **{f"inc/{name}.h": name for name in "abc"},
    **{f"names/{name}": name for name in "xyz"},
    **{f"docs/{name}.md": name for name in "pq"},
    "tree/one": "1",
    "tree/deep/two": "2",
    "tools/make": "#!/bin/sh\necho > $1\n",
    "flags.yaml": "one: 1\n",
    "vars.env": "A=1\n",
    "other.txt": "o",
    "sub/page.txt": "p",
    ".gitignore": ".treadle\nout\n*.ignored\n",
}


def git(project: Project, *words: str) -> None:
    subprocess.run(["git", *words], cwd=project.folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.write("plan", PLAN)
    made.write("sub/treadle.yaml", SUB)
    for name, text in FILES.items():
        made.write(name, text)
    (made.folder / "tools" / "make").chmod(0o755)
    (made.folder / "tree" / "to").symlink_to("../linked")
    made.write("linked/file", "l")
    Repository(made.folder).commit_all()
    return made


def outcomes(project: Project, *words: str) -> dict[str, str]:
    done = project.treadle("status", "--json", *words)
    assert done.code in (0, 1), done.text
    return {one["name"]: one["decision"] for one in json.loads(done.out)["actions"]}


OBJ_A = {"obj@src/a.c", "link"}
EVERYTHING = {
    *("obj@src/a.c", "obj@src/b.c", "obj@src/c.c", "link", "name@names/x", "name@names/y", "name@names/z", "names"),
    *("doc", "tree", "tool", "flag", "env", "other", "sub:page"),
}


def _move(project: Project, one: str, other: str) -> None:
    (project.folder / one).rename(project.folder / other)


def _remove(project: Project, *names: str) -> None:
    for name in names:
        (project.folder / name).unlink()


EDITS: dict[str, tuple[Callable[[Project], object], set[str] | None]] = {
    "nothing": (lambda p: None, set()),
    "a source": (lambda p: p.write("src/a.c", "new"), OBJ_A),
    "what a depfile names": (lambda p: p.write("inc/a.h", "new"), OBJ_A),
    "a new source": (lambda p: p.write("src/new.c", "new"), {"obj@src/new.c", "link"}),
    "a removed source": (lambda p: _remove(p, "src/a.c"), {"link"}),
    "a renamed source": (lambda p: _move(p, "src/a.c", "src/z.c"), {"obj@src/z.c", "link"}),
    "a new name": (lambda p: p.write("names/new", ""), {"name@names/new", "names"}),
    "a removed name": (lambda p: _remove(p, "names/x"), {"names"}),
    "the content of a name": (lambda p: p.write("names/x", "other"), set()),
    "a document": (lambda p: p.write("docs/p.md", "new"), {"doc"}),
    "a removed document": (lambda p: _remove(p, "docs/p.md"), {"doc"}),
    "all documents": (lambda p: _remove(p, "docs/p.md", "docs/q.md"), {"doc"}),
    "in a tree": (lambda p: p.write("tree/deep/two", "new"), {"tree"}),
    "new in a tree": (lambda p: p.write("tree/deep/new", "new"), {"tree"}),
    "behind a link in a tree": (lambda p: p.write("linked/new", "new"), {"tree"}),
    "a program": (lambda p: p.write("tools/make", "#!/bin/sh\necho new > $1\n"), {"tool"}),
    "a value file": (lambda p: p.write("flags.yaml", "one: 2\n"), None),
    "variables": (lambda p: p.write("vars.env", "A=2\n"), None),
    "the plan": (
        lambda p: p.write("plan", PLAN.replace("cat ${in} > ${out}; echo", "cat ${in}>${out}; echo")),
        None,
    ),
    "an included plan": (lambda p: p.write("sub/treadle.yaml", SUB.replace("cat", "cat -u")), None),
    "of an included plan": (lambda p: p.write("sub/page.txt", "new"), {"sub:page"}),
    "ignored": (lambda p: p.write("tree/x.ignored", "new"), set()),
    "new and of nothing": (lambda p: p.write("else/file", "new"), set()),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_depends_on_what_differs_is_selected_and_no_more(edit: str, project: Project) -> None:
    """Where all was up to date at the commit, all that a run would do now is among it."""
    assert project.treadle("run", "*").code == 0
    change, expected = EDITS[edit]
    change(project)
    dirty = {uid for uid, outcome in outcomes(project, "*").items() if outcome != "skip"}
    listed = project.treadle("list", "--json", "--since", "HEAD", "*")
    selected = {one["name"] for one in json.loads(listed.out)["actions"]}
    if edit != "ignored":
        assert dirty <= selected
    assert selected == (EVERYTHING if expected is None else expected)
    # and in the next commit, seen from the one before
    git(project, "add", "-A")
    git(project, "commit", "-qm", "two", "--allow-empty")
    again = project.treadle("list", "--json", "--since", "HEAD~1", "*")
    assert {one["name"] for one in json.loads(again.out)["actions"]} == selected


def test_a_run_runs_what_is_selected_with_what_it_needs_and_leaves_the_rest(project: Project) -> None:
    project.write("src/a.c", "new")
    done = project.treadle("run", "--since", "HEAD")
    assert done.code == 0
    # there is no record of what the compiler reads, so each object may depend on what differs
    assert "4 run in" in done.out
    assert "deselected: 11 actions, as nothing that they depend on differs from HEAD" in done.out
    assert not (project.folder / "out" / "doc").exists()
    project.write("src/b.c", "new")
    git(project, "add", "src/a.c")
    git(project, "commit", "-qm", "two")
    done = project.treadle("run", "--since", "HEAD", "-v")
    assert "ran obj@src/b.c" in done.out
    assert "deselected doc: nothing that it depends on differs from HEAD" in done.out
    assert "deselected obj@src/a.c" not in done.out
    assert project.treadle("run", "--since", "HEAD", "doc").code == 0
    assert not (project.folder / "out" / "doc").exists()
    status = project.treadle("status", "--since", "HEAD", "doc", "link", "--json")
    assert json.loads(status.out)["deselected"] == {"doc": "nothing that it depends on differs from HEAD"}
    # nothing is put down of what was deselected
    assert outcomes(project, "doc") == {"doc": "run"}


def test_a_run_with_since_leaves_the_snapshots_of_other_runs(project: Project) -> None:
    assert project.treadle("run").code == 0
    project.write("src/a.c", "new")
    assert project.treadle("run", "--since", "HEAD").code == 0
    assert "nothing to do: 15 up to date" in project.treadle("run").out
    project.write("docs/p.md", "new")
    assert "ran doc" in project.treadle("run").out


def test_tracked_outputs_and_other_plans_below_the_top_count(project: Project) -> None:
    project.write(".gitignore", ".treadle\n")
    assert project.treadle("run").code == 0
    git(project, "add", "-A")
    git(project, "commit", "-qm", "outputs")
    project.write("out/doc", "edited")
    assert outcomes(project, "--since", "HEAD") == {"doc": "run"}
    git(project, "checkout", "-q", "--", ".")
    project.write("sub/page.txt", "new")
    done = project.treadle("list", "--json", "--since", "HEAD", "-f", "sub/treadle.yaml")
    assert [one["name"] for one in json.loads(done.out)["actions"]] == ["page"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--since", "nope"], "--since nope: the repository"),
        (["run", "--since=-x"], "'-x' is not the name of a commit"),
        (["run", "--since="], "'' is not the name of a commit"),
        (["run", "--since", "HEAD", "--watch"], "--since and --watch cannot be combined"),
        (["clean", "--since", "HEAD"], "`treadle clean` has no option --since"),
    ],
)
def test_a_call_that_is_wrong_is_refused(words: list[str], said: str, project: Project) -> None:
    done = project.treadle(*words)
    assert done.code == 2
    assert said in done.err


def test_without_a_repository_it_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write("plan", "treadle: 1\nactions: {a: {run: echo, out: x}}\n")
    done = project.treadle("run", "--since", "HEAD")
    assert done.code == 2
    assert "--since HEAD: " in done.err
    assert "is not in a git repository" in done.err


def test_a_session_takes_since(project: Project) -> None:
    from treadle import Options, Session

    project.write("docs/p.md", "new")
    session = Session(project.folder / "treadle.yaml", Options(["doc", "tree"], since="HEAD"))
    assert list(session.run().actions) == ["doc"]
    assert list(session.run().actions) == ["doc"]


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        (["run", "--dry-run"], ["run", "-n"]),
        (["clean", "--dry-run"], ["clean", "-n"]),
        (["run", "--list"], ["list"]),
        (["--list"], ["list"]),
        (["--list", "--all"], ["list", "--all"]),
    ],
)
def test_words_of_other_tools_are_understood(words: list[str], plain: list[str], project: Project) -> None:
    assert project.treadle(*words) == project.treadle(*plain)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["link"], "treadle run link"),
        (["obj", "-j", "2"], "treadle run obj -j 2"),
        (["-C", "sub", "page"], "treadle run -C sub page"),
        (["lst"], "did you mean `treadle list`?"),
        (["nothing"], "`treadle --help` lists the commands"),
    ],
)
def test_a_name_in_place_of_a_command_says_how_to_run_it(words: list[str], hint: str, project: Project) -> None:
    done = project.treadle(*words)
    assert done.code == 2
    assert hint in done.err
    assert os.listdir(project.folder).count("out") == 0


@pytest.mark.parametrize("rev", ["HEAD", "HEAD~0", "main"])
def test_a_run_that_goes_on_with_one_compares_with_the_same_commit(tmp_path: Path, rev: str) -> None:
    plan = "treadle: 1\ndefault: [a, b]\nactions:\n"
    for name in "ab":
        plan += f"  {name}: {{sh: 'echo {name} >> done; cat {name}.txt; test ! -e bad', in: {name}.txt}}\n"
    (tmp_path / "treadle.yaml").write_text(plan)
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "b.txt").write_text("1")
    (tmp_path / ".gitignore").write_text("done\nbad\n")
    repository = Repository(tmp_path)
    repository.commit_all()
    run_treadle(tmp_path, "run", check=0)
    (tmp_path / "a.txt").write_text("2")
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--since", rev, check=1)
    (tmp_path / "bad").unlink()
    (tmp_path / "done").unlink()
    repository.commit_all()
    run_treadle(tmp_path, "resume", check=0)
    assert (tmp_path / "done").read_text().split() == ["a"]
