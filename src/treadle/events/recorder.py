"""Recording: takes in what happens in a run, and tells its events to whatever wants them.

Only a run whose events, or what is made of them, are wanted loads it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Protocol

from treadle.core.decision import Verdict, blocked
from treadle.core.outcomes import BLOCKED, NOT_STARTED, STATUSES
from treadle.errors import PlanError, TreadleError

from .bus import Action, Ended, LogOpened, PlanRead, RunEnded, Started, Subscriber, WalkBegan, WalkEnded
from .sanitize import Tail
from .schema import SCHEMA, Event, inside, place_data, problem_data, reason_data, without_root


class Sink(Protocol):
    """Takes the events of a run."""

    @property
    def are_live(self) -> bool:
        """Whether they are read while the run lasts."""

    def set_root(self, root: str) -> None:
        """Use the folder that the paths of the events are relative to."""

    def take(self, event: Event) -> None:
        """Write or keep an event."""

    def flush(self) -> None:
        """Write the events that wait."""


TICK = 0.1
"""Seconds between two looks at what is printed."""


class Recorder(Subscriber):
    """Tells of one run: its begin, what its walks do, its end.

    :param sink: what takes the events
    :param began: when the run began, on the monotonic clock
    :param files: what the run itself writes
    :param warn: says something of the run to all who follow it
    """

    needs_all = True

    def __init__(
        self, sink: Sink, began: float, files: Sequence[str] = (), warn: Callable[[str], None] | None = None
    ) -> None:
        self.sink = sink
        self.files = files
        self.warn = warn
        self.tick = TICK if sink.are_live else None
        self.ends: dict[str, str] = {}
        """name -> status of all that is through."""
        self.interrupted = False
        self._began = began
        self._saved = 0.0
        self._over_at: float | None = None
        self._root = ""
        """What paths are relative to; the folder of the plan as long as it was not read."""
        self._left: dict[str, Verdict | None] = {}
        """What the last walk did not come to."""
        self._starts: dict[str, float] = {}
        self._tails: dict[str, Tail] = {}
        self._logs: dict[str, str] = {}
        """name -> the log of what prints to it now."""
        self._between: dict[str, dict[str, Any]] = {}
        """name -> how its last attempt ended, of those that should be tried again."""
        self._has_plan = False
        self._known: set[str] = set()
        self._told: set[str] = set()
        """Names whose verdict has been told."""
        self._next_look = 0.0

    def begin(self, root: str, began: str, names: Sequence[str], version: str) -> None:
        """Tell that the run begins.

        :param root: the folder of the plan, as far as it is known
        :param began: when, as a date and time of UTC
        :param names: what was asked for
        :param version: that of Treadle
        """
        self._set_root(root)
        self._record("run", schema=SCHEMA, treadle=version, began=began, names=list(names))
        self.sink.flush()

    def plan_read(self, event: PlanRead) -> None:
        """Tell of the plan."""
        self._set_root(event.root)
        is_first = not self._has_plan
        self._has_plan = True
        self._record(
            "plan", file=event.file, actions=event.total, queues=event.queues, left_out=dict(event.disabled)
        )
        if is_first and self.warn is not None:
            self._warn_of_files_in_the_way(event, self.warn)

    def _warn_of_files_in_the_way(self, plan: PlanRead, warn: Callable[[str], None]) -> None:
        """Say of a file of the run that an action reads or makes it: what it holds is another thing each time."""
        for path in self.files:
            touching = plan.touching(os.path.relpath(os.path.realpath(path), os.path.realpath(plan.root)))
            if touching:
                warn(f"{path} is part of what {touching[0]} reads or makes: it will run again each time")

    def waiting(self, holder: str) -> None:
        """Tell what we wait for."""
        self._record("waiting", holder=holder)
        self.sink.flush()

    def note(self, text: str) -> None:
        """Tell what is to be said of the state."""
        self._record("note", text=without_root(text, self._root))

    def walk_began(self, _: WalkBegan) -> None:
        """Have written what was told: the actions follow."""
        self.sink.flush()

    def action(self, event: Action) -> None:
        """Tell what an action is."""
        if event.name in self._known:
            return
        self._known.add(event.name)
        self._record(
            "action",
            name=event.name,
            family=event.family,
            help=event.help,
            command=event.command,
            needs=event.needs,
            after=event.after,
            queue=event.queue,
            tokens=event.tokens,
            **({"place": place_data(event.place, self._root)} if event.place is not None else {}),
        )

    def decided(self, name: str, verdict: Verdict) -> None:
        """Tell what is to be done with an action, and why."""
        if name not in self._told:
            self._told.add(name)
            reasons = [reason_data(why) for why in verdict.reasons]
            self._record("verdict", name=name, verdict=verdict.outcome, reasons=reasons)

    def started(self, event: Started) -> None:
        """Tell that an attempt starts."""
        self._between.pop(event.name, None)
        start = self._starts[event.name] = _rounded(event.at - self._began)
        self._record("started", name=event.name, attempt=event.attempt, slot=event.slot, start=start)
        # a look after a kill finds what was running
        self.sink.flush()

    def log_opened(self, event: LogOpened) -> None:
        """Follow what an attempt prints: further attempts add to the log of the first."""
        self._logs[event.name] = event.log
        if event.name not in self._tails:
            self._tails[event.name] = Tail(event.log)

    def attempt_ended(self, event: Ended) -> None:
        """Tell how an attempt ended that another one follows."""
        said = self._end_of(event, last=False)
        self._between[event.name] = said
        kept = ("name", "start", "duration", "exit_code", "failure")
        attempt = {key: said[key] for key in kept if key in said}
        self._record("attempt", **attempt, attempt=event.attempts, delay=event.delay or 0.0)

    def ended(self, event: Ended) -> None:
        """Tell how an action ended; of one that was to be tried again, and was not, its last attempt is told."""
        last = self._between.get(event.name)
        if last is None or last["attempts"] != event.attempts:
            last = self._end_of(event, last=True)
        self._tell_end(last)

    def round(self) -> None:
        """Tell what was printed meanwhile, and have all of it written."""
        now = monotonic()
        if self.tick is not None and now >= self._next_look:
            self._next_look = now + TICK
            for name in self._logs:
                self._tell_output(name)
        self.sink.flush()

    def walk_ended(self, event: WalkEnded) -> None:
        """Keep what the walk did not come to, should it be the last one."""
        self._left = dict(event.verdicts)
        self.interrupted = event.interrupted
        self._saved = event.saved

    def run_ended(self, event: RunEnded) -> None:
        """Tell of what the run did not come to."""
        self._over_at = monotonic()
        self._left = dict(event.verdicts)
        self.interrupted = event.interrupted
        self._finish()

    def blocked(self, names: Sequence[str], origins: Sequence[str]) -> None:
        """Tell what is blocked before it is an action of a walk; all that is known of it is its name."""
        verdict = blocked(origins)
        for name in names:
            if name not in self._known:
                self._known.add(name)
                known = {"family": name, "help": "", "command": "", "needs": list(origins), "after": []}
                self._record("action", name=name, **known, queue="default", tokens=1)
            self.decided(name, verdict)
            self._tell_end({"name": name, "status": BLOCKED, "attempts": 0, "duration": 0.0})

    def problem(self, error: TreadleError) -> None:
        """Tell of a plan that was generated and is not right."""
        self.tell_problems(error)

    def tell_problems(self, error: BaseException) -> None:
        """Tell of an error, or of each of the problems in it."""
        for problem in error.problems if isinstance(error, PlanError) else (error,):
            if isinstance(problem, TreadleError):
                self._record("problem", **problem_data(problem, self._root))
            else:
                self._record("problem", text=f"{type(problem).__name__}: {problem}".removesuffix(": "))

    def summary(self, exit_code: int) -> None:
        """Tell the sum of it."""
        if self._over_at is None:
            self._finish()
        counts = dict.fromkeys(STATUSES, 0)
        for status in self.ends.values():
            counts[status] += 1
        self._record(
            "summary",
            total=sum(counts.values()),
            counts=counts,
            duration=_rounded((self._over_at or monotonic()) - self._began),
            saved=_rounded(self._saved),
            interrupted=self.interrupted,
            exit_code=exit_code,
        )

    def _finish(self) -> None:
        for name, verdict in self._left.items():
            if verdict is not None:
                self.decided(name, verdict)
            self._tell_end({"name": name, "status": NOT_STARTED, "attempts": 0, "duration": 0.0})
        self._left = {}

    def _end_of(self, event: Ended, *, last: bool) -> dict[str, Any]:
        """Return what is said of the end of an attempt; what it has printed is told before."""
        name = event.name
        said: dict[str, Any] = {"name": name, "status": event.how, "attempts": event.attempts}
        said["duration"] = _rounded(event.duration)
        if name in self._logs:
            self._tell_output(name, last=last)
            del self._logs[name]
        start = self._starts.pop(name, None)
        if start is not None:
            said["start"] = start
            if event.exit_code is not None:
                said["exit_code"] = event.exit_code
        if event.restored:
            said["restored"] = event.restored
        if event.emptied:
            said["emptied"] = list(event.emptied)
        if event.failure:
            said["failure"] = without_root(event.failure, self._root)
        if event.log:
            said["log"] = inside(self._root, event.log)
        return said

    def _tell_output(self, name: str, *, last: bool = False) -> None:
        text, omitted = self._tails[name].new(last=last)
        if text or omitted:
            self._record("output", name=name, text=text, **({"omitted": omitted} if omitted else {}))

    def _tell_end(self, said: dict[str, Any]) -> None:
        name = said["name"]
        self._between.pop(name, None)
        self._tails.pop(name, None)
        self.ends[name] = said["status"]
        self._record("ended", **said)

    def _record(self, kind: str, **fields: Any) -> None:
        self.sink.take({"event": kind, "t": _rounded(monotonic() - self._began), **fields})

    def _set_root(self, root: str) -> None:
        self._root = root
        self.sink.set_root(root)


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
