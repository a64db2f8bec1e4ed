"""What is asked of the ledger: runs, one run, attempts, what differs between two runs, figures over many."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any, TypeVar

from treadle.errors import UsageError
from treadle.events.schema import are_numbers, are_texts, are_values, is_number

if TYPE_CHECKING:
    from .database import Database, Row


Words = str | list[str]


@dataclass(slots=True)
class RunRow:
    """A recorded run.

    :ivar counts: status -> number of actions
    :ivar selection: what its call said besides names and parameters of what it runs, as the event `run` has it
    :ivar root: in a ledger of several folders the one that the run is of, as `HOST:PATH`; else ""
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
    root: str
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
    " version, exit_code, counts, problems, selection, root"
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
    for (is_text, fits), value in zip(_columns(row), values, strict=False):
        try:
            found = json.loads(value) if is_text else value
        except (TypeError, ValueError, RecursionError):
            raise database.foreign(values[0]) from None
        if not fits(found):
            raise database.foreign(values[0])
        made.append(found)
    return row(*made)


_COLUMNS: dict[str, list[tuple[bool, Callable[[Any], bool]]]] = {}


def _columns(row: type[_Row]) -> list[tuple[bool, Callable[[Any], bool]]]:
    """Return for each field whether it is JSON in the database, and the check of its value."""
    if row.__name__ not in _COLUMNS:
        kinds = [str(one.type) for one in fields(row) if one.name != "attributes"]
        _COLUMNS[row.__name__] = [(kind.startswith(("list", "Mapping")), _FITS[kind]) for kind in kinds]
    return _COLUMNS[row.__name__]


def _limit(most: int) -> str:
    return f" LIMIT {min(most, 1 << 62)}" if most else ""


def runs(database: Database, wanted: RunFilter) -> list[RunRow]:
    """Return runs, the newest first."""
    # one that is named may be of any folder
    fits, values = ("id = ?", list[object]([wanted.run])) if wanted.run else database.ours("runs.id")
    where = [fits]
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
    """Return a run.

    :raises UsageError: its records were removed since it was looked up
    """
    for found in runs(database, RunFilter(run=run)):
        return found
    raise UsageError(f"the records of the run {run} have just been removed", hint="`treadle runs` lists the others")


def actions_of(database: Database, run: str) -> list[ActionRow]:
    """Return what the record of a run says of its actions, in the order of their start."""
    found = database.rows(
        f"SELECT {_ACTION} FROM actions WHERE run = ? ORDER BY coalesce(start, 1e18), name", (run,)
    )
    return [_made(database, ActionRow, one) for one in found]


def attempts(
    database: Database,
    names: Sequence[str] = (),
    *,
    run: str = "",
    since: str = "",
    failed: bool = False,
    most: int = 0,
) -> list[AttemptRow]:
    """Return attempts of actions, the last ones last.

    :param names: patterns of names or families; all without any
    :param run: of this run alone
    :param since: of runs that began not before this time
    :param most: the last so many
    """
    where, values = _which_attempts(database, names, run, since)
    if failed:
        where += " AND t.category = 'FAIL'"
    columns = ", ".join(f"t.{name}" for name in _ATTEMPT.split(", "))
    limit = _limit(most)
    found = database.rows(
        f"SELECT {columns} FROM attempts t WHERE {where}"
        f" ORDER BY t.run DESC, t.start DESC NULLS LAST, t.name DESC, t.number DESC{limit}",
        values,
    )
    return [_made(database, AttemptRow, one) for one in reversed(found)]


def _which_attempts(database: Database, names: Sequence[str], run: str, since: str) -> tuple[str, list[object]]:
    """Return a condition on attempts `t`, and its values."""
    fits, values = ("t.run = ?", list[object]([run])) if run else database.ours("t.run")
    where = [fits]
    if since:
        where.append("EXISTS (SELECT 1 FROM runs r WHERE r.id = t.run AND r.began >= ?)")
        values.append(since)
    if names:
        tests = []
        inside, ours = ("run = ?", list[object]([run])) if run else database.ours("run")
        for name in names:
            for column in ("name", "family"):
                test, value = _like(column, name)
                # each has an index of its own, which an OR would not use
                tests.append(f"SELECT name FROM actions WHERE {test} AND {inside}")
                values += (value, *ours)
        where.append(f"t.name IN ({' UNION '.join(tests)})")
    return " AND ".join(where), values


def has_started(database: Database, name: str) -> bool:
    """Return whether a recorded run has started an action of a name, a family, or a pattern of them."""
    test, value = _like("name", name)
    other, _ = _like("family", name)
    fits, values = database.ours("run")
    # two looks, as each has an index of its own
    statements = (f"SELECT 1 FROM actions WHERE {one} AND {fits} LIMIT 1" for one in (test, other))
    return any(database.rows(statement, (value, *values)) for statement in statements)


def names_started(database: Database) -> list[str]:
    """Return the names of all actions that recorded runs have started, and of their families."""
    fits, values = database.ours("run")
    rows = database.rows(
        f"SELECT DISTINCT name FROM actions WHERE {fits} UNION SELECT DISTINCT family FROM actions WHERE {fits}",
        values * 2,
    )
    return sorted(str(name) for (name,) in rows if name)


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


def call_differences(old: RunRow, new: RunRow) -> list[tuple[str, str, str]]:
    """Return what two runs were called with that differs: what it is, and both values, "" for none."""
    pairs = [
        ("plan", old.plan, new.plan),
        ("names", " ".join(old.names), " ".join(new.names)),
        *(
            (f"{kind}{name}", _said(before.get(name, "")), _said(after.get(name, "")))
            for kind, before, after in (
                ("parameter ", old.params, new.params),
                ("", old.selection, new.selection),
                ("attribute ", old.attributes, new.attributes),
            )
            for name in sorted(before.keys() | after.keys())
        ),
        ("commit", old.commit, new.commit),
        ("host", old.host, new.host),
        ("Treadle", old.version, new.version),
    ]
    return [one for one in pairs if one[1] != one[2]]


def _said(value: Words) -> str:
    return value if isinstance(value, str) else ", ".join(value)


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
class Spread:
    """Numbers of one kind, over many attempts."""

    mean: float
    median: float
    p95: float
    most: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread | None:
        """Return the spread of numbers, None without any."""
        if not numbers:
            return None
        ordered = sorted(numbers)
        middle, high = (percentile(ordered, share) for share in (0.5, 0.95))
        return cls(mean(ordered), middle, high, ordered[-1])


@dataclass(slots=True)
class Figures:
    """Figures over the attempts of an action or a family.

    :ivar name: the action or family
    :ivar outcomes: kind of outcome -> attempts that ended so
    :ivar time: seconds of those that passed; where none has, of all
    :ivar mean_error: with 95 % confidence the true mean time is no further from `time.mean`; None if nothing says
    :ivar memory: bytes of the most memory that each took; None if it is known of none
    :ivar cpus: CPUs that each kept busy, of those that took a second or more; None if it is known of none
    """

    name: str
    attempts: int
    passed: int
    failed: int
    outcomes: Mapping[str, int]
    time: Spread
    mean_error: float | None
    memory: Spread | None
    cpus: Spread | None


def figures(
    database: Database, names: Sequence[str] = (), *, by_family: bool = True, run: str = "", since: str = ""
) -> list[Figures]:
    """Return figures for each family, or for each action, in the order of their names.

    :param names: patterns of names or families; all without any
    :param run: over this run alone
    :param since: over runs that began not before this time
    """
    where, values = _which_attempts(database, names, run, since)
    families: dict[object, object] = {}
    if by_family:
        ours, of_ours = database.ours("run")
        known = f"SELECT DISTINCT name, family FROM actions WHERE family <> '' AND {ours}"
        families = dict(database.rows(known, of_ours))
    by_name: dict[object, list[Row]] = {}
    for row in database.rows(
        "SELECT t.name, t.duration, t.category, t.outcome, t.memory, t.cpu FROM attempts t"
        f" WHERE t.duration IS NOT NULL AND {where}",
        values,
    ):
        try:
            by_name[row[0]].append(row)
        except KeyError:
            by_name[row[0]] = [row]
    groups: dict[str, list[Row]] = {}
    for name, rows in by_name.items():
        groups.setdefault(str(families.get(name, name)), []).extend(rows)
    return [_figures(database, name, rows) for name, rows in sorted(groups.items())]


def _are_right(column: Sequence[Any]) -> bool:
    """Return whether all values of a column are numbers within bounds, asked of the whole: they are very many."""
    if not column:
        return True
    # a number that is none hides from the least and the largest, and not from the mean
    ends = (min, max, mean)
    return {*map(type, column)} <= {int, float} and all(is_number(end(column)) for end in ends)


def mean(numbers: Sequence[float]) -> float:
    """Return the mean of one or more numbers."""
    return sum(numbers) / len(numbers)


_LASTING = 1.0
"""Seconds from which on the CPUs that an attempt keeps busy are reported."""


def _figures(database: Database, name: str, rows: Sequence[Row]) -> Figures:
    seconds, categories, kinds = ([row[at] for row in rows] for at in (1, 2, 3))
    memory, cpu = ([row[at] for row in rows if row[at] is not None] for at in (4, 5))
    if {*map(type, kinds)} != {str} or not all(map(_are_right, (seconds, memory, cpu))):
        raise database.foreign()
    outcomes = {kind: kinds.count(kind) for kind in sorted({*kinds})}
    passed = [row[1] for row in rows if row[2] == "PASS"]
    # how long a failure took says little; where nothing has passed there is nothing else
    ran = passed
    if "restored" in outcomes:
        ran = [row[1] for row in rows if row[2] == "PASS" and row[3] != "restored"]
    # sorted, so that in each database it is the same to the last bit
    times = sorted(ran or passed or seconds)
    time = Spread.of(times)
    assert time is not None
    return Figures(
        name,
        len(rows),
        len(passed),
        categories.count("FAIL"),
        outcomes,
        time,
        mean_error(times),
        Spread.of(memory),
        Spread.of([row[5] / row[1] for row in rows if row[5] is not None and row[1] >= _LASTING]),
    )


_T95 = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131)
"""Student's t for 95 % on both sides, with 1, 2, ... degrees of freedom."""


def mean_error(numbers: Sequence[float]) -> float | None:
    """Return half the width of the interval that holds the true mean with 95 % confidence, None for one number."""
    freedom = len(numbers) - 1
    if freedom < 1:
        return None
    middle = mean(numbers)
    variance = sum([(one - middle) ** 2 for one in numbers]) / freedom
    # beyond the table it is about this
    factor = _T95[freedom - 1] if freedom <= len(_T95) else 1.96 + 2.6 / freedom
    return float(factor * sqrt(variance / len(numbers)))


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
        " WHERE a.attempts > 0 AND a.outcome <> '' AND r.root = ? AND r.plan = ?"
        " AND r.began < ?) AS past WHERE place <= ? ORDER BY name, place DESC",
        (database.root, plan, before, most),
    ):
        if not is_number(seconds):
            raise database.foreign()
        found.setdefault(str(name), []).append((str(began), float(seconds), str(kind)))
    return found
