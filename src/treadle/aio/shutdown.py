"""The shutdown of jobs: each gets its `co_shutdown`, and together they have some time for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from treadle.scheduling.hooks import add_note_of_job, awaitable

from .job import AbstractJob, Job, known_as, name_of
from .run import end_all

_log = logging.getLogger("treadle.aio")


async def shut_down(jobs: Iterable[AbstractJob], timeout: float | None) -> bool:
    """Await the shutdown of all jobs together; return whether all have ended.

    A shutdown that takes too long is cancelled. An exception that it raises is logged, and counts as its end.

    :param timeout: seconds, None for no limit
    """
    # most are plain jobs without one, and there may be many
    jobs = [job for job in jobs if type(job) is not Job or job.coshutdown is not None]
    wanted = [job for job in jobs if job._aio_has_shutdown()]
    if not wanted:
        return True
    tasks = {asyncio.ensure_future(_shutdown(job)): job for job in wanted}
    pending = set(tasks)
    try:
        _, pending = await asyncio.wait(tasks, timeout=timeout)
    finally:
        await end_all(pending)
        for task, job in tasks.items():
            error = None if task.cancelled() else task.exception()
            if error is not None:
                _log.error("the shutdown of the job %r has raised", name_of(job), exc_info=error)
    return not pending


async def _shutdown(job: AbstractJob) -> None:
    # in a task of its own, so that one which is no coroutine function keeps no other from its shutdown
    try:
        await awaitable(job.co_shutdown)
    except Exception as error:
        add_note_of_job(error, job.co_shutdown, known_as(job))
        raise
