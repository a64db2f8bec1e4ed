"""Removes what actions have made, by the rule of `ownership`, and says of each thing that stays why it does."""

from __future__ import annotations

import os
import stat

from treadle.command.job import own_name
from treadle.command.outputs import Sweep, move_aside, remove_empty_folders
from treadle.content.files import Files
from treadle.content.git import Tracked
from treadle.content.trust import STATE_FOLDER
from treadle.core import wording as words
from treadle.core.paths import folders_around
from treadle.core.text import safe
from treadle.errors import TreadleError, listed
from treadle.state.ownership import (
    ADOPTED,
    FOREIGN,
    LEFT,
    OURS,
    WHY_LEFT,
    Aliases,
    Ownership,
    mount_points,
)
from treadle.state.store import is_inside
from treadle.ui.text import line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from treadle.session.call import Call
    from treadle.state.store import Store


class Cleaner:
    """Removes outputs of one root, or says which it would remove.

    :param root: the folder that paths are relative to
    :param store: its records, read
    :param is_dry: whether nothing is removed
    """

    def __init__(self, call: Call, root: str, store: Store, *, is_dry: bool) -> None:
        self.removed: list[str] = []
        """Outputs of which something went, or would go."""
        self.moved: list[str] = []
        """What an attempt that did not end well may have left, or was adopted, moved aside."""
        self.failures = 0
        """How often something that should go could not."""
        self.ownership = Ownership(store, Files(root, store.stamps))
        self._call = call
        self._root = root
        self._real_root = os.path.realpath(root)
        self._store = store
        self._is_dry = is_dry
        self._mounts: frozenset[str] | None = None
        self._seen: set[str] = set()
        self._tracked = Tracked()

    def take(self, path: str, label: str, uid: str, inputs: Sequence[str] = (), *, is_planned: bool = True) -> None:
        """Remove what is ours in the place of an output or a depfile.

        :param label: the plan of its action, `uid` its name
        :param inputs: what the action reads: a hard link to an input may go
        :param is_planned: whether the plan of this call makes it: what it does not make, and git tracks, is a
            source now, as after a change of the branch
        """
        bare = path.rstrip("/")
        full = os.path.join(self._root, bare)
        if path in self._seen or not is_inside(path):
            return
        self._seen.add(path)
        try:
            status = os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self._failed(path, error.strerror or str(error))
            return
        why = self.why_not(bare)
        if not why and not is_planned and self._tracked.has(full):
            why = f"git tracks {'files in it' if path.endswith('/') else 'it'}, and no action of the plan makes it"
        if why:
            self._leave(path, why)
            return
        aside = os.path.join(self._store.folder, "replaced", own_name(label, uid))
        aliases = Aliases(self._root, inputs)
        if path.endswith("/") and stat.S_ISDIR(status.st_mode):
            self._take_folder(path, full, aside, aliases)
        elif stat.S_ISDIR(status.st_mode):
            self._leave(path, "the plan says that it is a file, but it is a folder")
        elif path.endswith("/") and not stat.S_ISLNK(status.st_mode):
            self._leave(path, "the plan says that it is a folder, but it is a file")
        else:
            self._take_file(path, status, aside, aliases)

    def _take_file(self, path: str, status: os.stat_result, aside: str, aliases: Aliases) -> None:
        verdict = self.ownership.of_file(path, status)
        if verdict not in (OURS, LEFT, ADOPTED) and status.st_nlink > 1 and self.ownership.keys_of(path):
            verdict = OURS if aliases.of(status) else verdict
        if verdict not in (OURS, LEFT, ADOPTED):
            is_link = path.endswith("/") and verdict == FOREIGN
            self._leave(path, "it is a link, and what it leads to is yours" if is_link else WHY_LEFT[verdict])
            return
        bare = path.rstrip("/")
        try:
            if not self._is_dry and verdict == OURS:
                os.unlink(os.path.join(self._root, bare))
            elif not self._is_dry:
                move_aside(self._root, bare, aside)
        except OSError as error:
            self._failed(path, error.strerror or str(error))
        except TreadleError as error:
            self._failed(path, error.facts[0] if error.facts else error.what)
        else:
            self._done(path, is_moved=verdict != OURS)

    def _take_folder(self, path: str, full: str, aside: str, aliases: Aliases) -> None:
        claims = self.ownership.claims_on(path)
        sweep = Sweep(self.ownership, path, claims, aside, aliases=aliases, is_dry=self._is_dry)
        sweep.go()
        for name, said in sweep.errors:
            self._failed(name, said)
        is_gone = not os.path.lexists(full)
        is_moved = bool(sweep.leftovers or sweep.moved)
        if sweep.removed or (is_gone and not is_moved):
            self._done(path)
        if is_moved:
            self._done(path, is_moved=True)
        foreign = []
        for name, verdict in sweep.left:
            if verdict in WHY_LEFT and verdict != "altered":
                foreign.append(name.removeprefix(path))
            else:
                self._leave(name, WHY_LEFT.get(verdict, verdict))
        if foreign:
            shown = listed(foreign, 3)
            if sweep.removed or is_moved:
                self._call.console.warn(f"{path} keeps what no run of Treadle has made: {shown}")
            else:
                self._leave(path, f"{WHY_LEFT['foreign']}: {shown}")

    def _done(self, path: str, *, is_moved: bool = False) -> None:
        (self.moved if is_moved else self.removed).append(path)
        if self._is_dry:
            what = f"would move to {STATE_FOLDER}/replaced: " if is_moved else "would remove "
            self._call.console.say([line(what, safe(path))])
        elif self._call.options.verbose:
            what = f"moved to {STATE_FOLDER}/replaced: " if is_moved else "removed "
            self._call.console.say([line(what, safe(path))])

    def _leave(self, path: str, why: str) -> None:
        self._call.console.warn(f"{path} is left alone: {why}")

    def _failed(self, path: str, said: str) -> None:
        self.failures += 1
        self._call.console.warn(f"{path} cannot be removed: {said}")

    def why_not(self, path: str) -> str:
        """Return why nothing in the place of a path is removed: a link or a mount on the way to it; else ""."""
        folder = os.path.dirname(os.path.join(self._real_root, path))
        if os.path.realpath(folder) != folder:
            return "it lies behind a link"
        if self._mounts is None:
            self._mounts = mount_points()
        while len(folder) > len(self._real_root):
            if folder in self._mounts:
                return "it lies behind a mount"
            folder = os.path.dirname(folder)
        return ""

    def remove_folders(self, folders: Iterable[str]) -> None:
        """Remove those of some folders around outputs that are empty now, and that actions have made."""
        if self._is_dry:
            return
        remove_empty_folders(
            self._root, [path for path in folders if is_inside(path) and not self.why_not(path.rstrip("/"))]
        )

    def folders_around_removed(self) -> set[str]:
        """Return the folders that something was removed from."""
        return {folder for path in (*self.removed, *self.moved) for folder in folders_around(path)}

    def folders_made(self, keys: Iterable[str]) -> set[str]:
        """Return the folders around outputs that actions have made."""
        claims = filter(None, map(self.ownership.claim, keys))
        return {folder for claim in claims for folder in claim.folders}

    def say_how_many(self, what: str) -> None:
        """Say how many outputs went."""
        if not self._call.options.quiet:
            moved = f", {len(self.moved):,} moved to {STATE_FOLDER}/replaced/" if self.moved else ""
            self._call.console.say([line(f"{words.count(len(self.removed), what)} removed{moved}")])


def is_there(root: str, path: str) -> bool:
    """Return whether something is in the place of an output."""
    return os.path.lexists(os.path.join(root, path.rstrip("/")))
