"""A table of the most frequent words."""

from __future__ import annotations

from words import count


def table(text: str, rows: int = 10) -> str:
    """Return a line for each of the most frequent words of a text."""
    return "".join(f"{times:4}  {word}\n" for word, times in count(text).most_common(rows))
