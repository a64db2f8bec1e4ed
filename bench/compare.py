"""Runs Treadle and the rivals that are installed side by side on one workload and prints tables with ratios.

    python bench/compare.py 1000 10000 --runs 15
    python bench/compare.py 100000 --runs 5 --keep FOLDER --json FILE

Each figure is the median of whole processes, run in turn. Rivals: ninja, GNU make (-rR) and doit, if found. Exits
with 1 when a run did other work than it had to: its figures say nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import contestants
import machine
import phases
import tables
import workload


def parsed() -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("sizes", nargs="*", type=int, default=[1000], help="numbers of actions; 1000 unless told")
    parser.add_argument("--runs", type=int, default=9, help="rounds; those that run many actions take fewer")
    parser.add_argument("--phases", default=",".join(phases.CHOICES), help="some of %(default)s")
    parser.add_argument("--rivals", default=",".join(contestants.RIVALS), help="some of %(default)s, if found")
    parser.add_argument(
        "--treadle", metavar="PATH", help="the launcher to measure; else beside this Python, then PATH"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="set the trees up here, and use those that are")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there, in seconds and MB")
    arguments = parser.parse_args()
    unknown = set(arguments.phases.split(",")) - set(phases.CHOICES)
    if unknown:
        parser.error(f"no such phase: {', '.join(sorted(unknown))}")
    return arguments


def launcher(wanted: str | None) -> str:
    """Return the path of the command to measure."""
    found = shutil.which(wanted) if wanted else contestants.program("treadle", Path(sys.executable).parent)
    if not found:
        sys.exit(f"compare.py: no command {wanted or 'treadle'}")
    return str(Path(found).absolute())


def compare(folder: Path, arguments: argparse.Namespace, treadle: str) -> bool:
    """Measure all sizes and print; return whether each run did what it had to."""
    taken: dict[str, tables.Taken] = {}
    tools = contestants.contestants(folder, treadle, arguments.rivals.split(","))
    noted = machine.described(tools, folder)
    print("\n".join(f"- {name}: {what}" for name, what in noted.items()))
    is_right = True
    for size in arguments.sizes:
        tools = contestants.contestants(folder / str(size), treadle, arguments.rivals.split(","))
        bench = phases.Bench(workload.Shape(size), tools, arguments.runs)
        taken[str(size)] = bench.samples
        wanted = arguments.phases.split(",")
        for phase in bench.measure([name for name in phases.CHOICES if name in wanted]):
            phases.tell("")
            print(f"\n{tables.phase_table(bench.samples, phase, size)}", flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps({"machine": noted, "samples": as_json(taken)}, indent=1))
        print(f"\n{tables.aims_table(bench.samples, size)}", flush=True)
        machine.warn(tables.wrong_lines(bench.wrong, size))
        is_right = is_right and not bench.wrong
    return is_right


def as_json(taken: dict[str, tables.Taken]) -> object:
    """Return the samples as JSON holds them: by size, phase and tool, each by the names of its figures."""
    return {
        size: {
            phase: {tool: [sample._asdict() for sample in samples] for tool, samples in by_tool.items()}
            for phase, by_tool in by_phase.items()
        }
        for size, by_phase in taken.items()
    }


def main() -> int:
    """Measure; 1 when a run did not do what it had to."""
    arguments = parsed()
    treadle = launcher(arguments.treadle)
    machine.warn(machine.doubts(treadle))
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        return 0 if compare(arguments.keep.absolute(), arguments, treadle) else 1
    with tempfile.TemporaryDirectory(prefix="treadle-bench-") as folder:
        return 0 if compare(Path(folder), arguments, treadle) else 1


if __name__ == "__main__":
    sys.exit(main())
