"""From events to rows: the ledger takes each line of a file of events once.

How far a file has been read is kept in the transaction that writes its rows. So a reader that is killed, a full
disk or a locked database lose nothing and double nothing: what was not taken is taken later.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from treadle.content.trust import STATE_FOLDER
from treadle.core.outcomes import INTERRUPTED, outcome_of_end
from treadle.core.states import RUN, before, end_of_run
from treadle.events.schema import check_shapes

from .address import root_on_this_host
from .database import storable
from .run_files import events_of, is_alive, run_files
from .states import LOST, LOST_WITH_RUN, RUNNING
from .steps import TABLES

if TYPE_CHECKING:
    from typing import BinaryIO

    from .database import Database, Row
    from .run_files import RunFile

BATCH = 1 << 20
"""About how many bytes of events are taken in one transaction."""
Event = Mapping[str, Any]


def fill(database: Database, state: str, until: float | None = None) -> bool:
    """Take all events that have been written and not been taken, of all recorded runs of a folder.

    Runs whose events are gone are forgotten, but for those of a shared ledger.

    :param state: the state folder
    :param until: when to leave the rest to the next call, on the monotonic clock
    :return: whether all was taken
    :raises LedgerError: the database cannot be written
    """
    known: dict[str, tuple[int, str]] = {}
    for run, at, of in database.rows("SELECT id, read_to, state FROM runs WHERE root = ?", (database.root,)):
        if not isinstance(at, int) or at < 0:
            raise database.foreign(str(run))
        known[str(run)] = (at, str(of))
    files = list(run_files(state))
    gone = known.keys() - {file.id for file in files}
    if gone and not database.is_shared:
        # a later run has removed their events; a shared ledger keeps what it has
        forget_runs(database, sorted(gone))
    for file in files:
        if file.id not in known and database.is_shared:
            known.update(_of_another_root(database, file.id))
        read_to, of = known.get(file.id, (0, RUNNING))
        is_behind = file.size > read_to or of == RUNNING
        if is_behind and not take_file(database, file, read_to, until):
            return False
    return True


def _of_another_root(database: Database, run: str) -> dict[str, tuple[int, str]]:
    """Return what a shared database has of a run of this folder that it knows by another folder.

    Where that one is not there any more, this one has been renamed. Else this one is a copy: a run in it is not
    taken a second time, nor closed because it does not go on here.
    """
    for at, of, root in database.rows("SELECT read_to, state, root FROM runs WHERE id = ?", (run,)):
        folder = root_on_this_host(str(root))
        if folder and not os.path.lexists(events_of(os.path.join(folder, STATE_FOLDER), run)):
            with database.transaction():
                about = (database.root, run, root)
                database.write("UPDATE runs SET root = ? WHERE id = ? AND root = ?", [about])
        return {run: (int(at), str(of))}
    return {}


def take_file(database: Database, file: RunFile, read_to: int, until: float | None = None) -> bool:
    """Take what a file of events holds beyond an offset; return whether that is all, or the time was over."""
    # asked before it is read: what ends meanwhile has written all it will
    alive = is_alive(file.path)
    try:
        fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return True
    with open(fd, "rb") as source:
        source.seek(read_to)
        while lines := _whole_lines(source):
            size = sum(map(len, lines))
            _take_lines(database, file.id, lines, read_to, read_to + size)
            read_to += size
            if until is not None and monotonic() >= until:
                return False
    if not alive:
        _close_lost(database, file.id)
    return True


def _whole_lines(source: BinaryIO) -> list[bytes]:
    """Return the next lines, without one that is being written, or that a killed run has left."""
    try:
        lines = source.readlines(BATCH)
    except OSError:
        return []
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    return lines


def _take_lines(database: Database, run: str, lines: list[bytes], old: int, new: int) -> None:
    events: dict[str, list[Event]] = {kind: [] for kind in _TAKERS}
    late = 0
    for raw in lines:
        with suppress(ValueError, RecursionError):
            event = json.loads(raw)
            if not _is_right(event):
                continue
            if events["lost"]:
                # one that was given up, and was not dead
                late += 1
            else:
                events[event["event"]].append(event)
    with database.transaction():
        added = [(run, database.root)]
        database.write("INSERT INTO runs (id, root) VALUES (?, ?) ON CONFLICT (id) DO NOTHING", added)
        found = database.locked_rows("SELECT read_to, root, closed_by FROM runs WHERE id = ?", (run,))
        found_at = [one[:2] for one in found]
        if not found_at and not database.is_shared:
            # something in it that is not of Treadle has removed the row
            raise database.foreign()
        if found_at != [(old, database.root)]:
            # another reader was faster, the run is that of another folder, or its records were just removed
            return
        if found[0][2]:
            late += sum(map(len, events.values()))
            events.clear()
        else:
            # an earlier look may have taken it for lost, and it goes on
            database.write("UPDATE runs SET state = ? WHERE id = ? AND state = ?", [(RUNNING, run, LOST)])
        if late:
            text = f"{late} events came after the run was given up: they are late, and not taken"
            _take_problem(database, run, [{"text": text}])
        for kind, taken in events.items():
            if taken:
                _TAKERS[kind](database, run, taken)
        database.write("UPDATE runs SET read_to = ? WHERE id = ?", [(new, run)])


def _is_right(event: object) -> bool:
    """Return whether this is an event as Treadle writes it, of a kind that the ledger takes.

    A line of a newer Treadle, or one that a crash of the machine has damaged, is passed over.
    """
    if not isinstance(event, dict) or event.get("event") not in _TAKERS:
        return False
    try:
        check_shapes(event)
    except TypeError:
        return False
    return all(field in event for field in _REQUIRED.get(event["event"], ()))


_REQUIRED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("action", "verdict", "attempt", "ended"), ("name",)),
    "started": ("name", "attempt", "start"),
}


def _close_lost(database: Database, run: str) -> None:
    """Close a run that ended without its last event, and what it had under way.

    Of a run of another host its lock says nothing here: `reap` closes that.
    """
    with database.transaction():
        found = database.locked_rows("SELECT state, root, host FROM runs WHERE id = ?", (run,))
        for state, root, host in found:
            if state in before(RUN, LOST) and root == database.root and host in ("", os.uname().nodename):
                _close(database, run)


def _take_lost(database: Database, run: str, events: list[Event]) -> None:
    """Close a run that another one has given up for good: `reap` has written that into its stream."""
    for event in events:
        by = f"{_text(event, 'user')} on {_text(event, 'host')}"
        database.write("UPDATE runs SET closed_by = ? WHERE id = ?", [(by, run)])
    _close(database, run)


def _close(database: Database, run: str) -> None:
    ended = outcome_of_end(INTERRUPTED)
    about = (ended.kind, ended.category, LOST_WITH_RUN, run)
    database.write("UPDATE runs SET state = ? WHERE id = ?", [(LOST, run)])
    for table in ("attempts", "actions"):
        started = " AND start IS NOT NULL" if table == "actions" else ""
        database.write(
            f"UPDATE {table} SET outcome = ?, category = ?, failure = ? WHERE run = ? AND outcome = ''{started}",
            [about],
        )


def forget_runs(database: Database, runs: list[str]) -> None:
    """Remove all rows of some runs of this folder."""
    for run in runs:
        with database.transaction():
            found = database.locked_rows("SELECT root FROM runs WHERE id = ?", (run,))
            if found == [(database.root,)]:
                for table in TABLES:
                    database.write(f"DELETE FROM {table} WHERE run = ?", [(run,)])
                database.write("DELETE FROM runs WHERE id = ?", [(run,)])


def _text(event: Event, field: str) -> str:
    return storable(str(event.get(field, "")))


def _whole(event: Event, field: str) -> int | None:
    return int(event[field]) if field in event else None


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _take_run(database: Database, run: str, events: list[Event]) -> None:
    for event in events:
        row = (
            *(_text(event, name) for name in ("began", "workflow", "resumes", "plan")),
            *(_text(event, name) for name in ("host", "user", "commit", "treadle")),
            *(int(event.get(name, 0)) for name in ("pid", "jobs")),
            *(_json(event.get(name, none)) for name, none in (("names", []), ("selection", {}))),
            run,
        )
        database.write(
            "UPDATE runs SET began = ?, workflow = ?, resumes = ?, plan = ?, host = ?, account = ?, checkout = ?,"
            " version = ?, pid = ?, jobs = ?, names = ?, selection = ? WHERE id = ?",
            [row],
        )
        _take_values(database, run, "", 0, event)


def _take_call(database: Database, run: str, events: list[Event]) -> None:
    rows = [(_json(one.get("argv", [])), _json(one.get("params", {})), run) for one in events]
    database.write("UPDATE runs SET argv = ?, params = ? WHERE id = ?", rows)


def _take_plan(database: Database, run: str, events: list[Event]) -> None:
    rows = [(_text(one, "file"), run) for one in events]
    database.write("UPDATE runs SET plan = ? WHERE id = ? AND plan = ''", rows)


def _take_action(database: Database, run: str, events: list[Event]) -> None:
    fields = ("name", "family", "command", "queue")
    database.write(
        "INSERT INTO actions (run, name, family, command, queue) VALUES (?, ?, ?, ?, ?) ON CONFLICT (run, name)"
        " DO UPDATE SET family = excluded.family, command = excluded.command, queue = excluded.queue",
        [(run, *(_text(one, field) for field in fields)) for one in events],
    )


def _take_verdict(database: Database, run: str, events: list[Event]) -> None:
    database.write(
        "INSERT INTO actions (run, name, verdict) VALUES (?, ?, ?)"
        " ON CONFLICT (run, name) DO UPDATE SET verdict = excluded.verdict",
        [(run, _text(one, "name"), _text(one, "verdict")) for one in events],
    )
    fields = ("kind", "element", "old", "new", "text")
    database.write(
        "INSERT INTO reasons (run, name, number, kind, element, old, new, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (run, name, number) DO NOTHING",
        [
            (run, _text(one, "name"), number, *(_text(why, field) for field in fields))
            for one in events
            for number, why in enumerate(one.get("reasons", ()))
        ],
    )


def _take_started(database: Database, run: str, events: list[Event]) -> None:
    database.write(
        "INSERT INTO attempts (run, name, number, slot, start) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (run, name, number) DO NOTHING",
        [
            (run, _text(one, "name"), int(one["attempt"]), _whole(one, "slot"), float(one["start"]))
            for one in events
        ],
    )
    database.write(
        "INSERT INTO actions (run, name, start) VALUES (?, ?, ?)"
        " ON CONFLICT (run, name) DO UPDATE SET start = coalesce(actions.start, excluded.start)",
        [(run, _text(one, "name"), float(one["start"])) for one in events],
    )


def _take_attempt(database: Database, run: str, events: list[Event]) -> None:
    """Take ends of attempts: those that another one follows, and the last ones."""
    rows = []
    for one in events:
        number = int(one.get("attempt", one.get("attempts", 0)))
        usage = one.get("usage", {})
        cpu = float(usage["user"] + usage["system"]) if {"user", "system"} <= usage.keys() else None
        details = {key: one[key] for key in _DETAILS if key in one}
        start = float(one["start"]) if "start" in one else None
        ended = (start, float(one.get("duration", 0.0)), _text(one, "outcome"), _text(one, "category"))
        rows.append(
            (
                *(run, _text(one, "name"), number, *ended, _text(one, "failure"), _whole(one, "exit_code")),
                *(_memory(usage), cpu, _json(details)),
            )
        )
        _take_values(database, run, _text(one, "name"), number, one)
    database.write(
        "INSERT INTO attempts (run, name, number, start, duration, outcome, category, failure, exit_code,"
        " memory, cpu, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, name, number)"
        " DO UPDATE SET duration = excluded.duration, outcome = excluded.outcome, category = excluded.category,"
        " failure = excluded.failure, exit_code = excluded.exit_code, memory = excluded.memory,"
        " cpu = excluded.cpu, details = excluded.details",
        rows,
    )


def _memory(usage: Mapping[str, float]) -> float | None:
    """Return the most memory that is known of an attempt: of all its processes, else of its largest one."""
    return next(
        (float(usage[name]) for name in ("tree_peak", "sampled_peak", "largest_process") if name in usage), None
    )


_DETAILS = ("usage", "resources", "queued", "host", "artifacts", "delay", "log", "last_line", "reason")
"""What else is kept of an attempt, as JSON."""


def _take_ended(database: Database, run: str, events: list[Event]) -> None:
    _take_attempt(database, run, [one for one in events if "start" in one])
    fields = ("status", "outcome", "category", "reason", "failure", "log")
    database.write(
        "INSERT INTO actions (run, name, status, outcome, category, reason, failure, log, attempts, duration,"
        " exit_code) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, name) DO UPDATE SET"
        " status = excluded.status, outcome = excluded.outcome, category = excluded.category,"
        " reason = excluded.reason, failure = excluded.failure, log = excluded.log,"
        " attempts = excluded.attempts, duration = excluded.duration, exit_code = excluded.exit_code",
        [
            (
                *(run, _text(one, "name"), *(_text(one, field) for field in fields)),
                *(int(one.get("attempts", 0)), float(one.get("duration", 0.0)), _whole(one, "exit_code")),
            )
            for one in events
        ],
    )


def _take_problem(database: Database, run: str, events: list[Event]) -> None:
    ((before,),) = database.rows("SELECT problems FROM runs WHERE id = ?", (run,))
    problems = [*json.loads(before), *(_text(one, "text") for one in events)]
    database.write("UPDATE runs SET problems = ? WHERE id = ?", [(_json(problems), run)])


def _take_summary(database: Database, run: str, events: list[Event]) -> None:
    for event in events:
        ((problems,),) = database.rows("SELECT problems FROM runs WHERE id = ?", (run,))
        code = int(event.get("exit_code", 0))
        has_problems = problems != "[]"
        state = end_of_run(code, is_interrupted=bool(event.get("interrupted")), has_problems=has_problems)
        ((before_it,),) = database.rows("SELECT state FROM runs WHERE id = ?", (run,))
        if state not in RUN.get(before_it, ()):
            # it has ended already
            continue
        row = (state, float(event.get("duration", 0.0)), code, _json(event.get("counts", {})), run)
        database.write("UPDATE runs SET state = ?, duration = ?, exit_code = ?, counts = ? WHERE id = ?", [row])


def _take_values(database: Database, run: str, name: str, attempt: int, event: Event) -> None:
    """Take what a run or an attempt says of its work."""
    for table, field in (("measurements", "measurement"), ("attributes", "attribute")):
        rows: list[Row] = [
            (run, name, attempt, storable(one), float(value) if table == "measurements" else storable(value))
            for one, value in event.get(table, {}).items()
        ]
        if rows:
            database.write(
                f"INSERT INTO {table} (run, name, attempt, {field}, value) VALUES (?, ?, ?, ?, ?)"
                f" ON CONFLICT (run, name, attempt, {field}) DO UPDATE SET value = excluded.value",
                rows,
            )


_TAKERS: Mapping[str, Callable[[Database, str, list[Event]], None]] = {
    "run": _take_run,
    "call": _take_call,
    "plan": _take_plan,
    "action": _take_action,
    "verdict": _take_verdict,
    "started": _take_started,
    "attempt": _take_attempt,
    "ended": _take_ended,
    "problem": _take_problem,
    "summary": _take_summary,
    "lost": _take_lost,
}
"""Kind of event -> what takes all of a batch: in an order in which a later kind may rely on the earlier ones."""
