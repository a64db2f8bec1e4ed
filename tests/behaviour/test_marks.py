"""`treadle mark`: what a user says of actions of a recorded run counts in the run that resumes it, and nowhere else."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from held import Held
from helpers import plan, run_treadle

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
default: [third]
actions:
  first: {sh: "echo first >> done; echo 1 > ${out}", out: o/first}
  second: {sh: "echo second >> done; test ! -e bad && cat ${in} > ${out}", in: o/first, out: o/second}
  third: {sh: "echo third >> done; cat ${in} > ${out}", in: o/second, out: o/third}
"""


def done(folder: Path) -> list[str]:
    path = folder / "done"
    found = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder in which a run with an identity has failed in its second action."""
    plan(tmp_path, PLAN)
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--workflow", "nightly", check=1)
    assert done(tmp_path) == ["first", "second"]
    return tmp_path


def test_what_is_marked_as_done_is_skipped_by_resume_and_is_no_record(folder: Path) -> None:
    (folder / "o/second").write_text("by hand\n")
    told = run_treadle(folder, "mark", "second", "done", check=0)
    assert told.out == "second: done for a run that resumes this one\n"
    run_treadle(folder, "resume", check=0)
    assert done(folder) == ["third"]
    assert (folder / "o/third").read_text() == "by hand\n"
    # nothing is on record of it: a plain run decides as ever
    assert run_treadle(folder, "status").code == 1
    (folder / "bad").unlink()
    run_treadle(folder, "run", check=0)
    assert done(folder) == ["second", "third"]
    assert run_treadle(folder, "status").code == 0


def test_a_plain_run_knows_no_marks(folder: Path) -> None:
    run_treadle(folder, "mark", "second", "done", check=0)
    run_treadle(folder, "mark", "first", "todo", check=0)
    run_treadle(folder, "run", check=1)
    assert done(folder) == ["second"]


@pytest.mark.parametrize(
    ("said", "runs"),
    [
        (["first"], ["first", "second", "third"]),
        (["first", "--downstream"], ["first", "second", "third"]),
        (["second"], ["second", "third"]),
        (["third"], ["second", "third"]),
        (["f*", "third"], ["first", "second", "third"]),
    ],
)
def test_what_is_marked_as_to_do_runs_though_it_is_up_to_date(
    folder: Path, said: list[str], runs: list[str]
) -> None:
    (folder / "bad").unlink()
    run_treadle(folder, "mark", *said, "todo", check=0)
    run_treadle(folder, "resume", check=0)
    assert done(folder) == runs
    # it is used up
    run_treadle(folder, "resume", check=0)
    assert done(folder) == []


def test_all_that_depends_on_an_action_is_marked_with_it(folder: Path) -> None:
    (folder / "bad").unlink()
    run_treadle(folder, "resume", check=0)
    done(folder)
    told = run_treadle(folder, "mark", "--downstream", "second", "todo", check=0)
    assert told.out == "second, third: todo for a run that resumes this one\n"
    run_treadle(folder, "resume", check=0)
    assert done(folder) == ["second", "third"]


def test_the_last_mark_of_an_action_counts(folder: Path) -> None:
    (folder / "bad").unlink()
    run_treadle(folder, "mark", "second", "done", check=0)
    run_treadle(folder, "mark", "second", "todo", check=0)
    run_treadle(folder, "resume", check=0)
    assert done(folder) == ["second", "third"]


@pytest.mark.parametrize(("mark", "runs"), [("todo", ["second"]), ("done", ["third"])])
def test_a_mark_of_an_older_run_counts_though_the_action_has_passed_meanwhile(
    folder: Path, mark: str, runs: list[str]
) -> None:
    (folder / "bad").unlink()
    (older,) = [path.name for path in (folder / ".treadle/runs").iterdir()]
    run_treadle(folder, "resume", check=0)
    done(folder)
    (folder / "o/second").write_text("by hand\n")
    run_treadle(folder, "mark", "second", mark, "--run", older, check=0)
    run_treadle(folder, "resume", check=0)
    assert done(folder) == runs


def test_what_follows_an_action_that_was_done_by_hand_is_not_taken_for_done(tmp_path: Path) -> None:
    plan(
        tmp_path,
        """
default: [make, send, check]
actions:
  make: {sh: "echo make >> done; echo 1 > ${out}", out: o}
  send: {sh: "echo send >> done", needs: make}
  check: {sh: "echo check >> done; test ! -e bad", needs: send}
""",
    )
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--workflow", "nightly", check=1)
    (tmp_path / "bad").unlink()
    done(tmp_path)
    (tmp_path / "o").write_text("by hand\n")
    run_treadle(tmp_path, "mark", "make", "done", check=0)
    run_treadle(tmp_path, "resume", check=0)
    assert done(tmp_path) == ["send", "check"]
    run_treadle(tmp_path, "resume", check=0)
    assert done(tmp_path) == []


def test_done_is_refused_in_a_run_without_an_identity(tmp_path: Path) -> None:
    """K5."""
    plan(tmp_path, PLAN)
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--record", check=1)
    told = run_treadle(tmp_path, "mark", "second", "done", check=2).err
    assert "only actions of a run with --workflow can be marked as done" in told
    assert "treadle adopt" in told
    run_treadle(tmp_path, "mark", "first", "todo", check=0)
    done(tmp_path)
    run_treadle(tmp_path, "resume", check=1)
    assert done(tmp_path) == ["first", "second"]


@pytest.mark.parametrize(("identity", "code"), [([], 2), (["--workflow", "nightly"], 0)])
def test_a_run_under_way_keeps_marks_by_the_same_rules(tmp_path: Path, identity: list[str], code: int) -> None:
    """K5."""
    held = Held(tmp_path, count=1)
    held.start(*identity, first=1)
    assert "f@0: todo for a run that resumes this one" in held.call("mark", "f@0", "todo")
    held.call("mark", "f@0", "done", check=code)
    held.let_go(1)
    assert held.end()[0] == 0
    assert [(one["verb"], one["as"], one["ok"]) for one in held.requests()] == [
        ("mark", "todo", True),
        ("mark", "done", code == 0),
    ]


WRONG = {
    "no name": (["done"], "expected names of actions, and then done or todo"),
    "no mark": (["second"], "expected names of actions, and then done or todo"),
    "another mark": (["second", "failed"], "expected names of actions, and then done or todo"),
    "an unknown action": (["secnd", "todo"], "did you mean second"),
    "an unknown run": (["second", "todo", "--run", "2020"], "there is no run 2020"),
    "another plan": (["-f", "other.yaml", "x", "todo"], "is of the plan treadle.yaml, and not of other.yaml"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_call_is_refused_and_marks_nothing(folder: Path, kind: str) -> None:
    """K1."""
    said, text = WRONG[kind]
    (folder / "other.yaml").write_text("treadle: 1\nactions: {x: {run: 'true'}}\n")
    assert text in run_treadle(folder, "mark", *said, check=2).err
    assert [path for path in folder.rglob("marks") if path.is_file()] == []


@pytest.mark.parametrize("kind", ["not JSON", "another form", "a link", "all may write"])
def test_marks_that_are_damaged_or_not_ours_do_not_count(folder: Path, kind: str) -> None:
    (folder / "bad").unlink()
    run_treadle(folder, "mark", "second", "done", check=0)
    (path,) = folder.rglob("runs/*/marks")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if kind == "not JSON":
        path.write_bytes(b"\xff\xfe{[\n" + b"[" * 100_000 + b"\n")
    elif kind == "another form":
        path.write_text(
            '[]\n{"as": "done"}\n{"as": "done", "names": "second"}\n{"as": ["x"], "names": ["second"]}\n'
        )
    elif kind == "a link":
        os.rename(path, folder / "elsewhere")
        path.symlink_to(folder / "elsewhere")
    else:
        path.chmod(0o666)
    run_treadle(folder, "resume", check=0)
    assert done(folder) == ["second", "third"]
