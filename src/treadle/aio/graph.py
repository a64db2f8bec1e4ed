"""JobGraph: jobs and what they require: queries, checks and edits. It runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from operator import attrgetter
from typing import Any, Self

from treadle.core.graph.algorithms import reached
from treadle.core.graph.countdown import Countdown
from treadle.core.graph.order import Wiring
from treadle.errors import DAGError, UsageError, listed, shortened

from .job import AbstractJob, Chain, flat, name_of
from .jobs import Jobs


class JobGraph:
    """The jobs of a scheduler, in the order in which they were added.

    :param jobs_or_sequences: jobs, sequences, lists of those; None for nothing
    """

    def __init__(self, *jobs_or_sequences: Any) -> None:
        self.jobs = Jobs(self)
        self.update(jobs_or_sequences)

    def add(self, job: Any) -> Any:
        """Add a job, or the jobs of a sequence; return what was given."""
        self.update((job,))
        return job

    def update(self, jobs: Iterable[Any] | Chain) -> Self:
        """Add jobs and those of sequences; return the scheduler itself.

        :param jobs: an iterable of jobs and sequences, or one sequence
        """
        for job in flat((jobs,) if isinstance(jobs, Chain) else jobs, "scheduler"):
            self.jobs.add(job)
        return self

    def remove(self, job: AbstractJob) -> Self:
        """Remove a job; return the scheduler itself.

        :raises KeyError: if it is not there
        """
        self.jobs.remove(job)
        return self

    def __len__(self) -> int:
        return len(self.jobs)

    def __iter__(self) -> Iterator[AbstractJob]:
        return iter(self.jobs)

    def iterate_jobs(self, scan_schedulers: bool = False) -> Iterator[AbstractJob]:
        """Yield all jobs, and those of the schedulers that are among them.

        :param scan_schedulers: yield the schedulers too, this one first
        """
        if scan_schedulers and isinstance(self, AbstractJob):
            yield self
        for job in self.jobs:
            if isinstance(job, JobGraph):
                yield from job.iterate_jobs(scan_schedulers)
            else:
                yield job

    def topological_order(self) -> Iterator[AbstractJob]:
        """Yield the jobs, each after all that it requires, as added where that leaves a choice.

        :raises DAGError: if there is a cycle, or a requirement that is not among the jobs
        """
        yield from in_order(self)

    def entry_jobs(self) -> Iterator[AbstractJob]:
        """Yield the jobs that require nothing."""
        return (job for job in self.jobs if not job.required)

    def exit_jobs(self, *, discard_forever: bool = True, compute_backlinks: bool = True) -> Iterator[AbstractJob]:  # noqa: ARG002 - nothing is kept that could be stale
        """Yield the jobs that no other one requires.

        :param discard_forever: leave out those that run for ever
        :param compute_backlinks: accepted for old programs, and not used
        """
        required = self._required()
        return (job for job in self.jobs if job not in required and not (discard_forever and job.forever))

    def predecessors(self, *starts: AbstractJob) -> set[AbstractJob]:
        """Return the jobs that these require."""
        return {before for job in starts for before in job.required if before in self.jobs}

    def successors(self, *starts: AbstractJob, compute_backlinks: bool = True) -> Iterator[AbstractJob]:  # noqa: ARG002 - nothing is kept that could be stale
        """Yield the jobs that require one of these.

        :param compute_backlinks: accepted for old programs, and not used
        """
        wanted = set(starts)
        return (job for job in self.jobs if not wanted.isdisjoint(job.required))

    def predecessors_upstream(self, *starts: AbstractJob) -> set[AbstractJob]:
        """Return the jobs that these require, what those require, and so on."""
        return _closure(starts, {job: job.required for job in self.jobs}, self.jobs)

    def successors_downstream(self, *starts: AbstractJob, compute_backlinks: bool = True) -> set[AbstractJob]:  # noqa: ARG002 - nothing is kept that could be stale
        """Return the jobs that require one of these, what requires those, and so on.

        :param compute_backlinks: accepted for old programs, and not used
        """
        return _closure(starts, self._after(), self.jobs)

    def check_cycles(self) -> bool:
        """Return whether the jobs can be put in order, also within the schedulers that are among them."""
        try:
            for graph in levels(self):
                counted(graph)
        except (DAGError, UsageError):
            return False
        return True

    def sanitize(self, verbose: bool | None = None) -> bool:
        """Remove requirements that are not in the scheduler of their job; return whether there were none.

        :param verbose: print what is removed; None: if the scheduler is verbose
        """
        prints = bool(getattr(self, "verbose", False) if verbose is None else verbose)
        was_clean = True
        for graph in levels(self):
            for job in graph.jobs:
                outside = {before for before in job.required if before not in graph.jobs}
                if outside:
                    was_clean = False
                    job.required -= outside
                    if prints:
                        names = listed(sorted(repr(name_of(before)) for before in outside))
                        print(
                            f"WARNING: {job.repr_main()} requires no longer what is not in its scheduler: {names}"
                        )
        return was_clean

    def bypass_and_remove(self, job: AbstractJob) -> None:
        """Remove a job; the jobs that required it require what it required, under the same conditions.

        :raises ValueError: if it is not there
        """
        if job not in self.jobs:
            raise ValueError(f"the job {name_of(job)!r} is not in {self!r}")
        for after in self.successors(job):
            after.requires(job, remove=True)
            when = job._aio_when or {}
            for before in job.required - after.required:
                after.requires(before, when=when.get(before))
        self.jobs.remove(job)
        self.sanitize()

    def keep_only(self, remains: Iterable[Any]) -> None:
        """Remove all other jobs, and the requirements that are gone then.

        :param remains: jobs and sequences
        """
        self.jobs.keep(flat(remains, "scheduler"))
        self.sanitize()

    def keep_only_between(
        self,
        *,
        starts: Iterable[Any] | None = None,
        ends: Iterable[Any] | None = None,
        keep_starts: bool = True,
        keep_ends: bool = True,
    ) -> None:
        """Remove all jobs that are not after some jobs and before others.

        :param starts: jobs and sequences; None or none: no limit
        :param ends: likewise
        :param keep_starts: keep the starts themselves
        :param keep_ends: keep the ends themselves
        """
        first, last = list(flat(starts or (), "scheduler")), list(flat(ends or (), "scheduler"))
        kept = set(self.jobs)
        if first:
            kept &= self.successors_downstream(*first)
        if last:
            kept &= self.predecessors_upstream(*last)
        kept.update(first if keep_starts else (), last if keep_ends else ())
        self.keep_only(kept)

    def _aio_listen(self, listener: Callable[[str, AbstractJob], object] | None) -> None:
        """Call a function with what happens to the jobs of a run."""

    def _required(self) -> set[AbstractJob]:
        return set().union(*(job.required for job in self.jobs))

    def _after(self) -> dict[AbstractJob, list[AbstractJob]]:
        after: dict[AbstractJob, list[AbstractJob]] = {job: [] for job in self.jobs}
        for job in self.jobs:
            for before in job.required:
                if before in after:
                    after[before].append(job)
        return after


def levels(graph: JobGraph) -> Iterator[JobGraph]:
    """Yield a scheduler and all schedulers in it, at any depth.

    :raises UsageError: if one of them holds itself or is there twice
    """
    seen = {id(graph)}
    todo = [graph]
    while todo:
        here = todo.pop()
        yield here
        for job in here.jobs:
            if isinstance(job, JobGraph):
                if id(job) in seen:
                    raise UsageError(f"the scheduler {name_of(job)!r} holds itself, or is in two schedulers")
                seen.add(id(job))
                todo.append(job)


def counted(graph: JobGraph) -> Countdown:
    """Return what each job of one scheduler waits for.

    :raises DAGError: if there is a cycle, or a requirement that is not among the jobs
    """
    countdown = Countdown(graph.jobs, _required)
    if not countdown.in_order:
        in_order(graph)
    return countdown


def in_order(graph: JobGraph) -> list[AbstractJob]:
    """Return the jobs of one scheduler, each after all that it requires.

    :raises DAGError: if there is a cycle, or a requirement that is not among the jobs
    """
    try:
        wiring = Wiring(graph.jobs, (_required,))
    except KeyError:
        raise _outside(graph) from None
    jobs: list[Any] = wiring.ids
    if wiring.in_insertion_order:
        return jobs
    order, stuck = wiring.sort()
    if stuck:
        raise _cycle(wiring.shortest_cycle(stuck))
    return [jobs[number] for number in order]


_required = attrgetter("required")


def _closure(
    starts: Iterable[AbstractJob], edges: dict[AbstractJob, Any], inside: Collection[AbstractJob]
) -> set[AbstractJob]:
    def near(job: AbstractJob) -> list[AbstractJob]:
        return [one for one in edges.get(job, ()) if one in inside]

    return set(reached(dict.fromkeys(one for start in starts for one in near(start)), near))


def _cycle(cycle: list[Any]) -> DAGError:
    count = len(cycle) - 1
    path = " -> ".join(shortened([name_of(job) for job in cycle]))
    return DAGError(f"a cycle of {count} {'job' if count == 1 else 'jobs'}: {path}")


def _outside(graph: JobGraph) -> DAGError:
    job, outside = next((job, one) for job in graph.jobs for one in job.required if one not in graph.jobs)
    holders = [holder for ref in outside._aio_holders if (holder := ref()) is not None and outside in holder.jobs]
    where = f"it is in {described(holders[0])}" if holders else "it is in no scheduler"
    return DAGError(
        f"the job {name_of(job)!r} requires {name_of(outside)!r}, which is not in its scheduler",
        facts=(where,),
        hint="add it, or let sanitize() take away such requirements",
    )


def described(graph: Any) -> str:
    """Return the name of a scheduler for messages."""
    label = name_of(graph) if isinstance(graph, AbstractJob) and (graph.label or graph.text_label()) else ""
    return f"the scheduler {label!r}" if label else f"a {type(graph).__name__} without a label"
