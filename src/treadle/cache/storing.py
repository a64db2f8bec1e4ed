"""Storing: outputs are copied, the copies are hashed, and only what is as it was recorded goes into a store.

An output may be written to while it is copied, by the next action or by the user: then the copy has another value.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from xxhash import xxh3_128

from treadle.content.digests import FILE, FOLDER, LINK, framed_in_tree, walk_tree

from .base import EMPTY, NO_ROOM, CacheError, Digest, OutputCache
from .copying import NEW, copy, read_small, write_all
from .entry import MOST_DEPTH, MOST_NODES, Entry, EntryError, check, encode_entry, is_name, stays_inside
from .key import tied_key
from .messages import Directory, File, Folder, Link, Tree, encode_directory, encode_tree
from .policy import MOST_LOG, are_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Exclusion = Callable[[str, bool], bool]

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE = 1 << 20
_OWN = os.urandom(8).hex()
"""What the names of this process's copies have: a process elsewhere may have its number."""
_NUMBERS = count(1)


class NotStoredError(Exception):
    """Something is not stored, for the reason that it says."""


class PrivateError(NotStoredError):
    """An output is for its owner alone, and would come back for all: modes are not kept."""


class Made(NamedTuple):
    """What an action has made, to be stored.

    :ivar key: what it is found by
    :ivar values: output -> its value, as recorded
    :ivar exclude: output folder -> returns whether something in it is none of its content
    :ivar about: what the entry says of the action; its outputs are added
    :ivar log: the path of its log, "" if that is not stored
    :ivar parts: name -> value of what the key is made of, for hints
    """

    key: str
    values: Mapping[str, str]
    exclude: Mapping[str, Exclusion]
    about: Entry
    log: str = ""
    parts: Mapping[str, str] = {}


class Stored(NamedTuple):
    """What was stored.

    :ivar key: what it is found by
    :ivar size: bytes of its blobs
    :ivar tied: the output that holds the path of the root, "" if none does: the entry is of use in this root only
    """

    key: str
    size: int
    tied: str


def store(cache: OutputCache, made: Made, root: str, scratch: str) -> Stored:
    """Store the outputs of an action and then its entry.

    :param root: the folder that the outputs are relative to
    :param scratch: a folder for the copies; what is in it when this ends is gone
    :raises NotStoredError: an output is not as it was recorded, or cannot be stored
    :raises CacheError: the store has failed
    """
    copies = Copies(made, root, scratch)
    try:
        copies.store(cache)
    finally:
        copies.remove()
    return copies.stored


class Copies:
    """Copies of the outputs of an action, hashed, with the entry that names them.

    :param root: the folder that the outputs are relative to
    :param scratch: a folder for the copies
    :param room: returns whether there is room for so many bytes, see `FolderCache.has_room`
    :param real: the real path of the root, "" if that is to be found out
    :raises NotStoredError: an output is not as it was recorded, or cannot be stored
    :raises CacheError: there is no room for a copy
    """

    def __init__(
        self, made: Made, root: str, scratch: str, room: Callable[[int], bool] | None = None, real: str = ""
    ) -> None:
        self._scratch = scratch
        self._copies = _Copies(scratch, [root, real or os.path.realpath(root)], room)
        try:
            self.entry = _copied(made, root, self._copies)
            check(self.entry, list(made.values))
        except EntryError as error:
            self.remove()
            raise NotStoredError(str(error)) from error
        except OSError as error:
            self.remove()
            raise NotStoredError(f"{error.filename}: {error.strerror}") from error
        except BaseException:
            self.remove()
            raise
        tied = self._copies.tied
        self.blobs: Mapping[Digest, str] = self._copies.found
        """Digest -> the path of its copy."""
        key = tied_key(made.key, root) if tied else made.key
        self.stored = Stored(key, sum(digest.size for digest in self.blobs), tied)

    def store(self, cache: OutputCache) -> None:
        """Store the blobs and then the entry; a store may take the copies.

        :raises CacheError: the store has failed
        """
        takes_all = getattr(cache, "scratch", "") == self._scratch
        for digest, path in self.blobs.items():
            cache.put_blob(digest, path)
            if takes_all:
                self._copies.forget(path)
        key = self.stored.key
        cache.put_entry(key, encode_entry(self.entry, key))

    def for_others(self) -> tuple[Entry, Mapping[Digest, str]]:
        """Return the entry and the blobs for other machines: without a log that holds the path of the root.

        Where a project is on a machine is nothing that a store needs. What an action prints seldom counts, so the
        outputs are of use elsewhere without it.
        """
        if not self._copies.is_log_tied:
            return self.entry, self.blobs
        blobs = {digest: path for digest, path in self.blobs.items() if digest != self.entry.log}
        return replace(self.entry, log=None), blobs

    def remove(self) -> None:
        """Remove the copies that no store has taken."""
        self._copies.remove()


def _copied(made: Made, root: str, copies: _Copies) -> Entry:
    files, folders, links = [], [], []
    for output, value in made.values.items():
        full = os.path.join(root, output.rstrip("/"))
        status = os.lstat(full)
        if output.endswith("/"):
            if not stat.S_ISDIR(status.st_mode):
                raise NotStoredError(f"{output} is a link")
            copies.refuse_private(status.st_mode, output)
            tree = _Copier(copies, output.rstrip("/"), full, made.exclude.get(output))
            folders.append(Folder(output.rstrip("/"), tree.copy(value)))
        elif stat.S_ISLNK(status.st_mode):
            target = os.readlink(full)
            if not are_texts([target]):
                raise NotStoredError(f"{output} is a link to what is not UTF-8")
            links.append(Link(output, target))
        else:
            digest, found = copies.copy(full, output)
            _require(found == value, output)
            files.append(File(output, digest, found.startswith("exec ")))
    about = made.about
    log = copies.log(made.log) if made.log else None
    return Entry(
        tuple(files),
        tuple(folders),
        tuple(links),
        log,
        dict(made.values),
        about.run,
        about.action,
        about.plan,
        about.duration,
        about.host,
        about.began,
        about.ended,
    )


def _require(is_same: bool, output: str) -> None:
    if not is_same:
        raise NotStoredError(f"{output} has changed since")


class _Copies:
    """Copies of files, each hashed after it was made.

    :param folder: where they are
    :param roots: paths that tie an entry to its folder
    :param room: asked before each copy: actions that run want the rest of the disk
    """

    def __init__(self, folder: str, roots: Sequence[str], room: Callable[[int], bool] | None) -> None:
        self._folder = folder
        self._room = room
        self._roots = list(dict.fromkeys(os.fsencode(one) for one in roots if len(one) > 1))
        self._names: dict[str, None] = {}
        self._usual: int | None = None
        """The mode of new files, once that is needed."""
        self.found: dict[Digest, str] = {}
        """Digest -> the path of its copy."""
        self.tied = ""
        self.is_log_tied = False
        """Whether the log holds one of these paths. No output has its bytes then, or that is tied."""

    def _new(self) -> str:
        path = os.path.join(self._folder, f"tmp-{os.getpid()}-{_OWN}-{next(_NUMBERS)}")
        self._names[path] = None
        return path

    def copy(self, full: str, output: str) -> tuple[Digest, str]:
        """Copy a file; return the digest and the value of the copy.

        :param output: the output that it is or that it is in
        """
        source = os.open(full, _READ)
        try:
            status = os.fstat(source)
            mode = status.st_mode
            if not stat.S_ISREG(mode):
                raise NotStoredError(f"{output} holds what is no plain file")
            self.refuse_private(mode, output)
            if self._room is not None and not self._room(status.st_size):
                raise CacheError(NO_ROOM)
            data = read_small(source, status.st_size)
            if data is not None:
                # what is hashed is what is written, whatever happens to the file meanwhile
                digest, quick = self._hashed((data,), output)
                self._write(digest, data)
            else:
                path = self._new()
                target = os.open(path, NEW, 0o600)
                try:
                    copy(source, target)
                finally:
                    os.close(target)
                with open(path, "rb", buffering=0) as file:
                    digest, quick = self._hashed(iter(lambda: file.read(_PIECE), b""), output)
                self._keep(digest, path)
        finally:
            os.close(source)
        return digest, f"{'exec' if mode & stat.S_IXUSR else 'file'} {digest.size} {quick}"

    def refuse_private(self, mode: int, output: str) -> None:
        """Refuse what others may not read though the umask lets them read new files, such as a key.

        :param mode: of the output or something in it
        :raises PrivateError: it is private
        """
        closed = ~mode & 0o044
        if closed and self._usual is None:
            # the umask cannot be asked for without setting it
            fd = os.open(self._new(), NEW, 0o666)
            self._usual = os.fstat(fd).st_mode
            os.close(fd)
        if closed & (self._usual or 0):
            raise PrivateError(f"{output} has the mode {stat.S_IMODE(mode):o}")

    def _hashed(self, pieces: Iterable[bytes], output: str) -> tuple[Digest, str]:
        strong, quick, size = sha256(), xxh3_128(), 0
        most = max(map(len, self._roots), default=1)
        before = b""
        for piece in pieces:
            strong.update(piece)
            quick.update(piece)
            size += len(piece)
            if not self.tied and any(root in piece or root in before + piece[:most] for root in self._roots):
                self.tied = output
            before = (before + piece)[-most:] if len(piece) < most else piece[-most:]
        return Digest(strong.hexdigest(), size), quick.hexdigest()

    def keep(self, data: bytes) -> Digest:
        """Keep some bytes; return their digest."""
        digest = Digest(sha256(data).hexdigest(), len(data))
        self._write(digest, data)
        return digest

    def _write(self, digest: Digest, data: bytes) -> None:
        if digest in self.found or digest == EMPTY:
            return
        path = self._new()
        target = os.open(path, NEW, 0o600)
        try:
            write_all(target, data)
        finally:
            os.close(target)
        self._keep(digest, path)

    def _keep(self, digest: Digest, path: str) -> None:
        if digest != EMPTY:
            self.found.setdefault(digest, path)

    def log(self, path: str) -> Digest | None:
        """Keep a log; return its digest, None if it is too long."""
        try:
            with open(path, "rb") as file:
                data = file.read(MOST_LOG + 1)
        except OSError:
            return None
        if len(data) > MOST_LOG:
            return None
        self.is_log_tied = any(root in data for root in self._roots)
        return self.keep(data)

    def forget(self, path: str) -> None:
        """Take note that a store has taken a copy."""
        self._names.pop(path, None)

    def remove(self) -> None:
        """Remove the copies that no store has taken."""
        for path in self._names:
            with suppress(OSError):
                os.unlink(path)


class _Copier:
    """Copies one output folder.

    :param top: its path, relative to the root
    :param full: its absolute path
    :param is_excluded: what in it is none of its content, None if all is
    """

    def __init__(self, copies: _Copies, top: str, full: str, is_excluded: Exclusion | None) -> None:
        self._copies = copies
        self._top = top
        self._full = full
        self._is_excluded = is_excluded
        self._files: dict[str, list[File]] = {"": []}
        self._folders: dict[str, list[str]] = {"": []}
        self._links: dict[str, list[Link]] = {"": []}

    def copy(self, value: str) -> Digest:
        """Return the digest of its Tree.

        :param value: as recorded
        """
        hasher, count = xxh3_128(), 0
        for path, entry, kind, _ in walk_tree(self._full, follow=False, is_excluded=self._is_excluded):
            above, _, name = path.rpartition("/")
            count += 1
            if count > MOST_NODES or path.count("/") >= MOST_DEPTH - 1:
                raise NotStoredError(f"{self._top}/ is too large")
            if not is_name(name) or not are_texts([name]):
                raise NotStoredError(f"{self._top}/ holds the name {name!r}")
            hasher.update(framed_in_tree(path, kind, self._take(above, name, entry, kind)))
        _require(f"tree {count} {hasher.hexdigest()}" == value, f"{self._top}/")
        return self._tree()

    def _take(self, above: str, name: str, entry: os.DirEntry[str], kind: bytes) -> str:
        path = f"{above}/{name}" if above else name
        if kind == FOLDER:
            self._copies.refuse_private(entry.stat(follow_symlinks=False).st_mode, f"{self._top}/{path}/")
            self._folders[above].append(name)
            self._files[path], self._folders[path], self._links[path] = [], [], []
            return ""
        if kind == LINK:
            target = os.readlink(entry.path)
            if not are_texts([target]) or not stays_inside(f"{self._top}/{path}", target):
                raise NotStoredError(f"{self._top}/{path} is a link that leads out of the root")
            self._links[above].append(Link(name, target))
            return target
        if kind != FILE:
            raise NotStoredError(f"{self._top}/{path} is no plain file")
        digest, value = self._copies.copy(entry.path, f"{self._top}/{path}")
        self._files[above].append(File(name, digest, value.startswith("exec ")))
        return value

    def _tree(self) -> Digest:
        children: dict[Digest, Directory] = {}
        digests: dict[str, Digest] = {}
        root = Directory()
        # what is in a folder before the folder
        for path in sorted(self._files, key=lambda one: (-one.count("/") if one else 1, one)):
            inside = [
                Folder(name, digests[f"{path}/{name}" if path else name]) for name in sorted(self._folders[path])
            ]
            root = Directory(
                tuple(sorted(self._files[path], key=lambda one: one.path)),
                tuple(inside),
                tuple(sorted(self._links[path], key=lambda one: one.path)),
            )
            if path:
                raw = encode_directory(root)
                digest = digests[path] = Digest(sha256(raw).hexdigest(), len(raw))
                children[digest] = root
        return self._copies.keep(encode_tree(Tree(root, tuple(children.values()))))


def stored_text(stored: Stored) -> str:
    """Return the line about an output that ties its entry to the folder of the root."""
    return (
        f"{stored.tied} holds the path of this folder, so the cache restores it in this folder only;"
        " the usual cure is a relative path, or -ffile-prefix-map of the compiler"
    )
