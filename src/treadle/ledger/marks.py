"""Marks: what a user has said of actions of a recorded run, for one that resumes it. They are no records.

Each is a line in the folder of the run; the last one of an action counts.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING

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


def marks_in(folder: str) -> dict[str, str]:
    """Return action -> DONE or TODO, as was said last; what is not a mark is left out."""
    found: dict[str, str] = {}
    for line in (own_files.read(os.path.join(folder, FILE)) or b"").splitlines():
        with suppress(ValueError, RecursionError):
            said = json.loads(line)
            if isinstance(said, dict) and said.get("as") in (DONE, TODO) and isinstance(said.get("names"), list):
                found.update({name: said["as"] for name in said["names"] if isinstance(name, str)})
    return found
