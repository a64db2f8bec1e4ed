"""Restoring: outputs of an entry are fetched and verified in a folder of their own, then renamed to their places.

Nothing outside of that folder is touched before all is there and right. Placement walks from the descriptor of the
root without following links, and renames relative to descriptors: a folder that is swapped for a link meanwhile
leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from hashlib import sha256
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Protocol

from treadle.content.digests import describe, describe_tree

from .base import EMPTY, CacheError, Digest, OutputCache
from .copying import NEW
from .entry import TREE_LIMIT, EntryError, check, expand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .entry import Entry

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40
_PIECE = 1 << 20


class Staged(NamedTuple):
    """Outputs that are ready to be placed.

    :ivar entry: what they are of
    :ivar folder: where they are
    :ivar names: output -> its name in that folder
    :ivar log: what the action printed, None if that was not stored
    :ivar size: bytes of all
    """

    entry: Entry
    folder: str
    names: dict[str, str]
    log: bytes | None
    size: int


class TooSlowError(Exception):
    """It takes longer to fetch outputs than it may."""


class NotPlacedError(Exception):
    """The outputs cannot be put into their places, and those that were are taken back."""


def stage(
    cache: OutputCache,
    entry: Entry,
    outputs: Sequence[str],
    folder: str,
    keep: Callable[[Digest, str], object] | None = None,
    seconds: Callable[[int, int], float] | None = None,
) -> Staged | None:
    """Fetch what an entry names into a new folder, and verify it; return None if something of it is not there.

    :param outputs: what the action declares
    :param folder: where; it is there and empty
    :param keep: called with the digest and the path of each blob, once it is verified
    :param seconds: called with the number of files and their bytes, returns how long it may take to fetch them
    :raises TooSlowError: it takes longer
    :raises EntryError: it is not what it should be
    :raises CacheError: the store has failed
    :raises OSError: the folder cannot be written to
    """
    check(entry, outputs)
    getter = _Getter(cache, folder, keep)
    trees = {}
    for one in entry.folders:
        data = getter.bytes(one.digest, TREE_LIMIT)
        if data is None:
            return None
        trees[one.path] = expand(data, one.path)
    files = [*entry.files, *(node.file for nodes in trees.values() for node in nodes if node.file is not None)]
    size = sum(file.digest.size for file in files)
    if seconds is not None:
        getter.until = monotonic() + seconds(len(files), size)
    disk = os.statvfs(folder)
    if size > disk.f_bavail * disk.f_frsize:
        raise CacheError("holds more than there is room for", f"{size} bytes")
    log = None
    if entry.log is not None:
        log = getter.bytes(entry.log, _PIECE)
        if log is None:
            return None
    names: dict[str, str] = {}
    for number, file in enumerate(entry.files):
        names[file.path] = str(number)
        path = os.path.join(folder, str(number))
        if not getter.file(file.digest, path, is_executable=file.is_executable):
            return None
        getter.verify(path, entry.values[file.path], file.digest)
    for link in entry.links:
        names[link.path] = str(len(names))
        os.symlink(link.target, os.path.join(folder, names[link.path]))
    for top, nodes in trees.items():
        names[f"{top}/"] = str(len(names))
        path = os.path.join(folder, names[f"{top}/"])
        os.mkdir(path)
        for node in nodes:
            full = os.path.join(path, node.path)
            if node.target:
                os.symlink(node.target, full)
            elif node.file is None:
                os.mkdir(full)
            elif not getter.file(node.file.digest, full, is_executable=node.file.is_executable):
                return None
        getter.verify_tree(path, entry.values[f"{top}/"], [node.file.digest for node in nodes if node.file])
    return Staged(entry, folder, names, log, size)


class Looked(Protocol):
    """A store that can be looked at without a file being written."""

    name: str

    def get_entry(self, key: str, limit: int) -> bytes | None:
        """Return the entry of a key, None if it is not there."""

    def has_blob(self, digest: Digest) -> bool:
        """Return whether there is a blob of this size."""

    def read_blob(self, digest: Digest) -> bytes | None:
        """Return what a blob holds, None if it is not there."""


def would_be_restored(cache: Looked, entry: Entry, outputs: Sequence[str], root: str) -> bool:
    """Return whether outputs would be restored, as far as that is seen without fetching them.

    All that the entry names has to be in the store, and `Placement` may not refuse it.

    :param outputs: what the action declares
    :raises EntryError: the entry is not what it should be
    """
    check(entry, outputs)
    links = {one.path for one in entry.links}
    digests = [file.digest for file in entry.files] + ([entry.log] if entry.log is not None else [])
    for one in entry.folders:
        data = cache.read_blob(one.digest) if 0 < one.digest.size <= TREE_LIMIT else None
        if data is None:
            return False
        nodes = expand(data, one.path)
        digests += [node.file.digest for node in nodes if node.file is not None]
        if any(node.target for node in nodes):
            links.add(f"{one.path}/")
    if not all(digest == EMPTY or cache.has_blob(digest) for digest in digests):
        return False
    return all(_may_be_placed(root, output, is_link=output in links) for output in outputs)


def _may_be_placed(root: str, output: str, *, is_link: bool) -> bool:
    """Return whether an output can be renamed to its place, by the links and mounts on the way as they are now.

    :param is_link: whether it is a link, or a folder with links in it
    """
    way = ""
    for name in output.split("/")[:-1]:
        if not os.path.lexists(os.path.join(root, way, name)):
            # made when there is room for it
            break
        way = f"{way}/{name}".lstrip("/")
    try:
        device, is_direct = Placement(root).look_at(way)
    except (OSError, NotPlacedError):
        # a link that leads out, or nowhere
        return False
    return device == os.stat(root).st_dev and (is_direct or not is_link)


class _Getter:
    """Takes blobs out of one store.

    :param folder: for small ones
    """

    def __init__(self, cache: OutputCache, folder: str, keep: Callable[[Digest, str], object] | None) -> None:
        self._cache = cache
        self._folder = folder
        self._keep = keep
        self._mode: int | None = None
        self.until = inf
        """When it is too late for one more file, on the monotonic clock."""

    def bytes(self, digest: Digest, limit: int) -> bytes | None:
        """Return what a blob holds, verified; None if it is not there."""
        if digest == EMPTY:
            return b""
        if digest.size > limit:
            raise EntryError(f"it names {digest.size} bytes where {limit} may be")
        path = os.path.join(self._folder, "blob")
        if not self._cache.get_blob(digest, path):
            return None
        try:
            with open(path, "rb") as file:
                data = file.read(digest.size + 1)
            if len(data) != digest.size or sha256(data).hexdigest() != digest.hash:
                self._cache.discard(digest)
                raise EntryError(f"the blob {digest.hash[:16]} is damaged")
            if self._keep is not None:
                self._keep(digest, path)
        finally:
            os.unlink(path)
        return data

    def file(self, digest: Digest, path: str, *, is_executable: bool) -> bool:
        """Write a blob to a new file; return False if it is not there."""
        if monotonic() > self.until:
            raise TooSlowError
        if digest == EMPTY:
            os.close(os.open(path, NEW, 0o666))
        elif not self._cache.get_blob(digest, path):
            return False
        if is_executable:
            os.chmod(path, self._executable)
        if not self._cache.is_own:
            self._verify_all(digest, path)
        if self._keep is not None and digest != EMPTY:
            self._keep(digest, path)
        return True

    @property
    def _executable(self) -> int:
        """The mode of what is executable: 0777 less the umask, which cannot be asked for without setting it."""
        if self._mode is None:
            path = os.path.join(self._folder, "mode")
            fd = os.open(path, NEW, 0o777)
            self._mode = stat.S_IMODE(os.fstat(fd).st_mode)
            os.close(fd)
            os.unlink(path)
        return self._mode

    def _verify_all(self, digest: Digest, path: str) -> None:
        hasher, size = sha256(), 0
        with open(path, "rb") as file:
            while piece := file.read(_PIECE):
                hasher.update(piece)
                size += len(piece)
        if size != digest.size or hasher.hexdigest() != digest.hash:
            self._cache.discard(digest)
            raise EntryError(f"the blob {digest.hash[:16]} is damaged")

    def verify(self, path: str, value: str, digest: Digest) -> None:
        """Check that a file holds what the action has made.

        :param value: as `content.digests` describes it
        """
        if describe(path)[0] != value:
            self._cache.discard(digest)
            raise EntryError(f"the blob {digest.hash[:16]} is damaged")

    def verify_tree(self, path: str, value: str, digests: Sequence[Digest]) -> None:
        """Do the same with a folder; which of its files is damaged, their digests say."""
        if describe_tree(path) == value:
            return
        for digest in dict.fromkeys(digests):
            # one of them, or the value: all are got anew the next time
            self._cache.discard(digest)
        raise EntryError("a blob of a folder is damaged")


class Placement:
    """Puts staged outputs into their places.

    :param root: the folder that paths are relative to
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._placed: list[tuple[int, str, int, str]] = []
        """Folder and name of what is in its place, and folder and name of where it was: descriptors."""
        self._open: list[int] = []
        self._folders: dict[str, tuple[int, bool]] = {}
        """Path -> its descriptor, and whether no link leads there."""

    def place(self, staged: Staged) -> None:
        """Rename all outputs to their places.

        :raises NotPlacedError: one cannot be; then none is
        :raises OSError: what was placed cannot be taken back
        """
        try:
            root = self._keep(os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            source = self._keep(os.open(staged.folder, _FOLDER))
            links = {one.path for one in staged.entry.links}
            for output, name in staged.names.items():
                if output.endswith("/"):
                    self._place_tree(root, source, name, output)
                else:
                    self._place_file(root, source, name, output, is_link=output in links)
            for link in links:
                if describe(os.path.join(self._root, link))[0] != staged.entry.values[link]:
                    raise NotPlacedError(f"the link {link} leads to something else here")
        except (OSError, NotPlacedError) as error:
            self._take_back()
            raise NotPlacedError(str(error)) from error
        finally:
            self._close()

    def look_at(self, path: str) -> tuple[int, bool]:
        """Return the device of a folder that outputs would be in, and whether no link leads there.

        :raises NotPlacedError: none would be placed there
        :raises OSError: it is not there
        """
        try:
            root = self._keep(os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            fd, is_direct = self._folder(root, path)
            return os.fstat(fd).st_dev, is_direct
        finally:
            self._close()

    def _close(self) -> None:
        for fd in self._open:
            os.close(fd)
        self._open.clear()
        self._folders.clear()

    def _keep(self, fd: int) -> int:
        self._open.append(fd)
        return fd

    def _place_file(self, root: int, source: int, name: str, output: str, *, is_link: bool) -> None:
        folder, _, own = output.rpartition("/")
        parent, is_direct = self._folder(root, folder)
        if is_link and not is_direct:
            # what `..` leads to was judged by names
            raise NotPlacedError(f"the link {output} would be below another link")
        self._move(source, name, parent, own)

    def _place_tree(self, root: int, source: int, name: str, output: str) -> None:
        target, is_direct = self._folder(root, output.rstrip("/"))
        if names := os.listdir(target):
            raise NotPlacedError(f"{output} holds {min(names)}, which stays there")
        inside = self._keep(os.open(name, _FOLDER, dir_fd=source))
        if not is_direct and _has_links(inside):
            raise NotPlacedError(f"{output} is below a link, and has links in it")
        for own in os.listdir(inside):
            self._move(inside, own, target, own)

    def _move(self, source: int, name: str, target: int, own: str) -> None:
        with suppress(FileNotFoundError):
            os.lstat(own, dir_fd=target)
            raise NotPlacedError(f"something is in the place of {own}")
        os.rename(name, own, src_dir_fd=source, dst_dir_fd=target)
        self._placed.append((target, own, source, name))

    def _folder(self, root: int, path: str) -> tuple[int, bool]:
        """Return a descriptor of a folder, and whether no link leads there.

        A link is followed only to another folder in the root.

        :raises NotPlacedError: it leads out of the root
        """
        if path in self._folders:
            return self._folders[path]
        opened: list[int] = []
        try:
            last, is_direct = self._walk(root, path, opened)
        finally:
            # many outputs need many folders, and those on the way need not stay open
            for fd in opened[:-1]:
                os.close(fd)
            self._open += opened[-1:]
        self._folders[path] = last, is_direct
        return last, is_direct

    def _walk(self, root: int, path: str, opened: list[int]) -> tuple[int, bool]:
        todo = [name for name in reversed(path.split("/")) if name]
        way, followed = [root], 0
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                if len(way) == 1:
                    raise NotPlacedError(f"{path} is below a link that leads out of the root")
                way.pop()
                continue
            try:
                opened.append(os.open(name, _FOLDER, dir_fd=way[-1]))
                way.append(opened[-1])
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
                    raise
                # of what is no link this raises an error
                text = os.readlink(name, dir_fd=way[-1])
                followed += 1
                if followed > _MOST_LINKS:
                    raise NotPlacedError(f"{path} is below too many links") from None
                if text.startswith("/"):
                    text, way = self._below_root(text, path), [root]
                todo += reversed(text.split("/"))
        if opened and way[-1] != opened[-1]:
            # `..` has led back
            opened.append(os.dup(way[-1]))
            way.append(opened[-1])
        return way[-1], not followed

    def _below_root(self, full: str, path: str) -> str:
        for top in (self._root, os.path.realpath(self._root)):
            if full == top or full.startswith(f"{top}/"):
                return full[len(top) :].strip("/")
        raise NotPlacedError(f"{path} is below a link that leads out of the root")

    def _take_back(self) -> None:
        while self._placed:
            target, own, source, name = self._placed.pop()
            os.rename(own, name, src_dir_fd=target, dst_dir_fd=source)


def _has_links(fd: int) -> bool:
    """Return whether there is a link somewhere in a folder that was staged."""
    return any(
        stat.S_ISLNK(os.lstat(name, dir_fd=at).st_mode)
        for _, folders, files, at in os.fwalk(".", dir_fd=fd)
        for name in (*folders, *files)
    )
