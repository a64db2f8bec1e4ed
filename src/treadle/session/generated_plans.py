"""Generated plans: plans that actions produce, as far as they are known.

What a generated plan holds is known when its producer is up to date. A look reads those plans whose producers are,
and says of the others that nothing is known of them. A run walks the producers first, see `rounds`.

What a producer reads may itself be declared by a plan that another one generates: its globs take more when that is
read, and what makes its inputs is known then. So a verdict holds only while what it was made with stays, see
`JudgedActions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.command.discovered import producers_on_record
from treadle.command.walk import CommandWalk, Settings
from treadle.core import decision
from treadle.core.graph.algorithms import reached
from treadle.core.output_index import OutputIndex
from treadle.errors import PlanError, TreadleError
from treadle.fastpath.snapshot_file import texts_of
from treadle.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from treadle.core.decision import Verdict
    from treadle.frontends.base import Project


MAX_DEPTH = 10
"""Generated plans may generate plans so deep at most."""


def with_discovered_producers(plan: Project, uids: list[str]) -> list[str]:
    """Return some actions and the producers of their discovered inputs, which no plan declares."""
    if not any(action.command.discovery is not None for action in plan.actions.values()):
        return uids
    store = Store(plan.root)
    store.load()
    edges = list(producers_on_record(store, {uid: action.command for uid, action in plan.actions.items()}))
    while True:
        inside = plan.dag(uids).vertex_data
        more = dict.fromkeys(before for uid, before in edges if uid in inside and before not in inside)
        if not more:
            return uids
        uids = [*uids, *more]


def with_all_before(plan: Project, uids: Sequence[str]) -> list[str]:
    """Return some actions and all that they need."""
    return [str(uid) for uid in plan.dag(with_discovered_producers(plan, list(uids))).vertex_data]


class JudgedActions:
    """What actions were when they were decided, in a plan of which a part was not known yet."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[str, ...]] = {}

    def keep(self, plan: Project, uids: Iterable[str]) -> None:
        """Note that these actions have been decided."""
        self._states.update({uid: _state_of(plan, uid) for uid in uids})

    def take_changed(self, plan: Project) -> set[str]:
        """Return the actions that differ now that more of the plan is known, and what needs them; forget them."""
        moved = {
            uid for uid, state in self._states.items() if uid not in plan.actions or _state_of(plan, uid) != state
        }
        if moved:
            moved |= with_all_after(plan, moved) & self._states.keys()
        for uid in moved:
            del self._states[uid]
        return moved


def with_all_after(plan: Project, uids: Iterable[str]) -> set[str]:
    """Return some actions and all actions that need them."""
    successors = plan.successors()
    return set(reached(uids, lambda uid: successors.get(uid, ())))


def _state_of(plan: Project, uid: str) -> tuple[str, ...]:
    action = plan.actions[uid]
    before = [f"{uid} {action.conditions.get(uid, '')}" for uid in sorted(action.predecessors)]
    return (*before, "", *texts_of(action.command))


def with_generated_plans(
    plan: Project,
    load_with: Callable[[Sequence[str]], Project],
    forced_among: Callable[[Project, Sequence[str]], list[str]],
    *,
    is_run: bool = False,
) -> Project:
    """Return a plan with its generated plans, as far as their producers are up to date.

    :param load_with: loads the plan with the plans that some producers have generated
    :param forced_among: returns those of some actions that are forced
    :param is_run: whether producers that always run are about to run; if not, their last plans are used
    """
    known = plan
    judged = JudgedActions()
    made: list[str] = []
    while True:
        refuse_too_deep(known)
        fresh = _up_to_date(known, forced_among, judged, is_run=is_run)
        if not fresh:
            return known
        made += fresh
        try:
            known = load_with(made)
            moved = judged.take_changed(known)
            if moved:
                made = [uid for uid in made if uid not in moved]
                known = load_with(made)
        except PlanError:
            if is_run:
                # one that seems up to date may read what another is about to generate: a run decides each in turn
                return plan
            raise


def _up_to_date(
    plan: Project,
    forced_among: Callable[[Project, Sequence[str]], list[str]],
    judged: JudgedActions,
    *,
    is_run: bool,
) -> list[str]:
    """Return the producers of unread plans whose plans may be read now."""
    unread = plan.unread
    if not unread:
        return []
    dag = plan.dag(with_discovered_producers(plan, unread))
    uids = [str(uid) for uid in dag.vertex_data]
    walk = CommandWalk(dag, plan.root, Settings(queues=plan.queues, force=forced_among(plan, uids)))
    walk.look()
    judged.keep(plan, uids)
    settled = _settled({str(uid): verdict for uid, verdict in walk.verdicts.items()}, is_run=is_run)
    return [uid for uid in unread if uid in settled]


_AS_LAST_TIME = (decision.ALWAYS, decision.NOT_ASKED)
"""Reasons to run after which a look still uses the last plan: they do not say that it will be another one."""


def _settled(verdicts: Mapping[str, Verdict], *, is_run: bool) -> set[str]:
    """Return the actions that have not changed since they ran: skipped, or run only because they always run.

    :param verdicts: in an order in which each comes after those that it depends on
    """
    settled: set[str] = set()
    for uid, verdict in verdicts.items():
        reasons = () if is_run and verdict.decision != decision.SKIP else verdict.reasons
        is_settled = verdict.decision == decision.SKIP or bool(reasons)
        for why in reasons:
            is_settled &= why.kind in _AS_LAST_TIME or (why.kind == decision.DEPENDS_ON and why.name in settled)
        if is_settled:
            settled.add(uid)
    return settled


def refuse_too_deep(plan: Project) -> None:
    """Refuse generated plans that are nested too deep.

    :raises TreadleError: they are
    """
    for uid in plan.unread:
        above = [uid[:at] for at, char in enumerate(uid) if char == ":"]
        if sum(one in plan.plan_producers for one in above) >= MAX_DEPTH:
            raise TreadleError(
                f"generated plans are nested more than {MAX_DEPTH} deep",
                facts=[uid],
                hint="let one action generate all of it",
            )


def left_by(plan: Project, store: Store, producers: Collection[str]) -> OutputIndex:
    """Return outputs of actions of unread plans from previous runs, each with the producer of its plan.

    :param producers: the producers whose plans count
    """
    found = OutputIndex()
    for entry in store.entries.values():
        owner = entry.owner
        producer = next((uid for uid in plan.unread if owner.uid.startswith(f"{uid}:")), None)
        for path in owner.outputs if producer in producers else ():
            if path not in plan.names.outputs:
                found.add(path, producer)
    return found
