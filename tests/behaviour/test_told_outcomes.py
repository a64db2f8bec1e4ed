"""What people and programs are told of each kind of outcome: on the terminal, in the events, in each report."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from helpers import plan, run_treadle
from treadle import DAG, Job, Walk
from treadle.core.outcomes import KINDS, outcome
from treadle.events.bus import RunEnded, Subscriber, WalkEnded
from treadle.events.recorder import Recorder
from treadle.events.run_model import Run
from treadle.report.github import GitHub
from treadle.report.html import Links, data_of, html
from treadle.report.junit import junit
from treadle.report.text import text_lines
from treadle.report.trace import trace
from treadle.testing import CallJob
from treadle.ui.console import Console
from treadle.ui.progress import Progress
from treadle.ui.text import plain

if TYPE_CHECKING:
    from pathlib import Path

    from treadle.core.outcomes import Outcome

REASON = "as it said"


class Ends(Walk):
    """A walk of one action that ends as a test says."""

    def __init__(self, ended: Outcome) -> None:
        dag = DAG()
        dag.add_vertex("fit", None)
        super().__init__(dag)
        self.ended = ended

    def create_job(self, uid: Any, data: Any, predecessors: Any, notify_end: Any) -> Job:
        return CallJob(uid, data, notify_end, int)

    def outcome_of(self, job: Any) -> Outcome:
        return self.ended


class Kept:
    """A sink that keeps the events."""

    are_live = False

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def set_root(self, root: str) -> None: ...

    def take(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    def flush(self) -> None: ...


class Still(Subscriber):
    """Has all take no time for those that are called after it."""

    def ended(self, event: Any) -> None:
        event.duration = 0.0


class Told:
    """What is told of a run of one action."""

    def __init__(self, ended: Outcome) -> None:
        out, kept = StringIO(), Kept()
        walk = Ends(ended)
        progress = Progress(Console("never", out=out, errors=StringIO()), 0.0, lambda uid: f"again {uid}")
        progress.clock = lambda: 0.0
        recorder = Recorder(kept, 0.0)
        for one in (Still(), progress, recorder):
            walk.bus.add(one)
        recorder.begin("/root", "2026-11-20T12:00:00.000Z", [], "0.1.0")
        self.report = walk.run()
        over = WalkEnded({}, ok=self.report.ok, interrupted=self.report.interrupted, total=1)
        for one in (progress, recorder):
            one.run_ended(RunEnded({}, over, 0.0))
        recorder.summary(0 if self.report.ok else 1)
        self.events = kept.events
        self.terminal = out.getvalue().splitlines()
        self.run = Run.of(self.events)

    @property
    def end(self) -> dict[str, Any]:
        return next(event for event in self.events if event["event"] == "ended")


# kind -> what is read of it with the reason and without, and how the totals count it
LINES: dict[str, tuple[str, ...]] = {
    "success": ("ran fit 0.0s", "ran fit 0.0s", "1 run"),
    "expected_diff": (*["ran fit 0.0s, differs as expected"] * 2, "1 run"),
    "expected_failure": (*["ran fit 0.0s, failed as expected"] * 2, "1 run"),
    "unchanged": (*["ran fit 0.0s, found nothing to do"] * 2, "1 run"),
    "restored": (*["restored fit 0.0s"] * 2, "0 run, 1 restored"),
    "diffed": ("failed fit 0.0s: differs: as it said", "failed fit 0.0s: differs", "0 run, 1 failed"),
    "failed": ("failed fit 0.0s: as it said", "failed fit 0.0s: failed", "0 run, 1 failed"),
    "error": ("failed fit 0.0s: as it said", "failed fit 0.0s: error", "0 run, 1 failed"),
    "broken": ("failed fit 0.0s: as it said", "failed fit 0.0s: broken", "0 run, 1 failed"),
    "timeout": ("failed fit 0.0s: as it said", "failed fit 0.0s: timed out", "0 run, 1 failed"),
    "invalid": ("failed fit 0.0s: as it said", "failed fit 0.0s: invalid", "0 run, 1 failed"),
    "out_of_memory": (
        *("failed fit 0.0s: out of memory: as it said", "failed fit 0.0s: out of memory", "0 run, 1 failed"),
    ),
    "lost": ("failed fit 0.0s: lost: as it said", "failed fit 0.0s: lost", "0 run, 1 failed"),
    "cancelled": (*["interrupted fit 0.0s, cancelled"] * 2, "0 run, 1 interrupted"),
    "interrupted": (*["interrupted fit 0.0s"] * 2, "0 run, 1 interrupted"),
    "skip": ("", "", "nothing to do: 1 up to date"),
    "skipped": ("skipped itself fit 0.0s: as it said", "skipped itself fit 0.0s", "0 run, 1 skipped itself"),
    "blocked": ("blocked: fit", "blocked: fit", "0 run, 1 blocked"),
    "not_needed": ("", "", "nothing to do: 1 not needed"),
    "disabled": ("", "", "0 run, 1 disabled"),
    "not_ready": ("failed fit 0.0s: not ready: as it said", "failed fit 0.0s: not ready", "0 run, 1 failed"),
    "not_started": ("", "", "0 run, 1 not started"),
}
FAILURES = {"diffed", "failed", "timeout", "out_of_memory", "not_ready"}
ERRORS = {"error", "broken", "invalid", "lost", "cancelled", "interrupted"}
WHY_SKIPPED = {
    "skip": "nothing changed",
    "skipped": "skipped itself: as it said",
    "blocked": "as it said",
    "not_needed": "not needed: as it said",
    "disabled": "disabled: as it said",
    "not_started": "not started: as it said",
}

each_kind = pytest.mark.parametrize("kind", KINDS)


def test_the_tables_hold_each_kind() -> None:
    passed = {kind for kind, (category, *_) in KINDS.items() if category == "PASS"}
    assert set(LINES) == set(KINDS) == passed | FAILURES | ERRORS | set(WHY_SKIPPED)


@each_kind
@pytest.mark.parametrize("reason", [REASON, ""], ids=["reason", "no reason"])
def test_the_terminal_tells_the_kind_in_words_and_counts_it(kind: str, reason: str) -> None:
    told = Told(outcome(kind, reason))
    with_reason, without, totals = LINES[kind]
    lines = [one.removeprefix("[1/1] ").partition(" (")[0] for one in told.terminal]
    line = with_reason if reason else without
    assert lines[:1] == [line or f"{totals} in 0.0s"]
    assert lines[-1] == f"{totals} in 0.0s"
    assert all(len(one) <= 80 for one in lines[:1])
    assert lines[1:2] == ([line.replace(" 0.0s", "")] if line.startswith("failed") else lines[1:2])


@each_kind
def test_the_report_of_the_events_says_what_the_terminal_said(kind: str) -> None:
    told = Told(outcome(kind, REASON))
    shown = [plain(one) for one in text_lines(told.run)]
    # in a program nothing says how to run it again, and when the run began is not known to the screen
    there = [one for one in told.terminal if not one.startswith("  again")]
    assert [one.partition(" in ")[0] for one in shown] == [one.partition(" in ")[0] for one in there]


@each_kind
def test_a_run_with_it_is_green_if_its_status_is_good(kind: str) -> None:
    told = Told(outcome(kind, REASON))
    category, _, status, end = KINDS[kind]
    assert told.report.ok == status.is_good
    assert told.report.actions["fit"].outcome == outcome(kind, REASON)
    assert told.run.result == ("succeeded" if status.is_good else "failed")
    assert (told.end["status"], told.end["outcome"], told.end["category"]) == (end, kind, category)
    assert told.end.get("failure", told.end.get("reason")) == REASON
    assert told.run.actions["fit"].outcome.kind == kind


@each_kind
def test_junit_tells_failures_errors_and_what_was_skipped_apart(kind: str) -> None:
    text = "".join(junit(Told(outcome(kind, REASON)).run))
    assert f'<property name="outcome" value="{kind}"/>' in text
    numbers = [int(kind in FAILURES), int(kind in ERRORS), int(kind in WHY_SKIPPED)]
    assert text.count('failures="{}" errors="{}" skipped="{}"'.format(*numbers)) == 2
    if kind in WHY_SKIPPED:
        assert f'<skipped message="{WHY_SKIPPED[kind]}"/>' in text
    elif kind in FAILURES | ERRORS:
        element = "failure" if kind in FAILURES else "error"
        assert f'<{element} type="{kind}" message="' in text
        assert REASON in text.partition(f"<{element}")[2].partition(">")[0]


@each_kind
def test_github_annotates_what_failed(kind: str) -> None:
    told = Told(outcome(kind, REASON))
    github = GitHub("token")
    lines = [line for event in told.events for line in github.lines(event)]
    if kind not in FAILURES | ERRORS:
        assert lines == []
        return
    (line,) = lines
    assert line.startswith(f"::error title=fit {KINDS[kind][3]}::")
    assert line.endswith(LINES[kind][0].partition(": ")[2] or REASON)


@each_kind
def test_the_page_has_a_colour_and_words_for_it(kind: str) -> None:
    told = Told(outcome(kind, REASON))
    data = data_of(told.run, Links())
    (status,), (said,) = data["status"], data["outcome"]
    page = "".join(html(told.run))
    slug = status.replace(" ", "-")
    assert page.count(f"--{slug}: #") == 2, "one colour for each scheme"
    assert f".status-{slug} {{" in page
    assert f'"{status}"' in page.partition("T.statuses = [")[2].partition("]")[0]
    assert said in ("", LINES[kind][1].partition(" 0.0s")[2].lstrip(",: "))
    assert bool(said) == (kind not in ("success", "restored", "failed", "interrupted", *WHY_SKIPPED))
    assert REASON in data["failure"][0]
    without = data_of(Told(outcome(kind)).run, Links())["failure"]
    assert without == ({0: said} if kind in FAILURES | ERRORS and said else {})


@each_kind
def test_a_trace_names_it(kind: str) -> None:
    bars = [
        one for one in json.loads("".join(trace(Told(outcome(kind, REASON)).run)))["traceEvents"] if "dur" in one
    ]
    assert {(one["args"]["outcome"], one["args"]["category"]) for one in bars} == {(kind, KINDS[kind][0])}


@each_kind
def test_events_without_an_outcome_are_read_by_their_status(kind: str) -> None:
    told = Told(outcome(kind, REASON))
    kept = {key: value for key, value in told.end.items() if key not in ("outcome", "category", "reason")}
    run = Run.of([kept if event is told.end else event for event in told.events])
    action = run.actions["fit"]
    assert (action.status, action.outcome.end) == (KINDS[kind][3],) * 2
    unknown = {**told.end, "outcome": "of a newer Treadle", "category": "FAIL"}
    assert (
        Run.of([unknown if event is told.end else event for event in told.events]).actions["fit"].outcome.end
        == (KINDS[kind][3])
    )


ACTIONS = """
actions:
  fine: {sh: 'echo 1 > ${out}', out: o1}
  fails: {sh: 'exit 3'}
  killed: {sh: 'kill -9 $$'}
  other: {sh: 'exit 64'}
  late: {sh: 'exec sleep 60', timeout: 0.5s}
  lacks: {sh: 'true', out: o2}
  program: {run: ./nothing-there}
  unready: {sh: 'exit 75'}
  gpu: {sh: 'exit 80', codes: {skipped: 80}}
  refuses: {sh: 'exit 3', expect: {failure: 3}}
  compares: {sh: 'exit 64', expect: diff}
  mail: {sh: 'true', needs: [{action: fine, when: on_failure}]}
  behind: {sh: 'true', needs: fails}
"""
# action -> its kind, its line without time and reasons, and what `why` says of its last run
OF_PLAN: dict[str, tuple[str, str, str]] = {
    "fine": ("success", "ran fine", "succeeded"),
    "fails": ("failed", "failed fails: exit code 3", "failed: exit code 3"),
    "killed": ("failed", "failed killed: killed by SIGKILL", "failed: killed by SIGKILL"),
    "other": ("diffed", "failed other: differs: exit code 64", "failed: differs: exit code 64"),
    "late": (
        "timeout",
        "failed late: ended after its time limit of 0.5 s",
        "failed: ended after its time limit of 0.5 s",
    ),
    "lacks": (
        "broken",
        "failed lacks: it ended well but did not write its output o2",
        "failed: it ended well but did not write its output o2",
    ),
    "program": ("error", "failed program: the input nothing-there is missing", ""),
    "unready": ("not_ready", "failed unready: not ready: exit code 75", "failed: not ready: exit code 75"),
    "gpu": ("skipped", "skipped itself gpu: exit code 80", "skipped itself: exit code 80"),
    "refuses": ("expected_failure", "ran refuses, failed as expected", "succeeded: failed as expected"),
    "compares": ("expected_diff", "ran compares, differs as expected", "succeeded: differs as expected"),
    "mail": ("not_needed", "", ""),
    "behind": ("blocked", "", ""),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], dict[str, dict[str, Any]]]:
    """Return a folder in which such actions have run, what was printed, and the event of each end."""
    folder = tmp_path_factory.mktemp("told")
    plan(folder, ACTIONS)
    done = run_treadle(folder, "run", "-k", "--events", "e.jsonl", "*", env={"COLUMNS": "80"}, check=1)
    events = list(map(json.loads, (folder / "e.jsonl").read_text().splitlines()))
    ends = {event["name"]: event for event in events if event["event"] == "ended"}
    return folder, done.out.splitlines(), ends


def test_a_run_of_a_plan_tells_each_kind_in_a_line(told: Any) -> None:
    _, lines, ends = told
    shown = [re.sub(r" \d+\.\ds|^\[\d+/13\] | \(.*\)$", "", one) for one in lines if one.startswith("[")]
    assert sorted(shown) == sorted(line for _, line, _ in OF_PLAN.values() if line)
    assert {name: end["outcome"] for name, end in ends.items()} == {
        name: kind for name, (kind, *_) in OF_PLAN.items()
    }
    totals = "3 run, 1 skipped itself, 1 not needed, 7 failed, 1 blocked in "
    assert lines[-1].startswith(totals)
    assert max(len(one) for one in lines if one.startswith("[")) <= 80


def test_why_and_status_tell_how_each_action_ended_last(told: Any) -> None:
    folder, _, _ = told
    status = json.loads(run_treadle(folder, "status", "*", "--json", check=1).out)["actions"]
    why = json.loads(run_treadle(folder, "why", "*", "--json").out)["actions"]
    ran = {name: kind if last else None for name, (kind, _, last) in OF_PLAN.items()}
    # also of what could not be started, was blocked or not needed, which has not run
    assert {one["name"]: one["last_outcome"] for one in status} == {
        name: kind for name, (kind, *_) in OF_PLAN.items()
    }
    assert {one["name"]: one["last_run"] and one["last_run"]["outcome"] for one in why} == ran
    said = run_treadle(folder, "why", "*").out
    lasts = re.findall(r"it last ran .*?\), for .*?s, and (.*)", said)
    assert sorted(lasts) == sorted(last for *_, last in OF_PLAN.values() if last)
