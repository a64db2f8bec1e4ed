"""PoolAdmission: what may start now where attempts ask for more than tokens. It knows no jobs, graphs or clocks.

The rules, beyond those of the tokens:

- All of a demand is given at once or nothing of it, and nothing is held while it waits.
- The order is priority, then rank, then what came first. Equal demands of one queue form a line, and only the first
  of a line is looked at. At most LOOKED_PAST of them that do not fit are looked past in one pass; what waits for a
  limit to be raised that was lowered does not count for these.
- The first in order that fits the pool and lacks tokens closes its queue for this pass. What does not fit the pool
  closes nothing: what comes after it may start.
- A start that takes of a type which one before it asks for is counted against that one. After MOST_PASSED of these
  the first such one gets the *reservation*: its node is fixed, and there others get only what it does not need.
  There is one reservation at a time. What has it starts at the latest when all has ended that ran there when the
  reservation was made, and its queue has tokens.
- What is exclusive starts when nothing runs, and nothing starts until it ends. Those that wait for the same go one
  after the other.
- What *encloses* others, and ends only after them, does not count as running for what is exclusive or for the limit
  of the run. What is within one that holds something goes first and is always looked at, and a reservation that was
  made after the start of this one does not bind it: all that it holds comes back the sooner.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from treadle.errors import InternalError

from .admission import Admission
from .pool import Allocation, Demand, Room, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from typing import Any

    from .pool import Pool

LOOKED_PAST = 32
"""How many that do not fit are looked past in one pass."""
MOST_PASSED = 8
"""How many starts may pass over one that asks for the same before it gets the reservation."""
CPUS = "cpus"
"""The type of which an attempt in the default queue takes one where it does not say."""
DEFAULT_QUEUE = "default"
OF_RUN, FAMILY, MUTEX = "_run", "_family:", "_mutex:"
"""Types of our own: how many may run; with the name of a group, how many of it; a name that one may have."""

_Head = tuple["_Entry", int, "_Line"]
"""The first of a line, as an element of a heap: the entry, the number of the element, the line."""


class _Entry(list[float]):
    """One that waits: its place in the order, and how often it was passed over.

    As a list of the negated priority, the negated rank and a number of its own it is compared without any Python.
    """

    __slots__ = ("item", "passed")

    def __init__(self, priority: float, rank: float, number: int, item: Any) -> None:
        super().__init__((-priority, -rank, number))
        self.item = item
        self.passed = 0


class _Line:
    """Those of one queue with equal demands, in order."""

    __slots__ = (
        *("encloses", "entries", "exclusive", "lacked", "need", "number", "queue", "rooms", "shared", "tokens"),
        *("types", "within"),
    )

    def __init__(
        self,
        queue: str,
        tokens: int,
        need: dict[str, int],
        shared: dict[str, int],
        exclusive: bool,
        rooms: list[Room],
        encloses: bool = False,
        within: tuple[int, ...] = (),
    ) -> None:
        self.rooms = rooms
        """The nodes that may meet it."""
        self.queue = queue
        self.tokens = tokens
        self.encloses = encloses
        self.within = within
        """The slots of those that enclose it and hold something, the outermost first."""
        self.need = need
        """type -> how much it asks for of one node."""
        self.shared = shared
        """type -> how much it asks for of what is counted over all nodes."""
        self.exclusive = exclusive
        self.types = frozenset((*need, *shared))
        self.entries: list[_Entry] = []
        self.lacked = ("", 0)
        """The type that was short at the last look, and how much it asks for: on one machine looked at first."""
        self.number = 0
        """That of its newest element among the heads; older ones are stale."""

    def head(self) -> _Head:
        """Return a new element for the first of them."""
        self.number += 1
        return (self.entries[0], self.number, self)

    def competes(self, other: _Line) -> bool:
        """Return whether the start of one takes of what the other asks for."""
        return self.exclusive or other.exclusive or not self.types.isdisjoint(other.types)


class _Held:
    """What one that runs has."""

    __slots__ = ("chosen", "line", "room")

    def __init__(self, line: _Line, room: Room, chosen: dict[str, list[int]]) -> None:
        self.line = line
        self.room = room
        self.chosen = chosen


class _Reservation:
    """Room that is kept for one that was passed over."""

    __slots__ = ("entry", "kept", "line", "room", "since", "taken")

    def __init__(self, line: _Line, entry: _Entry, room: Room, full: Mapping[str, Collection[int]]) -> None:
        self.line = line
        self.entry = entry
        self.room = room
        self.kept = {
            kind: frozenset(_emptiest(room, kind, number, full.get(kind, ())))
            for kind, number in line.need.items()
            if kind in room.ids
        }
        """type -> the instances that nothing else gets."""
        self.since: set[int] = set()
        """The slots of those that have started since."""
        self.taken: dict[str, int] = {}
        """type -> what these hold of the node, and of what is counted over all nodes."""

    def binds(self, line: _Line) -> bool:
        """Return whether it is kept from others of this line: not from what the end of its own node waits for."""
        ours, since = self.line.within, self.since
        return all(slot in ours or slot in since for slot in line.within)

    def is_on_closed(self) -> bool:
        """Return whether instances are kept that nothing gets any more, as there are to be fewer."""
        return any(not ids.isdisjoint(self.room.closed.get(kind, ())) for kind, ids in self.kept.items())

    def note(self, slot: int, held: _Held, sign: int) -> None:
        """Note that one has started since, or has ended (-1)."""
        if sign > 0:
            self.since.add(slot)
        elif slot in self.since:
            self.since.discard(slot)
        else:
            return
        here = held.line.need if held.room is self.room else {}
        for kind, amount in (*here.items(), *held.line.shared.items()):
            self.taken[kind] = self.taken.get(kind, 0) + sign * amount


class PoolAdmission(Admission):
    """Admission by tokens and by a pool.

    :param queues: name -> tokens
    :param pool: what there is
    :param most: how many may run at the same time, over all queues; None for any number
    """

    __slots__ = (
        *("_after_exclusive", "_alone", "_busy", "_declared", "_heads", "_is_lowered", "_line_of", "_number"),
        *("_reservation", "_rooms"),
        *("_shared", "_sites", "_taken", "pool", "rank_of"),
    )

    def __init__(self, queues: Mapping[str, int], pool: Pool, most: int | None = None) -> None:
        super().__init__(queues, most)
        self.pool = pool
        self.rank_of: Callable[[Any], float] | None = None
        """Returns the rank of an item; None as long as ranks are not known."""
        self._rooms = [Room(node.name, node.resources, node.slots) for node in pool.nodes]
        self._sites: dict[str, list[Room]] = {}
        """Site -> the nodes of it."""
        for room, node in zip(self._rooms, pool.nodes, strict=True):
            self._sites.setdefault(node.site, []).append(room)
        limits = {} if most is None else {OF_RUN: most}
        self._shared = Room("the run", limits, {})
        """What is counted over all nodes: the limits of groups and of the run, and mutexes."""
        self._declared: dict[str, int] = {}
        """The limits of groups as demands say them; what counts may be another one, see `set_limit`."""
        self._line_of: dict[Any, _Line] = {}
        self._heads: dict[str, list[_Head]] = {name: [] for name in queues}
        """queue -> a heap of the first of each line; an element whose number is not that of its line is stale."""
        self._number = 0
        self._is_lowered = False
        """Whether there may be less of something than waiting jobs have been promised."""
        self._taken: dict[int, _Held] = {}
        self._reservation: _Reservation | None = None
        self._alone: int | None = None
        """The slot of what is exclusive and runs."""
        self._after_exclusive = False
        """Whether something exclusive has ended since the last pass."""
        self._busy = 0
        """How many run that enclose nothing."""

    @classmethod
    def continuing(cls, before: Admission, pool: Pool) -> PoolAdmission:
        """Return one that goes on from an admission by tokens alone, which is not changed.

        What runs holds from now on what a demand of tokens takes.
        """
        new = cls(before.queues, pool, before.most)
        new._slots_free, new._slots_made = list(before._slots_free), before._slots_made
        new.free, new.rank_of = dict(before.free), getattr(before, "rank_of", None)
        for slot, (queue, tokens) in before._held.items():
            line = new._line(queue, tokens, None)
            new._take(slot, line, line.rooms[0], {})
        for item, queue, tokens, priority in before.items():
            new.push(item, queue, tokens, priority)
        return new

    def refusal(self, queue: str, tokens: int, demand: Demand | None = None) -> str | None:
        """Return why this demand can never be met, or None if it can."""
        refused = super().refusal(queue, tokens)
        if refused or demand is None:
            return refused
        if demand.limit is not None:
            known = self._declared.get(_group(demand))
            if known is not None and known != demand.limit:
                return f"its group {demand.group!r} has the limit {known}, and it says {demand.limit}"
        return self.pool.refusal(demand)

    def push(
        self,
        item: Any,
        queue: str,
        tokens: int,
        priority: float,
        demand: Demand | None = None,
        *,
        encloses: bool = False,
        within: tuple[int, ...] = (),
    ) -> None:
        """Put an item into a queue; `refusal` must have returned None for its demand.

        :param encloses: whether it ends only after others that are within it
        :param within: the slots of those that enclose it and hold something, the outermost first
        """
        line = self._line(queue, tokens, demand, encloses, within)
        self._number += 1
        rank = 0.0 if self.rank_of is None else self.rank_of(item)
        entry = _Entry(float("inf") if within else priority, rank, self._number, item)
        heappush(line.entries, entry)
        if line.entries[0] is entry:
            heappush(self._heads[queue], line.head())
        self.waiting += 1

    @property
    def is_short(self) -> bool:
        """Whether more may wait than may start, so that ranks would matter; False where they are known."""
        if self.rank_of is not None or self.waiting < 2:
            return False
        lines = [(line, len(line.entries)) for line in self._line_of.values() if line.entries]
        if len(self._rooms) > 1 or any(line.exclusive for line, _ in lines):
            return True
        asked = (
            (self.free, [(line.queue, line.tokens * count) for line, count in lines]),
            (
                self._rooms[0].available,
                [(kind, n * count) for line, count in lines for kind, n in line.need.items()],
            ),
            (
                self._shared.available,
                [(kind, n * count) for line, count in lines for kind, n in line.shared.items()],
            ),
        )
        return any(_exceeds(free, amounts) for free, amounts in asked)

    def rank_by(self, rank_of: Callable[[Any], float]) -> None:
        """Make the higher rank go first among equal priorities, of what waits and of what comes later."""
        self.rank_of = rank_of
        self._heads = {name: [] for name in self.queues}
        for line in self._line_of.values():
            for entry in line.entries:
                entry[1] = -rank_of(entry.item)
            if line.entries:
                heapify(line.entries)
                heappush(self._heads[line.queue], line.head())

    def admit(self) -> Iterator[tuple[Any, int]]:
        """Take out, one after the other, what may start now, each with its slot."""
        if self._alone is not None:
            return
        yield from self._admit_first()
        passed: list[_Line] = []
        looked_past = 0
        aside: list[_Head] = []
        free = self._rooms[0].available if len(self._rooms) == 1 else None
        queues = [heads for heads in self._heads.values() if heads]
        try:
            while looked_past <= LOOKED_PAST and (head := self._first_of(queues)) is not None:
                line = head[2]
                kind, amount = line.lacked
                if free is not None and amount and free.get(kind, 0) < amount:
                    aside.append(head)
                    passed.append(line)
                    looked_past += self._counts_as_looked_past(line)
                    continue
                entry = line.entries[0]
                room = self._room_for(line, entry)
                if room is None:
                    aside.append(head)
                    passed.append(line)
                    looked_past += self._counts_as_looked_past(line)
                elif line.tokens > self.free[line.queue]:
                    aside.append(head)
                    closed = self._heads[line.queue]
                    queues = [heads for heads in queues if heads is not closed]
                else:
                    slot = self._start(line, entry, room)
                    for other in passed:
                        if other.tokens <= self.free[other.queue] and line.competes(other):
                            other.entries[0].passed += 1
                    yield entry.item, slot
        finally:
            for head in aside:
                heappush(self._heads[head[2].queue], head)
        if self._reservation is None:
            self._reserve(passed)

    def release(self, slot: int) -> None:
        """Give back a slot, and the tokens and resources that went with it.

        :raises InternalError: nothing has this slot, or more would be given back than was taken
        """
        held = self._taken.get(slot)
        if held is None:
            raise InternalError(f"slot {slot} is given back, and nothing has it")
        line = held.line
        held.room.check_return(line.need, held.chosen)
        self._shared.check_return(line.shared, {})
        del self._taken[slot]
        self._busy -= not line.encloses
        held.room.give_back(line.need, held.chosen)
        self._shared.give_back(line.shared, {})
        if self._reservation is not None:
            self._reservation.note(slot, held, -1)
            if self._reservation.is_on_closed():
                self._reservation = None
        if slot == self._alone:
            self._alone = None
            self._after_exclusive = True
        super().release(slot)

    def allocation(self, slot: int) -> Allocation:
        """Return what the one with this slot holds."""
        held = self._taken[slot]
        ids = {kind: tuple(held.room.ids[kind][index] for index in chosen) for kind, chosen in held.chosen.items()}
        variables = {kind: name for kind, name in self.pool.variables.items() if self.pool.most(kind)}
        return Allocation(held.room.name, dict(held.line.need), ids, variables)

    def withdraw(self, is_gone: Callable[[Any], bool]) -> None:
        """Take out of the queues what is not to start any more."""
        for line in self._line_of.values():
            left = [entry for entry in line.entries if not is_gone(entry.item)]
            if len(left) == len(line.entries):
                continue
            self.waiting -= len(line.entries) - len(left)
            heapify(left)
            line.entries = left
            if left:
                heappush(self._heads[line.queue], line.head())
        if self._reservation is not None and is_gone(self._reservation.entry.item):
            self._reservation = None

    def add_queue(self, name: str, tokens: int) -> None:
        """Add a queue."""
        self.queues[name] = self.free[name] = tokens
        self._heads[name] = []

    def remove_queue(self, name: str) -> None:
        """Remove a queue in which nothing waits, and of which nothing runs."""
        del self.queues[name], self.free[name], self._heads[name]
        self._line_of = {key: line for key, line in self._line_of.items() if line.queue != name}

    def resize(self, kind: str, size: int) -> None:
        """Set how much there is of an amount on each node that has it, or of a limit; what runs goes on."""
        self._is_lowered = True
        for room in (self._shared, *self._rooms):
            if kind in room.size:
                room.resize(kind, size)
        kept = self._reservation
        if kept is not None and not (
            kept.room.could_meet(kept.line.need) and self._shared.could_meet(kept.line.shared)
        ):
            self._reservation = None

    def set_amount(self, kind: str, amount: int) -> None:
        """Change how much of a type may be used on each node, up to what that has; what runs goes on.

        Of processors more may be used: how many there are is said by the limit of the default queue, too.
        """
        self._is_lowered = True
        for room, node in zip(self._rooms, self.pool.nodes, strict=True):
            if kind in room.size:
                room.resize(kind, amount if kind == CPUS else min(amount, size_of(node.resources[kind])))
        self._reservation = None

    def set_limit(self, group: str, limit: int) -> None:
        """Change how many of a group may run at the same time; what runs goes on."""
        self._is_lowered = True
        self._shared.resize(_family(group), limit)
        self._reservation = None

    def set_tokens(self, queue: str, tokens: int) -> None:
        """Change how many tokens a queue has; what runs keeps what it holds."""
        super().set_tokens(queue, tokens)
        # what has it may lack tokens from now on, and is not to keep others from starting
        self._reservation = None

    def set_most(self, most: int | None) -> None:
        """Change how many may run at the same time; what runs goes on."""
        self.most = most
        lines = [line for line in self._line_of.values() if not line.encloses]
        if most is None:
            for line in lines:
                line.shared.pop(OF_RUN, None)
            self._shared.size.pop(OF_RUN, None)
            return
        for line in lines:
            line.shared[OF_RUN] = 1
            line.types = line.types | {OF_RUN}
        self._shared.resize(OF_RUN, most)
        self._shared.available[OF_RUN] = most - sum(not held.line.encloses for held in self._taken.values())
        # what it counts was counted without this type
        self._reservation = None

    @property
    def waits_for_limits(self) -> bool:
        """Whether something waits, and all of it for limits that were lowered."""
        lines = [line for line in self._line_of.values() if line.entries]
        closed = {line.queue for line in lines if line.tokens > self._size_of(line.queue)}
        return bool(lines) and all(line.queue in closed or not self._could_meet(line) for line in lines)

    def _could_meet(self, line: _Line) -> bool:
        """Return whether the pool as it is now, with nothing running, has what a line asks for."""
        return self._shared.could_meet(line.shared) and any(room.could_meet(line.need) for room in line.rooms)

    def bounds(self) -> dict[str, tuple[int, int]]:
        """Return what may be used and what is free, over all nodes: type -> both."""
        found: dict[str, tuple[int, int]] = {}
        for room in (*self._rooms, self._shared):
            for kind, size in room.size.items():
                whole, free = found.get(kind, (0, 0))
                found[kind] = (whole + size, free + room.available[kind])
        return found

    def pending(self) -> list[tuple[Any, str, int, tuple[tuple[str, int], ...]]]:
        """Return what waits, in order: the item, its queue, its tokens, and what it asks for that is not free.

        That is a list of types with the amounts; one that waits for others, or is exclusive, may lack nothing.
        """
        found = []
        for line in self._line_of.values():
            lacked = self._lacked_by(line) if line.entries else ()
            found += [(entry, line, lacked) for entry in line.entries]
        found.sort(key=lambda one: one[0])
        return [(entry.item, line.queue, line.tokens, lacked) for entry, line, lacked in found]

    def _lacked_by(self, line: _Line) -> tuple[tuple[str, int], ...]:
        """Return what a line asks for that is not free, on the node that lacks least."""
        room = min(line.rooms, key=lambda room: room.lacking(_known(line.need, room)))
        asked = [(room.available, line.need), (self._shared.available, line.shared)]
        return tuple((kind, n) for free, need in asked for kind, n in need.items() if free.get(kind, 0) < n)

    def _line(
        self,
        queue: str,
        tokens: int,
        demand: Demand | None,
        encloses: bool = False,
        within: tuple[int, ...] = (),
    ) -> _Line:
        """Return the line of those with this demand."""
        if demand is None:
            demand = Demand(queue=queue, tokens=tokens)
        key = (
            *(queue, tokens, demand.exclusive, demand.mutex, demand.group, demand.limit, demand.site, encloses),
            within,
            *sorted(demand.resources.items()),
        )
        line = self._line_of.get(key)
        if line is None:
            line = self._line_of[key] = self._new_line(queue, tokens, demand, encloses, within)
        return line

    def _new_line(self, queue: str, tokens: int, demand: Demand, encloses: bool, within: tuple[int, ...]) -> _Line:
        need = {kind: amount for kind, amount in demand.resources.items() if amount}
        rooms = self._rooms_at(demand.site)
        if queue == DEFAULT_QUEUE and CPUS not in demand.resources and self.pool.at(demand.site).most(CPUS):
            need[CPUS] = 1
        limits = {f"{MUTEX}{name}": 1 for name in demand.mutex}
        if demand.limit is not None:
            limits[_group(demand)] = demand.limit
        for kind, size in limits.items():
            self._declared.setdefault(kind, size)
            if kind not in self._shared.size:
                self._shared.resize(kind, size)
        of_run = () if self.most is None or encloses else (OF_RUN,)
        shared = dict.fromkeys((*limits, *of_run), 1)
        return _Line(queue, tokens, need, shared, demand.exclusive, rooms, encloses, within)

    def _rooms_at(self, site: str) -> list[Room]:
        """Return the nodes that may meet a demand for a site."""
        return self._rooms if len(self._sites) == 1 else self._sites.get(site) or self._sites.get("", [])

    def _first_of(self, queues: list[list[_Head]]) -> _Head | None:
        """Take out the first head of these queues; those in which nothing waits are taken out of the list."""
        best: list[_Head] | None = None
        is_empty = False
        for heads in queues:
            while heads and not (heads[0][2].entries and heads[0][1] == heads[0][2].number):
                heappop(heads)
            if not heads:
                is_empty = True
            elif best is None or heads[0] < best[0]:
                best = heads
        if is_empty:
            queues[:] = [heads for heads in queues if heads]
        return None if best is None else heappop(best)

    def _admit_first(self) -> Iterator[tuple[Any, int]]:
        """Admit what comes before the order: what has the reservation, and the next exclusive one after another."""
        kept = self._reservation
        if kept is not None and kept.line.tokens <= self.free[kept.line.queue]:
            room = self._room_for(kept.line, kept.entry)
            if room is not None:
                yield kept.entry.item, self._start(kept.line, kept.entry, room)
        if self._after_exclusive:
            self._after_exclusive = False
            lines = [
                line
                for line in self._line_of.values()
                if line.exclusive and line.entries and line.tokens <= self.free[line.queue]
            ]
            for line in sorted(lines, key=lambda line: line.entries[0]):
                entry = line.entries[0]
                room = self._room_for(line, entry)
                if room is not None:
                    yield entry.item, self._start(line, entry, room)

    def _room_for(self, line: _Line, entry: _Entry) -> Room | None:
        """Return where one fits now, None if it does not."""
        if self._alone is not None or (line.exclusive and self._busy):
            return None
        kept = self._reservation
        if kept is not None:
            if kept.entry is entry:
                return kept.room if self._fits_kept(kept) else None
            if not kept.binds(line):
                kept = None
            elif kept.line.exclusive:
                return None
        for kind in line.shared:
            if self._available(self._shared, kind, kept) < 1:
                return None
        best, least = None, 0.0
        for room in line.rooms:
            free = room.available
            for kind, amount in line.need.items():
                if free.get(kind, 0) < amount:
                    line.lacked = (kind, amount)
                    break
            else:
                if kept is not None and kept.room is room and not self._is_spare(line.need, kept):
                    continue
                if len(line.rooms) == 1:
                    return room
                left = room.left_over(line.need)
                if best is None or left < least:
                    best, least = room, left
        return best

    def _counts_as_looked_past(self, line: _Line) -> bool:
        """Return whether one that does not fit is one of the few that are looked past.

        What waits for a limit to be raised may do so for long, and must not keep others from being looked at.
        """
        return not line.within and (not self._is_lowered or self._could_meet(line))

    def _fits_kept(self, kept: _Reservation) -> bool:
        """Return whether what has the reservation can start."""
        if any(self._shared.available[kind] < amount for kind, amount in kept.line.shared.items()):
            return False
        room = kept.room
        return all(
            all(room.left[kind][index] > 0 for index in kept.kept[kind])
            if kind in kept.kept
            else room.available[kind] >= amount
            for kind, amount in kept.line.need.items()
        )

    def _is_spare(self, need: Mapping[str, int], kept: _Reservation) -> bool:
        """Return whether the node of a reservation has what others need, in addition to what is kept."""
        return all(self._available(kept.room, kind, kept) >= amount for kind, amount in need.items())

    def _available(self, room: Room, kind: str, kept: _Reservation | None) -> int:
        """Return how much one may take of a type that a reservation binds, None if none does."""
        available = room.available[kind]
        if kept is None or room not in (kept.room, self._shared):
            return available
        if kind in kept.kept and room is kept.room:
            return sum(left > 0 and index not in kept.kept[kind] for index, left in enumerate(room.left[kind]))
        need = (kept.line.need if room is kept.room else kept.line.shared).get(kind)
        return available if need is None else min(available, room.size[kind] - need - kept.taken.get(kind, 0))

    def _start(self, line: _Line, entry: _Entry, room: Room) -> int:
        """Give one what it asks for, and return its slot."""
        kept = self._reservation
        if line.entries[0] is entry:
            heappop(line.entries)
            if line.entries:
                heappush(self._heads[line.queue], line.head())
        else:
            line.entries.remove(entry)
            heapify(line.entries)
        self.waiting -= 1
        if kept is not None and kept.entry is entry:
            chosen = {kind: sorted(indexes) for kind, indexes in kept.kept.items()}
            self._reservation = None
        else:
            blocked = kept.kept if kept is not None and kept.room is room and kept.binds(line) else {}
            chosen = {
                kind: room.choose(kind, number, blocked.get(kind, ()))
                for kind, number in line.need.items()
                if kind in room.ids
            }
        slot = self._take_slot()
        self.free[line.queue] -= line.tokens
        self._take(slot, line, room, chosen)
        return slot

    def _take(self, slot: int, line: _Line, room: Room, chosen: dict[str, list[int]]) -> None:
        """Note what the one with this slot holds; its tokens were taken before."""
        room.take(line.need, chosen)
        self._shared.take(line.shared, {})
        held = self._taken[slot] = _Held(line, room, chosen)
        self._held[slot] = (line.queue, line.tokens)
        self._busy += not line.encloses
        if line.exclusive:
            self._alone = slot
        # what it does not bind counts for a part of what ran before
        if self._reservation is not None and self._reservation.binds(line):
            self._reservation.note(slot, held, 1)

    def _reserve(self, passed: list[_Line]) -> None:
        """Make the reservation for the first that was passed over too often."""
        for line in passed:
            entry = line.entries[0]
            if entry.passed >= MOST_PASSED and line.tokens <= self.free[line.queue]:
                around = {room: self._held_around(line, room) for room in line.rooms}
                rooms = [
                    room
                    for room, (held, _) in around.items()
                    if room.could_meet(_sum(line.need, held)) and room.has_open(line.need)
                ]
                # a limit that was lowered meanwhile must not keep others from starting
                if rooms and self._shared.could_meet(line.shared):
                    room = min(rooms, key=lambda room: room.lacking(line.need))
                    self._reservation = _Reservation(line, entry, room, around[room][1])
                    return

    def _held_around(self, line: _Line, room: Room) -> tuple[dict[str, int], dict[str, set[int]]]:
        """Return what those hold of a place that enclose a line: type -> how much, and its full instances."""
        amounts: dict[str, int] = {}
        full: dict[str, set[int]] = {}
        if line.within:
            around = [held for slot in line.within if (held := self._taken[slot]).room is room]
            for held in around:
                amounts = _sum(amounts, {kind: n for kind, n in held.line.need.items() if kind not in held.chosen})
            for kind in room.ids:
                taken = [index for held in around for index in held.chosen.get(kind, ())]
                full[kind] = {index for index in taken if taken.count(index) >= room.slots[kind]}
                amounts[kind] = len(full[kind])
        return amounts, full


def _group(demand: Demand) -> str:
    return _family(demand.group)


def _family(group: str) -> str:
    return f"{FAMILY}{group}"


def _known(need: Mapping[str, int], room: Room) -> dict[str, int]:
    return {kind: amount for kind, amount in need.items() if kind in room.available}


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {**other, **{kind: amount + other.get(kind, 0) for kind, amount in one.items()}}


def _exceeds(free: Mapping[str, int], amounts: Iterable[tuple[str, int]]) -> bool:
    """Return whether more is asked for of something, all in all, than is free."""
    wanted: dict[str, int] = {}
    for what, amount in amounts:
        wanted[what] = wanted.get(what, 0) + amount
    return any(amount > free.get(what, 0) for what, amount in wanted.items())


def _emptiest(room: Room, kind: str, number: int, full: Collection[int]) -> list[int]:
    """Return the instances with the most free slots that are not among the full ones, then the lowest."""
    left, closed = room.left[kind], room.closed.get(kind, ())
    may = [index for index in range(len(left)) if index not in full and index not in closed]
    return sorted(may, key=lambda index: -left[index])[:number]
