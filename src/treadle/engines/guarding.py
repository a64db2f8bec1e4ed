"""The side of a worker of its guards: one at a time, each with a mark of its own for what is started meanwhile."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from treadle._startup.interpreter import inherited

from .process_marks import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Guarding:
    """Keeps a guard process.

    :param name: the name of the worker, with which all marks begin
    :param on_end: called when a guard has ended, from another thread
    """

    def __init__(self, name: str, on_end: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self._on_end = on_end
        self._number = 0
        self._guard: subprocess.Popen[bytes] | None = None
        self._files: dict[str, None] = {}

    @property
    def mark(self) -> str:
        """The mark of what is started now."""
        return f"{self._name}.{self._number}"

    def see_to_it(self, living: Iterable[str]) -> bool:
        """Start a guard, if there is none or it was ended; return whether it is a new one.

        :param living: marks of what runs, of which the new one takes care too
        """
        is_new = self._guard is None or self._guard.poll() is not None
        if is_new:
            self.replace(living)
        return is_new

    def replace(self, living: Iterable[str]) -> None:
        """Start another guard: the one that there is may be ending what it guards."""
        self._say(b"leave\n")
        self._forget()
        others = set(living)
        self._number += 1
        environ = {name: value for name, value in inherited().items() if name != MARK}
        self._guard = subprocess.Popen(
            [sys.executable, "-P", "-m", "treadle.engines.guard", self.mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environ,
            start_new_session=True,
        )
        if self._guard.stdin is not None:
            os.set_blocking(self._guard.stdin.fileno(), False)
        # until there is another one, nothing ends what runs if we are killed too
        threading.Thread(target=self._watch, args=(self._guard,), daemon=True).start()
        said = [f"also {mark}\n" for mark in others] + [f"tell {path}\n" for path in self._files]
        self._say(os.fsencode("".join(said)))

    def show_life(self, seconds: float) -> None:
        """Report that the worker lives, and may be silent for so long."""
        self._say(f"alive {seconds}\n".encode())

    def rest(self) -> None:
        """Report that there is nothing to guard."""
        self._say(b"rest\n")

    def tell_in(self, path: str) -> None:
        """Name a file that is to be written when the worker is gone."""
        if path not in self._files:
            self._files[path] = None
            self._say(os.fsencode(f"tell {path}\n"))

    def close(self) -> None:
        """Let it end what is left, and wait for it."""
        guard = self._guard
        self._forget()
        if guard is not None:
            guard.wait()

    def _watch(self, guard: subprocess.Popen[bytes]) -> None:
        guard.wait()
        self._on_end()

    def _forget(self) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.close()
        self._guard = None

    def _say(self, text: bytes) -> None:
        if self._guard is not None and self._guard.stdin is not None and text:
            with contextlib.suppress(OSError):
                # it was ended, and the next look starts another one; or it is frozen and its pipe is full
                os.write(self._guard.stdin.fileno(), text)
