"""RareCollection: the garbage collector looks seldom while much is made that stays. It knows nothing of jobs."""

from __future__ import annotations

import gc


class RareCollection:
    """Lets the garbage collector look seldom, as a context manager.

    The thresholds are those of the whole process; they are put back at the end.
    """

    def __enter__(self) -> None:
        self._before = gc.get_threshold()
        if self._before[0]:
            gc.set_threshold(max(_COLLECT_EACH, self._before[0]), 20, 50)

    def __exit__(self, *_: object) -> None:
        gc.set_threshold(*self._before)


_COLLECT_EACH = 50_000
"""New objects after which the collector looks at the young ones."""
