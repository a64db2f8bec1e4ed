from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from helpers import DEADLINE, Fifo, Waiting, alive, ended, plan, run_treadle, start_treadle
from treadle.engines.process_marks import marked
from waiting import until

if TYPE_CHECKING:
    from pathlib import Path

GRACE = 5.0


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["INT", "TERM", "HUP"],
)
def test_a_signal_ends_the_run_and_all_that_it_has_started(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    waiting = Waiting(tmp_path)
    run = waiting.start()
    run.send_signal(number)
    done = ended(run)
    assert done.code == code
    assert "interrupted: ending 1 action" in done.err
    assert done.lines[-1].startswith("interrupted: 0 run, 1 interrupted, 1 not started in ")
    assert "failed" not in done.out
    assert alive(waiting.folder) == []
    assert not (waiting.folder / "o").exists()


def test_the_run_after_an_interrupted_one_is_right(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path)
    run = waiting.start()
    run.send_signal(signal.SIGINT)
    assert ended(run).code == 130
    run = waiting.start()
    waiting.go.open()
    done = ended(run)
    assert done.code == 0
    assert "ran a" in done.lines[0]
    assert "(the last run was interrupted)" in done.lines[0]
    assert (waiting.folder / "p").read_text() == "x\n"


def test_a_second_signal_kills_at_once_what_does_not_want_to_end(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, before="trap '' TERM; ")
    run = waiting.start()
    run.send_signal(signal.SIGINT)
    assert run.stderr is not None
    assert "once more to kill" in run.stderr.readline()
    before = monotonic()
    run.send_signal(signal.SIGINT)
    assert ended(run).code == 130
    assert monotonic() - before < GRACE - 1
    assert alive(waiting.folder) == []


def test_the_code_is_that_of_the_first_signal(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, before="trap '' TERM; ")
    run = waiting.start()
    run.send_signal(signal.SIGTERM)
    assert run.stderr is not None
    run.stderr.readline()
    run.send_signal(signal.SIGINT)
    assert ended(run).code == 143


def test_the_third_signal_ends_us_as_we_stand_and_kills_what_runs() -> None:
    program = """
import os, signal, subprocess
from treadle.cli.signals import Interrupts
from treadle.engines.process_marks import with_mark

class Walk:
    run_id = "third-" + os.urandom(8).hex()

    def stop(self, stop_mode):
        print("told", stop_mode, flush=True)

interrupts = Interrupts()
interrupts.install()
interrupts.attach(Walk())
child = subprocess.Popen(["setsid", "sleep", "300"], env=with_mark(os.environ, Walk.run_id + "/a"))
print(Walk.run_id, flush=True)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
    os.kill(os.getpid(), number)
print("still here")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE)
    run, *told = done.stdout.splitlines()
    assert (done.returncode, told) == (143, ["told 2", "told 3"])
    assert done.stderr == "treadle: ended by the third signal, all running programs were killed\n"
    assert list(marked(f"{run}/")) == []


def test_three_signals_at_once_leave_nothing_running(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, before="trap '' TERM; ")
    run = waiting.start()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        run.send_signal(number)
    assert run.wait(DEADLINE) in {128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    assert alive(waiting.folder) == []
    ended(run)


RETRIED = """
actions:
  a: {sh: "echo up > UP; exit 7", out: o, retries: {max: 3, on: [any], backoff: 300s}}
  b: {sh: "cat ${in} > ${out}", in: o, out: p}
"""


def test_a_signal_between_two_attempts_leaves_a_failure(tmp_path: Path) -> None:
    up = Fifo(tmp_path / "up")
    folder = tmp_path / "project"
    folder.mkdir()
    plan(folder, RETRIED.replace("UP", str(up)))
    run = start_treadle(folder, "run")
    up.wait()
    assert run.stdout is not None
    assert "trying again" in run.stdout.readline()
    run.send_signal(signal.SIGINT)
    done = ended(run)
    assert done.code == 130
    assert done.lines[0].startswith("[1/2] failed a ")
    assert "failed a: exit code 7" in done.lines
    assert done.lines[-1].startswith("interrupted: 0 run, 1 failed, ")
    assert run_treadle(folder, "status", "a", check=1).lines[0] == "run a: the last run failed (exit code 7)"


def test_a_run_that_waits_for_another_one_ends_at_once(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path)
    first = waiting.start()
    second = start_treadle(waiting.folder, "run")
    assert second.stderr is not None
    assert "waiting for process" in second.stderr.readline()
    second.send_signal(signal.SIGINT)
    assert ended(second) == (130, "", "")
    waiting.go.open()
    assert ended(first).code == 0


def test_a_signal_while_the_plan_is_read_ends_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "plan.yaml"
    os.mkfifo(fifo)
    check = start_treadle(tmp_path, "check", "-f", str(fifo))
    # it opens when somebody reads: the plan is being read
    with fifo.open("w"):
        check.send_signal(signal.SIGTERM)
        assert ended(check) == (143, "", "")


def test_under_nohup_the_end_of_the_terminal_is_not_heard(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path)
    run = waiting.start(prefix=("sh", "-c", 'trap "" HUP; exec "$@"', "sh"))
    run.send_signal(signal.SIGHUP)
    waiting.go.open()
    assert ended(run).code == 0


def test_what_was_done_before_the_signal_stays_done(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path)
    actions = (waiting.folder / "treadle.yaml").read_text()
    (waiting.folder / "treadle.yaml").write_text(actions + "  early: {sh: 'echo x > ${out}', out: early}\n")
    run_treadle(waiting.folder, "run", "early", check=0)
    run = waiting.start("-j4")
    run.send_signal(signal.SIGINT)
    assert ended(run).lines[-1].startswith("interrupted: 0 run, 1 up to date, 1 interrupted, 1 not started")
    assert run_treadle(waiting.folder, "status", "early", check=0).code == 0


LARGE = 1 << 42
"""Bytes that nobody reads in the time of a test; a sparse file takes no room."""


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ('a: {sh: "echo > ${out}", in: big, out: o}', ["run"]),
        ('a: {sh: "echo > ${out}", in: tree/, out: o}', ["run"]),
        ('a: {sh: "echo > ${out}", in: big, out: o}', ["status"]),
        ('a: {sh: "echo > ${out}", in: big, out: o}', ["why", "a"]),
        (f'a: {{sh: "truncate -s {LARGE} ${{out}}", in: small, out: o}}', ["run"]),
        (f'a: {{sh: "mkdir -p o; truncate -s {LARGE} ${{out}}/big", in: small, out: o/}}', ["run"]),
    ],
    ids=["an input", "an input in a tree", "for status", "for why", "an output", "an output in a folder"],
)
def test_a_signal_is_heard_while_a_large_file_is_read(tmp_path: Path, actions: str, words: list[str]) -> None:
    number = signal.SIGTERM if "tree/" in actions else signal.SIGINT
    plan(tmp_path, f"actions:\n  {actions}\n")
    (tmp_path / "small").write_text("")
    (tmp_path / "tree").mkdir()
    for name in ("big", "tree/big"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(LARGE)
    run = start_treadle(tmp_path, *words)

    def is_reading() -> bool:
        folder = f"/proc/{run.pid}/fd"
        for name in os.listdir(folder):
            with suppress(FileNotFoundError):
                if os.stat(f"{folder}/{name}").st_size == LARGE:
                    return True
        return False

    until(is_reading, "the file is read")
    run.send_signal(number)
    before = monotonic()
    done = ended(run)
    assert monotonic() - before < GRACE
    assert done.code == 128 + number
    if words == ["run"]:
        assert done.lines[-1].startswith("interrupted: 0 run, 1 interrupted")
    for path in (*tmp_path.glob("big"), *tmp_path.glob("*/big"), tmp_path / "o"):
        if path.is_file():
            path.unlink()
    (tmp_path / "big").write_text("")
    assert run_treadle(tmp_path, "status", check=1).lines[0].startswith("run a: ")
