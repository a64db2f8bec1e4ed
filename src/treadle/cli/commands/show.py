"""`show`: one recorded run, also one that is under way."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from treadle.cli.living import is_told, living_lines, living_rows
from treadle.cli.recorded import STYLES, counts_of, ledger_of, run_data, state_of, table, when
from treadle.control.client import ask
from treadle.control.requests import STATE, request_of
from treadle.core import wording
from treadle.core.outcomes import FAIL, told
from treadle.core.similar import grouped
from treadle.core.text import safe, shell_join
from treadle.errors import TreadleError, UsageError, listed
from treadle.ledger.ledger import run_named
from treadle.ledger.moments import moment
from treadle.ledger.queries import actions_of, attempts, histories, percentile, run_of
from treadle.ledger.run_files import events_of
from treadle.ledger.states import RUNNING
from treadle.report.html import MOST_PAST
from treadle.ui.console import FORMAT
from treadle.ui.durations import duration
from treadle.ui.text import columns, line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from treadle.ledger.database import Database
    from treadle.ledger.queries import ActionRow, AttemptRow, RunRow
    from treadle.session.call import Call
    from treadle.ui.text import Line, Piece

SLOWEST = 5
"""So many of the longest actions are shown."""


def show_command(call: Call) -> int:
    """Show a run: what it was, how its actions ended, what failed, what took long."""
    options = call.options
    if len(options.names) > 1:
        raise UsageError("`treadle show` takes one run", hint="`treadle runs` lists them")
    with ledger_of(call) as ledger:
        run = run_of(ledger, run_named(ledger, options.names[0] if options.names else "last"))
        actions = actions_of(ledger, run.id)
        tries = attempts(ledger, run=run.id)
        now = None
        if run.state == RUNNING:
            now = _answer(call, run) or _by_events(ledger, run, actions)
    if options.json:
        of: dict[str, list[AttemptRow]] = {}
        for each in tries:
            of.setdefault(each.name, []).append(each)
        data = {
            "format": FORMAT,
            **run_data(run),
            "now": now,
            "actions": [
                {
                    **{name: getattr(one, name) for name in one.__slots__ if name != "run"},
                    "attempts": [
                        {name: getattr(each, name) for name in each.__slots__ if name not in ("run", "name")}
                        for each in of.get(one.name, ())
                    ],
                }
                for one in actions
            ],
        }
        call.console.say_data(data)
        return 0
    call.console.say(_head(call, run, now or {}))
    if now is not None:
        call.console.say(living_lines(now, call.console.room))
    call.console.say(_failures(actions, tries, call.console.room))
    call.console.say(_slowest(actions, call.console.room))
    return 0


def _head(call: Call, run: RunRow, now: Mapping[str, Any]) -> list[Line]:
    rows = [
        ("plan", run.plan),
        ("asked for", shell_join(run.names) or "the default"),
        ("workflow", run.workflow),
        ("resumes", run.resumes),
        ("began", when(run.began)),
        ("took", duration(run.duration) if run.exit_code is not None else ""),
        ("so far", duration(now["took"]) if now else ""),
        *living_rows(now),
        ("exit code", "" if run.exit_code is None else str(run.exit_code)),
        ("actions", counts_of(run)),
        ("on", f"{run.host}, as {run.user}, process {run.pid}" if run.user else run.host),
        ("checkout", run.commit),
        *sorted(run.attributes.items()),
        *(("problem", text) for text in run.problems),
    ]
    head = line((safe(run.id), "name"), " ", (safe(run.state), STYLES.get(run.state, "")))
    said = columns([(safe(name), safe(text)) for name, text in rows if text], room=call.console.room)
    return [head, *(line(one) for one in said)]


PATIENCE = 5.0
"""Seconds that a run may take to say what it does."""


def _answer(call: Call, run: RunRow) -> dict[str, Any] | None:
    """Return what a run says of itself; None if it does not listen, or is of another folder."""
    if run.root:
        return None
    folder = os.path.dirname(events_of(state_of(call), run.id))
    try:
        answer = ask(folder, request_of({"verb": STATE}).as_data(), PATIENCE)
    except TreadleError:
        return None
    said = answer.get("state")
    return said if answer["ok"] and isinstance(said, dict) and is_told(said) else None


def _by_events(ledger: Database, run: RunRow, actions: Sequence[ActionRow]) -> dict[str, Any]:
    """Return what is known of a run that does not answer, as one of less than two seconds or of another host."""
    began = moment(run.began) or datetime.now(UTC)
    took = max(0.0, (datetime.now(UTC) - began).total_seconds())
    going = [one for one in actions if one.start is not None and not one.outcome]
    expected = {name: _expected(rows) for name, rows in histories(ledger, run.plan, run.began, MOST_PAST).items()}
    running: list[dict[str, Any]] = []
    for one in going:
        running.append({"name": one.name, "seconds": round(max(0.0, took - (one.start or 0.0)), 3)})
        if expected.get(one.name) is not None:
            running[-1]["expected"] = expected[one.name]
    return {"took": round(took, 3), "running": running}


def _expected(rows: Sequence[tuple[str, float, str]]) -> float | None:
    """Return how long an action takes, by the runs in which it passed."""
    passed = sorted(seconds for _, seconds, kind in rows if kind == "success")
    return percentile(passed, 0.5) if passed else None


def _failures(actions: Sequence[ActionRow], tries: Sequence[AttemptRow], room: int) -> list[Line]:
    # of several attempts the last one counts
    lines = {one.name: one.details.get("last_line") for one in tries}
    failed = []
    for one in actions:
        if one.category == FAIL:
            said, last = told(one.outcome, one.failure or one.reason), lines.get(one.name)
            failed.append((one.name, f"{said}: {last}" if last else said))
    rows: list[tuple[Piece, str]] = []
    for text, names in grouped(failed):
        count = f" ({wording.count(len(names), 'action')})" if len(names) > 1 else ""
        rows.append((("failed:", "bad"), f"{listed(names)}{count}: {text}"))
    return table(rows, room=room, gap=1)


def _slowest(actions: Sequence[ActionRow], room: int) -> list[Line]:
    ran = sorted((one for one in actions if one.attempts), key=lambda one: -one.duration)[:SLOWEST]
    rows = [(duration(one.duration), safe(one.name), _tries(one)) for one in ran]
    return [line("longest:"), *table(rows, "  ", room=room, right=(0,))] if rows else []


def _tries(action: ActionRow) -> str:
    return "" if action.attempts == 1 else f"the last of {wording.count(action.attempts, 'attempt')}"
