"""A local run after one that was killed while an engine ran its actions: nothing of that lives beside it (H7)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from helpers import DEADLINE, Fifo
from treadle import DAG, Command, CommandWalk, Script, Settings, Subscriber
from treadle.state.store import Store

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
from treadle import DAG, Command, CommandWalk, Script, Settings
dag = DAG()
dag.add_vertex("a", Command(script=Script("echo $$ > up; exec sleep 600"), outputs=["o"]))
CommandWalk(dag, ".", Settings(engine={"name": "process", "lease": 7})).run()
"""


class Notes(Subscriber):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def killed(tmp_path: Path) -> tuple[int, str]:
    """Return the process of an action whose run was killed, and that run."""
    up = Fifo(tmp_path / "up")
    child = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=tmp_path, start_new_session=True)
    pid = int(up.wait())
    (run,) = os.listdir(tmp_path / ".treadle/runs")
    child.send_signal(signal.SIGKILL)
    child.wait(DEADLINE)
    return pid, run


def test_a_local_run_ends_what_an_engine_has_of_a_killed_one(tmp_path: Path, killed: tuple[int, str]) -> None:
    pid, run = killed
    store = Store(str(tmp_path))
    store.load()
    assert store.begun_with(run) == ["process", "7.0"]
    dag = DAG()
    # it would see the process of the other one
    dag.add_vertex(
        "a",
        Command(
            script=Script(f'case "$(ps -o stat= -p {pid})" in "" | Z*) echo > o ;; *) exit 1 ;; esac'),
            outputs=["o"],
        ),
    )
    walk, notes = CommandWalk(dag, str(tmp_path), Settings()), Notes()
    walk.bus.add(notes)
    assert walk.run().ok, notes.said
    # its workers were of this machine, so it was not waited for
    assert not [text for text in notes.said if "waiting" in text]
    assert not os.listdir(tmp_path / ".treadle/runs")
    store.load()
    assert store.killed_runs() == []
