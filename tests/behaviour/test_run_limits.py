"""`jitter`, limits of actions and runs, budgets and repetitions of a call, by the real command."""

from __future__ import annotations

import json
import math
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from project import Project, wait_until
from treadle import (
    DAG,
    Command,
    CommandWalk,
    Job,
    Limits,
    Options,
    Retries,
    ReturnValue,
    Settings,
    Subscriber,
    Walk,
)
from treadle.core.retry import LONGEST_BACKOFF, pause_before
from treadle.errors import UsageError
from treadle.events.bus import Ended
from treadle.testing import CallJob


def events(project: Project, kind: str) -> list[dict[str, object]]:
    """Return the events of a kind, of the run that has recorded them last."""
    lines = map(json.loads, project.read("events.jsonl").splitlines())
    return [event for event in lines if event["event"] == kind]


def test_jitter_shortens_each_pause_by_a_share_that_run_action_and_attempt_say() -> None:
    """R4: drawn from what run, action and attempt say, within the share, and never beyond ten minutes."""
    attempts = range(2, 2000)
    pauses = [pause_before(attempt, 1.0, 0.2, "run action") for attempt in attempts]
    assert pauses == [pause_before(attempt, 1.0, 0.2, "run action") for attempt in attempts]
    for attempt, pause in zip(attempts, pauses, strict=True):
        whole = pause_before(attempt, 1.0)
        assert 0.8 * whole < pause <= whole <= LONGEST_BACKOFF
    shares = [pause / pause_before(attempt, 1.0) for attempt, pause in zip(attempts, pauses, strict=True)]
    assert min(shares) < 0.81
    assert max(shares) > 0.99
    assert pauses != [pause_before(attempt, 1.0, 0.2, "run other") for attempt in attempts]


def test_a_pause_with_jitter_may_be_none_at_all() -> None:
    """R4: a share of 1 draws from the whole pause."""
    pauses = [pause_before(2, 1.0, 1.0, f"run {number}") for number in range(1000)]
    assert 0.0 < min(pauses) < 0.01
    assert max(pauses) > 0.99


def test_jitter_counts_from_a_plan_and_from_its_snapshot(project: Project) -> None:
    """R4: the pauses of a run are in its events; they differ by attempt and stay below what `backoff` says."""
    retries = "{max: 3, backoff: 10ms, jitter: 0.5}"
    project.write("plan", f"treadle: 1\nactions:\n  a: {{sh: 'exit 1', in: x, out: o, retries: {retries}}}\n")
    project.write("x", "1")
    for _ in range(2):
        # the second run takes the action from the snapshot of the first
        assert project.treadle("run", "--events", "events.jsonl", "a").code == 1
        delays = [event["delay"] for event in events(project, "attempt")]
        assert len(delays) == 3
        for delay, whole in zip(delays, (0.01, 0.02, 0.04), strict=True):
            assert isinstance(delay, float)
            assert whole / 2 <= delay < whole


@pytest.mark.parametrize("value", ["1.1", "-0.1", "often", "'0.2'", "[0.2]", "2"])
def test_a_jitter_that_is_no_share_is_an_error(value: str, project: Project) -> None:
    project.write("plan", f"treadle: 1\nactions:\n  a: {{sh: x, retries: {{max: 1, jitter: {value}}}}}\n")
    done = project.treadle("check")
    assert done.code == 2
    assert "a number from 0 to 1" in done.err


def test_more_than_a_thousand_instant_failures_do_not_overflow(project: Project) -> None:
    """R4: the 1,100th attempt starts as the second one does."""
    project.write("plan", "treadle: 1\nactions:\n  a: {run: 'false', retries: {max: 1100, jitter: 0.5}}\n")
    done = project.treadle("run", "-q", "--events", "events.jsonl", "a")
    assert done.code == 1
    assert events(project, "ended")[0]["attempts"] == 1101


def chain(project: Project, **codes: int) -> None:
    """Write a plan in which a, b and c come one after the other with `-j1`, then d, with exit codes."""
    actions = [("a", ""), ("b", "needs: a"), ("c", "needs: a, after: b"), ("d", "needs: [b, c]")]
    lines = [
        f"  {name}: {{sh: 'echo {name} >> $LOG; exit {codes.get(name, 0)}', {more}, pass: [LOG], retries: 2}}\n"
        for name, more in actions
    ]
    project.write("plan", "treadle: 1\ndefault: [d]\nactions:\n" + "".join(lines).replace(", ,", ","))


def outcomes(project: Project) -> dict[str, object]:
    return {str(event["name"]): event["status"] for event in events(project, "ended")}


def reasons(project: Project) -> dict[str, object]:
    return {str(event["name"]): event["reason"] for event in events(project, "ended") if event.get("reason")}


def test_k_counts_actions_that_failed_for_good(project: Project) -> None:
    """R7: two attempts that are followed by others count nothing, the third one ends the run."""
    chain(project, a=0, b=1)
    assert project.run("-j1", "-k2", "--events", "events.jsonl", code=1) == ["a", "b", "b", "b", "c"]
    assert outcomes(project) == {"a": "ran", "b": "failed", "c": "ran", "d": "blocked"}
    assert project.run("-j1", "-k1", "--events", "events.jsonl", code=1) == ["a", "b", "b", "b"]
    assert outcomes(project) == {"a": "ran", "b": "failed", "c": "not started", "d": "not started"}


@pytest.mark.parametrize(
    ("number", "started", "code"), [(1, "a", 1), (2, "ab", 1), (3, "abc", 1), (4, "abcd", 0), (5, "abcd", 0)]
)
def test_after_so_many_actions_nothing_new_starts(number: int, started: str, code: int, project: Project) -> None:
    """R8: what is left is not started, and the run is no success; with all of them done it is one."""
    chain(project)
    run = ("-j1", "--stop-after", str(number), "--events", "events.jsonl")
    assert project.run(*run, code=code) == list(started)
    ends = outcomes(project)
    assert {name for name, how in ends.items() if how == "ran"} == set(started)
    assert {name for name, how in ends.items() if how == "not started"} == set("abcd") - set(started)
    notes = [event["text"] for event in events(project, "note")]
    actions = "1 action has" if number == 1 else f"{number} actions have"
    assert notes == ([] if code == 0 else [f"{actions} run: nothing new starts"])
    assert reasons(project) == ({} if code == 0 else dict.fromkeys(set("abcd") - set(started), f"{actions} run"))


def test_a_budget_of_actions_counts_what_ran_and_failed_and_not_what_was_skipped(project: Project) -> None:
    """R8: of what is tried again the last attempt counts; what is up to date does not."""
    text = "treadle: 1\nactions:\n"
    for name, script in (("a", "true"), ("b", "exit 1"), ("c", "true"), ("d", "true")):
        text += f"  {name}: {{sh: 'echo {name} >> $LOG; {script}; > ${{out}}', out: o/{name}, pass: [LOG],"
        text += f" after: [{', '.join('abcd'[: 'abcd'.index(name)])}], retries: 1}}\n"
    project.write("plan", text)
    assert project.run("-j1", "a") == ["a"]
    # a is up to date, b fails twice, c runs
    assert project.run("-j1", "-k", "--stop-after=2", "a", "b", "c", "d", code=1) == ["b", "b", "c"]


def test_with_nothing_to_do_there_is_nothing_to_do_whatever_limits_are_given(project: Project) -> None:
    project.write("plan", "treadle: 1\nactions: {a: {sh: 'echo > ${out}', out: o}}\n")
    assert project.treadle("run").code == 0
    for words in (
        ["--stop-after", "1"],
        ["--run-timeout", "1h"],
        ["--timeout", "1h"],
        ["--timeout", "a=1h"],
        ["--timeout-times", "2"],
    ):
        done = project.treadle("run", *words)
        assert (done.code, done.out.split(":")[0]) == (0, "nothing to do"), words


def test_the_limit_of_the_run_ends_what_runs_and_starts_nothing_new(project: Project) -> None:
    """T1: what runs gets TERM; what is not started says why, and the exit code is 1."""
    project.write(
        "plan",
        "treadle: 1\nactions:\n"
        "  a: {sh: 'echo a >> $LOG; exec sleep 300', pass: [LOG]}\n"
        "  b: {sh: 'echo b >> $LOG', after: a, pass: [LOG]}\n",
    )
    assert project.run("--run-timeout", "5s", "--events", "events.jsonl", "a", "b", code=1) == ["a"]
    assert outcomes(project) == {"a": "interrupted", "b": "not started"}
    assert reasons(project)["b"] == "the time limit of the run was reached"
    assert [event["text"] for event in events(project, "note")] == [
        "the time limit of the run was reached: nothing new starts"
    ]


def test_a_run_whose_limit_is_over_before_it_starts_anything_starts_nothing(project: Project) -> None:
    """T1: the time counts from the beginning of the call, also while the plan is read."""
    chain(project)
    assert project.run("--run-timeout", "1ms", code=1) == []
    assert project.run("-j1") == ["a", "b", "c", "d"]


def test_a_run_waits_for_another_one_only_until_its_limit(project: Project) -> None:
    """T1: then the other run is at work still, which is exit code 3."""
    project.write(
        "plan",
        "treadle: 1\nactions:\n  a: {sh: 'touch up; until [ -e go ]; do sleep 0.02; done'}\n  b: {sh: 'true'}\n",
    )
    first = project.start("run", "a")
    wait_until((project.folder / "up").exists)
    done = project.treadle("run", "--run-timeout", "300ms", "b")
    project.write("go", "")
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert done.code == 3
    assert "the time limit of this run is over" in done.err


FLAKY = """\
treadle: 1
actions:
  before: {sh: 'echo before >> $LOG; echo > ${out}', out: o/before, pass: [LOG]}
  a:
    sh: "echo a >> $LOG; echo x >> n; n=$(wc -l < n); echo made by $n > ${out}; COMMAND"
    in: o/before
    out: o/a
    pass: [LOG]
"""


def flaky(project: Project, command: str) -> None:
    """Write a plan whose action `a` counts its attempts in `n`."""
    project.write("plan", FLAKY.replace("COMMAND", command))


def test_it_is_tried_again_until_it_passes(project: Project) -> None:
    """R6: so many further attempts, after any failure; the last one is the outcome."""
    flaky(project, "[ $n -ge 3 ]")
    assert project.run("--repeat-until-pass=1", "a", code=1) == ["a", "a", "before"]
    project.write("n", "")
    assert project.run("--repeat-until-pass=5", "a") == ["a", "a", "a"]
    assert project.read("o/a") == "made by 3\n"
    assert project.run("a") == []


@pytest.mark.parametrize("option", ["until-pass", "after-timeout", "until-fail"])
def test_what_is_named_runs_and_what_it_needs_only_if_it_has_to(option: str, project: Project) -> None:
    """R6: also by the fast path, of a session too; the next run has nothing to do."""
    flaky(project, "true")
    assert project.run() == ["a", "before"]
    assert project.run(f"--repeat-{option}=1", "a") == ["a"]
    assert "a: forced" in project.treadle("run", "-n", f"--repeat-{option}=1", "a").out
    assert project.run("a") == []
    ran = (
        "from treadle import Options, Session\n"
        f"report = Session('treadle.yaml', Options(['a'], repeat_{option.replace('-', '_')}=1)).run()\n"
        "print(report.ok, {uid: one.outcome.kind for uid, one in report.actions.items()})\n"
    )
    project.run_shell(f"{sys.executable} -c {shlex.quote(ran)} > said")
    assert project.read("said") == "True {'before': 'skip', 'a': 'success'}\n"
    assert project.run() == []


def test_only_a_time_limit_is_tried_again_after_a_time_limit(project: Project) -> None:
    """R6: what ends by itself has its outcome, good or not."""
    flaky(project, "[ $n -ge 2 ] || exec sleep 300")
    run = ("--timeout", "a=2s", "--events", "events.jsonl")
    assert project.run(*run, "--repeat-after-timeout=5", "a") == ["a", "a", "before"]
    flaky(project, "exit 1")
    assert project.run(*run, "--repeat-after-timeout=5", "a", code=1) == ["a"]


def test_it_has_to_pass_so_often_and_one_failure_is_its_outcome(project: Project) -> None:
    """R6: each attempt makes its outputs anew, the record is that of the last one."""
    flaky(project, "true")
    assert project.run("--repeat-until-fail=3", "--events", "events.jsonl", "a") == ["a", "a", "a", "before"]
    assert project.read("o/a") == "made by 3\n"
    assert not (project.folder / ".treadle" / "replaced").exists()
    assert outcomes(project) == {"before": "ran", "a": "ran"}
    assert project.run("a") == []
    flaky(project, "[ $n -ne 5 ]")
    done = project.treadle("run", "--repeat-until-fail=3", "--events", "events.jsonl", "a")
    assert done.code == 1
    assert "ran a; once more (1 of 3 have passed)" in done.out
    assert project.read("n").count("x") == 5
    assert outcomes(project) == {"before": "skipped", "a": "failed"}
    assert [event["attempt"] for event in events(project, "attempt")] == [1]
    assert "the last run failed" in project.treadle("status", "a").out


def test_what_has_to_pass_more_often_when_the_run_ends_has_not_passed(project: Project) -> None:
    """R6: the run is no success; the attempt that passed is on record."""
    project.write(
        "plan",
        "treadle: 1\nactions:\n"
        "  a: {sh: 'until [ -e fails ]; do sleep 0.02; done; echo > ${out}', out: o}\n"
        "  b: {sh: 'touch fails; until [ -e o ]; do sleep 0.02; done; exit 1'}\n",
    )
    done = project.treadle("run", "-j2", "--repeat-until-fail=1000000", "--events", "events.jsonl", "a", "b")
    assert done.code == 1
    assert outcomes(project) == {"a": "interrupted", "b": "failed"}
    assert [event["outcome"] for event in events(project, "ended")] == ["failed", "interrupted"]
    assert project.treadle("status", "a").code == 0


def test_repetitions_cannot_be_combined(project: Project) -> None:
    chain(project)
    done = project.treadle("run", "--repeat-until-fail=2", "--repeat-until-pass=2")
    assert done.code == 2
    assert "--repeat-until-pass and --repeat-until-fail cannot be combined" in done.err
    with pytest.raises(UsageError, match="cannot be combined"):
        Options(repeat_until_pass=1, repeat_after_timeout=1).check()


LONG = """\
treadle: 1
actions:
  long: {sh: 'echo long >> $LOG; cat ${in} > ${out}', in: x, out: o/long, timeout: 2h, pass: [LOG]}
  next: {sh: 'echo next >> $LOG; cat ${in} > ${out}', in: o/long, out: o/next, pass: [LOG]}
  after: {sh: 'echo after >> $LOG; cat ${in} > ${out}', in: x, after: long, out: o/after, pass: [LOG]}
  asks: {sh: 'echo asks >> $LOG; cat ${in} > ${out}', in: x, out: o/asks, timeout: 2h, pass: [LOG], require: touch asked}
"""


@pytest.mark.parametrize("way", ["plan", "snapshot", "edited plan", "session"])
def test_what_may_last_longer_than_the_run_is_not_started(way: str, project: Project) -> None:
    """T1: by the whole plan and by its dirty part; records stay, no guard is tried, and what fits runs."""
    project.write("plan", LONG)
    project.write("x", "1")
    everything = ["after", "asks", "long", "next"]
    assert project.run() == everything
    (project.folder / "asked").unlink()
    assert project.run() == []
    project.write("x", "2")
    if way == "plan":
        assert project.run("--run-timeout", "1h", "--events", "events.jsonl", code=1) == ["after"]
        ends = outcomes(project)
        assert {name for name, how in ends.items() if how == "not started"} == {"long", "next", "asks"}
        assert [event["text"] for event in events(project, "note")] == [
            "what may not end in the time of the run was not started: long, next, asks"
        ]
    else:
        if way == "edited plan":
            project.write("plan", LONG + "  other: {sh: 'echo > ${out}', out: o/other}\n")
        script = (
            "from treadle import Options, Session\n"
            "report = Session('treadle.yaml', Options(run_timeout=3600)).run()\n"
            "reasons = {uid: one.outcome.reason for uid, one in report.actions.items() if one.status is None}\n"
            "assert not report.ok and not report.interrupted\n"
            "assert reasons['long'].startswith('its time limit is 7200 s, and 3'), reasons\n"
            "assert reasons['next'] == 'it needs long, which was not started', reasons\n"
            "assert list(reasons) == ['long', 'next', 'asks'], reasons\n"
            "print(report.untouched)\n"
        )
        project.run_shell(f"{sys.executable} -c {shlex.quote(script)}")
    assert not (project.folder / "asked").exists()
    assert project.read("o/long") == "1"
    assert "run long: input x changed" in project.treadle("status").out
    assert project.run() == ["asks", "long", "next"]
    assert project.run() == []


def test_what_took_longer_last_time_than_is_left_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T1: where an action has no limit of its own, the duration of its last success counts."""
    dag = DAG()
    dag.add_vertex("a", Command(["sleep", "0.3"], always=True))
    dag.add_vertex("b", Command(["true"], always=True))
    assert CommandWalk(dag, str(tmp_path)).run().ok
    deadline = time.monotonic() + 3600
    monkeypatch.setattr("treadle.command.walk.monotonic", lambda: deadline - 0.25)
    report = CommandWalk(dag, str(tmp_path), Settings(deadline=deadline)).run()
    assert report.actions["a"].outcome.kind == "not_started"
    assert report.actions["a"].outcome.reason == "it took 0.3 s last time, and 0.2 s are left of the run"
    assert report.actions["b"].outcome.kind == "success"


def test_an_attempt_that_does_not_fit_leaves_the_failure_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T1: it has failed then, and blocks what needs it."""
    dag = DAG()
    dag.add_vertex("a", Command(["false"], limits=Limits(timeout=60, retries=Retries(3))))
    dag.add_vertex("b", Command(["true"]), predecessors=["a"])
    deadline = time.monotonic() + 3600
    left = iter([100.0, 59.0])
    monkeypatch.setattr("treadle.command.walk.monotonic", lambda: deadline - next(left))
    walk = CommandWalk(dag, str(tmp_path), Settings(deadline=deadline))
    ends: list[tuple[str, str, int]] = []

    class Ends(Subscriber):
        def ended(self, event: Ended) -> None:
            ends.append((event.name, event.how, event.attempts))

    walk.bus.add(Ends())
    report = walk.run()
    assert {uid: one.outcome.kind for uid, one in report.actions.items()} == {"a": "failed", "b": "blocked"}
    assert sorted(ends) == [("a", "failed", 1), ("b", "blocked", 0)]


def test_a_limit_counts_from_the_start_of_the_program(project: Project) -> None:
    """T2: not while it waits for a slot, for a queue, for what holds a mutex, or for a command it requires."""

    text = "treadle: 1\nqueues: {one: 1}\nactions:\n"
    text += "  holder: {sh: 'touch up; sleep 2.5; touch done', queue: one, mutex: m, priority: 1}\n"
    text += "  queued: {sh: '[ -e done ]', queue: one, timeout: 2s}\n"
    text += "  apart: {sh: '[ -e done ]', mutex: m, timeout: 2s}\n"
    project.write("plan", text)
    assert project.treadle("run", "-j4", "holder", "queued", "apart").code == 0
    project.write(
        "plan",
        "treadle: 1\nactions:\n"
        "  one: {run: sleep 1.5, priority: 1}\n"
        "  two: {run: sleep 1.5, timeout: 2s, require: sleep 1}\n",
    )
    assert project.treadle("run", "-j1", "one", "two").code == 0


LIMITED = """\
treadle: 1
actions:
  before: {sh: 'echo > ${out}', out: o/before}
  fit: {foreach: {n: [a, b]}, sh: 'TEXT', in: o/before, tags: [slow], out: 'o/${n}', timeout: 1h}
  plot: {sh: 'TEXT', in: o/before, out: o/plot}
"""


def limits_of(project: Project, *words: str, code: int = 1) -> set[str]:
    """Run with some options; return the actions that a time limit has ended."""
    shutil.rmtree(project.folder / "o", ignore_errors=True)
    done = project.treadle("run", "-j4", "-k", "--events", "events.jsonl", *words)
    assert done.code == code, done.text
    return {str(e["name"]) for e in events(project, "ended") if "time limit" in str(e.get("failure"))}


@pytest.mark.parametrize(
    ("words", "ended"),
    [
        (["--timeout", "fit@a=1s", "fit@a"], {"fit@a"}),
        (["--timeout", "fit=1s", "fit"], {"fit@a", "fit@b"}),
        (["--timeout=f*=1s", "--timeout=plot=2s"], {"fit@a", "fit@b", "plot"}),
        (["--timeout", "o/a=1s", "fit@a"], {"fit@a"}),
        (["--timeout", "1s", "-l", "slow"], {"fit@a", "fit@b"}),
        (["--timeout", "1s", "plot"], {"plot"}),
        (["--timeout", "1s"], {"fit@a", "fit@b", "plot"}),
        (["--timeout-times", "0.00028", "fit@a"], {"fit@a"}),
        (["--timeout=fit@a=1h", "--timeout=1h", "--timeout-times", "0.0003", "fit@a", "plot"], {"fit@a", "plot"}),
    ],
)
def test_a_time_limit_is_that_of_the_call_by_name_or_selection_else_of_the_plan(
    words: list[str], ended: set[str], project: Project
) -> None:
    """T1: what the selected actions need keeps the limit of the plan, here none."""
    project.write("plan", LIMITED.replace("TEXT", "exec sleep 300"))
    assert limits_of(project, *words) == ended


def test_of_several_limits_the_first_name_counts_and_names_before_what_is_selected(project: Project) -> None:
    """T1: so these limits end nothing, though each has a short one that fits it too."""
    project.write("plan", LIMITED.replace("TEXT", "sleep 0.2; echo > ${out}"))
    words = ("--timeout", "fit@a=none", "--timeout", "f*=1h", "--timeout", "fit=1ms", "--timeout", "1ms")
    assert limits_of(project, *words, "fit", code=0) == set()


def test_no_limit_of_a_call_is_in_a_record_or_a_snapshot(project: Project) -> None:
    """R3: a run with other limits has nothing to do, and the next one has those of the plan again."""
    project.write("plan", LIMITED.replace("TEXT", "cat ${in} > ${out}").replace("{sh: 'echo", "{in: x, sh: 'echo"))
    project.write("x", "1")
    words = ("--timeout", "fit=1h", "--timeout-times", "2", "--stop-after", "9", "--run-timeout", "5h")
    assert project.treadle("run", *words).code == 0
    for more in ((), words, ()):
        assert "nothing to do" in project.treadle("run", *more).out
    project.write("plan", LIMITED.replace("TEXT", "cat ${in} > ${out}; sleep 0.1").replace("1h", "1ms"))
    assert limits_of(project, "--timeout", "fit=1h", code=0) == set()
    project.write("o/before", "changed")
    (project.folder / "o/a").unlink()
    assert limits_of(project, "fit") == {"fit@a", "fit@b"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--timeout", "5"], "'5' must be a duration with a unit, such as 90s, 5m or 1h30m, or none"),
        (["--timeout", "fit=5"], "'5' must be a duration"),
        (["--timeout", "=5m"], "'=5m': expected NAME=TIME, or TIME for what is selected"),
        (["--timeout", "fit=0s"], "must be more than zero"),
        (["--timeout", "fti=5m"], "there is no action, group or output 'fti'"),
        (["--run-timeout", "none"], "'none' must be a duration"),
        (["--run-timeout", "-1h"], "--run-timeout"),
        (["--timeout-times", "0"], "'0' is not a number above 0"),
        (["--timeout-times", "nan"], "'nan' is not a number above 0"),
        (["--stop-after", "0"], "'0' is not a whole number, 1 or more"),
        (["--repeat-until-pass", "x"], "'x' is not a whole number, 1 or more"),
    ],
)
def test_a_wrong_limit_is_refused_in_words(words: list[str], says: str, project: Project) -> None:
    project.write("plan", LIMITED)
    done = project.treadle("run", *words)
    assert done.code == 2
    assert says in done.err


@pytest.mark.parametrize(
    "wrong",
    [
        {"run_timeout": 0},
        {"run_timeout": "2h"},
        {"timeout": True},
        {"timeouts": {"a": None}},
        {"timeouts": "a=5m"},
        {"timeout_times": -1.0},
        {"timeout_times": math.nan},
        {"stop_after": -1},
        {"repeat_until_pass": 1.5},
    ],
)
def test_wrong_options_of_a_program_are_refused_in_words(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Options(**wrong).check()


def test_fail_fast_is_to_start_nothing_new_after_one_failure(tmp_path: Path) -> None:
    """R7: for a plain Walk, a CommandWalk and a session."""

    class Plain(Walk):
        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
            return CallJob(uid, data, notify_end, lambda: ReturnValue.failure if uid == "a" else None)

    dag = DAG()
    for uid in "abc":
        dag.add_vertex(uid, Command(["false" if uid == "a" else "true"]))
    for walk in (
        Plain(dag, fail_fast=True),
        CommandWalk(dag, str(tmp_path), Settings(jobs=1, fail_fast=True)),
    ):
        report = walk.run()
        assert [str(one.outcome).split(":")[0] for one in report.actions.values()] == [
            "failed",
            "not_started",
            "not_started",
        ]
        assert report.actions["b"].outcome.reason == "1 action has failed"
        assert not report.interrupted
    assert all(one.status is not None for one in Plain(dag).run().actions.values())
    assert Options(keep_going=0, fail_fast=True).keep_going == 1


def test_a_plain_walk_ends_after_so_many_actions_and_in_time(tmp_path: Path) -> None:
    """R8, T1: the same attributes of any Walk; a second run begins anew."""

    class Plain(Walk):
        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
            return CallJob(uid, data, notify_end, lambda: None)

    dag = DAG()
    for uid in "abc":
        dag.add_vertex(uid, None)
    walk = Plain(dag)
    walk.stop_after = 2
    for _ in range(2):
        kinds = [one.outcome.kind for one in walk.run().actions.values()]
        assert kinds == ["success", "success", "not_started"]
    walk.stop_after, walk.deadline = 0, time.monotonic() - 1
    report = walk.run()
    assert {str(one.outcome) for one in report.actions.values()} == {
        "not_started: the time limit of the run was reached"
    }
    walk.deadline = time.monotonic() + 1e9
    assert walk.run().ok


GENERATING = """\
treadle: 1
defaults: {pass: [LOG]}
actions:
  gen: {sh: "echo gen >> $LOG; cp ${in} ${out}", in: g.src, out: g.yaml, expand: g.yaml, MORE}
  own: {sh: "echo own >> $LOG; > ${out}", out: o/own, after: gen}
"""
GENERATED = "treadle: 1\ndefaults: {pass: [LOG]}\nactions:\n  x: {sh: 'echo x >> $LOG; > ${out}', out: o/x}\n"


@pytest.mark.parametrize(
    ("more", "words", "started", "code"),
    [
        ("priority: 0", ["--stop-after", "1"], ["gen"], 1),
        ("priority: 0", ["-j1", "--stop-after", "2"], ["gen", "own"], 1),
        ("priority: 0", ["--stop-after", "3"], ["gen", "own", "x"], 0),
        ("timeout: 2h", ["--run-timeout", "1h"], [], 1),
        ("timeout: 2h", ["--run-timeout", "1h", "--timeout", "gen=1m"], ["gen", "own", "x"], 0),
        ("priority: 0", ["--repeat-until-fail", "2"], ["gen", "gen", "own", "own", "x", "x"], 0),
        ("priority: 0", ["--repeat-until-fail", "2", "ge?"], ["gen", "gen"], 0),
        ("priority: 0", ["--repeat-until-fail", "2", "gen:x"], ["gen", "x", "x"], 0),
    ],
)
def test_limits_count_for_actions_that_generate_plans(
    more: str, words: list[str], started: list[str], code: int, project: Project
) -> None:
    """T1, R6, R8: a run that ends before the plan is known is no success."""
    project.write("plan", GENERATING.replace("MORE", more))
    project.write("g.src", GENERATED)
    assert project.run(*words, code=code) == started
