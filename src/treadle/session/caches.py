"""The caches of a run: which ones the option, the environment and the plan ask for, and where they are."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING

from treadle.cache.folder import ASKED, SIZE, FolderCache, is_number
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
MOST = "TREADLE_CACHE_SIZE"
"""The variable that says how many bytes it may have, whatever plans say."""
_DAY = 86400.0
_LATELY = 30 * _DAY
"""Seconds for which the other plans of the user go by that."""
_FOREIGN = "your Treadle has not made it"
_ID = "id"
"""The file in a store of a project with the id that its mark has."""


def check_mode(mode: str) -> None:
    """Check what `--cache` or the environment say.

    :raises UsageError: it is none of what may be said
    """
    if mode and mode not in CACHES:
        raise UsageError(f"TREADLE_CACHE is {mode!r}: expected one of {', '.join(CACHES)}")


def open_caches(
    mode: str, said: str, root: str, environ: Mapping[str, str], note: Callable[[str], object]
) -> Sequence[OutputCache]:
    """Return the caches of a run that are on this machine.

    :param mode: what `--cache` or TREADLE_CACHE say, "" if they say nothing
    :param said: what the plan says, see `Project.cache`
    :param root: the folder of the project
    :param note: called with a line about one that is not used
    """
    try:
        store, is_own = local_store(said, root, environ, mode)
    except UsageError as error:
        # what runs needs no cache
        note("; ".join(filter(None, (f"the cache is not used: {error.what}", error.hint))))
        return ()
    if said and not is_own and not environ.get(MOST):
        _note_asked(store.folder, json.loads(said).get("size", 0))
    if is_own and (why := _why_not(store.folder)):
        note(f"the cache {STATE_FOLDER}/cache is not used: {why}")
        return ()
    return (store,)


def caches_to_look_at(mode: str, said: str, root: str, environ: Mapping[str, str]) -> Sequence[FolderCache]:
    """Return the caches that say what would be restored: the local one, none where a run would refuse it."""
    try:
        store, is_own = local_store(said, root, environ, mode)
    except UsageError:
        return ()
    if is_own and not _is_ours(store.folder):
        return ()
    return (store,)


def local_store(said: str, root: str, environ: Mapping[str, str], mode: str = "") -> tuple[FolderCache, bool]:
    """Return the local store, and whether it is in the project.

    All projects share the store of the user: a plan may let it have more than usual, and never less, or one
    checkout would evict what the others have stored. Only TREADLE_CACHE_SIZE does that.

    :param root: the folder of the project, "" where there is none
    :raises UsageError: the environment names a folder that may not be one
    """
    given = json.loads(said) if said else {}
    folder, most = environ.get(FOLDER, ""), _most(environ)
    if folder and not os.path.isabs(folder):
        # in each project it would be another one, and the checkout may bring it
        raise UsageError(f"{FOLDER} is {folder!r}, which is not an absolute path")
    of_project = os.path.join(os.path.abspath(root), STATE_FOLDER, "cache") if root else ""
    is_own = os.path.normpath(folder) == of_project if folder else given.get("folder") == "project"
    if is_own:
        store = FolderCache(of_project, most or given.get("size", SIZE))
    else:
        store = FolderCache(folder or user_folder(environ))
        if root:
            _refuse_inside(store.folder, root, FOLDER if folder else "")
        store.size = most or max(SIZE, given.get("size", 0), _asked(store.folder)[0])
    if '"shared"' in said:
        from .shared_cache import source_of

        store.source = source_of(mode, said, environ)
    return store, is_own


def _refuse_inside(folder: str, root: str, said_by: str) -> None:
    """Refuse a store of all projects that is in one of them: a checkout could bring it, and an output take it in.

    :param said_by: the variable that names it
    :raises UsageError: it is there, or a link in the project leads to it
    """
    pairs = ((folder, os.path.abspath(root)), (os.path.realpath(folder), os.path.realpath(root)))
    if any(f"{path}/".startswith(os.path.join(top, "")) for path, top in pairs):
        what = f"{said_by} names a folder" if said_by else "the folder for all projects is"
        raise UsageError(
            f"{what} in the project, {folder}: a checkout could bring it",
            hint=f"let {FOLDER} name one outside of it, or the plan say `cache: {{local: {{folder: project}}}}`",
        )


def store_to_tend(said: str, root: str, environ: Mapping[str, str]) -> FolderCache:
    """Return the local store, to be cleaned up and checked.

    :raises UsageError: it is in the project, and this user's Treadle has not made it: a checkout may have brought
        it, or a link to one that is not of this project
    """
    store, is_own = local_store(said, root, environ)
    if is_own and os.path.lexists(store.folder) and not _is_ours(store.folder):
        raise UsageError(f"{STATE_FOLDER}/cache is not used: {_FOREIGN}", hint=f"remove {store.folder}")
    return store


def _most(environ: Mapping[str, str]) -> int:
    """Return how many bytes the user lets the store have, 0 if that is not said.

    :raises UsageError: it is no amount
    """
    text = environ.get(MOST, "")
    if not text:
        return 0
    from treadle.core.pool import MEMORY, amount_of

    amount = amount_of(MEMORY, text)
    if isinstance(amount, str):
        raise UsageError(f"{MOST} {amount}, not {text!r}", hint="for example 20GB")
    if not amount:
        # it would be taken for a variable that is not set; and a store of nothing is no store
        raise UsageError(f"{MOST} must be more than nothing, not {text!r}", hint="TREADLE_CACHE=off uses no cache")
    return amount


def _asked(folder: str) -> tuple[int, float]:
    """Return the size that a plan asked for in the last month, 0 if none did, and how long ago."""
    path = os.path.join(folder, ASKED)
    text = own_files.read(path) or b""
    try:
        age = time() - os.stat(path).st_mtime
    except OSError:
        return 0, 0.0
    return (int(text) if is_number(text) and age < _LATELY else 0), age


def _note_asked(folder: str, size: int) -> None:
    """Note that a plan has asked for more than usual, for plans that do not: each evicts when it ends."""
    if size <= SIZE or not os.path.isdir(folder):
        return
    asked, age = _asked(folder)
    path = os.path.join(folder, ASKED)
    # what is no number of ours is a file of the user, in whose folder the store is
    is_ours = not os.path.lexists(path) or is_number(own_files.read(path) or b"")
    if is_ours and (size > asked or (size == asked and age > _DAY)):
        with suppress(OSError):
            own_files.replace(path, [b"%d" % size], 0o600)


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
        if _is_ours(folder):
            name = _id_in(folder)
            if trust.is_marked(name):
                # marks that nothing has used for a year are removed, once there are many
                trust.keep_mark(name)
            return ""
        return f"{_FOREIGN}; remove {folder}"
    fresh = trust.new_id()
    if why := trust.mark(fresh):
        return f"its mark cannot be written ({why})"
    own_files.make_folder(os.path.dirname(folder), os.path.basename(folder), 0o700)
    own_files.create(path, fresh)
    return ""


def _is_ours(folder: str) -> bool:
    """Return whether a store in a project is one that this user's Treadle has made."""
    if os.path.islink(folder):
        # it may lead to the store of another project, which is that of its user
        return False
    return trust.is_state_trusted() or trust.is_marked(_id_in(folder))


def _id_in(folder: str) -> str:
    return (own_files.read(os.path.join(folder, _ID)) or b"").decode("ascii", "replace")
