"""The owner of an identity: taken, shown alive, taken over, by compare and set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from treadle.errors import BusyError
from treadle.ledger.database import Database, LedgerError
from treadle.ledger.owners import Identity, Owner, beat, give_back, owner_of, take
from treadle.session.ownership import MARGIN, Ownership, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from postgres import PostgresServer

IT = Identity("nightly", "abcdef")
OTHER = Identity("nightly", "012345")
LEASE = 60.0


def owner(token: str, *, host: str = "farm7") -> Owner:
    return Owner(0, token, f"run-{token}", "/gone", host, "ada", 7, "2026-11-30T12:00:00.000Z", 0, LEASE)


@pytest.fixture(params=["sqlite", "postgresql"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.empty_database()


@pytest.fixture
def database(path: str) -> Iterator[Database]:
    with Database(path) as found:
        yield found


def test_an_identity_is_taken_once(database: Database) -> None:
    assert owner_of(database, IT) is None
    assert take(database, IT, owner("a"), None) == 1
    # another one looked before that was there
    assert take(database, IT, owner("b"), None) == 0
    found = owner_of(database, IT)
    assert found == replace(owner("a"), epoch=1)
    # with other parameters it is another one
    assert take(database, OTHER, owner("b"), None) == 1


@pytest.mark.parametrize("what", ["nothing", "a sign of life", "another was faster", "it was given back"])
def test_only_what_was_seen_is_taken_over(database: Database, what: str) -> None:
    take(database, IT, owner("a"), None)
    seen = owner_of(database, IT)
    assert seen is not None
    if what == "a sign of life":
        assert beat(database, IT, seen) is None
    elif what == "another was faster":
        assert take(database, IT, owner("c"), seen) == 2
    elif what == "it was given back":
        give_back(database, IT, seen)
    assert take(database, IT, owner("b"), seen) == (2 if what == "nothing" else 0)


def test_what_has_lost_an_identity_learns_that_and_writes_nothing(database: Database) -> None:
    take(database, IT, owner("a"), None)
    first = owner_of(database, IT)
    assert first is not None
    assert take(database, IT, owner("b"), first) == 2
    second = owner_of(database, IT)
    assert beat(database, IT, first) == second
    give_back(database, IT, first)
    assert owner_of(database, IT) == second
    assert second is not None
    assert beat(database, IT, second) is None


def test_epochs_count_up_also_after_an_identity_was_given_back(database: Database) -> None:
    for epoch in (1, 2, 3):
        seen = owner_of(database, IT)
        assert take(database, IT, owner(str(epoch)), seen) == epoch
        now = owner_of(database, IT)
        assert now is not None
        assert (now.beat, now.ended) == (0, 0)
        beat(database, IT, now)
        give_back(database, IT, now)


def test_an_identity_outlives_a_ledger_that_is_made_anew(tmp_path: Path) -> None:
    with Database(str(tmp_path / "old")) as old:
        take(old, IT, owner("a"), None)
        mine = owner_of(old, IT)
    assert mine is not None
    with Database(str(tmp_path / "new")) as new:
        assert beat(new, IT, mine) is None
        assert owner_of(new, IT) == replace(mine, beat=1)
    with Database(str(tmp_path / "newer")) as newer:
        # the same epoch again, of another run
        assert take(newer, IT, owner("b"), None) == mine.epoch
        found = beat(newer, IT, mine)
        assert found is not None
        assert found.token == "b"


@pytest.mark.parametrize("change", ["epoch = 'x'", "lease = 0", "pid = 1.5", "token = x'00'"])
def test_what_no_treadle_has_written_is_told(tmp_path: Path, change: str) -> None:
    # the other database takes only what its column is of
    with Database(str(tmp_path / "ledger.db")) as database:
        take(database, IT, owner("a"), None)
        with database.transaction():
            database.write(f"UPDATE owners SET {change} WHERE workflow = ?", [("nightly",)])
        with pytest.raises(LedgerError, match="no Treadle has written"):
            owner_of(database, IT)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": "1", "b": ["x"]}, {"b": ["x"], "a": "1"}, True),
        ({"a": "1"}, {"a": "2"}, False),
        ({"a": "1"}, {"a": ["1"]}, False),
        ({}, {"a": ""}, False),
    ],
)
def test_parameters_make_an_identity_by_their_values(one: object, other: object, same: bool) -> None:
    assert (digest_of(one) == digest_of(other)) is same  # type: ignore[arg-type]


class Clock:
    """A clock that goes on when something waits, and does something then."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.now = 1000.0
        self.meanwhile = meanwhile

    def __call__(self) -> float:
        return self.now

    def nap(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


def ownership(path: str, token: str, clock: Clock, said: list[str] | None = None) -> Ownership:
    say = (said if said is not None else []).append
    return Ownership(lambda: Database(path), IT, owner(token), say=say, clock=clock, nap=clock.nap)


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "alive"])
def test_a_run_of_another_machine_is_watched_for_its_lease(path: str, database: Database, silent: bool) -> None:
    take(database, IT, owner("a"), None)
    first = owner_of(database, IT)
    assert first is not None
    clock, said = Clock(), list[str]()
    if not silent:
        # it shows a sign of life at the very end
        def late() -> None:
            if clock.now > 1000.0 + LEASE:
                beat(database, IT, first)

        clock.meanwhile = late
        with pytest.raises(BusyError, match="run-a") as caught:
            ownership(path, "b", clock, said).claim()
        assert caught.value.facts == ("on farm7, as ada, process 7, since 2026-11-30T12:00:00.000Z",)
        assert beat(database, IT, first) is None
        return
    second = ownership(path, "b", clock, said)
    second.claim()
    assert clock.now - 1000.0 > LEASE + MARGIN
    assert "waiting up to 75 s for a sign of life" in said[0]
    assert second.mine.epoch == 2
    assert beat(database, IT, first) == owner_of(database, IT)


def test_a_run_of_another_machine_counts_as_alive_where_nothing_is_waited_for(
    path: str, database: Database
) -> None:
    take(database, IT, owner("a"), None)
    with pytest.raises(BusyError, match="is under way"):
        ownership(path, "b", Clock()).claim(wait=False)


def test_what_gives_its_identity_back_is_followed_at_once(path: str, database: Database) -> None:
    clock = Clock()
    first = ownership(path, "a", clock)
    first.claim()
    first.give_back()
    second = ownership(path, "b", clock)
    second.claim(wait=False)
    assert (second.mine.epoch, clock.now) == (2, 1000.0)
    assert not first.show_life()
    assert first.taken_by is not None
    assert first.taken_by.token == "b"


def test_of_two_that_watch_a_dead_run_one_takes_over(path: str, database: Database) -> None:
    take(database, IT, owner("a"), None)
    seen = owner_of(database, IT)
    clock = Clock()

    def faster() -> None:
        if clock.now > 1000.0 + LEASE + MARGIN:
            take(database, IT, owner("c"), seen)

    clock.meanwhile = faster
    with pytest.raises(BusyError, match="run-c"):
        ownership(path, "b", clock).claim()


@pytest.mark.parametrize("taken", [True, False])
def test_a_run_that_was_frozen_looks_before_it_starts_anything(path: str, database: Database, taken: bool) -> None:
    clock = Clock()
    first = ownership(path, "a", clock)
    first.claim()
    if taken:
        take(database, IT, owner("b"), owner_of(database, IT))
    # it has shown that it lives within its lease, so nothing can have taken over
    clock.now += LEASE
    assert first.may_start()
    clock.now += 1.0
    assert first.may_start() is not taken
    assert first.show_life() is not taken


def test_a_ledger_that_cannot_be_used_ends_nothing(tmp_path: Path) -> None:
    clock = Clock()
    first = ownership(str(tmp_path / "ledger.db"), "a", clock)
    first.claim()
    (tmp_path / "ledger.db").unlink()
    (tmp_path / "ledger.db").mkdir()
    clock.now += 2 * LEASE
    assert first.show_life()
    assert first.may_start()
    first.give_back()
