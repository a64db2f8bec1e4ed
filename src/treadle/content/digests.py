"""One path of the file system as a readable value: its kind, its size and a digest of its content.

It knows nothing of fingerprints, clocks and stamps. Nothing here blocks on what is not a plain file.
"""

from __future__ import annotations

import errno
import os
import stat

import xxhash

from treadle.errors import StopRequestedError, TreadleError

from .trust import STATE_FOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ABSENT = "absent"
"""The value of a path where nothing is, or a link that leads nowhere."""

PRESENT = "present "
"""How the value of an output folder begins that is judged by presence; then what identifies the run that made it,
and names, with `/` between them."""
SUCCESS = "success "
"""How the value of something that is read in such a folder begins; what identifies the run follows."""

_PIECE = 1 << 20
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What the system says where a path leads nowhere. All else (no permission, an I/O error, a name too long, a stale
handle) leaves open what is there: that is an error, and never a value."""
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
    path: str | os.PathLike[str],
    status: os.stat_result | None = None,
    is_stop_requested: Callable[[], bool] | None = None,
) -> tuple[str, os.stat_result | None]:
    """Return what `describe_file` does, and the status of what was read, None if there was nothing.

    :param status: its status, if it was just looked at
    :param is_stop_requested: called between the pieces of a large file: whether to give up
    :raises TreadleError: if it is there and cannot be read
    :raises StopRequestedError: the reading was given up
    """
    # Asked before it is opened: to open a device can be to make it do something.
    status = status or look_at(path)
    if status is None:
        return ABSENT, None
    if not stat.S_ISREG(status.st_mode):
        return _special(status.st_mode), status
    try:
        return _regular(path, is_stop_requested)
    except OSError as error:
        if is_gone(error):
            return ABSENT, None
        raise _unreadable(path, error) from error


def look_at(path: str | os.PathLike[str], *, follow: bool = True) -> os.stat_result | None:
    """Return the status of a path, None where nothing is or it leads nowhere.

    :param follow: False for a link itself
    :raises TreadleError: what is there cannot be looked at
    """
    try:
        return os.stat(path) if follow else os.lstat(path)
    except OSError as error:
        if is_gone(error):
            return None
        raise _unreadable(path, error) from error
    except ValueError as error:
        raise TreadleError(f"{os.fspath(path)!r} cannot be a path", facts=(str(error),)) from error


def is_gone(error: OSError) -> bool:
    """Return whether an error says that nothing is at a path, or that it leads nowhere."""
    return error.errno in _GONE


def describe_tree(
    path: str | os.PathLike[str],
    file_value: Callable[[str, os.stat_result], str] | None = None,
    *,
    follow: bool = False,
    on_folder: Callable[[str, os.stat_result, Sequence[int]], None] | None = None,
    on_link: Callable[[str], None] | None = None,
    is_excluded: Callable[[str, bool], bool] | None = None,
) -> str:
    """Return `tree ENTRIES DIGEST` for a folder, and what `describe_file` says for anything else.

    All names below the folder count, also of empty folders.

    :param path: the folder; a link to one is followed
    :param file_value: gets the path and the status of each plain file, and returns what `describe_file` would;
        None reads each file
    :param follow: True for what is read: links below the folder count by what they lead to (one that leads back
        to a folder around it by its text), and LITTER does not count. A folder that was met before, by another
        link, counts by the name that it was met under, so that the work is linear in what is there, however many
        links lead to it. False for what was made: links count by their text, and everything counts.
    :param on_folder: see `walk_tree`
    :param is_excluded: see `walk_tree`
    :param on_link: called with the path of each link that was followed
    :raises TreadleError: if something is there and cannot be read
    """
    status = look_at(path)
    if status is None or not stat.S_ISDIR(status.st_mode):
        return describe(path, status)[0]
    hasher = xxhash.xxh3_128()
    count = 0
    for name, entry, kind, before in walk_tree(
        os.fspath(path), follow=follow, on_folder=on_folder, is_excluded=is_excluded
    ):
        if on_link is not None and follow and entry.is_symlink():
            on_link(entry.path)
        hasher.update(framed_in_tree(name, kind, _value(entry, kind, before, file_value)))
        count += 1
    return f"tree {count} {hasher.hexdigest()}"


def framed_in_tree(name: str, kind: bytes, value: str) -> bytes:
    """Return what one name of a tree adds to its digest.

    :param kind: as `walk_tree` has it
    """
    framed = kind
    for part in (os.fsencode(name), value.encode("utf-8", "surrogateescape")):
        framed += len(part).to_bytes(8, "little") + part
    return framed


def is_folder(value: str) -> bool:
    """Return whether a value is that of a folder, whichever way it was looked at."""
    return value.startswith(("tree ", PRESENT)) or value == _FOLDER_VALUE


_LITTER_FOLDERS = ("__pycache__", STATE_FOLDER, ".mypy_cache", ".pytest_cache", ".ruff_cache")
LITTER = (
    *[f"{name}/" for name in _LITTER_FOLDERS],
    *(".*.sw[a-p]", ".#?*", "#?*#", "?*~", ".?*~", ".~lock.*#", ".DS_Store"),
)
"""What no input folder counts, as patterns of `exclude`; `is_litter` is the same, without a regex.

An interpreter, a checker, an editor or a file manager writes them next to sources, and nothing reads them as a
source: byte code, our state, caches of mypy, pytest and ruff, files for swap, locks and backups of vim, emacs and
LibreOffice, and .DS_Store of macOS. A build may read any other name as a source, such as the `4913` of vim.
"""


def is_litter(name: str, is_folder: bool) -> bool:
    """Return whether something of this name in an input folder is none of its content, see LITTER."""
    if is_folder:
        return name in _LITTER_FOLDERS
    if name[-1] == "~":
        return len(name) > 1 and name != ".~"
    if name[0] == ".":
        # vim counts down from .swp to .swa
        if len(name) > 5 and name[-4:-1] == ".sw" and "a" <= name[-1] <= "p":
            return True
        return (
            (name[1:2] == "#" and len(name) > 2)
            or name == ".DS_Store"
            or (name[:7] == ".~lock." and name[-1] == "#")
        )
    return len(name) > 2 and name[0] == "#" == name[-1]


FOLDER, FILE, LINK, OTHER, SAME = b"d", b"f", b"l", b"s", b"r"


def walk_tree(
    top: str,
    *,
    follow: bool,
    on_folder: Callable[[str, os.stat_result, Sequence[int]], None] | None = None,
    is_excluded: Callable[[str, bool], bool] | None = None,
) -> Iterator[tuple[str, os.DirEntry[str], bytes, str]]:
    """Yield (name below `top`, entry, kind, name before) of all that is below, each folder's names in byte order.

    Each folder is listed once: where another link leads to it again, its kind is SAME, and the name before is the
    one that it was listed under. The order is that of the names alone, so copies of a tree give the same.

    :param follow: as for `describe_tree`
    :param on_folder: called for each folder that was listed, with its name ("" or with a `/` at its end), how it
        was just before, and the inodes of what is left out of it
    :raises TreadleError: if a folder is there and cannot be read
    """
    status = look_at(top)
    if status is None:
        return
    around = frozenset(_folders_around(top)) if follow else frozenset()
    listed: dict[tuple[int, int], str] = {}
    entries = _sorted_entries(top, "", status, follow, on_folder, is_excluded)
    todo = [(name, entry, around) for name, entry in entries]
    while todo:
        name, entry, around = todo.pop()
        kind = _kind(entry, follow)
        if kind != FOLDER:
            yield name, entry, kind, ""
            continue
        own_status = _status(entry, follow)
        if own_status is None:
            # it has just gone
            yield name, entry, LINK if entry.is_symlink() else FOLDER, ""
            continue
        if follow:
            own = _identity(own_status)
            if own in around:
                # no link of its own where a link before it has led above it
                yield name, entry, LINK if entry.is_symlink() else FOLDER, ""
                continue
            if own in listed:
                yield name, entry, SAME, listed[own]
                continue
            listed[own] = name
            around |= {own}
        yield name, entry, FOLDER, ""
        inside = _sorted_entries(entry.path, name + "/", own_status, follow, on_folder, is_excluded)
        todo += [(below, one, around) for below, one in inside]


def _folders_around(top: str) -> Iterator[tuple[int, int]]:
    """Yield the identities of a folder and of all folders around it."""
    path, below = os.path.realpath(top), ""
    while path != below:
        status = look_at(path)
        if status is not None:
            yield _identity(status)
        path, below = os.path.dirname(path), path


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _sorted_entries(
    folder: str,
    prefix: str,
    status: os.stat_result,
    follow: bool,
    on_folder: Callable[[str, os.stat_result, Sequence[int]], None] | None,
    is_excluded: Callable[[str, bool], bool] | None,
) -> list[tuple[str, os.DirEntry[str]]]:
    left_out: list[int] = []
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name), reverse=True)
    except OSError as error:
        if not is_gone(error):
            raise _unreadable(folder, error) from error
        found = []
    if follow:
        litter = [entry for entry in found if is_litter(entry.name, False) or is_litter(entry.name, True)]
        for entry in litter:
            if is_litter(entry.name, _kind(entry, follow) == FOLDER):
                left_out.append(entry.inode())
                found.remove(entry)
    if is_excluded is not None:
        for entry in found[:]:
            if is_excluded(prefix + entry.name, _kind(entry, follow) == FOLDER):
                left_out.append(entry.inode())
                found.remove(entry)
    if on_folder is not None:
        on_folder(prefix, status, left_out)
    return [(prefix + entry.name, entry) for entry in found]


def _status(entry: os.DirEntry[str], follow: bool) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=follow)
    except OSError as error:
        if is_gone(error):
            return None
        raise _unreadable(entry.path, error) from error


def _kind(entry: os.DirEntry[str], follow: bool) -> bytes:
    is_link = False
    try:
        is_link = entry.is_symlink()
        if is_link and not follow:
            return LINK
        if entry.is_dir(follow_symlinks=follow):
            return FOLDER
        if entry.is_file(follow_symlinks=follow):
            return FILE
    except OSError as error:
        # a link that leads in a circle or through a file is one that leads nowhere, as `is_dir` takes all others
        if not is_gone(error):
            raise _unreadable(entry.path, error) from error
    return LINK if is_link else OTHER


def _value(
    entry: os.DirEntry[str], kind: bytes, before: str, file_value: Callable[[str, os.stat_result], str] | None
) -> str:
    """Return the value of something in a folder.

    :param before: of a folder that was listed before, the name that it was listed under
    """
    try:
        if kind in (FOLDER, SAME):
            return before
        if kind == LINK:
            return os.readlink(entry.path)
        if kind == OTHER:
            return _special(entry.stat(follow_symlinks=False).st_mode)
        return _regular(entry.path)[0] if file_value is None else file_value(entry.path, entry.stat())
    except OSError as error:
        if is_gone(error):
            return ABSENT
        raise _unreadable(entry.path, error) from error


def _regular(
    path: str | os.PathLike[str], is_stop_requested: Callable[[], bool] | None = None
) -> tuple[str, os.stat_result]:
    descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        mode = status.st_mode
        if not stat.S_ISREG(mode):
            return _special(mode), status
        size, digest = _content(descriptor, status.st_size, is_stop_requested)
        if size < 0:
            raise StopRequestedError(f"the run was stopped while {os.fspath(path)} was read")
    finally:
        os.close(descriptor)
    return f"{'exec' if mode & stat.S_IXUSR else 'file'} {size} {digest}", status


def _content(descriptor: int, size: int, is_stop_requested: Callable[[], bool] | None) -> tuple[int, str]:
    """Return how much there is to be read, and its digest; -1 if the reading was given up.

    :param size: how much there should be: one reading that asks for more and gets just that has met the end
    """
    piece = os.read(descriptor, min(size + 1, _PIECE))
    if len(piece) == size:
        return size, xxhash.xxh3_128_hexdigest(piece)
    hasher = xxhash.xxh3_128()
    size = 0
    while piece:
        if is_stop_requested is not None and is_stop_requested():
            return -1, ""
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
