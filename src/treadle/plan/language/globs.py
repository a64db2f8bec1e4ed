"""Globs: which files a pattern matches. The only module of the language that lists folders.

`*` and `?` match no `/`; `**` matches folders at any depth and follows no links. None matches a hidden name.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from time import time_ns

from treadle.content.digests import is_gone, is_litter
from treadle.content.links import Links
from treadle.core.paths import below, normalise
from treadle.core.patterns import check_names, exclusion, name_regex, path_regex

from .templates import MAGIC

MAX_LOOKED_AT = 5_000_000
TAKEN, UNREADABLE = -1, -2
HIDDEN = "hidden"
"""The kind of a path that cannot be looked at."""
MANY = 32
MAX_LISTED = 4096
"""A folder in which MANY paths were looked at is listed, up to so many names: that is cheaper than more looks."""


class Disk:
    """Looks at the disk for the plan loader, and notes what it looked at; tests replace it.

    :ivar listed: absolute folder -> its status, and the time (nanoseconds), just before it was first listed
    :ivar read: absolute path of a file -> the same, just before it was first read
    :ivar unreadable: absolute path that a glob has met and could not read -> why
    :ivar links: path of a link that a path of the plan leads through -> its target
    """

    __slots__ = (
        *("_entries", "_inside", "_kinds", "_links", "_listed_kinds", "_looks_in", "_met", "_trails"),
        *("links", "listed", "read", "root", "unreadable"),
    )

    def __init__(self, root: str) -> None:
        self.root = root
        self.listed: dict[str, tuple[os.stat_result | None, int]] = {}
        self.read: dict[str, tuple[os.stat_result | None, int]] = {}
        self.unreadable: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self._met: set[str] = set()
        """Absolute paths of links that were met."""
        self._kinds: dict[str, str] = {}
        self._looks_in: dict[str, int] = {}
        """Absolute folder -> how many paths in it were looked at."""
        self._listed_kinds: dict[str, str] = {}
        """Absolute path -> its kind, of folders that were listed."""
        self._links: Links | None = None
        self._trails: dict[str, tuple[str, ...]] = {}
        self._entries: dict[str, tuple[list[str], list[str]]] = {}
        """A folder of a tree -> the links in it, and the folders."""
        self._inside: dict[tuple[str, tuple[str, ...]], list[str]] = {}

    def note(self, file: str) -> None:
        """Note the status of a file that is about to be read: its content is part of the plan."""
        if file not in self.read:
            self.read[file] = (_status(file), time_ns())

    def folders(self) -> list[str]:
        """Return the paths that were looked at and are folders."""
        return [path for path, kind in self._kinds.items() if kind == "folder"]

    def is_link(self, path: str) -> bool:
        """Whether a path was looked at, or matched by a glob, and is itself a link."""
        return bool(self._met) and self.full(path) in self._met

    def note_links(self, paths: Iterable[str]) -> None:
        """Note the targets of links: with other targets, they lead to outputs of other actions."""
        for path in paths:
            try:
                self.links[path] = os.readlink(self.full(path))
            except OSError:
                self.links[path] = ""

    def trail(self, path: str) -> tuple[str, ...]:
        """Return the links that a path leads through and its name without them; their targets are noted."""
        trail = self._trails.get(path)
        if trail is None:
            if self._links is None:
                self._links = Links(self.root)
            trail = self._trails[path] = self._links.trail(path)
            self.note_links(trail[:-1])
        return trail

    def named(self, path: str) -> str:
        """Return the normalised path of a path in a command: `..` after a link is kept."""
        if self._links is None:
            self._links = Links(self.root)
        return self._links.named(path)

    def links_among(self, folders: Iterable[str]) -> set[str]:
        """Return which of some folders (`a/`) are links; a folder with many of them is listed."""
        around: dict[str, list[str]] = {}
        for folder in folders:
            around.setdefault(folder[: folder.rfind("/", 0, -1) + 1], []).append(folder)
        found: set[str] = set()
        for outer, inner in around.items():
            if len(inner) < MANY:
                found.update(folder for folder in inner if os.path.islink(self.full(folder).rstrip("/")))
                continue
            with suppress(OSError), os.scandir(self.full(outer)) as entries:
                found.update([f"{outer}{entry.name}/" for entry in entries if entry.is_symlink()])
        return found.intersection(folders)

    def links_in(self, tree: str, is_made: Callable[[str], bool], exclude: tuple[str, ...] = ()) -> list[str]:
        """Return the links in a folder (`a/`) and in the folders that they lead to.

        :param is_made: whether an action makes a link: such links are skipped, as their target is not known yet
        :param exclude: patterns of what does not count in the folder
        """
        found = self._inside.get((tree, exclude))
        if found is not None:
            return found
        found = self._inside[tree, exclude] = []
        is_excluded = exclusion(exclude)
        top = self.trail(tree)[-1]
        seen, todo = {top}, [(top, "")]
        while todo:
            outer, below = todo.pop()
            links, folders = self._entries_of(outer)
            links = [link for link in links if not is_made(link)]
            if exclude:
                links = [link for link in links if not is_excluded(below + _own_name(link), False)]
            found += links
            inner = [(folder, below + _own_name(folder)) for folder in folders]
            inner += [(self.trail(f"{link}/")[-1], below + _own_name(link)) for link in links]
            for folder, name in inner:
                # a link to a folder above the tree counts by its text
                if folder in seen or top.startswith(folder) or folder == "./" or is_excluded(name, True):
                    continue
                seen.add(folder)
                todo.append((folder, f"{name}/"))
        return found

    def _entries_of(self, folder: str) -> tuple[list[str], list[str]]:
        known = self._entries.get(folder)
        if known is None:
            links, folders = known = self._entries[folder] = ([], [])
            prefix = folder.removeprefix("./")
            with suppress(OSError, ValueError), os.scandir(self.full(folder)) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        links.append(prefix + entry.name)
                    elif entry.is_dir(follow_symlinks=False) and not is_litter(entry.name, True):
                        folders.append(f"{prefix}{entry.name}/")
        return known

    def full(self, path: str) -> str:
        """Return the absolute path of a normalised one."""
        return path if path.startswith("/") else f"{self.root}/{path}"

    def kind(self, path: str) -> str:
        """Return `file`, `folder` or "" for a normalised path, looked at once; links are followed."""
        known = self._kinds.get(path)
        if known is None:
            known = self._kinds[path] = self._look(path)
        return known

    def _look(self, path: str) -> str:
        path = path.rstrip("/") or "/"
        full = self.full(path)
        folder = full[: full.rfind("/") + 1]
        looks = self._looks_in[folder] = self._looks_in.get(folder, 0) + 1
        if looks == MANY:
            self._list(folder)
        seen = self._listed_kinds.get(full)
        if seen is not None:
            return seen
        try:
            mode = os.lstat(full).st_mode
            if stat.S_ISLNK(mode):
                self._met.add(full)
                self.note_links([path])
                mode = os.stat(full).st_mode
        except (OSError, ValueError):
            return ""
        return "folder" if stat.S_ISDIR(mode) else "file"

    def _list(self, folder: str) -> None:
        """Note the kinds of the names in a folder, except links."""
        try:
            with os.scandir(folder) as entries:
                for entry in islice(entries, MAX_LISTED):
                    if not entry.is_symlink():
                        self._listed_kinds[entry.path] = "folder" if entry.is_dir(follow_symlinks=False) else "file"
        except (OSError, ValueError):
            return

    def names(self, folder: str) -> list[tuple[str, str, bool]]:
        """Return (name, kind, whether it is a link) of the names in an absolute folder; [] if it does not exist.

        The kind is `file`, `folder`, "" for anything else, or HIDDEN if it cannot be looked at. A folder that
        cannot be listed is noted in `unreadable`.
        """
        found: list[tuple[str, str, bool]] = []
        if folder not in self.listed:
            self.listed[folder] = (_status(folder), time_ns())
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    is_link = entry.is_symlink()
                    seen = (_status(entry.path), time_ns()) if is_link else None
                    if is_link:
                        self._met.add(entry.path)
                    kind = self._kind_of(entry)
                    if seen is not None and kind != "file":
                        # its target may become a file without a change of this folder
                        self.read[entry.path] = seen
                    found.append((entry.name, kind, is_link))
        except OSError as error:
            if not is_gone(error):
                self.unreadable[folder] = error.strerror or str(error)
            return []
        except ValueError:
            return []
        return found

    def _kind_of(self, entry: os.DirEntry[str]) -> str:
        try:
            return "folder" if entry.is_dir() else "file" if entry.is_file() else ""
        except OSError as error:
            if is_gone(error):
                return ""
            self.unreadable[entry.path] = error.strerror or str(error)
            return HIDDEN


def _own_name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _status(folder: str) -> os.stat_result | None:
    try:
        return os.stat(folder)
    except (OSError, ValueError):
        return None


@dataclass(slots=True, frozen=True, eq=False)
class Pattern:
    """A glob in its parts.

    :param base: the normalised folder before the first name with a special character, `.` for the root
    :param names: the remaining names
    """

    base: str
    names: tuple[str, ...]
    regex: re.Pattern[str]

    def matches(self, path: str) -> bool:
        """Whether it matches a normalised path."""
        return self.regex.fullmatch(path) is not None


class Globs:
    """Evaluates the patterns of one file, each once.

    :param folder: what patterns are relative to, relative to the root; "" for the root itself
    """

    __slots__ = ("_matches", "_unreadable", "disk", "folder")

    def __init__(self, disk: Disk, folder: str = "") -> None:
        self.disk = disk
        self.folder = folder
        self._matches: dict[str, list[str]] = {}
        self._unreadable: dict[str, dict[str, str]] = {}

    def parse(self, text: str) -> Pattern:
        """Return a pattern.

        :raises ValueError: it is not valid
        """
        return _parse(text, self.disk.root, self.folder)

    def files(self, text: str) -> list[str]:
        """Return the normalised paths of the existing files that match, by bytes."""
        known = self._matches.get(text)
        if known is None:
            unreadable: dict[str, str] = {}
            known = self._matches[text] = sorted(_walk(self.parse(text), self.disk, unreadable), key=os.fsencode)
            if unreadable:
                self._unreadable[text] = unreadable
        return known

    def unreadable(self, text: str) -> Mapping[str, str]:
        """Return the paths that a pattern could not look into or at -> why. A folder ends with `/`."""
        self.files(text)
        return self._unreadable.get(text, {})


@lru_cache(maxsize=4096)
def _parse(text: str, root: str, folder: str) -> Pattern:
    if text.endswith("/"):
        raise ValueError("a glob matches files, but this one ends with /")
    names = [name for name in text.split("/") if name not in ("", ".")]
    fixed: list[str] = []
    while len(names) > 1 and not MAGIC.search(names[0]):
        fixed.append(names.pop(0))
    if not names:
        raise ValueError("it names no file")
    if ".." in names:
        raise ValueError(".. can only be before the first special character and before a name")
    names = check_names(names)
    start = "/" if text.startswith("/") else f"{folder}/" if folder else ""
    base = normalise(start + "/".join(fixed) or ".", root).rstrip("/") or "/"
    prefix = "" if base == "." else base.rstrip("/") + "/"
    regex = re.escape(prefix) + path_regex(names)
    try:
        return Pattern(base, tuple(names), re.compile(regex, re.DOTALL))
    except re.error as error:
        raise ValueError(f"a bad [ ] in it: {error}") from None


def _walk(pattern: Pattern, disk: Disk, unreadable: dict[str, str]) -> set[str]:
    """Return the files that a pattern matches, with one stack of (folder, names still to match).

    :param unreadable: filled with the paths that could not be looked into or at, see `Globs.unreadable`
    """
    base = pattern.base
    full = disk.root if base == "." else disk.full(base)
    found: set[str] = set()
    seen: set[tuple[str, int]] = set()
    looked_at = 0
    stack = [(full, 0)]
    while stack:
        state = stack.pop()
        if state in seen:
            continue
        seen.add(state)
        for path, index in _step(pattern, disk, *state):
            looked_at += 1
            if looked_at > MAX_LOOKED_AT:
                raise ValueError(f"it visits more than {MAX_LOOKED_AT:,} files and folders")
            if index == TAKEN:
                found.add(below(path, disk.root))
            elif index == UNREADABLE:
                bare = path.rstrip("/") or "/"
                unreadable[below(bare, disk.root) + path[len(bare) :]] = disk.unreadable[bare]
            else:
                stack.append((path, index))
    return found


def _step(pattern: Pattern, disk: Disk, folder: str, index: int) -> Iterator[tuple[str, int]]:
    """Yield the results of one folder: matches (TAKEN), UNREADABLE paths, folders with the index to go on with."""
    names = pattern.names
    name = names[index]
    last = index == len(names) - 1
    deep = name == "**"
    if deep and not last:
        yield folder, index + 1
    if not deep and not last and not MAGIC.search(name):
        yield _join(folder, name), index + 1
        return
    regex = re.compile(r"(?!\.).+" if deep else name_regex(name), re.DOTALL)
    entries = disk.names(folder)
    if folder in disk.unreadable:
        yield os.path.join(folder, ""), UNREADABLE
    for entry, kind, is_link in entries:
        if not regex.fullmatch(entry):
            continue
        if kind == "file" and last:
            yield _join(folder, entry), TAKEN
        elif kind == HIDDEN and (last or not (deep and is_link)):
            yield _join(folder, entry), UNREADABLE
        elif kind == "folder" and deep and not is_link:
            yield _join(folder, entry), index
        elif kind == "folder" and not deep and not last:
            yield _join(folder, entry), index + 1


def _join(folder: str, name: str) -> str:
    return folder + name if folder.endswith("/") else f"{folder}/{name}"
