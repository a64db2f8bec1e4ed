"""A run within a run: hooks and jobs of a walk run or await another one, and two runs do not hold up each other."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from aio_jobs import turn
from jobs import Book, Shell, graph
from treadle import DAG, Command, CommandWalk, CoroutineJob, Job, ReturnValue, Scheduler, UsageError, Walk
from treadle.testing import CallJob, MemoryWalk
from waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobs import Notify
    from treadle.core.outcomes import Report


class Awaits(CoroutineJob):
    """Lets others have a turn."""

    async def co_run(self) -> None:
        await turn()


class Inner(MemoryWalk):
    """A walk with a job of each kind: a thread, a coroutine, a program."""

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        return "as always"

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        if uid == "thread":
            return CallJob(uid, data, notify_end, lambda: None)
        return Awaits(uid, data, notify_end) if uid == "coroutine" else Shell(uid, "true", notify_end)


def inner() -> Inner:
    """Return a walk that has not run."""
    return Inner(graph(("thread",), ("coroutine",), ("program", "coroutine")))


def in_a_thread() -> Report:
    """Run a walk in a thread and wait for it."""
    found: list[Report] = []
    thread = threading.Thread(target=lambda: found.append(inner().run()), daemon=True)
    thread.start()
    thread.join()
    return found[0]


WAYS: dict[str, Callable[[], Any]] = {
    "run": lambda: inner().run(),
    "co_run": lambda: asyncio.run(inner().co_run()),
    "run in a thread": in_a_thread,
}

HOOKS = [
    *("load_previous_fingerprint", "compute_fingerprint", "should_execute_action", "demands", "decide"),
    *("create_job", "about_to_start", "save_fingerprint", "inputs_moved", "request_requeue", "get_job", "collect"),
    *("set_scheduling_params", "create_scheduler", "create_skipped_job"),
]


class Outer(MemoryWalk):
    """Fails, is not ready and goes well, so that each hook has its turn."""

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        return "as always"

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        answers = {"fails": ReturnValue.failure, "unready": ReturnValue.notready}
        return CallJob(uid, data, notify_end, lambda: answers.get(uid))


OUTER = graph(("fails",), ("blocked", "fails"), ("unready",), ("well",))


def promptly(function: Callable[[], Any]) -> Any:
    """Return what a function returns, in a thread that may hang without holding up the tests."""
    outcome: list[Any] = []
    thread = threading.Thread(target=lambda: outcome.append(function()), daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert outcome, "it hangs"
    return outcome[0]


def ends(scheduler: Scheduler, dag: DAG) -> bool:
    """Run a scheduler, and return that it has ended."""

    def run() -> bool:
        scheduler.run(dag)
        return True

    return bool(promptly(run))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_may_run_another_walk(hook: str, way: str) -> None:
    reports: list[Report] = []

    def hooked(self: Walk, *arguments: Any, **options: Any) -> Any:
        if not reports:
            reports.append(WAYS[way]())
        return getattr(super(nesting, self), hook)(*arguments, **options)

    nesting = type("Nesting", (Outer,), {hook: hooked})
    report = promptly(nesting(OUTER).run)
    assert reports[0].ok
    assert [action.status.name for action in report.actions.values()] == [
        *("failure", "force_fail", "notready", "success")
    ]


@pytest.mark.parametrize("way", WAYS)
def test_a_job_in_a_thread_may_run_another_walk(way: str) -> None:
    book = Book(lambda uid, data, notify_end: CallJob(uid, data, notify_end, WAYS[way]))
    assert ends(Scheduler(book.provide, book.collect), graph(("a",)))
    assert book.jobs["a"].returned.ok


def test_a_coroutine_job_may_await_another_walk() -> None:
    class Nesting(CoroutineJob):
        async def co_run(self) -> Report:
            return await inner().co_run()

    book = Book(Nesting)
    assert ends(Scheduler(book.provide, book.collect, tokens=3), graph(("a",), ("b",), ("c",)))
    assert all(job.result.ok for job in book.jobs.values())


def test_two_walks_at_once_may_wait_for_each_other_in_their_hooks() -> None:
    meeting = threading.Barrier(2, timeout=DEADLINE)

    class Meeting(Outer):
        def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
            if is_prediction:
                meeting.wait()
            return "as always"

    walks = [Meeting(graph(("a",), ("b",))) for _ in range(2)]
    reports: list[Report] = []
    threads = [threading.Thread(target=lambda walk=walk: reports.append(walk.run()), daemon=True) for walk in walks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert [report.ok for report in reports] == [True, True]


def test_jobs_are_made_while_the_hook_of_another_walk_runs() -> None:
    made: list[Job] = []

    def collect(job: Job) -> None:
        thread = threading.Thread(target=lambda: made.append(Job("x", None, lambda _: None)), daemon=True)
        thread.start()
        thread.join(DEADLINE)

    Scheduler(Book(Awaits).provide, collect).run(graph(("a",)))
    assert len(made) == 1


class TestLock:
    """What `lock` of a job is for: its `run` and the callbacks of its scheduler may share data."""

    def test_it_keeps_a_run_and_the_callbacks_of_its_scheduler_apart(self) -> None:
        is_held = threading.Event()
        order: list[str] = []

        class Sharing(Job):
            def run(self) -> None:
                if self.uid != "holds":
                    assert is_held.wait(DEADLINE)
                    return
                with self.lock:
                    is_held.set()
                    # the other one ends now, and is not collected before this is done
                    other_ended.wait(DEADLINE)
                    order.append("released")

        other_ended = threading.Event()

        class Telling(Sharing):
            def record_stop_time(self) -> None:
                super().record_stop_time()
                if self.uid == "ends":
                    other_ended.set()

        scheduler = Scheduler(
            Scheduler.simple_provider(Telling), lambda job: order.append(f"collects {job.uid}"), tokens=2
        )
        assert ends(scheduler, graph(("holds",), ("ends",)))
        assert order[0] == "released"
        assert set(order[1:]) == {"collects holds", "collects ends"}

    def test_two_schedulers_have_two(self) -> None:
        first, second = Book(Awaits), Book(Awaits)
        for book in (first, second):
            Scheduler(book.provide, book.collect).run(graph(("a",), ("b",)))
        assert first.jobs["a"].lock is first.jobs["b"].lock
        assert first.jobs["a"].lock is not second.jobs["a"].lock

    def test_a_job_class_may_have_one_of_its_own(self) -> None:
        class Own(Awaits):
            lock = threading.RLock()

        book = Book(Own)
        Scheduler(book.provide, book.collect).run(graph(("a",)))
        assert book.jobs["a"].lock is Own.lock

    def test_a_job_that_no_scheduler_runs_has_one_too(self) -> None:
        with Awaits("a", None, lambda _: None).lock, Job.lock:
            pass


class OnOneRoot(CommandWalk):
    """Runs another walk on its own root in one of its hooks."""

    hook = ""

    def inner(self) -> None:
        dag = DAG()
        dag.add_vertex("inner", Command(["true"]))
        CommandWalk(dag, self.root).run()


@pytest.mark.parametrize("hook", ["compute_fingerprint", "create_job", "about_to_start", "collect", "get_job"])
def test_a_hook_that_runs_a_walk_on_the_same_root_is_refused(tmp_path: Path, hook: str) -> None:
    refusals: list[str] = []

    def hooked(self: OnOneRoot, *arguments: Any, **options: Any) -> Any:
        try:
            self.inner()
        except UsageError as error:
            refusals.append(str(error))
        return getattr(CommandWalk, hook)(self, *arguments, **options)

    dag = DAG()
    dag.add_vertex("outer", Command(["true"], outputs=[]))
    walk = type("Hooked", (OnOneRoot,), {hook: hooked})(dag, str(tmp_path))
    assert promptly(walk.run).ok
    assert refusals
    assert all("by a hook of a run in the same root" in text for text in refusals)
    assert CommandWalk(dag, str(tmp_path)).run().ok


def through_a_walk(run: Callable[[], None]) -> Report:
    """Call a function in a job of another walk, which has no root."""

    class Between(Inner):
        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
            return CallJob(uid, data, notify_end, run)

    return Between(graph(("between",))).run()


async def awaiting(walk: OnOneRoot) -> None:
    dag = DAG()
    dag.add_vertex("inner", Command(["true"]))
    await CommandWalk(dag, walk.root).co_run()


class AwaitsInner(CoroutineJob):
    """Awaits a walk on the root of its own."""

    def __init__(self, uid: Any, data: Any, notify_end: Notify, walk: OnOneRoot, refusals: list[str]) -> None:
        super().__init__(uid, data, notify_end)
        self.walk, self.refusals = walk, refusals

    async def co_run(self) -> None:
        try:
            await awaiting(self.walk)
        except UsageError as error:
            self.refusals.append(str(error))


@pytest.mark.parametrize("way", ["in the job", "in a job of a walk in the job", "awaited"])
def test_a_job_that_runs_a_walk_on_the_same_root_is_refused(tmp_path: Path, way: str) -> None:
    refusals: list[str] = []

    class Jobs(OnOneRoot):
        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Any:
            def run() -> None:
                try:
                    self.inner()
                except UsageError as error:
                    refusals.append(str(error))

            if way == "awaited":
                return AwaitsInner(uid, data, notify_end, self, refusals)
            work = run if way == "in the job" else lambda: through_a_walk(run)
            return CallJob(uid, data, notify_end, work)

    dag = DAG()
    dag.add_vertex("outer", Command(["true"], outputs=[]))
    promptly(Jobs(dag, str(tmp_path)).run)
    assert len(refusals) == 1
    assert "by a job of a run in the same root" in refusals[0]
    assert CommandWalk(dag, str(tmp_path)).run().ok


def test_a_walk_of_another_thread_on_the_same_root_waits(tmp_path: Path) -> None:
    dag = DAG()
    dag.add_vertex("a", Command(["sh", "-c", "sleep 0.1"]))
    ends = [threading.Event(), threading.Event()]

    def run(end: threading.Event) -> None:
        if CommandWalk(dag, str(tmp_path)).run().ok:
            end.set()

    for end in ends:
        threading.Thread(target=run, args=(end,), daemon=True).start()
    assert all(end.wait(DEADLINE) for end in ends)
