"""The watch loop of `treadle run --watch`: one run after the other, each when an input of the last one has changed.

Events of the system decide when to look, and never what to do: the snapshot decides whether there is something to
do, as for any other run, and each round is decided by the same code as a plain `treadle run`.
"""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from copy import copy
from time import monotonic, time_ns
from typing import TYPE_CHECKING

from treadle.content.trust import STATE_FOLDER
from treadle.errors import DAGError, PlanError, TreadleError, UsageError
from treadle.events.bus import Bus
from treadle.fastpath.probe import FOLDER, PATHS
from treadle.session import fast_start
from treadle.session.call import Call
from treadle.session.controls import controls_of
from treadle.session.run import run

from .inputs import (
    GRAIN,
    LONGEST_BURST,
    QUIET,
    DeclaredInputs,
    FileWatcher,
    TreeFolders,
    folders_of,
    is_incomplete,
    moved_paths,
    names_of,
    require_library,
    stamp,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from treadle.content.files import Stamp
    from treadle.frontends.base import Project
    from treadle.session.fast_start import FastStart, PlainCall
    from treadle.session.options import Options
    from treadle.ui.console import Console

    from .inputs import Stamps

_SECOND_LOOK = 1.0
"""Seconds without events before one more look: events of a new folder begin a moment too late."""
_PATIENCE = 10
"""Rounds in a row that each begin at once; further ones are delayed."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0


class WatchDisplay:
    """Shows the rounds; this one shows nothing, and a subclass overrides its methods."""

    is_gone = False
    """Whether the display is gone: then there is no further round."""

    def console(self, options: Options, changed: Sequence[str] | None) -> Console | None:
        """Return the console of the next round; None for none: then notes go to the subscribers.

        :param changed: the names of what has changed, None the first time
        """
        del options, changed
        return None

    def round_begins(self, call: Call) -> None:
        """Add subscribers to the call of a round."""

    def round_ended(self, *, is_well: bool) -> None:
        """Show that a round is over.

        :param is_well: whether nothing is to be shown of it
        """

    def problem(self, error: TreadleError) -> None:
        """Show a problem of the plan; called once for each text."""

    def watching(self) -> None:
        """Show that the loop waits for changes; called after the first round."""


JUDGES = "a watch cannot be combined with --only, --where, --with-after or --with-blocked"
"""What is selected would be something else in each round, and a change of the rest would start none."""


class WatchLoop:
    """Runs rounds until a stop is requested or the display is gone.

    :param call: the call
    :param display: shows the rounds
    :raises UsageError: the library that watches files is not there
    """

    def __init__(self, call: Call, display: WatchDisplay | None = None) -> None:
        if call.options.judges:
            raise UsageError(JUDGES, hint="leave out one of them")
        require_library()
        self.call = call
        self.display = display or WatchDisplay()
        self.stops = call.stops
        self.plan: Project | None = None
        """The plan as last loaded."""
        self.declared: DeclaredInputs | None = None
        self.changed_paths: set[str] = set()
        """The paths that have changed since the last round began."""
        self._stamps: Stamps = {}
        """The stamps of inputs from before the last round, of those that no snapshot holds."""
        self._names: dict[str, set[str]] = {}
        """Folder -> the names in it when the plan was last loaded, of folders that globs list."""
        self._listed: dict[str, set[str]] = {}
        """The same, also if the listing may be newer than that of the globs: used for the names of changes."""
        self._tree_folders = TreeFolders()
        self._last_event = 0.0
        self._began = 0
        """When the last round began, in nanoseconds since the epoch."""
        self._has_asked = False
        """Whether the discovered inputs have been read from the records since then."""
        self.watcher: FileWatcher | None = None
        self.found: FastStart | None = None
        self.problem = ""
        """The problems of the plan as published, "" if there are none."""
        self._is_partial = False
        """Whether they are problems of a generated plan, and the round went on without it."""
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
        """Return the current folder.

        :raises UsageError: it is gone
        """
        try:
            return os.getcwd()
        except OSError:
            raise UsageError("the watched folder was removed") from None

    def _options(self, *, is_first: bool = False) -> Options:
        options = copy(self.call.options)
        if not is_first:
            options.force, options.force_all, options.wait = [], False, True
            options.repeat_until_pass = options.repeat_after_timeout = options.repeat_until_fail = 0
        return options

    def _wait(self, seconds: float | None) -> bool:
        """Wait for events; return whether there were any within some seconds."""
        assert self.watcher is not None
        fresh = self.watcher.wait(seconds)
        self._note_events(fresh)
        return bool(fresh)

    def _settled(self, changed: list[str]) -> list[str]:
        """Return the names of all that has changed, once the burst of changes is over.

        The first look counts as part of the wait, as it lasts long with many files.
        """
        assert self.watcher is not None
        end = monotonic() + LONGEST_BURST
        while monotonic() < end:
            more = self.watcher.wait(max(QUIET - (monotonic() - self._last_event), 0.0))
            if not more:
                break
            self._note_events(more)
            changed = self._look_again(changed) or changed
        return changed

    def _note_events(self, paths: set[str]) -> None:
        self.changed_paths |= paths
        if paths:
            self._last_event = monotonic()

    def _hold_back(self, times: int) -> None:
        """Wait longer, as each round has begun right after the one before: an action may write to its own input.

        :param times: the number of such rounds
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
            found = self.found = fast_start.find(self._plain_call(), self.call.began)
        if found is not None and changed is None:
            # the first round loads the plan in any case, to know what to watch
            found.close()
        call = Round(self, options, found, changed)
        self._began, self._has_asked = time_ns(), False
        self._stamps = self._untold(found) | {path: {path: stamp(path)} for path in self.changed_paths}
        self.changed_paths.clear()
        before = _snapshot_of(found)
        self.display.round_begins(call)
        try:
            report = run(call)
            is_stopped = report.interrupted and self.stops.count > 0
            before_problem, self.problem = self.problem, self._text_of(report.problems)
            self._is_partial = bool(report.problems)
            is_well = self.problem == before_problem and (report.ok or bool(before_problem))
            self.display.round_ended(is_well=is_well and not is_stopped)
        except TreadleError as error:
            if changed is None and not isinstance(error, (PlanError, DAGError)):
                raise
            self._is_partial = False
            self._publish_problem(error)
        except OSError:
            # the folder may have been removed while the round ran
            self._here()
            raise
        finally:
            self.stops.detach()
            if found is not None:
                found.close()
        if before and before == _snapshot_of(found) and self.plan is not None and self.plan.plan_producers:
            # a run that generates plans writes no snapshot, and the old one would start rounds for ever
            os.unlink(before[0])
        if self.stops.count:
            return False
        if changed is None:
            self.display.watching()
        return not self.display.is_gone

    def _publish_problem(self, error: TreadleError) -> None:
        """Publish a problem, unless it is published already."""
        text = self._text_of([error])
        if text != self.problem:
            self.problem = text
            self.call.bus.publish("problem", error)
            self.display.problem(error)

    def _text_of(self, errors: Sequence[TreadleError]) -> str:
        """Return the text of some problems, "" for none, and watch the files in which they are."""
        problems = [one for error in errors for one in _problems_of(error)]
        self._places = {os.path.abspath(one.place.file) for one in problems if one.place is not None}
        return "\n".join(map(str, problems))

    def _plain_call(self) -> PlainCall:
        """Return the plain call with the same plan, parameters and names."""
        options = self.call.options
        here = os.path.join(self._here(), "")
        if self.plan is not None and not here.startswith(os.path.join(self.plan.root, "")):
            # the current folder is outside of the root, where no snapshot is looked for
            return fast_start.call_of(options, self.plan.file, self.plan.root)
        return fast_start.call_of(options)

    def _rest(self, found: FastStart | None) -> DeclaredInputs | None:
        """Return the declared inputs that no snapshot holds, None before a plan was loaded."""
        if self.declared is None or found is None or found.probed is None:
            return self.declared
        return self.declared.without(found.probed)

    def _untold(self, found: FastStart | None) -> Stamps:
        """Return the stamps of the inputs that no snapshot may hold after the next round."""
        rest = self._rest(found)
        if rest is None or self.declared is None:
            return {}
        if found is None or found.probed is None:
            return rest.stamps()
        return rest.stamps() | self.declared.of_dirty(found.probed).stamps()

    def take(self, plan: Project, call: Call, before: Stamp | None) -> None:
        """Take a plan that was loaded, and watch its inputs before a walk looks at them.

        :param call: the call of the round
        :param before: the stamp of its file before that was read
        """
        self.plan = plan
        uids = list(plan.actions)
        # the run reports names that match nothing
        with suppress(TreadleError):
            uids = [str(uid) for uid in plan.dag([*call.selected(plan), *plan.plan_producers]).vertex_data]
        self.declared = DeclaredInputs.of(plan, uids)
        self.declared.add_discovered()
        # after a problem all changes near it count, until a round has ended well
        if not self.problem and self._watch(self.declared.folders()):
            self._note_events(self.declared.folders_moved_since(plan))
        self._stamps = self.declared.stamps_of_load(plan, before)
        self._names = self.declared.names_of_load(plan)
        self._listed = self.declared.names_listed(plan)

    def _watch(self, folders: Iterable[str], *, deep: bool = False) -> bool:
        """Watch these folders; return whether the watcher is a new one, which may have missed changes."""
        if self.watcher is not None:
            if self.watcher.watches(folders, deep=deep):
                return False
            self._note_events(self.watcher.changed_paths())
            self.watcher.close()
        self.watcher = FileWatcher(folders, deep=deep, stop=self.stops)
        return True

    def _look(self) -> list[str]:
        """Return the names of what has changed since the last round began."""
        if self.watcher is not None:
            self._note_events(self.watcher.changed_paths())
        if self.problem:
            return self._look_for_mended()
        found = fast_start.find(self._plain_call(), monotonic())
        self._find(found)
        if self._watch(self._folders(found)):
            # a change from before the watcher began has no event
            if found is not None:
                found.close()
            found = fast_start.find(self._plain_call(), monotonic())
        self.found = found
        root, moved = self.plan.root if self.plan is not None else "", list[str]()
        if found is not None and found.probed is not None:
            root = found.root
            moved = [path for path in moved_paths(found.probed, root) if not self._is_made_in(path)]
            moved = self._without_litter(moved, found)
        rest = self._rest(found)
        if rest is not None:
            # events may be lost or late, so the stamps decide too
            moved += rest.moved_since(self._stamps)
            moved += [path for path in self.changed_paths if rest.holds(path) and not self._is_as_it_was(path)]
            # inputs that a snapshot held when the round began, or that were not known then, have no stamp
            moved += rest.changed_since(self._began - GRAIN, self._stamps)
        if moved and not self.changed_paths:
            # seen before its event: the burst of changes may have begun just now
            self._last_event = monotonic()
        if not moved:
            self.changed_paths.clear()
            if found is not None:
                found.close()
        reported = list(self.changed_paths)
        if moved and self.declared is not None:
            # the stamp of a folder may change before the event that names the file
            for path in moved:
                reported += self.declared.come_or_gone(path, self._listed) if path.endswith("/") else []
            reported = self.declared.others(reported)
        return names_of(moved, reported, root)

    def _without_litter(self, moved: list[str], found: FastStart) -> list[str]:
        """Return what has moved without folders of trees in which only names came or went that do not count."""
        if self.declared is None or not self.declared.trees or found.probed is None:
            return moved
        self._tree_folders.note(found.probed, found.root, self.declared)
        if not any(path.endswith("/") for path in moved):
            return moved
        same = self._tree_folders.are_as_they_were(found.probed, found.root, self.declared)
        return [path for path in moved if path not in same]

    def _is_made_in(self, path: str) -> bool:
        """Return whether a path is a folder of globs that moved for what actions made in it.

        Otherwise an action that runs in each round, as it fails or is to run always, would call for the next one.
        """
        declared = self.declared
        return path.endswith("/") and declared is not None and declared.has_only_made_in(path, self._names)

    def _find(self, found: FastStart | None) -> None:
        """Add the inputs that the last round has discovered, if no snapshot holds them."""
        probed = found.probed if found is not None else None
        if self.declared is None or self._has_asked or (probed is not None and not is_incomplete(probed)):
            return
        self._has_asked = True
        self.declared.add_discovered()

    def _is_as_it_was(self, path: str) -> bool:
        """Return whether a file has not changed since the last round began: its event came twice."""
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
        """Return what has changed near a plan with problems."""
        self.found = None
        folders = {os.path.dirname(path) for path in (self._plan_file(), *self._places)}
        is_new = self._watch({folder for folder in folders if os.path.isdir(folder)}, deep=True)
        state = f"/{STATE_FOLDER}/"
        changed_paths = [path for path in self.changed_paths if state not in path and not path.endswith(state[:-1])]
        self.changed_paths.clear()
        if self._is_partial and self.declared is not None:
            # known actions have run, and their outputs are no reason for a round
            changed_paths = self.declared.others(changed_paths)
        return names_of(changed_paths, (), os.path.dirname(self._plan_file())) or (["the plan"] if is_new else [])

    def _plan_file(self) -> str:
        if self.plan is not None:
            return self.plan.file
        self._here()
        nearby = fast_start.plans_nearby(os.getcwd())
        # with a plan above that cannot be read, the nearest one: both are watched
        return os.path.abspath(self.call.options.file or (nearby[0] if nearby else fast_start.DEFAULT_PLAN))

    def _folders(self, found: FastStart | None) -> set[str]:
        """Return the folders in which a change may start a round."""
        probed = found.probed if found is not None else None
        if found is None or probed is None:
            return self.declared.folders() if self.declared is not None else set()
        mark = probed.snapshot.section(PATHS)
        if mark != self._covered[0]:
            self._covered = (mark, folders_of(probed, found.root))
        if self.declared is None:
            return self._covered[1]
        return self._covered[1] | self.declared.without(probed).folders()


def _snapshot_of(found: FastStart | None) -> tuple[str, int] | None:
    """Return path and inode of the snapshot that was found, None without one."""
    path = os.path.join(found.root, STATE_FOLDER, FOLDER, found.name) if found is not None and found.name else ""
    try:
        return path, os.stat(path).st_ino
    except OSError:
        return None


def _problems_of(error: TreadleError) -> Sequence[TreadleError]:
    return error.problems if isinstance(error, PlanError) else (error,)


class Round(Call):
    """The call of one round.

    :param loop: the loop, which takes the plans that are loaded
    :param options: those of the round
    :param changed: the names of what has changed, None the first time
    """

    def __init__(
        self, loop: WatchLoop, options: Options, found: FastStart | None, changed: Sequence[str] | None
    ) -> None:
        super().__init__("", options, console=loop.display.console(options, changed), stops=loop.stops, found=found)
        self.bus = Bus(within=loop.call.bus)
        self.loop = loop
        # what was changed in the round before holds in this one
        controls = controls_of(loop.call)
        controls.go_on_in(self)
        self.controls = controls
        if changed is not None:
            self.began = monotonic()
            self.is_member_noted = True

    def load_with(self, made: Collection[str]) -> Project:
        """Load the plan, and hand it to the loop."""
        before = stamp(os.path.abspath(self.plan_file()))
        plan = super().load_with(made)
        self.loop.take(plan, self, before)
        return plan

    def publish_problem(self, error: TreadleError) -> None:
        """Publish a problem of a generated plan, unless the round before has published it."""
        if "\n".join(map(str, _problems_of(error))) not in self.loop.problem:
            super().publish_problem(error)
