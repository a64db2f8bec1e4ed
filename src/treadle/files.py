"""What files hold: each is looked at once and hashed at most once in a run. It knows no actions and no records.

A stamp is (ctime, inode, size): ctime cannot be set back, so an equal stamp means equal content, unless the file
was changed within the clock's grain of the look. Such a stamp is not sure, and the next look reads again.
"""

from __future__ import annotations

import os
from time import time_ns

from .digests import ABSENT, FOLDER, describe, describe_tree, walk_tree
from .grain import NO_DEVICE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    Stamp = tuple[int, int, int]

GRAIN = 20_000_000
"""Nanoseconds in which a kernel may give two changes one time; its clock ticks every 10 ms at the slowest."""
COARSE_GRAIN = 2_100_000_000
"""The same for file systems that keep whole seconds, or every second one."""


class Look:
    """How one file was when it was looked at."""

    __slots__ = ("links", "mode", "mtime", "stamp")

    def __init__(self, status: os.stat_result, stamp: Stamp) -> None:
        self.stamp = stamp
        self.mtime = status.st_mtime_ns
        self.links = status.st_nlink
        self.mode = status.st_mode

    def has_moved(self, after: Look) -> bool:
        """Return whether the file may have held something else between this look and a later one.

        Whoever links to a file or sets its mode moves its ctime, and has not written to it. Any other move of the
        stamp counts, also where the content is the same in the end: it may have been another one in between.
        """
        if self.stamp == after.stamp:
            return False
        if self.mtime != after.mtime or self.stamp[1:] != after.stamp[1:]:
            return True
        return self.links == after.links and self.mode == after.mode


class Seen:
    """What one look at a path has found.

    :param value: what it holds, as `digests` describes it
    :param looks: path -> look, of each file that was looked at
    :param sure: whether equal stamps at a later look will mean equal content
    """

    __slots__ = ("folders", "looks", "sure", "value")

    def __init__(self, value: str, looks: dict[str, Look], sure: bool) -> None:
        self.value = value
        self.looks = looks
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
        self._inside = os.path.join(root, "")
        self.hashed = 0
        """How many files have been read."""
        self.learned: dict[str, tuple[Stamp, str]] = {}
        """What was read and is sure: worth to be known in the next run."""
        self.clock = time_ns
        self.fine_device = NO_DEVICE
        """A device whose stamps are fine, see `grain`."""
        self._sure_device = NO_DEVICE
        self._known = known or {}
        self._seen: dict[tuple[str, bool], Seen] = {}
        self._trees: set[tuple[str, bool]] = set()

    def see(self, path: str, made: bool = False) -> Seen:
        """Return what `path` held when it was first looked at in this run; a trailing `/` means the whole tree.

        :param made: whether it is looked at as an output: links in a tree count by their text then
        :raises TreadleError: it cannot be read
        """
        seen = self._seen.get((path, made))
        if seen is None:
            seen = self._seen[path, made] = self._look(path, made)
        return seen

    def see_again(self, path: str, made: bool = False) -> Seen:
        """Look once more: what has another stamp, or one that is not sure, is read again."""
        if path.endswith("/"):
            seen = self._seen[path, made] = self._look_at_tree(path, made)
            return seen
        key = (path, made)
        before = self._seen.get(key)
        status = _stat(path if path.startswith("/") else self._inside + path)
        if before is not None and before.sure and status is not None:
            look = before.looks.get(path)
            if look is not None and look.stamp == (status.st_ctime_ns, status.st_ino, status.st_size):
                return before
        seen = self._seen[key] = self._look_at_file(path, status)
        return seen

    def see_made(self, path: str) -> Seen:
        """Look at an output whose maker has ended, once more.

        Nobody is in the middle of a write to it, which moves the stamp once, before all is there: so where stamps
        are fine, this one is sure at once.
        """
        self._sure_device = self.fine_device
        try:
            return self.see_again(path, made=True)
        finally:
            self._sure_device = NO_DEVICE

    def has_met(self, path: str) -> bool:
        """Return whether something was there at an earlier look, of this run or of a former one."""
        seen = self._seen.get((path, False)) or self._seen.get((path, True))
        return seen.value != ABSENT if seen is not None else path in self._known

    def forget(self, paths: Collection[str]) -> None:
        """Forget what was seen of `paths`, around them and in them: they have been written."""
        for path in paths:
            for made in (False, True):
                self._seen.pop((path, made), None)
            if path.endswith("/"):
                for inside in [key for key in self._seen if key[0].startswith(path)]:
                    del self._seen[inside]
        for tree in list(self._trees):
            if tree[0] == "./" or any(path.startswith(tree[0]) for path in paths):
                self._trees.discard(tree)
                self._seen.pop(tree, None)

    def _full(self, path: str) -> str:
        return path if path.startswith("/") else self._inside + path

    def _look(self, path: str, made: bool) -> Seen:
        if path.endswith("/"):
            return self._look_at_tree(path, made)
        return self._look_at_file(path, _stat(self._full(path)))

    def _look_at_file(self, path: str, status: os.stat_result | None) -> Seen:
        if status is None:
            return Seen(ABSENT, {}, sure=False)
        looks: dict[str, Look] = {}
        value, sure = self._value(path, status, looks)
        return Seen(value, looks, sure)

    def _look_at_tree(self, path: str, made: bool) -> Seen:
        self._trees.add((path, made))
        full = self._full(path)
        looks: dict[str, Look] = {}
        all_sure = True

        def file_value(file: str, status: os.stat_result) -> str:
            nonlocal all_sure
            value, sure = self._value(path + file[len(full) :].lstrip("/"), status, looks)
            all_sure = all_sure and sure
            return value

        folders = self._folders(path, follow=not made)
        seen = Seen(describe_tree(full, file_value, follow=not made), looks, all_sure)
        seen.folders = folders
        return seen

    def _folders(self, top: str, follow: bool) -> dict[str, tuple[Stamp, bool]]:
        """Look at all folders of a tree: what is added to one of them later gives it another stamp."""
        found: dict[str, tuple[Stamp, bool]] = {}
        full = self._full(top)
        if not os.path.isdir(full):
            return found
        found[top] = self._folder(full)
        for name, entry, kind in walk_tree(full, follow=follow):
            if kind == FOLDER:
                found[f"{top}{name}/"] = self._folder(entry.path)
        return found

    def _folder(self, full: str) -> tuple[Stamp, bool]:
        now = self.clock()
        status = _stat(full)
        if status is None:
            return (-1, -1, -1), False
        return stamp_of(status), is_sure(status, now, self._sure_device)

    def _value(self, path: str, status: os.stat_result, looks: dict[str, Look]) -> tuple[str, bool]:
        """Return what one file holds, and whether its stamp is sure; from what is known, if the stamp is."""
        stamp = stamp_of(status)
        looks[path] = Look(status, stamp)
        known = self._known.get(path)
        if known is not None and known[0] == stamp:
            return known[1], True
        learned = self.learned.get(path)
        if learned is not None and learned[0] == stamp:
            return learned[1], True
        return self._read(path, status, stamp)

    def _read(self, path: str, status: os.stat_result, stamp: Stamp) -> tuple[str, bool]:
        """Read a file that was just looked at.

        Its stamp is that of what was opened. What is written to it from then on gives it another one, so that the
        next look reads again: nobody has to look after the reading.
        """
        now = self.clock()
        value, read = describe(self._full(path), status)
        self.hashed += 1
        sure = is_sure(status, now, self._sure_device) and read is not None and stamp_of(read) == stamp
        if sure:
            self.learned[path] = (stamp, value)
        return value, sure


def stamp_of(status: os.stat_result) -> Stamp:
    """Return the stamp of a file."""
    return (status.st_ctime_ns, status.st_ino, status.st_size)


def is_sure(status: os.stat_result, now: int, sure_device: int = NO_DEVICE) -> bool:
    """Return whether a change after `now` (nanoseconds) is bound to give the file another stamp.

    :param sure_device: a device on which every change is, also one that follows at once
    """
    if status.st_dev == sure_device:
        return True
    changed = status.st_ctime_ns
    grain = GRAIN if changed % 1_000_000_000 else COARSE_GRAIN
    return changed + grain < now


def moved(before: Seen, after: Seen) -> bool:
    """Return whether a path may have held something else for a while between two looks."""
    if before.value != after.value:
        return True
    return any(path in before.looks and before.looks[path].has_moved(look) for path, look in after.looks.items())


def _stat(full: str) -> os.stat_result | None:
    try:
        return os.stat(full)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        from .errors import TreadleError

        raise TreadleError(f"{full} cannot be looked at: {error.strerror}") from error
