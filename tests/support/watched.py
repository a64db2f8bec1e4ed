"""`treadle run --watch` in a folder, and what it has said: tests wait for its lines, with a deadline."""

from __future__ import annotations

import os
import re
import select
import signal
from time import monotonic
from typing import TYPE_CHECKING

from helpers import DEADLINE, start_treadle

if TYPE_CHECKING:
    from pathlib import Path

READY = "watching for changes"
TOTALS = r"^(\d+ run|nothing to do)\b"


class Watched:
    """A watched folder.

    :param folder: where the plan is
    :param args: of `treadle run --watch`
    """

    def __init__(self, folder: Path, *args: str) -> None:
        self.child = start_treadle(folder, "run", "--watch", *args, prefix=("/bin/sh", "-c", 'exec "$@" 2>&1', "-"))
        assert self.child.stdout is not None
        self._fd = self.child.stdout.fileno()
        self._rest = b""
        self.said: list[str] = []

    def line(self) -> str:
        """Return the next line."""
        end = monotonic() + DEADLINE
        while b"\n" not in self._rest:
            assert select.select([self._fd], [], [], max(0.0, end - monotonic()))[0], self.last()
            more = os.read(self._fd, 65536)
            assert more, f"it ended: {self.last()}"
            self._rest += more
        raw, _, self._rest = self._rest.partition(b"\n")
        self.said.append(raw.decode())
        assert "Traceback" not in self.said[-1], self._rest
        return self.said[-1]

    def last(self) -> str:
        """Return the last lines that it has said."""
        return "\n".join(self.said[-60:])

    def until(self, pattern: str) -> list[str]:
        """Return the lines up to the first one in which a pattern is found."""
        lines = [self.line()]
        while not re.search(pattern, lines[-1]):
            lines.append(self.line())
        return lines

    def round(self) -> list[str]:
        """Return the lines of the next round, without times and reasons."""
        lines = self.until(TOTALS)
        return [re.sub(r"^\[\d+/\d+\] | \d+\.\ds.*", "", line) for line in lines]

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal, and return the exit code."""
        self.child.send_signal(number)
        out, _ = self.child.communicate(timeout=DEADLINE)
        self.said += (self._rest.decode() + out).splitlines()
        return self.child.returncode
