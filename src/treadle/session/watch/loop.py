"""`treadle run --watch`: one run after the other, each when something that the last one depends on has moved.

Events of the system say when to look, and never what to do: whether there is something to do the snapshot says, as
for any other run, and each round is decided by the same code as a plain `treadle run`.
"""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from copy import copy
from time import monotonic, time_ns

from treadle.content.trust import STATE_FOLDER
from treadle.errors import DAGError, PlanError, TreadleError, UsageError
from treadle.events.bus import Bus
from treadle.fastpath.probe import FOLDER, PATHS
from treadle.session import fast_start as at_once
from treadle.session.call import Call, find_plan
from treadle.session.run import run

from .inputs import (
    GRAIN,
    LONGEST_BURST,
    QUIET,
    Declared,
    Ears,
    folders_of,
    has_untold,
    moved_paths,
    names_of,
    require_library,
    stamp,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from treadle.content.files import Stamp
    from treadle.frontends.base import Project
    from treadle.session.fast_start import Found, PlainCall
    from treadle.session.options import Options
    from treadle.ui.console import Console

    from .inputs import Stamps

_SECOND_LOOK = 1.0
"""Seconds of quiet after which it is looked once more: a folder that is new is heard of a moment too late."""
_PATIENCE = 10
"""Rounds in a row that are called for while the one before still runs; further ones are held back."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0


class WatchDisplay:
    """What is shown of the rounds: nothing. A front end overrides it."""

    is_gone = False
    """Whether what shows it is gone: then there is no further round."""

    def console(self, options: Options, changed: Sequence[str] | None) -> Console | None:
        """Return where the next round prints, None for nowhere: then subscribers are told what is to be said.

        :param changed: the names of what has changed, None the first time
        """
        del options, changed
        return None

    def round_begins(self, call: Call) -> None:
        """Add subscribers to the call of a round."""

    def round_ended(self, *, is_well: bool) -> None:
        """Take note that a round is over.

        :param is_well: whether there is nothing to tell of it
        """

    def problem(self, error: TreadleError) -> None:
        """Take note of what is wrong with the plan, once for each text."""

    def watching(self) -> None:
        """Take note that the first round is over, and that changes are waited for."""


class WatchLoop:
    """Rounds of runs, until a stop is requested or what shows them is gone.

    :param call: the call
    :param display: what shows the rounds
    :raises UsageError: the library that watches files is not there
    """

    def __init__(self, call: Call, display: WatchDisplay | None = None) -> None:
        require_library()
        self.call = call
        self.display = display or WatchDisplay()
        self.stops = call.stops
        self.plan: Project | None = None
        """The plan as it was last loaded."""
        self.declared: Declared | None = None
        self.heard: set[str] = set()
        """The paths that have changed since the last round began."""
        self._stamps: Stamps = {}
        """How what the plan reads was before the last round looked at it, as far as no snapshot tells."""
        self._names: dict[str, set[str]] = {}
        """What stood in the folders that globs look into, when the plan was last loaded."""
        self._listed: dict[str, set[str]] = {}
        """The same, also where the listing may be newer than the one that the globs saw: it only names changes."""
        self._heard_at = 0.0
        self._began = 0
        """When the last round began, in nanoseconds since the epoch."""
        self._has_asked = False
        """Whether the records have been asked since what actions were found to read."""
        self.ears: Ears | None = None
        self.found: Found | None = None
        self.problem = ""
        """What is wrong with the plan, as it was told; "" if nothing is."""
        self._is_partial = False
        """Whether that is a plan that an action has generated, and the round went on without it."""
        self._places: set[str] = set()
        self._covered: tuple[bytes, set[str]] = (b"", set())

    def run(self) -> None:
        """Run, and again each time something changes that the last round depends on."""
        goes_on = self._round(self._options(is_first=True), None)
        restless = 0
        while goes_on:
            changed = self._look()
            restless = restless + 1 if changed else 0
            if restless > _PATIENCE:
                self._hold_back(restless - _PATIENCE)
                changed = self._look_again(changed)
            timeout: float | None = _SECOND_LOOK
            while not changed:
                fresh = self._wait(timeout)
                if not fresh:
                    # a run keeps the collector away, and nothing waits now
                    gc.collect()
                timeout = _SECOND_LOOK if fresh else None
                changed = self._look()
                if self.stops.count:
                    return
            names = self._settled(changed)
            goes_on = not self.stops.count and self._round(self._options(), names)

    def _here(self) -> str:
        """Return the folder that we stand in.

        :raises UsageError: it has gone
        """
        try:
            return os.getcwd()
        except OSError:
            raise UsageError("the folder that was watched has gone") from None

    def _options(self, *, is_first: bool = False) -> Options:
        options = copy(self.call.options)
        if not is_first:
            options.force, options.force_all, options.wait = [], False, True
        return options

    def _wait(self, seconds: float | None) -> bool:
        """Wait for a burst of changes; return whether there was one before so many seconds had gone."""
        assert self.ears is not None
        fresh = self.ears.wait(seconds)
        self._hear_of(fresh)
        return bool(fresh)

    def _settled(self, changed: list[str]) -> list[str]:
        """Return the names of all that has changed, once the burst is over that has begun.

        The first look counts as a part of the wait: with many files it lasts as long.
        """
        assert self.ears is not None
        end = monotonic() + LONGEST_BURST
        while monotonic() < end:
            more = self.ears.wait(max(QUIET - (monotonic() - self._heard_at), 0.0))
            if not more:
                break
            self._hear_of(more)
            changed = self._look_again(changed) or changed
        return changed

    def _hear_of(self, paths: set[str]) -> None:
        self.heard |= paths
        if paths:
            self._heard_at = monotonic()

    def _hold_back(self, times: int) -> None:
        """Wait much longer than for the end of a burst, as each round seems to call for the next one.

        An action that writes to what it reads would keep us busy for ever.

        :param times: how often it was so
        """
        end = monotonic() + min(_FIRST_PAUSE * 2 ** min(times - 1, 10), _LONGEST_PAUSE)
        while (left := end - monotonic()) > 0 and not self.stops.count:
            self._wait(left)

    def _round(self, options: Options, changed: Sequence[str] | None) -> bool:
        """Run once; return whether there may be another round.

        :param changed: what has changed, None the first time
        """
        found = self.found
        if found is None:
            found = self.found = at_once.find(self._plain_call(), self.call.began)
        if found is not None and changed is None:
            # the first time the plan is loaded in any case: it says what to watch
            found.close()
        call = Round(self, options, found, changed)
        self._began, self._has_asked = time_ns(), False
        self._stamps = self._untold(found) | {path: {path: stamp(path)} for path in self.heard}
        self.heard.clear()
        before = _snapshot_of(found)
        self.display.round_begins(call)
        try:
            report = run(call)
            is_stopped = report.interrupted and self.stops.count > 0
            told, self.problem = self.problem, self._text_of(report.problems)
            self._is_partial = bool(report.problems)
            is_well = self.problem == told and (report.ok or bool(told))
            self.display.round_ended(is_well=is_well and not is_stopped)
        except TreadleError as error:
            if changed is None and not isinstance(error, (PlanError, DAGError)):
                raise
            self._is_partial = False
            self._tell(error)
        except OSError:
            # the folder may have gone under the round
            self._here()
            raise
        finally:
            self.stops.detach()
            if found is not None:
                found.close()
        if before and before == _snapshot_of(found) and self.plan is not None and self.plan.makers:
            # a run that makes plans keeps none, and that of the run before would call for rounds for ever
            os.unlink(before[0])
        if self.stops.count:
            return False
        if changed is None:
            self.display.watching()
        return not self.display.is_gone

    def _tell(self, error: TreadleError) -> None:
        """Tell what is wrong, unless it has been told."""
        text = self._text_of([error])
        if text != self.problem:
            self.problem = text
            self.call.bus.publish("problem", error)
            self.display.problem(error)

    def _text_of(self, errors: Sequence[TreadleError]) -> str:
        """Return what is wrong with a plan, "" if nothing is; the places of it are looked at from now on."""
        problems = [one for error in errors for one in _problems_of(error)]
        self._places = {os.path.abspath(one.place.file) for one in problems if one.place is not None}
        return "\n".join(map(str, problems))

    def _plain_call(self) -> PlainCall:
        """Return the plain call that has the same plan, parameters and names."""
        options = self.call.options
        here = os.path.join(self._here(), "")
        if self.plan is not None and not here.startswith(os.path.join(self.plan.root, "")):
            # we stand outside of the root, where no snapshot is looked for
            return at_once.call_of(options, self.plan.file, self.plan.root)
        return at_once.call_of(options)

    def _rest(self, found: Found | None) -> Declared | None:
        """Return what is declared and no snapshot tells of, None before a plan was loaded."""
        if self.declared is None or found is None or found.answer is None:
            return self.declared
        return self.declared.without(found.answer)

    def _untold(self, found: Found | None) -> Stamps:
        """Return the stamps of what no snapshot may tell of when the next round is over."""
        rest = self._rest(found)
        if rest is None or self.declared is None:
            return {}
        if found is None or found.answer is None:
            return rest.stamps()
        return rest.stamps() | self.declared.doubted(found.answer).stamps()

    def take(self, plan: Project, before: Stamp | None) -> None:
        """Take in a plan that was loaded, and hear of all that it reads before anybody looks at it.

        :param before: the stamp of its file before that was read
        """
        self.plan = plan
        uids = list(plan.actions)
        # names that stand for nothing are told of by the run
        with suppress(TreadleError):
            uids = [str(uid) for uid in plan.dag([*self.call.selected(plan), *plan.makers]).vertex_data]
        self.declared = Declared(plan, uids)
        self.declared.find()
        # where something was wrong we hear of all changes near it, until a round has ended well
        if not self.problem and self._hear(self.declared.folders()):
            self._hear_of(self.declared.folders_moved_since(plan))
        self._stamps = self.declared.stamps_of_load(plan, before)
        self._names = self.declared.names_of_load(plan)
        self._listed = self.declared.names_listed(plan)

    def _hear(self, folders: Iterable[str], *, deep: bool = False) -> bool:
        """Hear of changes in these folders; return whether we have not heard of all of them up to now."""
        if self.ears is not None:
            if self.ears.are_for(folders, deep=deep):
                return False
            self._hear_of(self.ears.heard())
            self.ears.close()
        self.ears = Ears(folders, deep=deep, stop=self.stops)
        return True

    def _look(self) -> list[str]:
        """Return the names of what has changed since the last round began to look, none if nothing has."""
        if self.ears is not None:
            self._hear_of(self.ears.heard())
        if self.problem:
            return self._look_for_mended()
        found = at_once.find(self._plain_call(), monotonic())
        self._find(found)
        if self._hear(self._folders(found)):
            # what has changed before we heard of it is only seen now
            if found is not None:
                found.close()
            found = at_once.find(self._plain_call(), monotonic())
        self.found = found
        root, moved = self.plan.root if self.plan is not None else "", list[str]()
        if found is not None and found.answer is not None:
            root = found.root
            moved = [path for path in moved_paths(found.answer, root) if not self._is_made_in(path)]
        rest = self._rest(found)
        if rest is not None:
            # events may be lost, while other folders are listened to or before they come: what has moved tells too
            moved += rest.moved_since(self._stamps)
            moved += [path for path in self.heard if rest.holds(path) and not self._is_as_it_was(path)]
            # what a snapshot told of when the round began, or nobody knew of then, was not stamped
            moved += rest.changed_since(self._began - GRAIN, self._stamps)
        if moved and not self.heard:
            # it is seen before it is heard of: the burst that it belongs to may have begun just now
            self._heard_at = monotonic()
        if not moved:
            self.heard.clear()
            if found is not None:
                found.close()
        heard = list(self.heard)
        if moved and self.declared is not None:
            # the stamp of a folder may be seen before the event that names the file
            for path in moved:
                heard += self.declared.come_or_gone(path, self._listed) if path.endswith("/") else []
            heard = self.declared.others(heard)
        return names_of(moved, heard, root)

    def _is_made_in(self, path: str) -> bool:
        """Return whether a path is a folder of globs that moved for what actions made in it.

        Otherwise an action that runs in each round, as it fails or is to run always, would call for the next one.
        """
        declared = self.declared
        return path.endswith("/") and declared is not None and declared.has_only_made_in(path, self._names)

    def _find(self, found: Found | None) -> None:
        """Take in what the last round has found to be read, where no snapshot tells of it."""
        answer = found.answer if found is not None else None
        if self.declared is None or self._has_asked or (answer is not None and not has_untold(answer)):
            return
        self._has_asked = True
        self.declared.find()

    def _is_as_it_was(self, path: str) -> bool:
        """Return whether nothing has changed in a file since the last round began: we heard of it a second time."""
        then, now = self._stamps.get(path), stamp(path)
        return now is not None and then == {path: now} and now[0] < self._began - GRAIN

    def _look_again(self, changed: list[str]) -> list[str]:
        """Return the names once more when a burst is over; a plan that is not right has to be read to know more."""
        if self.problem:
            return changed
        if self.found is not None:
            self.found.close()
        return self._look()

    def _look_for_mended(self) -> list[str]:
        """Return what has changed anywhere near a plan that is not right."""
        self.found = None
        folders = {os.path.dirname(path) for path in (self._plan_file(), *self._places)}
        is_new = self._hear({folder for folder in folders if os.path.isdir(folder)}, deep=True)
        state = f"/{STATE_FOLDER}/"
        heard = [path for path in self.heard if state not in path and not path.endswith(state[:-1])]
        self.heard.clear()
        if self._is_partial and self.declared is not None:
            # the actions that are known have run, and what they write would call for the next round
            heard = self.declared.others(heard)
        return names_of(heard, (), os.path.dirname(self._plan_file())) or (["the plan"] if is_new else [])

    def _plan_file(self) -> str:
        options = self.call.options
        if self.plan is not None:
            return self.plan.file
        return os.path.abspath(options.file or find_plan(self._here()))

    def _folders(self, found: Found | None) -> set[str]:
        """Return the folders in which a change may call for a round."""
        answer = found.answer if found is not None else None
        if found is None or answer is None:
            return self.declared.folders() if self.declared is not None else set()
        mark = answer.snapshot.section(PATHS)
        if mark != self._covered[0]:
            self._covered = (mark, folders_of(answer, found.root))
        if self.declared is None:
            return self._covered[1]
        return self._covered[1] | self.declared.without(answer).folders()


def _snapshot_of(found: Found | None) -> tuple[str, int] | None:
    """Return path and inode of the snapshot that was found, None if there is none."""
    path = os.path.join(found.root, STATE_FOLDER, FOLDER, found.name) if found is not None and found.name else ""
    try:
        return path, os.stat(path).st_ino
    except OSError:
        return None


def _problems_of(error: TreadleError) -> Sequence[TreadleError]:
    return error.problems if isinstance(error, PlanError) else (error,)


class Round(Call):
    """The call of one round.

    :param loop: the loop, which is told of plans that are loaded
    :param options: those of the round
    :param changed: the names of what has changed, None the first time
    """

    def __init__(
        self, loop: WatchLoop, options: Options, found: Found | None, changed: Sequence[str] | None
    ) -> None:
        super().__init__("", options, console=loop.display.console(options, changed), stops=loop.stops, found=found)
        self.bus = Bus(within=loop.call.bus)
        self.loop = loop
        if changed is not None:
            self.began = monotonic()

    def load_with(self, made: Collection[str]) -> Project:
        """Load the plan, and say so."""
        before = stamp(os.path.abspath(self.plan_file()))
        plan = super().load_with(made)
        self.loop.take(plan, before)
        return plan

    def tell_problem(self, error: TreadleError) -> None:
        """Publish what is wrong with a generated plan, unless the round before has told of it."""
        if "\n".join(map(str, _problems_of(error))) not in self.loop.problem:
            super().tell_problem(error)
