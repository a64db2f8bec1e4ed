"""What the commands share that look at recorded runs: the ledger of the plan's folder, times and sizes in words."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

from treadle.content.trust import STATE_FOLDER
from treadle.core.outcomes import FAILED as ACTION_FAILED
from treadle.core.outcomes import RAN, label
from treadle.core.text import safe, width
from treadle.ledger.ledger import open_ledger
from treadle.ledger.run_record import moment
from treadle.ledger.states import BROKEN, DONE, FAILED, LOST, RUNNING, STOPPED
from treadle.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.ledger.database import Database
    from treadle.ledger.queries import RunRow
    from treadle.session.call import Call
    from treadle.ui.text import Line, Piece


def state_of(call: Call) -> str:
    """Return the state folder beside the plan of a call.

    :raises TreadleError: there is no plan, or the state folder is that of another user
    """
    root = os.path.dirname(os.path.abspath(call.plan_file()))
    # refuses a folder that is not ours
    Store(root).load()
    return os.path.join(root, STATE_FOLDER)


def ledger_of(call: Call, *, rebuild: bool = False) -> Database:
    """Return the ledger, with all that the runs in this folder have written so far."""
    return open_ledger(state_of(call), call.console.warn, rebuild=rebuild)


def when(began: str) -> str:
    """Return a time in UTC as one of here: without its date if it is of today."""
    at = moment(began)
    if at is None:
        return began
    local = at.astimezone()
    today = datetime.now(local.tzinfo).date() == local.date()
    return f"today {local:%H:%M:%S}" if today else f"{local:%Y-%m-%d %H:%M}"


def table(rows: Sequence[Sequence[str | Piece]], indent: str = "") -> list[Line]:
    """Return rows as lines with aligned columns; the last one is as long as it is.

    What a terminal would obey is shown as an escape: the records may be from elsewhere.
    """
    if not rows:
        return []
    pairs = [[cell if isinstance(cell, tuple) else (cell, "") for cell in row] for row in rows]
    cells = [[(safe(text), style) for text, style in row] for row in pairs]
    widths = [max(width(row[at][0]) for row in cells) for at in range(len(cells[0]) - 1)]
    made: list[Line] = []
    for row in cells:
        pieces: list[Piece] = [(indent, "")]
        for (text, style), room in zip(row, widths, strict=False):
            pieces += [(text, style), (" " * (room - width(text) + 2), "")] if room else []
        pieces.append(row[-1])
        # no blanks at the end of a line
        filled = [at for at, (text, _) in enumerate(pieces) if text.strip()]
        made.append(tuple(pieces[: filled[-1] + 1] if filled else ()))
    return made


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
