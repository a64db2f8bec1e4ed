"""The variables and functions of make, as far as their values are known without running anything."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from treadle.importers.placeholders import CLOSE, OPEN

DEFAULTS = {
    **dict.fromkeys(("AR", "AS", "LD", "CO", "GET", "LINT", "MAKEINFO", "TEX", "TEXI2DVI", "YACC", "LEX"), ""),
    **dict.fromkeys(("WEAVE", "CWEAVE", "TANGLE", "CTANGLE", "M2C", "PC"), ""),
    "CC": "cc",
    "CXX": "g++",
    "OBJC": "cc",
    "FC": "f77",
    "F77": "$(FC)",
    "CPP": "$(CC) -E",
    "RM": "rm -f",
    "ARFLAGS": "rv",
    "F77FLAGS": "$(FFLAGS)",
}
DEFAULTS.update({name: name.lower() for name, value in DEFAULTS.items() if not value})
"""The variables that make sets by itself unless the environment does."""
_OF_POSIX = {
    "CC": "c99",
    "CFLAGS": "-O1",
    "FC": "fort77",
    "FFLAGS": "-O1",
    "ARFLAGS": "-rv",
    "SCCSGETFLAGS": "-s",
}
"""Those that it sets otherwise if a makefile has `.POSIX`."""
_FIXED = {
    "MAKE": "make",
    "MAKE_COMMAND": "make",
    "OUTPUT_OPTION": "-o $@",
    "COMPILE.c": "$(CC) $(CFLAGS) $(CPPFLAGS) $(TARGET_ARCH) -c",
    **dict.fromkeys(("COMPILE.cc", "COMPILE.cpp", "COMPILE.C"), "$(CXX) $(CXXFLAGS) $(CPPFLAGS) $(TARGET_ARCH) -c"),
    "LINK.c": "$(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $(TARGET_ARCH)",
    **dict.fromkeys(("LINK.cc", "LINK.cpp", "LINK.C"), "$(CXX) $(CXXFLAGS) $(CPPFLAGS) $(LDFLAGS) $(TARGET_ARCH)"),
    "LINK.o": "$(CC) $(LDFLAGS) $(TARGET_ARCH)",
}
"""Those that it sets by itself and takes from nowhere else."""
_OUTSIDE = frozenset(
    (
        *("HOME", "USER", "PATH", "SHELL", "LANG", "TMPDIR", "PWD", "CURDIR", "MAKEFLAGS", "MAKEFILE_LIST"),
        *("GNUMAKEFLAGS", "MAKECMDGOALS", "MAKEFILES", "MAKELEVEL", "MAKE_HOST", "MAKE_VERSION", "MAKE_RESTARTS"),
        *("MAKE_TERMOUT", "MAKE_TERMERR", "SUFFIXES", "VPATH", "MFLAGS", "OLDPWD", "LOGNAME", "SHELLFLAGS"),
    )
)
"""Those that depend on the machine, the call or the state of make."""
OUTSIDE = "\ue002"
"""Before the name of a variable: the value that the environment gives it, or else its default."""
OUTSIDE_MARK = re.compile(f"{OPEN}{OUTSIDE}([^{CLOSE}]*){CLOSE}")
_AUTOMATIC = tuple("@<^?+*|%")
_PARTS = frozenset(f"{sign}{part}" for sign in "@<^?+*" for part in "DF")
"""`$(@D)` and its like: folder and name of automatic variables."""
_DEEPEST = 50
_REFERRED = re.compile(r"\$[({]([\w.-]+)")
"""The names of variables that a text refers to."""
_FIND = re.compile(
    r"find\s+(?P<places>[\w./-]+(?:\s+[\w./][\w./-]*)*)\s+(?:-type\s+f\s+)?"
    r"-name\s+(?P<name>'[^'/]+'|\"[^\"/]+\"|[\w.-]+)(?:\s+-type\s+f)?(?:\s+-print)?"
)
"""A command that lists files by their names, which is known without running it."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class UnknownError(Exception):
    """Only make itself knows."""


class Variables:
    """Variables with their values.

    A variable that a makefile does not set, or sets by `?=`, has the value that the environment gives it. In a text
    that becomes part of a command it is a placeholder. In the names of files, in conditions and in functions its
    default counts, and its name is added to `assumed`.

    :param glob: returns the files for `$(wildcard ...)`
    :param find: returns the files below some folders whose names match a pattern
    :ivar values: name -> text, not expanded
    :ivar defaults: name -> text that `?=` sets
    :ivar closed: those of `?=` whose defaults hold others of these: the environment does not set them here
    :ivar unknown: name -> why only make knows its value
    :ivar of_today: those whose words are files that are there now: of `$(wildcard ...)`
    :ivar assumed: those from outside whose defaults were taken for their values
    """

    def __init__(
        self, glob: Callable[[str], list[str]], find: Callable[[list[str], str], list[str]] = lambda *_: []
    ) -> None:
        self.values: dict[str, str] = {}
        self.defaults: dict[str, str] = {}
        self.closed: set[str] = set()
        self.unknown: dict[str, str] = {}
        self.of_today: set[str] = set()
        self.assumed: dict[str, None] = {}
        self._built_in = dict(DEFAULTS)
        self._simple: set[str] = set()
        self._glob = glob
        self._find = find
        self._depth = 0

    def become_posix(self) -> None:
        """Change the built-in variables as `.POSIX` does."""
        self._built_in |= _OF_POSIX

    def assign(self, name: str, sign: str, value: str) -> None:
        """Assign a value, as the sign of the assignment says."""
        if (
            "$(wildcard " in value
            or "$(shell find " in value
            or not self.of_today.isdisjoint(_REFERRED.findall(value))
        ):
            self.of_today.add(name)
        if sign in ("?=", "+=") and name in self.unknown:
            return
        if sign == "?=":
            # what make sets by itself is set already
            if name not in self.values and name not in self._built_in:
                self.values[name] = f"$({OUTSIDE}{name})"
                self.defaults[name] = value
            return
        if sign == "+=":
            had = self.values.get(name, f"$({OUTSIDE}{name})")
            more = self._kept(value) if name in self._simple else value
            self.values[name] = f"{had} {more}".strip()
            return
        self.unknown.pop(name, None)
        self._simple.discard(name)
        if sign in (":=", "::="):
            kept = self._kept(value)
            if kept != value or "$" not in value:
                self._simple.add(name)
            value = kept
        elif sign == "!=":
            value = f"$(shell {value})"
        self.values[name] = value

    def _kept(self, value: str) -> str:
        """Return a text expanded now, except for variables from outside; as it is if only make knows its value."""
        with suppress(UnknownError), self.assuming() as assumed:
            made = self.expand(value, {OUTSIDE: ""})
            if not assumed:
                return OUTSIDE_MARK.sub(rf"$({OUTSIDE}\1)", made.replace("$", "$$"))
        return value

    @contextmanager
    def assuming(self) -> Iterator[dict[str, None]]:
        """Collect the variables from outside whose defaults are taken for their values meanwhile."""
        before, self.assumed = self.assumed, {}
        try:
            yield self.assumed
        finally:
            self.assumed = before

    def doubt(self, name: str, reason: str) -> None:
        """Note that only make knows the value of a variable."""
        self.values.pop(name, None)
        self.unknown[name] = reason

    def undefine(self, name: str) -> None:
        """Remove a variable: the environment does not set it any more either."""
        self.values[name] = ""
        self.unknown.pop(name, None)

    @contextmanager
    def changed(self, own: Iterable[tuple[str, str, str]]) -> Iterator[None]:
        """Apply some assignments for a while, as those of one target."""
        before = self.values, self.unknown, self.defaults
        self.values, self.unknown, self.defaults = dict(before[0]), dict(before[1]), dict(before[2])
        try:
            for name, sign, value in own:
                self.assign(name, sign, value)
            yield
        finally:
            self.values, self.unknown, self.defaults = before

    def is_defined(self, name: str) -> bool:
        """Return whether a variable has a value, as `ifdef` looks at it: it is not expanded.

        :raises UnknownError: only make knows
        """
        if name in self.unknown or name in _OUTSIDE:
            raise UnknownError(self.unknown.get(name, f"$({name}) is set outside of the makefile"))
        value = self.values.get(name, f"$({OUTSIDE}{name})")
        if value != f"$({OUTSIDE}{name})":
            return bool(value.strip())
        if name not in self.defaults:
            self.assumed[name] = None
        return bool(self.defaults.get(name, self._built_in.get(name, "")).strip())

    def text(self, name: str, special: Mapping[str, str] | None = None) -> str:
        """Return the value of a variable.

        :param special: as for `expand`
        :raises UnknownError: only make knows
        """
        if name in self.unknown:
            raise UnknownError(self.unknown[name])
        if name in self.values:
            return self.expand(self.values[name], special)
        if name in _FIXED:
            return self.expand(_FIXED[name], special)
        bare = name.removeprefix(OUTSIDE)
        if bare in _OUTSIDE or not _NAME.fullmatch(bare):
            raise UnknownError(
                f"$({bare}) is set outside of the makefile" if bare in _OUTSIDE else f"only make knows $({bare})"
            )
        if bare in self.closed:
            return self.expand(self.defaults[bare], special)
        default = self.default(bare)
        if special and OUTSIDE in special:
            return f"{OPEN}{OUTSIDE}{bare}{CLOSE}"
        self.assumed[bare] = None
        return default

    def default(self, name: str) -> str:
        """Return the value of a variable that the environment does not set.

        :raises UnknownError: only make knows
        """
        return self.expand(self.defaults.get(name, self._built_in.get(name, "")))

    def expand(self, text: str, special: Mapping[str, str] | None = None) -> str:
        """Return a text with its variables and functions replaced.

        :param special: the values of names such as `@` and `<`; under `=@` the value that functions get. With
            `OUTSIDE` in it, variables from outside become placeholders
        :raises UnknownError: only make knows
        """
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                raise UnknownError("a variable that refers to itself")
            return self._expand(text, special or {})
        finally:
            self._depth -= 1

    def _expand(self, text: str, special: Mapping[str, str]) -> str:
        made = []
        at = 0
        while (found := text.find("$", at)) >= 0:
            made.append(text[at:found])
            name, at = reference(text, found + 1)
            made.append(self._value(name, special))
        return "".join(made) + text[at:]

    def _value(self, name: str, special: Mapping[str, str]) -> str:
        if name == "$":
            return "$"
        if name in special:
            return special[name]
        if name in _AUTOMATIC or name in _PARTS:
            raise UnknownError(f"only make knows $({name})")
        word, _, rest = name.replace("\t", " ").partition(" ")
        if word == "shell" and rest.strip() == "pwd" and "CURDIR" in special:
            return special["CURDIR"]
        if word == "shell" and (found := _FIND.fullmatch(rest.strip())) is not None and "$" not in rest:
            return " ".join(self._find(found["places"].split(), found["name"].strip("'\"")))
        if rest or word in ("shell", "wildcard"):
            return self._call(word, rest.lstrip(), special)
        base, colon, change = name.partition(":")
        if colon and "=" in change:
            old, _, new = self.expand(change, _for_functions(special)).partition("=")
            if "%" not in old:
                old, new = f"%{old}", f"%{new}"
            if base in _AUTOMATIC:
                return _patsubst(old, new, self._plain(base, special))
            return _patsubst(old, new, self.text(self.expand(base)))
        if "$" in name:
            name = self.expand(name, _for_functions(special))
        if name in special:
            return special[name]
        return self.text(name, special)

    def _plain(self, name: str, special: Mapping[str, str]) -> str:
        if f"={name}" not in special:
            raise UnknownError(f"only make knows ${name}")
        return special[f"={name}"]

    def _call(self, name: str, text: str, special: Mapping[str, str]) -> str:
        special = _for_functions(special)
        if name == "wildcard":
            return " ".join(one for word in self.expand(text, special).split() for one in self._glob(word))
        if name not in _ARGUMENTS:
            raise UnknownError(f"only make knows $({name} ...)")
        words = [self.expand(part, special) for part in _split(text, _ARGUMENTS[name])]
        if len(words) != _ARGUMENTS[name]:
            raise UnknownError(f"$({name} ...) has another number of arguments")
        *first, last = words
        if name == "patsubst":
            return _patsubst(first[0].strip(), first[1].strip(), last)
        if name == "subst":
            return last.replace(first[0], first[1])
        if name == "if":
            return first[1] if first[0].strip() else last
        argument = first[0].strip() if first else ""
        if name in _OF_WORDS:
            return " ".join(_OF_WORDS[name](argument, last.split()))
        return " ".join(_OF_WORD[name](argument, word) for word in last.split())


def _for_functions(special: Mapping[str, str]) -> dict[str, str]:
    """Return the values that functions get for automatic variables: plain texts."""
    return {one[1:]: value for one, value in special.items() if one[:1] == "="}


_ARGUMENTS = {
    **dict.fromkeys(("notdir", "dir", "basename", "suffix", "sort", "strip", "firstword", "lastword", "words"), 1),
    **dict.fromkeys(("addprefix", "addsuffix", "filter", "filter-out", "word"), 2),
    **dict.fromkeys(("patsubst", "subst", "if"), 3),
}


_OF_WORD: Mapping[str, Callable[[str, str], str]] = {
    "notdir": lambda _, word: word.rpartition("/")[2],
    "dir": lambda _, word: word[: word.rfind("/") + 1] or "./",
    "basename": lambda _, word: os.path.splitext(word)[0],
    "suffix": lambda _, word: os.path.splitext(word)[1],
    "addprefix": lambda text, word: text + word,
    "addsuffix": lambda text, word: word + text,
    "strip": lambda _, word: word,
}
"""Function -> its result for its first argument and one word."""
_OF_WORDS: Mapping[str, Callable[[str, list[str]], list[str]]] = {
    "sort": lambda _, words: sorted(set(words)),
    "firstword": lambda _, words: words[:1],
    "lastword": lambda _, words: words[-1:],
    "words": lambda _, words: [str(len(words))],
    "word": lambda number, words: words[int(number) - 1 : int(number)] if number.isdigit() and int(number) else [],
    "filter": lambda patterns, words: [word for word in words if _matches_any(patterns, word)],
    "filter-out": lambda patterns, words: [word for word in words if not _matches_any(patterns, word)],
}
"""Function -> its result for its first argument and all words."""


def _matches_any(patterns: str, word: str) -> bool:
    return any(matches(one, word) is not None for one in patterns.split())


def with_depth(text: str) -> Iterator[tuple[int, str, int]]:
    """Yield position and character, and the depth of brackets after it."""
    depth = 0
    for at, char in enumerate(text):
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(char, 0)
        yield at, char, depth


def _split(text: str, most: int) -> list[str]:
    """Return the arguments of a function, the last one with all commas that are left."""
    parts: list[str] = []
    start = 0
    for at, char, depth in with_depth(text):
        if char == "," and not depth and len(parts) < most - 1:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    if len(parts) == most - 1 == 2:
        parts.append("")
    return parts


def reference(text: str, at: int) -> tuple[str, int]:
    """Return the name after a `$`, and where it ends."""
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
    raise UnknownError(f"an open bracket: {text[at - 1 :]}")


def matches(pattern: str, word: str) -> str | None:
    """Return the stem: what the `%` of a pattern matches in a word, None if the word does not match."""
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
