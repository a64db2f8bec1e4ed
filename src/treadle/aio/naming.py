"""Names for the jobs of a scheduler at all depths, and the scheduler as a graph of them. It runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treadle.core.graph.dag import DAG

from .graph import JobGraph, in_order
from .job import AbstractJob, name_of

if TYPE_CHECKING:
    from treadle.core.conditions import Condition


@dataclass(slots=True, frozen=True)
class NamedJob:
    """A job with a name that no other one of its run has.

    :ivar name: its label, after that of the scheduler it is in and a `/`; with a number if it is taken
    :ivar needs: the names of what it waits for; a job in a scheduler waits for what that one requires
    :ivar conditions: name of what it waits for -> how that must have ended, where it says so
    """

    job: AbstractJob
    name: str
    needs: list[str]
    conditions: Mapping[str, Condition]


def named(graph: JobGraph) -> list[NamedJob]:
    """Return all jobs, each after what it needs, and schedulers before what they hold.

    :raises DAGError: if there is none
    """
    return list(_named(graph, "", [], {}, {}))


def as_dag(graph: JobGraph) -> DAG:
    """Return a graph of names, with the jobs as data: for all that shows, measures or compares graphs.

    A scheduler comes before the jobs that it holds; what requires it comes after all of these.

    :raises DAGError: if there is a cycle, or a requirement that is not among the jobs
    """
    dag = DAG()
    for one in named(graph):
        dag.add_vertex(one.name, one.job, {name: one.conditions.get(name) for name in one.needs})
    return dag


def _named(
    graph: JobGraph,
    before: str,
    inherited: list[str],
    ends: dict[AbstractJob, list[str]],
    taken: dict[str, int],
) -> Iterator[NamedJob]:
    """Yield what is in a scheduler.

    :param before: what the names begin with
    :param inherited: what the jobs wait for that require nothing here
    :param ends: filled with the names whose ends are the end of each job
    :param taken: name -> the last number after it, of those that have been given
    """
    jobs = in_order(graph)
    position = {job: number for number, job in enumerate(jobs)}
    for job in jobs:
        name = _free(before + name_of(job), taken)
        required = sorted(job.required, key=position.__getitem__)
        needs = [end for one in required for end in ends[one]] or inherited
        when = job._aio_when or {}
        yield NamedJob(job, name, needs, {end: when[one] for one in required if one in when for end in ends[one]})
        ends[job] = [name]
        if isinstance(job, JobGraph) and job.jobs:
            yield from _named(job, f"{name}/", [name], ends, taken)
            ends[job] = [end for one in job.exit_jobs(discard_forever=False) for end in ends[one]]


def _free(name: str, taken: dict[str, int]) -> str:
    number = taken.get(name, 0)
    free = name
    while free in taken:
        number += 1
        free = f"{name} {number}"
    taken[free] = 1
    taken[name] = max(number, 1)
    return free
