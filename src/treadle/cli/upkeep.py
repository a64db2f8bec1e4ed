"""`clean` and `forget`: outputs removed, records dropped. Neither starts anything, both work under the lock."""

from __future__ import annotations

import os
from contextlib import contextmanager

from treadle import outputs
from treadle.command_walk import CommandWalk
from treadle.errors import UsageError
from treadle.store import Store
from treadle.ui import words
from treadle.ui.text import line, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from treadle.plan import Plan
    from treadle.ui.text import Line

    from .context import Context


def clean_command(context: Context) -> int:
    """Remove the outputs of actions, all of them if none is named; or those that are stale."""
    plan = context.load()
    refuse_tracked_state(plan)
    options = context.options
    if options.stale and options.names:
        raise UsageError("--stale takes no names: what is stale is in the plan no more")
    if options.dry:
        store = Store(plan.root)
        store.load()
        there, _ = _to_remove(context, plan, store)
        context.say(line("would remove ", safe(path)) for path in there)
        return context.ended(1 if there else 0)
    removed = []
    with locked(context, plan) as store:
        paths, keys = _to_remove(context, plan, store)
        for path in paths:
            if outputs.clean(plan.root, [path]):
                removed.append(path)
                if options.verbose:
                    context.say([line("removed ", safe(path))])
        if keys:
            store.drop(keys)
    what = "stale output" if options.stale else "output"
    say_unless_quiet(context, line(f"{words.count(len(removed), what)} removed"))
    return context.ended(0)


def refuse_tracked_state(plan: Plan) -> None:
    """Check that git does not track the state of a plan: what a commit brings says nothing of this machine.

    :raises UsageError: it does
    """
    from treadle import git

    folder = Store(plan.root).folder
    if git.tracks(folder):
        raise UsageError(
            f"git tracks {folder}, which says what was made on one machine",
            hint=f"git rm -r --cached {folder}",
        )


def _to_remove(context: Context, plan: Plan, store: Store) -> tuple[list[str], list[str]]:
    """Return the outputs that are there and may go, and the keys of records that go with them."""
    if context.options.stale:
        from .stale import Stale

        stale = Stale(context, plan, store).find()
        return stale.paths, stale.keys
    uids = context.select_known(plan) if context.options.names else list(plan.actions)
    ours = store.former_outputs()
    made = (path for uid in uids for path in plan.actions[uid].command.outputs)
    return [path for path in made if _may_go(context, plan.root, path, ours)], []


def _may_go(context: Context, root: str, path: str, ours: Collection[str]) -> bool:
    """Return whether an output is there and may be removed; say why if it is there and may not."""
    if not os.path.lexists(os.path.join(root, path.rstrip("/"))):
        return False
    why = outputs.why_left(root, path) or ("" if path in ours else "no run of Treadle has made it")
    if why:
        context.warn(f"{path} is left alone: {why}")
    return not why


def forget_command(context: Context) -> int:
    """Drop the records of actions."""
    plan = context.load()
    uids = context.select_known(plan)
    walk = CommandWalk(plan.dag(), plan.root)
    with locked(context, plan) as store:
        keys = {uid: walk.owner(uid, plan.actions[uid].command).key for uid in uids}
        known = {uid: key for uid, key in keys.items() if key in store.entries}
        if known:
            store.drop(list(known.values()))
    for uid in uids:
        if uid not in known:
            say_unless_quiet(context, line("there was no record of ", (safe(uid), "name")))
        elif context.options.verbose:
            context.say([line("forgot ", (safe(uid), "name"))])
    say_unless_quiet(context, line(f"{words.count(len(known), 'record')} dropped"))
    return context.ended(0)


@contextmanager
def locked(context: Context, plan: Plan) -> Iterator[Store]:
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


def say_unless_quiet(context: Context, text: Line) -> None:
    """Print a line, unless nothing is to be shown where all is well."""
    if not context.options.quiet:
        context.say([text])
