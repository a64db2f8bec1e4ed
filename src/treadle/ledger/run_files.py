"""The folders of recorded runs: their names, whether the run goes on, and which of them are kept.

A recorded run writes its events to `.treadle/runs/ID/events`, and holds a lock on that file as long as it lives:
however it ends, the kernel gives the lock back. So a run without its last event is under way or was lost, and the
lock tells which.
"""

from __future__ import annotations

import os
import stat
from time import gmtime, strftime
from typing import TYPE_CHECKING, NamedTuple

from treadle.content import trust
from treadle.state import own_files
from treadle.state.lock import is_locked

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = "runs"
"""The folder of recorded runs, in the state folder."""
EVENTS = "events"


class RunFile(NamedTuple):
    """The events of a recorded run as they lie on the disk.

    :ivar id: of the run
    :ivar size: bytes that are written
    """

    id: str
    path: str
    size: int


def new_id(now: float) -> str:
    """Return an identifier for a run: its time in UTC, by which they are sorted, and a bit of chance.

    Runs of several folders may be in one ledger, so it is enough chance for those of the same moment.

    :param now: seconds since the epoch
    """
    return f"{strftime('%Y%m%d-%H%M%S', gmtime(now))}-{int(now * 1000) % 1000:03d}{os.urandom(3).hex()}"


def is_id(name: str) -> bool:
    """Return whether a name is an identifier as `new_id` makes them: nothing else is the folder of a run."""
    day, _, rest = name.partition("-")
    clock, _, more = rest.partition("-")
    are_digits = name.isascii() and day.isdigit() and clock.isdigit()
    return are_digits and (len(day), len(clock)) == (8, 6) and more != "" and not more.strip("0123456789abcdef")


def make_run_folder(state: str, run: str) -> str:
    """Make the folder of a run, and return the path of its events.

    :param state: the state folder
    :raises OSError: it cannot be made
    """
    folder = own_files.make_folder(state, f"{RUNS}/{run}")
    return os.path.join(folder, EVENTS)


def events_of(state: str, run: str) -> str:
    """Return the path of the events of a run."""
    return os.path.join(state, RUNS, run, EVENTS)


def run_files(state: str) -> Iterator[RunFile]:
    """Yield the recorded runs in the order of their begin.

    What a link leads to, and what another user may have written, is no run.
    """
    folder = os.path.join(state, RUNS)
    for name in filter(is_id, _names(folder)):
        path = os.path.join(folder, name, EVENTS)
        try:
            above, status = os.lstat(os.path.dirname(path)), os.lstat(path)
        except OSError:
            continue
        is_ours = trust.counts(os.path.dirname(path), above) and trust.counts(path, status)
        if stat.S_ISDIR(above.st_mode) and stat.S_ISREG(status.st_mode) and is_ours:
            yield RunFile(name, path, status.st_size)


def _names(folder: str) -> list[str]:
    try:
        status = os.lstat(folder)
        if not stat.S_ISDIR(status.st_mode) or not trust.counts(folder, status):
            return []
        return sorted(os.listdir(folder))
    except OSError:
        return []


def is_alive(path: str) -> bool:
    """Return whether the run that writes a file of events goes on."""
    return is_locked(path)


def remove_run(state: str, run: str) -> bool:
    """Remove the folder of a run that has ended; return whether it is gone."""
    path = events_of(state, run)
    # a run that begins has another name, so none takes it up meanwhile
    if not os.path.lexists(path) or is_alive(path):
        return False
    from shutil import rmtree

    try:
        rmtree(os.path.dirname(path))
    except OSError:
        return False
    return True
