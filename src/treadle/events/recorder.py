"""Recording: hears a run and tells its events.

Only a run with a file of events, or of what is made of them, loads it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic, time

from treadle.cli import failures as errors
from treadle.command.job import CONSOLE_QUEUE
from treadle.command.walk import Observer, usable_cpus
from treadle.core.decision import blocked
from treadle.errors import PlanError, TreadleError
from treadle.events.run_model import STATUSES
from treadle.events.run_state import BLOCKED
from treadle.events.sanitize import Tail
from treadle.events.schema import (
    NOT_STARTED,
    SCHEMA,
    command_text,
    inside,
    place_data,
    problem_data,
    reason_data,
    without_root,
)
from treadle.session.lookup import Readers
from treadle.session.outlets import Outlets
from treadle.ui.progress import TICK, how_it_ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from treadle.command.job import CommandJob
    from treadle.command.walk import CommandWalk
    from treadle.core.decision import Verdict
    from treadle.plan import Plan
    from treadle.ui.console import Context
    from treadle.ui.progress import Progress
    from treadle.walk import Report


def recorded(context: Context, run: Callable[[Context, Recorder], int]) -> int:
    """Call a command that runs a plan, with its events told; return its exit code.

    It is 1 where all went well, but a file that was asked for could not be written to its end.

    :raises UsageError: a file that was asked for cannot be written; nothing has run then
    """
    outlets = Outlets(context)
    outlets.open()
    recorder = Recorder(context, outlets)
    recorder.begin()
    try:
        code = run(context, recorder)
    except BaseException as error:
        recorder.end_with(error)
        raise
    return code if recorder.end(code) else code or 1


class Recorder:
    """Tells of one call: its begin, what its walk does, its end.

    :param context: what was asked for, and when it began
    :param outlets: what takes the events
    """

    def __init__(self, context: Context, outlets: Outlets) -> None:
        self.context = context
        self.outlets = outlets
        self.hearing: Hearing | None = None
        self._root = ""
        """What paths are relative to; the folder of the plan as long as that has not been read."""
        self._is_finished = False

    def begin(self) -> None:
        """Tell that the run begins."""
        from treadle import __version__

        began = datetime.fromtimestamp(time() - (monotonic() - self.context.began), UTC)
        text = began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        names = self.context.options.names
        self._set_root(os.getcwd())
        with suppress(TreadleError):
            self._set_root(os.path.dirname(os.path.abspath(self.context.plan_file())))
        self.outlets.tell("run", schema=SCHEMA, treadle=__version__, began=text, names=names)
        self.outlets.flush()

    def beside(self, progress: Progress, plan: Plan, left_out: Mapping[str, str]) -> Observer:
        """Return what hears the walk over a plan, and passes on to `progress` all that it hears.

        :param left_out: uid -> why it is not in the plan this time
        """
        self._set_root(plan.root)
        former = self.hearing
        self.hearing = Hearing(self.outlets, progress, plan, self.context.began)
        if former is not None:
            # the walk over makers of plans came first
            self.hearing.ends.update(former.ends)
        queues = {"default": self.context.options.jobs or usable_cpus(), **plan.queues}
        told = {uid: why or "" for uid, why in left_out.items()}
        self.outlets.tell("plan", file=plan.name, actions=len(plan.actions), queues=queues, left_out=told)
        if former is None:
            self._note_files_in_the_way(plan)
        return self.hearing

    def _note_files_in_the_way(self, plan: Plan) -> None:
        """Say of a file of the run that an action reads or makes it: what it holds is another thing each time."""
        readers = Readers(plan)
        for path in self.outlets.paths.values():
            place = os.path.relpath(os.path.realpath(path), os.path.realpath(plan.root))
            touching = readers.touching(place)
            if touching:
                text = f"{path} is part of what {touching[0]} reads or makes: it will run again each time"
                self.context.warn(text)
                self.outlets.tell("note", text=text)

    def block(self, names: Sequence[str], origins: Sequence[str]) -> None:
        """Tell what is blocked before it is an action of a walk, as its plan could not be made."""
        if self.hearing is not None:
            self.hearing.block(names, origins)

    def finish(self, report: Report) -> None:
        """Tell what the walk says of those that it did not come to."""
        self._is_finished = True
        if self.hearing is not None:
            self.hearing.finish(report)

    def end(self, code: int) -> bool:
        """Tell the sum of it, and have all files written; return whether that was possible."""
        hearing = self.hearing
        counts = dict.fromkeys(STATUSES, 0)
        for status in hearing.ends.values() if hearing is not None else ():
            counts[status] += 1
        over_at = None if hearing is None else hearing.progress.over_at
        self.outlets.tell(
            "summary",
            total=sum(counts.values()),
            counts=counts,
            duration=_rounded((over_at or monotonic()) - self.context.began),
            saved=_rounded(hearing.walk.saved if hearing is not None and hearing.walk is not None else 0.0),
            interrupted=hearing is not None and hearing.interrupted,
            exit_code=code,
        )
        return self.outlets.close()

    def end_with(self, error: BaseException) -> None:
        """Tell of an error that has ended the run, or has kept it from beginning."""
        self.tell_problems(error)
        if self.hearing is not None and self.hearing.walk is not None and not self._is_finished:
            self.finish(self.hearing.walk.report())
        self.end(errors.exit_code_of(error, self.context))

    def tell_problems(self, error: BaseException) -> None:
        """Tell of an error, or of each of the problems in it."""
        for problem in error.problems if isinstance(error, PlanError) else (error,):
            if isinstance(problem, TreadleError):
                self.outlets.tell("problem", **problem_data(problem, self._root))
            else:
                self.outlets.tell("problem", text=f"{type(problem).__name__}: {problem}".removesuffix(": "))

    def _set_root(self, root: str) -> None:
        self._root = root
        self.outlets.set_root(root)


class Hearing(Observer):
    """Hears a walk, tells its events, and passes on all that it hears.

    :param outlets: what takes the events
    :param progress: shows the run
    :param began: when the run began, on the monotonic clock
    """

    def __init__(self, outlets: Outlets, progress: Progress, plan: Plan, began: float) -> None:
        self.outlets = outlets
        self.progress = progress
        self.plan = plan
        self.root = plan.root
        self.walk: CommandWalk | None = None
        self.interrupted = False
        self.ends: dict[str, str] = {}
        """name -> status of all that is through, also of the walk before."""
        self._began = began
        self._jobs: dict[str, CommandJob] = {}
        self._starts: dict[str, float] = {}
        self._tails: dict[str, Tail] = {}
        self._between: dict[str, dict[str, Any]] = {}
        """name -> how its last attempt ended, of those that should be tried again."""
        self._known: set[str] = set()
        self._over: set[str] = set()
        self._told: set[str] = set()
        """Names whose verdict has been told."""
        self._next_look = 0.0

    def waiting(self, holder: str) -> None:
        """Tell which run we wait for."""
        self.progress.waiting(holder)
        self.outlets.tell("waiting", holder=holder)
        self.outlets.flush()

    def note(self, text: str) -> None:
        """Tell what is to be said of the state."""
        self.progress.note(text)
        self.outlets.tell("note", text=without_root(text, self.root))

    def began(self, walk: CommandWalk) -> None:
        """Tell all actions."""
        self.progress.began(walk)
        self.walk = walk
        for uid in walk.actions.vertex_data:
            self._tell_action(str(uid))
        self.outlets.flush()

    def decided(self, uid: str) -> None:
        """Tell what is to be done with an action, and why."""
        self.progress.decided(uid)
        assert self.walk is not None
        self._tell_verdict(uid, self.walk.verdicts.get(uid))

    def started(self, job: CommandJob) -> None:
        """Tell that an attempt starts, and follow what it prints."""
        self.progress.started(job)
        assert self.walk is not None
        uid = job.uid
        self._jobs[uid] = job
        self._between.pop(uid, None)
        start = self._starts[uid] = _rounded(job.started_at - self._began)
        self.outlets.tell("started", name=uid, attempt=job.attempt, slot=job.slot, start=start)
        if not job.command.console and uid not in self._tails:
            self._tails[uid] = Tail(self.walk.place.log(uid))
        if self.outlets.are_live and self.walk.scheduler is not None:
            self.walk.scheduler.tick = TICK
        # whoever looks after a kill finds what was running
        self.outlets.flush()

    def ended(self, uid: str, retry: bool) -> None:
        """Tell how an action or an attempt ended."""
        self.progress.ended(uid, retry)
        assert self.walk is not None
        job = self._jobs.pop(uid, None)
        how = how_it_ended(self.walk, uid, job)
        said: dict[str, Any] = {"name": uid, "status": how.how, "attempts": how.attempts}
        said["duration"] = _rounded(how.duration)
        if job is not None:
            self._tell_output(uid, job, last=not retry)
            said["start"] = self._starts[uid]
            if job.code is not None:
                said["exit_code"] = job.code
        if how.emptied:
            said["emptied"] = list(how.emptied)
        if how.failure:
            said["failure"] = without_root(how.failure, self.root)
        if not retry:
            self._tell_end(said)
            return
        self._between[uid] = said
        kept = ("name", "start", "duration", "exit_code", "failure")
        attempt = {key: said[key] for key in kept if key in said}
        self.outlets.tell(
            "attempt", **attempt, attempt=how.attempts, delay=job.retry_delay if job is not None else 0.0
        )

    def round(self) -> None:
        """Tell what was printed meanwhile, and have all of it written."""
        self.progress.round()
        now = monotonic()
        if self.outlets.are_live and now >= self._next_look:
            self._next_look = now + TICK
            for uid, job in self._jobs.items():
                self._tell_output(uid, job)
        self.outlets.flush()

    def block(self, names: Sequence[str], origins: Sequence[str]) -> None:
        """Tell what is blocked before it is an action of a walk; all that is known of it is its name."""
        verdict = blocked(origins)
        for name in names:
            if name not in self._known:
                self._known.add(name)
                known = {"family": name, "help": "", "command": "", "needs": list(origins), "after": []}
                self.outlets.tell("action", name=name, **known, queue="default", tokens=1)
            self._tell_verdict(name, verdict)
            self._tell_end({"name": name, "status": BLOCKED, "attempts": 0, "duration": 0.0})

    def finish(self, report: Report) -> None:
        """Take in what the walk says of all of it."""
        self.interrupted = report.interrupted
        for said in list(self._between.values()):
            # the run has ended before another attempt
            self._tell_end(said)
        for uid, action in report.actions.items():
            if uid not in self._over:
                self._tell_verdict(str(uid), action.verdict)
                self._tell_end({"name": str(uid), "status": NOT_STARTED, "attempts": 0, "duration": 0.0})

    def _tell_action(self, uid: str) -> None:
        """Tell what an action is, unless that was told; a walk may get further ones under way."""
        if uid in self._known or self.walk is None:
            return
        self._known.add(uid)
        graph = self.walk.actions
        command, action = graph.vertex_data[uid], self.plan.actions.get(uid)
        place = action.place if action is not None else command.place
        needs = set(map(str, graph.get_predecessors(uid)))
        if action is not None:
            # those of the walk before are no longer in the graph
            needs.update(one for one in action.predecessors if one in self.ends)
        self.outlets.tell(
            "action",
            name=uid,
            family=action.family if action is not None else uid,
            help=action.help if action is not None else "",
            command=command_text(command),
            needs=sorted(needs),
            after=sorted(map(str, graph.get_after(uid))),
            queue=CONSOLE_QUEUE if command.console else command.limits.queue,
            tokens=command.limits.tokens,
            **({"place": place_data(place, self.root)} if place is not None else {}),
        )

    def _tell_verdict(self, uid: str, verdict: Verdict | None) -> None:
        self._tell_action(uid)
        if verdict is not None and uid not in self._told:
            self._told.add(uid)
            reasons = [reason_data(why) for why in verdict.reasons]
            self.outlets.tell("verdict", name=uid, verdict=verdict.outcome, reasons=reasons)

    def _tell_output(self, uid: str, job: CommandJob, *, last: bool = False) -> None:
        tail = self._tails.get(uid)
        # before there is room for its outputs the log is that of a former run
        if tail is None or not job.made_room:
            return
        text, omitted = tail.new(last=last)
        if text or omitted:
            self.outlets.tell("output", name=uid, text=text, **({"omitted": omitted} if omitted else {}))

    def _tell_end(self, said: dict[str, Any]) -> None:
        uid = said["name"]
        self._over.add(uid)
        self._between.pop(uid, None)
        self.ends[uid] = said["status"]
        if self._tails.pop(uid, None) is not None and self.walk is not None:
            said = {**said, "log": inside(self.root, self.walk.place.log(uid))}
        self.outlets.tell("ended", **said)


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
