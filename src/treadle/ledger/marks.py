"""Marks: what a user has said of actions of a recorded run, for one that resumes it. They are no records.

Each is a line in the folder of the run; the last one of an action counts.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, NamedTuple

from treadle.state import own_files

if TYPE_CHECKING:
    from collections.abc import Iterable

DONE, TODO = "done", "todo"
FILE = "marks"


def keep_mark(folder: str, names: Iterable[str], mark: str, user: str) -> None:
    """Keep that actions are to be taken for done, or for to do.

    :param folder: that of the run
    :param user: the name of the user that says so
    :raises OSError: it cannot be written
    """
    said = {"as": mark, "names": list(names), "user": user, "at": int(time() * 1000)}
    fd = own_files.open_own(os.path.join(folder, FILE), os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        # in one write: two of them may come at once
        os.write(fd, json.dumps(said).encode() + b"\n")
    finally:
        os.close(fd)


class Mark(NamedTuple):
    """What an action was taken for.

    :ivar kind: DONE or TODO
    :ivar at: when, in milliseconds since the epoch
    """

    kind: str
    at: int


def marks_in(folder: str) -> dict[str, Mark]:
    """Return action -> what was said of it last; what is not a mark is left out."""
    found: dict[str, Mark] = {}
    for line in (own_files.read(os.path.join(folder, FILE)) or b"").splitlines():
        with suppress(ValueError, RecursionError):
            said = json.loads(line)
            if not isinstance(said, dict) or said.get("as") not in (DONE, TODO):
                continue
            at = said.get("at")
            mark = Mark(said["as"], at if type(at) is int else 0)
            if isinstance(said.get("names"), list):
                found.update({name: mark for name in said["names"] if isinstance(name, str)})
    return found
