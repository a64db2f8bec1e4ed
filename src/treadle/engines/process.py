"""One child process and its tree: start, wait, TERM, KILL. It knows nothing of jobs, actions or logs.

Each child leads a group of its own, and where there is a terminal a session of its own, and carries a mark in its
environment (TREADLE_RUN). What leaves the group keeps the mark, so the whole tree can be found; only what rewrites
its own environment escapes.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock
from errno import ENOENT
from select import POLLIN

from treadle.core.outcomes import Usage

from .process_marks import KILL, end_marked, open_pidfd, signal_marked, wait_for_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any
else:
    # `signal` makes enums of the same numbers, which costs a short run more than the program that it starts
    import _signal as signal

TERM: int = signal.SIGTERM
HAVE_WAITID = hasattr(os, "waitid")
LONGEST_SLEEP = 1_000_000.0
"""Seconds; a longer sleep is woken and goes on."""


class Process:
    """A child that has been started; `status` is its exit code once it has ended, negative for a signal.

    `status` stays None where it is not known how it ended: the system gives exit codes away only once, and keeps
    none where SIGCHLD is ignored. `wait`, `is_running` and `kill` may be called from any thread.
    """

    def __init__(self, pid: int, mark: str, *, leads: bool = True) -> None:
        self.pid = pid
        self.mark = mark
        self.status: int | None = None
        self.is_dumped = False
        """Whether the signal that has ended it made it leave a core."""
        self.rusage: Any = None
        """What it has used with all that it has waited for, as the wait that collected it said."""
        self.fd = open_pidfd(pid)
        self._is_gone = False
        """Whether its number may belong to another process by now."""
        self.leads = leads
        """Whether it leads a group of its own; if not, our terminal sends its signals to it too."""
        self._lock = RLock()
        self._collecting = RLock()
        self._reaped = False
        self._is_alone = False
        """Whether what it has left in its group has been waited for."""
        self.managed = False
        """Whether a runner watches `fd` and will call `release`."""

    @property
    def is_collected(self) -> bool:
        """Whether `reap` has been there."""
        return self._reaped

    def is_running(self) -> bool:
        """Return whether it has not ended yet."""
        return not self.has_ended(0)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it ends, at most `timeout` seconds; return its status, None if it still runs."""
        if self.has_ended(timeout):
            self.reap()
        return self.status

    def has_ended(self, timeout: float | None) -> bool:
        """Wait until it ends, at most `timeout` seconds, and leave it to be collected; return whether it ended."""
        with self._lock:
            if self._reaped:
                return True
            # another thread may reap it and close our descriptor meanwhile
            fd = os.dup(self.fd) if self.fd >= 0 else -1
        if fd < 0:
            return self._wait_without_pidfd(timeout)
        from select import poll

        waiting = poll()
        waiting.register(fd, POLLIN)
        try:
            return bool(waiting.poll(None if timeout is None else milliseconds(timeout)))
        finally:
            os.close(fd)

    def reap(self) -> int | None:
        """Collect it after it ended. What is left of its group is killed first, while its number cannot be reused.

        It is waited for too, for a moment: a KILL takes its time.
        """
        with self._lock:
            if not self._reaped:
                self.signal_group(KILL)
                self._collect()
                self._reaped = True
                if not self.managed:
                    self.release()
            # an interrupt may end the wait before its time: asking again waits again
            if self.leads and not self._is_alone:
                wait_for_group(self.pid)
                self._is_alone = True
        return self.status

    def release(self) -> None:
        """Give back the descriptor that it is watched by."""
        with self._lock:
            fd, self.fd = self.fd, -1
            if fd >= 0:
                os.close(fd)

    def signal_group(self, number: int) -> None:
        """Send a signal to all that is still in its group."""
        with self._lock:
            if not self._reaped and self.leads:
                _send(os.killpg, self.pid, number)

    def signal_tree(self, number: int) -> None:
        """Send a signal to its group and to all others that carry its mark, once to each."""
        with self._lock:
            signalled = 0 if self._reaped else self.pid
            if self.leads:
                self.signal_group(number)
            else:
                self._signal_itself(number)
        signal_marked(self.mark, number, signalled)

    def kill(self, recursive: bool = False) -> None:
        """End it at once, with all that descends from it if `recursive`; return when it is gone."""
        if recursive:
            self.signal_tree(KILL)
            end_marked(self.mark)
        else:
            self._signal_itself(KILL)
        self.wait()

    def _signal_itself(self, number: int) -> None:
        with self._lock:
            # only `_collect` gives its number back to the system, under this lock
            if not self._is_gone:
                _send(os.kill, self.pid, number)

    def _collect(self) -> None:
        """Learn its status and give its number back to the system."""
        try:
            if HAVE_WAITID and not self._is_gone:
                # an interrupt may lose what a call returns, and `_wait` returns it once
                how = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
                if how is not None and self.status is None:
                    self.status = how.si_status if how.si_code == os.CLD_EXITED else -how.si_status
            with self._collecting:
                if not self._is_gone:
                    self._collect_with(0)
        except ChildProcessError:
            self._is_gone = True

    def _collect_with(self, options: int) -> bool:
        pid, status, rusage = _wait(self.pid, options)
        if pid:
            self._is_gone = True
            self.rusage = rusage
            self.is_dumped = os.WCOREDUMP(status)
            if self.status is None:
                self.status = os.waitstatus_to_exitcode(status)
        return self._is_gone

    def _wait_without_pidfd(self, timeout: float | None) -> bool:
        """Wait, and leave it to `reap` to collect it where the system can do that."""
        from time import monotonic, sleep

        end = None if timeout is None else monotonic() + timeout
        pause = 0.0005
        while not self._is_dead(block=end is None):
            if end is not None and monotonic() >= end:
                return False
            sleep(pause)
            pause = min(2 * pause, 0.05)
        return True

    def _is_dead(self, block: bool) -> bool:
        try:
            if not HAVE_WAITID:
                # another lock: a thread that waits must not keep others from a kill
                with self._collecting:
                    return self._is_gone or self._collect_with(0 if block else os.WNOHANG)
            options = os.WEXITED | os.WNOWAIT | (0 if block else os.WNOHANG)
            return os.waitid(os.P_PID, self.pid, options) is not None
        except ChildProcessError:
            return True


def _wait(pid: int, options: int) -> tuple[int, int, Any]:
    """Collect a child: return its pid, 0 if it still runs, its wait status, and what it has used."""
    return os.wait4(pid, options) if can_measure() else (*os.waitpid(pid, options), None)


def can_measure() -> bool:
    """Return whether the wait can say what a child has used; what it needs is loaded then."""
    try:
        # `os.wait4` loads it when the child is gone: where it is missing the status would be lost
        import resource  # noqa: F401
    except ImportError:
        return False
    return True


def usage_of(rusages: Sequence[Any], wall: float) -> Usage | None:
    """Return what programs have used that ran one after the other; None if that is not known of each, or of any.

    :param rusages: the `rusage` of each
    :param wall: seconds that all of it took
    """
    if not rusages:
        return None
    user = system = 0.0
    blocks_in = blocks_out = peak = 0
    for one in rusages:
        if one is None:
            return None
        user += one.ru_utime
        system += one.ru_stime
        blocks_in += one.ru_inblock
        blocks_out += one.ru_oublock
        peak = max(peak, one.ru_maxrss)
    return Usage(wall, user, system, blocks_in, blocks_out, _clear_peak(peak))


_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes that `ru_maxrss` counts."""
_own_peak = 0
"""That of this process, as it was last looked at: it never gets smaller."""


def _clear_peak(peak: int) -> int | None:
    """Return the peak of a child in bytes; None if it may be ours.

    A child begins as a copy of us, and what we have had then remains its peak when it becomes another program. The
    system counts pages by processor and not exactly, so a child that is hardly larger does not count either.
    """
    global _own_peak
    if peak * 8 > _own_peak * 9:
        import resource

        _own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * _PEAK_UNIT if peak * 8 > _own_peak * 9 else None


def milliseconds(seconds: float) -> int:
    """Return a time to sleep as `poll` takes it: rounded up, and no longer than `poll` can take."""
    return int(min(max(0.0, seconds), LONGEST_SLEEP) * 1000 + 0.999)


def _send(send: Callable[[int, int], None], pid: int, number: int) -> None:
    try:
        send(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def spawn(
    argv: Sequence[str],
    *,
    mark: str,
    environ: Mapping[str, str],
    cwd: str | None = None,
    files: tuple[int | None, int | None, int | None] = (None, None, None),
    own_session: bool = True,
    program: str | None = None,
) -> Process:
    """Start a program: the first of `argv`, or the file `program` under that name.

    The child gets the three descriptors of `files` (None: stdin from nowhere, stdout and stderr as ours) and no
    other: the caller has made its own descriptors close on exec (Python does; `seal_descriptors` for
    those that were inherited). They are closed by the exec itself and not a moment earlier, so that a lock that
    we hold stays held until the child carries its mark.

    :raises OSError: the program or the folder is missing, is not executable, or takes no such arguments
    :raises ValueError: there is no program, or an argument cannot be one
    """
    if not argv:
        raise ValueError("there is no program to start")
    pid = None
    if cwd is None or _is_here(cwd):
        pid = _spawn_here(argv, environ, files, own_session, program)
    if pid is None:
        pid = _spawn_elsewhere(argv, environ, files, own_session, cwd, program)
    return Process(pid, mark, leads=own_session)


_DEFAULTED = [getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)]
"""Signals that Python ignores, and programs expect to end them."""


def has_terminal() -> bool:
    """Return whether we have a terminal that could send signals to our children, or be read by them.

    If so they get a session of their own. It costs 0.1 ms a program where the kernel shares processors out by
    session, and a slower program where others are busy; without a terminal a group does the same.
    """
    global _terminal
    if _terminal is None:
        try:
            os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
            _terminal = True
        except OSError:
            _terminal = False
    return _terminal


_terminal: bool | None = None
"""Whether we have one: a process may lose it, and hardly ever gets one."""


def _is_here(folder: str) -> bool:
    try:
        return folder == os.getcwd()
    except OSError:
        return False


def _spawn_here(
    argv: Sequence[str],
    environ: Mapping[str, str],
    files: tuple[int | None, int | None, int | None],
    own_session: bool,
    program: str | None,
) -> int | None:
    """Start a program in our own folder and return its pid; None where it needs more than `posix_spawn` can do.

    It is what `subprocess` does, without its import, which takes longer than the start of a program.
    """
    actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = []
    for number, file in enumerate(files):
        if file is not None:
            if file < len(files):
                # one of the three would be overwritten before it is copied
                return None
            actions.append((os.POSIX_SPAWN_DUP2, file, number))
        elif number == 0:
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
    absent: OSError = FileNotFoundError(ENOENT, os.strerror(ENOENT), argv[0])
    alone: dict[str, Any] = {}
    if own_session:
        # a session costs 0.1 ms a program, and protects nothing but a terminal
        alone = {"setsid": True} if has_terminal() else {"setpgroup": 0}
    failure: OSError | None = None
    for path in _candidates(program or argv[0], environ):
        try:
            return os.posix_spawn(path, list(argv), environ, file_actions=actions, setsigdef=_DEFAULTED, **alone)
        except NotImplementedError:
            # the system cannot begin a session like this
            return None
        except (FileNotFoundError, NotADirectoryError) as error:
            absent = error
        except OSError as error:
            failure = failure or error
    try:
        raise failure or absent
    finally:
        # an error that its own frame holds is a circle, and a run does without the garbage collector
        del failure, absent


def _spawn_elsewhere(
    argv: Sequence[str],
    environ: Mapping[str, str],
    files: tuple[int | None, int | None, int | None],
    own_session: bool,
    cwd: str | None,
    program: str | None,
) -> int:
    """Start a program in any folder and return its pid."""
    from subprocess import DEVNULL, Popen

    stdin, stdout, stderr = files
    child = Popen(
        list(argv),
        executable=program,
        cwd=cwd,
        env=dict(environ),
        stdin=DEVNULL if stdin is None else stdin,
        stdout=stdout,
        stderr=stderr,
        close_fds=False,
        start_new_session=own_session and has_terminal(),
        process_group=0 if own_session and not has_terminal() else None,
    )
    # it is ours from here on: Popen is not to wait for it when it goes
    child.returncode = 0
    return child.pid


def _candidates(program: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield where a program may be: itself if it is a path, else what the PATH of its own environment finds."""
    if os.sep in program:
        yield program
        return
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = f"{folder}/{program}" if folder else program
        # a failed start costs as much as one that succeeds
        if os.access(path, os.F_OK):
            yield path


def seal_descriptors() -> None:
    """Make all descriptors but the first three close on exec, also those that our own parent has left us."""
    try:
        numbers = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        numbers = list(range(3, 256))
    for number in numbers:
        if number > 2:
            try:
                os.set_inheritable(number, False)
            except OSError:
                continue


def describe_status(status: int | None) -> str:
    """Return an exit code or a signal in words."""
    if status is None:
        return "no exit code"
    if status >= 0:
        return f"exit code {status}"
    from signal import Signals

    try:
        return f"killed by {Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


LONGEST_TEXT = 131072
"""Bytes of an argument or variable, with its end, that Linux takes no more of."""


def _named(argv: Sequence[str], environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what a program is started with: in words, and as the system counts it."""
    for number, word in enumerate(argv):
        yield f"argument {number}", word + "\0"
    for name, text in environ.items():
        yield f"the variable {name}", f"{name}={text}\0"


def describe_spawn_error(
    error: Exception, argv: Sequence[str], cwd: str | None, environ: Mapping[str, str] | None = None
) -> str:
    """Return in words why a program could not be started."""
    environ = environ or {}
    import errno

    program = argv[0] if argv else "an empty command"
    if not isinstance(error, OSError):
        return f"{program}: {error}"
    if cwd is not None and not os.path.isdir(cwd):
        return f"the folder it should run in is not there: {cwd}"
    if cwd is not None and error.filename == cwd:
        return f"the folder it should run in cannot be entered: {cwd}"
    if error.errno == errno.ENOENT:
        if os.path.exists(program) and os.sep in program:
            return f"{program}: the interpreter that its first line names was not found"
        where = "" if os.sep in program else " on PATH"
        return f"{program}: the program was not found{where}"
    if error.errno == errno.EACCES:
        return f"{program}: not executable (chmod +x makes it so)"
    if error.errno == errno.ENOEXEC:
        return f"{program}: neither a program of this system nor a script with a #! line"
    if error.errno == errno.E2BIG:
        longest = max((len(os.fsencode(text)), name) for name, text in [("", ""), *_named(argv, environ)])
        if longest[0] >= LONGEST_TEXT:
            return f"{longest[1]} is too long for this system ({longest[0]} bytes, less than {LONGEST_TEXT} can be)"
        size = sum(len(os.fsencode(word)) + 1 for word in argv)
        around = sum(len(os.fsencode(name + text)) + 2 for name, text in environ.items())
        if around > size:
            return f"the variables are too long for this system ({len(environ)} of them, {around} bytes)"
        return f"the argument list is too long for this system ({len(argv)} words, {size} bytes)"
    return f"{program}: {os.strerror(error.errno or 0)}"
