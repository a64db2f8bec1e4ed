"""Jobs: the set of jobs of a scheduler, in the order in which they were added. It knows nothing of their graph."""

from __future__ import annotations

from collections.abc import MutableSet
from weakref import ref

from .job import AbstractJob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any


def _warn(job: AbstractJob, why: str) -> None:
    import logging

    # its class may not have made what its text_label() needs
    name = f"job {job.label!r}" if job.label else f"{type(job).__name__} without a label"
    logging.getLogger("treadle.aio").warning("the %s will not run: it was added while %s", name, why)


class Jobs(MutableSet[AbstractJob]):
    """A set that keeps its order; each job remembers the sets that it has been added to.

    :param owner: the scheduler whose jobs these are
    """

    def __init__(self, owner: object) -> None:
        self._jobs: dict[AbstractJob, None] = {}
        self.too_late: str | None = None
        """Why what is added now is not part of a run; None while no run is under way."""
        self.homes: tuple[ref[Any], ...] = (ref(owner),)
        """What a job that has been added here and nowhere else has as its homes."""

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> set[Any]:
        """Return what operators such as `|` make: a plain set, no jobs of a scheduler."""
        return set(it)

    def add(self, value: AbstractJob) -> None:
        """Add a job; while a run is under way, a warning in the log says that it will not run."""
        if self.too_late is not None and value not in self._jobs:
            _warn(value, self.too_late)
        self._jobs[value] = None
        if not value._aio_homes:
            value._aio_homes = self.homes
        elif self.homes[0] not in value._aio_homes:
            value._aio_homes += self.homes

    def discard(self, value: AbstractJob) -> None:
        """Take out a job, if it is there."""
        self._jobs.pop(value, None)

    def keep(self, wanted: Iterable[object]) -> None:
        """Take out all that are not wanted."""
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
