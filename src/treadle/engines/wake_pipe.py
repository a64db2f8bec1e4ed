"""A pipe that makes the `poll` of an engine return: another thread, or a signal, writes to it."""

from __future__ import annotations

import os


class WakePipe:
    """What `Engine.poll` waits for besides its own descriptors; `Engine.wake` rings it.

    :ivar fd: readable once it was rung; -1 as long as it is not open
    """

    def __init__(self) -> None:
        self.fd = self._end = -1

    def open(self) -> None:
        """Make the pipe."""
        self.fd, self._end = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._end, False)

    def ring(self) -> None:
        """Make it readable; any thread may call this."""
        try:
            os.write(self._end, b"w")
        except OSError:
            # it is not open yet, or was rung already
            return

    def hush(self) -> None:
        """Take back what has rung it, when it is readable."""
        os.read(self.fd, 4096)

    def close(self) -> None:
        """Close the pipe, if it is open."""
        fds = (self.fd, self._end)
        self.fd = self._end = -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)
