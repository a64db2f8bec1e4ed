"""How paths are spelled: which spellings name the same file; it never looks at the disk.

A path's names are separated by `/`; empty names and `.` are dropped, `..` takes the name before it away, as text
(links are not looked at). Case and Unicode forms count. A path below the root is relative to it, else absolute.
"""

from __future__ import annotations

import posixpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ODD_STARTS = frozenset(("", "/", "."))


def normalise(path: str, root: str) -> str:
    """Return the one spelling of a path: a trailing `/` stays, the root itself is `.` or `./`."""
    if is_plain(path):
        return path
    tree = path.endswith(("/", "/.", "/..")) or path in (".", "..")
    full = posixpath.normpath(path if path.startswith("/") else f"{root}/{path}")
    if full.startswith("//"):
        full = full[1:]
    short = below(full, root)
    if short == ".":
        return "./" if tree else "."
    return short + "/" if tree and short != "/" else short


def below(full: str, root: str) -> str:
    """Return an absolute path relative to the root if it is below it."""
    if full == root:
        return "."
    prefix = root if root.endswith("/") else root + "/"
    return full.removeprefix(prefix)


def is_plain(path: str) -> bool:
    """Whether a path is surely in its one spelling, and one below the root."""
    return path[:1] not in _ODD_STARTS and "//" not in path and "/." not in path


def from_cwd(path: str, cwd: str) -> str:
    """Return how a normalised path is named by a command that runs in `cwd`.

    Where `cwd` ends with `/`, it is put before the path.
    A folder loses its `/`; a name that begins with `-` gets `./` in front, so that no program takes it
    as an option.
    """
    bare = path[:-1] if path.endswith("/") and path != "/" else path
    if cwd.endswith("/") and not bare.startswith("/"):
        return cwd + bare
    if cwd != "." and not bare.startswith("/"):
        bare = posixpath.relpath("/" + bare, "/" + cwd)
    return "./" + bare if bare.startswith("-") else bare


def parents(path: str) -> list[str]:
    """Return the folders around a normalised path, as trees (`a/`, `a/b/`), outermost first."""
    found = []
    at = path.find("/", 1)
    while 0 <= at < len(path) - 1:
        found.append(path[: at + 1])
        at = path.find("/", at + 1)
    return found


def folders_around(path: str) -> Iterator[str]:
    """Yield the folders around a path, as trees, the innermost first."""
    at = path.rfind("/", 0, len(path) - 1)
    while at > 0:
        yield path[: at + 1]
        at = path.rfind("/", 0, at)


def shortened(name: str) -> str:
    """Return the beginning of a name, so that there is room for more after it: a file system counts bytes."""
    return name.encode("utf-8", "surrogateescape")[:100].decode("utf-8", "surrogateescape")


def holds(tree: str, path: str) -> bool:
    """Return whether a path is a tree or is in it; a path that is no tree holds itself alone."""
    return tree == path or (tree.endswith("/") and (tree == "./" or path.startswith(tree)))


def overlap(one: str, other: str) -> bool:
    """Return whether two paths are the same, or one is a tree around the other."""
    return holds(one, other) or holds(other, one)


def folders_above(paths: Iterable[str]) -> set[str]:
    """Return the folders around some normalised paths, as trees."""
    found: set[str] = set()
    # Many are in the same folder, so what is above it is looked up once.
    for folder in {path[: path.rfind("/", 0, -1) + 1] for path in paths}:
        if folder not in ("", "/"):
            found.add(folder)
            found.update(parents(folder))
    return found
