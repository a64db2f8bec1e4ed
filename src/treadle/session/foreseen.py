"""What a verdict is worth as long as a plan that an action makes is not known: what that left may be made anew.

A file that an action of such a plan has made lies there as if no action made it. What was skipped for it may run
once the plan is made again, and an action whose glob does not take it now has not lost an input.
"""

from __future__ import annotations

from treadle.command.discovered import owner_of
from treadle.command.fingerprinting import EDITED, FOUND, INPUT
from treadle.core import decision
from treadle.core.decision import Reason, Verdict
from treadle.core.output_index import OutputIndex
from treadle.session.makers import with_all_before

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from treadle.command.walk import CommandWalk
    from treadle.frontends.base import Project
    from treadle.state.store import Store

_READ = (INPUT, FOUND, EDITED)


def foresee(plan: Project, walk: CommandWalk) -> None:
    """Take skips back, and runs for want of an input, that may be others when the whole plan is known.

    :param walk: it has looked; its verdicts are in an order in which each comes after those that it depends on
    """
    left = left_by(plan, walk.store, plan.unread)
    before = set(with_all_before(plan, plan.unread)) if left else set()
    for vertex, verdict in list(walk.verdicts.items()) if left else ():
        uid = str(vertex)
        command = plan.actions[uid].command
        is_open = verdict.outcome == decision.SKIP or (verdict.outcome == decision.RUN and uid in plan.guessed)
        if not is_open or uid in before or command.once:
            continue
        entry = walk.store.entries.get(owner_of(uid, command).key)
        record = entry.record if entry is not None else None
        if record is None:
            continue
        read = [name.partition(" ")[2] for name in record.elements if name.startswith(_READ)]
        read += plan.guessed.get(uid, ())
        makers = dict.fromkeys(maker for path in read for maker in left.of(path))
        if makers:
            walk.verdicts[vertex] = Verdict(decision.MAY_RUN, [Reason(decision.DEPENDS_ON, one) for one in makers])
            for path in command.written:
                left.add(path, uid)


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
