"""Text that is safe and fits: control characters made visible, widths in cells of a terminal.

It knows nothing of what the text says.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Piece = tuple[str, str]
    """A text and its style: a key of `SGR`."""
    Line = tuple[Piece, ...]

SGR = {"": "", "name": "1", "good": "32", "bad": "1;31", "warn": "33", "dim": "2"}
"""style -> the parameters of the escape sequence that begins it."""

MORE = "..."
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What changes the direction of writing: a name must not rearrange the line it stands in."""


def safe(text: str) -> str:
    r"""Return the text with all that is not a visible character or a blank as an escape: `a\nb`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(char: str) -> str:
    number = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if number < 0xA0:
        return f"\\x{number:02x}"
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    if char in _TURNING or 0xD800 <= number <= 0xDFFF or char in "\u2028\u2029":
        return f"\\u{number:04x}"
    from unicodedata import category

    # joiners and uncommon blanks are parts of names, what has no character is not
    return char if category(char) in ("Cf", "Zs") else f"\\u{number:04x}"


def guarded(text: str) -> str:
    """Return a line with all that a terminal obeys as an escape, but for colours and tabs.

    It is the last word before a terminal: whatever a line is made of, it moves no cursor, sets no title or
    clipboard, asks the terminal nothing and turns no direction of writing.
    """
    if text.isprintable():
        return text
    import re

    parts = re.split(r"(\x1b\[[0-9;:]{0,60}m|\t)", text)
    return "".join([part if number % 2 else safe(part) for number, part in enumerate(parts)])


def width(text: str) -> int:
    """Return how many cells a safe text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(char: str) -> int:
    if char < "\x7f":
        return 1
    from unicodedata import category, east_asian_width

    if category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def crop(text: str, room: int) -> str:
    """Return the beginning of a safe text in at most `room` cells; `...` stands for what is left out."""
    if width(text) <= room:
        return text
    if room <= len(MORE):
        return MORE[: max(room, 0)]
    return _beginning(text, room - len(MORE)) + MORE


def crop_left(text: str, room: int) -> str:
    """Return the end of a safe text in at most `room` cells."""
    if width(text) <= room:
        return text
    return MORE[: max(room, 0)] + _beginning(text[::-1], room - len(MORE))[::-1]


def crop_middle(text: str, room: int) -> str:
    """Return beginning and end of a safe text in at most `room` cells."""
    if width(text) <= room:
        return text
    if room < len(MORE) + 4:
        return crop(text, room)
    left = (room - len(MORE)) // 2
    end = _beginning(text[::-1], room - len(MORE) - left)[::-1]
    return _beginning(text, left) + MORE + end


def _beginning(text: str, room: int) -> str:
    taken = 0
    for at, char in enumerate(text):
        taken += _cells(char)
        if taken > room:
            return text[:at]
    return text


def wrap(text: str, room: int, indent: str = "") -> list[str]:
    """Return a safe text as lines of at most `room` cells, broken at blanks where there are any.

    :param room: 0 for no bound
    :param indent: what each line begins with
    """
    if not room or width(indent + text) <= room:
        return [indent + text]
    lines, now = [], ""
    for word in text.split(" "):
        longer = f"{now} {word}" if now else word
        if now and width(indent + longer) > room:
            lines.append(indent + now)
            now = word
        else:
            now = longer
    return [*lines, indent + now]


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
            # room for the dots is left by all that was kept before
            cut = _beginning(text, max(0, room - len(MORE) - taken))
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
    """Return rows of two safe texts below each other; a first one that is wider than `widest` juts out.

    :param room: cells that a line may take, 0 for no bound; the second text goes on below itself
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
"""Cells below which a column is not worth breaking lines for."""
