"""Scheduler: how jobs end: by themselves, by their time limit, by a hook that raises, or because they are told to."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import pytest

from jobs import Book, Fake, Notify, Shell, Sleeper, calling, graph, nothing
from treadle import Job, ProcessJob, ReturnValue, Scheduler
from treadle.errors import TreadleError
from treadle.scheduling.scheduler import DRAINING, KILLING, STOPPING
from treadle.testing import CallJob, FakeClock, ManualRunner
from waiting import DEADLINE, is_alive, until


class BoomError(Exception):
    """What a hook raises."""


class TestTimeLimits:
    @staticmethod
    def run(limits: dict[str, float | None], job_timeout: float | None, tick: float) -> tuple[Book, ManualRunner]:
        class Limited(Fake):
            def __init__(self, uid: Any, data: Any, notify_end: Notify) -> None:
                super().__init__(uid, data, notify_end)
                if uid in limits:
                    self.timeout = limits[uid]

        def play(runner: ManualRunner) -> None:
            for key in list(runner.running):
                if key in runner.stopped:
                    assert isinstance(key, Fake)
                    stopped_at[key.uid] = runner.clock.now
                    runner.end(key, -15)
            if runner.clock.now >= 100 * tick:
                runner.end_oldest()

        stopped_at: dict[Hashable, float] = {}
        book = Book(Limited)
        runner = ManualRunner(play=play)
        scheduler = book.scheduler(runner, tokens=9, job_timeout=job_timeout)
        scheduler.tick = tick
        scheduler.run(graph(*((uid,) for uid in ("a", "b", "c"))))
        book.stopped_at = stopped_at  # type: ignore[attr-defined]
        return book, runner

    def test_each_running_job_has_its_own_clock(self) -> None:
        book, _ = self.run({"b": 5.0, "c": 20.0}, job_timeout=10.0, tick=1.0)
        assert book.stopped_at == {"b": 5.0, "a": 10.0, "c": 20.0}  # type: ignore[attr-defined]
        assert {job.final_status for job in book.jobs.values()} == {ReturnValue.failure}
        assert {job.timed_out for job in book.jobs.values()} == {True}

    def test_none_is_no_limit(self) -> None:
        book, runner = self.run({"b": None}, job_timeout=None, tick=1e5)
        assert runner.stopped == []
        assert {job.final_status for job in book.jobs.values()} == {ReturnValue.success}

    def test_a_job_may_have_none_where_others_have_one(self) -> None:
        book, _ = self.run({"b": None, "c": float("inf")}, job_timeout=10.0, tick=1.0)
        assert book.stopped_at == {"a": 10.0}  # type: ignore[attr-defined]
        assert book.jobs["b"].final_status == book.jobs["c"].final_status == ReturnValue.success

    def test_a_limit_counts_from_the_start_and_not_from_the_wait_in_the_queue(self) -> None:
        def play(runner: ManualRunner) -> None:
            runner.clock.advance(8.0)
            runner.end_oldest()

        book = Book()
        book.scheduler(ManualRunner(play=play), job_timeout=10.0).run(graph(*((n,) for n in range(5))))
        assert {job.final_status for job in book.jobs.values()} == {ReturnValue.success}

    def test_a_program_that_is_ended_by_its_limit_is_a_failure_though_it_says_success(self) -> None:
        def play(runner: ManualRunner) -> None:
            if runner.stopped:
                runner.end("a", 0)

        book = Book()
        book.scheduler(ManualRunner(play=play), job_timeout=1.0).run(graph(("a",)))
        assert book.jobs["a"].final_status == ReturnValue.failure

    @pytest.mark.parametrize("grace", [0.0, 7.0])
    def test_a_program_that_outlasts_its_grace_is_killed(self, grace: float) -> None:
        book = Book()
        runner = ManualRunner(play=lambda runner: None)
        scheduler = book.scheduler(runner, job_timeout=1.0)
        scheduler.grace = grace
        scheduler.run(graph(("a",)))
        assert runner.stopped == runner.killed == [book.jobs["a"]]
        assert runner.clock.now == 1.0 + grace
        assert runner.grace == grace

    def test_real_programs_are_ended_with_all_that_they_started(self, tmp_path: Path) -> None:
        class Stubborn(ProcessJob):
            timeout = 100.0

            @property
            def cmdline(self) -> list[str]:
                script = tmp_path / f"{self.uid}.sh"
                script.write_text(f"trap '' TERM; echo $$ >>{tmp_path}/pids; while :; do sleep 9; done")
                return ["sh", "-c", f"setsid sh {script} & exec sh {script}"]

        def pids() -> list[int]:
            path = tmp_path / "pids"
            return [int(line) for line in path.read_text().split()] if path.exists() else []

        book = Book(Stubborn)
        scheduler = Scheduler(book.provide, book.collect, tokens=2)
        scheduler.clock = clock = FakeClock()
        scheduler.grace, scheduler.tick = 0.1, 0.01
        scheduler.log_state = lambda: clock.advance(1000.0) if len(pids()) == 4 else None  # type: ignore[method-assign]
        scheduler.run(graph(("a",), ("b",)))
        until(lambda: not any(is_alive(pid) for pid in pids()), "the trees are gone")
        assert {(job.timed_out, job.final_status) for job in book.jobs.values()} == {(True, ReturnValue.failure)}
        assert {job.proc_handle.status for job in book.jobs.values()} == {-9}


class TestThreads:
    def test_threads_are_used_again(self) -> None:
        seen: set[int] = set()
        book = Book(calling(lambda: seen.add(threading.get_ident())))
        Scheduler(book.provide, book.collect).run(graph(*((n,) for n in range(50))))
        assert len(book.collected) == 50
        assert len(seen) <= 2

    def test_they_run_side_by_side_with_programs(self) -> None:
        barrier = threading.Barrier(3, timeout=DEADLINE)

        def provide(uid: Hashable, data: Any, predecessors: frozenset[Hashable], end: Notify) -> Job:
            if uid == "program":
                return Shell(uid, "exit 0", end)
            return CallJob(uid, data, end, barrier.wait)

        statuses: dict[Hashable, ReturnValue] = {}
        scheduler = Scheduler(provide, lambda job: statuses.update({job.uid: job.final_status}), tokens=4)
        scheduler.run(graph(("one",), ("two",), ("three",), ("program",)))
        assert set(statuses.values()) == {ReturnValue.success}
        assert len(statuses) == 4

    def test_a_crash_is_a_failure_and_the_run_goes_on(self, caplog: pytest.LogCaptureFixture) -> None:
        def crash() -> None:
            raise ValueError("no")

        book = Book(lambda uid, data, end: CallJob(uid, data, end, crash if uid == "a" else nothing))
        Scheduler(book.provide, book.collect).run(graph(("a",), ("b", "a")))
        assert book.collected == ["a", "b"]
        assert (book.jobs["a"].final_status, book.jobs["a"].failure) == (ReturnValue.failure, "ValueError: no")
        assert "Traceback" in caplog.text

    def test_one_that_ignores_its_interruption_is_given_up_after_the_grace(self) -> None:
        release, late = threading.Event(), threading.Event()

        def stubborn() -> None:
            release.wait(DEADLINE)
            late.set()

        def after() -> None:
            release.set()
            late.wait(DEADLINE)

        def provide(uid: Hashable, data: Any, end: Notify) -> Job:
            job = CallJob(uid, data, end, stubborn if uid == "a" else after)
            job.timeout = 0.01 if uid == "a" else None
            return job

        book = Book(provide, requeue=lambda job: job.uid == "a")
        scheduler = Scheduler(book.provide, book.collect)
        scheduler.grace = 0.01
        scheduler.run(graph(("a",), ("b", "a"), ("c", "b")))
        assert book.collected == ["a", "b", "c"]
        stuck = book.jobs["a"]
        assert (stuck.final_status, stuck.attempt) == (ReturnValue.failure, 1)
        assert stuck.failure == "it did not end when it was interrupted"
        assert late.is_set()

    def test_one_that_looks_at_interrupted_ends_in_its_grace(self) -> None:
        class Polite(Job):
            def run(self) -> None:
                until(lambda: self.interrupted, "interrupted")

        book = Book(Polite)
        scheduler = Scheduler(book.provide, book.collect, job_timeout=0.01)
        scheduler.run(graph(("a",)))
        job = book.jobs["a"]
        assert (job.final_status, job.timed_out, job.failure) == (ReturnValue.failure, True, None)

    def test_an_overridden_run_of_a_program_is_ended_with_its_process(self) -> None:
        class Twice(Shell):
            def run(self) -> None:
                super().run()

        jobs: list[Twice] = []

        def provide(uid: Hashable, data: Any, predecessors: frozenset[Hashable], end: Notify) -> Job:
            jobs.append(Twice(uid, "sleep 300", end))
            return jobs[0]

        scheduler = Scheduler(provide, job_timeout=0.05)
        scheduler.run(graph(("a",)))
        assert jobs[0].final_status == ReturnValue.failure
        assert jobs[0].proc_handle is not None
        assert jobs[0].proc_handle.status == -9


class TestPrograms:
    def test_one_that_cannot_be_started_fails_and_the_run_goes_on(self) -> None:
        book = Book()
        runner = ManualRunner()
        runner.unstartable["a"] = "a: the program was not found"
        book.scheduler(runner).run(graph(("a",), ("b",)))
        assert (book.jobs["a"].final_status, book.jobs["a"].failure) == (
            ReturnValue.failure,
            "a: the program was not found",
        )
        assert book.jobs["b"].final_status == ReturnValue.success

    @pytest.mark.parametrize(
        ("error", "failure", "traced"),
        [
            (KeyError("x"), "KeyError: 'x'", True),
            (TreadleError("there is no such tool"), "there is no such tool", False),
            (OSError("disk full"), "disk full", False),
        ],
    )
    def test_a_cmdline_that_raises_is_a_failure_of_that_job(
        self, error: Exception, failure: str, traced: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken(Fake):
            @property
            def cmdline(self) -> list[str]:
                if self.uid == "a":
                    raise error
                return super().cmdline

        book = Book(Broken)
        with caplog.at_level(logging.ERROR):
            book.scheduler().run(graph(("a",), ("b",)))
        assert (book.jobs["a"].final_status, book.jobs["a"].failure) == (ReturnValue.failure, failure)
        assert book.jobs["b"].final_status == ReturnValue.success
        assert ("Traceback" in caplog.text) is traced

    def test_files_that_were_opened_for_it_are_closed_however_it_goes(self, tmp_path: Path) -> None:
        class Printing(ProcessJob):
            @property
            def cmdline(self) -> list[str]:
                return ["/no/such/program" if self.uid == "no program" else "true"]

            @property
            def cmd_options(self) -> dict[str, Any]:
                error = tmp_path / "error" if self.uid != "no file" else tmp_path / "nowhere" / "error"
                return {"output": tmp_path / "out", "error": error}

        before = os.listdir("/proc/self/fd")
        book = Book(Printing)
        Scheduler(book.provide, book.collect).run(graph(("good",), ("no program",), ("no file",)))
        assert os.listdir("/proc/self/fd") == before
        assert [book.jobs[uid].final_status.name for uid in book.jobs] == ["success", "failure", "failure"]
        assert (
            str(book.jobs["no file"].failure)
            == f"{tmp_path}/nowhere/error cannot be written: No such file or directory"
        )

    def test_callbacks_may_use_the_handle_of_a_running_program(self) -> None:
        seen: list[tuple[bool, int | None]] = []

        class Killed(Sleeper):
            pass

        book = Book(Killed)
        scheduler = Scheduler(book.provide, book.collect)

        def look() -> None:
            for job in scheduler.active_jobs:
                assert isinstance(job, Killed)
                assert job.proc_handle is not None
                seen.append((job.proc_handle.is_running(), job.proc_handle.wait(0)))
                job.proc_handle.kill(recursive=True)

        scheduler.log_state = look  # type: ignore[method-assign]
        scheduler.run(graph(("a",)))
        assert seen == [(True, None)]
        assert book.jobs["a"].proc_handle.status == -9
        assert book.jobs["a"].final_status == ReturnValue.failure

    def test_the_status_of_a_handle_can_be_set_while_it_runs(self) -> None:
        book = Book(Sleeper)
        scheduler = Scheduler(book.provide, book.collect)

        def settle() -> None:
            for job in scheduler.active_jobs:
                assert isinstance(job, Sleeper)
                assert job.proc_handle is not None
                job.proc_handle.status = ReturnValue.unchanged
                job.proc_handle.kill()

        scheduler.log_state = settle  # type: ignore[method-assign]
        scheduler.run(graph(("a",)))
        assert book.jobs["a"].final_status == ReturnValue.unchanged


def raising(error: type[BaseException]) -> Callable[..., Any]:
    """Return a hook that raises."""

    def hook(*_: Any) -> Any:
        raise error("in a hook")

    return hook


class TestHooksThatRaise:
    """An exception in a hook ends and collects what runs, then goes on its way."""

    @pytest.mark.parametrize("error", [BoomError, KeyboardInterrupt, SystemExit])
    @pytest.mark.parametrize("hook", ["provide", "collect", "on_start", "on_finish", "before_start", "log_state"])
    def test_what_runs_is_ended_and_collected(self, hook: str, error: type[BaseException]) -> None:
        book = Book(Sleeper)
        scheduler = Scheduler(book.provide, book.collect, tokens=3)
        scheduler.grace = 20.0
        bad = raising(error)

        def provide(uid: Hashable, data: Any, predecessors: frozenset[Hashable], end: Notify) -> Job:
            if uid in ("raises", "later"):
                assert len(scheduler.active_jobs) >= 2
                job: Job = CallJob(uid, data, end, nothing)
                if hook == "provide":
                    bad()
                if hook in ("on_start", "on_finish"):
                    setattr(job, hook, bad)
                if hook == "collect":
                    scheduler.collect = lambda job: bad() if job.uid == "raises" else book.collect(job)
                if hook in ("log_state", "before_start"):
                    setattr(scheduler, hook, bad)
                return job
            if uid == "first":
                return CallJob(uid, data, end, nothing)
            return book.provide(uid, data, predecessors, end)

        scheduler.job_provider = provide
        with pytest.raises(error, match="in a hook"):
            scheduler.run(graph(("one",), ("two",), ("first",), ("raises", "first"), ("never", "raises")))
        assert {"one", "two"} <= set(book.collected)
        for uid in ("one", "two"):
            job = book.jobs[uid]
            assert job.final_status == ReturnValue.unknown
            assert job.interrupted
            assert not is_alive(job.proc_handle.pid)
        assert "never" not in book.jobs
        assert scheduler.active_jobs == []
        assert scheduler.stop_time is not None

    def test_all_that_ended_together_are_collected(self) -> None:
        def collect(job: Job) -> None:
            collected.append(job.uid)
            if job.uid == "a":
                raise BoomError("in collect")

        def play(runner: ManualRunner) -> None:
            for uid in "abc":
                runner.end(uid)

        collected: list[Hashable] = []
        scheduler = Scheduler(Scheduler.simple_provider(Fake), collect, tokens=3)
        scheduler.runner = ManualRunner(play=play)
        with pytest.raises(BoomError):
            scheduler.run(graph(("a",), ("b",), ("c",)))
        assert collected == ["a", "b", "c"]

    def test_all_whose_time_was_up_together_are_seen_to(self) -> None:
        release = threading.Event()

        def collect(job: Job) -> None:
            collected.append(job.uid)
            raise BoomError("in collect")

        collected: list[Hashable] = []
        book = Book(calling(lambda: release.wait(DEADLINE)))
        scheduler = Scheduler(book.provide, collect, tokens=3)
        scheduler.clock = clock = FakeClock()
        scheduler.tick = 0.0
        scheduler.log_state = lambda: clock.advance(1e6)  # type: ignore[method-assign]
        with pytest.raises(BoomError):
            scheduler.run(graph(("a",), ("b",), ("c",)))
        release.set()
        assert collected == ["a", "b", "c"]

    def test_what_goes_wrong_while_it_ends_is_added_as_a_note(self) -> None:
        class Worse(Fake):
            def interrupt(self) -> bool:
                raise ValueError("in interrupt")

            def on_finish(self, scheduler: Any) -> None:
                raise LookupError("in on_finish")

        scheduler = Book(Worse).scheduler()
        scheduler.log_state = raising(BoomError)  # type: ignore[method-assign]
        with pytest.raises(BoomError) as caught:
            scheduler.run(graph(("a",)))
        notes = caught.value.__notes__
        assert "while the run was ended: ValueError: in interrupt" in notes
        assert "while the run was ended: LookupError: in on_finish" in notes

    def test_a_second_interrupt_kills(self) -> None:
        def play(runner: ManualRunner) -> None:
            if runner.stopped and not runner.killed:
                raise KeyboardInterrupt

        book = Book()
        runner = ManualRunner(play=play)
        scheduler = book.scheduler(runner, tokens=2)
        scheduler.log_state = raising(KeyboardInterrupt)  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            scheduler.run(graph(("a",), ("b",)))
        assert {job.uid for job in runner.killed if isinstance(job, Job)} == {"a", "b"}
        assert sorted(map(str, book.collected)) == ["a", "b"]

    def test_it_may_run_again_afterwards(self) -> None:
        book = Book()
        scheduler = book.scheduler()
        scheduler.log_state = raising(BoomError)  # type: ignore[method-assign]
        with pytest.raises(BoomError):
            scheduler.run(graph(("a",)))
        del scheduler.log_state
        scheduler.run(graph(("b",)))
        assert book.collected == ["a", "b"]


class TestStop:
    @pytest.mark.parametrize("stop_mode", [STOPPING, KILLING])
    def test_another_thread_can_end_it(self, stop_mode: int) -> None:
        book = Book(Sleeper)
        scheduler = Scheduler(book.provide, book.collect, tokens=2)
        scheduler.grace = 20.0
        threads: list[threading.Thread] = []

        def tell() -> None:
            if not threads:
                threads.append(threading.Thread(target=scheduler.stop, args=(stop_mode,)))
                threads[0].start()

        scheduler.log_state = tell  # type: ignore[method-assign]
        scheduler.run(graph(("a",), ("b",), ("c", "a"), ("d",)))
        threads[0].join()
        assert sorted(map(str, book.collected)) == ["a", "b"]
        assert {job.final_status for uid, job in book.jobs.items() if uid != "d"} == {ReturnValue.unknown}
        code = -15 if stop_mode == STOPPING else -9
        assert [book.jobs[uid].proc_handle.status for uid in "ab"] == [code, code]
        assert "c" not in book.jobs

    def test_draining_lets_run_what_runs_and_starts_nothing_new(self) -> None:
        release = threading.Event()
        book = Book(calling(lambda: release.wait(DEADLINE)))
        scheduler = Scheduler(book.provide, book.collect, tokens=2)

        def drain() -> None:
            scheduler.stop(DRAINING)
            release.set()

        def tell() -> None:
            threading.Thread(target=drain).start()

        scheduler.log_state = tell  # type: ignore[method-assign]
        scheduler.run(graph(("a",), ("b",), ("c",), ("d", "a")))
        assert sorted(map(str, book.collected)) == ["a", "b"]
        assert {book.jobs[uid].final_status for uid in "ab"} == {ReturnValue.success}

    def test_a_job_that_waits_for_its_delay_does_not_hold_it_up(self) -> None:
        class Delayed(Fake):
            retry_delay = 1e6

        book = Book(Delayed, requeue=lambda job: True)
        scheduler = book.scheduler()
        thread = threading.Thread(target=lambda: scheduler.run(graph(("a",))))
        thread.start()
        until(lambda: book.collected, "it was collected")
        scheduler.stop(DRAINING)
        thread.join(DEADLINE)
        assert not thread.is_alive()

    def test_more_hurry_counts_and_less_does_not(self) -> None:
        scheduler = Book().scheduler()
        scheduler.stop(KILLING)
        scheduler.stop(DRAINING)
        assert scheduler.stop_mode == KILLING

    def test_killing_gives_a_stuck_thread_up_at_once(self) -> None:
        release = threading.Event()
        book = Book(calling(lambda: release.wait(DEADLINE)))
        scheduler = Scheduler(book.provide, book.collect)
        scheduler.grace = 1e6

        def kill() -> None:
            scheduler.stop(KILLING)

        scheduler.log_state = kill  # type: ignore[method-assign]
        scheduler.run(graph(("a",)))
        assert book.jobs["a"].failure == "it did not end when it was interrupted"
        release.set()

    def test_no_requeue_once_it_is_to_end(self) -> None:
        def play(runner: ManualRunner) -> None:
            scheduler.stop(DRAINING)
            runner.end_oldest()

        book = Book(requeue=lambda job: True)
        scheduler = book.scheduler(ManualRunner(play=play))
        scheduler.run(graph(("a",)))
        assert book.jobs["a"].attempt == 1
