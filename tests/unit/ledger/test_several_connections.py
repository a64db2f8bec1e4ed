"""A process may have several connections to the ledger: closing one takes no lock of the others away."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

from treadle.ledger.database import Database

if TYPE_CHECKING:
    from pathlib import Path

LOOK = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM runs').fetchall(); c.close()"
)


def test_another_process_does_not_take_the_log_of_the_database_away_from_one_that_writes(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    with Database(path) as first:
        for number in range(20):
            # the last one to close a database removes its log: what is open here has to keep it from that
            Database(path).close()
            subprocess.run([sys.executable, "-c", LOOK, path], check=True)
            assert (tmp_path / "ledger.db-wal").exists()
            with first.transaction():
                first.write("INSERT INTO runs (id) VALUES (?)", [(f"run-{number}",)])
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert check.execute("SELECT count(*) FROM runs").fetchall() == [(20,)]
    check.close()
