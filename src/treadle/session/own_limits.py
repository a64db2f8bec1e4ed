"""own_limits: the time limits and repetitions that a call gives to actions, in place of those of the plan.

They are kept apart from the Commands, so neither a snapshot nor a record can hold them.
"""

from __future__ import annotations

from copy import copy
from math import inf
from typing import TYPE_CHECKING

from treadle.command.command import Retries

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from treadle.command.command import Limits
    from treadle.core.graph.dag import DAG

    from .options import Options


def own_limits(
    options: Options,
    graphs: Sequence[DAG | None],
    named: Callable[[list[str]], Collection[str]] | None = None,
    selected: Collection[str] = (),
) -> dict[str, Limits]:
    """Return uid -> limits, of those actions of which they are not what the plan says.

    A time limit is that of the first name that fits, else that of what is selected, else that of the plan.

    :param graphs: all that is walked
    :param named: returns the uids that names mean
    :param selected: the uids that the call selects
    """
    limit_of: dict[str, float] = {}
    for name, seconds in options.timeouts.items():
        for uid in named([name]) if named is not None else ():
            limit_of.setdefault(uid, seconds)
    if options.timeout is not None:
        limit_of = {**dict.fromkeys(selected, options.timeout), **limit_of}
    again = set(selected) if options.repeats else ()
    found: dict[str, Limits] = {}
    for uid, command in (
        (str(uid), one) for dag in graphs if dag is not None for uid, one in dag.vertex_data.items()
    ):
        limits = command.limits
        timeout = limit_of.get(uid, inf if limits.timeout is None else limits.timeout) * options.timeout_times
        retries = _repeating(options, limits.retries) if uid in again else limits.retries
        own = None if timeout == inf else timeout
        if own != limits.timeout or retries is not limits.retries:
            made = found[uid] = copy(limits)
            made.timeout, made.retries = own, retries
    return found


def _repeating(options: Options, known: Retries) -> Retries:
    """Return what is repeated, and how often; the pauses stay as the plan has them."""
    pauses, grow = (known.backoff, known.jitter), known.grow
    # what is lost has a bound of its own, which no option changes
    lost = ("lost",) if not {"any", "lost"}.isdisjoint(known.on) else ()
    if options.repeat_until_fail:
        return Retries(0, lost, *pauses, passes=options.repeat_until_fail)
    if options.repeat_after_timeout:
        return Retries(options.repeat_after_timeout, ("timeout", *lost), *pauses, grow=grow)
    return Retries(options.repeat_until_pass, ("any",), *pauses, grow=grow)
