"""What an action costs on Slurm, beside the jobs that plain `sbatch` starts.

    python bench/slurm.py [--actions 200] [--folder FOLDER]

All of them run `true`. In turns: one array by one `sbatch`, one `sbatch` for each, and a run of Treadle with the
engine `slurm`, until the last one has ended. Then a worker alone, without Slurm. The Slurm is that which SLURM_CONF
names, else one of one node that is started for it; FOLDER has to be seen by its nodes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from treadle.engines.agent import system_name
from treadle.engines.base import Attempt
from treadle.engines.spec import AttemptSpec, RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "treadle-bench"
ONE = ("--output=/dev/null", f"--job-name={NAME}", "--wrap", "true")


def wait_for_jobs() -> None:
    """Return when no job of ours is left in the queue."""
    pause = threading.Event()
    command = ["squeue", "--noheader", f"--name={NAME}", "--format=%i"]
    while subprocess.run(command, capture_output=True, check=True).stdout:
        pause.wait(0.05)


def array(actions: int) -> None:
    """Run all as one array."""
    subprocess.run(["sbatch", "--quiet", f"--array=0-{actions - 1}", *ONE], check=True)
    wait_for_jobs()


def single_jobs(actions: int) -> None:
    """Run each as a job of its own."""
    for _ in range(actions):
        subprocess.run(["sbatch", "--quiet", *ONE], check=True)
    wait_for_jobs()


def treadle(actions: int, folder: Path) -> None:
    """Run all as actions of a plan."""
    plan = {
        "treadle": 1,
        "engine": "slurm",
        "actions": {f"a{number}": {"run": "true"} for number in range(actions)},
        "default": [f"a{number}" for number in range(actions)],
    }
    (folder / "treadle.yaml").write_text(json.dumps(plan))
    environ = {**os.environ, "TREADLE_LEDGER": "off"}
    subprocess.run([sys.executable, "-m", "treadle", "run", "-q"], cwd=folder, env=environ, check=True)


def workers(number: int, folder: Path) -> None:
    """Run workers as jobs do, one after the other."""
    run = RunFolder(str(folder / "run"))
    run.make()
    attempt = Attempt([["true"]], mark="bench/a", environ={"PATH": os.environ["PATH"]}).as_data()
    for at in range(number):
        spec = AttemptSpec(f"1-{at}", "a", 1, run.path, attempt, system=system_name())
        Path(run.spec(spec.token)).write_text(spec.to_json())
        subprocess.run([sys.executable, "-P", "-m", "treadle.engines.worker", run.spec(spec.token)], check=True)


def measured(what: Callable[[], None], number: int) -> str:
    """Return the wall seconds of something, and its milliseconds for each action: wall, and processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    what()
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (
        f"{wall:6.1f} s, {wall / number * 1000:6.1f} ms each; called from here {cpu / number * 1000:5.1f} ms each"
    )


def main() -> int:
    """Measure all, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actions", type=int, default=200)
    parser.add_argument("--folder", default=None)
    given = parser.parse_args()
    with ExitStack() as opened:
        if "SLURM_CONF" not in os.environ:
            sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
            from slurm_cluster import SlurmCluster

            cluster = SlurmCluster()
            opened.callback(cluster.remove)
            cluster.start()
            os.environ["SLURM_CONF"] = str(cluster.conf)
        folder = Path(opened.enter_context(TemporaryDirectory(dir=given.folder)))
        number = given.actions
        ways: dict[str, tuple[Callable[[], None], int]] = {
            "one array": (lambda: array(number), number),
            "a job each": (lambda: single_jobs(number), number),
            "treadle": (lambda: treadle(number, folder), number),
            "a worker alone": (lambda: workers(max(1, number // 10), folder), max(1, number // 10)),
        }
        for name, (what, times) in ways.items():
            print(f"{name:<16}{measured(what, times)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
