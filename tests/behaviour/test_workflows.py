"""Runs with an identity: one of them is under way at a time, and what lost it ends."""

from __future__ import annotations

import json
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

from helpers import DEADLINE, Fifo, ended, plan, run_treadle, start_treadle
from treadle.ledger.database import Database

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
params: {mode: {default: slow}}
default: [a]
actions:
  a: {sh: "echo ${mode} >> done; test -e go || { echo > up; exec sleep 600; }"}
  last: {sh: "echo last >> done", finally: true}
"""
BEATS = ("--outlive", "600ms")


def done(folder: Path) -> list[str]:
    path = folder / "done"
    return path.read_text().splitlines() if path.exists() else []


def runs(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run_treadle(folder, "runs", "--json", check=0).out)["runs"]
    return found


def owners(folder: Path) -> list[tuple[Any, ...]]:
    with Database(str(folder / ".treadle/ledger.db")) as database:
        return database.rows("SELECT epoch, run, ended FROM owners ORDER BY workflow, params")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "--workflow", "w"], 3, "the workflow w"),
        # the same value, given in another way
        (["run", "--workflow", "w", "-p", "mode=slow"], 3, "the workflow w"),
        (["run", "--workflow", "w", "--no-wait"], 3, "the workflow w"),
        # these are others, and wait for the folder
        (["run", "--workflow", "w", "-p", "mode=quick", "--no-wait"], 3, "is at work in this folder"),
        (["run", "--workflow", "v", "--no-wait"], 3, "is at work in this folder"),
        (["run", "--no-wait"], 3, "is at work in this folder"),
    ],
)
def test_a_second_start_is_refused_with_what_is_under_way(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    up = Fifo(tmp_path / "up")
    plan(tmp_path, PLAN)
    child = start_treadle(tmp_path, "run", "--workflow", "w")
    up.wait()
    first = runs(tmp_path)[0]
    refused = run_treadle(tmp_path, *words, check=code).err
    assert said in refused
    assert f"process {child.pid}" in refused
    if said.startswith("the workflow"):
        assert f"run {first['id']}" in refused
        assert f"as {first['user']}, process {child.pid}, since {first['began']}" in refused
        # nothing is recorded of it: `last` is the one that is under way
        assert [one["id"] for one in runs(tmp_path)] == [first["id"]]
    child.send_signal(signal.SIGTERM)
    assert ended(child).code == 143
    assert done(tmp_path) == ["slow", "last"]
    assert first["workflow"] == "w"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_identity_is_free_when_its_run_has_ended(tmp_path: Path, number: int) -> None:
    up = Fifo(tmp_path / "up")
    plan(tmp_path, PLAN)
    child = start_treadle(tmp_path, "run", "--workflow", "w")
    up.wait()
    child.send_signal(number)
    child.communicate(timeout=DEADLINE)
    (tmp_path / "go").touch()
    run_treadle(tmp_path, "resume", check=0)
    newest, oldest = runs(tmp_path)
    assert (newest["workflow"], newest["resumes"]) == ("w", oldest["id"])
    assert owners(tmp_path) == [(2, newest["id"], 1)]


def test_a_run_that_has_lost_its_identity_ends_at_once(tmp_path: Path) -> None:
    up = Fifo(tmp_path / "up")
    plan(tmp_path, PLAN)
    child = start_treadle(tmp_path, "run", "--workflow", "w", *BEATS)
    up.wait()
    with Database(str(tmp_path / ".treadle/ledger.db")) as database, database.transaction():
        database.write("UPDATE owners SET epoch = ?, token = ?, run = ?, host = ?", [(2, "x", "other", "farm9")])
    result = ended(child)
    assert result.code == 1
    assert "another run has taken over the workflow w" in result.err
    assert "other on farm9" in result.err
    # not even what comes at the end of each run is started
    assert done(tmp_path) == ["slow"]
    assert owners(tmp_path) == [(2, "other", 0)]
    assert runs(tmp_path)[0]["state"] == "stopped"


def test_a_ledger_that_is_removed_or_made_anew_ends_no_run(tmp_path: Path) -> None:
    up = Fifo(tmp_path / "up")
    plan(tmp_path, PLAN)
    child = start_treadle(tmp_path, "run", "--workflow", "w", *BEATS)
    up.wait()
    run_treadle(tmp_path, "runs", "--rebuild", check=0)
    refused = run_treadle(tmp_path, "run", "--workflow", "w", check=3).err
    assert f"process {child.pid}" in refused
    child.send_signal(signal.SIGTERM)
    assert ended(child).code == 143
    (tmp_path / "go").touch()
    run_treadle(tmp_path, "run", "--workflow", "w", check=0)
    # nothing of it decides what runs
    shutil.rmtree(tmp_path / ".treadle/runs")
    (tmp_path / ".treadle/ledger.db").unlink()
    run_treadle(tmp_path, "run", "--workflow", "w", check=0)
    assert done(tmp_path) == ["slow", "last"] * 3


def test_a_workflow_has_to_be_recorded(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    refused = run_treadle(tmp_path, "run", "--workflow", "w", env={"TREADLE_LEDGER": "off"}, check=2).err
    assert "a run with --workflow is recorded" in refused
    assert done(tmp_path) == []
