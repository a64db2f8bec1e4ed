"""A run that ends after a failure starts what a condition lets in that this failure meets, and what that needs."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from treadle import DAG, Command, CommandWalk, Limits, Retries, Settings
from treadle.core.after_failure import AfterFailure
from treadle.core.conditions import parse
from treadle.core.outcomes import outcome

if TYPE_CHECKING:
    from pathlib import Path

    from treadle import Report


def graph(edges: dict[str, Any], fails: str, **limits: Limits) -> DAG:
    """Return actions that note their start; those in `fails` fail, and `a` goes first, `late` last."""
    dag = DAG()
    limits = {"a": Limits(priority=9), "late": Limits(priority=-1), **limits}
    for uid, starts in edges.items():
        script = f"echo {uid} >> log; {'exit 1' if uid in fails.split() else 'true'}"
        dag.add_vertex(uid, Command(["sh", "-c", script], limits=limits.get(uid, Limits())), starts)
    return dag


def run(folder: Path, dag: DAG, keep_going: int = 1, jobs: int = 1) -> tuple[list[str], Report]:
    report = CommandWalk(dag, str(folder), Settings(jobs, keep_going=keep_going)).run()
    return (folder / "log").read_text().split(), report


def kinds(report: Report) -> dict[Any, str]:
    return {uid: action.outcome.kind for uid, action in report.actions.items()}


CASES: dict[str, tuple[dict[str, Any], str, str, dict[str, str]]] = {
    "without conditions it drains": (
        {"a": [], "b": [], "c": ["a"], "d": ["b"]},
        "a",
        "a",
        {"a": "failed", "b": "not_started", "c": "blocked", "d": "not_started"},
    ),
    "what the failure meets": (
        {"a": [], "b": [], "mail": {"a": "on_failure"}, "other": {"b": "on_failure"}, "c": ["b"]},
        "a",
        "a mail",
        {"a": "failed", "b": "not_started", "mail": "success", "other": "not_started", "c": "not_started"},
    ),
    "what that needs": (
        {"a": [], "b": [], "c": ["b"], "d": [], "mail": {"a": "on_failure", "c": "on_success"}},
        "a",
        "a b c mail",
        {"a": "failed", "b": "success", "c": "success", "d": "not_started", "mail": "success"},
    ),
    "what that needs is blocked, so nothing of it starts": (
        {"a": [], "b": [], "c": ["a", "b"], "mail": {"a": "on_failure", "c": "on_success"}},
        "a",
        "a",
        {"a": "failed", "b": "not_started", "c": "blocked", "mail": "blocked"},
    ),
    "always": (
        {"a": [], "b": [], "c": ["b"], "tidy": {"a": "always", "b": "always", "c": "always"}},
        "a",
        "a tidy",
        {"a": "failed", "b": "not_started", "c": "not_started", "tidy": "success"},
    ),
    "always after what was not started alone": (
        {"a": [], "b": [], "tidy": {"b": "always"}, "after": {"tidy": "always"}, "then": ["tidy"]},
        "a",
        "a tidy after",
        {"a": "failed", "b": "not_started", "tidy": "success", "after": "success", "then": "not_started"},
    ),
    "always after a success is not of this failure": (
        {"ok": [], "a": ["ok"], "z": ["a"], "tidy": {"ok": "always", "z": "always"}, "late": {"ok": "always"}},
        "a",
        "ok a tidy",
        {"ok": "success", "a": "failed", "z": "blocked", "tidy": "success", "late": "not_started"},
    ),
    "what would have to fail is not started for it": (
        {"a": [], "b": [], "mail": {"a": "on_failure", "b": "on_failure"}},
        "a b",
        "a",
        {"a": "failed", "b": "not_started", "mail": "not_started"},
    ),
    "a failure of what was let in": (
        {"a": [], "mail": {"a": "on_failure"}, "call": {"mail": "on_failure"}, "x": []},
        "a mail",
        "a mail call",
        {"a": "failed", "mail": "failed", "call": "success", "x": "not_started"},
    ),
    "another condition than the failure meets": (
        {"a": [], "late": {"a": "timeout"}, "odd": {"a": "failed and not timeout"}},
        "a",
        "a odd",
        {"a": "failed", "late": "blocked", "odd": "success"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_failure_ends_the_run_but_for_what_it_meets(tmp_path: Path, case: str) -> None:
    """C9: with one job at a time, so that what is ready waits in the queue when the failure comes."""
    edges, fails, started, ends = CASES[case]
    ran, report = run(tmp_path, graph(edges, fails))
    assert ran == started.split()
    assert kinds(report) == ends
    assert not report.ok
    assert not report.interrupted


def test_with_keep_going_all_runs_that_is_not_blocked(tmp_path: Path) -> None:
    """C9: nothing is left out where failures do not end the run."""
    edges = CASES["what the failure meets"][0]
    ran, report = run(tmp_path, graph(edges, "a"), keep_going=0)
    assert sorted(ran) == ["a", "b", "c", "mail"]
    assert kinds(report)["other"] == "not_needed"


def test_the_second_failure_ends_a_run_with_two(tmp_path: Path) -> None:
    """C9: what the first failure has let in still starts when the second one comes."""
    edges = {"a": [], "b": [], "c": [], "mail": {"a": "on_failure"}, "call": {"b": "on_failure"}}
    limits = {"mail": Limits(priority=-1)}
    ran, report = run(tmp_path, graph(edges, "a b", **limits), keep_going=2)
    assert sorted(ran) == ["a", "b", "call", "mail"]
    assert kinds(report)["c"] == "not_started"


def test_an_action_that_waits_for_its_next_attempt_has_failed_then(tmp_path: Path) -> None:
    """C9: nothing new starts, also not after a pause, and what its failure meets starts."""
    edges = {"a": [], "b": [], "mail": {"a": "on_failure"}, "call": {"b": "on_failure"}}
    again = Limits(priority=9, retries=Retries(3, backoff=3600.0))
    ran, report = run(tmp_path, graph(edges, "a b", a=again))
    assert sorted(ran) == ["a", "b", "call", "mail"]
    assert kinds(report) == {"a": "failed", "b": "failed", "mail": "success", "call": "success"}


def test_what_was_let_in_is_tried_again(tmp_path: Path) -> None:
    """C9: its attempts count as ever."""
    edges = {"a": [], "b": [], "mail": {"a": "on_failure"}, "call": {"mail": "on_failure"}}
    ran, report = run(tmp_path, graph(edges, "a mail", mail=Limits(retries=Retries(2))))
    assert ran == ["a", "mail", "mail", "mail", "call"]
    assert kinds(report)["b"] == "not_started"


def test_what_runs_beside_the_failure_ends_as_ever(tmp_path: Path) -> None:
    """C9: its own failure lets in what it meets."""
    dag = graph({"a": [], "b": [], "c": [], "mail": {"b": "on_failure"}}, "a")
    wait = (
        "echo b >> log; while ! [ -e .treadle/logs/c.log ] && [ $(wc -l < log) -lt 2 ]; do sleep 0.01; done; exit 1"
    )
    dag.update_vertex("b", Command(["sh", "-c", wait]))
    ran, report = run(tmp_path, dag, jobs=2)
    assert sorted(ran) == ["a", "b", "mail"]
    assert kinds(report) == {"a": "failed", "b": "failed", "c": "not_started", "mail": "success"}


def test_a_run_that_was_asked_to_end_starts_nothing(tmp_path: Path) -> None:
    """C9: a request to stop is no failure."""
    from treadle import DRAINING

    class Stopped(CommandWalk):
        def collect(self, job: Any) -> bool:
            again = super().collect(job)
            self.stop(DRAINING)
            return again

    dag = graph({"a": [], "mail": {"a": "on_failure"}, "tidy": {"mail": "always"}}, "a")
    report = Stopped(dag, str(tmp_path), Settings(1)).run()
    assert kinds(report) == {"a": "failed", "mail": "not_started", "tidy": "not_started"}
    assert report.interrupted


@pytest.mark.parametrize("seed", range(12))
def test_random_runs_start_what_the_first_failure_meets_and_no_more(tmp_path: Path, seed: int) -> None:
    """C9: over random graphs; what was left is left for a reason, and what was started has one."""
    random = Random(seed)
    for number in range(4):
        edges: dict[str, dict[str, str]] = {}
        for n in range(random.randrange(3, 10)):
            starts = random.sample(list(edges), min(len(edges), random.choice([0, 1, 1, 2, 3])))
            edges[f"n{n}"] = {
                p: random.choice(["on_success", "on_success", "on_failure", "always", "not_started or failed"])
                for p in starts
            }
        fails = " ".join(uid for uid in edges if random.random() < 0.4)
        folder = tmp_path / str(number)
        folder.mkdir()
        ran, report = run(folder, graph(edges, fails))
        ends = kinds(report)
        at = next((n for n, uid in enumerate(ran) if ends[uid] == "failed"), len(ran))
        if not any(when != "on_success" for starts in edges.values() for when in starts.values()):
            assert len(ran) <= at + 1
            continue
        check(edges, ran, ends, at)


def check(edges: dict[str, dict[str, str]], ran: list[str], ends: dict[Any, str], at: int) -> None:
    """Check a run.

    :param at: when the first failure came
    """
    conditions = {uid: {p: parse(when) for p, when in starts.items()} for uid, starts in edges.items()}
    is_met = {
        uid: {p: when.is_met(outcome(ends[p])) for p, when in starts.items()} for uid, starts in conditions.items()
    }
    calm = ("success", "skip", "not_needed")
    let_in: set[str] = set()
    for uid in edges:
        is_demanded = any(
            ends[p] not in calm or (p in let_in and edges[uid][p] != "on_success") for p in edges[uid]
        )
        if at < len(ran) and all(is_met[uid].values()) and is_demanded:
            assert uid in ran, uid
            let_in.add(uid)
    for uid in ran:
        assert all(is_met[uid].values()), uid
    wanted = set(let_in)
    for uid in reversed(edges):
        if uid in wanted:
            wanted.update(edges[uid])
    for uid in ran[at + 1 :]:
        assert uid in wanted or _is_wanted(uid, edges, ends), uid
    if at == len(ran):
        assert "not_started" not in ends.values()


def _is_wanted(uid: str, edges: dict[str, dict[str, str]], ends: dict[Any, str]) -> bool:
    """Return whether something that a failure may let in needs an action, though it did not run in the end."""
    after = [one for one, starts in edges.items() if starts.get(uid) == "on_success"]
    return any(
        any(ends[p] not in ("success", "skip") and when != "on_success" for p, when in edges[one].items())
        or _is_wanted(one, edges, ends)
        for one in after
    )


def test_a_long_chain_is_found_at_once() -> None:
    """What is wanted is found without recursion, in linear time."""
    dag = DAG()
    dag.add_vertex("a")
    dag.add_vertex(0)
    for number in range(1, 20_000):
        dag.update_vertex(number, None, [number - 1], enable_checks=False)
    dag.add_vertex("mail", None, {"a": "on_failure", 19_999: "on_success"})
    after = AfterFailure(dag, lambda uid, p, ended: ended.kind == "failed")
    after.look({"a": outcome("failed")}, ())
    assert len(after.wanted) == 20_001
    after.look({"a": outcome("failed"), 0: outcome("timeout")}, ())
    assert not after.wanted
