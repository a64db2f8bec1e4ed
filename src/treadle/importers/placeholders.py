"""Texts of other tools with holes for values of a plan, and how they become texts of a plan.

A hole is written as a name between two characters that no file uses. What stands around it decides whether the
plan may put its value there: inside single quotes it may not, and a list may only where words stand.
"""

from __future__ import annotations

import re

from .draft import literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_OPEN, _CLOSE = "\ue000", "\ue001"
_HOLE = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_NEEDS_A_SHELL = re.compile(r"""[|&;<>()$`\\"'*?\[\]#~!{}\n=]""")
_OF_A_SHELL = frozenset(("cd", ":", ".", "source", "export", "set", "exit", "[", "umask", "ulimit", "trap", "exec"))


class HoleError(Exception):
    """A value stands where a plan puts none, and its text is not known."""


class Hole:
    """A value of the plan.

    :param plain: the text that it stands for now, None if there are several
    :param is_list: whether it stands for several words
    """

    __slots__ = ("is_list", "name", "plain")

    def __init__(self, name: str, plain: str | None, *, is_list: bool = False) -> None:
        self.name = name
        self.plain = plain
        self.is_list = is_list

    @property
    def mark(self) -> str:
        """What stands for it in a text."""
        return f"{_OPEN}{self.name}{_CLOSE}"


def filled(text: str, holes: Mapping[str, Hole], used: set[str]) -> str:
    """Return a script with its holes as values of a plan, or as plain text where none may stand.

    :param used: the names of the values that were taken are added to it
    :raises HoleError: a value stands where none may, and its text is not known
    """
    made = []
    at = ticks = 0
    quote = ""
    for found in _HOLE.finditer(text):
        before = text[at : found.start()]
        quote = _quote_after(before, quote)
        ticks += before.count("`")
        made.append(literal(before))
        # a shell sees no value of a plan in single quotes, in backticks and in what may be arithmetic
        is_hidden = quote == "'" or ticks % 2 == 1 or "((" in text[: found.start()]
        made.append(_value(holes[found.group(1)], text, found, "'" if is_hidden else quote, used))
        at = found.end()
    return "".join(made) + literal(text[at:])


def _value(hole: Hole, text: str, found: re.Match[str], quote: str, used: set[str]) -> str:
    is_word = text[found.start() - 1 : found.start()] in ("", " ", "\n", "\t") and text[
        found.end() : found.end() + 1
    ] in ("", " ", "\n", "\t", ";", ")")
    if quote == "'" or (hole.is_list and (quote or not is_word)):
        if hole.plain is None:
            raise HoleError(f"${{{hole.name}}} stands where a plan puts no value")
        return literal(hole.plain)
    used.add(hole.name)
    return f"${{{hole.name}}}"


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


def command_keys(script: str) -> dict[str, str]:
    """Return a command as `run` if it needs no shell, else as `sh`."""
    bare = re.sub(r"(?<!\$)\$\{[A-Za-z_][\w.]*\}", "x", script)
    words = bare.split()
    if words and not _NEEDS_A_SHELL.search(bare) and words[0] not in _OF_A_SHELL:
        return {"run": " ".join(script.split())}
    return {"sh": script}
