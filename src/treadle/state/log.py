"""Framed lists of texts, the form of all state on disk: a torn end or a flipped bit is seen. It knows no meaning.

A file is a line that names its format, a line with its id, and frames. A frame is one letter, the length of what
follows with a checksum of letter and length, a checksum of what follows, and a list of texts.
"""

from __future__ import annotations

from struct import Struct, error

from xxhash import xxh3_64_intdigest, xxh32_intdigest

BEGUN, CLOSED, START, SUCCESS, OTHER_END, DROPPED, STAMPS = b"B", b"E", b"S", b"R", b"F", b"D", b"P"
RELEASED, UNSTARTED = b"L", b"U"
MADE = b"M"
"""What each frame begins with: a run, its end; an action that starts, its success, another end of it; a record
that was dropped, stamps, outputs that are no longer ours, an action that could not be started; and in a file of its
own, what is in an output folder."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

_HEAD = Struct("<cIIQ")
_FIRST = Struct("<cI")
_COUNT = Struct("<I")
HEAD_SIZE = _HEAD.size


class DamageError(ValueError):
    """What was read is not what was written."""


def pack(letter: bytes, texts: Sequence[str]) -> bytes:
    """Return one frame."""
    joined = "".join(texts)
    if joined.isascii():
        sizes, raw = list(map(len, texts)), joined.encode("ascii")
    else:
        parts = [text.encode("utf-8", "surrogatepass") for text in texts]
        sizes, raw = list(map(len, parts)), b"".join(parts)
    return frame(letter, _lengths(len(sizes) + 1).pack(len(sizes), *sizes) + raw)


def frame(letter: bytes, body: bytes) -> bytes:
    """Return the frame of a body that was packed before."""
    first = _FIRST.pack(letter, len(body))
    return _HEAD.pack(letter, len(body), xxh32_intdigest(first), xxh3_64_intdigest(body)) + body


def unpack(body: bytes, most: int | None = None) -> list[str]:
    """Return the texts of a frame's body.

    :param most: only so many of the first ones are wanted
    :raises DamageError: it is not one
    """
    try:
        (count,) = _COUNT.unpack_from(body)
        if most is None or most > count:
            most = count
        lengths = _lengths(most).unpack_from(body, 4)
        raw = body[4 + 4 * count : 4 + 4 * count + sum(lengths) if most < count else None]
        if raw.isascii():
            texts, at = _cut(raw.decode("ascii"), lengths)
        else:
            parts, at = _cut(raw, lengths)
            texts = [part.decode("utf-8", "surrogatepass") for part in parts]
    except (error, UnicodeDecodeError, OverflowError, MemoryError) as problem:
        raise DamageError(str(problem)) from problem
    if at != len(raw):
        raise DamageError("the lengths do not add up")
    return texts


def text_at(body: bytes, number: int) -> str:
    """Return one text of a frame's body without looking at the others.

    :raises DamageError: there is none
    """
    try:
        (count,) = _COUNT.unpack_from(body)
        lengths = _lengths(number + 1).unpack_from(body, 4)
        at = 4 + 4 * count + sum(lengths[:number])
        return body[at : at + lengths[number]].decode("utf-8", "surrogatepass")
    except (error, UnicodeDecodeError) as problem:
        raise DamageError(str(problem)) from problem


def _cut(joined: Any, lengths: Iterable[int]) -> tuple[list[Any], int]:
    """Return pieces of text or bytes, and where the last one ends."""
    pieces, at = [], 0
    for length in lengths:
        pieces.append(joined[at : at + length])
        at += length
    return pieces, at


def _lengths(count: int) -> Struct:
    """Return the form of so many lengths; those of usual frames are made once."""
    form = _forms.get(count)
    if form is None:
        form = Struct(f"<{count}I")
        if count < _USUAL:
            _forms[count] = form
    return form


_USUAL = 512
"""Texts that a frame about one action may have."""
_forms: dict[int, Struct] = {}


def length_of(head: bytes) -> int:
    """Return the length of the body that follows a frame's head.

    :raises DamageError: it is none
    """
    try:
        letter, length, head_sum, _ = _HEAD.unpack(head)
    except error as problem:
        raise DamageError(str(problem)) from problem
    if xxh32_intdigest(_FIRST.pack(letter, length)) != head_sum:
        raise DamageError("the head of a frame is damaged")
    return int(length)


def scan(data: bytes, at: int) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield letter, body and end of each whole frame from offset `at`; a frame cut off at the end is left out.

    :raises DamageError: a frame is whole but not what was written
    """
    size = len(data)
    while at + HEAD_SIZE <= size:
        letter, length, head_sum, body_sum = _HEAD.unpack_from(data, at)
        if xxh32_intdigest(_FIRST.pack(letter, length)) != head_sum:
            raise DamageError(f"the frame at {at} is damaged")
        end = at + HEAD_SIZE + length
        if end > size:
            return
        body = data[at + HEAD_SIZE : end]
        if xxh3_64_intdigest(body) != body_sum:
            raise DamageError(f"the frame at {at} is damaged")
        yield letter, body, end
        at = end
