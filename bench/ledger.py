"""How long a ledger takes to be filled, and to be asked: in SQLite, and in PostgreSQL where an address is given.

    python bench/ledger.py [postgresql://HOST/DATABASE] [--runs 200] [--actions 500]

Runs of so many actions are written as recorded runs write them, taken into an empty ledger, and asked for all that
the commands ask for. Of each question the fastest of some rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from typing import TYPE_CHECKING, Any

from treadle.ledger.database import FILE, Database
from treadle.ledger.filling import fill
from treadle.ledger.ledger import run_named
from treadle.ledger.queries import (
    RunFilter,
    actions_of,
    attempts,
    differences,
    figures,
    has_started,
    names_started,
    run_of,
    runs,
)
from treadle.ledger.run_files import make_run_folder

if TYPE_CHECKING:
    from collections.abc import Callable

FAMILY = 50
"""Instances of a family."""
ROUNDS = 5


def events(run: str, number: int, actions: int) -> list[dict[str, Any]]:
    """Return the events of a run in which one of forty actions fails."""
    began = f"{run[:4]}-{run[4:6]}-{run[6:8]}T{run[9:11]}:00:00.000Z"
    about = {"id": run, "user": "ada", "host": "farm", "pid": 4, "jobs": 8, "plan": "treadle.yaml"}
    first = {"event": "run", "t": 0.0, "schema": 1, "began": began, "names": ["all"], **about}
    found: list[dict[str, Any]] = [first | {"attributes": {"ticket": str(number)}}]
    passed = {"outcome": "success", "category": "PASS"}
    failed = {"outcome": "failed", "category": "FAIL", "failure": "exit code 3", "exit_code": 3}
    why = {"kind": "changed", "element": "input x.csv", "old": "file 12 ab", "new": "file 12 cd", "text": "x.csv"}
    for index in range(actions):
        family = f"f{index // FAMILY}"
        name, start = f"{family}@{index % FAMILY}", 1.0 + index / 10
        usage = {"user": 1.0, "system": 0.2, "largest_process": 1e6 * (index % 9 + 1)}
        ended = {"status": "ran", "attempts": 1, "start": start, "duration": 2.0 + (index * 7 + number) % 13 / 10}
        found += [
            {"event": "action", "t": 1.0, "name": name, "family": family, "command": "./fit --fold 3 x.csv y.csv"},
            {"event": "verdict", "t": 1.0, "name": name, "verdict": "run", "reasons": [why]},
            {"event": "started", "t": 1.0, "name": name, "attempt": 1, "slot": index % 8, "start": start},
            {"event": "ended", "t": 3.0, "name": name, **ended, "usage": usage}
            | (passed if (index + number) % 40 else failed),
        ]
    return [*found, {"event": "summary", "t": 99.0, "counts": {"ran": actions}, "duration": 99.0, "exit_code": 0}]


def write(state: str, count: int, actions: int) -> None:
    """Write recorded runs, one an hour."""
    for number in range(count):
        run = time.strftime("%Y%m%d-%H%M%S", time.gmtime(1.79e9 + number * 3600)) + "-000abcdef"
        with open(make_run_folder(state, run), "wb") as file:
            file.writelines(
                json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in events(run, number, actions)
            )


def questions(database: Database) -> dict[str, Callable[[], object]]:
    """Return what is asked, by the command that does."""
    last = run_named(database, "last")
    return {
        "runs": lambda: runs(database, RunFilter(most=20)),
        "runs NAME": lambda: runs(database, RunFilter(name="f3@7", most=20)),
        "runs '*@7'": lambda: runs(database, RunFilter(name="*@7", most=20)),
        "runs --attr": lambda: runs(database, RunFilter(attributes={"ticket": "7"})),
        "show": lambda: (run_of(database, last), actions_of(database, last), attempts(database, run=last)),
        "attempts": lambda: attempts(database, most=20),
        "attempts NAME": lambda: attempts(database, ["f3@7"], most=20),
        "attempts FAMILY": lambda: attempts(database, ["f3"], most=20),
        "attempts '*@7'": lambda: attempts(database, ["*@7"], most=20),
        "attempts --failed": lambda: attempts(database, failed=True, most=20),
        "attempts, of no run": lambda: (has_started(database, "none"), names_started(database)),
        "attempts --json, all": lambda: attempts(database),
        "diff": lambda: differences(database, run_named(database, "last-1"), last),
        "stats FAMILY": lambda: figures(database, ["f3"]),
        "stats": lambda: figures(database),
    }


def measure(place: str, state: str) -> None:
    """Print how long it takes to fill a database and to ask it."""
    with Database(place, 60.0, root="bench:/") as database:
        began, cpu = time.perf_counter(), time.process_time()
        fill(database, state)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        ((count,),) = database.rows("SELECT count(*) FROM attempts")
        print(f"{count} attempts, filled in {seconds:.1f} s, {cpu / count * 1e6:.0f} us of our own CPU for each")
        for name, ask in {"a look with nothing new": lambda: fill(database, state), **questions(database)}.items():
            best = float("inf")
            for _ in range(ROUNDS):
                began = time.perf_counter()
                ask()
                best = min(best, time.perf_counter() - began)
            print(f"{name:24} {best * 1000:9.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", help="an empty PostgreSQL database")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--actions", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(folder, given.runs, given.actions)
        size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)
        print(f"{size / given.runs / given.actions:.0f} bytes of events for each attempt")
        path = os.path.join(folder, FILE)
        print("\nSQLite")
        measure(path, folder)
        print(f"{os.path.getsize(path) / given.runs / given.actions:.0f} bytes of it for each attempt")
        if given.url:
            print("\nPostgreSQL")
            measure(given.url, folder)


if __name__ == "__main__":
    main()
