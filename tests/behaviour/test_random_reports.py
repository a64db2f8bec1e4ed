"""Random plans, run again and again with random edits: events, reports and records never disagree."""

from __future__ import annotations

import json
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from helpers import plan, run_treadle
from treadle.events.run_model import Run

if TYPE_CHECKING:
    from pathlib import Path

ACTIONS = 14


def write_plan(folder: Path, random: Random) -> None:
    """Write actions that read some of those before them; some fail, some at first, some print."""
    lines = ["actions:"]
    for number in range(ACTIONS):
        reads = random.sample(range(number), min(number, random.randrange(3)))
        inputs = ", ".join([f"in{number}", *(f"out{one}" for one in reads)])
        say = f"seq {random.randrange(1, 4)}; " if random.random() < 0.5 else ""
        end = random.choice(
            ["", "", "", "; exit 4", f"; test -e mark{number} || {{ touch mark{number}; exit 75; }}"]
        )
        lines.append(f"  a{number}:")
        lines.append(f'    sh: "{say}cat ${{in}} > out{number}{end}"')
        lines.append(f"    in: [{inputs}]\n    out: out{number}\n    retries: 1")
    plan(folder, "\n".join(lines) + "\n")


def check(folder: Path, last_line: str) -> dict[str, str]:
    """Compare what one run has told in its faces; return how each action ended."""
    events: list[dict[str, Any]] = [json.loads(line) for line in (folder / "e").read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert (kinds[0], kinds[-1], kinds.count("summary")) == ("run", "summary", 1)
    ends = {event["name"]: event["status"] for event in events if event["event"] == "ended"}
    assert len(ends) == kinds.count("ended") == kinds.count("action") == events[-1]["total"]
    counts = {status: list(ends.values()).count(status) for status in events[-1]["counts"]}
    assert counts == events[-1]["counts"]
    for status, word in (
        ("ran", "run"),
        ("failed", "failed"),
        ("blocked", "blocked"),
        ("not started", "not started"),
    ):
        assert (f"{counts[status]} {word}" in last_line) == bool(counts[status] or status == "ran")
    running: set[str] = set()
    slots: dict[str, int] = {}
    times: dict[int, list[tuple[float, float]]] = {}
    for event in events:
        if event["event"] == "started":
            assert event["name"] not in running
            running.add(event["name"])
            slots[event["name"]] = event["slot"]
        elif event["event"] in ("attempt", "ended") and event["name"] in running:
            running.remove(event["name"])
            times.setdefault(slots.pop(event["name"]), []).append(
                (event["start"], event["start"] + event["duration"])
            )
    assert not running
    # the next one may be told before the end of the last one, but has the slot only after it
    for of_slot in times.values():
        of_slot.sort()
        for (_, end), (start, _) in pairwise(of_slot):
            assert end <= start + 2e-6, of_slot
    run = Run.of(events)
    assert run.counts() == counts
    cases = {case.attrib["name"]: case for case in ET.parse(folder / "j").iter("testcase")}
    assert {name: float(case.attrib["time"]) for name, case in cases.items()} == {
        name: action.duration for name, action in run.actions.items()
    }
    bars = [e for e in json.loads((folder / "t").read_text())["traceEvents"] if e["ph"] == "X" and e["tid"]]
    assert len(bars) == kinds.count("started")
    return ends


@pytest.mark.parametrize("seed", range(4))
def test_faces_of_random_runs_agree(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    for number in range(ACTIONS):
        (tmp_path / f"in{number}").write_text(str(number))
    write_plan(tmp_path, random)
    for _ in range(3):
        options = [*random.choice([["-k"], [], ["-k2"]]), f"-j{random.randrange(1, 5)}"]
        done = run_treadle(tmp_path, "run", *options, "--events", "e", "--junit", "j", "--trace", "t")
        ends = check(tmp_path, done.lines[-1])
        assert done.code == int(bool({"failed", "blocked", "not started"} & set(ends.values())))
        told = run_treadle(tmp_path, "report", "e", check=0).lines
        assert told[-1] == done.lines[-1]
        (tmp_path / f"in{random.randrange(ACTIONS)}").write_text(str(random.random()))
