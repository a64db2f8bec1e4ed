"""Shortage: what cannot start for lack of a resource waits for an end of what runs, and starts then, once."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from jobs import Book, graph
from treadle import DAG, CommandWalk, Job, ReturnValue, Scheduler
from treadle.command.command import Command, Script
from treadle.command.walk import Settings
from treadle.content.fingerprint import Fingerprint
from treadle.core import decision
from treadle.engines import process_marks
from treadle.engines.base import Attempt
from treadle.engines.local import LocalRunner, OpenFiles
from treadle.errors import PATIENCE, TreadleError, is_shortage
from treadle.scheduling.scheduler import DRAINING, STOPPING
from treadle.testing import CallJob, ManualRunner, MemoryWalk
from waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treadle.engines.process import Process
    from treadle.testing import FakeProcess

KINDS = [errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE]
OF_EACH_KIND = pytest.mark.parametrize("kind", KINDS, ids=[errno.errorcode[kind] for kind in KINDS])


class Scarce(Attempt):
    """An Attempt that meets a shortage the first times."""

    def __init__(self, script: str, times: int, kind: int, at_step: int = 0) -> None:
        argvs = [["sh", "-c", "exit 0"]] * at_step + [["sh", "-c", script]]
        super().__init__(argvs, mark=f"test-shortage-{os.getpid()}/one", environ=os.environ)
        self.times = times
        self.kind = kind
        self.at_step = at_step


@pytest.fixture(autouse=True)
def _what_is_scarce_meets_a_shortage(monkeypatch: pytest.MonkeyPatch) -> None:
    real = OpenFiles.spawn

    def spawn(self: OpenFiles, number: int = 0) -> Process:
        attempt = self._attempt
        if isinstance(attempt, Scarce) and number == attempt.at_step and attempt.times:
            attempt.times -= 1
            raise OSError(attempt.kind, os.strerror(attempt.kind))
        return real(self, number)

    monkeypatch.setattr(OpenFiles, "spawn", spawn)


class ScarceRunner(ManualRunner):
    """A runner that meets a shortage at its first calls, or whenever more than so many run."""

    def __init__(self, times: int = 0, most: int = 100, kind: int = errno.EAGAIN) -> None:
        super().__init__()
        self.times = times
        self.most = most
        self.kind = kind
        self.refused = 0

    def start(self, key: object, start: Attempt) -> FakeProcess | None:
        if self.times or len(self.running) >= self.most:
            self.times = max(0, self.times - 1)
            self.refused += 1
            raise OSError(self.kind, os.strerror(self.kind))
        return super().start(key, start)


@OF_EACH_KIND
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_waits_for_a_resource_can_be_ended_though_no_look_at_processes_is_possible(
    how: str, kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    real = process_marks.marked

    def marked(mark: str, but: tuple[str, ...] = (), beside: str = "") -> Iterator[int]:
        looks.append(1)
        if len(looks) < 3:
            raise OSError(kind, os.strerror(kind))
        return real(mark, but, beside)

    monkeypatch.setattr(process_marks, "marked", marked)
    runner = LocalRunner(grace=60)
    runner.start("other", Attempt([["sleep", "60"]], mark=f"test-shortage-{os.getpid()}/two", environ=os.environ))
    runner.start("scarce", Scarce("exit 0", 1000, kind))
    getattr(runner, how)("scarce")
    assert [end.key for end in runner.poll(DEADLINE)] == ["scarce"]
    runner.kill("other")
    while runner.active:
        runner.poll(DEADLINE)
    runner.close()
    assert len(looks) >= 3


@OF_EACH_KIND
class TestRunner:
    @pytest.mark.parametrize("step", [0, 1])
    def test_a_program_starts_after_a_pause_if_nothing_else_runs(self, kind: int, step: int) -> None:
        runner = LocalRunner()
        runner.start("key", Scarce("exit 7", 3, kind, step))
        (ended,) = runner.poll(20)
        assert (ended.key, ended.code) == ("key", 7)
        runner.close()

    @pytest.mark.parametrize("step", [0, 1])
    def test_it_starts_when_another_one_has_ended(self, kind: int, step: int, tmp_path: Path) -> None:
        runner = LocalRunner()
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        runner.start("first", Scarce(f"read x <{fifo}", 0, kind))
        scarce = Scarce("exit 7", 10**9, kind, step)
        runner.start("second", scarce)
        assert runner.poll(0.2) == []
        assert runner.active == 2
        scarce.times = 0
        fifo.write_text("go\n")
        codes: dict[object, int | None] = {}
        while runner.active:
            codes |= {ended.key: ended.code for ended in runner.poll(20)}
        assert codes == {"first": 0, "second": 7}
        assert runner.has_room
        runner.close()

    def test_it_fails_in_words_if_nothing_runs_and_it_does_not_end(self, kind: int) -> None:
        runner = LocalRunner()
        runner.start("key", Scarce("exit 7", 10**9, kind))
        (ended,) = runner.poll(60)
        assert ended.code is None
        assert ended.error == f"sh: {os.strerror(kind)}"
        runner.close()

    def test_what_waits_can_be_stopped(self, kind: int) -> None:
        runner = LocalRunner()
        runner.start("key", Scarce("exit 7", 10**9, kind))
        runner.stop("key")
        (ended,) = runner.poll(20)
        assert ended.code is not None
        assert ended.code < 0
        runner.close()


@OF_EACH_KIND
class TestScheduler:
    def test_a_refused_start_is_the_same_attempt(self, kind: int) -> None:
        book = Book()
        scheduler = book.scheduler(tokens=4)
        runner = scheduler.runner = ScarceRunner(2, kind=kind)
        batches: list[list[Any]] = []
        scheduler.before_start = lambda jobs: batches.append([job.uid for job in jobs])
        scheduler.run(graph(("a",), ("b",), ("c",)))
        assert runner.refused == 2
        assert batches == [["a", "b", "c"]]
        assert sorted(map(str, book.collected)) == ["a", "b", "c"]
        assert {job.attempt for job in book.jobs.values()} == {1}
        assert {job.final_status for job in book.jobs.values()} == {ReturnValue.success}

    def test_many_wait_for_those_that_run(self, kind: int) -> None:
        book = Book()
        scheduler = book.scheduler(tokens=50)
        scheduler.runner = ScarceRunner(most=3, kind=kind)
        scheduler.run(graph(*((f"n{n}",) for n in range(50))))
        assert book.collected == [f"n{n}" for n in range(50)]
        assert scheduler.max_active_jobs == 3

    def test_what_never_starts_fails_and_the_rest_goes_on(self, kind: int) -> None:
        book = Book()
        scheduler = book.scheduler(tokens=50)
        scheduler.runner = ScarceRunner(PATIENCE, kind=kind)
        scheduler.run(graph(("a",), ("b",)))
        assert book.jobs["a"].failure == f"[Errno {kind}] {os.strerror(kind)}"
        assert book.jobs["b"].final_status == ReturnValue.success

    @pytest.mark.parametrize("stop_mode", [DRAINING, STOPPING])
    def test_what_has_begun_is_seen_to_after_a_stop(self, kind: int, stop_mode: int) -> None:
        book = Book()
        scheduler = book.scheduler(tokens=50)
        runner = scheduler.runner = ScarceRunner(most=1, kind=kind)
        runner.play = lambda _: scheduler.stop(stop_mode) if not scheduler.stop_mode else runner.end_oldest()
        runner.stop = runner.end  # type: ignore[method-assign,assignment]
        scheduler.run(graph(("a",), ("b",), ("c",)))
        assert set(book.collected) == {"a", "b"}
        assert book.jobs["b"].interrupted == (stop_mode == STOPPING)

    def test_a_question_that_meets_one_is_asked_again(self, kind: int) -> None:
        class Asking(MemoryWalk):
            asked: ClassVar[Counter[str]] = Counter()
            is_short = True

            def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint:
                self.asked[uid] += 1
                if uid == "b" and self.is_short:
                    error = OSError(kind, os.strerror(kind))
                    raise TreadleError("x cannot be read") from error
                return Fingerprint()

            def set_scheduling_params(self) -> None:
                self.tokens = 5

            def create_job(self, uid: Any, data: Any, predecessors: Any, notify_end: Any) -> Job:
                return CallJob(uid, data, notify_end, self.end)

            def end(self) -> None:
                self.is_short = False

        walk = Asking(graph(("a",), ("b",), ("c",)))
        assert walk.run().ok
        assert walk.asked["b"] > 2


class TestThreads:
    """A stack size that no system has makes the start of a thread fail."""

    def test_a_job_waits_for_a_thread_that_is_there(self) -> None:
        def first() -> None:
            started.set()
            go_on.wait(20)

        started, go_on = threading.Event(), threading.Event()
        ran: list[str] = []

        def provider(uid: Any, data: Any, predecessors: Any, notify_end: Any) -> Job:
            if uid == "a":
                return CallJob(uid, data, notify_end, first)
            return CallJob(uid, data, notify_end, lambda: ran.append(uid))

        def shorten() -> None:
            if started.is_set():
                return
            started.wait(20)
            threading.stack_size(1 << 46)
            go_on.set()

        scheduler = Scheduler(provider, tokens=5)
        scheduler.log_state = shorten  # type: ignore[method-assign]
        try:
            scheduler.run(graph(("a",), ("b", "a"), ("c", "a")))
        finally:
            threading.stack_size(0)
        assert sorted(ran) == ["b", "c"]

    def test_it_fails_in_words_if_there_is_none(self) -> None:
        made: list[Job] = []

        def provider(uid: Any, data: Any, predecessors: Any, notify_end: Any) -> Job:
            made.append(CallJob(uid, data, notify_end, lambda: None))
            return made[-1]

        threading.stack_size(1 << 46)
        try:
            Scheduler(provider, tokens=5).run(graph(("a",)))
        finally:
            threading.stack_size(0)
        assert made[0].failure is not None
        assert "no thread can be started" in made[0].failure


def test_a_command_is_told_of_and_recorded_once(tmp_path: Path) -> None:
    class Told(CommandWalk):
        def create_scheduler(self) -> Any:
            scheduler = super().create_scheduler()
            scheduler.runner = ScarceLocal(scheduler)
            return scheduler

    class ScarceLocal(LocalRunner):
        def __init__(self, scheduler: Scheduler) -> None:
            super().__init__()
            self.refused = 0

        def start(self, key: object, start: Attempt) -> Process | None:
            if self.refused < 3:
                self.refused += 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return super().start(key, start)

    from treadle.command.observer import Observer

    class Heard(Observer):
        started_uids: ClassVar[list[str]] = []

        def started(self, job: Any) -> None:
            self.started_uids.append(job.uid)

    actions = DAG()
    for name in ("a", "b"):
        actions.add_vertex(name, Command(script=Script(f"echo {name} > {name}"), outputs=[name]))
    heard = Heard()
    report = Told(actions, str(tmp_path), Settings(jobs=4), heard).run()
    assert report.ok
    assert sorted(heard.started_uids) == ["a", "b"]
    assert {action.attempt for action in report.actions.values()} == {1}
    verdicts = CommandWalk(actions, str(tmp_path)).look()
    assert {verdict.decision for verdict in verdicts.values()} == {decision.SKIP}


@pytest.mark.parametrize(
    ("error", "short"),
    [
        *((OSError(kind, "x"), True) for kind in KINDS),
        (OSError(errno.ENOENT, "x"), False),
        (OSError("x"), False),
        (TreadleError("x"), False),
        (RuntimeError("x"), False),
        (None, False),
    ],
)
def test_only_what_may_be_there_later_is_a_shortage(error: BaseException | None, short: bool) -> None:
    assert is_shortage(error) == short
    outer = TreadleError("y")
    outer.__cause__ = error
    assert is_shortage(outer) == short


def limited(descriptors: int, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with so few descriptors."""
    before = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors}, {descriptors}))\n"
    return subprocess.run(
        [sys.executable, "-c", before + code], cwd=folder, capture_output=True, text=True, timeout=120
    )


AIO = """
from treadle.aio import ProcessJob, Scheduler
from treadle import Command, Script
jobs = [ProcessJob(Command(script=Script("sleep 0.05; echo x"), stdout=f"o{n}")) for n in range(100)]
print(Scheduler(*jobs).run())
"""
WALK = """
from treadle import DAG, ProcessJob, Walk
class Mine(Walk):
    def set_scheduling_params(self):
        self.tokens = 1000
    def create_job(self, uid, data, predecessors, notify_end):
        return Writer(uid, data, notify_end)
class Writer(ProcessJob):
    cmdline = ["sh", "-c", "sleep 0.05; echo x"]
    @property
    def cmd_options(self):
        return {"output": self.uid}
actions = DAG()
for n in range(100):
    actions.add_vertex(f"o{n}", None)
print(Mine(actions).run().ok)
"""


@pytest.mark.parametrize("descriptors", [24, 48, 100])
@pytest.mark.parametrize("code", [AIO, WALK], ids=["aio", "walk"])
def test_few_descriptors_slow_a_program_down_and_nothing_fails(code: str, descriptors: int, tmp_path: Path) -> None:
    done = limited(descriptors, code, tmp_path)
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert sorted(os.listdir(tmp_path)) == sorted(f"o{n}" for n in range(100))
