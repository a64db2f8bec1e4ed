"""Jobs that are coroutines: one event loop for all of them, with the rules of every other job."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from aio_jobs import turn
from jobs import graph
from treadle import CoroutineJob, Job, ReturnValue, Scheduler
from treadle.scheduling.scheduler import DRAINING, KILLING, STOPPING
from treadle.testing import CallJob, MemoryWalk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from treadle import NotifyEnd

    Work = Callable[["Coro"], Awaitable[Any]]


class Coro(CoroutineJob):
    """Calls what it is told to."""

    work: Work

    async def co_run(self) -> Any:
        return await self.work(self)


class Works:
    """Runs coroutines by uid in a Scheduler, and keeps what becomes of them."""

    def __init__(self, **works: Work) -> None:
        self.works = works
        self.jobs: dict[Hashable, Coro] = {}
        self.ended: list[Hashable] = []
        self.requeue: Callable[[Job], bool] = lambda _: False

    def provide(self, uid: Any, data: Any, _: frozenset[Any], notify_end: NotifyEnd) -> Job:
        job = self.jobs[uid] = Coro(uid, data, notify_end)
        job.work = self.works.get(uid) or self.works["each"]
        return job

    def collect(self, job: Job) -> bool:
        self.ended.append(job.uid)
        return self.requeue(job)

    def scheduler(self, **options: Any) -> Scheduler:
        return Scheduler(self.provide, self.collect, **options)

    def run(self, *edges: tuple[Any, ...], **options: Any) -> Works:
        self.scheduler(**options).run(graph(*edges or [(uid,) for uid in self.works]))
        return self

    def outcomes(self) -> list[ReturnValue]:
        return [job.final_status for job in self.jobs.values()]


async def fine(job: Coro) -> str:
    return f"{job.uid} is fine"


async def endless(_: Coro) -> None:
    await asyncio.Event().wait()


async def deaf(_: Coro) -> None:
    """Hear the second cancellation only: that comes when the loop is closed."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


def test_a_coroutine_runs_and_leaves_its_result() -> None:
    works = Works(each=fine).run(("a",), ("b", "a"))
    assert works.ended == ["a", "b"]
    assert works.jobs["b"].result == "b is fine"
    assert works.outcomes() == [ReturnValue.success] * 2
    assert works.jobs["a"].timing_info.duration > 0


def test_its_status_is_what_it_returns_if_that_is_one() -> None:
    async def unchanged(_: Coro) -> ReturnValue:
        return ReturnValue.unchanged

    assert Works(a=unchanged).run().outcomes() == [ReturnValue.unchanged]


def test_what_it_raises_is_a_failure_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def raises(_: Coro) -> None:
        raise ValueError("no")

    with caplog.at_level(logging.ERROR):
        works = Works(a=raises).run()
    assert works.outcomes() == [ReturnValue.failure]
    assert works.jobs["a"].failure == "ValueError: no"
    assert "in raises" in caplog.text


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_not_even_an_exit_ends_the_loop_of_the_others(error: BaseException) -> None:
    async def leaves(_: Coro) -> None:
        raise error

    works = Works(a=leaves, b=fine).run()
    assert works.outcomes() == [ReturnValue.failure, ReturnValue.success]


def test_one_that_cancels_itself_has_failed() -> None:
    async def gives_up(_: Coro) -> None:
        raise asyncio.CancelledError

    works = Works(a=gives_up).run()
    assert works.jobs["a"].failure == "it was cancelled"


def test_a_class_without_co_run_fails_by_name() -> None:
    scheduler = Scheduler(Scheduler.simple_provider(CoroutineJob))
    failures = []
    scheduler.collect = lambda job: failures.append(job.failure)
    scheduler.run(graph(("a",)))
    assert failures == ["NotImplementedError: CoroutineJob has no co_run()"]


def test_thousands_wait_at_once_in_one_thread() -> None:
    count = 3_000
    waiting, threads = [], set()
    all_there: list[asyncio.Event] = []

    async def waits(job: Coro) -> None:
        if not all_there:
            all_there.append(asyncio.Event())
        waiting.append(job.uid)
        threads.add(threading.current_thread().name)
        if len(waiting) == count:
            all_there[0].set()
        await all_there[0].wait()

    before = threading.active_count()
    works = Works(each=waits).run(*((n,) for n in range(count)), tokens=count)
    assert len(works.ended) == count
    assert threads == {"treadle-coroutines"}
    assert threading.active_count() == before


def test_tokens_limit_how_many_run() -> None:
    running = most = 0
    full: list[asyncio.Event] = []

    async def counted(_: Coro) -> None:
        nonlocal running, most
        if not full:
            full.append(asyncio.Event())
        running += 1
        most = max(most, running)
        if running == 3:
            full[0].set()
        await full[0].wait()
        await turn()
        running -= 1

    Works(each=counted).run(*((n,) for n in range(20)), tokens=3)
    assert most == 3


def test_coroutines_threads_and_programs_run_side_by_side() -> None:
    met = threading.Barrier(2)

    async def meets(_: Coro) -> None:
        await asyncio.get_running_loop().run_in_executor(None, met.wait)

    works = Works(a=meets)

    def provide(uid: Any, data: Any, before: frozenset[Any], notify_end: NotifyEnd) -> Job:
        return (
            CallJob(uid, data, notify_end, met.wait) if uid == "t" else works.provide(uid, data, before, notify_end)
        )

    scheduler = Scheduler(provide, works.collect, tokens=2)
    scheduler.run(graph(("a",), ("t",)))
    assert sorted(map(str, works.ended)) == ["a", "t"]


def test_the_time_limit_cancels_it() -> None:
    works = Works(a=endless, b=fine).run(job_timeout=0.01, tokens=2)
    assert works.jobs["a"].timed_out
    assert works.outcomes() == [ReturnValue.failure, ReturnValue.success]


@pytest.mark.parametrize("stop_mode", [STOPPING, KILLING])
def test_a_stop_cancels_all_that_wait_and_starts_no_more(stop_mode: int) -> None:
    works = Works()
    scheduler = works.scheduler(tokens=2)

    async def stops(_: Coro) -> None:
        scheduler.stop(stop_mode)
        await asyncio.Event().wait()

    works.works = {"a": endless, "b": stops, "c": fine}
    scheduler.run(graph(("a",), ("b",), ("c",)))
    # one that ends before it is given up reports so after the other was
    assert sorted(map(str, works.ended)) == ["a", "b"]
    assert all(job.interrupted and not job.timed_out for job in works.jobs.values() if job.uid != "c")


def test_a_drain_lets_what_runs_end() -> None:
    works = Works()
    scheduler = works.scheduler()

    async def drains(_: Coro) -> None:
        scheduler.stop(DRAINING)
        await turn()

    works.works = {"a": drains, "b": fine}
    scheduler.run(graph(("a",), ("b",)))
    assert works.ended == ["a"]
    assert works.jobs["a"].final_status == ReturnValue.success


def test_one_that_does_not_hear_is_given_up_after_its_grace() -> None:
    works = Works(a=deaf, b=fine)
    scheduler = works.scheduler(job_timeout=0.01, tokens=2)
    scheduler.grace = 0.01
    scheduler.run(graph(("a",), ("b",)))
    assert works.jobs["a"].failure == "it did not end when it was interrupted"
    assert works.jobs["b"].final_status == ReturnValue.success


def test_one_that_is_not_ready_is_queued_again_and_forgets_the_attempt_before() -> None:
    async def second_time(job: Coro) -> ReturnValue | None:
        assert job.result is None
        return ReturnValue.notready if job.attempt == 1 else None

    works = Works(a=second_time)
    works.requeue = lambda job: job.final_status == ReturnValue.notready
    works.run()
    assert works.ended == ["a", "a"]
    assert works.outcomes() == [ReturnValue.success]


def test_an_exception_in_a_callback_cancels_and_collects_all() -> None:
    works = Works(a=fine, b=endless)

    def breaks(job: Job) -> bool:
        works.collect(job)
        if job.uid == "a":
            raise ZeroDivisionError
        return False

    scheduler = Scheduler(works.provide, breaks, tokens=2)
    with pytest.raises(ZeroDivisionError):
        scheduler.run(graph(("a",), ("b",)))
    assert works.ended == ["a", "b"]
    assert works.jobs["b"].interrupted


@pytest.mark.parametrize("after_the_start", [False, True])
def test_an_interrupt_at_the_start_of_one_loses_none(after_the_start: bool) -> None:
    works = Works(a=endless, b=endless)

    class Interrupted(Scheduler):
        def run_coroutine(self, job: CoroutineJob) -> None:
            if job.uid == "b" and not after_the_start:
                raise KeyboardInterrupt
            super().run_coroutine(job)
            if job.uid == "b":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Interrupted(works.provide, works.collect, tokens=2).run(graph(("a",), ("b",)))
    assert sorted(map(str, works.ended)) == ["a", "b"]
    assert works.outcomes() == [ReturnValue.unknown] * 2


def test_a_scheduler_can_run_again_with_a_loop_of_its_own() -> None:
    works = Works(a=fine)
    scheduler = works.scheduler()
    for _ in range(2):
        scheduler.run(graph(("a",)))
    assert works.ended == ["a", "a"]


def test_it_can_be_started_by_hand() -> None:
    ended = threading.Event()
    job = Coro("a", None, lambda _: ended.set())
    job.work = fine
    job.start(0)
    assert ended.wait(10)
    assert job.result == "a is fine"


def test_one_that_overrides_run_gets_a_thread() -> None:
    class Blocking(CoroutineJob):
        def run(self) -> None:
            self.result = threading.current_thread().name

    found = []
    scheduler = Scheduler(Scheduler.simple_provider(Blocking), lambda job: found.append(job.result))
    scheduler.run(graph(("a",)))
    assert found == ["treadle-job"]


class Kept(MemoryWalk):
    """A walk of coroutines that keeps fingerprints."""

    failing = False

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        return f"{uid}={data}"

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
        job = Coro(uid, data, notify_end)
        job.work = self.work
        return job

    async def work(self, job: Coro) -> None:
        if self.failing and job.uid == "a":
            raise ValueError("no")


def test_an_action_that_is_a_coroutine_is_skipped_when_nothing_changed() -> None:
    actions, records = graph(("a",), ("b", "a")), {}  # type: ignore[var-annotated]
    statuses = [[action.status for action in Kept(actions, records).run().actions.values()] for _ in range(2)]
    assert statuses == [[ReturnValue.success] * 2, [ReturnValue.skip] * 2]


def test_a_failed_coroutine_blocks_what_comes_after_and_is_reported() -> None:
    walk = Kept(graph(("a",), ("b", "a")))
    walk.failing = True
    report = walk.run()
    assert [action.status for action in report.actions.values()] == [ReturnValue.failure, ReturnValue.force_fail]
    assert report.actions["a"].failure == "ValueError: no"
    assert report.actions["b"].origins == {"a"}


def test_a_run_without_coroutines_does_not_load_asyncio() -> None:
    program = (
        "import sys; from treadle import Walk, DAG; from treadle.testing import CallJob\n"
        "class W(Walk):\n"
        "    def create_job(self, uid, data, predecessors, notify_end):\n"
        "        return CallJob(uid, data, notify_end, int)\n"
        "dag = DAG(); dag.add_vertex('a'); assert W(dag).run().ok\n"
        "assert 'asyncio' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_walk_can_be_awaited() -> None:
    async def main() -> bool:
        reports = await asyncio.gather(Kept(graph(("a",))).co_run(), Kept(graph(("b",))).co_run())
        return all(report.ok for report in reports)

    assert asyncio.run(main())


def test_a_scheduler_can_be_awaited_and_raises_what_it_raises() -> None:
    works = Works(a=fine)

    def breaks(_: Job) -> bool:
        raise ZeroDivisionError

    asyncio.run(works.scheduler().co_run(graph(("a",))))
    assert works.ended == ["a"]
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Scheduler(works.provide, breaks).co_run(graph(("a",))))


def test_whoever_cancels_an_awaited_walk_stops_it_and_waits_for_it() -> None:
    started: list[Callable[[], object]] = []

    class Endless(Kept):
        async def work(self, job: Coro) -> None:
            started[0]()
            await asyncio.Event().wait()

    walk = Endless(graph(("a",)))

    async def main() -> None:
        loop, is_started = asyncio.get_running_loop(), asyncio.Event()
        started.append(lambda: loop.call_soon_threadsafe(is_started.set))
        run = asyncio.ensure_future(walk.co_run())
        await is_started.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    assert walk.reports["a"].interrupted
    assert walk.report().interrupted
