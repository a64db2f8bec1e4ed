"""pool_of_machine: the processors, the memory and the GPUs of this machine, found without a library.

Each is cut to what this process may use: its affinity, the control groups that it is in, and the variables that
limit GPUs. What cannot be read counts as not there.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.core.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CUDA, ROCR = "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"
SMI_SECONDS = 5
"""How long `nvidia-smi -L` may take."""


def pool_of_machine(environ: Mapping[str, str], *, cpus: int | None = None, root: Path = Path("/")) -> Pool:
    """Return what this machine has for us.

    :param environ: the environment that limits GPUs
    :param cpus: how many processors there are to count with; those that we may use if left out
    :param root: where `proc` and `sys` are
    """
    variable, gpus = gpus_of(environ, root)
    resources: dict[str, int | Sequence[str]] = {
        "cpus": cpus if cpus is not None else processors(root),
        "gpus": gpus,
    }
    memory = memory_bytes(root)
    if memory is not None:
        resources["memory"] = memory
    return Pool(resources, variables={"gpus": variable})


def processors(root: Path = Path("/")) -> int:
    """Return how many processors we may use: our affinity, cut by the quota of our control groups."""
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for group in _control_groups(root):
        quota = re.fullmatch(r"(\d+) (\d+)", _read(group / "cpu.max"))
        if quota:
            number = min(number, max(1, int(quota[1]) // int(quota[2])))
    return number


def memory_bytes(root: Path = Path("/")) -> int | None:
    """Return the bytes of memory: those of the machine, or the least limit of our control groups."""
    total = re.search(r"^MemTotal: +(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    sizes = [int(total[1]) * 1024] if total else []
    sizes += [int(limit) for group in _control_groups(root) if (limit := _read(group / "memory.max")).isdecimal()]
    return min(sizes, default=None)


def gpus_of(environ: Mapping[str, str], root: Path = Path("/")) -> tuple[str, list[str]]:
    """Return the variable that names the GPUs of a program, and the GPUs that we may use.

    A variable that is set limits us too: its names are ours, and an empty one means none.
    """
    for variable in (CUDA, ROCR):
        if variable in environ:
            names = [name.strip() for name in environ[variable].split(",")]
            # as the libraries read it: nothing from the first bad name on
            end = next((at for at, name in enumerate(names) if not name or name.startswith("-")), len(names))
            return variable, list(dict.fromkeys(names[:end]))
    number = len(list(root.glob("proc/driver/nvidia/gpus/*/information"))) or _told_by_smi()
    if number:
        return CUDA, [str(index) for index in range(number)]
    nodes = [_read(path) for path in root.glob("sys/class/kfd/kfd/topology/nodes/*/properties")]
    # a node of the topology without such units is a processor
    number = sum(bool(re.search(r"^simd_count [1-9]", text, re.MULTILINE)) for text in nodes)
    return (ROCR if number else CUDA), [str(index) for index in range(number)]


def _told_by_smi() -> int:
    try:
        said = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=SMI_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return 0
    return sum(line.startswith("GPU ") for line in said.stdout.splitlines()) if said.returncode == 0 else 0


def _control_groups(root: Path) -> Iterator[Path]:
    """Yield the folders of the unified control group that we are in and of all above it."""
    ours = re.search(r"^0::/(.*)$", _read(root / "proc/self/cgroup"), re.MULTILINE)
    if ours is not None:
        top = root / "sys/fs/cgroup"
        group = top / ours[1]
        yield group
        while group != top and group != group.parent:
            group = group.parent
            yield group


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
