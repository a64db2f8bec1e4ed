"""Failures that say the same, but for numbers and paths: one group of them, where many actions fail alike."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"\S+")
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+(\.\d+)?")
_COMPARED = 2_000
"""Characters of a text that are compared."""


def shape(text: str) -> str:
    """Return a text without its numbers and paths."""
    words = _WORD.sub(lambda word: "PATH" if "/" in word[0] else word[0], text[:_COMPARED])
    return _NUMBER.sub("N", words)


def grouped(failures: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Return failures by their text without numbers and paths, the largest group first.

    :param failures: name and text
    :return: the text of the first of each group, and the names
    """
    groups: dict[str, tuple[str, list[str]]] = {}
    for name, text in failures:
        groups.setdefault(shape(text), (text, []))[1].append(name)
    return sorted(groups.values(), key=lambda one: -len(one[1]))
