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


def prepare(root: str, outputs: Iterable[str], inputs: Iterable[str], keep: bool) -> None:
    """Make the folders that outputs go into, and remove output files that are there unless `keep`.

    Output folders (`site/`) are left alone.

    :param inputs: what the action reads: an output that is one of them by another name is refused
    :raises TreadleError: something stands in the way
    """
    read = list(inputs)
    for output in outputs:
        full = os.path.join(root, output)
        try:
            os.makedirs(os.path.dirname(full.rstrip("/")), exist_ok=True)
            if not output.endswith("/"):
                _refuse_alias(root, output, read)
                if not keep:
                    _remove_file(full, output)
        except OSError as error:
            raise TreadleError(
                f"no room for the output {output}: {error.strerror}", facts=(f"in the way: {error.filename}",)
            ) from error


def keep_what_is_not_ours(root: str, outputs: Iterable[str], folder: str) -> list[str]:
    """Move files that lie in the place of outputs into `folder`; return those that were moved.

    It is called where nothing is known of an action's outputs: what is there may be somebody's only copy.
    """
    moved = []
    for output in outputs:
        full = os.path.join(root, output)
        if output.endswith("/") or not os.path.lexists(full) or os.path.isdir(full):
            continue
        aside = os.path.join(folder, output)
        try:
            os.makedirs(os.path.dirname(aside), exist_ok=True)
            _move(full, aside)
        except OSError as error:
            raise TreadleError(
                f"{output} is there, and not from Treadle: it cannot be moved aside",
                facts=(f"{error.filename}: {error.strerror}",),
            ) from error
        moved.append(output)
    return moved


def _refuse_alias(root: str, output: str, inputs: list[str]) -> None:
    try:
        there = os.stat(os.path.join(root, output))
    except OSError:
        return
    for path in inputs:
        try:
            if os.path.samestat(there, os.stat(os.path.join(root, path))):
                raise TreadleError(
                    f"the output {output} is the input {path} by another name", hint="one of them is a link"
                )
        except OSError:
            continue


def _move(full: str, aside: str) -> None:
    try:
        os.replace(full, aside)
    except OSError:
        import shutil

        shutil.move(full, aside)


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


def _empty(folder: str) -> None:
    from shutil import rmtree

    rmtree(folder, ignore_errors=True)
