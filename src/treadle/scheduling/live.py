"""Limits that are changed while jobs run, and what waits for which of them. Lowering one ends nothing."""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from treadle.core.pool_admission import FAMILY, MUTEX, OF_RUN
from treadle.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from treadle.core.admission import Admission
    from treadle.core.pool_admission import PoolAdmission

    from .job import Job


class Bound(NamedTuple):
    """How much there is of something that jobs hold while they run.

    :ivar size: how much of it may be used now
    :ivar free: how much is free; less than nothing after `size` was lowered, until enough has ended
    """

    size: int
    free: int


class Waiting(NamedTuple):
    """A job that may start as far as the graph goes, and waits.

    :ivar lacks: what it asks for that is not free, with the amount: `queue net`, `gpus`, `limit of fit`,
        `mutex db`, `max_running`; empty where it waits for others before it
    """

    job: Job
    queue: str
    lacks: Mapping[str, int]


class LiveLimits:
    """The limits that were changed, kept over all schedulers of a run. All else is as these have it.

    :ivar queues: name -> tokens
    :ivar resources: type -> how much may be used on each node
    :ivar groups: the group of a limit, such as a family of actions -> how many of it may run
    :ivar max_running: how many may run, over all queues; None where this was not changed
    :ivar on_standstill: called once each time that nothing runs, and nothing can start because of this
    """

    def __init__(self) -> None:
        self.queues: dict[str, int] = {}
        self.resources: dict[str, int] = {}
        self.groups: dict[str, int] = {}
        self.max_running: int | None = None
        self.on_standstill: Callable[[], None] | None = None
        self._stands_still = False
        self._lock = allocate_lock()

    def change(
        self,
        queues: Mapping[str, int] | None = None,
        resources: Mapping[str, int] | None = None,
        groups: Mapping[str, int] | None = None,
        max_running: int | None = None,
    ) -> None:
        """Change some limits, which the scheduler has to take over; any thread may call this."""
        with self._lock:
            # others may be going through the ones of before
            self.queues = {**self.queues, **(queues or {})}
            self.resources = {**self.resources, **(resources or {})}
            self.groups = {**self.groups, **(groups or {})}
            self.max_running = self.max_running if max_running is None else max_running
            self._stands_still = False

    def take_over(self, admission: Admission, pooled: PoolAdmission | None) -> None:
        """Make them count in an admission.

        :param pooled: the same as one with a pool, None without one
        """
        for name, tokens in self.queues.items():
            if name in admission.free:
                admission.set_tokens(name, tokens)
        if self.max_running is not None:
            admission.set_most(self.max_running)
        if pooled is not None:
            for kind, amount in self.resources.items():
                pooled.set_amount(kind, amount)
            for group, limit in self.groups.items():
                pooled.set_limit(group, limit)

    def note_standstill(self) -> None:
        """Say that nothing runs and nothing can start; once until a limit is changed."""
        if not self._stands_still and self.on_standstill is not None:
            self._stands_still = True
            self.on_standstill()


def bounds_of(admission: Admission, pooled: PoolAdmission | None) -> dict[str, Bound]:
    """Return what jobs hold while they run: `queue NAME`, types, `limit of GROUP`, `mutex NAME`, `max_running`."""
    found = {f"queue {name}": Bound(free + admission.held_of(name), free) for name, free in admission.free.items()}
    if pooled is not None:
        found |= {_named(kind): Bound(*bound) for kind, bound in pooled.bounds().items()}
    elif admission.most is not None:
        found[_named(OF_RUN)] = Bound(admission.most, admission.most - len(admission.taken))
    return found


def _named(kind: str) -> str:
    if kind == OF_RUN:
        return "max_running"
    for prefix, word in ((FAMILY, "limit of"), (MUTEX, "mutex")):
        if kind.startswith(prefix):
            return f"{word} {kind.removeprefix(prefix)}"
    return kind


def waiting_in(admission: Admission, pooled: PoolAdmission | None) -> Iterator[Waiting]:
    """Yield what waits, in the order in which it goes: of each queue, or of the whole pool."""
    if pooled is not None:
        for job, queue, tokens, lacked in pooled.pending():
            lacks = {_named(kind): amount for kind, amount in lacked}
            if tokens > admission.free[queue]:
                lacks[f"queue {queue}"] = tokens
            yield Waiting(job, queue, lacks)
        return
    is_full = admission.most is not None and len(admission.taken) >= admission.most
    heads: set[str] = set()
    for job, queue, tokens, _ in admission.items():
        # nothing overtakes the head of a queue, so what comes after one that waits waits for the same
        lacks = {f"queue {queue}": tokens} if tokens > admission.free[queue] or queue in heads else {}
        if lacks:
            heads.add(queue)
        yield Waiting(job, queue, lacks | ({"max_running": 1} if is_full else {}))


def check_limits(queues: object, resources: object, groups: object, max_running: object) -> None:
    """Look whether limits are what `LiveLimits.change` takes.

    :raises UsageError: they are not
    """
    for what, given in (("queues", queues), ("resources", resources), ("limits", groups)):
        if given is not None and not isinstance(given, Mapping):
            raise UsageError(f"the {what} are {given!r}", facts=("expected a dict: name -> a whole number",))
        for name, number in (given or {}).items():
            if not isinstance(name, str) or not _is_whole(number) or number < 0:
                raise UsageError(
                    f"{what} has {name!r}: {number!r}", facts=("expected a name and a whole number of 0 or more",)
                )
    if max_running is not None and (not _is_whole(max_running) or max_running < 1):  # type: ignore[operator]
        raise UsageError(f"max_running is {max_running!r}", facts=("expected a whole number above 0",))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
