"""The side of a worker of its guards: one at a time, each with a mark of its own for what is started meanwhile."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from treadle._startup.interpreter import inherited

from .process_marks import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable


class Guarding:
    """Keeps a guard process.

    :param name: the name of the worker, with which all marks begin
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._number = 0
        self._guard: subprocess.Popen[bytes] | None = None
        self._files: dict[str, None] = {}

    @property
    def mark(self) -> str:
        """The mark of what is started now."""
        return f"{self._name}.{self._number}"

    def see_to_it(self, living: Iterable[str]) -> None:
        """Start a guard, if there is none or it was ended.

        :param living: marks of what runs, of which the new one takes care too
        """
        if self._guard is None or self._guard.poll() is not None:
            self.replace(living)

    def replace(self, living: Iterable[str]) -> None:
        """Start another guard: the one that there is may be ending what it guards."""
        self._say(b"leave\n")
        self._forget()
        others = set(living)
        self._number += 1
        environ = {name: value for name, value in inherited().items() if name != MARK}
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "treadle.engines.guard", self.mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environ,
            start_new_session=True,
        )
        if self._guard.stdin is not None:
            os.set_blocking(self._guard.stdin.fileno(), False)
        said = [f"also {mark}\n" for mark in others] + [f"tell {path}\n" for path in self._files]
        self._say(os.fsencode("".join(said)))

    def show_life(self, seconds: float) -> None:
        """Tell it that the worker lives, and may be silent for so long."""
        self._say(f"alive {seconds}\n".encode())

    def rest(self) -> None:
        """Tell it that there is nothing to guard."""
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

    def _forget(self) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.close()
        # it is collected when the next one has started
        self._guard = None

    def _say(self, text: bytes) -> None:
        if self._guard is not None and self._guard.stdin is not None and text:
            with contextlib.suppress(OSError):
                # it was ended, and the next look starts another one; or it is frozen and its pipe is full
                os.write(self._guard.stdin.fileno(), text)
