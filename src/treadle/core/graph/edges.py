"""One kind of edge of a graph, kept at both of its ends; it knows nothing of orders and cycles."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable

_NONE: frozenset[Hashable] = frozenset()
_SHORT = 16
"""So many neighbours are searched one by one; above it, a dict tells at once what is among them."""


class Edges:
    """What comes right before each vertex; what comes right after it is worked out when first asked for.

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
