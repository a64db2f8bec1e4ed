"""Closing runs that were never closed, and of which host, lease and mark say that they are dead.

What takes the lock of a folder does most of it: it ends what a killed run of this host has left. The lock on the
events of a run decides for runs of this host. Of those of other hosts, in a folder that several share, their leases
decide: one is dead that shows no sign of life for its lease and the time that what it ran elsewhere has to end.
"""

from __future__ import annotations

import os
from time import sleep, time
from typing import TYPE_CHECKING

from treadle.command.walk import acquire_state
from treadle.core.lease import FILE, LEASE, LOOKS, Silence, parse
from treadle.engines.agent import now_with_sleep
from treadle.errors import BusyError
from treadle.ledger.closing import close_run
from treadle.ledger.filling import fill
from treadle.ledger.owners import end_owner
from treadle.ledger.queries import RunFilter, runs
from treadle.ledger.run_files import events_of, is_alive
from treadle.ledger.states import LOST, RUNNING
from treadle.state import own_files
from treadle.state.store import Store

from .ownership import MARGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treadle.ledger.database import Database
    from treadle.ledger.queries import RunRow

_LONGEST_NAP = 5.0


class Reaped:
    """What has become of a run that was never closed.

    :ivar why: why it counts as dead, "" if it lives
    """

    __slots__ = ("run", "why")

    def __init__(self, run: RunRow, why: str) -> None:
        self.run = run
        self.why = why


def reap(
    root: str,
    database: Database,
    *,
    wait: bool = True,
    patience: float | None = None,
    ends_left: bool = True,
    say: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = now_with_sleep,
    nap: Callable[[float], None] = sleep,
) -> list[Reaped]:
    """Close the runs of a folder that were never closed and are dead; return these, and those that live.

    :param database: the ledger, with all that the runs in this folder have written
    :param wait: whether runs of other hosts are watched for their leases; if not, they count as living
    :param patience: seconds that are waited at most, for each of both; None for as long as it takes
    :param ends_left: whether what killed runs have left running is ended
    :raises StateError: what a killed run has left does not end
    """
    if ends_left:
        end_left(root, say, wait=wait, patience=patience)
    store = Store(root)
    closed = {str(run) for (run,) in database.rows("SELECT id FROM runs WHERE closed_by <> ''")}
    open_ones = [one for one in runs(database, RunFilter(states=(RUNNING, LOST))) if one.id not in closed]
    here = os.uname().nodename
    found: list[Reaped] = []
    watched: list[RunRow] = []
    for run in open_ones:
        if not os.path.lexists(events_of(store.folder, run.id)):
            continue
        if is_alive(events_of(store.folder, run.id)):
            found.append(Reaped(run, ""))
        elif run.host in ("", here):
            found.append(Reaped(run, f"its process {run.pid} has ended without a word"))
        elif wait:
            watched.append(run)
        else:
            found.append(Reaped(run, ""))
    found += _watch(store.folder, watched, patience, say, clock, nap)
    for one in found:
        if one.why and not close_run(store.folder, one.run, one.why, time()):
            one.why = ""
        elif one.why:
            end_owner(database, one.run.id)
    fill(database, store.folder)
    return sorted(found, key=lambda one: one.run.id)


def end_left(root: str, say: Callable[[str], None], *, wait: bool = True, patience: float | None = None) -> None:
    """End what killed runs of a folder have left, unless a run is at work there: that has done it.

    :raises StateError: it does not end, or the state cannot be used
    """
    store = Store(root)
    if not os.path.isdir(store.folder):
        return
    if store.lock.is_busy():
        say(f"{store.lock.holder() or 'another run'} is at work in {root}")
        return
    try:
        acquire_state(store, os.urandom(8).hex(), wait=wait, patience=patience, say=say)
    except BusyError as error:
        say(error.what)
    else:
        store.release()


def _watch(
    state: str,
    watched: Sequence[RunRow],
    patience: float | None,
    say: Callable[[str], None],
    clock: Callable[[], float],
    nap: Callable[[float], None],
) -> list[Reaped]:
    """Watch runs of other hosts, all at once, for their leases."""
    if not watched:
        return []
    now = clock()
    silences = {one.id: Silence(now) for one in watched}
    leases = {one.id: _sign(state, one.id)[1] for one in watched}
    longest = max(leases.values()) + MARGIN
    until = longest if patience is None else min(longest, patience)
    say(f"watching {len(watched)} runs of other hosts for a sign of life, up to {until:g} s")
    found: list[Reaped] = []
    first: dict[str, tuple[int, int]] = {one.id: _sign(state, one.id)[0] for one in watched}
    left = list(watched)
    while left:
        nap(min(min(leases[one.id] for one in left) / LOOKS, _LONGEST_NAP))
        for run in list(left):
            sign, seconds = _sign(state, run.id)
            leases[run.id] = max(seconds, leases[run.id])
            if sign != first[run.id] or (patience is not None and clock() - now > patience):
                found.append(Reaped(run, ""))
                left.remove(run)
            elif silences[run.id].seconds(clock()) > leases[run.id] + MARGIN:
                why = f"it has shown no sign of life on {run.host} for {leases[run.id] + MARGIN:g} s"
                found.append(Reaped(run, why))
                left.remove(run)
    return found


def _sign(state: str, run: str) -> tuple[tuple[int, int], float]:
    """Return what changes as long as a run lives, and the length of its lease."""
    events = events_of(state, run)
    lease = parse(own_files.read(os.path.join(os.path.dirname(events), FILE)) or b"")
    try:
        size = os.lstat(events).st_size
    except OSError:
        size = -1
    return (-1 if lease is None else lease.counter, size), LEASE if lease is None else lease.seconds
