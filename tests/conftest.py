"""What all tests share: signals as a terminal would leave them, and nothing that outlives the session.

All that a test starts, and all that this starts in turn, carries a mark of the session in TREADLE_RUN, beside
those of the runs that it belongs to. So it is found wherever it went.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import session_end
from treadle.engines import process_marks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cache_servers import Nginx
    from postgres import PostgresServer
    from slurm_cluster import SlurmCluster

# how fast a machine is decides no test: an example may take longer where many things run at once
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SESSION = f"tests-{os.urandom(8).hex()}/"
"""What the marks of this session begin with; each worker of pytest-xdist has a session of its own."""


@pytest.fixture(scope="session", autouse=True)
def _signals_are_heard() -> Iterator[None]:
    """Undo what nohup and the background of a script do: what they ignore would stay ignored in all children.

    We ourselves go on without HUP where that was ignored, as a handler is not inherited. TERM ends the session
    as Ctrl-C does, so that what was started is ended too.
    """

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, end)
    if before[signal.SIGHUP] == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _signals_are_put_back(_signals_are_heard: None) -> Iterator[None]:
    """Put back what a test has set, such as one that calls the command in this process: others interrupt themselves."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def _state_is_marked_in_a_folder_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the marks of the state that tests make out of the home of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("marks")))
        # a plan that asks for a cache would find what another test has made
        patch.setenv("TREADLE_CACHE", "off")
        for name in ("TREADLE_TRUST_STATE", "TREADLE_SAFE_FOLDERS"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _nothing_outlives_the_session(_signals_are_heard: None) -> Iterator[None]:
    outer = os.environ.get(process_marks.MARK)
    os.environ.update(process_marks.with_mark(os.environ, SESSION + "child"))
    yield
    session_end.close_all()
    # a process that is just becoming another program has neither words nor an environment: looked for twice
    left = {pid: words for pid in process_marks.marked(SESSION) if (words := command_of(pid))}
    Event().wait(0.05)
    left |= {pid: words for pid in process_marks.marked(SESSION) if (words := command_of(pid))}
    process_marks.end_marked(SESSION)
    if outer is None:
        del os.environ[process_marks.MARK]
    else:
        os.environ[process_marks.MARK] = outer
    assert not left, "tests have left these running:\n" + "\n".join(left.values())


@pytest.fixture(scope="session")
def _postgres_of_session(_nothing_outlives_the_session: None) -> Iterator[PostgresServer]:
    """Make a server for this session: each worker of pytest-xdist has one of its own."""
    import postgres

    if not postgres.programs():
        pytest.skip("no programs of PostgreSQL (initdb) here")
    pytest.importorskip("psycopg", exc_type=ImportError)
    server = postgres.PostgresServer()
    yield server
    server.remove()


@pytest.fixture
def postgres_server(_postgres_of_session: PostgresServer) -> PostgresServer:
    """Return a server that runs: a test before may have stopped it, or have failed, which ends all that it started."""
    _postgres_of_session.start()
    return _postgres_of_session


@pytest.fixture(scope="session")
def _nginx_of_session(_nothing_outlives_the_session: None) -> Iterator[Nginx]:
    import shutil

    import cache_servers

    if shutil.which("nginx", path=cache_servers.NGINX_PATH) is None:
        pytest.skip("no nginx here")
    server = cache_servers.Nginx()
    yield server
    server.close()


@pytest.fixture
def nginx(_nginx_of_session: Nginx) -> Nginx:
    """Return a real server for shared caches, on which nothing is stored."""
    _nginx_of_session.empty()
    return _nginx_of_session


@pytest.fixture(scope="session")
def _slurm_of_session(_nothing_outlives_the_session: None) -> Iterator[SlurmCluster]:
    """Make a Slurm for this session: each worker of pytest-xdist has one of its own."""
    import slurm_cluster
    from treadle.engines.choice import known_names

    if missing := slurm_cluster.missing():
        pytest.skip(f"no {missing[0]} here")
    if "slurm" not in known_names():
        pytest.skip("the package was installed before it had the engine slurm: install it again")
    cluster = slurm_cluster.SlurmCluster()
    yield cluster
    cluster.remove()


@pytest.fixture
def slurm(_slurm_of_session: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    """Return a Slurm that runs and has no jobs; what a test starts finds it."""
    _slurm_of_session.start()
    monkeypatch.setenv("SLURM_CONF", str(_slurm_of_session.conf))
    yield _slurm_of_session
    _slurm_of_session.empty()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """End what a test that failed has left running; those that pass see to that themselves."""
    if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
        process_marks.end_marked(SESSION)
        # where a test has used them
        if "helpers" in sys.modules:
            sys.modules["helpers"].end_started()


def command_of(pid: int) -> str:
    """Return the words of a process, "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
