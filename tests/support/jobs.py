"""Jobs, graphs and a provider of jobs for the tests of the engine."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from treadle import DAG, Job, ProcessJob, Scheduler
from treadle.testing import CallJob, ManualRunner

Notify = Callable[[Hashable], object]


def graph(*edges: tuple[Any, ...]) -> DAG:
    """Return a graph: of each tuple the first is a vertex, the others are its predecessors."""
    dag = DAG()
    for uid, *predecessors in edges:
        dag.update_vertex(uid, None, predecessors, enable_checks=False)
    return dag


def nothing() -> None:
    """Work for a job."""


class Fake(ProcessJob):
    """A program for a ManualRunner; its uid is what it is called."""

    @property
    def cmdline(self) -> list[str]:
        return [str(self.uid)]


class Book:
    """Provides jobs of one class and notes what becomes of them."""

    def __init__(
        self,
        job_class: Callable[[Any, Any, Notify], Job] = Fake,
        requeue: Callable[[Any], object] = lambda job: False,
    ) -> None:
        self.job_class = job_class
        self.requeue = requeue
        self.jobs: dict[Hashable, Any] = {}
        self.seen: dict[Hashable, frozenset[Hashable]] = {}
        self.collected: list[Hashable] = []

    def provide(self, uid: Hashable, data: Any, predecessors: frozenset[Hashable], notify_end: Notify) -> Job:
        self.seen[uid] = predecessors
        self.jobs[uid] = self.job_class(uid, data, notify_end)
        return self.jobs[uid]  # type: ignore[no-any-return]

    def collect(self, job: Job) -> bool:
        self.collected.append(job.uid)
        return bool(self.requeue(job))

    def scheduler(self, runner: ManualRunner | None = None, **arguments: Any) -> Scheduler:
        """Return a scheduler with a fake runner and its clock."""
        scheduler = Scheduler(self.provide, self.collect, **arguments)
        scheduler.runner = runner or ManualRunner()
        if isinstance(scheduler.runner, ManualRunner):
            scheduler.clock = scheduler.runner.clock
        return scheduler


def programs(runner: ManualRunner) -> list[str]:
    """Return the names of the programs in the order of their start."""
    return [start.argvs[0][0] for start in runner.starts]


class Shell(ProcessJob):
    """Runs its data as a script of the shell."""

    @property
    def cmdline(self) -> list[str]:
        return ["sh", "-c", self.data]


class Sleeper(Shell):
    """A program that runs until somebody ends it."""

    @property
    def cmdline(self) -> list[str]:
        return ["sleep", "300"]


def calling(function: Callable[[], object]) -> Callable[[Any, Any, Notify], CallJob]:
    """Return what makes jobs that call a function."""
    return lambda uid, data, notify_end: CallJob(uid, data, notify_end, function)
