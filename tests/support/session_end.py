"""What is to be closed when the session of tests ends, before it is looked for what they have left running."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CALLS: list[Callable[[], None]] = []


def at_session_end(call: Callable[[], None]) -> None:
    """Have something called at the end of the session."""
    _CALLS.append(call)


def close_all() -> None:
    """Call all of it, the last first."""
    while _CALLS:
        _CALLS.pop()()
