"""Outputs of former runs that still lie about: what globs must not take for somebody's files.

A path counts as long as it holds what an action left there. Once somebody has written something else to it, it is
their file. It knows nothing of plans and globs.
"""

from __future__ import annotations

from .core.decision import OUTPUT
from .files import Files
from .store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .files import Seen


class FormerOutputs:
    """The paths that actions made in former runs, asked one by one: only what a glob meets is looked at.

    :param root: the folder that paths are relative to
    """

    def __init__(self, root: str) -> None:
        self._store = Store(root)
        self._store.load()
        self._files = Files(root, self._store.stamps)
        self._keys: dict[str, list[str]] = {}
        self._known: dict[str, bool] = {}
        self.looked: dict[str, Seen] = {}
        """What was seen of the paths that were asked about."""
        for key, entry in self._store.entries.items():
            for path in entry.owner.outputs:
                self._keys.setdefault(path, []).append(key)

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, str) or path not in self._keys:
            return False
        if path not in self._known:
            self._known[path] = self._is_as_it_was_left(path)
        return self._known[path]

    def __iter__(self) -> Iterator[str]:
        """Yield the folders among them; files are many, and are only asked for by name."""
        return (path for path in self._keys if path.endswith("/") and path in self)

    def __len__(self) -> int:
        return len(self._keys)

    def _is_as_it_was_left(self, path: str) -> bool:
        seen = self.looked[path] = self._files.see(path, made=True)
        for key in self._keys[path]:
            record = self._store.entries[key].record
            value = record.elements.get(OUTPUT + path) if record is not None else None
            if value is None or value == seen.value or not self._store.entries[key].counts:
                # of what an action was about to write when it was cut off nobody can say whose it is
                return True
        return False
