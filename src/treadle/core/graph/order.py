"""The edges of a graph and their orders: numbered edges, cycles, labels that show at once that an edge closes none.

It knows edges only: no data, no tags, and nothing of what the vertices represent.
"""

from __future__ import annotations

from treadle._startup.interpreter import deque, heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Collection, Generator, Hashable, Iterable, Sequence

    Neighbours = Callable[[Hashable], Iterable[Hashable]]

_NONE: frozenset[Hashable] = frozenset()
_SHORT = 16
"""So many neighbours are searched one by one; above it, a dict shows at once what is among them."""
CYCLE_BUDGET = 3_000_000
"""Edges looked at in search of a shorter cycle before the best one so far has to do."""

GAP = 64
"""A label that moves leaves room for the next: one number for each so many edges looked at so far.

With no room left, two chains that are joined edge by edge would cost the product of their lengths.
"""


SMALL = 1000
"""Vertices of a graph whose numbers are kept in lists: the module `array` takes longer to load than it saves."""


def _numbers(number: int, count: int, vertices: int) -> array[int] | list[int]:
    """Return a number, `count` times, in what suits a graph of that many vertices."""
    if vertices <= SMALL:
        return [number] * count
    from array import array

    return array("q", (number,)) * count


class Edges:
    """One kind of edge, kept at both ends; what comes right after a vertex is worked out when it is first needed.

    The names need not exist yet.
    """

    __slots__ = ("_after", "_before")

    def __init__(self) -> None:
        # Most vertices have few neighbours and get them at once: a tuple is the smallest that holds them.
        self._before: dict[Hashable, tuple[Hashable, ...] | dict[Hashable, None]] = {}
        self._after: dict[Hashable, list[Hashable]] | None = None

    def __bool__(self) -> bool:
        return bool(self._before)

    def before(self, vertex_id: Hashable) -> Collection[Hashable]:
        """Return what comes right before, in the order in which it was given."""
        return self._before.get(vertex_id, ())

    def after(self, vertex_id: Hashable) -> Collection[Hashable]:
        """Return what comes right after."""
        if self._after is None:
            self._after = {}
            for end, starts in self._before.items():
                for start in starts:
                    self._after.setdefault(start, []).append(end)
        return self._after.get(vertex_id, ())

    def set_before(self, vertex_id: Hashable) -> frozenset[Hashable]:
        """Return what comes right before, as a set."""
        starts = self._before.get(vertex_id)
        return frozenset(starts) if starts else _NONE

    def set_after(self, vertex_id: Hashable) -> frozenset[Hashable]:
        """Return what comes right after, as a set."""
        ends = self.after(vertex_id)
        return frozenset(ends) if ends else _NONE

    def new(self, vertex_id: Hashable, starts: Iterable[Hashable] | None) -> tuple[Hashable, ...]:
        """Return those of `starts` that do not come before the vertex yet, each once."""
        if not starts:
            return ()
        known = self._before.get(vertex_id)
        if not known:
            return tuple(dict.fromkeys(starts))
        if len(known) > _SHORT and isinstance(known, tuple):
            known = self._before[vertex_id] = dict.fromkeys(known)
        return tuple(dict.fromkeys(start for start in starts if start not in known))

    def add(self, vertex_id: Hashable, starts: tuple[Hashable, ...]) -> None:
        """Add what `new` returned."""
        if not starts:
            return
        known = self._before.get(vertex_id)
        if not known:
            self._before[vertex_id] = starts
        elif isinstance(known, dict):
            known.update(dict.fromkeys(starts))
        else:
            self._before[vertex_id] = dict.fromkeys((*known, *starts))
        if self._after is not None:
            for start in starts:
                self._after.setdefault(start, []).append(vertex_id)

    def remove(self, vertex_id: Hashable, starts: Collection[Hashable]) -> None:
        """Take away edges that are there."""
        if not starts:
            return
        gone = set(starts)
        kept = tuple(start for start in self._before[vertex_id] if start not in gone)
        if kept:
            self._before[vertex_id] = kept
        else:
            del self._before[vertex_id]
        if self._after is not None:
            for start in gone:
                self._after[start].remove(vertex_id)


class Wiring:
    """The vertices as numbers in the order of their insertion, the edges as arrays of numbers.

    `waits[i]` counts the edges into `i`; the edges out of `i` are a list that starts at `head[i]`.

    :param ids: the vertices
    :param sources: what each vertex comes after
    :param backwards: turn every edge round
    """

    __slots__ = ("head", "ids", "in_insertion_order", "index", "link", "target", "waits")

    def __init__(self, ids: Iterable[Hashable], sources: Sequence[Neighbours], *, backwards: bool = False) -> None:
        self.ids = list(ids)
        self.index = {vertex_id: number for number, vertex_id in enumerate(self.ids)}
        size = len(self.ids)
        self.waits, self.head = _numbers(0, size, size), _numbers(-1, size, size)
        self.link, self.target = _numbers(0, 0, size), _numbers(0, 0, size)
        self.in_insertion_order = True
        """Whether each edge, unturned, leads from a vertex to one that was inserted later."""
        for source in sources:
            self._add_edges(source, backwards)

    def _add_edges(self, source: Neighbours, backwards: bool) -> None:
        index, head, link, target = self.index, self.head, self.link, self.target
        ordered = True
        for number, vertex_id in enumerate(self.ids):
            for before in source(vertex_id):
                start, end = index[before], number
                ordered = ordered and start < end
                if backwards:
                    start, end = end, start
                link.append(head[start])
                head[start] = len(target)
                target.append(end)
                self.waits[end] += 1
        self.in_insertion_order = self.in_insertion_order and ordered

    def after(self, number: int) -> Iterable[int]:
        """Yield the vertices at the ends of the edges that start at `number`."""
        link, target = self.link, self.target
        edge = self.head[number]
        while edge >= 0:
            yield target[edge]
            edge = link[edge]

    def sort(self) -> tuple[list[int], list[int]]:
        """Return the vertices in an order that honours every edge, and those on a cycle or after one."""
        waits = self.waits[:]
        order = [number for number, count in enumerate(waits) if not count]
        for number in order:
            for end in self.after(number):
                waits[end] -= 1
                if not waits[end]:
                    order.append(end)
        return order, [number for number, count in enumerate(waits) if count]

    def shortest_cycle(self, stuck: Iterable[int]) -> list[Hashable]:
        """Return the ids of a shortest cycle, the first vertex at both ends.

        :param stuck: vertices that `sort` could not place
        """
        inside = set(stuck)
        after = {number: {end for end in self.after(number) if end in inside} for number in inside}
        cycle = _shortest_cycle(after)
        first = cycle.index(min(cycle))
        turned = (*cycle[first:], *cycle[:first])
        return [self.ids[number] for number in (*turned, turned[0])]


def _shortest_cycle(after: dict[int, set[int]]) -> list[int]:
    """Return a shortest cycle of a graph that has one; `after` is used up."""
    alone = [number for number, ends in after.items() if number in ends]
    if alone:
        return [min(alone)]
    before: dict[int, set[int]] = {number: set() for number in after}
    for number, ends in after.items():
        for end in ends:
            before[end].add(number)
    _trim(after, before, list(after))
    best: list[int] = []
    budget = CYCLE_BUDGET
    for number in sorted(after):
        if number not in after:
            continue
        cycle, looked = _cycle_through(number, after, len(best))
        best = cycle or best
        budget -= looked
        if budget < 0 and best:
            break
        # No cycle through this vertex can be shorter, so the rest is searched without it.
        touched = [*after[number], *before[number]]
        _drop(number, after, before)
        _trim(after, before, touched)
    return best


def _trim(after: dict[int, set[int]], before: dict[int, set[int]], suspects: list[int]) -> None:
    """Drop vertices that nothing leads to or that lead nowhere, until none is left."""
    while suspects:
        number = suspects.pop()
        if number in after and not (after[number] and before[number]):
            suspects += after[number]
            suspects += before[number]
            _drop(number, after, before)


def _drop(number: int, after: dict[int, set[int]], before: dict[int, set[int]]) -> None:
    for end in after.pop(number):
        before[end].discard(number)
    for start in before.pop(number):
        after[start].discard(number)


def _cycle_through(number: int, after: dict[int, set[int]], limit: int) -> tuple[list[int], int]:
    """Return the shortest cycle through `number` that is shorter than `limit` (0: any), and edges seen."""
    came_from = {number: number}
    queue = deque(((number, 1),))
    looked = 0
    while queue:
        here, length = queue.popleft()
        if limit and length >= limit:
            break
        for end in after[here]:
            looked += 1
            if end == number:
                cycle = [here]
                while cycle[-1] != number:
                    cycle.append(came_from[cycle[-1]])
                return cycle[::-1], looked
            if end not in came_from:
                came_from[end] = here
                queue.append((end, length + 1))
    return [], looked


def shortest_path(source: Hashable, target: Hashable, before: Neighbours) -> list[Hashable] | None:
    """Return the shortest way from `source` to `target`, with at least one edge; None where there is none."""
    leads_to: dict[Hashable, Hashable] = {}
    queue = deque((target,))
    while queue:
        here = queue.popleft()
        for start in before(here):
            if start in leads_to:
                continue
            leads_to[start] = here
            if start == source:
                path = [start]
                while len(path) == 1 or path[-1] != target:
                    path.append(leads_to[path[-1]])
                return path
            queue.append(start)
    return None


class Labels:
    """A number for each vertex, larger at the end of each edge than at its start.

    An edge that agrees with the labels closes no cycle. For one that does not, either its end and what
    comes after are raised, or its start and what comes before are lowered: both are tried in turn,
    an edge at a time, and the one that is through first is taken. Joining two parts costs what the smaller
    one costs.

    :param order: the vertices, in an order that honours every edge
    :param before: the neighbours before a vertex
    :param after: the neighbours after a vertex
    """

    __slots__ = ("_after", "_before", "_top", "_values", "looked")

    def __init__(self, order: Iterable[Hashable], before: Neighbours, after: Neighbours) -> None:
        self._values = {vertex_id: number for number, vertex_id in enumerate(order)}
        self._top = len(self._values)
        self._before = before
        self._after = after
        self.looked = 0
        """Edges looked at so far."""

    def append(self, vertex_id: Hashable) -> None:
        """Take a new vertex, after all others."""
        self._values[vertex_id] = self._top
        self._top += 1

    def agree(self, start: Hashable, end: Hashable) -> bool:
        """Return whether the edge agrees with the labels as they are."""
        return self._values[start] < self._values[end]

    def admit(self, start: Hashable, end: Hashable) -> bool:
        """Make the labels agree with a new edge; return False if it would close a cycle."""
        values = self._values
        if values[start] < values[end]:
            return True
        if start == end:
            return False
        step = 1 + self.looked // GAP
        searches = (
            self._move(end, start, self._after, 1, step),
            self._move(start, end, self._before, -1, step),
        )
        while True:
            for search in searches:
                self.looked += 1
                try:
                    next(search)
                except StopIteration as finished:
                    return self._take(finished.value)

    def _take(self, moved: dict[Hashable, int] | None) -> bool:
        if moved is None:
            return False
        self._values.update(moved)
        self._top = max(self._top, max(moved.values()) + 1)
        return True

    def _move(
        self, first: Hashable, goal: Hashable, neighbours: Neighbours, way: int, step: int
    ) -> Generator[None, None, dict[Hashable, int] | None]:
        """Return the labels to change so that `first` gets beyond `goal`; None if that moves `goal` too.

        :param way: 1 to raise, -1 to lower; it yields once for each edge
        :param step: how far beyond `goal`, where there is room
        """
        values = self._values
        limit = values[goal] * way
        nearest = limit + step + 1
        for other in neighbours(first):
            nearest = min(nearest, values[other] * way)
            yield
            if nearest <= limit + 1:
                break
        if nearest > limit + 1:
            return {first: (nearest - 1) * way}
        moved = {first: (limit + step) * way}
        # By their labels so far, which agree with the edges: each vertex is then moved once and for all.
        heap = [(way * values[first], 0, first)]
        while heap:
            _, _, here = heappop(heap)
            bound = moved[here] + way
            for other in neighbours(here):
                if other == goal:
                    return None
                known = moved.get(other)
                if (values[other] if known is None else known) * way < bound * way:
                    if known is None:
                        heappush(heap, (way * values[other], len(moved), other))
                    moved[other] = bound
                yield
        return moved
