"""The order among jobs that wait for their turn: those first with which the longest path to the end begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from treadle.core.graph.longest_path import UNKNOWN, longest_paths
from treadle.core.graph.order import Wiring

from .job import AbstractJob


def ranks_of(graphs: Sequence[Iterable[AbstractJob]]) -> dict[AbstractJob, float]:
    """Return job -> the seconds of the longest path that begins with it, also through what comes after its graph.

    :param graphs: the jobs of the outermost scheduler, then those of the ones within; a scheduler gives its jobs
    """
    ranks: dict[AbstractJob, float] = {}
    for graph in graphs:
        # what comes after a scheduler comes after each of its jobs
        after = ranks[graph] - _expected(graph) if isinstance(graph, AbstractJob) and graph in ranks else 0.0
        ranks |= {job: path + after for job, path in _paths(graph).items()}
    return ranks


def _paths(graph: Iterable[AbstractJob]) -> dict[Any, float]:
    jobs = list(graph)
    inside = set(jobs)

    def required(job: Any) -> set[AbstractJob]:
        # a job that runs may have changed what others require
        before = inside.intersection(job.required)
        when = job._aio_when
        # what follows a failure alone is no path: most runs have none
        return (
            before if when is None else {one for one in before if one not in when or when[one].may_follow_success}
        )

    return longest_paths(Wiring(jobs, (required,)), _expected)


def _expected(job: Any) -> float:
    """Return how many seconds a job is expected to take; a scheduler that says nothing: those of its jobs."""
    said: float | None = job._aio_expected
    if said is not None:
        return said
    return max(_paths(job).values(), default=UNKNOWN) if isinstance(job, Iterable) else UNKNOWN
