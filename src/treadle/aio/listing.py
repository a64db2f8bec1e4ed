"""Jobs as lines of text: lists and the debriefing. It changes nothing but the numbers that jobs are called by."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator

from .graph import JobGraph, in_order
from .job import AbstractJob, call_hook, name_of


def print_list(graph: JobGraph, details: bool, silent: bool) -> None:
    """Print a line for each job; those of a scheduler among them are indented.

    :param details: print the details of each job below its line
    :param silent: leave out what is done
    :raises DAGError: if no order honours what they require
    """
    lines = list(numbered(graph))
    for depth, job, is_end in lines:
        indent = "> " * depth
        if isinstance(job, JobGraph):
            if is_end:
                exits = numbers("exits", job.exit_jobs())
                print(f"{job.repr_id()} --end-- {'< ' * (depth + 1)}{job.repr_main()} {exits}")
                continue
            after = f" -> {numbers('entries', job.entry_jobs())}"
        else:
            after = ""
        if silent and job.is_done() and not after:
            continue
        words = (job.repr_id(), job.repr_short(), indent + job.repr_main(), job.repr_result(), job.repr_requires())
        print(" ".join(words) + after)
        text = call_hook(job, "details") if details else None
        if text:
            print(text)


def print_safe_list(graph: JobGraph, silent: bool) -> None:
    """Print a line for each job in the order in which they were added; none that honours what they require."""
    number(graph, lambda level: list(level.jobs), ".")
    _print_level(graph, silent, 0)


def _print_level(graph: JobGraph, silent: bool, depth: int) -> None:
    for job in graph.jobs:
        if not (silent and job.is_done()):
            print(f"{job.repr_short()} {'> ' * depth}{job.repr_id()} {job.repr_main()} {job.repr_requires()}")
        if isinstance(job, JobGraph):
            _print_level(job, silent, depth + 1)
            print(f"--end-- {job.repr_id()}")


def print_exceptions(graph: JobGraph) -> None:
    """Print the exceptions of jobs: those of critical ones first, with their stacks."""
    raised = [job for job in graph.iterate_jobs() if job._aio_exception is not None]
    raised += [job for job in _schedulers(graph) if job._aio_exception is not None and not _inherited(job)]
    if not raised:
        return
    critical = [job for job in raised if call_hook(job, "is_critical")]
    print(f"===== {len(raised)} job(s) with an exception, including {len(critical)} critical")
    for job in critical:
        error = job._aio_exception
        assert error is not None
        print(f"----- critical: {job.repr_id()} {job.repr_main()}")
        for part in traceback.format_exception(type(error), error, job._aio_stack):
            for line in part.splitlines():
                print(f"    {line}")
    for job in raised:
        if job not in critical:
            print(f"non-critical: {name_of(job)}: {type(job._aio_exception).__name__}: {job._aio_exception}")


def numbers(what: str, jobs: Iterable[AbstractJob]) -> str:
    """Return the numbers of some jobs: `entries={1, 2}`, or `entries=` if there are none."""
    ids = sorted((job.repr_id() for job in jobs), key=lambda text: (len(text), text))
    return f"{what}={{{', '.join(ids)}}}" if ids else f"{what}="


def numbered(graph: JobGraph) -> Iterator[tuple[int, AbstractJob, bool]]:
    """Give all jobs their numbers; yield depth and job, schedulers a second time with True at their end.

    :raises DAGError: if no order honours what they require
    """
    number(graph)
    yield from _walked(graph, 0)


def _walked(graph: JobGraph, depth: int) -> Iterator[tuple[int, AbstractJob, bool]]:
    for job in in_order(graph):
        yield depth, job, False
        if isinstance(job, JobGraph):
            yield from _walked(job, depth + 1)
            yield depth, job, True


def number(graph: JobGraph, order: Callable[[JobGraph], list[AbstractJob]] = in_order, before: str = "") -> None:
    """Give each job its number, from 1; a scheduler comes before what it holds."""
    count = sum(1 for _ in graph.iterate_jobs(scan_schedulers=True)) - isinstance(graph, AbstractJob)
    width = len(str(count))
    last = 0

    def visit(level: JobGraph) -> None:
        nonlocal last
        for job in order(level):
            last += 1
            job._aio_set_number(f"{before}{last:0{width}}")
            if isinstance(job, JobGraph):
                visit(job)

    visit(graph)


def _schedulers(graph: JobGraph) -> list[AbstractJob]:
    found = graph.iterate_jobs(scan_schedulers=True)
    return [job for job in found if isinstance(job, JobGraph) and job is not graph]


def _inherited(job: AbstractJob) -> bool:
    """Return whether a scheduler has only passed on what a job in it has raised."""
    inside = job.iterate_jobs() if isinstance(job, JobGraph) else ()
    return any(one._aio_exception is job._aio_exception for one in inside)
