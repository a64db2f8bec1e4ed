"""Records a run in its folder, from the first start of an action on: a run with nothing to do writes nothing.

What is skipped is not written, only counted: a run of one action of ten thousand has a file of a few lines.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING

from treadle.content.trust import STATE_FOLDER
from treadle.core.outcomes import SKIPPED
from treadle.core.states import DRAINING, OPENED, RUN, RUNNING, STOPPING, ActionStates, end_of_run, step
from treadle.events.background import DELAY
from treadle.events.bus import Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treadle.core.decision import Verdict
    from treadle.errors import TreadleError
    from treadle.events.background import Background
    from treadle.events.bus import Action, Ended, LogOpened, PlanRead, RunEnded, Started, WalkBegan, WalkEnded
    from treadle.events.recorder import Recorder

    from .run_record import RunRecord
    from .run_sink import RunSink


class Recording(Subscriber):
    """Writes the events of one run to its folder.

    :param root: the folder that paths are relative to; the state folder is in it
    :param record: what the run says of itself
    :param warn: prints a remark on the run; called once if it cannot be recorded
    :param at_once: whether it is recorded also if nothing starts
    :param begin_beside: begins the thread of a long run
    """

    tick = DELAY

    def __init__(
        self,
        root: str,
        record: RunRecord,
        warn: Callable[[str], None],
        *,
        at_once: bool = False,
        begin_beside: Callable[[Recording], Background] | None = None,
    ) -> None:
        self.root = root
        self.state_folder = os.path.join(root, STATE_FOLDER)
        self.record = record
        self.id = ""
        """The identifier of the run, "" as long as it is not recorded."""
        self.warn = warn
        self._at_once = at_once
        self._failed = False
        self._recorder: Recorder | None = None
        self._sink: RunSink | None = None
        self._plan: PlanRead | None = None
        self._actions: dict[str, Action] = {}
        self._verdicts: dict[str, Verdict] = {}
        """What is known of actions that are not written yet."""
        self._skipped = 0
        self.state = OPENED
        """That of the run, one of `core.states.RUN`."""
        self.states = ActionStates()
        """Those of its actions."""
        self._has_problems = False
        self._early: list[tuple[str, object]] = []
        """Notes and problems from before the first start."""
        self.background: Background | None = None
        """The thread beside the loop, None in a short run."""
        self._begin_beside = begin_beside
        self._is_long_at: float | None = None

    def _opened(self) -> Recorder | None:
        """Return the recorder, which is made at the first call; None if the run cannot be recorded."""
        if self._recorder is not None or self._failed:
            return self._recorder
        from treadle.errors import TreadleError

        from .run_sink import open_run

        try:
            self.id, self._sink, self._recorder = open_run(self.root, self.state_folder, self.record, self._lose)
        except (OSError, TreadleError) as error:
            self._lose(str(error) if isinstance(error, TreadleError) else f"{error.filename}: {error.strerror}")
            return None
        if self._plan is not None:
            self._recorder.plan_read(self._plan)
        for method, argument in self._early:
            getattr(self._recorder, method)(argument)
        self._early.clear()
        return self._recorder

    def _lose(self, why: str) -> None:
        """Go on without a record; a look finds what was written so far."""
        if not self._failed:
            self._failed = True
            self._recorder = None
            self.warn(f"the run is not recorded any more: {why}" if self.id else f"the run is not recorded: {why}")

    def _told(self, name: str) -> Recorder | None:
        """Return the recorder, which knows of an action what went before."""
        recorder = self._opened()
        if recorder is not None:
            action = self._actions.pop(name, None)
            if action is not None:
                recorder.action(action)
            verdict = self._verdicts.pop(name, None)
            if verdict is not None:
                recorder.decided(name, verdict)
        return recorder

    def plan_read(self, event: PlanRead) -> None:
        """Keep the plan, or record more of it."""
        self._plan = event
        if self._recorder is not None:
            self._recorder.plan_read(event)

    def _go(self, state: str) -> None:
        self.state = step(RUN, self.state, state, "a run")

    def walk_began(self, event: WalkBegan) -> None:
        """Open the record at once if that was asked for."""
        if self.state == OPENED:
            self._go(RUNNING)
        self.states.begin(event.names)
        if self._at_once:
            self._opened()

    def action(self, event: Action) -> None:
        """Keep an action until something happens to it."""
        self._actions[event.name] = event

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
            self._actions.pop(event.name, None)
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

    def _say(self, method: str, argument: object) -> None:
        if self._recorder is not None:
            getattr(self._recorder, method)(argument)
        elif not self._failed:
            self._early.append((method, argument))

    def round(self) -> None:
        """Write what has happened; begin the thread of a run that has become a long one."""
        if self._recorder is not None:
            self._recorder.round()
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
        """Record the end of the run.

        :param error: what has ended it in the middle
        """
        self._write_end(exit_code, error)
        if self.background is not None:
            self.background.close()

    def _write_end(self, exit_code: int, error: BaseException | None) -> None:
        recorder = self._recorder
        if recorder is None and error is not None and self._at_once and os.path.isdir(self.state_folder):
            # a plan that is wrong: nothing was walked
            recorder = self._opened()
        if recorder is None:
            return
        if error is not None:
            self._has_problems = True
            recorder.record_problems(error)
        self._go(end_of_run(exit_code, is_interrupted=recorder.interrupted, has_problems=self._has_problems))
        recorder.summary(exit_code, skipped=self._skipped)
        if self._sink is not None:
            self._sink.close()
