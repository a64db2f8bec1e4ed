"""What the engine `dask` costs beside Dask itself: actions of a tenth of a second on four workers of four threads.

    python bench/dask_engine.py [--actions 10000] [--seconds 0.1] [--workers 4] [--threads 4]

Both use one cluster on this machine. Dask alone maps a function that starts the program; Treadle runs a plan with
as many actions, each with a log, a record and its verdict. The start of the cluster counts for neither.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def start(number: int, seconds: str) -> int:
    """Run the program once, as a task of Dask."""
    return subprocess.call(["sleep", seconds])


def alone(client: Any, actions: int, seconds: str) -> float:
    """Return how long Dask takes by itself."""
    began = time.monotonic()
    codes = client.gather(client.map(start, range(actions), seconds=seconds, pure=False))
    assert not any(codes)
    return time.monotonic() - began


def with_treadle(address: str, actions: int, seconds: str) -> float:
    """Return how long Treadle takes."""
    with TemporaryDirectory() as folder:
        # the number makes each another action
        run = {
            "foreach": {"n": [str(number) for number in range(actions)]},
            "argv": ["sh", "-c", "exec sleep $0", seconds, "${n}"],
            "resources": {"cpus": 1},
        }
        plan = {"treadle": 1, "actions": {"a": run}, "default": ["a"]}
        Path(folder, "treadle.yaml").write_text(json.dumps(plan))
        command = [sys.executable, "-m", "treadle", "run", "--dask", address]
        began = time.monotonic()
        done = subprocess.run(
            command, check=False, cwd=folder, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True
        )
        took = time.monotonic() - began
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        assert f"{actions} run" in done.stdout, done.stdout[-2000:]
        return took


def main() -> None:
    """Print both figures."""
    from importlib import import_module

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
        best = given.actions * float(given.seconds) / (given.workers * given.threads)
        print(f"{given.actions} programs of {given.seconds} s, {given.workers} workers of {given.threads} threads")
        print(f"without any cost   {best:7.1f} s")
        # once, so that both find workers that have loaded what they need
        alone(client, given.workers * given.threads, given.seconds)
        by_dask = alone(client, given.actions, given.seconds)
        print(f"client.map         {by_dask:7.1f} s")
        by_treadle = with_treadle(cluster.scheduler_address, given.actions, given.seconds)
        print(f"treadle run --dask {by_treadle:7.1f} s, {by_treadle / by_dask:.2f} times")


if __name__ == "__main__":
    main()
