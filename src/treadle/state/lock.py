"""The lock of a state folder: one run at a time. It knows nothing of records and walks.

It is a flock, which the kernel frees whenever its holder dies; there is nothing to unlock by hand. The
descriptor closes on exec, so that a child that has not yet become its own program still holds it.
"""

from __future__ import annotations

import os
import stat
from _thread import get_ident
from time import monotonic, sleep

from treadle.content import trust
from treadle.content.timestamps import NO_DEVICE, Clocks, fine_device
from treadle.errors import BusyError, StateError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LOCK = "lock"
"""The file, in the state folder."""
_PAUSE = 0.03
_HOLDERS: dict[tuple[int, int], tuple[int, int]] = {}
"""Device and inode of a lock file that is held here -> the process and the thread that have taken it. A thread of a
child that was forked has the number of the one that forked it."""


class Lock:
    """The lock file of a state folder.

    :param folder: the state folder, which exists
    """

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, LOCK)
        self._fd = -1
        self._file = (0, 0)
        self.fine_device = NO_DEVICE
        """The device of the state folder if its stamps are fine (`fine_device`); known once the lock is taken."""
        self.clocks = Clocks()
        """How far the clocks of file systems are late; that of the state folder is measured here."""

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._fd >= 0

    def acquire(
        self,
        run: str,
        marks: str,
        *,
        wait: bool = True,
        until: float | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        """Take the lock.

        :param run: the id of our run, for the runs after it
        :param marks: the marks that our own process carries (TREADLE_RUN)
        :param wait: whether to wait for another run
        :param until: until when, on the monotonic clock; None for as long as it takes
        :param on_wait: called once with words for the run that holds it
        :raises BusyError: another run holds it and `wait` is false, or the time is over
        :raises UsageError: we run inside an action of the very run that holds it, or inside one of its hooks
        """
        failures = 0
        while not self._try():
            failures += 1
            self._refuse_own_hook()
            # the first time it may be no run: `is_busy` holds the lock for a moment
            if failures > 1:
                self._refuse_inner_run(self._lines(), marks)
            if failures == 2:
                words = self.holder() or "another run"
                if not wait:
                    raise BusyError(f"{words} is at work in this folder", hint="leave out --no-wait to wait for it")
                if on_wait is not None:
                    on_wait(words)
            if until is not None and failures > 1 and monotonic() >= until:
                words = self.holder() or "another run"
                raise BusyError(f"{words} is at work in this folder, and the time limit of this run is over")
            sleep(_PAUSE)
        self._write(f"{run}\n{os.getpid()}\n{_own_words()}\n")
        self.fine_device = fine_device(self._fd)
        self.clocks.measure(self._fd)

    def release(self) -> None:
        """Give the lock back."""
        if self._fd >= 0:
            _HOLDERS.pop(self._file, None)
            os.close(self._fd)
            self._fd = -1

    def is_busy(self) -> bool:
        """Return whether a run holds it now; nothing is written, also where there is no lock file yet."""
        return is_locked(self.path)

    def holder(self) -> str:
        """Return words for the run that took it last, "" if it does not say."""
        lines = self._lines()
        return f"process {lines[1]} ({lines[2]})" if len(lines) > 2 else ""

    def _try(self) -> bool:
        import fcntl

        try:
            self._clear()
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            folder = os.path.dirname(self.path)
            hint = (
                f"if another user has made {folder}, take it over with chown, or remove it; in a folder that"
                f" a group shares, set {trust.SAFE_FOLDERS} for all of its users"
            )
            raise StateError(
                f"{self.path} cannot be opened: {error.strerror}",
                hint=hint if isinstance(error, PermissionError) else "",
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(fd)
            if status.st_nlink > 1:
                # a copy of the folder by hard links, or a file that was put here: what it has by its other name is
                # not ours to write. We hold it, so no run of this folder does.
                os.unlink(self.path)
            elif status.st_ino == os.stat(self.path).st_ino:
                trust.give(fd, os.path.dirname(self.path))
                self._fd, fd = fd, -1
                self._file = (status.st_dev, status.st_ino)
                _HOLDERS[self._file] = (os.getpid(), get_ident())
                return True
        except (BlockingIOError, FileNotFoundError):
            # held by another, or removed under us together with its folder
            return False
        except OSError as error:
            raise StateError(
                f"{self.path} cannot be locked: {error.strerror}", hint="keep the state on a local disk"
            ) from error
        finally:
            if fd >= 0:
                os.close(fd)
        return False

    def _clear(self) -> None:
        """Remove what no run of this folder can have made: a link, or a file of another user."""
        try:
            status = os.lstat(self.path)
        except FileNotFoundError:
            return
        if stat.S_ISLNK(status.st_mode) or not trust.counts(self.path, status):
            os.unlink(self.path)

    def _lines(self) -> list[str]:
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(fd, encoding="utf-8", errors="replace") as file:
                return file.read().splitlines()
        except OSError:
            return []

    def _refuse_own_hook(self) -> None:
        """Refuse to wait where this very thread holds the lock, or one that waits for what runs in this one.

        In this thread it is a hook of that run, further down the stack; in another one it is a job.
        """
        try:
            status = os.lstat(self.path)
        except OSError:
            return
        from treadle.thread_owners import with_owners

        process, thread = _HOLDERS.get((status.st_dev, status.st_ino), (0, 0))
        if process == os.getpid() and thread in with_owners():
            kind = "hook" if thread == get_ident() else "job"
            raise UsageError(
                f"this run was started by a {kind} of a run in the same root, which waits for it",
                hint="make what it should run an action of the same graph, or give it a root of its own",
            )

    @staticmethod
    def _refuse_inner_run(holder: list[str], marks: str) -> None:
        if holder and any(mark.startswith(holder[0] + "/") for mark in marks.split()):
            raise UsageError(
                "this run was started by an action of a run in the same root, which waits for it",
                hint="make what it should run an action of the same plan, or give it a root of its own",
            )

    def _write(self, text: str) -> None:
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text.encode("utf-8", "replace"), 0)
        except OSError as error:
            self.release()
            raise StateError(f"{self.path} cannot be written: {error.strerror}") from error


def is_locked(path: str) -> bool:
    """Return whether a process holds the lock on a file; False too where the file system knows no locks."""
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def _own_words() -> str:
    import sys

    words = sys.argv[1:]
    if [word for word in words if "=" in word or word == "--"]:
        # the file stays, others may read it, and a value may be a secret
        from treadle.core.redaction import without_any_values

        words = without_any_values(words)
    return " ".join(["treadle", *words])[:200].replace("\n", " ")
