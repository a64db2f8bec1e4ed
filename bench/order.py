"""What it wins to start the longest path first, in simulated seconds, and what it costs to find it.

    python bench/order.py [--tokens 2 4 8 16] [--vertices 10000] [--seed 1]

Each graph is run by the real scheduler with a fake clock, once in the order of insertion and once by longest paths.
*At least* is what no order can beat: the longest path, or all seconds divided by the tokens.
"""

from __future__ import annotations

import argparse
import random
import time
from typing import TYPE_CHECKING, Any

from treadle import DAG, ProcessJob, Scheduler
from treadle.core.graph.longest_path import longest_paths
from treadle.testing import FakeClock, ManualRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    Seconds = dict[Hashable, float]


def one_long_chain(chance: random.Random) -> tuple[DAG, Seconds]:
    """Return 200 actions that stand alone, and after them a chain of 20: a fifth of all seconds."""
    dag = DAG()
    seconds: Seconds = {}
    for number in range(200):
        dag.add_vertex(f"alone{number}")
        seconds[f"alone{number}"] = chance.uniform(5, 15)
    for number in range(20):
        dag.add_vertex(f"chain{number}", predecessors=[f"chain{number - 1}"] if number else ())
        seconds[f"chain{number}"] = 25.0
    return dag, seconds


def project(chance: random.Random) -> tuple[DAG, Seconds]:
    """Return a project as plans have them: 12 libraries of sources, in layers, with tests, and a page of each.

    The plan is by kind: all sources, then all links, tests and pages, and at last the package.
    """
    dag = DAG()
    seconds: Seconds = {}
    sources = {library: range(chance.randint(5, 60)) for library in range(12)}
    for library, numbers in sources.items():
        for number in numbers:
            dag.add_vertex(f"compile{library}.{number}")
            seconds[f"compile{library}.{number}"] = chance.lognormvariate(0.7, 0.8)
    for library, numbers in sources.items():
        below = chance.sample(range(library), min(library, 2))
        before = [f"compile{library}.{number}" for number in numbers] + [f"link{one}" for one in below]
        dag.add_vertex(f"link{library}", predecessors=before)
        seconds[f"link{library}"] = chance.uniform(1, 10)
    for kind, longest in (("test", 60), ("page", 5)):
        for library in sources:
            dag.add_vertex(f"{kind}{library}", predecessors=[f"link{library}"])
            seconds[f"{kind}{library}"] = chance.uniform(1, longest)
    dag.add_vertex("package", predecessors=[*(f"test{one}" for one in sources), *(f"page{one}" for one in sources)])
    seconds["package"] = 8.0
    return dag, seconds


def pipeline(chance: random.Random) -> tuple[DAG, Seconds]:
    """Return a data pipeline: 40 samples, each through five steps, of which a few are ten times as large."""
    dag = DAG()
    seconds: Seconds = {}
    for step in range(5):
        for sample in range(40):
            dag.add_vertex(f"{step}.{sample}", predecessors=[f"{step - 1}.{sample}"] if step else ())
            seconds[f"{step}.{sample}"] = chance.uniform(2, 6) * (10 if sample % 13 == 12 else 1)
    dag.add_vertex("report", predecessors=[f"4.{sample}" for sample in range(40)])
    seconds["report"] = 20.0
    return dag, seconds


class Program(ProcessJob):
    """A program that takes simulated seconds."""

    @property
    def cmdline(self) -> list[str]:
        return [str(self.uid)]


def makespan(dag: DAG, seconds: Seconds, tokens: int, expected: Callable[[Hashable], float]) -> float:
    """Return after how many seconds the last program ends."""
    clock = FakeClock()
    ends: dict[Any, float] = {}

    def play(runner: ManualRunner) -> None:
        for job in runner.running:
            if job not in ends:
                ends[job] = clock() + seconds[job.uid]  # type: ignore[attr-defined]
        first = min(runner.running, key=lambda job: ends[job])
        clock.advance(ends[first] - clock())
        runner.end(first)

    scheduler = Scheduler(Scheduler.simple_provider(Program), tokens=tokens, job_timeout=None)
    scheduler.clock, scheduler.runner = clock, ManualRunner(clock, play)
    scheduler.expected_duration = expected
    scheduler.run(dag)
    return clock()


def cost(size: int) -> float:
    """Return the microseconds of processor time for each vertex of a graph in layers."""
    chance = random.Random(3)
    dag = DAG()
    for number in range(size):
        before = {chance.randrange(max(0, number - size // 20), number) for _ in range(3)} if number else set()
        dag.add_vertex(number, predecessors=before)
    began = time.process_time()
    longest_paths(dag, lambda number: 1.0 + hash(number) % 7)
    return (time.process_time() - began) / size * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares the order by longest paths with that of insertion.")
    parser.add_argument("--tokens", type=int, nargs="+", default=[2, 4, 8, 16], help="how many run at once")
    parser.add_argument("--vertices", type=int, nargs="+", default=[10_000, 100_000], help="to find paths in")
    parser.add_argument("--seed", type=int, default=1, help="another one gives other graphs")
    options = parser.parse_args()
    print("| graph | tokens | insertion, s | longest path, s | ratio | at least, s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for make in (one_long_chain, project, pipeline):
        dag, seconds = make(random.Random(options.seed))
        path = max(longest_paths(dag, seconds.get).values())
        for tokens in options.tokens:
            inserted = makespan(dag, seconds, tokens, lambda _: 0.0)
            ordered = makespan(dag, seconds, tokens, seconds.__getitem__)
            least = max(path, sum(seconds.values()) / tokens)
            name = make.__name__.replace("_", " ")
            print(
                f"| {name} | {tokens} | {inserted:.0f} | {ordered:.0f} | {ordered / inserted:.2f} | {least:.0f} |"
            )
    print()
    for size in options.vertices:
        print(
            f"To find the longest paths of {size:,} vertices: {min(cost(size) for _ in range(3)):.2f} us for each"
        )


if __name__ == "__main__":
    main()
