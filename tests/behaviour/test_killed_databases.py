"""PostgreSQL is killed, loses connections or freezes at any moment: what is recorded is in the ledger, and once.

TREADLE_TEST_KILLS says how many kills are tried; a change is tested with five, a release with a hundred.
"""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from helpers import Fifo, ended, plan, start_treadle
from ledger_events import ID, content, lines, stream
from treadle.ledger import filling
from treadle.ledger.address import root_name
from treadle.ledger.database import MEMORY, Database, LedgerError
from treadle.ledger.filling import fill
from treadle.ledger.run_files import make_run_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from postgres import PostgresServer

KILLS = int(os.environ.get("TREADLE_TEST_KILLS", "5"))
WAYS = ("all of it", "its first process", "a connection", "stopped", "frozen")


def strike(server: PostgresServer, how: str) -> None:
    """Make the server fail in one way."""
    if how == "all of it":
        server.send(signal.SIGKILL)
    elif how == "its first process":
        os.kill(server.pids()[0], signal.SIGKILL)
    elif how == "a connection":
        with server.connect() as connection:
            pids = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = 'ledger'").fetchall()
        for (pid,) in pids:
            with suppress(ProcessLookupError):
                # it may have been closed meanwhile
                os.kill(pid, signal.SIGKILL)
    elif how == "stopped":
        os.kill(server.pids()[0], signal.SIGINT)
    else:
        server.send(signal.SIGSTOP)


def mend(server: PostgresServer) -> None:
    """Make the server answer again."""
    server.send(signal.SIGCONT)
    server.start()


class Counted(Database):
    """A database that counts what is written, and calls a function at one of these writes."""

    strike_at = -1
    written = 0

    def write(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        type(self).written += 1
        if type(self).written == self.strike_at:
            Thread(target=self.struck).start()
        super().write(statement, rows)

    def struck(self) -> None:
        """Make the server fail."""


def without_root(found: dict[str, list[Any]], root: str) -> dict[str, list[Any]]:
    return {
        table: [tuple("" if one == root else one for one in row) for row in rows] for table, rows in found.items()
    }


@pytest.mark.parametrize("seed", range(KILLS))
def test_whatever_ends_the_server_all_events_are_taken_once(
    tmp_path: Path, postgres_server: PostgresServer, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L5: what is told is never lost and never doubled, wherever the database dies, and however often it is read."""
    url = postgres_server.empty_database()
    chance = random.Random(seed)
    monkeypatch.setattr(filling, "BATCH", chance.choice([300, 3000, 1 << 20]))
    file = type(tmp_path)(make_run_folder(str(tmp_path), ID))
    file.write_bytes(lines(stream(20)))
    with Database(MEMORY) as alone:
        writes = 0
        write = alone.write

        def counted(statement: str, rows: Any) -> None:
            nonlocal writes
            writes += 1
            write(statement, rows)

        monkeypatch.setattr(alone, "write", counted)
        fill(alone, str(tmp_path))
        expected = content(alone)
    root = root_name(str(tmp_path))
    how, delay = chance.choice(WAYS), chance.choice([0.0, 0.0005, 0.002, 0.005])
    struck = Event()

    class Struck(Counted):
        strike_at = chance.randrange(1, writes + 1)

        def struck(self) -> None:
            Event().wait(delay)
            strike(postgres_server, how)
            struck.set()

    failures = 0

    def read() -> None:
        nonlocal failures
        while True:
            try:
                # gives a frozen server up after a second
                with Struck(url, 0.1, root=root) as database:
                    fill(database, str(tmp_path))
                    return
            except LedgerError:
                failures += 1
                assert failures < 200
                struck.wait(20)
                with mending:
                    mend(postgres_server)

    from threading import Lock

    mending = Lock()
    readers = [Thread(target=read) for _ in range(chance.choice([1, 2]))]
    for one in readers:
        one.start()
    for one in readers:
        one.join()
    assert struck.wait(20)
    mend(postgres_server)
    for _ in range(2):
        # nothing more comes of further looks
        with Database(url, 30.0, root=root) as database:
            fill(database, str(tmp_path))
            assert without_root(content(database), root) == expected, how


def test_a_run_goes_on_and_is_recorded_once_however_often_the_server_is_killed(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """L5: a dead server never stops a run, and is caught up with."""
    url = postgres_server.empty_database()
    fifo = Fifo(tmp_path / "fifo")
    steps = "\n".join(
        f"  a{number}: {{sh: 'read -r x < {fifo.path}', always: true, after: a{number - 1}}}"
        for number in range(1, KILLS + 1)
    )
    names = " ".join(f"a{number}" for number in range(KILLS + 1))
    plan(tmp_path, f"actions:\n  a0: {{run: 'true', always: true}}\n{steps}\n")
    child = start_treadle(tmp_path, "run", *names.split(), env={"TREADLE_LEDGER": url})
    chance = random.Random(0)
    for _ in range(KILLS):
        strike(postgres_server, chance.choice(WAYS[:-1]))
        mend(postgres_server)
        fifo.open()
    result = ended(child)
    assert result.code == 0, result
    root = root_name(str(tmp_path))
    with Database(url, root=root) as database, Database(MEMORY) as alone:
        fill(database, str(tmp_path / ".treadle"))
        fill(alone, str(tmp_path / ".treadle"))
        found = content(database)
        assert without_root(found, root) == content(alone)
        assert len(found["attempts"]) == KILLS + 1
