"""Which actions depend on what differs from a commit (`--since`). In doubt an action does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.command.discovered import discovered_on_record, owner_of, producers_on_record
from treadle.core.graph.algorithms import reached
from treadle.core.paths import below, folders_around
from treadle.state.store import Store

from .generated_plans import with_discovered_producers
from .stale_outputs import programs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from treadle.command.command import Command
    from treadle.content.git_changes import Differences
    from treadle.frontends.base import Project


def affected(plan: Project, uids: Sequence[str], changed: Differences) -> set[str]:
    """Return those of some actions, and of what they need, that depend on what differs from a commit."""
    paths = ChangedPaths(plan.root, changed.paths)
    everything = [str(uid) for uid in plan.dag(with_discovered_producers(plan, list(uids))).vertex_data]
    # a value of git is another one at another commit
    if plan.looks.uses_git or any(map(paths.touch, (plan.file, *plan.looks.read))):
        # which Commands differ is not known: the plan of then is not read
        return set(everything)
    store = Store(plan.root)
    store.load()
    if plan.matching is None:
        return set(everything)
    matched, families = plan.matching(paths.below_root(changed.moved))
    if families - {action.family for action in plan.actions.values()}:
        # the last instance is gone, and with it the edge to what has read it
        return set(everything)
    commands = {uid: action.command for uid, action in plan.actions.items()}
    found_before: dict[str, list[str]] = {}
    for uid, producer in producers_on_record(store, commands):
        found_before.setdefault(uid, []).append(producer)
    touched = []
    followers: dict[str, list[str]] = {}
    for uid in everything:
        action = plan.actions[uid]
        before = (*action.predecessors, *found_before.get(uid, ()))
        for one in before:
            followers.setdefault(one, []).append(uid)
        if (
            uid in matched
            # what reads all instances of a family reads others where one of them is new or gone
            or any(plan.actions[one].family in families for one in before)
            or _reads_unknown(store, uid, action.command)
            or any(map(paths.touch, _files_of(store, uid, action.command)))
        ):
            touched.append(uid)
    return set(reached(touched, lambda uid: followers.get(uid, ())))


def _reads_unknown(store: Store, uid: str, command: Command) -> bool:
    """Return whether there is no record of what an action was found to read."""
    if command.discovery is None:
        return False
    entry = store.entries.get(owner_of(uid, command).key)
    return entry is None or entry.record is None


def _files_of(store: Store, uid: str, command: Command) -> Iterable[str]:
    """Yield all that an action reads, edits, starts or makes: an output may be tracked too."""
    yield from command.inputs
    yield from command.edits
    yield from command.made
    yield from programs_of(command)
    yield from discovered_on_record(store, uid, command)


class ChangedPaths:
    """Paths that differ, by which a path of a plan is found to be one, to hold one, or to be in one.

    :param root: the root of the plan
    :param changed: absolute paths without links; one of a folder ends with `/`
    """

    def __init__(self, root: str, changed: Iterable[str]) -> None:
        self.root = root
        self._real_root = os.path.realpath(root)
        self._paths = set(changed)
        self._trees = {folder for path in self._paths for folder in folders_around(path)}
        self._real: dict[str, str] = {}
        self._searched: dict[str, bool] = {}
        """Trees whose links were followed -> whether one leads to a path that differs."""

    def below_root(self, paths: Iterable[str]) -> list[str]:
        """Return absolute paths without links as a plan has them."""
        return [below(path, self._real_root) for path in paths]

    def touch(self, path: str) -> bool:
        """Return whether a path of a plan differs, or something in it or around it."""
        full = self._without_links(os.path.join(self.root, path.rstrip("/")))
        tree = f"{full}/"
        if full in self._paths or tree in self._paths or tree in self._trees:
            return True
        if any(folder in self._paths or folder[:-1] in self._paths for folder in folders_around(full)):
            return True
        if path.endswith("/") and full not in self._searched:
            # links of two trees may lead to each other
            self._searched[full] = False
            self._searched[full] = any(map(self.touch, self._links_in(full)))
        return self._searched.get(full, False)

    def _without_links(self, full: str) -> str:
        folder, name = os.path.split(full)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        real = os.path.join(self._real[folder], name)
        return os.path.realpath(real) if os.path.islink(real) else os.path.normpath(real)

    def _links_in(self, folder: str) -> Iterable[str]:
        """Yield the folders outside of a tree that links in it lead to: an input tree follows them."""
        for here, folders, files in os.walk(folder):
            for name in (*folders, *files):
                full = os.path.join(here, name)
                if os.path.islink(full):
                    real = os.path.realpath(full)
                    if not f"{real}/".startswith(f"{folder}/") and not f"{folder}/".startswith(f"{real}/"):
                        yield f"{real}/" if os.path.isdir(real) else real
