"""Conditions and the fast path: it decides as the whole walk does, and what only a failure needs does not end it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from project import Project

PLAN = """\
treadle: 1
defaults: {pass: [LOG]}
actions:
  gen: {sh: 'echo gen >> $LOG; cat ${in} > ${out}', in: src.txt, out: out/gen}
  test:
    sh: 'echo test >> $LOG; ! grep -q bad ${in} && cat ${in} > ${out}'
    in: {from: gen}
    out: out/test
  lint: {sh: 'echo lint >> $LOG; cat ${in} > ${out}', in: lint.txt, out: out/lint}
  mail: {sh: 'echo mail >> $LOG', needs: [{action: test, when: on_failure}]}
  saved:
    sh: 'echo saved >> $LOG; ! grep -q bad ${in}; cat ${in} > ${out}'
    in: saved.txt
    out: out/saved
    needs: [{action: test, when: failed or timeout}, {action: lint, when: always}]
  sent: {sh: 'echo sent >> $LOG; cat ${in} > ${out}', in: sent.txt, out: out/sent, needs: [{action: lint, when: always}, mail]}
  calm:
    sh: 'echo calm >> $LOG; cat ${in} > ${out}'
    in: calm.txt
    out: out/calm
    needs: [{action: mail, when: not_needed}]
  tidy:
    sh: 'echo tidy >> $LOG; cat ${in} > ${out}'
    in: tidy.txt
    out: out/tidy
    needs: [{action: test, when: always}, {action: mail, when: always}, {action: lint, when: always}]
  last: {sh: 'echo last >> $LOG; cat ${in} > ${out}', in: {from: tidy}, out: out/last}
default: [gen, test, lint, mail, saved, sent, calm, tidy, last]
"""
FILES = ("src.txt", "lint.txt", "saved.txt", "sent.txt", "calm.txt", "tidy.txt")
EDITS = {
    "nothing": "true",
    "the source of what is tested": "echo 2 > src.txt",
    "the source of what is tested, back to good or bad": "grep -q bad src.txt && echo ok > src.txt || echo bad > src.txt",
    "what the other reads": "echo 2 > lint.txt",
    "an input of what only a failure needs": "echo 2 > saved.txt",
    "an input of what only a failure needs is gone": "rm saved.txt",
    "an input of what needs that": "echo 2 > sent.txt",
    "an input of what runs as long as that is not needed": "echo 2 > calm.txt",
    "an input of what always runs after": "echo 2 > tidy.txt",
    "an output of what only a failure needs": "rm -f out/saved",
    "an output of what needs that": "rm -f out/sent",
    "an output of the test": "rm -f out/test",
    "an output of what always runs after": "rm -f out/tidy",
    "two inputs": "echo 2 > sent.txt; echo 2 > lint.txt",
    "a command of what only a failure needs": "sed -i 's/echo mail/echo m; echo mail/' treadle.yaml",
    "a condition becomes always": "sed -i 's/when: on_failure/when: always/' treadle.yaml",
    "a condition becomes on_success": "sed -i 's/when: on_failure/when: on_success/' treadle.yaml",
    "a condition becomes not_needed": "sed -i 's/when: failed or timeout/when: not_needed or success/' treadle.yaml",
    "a condition becomes another one of failures": "sed -i 's/failed or timeout/failed or lost/' treadle.yaml",
    "always becomes on_failure": "sed -i 's/mail, when: always/mail, when: on_failure/' treadle.yaml",
    "a need of what is not needed goes": "sed -i 's/, mail.}/]}/' treadle.yaml",
    "a need of what is not needed comes": "sed -i 's/in: {from: tidy}/in: {from: tidy}, needs: [mail]/' treadle.yaml",
    "a condition goes": "sed -i 's/, needs: .{action: test, when: on_failure}.//' treadle.yaml",
    "a condition and a source": "sed -i 's/when: on_failure/when: always/' treadle.yaml; echo bad > src.txt",
    "a file is read no more that is gone": "sed -i 's/in: saved.txt/in: sent.txt/' treadle.yaml; rm saved.txt",
    "another file is read, which is gone": "sed -i 's/in: saved.txt/in: lost.txt/' treadle.yaml",
}


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A green project whose last run was answered by its snapshot."""
    project = Project(tmp_path_factory.mktemp("green") / "p")
    write_all(project, FILES)
    assert project.run() == ["calm", "gen", "last", "lint", "test", "tidy"]
    assert project.treadle("run").out.startswith("nothing to do: 6 up to date, 3 not needed")
    return project


@pytest.fixture
def settled(green: Project, tmp_path: Path) -> Project:
    """The same project at another place, where its records hold; a first run gives its files their new stamps."""
    shutil.copytree(green.folder, tmp_path / "p", symlinks=True)
    project = Project(tmp_path / "p")
    assert project.treadle("run").out.startswith("nothing to do: 6 up to date, 3 not needed")
    return project


def write_all(project: Project, names: Sequence[str]) -> None:
    project.write("plan", PLAN)
    for name in names:
        project.write(name, "1\n")


def copied(project: Project) -> Project:
    """Return the same project in another folder, without its snapshots."""
    folder = project.folder.with_name("copy")
    shutil.copytree(project.folder, folder, symlinks=True)
    shutil.rmtree(folder / ".treadle/quick")
    return Project(folder)


@pytest.mark.parametrize("edit", EDITS)
def test_the_fast_path_decides_as_the_whole_walk(settled: Project, edit: str) -> None:
    """C8: after an edit in a green project, after a failure that follows, and when the edit is undone."""
    whole = copied(settled)
    for change in (EDITS[edit], "echo bad > src.txt", "undo"):
        for one in (settled, whole):
            if change == "undo":
                write_all(one, FILES[1:])
            else:
                one.run_shell(change)
        shutil.rmtree(whole.folder / ".treadle/quick", ignore_errors=True)
        before, before_whole = len(settled.starts()), len(whole.starts())
        quick, slow = settled.treadle("run", "-k"), whole.treadle("run", "-k")
        assert sorted(settled.starts()[before:]) == sorted(whole.starts()[before_whole:]), (quick.text, slow.text)
        assert quick.code == slow.code
        assert counts(quick.out) == counts(slow.out)


def counts(out: str) -> str:
    """Return the last line of a run without its times."""
    return "".join(out.splitlines()[-1:]).partition(" in ")[0]


def test_what_only_a_failure_needs_does_not_end_the_fast_path(settled: Project) -> None:
    """C8: `mail` has no files, so it would run always, and has no record: the snapshot says that nothing is to do."""
    before = sorted(os.stat(path).st_mtime_ns for path in (settled.folder / ".treadle").rglob("*"))
    assert settled.treadle("run").out.startswith("nothing to do: 6 up to date, 3 not needed")
    assert sorted(os.stat(path).st_mtime_ns for path in (settled.folder / ".treadle").rglob("*")) == before
    settled.write("src.txt", "bad\n")
    assert "mail" in settled.run("-k", code=1)
    settled.write("src.txt", "1\n")
    # the one with `always` has followed a failure, so it runs once more
    assert settled.run("-k") == ["gen", "test", "tidy"]
    # now it has records
    assert settled.treadle("run").out.startswith("nothing to do: 6 up to date, 3 not needed")


def test_a_failure_runs_it_again_each_time(settled: Project) -> None:
    """C5 and C6: a record from the last failure skips nothing after the next one."""
    settled.write("src.txt", "bad\n")
    again = ["mail", "saved", "test", "tidy"]
    assert settled.run("-k", code=1) == sorted(["gen", "sent", *again])
    for _ in range(2):
        done = settled.treadle("run", "-k", "-j1")
        assert done.code == 1
        assert "met by: test failed" in done.out
        assert settled.starts()[-len(again) :].count("mail") == 1


def test_without_k_a_failure_starts_what_it_meets(settled: Project) -> None:
    """C9: by the whole walk, by the dirty part and after an edit of the plan."""
    ended = ["mail", "saved", "tidy"]
    settled.write("src.txt", "bad\n")
    assert settled.run("-j1", code=1) == sorted(["gen", "test", *ended])
    assert settled.run("-j1", code=1) == sorted(["test", *ended])
    shutil.rmtree(settled.folder / ".treadle/quick")
    assert settled.run("-j1", code=1) == sorted(["test", *ended])
    settled.write("plan", PLAN + "# a comment\n")
    assert settled.run("-j1", code=1) == sorted(["test", *ended])


def test_status_and_why_say_what_it_runs_after(settled: Project) -> None:
    """C4: what a run would do, said before it."""
    done = settled.treadle("status", "-v")
    assert "not needed mail: runs only if test fails" in done.out
    assert "not needed sent: runs only if mail succeeds" in done.out
    assert done.out.splitlines()[-1] == "nothing to do: 6 actions up to date, 3 not needed"
    assert done.code == 0
    settled.write("src.txt", "2\n")
    done = settled.treadle("status")
    assert "may run mail: runs only if test fails" in done.out
    assert "may run sent: runs only if mail succeeds" in done.out
    assert "may run saved: runs only if test ends with: failed or timeout" in done.out
    assert "tidy" not in done.out
    assert "mail may run:\n  runs only if test fails" in settled.treadle("why", "mail").out
    settled.write("src.txt", "bad\n")
    settled.run("-k", code=1)
    assert "because of: met by: test failed" in settled.treadle("why", "mail").out
    data = json.loads(settled.treadle("status", "--json").out)
    assert {one["name"]: one["decision"] for one in data["actions"]}["mail"] == "may run"


def test_a_conditional_action_may_be_asked_for_alone(settled: Project) -> None:
    """What it needs comes with it, as ever."""
    settled.write("src.txt", "2\n")
    assert settled.run("mail") == ["gen", "test"]
    settled.write("src.txt", "bad\n")
    assert settled.run("mail", code=1) == ["gen", "mail", "test"]
    assert settled.run("lint") == []


def test_forced_actions_run_only_if_they_are_needed(settled: Project) -> None:
    """C4: the condition comes first."""
    assert settled.run("--force=mail") == []
    assert settled.run("--force=test", "mail") == ["test"]


def test_an_edit_of_what_is_not_needed_is_no_work(settled: Project) -> None:
    """C8: nothing of it is looked at as long as it is not needed."""
    for name in ("saved.txt", "sent.txt"):
        settled.write(name, "2\n")
    assert settled.treadle("run").out.startswith("nothing to do: 6 up to date, 3 not needed")
