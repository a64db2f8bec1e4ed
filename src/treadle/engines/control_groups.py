"""Control groups of attempts: what a whole tree of processes has used, as the system counts it.

There are some where we may make them: with the unified hierarchy, in a group that was delegated to us, with the
controller of memory. Elsewhere `find` returns None, and nothing is said of it. It knows no jobs.

A program is moved into its group right after its start, with what it has started in between. A wrapper would be
one more program, and moving ourselves there and back would stop all of our threads. Other processes in our group
are never moved: if there are any, there are no groups. A group costs as much as a short program, so an action has
one only if it asks for memory or took a second before.
"""

from __future__ import annotations

import os
from contextlib import suppress

_ROOT = "/sys/fs/cgroup"
_PROC = "/proc"
_OURS = "treadle-"


def find(root: str = _ROOT, proc: str = _PROC) -> Groups | None:
    """Return what makes groups, None where that is not possible.

    :param root: where the hierarchy is mounted
    :param proc: the folder in which the system shows its processes
    """
    try:
        return _found(root, proc)
    except (OSError, ValueError):
        return None


def _found(root: str, proc: str) -> Groups | None:
    line = next((one for one in _read(f"{proc}/self/cgroup").splitlines() if one.startswith("0::/")), "")
    own = os.path.normpath(f"{root}/{line[4:]}")
    if not line or "memory" not in _read(f"{own}/cgroup.controllers").split():
        return None
    base = f"{own}/{_OURS}{os.getpid()}"
    _remove_left(own, proc)
    if "memory" in _read(f"{own}/cgroup.subtree_control").split():
        # the one at the top of all: it may have processes besides groups
        return Groups(_made(base), proc)
    inside = _read(f"{own}/cgroup.procs").split()
    if not _is_delegated(own, line[4:]) or not all(_is_ours(pid, proc) for pid in inside):
        # a group with a controller for groups in it has no processes of its own, and those of others are not moved
        return None
    groups = Groups(_made(base), proc, home=own)
    try:
        groups.move_out()
    except OSError:
        groups.close()
        return None
    return groups


def _is_ours(pid: str, proc: str) -> bool:
    """Return whether a process is this one, or descends from it."""
    for _ in range(_DEEPEST):
        if pid == str(os.getpid()):
            return True
        words = _read(f"{proc}/{pid}/stat").rpartition(")")[2].split()
        pid = words[1] if len(words) > 1 else "0"
        if pid == "0":
            break
    return False


_DEEPEST = 100
"""Generations of processes that are looked back."""


def _is_delegated(folder: str, name: str) -> bool:
    """Return whether a group was given to us to make groups in it: it says so, or is all that we see."""
    if not name.strip("/"):
        return True
    for attribute in ("user.delegate", "trusted.delegate"):
        with suppress(OSError, AttributeError):
            if os.getxattr(folder, attribute) == b"1":
                return True
    return False


def _remove_left(own: str, proc: str) -> None:
    """Remove the groups that killed runs have left, as far as nothing runs in them."""
    for name in os.listdir(own):
        pid = name.removeprefix(_OURS)
        if pid != name and pid.isdigit() and not os.path.exists(f"{proc}/{pid}"):
            _remove(f"{own}/{name}")


def _remove(folder: str) -> None:
    with suppress(OSError):
        for name in os.listdir(folder):
            if os.path.isdir(f"{folder}/{name}"):
                with suppress(OSError):
                    os.rmdir(f"{folder}/{name}")
        os.rmdir(folder)


def _made(folder: str) -> str:
    with suppress(FileExistsError):
        _make(folder)
    return folder


def _make(folder: str) -> None:
    """Make a group: the system puts its files there."""
    os.mkdir(folder)


class Groups:
    """Makes a group for each attempt.

    :param base: the group that they are made in
    :param home: the group that we were in, and are moved out of; "" if we stay where we are
    """

    def __init__(self, base: str, proc: str = _PROC, home: str = "") -> None:
        self._base = base
        self._proc = proc
        self._home = home
        self._number = 0
        if not home:
            _enable(base)

    def move_out(self) -> None:
        """Move ourselves to a group of our own, so that our group may have groups with controllers.

        :raises OSError: that is not possible
        """
        own = _made(f"{self._base}/self")
        for pid in {str(os.getpid()), *_words(f"{self._home}/cgroup.procs")}:
            _write(f"{own}/cgroup.procs", pid)
        _enable(self._home)
        _enable(self._base)

    def make(self, pid: int) -> Group | None:
        """Return a new group with a process that has just been started; None if that is not possible."""
        self._number += 1
        folder = f"{self._base}/{self._number}"
        try:
            _make(folder)
            group = Group(folder, self._proc)
            group.add(pid)
        except OSError:
            _remove(folder)
            return None
        return group

    def close(self) -> None:
        """Move back, and remove the groups in which nothing runs."""
        with suppress(OSError):
            if self._home:
                for controller in ("-memory", "-io"):
                    for folder in (self._base, self._home):
                        with suppress(OSError):
                            _write(f"{folder}/cgroup.subtree_control", controller)
                for pid in {str(os.getpid()), *_words(f"{self._base}/self/cgroup.procs")}:
                    _write(f"{self._home}/cgroup.procs", pid)
        _remove(self._base)


class Group:
    """The group of an attempt."""

    __slots__ = ("_folder", "_proc")

    def __init__(self, folder: str, proc: str) -> None:
        self._folder = folder
        self._proc = proc

    def add(self, pid: int) -> None:
        """Add a process that has just been started, with what it has started meanwhile.

        :raises OSError: that is not possible
        """
        _write(f"{self._folder}/cgroup.procs", str(pid))
        for child in _words(f"{self._proc}/{pid}/task/{pid}/children"):
            with suppress(OSError):
                _write(f"{self._folder}/cgroup.procs", child)

    @property
    def peak(self) -> int | None:
        """The most bytes of memory that all of it has had, with the files that the system kept in memory for it."""
        words = _words(f"{self._folder}/memory.peak")
        return int(words[0]) if words and words[0].isdigit() else None

    @property
    def moved(self) -> tuple[int, int] | None:
        """Bytes that were read from storage and written to it, None where that is not counted."""
        path = f"{self._folder}/io.stat"
        if not os.path.exists(path):
            return None
        pairs = [word.partition("=") for word in _words(path)]
        sums = [
            sum(int(number) for key, _, number in pairs if key == name and number.isdigit())
            for name in ("rbytes", "wbytes")
        ]
        return sums[0], sums[1]

    @property
    def kills(self) -> int | None:
        """How many of its processes were killed for memory, None where that is not counted."""
        words = _words(f"{self._folder}/memory.events")
        for name, number in zip(words[::2], words[1::2], strict=False):
            if name == "oom_kill" and number.isdigit():
                return int(number)
        return None

    def close(self) -> None:
        """Remove it, if nothing runs in it any more."""
        _remove(self._folder)


def _enable(folder: str) -> None:
    """Have the groups in a group counted: memory, and storage where that can be.

    :raises OSError: memory cannot be
    """
    _write(f"{folder}/cgroup.subtree_control", "+memory")
    with suppress(OSError):
        _write(f"{folder}/cgroup.subtree_control", "+io")


def _read(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def _words(path: str) -> list[str]:
    try:
        return _read(path).split()
    except OSError:
        return []


def _write(path: str, text: str) -> None:
    # never made: in a hierarchy each file is there already
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
