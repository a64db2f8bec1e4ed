"""Sharing: the one pool of an outermost scheduler and of all within it. It knows no tasks.

All their jobs wait in one `PoolAdmission`, those of a scheduler with a window in a queue of its own. A scheduler
that is a job encloses what is in it: it holds what it asks for itself until it has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from treadle.core.pool import Demand
from treadle.core.pool_admission import PoolAdmission
from treadle.errors import RunError, listed

from .demands import check_settings, demands_of, holds
from .graph import JobGraph
from .job import AbstractJob, name_of
from .ranks import ranks_of

WITHOUT_WINDOW = "jobs"
"""The queue of the jobs of all schedulers without a window; they take no token of it."""
_NOTHING = Demand()


class Sharing(Protocol):
    """A run that shares the pool."""

    @property
    def is_over(self) -> bool:
        """Whether it will go on by itself, to its end."""

    @property
    def has_limit(self) -> bool:
        """Whether it has a time limit."""

    @property
    def has_end(self) -> bool:
        """Whether it has jobs that it waits for."""

    def start_one(self, job: AbstractJob, slot: int) -> None:
        """Start a job whose turn has come."""

    def refuse(self, error: RunError) -> None:
        """End by an error."""


class Shared:
    """The pool of a run, and what waits for it.

    :param graphs: the outermost scheduler, and then those within, each after the one that it is in
    :raises UsageError: a demand is wrong, or could never be met
    """

    def __init__(self, graphs: Sequence[Any]) -> None:
        check_settings(graphs)
        top = graphs[0]
        pool, self.demands = demands_of(graphs, top._aio_pool)
        self.admission = PoolAdmission({WITHOUT_WINDOW: 0}, pool, top._aio_most)
        self._graphs = graphs
        self.open: list[Share] = []
        """Of the runs that go on, each after the one that it is in."""
        self.going: set[int] = set()
        """The slots of what will end by itself: jobs that do not run for ever, and schedulers that do not wait."""
        self.endless: dict[int, AbstractJob] = {}
        """Slot -> a job that runs for ever."""
        self.enclosing: dict[AbstractJob, tuple[int, tuple[int, ...]]] = {}
        """A scheduler that runs as a job -> its slot, and the slots of what holds something around its jobs."""
        self._queues = 0
        self._is_starting = False
        self._is_due = False
        self._has_warned = False

    def share(self, graph: JobGraph, window: int) -> Share:
        """Return the part of a scheduler that is about to run.

        :param window: how many of its jobs may run at once, 0 for no limit
        """
        slot, within = self.enclosing.get(graph, (-1, ())) if isinstance(graph, AbstractJob) else (-1, ())
        self._queues += 1
        return Share(self, f"window {self._queues}" if window else WITHOUT_WINDOW, window, slot, within)

    def start_ready(self) -> None:
        """Start what may start now, in the runs of all."""
        self._is_due = True
        if self._is_starting:
            # a task may end while it is made: the loop below goes on with what that has freed
            return
        self._is_starting = True
        try:
            while self._is_due:
                self._is_due = False
                if self.admission.is_short:
                    self._rank()
                if self.admission.waiting:
                    for (share, job), slot in list(self.admission.admit()):
                        share.begin(job, slot)
        finally:
            self._is_starting = False
        self.look()

    def _rank(self) -> None:
        """Have those that wait go by their longest paths, from now on."""
        ranks = ranks_of(self._graphs)
        self.admission.rank_by(lambda item: ranks[item[1]])

    def look(self) -> None:
        """Refuse to wait for what jobs for ever will never give back; only warn if there is a time limit."""
        if self.going or self._is_starting or not self.admission.waiting:
            return
        waiting = [share for share in self.open if share.waiting and share.run.has_end]
        if not waiting or any(share.run.is_over for share in self.open):
            return
        names = [repr(name_of(job)) for share in waiting for job in share.waiting]
        endless = sorted(repr(name_of(job)) for job in self.endless.values())
        error = RunError(
            f"all that runs runs for ever, and holds what {listed(names, 5)} would need to start",
            facts=(f"for ever run {listed(endless, 5)}",),
            hint="a larger pool, smaller demands, or jobs without forever=True",
        )
        if not any(share.run.has_limit for share in self.open):
            waiting[-1].run.refuse(error)
        elif not self._has_warned:
            self._has_warned = True
            logging.getLogger("treadle.aio").warning("%s", error)


class Share:
    """What one run has of the pool.

    :param queue: that its jobs wait in
    :param window: how many of them may run at once, 0 for no limit
    :param slot: that of its scheduler, -1 for the outermost
    :param within: the slots of the schedulers that hold something around its jobs, the outermost first
    """

    __slots__ = ("_held", "_queue", "_shared", "_slot", "_window", "_within", "run", "waiting")
    run: Sharing

    def __init__(self, shared: Shared, queue: str, window: int, slot: int, within: tuple[int, ...]) -> None:
        self._shared = shared
        self._queue = queue
        self._window = window
        self._slot = slot
        self._within = within
        self._held: dict[int, AbstractJob] = {}
        self.waiting: dict[AbstractJob, None] = {}
        """The jobs that wait for their turn."""

    def begin_run(self, run: Sharing) -> None:
        """Note that the run begins."""
        self.run = run
        self._shared.open.append(self)
        self._shared.going.add(self._slot)
        if self._window:
            self._shared.admission.add_queue(self._queue, self._window)

    def rest(self) -> None:
        """Note that the run waits for its jobs from now on."""
        self._shared.going.discard(self._slot)
        self._shared.look()

    def end_run(self) -> None:
        """Note that nothing of the run goes on."""
        shared = self._shared
        for slot in list(self._held):
            # a task of a foreign kind may have been cancelled before its first turn
            self.release(slot)
        shared.open.remove(self)
        if self._window:
            shared.admission.remove_queue(self._queue)
        shared.start_ready()

    def wake(self) -> None:
        """Note that the run is over, so that its scheduler will end by itself; nothing new starts."""
        self._shared.going.add(self._slot)
        self.withdraw()

    def withdraw(self) -> list[AbstractJob]:
        """Take back what waits for its turn, and return it."""
        waiting = list(self.waiting)
        if waiting:
            self.waiting = {}
            self._shared.admission.withdraw(lambda item: item[0] is self)
        return waiting

    def ask(self, jobs: Collection[AbstractJob]) -> None:
        """Put in what waits for its turn, and start what may start now, in the runs of all."""
        demands: Mapping[AbstractJob, Demand] = self._shared.demands
        push, queue, tokens, within = self._shared.admission.push, self._queue, int(self._window > 0), self._within
        for job in jobs:
            self.waiting[job] = None
            encloses = isinstance(job, JobGraph)
            priority = 0 if job._aio_tries is None else job._aio_tries.priority(0)
            push((self, job), queue, tokens, priority, demands.get(job, _NOTHING), encloses=encloses, within=within)
        self._shared.start_ready()

    def demand_of(self, job: AbstractJob) -> Demand:
        """Return what a job asks for."""
        return self._shared.demands.get(job, _NOTHING)

    def most_beside(self, kind: str, amounts: Mapping[str, float]) -> float | None:
        """Return how much of a type there is at most, see `Pool.most_beside`."""
        return self._shared.admission.pool.most_beside(kind, amounts)

    def grow(self, job: AbstractJob, resources: Mapping[str, int]) -> None:
        """Have a job ask for other amounts from now on."""
        self._shared.demands[job] = replace(self.demand_of(job), resources=resources)

    def begin(self, job: AbstractJob, slot: int) -> None:
        """Start a job whose turn has come, unless the run is over meanwhile."""
        shared = self._shared
        self._held[slot] = job
        if job not in self.waiting:
            self.release(slot)
            shared._is_due = True
            return
        del self.waiting[job]
        is_scheduler = isinstance(job, JobGraph)
        if is_scheduler:
            is_holding = bool(holds(shared.demands.get(job, _NOTHING)))
            shared.enclosing[job] = (slot, (*self._within, slot) if is_holding else self._within)
        if is_scheduler or not job.forever:
            shared.going.add(slot)
        else:
            shared.endless[slot] = job
        if job in shared.demands:
            job.resources = shared.admission.allocation(slot)
        self.run.start_one(job, slot)

    def release(self, slot: int) -> None:
        """Give back what a job had; nothing is started yet."""
        job = self._held.pop(slot, None)
        if job is not None:
            shared = self._shared
            shared.admission.release(slot)
            shared.going.discard(slot)
            shared.endless.pop(slot, None)
            shared.enclosing.pop(job, None)
