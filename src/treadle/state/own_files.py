"""Files of our own in the state folder, written without following what others may have put in their place.

A checkout can bring links: symbolic ones, and hard ones in an archive. So what is written is a regular file with
one name in a real folder; a link in its place is removed, and what it leads to is left as it is. Whatever the umask
or an archive says, no other user may write to it: a list of what an action has made says what may be removed. It
belongs to the owner of its folder, see `trust.give`. Only names in the state folder are given to this
module: nothing of the project is there. It knows nothing of what the files hold.
"""

from __future__ import annotations

import os
import stat
from errno import ELOOP, ENXIO, EPERM

from treadle.content import trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def make_folder(base: str, name: str = "", mode: int = 0o755) -> str:
    """Make a folder, and those above it up to `base`, which is there; return its path.

    :param name: its path relative to `base`; what is no real folder on the way is removed
    :param mode: for folders that are made, before the umask
    :raises OSError: it cannot be made, or one of these folders is there and does not count, see `trust`
    """
    path = base
    for part in name.split("/"):
        above, path = path, os.path.join(path, part)
        make_one(path, above, mode)
    return path


def make_one(path: str, above: str, mode: int = 0o755, *, is_replacing: bool = True) -> bool:
    """Make a folder; return whether there is one now that counts.

    :param above: the folder that it is in
    :param is_replacing: whether what is there and no real folder is removed; else it is left, and False is returned
    :raises OSError: it cannot be made; or it does not count, and `is_replacing`
    """
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        status = os.lstat(path)
        why = "" if trust.counts(path, status) else trust.why(status)
        if stat.S_ISDIR(status.st_mode) and why:
            if is_replacing:
                raise PermissionError(EPERM, why, path) from None
            return False
        if not stat.S_ISDIR(status.st_mode):
            if not is_replacing:
                return False
            os.unlink(path)
            os.mkdir(path, mode)
    trust.give_folder(path, above)
    return True


def foreign_folder(base: str, names: Iterable[str]) -> trust.Found | None:
    """Return the first of some folders of our own that does not count, with the reason.

    Links in their place are removed; what is not there may stay so.

    :param base: the folder that they are in
    """
    for name in names:
        path = os.path.join(base, name)
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(status.st_mode):
            os.unlink(path)
        elif not trust.counts(path, status):
            return path, trust.why(status)
        else:
            # made before the environment said that others go on with it
            trust.give_folder(path, base)
    return None


def read(path: str) -> bytes | None:
    """Return what a file of our own holds; None if it cannot be read, or does not count."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            status = os.fstat(fd)
            return file.read() if stat.S_ISREG(status.st_mode) and trust.counts(path, status) else None
    except OSError:
        return None


def open_own(path: str, flags: int, mode: int = 0o644) -> int:
    """Return a descriptor of a file of our own, which is made if it is not there.

    What is no regular file is removed from its place. One that has a second name is replaced by a copy, so that
    what is written does not reach it by the other name; so is one that another user owns or may write to.

    :param flags: as for `os.open`
    """
    # emptied only when it is known to be ours alone
    opening = (flags & ~os.O_TRUNC) | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(path, opening, mode)
    except OSError as error:
        # a link, a pipe without a reader, or a file of another user
        if error.errno not in (ELOOP, ENXIO) and not is_foreign(path):
            raise
        os.unlink(path)
        fd = os.open(path, opening | os.O_EXCL, mode)
    try:
        status = os.fstat(fd)
        is_file = stat.S_ISREG(status.st_mode)
        if not is_file or status.st_nlink > 1 or not trust.counts(path, status):
            data = _read(path) if is_file and not flags & os.O_TRUNC else b""
            replace(path, [data], mode)
            os.close(fd)
            fd = os.open(path, opening, mode)
        else:
            trust.give(fd, os.path.dirname(path))
            if flags & os.O_TRUNC and status.st_size:
                os.ftruncate(fd, 0)
        os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def is_own_file(path: str) -> bool:
    """Return whether there is a file of our own, with no second name; it is not opened."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and trust.counts(path, status)


def is_foreign(path: str) -> bool:
    """Return whether there is a file that does not count, links not followed."""
    try:
        return not trust.counts(path, os.lstat(path))
    except OSError:
        return False


def create(path: str, text: str) -> None:
    """Write a small file if nothing is there by its name, a link that leads nowhere included."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return
    with open(fd, "w", encoding="utf-8") as file:
        trust.give(fd, os.path.dirname(path))
        file.write(text)


def replace(path: str, pieces: Iterable[bytes], mode: int = 0o644, *, sync: bool = False) -> None:
    """Write a file under another name and rename it: a reader finds the old one or the new one.

    :param sync: whether it has to be on the disk before it takes the place
    :raises OSError: it cannot be written; nothing is left then
    """
    fresh = f"{path}.{os.getpid()}.new"
    try:
        fd = _open_new(fresh, mode)
        with open(fd, "wb") as file:
            trust.give(fd, os.path.dirname(path))
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
        # of a process with our number that was killed, or brought by a checkout
        os.unlink(path)
        return os.open(path, flags, mode)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
