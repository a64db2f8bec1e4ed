"""`stats`: how long actions take in recorded runs, how much memory, how often they fail."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from treadle.cli.recorded import ledger_of, table
from treadle.core.text import safe, size_text
from treadle.ledger.queries import figures
from treadle.ui.console import FORMAT
from treadle.ui.durations import duration
from treadle.ui.text import line

if TYPE_CHECKING:
    from treadle.ledger.queries import Figures
    from treadle.session.call import Call
    from treadle.ui.text import Piece

ROOM = 1.2
"""A suggestion is so much above what was measured."""


def stats_command(call: Call) -> int:
    """Show figures of families, or with --all of each action."""
    options = call.options
    with ledger_of(call) as ledger:
        found = figures(ledger, options.names, by_family=not options.everything)
    if options.json:
        rows = [{name: getattr(one, name) for name in one.__slots__} for one in found]
        call.console.say_data({"format": FORMAT, "actions": rows})
        return 0
    if not found:
        call.console.say([line("no attempt is recorded")])
        return 0
    if options.suggest:
        call.console.say(line(text) for one in found for text in _suggestion(one))
        return 0
    head = tuple((text, "dim") for text in ("", "attempts", "failed", "median", "95 %", "longest", "most memory"))
    lines: list[tuple[str | Piece, ...]] = [
        (
            (safe(one.name), "name"),
            str(one.attempts),
            (str(one.failed), "bad" if one.failed else ""),
            *(duration(each) for each in (one.median, one.p95, one.longest)),
            size_text(int(one.memory_most)) if one.memory_most is not None else "",
        )
        for one in sorted(found, key=lambda one: -one.longest)
    ]
    call.console.say(table([head, *lines]))
    return 0


def _suggestion(one: Figures) -> list[str]:
    """Return lines for a plan: what the action needs by its history, with some room."""
    lines = [f"{safe(one.name)}:"]
    if one.memory_most is not None:
        memory = ceil(one.memory_most * ROOM / (1 << 20))
        of = f"most {size_text(int(one.memory_most))}, mean {size_text(int(one.memory_mean or 0))}"
        lines.append(f"  resources: {{memory: {memory}MiB}}  # {of}, of {one.attempts}")
    lines.append(f"  timeout: {max(1, ceil(one.longest * 2))}s  # longest {duration(one.longest)}")
    return lines
