"""What files hold: each is looked at once and hashed at most once in a run. It knows no actions and no records.

A stamp is (ctime, inode on this file system, size): ctime cannot be set back, so an equal stamp means equal
content, unless the file was changed within the granularity of its clock. Such a stamp is not sure, and the next
look reads again. `timestamps` says which file system a file is on, how fine its clock is, and how far it lags.
"""

from __future__ import annotations

import os
from stat import S_ISDIR, S_ISLNK
from time import time_ns

from xxhash import xxh3_128_hexdigest

from treadle.content.timestamps import FileSystems

from .digests import ABSENT, PRESENT, SUCCESS, describe, describe_tree, look_at
from .timestamps import NO_DEVICE, Clocks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    Stamp = tuple[int, int, int]

GRANULARITY = 20_000_000
"""Nanoseconds in which a kernel may give two changes one time; its clock ticks every 10 ms at the slowest."""
COARSE_GRANULARITY = 2_100_000_000
"""The same for file systems that keep whole seconds, or every second one."""


class Look:
    """How one file was when it was looked at.

    :param value: what it held, as `digests` describes it; "" if only its stamp counts
    :param sure: whether an equal stamp at a later look will mean equal content
    :param lag: nanoseconds by which the clock that has stamped it may be late
    """

    __slots__ = ("lag", "links", "mode", "mtime", "stamp", "sure", "value")

    def __init__(
        self, status: os.stat_result, stamp: Stamp, value: str = "", *, sure: bool = False, lag: int = 0
    ) -> None:
        self.stamp = stamp
        self.mtime = status.st_mtime_ns
        self.links = status.st_nlink
        self.mode = status.st_mode
        self.value = value
        self.sure = sure
        self.lag = lag

    def has_moved(self, after: Look) -> bool:
        """Return whether the file may have held something else between this look and a later one.

        A new link to a file or another mode moves its ctime without a write. Any other move of the
        stamp counts, also where the content is the same in the end: it may have been another one in between.
        """
        if self.stamp == after.stamp:
            return False
        if self.mtime != after.mtime or self.stamp[1:] != after.stamp[1:]:
            return True
        return self.links == after.links and self.mode == after.mode

    def was_renamed(self, after: Look) -> bool:
        """Return whether something else may have been at the place of this folder or link for a while.

        Names that come and go in a folder move its mtime, and its ctime to the same time. Its own name, when it
        goes and comes back, moves the ctime alone. A link cannot be written to: it moves when it is another one.
        """
        if self.stamp[1] != after.stamp[1]:
            return True
        if self.stamp[0] == after.stamp[0] or self.mode != after.mode:
            return False
        if S_ISLNK(self.mode):
            return self.links == after.links
        return self.mtime == after.mtime or after.stamp[0] > after.mtime

    def may_be_renamed_since(self, since: int) -> bool:
        """Return whether something else may have been at the place of this folder or link since a time.

        The same as `was_renamed`, where nothing is known of how it was: so a new mode or hard link counts too.

        :param since: nanoseconds since the epoch
        """
        return self.stamp[0] >= since and (S_ISLNK(self.mode) or self.stamp[0] > self.mtime)


class FolderLook(Look):
    """How a folder of a tree was just before it was listed.

    :param left_out: the inodes of what is in it and is no part of the tree
    """

    __slots__ = ("left_out",)

    def __init__(
        self, status: os.stat_result, stamp: Stamp, left_out: Sequence[int], *, sure: bool, lag: int
    ) -> None:
        super().__init__(status, stamp, sure=sure, lag=lag)
        self.left_out = left_out

    def has_moved(self, after: Look) -> bool:
        """Return whether a name may have come and gone in it, or it itself.

        What an interpreter keeps next to the sources that it reads comes when it first reads them: that is no name
        of the tree, and explains that the folder has moved.
        """
        if self.was_renamed(after):
            return True
        return self.mtime != after.mtime and self.left_out == getattr(after, "left_out", ())


class Seen:
    """What one look at a path has found.

    :param value: what it holds, as `digests` describes it
    :param looks: path -> look, of each file that was looked at
    :param sure: whether equal stamps at a later look will mean equal content
    :param is_link: whether the path itself is a link
    :param folders: of a tree, each folder in it, as it was just before it was listed
    :param links: of a tree, what each link in it goes through, see `Ways`
    :param strays: of a tree, each link in it that led nowhere (None), or to a folder that is seen by another name
    """

    __slots__ = ("folders", "is_link", "links", "looks", "strays", "sure", "value")

    def __init__(
        self,
        value: str,
        looks: dict[str, Look],
        *,
        sure: bool,
        is_link: bool = False,
        folders: dict[str, FolderLook] | None = None,
        links: dict[str, Look] | None = None,
        strays: dict[str, FolderLook | None] | None = None,
    ) -> None:
        self.value = value
        self.looks = looks
        self.sure = sure
        self.is_link = is_link
        self.folders = folders or {}
        self.links = links or {}
        self.strays = strays or {}


class Ways:
    """What leads to some paths: the folders around them, below the root, and the links on the way.

    :param are_links: path -> whether it is itself a link; of a tree that is seen here
    """

    __slots__ = ("are_links", "looks", "root")

    def __init__(self, root: str, are_links: Mapping[str, bool]) -> None:
        self.root = root
        self.are_links = dict(are_links)
        self.looks = _ways(root, self.are_links)

    def moved(self) -> list[str]:
        """Look once more; return the paths where something else may have been for a while."""
        if self._are_as_before():
            return []
        gone = _renamed(self.looks, _ways(self.root, self.are_links))
        return [
            path
            for path, is_link in self.are_links.items()
            if not gone.isdisjoint([*_ways(self.root, {path: is_link}), *_texts_around(path)])
        ]

    def _are_as_before(self) -> bool:
        """Return whether each folder and link is what it was: then they lead the same ways."""
        for at, look in self.looks.items():
            status = look_at(at if at.startswith("/") else f"{self.root}/{at}", follow=False)
            if status is None or look.was_renamed(Look(status, stamp_of(status))):
                return False
        return True

    def moved_since(self, since: int) -> list[str]:
        """Return the paths where something else may have been for a while since a time (nanoseconds)."""
        gone = {place for place, look in self.looks.items() if look.may_be_renamed_since(since)}
        if not gone:
            return []
        return [
            path
            for path, is_link in self.are_links.items()
            if not gone.isdisjoint(_ways(self.root, {path: is_link}))
        ]


class Files:
    """The files of one root, for the time of one run.

    :param root: the folder that relative paths are relative to
    :param known: path -> (stamp, value) from earlier runs; all of it was sure
    :param fine_device: a device whose stamps are fine, see `timestamps.fine_device`
    :param clocks: the clocks of file systems, as far as they are known
    :param is_stop_requested: called while a large file is read: whether to give up
    """

    def __init__(
        self,
        root: str,
        known: Mapping[str, tuple[Stamp, str]] | None = None,
        *,
        fine_device: int = NO_DEVICE,
        clocks: Clocks | None = None,
        is_stop_requested: Callable[[], bool] | None = None,
    ) -> None:
        self.root = root
        self._inside = os.path.join(root, "")
        self.hashed = 0
        """How many files have been read."""
        self.learned: dict[str, tuple[Stamp, str]] = {}
        """What was read and is sure: worth to be known in the next run."""
        self.stand_ins: Mapping[str, str] = {}
        """Folder -> the file that represents it and all in it for readers."""
        self.clock = time_ns
        self.is_stop_requested = is_stop_requested
        self.fine_device = fine_device
        self.clocks = Clocks() if clocks is None else clocks
        self.systems = FileSystems(root)
        self._sure_device = NO_DEVICE
        self._known = known or {}
        self._seen: dict[tuple[str, bool, Sequence[str]], Seen] = {}
        self._trees: set[tuple[str, bool, Sequence[str]]] = set()

    def see(self, path: str, made: bool = False, exclude: Sequence[str] = ()) -> Seen:
        """Return what `path` held when it was first looked at in this run; a trailing `/` means the whole tree.

        :param made: whether it is looked at as an output: links in a tree count by their text then
        :param exclude: patterns of what does not count in a tree, as a tuple, see `core.patterns`
        :raises TreadleError: it cannot be read
        """
        if self.stand_ins and not made and (other := self._stand_in(path)):
            return self._see_success(path, other, again=False)
        key = (path, made, exclude)
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = self._look(path, made, exclude)
        return seen

    def foresee(self, path: str, value: str) -> None:
        """Take a file for one that will hold something else once it is read."""
        self._seen[path, False, ()] = Seen(value, {}, sure=False)

    def see_again(self, path: str, made: bool = False, exclude: Sequence[str] = ()) -> Seen:
        """Look once more: what has another stamp, or one that is not sure, is read again."""
        if self.stand_ins and not made and (other := self._stand_in(path)):
            return self._see_success(path, other, again=True)
        key = (path, made, exclude)
        if path.endswith("/"):
            seen = self._seen[key] = self._look_at_tree(path, made, exclude)
            return seen
        before = self._seen.get(key)
        full = path if path.startswith("/") else self._inside + path
        status = look_at(full, follow=False)
        is_link = status is not None and S_ISLNK(status.st_mode)
        if is_link:
            status = look_at(full)
        if before is not None and before.sure and status is not None and before.is_link == is_link:
            look = before.looks.get(path)
            if look is not None and look.stamp == self.systems.stamp(status, full):
                return before
        seen = self._seen[key] = self._look_at_file(path, status, is_link)
        return seen

    def see_names(self, folder: str, names: Collection[str] | None = None) -> Seen:
        """Look at a folder that is judged by presence: by which run it is from, and by names at its top level.

        :param names: names that have to be there; None for any that are
        """
        full = self._full(folder)
        now = self.clock()
        status = look_at(full)
        if status is None or not S_ISDIR(status.st_mode):
            return Seen(ABSENT, {}, sure=False)
        there = sorted(os.listdir(full))
        is_there = bool(there) if names is None else bool(names) and set(names) <= set(there)
        look = self._folder_look(status, full, now)
        run = self.see_again(self.stand_ins[folder])
        # another state has noted that it makes the folder: whichever run that is, it is another one
        by = os.urandom(8).hex() if run.value == ABSENT else run.value.rpartition(" ")[2]
        place, top = os.path.realpath(full), os.path.join(os.path.realpath(self.root), "")
        if place != top + folder.rstrip("/"):
            # a link that leads elsewhere since: the run has made another folder
            by += f"@{xxh3_128_hexdigest(os.fsencode(place.removeprefix(top)))}"
        value = f"{PRESENT}{by} {'/'.join(there if names is None else sorted(names))}"
        sure = look.sure and run.sure
        return Seen(value if is_there else ABSENT, run.looks, sure=sure, folders={folder: look})

    def _folder_look(self, status: os.stat_result, full: str, now: int) -> FolderLook:
        lag = self.clocks.lag(status, full)
        sure = is_sure(status, now, self._sure_device, lag)
        return FolderLook(status, self.systems.stamp(status, full), (), sure=sure, lag=lag)

    def _stand_in(self, path: str) -> str:
        return next((other for folder, other in self.stand_ins.items() if path.startswith(folder)), "")

    def _see_success(self, path: str, other: str, *, again: bool) -> Seen:
        """Return a look at something in the output of a success: that it is there, and which success it was.

        :param other: the file that represents the success
        """
        now = self.clock()
        full = self._full(path)
        status = look_at(full)
        if status is None:
            return Seen(ABSENT, {}, sure=False, strays={path: None})
        success = self.see_again(other) if again else self.see(other)
        found = success.value.rpartition(" ")[2]
        strays: dict[str, FolderLook | None] = {path: self._folder_look(status, full, now)}
        if success.value == ABSENT:
            strays[other] = None
        return Seen(SUCCESS + found, success.looks, sure=success.sure, strays=strays)

    def ways(self, seen: Mapping[str, Seen], others: Iterable[str] = ()) -> Ways:
        """Look at what leads to some paths.

        :param seen: path -> what was seen of it
        :param others: further paths, of which only what is around them counts
        """
        are_links = dict.fromkeys(others, False)
        are_links.update((path, one.is_link) for path, one in seen.items())
        return Ways(self.root, are_links)

    def see_made(self, path: str, exclude: Sequence[str] = ()) -> Seen:
        """Look at an output whose producer has ended, once more.

        No process is in the middle of a write to it, which moves the stamp once, before all is there. So if stamps
        are fine, this one is sure at once.
        """
        self._sure_device = self.fine_device
        try:
            return self.see_again(path, made=True, exclude=exclude)
        finally:
            self._sure_device = NO_DEVICE

    def has_met(self, path: str) -> bool:
        """Return whether something was there at an earlier look, of this run or of an earlier one."""
        seen = self._seen.get((path, False, ())) or self._seen.get((path, True, ()))
        return seen.value != ABSENT if seen is not None else path in self._known

    def forget(self, paths: Collection[str]) -> None:
        """Forget what was seen of `paths`, around them and in them: they have been written."""
        # what has written them may have mounted something
        self.systems.forget()
        for path in paths:
            for made in (False, True):
                self._seen.pop((path, made, ()), None)
            if path.endswith("/"):
                for inside in [key for key in self._seen if key[0].startswith(path)]:
                    del self._seen[inside]
        for tree in list(self._trees):
            if tree[0] == "./" or any(path.startswith(tree[0]) for path in paths):
                self._trees.discard(tree)
                self._seen.pop(tree, None)

    def _full(self, path: str) -> str:
        return path if path.startswith("/") else self._inside + path

    def _status(self, path: str) -> tuple[os.stat_result | None, bool]:
        """Return how a file is, with links followed, and whether it is itself a link."""
        full = path if path.startswith("/") else self._inside + path
        status = look_at(full, follow=False)
        if status is not None and S_ISLNK(status.st_mode):
            return look_at(full), True
        return status, False

    def _look(self, path: str, made: bool, exclude: Sequence[str]) -> Seen:
        if path.endswith("/"):
            return self._look_at_tree(path, made, exclude)
        return self._look_at_file(path, *self._status(path))

    def _look_at_file(self, path: str, status: os.stat_result | None, is_link: bool) -> Seen:
        if status is None:
            return Seen(ABSENT, {}, sure=False, is_link=is_link)
        look = self._look_in(path, status)
        return Seen(look.value, {path: look}, sure=look.sure, is_link=is_link)

    def _look_at_tree(self, path: str, made: bool, exclude: Sequence[str]) -> Seen:
        self._trees.add((path, made, exclude))
        full = self._full(path)
        now = self.clock()
        looks: dict[str, Look] = {}
        folders: dict[str, FolderLook] = {}
        links: list[str] = []

        def file_value(file: str, status: os.stat_result) -> str:
            name = path + file[len(full) :]
            look = looks[name] = self._look_in(name, status)
            return look.value

        def on_folder(name: str, status: os.stat_result, left_out: Sequence[int]) -> None:
            folder = full + name
            lag = self.clocks.lag(status, folder)
            sure = is_sure(status, now, self._sure_device, lag)
            stamp = self.systems.stamp(status, folder)
            folders[path + name] = FolderLook(status, stamp, left_out, sure=sure, lag=lag)

        is_excluded = None
        if exclude:
            from treadle.core.patterns import exclusion

            is_excluded = exclusion(tuple(exclude))
        value = describe_tree(
            *(full, file_value), follow=not made, on_folder=on_folder, on_link=links.append, is_excluded=is_excluded
        )
        followed: dict[str, Look] = {}
        for link in links:
            _follow(link, followed)
        strays = self._strays({path + link[len(full) :]: link for link in links}, looks, folders)
        sure = all(look.sure for look in looks.values())
        return Seen(value, looks, sure=sure, folders=folders, links=followed, strays=strays)

    def _strays(
        self, links: Mapping[str, str], looks: Mapping[str, Look], folders: Mapping[str, FolderLook]
    ) -> dict[str, FolderLook | None]:
        """Return the links of a tree whose targets were not looked at: these may come to be, or be replaced.

        One that leads to a folder around it counts by its text, and is none of them.

        :param links: name -> full path
        """
        by_inode = {look.stamp[1]: look for look in folders.values()} if links else {}
        found: dict[str, FolderLook | None] = {}
        for name, full in links.items():
            if name not in looks and f"{name}/" not in folders:
                status = look_at(full)
                if status is None:
                    found[name] = None
                elif (inode := self.systems.stamp(status, full)[1]) in by_inode:
                    found[name] = by_inode[inode]
        return found

    def _look_in(self, path: str, status: os.stat_result) -> Look:
        """Return a look at one file with what it holds: from what is known, if its stamp is."""
        full = self._full(path)
        stamp = self.systems.stamp(status, full)
        lag = self.clocks.lag(status, full)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self.learned.get(path)
        if known is not None and known[0] == stamp:
            value, sure = known[1], True
        else:
            value, sure = self._read(path, status, stamp, lag)
        return Look(status, stamp, value, sure=sure, lag=lag)

    def _read(self, path: str, status: os.stat_result, stamp: Stamp, lag: int) -> tuple[str, bool]:
        """Read a file that was just looked at.

        Its stamp is that of what was opened. What is written to it from then on gives it another one, so that the
        next look reads again: no look is needed after the reading.
        """
        now = self.clock()
        full = self._full(path)
        value, read = describe(full, status, self.is_stop_requested)
        self.hashed += 1
        sure = is_sure(status, now, self._sure_device, lag)
        sure = sure and read is not None and self.systems.stamp(read, full) == stamp
        if sure:
            self.learned[path] = (stamp, value)
        return value, sure


def stamp_of(status: os.stat_result) -> Stamp:
    """Return the stamp of a file for as long as nothing is mounted in its place: none that is worth remembering."""
    return (status.st_ctime_ns, status.st_ino, status.st_size)


def is_sure(status: os.stat_result, now: int, sure_device: int = NO_DEVICE, lag: int = 0) -> bool:
    """Return whether a change after `now` (nanoseconds) is bound to give the file another stamp.

    A stamp of the future is never sure: that clock is ahead of ours, or ours was set back.

    :param sure_device: a device on which every change is, also one that follows at once
    :param lag: how far the clock of the file system may be late, see `Clocks`
    """
    if status.st_dev == sure_device:
        return True
    changed = status.st_ctime_ns
    granularity = GRANULARITY if changed % 1_000_000_000 else COARSE_GRANULARITY
    return changed + granularity < now - lag


def moved(before: Seen, after: Seen, own: str = "") -> bool:
    """Return whether a path may have held something else for a while between two looks.

    So it is if its content is another one, if one of its files was written to, if a name came or went in one of
    its folders, and if a folder or a link of it was another one for a while.

    :param own: a file that the action itself writes anew, "" for none: in a tree it counts by its content alone
    """
    if before.value != after.value:
        return True
    around = f"{own.rpartition('/')[0]}/"
    for looks, later in ((before.looks, after.looks), (before.folders, after.folders)):
        if any(
            path in looks and looks[path].has_moved(look)
            for path, look in later.items()
            if not own or path.removeprefix("./") not in (own, around.removeprefix("/"))
        ):
            return True
    return bool(_renamed(before.links, after.links))


def differing(before: Seen, after: Seen) -> list[str]:
    """Return the paths in a tree that may have held something else for a while between two looks, sorted.

    A folder is one of them if a name came and went in it, and nothing else in it shows that.
    """
    files = _differing(before.looks, after.looks)
    folders = _differing(before.folders, after.folders)
    # what came or went in a folder has moved it
    folders = [path for path in folders if not any(one != path and one.startswith(path) for one in files + folders)]
    return sorted([*files, *folders])


def _differing(before: Mapping[str, Look], after: Mapping[str, Look]) -> list[str]:
    moved = [path for path, look in after.items() if path in before and before[path].has_moved(look)]
    return [*moved, *(before.keys() ^ after.keys())]


_MOST_LINKS = 40
"""Links that a path may go through, as for the system."""


def _ways(root: str, are_links: Mapping[str, bool]) -> dict[str, Look]:
    """Return a look at each folder and link that leads to some paths; a tree leads to what is in it."""
    found: dict[str, Look] = {}
    for path, is_link in are_links.items():
        bare = path.rstrip("/")
        if is_link:
            _follow(os.path.join(root, bare), found)
        at = bare if path.endswith("/") else bare.rpartition("/")[0]
        while at and at not in found:
            full = at if at.startswith("/") else f"{root}/{at}"
            status = look_at(full, follow=False)
            if status is None:
                break
            found[at] = Look(status, stamp_of(status))
            if S_ISLNK(status.st_mode):
                _follow(full, found)
            at = at.rpartition("/")[0]
    return found


def _follow(full: str, found: dict[str, Look]) -> None:
    """Look at all that a path with followed links goes through, from the root of the system on."""
    at, links = "", 0
    todo = full.split("/")[::-1]
    while todo:
        name = todo.pop()
        if name in ("", "."):
            continue
        if name == "..":
            at = at.rpartition("/")[0]
            continue
        here = f"{at}/{name}"
        status = look_at(here, follow=False)
        if status is None or not (S_ISLNK(status.st_mode) or S_ISDIR(status.st_mode)):
            # a file at the end is looked at for itself
            return
        found[here] = Look(status, stamp_of(status))
        if not S_ISLNK(status.st_mode):
            at = here
            continue
        links += 1
        try:
            text = os.readlink(here)
        except OSError:
            # it is another one by now, which the next look sees
            return
        if links > _MOST_LINKS:
            return
        if text.startswith("/"):
            at = ""
        todo += text.split("/")[::-1]


def _renamed(before: Mapping[str, Look], after: Mapping[str, Look]) -> set[str]:
    """Return what was another one for a while, or is gone."""
    return {path for path, look in before.items() if path not in after or look.was_renamed(after[path])}


def _texts_around(path: str) -> list[str]:
    """Return the folders around a path, as text: one of them may be gone."""
    found, at = [], path.rfind("/")
    while at > 0:
        found.append(path[:at])
        at = path.rfind("/", 0, at)
    return found
