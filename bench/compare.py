"""Runs Treadle and the rivals that are installed side by side on one workload and prints tables with ratios.

    python bench/compare.py 1000 10000 --runs 5

Each figure is the median of whole processes, run in turn. Rivals: ninja, GNU make (-rR) and doit, if found.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import workload

JOBS = "2"


class Sample(NamedTuple):
    """One run of a command."""

    wall: float
    cpu: float
    memory: float


class Tool(NamedTuple):
    """One of those that are compared."""

    name: str
    argv: list[str]
    folder: Path


def measure(tool: Tool) -> Sample:
    """Run a tool once in its folder; times in seconds, memory in megabytes."""
    readable, writable = os.pipe()
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).parent / "measured.py"), *tool.argv]

    def keep() -> None:
        os.dup2(writable, 3)

    with open(readable, "rb") as answer:
        code = subprocess.call(launcher, cwd=tool.folder, pass_fds=(3,), preexec_fn=keep)
        os.close(writable)
        wall, cpu, memory = map(float, answer.read().split())
    if code:
        sys.exit(f"{tool.name} failed in {tool.folder}: exit code {code}")
    return Sample(wall, cpu, memory / 1024)


def tools(folder: Path, shape: workload.Shape, shell: bool, rivals: str) -> list[Tool]:
    """Set a folder up for each tool that is here."""
    beside = Path(sys.executable).parent
    found = [Tool("treadle", [str(beside / "treadle"), "run", "-j", JOBS], folder / "treadle")]
    texts = {"treadle": ("treadle.yaml", workload.treadle_plan(shape, shell))}
    for name, argv, file, text in (
        ("ninja", ["-j", JOBS], "build.ninja", workload.ninja_file),
        ("make", ["-rR", "-j", JOBS], "Makefile", workload.makefile),
        ("doit", ["-n", JOBS, "-P", "thread"], "dodo.py", workload.dodo_file),
    ):
        program = shutil.which(name, path=f"{beside}{os.pathsep}{os.environ['PATH']}")
        if program and name in rivals.split(","):
            found.append(Tool(name, [program, *argv], folder / name))
            texts[name] = (file, text(shape))
    for tool in found:
        workload.write_sources(tool.folder, shape)
        file, content = texts[tool.name]
        (tool.folder / file).write_text(content)
    return found


def phase(
    title: str, found: list[Tool], runs: int, before: Callable[[Tool, int], None], actions: int
) -> dict[str, list[Sample]]:
    """Run all tools in turn, so many times, and print a table."""
    samples: dict[str, list[Sample]] = {tool.name: [] for tool in found}
    for run in range(runs):
        for tool in found:
            before(tool, run)
            samples[tool.name].append(measure(tool))
    print(f"\n{title}, {actions} actions, {runs} runs\n")
    print("| tool | wall ms | cpu ms | memory MB | wall to ninja | cpu to ninja | wall to doit |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for tool in found:
        own = samples[tool.name]
        ratios = [
            f"{statistics.median(ratio):.2f}" if ratio else "-"
            for rival, field in (("ninja", 0), ("ninja", 1), ("doit", 0))
            for ratio in [[a[field] / b[field] for a, b in zip(own, samples.get(rival, []), strict=False)]]
        ]
        wall, cpu, memory = (statistics.median(column) for column in zip(*own, strict=True))
        print(f"| {tool.name} | {wall * 1e3:.1f} | {cpu * 1e3:.1f} | {memory:.0f} | {' | '.join(ratios)} |")
    return samples


def nothing(_tool: Tool, _run: int) -> None:
    """Change nothing."""


def forget(tool: Tool, _run: int) -> None:
    """Remove all that a tool has made and knows."""
    for name in (".treadle", "out", ".ninja_log", ".ninja_deps", ".doit.db", ".doit.db.db"):
        path = tool.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for part in range(100):
        if (tool.folder / f"src/{part}").is_dir():
            (tool.folder / f"out/{part}").mkdir(parents=True)
    (tool.folder / "out/lib").mkdir()


def edit(name: str) -> Callable[[Tool, int], None]:
    """Return what gives one file a new content."""

    def change(tool: Tool, run: int) -> None:
        (tool.folder / name).write_text(f"edited {run} at {time.time_ns()}\n")

    return change


def touch(name: str) -> Callable[[Tool, int], None]:
    """Return what gives one file a new date."""
    return lambda tool, _run: os.utime(tool.folder / name)


def compare(actions: int, runs: int, phases: str, shell: bool, rivals: str) -> None:
    """Measure one size."""
    shape = workload.Shape(actions)
    with tempfile.TemporaryDirectory(prefix="treadle-bench-") as folder:
        found = tools(Path(folder), shape, shell, rivals)
        kind = "" if shell else ", no shell for treadle"
        if "cold" in phases:
            phase(f"cold{kind}", found, max(1, runs // 3), forget, actions)
        for tool in found:
            for _ in range(3):
                measure(tool)
        if "null" in phases:
            phase("nothing to do", found, runs, nothing, actions)
        if "edit" in phases:
            phase("one source edited", found, runs, edit(shape.source(shape.objects // 2)), actions)
        if "touch" in phases:
            phase("a shared header touched", found, max(1, runs // 2), touch(shape.header(0)), actions)
        if "header" in phases:
            phase("a shared header edited", found, max(1, runs // 2), edit(shape.header(0)), actions)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("sizes", nargs="*", type=int, default=[1000])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--phases", default="null,edit,touch,header,cold")
    parser.add_argument("--rivals", default="ninja,make,doit", help="which of them, if they are found")
    parser.add_argument("--no-shell", action="store_true", help="treadle runs its commands without a shell")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for size in arguments.sizes:
        compare(size, arguments.runs, arguments.phases, not arguments.no_shell, arguments.rivals)


if __name__ == "__main__":
    main()
