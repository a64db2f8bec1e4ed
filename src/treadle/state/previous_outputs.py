"""Previous outputs: outputs of earlier runs that are still there, which globs must not take for source files.

A path counts as long as it is an action's work, as `ownership` says. Once something else has been written to it, it
is an ordinary file. It knows nothing of plans and globs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.content.files import Files
from treadle.core.paths import folders_around
from treadle.errors import TreadleError

from .ownership import ADOPTED, FOREIGN, LEFT, OURS, Ownership, link_value
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treadle.content.files import Seen


class PreviousOutputs:
    """The paths that actions made in earlier runs, looked up one by one: only what a glob meets is looked at.

    :param root: the folder that paths are relative to
    """

    def __init__(self, root: str) -> None:
        store = Store(root)
        store.load()
        self._files = Files(root, store.stamps)
        self._ownership = Ownership(store, self._files)
        self._known: dict[str, bool] = {}
        self.looked: dict[str, Seen] = {}
        """What was seen of the paths that were looked up."""

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, str) or not self._keys_of(path):
            return False
        if path not in self._known:
            self._known[path] = self._is_as_it_was_left(path)
        return self._known[path]

    def __iter__(self) -> Iterator[str]:
        """Yield nothing: there are many, and each is only looked up by name."""
        return iter(())

    def __len__(self) -> int:
        return len(self._ownership.keys)

    def producer_of(self, path: str) -> str:
        """Return the uid of the action that made a path, "" if none did."""
        keys = self._keys_of(path)
        return self._ownership.store.entries[keys[0]].owner.uid if keys else ""

    def has_left_link(self, folder: str) -> bool:
        """Return whether the link in the place of an output folder (`a/`) is, or may be, from an action."""
        try:
            value = link_value(os.readlink(os.path.join(self._files.root, folder.rstrip("/"))))
        except OSError:
            return False
        return any(claim.of(folder, lambda: value) != FOREIGN for claim in self._ownership.claims_on(folder))

    def _keys_of(self, path: str) -> list[str]:
        paths = (path, *folders_around(path))
        return [key for one in paths for key in self._ownership.keys_of(one)]

    def _is_as_it_was_left(self, path: str) -> bool:
        try:
            self.looked[path] = self._files.see(path, made=True)
        except TreadleError:
            return False
        full = os.path.join(self._files.root, path.rstrip("/"))
        if path.endswith("/") and os.path.isdir(full):
            return True
        return self._ownership.of_path(path) in (OURS, LEFT, ADOPTED)
