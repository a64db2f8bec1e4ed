"""The database of the ledger: opened, brought to the present schema, written in transactions.

It is an SQLite file or a PostgreSQL database. What differs between the two is in `sqlite` and `postgres`; all other
modules write plain SQL with `?` for a parameter.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from treadle.errors import TreadleError

from .address import is_url
from .sqlite import MEMORY, SqliteConnection
from .steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

    from .postgres import PostgresConnection

__all__ = ["FILE", "MEMORY", "PATIENCE", "Database", "LedgerError", "Row", "storable"]

FILE = "ledger.db"
PATIENCE = 2.0
"""Seconds that a writer waits for another one."""

Row = tuple[Any, ...]


class LedgerError(TreadleError):
    """The ledger cannot be used. A run goes on without it."""

    page = "docs/reference/command.md#a-shared-ledger"


class Database:
    """A database with the tables of the ledger.

    :param path: an SQLite file, which is made if it is not there, `MEMORY` for none, or the address of a PostgreSQL
        database
    :param patience: seconds to wait for another writer
    :param root: whose runs are written, in a database of several: `root_name`
    :raises LedgerError: it cannot be opened, or its schema is newer
    """

    def __init__(self, path: str, patience: float = PATIENCE, *, root: str = "") -> None:
        self.path = path
        try:
            self._connection = _connected(path, patience)
        except LedgerError:
            raise
        except Exception as error:
            # of the driver, which is known once it is loaded; or the file system's
            what, hint = (error.what, error.hint) if isinstance(error, TreadleError) else (_first_line(error), "")
            raise LedgerError(f"the ledger {path} cannot be opened: {what}", hint=hint) from error
        self.is_shared = self._connection.is_shared
        """Whether runs of several folders are in it."""
        self.root = root if self.is_shared else ""
        self.is_asked_for_all = False
        """Whether queries are of the runs of all folders in it, and not of the one folder alone."""
        try:
            with self._told(), self._connection.bounded():
                self._connection.prepare()
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
        """Take the steps that this database has not seen, each in a transaction."""
        version = self._connection.version()
        if version > len(STEPS):
            raise LedgerError(
                f"the ledger {self.path} has schema {version}, and this Treadle knows {len(STEPS)}",
                facts=["a newer Treadle has written it"],
                hint=f"use that one, or {self._connection.mend_newer}",
            )
        if version < 0:
            raise LedgerError(f"the ledger {self.path} has no schema of Treadle", hint=self._connection.mend)
        for number in range(version, len(STEPS)):
            with self._within(self._connection.begin_step):
                # another process may have taken it meanwhile
                if self._connection.version() == number:
                    for statement in STEPS[number]:
                        text = statement if isinstance(statement, str) else statement.get(self._connection.dialect)
                        if text:
                            self._connection.define(text)
                    self._connection.set_version(number + 1)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written within, or nothing of it.

        :raises LedgerError: it cannot be written; if the connection was lost at the very end, all may be written
        """
        with self._told(), self._connection.bounded(), self._within(self._connection.begin):
            yield

    @contextmanager
    def _within(self, begin: Callable[[], None]) -> Iterator[None]:
        begin()
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def write(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute a statement for each row; called within a transaction."""
        self._connection.execute_many(statement, rows)

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a query.

        :raises LedgerError: it cannot be read
        """
        with self._told(), self._connection.bounded():
            known = [storable(one) if isinstance(one, str) else one for one in values]
            return self._connection.execute(statement, known)

    def ours(self, column: str) -> tuple[str, list[object]]:
        """Return a condition that the runs that are asked for fit, and its values.

        :param column: the identifier of a run
        """
        if not self.is_shared or self.is_asked_for_all:
            return "1 = 1", []
        return f"{column} IN (SELECT o.id FROM runs o WHERE o.root = ?)", [self.root]

    def locked_rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a query, which no other writer changes before the end of the transaction."""
        return self.rows(statement + self._connection.for_update, values)

    def user(self) -> str:
        """Return the user that a shared database knows us as, "" for one that is not shared.

        :raises LedgerError: it cannot be asked
        """
        with self._told():
            return self._connection.user()

    def foreign(self, run: object = None) -> LedgerError:
        """Return the error for rows that hold what Treadle does not write.

        :param run: that these rows are of, if that is known
        """
        return LedgerError(
            f"the ledger {self.path} holds what no Treadle has written",
            facts=[f"it is in the rows of the run {run}"] if isinstance(run, str) else [],
            hint=self._connection.mend_rows,
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn errors of the database into our own."""
        try:
            yield
        except self._connection.error as error:
            hint = self._connection.mend if self._connection.is_damage(error) else ""
            raise LedgerError(f"the ledger {self.path} cannot be used: {_first_line(error)}", hint=hint) from error


def _connected(path: str, patience: float) -> SqliteConnection | PostgresConnection:
    if not is_url(path):
        return SqliteConnection(path, patience)
    from .postgres import PostgresConnection

    return PostgresConnection(path, patience)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def storable(text: str) -> str:
    """Return a text as every database takes it: without NUL, and without the lone surrogates of what is no text."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
