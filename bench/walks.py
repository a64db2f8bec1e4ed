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

from treadle import DAG, EmptyJob, Fingerprint, Job, ReturnValue, Scheduler, Store, Walk
from treadle.state.records import SUCCEEDED, Owner, Record, Run

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
    """A walk with a fingerprint per action, kept in a dict."""

    def __init__(self, actions: DAG, records: dict[str, Fingerprint]) -> None:
        super().__init__(actions)
        self.records = records

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint:
        fingerprint = Fingerprint()
        fingerprint.add("data", str(data))
        return fingerprint

    def load_previous_fingerprint(self, uid: Any) -> Fingerprint | None:
        return self.records.get(uid)

    def save_fingerprint(self, uid: Any, fingerprint: Any) -> None:
        if fingerprint is not None:
            self.records[uid] = fingerprint

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
        return EmptyJob(uid, data, notify_end, ReturnValue.success)


class InFiles(Keeping):
    """The same with a JSON file for each."""

    folder: Path

    def load_previous_fingerprint(self, uid: Any) -> Fingerprint | None:
        return Fingerprint.load_from_file(self.folder / f"{uid}.json")

    def save_fingerprint(self, uid: Any, fingerprint: Any) -> None:
        if fingerprint is not None:
            fingerprint.save_to_file(self.folder / f"{uid}.json")


class InStore(Keeping):
    """The same with a store; reading it from the disk is a part of the walk."""

    store: Store

    def run(self) -> Any:
        self.store.acquire("bench")
        try:
            return super().run()
        finally:
            self.store.release()

    def load_previous_fingerprint(self, uid: Any) -> Fingerprint | None:
        entry = self.store.entries.get(uid)
        record = entry.record if entry is not None and entry.counts else None
        return None if record is None else Fingerprint.from_elements(record.elements, record.results)

    def save_fingerprint(self, uid: Any, fingerprint: Any) -> None:
        if fingerprint is not None:
            run = Run("bench", SUCCEEDED, 0, 0.0, [])
            self.store.save(Record(Owner(uid, "bench", uid, []), run, fingerprint.elements, []))


def skipped(count: int, make: Callable[[DAG], Walk]) -> float:
    """Return the microseconds per action of a walk that skips all."""
    make(chain(count)).run()
    return best(lambda: make(chain(count)).run) / count * 1e6


def in_files(dag: DAG, folder: Path) -> Walk:
    walk = InFiles(dag, {})
    walk.folder = folder
    return walk


def in_store(dag: DAG, root: Path) -> Walk:
    walk = InStore(dag, {})
    walk.store = Store(str(root))
    return walk


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
    """Print a table: what was measured, and what we aim at."""
    records: dict[str, Fingerprint] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            (
                "an action skipped, records in memory",
                skipped(20_000, lambda dag: Keeping(dag, records)),
                None,
                "us",
            ),
            ("an action skipped, with the store", skipped(20_000, lambda dag: in_store(dag, folder)), 40, "us"),
            ("an action skipped, a JSON file each", skipped(5_000, lambda dag: in_files(dag, folder)), 60, "us"),
        ]
    rows += [
        (f"100,000 jobs in threads, {n} tokens", threads(100_000, n), most, "s") for n, most in ((8, 2), (1, 7))
    ]
    rows.append(("a million vertices built, checked and walked", million(1_000_000), 20, "s"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    rows.append(("the same, peak memory", peak, 1, "GB"))
    print("| what | measured | at most | met |\n| --- | ---: | ---: | --- |")
    for what, figure, most, unit in rows:
        met = "-" if most is None else "yes" if figure <= most else "NO"
        print(f"| {what} | {figure:.3g} {unit} | {'-' if most is None else f'{most} {unit}'} | {met} |")


if __name__ == "__main__":
    main()
