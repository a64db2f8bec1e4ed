"""The file of a recorded run, opened at its first start."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from treadle.events.files import Lines
from treadle.events.recorder import Recorder
from treadle.events.schema import encoded

from .run_files import make_run_folder, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle.events.schema import Event

    from .run_record import RunRecord


class RunSink:
    """Writes the events of one run, and drops what its actions print: that is in their logs.

    :param path: the file
    :param lose: called with the reason when it cannot be written any more
    """

    are_live = False

    def __init__(self, path: str, lose: Callable[[str], None]) -> None:
        self._lines = Lines(path)
        self._lose = lose

    def set_root(self, root: str) -> None:
        """Ignore the root: the recorder has made all paths relative to it."""

    def take(self, event: Event) -> None:
        """Write an event."""
        self._lines.add(encoded(event))

    def flush(self) -> None:
        """Write the events that wait."""
        if not self._lines.flush():
            self._lose(self._lines.failure)

    def close(self) -> None:
        """Write the events that wait, and give the lock on the file back."""
        self.flush()
        self._lines.close()


def open_run(
    root: str, state: str, record: RunRecord, lose: Callable[[str], None]
) -> tuple[str, RunSink, Recorder]:
    """Make the folder of a run, and begin its file of events; return its identifier, the file and what fills it.

    :raises OSError: it cannot be made
    :raises UsageError: the file cannot be written
    """
    from treadle import __version__

    run = new_id(record.began_at)
    path = make_run_folder(state, run)
    sink = RunSink(path, lose)
    recorder = Recorder(sink, record.began)
    began = datetime.fromtimestamp(record.began_at, UTC).isoformat(timespec="milliseconds")
    about = {"id": run, "pid": os.getpid(), "host": os.uname().nodename, **record.about}
    recorder.begin(
        *(root, began.replace("+00:00", "Z"), record.names, __version__),
        argv=record.argv,
        params=record.params,
        about=about,
    )
    return run, sink, recorder
