"""What a run does now, as data: for `treadle show`, and for what decides on requests. It changes nothing."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from treadle.command.job import CONSOLE_QUEUE
from treadle.command.walk import usable_cpus
from treadle.control.apply import DRAINING, KILLING, RUNNING, STOPPING
from treadle.core.pool_admission import CPUS
from treadle.scheduling import scheduler as modes

from .walk import PlanWalk

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from treadle.command.walk import CommandWalk
    from treadle.core.time_left import TimeLeft
    from treadle.scheduling.live import Bound
    from treadle.scheduling.scheduler import Scheduler

    from .call import Call

MOST_LISTED = 100
"""So many of what waits are listed; all are counted."""


class RunState:
    """Says what a run does: in the thread of its loop, or in any when no loop runs."""

    def __init__(self) -> None:
        self._time_left: tuple[CommandWalk, TimeLeft] | None = None
        self._ended: set[Hashable] = set()
        """Those that `_time_left` knows to have ended."""
        self._families: tuple[CommandWalk, dict[str, int]] | None = None

    def data(self, call: Call, *, is_paused: bool) -> dict[str, Any]:
        """Return it as data; docs/reference/command.md lists what is in it.

        :param call: the call of the run
        """
        walk = call.stops.walk
        scheduler = None if walk is None else walk.scheduler
        now = monotonic()
        found: dict[str, Any] = {
            "state": _state(call, scheduler),
            "paused": is_paused,
            "took": round(now - call.began, 3),
            "total": 0,
            "ended": 0,
            "running": [],
            "waiting": [],
            "waiting_total": 0,
            "time_left": None,
            "queues": {},
            "resources": {},
            "limits": {},
            "max_running": None,
            "actions": None,
        }
        if walk is None or scheduler is None or not scheduler.thread:
            # a plan is being read, or nothing has begun
            return found
        running = {str(job.uid): job.started_at for job in scheduler.active_jobs}
        found["total"] = len(walk.actions.vertex_data) + walk.untouched
        found["ended"] = walk.untouched + sum(1 for _ in _ended(walk, scheduler))
        found["running"] = [_running(walk, job, now) for job in scheduler.active_jobs]
        self._add_waiting(found, scheduler)
        left = self._time_left_of(walk, scheduler).estimate(running, now)
        found["time_left"] = None if left is None else round(left, 3)
        self._add_bounds(found, walk, scheduler)
        if isinstance(walk, PlanWalk) and walk.plan is not None:
            # of a part of a plan the others are not known
            found["actions"] = walk.plan.actions.keys()
        return found

    def _add_waiting(self, found: dict[str, Any], scheduler: Scheduler) -> None:
        listed: list[dict[str, Any]] = found["waiting"]
        total = 0
        for one in _waiting(scheduler):
            total += 1
            if len(listed) < MOST_LISTED:
                listed.append(one)
        found["waiting_total"] = total

    def _time_left_of(self, walk: CommandWalk, scheduler: Scheduler) -> TimeLeft:
        if self._time_left is None or self._time_left[0] is not walk:
            self._time_left, self._ended = (walk, walk._time_left()), set()
        left = self._time_left[1]
        for uid in _ended(walk, scheduler):
            if uid not in self._ended:
                self._ended.add(uid)
                left.end(str(uid))
        return left

    def _add_bounds(self, found: dict[str, Any], walk: CommandWalk, scheduler: Scheduler) -> None:
        limits: dict[str, Any] = {
            family: {"size": limit, "free": limit} for family, limit in self._families_of(walk).items()
        }
        if walk.live is not None:
            known = {name: limit for name, limit in walk.live.groups.items() if name in limits}
            limits.update({name: {"size": limit, "free": limit} for name, limit in known.items()})
        pool = walk.pool
        if pool is not None:
            from treadle.core.pool import size_of

            for node in pool.nodes:
                for kind, what in node.resources.items():
                    size = size_of(what) + found["resources"].get(kind, {"size": 0})["size"]
                    found["resources"][kind] = {"size": size, "free": size}
        for name, bound in scheduler.bounds().items():
            self._add_bound(found, limits, name, bound)
        if pool is not None:
            for kind, said in found["resources"].items():
                most = pool.most(kind) or 0
                said["most"] = max(most, usable_cpus()) if kind == CPUS else most
        found["limits"] = limits

    def _add_bound(self, found: dict[str, Any], limits: dict[str, Any], name: str, bound: Bound) -> None:
        data = {"size": bound.size, "free": bound.free}
        what, _, which = name.partition(" ")
        if what == "queue":
            if which != CONSOLE_QUEUE:
                found["queues"][which] = data
        elif name == "max_running":
            found["max_running"] = data
        elif name.startswith("limit of "):
            limits[name.removeprefix("limit of ")] = data
        elif what != "mutex":
            found["resources"][name] = data

    def _families_of(self, walk: CommandWalk) -> Mapping[str, int]:
        """Return the limits of families as the plan says them."""
        if self._families is None or self._families[0] is not walk:
            self._families = (walk, {})
            for command in walk.context.actions.values():
                if command.limits.limit is not None:
                    self._families[1][command.limits.group] = command.limits.limit
        return self._families[1]


def _state(call: Call, scheduler: Scheduler | None) -> str:
    stops = call.stops.count
    mode = modes.RUNNING if scheduler is None else scheduler.stop_mode
    if stops >= 2 or mode == modes.KILLING:
        return KILLING
    if stops or mode == modes.STOPPING:
        return STOPPING
    return DRAINING if mode == modes.DRAINING else RUNNING


def _ended(walk: CommandWalk, scheduler: Scheduler) -> Iterator[Hashable]:
    """Yield what has ended for good: not what runs again, or waits for its next attempt."""
    active = {job.uid for job in scheduler.active_jobs}
    return (uid for uid in walk.outcomes if uid not in active and str(uid) not in walk._between)


def _running(walk: CommandWalk, job: Any, now: float) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": str(job.uid),
        "attempt": job.attempt,
        "seconds": round(now - job.started_at, 3),
        "queue": job.queue_name,
        "slot": job.slot,
        "resources": {} if job.resources is None else job.resources.as_data(),
    }
    expected = walk._expected(job.uid)
    if expected is not None:
        data["expected"] = expected
    return data


def _waiting(scheduler: Scheduler) -> Iterator[dict[str, Any]]:
    for one in scheduler.waiting_jobs():
        yield {"name": str(one.job.uid), "queue": one.queue, "lacks": dict(one.lacks)}
    for job, seconds in scheduler.delayed_jobs():
        yield {"name": str(job.uid), "queue": job.queue_name, "lacks": {}, "retry_in": round(seconds, 3)}
