"""Text that is safe and fits: unprintable characters as escapes, widths in terminal cells, quoting for a shell."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MORE = "..."
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What changes the direction of writing: a name must not rearrange the line around it."""


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
    """Return the beginning of a safe text in at most `room` cells; `...` replaces the rest."""
    if width(text) <= room:
        return text
    if room <= len(MORE):
        return MORE[: max(room, 0)]
    return beginning(text, room - len(MORE)) + MORE


def crop_left(text: str, room: int) -> str:
    """Return the end of a safe text in at most `room` cells."""
    if width(text) <= room:
        return text
    return MORE[: max(room, 0)] + beginning(text[::-1], room - len(MORE))[::-1]


def crop_middle(text: str, room: int) -> str:
    """Return beginning and end of a safe text in at most `room` cells."""
    if width(text) <= room:
        return text
    if room < len(MORE) + 4:
        return crop(text, room)
    left = (room - len(MORE)) // 2
    end = beginning(text[::-1], room - len(MORE) - left)[::-1]
    return beginning(text, left) + MORE + end


def beginning(text: str, room: int) -> str:
    """Return the beginning of a safe text in at most `room` cells."""
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


_NEEDS_NO_QUOTES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-")


def shell_join(words: Iterable[str]) -> str:
    """Return words as one line for a shell, each quoted if it has to be.

    The text is that of `shlex.join`, and it is a part of fingerprints. `shlex` imports `re`, which costs more than
    a run with one edited file spends on its plan.
    """
    return " ".join(
        word if word and _NEEDS_NO_QUOTES.issuperset(word) else "'" + word.replace("'", "'\"'\"'") + "'"
        for word in words
    )


def size_text(amount: float) -> str:
    """Return bytes of memory in readable form: `820 KiB`, `103 MiB`, `1.2 GiB`."""
    size, unit = amount / 1024, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if size < 1023.5:
            break
        size, unit = size / 1024, larger
    return f"{size:.1f} {unit}" if size < 9.95 else f"{size:.0f} {unit}"
