"""The messages of Bazel's remote cache that entries are made of: ActionResult, Tree and Directory, as bytes.

The encoder gives the bytes that the protobuf package gives. The decoder skips fields that it does not know, as a
server may add some, and refuses all else that is not well formed. It knows nothing of caches and files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NOTE_TYPE = "type.googleapis.com/google.protobuf.BytesValue"
"""The type of the message in `auxiliary_metadata` that is ours."""
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_NANOS = 1_000_000_000
MOST_IN_RESULT = 300_000
MOST_IN_TREE = 1_000_000
"""Fields of one message, with those of all messages in it: two bytes are one field, and may make an object here."""


class MessageError(ValueError):
    """Bytes are not the message that they should be."""


@dataclass(slots=True, frozen=True)
class File:
    """A file, by its path (in an ActionResult) or its name (in a Directory)."""

    path: str
    digest: Digest
    is_executable: bool = False


@dataclass(slots=True, frozen=True)
class Link:
    """A symbolic link, by its path or its name."""

    path: str
    target: str


@dataclass(slots=True, frozen=True)
class Folder:
    """A folder: in an ActionResult its path and the digest of its Tree, in a Directory its name and its digest."""

    path: str
    digest: Digest


@dataclass(slots=True, frozen=True)
class Directory:
    """What is in one folder, each kind sorted by name."""

    files: tuple[File, ...] = ()
    folders: tuple[Folder, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(slots=True, frozen=True)
class Tree:
    """A folder with all that is below it: each Directory below `root` is in `children`, found by its digest."""

    root: Directory
    children: tuple[Directory, ...] = ()


@dataclass(slots=True, frozen=True)
class ActionResult:
    """What is stored below a key.

    :param note: what is ours in the metadata, None if there is nothing
    :param worker: where it ran
    :param began: nanoseconds since the epoch
    """

    files: tuple[File, ...] = ()
    folders: tuple[Folder, ...] = ()
    links: tuple[Link, ...] = ()
    exit_code: int = 0
    stdout_raw: bytes = b""
    stdout: Digest | None = None
    worker: str = ""
    began: int = 0
    ended: int = 0
    note: bytes | None = None


def encode_result(result: ActionResult) -> bytes:
    """Return an ActionResult as bytes."""
    parts = [_nested(2, _file(one)) for one in result.files]
    parts += [_nested(3, _text(1, one.path) + _nested(3, _digest(one.digest))) for one in result.folders]
    parts += [_number(4, result.exit_code), _data(5, result.stdout_raw)]
    if result.stdout is not None:
        parts.append(_nested(6, _digest(result.stdout)))
    metadata = _text(1, result.worker)
    for field, time in ((7, result.began), (8, result.ended)):
        if time:
            metadata += _nested(field, _number(1, time // _NANOS) + _number(2, time % _NANOS))
    if result.note is not None:
        metadata += _nested(11, _text(1, NOTE_TYPE) + _data(2, _data(1, result.note)))
    if metadata:
        parts.append(_nested(9, metadata))
    parts += [_nested(12, _text(1, one.path) + _text(2, one.target)) for one in result.links]
    return b"".join(parts)


def encode_tree(tree: Tree) -> bytes:
    """Return a Tree as bytes."""
    return _nested(1, encode_directory(tree.root)) + b"".join(
        [_nested(2, encode_directory(one)) for one in tree.children]
    )


def encode_directory(directory: Directory) -> bytes:
    """Return a Directory as bytes."""
    parts = [_nested(1, _file(one)) for one in directory.files]
    parts += [_nested(2, _text(1, one.path) + _nested(2, _digest(one.digest))) for one in directory.folders]
    parts += [_nested(3, _text(1, one.path) + _text(2, one.target)) for one in directory.links]
    return b"".join(parts)


def _file(file: File) -> bytes:
    return _text(1, file.path) + _nested(2, _digest(file.digest)) + _number(4, int(file.is_executable))


def _digest(digest: Digest) -> bytes:
    return _text(1, digest.hash) + _number(2, digest.size)


_SHORT = [bytes((number,)) for number in range(128)]
"""The numbers that have one byte, as most have."""


def _varint(number: int) -> bytes:
    if 0 <= number < 128:
        return _SHORT[number]
    out = bytearray()
    number &= (1 << 64) - 1
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number) if number else b""


def _data(field: int, data: bytes) -> bytes:
    return _nested(field, data) if data else b""


def _text(field: int, text: str) -> bytes:
    return _data(field, text.encode())


def _nested(field: int, message: bytes) -> bytes:
    return _varint(field << 3 | _LENGTH) + _varint(len(message)) + message


def decode_result(data: bytes) -> ActionResult:
    """Return the ActionResult that bytes hold.

    :raises MessageError: they hold none
    """
    known = {2: _LENGTH, 3: _LENGTH, 4: _VARINT, 5: _LENGTH, 6: _LENGTH, 9: _LENGTH, 12: _LENGTH}
    found = _Fields(data, known, (2, 3, 12), _Count(MOST_IN_RESULT))
    metadata = found.inside(found.data(9), {1: _LENGTH, 7: _LENGTH, 8: _LENGTH, 11: _LENGTH}, (11,))
    return ActionResult(
        tuple(_file_from(found, one) for one in found.all(2)),
        tuple(_folder_from(found, one, 3) for one in found.all(3)),
        tuple(_link_from(found, one) for one in found.all(12)),
        found.number(4),
        found.data(5),
        _digest_from(found, found.data(6)) if found.has(6) else None,
        metadata.text(1),
        _time_from(metadata, metadata.data(7)),
        _time_from(metadata, metadata.data(8)),
        _note_from(metadata, metadata.all(11)),
    )


def decode_tree(data: bytes) -> Tree:
    """Return the Tree that bytes hold.

    :raises MessageError: they hold none
    """
    found = _Fields(data, {1: _LENGTH, 2: _LENGTH}, (2,), _Count(MOST_IN_TREE))
    if not found.has(1):
        raise MessageError("a Tree without a root")
    root = _directory_from(found, found.data(1))
    return Tree(root, tuple(_directory_from(found, one) for one in found.all(2)))


def decode_directory(data: bytes) -> Directory:
    """Return the Directory that bytes hold.

    :raises MessageError: they hold none
    """
    return _directory_from(_Fields(b"", {}, (), _Count(MOST_IN_TREE)), data)


def _directory_from(above: _Fields, data: bytes) -> Directory:
    found = above.inside(data, {1: _LENGTH, 2: _LENGTH, 3: _LENGTH}, (1, 2, 3))
    return Directory(
        tuple(_file_from(found, one) for one in found.all(1)),
        tuple(_folder_from(found, one, 2) for one in found.all(2)),
        tuple(_link_from(found, one) for one in found.all(3)),
    )


def _file_from(above: _Fields, data: bytes) -> File:
    found = above.inside(data, {1: _LENGTH, 2: _LENGTH, 4: _VARINT})
    is_executable = found.number(4)
    if is_executable not in (0, 1):
        raise MessageError(f"{is_executable} for yes or no")
    return File(found.text(1), _digest_from(found, found.data(2)), bool(is_executable))


def _folder_from(above: _Fields, data: bytes, field: int) -> Folder:
    found = above.inside(data, {1: _LENGTH, field: _LENGTH})
    return Folder(found.text(1), _digest_from(found, found.data(field)))


def _link_from(above: _Fields, data: bytes) -> Link:
    found = above.inside(data, {1: _LENGTH, 2: _LENGTH})
    return Link(found.text(1), found.text(2))


def _digest_from(above: _Fields, data: bytes) -> Digest:
    found = above.inside(data, {1: _LENGTH, 2: _VARINT})
    digest = Digest(found.text(1), found.number(2))
    if not is_hash(digest.hash) or digest.size < 0:
        raise MessageError(f"{digest.hash[:80]!r} of {digest.size} bytes is no digest")
    return digest


def is_hash(text: str) -> bool:
    """Return whether a text is a SHA-256 in 64 lower-case hex digits."""
    return len(text) == 64 and not text.strip("0123456789abcdef")


def _time_from(above: _Fields, data: bytes) -> int:
    found = above.inside(data, {1: _VARINT, 2: _VARINT})
    seconds, nanos = found.number(1), found.number(2)
    if not 0 <= nanos < _NANOS:
        raise MessageError(f"{nanos} nanoseconds")
    return seconds * _NANOS + nanos


def _note_from(above: _Fields, messages: Iterable[bytes]) -> bytes | None:
    notes = []
    for message in messages:
        found = above.inside(message, {1: _LENGTH, 2: _LENGTH})
        if found.text(1) == NOTE_TYPE:
            notes.append(found.inside(found.data(2), {1: _LENGTH}).data(1))
    if len(notes) > 1:
        raise MessageError("more than one note")
    return notes[0] if notes else None


class _Count:
    """How many fields a message may still have, with those of the messages in it."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class _Fields:
    """The fields of one message: number -> values, each as bytes or a number.

    :param known: field -> its wire type; other fields are skipped
    :param repeated: the fields that may come more than once
    :param count: what all fields are counted by, also those that are skipped
    """

    __slots__ = ("_count", "_values")

    def __init__(self, data: bytes, known: Mapping[int, int], repeated: tuple[int, ...], count: _Count) -> None:
        self._values: dict[int, list[bytes | int]] = {}
        self._count = count
        at, size = 0, len(data)
        while at < size:
            count.left -= 1
            if count.left < 0:
                raise MessageError("it has too many fields")
            # most numbers have one byte
            if (tag := data[at]) < 128:
                at += 1
            else:
                tag, at = _read_varint(data, at)
            field, wire = tag >> 3, tag & 7
            value: bytes | int = 0
            if wire == _VARINT:
                value, at = _read_varint(data, at)
            elif wire == _LENGTH:
                if at < size and (length := data[at]) < 128:
                    at += 1
                else:
                    length, at = _read_varint(data, at)
                value, at = data[at : at + length], at + length
            elif wire in (_FIXED64, _FIXED32):
                at += 8 if wire == _FIXED64 else 4
            else:
                raise MessageError(f"wire type {wire}")
            if at > size or not 0 < field < 1 << 29:
                raise MessageError("it ends within a field" if at > size else f"field {field}")
            if field not in known:
                continue
            if known[field] != wire:
                raise MessageError(f"field {field} of wire type {wire}")
            values = self._values.setdefault(field, [])
            if values and field not in repeated:
                raise MessageError(f"field {field} comes twice")
            values.append(value)

    def inside(self, data: bytes, known: Mapping[int, int], repeated: tuple[int, ...] = ()) -> _Fields:
        """Return the fields of a message in this one, which count for it."""
        return _Fields(data, known, repeated, self._count)

    def has(self, field: int) -> bool:
        """Return whether the message has a field."""
        return field in self._values

    def all(self, field: int) -> list[bytes]:
        """Return all values of a field of bytes."""
        return self._values.get(field, [])  # type: ignore[return-value]

    def data(self, field: int) -> bytes:
        """Return the bytes of a field, none if the message does not have it."""
        return self.all(field)[0] if field in self._values else b""

    def text(self, field: int) -> str:
        """Return the text of a field, "" if the message does not have it."""
        try:
            return self.data(field).decode()
        except UnicodeDecodeError:
            raise MessageError(f"the text of field {field} is not UTF-8") from None

    def number(self, field: int) -> int:
        """Return the number of a field, which may be below 0; 0 if the message does not have it."""
        number: int = self._values.get(field, (0,))[0]  # type: ignore[assignment]
        return number - (1 << 64) if number >> 63 else number


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and where what follows it begins."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise MessageError("it ends within a number")
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            if number >> 64:
                break
            return number, at
    raise MessageError("a number of more than 64 bits")
