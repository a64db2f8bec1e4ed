"""Limits that are changed while jobs run: when nothing can start because of them, and when that is a bug of ours."""

from __future__ import annotations

from typing import Any

import pytest

from jobs import Book, Fake, Notify, graph
from treadle import Demand, Job, Pool
from treadle.core.admission import Admission
from treadle.core.pool_admission import LOOKED_PAST, PoolAdmission
from treadle.errors import InternalError
from treadle.scheduling.live import LiveLimits

POOL = Pool({"cpus": 4, "gpus": ["0", "1"], "memory": 100})


def book_of(demands: dict[str, Demand | None]) -> Book:
    def make(uid: Any, data: Any, notify_end: Notify) -> Job:
        job = Fake(uid, data, notify_end)
        job.demand = demands[uid]
        return job

    return Book(make)


CHANGES: dict[str, list[dict[str, Any]]] = {
    "a queue is raised": [{"queues": {"default": 9}}],
    "how many run is raised": [{"max_running": 9}],
    "a limit is lowered that all of it fits": [{"queues": {"default": 1}, "max_running": 1}],
    "another queue is lowered": [{"queues": {"net": 0}}],
    "what nothing asks for is lowered": [{"resources": {"memory": 0}, "groups": {"other": 0}}],
    "a queue is lowered and raised again": [{"queues": {"default": 0}}, {"queues": {"default": 4}}],
    "resources are lowered and raised again": [{"resources": {"gpus": 0}}, {"resources": {"gpus": 2}}],
    "a family is lowered and raised again": [{"groups": {"fit": 0}}, {"groups": {"fit": 3}}],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("demand", [None, Demand({"gpus": 1}, group="fit", limit=2)], ids=["tokens", "demands"])
def test_a_standstill_that_no_limit_explains_is_our_bug(
    monkeypatch: pytest.MonkeyPatch, demand: Demand | None, change: str
) -> None:
    for admission in (Admission, PoolAdmission):
        monkeypatch.setattr(admission, "admit", lambda self: iter(()))
    scheduler = book_of({"a": demand, "b": demand}).scheduler(queues={"default": 2, "net": 1}, pool=POOL)
    scheduler.live = LiveLimits()
    for one in CHANGES[change]:
        scheduler.live.change(**one)
    # else it would wait for ever
    scheduler.live.on_standstill = scheduler.stop
    with pytest.raises(InternalError, match="nothing runs and nothing can start"):
        scheduler.run(graph(("a",), ("b",)))


def test_work_that_is_lost_in_the_graph_is_our_bug_also_after_a_limit_was_lowered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scheduler = book_of({"a": None}).scheduler()
    scheduler.live = LiveLimits()
    scheduler.live.change({"default": 0})
    scheduler.live.on_standstill = scheduler.stop
    monkeypatch.setattr(scheduler, "enqueue", lambda: None)
    with pytest.raises(InternalError, match="nothing runs and nothing can start"):
        scheduler.run(graph(("a",)))


LOWERED: dict[str, tuple[Demand | None, dict[str, Any], dict[str, Any]]] = {
    "tokens": (None, {"queues": {"default": 0}}, {"queues": {"default": 1}}),
    "tokens of a demand": (Demand({"gpus": 1}), {"queues": {"default": 0}}, {"queues": {"default": 1}}),
    "several tokens": (Demand(tokens=2), {"queues": {"default": 1}}, {"queues": {"default": 2}}),
    "instances": (Demand({"gpus": 2}), {"resources": {"gpus": 1}}, {"resources": {"gpus": 2}}),
    "an amount": (Demand({"memory": 51}), {"resources": {"memory": 50}}, {"resources": {"memory": 51}}),
    "processors": (Demand(), {"resources": {"cpus": 0}}, {"resources": {"cpus": 1}}),
    "a family": (Demand(group="fit", limit=2), {"groups": {"fit": 0}}, {"groups": {"fit": 1}}),
    "an exclusive one": (
        Demand({"gpus": 1}, exclusive=True),
        {"resources": {"gpus": 0}},
        {"resources": {"gpus": 1}},
    ),
}


@pytest.mark.parametrize("kind", LOWERED)
def test_what_asks_for_more_than_a_lowered_limit_waits_until_it_is_raised(kind: str) -> None:
    demand, lowered, raised = LOWERED[kind]
    book = book_of({"a": demand, "b": demand})
    scheduler = book.scheduler(tokens=2, pool=POOL)
    live = scheduler.live = LiveLimits()
    live.change(**lowered)
    told: list[str] = []

    def raise_it() -> None:
        told.append("standstill")
        live.change(**raised)
        scheduler.call_soon(scheduler.take_over_limits)

    live.on_standstill = raise_it
    scheduler.run(graph(("a",), ("b",)))
    assert (book.collected, told) == (["a", "b"], ["standstill"])


def test_many_different_demands_that_wait_for_a_limit_keep_nothing_else_from_starting() -> None:
    uids = [f"w{number}" for number in range(LOOKED_PAST + 2)]
    demands: dict[str, Demand | None] = {uid: Demand({"gpus": 1, "memory": at}) for at, uid in enumerate(uids)}
    book = book_of({**demands, "last": Demand()})
    scheduler = book.scheduler(tokens=99, pool=POOL)
    live = scheduler.live = LiveLimits()
    live.change(resources={"gpus": 0})
    before: list[list[Any]] = []

    def raise_it() -> None:
        before.append(list(book.collected))
        live.change(resources={"gpus": 2})
        scheduler.call_soon(scheduler.take_over_limits)

    live.on_standstill = raise_it
    scheduler.run(graph(*((uid,) for uid in [*uids, "last"])))
    assert before == [["last"]]
    assert len(book.collected) == len(uids) + 1
