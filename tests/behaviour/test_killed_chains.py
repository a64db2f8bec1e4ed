"""Runs of a chain killed at random moments: nothing twice at once, nothing done again that is on record, nothing lost.

TREADLE_KILLS=100 tries more.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
from typing import TYPE_CHECKING, Any

import pytest

from helpers import DEADLINE, Fifo, run_treadle, start_treadle
from treadle.ledger.ledger import open_ledger

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("TREADLE_KILLS", "5"))
NAMES = "abcdefgh"
# each notes when another one of it lives, and its begin and its end
SCRIPT = """
for p in $(cat NAME.pids 2>/dev/null); do
  case "$(ps -o stat= -p $p)" in "" | Z*) ;; *) echo NAME >> twice ;; esac
done
echo $$ >> NAME.pids
echo > tick
echo "NAME $(date)" > NAME.out
echo NAME >> done
"""


def write_plan(folder: Path) -> None:
    actions = {}
    for number, name in enumerate(NAMES):
        action: dict[str, Any] = {"sh": SCRIPT.replace("NAME", name), "always": True}
        if number > 1:
            # two chains side by side
            action["needs"] = NAMES[number - 2]
        actions[name] = action
    text = json.dumps({"treadle": 1, "default": [*NAMES], "actions": actions})
    (folder / "treadle.yaml").write_text(text)


def passes(folder: Path) -> dict[str, list[str]]:
    """Return name -> how its attempts have ended, in the order of their runs."""
    with open_ledger(str(folder / ".treadle"), print) as ledger:
        found: dict[str, list[str]] = {}
        for name, category in ledger.rows("SELECT name, category FROM attempts ORDER BY run, start, number"):
            found.setdefault(str(name), []).append(str(category))
        return found


@pytest.mark.parametrize("kind", ["killed", "killed with its actions", "frozen and killed"])
def test_a_chain_of_killed_runs_comes_to_its_end(tmp_path: Path, kind: str) -> None:
    chance = random.Random(f"{kind} {KILLS}")
    tick = Fifo(tmp_path / "tick")
    write_plan(tmp_path)
    # until the chain is done there is always something to go on with
    words = ["run", "--record", "-j2"]
    for _ in range(KILLS):
        child = start_treadle(tmp_path, *words)
        for _ in range(chance.randrange(4)):
            # it has come so far, or has ended
            assert child.stdout is not None
            assert select.select([tick._fd, child.stdout.fileno()], [], [], DEADLINE)[0]
            if select.select([tick._fd], [], [], 0)[0]:
                os.read(tick._fd, 1)
        select.select([], [], [], chance.random() * 0.05)
        if kind == "frozen and killed":
            child.send_signal(signal.SIGSTOP)
            # what lives is not closed, whatever was killed before it
            run_treadle(tmp_path, "reap", check=0)
            assert state_of(tmp_path, child.pid) != "lost"
        if kind == "killed with its actions":
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.send_signal(signal.SIGKILL)
        child.communicate(timeout=DEADLINE)
        if recorded(tmp_path):
            words = ["resume", "-j2"]
    run_treadle(tmp_path, *words, check=0)
    run_treadle(tmp_path, "resume", check=0)
    assert not (tmp_path / "twice").exists()
    ends = passes(tmp_path)
    assert set(ends) == {*NAMES}
    done = (tmp_path / "done").read_text().split()
    for name, categories in ends.items():
        # once it has succeeded on record, no later run of the chain does it again
        assert categories.count("PASS") <= 1, (name, categories)
        assert "PASS" not in categories[:-1], (name, categories)
        assert name in done
    assert run_treadle(tmp_path, "reap", check=0).out
    assert run_treadle(tmp_path, "reap", check=0).out == "there is nothing to close\n"


def state_of(folder: Path, pid: int) -> str:
    """Return the state of the run of a process, "" if none is recorded."""
    with open_ledger(str(folder / ".treadle"), print) as ledger:
        return "".join(str(state) for (state,) in ledger.rows("SELECT state FROM runs WHERE pid = ?", (pid,)))


def recorded(folder: Path) -> bool:
    return any((folder / ".treadle/runs").glob("*/events"))
