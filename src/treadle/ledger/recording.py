"""Records a run in its folder, from the first start of an action on: a run with nothing to do writes nothing.

What is skipped is not written, only counted: a run of one action of ten thousand has a file of a few lines. Lines
are written once a round, after the records of what has ended: nothing is reported as done that is not on record.
"""

from __future__ import annotations

import os
from time import gmtime, monotonic, strftime

from treadle.content.trust import STATE_FOLDER
from treadle.core.outcomes import SKIPPED
from treadle.core.states import DRAINING, OPENED, RUN, RUNNING, STOPPING, ActionStates, end_of_run, step
from treadle.events.bus import Subscriber

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from treadle.core.decision import Verdict
    from treadle.errors import TreadleError
    from treadle.events.background import Background
    from treadle.events.bus import (
        Action,
        Ended,
        LogOpened,
        PlanRead,
        Requested,
        Restored,
        RunEnded,
        Started,
        Stored,
        WalkBegan,
        WalkEnded,
    )
    from treadle.events.encoding import Event
    from treadle.events.recorder import Recorder

FLAGS = ("with_after", "force_all")
NUMBERS = ("repeat_until_pass", "repeat_after_timeout", "repeat_until_fail")
JUDGING = ("only", "where", "with_blocked")
SELECTING = ("tags", "since", *JUDGING, "force", *FLAGS, *NUMBERS)
"""Options that say, besides names and parameters, what a run runs: by their attributes."""
DELAY = 2.0
"""Seconds after its first start from which on a run counts as a long one: it has a thread next to its loop."""


class RunRecord:
    """What a recorded run says of itself at its begin.

    :ivar began: on the monotonic clock
    :ivar began_at: in seconds since the epoch
    :ivar names: the names that were selected
    :ivar argv: the words of the command line; none in a program
    :ivar about: returns further fields of the event `run`; called with the root when the record begins
    """

    __slots__ = ("about", "argv", "began", "began_at", "names", "params")

    def __init__(
        self,
        began: float,
        began_at: float,
        names: Sequence[str] = (),
        argv: Sequence[str] = (),
        params: Mapping[str, str] | None = None,
        about: Callable[[str], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        self.began = began
        self.began_at = began_at
        self.names = names
        self.argv = argv
        self.params = params or {}
        self.about = about


def began_text(began_at: float) -> str:
    """Return a time in seconds since the epoch as records have it: rounded down, as an identifier is."""
    return f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(began_at))}.{int(began_at * 1000) % 1000:03d}Z"


class RunSink:
    """Writes the events of one run, and drops what its actions print: that is in their logs.

    :param path: the file
    :param lose: called with the reason when it cannot be written any more
    """

    are_live = False

    def __init__(self, path: str, lose: Callable[[str], None]) -> None:
        from treadle.events.encoding import encoded
        from treadle.events.files import Lines

        self._lines = Lines(path)
        self._encoded = encoded
        self._lose = lose

    def set_root(self, root: str) -> None:
        """Ignore the root: the recorder has made all paths relative to it."""

    def take(self, event: Event) -> None:
        """Keep an event until `write`."""
        self._lines.add(self._encoded(event))

    def flush(self) -> None:
        """Write nothing: a start may be reported while the record of what has ended before it waits."""

    def write(self) -> None:
        """Write the events that wait."""
        if not self._lines.flush():
            self._lose(self._lines.failure)

    def close(self) -> None:
        """Write the events that wait, and give the lock on the file back."""
        self.write()
        self._lines.close()


class Recording(Subscriber):
    """Writes the events of one run to its folder.

    :param root: returns the folder that paths are relative to, if no plan was read; the state folder is in it
    :param record: what the run says of itself
    :param warn: prints a remark on the run; called once if it cannot be recorded
    :param at_once: whether it is recorded also if nothing starts
    :param begin_beside: begins the thread of a long run
    """

    tick = DELAY

    def __init__(
        self,
        root: Callable[[], str],
        record: RunRecord,
        warn: Callable[[str], None],
        *,
        at_once: bool = False,
        begin_beside: Callable[[Recording], Background] | None = None,
    ) -> None:
        self._root = root
        self.state_folder = ""
        """The state folder, "" as long as the run is not recorded."""
        self.record = record
        self.id = ""
        """The identifier of the run, "" as long as it is not recorded."""
        self.folder = ""
        """The folder of the run, "" as long as it is not recorded."""
        self.warn = warn
        self._at_once = at_once
        self._failed = False
        self._recorder: Recorder | None = None
        self._sink: RunSink | None = None
        self._plan: PlanRead | None = None
        self._describe: dict[str, Callable[[str], Action]] = {}
        """name -> what returns its action, of actions that are not written yet."""
        self._verdicts: dict[str, Verdict] = {}
        """What was decided of actions that are not written yet."""
        self._skipped = 0
        self.state = OPENED
        """That of the run, one of `core.states.RUN`."""
        self.states = ActionStates()
        """Those of its actions."""
        self._has_problems = False
        self._early: list[tuple[str, object]] = []
        """Notes and problems from before the first start."""
        self.background: Background | None = None
        """The thread next to the loop, None in a short run."""
        self._is_behind = False
        self._begin_beside = begin_beside
        self._is_long_at: float | None = None

    def open(self, root: str) -> str:
        """Record the run from now on; return its identifier, "" if it cannot be recorded.

        :param root: the folder that paths are relative to
        """
        self._root = lambda: root
        return self.id if self._opened() is not None else ""

    @property
    def began(self) -> str:
        """When the run began, in UTC."""
        return began_text(self.record.began_at)

    def _opened(self) -> Recorder | None:
        """Return the recorder, which is made at the first call; None if the run cannot be recorded."""
        if self._recorder is not None or self._failed:
            return self._recorder
        from treadle.errors import TreadleError

        try:
            recorder = self._recorder = self._begun()
        except (OSError, TreadleError) as error:
            self._lose(str(error) if isinstance(error, TreadleError) else f"{error.filename}: {error.strerror}")
            return None
        if self._plan is not None:
            recorder.plan_read(self._plan)
        for method, argument in self._early:
            getattr(recorder, method)(argument)
        self._early.clear()
        if self._sink is not None:
            # one that is killed in its first round can be gone on with too: it has said how it was called
            self._sink.write()
        return recorder

    def _opened_if_there(self) -> Recorder | None:
        """Return the recorder if there is a state folder: a call that is wrong makes none."""
        from treadle.errors import TreadleError

        try:
            root = self._root_now()
        except TreadleError:
            return None
        return self._opened() if os.path.isdir(os.path.join(root, STATE_FOLDER)) else None

    def _root_now(self) -> str:
        return self._root() if self._plan is None else self._plan.root

    def _begun(self) -> Recorder:
        """Make the folder of the run, and begin its events.

        :raises OSError: it cannot be made
        :raises UsageError: the events cannot be written
        """
        from treadle import __version__
        from treadle.events.recorder import Recorder

        from .run_files import make_run_folder, new_id, own_origin

        record = self.record
        root = self._root_now()
        state = os.path.join(root, STATE_FOLDER)
        run = new_id(record.began_at)
        path = make_run_folder(state, run)
        sink = RunSink(path, self._lose)
        recorder = Recorder(sink, record.began)
        about = {"id": run, "origin": own_origin(state), "pid": os.getpid(), "host": os.uname().nodename}
        about |= record.about(root)
        recorder.begin(
            *(root, self.began, record.names, __version__), argv=record.argv, params=record.params, about=about
        )
        self.id, self.state_folder, self.folder, self._sink = run, state, os.path.dirname(path), sink
        return recorder

    def _lose(self, why: str) -> None:
        """Go on without a record; a look finds what was written so far."""
        if not self._failed:
            self._failed = True
            self._recorder = None
            self.warn(f"the run is not recorded any more: {why}" if self.id else f"the run is not recorded: {why}")

    def _told(self, name: str) -> Recorder | None:
        """Return the recorder, which knows of an action what went before."""
        recorder = self._recorder or self._opened()
        if recorder is not None:
            describe = self._describe.pop(name, None)
            if describe is not None:
                recorder.action(describe(name))
            verdict = self._verdicts.pop(name, None)
            if verdict is not None:
                recorder.decided(name, verdict)
        return recorder

    def tell_behind(self, text: str) -> None:
        """Print once that the ledger has not all of the run."""
        if not self._is_behind:
            self._is_behind = True
            self.warn(text)

    def plan_read(self, event: PlanRead) -> None:
        """Keep the plan, or record more of it."""
        self._plan = event
        if self._recorder is not None:
            self._recorder.plan_read(event)
            if self.state == OPENED and self._sink is not None:
                # it may wait for another run before it walks: others know of it, and what it was called with
                self._sink.write()

    def _go(self, state: str) -> None:
        self.state = step(RUN, self.state, state, "a run")

    def walk_began(self, event: WalkBegan) -> None:
        """Keep what describes the actions; open the record at once if that was asked for."""
        if self.state == OPENED:
            self._go(RUNNING)
        self.states.begin(event.names)
        if event.describe is not None:
            self._describe.update(dict.fromkeys(event.names, event.describe))
        if self._at_once:
            self._opened()

    def decided(self, name: str, verdict: Verdict) -> None:
        """Keep a verdict until something happens to its action."""
        self._verdicts[name] = verdict

    def started(self, event: Started) -> None:
        """Record the start of an attempt."""
        if self._is_long_at is None:
            self._is_long_at = event.at + DELAY
        self.states.started(event.name, event.attempt)
        recorder = self._told(event.name)
        if recorder is not None:
            recorder.started(event)

    def log_opened(self, _: LogOpened) -> None:
        """Drop it: what an action prints is in its log, and not in the record."""

    def attempt_ended(self, event: Ended) -> None:
        """Record the end of an attempt that another one follows."""
        self.states.attempt_ended(event.name, event.attempts, event.outcome)
        recorder = self._told(event.name)
        if recorder is not None:
            recorder.attempt_ended(event)

    def ended(self, event: Ended) -> None:
        """Record the end of an action, count one that was skipped."""
        if event.how == SKIPPED:
            self._verdicts.pop(event.name, None)
            self._skipped += 1
            return
        self.states.ended(event.name, event.attempts, event.outcome)
        recorder = self._told(event.name)
        if recorder is not None:
            recorder.ended(event)

    def draining(self) -> None:
        """Take note that nothing new starts."""
        if self.state == RUNNING:
            self._go(DRAINING)

    def stop_requested(self, _: int) -> None:
        """Take note that the run is asked to stop."""
        if STOPPING in RUN[self.state]:
            self._go(STOPPING)

    def blocked(self, names: Sequence[str], origins: Sequence[str]) -> None:
        """Record blocked names of a plan that was not generated."""
        recorder = self._opened()
        if recorder is not None:
            recorder.blocked(names, origins)

    def note(self, text: str) -> None:
        """Record a remark."""
        self._say("note", text)

    def problem(self, error: TreadleError) -> None:
        """Record the errors of a generated plan."""
        self._has_problems = True
        self._say("problem", error)

    def outputs_restored(self, event: Restored) -> None:
        """Record that outputs were restored."""
        recorder = self._told(event.name)
        if recorder is not None:
            recorder.outputs_restored(event)

    def outputs_stored(self, event: Stored) -> None:
        """Record that outputs were stored."""
        if self._recorder is not None:
            self._recorder.outputs_stored(event)

    def requested(self, event: Requested) -> None:
        """Record a request."""
        if self._recorder is not None:
            self._recorder.requested(event)

    def _say(self, method: str, argument: object) -> None:
        if self._recorder is not None:
            getattr(self._recorder, method)(argument)
        elif not self._failed:
            self._early.append((method, argument))

    def round(self) -> None:
        """Write what has happened; begin the thread of a run that has become a long one."""
        if self._sink is not None and self._recorder is not None:
            self._sink.write()
        if self.background is not None:
            self.background.round()
        elif self._is_long_at is not None and monotonic() >= self._is_long_at:
            self.go_beside()

    def go_beside(self) -> Background | None:
        """Return the thread of this run, which begins at the first call; None if it is not recorded."""
        if self.background is None and self._begin_beside is not None and self._recorder is not None:
            self.background = self._begin_beside(self)
        return self.background

    def walk_ended(self, event: WalkEnded) -> None:
        """Keep the actions that the walk has not started."""
        if self._recorder is not None:
            self._tell_left(event)
            self._recorder.walk_ended(event)

    def run_ended(self, event: RunEnded) -> None:
        """Record the actions that the run has not started."""
        if self._recorder is not None:
            self._tell_left(event)
            self._recorder.run_ended(event)

    def _tell_left(self, event: WalkEnded) -> None:
        for name in event.verdicts:
            self._told(name)

    def close(self, exit_code: int, error: BaseException | None = None) -> None:
        """Record the end of the run, and remove the records of old ones.

        :param error: what has ended it in the middle
        """
        self._write_end(exit_code, error)
        if self.background is not None and not self.background.close():
            self.tell_behind("the ledger has not answered for some seconds; what happens is added to it later")
        if self.id:
            from .run_files import remove_old_runs

            remove_old_runs(self.state_folder, self.record.began_at)

    def _write_end(self, exit_code: int, error: BaseException | None) -> None:
        recorder = self._recorder
        if recorder is None and error is not None and self._at_once:
            from treadle.errors import BusyError

            # a plan that is wrong: nothing was walked; what is refused for another run leaves nothing
            recorder = None if isinstance(error, BusyError) else self._opened_if_there()
        if recorder is None:
            return
        if error is not None:
            self._has_problems = True
            recorder.record_problems(error)
        self._go(end_of_run(exit_code, is_interrupted=recorder.interrupted, has_problems=self._has_problems))
        recorder.summary(exit_code, skipped=self._skipped)
        if self._sink is not None:
            self._sink.close()
