"""What of a work tree differs from a commit: by name, without running anything that a repository configures.

`git diff` would run filters, and what `core.fsmonitor` names. So git is asked for facts alone: which commit a name
means, what is in it (by a git that sees nothing but the objects, see `git.Reader`), and which new files are not
ignored. Files are compared here, by the stamps of the index or by their content as it is on disk. A file that a
filter changes on its way into the repository counts as changed if the index does not say that it is the same.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha1, sha256
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from treadle.errors import UsageError

from . import trust
from .git import Reader, checkout_of, ids_of_index, run_git

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .git import Checkout, IndexEntry

_LINK, _SUBMODULE, _FOLDER = 0o120000, 0o160000, 0o040000


class _Entry:
    """What a commit has at a path."""

    __slots__ = ("id", "mode")

    def __init__(self, mode: int, id_: str) -> None:
        self.mode = mode
        self.id = id_


class Differences:
    """What differs between a commit and a work tree, as absolute paths without links.

    :param commit: its identifier
    :param paths: all of it; a path of a folder ends with `/`: something in it differs
    :param moved: those of files that are there in one of both only; both names of a renamed file are among them
    """

    def __init__(self, commit: str, paths: set[str], moved: set[str]) -> None:
        self.commit = commit
        self.paths = paths
        self.moved = moved


def changed_since(rev: str, folder: str) -> Differences:
    """Return what differs between a commit and the work tree around a folder.

    New files that are not ignored are among it.

    :param rev: the commit, in any form that git knows
    :raises UsageError: there is no repository, no git, or no such commit
    """
    checkout = checkout_of(folder)
    if checkout is None:
        raise UsageError(f"--since {rev}: {folder} is not in a git repository")
    commit = _commit_of(rev, checkout)
    changes = _Comparison(checkout, commit)
    paths, moved = (
        {os.path.join(checkout.top, path) for path in found} for found in (changes.names(), changes.moved)
    )
    return Differences(commit, paths, moved)


def _commit_of(rev: str, checkout: Checkout) -> str:
    if not rev or rev.startswith("-") or "\0" in rev:
        raise UsageError(f"--since {rev}: expected a commit, such as main or HEAD~2")
    if not checkout.counts:
        raise UsageError(f"--since {rev}: other users may write to {checkout.own}", facts=(trust.RULE,))
    found = run_git(["rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}"], checkout)
    if found is None:
        raise UsageError(f"--since {rev}: git cannot be run", hint="install git, outside of the repository")
    words = found.split()
    if len(words) != 1:
        raise UsageError(
            f"--since {rev}: the repository {checkout.top} has no such commit",
            hint="in a shallow clone, fetch it first: git fetch origin main",
        )
    return words[0].decode("ascii", "replace")


class _Comparison:
    """Compares the work tree of a checkout with a commit."""

    def __init__(self, checkout: Checkout, commit: str) -> None:
        self.checkout = checkout
        self.commit = commit
        self.moved: set[str] = set()
        """Of the names those that are there in the commit or in the work tree only."""
        self._hash = sha256 if checkout.is_sha256 else sha1

    def names(self) -> set[str]:
        """Return the paths that differ, relative to the top.

        :raises UsageError: the commit cannot be read
        """
        there = self._tree()
        index, written = self._index()
        sparse = tuple(name for name in index if name.endswith("/"))
        found = set()
        for name in there.keys() | index.keys():
            then, entry = there.get(name), index.get(name)
            if then is not None and then.mode == _FOLDER:
                # only what a sparse index holds as one is compared as one
                if entry is not None and entry.id != then.id:
                    found.add(name)
            elif entry is None and sparse and name.startswith(sparse):
                continue
            else:
                found.update(self._differs(name, then, entry, written))
        fresh = self._new()
        self.moved |= fresh
        return found | fresh

    def _differs(self, name: str, then: _Entry | None, entry: IndexEntry | None, written: int) -> Iterator[str]:
        """Yield a path if it differs; of a submodule what differs in it."""
        full = os.path.join(self.checkout.top, name)
        try:
            status = os.lstat(full)
        except OSError:
            is_left_out = entry is not None and entry.is_left_out
            if not (is_left_out and then is not None and entry is not None and entry.id == then.id):
                self.moved.add(name)
                yield name
            return
        if then is None:
            self.moved.add(name)
        if then is None or (entry is not None and entry.stage):
            yield name
        elif then.mode == _SUBMODULE:
            yield from self._in_submodule(name, then.id, status)
        elif entry is not None and entry.holds(status, written):
            if (entry.mode, entry.id) != (then.mode, then.id):
                yield name
        elif self._mode(status, entry) != then.mode or self._id(full, status) != then.id:
            yield name

    def _mode(self, status: os.stat_result, entry: IndexEntry | None) -> int:
        if stat.S_ISLNK(status.st_mode):
            return _LINK
        if not stat.S_ISREG(status.st_mode):
            return 0
        if entry is not None and not self.checkout.has_modes:
            return entry.mode
        return 0o100755 if status.st_mode & stat.S_IXUSR else 0o100644

    def _id(self, full: str, status: os.stat_result) -> str:
        try:
            if stat.S_ISLNK(status.st_mode):
                data = os.fsencode(os.readlink(full))
                return self._hash(b"blob %d\0" % len(data) + data).hexdigest()
            # a pipe that came into its place is not waited for
            fd = os.open(full, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
            with open(fd, "rb") as file:
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode):
                    return ""
                digest = self._hash(b"blob %d\0" % status.st_size)
                while piece := file.read(1 << 20):
                    digest.update(piece)
            return digest.hexdigest()
        except OSError:
            return ""

    def _in_submodule(self, name: str, commit: str, status: os.stat_result) -> Iterator[str]:
        top = os.path.join(self.checkout.top, name)
        if not stat.S_ISDIR(status.st_mode):
            yield name
            return
        inner = checkout_of(top)
        if inner is None or inner.top != os.path.realpath(top):
            # it was never fetched: nothing of it can differ
            if os.listdir(top):
                yield f"{name}/"
            return
        inside = _Comparison(inner, commit)
        try:
            found = inside.names() if inner.counts else {""}
        except UsageError:
            # its commit of then is not here
            found = {""}
        self.moved.update(f"{name}/{one}" for one in inside.moved)
        yield from (f"{name}/{one}" for one in found)

    def _tree(self) -> dict[str, _Entry]:
        """Return what the commit holds.

        :raises UsageError: it cannot be read
        """
        with TemporaryDirectory(prefix="treadle-") as folder:
            program = trust.program_outside("git", self.checkout.top)
            reader = Reader(self.checkout, program or "", folder)
            data = reader.read(["ls-tree", "-r", "-t", "-z", "--full-tree", self.commit])
        if data is None:
            raise UsageError(f"the commit {self.commit} of {self.checkout.top} cannot be read completely")
        found = {}
        for line in data.split(b"\0")[:-1]:
            facts, _, raw = line.partition(b"\t")
            mode, _, id_ = facts.split(b" ")[:3]
            name, number = os.fsdecode(raw), int(mode, 8)
            found[f"{name}/" if number == _FOLDER else name] = _Entry(number, id_.decode("ascii"))
        return found

    def _index(self) -> tuple[dict[str, IndexEntry], int]:
        """Return what the index holds, and when it was written; nothing if it cannot be read."""
        path = os.path.join(self.checkout.own, "index")
        try:
            written = os.stat(path).st_mtime_ns
            return ids_of_index(self.checkout), written
        except (OSError, ValueError, IndexError):
            # all is compared by content then
            return {}, 0

    def _new(self) -> set[str]:
        """Return the files that are not in the index and not ignored.

        :raises UsageError: git cannot say it
        """
        words = ["ls-files", "-z", "--others", "--exclude-standard", "--full-name"]
        data = run_git(words, self.checkout, work_tree=True)
        if data is None:
            raise UsageError(f"git cannot list the new files of {self.checkout.top}")
        return {os.fsdecode(name) for name in data.split(b"\0")[:-1]}
