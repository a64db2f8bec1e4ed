"""What a recorded run says of itself at its begin."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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


class RunRecord:
    """What a recorded run says of itself at its begin.

    :ivar began: on the monotonic clock
    :ivar began_at: in seconds since the epoch
    :ivar names: the names that were selected
    :ivar argv: the words of the command line; none in a program
    :ivar about: further fields of the event `run`
    """

    __slots__ = ("about", "argv", "began", "began_at", "names", "params")

    def __init__(
        self,
        began: float,
        began_at: float,
        names: Sequence[str] = (),
        argv: Sequence[str] = (),
        params: Mapping[str, str] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.began = began
        self.began_at = began_at
        self.names = names
        self.argv = argv
        self.params = params or {}
        self.about = about or {}
