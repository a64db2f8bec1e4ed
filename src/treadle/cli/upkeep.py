"""`clean` and `forget`: outputs removed, records dropped. Neither starts anything, both work under the lock."""

from __future__ import annotations

import os
from contextlib import contextmanager

from treadle import outputs
from treadle.command_walk import CommandWalk
from treadle.ui import words
from treadle.ui.text import line, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from treadle.plan import Plan
    from treadle.store import Store
    from treadle.ui.text import Line

    from .context import Context


def clean_command(context: Context) -> int:
    """Remove the outputs of actions, all of them if none is named."""
    plan = context.load()
    uids = context.select(plan, context.options.names) if context.options.names else list(plan.actions)
    made = [path for uid in uids for path in plan.actions[uid].command.outputs]
    if context.options.dry:
        there = [path for path in made if os.path.lexists(os.path.join(plan.root, path))]
        context.say(line("would remove ", safe(path)) for path in there)
        return context.ended(1 if there else 0)
    removed = []
    with _locked(context, plan):
        for path in made:
            if _is_another_folder(plan.root, path):
                context.warn(f"{path} is left alone: the plan says that it is a file, but it is a folder")
            elif outputs.clean(plan.root, [path]):
                removed.append(path)
                if context.options.verbose:
                    context.say([line("removed ", safe(path))])
    _say_unless_quiet(context, line(f"{words.count(len(removed), 'output')} removed"))
    return context.ended(0)


def forget_command(context: Context) -> int:
    """Drop the records of actions."""
    plan = context.load()
    uids = context.select(plan, context.options.names)
    walk = CommandWalk(plan.dag(), plan.root)
    with _locked(context, plan) as store:
        keys = {uid: walk.owner(uid, plan.actions[uid].command).key for uid in uids}
        known = {uid: key for uid, key in keys.items() if key in store.entries}
        if known:
            store.drop(list(known.values()))
    for uid in uids:
        if uid not in known:
            _say_unless_quiet(context, line("there was no record of ", (safe(uid), "name")))
        elif context.options.verbose:
            context.say([line("forgot ", (safe(uid), "name"))])
    _say_unless_quiet(context, line(f"{words.count(len(known), 'record')} dropped"))
    return context.ended(0)


def _is_another_folder(root: str, output: str) -> bool:
    """Return whether a folder lies where an action makes a file: no action has made that."""
    full = os.path.join(root, output)
    return not output.endswith("/") and os.path.isdir(full) and not os.path.islink(full)


@contextmanager
def _locked(context: Context, plan: Plan) -> Iterator[Store]:
    """Hold the store, while no run is at work in this root."""
    from treadle.store import Store

    store = Store(plan.root)

    def waiting(holder: str) -> None:
        context.warn(f"waiting for {holder} to end")

    store.acquire(os.urandom(8).hex(), wait=context.options.wait, on_wait=waiting)
    try:
        for note in store.notes:
            context.warn(note)
        yield store
    finally:
        store.release()


def _say_unless_quiet(context: Context, text: Line) -> None:
    if not context.options.quiet:
        context.say([text])
