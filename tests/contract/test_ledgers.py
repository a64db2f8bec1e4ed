"""The same of each database that a ledger may be in: what is taken once, what is asked, what two of them do at once."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from ledger_events import ID, ODD, content, lines, stream
from treadle.events.schema import FIELDS
from treadle.ledger import filling
from treadle.ledger.address import root_name
from treadle.ledger.database import MEMORY, Database, LedgerError
from treadle.ledger.filling import fill
from treadle.ledger.ledger import open_ledger
from treadle.ledger.queries import RunFilter, attempts, figures, runs
from treadle.ledger.run_files import make_run_folder, run_files
from treadle.ledger.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from postgres import PostgresServer

ROOT = "host:/root"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where an empty database is, or is made."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.empty_database()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return type(tmp_path)(make_run_folder(str(tmp_path), ID))


def without_root(found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {
        table: [tuple("" if one == ROOT else one for one in row) for row in rows] for table, rows in found.items()
    }


def expected_of(state: Path) -> dict[str, list[Any]]:
    with Database(MEMORY) as database:
        fill(database, str(state))
        return content(database)


def test_all_databases_hold_the_same_of_a_run(place: str, tmp_path: Path, file: Path) -> None:
    file.write_bytes(lines(stream(40)))
    with Database(place, root=ROOT) as database:
        fill(database, str(tmp_path))
        assert without_root(content(database)) == expected_of(tmp_path)
    with Database(place, root=ROOT) as database:
        # it is there for the next one
        assert without_root(content(database)) == expected_of(tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_a_file_that_grows_is_taken_once(
    place: str, tmp_path: Path, file: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(filling, "BATCH", chance.choice([1, 200, 1 << 20]))
    monkeypatch.setattr(filling, "is_alive", lambda _: True)
    whole = lines(stream())
    file.write_bytes(whole)
    expected = expected_of(tmp_path)
    with Database(place, root=ROOT) as database:
        for at in [*sorted(chance.sample(range(len(whole)), 6)), len(whole), len(whole)]:
            file.write_bytes(whole[:at])
            fill(database, str(tmp_path))
        assert without_root(content(database)) == expected


def test_readers_at_once_take_a_line_once(
    place: str, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threading import Barrier, Thread

    monkeypatch.setattr(filling, "BATCH", 100)
    file.write_bytes(lines(stream(20)))
    expected = expected_of(tmp_path)
    begin = Barrier(4)
    failures: list[BaseException] = []

    def take() -> None:
        try:
            # the schema is made by one of them
            with Database(place, 30.0, root=ROOT) as database:
                begin.wait(30)
                fill(database, str(tmp_path))
        except BaseException as error:
            failures.append(error)
            begin.abort()

    threads = [Thread(target=take) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failures == []
    with Database(place, root=ROOT) as database:
        assert without_root(content(database)) == expected


@pytest.mark.parametrize("stop", range(4))
def test_a_reader_that_is_stopped_leaves_nothing_half_done(
    place: str, tmp_path: Path, file: Path, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "BATCH", 300)
    file.write_bytes(lines(stream()))
    with Database(place, root=ROOT) as database:
        calls = 0
        write = database.write

        def failing(statement: str, rows: Any) -> None:
            nonlocal calls
            calls += 1
            if calls % 9 == stop:
                raise LedgerError("No space left on device")
            write(statement, rows)

        monkeypatch.setattr(database, "write", failing)
        with pytest.raises(LedgerError, match="No space"):
            filling.take_file(database, next(iter(run_files(str(tmp_path)))), 0)
        monkeypatch.setattr(database, "write", write)
        fill(database, str(tmp_path))
        assert without_root(content(database)) == expected_of(tmp_path)


@pytest.mark.parametrize(
    "kind", ["run", "call", "plan", "action", "verdict", "started", "attempt", "ended", "summary"]
)
def test_whatever_a_field_holds_all_databases_take_the_same(place: str, tmp_path: Path, kind: str) -> None:
    values = [(field, value) for field in FIELDS[kind] for value in (*ODD, True, 1.5, "a\0b")]
    for number, (field, value) in enumerate(values):
        file = make_run_folder(str(tmp_path), f"20261130-120000-{number:04x}")
        events = [one | {field: value} if one["event"] == kind else one for one in stream(1)]
        type(tmp_path)(file).write_bytes(lines(events))
    with Database(place, root=ROOT) as database:
        fill(database, str(tmp_path))
        assert without_root(content(database)) == expected_of(tmp_path)
        attempts(database)
        figures(database)
        assert len(runs(database, RunFilter())) == len(values)


@pytest.mark.parametrize("ask", [attempts, figures])
@pytest.mark.parametrize("column", ["duration", "memory", "cpu"])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e308, -1e308, 2e15])
def test_a_number_out_of_all_bounds_is_refused_in_words(
    place: str, tmp_path: Path, file: Path, ask: Callable[[Database], object], column: str, value: float
) -> None:
    file.write_bytes(lines(stream()))
    with Database(place, root=ROOT) as database:
        fill(database, str(tmp_path))
        with database.transaction():
            database.write(f"UPDATE attempts SET {column} = ? WHERE name = 'a@1' AND number = 2", [(value,)])
        with pytest.raises(LedgerError, match="holds what no Treadle has written"):
            ask(database)


def test_not_a_number_is_refused_in_words(postgres_server: PostgresServer, tmp_path: Path, file: Path) -> None:
    file.write_bytes(lines(stream()))
    with Database(postgres_server.empty_database(), root=ROOT) as database:
        fill(database, str(tmp_path))
        for column in ("duration", "memory", "cpu"):
            with database.transaction():
                database.write("UPDATE attempts SET duration = ?, memory = ?, cpu = ?", [(1.0, 1.0, 1.0)])
                database.write(f"UPDATE attempts SET {column} = ?", [("NaN",)])
            for ask in (attempts, figures):
                with pytest.raises(LedgerError, match="holds what no Treadle has written"):
                    ask(database)


def test_rows_that_no_treadle_has_written_are_named_and_made_again(place: str, tmp_path: Path, file: Path) -> None:
    file.write_bytes(lines(stream()))
    shared = place if "://" in place else ""
    path = shared or str(tmp_path / "ledger.db")
    with Database(path, root=root_name(str(tmp_path.parent))) as database:
        fill(database, str(tmp_path))
        with database.transaction():
            database.write("UPDATE runs SET names = ? WHERE id = ?", [("[", ID)])
        with pytest.raises(LedgerError) as info:
            runs(database, RunFilter())
    assert info.value.facts == (f"it is in the rows of the run {ID}",)
    # of a ledger of several folders nothing else is lost by what the hint says
    assert ("runs --rebuild" in info.value.hint) is bool(shared)
    assert "drop" not in info.value.hint
    with open_ledger(str(tmp_path), pytest.fail, url=shared, rebuild=True) as database:
        assert [one.names for one in runs(database, RunFilter())] == [["a"]]


@pytest.mark.parametrize("word", ["x\udcff", "\udcff*", "\0", "%", "\\", "?", "a%s", "'"])
def test_any_word_may_be_asked_for(place: str, word: str) -> None:
    with Database(place) as database:
        assert runs(database, RunFilter(name=word, attributes={word: word}, most=10**30)) == []
        assert attempts(database, [word], most=10**30) == []


def test_names_are_sorted_and_matched_by_their_bytes(place: str, tmp_path: Path, file: Path) -> None:
    names = ["B", "a", "_", "Z", "é", "ab", "A%", "a_b"]
    events = stream(1)
    began = [one | {"name": name, "family": ""} for name in names for one in events if one["event"] == "action"]
    started = [one | {"name": name, "family": ""} for name in names for one in events if one["event"] == "started"]
    file.write_bytes(lines([*events[:2], *began, *started]))
    with Database(place, root=ROOT) as database:
        fill(database, str(tmp_path))
        found = {
            pattern: [one.name for one in attempts(database, [pattern])] for pattern in ("*", "a*", "A*", "a_*")
        }
        by_name = database.rows("SELECT name FROM actions ORDER BY name")
    assert {one for (one,) in by_name} == {*names}
    assert [one for (one,) in by_name] == sorted(names)
    assert {pattern: sorted({*of}) for pattern, of in found.items()} == {
        "*": sorted(names),
        "a*": ["a", "a_b", "ab"],
        "A*": ["A%"],
        "a_*": ["a_b"],
    }


def test_a_newer_schema_is_refused_by_name_and_an_older_one_is_brought_up(
    place: str, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_bytes(lines(stream()))
    from treadle.ledger import database as module

    for number in range(1, len(STEPS)):
        monkeypatch.setattr(module, "STEPS", STEPS[:number])
        Database(place).close()
    monkeypatch.setattr(module, "STEPS", STEPS)
    with Database(place, root=ROOT) as database:
        fill(database, str(tmp_path))
        assert without_root(content(database)) == expected_of(tmp_path)
        with database.transaction():
            database._connection.set_version(len(STEPS) + 1)
    with pytest.raises(LedgerError, match=f"has schema {len(STEPS) + 1}, and this Treadle knows {len(STEPS)}"):
        Database(place)
