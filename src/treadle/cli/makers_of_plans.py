"""Actions that make plans: which of these plans may be read, as far as a question needs to know it.

What such a plan holds is known when its maker is up to date. A question reads those plans whose makers are, and
says of the others that nothing is known of them; a run makes them first (see `rounds`).
"""

from __future__ import annotations

from treadle.command_walk import CommandWalk, Settings
from treadle.core import decision
from treadle.errors import TreadleError

from .makers import with_makers_of_found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treadle.plan import Plan

    from .options import Options

MAX_ROUNDS = 10
"""Plans that make plans that make plans: so deep at most."""


def with_known(plan: Plan, options: Options, load_with: Callable[[Sequence[str]], Plan]) -> Plan:
    """Return a plan with all that its makers of plans have made, as far as these are up to date.

    :param load_with: loads it with the plans that some makers have made
    """
    made: list[str] = []
    for _ in range(MAX_ROUNDS):
        fresh = _up_to_date(plan, options)
        if not fresh:
            return plan
        made += fresh
        plan = load_with(made)
    raise too_deep(plan)


def _up_to_date(plan: Plan, options: Options) -> list[str]:
    unread = plan.unread
    if not unread:
        return []
    forced = forced_among(plan, options, unread)
    walk = CommandWalk(plan.dag(with_makers_of_found(plan, unread)), plan.root, Settings(queues=plan.queues))
    walk.look()
    verdicts = walk.verdicts
    return [uid for uid in unread if verdicts[uid].outcome == decision.SKIP and uid not in forced]


def forced_among(plan: Plan, options: Options, uids: Sequence[str]) -> list[str]:
    """Return those of some actions that are to run in any case."""
    if options.force_all:
        return list(uids)
    named = {uid for name in options.force for uid in plan.names.named(name) or ()}
    return [uid for uid in uids if uid in named]


def too_deep(plan: Plan) -> TreadleError:
    """Return the error for plans that go on to make plans."""
    return TreadleError(
        f"plans that make plans are more than {MAX_ROUNDS} deep",
        facts=[", ".join(plan.unread)],
        hint="let one action make all of it",
    )
