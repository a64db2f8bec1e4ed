"""Durations as text, and the line of a run with nothing to do: all of `ui` that the fast path needs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .text import Line, Piece


def duration(seconds: float) -> str:
    """Return seconds in readable form: `0.3s`, `42s`, `2m 03s`, `1h 05m`, `2d 04h`."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    minutes = whole // 60
    if minutes < 24 * 60:
        return f"{minutes // 60}h {minutes % 60:02d}m"
    return f"{minutes // 1440}d {minutes % 1440 // 60:02d}h"


def nothing_to_do(skipped: int, seconds: float, saved: float, unneeded: int = 0) -> Line:
    """Return the last line of a run in which all is up to date, or not needed."""
    counts = ((skipped, "up to date"), (unneeded, "not needed"))
    said = ", ".join([f"{number} {what}" for number, what in counts if number])
    head = ("nothing to do: " if said else "nothing to do", "good")
    return (head, (said, ""), *times(seconds, saved))


def times(seconds: float, saved: float) -> tuple[Piece, ...]:
    """Return the duration, and the time that was saved unless it is very short."""
    took = (f" in {duration(seconds)}", "")
    return (took, (f", {duration(saved)} saved by skipping", "")) if saved >= 0.05 else (took,)
