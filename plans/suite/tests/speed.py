"""Counts many numbers and says how long it took; a machine that was too busy to tell asks for another attempt."""

import os
import sys
from time import perf_counter, process_time

from bins import bins

began, worked = perf_counter(), process_time()
bins([float(number % 1000) for number in range(100_000)], 10)
wall, cpu = perf_counter() - began, process_time() - worked
with open(os.environ["TREADLE_REPORT"], "a", encoding="utf-8") as report:
    print("cpu_ms", round(cpu * 1000, 1), file=report)
if cpu > 2:
    sys.exit(f"too slow: {cpu:.1f} s of CPU")
if wall > 10 * cpu + 1:
    print("the machine was busy with something else")
    sys.exit(75)
