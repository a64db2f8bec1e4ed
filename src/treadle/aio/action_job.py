"""ActionJob: a job or a scheduler of this package as the job of an action of a walk."""

from __future__ import annotations

from typing import Any

from treadle.core.callbacks import NotifyEnd
from treadle.errors import ProgramError
from treadle.scheduling.coroutine_job import CoroutineJob

from .graph import described
from .job import AbstractJob
from .scheduler import PureScheduler


class ActionJob(CoroutineJob):
    """Runs a job or a scheduler for an action; `Walk.create_job` may return it.

    The action fails with what the job raises, or where the scheduler's run returns False. What the job asks for is
    the demand of the action, and its retries are those of the action; what is in a scheduler shares the pool of
    that, not that of the walk.

    :param job: the job; a scheduler of plain jobs serves for one attempt
    """

    def __init__(self, uid: Any, data: Any, notify_end: NotifyEnd, job: AbstractJob | PureScheduler) -> None:
        super().__init__(uid, data, notify_end)
        self.job = job
        if isinstance(job, AbstractJob):
            self.retries = job._aio_retries
        if isinstance(job, AbstractJob) and job._aio_asks is not None:
            from .demands import demand_of

            self.demand = demand_of(job)

    async def co_run(self) -> Any:
        """Await the job."""
        job = self.job
        if isinstance(job, PureScheduler):
            try:
                is_well = await job.co_run()
            except TimeoutError:
                if not job._aio_has_timed_out:
                    raise
                is_well = False
            if not is_well:
                self.fail(f"{described(job)}: {job.why()}", "timeout" if job._aio_has_timed_out else "failed")
            return None
        if self.demand is not None:
            job.resources = self.resources
        try:
            return await job._aio_awaited()
        except ProgramError as error:
            # the words of a program are enough: its exit code says what kind of end it is
            self.fail(error.what, error.kind)
            return None
