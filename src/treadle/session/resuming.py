"""A run that goes on with a recorded one: what that has done, as of when this one has the lock of the root.

Two calls may go on with one run at the same time: the one that comes second waits for the lock, and what the first
has done meanwhile is done for it too.
"""

from __future__ import annotations

import os
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING

from treadle.engines import process_marks
from treadle.errors import UsageError
from treadle.ledger.ledger import open_ledger
from treadle.ledger.marks import DONE, TODO, marks_in
from treadle.ledger.resuming import resumed
from treadle.ledger.run_files import events_of, is_alive, is_of_here

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping, Sequence

    from treadle.ledger.marks import Mark
    from treadle.ledger.queries import RunRow
    from treadle.ledger.resuming import End, Resumed
else:
    import _signal as signal

PATIENCE = 10.0
"""Seconds that a run whose walk is over may take to write its last events."""
LONGEST_WAIT = 300.0
"""Seconds that what a run has left elsewhere is waited for, if nothing else is said."""
_PAUSE = 0.03


class Resuming:
    """What a run that goes on with another one knows of that.

    :param state: the state folder
    :param run: the run that was named
    :param warn: prints a remark
    :param found: what was found of it
    :param patience: seconds to wait for what it has left elsewhere
    :param takes_over: whether what it has left with its engine goes on
    :param keeps_resources: whether what lacked memory or time begins with the amounts of the plan all the same
    """

    def __init__(
        self,
        state: str,
        run: str,
        warn: Callable[[str], None],
        found: Resumed,
        *,
        patience: float | None = None,
        keeps_resources: bool = False,
        takes_over: bool = False,
    ) -> None:
        self.patience = LONGEST_WAIT if patience is None else patience
        self.takes_over = takes_over
        self.run = run
        self.done_since: Mapping[str, int] = found.done_since
        """Action -> milliseconds since the epoch, as in `ledger.resuming.Resumed`."""
        self._state = state
        self._warn = warn
        self._keeps_resources = keeps_resources
        self._first = found
        self.ends: Mapping[str, Sequence[End]] = {}
        """Action -> how its attempts have ended that lacked memory or time: the next one begins with more."""
        self._take(found)

    def _take(self, found: Resumed) -> None:
        self.done_since = found.done_since
        self.marked_done = {name: mark.at for name, mark in found.marks.items() if mark.kind == DONE}
        """The actions that were marked as done -> when, in milliseconds since the epoch."""
        self.marked_todo = frozenset(name for name, mark in found.marks.items() if mark.kind == TODO)
        """Those that were marked as to do."""
        self.ends = {} if self._keeps_resources else found.ends

    def look_again(self, own: str) -> None:
        """Take in what other runs have done that go on with the same one; called under the lock of the root.

        :param own: this run, "" if it is not on record yet
        :raises UsageError: one of them is under way
        """
        found = self._found(own)
        if found.living:
            # a run gives the lock back before it writes its last events
            ended_within(self._state, found.living, PATIENCE)
            found = self._found(own)
            found.refuse_living()
        if set(found.chain).issuperset(self._first.chain):
            self._take(found)
        else:
            # records were removed since: what they have said of what is done holds
            both = {*self.done_since, *found.done_since} - found.marks.keys()
            since = {name: max(one.get(name, 0) for one in (self.done_since, found.done_since)) for name in both}
            self.done_since = since

    def _found(self, own: str) -> Resumed:
        with open_ledger(self._state, self._warn) as ledger:
            return resumed(
                *(ledger, self.run, own, marks_of(self._state)),
                counts=partial(is_of_here, self._state),
                known=self._first.run,
            )


def marks_of(state: str) -> Callable[[str], Mapping[str, Mark]]:
    """Return a function that returns what actions of a run were marked as.

    :param state: the state folder
    """
    return lambda run: marks_in(os.path.dirname(events_of(state, run)))


def is_of_another_host(state: str, run: RunRow) -> bool:
    """Return whether only its signs of life show whether a run lives: it is not of this host, nor has it a lock."""
    return run.host not in ("", os.uname().nodename) and not is_alive(events_of(state, run.id))


def ended_within(state: str, runs: Sequence[RunRow], seconds: float) -> bool:
    """Return whether runs of a state folder end in some seconds; it waits for that."""
    end = monotonic() + seconds
    paths = [events_of(state, one.id) for one in runs]
    while any(map(is_alive, paths)):
        if monotonic() >= end:
            return False
        sleep(_PAUSE)
    return True


def end_living(state: str, runs: Sequence[RunRow], seconds: float) -> None:
    """Ask runs that are under way to stop, and wait until they have ended.

    :raises UsageError: one of them is not of this host, or has not ended in that time
    """
    for run in runs:
        if not _ask_to_stop(events_of(state, run.id), run):
            raise UsageError(
                f"the run {run.id} cannot be ended from here",
                facts=[f"it is on {run.host}, as {run.user}, process {run.pid}, since {run.began}"],
                hint="end it there, with Ctrl-C",
            )
    if not ended_within(state, runs, seconds):
        left = [one for one in runs if is_alive(events_of(state, one.id))]
        raise UsageError(
            f"the run {left[0].id} has not ended in {seconds:g} s",
            facts=[f"on {one.host}, as {one.user}, process {one.pid}, since {one.began}" for one in left],
            hint="wait longer, or end it there: a second Ctrl-C kills what it runs",
        )


def _ask_to_stop(events: str, run: RunRow) -> bool:
    """Send the first signal to the process of a run; return whether it had one here, or has ended."""
    if run.host != os.uname().nodename:
        return False
    fd = process_marks.open_pidfd(run.pid)
    try:
        if not is_alive(events):
            return True
        # the number may be that of another process by now
        if not _has_open(run.pid, events):
            return False
        if fd >= 0:
            signal.pidfd_send_signal(fd, signal.SIGTERM)
        else:
            os.kill(run.pid, signal.SIGTERM)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    finally:
        if fd >= 0:
            os.close(fd)
    return True


def _has_open(pid: int, path: str) -> bool:
    """Return whether a process has a file open."""
    try:
        wanted = os.stat(path)
        if os.path.isdir("/proc/self/fd"):
            found = [os.path.join(f"/proc/{pid}/fd", name) for name in os.listdir(f"/proc/{pid}/fd")]
        else:
            import psutil

            found = [one.path for one in psutil.Process(pid).open_files()]
    except (OSError, ImportError):
        return False
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "psutil":
            raise
        return False
    for one in found:
        try:
            status = os.stat(one)
        except OSError:
            continue
        if (status.st_dev, status.st_ino) == (wanted.st_dev, wanted.st_ino):
            return True
    return False
