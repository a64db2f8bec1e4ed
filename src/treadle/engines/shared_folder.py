"""Files that another process writes, maybe on another machine: looked at anew each time, and never half-written.

A network file system may show an old state for a while. Opening the folder of a file anew ends that for most of
them; what is not there yet is looked for again by the caller.
"""

from __future__ import annotations

import contextlib
import os
import stat
from time import time
from typing import TYPE_CHECKING

from xxhash import xxh3_64, xxh3_128

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ABSENT = ""
"""What `seen` says of what is not there."""
SETTLED = 600.0
"""Seconds after which all sides see a change of a file, though their clocks differ by minutes."""
SINCE = "since "
"""How a view begins that any later one is as good as: the time of the last change follows, in nanoseconds."""
IF_THERE = "if there, since "
"""The same where it may be gone by now: what is around it has a view of its own."""


class SharedFolder:
    """How one side sees the files of the other."""

    def read(self, path: str) -> bytes | None:
        """Return what a file holds; None if it is not there, or another user could have written it."""
        refresh(os.path.dirname(path))
        return _content(path)

    def read_once_written(self, path: str) -> bytes | None:
        """Return what a file holds that never changes: the folder is opened anew only if it is not there yet."""
        found = _content(path)
        if found is None:
            refresh(os.path.dirname(path))
            found = _content(path)
        return found

    def exists(self, path: str) -> bool:
        """Return whether there is anything at a path that is not removed."""
        if os.path.lexists(path):
            return True
        refresh(os.path.dirname(path))
        return os.path.lexists(path)

    def seen(self, path: str) -> str:
        """Return what there is of an output, as a text that another side compares with its own, see `seen`."""
        refresh(os.path.dirname(path.rstrip("/")))
        return seen(path)

    def shows(self, path: str, view: str) -> bool:
        """Return whether another side's view of a path is seen here.

        :param view: what `seen` has said there, or SINCE or IF_THERE and a time
        """
        for begin in (SINCE, IF_THERE):
            if view.startswith(begin):
                refresh(path if os.path.isdir(path) else os.path.dirname(path))
                try:
                    return os.stat(path).st_ctime_ns >= int(view.removeprefix(begin))
                except OSError:
                    return begin == IF_THERE
        return self.seen(path) == view


class DelayedFolder(SharedFolder):
    """Shows what the other side has written only some time later, as a network file system may.

    :param delay: seconds
    :param clock: seconds since the epoch
    """

    def __init__(self, delay: float, clock: Callable[[], float] = time) -> None:
        self._delay = delay
        self._clock = clock
        self._old: dict[str, bytes | None] = {}
        """What was last shown of each file."""

    def read(self, path: str) -> bytes | None:
        """Return what a file held so many seconds ago."""
        if self._is_ripe(path):
            self._old[path] = super().read(path)
        return self._old.get(path)

    def read_once_written(self, path: str) -> bytes | None:
        """Return the same."""
        return self.read(path)

    def exists(self, path: str) -> bool:
        """Return whether there was anything so many seconds ago."""
        return super().exists(path) and self._is_ripe(path)

    def seen(self, path: str) -> str:
        """Return what there was of an output so many seconds ago, as far as that is known."""
        return super().seen(path) if self._is_ripe(path) else ABSENT

    def shows(self, path: str, view: str) -> bool:
        """Return whether a view was seen so many seconds ago."""
        return super().shows(path, view) and self._is_ripe(path)

    def _is_ripe(self, path: str) -> bool:
        try:
            return os.lstat(path).st_ctime + self._delay <= self._clock()
        except OSError:
            return True


def _content(path: str) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    # a file object costs more than the look itself, and each attempt has several
    try:
        status = os.fstat(fd)
        if not _is_trusted(status):
            return None
        data = b""
        while part := os.read(fd, status.st_size + 1):
            data += part
    except OSError:
        # it was removed on the server while we read it
        return None
    finally:
        os.close(fd)
    return data


def refresh(folder: str) -> None:
    """Open a folder anew: the system then asks the server again what is in it."""
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
    except OSError:
        return


def seen(path: str) -> str:
    """Return what there is of a file or of a folder with all that is in it: sizes and times, and no content.

    The server of a network file system hands out the times, so they are the same on all sides.
    """
    try:
        status = os.lstat(path.rstrip("/"))
    except OSError:
        return ABSENT
    if not stat.S_ISDIR(status.st_mode):
        return _of_one(status)
    digest = xxh3_64()
    for name, status in _below(path.rstrip("/")):
        digest.update(f"{name}\0{_of_one(status)}\n".encode("utf-8", "surrogateescape"))
    return f"folder {digest.hexdigest()}"


def changed_ns(path: str) -> int:
    """Return when a file, or anything in a folder, has last changed, in nanoseconds; 0 if it is not there.

    A time that was put back is none of a change: this one cannot be set.
    """
    try:
        status = os.lstat(path.rstrip("/"))
    except OSError:
        return 0
    below = _below(path.rstrip("/")) if stat.S_ISDIR(status.st_mode) else ()
    return max([status.st_ctime_ns, *(one.st_ctime_ns for _, one in below)])


def _of_one(status: os.stat_result) -> str:
    if stat.S_ISDIR(status.st_mode):
        return "folder"
    if stat.S_ISREG(status.st_mode):
        return f"file {status.st_size} {status.st_mtime_ns}"
    return f"other {stat.S_IFMT(status.st_mode)}"


def _below(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    waiting = [""]
    while waiting:
        where = waiting.pop()
        try:
            with os.scandir(os.path.join(folder, where) if where else folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in found:
            name = f"{where}/{entry.name}" if where else entry.name
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            yield name, status
            if stat.S_ISDIR(status.st_mode):
                waiting.append(name)


def digest_of(path: str) -> str:
    """Return a digest of a program, "" if it cannot be read."""
    digest = xxh3_128()
    try:
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    except OSError:
        return ""
    return digest.hexdigest()


def _is_trusted(status: os.stat_result) -> bool:
    is_ours = status.st_uid in (os.geteuid(), 0)
    return stat.S_ISREG(status.st_mode) and is_ours and not status.st_mode & 0o022


def write(path: str, data: str) -> None:
    """Write a file whole or not at all: next to its place, and renamed there.

    :raises OSError: it cannot be written
    """
    beside = f"{path}.{os.getpid()}.new"
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        write_all(fd, data.encode("utf-8", "surrogateescape"))
        os.rename(beside, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        if isinstance(error, OSError) and error.filename is None:
            # of a full disk, which no call with a path has found
            error.filename = path
        raise


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, and close the file.

    :raises OSError: it cannot be written; the file is closed
    """
    try:
        while data:
            data = data[os.write(fd, data) :]
    finally:
        os.close(fd)
