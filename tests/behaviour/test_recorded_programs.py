"""Runs of programs on record: any walk, a scheduler of `treadle.aio`, and a session that is resumed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from helpers import plan, run_treadle
from treadle import DAG, Command, CommandWalk, Options, RunRecording, Session, UsageError, aio
from treadle.errors import StateError
from treadle.testing import CallJob, MemoryWalk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from treadle.core.callbacks import NotifyEnd

    Program = Callable[[Path, RunRecording], None]


class Calls(MemoryWalk):
    """Each action calls its data."""

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> CallJob:
        return CallJob(uid, data, notify_end, data)

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> str:
        return str(uid)


def fails() -> None:
    raise ValueError("line 7 of /x")


def of_calls() -> DAG:
    dag = DAG()
    dag.add_vertex("good", lambda: None)
    dag.add_vertex("bad", fails, ["good"])
    dag.add_vertex("after", lambda: None, ["bad"])
    return dag


def plain_walk(_: Path, recording: RunRecording) -> None:
    walk = Calls(of_calls())
    walk.bus.add(recording)
    walk.run()


def command_walk(folder: Path, recording: RunRecording) -> None:
    dag = DAG()
    dag.add_vertex("good", Command([["true"]], outputs=[]))
    dag.add_vertex("bad", Command([["false"]]), ["good"])
    dag.add_vertex("after", Command([["true"]]), ["bad"])
    walk = CommandWalk(dag, str(folder))
    walk.bus.add(recording)
    walk.run()


def scheduler(_: Path, recording: RunRecording) -> None:
    async def works() -> None: ...

    async def breaks() -> None:
        fails()

    good = aio.Job(works(), label="good")
    bad = aio.Job(breaks(), label="bad", required=good)
    after = aio.Job(works(), label="after", required={bad: "on_success"})
    runs = aio.Scheduler(good, bad, after, critical=False)
    with aio.Publishing(runs, recording):
        runs.run()


def session(folder: Path, recording: RunRecording) -> None:
    plan(
        folder,
        "default: [after]\nactions:\n  good: {run: 'true'}\n  bad: {run: 'false', needs: [good]}\n"
        "  after: {run: 'true', needs: [bad]}\n",
    )
    one = Session(folder / "treadle.yaml")
    one.subscribe(recording)
    one.run()


def data(folder: Path, *args: str) -> Any:
    return json.loads(run_treadle(folder, *args, "--json", check=0).out)


@pytest.mark.parametrize("program", [plain_walk, command_walk, scheduler, session])
@pytest.mark.parametrize("held", [True, False])
def test_a_run_of_any_walk_is_recorded(tmp_path: Path, program: Program, held: bool) -> None:
    recording = RunRecording(tmp_path, program="simulate", names=["after"], attributes={"team": "core"})
    if held:
        with recording:
            program(tmp_path, recording)
    else:
        program(tmp_path, recording)
    (run,) = data(tmp_path, "runs", "--attr", "team=core")["runs"]
    assert (run["id"], run["state"], run["exit_code"]) == (recording.id, "failed", 1)
    assert (run["names"], run["pid"]) == (["after"], os.getpid())
    assert run["plan"] == "simulate"
    ends = {one["name"]: (one["outcome"], one["attempts"]) for one in data(tmp_path, "show")["actions"]}
    assert {name: (kind, len(tries)) for name, (kind, tries) in ends.items()} == {
        "good": ("success", 1),
        "bad": ("failed" if program in (command_walk, session) else "error", 1),
        # what a critical failure ends is not blocked there
        "after": ("not_started" if program is scheduler else ends["after"][0], 0),
    }
    assert [one["name"] for one in data(tmp_path, "attempts", "--failed")["attempts"]] == ["bad"]
    assert "bad" in run_treadle(tmp_path, "report", check=0).out
    run_treadle(tmp_path, "report", "--html", "page.html", check=0)
    assert recording.failure == ""


def test_several_walks_are_one_run_while_the_recording_is_open(tmp_path: Path) -> None:
    records: dict[Any, Any] = {}
    dag = DAG()
    dag.add_vertex("a", lambda: None)
    with RunRecording(tmp_path) as recording:
        for _ in range(2):
            walk = Calls(dag, records)
            walk.bus.add(recording)
            walk.run()
            (run,) = data(tmp_path, "runs")["runs"]
            assert run["state"] == "running"
    (run,) = data(tmp_path, "runs")["runs"]
    assert (run["state"], run["counts"]["ran"], run["counts"]["skipped"]) == ("done", 1, 1)


def test_a_walk_in_which_nothing_starts_is_not_recorded_unless_that_is_asked_for(tmp_path: Path) -> None:
    dag = DAG()
    dag.add_vertex("a", lambda: None)
    for always, number in ((False, 0), (True, 1)):
        walk = Calls(dag, {"a": "a"})
        walk.bus.add(RunRecording(tmp_path, always=always))
        walk.run()
        assert (
            len(data(tmp_path, "runs")["runs"]) == number if number else not (tmp_path / ".treadle/runs").exists()
        )


def test_an_exception_in_the_middle_is_on_record(tmp_path: Path) -> None:
    def program() -> None:
        with RunRecording(tmp_path, always=True) as recording:
            walk = Calls(of_calls())
            walk.bus.add(recording)
            walk.run()
            raise KeyError("x")

    with pytest.raises(KeyError):
        program()
    (run,) = data(tmp_path, "runs")["runs"]
    assert (run["state"], run["problems"]) == ("broken", ["KeyError: 'x'"])


def test_a_record_that_cannot_be_written_does_not_stop_the_walk(tmp_path: Path) -> None:
    recording = RunRecording(tmp_path)
    (tmp_path / ".treadle/runs").mkdir(mode=0o777)
    (tmp_path / ".treadle/runs").chmod(0o777)
    walk = Calls(of_calls())
    walk.bus.add(recording)
    assert walk.run().actions["good"].outcome.kind == "success"
    assert "all users may write to it" in recording.failure


def test_the_environment_turns_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_LEDGER", "off")
    plain_walk(tmp_path, RunRecording(tmp_path))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("wrong", [{"names": "after"}, {"names": [1]}, {"attributes": {"a": 1}}])
def test_an_argument_of_a_wrong_kind_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="cannot be recorded"):
        RunRecording(tmp_path, **wrong)


def test_a_state_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".treadle").mkdir()
    (tmp_path / ".treadle").chmod(0o777)
    with pytest.raises(StateError):
        RunRecording(tmp_path)


def test_a_plan_does_not_go_on_with_the_run_of_a_program(tmp_path: Path) -> None:
    plain_walk(tmp_path, RunRecording(tmp_path, program="simulate"))
    plan(tmp_path, "actions: {good: {run: 'true'}}\n")
    assert "is of the plan simulate, and not of treadle.yaml" in run_treadle(tmp_path, "resume", check=2).err


UPLOADS = """
params: {to: {default: here}}
actions:
  first: {sh: "echo ${to} >> first"}
  second: {sh: "test -e ok && echo >> second", needs: [first]}
"""


def test_a_session_goes_on_with_a_recorded_run(tmp_path: Path) -> None:
    plan(tmp_path, UPLOADS)
    first = Session(tmp_path / "treadle.yaml", Options(["second"], params={"to": "there"}, record=True)).run()
    assert not first.ok
    (tmp_path / "ok").touch()
    one = Session(tmp_path / "treadle.yaml", Options(["first"], jobs=1))
    report = one.resume()
    assert report.ok
    assert {str(uid): action.outcome.kind for uid, action in report.actions.items()} == {
        "first": "skip",
        "second": "success",
    }
    assert (tmp_path / "first").read_text() == "there\n"
    new, old = data(tmp_path, "runs")["runs"]
    assert (new["resumes"], new["state"], new["names"]) == (old["id"], "done", ["second"])
    # its own options are what they were
    assert (one.options.names, one.options.params, one.options.record) == (["first"], {}, False)
    assert one.run().ok
    assert (tmp_path / "first").read_text() == "there\nhere\n"


@pytest.mark.parametrize(("run", "said"), [("other", "there is no run other"), ("last", "no run is recorded")])
def test_a_session_refuses_a_run_that_is_not_there(tmp_path: Path, run: str, said: str) -> None:
    plan(tmp_path, UPLOADS)
    if run == "other":
        Session(tmp_path / "treadle.yaml", Options(["first"], record=True)).run()
    with pytest.raises(UsageError, match=said):
        Session(tmp_path / "treadle.yaml").resume(run)
