"""The ledger in an SQLite file: the one of a state folder, and the one in memory."""

from __future__ import annotations

import os
import sqlite3
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from treadle.state import own_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

MEMORY = ":memory:"
"""A database of this process alone."""
_STEPS = 1_000_000
"""Steps of the machine of SQLite between two looks at their number: some milliseconds."""
_MOST_STEPS = 1000
"""So many times these a transaction or a query takes at most: a hundred times what a large ledger needs."""
_REMOVE = "remove it: `treadle runs` makes it again from the events of the runs"


class SqliteConnection:
    """A connection to an SQLite file.

    :param path: it is made if it is not there; `MEMORY` for none
    :param patience: seconds to wait for another writer
    :raises OSError: it cannot be opened
    :raises sqlite3.Error: it cannot be opened
    """

    dialect = "sqlite"
    is_shared = False
    error: type[Exception] = sqlite3.DatabaseError
    mend = mend_rows = _REMOVE
    mend_newer = "remove the file: `treadle runs` makes it again"
    for_update = ""
    """A writer has the whole file."""

    def __init__(self, path: str, patience: float) -> None:
        # what others may write to or have linked is replaced by a file of our own. One that is our own is not
        # opened for that: with its descriptor the system closes the locks of all connections of this process, and
        # another process would remove the log of the database while this one writes it
        if path != MEMORY and not own_files.is_own_file(path):
            os.close(own_files.open_own(path, os.O_RDWR, 0o644))
        self._connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
        self._steps = 0
        self._connection.set_progress_handler(self._is_too_long, _STEPS)

    def prepare(self) -> None:
        """Set how it is used."""
        # a file that has come with a checkout may define what never ends, or what changes rows unnoticed
        if self.execute("SELECT 1 FROM sqlite_master WHERE type NOT IN ('table', 'index') LIMIT 1"):
            raise sqlite3.DatabaseError("it has views or triggers, which no Treadle makes")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        # names differ by case, as files do
        self._connection.execute("PRAGMA case_sensitive_like = ON")

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def version(self) -> int:
        """Return how many steps of the schema it has seen."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        return int(version)

    def set_version(self, version: int) -> None:
        """Keep how many steps it has seen."""
        self._connection.execute(f"PRAGMA user_version = {version}")

    def define(self, statement: str) -> None:
        """Execute a statement of a step."""
        self._connection.execute(statement)

    def begin(self) -> None:
        """Begin a transaction."""
        self._connection.execute("BEGIN IMMEDIATE")

    begin_step = begin

    def commit(self) -> None:
        """End a transaction."""
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo a transaction."""
        # after a full disk and the like SQLite has done that
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""
        return self._connection.execute(statement, values).fetchall()

    def execute_many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute a statement for each row."""
        self._connection.executemany(statement, rows)

    def user(self) -> str:
        """Return "": a file knows no users."""
        return ""

    def bounded(self) -> AbstractContextManager[None]:
        """Return a context in which the steps are counted anew; waiting has its own patience."""
        self._steps = 0
        return nullcontext()

    def _is_too_long(self) -> bool:
        """Return whether what is under way is to be interrupted; a signal is obeyed here too."""
        self._steps += 1
        return self._steps > _MOST_STEPS

    @staticmethod
    def is_damage(error: Exception) -> bool:
        """Return whether an error says that the file has to be made again.

        One that is locked, on a full disk or for reading only is not mended by that.
        """
        return not isinstance(error, sqlite3.OperationalError) or str(error).startswith("no such")
