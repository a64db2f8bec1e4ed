"""The badge of a job: four signs for its kind and its progress. It knows no jobs.

A badge has seven columns where the output takes its signs, eight in ASCII: critical, how it went so far,
phase, forever.
"""

from __future__ import annotations

import sys

IDLE, SCHEDULED, RUNNING, DONE = range(4)
"""The phases of a job: nothing has been done for it; it waits for its turn; it has had its turn; it has ended.

One that was cancelled stays where it was.
"""


FAILED_BEFORE = "a critical job has failed"
"""Why jobs do not start, or are cancelled, while a run ends by a failure."""
_UNICODE = ("⚠", "☉", "★", "⚐", "⚑", "↺", "☓", "∞")
_ASCII = ("!", ":)", ":(", ">", ".", "o", "x", "8")
"""Signs for: critical, well, raised, the four phases, forever."""


def _signs() -> tuple[str, ...]:
    """Return the signs that stdout can encode."""
    try:
        "".join(_UNICODE).encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeError, LookupError):
        return _ASCII
    return _UNICODE


def badge(phase: int, *, critical: bool, forever: bool, raised: bool) -> str:
    """Return the badge of a job.

    :param phase: IDLE, SCHEDULED, RUNNING or DONE
    :param raised: whether it has raised an exception
    """
    critical_sign, well_sign, raised_sign, *phases, forever_sign = _signs()
    went = raised_sign if raised else well_sign if phase >= RUNNING else " " * len(well_sign)
    return f"{critical_sign if critical else ' '} {went} {phases[phase]} {forever_sign if forever else ' '}"
