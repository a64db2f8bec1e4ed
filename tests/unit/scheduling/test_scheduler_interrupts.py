"""KeyboardInterrupt in a run: wherever it is raised, what runs is ended and collected, and nothing is left."""

from __future__ import annotations

import linecache
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from types import FrameType
from typing import Any

import pytest

from jobs import Book, Fake, Notify, Shell, Sleeper, calling, graph
from treadle import Job, ReturnValue, Scheduler
from treadle.engines import process, process_marks
from treadle.engines.base import Attempt, AttemptEnd
from treadle.engines.local import LocalRunner
from treadle.scheduling.job import RUN_ID
from treadle.testing import CallJob, ManualRunner
from waiting import DEADLINE, is_alive, read_line


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    left = list(process_marks.marked(f"{RUN_ID}/"))
    process_marks.end_marked(f"{RUN_ID}/")
    assert left == []


class Steps(Sleeper):
    """Two programs, one after the other."""

    def make_attempt(self) -> Attempt:
        start = super().make_attempt()
        assert start is not None
        start.argvs = [["true"], *start.argvs]
        return start


class Noted(Sleeper):
    """Counts its hooks; what each calls is no function of Python, so no interrupt comes before it has noted."""

    def __init__(self, uid: Any, data: Any, notify_end: Notify) -> None:
        super().__init__(uid, data, notify_end)
        self.starts: list[Any] = []
        self.ends: list[Any] = []
        self.on_start = self.starts.append  # type: ignore[method-assign,assignment]
        self.on_finish = self.ends.append  # type: ignore[method-assign,assignment]


def test_no_handler_is_installed() -> None:
    def look() -> None:
        seen.append(signal.getsignal(signal.SIGINT))

    seen: list[Any] = []
    before = signal.getsignal(signal.SIGINT)
    scheduler = Book().scheduler()
    scheduler.log_state = look  # type: ignore[method-assign]
    scheduler.run(graph(("a",)))
    assert set(seen) == {before}


def test_a_real_interrupt_goes_on_its_way_when_all_has_ended() -> None:
    book = Book(Sleeper)
    scheduler = Scheduler(book.provide, book.collect)
    scheduler.log_state = lambda: signal.raise_signal(signal.SIGINT)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        scheduler.run(graph(("a",), ("b",)))
    assert book.collected == ["a"]
    assert book.jobs["a"].proc_handle.status == -signal.SIGTERM


STUBBORN = """
import os
from treadle import DAG, ProcessJob, Scheduler

def say(*words):
    # in one write, which a print is not where Python is unbuffered: the shell writes into the same pipe
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

class Stubborn(ProcessJob):
    @property
    def cmdline(self):
        # a minute at most, whatever becomes of those who should end it
        loop = "i=0; while [ $i -lt 6000 ]; do i=$((i + 1)); sleep 0.01; done"
        return ["sh", "-c", "trap 'echo TERM' TERM; echo up; " + loop]

dag = DAG()
dag.add_vertex("a")
dag.add_vertex("b", predecessors=["a"])
scheduler = Scheduler(
    Scheduler.simple_provider(Stubborn), lambda job: say("collected", job.uid, job.proc_handle.status)
)
scheduler.grace = 300.0
scheduler.log_state = lambda: say(scheduler.active_jobs[0].proc_handle.pid)
try:
    scheduler.run(dag)
except KeyboardInterrupt:
    say("interrupted")
"""


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    """The program, ended at the latest when its test is: leaving a Popen alone waits for it."""
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, start_new_session=True
    ) as started:
        yield started
        started.kill()


def test_real_interrupts_ask_first_and_kill_then(program: subprocess.Popen[bytes]) -> None:
    assert program.stdout is not None
    output = program.stdout.fileno()
    (pid,) = {read_line(output), read_line(output)} - {"up"}
    program.send_signal(signal.SIGINT)
    assert read_line(output) == "TERM"
    assert is_alive(int(pid))
    program.send_signal(signal.SIGINT)
    assert read_line(output) == "collected a -9"
    assert read_line(output) == "interrupted"
    assert not is_alive(int(pid))
    assert program.wait(DEADLINE) == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a Popen is lost, and says so
class TestSpawn:
    """An interrupt after the fork, before anybody knows the child."""

    @staticmethod
    def interrupted_at(number: int, monkeypatch: pytest.MonkeyPatch, level: str) -> list[int]:
        """Let the start of that number raise when the child is there; return the pids of the children."""
        pids: list[int] = []

        def note(pid: int) -> None:
            pids.append(pid)
            if len(pids) == number:
                raise KeyboardInterrupt

        if level == "posix_spawn":
            real_posix_spawn: Callable[..., int] = os.posix_spawn

            def posix_spawn(*args: Any, **options: Any) -> int:
                pid = real_posix_spawn(*args, **options)
                note(pid)
                return pid

            monkeypatch.setattr(os, "posix_spawn", posix_spawn)
        elif level == "Popen":
            real_popen: Callable[..., Any] = subprocess.Popen

            def popen(*args: Any, **options: Any) -> Any:
                child = real_popen(*args, **options)
                kept.append(child)
                note(child.pid)
                return child

            kept: list[Any] = []
            monkeypatch.setattr(process, "_spawn_here", lambda *_: None)
            monkeypatch.setattr(subprocess, "Popen", popen)
        else:
            real_spawn = process.spawn

            def spawn(*args: Any, **options: Any) -> Any:
                child = real_spawn(*args, **options)
                note(child.pid)
                return child

            monkeypatch.setattr(process, "spawn", spawn)
        return pids

    @pytest.mark.parametrize("level", ["posix_spawn", "Popen", "spawn"])
    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_the_child_is_ended_and_its_job_collected(
        self, number: int, level: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pids = self.interrupted_at(number, monkeypatch, level)
        book = Book(Noted)
        scheduler = Scheduler(book.provide, book.collect, tokens=3)
        with pytest.raises(KeyboardInterrupt):
            scheduler.run(graph(("a",), ("b",), ("c",), ("d", "a")))
        monkeypatch.undo()
        started = list("abc")[:number]
        assert len(pids) == number
        assert not any(is_alive(pid) for pid in pids)
        assert sorted(map(str, book.collected)) == started
        for uid in started:
            job = book.jobs[uid]
            assert (len(job.starts), len(job.ends)) == (1, 1)
            assert (job.interrupted, job.final_status) == (True, ReturnValue.unknown)
        assert scheduler.active_jobs == []

    @pytest.mark.parametrize("level", ["posix_spawn", "Popen", "spawn"])
    def test_so_is_the_second_program_of_a_job(self, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
        pids = self.interrupted_at(2, monkeypatch, level)
        book = Book(Steps)
        with pytest.raises(KeyboardInterrupt):
            Scheduler(book.provide, book.collect).run(graph(("a",)))
        monkeypatch.undo()
        assert len(pids) == 2
        assert not is_alive(pids[1])
        assert book.collected == ["a"]
        assert (book.jobs["a"].interrupted, book.jobs["a"].final_status) == (True, ReturnValue.unknown)

    @pytest.mark.parametrize("level", ["posix_spawn", "Popen"])
    def test_the_child_leaves_no_zombie(self, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
        pids = self.interrupted_at(1, monkeypatch, level)
        book = Book(Sleeper)
        with pytest.raises(KeyboardInterrupt):
            Scheduler(book.provide, book.collect).run(graph(("a",)))
        with pytest.raises(ChildProcessError):
            os.waitpid(pids[0], os.WNOHANG)


class TestThreads:
    """An interrupt while a job is handed to its thread."""

    @pytest.mark.parametrize("handed", [True, False])
    def test_the_job_is_collected_at_once(self, handed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        def run_in_thread(self: Scheduler, job: Job) -> None:
            if handed:
                real(self, job)
            raise KeyboardInterrupt

        real = Scheduler.run_in_thread
        monkeypatch.setattr(Scheduler, "run_in_thread", run_in_thread)
        release = threading.Event()
        book = Book(calling(lambda: release.wait(DEADLINE)))
        scheduler = Scheduler(book.provide, book.collect)
        scheduler.grace = DEADLINE
        seen: list[bool] = []

        def interrupt(job: Job) -> bool:
            seen.append(True)
            release.set()
            return True

        monkeypatch.setattr(CallJob, "interrupt", interrupt)
        with pytest.raises(KeyboardInterrupt):
            scheduler.run(graph(("a",)))
        assert seen
        assert book.collected == ["a"]
        assert book.jobs["a"].final_status == ReturnValue.unknown


class TestEnds:
    def test_one_that_the_runner_has_told_is_not_lost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def poll(self: LocalRunner, timeout: float | None) -> list[AttemptEnd]:
            ends = real(self, timeout)
            if ends and not lost:
                lost.extend(ends)
                raise KeyboardInterrupt
            return ends

        real = LocalRunner.poll
        lost: list[AttemptEnd] = []
        monkeypatch.setattr(LocalRunner, "poll", poll)
        book = Book(lambda uid, data, end: Shell(uid, "exit 0" if uid == "short" else "exec sleep 300", end))
        with pytest.raises(KeyboardInterrupt):
            Scheduler(book.provide, book.collect, tokens=2).run(graph(("short",), ("long",), ("next", "short")))
        assert book.collected == ["short", "long"]
        assert book.jobs["short"].final_status == ReturnValue.success
        assert book.jobs["long"].final_status == ReturnValue.unknown

    def test_one_that_ended_before_is_told_as_it_was(self) -> None:
        def play(runner: ManualRunner) -> None:
            runner.end("a")
            raise KeyboardInterrupt

        book = Book(Fake)
        with pytest.raises(KeyboardInterrupt):
            book.scheduler(ManualRunner(play=play)).run(graph(("a",)))
        assert book.jobs["a"].final_status == ReturnValue.success


ROOMS = (
    *("scheduling.scheduler", "scheduling.job", "scheduling.threads"),
    *("engines.local", "engines.process"),
)
FILES = {import_module(f"treadle.{room}").__file__ for room in ROOMS}

HOOKS = ("on_queued", "on_submitted", "on_start", "on_finish")
CALLBACKS = ("call_hook(self.collect,", *(f"call_hook(job.{hook}," for hook in HOOKS))


class Tracer:
    """Raises KeyboardInterrupt at the lines of these numbers, counted over the rooms of the engine.

    The lines that call a callback do not count: an interrupt there is one inside of the callback for all that the
    scheduler can know, and no callback is called twice.
    """

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers
        self.count = 0

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line" and not calls_back(frame):
            self.count += 1
            if self.count in self.numbers:
                raise KeyboardInterrupt
        return self


def calls_back(frame: FrameType) -> bool:
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    return any(call in line for call in CALLBACKS)


def test_the_lines_that_call_a_callback_are_found() -> None:
    text = "".join("".join(linecache.getlines(str(file))) for file in sorted(map(str, FILES)))
    assert [call for call in CALLBACKS if call not in text] == []


def run_traced(tracer: Tracer) -> tuple[Book, Scheduler, bool]:
    """Run programs, threads, a retry and a skip; return whether an interrupt came through."""

    def make(uid: Any, data: Any, notify_end: Notify) -> Job:
        if uid == "thread":
            return CallJob(uid, data, notify_end, int)
        job = Noted(uid, data, notify_end)
        if uid != "long":
            script = "exit 75" if uid == "again" else "exit 0"
            job.make_attempt = lambda: Attempt(  # type: ignore[method-assign]
                [["true"], ["sh", "-c", script]], mark=process_marks.mark_of(RUN_ID, uid), environ=os.environ
            )
        return job

    book = Book(make, requeue=lambda job: job.uid == "again" and job.attempt < 2)
    scheduler = Scheduler(book.provide, book.collect, tokens=2)
    before = sys.gettrace()
    came = False
    sys.settrace(tracer)
    try:
        scheduler.run(graph(("one",), ("thread",), ("again", "one"), ("last", "again", "thread")))
    except KeyboardInterrupt:
        came = True
    finally:
        sys.settrace(before)
    return book, scheduler, came


LINES = 40


@pytest.mark.parametrize("part", range(LINES))
def test_an_interrupt_at_any_line_loses_nothing(part: int) -> None:
    total = Tracer()
    run_traced(total)
    number = 1 + part * total.count // LINES
    for numbers in ((number,), (number, number + 3)):
        tracer = Tracer(*numbers)
        book, scheduler, came = run_traced(tracer)
        # how many rounds there are, and so how many lines, is for the clock to say
        assert came or tracer.count < number
        assert list(process_marks.marked(f"{RUN_ID}/")) == []
        assert scheduler.active_jobs == []
        for uid, job in book.jobs.items():
            if isinstance(job, Noted):
                assert len(job.starts) <= len(job.ends), uid
                assert book.collected.count(uid) == len(job.ends), uid


PROGRAM = """
import faulthandler, random, signal, sys, threading
from treadle import DAG, Job, ProcessJob, Scheduler
from treadle.scheduling.job import RUN_ID
from treadle.engines.process_marks import marked

assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
chance = random.Random(int(sys.argv[1]))
main = threading.main_thread().ident
faulthandler.dump_traceback_later(90, exit=True)


class Noted(ProcessJob):
    def __init__(self, *args):
        super().__init__(*args)
        self.on_start, self.on_finish = starts.append, ends.append

    @property
    def cmdline(self):
        return ["sh", "-c", "exec sleep 300" if self.uid % 4 == 3 else "true & exit 0"]


class Thread(Job):
    def __init__(self, *args):
        super().__init__(*args)
        self.on_start, self.on_finish = starts.append, ends.append

    def run(self):
        pass


def send(go, moments):
    go.wait()
    for moment in moments:
        threading.Event().wait(moment)
        signal.pthread_kill(main, signal.SIGINT)


def make(uid, data, predecessors, end):
    return (Thread if uid % 5 == 0 else Noted)(uid, data, end)


for number in range(40):
    starts, ends, collected = [], [], []
    dag = DAG()
    for uid in range(20):
        dag.add_vertex(uid)
    scheduler = Scheduler(make, collected.append, tokens=3)
    go = threading.Event()
    killer = threading.Thread(target=send, args=(go, [chance.uniform(0.0, 0.03) for _ in range(chance.choice([1, 1, 2]))]))
    killer.start()
    try:
        go.set()
        scheduler.run(dag)
    except KeyboardInterrupt:
        pass
    else:
        raise SystemExit("no interrupt came")
    try:
        killer.join()
    except KeyboardInterrupt:
        killer.join()
    left = list(marked(RUN_ID + "/"))
    uids = [job.uid for job in collected]
    if left or scheduler.active_jobs or len(starts) > len(ends) or len(ends) != len(uids) or len(set(uids)) != len(uids):
        raise SystemExit(f"run {number}: left {left}, {len(starts)} started, {len(ends)} finished, collected {uids}")
print("done")
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_real_interrupts_at_random_moments_lose_nothing(seed: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(seed)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        start_new_session=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
