"""What follows a failed attempt of a job, by the rule of plans and walks.

Loaded by runs in which a job with retries fails. It starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from treadle.core.retry import TIMEOUT, Next, Tries
from treadle.errors import InternalError, ProgramError
from treadle.scheduling.job import RUN_ID

from .job import AbstractJob, name_of, outcome_of_error
from .process_job import ProcessJob

if TYPE_CHECKING:
    from .sharing import Share


def next_attempt(job: AbstractJob, error: Exception, share: Share | None) -> Next:
    """Return what follows an attempt of a job with retries that has raised; it asks for what has grown from now on.

    :param share: the part of the pool of its run; None where no job asks for anything
    """
    retries, ended = job._aio_retries, outcome_of_error(error)
    if retries is None:
        raise InternalError("a job without retries is not tried again")
    tries = job._aio_tries
    if tries is None:
        amounts: dict[str, float] = {} if share is None else dict(share.demand_of(job).resources)
        if isinstance(job, ProcessJob) and job.command.limits.timeout is not None:
            amounts[TIMEOUT] = job.command.limits.timeout
        tries = job._aio_tries = Tries(retries, amounts, f"{RUN_ID} {name_of(job)}")

    def cap(kind: str, amounts: Mapping[str, float]) -> float | None:
        return None if share is None else share.most_beside(kind, amounts)

    codes = job.command.codes if isinstance(job, ProcessJob) else None
    found = tries.after(
        job._aio_attempt,
        ended,
        code=error.code if isinstance(error, ProgramError) else None,
        codes=() if codes is None else codes.retry,
        cap=cap,
    )
    if share is not None and found.grown.keys() - {TIMEOUT}:
        share.grow(job, {kind: int(amount) for kind, amount in tries.amounts.items() if kind != TIMEOUT})
    job._aio_remark = found.remark
    return found
