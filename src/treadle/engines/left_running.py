"""What attempts have left running on a worker: ended there when their run is over, as it is on one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle._startup.interpreter import inherited
from treadle.core import lease
from treadle.core.lease import Silence

from .process_marks import MARK, end_marked, marked

if TYPE_CHECKING:
    from collections.abc import Callable

    from .shared_folder import SharedFolder
    from .spec import RunFolder

_FIRST_LOOK = 1.0
"""Seconds from the end of the last attempt of a run to the look for what it has left."""


class _Left:
    __slots__ = ("due", "folder", "has_left", "looks", "mark", "outlives", "silence")

    def __init__(self, folder: RunFolder, mark: str, outlives: float, now: float) -> None:
        self.folder = folder
        self.mark = mark
        self.outlives = outlives
        """The silence of the run after which all of it is ended."""
        self.silence = Silence(now)
        self.has_left = False
        """Whether something of it was seen to run."""
        self.looks = 2
        """How often it is looked for yet: a process that is becoming another program is not seen."""
        self.due = now + _FIRST_LOOK


class LeftRunning:
    """Knows the runs of which nothing is to run here any more, and that are under way.

    :param view: how it sees the files of runs
    :param name: that of the worker, with which the marks begin that it gives to all that it starts
    """

    def __init__(self, view: SharedFolder, clock: Callable[[], float], name: str) -> None:
        self._name = name
        self._view = view
        self._clock = clock
        self._runs: dict[str, _Left] = {}

    def __bool__(self) -> bool:
        return bool(self._runs)

    def note(self, folder: RunFolder, mark: str, outlives: float) -> None:
        """Take in a run of which the last attempt here has ended.

        :param mark: the mark of an attempt of it
        """
        run = mark.partition("/")[0]
        if f"{run}/" in inherited().get(MARK, ""):
            # a worker on the machine of the run, which ends all that carries its mark
            return
        self._runs[folder.path] = _Left(folder, run, outlives, self._clock())

    def forget(self, folder: RunFolder) -> None:
        """Take note that another attempt of a run begins."""
        self._runs.pop(folder.path, None)

    def next_look(self) -> list[float]:
        """Return when there is something to do."""
        return [one.due for one in self._runs.values()]

    def see_to(self) -> None:
        """Look at runs that are due; end what they have left if they are over."""
        now = self._clock()
        for path, one in list(self._runs.items()):
            if now < one.due:
                continue
            if not one.has_left:
                one.has_left = next(marked(f"{one.mark}/", beside=self._name), None) is not None
            if not one.has_left:
                one.looks -= 1
                one.due = now + _FIRST_LOOK
                if not one.looks:
                    del self._runs[path]
            elif self._is_over(one, now):
                del self._runs[path]
                end_marked(f"{one.mark}/", beside=self._name)
            else:
                one.due = now + lease.look(one.outlives)

    def _is_over(self, one: _Left, now: float) -> bool:
        text = self._view.read(one.folder.lease)
        found = None if text is None else lease.parse(text)
        if found is None:
            # it is removed at the end of a run
            return True
        one.outlives = found.seconds
        one.silence.see(found.counter, now)
        return found.stops_all or one.silence.seconds(now) > one.outlives
