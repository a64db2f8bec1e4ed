"""Scheduler: Ctrl-C, in a program of its own and in one that has not taken SIGINT itself."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from jobs import Book, Sleeper, graph
from treadle import Scheduler
from waiting import DEADLINE, is_alive, read_line

PROGRAM = """
import sys
from treadle import DAG, ProcessJob, Scheduler

class Stubborn(ProcessJob):
    @property
    def cmdline(self):
        # a minute at most, whatever becomes of those who should end it
        loop = "i=0; while [ $i -lt 6000 ]; do i=$((i + 1)); sleep 0.01; done"
        return ["sh", "-c", "trap 'echo TERM' TERM; echo $$; " + loop]

dag = DAG()
dag.add_vertex("a")
dag.add_vertex("b", predecessors=["a"])
scheduler = Scheduler(
    Scheduler.simple_provider(Stubborn), lambda job: print("collected", job.uid, job.proc_handle.status, flush=True)
)
scheduler.grace = 300.0
try:
    scheduler.run(dag)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    """The program, ended at the latest when its test is: leaving a Popen alone waits for it."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, start_new_session=True
    ) as started:
        yield started
        started.kill()


def test_real_interrupts_ask_first_and_kill_then(program: subprocess.Popen[bytes]) -> None:
    assert program.stdout is not None
    output = program.stdout.fileno()
    pid = int(read_line(output))
    program.send_signal(signal.SIGINT)
    assert read_line(output) == "TERM"
    assert is_alive(pid)
    program.send_signal(signal.SIGINT)
    assert read_line(output) == "collected a -9"
    assert read_line(output) == "interrupted"
    assert not is_alive(pid)
    assert program.wait(DEADLINE) == 0


class TestSigint:
    """Ctrl-C in a program that has not taken SIGINT itself."""

    @staticmethod
    def run(times: int) -> tuple[Book, list[int]]:
        """Run with so many interrupts in one hook; return what was collected and how often the hook went on."""
        went_on: list[int] = []

        def interrupt() -> None:
            while len(went_on) < times:
                signal.raise_signal(signal.SIGINT)
                went_on.append(1)

        book = Book(Sleeper)
        scheduler = Scheduler(book.provide, book.collect)
        scheduler.log_state = interrupt  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            scheduler.run(graph(("a",), ("b",)))
        assert book.collected == ["a"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        return book, went_on

    @pytest.mark.parametrize(("times", "code"), [(1, -15), (2, -9)])
    def test_what_runs_is_ended_before_the_exception_comes(self, times: int, code: int) -> None:
        book, went_on = self.run(times)
        assert len(went_on) == times
        assert book.jobs["a"].proc_handle.status == code

    def test_the_third_comes_at_once(self) -> None:
        _, went_on = self.run(3)
        assert len(went_on) == 2

    def test_who_has_taken_the_signal_keeps_it(self) -> None:
        heard: list[int] = []
        before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
        try:
            scheduler = Book().scheduler()
            scheduler.log_state = lambda: signal.raise_signal(signal.SIGINT)  # type: ignore[method-assign]
            scheduler.run(graph(("a",)))
        finally:
            signal.signal(signal.SIGINT, before)
        assert heard

    def test_another_thread_runs_without(self) -> None:
        book = Book()
        thread = threading.Thread(target=book.scheduler().run, args=(graph(("a",)),))
        thread.start()
        thread.join(DEADLINE)
        assert book.collected == ["a"]
