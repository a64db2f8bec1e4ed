"""What follows an attempt of a job that did not end well, with what the job then asks for. It knows no walks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from treadle.core.outcomes import outcome
from treadle.core.retry import TIMEOUT, Tries, amount_text, words_of
from treadle.errors import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

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
    tries, host = _tries_of(job, retries, seed), getattr(job, "host", "")
    found = tries.after(job.attempt, ended, code=code, codes=codes, host=host, cap=_cap_of(job, pool))
    job.retry_delay = found.delay
    _give(job, found.grown)
    return found


def begin_after(
    job: Job,
    retries: Policy,
    ends: Sequence[tuple[str, int | None]],
    *,
    seed: str = "",
    codes: Collection[int] = (),
    pool: Callable[[], Pool | None] = lambda: None,
) -> str:
    """Let a job that has not started begin with what it would get after attempts in another run.

    :param ends: kinds of outcomes and exit codes of these
    :return: what it gets more of, in words; "" for nothing
    """
    known = [(outcome(kind), code) for kind, code in ends]
    grown = _tries_of(job, retries, seed).begin_after(known, codes=codes, cap=_cap_of(job, pool))
    _give(job, grown)
    return listed([words_of(kind, amount) for kind, amount in grown.items()])


def _tries_of(job: Job, retries: Policy, seed: str) -> Tries:
    if job._treadle_tries is None:
        amounts = {} if job.demand is None else dict[str, float](job.demand.resources)
        limit = job._limit if job.attempt else job.timeout
        if limit is not None and limit > 0:
            amounts[TIMEOUT] = limit
        job._treadle_tries = Tries(retries, amounts, seed)
    return job._treadle_tries


def _cap_of(job: Job, pool: Callable[[], Pool | None]) -> Callable[[str, Mapping[str, float]], float | None]:
    def cap(kind: str, amounts: Mapping[str, float]) -> float | None:
        there = pool()
        if there is not None and job.demand is not None and job.demand.site:
            there = there.at(job.demand.site)
        return None if there is None else there.most_beside(kind, amounts)

    return cap


def _give(job: Job, grown: Mapping[str, float]) -> None:
    for kind, amount in grown.items():
        if kind == TIMEOUT:
            job.timeout = amount
        elif job.demand is not None:
            job.demand = replace(job.demand, resources={**job.demand.resources, kind: int(amount)})


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
