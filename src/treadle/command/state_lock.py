"""The lock of the state folder, taken so that nothing of a run that was killed is left running beside us."""

from __future__ import annotations

import os

from treadle.engines import process_marks as marks
from treadle.errors import StateError, listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle.state.store import Known, Store


def acquire(
    store: Store,
    run: str,
    *,
    wait: bool = True,
    on_wait: Callable[[str], None] | None = None,
    known: Known | None = None,
) -> None:
    """Take the lock of a state folder, read its log, and end what an earlier run left running when it was killed.

    :param run: the id of our run
    :param known: what need not be read; if the log is another one now, all is read
    :raises StateError: the folder cannot be made or written, or what was left running does not end
    :raises BusyError: another run holds the lock, and `wait` is false
    """
    store.acquire(run, wait=wait, on_wait=on_wait, known=known, mark=os.environ.get(marks.MARK, ""))
    for left, was_here in store.killed_runs():
        if was_here:
            alive = marks.end_marked(f"{left}/")
            if alive:
                raise StateError(f"processes of a run that was killed do not end: {listed(alive)}")
        store.close_killed(left)
