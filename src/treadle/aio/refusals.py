"""Checks of a scheduler that is about to run: what is wrong is refused by name, before anything starts."""

from __future__ import annotations

from types import CoroutineType

from treadle.errors import UsageError

from .graph import JobGraph, counted, described, levels
from .job import AbstractJob, Job, name_of, used_up


def check(top: JobGraph) -> list[JobGraph]:
    """Refuse what cannot run, here and in all schedulers within; return these, this one first.

    If nothing is refused, what a previous run has set in the jobs is reset.

    :raises DAGError: if there is a cycle, or a requirement that is not among the jobs
    :raises RunError: if a job was used already, or is being used
    :raises UsageError: if a job is in two schedulers, or a coroutine in two jobs
    """
    graphs = list(levels(top))
    used = []
    for graph in graphs:
        holders = graph.jobs.holders
        # of many jobs nearly all are new and in one scheduler: skip these quickly
        odd = [job for job in graph.jobs if job._aio_holders is not holders or job._aio_phase or job._aio_closed]
        for job in odd:
            _check_holders(graph, job)
            if job._aio_is_used_up():
                raise used_up(job)
        used += odd
        if graph is not top:
            # the one that runs now is counted anyway
            counted(graph)
    _check_coroutines(graphs)
    for job in used:
        job._aio_forget()
    return graphs


def _check_holders(graph: JobGraph, job: AbstractJob) -> None:
    for ref in job._aio_holders:
        other = ref()
        if other is not None and other is not graph and job in other.jobs:
            names = " and ".join(sorted(described(one) for one in (graph, other)))
            raise UsageError(
                f"the job {name_of(job)!r} is in two schedulers: {names}",
                hint="remove() it from one of them",
            )


def _check_coroutines(graphs: list[JobGraph]) -> None:
    plain = [job for graph in graphs for job in graph.jobs if isinstance(job, Job)]
    awaited = [job.corun for job in plain]
    awaited += [job.coshutdown for job in plain if job.coshutdown is not None]
    if len(set(awaited)) == len(awaited):
        return
    owners: dict[int, Job] = {}
    for job in plain:
        for one in (job.corun, job.coshutdown):
            first = owners.setdefault(id(one), job)
            if first is not job and isinstance(one, CoroutineType):
                names = " and ".join(repr(name_of(owner)) for owner in (first, job))
                raise UsageError(
                    f"two jobs share one coroutine: {names}",
                    hint="a coroutine runs once: call the function once for each job",
                )
