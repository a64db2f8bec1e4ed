"""`--only`, `--where`, `--with-after` and `--with-blocked`: what to run again, by how it ended last."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from project import DEADLINE, Project, wait_until
from treadle import Options, Session
from treadle.core.outcomes import Usage
from treadle.errors import UsageError
from treadle.session.last_outcomes import _peak

PLAN = """
treadle: 1
default: [pack, t, notify]
actions:
  a: {sh: 'test -e ok; echo > ${out}', out: out/a, tags: [slow]}
  b: {sh: 'echo > ${out}', out: out/b, in: out/a}
  c: {sh: 'cat ${in} > ${out}', in: c.txt, out: out/c}
  pack: {sh: 'cat ${in} > ${out}', in: [out/b, out/c], out: out/pack, tags: [slow]}
  t: {foreach: {n: [1, 2, 30]}, sh: 'test -e ok || exit ${n}; exit 1', codes: {success: 1}}
  notify: {sh: ':', needs: [{action: a, when: on_failure}]}
  other: {sh: 'echo > ${out}', out: out/other}
  after: {sh: 'cat ${in} > ${out}', in: out/other, out: out/after}
  off: {sh: ':', when: 'false'}
"""
FAILED = {"a", "t@2", "t@30"}
BLOCKED = {"b", "pack"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.write("plan", PLAN)
    made.write("c.txt", "c")
    return made


def session(project: Project, *names: str, **options: Any) -> Session:
    return Session(project.folder / "treadle.yaml", Options(names, **options))


def selected(project: Project, *names: str, **options: Any) -> set[str]:
    """Return what a call selects; it is decided in this process."""
    call = session(project, *names, **options)
    return set(call.selected(call.load()))


def listed(project: Project, *words: str) -> dict[str, dict[str, Any]]:
    done = project.treadle("list", "--json", *words)
    return {one["name"]: one for one in json.loads(done.out)["actions"]}


def failed_once(project: Project) -> None:
    """Run all but `other` and `after`; what fails and what that blocks is in FAILED and BLOCKED."""
    assert project.treadle("run", "-k").code == 1


WORDS = {
    "failed": FAILED | BLOCKED,
    "not-passed": FAILED | BLOCKED | {"other", "after"},
    "not-run": BLOCKED | {"other", "after"},
    "changed": FAILED | BLOCKED | {"t@1", "other"},
    "all": FAILED | BLOCKED | {"c", "t@1", "notify", "other", "after"},
}


@pytest.mark.parametrize("only", WORDS)
def test_each_word_takes_what_it_says_of_the_last_outcomes(only: str, project: Project) -> None:
    """S1: `failed` takes with it what the failures have blocked."""
    failed_once(project)
    expected = WORDS[only] - {"b", "pack"} if only == "changed" else WORDS[only]
    # what would run because another one does is no change of its own: only what is new is
    expected |= {"b", "pack", "after"} if only == "changed" else set()
    assert selected(project, "*", only=only) == expected
    assert selected(project, only=only) == (
        {"pack", "t@1", "t@2", "t@30", "notify"} if only == "all" else expected - {"other", "after"}
    )


def test_nothing_has_failed_before_the_first_run_and_after_a_good_one(project: Project) -> None:
    """S1: a word that takes nothing runs nothing, says so, and that is well."""
    everything = set(WORDS["all"])
    assert selected(project, "*", only="failed") == set()
    assert selected(project, "*", only="not-passed") == everything - {"notify"} | {"notify"}
    assert selected(project, "*", only="not-run") == everything
    project.write("ok", "")
    assert project.treadle("run", "*").code == 0
    assert selected(project, "*", only="failed") == selected(project, "*", only="not-run") == set()
    # `notify` was not needed, so there is nothing that it has not passed
    assert selected(project, "*", only="not-passed") == set()
    done = project.treadle("run", "--only", "failed", "*")
    assert (done.code, project.treadle("run", "-q", "--only", "failed").text) == (0, "")
    assert "deselected: 10 actions by --only failed" in done.out
    assert "nothing to do" in done.out


def test_a_run_of_what_failed_runs_this_and_what_it_has_blocked(project: Project) -> None:
    """S1: until nothing has failed any more; what has passed is not run again, although it runs each time."""
    failed_once(project)
    done = project.treadle("run", "-k", "--only", "failed", "--no-with-blocked")
    assert re.findall(r"\] (?:failed|ran) ([\w@]+) ", done.out) == ["a", "t@2", "t@30"]
    project.write("ok", "")
    done = project.treadle("run", "--only", "failed", "-j1")
    assert set(re.findall(r"ran ([\w@]+) ", done.out)) == FAILED | BLOCKED
    assert (done.code, project.read("out/pack")) == (0, "\nc")
    assert selected(project, only="failed") == set()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"only": "failed", "with_blocked": False}, FAILED),
        ({"only": "failed", "with_after": True, "with_blocked": False}, FAILED | BLOCKED | {"notify"}),
        ({"where": "failed", "with_blocked": True}, FAILED | BLOCKED),
        ({"where": "failed and code == 30", "with_blocked": True}, {"t@30"}),
        ({"where": "code == 1", "with_blocked": True}, {"a", "t@1"} | BLOCKED),
        ({"only": "failed", "where": "code > 1"}, {"t@2", "t@30"}),
        ({"only": "failed", "tags": "slow"}, {"a", "pack"}),
        ({"only": "failed", "tags": "slow", "with_after": True}, {"a", "notify"} | BLOCKED),
        ({"with_after": True, "tags": "slow"}, {"a", "notify"} | BLOCKED),
        ({"only": "not-run", "tags": "slow"}, {"pack"}),
    ],
)
def test_options_of_selection_go_together(words: dict[str, Any], expected: set[str], project: Project) -> None:
    """S1: `--with-blocked` by the failures of what is selected, `--with-after` by all edges, `-l` beside them."""
    failed_once(project)
    assert selected(project, "*", **words) == expected


@pytest.mark.parametrize(
    ("names", "words", "expected"),
    [
        (["other"], {"with_after": True}, {"other", "after"}),
        (["pack"], {"only": "failed"}, {"a", "b", "pack"}),
        (["c"], {"only": "failed"}, set()),
        (["pack"], {"where": "passed or blocked"}, None),
        (["pack"], {"where": "pass"}, {"c"}),
        (["pack"], {"where": "pass", "tags": "slow"}, set()),
        (["notify"], {"only": "failed", "with_blocked": False}, {"a"}),
    ],
)
def test_what_a_call_names_and_what_that_needs_is_judged(
    names: list[str], words: dict[str, Any], expected: set[str] | None, project: Project
) -> None:
    """S1: with `-l` only what it takes is."""
    failed_once(project)
    if expected is None:
        with pytest.raises(UsageError, match="passed is not defined"):
            selected(project, *names, **words)
    else:
        assert selected(project, *names, **words) == expected


EXPRESSIONS = {
    "failed": FAILED,
    "fail": FAILED,
    "outcome == failed": FAILED,
    "outcome in [blocked, timeout]": BLOCKED,
    "not (pass or fail)": BLOCKED | {"other", "after"},
    "outcome != success": FAILED | BLOCKED | {"other", "after"},
    "code == 30": {"t@30"},
    "code >= 2 and n < 30": {"t@2"},
    "n > 1": {"t@2", "t@30"},
    "family == 't' and n == 1": {"t@1"},
    "name in ['a', 'c']": {"a", "c"},
    '"slow" in tags': {"a", "pack"},
    "duration > 1h or memory > 1TiB": set(),
    "duration < 1h and age < 1d": FAILED | {"c", "t@1", "notify"},
    "age < 1h": FAILED | BLOCKED | {"c", "t@1", "notify"},
    "not duration < 1h": BLOCKED | {"other", "after"},
    "resources.cpus > 1": set(),
    "cpu < 1m and code == 0": {"c", "notify"},
}


def test_an_expression_takes_what_it_holds_for(project: Project) -> None:
    """S1: by outcome, code, duration, memory, age, tags, names and values; what is not known is never so."""
    plan = PLAN.replace("'echo > ${out}', out: out/b", "'echo > ${out}', out: out/b, resources: {cpus: 1}")
    project.write("plan", plan)
    failed_once(project)
    for expression, expected in EXPRESSIONS.items():
        assert selected(project, "*", where=expression) == expected, expression


MISTAKES = {
    "duration > 10": (10, "a duration cannot be compared with a number"),
    "memory > 10m": (8, "an amount of memory cannot be compared with a duration"),
    "duration": (1, "this is a value, not a condition"),
    "failed and dration > 1s": (12, "dration is not defined"),
    "outcome == 'faild'": (9, "there is no outcome 'faild'"),
    "outcome < 3": (9, "outcomes have no order"),
    "duration > 10x": (12, "10x is no number with a unit"),
    "failed and": (8, "the condition ends too early"),
    "(failed": (1, "a bracket that is not closed"),
    "name > 3": (6, "> compares two numbers or two texts"),
    "failed slow": (8, "slow is not expected here"),
    "tags == 'slow'": (6, "a list cannot be compared with one value"),
    "slow": (1, "slow is not defined"),
    "'slow' in name": (8, "the right side of in must be a list"),
    "failed & slow": (8, "unexpected & in a condition"),
}


@pytest.mark.parametrize("expression", MISTAKES)
def test_a_mistake_in_an_expression_is_told_at_its_place(expression: str, project: Project) -> None:
    """S1: whether or not there is an action that it could be asked of."""
    column, what = MISTAKES[expression]
    done = project.treadle("list", f"--where={expression}")
    assert done.code == 2
    assert f"--where:1:{column}: {what}" in done.err
    assert expression in done.err


def test_what_a_selected_action_needs_is_brought_up_to_date(project: Project) -> None:
    """S1: never stale: a selected action reads what its inputs are now, and a plain run does the rest."""
    failed_once(project)
    project.write("ok", "")
    project.write("c.txt", "new")
    done = project.treadle("run", "--where", "name == 'pack'")
    assert set(re.findall(r"ran (\w+) ", done.out)) == {"a", "b", "c", "pack"}
    assert project.read("out/pack") == "\nnew"
    project.write("c.txt", "newer")
    assert project.treadle("run", "--only", "failed").code == 0
    # what was not selected is not up to date for that
    assert set(re.findall(r"ran ([\w@]+) ", project.treadle("run").out)) == {"c", "pack", "t@1", "t@2", "t@30"}
    assert project.read("out/pack") == "\nnewer"


def test_a_selected_action_is_decided_by_its_fingerprint(project: Project) -> None:
    """S1: `--force` is what makes it run."""
    project.write("ok", "")
    assert project.treadle("run").code == 0
    assert "nothing to do" in project.treadle("run", "c", "--where", "pass").out
    assert "ran c " in project.treadle("run", "c", "--where", "pass", "--force").out
    assert "ran c " in project.treadle("run", "pack", "--only", "failed", "--force=c").out


def test_what_fails_after_it_passed_has_failed_last_and_is_never_up_to_date(project: Project) -> None:
    """S1: the last outcome counts, not the last success, and it makes nothing up to date."""
    project.write("ok", "")
    assert project.treadle("run").code == 0
    (project.folder / "ok").unlink()
    assert project.treadle("run", "--force=a").code == 1
    assert listed(project, "--only", "failed").keys() >= {"a", *BLOCKED}
    one = listed(project)["a"]
    assert (one["last_outcome"], one["last_code"], one["last_reason"]) == ("failed", 1, "exit code 1")
    assert one["last_duration"] > 0
    project.write("ok", "")
    assert "ran a " in project.treadle("run", "a").out
    assert listed(project)["a"]["last_outcome"] == "success"
    # what it had blocked passed before that, and was not tried: it is up to date
    assert "nothing to do" in project.treadle("run", "pack").out
    assert listed(project)["pack"]["last_outcome"] == "success"


UNSTARTED = {
    "a program that is missing": "{run: './none ${out}', out: o}",
    "a requirement": "{sh: ':', require: [{run: 'test -e here', message: not here}]}",
}


@pytest.mark.parametrize("case", UNSTARTED)
def test_what_could_not_be_started_has_failed_last(case: str, project: Project) -> None:
    """S1: also where there was no attempt; a record stays as it is."""
    project.write("plan", f"treadle: 1\nactions:\n  x: {UNSTARTED[case]}\n  y: {{sh: ':', needs: x}}\n")
    assert selected(project, "*", only="failed") == set()
    assert project.treadle("run", "x", "y", "-k").code == 1
    found = listed(project)
    assert found["x"]["last_outcome"] == "error"
    assert found["x"]["last_reason"]
    assert found["y"]["last_outcome"] == "blocked"
    assert selected(project, "*", only="failed") == {"x", "y"}
    assert "1 record dropped" in project.treadle("forget", "x").out
    assert listed(project)["x"]["last_outcome"] is None


def test_what_could_not_be_started_once_and_is_up_to_date_again_has_passed(project: Project) -> None:
    """S1: an outcome without an attempt leaves the record, so that may be right again."""
    require = "require: [{run: 'test -e here', message: not here}]"
    project.write(
        "plan", f"treadle: 1\nactions:\n  x: {{sh: 'cat ${{in}} > ${{out}}', in: c.txt, out: o, {require}}}\n"
    )
    project.write("here", "")
    assert project.treadle("run", "x").code == 0
    (project.folder / "here").unlink()
    project.write("c.txt", "new")
    assert project.treadle("run", "x").code == 1
    assert selected(project, "x", only="failed") == {"x"}
    project.write("c.txt", "c")
    assert selected(project, "x", only="failed") == set()
    assert "nothing to do" in project.treadle("run", "x").out
    project.write("c.txt", "newer")
    project.write("here", "")
    assert "ran x" in project.treadle("run", "x", "--only", "failed").out
    assert listed(project)["x"]["last_outcome"] == "success"


def test_a_generated_plan_is_selected_from_too(project: Project) -> None:
    """S1: its producer runs as ever, and what it has failed with before counts as of the call."""
    project.write("made", "treadle: 1\nactions:\n  one: {sh: 'test -e ok'}\n  two: {sh: ':'}\n")
    script = "test -e made && cp made ${out}"
    project.write("plan", f"treadle: 1\nactions: {{gen: {{sh: '{script}', out: sub.yaml, expand: sub.yaml}}}}\n")
    assert project.treadle("run", "*", "-k").code == 1
    assert selected(project, "*", only="failed") == {"gen:one"}
    done = project.treadle("run", "*", "--only", "failed")
    assert "failed gen:one" in done.out
    assert "gen:two" not in done.out
    project.write("ok", "")
    assert "ran gen:one" in project.treadle("run", "*", "--only", "failed").out
    assert selected(project, "*", only="failed") == set()


def test_each_deselected_and_disabled_action_has_its_reason(project: Project) -> None:
    """S1: in `list` and `status`, for people and for programs."""
    failed_once(project)
    status = project.treadle("status", "-v", "--only", "failed", "*").out
    assert "deselected t@1: --only failed: its last outcome: ran" in status
    assert "deselected other: --only failed: it has not run" in status
    assert "disabled off: when false is false" in status
    assert "deselected c" not in status, "a selected one needs it"
    data = json.loads(project.treadle("status", "--json", "-l", "slow", "--where", "failed", "a", "pack", "t").out)
    assert data["deselected"] == {
        **dict.fromkeys(("t@1", "t@2", "t@30"), "its tags do not fit slow"),
        "pack": "--where: outcome is 'blocked'",
    }
    assert data["disabled"] == {}
    assert json.loads(project.treadle("status", "--json").out)["disabled"] == {"off": "when false is false"}
    shown = project.treadle("list", "--all", "--where", "n > 1").out
    assert "deselected t@1: --where: n is '1'" in shown
    assert "off  when false is false" in shown
    assert json.loads(project.treadle("list", "--json", "--only", "failed").out)["deselected"]["t@1"]
    assert "deselected: 4 actions by --only failed" in project.treadle("list", "--only", "failed").out


def test_a_list_by_outcome_shows_each_action_with_how_it_ended(project: Project) -> None:
    """S1: the slowest first with `--sort duration`, so many with `--durations`."""
    project.write(
        "plan",
        PLAN.replace("sh: 'cat ${in} > ${out}', in: c.txt", "sh: 'sleep 0.3; cat ${in} > ${out}', in: c.txt"),
    )
    failed_once(project)
    rows = project.treadle("list", "--sort", "duration", "--all").out.splitlines()
    assert re.match(r"  c +ran in 0\.\ds, \d+\.?\d*s ago", rows[1])
    assert [row for row in rows if re.match(r"  b +blocked, ", row)]
    assert [row for row in rows if re.match(r"  other +has not run", row)]
    names = [row.split()[0] for row in project.treadle("list", "--sort", "name", "t", "c").out.splitlines()]
    assert names == ["actions:", "c", "t@1", "t@2", "t@30"]
    assert [*listed(project, "--durations", "1")] == ["c"]
    assert len(listed(project, "--durations")) == 6
    assert len(listed(project, "--durations", "t")) == 3
    lines = project.treadle("status", "--durations", "2").out.splitlines()
    assert lines[-3] == "slowest:"
    assert lines[-2].split()[:3] == ["c", "ran", "in"]
    status = json.loads(project.treadle("status", "--json", "--sort", "duration").out)["actions"]
    assert status[0]["name"] == "c"
    assert [one["name"] for one in status if one["last_duration"] is None] == ["b", "pack"]


LAST = """
treadle: 1
actions:
  a: {sh: 'test -e ok', tags: [x]}
  end: {sh: 'echo end >> $LOG; test -e ok', finally: true, pass: [LOG]}
"""


def test_actions_at_the_end_come_after_what_is_selected(project: Project) -> None:
    """S1: as with names: after a run that does something; named alone they are judged as others are."""
    project.write("plan", LAST)
    assert project.run("a", code=1) == ["end"]
    assert project.run("a", "--only", "failed", code=1) == ["end"]
    assert project.run("a", "--where", "pass") == []
    assert project.run("end", "--only", "failed", code=1) == ["end"]
    assert project.run("end", "--where", "pass") == []
    project.write("ok", "")
    assert project.run("end", "--only", "failed") == ["end"]
    assert project.run("end", "--only", "failed") == []
    assert project.run("*", "--only", "failed") == ["end"]


def test_a_watch_is_of_all_that_changes(project: Project) -> None:
    """S1: what is selected would be something else in each round."""
    done = project.treadle("run", "--watch", "--only", "failed")
    assert (done.code, "cannot be combined with --only" in done.err) == (2, True)
    with pytest.raises(UsageError, match="cannot be combined with --only"):
        session(project, where="failed").watch()


def test_a_session_judges_anew_in_each_run(project: Project) -> None:
    """S1: its options are those of the command line."""
    one = session(project, only="failed", jobs=1)
    assert one.run().actions == {}
    session(project, keep_going=0, jobs=1).run()
    assert {uid for uid, action in one.run().actions.items() if action.outcome.kind == "failed"} == {"a"}
    project.write("ok", "")
    assert one.run().ok
    assert one.run().actions == {}
    assert set(one.deselected) == {"pack", "a", "b", "c", "notify", "t@1", "t@2", "t@30"}
    assert one.look() == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"only": "faild"}, "only is 'faild'"),
        ({"only": ["failed"]}, r"only is \['failed'\]"),
        ({"where": 3}, "where is 3"),
        ({"with_after": "yes"}, "with_after is 'yes'"),
        ({"with_blocked": 1}, "with_blocked is 1"),
    ],
)
def test_options_of_a_wrong_kind_are_refused_in_words(options: dict[str, Any], said: str, project: Project) -> None:
    """S1"""
    with pytest.raises(UsageError, match=f"Options: {said}"):
        session(project, **options)


def test_a_partial_selection_leaves_no_snapshot_that_claims_more(project: Project) -> None:
    """S1: a session has the words of a plain call, so its snapshot would be taken for one of all."""
    project.write(
        "plan",
        "treadle: 1\nactions:\n  a: {sh: 'cat ${in} > ${out}', in: x, out: o}\n  b: {sh: 'cat ${in} > ${out}', in: y, out: p}\n",
    )
    project.write("x", "1")
    project.write("y", "1")
    assert session(project).run().ok
    project.write("x", "2")
    project.write("y", "2")
    assert set(session(project, where="name == 'a'").run().actions) == {"a"}
    assert set(session(project, "*").run().actions) >= {"b"}
    assert (project.read("o"), project.read("p")) == ("2", "2")
    project.write("y", "3")
    assert project.treadle("run", "--where", "name == 'a'").code == 0
    assert "ran b" in project.treadle("run").out
    assert project.read("p") == "3"


def test_the_graph_is_of_what_is_selected(project: Project) -> None:
    failed_once(project)
    assert "t@1" not in project.treadle("graph", "--only", "failed", "--no-state").out
    assert "no action is selected" in project.treadle("graph", "--where", "timeout").err


def test_what_ran_after_a_failure_before_it_keeps_its_own_outcome(project: Project) -> None:
    """S1: blocked is only what has ended before the failure did, whatever the plan says of their edge now."""
    plan = "treadle: 1\nactions:\n  a: {sh: 'test -e ok'}\n  b: {sh: ':', needs: [{action: a, when: WHEN}]}\n"
    project.write("plan", plan.replace("WHEN", "always"))
    assert project.treadle("run", "-k", "*").code == 1
    project.write("plan", plan.replace("WHEN", "on_success"))
    assert selected(project, "*", only="failed") == {"a"}
    assert project.treadle("run", "*").code == 1
    assert selected(project, "*", only="failed") == {"a", "b"}


def test_memory_is_of_all_processes_where_that_is_known() -> None:
    """S1: counted by a control group, else the most that is known of a look each second and of one process."""
    assert _peak(Usage(1.0, 0.0, 0.0, largest_process=3, tree_peak=2)) == 2
    assert _peak(Usage(1.0, 0.0, 0.0, largest_process=3, sampled_peak=2)) == 3
    assert _peak(Usage(1.0, 0.0, 0.0, sampled_peak=2)) == 2
    assert _peak(Usage(1.0, 0.0, 0.0)) is None


@pytest.mark.parametrize(
    ("number", "last", "taken"),
    [(signal.SIGINT, "interrupted", {"not-passed"}), (signal.SIGKILL, None, {"not-passed", "not-run"})],
)
def test_what_was_cut_off_has_neither_failed_nor_passed(
    number: signal.Signals, last: str | None, taken: set[str], project: Project
) -> None:
    """S1: a run that was killed has not told how its actions ended."""
    project.write("plan", "treadle: 1\nactions: {a: {sh: 'echo a >> $LOG; exec sleep 600', pass: [LOG]}}\n")
    child = project.start("run", "a")
    wait_until(project.starts)
    child.send_signal(number)
    child.communicate(timeout=DEADLINE)
    assert listed(project)["a"]["last_outcome"] == last
    assert {only for only in ("failed", "not-passed", "not-run") if selected(project, "*", only=only)} == taken
    # what a killed run has left running is ended by the next one
    project.write("plan", "treadle: 1\nactions: {a: {sh: ':'}}\n")
    assert project.treadle("run", "a").code == 0


def test_records_that_do_not_count_are_told(project: Project) -> None:
    """S1: all has no outcome then, which is not what a list by outcomes should say without a word."""
    failed_once(project)
    project.write(".treadle/records", "garbage" * 100)
    done = project.treadle("list", "--only", "not-run", "a")
    assert "has not run" in done.out
    assert "everything counts as new" in done.err
