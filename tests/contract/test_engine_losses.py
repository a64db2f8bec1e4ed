"""What each engine with workers has to hold when a worker, its programs or the run are killed or frozen (H1 to H6).

An action finds its worker as its parent, so this holds for a worker on a cluster as well.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from engines_under_test import WORKERS, start
from project import wait_until
from treadle import DAG, Command, CommandWalk, Limits, Report, Script, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEASE = 2.0
ALONE = """
for p in $(cat {name}.pids 2>/dev/null); do
  case "$(ps -o stat= -p $p)" in "" | Z*) ;; *) echo $p >> twice ;; esac
done
echo $$ >> {name}.pids
echo $PPID > {name}.worker
"""
"""The begin of a script which notes that another attempt of it lives."""


def attempts(name: str, first: str, *, times: int = 1) -> Command:
    """Return an action whose first attempts do something else than its work."""
    text = (
        ALONE.format(name=name)
        + f"""
if [ $(wc -l < {name}.pids) -le {times} ]; then {first}; fi
echo done by {name} > {name}.out
"""
    )
    return Command(script=Script(text), outputs=[f"{name}.out"])


@pytest.fixture(params=list(WORKERS))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Return an engine as a plan says it; at the end nothing of it may be left."""
    start(request, request.param)
    yield {**WORKERS[request.param], "lease": LEASE}
    wait_until(lambda: not left_in(tmp_path))


@pytest.fixture
def run(tmp_path: Path, engine: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Report]:
    """Return what runs actions on the engine."""
    monkeypatch.chdir(tmp_path)

    def run_all(*commands: tuple[str, Command], jobs: int = 4) -> Report:
        dag = DAG()
        for name, command in commands:
            dag.add_vertex(name, command)
        return CommandWalk(dag, str(tmp_path), Settings(jobs=jobs, keep_going=0, engine=engine)).run()

    return run_all


def left_in(folder: Path) -> list[psutil.Process]:
    """Return the processes that run in a folder."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.cwd() == str(folder) and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
        except psutil.Error:
            continue
    return [one for one in found if one.pid != os.getpid()]


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def was_alone(folder: Path) -> bool:
    return not (folder / "twice").exists()


def test_an_action_whose_worker_is_killed_is_run_again_and_never_twice_at_once(
    run: Callable[..., Report], tmp_path: Path
) -> None:
    """H3, E6: the guard ends what the worker had started, and says so."""
    report = run(("a", attempts("a", "kill -KILL $PPID; exec sleep 300")))
    assert report.ok, report.actions["a"].failure
    assert (tmp_path / "a.out").read_text() == "done by a\n"
    assert [one.outcome.kind for one in report.actions["a"].attempts] == ["lost", "success"]
    assert was_alone(tmp_path)
    assert len(lines(tmp_path / "a.pids")) == 2


def test_an_action_whose_worker_and_guard_are_killed_at_once_is_never_run_twice_at_once(
    run: Callable[..., Report], tmp_path: Path
) -> None:
    """H3, E6: what begins it again on this machine ends first what is left of it."""
    both = "kill -KILL $(pgrep -P $PPID -f engines[.]guard) $PPID; exec sleep 300"
    report = run(("a", attempts("a", both)))
    assert report.ok, report.actions["a"].failure
    assert [one.outcome.kind for one in report.actions["a"].attempts] == ["lost", "success"]
    assert was_alone(tmp_path)
    assert len(lines(tmp_path / "a.pids")) == 2


def test_an_action_that_kills_each_worker_ends_as_lost_and_takes_no_neighbour_with_it(
    run: Callable[..., Report], tmp_path: Path
) -> None:
    """R1: the fourth loss ends it, by name, with the hosts."""
    neighbours = [(f"n{number}", attempts(f"n{number}", "sleep 1")) for number in range(4)]
    report = run(("bad", attempts("bad", "kill -KILL $PPID; exec sleep 300", times=99)), *neighbours, jobs=5)
    bad = report.actions["bad"]
    assert bad.outcome.kind == "lost"
    assert bad.attempt == 4
    assert os.uname().nodename in str(bad.failure)
    assert [name for name, _ in neighbours if not report.actions[name].outcome.is_good] == []
    assert was_alone(tmp_path)


def test_an_action_whose_worker_is_frozen_is_run_again_when_nothing_of_it_runs_any_more(
    run: Callable[..., Report], tmp_path: Path
) -> None:
    """H3, H6: the guard ends the programs of a frozen worker, which changes nothing when it wakes."""

    def thaw() -> None:
        wait_until(lambda: len(lines(tmp_path / "a.pids")) == 2)
        with contextlib.suppress(ProcessLookupError):
            # an engine that ends what is lost has ended it
            os.kill(int(first[0]), signal.SIGCONT)

    first: list[str] = []

    def note_worker() -> None:
        wait_until(lambda: len(lines(tmp_path / "a.worker")) == 1)
        first.extend(lines(tmp_path / "a.worker"))
        thaw()

    thread = threading.Thread(target=note_worker)
    thread.start()
    report = run(("a", attempts("a", "kill -STOP $PPID; exec sleep 300")))
    thread.join()
    assert report.ok, report.actions["a"].failure
    assert [one.outcome.kind for one in report.actions["a"].attempts] == ["lost", "success"]
    assert (tmp_path / "a.out").read_text() == "done by a\n"
    assert was_alone(tmp_path)


def test_an_action_called_engine_ends_no_worker_when_it_is_stopped(run: Callable[..., Report]) -> None:
    slow = Command(script=Script("exec sleep 300"), limits=Limits(timeout=0.3))
    report = run(("engine", slow), ("n", Command(script=Script("sleep 1"))), jobs=2)
    assert report.actions["engine"].outcome.kind == "timeout"
    assert [one.outcome.kind for one in report.actions["n"].attempts] == ["success"]


def test_an_attempt_whose_guard_is_killed_goes_on(run: Callable[..., Report], tmp_path: Path) -> None:
    """E6: the next sign of life has another guard."""
    guard = "pkill -KILL -P $PPID -f engines[.]guard"
    report = run(("a", Command(script=Script(f"{guard}; sleep 1; echo x > o"), outputs=["o"])))
    assert report.ok, report.actions["a"].failure
    assert report.actions["a"].attempt == 1


WALK = """
import json, sys
from treadle import DAG, Command, CommandWalk, Script, Settings
dag = DAG()
dag.add_vertex("a", Command(script=Script(sys.argv[2]), outputs=["a.out"]))
report = CommandWalk(dag, ".", Settings(jobs=2, engine=json.loads(sys.argv[1]))).run()
print(*[one.outcome.kind for one in report.actions["a"].attempts])
"""


def started(folder: Path, engine: dict[str, Any], command: Command) -> subprocess.Popen[str]:
    """Start a run of its own process."""
    import json

    assert command.script is not None
    return subprocess.Popen(
        [sys.executable, "-c", WALK, json.dumps(engine), command.script.text],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_what_a_killed_run_has_started_ends_with_its_lease(engine: dict[str, Any], tmp_path: Path) -> None:
    """H1, H2: no new counter for a lease, and the worker ends all of that run."""
    child = started(tmp_path, engine, attempts("a", "exec sleep 300"))
    wait_until(lambda: len(lines(tmp_path / "a.pids")) == 1)
    child.kill()
    child.communicate()
    wait_until(lambda: not left_in(tmp_path))
    assert not (tmp_path / "a.out").exists()


def test_the_run_after_a_killed_one_is_right_and_alone(
    engine: dict[str, Any], run: Callable[..., Report], tmp_path: Path
) -> None:
    """H7: on this host it ends what was left at once."""
    command = attempts("a", "exec sleep 300")
    child = started(tmp_path, engine, command)
    wait_until(lambda: len(lines(tmp_path / "a.pids")) == 1)
    child.kill()
    child.communicate()
    assert run(("a", command)).ok
    assert (tmp_path / "a.out").read_text() == "done by a\n"
    assert was_alone(tmp_path)


def test_a_run_that_was_frozen_for_a_lease_goes_on_where_its_workers_have_given_it_up(
    engine: dict[str, Any], tmp_path: Path
) -> None:
    """H2: their report says that they have lost its lease, which is no fault of the action."""
    child = started(tmp_path, engine, attempts("a", "exec sleep 300"))
    pids = tmp_path / "a.pids"
    wait_until(lambda: len(lines(pids)) == 1)
    child.send_signal(signal.SIGSTOP)
    wait_until(lambda: not psutil.pid_exists(int(lines(pids)[0])))
    child.send_signal(signal.SIGCONT)
    out, _ = child.communicate(timeout=120)
    assert out.split() == ["lost", "success"]
    assert (tmp_path / "a.out").read_text() == "done by a\n"
    assert was_alone(tmp_path)
