"""The guard of a worker: ends all that the worker has started when that goes away or freezes, and says so.

`python -m treadle.engines.guard MARK` reads lines from its standard input, which the worker holds open:

- `alive SECONDS`: the worker lives; after so many seconds without another line it counts as frozen
- `rest`: it has nothing to do, and may be silent
- `tell PATH`: a file to write when the worker is gone and all is ended
- `also MARK`: another mark of what the worker has started
- `leave`: another guard takes over, which writes these files

A guard that has found its worker frozen has ended what that had started, and is over: a worker that wakes needs
another one, and another mark for what it starts then. It loads little, and has a session of its own.
"""

from __future__ import annotations

if __name__ == "__main__":
    # before anything else is looked for
    from treadle._startup.search_path import leave_current_folder

    leave_current_folder()

import os
import select
import sys
from time import monotonic

from .process_marks import end_marked

LONGEST_NAP = 60.0
FROZEN = 3
"""The exit code of a guard that has found its worker frozen."""


class Guard:
    """What the guard knows of its worker.

    :param mark: what the worker has started is marked by it
    """

    def __init__(self, mark: str) -> None:
        self.marks = [mark]
        self.patience: float | None = None
        self.files: dict[str, None] = {}
        self.heard_at = monotonic()
        self._rest = b""

    def take(self, data: bytes) -> None:
        """Take in what the worker has written."""
        self.heard_at = monotonic()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            verb, _, value = line.partition(b" ")
            if verb == b"alive":
                self.patience = float(value)
            elif verb == b"rest":
                self.patience = None
            elif verb == b"tell":
                self.files[os.fsdecode(value)] = None
            elif verb == b"also":
                self.marks.append(os.fsdecode(value))
            elif verb == b"leave":
                self.files.clear()

    def time_left(self) -> float:
        """Return for how long the worker may still be silent."""
        return LONGEST_NAP if self.patience is None else self.heard_at + self.patience - monotonic()

    def end_all(self) -> bool:
        """End all that the worker has started; return whether all of it has ended."""
        left = [pid for mark in self.marks for pid in end_marked(f"{mark}/")]
        return not left

    def tell(self) -> None:
        """Write that all is ended."""
        for path in self.files:
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            except OSError:
                continue


def main(argv: list[str]) -> int:
    """Watch a worker until it is gone or frozen.

    :param argv: the mark of what it starts
    """
    guard = Guard(argv[0])
    waiting = select.poll()
    waiting.register(0, select.POLLIN | select.POLLHUP)
    while True:
        left = max(0.0, min(guard.time_left(), LONGEST_NAP))
        # what has been said while we did not run counts first
        if not waiting.poll(int(left * 1000) + 1):
            if guard.time_left() <= 0:
                guard.end_all()
                return FROZEN
            continue
        data = os.read(0, 65536)
        if not data:
            break
        guard.take(data)
    if guard.end_all():
        guard.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
