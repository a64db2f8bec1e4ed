"""Scheduler: which jobs start when, how they end, and that nothing spins, hangs or is lost."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

import pytest

from jobs import Book, Fake, Notify, graph, programs
from treadle import DAG, DAGError, EmptyJob, Job, ReturnValue, Scheduler
from treadle.core.admission import Admission
from treadle.errors import InternalError, TreadleError, UsageError
from treadle.scheduling.scheduler import DRAINING
from treadle.testing import FakeClock, ManualRunner


class TestOrder:
    def test_a_job_starts_when_its_predecessors_have_ended(self) -> None:
        book = Book()
        scheduler = book.scheduler(tokens=4)
        scheduler.run(graph(("c", "a", "b"), ("a",), ("b", "a")))
        assert book.collected == ["a", "b", "c"]
        assert book.seen == {"a": frozenset(), "b": {"a"}, "c": {"a", "b"}}
        assert scheduler.max_active_jobs == 1

    def test_independent_jobs_run_side_by_side(self) -> None:
        scheduler = Book().scheduler(tokens=2)
        scheduler.run(graph(("a",), ("b",), ("c",)))
        assert scheduler.max_active_jobs == 2
        assert scheduler.start_time is not None
        assert scheduler.stop_time is not None
        assert scheduler.stop_time >= scheduler.start_time

    def test_priority_decides_among_what_is_ready(self) -> None:
        class Ranked(Fake):
            @property
            def priority(self) -> int:
                return -int(self.uid)

        book = Book(Ranked)
        scheduler = book.scheduler()
        scheduler.run(graph(("3",), ("0",), ("1",)))
        assert programs(scheduler.runner) == ["0", "1", "3"]  # type: ignore[arg-type]

    def test_equals_start_in_the_order_of_the_graph(self) -> None:
        scheduler = Book().scheduler()
        scheduler.run(graph(*((f"n{n}",) for n in range(20))))
        assert programs(scheduler.runner) == [f"n{n}" for n in range(20)]  # type: ignore[arg-type]

    @pytest.mark.parametrize("uid", [7, (1, "a"), frozenset("a"), 2.5])
    def test_a_uid_need_not_be_text(self, uid: Hashable) -> None:
        book = Book()
        book.scheduler().run(graph((uid,), ("after", uid)))
        assert book.collected == [uid, "after"]

    def test_an_empty_graph_is_done_at_once(self) -> None:
        scheduler = Book().scheduler()
        scheduler.run(DAG())
        assert scheduler.is_finished

    def test_one_scheduler_may_run_again(self) -> None:
        book = Book()
        scheduler = book.scheduler()
        scheduler.run(graph(("a",)))
        scheduler.run(graph(("b",)))
        assert book.collected == ["a", "b"]

    def test_after_a_run_that_was_stopped_too(self) -> None:
        book = Book()
        scheduler = book.scheduler()
        scheduler.stop(DRAINING)
        scheduler.run(graph(("a",)))
        assert book.collected == []
        scheduler.run(graph(("a",)))
        assert book.collected == ["a"]

    def test_simple_provider_makes_a_job_of_a_class(self) -> None:
        scheduler = Scheduler(Scheduler.simple_provider(Fake))
        scheduler.runner = runner = ManualRunner()
        scheduler.run(graph(("a",), ("b", "a")))
        assert programs(runner) == ["a", "b"]


class TestQueues:
    def test_each_queue_has_its_tokens_and_a_job_its_slot(self) -> None:
        class Wide(Fake):
            @property
            def queue_name(self) -> str:  # type: ignore[override]
                return str(self.uid)[0]

            @property
            def tokens(self) -> int:  # type: ignore[override]
                return 2

        seen: list[tuple[int | None, ...]] = []
        book = Book(Wide)
        scheduler = book.scheduler(queues={"a": 2, "b": 4})
        scheduler.log_state = lambda: seen.append(  # type: ignore[method-assign]
            tuple(job.slot for job in scheduler.active_jobs)
        )
        scheduler.run(graph(("a1",), ("a2",), ("b1",), ("b2",), ("b3",)))
        assert seen[0] == (0, 1, 2)
        assert scheduler.max_active_jobs == 3
        assert all(len(set(slots)) == len(slots) for slots in seen)
        assert {slot for slots in seen for slot in slots} == {0, 1, 2}

    def test_tokens_are_ignored_where_there_are_queues(self) -> None:
        assert Scheduler(Book().provide, queues={"q": 3}, tokens=9).queues == {"q": 3}
        assert Scheduler(Book().provide, tokens=9).queues == {"default": 9}

    @pytest.mark.parametrize(
        ("queue", "tokens", "words"),
        [
            ("other", 1, "there is no queue 'other'"),
            ("default", 3, "it asks for 3 tokens"),
            ("default", -1, "it asks"),
        ],
    )
    def test_a_job_that_could_never_start_fails_with_the_reason(self, queue: str, tokens: int, words: str) -> None:
        class Impossible(Fake):
            def __init__(self, uid: Any, data: Any, notify_end: Notify) -> None:
                super().__init__(uid, data, notify_end)
                if uid == "bad":
                    self.queue_name, self.tokens = queue, tokens

        finished: list[Hashable] = []
        Impossible.on_finish = lambda self, scheduler: finished.append(self.uid)  # type: ignore[method-assign]
        book = Book(Impossible)
        scheduler = book.scheduler(tokens=2)
        scheduler.run(graph(("good",), ("bad",), ("after", "bad")))
        assert sorted(map(str, book.collected)) == sorted(map(str, finished)) == ["after", "bad", "good"]
        bad = book.jobs["bad"]
        assert (bad.final_status, bad.attempt, bad.slot) == (ReturnValue.failure, 0, None)
        assert bad.failure.startswith(words)
        assert programs(scheduler.runner) == ["good", "after"]  # type: ignore[arg-type]

    def test_a_job_that_changes_its_demand_gives_back_what_it_took(self) -> None:
        class Greedy(Fake):
            tokens = 2

            def on_start(self, scheduler: Any) -> None:
                self.tokens = 7
                self.queue_name = "other"

        book = Book(Greedy)
        scheduler = book.scheduler(queues={"default": 3, "other": 1})
        scheduler.run(graph(*((n,) for n in range(5))))
        assert len(book.collected) == 5
        assert scheduler.max_active_jobs == 1


class TestSkips:
    def test_a_skip_takes_no_token_and_no_slot_and_is_collected(self) -> None:
        heard: list[tuple[str, Hashable]] = []

        class Hearing(EmptyJob):
            def on_start(self, scheduler: Any) -> None:
                heard.append(("start", self.uid))

            def on_finish(self, scheduler: Any) -> None:
                heard.append(("finish", self.uid))

        book = Book(Hearing, requeue=lambda job: True)
        scheduler = book.scheduler(tokens=0)
        scheduler.run(graph(("a",), ("b", "a"), ("c", "b")))
        assert heard == [("finish", "a"), ("finish", "b"), ("finish", "c")]
        assert book.collected == ["a", "b", "c"]
        assert scheduler.max_active_jobs == 0
        assert {job.slot for job in book.jobs.values()} == {None}
        assert {job.timing_info.start_time for job in book.jobs.values()} == {None}

    def test_a_chain_of_skips_is_left_in_one_round(self) -> None:
        rounds: list[int] = []
        scheduler = Book(EmptyJob).scheduler()
        scheduler.log_state = lambda: rounds.append(1)  # type: ignore[method-assign]
        scheduler.run(graph(*((n, n - 1) if n else (0,) for n in range(500))))
        assert len(rounds) == 1


class TestRefusals:
    """What can be refused is refused before the first job starts."""

    @pytest.mark.parametrize(
        ("dag", "words"),
        [
            (graph(("a", "b"), ("b", "a"), ("free",)), "cycle"),
            (
                graph(
                    ("a", "a"),
                ),
                "cycle",
            ),
            (graph(("a", "nowhere"), ("free",)), "nowhere"),
        ],
    )
    def test_a_graph_that_cannot_be_walked(self, dag: DAG, words: str) -> None:
        book = Book()
        with pytest.raises(DAGError, match=words):
            book.scheduler().run(dag)
        assert book.seen == {}

    def test_a_queue_of_less_than_nothing(self) -> None:
        book = Book()
        with pytest.raises(TreadleError, match="queue 'q' has -1 tokens"):
            book.scheduler(queues={"q": -1}).run(graph(("a",)))
        assert book.seen == {}


class TestRequeue:
    def test_the_same_job_runs_again_and_starts_afresh(self) -> None:
        seen: list[tuple[int, bool, float]] = []

        def again(job: Job) -> bool:
            seen.append((job.attempt, job.interrupted, job.timing_info.duration))
            return job.attempt < 3

        book = Book(requeue=again)
        runner = ManualRunner()
        book.scheduler(runner).run(graph(("a",), ("b", "a")))
        assert programs(runner) == ["a", "a", "a", "b", "b", "b"]
        assert [attempt for attempt, _, _ in seen] == [1, 2, 3, 1, 2, 3]
        assert all(duration >= 0 for _, _, duration in seen)

    def test_one_that_timed_out_runs_again_as_if_nothing_had_been(self) -> None:
        outcomes: list[ReturnValue] = []

        def again(job: Job) -> bool:
            outcomes.append(job.final_status)
            return job.attempt < 2

        def play(runner: ManualRunner) -> None:
            if len(runner.starts) == 2 or runner.stopped:
                runner.end("a", 0)

        book = Book(requeue=again)
        runner = ManualRunner(play=play)
        book.scheduler(runner, job_timeout=10.0).run(graph(("a",)))
        assert outcomes == [ReturnValue.failure, ReturnValue.success]
        job = book.jobs["a"]
        assert (job.interrupted, job.timed_out, job.failure, job.attempt) == (False, False, None, 2)

    def test_its_priority_is_read_again(self) -> None:
        class Patient(Fake):
            @property
            def priority(self) -> int:
                return -self.attempt

        book = Book(Patient, requeue=lambda job: job.uid == "a" and job.attempt < 2)
        runner = ManualRunner()
        book.scheduler(runner).run(graph(("a",), ("b",), ("c",)))
        assert programs(runner) == ["a", "b", "c", "a"]

    def test_it_waits_for_its_delay_and_others_go_on(self) -> None:
        starts: list[tuple[Hashable, float]] = []
        clock = FakeClock()

        class Delayed(Fake):
            retry_delay = 30.0

            def on_start(self, scheduler: Any) -> None:
                starts.append((self.uid, clock.now))

        def play(runner: ManualRunner) -> None:
            clock.advance(10.0)
            runner.end_oldest()

        book = Book(Delayed, requeue=lambda job: job.uid == "a" and job.attempt < 2)
        scheduler = book.scheduler(ManualRunner(clock, play))
        scheduler.tick = 0.0
        scheduler.log_state = lambda: clock.advance(1.0)  # type: ignore[method-assign]
        scheduler.run(graph(("a",), ("b",), ("c", "a")))
        assert [uid for uid, _ in starts] == ["a", "b", "a", "c"]
        assert starts[2][1] - starts[0][1] >= 40.0
        assert starts[1][1] < starts[2][1]

    def test_a_real_delay_wakes_by_itself(self) -> None:
        class Delayed(Job):
            retry_delay = 0.01

            def run(self) -> None:
                pass

        book = Book(Delayed, requeue=lambda job: job.attempt < 3)
        Scheduler(book.provide, book.collect).run(graph(("a",)))
        assert book.jobs["a"].attempt == 3

    def test_a_demand_that_became_impossible_ends_it(self) -> None:
        def demand_more(job: Job) -> bool:
            job.tokens = 99
            return True

        book = Book(requeue=demand_more)
        book.scheduler().run(graph(("a",), ("b",)))
        assert book.jobs["a"].failure.startswith("it asks for 99 tokens")


class TestInvariants:
    def test_nothing_runs_and_nothing_can_start_is_our_bug(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Admission, "admit", lambda self: iter(()))
        with pytest.raises(InternalError, match="nothing runs and nothing can start"):
            Book().scheduler().run(graph(("a",)))

    def test_a_job_with_another_uid_than_its_vertex_is_refused(self) -> None:
        def provide(uid: Hashable, data: Any, predecessors: frozenset[Hashable], end: Notify) -> Job:
            return Fake(f"my {uid}", data, end)

        with pytest.raises(UsageError, match="the job of vertex 'a' has another uid: 'my a'"):
            Scheduler(provide).run(graph(("a",)))

    def test_hooks_hear_of_each_attempt_in_order(self) -> None:
        heard: list[str] = []

        class Hearing(Fake):
            def on_start(self, scheduler: Any) -> None:
                heard.append(f"start {self.uid} {self.attempt} {self.slot}")

            def on_finish(self, scheduler: Any) -> None:
                heard.append(f"finish {self.uid} {self.attempt}")

        book = Book(Hearing, requeue=lambda job: job.attempt < 2)
        scheduler = book.scheduler()
        scheduler.before_start = lambda jobs: heard.append("before " + " ".join(str(job.uid) for job in jobs))
        scheduler.run(graph(("a",)))
        assert heard == ["before a", "start a 1 0", "finish a 1", "before a", "start a 2 0", "finish a 2"]

    def test_callbacks_hold_the_lock_of_the_jobs(self) -> None:
        taken: list[bool] = []

        def collect(job: Job) -> None:
            thread = threading.Thread(target=lambda: taken.append(job.lock.acquire(blocking=False)))
            thread.start()
            thread.join()

        scheduler = Scheduler(Scheduler.simple_provider(Fake), collect)
        scheduler.runner = ManualRunner()
        scheduler.run(graph(("a",)))
        assert taken == [False]

    def test_a_tick_calls_log_state_though_nothing_ends(self) -> None:
        rounds: list[float] = []

        def play(runner: ManualRunner) -> None:
            if runner.clock.now >= 5.0:
                runner.end_oldest()

        runner = ManualRunner(play=play)
        scheduler = Book().scheduler(runner)
        scheduler.tick = 1.0
        scheduler.log_state = lambda: rounds.append(runner.clock.now)  # type: ignore[method-assign]
        scheduler.run(graph(("a",)))
        assert rounds[:6] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
