"""The caches of a run: which ones the option, the environment and the plan ask for, and where they are."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from treadle.cache.folder import SIZE, FolderCache
from treadle.content import trust
from treadle.content.trust import STATE_FOLDER
from treadle.errors import UsageError
from treadle.state import own_files

from .options import CACHES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from treadle.cache.base import OutputCache

FOLDER = "TREADLE_CACHE_DIR"
"""The variable that says where the local store is."""
_ID = "id"
"""The file in a store of a project with the id that its mark has."""


def check_mode(mode: str) -> None:
    """Check what `--cache` or the environment say.

    :raises UsageError: it is none of what may be said
    """
    if mode and mode not in CACHES:
        raise UsageError(f"TREADLE_CACHE is {mode!r}: expected one of {', '.join(CACHES)}")


def open_caches(
    said: str, root: str, environ: Mapping[str, str], note: Callable[[str], object]
) -> Sequence[OutputCache]:
    """Return the caches of a run.

    :param said: what the plan says, see `Project.cache`
    :param root: the folder of the project
    :param note: called with a line about one that is not used
    """
    store, is_own = local_store(said, root, environ)
    if is_own and (why := _why_not(store.folder)):
        note(f"the cache {STATE_FOLDER}/cache is not used: {why}")
        return ()
    return (store,)


def local_store(said: str, root: str, environ: Mapping[str, str]) -> tuple[FolderCache, bool]:
    """Return the local store, and whether it is in the project."""
    given = json.loads(said) if said else {}
    size = given.get("size", SIZE)
    folder = environ.get(FOLDER, "")
    if not folder and given.get("folder") == "project":
        return FolderCache(os.path.join(root, STATE_FOLDER, "cache"), size), True
    return FolderCache(os.path.join(root, folder) if folder else user_folder(environ), size), False


def user_folder(environ: Mapping[str, str]) -> str:
    """Return the folder of the store for all projects of the user.

    :raises UsageError: there is no home folder
    """
    cache = environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(cache):
        return os.path.join(cache, "treadle")
    home = environ.get("HOME", "")
    if not os.path.isabs(home):
        raise UsageError("there is no home folder for the cache", hint=f"set HOME, XDG_CACHE_HOME or {FOLDER}")
    return os.path.join(home, ".cache", "treadle")


def _why_not(folder: str) -> str:
    """Return why a store in a project is not used, "" if it is.

    A checkout may bring one with other outputs in it, so it has a mark, as the records have.
    """
    path = os.path.join(folder, _ID)
    if os.path.lexists(folder):
        content = own_files.read(path) or b""
        if trust.is_state_trusted() or trust.is_marked(content.decode("ascii", "replace")):
            return ""
        return f"your Treadle has not made it; remove {folder}"
    fresh = trust.new_id()
    if why := trust.mark(fresh):
        return f"its mark cannot be written ({why})"
    own_files.make_folder(os.path.dirname(folder), os.path.basename(folder), 0o700)
    own_files.create(path, fresh)
    return ""
