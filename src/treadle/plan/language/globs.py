"""Globs: which files a pattern takes. The only module of the language that walks over folders.

`*` and `?` take no `/`, `**` takes folders at any depth and follows no links; none of them takes a hidden name.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from time import time_ns

from treadle.content.digests import is_gone, is_left_out
from treadle.content.links import Links
from treadle.core.paths import below, normalise

from .templates import MAGIC

MAX_DEEP = 4
MAX_LOOKED_AT = 5_000_000
TAKEN, UNREAD = -1, -2
HIDDEN = "hidden"
"""The kind of what cannot be looked at."""
MANY = 32
MAX_LISTED = 4096
"""A folder that MANY files were asked of is listed, up to so many names: that is cheaper than one look each."""


class Disk:
    """What the language asks of the disk; tests put another in its place."""

    __slots__ = (
        *("_asked", "_entries", "_inside", "_kinds", "_links", "_met", "_seen", "_trails"),
        *("links", "listed", "read", "root", "unread"),
    )

    def __init__(self, root: str) -> None:
        self.root = root
        self.listed: dict[str, tuple[os.stat_result | None, int]] = {}
        """Absolute folder -> how it was, and when (nanoseconds), just before it was first listed."""
        self.read: dict[str, tuple[os.stat_result | None, int]] = {}
        """Absolute path of a file -> the same, just before it was first read."""
        self.unread: dict[str, str] = {}
        """Absolute path of what a glob has met and could not look into or at -> why."""
        self.links: dict[str, str] = {}
        """Path of a link that a path of the plan leads through -> where to."""
        self._met: set[str] = set()
        """Absolute paths of links that were met."""
        self._kinds: dict[str, str] = {}
        self._asked: dict[str, int] = {}
        self._seen: dict[str, str] = {}
        self._links: Links | None = None
        self._trails: dict[str, tuple[str, ...]] = {}
        self._entries: dict[str, tuple[list[str], list[str]]] = {}
        """A folder of a tree -> the links in it, and the folders."""
        self._inside: dict[str, list[str]] = {}

    def note(self, file: str) -> None:
        """Note how a file is that is about to be read: what is read of it is part of the plan."""
        if file not in self.read:
            self.read[file] = (_status(file), time_ns())

    def folders(self) -> list[str]:
        """Return the paths that were asked about and are folders."""
        return [path for path, kind in self._kinds.items() if kind == "folder"]

    def is_link(self, path: str) -> bool:
        """Return whether a path was asked about, or taken by a glob, and is itself a link."""
        return bool(self._met) and self._full(path) in self._met

    def note_links(self, paths: Iterable[str]) -> None:
        """Note where links lead to, normalised paths or absolute ones: turned, they lead to what others make."""
        for path in paths:
            try:
                self.links[path] = os.readlink(path if path.startswith("/") else f"{self.root}/{path}")
            except OSError:
                self.links[path] = ""

    def trail(self, path: str) -> tuple[str, ...]:
        """Return the links that a path leads through and its name without them, and note where they lead to."""
        trail = self._trails.get(path)
        if trail is None:
            if self._links is None:
                self._links = Links(self.root)
            trail = self._trails[path] = self._links.trail(path)
            self.note_links(trail[:-1])
        return trail

    def named(self, path: str) -> str:
        """Return the one spelling of a path that a command names: `..` stays behind a link."""
        if self._links is None:
            self._links = Links(self.root)
        return self._links.named(path)

    def links_among(self, folders: Iterable[str]) -> set[str]:
        """Return which of some folders (`a/`) are links: a folder that holds many of them is listed."""
        around: dict[str, list[str]] = {}
        for folder in folders:
            around.setdefault(folder[: folder.rfind("/", 0, -1) + 1], []).append(folder)
        found: set[str] = set()
        for outer, inner in around.items():
            if len(inner) < MANY:
                found.update(folder for folder in inner if os.path.islink(self._full(folder).rstrip("/")))
                continue
            with suppress(OSError), os.scandir(self._full(outer)) as entries:
                found.update([f"{outer}{entry.name}/" for entry in entries if entry.is_symlink()])
        return found.intersection(folders)

    def links_in(self, tree: str, is_made: Callable[[str], bool]) -> list[str]:
        """Return the links in a folder (`a/`), by their places; folders that they lead to are gone through too.

        :param is_made: whether an action makes a link: where that leads to is not known before
        """
        found = self._inside.get(tree)
        if found is not None:
            return found
        found = self._inside[tree] = []
        top = self.trail(tree)[-1]
        seen, todo = {top}, [top]
        while todo:
            links, folders = self._entries_of(todo.pop())
            links = [link for link in links if not is_made(link)]
            found += links
            for folder in (*folders, *(self.trail(f"{link}/")[-1] for link in links)):
                # one that leads above the tree counts by its text
                if folder not in seen and not top.startswith(folder) and folder != "./":
                    seen.add(folder)
                    todo.append(folder)
        return found

    def _entries_of(self, folder: str) -> tuple[list[str], list[str]]:
        known = self._entries.get(folder)
        if known is None:
            links, folders = known = self._entries[folder] = ([], [])
            prefix = folder.removeprefix("./")
            with suppress(OSError, ValueError), os.scandir(self._full(folder)) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        links.append(prefix + entry.name)
                    elif entry.is_dir(follow_symlinks=False) and not is_left_out(entry.name):
                        folders.append(f"{prefix}{entry.name}/")
        return known

    def _full(self, path: str) -> str:
        return path if path.startswith("/") else f"{self.root}/{path}"

    def kind(self, path: str) -> str:
        """Return `file`, `folder` or "" for a normalised path; links are followed, asked once for each path."""
        known = self._kinds.get(path)
        if known is None:
            known = self._kinds[path] = self._look(path)
        return known

    def _look(self, path: str) -> str:
        path = path.rstrip("/") or "/"
        full = path if path.startswith("/") else f"{self.root}/{path}"
        folder = full[: full.rfind("/") + 1]
        asked = self._asked[folder] = self._asked.get(folder, 0) + 1
        if asked == MANY:
            self._list(folder)
        seen = self._seen.get(full)
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
        """Note what lies in a folder, links left out."""
        try:
            with os.scandir(folder) as entries:
                for entry in islice(entries, MAX_LISTED):
                    if not entry.is_symlink():
                        self._seen[entry.path] = "folder" if entry.is_dir(follow_symlinks=False) else "file"
        except (OSError, ValueError):
            return

    def names(self, folder: str) -> list[tuple[str, str, bool]]:
        """Return (name, kind, whether it is a link) of what lies in an absolute folder.

        The kind is `file`, `folder`, "" for anything else, or HIDDEN for what cannot be looked at. What cannot be
        listed is in `unread` then; a folder that is not there holds nothing.
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
                        # what it leads to may become a file without a trace in this folder
                        self.read[entry.path] = seen
                    found.append((entry.name, kind, is_link))
        except OSError as error:
            if not is_gone(error):
                self.unread[folder] = error.strerror or str(error)
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
            self.unread[entry.path] = error.strerror or str(error)
            return HIDDEN


def _status(folder: str) -> os.stat_result | None:
    try:
        return os.stat(folder)
    except (OSError, ValueError):
        return None


class Pattern:
    """A glob in its parts.

    :param base: the normalised folder before the first name with a special character, `.` for the root
    :param names: the rest, name by name
    """

    __slots__ = ("base", "names", "regex")

    def __init__(self, base: str, names: tuple[str, ...], regex: re.Pattern[str]) -> None:
        self.base = base
        self.names = names
        self.regex = regex

    def takes(self, path: str) -> bool:
        """Whether it matches a normalised path."""
        return self.regex.fullmatch(path) is not None


class Globs:
    """Answers patterns about one root, each once.

    :param folder: where in the root patterns are relative to, "" for the root itself
    """

    __slots__ = ("_answers", "_unread", "disk", "folder")

    def __init__(self, disk: Disk, folder: str = "") -> None:
        self.disk = disk
        self.folder = folder
        self._answers: dict[str, list[str]] = {}
        self._unread: dict[str, dict[str, str]] = {}

    def parse(self, text: str) -> Pattern:
        """Return a pattern; ValueError says what is wrong with it."""
        return _parse(text, self.disk.root, self.folder)

    def files(self, text: str) -> list[str]:
        """Return the normalised paths of the files that lie on the disk and match, by bytes."""
        known = self._answers.get(text)
        if known is None:
            unread: dict[str, str] = {}
            known = self._answers[text] = sort_paths(_walk(self.parse(text), self.disk, unread))
            if unread:
                self._unread[text] = unread
        return known

    def unread(self, text: str) -> Mapping[str, str]:
        """Return what the answer to a pattern may miss: the path of what could not be looked into or at -> why.

        A folder has a `/` at its end.
        """
        self.files(text)
        return self._unread.get(text, {})


def sort_paths(paths: object) -> list[str]:
    """Return paths in the order of their bytes, each once."""
    assert isinstance(paths, set)
    return sorted(paths, key=os.fsencode)


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
    if any("**" in name and name != "**" for name in names):
        raise ValueError("** must be a whole name between two /")
    if names.count("**") > MAX_DEEP:
        raise ValueError(f"more than {MAX_DEEP} ** in it")
    names = [name for at, name in enumerate(names) if name != "**" or names[at - 1 : at] != ["**"]]
    start = "/" if text.startswith("/") else f"{folder}/" if folder else ""
    base = normalise(start + "/".join(fixed) or ".", root).rstrip("/") or "/"
    prefix = "" if base == "." else base.rstrip("/") + "/"
    regex = re.escape(prefix) + _path_regex(names)
    try:
        return Pattern(base, tuple(names), re.compile(regex, re.DOTALL))
    except re.error as error:
        raise ValueError(f"a bad [ ] in it: {error}") from None


def _path_regex(names: list[str]) -> str:
    made = []
    for at, name in enumerate(names):
        last = at == len(names) - 1
        if name == "**":
            made.append(r"(?:(?!\.)[^/]+/)*" + (r"(?!\.)[^/]+" if last else ""))
        else:
            made.append(_name_regex(name) + ("" if last else "/"))
    return "".join(made)


@lru_cache(maxsize=4096)
def _name_regex(name: str) -> str:
    """Return the regex of one name; atomic groups keep it linear whatever the number of stars."""
    stretches = _stretches(name)
    out = "" if name.startswith(".") else r"(?!\.)"
    out += stretches[0]
    for stretch in stretches[1:-1]:
        out += f"(?>[^/]*?{stretch})" if stretch else ""
    if len(stretches) > 1:
        out += "[^/]*" + stretches[-1]
    return out


def _stretches(name: str) -> list[str]:
    """Return the regexes of what stands between the stars."""
    found = [""]
    at = 0
    while at < len(name):
        char = name[at]
        at += 1
        if char == "*":
            found.append("")
        elif char == "?":
            found[-1] += "[^/]"
        elif char == "[":
            close = name.find("]", at + (2 if name[at : at + 1] in ("!", "^") else 1))
            if close < 0:
                raise ValueError("a [ without its ] (a [ as it stands is [[])")
            inner = name[at:close]
            negate = inner[:1] in ("!", "^")
            inner = re.sub(r"[\\\[\]^&~|]", r"\\\g<0>", inner[1:] if negate else inner)
            found[-1] += f"(?!/)[{'^' if negate else ''}{inner}]"
            at = close + 1
        else:
            found[-1] += re.escape(char)
    return found


def _walk(pattern: Pattern, disk: Disk, unread: dict[str, str]) -> set[str]:
    """Return the files that a pattern matches, with one stack of (folder, names still to match).

    :param unread: takes what could not be looked into or at, see `Globs.unread`
    """
    base = pattern.base
    full = disk.root if base == "." else base if base.startswith("/") else f"{disk.root}/{base}"
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
            elif index == UNREAD:
                bare = path.rstrip("/") or "/"
                unread[below(bare, disk.root) + path[len(bare) :]] = disk.unread[bare]
            else:
                stack.append((path, index))
    return found


def _step(pattern: Pattern, disk: Disk, folder: str, index: int) -> Iterator[tuple[str, int]]:
    """Yield what one folder gives: files that match (TAKEN), what is UNREAD, folders with what they must match."""
    names = pattern.names
    name = names[index]
    last = index == len(names) - 1
    deep = name == "**"
    if deep and not last:
        yield folder, index + 1
    if not deep and not last and not MAGIC.search(name):
        yield _join(folder, name), index + 1
        return
    regex = re.compile(r"(?!\.).+" if deep else _name_regex(name), re.DOTALL)
    entries = disk.names(folder)
    if folder in disk.unread:
        yield os.path.join(folder, ""), UNREAD
    for entry, kind, is_link in entries:
        if not regex.fullmatch(entry):
            continue
        if kind == "file" and last:
            yield _join(folder, entry), TAKEN
        elif kind == HIDDEN and (last or not (deep and is_link)):
            yield _join(folder, entry), UNREAD
        elif kind == "folder" and deep and not is_link:
            yield _join(folder, entry), index
        elif kind == "folder" and not deep and not last:
            yield _join(folder, entry), index + 1


def _join(folder: str, name: str) -> str:
    return folder + name if folder.endswith("/") else f"{folder}/{name}"
