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


class Signs:
    """A set of signs.

    :param text: critical, well, raised, the four phases, forever: separated by blanks
    """

    __slots__ = ("blank", "critical", "forever", "phases", "raised", "well")

    def __init__(self, text: str) -> None:
        self.critical, self.well, self.raised, *phases, self.forever = text.split()
        self.phases = phases
        self.blank = " " * len(self.well)


UNICODE = Signs("⚠ ☉ ★ ⚐ ⚑ ↺ ☓ ∞")
ASCII = Signs("! :) :( > . o x 8")


def signs() -> Signs:
    """Return the signs that stdout can take."""
    try:
        "⚠☉★⚐⚑↺☓∞".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeError, LookupError):
        return ASCII
    return UNICODE


def badge(phase: int, *, critical: bool, forever: bool, raised: bool) -> str:
    """Return the badge of a job.

    :param phase: IDLE, SCHEDULED, RUNNING or DONE
    :param raised: whether it has raised an exception
    """
    use = signs()
    went = use.raised if raised else use.well if phase >= RUNNING else use.blank
    return f"{use.critical if critical else ' '} {went} {use.phases[phase]} {use.forever if forever else ' '}"
