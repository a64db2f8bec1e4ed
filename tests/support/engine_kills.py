"""Kills or freezes parts of a run on an engine at random moments, and says whether all was right in the end.

Called as `python tests/support/engine_kills.py [--times 100] [--seed 1] [--engine process] [--at-once 4] [KIND...]`; a
kind is one of `kill-worker`, `kill-guard`, `kill-run`, `freeze-worker`, `freeze-run`. It prints a line for each.

Right is: each output has the bytes of an undisturbed run, no action was run twice at the same time, and nothing is
left running. What was killed with its run is run again, as a reader would.
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
from dataclasses import dataclass
from pathlib import Path

import psutil

KINDS = ("kill-worker", "kill-guard", "kill-run", "freeze-worker", "freeze-run")
LEASE = 2.0
PATIENCE = 120.0
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
    """

    def __init__(self, folder: Path, kind: str, engine: str, seed: int) -> None:
        self.folder = folder
        self.what, _, self.whom = kind.partition("-")
        self.kind = kind
        self.engine = engine
        self.chance = random.Random(f"{kind} {seed}")

    def run(self) -> Ended:
        """Run it, kill something in the middle, and look at the end."""
        began = time.monotonic()
        self._write()
        child = self._start()
        victim = self._hit(child)
        code = _code_of(child)
        if code is not None and code < 0:
            code = _code_of(self._start())
        wrong = [] if code == 0 else [f"the run ended with {code}: {(self.folder / 'said').read_text()}"]
        if self.what == "freeze" and victim is not None:
            # what was frozen wakes at last, and changes nothing
            _signal(victim, signal.SIGCONT)
        wrong += self._wrong()
        if not _comes(lambda: not list(self._living())):
            wrong.append(f"left running: {[' '.join(one.cmdline()[-3:]) for one in self._living()]}")
            for one in self._living():
                one.kill()
        pids = [path.read_text().split() for path in self.folder.glob("*.pids")]
        attempts = sum(map(len, pids))
        return Ended(self.kind, "; ".join(wrong), attempts, time.monotonic() - began, victim is not None)

    def _write(self) -> None:
        actions = {}
        for name, inputs in NAMES.items():
            script = ACTION.format(
                name=name,
                seconds=round(self.chance.uniform(0.05, 0.5), 3),
                inputs=" ".join(f"cat {one}.out;" for one in inputs) or ":;",
            )
            actions[name] = {"sh": script, "in": [f"{one}.out" for one in inputs], "out": f"{name}.out"}
        plan = {
            "treadle": 1,
            "shell": ["sh", "-euc"],
            "engine": {"name": self.engine, "lease": f"{LEASE}s", "workers": {"max": 2, "resources": {"cpus": 2}}},
            "actions": actions,
            "default": list(actions),
        }
        if self.engine == "local":
            del plan["engine"]
        (self.folder / "treadle.yaml").write_text(json.dumps(plan, indent=1))

    def _start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "treadle", "run", "-k"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def _hit(self, child: subprocess.Popen[bytes]) -> psutil.Process | None:
        """Kill or freeze one of its processes at a random moment, while an action runs; return that."""
        _comes(lambda: any(self.folder.glob("*.pids")) or child.poll() is not None)
        end = time.monotonic() + self.chance.uniform(0.0, 1.2)
        _comes(lambda: time.monotonic() >= end)
        if self.whom == "run":
            found = [psutil.Process(child.pid)] if child.poll() is None else []
        else:
            named = [one for one in self._living() if f"treadle.engines.{self.whom}" in " ".join(_cmdline(one))]
            # a program that is just being started looks like the worker that starts it
            pids = {one.pid for one in named}
            found = [one for one in named if _parent(one) not in pids]
        if not found:
            return None
        victim = self.chance.choice(found)
        _signal(victim, signal.SIGKILL if self.what == "kill" else signal.SIGSTOP)
        if self.what == "freeze" and self.whom == "run":
            end = time.monotonic() + self.chance.uniform(0.5, 2.0) * LEASE
            _comes(lambda: time.monotonic() >= end)
            _signal(victim, signal.SIGCONT)
        return victim

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
                if one.cwd() == str(self.folder) and one.status() != psutil.STATUS_ZOMBIE:
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


def trials(kind: str, times: int, *, engine: str = "process", seed: int = 1, at_once: int = 4) -> Iterator[Ended]:
    """Run trials of one kind, some at once, and yield how each went."""

    def one(number: int) -> Ended:
        with tempfile.TemporaryDirectory(prefix=f"treadle-{kind}-", ignore_cleanup_errors=True) as folder:
            return Trial(Path(os.path.realpath(folder)), kind, engine, seed + number).run()

    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(one, range(times))


def main() -> int:
    """Run trials of all kinds that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=list(KINDS), metavar="KIND")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", default="process")
    parser.add_argument("--at-once", type=int, default=4)
    given = parser.parse_args()
    is_right = True
    for kind in given.kinds:
        ended = list(trials(kind, given.times, engine=given.engine, seed=given.seed, at_once=given.at_once))
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
