"""Queues, tokens, priorities and slots: what may start now. It knows nothing of jobs, graphs or clocks.

The token rules:

- Each queue has a fixed number of tokens. What waits in a queue asks for a number of them and holds them
  from its start to its end; it never holds a part of what it asks for.
- Within a queue the higher priority goes first, and between equals what came first. Nothing overtakes the
  head: if its tokens are not free, the queue waits, so that a large demand is never starved by small ones.
- Queues do not wait for each other. Only where a limit of the run bounds how many run over all of them, that goes
  first which is first of what all of them let in; between equals the queue that was named first.
- A demand that its queue could never meet is refused when it arrives; it never waits.
- A demand of no tokens starts as soon as it is at the head.
- Each one that starts gets the lowest slot number that is free, and gives it back at its end. Slots are
  shared by all queues, so that a running job may own what its number names: a port, a folder.
"""

from __future__ import annotations

from treadle._startup.interpreter import deque, heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any


class _Line:
    """What waits in one queue, in the order in which it goes: the least key first, a line for each key."""

    __slots__ = ("_by_key", "_keys")

    def __init__(self) -> None:
        self._by_key: dict[Any, deque[tuple[Any, int]]] = {}
        self._keys: list[Any] = []

    def push(self, item: Any, tokens: int, key: Any) -> None:
        """Put in what asks for so many tokens."""
        line = self._by_key.get(key)
        if line is None:
            line = self._by_key[key] = deque()
            heappush(self._keys, key)
        line.append((item, tokens))

    def first(self) -> deque[tuple[Any, int]]:
        """Return those of the first key; empty if nothing waits."""
        line: deque[tuple[Any, int]] = deque()
        while self._keys:
            line = self._by_key[self._keys[0]]
            if line or len(self._keys) == 1:
                break
            del self._by_key[heappop(self._keys)]
        return line

    @property
    def least(self) -> Any:
        """The key of those that `first` has returned."""
        return self._keys[0]

    def items(self) -> Iterator[tuple[Any, int, Any]]:
        """Yield what waits, in the order in which it goes: the item, its tokens and its key."""
        for key in sorted(self._by_key):
            for item, tokens in self._by_key[key]:
                yield item, tokens, key


class Admission:
    """What waits in queues, and the tokens and slots that are free.

    :param queues: name -> tokens
    :param most: how many may run at the same time, over all queues; None for any number
    """

    __slots__ = ("_held", "_lines", "_slots_free", "_slots_made", "free", "most", "queues", "waiting")

    def __init__(self, queues: Mapping[str, int], most: int | None = None) -> None:
        self.most = most
        self.queues = dict(queues)
        self.free = dict(queues)
        self.waiting = 0
        self._lines = {name: _Line() for name in queues}
        self._held: dict[int, tuple[str, int]] = {}
        self._slots_free: list[int] = []
        self._slots_made = 0

    def refusal(self, queue: str, tokens: int) -> str | None:
        """Return why this demand can never be met, or None if it can."""
        if queue not in self.queues:
            from treadle.errors import listed

            known = listed(sorted(self.queues)) or "there is none"
            return f"there is no queue {queue!r} (known: {known})"
        if tokens < 0:
            return f"it asks for {tokens} tokens"
        if tokens > self.queues[queue]:
            return f"it asks for {tokens} tokens of queue {queue!r}, which has {self.queues[queue]}"
        return None

    def push(self, item: Any, queue: str, tokens: int, priority: int) -> None:
        """Put an item into a queue; `refusal` must have returned None for its demand."""
        self._lines[queue].push(item, tokens, -priority)
        self.waiting += 1

    @property
    def is_short(self) -> bool:
        """Whether more waits than may start, so that ranks would matter; False where they are known."""
        if self.waiting < 2 or (self.most is not None and self.waiting + len(self._held) > self.most):
            return self.waiting > 1
        return any(sum(one[1] for one in line.items()) > self.free[queue] for queue, line in self._lines.items())

    def admit(self) -> Iterator[tuple[Any, int]]:
        """Take out, one after the other, what may start now, each with its slot."""
        if self.most is not None:
            yield from self._admit_up_to(self.most)
            return
        for queue, lines in self._lines.items():
            while (line := lines.first()) and line[0][1] <= self.free[queue]:
                yield self._take_out(queue, line)

    def _admit_up_to(self, most: int) -> Iterator[tuple[Any, int]]:
        """Do what `admit` does, while fewer than so many run: the first of all queues goes first."""
        while len(self._held) < most:
            firsts = [
                (lines.least, queue, line)
                for queue, lines in self._lines.items()
                if (line := lines.first()) and line[0][1] <= self.free[queue]
            ]
            if not firsts:
                return
            _, queue, line = min(firsts, key=lambda first: first[0])
            yield self._take_out(queue, line)

    def _take_out(self, queue: str, line: deque[tuple[Any, int]]) -> tuple[Any, int]:
        """Take out the first of a line, and return it with its slot."""
        item, tokens = line.popleft()
        self.free[queue] -= tokens
        self.waiting -= 1
        slot = self._take_slot()
        self._held[slot] = (queue, tokens)
        return item, slot

    def release(self, slot: int) -> None:
        """Give back a slot, and the tokens that went with it."""
        queue, tokens = self._held.pop(slot)
        self.free[queue] += tokens
        heappush(self._slots_free, slot)

    def items(self) -> Iterator[tuple[Any, str, int, int]]:
        """Yield what waits in the order in which it goes: the item, its queue, tokens and priority."""
        for queue, lines in self._lines.items():
            for item, tokens, key in lines.items():
                yield item, queue, tokens, -key

    def set_tokens(self, queue: str, tokens: int) -> None:
        """Change how many tokens a queue has; what runs keeps what it holds, so less than none may be free.

        `refusal` goes on from the most that it ever had: what asks for more than there is now waits.
        """
        self.free[queue] = tokens - self.held_of(queue)
        self.queues[queue] = max(self.queues[queue], tokens)

    @property
    def waits_for_limits(self) -> bool:
        """Whether something waits, and all of it for limits that were lowered."""
        firsts: dict[str, int] = {}
        for _, queue, tokens, _ in self.items():
            firsts.setdefault(queue, tokens)
        return bool(firsts) and all(tokens > self._size_of(queue) for queue, tokens in firsts.items())

    def _size_of(self, queue: str) -> int:
        """Return how many tokens a queue has now, free or held."""
        return self.free[queue] + self.held_of(queue)

    def held_of(self, queue: str) -> int:
        """Return how many tokens of a queue are held."""
        return sum(held for name, held in self._held.values() if name == queue)

    def set_most(self, most: int | None) -> None:
        """Change how many may run at the same time; what runs goes on."""
        self.most = most

    @property
    def taken(self) -> Collection[int]:
        """The slots that are not free."""
        return self._held.keys()

    def _take_slot(self) -> int:
        if self._slots_free:
            return heappop(self._slots_free)
        self._slots_made += 1
        return self._slots_made - 1
