"""The owner of each identity: the run that has it, its epoch, and its signs of life. All of it is compare and set.

An identity is the name of a workflow with the digest of its parameters. One run has it at a time. What takes it
over from a dead one counts the epoch up; what had it before finds that out at its next sign of life.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .database import Database


@dataclass(frozen=True, slots=True)
class Identity:
    """The name of a workflow, with the digest of its parameters."""

    workflow: str
    params: str


@dataclass(frozen=True, slots=True)
class Owner:
    """The run that has an identity, or had it last.

    :ivar token: that no other one has: where the ledger is made anew, an epoch may come twice
    :ivar root: the folder of its plan, on its host
    :ivar beat: how many signs of life it has shown
    :ivar lease: seconds of silence after which it counts as dead where nothing else is known
    :ivar ended: whether it has given the identity back
    """

    epoch: int
    token: str
    run: str
    root: str
    host: str
    user: str
    pid: int
    since: str
    beat: int
    lease: float
    ended: int = 0


_COLUMNS = "epoch, token, run, root, host, account, pid, since, beat, lease, ended"
_IS_IT = "workflow = ? AND params = ?"


def owner_of(database: Database, identity: Identity) -> Owner | None:
    """Return the run that has an identity, or had it last.

    :raises LedgerError: it cannot be read, or holds what Treadle does not write
    """
    key = (identity.workflow, identity.params)
    for row in database.rows(f"SELECT {_COLUMNS} FROM owners WHERE {_IS_IT}", key):
        return _made(database, row)
    return None


def _made(database: Database, row: tuple[object, ...]) -> Owner:
    whole, texts = (row[0], row[6], row[8], row[10]), row[1:6]
    are_right = all(type(one) is int for one in whole) and all(isinstance(one, str) for one in (*texts, row[7]))
    if not are_right or not isinstance(row[9], int | float) or not 0 < row[9] < float("inf"):
        raise database.foreign()
    return Owner(*row)  # type: ignore[arg-type]


def take(database: Database, identity: Identity, mine: Owner, seen: Owner | None) -> int:
    """Take an identity that nothing has, or from what had it; return our epoch, 0 if another was faster.

    :param seen: what had it when that was found dead, None for nothing: any sign of it since then keeps it
    """
    key = (identity.workflow, identity.params)
    values = (mine.token, mine.run, mine.root, mine.host, mine.user, mine.pid, mine.since, mine.lease)
    names = "token, run, root, host, account, pid, since, lease"
    with database.transaction():
        if seen is None:
            database.write(
                f"INSERT INTO owners (workflow, params, epoch, {names}) VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (workflow, params) DO NOTHING",
                [(*key, *values)],
            )
        else:
            sets = ", ".join(f"{name} = ?" for name in names.split(", "))
            database.write(
                f"UPDATE owners SET epoch = epoch + 1, beat = 0, ended = 0, {sets}"
                f" WHERE {_IS_IT} AND epoch = ? AND token = ? AND beat = ? AND ended = ?",
                [(*values, *key, seen.epoch, seen.token, seen.beat, seen.ended)],
            )
        now = owner_of(database, identity)
    return now.epoch if now is not None and now.token == mine.token else 0


def beat(database: Database, identity: Identity, mine: Owner) -> Owner | None:
    """Show a sign of life; return the run that has taken over, None if the identity is ours.

    Where the ledger was made anew meanwhile, nothing has it, and it is ours as it was.

    :param mine: as it was taken, with its epoch
    """
    key = (identity.workflow, identity.params)
    with database.transaction():
        database.write(
            f"UPDATE owners SET beat = beat + 1 WHERE {_IS_IT} AND epoch = ? AND token = ?",
            [(*key, mine.epoch, mine.token)],
        )
        now = owner_of(database, identity)
        if now is None:
            row = (*key, mine.epoch, mine.token, mine.run, mine.root, mine.host, mine.user, mine.pid, mine.since)
            database.write(
                f"INSERT INTO owners (workflow, params, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, 0)"
                " ON CONFLICT (workflow, params) DO NOTHING",
                [(*row, mine.lease)],
            )
            now = owner_of(database, identity)
    return None if now is None or (now.token, now.epoch) == (mine.token, mine.epoch) else now


def end_owner(database: Database, run: str) -> None:
    """Free the identity of a run that is dead."""
    with database.transaction():
        database.write("UPDATE owners SET ended = 1 WHERE run = ?", [(run,)])


def give_back(database: Database, identity: Identity, mine: Owner) -> None:
    """Give an identity back, if it is ours; its epoch stays."""
    with database.transaction():
        database.write(
            f"UPDATE owners SET ended = 1 WHERE {_IS_IT} AND epoch = ? AND token = ?",
            [(identity.workflow, identity.params, mine.epoch, mine.token)],
        )
