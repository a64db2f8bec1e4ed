"""SignedCache: a store whose entries carry a signature, which finds a wrong entry whose blobs all fit.

Servers may encode an entry anew, so the signature is one over its decoded fields and its key.

It is a cache around a cache: whatever keeps entries can be signed, and the walk knows nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import UnusableEntryError
from .entry import EntryError, decode_entry, encode_entry
from .messages import MessageError, decode_result

if TYPE_CHECKING:
    from .base import Digest, OutputCache


class SignedCache:
    """Signs what is stored in a store, and returns only what has that signature. Path sets have none.

    :param cache: the store
    :param key: what signs; everything that it has signed is believed
    """

    def __init__(self, cache: OutputCache, key: bytes) -> None:
        self.cache = cache
        self._key = key

    @property
    def name(self) -> str:
        """That of the store."""
        return self.cache.name

    @property
    def writable(self) -> bool:
        """Whether anything is stored."""
        return self.cache.writable

    @property
    def is_own(self) -> bool:
        """Whether none but this user can write to it."""
        return self.cache.is_own

    def get_entry(self, key: str, limit: int) -> bytes | None:
        """Return an entry that is signed, without its signature; None if it is not there."""
        body = self.cache.get_entry(key, limit)
        if body is None or is_no_entry(body):
            return body
        try:
            return encode_entry(decode_entry(body, key, self._key), key)
        except EntryError as error:
            raise UnusableEntryError("holds an entry that is not signed with your key", str(error)) from error

    def get_blob(self, digest: Digest, path: str) -> bool:
        """Write a blob to a new file; return False if it is not there."""
        return self.cache.get_blob(digest, path)

    def put_blob(self, digest: Digest, path: str) -> None:
        """Store a file."""
        self.cache.put_blob(digest, path)

    def put_entry(self, key: str, body: bytes) -> None:
        """Sign an entry, and store it."""
        if not is_no_entry(body):
            body = encode_entry(decode_entry(body, key), key, self._key)
        self.cache.put_entry(key, body)

    def discard(self, digest: Digest) -> None:
        """Take note of a blob that is another one."""
        self.cache.discard(digest)

    def close(self, wait: float) -> int:
        """End what the store does in the background."""
        return self.cache.close(wait)

    def __getattr__(self, name: str) -> Any:
        """Return what else the store has, such as `stop`."""
        if name.startswith("__") or name == "cache":
            raise AttributeError(name)
        return getattr(self.cache, name)


def is_no_entry(body: bytes) -> bool:
    """Return whether bytes are path sets: a message that says nothing of outputs.

    What is neither is left to `decode_entry`, which refuses it.
    """
    try:
        result = decode_result(body)
    except MessageError:
        return False
    return result.note is None and not (result.files or result.folders or result.links)
