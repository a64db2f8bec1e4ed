"""What a walk holds on each engine: on this machine, on a runner from outside, and on workers.

`engines_under_test` lists them. What workers hold when they are killed or frozen is in `test_engine_losses`.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engines_under_test import ENGINES, WORKERS, start
from foreign_engine import OtherProcess
from project import wait_until
from treadle import (
    DAG,
    Attempt,
    Command,
    CommandWalk,
    Environment,
    Limits,
    Report,
    Retries,
    ReturnValue,
    Script,
    Settings,
    Subscriber,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class OnEngine(CommandWalk):
    """A walk whose actions run on one engine, but for those that say otherwise."""

    here: frozenset[str] = frozenset()

    def engine_of(self, uid: str, command: Command) -> str:
        return "" if uid in self.here or not self.engines else "other"


@pytest.fixture(params=list(ENGINES))
def walk(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., OnEngine]:
    """Return what makes a walk over Commands on the engine of the test."""
    start(request, request.param)

    def make(commands: dict[str, Command], **settings: object) -> OnEngine:
        dag = DAG()
        for uid, command in commands.items():
            dag.add_vertex(uid, command)
        made = OnEngine(dag, str(tmp_path), Settings(**settings))  # type: ignore[arg-type]
        engine = ENGINES[request.param](made)
        if engine is not None:
            made.engines["other"] = engine
        return made

    return make


def shell(text: str, **options: object) -> Command:
    return Command(script=Script(text), **options)  # type: ignore[arg-type]


def failure_of(report: Report, uid: str) -> str | None:
    return report.actions[uid].failure


@pytest.mark.parametrize("code", [0, 1, 7, 126])
def test_the_exit_code_of_the_last_program_counts(walk: Callable[..., OnEngine], code: int) -> None:
    report = walk({"a": shell(f"exit {code}")}).run()
    assert report.actions["a"].status == (ReturnValue.success if code == 0 else ReturnValue.failure)
    assert failure_of(report, "a") == (None if code == 0 else f"exit code {code}")


def test_programs_run_one_after_the_other_until_one_fails(walk: Callable[..., OnEngine], tmp_path: Path) -> None:
    steps = [["touch", "one"], ["false"], ["touch", "three"]]
    report = walk({"a": Command(steps)}).run()
    assert failure_of(report, "a") == "exit code 1"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != ".treadle") == ["one"]


def test_what_is_printed_goes_to_the_log_and_stdout_to_its_file(
    walk: Callable[..., OnEngine], tmp_path: Path
) -> None:
    made = walk(
        {
            "log": shell("echo out; echo err >&2"),
            "file": Command([["sh", "-c", "echo out; echo err >&2"]], stdout="o", outputs=["o"]),
        }
    )
    assert made.run().ok
    logs = tmp_path / ".treadle" / "logs"
    assert (logs / "log.log").read_text() == "out\nerr\n"
    assert (logs / "file.log").read_text() == "err\n"
    assert (tmp_path / "o").read_text() == "out\n"


def test_the_environment_and_the_folder_are_those_of_the_command(
    walk: Callable[..., OnEngine], tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    made = walk(
        {"a": shell('printf "%s %s" "$X" "$PWD" > ../o', cwd="sub", env=Environment({"X": "y"}), outputs=["o"])}
    )
    assert made.run().ok, made.reports["a"].failure
    assert (tmp_path / "o").read_text() == f"y {tmp_path / 'sub'}"


def test_a_signal_is_told_as_one(walk: Callable[..., OnEngine]) -> None:
    report = walk({"a": Command([["sh", "-c", "kill -USR1 $$"]])}).run()
    assert "SIGUSR1" in str(failure_of(report, "a"))


def test_a_time_limit_ends_the_program_with_all_that_it_has_started(
    walk: Callable[..., OnEngine], tmp_path: Path
) -> None:
    report = walk({"a": shell("sleep 300 & echo $! > pid; wait", limits=Limits(timeout=0.5))}).run()
    assert "time limit" in str(failure_of(report, "a"))
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_what_does_not_end_when_it_is_asked_to_is_killed(walk: Callable[..., OnEngine], tmp_path: Path) -> None:
    made = walk(
        {"a": shell("trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done", limits=Limits(timeout=0.5))}
    )

    def with_little_grace() -> object:
        scheduler = CommandWalk.create_scheduler(made)
        scheduler.grace = 0.3
        return scheduler

    made.create_scheduler = with_little_grace  # type: ignore[method-assign]
    report = made.run()
    assert "time limit" in str(failure_of(report, "a"))
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_failed_attempt_is_tried_again(walk: Callable[..., OnEngine], tmp_path: Path) -> None:
    limits = Limits(retries=Retries(2, on=["any"], backoff=0.0))
    report = walk({"a": shell("echo x >> n; [ $(wc -l < n) = 3 ]", limits=limits)}).run()
    assert report.ok
    assert report.actions["a"].attempt == 3
    assert (tmp_path / "n").read_text() == "x\n" * 3


def test_a_program_that_is_not_there_fails_with_words(walk: Callable[..., OnEngine]) -> None:
    report = walk({"a": Command([["/no/such/program"]])}).run()
    assert failure_of(report, "a")
    assert not report.interrupted


def test_a_second_run_skips_what_ran(walk: Callable[..., OnEngine]) -> None:
    commands = {"a": shell("echo x > o", outputs=["o"])}
    assert walk(commands).run().actions["a"].status == ReturnValue.success
    assert walk(commands).run().actions["a"].status == ReturnValue.skip


def test_many_run_at_once_and_each_end_is_told_once(walk: Callable[..., OnEngine]) -> None:
    report = walk({f"a{n}": shell(f"exit {n % 3}") for n in range(12)}, jobs=4).run()
    assert [failure_of(report, f"a{n}") for n in range(12)] == [
        None if n % 3 == 0 else f"exit code {n % 3}" for n in range(12)
    ]


@pytest.mark.parametrize("engine", list(WORKERS))
def test_a_module_in_the_folder_of_the_plan_is_loaded_by_no_worker_and_no_guard(
    request: pytest.FixtureRequest, tmp_path: Path, engine: str
) -> None:
    """A checkout brings no code but that of its actions."""
    start(request, engine)
    for name in ("json", "argparse", "select", "treadle", "_queue", "platform"):
        (tmp_path / f"{name}.py").write_text("import os\nos.mkdir('loaded')\n")
    said = {key: value for key, value in WORKERS[engine].items() if key != "delay"}
    plan = {"treadle": 1, "engine": said, "actions": {"a": {"sh": "echo > ${out}", "out": "o"}}}
    (tmp_path / "treadle.yaml").write_text(json.dumps(plan))
    command = [os.path.join(os.path.dirname(sys.executable), "treadle"), "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "loaded").exists()


def test_two_engines_work_in_one_run(tmp_path: Path) -> None:
    dag = DAG()
    dag.add_vertex("there", shell("echo there > t", outputs=["t"]))
    dag.add_vertex("here", shell("cat t > h", inputs=["t"], outputs=["h"]), ["there"])
    made = OnEngine(dag, str(tmp_path))
    engine = made.engines["other"] = OtherProcess()
    made.here = frozenset({"here"})
    assert made.run().ok
    assert (tmp_path / "h").read_text() == "there\n"
    assert [getattr(key, "uid", "") for key in engine.workers] == ["there"]


def test_an_engine_that_is_lost_fails_what_it_ran_and_nothing_else(tmp_path: Path) -> None:
    class Lost(OtherProcess):
        def submit(self, key: object, attempt: Attempt) -> None:
            self.lose("the connection has gone")

    dag = DAG()
    dag.add_vertex("there", shell("exit 0"))
    dag.add_vertex("here", shell("exit 0"))
    made = OnEngine(dag, str(tmp_path))
    made.engines["other"] = Lost()
    made.here = frozenset({"here"})
    report = made.run()
    assert failure_of(report, "there") == "the connection has gone"
    assert report.actions["here"].status == ReturnValue.success


def test_an_engine_that_refuses_an_attempt_fails_it_with_its_words(tmp_path: Path) -> None:
    class Full(OtherProcess):
        def submit(self, key: object, attempt: Attempt) -> None:
            raise RuntimeError("no worker has so much memory")

    dag = DAG()
    dag.add_vertex("a", shell("exit 0"))
    made = OnEngine(dag, str(tmp_path))
    made.engines["other"] = Full()
    assert failure_of(made.run(), "a") == "RuntimeError: no worker has so much memory"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_while_an_attempt_is_submitted_ends_the_run(
    tmp_path: Path, error: type[BaseException]
) -> None:
    class Interrupted(OtherProcess):
        def submit(self, key: object, attempt: Attempt) -> None:
            raise error

        def cancel(self, key: object, *, at_once: bool) -> None:
            """Nothing was submitted."""

    dag = DAG()
    dag.add_vertex("a", shell("exit 0"))
    made = OnEngine(dag, str(tmp_path))
    made.engines["other"] = Interrupted()
    with pytest.raises(error):
        made.run()


def test_an_attempt_travels_as_data(tmp_path: Path) -> None:
    attempt = Attempt([["true"]], mark="m/x", environ={"A": "b"}, cwd=str(tmp_path), log="l")
    again = Attempt.from_data(attempt.as_data())
    assert again.as_data() == attempt.as_data()
    assert again.environment()["TREADLE_RUN"].endswith("m/x")


@pytest.mark.parametrize("held", [{"stdout": 1}, {"own_session": False}])
def test_an_attempt_with_files_of_this_process_does_not(held: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="files of this process"):
        Attempt([["true"]], mark="m/x", environ={}, **held).as_data()  # type: ignore[arg-type]


def is_gone(pid: int, seconds: float = 20.0) -> bool:
    """Return whether a process ends within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
    return False


@pytest.mark.parametrize("walk", [name for name in ENGINES if name != "foreign"], indirect=True)
def test_what_an_action_prints_is_seen_while_it_runs_and_what_it_used_is_told(
    walk: Callable[..., OnEngine], tmp_path: Path
) -> None:
    """E7; and M1: the accounts are those of its programs, not of the worker."""
    made = walk({"a": shell("echo first; read line < go; head -c 80000000 /dev/zero | tail -c 80000000 | wc -c")})
    log = tmp_path / ".treadle" / "logs" / "a.log"
    os.mkfifo(tmp_path / "go")
    seen: list[str] = []

    def let_it_go() -> None:
        wait_until(lambda: log.exists() and log.read_text() == "first\n")
        seen.append(log.read_text())
        (tmp_path / "go").write_text("on\n")

    thread = threading.Thread(target=let_it_go)
    thread.start()
    report = made.run()
    thread.join()
    assert report.ok, report.actions["a"].failure
    assert seen == ["first\n"]
    assert log.read_text() == "first\n80000000\n"
    usage = report.actions["a"].usage
    assert usage is not None
    assert usage.user + usage.system > 0.0
    if usage.largest_process is None:
        # the kernel lets a program begin with the peak of the process that starts it: what is smaller is not known
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > 70_000_000
    else:
        assert 70_000_000 < usage.largest_process < 200_000_000


def test_what_a_runner_has_to_say_of_a_run_reaches_its_subscribers(tmp_path: Path) -> None:
    """E2: from any thread, and in the order of all that happens."""

    class Waiting(OtherProcess):
        def submit(self, key: object, attempt: Attempt) -> None:
            self.note("no worker has begun it")
            super().submit(key, attempt)

    class Notes(Subscriber):
        def __init__(self) -> None:
            self.texts: list[str] = []

        def note(self, text: str) -> None:
            self.texts.append(text)

    dag = DAG()
    dag.add_vertex("a", shell("exit 0"))
    made, notes = OnEngine(dag, str(tmp_path)), Notes()
    made.engines["other"] = Waiting()
    made.bus.add(notes)
    assert made.run().ok
    assert notes.texts == ["no worker has begun it"]
