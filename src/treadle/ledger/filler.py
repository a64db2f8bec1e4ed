"""Fills a ledger while a run lasts, outside of its loop: what cannot be written now is written later.

Nothing of it ends a run or holds it up. What a ledger lacks at the end of a run is taken by the next run or look in
the same folder, as the events are in its files.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING

from .address import root_name
from .database import Database, LedgerError
from .filling import fill

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY = 2.0
"""Seconds between two looks at the events."""
_LOOK = 3.0
"""Seconds after which the rest is left to the next look: the thread has a lease to renew too."""
_PATIENCE = 1.0
"""Seconds to wait for another writer; ten of them for a server that does not answer."""
_LONGEST = 60.0
"""Seconds between two tries at most, while it cannot be used."""


class Filler:
    """Takes the events of the runs of a folder into a ledger, now and then; called in one thread.

    :param path: the database, as `Database` takes it
    :param state: the state folder
    :param say: called with a line at the first failure of a run, and not again
    :param also: called at each look with the database, after it was filled
    :param clock: returns seconds
    """

    def __init__(
        self,
        path: str,
        state: str,
        say: Callable[[str], None],
        *,
        also: Callable[[Database], None] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._path = path
        self._state = state
        self._say = say
        self._also = also
        self._clock = clock
        self._database: Database | None = None
        self._pause = 0.0
        self._next = clock()
        self._has_said = False

    def fill(self) -> None:
        """Take what has been written, unless it was found out of use a moment ago."""
        if self._clock() >= self._next:
            self._try(monotonic() + _LOOK)

    def finish(self) -> None:
        """Take what has been written, however the last try ended, and close the database."""
        self._try(None)
        self._close()

    def _try(self, until: float | None) -> None:
        try:
            if self._database is None:
                root = root_name(os.path.dirname(self._state))
                self._database = Database(self._path, _PATIENCE, root=root)
            fill(self._database, self._state, until)
            if self._also is not None:
                self._also(self._database)
        except LedgerError as error:
            self._close()
            # 1, 2, 4 times the time between two looks, and so on
            self._pause = min(self._pause * 2 or EVERY, _LONGEST)
            self._next = self._clock() + self._pause
            if not self._has_said:
                self._has_said = True
                self._say(f"{error.what}; what happens is added to it later")
        else:
            self._pause = 0.0

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()
