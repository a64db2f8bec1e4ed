"""An output that git tracks and no run has made is not moved aside: the action is refused, with the right ways."""

from __future__ import annotations

import os
import subprocess

import pytest

from project import Project

pytestmark = pytest.mark.system("git")

PLAN = """
treadle: 1
defaults: {pass: [LOG]}
actions:
  a: {sh: "echo a >> $LOG; echo made > o; echo made > lock.json", in: f, out: [o, lock.json]}
"""
REFUSED = "its output lock.json is tracked by git, and no run of Treadle has made it"


def git(project: Project, script: str) -> None:
    environ = dict.fromkeys(("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"), os.devnull)
    people = "git config user.name a; git config user.email a@example.org"
    subprocess.run(
        ["bash", "-euc", f"git init -q . ; {people}; {script}"],
        cwd=project.folder,
        env={**project.environ, **environ},
        check=True,
        capture_output=True,
    )


@pytest.fixture
def cloned(project: Project) -> Project:
    project.write("plan", PLAN)
    for name in ("f", "o", "lock.json"):
        project.write(name, "mine\n")
    return project


STAGED = {
    "committed": "git add lock.json; git commit -qm x",
    "staged alone": "git add lock.json",
    "committed, and edited since": "git add lock.json; git commit -qm x; echo more >> lock.json",
    "of an older form of the index": "git add lock.json; git update-index --index-version 4",
    "in a split index": "git add lock.json; git update-index --split-index; git add f",
}


@pytest.mark.parametrize("how", STAGED)
def test_a_tracked_file_stays_where_it_is(how: str, cloned: Project) -> None:
    git(cloned, STAGED[how])
    before = cloned.read("lock.json")
    for _ in range(2):
        done = cloned.treadle("run")
        assert done.code == 1
        assert REFUSED in done.text
        for word in ("`in`", "`edits`", "`keep: true`"):
            assert word in done.text
        # nothing was moved before it was refused
        assert (cloned.read("lock.json"), cloned.read("o")) == (before, "mine\n")
        assert cloned.starts() == []
    assert not (cloned.folder / ".treadle/replaced").exists()


WAYS = {
    "in": ("out: [o, lock.json]", "out: o", "in: f", "in: [f, lock.json]", "mine\n"),
    "edits": ("out: [o, lock.json]", "out: o, edits: lock.json", "", "", "made\n"),
    "keep": ("out: [o, lock.json]", "out: [o, lock.json], keep: true", "", "", "made\n"),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_of_the_ways_works(way: str, cloned: Project) -> None:
    old, new, read, reads, holds = WAYS[way]
    git(cloned, "git add lock.json f")
    text = PLAN.replace(old, new).replace(read, reads) if read else PLAN.replace(old, new)
    cloned.write("plan", text.replace("; echo made > lock.json", "") if way == "in" else text)
    assert cloned.run() == ["a"]
    assert cloned.read("lock.json") == holds
    assert cloned.run() == []


FREE = {
    "no repository": "rm -rf .git",
    "not tracked": "git add f",
    "tracked elsewhere under this name": "mkdir sub; echo 1 > sub/lock.json; git add sub/lock.json",
    "another case": "cp lock.json LOCK.json; git add LOCK.json",
    "an index that cannot be read": "git add lock.json; echo damaged > .git/index",
    "tracked once": "git add lock.json; git commit -qm x; git rm -q --cached lock.json",
}


@pytest.mark.parametrize("how", FREE)
def test_all_else_is_moved_aside_as_ever(how: str, cloned: Project) -> None:
    git(cloned, FREE[how])
    assert cloned.run() == ["a"]
    assert cloned.read("lock.json") == "made\n"
    moved = [one.read_text() for one in (cloned.folder / ".treadle/replaced").rglob("lock.json")]
    assert moved == ["mine\n"]


def test_what_a_run_has_made_is_its_output_also_if_git_tracks_it(cloned: Project) -> None:
    (cloned.folder / "lock.json").unlink()
    assert cloned.run() == ["a"]
    git(cloned, "git add lock.json; git commit -qm x")
    # equal to the record
    cloned.write("f", "2\n")
    assert cloned.run() == ["a"]
    # edited since: it was made here, so it moves aside
    cloned.write("lock.json", "another branch\n")
    assert cloned.run() == ["a"]
    assert cloned.read("lock.json") == "made\n"


def test_it_is_asked_without_running_git(cloned: Project) -> None:
    git(cloned, "git add lock.json")
    program = cloned.write("bin/git", "#!/bin/sh\necho git >> $LOG\n")
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    assert REFUSED in cloned.treadle("run", PATH=path).text
    assert cloned.starts() == []


def test_a_file_in_an_output_folder_stays_and_is_no_reason_to_refuse(cloned: Project) -> None:
    cloned.write("site/CNAME", "mine\n")
    cloned.write("plan", "treadle: 1\nactions:\n  a: {sh: 'echo 1 > site/x', in: f, out: site/}\n")
    git(cloned, "git add site/CNAME")
    assert cloned.treadle("run").code == 0
    assert cloned.read("site/CNAME") == "mine\n"
