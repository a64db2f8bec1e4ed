"""The ledger takes each event once, wherever a reader was stopped."""

from __future__ import annotations

import os
import random
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from ledger_events import ID, ODD, asked, content, lines, stream
from treadle.events.schema import FIELDS
from treadle.ledger import filling
from treadle.ledger.database import Database, LedgerError
from treadle.ledger.filling import fill
from treadle.ledger.ledger import open_ledger, run_named
from treadle.ledger.queries import RunFilter, actions_of, attempts, percentile, runs
from treadle.ledger.resuming import resumed
from treadle.ledger.run_files import is_id, make_run_folder, new_id, run_files
from treadle.ledger.steps import STEPS, TABLES

if TYPE_CHECKING:
    from pathlib import Path

ENDLESS = "WITH RECURSIVE endless(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM endless)"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return type(tmp_path)(make_run_folder(str(tmp_path), ID))


def filled(state: Path) -> dict[str, list[Any]]:
    with Database(":memory:") as database:
        fill(database, str(state))
        return content(database)


def test_all_of_a_run_is_in_the_tables(tmp_path: Path, file: Path) -> None:
    file.write_bytes(lines(stream()))
    found = filled(tmp_path)
    assert {table: len(rows) for table, rows in found.items()} == {
        "runs": 1,
        "actions": 3,
        "attempts": 6,
        "reasons": 3,
        "measurements": 3,
        "attributes": 3,
        "requests": 0,
    }


@pytest.mark.parametrize("seed", range(20))
def test_a_file_that_grows_is_taken_once_wherever_a_look_comes(
    tmp_path: Path, file: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(filling, "BATCH", chance.choice([1, 200, 1 << 20]))
    monkeypatch.setattr(filling, "is_alive", lambda _: True)
    whole = lines(stream())
    file.write_bytes(whole)
    expected = filled(tmp_path)
    file.write_bytes(b"")
    with Database(str(tmp_path / "ledger.db")) as database:
        for at in sorted(chance.sample(range(len(whole)), 6)):
            # a line may be cut anywhere
            file.write_bytes(whole[:at])
            fill(database, str(tmp_path))
        file.write_bytes(whole)
        for _ in range(2):
            fill(database, str(tmp_path))
            assert content(database) == expected


@pytest.mark.parametrize("stop", range(8))
def test_a_reader_that_is_stopped_in_the_middle_leaves_nothing_half_done(
    tmp_path: Path, file: Path, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "BATCH", 300)
    file.write_bytes(lines(stream()))
    expected = filled(tmp_path)
    with Database(str(tmp_path / "ledger.db")) as database:
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
        assert content(database) == expected


def test_two_readers_at_once_take_a_line_once(tmp_path: Path, file: Path) -> None:
    file.write_bytes(lines(stream()))
    expected = filled(tmp_path)
    path = str(tmp_path / "ledger.db")
    with Database(path) as one, Database(path) as other:
        (run,) = run_files(str(tmp_path))
        filling.take_file(one, run, 0)
        # it had asked how far the file was read before the first one was done
        filling.take_file(other, run, 0)
        assert content(other) == expected


@pytest.mark.parametrize(
    "line",
    [
        *("", "not json", "[]", "{}", '{"event": 3}', '{"event": "started", "name": "a"}', '{"event": "ended"}'),
        *('{"event": "ended", "name": "a", "usage": 3}', '{"event": "later", "name": "a"}', "[" * 100000),
    ],
)
def test_a_line_that_is_no_event_is_passed_over(tmp_path: Path, file: Path, line: str) -> None:
    events = stream()
    whole = lines(events[:4]) + line.encode() + b"\n" + lines(events[4:])
    file.write_bytes(whole)
    found = filled(tmp_path)
    file.write_bytes(lines(events))
    expected = filled(tmp_path)
    for table in TABLES:
        assert found[table] == expected[table]


def test_a_ledger_of_a_newer_treadle_is_refused_by_name_and_read_from_the_events(
    tmp_path: Path, file: Path
) -> None:
    file.write_bytes(lines(stream()))
    said: list[str] = []
    path = str(tmp_path / "ledger.db")
    with Database(path) as database, database.transaction():
        database._connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    with pytest.raises(LedgerError, match="has schema"):
        Database(path)
    with open_ledger(str(tmp_path), said.append) as ledger:
        assert run_named(ledger, "last") == ID
    assert [text for text in said if "has schema" in text] == said != []


def test_a_locked_ledger_does_not_stop_a_look(tmp_path: Path, file: Path) -> None:
    file.write_bytes(lines(stream()))
    said: list[str] = []
    with (
        Database(str(tmp_path / "ledger.db")) as other,
        other.transaction(),
        open_ledger(str(tmp_path), said.append, patience=0.0) as ledger,
    ):
        assert run_named(ledger, ID[:8]) == ID
    assert [text for text in said if "locked" in text] == said != []


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_another_has_put_into_the_folder_of_runs_is_no_run(tmp_path: Path, kind: str) -> None:
    os.makedirs(tmp_path / "runs")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/events").write_bytes(lines(stream()))
    if kind == "file":
        (tmp_path / "runs" / ID).write_bytes(lines(stream()))
    elif kind == "folder":
        (tmp_path / "runs" / ID).mkdir()
        (tmp_path / "runs" / ID / "events").symlink_to(tmp_path / "elsewhere/events")
    else:
        (tmp_path / "runs" / ID).symlink_to(tmp_path / "elsewhere")
    assert filled(tmp_path)["runs"] == []


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.1, 1), (0.5, 5), (0.51, 6), (0.95, 10), (1.0, 10)])
def test_a_percentile_is_a_value_that_was_seen(share: float, expected: float) -> None:
    assert percentile([float(one) for one in range(1, 11)], share) == expected


def looked(path: str, state: str) -> None:
    with Database(path) as database:
        fill(database, state)
        asked(database)


@pytest.mark.parametrize(
    "kind", ["run", "call", "plan", "action", "verdict", "started", "attempt", "ended", "summary"]
)
def test_whatever_a_field_holds_the_rest_of_the_runs_is_taken(tmp_path: Path, file: Path, kind: str) -> None:
    other = type(tmp_path)(make_run_folder(str(tmp_path), "20261130-120001-abcd"))
    other.write_bytes(lines(stream()))
    for field in FIELDS[kind]:
        for value in ODD:
            file.write_bytes(lines([one | {field: value} if one["event"] == kind else one for one in stream()]))
            with Database(":memory:") as database:
                fill(database, str(tmp_path))
                asked(database)
                assert len(actions_of(database, "20261130-120001-abcd")) == 3, (field, value)


@pytest.mark.parametrize(
    "change",
    [
        *(
            f"UPDATE runs SET {name} = 'x'"
            for name in ("names", "argv", "params", "counts", "problems", "selection")
        ),
        *(f"UPDATE runs SET {name} = '[1]'" for name in ("names", "argv", "params", "counts", "problems")),
        *(f"UPDATE runs SET {name} = 'x'" for name in ("duration", "pid", "jobs", "exit_code", "read_to")),
        *(f"UPDATE runs SET {name} = X'ff00'" for name in ("began", "state", "plan", "host", "read_to")),
        *(f"UPDATE actions SET {name} = 'x'" for name in ("start", "duration", "exit_code", "attempts")),
        *(
            f"UPDATE attempts SET {name} = 'x'"
            for name in ("start", "duration", "memory", "cpu", "details", "number")
        ),
        "UPDATE runs SET read_to = -5",
        "UPDATE attempts SET duration = 9e999",
        "PRAGMA user_version = -3",
        "PRAGMA user_version = 99",
        "DROP TABLE attempts",
        "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END",
    ],
)
def test_what_no_treadle_has_written_is_told_in_words(tmp_path: Path, file: Path, change: str) -> None:
    file.write_bytes(lines(stream()))
    path = str(tmp_path / "ledger.db")
    with Database(path) as database:
        fill(database, str(tmp_path))
        if "UPDATE attempts SET number" in change:
            database.rows("DELETE FROM attempts WHERE number = 2 OR name <> 'a@0'")
        database.rows(change)
    make_run_folder(str(tmp_path), "20261130-120001-abcd")
    (tmp_path / "runs" / "20261130-120001-abcd" / "events").write_bytes(lines(stream()))
    with pytest.raises(LedgerError) as info:
        looked(path, str(tmp_path))
    assert info.value.hint
    said: list[str] = []
    # it is made again, or read from the events
    with open_ledger(str(tmp_path), said.append, rebuild=True) as database:
        asked(database)
        assert len(runs(database, RunFilter())) == 2


@pytest.mark.parametrize(
    "made",
    [
        f"CREATE VIEW runs AS {ENDLESS} SELECT cast(i AS TEXT) id, 0 read_to, '' state, '' root FROM endless",
        f"CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs WHERE id IN ({ENDLESS} SELECT i FROM endless); END",
        "CREATE TRIGGER t AFTER INSERT ON runs BEGIN UPDATE runs SET names = 'x'; END",
        "CREATE VIEW other AS SELECT * FROM runs",
    ],
)
def test_a_ledger_with_views_or_triggers_is_read_from_the_events(tmp_path: Path, file: Path, made: str) -> None:
    file.write_bytes(lines(stream()))
    path = tmp_path / "ledger.db"
    Database(str(path)).close()
    connection = sqlite3.connect(path)
    if "VIEW runs" in made:
        connection.execute("DROP TABLE runs")
    connection.execute(made)
    connection.commit()
    connection.close()
    said: list[str] = []
    with open_ledger(str(tmp_path), said.append) as database:
        assert [one.names for one in runs(database, RunFilter())] == [["a"]]
    assert len(said) == 1
    assert "it has views or triggers" in said[0]


def test_a_question_that_never_ends_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from treadle.ledger import sqlite

    monkeypatch.setattr(sqlite, "_MOST_STEPS", 2)
    with Database(str(tmp_path / "ledger.db")) as database:
        with pytest.raises(LedgerError, match="interrupted"):
            database.rows(f"{ENDLESS} SELECT count(*) FROM endless")
        with pytest.raises(LedgerError, match="interrupted"), database.transaction():
            database.write(f"INSERT INTO runs (id) {ENDLESS} SELECT cast(i AS TEXT) FROM endless", [()])
        # the next one has all its steps
        assert database.rows("SELECT * FROM runs") == []


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    with Database(str(tmp_path / "ledger.db")) as database:
        ((pages,),) = database.rows("PRAGMA page_count")
        database.rows(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LedgerError, match="full"), database.transaction():
            database.write("INSERT INTO runs (id) VALUES (?)", [(f"{number}" * 999,) for number in range(999)])
        assert database.rows("SELECT * FROM runs") == []


@pytest.mark.parametrize(
    "began", ["", "x", "x\x1b[31m", "2026-11-30", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-20:00"]
)
def test_a_run_of_no_known_time_is_shown_and_resumed(tmp_path: Path, file: Path, began: str) -> None:
    file.write_bytes(lines([one | {"began": began} if one["event"] == "run" else one for one in stream()]))
    with Database(":memory:") as database:
        fill(database, str(tmp_path))
        assert resumed(database, ID).run.began == began


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", True),
        (ID, True),
        *(
            (name, False)
            for name in ("", "x", "-rf", "..", "2026\x1b[31m", "20261130-120000-\udcff", "20261130-120000-")
        ),
        *(
            (name, False)
            for name in ("20261130-120000-AB", "2026113-120000-ab", "\u0661" * 8 + "-120000-ab", f"{ID} ")
        ),
    ],
)
def test_only_what_is_named_like_a_run_is_one(tmp_path: Path, name: str, expected: bool) -> None:
    # one that is made now; the tests have the same names in each process
    name = name or (new_id(1e9) if expected else "")
    assert is_id(name) is expected
    if name not in ("", ".."):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "events").write_bytes(lines(stream()))
        assert [one.id for one in run_files(str(tmp_path))] == [name] * expected


@pytest.mark.parametrize("word", ["x\udcff", "\udcff*", "\0", "%", "\\"])
def test_any_word_may_be_asked_for(word: str) -> None:
    with Database(":memory:") as database:
        assert runs(database, RunFilter(name=word, attributes={word: word}, most=10**30)) == []
        assert attempts(database, [word], most=10**30) == []


@pytest.mark.parametrize("batch", [1, 1 << 20])
def test_what_comes_after_a_run_was_given_up_is_late_and_not_taken(
    tmp_path: Path, file: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "BATCH", batch)
    whole = stream()
    given_up = {"event": "lost", "t": 4.0, "host": "farm7", "user": "ada", "reason": "its lease is over"}
    file.write_bytes(lines([*whole[:5], given_up, *whole[5:]]))
    with Database(":memory:") as database:
        fill(database, str(tmp_path))
        (run,) = runs(database, RunFilter())
        assert (run.state, run.exit_code) == ("lost", None)
        late = sum(int(text.split()[0]) for text in run.problems)
        assert late == len(whole[5:])
        assert "late, and not taken" in run.problems[0]
        assert [(one.number, one.failure) for one in attempts(database)] == [(1, "its run was lost")]
        # a look takes nothing twice
        fill(database, str(tmp_path))
        assert len(runs(database, RunFilter())[0].problems) == len(run.problems)


@pytest.mark.parametrize(("host", "state"), [(os.uname().nodename, "lost"), ("elsewhere", "running"), ("", "lost")])
def test_a_look_closes_only_runs_of_this_host(tmp_path: Path, file: Path, host: str, state: str) -> None:
    whole = stream()
    whole[0]["host"] = host
    file.write_bytes(lines(whole[:5]))
    with Database(":memory:") as database:
        fill(database, str(tmp_path))
        assert runs(database, RunFilter())[0].state == state


def test_the_first_end_of_a_run_counts(tmp_path: Path, file: Path) -> None:
    whole = stream()
    file.write_bytes(lines([*whole, {**whole[-1], "exit_code": 1, "interrupted": True}]))
    with Database(":memory:") as database:
        fill(database, str(tmp_path))
        assert runs(database, RunFilter())[0].state == "done"


def test_a_look_that_lasts_too_long_leaves_the_rest_to_the_next_one(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "BATCH", 300)
    file.write_bytes(lines(stream()))
    with Database(":memory:") as database:
        looks = 1
        while not fill(database, str(tmp_path), until=0.0):
            # it is not closed as lost in the middle
            assert database.rows("SELECT state FROM runs") != [("lost",)]
            looks += 1
        assert looks > 3
        assert content(database) == filled(tmp_path)
