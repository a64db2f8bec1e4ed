"""Requests to runs of all kinds: of several walks, watched, from their own program; and what hostile clients do."""

from __future__ import annotations

import json
import os
import socket
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from held import Held
from helpers import start_treadle
from treadle import Options, RunControl, Session, Subscriber, TreadleError, UsageError
from treadle.control import sockets
from treadle.control.client import ask
from waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from treadle.events.bus import Started


def folder_of(held: Held, run: RunControl) -> str:
    return os.path.join(held.folder, ".treadle/runs", run.id)


def test_a_request_that_comes_twice_is_done_once(tmp_path: Path) -> None:
    """K3."""
    held = Held(tmp_path, count=1)
    run = held.start(first=1)
    run.state()
    said: list[dict[str, Any]] = [
        {"verb": "pause", "id": "one"},
        {"verb": "continue", "id": "two"},
        {"verb": "pause", "id": "one"},
    ]
    told = [ask(folder_of(held, run), one)["text"] for one in said]
    assert told == ["paused: nothing new starts, 1 still running", "it goes on", told[0]]
    assert run.state()["paused"] is False
    held.let_go(1)
    assert held.end()[0] == 0
    assert [one["id"] for one in held.requests()] == ["one", "two"]


def test_hostile_clients_hold_up_no_run_and_no_other_client(tmp_path: Path) -> None:
    """K1, K3: what is no request is no event."""
    held = Held(tmp_path, count=2)
    run = held.start("-j1", first=1)
    run.state()
    place = os.path.join(folder_of(held, run), "control")
    folder = sockets.open_folder(place)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(80)]
    for number, client in enumerate(clients):
        sockets.connect(client, folder, place)
        client.setblocking(False)
        try:
            client.send([b"", b'{"verb": "pa', b"x" * 100_000, b"nonsense\n"][number % 4])
        except OSError:
            continue
    assert run.pause() == "paused: nothing new starts, 1 still running"
    assert run.go_on() == "it goes on"
    for client in clients:
        client.close()
    os.close(folder)
    held.let_go(1)
    held.wait_up(1)
    held.let_go(1)
    assert held.end()[0] == 0
    assert [one["verb"] for one in held.requests()] == ["pause", "continue"]


@pytest.mark.parametrize("kind", ["a folder in the way", "a folder of another user"])
def test_a_run_without_a_socket_goes_on_with_one_line(tmp_path: Path, kind: str) -> None:
    """K4."""
    held = Held(tmp_path, count=2)
    held.child = start_treadle(held.folder, "run", "--record", "-j1")
    held.wait_up(1)
    (folder,) = (held.folder / ".treadle/runs").iterdir()
    if kind == "a folder in the way":
        (folder / "control/socket").mkdir(parents=True)
    elif os.geteuid() != 0:
        pytest.skip("another user is needed")
    else:
        (folder / "control").mkdir()
        os.chown(folder / "control", 65534, 65534)
    said = held.child.stderr
    assert said is not None
    assert "the run takes no requests: " in said.readline()
    with pytest.raises(TreadleError):
        RunControl(root=held.folder).pause()
    held.let_go(1)
    held.wait_up(1)
    held.let_go(1)
    code, _, err = held.end()
    assert (code, err) == (0, "")


GENERATING = """
default: [all]
actions:
  gen:
    sh: |
      echo gen > {up}; read -r x < {go}
      echo 'treadle: 1' > ${{out}}
      echo 'actions:' >> ${{out}}
      for n in a b c; do echo "  $n: {{sh: 'echo $n > {up}; read -r x < {go}; touch "'$'"{{out}}', out: out/$n}}" >> ${{out}}; done
    out: made/plan.yaml
    expand: made/plan.yaml
  all: {{sh: "touch ${{out}}", in: {{from: ["gen:a", "gen:b", "gen:c"]}}, out: all}}
"""


def test_what_was_changed_holds_in_the_walks_after_plans_were_generated(tmp_path: Path) -> None:
    held = Held(tmp_path)
    (held.folder / "treadle.yaml").write_text("treadle: 1\n" + GENERATING.format(up=held.up, go=held.go))
    run = held.start("-j4", first=1)
    assert run.set_limits(max_running=1) == "max_running: 1"
    run.pause()
    held.let_go(1)
    until(lambda: run.state()["waiting_total"] == 3, "the actions of the made plan wait")
    assert run.state()["running"] == []
    run.go_on()
    for _ in range(3):
        held.wait_up(1)
        state = held.running(run, 1)
        assert all(one["lacks"] == {"max_running": 1} for one in state["waiting"])
        held.let_go(1)
    assert held.end()[0] == 0
    assert (held.folder / "all").exists()


def test_what_was_changed_holds_in_all_rounds_of_a_watch(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    held = Held(tmp_path, "in: x", count=3)
    (held.folder / "x").write_text("1")
    first = held.start("--watch", "-j3", first=3)
    first.set_limits(queues={"default": 1})
    held.let_go(3)
    until(lambda: not _is_alive(first), "the first round ends")
    (held.folder / "x").write_text("2")
    held.wait_up(1)
    second = RunControl(root=held.folder)
    assert second.id != first.id
    assert [len(held.running(second, 1)[what]) for what in ("running", "waiting")] == [1, 2]
    second.stop()
    assert held.end()[0] != 0


def _is_alive(run: RunControl) -> bool:
    try:
        RunControl(run.id, os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(run._events)))))
    except UsageError:
        return False
    return True


class _Pauses(Subscriber):
    """Pauses the session at its first start, in the thread of the loop."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.told: list[str] = []

    def started(self, event: Started) -> None:
        if not self.told:
            self.told.append(self.session.pause())
            self.told.append(event.name)


def test_a_session_is_controlled_by_its_program_from_any_thread(tmp_path: Path) -> None:
    held = Held(tmp_path, "queue: net", "queues: {net: 2}", count=3)
    session = Session(held.folder / "treadle.yaml", Options(record=True))
    pauses = _Pauses(session)
    session.subscribe(pauses)
    thread = Thread(target=session.run)
    thread.start()
    # both of a batch start, though the first one has paused it
    held.wait_up(2)
    until(lambda: session.state()["paused"], "it is paused")
    assert session.set_limits(queues={"net": 1}).startswith("queue net: 2 -> 1")
    with pytest.raises(UsageError, match="there is no queue nett"):
        session.set_limits(queues={"nett": 1})
    with pytest.raises(UsageError, match="expected a whole number"):
        session.set_limits(queues={"net": -1})
    held.let_go(2)
    until(lambda: session.state()["running"] == [], "nothing runs")
    assert session.go_on() == "it goes on"
    held.wait_up(1)
    held.let_go(1)
    thread.join()
    assert [(one["via"], one["ok"]) for one in held.requests()] == [
        *(("program", True), ("program", True), ("program", False), ("program", True))
    ]
    assert session.state()["running"] == []


def test_a_session_that_was_paused_and_ended_runs_again(tmp_path: Path) -> None:
    held = Held(tmp_path, count=1)
    session = Session(held.folder / "treadle.yaml")
    thread = Thread(target=session.run)
    thread.start()
    held.wait_up(1)
    session.pause()
    session.stop()
    thread.join()
    thread = Thread(target=session.run)
    thread.start()
    held.wait_up(1)
    held.let_go(1)
    thread.join()


def test_what_a_run_says_of_itself_is_data(tmp_path: Path) -> None:
    held = Held(tmp_path, "limit: 1, mutex: [db], resources: {lic: 1}", "pool: {lic: 3}", count=3)
    run = held.start("-j3", first=1)
    state = run.state()
    assert json.loads(json.dumps(state)) == state
    assert (state["run"], state["state"], state["paused"], state["total"], state["ended"]) == (
        *(run.id, "running", False, 3),
        0,
    )
    (one,) = state["running"]
    assert (one["name"], one["attempt"], one["resources"]) == ("f@0", 1, {"lic": 1, "cpus": 1})
    assert state["waiting"] == [
        {"name": name, "queue": "default", "lacks": {"mutex db": 1, "limit of f": 1}} for name in ("f@1", "f@2")
    ]
    assert state["limits"] == {"f": {"size": 1, "free": 0}}
    assert state["resources"]["lic"] == {"size": 3, "free": 2, "most": 3}
    for _ in range(2):
        held.let_go(1)
        held.wait_up(1)
    held.let_go(1)
    assert held.end()[0] == 0
