"""What changes the state outside of a run does so under its lock."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from treadle.command.walk import acquire_state
from treadle.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treadle.frontends.base import Project
    from treadle.session.call import Call
    from treadle.ui.text import Line


@contextmanager
def locked(call: Call, plan: Project) -> Iterator[Store]:
    """Hold the store, while no run is at work in this root."""
    from treadle.state.store import Store

    store = Store(plan.root)

    def waiting(holder: str) -> None:
        call.console.warn(f"waiting for {holder} to end")

    acquire_state(store, os.urandom(8).hex(), wait=call.options.wait, on_wait=waiting)
    try:
        for note in store.notes:
            call.console.warn(note)
        yield store
    finally:
        store.release()


def say_unless_quiet(call: Call, text: Line) -> None:
    """Print a line, unless nothing is to be shown where all is well."""
    if not call.options.quiet:
        call.console.say([text])
