"""Programs: runs programs for coroutines, in one thread for all, by the engine that walks use.

So the rules for a tree of processes (TERM, grace, KILL, no process left) have one home. It knows no jobs.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from time import sleep

from treadle.engines.base import Attempt, AttemptEnd
from treadle.engines.local import LocalRunner
from treadle.errors import PATIENCE, is_shortage, pause_after


class Programs:
    """A runner with a thread of its own, which is there while something runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runner: LocalRunner | None = None
        self._calls: deque[Callable[[LocalRunner], object]] = deque()
        self._ends: dict[object, Callable[[AttemptEnd], object]] = {}

    async def run(self, start: Attempt, timeout: float | None, grace: float) -> tuple[AttemptEnd, bool]:
        """Run a program to its end; where this is cancelled, end its tree and wait for that.

        :param timeout: seconds until its tree is ended, None for no limit
        :param grace: seconds between TERM and KILL
        :return: how it ended, and whether its time was up
        """
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        ends: list[AttemptEnd] = []
        key = object()

        def end(how: AttemptEnd) -> None:
            ends.append(how)
            loop.call_soon_threadsafe(ended.set)

        def begin(runner: LocalRunner) -> None:
            self._ends[key] = end
            try:
                self._begin(runner, key, start)
            except BaseException as error:
                # nothing may wait for ever for what has not started
                self._ends.pop(key)(AttemptEnd(key, None, f"{type(error).__name__}: {error}"))

        def stop(runner: LocalRunner) -> None:
            runner.grace = grace
            runner.stop(key)

        late: list[None] = []

        def time_is_up() -> None:
            late.append(None)
            self._call(stop)

        self._call(begin)
        timer = None if timeout is None else loop.call_later(timeout, time_is_up)
        cancelled: asyncio.CancelledError | None = None
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError as error:
                cancelled = error
                self._call(stop)
        if timer is not None:
            timer.cancel()
        if cancelled is not None:
            raise cancelled
        return ends[0], bool(late)

    def _begin(self, runner: LocalRunner, key: object, start: Attempt) -> None:
        for tries in range(PATIENCE):
            try:
                runner.start(key, start)
                return
            except OSError as error:
                if not is_shortage(error) or tries == PATIENCE - 1:
                    raise
            # the runner itself has no descriptors: nothing of it runs
            sleep(pause_after(tries))

    def _call(self, function: Callable[[LocalRunner], object]) -> None:
        """Have the runner's thread call a function."""
        with self._lock:
            self._calls.append(function)
            if self._runner is not None:
                self._runner.wake()
                return
            self._runner = LocalRunner()
            threading.Thread(target=self._body, args=(self._runner,), daemon=True, name="treadle-programs").start()

    def _body(self, runner: LocalRunner) -> None:
        while True:
            while self._calls:
                self._calls.popleft()(runner)
            with self._lock:
                if not self._calls and not runner.active:
                    self._runner = None
                    runner.close()
                    return
            for how in runner.poll(None):
                self._ends.pop(how.key)(how)


PROGRAMS = Programs()
"""One for the whole process: whichever loop awaits, one thread is enough."""
