"""Records that say how long actions took, written as a run would: no test has to wait that long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.state.records import SUCCEEDED
from treadle.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def set_durations(folder: Path, seconds: Mapping[str, float]) -> None:
    """Have the records of what has run in a folder say that it took a second, and these as long as is said here."""
    store = Store(str(folder))
    store.acquire("test")
    for entry in list(store.entries.values()):
        record = entry.record
        if record is not None and record.run.state == SUCCEEDED:
            record.run.duration = seconds.get(record.owner.uid, 1.0)
            store.save(record)
    store.release()
