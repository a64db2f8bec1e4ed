"""What the engine `dask` costs beside Dask itself: actions of a tenth of a second on four workers of four threads.

    python bench/dask_engine.py [--actions 10000] [--seconds 0.1] [--workers 4] [--threads 4]

Both use one cluster on this machine, and start the same programs. Dask alone maps a function that starts the
program; Treadle runs a plan with as many actions, each with a log, a record and its verdict. The start of the
cluster counts for neither.

Beside the time that each takes, all processor time is counted that any process of it has used. What the cluster
uses without work is shown, and not taken off: on a busy machine it is less than that, so the side that takes longer
would gain by it. The scheduler is a part of this process, which is the client of `client.map` too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = ("run", "scheduler", "workers", "programs")
"""What uses processor time: the process of `treadle run`, this one, those of the workers with their guards, and
what these start."""


def argv_of(number: int | str, seconds: str) -> list[str]:
    """Return what an action starts: the number makes each another one."""
    return ["sh", "-c", "exec sleep $0", seconds, str(number)]


def start(number: int, seconds: str) -> int:
    """Run the program once, as a task of Dask."""
    return subprocess.call(argv_of(number, seconds))


def used() -> dict[str, float]:
    """Return the seconds of processor time that each part has used until now."""
    psutil: Any = import_module("psutil")
    below = psutil.Process().children(recursive=True)
    workers = programs = 0.0
    for process in below:
        times = process.cpu_times()
        workers += times.user + times.system
        programs += times.children_user + times.children_system
    own, ended = (resource.getrusage(which) for which in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = (ended.ru_utime + ended.ru_stime, own.ru_utime + own.ru_stime, workers, programs)
    return dict(zip(PARTS, seconds, strict=True))


def measured(what: Callable[[], None]) -> tuple[float, dict[str, float]]:
    """Return the seconds that a call takes, and the processor time of each part."""
    before, began = used(), time.monotonic()
    what()
    took = time.monotonic() - began
    # what is still busy with it counts too
    time.sleep(1)
    return took, {part: seconds - before[part] for part, seconds in used().items()}


def alone(client: Any, actions: int, seconds: str) -> None:
    """Have Dask run all by itself."""
    codes = client.gather(client.map(start, range(actions), seconds=seconds, pure=False))
    assert not any(codes)


def with_treadle(address: str, actions: int, seconds: str) -> None:
    """Have Treadle run all."""
    with TemporaryDirectory() as folder:
        run = {
            "foreach": {"n": [str(number) for number in range(actions)]},
            "argv": argv_of("${n}", seconds),
            "resources": {"cpus": 1},
        }
        plan = {"treadle": 1, "actions": {"a": run}, "default": ["a"]}
        Path(folder, "treadle.yaml").write_text(json.dumps(plan))
        command = [sys.executable, "-m", "treadle", "run", "--dask", address]
        done = subprocess.run(
            command, check=False, cwd=folder, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        assert f"{actions} run" in done.stdout, done.stdout[-2000:]


def show(name: str, actions: int, took: float, cpu: dict[str, float]) -> None:
    """Print what one of both took."""
    each = ", ".join(f"{part} {1000 * seconds / actions:.1f}" for part, seconds in cpu.items())
    print(f"{name:18} {took:7.1f} s, processors {1000 * sum(cpu.values()) / actions:.1f} ms an action ({each})")


def main() -> None:
    """Print both figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actions", type=int, default=10_000)
    parser.add_argument("--seconds", default="0.1")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--threads", type=int, default=4)
    given = parser.parse_args()
    distributed: Any = import_module("distributed")
    with (
        distributed.LocalCluster(
            n_workers=given.workers,
            threads_per_worker=given.threads,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=0,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        slots = given.workers * given.threads
        print(f"{given.actions} programs of {given.seconds} s, {given.workers} workers of {given.threads} threads")
        print(f"without any cost   {given.actions * float(given.seconds) / slots:7.1f} s")
        # once, so that both find workers that have loaded what they need
        alone(client, slots, given.seconds)
        with_treadle(cluster.scheduler_address, slots, given.seconds)
        took, cpu = measured(lambda: time.sleep(5))
        idle = 1000 * sum(cpu.values()) / (took + 1)
        print(f"without work       {idle:7.0f} ms of processors a second")
        by_dask, cpu = measured(lambda: alone(client, given.actions, given.seconds))
        show("client.map", given.actions, by_dask, cpu)
        by_treadle, cpu = measured(lambda: with_treadle(cluster.scheduler_address, given.actions, given.seconds))
        show("treadle run --dask", given.actions, by_treadle, cpu)
        print(f"load               {os.getloadavg()[0]:.1f} of the last minute, on {os.cpu_count()} processors")
        one, _ = measured(lambda: with_treadle(cluster.scheduler_address, 1, given.seconds))
        print(f"{by_treadle / by_dask:.2f} times the time; a run of one action takes {one:.1f} s")


if __name__ == "__main__":
    main()
