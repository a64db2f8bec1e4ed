"""Lines of styled text: escape sequences, cropping, folding and columns."""

from __future__ import annotations

from treadle.core.text import MORE, beginning, safe, width, wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

Piece = tuple[str, str]
"""A text and its style: a key of `SGR`."""
Line = tuple[Piece, ...]

SGR = {"": "", "name": "1", "good": "32", "bad": "1;31", "warn": "33", "dim": "2"}
"""style -> the parameters of the escape sequence that begins it."""


def guarded(text: str) -> str:
    """Return a line in which all control characters are visible escapes, except for colours and tabs.

    Every line passes it before a terminal: no line can move the cursor, set a title or the clipboard, query the
    terminal or change the direction of writing.
    """
    if text.isprintable():
        return text
    import re

    parts = re.split(r"(\x1b\[[0-9;:]{0,60}m|\t)", text)
    return "".join([part if number % 2 else safe(part) for number, part in enumerate(parts)])


def line(*parts: str | Piece) -> Line:
    """Return a line of texts and of texts with a style."""
    return tuple((part, "") if isinstance(part, str) else part for part in parts)


def plain(pieces: Line) -> str:
    """Return a line without its styles."""
    return "".join(text for text, _ in pieces)


def coloured(pieces: Line) -> str:
    """Return a line with its styles as escape sequences."""
    return "".join(f"\x1b[{SGR[style]}m{text}\x1b[0m" if style else text for text, style in pieces)


def crop_line(pieces: Line, room: int) -> Line:
    """Return the beginning of a line in at most `room` cells."""
    if sum(width(text) for text, _ in pieces) <= room:
        return pieces
    kept: list[Piece] = []
    for text, style in pieces:
        taken = sum(width(one) for one, _ in kept)
        if taken + width(text) > room - len(MORE):
            # all that was kept before leaves room for the dots
            cut = beginning(text, max(0, room - len(MORE) - taken))
            kept.append((cut + MORE[: max(0, room - taken - width(cut))], style))
            break
        kept.append((text, style))
    return tuple(kept)


def folded(pieces: Line, room: int) -> list[Line]:
    """Return a line as several of at most `room` cells, if it has no styles; further ones are indented more.

    :param room: 0 for no bound
    """
    text = plain(pieces)
    if not room or width(text) <= room or any(style for _, style in pieces):
        return [pieces]
    indent = text[: len(text) - len(text.lstrip())]
    first, *more = wrap(text.strip(), room - width(indent) - 4)
    return [line(indent + first), *(line(f"{indent}    {one}") for one in more)]


def columns(rows: Iterable[tuple[str, str]], indent: str = "  ", *, widest: int = 30, room: int = 0) -> list[str]:
    """Return rows of two safe texts in columns; a first text wider than `widest` is not aligned.

    :param room: cells that a line may take, 0 for no bound; the second text is wrapped in its column
    """
    table = list(rows)
    left = max((width(first) for first, _ in table if width(first) <= widest), default=0)
    made = []
    for first, second in table:
        start = f"{indent}{first}{' ' * (left - width(first))}  "
        below = len(indent) + left + 2
        if not second:
            made.append(f"{indent}{first}")
        elif not room or width(start + second) <= room or room < below + _NARROW:
            made.append((start + second).rstrip())
        elif width(start) > below:
            made += [start.rstrip(), *wrap(second, room, " " * below)]
        else:
            first_line, *more = wrap(second, room, " " * below)
            made += [start + first_line[below:], *more]
    return made


_NARROW = 20
"""Cells; lines are not wrapped in a narrower column."""
