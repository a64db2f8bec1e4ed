"""`forget`: records dropped, so that actions run again; files left to the user. It starts nothing.

A file that is on no record is an ordinary file. To claim files that no record describes could remove those of a
user.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.command.walk import CommandWalk
from treadle.core import wording
from treadle.core.text import safe
from treadle.errors import UsageError
from treadle.state.store import Store
from treadle.ui.text import line

from .locked import locked, say_unless_quiet

if TYPE_CHECKING:
    from treadle.frontends.base import Project
    from treadle.session.call import Call


def forget_command(call: Call) -> int:
    """Drop the records of actions; make outputs of actions that are gone ordinary files."""
    plan = call.load_for_forget()
    uids, paths = _to_forget(call, plan)
    walk = CommandWalk(plan.dag(), plan.root)
    with locked(call, plan) as store:
        released = _released(call, store, paths)
        keys = {uid: walk.owner(uid, plan.actions[uid].command).key for uid in uids}
        known = {uid: key for uid, key in keys.items() if key in store.entries or key in store.unstarted}
        if known:
            store.drop(list(known.values()))
        if released:
            store.release_paths(released)
    for uid in uids:
        if uid not in known:
            say_unless_quiet(call, line("there was no record of ", (safe(uid), "name")))
        elif call.options.verbose:
            call.console.say([line("forgot ", (safe(uid), "name"))])
    for path in released:
        say_unless_quiet(call, line((safe(path), "name"), " is an ordinary file now"))
    if uids:
        say_unless_quiet(call, line(f"{wording.count(len(known), 'record')} dropped"))
    return 0


def _to_forget(call: Call, plan: Project) -> tuple[list[str], dict[str, UsageError]]:
    """Return the uids of the given names, and the names that may be paths of previous outputs."""
    uids: dict[str, None] = {}
    paths: dict[str, UsageError] = {}
    for name in call.options.names:
        try:
            uids.update(dict.fromkeys(call.select_known(plan, [name])))
        except UsageError as error:
            paths[name] = error
    return [uid for uid in plan.actions if uid in uids], paths


def _released(call: Call, store: Store, paths: dict[str, UsageError]) -> dict[str, list[str]]:
    """Return output -> keys of the records that it is in, for paths that were named.

    :raises UsageError: one of them is not an output of a previous run
    """
    found: dict[str, list[str]] = {}
    for name, error in paths.items():
        inside = os.path.relpath(os.path.join(os.getcwd(), name), store.root)
        # in the folder of a member a path is its own, and not that of an output of the whole plan
        for path in (name.rstrip("/"), inside) if call.member is None else (inside, name.rstrip("/")):
            keys = {
                made: key
                for key, entry in store.entries.items()
                for made in entry.owner.made
                if made.rstrip("/") == path or (made.endswith("/") and path.startswith(made))
            }
            if keys:
                for made, key in keys.items():
                    found.setdefault(made if made.rstrip("/") == path else path, []).append(key)
                break
        else:
            raise error
    return found
