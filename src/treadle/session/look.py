"""What a run would do now: a walk that looks and starts nothing.

As long as a generated plan is not known, a file that its actions made in a previous run looks like a source. So
what was skipped because of such a file may run once the plan is generated again, and an action whose glob does not
match it now has not lost an input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.command.discovered import owner_of
from treadle.command.walk import CommandWalk, Settings
from treadle.core import decision
from treadle.core.decision import Reason, Verdict
from treadle.core.elements import READ, paths_of
from treadle.errors import UsageError

from .conflicts import refuse_shared_outputs
from .generated_plans import left_by, with_all_before, with_discovered_producers
from .walk import caches_of, namespaces_of, system_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.frontends.base import Project

    from .call import Call


def without_skips(
    verdicts: dict[object, decision.Verdict] | dict[str, decision.Verdict],
) -> dict[str, decision.Verdict]:
    """Return the verdicts on actions that would or may run."""
    quiet = (decision.SKIP, decision.NOT_NEEDED)
    return {str(uid): verdict for uid, verdict in verdicts.items() if verdict.decision not in quiet}


def open_plans(
    plan: Project, verdicts: dict[object, decision.Verdict] | dict[str, decision.Verdict]
) -> dict[str, str]:
    """Return the producers whose plans a run may change, each with a text about its plan."""
    found = {uid: f"{plan.plan_producers[uid]} is not generated yet" for uid in plan.unread}
    runs = [uid for uid in plan.plan_producers if uid not in found and uid in without_skips(verdicts)]
    return found | {uid: f"{plan.plan_producers[uid]} may change then" for uid in runs}


def looked(call: Call, plan: Project, uids: Sequence[str]) -> CommandWalk:
    """Return a walk that has looked at some actions and all that they need."""
    forced = call.select(plan, call.options.force)
    if call.options.repeats:
        forced = [*forced, *call.selected(plan)]
    if any(plan.actions[uid].is_last for uid in uids):
        # what is at the end follows from what else a run does
        uids = [*uids, *plan.default]
    dag = plan.dag(with_discovered_producers(plan, [*uids, *forced]))
    force = [str(uid) for uid in dag.vertex_data] if call.options.force_all else forced
    settings = Settings(call.options.jobs, plan.queues, force=force)
    caches, _ = caches_of(call, plan.cache, plan.root, looks=True)
    system = system_of(plan.cache) if caches and '"system"' in plan.cache else ()
    names = namespaces_of(plan.cache) if caches else ()
    walk = CommandWalk(
        *(dag, plan.root, settings), last=plan.last(), caches=caches, cache_system=system, cache_namespaces=names
    )
    # a run may begin or end during this look
    busy = walk.store.lock.is_busy()
    walk.look()
    for note in walk.store.notes:
        call.note(note)
    if plan.unread:
        foresee(plan, walk)
    refuse_shared_outputs(plan, map(str, walk.verdicts), walk.store)
    if busy or walk.store.lock.is_busy():
        holder = walk.store.lock.holder() or "another run"
        call.note(f"{holder} is active in this folder: the actions that it is running are shown as interrupted")
    return walk


def named_last(call: Call, plan: Project) -> list[str]:
    """Return the actions at the end that a call names, alone or with others of them: they take place for sure.

    A name that selects other actions too, such as a pattern or a group, says nothing of them. What the call has
    taken out does not count, unless it is forced.
    """
    found: dict[str, None] = {}
    names, forced = call.options.names, call.options.force
    for name in (*names, *forced):
        try:
            uids = call.select(plan, [name])
        except UsageError:
            # it may be in a plan that was not generated
            continue
        if all(plan.actions[uid].is_last for uid in uids):
            found.update(dict.fromkeys(uid for uid in uids if name in forced or uid not in call.rejected))
    return list(found)


def foresee(plan: Project, walk: CommandWalk) -> None:
    """Change verdicts that may be others when the whole plan is known to MAY_RUN.

    :param walk: it has looked; its verdicts are in an order in which each comes after those that it depends on
    """
    left = left_by(plan, walk.store, plan.unread)
    before = set(with_all_before(plan, plan.unread)) if left else set()
    for vertex, verdict in list(walk.verdicts.items()) if left else ():
        uid = str(vertex)
        command = plan.actions[uid].command
        is_open = verdict.decision == decision.SKIP or (verdict.decision == decision.RUN and uid in plan.guessed)
        if not is_open or uid in before or command.once:
            continue
        entry = walk.store.entries.get(owner_of(uid, command).key)
        record = entry.record if entry is not None else None
        if record is None:
            continue
        read = paths_of(record.elements, *READ)
        read += plan.guessed.get(uid, ())
        producers = dict.fromkeys(producer for path in read for producer in left.of(path))
        if producers:
            walk.verdicts[vertex] = Verdict(
                decision.MAY_RUN, [Reason(decision.DEPENDS_ON, one) for one in producers]
            )
            for path in command.written:
                left.add(path, uid)
