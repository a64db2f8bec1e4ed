"""What a watched plan stands in: the folders to hear of, and which paths are its own. It runs nothing.

The library that is told of changes by the system is loaded here alone.
"""

from __future__ import annotations

import os
from functools import cached_property

from treadle.command.discovered import discovered_on_record
from treadle.content.digests import is_of_an_editor
from treadle.content.files import stamp_of
from treadle.content.trust import STATE_FOLDER
from treadle.errors import TreadleError, UsageError
from treadle.fastpath import probe
from treadle.fastpath.probe import NEVER, OFFSETS
from treadle.state.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from watchfiles._rust_notify import RustNotify

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
"""Milliseconds between two fingerprinter whether there was a change: the library cannot be waited for."""
_AT_ONCE_MS = 1
_POLL_DELAY_MS = 300


class Ears:
    """Hears of changes in some folders, also while it is not asked.

    :param folders: those to hear of, without what is below them
    :param deep: whether what is below them counts too
    :param stop: its `is_set` says whether to wait no longer
    """

    def __init__(self, folders: Iterable[str], *, deep: bool = False, stop: StopRequests | None = None) -> None:
        self.folders = sorted(folders)
        self.deep = deep
        self.stop = stop
        self.inodes = _inodes(self.folders)
        self._notify = _notify(self.folders, deep)

    def wait(self, seconds: float | None) -> set[str]:
        """Return the next paths that have changed, none if nothing changes for so long, or if it is to stop.

        :param seconds: None to wait as long as it takes
        """
        timeout = 0 if seconds is None else max(_AT_ONCE_MS, round(seconds * 1000))
        step = _STEP_MS if seconds is None else min(_STEP_MS, timeout)
        while True:
            heard = self._notify.watch(step, step, timeout, self.stop)
            if heard == "signal":
                # the library has swallowed what a signal handler has raised
                raise KeyboardInterrupt
            if heard in ("timeout", "stop"):
                return set()
            if not isinstance(heard, str):
                return {path for _, path in heard}

    def heard(self) -> set[str]:
        """Return the paths that have changed since it was asked last."""
        return self.wait(0.0)

    def are_for(self, folders: Iterable[str], *, deep: bool) -> bool:
        """Return whether these are the folders that it hears of, and still the same ones."""
        return deep == self.deep and _inodes(sorted(folders)) == self.inodes

    def close(self) -> None:
        """Hear no more."""
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
                f"the system does not tell of changes: {error}",
                facts=[f"{len(there)} folders are to be watched"],
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


class Declared:
    """The paths that a plan depends on, as it says itself.

    :param plan: the plan
    :param uids: the actions that are watched
    """

    def __init__(self, plan: Project, uids: Collection[str]) -> None:
        self.root = plan.root
        commands = [plan.actions[uid].command for uid in uids]
        made = {path for action in plan.actions.values() for path in action.command.outputs}
        inputs = {path for command in commands if not command.once for path in command.inputs} - made
        inputs.update(path for command in commands for path in command.edits)
        self.files = {self._full(path) for path in inputs if not path.endswith("/")}
        self.trees = {self._full(path) for path in inputs if path.endswith("/")}
        self.files.update({*plan.looks.read, plan.file} - {self._full(path) for path in made})
        self.listed = set(plan.looks.listed)
        self._made = {self._full(path) for path in made}
        self._made_trees = tuple(path for path in self._made if path.endswith("/"))
        self._discovering = {
            uid: plan.actions[uid].command for uid in uids if plan.actions[uid].command.discovery is not None
        }

    def find(self) -> None:
        """Take in what actions were found to read, as their records say."""
        if not self._discovering:
            return
        store = Store(self.root)
        store.load()
        found = {
            self._full(path)
            for uid, command in self._discovering.items()
            for path in discovered_on_record(store, uid, command)
        }
        self.files.update(path for path in found if not self.is_made(path))

    def stamps(self) -> Stamps:
        """Return how each file that is read is now, and all that lie in a tree."""
        files = {path: {path: stamp(path)} for path in self.files}
        return files | {tree: self._inside(tree) for tree in self.trees}

    def moved_since(self, before: Stamps) -> list[str]:
        """Return the files that are not as they were; those of which that is not known are left out."""
        moved = []
        for path in before.keys() & (self.files | self.trees):
            then, now = before[path], {path: stamp(path)} if path in self.files else self._inside(path)
            moved += [one for one in then.keys() | now.keys() if then.get(one) != now.get(one)]
        return moved

    def changed_since(self, began: int, stamps: Stamps) -> list[str]:
        """Return what has changed since a time, of what has no stamp yet; from now on it has one.

        :param began: in nanoseconds since the epoch
        """
        new = {path: {path: stamp(path)} for path in self.files - stamps.keys()}
        new |= {tree: self._inside(tree) for tree in self.trees - stamps.keys()}
        stamps.update(new)
        seen = [row for rows in new.values() for row in rows.items()]
        return [path for path, now in seen if now is not None and now[0] >= began]

    def _inside(self, tree: str) -> dict[str, Stamp | None]:
        paths = (os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names)
        return {
            path: stamp(path)
            for path in paths
            if not self.is_made(path) and not is_of_an_editor(os.path.basename(path))
        }

    def stamps_of_load(self, plan: Project, before: Stamp | None) -> Stamps:
        """Return the stamps now, and of what the plan is made of those from before it was read.

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
        """Return the names in each folder that a glob of the plan looked into, if it has surely seen the same."""
        found = {}
        for folder, (status, seen_at) in plan.looks.listed.items():
            names = self._names_in(folder)
            is_sure = status is not None and status.st_mtime_ns < seen_at - QUIET * 1e9
            if is_sure and status is not None and stamp(folder) == stamp_of(status):
                found[folder] = names
        return found

    def names_listed(self, plan: Project) -> dict[str, set[str]]:
        """Return the names in each folder that a glob of the plan looked into, as they are now."""
        return {folder: self._names_in(folder) for folder in plan.looks.listed}

    def come_or_gone(self, folder: str, before: Mapping[str, set[str]]) -> list[str]:
        """Return the paths in a folder that are new or gone.

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
        return {name for name, path in paths.items() if path not in self._made and f"{path}/" not in self._made}

    def is_made(self, path: str) -> bool:
        """Return whether a path is what an action makes, or lies in it."""
        return path in self._made or os.path.join(path, "").startswith(self._made_trees)

    def others(self, paths: Iterable[str]) -> list[str]:
        """Return those paths that no run makes: no outputs, no folders around them, nothing of the state.

        What editors keep beside a file is not among them either, unless the plan reads it by its name or by a glob.
        """
        return [
            path
            for path in paths
            if path not in self._around
            and not self.is_made(path)
            and (self.holds(path) or not is_of_an_editor(os.path.basename(path)))
        ]

    @cached_property
    def _around(self) -> set[str]:
        """The folders of the root around what is made, and that of the state: each save asks for them."""
        around = {self._full(STATE_FOLDER)}
        for path in self._made:
            folder = os.path.dirname(path.rstrip("/"))
            while folder not in around and len(folder) > len(self.root):
                around.add(folder)
                folder = os.path.dirname(folder)
        return around

    def has_only_made_in(self, folder: str, before: Mapping[str, set[str]]) -> bool:
        """Return whether nothing has changed in a folder but what actions make, as far as a glob can see.

        :param folder: with a trailing `/`
        :param before: what stood in it when the plan was loaded
        """
        path = folder.rstrip("/")
        return path in before and folder not in self.trees and before[path] == self._names_in(path)

    def holds(self, path: str) -> bool:
        """Return whether a path that has changed is one of them, and nothing that an action makes."""
        if path in self.files:
            return True
        if self.is_made(path):
            return False
        if os.path.dirname(path) in self.listed:
            return True
        return path.startswith(tuple(self.trees)) and not is_of_an_editor(os.path.basename(path))

    def _nothing(self) -> Declared:
        """Return none of them, for some to be put in."""
        part = Declared.__new__(Declared)
        part.root, part.listed, part._made, part._made_trees = self.root, set(), self._made, self._made_trees
        part.files, part.trees, part._discovering = set(), set(), {}
        return part

    def doubted(self, answer: ProbeResult) -> Declared:
        """Return what the doubtful actions read: of others the next snapshot tells nothing."""
        part = self._nothing()
        paths, rows = answer.snapshot.paths(), answer.snapshot.item_rows()
        read = {self._full(os.fsdecode(paths[row])) for number in answer.items for row in rows[number]}
        part.files = self.files & read
        part.trees = {tree for tree in self.trees if any(path.startswith(tree) for path in read)}
        return part

    def without(self, answer: ProbeResult) -> Declared:
        """Return those among them that a snapshot does not tell of: of actions that the walk has not come to."""
        rest = self._nothing()
        snapshot = answer.snapshot
        if has_untold(answer):
            paths, kinds = snapshot.paths(), snapshot.section(probe.KINDS)
            held = set(snapshot.item_rows().flat)
            told = {
                self._full(os.fsdecode(path))
                for row, path in enumerate(paths)
                if row in held or kinds[row] == probe.WATCHED
            }
            rest.files, rest.trees = self.files - told, self.trees - told
        return rest

    def folders(self) -> set[str]:
        """Return the folders to hear of."""
        found = {os.path.dirname(path) for path in self.files} | self.listed
        for tree in self.trees:
            found.update(folder for folder, _, _ in os.walk(tree))
            found.add(os.path.dirname(tree.rstrip("/")))
        return _with_above(found, self.root)

    def _full(self, path: str) -> str:
        return _full(self.root, path)


def _full(root: str, path: str) -> str:
    """Return a path of a plan as the system tells of it."""
    return os.path.join(root, "" if path == "./" else path)


def has_untold(answer: ProbeResult) -> bool:
    """Return whether a snapshot has actions of which it does not know all that they read."""
    return NEVER in answer.snapshot.column(OFFSETS)


def stamp(path: str) -> Stamp | None:
    """Return the stamp of a path, None if it is not there."""
    try:
        return stamp_of(os.stat(path))
    except OSError:
        return None


def folders_of(answer: ProbeResult, root: str) -> set[str]:
    """Return the folders to hear of for what a snapshot tells of."""
    paths, kinds = answer.snapshot.paths(), answer.snapshot.section(probe.KINDS)
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
    """Return folders that are there, or the nearest ones above, with all that lie between them and the root."""
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


def moved_paths(answer: ProbeResult, root: str) -> list[str]:
    """Return the inputs that have moved, and what the plan depends on; nothing that an action has made."""
    kinds, paths = answer.snapshot.section(probe.KINDS), answer.snapshot.paths()
    rows = [row for row in answer.moved if kinds[row] != probe.MADE]
    if any(kinds[row] == probe.READ for row in rows):
        # what no action names any more moves nothing
        held = set(answer.snapshot.item_rows().flat)
        rows = [row for row in rows if kinds[row] == probe.WATCHED or row in held]
    return [_full(root, os.fsdecode(paths[row])) for row in rows]


def names_of(moved: Iterable[str], heard: Iterable[str], root: str) -> list[str]:
    """Return what has changed, for people: of a folder what was heard of in it, of all else its path."""
    heard = set(heard)
    found: dict[str, None] = {}
    for path in moved:
        inside = [one for one in heard if os.path.dirname(one) == path.rstrip("/")] if path.endswith("/") else []
        for one in inside or [path]:
            found[one.removeprefix(os.path.join(root, "")) or "./"] = None
    files = [name for name in found if not name.endswith("/")]
    return sorted(files or found)
