"""`treadle resume --hot`: what a killed run has left with its engine goes on under the next run (U4, H1)."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from helpers import DEADLINE, plan, run_treadle, start_treadle
from waiting import is_alive, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALONE = (
    "for p in $(cat NAME.pids 2>/dev/null); do"
    ' case "$(ps -o stat= -p $p)" in "" | Z*) ;; *) echo NAME $p >> twice ;; esac; done; echo $$ >> NAME.pids'
)
"""The begin of a script which notes that another attempt of it lives."""
PLAN = """
engine: {name: process, lease: 20s, workers: {max: 2, resources: {cpus: 2}}}
shell: [sh, -euc]
actions:
  a: {sh: 'ALONE; echo begun; while [ ! -e go ]; do sleep 0.02; done; echo over; cat i > a.o', in: i, out: a.o, MORE}
  b: {sh: 'cat a.o a.o > b.o', in: a.o, out: b.o}
default: [b]
"""


class Runs:
    """A folder with a plan whose first action goes on until it may end, and runs of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, more: str = "timeout: 5m") -> None:
        (self.folder / "i").write_text("one\n")
        plan(self.folder, PLAN.replace("ALONE", ALONE.replace("NAME", "a")).replace("MORE", more))

    def start(self, *words: str) -> subprocess.Popen[str]:
        return start_treadle(self.folder, *(words or ("run", "--record")))

    def killed(self, *words: str) -> int:
        """Kill a run while its first action is under way; return the process of that."""
        child = self.start(*words)
        until(lambda: len(self.pids) == 1, "an attempt")
        until(lambda: "begun" in self.log, "what it prints")
        self.kill(child)
        return self.pids[-1]

    def kill(self, child: subprocess.Popen[str]) -> None:
        child.send_signal(signal.SIGKILL)
        # its workers have the other ends of its pipes, and live on
        child.wait(DEADLINE)
        for pipe in (child.stdout, child.stderr):
            assert pipe is not None
            pipe.close()

    def end(self, child: subprocess.Popen[str], code: int = 0) -> str:
        """Wait for the end of a run; return what it has said."""
        out, err = child.communicate(timeout=DEADLINE)
        assert child.returncode == code, (out, err)
        assert not (self.folder / "twice").exists()
        return out + err

    def go(self) -> None:
        (self.folder / "go").touch()

    @property
    def pids(self) -> list[int]:
        path = self.folder / "a.pids"
        return [int(one) for one in path.read_text().split()] if path.exists() else []

    @property
    def log(self) -> str:
        path = self.folder / ".treadle/logs/a.log"
        return path.read_text() if path.exists() else ""

    def check_done(self, content: str = "one\n") -> None:
        """Check that all is done and right, and that the next run has nothing to do."""
        assert (self.folder / "b.o").read_text() == content * 2
        count = len(self.pids)
        assert "2 actions up to date" in run_treadle(self.folder, "run", "-n", check=0).out
        run_treadle(self.folder, "run", check=0)
        assert len(self.pids) == count
        left = [one for one in (self.folder / ".treadle/runs").rglob("*") if one.suffix == ".json"]
        assert left == []


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    made.write()
    yield made
    made.go()
    for pid in made.pids:
        until(lambda pid=pid: not is_alive(pid), "the end of what was begun")  # type: ignore[misc]


def test_what_runs_is_taken_over_and_never_begun_again(runs: Runs) -> None:
    pid = runs.killed()
    child = runs.start("resume", "--hot")
    assert child.stderr is not None
    until(lambda: len(os.listdir(runs.folder / ".treadle/runs")) > 2, "the folder of the run")
    assert is_alive(pid)
    runs.go()
    text = runs.end(child)
    assert "still with their engine: a" in text
    assert runs.pids == [pid]
    assert runs.log == "begun\nover\n"
    runs.check_done()


def test_a_run_with_workers_of_this_machine_listens_to_no_network(runs: Runs) -> None:
    child = runs.start()
    until(lambda: "begun" in runs.log, "an attempt")
    processes = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    assert len(processes) > 2
    listening = [one for process in processes for one in process.net_connections("inet")]
    runs.go()
    runs.end(child)
    assert listening == []


def test_a_report_that_is_there_already_counts(runs: Runs) -> None:
    pid = runs.killed()
    runs.go()
    until(lambda: list((runs.folder / ".treadle/runs").glob("*/attempts/*.json")), "its report")
    runs.end(runs.start("resume", "--hot"))
    assert runs.pids == [pid]
    runs.check_done()


@pytest.mark.parametrize(
    "change", ["another content", "the same size and time", "removed", "another file", "of the report"]
)
def test_outputs_that_were_changed_after_the_report_are_made_anew(runs: Runs, change: str) -> None:
    """Never stale, and no file of the user is lost: what is there was made by something else."""
    runs.killed()
    runs.go()
    until(lambda: list((runs.folder / ".treadle/runs").glob("*/attempts/*.json")), "its report")
    path = runs.folder / "a.o"
    status = path.stat()
    if change == "another content":
        path.write_text("edited\n")
    elif change == "of the report":
        for report in (runs.folder / ".treadle/runs").glob("*/attempts/*.json"):
            report.write_text(report.read_text()[:20])
    elif change == "the same size and time":
        path.write_text("own\n")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        path.unlink()
        if change == "another file":
            path.symlink_to("i")
    text = runs.end(runs.start("resume", "--hot"))
    assert "a begins anew" in text
    assert len(runs.pids) == 2
    assert ("replaced" in text) == (change != "removed")
    runs.check_done()


def test_a_failure_is_one_with_its_code(runs: Runs) -> None:
    file = runs.folder / "treadle.yaml"
    file.write_text(file.read_text().replace("cat i > a.o", "exit 3"))
    pid = runs.killed()
    runs.go()
    assert "exit code 3" in runs.end(runs.start("resume", "--hot"), code=1)
    assert runs.pids == [pid]


@pytest.mark.parametrize(
    "change", ["another", "there and back", "removed and made anew", "the command", "its outputs"]
)
def test_what_would_not_be_begun_as_it_was_is_ended_and_begun_anew(runs: Runs, change: str) -> None:
    """Never stale: in doubt it runs."""
    pid, path, content = runs.killed(), runs.folder / "i", "one\n"
    file = runs.folder / "treadle.yaml"
    if change == "another":
        path.write_text("two\n")
        content = "two\n"
    elif change == "there and back":
        path.write_text("two\n")
        path.write_text("one\n")
    elif change == "removed and made anew":
        path.unlink()
        path.write_text("one\n")
    elif change == "the command":
        file.write_text(file.read_text().replace("cat i > a.o", "cat i  > a.o"))
    else:
        file.write_text(
            file.read_text().replace("out: a.o", "out: [a.o, i2]").replace("> a.o'", "> a.o; cat i > i2'")
        )
    child = runs.start("resume", "--hot")
    until(lambda: len(runs.pids) == 2 or child.poll() is not None, "another attempt")
    assert not is_alive(pid)
    runs.go()
    text = runs.end(child)
    assert "a begins anew" in text
    assert len(runs.pids) == 2
    runs.check_done(content)


def test_what_is_not_in_the_plan_any_more_is_ended(runs: Runs) -> None:
    pid = runs.killed()
    plan(runs.folder, "engine: {name: process}\ndefault: [c]\nactions: {c: {sh: 'echo c > c.o', out: c.o}}")
    runs.end(runs.start("resume", "--hot"))
    assert not is_alive(pid)


def test_a_run_that_takes_over_may_be_killed_too(runs: Runs) -> None:
    pid = runs.killed()
    child = runs.start("resume", "--hot")
    until(lambda: len(os.listdir(runs.folder / ".treadle/runs")) > 2, "the folder of the run")
    runs.kill(child)
    child = runs.start("resume", "--hot")
    assert is_alive(pid)
    runs.go()
    runs.end(child)
    assert runs.pids == [pid]
    runs.check_done()


def test_a_run_that_is_hung_up_leaves_what_may_outlive_it(runs: Runs) -> None:
    """H1: as if it were killed, but for what it runs itself."""
    file = runs.folder / "treadle.yaml"
    here = "  h: {sh: 'echo $$ > h.pid; exec sleep 300', out: h.o, engine: local}\ndefault: [b, h]"
    file.write_text(file.read_text().replace("default: [b]", here))
    child = runs.start("run", "--record", "--outlive", "1h", "-j4")
    until(lambda: "begun" in runs.log and (runs.folder / "h.pid").exists(), "both")
    child.send_signal(signal.SIGHUP)
    # its workers have the other ends of its pipes
    assert child.wait(DEADLINE) == 128 + signal.SIGHUP
    for pipe in (child.stdout, child.stderr):
        assert pipe is not None
        pipe.close()
    (pid,) = runs.pids
    assert is_alive(pid)
    assert not is_alive(int((runs.folder / "h.pid").read_text()))
    file.write_text(file.read_text().replace("exec sleep 300", "echo > h.o"))
    child = runs.start("resume", "--hot")
    until((runs.folder / "h.o").exists, "what runs here")
    runs.go()
    text = runs.end(child)
    assert "still with their engine: a" in text
    assert runs.pids == [pid]
    assert runs.log == "begun\nover\n"


def test_without_it_what_is_hung_up_leaves_nothing(runs: Runs) -> None:
    child = runs.start()
    until(lambda: "begun" in runs.log, "an attempt")
    child.send_signal(signal.SIGHUP)
    runs.end(child, 128 + signal.SIGHUP)
    assert not is_alive(runs.pids[0])


def test_without_it_what_runs_is_ended(runs: Runs) -> None:
    pid = runs.killed()
    child = runs.start("resume")
    until(lambda: len(runs.pids) == 2, "another attempt")
    assert not is_alive(pid)
    runs.go()
    runs.end(child)
    runs.check_done()


def test_what_is_lost_meanwhile_is_begun_again(runs: Runs) -> None:
    pid = runs.killed()
    worker = next(runs.folder.glob(".treadle/runs/*/attempts/*")).read_text()
    subprocess.run(["pkill", "-KILL", "-f", f"name {worker.strip()}"], check=True)
    child = runs.start("resume", "--hot")
    until(lambda: len(runs.pids) == 2 or child.poll() is not None, "another attempt")
    assert not is_alive(pid)
    runs.go()
    runs.end(child)
    runs.check_done()


def test_a_time_limit_counts_from_the_begin(runs: Runs) -> None:
    runs.write("timeout: 8s")
    pid = runs.killed()
    path = next(one for one in runs.folder.glob(".treadle/runs/*/attempts/*"))
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 7.5))
    text = runs.end(runs.start("resume", "--hot"), code=1)
    assert "time limit of 8 s" in text
    assert runs.pids == [pid]


def test_what_it_was_found_to_read_is_compared_with_its_own_begin(runs: Runs) -> None:
    """What a depfile names was not looked at before: what has changed since the attempt began does not count."""
    file = runs.folder / "treadle.yaml"
    text = file.read_text().replace("cat i > a.o'", "cat i d > a.o; echo a.o: d > a.d'").replace("MORE", "")
    file.write_text(text.replace("out: a.o, ", "out: a.o, depfile: a.d, ", 1))
    (runs.folder / "d").write_text("old\n")
    runs.killed()
    (runs.folder / "d").write_text("new\n")
    runs.go()
    text = runs.end(runs.start("resume", "--hot"))
    assert "a is not recorded, it will run again: changed while it ran: d" in text


def test_on_this_machine_it_is_refused(tmp_path: Path) -> None:
    """Invariant 6: programs of a run end with it."""
    plan(tmp_path, "default: [a]\nactions: {a: {sh: 'echo x >> o; test -e p', out: o}}")
    run_treadle(tmp_path, "run", "--record", check=1)
    result = run_treadle(tmp_path, "resume", "--hot", check=2)
    assert "programs of this machine end with their run" in result.err
