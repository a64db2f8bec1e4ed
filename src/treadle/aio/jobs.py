"""Jobs: the set of jobs of a scheduler, in the order in which they were added. It knows nothing of their graph."""

from __future__ import annotations

from collections.abc import MutableSet
from weakref import ref

from .job import AbstractJob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any


class Jobs(MutableSet[AbstractJob]):
    """A set that keeps its order; each job remembers the sets that it has been added to.

    :param owner: the scheduler whose jobs these are
    """

    def __init__(self, owner: object) -> None:
        self._jobs: dict[AbstractJob, None] = {}
        self.homes: tuple[ref[Any], ...] = (ref(owner),)
        """What a job that has been added here and nowhere else has as its homes."""

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> set[Any]:
        """Return what operators such as `|` make: a plain set, no jobs of a scheduler."""
        return set(it)

    def add(self, value: AbstractJob) -> None:
        """Add a job."""
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
