"""CoroutineJob: a job that is a coroutine. Thousands of them wait in one event loop, and take no threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.status import ReturnValue

from .hooks import awaitable
from .job import Job

if TYPE_CHECKING:
    from typing import Any

    from treadle.core.callbacks import NotifyEnd


class CoroutineJob(Job):
    """A job that awaits: subclasses override `co_run`.

    All such jobs of a Scheduler share one event loop in a thread of its own, so that one that computes, or calls
    what blocks, holds up all others. Time limits and interruptions cancel the coroutine.
    """

    def __init__(self, uid: Any, data: Any, notify_end: NotifyEnd) -> None:
        super().__init__(uid, data, notify_end)
        self.result: Any = None
        """What `co_run` has returned."""

    async def co_run(self) -> Any:
        """Do the work. A ReturnValue that it returns is the status of the job.

        What it raises is an error; a `JobEnd` such as `Skipped` says how it has ended.
        """
        raise NotImplementedError(f"{type(self).__name__} has no co_run()")

    @property
    def status(self) -> ReturnValue:
        """What `co_run` has returned, success if that was no ReturnValue."""
        if self.failure is None and self._said is None and isinstance(self.result, ReturnValue):
            return self.result
        return super().status

    def prepare(self, slot: int) -> None:
        """Forget the result of the attempt before."""
        super().prepare(slot)
        self.result = None

    def start(self, slot: int, host: Any = None) -> None:
        """Give the coroutine to the host's event loop; without a host, or with `run` overridden, take a thread."""
        if host is None or type(self).run is not CoroutineJob.run:
            super().start(slot, host)
            return
        self._host = host
        host.run_coroutine(self)

    def run(self) -> None:
        """Run it in an event loop of its own."""
        import asyncio

        self.result = asyncio.run(awaitable(self.co_run, self.uid))

    async def co_run_guarded(self) -> None:
        """Await `co_run` unless the job was interrupted before."""
        from asyncio import CancelledError

        if self.interrupted:
            self.fail("interrupted before it started")
            return
        try:
            self.result = await awaitable(self.co_run, self.uid)
        except CancelledError:
            self._cancelled()
        except BaseException as error:
            self.ended_by(error)

    def _cancelled(self) -> None:
        # an interruption speaks for itself
        if not self.interrupted:
            self.fail("it was cancelled")

    def interrupt(self) -> bool:
        """Cancel the coroutine; return True the first time."""
        first = super().interrupt()
        host: Any = self._host
        if host is not None and type(self).run is CoroutineJob.run:
            host.interrupt_coroutine(self)
        return first
