"""Outputs on disk: made room for before an action starts, checked after, put aside when it failed.

It knows nothing of fingerprints and records.
"""

from __future__ import annotations

import os
import stat

from .errors import TreadleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def prepare(root: str, outputs: Iterable[str], keep: bool) -> None:
    """Make the folders that outputs go into, and remove output files that are there unless `keep`.

    Output folders (`site/`) are left alone.

    :raises TreadleError: something stands in the way
    """
    for output in outputs:
        full = os.path.join(root, output)
        try:
            os.makedirs(os.path.dirname(full.rstrip("/")), exist_ok=True)
            if not output.endswith("/") and not keep:
                _remove_file(full, output)
        except OSError as error:
            raise TreadleError(
                f"no room for the output {output}: {error.strerror}", facts=(f"in the way: {error.filename}",)
            ) from error


def missing(root: str, outputs: Iterable[str]) -> list[str]:
    """Return the outputs that are not there, or are a file in place of a folder or the other way round."""
    return [output for output in outputs if not _is_there(os.path.join(root, output), output.endswith("/"))]


def set_aside(root: str, outputs: Iterable[str], folder: str) -> list[str]:
    """Move output files that are there into `folder`, which is emptied first; return those that were moved.

    Where they cannot be moved they are removed: nothing half-written stays in the place of an output.
    """
    found = [o for o in outputs if not o.endswith("/") and os.path.lexists(os.path.join(root, o))]
    _empty(folder)
    for output in found:
        aside = os.path.join(folder, output.lstrip("/"))
        try:
            os.makedirs(os.path.dirname(aside), exist_ok=True)
            os.replace(os.path.join(root, output), aside)
        except OSError:
            _remove_file(os.path.join(root, output), output)
    return found


def clean(root: str, outputs: Iterable[str]) -> list[str]:
    """Remove outputs, folders with all that is in them; return those that were there."""
    removed = []
    for output in outputs:
        full = os.path.join(root, output.rstrip("/"))
        if not os.path.lexists(full):
            continue
        if output.endswith("/") and os.path.islink(full):
            # a user's own linked folder is theirs: only what an action put into it goes
            _empty(os.path.realpath(full), and_itself=False)
        elif os.path.isdir(full) and not os.path.islink(full):
            _empty(full)
        else:
            _remove_file(full, output)
        removed.append(output)
    return removed


def _is_there(full: str, folder: bool) -> bool:
    try:
        mode = os.stat(full).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) == folder


def _remove_file(full: str, output: str) -> None:
    try:
        os.unlink(full)
    except FileNotFoundError:
        return
    except IsADirectoryError as error:
        raise TreadleError(
            f"the output {output} is to be a file, but a folder of that name is there",
            hint=f"remove it, or declare the folder as {output}/",
        ) from error


def _empty(folder: str, and_itself: bool = True) -> None:
    from shutil import rmtree

    if and_itself:
        rmtree(folder, ignore_errors=True)
        return
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            rmtree(entry.path)
        else:
            os.unlink(entry.path)
