"""`clean`: removes outputs by the rule of `ownership`, under the lock, and says of other files why they stay."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from treadle.command.discovered import owner_of
from treadle.command.job import own_name
from treadle.command.outputs import Sweep, move_aside, remove_empty_folders, remove_tree
from treadle.content import git
from treadle.content.files import Files
from treadle.content.trust import STATE_FOLDER
from treadle.core import wording
from treadle.core.paths import folders_around
from treadle.core.text import safe
from treadle.errors import TreadleError, UsageError, listed
from treadle.state.ownership import (
    ADOPTED,
    EXCLUDED,
    FOREIGN,
    LEFT,
    OURS,
    WHY_LEFT,
    Aliases,
    Ownership,
    mount_points,
)
from treadle.state.records import is_inside
from treadle.state.store import Store
from treadle.ui.text import line

from .locked import locked, say_unless_quiet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from treadle.frontends.base import Project
    from treadle.session.call import Call
    from treadle.session.options import Options
    from treadle.state.records import Owner


def clean_command(call: Call) -> int:
    """Remove the outputs of the named actions, of all actions, stale outputs, or those of all runs."""
    options = call.options
    _refuse_together(options)
    plan = call.load()
    if call.member is not None and options.replaced:
        raise UsageError(
            "--replaced takes the files that runs of all parts of the plan have moved aside",
            hint=f"treadle clean --replaced -f {os.path.relpath(plan.file)}",
        )
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
    """Refuse state that git tracks: records of another machine say nothing about this one.

    :raises UsageError: git tracks it
    """
    folder = Store(plan.root).folder
    if git.tracks(folder):
        raise UsageError(
            f"git tracks {folder}, but its records are valid on one machine only",
            hint=f"git rm -r --cached {folder}",
        )


def _refuse_together(options: Options) -> None:
    chosen = [f"--{name}" for name in ("stale", "all", "replaced") if getattr(options, _FIELD.get(name, name))]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} cannot be combined")
    if chosen and options.names:
        raise UsageError(f"{chosen[0]} takes no names: {_NO_NAMES[chosen[0]]}")


_FIELD = {"all": "everything"}
_NO_NAMES = {
    "--stale": "stale outputs belong to no action of the plan",
    "--all": "it removes the outputs of all runs",
    "--replaced": "it removes all files that were moved aside",
}


def _clean(call: Call, plan: Project, store: Store) -> Cleaner:
    """Remove outputs, or print which would be removed."""
    options = call.options
    cleaner = Cleaner(call, plan.root, store, is_dry=options.dry)
    keys: list[str] = []
    if options.stale:
        from treadle.session.stale_outputs import stale_outputs

        stale = stale_outputs(plan, store, call.console.warn)
        for path, owner in stale.paths:
            if _is_of_call(call, plan, owner):
                cleaner.take(path, owner.label, owner.uid, is_planned=False, exclude=owner.exclude)
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


def _is_of_call(call: Call, plan: Project, owner: Owner) -> bool:
    """Return whether the call may remove outputs of an action on record: in the folder of a member, its own."""
    return call.member is None or call.member.owns(plan, owner.label, owner.uid)


def _take_of_plan(call: Call, cleaner: Cleaner, plan: Project) -> list[str]:
    """Take the outputs of the named actions, of all without names; return those that are kept."""
    is_named = bool(call.options.names)
    uids = call.select_known(plan) if is_named else call.all_actions(plan)
    kept = []
    for uid in uids:
        command = plan.actions[uid].command
        for path in command.made:
            if not command.keep or is_named:
                cleaner.take(path, command.label, uid, command.inputs, exclude=command.exclude)
            elif is_there(plan.root, path):
                kept.append(path)
    return kept


def _take_all(call: Call, cleaner: Cleaner, plan: Project, store: Store) -> list[str]:
    """Take the outputs of all runs; return those that are kept."""
    from treadle.session.stale_outputs import Sources, made_by

    commands = {uid: action.command for uid, action in plan.actions.items()}
    made = made_by(plan)
    sources = Sources(plan, made)
    kept = []
    for entry in list(store.entries.values()):
        owner = entry.owner
        for path in owner.made if _is_of_call(call, plan, owner) else ():
            why = sources.why_read(path)
            if why and path not in made:
                if is_there(plan.root, path):
                    call.console.warn(f"{path} is left alone: {why}")
            elif not owner.keeps:
                command = commands.get(owner.uid)
                inputs = command.inputs if command is not None else ()
                exclude = command.exclude if command is not None and path in command.exclude else owner.exclude
                cleaner.take(path, owner.label, owner.uid, inputs, is_planned=path in made, exclude=exclude)
            elif is_there(plan.root, path):
                kept.append(path)
    return kept


def _not_in_plan(plan: Project, store: Store) -> list[str]:
    """Return the keys of records with outputs whose actions are not in the plan."""
    known = {owner_of(uid, action.command).key for uid, action in plan.actions.items()}
    return [key for key, entry in store.entries.items() if key not in known and entry.owner.made]


def _say_what_is_left(call: Call, plan: Project, store: Store, kept: list[str]) -> None:
    """Print in one line what was not removed, and how to remove it."""
    notes = []
    if not call.options.everything and not call.options.stale:
        own = {path for action in plan.actions.values() for path in (*action.command.made, *action.command.edits)}
        owners = [store.entries[key].owner for key in _not_in_plan(plan, store)]
        owners = [owner for owner in owners if _is_of_call(call, plan, owner)]
        others = {path for owner in owners if not owner.keeps for path in owner.made if path not in own}
        number = sum(is_there(plan.root, path) for path in others)
        if number:
            notes.append(
                f"{wording.count(number, 'output')} of other parameter values, removed actions or other plans "
                "(`treadle clean --all` removes them)"
            )
    if kept:
        notes.append(f"outputs with `keep: true`: {listed(kept, 3)} (`treadle clean NAME` removes them)")
    if notes:
        call.console.warn(f"left: {'; '.join(notes)}")


def _empty_replaced(call: Call, plan: Project) -> int:
    """Remove the files that were moved aside to make room for outputs."""
    store = Store(plan.root)
    folder = os.path.join(store.folder, "replaced")
    if os.path.islink(folder):
        raise UsageError(f"{folder} is a link: it is left alone")
    if call.options.dry:
        names = os.listdir(folder) if os.path.isdir(folder) else []
        call.console.say(line("would remove the files moved aside for ", safe(name)) for name in sorted(names))
        return 1 if names else 0
    with locked(call, plan):
        count = remove_tree(folder)
    say_unless_quiet(call, line(f"{wording.count(count, 'file')} moved aside earlier removed"))
    is_left = os.path.lexists(folder)
    if is_left:
        call.console.warn(f"{folder} could not be removed completely")
    return 1 if is_left else 0


class Cleaner:
    """Removes outputs of one root, or prints which it would remove.

    :param root: the folder that paths are relative to
    :param store: its records, read
    :param is_dry: whether nothing is removed
    """

    def __init__(self, call: Call, root: str, store: Store, *, is_dry: bool) -> None:
        self.removed: list[str] = []
        """Outputs that were removed at least in part, or would be."""
        self.moved: list[str] = []
        """Outputs that were moved aside: left by an unfinished attempt, or adopted."""
        self.failures = 0
        """How many removals have failed."""
        self.ownership = Ownership(store, Files(root, store.stamps))
        self._call = call
        self._root = root
        self._real_root = os.path.realpath(root)
        self._store = store
        self._is_dry = is_dry
        self._mounts: frozenset[str] | None = None
        self._seen: set[str] = set()
        # after a change of the branch an output of the other one may be a source of this one, with equal content
        self._tracked = git.Tracked()

    def take(
        self,
        path: str,
        label: str,
        uid: str,
        inputs: Sequence[str] = (),
        *,
        is_planned: bool = True,
        exclude: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Remove what is ours in the place of an output or a depfile.

        :param label: the plan of its action, `uid` its name
        :param inputs: what the action reads: a hard link to an input may go
        :param is_planned: whether the plan of this call makes it: what it does not make, and git tracks, is a
            source now, as after a change of the branch
        :param exclude: output folder -> patterns of what is none of its content: that stays
        """
        bare = path.rstrip("/")
        full = os.path.join(self._root, bare)
        if path in self._seen or not is_inside(path):
            return
        self._seen.add(path)
        try:
            status = os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self._failed(path, error.strerror or str(error))
            return
        why = self.why_not(bare)
        if not why and not is_planned and self._tracked.has(full):
            why = f"git tracks {'files in it' if path.endswith('/') else 'it'}, and no action of the plan makes it"
        if why:
            self._leave(path, why)
            return
        if not self._is_dry:
            # where files of others stay, all names of a folder judged by presence may still be there
            self._store.note_runs((), [path])
        aside = os.path.join(self._store.folder, "replaced", own_name(label, uid))
        aliases = Aliases(self._root, inputs)
        if path.endswith("/") and stat.S_ISDIR(status.st_mode):
            self._take_folder(path, full, aside, aliases, exclude or {})
        elif stat.S_ISDIR(status.st_mode):
            self._leave(path, "declared as a file, but it is a folder")
        elif path.endswith("/") and not stat.S_ISLNK(status.st_mode):
            self._leave(path, "declared as a folder, but it is a file")
        else:
            self._take_file(path, status, aside, aliases)

    def _take_file(self, path: str, status: os.stat_result, aside: str, aliases: Aliases) -> None:
        verdict = self.ownership.of_file(path, status)
        if verdict not in (OURS, LEFT, ADOPTED) and status.st_nlink > 1 and self.ownership.keys_of(path):
            verdict = OURS if aliases.of(status) else verdict
        if verdict not in (OURS, LEFT, ADOPTED):
            is_link = path.endswith("/") and verdict == FOREIGN
            self._leave(path, "it is a link that no action has made" if is_link else WHY_LEFT[verdict])
            return
        bare = path.rstrip("/")
        try:
            if not self._is_dry and verdict == OURS:
                os.unlink(os.path.join(self._root, bare))
            elif not self._is_dry:
                move_aside(self._root, bare, aside)
        except OSError as error:
            self._failed(path, error.strerror or str(error))
        except TreadleError as error:
            self._failed(path, error.facts[0] if error.facts else error.what)
        else:
            self._done(path, is_moved=verdict != OURS)

    def _take_folder(
        self, path: str, full: str, aside: str, aliases: Aliases, exclude: Mapping[str, Sequence[str]]
    ) -> None:
        claims = self.ownership.claims_on(path)
        sweep = Sweep(self.ownership, path, claims, aside, aliases=aliases, is_dry=self._is_dry, exclude=exclude)
        sweep.go()
        for name, said in sweep.errors:
            self._failed(name, said)
        is_gone = not os.path.lexists(full)
        is_moved = bool(sweep.leftovers or sweep.moved)
        if sweep.removed or (is_gone and not is_moved):
            self._done(path)
        if is_moved:
            self._done(path, is_moved=True)
        foreign, excluded = [], []
        for name, verdict in sweep.left:
            if verdict == EXCLUDED:
                excluded.append(name.removeprefix(path))
            elif verdict in WHY_LEFT and verdict != "altered":
                foreign.append(name.removeprefix(path))
            else:
                self._leave(name, WHY_LEFT.get(verdict, verdict))
        if excluded:
            self._call.console.warn(f"{path} stays for what its exclude leaves out: {listed(excluded, 3)}")
        if foreign:
            shown = listed(foreign, 3)
            if sweep.removed or is_moved:
                self._call.console.warn(f"{path} keeps files that no run of Treadle has made: {shown}")
            else:
                self._leave(path, f"{WHY_LEFT['foreign']}: {shown}")

    def _done(self, path: str, *, is_moved: bool = False) -> None:
        (self.moved if is_moved else self.removed).append(path)
        if self._is_dry:
            what = f"would move to {STATE_FOLDER}/replaced: " if is_moved else "would remove "
            self._call.console.say([line(what, safe(path))])
        elif self._call.options.verbose:
            what = f"moved to {STATE_FOLDER}/replaced: " if is_moved else "removed "
            self._call.console.say([line(what, safe(path))])

    def _leave(self, path: str, why: str) -> None:
        self._call.console.warn(f"{path} is left alone: {why}")

    def _failed(self, path: str, said: str) -> None:
        self.failures += 1
        self._call.console.warn(f"{path} cannot be removed: {said}")

    def why_not(self, path: str) -> str:
        """Return why a path is not removed, a link or a mount on the way to it; else "".

        A run does remove outputs below a link or a mount (`out -> /scratch/out`): its action has written them by
        the same path, and could not be checked otherwise.
        """
        folder = os.path.dirname(os.path.join(self._real_root, path))
        if os.path.realpath(folder) != folder:
            return "a folder on its path is a link"
        if self._mounts is None:
            self._mounts = mount_points()
        while len(folder) > len(self._real_root):
            if folder in self._mounts:
                return "a folder on its path is a mount point"
            folder = os.path.dirname(folder)
        return ""

    def remove_folders(self, folders: Iterable[str]) -> None:
        """Remove those of some folders around outputs that are empty now, and that actions have made."""
        if self._is_dry:
            return
        remove_empty_folders(
            self._root, [path for path in folders if is_inside(path) and not self.why_not(path.rstrip("/"))]
        )

    def folders_around_removed(self) -> set[str]:
        """Return the folders from which files were removed."""
        return {folder for path in (*self.removed, *self.moved) for folder in folders_around(path)}

    def folders_made(self, keys: Iterable[str]) -> set[str]:
        """Return the folders around outputs that actions have made."""
        claims = filter(None, map(self.ownership.claim, keys))
        return {folder for claim in claims for folder in claim.folders}

    def say_how_many(self, what: str) -> None:
        """Print how many outputs were removed."""
        if not self._call.options.quiet:
            moved = f", {len(self.moved):,} moved to {STATE_FOLDER}/replaced/" if self.moved else ""
            self._call.console.say([line(f"{wording.count(len(self.removed), what)} removed{moved}")])


def is_there(root: str, path: str) -> bool:
    """Return whether a file or folder is in the place of an output."""
    return os.path.lexists(os.path.join(root, path.rstrip("/")))
