"""Measures the library without programs: what a skipped action, a job in a thread and a vertex cost.

    python bench/walks.py

Each figure is the best of three, since they measure our own work and not a machine's load.
"""

from __future__ import annotations

import gc
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from treadle import DAG, EmptyJob, Fingerprint, Job, ReturnValue, Scheduler, Walk

Make = Callable[[], Callable[[], object]]


def best(make: Make, times: int = 3) -> float:
    """Return the seconds of the quickest of some runs; each is set up anew outside the clock."""
    found = []
    for _ in range(times):
        run = make()
        gc.collect()
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return min(found)


def chain(count: int) -> DAG:
    dag = DAG()
    for n in range(count):
        dag.add_vertex(str(n), n, [str(n - 1)] if n else None)
    return dag


class Nothing(Job):
    def run(self) -> None:
        """Do nothing."""


class Keeping(Walk):
    """A walk with a fingerprint per action, in a dict or in a JSON file each."""

    def __init__(self, actions: DAG, records: dict[str, Fingerprint] | Path) -> None:
        super().__init__(actions)
        self.records = records

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint:
        fingerprint = Fingerprint()
        fingerprint.add("data", str(data))
        return fingerprint

    def load_previous_fingerprint(self, uid: Any) -> Fingerprint | None:
        if isinstance(self.records, Path):
            return Fingerprint.load_from_file(self.records / f"{uid}.json")
        return self.records.get(uid)

    def save_fingerprint(self, uid: Any, fingerprint: Any) -> None:
        if isinstance(self.records, Path):
            if fingerprint is not None:
                fingerprint.save_to_file(self.records / f"{uid}.json")
        elif fingerprint is not None:
            self.records[uid] = fingerprint

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
        return EmptyJob(uid, data, notify_end, ReturnValue.success)


def skipped(count: int, records: dict[str, Fingerprint] | Path) -> float:
    """Return the seconds that a walk takes which skips all."""
    Keeping(chain(count), records).run()
    return best(lambda: Keeping(chain(count), records).run)


def threads(count: int, tokens: int) -> float:
    """Return the seconds that jobs without work take."""

    def make() -> Callable[[], object]:
        dag = DAG()
        for n in range(count):
            dag.add_vertex(n)
        scheduler = Scheduler(Scheduler.simple_provider(Nothing), tokens=tokens)
        return lambda: scheduler.run(dag)

    return best(make)


class NoHooks(Walk):
    """Skips everything, and keeps nothing."""

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
        return EmptyJob(uid, data, notify_end, ReturnValue.success)


def million(count: int) -> float:
    """Return the seconds to build, check and walk a graph."""
    return best(lambda: lambda: NoHooks(chain(count)).run(), times=1)


def main() -> None:
    """Print a table."""
    rows = [("an action skipped, records in memory", f"{skipped(20_000, {}) / 20_000 * 1e6:.0f} us")]
    with tempfile.TemporaryDirectory() as folder:
        rows.append(("an action skipped, a JSON file each", f"{skipped(5_000, Path(folder)) / 5_000 * 1e6:.0f} us"))
    rows += [
        (f"100,000 jobs in threads, {tokens} tokens", f"{threads(100_000, tokens):.1f} s") for tokens in (8, 1)
    ]
    seconds = million(1_000_000)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows.append(("a million vertices, built, checked and walked", f"{seconds:.1f} s, {memory:.0f} MB"))
    print("| what | measured |\n| --- | ---: |")
    for what, figure in rows:
        print(f"| {what} | {figure} |")


if __name__ == "__main__":
    main()
