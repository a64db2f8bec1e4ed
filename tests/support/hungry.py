"""Programs of known usage: one that needs memory, one that needs CPU."""

from __future__ import annotations

import shlex
import sys

MEBI = 1 << 20


def allocates(size: int) -> list[str]:
    """Return the argv of a program that holds so many bytes of memory at its end."""
    return [sys.executable, "-I", "-S", "-c", f"held = b'x' * {size}"]


def burns(seconds: float) -> list[str]:
    """Return the argv of a program that ends when it has used so many seconds of CPU by its own count."""
    return [sys.executable, "-I", "-S", "-c", f"import os\nwhile sum(os.times()[:2]) < {seconds}: pass"]


def shown(*argvs: list[str]) -> str:
    """Return argvs as lines of a shell script."""
    return "\n".join(map(shlex.join, argvs))
