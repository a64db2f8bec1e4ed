"""Starts plain programs and says when each ended: one poll for all. It knows no graph, tokens or records."""

from __future__ import annotations

import os
from _thread import allocate_lock
from select import POLLIN, poll
from time import monotonic

from treadle.errors import PATIENCE, is_shortage, pause_after

from . import process
from . import process_marks as marks
from .process import TERM, Process
from .process_marks import KILL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    class Runner(Protocol):
        """What a Scheduler has programs run by: a LocalRunner, a fake, or one that runs them elsewhere.

        All of it is called from one thread, but for `wake`. Keys are the caller's.
        """

        grace: float

        @property
        def active(self) -> int:
            """How many have been started and not been reported as ended."""

        @property
        def has_room(self) -> bool:
            """Whether the system has the resources for one more program, as far as can be told."""

        def start(self, key: object, start: Start) -> Process | None:
            """Start it; what cannot be started has ended at the next `poll`.

            :raises OSError: a shortage (see `errors.is_shortage`), nothing has been started; try again later
            """

        def knows(self, key: object) -> bool:
            """Return whether it was started under this key and has not been reported as ended."""

        def poll(self, timeout: float | None) -> list[Ended]:
            """Wait until something ends, `wake` is called or `timeout` seconds are over: return what ended."""

        def stop(self, key: object) -> None:
            """Ask for its end, and see to it after the grace."""

        def kill(self, key: object) -> None:
            """End it at once."""

        def recover(self) -> list[Ended]:
            """Make good what an exception out of one of these calls may have left half done.

            What was just being started is known from now on and can be stopped. Return what has ended already,
            also what the last `poll` has returned.
            """

        def wake(self) -> None:
            """Make a `poll` that is under way return."""

        def close(self) -> None:
            """Give its resources back; nothing may be running."""


GRACE = 5.0
"""Seconds between TERM and KILL."""
_DRAIN_INTERVAL = 0.02
_LOOK_INTERVAL = 0.02
"""Seconds between two looks at a child that no descriptor tells of."""
_RESERVE = 16
"""At most so many descriptors programs leave free: for logs, for looks at files, and to find processes by mark."""
LONGEST_NAP = 0.5
"""Seconds that we sleep at a time. A signal that comes just before the sleep does not end it, and Python hears of
it only afterwards: without an end it would be lost for as long as the programs run."""


class Start:
    """What is to be started.

    :param argvs: one argv after the other, until one fails
    :param mark: the mark of its processes, see `marks.mark_of`
    :param environ: the whole environment, the mark not yet in it
    :param files: descriptors for stdin (None: nowhere), stdout and stderr (None: ours)
    :param own_session: False keeps it in our own session and group, so that it has the terminal
    """

    __slots__ = ("argvs", "cwd", "environ", "files", "mark", "own_session")

    def __init__(
        self,
        argvs: Sequence[Sequence[str]],
        *,
        mark: str,
        environ: Mapping[str, str],
        cwd: str | None = None,
        files: tuple[int | None, int | None, int | None] = (None, None, None),
        own_session: bool = True,
    ) -> None:
        self.argvs = argvs
        self.mark = mark
        self.environ = environ
        self.cwd = cwd
        self.files = files
        self.own_session = own_session

    def spawn(self, number: int = 0) -> Process:
        """Start its argv of that number.

        :raises OSError: as `process.spawn` does
        :raises ValueError: likewise
        """
        if not self.argvs:
            raise ValueError("there is no program to start")
        return process.spawn(
            self.argvs[number],
            mark=self.mark,
            environ=marks.with_mark(self.environ, self.mark, os.environ),
            cwd=self.cwd,
            files=self.files,
            own_session=self.own_session,
        )

    def why_not(self, error: Exception, number: int = 0) -> str:
        """Return in words why `spawn` has failed."""
        return process.describe_spawn_error(error, self.argvs[number] if self.argvs else (), self.cwd, self.environ)


class Ended:
    """How something that was started has ended.

    :param code: the exit code of the last program, negative for a signal; None if there is none
    :param error: why there is none: it could not be started, or it is not known how it ended
    :param process: the last program that was started, None if there was none
    """

    __slots__ = ("code", "error", "key", "process")

    def __init__(self, key: object, code: int | None, error: str = "", process: Process | None = None) -> None:
        self.key = key
        self.code = code
        self.error = error
        self.process = process


SPAWN_ERRORS = (OSError, ValueError, TypeError)
"""What a program that cannot be started raises: TypeError where an argument is no text."""
LOST = "nobody can say how it ended: something else waits for our children, or SIGCHLD is ignored"


class _Running:
    __slots__ = ("code", "ended", "key", "kill_at", "number", "process", "spawning", "start")

    def __init__(self, key: object, start: Start) -> None:
        self.key = key
        self.start = start
        self.process: Process | None = None
        self.spawning = True
        """Whether a program is just being started: there may be one that `process` does not know of."""
        self.ended: Ended | None = None
        self.number = 0
        self.kill_at: float | None = None
        self.code: int | None = None
        """The status of a leader that ended while its tree is still being ended."""


class LocalRunner:
    """Runs programs on this machine. All of it is called from one thread, but for `wake`."""

    def __init__(self, grace: float = GRACE) -> None:
        self.grace = grace
        self._by_fd: dict[int, _Running] = {}
        self._by_key: dict[object, _Running] = {}
        self._draining: dict[object, _Running] = {}
        self._ended: list[Ended] = []
        self._told: list[Ended] = []
        """What the last `poll` has returned."""
        self._postponed: dict[object, _Running] = {}
        """What waits for a resource of the system, in the order in which it is tried again."""
        self._retry_at = 0.0
        self._tries = 0
        """How often a start has met a shortage while nothing else ran."""
        self._most: int | None = None
        """How many may run at once, as soon as descriptors get scarce."""
        self._unwatched: dict[object, _Running] = {}
        """Children that no descriptor tells of."""
        self._descriptors = -1
        self._poll: poll | None = None
        self._wake_in = self._wake_out = -1
        self._wake_lock = allocate_lock()

    @property
    def active(self) -> int:
        """How many have been started and not been reported as ended."""
        return len(self._by_key) + len(self._ended)

    @property
    def has_room(self) -> bool:
        """Whether the system has the resources for one more program, as far as can be told."""
        return not self._postponed and (self._most is None or len(self._by_key) < self._most)

    def start(self, key: object, start: Start) -> Process | None:
        """Start it under a key of the caller's; what cannot be started has ended at the next `poll`.

        If the system is short of a resource, it starts as soon as another program has ended, or after a pause.

        :raises OSError: there are no descriptors for the runner itself; nothing has been started
        """
        self._open()
        self._told = []
        running = _Running(key, start)
        # an interrupt may come before anybody knows the child: from here on there is its mark
        self._by_key[key] = running
        self._spawn(running)
        return running.process

    def knows(self, key: object) -> bool:
        """Return whether it was started under this key and has not been reported as ended."""
        return key in self._by_key or any(ended.key is key for ended in self._ended)

    def poll(self, timeout: float | None) -> list[Ended]:
        """Wait until something ends, `wake` is called or `timeout` seconds are over: return what ended."""
        self._open()
        self._told = []
        end = None if timeout is None else monotonic() + timeout
        while not self._ended:
            woken = self._look(self._pause(end))
            self._drain()
            self._start_postponed()
            if woken or (end is not None and monotonic() >= end):
                break
        self._told = list(self._ended)
        self._ended.clear()
        return self._told

    def stop(self, key: object) -> None:
        """Ask for its end: TERM for its tree now, KILL after the grace."""
        running = self._by_key.get(key)
        if running is not None and running.kill_at is None:
            # an interrupt may come before all are signalled: from here on it is seen to
            running.kill_at = monotonic() + self.grace
            self._draining[key] = running
            self._signal(running, TERM)

    def kill(self, key: object) -> None:
        """End its tree at once."""
        running = self._by_key.get(key)
        if running is not None:
            running.kill_at = monotonic()
            self._draining[key] = running
            self._signal(running, KILL)

    def recover(self) -> list[Ended]:
        """Make good what an exception may have left half done, KeyboardInterrupt between any two lines above all.

        What was just being started runs on until it is stopped. Return what has ended already, also what the
        last `poll` has returned.
        """
        # it is not known how much of it was watched: begin again
        former, self._by_fd = self._by_fd, {}
        self._unwatched.clear()
        if self._poll is not None:
            self._poll = poll()
            self._poll.register(self._wake_in, POLLIN)
        for fd, running in former.items():
            if running.process is None or fd != running.process.fd:
                os.close(fd)
        for running in list(self._by_key.values()):
            if running.kill_at is not None:
                self._draining[running.key] = running
            if running.ended is not None:
                self._end(running, None)
            elif running.process is not None and not running.spawning:
                self._recover_program(running, running.process)
        self._told = [*self._told, *(ended for ended in self._ended if ended not in self._told)]
        self._ended.clear()
        return self._told

    def _recover_program(self, running: _Running, child: Process) -> None:
        if child.is_collected:
            child.reap()
        if child.is_collected and child.status == 0 and running.number + 1 < len(running.start.argvs):
            running.spawning = True
        elif child.is_collected:
            self._end(running, child.status)
        elif running.code is None:
            self._watch(running)

    def wake(self) -> None:
        """Make a `poll` that is under way return; any thread and any signal handler may call it."""
        # A signal handler may interrupt `close`, so nobody waits here; whoever holds the lock wakes or closes.
        if self._wake_lock.acquire(blocking=False):
            try:
                if self._wake_out >= 0:
                    os.write(self._wake_out, b"w")
            except BlockingIOError:
                return
            finally:
                self._wake_lock.release()

    def close(self) -> None:
        """Give its descriptors back; nothing may be running."""
        # a thread that was interrupted in `wake` holds it for ever, any other for a moment
        self._wake_lock.acquire(timeout=1.0)
        fds = (self._wake_in, self._wake_out)
        self._wake_in = self._wake_out = -1
        self._poll = None
        self._wake_lock = allocate_lock()
        for fd in fds:
            if fd >= 0:
                os.close(fd)

    def _open(self) -> None:
        if self._poll is None:
            self._descriptors = os.sysconf("SC_OPEN_MAX")
            self._wake_in, self._wake_out = os.pipe()
            os.set_blocking(self._wake_in, False)
            os.set_blocking(self._wake_out, False)
            waiting = poll()
            waiting.register(self._wake_in, POLLIN)
            self._poll = waiting

    def _spawn(self, running: _Running) -> None:
        """Start its next program, and watch it; if the system is short of a resource, later."""
        if running.number == 0 and not self._is_its_turn(running):
            self._postpone(running)
            return
        try:
            running.process = running.start.spawn(running.number)
        except SPAWN_ERRORS as error:
            if is_shortage(error) and self._may_wait():
                self._postpone(running)
            else:
                self._end(running, None, running.start.why_not(error, running.number))
        else:
            running.spawning = False
            self._postponed.pop(running.key, None)
            self._tries = 0
            self._watch(running)

    def _is_its_turn(self, running: _Running) -> bool:
        first = next(iter(self._postponed.values()), running)
        return first is running and (self._most is None or len(self._by_key) - len(self._postponed) <= self._most)

    def _may_wait(self) -> bool:
        """Return whether a shortage may end: something runs whose end would free a resource, or others have it."""
        if len(self._by_key) > len(self._postponed) + 1:
            return True
        self._tries += 1
        return self._tries < PATIENCE

    def _postpone(self, running: _Running) -> None:
        self._postponed[running.key] = running
        self._retry_at = monotonic() + pause_after(self._tries)

    def _start_postponed(self) -> None:
        """Start what a shortage has kept from it, if something has ended or its pause is over."""
        if not self._postponed or (not self._ended and monotonic() < self._retry_at):
            return
        for key, running in list(self._postponed.items()):
            self._spawn(running)
            if key in self._postponed:
                return

    def _signal(self, running: _Running, number: int) -> None:
        if running.spawning:
            # an interrupt came in between: whatever there is of it has no Process, or one that nobody watches
            marks.end_lost(running.start.mark)
            if running.process is not None:
                running.process.reap()
                running.process.release()
            self._end(running, -KILL)
        elif running.process is not None:
            running.process.signal_tree(number)

    def _watch(self, running: _Running) -> None:
        if self._poll is None or running.process is None:
            return
        running.process.managed = True
        fd = running.process.fd
        if fd < 0:
            try:
                fd = _thread_that_waits(running.process)
            except (OSError, RuntimeError):
                # no descriptor or thread is left: it is looked at from time to time
                self._unwatched[running.key] = running
                fd = self._descriptors
        if self._descriptors > 0 and fd >= self._descriptors - max(4, min(_RESERVE, self._descriptors // 8)):
            # a new descriptor is the lowest that is free, so few are left
            self._most = max(1, len(self._by_key) - len(self._postponed))
        if running.key in self._unwatched:
            return
        self._by_fd[fd] = running
        self._poll.register(fd, POLLIN)

    def _pause(self, end: float | None) -> float:
        """Return how long the next look may last: until a KILL is due, not long while a tree is ending."""
        now = monotonic()
        due = [] if end is None else [end]
        for running in self._draining.values():
            due.append(running.kill_at or now)
            if running.code is not None:
                due.append(now + _DRAIN_INTERVAL)
        if self._postponed:
            due.append(self._retry_at)
        if self._unwatched:
            due.append(now + _LOOK_INTERVAL)
        return max(0.0, min([*due, now + LONGEST_NAP]) - now)

    def _look(self, wait: float) -> bool:
        """Wait once; return whether `wake` was called."""
        if self._poll is None:
            return False
        woken = False
        for fd, _ in self._poll.poll(process.milliseconds(wait)):
            if fd == self._wake_in:
                os.read(fd, 4096)
                woken = True
            else:
                self._poll.unregister(fd)
                self._leader_ended(self._by_fd.pop(fd), fd)
        for key, running in list(self._unwatched.items()):
            if running.process is not None and running.process.has_ended(0):
                del self._unwatched[key]
                self._leader_ended(running, running.process.fd)
        return woken

    def _leader_ended(self, running: _Running, fd: int) -> None:
        child = running.process
        if child is None or fd != child.fd:
            os.close(fd)
        if child is None:
            return
        if running.kill_at is not None:
            running.code = child.status if child.status is not None else -TERM
            return
        child.reap()
        child.release()
        self._go_on(running, child)

    def _go_on(self, running: _Running, child: Process) -> None:
        """Start what comes after a program that has been collected, or report the end."""
        if child.status == 0 and running.number + 1 < len(running.start.argvs):
            running.spawning = True
            running.number += 1
            self._spawn(running)
        else:
            self._end(running, child.status)

    def _drain(self) -> None:
        """See to the trees that are being ended: report what is gone, KILL what has had its grace."""
        now = monotonic()
        for running in list(self._draining.values()):
            over = running.kill_at is not None and now >= running.kill_at
            if over and running.code is None:
                running.kill_at = now + 1.0
                self._signal(running, KILL)
            elif running.code is not None and (over or self._is_gone(running)):
                marks.end_marked(running.start.mark)
                if running.process is not None:
                    running.process.reap()
                    running.process.release()
                    running.code = running.process.status
                self._end(running, running.code)

    def _is_gone(self, running: _Running) -> bool:
        return next(marks.marked(running.start.mark), None) is None

    def _end(self, running: _Running, code: int | None, error: str = "") -> None:
        if running.ended is None:
            running.ended = Ended(running.key, code, error or ("" if code is not None else LOST), running.process)
        if running.ended not in self._ended:
            self._ended.append(running.ended)
        self._draining.pop(running.key, None)
        self._unwatched.pop(running.key, None)
        self._postponed.pop(running.key, None)
        self._by_key.pop(running.key, None)


def _thread_that_waits(child: Process) -> int:
    """Return a descriptor that becomes readable when the child ends, for systems without pidfds."""
    import threading

    readable, writable = os.pipe()

    def wait() -> None:
        child.has_ended(None)
        os.close(writable)

    try:
        threading.Thread(target=wait, daemon=True).start()
    except RuntimeError:
        os.close(readable)
        os.close(writable)
        raise
    return readable
