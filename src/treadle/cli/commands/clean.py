"""`clean`: outputs removed, under the lock. It starts nothing."""

from __future__ import annotations

import os

from treadle.command.discovered import owner_of
from treadle.core import wording as words
from treadle.core.text import safe
from treadle.errors import UsageError, listed
from treadle.state.store import Store
from treadle.ui.text import line

from .locked import locked, say_unless_quiet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from treadle.frontends.base import Project
    from treadle.session.call import Call
    from treadle.session.options import Options

    from .cleaning import Cleaner


def clean_command(call: Call) -> int:
    """Remove the outputs of actions, all of them if none is named; or those that are stale, or of all runs."""
    options = call.options
    _refuse_together(options)
    plan = call.load()
    refuse_tracked_state(plan)
    if options.replaced:
        return _empty_replaced(call, plan)
    if options.dry:
        store = Store(plan.root)
        store.load()
        cleaner = _clean(call, plan, store)
        return 1 if cleaner.removed or cleaner.moved else 0
    with locked(call, plan) as store:
        cleaner = _clean(call, plan, store)
    cleaner.say_how_many("stale output" if options.stale else "output")
    return 1 if cleaner.failures else 0


def refuse_tracked_state(plan: Project) -> None:
    """Check that git does not track the state of a plan: what a commit brings says nothing of this machine.

    :raises UsageError: it does
    """
    from treadle.content import git

    folder = Store(plan.root).folder
    if git.tracks(folder):
        raise UsageError(
            f"git tracks {folder}, which says what was made on one machine",
            hint=f"git rm -r --cached {folder}",
        )


def _refuse_together(options: Options) -> None:
    chosen = [f"--{name}" for name in ("stale", "all", "replaced") if getattr(options, _FIELD.get(name, name))]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} do not go together")
    if chosen and options.names:
        raise UsageError(f"{chosen[0]} takes no names: {_NO_NAMES[chosen[0]]}")


_FIELD = {"all": "everything"}
_NO_NAMES = {
    "--stale": "what is stale is in the plan no more",
    "--all": "it takes what any run has made",
    "--replaced": "it takes all that was moved aside",
}


def _clean(call: Call, plan: Project, store: Store) -> Cleaner:
    """Remove, or say what would be removed."""
    from .cleaning import Cleaner, is_there

    options = call.options
    cleaner = Cleaner(call, plan.root, store, is_dry=options.dry)
    keys: list[str] = []
    if options.stale:
        from treadle.session.stale_outputs import Stale

        stale = Stale(call, plan, store).find()
        for path, owner in stale.paths:
            cleaner.take(path, owner.label, owner.uid, is_planned=False)
        keys, kept = stale.keys, stale.kept
        folders = cleaner.folders_around_removed() & cleaner.folders_made(store.entries)
    elif options.everything:
        kept = _take_all(call, cleaner, plan, store)
        keys = _not_in_plan(plan, store)
        folders = cleaner.folders_made(store.entries)
    else:
        kept = _take_of_plan(call, cleaner, plan)
        folders = cleaner.folders_around_removed() & cleaner.folders_made(store.entries)
    cleaner.remove_folders(folders)
    if not options.dry:
        gone = [key for key in keys if not any(is_there(plan.root, path) for path in store.entries[key].owner.made)]
        if gone:
            store.drop(gone)
    if not options.names:
        _say_what_is_left(call, plan, store, kept)
    return cleaner


def _take_of_plan(call: Call, cleaner: Cleaner, plan: Project) -> list[str]:
    """Take what the actions of the plan make, those that are named if any are; return what is kept."""
    from .cleaning import is_there

    is_named = bool(call.options.names)
    uids = call.select_known(plan) if is_named else list(plan.actions)
    kept = []
    for uid in uids:
        command = plan.actions[uid].command
        for path in command.made:
            if not command.keep or is_named:
                cleaner.take(path, command.label, uid, command.inputs)
            elif is_there(plan.root, path):
                kept.append(path)
    return kept


def _take_all(call: Call, cleaner: Cleaner, plan: Project, store: Store) -> list[str]:
    """Take what any run has made; return what is kept."""
    from treadle.session.stale_outputs import Sources, made_by

    from .cleaning import is_there

    inputs = {uid: action.command.inputs for uid, action in plan.actions.items()}
    made = made_by(plan)
    sources = Sources(plan, made)
    kept = []
    for entry in list(store.entries.values()):
        owner = entry.owner
        for path in owner.made:
            why = sources.why_read(path)
            if why and path not in made:
                if is_there(plan.root, path):
                    call.console.warn(f"{path} is left alone: {why}")
            elif not owner.keeps:
                cleaner.take(path, owner.label, owner.uid, inputs.get(owner.uid, ()), is_planned=path in made)
            elif is_there(plan.root, path):
                kept.append(path)
    return kept


def _not_in_plan(plan: Project, store: Store) -> list[str]:
    """Return the keys of records of actions that make something, and that the plan of this call does not have."""
    known = {owner_of(uid, action.command).key for uid, action in plan.actions.items()}
    return [key for key, entry in store.entries.items() if key not in known and entry.owner.made]


def _say_what_is_left(call: Call, plan: Project, store: Store, kept: list[str]) -> None:
    """Say in one line what was not asked for, and how to remove it."""
    from .cleaning import is_there

    told = []
    if not call.options.everything and not call.options.stale:
        own = {path for action in plan.actions.values() for path in (*action.command.made, *action.command.edits)}
        owners = [store.entries[key].owner for key in _not_in_plan(plan, store)]
        others = {path for owner in owners if not owner.keeps for path in owner.made if path not in own}
        number = sum(is_there(plan.root, path) for path in others)
        if number:
            told.append(
                f"{words.count(number, 'output')} of other parameter values, former actions or other plans "
                "(`treadle clean --all` removes them)"
            )
    if kept:
        told.append(f"what `keep: true` keeps: {listed(kept, 3)} (`treadle clean NAME` removes it)")
    if told:
        call.console.warn(f"left: {'; '.join(told)}")


def _empty_replaced(call: Call, plan: Project) -> int:
    """Remove what was moved aside to make room for outputs."""
    from treadle.command.outputs import remove_tree

    store = Store(plan.root)
    folder = os.path.join(store.folder, "replaced")
    if os.path.islink(folder):
        raise UsageError(f"{folder} is a link: it is left alone")
    if call.options.dry:
        names = os.listdir(folder) if os.path.isdir(folder) else []
        call.console.say(line("would remove what was moved aside for ", safe(name)) for name in sorted(names))
        return 1 if names else 0
    with locked(call, plan):
        count = remove_tree(folder)
    say_unless_quiet(call, line(f"{words.count(count, 'file')} that had been moved aside removed"))
    is_left = os.path.lexists(folder)
    if is_left:
        call.console.warn(f"{folder} cannot be removed whole")
    return 1 if is_left else 0
