"""Runs what blocks in a thread of its own, for what awaits it. It does not know what that is."""

from __future__ import annotations

import asyncio
import threading
from _thread import get_ident
from typing import TYPE_CHECKING

from treadle.thread_owners import work_for, work_is_over

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


async def in_thread(run: Callable[[], Any], stop: Callable[[bool], object]) -> Any:
    """Return what `run` returns, and raise what it raises; a caller that cancels this waits until it has ended.

    :param run: called in a thread of its own
    :param stop: called where this is cancelled, each time again; True if it was called before
    """
    loop = asyncio.get_running_loop()
    outcome: list[tuple[Any, BaseException | None]] = []
    ended = asyncio.Event()

    owner = get_ident()

    def body() -> None:
        work_for(owner)
        try:
            outcome.append((run(), None))
        except BaseException as raised:
            outcome.append((None, raised))
        finally:
            work_is_over()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=body, daemon=True, name="treadle-awaited").start()
    cancelled: asyncio.CancelledError | None = None
    while not ended.is_set():
        try:
            await ended.wait()
        except asyncio.CancelledError as again:
            stop(cancelled is not None)
            cancelled = again
    if cancelled is not None:
        raise cancelled
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
