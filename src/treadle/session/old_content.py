"""The content of a file at the last success of an action, from git, and what was written since then.

Records hold only the digest of old content: content from git is used only if it has that digest. Nothing is written
or fetched.
"""

from __future__ import annotations

import os

LARGEST = 1 << 16
"""Bytes above which a file is not small."""


def may_be_text(old: str, new: str) -> bool:
    """Return whether a file was and is small, by its values."""
    return _size(old) >= 0 and _size(new) >= 0


def texts(root: str, path: str, old: str, new: str) -> tuple[str, str] | None:
    """Return the old and the new text of a file that changed; None if one is unknown, large, or not text.

    :param old: its value on record, as `digests` describes it
    :param new: its value now
    """
    if not may_be_text(old, new):
        return None
    full = os.path.join(root, path)
    now = _read(full)
    if now is None:
        return None
    before = _from_git(full, old)
    return (before, now) if before is not None and before != now else None


def _size(value: str) -> int:
    """Return the size of a file from its value, -1 for a large file and for anything else."""
    kind, _, rest = value.partition(" ")
    size = rest.partition(" ")[0]
    return int(size) if kind in ("file", "exec") and size.isdigit() and int(size) <= LARGEST else -1


def _read(full: str) -> str | None:
    try:
        with open(full, "rb") as file:
            return _text(file.read(LARGEST + 1))
    except OSError:
        return None


def _text(data: bytes) -> str | None:
    if b"\0" in data or len(data) > LARGEST:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _from_git(full: str, value: str) -> str | None:
    """Return the content with this digest from the index or the latest commits that changed the file."""
    from xxhash import xxh3_128

    from treadle.content import git

    wanted = value.rpartition(" ")[2]
    for data in git.contents(full, _size(value)):
        if xxh3_128(data).hexdigest() == wanted:
            return _text(data)
    return None


def written_since(root: str, folder: str, since: int) -> list[str]:
    """Return the files in a tree that were written after a time, sorted; a folder if names in it changed.

    :param folder: with a `/` at its end
    :param since: milliseconds since the epoch
    """
    from treadle.content.digests import FOLDER, walk_tree
    from treadle.errors import TreadleError

    found = []
    try:
        for name, entry, kind, _ in walk_tree(os.path.join(root, folder), follow=True):
            if entry.stat().st_ctime_ns // 1_000_000 > since:
                found.append(folder + name + ("/" if kind == FOLDER else ""))
    except (OSError, TreadleError):
        pass
    return found
