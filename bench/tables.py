"""Turns samples into tables: medians, ratios pair by pair, and what we aim at; it measures nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import NamedTuple

from phases import PHASES, Samples, Wrong

Taken = dict[str, Samples]
"""The samples of one size: by phase and by tool."""
Figures = list[float]
"""What one row of the aims found, one for each round of runs; empty where it was not measured."""


class Aim(NamedTuple):
    """One row of what we want to reach; `most` by number of actions."""

    what: str
    figures: Callable[[Taken, int], Figures]
    most: dict[int, float]
    form: str = "{:.2f}"


def column(taken: Taken, phase: str, tool: str, field: str) -> Figures:
    return [getattr(sample, field) for sample in taken.get(phase, {}).get(tool, [])]


def ratio(phase: str, field: str, rival: str, own: str = "treadle") -> Callable[[Taken, int], Figures]:
    """Return what divides each sample of ours by the rival's of the same round."""

    def figures(taken: Taken, _actions: int) -> Figures:
        pairs = zip(column(taken, phase, own, field), column(taken, phase, rival, field), strict=False)
        return [ours / theirs for ours, theirs in pairs if theirs]

    return figures


def plain(phase: str, field: str, own: str = "treadle") -> Callable[[Taken, int], Figures]:
    return lambda taken, _actions: column(taken, phase, own, field)


def above_floor(field: str, own: str, floor: str) -> Callable[[Taken, int], Figures]:
    """Return what tells the milliseconds of CPU per action on top of the floor of the same round."""

    def figures(taken: Taken, actions: int) -> Figures:
        pairs = zip(column(taken, "cold", own, field), column(taken, "cold", floor, field), strict=False)
        return [(ours - theirs) / actions * 1e3 for ours, theirs in pairs if ours >= 0 and theirs >= 0]

    return figures


OWN = {1_000: 0.35, 10_000: 0.3}
AIMS = [
    Aim("nothing to do, wall, to ninja", ratio("null", "wall", "ninja"), {1_000: 2.3, 10_000: 0.8, 100_000: 0.5}),
    Aim("nothing to do, CPU, to ninja", ratio("null", "cpu", "ninja"), {1_000: 3, 10_000: 1.4, 100_000: 1.1}),
    Aim("nothing to do, wall, to doit", ratio("null", "wall", "doit"), {1_000: 0.17, 10_000: 0.08, 100_000: 0.06}),
    Aim("nothing to do, peak memory, MB", plain("null", "memory"), {1_000: 18, 10_000: 25, 100_000: 60}, "{:.1f}"),
    Aim("one source edited, wall, to ninja", ratio("edit", "wall", "ninja"), {1_000: 2.6, 10_000: 1, 100_000: 0.6}),
    Aim("a header touched, actions run", plain("touch", "ran"), {1_000: 0, 10_000: 0, 100_000: 0}, "{:.0f}"),
    Aim("a header edited, wall, to ninja", ratio("header", "wall", "ninja"), {1_000: 1.5, 10_000: 1.2}),
    Aim("cold, own CPU above the floor, ms per action", above_floor("own", "treadle, shell", "floor"), OWN),
    Aim(
        "cold, the same with resources and retries",
        above_floor("own", "treadle, resources", "floor"),
        {10_000: 0.45},
    ),
    Aim("cold, the same of plain words", above_floor("own", "treadle", "floor, no shell"), OWN),
    Aim("cold, the same without a shell", above_floor("own", "treadle, no shell", "floor, no shell"), OWN),
    Aim(
        "cold, CPU with children above the floor, ms per action", above_floor("cpu", "treadle, shell", "floor"), {}
    ),
    Aim("cold, the same without a shell", above_floor("cpu", "treadle, no shell", "floor, no shell"), {}),
    Aim(
        "cold, without a shell, wall, to ninja",
        ratio("cold", "wall", "ninja", "treadle, no shell"),
        {1_000: 0.9, 10_000: 0.85},
    ),
    Aim(
        "cold, shell for both, wall, to ninja",
        ratio("cold", "wall", "ninja", "treadle, shell"),
        {1_000: 1.15, 10_000: 1.1, 100_000: 1.05},
    ),
    Aim("cold, plain words, wall, to ninja", ratio("cold", "wall", "ninja"), {1_000: 1.15, 10_000: 1.15}),
    Aim("the first run after a cold one, wall, to ninja", ratio("after", "wall", "ninja"), {}),
    Aim("one command edited, seconds", plain("command", "wall"), {10_000: 0.8}),
    Aim(
        "one command edited, actions run",
        plain("command", "ran"),
        dict.fromkeys((1_000, 10_000, 100_000), 1),
        "{:.0f}",
    ),
]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown, with columns that line up: text first, then figures."""
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    marks = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        [
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in [head, *rows]
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], marks, *lines[1:]])


def phase_table(taken: Taken, name: str, actions: int) -> str:
    """Return the medians of all tools in one phase."""
    samples = taken[name]
    runs = max(map(len, samples.values()))
    rows = []
    for tool, own in samples.items():
        wall, cpu, self_cpu, memory, ran = (statistics.median(column) for column in zip(*own, strict=True))
        ratios = [
            f"{statistics.median(found):.2f}" if found else "-"
            for field, rival in (("wall", "ninja"), ("cpu", "ninja"), ("wall", "doit"))
            for found in [ratio(name, field, rival, tool)(taken, actions)]
        ]
        seconds = [f"{1e3 * wall:.1f}", f"{1e3 * cpu:.1f}", f"{1e3 * self_cpu:.0f}" if self_cpu >= 0 else "-"]
        rows.append([tool, *seconds, f"{memory:.1f}", f"{ran:.0f}", *ratios])
    head = ["tool", "wall ms", "CPU ms", "own CPU ms", "memory MB", "actions run"]
    title = f"### {PHASES[name].title}, {actions:,} actions, {runs} {'run' if runs == 1 else 'runs'}"
    return f"{title}\n\n{table([*head, 'wall to ninja', 'CPU to ninja', 'wall to doit'], sorted(rows))}\n"


def aims_table(taken: Taken, actions: int) -> str:
    """Return what was measured next to what we aim at; rows that were not measured are left out."""
    rows = []
    for aim in AIMS:
        figures = aim.figures(taken, actions)
        if figures:
            low, median, high = quartiles(figures)
            most = aim.most.get(actions)
            met = "-" if most is None else "yes" if median <= most else "NO"
            spread = f"{aim.form.format(low)} to {aim.form.format(high)}" if len(figures) > 1 else "-"
            rows.append([aim.what, aim.form.format(median), spread, "-" if most is None else f"{most:g}", met])
    title = f"### What we aim at, {actions:,} actions"
    return f"{title}\n\n{table(['what', 'median', 'middle half', 'at most', 'met'], rows)}\n"


def quartiles(figures: Figures) -> tuple[float, float, float]:
    """Return the bounds of the middle half, and the median between them."""
    if len(figures) == 1:
        return figures[0], figures[0], figures[0]
    low, median, high = statistics.quantiles(figures, n=4, method="inclusive")
    return low, median, high


def wrong_lines(wrong: list[Wrong], actions: int) -> list[str]:
    """Return a line for each run that did other work than it had to."""
    return [
        f"{actions} actions, {one.phase}: {one.tool} ran {one.ran} of them, not {one.expected}"
        for one in dict.fromkeys(wrong)
    ]
