"""Kills or freezes parts of a run on an engine at random moments, and says whether all was right in the end.

Called as `python tests/support/engine_kills.py [--times 100] [--seed 1] [--engine process] [--at-once 4] [KIND...]`.
A kind says what is done to which part, see `KINDS`; without any it is each one of the engine. It prints a line for
each. What the engine needs has to be installed; a Slurm of its own is started for `--engine slurm`. `dask` is a
cluster that the run starts, `dask-there` one that is there: each trial has its own.

Right is: each output has the bytes of an undisturbed run, no action was run twice at the same time, and nothing is
left running. What was killed with its run is run again, as a reader would; after `kill-run-hot` by `resume --hot`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from dask_clusters import DaskCluster
    from slurm_cluster import SlurmCluster

_USUAL = ("kill-run", "kill-run-hot", "kill-worker", "kill-guard", "kill-both", "freeze-worker", "freeze-run")
KINDS = {
    "process": _USUAL,
    "slurm": (*_USUAL, "kill-slurmd", "freeze-slurmd", "kill-slurmctld", "freeze-slurmctld"),
    "dask": (*_USUAL, "kill-scheduler", "freeze-scheduler"),
    "dask-there": (*_USUAL, "kill-scheduler", "freeze-scheduler"),
}
"""Engine -> what may be done to which of its parts: `both` are a worker and its guard."""
FORKED = "multiprocessing.forkserver"
"""What the command lines of the workers have that a run starts for Dask, and of the process that has forked them."""
PARTS = {
    "process": {"worker": "treadle.engines.worker", "guard": "treadle.engines.guard"},
    "slurm": {"worker": "treadle.engines.worker", "guard": "treadle.engines.guard"},
    "dask": {
        "worker": FORKED,
        "guard": "treadle.engines.guard",
        "scheduler": "treadle.engines.dask_cluster",
    },
    "dask-there": {
        "worker": "multiprocessing.spawn",
        "guard": "treadle.engines.guard",
        "scheduler": "dask_scheduler",
    },
}
"""Engine -> part -> what the command line of its processes has."""
LEASE = 2.0
PATIENCE = 240.0
"""Seconds that a run may take: Slurm itself puts a job off for two minutes that a slurmd could not start."""
ACTION = """
for p in $(cat {name}.pids 2>/dev/null); do
  case "$(ps -o stat= -p $p)" in "" | Z*) ;; *) echo {name} $p >> twice ;; esac
done
echo $$ >> {name}.pids
sleep {seconds}
{{ echo {name}; {inputs} }} > {name}.out
"""
NAMES = {"a": [], "b": [], "c": ["a"], "d": ["a", "b"], "e": ["c"], "f": ["c", "d"], "g": ["e", "f"], "h": ["b"]}
"""Action -> what it reads."""
_NODE = threading.Lock()


@dataclass(frozen=True)
class Ended:
    """How one trial went.

    :ivar wrong: what was wrong, in words; "" if nothing was
    :ivar attempts: how many there were of all actions
    :ivar was_hit: whether there was anything to be killed or frozen
    """

    kind: str
    wrong: str
    attempts: int
    seconds: float
    was_hit: bool


class Trial:
    """A plan in a folder, run on an engine.

    :param seed: of the moment and of which one of several is killed
    :param cluster: what the engine needs, if that is started apart
    """

    def __init__(self, folder: Path, kind: str, engine: str, seed: int, cluster: SlurmCluster | None) -> None:
        self.folder = folder
        self.what, self.part, *more = kind.split("-")
        self.is_hot = bool(more)
        self.kind = kind
        self.cluster = cluster
        self.engine = engine
        self.dask: DaskCluster | None = None
        self.chance = random.Random(f"{kind} {seed}")

    def run(self) -> Ended:
        """Run it, kill something in the middle, and look at the end."""
        began = time.monotonic()
        if self.engine == "dask-there":
            from dask_clusters import DaskCluster

            self.dask = DaskCluster(workers=2, threads=2, folder=str(self.folder))
        self._write()
        child = self._start("run", "-k", *(("--outlive", "30s") if self.is_hot else ()))
        victims = [] if self.part in ("slurmd", "slurmctld") else self._hit(child)
        was_hit = bool(victims) or self._hit_node(child)
        code = _code_of(child)
        if code is not None and code < 0:
            code = _code_of(self._start("resume", "--hot", "-k")) if self.is_hot else 2
            if code == 2:
                # it was killed before it could say how it was called
                code = _code_of(self._start("run", "-k"))
        wrong = [] if code == 0 else [f"the run ended with {code}: {(self.folder / 'said').read_text()}"]
        if self.what == "freeze" and self.part not in ("slurmd", "slurmctld"):
            # what was frozen wakes at last, and changes nothing
            for victim in victims:
                _signal(victim, signal.SIGCONT)
        wrong += self._wrong()
        if self.dask is not None:
            wrong += self._left_on(self.dask)
            self.dask.close()
        if not _comes(lambda: not list(self._living())):
            wrong.append(f"left running: {[' '.join(one.cmdline()[-3:]) for one in self._living()]}")
            for one in self._living():
                one.kill()
        pids = [path.read_text().split() for path in self.folder.glob("*.pids")]
        attempts = sum(map(len, pids))
        return Ended(self.kind, "; ".join(wrong), attempts, time.monotonic() - began, was_hit)

    def _write(self) -> None:
        actions = {}
        for name, inputs in NAMES.items():
            script = ACTION.format(
                name=name,
                # what is frozen is to be missed while they run
                seconds=round(self.chance.uniform(0.05, 4.0 if self.what == "freeze" and self.dask else 0.5), 3),
                inputs=" ".join(f"cat {one}.out;" for one in inputs) or ":;",
            )
            actions[name] = {"sh": script, "in": [f"{one}.out" for one in inputs], "out": f"{name}.out"}
        more: dict[str, object] = {"name": self.engine, "workers": {"max": 2, "resources": {"cpus": 2}}}
        if self.dask is not None:
            more = {"name": "dask", "options": {"address": self.dask.address}}
        plan = {
            "treadle": 1,
            "shell": ["sh", "-euc"],
            "engine": {**more, "lease": f"{LEASE}s"},
            "actions": actions,
            "default": list(actions),
        }
        if self.engine == "local":
            del plan["engine"]
        (self.folder / "treadle.yaml").write_text(json.dumps(plan, indent=1))

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "treadle", *words],
                cwd=self.folder,
                env=None if self.cluster is None else self.cluster.environ(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def _hit(self, child: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """Kill or freeze one of its processes at a random moment, while an action runs; return what was."""
        self._await_moment(child)
        if self.part == "run":
            found = [psutil.Process(child.pid)] if child.poll() is None else []
        else:
            found = self._processes_of("worker" if self.part == "both" else self.part)
        if not found:
            return []
        victims = [self.chance.choice(found)]
        if self.part == "both":
            guards = self._processes_of("guard")
            victims += [one for one in guards if _parent(one) == victims[0].pid]
        for victim in victims:
            _signal(victim, signal.SIGKILL if self.what == "kill" else signal.SIGSTOP)
        is_there = self.dask is not None and self.part == "scheduler"
        if self.what == "freeze" and (self.part == "run" or is_there):
            self._wait_a_lease()
            _signal(victims[0], signal.SIGCONT)
        elif is_there and self.dask is not None:
            self.dask.scheduler.wait()
            self.dask.restart_scheduler()
        return victims

    def _hit_node(self, child: subprocess.Popen[bytes]) -> bool:
        """Kill or freeze a daemon of the cluster for a while."""
        cluster = self.cluster
        if cluster is None or self.part not in ("slurmd", "slurmctld"):
            return False
        self._await_moment(child)
        with _NODE:
            # trials share it
            cluster.send(self.part, signal.SIGKILL if self.what == "kill" else signal.SIGSTOP)
            self._wait_a_lease()
            if self.what == "kill":
                cluster.start_one(self.part)
            else:
                cluster.send(self.part, signal.SIGCONT)
        return True

    def _await_moment(self, child: subprocess.Popen[bytes]) -> None:
        _comes(lambda: any(self.folder.glob("*.pids")) or child.poll() is not None)
        end = time.monotonic() + self.chance.uniform(0.0, 1.2)
        _comes(lambda: time.monotonic() >= end)

    def _wait_a_lease(self) -> None:
        end = time.monotonic() + self.chance.uniform(0.5, 2.0) * LEASE
        _comes(lambda: time.monotonic() >= end)

    def _processes_of(self, part: str) -> list[psutil.Process]:
        wanted = PARTS[self.engine][part]
        named = [one for one in self._living() if wanted in " ".join(_cmdline(one))]
        # a program that is just being started looks like the worker that starts it
        pids = {one.pid for one in named}
        first = [one for one in named if _parent(one) not in pids]
        if wanted != FORKED:
            return first
        servers = {one.pid for one in first}
        return [one for one in named if _parent(one) in servers]

    def _left_on(self, cluster: DaskCluster) -> list[str]:
        """Return which actions run on a cluster after a run; what is frozen may yet be found there."""

        def running() -> list[psutil.Process]:
            return [one for one in self._living() if _cwd(one) == str(self.folder)]

        if _comes(lambda: not running()):
            return []
        return [f"left on {cluster.address}: {[' '.join(_cmdline(one)[-3:]) for one in running()]}"]

    def _wrong(self) -> list[str]:
        found = []
        if (self.folder / "twice").exists():
            found.append(f"two at once: {(self.folder / 'twice').read_text().strip()}")
        for name in NAMES:
            path = self.folder / f"{name}.out"
            if not path.exists() or path.read_text() != _expected(name):
                found.append(f"{name}.out is wrong")
        return found

    def _living(self) -> Iterator[psutil.Process]:
        """Yield the processes that run in the folder."""
        for one in psutil.process_iter():
            try:
                if f"{one.cwd()}/".startswith(f"{self.folder}/") and one.status() != psutil.STATUS_ZOMBIE:
                    yield one
            except psutil.Error:
                continue


def _expected(name: str) -> str:
    return f"{name}\n" + "".join(map(_expected, NAMES[name]))


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _cwd(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""


def _code_of(child: subprocess.Popen[bytes]) -> int | None:
    """Wait for a run, and return its exit code; None if it had to be killed, as it went on for ever."""
    try:
        return child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return None


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return


def _comes(what: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Return whether something comes true in that time."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not what():
        if time.monotonic() >= end:
            return False
        pause.wait(0.01)
    return True


def trials(
    kind: str,
    times: int,
    *,
    engine: str = "process",
    seed: int = 1,
    at_once: int = 4,
    cluster: SlurmCluster | None = None,
) -> Iterator[Ended]:
    """Run trials of one kind, some at once, and yield how each went.

    :param cluster: what the engine needs, if that is started apart
    """

    def one(number: int) -> Ended:
        with tempfile.TemporaryDirectory(prefix=f"treadle-{kind}-", ignore_cleanup_errors=True) as folder:
            trial = Trial(Path(os.path.realpath(folder)), kind, engine, seed + number, cluster)
            try:
                return trial.run()
            finally:
                if trial.dask is not None:
                    trial.dask.close()

    with nullcontext() if cluster is None else cluster.resumed(), ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(one, range(times))


def main() -> int:
    """Run trials of all kinds that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", default="process", choices=list(KINDS))
    parser.add_argument("--at-once", type=int, default=4)
    given = parser.parse_args()
    cluster = None
    if given.engine == "slurm":
        from slurm_cluster import SlurmCluster

        cluster = SlurmCluster()
        cluster.start()
    try:
        return _try_all(given, cluster)
    finally:
        if cluster is not None:
            cluster.remove()


def _try_all(given: argparse.Namespace, cluster: SlurmCluster | None) -> int:
    is_right = True
    options = {"engine": given.engine, "seed": given.seed, "at_once": given.at_once, "cluster": cluster}
    for kind in given.kinds or KINDS[given.engine]:
        ended = list(trials(kind, given.times, **options))
        wrong = [one.wrong for one in ended if one.wrong]
        is_right = is_right and not wrong
        hit, attempts = sum(one.was_hit for one in ended), sum(one.attempts for one in ended)
        seconds = sum(one.seconds for one in ended) / max(len(ended), 1)
        print(
            f"{kind}: {len(ended)} times ({hit} hit), {attempts} attempts of {len(ended) * len(NAMES)} actions,"
            f" {seconds:.1f} s each, {len(wrong)} wrong",
            *wrong,
            sep="\n  ",
            flush=True,
        )
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
