"""The guard of a worker: ends all that the worker has started when that goes away or freezes, and says so.

`python -m treadle.engines.guard WORKER` reads lines from its standard input, which the worker holds open:

- `alive` when the worker lives
- `wait SECONDS`: the silence after which the worker counts as frozen
- `tell PATH`: a file to write when all is ended

It loads little, and takes no part in what the worker does: nothing that ends the worker ends the guard too.
"""

from __future__ import annotations

import os
import select
import sys
from time import monotonic

from .process_marks import end_marked

LONGEST_NAP = 60.0


class Guard:
    """What the guard knows of its worker.

    :param worker: the name by which what the worker has started is marked
    """

    def __init__(self, worker: str) -> None:
        self.worker = worker
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
            if verb == b"wait":
                self.patience = float(value)
            elif verb == b"tell":
                self.files[os.fsdecode(value)] = None

    def time_left(self) -> float:
        """Return for how long the worker may still be silent."""
        return LONGEST_NAP if self.patience is None else self.heard_at + self.patience - monotonic()

    def end_all(self) -> list[int]:
        """End all that the worker has started; return the pids that did not end."""
        return end_marked(f"{self.worker}/")

    def tell(self) -> None:
        """Write that all is ended."""
        for path in self.files:
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            except OSError:
                continue


def main(argv: list[str]) -> int:
    """Watch a worker until it is gone.

    :param argv: the name of the worker
    """
    guard = Guard(argv[0])
    waiting = select.poll()
    waiting.register(0, select.POLLIN | select.POLLHUP)
    while True:
        left = guard.time_left()
        if left <= 0:
            # it is frozen: what it runs ends now, and it finds that when it wakes
            guard.end_all()
            guard.heard_at = monotonic()
            continue
        if not waiting.poll(min(left, LONGEST_NAP) * 1000 + 1):
            continue
        data = os.read(0, 65536)
        if not data:
            break
        guard.take(data)
    if not guard.end_all():
        guard.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
