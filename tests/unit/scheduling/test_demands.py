"""Jobs with demands: what they wait for, what they are given, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from jobs import Book, Notify, Shell, graph
from treadle import Demand, Job, LocalRunner, Pool, ReturnValue, Walk
from treadle.testing import CallJob

POOL = Pool({"cpus": 4, "gpus": ["0", "1"], "memory": 100})


def asking(demands: Mapping[str, Any], most: list[int] | None = None) -> Book:
    """Return a book of jobs with these demands; `most` gets how many ran at each start."""
    running: set[str] = set()

    def make(uid: Any, data: Any, notify_end: Notify) -> Job:
        def note() -> None:
            running.add(uid)
            if most is not None:
                most.append(len(running))

        job = CallJob(uid, data, notify_end, note)
        job.on_finish = lambda scheduler: running.discard(uid)  # type: ignore[method-assign]
        job.demand = demands.get(uid)
        return job

    return Book(make)


def test_a_job_is_given_all_that_it_asks_for() -> None:
    book = asking({"a": Demand({"gpus": 1, "memory": 60}), "b": Demand({"gpus": 1, "memory": 60}), "c": None})
    book.scheduler(tokens=9, pool=POOL).run(graph(("a",), ("b",), ("c",)))
    assert [book.jobs[uid].resources.instances for uid in "ab"] == [{"gpus": ("0",)}, {"gpus": ("0",)}]
    assert book.jobs["a"].resources.amounts == {"gpus": 1, "memory": 60, "cpus": 1}


def test_exclusive_jobs_run_alone() -> None:
    most: list[int] = []
    uids = [f"j{number}" for number in range(12)]
    book = asking({uid: Demand(exclusive=uid == "j5") for uid in uids}, most)
    book.scheduler(tokens=9, pool=Pool()).run(graph(*((uid,) for uid in uids)))
    assert sorted(map(str, book.collected)) == sorted(uids)
    assert min(most) == 1


@pytest.mark.parametrize(
    ("demand", "words"),
    [
        (Demand({"gpus": 3}), "it asks for 3 of 'gpus', of which the pool has at most 2"),
        (Demand({"tape": 1}), "which the pool does not have"),
        (Demand(queue="net"), "there is no queue 'net'"),
        (Demand(tokens=10), "it asks for 10 tokens of queue 'default', which has 9"),
        (Demand(nodes=2), "no engine runs one attempt on several"),
        ({"gpus": 1}, "its demand is {'gpus': 1}, expected a Demand, or None for tokens alone"),
        (7, "expected a Demand"),
    ],
)
def test_a_demand_that_can_never_be_met_fails_the_job_with_the_reason(demand: Any, words: str) -> None:
    """A7."""
    book = asking({"a": demand})
    book.scheduler(tokens=9, pool=POOL).run(graph(("a",), ("b",)))
    assert words in (book.jobs["a"].failure or "")
    assert book.jobs["b"].final_status == ReturnValue.success
    assert book.jobs["a"].slot is None


def test_a_job_may_ask_for_more_at_its_next_attempt() -> None:
    got: list[int] = []

    class Growing(CallJob):
        @property
        def demand(self) -> Demand:  # type: ignore[override]
            return Demand({"memory": 10 * (self.attempt + 1)})

    def make(uid: Any, data: Any, notify_end: Notify) -> Job:
        return Growing(uid, data, notify_end, lambda: got.append(book.jobs[uid].resources.amounts["memory"]))

    book = Book(make, requeue=lambda job: job.attempt < 3)
    book.scheduler(pool=POOL).run(graph(("a",)))
    assert got == [10, 20, 30]


def test_a_program_learns_what_it_holds(capfd: pytest.CaptureFixture[str]) -> None:
    class Asking(Shell):
        demand = Demand({"gpus": 2, "memory": 50})

    class Modest(Shell):
        demand = Demand({"memory": 1})

    names = "$TREADLE_CPUS/$TREADLE_GPUS/$TREADLE_GPU_IDS/$CUDA_VISIBLE_DEVICES/$TREADLE_MEMORY"
    kinds = {"asking": Asking, "modest": Modest, "plain": Shell}
    book = Book(lambda uid, _, end: kinds[uid](uid, f"echo {uid} {names}", end))
    scheduler = book.scheduler(runner=None, pool=POOL)
    scheduler.runner = LocalRunner()
    scheduler.run(graph(("asking",), ("modest", "asking"), ("plain", "modest")))
    said = dict(line.split(" ", 1) for line in capfd.readouterr().out.splitlines())
    assert said["asking"] == "1/2/0,1/0,1/50"
    assert said["modest"] == "1////1"
    assert said["plain"].startswith("//")


def test_a_walk_has_a_pool() -> None:
    class Asking(CallJob):
        demand = Demand({"gpus": 2})

    class Walker(Walk):
        def set_scheduling_params(self) -> None:
            self.tokens, self.pool = 4, POOL

        def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
            return None

        def create_job(self, uid: Any, data: Any, predecessors: Any, notify_end: Any) -> Job:
            return Asking(uid, data, notify_end, lambda: held.append(self.scheduler.active_jobs))  # type: ignore[union-attr]

    held: list[list[Job]] = []
    assert Walker(graph(("a",), ("b",), ("c",))).run().ok
    assert all(len(jobs) == 1 for jobs in held)
