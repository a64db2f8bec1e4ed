"""Random graphs of jobs that end in every way: what must hold of each run."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aio_jobs import turn
from treadle.aio import AbstractJob, PureScheduler, Scheduler

ENDS = ("well", "raises", "cancels itself")


class Drawn(AbstractJob):
    """A job that takes some turns and then ends as it was drawn; it checks what must hold when it starts."""

    def __init__(self, world: World, turns: int, end: str, **options: Any) -> None:
        self.world = world
        self.turns = turns
        self.end = end
        super().__init__(**options)

    async def co_run(self) -> int:
        world = self.world
        before = [job for job in self.required if isinstance(job, Drawn)]
        # an assertion that fails in here would only be one more way to end
        world.early += [self for job in before if not job.is_done() and job.end != "cancels itself"]
        world.late += [self for job in before if job.is_critical() and job.end != "well"]
        world.started.append(self)
        world.running += 1
        world.most = max(world.most, world.running)
        try:
            for _ in range(self.turns):
                await turn()
            if self.forever:
                await asyncio.Event().wait()
        finally:
            world.running -= 1
        if self.end == "raises":
            raise ValueError(self.label)
        if self.end == "cancels itself":
            raise asyncio.CancelledError
        return self.turns

    async def co_shutdown(self) -> None:
        self.world.shut.append(self)


class World:
    """What the jobs of a run see of each other."""

    def __init__(self) -> None:
        self.started: list[Drawn] = []
        self.shut: list[Drawn] = []
        self.early: list[Drawn] = []
        """Those that started before something that they require had ended."""
        self.late: list[Drawn] = []
        """Those that started though something critical that they require had failed."""
        self.running = self.most = 0


@st.composite
def schedulers(draw: st.DrawFn) -> tuple[World, PureScheduler, int]:
    """Draw a scheduler, perhaps with another one around some of its jobs."""
    world = World()
    jobs: list[Drawn] = []
    for number in range(draw(st.integers(1, 12))):
        forever = draw(st.integers(0, 9)) == 0
        jobs.append(
            Drawn(
                world,
                draw(st.integers(0, 3)),
                "well" if forever else draw(st.sampled_from((*["well"] * 6, *ENDS))),
                label=str(number),
                critical=draw(st.booleans()),
                forever=forever,
                # what waits for one that never ends would wait for ever
                required=[job for job in jobs if not job.forever and draw(st.integers(0, 3)) == 0],
            )
        )
    window = draw(st.integers(0, 4))
    if window and sum(job.forever for job in jobs) >= window:
        window = 0
    if all(job.forever for job in jobs):
        jobs.append(Drawn(world, 1, "well", label="finite"))
    order = draw(st.permutations(jobs))
    return world, PureScheduler(*order, jobs_window=window), window


@settings(max_examples=150)
@given(schedulers())
def test_whatever_happens_order_window_result_and_shutdown_are_right(
    drawn: tuple[World, PureScheduler, int],
) -> None:
    world, scheduler, window = drawn
    jobs = [job for job in scheduler if isinstance(job, Drawn)]
    result = scheduler.run()
    failed = [job for job in world.started if job.is_critical() and not job.forever and job.end != "well"]
    assert result is (not scheduler.failed_critical())
    assert (world.early, world.late, world.running) == ([], [], 0)
    assert not window or world.most <= window
    assert sorted(job.label or "" for job in world.shut) == sorted(job.label or "" for job in jobs)
    assert len(set(world.started)) == len(world.started)
    if result:
        assert not failed
        assert all(job.is_done() or job.forever or job.end == "cancels itself" for job in jobs)
    else:
        assert any(job.raised_exception() or job.end == "cancels itself" for job in failed)


@settings(max_examples=50)
@given(schedulers(), st.booleans())
def test_a_scheduler_around_it_fares_as_it_does(drawn: tuple[World, PureScheduler, int], critical: bool) -> None:
    _, scheduler, window = drawn
    jobs = list(scheduler)
    for job in jobs:
        scheduler.remove(job)
    inner = Scheduler(*jobs, jobs_window=window, critical=critical)
    outer = PureScheduler(inner)
    assert outer.run() is (not inner.failed_critical() or not critical)
    assert inner.is_done()
    assert (inner.raised_exception() is None) is (not inner.failed_critical() or not critical)
