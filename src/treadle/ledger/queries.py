"""What is asked of the ledger: runs, one run, attempts, what differs between two runs, figures over many."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

from treadle.events.schema import are_numbers, are_texts, are_values, is_number

if TYPE_CHECKING:
    from .database import Database, Row


Words = str | list[str]


@dataclass(slots=True)
class RunRow:
    """A recorded run.

    :ivar counts: status -> number of actions
    :ivar selection: what its call said beside names and parameters of what it runs, as the event `run` has it
    """

    id: str
    state: str
    began: str
    duration: float
    workflow: str
    resumes: str
    plan: str
    names: list[str]
    argv: list[str]
    params: Mapping[str, Words]
    host: str
    user: str
    pid: int
    jobs: int
    commit: str
    version: str
    exit_code: int | None
    counts: Mapping[str, int]
    problems: list[str]
    selection: Mapping[str, Words]
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class AttemptRow:
    """An attempt of an action in a recorded run."""

    run: str
    name: str
    number: int
    start: float | None
    duration: float | None
    outcome: str
    category: str
    failure: str
    exit_code: int | None
    memory: float | None
    cpu: float | None
    details: Mapping[str, Any]


@dataclass(slots=True)
class ActionRow:
    """How an action ended in a recorded run."""

    run: str
    name: str
    family: str
    verdict: str
    status: str
    outcome: str
    category: str
    reason: str
    failure: str
    attempts: int
    start: float | None
    duration: float
    exit_code: int | None


_Row = TypeVar("_Row", RunRow, AttemptRow, ActionRow)
_RUN = (
    "id, state, began, duration, workflow, resumes, plan, names, argv, params, host, account, pid, jobs, checkout,"
    " version, exit_code, counts, problems, selection"
)
_ACTION = (
    "run, name, family, verdict, status, outcome, category, reason, failure, attempts, start, duration, exit_code"
)
_ATTEMPT = "run, name, number, start, duration, outcome, category, failure, exit_code, memory, cpu, details"


@dataclass(slots=True)
class RunFilter:
    """Which runs are asked for: all that fit each of these.

    :ivar states: one of these
    :ivar since: a time as in `RunRow.began`: not before it
    :ivar attributes: with these
    :ivar name: a pattern with `*` and `?`: an action of it, or its family, has this name
    :ivar most: so many, the last ones
    :ivar run: this one alone
    """

    states: Sequence[str] = ()
    since: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    most: int = 0
    run: str = ""


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    **dict.fromkeys(("int", "float"), is_number),
    **dict.fromkeys(("int | None", "float | None"), lambda value: value is None or is_number(value)),
    "list[str]": are_texts,
    "Mapping[str, Any]": lambda value: isinstance(value, dict),
    "Mapping[str, Words]": are_values,
    "Mapping[str, int]": are_numbers,
}
"""Type of a field, as it is annotated -> whether a value of the database is one."""


def _made(database: Database, row: type[_Row], values: Row) -> _Row:
    """Return a row of the database as what it is here.

    :raises LedgerError: its values are not as Treadle writes them: whatever wrote it was not Treadle
    """
    made: list[Any] = []
    for one, value in zip(fields(row), values, strict=False):
        kind = str(one.type)
        try:
            found = json.loads(value) if kind.startswith(("list", "Mapping")) else value
        except (TypeError, ValueError, RecursionError):
            raise database.foreign() from None
        if not _FITS[kind](found):
            raise database.foreign()
        made.append(found)
    return row(*made)


def _limit(most: int) -> str:
    return f" LIMIT {min(most, 1 << 62)}" if most else ""


def runs(database: Database, wanted: RunFilter) -> list[RunRow]:
    """Return runs, the newest first."""
    where, values = ["1 = 1"], list[object]()
    if wanted.run:
        where.append("id = ?")
        values.append(wanted.run)
    if wanted.states:
        where.append(f"state IN ({', '.join('?' * len(wanted.states))})")
        values += wanted.states
    if wanted.since:
        where.append("began >= ?")
        values.append(wanted.since)
    for name, value in wanted.attributes.items():
        where.append(
            "EXISTS (SELECT 1 FROM attributes a WHERE a.run = runs.id AND a.name = ''"
            " AND a.attribute = ? AND a.value = ?)"
        )
        values += (name, value)
    if wanted.name:
        test, value = _like("a.name", wanted.name)
        other, _ = _like("a.family", wanted.name)
        where.append(f"EXISTS (SELECT 1 FROM actions a WHERE a.run = runs.id AND ({test} OR {other}))")
        values += (value, value)
    limit = _limit(wanted.most)
    found = database.rows(f"SELECT {_RUN} FROM runs WHERE {' AND '.join(where)} ORDER BY id DESC{limit}", values)
    rows = [_made(database, RunRow, one) for one in found]
    by_id = {row.id: row for row in rows}
    if rows:
        said = database.rows(
            "SELECT run, attribute, value FROM attributes WHERE name = '' AND run BETWEEN ? AND ?",
            (rows[-1].id, rows[0].id),
        )
        for run, name, text in said:
            if run in by_id:
                by_id[run].attributes = {**by_id[run].attributes, name: text}
    return rows


def _like(column: str, pattern: str) -> tuple[str, str]:
    """Return a condition that a pattern fits, and its value; `*` and `?` are the wildcards."""
    if not {*pattern} & {*"*?"}:
        return f"{column} = ?", pattern
    text = re.sub(r"([%_\\])", r"\\\1", pattern).replace("*", "%").replace("?", "_")
    return f"{column} LIKE ? ESCAPE '\\'", text


def run_of(database: Database, run: str) -> RunRow:
    """Return a run that is there."""
    (found,) = runs(database, RunFilter(run=run))
    return found


def actions_of(database: Database, run: str) -> list[ActionRow]:
    """Return what the record of a run says of its actions, in the order of their start."""
    found = database.rows(
        f"SELECT {_ACTION} FROM actions WHERE run = ? ORDER BY coalesce(start, 1e18), name", (run,)
    )
    return [_made(database, ActionRow, one) for one in found]


def attempts(
    database: Database, names: Sequence[str] = (), *, run: str = "", failed: bool = False, most: int = 0
) -> list[AttemptRow]:
    """Return attempts of actions, the last ones last.

    :param names: patterns of names or families; all without any
    :param most: the last so many
    """
    where, values = ["1 = 1"], list[object]()
    if run:
        where.append("t.run = ?")
        values.append(run)
    if failed:
        where.append("t.category = 'FAIL'")
    if names:
        tests = []
        for name in names:
            for column in ("t.name", "a.family"):
                test, value = _like(column, name)
                tests.append(test)
                values.append(value)
        where.append(f"({' OR '.join(tests)})")
    columns = ", ".join(f"t.{name}" for name in _ATTEMPT.split(", "))
    limit = _limit(most)
    found = database.rows(
        f"SELECT {columns} FROM attempts t JOIN actions a ON a.run = t.run AND a.name = t.name"
        f" WHERE {' AND '.join(where)} ORDER BY t.run DESC, t.start DESC, t.name DESC, t.number DESC{limit}",
        values,
    )
    return [_made(database, AttemptRow, one) for one in reversed(found)]


@dataclass(slots=True)
class Difference:
    """An action that two runs have treated differently.

    :ivar old: how the first run has treated it: its outcome, "" if it did not take part
    :ivar reasons: why the second has run it: kind, element, old and new value, text
    """

    name: str
    old: str
    new: str
    reasons: list[Mapping[str, str]]


def differences(database: Database, old: str, new: str) -> list[Difference]:
    """Return the actions whose outcome differs, or that ran for other reasons."""
    before = {one.name: one for one in actions_of(database, old)}
    after = {one.name: one for one in actions_of(database, new)}
    why_before, why_after = reasons_of(database, old), reasons_of(database, new)
    found = []
    for name in sorted(before.keys() | after.keys()):
        was, is_now = before.get(name), after.get(name)
        why = why_after.get(name, [])
        words = [one.outcome if one is not None else "" for one in (was, is_now)]
        if words[0] != words[1] or why != why_before.get(name, []):
            found.append(Difference(name, words[0], words[1], why))
    return found


def reasons_of(database: Database, run: str) -> dict[str, list[Mapping[str, str]]]:
    """Return action -> why it ran in a run."""
    columns = ("kind", "element", "old", "new", "text")
    found: dict[str, list[Mapping[str, str]]] = {}
    for name, *values in database.rows(
        f"SELECT name, {', '.join(columns)} FROM reasons WHERE run = ? ORDER BY name, number", (run,)
    ):
        found.setdefault(str(name), []).append(dict(zip(columns, map(str, values), strict=True)))
    return found


@dataclass(slots=True)
class Figures:
    """Figures over the attempts of an action or a family; times in seconds, memory in bytes.

    :ivar name: the action or family
    """

    name: str
    attempts: int
    passed: int
    failed: int
    mean: float
    median: float
    p95: float
    longest: float
    memory_mean: float | None
    memory_p95: float | None
    memory_most: float | None


def figures(database: Database, names: Sequence[str] = (), *, by_family: bool = True) -> list[Figures]:
    """Return figures for each family, or for each action."""
    families: dict[str, str] = (
        dict(database.rows("SELECT name, family FROM actions WHERE family <> ''")) if by_family else {}
    )
    groups: dict[str, list[AttemptRow]] = {}
    for one in attempts(database, names):
        if one.duration is not None:
            groups.setdefault(families.get(one.name, one.name), []).append(one)
    return [_figures(name, rows) for name, rows in groups.items()]


def _figures(name: str, rows: Sequence[AttemptRow]) -> Figures:
    passed = [one for one in rows if one.category == "PASS"]
    # how long a failure took says little; where nothing has passed there is nothing else
    times = sorted(one.duration or 0.0 for one in passed or rows)
    memory = sorted(one.memory for one in rows if one.memory is not None)
    return Figures(
        name,
        len(rows),
        len(passed),
        sum(one.category == "FAIL" for one in rows),
        sum(times) / len(times),
        percentile(times, 0.5),
        percentile(times, 0.95),
        times[-1],
        sum(memory) / len(memory) if memory else None,
        percentile(memory, 0.95) if memory else None,
        memory[-1] if memory else None,
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least a share of all values does not exceed.

    :param ordered: one or more, ascending
    """
    return ordered[max(0, ceil(len(ordered) * share) - 1)]


def histories(database: Database, plan: str, before: str, most: int) -> dict[str, list[tuple[str, float, str]]]:
    """Return action -> its last runs before a time, the last one last.

    :param plan: only of runs of this plan
    :param before: only of runs that began before it, in UTC as they are recorded
    :param most: so many of each action
    :return: when the run began, the seconds of the last attempt, and its kind of outcome
    """
    found: dict[str, list[tuple[str, float, str]]] = {}
    for name, began, seconds, kind in database.rows(
        "SELECT name, began, duration, outcome FROM (SELECT a.name AS name, r.began AS began,"
        " a.duration AS duration, a.outcome AS outcome,"
        " row_number() OVER (PARTITION BY a.name ORDER BY a.run DESC) AS place"
        " FROM actions a JOIN runs r ON r.id = a.run"
        " WHERE a.attempts > 0 AND a.outcome <> '' AND r.plan = ? AND r.began < ?) AS past"
        " WHERE place <= ? ORDER BY name, place DESC",
        (plan, before, most),
    ):
        if not is_number(seconds):
            raise database.foreign()
        found.setdefault(str(name), []).append((str(began), float(seconds), str(kind)))
    return found
