"""The local engine: starts programs of this machine and reports each end, by one poll. It knows no graph."""

from __future__ import annotations

import os
from _thread import allocate_lock
from select import POLLIN, poll
from time import monotonic

from treadle.errors import PATIENCE, is_shortage, pause_after

from . import process, process_marks
from .base import GRACE, AttemptEnd
from .process import TERM, Process
from .process_marks import KILL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from treadle.core.outcomes import Usage

    from .base import Attempt
    from .control_groups import Group, Groups
    from .sampling import Sampler
_DRAIN_INTERVAL = 0.02
_LOOK_INTERVAL = 0.02
"""Seconds between two looks at a child without a descriptor that becomes readable at its end."""
_RESERVE = 16
"""At most so many descriptors programs leave free: for logs, for looks at files, and to find processes by mark."""
LONGEST_NAP = 0.5
"""Seconds that we sleep at a time. A signal that comes just before the sleep does not end it, and Python handles
it only afterwards: without a bound it would be lost for as long as the programs run."""


SPAWN_ERRORS = (OSError, ValueError, TypeError)
"""What a program that cannot be started raises: TypeError where an argument is no text."""
LOST = "its exit status is lost: another part of this process waits for child processes, or SIGCHLD is ignored"


class OpenFiles:
    """The files of an attempt, opened when its first program starts: what waits for its start holds none.

    :param attempt: what is started
    """

    __slots__ = ("_attempt", "_opened", "_trio", "is_direct")

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._opened: list[int] = []
        self._trio: tuple[int | None, int | None, int | None] | None = None
        self.is_direct = False
        """Whether the last program was started without its shell."""

    def spawn(self, number: int = 0) -> Process:
        """Start the program of that number, with the files.

        :raises OSError: as `process.spawn` does, or a file cannot be opened
        :raises ValueError: as `process.spawn` does
        """
        attempt = self._attempt
        if not attempt.argvs:
            raise ValueError("there is no program to start")
        try:
            if self._trio is None:
                self._trio = self._open()
            given: dict[str, Any] = {
                "mark": attempt.mark,
                "environ": process_marks.with_mark(attempt.environ, attempt.mark, os.environ),
                "cwd": attempt.cwd,
                "files": self._trio,
                "own_session": attempt.own_session,
            }
            child = attempt.direct.spawn(**given) if attempt.direct is not None and number == 0 else None
            self.is_direct = child is not None
            return child or process.spawn(attempt.argvs[number], **given)
        except SPAWN_ERRORS:
            if number == 0:
                self.close()
            raise

    def note_signal(self, child: Process) -> None:
        """Have a program that a signal has ended look as its shell would, if it was started without."""
        if self.is_direct and self._attempt.direct is not None and self._trio is not None:
            self._attempt.direct.note_signal(child, self._trio[2])

    def why_not(self, error: Exception, number: int = 0) -> str:
        """Return in words why `spawn` has failed."""
        attempt = self._attempt
        if isinstance(error, OSError) and error.filename is not None:
            if error.filename in (attempt.stdout, attempt.stderr, attempt.log):
                return f"{error.filename} cannot be written: {error.strerror}"
            if error.filename == attempt.stdin:
                return f"{error.filename} cannot be read: {error.strerror}"
        argv = attempt.argvs[number] if attempt.argvs else ()
        return process.describe_spawn_error(error, argv, attempt.cwd, attempt.environ)

    def close(self) -> None:
        """Close what was opened."""
        self._trio = None
        while self._opened:
            os.close(self._opened.pop())

    def _open(self) -> tuple[int | None, int | None, int | None]:
        attempt = self._attempt
        log = None if attempt.log is None else self._opened_at(attempt.log, _ADDED_TO)
        stdin = self._opened_at(attempt.stdin, os.O_RDONLY)
        stdout = log if attempt.stdout is None else self._opened_at(attempt.stdout, _EMPTIED)
        if attempt.stderr is not None:
            return stdin, stdout, self._opened_at(attempt.stderr, _EMPTIED)
        return stdin, stdout, stdout if log is None else log

    def _opened_at(self, where: str | int | None, flags: int) -> int | None:
        if where is None or isinstance(where, int):
            return where
        fd = os.open(where, flags | os.O_CLOEXEC, 0o666)
        self._opened.append(fd)
        return fd


_EMPTIED = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
_ADDED_TO = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW


_KILLED = (-KILL, 128 + KILL)
"""How a program ends that KILL has ended, and how a shell reports it."""
_AGE_OF_THE_SAMPLED = 1.0
"""Seconds after which the memory of an attempt is looked at: what is over before costs nothing."""
_AGE_OF_KILLS = 1.0
"""Seconds for which a count of processes that were killed for memory is not read again."""


def kills_for_memory() -> int | None:
    """Return how many processes this machine has killed for memory; None where it does not count them.

    It is read at most once a second, and after a KILL: a look before each start would cost too much.
    """
    try:
        fd = os.open("/proc/vmstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    text = b""
    try:
        while part := os.read(fd, 65536):
            text += part
    except OSError:
        return None
    finally:
        os.close(fd)
    number = text.partition(b"\noom_kill ")[2].partition(b"\n")[0]
    return int(number) if number.isdigit() else None


def groups_of_machine() -> Groups | None:
    """Return what makes control groups, None where that is not possible."""
    try:
        from .control_groups import find
    except (ImportError, OSError):
        # there is no descriptor for the module
        return None
    return find()


class _Running:
    __slots__ = (
        *("attempt", "before", "began", "code", "ended", "files", "group", "is_sampled", "key", "kill_at", "kills"),
        *("number", "process", "spawning"),
    )

    def __init__(self, key: object, attempt: Attempt) -> None:
        self.key = key
        self.attempt = attempt
        self.files = OpenFiles(attempt)
        self.process: Process | None = None
        self.spawning = True
        """Whether a program is just being started: there may be one that `process` does not know of."""
        self.ended: AttemptEnd | None = None
        self.number = 0
        self.began = 0.0
        """When its first program was started, on the monotonic clock."""
        self.before: tuple[Any, ...] = ()
        """What the programs before `process` have used."""
        self.kill_at: float | None = None
        self.code: int | None = None
        """The status of a leader that ended while its tree is still being ended."""
        self.group: Group | None = None
        """Its control group, if it has one."""
        self.is_sampled = False
        """Whether a sampler looks at it."""
        self.kills: int | None = None
        """How many others of the machine had been killed for memory when it started, None if that is not known."""

    def goes_on_after(self, code: int | None) -> bool:
        """Return whether another program follows one that ended with a code."""
        return code in self.attempt.success and self.number + 1 < len(self.attempt.argvs)

    def usage(self) -> Usage | None:
        """Return what its programs have used, None if that is not known or there was none."""
        if self.process is None:
            return None
        # while the next one is being started, `process` is still the one before
        last = () if self.spawning else (self.process.rusage,)
        return process.usage_of((*self.before, *last), monotonic() - self.began)


class LocalRunner:
    """Runs programs on this machine. All of it is called from one thread, but for `wake`.

    :param grace: seconds between TERM and KILL
    :param kills: returns how many processes of the machine were killed for memory, None where that is not known
    :param groups: returns what makes control groups, None where that is not possible; called once, when the first
        attempt starts that is to be measured
    """

    def __init__(
        self,
        grace: float = GRACE,
        kills: Callable[[], int | None] = kills_for_memory,
        groups: Callable[[], Groups | None] = groups_of_machine,
    ) -> None:
        self.grace = grace
        self._read_kills = kills
        self._kills: int | None = None
        """How many processes of the machine were killed for memory at the last look, without those of ours."""
        self._own_kills = 0
        """How many of ours were."""
        self._kills_read_at = float("-inf")
        self._uncounted: list[_Running] = []
        """What has started since."""
        self._find_groups: Callable[[], Groups | None] | None = groups
        """What finds the next, None once it has been called."""
        self._groups: Groups | None = None
        self._sampler: Sampler | None = None
        self._next_ages = 0.0
        """When it is to be looked next for what has come of age for the sampler."""
        self._by_fd: dict[int, _Running] = {}
        self._by_key: dict[object, _Running] = {}
        self._draining: dict[object, _Running] = {}
        self._ended: list[AttemptEnd] = []
        self._told: list[AttemptEnd] = []
        """What the last `poll` has returned."""
        self._postponed: dict[object, _Running] = {}
        """What waits for a resource of the system, in the order in which it is tried again."""
        self._retry_at = 0.0
        self._tries = 0
        """How often a start has met a shortage while nothing else ran."""
        self._most: int | None = None
        """How many may run at once, as soon as descriptors get scarce."""
        self._unwatched: dict[object, _Running] = {}
        """Children without a descriptor that becomes readable at their end."""
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
        """Whether the system has the resources for one more program, as far as is known."""
        return not self._postponed and (self._most is None or len(self._by_key) < self._most)

    def start(self, key: object, attempt: Attempt) -> Process | None:
        """Start it under a key of the caller's; what cannot be started has ended at the next `poll`.

        If the system is short of a resource, it starts as soon as another program has ended, or after a pause.

        :raises OSError: there are no descriptors for the runner itself; nothing has been started
        """
        self._open()
        self._told = []
        running = _Running(key, attempt)
        # an interrupt may come before the child is known: from here on there is its mark
        self._by_key[key] = running
        self._spawn(running)
        return running.process

    def tells_start(self, key: object) -> bool:  # noqa: ARG002 - it is the same for all
        """Return whether `poll` reports when it starts: it starts at once."""
        return False

    def knows(self, key: object) -> bool:
        """Return whether it was started under this key and has not been reported as ended."""
        return key in self._by_key or any(ended.key is key for ended in self._ended)

    def poll(self, timeout: float | None) -> list[AttemptEnd]:
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
            self._try_to_end(running, TERM)

    def kill(self, key: object) -> None:
        """End its tree at once."""
        running = self._by_key.get(key)
        if running is not None:
            running.kill_at = monotonic()
            self._draining[key] = running
            self._try_to_end(running, KILL)

    def recover(self) -> list[AttemptEnd]:
        """Make good what an exception may have left half done, KeyboardInterrupt between any two lines above all.

        What was just being started runs on until it is stopped. Return what has ended already, also what the
        last `poll` has returned.
        """
        # it is not known how much of it was watched: begin again
        before, self._by_fd = self._by_fd, {}
        self._unwatched.clear()
        if self._poll is not None:
            self._poll = poll()
            self._poll.register(self._wake_in, POLLIN)
        for fd, running in before.items():
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
        if child.is_collected and running.goes_on_after(child.status):
            running.spawning = True
        elif child.is_collected:
            self._end(running, child.status)
        elif running.code is None:
            self._watch(running)

    def wake(self) -> None:
        """Make a `poll` that is under way return; any thread and any signal handler may call it."""
        # A signal handler may interrupt `close`, so this never waits: the holder of the lock wakes or closes.
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
        if self._sampler is not None:
            self._sampler.close()
        if self._groups is not None:
            self._groups.close()
        self._sampler = self._groups = None
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
        if running.attempt.is_measured and self._find_groups is not None:
            # before it starts: what runs in our own group keeps that from having others
            find, self._find_groups = self._find_groups, None
            self._groups = find()
        try:
            running.process = running.files.spawn(running.number)
        except SPAWN_ERRORS as error:
            if is_shortage(error) and self._may_wait():
                self._postpone(running)
            else:
                self._end(running, None, running.files.why_not(error, running.number))
        else:
            if running.number == 0:
                running.began = monotonic()
                # what that needs is loaded while the program runs, and not after its end
                process.can_measure()
            running.spawning = False
            if self._groups is not None and running.attempt.is_measured:
                self._enter_group(running, self._groups, running.process.pid)
            self._uncounted.append(running)
            self._postponed.pop(running.key, None)
            self._tries = 0
            self._watch(running)

    def _enter_group(self, running: _Running, groups: Groups, pid: int) -> None:
        """Put a program that has just started into the control group of its attempt."""
        if running.number == 0:
            running.group = groups.make(pid)
        elif running.group is not None:
            try:
                running.group.add(pid)
            except OSError:
                # what it uses is missing from what is reported then
                return

    def _sample_the_old(self, now: float) -> None:
        """Have the memory of what has run for a second looked at from now on."""
        self._next_ages = now + LONGEST_NAP
        for running in self._by_key.values():
            if running.is_sampled or not running.began:
                continue
            if running.group is not None and running.group.peak is not None:
                # a kernel before 5.19 counts what a group has, and not what it had at most
                continue
            if now - running.began < _AGE_OF_THE_SAMPLED:
                # what comes now has started later
                return
            running.is_sampled = True
            if self._sampler is None:
                try:
                    from .sampling import Sampler
                except (ImportError, OSError):
                    return
                self._sampler = Sampler()
            self._sampler.watch(running.attempt.mark)

    def _measure(self, running: _Running) -> Usage | None:
        """Return what an attempt that has ended has used."""
        usage = running.usage()
        seen = self._sampler.forget(running.attempt.mark) if running.is_sampled and self._sampler else None
        if usage is not None:
            usage.sampled_peak = seen
            if running.group is not None:
                usage.tree_peak = running.group.peak
                usage.tree_read, usage.tree_written = running.group.moved or (None, None)
        return usage

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

    def _try_to_end(self, running: _Running, number: int | None) -> None:
        """Signal a tree, or with None collect what is left of it; if the system is short of a resource, later."""
        try:
            if number is None:
                self._collect(running)
            else:
                self._signal(running, number)
        except OSError as error:
            if not is_shortage(error):
                raise
            # `_drain` tries again: what has ended by then gives back what was short. What runs keeps its grace.
            if running.spawning or number != TERM:
                running.kill_at = monotonic() + _DRAIN_INTERVAL

    def _signal(self, running: _Running, number: int) -> None:
        if running.spawning:
            # an interrupt came in between: whatever there is of it has no Process, or one that is not watched
            process_marks.end_lost(running.attempt.mark)
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
        if self._uncounted:
            # the programs run already, so this makes none of them start later
            self._count_kills()
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
        if running.files.is_direct:
            running.files.note_signal(child)
        self._go_on(running, child)

    def _go_on(self, running: _Running, child: Process) -> None:
        """Start what comes after a program that has been collected, or report the end."""
        if running.goes_on_after(child.status):
            running.spawning = True
            running.before += (child.rusage,)
            running.number += 1
            self._spawn(running)
        else:
            self._end(running, child.status)

    def _drain(self) -> None:
        """See to the trees that are being ended: report what is gone, KILL what has had its grace."""
        now = monotonic()
        if now >= self._next_ages:
            self._sample_the_old(now)
        for running in list(self._draining.values()):
            over = running.kill_at is not None and now >= running.kill_at
            if over and running.code is None:
                running.kill_at = now + 1.0
                self._try_to_end(running, KILL)
            elif running.code is not None:
                self._try_to_end(running, None)

    def _collect(self, running: _Running) -> None:
        """Report the end of a tree whose program has ended, if nothing is left of it or its grace is over."""
        is_over = running.kill_at is not None and monotonic() >= running.kill_at
        if is_over or self._is_gone(running):
            process_marks.end_marked(running.attempt.mark)
            if running.process is not None:
                running.process.reap()
                running.process.release()
                running.code = running.process.status
            self._end(running, running.code)

    def _is_gone(self, running: _Running) -> bool:
        return next(process_marks.marked(running.attempt.mark), None) is None

    def _count_kills(self, *, anew: bool = False) -> None:
        """Note how many processes of the machine were killed for memory before what has started ends."""
        now = monotonic()
        if anew or now - self._kills_read_at > _AGE_OF_KILLS:
            read = self._read_kills()
            self._kills, self._kills_read_at = None if read is None else read - self._own_kills, now
        for running in self._uncounted:
            if running.kills is None:
                running.kills = self._kills
        self._uncounted.clear()

    def _cause_of(self, running: _Running, code: int | None, error: str) -> str:
        """Return `out_of_memory` if it was killed, not by us, and the machine killed one for memory meanwhile.

        Where it is not known how it ended that is `broken`.
        """
        if code is None and not error:
            return "broken"
        killed = None if running.group is None else running.group.kills
        if killed is not None:
            # these explain the end of nothing else
            self._own_kills += killed
            if killed and self._kills is not None:
                self._count_kills(anew=True)
            return "out_of_memory" if killed and code and running.kill_at is None else ""
        if code not in _KILLED or running.kill_at is not None or running.kills is None:
            return ""
        self._count_kills(anew=True)
        if self._kills is None or self._kills <= running.kills:
            return ""
        # that one explains no other end
        self._own_kills += 1
        self._kills -= 1
        return "out_of_memory"

    def _end(self, running: _Running, code: int | None, error: str = "") -> None:
        if running.ended is None:
            running.ended = AttemptEnd(
                running.key,
                code,
                error or ("" if code is not None else LOST),
                running.process,
                self._measure(running),
                self._cause_of(running, code, error),
            )
            if running.group is not None:
                running.group.close()
        if running.ended not in self._ended:
            self._ended.append(running.ended)
        running.files.close()
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
