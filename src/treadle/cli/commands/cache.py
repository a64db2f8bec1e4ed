"""`cache`: what the local cache of outputs holds, cleaned up and checked, and why actions miss it."""

from __future__ import annotations

import os
from time import time
from typing import TYPE_CHECKING

from treadle._startup.interpreter import inherited
from treadle.cache.base import CacheError
from treadle.core import wording
from treadle.core.text import safe, size_text
from treadle.errors import TreadleError, UsageError, nearest
from treadle.session.caches import local_store, store_to_tend
from treadle.session.options import CACHE_WORDS, OF_ACTIONS
from treadle.ui.console import FORMAT
from treadle.ui.durations import duration
from treadle.ui.text import line

if TYPE_CHECKING:
    from treadle.cache.folder import FolderCache
    from treadle.session.call import Call


def cache_command(call: Call) -> int:
    """Do one of these with the local store; return 1 if `verify` has found damage."""
    names = call.options.names
    word, named = (names[0], names[1:]) if names else ("", [])
    if word not in CACHE_WORDS:
        close = nearest(word, CACHE_WORDS) if names else None
        hint = f"did you mean `treadle cache {close}`?" if close else f"`treadle cache {'|'.join(CACHE_WORDS)}`"
        raise UsageError(f"`treadle cache` takes one of {', '.join(CACHE_WORDS)}", hint=hint)
    if word in OF_ACTIONS:
        if not named:
            raise UsageError(f"no action was named: `treadle cache {word} NAME`")
        if word == "check":
            from .cache_check import check

            return check(call, named)
        from .cache_explain import explain

        return explain(call, named)
    if named:
        raise UsageError(f"`treadle cache {word}` takes no NAME")
    store = _store(call)
    if why := store.why_refused():
        if word != "stats":
            raise TreadleError(f"the local cache {why}")
        call.console.warn(f"the local cache {why}")
    try:
        return {"stats": _stats, "gc": _gc, "verify": _verify}[word](call, store)
    except CacheError as error:
        raise TreadleError(f"the local cache {error}") from error


def _store(call: Call) -> FolderCache:
    """Return the local store of the plan; where there is no plan, that of the user."""
    try:
        call.plan_file()
    except UsageError:
        return local_store("", "", inherited())[0]
    plan = call.load()
    return store_to_tend(plan.cache, plan.root, inherited())


def _stats(call: Call, store: FolderCache) -> int:
    kinds = {"ac": 0, "cas": 0, "hints": 0, "new": 0}
    size, oldest = 0, time()
    for kept in store.files():
        kinds[kept.path.removeprefix(store.folder).split("/")[1]] += 1
        size += kept.size
        oldest = min(oldest, kept.used)
    if call.options.json:
        data = {"folder": store.folder, "entries": kinds["ac"], "blobs": kinds["cas"], "bytes": size}
        call.console.say_data({"format": FORMAT, **data, "most_bytes": store.size})
        return 0
    rows = [
        ("folder", safe(store.folder)),
        ("entries", str(kinds["ac"])),
        ("blobs", str(kinds["cas"])),
        ("size", f"{size_text(size)} of {size_text(store.size)}"),
    ]
    if kinds["ac"] or kinds["cas"]:
        rows.append(("oldest use", f"{duration(max(time() - oldest, 0.0))} ago"))
    call.console.say(line((f"{name:12}", "dim"), text) for name, text in rows)
    return 0


def _gc(call: Call, store: FolderCache) -> int:
    freed, left = store.gc() if os.path.isdir(store.folder) else (0, 0)
    if call.options.json:
        data = {"folder": store.folder, "removed_bytes": freed, "bytes": left, "most_bytes": store.size}
        call.console.say_data({"format": FORMAT, **data})
    elif not call.options.quiet:
        call.console.say([line(f"removed {size_text(freed)}, {size_text(left)} left")])
    return 0


def _verify(call: Call, store: FolderCache) -> int:
    count, damaged = store.verify()
    if call.options.json:
        call.console.say_data({"format": FORMAT, "folder": store.folder, "checked": count, "damaged": damaged})
    elif not call.options.quiet:
        call.console.say(line(("damaged ", "bad"), name, ", removed") for name in damaged)
        call.console.say([line(f"checked {wording.count(count, 'file')}: {len(damaged) or 'none'} damaged")])
    return 1 if damaged else 0
