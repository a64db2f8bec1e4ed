"""Files of reports: one that grows line by line, and files that are written whole or not at all.

This module does not know their contents.
"""

from __future__ import annotations

import os
import stat
from errno import EISDIR, ENOTDIR
from fcntl import LOCK_EX, LOCK_NB, flock
from select import POLLOUT, poll

from treadle.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_WAITING = 4 << 20
"""Bytes that wait for the reader of a pipe; lines that come when there are more are lost."""
PATIENCE = 2.0
"""Seconds that the reader of a pipe may take, at the end, between two readings."""


class Lines:
    """A file of lines, which are written in their order, each as a whole.

    A slow reader of a pipe does not block the run: lines wait up to a bound, and are lost beyond it. A plain file
    gets all.

    :param path: it is created or emptied
    :raises UsageError: it cannot be written, or another process is writing it
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.failure = ""
        """Why nothing is written any more."""
        self.lost = 0
        """How many lines the reader of a pipe has not read in time."""
        self.patience = PATIENCE
        self._waiting: list[bytes] = []
        self._rest = b""
        """Bytes that could not be written yet; they may begin within a line."""
        self._fd, self._is_plain = _opened(path)

    def add(self, line: bytes) -> None:
        """Add a line; it is written at the next `flush`."""
        self._waiting.append(line)

    def flush(self) -> bool:
        """Write lines that wait; return False the first time that this fails, with the reason in `failure`."""
        if not self._waiting and not self._rest:
            return True
        if self.failure or self._fd < 0:
            self._waiting.clear()
            return True
        self._take_waiting()
        data = memoryview(self._rest)
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except BlockingIOError:
            # the pipe is full: the rest is written with the next lines
            pass
        except OSError as error:
            self.failure = f"{self.path} cannot be written: {error.strerror}"
        self._rest = b"" if self.failure else bytes(data)
        return not self.failure

    def _take_waiting(self) -> None:
        """Append the waiting lines to the rest, up to its bound."""
        kept = [self._rest]
        size = len(self._rest)
        for line in self._waiting:
            if size > MOST_WAITING and not self._is_plain:
                self.lost += 1
            else:
                kept.append(line)
                size += len(line)
        self._waiting.clear()
        self._rest = b"".join(kept)

    def close(self) -> None:
        """Write lines that wait, and close the file; if the reader of a pipe does not read, the rest is lost."""
        self.flush()
        while self._rest and self._fd >= 0 and self._has_room():
            self.flush()
        if self._rest or self.lost:
            self.lost += self._rest.count(b"\n")
            self._rest = b""
            self.failure = (
                self.failure or f"{self.path}: {self.lost} lines were lost, as its reader has not read them"
            )
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _has_room(self) -> bool:
        waiting = poll()
        waiting.register(self._fd, POLLOUT)
        return bool(waiting.poll(self.patience * 1000))


def _opened(path: str) -> tuple[int, bool]:
    """Create or empty a file; return its descriptor, and whether it is a plain file."""
    try:
        _make_folder(path)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            is_plain = stat.S_ISREG(os.fstat(fd).st_mode)
            if is_plain:
                _lock(fd, path)
                os.ftruncate(fd, 0)
            else:
                os.set_blocking(fd, False)
        except BaseException:
            os.close(fd)
            raise
    except OSError as error:
        raise _unwritable(path, error) from error
    return fd, is_plain


def _lock(fd: int, path: str) -> None:
    """Lock the file until it is closed, so that a second run does not empty it."""
    try:
        flock(fd, LOCK_EX | LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"{path} is being written by another run", hint="name another file") from error
    except OSError:
        # a file system without locks
        return


def check_writable(path: str, begins: str) -> None:
    """Check that a file can be written, and create the folders above it.

    :param begins: the beginning of files of this kind; a file that begins otherwise was named by mistake
    :raises UsageError: it cannot be written, or its present content would be lost
    """
    try:
        _make_folder(path)
        if os.path.isdir(path) or path.endswith("/"):
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        if _is_plain(path):
            if _is_another(path, begins.encode()):
                raise UsageError(
                    f"{path} exists, and is no report of this kind: it is not overwritten",
                    hint="name another file, or remove that one first",
                )
            os.close(os.open(name := _aside(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            os.unlink(name)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError as error:
        raise _unwritable(path, error) from error


def write_whole(path: str, parts: Iterable[str]) -> None:
    """Write a file under another name and rename it when it is complete; write to a pipe or device directly.

    :raises OSError: it cannot be written; an older file is kept then
    """
    if not _is_plain(path):
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(parts)
        return
    name = _aside(path)
    try:
        with open(name, "x", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(parts)
        os.replace(name, os.path.realpath(path))
    except BaseException:
        if os.path.exists(name):
            os.unlink(name)
        raise


def _aside(path: str) -> str:
    """Return a temporary name next to a file; of a link, next to its target, so that the link is kept."""
    folder, name = os.path.split(os.path.realpath(path))
    return os.path.join(folder, f".{name[:100]}.{os.urandom(6).hex()}")


def _is_plain(path: str) -> bool:
    """Return whether a path is a file, or nothing yet."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True


def _is_another(path: str, begins: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            found = file.read(len(begins))
    except FileNotFoundError:
        return False
    return bool(found) and found != begins


def _make_folder(path: str) -> None:
    folder = os.path.dirname(path)
    try:
        if folder:
            os.makedirs(folder, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), error.filename) from error


def _unwritable(path: str, error: OSError) -> UsageError:
    reason = (error.strerror or str(error)).lower()
    where = f"{error.filename}" if error.filename and error.filename != path else ""
    facts = [where] if where and not os.path.basename(where).startswith(".") else []
    return UsageError(f"{path} cannot be written: {reason}", facts=facts)
