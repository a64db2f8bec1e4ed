"""`show`: one recorded run, also one that is under way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from treadle.cli.recorded import STYLES, counts_of, ledger_of, run_data, table, when
from treadle.core import wording
from treadle.core.outcomes import FAIL, told
from treadle.core.similar import grouped
from treadle.core.text import safe, shell_join
from treadle.errors import UsageError, listed
from treadle.ledger.ledger import run_named
from treadle.ledger.queries import actions_of, attempts, run_of
from treadle.ledger.run_record import moment
from treadle.ledger.states import RUNNING
from treadle.ui.console import FORMAT
from treadle.ui.durations import duration
from treadle.ui.text import columns, line

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    if options.json:
        of: dict[str, list[AttemptRow]] = {}
        for each in tries:
            of.setdefault(each.name, []).append(each)
        data = {
            "format": FORMAT,
            **run_data(run),
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
    call.console.say(_head(call, run))
    call.console.say(_running(run, actions, call.console.room))
    call.console.say(_failures(actions, call.console.room))
    call.console.say(_slowest(actions, call.console.room))
    return 0


def _head(call: Call, run: RunRow) -> list[Line]:
    rows = [
        ("plan", run.plan),
        ("asked for", shell_join(run.names) or "the default"),
        ("began", when(run.began)),
        ("took", duration(run.duration) if run.exit_code is not None else ""),
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


def _running(run: RunRow, actions: Sequence[ActionRow], room: int) -> list[Line]:
    """Return what runs now, and since when."""
    if run.state != RUNNING:
        return []
    began = moment(run.began) or datetime.now(UTC)
    now = (datetime.now(UTC) - began).total_seconds()
    going = [one for one in actions if one.start is not None and not one.outcome]
    rows = [(one.name, duration(now - (one.start or 0.0))) for one in going]
    said = [line("running:")] if rows else []
    return [*said, *table(rows, "  ", room=room, right=(1,))]


def _failures(actions: Sequence[ActionRow], room: int) -> list[Line]:
    failed = [(one.name, told(one.outcome, one.failure or one.reason)) for one in actions if one.category == FAIL]
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
