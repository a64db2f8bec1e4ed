"""Outputs on disk: made room for before an action starts, checked after, put aside when it failed.

It knows nothing of fingerprints and records.
"""

from __future__ import annotations

import os
import stat

from . import own_files
from .digests import ABSENT, is_folder
from .errors import TreadleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def prepare(
    root: str, outputs: Iterable[str], with_inode: Callable[[int], Iterable[str]], clear: Callable[[str], None]
) -> None:
    """Make the folders that outputs go into, and have output files cleared away that are there.

    Output folders (`site/`) are left alone.

    :param with_inode: returns the inputs that have an inode: an output that is one of them by another name is
        refused
    :param clear: called with each output that is there, and is no folder by its name
    :raises TreadleError: something stands in the way
    """
    for output in outputs:
        full = os.path.join(root, output)
        try:
            status = None if output.endswith("/") else _lstat(full)
            if status is None:
                _make_folder(os.path.dirname(full.rstrip("/")))
                continue
            if stat.S_ISLNK(status.st_mode):
                status = _stat(full)
            if status is not None:
                _refuse_alias(root, output, status, with_inode(status.st_ino))
            clear(output)
        except OSError as error:
            raise TreadleError(
                f"no room for the output {output}: {error.strerror}",
                facts=(f"in the way: {error.filename}",),
                hint="`treadle clean --stale` removes it if an action made it that is no longer in the plan",
            ) from error


def keep_what_is_not_ours(root: str, output: str, folder: str) -> bool:
    """Move the file in the place of an output into `folder`; return whether there was one.

    It is called where nothing is known of an action's outputs: what is there may be somebody's only copy.
    """
    full = os.path.join(root, output)
    if os.path.isdir(full):
        return False
    aside = os.path.join(folder, output)
    try:
        _make_folder_aside(folder, output)
        _move(full, aside)
    except OSError as error:
        raise TreadleError(
            f"{output} is there, and not from Treadle: it cannot be moved aside",
            facts=(f"{error.filename}: {error.strerror}",),
        ) from error
    return True


def remove(root: str, output: str) -> None:
    """Remove the file in the place of an output."""
    _remove_file(os.path.join(root, output), output)


def _refuse_alias(root: str, output: str, there: os.stat_result, inputs: Iterable[str]) -> None:
    for path in inputs:
        status = _stat(os.path.join(root, path))
        if status is not None and os.path.samestat(there, status):
            raise TreadleError(
                f"the output {output} is the input {path} by another name", hint="one of them is a link"
            )


def _make_folder(folder: str) -> None:
    status = _stat(folder)
    if status is None or not stat.S_ISDIR(status.st_mode):
        os.makedirs(folder, exist_ok=True)


def _make_folder_aside(folder: str, output: str) -> None:
    """Make the folder that an output is moved into: a real one, as it is part of the state.

    :param folder: that of the action, two below the state folder
    """
    kind, name = os.path.split(folder)
    state, kind = os.path.split(kind)
    own_files.make_folder(state, os.path.join(kind, name, os.path.dirname(output)).rstrip("/"))


def _stat(full: str) -> os.stat_result | None:
    try:
        return os.stat(full)
    except OSError:
        return None


def _lstat(full: str) -> os.stat_result | None:
    try:
        return os.lstat(full)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _move(full: str, aside: str) -> None:
    try:
        os.replace(full, aside)
    except OSError:
        import shutil

        shutil.move(full, aside)


def missing(values: Mapping[str, str]) -> list[str]:
    """Return the outputs that are not there, or are a file in place of a folder or the other way round.

    :param values: path -> what it holds, as `digests` describes it
    """
    return [path for path, value in values.items() if value == ABSENT or path.endswith("/") != is_folder(value)]


def set_aside(root: str, outputs: Iterable[str], folder: str) -> list[str]:
    """Move output files that are there into `folder`, which is emptied first; return those that were moved.

    Where they cannot be moved they are removed: nothing half-written stays in the place of an output.
    """
    found = [o for o in outputs if not o.endswith("/") and os.path.lexists(os.path.join(root, o))]
    _empty(folder)
    for output in found:
        aside = os.path.join(folder, output.lstrip("/"))
        try:
            _make_folder_aside(folder, output.lstrip("/"))
            os.replace(os.path.join(root, output), aside)
        except OSError:
            _remove_file(os.path.join(root, output), output)
    return found


def clean(root: str, outputs: Iterable[str]) -> list[str]:
    """Remove outputs, folders with all that is in them; return those that were removed. See `why_left`."""
    removed = []
    for output in outputs:
        full = os.path.join(root, output.rstrip("/"))
        if not os.path.lexists(full) or why_left(root, output):
            continue
        if output.endswith("/"):
            _empty(full)
        else:
            _remove_file(full, output)
        removed.append(output)
    return removed


def why_left(root: str, output: str) -> str:
    """Return why what lies in the place of an output is nobody's to remove, "" if it may go."""
    full = os.path.join(root, output.rstrip("/"))
    if output.endswith("/"):
        if os.path.islink(full):
            return "it is a link, and what it leads to is yours"
        return "" if os.path.isdir(full) else "the plan says that it is a folder, but it is a file"
    if os.path.isdir(full) and not os.path.islink(full):
        return "the plan says that it is a file, but it is a folder"
    return ""


def if_full(root: str) -> str:
    """Return that the disk is full, "" if it is not: the log of an action could not say it then."""
    disk = os.statvfs(root)
    free = disk.f_bavail if os.geteuid() else disk.f_bfree
    return "; no space left on the disk" if disk.f_blocks and not free else ""


def _remove_file(full: str, output: str) -> None:
    try:
        os.unlink(full)
    except FileNotFoundError:
        return
    except IsADirectoryError as error:
        try:
            # an action may have made files in it that are gone
            os.rmdir(full)
        except OSError:
            raise TreadleError(
                f"the output {output} is to be a file, but a folder of that name is there",
                hint=f"remove it (`treadle clean --stale` if it is of actions that are gone), "
                f"or declare the folder as {output}/",
            ) from error


def _empty(folder: str) -> None:
    from shutil import rmtree

    rmtree(folder, ignore_errors=True)
