"""The index of recorded runs is filled beside a run that lasts; what is wrong with it ends no run, and is told once."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from helpers import DEADLINE, plan, run_treadle, start_treadle
from waiting import until

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import Popen

PLAN = """
actions:
  a: {sh: "echo > started; while [ ! -e go ]; do sleep 0.05; done"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plan(tmp_path, PLAN)
    (tmp_path / "go").touch()
    run_treadle(tmp_path, "run", "a", check=0)
    run_treadle(tmp_path, "runs", check=0)
    (tmp_path / "go").unlink()
    (tmp_path / "started").unlink()
    return tmp_path


def is_long(folder: Path) -> bool:
    """Return whether the last run has begun what it does beside its loop: it takes requests."""
    run = max((folder / ".treadle/runs").iterdir())
    return (run / "events").exists() and len(os.listdir(run)) > 1


def long_run(folder: Path) -> Popen[str]:
    """Start a run, and return it when it has a thread beside its loop."""
    child = start_treadle(folder, "run", "a")
    until((folder / "started").exists, "the start")
    until(lambda: is_long(folder), "the thread")
    return child


def last(folder: Path) -> Any:
    return json.loads(run_treadle(folder, "show", "--json", check=0).out)


def rows(folder: Path) -> list[tuple[str]]:
    """Return the outcomes in the index, as it is."""
    with closing(sqlite3.connect(folder / ".treadle/ledger.db")) as database:
        return database.execute("SELECT outcome FROM attempts ORDER BY run").fetchall()


@pytest.mark.parametrize("ends", ["well", "killed"])
def test_a_run_that_lasts_is_in_the_index_before_its_end(folder: Path, ends: str) -> None:
    child = long_run(folder)
    until(lambda: rows(folder) == [("success",), ("",)], "the attempt that runs")
    if ends == "killed":
        child.kill()
        child.communicate(timeout=DEADLINE)
        assert last(folder)["state"] == "lost"
        (folder / "go").touch()
        # which ends what is left of it
        run_treadle(folder, "run", "a", check=0)
        return
    (folder / "go").touch()
    _, err = child.communicate(timeout=DEADLINE)
    assert (child.returncode, err) == (0, "")
    assert rows(folder) == [("success",), ("success",)]


@pytest.mark.parametrize("how", ["locked", "damaged", "a folder"])
def test_an_index_that_cannot_be_filled_ends_no_run_and_is_caught_up_with(folder: Path, how: str) -> None:
    index = folder / ".treadle/ledger.db"
    with closing(sqlite3.connect(index, isolation_level=None)) as other:
        if how == "locked":
            other.execute("BEGIN EXCLUSIVE")
        else:
            for path in folder.glob(".treadle/ledger.db*"):
                path.unlink()
            if how == "damaged":
                index.write_bytes(b"no database" * 1000)
            else:
                index.mkdir()
        child = long_run(folder)
        (folder / "go").touch()
        began = monotonic()
        out, err = child.communicate(timeout=DEADLINE)
        assert monotonic() - began < 10
        assert (child.returncode, err.count("the ledger")) == (0, 1), out + err
    if how == "a folder":
        index.rmdir()
    assert last(folder)["state"] == "done"


def test_a_short_run_makes_no_index(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {run: 'true'}\n")
    run_treadle(tmp_path, "run", "a", check=0)
    assert "runs" in os.listdir(tmp_path / ".treadle")
    assert not list(tmp_path.glob(".treadle/ledger*"))


def test_a_stopped_run_ends_within_its_bound_though_the_index_is_locked(folder: Path) -> None:
    with closing(sqlite3.connect(folder / ".treadle/ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        child = long_run(folder)
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=DEADLINE)
    assert child.returncode == 143
    assert last(folder)["state"] == "stopped"
