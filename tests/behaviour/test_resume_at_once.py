"""Going on with a run: by two calls at once, with one that is under way, with more of what it lacked."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from helpers import Fifo, ended, plan, run_treadle, start_treadle

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
default: [first, second, third]
actions:
  first: {sh: "echo first >> done"}
  second: {sh: "echo second >> done; test ! -e bad", needs: first, always: true}
  third: {sh: "echo third >> done; test ! -e worse", needs: second}
  hold: {sh: "echo > up; read -r line < down"}
"""


def done(folder: Path) -> list[str]:
    path = folder / "done"
    return path.read_text().splitlines() if path.exists() else []


def runs(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run_treadle(folder, "runs", "--json", check=0).out)["runs"]
    return found


def says(child: subprocess.Popen[str], text: str) -> None:
    """Wait until a command says something on stderr."""
    assert child.stderr is not None
    for line in child.stderr:
        if text in line:
            return
    raise AssertionError(f"it did not say {text}")


@pytest.mark.parametrize(
    ("worse", "codes", "expected"),
    [
        # what the first has done, the second does not do again
        (False, {0}, ["second", "third"]),
        # what has failed in the first is tried again by the second
        (True, {1}, ["second", "third", "third"]),
    ],
)
def test_of_two_calls_at_once_the_second_goes_on_with_what_the_first_has_done(
    tmp_path: Path, worse: bool, codes: set[int], expected: list[str]
) -> None:
    up, down = Fifo(tmp_path / "up"), Fifo(tmp_path / "down")
    plan(tmp_path, PLAN)
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--record", check=1)
    (tmp_path / "bad").unlink()
    (tmp_path / "done").unlink()
    if worse:
        (tmp_path / "worse").touch()
    (first,) = runs(tmp_path)
    # both have looked before either of them has the lock
    holder = start_treadle(tmp_path, "run", "hold")
    up.wait()
    both = [start_treadle(tmp_path, "resume", first["id"]) for _ in range(2)]
    for child in both:
        says(child, "waiting for")
    down.open()
    assert {ended(child).code for child in both} == codes
    assert ended(holder).code == 0
    assert done(tmp_path) == expected
    assert [one["resumes"] for one in runs(tmp_path)][:2] == [first["id"]] * 2


def test_the_run_that_was_resumed_is_gone_on_with_from_where_its_chain_is(tmp_path: Path) -> None:
    plan(tmp_path, PLAN)
    for name in ("bad", "worse"):
        (tmp_path / name).touch()
    run_treadle(tmp_path, "run", "--record", check=1)
    (first,) = runs(tmp_path)
    (tmp_path / "bad").unlink()
    run_treadle(tmp_path, "resume", check=1)
    (tmp_path / "worse").unlink()
    (tmp_path / "done").unlink()
    # the older one is named, and what the newer one has done is done
    run_treadle(tmp_path, "resume", first["id"], check=0)
    assert done(tmp_path) == ["third"]


LIVING = """
default: [a, b]
actions:
  a: {sh: "echo a >> done", always: true}
  b: {sh: "echo b >> done; test ! -e bad || exit 1; echo > up; test -e go || exec sleep 600", needs: a}
"""
STUBBORN = LIVING.replace("echo > up;", "trap '' TERM; echo > up;").replace("exec sleep", "sleep")


def under_way(folder: Path, text: str, *, goes_on: bool) -> tuple[subprocess.Popen[str], str]:
    """Start a run that is under way; return it and the run to name, with which it goes on itself."""
    up = Fifo(folder / "up")
    plan(folder, text)
    if goes_on:
        (folder / "bad").touch()
        run_treadle(folder, "run", "--record", check=1)
        (folder / "bad").unlink()
        (folder / "done").unlink()
    child = start_treadle(folder, *(["resume"] if goes_on else ["run", "--record"]))
    up.wait()
    return child, runs(folder)[-1]["id"]


ROUNDS = """
default: [first, gen, "gen:inner", third]
actions:
  first: {sh: "echo first >> done"}
  gen: {sh: "cat x > ${out}; echo gen >> done; test ! -e wait || { echo > up; read -r line < down; }", in: x, out: o, expand: o}
  third: {sh: "echo third >> done; test ! -e bad", needs: [first, gen]}
"""


def test_what_a_run_has_done_is_known_though_its_records_are_removed_meanwhile(tmp_path: Path) -> None:
    up, down = Fifo(tmp_path / "up"), Fifo(tmp_path / "down")
    plan(tmp_path, ROUNDS)
    (tmp_path / "x").write_text("treadle: 1\nactions: {inner: {sh: echo inner >> done}}\n")
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", check=1)
    (tmp_path / "bad").unlink()
    (tmp_path / "done").unlink()
    (tmp_path / "wait").touch()
    (tmp_path / "x").write_text("treadle: 1\nactions: {inner: {sh: echo other >> done}}\n")
    child = start_treadle(tmp_path, "resume")
    up.wait()
    run_treadle(tmp_path, "gc", "--keep", "0", check=0)
    down.open()
    result = ended(child)
    assert (result.code, "Traceback" in result.err) == (0, False), result
    assert sorted(done(tmp_path)) == ["gen", "other", "third"]


def test_a_run_with_an_identity_that_waits_for_another_one_is_known_with_its_parameters(tmp_path: Path) -> None:
    up, down = Fifo(tmp_path / "up"), Fifo(tmp_path / "down")
    plan(tmp_path, "params: {n: {default: a}}\n" + PLAN.replace("echo first", "echo first ${n}"))
    holder = start_treadle(tmp_path, "run", "hold")
    up.wait()
    waiting = start_treadle(tmp_path, "run", "--workflow", "nightly", "-p", "n=b")
    says(waiting, "waiting for")
    newest = runs(tmp_path)[0]
    assert (newest["state"], newest["workflow"], newest["params"]) == ("running", "nightly", {"n": "b"})
    assert newest["id"] in run_treadle(tmp_path, "run", "--workflow", "nightly", "-p", "n=b", check=3).err
    waiting.send_signal(signal.SIGKILL)
    waiting.communicate()
    down.open()
    assert ended(holder).code == 0
    run_treadle(tmp_path, "resume", newest["id"], check=0)
    assert done(tmp_path) == ["first b", "second", "third"]


@pytest.mark.parametrize("goes_on", [False, True], ids=["the run", "one that goes on with it"])
def test_a_run_under_way_is_refused(tmp_path: Path, goes_on: bool) -> None:
    child, named = under_way(tmp_path, LIVING, goes_on=goes_on)
    before = done(tmp_path)
    refused = run_treadle(tmp_path, "resume", named, check=2).err
    assert f"which goes on with {named}, is under way" in refused if goes_on else "is under way" in refused
    assert f"process {child.pid}, since " in refused
    child.send_signal(signal.SIGTERM)
    assert ended(child).code == 143
    assert done(tmp_path) == before


@pytest.mark.parametrize("goes_on", [False, True], ids=["the run", "one that goes on with it"])
def test_a_run_under_way_is_ended_first_where_that_was_asked_for(tmp_path: Path, goes_on: bool) -> None:
    child, named = under_way(tmp_path, LIVING, goes_on=goes_on)
    (tmp_path / "go").touch()
    run_treadle(tmp_path, "resume", named, "--wait", "1m", check=0)
    assert ended(child).code == 143
    assert done(tmp_path) == (["b", "b"] if goes_on else ["a", "b", "b"])


def test_a_run_that_does_not_end_in_that_time_is_named(tmp_path: Path) -> None:
    child, named = under_way(tmp_path, STUBBORN, goes_on=False)
    refused = run_treadle(tmp_path, "resume", named, "--wait", "100ms", check=2).err
    assert f"the run {named} has not ended in 0.1 s" in refused
    assert f"process {child.pid}, since " in refused
    child.send_signal(signal.SIGTERM)
    assert ended(child).code == 143
    assert done(tmp_path) == ["a", "b"]


@pytest.mark.parametrize(("host", "said"), [("", "cannot be ended from here"), ("elsewhere", "it is on elsewhere")])
def test_another_process_with_the_number_of_a_run_is_left_alone(tmp_path: Path, host: str, said: str) -> None:
    plan(tmp_path, LIVING)
    (tmp_path / "bad").touch()
    run_treadle(tmp_path, "run", "--record", check=1)
    (run,) = runs(tmp_path)
    (tmp_path / ".treadle/ledger.db").unlink()
    events = tmp_path / ".treadle/runs" / run["id"] / "events"
    other = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    # the run is under way, as we hold its lock, and the process that it names is another one
    lines = events.read_text().replace(f'"pid":{run["pid"]}', f'"pid":{other.pid}').splitlines(keepends=True)
    events.write_text("".join(lines[:-1]).replace(run["host"], host or run["host"]))
    with open(events, "rb") as held, other:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused = run_treadle(tmp_path, "resume", "--wait", "1m", check=2).err
        assert said in refused
        assert other.poll() is None


TIMED = """
actions:
  fit:
    sh: "echo fit >> done; echo > up; read -r line < down"
    timeout: 300ms
    retries: {max: 0, on: [timeout], grow: {timeout: 1000}}
"""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 0, "fit: it begins with time limit of 300 s"),
        (["--keep-resources"], 1, ""),
    ],
)
def test_what_lacked_time_begins_with_more(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    up, down = Fifo(tmp_path / "up"), Fifo(tmp_path / "down")
    plan(tmp_path, TIMED)
    run_treadle(tmp_path, "run", "--record", "fit", check=1)
    up.wait()
    child = start_treadle(tmp_path, "resume", *words)
    if not code:
        up.wait()
        down.open()
    result = ended(child)
    assert result.code == code
    assert said in result.err
    assert ("begins with" in result.err) is bool(said)


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        # the record was written, the event was not: what has succeeded is not done again
        ('"event":"ended","t"', ["third"]),
        # its start is not on record either: nothing says that it was of that run
        ('"event":"started","t"', ["second", "third"]),
    ],
)
def test_a_success_on_record_counts_though_its_event_was_lost(
    tmp_path: Path, lost: str, expected: list[str]
) -> None:
    plan(tmp_path, PLAN)
    (tmp_path / "worse").touch()
    run_treadle(tmp_path, "run", "--record", check=1)
    (tmp_path / "worse").unlink()
    (tmp_path / "done").unlink()
    (run,) = runs(tmp_path)
    (tmp_path / ".treadle/ledger.db").unlink()
    events = tmp_path / ".treadle/runs" / run["id"] / "events"
    lines = events.read_text().splitlines(keepends=True)
    cut = next(at for at, line in enumerate(lines) if lost in line and '"name":"second"' in line)
    events.write_text("".join(lines[:cut]))
    assert runs(tmp_path)[0]["state"] == "lost"
    run_treadle(tmp_path, "resume", check=0)
    assert done(tmp_path) == expected
