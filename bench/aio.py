"""Measures treadle.aio beside asynciojobs, in one process and in turns.

    pip install asynciojobs
    python bench/aio.py [--sizes 1000,10000,50000] [--rounds 15] [--patience 60]

Times are CPU seconds, the least of the rounds, of a run alone: building the graph is not in them. What takes
asynciojobs longer than the patience is not asked again. Memory is what the resident set grows by, in a process of
its own for each figure. Without asynciojobs only our own figures are shown.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import treadle.aio
from treadle import DAG, CoroutineJob, EmptyJob, ReturnValue, Walk

SLEEPING, AT_ONCE = 20_000, 10_000
ACTIONS = 10_000


async def nothing() -> None:
    """Do nothing."""


def chain(module: Any, count: int) -> list[Any]:
    jobs = [module.Job(nothing())]
    for _ in range(count - 1):
        jobs.append(module.Job(nothing(), required=jobs[-1]))
    return jobs


def fan(module: Any, count: int) -> list[Any]:
    first = module.Job(nothing())
    middle = [module.Job(nothing(), required=first) for _ in range(count - 2)]
    return [first, *middle, module.Job(nothing(), required=middle)]


def layers(module: Any, count: int) -> list[Any]:
    """Return 20 layers, each job of which requires three of the layer before."""
    width = count // 20
    jobs: list[Any] = []
    for _ in range(20):
        before = jobs[-width:]
        for number in range(width):
            required = [before[(number + step) % width] for step in range(3)] if before else None
            jobs.append(module.Job(nothing(), required=required))
    return jobs


SHAPES = {"chain": chain, "fan": fan, "layers": layers}


def run_once(module: Any, shape: str, count: int) -> float:
    """Return the CPU seconds of a run of a graph that is built anew."""
    scheduler = module.Scheduler(*SHAPES[shape](module, count))
    gc.collect()
    began = time.process_time()
    ok = scheduler.run()
    took = time.process_time() - began
    assert ok
    return took


def in_turns(modules: list[Any], shape: str, count: int, rounds: int, patience: float) -> dict[str, float]:
    """Return the least time of each module."""
    best: dict[str, float] = {}
    for number in range(rounds):
        for module in modules[:: 1 if number % 2 else -1]:
            name = module.__name__
            if best.get(name, 0.0) <= patience:
                best[name] = min(best.get(name, float("inf")), run_once(module, shape, count))
    return best


def show_runs(modules: list[Any], sizes: list[int], rounds: int, patience: float) -> None:
    """Print a table of microseconds per job."""
    print("| jobs that do nothing | treadle.aio | asynciojobs | ratio |\n| --- | ---: | ---: | ---: |")
    slow: set[str] = set()
    for count in sizes:
        for shape in SHAPES:
            now = [module for module in modules if module is treadle.aio or shape not in slow]
            best = in_turns(now, shape, count, max(3, rounds * 1000 // count), patience / 4)
            ours, theirs = best["treadle.aio"], best.get("asynciojobs")
            cells = ["-", "-"]
            if theirs is not None:
                cells = [f"{theirs / count * 1e6:.1f} us", f"{ours / theirs:.2f}"]
                # ten times the jobs may take a hundred times as long
                if theirs * 30 > patience:
                    slow.add(shape)
            row = [f"{shape}, {count:,}", f"{ours / count * 1e6:.1f} us", *cells]
            print(f"| {' | '.join(row)} |", flush=True)


def resident() -> int:
    """Return the bytes of this process that are in memory; Linux alone tells."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


async def grown(what: str) -> float:
    """Return by how many bytes we grow by tasks that sleep (`tasks`), or by a scheduler whose jobs do."""
    wake = asyncio.Event()
    gc.collect()
    before = resident()
    if what == "tasks":
        waiting: Any = asyncio.gather(*(asyncio.ensure_future(wake.wait()) for _ in range(AT_ONCE)))
    else:
        module = import_module(what)
        jobs = [module.Job(wake.wait()) for _ in range(SLEEPING)]
        waiting = asyncio.ensure_future(module.Scheduler(*jobs, jobs_window=AT_ONCE).co_run())
    for _ in range(10):
        await asyncio.sleep(0.01)
    took = resident() - before
    wake.set()
    await waiting
    return took


def show_memory(names: list[str]) -> None:
    """Print what a job takes that sleeps or waits for its turn, over the tasks of asyncio's own."""

    def of(what: str) -> float:
        command = [sys.executable, __file__, "--grown", what]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    tasks = of("tasks")
    print(
        f"\n{SLEEPING:,} sleeping jobs in a window of {AT_ONCE:,}; a task of asyncio's: {tasks / AT_ONCE:.0f} bytes"
    )
    for name in names:
        print(f"- {name}: {(of(name) - tasks) / SLEEPING:.0f} bytes per job above that")


class Awaits(CoroutineJob):
    """An action that is a coroutine and does nothing."""

    async def co_run(self) -> None:
        return None


class Bare(Walk):
    """A walk whose actions are done before they start."""

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Any:
        return EmptyJob(uid, data, notify_end, ReturnValue.success)


class Awaiting(Walk):
    """A walk whose actions are coroutines."""

    def set_scheduling_params(self) -> None:
        self.tokens = 1_000

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Any:
        return Awaits(uid, data, notify_end)


def show_walk(rounds: int) -> None:
    """Print what an action that is a coroutine costs in a walk, over the walk itself."""
    dag = DAG()
    for number in range(ACTIONS):
        dag.add_vertex(number)
    best: dict[type[Walk], float] = {Bare: float("inf"), Awaiting: float("inf")}
    for _ in range(rounds):
        for kind, least in best.items():
            gc.collect()
            began = time.process_time()
            report = kind(dag).run()
            best[kind] = min(least, time.process_time() - began)
            assert report.ok
    bare, awaiting = (seconds / ACTIONS * 1e6 for seconds in best.values())
    print(f"\n{ACTIONS:,} coroutine actions in a walk: {awaiting - bare:.0f} us each over the {bare:.0f} us of it")


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000,50000", help="how many jobs")
    parser.add_argument(
        "--rounds", type=int, default=15, help="runs of each graph of 1,000 jobs; fewer of larger ones"
    )
    parser.add_argument("--patience", type=float, default=60.0, help="CPU seconds for one run of asynciojobs")
    parser.add_argument("--grown", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.grown:
        print(asyncio.run(grown(arguments.grown)))
        return
    modules: list[Any] = [treadle.aio]
    try:
        modules.append(import_module("asynciojobs"))
    except ModuleNotFoundError:
        print("asynciojobs is not there to be compared with: pip install asynciojobs\n")
    sizes = [int(text) for text in arguments.sizes.split(",")]
    show_runs(modules, sizes, arguments.rounds, arguments.patience)
    show_memory([module.__name__ for module in modules])
    show_walk(max(3, arguments.rounds // 3))


if __name__ == "__main__":
    main()
