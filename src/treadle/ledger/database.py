"""The database of the ledger: opened, brought to the present schema, written in transactions."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from treadle.errors import TreadleError
from treadle.state import own_files

from .steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Self

FILE = "ledger.db"
MEMORY = ":memory:"
"""A database of this process alone."""
PATIENCE = 2.0
"""Seconds that a writer waits for another one."""

Row = tuple[Any, ...]


class LedgerError(TreadleError):
    """The ledger cannot be used. A run goes on without it."""


class Database:
    """An SQLite file with the tables of the ledger.

    :param path: it is made if it is not there; `MEMORY` for none
    :param patience: seconds to wait for another writer
    :raises LedgerError: it cannot be opened, or its schema is newer
    """

    def __init__(self, path: str, patience: float = PATIENCE) -> None:
        self.path = path
        try:
            # what others may write to or have linked is replaced by a file of our own
            if path != MEMORY:
                os.close(own_files.open_own(path, os.O_RDWR, 0o644))
            self._connection = sqlite3.connect(
                path, timeout=patience, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"the ledger {path} cannot be opened: {error}") from error
        try:
            with _told(path):
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                # names differ by case, as files do
                self._connection.execute("PRAGMA case_sensitive_like = ON")
                self._migrate()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def _migrate(self) -> None:
        """Take the steps that this file has not seen, each in a transaction."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > len(STEPS):
            raise LedgerError(
                f"the ledger {self.path} has schema {version}, and this Treadle knows {len(STEPS)}",
                facts=["a newer Treadle has written it"],
                hint="use that one, or remove the file: `treadle runs` makes it again",
            )
        if version < 0:
            raise self.foreign()
        for number in range(version, len(STEPS)):
            with self.transaction():
                # another process may have taken it meanwhile
                (version,) = self._connection.execute("PRAGMA user_version").fetchone()
                if version == number:
                    for statement in STEPS[number]:
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {number + 1}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written within, or nothing of it.

        :raises LedgerError: it cannot be written
        """
        with _told(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def write(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute a statement for each row; called within a transaction."""
        self._connection.executemany(statement, rows)

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a query.

        :raises LedgerError: it cannot be read
        """
        with _told(self.path):
            known = [storable(one) if isinstance(one, str) else one for one in values]
            return self._connection.execute(statement, known).fetchall()

    def foreign(self) -> LedgerError:
        """Return the error for rows that hold what Treadle does not write."""
        return LedgerError(f"the ledger {self.path} holds what no Treadle has written", hint=_REMOVE)


_REMOVE = "remove it: `treadle runs` makes it again from the events of the runs"


def storable(text: str) -> str:
    """Return a text as a database takes it: a name that is no text has lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode()


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Turn errors of the database into our own."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        # one that is locked, on a full disk or for reading only is not mended by that
        is_damaged = not isinstance(error, sqlite3.OperationalError) or str(error).startswith("no such")
        hint = _REMOVE if is_damaged else ""
        raise LedgerError(f"the ledger {path} cannot be used: {error}", hint=hint) from error
