"""The writer: permanent lines, and below them a status line that is redrawn. It knows nothing of runs."""

from __future__ import annotations

import os

from treadle.core.text import safe

from .text import coloured, guarded, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, TextIO

    from .text import Line


def wants_colours(stream: TextIO, choice: str, environ: Mapping[str, str]) -> bool:
    """Return whether to write colours: by the choice, else by the environment, else if it is a terminal.

    :param choice: `auto`, `always` or `never`
    """
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return environ.get("TERM") != "dumb" and stream.isatty()


def can_redraw(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether a line can be drawn again: on a terminal that is not dumb, and not in a CI job."""
    in_ci = environ.get("CI", "").lower() not in ("", "0", "false")
    return not in_ci and environ.get("TERM", "dumb") != "dumb" and stream.isatty()


class Screen:
    """Writes to one stream. A closed reader is no error: further lines are dropped.

    :param colours: whether to write colours
    :param redraws: whether there is a status line
    """

    def __init__(self, stream: TextIO, *, colours: bool = False, redraws: bool = False) -> None:
        self.stream = stream
        self.colours = colours
        self.redraws = redraws
        self.gone = False
        """Whether nothing can be written any more."""
        self.failure = ""
        """Why nothing can be written any more, "" if its reader has closed it."""
        self.lost: OSError | None = None
        """The error of the first write that failed."""
        self._drawn = False
        self._held: list[str] | None = None
        self._console: Any = None

    @property
    def width(self) -> int:
        """Columns of the terminal; 80 where there is none."""
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def write(self, lines: Iterable[Line], *, through: bool = False) -> None:
        """Write permanent lines, above the status line.

        :param through: also while an action has the terminal
        """
        made = [guarded(coloured(one) if self.colours else plain(one)) + "\n" for one in lines]
        if self._held is not None and not through:
            self._held += made
        elif made:
            self.erase()
            self._put("".join(made))

    def prompt(self, text: str) -> None:
        """Write a text without the end of its line, for an answer after it."""
        self._put(guarded(text))

    def draw(self, status: Line) -> None:
        """Draw the status line, which fits into one line of the terminal."""
        if not self.redraws or self.gone or self._held is not None:
            return
        from rich.control import Control
        from rich.segment import ControlType
        from rich.text import Text

        console = self._rich()
        text = Text.assemble(*((safe(words), _RICH_STYLES[style]) for words, style in status), end="")
        try:
            with console:
                console.control(Control(ControlType.CARRIAGE_RETURN))
                console.print(text, soft_wrap=True, end="")
                console.control(Control((ControlType.ERASE_IN_LINE, 0)))
            self.stream.flush()
        except OSError as error:
            self.lose(error)
        self._drawn = True

    def erase(self) -> None:
        """Erase the status line."""
        if self._drawn:
            from rich.control import Control
            from rich.segment import ControlType

            self._drawn = False
            try:
                self._rich().control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
            except OSError as error:
                self.lose(error)

    def hold(self) -> None:
        """Leave the terminal to a program: lines are kept until `release`."""
        self.erase()
        self._held = self._held or []
        self._put("")

    def release(self) -> None:
        """Take the terminal back."""
        held, self._held = self._held, None
        if held:
            self._put("".join(held))

    def _rich(self) -> Any:
        if self._console is None:
            from rich.console import Console

            self._console = Console(
                file=self.stream,
                force_terminal=True,
                no_color=not self.colours,
                color_system="standard" if self.colours else None,
                highlight=False,
                markup=False,
                emoji=False,
            )
        return self._console

    def _put(self, text: str) -> None:
        if self.gone:
            return
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError as error:
            self.lose(error)

    def lose(self, error: OSError) -> None:
        """Note that nothing can be written any more."""
        self.gone, self.lost = True, error
        if not isinstance(error, BrokenPipeError):
            self.failure = error.strerror or str(error)
        silence(self.stream)


def silence(stream: TextIO) -> None:
    """Redirect a stream to the null device, so that flushing it at the end of the program does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.dup2(nowhere, stream.fileno(), inheritable=False)
    except (OSError, ValueError):
        return
    finally:
        os.close(nowhere)


_RICH_STYLES = {"": "", "name": "bold", "good": "green", "bad": "bold red", "warn": "yellow", "dim": "dim"}
