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

from treadle.cli import failures as errors
from treadle.cli.exit_codes import GONE
from treadle.errors import DAGError, PlanError, TreadleError, UsageError
from treadle.fastpath.probe import FOLDER
from treadle.fastpath.snapshot_file import PATHS
from treadle.session import fast_start as at_once
from treadle.state.store import STATE_FOLDER
from treadle.ui.console import Context, find_plan
from treadle.ui.screen import Screen
from treadle.ui.text import line, safe

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
    from collections.abc import Callable, Collection, Iterable, Sequence

    from treadle.content.files import Stamp
    from treadle.plan import Plan
    from treadle.session.fast_start import Call, Found
    from treadle.session.options import Options
    from treadle.ui.text import Line

    from .inputs import Stamps

_SHOWN_NAMES = 5
_SECOND_LOOK = 1.0
"""Seconds of quiet after which it is looked once more: a folder that is new is heard of a moment too late."""
_PATIENCE = 10
"""Rounds in a row that are called for while the one before still runs; further ones are held back."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0


def watch_command(context: Context, run_once: Callable[[Context], int]) -> int:
    """Run what was named, and again each time something that it depends on changes, until somebody ends it.

    :param run_once: what a plain `treadle run` does
    """
    options = context.options
    if options.dry:
        raise UsageError("-n runs nothing: there is nothing to run again", hint="leave one of -n and --watch away")
    files = (options.events, options.junit, options.trace, options.html)
    if any(files):
        names = [name for name, file in zip(("events", "junit", "trace", "html"), files, strict=True) if file]
        raise UsageError(
            f"--{names[0]} is written of one run, and --watch makes many",
            hint="run once with it, without --watch",
        )
    require_library()
    return Again(context, run_once).run()


class Again:
    """Rounds of runs, until a signal comes or the output is closed.

    :param context: the call
    :param run_once: what a plain `treadle run` does
    """

    def __init__(self, context: Context, run_once: Callable[[Context], int]) -> None:
        self.context = context
        self.run_once = run_once
        self.interrupts = context.interrupts
        self.plan: Plan | None = None
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
        self._places: set[str] = set()
        self._covered: tuple[bytes, set[str]] = (b"", set())

    def run(self) -> int:
        """Return the exit code."""
        code = self._round(self._options(is_first=True), None)
        restless = 0
        while code is None:
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
            code = self._round(self._options(), self._settled(changed))
        return code

    def _here(self) -> str:
        """Return the folder that we stand in.

        :raises UsageError: it has gone
        """
        try:
            return os.getcwd()
        except OSError:
            raise UsageError("the folder that was watched has gone") from None

    def _options(self, *, is_first: bool = False) -> Options:
        options = copy(self.context.options)
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
        while (left := end - monotonic()) > 0:
            self._wait(left)

    def _round(self, options: Options, changed: Sequence[str] | None) -> int | None:
        """Run once; return an exit code if it was the last time.

        :param changed: what has changed, None the first time
        """
        found = self.found
        if found is None:
            found = self.found = at_once.find(self._call(), self.context.began)
        if found is not None and changed is None:
            # the first time the plan is loaded in any case: it says what to watch
            _close(found)
        context = RoundContext(self, options, found, changed)
        self._began, self._has_asked = time_ns(), False
        self._stamps = self._untold(found) | {path: {path: stamp(path)} for path in self.heard}
        self.heard.clear()
        before = _snapshot_of(found)
        try:
            code = self.run_once(context)
            if self.problem or code:
                context.show()
            self.problem = ""
        except TreadleError as error:
            if changed is None and not isinstance(error, (PlanError, DAGError)):
                raise
            self._tell(error, context)
            code = 0
        finally:
            self.interrupts.detach()
            if found is not None:
                _close(found)
        if before and before == _snapshot_of(found) and self.plan is not None and self.plan.makers:
            # a run that makes plans keeps none, and that of the run before would call for rounds for ever
            os.unlink(before[0])
        if self.interrupts.code:
            return self.interrupts.code
        if changed is None and not self.context.options.quiet:
            self.context.warn("watching for changes, Ctrl-C ends it")
        return GONE if context.screen.gone else None

    def _tell(self, error: TreadleError, context: RoundContext) -> None:
        """Tell what is wrong, unless it has been told."""
        problems = error.problems if isinstance(error, PlanError) else (error,)
        text = "\n".join(str(problem) for problem in problems)
        self._places = {os.path.abspath(one.place.file) for one in problems if one.place is not None}
        if text != self.problem:
            self.problem = text
            context.show()
            errors.tell(error, context)

    def _call(self) -> Call:
        """Return the plain call that has the same plan, parameters and names."""
        options = self.context.options
        call = at_once.Call()
        call.names, call.params, call.rest = list(options.names), dict(options.params), options.rest
        call.jobs, call.keep_going = options.jobs, options.keep_going
        call.file = options.file
        here = os.path.join(self._here(), "")
        if self.plan is not None and not here.startswith(os.path.join(self.plan.root, "")):
            # we stand outside of the root, where no snapshot is looked for
            call.file, call.folder = self.plan.file, self.plan.root
        call.words = ["-f", call.file] if call.file else []
        for name, value in options.params.items():
            call.words += ["-p", f"{name}={value}"]
        call.words += options.names
        if options.tags:
            call.tags = options.tags
            call.words += ["-l", options.tags]
        if options.rest is not None:
            call.words += ["--", *options.rest]
        return call

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

    def take(self, plan: Plan, before: Stamp | None) -> None:
        """Take in a plan that was loaded, and hear of all that it reads before anybody looks at it.

        :param before: the stamp of its file before that was read
        """
        self.plan = plan
        uids = list(plan.actions)
        # names that stand for nothing are told of by the run
        with suppress(TreadleError):
            uids = [str(uid) for uid in plan.dag([*self.context.selected(plan), *plan.makers]).vertex_data]
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
        self.ears = Ears(folders, deep=deep)
        return True

    def _look(self) -> list[str]:
        """Return the names of what has changed since the last round began to look, none if nothing has."""
        if self.ears is not None:
            self._hear_of(self.ears.heard())
        if self.problem:
            return self._look_for_mended()
        found = at_once.find(self._call(), monotonic())
        self._find(found)
        if self._hear(self._folders(found)):
            # what has changed before we heard of it is only seen now
            if found is not None:
                _close(found)
            found = at_once.find(self._call(), monotonic())
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
                _close(found)
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
            _close(self.found)
        return self._look()

    def _look_for_mended(self) -> list[str]:
        """Return what has changed anywhere near a plan that is not right."""
        self.found = None
        folders = {os.path.dirname(path) for path in (self._plan_file(), *self._places)}
        is_new = self._hear({folder for folder in folders if os.path.isdir(folder)}, deep=True)
        state = f"/{STATE_FOLDER}/"
        heard = [path for path in self.heard if state not in path and not path.endswith(state[:-1])]
        self.heard.clear()
        return names_of(heard, (), os.path.dirname(self._plan_file())) or (["the plan"] if is_new else [])

    def _plan_file(self) -> str:
        options = self.context.options
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


def _close(found: Found) -> None:
    if found.answer is not None:
        found.answer.snapshot.close()
        found.answer = None


class RoundContext(Context):
    """The context of one round: what it prints comes below what has changed, once an action starts.

    :param again: hears of plans that are loaded
    :param options: those of the round
    :param changed: the names of what has changed, None the first time
    """

    def __init__(self, again: Again, options: Options, found: Found | None, changed: Sequence[str] | None) -> None:
        super().__init__(options, again.interrupts, found)
        self.again = again
        if changed is not None:
            self.began = monotonic()
            self.screen = LateScreen(self.screen, _heading(changed))

    def load_with(self, made: Collection[str]) -> Plan:
        """Load the plan, and say so."""
        before = stamp(os.path.abspath(self.plan_file()))
        plan = super().load_with(made)
        self.again.take(plan, before)
        return plan

    def starts(self) -> None:
        """Hear that an action starts: now there is something to show, but what went well is not with `-q`."""
        if not self.options.quiet:
            self.show()

    def show(self) -> None:
        """Print what was held back, and all that follows at once."""
        if isinstance(self.screen, LateScreen):
            self.screen.show()


class LateScreen(Screen):
    """A screen that shows nothing until it is told to: a save that changes nothing is worth no line.

    :param screen: where it shows it then
    :param heading: what it shows first
    """

    def __init__(self, screen: Screen, heading: Line) -> None:
        super().__init__(screen.stream, colours=screen.colours, redraws=screen.redraws)
        self._late: list[Line] | None = [heading]

    def write(self, lines: Iterable[Line]) -> None:
        """Write lines that stay, or keep them."""
        if self._late is None:
            super().write(lines)
        else:
            self._late += lines

    def draw(self, status: Line) -> None:
        """Draw the status line, if anything is shown."""
        if self._late is None:
            super().draw(status)

    def show(self) -> None:
        """Write what was kept."""
        late, self._late = self._late, None
        if late is not None:
            super().write(late)


def _heading(changed: Sequence[str]) -> Line:
    shown = ", ".join(safe(name) for name in changed[:_SHOWN_NAMES])
    more = len(changed) - _SHOWN_NAMES
    return line(("changed: ", "warn"), shown + (f" and {more} more" if more > 0 else ""))
