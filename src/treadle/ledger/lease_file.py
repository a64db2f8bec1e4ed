"""The lease of a recorded run, in its folder: a counter that says that it lives to what cannot see its lock."""

from __future__ import annotations

import os
from contextlib import suppress

from treadle.core.lease import FILE, Lease
from treadle.state import own_files


class LeaseFile:
    """Writes the lease of a run, again and again. A disk that is full is no end: the silence that follows may be.

    :param folder: the folder of the run
    :param seconds: the silence after which the run counts as dead
    """

    def __init__(self, folder: str, seconds: float) -> None:
        self._path = os.path.join(folder, FILE)
        self._seconds = seconds
        self._counter = 0

    def renew(self) -> None:
        """Show that the run lives."""
        self._counter += 1
        with suppress(OSError):
            own_files.replace(self._path, [Lease(self._counter, self._seconds).text().encode()], 0o600)

    def remove(self) -> None:
        """Remove it: the run has ended."""
        with suppress(OSError):
            os.unlink(self._path)
