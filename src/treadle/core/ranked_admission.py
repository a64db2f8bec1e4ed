"""RankedAdmission: admission by tokens where more waits than may start, so that it matters what goes first.

Among equal priorities the higher rank goes first, and between equals what came first. All else is as in Admission.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .admission import Admission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Self


def ranked(admission: Admission, rank_of: Callable[[Any], float]) -> Admission:
    """Return an admission that goes on from one, in which the higher rank goes first among equal priorities.

    :param rank_of: returns the rank of an item, always the same
    """
    if type(admission) is Admission:
        return RankedAdmission.continuing(admission, rank_of)
    # here, as most runs ask for no resources
    from .pool_admission import PoolAdmission

    assert isinstance(admission, PoolAdmission)
    admission.rank_by(rank_of)
    return admission


class RankedAdmission(Admission):
    """Admission by tokens and ranks.

    :param queues: name -> tokens
    :param rank_of: returns the rank of an item, always the same
    :param most: how many may run at the same time, over all queues; None for any number
    """

    __slots__ = ("rank_of",)

    def __init__(self, queues: Mapping[str, int], rank_of: Callable[[Any], float], most: int | None = None) -> None:
        super().__init__(queues, most)
        self.rank_of = rank_of

    @classmethod
    def continuing(cls, before: Admission, rank_of: Callable[[Any], float]) -> Self:
        """Return one that goes on from an admission without ranks, which is not changed."""
        new = cls(before.queues, rank_of, before.most)
        new._slots_free, new._slots_made = list(before._slots_free), before._slots_made
        new.free, new._held = dict(before.free), dict(before._held)
        for one in before.items():
            new.push(*one)
        return new

    def push(self, item: Any, queue: str, tokens: int, priority: int) -> None:
        """Put an item into a queue; `refusal` must have returned None for its demand."""
        self._lines[queue].push(item, tokens, (-priority, -self.rank_of(item)))
        self.waiting += 1

    @property
    def is_short(self) -> bool:
        """Whether ranks would matter and are not known: they are."""
        return False

    def items(self) -> Iterator[tuple[Any, str, int, int]]:
        """Yield what waits in the order in which it goes: the item, its queue, tokens and priority."""
        for queue, lines in self._lines.items():
            for item, tokens, key in lines.items():
                yield item, queue, tokens, -key[0]
