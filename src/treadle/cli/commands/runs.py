"""`runs`: the recorded runs of a plan's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.cli.recorded import STYLES, counts_of, ledger_of, refuse_unknown, run_data, table, when
from treadle.core.text import safe, shell_join
from treadle.errors import UsageError
from treadle.ledger.queries import RunFilter, runs
from treadle.ui.console import FORMAT
from treadle.ui.durations import duration
from treadle.ui.text import line

if TYPE_CHECKING:
    from treadle.ledger.queries import RunRow
    from treadle.session.call import Call

SHOWN = 20
"""So many runs are listed where no number is given."""


def runs_command(call: Call) -> int:
    """List recorded runs, the newest first."""
    options = call.options
    if len(options.names) > 1:
        raise UsageError("`treadle runs` takes one name or pattern of actions", hint="'*' matches any text")
    with ledger_of(call, rebuild=options.rebuild) as ledger:
        most = options.last if options.last is not None else 0 if options.json else SHOWN
        wanted = RunFilter(
            options.run_states or (),
            options.since_time,
            options.attributes,
            name=options.names[0] if options.names else "",
            # one more, to know whether there are any
            most=most + 1 if most else 0,
        )
        found = runs(ledger, wanted)
        if not found:
            refuse_unknown(ledger, options.names)
    more = bool(most) and len(found) > most
    found = found[:most] if more else found
    if options.json:
        call.console.say_data({"format": FORMAT, "runs": [run_data(one) for one in found]})
        return 0
    if not found:
        is_narrowed = options.run_states or options.since_time or options.attributes or options.names
        call.console.say([line("no recorded run fits" if is_narrowed else "no run is recorded")])
        return 0
    rows = [
        (
            (one.id, "name"),
            (one.state, STYLES.get(one.state, "")),
            when(one.began),
            duration(one.duration) if one.exit_code is not None else "",
            safe(_about(one, with_root=options.all_roots)),
        )
        for one in found
    ]
    call.console.say(table(rows, room=call.console.room, right=(3,)))
    if more and options.last is None:
        call.console.say([line(("there are older ones: --last N shows more", "dim"))])
    return 0


def _about(run: RunRow, *, with_root: bool) -> str:
    """Return what was asked for, what became of it, and where."""
    said = (shell_join(run.names), counts_of(run), run.root if with_root else "")
    return "; ".join(filter(None, said))
