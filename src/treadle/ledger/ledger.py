"""The ledger of a state folder, filled with what its runs have written."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from treadle.errors import UsageError, nearest

from .address import root_name
from .database import FILE, MEMORY, PATIENCE, Database, LedgerError
from .filling import fill, forget_runs
from .run_files import KEPT_DAYS, KEPT_RUNS, RUNS, new_id, remove_old_runs, run_files

if TYPE_CHECKING:
    from collections.abc import Callable


def open_ledger(
    state: str, warn: Callable[[str], None], *, url: str = "", rebuild: bool = False, patience: float = PATIENCE
) -> Database:
    """Return the ledger of a state folder, with all that its runs have written so far.

    Where it cannot be written, as in a folder that is for reading only, the same is made in memory.

    :param state: the state folder
    :param warn: prints a remark
    :param url: the address of a ledger that several folders share, "" for the one of this folder
    :param rebuild: whether it is made anew; of a shared one the runs of this folder whose events are still there
    :param patience: seconds to wait for another writer
    """
    path = url or os.path.join(state, FILE)
    if not url and not os.path.isdir(os.path.join(state, RUNS)):
        # nothing was ever recorded: nothing is written for a look
        return Database(MEMORY)
    try:
        if rebuild and not url:
            remove_ledger(state)
        database = Database(path, patience, root=root_name(os.path.dirname(state)))
        try:
            if rebuild and url:
                forget_runs(database, [one.id for one in run_files(state)])
            fill(database, state)
        except BaseException:
            database.close()
            raise
    except LedgerError as error:
        here = " in this folder" if url else ""
        warn(f"{error.what}; it is read from the events of the runs{here}")
        database = Database(MEMORY)
        fill(database, state)
    return database


def remove_ledger(state: str) -> None:
    """Remove the database: the events of the runs are kept, and it is made again from them.

    :raises LedgerError: something of it cannot be removed
    """
    for end in ("", "-wal", "-shm", "-journal"):
        path = os.path.join(state, FILE + end)
        try:
            with suppress(FileNotFoundError):
                os.unlink(path)
        except OSError as error:
            raise LedgerError(f"{path} cannot be removed: {(error.strerror or str(error)).lower()}") from error


def run_named(database: Database, name: str) -> str:
    """Return the run that a word means: its identifier, the beginning of one, `last`, `last-1` and so on.

    :raises UsageError: there is none, or more than one begins so
    """
    fits, values = database.ours("id")
    known = [str(one) for (one,) in database.rows(f"SELECT id FROM runs WHERE {fits} ORDER BY id DESC", values)]
    if name not in known and database.is_shared:
        # one that is named may be of another folder
        others = database.rows("SELECT id FROM runs WHERE id >= ? AND id < ?", (name, name + "~"))
        known = sorted({*known, *(str(one) for (one,) in others)}, reverse=True)
    if not known:
        raise UsageError("no run is recorded", hint="`treadle run` records each run in which something starts")
    word, _, back = name.partition("-")
    if word == "last" and (not back or back.isdecimal()):
        number = int(back or 0)
        if number < len(known):
            return known[number]
        raise UsageError(f"there is no run {name}: {len(known)} are recorded", hint="`treadle runs` lists them")
    found = [one for one in known if one.startswith(name)] if name else []
    exact = [one for one in found if one == name]
    if len(found) == 1 or exact:
        return (exact or found)[0]
    if found:
        raise UsageError(f"{len(found)} runs begin with {name}", facts=found[:5], hint="give more of the one")
    close = nearest(name, known)
    hint = f"did you mean {close}?" if close else "`treadle runs` lists them"
    raise UsageError(f"there is no run {name}", hint=hint)


def collect_garbage(
    database: Database, state: str, now: float, keep: int = KEPT_RUNS, days: float = KEPT_DAYS
) -> list[str]:
    """Remove old runs, and return them; a run under way stays, and so does one that has an identity.

    :param now: seconds since the epoch
    :param keep: how many of the others stay at most
    """
    gone = remove_old_runs(state, now, keep, days)
    if database.is_shared:
        # of runs whose events a later run has removed it has the rows still
        gone = sorted({*gone, *_old_rows(database, state, new_id(now - days * 86400), keep)})
    forget_runs(database, gone)
    return gone


def _old_rows(database: Database, state: str, too_old: str, keep: int) -> list[str]:
    """Return old runs of this folder in a shared ledger whose events are gone."""
    there = {one.id for one in run_files(state)}
    found = database.rows("SELECT id FROM runs WHERE root = ? AND workflow = '' ORDER BY id DESC", (database.root,))
    rows = [str(run) for (run,) in found]
    return [run for number, run in enumerate(rows) if run not in there and (number >= keep or run < too_old)]
