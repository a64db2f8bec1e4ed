"""Links in the place of files of our own: what they lead to keeps what it holds, and the run goes well."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from project import Done, Project
from treadle.command import outputs
from treadle.state import own_files

PLAN = (
    "treadle: 1\nactions:\n"
    '  a: {sh: "echo hello; cat i > ${out}", in: i, out: o/a}\n'
    '  bad: {sh: "echo half > ${out}; exit 1", out: o/bad}\n'
    '  replaces: {sh: "echo new > ${out}", out: o/there}\n'
)
FILES = ("records", "lock", ".gitignore", "CACHEDIR.TAG", "logs/a.log", "logs/bad.log")
FOLDERS = (
    "logs",
    "quick",
    "failed",
    "replaced",
    "failed/bad",
    "replaced/replaces",
    "failed/bad/o",
    "replaced/replaces/o",
)
KINDS = ("symbolic", "dangling", "hard")


class Victim:
    """Something outside of the project that a link of the state leads to."""

    def __init__(self, project: Project) -> None:
        self.file = project.folder.parent / "victim"
        self.folder = project.folder.parent / "victims"
        self.file.write_text("mine")
        (self.folder / "below").mkdir(parents=True)
        (self.folder / "one").write_text("mine")
        (self.folder / "below/two").write_text("mine")
        (self.folder / "bad").mkdir()
        (self.folder / "bad/three").write_text("mine")
        self.absent = project.folder.parent / "absent"

    def is_untouched(self) -> bool:
        """Return whether it is as it was."""
        inside = sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*"))
        return (
            self.file.read_text() == "mine"
            and not self.absent.exists()
            and inside == ["bad", "bad/three", "below", "below/two", "one"]
            and (self.folder / "one").read_text() == "mine"
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A plan whose actions write everything that goes into the state."""
    project = Project(tmp_path / "project")
    project.write("plan", PLAN)
    project.write("i", "1\n")
    project.write("o/there", "not from Treadle\n")
    return project


def run(project: Project) -> Done:
    """Run everything, with one action that fails."""
    done = project.treadle("run", "-k", "*")
    assert done.code == 1, done.text
    assert "2 run, 1 failed" in done.out, done.text
    return done


def put_link(path: Path, kind: str, victim: Victim) -> None:
    """Put a link in the place of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "hard":
        os.link(victim.file, path)
    else:
        path.symlink_to(victim.file if kind == "symbolic" else victim.absent)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_first", [True, False], ids=["before the first run", "between runs"])
def test_nothing_is_written_through_a_link_in_the_place_of_a_file(
    project: Project, kind: str, is_first: bool
) -> None:
    victim = Victim(project)
    state = project.folder / ".treadle"
    if not is_first:
        run(project)
        project.write("i", "2\n")
        project.write("o/there", "mine again\n")
    for name in FILES if is_first else FILES[1:]:
        put_link(state / name, kind, victim)
    done = project.treadle("run", "-k", "--force", "*")
    assert "failed" in done.out, done.text
    assert victim.is_untouched()
    for name in ("records", "lock", "logs/a.log"):
        assert not (state / name).is_symlink()
        assert (state / name).stat().st_nlink == 1
    assert (state / "logs/a.log").read_text() == "hello\n"


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("is_first", [True, False], ids=["before the first run", "between runs"])
def test_nothing_is_written_through_a_link_in_the_place_of_a_folder(
    project: Project, name: str, is_first: bool
) -> None:
    victim = Victim(project)
    path = project.folder / ".treadle" / name
    if not is_first:
        run(project)
        project.write("i", "2\n")
        shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(victim.folder)
    done = project.treadle("run", "-k", "--force", "*")
    assert "failed" in done.out, done.text
    assert victim.is_untouched()
    assert not path.is_symlink() or not path.parent.is_symlink()
    assert (project.folder / ".treadle/failed/bad/o/bad").read_text() == "half\n"


def test_hard_linked_copies_of_a_project_do_not_write_into_each_other(project: Project) -> None:
    run(project)
    copy = project.folder.parent / "copy"
    shutil.copytree(project.folder, copy, copy_function=os.link)
    held = {path: path.read_bytes() for path in (copy / ".treadle").rglob("*") if path.is_file()}
    project.write("j", "")
    (project.folder / "i").unlink()
    project.write("i", "2\n")
    run_again = project.treadle("run", "-k", "--force", "*")
    assert "failed" in run_again.out
    assert {path: path.read_bytes() for path in (copy / ".treadle").rglob("*") if path.is_file()} == held


@pytest.mark.parametrize("to", ["a folder with files", "an empty folder", "nothing", "state of another plan"])
@pytest.mark.parametrize(
    "command", [("run",), ("init",), ("clean",), ("schema", ".treadle/schema.json")], ids=" ".join
)
def test_a_state_folder_that_is_a_link_is_refused(project: Project, to: str, command: tuple[str, ...]) -> None:
    victim = Victim(project)
    there = victim.folder
    if to == "an empty folder":
        there = project.folder.parent / "empty"
        there.mkdir()
    elif to == "nothing":
        there = victim.absent
    elif to == "state of another plan":
        (victim.folder.parent / "other/.treadle").mkdir(parents=True)
        there = victim.folder.parent / "other/.treadle"
        (there / "records").write_bytes(b"treadle records 1\n" + b"0" * 32 + b"\n")
    before = sorted(there.iterdir()) if there.exists() else []
    (project.folder / ".treadle").symlink_to(there)
    if command == ("init",):
        (project.folder / "treadle.yaml").unlink()
        project.write("Makefile", "all: a\na: b\n\tcp b a\n")
    done = project.treadle(*command)
    assert done.code != 0, done.text
    assert "is a link" in done.err or to == "nothing", done.text
    assert victim.is_untouched()
    assert (sorted(there.iterdir()) if there.exists() else []) == before


def test_state_that_was_moved_and_linked_by_its_user_stays_up_to_date(project: Project) -> None:
    run(project)
    (project.folder / ".treadle").rename(project.folder.parent / "elsewhere")
    (project.folder / ".treadle").symlink_to(project.folder.parent / "elsewhere")
    assert "1 up to date" in project.treadle("run", "a").out
    project.write("i", "2\n")
    assert "1 run" in project.treadle("run", "a").out


@pytest.mark.parametrize("kind", KINDS)
def test_init_writes_the_schema_through_no_link(tmp_path: Path, kind: str) -> None:
    project = Project(tmp_path / "project")
    victim = Victim(project)
    project.write("Makefile", "all: a\na: b\n\tcp b a\n")
    for name in ("schema.json", ".gitignore"):
        put_link(project.folder / ".treadle" / name, kind, victim)
    done = project.treadle("init")
    assert done.code == 0, done.text
    assert victim.is_untouched()
    assert (project.folder / ".treadle/schema.json").read_text().startswith("{")


def test_a_pipe_in_the_place_of_a_log_stops_nothing(project: Project) -> None:
    (project.folder / ".treadle/logs").mkdir(parents=True)
    os.mkfifo(project.folder / ".treadle/logs/a.log")
    run(project)
    assert (project.folder / ".treadle/logs/a.log").read_text() == "hello\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_file_beside_its_place_is_not_written_through_a_link(tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    beside = tmp_path / f"x.{os.getpid()}.new"
    if kind == "hard":
        os.link(victim, beside)
    else:
        beside.symlink_to(victim if kind == "symbolic" else tmp_path / "absent")
    own_files.replace(str(tmp_path / "x"), [b"new"])
    assert (tmp_path / "x").read_text() == "new"
    assert victim.read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["victim", "x"]


@pytest.mark.parametrize(
    "question", ["clean --replaced", "clean", "forget a", "run", "schema .treadle/schema.json"]
)
@pytest.mark.parametrize("said", ["*", "above"])
def test_a_safe_folder_lets_a_link_lead_to_nothing_but_state(project: Project, said: str, question: str) -> None:
    """Safe is said of owners and modes; a link to a folder of our own may have come with a checkout."""
    mine = project.folder.parent / "mine"
    (mine / "replaced").mkdir(parents=True)
    (mine / "replaced/precious").write_text("mine")
    (project.folder / ".treadle").symlink_to(mine)
    safe = "*" if said == "*" else str(project.folder.parent)
    done = project.treadle(*question.split(), TREADLE_SAFE_FOLDERS=safe)
    assert done.code == 2, done.text
    assert "is a link to" in done.err
    assert [path.relative_to(mine).as_posix() for path in sorted(mine.rglob("*"))] == [
        "replaced",
        "replaced/precious",
    ]


def test_a_safe_folder_lets_a_link_lead_to_an_empty_folder(project: Project) -> None:
    (project.folder.parent / "mine").mkdir()
    (project.folder / ".treadle").symlink_to(project.folder.parent / "mine")
    for count in ("1 run", "1 up to date"):
        assert count in project.treadle("run", "a", TREADLE_SAFE_FOLDERS="*").out


KINDS_TO_MOVE = ("file", "link", "dangling link", "link to a folder")


@pytest.mark.parametrize("there", ["nothing", "file", "link", "dangling link"])
@pytest.mark.parametrize("kind", KINDS_TO_MOVE)
def test_what_is_moved_to_another_file_system_goes_through_no_link(tmp_path: Path, kind: str, there: str) -> None:
    victim, full, aside = tmp_path / "victim", tmp_path / "full", tmp_path / "aside"
    victim.write_text("mine")
    text = {"link": "victim", "dangling link": "absent", "link to a folder": "."}.get(kind)
    if text is None:
        full.write_text("moved")
        full.chmod(0o750)
    else:
        full.symlink_to(text)
    if there == "file":
        aside.write_text("older")
    elif there != "nothing":
        aside.symlink_to("victim" if there == "link" else "new")
    if there == "nothing":
        outputs.move_across(str(full), str(aside))
        assert not os.path.lexists(full)
        if text is None:
            assert aside.read_text() == "moved"
            assert aside.stat().st_mode & 0o777 == 0o750
        else:
            assert os.readlink(aside) == text
    else:
        with pytest.raises(FileExistsError):
            outputs.move_across(str(full), str(aside))
        assert os.path.lexists(full)
    assert victim.read_text() == "mine"
    assert not (tmp_path / "new").exists()
    if there == "file":
        assert aside.read_text() == "older"
