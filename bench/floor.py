"""Runs commands as they stand in a file, two at a time: the least that a Python program takes which runs them all.

    python -I -S floor.py COMMANDS JOBS

No graph, no fingerprint, no captured output: one posix_spawn and one waitpid for each. The lines of the file are an
argv each, parted by tabs, with the file of its standard output first.
"""

from __future__ import annotations

import os
import sys

LOOKED_UP = "/usr/bin", "/bin", "/usr/local/bin"


def found(program: str) -> str:
    """Return the path of a program."""
    for folder in LOOKED_UP:
        if os.access(f"{folder}/{program}", os.X_OK):
            return f"{folder}/{program}"
    sys.exit(f"no program {program} in {', '.join(LOOKED_UP)}")


def wait() -> None:
    """Wait for one of those that run; it has to succeed."""
    _, status = os.waitpid(-1, 0)
    if status:
        sys.exit(f"a command failed: wait status {status}")


def main() -> None:
    """Run the commands of the file in argv."""
    file, jobs = sys.argv[1], int(sys.argv[2])
    with open(file, encoding="utf-8") as lines:
        commands = [line.split("\t") for line in lines.read().splitlines()]
    programs = {name: found(name) for name in {argv[1] for argv in commands if len(argv) > 1}}
    nowhere = os.open(os.devnull, os.O_RDWR)
    quiet = [(os.POSIX_SPAWN_DUP2, nowhere, n) for n in (0, 1, 2)]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    running = 0
    for output, *argv in commands:
        while running == jobs or (running and not argv):
            wait()
            running -= 1
        if not argv:
            # what follows reads what these have made
            continue
        to = [*quiet, (os.POSIX_SPAWN_OPEN, 1, output, flags, 0o666)] if output != os.devnull else quiet
        os.posix_spawn(programs[argv[0]], argv, os.environ, file_actions=to)
        running += 1
    for _ in range(running):
        wait()


if __name__ == "__main__":
    main()
