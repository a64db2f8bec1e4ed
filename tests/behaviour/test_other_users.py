"""Plans and state of other users: nothing of theirs runs, whatever is asked and from whichever folder.

With root the other user is a real one; else what is tried with modes alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from project import COMMAND, Done, Project

STRANGER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
PLAN = 'treadle: 1\nactions:\n  a: {sh: "echo a >> $LOG; echo > ${out}", out: o/a, pass: LOG}\n'
INCLUDED = "treadle: 1\ninclude: [other/part.yaml]\n"
DOTENV = PLAN.replace("pass:", "dotenv: other/part.yaml, pass:")
VALUES = "treadle: 1\nvars: {v: {file: other/part.yaml}}\n" + PLAN.removeprefix("treadle: 1\n")


def give(*paths: Path) -> None:
    """Let paths belong to another user."""
    for path in paths:
        os.lchown(path, STRANGER, STRANGER)


def write_to_all(path: Path) -> None:
    """Let all users write to a path."""
    path.chmod(0o777 if path.is_dir() else 0o666)


HOW: dict[str, tuple[Callable[[Path], None], str]] = {
    "belongs to another user": (give, "belongs to"),
    "can be written by all": (write_to_all, "all users may write to it"),
}
QUESTIONS = (
    ("run", "-n"),
    ("status",),
    ("why", "a"),
    ("list",),
    ("graph",),
    ("check",),
    ("log", "a"),
    ("clean",),
    ("forget", "a"),
    ("run", "-f", "treadle.yaml"),
)


def spoil(how: str, path: Path) -> str:
    """Bring a path into the hands of another user; return what is said of it then."""
    if "belongs" in how and os.geteuid() != 0:
        pytest.skip("only root can make files of another user")
    do, said = HOW[how]
    do(path)
    return said


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("what", ["treadle.yaml", "."])
def test_a_plan_in_the_hands_of_another_user_is_refused(project: Project, how: str, what: str) -> None:
    project.write("plan", PLAN)
    said = spoil(how, project.folder / what)
    done = project.treadle("run")
    assert done.code == 2, done.text
    assert said in done.err
    assert "TREADLE_SAFE_FOLDERS=" in done.err
    assert not project.starts()


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_no_command_uses_a_plan_that_others_may_write_to(project: Project, question: tuple[str, ...]) -> None:
    write_to_all(project.write("plan", PLAN))
    done = project.treadle(*question)
    assert done.code == 2, done.text
    assert "all users may write to it" in done.err


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("plan", [INCLUDED, DOTENV, VALUES], ids=["include", "dotenv", "file of values"])
@pytest.mark.parametrize("what", ["other/part.yaml", "other"])
def test_files_of_a_plan_count_by_the_same_rule(project: Project, plan: str, how: str, what: str) -> None:
    project.write("plan", plan)
    project.write("other/part.yaml", PLAN if plan is INCLUDED else "A=1\n" if plan is DOTENV else "x: 1\n")
    assert project.treadle("check").code == 0
    said = spoil(how, project.folder / what)
    done = project.treadle("run")
    assert done.code == 2, done.text
    assert said in done.err
    assert not project.starts()


@pytest.mark.parametrize("plan", [INCLUDED, DOTENV, VALUES], ids=["include", "dotenv", "file of values"])
@pytest.mark.parametrize("question", ["status", "check", "list", "__complete -- run a@"])
def test_no_question_waits_for_a_pipe_in_the_place_of_a_file_of_a_plan(
    project: Project, plan: str, question: str
) -> None:
    project.write("plan", plan)
    (project.folder / "other").mkdir()
    os.mkfifo(project.folder / "other/part.yaml")
    done = project.treadle(*question.split())
    if "__complete" in question:
        assert done.code == 0
    else:
        assert done.code == 2, done.text
        assert "It is a pipe or a device" in done.err


@pytest.mark.parametrize("how", ["can be written by all"])
@pytest.mark.parametrize("depth", ["", "in", "in/deep"])
def test_a_plan_above_is_found_and_refused_and_the_search_does_not_go_on(
    project: Project, how: str, depth: str
) -> None:
    project.write("plan", PLAN)
    project.write("shared/treadle.yaml", PLAN)
    here = project.folder / "shared" / depth
    here.mkdir(parents=True, exist_ok=True)
    spoil(how, project.folder / "shared/treadle.yaml")
    done = project.treadle("run", "-C", str(here))
    assert done.code == 2, done.text
    assert "shared/treadle.yaml is not used" in done.err
    assert not project.starts()


@pytest.mark.parametrize("how", HOW)
def test_completion_says_nothing_of_a_foreign_plan(project: Project, how: str) -> None:
    project.write("plan", PLAN.replace("a:", "secretly_named:"))
    assert "secretly_named" in project.treadle("__complete", "--", "run", "").out
    spoil(how, project.folder / "treadle.yaml")
    done = project.treadle("__complete", "--", "run", "")
    assert (done.code, done.out, done.err) == (0, ":files\n", "")


@pytest.mark.parametrize("said", ["{folder}", "*", "/nowhere:{folder}"])
def test_the_environment_allows_it(project: Project, said: str) -> None:
    project.write("plan", PLAN)
    project.folder.chmod(0o777)
    assert project.run(TREADLE_SAFE_FOLDERS=said.format(folder=project.folder)) == ["a"]
    assert project.run(TREADLE_SAFE_FOLDERS=said.format(folder=project.folder)) == []
    project.run(code=2)


@needs_root
def test_root_in_a_container_over_a_users_checkout_is_told_what_to_set(project: Project) -> None:
    project.write("plan", PLAN)
    give(project.folder, project.folder / "treadle.yaml")
    done = project.treadle("run")
    assert done.code == 2
    assert f"TREADLE_SAFE_FOLDERS={project.folder}" in done.err
    assert project.run(TREADLE_SAFE_FOLDERS=str(project.folder)) == ["a"]
    assert project.run(TREADLE_SAFE_FOLDERS=str(project.folder)) == []


@needs_root
def test_sudo_runs_the_plan_of_its_caller_and_of_no_third_user(project: Project) -> None:
    project.write("plan", PLAN)
    give(project.folder, project.folder / "treadle.yaml")
    project.run(code=2, SUDO_UID="1000", SUDO_GID="1000")
    assert project.run(SUDO_UID=str(STRANGER), SUDO_GID=str(STRANGER)) == ["a"]


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_usual_umasks_need_no_word(project: Project, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = project.folder / "sub"
        folder.mkdir()
        project.write("sub/treadle.yaml", PLAN)
        for names in (["a"], []):
            started = project.starts()
            assert project.treadle("run", "-C", str(folder)).code == 0
            assert project.starts()[len(started) :] == names
    finally:
        os.umask(before)


def test_state_that_an_open_umask_made_is_still_our_own(project: Project) -> None:
    project.write("plan", PLAN)
    before = os.umask(0)
    try:
        assert project.run() == ["a"]
    finally:
        os.umask(before)
    done = project.treadle("run")
    assert "nothing to do" in done.out, done.text
    assert done.err == ""


def test_no_other_user_may_write_to_state_that_an_open_umask_made(project: Project) -> None:
    project.write("o/d/there", "mine")
    project.write(
        "plan",
        'treadle: 1\nactions:\n  a: {sh: "echo > ${out}/f", out: o/a/}\n'
        '  b: {sh: "echo > ${out}", out: o/d/there}\n  c: {sh: "echo > ${out}; exit 1", out: o/c}\n',
    )
    before = os.umask(0)
    try:
        project.treadle("run", "-k")
    finally:
        os.umask(before)
    state = project.folder / ".treadle"
    ours = [path for path in state.rglob("*") if path.name not in ("there", "c") or path.is_dir()]
    assert {"made", "logs", "replaced", "failed", "quick"} <= {path.name for path in ours}
    assert [path for path in ours if path.stat().st_mode & 0o022] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to a group that it is not in")
def test_a_setgid_team_folder_is_refused_unless_the_team_is_the_primary_group(project: Project) -> None:
    project.write("plan", PLAN)
    os.chown(project.folder, 0, STRANGER)
    project.folder.chmod(0o2775)
    done = project.treadle("run")
    assert done.code == 2
    assert "the group" in done.err
    assert f"chmod g-w {project.folder}" in done.err
    project.prefix = ("setpriv", f"--regid={STRANGER}", "--clear-groups")
    assert project.run() == ["a"]


class Settled:
    """A plan that has run twice, so that a snapshot and records say that there is nothing to do."""

    def __init__(self, project: Project) -> None:
        self.project = project
        project.write("plan", PLAN)
        assert project.run() == ["a"]
        assert "nothing to do" in project.treadle("run").out
        self.state = project.folder / ".treadle"


STATE = ("", "records", "quick/*")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("part", STATE)
def test_state_in_the_hands_of_another_user_is_not_believed(project: Project, how: str, part: str) -> None:
    state = Settled(project).state
    for path in state.glob(part) if part else [state]:
        spoil(how, path)
    status = project.treadle("status")
    run = project.treadle("run")
    if part == "quick/*":
        # the records are ours still
        assert run.code == 0, run.text
        assert run.err == ""
        return
    assert "everything counts as new" in status.err, status.text
    assert status.code == 1
    assert run.code != 0
    assert "is not used" in run.err


def test_a_snapshot_of_a_folder_above_counts_only_for_its_own_plan(project: Project) -> None:
    project.write("plan", PLAN)
    (project.folder / "sub").mkdir()
    for _ in range(2):
        assert project.treadle("run", "-C", "sub").code == 0
    project.write("sub/treadle.yaml", PLAN.replace("a:", "b:").replace("echo a", "echo b"))
    assert project.run("-C", "sub") == ["b"]
    # of two plans with the same call each is answered by its own snapshot
    assert "nothing to do" in project.treadle("run", "-C", "sub").out
    (project.folder / "sub/treadle.yaml").unlink()
    assert "nothing to do" in project.treadle("run", "-C", "sub").out


def test_a_snapshot_below_a_root_above_still_answers(project: Project) -> None:
    project.write("plans/treadle.yaml", PLAN.replace("treadle: 1\n", "treadle: 1\nroot: ..\n"))
    for names in (["a"], [], []):
        assert project.run("-C", "plans") == names
    strace = shutil.which("strace")
    if strace is None:
        return
    trace = project.folder.parent / "trace"
    subprocess.run(
        [strace, "-f", "-o", str(trace), *COMMAND, "run", "-C", "plans"],
        cwd=project.folder,
        env=project.environ,
        check=True,
    )
    assert "plan/loader" not in trace.read_text()


@needs_root
def test_another_user_runs_nothing_of_ours_by_a_planted_snapshot(project: Project) -> None:
    """A folder that all may write to holds state of another user, for the very call that is made below."""
    project.write("plan", PLAN.replace("echo a", "echo planted"))
    below = project.folder / "mine"
    below.mkdir()
    assert project.treadle("run", "-C", "mine").code == 0
    (project.folder / "treadle.yaml").unlink()
    (project.folder / "o/a").unlink()
    for path in project.folder.rglob("*"):
        if path != below:
            give(path)
    project.folder.chmod(0o1777)
    started = project.starts()
    done = project.treadle("run", "-C", "mine")
    assert done.code == 2, done.text
    assert project.starts() == started


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that another user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="treadle-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@needs_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not there to become another user")
def test_a_user_runs_the_plan_of_root_and_not_that_of_a_third_user(shared: Path) -> None:
    def run() -> Done:
        done = subprocess.run(
            ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", *COMMAND, "list"],
            cwd=shared,
            env={**os.environ, "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    (shared / "treadle.yaml").write_text(PLAN)
    assert run().code == 0
    os.chown(shared / "treadle.yaml", 12345, 12345)
    refused = run()
    assert refused.code == 2
    assert "the user 12345" in refused.err


LINKED = {
    "-f": ("mine/p.yaml", PLAN, ("-f", "LINK/p.yaml")),
    "an include": ("mine/p.yaml", PLAN, ()),
    "a dotenv": ("mine/p.yaml", "A=b\n", ()),
    "values": ("mine/p.yaml", "k: 1\n", ()),
    "the root": ("mine/x", "", ()),
}
THROUGH = {
    "an include": "treadle: 1\ninclude: [LINK/p.yaml]\n",
    "a dotenv": PLAN.replace("pass:", "dotenv: LINK/p.yaml, pass:"),
    "values": "treadle: 1\nvars: {v: {file: LINK/p.yaml}}\n" + PLAN.removeprefix("treadle: 1\n"),
    "the root": PLAN.replace("treadle: 1\n", "treadle: 1\nroot: LINK\n"),
}
LINKS = {
    "a folder link": ("pub/fold", "../mine", "pub/fold"),
    "one further up": ("pub/up", "..", "pub/up/mine"),
    "one behind another": ("pub/fold", "second", "pub/fold"),
}


@needs_root
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("what", LINKED)
def test_no_link_of_another_user_chooses_which_of_our_files_counts(project: Project, what: str, link: str) -> None:
    name, text, arguments = LINKED[what]
    at, to, through = LINKS[link]
    project.write(name, text)
    pub = project.folder / "pub"
    pub.mkdir()
    pub.chmod(0o755)
    (project.folder / at).symlink_to(to)
    give(project.folder / at)
    if to == "second":
        (pub / "second").symlink_to("../mine")
    if what in THROUGH:
        project.write("plan", THROUGH[what].replace("LINK", through))
    done = project.treadle("run", *(one.replace("LINK", through) for one in arguments))
    assert done.code == 2, done.text
    assert "it is a link that belongs to" in done.text
    assert not project.starts()
    os.lchown(project.folder / at, 0, 0)
    assert project.treadle("run", *(one.replace("LINK", through) for one in arguments)).code == 0


@needs_root
def test_no_link_counts_that_another_user_may_turn(project: Project) -> None:
    project.write("mine/p.yaml", PLAN)
    (project.folder / "pub").mkdir()
    (project.folder / "pub/fold").symlink_to("../mine")
    (project.folder / "pub").chmod(0o777)
    done = project.treadle("run", "-f", "pub/fold/p.yaml")
    assert done.code == 2
    assert "all users may write to it" in done.text
