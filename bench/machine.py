"""What the figures hang on beside the program: versions, cores, file system, load; and what spoils them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from contestants import Contestant, environment

ASK = """
import importlib.metadata, json, platform
found = importlib.metadata.distribution("treadle")
origin = json.loads(found.read_text("direct_url.json") or "{}")
editable = bool(origin.get("dir_info", {}).get("editable"))
print(json.dumps({"version": found.version, "python": platform.python_version(), "editable": editable}))
"""
BUSY = 0.5
"""A load above this before the first run is somebody else's work."""


def installed(treadle: str) -> dict[str, object]:
    """Return what the interpreter of a launcher knows of the Treadle that it starts; empty: it has none."""
    with open(treadle, "rb") as file:
        first = file.readline(4096)
    if not first.startswith(b"#!"):
        return {}
    interpreter = os.fsdecode(first[2:].strip())
    answer = subprocess.run(
        [*interpreter.split(), "-I", "-c", ASK], capture_output=True, env=environment(), check=False
    )
    found: dict[str, object] = json.loads(answer.stdout) if answer.returncode == 0 else {}
    return found


def doubts(treadle: str) -> list[str]:
    """Return why the figures may not be those of the command as it is installed on a quiet machine."""
    found = installed(treadle)
    said = []
    if not found:
        said.append(f"{treadle} is no launcher of an installed Treadle")
    elif found["editable"]:
        said.append(
            f"{treadle} is an editable install, which starts later: use `pip install` into a fresh environment"
        )
    with open(treadle, "rb") as file:
        if b"import re\n" in file.read(4096):
            said.append(f"{treadle} imports re: it is not our launcher")
    if (load := os.getloadavg()[0]) > BUSY:
        said.append(f"the machine is busy (load {load:.2f}): trust CPU time and counts, not walls")
    if (cores := len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1) < 2:
        said.append(f"{cores} core: a run with nothing to do looks at files on two")
    return said


def version(tool: Contestant) -> str:
    """Return the first line that a tool says about its version, or "" of what is no program of its own."""
    if tool.is_floor or "," in tool.name:
        return ""
    answer = subprocess.run(
        [tool.argv[0], "--version"], capture_output=True, text=True, check=False, env=environment()
    )
    return answer.stdout.partition("\n")[0]


def file_system(folder: Path) -> str:
    """Return the type of the file system that a folder lies on, "?" where nobody tells."""
    where = str(folder.resolve())
    best = ("", "?")
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return "?"
    for line in lines:
        left, _, right = line.partition(" - ")
        point = left.split()[4]
        if (where + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best[0]):
            best = (point, right.split()[0])
    return best[1]


def described(tools: list[Contestant], folder: Path) -> dict[str, str]:
    """Return what to note beside the figures."""
    found = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "file system": file_system(folder),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "python of the benchmark": platform.python_version(),
        "python of treadle": str(installed(tools[0].argv[0]).get("python", "?")),
    }
    return found | {tool.name: said for tool in tools if (said := version(tool))}


def warn(lines: list[str]) -> None:
    for line in lines:
        print(f"compare.py: {line}", file=sys.stderr)
