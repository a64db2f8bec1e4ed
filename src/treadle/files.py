"""What files hold: each is looked at once and hashed at most once in a run. It knows no actions and no records.

A stamp is (ctime, inode, size): ctime cannot be set back, so an equal stamp means equal content, unless the file
was changed within the clock's grain of the look. Such a stamp is not sure, and the next look reads again.
"""

from __future__ import annotations

import os
import stat
from time import time_ns

from .digests import ABSENT, describe_file, describe_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    Stamp = tuple[int, int, int]

GRAIN = 20_000_000
"""Nanoseconds in which a kernel may give two changes one time; its clock ticks every 10 ms at the slowest."""
COARSE_GRAIN = 2_100_000_000
"""The same for file systems that keep whole seconds, or every second one."""


class Seen:
    """What one look at a path has found.

    :param value: what it holds, as `digests` describes it
    :param stamps: path -> stamp of each file that was looked at, with its modification time
    :param sure: whether equal stamps at a later look will mean equal content
    """

    __slots__ = ("folders", "stamps", "sure", "value")

    def __init__(self, value: str, stamps: dict[str, tuple[Stamp, int]], sure: bool) -> None:
        self.value = value
        self.stamps = stamps
        self.sure = sure
        self.folders: dict[str, tuple[Stamp, bool]] = {}
        """Of a tree: each folder in it, with its stamp just before it was listed, and whether that is sure."""


class Files:
    """The files of one root, for the time of one run.

    :param root: the folder that relative paths are relative to
    :param known: path -> (stamp, value) from former runs; what is in there was sure
    """

    def __init__(self, root: str, known: Mapping[str, tuple[Stamp, str]] | None = None) -> None:
        self.root = root
        self.hashed = 0
        """How many files have been read."""
        self.learned: dict[str, tuple[Stamp, str]] = {}
        """What was read and is sure: worth to be known in the next run."""
        self.clock = time_ns
        self._known = known or {}
        self._seen: dict[str, Seen] = {}
        self._trees: set[str] = set()

    def see(self, path: str) -> Seen:
        """Return what `path` held when it was first looked at in this run; a trailing `/` means the whole tree.

        :raises TreadleError: it cannot be read
        """
        seen = self._seen.get(path)
        if seen is None:
            seen = self._seen[path] = self._look(path)
        return seen

    def see_again(self, path: str) -> Seen:
        """Look once more: what has another stamp, or one that is not sure, is read again."""
        before = self._seen.get(path)
        if before is not None and before.sure and not path.endswith("/"):
            status = _stat(self._full(path))
            if status is not None and before.stamps.get(path) == (stamp_of(status), status.st_mtime_ns):
                return before
        seen = self._seen[path] = self._look(path)
        return seen

    def forget(self, paths: Collection[str]) -> None:
        """Forget what was seen of `paths`, around them and in them: they have been written."""
        for path in paths:
            self._seen.pop(path, None)
            if path.endswith("/"):
                for inside in [p for p in self._seen if p.startswith(path)]:
                    del self._seen[inside]
        for tree in list(self._trees):
            if any(path.startswith(tree) for path in paths):
                self._trees.discard(tree)
                self._seen.pop(tree, None)

    def exists(self, path: str) -> bool:
        """Return whether there is a file, or a folder if `path` ends in `/`, now."""
        status = _stat(self._full(path))
        return status is not None and stat.S_ISDIR(status.st_mode) == path.endswith("/")

    def _full(self, path: str) -> str:
        return os.path.join(self.root, path)

    def _look(self, path: str) -> Seen:
        if path.endswith("/"):
            return self._look_at_tree(path)
        status = _stat(self._full(path))
        if status is None:
            return Seen(ABSENT, {}, sure=False)
        stamps: dict[str, tuple[Stamp, int]] = {}
        value, sure = self._value(path, status, stamps)
        return Seen(value, stamps, sure)

    def _look_at_tree(self, path: str) -> Seen:
        self._trees.add(path)
        full = self._full(path)
        stamps: dict[str, tuple[Stamp, int]] = {}
        all_sure = True

        def file_value(file: str, status: os.stat_result) -> str:
            nonlocal all_sure
            value, sure = self._value(path + file[len(full) :].lstrip("/"), status, stamps)
            all_sure = all_sure and sure
            return value

        folders = self._folders(path)
        seen = Seen(describe_tree(full, file_value), stamps, all_sure)
        seen.folders = folders
        return seen

    def _folders(self, top: str) -> dict[str, tuple[Stamp, bool]]:
        """Look at all folders of a tree: what is added to one of them later gives it another stamp."""
        found: dict[str, tuple[Stamp, bool]] = {}
        todo = [top]
        while todo:
            path = todo.pop()
            now = self.clock()
            status = _stat(self._full(path))
            if status is None or not stat.S_ISDIR(status.st_mode):
                continue
            found[path] = (stamp_of(status), is_sure(status, now))
            try:
                with os.scandir(self._full(path)) as entries:
                    todo += [f"{path}{entry.name}/" for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                found[path] = (stamp_of(status), False)
        return found

    def _value(self, path: str, status: os.stat_result, stamps: dict[str, tuple[Stamp, int]]) -> tuple[str, bool]:
        """Return what one file holds, and whether its stamp is sure; from what is known, if the stamp is."""
        stamp = stamp_of(status)
        stamps[path] = (stamp, status.st_mtime_ns)
        known = self._known.get(path)
        if known is not None and known[0] == stamp:
            return known[1], True
        learned = self.learned.get(path)
        if learned is not None and learned[0] == stamp:
            return learned[1], True
        return self._read(path, status, stamp)

    def _read(self, path: str, status: os.stat_result, stamp: Stamp) -> tuple[str, bool]:
        now = self.clock()
        value = describe_file(self._full(path))
        self.hashed += 1
        after = _stat(self._full(path))
        sure = is_sure(status, now) and after is not None and stamp_of(after) == stamp
        if sure:
            self.learned[path] = (stamp, value)
        return value, sure


def stamp_of(status: os.stat_result) -> Stamp:
    """Return the stamp of a file."""
    return (status.st_ctime_ns, status.st_ino, status.st_size)


def is_sure(status: os.stat_result, now: int) -> bool:
    """Return whether a change after `now` (nanoseconds) is bound to give the file another stamp."""
    changed = status.st_ctime_ns
    grain = GRAIN if changed % 1_000_000_000 else COARSE_GRAIN
    return changed + grain < now


def moved(before: Seen, after: Seen) -> bool:
    """Return whether a path may have had other content for a while between two looks.

    A new ctime alone is not enough: whoever links to a file or sets its mode changes that too. So either what
    it holds has changed, or it was written to.
    """
    if before.value != after.value:
        return True
    return any(
        path in before.stamps and before.stamps[path][1] != mtime for path, (_, mtime) in after.stamps.items()
    )


def _stat(full: str) -> os.stat_result | None:
    try:
        return os.stat(full)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        from .errors import TreadleError

        raise TreadleError(f"{full} cannot be looked at: {error.strerror}") from error
