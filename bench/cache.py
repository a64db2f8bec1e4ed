"""What the cache of outputs costs: to store, to restore, and with nothing to do; and ccache where it does the same.

    python bench/cache.py [--actions 1000] [--objects 200] [--runs 3] [--server http://127.0.0.1:8080/bench]

Each action copies a file of 2 kB by `cp`. All is run by the real command with two jobs. Of each step the least of
some runs is shown, in seconds and as CPU seconds with all children, since other work makes the first one longer.
A server is one as docs/cache.md starts it.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

TREADLE = [sys.executable, "-m", "treadle"]


class Cost(NamedTuple):
    """Seconds of one step."""

    wall: float
    cpu: float


def cost(work: Callable[[], object]) -> Cost:
    """Return what it takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    work()
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def least(make: Callable[[], Callable[[], object]], runs: int) -> Cost:
    """Return the least cost of some runs, of each kind.

    :param make: prepares a run, which is not measured, and returns it
    """
    found = [cost(make()) for _ in range(runs)]
    return Cost(min(one.wall for one in found), min(one.cpu for one in found))


def plan(folder: Path, actions: int) -> None:
    """Write a plan and its sources."""
    folder.mkdir(parents=True)
    lines = ["treadle: 1", "defaults: {cache: true}", "actions:"]
    for number in range(actions):
        name = f"src/{number % 50}/{number}"
        lines.append(f"  a{number}: {{run: cp {name} out/{number}, in: {name}, out: out/{number}}}")
        source = folder / name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(f"{number}\n" * (2048 // (len(str(number)) + 1)))
    (folder / "treadle.yaml").write_text("\n".join(lines) + "\n")


def objects(folder: Path, count: int) -> None:
    """Write a plan that compiles small C files."""
    folder.mkdir(parents=True)
    lines = ["treadle: 1", "defaults: {cache: true}", "actions:"]
    for number in range(count):
        (folder / f"f{number}.c").write_text(f"int f{number}(int x) {{ return x * {number}; }}\n" * 1)
        command = f"cc -c f{number}.c -o f{number}.o"
        lines.append(f"  o{number}: {{run: {command}, in: f{number}.c, out: f{number}.o}}")
    (folder / "treadle.yaml").write_text("\n".join(lines) + "\n")


class Bench:
    """A folder for all of it.

    :param top: it is removed by the caller
    """

    def __init__(self, top: Path, runs: int) -> None:
        self.top = top
        self.runs = runs
        self.environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("TREADLE", "CCACHE"))
        }
        self.environ["XDG_STATE_HOME"] = str(top / "state")
        self.environ["TREADLE_CACHE_DIR"] = str(top / "store")
        self.environ["CCACHE_DIR"] = str(top / "ccache")

    def treadle(self, folder: Path, mode: str, expected: str) -> Callable[[], object]:
        """Return a run by the command; it has to say how it went."""

        def run() -> None:
            words = [*TREADLE, "run", "-j2", "--cache", mode]
            done = subprocess.run(words, cwd=folder, env=self.environ, capture_output=True, text=True, check=False)
            assert expected in done.stdout, done.stdout[-500:] + done.stderr[-500:]

        return run

    def fresh(self, folder: Path, *, keeps_store: bool) -> None:
        """Remove what runs have left in a folder, and what is stored."""
        for path in folder.iterdir():
            if path.name in (".treadle", "out") or path.suffix == ".o":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not keeps_store:
            shutil.rmtree(self.top / "store", ignore_errors=True)

    def phases(self, folder: Path, actions: int) -> dict[str, Cost]:
        """Return the costs of all steps in one folder."""

        def after(mode: str, expected: str, *, keeps_store: bool) -> Callable[[], Callable[[], object]]:
            def make() -> Callable[[], object]:
                self.fresh(folder, keeps_store=keeps_store)
                return self.treadle(folder, mode, expected)

            return make

        found = {"run, no cache": least(after("off", f"{actions} run", keeps_store=True), self.runs)}
        found["run and store"] = least(after("local", f"{actions} run", keeps_store=False), self.runs)
        found["restored"] = least(after("local", f"0 run, {actions} restored", keeps_store=True), self.runs)
        for mode in ("off", "local"):
            how = self.treadle(folder, mode, "nothing to do")
            found[f"nothing to do, cache {mode}"] = least(lambda how=how: how, self.runs * 3)  # type: ignore[misc]
        return found

    def shared(self, folder: Path, actions: int, url: str) -> dict[str, Cost]:
        """Return the costs with a server: each run finds no local store."""
        self.environ["TREADLE_CACHE_URL"] = url
        names = iter(f"bench-{os.getpid()}-{number}" for number in range(1000))

        def after(mode: str, expected: str, *, is_new: bool) -> Callable[[], Callable[[], object]]:
            def make() -> Callable[[], object]:
                if is_new:
                    self.environ["TREADLE_CACHE_NAMESPACE"] = next(names)
                self.fresh(folder, keeps_store=False)
                return self.treadle(folder, mode, expected)

            return make

        found = {"run and miss on a server": least(after("read", f"{actions} run", is_new=True), self.runs)}
        found["run and send to a server"] = least(after("write", f"{actions} run", is_new=True), self.runs)
        restored = after("read", f"0 run, {actions} restored", is_new=False)
        return found | {"restored from a server": least(restored, self.runs)}

    def ccache(self, folder: Path, count: int) -> dict[str, Cost]:
        """Return what ccache takes for the same objects: one after the other, each by a process of its own."""

        def compile_all() -> None:
            for number in range(count):
                command = ["ccache", "cc", "-c", f"f{number}.c", "-o", f"f{number}.o"]
                subprocess.run(command, cwd=folder, env=self.environ, check=True)

        def make(*, is_cold: bool) -> Callable[[], object]:
            self.fresh(folder, keeps_store=True)
            if is_cold:
                shutil.rmtree(self.top / "ccache", ignore_errors=True)
            return compile_all

        return {
            "ccache, compiled": least(lambda: make(is_cold=True), 1),
            "ccache, hits": least(lambda: make(is_cold=False), self.runs),
        }


def show(title: str, found: dict[str, Cost], actions: int) -> None:
    """Print a table."""
    print(f"\n### {title}\n\n| step | seconds | CPU seconds | ms of CPU per action |\n| --- | --- | --- | --- |")
    for name, one in found.items():
        print(f"| {name} | {one.wall:.2f} | {one.cpu:.2f} | {one.cpu / actions * 1000:.2f} |")


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actions", type=int, default=1000)
    parser.add_argument("--objects", type=int, default=200, help="C files to compile; 0 for none")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--server", default="", help="the address of a shared cache; none for no run with it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="treadle-bench-") as name:
        bench = Bench(Path(name), options.runs)
        folder = Path(name, "copies")
        plan(folder, options.actions)
        found = bench.phases(folder, options.actions)
        if options.server:
            found |= bench.shared(folder, options.actions, options.server)
        show(f"{options.actions} copies of 2 kB", found, options.actions)
        stored = (found["run and store"].cpu - found["run, no cache"].cpu) / options.actions * 1000
        print(f"\nTo store costs {stored:.2f} ms of CPU per action.")
        if options.objects:
            folder = Path(name, "objects")
            objects(folder, options.objects)
            found = bench.phases(folder, options.objects)
            if shutil.which("ccache"):
                found |= bench.ccache(folder, options.objects)
            show(f"{options.objects} small C files", found, options.objects)


if __name__ == "__main__":
    main()
