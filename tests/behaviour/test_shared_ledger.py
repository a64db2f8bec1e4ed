"""One ledger in PostgreSQL for several folders, by the real command and a real server."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from helpers import DEADLINE, Fifo, ended, plan, run_treadle, start_treadle
from treadle.ledger.steps import STEPS

if TYPE_CHECKING:
    from pathlib import Path

    from helpers import Result
    from postgres import PostgresServer

PLAN = "actions:\n  a: {sh: 'test ! -e bad', always: true}\n  b: {run: 'true', always: true}\n"


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.empty_database()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return two folders with a plan each."""
    made = tmp_path / "one", tmp_path / "two"
    for one in made:
        one.mkdir()
        plan(one, PLAN)
    return made


def runs(folder: Path, url: str, *words: str) -> list[dict[str, Any]]:
    result = run_treadle(folder, "runs", "--json", *words, env={"TREADLE_LEDGER": url}, check=0)
    assert result.err == ""
    found: list[dict[str, Any]] = json.loads(result.out)["runs"]
    return found


def recorded(folder: Path, url: str, *names: str, code: int = 0) -> Result:
    result = run_treadle(folder, "run", "-q", *names, env={"TREADLE_LEDGER": url}, check=code)
    assert "ledger" not in result.err
    return result


def in_database(server: PostgresServer) -> list[tuple[Any, ...]]:
    """Return what the database has, without a look of Treadle: that would fill it."""
    with server.connect("ledger") as connection:
        return connection.execute(
            "SELECT r.id, r.state, r.root, (SELECT count(*) FROM treadle.attempts t WHERE t.run = r.id)"
            " FROM treadle.runs r ORDER BY id"
        ).fetchall()


def test_each_folder_shows_its_runs_or_those_of_all(
    url: str, folders: tuple[Path, Path], postgres_server: PostgresServer
) -> None:
    one, two = folders
    recorded(one, url, "a")
    (two / "bad").touch()
    recorded(two, url, "a", code=1)
    host = os.uname().nodename
    rows = in_database(postgres_server)
    # short runs are in it when they end
    assert [row[1:] for row in rows] == [("done", f"{host}:{one}", 1), ("failed", f"{host}:{two}", 1)]
    assert [found["id"] for found in runs(one, url)] == [rows[0][0]]
    assert [found["id"] for found in runs(one, url, "--all-roots")] == [rows[1][0], rows[0][0]]
    assert [found["root"] for found in runs(one, url, "--all-roots")] == [f"{host}:{two}", f"{host}:{one}"]
    env = {"TREADLE_LEDGER": url}
    assert f"{two}" in run_treadle(one, "runs", "--all-roots", env=env, check=0).out
    assert rows[0][0] in run_treadle(one, "show", "last", env=env, check=0).out
    # one that is named may be of any folder
    assert "failed" in run_treadle(one, "show", rows[1][0], env=env, check=0).lines[0]
    tries = [run_treadle(one, "attempts", "--json", *more, env=env, check=0).out for more in ([], ["--all-roots"])]
    assert [len(json.loads(text)["attempts"]) for text in tries] == [1, 2]
    assert "a" in run_treadle(one, "diff", rows[0][0], rows[1][0], env=env, check=0).out
    run_treadle(one, "gc", "--keep", "0", env=env, check=0)
    assert [row[0] for row in in_database(postgres_server)] == [rows[1][0]]


def test_the_command_line_names_the_ledger_as_the_environment_does(
    url: str, folders: tuple[Path, Path], postgres_server: PostgresServer
) -> None:
    run_treadle(folders[0], "run", "-q", "a", "--ledger", url, check=0)
    assert [row[1] for row in in_database(postgres_server)] == ["done"]
    listed = run_treadle(folders[0], "runs", "--ledger", url, check=0).lines
    assert [line.split()[1] for line in listed] == ["done"]
    # off is off
    env = {"TREADLE_LEDGER": "off"}
    run_treadle(folders[0], "run", "-q", "a", "--ledger", url, env=env, check=0)
    assert len(in_database(postgres_server)) == 1


@pytest.mark.parametrize("where", ["--ledger", "TREADLE_LEDGER"])
@pytest.mark.parametrize("given", ["postgresql://ana:hunter2@127.0.0.1/x", "postgresql:///x?password=hunter2"])
@pytest.mark.parametrize("words", [["run", "--record", "a"], ["runs"]])
def test_an_address_with_a_password_is_refused_and_in_no_record(
    tmp_path: Path, where: str, given: str, words: list[str]
) -> None:
    plan(tmp_path, PLAN)
    run_treadle(tmp_path, "run", "-q", "a", check=0)
    more, env = ([where, given], {}) if where == "--ledger" else ([], {where: given})
    result = run_treadle(tmp_path, *words, *more, env=env, check=2)
    assert "has a password in it" in result.err
    assert "hunter2" not in result.err
    for path in (tmp_path / ".treadle").rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes(), path


@pytest.mark.parametrize("how", ["not there", "stopped", "frozen"])
def test_a_server_that_does_not_answer_stops_no_run_and_is_caught_up_with(
    url: str, folders: tuple[Path, Path], postgres_server: PostgresServer, how: str
) -> None:
    one, _ = folders
    env = {"TREADLE_LEDGER": url}
    recorded(one, url, "a")
    before = in_database(postgres_server)
    assert [row[1] for row in before] == ["done"]
    if how == "not there":
        env = {"TREADLE_LEDGER": f"postgresql:///ledger?host={one}"}
    elif how == "stopped":
        postgres_server.stop()
    else:
        postgres_server.send(signal.SIGSTOP)
    try:
        done = run_treadle(one, "run", "-q", "b", env=env, check=0)
        said = run_treadle(one, "runs", "--json", env=env, check=0)
    finally:
        postgres_server.send(signal.SIGCONT)
        postgres_server.start()
    assert done.err.count("added to it later") == 1, done.err
    # a look says what the events say
    assert "read from the events of the runs in this folder" in said.err
    assert [found["state"] for found in json.loads(said.out)["runs"]] == ["done", "done"]
    assert [found["state"] for found in runs(one, url)] == ["done", "done"]
    assert [row[3] for row in in_database(postgres_server)] == [1, 1]


def test_a_long_run_is_in_the_ledger_while_it_lasts_and_after_a_restart_of_the_server(
    url: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    from waiting import until

    first, second = Fifo(tmp_path / "first"), Fifo(tmp_path / "second")
    plan(
        tmp_path,
        f"actions:\n  a: {{sh: 'read -r x < {first.path}', always: true}}\n"
        f"  b: {{sh: 'read -r x < {second.path}', needs: a, always: true}}\n",
    )
    child = start_treadle(tmp_path, "run", "b", env={"TREADLE_LEDGER": url})
    until(lambda: tables_are_whole(postgres_server), "the tables")
    until(lambda: [row[1::2] for row in in_database(postgres_server)] == [("running", 1)], "its first attempt")
    postgres_server.kill()
    postgres_server.start()
    first.open()
    until(lambda: [row[1::2] for row in in_database(postgres_server)] == [("running", 2)], "its second attempt")
    second.open()
    result = ended(child)
    assert result.code == 0
    assert [row[1::2] for row in in_database(postgres_server)] == [("done", 2)]


def tables_are_whole(server: PostgresServer) -> bool:
    """Return whether all steps of the schema are done: each is a transaction of its own."""
    with server.connect("ledger") as connection:
        if connection.execute("SELECT to_regclass('treadle.schema_version')::text").fetchall() == [(None,)]:
            return False
        return connection.execute("SELECT version FROM treadle.schema_version").fetchall() == [(len(STEPS),)]


def test_a_killed_run_is_lost_by_the_next_look_in_its_folder_and_not_by_one_elsewhere(
    url: str, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    fifo = Fifo(tmp_path / "started")
    plan(folders[0], f"actions:\n  a: {{sh: 'echo > {fifo.path}; exec sleep 600'}}\n")
    child = start_treadle(folders[0], "run", "a", env={"TREADLE_LEDGER": url})
    fifo.wait()
    assert [one["state"] for one in runs(folders[0], url)] == ["running"]
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=DEADLINE)
    assert [one["state"] for one in runs(folders[1], url, "--all-roots")] == ["running"]
    assert [one["state"] for one in runs(folders[0], url)] == ["lost"]
    plan(folders[0], "actions:\n  a: {run: 'true'}\n")
    recorded(folders[0], url, "a")


def test_a_run_with_nothing_to_do_opens_no_connection(tmp_path: Path) -> None:
    plan(tmp_path, "actions:\n  a: {sh: 'echo > ${out}', out: x}\n")
    env = {"TREADLE_LEDGER": f"postgresql:///ledger?host={tmp_path}/not-there"}
    assert "ledger" in run_treadle(tmp_path, "run", env=env, check=0).err
    result = run_treadle(tmp_path, "run", env=env, check=0)
    assert result.err == ""
    assert len(os.listdir(tmp_path / ".treadle/runs")) == 1


def test_what_is_written_in_a_rebuilt_ledger_is_the_same(
    url: str, folders: tuple[Path, Path], postgres_server: PostgresServer
) -> None:
    recorded(folders[0], url, "a")
    recorded(folders[1], url, "a")
    before = in_database(postgres_server)
    assert len(before) == 2
    runs(folders[0], url, "--rebuild")
    assert in_database(postgres_server) == before


def test_a_run_of_another_folder_is_resumed_there(url: str, folders: tuple[Path, Path]) -> None:
    for one in folders:
        recorded(one, url, "a")
    (other,) = runs(folders[1], url)
    run_treadle(folders[0], "resume", other["id"], env={"TREADLE_LEDGER": url}, check=0)
    # the newest first
    assert [one["resumes"] for one in runs(folders[1], url)] == [other["id"], ""]
    assert [one["resumes"] for one in runs(folders[0], url)] == [""]
