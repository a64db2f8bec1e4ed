"""The statuses a job can end with; it knows nothing of jobs."""

from __future__ import annotations

from enum import IntEnum


class ReturnValue(IntEnum):
    """How a job ended, as a number that a process can also exit with (the numbers are e3's)."""

    success = 0
    """It did what it should."""
    failure = 1
    """It ran and did not do what it should."""
    notready = 75
    """It could not do its work yet: it may be queued again (EX_TEMPFAIL of sysexits.h)."""
    force_fail = 123
    """It did not run because something before it failed."""
    unknown = 124
    """Nobody can say how it ended."""
    skip = 125
    """It did not run because nothing changed."""
    unchanged = 126
    """It ran and found nothing to do."""

    @property
    def is_good(self) -> bool:
        """Whether what comes after may run: success, skip and unchanged."""
        return self in _GOOD


_GOOD = frozenset((ReturnValue.success, ReturnValue.skip, ReturnValue.unchanged))
