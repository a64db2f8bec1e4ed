"""How much processor time one decision of admission takes: a job ends, and what may start in its place starts.

    python bench/admission.py [--waiting 10000 100000] [--decisions 5000]

Many jobs wait for 8 GPUs and 64 processors, all with one demand or with 100 different ones; the first row is
admission by tokens alone. With ranks each job has a path of its own length, so that none goes as it came.
"""

from __future__ import annotations

import argparse
import random
import time
from itertools import product
from typing import TYPE_CHECKING

from treadle.core.admission import Admission
from treadle.core.pool import Demand, Pool
from treadle.core.pool_admission import PoolAdmission
from treadle.core.ranked_admission import ranked

if TYPE_CHECKING:
    from collections.abc import Sequence

POOL = Pool({"cpus": 64, "gpus": [str(number) for number in range(8)], "memory": 512})
AIMS = {"tokens": None, "equal": 15.0, "different": 100.0}
"""Microseconds of processor time that a decision may take."""


def demands(kind: str) -> Sequence[Demand]:
    """Return the demands that the jobs have in turn."""
    if kind == "equal":
        return [Demand({"cpus": 4, "gpus": 1, "memory": 16})]
    chance = random.Random(1)
    made: dict[tuple[int, int, int], Demand] = {}
    while len(made) < 100:
        cpus, gpus, memory = chance.randint(1, 32), chance.choice([0, 0, 1, 2, 4]), chance.randint(1, 128)
        made[cpus, gpus, memory] = Demand({"cpus": cpus, "gpus": gpus, "memory": memory})
    return list(made.values())


def measure(kind: str, waiting: int, decisions: int, *, has_ranks: bool) -> float:
    """Return the microseconds of processor time of one decision, with so many that wait."""
    queues = {"default": 64}
    admission = Admission(queues) if kind == "tokens" else PoolAdmission(queues, POOL)
    if has_ranks:
        admission = ranked(admission, lambda number: float(number * 7919 % 1_000_003))
    asked = [] if kind == "tokens" else demands(kind)
    number = 0

    def push() -> None:
        nonlocal number
        if isinstance(admission, PoolAdmission):
            admission.push(number, "default", 1, 0, asked[number % len(asked)])
        else:
            admission.push(number, "default", 1, 0)
        number += 1

    for _ in range(waiting):
        push()
    running = [slot for _, slot in admission.admit()]
    chance = random.Random(2)
    spent = 0.0
    for _ in range(decisions):
        ended = running.pop(chance.randrange(len(running)))
        began = time.process_time()
        admission.release(ended)
        new = [slot for _, slot in admission.admit()]
        spent += time.process_time() - began
        running += new
        for _ in new:
            push()
    return spent / decisions * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="Times one decision of admission.")
    parser.add_argument("--waiting", type=int, nargs="+", default=[10_000, 100_000], help="how many jobs wait")
    parser.add_argument("--decisions", type=int, default=5000, help="how many decisions are timed")
    options = parser.parse_args()
    print("| demands | waiting | us of CPU for a decision | at most | met |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for (kind, aim), has_ranks in product(AIMS.items(), (False, True)):
        for waiting in options.waiting:
            took = min(measure(kind, waiting, options.decisions, has_ranks=has_ranks) for _ in range(3))
            bound = f"{aim:g} | {'yes' if took <= aim else 'NO'}" if aim else " | "
            print(f"| {kind}{', with ranks' if has_ranks else ''} | {waiting:,} | {took:.1f} | {bound} |")


if __name__ == "__main__":
    main()
