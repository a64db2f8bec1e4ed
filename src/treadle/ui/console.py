"""The console of a call: stdout and stderr, and paths for display."""

from __future__ import annotations

import os
import sys
from io import StringIO

from .screen import Screen, can_redraw, wants_colours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self, TextIO

    from .text import Line

FORMAT = 1
"""The version of what --json prints: names in it stay, new ones may come."""


class _Nowhere(StringIO):
    """A stream that keeps nothing and has no descriptor."""

    def write(self, text: str, /) -> int:
        """Drop a text."""
        return len(text)


class Console:
    """Prints the lines of a call.

    :param color: `auto`, `always` or `never`
    :param origin: the folder of the call: paths are shown relative to it
    :param out: the stream for results; None for stdout
    :param errors: the stream for warnings; None for stderr
    """

    def __init__(
        self, color: str = "auto", origin: str = "", *, out: TextIO | None = None, errors: TextIO | None = None
    ) -> None:
        self.origin = origin
        self.screen = _screen(out or sys.stdout, color)
        self.errors = _screen(errors or sys.stderr, color, redraws=False)

    @classmethod
    def silent(cls) -> Self:
        """Return a console that prints nowhere."""
        nowhere = _Nowhere()
        return cls("never", out=nowhere, errors=nowhere)

    def shown(self, path: str) -> str:
        """Return a path relative to the origin, an absolute one if it is far away."""
        full = os.path.abspath(path)
        relative = os.path.relpath(full, self.origin or None)
        return full if relative.startswith("../../..") else relative

    def warn(self, text: str) -> None:
        """Print one line to stderr, after the status line is erased."""
        from treadle.core.text import safe

        from .text import line

        self.screen.erase()
        self.errors.write([line(("treadle: ", "dim"), safe(text))])

    def say(self, lines: Iterable[Line]) -> None:
        """Print lines to stdout."""
        self.screen.write(lines)

    def say_data(self, data: object) -> None:
        """Print data for programs, as JSON."""
        import json

        from .text import line

        self.say(line(one) for one in json.dumps(data, indent=2).split("\n"))

    @property
    def room(self) -> int:
        """Cells that a line may take on stdout, 0 where it is no terminal: then no line is broken."""
        return self.screen.width if self.screen.stream.isatty() else 0


def _screen(stream: TextIO, choice: str, *, redraws: bool = True) -> Screen:
    redraws = redraws and can_redraw(stream, os.environ)
    return Screen(stream, colours=wants_colours(stream, choice, os.environ), redraws=redraws)
