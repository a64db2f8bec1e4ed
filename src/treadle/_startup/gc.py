"""RareCollection: the garbage collector looks seldom while much is made that stays. It knows nothing of walks."""

from __future__ import annotations

import gc


class RareCollection:
    """Lets the garbage collector look seldom while a run grows, and not at what was there before: that stays.

    Both is for the whole process, and is put back at the end. A run inside of another one changes nothing, and
    nothing is frozen where the program has frozen objects.
    """

    __slots__ = ("_before", "_freezes", "_is_ours")

    def __enter__(self) -> None:
        self._before = gc.get_threshold()
        self._is_ours = 0 < self._before[0] < _COLLECT_EACH
        self._freezes = self._is_ours and not gc.get_freeze_count()
        if self._freezes:
            gc.freeze()
        if self._is_ours:
            gc.set_threshold(_COLLECT_EACH, 20, 50)

    def __exit__(self, *_: object) -> None:
        if self._freezes:
            # what the run has made is old from here on, without a look at each of it
            gc.freeze()
            gc.unfreeze()
        if self._is_ours:
            gc.set_threshold(*self._before)


_COLLECT_EACH = 50_000
"""New objects after which the collector looks at the young ones."""
