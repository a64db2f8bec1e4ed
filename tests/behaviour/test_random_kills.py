"""Recorded runs that are stopped in the middle, at random moments: killed, frozen, on a full disk, with the clock set back.

After each of them, whatever it was: nothing is recorded as done that was not done, no action ran twice at once, what
was recorded as done is not lost and not done again, and the next run leaves what a clean build leaves.

    pytest tests/behaviour/test_random_kills.py                      # five stops of each kind
    TREADLE_KILLS=100 pytest tests/behaviour/test_random_kills.py    # a hundred of each; TREADLE_SEED=7 for others
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from helpers import DEADLINE, environment, run_treadle, start_treadle
from waiting import until

KILLS = int(os.environ.get("TREADLE_KILLS", "5"))
SEED = int(os.environ.get("TREADLE_SEED", "1"))
NAMES = [f"a{number}" for number in range(8)]
ALWAYS = "z"
WORK = (
    "exec 9> ../locks/{name}; flock -n 9 || echo {name} >> ../twice; echo start {name} $TREADLE_RUN >> $LOG; sleep 0.0{pause};"
    " {{ cat ${{in}}; echo {name}; }} > ${{out}}; echo end {name} >> $LOG"
)
"""One action: it holds a lock that no other attempt of it can have, and says when it starts and ends."""
CLOCK = """
import os, time
_real, _calls = time.time, [0]
def _set_back():
    _calls[0] += 1
    return _real() - (float(os.environ["SET_BACK"]) if _calls[0] > int(os.environ["AFTER_CALLS"]) else 0.0)
if "SET_BACK" in os.environ:
    time.time = _set_back
"""
"""What an interpreter loads at its start, in which the clock is set back at some moment."""

pytestmark = pytest.mark.skipif(shutil.which("flock") is None, reason="flock says whether two run at once")


class Stops:
    """A folder with a plan, runs of it that are stopped, and what has to hold after each of them."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder = folder / "p"
        self.rng = rng
        self.number = 0
        for name in ("p", "locks", "clock"):
            (folder / name).mkdir()
        (folder / "clock/sitecustomize.py").write_text(CLOCK)
        lines = ["treadle: 1", "defaults: {pass: [LOG]}", f"default: [{', '.join([*NAMES, ALWAYS])}]", "actions:"]
        for at, name in enumerate(NAMES):
            before = ["x"] if at < 3 else [f"o/{one}" for one in rng.sample(NAMES[:at], 2)]
            script = WORK.format(name=name, pause=rng.randrange(1, 6))
            lines += [f"  {name}:", f"    in: [{', '.join(before)}]", f"    out: o/{name}", f"    sh: '{script}'"]
        script = f"echo start {ALWAYS} $TREADLE_RUN >> $LOG; echo end {ALWAYS} >> $LOG"
        lines += [f"  {ALWAYS}:", "    always: true", f"    sh: '{script}'"]
        (self.folder / "treadle.yaml").write_text("\n".join(lines) + "\n")
        self.edit()

    def edit(self) -> None:
        """Change the input of all, so that there is something to do, with a new log."""
        self.number += 1
        (self.folder / "x").write_text(f"{self.number}\n")

    @property
    def log(self) -> Path:
        return self.folder.parent / f"log{self.number}"

    @property
    def env(self) -> dict[str, str]:
        return {"LOG": str(self.log)}

    def lines(self, word: str) -> list[list[str]]:
        """Return the lines that begin with a word since the last edit, as words."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.split() for line in lines if line.startswith(f"{word} ")]

    def said(self, word: str) -> list[str]:
        """Return the names that have said a word since the last edit."""
        return [line[1] for line in self.lines(word)]

    def started_last(self, before: int) -> list[str]:
        """Return what the last run has started.

        :param before: how many lines there were before it: more of those that it has ended may follow first
        """
        lines = [(line[1], line[-1].partition("/")[0]) for line in self.lines("start")[before:]]
        return [name for name, run in lines if run == lines[-1][1]]

    def runs(self) -> set[str]:
        """Return the recorded runs."""
        folder = self.folder / ".treadle/runs"
        return {*os.listdir(folder)} if folder.is_dir() else set()

    def start(self, **env: str) -> subprocess.Popen[str]:
        """Start a run, and return it at a random moment of its life."""
        child = start_treadle(self.folder, "run", "-j3", "-k", env={**self.env, **env})
        wanted = self.rng.randrange(len(NAMES) * 2)
        until(lambda: child.poll() is not None or len(self.said("start") + self.said("end")) > wanted, "a moment")
        # between two lines of the log too
        Event().wait(self.rng.random() * 0.04)
        return child

    def go_on(self, runs: set[str]) -> None:
        """Check what the runs since a moment have recorded, go on with the last of them, and check all that holds.

        :param runs: those of before that moment
        """
        fresh = sorted(self.runs() - runs)
        recorded = {run: events_of(self.folder, run) for run in fresh}
        done = [name for events in recorded.values() for name in succeeded(events)]
        for name in (*NAMES, ALWAYS):
            assert done.count(name) <= self.said("end").count(name), f"{name} is recorded as done, and was not"
        before = len(self.said("start"))
        # one that was stopped before it could tell how it was called is refused, and has to be called again
        is_told = bool(fresh) and any(event["event"] == "call" for event in recorded[fresh[-1]])
        resumes = is_told and self.rng.random() < 0.5
        words = ("resume", fresh[-1]) if resumes else ("run",)
        run_treadle(self.folder, *words, "-j3", env=self.env, check=0)
        started = self.started_last(before)
        again = {*started} & {*done} - (set() if resumes else {ALWAYS})
        assert not again, f"{again} were recorded as done, and done again by {words[0]}"
        assert len(started) == len({*started})
        assert not (self.folder.parent / "twice").exists(), "an action ran twice at once"
        self.check_outputs()
        count = len(self.said("start"))
        run_treadle(self.folder, "run", "-j3", env=self.env, check=0)
        assert self.said("start")[count:] == [ALWAYS], "a run with nothing to do ran something"
        self.check_ledger(recorded)

    def check_outputs(self) -> None:
        """Check that all outputs are those of the present input."""
        for name in NAMES:
            text = (self.folder / "o" / name).read_text()
            assert {line for line in text.split() if line.isdigit()} == {str(self.number)}, name

    def check_ledger(self, recorded: dict[str, list[dict[str, Any]]]) -> None:
        """Check that the ledger has what the runs have recorded, and that what it has is not more than that."""
        kept = {one["id"] for one in self.look("runs")["runs"]}
        assert kept == self.runs()
        for run in kept & recorded.keys():
            assert events_of(self.folder, run)[: len(recorded[run])] == recorded[run], "events were lost"
            shown = self.look("show", run)
            assert shown["state"] != "running"
            told = [one["name"] for one in shown["actions"] if one["outcome"] == "success"]
            assert sorted(told) == sorted(succeeded(recorded[run]))

    def look(self, *words: str) -> Any:
        return json.loads(run_treadle(self.folder, *words, "--json", env=self.env, check=0).out)

    def check_rebuilt(self) -> None:
        """Check that an index that is made anew says the same as the one that was filled bit by bit."""
        words = (("runs",), ("attempts",), ("stats",))
        filled = [self.look(*one) for one in words]
        run_treadle(self.folder, "runs", "--rebuild", check=0)
        assert [self.look(*one) for one in words] == filled


def events_of(folder: Path, run: str) -> list[dict[str, Any]]:
    """Return the events of a run that are written whole."""
    path = folder / ".treadle/runs" / run / "events"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def succeeded(events: list[dict[str, Any]]) -> list[str]:
    """Return the names that these events tell as done."""
    return [one["name"] for one in events if one["event"] == "ended" and one["outcome"] == "success"]


@pytest.fixture
def stops(tmp_path: Path) -> Stops:
    return Stops(tmp_path, random.Random(SEED))


def end(child: subprocess.Popen[str], *codes: int) -> str:
    """Wait for the end of a run, and return what it has said."""
    out, err = child.communicate(timeout=DEADLINE)
    assert not codes or child.returncode in codes, (child.returncode, out, err)
    assert "Traceback" not in err, err
    return out + err


def test_runs_that_are_killed(stops: Stops) -> None:
    for _ in range(KILLS):
        stops.edit()
        runs = stops.runs()
        child = stops.start()
        child.kill()
        end(child, 0, -signal.SIGKILL)
        stops.go_on(runs)
    stops.check_rebuilt()


def test_runs_that_are_frozen_and_wake(stops: Stops) -> None:
    for _ in range(KILLS):
        stops.edit()
        runs = stops.runs()
        child = stops.start()
        child.send_signal(signal.SIGSTOP)
        if child.poll() is None:
            # what it has started goes on, and no other run may begin meanwhile
            other = start_treadle(stops.folder, "run", "--no-wait", env=stops.env)
            end(other, 3)
            waiting = start_treadle(stops.folder, "run", env=stops.env)
            child.send_signal(signal.SIGCONT)
            end(child, 0)
            end(waiting, 0)
        else:
            end(child, 0)
        starts = stops.said("start")
        assert sorted({*starts}) == sorted({*NAMES, ALWAYS})
        assert all(starts.count(name) == 1 for name in NAMES), "an action ran twice"
        stops.go_on(runs)
    stops.check_rebuilt()


def test_runs_on_a_full_disk(stops: Stops) -> None:
    for _ in range(KILLS):
        stops.edit()
        runs = stops.runs()
        # no file may become larger than so many KiB: the log of records, the events, the snapshot, the index
        limit = ("bash", "-c", f'ulimit -f {stops.rng.randrange(0, 24)}; exec "$@"', "bash")
        child = start_treadle(stops.folder, "run", "-j3", "-k", env=stops.env, prefix=limit)
        end(child)
        stops.go_on(runs)
    stops.check_rebuilt()


def test_runs_whose_clock_is_set_back_and_that_are_killed(stops: Stops) -> None:
    path = os.pathsep.join([str(stops.folder.parent / "clock"), environment().get("PYTHONPATH", "")])
    for _ in range(KILLS):
        stops.edit()
        runs = stops.runs()
        back = stops.rng.choice([1, 60, 3600, 86400])
        child = stops.start(PYTHONPATH=path, SET_BACK=str(back), AFTER_CALLS=str(stops.rng.randrange(12)))
        if stops.rng.random() < 0.5:
            child.kill()
        end(child, 0, -signal.SIGKILL)
        stops.go_on(runs)
    stops.check_rebuilt()
