"""Killed for memory is said only where it is known: what is killed by others is a failure like any other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from treadle import DAG, Attempt, Command, CommandWalk, Report
from treadle.core.codes import Codes, Expect
from treadle.engines.base import BaseRunner
from treadle.engines.local import LocalRunner, kills_for_memory

KILLS_ITSELF = "kill -KILL $$"
IN_A_SHELL = "sh -c 'kill -KILL $$'; exit $?"


class Counts:
    """The machine's count of processes that were killed for memory: it has these values in turn, and keeps the last."""

    def __init__(self, *values: int | None) -> None:
        self.values = list(values)
        self.reads = 0

    def __call__(self) -> int | None:
        self.reads += 1
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


@pytest.fixture
def runner() -> Iterator[Callable[[Counts], LocalRunner]]:
    made: list[LocalRunner] = []

    def make(counts: Counts) -> LocalRunner:
        made.append(LocalRunner(grace=0.01, kills=counts))
        return made[-1]

    yield make
    for one in made:
        one.close()


def attempt(script: str, name: str = "a") -> Attempt:
    return Attempt([["sh", "-c", script]], mark=f"memory-{os.getpid()}/{name}", environ=os.environ)


@pytest.mark.parametrize(
    ("script", "counts", "cause"),
    [
        (KILLS_ITSELF, (4, 5), "out_of_memory"),
        (IN_A_SHELL, (4, 5), "out_of_memory"),
        (KILLS_ITSELF, (4, 4), ""),
        (KILLS_ITSELF, (None,), ""),
        (KILLS_ITSELF, (None, 5), ""),
        (KILLS_ITSELF, (4, None), ""),
        ("kill -TERM $$", (4, 5), ""),
        ("exit 1", (4, 5), ""),
        ("exit 0", (4, 5), ""),
    ],
)
def test_kill_has_that_cause_if_the_count_of_the_machine_went_up(
    script: str, counts: tuple[int | None, ...], cause: str, runner: Callable[[Counts], LocalRunner]
) -> None:
    local = runner(Counts(*counts))
    local.start("a", attempt(script))
    (end,) = local.poll(20)
    assert end.cause == cause


def test_a_kill_of_our_own_has_not(runner: Callable[[Counts], LocalRunner]) -> None:
    local = runner(Counts(4, 5))
    local.start("a", attempt("trap '' TERM; sleep 600 & wait"))
    local.poll(0)
    local.kill("a")
    (end,) = local.poll(20)
    assert (end.code, end.cause) == (-9, "")


def test_one_kill_of_the_machine_explains_one_end(runner: Callable[[Counts], LocalRunner]) -> None:
    local = runner(Counts(4, 5))
    out, into = os.pipe()
    for name in "ab":
        start = Attempt(
            [["sh", "-c", f"read -r line; {KILLS_ITSELF}"]],
            mark=f"memory-{os.getpid()}/{name}",
            environ=os.environ,
            stdin=out,
        )
        local.start(name, start)
    local.poll(0)
    os.write(into, b"\n\n")
    os.close(into)
    ends = [*local.poll(20)]
    while len(ends) < 2:
        ends += local.poll(20)
    os.close(out)
    assert sorted(end.cause for end in ends) == ["", "out_of_memory"]


def test_the_count_is_read_once_for_many_programs_and_never_for_none(
    runner: Callable[[Counts], LocalRunner],
) -> None:
    counts = Counts(4)
    local = runner(counts)
    local.poll(0)
    assert counts.reads == 0
    for number in range(20):
        local.start(number, attempt("exit 0", str(number)))
    while local.active:
        local.poll(20)
    assert counts.reads == 1


def run(folder: Path, counts: Counts, command: Command) -> Report:
    dag = DAG()
    dag.add_vertex("a", command)

    class Walk(CommandWalk):
        def create_scheduler(self) -> object:  # type: ignore[override]
            scheduler = super().create_scheduler()
            scheduler.runner = LocalRunner(kills=counts)
            return scheduler

    return Walk(dag, str(folder)).run()


@pytest.mark.parametrize("more", [{}, {"expect": "failure"}, {"expect": Expect("failure", 137)}])
@pytest.mark.parametrize("script", [KILLS_ITSELF, IN_A_SHELL])
def test_the_outcome_says_so_whatever_was_expected(
    script: str, more: dict[str, Expect | str], tmp_path: Path
) -> None:
    action = run(tmp_path, Counts(4, 5), Command(["sh", "-c", script], **more)).actions["a"]  # type: ignore[arg-type]
    assert action.outcome.kind == "out_of_memory"
    assert (action.failure or "").endswith(": memory ran out")


def test_without_a_sign_of_it_it_is_killed(tmp_path: Path) -> None:
    action = run(tmp_path, Counts(4), Command(["sh", "-c", KILLS_ITSELF])).actions["a"]
    assert (action.outcome.kind, action.failure) == ("failed", "killed by SIGKILL")


def test_a_code_that_means_success_stays_one(tmp_path: Path) -> None:
    action = run(tmp_path, Counts(4, 5), Command(["sh", "-c", "exit 137"], codes=Codes(success=137))).actions["a"]
    assert action.outcome.kind == "success"


def test_an_engine_may_know_it(tmp_path: Path) -> None:
    class Cluster(BaseRunner):
        def submit(self, key: object, attempt: Attempt) -> None:
            self.report(key, -9, cause="out_of_memory")

    class Walk(CommandWalk):
        def engine_of(self, uid: str, command: Command) -> str:
            return "cluster"

    dag = DAG()
    dag.add_vertex("a", Command(["x"]))
    walk = Walk(dag, str(tmp_path))
    walk.engines = {"cluster": Cluster()}
    assert walk.run().actions["a"].outcome.kind == "out_of_memory"


@pytest.mark.skipif(not Path("/proc/vmstat").exists(), reason="only Linux counts kills for memory")
def test_the_count_of_this_machine_is_a_number() -> None:
    said = [line for line in Path("/proc/vmstat").read_text().splitlines() if line.startswith("oom_kill ")]
    assert kills_for_memory() == (int(said[0].split()[1]) if said else None)
