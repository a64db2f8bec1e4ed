"""Runs one command and tells its wall and CPU seconds and its peak memory in kB; it does not know what it runs.

    python -I -S measured.py DESCRIPTOR PROGRAM [ARGUMENT...]

It is a small process, since a child starts with the peak of who spawns it: what needs less than this one cannot be
told apart. What a process takes itself, without its children, only Linux tells.
"""

from __future__ import annotations

import os
import sys
import time


def own_cpu(process: int) -> float:
    """Return the CPU seconds that an ended process took without its children; -1 where nobody tells."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            user, system = file.read().rpartition(b")")[2].split()[11:13]
    except OSError:
        return -1
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Run the command; the figures go to the descriptor."""
    answer = int(sys.argv[1])
    os.set_inheritable(answer, False)
    nowhere = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, nowhere, n) for n in (0, 1, 2)]
    began = time.perf_counter()
    child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=actions)
    wall, own = 0.0, -1.0
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        wall, own = time.perf_counter() - began, own_cpu(child)
    _, status, usage = os.wait4(child, 0)
    wall = wall or time.perf_counter() - began
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    os.write(answer, f"{wall} {usage.ru_utime + usage.ru_stime} {own} {kilobytes}".encode())
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
