"""What tests wait with: deadlines instead of sleeps, and what "gone" means for a process."""

from __future__ import annotations

import os
import select
from pathlib import Path
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE = 20.0
"""Seconds after which what should have happened counts as not happening; only a failing test waits so long."""


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition()` is true."""
    end = monotonic() + DEADLINE
    pause = Event()
    while not condition():
        assert monotonic() < end, f"still not: {what}"
        pause.wait(0.005)


def is_alive(pid: int) -> bool:
    """Return whether a process is there and no zombie: who should collect it may be late."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def read_line(fd: int) -> str:
    """Return the next line that somebody writes into a pipe, without its end."""
    line = b""
    end = monotonic() + DEADLINE
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([fd], [], [], max(0.0, end - monotonic()))
        assert readable, f"nothing came after {line!r}"
        byte = os.read(fd, 1)
        assert byte, f"the pipe was closed after {line!r}"
        line += byte
    return line[:-1].decode()
