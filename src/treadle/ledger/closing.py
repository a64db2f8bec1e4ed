"""Closes a run that is dead: its stream gets a last line, so that an index made again says the same."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.events.encoding import encoded
from treadle.state import own_files

from .moments import moment
from .run_files import events_of
from .user import user_name

if TYPE_CHECKING:
    from .queries import RunRow


def close_run(state: str, run: RunRow, why: str, now: float) -> bool:
    """Write that a run was given up; return False if it lives, or has ended by itself.

    :param state: the state folder
    :param now: seconds since the epoch
    :raises OSError: it cannot be written
    """
    from fcntl import LOCK_EX, LOCK_NB, flock

    path = events_of(state, run.id)
    if own_files.is_foreign(path):
        return False
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        try:
            flock(fd, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return False
        with open(fd, "rb", closefd=False) as file:
            data = file.read()
        whole = data.rfind(b"\n") + 1
        last = data[data.rfind(b"\n", 0, max(whole - 1, 0)) + 1 : whole]
        if last.startswith((b'{"event":"summary"', b'{"event":"lost"')):
            return False
        # a line that the run was killed in is no event
        os.ftruncate(fd, whole)
        began = moment(run.began)
        at = 0.0 if began is None else max(0.0, round(now - began.timestamp(), 3))
        line = {"event": "lost", "t": at, "host": os.uname().nodename, "user": user_name(), "reason": why}
        os.write(fd, encoded(line))
    finally:
        os.close(fd)
    return True
