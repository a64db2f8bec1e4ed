"""Timestamps: how a file is known to be unchanged, the granularity of its clock, and how far that clock is late.

Kernels that have multigrain timestamps (Linux from 6.13 on, on its usual file systems) give a file that was
looked at a time of its own at the next change, however soon that comes. On all others changes within one tick
of the clock look alike.
"""

from __future__ import annotations

import os
import sys
from time import monotonic_ns, time_ns

from xxhash import xxh3_64_intdigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    AnyPath = str | bytes
    Kept = tuple[os.stat_result | tuple[int, int, int], int]
    """The status of a path, or the stamp of the error, and when it was looked at."""

ABSENT = (-1, -1, -1)
"""The stamp of a path where nothing is."""
UNSURE = (0, 0, 0)
"""A stamp that no file has: a file that changed within the granularity of its clock is looked at again."""
_FIRST_BITS = (1 << 62) - 1
_ON_FILES = (7, 43)
"""Major numbers of devices that can be given an image: loop and nbd; their partitions have _EXTENDED."""
_EXTENDED = 259
NO_DEVICE = -1
_CHANGES = 5
_SHORTEST_TICK = 1_000_000
"""Nanoseconds between two ticks of the quickest clock that a kernel is built with."""


def fine_device(fd: int, look: Callable[[int], os.stat_result] = os.fstat) -> int:
    """Return the device of an open file that gives each change after a look a stamp of its own, else NO_DEVICE.

    The file is changed some times in less than a tick; that each change gave it another stamp is the proof. Where
    this process is interrupted meanwhile there is none, and the device does not count as fine.

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
"""How far an unknown clock may be late, in nanoseconds: one that nothing sets may be hours off, and one that was
set to the time of another zone is off by less than a day."""
_TRIES = 3


def clock_lag(fd: int, clock: Callable[[], int] = time_ns, look: Callable[[int], os.stat_result] = os.fstat) -> int:
    """Return by how many nanoseconds the clock that stamps an open file is late at most; A_DAY if unknown.

    The file is changed, and our clock read after that: the time between its ctime and that moment is how far the
    clock is late, and how long the change took. So the shortest of some counts.

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
    """How far the clocks of file systems are late, compared with ours.

    That of a file system on a block device is ours. Others are measured where a file is written anyway, which is
    the lock; else the type of the file system says whether it is of this machine.

    :param known: device -> by how many nanoseconds its clock is late
    """

    def __init__(self, known: Mapping[int, int] | None = None) -> None:
        self._lags: dict[int, int] = dict(known or {})

    def measure(self, fd: int) -> None:
        """Measure the clock of the device of an open file, see `clock_lag`."""
        device = os.fstat(fd).st_dev
        if not _is_block_device(device):
            self._lags[device] = clock_lag(fd)

    def lag(self, status: os.stat_result, path: AnyPath) -> int:
        """Return by how many nanoseconds the clock that stamps a file may be late."""
        found = self._lags.get(status.st_dev)
        if found is None:
            is_ours = _is_block_device(status.st_dev) or not _LOCAL.isdisjoint(mount_of(path)[1:2])
            found = self._lags[status.st_dev] = 0 if is_ours else A_DAY
        return found


def _is_block_device(device: int) -> bool:
    return sys.platform.startswith("linux") and os.major(device) != 0


def stamp_of_error(error: OSError) -> tuple[int, int, int]:
    """Return the stamp of a path that cannot be looked at: ABSENT if nothing is there, else one for each error.

    What cannot be looked at may be there, and a walk may call it an error: it is not what is absent.
    """
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ABSENT
    from errno import ELOOP

    return ABSENT if error.errno == ELOOP else (-1, -1, -1 - (error.errno or 0))


def kept_look(path: str) -> Kept:
    """Return the status of a path, and the time of the look."""
    now = time_ns()
    try:
        return os.stat(path), now
    except OSError as error:
        return stamp_of_error(error), now


class FileSystems:
    """What a stamp says of the file system that a file is on: a number that no other file system has.

    The number is made of the id of the file system (`f_fsid`), which stays when the system starts anew, and not of
    the device number, which does not. Copies of an image have one id. So where a device can be given another image
    (loop, nbd), the number of its disk counts too, which the kernel counts up whenever a device gets one.
    It begins anew when the system does, so that files there are read once more then.

    A file on another file system than the root counts so on every device, as most of these are system or image: to
    read it once more after each start of the system is cheap. The root itself has to stay known.

    :param root: the folder that relative paths are relative to
    """

    __slots__ = ("_home", "_root", "_tags")

    def __init__(self, root: AnyPath) -> None:
        self._root = root
        self._home: int | None = None
        self._tags: dict[int, int] = {}

    def stamp(self, status: os.stat_result, path: AnyPath) -> tuple[int, int, int]:
        """Return the stamp of a file.

        :param path: where it is, links followed as for `status`; absolute, or seen from the working directory
        """
        tag = self._tags.get(status.st_dev)
        if tag is None:
            tag = self._meet(status.st_dev, path)
        return status.st_ctime_ns, status.st_ino ^ tag, status.st_size

    def forget(self) -> None:
        """Forget what was seen: something else may be mounted by now."""
        self._tags.clear()

    def inodes(self, looks: Sequence[os.stat_result], paths: Sequence[bytes]) -> list[int]:
        """Return the second part of the stamps of many files at once."""
        tags = self._tags
        try:
            return [status.st_ino ^ tags[status.st_dev] for status in looks]
        except KeyError:
            # a file is on another device than the root
            return [self.stamp(status, path)[1] for status, path in zip(looks, paths, strict=True)]

    def _meet(self, device: int, path: AnyPath) -> int:
        try:
            if self._home is None:
                self._home = os.stat(self._root).st_dev
            tag = self._tags[device] = _tag_of(path, device, is_home=device == self._home)
        except OSError:
            # it has just gone, or the system does not say: a stamp that nothing will have at the next look
            return int.from_bytes(os.urandom(7), sys.byteorder)
        return tag


def _tag_of(path: AnyPath, device: int, *, is_home: bool) -> int:
    texts = [str(os.statvfs(path).f_fsid)]
    major = os.major(device)
    if major:
        if not is_home or _can_be_given_an_image(major, device):
            texts += _disk(device)
    elif not is_home or texts == ["0"]:
        # file systems over the network and of other programs have no id
        mount = mount_of(path)
        # the options of a mount over the network may say where this machine is
        texts += mount[:3] if is_home else mount
        source = mount[2] if len(mount) > 2 else ""
        if not is_home and source.startswith("/"):
            # btrfs and its like have devices of their own
            try:
                texts += _disk(os.stat(source).st_rdev)
            except OSError:
                texts.append("")
    return xxh3_64_intdigest("\0".join(texts).encode("utf-8", "surrogateescape")) & _FIRST_BITS


def _can_be_given_an_image(major: int, device: int) -> bool:
    if major != _EXTENDED:
        return major in _ON_FILES
    try:
        names = os.readlink(f"/sys/dev/block/{major}:{os.minor(device)}").split("/")
    except OSError:
        return False
    return any(name.startswith(("loop", "nbd")) for name in names)


def _disk(device: int) -> list[str]:
    """Return the start of the system, and the number of the disk in it."""
    of_device = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    return [
        _start_of_system(),
        _text(f"{of_device}/diskseq") or _text(f"{of_device}/../diskseq"),
    ]


_started: list[str] = []


def _start_of_system() -> str:
    """Return what identifies the start of the system: no process is there at two of them, so it is read once."""
    if not _started:
        _started.append(_text("/proc/sys/kernel/random/boot_id"))
    return _started[0]


def _text(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            return (file.read(200) or b"").decode("ascii", "replace").strip()
    except OSError:
        return ""


def mount_of(path: AnyPath) -> list[str]:
    """Return the mount that a path is on: root in its file system, type, source and options; [] if none is found.

    The options are those of the file system, which are equal at each of its mounts.
    """
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    full = os.path.join(os.path.realpath(os.fsdecode(path)), "")
    longest, found = 0, ""
    for line in lines:
        at = os.path.join(unescaped(line.split(" ", 5)[4]), "")
        # of two mounts at one place the later one is seen
        if len(at) >= longest and full.startswith(at):
            longest, found = len(at), line
    first, _, last = found.partition(" - ")
    return [first.split(" ", 4)[3], *map(unescaped, last.split(" "))] if last else []


def unescaped(name: str) -> str:
    """Return a name as `mountinfo` was given it."""
    if "\\" not in name:
        return name
    return name.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
