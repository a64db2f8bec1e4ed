"""Patterns: what `*`, `**`, `?` and `[...]` mean, for globs and for `exclude`. It looks at no disk.

`*` and `?` match no `/`; `**` matches folders at any depth. None of them matches a hidden name, which a pattern has
to write the dot of.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_DEEP = 4
_MAGIC = re.compile(r"[*?\[]")


def check_names(names: list[str]) -> list[str]:
    """Return the names of a pattern with one `**` for several in a row.

    :raises ValueError: `**` is part of a name, or there are too many of them
    """
    if any("**" in name and name != "**" for name in names):
        raise ValueError("** must be a whole name between two /")
    if names.count("**") > MAX_DEEP:
        raise ValueError(f"more than {MAX_DEEP} ** in it")
    return [name for at, name in enumerate(names) if name != "**" or names[at - 1 : at] != ["**"]]


def path_regex(names: list[str]) -> str:
    """Return the regex of a path, from the names of its pattern."""
    made = []
    for at, name in enumerate(names):
        last = at == len(names) - 1
        if name == "**":
            made.append(r"(?:(?!\.)[^/]+/)*" + (r"(?!\.)[^/]+" if last else ""))
        else:
            made.append(name_regex(name) + ("" if last else "/"))
    return "".join(made)


@lru_cache(maxsize=4096)
def name_regex(name: str) -> str:
    """Return the regex of one name; atomic groups keep it linear whatever the number of stars."""
    stretches = _stretches(name)
    out = "" if name.startswith(".") else r"(?!\.)"
    out += stretches[0]
    for stretch in stretches[1:-1]:
        out += f"(?>[^/]*?{stretch})" if stretch else ""
    if len(stretches) > 1:
        out += "[^/]*" + stretches[-1]
    return out


def _stretches(name: str) -> list[str]:
    """Return the regexes of the texts between the stars."""
    found = [""]
    at = 0
    while at < len(name):
        char = name[at]
        at += 1
        if char == "*":
            found.append("")
        elif char == "?":
            found[-1] += "[^/]"
        elif char == "[":
            close = name.find("]", at + (2 if name[at : at + 1] in ("!", "^") else 1))
            if close < 0:
                raise ValueError("a [ without its ] (for a literal [ write [[])")
            inner = name[at:close]
            negate = inner[:1] in ("!", "^")
            found[-1] += f"(?!/)[{'^' if negate else ''}{_members(inner[1:] if negate else inner)}]"
            at = close + 1
        else:
            found[-1] += re.escape(char)
    return found


def _members(inside: str) -> str:
    """Return what a set of characters holds, for a regex: each character is itself, and a `-` between two a range.

    A regex would take some of them for operators, such as a second `-`, or warn that it will one day.
    """
    made = ""
    at = 0
    while at < len(inside):
        made += re.escape(inside[at])
        if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            made += "-" + re.escape(inside[at + 2])
            at += 2
        at += 1
    return made


class Exclusion:
    """What is left out of a folder, by patterns that are relative to it.

    They mean what a line of a gitignore file means: one without a `/` inside it matches names at each depth, any
    other one begins at the folder; with a `/` at its end it matches folders alone. With a folder goes all that is
    in it.

    :raises ValueError: a pattern is not valid
    """

    __slots__ = ("_files", "_folders", "_named")

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = tuple(patterns)
        self._folders = _joined(patterns)
        self._files = _joined(one for one in patterns if not one.endswith("/"))
        self._named = _joined(one for one in patterns if not _MAGIC.search(one.replace("**", "")))

    def __call__(self, name: str, is_folder: bool) -> bool:
        """Return whether something in the folder is left out by its own name.

        :param name: relative to the folder, without a `/` at its end
        """
        regex = self._folders if is_folder else self._files
        return regex is not None and regex.fullmatch(name) is not None

    def covers(self, path: str) -> bool:
        """Return whether a path in the folder is left out, by its own name or by that of a folder around it.

        :param path: relative to the folder; one with a `/` at its end is a folder
        """
        return any(self(name, is_folder) for name, is_folder in _with_above(path))

    def names(self, path: str) -> bool:
        """Return whether a path is left out by a pattern that says its name, or that of a folder around it.

        Such a pattern has no `*`, `?` or `[` in its names. What it leaves out is meant, also if an action makes it.
        """
        named = self._named
        if named is None or not self.covers(path):
            return False
        return any(named.fullmatch(name) for name, _ in _with_above(path))


@lru_cache(maxsize=256)
def exclusion(patterns: tuple[str, ...]) -> Exclusion:
    """Return what some patterns leave out.

    :raises ValueError: a pattern is not valid
    """
    return Exclusion(patterns)


def check_exclude(pattern: str) -> None:
    """Check a pattern of `exclude`.

    :raises ValueError: it is not valid
    """
    try:
        re.compile(_exclude_regex(pattern))
    except re.error as error:
        raise ValueError(f"a bad [ ] in it: {error}") from None


def _with_above(path: str) -> Iterable[tuple[str, bool]]:
    """Yield a path and the folders around it, without a `/` at the end, and whether it is a folder."""
    is_folder = path.endswith("/")
    path = path.rstrip("/")
    while path:
        yield path, is_folder
        path, is_folder = path.rpartition("/")[0], True


def _joined(patterns: Iterable[str]) -> re.Pattern[str] | None:
    regexes = [_exclude_regex(pattern) for pattern in patterns]
    return re.compile("|".join(f"(?:{one})" for one in regexes), re.DOTALL) if regexes else None


def _exclude_regex(pattern: str) -> str:
    if pattern.startswith("!"):
        raise ValueError("it begins with !, but no pattern takes back what another one leaves out")
    names = [name for name in pattern.split("/") if name not in ("", ".")]
    if ".." in names:
        raise ValueError("it is relative to its folder, and .. leads out of it")
    names = check_names(names)
    is_anywhere = len(names) == 1 and "/" not in pattern.rstrip("/")
    while len(names) > 1 and names[0] == "**":
        is_anywhere = True
        names.pop(0)
    if not names or names == ["**"]:
        raise ValueError("it leaves out the whole folder" if pattern else "it is empty")
    return ("(?:.*/)?" if is_anywhere else "") + path_regex(names)
