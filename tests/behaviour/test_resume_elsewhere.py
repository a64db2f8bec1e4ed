"""Going on with a run from another folder or machine, which a shared ledger knows (U6)."""

from __future__ import annotations

import json
import os
import shutil
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from helpers import DEADLINE, Fifo, plan, run_treadle, start_treadle
from treadle.ledger.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from postgres import PostgresServer

PLAN = """
params: {mode: {default: slow}}
default: [a, b]
actions:
  a: {sh: "echo a ${mode} >> done", always: true}
  b: {sh: "echo b ${mode} >> done; test -e go", needs: a}
"""


@pytest.mark.parametrize("of", ["this host", "another host that sees it by the same path"])
@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("nothing", ""),
        ("the plan", "the plan treadle.yaml of the run"),
        ("the folder", "which cannot be reached from here"),
        ("the events", "which cannot be reached from here"),
    ],
)
def test_a_run_is_gone_on_with_where_its_folder_and_plan_are_reached(
    tmp_path: Path, postgres_server: PostgresServer, of: str, lost: str, said: str
) -> None:
    url = postgres_server.empty_database()
    root, here = tmp_path / "root", tmp_path / "here"
    root.mkdir()
    here.mkdir()
    plan(root, PLAN)
    run_treadle(root, "run", "--record", "-p", "mode=quick", "--ledger", url, check=1)
    run = json.loads(run_treadle(root, "runs", "--json", check=0).out)["runs"][0]["id"]
    (root / "go").touch()
    if of != "this host":
        with Database(url) as database, database.transaction():
            database.write("UPDATE runs SET root = ?", [(f"elsewhere:{os.path.realpath(root)}",)])
    if lost == "the plan":
        (root / "treadle.yaml").unlink()
    elif lost == "the folder":
        shutil.rmtree(root)
    elif lost == "the events":
        (root / ".treadle/runs" / run / "events").unlink()
    result = run_treadle(here, "resume", run, "--ledger", url, check=2 if said else 0)
    assert said in result.err
    if not said:
        assert (root / "done").read_text().split("\n")[:-1] == ["a quick", "b quick", "b quick"]
        assert "which has done 1 action" in result.err
    assert os.listdir(here) == []


def test_a_run_that_no_ledger_knows_is_refused(tmp_path: Path, postgres_server: PostgresServer) -> None:
    url = postgres_server.empty_database()
    assert "there is no treadle.yaml" in run_treadle(tmp_path, "resume", "2026", "--ledger", url, check=2).err
    plan(tmp_path, PLAN)
    assert "no run is recorded" in run_treadle(tmp_path, "resume", "2026", "--ledger", url, check=2).err


def test_a_workflow_that_follows_a_dead_one_of_another_folder_ends_what_that_has_left(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    url = postgres_server.empty_database()
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        plan(folder, "actions:\n  a: {sh: 'test -e go || { echo $$ > up; exec sleep 600; }'}\n")
    up = Fifo(one / "up")
    words = ("run", "a", "--workflow", "w", "--ledger", url)
    child = start_treadle(one, *words)
    action = psutil.Process(int(up.wait()))
    (other / "go").touch()
    # its folder is another one, its identity is not
    assert f"process {child.pid}" in run_treadle(other, *words, check=3).err
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=DEADLINE)
    run_treadle(other, *words, check=0)
    assert not action.is_running() or action.status() == psutil.STATUS_ZOMBIE
