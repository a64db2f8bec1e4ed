"""Countdown: which vertices wait for nothing more, as others are done. It knows nothing of what they represent.

DAGIterator does the same for a `DAG`, by number and in small arrays; this is for a caller that holds its vertices
itself and looks once at each of them: half the time, three times the memory.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from collections.abc import Set as AbstractSet
    from typing import Any


class Countdown:
    """What each vertex still waits for, as a number.

    :param vertices: in any order; `in_order` says whether that order honours the edges
    :param before: what each of them waits for
    """

    __slots__ = ("_behind", "_waits", "first", "in_order")

    def __init__(self, vertices: Iterable[Any], before: Callable[[Any], AbstractSet[Any]]) -> None:
        self.first: list[Any] = []
        """Those that wait for nothing."""
        self._behind: defaultdict[Any, list[Any]] = defaultdict(list)
        self._waits: dict[Any, int] = {}
        seen: set[Any] = set()
        is_before = seen.issuperset
        in_order = True
        for vertex in vertices:
            starts = before(vertex)
            if starts:
                in_order = in_order and is_before(starts)
                self._waits[vertex] = len(starts)
                for start in starts:
                    self._behind[start].append(vertex)
            else:
                self.first.append(vertex)
            seen.add(vertex)
        self.in_order = in_order
        """Whether all that a vertex waits for came before it; where not, there may be a cycle."""

    def leave(self, vertex: Any) -> Collection[Any]:
        """Note that a vertex is done; return those that wait for nothing more now, in the order they came in."""
        ends = self._behind.get(vertex)
        if ends is None:
            return ()
        waits = self._waits
        ready = []
        for end in ends:
            left = waits[end] - 1
            waits[end] = left
            if not left:
                ready.append(end)
        return ready
