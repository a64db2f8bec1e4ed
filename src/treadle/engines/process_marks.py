"""Marks that processes carry, and the processes that carry one or are in a group: found, signalled, ended.

It knows nothing of what starts them, of jobs and runs. A process that rewrites its own environment is not found by
its mark. `psutil` looks where there is no `/proc`.

By them a run ends also processes in sessions of their own, even after a success. Until then these may serve other
actions. A process that is to live on is started without the mark (`env -u TREADLE_RUN`).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping
else:
    # `signal` makes enums of the same numbers, which takes longer than all of this module
    import _signal as signal

MARK = "TREADLE_RUN"
"""The variable with the marks of all runs that a process descends from: `<run>/<action>`, separated by blanks."""

AGENT = "/agent"
"""How a mark ends by which the guard of a worker finds what that has started."""
WORKER = "/%engine"
"""How the mark of a worker ends, after the run that has started it: no action has it, whatever it is called."""
KILL: int = signal.SIGKILL
HAVE_PIDFD = hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal")
PATIENCE_WITH_A_GROUP = 2.0
"""Seconds to wait for what is left of a group to die of a KILL."""
_PROC = "/proc"


_PLAIN = dict.fromkeys(b"_.@-:,0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
"""What `str.translate` takes away: a name of which nothing is left is a plain one."""


def mark_of(run: str, name: str) -> str:
    """Return the mark of the action `name` of the run `run`: text without blanks."""
    if len(name) <= 200 and not name.translate(_PLAIN):
        return f"{run}/{name}"
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "_.@-:,") else f"%{ord(c):X}." for c in name[:200])
    if len(name) > 200:
        # names that begin alike must not end each other's processes
        from xxhash import xxh3_64_hexdigest

        safe += "-" + xxh3_64_hexdigest(name.encode("utf-8", "surrogatepass"))
    return f"{run}/{safe}"


def with_mark(environ: Mapping[str, str], mark: str, outer: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return `environ` with `mark` added to the marks that are there, or that `outer` has."""
    before = environ.get(MARK) or (outer or {}).get(MARK)
    return {**environ, MARK: f"{before} {mark}" if before else mark}


def marked(mark: str, but: tuple[str, ...] = (), beside: str = "") -> Iterator[int]:
    """Yield the pid of each living process that carries `mark`; one that ends in `/` means a whole run.

    :param but: ends of marks: what carries one with such an end too is left out
    :param beside: the begin of a mark that it has to carry too
    """
    wanted, ends = os.fsencode(mark), tuple(map(os.fsencode, but))
    begin = os.fsencode(beside)
    for pid, environ in environments():
        for entry in environ:
            if not entry.startswith(b"TREADLE_RUN=") or not _carries(entry[12:], wanted):
                continue
            marks = entry[12:].split(b" ")
            if begin and not any(one.startswith(begin) for one in marks):
                continue
            if not (ends and any(one.endswith(ends) for one in marks)):
                yield pid


def _carries(value: bytes, wanted: bytes) -> bool:
    marks = value.split(b" ")
    return any(m.startswith(wanted) for m in marks) if wanted.endswith(b"/") else wanted in marks


def environments() -> Iterator[tuple[int, list[bytes]]]:
    """Yield the pid of each living process with the environment that it was started with."""
    if os.path.isdir(f"{_PROC}/self"):
        for name in os.listdir(_PROC):
            if name.isdigit():
                yield int(name), _environment_of(int(name))
        return
    import psutil

    for process in psutil.process_iter():
        yield process.pid, _environment_of(process.pid)


def _environment_of(pid: int) -> list[bytes]:
    """Return the environment it was started with; empty for what is dead, gone or not ours to look at."""
    try:
        with open(f"{_PROC}/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        if os.path.isdir(f"{_PROC}/self"):
            return []
    import psutil

    try:
        found = psutil.Process(pid)
        if found.status() == psutil.STATUS_ZOMBIE:
            return []
        return [os.fsencode(f"{name}={value}") for name, value in found.environ().items()]
    except (psutil.Error, OSError):
        return []


def signal_marked(mark: str, number: int, signalled: int = 0) -> int:
    """Send a signal to each process that carries `mark`; return how many there were.

    :param signalled: a process that has been sent the signal already, and its group if it leads one
    """
    count = 0
    for pid in list(marked(mark)):
        if not signalled or (pid != signalled and not _is_in_group(pid, signalled)):
            count += _signal_one(pid, mark, number)
    return count


def _is_in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except OSError:
        return False


def _signal_one(pid: int, mark: str, number: int) -> bool:
    fd = open_pidfd(pid)
    try:
        if fd >= 0:
            # the number may have gone to another process since the look
            wanted = os.fsencode(mark)
            if not any(e.startswith(b"TREADLE_RUN=") and _carries(e[12:], wanted) for e in _environment_of(pid)):
                return False
            signal.pidfd_send_signal(fd, number)
        else:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        if fd >= 0:
            os.close(fd)
    return True


def end_marked(mark: str, patience: float = 10.0, but: tuple[str, ...] = (), beside: str = "") -> list[int]:
    """Kill all that carries `mark` until two looks find none.

    Between them is a pause: a process that is just becoming another program has no environment to be read.

    :param patience: seconds after which it gives up
    :param but: ends of marks: what carries one with such an end too is left alone
    :param beside: the begin of a mark that it has to carry too
    :return: the pids that were alive at the last look
    """
    from time import monotonic, sleep

    end = monotonic() + patience
    quiet = 0
    left: list[int] = []
    while quiet < 2 and monotonic() < end:
        left = list(marked(mark, but, beside))
        quiet = 0 if left else quiet + 1
        for pid in left:
            _signal_one(pid, mark, KILL)
        if quiet < 2:
            sleep(0.002 if left else _EXEC_PAUSE)
    return left


_EXEC_PAUSE = 0.01
"""Seconds that an exec is given to be over."""


def end_lost(mark: str) -> None:
    """End what carries `mark` where there is no Process for it, and collect what of it are our own children."""
    pids = list(marked(mark))
    end_marked(mark)
    for pid in pids:
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            continue


def wait_for_group(group: int) -> None:
    """Wait until nothing of a group lives after its leader has been collected; zombies do not count."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return
    except PermissionError:
        # a process is there
        pass
    from time import monotonic, sleep

    end = monotonic() + PATIENCE_WITH_A_GROUP
    pause = 0.0005
    while _lives(group) and monotonic() < end:
        sleep(pause)
        pause = min(2 * pause, 0.02)


def _lives(group: int) -> bool:
    if os.path.isdir(f"{_PROC}/self"):
        return any(_is_living_member(int(name), group) for name in os.listdir(_PROC) if name.isdigit())
    import psutil

    gone = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    for process in psutil.process_iter():
        try:
            if _is_in_group(process.pid, group) and process.status() not in gone:
                return True
        except psutil.Error:
            continue
    return False


def _is_living_member(pid: int, group: int) -> bool:
    try:
        with open(f"{_PROC}/{pid}/stat", "rb") as file:
            state, _, pgrp, *_ = file.read().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return False
    return int(pgrp) == group and state not in b"ZX"


def open_pidfd(pid: int) -> int:
    """Return a descriptor of a process, whatever becomes of its number; -1 where there is none."""
    if not HAVE_PIDFD:
        return -1
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1
