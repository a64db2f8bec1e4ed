"""One path of the file system as a readable value: its kind, its size and a digest of its content.

It knows nothing of fingerprints, clocks and stamps. Nothing here blocks on what is not a plain file.
"""

from __future__ import annotations

import errno
import os
import stat

import xxhash

from .errors import TreadleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ABSENT = "absent"
"""The value of a path where nothing is, or a link that leads nowhere."""

_PIECE = 1 << 20
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_FOLDER_VALUE = "special folder"
_KINDS = {
    stat.S_IFDIR: "folder",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}


def describe_file(path: str | os.PathLike[str]) -> str:
    """Return `absent`, `file SIZE DIGEST`, `exec SIZE DIGEST` or `special KIND`; links are followed.

    The size is in bytes, the digest is 32 hex digits, and `exec` is a file that its owner may execute.

    :raises TreadleError: if it is there and cannot be read
    """
    return describe(path)[0]


def describe(
    path: str | os.PathLike[str], status: os.stat_result | None = None
) -> tuple[str, os.stat_result | None]:
    """Return what `describe_file` does, and the status of what was read, None if there was nothing.

    :param status: its status, where somebody has just looked
    :raises TreadleError: if it is there and cannot be read
    """
    try:
        # Asked before it is opened: to open a device can be to make it do something.
        status = status or os.stat(path)
        return _regular(path) if stat.S_ISREG(status.st_mode) else (_special(status.st_mode), status)
    except OSError as error:
        if error.errno in _GONE:
            return ABSENT, None
        raise _unreadable(path, error) from error
    except ValueError as error:
        raise TreadleError(f"{os.fspath(path)!r} cannot be a path", facts=(str(error),)) from error


def describe_tree(
    path: str | os.PathLike[str],
    file_value: Callable[[str, os.stat_result], str] | None = None,
    *,
    follow: bool = False,
) -> str:
    """Return `tree ENTRIES DIGEST` for a folder, and what `describe_file` says for anything else.

    All names below the folder count, also of empty folders.

    :param path: the folder; a link to one is followed
    :param file_value: gets the path and the status of each plain file, and answers as `describe_file` would;
        None reads each file
    :param follow: True for what is read: links below the folder count by what they lead to (one that leads back
        to a folder around it by its text), and what `is_left_out` says does not count. False for what was made:
        links count by their text, and everything counts.
    :raises TreadleError: if something is there and cannot be read
    """
    if not os.path.isdir(path):
        return describe_file(path)
    hasher = xxhash.xxh3_128()
    count = 0
    for name, entry, kind in walk_tree(os.fspath(path), follow=follow):
        framed = kind
        for part in (os.fsencode(name), _value(entry, kind, file_value).encode("utf-8", "surrogateescape")):
            framed += len(part).to_bytes(8, "little") + part
        hasher.update(framed)
        count += 1
    return f"tree {count} {hasher.hexdigest()}"


def is_folder(value: str) -> bool:
    """Return whether a value stands for a folder, whichever way it was looked at."""
    return value.startswith("tree ") or value == _FOLDER_VALUE


def is_left_out(name: str) -> bool:
    """Return whether a folder of this name is no input: what an interpreter keeps beside sources, our state."""
    return name in ("__pycache__", ".treadle")


FOLDER, FILE, LINK, OTHER = b"d", b"f", b"l", b"s"


def walk_tree(top: str, *, follow: bool) -> Iterator[tuple[str, os.DirEntry[str], bytes]]:
    """Yield (name below `top`, entry, kind) of all that is below, each folder's names in the order of their bytes.

    :param follow: as for `describe_tree`
    :raises TreadleError: if a folder is there and cannot be read
    """
    around = frozenset(_folders_around(top)) if follow else frozenset()
    todo = [(name, entry, around) for name, entry in _sorted_entries(top, "")]
    while todo:
        name, entry, around = todo.pop()
        kind = _kind(entry, follow)
        if kind == FOLDER and follow:
            if is_left_out(entry.name):
                continue
            own = _identity(entry.stat())
            if own in around:
                # no link of its own where a link before it has led above it
                yield name, entry, LINK if entry.is_symlink() else FOLDER
                continue
            around |= {own}
        yield name, entry, kind
        if kind == FOLDER:
            todo += [(below, one, around) for below, one in _sorted_entries(entry.path, name + "/")]


def _folders_around(top: str) -> Iterator[tuple[int, int]]:
    """Yield the identities of a folder and of all that it lies in."""
    path, below = os.path.realpath(top), ""
    while path != below:
        yield _identity(os.stat(path))
        path, below = os.path.dirname(path), path


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _sorted_entries(folder: str, prefix: str) -> list[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name), reverse=True)
    except OSError as error:
        if error.errno in _GONE:
            return []
        raise _unreadable(folder, error) from error
    return [(prefix + entry.name, entry) for entry in found]


def _kind(entry: os.DirEntry[str], follow: bool) -> bytes:
    try:
        if entry.is_symlink() and not follow:
            return LINK
        if entry.is_dir(follow_symlinks=follow):
            return FOLDER
        if entry.is_file(follow_symlinks=follow):
            return FILE
        return LINK if entry.is_symlink() else OTHER
    except OSError as error:
        raise _unreadable(entry.path, error) from error


def _value(entry: os.DirEntry[str], kind: bytes, file_value: Callable[[str, os.stat_result], str] | None) -> str:
    """Return the value of something in a folder."""
    try:
        if kind == FOLDER:
            return ""
        if kind == LINK:
            return os.readlink(entry.path)
        if kind == OTHER:
            return _special(entry.stat(follow_symlinks=False).st_mode)
        return _regular(entry.path)[0] if file_value is None else file_value(entry.path, entry.stat())
    except OSError as error:
        if error.errno in _GONE:
            return ABSENT
        raise _unreadable(entry.path, error) from error


def _regular(path: str | os.PathLike[str]) -> tuple[str, os.stat_result]:
    descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        mode = status.st_mode
        if not stat.S_ISREG(mode):
            return _special(mode), status
        size, digest = _content(descriptor, status.st_size)
    finally:
        os.close(descriptor)
    return f"{'exec' if mode & stat.S_IXUSR else 'file'} {size} {digest}", status


def _content(descriptor: int, size: int) -> tuple[int, str]:
    """Return how much there is to be read, and its digest.

    :param size: how much there should be: one reading that asks for more and gets just that has met the end
    """
    piece = os.read(descriptor, min(size + 1, _PIECE))
    if len(piece) == size:
        return size, xxhash.xxh3_128_hexdigest(piece)
    hasher = xxhash.xxh3_128()
    size = 0
    while piece:
        hasher.update(piece)
        size += len(piece)
        piece = os.read(descriptor, _PIECE)
    return size, hasher.hexdigest()


def _special(mode: int) -> str:
    return f"special {_KINDS.get(stat.S_IFMT(mode), 'file')}"


def _unreadable(path: str | os.PathLike[str], error: OSError) -> TreadleError:
    return TreadleError(
        f"{os.fspath(path)} cannot be read",
        facts=(error.strerror or str(error),),
        hint="make it readable, or do not name it as an input or output",
    )
