"""Asks on the terminal, in a thread, and gives up if it is reported to."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSE = 0.1
"""Seconds between two looks whether to give up."""
_YES = ("y", "yes")


def can_ask() -> bool:
    """Return whether there is a terminal to ask on."""
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):
        return False


def read_yes(is_given_up: Callable[[], bool]) -> bool:
    """Read a line, and return whether it says yes; False also at the end of the input, or if it is given up."""
    fd = sys.stdin.fileno()
    while not is_given_up():
        if select.select([fd], [], [], _PAUSE)[0]:
            return os.read(fd, 1024).decode("utf-8", "replace").strip().lower() in _YES
    return False


def forget_typed() -> None:
    """Drop what was typed before a question is shown: it cannot be the answer to it."""
    if can_ask():
        import termios

        with suppress(termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
