"""One thread of a recorded run, for slow work outside of its loop: a database, a lease, a socket.

It begins when the run has lasted for a while, so a short run has none. What it is given is called in it, one after
the other; a call that lasts long delays the others, and never the loop. It knows nothing of what it calls.
"""

from __future__ import annotations

import os
from _thread import get_ident
from collections import deque
from select import POLLIN, poll
from time import monotonic
from typing import TYPE_CHECKING

from treadle.thread_owners import work_for, work_is_over

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread

DELAY = 2.0
"""Seconds after its first start that a run counts as a long one, which has such a thread."""
PATIENCE = 5.0
"""Seconds that the end of a run waits for what is under way in the thread."""
LONGEST_SLEEP = 3600.0


class _Repeated:
    __slots__ = ("due", "function", "seconds")

    def __init__(self, seconds: float, function: Callable[[], object], due: float) -> None:
        self.seconds = seconds
        self.function = function
        self.due = due


class Background:
    """A thread that calls functions every so often, or when a descriptor has something to read.

    A function that raises is not called any more, with one line; the others go on. Functions may be added at any
    time. All but `begin`, `round` and `close` may be called from any thread.

    :param say: called in the thread of the loop with a remark on the run
    :param clock: returns seconds; a test that moves it calls `wake`
    """

    def __init__(self, say: Callable[[str], None], *, clock: Callable[[], float] = monotonic) -> None:
        self.is_closing = False
        """Whether the run waits for the thread to end; what lasts long looks at it now and then."""
        self.wake_loop: Callable[[], None] | None = None
        """Called in the thread when something is due in the thread of the loop; None: it waits for a round."""
        self._say = say
        self._clock = clock
        self._thread: Thread | None = None
        self._failed = False
        self._wake_in = self._wake_out = -1
        self._repeated: list[_Repeated] = []
        self._watched: dict[int, Callable[[], object]] = {}
        self._last: list[Callable[[], object]] = []
        self._handed: deque[Callable[[], object]] = deque()

    def every(self, seconds: float, function: Callable[[], object], *, first: float = 0.0) -> None:
        """Call a function in the thread every so many seconds.

        :param first: seconds until the first call
        """
        self._repeated.append(_Repeated(seconds, function, self._clock() + first))
        self.wake()

    def watch(self, descriptor: int, function: Callable[[], object]) -> None:
        """Call a function in the thread when a descriptor has something to read, or its other end is closed."""
        self._watched[descriptor] = function
        self.wake()

    def unwatch(self, descriptor: int) -> None:
        """Watch a descriptor no more; called before it is closed, in the thread or after `close`."""
        self._watched.pop(descriptor, None)

    def at_end(self, function: Callable[[], object]) -> None:
        """Call a function once when the run ends: in the thread, or not at all if that has never begun."""
        self._last.append(function)

    def hand(self, function: Callable[[], object]) -> None:
        """Call a function in the thread of the loop, at its next round."""
        self._handed.append(function)
        if self.wake_loop is not None:
            self.wake_loop()

    @property
    def has_begun(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def round(self) -> None:
        """Call in the thread of the loop what was handed over."""
        while self._handed:
            function = self._handed.popleft()
            try:
                function()
            except Exception as error:
                self._say(_failure_of(function, error))

    def begin(self) -> bool:
        """Begin the thread now; return whether there is one. Where none can be had one line says so."""
        if self._thread is not None or self._failed:
            return self._thread is not None
        from threading import Thread

        try:
            self._wake_in, self._wake_out = os.pipe()
            os.set_blocking(self._wake_in, False)
            os.set_blocking(self._wake_out, False)
            thread = Thread(target=self._body, args=(get_ident(),), daemon=True, name="treadle-background")
            thread.start()
        except (OSError, RuntimeError) as error:
            self._failed = True
            self._close_pipe()
            self._say(f"background work of the run is left out: {error}")
            return False
        self._thread = thread
        return True

    def wake(self) -> None:
        """Make the thread look at once at what is due."""
        if self._wake_out >= 0:
            try:
                os.write(self._wake_out, b"w")
            except OSError:
                # it is full, so the thread wakes anyway
                return

    def close(self, within: float = PATIENCE) -> bool:
        """End the thread, and return whether it has ended in time; one that has not is left alone.

        :param within: seconds that it may take for what is under way and for what is to be done last
        """
        self.is_closing = True
        thread = self._thread
        if thread is not None:
            self.wake()
            thread.join(within)
            if thread.is_alive():
                # it holds the pipe as long as the process lives
                return False
            self._thread = None
            self._failed = True
            self._close_pipe()
        self.round()
        return True

    def _close_pipe(self) -> None:
        ends = self._wake_in, self._wake_out
        self._wake_in = self._wake_out = -1
        for fd in ends:
            if fd >= 0:
                os.close(fd)

    def _body(self, owner: int) -> None:
        from signal import SIG_BLOCK, pthread_sigmask, valid_signals

        # signals are for the loop, which they have to wake
        pthread_sigmask(SIG_BLOCK, valid_signals())
        work_for(owner)
        try:
            while not self.is_closing:
                self._work()
            for function in self._last:
                self._call(function)
        finally:
            work_is_over()

    def _work(self) -> None:
        """Wait for what is next, and call it."""
        now = self._clock()
        due = min((one.due for one in self._repeated), default=now + LONGEST_SLEEP)
        waiting = poll()
        waiting.register(self._wake_in, POLLIN)
        for fd in tuple(self._watched):
            waiting.register(fd, POLLIN)
        seconds = min(max(0.0, due - now), LONGEST_SLEEP)
        for fd, _ in waiting.poll(seconds * 1000):
            if fd == self._wake_in:
                os.read(fd, 1 << 16)
            elif (function := self._watched.get(fd)) is not None and not self._call(function):
                self.unwatch(fd)
        for one in tuple(self._repeated):
            if not self.is_closing and one.due <= self._clock():
                # what was late is not made up for
                if self._call(one.function):
                    one.due = self._clock() + one.seconds
                else:
                    self._repeated.remove(one)

    def _call(self, function: Callable[[], object]) -> bool:
        try:
            function()
        except Exception as error:
            text = _failure_of(function, error)
            self.hand(lambda: self._say(text))
            return False
        return True


def _failure_of(function: Callable[[], object], error: Exception) -> str:
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{name} failed, and is not called any more: {type(error).__name__}: {error}".removesuffix(": ")
