"""Which existing files may be taken for products of a build, so that a plan may make them anew.

A file that belongs to the project is never an output: the first run would move it away. Nothing is run to find out,
not even git, which a checkout may configure to run programs: its index is read here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from fnmatch import fnmatchcase

from treadle.content.git import checkout_of

from .files import read_text

_MADE_BY_COMPILERS = (
    b"\x7fELF",
    b"!<arch>\n",
    b"!<thin>\n",
    *(b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xcf"),
    b"\0asm",
    b"BC\xc0\xde",
)
"""How objects, libraries and programs begin."""
_DEPFILE = re.compile(r"[^\s:]+\.[A-Za-z]+\s*:(\s|$)")
_TRACKED_HINT = "if it is a product, untrack it (`git rm --cached`) and run `treadle init` again"
_HINT = "if it is a product, remove it or list it in .gitignore, and run `treadle init` again"


class Products:
    """Distinguishes the files of a project from the products of its builds.

    :param root: the folder of the project
    :param made: paths that are on record as made by the tool that made them so far
    """

    def __init__(self, root: str, made: Collection[str] = ()) -> None:
        self._root = root
        self._made = {os.path.normpath(path) for path in made}
        self._ignored: dict[str, list[str]] = {}
        self._tracked: set[str] | None = None
        self._is_doubtful = False
        """Whether there is an index of git that cannot be read: any file may be tracked then."""

    def refuse(self, path: str) -> str:
        """Return why a path may be no output of a first plan, "" if it may.

        A file that git tracks may not, whatever it holds: an empty `__init__.py` belongs to the project too. A path
        that does not exist may. An existing one may if a .gitignore of the project names it, if it is empty, or if
        it begins as a compiler's product does. Anything else may be the only copy of a user's work.
        """
        full = os.path.join(self._root, path)
        is_there = os.path.lexists(full)
        if os.path.normpath(path) in self._made:
            return ""
        if self._is_tracked(path) or (is_there and self._is_doubtful):
            return f"{path} is a file that git tracks: {_TRACKED_HINT}"
        if not is_there or self._is_ignored(path):
            return ""
        if os.path.islink(full):
            return f"{path} is an existing link, and nothing shows that a build has made it: {_HINT}"
        if os.path.isdir(full):
            if not _has_entries(full):
                return ""
            return f"{path} is an existing folder with files in it: {_HINT}"
        start = _start_of(full)
        if start == b"" or (start or b"").startswith(_MADE_BY_COMPILERS) or _is_depfile(path, start or b""):
            return ""
        return f"{path} exists, and nothing shows that a build has made it: {_HINT}"

    def _is_tracked(self, path: str) -> bool:
        """Return whether git tracks a file of this name; of a folder only what is made in it becomes an output."""
        if self._tracked is None:
            self._tracked = set()
            checkout = checkout_of(self._root)
            if checkout is not None:
                try:
                    names = (os.fsdecode(name) for name, _ in checkout.index())
                    self._tracked = {os.path.join(checkout.top, name) for name in names}
                except (ValueError, IndexError):
                    self._is_doubtful = True
        return os.path.normpath(os.path.join(os.path.realpath(self._root), path)) in self._tracked

    def _is_ignored(self, path: str) -> bool:
        """Return whether the project's .gitignore files name a path or a folder around it."""
        parts = os.path.normpath(path).split(os.sep)
        if os.pardir in parts or os.path.isabs(path):
            return False
        is_folder = os.path.isdir(os.path.join(self._root, path)) or path.endswith("/")
        return any(
            self._is_named(parts[:count], is_folder=count < len(parts) or is_folder)
            for count in range(1, len(parts) + 1)
        )

    def _is_named(self, parts: list[str], *, is_folder: bool) -> bool:
        is_named = False
        for count in range(len(parts)):
            below = "/".join(parts[count:])
            for line in self._lines("/".join(parts[:count])):
                pattern = line.removeprefix("!")
                if pattern.endswith("/") and not is_folder:
                    continue
                if _matches(pattern.rstrip("/"), below):
                    is_named = not line.startswith("!")
        return is_named

    def _lines(self, folder: str) -> list[str]:
        if folder not in self._ignored:
            text = read_text(self._root, os.path.join(folder, ".gitignore"))
            lines = [line.strip() for line in text.splitlines()]
            self._ignored[folder] = [line for line in lines if line and line[0] != "#"]
        return self._ignored[folder]


def _is_depfile(path: str, start: bytes) -> bool:
    return path.endswith(".d") and _DEPFILE.match(start.decode("utf-8", "replace")) is not None


def _matches(pattern: str, below: str) -> bool:
    """Return whether a pattern names a path, both seen from the folder of the .gitignore; in doubt it does not."""
    if "\\" in pattern:
        return False
    if "/" not in pattern:
        return fnmatchcase(below.rpartition("/")[2], pattern)
    pattern = pattern.removeprefix("/")
    if pattern.startswith("**/") and _matches(pattern[3:], below.rpartition("/")[2]):
        return True
    if pattern.count("/") != below.count("/") and "**" not in pattern:
        return False
    return fnmatchcase(below, pattern.replace("**", "*"))


def _has_entries(path: str) -> bool:
    try:
        with os.scandir(path) as entries:
            return any(entries)
    except OSError:
        return True


def _start_of(path: str) -> bytes | None:
    """Return the first bytes of a file, None if they cannot be read."""
    if not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as stream:
            return stream.read(512)
    except OSError:
        return None
