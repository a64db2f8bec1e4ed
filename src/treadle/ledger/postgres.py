"""The ledger in a PostgreSQL database, which runs of several folders and machines share.

All of it is in the schema `treadle` of that database, so no other table of it is touched. Text is compared by its
bytes, as SQLite does. A server that does not answer within a bound is given up: what reads goes on without it, and
what writes comes back later.
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress
from math import ceil
from threading import Timer
from typing import TYPE_CHECKING, Any

from treadle.errors import TreadleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import psycopg

SCHEMA = "treadle"
"""The schema in the database that holds all tables."""
ANSWERS = 10
"""A transaction or a query lasts at most so many times the patience for a lock, then its connection is cut."""
_LEFT_OPEN = 60
"""Seconds after which the server ends a transaction of a client that says nothing more: it may be frozen."""
_STEPS_LOCK = 8370441623
"""The advisory lock under which a step of the schema is taken: a number of ours."""
_BYTES = ' TEXT COLLATE "C" '
"""Text that is compared and sorted by its bytes."""


class PostgresConnection:
    """A connection to a PostgreSQL server.

    :param url: as libpq takes it, without a password
    :param patience: seconds to wait for a lock; a tenth of the most that an answer may take
    :raises TreadleError: the driver is not there, or it is no database for a ledger
    :raises psycopg.Error: it cannot be opened
    """

    dialect = "postgresql"
    is_shared = True
    mend = f"drop its schema `{SCHEMA}`: `treadle runs` makes the rows again, in each folder from its events"
    mend_rows = "`treadle runs --rebuild` in the folder of a run makes its rows again from its events"
    """The rows of other folders stay: their events may be gone."""
    mend_newer = "name another database"
    for_update = " FOR UPDATE"

    def __init__(self, url: str, patience: float) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise TreadleError(
                f"a ledger in PostgreSQL needs psycopg: {str(error).splitlines()[0]}",
                hint="pip install 'treadle[postgres]'",
            ) from error
        from psycopg.conninfo import conninfo_to_dict

        self.error: type[Exception] = psycopg.Error
        self._patience = patience
        known: dict[str, Any] = conninfo_to_dict(url)
        known.setdefault("application_name", "treadle")
        known.setdefault("connect_timeout", max(2, ceil(patience)))
        known["client_encoding"] = "UTF8"
        self._connection: psycopg.Connection[tuple[Any, ...]] = psycopg.connect(**known, autocommit=True)
        encoding = self._connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            self._connection.close()
            raise TreadleError(
                f"its encoding is {encoding}, in which not every name can be written",
                hint="make one with ENCODING 'UTF8'",
            )

    def prepare(self) -> None:
        """Set how it is used."""
        patience = ceil(max(self._patience, 0.001) * 1000)
        with self.bounded():
            self._connection.execute(
                f"SET search_path = {SCHEMA}; SET lock_timeout = {patience};"
                f" SET statement_timeout = {patience * ANSWERS}; SET standard_conforming_strings = on;"
                f" SET idle_in_transaction_session_timeout = {_LEFT_OPEN * 1000}".encode()
            )

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def user(self) -> str:
        """Return the user that the server knows us as."""
        ((name,),) = self.execute("SELECT session_user::text")
        return str(name)

    def version(self) -> int:
        """Return how many steps of the schema it has seen."""
        if not self._has_version():
            return 0
        found = self.execute(f"SELECT version FROM {SCHEMA}.schema_version")
        return int(found[0][0]) if len(found) == 1 else -1

    def _has_version(self) -> bool:
        return self.execute("SELECT to_regclass(?)::text", (f"{SCHEMA}.schema_version",)) != [(None,)]

    def set_version(self, version: int) -> None:
        """Keep how many steps it has seen."""
        self.execute("UPDATE schema_version SET version = ?", (version,))

    def define(self, statement: str) -> None:
        """Execute a statement of a step."""
        # one without parameters, so that nothing in it is taken for the place of one
        self._connection.execute(statement.replace(" TEXT ", _BYTES).encode())

    def begin(self) -> None:
        """Begin a transaction."""
        self._connection.execute("BEGIN")

    def begin_step(self) -> None:
        """Begin the transaction of a step, once no other process takes one."""
        self.begin()
        self.execute("SELECT pg_advisory_xact_lock(?)", (_STEPS_LOCK,))
        if self.execute("SELECT to_regnamespace(?)::text", (SCHEMA,)) == [(None,)]:
            self._connection.execute(f"CREATE SCHEMA {SCHEMA}".encode())
        if not self._has_version():
            self._connection.execute("CREATE TABLE schema_version (version BIGINT NOT NULL)")
            self._connection.execute("INSERT INTO schema_version VALUES (0)")

    def commit(self) -> None:
        """End a transaction."""
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo a transaction; one whose connection is gone undoes itself."""
        with suppress(self.error):
            self._connection.execute("ROLLBACK")

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""
        found = self._connection.execute(_translated(statement), values)
        return found.fetchall() if found.description is not None else []

    def execute_many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute a statement for each row."""
        with self._connection.cursor() as cursor:
            cursor.executemany(_translated(statement), rows)

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Cut the connection if what is done within takes too long: a server may be frozen, or out of reach."""
        timer = Timer(max(self._patience, 0.1) * ANSWERS, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        """End what waits for the server: it gets the end of its connection."""
        with suppress(Exception), socket.socket(fileno=os.dup(self._connection.fileno())) as one:
            one.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def is_damage(error: Exception) -> bool:
        """Return whether an error says that the schema has to be made again: a table or a column is missing."""
        return str(getattr(error, "sqlstate", None) or "").startswith(("42P01", "42703"))


def _translated(statement: str) -> bytes:
    """Return a statement with the places of its parameters as the driver takes them."""
    return statement.replace("?", "%s").encode()
