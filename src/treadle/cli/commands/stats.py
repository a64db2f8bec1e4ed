"""`stats`: how long actions take in recorded runs, how much memory, how often they fail."""

from __future__ import annotations

from dataclasses import asdict
from math import ceil
from typing import TYPE_CHECKING

from treadle.cli.recorded import ledger_of, refuse_unknown, table
from treadle.core.outcomes import words
from treadle.core.text import safe, size_text
from treadle.ledger.ledger import run_named
from treadle.ledger.queries import figures
from treadle.ui.console import FORMAT
from treadle.ui.durations import duration
from treadle.ui.text import line

if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle.ledger.queries import Figures, Spread
    from treadle.session.call import Call
    from treadle.ui.text import Piece

ROOM = 1.2
"""A suggestion of memory is so much above what was measured."""
TIMES = 2
"""A suggested time limit is so many times what was measured."""
BY = ("max", "p95", "mean")
"""What a suggestion may be made by."""


def stats_command(call: Call) -> int:
    """Show figures of families, or with --all of each action."""
    options = call.options
    with ledger_of(call) as ledger:
        refuse_unknown(ledger, options.names)
        run = run_named(ledger, options.of_run) if options.of_run else ""
        found = figures(ledger, options.names, by_family=not options.everything, run=run, since=options.since_time)
    if options.json:
        call.console.say_data({"format": FORMAT, "actions": [asdict(one) for one in found]})
        return 0
    if not found:
        is_narrowed = bool(options.names or run or options.since_time)
        call.console.say([line("no recorded attempt fits" if is_narrowed else "no attempt is recorded")])
        return 0
    if options.suggest:
        call.console.say(line(text) for one in found for text in _suggestion(one, options.by or "max"))
        return 0
    titles = ("", "attempts", "failed", "mean", "median", "95 %", "longest", "most memory", "most CPUs", "")
    lines: list[tuple[str | Piece, ...]] = [
        (
            (safe(one.name), "name"),
            str(one.attempts),
            (str(one.failed), "bad" if one.failed else ""),
            _mean(one),
            *(duration(each) for each in (one.time.median, one.time.p95, one.time.most)),
            size_text(int(one.memory.most)) if one.memory is not None else "",
            f"{one.cpus.most:.1f}" if one.cpus is not None else "",
            ", ".join(f"{number} {words(kind)}" for kind, number in _odd(one)),
        )
        for one in sorted(found, key=lambda one: -one.time.most)
    ]
    # columns of which nothing is known are left out
    shown = [at for at in range(len(titles)) if at == 0 or any(row[at] for row in lines)]
    rows: list[list[str | Piece]] = [[(titles[at], "dim") for at in shown]]
    rows += [[row[at] for at in shown] for row in lines]
    numbers = [place for place, at in enumerate(shown) if 0 < at < len(titles) - 1]
    call.console.say(table(rows, room=call.console.room, right=numbers))
    return 0


def _mean(one: Figures) -> str:
    error = one.mean_error
    return (
        duration(one.time.mean)
        if error is None or error < 0.05
        else f"{duration(one.time.mean)} ±{duration(error)}"
    )


def _odd(one: Figures) -> list[tuple[str, int]]:
    """Return how often it ended in another way than by a success or a plain failure."""
    return sorted((kind, number) for kind, number in one.outcomes.items() if kind not in ("success", "failed"))


def _suggestion(one: Figures, by: str) -> list[str]:
    """Return lines for a plan: what the action needs by its history, with some room.

    :param by: what of the history: the most, the 95th percentile or the mean
    """
    amounts: list[str] = []
    said: list[str] = []
    if one.cpus is not None and (cpus := ceil(_of(one.cpus, by) - 0.2)) > 1:
        amounts.append(f"cpus: {cpus}")
        said.append(f"CPUs {_told(one.cpus, '{:.1f}'.format)}")
    if one.memory is not None:
        amounts.append(f"memory: {ceil(_of(one.memory, by) * ROOM / (1 << 20))}MiB")
        said.append(f"memory {_told(one.memory, size_text)}")
    lines = [f"{safe(one.name)}:"]
    if amounts:
        lines.append(f"  resources: {{{', '.join(amounts)}}}  # {'; '.join(said)}; of {one.attempts}")
    seconds = max(1, ceil(_of(one.time, by) * TIMES))
    lines.append(f"  timeout: {seconds}s  # {_told(one.time, duration)}")
    return lines


def _of(spread: Spread, by: str) -> float:
    return {"max": spread.most, "p95": spread.p95, "mean": spread.mean}[by]


def _told(spread: Spread, text: Callable[[float], str]) -> str:
    return f"max {text(spread.most)}, p95 {text(spread.p95)}, mean {text(spread.mean)}"
