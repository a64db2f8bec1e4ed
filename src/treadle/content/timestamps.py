"""How fine the stamps of a file system are, and how far its clock is behind ours: asked of the file system itself.

Kernels that have multigrain timestamps (Linux from 6.13 on, on its usual file systems) give a file that somebody
has looked at a time of its own at the next change, however soon that comes. On all others changes within one tick
of the clock look alike.
"""

from __future__ import annotations

import os
import sys
from time import monotonic_ns, time_ns

from treadle.fastpath.snapshot_file import mount_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    AnyPath = str | bytes

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


_LOCAL = frozenset(
    ("overlay", "tmpfs", "devtmpfs", "ramfs", "rootfs", "btrfs", "bcachefs", "zfs", "ubifs", "jffs2")
)
"""Types of file systems that have no block device as their own, and get the time from this kernel."""
A_DAY = 86_400_000_000_000
"""How far an unknown clock may be behind, in nanoseconds: one that nothing sets may be hours off, and one that was
set to the time of another zone is off by less than a day."""
_TRIES = 3


def behind(fd: int, clock: Callable[[], int] = time_ns, look: Callable[[int], os.stat_result] = os.fstat) -> int:
    """Return by how many nanoseconds the clock that stamps an open file is behind ours at most; A_DAY if unknown.

    The file is changed, and our clock asked after that: what lies between its ctime and that time is how far the
    clock is behind, and how long the change took. So the shortest of some counts.

    :param fd: a file that may be written; its first byte is written anew, as it is
    """
    lags = []
    try:
        first = os.pread(fd, 1, 0)
        for _ in range(_TRIES if first else 0):
            os.pwrite(fd, first, 0)
            lags.append(clock() - look(fd).st_ctime_ns)
    except OSError:
        return A_DAY
    # one that is ahead makes stamps of the future
    return max(min(lags), 0) if lags else A_DAY


class Clocks:
    """How far the clocks of file systems are behind ours.

    That of a file system on a block device is ours. Others are measured where a file is written anyway, which is
    the lock; else the type of the file system says whether it is of this machine.

    :param known: device -> by how many nanoseconds its clock is behind
    """

    def __init__(self, known: Mapping[int, int] | None = None) -> None:
        self._behind: dict[int, int] = dict(known or {})

    def measure(self, fd: int) -> None:
        """Measure the clock of the device of an open file, see `behind`."""
        device = os.fstat(fd).st_dev
        if not _is_block_device(device):
            self._behind[device] = behind(fd)

    def behind(self, status: os.stat_result, path: AnyPath) -> int:
        """Return by how many nanoseconds the clock that stamps a file may be behind ours."""
        found = self._behind.get(status.st_dev)
        if found is None:
            is_ours = _is_block_device(status.st_dev) or not _LOCAL.isdisjoint(mount_of(path)[1:2])
            found = self._behind[status.st_dev] = 0 if is_ours else A_DAY
        return found


def _is_block_device(device: int) -> bool:
    return sys.platform.startswith("linux") and os.major(device) != 0
