"""Which phases a job goes through, what its hooks see of them, and that no other step is ever taken."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from jobs import Book, Fake, Notify, calling, graph, nothing
from treadle import BaseRunner, Job, ReturnValue, Scheduler
from treadle.core.outcomes import DONE, FINISHING, PHASES, QUEUED, READY, STARTED, STEPS, SUBMITTED
from treadle.scheduling.job import EmptyJob
from treadle.scheduling.scheduler import DRAINING, KILLING, STOPPING
from treadle.testing import ManualRunner

if TYPE_CHECKING:
    from treadle import Attempt

ATTEMPT = [QUEUED, SUBMITTED, STARTED, FINISHING]
HOOKS = ("on_queued", "on_submitted", "on_start", "on_finish")


def listening(job: Job) -> Job:
    """Return a job whose hooks note the phase that they see."""
    seen: list[str] = []
    job.seen = seen  # type: ignore[attr-defined]
    for hook in HOOKS:
        setattr(job, hook, lambda scheduler, job=job: job.seen.append(job.steps.phase))
    return job


def book_of(make: Any = Fake, requeue: Any = lambda job: False) -> Book:
    return Book(lambda uid, data, end: listening(make(uid, data, end)), requeue)


def test_a_local_attempt_passes_submitted_at_once() -> None:
    book = book_of()
    book.scheduler().run(graph(("a",)))
    job = book.jobs["a"]
    assert (job.seen, job.steps.phase) == (ATTEMPT, DONE)
    (times,) = job.steps.times
    assert list(times) == [*ATTEMPT, DONE]
    assert list(times.values()) == sorted(times.values())
    assert times[SUBMITTED] == times[STARTED] == job.started_at
    assert times[FINISHING] - times[STARTED] == job.timing_info.duration


def test_a_job_in_a_thread_goes_the_same_way() -> None:
    book = book_of(calling(nothing))
    Scheduler(book.provide, book.collect).run(graph(("a",)))
    assert book.jobs["a"].seen == ATTEMPT


def test_what_is_tried_again_is_queued_again_and_keeps_the_times_of_each_attempt() -> None:
    book = book_of(requeue=lambda job: job.attempt < 3)
    book.scheduler().run(graph(("a",)))
    job = book.jobs["a"]
    assert job.seen == ATTEMPT * 3
    assert [list(times) for times in job.steps.times] == [ATTEMPT, ATTEMPT, [*ATTEMPT, DONE]]


def test_what_waits_for_its_next_attempt_is_queued_when_that_is_due() -> None:
    def again(job: Any) -> bool:
        job.retry_delay = 0.001
        return bool(job.attempt < 2)

    book = book_of(calling(nothing), again)
    Scheduler(book.provide, book.collect).run(graph(("a",)))
    assert book.jobs["a"].seen == ATTEMPT * 2


def test_what_is_skipped_is_done_at_once() -> None:
    book = book_of(lambda uid, data, end: EmptyJob(uid, data, end, ReturnValue.skip))
    book.scheduler().run(graph(("a",)))
    job = book.jobs["a"]
    assert (job.seen, job.steps.phase, job.steps.times) == ([DONE], DONE, [])


def test_what_could_never_start_is_done_without_an_attempt() -> None:
    class Greedy(Fake):
        tokens = 9

    book = book_of(Greedy)
    book.scheduler().run(graph(("a",)))
    job = book.jobs["a"]
    assert (job.seen, job.steps.phase, job.steps.times) == ([READY], DONE, [])


def test_what_never_has_its_turn_stays_queued() -> None:
    book = book_of()

    def play(runner: ManualRunner) -> None:
        scheduler.stop(DRAINING)
        runner.end_oldest()

    scheduler = book.scheduler(ManualRunner(play=play))
    scheduler.run(graph(("a",), ("b",)))
    assert [job.steps.phase for job in book.jobs.values()] == [DONE, QUEUED]


def test_a_job_that_is_handed_out_in_two_runs_begins_anew() -> None:
    job = listening(Fake("a", None, lambda uid: None))
    for _ in range(2):
        scheduler = Scheduler(lambda *_: job)
        scheduler.runner = ManualRunner()
        scheduler.run(graph(("a",)))
    assert job.seen == ATTEMPT * 2  # type: ignore[attr-defined]
    assert len(job.steps.times) == 1


class Waiting(BaseRunner):
    """Keeps what it was given until a test lets it start and end."""

    reports_starts = True

    def __init__(self, script: list[str]) -> None:
        super().__init__()
        self.script = script
        self.keys: list[Any] = []

    def submit(self, key: object, attempt: Attempt) -> None:
        self.keys.append(key)

    def cancel(self, key: object, *, at_once: bool) -> None:
        self.report(key, error="cancelled")

    def poll(self, timeout: float | None) -> Any:
        if self.keys and self._ends.empty() and self.script:
            what = self.script.pop(0)
            if what == "start":
                self.report_start(self.keys[-1])
            elif what == "end":
                self.report(self.keys[-1], 0)
        return super().poll(timeout)


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        (["start", "end"], ATTEMPT),
        (["end"], [QUEUED, SUBMITTED, FINISHING]),
        (["start", "start", "end"], ATTEMPT),
    ],
    ids=["told", "not told", "told twice"],
)
def test_an_engine_that_queues_tells_when_an_attempt_starts(script: list[str], seen: list[str]) -> None:
    book = book_of()
    scheduler = Scheduler(book.provide, book.collect)
    engine = Waiting(script)
    scheduler.runner = engine
    scheduler.run(graph(("a",)))
    job = book.jobs["a"]
    assert job.seen == seen
    (times,) = job.steps.times
    assert list(times) == [*ATTEMPT, DONE]
    # what was not heard of is filled in from the next
    assert times[STARTED] == (job.started_at if STARTED in seen else times[FINISHING])
    assert times[SUBMITTED] <= times[STARTED]


def test_a_time_limit_begins_with_the_start_that_an_engine_tells() -> None:
    book = book_of()
    scheduler = book.scheduler()
    engine = Waiting([])
    scheduler.runner = engine
    moments: list[str] = []

    def play() -> None:
        if not moments:
            scheduler.clock.advance(100.0)  # type: ignore[attr-defined]
            moments.append("waited")
        elif len(moments) == 1:
            assert not engine.keys[0].interrupted
            engine.report_start(engine.keys[0])
            moments.append("started")
        else:
            scheduler.clock.advance(100.0)  # type: ignore[attr-defined]

    scheduler.job_timeout = 10.0
    scheduler.tick = 0.001
    scheduler.on_round = lambda: play() if engine.keys else None
    scheduler.run(graph(("a",)))
    assert moments == ["waited", "started"]
    assert book.jobs["a"].timed_out


@pytest.mark.parametrize("seed", range(60))
def test_the_hooks_of_random_histories_see_legal_steps_alone(seed: int) -> None:
    chance = random.Random(seed)
    jobs: dict[str, Job] = {}

    def provide(uid: Any, data: Any, predecessors: Any, end: Notify) -> Job:
        kind = chance.randrange(5)
        if kind == 0:
            job: Job = EmptyJob(uid, data, end, chance.choice([ReturnValue.skip, ReturnValue.force_fail]))
        else:
            job = Fake(uid, data, end)
            job.tokens = chance.choice([1, 1, 2, 9])
            job.timeout = chance.choice([None, 1.0])
        jobs[uid] = listening(job)
        return job

    def play(runner: ManualRunner) -> None:
        what = chance.randrange(12)
        if what == 0:
            scheduler.stop(chance.choice([DRAINING, STOPPING, KILLING]))
        if what < 9 and runner.running:
            runner.end(chance.choice(list(runner.running)), chance.choice([0, 1, 75, -9]))

    def collect(job: Job) -> bool:
        job.retry_delay = chance.choice([0.0, 2.0])
        return job.attempt < 3 and chance.random() < 0.4

    edges = [(f"j{n}", *(f"j{m}" for m in range(n) if chance.random() < 0.2)) for n in range(12)]
    runner = ManualRunner(play=play)
    scheduler = Scheduler(provide, collect, tokens=3, job_timeout=5.0)
    scheduler.runner, scheduler.clock, scheduler.tick = runner, runner.clock, 0.0001
    scheduler.on_round = lambda: runner.clock.advance(1.0)
    scheduler.run(graph(*edges))
    for job in jobs.values():
        seen: list[str] = job.seen  # type: ignore[attr-defined]
        if job.should_skip:
            assert seen == [DONE]
            continue
        for before, after in zip([READY, *seen], seen, strict=False):
            # what could never start is not queued, and its end is told
            assert after in STEPS[before] or (before, after) == (READY, READY), seen
        ends = {FINISHING: (DONE, FINISHING), READY: (DONE,)}.get(seen[-1], (seen[-1],))
        # where the run was stopped in its delay, what was to be tried again is not done
        assert job.steps.phase in ends
        for times in job.steps.times:
            assert list(times) == list(PHASES[2:])[: len(times)]
            assert list(times.values()) == sorted(times.values())
