"""Placeholders: texts of other tools with places for values of a plan, and how they become texts of a plan.

A placeholder is written as a name between two characters that no file uses. The quotes around it decide whether the
plan may put its value there: inside single quotes it may not, and a list may only be a word of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .scripts import literal

OPEN, CLOSE = "\ue000", "\ue001"
PLACEHOLDER = re.compile(f"{OPEN}([^{CLOSE}]*){CLOSE}")


_OFTEN_SEVERAL = ("FLAGS", "LIBS", "OPTS", "ARGS", "OPTIONS", "LIBES", "TARGET_ARCH")


def is_often_several(name: str) -> bool:
    """Return whether a variable of this name often holds several words, even if one here."""
    return name.endswith(_OFTEN_SEVERAL)


class PlaceholderError(Exception):
    """A plan cannot put a value into this place, and its text is not known."""


@dataclass(slots=True, frozen=True)
class Placeholder:
    """A value of the plan.

    :ivar plain: its text now, None if there are several
    :ivar is_list: whether it is several words
    :ivar text: what the plan has for it, if that holds other values of the plan
    """

    name: str
    plain: str | None = None
    is_list: bool = False
    text: str = ""

    @property
    def mark(self) -> str:
        """The placeholder as part of a text."""
        return f"{OPEN}{self.name}{CLOSE}"


def filled(text: str, placeholders: Mapping[str, Placeholder], used: set[str]) -> str:
    """Return a script with `${name}` for each placeholder, or its plain text where a plan puts no value.

    :param used: the names of the values that were put in are added to it
    :raises PlaceholderError: a value would be in such a place, and its text is not known
    """
    parts = []
    at = ticks = 0
    quote = ""
    for match in PLACEHOLDER.finditer(text):
        before = text[at : match.start()]
        quote = _quote_after(before, quote)
        ticks += before.count("`")
        parts.append(literal(before))
        # a shell sees no value of a plan in single quotes, in backticks and in what may be arithmetic
        is_literal = quote == "'" or ticks % 2 == 1 or "((" in text[: match.start()]
        parts.append(_value(placeholders[match.group(1)], text, match, "'" if is_literal else quote, used))
        at = match.end()
    return "".join(parts) + literal(text[at:])


def _value(placeholder: Placeholder, text: str, match: re.Match[str], quote: str, used: set[str]) -> str:
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    is_word = before in ("", " ", "\n", "\t") and after in ("", " ", "\n", "\t", ";", ")")
    # in double quotes a plan joins a list by blanks, as a shell sees the text of a variable there
    is_joined = quote == '"' and placeholder.plain is None
    if quote == "'" or (placeholder.is_list and (quote or not is_word) and not is_joined):
        if placeholder.plain is None:
            raise PlaceholderError(f"${{{placeholder.name}}} is in a place where a plan puts no value")
        return literal(placeholder.plain)
    used.add(placeholder.name)
    return f"${{{placeholder.name}}}"


def _quote_after(text: str, quote: str) -> str:
    """Return in which quotes a shell is after a text."""
    escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\" and quote != "'":
            escaped = True
        elif char in "'\"" and quote in ("", char):
            quote = "" if quote else char
    return quote
