"""The events of a run as tests of the ledger need them, and all that is in a database or asked of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from treadle.ledger.queries import RunFilter, actions_of, attempts, differences, figures, runs
from treadle.ledger.resuming import resumed
from treadle.ledger.steps import TABLES

if TYPE_CHECKING:
    from treadle.ledger.database import Database

ID = "20261130-120000-abcd"


def stream(actions: int = 3) -> list[dict[str, Any]]:
    """Return the events of a run in which each action is tried twice."""
    events: list[dict[str, Any]] = [
        {"event": "run", "t": 0.0, "schema": 1, "began": "2026-11-30T12:00:00.000Z", "names": ["a"], "id": ID},
        {"event": "call", "t": 0.0, "argv": ["treadle"], "params": {"a": "b"}},
    ]
    for name in (f"a@{number}" for number in range(actions)):
        about = {"name": name, "start": 1.0, "duration": 2.0}
        failed = {"outcome": "failed", "category": "FAIL", "failure": "exit code 9", "exit_code": 9}
        events += [
            {"event": "action", "t": 1.0, "name": name, "family": "a", "command": "true", "queue": "default"},
            {
                "event": "verdict",
                "t": 1.0,
                "name": name,
                "verdict": "run",
                "reasons": [{"kind": "new", "text": "new"}],
            },
            {"event": "started", "t": 1.0, "name": name, "attempt": 1, "slot": 0, "start": 1.0},
            {"event": "attempt", "t": 3.0, **about, **failed, "attempt": 1, "measurements": {"score": 1}},
            {"event": "started", "t": 3.0, "name": name, "attempt": 2, "slot": 0, "start": 3.0},
            {
                "event": "ended",
                "t": 5.0,
                **about,
                "start": 3.0,
                "status": "ran",
                "attempts": 2,
                "outcome": "success",
                "category": "PASS",
                "attributes": {"n": "\udcff"},
            },
        ]
    events.append({"event": "summary", "t": 9.0, "counts": {"ran": 3}, "duration": 9.0, "exit_code": 0})
    return events


def lines(events: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


def content(database: Database) -> dict[str, list[Any]]:
    return {table: sorted(database.rows(f"SELECT * FROM {table}"), key=repr) for table in ("runs", *TABLES)}


def asked(database: Database) -> None:
    """Ask all that the commands ask."""
    for one in runs(database, RunFilter()):
        actions_of(database, one.id)
        differences(database, one.id, one.id)
        resumed(database, one.id)
    attempts(database)
    figures(database)


ODD: tuple[Any, ...] = (
    *(None, -1.5, 10**30, 10**400, float("inf"), float("nan"), "x\x1b[31m", "\udcff"),
    *([], ["a", None], {"a": 1}, {"a": None}, {"a": [1]}, {"a": 10**30}, [[]], [{"kind": 1}]),
)
