"""LocalRunner: programs run one after the other or side by side, and one poll tells of all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from treadle.engines import process_marks
from treadle.engines.base import Attempt, AttemptEnd
from treadle.engines.local import LocalRunner
from treadle.engines.process_marks import with_mark
from waiting import is_alive, read_line, until

RUN = f"test-runner-{os.getpid()}"


@pytest.fixture
def runner(runner: LocalRunner) -> Iterator[LocalRunner]:
    yield runner
    runner.close()
    assert process_marks.end_marked(f"{RUN}/") == []


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def shell(*scripts: str, stdout: int | None = None, name: str = "one", own_session: bool = True) -> Attempt:
    """Return what starts these scripts, one after the other."""
    argvs = [["sh", "-c", script] for script in scripts]
    mark = f"{RUN}/{name}"
    return Attempt(argvs, mark=mark, environ=os.environ, stdout=stdout, own_session=own_session)


def the_end(runner: LocalRunner) -> AttemptEnd:
    """Return the next one that ends."""
    (ended,) = runner.poll(20)
    return ended


def test_it_tells_who_ended_and_how(runner: LocalRunner) -> None:
    child = runner.start("key", shell("exit 7"))
    assert child is not None
    assert runner.active == 1
    ended = the_end(runner)
    assert (ended.key, ended.code, ended.error, ended.process) == ("key", 7, "", child)
    assert child.status == 7
    assert runner.active == 0


def test_each_of_many_is_told_of_once(runner: LocalRunner) -> None:
    for number in range(30):
        runner.start(number, shell(f"exit {number}", name=str(number)))
    codes: dict[object, int | None] = {}
    while runner.active:
        for ended in runner.poll(20):
            assert ended.key not in codes
            codes[ended.key] = ended.code
    assert codes == {number: number for number in range(30)}


class TestSteps:
    def test_one_runs_after_the_other(self, runner: LocalRunner, tmp_path: Path) -> None:
        note = tmp_path / "note"
        runner.start("key", shell(*(f"echo {n} >>{note}" for n in (1, 2, 3))))
        ended = the_end(runner)
        assert (ended.code, note.read_text()) == (0, "1\n2\n3\n")

    def test_the_first_that_fails_is_the_last(self, runner: LocalRunner, tmp_path: Path) -> None:
        note = tmp_path / "note"
        first = runner.start("key", shell("exit 0", "exit 4", f"echo 3 >>{note}"))
        ended = the_end(runner)
        assert ended.code == 4
        assert ended.process is not None
        assert ended.process is not first
        assert ended.process.status == 4
        assert not note.exists()

    def test_one_that_cannot_be_started_ends_them_with_words(self, runner: LocalRunner) -> None:
        start = shell("exit 0")
        start.argvs = [*start.argvs, ["/no/such/program"]]
        runner.start("key", start)
        ended = the_end(runner)
        assert (ended.code, ended.error) == (None, "/no/such/program: the program was not found")

    def test_asked_to_end_it_does_not_go_on_to_the_next(
        self, runner: LocalRunner, tmp_path: Path, pipe: tuple[int, int]
    ) -> None:
        note = tmp_path / "note"
        first = "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done"
        runner.start("key", shell(first, f"echo 2 >>{note}", stdout=pipe[1]))
        read_line(pipe[0])
        runner.stop("key")
        assert the_end(runner).code == 0
        assert not note.exists()


class TestNotStarted:
    @pytest.mark.parametrize(
        ("argvs", "words"),
        [
            ([["/no/such/program"]], "/no/such/program: the program was not found"),
            ([["true", "a\0b"]], "true: embedded null byte"),
            ([["true", 5]], "true: expected str"),
            ([[]], "an empty command: there is no program to start"),
            ([], "an empty command: there is no program to start"),
        ],
    )
    def test_it_has_ended_at_the_next_poll(self, runner: LocalRunner, argvs: list[list[str]], words: str) -> None:
        assert runner.start("key", Attempt(argvs, mark=f"{RUN}/one", environ=os.environ)) is None
        assert runner.active == 1
        ended = the_end(runner)
        assert (ended.key, ended.code, ended.process) == ("key", None, None)
        assert ended.error.startswith(words)
        assert runner.active == 0


def test_a_lost_exit_code_is_an_error_and_not_a_success() -> None:
    script = (
        "import os, signal\n"
        "from treadle.engines.base import Attempt\n"
        "from treadle.engines.local import LocalRunner\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "runner = LocalRunner()\n"
        "runner.start('key', Attempt([['false']], mark='m/x', environ=os.environ))\n"
        "[ended] = runner.poll(20)\n"
        "print(ended.code, ended.error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("None its exit status is lost"), done


class TestPoll:
    def test_it_returns_nothing_when_the_time_is_over(self, runner: LocalRunner) -> None:
        runner.start("key", shell("sleep 300"))
        assert runner.poll(0) == []
        assert runner.poll(0.01) == []
        runner.kill("key")
        assert the_end(runner).code == -signal.SIGKILL

    def test_another_thread_can_wake_it(self, runner: LocalRunner) -> None:
        runner.start("key", shell("sleep 300"))
        thread = threading.Thread(target=runner.wake)
        thread.start()
        assert runner.poll(None) == []
        thread.join()
        runner.kill("key")
        the_end(runner)

    def test_a_wake_is_kept_for_the_next_poll(self, runner: LocalRunner) -> None:
        runner.poll(0)
        for _ in range(100_000):
            runner.wake()
        assert runner.poll(None) == []

    def test_a_wake_after_the_close_does_nothing(self, runner: LocalRunner) -> None:
        runner.poll(0)
        runner.close()
        runner.wake()
        runner.close()
        runner.start("key", shell("exit 2"))
        assert the_end(runner).code == 2


class TestStop:
    def test_term_comes_first_and_may_be_heeded(self, runner: LocalRunner, pipe: tuple[int, int]) -> None:
        runner.start("key", shell("trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done", stdout=pipe[1]))
        read_line(pipe[0])
        runner.stop("key")
        assert the_end(runner).code == 3

    def test_what_heeds_it_slowly_is_given_time(
        self, runner: LocalRunner, tmp_path: Path, pipe: tuple[int, int]
    ) -> None:
        note = tmp_path / "note"
        slow = f"trap 'sleep 0.2; echo done >{note}; exit' TERM; echo up; while :; do sleep 0.01; done"
        script = f"trap 'exit 0' TERM; setsid sh -c \"{slow}\" & while :; do sleep 0.01; done"
        runner.start("key", shell(script, stdout=pipe[1]))
        read_line(pipe[0])
        runner.stop("key")
        assert the_end(runner).code == 0
        assert note.read_text() == "done\n"

    def test_after_the_grace_nothing_of_the_tree_is_left(self, runner: LocalRunner, pipe: tuple[int, int]) -> None:
        runner.grace = 0.1
        inner = "trap '' TERM; echo $$; while :; do sleep 9; done"
        runner.start("key", shell(f'setsid sh -c "{inner}" & {inner}', stdout=pipe[1]))
        pids = [int(word) for word in (read_line(pipe[0]), read_line(pipe[0])) if word]
        runner.stop("key")
        assert the_end(runner).code == -signal.SIGKILL
        until(lambda: not any(is_alive(pid) for pid in pids), "the tree is gone")

    def test_what_outlives_its_leader_is_ended_after_the_grace(
        self, runner: LocalRunner, pipe: tuple[int, int]
    ) -> None:
        runner.grace = 0.1
        inner = "trap '' TERM; echo \\$\\$; while :; do sleep 9; done"
        script = f"trap 'exit 0' TERM; setsid sh -c \"{inner}\" & while :; do sleep 0.01; done"
        runner.start("key", shell(script, stdout=pipe[1]))
        escaped = int(read_line(pipe[0]))
        runner.stop("key")
        assert the_end(runner).code == 0
        assert not is_alive(escaped)

    def test_one_that_is_stopped_by_a_signal_is_ended_too(self, runner: LocalRunner, pipe: tuple[int, int]) -> None:
        runner.grace = 0.1
        child = runner.start("key", shell("trap 'exit 0' TERM; echo up; sleep 300", stdout=pipe[1]))
        read_line(pipe[0])
        assert child is not None
        child.signal_group(signal.SIGSTOP)
        runner.stop("key")
        assert the_end(runner).code == -signal.SIGKILL

    def test_others_are_told_of_meanwhile(self, runner: LocalRunner, pipe: tuple[int, int]) -> None:
        runner.grace = 300.0
        runner.start("stubborn", shell("trap '' TERM; echo up; while :; do sleep 9; done", stdout=pipe[1]))
        read_line(pipe[0])
        runner.stop("stubborn")
        runner.start("other", shell("exit 5", name="other"))
        ended = the_end(runner)
        assert (ended.key, ended.code) == ("other", 5)
        runner.kill("stubborn")
        assert the_end(runner).code == -signal.SIGKILL

    def test_asking_again_and_asking_for_what_does_not_run_is_fine(self, runner: LocalRunner) -> None:
        runner.start("key", shell("sleep 300"))
        runner.stop("key")
        runner.stop("key")
        runner.stop("nobody")
        runner.kill("nobody")
        assert the_end(runner).code == -signal.SIGTERM
        runner.stop("key")
        assert runner.poll(0) == []

    def test_one_that_keeps_the_terminal_is_ended_without_us(
        self, runner: LocalRunner, pipe: tuple[int, int]
    ) -> None:
        runner.start("key", shell("echo up; exec sleep 300", stdout=pipe[1], own_session=False))
        read_line(pipe[0])
        runner.stop("key")
        assert the_end(runner).code == -signal.SIGTERM


def test_a_kill_gives_no_grace(runner: LocalRunner, tmp_path: Path, pipe: tuple[int, int]) -> None:
    note = tmp_path / "note"
    script = f"trap 'echo TERM >{note}' TERM; echo up; while :; do sleep 0.01; done"
    runner.start("key", shell(script, stdout=pipe[1]))
    read_line(pipe[0])
    runner.kill("key")
    assert the_end(runner).code == -signal.SIGKILL
    assert not note.exists()


def test_somebody_else_may_kill_it(runner: LocalRunner) -> None:
    child = runner.start("key", shell("sleep 300"))
    assert child is not None
    thread = threading.Thread(target=child.kill, kwargs={"recursive": True})
    thread.start()
    assert the_end(runner).code == -signal.SIGKILL
    thread.join(20)
    assert not thread.is_alive()


def test_no_descriptor_is_left_open(runner: LocalRunner) -> None:
    before = os.listdir("/proc/self/fd")
    for script in ("exit 0", "exit 1", "sleep 300", "sleep 300"):
        runner.start("key", shell(script, "exit 0"))
        if script == "sleep 300":
            runner.stop("key")
        the_end(runner)
    runner.start("key", Attempt([["/no/such/program"]], mark=f"{RUN}/one", environ=os.environ))
    the_end(runner)
    runner.close()
    until(lambda: os.listdir("/proc/self/fd") == before, "all descriptors are closed")


def test_a_program_carries_the_marks_of_all_runs_around_it(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]
) -> None:
    monkeypatch.setenv("TREADLE_RUN", "outer/x")
    argvs = [["sh", "-c", "echo $TREADLE_RUN $ONLY $HOME."]]
    environ = {"ONLY": "this", "PATH": os.environ["PATH"]}
    runner.start("key", Attempt(argvs, mark=f"{RUN}/one", environ=environ, stdout=pipe[1]))
    assert read_line(pipe[0]) == f"outer/x {RUN}/one this ."
    the_end(runner)
    assert with_mark(environ, "m")["TREADLE_RUN"] == "m"
