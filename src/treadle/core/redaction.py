"""Redaction: the digest that replaces a secret value, so that a change of it is seen. It knows no actions."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "secret:"


def digest(name: str, value: str) -> str:
    """Return what replaces the secret value of a variable in records, snapshots and reasons."""
    from hashlib import sha256

    text = f"{name}\0{value}".encode("utf-8", "surrogateescape")
    return PREFIX + sha256(text).hexdigest()[:32]


def is_digest_of(kept: str | None, name: str, value: str | None) -> bool:
    """Return whether what was kept is the digest of this value."""
    return kept is not None and value is not None and kept.startswith(PREFIX) and kept == digest(name, value)


REDACTED = "***"
_LONG = 4
"""Characters of a value that is replaced wherever it occurs; a shorter one only where it is all of a value."""


def without_values(text: str, values: Iterable[str]) -> str:
    """Return a text in which secret values are replaced.

    :param text: a word of a command line, also `NAME=VALUE`
    """
    values = list(values)
    text = without_values_in(text, [value for value in values if len(value) >= _LONG])
    for value in values:
        if 0 < len(value) < _LONG and (text == value or text.endswith(f"={value}")):
            text = text.removesuffix(value) + REDACTED
    return text


def without_values_in(text: str, values: Iterable[str]) -> str:
    """Return a text in which secret values are replaced wherever they occur, however short they are."""
    for value in sorted(filter(None, values), key=len, reverse=True):
        text = text.replace(value, REDACTED)
    return text


def without_any_values(words: Iterable[str]) -> list[str]:
    """Return the words of a command line without the values in it, where it is not known which are secret."""
    found: list[str] = []
    for word in words:
        name, equals, _ = word.partition("=")
        if "--" in found:
            found.append(REDACTED)
        else:
            found.append(f"{name}={REDACTED}" if equals else word)
    return found
