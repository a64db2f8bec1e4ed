"""OutputIndex: which actions make or edit a path, what is around it and what is in it. It looks at no disk."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from typing import Any


class OutputIndex:
    """Finds the actions that make or edit a path.

    Paths are relative to the root, or absolute outside of it; one with a trailing `/` is a folder with all that is
    in it, and `./` is the root.

    :param written: path and action, for each output and each file that is edited; an action is any hashable value
    """

    __slots__ = ("_actions", "_around", "_ordered", "_trees", "has_folders")

    def __init__(self, written: Iterable[tuple[str, Any]] = ()) -> None:
        self._actions: dict[str, tuple[Any, ...]] = {}
        self._around: dict[str, tuple[Any, ...]] = {}
        self._trees: dict[str, tuple[Any, ...]] = {}
        self._ordered: list[str] | None = None
        self.has_folders = False
        """Whether one of the paths is a folder."""
        for path, action in written:
            self.add(path, action)

    def add(self, path: str, action: Any) -> None:
        """Add an action that makes or edits a path."""
        known = self._actions.get(path, ())
        if action not in known:
            self._actions[path] = (*known, action)
        self.has_folders = self.has_folders or path.endswith("/")
        if self._around or self._trees or self._ordered is not None:
            self._around, self._trees, self._ordered = {}, {}, None

    def __bool__(self) -> bool:
        return bool(self._actions)

    def __iter__(self) -> Iterator[str]:
        return iter(self._actions)

    def __contains__(self, path: str) -> bool:
        return path in self._actions

    def exact(self, path: str) -> tuple[Any, ...]:
        """Return the actions that have this very path."""
        return self._actions.get(path, ())

    def around(self, path: str) -> tuple[Any, ...]:
        """Return the actions of folders around a path, the innermost first."""
        at = path.rfind("/", 0, len(path) - 1) if self.has_folders else 0
        if at <= 0:
            return ()
        folder = path[: at + 1]
        found = self._around.get(folder)
        if found is None:
            found = self._around[folder] = (*self._actions.get(folder, ()), *self.around(folder))
        return found

    def paths_in(self, folder: str) -> Collection[str]:
        """Return the paths in a folder, itself among them, in the order of names."""
        from bisect import bisect_left

        if self._ordered is None:
            self._ordered = sorted(self._actions)
        if folder == "./":
            return self._ordered
        first = bisect_left(self._ordered, folder)
        last = bisect_left(self._ordered, f"{folder[:-1]}0", first)
        return self._ordered[first:last]

    def of(self, path: str, exclude: Sequence[str] = ()) -> tuple[Any, ...]:
        """Return the actions that make or edit a path or a folder around it and, of a folder, what is in it.

        :param exclude: patterns of what does not count in a folder, see `patterns`
        """
        if exclude:
            from .patterns import exclusion

            is_excluded, start = exclusion(tuple(exclude)), 0 if path == "./" else len(path)
            counted = [one for one in self.paths_in(path) if one == path or not is_excluded.covers(one[start:])]
            actions = (action for one in counted for action in self._actions[one])
            return tuple(dict.fromkeys((*self.exact(path), *self.around(path), *actions)))
        if not path.endswith("/"):
            exact = self._actions.get(path, ())
            return exact + self.around(path) if self.has_folders else exact
        found = self._trees.get(path)
        if found is None:
            inside = (action for one in self.paths_in(path) for action in self._actions[one])
            both = dict.fromkeys((*self.exact(path), *self.around(path), *inside))
            found = self._trees[path] = tuple(both)
        return found
