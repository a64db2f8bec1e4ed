"""Queues, tokens, priorities and slots: who may start now. It knows nothing of jobs, graphs or clocks.

The token rules:

- Each queue has a fixed number of tokens. What waits in a queue asks for a number of them and holds them
  from its start to its end; it never holds a part of what it asks for.
- Within a queue the higher priority goes first, and between equals who came first. Nothing overtakes the
  head: if its tokens are not free, the queue waits, so that a large demand is never starved by small ones.
- Queues do not wait for each other.
- A demand that its queue could never meet is refused when it arrives; it never waits.
- A demand of no tokens starts as soon as it is at the head.
- Each one that starts gets the lowest slot number that is free, and gives it back at its end. Slots are
  shared by all queues, so that a running job may own what its number names: a port, a folder.
"""

from __future__ import annotations

from heapq import heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping


class Admission:
    """What waits in queues, and the tokens and slots that are free.

    :param queues: name -> tokens
    """

    __slots__ = ("_arrivals", "_held", "_lines", "_slots_free", "_slots_made", "free", "queues", "waiting")

    def __init__(self, queues: Mapping[str, int]) -> None:
        self.queues = dict(queues)
        self.free = dict(queues)
        self.waiting = 0
        self._lines: dict[str, list[tuple[int, int, int, Hashable]]] = {name: [] for name in queues}
        self._arrivals = 0
        self._held: dict[int, tuple[str, int]] = {}
        self._slots_free: list[int] = []
        self._slots_made = 0

    def refusal(self, queue: str, tokens: int) -> str | None:
        """Return why this demand can never be met, or None if it can."""
        if queue not in self.queues:
            known = ", ".join(sorted(self.queues)) or "there is none"
            return f"there is no queue {queue!r} (known: {known})"
        if tokens < 0:
            return f"it asks for {tokens} tokens"
        if tokens > self.queues[queue]:
            return f"it asks for {tokens} tokens of queue {queue!r}, which has {self.queues[queue]}"
        return None

    def push(self, uid: Hashable, queue: str, tokens: int, priority: int) -> None:
        """Put `uid` into its queue; the demand must be one that `refusal` has nothing against."""
        self._arrivals += 1
        self.waiting += 1
        heappush(self._lines[queue], (-priority, self._arrivals, tokens, uid))

    def admit(self) -> Iterator[tuple[Hashable, int]]:
        """Take out, one after the other, what may start now, each with its slot."""
        for queue, line in self._lines.items():
            while line and line[0][2] <= self.free[queue]:
                _, _, tokens, uid = heappop(line)
                self.free[queue] -= tokens
                self.waiting -= 1
                slot = self._take_slot()
                self._held[slot] = (queue, tokens)
                yield uid, slot

    def release(self, slot: int) -> None:
        """Give back a slot, and the tokens that went with it."""
        queue, tokens = self._held.pop(slot)
        self.free[queue] += tokens
        heappush(self._slots_free, slot)

    def _take_slot(self) -> int:
        if self._slots_free:
            return heappop(self._slots_free)
        self._slots_made += 1
        return self._slots_made - 1
