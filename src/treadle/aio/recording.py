"""Recording: a run of a scheduler as a file of events like those of `treadle run`, for the same reports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Self

from treadle import __version__
from treadle.events.encoding import encoded
from treadle.events.files import Lines
from treadle.events.recorder import Recorder
from treadle.events.schema import Event

from .naming import named
from .publishing import Publishing
from .scheduler import PureScheduler


class Recording:
    """Writes what happens to the jobs of a scheduler, and of those in it, while it is open (`with`).

    :param scheduler: it is to run once meanwhile
    :param path: the file; it is emptied first
    """

    def __init__(self, scheduler: PureScheduler, path: str) -> None:
        self.scheduler = scheduler
        self.path = path
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Begin.

        :raises UsageError: the file cannot be written
        :raises DAGError: no order honours what the jobs require
        """
        self._open.enter_context(_recorded(self.scheduler, self.path))
        return self

    def __exit__(self, *_: object) -> None:
        """End: jobs that still run have been cancelled, jobs that never started are recorded as such."""
        self._open.close()


@contextmanager
def _recorded(scheduler: PureScheduler, path: str) -> Iterator[None]:
    # it is refused before the file is emptied
    named(scheduler)
    with closing(Lines(path)) as lines:
        recorder = Recorder(_File(lines), monotonic())
        began = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        recorder.begin(os.getcwd(), began, (), __version__)
        with Publishing(scheduler, recorder) as publishing:
            yield
        recorder.summary(0 if publishing.is_well else 1)


class _File:
    """Writes the events of a Recorder."""

    are_live = False

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def set_root(self, root: str) -> None:
        """Paths are written as they are."""

    def take(self, event: Event) -> None:
        self._lines.add(encoded(event))

    def flush(self) -> None:
        self._lines.flush()
