"""What a cache of outputs has to be: the protocol, the name of a blob, and the error for a store that fails.

Verification is above the protocol: what an implementation returns is never trusted.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

ENTRY_LIMIT = 4 << 20
"""Bytes of an entry at most."""


class Digest(NamedTuple):
    """The name of a blob: SHA-256 of its bytes, in 64 lower-case hex digits, and their number."""

    hash: str
    size: int


EMPTY = Digest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0)
"""The blob of no bytes: it is neither asked for nor stored."""


NO_ROOM = "stores nothing, as the disk is nearly full"
"""The kind of that fault."""


class CacheError(Exception):
    """A store did not do what was asked of it. For the run that is a miss.

    :param kind: one word or a few that say what kind of fault it is; each kind is reported once a run
    :param detail: what the system says
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.detail = detail


class UnusableEntryError(CacheError):
    """What is there for a key is of no use: for a reader a fault as others, and a writer may replace it."""


class OutputCache(Protocol):
    """Keeps entries by their keys and blobs by their digests; several threads may call it at the same time.

    >>> import shutil
    >>> from treadle import DAG, Command, CommandWalk, FolderCache
    >>> actions = DAG()
    >>> actions.add_vertex("make", Command(["touch", "made"], outputs=["made"]))
    >>> def run():
    ...     report = CommandWalk(actions, "project", caches=[FolderCache("store")]).run()
    ...     return report.actions["make"].outcome.kind
    >>> run()
    'success'
    >>> shutil.rmtree("project")
    >>> run()
    'restored'

    A fault is raised as a CacheError. `CommandWalk(..., caches=[...])` asks several in order.
    """

    @property
    def name(self) -> str:
        """What messages call it, such as `local`."""

    @property
    def writable(self) -> bool:
        """Whether entries are stored in it."""

    @property
    def is_own(self) -> bool:
        """Whether none but this user can write to it: then a quick digest is enough to find damage."""

    def get_entry(self, key: str, limit: int) -> bytes | None:
        """Return the entry of a key, None if it is not there.

        :param limit: bytes; an entry that is longer is a fault
        """

    def get_blob(self, digest: Digest, path: str) -> bool:
        """Write a blob to a new file; return False if it is not there.

        :param path: where; nothing is there yet. The file gets the mode 0666 less the umask
        """

    def put_blob(self, digest: Digest, path: str) -> None:
        """Store a file as the blob of a digest; one that is there already may stay.

        :param path: the file, which is not written to meanwhile
        """

    def put_entry(self, key: str, body: bytes) -> None:
        """Store an entry; called when all of its blobs are there."""

    def discard(self, digest: Digest) -> None:
        """Take note that the blob which was returned for a digest is another one; it may be removed."""

    def close(self, wait: float) -> int:
        """End all work in the background.

        :param wait: seconds that it may take
        :return: how much of it was given up
        """
