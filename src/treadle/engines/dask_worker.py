"""What Dask workers and the Dask scheduler run for the engine `dask`: they load it by its name.

A task is the path of a spec: it is handed to the agent of the worker, and is over when the attempt is. So Dask
knows for how long its worker is busy. It can neither run an attempt twice nor end it: the file of the owner and the
agent see to that. A message of its own says that an attempt has started.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from .agent import Agent
from .base import GRACE
from .process import seal_descriptors
from .shared_folder import DelayedFolder, SharedFolder
from .spec import ENDED, GONE, STARTED, Hint
from .worker import ENDED as WAS_ENDED
from .worker import LONGEST_NAP

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Sequence

    from distributed import Scheduler, Worker

TELL_START_AFTER = 0.2
"""Seconds after which the start of an attempt is reported: of what is over by then only the end is."""
PLUGIN = "treadle"
"""The name of what a worker calls when it is closed."""


class Keeper:
    """Keeps an agent in a thread of its own, as the loop of a Dask worker must not wait.

    :param delay: seconds after which the agent sees files of the run
    """

    def __init__(self, delay: float) -> None:
        self.agent = Agent(view=DelayedFolder(delay) if delay else SharedFolder(), tell=self._tell)
        self.failure = ""
        """Why it keeps nothing any more."""
        self._said: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._tellers: dict[str, Callable[[Hint], None]] = {}
        """Token -> what is called with its hints."""
        self._lock = threading.Lock()
        # what Dask and its nanny have open must not reach a program, which could write to it or hold it open
        seal_descriptors()
        threading.Thread(target=self._keep, name="treadle agent", daemon=True).start()

    def take(self, path: str, token: str, patience: float, tell: Callable[[Hint], None]) -> None:
        """Take in the file of a spec.

        :param tell: called with each hint about it, in the thread of the agent
        """
        with self._lock:
            failure = self.failure
            self._tellers[token] = tell
        if failure:
            self._tell(Hint(token, GONE, failure))
        else:
            self._say(lambda: self.agent.take(path, patience))

    def stop(self, token: str, *, kill: bool) -> None:
        """Have an attempt end."""
        if token in self._tellers:
            self._say(lambda: self.agent.stop(token, kill=kill))

    def end_all(self) -> None:
        """Have all that runs end, with its grace."""
        self._say(lambda: self.agent.end_all(WAS_ENDED))

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs."""
        return not self._tellers

    def _say(self, what: Callable[[], None]) -> None:
        self._said.put(what)
        self.agent.wake()

    def _tell(self, hint: Hint) -> None:
        tell = self._tellers.get(hint.token) if hint.what == STARTED else self._tellers.pop(hint.token, None)
        if tell is not None:
            tell(hint)

    def _keep(self) -> None:
        try:
            while True:
                # what has nothing to do costs nothing
                is_idle = self.agent.is_idle and not self.agent.has_left
                with contextlib.suppress(Empty):
                    self._said.get(block=is_idle)()
                    while True:
                        self._said.get(block=False)()
                self.agent.work(LONGEST_NAP)
        except Exception as error:
            # what it runs cannot be seen to any more: its guard ends all of it
            with self._lock:
                self.failure = f"its worker has failed: {type(error).__name__}: {error}"
                left = list(self._tellers)
            self.agent.close()
            for token in left:
                self._tell(Hint(token, GONE, self.failure))


_keepers: dict[float, Keeper] = {}
"""Delay -> the keeper of this process."""
_alone: dict[str, Process] = {}
"""Token -> the worker that it has for itself."""


def _keeper(delay: float) -> Keeper:
    found = _keepers.get(delay)
    if found is None or found.failure:
        found = _keepers[delay] = Keeper(delay)
    return found


class _AtTheEnd(WorkerPlugin):
    """Has all end when the worker is closed."""

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - as Dask calls it
        """Wait until it has: TERM, grace, KILL."""
        keepers = list(_keepers.values())
        for keeper in keepers:
            keeper.end_all()
        end = time.monotonic() + GRACE + 1
        while not all(keeper.is_idle for keeper in keepers) and time.monotonic() < end:
            await asyncio.sleep(0.02)


async def run_spec(path: str, token: str, topic: str, patience: float, delay: float, alone: bool) -> None:
    """Run an attempt, and return when it has ended.

    :param path: the file of its spec
    :param topic: where hints are published
    :param alone: whether it is to have a worker process of its own
    """
    worker, loop, is_over = get_worker(), asyncio.get_running_loop(), asyncio.Event()
    start: asyncio.TimerHandle | None = None

    def say(hint: Hint) -> None:
        worker.log_event(topic, [worker.address, *hint])

    def hear(hint: Hint) -> None:
        nonlocal start
        if hint.what == STARTED:
            start = loop.call_later(TELL_START_AFTER, say, hint)
            return
        if start is not None:
            start.cancel()
        if hint.what != ENDED:
            say(hint)
        # the end of the task says the rest
        is_over.set()

    if alone:
        await _run_alone(path, token, patience, delay, hear)
        return
    if PLUGIN not in worker.plugins:
        await worker.plugin_add(_AtTheEnd(), name=PLUGIN)

    def tell(hint: Hint) -> None:
        loop.call_soon_threadsafe(hear, hint)

    _keeper(delay).take(path, token, patience, tell)
    await is_over.wait()


async def _run_alone(path: str, token: str, patience: float, delay: float, hear: Callable[[Hint], None]) -> None:
    """Run an attempt by a worker process that it may take with it; nothing else is lost then."""
    arguments = [
        "-P",
        "-m",
        "treadle.engines.worker",
        "--serve",
        "--patience",
        str(patience),
        "--delay",
        str(delay),
    ]
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    _alone[token] = child
    try:
        child.stdin.write(_line(run=path) + _line(end=True))
        async for line in child.stdout:
            hear(Hint(**json.loads(line)))
        code = await child.wait()
        if code:
            hear(Hint(token, GONE, f"its worker has ended with exit code {code}"))
    finally:
        del _alone[token]


def _line(**said: object) -> bytes:
    return (json.dumps(said) + "\n").encode()


def stop_specs(tokens: Sequence[str], kill: bool) -> None:
    """Have attempts of this worker end."""
    for token in tokens:
        for keeper in list(_keepers.values()):
            keeper.stop(token, kill=kill)
        if token in _alone and (stdin := _alone[token].stdin) is not None:
            get_worker().loop.add_callback(stdin.write, _line(stop=token, kill=kill))


def workers_of(dask_scheduler: Scheduler) -> dict[str, dict[str, Any]]:
    """Return address -> what a Dask scheduler knows of each of its workers."""
    now = time.time()
    return {
        address: {
            "name": str(one.name),
            "host": one.host,
            "threads": one.nthreads,
            "memory": one.memory_limit or 0,
            "resources": {str(kind): amount for kind, amount in one.resources.items()},
            "silence": max(0.0, now - one.last_seen),
        }
        for address, one in dask_scheduler.workers.items()
    }
