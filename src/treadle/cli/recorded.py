"""What the commands share that look at recorded runs: the ledger of the plan's folder, times and sizes in words."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

from treadle.content.trust import STATE_FOLDER
from treadle.core.outcomes import FAILED as ACTION_FAILED
from treadle.core.outcomes import RAN, label
from treadle.core.text import beginning, safe, width, wrap
from treadle.errors import UsageError, nearest
from treadle.ledger.ledger import open_ledger
from treadle.ledger.moments import moment
from treadle.ledger.run_files import RUNS
from treadle.ledger.states import BROKEN, DONE, FAILED, LOST, RUNNING, STOPPED
from treadle.session.recorded import root_of
from treadle.state.store import Store
from treadle.ui.text import Piece

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from treadle.ledger.database import Database
    from treadle.ledger.queries import RunRow
    from treadle.session.call import Call
    from treadle.ui.text import Line


def state_of(call: Call) -> str:
    """Return the state folder next to the plan of a call.

    :raises TreadleError: there is no plan, or the state folder is that of another user
    """
    try:
        root = root_of(call)
    except UsageError:
        root = os.getcwd()
        # a program may have recorded its runs here, which has no plan
        if not os.path.isdir(os.path.join(root, STATE_FOLDER, RUNS)):
            raise
    # refuses a folder that is not ours
    Store(root).load()
    return os.path.join(root, STATE_FOLDER)


def ledger_of(call: Call, *, rebuild: bool = False, is_local: bool = False) -> Database:
    """Return the ledger, with all that the runs in this folder have written so far.

    :param is_local: whether it is the one of this folder, also if there is one that several folders share
    """
    options = call.options
    ledger = open_ledger(
        state_of(call), call.console.warn, url="" if is_local else options.ledger_url, rebuild=rebuild
    )
    ledger.is_asked_for_all = options.all_roots
    return ledger


def when(began: str) -> str:
    """Return a time in UTC as one of here: without its date if it is of today."""
    at = moment(began)
    if at is None:
        return began
    local = at.astimezone()
    today = datetime.now(local.tzinfo).date() == local.date()
    return f"today {local:%H:%M:%S}" if today else f"{local:%Y-%m-%d %H:%M}"


Cell = str | Piece
_LONGEST_WORD = 30
"""Cells; no shorter word is broken, as an identifier of a run is one."""


def table(
    rows: Sequence[Sequence[Cell]], indent: str = "", *, room: int = 0, right: Collection[int] = (), gap: int = 2
) -> list[Line]:
    """Return rows as lines with aligned columns.

    What a terminal would obey is shown as an escape: the records may be from elsewhere.

    :param room: cells that a line may take, 0 for no bound: the widest columns are made narrower, and wrapped;
        where that would break words, each row has its first cell on a line, and the others below it
    :param right: the columns of numbers, which are aligned at their right
    :param gap: cells between two columns
    """
    if not rows:
        return []
    pairs = [[cell if isinstance(cell, tuple) else (cell, "") for cell in row] for row in rows]
    cells = [[(safe(text), style) for text, style in row] for row in pairs]
    widths = _widths(cells, room - len(indent) if room else 0, gap)
    if widths is None:
        return [one for row in cells for one in _stacked(row, indent, room, gap)]
    made: list[Line] = []
    for row in cells:
        broken = [_broken(text, widths[at]) if room else [text] for at, (text, _) in enumerate(row)]
        for number in range(max(map(len, broken))):
            pieces: list[Piece] = [(indent, "")]
            for at, (texts, (_, style)) in enumerate(zip(broken, row, strict=True)):
                text = texts[number] if number < len(texts) else ""
                blanks = " " * (widths[at] - width(text))
                if widths[at] or at == len(row) - 1:
                    pieces += [(blanks, ""), (text, style)] if at in right else [(text, style), (blanks, "")]
                    pieces.append((" " * gap, ""))
            # no blanks at the end of a line
            filled = [at for at, (text, _) in enumerate(pieces) if text.strip()]
            made.append(tuple(piece for piece in pieces[: filled[-1] + 1] if piece[0]) if filled else ())
    return made


def _widths(cells: Sequence[Sequence[Piece]], room: int, gap: int) -> list[int] | None:
    """Return the widths of columns: what they need, the widest ones less where that is more than there is.

    :return: None where that would break a word
    """
    columns = range(len(cells[0]))
    widths = [max(width(row[at][0]) for row in cells) for at in columns]
    if not room:
        return widths
    least = [
        max(min(width(word), _LONGEST_WORD, room) for row in cells for word in row[at][0].split(" "))
        for at in columns
    ]
    widths = [min(one, room) for one in widths]
    for _ in range(sum(widths) + gap * (len(widths) - 1) - room):
        # of equally wide ones the last, which is text
        wider = [(widths[at], at) for at in columns if widths[at] > least[at]]
        if not wider:
            return None
        widths[max(wider)[1]] -= 1
    return widths


def _stacked(row: Sequence[Piece], indent: str, room: int, gap: int) -> list[Line]:
    """Return a row whose columns do not fit next to each other: its first cell, and the others below it."""
    (first, style), *others = row
    inner = indent + "  "
    lines: list[list[Piece]] = [
        [(indent, ""), (text, style)] for text in _broken(first, room - len(indent)) if text
    ]
    used = room
    for text, style in others:
        for part in _broken(text, room - len(inner)):
            if part and used + gap + width(part) <= room:
                lines[-1] += [(" " * gap, ""), (part, style)]
                used += gap + width(part)
            elif part:
                lines.append([(inner, ""), (part, style)])
                used = len(inner) + width(part)
    return [tuple(one) for one in lines]


def _broken(text: str, room: int) -> list[str]:
    """Return a text as lines, broken at blanks, and in a word only where that is longer than a line."""
    lines = []
    for one in wrap(text, room):
        rest = one
        while width(rest) > room > 0:
            head = beginning(rest, room) or rest[:1]
            lines.append(head)
            rest = rest[len(head) :]
        lines.append(rest)
    return lines


def refuse_unknown(database: Database, names: Sequence[str]) -> None:
    """Refuse names that no recorded run has started anything of.

    :param names: of actions or families, and patterns
    :raises UsageError: one of them is unknown
    """
    from treadle.ledger.queries import has_started, names_started

    for name in names:
        if not has_started(database, name):
            close = nearest(name, names_started(database))
            hint = f"did you mean {close}?" if close else "`treadle attempts` lists what recorded runs have started"
            raise UsageError(f"no recorded run has started {name}", hint=hint)


STYLES = {DONE: "good", FAILED: "bad", BROKEN: "bad", LOST: "bad", STOPPED: "warn", RUNNING: "name"}
"""State of a run -> how it is drawn."""


def counts_of(run: RunRow) -> str:
    """Return in words how many actions of a run ended how."""
    order = (RAN, ACTION_FAILED, *run.counts)
    said = [f"{run.counts[one]} {label(one)}" for one in dict.fromkeys(order) if run.counts.get(one)]
    return ", ".join(said)


def run_data(run: RunRow) -> dict[str, object]:
    """Return a run as data."""
    return {name: getattr(run, name) for name in run.__slots__}
