"""RunRecording: records what a walk of a program does, so that `treadle runs` and its like show it."""

from __future__ import annotations

import os
import sys
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from treadle.errors import UsageError
from treadle.state.store import Store

from .recording import Recording, RunRecord
from .user import user_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike
    from typing import Self

    from treadle.events.bus import PlanRead, RunEnded, WalkEnded


class RunRecording(Recording):
    """Records one run of any walk: add it to the bus of a `Walk` or `CommandWalk`, or give it to `aio.Publishing`.

    ::

        with treadle.RunRecording(".", attributes={"team": "core"}) as recording:
            walk.bus.add(recording)
            walk.run()

    Without `with` the record ends with the walk; with it several walks are one run. If the record cannot be
    written, the walk goes on, and `failure` says why. The variable TREADLE_LEDGER=off turns it off.

    :param root: the folder in whose `.treadle` it is recorded; paths are relative to it
    :param program: what it is listed as, in place of a plan; "" for the name of the program
    :param names: what of it was asked for
    :param attributes: name -> text, by which `treadle runs --attr` finds it
    :param always: whether it is recorded also if nothing starts
    :raises UsageError: an argument is of a wrong kind
    :raises StateError: the state folder cannot be made, or is that of another user
    """

    def __init__(
        self,
        root: str | PathLike[str] = ".",
        *,
        program: str = "",
        names: Iterable[str] = (),
        attributes: Mapping[str, str] | None = None,
        always: bool = False,
    ) -> None:
        names = _texts("names", names)
        about: dict[str, Any] = {"user": user_name(), "plan": program or _program()}
        if attributes:
            _texts("attributes", [*attributes, *attributes.values()])
            about["attributes"] = dict(attributes)
        self.failure = ""
        """Why the run is not recorded, or not to its end; "" if all is well."""
        self._is_off = os.environ.get("TREADLE_LEDGER") == "off"
        path = os.path.abspath(os.fspath(root))
        if not self._is_off:
            Store(path).make_folder()
        record = RunRecord(monotonic(), time(), names, about=lambda _: about)
        super().__init__(lambda: path, record, self._take_failure, at_once=always)
        self._failed = self._is_off
        self._is_held = self._has_plan = self._is_closed = False
        self._is_well = True

    def _root_now(self) -> str:
        # also where a plan has another one
        return self._root()

    def _take_failure(self, text: str) -> None:
        self.failure = self.failure or text

    def __enter__(self) -> Self:
        """Begin a run that may be several walks."""
        self._is_held = True
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """End the record: with an error, if one has ended the walk."""
        self._end(error)

    def _end(self, error: BaseException | None = None) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.close(int(error is not None or not self._is_well), error)

    def plan_read(self, event: PlanRead) -> None:
        """Record the plan of a `Session`, whose walks are one run."""
        self._has_plan = True
        super().plan_read(event)

    def walk_ended(self, event: WalkEnded) -> None:
        """Keep how the walk went; it is the end of the run where nothing else is."""
        super().walk_ended(event)
        self._is_well = self._is_well and event.ok
        if not self._is_held and not self._has_plan:
            self._end()

    def run_ended(self, event: RunEnded) -> None:
        """End the run of a `Session`."""
        super().run_ended(event)
        self._is_well = event.ok
        if not self._is_held:
            self._end()


def _program() -> str:
    return os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] not in ("", "-c", "-m") else "python"


def _texts(what: str, given: Iterable[str]) -> list[str]:
    found = [] if isinstance(given, str) else list(given)
    if isinstance(given, str) or not all(isinstance(one, str) for one in found):
        raise UsageError(f"RunRecording: {what} {given!r} cannot be recorded", facts=["expected texts"])
    return found
