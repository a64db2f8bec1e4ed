"""When a recorded run began."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(began: str) -> datetime | None:
    """Return the time at which a run began, None if what is on record is none."""
    try:
        found = datetime.fromisoformat(began)
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        # of which year this is here some platforms cannot say
        found.astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return found
