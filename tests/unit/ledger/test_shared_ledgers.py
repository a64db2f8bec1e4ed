"""One ledger for several folders: which run is of which, for copies and renamed folders too."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from ledger_events import ID, content, lines, stream
from treadle.ledger import filling
from treadle.ledger.address import root_name
from treadle.ledger.database import Database
from treadle.ledger.filling import fill, forget_runs
from treadle.ledger.queries import RunFilter, runs
from treadle.ledger.run_files import make_run_folder, new_id

if TYPE_CHECKING:
    from pathlib import Path

    from postgres import PostgresServer


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.empty_database()


def recorded(root: Path, run: str = ID, actions: int = 2) -> Path:
    """Write the events of a run into a folder, and return their file."""
    (root / ".treadle").mkdir(parents=True, exist_ok=True)
    file = type(root)(make_run_folder(str(root / ".treadle"), run))
    file.write_bytes(lines([one | {"id": run} if one["event"] == "run" else one for one in stream(actions)]))
    return file


def look(url: str, root: Path) -> list[tuple[str, str, str]]:
    """Fill a ledger with what a folder has, and return identifier, state and folder of all runs in it."""
    with Database(url, root=root_name(str(root))) as database:
        fill(database, str(root / ".treadle"))
        database.is_asked_for_all = True
        return [(one.id, one.state, one.root) for one in runs(database, RunFilter())]


def test_runs_of_several_folders_are_in_one_ledger_each_with_its_folder(url: str, tmp_path: Path) -> None:
    other = ID.replace("abcd", "abce")
    recorded(tmp_path / "a")
    recorded(tmp_path / "b", other)
    look(url, tmp_path / "a")
    assert look(url, tmp_path / "b") == [
        (other, "done", root_name(str(tmp_path / "b"))),
        (ID, "done", root_name(str(tmp_path / "a"))),
    ]


def test_identifiers_of_the_same_moment_differ() -> None:
    # of 2000 in one millisecond two are alike in one of eight times, and ten never
    assert len({new_id(1e9) for _ in range(2000)}) > 1990


def test_a_copy_of_a_folder_adds_nothing_and_ends_no_run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = recorded(tmp_path / "a").read_bytes()
    (tmp_path / "a/.treadle/runs" / ID / "events").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(filling, "is_alive", lambda path: path.startswith(str(tmp_path / "a/")))
    look(url, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b/.treadle/runs" / ID / "events").write_bytes(whole)
    expected = [(ID, "running", root_name(str(tmp_path / "a")))]
    assert look(url, tmp_path / "b") == look(url, tmp_path / "a") == expected
    with Database(url, root=root_name(str(tmp_path / "b"))) as database:
        forget_runs(database, [ID])
        assert len(content(database)["runs"]) == 1


def test_a_renamed_folder_goes_on_with_its_runs(url: str, tmp_path: Path) -> None:
    whole = recorded(tmp_path / "a").read_bytes()
    file = tmp_path / "a/.treadle/runs" / ID / "events"
    file.write_bytes(whole[: len(whole) // 2])
    look(url, tmp_path / "a")
    os.rename(tmp_path / "a", tmp_path / "b")
    file = tmp_path / "b/.treadle/runs" / ID / "events"
    file.write_bytes(whole)
    assert look(url, tmp_path / "b") == look(url, tmp_path / "b")
    with Database(":memory:") as alone, Database(url, root=root_name(str(tmp_path / "b"))) as database:
        fill(alone, str(tmp_path / "b/.treadle"))
        found, expected = content(database), content(alone)
        assert [row[1:2] for row in found["runs"]] == [row[1:2] for row in expected["runs"]]
        assert {k: v for k, v in found.items() if k != "runs"} == {k: v for k, v in expected.items() if k != "runs"}


def test_a_folder_of_another_host_is_never_taken_for_a_renamed_one(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path / "a")
    with Database(url, root="another.host:/gone") as database:
        fill(database, str(tmp_path / "a/.treadle"))
    assert look(url, tmp_path / "a") == [(ID, "done", "another.host:/gone")]


def test_a_database_in_another_encoding_or_that_is_not_there_is_refused_in_words(
    url: str, postgres_server: PostgresServer
) -> None:
    from treadle.ledger.database import LedgerError

    with postgres_server.connect() as connection:
        connection.execute("DROP DATABASE IF EXISTS latin")
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    with pytest.raises(LedgerError, match="its encoding is LATIN1"):
        Database(postgres_server.url("latin"))
    with pytest.raises(LedgerError, match=r"cannot be opened: .*nothere"):
        Database(postgres_server.url("nothere"))


def test_old_runs_go_from_a_shared_ledger_also_where_their_events_are_gone(url: str, tmp_path: Path) -> None:
    from treadle.ledger.ledger import collect_garbage

    ids = [new_id(1.79e9 + hour * 3600) for hour in range(5)]
    for run in ids:
        recorded(tmp_path / "a", run)
    recorded(tmp_path / "b", other := new_id(1.79e9))
    look(url, tmp_path / "b")
    look(url, tmp_path / "a")
    for run in (ids[0], ids[4]):
        shutil.rmtree(tmp_path / "a/.treadle/runs" / run)
    with Database(url, root=root_name(str(tmp_path / "a"))) as database:
        gone = collect_garbage(database, str(tmp_path / "a/.treadle"), 1.79e9 + 5 * 3600, keep=3)
        assert gone == [ids[0]]
        assert {row[0] for row in content(database)["runs"]} == {*ids[1:], other}
        gone = collect_garbage(database, str(tmp_path / "a/.treadle"), 1.79e9 + 5 * 3600, days=0.0)
        assert gone == ids[1:]
        assert {row[0] for row in content(database)["runs"]} == {other}
