"""Interpreter: what this process does with Python itself to start and run quickly. It imports nothing of ours.

- `deque` and the heap functions come from where they are made: `collections` and `heapq` import what no run needs,
  which takes 2 ms, a tenth of a run with one edited file.
- RareCollection makes the garbage collector run seldom while a plan or a run makes objects that stay.
- `inherited` returns the environment that this process was given, without what the interpreter has put into it.
"""

from __future__ import annotations

import gc
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Mapping
    from heapq import heappop, heappush
else:
    from _collections import deque
    from _heapq import heappop, heappush

__all__ = ["RareCollection", "deque", "heappop", "heappush", "inherited", "own_ctype"]

LC_CTYPE = "LC_CTYPE"
_SET_BY_PYTHON = ("C.UTF-8", "C.utf8", "UTF-8")
_OURS = "/proc/self/environ"

_given: list[bytes] = []
"""What the system keeps of the start of this process, once it was read."""


class RareCollection:
    """Lets the garbage collector look seldom while a plan or a run grows, and not at what was there before.

    Nearly all of it stays. Of a plan of 1,000 actions a collector that is disabled saves no more than this.

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


def inherited() -> dict[str, str]:
    """Return the variables of this process, with LC_CTYPE as it was given.

    Without a locale, Python sets LC_CTYPE to one of UTF-8 for itself (PEP 538). Programs that are started from here
    get the environment that they would get without Python in between.
    """
    environ = dict(os.environ)
    value = own_ctype(environ)
    if value is None:
        environ.pop(LC_CTYPE, None)
    elif value != environ.get(LC_CTYPE):
        environ[LC_CTYPE] = value
    return environ


def own_ctype(environ: Mapping[str, str]) -> str | None:
    """Return LC_CTYPE as it was given, None if it was not; where the system does not keep it, as it is now.

    :param environ: the variables as they are now
    """
    value = environ.get(LC_CTYPE)
    if value not in _SET_BY_PYTHON or environ.get("LC_ALL"):
        return value
    if not _given:
        try:
            with open(_OURS, "rb") as file:
                _given[:] = file.read().split(b"\0")
        except OSError:
            return value
    given = next((one for one in _given if one.startswith(b"LC_CTYPE=")), None)
    return None if given is None else os.fsdecode(given.partition(b"=")[2])
