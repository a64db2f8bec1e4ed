"""State counts for the user whose Treadle made it: a mark outside of the folder says so, which no commit can bring."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from project import Project
from treadle.content import trust
from treadle.session import fast_start as at_once
from treadle.state.records import Owner
from treadle.state.store import Store

PLAN = (
    "treadle: 1\nactions:\n"
    '  a: {sh: "echo a >> $LOG; cat ${in} > ${out}", in: i, out: o/a, pass: LOG}\n'
    '  test: {sh: "echo test >> $LOG", in: i, pass: LOG}\n'
)
UNMARKED = "was not made by Treadle for you on this machine: everything counts as new"
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not there to track state")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A plan that has run twice, and whose state has its mark in a folder of its own."""
    project = Project(tmp_path / "project")
    project.environ["XDG_STATE_HOME"] = str(tmp_path / "marks")
    # a recorded run has a mark of its own
    project.environ["TREADLE_LEDGER"] = "off"
    project.write("plan", PLAN)
    project.write("i", "1\n")
    assert project.run("*") == ["a", "test"]
    assert project.run("*") == []
    return project


def marks(project: Project) -> list[Path]:
    """Return the marks of a user."""
    return list(Path(project.environ["XDG_STATE_HOME"], "treadle").iterdir())


def git(project: Project, *words: str) -> None:
    """Call git in a project."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=project.folder, check=True, capture_output=True)


def test_the_state_of_another_machine_counts_for_nothing_and_one_line_says_so(project: Project) -> None:
    project.environ["XDG_STATE_HOME"] += "-of-another"
    status = project.treadle("status", "*")
    assert UNMARKED in status.err
    assert status.err.count("\n") == 1
    assert "TREADLE_TRUST_STATE=1" in status.err
    assert status.code == 1
    assert project.run("*") == ["a", "test"]
    # from now on it is ours
    done = project.treadle("run", "*")
    assert (done.code, done.err) == (0, "")
    assert "nothing to do" in done.out


def test_a_snapshot_without_a_mark_is_never_asked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("LOG", str(project.log))
    monkeypatch.setenv("XDG_STATE_HOME", project.environ["XDG_STATE_HOME"])
    found = at_once.look(["run", "*"])
    assert found is not None
    assert found.probed is not None
    found.probed.snapshot.close()
    for trusted in ("", "1"):
        monkeypatch.setenv("TREADLE_TRUST_STATE", trusted)
        monkeypatch.setenv("XDG_STATE_HOME", str(project.folder.parent / "other"))
        found = at_once.look(["run", "*"])
        assert found is not None
        assert found.probed is None


@pytest.mark.parametrize("how", ["copied", "moved", "restored"])
def test_a_folder_that_is_taken_elsewhere_stays_up_to_date(project: Project, how: str) -> None:
    there = project.folder.parent / "there"
    if how == "copied":
        shutil.copytree(project.folder, there)
    elif how == "moved":
        project.folder.rename(there)
    else:
        (project.folder / ".treadle").rename(project.folder.parent / "state")
        project.run("-n", "*", code=1)
        (project.folder.parent / "state").rename(project.folder / ".treadle")
        there = project.folder
    project.folder = there
    assert project.run("*") == []


def test_records_of_a_cache_count_where_the_environment_says_so(project: Project) -> None:
    project.environ["XDG_STATE_HOME"] += "-of-another"
    project.environ["TREADLE_TRUST_STATE"] = "1"
    done = project.treadle("run", "*")
    assert (done.code, done.err) == (0, "")
    assert "nothing to do" in done.out
    project.write("i", "2\n")
    assert project.run("*") == ["a", "test"]
    assert project.run("*") == []
    # what was believed once is not believed without the word
    project.environ["TREADLE_TRUST_STATE"] = "0"
    assert project.run("*") == ["a", "test"]


@needs_git
def test_state_that_a_commit_brings_is_refused_also_where_a_cache_counts(project: Project) -> None:
    git(project, "init", "-q")
    git(project, "add", "-f", ".treadle")
    git(project, "commit", "-qm", "forged")
    project.environ["XDG_STATE_HOME"] += "-of-another"
    done = project.treadle("run", "*", TREADLE_TRUST_STATE="1")
    assert "tracked by git" in done.err
    assert "2 run" in done.out


@needs_git
@pytest.mark.parametrize(
    "question", [("status", "*"), ("run", "-n", "*"), ("why", "a"), ("list", "-v")], ids=" ".join
)
def test_questions_believe_no_state_that_a_commit_brings(project: Project, question: tuple[str, ...]) -> None:
    git(project, "init", "-q")
    git(project, "add", "-f", ".treadle")
    project.environ["XDG_STATE_HOME"] += "-of-another"
    nothing = project.treadle(*question)
    done = project.treadle(*question, TREADLE_TRUST_STATE="1")
    assert (done.code, done.out) == (nothing.code, nothing.out)


@needs_git
def test_globs_believe_no_state_that_a_commit_brings(project: Project) -> None:
    git(project, "init", "-q")
    action = "treadle: 1\nactions:\n  x: {{sh: 'echo >> $LOG; {}', out: {}, pass: LOG{}}}\n"
    project.write("plan", action.format("echo 1 > ${out}", "t/one", ""))
    project.run("*")
    git(project, "add", "-f", ".treadle")
    project.environ["XDG_STATE_HOME"] += "-of-another"
    project.write("t/two", "2")
    project.write("plan", action.format("cat ${in} > ${out}", "o/all", ', in: "t/*"'))
    project.run("*", TREADLE_TRUST_STATE="1")
    assert project.read("o/all") == "1\n2"


@needs_git
@pytest.mark.parametrize("question", [("check",), ("clean",), ("clean", "-n"), ("clean", "--stale")], ids=" ".join)
def test_check_and_clean_refuse_state_that_git_tracks(project: Project, question: tuple[str, ...]) -> None:
    git(project, "init", "-q")
    assert project.treadle("check").code == 0
    git(project, "add", "-f", ".treadle/records")
    done = project.treadle(*question)
    assert done.code == 2
    assert "git rm -r --cached" in done.err
    assert (project.folder / "o/a").exists()


@needs_git
def test_run_asks_git_nothing_where_the_state_is_marked(project: Project) -> None:
    git(project, "init", "-q")
    git(project, "add", "-f", ".treadle/records")
    project.write("i", "2\n")
    done = project.treadle("run", "*")
    assert (done.code, done.err) == (0, "")


HOMES: dict[str, tuple[dict[str, str], str]] = {
    "XDG_STATE_HOME": ({"XDG_STATE_HOME": "{here}/x", "HOME": "{here}/h"}, "x/treadle"),
    "XDG_STATE_HOME is empty": ({"XDG_STATE_HOME": "", "HOME": "{here}/h"}, "h/.local/state/treadle"),
    "XDG_STATE_HOME is relative": ({"XDG_STATE_HOME": "x", "HOME": "{here}/h"}, "h/.local/state/treadle"),
}


@pytest.mark.parametrize("case", HOMES)
def test_where_marks_are_kept(project: Project, case: str) -> None:
    environ, where = HOMES[case]
    here = project.folder.parent
    project.environ |= {name: value.format(here=here) for name, value in environ.items()}
    assert project.run("*") == ["a", "test"]
    assert project.run("*") == []
    (mark,) = (here / where).iterdir()
    assert mark.stat().st_size == 0
    assert mark.stat().st_mode & 0o077 == 0
    assert (here / where).stat().st_mode & 0o077 == 0


def test_without_a_home_in_the_environment_the_system_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    monkeypatch.delenv("XDG_STATE_HOME")
    home = os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, ".local/state/treadle")
    for value in ("", "relative"):
        monkeypatch.setenv("HOME", value)
        assert trust._mark_folder() == home
    monkeypatch.delenv("HOME")
    assert trust._mark_folder() == home


@pytest.mark.parametrize("place", ["/dev/null", "/proc/nothing"])
def test_where_no_mark_can_be_kept_one_line_says_what_follows(project: Project, place: str) -> None:
    project.environ["XDG_STATE_HOME"] = place
    (project.folder / ".treadle/records").unlink()
    done = project.treadle("run", "*")
    assert done.code == 0
    assert "the next run will treat all actions as new" in done.text
    again = project.treadle("run", "*")
    assert "2 run" in again.out
    assert UNMARKED in again.text
    assert "the next run" not in again.text
    trusted = project.treadle("run", "*", TREADLE_TRUST_STATE="1")
    assert "nothing to do" in trusted.out
    assert trusted.err == ""


def spoil_link(mark: Path) -> None:
    """Put a link in the place of a mark."""
    mark.rename(mark.parent.parent / "elsewhere")
    mark.symlink_to(mark.parent.parent / "elsewhere")


def spoil_folder(mark: Path) -> None:
    """Put a folder in the place of a mark."""
    mark.unlink()
    mark.mkdir()


def spoil_owner(mark: Path) -> None:
    """Let a mark belong to another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can make files of another user")
    os.chown(mark, 65534, 65534)


SPOILED: dict[str, Callable[[Path], object]] = {
    "a link": spoil_link,
    "a folder": spoil_folder,
    "of another user": spoil_owner,
    "gone": Path.unlink,
    "for all to write": lambda mark: mark.chmod(0o666),
    "a file with two names": lambda mark: os.link(mark, mark.parent.parent / "second"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_mark_is_a_file_of_our_own(project: Project, how: str) -> None:
    (mark,) = marks(project)
    SPOILED[how](mark)
    assert UNMARKED in project.treadle("status").err


def test_a_log_that_is_written_anew_keeps_its_mark_and_gets_another_id() -> None:
    first = trust.new_id()
    second = trust.new_id(first)
    assert trust.mark(first) == ""
    assert first != second
    assert trust.is_marked(second)
    assert not trust.is_marked(trust.new_id())


@pytest.mark.parametrize("forged", ["", "../../../etc/hosts", "." * 32, "/" * 32, "\0" * 32])
def test_an_id_that_names_another_path_has_no_mark(forged: str) -> None:
    assert not trust.is_marked(forged)


def test_marks_of_logs_that_are_not_used_for_a_year_go_once_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(trust, "_MANY_MARKS", 3)
    old, used = trust.new_id(), trust.new_id()
    for one in (old, used):
        assert trust.mark(one) == ""
        os.utime(tmp_path / "treadle" / one[:16], (0, 0))
    trust.keep_mark(used)
    assert trust.mark(trust.new_id()) == ""
    assert trust.is_marked(old)
    assert trust.mark(trust.new_id()) == ""
    assert not trust.is_marked(old)
    assert trust.is_marked(used)


def test_the_id_of_a_log_is_for_no_other_user_to_read(project: Project) -> None:
    state = project.folder / ".treadle"
    assert (state / "records").stat().st_mode & 0o077 == 0
    assert (state / "quick").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "path",
    [
        "/etc/x",
        "../x",
        "a/../../x",
        ".treadle/records",
        ".treadle/logs/",
        "a//b",
        "./a",
        ".",
        "",
        "/",
        "a/./b",
        "..",
    ],
)
def test_an_output_on_record_that_no_plan_may_have_is_not_one(tmp_path: Path, path: str) -> None:
    store = Store(str(tmp_path))
    store.acquire("r")
    store.mark_started([Owner("k", "treadle.yaml", "gone", ["good", path, "fine/"])])
    store.release()
    store = Store(str(tmp_path))
    store.load()
    assert store.entries["k"].owner.outputs == ("good", "fine/")
    assert store.entries["k"].owner.made == ("good", "fine/")


def test_clean_removes_nothing_outside_that_a_record_names(project: Project) -> None:
    victim = project.folder.parent / "victim"
    victim.write_text("mine")
    store = Store(str(project.folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", project.environ["XDG_STATE_HOME"])
        store.acquire("r")
        store.mark_started([Owner("k", "treadle.yaml", "gone", [str(victim), "../victim"])])
        store.release()
    assert project.treadle("clean", "--stale").code == 0
    assert victim.read_text() == "mine"
