"""Random trees of schedulers with everything at once: demands, windows, conditions, failures, limits and a cancel."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from aio_jobs import POOLS, some_asks, turn
from treadle.aio import AbstractJob, Diffed, Failed, NotReady, PureScheduler, Scheduler, Skipped
from treadle.errors import RunError, UsageError

WHEN = (
    *(None, None, None, "on_success", "on_failure", "always", "diffed or skipped"),
    *("interrupted or cancelled", "not success", "not_started"),
)
ENDS = (*[None] * 5, Failed, Diffed, Skipped, NotReady, ValueError, asyncio.CancelledError)
TURNS = 20_000
"""More than any of these runs takes."""


class Member(AbstractJob):
    """A job that ends as it was drawn, some turns after it is told to."""

    def __init__(self, counts: Counter[str], chance: random.Random, **options: Any) -> None:
        self.counts = counts
        self.turns = chance.randint(0, 4)
        self.delay = chance.choice([0, 0, 0, 0, 2])
        self.end = chance.choice(ENDS)
        super().__init__(critical=chance.random() < 0.3, **options)
        counts["made"] += 1

    async def co_run(self) -> None:
        self.counts["running"] += 1
        try:
            for _ in range(self.turns):
                await turn()
        except asyncio.CancelledError:
            for _ in range(self.delay):
                await turn()
            raise
        finally:
            self.counts["running"] -= 1
        if self.end is not None:
            raise self.end("as drawn")

    async def co_shutdown(self) -> None:
        self.counts["shut down"] += 1


def drawn(chance: random.Random, counts: Counter[str], pool: Any, depth: int) -> list[AbstractJob]:
    jobs: list[AbstractJob] = []
    for _ in range(chance.randint(1, 7)):
        job: AbstractJob
        if depth and chance.random() < 0.35:
            job = Scheduler(
                *drawn(chance, counts, pool, depth - 1),
                jobs_window=chance.choice([None, None, 1, 2]),
                timeout=None if chance.random() < 0.85 else chance.choice([0.0, 0.002]),
                critical=chance.random() < 0.3,
                **some_asks(chance, pool, 0.3),
            )
        else:
            job = Member(counts, chance, exclusive=chance.random() < 0.05, **some_asks(chance, pool, 0.4))
        for before in jobs:
            if chance.random() < 0.2:
                job.requires(before, when=chance.choice(WHEN))
        jobs.append(job)
    return jobs


async def ran(top: PureScheduler, cancel_after: int | None) -> Any:
    """Run it; return what its schedulers have shared, None where no job was to start."""
    run = asyncio.ensure_future(top.co_run())
    shared = None
    for number in range(TURNS):
        shared = shared or top._aio_shared
        if run.done():
            break
        if number == cancel_after:
            run.cancel()
        await turn()
    assert run.done(), "it hangs"
    if not run.cancelled():
        run.result()
    return shared


@pytest.mark.parametrize("seed", range(300))
def test_each_run_ends_and_gives_all_back_and_each_job_says_how_it_has_ended(seed: int) -> None:
    """A1, A10, C9."""
    chance = random.Random(seed)
    while True:
        pool, counts = chance.choice(POOLS), Counter[str]()
        jobs = drawn(chance, counts, pool, 3)
        most, window = chance.choice([None, None, 2]), chance.choice([None, 2])
        timeout = chance.choice([*[None] * 5, 0.003])
        top = PureScheduler(*jobs, pool=pool, max_running=most, jobs_window=window, timeout=timeout)
        try:
            shared = asyncio.run(ran(top, chance.choice([*[None] * 4, 3, 10])))
            break
        except RunError:
            raise
        except UsageError as error:
            # what could never be met is refused: another tree is drawn
            assert "can never start" in str(error)  # noqa: PT017
    assert (counts["running"], counts["shut down"]) == (0, counts["made"])
    assert [job for job in top.iterate_jobs(scan_schedulers=True) if job.outcome is None] == []
    if shared is not None:
        admission = shared.admission
        assert (admission._taken, admission._busy, admission.waiting, shared.open) == ({}, 0, 0, [])
        assert all(room.available == room.size for room in (*admission._rooms, admission._shared))
