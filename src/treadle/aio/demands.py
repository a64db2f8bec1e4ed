"""Demands: what jobs ask for, as the core takes it. What could never be met is refused before anything starts.

Loaded by runs in which a job asks for something. It starts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from treadle._startup.interpreter import inherited
from treadle.core.pool import Demand, Node, Pool, amount_of, size_of
from treadle.errors import UsageError
from treadle.scheduling.hooks import shown

from .graph import JobGraph, described
from .job import AbstractJob, name_of


def demand_of(job: AbstractJob) -> Demand | None:
    """Return what a job asks for, None if it asks for nothing.

    :raises UsageError: something that it asks for is of a wrong kind
    """
    asks = job._aio_asks
    if asks is None:
        return None
    resources, mutex, exclusive, group, limit = asks
    subject = described(job) if isinstance(job, JobGraph) else f"the job {name_of(job)!r}"
    if not isinstance(resources, Mapping):
        raise UsageError(
            f"{subject} asks for the resources {shown(resources)}", facts=("expected a dict: type -> amount",)
        )
    names = (mutex,) if isinstance(mutex, str) else tuple(mutex) if isinstance(mutex, Iterable) else (None,)
    if not all(isinstance(name, str) and name for name in names):
        raise UsageError(f"{subject} has the mutex {shown(mutex)}", facts=("expected a name, or a list of names",))
    if not isinstance(exclusive, bool):
        raise UsageError(f"{subject} has exclusive={shown(exclusive)}", facts=("expected True or False",))
    amounts = {kind: _amount(subject, kind, amount) for kind, amount in resources.items()}
    try:
        return Demand(amounts, mutex=names, exclusive=exclusive, group=group, limit=limit)
    except UsageError as error:
        raise UsageError(f"{subject}: {error.what}", facts=error.facts) from None


def demands_of(graphs: Sequence[JobGraph], pool: Pool | None) -> tuple[Pool, dict[AbstractJob, Demand]]:
    """Return the pool of a run, and what each job asks for that asks for something.

    Those of nested schedulers have mutexes of ours too: see `_apart`.

    :param graphs: the outermost scheduler, and then those within, each after the one that it is in
    :param pool: what there is; None for what this machine has
    :raises UsageError: a demand is wrong, or could never be met
    """
    demands = {job: demand for graph in graphs for job in graph.jobs if (demand := demand_of(job)) is not None}
    if pool is None:
        if any(demand.resources for demand in demands.values()):
            from treadle.engines.machine import pool_of_machine

            pool = pool_of_machine(inherited())
        else:
            pool = Pool()
    around = _holding(graphs, demands)
    limits: dict[str, AbstractJob] = {}
    for graph in graphs:
        for job in graph.jobs:
            demand = demands.get(job)
            if demand is not None:
                _check(job, demand, pool, [demands[one] for one in around[graph]])
                first = limits.setdefault(demand.group, job) if demand.limit is not None else job
                if demands[first].limit != demand.limit:
                    names = " and ".join(repr(name_of(one)) for one in (first, job))
                    raise UsageError(f"the jobs {names} have different limits for their group {demand.group!r}")
    return pool, demands | _apart(graphs, demands, around)


def _amount(subject: str, kind: object, amount: object) -> Any:
    if not isinstance(amount, str) or not isinstance(kind, str):
        return amount
    number = amount_of(kind, amount)
    if isinstance(number, str):
        raise UsageError(f"{subject} asks for {amount!r} of {kind!r}, which {number}")
    return number


def holds(demand: Demand) -> set[str]:
    """Return the types, and the mutexes, of which one holds something while it runs."""
    types = {kind for kind, amount in demand.resources.items() if amount}
    return types.union(f"mutex {name}" for name in demand.mutex)


def _holding(
    graphs: Sequence[JobGraph], demands: Mapping[AbstractJob, Demand]
) -> dict[JobGraph, tuple[AbstractJob, ...]]:
    """Return for each scheduler those that hold something while its jobs run, itself too; the outermost first."""
    around: dict[JobGraph, tuple[AbstractJob, ...]] = {graphs[0]: ()}
    for graph in graphs:
        for job in graph.jobs:
            if isinstance(job, JobGraph):
                is_holding = job in demands and holds(demands[job])
                around[job] = (*around[graph], job) if is_holding else around[graph]
    return around


def _check(job: AbstractJob, demand: Demand, pool: Pool, around: Sequence[Demand]) -> None:
    """Refuse what the whole pool could not meet, or not besides what the schedulers around the job hold."""
    subject = described(job) if isinstance(job, JobGraph) else f"the job {name_of(job)!r}"
    refused = pool.refusal(demand)
    if refused is not None:
        raise UsageError(
            f"{subject} can never start: {refused}",
            hint="give the outermost scheduler a larger pool, such as pool=Pool({...})",
        )
    if demand.exclusive and isinstance(job, JobGraph) and len(job):
        raise UsageError(
            f"{subject} is exclusive, so that no job in it could ever start",
            hint="say exclusive=True of its jobs",
        )
    held = {name for one in around for name in one.mutex}
    both = next((name for name in demand.mutex if name in held), None)
    if both is not None:
        raise UsageError(
            f"{subject} can never start: a scheduler around it holds the mutex {both!r} until it has ended"
        )
    if around and not _has_room(pool, around, demand):
        raise UsageError(
            f"{subject} can never start: the schedulers around it hold too much of what it asks for",
            facts=(f"it asks for {_told(demand)}", *(f"one around it holds {_told(one)}" for one in around)),
            hint="ask for it in the jobs alone",
        )


def _told(demand: Demand) -> str:
    return ", ".join(f"{amount} of {kind!r}" for kind, amount in demand.resources.items()) or "nothing"


def _has_room(pool: Pool, around: Sequence[Demand], demand: Demand) -> bool:
    """Return whether a node has room for a demand, wherever those around it have found theirs."""
    places = [[node for node in pool.nodes if _fits(node, (), one)] for one in around]
    return all(
        any(
            _fits(node, [one for one, at in zip(around, where, strict=True) if at is node], demand)
            for node in pool.nodes
        )
        for where in product(*places)
    )


def _fits(node: Node, held: Iterable[Demand], demand: Demand) -> bool:
    for kind, amount in demand.resources.items():
        what = node.resources.get(kind, 0)
        used = sum(one.resources.get(kind, 0) for one in held)
        # an instance is full when all its slots are taken: no more are full than this
        full = used if isinstance(what, int) else used // node.slots.get(kind, 1)
        if amount and amount > size_of(what) - full:
            return False
    return True


def _apart(
    graphs: Sequence[JobGraph],
    demands: Mapping[AbstractJob, Demand],
    around: Mapping[JobGraph, tuple[AbstractJob, ...]],
) -> dict[AbstractJob, Demand]:
    """Return the demands of nested schedulers that might wait for each other for ever, with mutexes against it.

    Each of two may hold what a job in the other one asks for. So of those that hold something, and whose jobs ask
    for something, two never run side by side if they have to do with a type that one such scheduler holds and a job
    in one asks for. Those within each other do: what they hold together was checked.
    """
    inside: dict[AbstractJob, set[str]] = {}
    for graph in graphs:
        for job in graph.jobs:
            asked = holds(demands[job]) if job in demands else set()
            for one in around[graph] if asked else ():
                inside.setdefault(one, set()).update(asked)
    held = {one: holds(demands[one]) for one in inside}
    risky = set().union(*held.values()) & set().union(*inside.values())
    numbers = {one: number for number, one in enumerate(inside, 1)}
    apart = {}
    for graph in graphs:
        for job in graph.jobs:
            types = (held[job] | inside[job]) & risky if job in inside else ()
            if types:
                scope = next((numbers[one] for one in reversed(around[graph]) if one in inside), 0)
                # no name of a program begins so
                names = tuple(f"\n{scope} {kind}" for kind in sorted(types))
                demand = demands[job]
                apart[job] = Demand(demand.resources, mutex=(*demand.mutex, *names), exclusive=demand.exclusive)
    return apart


def check_settings(graphs: Sequence[Any]) -> None:
    """Refuse a pool and a limit of the run that are wrong, or that a nested scheduler has.

    :param graphs: the outermost scheduler, and then those within
    """
    top, *within = graphs
    for graph in within:
        for name, value in (("pool", graph._aio_pool), ("max_running", graph._aio_most)):
            if value is not None and value is not getattr(top, "_aio_pool" if name == "pool" else "_aio_most"):
                raise UsageError(
                    f"{described(graph)} has a {name}, and is in another scheduler",
                    facts=("all share that of the outermost one",),
                    hint=f"give {name} to the outermost scheduler"
                    + (", or jobs_window to this one" if name == "max_running" else ""),
                )
    if top._aio_pool is not None and not isinstance(top._aio_pool, Pool):
        raise UsageError(
            f"the pool of {described(top)} is {shown(top._aio_pool)}", facts=("expected a Pool, or None",)
        )
    most = top._aio_most
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise UsageError(
            f"the max_running of {described(top)} is {shown(most)}",
            facts=("expected a whole number above 0, or None",),
        )
