"""`treadle reap`: closes runs that were never closed and are dead, and leaves those that live."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from helpers import DEADLINE, Fifo, ended, plan, run_treadle, start_treadle
from treadle.core.lease import LEASE, Lease
from treadle.ledger.ledger import open_ledger
from treadle.ledger.queries import RunFilter
from treadle.ledger.queries import runs as asked
from treadle.session.ownership import MARGIN
from treadle.session.reaping import reap

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

PLAN = """
default: [a, b]
actions:
  a: {sh: "echo a >> done", always: true}
  b: {sh: "echo b >> done; test -e go || { echo $$ > up; exec sleep 600; }", needs: a}
"""


def runs(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run_treadle(folder, "runs", "--json", check=0).out)["runs"]
    return found


def start(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a run; return it and the process of its action."""
    up = Fifo(folder / "up")
    plan(folder, PLAN)
    child = start_treadle(folder, "run", "--record")
    return child, int(up.wait())


def kill(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=DEADLINE)


def events_of(folder: Path) -> Path:
    (events,) = (folder / ".treadle/runs").glob("*/events")
    return events


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_killed_run_is_closed_with_all_that_it_has_left(tmp_path: Path) -> None:
    child, action = start(tmp_path)
    kill(child)
    events = events_of(tmp_path)
    with open(events, "ab") as file:
        # a line that it was killed in
        file.write(b'{"event":"ended","t":')
    said = run_treadle(tmp_path, "reap", check=0).out
    assert said == f"{events.parent.name}  closed: its process {child.pid} has ended without a word\n"
    assert not lives(action)
    last = json.loads(events.read_text().splitlines()[-1])
    assert (last["event"], last["reason"]) == ("lost", f"its process {child.pid} has ended without a word")
    # that is done once, and the index says the same when it is made again
    before = runs(tmp_path)
    assert before[0]["state"] == "lost"
    assert run_treadle(tmp_path, "reap", check=0).out == "there is nothing to close\n"
    run_treadle(tmp_path, "runs", "--rebuild", check=0)
    assert runs(tmp_path) == before
    assert len(events.read_text().splitlines()) == len(set(events.read_text().splitlines()))
    assert "interrupted" in run_treadle(tmp_path, "report", "last").out
    (tmp_path / "go").touch()
    run_treadle(tmp_path, "resume", check=0)
    assert (tmp_path / "done").read_text().split() == ["a", "b", "b"]


@pytest.mark.parametrize("frozen", [False, True])
def test_a_run_that_lives_is_left(tmp_path: Path, frozen: bool) -> None:
    child, action = start(tmp_path)
    if frozen:
        child.send_signal(signal.SIGSTOP)
    result = run_treadle(tmp_path, "reap", check=0)
    assert f"process {child.pid}: it lives" in result.out
    assert "nothing to close" in result.out
    assert lives(action)
    child.send_signal(signal.SIGCONT)
    child.send_signal(signal.SIGTERM)
    assert ended(child).code == 143
    assert runs(tmp_path)[0]["state"] == "stopped"
    assert run_treadle(tmp_path, "reap", check=0).out == "there is nothing to close\n"


def test_nothing_is_made_where_nothing_was_recorded(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    assert run_treadle(tmp_path, "reap", check=0).out == "there is nothing to close\n"
    assert not (tmp_path / ".treadle").exists()


class Clock:
    """A clock that goes on when something waits, and does something then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.meanwhile: Callable[[float], object] = lambda _: None

    def __call__(self) -> float:
        return self.now

    def nap(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile(self.now)


@pytest.mark.parametrize(
    ("lease", "life", "waits", "dead"),
    [
        (Lease(7, LEASE), "", LEASE + MARGIN, True),
        (Lease(7, 600.0), "", 600.0 + MARGIN, True),
        (None, "", LEASE + MARGIN, True),
        (Lease(7, LEASE), "lease", LEASE, False),
        (Lease(7, LEASE), "event", LEASE, False),
        # its clock may go back, and its counter may begin anew
        (Lease(7, LEASE), "lower", LEASE, False),
        (Lease(7, LEASE), "no wait", 0.0, False),
    ],
)
def test_a_run_of_another_host_is_judged_by_its_signs_of_life(
    tmp_path: Path, lease: Lease | None, life: str, waits: float, dead: bool
) -> None:
    child, _ = start(tmp_path)
    kill(child)
    events = events_of(tmp_path)
    host = runs(tmp_path)[0]["host"]
    (tmp_path / ".treadle/ledger.db").unlink()
    events.write_text(events.read_text().replace(f'"host":"{host}"', '"host":"elsewhere"'))
    file = events.parent / "lease"
    file.unlink(missing_ok=True)
    if lease is not None:
        file.write_text(lease.text())
    assert runs(tmp_path)[0]["state"] == "running"
    clock = Clock()

    def meanwhile(now: float) -> None:
        # at the end of its lease
        if now < LEASE:
            return
        if life in ("lease", "lower"):
            file.write_text(Lease(8 if life == "lease" else 1, LEASE).text())
        elif life == "event":
            with open(events, "ab") as stream:
                stream.write(b"\n")

    clock.meanwhile = meanwhile
    with open_ledger(str(tmp_path / ".treadle"), print) as ledger:
        (found,) = reap(str(tmp_path), ledger, wait=life != "no wait", clock=clock, nap=clock.nap)
        assert bool(found.why) is dead
        assert waits <= clock.now <= waits + 5.0
        assert asked(ledger, RunFilter())[0].state == ("lost" if dead else "running")
    assert ('"event":"lost"' in events.read_text()) is dead
    # a look does not close it
    assert runs(tmp_path)[0]["state"] == ("lost" if dead else "running")
