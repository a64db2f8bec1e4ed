"""Which thread waits for which: a thread that works for a run, and the one that the run is in.

A run that is started in the first one must not wait for a lock that the second one holds.
"""

from __future__ import annotations

from _thread import get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWNERS: dict[int, int] = {}
"""Thread -> the one that it works for."""


def work_for(owner: int) -> None:
    """Note that this thread works for another one, until `work_is_over`."""
    _OWNERS[get_ident()] = owner


def work_is_over() -> None:
    """Note that this thread works for no other one any more: its number may become that of another thread."""
    _OWNERS.pop(get_ident(), None)


def with_owners() -> Iterator[int]:
    """Yield this thread, the one that it works for, and so on."""
    thread: int | None = get_ident()
    seen: set[int] = set()
    while thread is not None and thread not in seen:
        seen.add(thread)
        yield thread
        thread = _OWNERS.get(thread)
