"""The variables and functions of make, as far as they can be told without running anything."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

DEFAULTS = {
    "CC": "cc",
    "CXX": "g++",
    "AR": "ar",
    "ARFLAGS": "rv",
    "LD": "ld",
    "RM": "rm -f",
    "MAKE": "make",
    "INSTALL": "install",
}
"""What make sets by itself, as far as makefiles use it."""
_OUTSIDE = frozenset(
    ("HOME", "USER", "PATH", "SHELL", "LANG", "TMPDIR", "PWD", "CURDIR", "MAKEFLAGS", "MAKEFILE_LIST")
)
"""What comes from outside of a makefile."""
_AUTOMATIC = tuple("@<^?+*|%")
_PARTS = frozenset(f"{sign}{part}" for sign in "@<^?+*" for part in "DF")
"""`$(@D)` and its like: folder and name of automatic variables."""
_MAY_BE_EMPTY = frozenset(("CFLAGS", "CPPFLAGS", "CXXFLAGS", "LDFLAGS", "LDLIBS", "LOADLIBES", "TARGET_ARCH"))
"""What make knows and leaves empty."""
_DEEPEST = 50
_REFERRED = re.compile(r"\$[({]([\w.-]+)")
"""The names of variables that a text refers to."""


class UnknownError(Exception):
    """Only make itself can tell."""


class Variables:
    """Variables with their values.

    :param glob: answers `$(wildcard ...)`
    """

    def __init__(self, glob: Callable[[str], list[str]]) -> None:
        self.values: dict[str, str] = {}
        self.from_outside: set[str] = set()
        """Those that the environment may set: `?=`."""
        self.of_today: set[str] = set()
        """Those whose words are files that are there now: of `$(wildcard ...)`."""
        self.unset: dict[str, None] = {}
        """Those that were asked for and are set nowhere."""
        self._glob = glob
        self._depth = 0

    def assign(self, name: str, sign: str, value: str) -> None:
        """Take in an assignment."""
        if "$(wildcard " in value or not self.of_today.isdisjoint(_REFERRED.findall(value)):
            self.of_today.add(name)
        if sign == "?=":
            if name not in self.values:
                self.values[name] = value
                self.from_outside.add(name)
            return
        # what the environment sets is not all of it any more
        self.from_outside.discard(name)
        if sign == "+=" and name in self.values:
            self.values[name] = f"{self.values[name]} {value}".strip()
            return
        if sign in (":=", "::="):
            with suppress(UnknownError):
                value = self.expand(value).replace("$", "$$")
        elif sign == "!=":
            value = f"$(shell {value})"
        self.values[name] = value

    @contextmanager
    def changed(self, own: Iterable[tuple[str, str, str]]) -> Iterator[None]:
        """Let some assignments count for a while, as those of one target do."""
        before = self.values, self.from_outside
        self.values, self.from_outside = dict(self.values), set(self.from_outside)
        try:
            for name, sign, value in own:
                self.assign(name, sign, value)
            yield
        finally:
            self.values, self.from_outside = before

    def text(self, name: str) -> str:
        """Return the value of a variable, empty if it has none.

        :raises UnknownError: only make can tell
        """
        if name in self.values:
            return self.expand(self.values[name])
        if name in DEFAULTS:
            return DEFAULTS[name]
        if name in _OUTSIDE:
            raise UnknownError(f"$({name}) comes from outside")
        if name not in _MAY_BE_EMPTY:
            self.unset[name] = None
        return ""

    def expand(self, text: str, special: Mapping[str, str] | None = None) -> str:
        """Return a text with its variables and functions replaced.

        :param special: what stands for names such as `@` and `<`; under `=@` what functions take for it
        :raises UnknownError: only make can tell
        """
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                raise UnknownError("a variable that holds itself")
            return self._expand(text, special or {})
        finally:
            self._depth -= 1

    def _expand(self, text: str, special: Mapping[str, str]) -> str:
        made = []
        at = 0
        while (found := text.find("$", at)) >= 0:
            made.append(text[at:found])
            name, at = _reference(text, found + 1)
            made.append(self._value(name, special))
        return "".join(made) + text[at:]

    def _value(self, name: str, special: Mapping[str, str]) -> str:
        if name == "$":
            return "$"
        if name in special:
            return special[name]
        if name in _AUTOMATIC or name in _PARTS:
            raise UnknownError(f"$({name}) is for make to tell")
        word, _, rest = name.partition(" ")
        if rest or word in ("shell", "wildcard"):
            return self._call(word, rest.lstrip(), special)
        base, colon, change = name.partition(":")
        if colon and "=" in change:
            old, _, new = self.expand(change, special).partition("=")
            if "%" not in old:
                old, new = f"%{old}", f"%{new}"
            if base in _AUTOMATIC:
                return _patsubst(old, new, self._plain(base, special))
            return _patsubst(old, new, self.text(self.expand(base)))
        if "$" in name:
            name = self.expand(name, special)
        if name in special:
            return special[name]
        return self.text(name)

    def _plain(self, name: str, special: Mapping[str, str]) -> str:
        if f"={name}" not in special:
            raise UnknownError(f"${name} is for make to tell")
        return special[f"={name}"]

    def _call(self, name: str, text: str, special: Mapping[str, str]) -> str:
        special = {one[1:]: value for one, value in special.items() if one[0] == "="}
        if name == "wildcard":
            return " ".join(one for word in self.expand(text, special).split() for one in self._glob(word))
        if name not in _ARGUMENTS:
            raise UnknownError(f"$({name} ...) is for make to tell")
        words = [self.expand(part, special) for part in _split(text, _ARGUMENTS[name])]
        if len(words) != _ARGUMENTS[name]:
            raise UnknownError(f"$({name} ...)")
        *first, last = words
        if name == "patsubst":
            return _patsubst(first[0].strip(), first[1].strip(), last)
        if name == "subst":
            return last.replace(first[0], first[1])
        if name == "if":
            return first[1] if first[0].strip() else last
        return " ".join(_of_words(name, first[0].strip() if first else "", last.split()))


_ARGUMENTS = {
    **dict.fromkeys(("notdir", "dir", "basename", "suffix", "sort", "strip", "firstword", "lastword", "words"), 1),
    **dict.fromkeys(("addprefix", "addsuffix", "filter", "filter-out", "word"), 2),
    **dict.fromkeys(("patsubst", "subst", "if"), 3),
}


def _of_words(name: str, argument: str, words: list[str]) -> list[str]:
    if name == "sort":
        return sorted(set(words))
    if name in ("firstword", "lastword"):
        return words[:1] if name == "firstword" else words[-1:]
    if name == "words":
        return [str(len(words))]
    if name == "word":
        return words[int(argument) - 1 : int(argument)] if argument.isdigit() and int(argument) else []
    if name in ("filter", "filter-out"):
        patterns = argument.split()
        return [
            word for word in words if any(matches(one, word) is not None for one in patterns) == (name == "filter")
        ]
    return [_of_word(name, argument, word) for word in words]


def _of_word(name: str, argument: str, word: str) -> str:
    folder, slash, last = word.rpartition("/")
    if name == "notdir":
        return last
    if name == "dir":
        return folder + slash or "./"
    if name == "addprefix":
        return argument + word
    if name == "addsuffix":
        return word + argument
    stem, ending = os.path.splitext(word)
    return {"basename": stem, "suffix": ending}.get(name, word)


def _split(text: str, most: int) -> list[str]:
    """Return the arguments of a function, the last one with all commas that are left."""
    parts: list[str] = []
    depth = start = 0
    for at, char in enumerate(text):
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(char, 0)
        if char == "," and not depth and len(parts) < most - 1:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    if len(parts) == most - 1 == 2:
        parts.append("")
    return parts


def _reference(text: str, at: int) -> tuple[str, int]:
    """Return the name that stands behind a `$`, and where it ends."""
    if at >= len(text):
        return "$", at
    opening = text[at]
    if opening not in "({":
        return opening, at + 1
    closing = {"(": ")", "{": "}"}[opening]
    depth = 0
    for end in range(at, len(text)):
        depth += (text[end] == opening) - (text[end] == closing)
        if not depth:
            return text[at + 1 : end], end + 1
    raise UnknownError(f"a bracket that is not closed: {text[at - 1 :]}")


def matches(pattern: str, word: str) -> str | None:
    """Return what stands for the `%` of a pattern in a word, None if it does not match."""
    if "%" not in pattern:
        return "" if pattern == word else None
    start, _, end = pattern.partition("%")
    if len(word) > len(start) + len(end) and word.startswith(start) and word.endswith(end):
        return word[len(start) : len(word) - len(end)]
    return None


def _patsubst(old: str, new: str, text: str) -> str:
    made = []
    for word in re.split(r"\s+", text.strip()) if text.strip() else []:
        stem = matches(old, word)
        made.append(word if stem is None else new.replace("%", stem, 1))
    return " ".join(made)
