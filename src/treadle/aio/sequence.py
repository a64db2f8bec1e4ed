"""Sequence: jobs that run one after the other. A scheduler takes its jobs and does not keep it."""

from __future__ import annotations

from .job import AbstractJob, Chain, JobHolder, Requirements, flat


class Sequence(Chain):
    """Chains jobs: each requires the one before it.

    Whatever requires a sequence requires its last job.

    :param sequences_or_jobs: jobs, or sequences, whose jobs are taken over
    :param required: what its first job requires
    :param scheduler: a scheduler that its jobs are added to
    """

    def __init__(
        self,
        *sequences_or_jobs: AbstractJob | Sequence | None,
        required: Requirements = None,
        scheduler: JobHolder | None = None,
    ) -> None:
        self.jobs = []
        self.scheduler = scheduler
        self._waiting: list[Requirements] = []
        self.requires(required)
        self.append(*sequences_or_jobs)

    def append(self, *sequences_or_jobs: AbstractJob | Sequence | None) -> None:
        """Chain more jobs to its end."""
        for job in flat(sequences_or_jobs, "sequence"):
            job.requires(self.jobs[-1] if self.jobs else self._waiting)
            self.jobs.append(job)
            if self.scheduler is not None:
                self.scheduler.add(job)

    def requires(self, *requirements: Requirements) -> Sequence:
        """Add to what its first job requires; an empty sequence keeps it for the first that comes."""
        if self.jobs:
            self.jobs[0].requires(*requirements)
        else:
            self._waiting += requirements
        return self

    def close_idle_jobs(self) -> None:
        """Close the coroutines of those of its jobs that were never scheduled."""
        for job in self.jobs:
            if job.is_idle():
                job._aio_close()
