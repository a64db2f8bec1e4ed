"""`run --watch`: what people see of the rounds: a line of what has changed, once an action starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.cli.exit_codes import GONE
from treadle.core.text import safe
from treadle.errors import UsageError
from treadle.events.bus import Subscriber
from treadle.session.watch.loop import WatchDisplay, WatchLoop
from treadle.ui.console import Console
from treadle.ui.error_text import print_error
from treadle.ui.screen import Screen
from treadle.ui.text import line

from .run import progress_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from treadle.errors import TreadleError
    from treadle.events.bus import Started
    from treadle.session.call import Call
    from treadle.session.options import Options
    from treadle.ui.text import Line

_SHOWN_NAMES = 5


def watch_command(call: Call) -> int:
    """Run what was named, and again each time something that it depends on changes, until a signal ends it."""
    options = call.options
    if options.dry:
        raise UsageError("-n and --watch cannot be combined", hint="leave out one of them")
    if options.since:
        raise UsageError("--since and --watch cannot be combined", hint="leave out one of them")
    if options.exit_code:
        raise UsageError(
            "--exit-code cannot be combined with --watch: it is of one run", hint="leave out one of them"
        )
    files = (options.events, options.junit, options.trace, options.markdown, options.html)
    if any(files):
        kinds = ("events", "junit", "trace", "markdown", "html")
        names = [name for name, file in zip(kinds, files, strict=True) if file]
        raise UsageError(
            f"--{names[0]} cannot be combined with --watch: it is the file of one run",
            hint="leave out --watch",
        )
    WatchLoop(call, TerminalRounds(call)).run()
    return call.stops.code or GONE


class TerminalRounds(WatchDisplay):
    """Shows the rounds on a terminal.

    :param call: the call
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.now = call.console
        """Where the round of now prints."""

    @property
    def is_gone(self) -> bool:  # type: ignore[override]
        """Whether the terminal is."""
        return self.now.screen.gone

    def console(self, options: Options, changed: Sequence[str] | None) -> Console:
        """Return a console that holds back what it is given, except for the first round."""
        self.now = Console(options.color, options.origin)
        if changed is not None:
            self.now.screen = LateScreen(self.now.screen, _heading(changed))
        return self.now

    def round_begins(self, call: Call) -> None:
        """Show the round once an action starts; what went well is not shown with `-q`."""
        if not call.options.quiet:
            call.bus.add(Shower(self))
        call.bus.add(progress_of(call))

    def round_ended(self, *, is_well: bool) -> None:
        """Show what was held back, if something is wrong."""
        if not is_well:
            self.show()

    def problem(self, error: TreadleError) -> None:
        """Print what is wrong."""
        self.show()
        self.now.screen.erase()
        print_error(error, self.now)

    def watching(self) -> None:
        """Say that changes are waited for."""
        if not self.call.options.quiet:
            self.call.console.warn("watching for changes, Ctrl-C ends it")

    def show(self) -> None:
        """Print what was held back, and all that follows at once."""
        if isinstance(self.now.screen, LateScreen):
            self.now.screen.show()


class Shower(Subscriber):
    """Has a round shown when an action starts.

    :param rounds: what shows it
    """

    def __init__(self, rounds: TerminalRounds) -> None:
        self.rounds = rounds

    def started(self, _: Started) -> None:
        """Have it shown."""
        self.rounds.show()


class LateScreen(Screen):
    """A screen that shows nothing until `show` is called: a save that changes nothing gets no line.

    :param screen: where it shows it then
    :param heading: what it shows first
    """

    def __init__(self, screen: Screen, heading: Line) -> None:
        super().__init__(screen.stream, colours=screen.colours, redraws=screen.redraws)
        self._late: list[Line] | None = [heading]

    def write(self, lines: Iterable[Line], *, through: bool = False) -> None:
        """Write lines that stay, or keep them."""
        if self._late is None:
            super().write(lines, through=through)
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
