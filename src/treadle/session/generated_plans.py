"""Generated plans: plans that actions produce, as far as they are known.

What a generated plan holds is known when its producer is up to date. A look reads those plans whose producers are,
and says of the others that nothing is known of them. A run walks the producers first, see `rounds`.

What a producer reads may itself be declared by a plan that another one generates: its globs take more when that is
read, and what makes its inputs is known then. So a verdict holds only while what it was made with stays (`Judged`).
"""

from __future__ import annotations

from treadle.command.discovered import producers_on_record
from treadle.command.walk import CommandWalk, Settings
from treadle.core import decision
from treadle.core.graph.algorithms import reached
from treadle.core.output_index import OutputIndex
from treadle.errors import PlanError, TreadleError
from treadle.fastpath.snapshot_file import texts_of
from treadle.state.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from treadle.core.decision import Verdict
    from treadle.frontends.base import Project

    from .options import Options

MAX_DEPTH = 10
"""Generated plans may generate plans so deep at most."""


def with_discovered_producers(plan: Project, uids: list[str]) -> list[str]:
    """Return actions and those that make what they were found to read last time, though no plan says so."""
    if not any(action.command.discovery is not None for action in plan.actions.values()):
        return uids
    store = Store(plan.root)
    store.load()
    makers = list(producers_on_record(store, {uid: action.command for uid, action in plan.actions.items()}))
    while True:
        inside = plan.dag(uids).vertex_data
        more = dict.fromkeys(maker for uid, maker in makers if uid in inside and maker not in inside)
        if not more:
            return uids
        uids = [*uids, *more]


def with_all_before(plan: Project, uids: Sequence[str]) -> list[str]:
    """Return some actions and all that they need."""
    return [str(uid) for uid in plan.dag(with_discovered_producers(plan, list(uids))).vertex_data]


class Judged:
    """What actions said of themselves when they were judged, in a plan of which a part was not known yet."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, ...]] = {}

    def keep(self, plan: Project, uids: Iterable[str]) -> None:
        """Take in that these actions have been judged."""
        self._said.update({uid: _said(plan, uid) for uid in uids})

    def take_moved(self, plan: Project) -> set[str]:
        """Forget those that are others now that more of the plan is known, and what comes after; return them."""
        moved = {uid for uid, said in self._said.items() if uid not in plan.actions or _said(plan, uid) != said}
        if moved:
            moved |= with_all_after(plan, moved) & self._said.keys()
        for uid in moved:
            del self._said[uid]
        return moved


def with_all_after(plan: Project, uids: Iterable[str]) -> set[str]:
    """Return some actions and all that need them."""
    after: dict[str, list[str]] = {}
    for uid, action in plan.actions.items():
        for before in action.predecessors:
            after.setdefault(before, []).append(uid)
    return set(reached(uids, lambda uid: after.get(uid, ())))


def _said(plan: Project, uid: str) -> tuple[str, ...]:
    action = plan.actions[uid]
    return (*sorted(action.predecessors), "", *texts_of(action.command))


def with_known(
    plan: Project, options: Options, load_with: Callable[[Sequence[str]], Project], *, is_run: bool = False
) -> Project:
    """Return a plan with all that its makers of plans have made, as far as these are up to date.

    :param load_with: loads it with the plans that some makers have made
    :param is_run: whether makers that run each time are about to; else what they have made last is asked about
    """
    known = plan
    judged = Judged()
    made: list[str] = []
    while True:
        refuse_too_deep(known)
        fresh = _up_to_date(known, options, judged, is_run=is_run)
        if not fresh:
            return known
        made += fresh
        try:
            known = load_with(made)
            moved = judged.take_moved(known)
            if moved:
                made = [uid for uid in made if uid not in moved]
                known = load_with(made)
        except PlanError:
            if is_run:
                # one that seems up to date may read what another is about to make: each is asked in its turn
                return plan
            raise


def _up_to_date(plan: Project, options: Options, judged: Judged, *, is_run: bool) -> list[str]:
    """Return those makers, of unread plans, that may be read now."""
    unread = plan.unread
    if not unread:
        return []
    dag = plan.dag(with_discovered_producers(plan, unread))
    uids = [str(uid) for uid in dag.vertex_data]
    walk = CommandWalk(dag, plan.root, Settings(queues=plan.queues, force=forced_among(plan, options, uids)))
    walk.look()
    judged.keep(plan, uids)
    calm = _calm({str(uid): verdict for uid, verdict in walk.verdicts.items()}, is_run=is_run)
    return [uid for uid in unread if uid in calm]


_AS_LAST_TIME = (decision.ALWAYS, decision.NOT_ASKED)
"""Reasons for which a inputs goes by what the last run has made: nothing says that it is another plan now."""


def _calm(verdicts: Mapping[str, Verdict], *, is_run: bool) -> set[str]:
    """Return the actions that nothing has changed for since they ran: skipped, or run because they always are.

    :param verdicts: in an order in which each comes after those that it depends on
    """
    calm: set[str] = set()
    for uid, verdict in verdicts.items():
        reasons = () if is_run and verdict.outcome != decision.SKIP else verdict.reasons
        is_calm = verdict.outcome == decision.SKIP or bool(reasons)
        for why in reasons:
            is_calm &= why.kind in _AS_LAST_TIME or (why.kind == decision.DEPENDS_ON and why.name in calm)
        if is_calm:
            calm.add(uid)
    return calm


def forced_among(plan: Project, options: Options, uids: Sequence[str]) -> list[str]:
    """Return those of some actions that are to run in any case."""
    if options.force_all:
        return list(uids)
    named = {uid for name in options.force for uid in plan.names.named(name) or ()}
    return [uid for uid in uids if uid in named]


def refuse_too_deep(plan: Project) -> None:
    """Refuse plans that go on to make plans.

    :raises TreadleError: they do
    """
    for uid in plan.unread:
        above = [uid[:at] for at, char in enumerate(uid) if char == ":"]
        if sum(one in plan.makers for one in above) >= MAX_DEPTH:
            raise TreadleError(
                f"plans that make plans are more than {MAX_DEPTH} deep",
                facts=[uid],
                hint="let one action make all of it",
            )


def left_by(plan: Project, store: Store, generators: Collection[str]) -> OutputIndex:
    """Return what no action makes now and actions of an unknown plan did, with the action that generates the plan.

    :param generators: the actions whose plans count
    """
    found = OutputIndex()
    for entry in store.entries.values():
        owner = entry.owner
        generator = next((uid for uid in plan.unread if owner.uid.startswith(f"{uid}:")), None)
        for path in owner.outputs if generator in generators else ():
            if path not in plan.names.outputs:
                found.add(path, generator)
    return found
