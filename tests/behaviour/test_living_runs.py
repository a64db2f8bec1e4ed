"""`show` of a run that goes on: what runs and since when, what waits and for which resource, what is left."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from held import Held
from helpers import DEADLINE, Fifo, plan, run_treadle, start_treadle
from treadle.cli.living import is_told, living_lines, living_rows
from treadle.ui.text import plain

if TYPE_CHECKING:
    from pathlib import Path

STATE: dict[str, Any] = {
    "state": "running",
    "paused": False,
    "took": 125.0,
    "total": 1200,
    "ended": 14,
    "running": [
        {"name": "short", "seconds": 3.0, "attempt": 1, "resources": {"cpus": 1}},
        {
            "name": "long",
            "seconds": 72.0,
            "expected": 120.0,
            "attempt": 2,
            "resources": {"cpus": 4, "gpus": ["0", "1"], "memory": 8 << 30},
        },
    ],
    "waiting": [
        {"name": "a", "queue": "net", "lacks": {"queue net": 1}},
        {"name": "b", "queue": "net", "lacks": {"queue net": 1}},
        {"name": "c", "queue": "default", "lacks": {"gpus": 1, "memory": 1 << 30}},
        {"name": "d", "queue": "default", "lacks": {"limit of fit": 1}},
        {"name": "e", "queue": "default", "lacks": {}, "retry_in": 5.0},
        {"name": "f", "queue": "default", "lacks": {}},
        {"name": "g", "queue": "default", "lacks": {"queue default": 2}},
        {"name": "h", "queue": "default", "lacks": {"max_running": 1}},
    ],
    "waiting_total": 98,
    "time_left": 200.0,
}


def test_what_runs_and_what_waits_is_told_with_what_it_waits_for() -> None:
    assert [plain(one) for one in living_lines(STATE, 0)] == [
        "running:",
        "  long   1m 12s  of about 2m 00s, attempt 2, 4 cpus, gpus 0, 1, 8.0 GiB of memory",
        "  short    3.0s",
        "waiting: 98 actions, of which the first 8",
        "  for a token of queue net          a, b",
        "  for 1 gpus and 1.0 GiB of memory  c",
        "  for the limit of fit              d",
        "  for its next attempt, in 5.0s     e",
        "  for its turn                      f",
        "  for 2 tokens of queue default     g",
        "  for the limit of what runs        h",
    ]


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ({}, ("left", "about 3m 20s, if all takes what it took last time")),
        ({"paused": True}, ("now", "paused: nothing new starts until `treadle continue`")),
        ({"state": "draining"}, ("now", "nothing new starts, and what runs goes on to its end")),
        ({"state": "stopping", "paused": True}, ("now", "it is stopping: what runs was asked to end")),
        ({"total": 1, "ended": 0}, ("ended", "0 of 1 action")),
    ],
)
def test_the_whole_run_is_told_in_rows(change: dict[str, Any], row: tuple[str, str]) -> None:
    assert row in list(living_rows({**STATE, **change}))


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert list(living_rows({"took": 1.0, "running": []})) == []
    assert living_lines({"took": 1.0, "running": []}, 0) == []


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({}, True),
        ({"time_left": None}, True),
        ({"more": [1]}, True),
        ({"running": None}, False),
        ({"running": ["a"]}, False),
        ({"running": [{"name": "a"}]}, False),
        ({"waiting": [{"name": 1}]}, False),
        ({"waiting": [{"name": "a", "lacks": "x"}]}, False),
        ({"waiting": [{"name": "a", "lacks": {"gpus": "x"}}]}, False),
        ({"total": "x"}, False),
        ({"took": None}, False),
    ],
)
def test_what_another_version_says_is_not_taken_for_this(change: dict[str, Any], right: bool) -> None:
    assert is_told({**STATE, **change}) is right


def data(folder: Path, *args: str) -> Any:
    return json.loads(run_treadle(folder, *args, "--json", check=0).out)


def test_a_run_that_does_not_answer_is_told_by_its_events_and_earlier_runs(tmp_path: Path) -> None:
    fifo = Fifo(tmp_path / "started")
    plan(tmp_path, f"actions:\n  a: {{sh: 'test -e quick || {{ echo > {fifo.path}; exec sleep 600; }}'}}\n")
    (tmp_path / "quick").touch()
    run_treadle(tmp_path, "run", "--record", "a", check=0)
    assert data(tmp_path, "show")["now"] is None
    (tmp_path / "quick").unlink()
    child = start_treadle(tmp_path, "run", "--record", "a")
    fifo.wait()
    (one,) = data(tmp_path, "show")["now"]["running"]
    assert (one["name"], one["seconds"] >= 0, one["expected"] < 60) == ("a", True, True)
    told = run_treadle(tmp_path, "show", check=0).out
    assert re.search(r"\n  so far  +\d+\.\ds\n", told)
    assert re.search(r"\nrunning:\n  a  \d+\.\ds  of about \d+\.\ds", told)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=DEADLINE)
    assert data(tmp_path, "show")["now"] is None


def test_a_run_that_answers_says_what_waits_and_for_which_resource(tmp_path: Path) -> None:
    held = Held(tmp_path, "resources: {gpus: 1}", "pool: {gpus: {ids: [a, b]}}", count=4)
    run = held.start("-j4", first=2)
    held.running(run, 2)
    now = data(held.folder, "show")["now"]
    assert len(now["running"]) == 2
    assert [one["lacks"] for one in now["waiting"]] == [{"gpus": 1}, {"gpus": 1}]
    assert (now["total"], now["ended"], now["waiting_total"]) == (4, 0, 2)
    told = run_treadle(held.folder, "show", check=0).out
    assert re.search(r"\n  ended  +0 of 4 actions\n", told)
    assert re.search(r"\nrunning:\n  f@\d  +[\d.ms ]+  gpus [ab]\n", told)
    assert re.search(r"\nwaiting: 2 actions\n  for 1 gpus  f@\d, f@\d\n", told)
    held.call("pause")
    assert "paused: nothing new starts until `treadle continue`" in run_treadle(held.folder, "show", check=0).out
    held.call("continue")
    held.let_go(2)
    held.wait_up(2)
    held.let_go(2)
    assert held.end()[0] == 0
