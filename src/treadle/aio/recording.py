"""Recording: a run of a scheduler as a file of events like those of `treadle run`, for all that is made of them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from time import monotonic

from treadle._version import VERSION
from treadle.events.files import Lines
from treadle.events.recorder import Recorder
from treadle.events.schema import encoded

from .naming import named
from .publishing import Publishing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from .scheduler import PureScheduler


class Recording:
    """Writes what happens to the jobs of a scheduler, and of those in it, while it is open (`with`).

    :param scheduler: it is to run once meanwhile
    :param path: the file; it is emptied first
    """

    def __init__(self, scheduler: PureScheduler, path: str) -> None:
        self.scheduler = scheduler
        self._file = _File(path)

    def __enter__(self) -> Self:
        """Begin.

        :raises UsageError: the file cannot be written
        :raises DAGError: no order honours what the jobs require
        """
        # before the file is emptied
        named(self.scheduler)
        self._file.open()
        recorder = Recorder(self._file, self._file.began)
        publishing = Publishing(self.scheduler, recorder)
        began = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        recorder.begin(os.getcwd(), began, (), VERSION)
        try:
            publishing.__enter__()
        except BaseException:
            self._file.close()
            raise
        self._recorder, self._publishing = recorder, publishing
        return self

    def __exit__(self, *_: object) -> None:
        """End: what is still running has been cancelled, what never started is told."""
        self._publishing.__exit__()
        self._recorder.summary(0 if self._publishing.is_well else 1)
        self._file.close()


class _File:
    """Takes the events that a Recorder tells, and writes them."""

    are_live = False

    def __init__(self, path: str) -> None:
        self.began = monotonic()
        self._lines = Lines(path)

    def open(self) -> None:
        self.began = monotonic()
        self._lines.open()

    def set_root(self, root: str) -> None:
        """Paths are told as they are."""

    def tell(self, kind: str, **fields: Any) -> None:
        self._lines.add(encoded({"event": kind, "t": round(monotonic() - self.began, 6), **fields}))

    def flush(self) -> None:
        self._lines.flush()

    def close(self) -> None:
        self._lines.flush()
        self._lines.close()
