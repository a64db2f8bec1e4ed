"""The folders of recorded runs: their names, whether the run goes on, and which of them are kept.

A recorded run writes its events to `.treadle/runs/ID/events`, and holds a lock on that file as long as it lives:
however it ends, the kernel gives the lock back. So a run without its last event is under way or was lost, and the
lock shows which.
"""

from __future__ import annotations

import os
import stat
from time import gmtime, strftime

from treadle.content import trust
from treadle.state import own_files
from treadle.state.lock import is_locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RUNS = "runs"
"""The folder of recorded runs, in the state folder."""
EVENTS = "events"
ORIGIN = "origin"
"""The file in the state folder that holds the origin of its runs."""
KEPT_RUNS, KEPT_DAYS = 50, 30
"""So many runs without an identity are kept, and none that is older."""
_ORIGIN_SIZE = 16


class RunFile:
    """The events of a recorded run as they lie on the disk.

    :ivar id: of the run
    :ivar size: bytes that are written
    """

    __slots__ = ("id", "path", "size")

    def __init__(self, run: str, path: str, size: int) -> None:
        self.id = run
        self.path = path
        self.size = size


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
    :raises OSError: it cannot be made, or is there
    """
    above = own_files.make_folder(state, RUNS)
    folder = os.path.join(above, run)
    # a name that is there is that of another run, whose events would be lost
    os.mkdir(folder, 0o755)
    own_files.make_one(folder, above)
    path = os.path.join(folder, EVENTS)
    # it belongs to the owner of the state, as all that is made there
    own_files.create(path, "")
    return path


def own_origin(state: str) -> str:
    """Return the origin of the runs that are recorded in a state folder from now on.

    It is a text of chance with a mark outside of the folder. Each run has it in its first event: one that came with
    a checkout cannot have it, and is not gone on with.

    :raises OSError: it cannot be written
    """
    known = _origin_in(state)
    if not (trust.is_marked(known) or (known and trust.is_state_trusted())):
        known = trust.new_id()[:_ORIGIN_SIZE]
        trust.mark(known)
        own_files.replace(os.path.join(state, ORIGIN), [known.encode()])
    return known


def _origin_in(state: str) -> str:
    data = own_files.read(os.path.join(state, ORIGIN)) or b""
    return data.decode() if data.isalnum() and len(data) == _ORIGIN_SIZE else ""


def is_of_here(state: str, run: str) -> bool:
    """Return whether a run was recorded in this folder by this user's Treadle, and did not come with a checkout.

    `TREADLE_TRUST_STATE` lets runs count that a cache of CI has brought, as it does with records.
    """
    if trust.is_state_trusted():
        from treadle.content.git import tracks

        return not tracks(state)
    known = _origin_in(state)
    file = _file_of(state, run)
    if not trust.is_marked(known) or file is None:
        return False
    event = _first_event(file.path)
    return event is not None and event.get("origin") == known


def events_of(state: str, run: str) -> str:
    """Return the path of the events of a run."""
    return os.path.join(state, RUNS, run, EVENTS)


def run_files(state: str) -> Iterator[RunFile]:
    """Yield the recorded runs in the order of their begin.

    What a link leads to, and what another user may have written, is no run.
    """
    for name in filter(is_id, _names(os.path.join(state, RUNS))):
        file = _file_of(state, name)
        if file is not None:
            yield file


def _file_of(state: str, run: str) -> RunFile | None:
    """Return the events of a run; None where something else has the name of one."""
    path = events_of(state, run)
    folder = os.path.dirname(path)
    try:
        above, status = os.lstat(folder), os.lstat(path)
    except OSError:
        return None
    is_ours = trust.counts(folder, above) and trust.counts(path, status)
    if stat.S_ISDIR(above.st_mode) and stat.S_ISREG(status.st_mode) and is_ours:
        return RunFile(run, path, status.st_size)
    return None


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
    """Remove the folder of a run that has ended; return whether it is gone.

    What is no run stays, whatever its name: a link that a checkout has brought leads to files of the project.
    """
    file = _file_of(state, run)
    # a run that begins has another name, so none takes it up meanwhile
    if file is None or is_alive(file.path):
        return False
    try:
        _remove_folder(os.path.dirname(file.path))
    except OSError:
        return False
    return True


def _remove_folder(path: str) -> None:
    """Remove a folder with all that is in it; the events go last, so that what is left of it is still a run.

    `shutil` has the same, and loads what a run with one edit has no time for.
    """
    for name in sorted(os.listdir(path), key=EVENTS.__eq__):
        inside = os.path.join(path, name)
        if stat.S_ISDIR(os.lstat(inside).st_mode):
            _remove_folder(inside)
        else:
            os.unlink(inside)
    os.rmdir(path)


def remove_old_runs(state: str, now: float, keep: int = KEPT_RUNS, days: float = KEPT_DAYS) -> list[str]:
    """Remove old runs, and return them; a run under way stays, and so does one that has an identity.

    :param now: seconds since the epoch
    :param keep: how many of the others stay at most
    """
    runs = [name for name in _names(os.path.join(state, RUNS)) if is_id(name)]
    too_old = new_id(now - days * 86400)
    if len(runs) <= keep and not (runs and runs[0] < too_old):
        return []
    others = [name for name in runs if (file := _file_of(state, name)) is not None and not _has_identity(file.path)]
    old = [name for name in others[: max(len(others) - keep, 0)] if name >= too_old]
    old += [name for name in others if name < too_old]
    return [name for name in sorted(old) if remove_run(state, name)]


def _has_identity(path: str) -> bool:
    """Return whether the run of a file of events has an identity: its first event names one."""
    try:
        with open(path, "rb") as file:
            is_named = b'"workflow"' in file.readline()
    except OSError:
        # in doubt it is kept
        return True
    return is_named and bool((_first_event(path) or {}).get("workflow"))


def _first_event(path: str) -> Mapping[str, object] | None:
    """Return the first event of a run, None if there is none.

    It has the names and the words of the call, and may be long.
    """
    import json

    try:
        with open(path, "rb") as file:
            event = json.loads(file.readline())
    except (OSError, ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
