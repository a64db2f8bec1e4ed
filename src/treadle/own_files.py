"""Files of our own in the state folder, written without following what somebody has put in their place.

A checkout can bring links: symbolic ones, and hard ones in an archive. So what is written is a regular file with
one name in a real folder; a link in its place is removed, and what it leads to is left as it is. Whatever the umask
says, no other user may write to it: a list of what an action has made says what may be removed. Only names in the
state folder are given to this module: nothing of the project lies there. It knows nothing of what the files hold.
"""

from __future__ import annotations

import os
import stat
from errno import ELOOP, ENXIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def make_folder(base: str, name: str = "", mode: int = 0o755) -> str:
    """Make a folder, and those above it up to `base`, which is there; return its path.

    :param name: its path relative to `base`; what is no real folder on the way is removed
    :param mode: for folders that are made, before the umask
    """
    path = base
    for part in name.split("/"):
        path = os.path.join(path, part)
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                os.unlink(path)
                os.mkdir(path, mode)
    return path


def refuse_links(base: str, names: Iterable[str]) -> None:
    """Remove links that stand in the place of folders of our own; what is not there may stay so.

    :param base: the folder that they are in
    """
    for name in names:
        path = os.path.join(base, name)
        if os.path.islink(path):
            os.unlink(path)


def open_own(path: str, flags: int, mode: int = 0o644) -> int:
    """Return a descriptor of a file of our own, which is made if it is not there.

    What is no regular file is removed from its place. One that has a second name is replaced by a copy, so that
    what is written does not reach it by the other name.

    :param flags: as for `os.open`
    """
    # emptied only when it is known to be ours alone
    opening = (flags & ~os.O_TRUNC) | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(path, opening, mode)
    except OSError as error:
        # a link, or a pipe that nobody reads
        if error.errno not in (ELOOP, ENXIO):
            raise
        os.unlink(path)
        fd = os.open(path, opening | os.O_EXCL, mode)
    try:
        status = os.fstat(fd)
        is_file = stat.S_ISREG(status.st_mode)
        if not is_file or status.st_nlink > 1:
            data = _read(path) if is_file and not flags & os.O_TRUNC else b""
            replace(path, [data], mode)
            os.close(fd)
            fd = os.open(path, opening, mode)
        elif flags & os.O_TRUNC and status.st_size:
            os.ftruncate(fd, 0)
        os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def create(path: str, text: str) -> None:
    """Write a small file if nothing is there by its name, a link that leads nowhere included."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)


def replace(path: str, pieces: Iterable[bytes], mode: int = 0o644, *, sync: bool = False) -> None:
    """Write a file beside its place and put it there; whoever opens it finds the old one or the new one.

    :param sync: whether it has to be on the disk before it takes the place
    :raises OSError: it cannot be written; nothing is left then
    """
    fresh = f"{path}.{os.getpid()}.new"
    try:
        fd = _open_new(fresh, mode)
        with open(fd, "wb") as file:
            file.writelines(pieces)
            if sync:
                file.flush()
                os.fsync(fd)
        os.replace(fresh, path)
    except OSError:
        if os.path.lexists(fresh):
            os.unlink(fresh)
        raise


def _open_new(path: str, mode: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, mode)
    except FileExistsError:
        # of a process with our number that was killed, or put there by somebody
        os.unlink(path)
        return os.open(path, flags, mode)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
