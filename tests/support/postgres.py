"""A real PostgreSQL server of a test session, on a socket in a folder of its own: stopped, killed, frozen, restarted.

Its programs run as an unprivileged user, as they refuse root. Nothing is synced to the disk: what a machine that
loses power would lose is not tested here, only what a killed server loses.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import waiting

if TYPE_CHECKING:
    import psycopg

USER = "treadle"
"""The user of the database that has made it."""
_CONF = """
listen_addresses = ''
unix_socket_directories = '{folder}'
fsync = off
full_page_writes = off
max_connections = 40
shared_buffers = 16MB
restart_after_crash = on
logging_collector = off
log_min_messages = fatal
"""


def programs() -> str:
    """Return the folder of the programs of a server, "" if they are not here."""
    found = shutil.which("initdb")
    # Debian keeps them out of the way
    folders = [os.path.dirname(found)] if found else sorted(glob("/usr/lib/postgresql/*/bin"))
    return next((one for one in reversed(folders) if os.access(f"{one}/initdb", os.X_OK)), "")


class PostgresServer:
    """A server with databases of its own; made by `initdb` when this is."""

    def __init__(self) -> None:
        self.bin = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="treadle-pg-", dir="/tmp"))
        self.data = self.folder / "data"
        self._as: dict[str, Any] = {}
        if os.getuid() == 0:
            self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(self.folder, "nobody", "nogroup")
        self._process: subprocess.Popen[bytes] | None = None
        self._call("initdb", "-D", self.data, "--no-sync", "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C")
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write(_CONF.format(folder=self.folder))

    def _call(self, program: str, *words: str | Path) -> None:
        done = subprocess.run(
            [f"{self.bin}/{program}", *words], cwd=self.folder, capture_output=True, check=False, **self._as
        )
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers: one that is ending ends first."""
        waiting.until(self._answers, "an answer of the server")

    def _answers(self) -> bool:
        import psycopg

        if self._process is None or self._process.poll() is not None:
            # after a kill its other processes may be there yet, and it refuses to start
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [f"{self.bin}/postgres", "-D", self.data],
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    **self._as,
                )
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str, user: str = USER) -> str:
        """Return the address of a database."""
        return f"postgresql:///{database}?host={self.folder}&user={user}"

    def connect(self, database: str = "postgres", user: str = USER) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a connection that commits each statement."""
        import psycopg

        return psycopg.connect(self.url(database, user), autocommit=True)

    def empty_database(self) -> str:
        """End the connections to the database of the tests, empty it, and return its address."""
        with self.connect() as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'ledger'").fetchall():
                connection.execute("CREATE DATABASE ledger")
        with self.connect("ledger") as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = 'ledger' AND pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA IF EXISTS treadle CASCADE")
        return self.url("ledger")

    def pids(self) -> list[int]:
        """Return the server and its processes."""
        if self._process is None:
            return []
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        try:
            return [self._process.pid, *map(int, children.read_text().split())]
        except OSError:
            return [self._process.pid]

    def send(self, number: int) -> None:
        """Send a signal to all of it."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """Kill all of it at once, as a machine that goes away does."""
        self.send(signal.SIGKILL)
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it, and end its connections; by QUIT at once, by INT when all is written."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
        self._wait()

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        """End it, and remove its folder."""
        self.send(signal.SIGCONT)
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)
