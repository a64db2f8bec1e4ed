"""What it costs that a run records itself: processor time and bytes of an action that runs, and of a short run.

    python bench/recording.py [--actions 5000] [--edits 30]

The first figures are of the record alone: each action is described, decided, started and ended, eight of them in a
round. The last ones are of the command, in turns without and with a record: one input of two actions was edited.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from treadle.core.decision import Reason, Verdict
from treadle.core.outcomes import RAN, Usage
from treadle.events.bus import Action, Ended, Started, WalkBegan
from treadle.ledger.database import FILE, Database
from treadle.ledger.filling import fill
from treadle.ledger.recording import Recording, RunRecord

ROUND = 8
EDIT = "treadle: 1\nactions:\n  a: {run: cp in.txt a, in: in.txt, out: a}\n  b: {run: cp a b, in: a, out: b}\n"


def recorded(folder: str, actions: int) -> float:
    """Record a run of so many actions; return the processor time of one of them in seconds."""
    began = time.monotonic()
    failures: list[str] = []
    recording = Recording(lambda: folder, RunRecord(began, time.time()), failures.append)
    names = [f"compile@source-{number}" for number in range(actions)]

    def describe(name: str) -> Action:
        return Action(
            name, command=f"cc -c src/{name}.c -o out/{name}.o", needs=["configure"], outputs=[f"out/{name}.o"]
        )

    digest = "0123456789abcdef" * 2
    cpu = time.process_time()
    recording.walk_began(WalkBegan(names, 0, {"default": ROUND}, describe=describe))
    for at in range(0, actions, ROUND):
        batch = names[at : at + ROUND]
        for name in batch:
            why = Reason("changed", f"input src/{name}.c", f"file 1200 {digest}", f"file 1210 {digest}")
            recording.decided(name, Verdict("run", (why,)))
            recording.started(Started(name, 1, 0, time.monotonic()))
        recording.round()
        for name in batch:
            end = Ended(name, RAN, 0.1, log=f"{folder}/.treadle/logs/{name}.log", exit_code=0)
            end.usage = Usage(0.1, 0.08, 0.01, 0, 8, 1 << 25)
            recording.ended(end)
        recording.round()
    recording.close(0)
    cpu = time.process_time() - cpu
    assert not failures, failures
    return cpu / actions


def filled(folder: str, attempts: int) -> tuple[float, float]:
    """Fill the index; return processor time in seconds and bytes for one attempt."""
    path = os.path.join(folder, ".treadle", FILE)
    cpu = time.process_time()
    with Database(path) as database:
        fill(database, os.path.join(folder, ".treadle"))
    return (time.process_time() - cpu) / attempts, os.path.getsize(path) / attempts


def short_run(folder: str, number: int, ledger: str) -> float:
    """Edit the input, and return the processor time of the run after it, with that of its two programs."""
    Path(folder, "in.txt").write_text(str(number))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "treadle", "run", "-q"]
    subprocess.run(command, cwd=folder, env={**os.environ, "TREADLE_LEDGER": ledger}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actions", type=int, default=5000)
    parser.add_argument("--edits", type=int, default=30)
    options = parser.parse_args()
    print("| what | measured |\n| --- | ---: |")
    with TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, ".treadle"), 0o755)
        cost = min(recorded(folder, options.actions) for _ in range(3))
        events = sum(file.stat().st_size for file in Path(folder).glob(".treadle/runs/*/events"))
        of_index, size = filled(folder, 3 * options.actions)
    print(f"| an action that runs, own CPU of its record | {cost * 1e6:.0f} us |")
    print(f"| the same in the index, which another thread or a later look fills | {of_index * 1e6:.0f} us |")
    print(f"| an attempt in the file of events | {events / options.actions / 3:.0f} bytes |")
    print(f"| the same in the index | {size:.0f} bytes |")
    with TemporaryDirectory() as folder:
        Path(folder, "treadle.yaml").write_text(EDIT)
        numbers = count()
        for _ in range(3):
            short_run(folder, next(numbers), "")
        found: dict[str, list[float]] = {"off": [], "": []}
        for _ in range(options.edits):
            for ledger, samples in found.items():
                samples.append(short_run(folder, next(numbers), ledger))
    off, on = (statistics.quantiles(samples, n=4)[0] for samples in found.values())
    print(f"| one input edited, CPU without a record | {off * 1e3:.1f} ms |")
    print(f"| the same with one | {on * 1e3:.1f} ms |")


if __name__ == "__main__":
    main()
