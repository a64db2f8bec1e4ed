"""`attempts`: how often actions were tried in recorded runs, and how that went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.cli.recorded import ledger_of, refuse_unknown, table
from treadle.core.outcomes import FAIL, PASS, told
from treadle.core.text import safe, size_text
from treadle.ledger.ledger import run_named
from treadle.ledger.queries import attempts
from treadle.ui.console import FORMAT
from treadle.ui.durations import duration
from treadle.ui.text import line

if TYPE_CHECKING:
    from treadle.ledger.queries import AttemptRow
    from treadle.session.call import Call

SHOWN = 20


def attempts_command(call: Call) -> int:
    """List attempts of actions, the last one last."""
    options = call.options
    most = options.last if options.last is not None else 0 if options.json else SHOWN
    with ledger_of(call) as ledger:
        refuse_unknown(ledger, options.names)
        run = run_named(ledger, options.of_run) if options.of_run else ""
        found = attempts(ledger, options.names, run=run, since=options.since_time, failed=options.failed, most=most)
    if options.json:
        rows = [{name: getattr(one, name) for name in one.__slots__} for one in found]
        call.console.say_data({"format": FORMAT, "attempts": rows})
        return 0
    if not found:
        is_narrowed = options.names or options.failed or run or options.since_time
        call.console.say([line("no recorded attempt fits" if is_narrowed else "no attempt is recorded")])
        return 0
    call.console.say(
        table(
            [
                (
                    (one.run, "name"),
                    safe(f"{one.name} #{one.number}" if one.number > 1 else one.name),
                    duration(one.duration) if one.duration is not None else "",
                    size_text(int(one.memory)) if one.memory is not None else "",
                    (safe(_ended(one)), {PASS: "good", FAIL: "bad"}.get(one.category, "")),
                )
                for one in found
            ],
            room=call.console.room,
            right=(2, 3),
        )
    )
    return 0


def _ended(attempt: AttemptRow) -> str:
    if not attempt.outcome:
        return "running"
    said, last = told(attempt.outcome, attempt.failure), attempt.details.get("last_line")
    return f"{said}: {last}" if last else said
