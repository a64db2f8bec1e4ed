"""A run that is changed from another terminal: real runs, the real command, real sockets."""

from __future__ import annotations

import getpass
import os
import signal
from typing import TYPE_CHECKING

import pytest

from held import Held
from helpers import run_treadle
from treadle import UsageError
from waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def test_a_paused_run_starts_nothing_new_until_it_goes_on(tmp_path: Path) -> None:
    held = Held(tmp_path, count=4)
    run = held.start("-j2", first=2)
    assert held.call("pause") == "paused: nothing new starts, 2 still running\n"
    assert held.call("pause") == "it is paused already\n"
    held.let_go(2)
    state = held.running(run, 0)
    assert (state["paused"], state["waiting_total"], state["ended"], state["total"]) == (True, 2, 2, 4)
    assert held.call("continue", run.id[:20]) == "it goes on\n"
    held.wait_up(2)
    held.let_go(2)
    code, _, err = held.end()
    assert code == 0
    assert "paused: nothing new starts, 2 still running (asked for by " in err
    assert [(one["verb"], one["via"], one["user"]) for one in held.requests()] == [
        (verb, "socket", getpass.getuser()) for verb in ("pause", "pause", "continue")
    ]


LIMITS = {
    "a queue": ("queue: net", "queues: {net: 3}", ["--queue", "net=1"], "queue net"),
    "the default queue": ("", "", ["--queue", "default=1"], "queue default"),
    "a limit of a family": ("limit: 3", "", ["--limit", "f=1"], "limit of f"),
    "how many run": ("", "max_running: 3", ["--max-running", "1"], "max_running"),
    "how many run, not said before": ("", "", ["--max-running", "1"], "max_running"),
    "how many run beside resources": (
        "resources: {lic: 1}",
        "pool: {lic: 3}",
        ["--max-running", "1"],
        "max_running",
    ),
    "an amount": ("resources: {lic: 1}", "pool: {lic: 3}", ["-r", "lic=1"], "lic"),
    "memory": ("resources: {memory: 1GiB}", "pool: {memory: 3GiB}", ["-r", "memory=1GiB"], "memory"),
    "instances": ("resources: {gpus: 1}", "pool: {gpus: {ids: [a, b, c]}}", ["-r", "gpus=1"], "gpus"),
    "processors": ("resources: {cpus: 1}", "", ["-r", "cpus=1"], "cpus"),
}


@pytest.mark.parametrize("kind", LIMITS)
def test_lowering_a_limit_ends_nothing_and_counts_until_enough_has_ended(tmp_path: Path, kind: str) -> None:
    """A9."""
    more, top, said, lacked = LIMITS[kind]
    held = Held(tmp_path, more, top, count=5)
    run = held.start("-j3", first=3)
    held.call("set", *said)
    held.let_go(1)
    assert held.running(run, 2)["waiting_total"] == 2
    held.let_go(1)
    state = held.running(run, 1)
    assert [lacked in one["lacks"] for one in state["waiting"]] == [True, True]
    held.let_go(1)
    # one ends, one starts
    held.wait_up(1)
    assert len(held.running(run, 1)["waiting"]) == 1
    held.call("set", *[word.replace("=1", "=2") if "=" in word else word.replace("1", "2") for word in said])
    held.wait_up(1)
    held.let_go(2)
    assert held.end()[0] == 0


def test_a_limit_of_nothing_holds_all_of_it_until_it_is_raised_again(tmp_path: Path) -> None:
    held = Held(tmp_path, "queue: net", "queues: {net: 1}", count=2)
    run = held.start(first=1)
    run.set_limits(queues={"net": 0})
    held.let_go(1)
    held.running(run, 0)
    assert run.set_limits(queues={"net": 2}) == "queue net: 0 -> 2"
    held.wait_up(1)
    held.let_go(1)
    code, _, err = held.end()
    assert code == 0
    assert err.count("nothing runs and nothing can start: what waits asks for more than the limits") == 1


WRONG = {
    "an unknown queue": (["--queue", "nat=1"], "there is no queue nat\n  hint: did you mean net?"),
    "an unknown family": (["--limit", "g=1"], "there is no limit of a family g"),
    "an unknown resource": (["-r", "lix=1"], "there is no type of resources lix\n  hint: did you mean lic?"),
    "more than there is": (["-r", "lic=4"], "the pool has at most 3 of lic, and not 4"),
    "one wrong of two": (["--queue", "net=1", "-r", "lic=4"], "the pool has at most 3 of lic"),
    "no number": (["--queue", "net=many"], "--queue net=many: expected NAME=N"),
    "a negative number": (["--queue", "net=-1"], "--queue net=-1: expected NAME=N"),
    "no name": (["--limit", "=1"], "--limit =1: expected NAME=N"),
    "no amount": (["-r", "lic"], "-r lic: expected TYPE=AMOUNT"),
    "none at all": (["--max-running", "0"], "'0' is not a whole number, 1 or more"),
    "nothing": ([], "nothing was said to set"),
    "an unknown run": (["2020", "--queue", "net=1"], "there is no run 2020"),
    "two runs": (["last", "last", "--queue", "net=1"], "`treadle set` takes one run"),
}


def test_a_wrong_request_is_refused_with_what_is_right_and_changes_nothing(tmp_path: Path) -> None:
    """K1."""
    held = Held(tmp_path, "queue: net, resources: {lic: 1}", "queues: {net: 2}\npool: {lic: 3}", count=2)
    run = held.start(first=2)
    before = run.state()
    for kind, (said, text) in WRONG.items():
        told = held.call("set", *said, check=2)
        assert text in told, kind
    after = run.state()
    assert [before[name] for name in ("queues", "resources", "limits", "max_running")] == [
        after[name] for name in ("queues", "resources", "limits", "max_running")
    ]
    held.let_go(2)
    assert held.end()[0] == 0
    assert [one["ok"] for one in held.requests()] == [False] * 5


@pytest.mark.parametrize(("said", "is_graceful"), [([], True), (["--now"], False)])
def test_a_run_is_ended_as_by_the_first_or_the_second_signal(
    tmp_path: Path, said: list[str], is_graceful: bool
) -> None:
    held = Held(tmp_path, count=1)
    script = (held.folder / "treadle.yaml").read_text().replace("echo ", "trap 'touch asked; exit 1' TERM; echo ")
    (held.folder / "treadle.yaml").write_text(
        script.replace("sh: '", 'sh: "').replace(f"{held.go}'", f'{held.go}"')
    )
    run = held.start(first=1)
    held.call("stop", *said)
    code, out, _ = held.end()
    assert code == 1
    assert (held.folder / "asked").exists() == is_graceful
    assert "1 interrupted" in out
    with pytest.raises(UsageError, match="has ended"):
        run.pause()
    assert "no run is under way here" in held.call("continue", check=2)
    assert held.call("runs").split()[1] == "stopped"


def test_what_is_ending_is_not_paused_and_does_not_go_on(tmp_path: Path) -> None:
    held = Held(tmp_path, count=2)
    text = (held.folder / "treadle.yaml").read_text()
    (held.folder / "treadle.yaml").write_text(text.replace(f"{held.go}'", f"{held.go}; exit 1'"))
    run = held.start("-j2", first=2)
    held.let_go(1)
    held.running(run, 1)
    assert run.state()["state"] == "draining"
    for verb in ("pause", "continue"):
        assert "the run is ending: nothing new starts any more" in held.call(verb, check=2)
    held.let_go(1)
    assert held.end()[0] == 1


def test_a_short_run_has_no_socket(tmp_path: Path) -> None:
    held = Held(tmp_path, count=1)
    held.let_go(1)
    run_treadle(held.folder, "run", "--record", check=0)
    (run,) = (held.folder / ".treadle/runs").iterdir()
    assert os.listdir(run) == ["events"]


@pytest.mark.parametrize("kind", ["stop", "a signal", "the time limit of the run", "a failure", "stop at the end"])
def test_what_is_at_the_end_of_a_run_takes_place_though_it_was_paused(tmp_path: Path, kind: str) -> None:
    held = Held(tmp_path, count=2)
    plan = held.folder / "treadle.yaml"
    text = plan.read_text()
    if kind == "a failure":
        text = text.replace(f"{held.go}'", f"{held.go}; exit 3'")
    plan.write_text(f"{text}  z: {{sh: 'touch at-the-end', finally: true}}\n")
    jobs = 2 if kind == "stop at the end" else 1
    limit = ["--run-timeout", "8s"] if kind == "the time limit of the run" else []
    run = held.start(f"-j{jobs}", *limit, first=jobs)
    run.pause()
    if kind == "a failure":
        held.let_go(1)
    elif kind == "a signal":
        assert held.child is not None
        held.child.send_signal(signal.SIGINT)
    elif kind == "stop":
        run.stop()
    elif kind == "stop at the end":
        held.let_go(2)
        until(lambda: [one["name"] for one in run.state()["waiting"]] == ["z"], "what is at the end waits")
        run.stop()
    assert held.end()[0] == {"a signal": 130, "stop at the end": 0}.get(kind, 1)
    assert (held.folder / "at-the-end").exists()
