"""What follows an attempt of a job that did not end well, with what the job then asks for. It knows no walks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from treadle.core.outcomes import outcome
from treadle.core.retry import TIMEOUT, Tries, amount_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from treadle.core.outcomes import Outcome
    from treadle.core.pool import Pool
    from treadle.core.retry import Next, Policy

    from .job import Job


def next_attempt(
    job: Job,
    retries: Policy,
    ended: Outcome,
    *,
    seed: str = "",
    code: int | None = None,
    codes: Collection[int] = (),
    pool: Callable[[], Pool | None] = lambda: None,
) -> Next:
    """Return what follows an attempt of a job; what has grown the job asks for from now on.

    :param ended: how it ended
    :param seed: what the jitter of its pauses depends on
    :param code: the exit code, negative for a signal; None if no program of it ended by itself
    :param codes: exit codes that ask for another attempt
    :param pool: returns what there is
    """
    tries = job._treadle_tries
    if tries is None:
        amounts = {} if job.demand is None else dict[str, float](job.demand.resources)
        if job._limit is not None:
            amounts[TIMEOUT] = job._limit
        tries = job._treadle_tries = Tries(retries, amounts, seed)

    def cap(kind: str, amounts: Mapping[str, float]) -> float | None:
        there = pool()
        return None if there is None else there.most_beside(kind, amounts)

    found = tries.after(job.attempt, ended, code=code, codes=codes, host=getattr(job, "host", ""), cap=cap)
    job.retry_delay = found.delay
    for kind, amount in found.grown.items():
        if kind == TIMEOUT:
            job.timeout = amount
        elif job.demand is not None:
            job.demand = replace(job.demand, resources={**job.demand.resources, kind: int(amount)})
    return found


def with_remark(ended: Outcome, found: Next) -> Outcome:
    """Return an outcome with what is known of all attempts of the job in its reason."""
    if not found.remark:
        return ended
    return outcome(ended.kind, f"{ended.reason}; {found.remark}" if ended.reason else found.remark)


def capped(found: Next) -> str:
    """Return in words what was not given as much as it would have grown to; "" if that is nothing."""
    return "; ".join(
        f"{kind} grows to {amount_text(kind, found.grown.get(kind, 0.0))}, and not to {amount_text(kind, wanted)}"
        if kind in found.grown
        else f"{kind} cannot grow to {amount_text(kind, wanted)}"
        for kind, wanted in found.capped.items()
    )
