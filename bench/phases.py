"""What is measured: what changes before each run, and how many actions must run then; it prints nothing.

Each sample is a fresh process. The contestants take turns, in another order each time, so that whatever else the
machine does meets all of them.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import contestants
import workload
from contestants import Contestant

LONG = 30_000
"""So many actions run in one phase may take: a long phase is repeated as often as that allows, once at least."""


class Sample(NamedTuple):
    """One run of a command: seconds, megabytes, and how many actions have written their output."""

    wall: float
    cpu: float
    own: float
    """CPU seconds without those of children; -1 where nobody tells."""
    memory: float
    ran: int


Samples = dict[str, list[Sample]]


class Wrong(NamedTuple):
    """A run that did other work than it had to, so that its figures say nothing."""

    phase: str
    tool: str
    ran: int
    expected: int


class Phase(NamedTuple):
    """What is measured of every contestant."""

    title: str
    before: Callable[[Contestant, workload.Shape], None]
    expected: Callable[[Contestant, workload.Shape], int]
    is_long: bool = False


def nothing(_tool: Contestant, _shape: workload.Shape) -> None:
    """Change nothing."""


def forget(tool: Contestant, _shape: workload.Shape) -> None:
    """Remove all that a tool has made and knows; the disk may get its breath first."""
    tool.forget()
    os.sync()


def middle(shape: workload.Shape) -> int:
    return shape.objects // 2


def edit_source(tool: Contestant, shape: workload.Shape) -> None:
    (tool.folder / shape.source(middle(shape))).write_text(f"edited at {time.time_ns()}\n")


def edit_header(tool: Contestant, shape: workload.Shape) -> None:
    (tool.folder / shape.header(0)).write_text(f"edited at {time.time_ns()}\n")


def touch_header(tool: Contestant, shape: workload.Shape) -> None:
    os.utime(tool.folder / shape.header(0))


def edit_command(tool: Contestant, shape: workload.Shape) -> None:
    tool.write_plan(shape, workload.Edit(middle(shape), time.time_ns()))


PHASES = {
    "cold": Phase("a cold run", forget, lambda _tool, shape: shape.actions, is_long=True),
    "after": Phase("the first run after a cold one", nothing, lambda _tool, _shape: 0),
    "null": Phase("nothing to do", nothing, lambda _tool, _shape: 0),
    "edit": Phase("one source edited", edit_source, lambda _tool, shape: shape.below_source(middle(shape))),
    "touch": Phase(
        "a shared header touched",
        touch_header,
        lambda tool, shape: 0 if tool.by_content else shape.below_header(0),
        is_long=True,
    ),
    "header": Phase(
        "a shared header edited", edit_header, lambda _tool, shape: shape.below_header(0), is_long=True
    ),
    "command": Phase("the command of one action edited", edit_command, lambda tool, _shape: tool.reads_commands),
}
CHOICES = [name for name in PHASES if name != "after"]
"""What may be chosen; the first run after a cold one goes with that."""


class Bench:
    """Measures one size: the samples of each phase, and what ran that should not have, or the other way round."""

    def __init__(self, shape: workload.Shape, found: list[Contestant], runs: int) -> None:
        self.shape = shape
        self.found = found
        self.runs = runs
        self.samples: dict[str, Samples] = {}
        self.wrong: list[Wrong] = []

    def measure(self, wanted: list[str]) -> Iterator[str]:
        """Set all up and take the samples; yield the name of each phase when it is over."""
        rivals = [tool for tool in self.found if tool.name == "treadle" or tool.name in contestants.RIVALS]
        cold = (
            self.found if self.shape.actions <= LONG else [t for t in self.found if t.name not in {"make", "doit"}]
        )
        for tool in self.found if "cold" in wanted else rivals:
            tell(f"{self.shape.actions} actions: setting up {tool.name}")
            tool.set_up(self.shape)
        if "cold" in wanted:
            self.phase("cold", cold)
            yield "cold"
            yield "after"
        for tool in rivals:
            self.build(tool)
        for name in wanted:
            if name != "cold":
                self.phase(name, [tool for tool in rivals if name != "command" or tool.reads_commands >= 0])
                yield name

    def build(self, tool: Contestant) -> None:
        """Make a tool's tree whole, and run until it has looked at all of it and finds nothing to do."""
        if not tool.is_built(self.shape) and not tool.built_by_hand(self.shape):
            tell(f"{self.shape.actions} actions: building with {tool.name}")
            self.sample(tool)
        for _ in range(3):
            last = self.sample(tool)
        if last.ran:
            self.wrong.append(Wrong("warming up", tool.name, last.ran, 0))

    def phase(self, name: str, tools: list[Contestant]) -> None:
        """Let some take turns."""
        phase = PHASES[name]
        runs = max(1, min(self.runs // 3, LONG // self.shape.actions)) if phase.is_long else self.runs
        for run in range(runs):
            for tool in random.Random(run).sample(tools, len(tools)):
                tell(f"{self.shape.actions} actions: {phase.title}, {run + 1} of {runs}: {tool.name}")
                phase.before(tool, self.shape)
                self.keep(name, tool)
                if name == "cold" and not tool.is_floor:
                    self.keep("after", tool)

    def keep(self, name: str, tool: Contestant) -> None:
        """Take one sample, and note when it did other work than it had to."""
        sample = self.sample(tool)
        self.samples.setdefault(name, {}).setdefault(tool.name, []).append(sample)
        expected = PHASES[name].expected(tool, self.shape)
        if sample.ran != expected:
            self.wrong.append(Wrong(PHASES[name].title, tool.name, sample.ran, expected))

    def sample(self, tool: Contestant) -> Sample:
        """Run a tool once in its folder."""
        before = contestants.stamps(tool, self.shape)
        readable, writable = os.pipe()
        measured = str(Path(__file__).parent / "measured.py")
        launcher = [sys.executable, "-I", "-S", measured, str(writable), *tool.argv]
        with open(readable, "rb") as answer:
            code = subprocess.call(launcher, cwd=tool.folder, pass_fds=(writable,), env=contestants.environment())
            os.close(writable)
            wall, cpu, own, memory = map(float, answer.read().split())
        if code:
            sys.exit(f"{tool.name} failed in {tool.folder}: exit code {code}")
        ran = contestants.written(before, contestants.stamps(tool, self.shape))
        return Sample(wall, cpu, own, memory / 1024, ran)


def tell(what: str) -> None:
    """Say on a terminal what is going on."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)
