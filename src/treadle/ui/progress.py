"""Progress: a subscriber that keeps the state of a run for the screen, and draws it."""

from __future__ import annotations

import os
from itertools import islice
from time import monotonic

from treadle.core.outcomes import (
    BLOCKED,
    FAILED,
    INTERRUPTED,
    NOT_NEEDED,
    RAN,
    RESTORED,
    SKIPPED,
    SKIPPED_ITSELF,
    UNTRIED,
    RunCounts,
)
from treadle.events.bus import Subscriber

from . import render
from .text import crop_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from treadle.core.time_left import TimeLeft
    from treadle.errors import TreadleError
    from treadle.events.bus import Ended, LogOpened, Requested, RunEnded, Started, WalkBegan, WalkEnded

    from .console import Console
    from .log_tail import Follower
    from .text import Line

TICK = 0.1
"""Seconds between two drawings of the status line."""
_PATIENCE = 0.2
"""Seconds before the first drawing: a shorter run needs no status line."""
_FAILURE_LINES = 20
_WHOLE_FAILURES = 10
"""Failures that are shown in full at the end; further ones get one line each."""
_DISABLED = 5
"""Disabled actions that are shown, if a run has no action."""
_VERBOSE_LINES = 200
_PIECE = 1000
"""Lines that are written at once."""
_WHOLE_LINES = 10_000
"""Lines that are shown of an output that has ended."""
_LISTED_ENDS = (RAN, RESTORED, INTERRUPTED, SKIPPED_ITSELF)
_LISTED = 20
"""Actions that leave a line on a terminal; of those after them only failures do."""

QUIET, BLOCK, STREAM, PREFIX = "quiet", "block", "stream", "prefix"
OUTPUTS = (QUIET, BLOCK, STREAM, PREFIX)
"""How output is shown: of failures only, after the end of an action, as it comes, as it comes with its name."""


def wanted_output(given: str) -> str:
    """Return how output is shown: the choice of the call or of the environment; "" for that of each action.

    :raises UsageError: if TREADLE_OUTPUT is none of OUTPUTS
    """
    wanted = given or os.environ.get("TREADLE_OUTPUT", "")
    if wanted and wanted not in OUTPUTS:
        from treadle.errors import UsageError

        raise UsageError(f"TREADLE_OUTPUT is {wanted!r}", facts=[f"expected one of {', '.join(OUTPUTS)}"])
    return wanted


class Progress(Subscriber):
    """Shows a run.

    :param console: where it is shown
    :param began: when the run began, on the monotonic clock
    :param again: returns the command that runs an action again
    :param output: one of OUTPUTS: how output is shown; "" for that of each action
    :param asked: whether an action was asked for by its name
    :param grouped: whether what successful actions print is shown elsewhere, such as in groups on GitHub
    :param clock: returns the time, in seconds; `began` is of it too
    """

    def __init__(
        self,
        console: Console,
        began: float,
        again: Callable[[str], str],
        *,
        quiet: bool = False,
        verbose: bool = False,
        output: str = "",
        asked: Callable[[str], bool] = lambda _: False,
        grouped: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.console = console
        self.clock = clock
        self.screen = console.screen
        self.again = again
        self.quiet = quiet
        self.verbose = verbose
        self.output = output
        self.asked = asked
        self.grouped = grouped
        self.state = RunCounts(0, began)
        self._starts: dict[str, Started] = {}
        self._followers: dict[str, Follower] = {}
        self._shows: dict[str, str] = {}
        """Action -> how its output is shown, from its first attempt on."""
        self._failed: list[Ended] = []
        self._listed = 0
        self._blocked: dict[tuple[str, ...], list[str]] = {}
        self._above: list[str] = []
        """The actions of which all output is directly above: at the end it is not shown once more."""
        self._printed: set[str] = set()
        """Those of which some output was shown while they ran."""
        self._next_drawing = 0.0
        self._find_time_left: Callable[[], TimeLeft] | None = None
        self._time_left: TimeLeft | None = None
        self._over: list[str] = []
        """What has ended before the first drawing."""
        self._is_last = False
        """Whether the actions at the end are walked."""
        # a status line would break up output without names
        self._draws = self.screen.redraws and not quiet and output != STREAM
        if not quiet:
            self.tick = TICK

    def waiting(self, holder: str) -> None:
        """Show which run is waited for."""
        self.console.warn(f"waiting for {holder} to end")

    def note(self, text: str) -> None:
        """Show a remark."""
        self.console.warn(text)
        self._above.clear()

    def requested(self, event: Requested) -> None:
        """Show what another terminal has asked for; a refusal reaches only that one."""
        if event.ok:
            self.note(f"{event.text} (asked for by {event.user})")

    def problem(self, error: TreadleError) -> None:
        """Show the errors of a generated plan."""
        from .error_text import print_error

        self.screen.erase()
        print_error(error, self.console)

    def walk_began(self, event: WalkBegan) -> None:
        """Count the actions; a run may have several walks, of which the first ones generate plans."""
        self.state.expect(len(event.names))
        self.state.expect(event.untouched - event.unneeded, SKIPPED)
        self.state.expect(event.unneeded, NOT_NEEDED)
        self._next_drawing = self.clock() + _PATIENCE
        self._find_time_left, self._time_left, self._over = event.time_left, None, []
        self._is_last = event.is_last

    def asking(self, name: str, text: str) -> None:
        """Ask whether an action may start; the answer is read elsewhere."""
        from treadle.core.text import safe

        from .ask import forget_typed

        self.screen.hold()
        forget_typed()
        self.console.errors.prompt(f"{safe(name)}: {safe(text)} [y/N] ")

    def answered(self, name: str) -> None:
        """Take the terminal back."""
        del name
        self.screen.release()

    def started(self, event: Started) -> None:
        """Note the start of an attempt; leave it the terminal if it needs that."""
        self._starts[event.name] = event
        self.state.start(event.name, self.clock())
        if event.console:
            self.screen.hold()

    def log_opened(self, event: LogOpened) -> None:
        """Follow the output of an attempt."""
        mode = self._shows[event.name] = self._mode(event)
        if mode in (STREAM, PREFIX) and not self.quiet:
            from .log_tail import Follower

            self._followers[event.name] = Follower(event.log, colours=self.screen.colours)

    @property
    def _has_groups(self) -> bool:
        """Whether what actions print is shown in groups."""
        return self.grouped and self.output in ("", BLOCK) and not self.quiet

    def _mode(self, event: LogOpened) -> str:
        if self._has_groups:
            return QUIET
        if self.output:
            return self.output
        if event.output:
            return event.output
        return STREAM if not event.makes_files and self.asked(event.name) else QUIET

    def attempt_ended(self, event: Ended) -> None:
        """Show that another attempt follows."""
        self._take_rest(event)
        self.state.pause(event.name)
        if not self.quiet:
            self._write([render.retry_line(event)], event.name)
            if self._shows.get(event.name) == BLOCK and event.log:
                self._write_log(event)

    def ended(self, event: Ended) -> None:
        """Show the end of an action."""
        if self._time_left is not None:
            self._time_left.end(event.name)
        elif self._find_time_left is not None and self._draws:
            self._over.append(event.name)
        if event.how in UNTRIED and not self.verbose:
            self.state.end(event.name, event.how)
            self._draw_if_due()
            return
        self._take_rest(event)
        self._take_in(event)
        self._draw_if_due()

    def stop_requested(self, count: int) -> None:
        """Show what happens to running actions."""
        if not self.state.running:
            return
        number = len(self.state.running)
        what = f"{number} action{'' if number == 1 else 's'}"
        if count == 1 and self._is_last:
            self.console.warn(f"interrupted: {what} at the end of the run may still end, once more to kill")
        elif count == 1:
            self.console.warn(f"interrupted: ending {what}, once more to kill")
        else:
            self.console.warn(f"killing {what}")

    def round(self) -> None:
        """Show new output."""
        for name, follower in self._followers.items():
            self._write_output(name, follower.new_lines())
        self._draw_if_due()

    def walk_ended(self, _: WalkEnded) -> None:
        """Erase the status line."""
        self.screen.erase()

    def blocked(self, names: Sequence[str], origins: Sequence[str]) -> None:
        """Note blocked names of a plan that was not generated."""
        self._blocked.setdefault(tuple(origins), []).extend(names)
        self.state.expect(len(names), BLOCKED)

    def run_ended(self, event: RunEnded) -> None:
        """Show the failures and the totals."""
        self.screen.erase()
        is_well = event.ok and not event.interrupted and not self._failed and not self._blocked
        if is_well and self.quiet:
            return
        for number, ended in enumerate(self._failed):
            block = render.failure_block(self._failure(ended, with_output=ended.name not in self._above))
            self.screen.write(block if number < _WHOLE_FAILURES else block[:1])
        self.screen.write(render.blocked_lines(self._blocked))
        if self.verbose:
            self.screen.write(render.disabled_lines(event.disabled))
        elif not event.total and not self._failed and not self._blocked:
            # a run without any action needs an explanation
            self.screen.write(render.disabled_lines(dict(list(event.disabled.items())[:_DISABLED])))
        cut_off = INTERRUPTED if event.interrupted else ""
        self.screen.write([render.totals(self.state, event.at, saved=event.saved, cut_off=cut_off)])

    def _take_in(self, ended: Ended) -> None:
        self.state.end(ended.name, ended.how)
        if ended.how == BLOCKED:
            self._blocked.setdefault(render.origins_of(ended), []).append(ended.name)
        self._show(ended)
        if ended.how == FAILED:
            self._failed.append(ended)

    def _take_rest(self, ended: Ended) -> None:
        """Show the rest of the output of an attempt, and take the terminal back."""
        started = self._starts.pop(ended.name, None)
        follower = self._followers.pop(ended.name, None)
        if follower is not None:
            self._write_whole(ended.name, follower.new_lines(all_of_it=True), follower.path)
        if started is not None and started.console:
            self.screen.release()

    def _write_log(self, ended: Ended) -> bool:
        """Write all that an attempt has printed; return whether it was anything."""
        from .log_tail import Follower

        lines_of_it = Follower(ended.log, colours=self.screen.colours).new_lines(all_of_it=True)
        return self._write_whole(ended.name, lines_of_it, ended.log)

    def _show(self, ended: Ended) -> None:
        """Write the line on the end of an action, with its output if requested."""
        mode = self._shows.pop(ended.name, QUIET)
        if self.quiet:
            return
        verbose, above = self.verbose, list(self._above)
        if ended.how == FAILED or self._lists(ended):
            ended_line = render.ended_line(self.state, ended)
            if self._draws and not verbose and ended.how != FAILED:
                ended_line = crop_line(ended_line, self.screen.width)
            self._write([ended_line], ended.name)
        if mode in (STREAM, PREFIX) or not ended.log:
            return
        if mode == BLOCK and ended.how != SKIPPED:
            if not self._write_log(ended):
                return
        elif (ended.how == FAILED and not self._has_groups) or (verbose and ended.how in (RAN, RESTORED)):
            lines, is_all = self._last_lines(ended, _VERBOSE_LINES if verbose else _FAILURE_LINES)
            self._write_output(ended.name, lines)
            if verbose and not is_all:
                self._write([render.log_line(self.console.shown(ended.log))], ended.name)
        if ended.how == FAILED:
            self._above = [*above, ended.name]

    def _lists(self, ended: Ended) -> bool:
        """Return whether an action that ended gets a line: on a terminal the first ones, elsewhere each one."""
        if self.verbose or not self._draws:
            return self.verbose or ended.how in _LISTED_ENDS
        if ended.how not in _LISTED_ENDS:
            return False
        self._listed += 1
        return self._listed <= _LISTED

    def _last_lines(self, ended: Ended, most: int) -> tuple[list[str], bool]:
        """Return the end of the output of an action, and whether that is all of it."""
        if not ended.log:
            return [], True
        from .log_tail import last_lines

        return last_lines(ended.log, most, colours=self.screen.colours)

    def _write_output(self, name: str, texts: Iterable[str]) -> None:
        mode = self._shows.get(name, QUIET)
        if mode == STREAM and self._followers.keys() - {name}:
            mode = PREFIX
        texts = iter(texts)
        # in pieces, as an output may be larger than memory
        while piece := list(islice(texts, _PIECE)):
            self._write_piece(name, mode, piece)

    def _write_whole(self, name: str, texts: Iterator[str], log: str) -> bool:
        """Write an output that has ended; of one that is very long the first lines, and where all of it is.

        :return: whether all of it was written: else a failure shows its end once more
        """
        self._write_output(name, islice(texts, _WHOLE_LINES))
        if next(texts, None) is None:
            return True
        self._write([render.log_line(self.console.shown(log))], name)
        self._above.clear()
        return False

    def _write_piece(self, name: str, mode: str, texts: Sequence[str]) -> None:
        from treadle.core.text import safe

        from .text import line

        if mode == PREFIX:
            lines = [line((f"{safe(name)} | ", "dim"), text) for text in texts]
        elif mode == STREAM:
            lines = [line(text) for text in texts]
        else:
            lines = render.output_lines(texts)
        self._write(lines, name)
        if name not in self._printed:
            self._printed.add(name)
            if name not in self._above:
                self._above.append(name)

    def _write(self, lines: Iterable[Line], about: str) -> None:
        """Write lines about one action; what is above of others is not directly above any more."""
        self.screen.write(lines)
        if about not in self._above:
            self._above.clear()

    def _failure(self, ended: Ended, *, with_output: bool) -> render.Failure:
        log = self.console.shown(ended.log) if ended.log else ""
        # a group has all of it, and an annotation its end
        is_shown = ended.attempts and with_output and not self._has_groups
        output = self._last_lines(ended, _FAILURE_LINES)[0] if is_shown else None
        return render.Failure(ended, ended.command, log, self.again(ended.name), output)

    def _draw_if_due(self) -> None:
        if not self._draws:
            return
        now = self.clock()
        if now >= self._next_drawing:
            self._next_drawing = now + TICK
            self.screen.draw(render.status_line(self.state, now, self.screen.width - 1, self._estimate(now)))

    def _estimate(self, now: float) -> float | None:
        """Return how many seconds are left, None if too little is known for a guess."""
        if self._find_time_left is not None:
            # only here: most runs are over before anything is drawn
            self._time_left = self._find_time_left()
            self._find_time_left = None
            for name in self._over:
                self._time_left.end(name)
        return None if self._time_left is None else self._time_left.estimate(self.state.running, now)
