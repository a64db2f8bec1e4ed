"""What workers of this machine have left that were killed together with their guards: found by mark, and ended.

A worker has a guard that ends what it has started, and starts another one when that is killed. What kills both at
once leaves programs without either. Their marks name the worker; that it has no guard shows that they are left.
"""

from __future__ import annotations

import os
from time import sleep
from typing import TYPE_CHECKING

from .process_marks import AGENT, MARK, end_marked, environments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GUARD = "treadle.engines.guard"
"""The module of a guard, whose command line names its mark."""
PATIENCE = 1.0
"""Seconds that a worker has to start another guard."""


def end_leftovers(nap: Callable[[float], None] = sleep) -> list[str]:
    """End what dead workers of this machine have left; return their marks."""
    left = _unguarded()
    if left:
        # a guard that was killed is followed by another one, if its worker lives
        nap(PATIENCE)
        left &= _unguarded()
        for mark in left:
            end_marked(f"{mark}/")
    return sorted(left)


def _unguarded() -> set[str]:
    """Return the marks of what runs and has no guard; those of a worker that never had one are none."""
    found: set[bytes] = set()
    for _, environ in environments():
        for entry in environ:
            if entry.startswith(_ENTRY):
                marks_of_one = entry[len(_ENTRY) :].split(b" ")
                found |= {one.removesuffix(_AGENT) for one in marks_of_one if one.endswith(_AGENT)}
    marks = {os.fsdecode(one) for one in found if one.rpartition(b".")[2].isdigit()}
    if not marks:
        return marks
    guarded = {_worker_of(mark) for mark in _guards()}
    return {mark for mark in marks if _worker_of(mark) not in guarded}


def _worker_of(mark: str) -> str:
    return mark.rpartition(".")[0]


def _guards() -> Iterator[str]:
    """Yield the marks of the guards of this machine."""
    for words in _command_lines():
        if GUARD in words[:-1]:
            yield words[words.index(GUARD) + 1]


def _command_lines() -> Iterator[list[str]]:
    if os.path.isdir("/proc/self"):
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/cmdline", "rb") as file:
                        yield os.fsdecode(file.read()).split("\0")[:-1]
                except OSError:
                    continue
        return
    import psutil

    for process in psutil.process_iter():
        try:
            yield process.cmdline()
        except psutil.Error:
            continue


_ENTRY = f"{MARK}=".encode()
_AGENT = AGENT.encode()
