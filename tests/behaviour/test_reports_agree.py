"""What one run tells in its events, its reports and on the terminal agrees."""

from __future__ import annotations

import json
import re
from itertools import count, pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from helpers import plan, run_treadle
from treadle.core.outcomes import STATUSES, outcome_of_end
from treadle.events.bus import RunEnded, Started, WalkEnded
from treadle.events.recorder import Recorder
from treadle.scheduling.job import Job

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
actions:
  one: {sh: "echo made one; cat ${in} > ${out}", in: a, out: out/one}
  two: {sh: "cat ${in} > ${out}", in: out/one, out: out/two}
  same: {sh: "echo same > ${out}", in: b, out: out/same}
  after: {sh: "cat ${in} > ${out}", in: out/same, out: out/after}
  bad: {sh: "echo dear; exit 3", in: a, out: out/bad}
  worse: {sh: "cat ${in} > ${out}", in: [out/bad, out/two], out: out/worse}
  flaky: {sh: "echo again; test -e mark || { touch mark; exit 75; }; echo x > ${out}", in: a, out: out/flaky, retries: 2}
"""
FILES = ("--events", "e.jsonl", "--junit", "j.xml", "--trace", "t.json", "--html", "p.html")


class Faces:
    """The faces of one run."""

    def __init__(self, folder: Path, out: str) -> None:
        self.out = out
        self.events = [json.loads(line) for line in (folder / "e.jsonl").read_text().splitlines()]
        self.junit = ET.parse(folder / "j.xml").getroot()
        self.trace = json.loads((folder / "t.json").read_text())
        page = (folder / "p.html").read_text()
        block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
        assert block is not None
        self.page = json.loads(block[1])

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the events of one kind by the name that they are about."""
        return {event["name"]: event for event in self.events if event["event"] == kind}

    def cases(self) -> dict[str, ET.Element]:
        return {case.attrib["name"]: case for case in self.junit.iter("testcase")}

    def bars(self) -> list[dict[str, Any]]:
        """Return the bars in the rows of the tokens."""
        return [event for event in self.trace["traceEvents"] if event["ph"] == "X" and event["tid"]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    plan(tmp_path, PLAN)
    (tmp_path / "a").write_text("a\n")
    (tmp_path / "b").write_text("b\n")
    run_treadle(tmp_path, "run", "same", "after", check=0)
    (tmp_path / "b").write_text("c\n")
    return tmp_path


@pytest.fixture
def faces(project: Path) -> Faces:
    return Faces(project, run_treadle(project, "run", "-k", "-j2", *FILES, check=1).out)


def properties(case: ET.Element, name: str) -> list[str]:
    return [one.attrib["value"] for one in case.iter("property") if one.attrib["name"] == name]


def status_in_junit(case: ET.Element) -> set[str]:
    return {child.tag for child in case} & {"failure", "error", "skipped"}


def test_all_faces_name_the_same_actions_with_the_same_ends(faces: Faces) -> None:
    ends = {name: event["status"] for name, event in faces.of("ended").items()}
    assert ends == {
        **dict.fromkeys(("one", "two", "same", "flaky"), "ran"),
        "after": "skipped",
        "bad": "failed",
        "worse": "blocked",
    }
    assert ends == dict(zip(faces.page["names"], faces.page["status"], strict=True))
    assert ends == {name: properties(case, "status")[0] for name, case in faces.cases().items()}
    elements = {"ran": set[str](), "failed": {"failure"}, "skipped": {"skipped"}, "blocked": {"skipped"}}
    assert {name: status_in_junit(case) for name, case in faces.cases().items()} == {
        name: elements[status] for name, status in ends.items()
    }
    kinds = {name: event["outcome"] for name, event in faces.of("ended").items()}
    assert kinds == {name: properties(case, "outcome")[0] for name, case in faces.cases().items()}
    assert {name: outcome_of_end(status).kind for name, status in ends.items()} == kinds
    assert {bar["name"]: bar["args"]["outcome"] for bar in faces.bars()} == {
        name: kind for name, kind in kinds.items() if ends[name] in ("ran", "failed")
    }
    assert set(faces.page["outcome"]) == {""}
    assert faces.of("attempt")["flaky"]["outcome"] == "not_ready"
    last = {bar["name"]: bar["args"]["status"] for bar in faces.bars()}
    assert last == {name: status for name, status in ends.items() if status in ("ran", "failed")}


def test_all_faces_count_the_same(faces: Faces) -> None:
    counts = faces.events[-1]["counts"]
    assert counts == {**dict.fromkeys(STATUSES, 0), "ran": 4, "skipped": 1, "failed": 1, "blocked": 1}
    assert faces.page["counts"] == counts
    assert faces.events[-1]["total"] == 7
    for element in (faces.junit, *faces.junit.iter("testsuite")):
        numbers = {name: int(element.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
        assert numbers == {"tests": 7, "failures": 1, "errors": 0, "skipped": 2}
    assert faces.out.splitlines()[-1].startswith("4 run, 1 up to date, 1 failed, 1 blocked in ")


def test_all_faces_tell_the_same_durations(faces: Faces) -> None:
    durations = {name: event["duration"] for name, event in faces.of("ended").items()}
    assert durations == {name: float(case.attrib["time"]) for name, case in faces.cases().items()}
    assert durations == dict(zip(faces.page["names"], faces.page["spent"], strict=True))
    bars = {bar["name"]: bar for bar in faces.bars()}
    assert {name: bar["dur"] for name, bar in bars.items()} == {name: round(1e6 * durations[name]) for name in bars}
    starts = {name: event["start"] for name, event in faces.of("started").items()}
    assert {name: bar["ts"] for name, bar in bars.items()} == {name: round(1e6 * at) for name, at in starts.items()}
    whole = faces.events[-1]["duration"]
    assert whole == faces.page["duration"] == float(faces.junit.attrib["time"])
    assert f" in {faces.page['took']}" in faces.out.splitlines()[-1]


def test_all_faces_give_the_same_reasons(faces: Faces) -> None:
    reasons = {name: [why["text"] for why in event["reasons"]] for name, event in faces.of("verdict").items()}
    assert reasons["same"] == ["input b changed"]
    assert reasons["worse"] == ["blocked by bad"]
    assert reasons["after"] == []
    assert reasons == {name: properties(case, "reason") for name, case in faces.cases().items()}
    page = faces.page
    told = [[page["reasons"][number][0] for number in numbers] for numbers in page["why"]]
    assert reasons == dict(zip(page["names"], told, strict=True))
    for bar in faces.bars():
        assert bar["args"]["reasons"] == reasons[bar["name"]]
    for name in ("one", "two", "same"):
        (line,) = [text for text in faces.out.splitlines() if re.search(rf" ran {name} ", text)]
        assert line.endswith(f"({'; '.join(reasons[name])})")


def test_each_start_has_a_bar_and_an_action_that_was_tried_again_has_two(faces: Faces) -> None:
    started = [(e["name"], e["attempt"], e["slot"] + 1) for e in faces.events if e["event"] == "started"]
    bars = [(bar["name"], bar["args"].get("attempt", 1), bar["tid"]) for bar in faces.bars()]
    assert sorted(bars) == sorted(started)
    assert [attempt for name, attempt, _ in sorted(started) if name == "flaky"] == [1, 2]
    assert {slot for _, _, slot in started} <= {1, 2}
    (again,) = faces.of("attempt").values()
    assert (again["name"], again["attempt"], again["exit_code"]) == ("flaky", 1, 75)
    at = faces.page["names"].index("flaky")
    assert len(faces.page["attempts"][at]) == 2


def test_no_two_bars_of_a_row_overlap(faces: Faces) -> None:
    rows: dict[int, list[tuple[int, int]]] = {}
    for bar in faces.bars():
        rows.setdefault(bar["tid"], []).append((bar["ts"], bar["ts"] + bar["dur"]))
    for spans in rows.values():
        spans.sort()
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_all_faces_mark_the_same_critical_path(faces: Faces) -> None:
    path = faces.trace["otherData"]["critical_path"]
    assert path == [faces.page["names"][number] for number in faces.page["critical"]]
    assert {bar["name"] for bar in faces.bars() if bar["args"]["critical"]} == set(path)
    assert {bar["name"] for bar in faces.bars() if "critical path" in bar["cat"]} == set(path)
    row = [event for event in faces.trace["traceEvents"] if event["ph"] == "X" and not event["tid"]]
    assert list(dict.fromkeys(bar["name"] for bar in sorted(row, key=lambda bar: int(bar["ts"])))) == path
    assert {bar["name"]: bar["dur"] for bar in row}.items() <= {
        bar["name"]: bar["dur"] for bar in faces.bars()
    }.items()
    needs = {name: event["needs"] for name, event in faces.of("action").items()}
    assert all(before in needs[after] for before, after in pairwise(path))


def test_what_a_failure_printed_is_in_every_report(faces: Faces) -> None:
    assert faces.of("output")["bad"]["text"] == "dear\n"
    assert faces.cases()["bad"].findtext("system-out") == "dear\n"
    (failure,) = faces.junit.iter("failure")
    assert failure.attrib["message"] == "exit code 3"
    number = str(faces.page["names"].index("bad"))
    assert faces.page["output"] == {number: "dear\n"}
    assert faces.page["failure"][number] == "exit code 3"
    assert faces.of("ended")["bad"]["log"] == ".treadle/logs/bad.log"
    assert faces.page["log"][number] == [".treadle/logs/bad.log", "./.treadle/logs/bad.log"]


def test_reports_made_afterwards_are_those_made_by_the_run(project: Path) -> None:
    run_treadle(project, "run", "-k", *FILES, check=1)
    live = [(project / name).read_text() for name in FILES[3::2]]
    for name in FILES[3::2]:
        (project / name).unlink()
    done = run_treadle(project, "report", "e.jsonl", *FILES[2:], check=0)
    assert done.out == ""
    assert [(project / name).read_text() for name in FILES[3::2]] == live


def test_a_report_on_the_terminal_says_what_the_run_said(project: Path) -> None:
    said = run_treadle(project, "run", "-k", "--events", "e.jsonl", check=1)
    told = run_treadle(project, "report", "e.jsonl", check=0)
    # a run shows output and tries again under way, and knows how it was called
    ours = ("  | ", "  again ", "failed flaky: not ready: exit code 75; trying again")
    call, about, *lines = told.lines
    assert call == "treadle run -k --events e.jsonl"
    assert about.startswith("on ")
    assert [line for line in lines if not line.startswith("  | ")] == [
        line for line in said.lines if not line.startswith(ours)
    ]
    assert "  | dear" in told.lines


def test_a_run_with_nothing_to_do_tells_all_of_it(project: Path) -> None:
    for _ in range(2):
        run_treadle(project, "run", "same", "after", "two", check=0)
    done = run_treadle(project, "run", "same", "after", "two", *FILES, check=0)
    assert done.out.startswith("nothing to do: 4 up to date in ")
    faces = Faces(project, done.out)
    assert {name: event["status"] for name, event in faces.of("ended").items()} == dict.fromkeys(
        ("one", "two", "same", "after"), "skipped"
    )
    assert faces.of("action").keys() == faces.of("verdict").keys() == faces.of("ended").keys()
    assert faces.page["result"] == "succeeded"
    assert faces.bars() == []
    assert faces.junit.attrib["skipped"] == "4"
    assert run_treadle(project, "run", "same", "after", "two", check=0).out.startswith(
        "nothing to do: 4 up to date"
    )


MAKER = """
actions:
  base: {sh: "echo x > ${out}", out: base}
  gen: {sh: "cat plan > ${out}", in: [plan, base], out: made.yaml, expand: made.yaml}
  end: {run: 'true', needs: [gen]}
"""
MADE = """
treadle: 1
actions: {page: {sh: "echo > ${out}", out: page}}
"""


def test_what_actions_of_a_made_plan_need_is_told_though_it_ran_before_them(tmp_path: Path) -> None:
    plan(tmp_path, MAKER)
    (tmp_path / "plan").write_text(MADE)
    done = run_treadle(tmp_path, "run", "end", "gen:page", *FILES, check=0)
    faces = Faces(tmp_path, done.out)
    told = {name: event["needs"] for name, event in faces.of("action").items()}
    assert told == {"base": [], "gen": ["base"], "end": ["gen"], "gen:page": ["gen"]}
    assert faces.events[-1]["total"] == 4
    assert faces.events[-1]["counts"]["ran"] == 4
    graph = json.loads(run_treadle(tmp_path, "graph", "--format", "json", "--no-state", check=0).out)
    edges = {(edge["from"], edge["to"]) for edge in graph["edges"]}
    assert edges == {(before, name) for name, needs in told.items() for before in needs}
    assert faces.trace["otherData"]["critical_path"][:2] == ["base", "gen"]


def test_a_start_is_when_it_was_and_not_when_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy lets any time go by between the two, and bars of one row would overlap."""
    clock = count(100)
    for place in ("treadle.scheduling.job", "treadle.events.recorder"):
        monkeypatch.setattr(f"{place}.monotonic", lambda: float(next(clock)))
    job = Job("a", None, lambda _: None)
    job.prepare(0)
    told: list[dict[str, Any]] = []
    sink: Any = SimpleNamespace(are_live=False, flush=lambda: None, take=told.append)
    Recorder(sink, 90.0).started(Started("a", 1, 0, job.started_at))
    assert told[0]["start"] == 10.0


def test_a_run_ends_at_one_time_for_all_subscribers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is called late, or on a busy machine, would show another duration."""
    monkeypatch.setattr("treadle.events.recorder.monotonic", lambda: 200.0)
    events: list[dict[str, Any]] = []
    sink: Any = SimpleNamespace(are_live=False, flush=lambda: None, take=events.append)
    recorder = Recorder(sink, 90.0)
    recorder.run_ended(RunEnded({}, WalkEnded({}, ok=True, interrupted=False), 100.0))
    recorder.summary(0)
    assert events[-1]["duration"] == 10.0
