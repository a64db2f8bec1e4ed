"""What a file held when an action last succeeded, if git has it; and what was written since then.

Of an old content nothing but its digest is on record: what git has is taken only if its digest is that one.
Nothing is written, and nothing is fetched.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGEST = 1 << 16
"""Bytes above which a file is not small."""
_COMMITS = 50
"""Commits that are looked at, the latest that changed the file."""
_PATIENCE = 5.0
"""Seconds that git may take for one question."""


def may_be_text(old: str, new: str) -> bool:
    """Return whether a file was small and is it still, going by its values."""
    return _size(old) >= 0 and _size(new) >= 0


def texts(root: str, path: str, old: str, new: str) -> tuple[str, str] | None:
    """Return the old and the new text of a file that changed; None if one is not at hand, not small, or no text.

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
    """Return the size of a file from its value, -1 if it is none or not small."""
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

    folder, name = os.path.split(os.path.realpath(full))
    if "\n" in name:
        return None
    commits = _git(folder, ["rev-list", f"-n{_COMMITS}", "HEAD", "--", f":(literal){name}"]) or b""
    asked = [f":./{name}", *(f"{commit}:./{name}" for commit in commits.decode("ascii", "replace").split())]
    for blob in _blobs_of_size(folder, asked, _size(value)):
        data = _git(folder, ["cat-file", "blob", blob]) or b""
        if xxh3_128(data).hexdigest() == value.rpartition(" ")[2]:
            return _text(data)
    return None


def _blobs_of_size(folder: str, asked: Sequence[str], size: int) -> Iterator[str]:
    """Yield the contents among those asked for that have the right size, each once."""
    question = "".join(f"{one}\n" for one in asked).encode("utf-8", "surrogateescape")
    answer = _git(folder, ["cat-file", "--batch-check"], question) or b""
    found = (one.split() for one in answer.decode("utf-8", "replace").splitlines())
    yield from dict.fromkeys(words[0] for words in found if words[1:] == ["blob", str(size)])


def _git(folder: str, words: Sequence[str], question: bytes = b"") -> bytes | None:
    """Return what git answers, None if it has no answer or is not there."""
    import subprocess

    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
    try:
        done = subprocess.run(
            ["git", "--no-replace-objects", *words],
            cwd=folder,
            input=question,
            capture_output=True,
            env={**os.environ, **quiet},
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def written_since(root: str, folder: str, since: int) -> list[str]:
    """Return what in a tree was written after a time, in the order of names; a folder if names in it changed.

    :param folder: with a `/` at its end
    :param since: milliseconds since the epoch
    """
    from treadle.digests import FOLDER, walk_tree
    from treadle.errors import TreadleError

    found = []
    try:
        for name, entry, kind, _ in walk_tree(os.path.join(root, folder), follow=True):
            if entry.stat().st_ctime_ns // 1_000_000 > since:
                found.append(folder + name + ("/" if kind == FOLDER else ""))
    except (OSError, TreadleError):
        pass
    return found
