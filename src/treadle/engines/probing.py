"""What a worker has to see of a run before it runs anything of it, and what it says of itself when it is asked.

A file system that is not the same on both sides, or that has locks for one machine only, and clocks that are far
apart: with each of these a run could go wrong silently. So each worker compares, with its first attempt of a run.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
from dataclasses import asdict, dataclass
from time import time
from typing import TYPE_CHECKING, Any, Self

from treadle import __version__

from . import shared_folder
from .machine import pool_of_machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .shared_folder import SharedFolder
    from .spec import RunFolder

MOST_SKEW = 60.0
"""Seconds by which the clocks of the run and of a worker may differ."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a worker has to see.

    :ivar token: what the file `RunFolder.token` holds
    :ivar lock: a file that the run holds the lock of; "" if that does not matter
    :ivar version: the version of Treadle
    :ivar ahead: seconds that the clock of the shared folder is ahead of that of the run
    """

    token: str
    lock: str = ""
    version: str = __version__
    ahead: float = 0.0

    @classmethod
    def prepare(cls, folder: RunFolder, lock: str = "") -> Self:
        """Return what the workers of a run have to see, and make it.

        :raises OSError: the folder of the run cannot be written
        """
        token = os.urandom(16).hex()
        shared_folder.write(folder.token, token)
        return cls(token, lock, ahead=clock_of(folder.token))

    def as_data(self) -> dict[str, Any]:
        """Return it as data that JSON can hold."""
        return asdict(self)

    def sees_folder(self, folder: RunFolder, view: SharedFolder) -> bool:
        """Return whether a worker sees the folder of the run as the run does; that may be so a moment later."""
        return view.read_once_written(folder.token) == self.token.encode()

    def faults(self, folder: RunFolder, view: SharedFolder, ahead: float) -> list[str]:
        """Return what a worker does not see as the run does, in words.

        :param ahead: seconds that the clock of the shared folder is ahead of that of the worker
        """
        found = []
        if not self.sees_folder(folder, view):
            found.append(f"it does not see the folder {folder.path} as the run does")
        if self.version != __version__:
            found.append(f"it has Treadle {__version__}, the run {self.version}")
        if self.lock and not sees_lock(self.lock):
            found.append(
                f"it does not see that {self.lock} is locked: the file system has no locks for all machines"
            )
        if abs(skew := self.ahead - ahead) > MOST_SKEW:
            found.append(f"its clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} that of the run")
        return found


def expected_of(data: Mapping[str, Any]) -> Expected | None:
    """Return what `Expected.as_data` has made data of; None if nothing is expected.

    :raises ValueError: it is something else
    """
    if not data:
        return None
    try:
        return Expected(**data)
    except TypeError as error:
        raise ValueError(f"it expects something that this version does not know: {error}") from None


def clock_of(path: str) -> float:
    """Return by how many seconds the clock of a file system is ahead of ours.

    :param path: a file that was written just now
    """
    try:
        return os.stat(path, follow_symlinks=False).st_mtime - time()
    except OSError:
        return 0.0


def sees_lock(path: str) -> bool:
    """Return whether a file is seen as locked; what cannot be opened is not."""
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


def look(programs: Iterable[str], system: str) -> dict[str, Any]:
    """Return what a worker is: its versions, what it has, and what is in the place of programs.

    :param programs: paths
    :param system: what its system calls itself
    """
    has: dict[str, Any] = {}
    with contextlib.suppress(OSError):
        node = pool_of_machine(os.environ).nodes[0]
        has = {kind: what if isinstance(what, int) else len(what) for kind, what in node.resources.items()}
    return {
        "treadle": __version__,
        "python": platform.python_version(),
        "system": system,
        "user": os.geteuid(),
        "pid": os.getpid(),
        "has": has,
        "programs": {path: shared_folder.digest_of(path) for path in programs},
    }
