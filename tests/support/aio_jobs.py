"""Coroutines and jobs for the tests of treadle.aio: they end when the test says so, and write down what happens."""

from __future__ import annotations

import asyncio
from types import coroutine
from typing import TYPE_CHECKING, Any

from treadle import Node, Pool
from treadle.aio import AbstractJob, Job

if TYPE_CHECKING:
    import random
    from collections.abc import Generator, Iterable


@coroutine
def turn() -> Generator[None, None, None]:
    """Let all others that are ready have a turn."""
    yield


async def value(of: Any = None) -> Any:
    """Return what was given, after letting others have a turn."""
    await turn()
    return of


async def raising(error: BaseException) -> None:
    """Raise, after letting others have a turn."""
    await turn()
    raise error


async def endless() -> None:
    """Wait until somebody cancels it."""
    await asyncio.Event().wait()


class Log(list[str]):
    """What has happened, in order; its coroutines write into it."""

    async def value(self, name: str, wait: asyncio.Event | None = None) -> str:
        """Write that it starts and ends; in between, wait for an event or give others a turn."""
        self.append(f"{name} starts")
        try:
            await (turn() if wait is None else wait.wait())
        except asyncio.CancelledError:
            self.append(f"{name} is cancelled")
            raise
        self.append(f"{name} ends")
        return name

    async def endless(self, name: str) -> str:
        """Write that it starts, and wait until somebody cancels it."""
        return await self.value(name, asyncio.Event())

    async def shutdown(self, name: str) -> None:
        """Write that it was shut down."""
        self.append(f"{name} is shut down")

    def job(self, name: str, **kwds: Any) -> Job:
        """Return a job that writes its start and its end."""
        return Job(self.value(name), label=name, **kwds)

    def starts(self) -> list[str]:
        """Return the names of what has started."""
        return [line.split()[0] for line in self if line.endswith(" starts")]


class Logging(AbstractJob):
    """A job that can run any number of times, and that writes down its shutdown."""

    def __init__(self, log: Log, name: str, *, hangs: bool = False, **kwds: Any) -> None:
        self.log = log
        self.name = name
        self.hangs = hangs
        super().__init__(label=name, **kwds)

    async def co_run(self) -> str:
        return await self.log.value(self.name)

    async def co_shutdown(self) -> None:
        await self.log.shutdown(self.name)
        if self.hangs:
            await endless()


class Letters:
    """The jobs of a graph that is written as text: `a b:a c:a d:b,c`; a `*` behind a name means for ever."""

    def __init__(self, text: str) -> None:
        self.by_name: dict[str, Job] = {}
        for word in text.split():
            name, _, before = word.partition(":")
            job = Job(value(name), label=name.rstrip("*"), forever=name.endswith("*"))
            job.requires([self.by_name[one] for one in before.split(",") if one])
            self.by_name[name.rstrip("*")] = job

    def __getitem__(self, name: str) -> Job:
        return self.by_name[name]

    def __iter__(self) -> Any:
        return iter(self.by_name.values())

    def of(self, names: str) -> list[Job]:
        """Return the jobs with these names of one letter."""
        return [self.by_name[name] for name in names]

    def edges(self) -> dict[str, str]:
        """Return what each job requires."""
        return {name: names(job.required) for name, job in self.by_name.items()}

    def close(self) -> None:
        """Close the coroutines: a test that runs nothing awaits none."""
        for job in self:
            job.close()


def names(jobs: Iterable[AbstractJob]) -> str:
    """Return the labels of jobs, sorted, in one word."""
    return "".join(sorted(job.label or "?" for job in jobs))


NODES = Pool(nodes=[Node("a", {"cpus": 4}), Node("b", {"cpus": 4, "gpus": ["0"]})])
POOLS = [
    Pool({"gpus": ["0", "1", "2"], "memory": 10}, slots={"gpus": 2}),
    Pool({"gpus": ["0"], "memory": 4}),
    NODES,
]


def some_asks(chance: random.Random, pool: Pool, often: float) -> dict[str, Any]:
    """Return what a job asks for of a pool, as options of a job.

    :param often: the probability of each type
    """
    asks: dict[str, Any] = {}
    kinds = sorted({kind for node in pool.nodes for kind in node.resources})
    resources = {kind: chance.randint(0, pool.most(kind) or 0) for kind in kinds if chance.random() < often}
    if resources:
        asks["resources"] = resources
    if chance.random() < often / 3:
        asks["mutex"] = [chance.choice("mn")]
    return asks
