"""Logs of the attempts of an action before the last one, in a folder of their own. It knows no jobs.

Only an action that is tried again has such a folder; it goes when the action runs once more.

A log is moved when the next attempt starts, and not when its own ends: so the log of an action is in its usual
place even if a run ends between two attempts, and a single attempt costs nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress

from treadle.errors import TreadleError
from treadle.state import own_files

MOST = 10
"""Attempts of which the logs are kept, the last one included."""
_END = ".log"


def keep(state: str, place: str, attempt: int, log: str) -> None:
    """Make the log of an action that of an earlier attempt, and remove the oldest if there are too many.

    :param place: the folder for the logs of earlier attempts of the action, relative to the state folder
    :param attempt: the number of the attempt
    :param log: the log that is moved; "" if the attempt had none, so that it gets an empty one
    :raises TreadleError: it cannot be moved
    """
    try:
        folder = own_files.make_folder(state, place)
        path = os.path.join(folder, f"{attempt}{_END}")
        if log:
            with suppress(FileNotFoundError):
                os.rename(log, path)
        if not os.path.lexists(path):
            own_files.replace(path, [])
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, f"{attempt + 1 - MOST}{_END}"))
    except OSError as error:
        raise TreadleError(f"{error.filename} cannot be written: {error.strerror}") from error


def drop(state: str, place: str) -> None:
    """Remove the logs of the earlier attempts of an action.

    :param place: as in `keep`
    :raises TreadleError: they cannot be removed
    """
    try:
        # also: what is no real folder of ours is none
        folder = own_files.make_folder(state, place)
        for entry in os.listdir(folder):
            if _number(entry):
                os.unlink(os.path.join(folder, entry))
        with suppress(OSError):
            # what is not ours stays
            os.rmdir(folder)
    except OSError as error:
        raise TreadleError(f"{error.filename} cannot be removed: {error.strerror}") from error


def found(state: str, place: str, last: str) -> dict[int, str]:
    """Return the logs of an action: number of an attempt -> the path of its log, of the last one too.

    :param place: as in `keep`
    :param last: the path of the log of the last attempt
    """
    folder = os.path.join(state, place)
    try:
        numbers = sorted(filter(None, map(_number, os.listdir(folder))))
    except OSError:
        numbers = []
    logs = {number: os.path.join(folder, f"{number}{_END}") for number in numbers}
    if os.path.lexists(last):
        logs[numbers[-1] + 1 if numbers else 1] = last
    return logs


def _number(entry: str) -> int:
    """Return the number of the attempt whose log a file is, 0 if it is none."""
    number, dot, end = entry.partition(".")
    is_log = dot + end == _END and number.isascii() and number.isdigit()
    return int(number) if is_log and number[0] != "0" else 0
