"""Progress: hears what happens in a walk, keeps the state for the screen, and has it drawn."""

from __future__ import annotations

from time import monotonic

from treadle.command.walk import Observer
from treadle.events.run_state import BLOCKED, FAILED, INTERRUPTED, RAN, SKIPPED, Ended, State
from treadle.status import ReturnValue
from treadle.ui import render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from treadle.command.job import CommandJob
    from treadle.command.walk import CommandWalk
    from treadle.plan import Plan
    from treadle.ui.log_tail import Follower
    from treadle.ui.text import Line
    from treadle.walk import Report

    from .console import Context

TICK = 0.1
"""Seconds between two drawings of the status line."""
_PATIENCE = 0.2
"""Seconds that a run may last before anything is drawn: what is over at once needs no status line."""
_FAILURE_LINES = 20
_WHOLE_FAILURES = 10
"""Failures that are told in full at the end; of those after them one line each."""
_LEFT_OUT = 5
"""Actions that are told to be left out, where a run has none."""
_VERBOSE_LINES = 200


class Progress(Observer):
    """Shows a run.

    :param context: options and screen
    :param again: the command that runs the plan again; the name of an action follows
    """

    def __init__(self, context: Context, again: Sequence[str]) -> None:
        self.context = context
        self.screen = context.screen
        self.again = list(again)
        self.state = State(0, context.began)
        self.plan: Plan | None = None
        """What is walked, if it was loaded."""
        self.walk: CommandWalk
        self._jobs: dict[str, CommandJob] = {}
        self._followers: dict[str, Follower] = {}
        self._failed: list[tuple[Ended, CommandJob | None, CommandWalk]] = []
        """With the walk of each: a run may have several."""
        self._between: dict[str, tuple[Ended, CommandJob | None]] = {}
        """uid -> its last attempt, of those that should be tried again."""
        self._blocked: dict[tuple[str, ...], list[str]] = {}
        self._above = ""
        """The action whose output is the last that was written."""
        self._next_drawing = 0.0
        self._told_of_interrupt = 0
        self.over_at: float | None = None
        """When the run was over, on the monotonic clock."""

    @property
    def _lists(self) -> bool:
        """Whether each action that ended gets a line."""
        options = self.context.options
        return not options.quiet and (options.verbose or not self._draws)

    @property
    def _follows(self) -> bool:
        return self.context.options.output != "group" and not self.context.options.quiet

    @property
    def _draws(self) -> bool:
        return self.screen.redraws and not self.context.options.quiet and self.context.options.output != "stream"

    def waiting(self, holder: str) -> None:
        """Say which run we wait for."""
        self.context.warn(f"waiting for {holder} to end")

    def note(self, text: str) -> None:
        """Pass on what is to be said of the state."""
        self.context.warn(text)
        self._above = ""

    def began(self, walk: CommandWalk) -> None:
        """Begin to count, unless another plan makes the same; from here on signals are for the walk."""
        if self.plan is not None:
            from treadle.session.conflicts import refuse_shared_outputs

            refuse_shared_outputs(self.plan, map(str, walk.actions.vertex_data), walk.store)
        self.walk = walk
        walk.place.colours = self.screen.colours
        # a run may have several walks: the makers of plans come first
        self.state.total += len(walk.actions.vertex_data) + walk.untouched
        self.state.counts[SKIPPED] += walk.untouched
        self._next_drawing = monotonic() + _PATIENCE
        self.context.under_way = True
        self.context.interrupts.attach(walk)

    def started(self, job: CommandJob) -> None:
        """Follow an attempt of an action; leave it the terminal if it wants it."""
        uid = job.uid
        self.context.starts()
        self._jobs[uid] = job
        self._between.pop(uid, None)
        self.state.start(uid, monotonic())
        scheduler = self.walk.scheduler
        if scheduler is not None and (self._draws or self._follows):
            scheduler.tick = TICK
        if job.command.console:
            self.screen.hold()
        elif self._follows:
            from treadle.ui.log_tail import Follower, size_of

            log = self.walk.place.log(uid)
            # further attempts add to the log of the first
            start = size_of(log) if job.attempt > 1 else 0
            self._followers[uid] = Follower(log, colours=self.screen.colours, start=start)

    def ended(self, uid: str, retry: bool) -> None:
        """Take in how an action ended, and say it."""
        status = self.walk.job_status[uid]
        if status == ReturnValue.skip and not self.context.options.verbose:
            self.state.end(uid, SKIPPED)
            self._draw_if_due()
            return
        job = self._jobs.pop(uid, None)
        ended = how_it_ended(self.walk, uid, job)
        if job is not None:
            self._take_rest(uid, job)
        if retry:
            self._between[uid] = ended, job
            self._tell_retry(ended, job)
            return
        self._take_in(ended, job)
        self._draw_if_due()

    def _take_in(self, ended: Ended, job: CommandJob | None) -> None:
        self.state.end(ended.uid, ended.how)
        if ended.how == BLOCKED:
            origins = tuple(why.name for why in ended.reasons)
            self._blocked.setdefault(origins, []).append(ended.uid)
        self._show(ended, job)
        if ended.how == FAILED:
            self._failed.append((ended, job, self.walk))

    def round(self) -> None:
        """Show what is new."""
        self.context.interrupts.repeat()
        self._tell_interrupt()
        for uid, follower in self._followers.items():
            # before there is room for its outputs the log is that of a former run
            if self._jobs[uid].made_room:
                self._write_output(uid, follower.new_lines())
        self._draw_if_due()

    def finish(self, report: Report, left_out: Mapping[str, str]) -> None:
        """Take the status line away and say how it all went.

        :param left_out: uid -> why it is not in the plan this time
        """
        self.screen.erase()
        for ended, job in self._between.values():
            # the run has ended before another attempt
            self._take_in(ended, job)
        state = self.state
        state.saved = self.walk.saved
        self.over_at = monotonic()
        is_well = report.ok and not report.interrupted and not self._failed and not self._blocked
        if is_well and self.context.options.quiet:
            return
        repeat = len(self._failed) != 1 or self._failed[0][0].uid != self._above
        for number, (ended, job, walk) in enumerate(self._failed):
            block = render.failure_block(self._failure(ended, job, walk, with_output=repeat))
            self.screen.write(block if number < _WHOLE_FAILURES else block[:1])
        self.screen.write(render.blocked_lines(self._blocked))
        if self.context.options.verbose:
            self.screen.write(render.left_out_lines(left_out))
        elif not report.actions and not self._failed and not self._blocked:
            # a run without any action shall not be a riddle
            self.screen.write(render.left_out_lines(dict(list(left_out.items())[:_LEFT_OUT])))
        self.screen.write([render.totals(state, self.over_at, INTERRUPTED if report.interrupted else "")])

    def block(self, names: Sequence[str], origins: tuple[str, ...]) -> None:
        """Take in what is blocked before it is an action of a walk.

        :param origins: the failures that block it
        """
        self._blocked.setdefault(origins, []).extend(names)
        self.state.total += len(names)
        self.state.counts[BLOCKED] += len(names)

    def _take_rest(self, uid: str, job: CommandJob) -> None:
        follower = self._followers.pop(uid, None)
        if follower is not None and job.made_room:
            self._write_output(uid, follower.new_lines(all_of_it=True))
        if job.command.console:
            self.screen.release()

    def _tell_retry(self, ended: Ended, job: CommandJob | None) -> None:
        self.state.pause(ended.uid)
        if self.context.options.quiet or job is None:
            return
        attempts = job.command.limits.retries.max + 1
        self._write(
            [render.retry_line(ended.uid, ended.failure, ended.attempts, attempts, job.retry_delay)], ended.uid
        )

    def _show(self, ended: Ended, job: CommandJob | None) -> None:
        """Write the line of an action that ended, with its output if that was asked for."""
        if self.context.options.quiet:
            return
        verbose = self.context.options.verbose
        if ended.how == FAILED or (self._lists and (verbose or ended.how in (RAN, INTERRUPTED))):
            self._write([render.ended_line(self.state, ended)], ended.uid)
        if self._follows or job is None:
            return
        if ended.how == FAILED or (verbose and ended.how == RAN):
            lines, is_all = self._last_lines(job, _VERBOSE_LINES if verbose else _FAILURE_LINES, self.walk)
            self._write_output(ended.uid, lines)
            if verbose and not is_all:
                self._write([render.log_line(self.context.shown(self.walk.place.log(ended.uid)))], ended.uid)

    def _last_lines(self, job: CommandJob, most: int, walk: CommandWalk) -> tuple[list[str], bool]:
        """Return the end of what an action has printed, and whether that is all of it."""
        if job.command.console or not job.made_room:
            return [], True
        from treadle.ui.log_tail import last_lines

        return last_lines(walk.place.log(job.uid), most, colours=self.screen.colours)

    def _write_output(self, uid: str, texts: Iterable[str]) -> None:
        from treadle.ui.text import line, safe

        if self.context.options.output == "prefix" and self._follows:
            lines = [line((f"{safe(uid)} | ", "dim"), text) for text in texts]
        elif self._follows:
            lines = [line(text) for text in texts]
        else:
            lines = render.output_lines(texts)
        if lines:
            self._write(lines, uid)
            self._above = uid

    def _write(self, lines: Iterable[Line], about: str) -> None:
        """Write lines about one action; what stood above of others is not just above any more."""
        self.screen.write(lines)
        if about != self._above:
            self._above = ""

    def _failure(
        self, ended: Ended, job: CommandJob | None, walk: CommandWalk, *, with_output: bool
    ) -> render.Failure:
        uid = ended.uid
        log = self.context.shown(walk.place.log(uid)) if job is not None and job.made_room else ""
        if job is not None and job.command.console:
            log = ""
        output = self._last_lines(job, _FAILURE_LINES, walk)[0] if job is not None and with_output else None
        import shlex

        rest = self.context.options.rest
        behind = [] if rest is None else ["--", *rest]
        command = walk.actions.vertex_data[uid].shown
        return render.Failure(ended, command, log, shlex.join([*self.again, uid, *behind]), output)

    def _tell_interrupt(self) -> None:
        count = self.context.interrupts.count
        if count == self._told_of_interrupt or not self.state.running:
            return
        self._told_of_interrupt = count
        number = len(self.state.running)
        what = f"{number} action{'' if number == 1 else 's'}"
        if count == 1:
            self.context.warn(f"interrupted: ending {what}, once more to kill")
        else:
            self.context.warn(f"killing {what}")

    def _draw_if_due(self) -> None:
        if not self._draws:
            return
        now = monotonic()
        if now >= self._next_drawing:
            self._next_drawing = now + TICK
            self.screen.draw(render.status_line(self.state, now, self.screen.width - 1))


def how_it_ended(walk: CommandWalk, uid: str, job: CommandJob | None) -> Ended:
    """Return how an action of a walk has ended, in the words that people see."""
    report = walk.reports[uid]
    how = _HOW.get(walk.job_status[uid], FAILED)
    if how == FAILED and (report.interrupted or (job is not None and job.interrupted and not job.timed_out)):
        how = INTERRUPTED
    reasons = report.verdict.reasons if report.verdict is not None else ()
    emptied = job.emptied if job is not None else ()
    return Ended(uid, how, report.duration, reasons, report.failure or "", report.attempts, emptied)


_HOW = {
    ReturnValue.success: RAN,
    ReturnValue.unchanged: RAN,
    ReturnValue.skip: SKIPPED,
    ReturnValue.force_fail: BLOCKED,
}
