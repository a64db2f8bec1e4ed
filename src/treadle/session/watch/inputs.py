"""Watched inputs: the folders to watch for a plan, the events in them, and the paths that the plan depends on.

Only this module loads the library that receives events of the system.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from treadle.command.discovered import discovered_on_record
from treadle.content.digests import is_litter
from treadle.content.files import stamp_of
from treadle.content.trust import STATE_FOLDER
from treadle.core.output_index import OutputIndex
from treadle.core.patterns import exclusion
from treadle.errors import TreadleError, UsageError
from treadle.fastpath import probe
from treadle.fastpath.probe import NEVER, OFFSETS
from treadle.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from watchfiles._rust_notify import RustNotify

    from treadle.command.command import Command
    from treadle.content.files import Stamp
    from treadle.fastpath.probe import ProbeResult
    from treadle.frontends.base import Project
    from treadle.session.call import StopRequests

    Stamps = dict[str, dict[str, Stamp | None]]
    """Of each path that was looked at, a file or a tree: the stamps of the files that are there."""

QUIET = 0.025
"""Seconds without a change after which a burst is over. It is more than the grain of the clock, so that what has
changed can be looked at for good."""
GRAIN = 10_000_000
"""Nanoseconds that the time of a change may lie before that of our clock: the system counts in steps."""
LONGEST_BURST = 1.0
_STEP_MS = 10
"""Milliseconds between two looks for an event: the library cannot be waited for."""
_AT_ONCE_MS = 1
_POLL_DELAY_MS = 300


class FileWatcher:
    """Collects the events of changes in some folders, also between two calls.

    :param folders: the folders to watch, without what is below them
    :param deep: whether to watch what is below them too
    :param stop: ends a wait if its `is_set` returns true
    """

    def __init__(self, folders: Iterable[str], *, deep: bool = False, stop: StopRequests | None = None) -> None:
        self.folders = sorted(folders)
        self.deep = deep
        self.stop = stop
        self.inodes = _inodes(self.folders)
        self._notify = _notify(self.folders, deep)

    def wait(self, seconds: float | None) -> set[str]:
        """Return the next paths that have changed; empty after the time limit or a stop.

        :param seconds: None to wait as long as it takes
        """
        timeout = 0 if seconds is None else max(_AT_ONCE_MS, round(seconds * 1000))
        step = _STEP_MS if seconds is None else min(_STEP_MS, timeout)
        while True:
            events = self._notify.watch(step, step, timeout, self.stop)
            if events == "signal":
                # the library has swallowed the exception of a signal handler
                raise KeyboardInterrupt
            if events in ("timeout", "stop"):
                return set()
            if not isinstance(events, str):
                return {path for _, path in events}

    def changed_paths(self) -> set[str]:
        """Return the paths that have changed since the last call."""
        return self.wait(0.0)

    def watches(self, folders: Iterable[str], *, deep: bool) -> bool:
        """Return whether it watches these folders, and they are still the same ones."""
        return deep == self.deep and _inodes(sorted(folders)) == self.inodes

    def close(self) -> None:
        """Stop watching."""
        self._notify.close()


def require_library() -> None:
    """Load watchfiles, which reports changes of files.

    :raises UsageError: if it cannot be loaded: it has no build for each system
    """
    try:
        import watchfiles  # noqa: F401 - it is only to be there
    except ImportError as error:
        raise UsageError(
            f"--watch needs the library watchfiles, which cannot be loaded: {error}",
            hint="pip install watchfiles",
        ) from error


def _notify(folders: Sequence[str], deep: bool) -> RustNotify:
    from watchfiles._rust_notify import RustNotify

    polls = os.environ.get("WATCHFILES_FORCE_POLLING", "").lower() not in ("", "0", "false", "disable", "disabled")
    while True:
        there = [folder for folder in folders if os.path.isdir(folder)]
        try:
            return RustNotify(there, False, polls, _POLL_DELAY_MS, deep, True)
        except FileNotFoundError:
            # one of them has gone meanwhile
            continue
        except (OSError, RuntimeError) as error:
            raise TreadleError(
                f"changes cannot be watched: {error}",
                facts=[f"{len(there)} folders to watch"],
                hint="raise fs.inotify.max_user_watches and max_user_instances, or set WATCHFILES_FORCE_POLLING=1",
            ) from error


def _inodes(folders: Iterable[str]) -> list[tuple[str, int, int]]:
    found = []
    for folder in folders:
        try:
            status = os.stat(folder)
        except OSError:
            continue
        found.append((folder, status.st_dev, status.st_ino))
    return found


class DeclaredInputs:
    """The paths that a plan depends on, as absolute paths.

    :param root: the root of the plan
    :param outputs: the outputs of all its actions
    :param files: the files
    :param trees: the folders that count with all that is in them -> the patterns of what does not, by each reader
    :param listed: the folders that globs list
    :param discovering: uid -> Command, of the actions that discover inputs
    """

    def __init__(
        self,
        root: str,
        outputs: OutputIndex,
        files: Iterable[str] = (),
        trees: Mapping[str, Collection[tuple[str, ...]]] | None = None,
        listed: Iterable[str] = (),
        discovering: Mapping[str, Command] | None = None,
    ) -> None:
        self.root = root
        self.files = set(files)
        self.trees = dict(trees or {})
        self.listed = set(listed)
        self._outputs = outputs
        self._discovering = discovering or {}

    @classmethod
    def of(cls, plan: Project, uids: Iterable[str]) -> Self:
        """Return what some actions of a plan depend on, and the plan itself."""
        commands = {uid: plan.actions[uid].command for uid in uids}
        outputs = OutputIndex(
            (_full(plan.root, path), uid) for uid, one in plan.actions.items() for path in one.command.outputs
        )
        declared = {path for command in commands.values() if not command.once for path in command.inputs}
        full_paths = {_full(plan.root, path) for path in declared}
        # what is in an output folder is an output too
        inputs = {full for full in full_paths if full not in outputs and not outputs.around(full)}
        inputs.update(_full(plan.root, path) for command in commands.values() for path in command.edits)
        trees: dict[str, set[tuple[str, ...]]] = {path: set() for path in inputs if path.endswith("/")}
        for command in commands.values():
            for path in command.inputs if not command.once else ():
                if (full := _full(plan.root, path)) in trees:
                    trees[full].add(tuple(command.exclude.get(path, ())))
        return cls(
            plan.root,
            outputs,
            {
                *(path for path in inputs if not path.endswith("/")),
                *(path for path in (*plan.looks.read, plan.file) if path not in outputs),
            },
            trees,
            plan.looks.listed,
            {uid: command for uid, command in commands.items() if command.discovery is not None},
        )

    def add_discovered(self) -> None:
        """Add the discovered inputs, as the records have them."""
        if not self._discovering:
            return
        store = Store(self.root)
        store.load()
        found = {
            self._full(path)
            for uid, command in self._discovering.items()
            for path in discovered_on_record(store, uid, command)
        }
        self.files.update(path for path in found if not self.is_output(path))

    def stamps(self) -> Stamps:
        """Return the stamps of all files, and of the files in each tree."""
        files = {path: {path: stamp(path)} for path in self.files}
        return files | {tree: self._inside(tree) for tree in self.trees}

    def moved_since(self, before: Stamps) -> list[str]:
        """Return the files whose stamps differ, of those that had one."""
        moved = []
        for path in before.keys() & (self.files | self.trees.keys()):
            then, now = before[path], {path: stamp(path)} if path in self.files else self._inside(path)
            moved += [one for one in then.keys() | now.keys() if then.get(one) != now.get(one)]
        return moved

    def changed_since(self, began: int, stamps: Stamps) -> list[str]:
        """Return what has changed since a time, of the files that have no stamp yet, and add their stamps.

        :param began: in nanoseconds since the epoch
        """
        new = {path: {path: stamp(path)} for path in self.files - stamps.keys()}
        new |= {tree: self._inside(tree) for tree in self.trees.keys() - stamps.keys()}
        stamps.update(new)
        seen = [row for rows in new.values() for row in rows.items()]
        return [path for path, now in seen if now is not None and now[0] >= began]

    def _inside(self, tree: str) -> dict[str, Stamp | None]:
        return {path: stamp(path) for _, files in self._walk(tree) for path in files if not self.is_output(path)}

    def _walk(self, tree: str) -> Iterator[tuple[str, list[str]]]:
        """Yield each folder of a tree that counts for one of its readers, with the files in it that do."""
        for folder, below, names in os.walk(tree):
            inner = os.path.join(folder, "")
            below[:] = [name for name in below if self._counts(tree, f"{inner}{name}/")]
            yield folder, [inner + name for name in names if self._counts(tree, inner + name)]

    def _counts(self, tree: str, path: str) -> bool:
        """Return whether a path in a tree counts for one of its readers, as far as names say it."""
        is_folder = path.endswith("/")
        if is_litter(os.path.basename(path.rstrip("/")), is_folder):
            return False
        name = path[len(tree) :]
        return any(not exclude or not exclusion(exclude).covers(name) for exclude in self.trees[tree])

    def stamps_of_load(self, plan: Project, before: Stamp | None) -> Stamps:
        """Return the stamps as of now; those of the files of the plan as of its load.

        :param before: that of the file of the plan
        """
        read = {path: status for path, (status, _) in plan.looks.read.items() if path in self.files}
        stamps = {path: stamp_of(status) if status is not None else None for path, status in read.items()}
        stamps[plan.file] = before
        return self.stamps() | {path: {path: then} for path, then in stamps.items()}

    def folders_moved_since(self, plan: Project) -> set[str]:
        """Return the folders that have changed since a glob of the plan looked into them."""
        moved = set()
        for folder, (status, _) in plan.looks.listed.items():
            if stamp(folder) != (stamp_of(status) if status is not None else None):
                moved.add(os.path.join(folder, ""))
        return moved

    def names_of_load(self, plan: Project) -> dict[str, set[str]]:
        """Return the names in each folder that a glob has listed, if the glob has surely seen the same names."""
        found = {}
        for folder, (status, seen_at) in plan.looks.listed.items():
            names = self._names_in(folder)
            is_sure = status is not None and status.st_mtime_ns < seen_at - QUIET * 1e9
            if is_sure and status is not None and stamp(folder) == stamp_of(status):
                found[folder] = names
        return found

    def names_listed(self, plan: Project) -> dict[str, set[str]]:
        """Return the names in each folder that a glob has listed, as of now."""
        return {folder: self._names_in(folder) for folder in plan.looks.listed}

    def come_or_gone(self, folder: str, before: Mapping[str, set[str]]) -> list[str]:
        """Return the paths in a folder that were added or removed.

        :param folder: with a trailing `/`
        :param before: folder -> the names that were in it
        """
        path = folder.rstrip("/")
        names = before.get(path)
        return [os.path.join(path, name) for name in names ^ self._names_in(path)] if names is not None else []

    def _names_in(self, folder: str) -> set[str]:
        try:
            names = set(os.listdir(folder)) - {STATE_FOLDER}
        except OSError:
            return set()
        paths = {name: os.path.join(folder, name) for name in names}
        return {
            name for name, path in paths.items() if path not in self._outputs and f"{path}/" not in self._outputs
        }

    def is_output(self, path: str) -> bool:
        """Return whether a path is an output, or is in one."""
        return path in self._outputs or bool(self._outputs.around(os.path.join(path, "x")))

    def others(self, paths: Iterable[str]) -> list[str]:
        """Return the paths that runs do not write: no outputs, no folders around them, nothing of the state.

        Backup and swap files of editors are left out too, unless the plan reads them by name or by a glob.
        """
        return [
            path
            for path in paths
            if path not in self._around
            and not self.is_output(path)
            and (self.holds(path) or not self._is_excluded(path))
        ]

    @cached_property
    def _around(self) -> set[str]:
        """The folders of the root around outputs, and the state folder; needed after each save of an editor."""
        around = {self._full(STATE_FOLDER)}
        for path in self._outputs:
            folder = os.path.dirname(path.rstrip("/"))
            while folder not in around and len(folder) > len(self.root):
                around.add(folder)
                folder = os.path.dirname(folder)
        return around

    def has_only_made_in(self, folder: str, before: Mapping[str, set[str]]) -> bool:
        """Return whether only outputs have changed in a folder, as far as a glob can see.

        :param folder: with a trailing `/`
        :param before: folder -> the names in it when the plan was loaded
        """
        path = folder.rstrip("/")
        return path in before and folder not in self.trees and before[path] == self._names_in(path)

    def holds(self, path: str) -> bool:
        """Return whether a path that has changed is an input, and no output."""
        if path in self.files:
            return True
        if self.is_output(path):
            return False
        if os.path.dirname(path) in self.listed:
            return True
        return any(path.startswith(tree) and self._is_in(tree, path) for tree in self.trees)

    def entries(self, folder: str) -> frozenset[tuple[str, int]] | None:
        """Return name and inode of what counts in a folder of a tree; None if it is in no tree.

        :param folder: with a trailing `/`
        """
        around = [tree for tree in self.trees if folder.startswith(tree)]
        if not around:
            return None
        found = set()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    path = f"{entry.path}/" if entry.is_dir() else entry.path
                    if any(self._counts(tree, path) for tree in around):
                        found.add((entry.name, entry.inode()))
        except OSError:
            return None
        return frozenset(found)

    def _is_in(self, tree: str, path: str) -> bool:
        """Return whether a path in a tree is part of it; a folder may have no `/` at its end."""
        names = path[len(tree) :].rstrip("/").split("/")
        if any(is_litter(name, True) for name in names[:-1]):
            return False
        return self._counts(tree, os.path.join(path, "") if os.path.isdir(path) else path.rstrip("/"))

    def _is_excluded(self, path: str) -> bool:
        """Return whether a path is left out of all trees that it is in, or is litter."""
        around = [tree for tree in self.trees if path.startswith(tree)]
        return is_litter(os.path.basename(path), False) or (
            bool(around) and not any(self._is_in(tree, path) for tree in around)
        )

    def _some(self, files: Iterable[str] = (), trees: Iterable[str] = ()) -> DeclaredInputs:
        return DeclaredInputs(self.root, self._outputs, files, {tree: self.trees[tree] for tree in trees})

    def of_dirty(self, probed: ProbeResult) -> DeclaredInputs:
        """Return the inputs of the dirty actions: the next snapshot may not hold them."""
        paths, rows = probed.snapshot.paths(), probed.snapshot.item_rows()
        read = {self._full(os.fsdecode(paths[row])) for number in probed.items for row in rows[number]}
        trees = (tree for tree in self.trees if any(path.startswith(tree) for path in read))
        return self._some(self.files & read, trees)

    def without(self, probed: ProbeResult) -> DeclaredInputs:
        """Return the inputs that a snapshot does not hold: those of actions that the walk did not reach."""
        snapshot = probed.snapshot
        if not is_incomplete(probed):
            return self._some()
        paths, kinds = snapshot.paths(), snapshot.section(probe.KINDS)
        used = set(snapshot.item_rows().flat)
        known = {
            self._full(os.fsdecode(path))
            for row, path in enumerate(paths)
            if row in used or kinds[row] == probe.WATCHED
        }
        return self._some(self.files - known, self.trees.keys() - known)

    def folders(self) -> set[str]:
        """Return the folders to watch."""
        found = {os.path.dirname(path) for path in self.files} | self.listed
        for tree in self.trees:
            found.update(folder for folder, _ in self._walk(tree))
            found.add(os.path.dirname(tree.rstrip("/")))
        return _with_above(found, self.root)

    def _full(self, path: str) -> str:
        return _full(self.root, path)


def _full(root: str, path: str) -> str:
    """Return a path of a plan as an absolute path."""
    return os.path.join(root, "" if path == "./" else path)


def is_incomplete(probed: ProbeResult) -> bool:
    """Return whether a snapshot has actions without a record, so that it does not hold all their inputs."""
    return NEVER in probed.snapshot.column(OFFSETS)


def stamp(path: str) -> Stamp | None:
    """Return the stamp of a path, None if it does not exist."""
    try:
        return stamp_of(os.stat(path))
    except OSError:
        return None


def folders_of(probed: ProbeResult, root: str) -> set[str]:
    """Return the folders to watch for the inputs in a snapshot."""
    paths, kinds = probed.snapshot.paths(), probed.snapshot.section(probe.KINDS)
    found = set()
    for row, raw in enumerate(paths):
        if kinds[row] == probe.MADE:
            continue
        path = _full(root, os.fsdecode(raw))
        if path.endswith("/"):
            found.add(path.rstrip("/"))
        elif os.path.islink(path):
            found.add(os.path.dirname(os.path.realpath(path)))
        found.add(os.path.dirname(path.rstrip("/")))
    return _with_above(found, root)


def _with_above(folders: Iterable[str], root: str) -> set[str]:
    """Return the existing folders, or the nearest existing ones above, with all between them and the root."""
    found: set[str] = set()
    inside = os.path.join(root, "")
    state = os.path.join(root, STATE_FOLDER)
    for folder in folders:
        while folder not in found and folder != os.path.dirname(folder) and not folder.startswith(state):
            is_there = os.path.isdir(folder)
            if is_there:
                found.add(folder)
            if is_there and not folder.startswith(inside):
                break
            folder = os.path.dirname(folder)
    return found


class TreeFolders:
    """What counts in the folders of trees, as they were when the last walk listed them.

    A name that does not count moves the stamp of its folder too. That is no reason for a round.
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, frozenset[tuple[str, int]]]] = {}
        self._mark: tuple[bytes, bytes] | None = None

    def note(self, probed: ProbeResult, root: str, declared: DeclaredInputs) -> None:
        """Note what is in the folders that have not moved since the snapshot was made."""
        snapshot = probed.snapshot
        mark = (snapshot.section(probe.PATHS), snapshot.section(probe.CTIMES))
        if mark == self._mark:
            return
        self._mark = mark
        kinds, moved = snapshot.section(probe.KINDS), set(probed.moved)
        known, self._entries = self._entries, {}
        for row, (raw, ctime) in enumerate(zip(snapshot.paths(), snapshot.column(probe.CTIMES), strict=True)):
            if kinds[row] != probe.READ or not raw.endswith(b"/"):
                continue
            path = _full(root, os.fsdecode(raw))
            before = known.get(path)
            if before is not None and before[0] == ctime:
                self._entries[path] = before
            elif row not in moved and (entries := declared.entries(path)) is not None and _ctime(path) == ctime:
                self._entries[path] = (ctime, entries)

    def are_as_they_were(self, probed: ProbeResult, root: str, declared: DeclaredInputs) -> set[str]:
        """Return the folders that have moved, and in which the same names count."""
        snapshot, found = probed.snapshot, set()
        paths, ctimes = snapshot.paths(), snapshot.column(probe.CTIMES)
        for row in probed.moved:
            path = _full(root, os.fsdecode(paths[row]))
            known = self._entries.get(path)
            if known is not None and known[0] == ctimes[row] and declared.entries(path) == known[1]:
                found.add(path)
        return found


def _ctime(path: str) -> int | None:
    now = stamp(path)
    return now[0] if now is not None else None


def moved_paths(probed: ProbeResult, root: str) -> list[str]:
    """Return the inputs and files of the plan that have changed, without outputs."""
    kinds, paths = probed.snapshot.section(probe.KINDS), probed.snapshot.paths()
    rows = [row for row in probed.moved if kinds[row] != probe.MADE]
    if any(kinds[row] == probe.READ for row in rows):
        # a row that no action uses any more does not count
        held = set(probed.snapshot.item_rows().flat)
        rows = [row for row in rows if kinds[row] == probe.WATCHED or row in held]
    return [_full(root, os.fsdecode(paths[row])) for row in rows]


def names_of(moved: Iterable[str], reported: Iterable[str], root: str) -> list[str]:
    """Return the names of what has changed: for a folder the paths in it that events have reported.

    :param reported: the paths of events
    """
    reported = set(reported)
    found: dict[str, None] = {}
    for path in moved:
        inside = [one for one in reported if os.path.dirname(one) == path.rstrip("/")] if path.endswith("/") else []
        for one in inside or [path]:
            found[one.removeprefix(os.path.join(root, "")) or "./"] = None
    files = [name for name in found if not name.endswith("/")]
    return sorted(files or found)
