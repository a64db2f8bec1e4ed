"""Jobs: the set of jobs of a scheduler, in the order in which they were added. It knows nothing of their graph."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, MutableSet
from typing import Any
from weakref import ref

from .job import AbstractJob


def _warn(job: AbstractJob, why: str) -> None:
    # its class may not have made what its text_label() needs
    name = f"job {job.label!r}" if job.label else f"{type(job).__name__} without a label"
    logging.getLogger("treadle.aio").warning("the %s will not run: it was added while %s", name, why)


class Jobs(MutableSet[AbstractJob]):
    """A set that keeps its order; each job keeps references to the owners of the sets that it has been added to.

    :param owner: the scheduler whose jobs these are
    """

    def __init__(self, owner: object) -> None:
        self._jobs: dict[AbstractJob, None] = {}
        self._run: str | None = None
        """The run that is under way, in words; None while there is none."""
        self.holders: tuple[ref[Any], ...] = (ref(owner),)
        """The holders of a job that has been added here and nowhere else."""

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> set[Any]:
        """Return the result of operators such as `|`: a plain set, no jobs of a scheduler."""
        return set(it)

    def add(self, value: AbstractJob) -> None:
        """Add a job; while a run is under way, a warning in the log says that it will not run."""
        if self._run is not None and value not in self._jobs:
            _warn(value, self._run)
        self._jobs[value] = None
        value._aio_join(self.holders)

    def begin_run(self, run: str) -> None:
        """Warn of jobs that are added from now on.

        :param run: which run they come too late for, in words
        """
        self._run = run

    def end_run(self) -> None:
        """Warn no more."""
        self._run = None

    def discard(self, value: AbstractJob) -> None:
        """Remove a job, if it is there."""
        self._jobs.pop(value, None)

    def keep(self, wanted: Iterable[object]) -> None:
        """Remove all other jobs."""
        kept = set(wanted)
        self._jobs = {job: None for job in self._jobs if job in kept}

    def __contains__(self, x: object) -> bool:
        return x in self._jobs

    def __iter__(self) -> Iterator[AbstractJob]:
        return iter(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs)

    def __repr__(self) -> str:
        return repr(set(self._jobs))
