"""How fine the stamps of a file system are: asked of the file system itself. It knows no files but the one it gets.

Kernels that have multigrain timestamps (Linux from 6.13 on, on its usual file systems) give a file that somebody
has looked at a time of its own at the next change, however soon that comes. On all others changes within one tick
of the clock look alike.
"""

from __future__ import annotations

import os
from time import monotonic_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NO_DEVICE = -1
_CHANGES = 5
_SHORTEST_TICK = 1_000_000
"""Nanoseconds between two ticks of the quickest clock that a kernel is built with."""


def fine_device(fd: int, look: Callable[[int], os.stat_result] = os.fstat) -> int:
    """Return the device of an open file that gives each change after a look a stamp of its own, else NO_DEVICE.

    The file is changed some times in less than a tick; that each change gave it another stamp is the proof. Where
    this process is interrupted meanwhile there is none, and the answer is no.

    :param fd: a file that may be written; its first byte is written anew, as it is
    :param look: how it is looked at
    """
    try:
        first = os.pread(fd, 1, 0)
        if not first:
            return NO_DEVICE
        began = monotonic_ns()
        status = look(fd)
        stamps = {status.st_ctime_ns}
        for _ in range(_CHANGES):
            os.pwrite(fd, first, 0)
            stamps.add(look(fd).st_ctime_ns)
        took = monotonic_ns() - began
    except OSError:
        return NO_DEVICE
    return status.st_dev if len(stamps) > _CHANGES and took < _SHORTEST_TICK else NO_DEVICE
