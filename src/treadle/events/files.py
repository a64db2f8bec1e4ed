"""Where reports go: a file that grows line by line, and files that are there as a whole or not at all.

It knows nothing of what is in them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from errno import EISDIR, ENOTDIR
from fcntl import LOCK_EX, LOCK_NB, flock

from treadle.errors import UsageError

MOST_WAITING = 4 << 20
"""Bytes that wait for the reader of a pipe; what comes when there are more is lost."""
PATIENCE = 2.0
"""Seconds that the reader of a pipe may take, at the end, between two readings."""


class Lines:
    """A file that gets lines; they reach it in the order given, each as a whole.

    Whoever reads a pipe holds up nothing: what it does not take waits, up to a bound, and is lost beyond that. A
    plain file gets all.

    :param path: it is emptied first
    :raises UsageError: it cannot be written
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.failure = ""
        """Why nothing is written any more."""
        self.lost = 0
        """How many lines the reader of a pipe has not taken in time."""
        self.patience = PATIENCE
        self._waiting: list[bytes] = []
        self._rest = b""
        """What could not be written yet; it begins within a line, perhaps."""
        self._fd = -1
        self._is_plain = False

    def open(self) -> None:
        """Make the file empty, or make it.

        :raises UsageError: it cannot be written, or another process is writing it
        """
        try:
            _make_folder(self.path)
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            if stat.S_ISREG(os.fstat(self._fd).st_mode):
                _lock(self._fd, self.path)
                os.ftruncate(self._fd, 0)
                self._is_plain = True
            else:
                os.set_blocking(self._fd, False)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def add(self, line: bytes) -> None:
        """Add a line; it is written at the next `flush`."""
        self._waiting.append(line)

    def flush(self) -> bool:
        """Write what waits; False the first time that it cannot be written, and `failure` says why."""
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
            # it is full; the rest goes with the next lines
            pass
        except OSError as error:
            self.failure = f"{self.path} cannot be written: {error.strerror}"
        self._rest = b"" if self.failure else bytes(data)
        return not self.failure

    def _take_waiting(self) -> None:
        """Put the lines that wait behind the rest, as long as it is no longer than it may be."""
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
        """Write what waits, and close the file; a pipe whose reader takes nothing loses the rest."""
        self.flush()
        while self._rest and self._fd >= 0 and self._has_room():
            self.flush()
        if self._rest or self.lost:
            self.lost += self._rest.count(b"\n")
            self._rest = b""
            self.failure = self.failure or f"{self.path}: {self.lost} lines were lost, as nothing has read them"
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _has_room(self) -> bool:
        from select import POLLOUT, poll

        waiting = poll()
        waiting.register(self._fd, POLLOUT)
        return bool(waiting.poll(self.patience * 1000))


def _lock(fd: int, path: str) -> None:
    """Keep a second run from emptying the file that a first one is writing; it lasts until the file is closed."""
    try:
        flock(fd, LOCK_EX | LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"{path} is being written by another run", hint="name another file") from error
    except OSError:
        # a file system without locks
        return


def check_writable(path: str, begins: str) -> None:
    """See that a file could be written now, and leave nothing behind but the folders above it.

    :param begins: what a former file of the same kind begins with; any other one was named by mistake
    :raises UsageError: it could not be written, or what it holds would be lost
    """
    try:
        _make_folder(path)
        if os.path.isdir(path) or path.endswith("/"):
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        if _is_plain(path):
            if _is_another(path, begins.encode()):
                raise UsageError(
                    f"{path} is there, and is no former report of this kind: it is not written over",
                    hint="name another file, or remove that one first",
                )
            os.close(os.open(name := _aside(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            os.unlink(name)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError as error:
        raise _unwritable(path, error) from error


def write_whole(path: str, parts: Iterable[str]) -> None:
    """Write a file beside its place and put it there when it is whole; what is no file, such as a pipe, at once.

    :raises OSError: it cannot be written; a former file is still there then
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
    """Return a name beside a file; a link is followed, so that it stays one."""
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
