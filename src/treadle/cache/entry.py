"""Entries: what one key leads to, as data; checked before anything of them is used. This module opens no file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac
from typing import TYPE_CHECKING, Any

from .base import Digest
from .messages import (
    ActionResult,
    File,
    Folder,
    Link,
    MessageError,
    decode_result,
    decode_tree,
    encode_directory,
    encode_result,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .messages import Directory

FORMAT = 1
_JSON = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
"""`json.dumps` would make an encoder for each call."""
MOST_NODES = 100_000
MOST_DEPTH = 100
TREE_LIMIT = 64 << 20
"""Bytes of a Tree at most."""
_LONGEST = 4096
_FORBIDDEN = (".git", ".treadle")


class EntryError(ValueError):
    """An entry is not what Treadle has written for its key, or asks for what must not be: it is a miss."""


class SignedEntryError(EntryError):
    """An entry is signed, and there is no key: whether it is right cannot be known."""


@dataclass(slots=True, frozen=True)
class Entry:
    """What an action has made.

    :param folders: each output folder, without the `/`, with the digest of its Tree
    :param links: output files that are links
    :param log: the blob with what it printed, None if that is not stored
    :param values: output -> its value, as `content.digests` describes it
    :param run: the id of the run that made it
    :param plan: the label of its plan
    :param duration: seconds that it took
    :param host: where it ran
    :param began: nanoseconds since the epoch
    """

    files: tuple[File, ...] = ()
    folders: tuple[Folder, ...] = ()
    links: tuple[Link, ...] = ()
    log: Digest | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    action: str = ""
    plan: str = ""
    duration: float = 0.0
    host: str = ""
    began: int = 0
    ended: int = 0


def encode_entry(entry: Entry, key: str, signing_key: bytes = b"") -> bytes:
    """Return an entry as bytes.

    :param key: what it will be found by
    :param signing_key: what signs it, empty for nothing
    """
    note: dict[str, Any] = {
        "format": FORMAT,
        "run": entry.run,
        "action": entry.action,
        "plan": entry.plan,
        "duration": entry.duration,
        "values": dict(entry.values),
    }
    if signing_key:
        # for those without the key: to them it looks like damage otherwise, which they would replace
        note["signed"] = True
    note["digest"] = _digest(entry, note, key, signing_key)
    return encode_result(
        ActionResult(
            entry.files,
            entry.folders,
            entry.links,
            stdout=entry.log,
            # servers fill in one of their own where there is none
            worker=entry.host or "treadle",
            began=entry.began,
            ended=entry.ended,
            note=_JSON(note).encode(),
        )
    )


def decode_entry(body: bytes, key: str, signing_key: bytes = b"") -> Entry:
    """Return the entry that bytes hold.

    A message that was cut off may be a valid shorter one, and a server may encode it anew: so the digest in it is
    one over all decoded fields and its key.

    :raises EntryError: they hold none of this key
    """
    try:
        result = decode_result(body)
        note = json.loads(result.note or b"")
        if not isinstance(note, dict) or note.get("format") != FORMAT:
            raise EntryError("it is of another format")
        if note.get("signed") is True and not signing_key:
            raise SignedEntryError("it is signed, and you have no key for signatures")
        values, duration = note["values"], note["duration"]
        texts = [note["run"], note["action"], note["plan"], *values, *values.values()]
        is_right = isinstance(duration, float | int) and all(isinstance(text, str) for text in texts)
        if not is_right or not 0 <= duration < 1e9:
            raise EntryError("its note is not valid")
        if not all(_may_be_shown(text) for text in (note["run"], note["action"], note["plan"], result.worker)):
            raise EntryError("it says what cannot be shown of its action")
        entry = Entry(
            result.files,
            result.folders,
            result.links,
            result.stdout,
            values,
            note["run"],
            note["action"],
            note["plan"],
            float(duration),
            result.worker,
            result.began,
            result.ended,
        )
        given = note.pop("digest", None)
        if not isinstance(given, str) or not compare_digest(given, _digest(entry, note, key, signing_key)):
            raise EntryError("its fields do not fit its digest")
        if result.exit_code or result.stdout_raw:
            raise EntryError("it is of a failure")
    except EntryError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise EntryError(f"it is not valid: {error}") from error
    return entry


def _may_be_shown(text: str) -> bool:
    """Return whether a text is one of a line: what an entry says of its action is shown, and others write it."""
    return text.isprintable() and len(text) <= _LONGEST


def _digest(entry: Entry, note: Mapping[str, Any], key: str, signing_key: bytes) -> str:
    fields = [
        key,
        [(one.path, *one.digest, one.is_executable) for one in entry.files],
        [(one.path, *one.digest) for one in entry.folders],
        [(one.path, one.target) for one in entry.links],
        entry.log,
        entry.host or "treadle",
        [entry.began, entry.ended],
        note,
    ]
    data = _JSON(fields).encode()
    return hmac(signing_key, data, "sha256").hex() if signing_key else sha256(data).hexdigest()


def check(entry: Entry, outputs: Sequence[str]) -> None:
    """Check that an entry holds what an action declares, each output once and of its kind, and nothing else.

    :param outputs: what it declares, folders with a `/` at the end
    :raises EntryError: it does not
    """
    paths = [one.path for one in entry.files] + [one.path for one in entry.links]
    paths += [f"{one.path}/" for one in entry.folders]
    if sorted(paths) != sorted(set(outputs)):
        raise EntryError("its outputs are not those that are declared")
    if set(entry.values) != set(outputs):
        raise EntryError("it has no values of its outputs")
    for file in entry.files:
        kind = "exec" if file.is_executable else "file"
        if not entry.values[file.path].startswith(f"{kind} {file.digest.size} "):
            raise EntryError(f"the value of {file.path} does not fit it")
    for folder in entry.folders:
        if not entry.values[f"{folder.path}/"].startswith("tree "):
            raise EntryError(f"the value of {folder.path}/ does not fit it")
    for link in entry.links:
        if not stays_inside(link.path, link.target):
            raise EntryError(f"the link {link.path} leads out of the root")


def differing(entry: Entry, other: Entry) -> list[str]:
    """Return the outputs that two entries do not have alike, sorted; what was printed counts for nothing."""

    def outputs(of: Entry) -> dict[str, object]:
        found: dict[str, object] = {one.path: one for one in of.files}
        found |= {one.path: one for one in of.links}
        return found | {f"{one.path}/": one.digest for one in of.folders}

    ours, theirs = outputs(entry), outputs(other)
    return sorted(path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path))


def stays_inside(path: str, target: str) -> bool:
    """Return whether a link leads to a place in the root, whatever else is a link, and to no state or repository.

    `..` counts only at the beginning: after a name that is itself a link it would lead anywhere.

    :param path: of the link, relative to the root
    """
    names = target.split("/")
    if not target or target.startswith("/") or "\0" in target:
        return False
    above = 0
    while above < len(names) and names[above] == "..":
        above += 1
    left = names[above:]
    if above > path.count("/") or ".." in left:
        return False
    return not any(name.lower() in _FORBIDDEN for name in left)


def is_name(name: str) -> bool:
    """Return whether something in a folder of an entry may have a name."""
    is_plain = name not in ("", ".", "..") and "/" not in name and "\0" not in name
    return is_plain and name.lower() not in _FORBIDDEN


@dataclass(slots=True, frozen=True)
class Node:
    """Something in a tree.

    :param path: relative to the tree
    :param file: the file, None for a folder or a link
    :param target: where a link leads to, "" for what is none
    """

    path: str
    file: File | None = None
    target: str = ""


def expand(data: bytes, top: str) -> list[Node]:
    """Return all that a Tree holds, each folder before what is in it.

    What is in it is counted while this goes on: children that are shared many levels deep make many files of few
    bytes.

    :param data: the Tree
    :param top: the path of the folder that it is of, relative to the root
    :raises EntryError: it is not valid, too large, or asks for what must not be
    """
    try:
        tree = decode_tree(data)
    except MessageError as error:
        raise EntryError(f"the tree of {top} is not valid: {error}") from error
    children: dict[Digest, Directory] = {}
    for child in tree.children:
        raw = encode_directory(child)
        children[Digest(sha256(raw).hexdigest(), len(raw))] = child
    found: list[Node] = []
    todo: list[tuple[str, Directory, int]] = [("", tree.root, 1)]
    while todo:
        above, directory, depth = todo.pop()
        names: set[str] = set()
        every: list[File | Folder | Link] = [*directory.files, *directory.folders, *directory.links]
        for one in every:
            if not is_name(one.path) or one.path in names:
                raise EntryError(f"the tree of {top} has the name {one.path[:80]!r} in it")
            names.add(one.path)
            path = f"{above}{one.path}"
            if isinstance(one, File):
                found.append(Node(path, one))
            elif isinstance(one, Link):
                if not stays_inside(f"{top}/{path}", one.target):
                    raise EntryError(f"the link {top}/{path} leads out of the root")
                found.append(Node(path, None, one.target))
            else:
                if one.digest not in children or depth == MOST_DEPTH:
                    raise EntryError(f"the tree of {top} is not complete, or too deep")
                found.append(Node(path))
                todo.append((f"{path}/", children[one.digest], depth + 1))
            if len(found) > MOST_NODES:
                raise EntryError(f"the tree of {top} has more than {MOST_NODES:,} names")
    return found
