"""A run is changed by a ledger that it shares: by real commands in another folder, and a real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from held import Held
from helpers import plan, run_treadle
from ledger_events import ID, lines, stream
from treadle.errors import TreadleError
from treadle.ledger.database import Database
from treadle.ledger.filling import fill
from treadle.ledger.requests import LONGEST, Requests, answer_to, send, withdraw
from treadle.ledger.run_files import make_run_folder
from treadle.session.ledger_requests import ask_by_ledger
from waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from postgres import PostgresServer

PAUSE = {"verb": "pause", "id": "1"}


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.empty_database()


class Run:
    """What stands for a run: keeps what it was asked for."""

    def __init__(self, url: str, *, is_slow: bool = False) -> None:
        self.seen: list[tuple[object, str]] = []
        self.is_slow = is_slow
        self.url = url
        self.requests = Requests(ID, self._handle)

    def _handle(self, said: object, user: str) -> dict[str, Any] | None:
        self.seen.append((said, user))
        return None if self.is_slow else {"ok": True, "text": "done"}

    def look(self) -> None:
        with Database(self.url) as database:
            self.requests.look(database)


def is_known(url: str, run: str) -> bool:
    with Database(url) as database:
        return database.rows("SELECT id FROM runs") == [(run,)]


def test_a_run_is_paused_and_goes_on_from_another_folder(url: str, tmp_path: Path) -> None:
    held = Held(tmp_path, count=4)
    run = held.start("-j2", "--ledger", url, first=2)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    plan(elsewhere, "actions:\n  a: {run: 'true'}\n")
    env = {"TREADLE_LEDGER": url}
    until(lambda: is_known(url, run.id), "the run in the ledger")
    said = run_treadle(elsewhere, "pause", run.id, env=env, check=0).out
    assert said == "paused: nothing new starts, 2 still running\n"
    held.let_go(2)
    assert held.running(run, 0)["paused"]
    wrong = run_treadle(elsewhere, "set", run.id, "--queue", "none=1", "--ledger", url, check=2)
    assert "there is no queue none" in wrong.err
    assert run_treadle(elsewhere, "continue", run.id[:22], env=env, check=0).out == "it goes on\n"
    held.wait_up(2)
    held.let_go(2)
    assert held.end()[0] == 0
    assert [(one["verb"], one["via"], one["user"]) for one in held.requests()] == [
        (verb, "ledger", "treadle") for verb in ("pause", "set", "continue")
    ]
    over = run_treadle(elsewhere, "stop", run.id, env=env, check=2)
    assert f"the run {run.id} has ended" in over.err


def test_only_the_user_of_the_run_is_obeyed_as_the_database_knows_it(
    url: str, postgres_server: PostgresServer
) -> None:
    """K2."""
    Database(url).close()
    with postgres_server.connect("ledger") as connection:
        connection.execute("DROP ROLE IF EXISTS eve")
        connection.execute("CREATE ROLE eve LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA treadle TO eve")
        connection.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA treadle TO eve")
    run = Run(url)
    try:
        with Database(postgres_server.url("ledger", "eve")) as database:
            send(database, ID, PAUSE)
        with postgres_server.connect("ledger", "eve") as connection:
            # also one that says that it is of another user
            connection.execute(
                "INSERT INTO treadle.requests (run, id, sender, request) VALUES (%s, '2', 'treadle', %s)",
                (ID, json.dumps({**PAUSE, "id": "2"})),
            )
            connection.execute("UPDATE treadle.requests SET sender = 'treadle'")
        with Database(url) as database:
            send(database, ID, {**PAUSE, "id": "3"})
        with postgres_server.connect("ledger", "eve") as connection:
            # or makes another one's request a different one
            connection.execute("UPDATE treadle.requests SET request = '{}' WHERE id = '3'")
        run.look()
        assert run.seen == [({**PAUSE, "id": "3"}, "treadle")]
        with Database(url) as database:
            answers = [answer_to(database, ID, number) for number in "123"]
        refused = {"ok": False, "text": "this run obeys the user treadle of the ledger, and not eve"}
        assert answers == [refused, refused, {"ok": True, "text": "done"}]
    finally:
        with postgres_server.connect("ledger") as connection:
            connection.execute("DROP OWNED BY eve")
            connection.execute("DROP ROLE eve")


def test_a_request_that_is_sent_twice_is_answered_once(url: str) -> None:
    """K3."""
    run = Run(url)
    with Database(url) as database:
        send(database, ID, PAUSE)
        send(database, ID, PAUSE)
        run.look()
        send(database, ID, PAUSE)
        run.look()
        assert answer_to(database, ID, "1") == {"ok": True, "text": "done"}
    assert run.seen == [(PAUSE, "treadle")]


def test_what_a_run_has_not_answered_yet_is_asked_again_and_not_withdrawn(url: str) -> None:
    run = Run(url, is_slow=True)
    with Database(url) as database:
        send(database, ID, PAUSE)
        run.look()
        assert answer_to(database, ID, "1") is None
        assert not withdraw(database, ID, "1")
        run.is_slow = False
        run.look()
        assert answer_to(database, ID, "1") == {"ok": True, "text": "done"}


def test_what_no_run_takes_is_withdrawn_and_never_done(url: str) -> None:
    with pytest.raises(TreadleError, match=f"the run {ID} does not answer") as info:
        ask_by_ledger(url, ID, PAUSE, patience=0.0)
    assert [*info.value.facts] == ["the request was withdrawn"]
    run = Run(url)
    run.look()
    assert run.seen == []


@pytest.mark.parametrize("text", ["", "[]", "x", "[" * 10000, '{"id": "2"}', '{"x": "' + "y" * LONGEST + '"}'])
def test_what_is_no_request_is_answered_in_words(url: str, postgres_server: PostgresServer, text: str) -> None:
    Database(url).close()
    with postgres_server.connect("ledger") as connection:
        connection.execute("INSERT INTO treadle.requests (run, id, request) VALUES (%s, '1', %s)", (ID, text))
    run = Run(url)
    run.look()
    assert run.seen == []
    with Database(url) as database:
        assert answer_to(database, ID, "1") == {"ok": False, "text": "this is no request"}


def test_requests_go_with_the_rows_of_their_run(url: str, tmp_path: Path) -> None:
    type(tmp_path)(make_run_folder(str(tmp_path), ID)).write_bytes(lines(stream()))
    from treadle.ledger.filling import forget_runs

    with Database(url, root="h:/r") as database:
        fill(database, str(tmp_path))
        send(database, ID, PAUSE)
        forget_runs(database, [ID])
        assert database.rows("SELECT 1 FROM requests") == []
