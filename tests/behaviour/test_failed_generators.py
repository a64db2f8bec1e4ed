"""A maker of a plan that fails is an action that fails: what depends on its plan is blocked, all else goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from project import Project

PLAN = """\
treadle: 1
defaults: {{pass: [LOG]}}
actions:
  pre: {{sh: "echo pre >> $LOG; {pre}cp bad.src ${{out}}", in: bad.src, out: made/src}}
  bad: {{sh: "echo bad >> $LOG; {bad}cp ${{in}} ${{out}}", in: made/src, out: made/bad.yaml, expand: made/bad.yaml}}
  good: {{sh: "echo good >> $LOG; cp ${{in}} ${{out}}", in: good.src, out: made/good.yaml, expand: made/good.yaml}}
  reader: {{sh: "echo reader >> $LOG; cat ${{in}} > ${{out}}", in: {{from: "bad:x"}}, out: o/reader}}
  after: {{sh: "echo after >> $LOG; cp ${{in}} ${{out}}", in: o/reader, out: o/after}}
  both: {{sh: "echo both >> $LOG; cat ${{in}} > ${{out}}", in: {{from: "good:y"}}, out: o/both}}
  lone: {{sh: "echo lone >> $LOG; touch ${{out}}", out: o/lone, tags: [quick]}}
groups: {{some: [lone, "bad:x"], mine: [lone]}}
"""
MADE = "treadle: 1\ndefaults: {{pass: [LOG]}}\nactions:\n  {0}: {{sh: 'echo {0} >> $LOG; touch ${{out}}', out: o/{0}}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "p")
    project.write("bad.src", MADE.format("x"))
    project.write("good.src", MADE.format("y"))
    write(project)
    return project


def write(project: Project, *, bad: str = "exit 7; ", pre: str = "") -> None:
    project.write("plan", PLAN.format(bad=bad, pre=pre))


def started(project: Project, *arguments: str) -> tuple[int, list[str], str]:
    before = len(project.starts())
    done = project.treadle("run", *arguments)
    return done.code, sorted(project.starts()[before:]), done.text


@pytest.mark.parametrize("pre", ["", "exit 3; "])
def test_with_keep_going_all_runs_that_does_not_depend_on_it(project: Project, pre: str) -> None:
    write(project, pre=pre)
    code, names, text = started(project, "-k")
    assert code == 1
    assert names == sorted(["pre", *([] if pre else ["bad"]), "good", "lone", "both", "y"])
    origin = "pre" if pre else "bad"
    assert f"blocked by {origin}: " in text
    for name in ("reader", "after"):
        assert name in text.partition(f"blocked by {origin}: ")[2]


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        (["lone"], ["lone"]),
        (["o/lone"], ["lone"]),
        (["lo*"], ["lone"]),
        (["mine"], ["lone"]),
        (["both"], ["both", "y"]),
        (["good:y"], ["y"]),
        (["-k2", "lone"], ["lone"]),
        (["-k", "some"], ["lone"]),
        (["-k", "lone", "reader"], ["lone"]),
        (["-k", "lone", "bad:x"], ["lone"]),
        (["-k", "-l", "quick"], ["lone"]),
        (["lone", "-l", "quick"], ["lone"]),
        (["--force", "lone"], ["lone"]),
        (["--force=lone", "lone"], ["lone"]),
        (["-k", "--force=bad:x", "lone"], ["lone"]),
    ],
    ids=str,
)
def test_what_was_named_and_does_not_depend_on_it_runs(
    project: Project, arguments: list[str], runs: list[str]
) -> None:
    code, names, text = started(project, *arguments)
    assert (code, names) == (1, sorted(["pre", "bad", "good", *runs])), text
    assert "failed bad: exit code 7" in text


@pytest.mark.parametrize("arguments", [["bad:x"], ["reader"], ["after", "lone"], ["some"], ["o/x"], []], ids=str)
def test_without_keep_going_nothing_starts_after_a_failure_of_what_is_needed(
    project: Project, arguments: list[str]
) -> None:
    code, names, text = started(project, "-j1", *arguments)
    assert (code, [one for one in names if one not in ("pre", "bad", "good")]) == (1, []), text


@pytest.mark.parametrize("arguments", [["after"], ["o/x", "lone"], ["bad:x", "bad:z"]], ids=str)
def test_what_is_asked_for_and_not_known_is_blocked_by_the_maker(project: Project, arguments: list[str]) -> None:
    code, _, text = started(project, "-k", *arguments)
    assert code == 1
    asked = arguments[0] if not arguments[0].startswith("bad") else "failed bad"
    assert asked in text
    assert "there is no action" not in text


def test_keep_going_with_a_number_counts_makers_too(project: Project) -> None:
    plan = project.read("treadle.yaml").replace("echo lone >> $LOG; touch", "echo lone >> $LOG; exit 2; touch")
    project.write("plan", plan + "default: [reader, lone, both]\n")
    code, names, text = started(project, "-k2", "-j1")
    assert code == 1
    assert "lone" in names or "both" in names
    assert "2 failed" in text or "1 failed" in text
    write(project, pre="exit 3; ")
    project.write("plan", project.read("treadle.yaml").replace("echo good >> $LOG; cp", "exit 4; cp"))
    code, names, text = started(project, "-k2", "-j1")
    assert (code, "lone" in names) == (1, False)
    assert "2 failed" in text


def test_what_reads_what_the_plan_made_last_time_is_blocked(project: Project) -> None:
    extra = "  text: {sh: 'echo text >> $LOG; cp ${in} ${out}', in: o/x, out: o/text}\n"
    globs = '  all: {sh: "echo all >> $LOG; cat ${in} > ${out}", in: "o/[xy]", out: all}\n'
    write(project, bad="")
    plan = project.read("treadle.yaml").replace("groups:", extra + globs + "groups:")
    project.write("plan", plan)
    assert started(project)[0] == 0
    project.write("plan", plan.replace("echo bad >> $LOG; ", "echo bad >> $LOG; exit 7; "))
    project.write("bad.src", MADE.format("x").replace("touch", "date >"))
    for arguments in (["-k"], ["-k", "text", "all", "lone"]):
        code, names, text = started(project, *arguments)
        assert (code, [one for one in names if one not in ("pre", "bad", "good")]) == (1, []), text
        assert "blocked by bad: " in text
        assert "text" in text.partition("blocked by bad: ")[2]
        assert "all" in text.partition("blocked by bad: ")[2]
    project.write("plan", plan)
    assert started(project)[0] == 0
    assert started(project)[1] == []


@pytest.mark.parametrize("arguments", [["-k"], ["lone"], ["-k2", "lone"]], ids=str)
@pytest.mark.parametrize("broken", ["treadle: 1\nactions: {x: {rum: y}}\n", "treadle: [\n", "", "- a\n"])
def test_a_broken_plan_is_a_failure_of_its_maker(project: Project, arguments: list[str], broken: str) -> None:
    project.write("bad.src", broken)
    write(project, bad="")
    for _ in range(2):
        done = project.treadle("run", *arguments)
        assert done.code == 2
        assert "made/bad.yaml" in done.err
    assert "lone" in project.starts()
    project.write("bad.src", MADE.format("x"))
    assert project.treadle("run").code == 0
    assert "x" in project.starts()


def test_a_maker_in_a_made_plan_that_fails_blocks_what_depends_on_it(project: Project) -> None:
    inner = "  deep: {run: 'false', out: made/deep.yaml, expand: made/deep.yaml}\n"
    project.write("bad.src", MADE.format("x") + inner)
    write(project, bad="")
    plan = project.read("treadle.yaml").replace("groups:", "  end: {run: true, needs: ['bad:deep:e']}\ngroups:")
    project.write("plan", plan + "default: ['*', end]\n")
    code, names, text = started(project, "-k")
    assert (code, names) == (1, sorted(["pre", "bad", "good", "lone", "both", "y", "x", "reader", "after"])), text
    assert "blocked by bad:deep: end" in text


def test_a_maker_that_reads_what_another_failed_to_make_is_blocked_by_it(project: Project) -> None:
    more = "  late: {run: cp o/x m.yaml, in: {from: 'bad:x'}, out: m.yaml, expand: m.yaml}\n"
    project.write("plan", project.read("treadle.yaml").replace("groups:", more + "groups:"))
    code, names, text = started(project, "-k")
    assert (code, names) == (1, sorted(["pre", "bad", "good", "lone", "both", "y"])), text
    assert "late" in text.partition("blocked by bad: ")[2]


def test_events_tell_of_the_failure_and_of_what_went_on(project: Project) -> None:
    assert project.treadle("run", "-k", "--events", "e.jsonl").code == 1
    events = [json.loads(line) for line in project.read("e.jsonl").splitlines()]
    ended = {event["name"]: event["status"] for event in events if event["event"] == "ended"}
    assert (ended["bad"], ended["lone"], ended["good:y"]) == ("failed", "ran", "ran")
    (summary,) = [event for event in events if event["event"] == "summary"]
    assert summary["exit_code"] == 1


@pytest.mark.parametrize(
    ("names", "blocked"),
    [([], ["reader", "after"]), (["lone", "reader"], ["reader"]), (["after", "o/x"], ["after", "o/x"])],
    ids=str,
)
def test_events_and_reports_say_blocked_where_the_terminal_does(
    project: Project, names: list[str], blocked: list[str]
) -> None:
    done = project.treadle("run", "-k", "-v", "--events", "e.jsonl", "--junit", "j.xml", *names)
    assert done.code == 1
    assert f"blocked by bad: {', '.join(blocked)}\n" in done.out
    events = [json.loads(line) for line in project.read("e.jsonl").splitlines()]
    told = [event["name"] for event in events if event["event"] == "ended" and event["status"] == "blocked"]
    assert told == blocked
    assert sorted(told) == sorted({e["name"] for e in events if e["event"] == "action"} & {*told})
    reasons = {e["name"]: e["reasons"][0]["text"] for e in events if e["event"] == "verdict"}
    assert {reasons[name] for name in told} == {"blocked by bad"}
    assert events[-1]["counts"]["blocked"] == len(blocked)
    assert f"{len(blocked)} blocked" in done.out.splitlines()[-1]
    suite = project.read("j.xml")
    for name in blocked:
        assert f'name="{name}"' in suite
    assert suite.count('<skipped message="blocked by bad"/>') == len(blocked)
    last = [event for event in events if event["event"] == "plan"][-1]
    for text in (
        json.dumps(last["left_out"]),
        *(line for line in done.out.splitlines() if line.startswith("disabled")),
    ):
        assert not any(f"disabled {name}:" in text or f'"{name}":' in text for name in blocked)
    assert f"blocked by bad: {', '.join(blocked)}\n" in project.treadle("report", "e.jsonl").out


def test_the_next_run_makes_up_for_it(project: Project) -> None:
    started(project, "-k")
    write(project, bad="")
    code, names, _ = started(project)
    assert (code, names) == (0, ["after", "bad", "reader", "x"])
    assert started(project)[:2] == (0, [])
