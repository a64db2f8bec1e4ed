"""`cache explain`: what the key of an action is made of, and why the local cache has no entry for it."""

from __future__ import annotations

import os
from time import time
from typing import TYPE_CHECKING, Any

from treadle._startup.interpreter import inherited
from treadle.cache import hints, policy
from treadle.command.caching import Caching
from treadle.core import wording
from treadle.core.decision import NOT_ASKED
from treadle.core.elements import COMMAND, DISCOVERED, ENV, INPUT, ROOT, TOOL, paths_of
from treadle.core.text import safe
from treadle.errors import TreadleError
from treadle.session.caches import caches_to_look_at, local_store
from treadle.session.look import looked
from treadle.session.walk import CACHE, namespaces_of, system_of
from treadle.ui.console import FORMAT
from treadle.ui.durations import duration
from treadle.ui.text import line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from treadle.cache.folder import FolderCache
    from treadle.command.command import Command
    from treadle.command.fingerprinting import ActionInputs
    from treadle.command.walk import CommandWalk
    from treadle.session.call import Call
    from treadle.ui.text import Line

_PERSONAL = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")
"""Variables that differ between users and machines."""
_SHOWN = 10
"""Differences that are shown without -v."""


def explain(call: Call, names: Sequence[str]) -> int:
    """Print what is known of the entries of some actions; return 1 if one of them has none."""
    plan = call.load()
    uids = call.select_known(plan, names)
    walk = looked(call, plan, uids)
    system = system_of(plan.cache) if '"system"' in plan.cache else ()
    mode = inherited().get(CACHE, "")
    # why it is refused, where it is
    local_store(plan.cache, plan.root, inherited(), mode)
    stores = caches_to_look_at(mode, plan.cache, plan.root, inherited())
    names_of_cache = namespaces_of(plan.cache)
    caching = Caching(stores, walk.root, walk.store.folder, "", walk.fingerprinter, system, names_of_cache)
    found = [_facts(walk, stores, caching, uid) for uid in uids]
    for why in filter(None, (store.why_refused() for store in stores)):
        call.console.warn(f"the local cache {why}")
    if mode == "off" or not (mode or plan.cache):
        why = f"{CACHE} is off" if mode else f"there is no `cache: local` in the plan, nor {CACHE}"
        call.console.warn(f"a run does not use the cache: {why}")
    if call.options.json:
        call.console.say_data({"format": FORMAT, "actions": found})
    elif not call.options.quiet:
        most = 1 << 30 if call.options.verbose else _SHOWN
        call.console.say(one for facts in found for one in _lines(facts, most))
    return 0 if all(facts["entry"] is not None for facts in found) else 1


def _facts(walk: CommandWalk, stores: Sequence[FolderCache], caching: Caching, uid: str) -> dict[str, Any]:
    command, inputs = walk.command_of(uid), walk.last_inputs(uid)
    facts: dict[str, Any] = {"name": uid, "why_not": _why_not(walk, uid, command, inputs)}
    facts |= {"entry": None, "key": "", "parts": [], "stored": 0, "nearest": None, "differs": [], "binds": []}
    if facts["why_not"] or inputs is None:
        return facts
    found = paths_of(inputs.fingerprint.results, DISCOVERED)
    try:
        facts["key"] = caching.key(command, inputs)
        parts = caching.parts(command, inputs, found)
    except (OSError, TreadleError) as error:
        facts["why_not"] = error.what if isinstance(error, TreadleError) else str(error)
        return facts
    facts["parts"], facts["binds"] = sorted(parts), list(_binding(walk.root, command, parts))
    owner, most = hints.owner_key(command.label, uid), 2 * hints.MOST * hints.MOST_BYTES
    known = [hint for store in stores for hint in hints.decode(store.hints(owner, most))]
    facts["stored"] = len(known)
    hit = caching.foresee(command, inputs, lambda paths: walk.is_to_come(uid, paths))
    if hit is not None:
        entry = hit[1]
        facts["entry"] = {"run": entry.run, "duration": entry.duration, "host": entry.host}
    elif (near := hints.nearest(parts, known)) is not None:
        hint, facts["differs"] = near
        facts["nearest"] = {"run": hint.run, "age": max(0, int(time()) - hint.at), "key": hint.key}
    return facts


def _why_not(walk: CommandWalk, uid: str, command: Command, inputs: ActionInputs | None) -> str:
    """Return in words why an action is not looked up, "" if it is."""
    if why := policy.why_not(command):
        return f"it is never cached: {why}"
    if command.limits.retries.passes != 1:
        return "it is never cached: it has to end well more than once"
    if walk.last is not None and uid in walk.last.vertex_data:
        return "it is never cached: it comes at the end of a run"
    if inputs is None:
        reasons = wording.reasons(walk.verdicts[uid].reasons)
        return f"what it depends on is not known: {reasons}"
    elements = inputs.fingerprint.elements
    for tool in command.tools:
        if tool.version and elements.get(TOOL + tool.name) == NOT_ASKED:
            return f"the version of its tool {tool.name} is not known: only a run asks for it"
    waits = walk.not_made_yet(uid, command)
    return f"what it reads is not known before {waits[0]} has run" if waits else ""


def _binding(root: str, command: Command, parts: Mapping[str, str]) -> Iterator[str]:
    """Yield in words which parts of a key keep other folders, users or machines from having the same one."""
    yield f"the system: {parts['os_version']}"
    for tool in command.tools:
        yield f"{'the version' if tool.version else 'the content'} of the tool {tool.name}"
    for name in paths_of(parts, hints.PROGRAM):
        yield f"the content of {name.partition(' ')[2]}, which it starts"
    for name in command.env.track:
        if name in _PERSONAL or name.startswith("XDG_"):
            yield f"env {name}, which is another one for other users: `pass` it, if it does not count"
    for name, value in parts.items():
        if name == ROOT or ((name == COMMAND or name.startswith(ENV)) and root in value):
            what = "its command or a variable" if name == ROOT else name
            yield f"{what}, which holds the path of this folder: use relative paths"
    homes = (os.path.expanduser("~").rstrip("/") + "/", "/home/", "/root/")
    for path in (*paths_of(parts, INPUT, DISCOVERED), *(tool.name for tool in command.tools)):
        if path.startswith(homes) and not path.startswith(f"{root}/"):
            yield f"{path}, which is in the home folder of a user"
    if command.script is not None and not command.tools:
        yield "nothing of what its shell script starts: name that in `tools`, or an update of it is not seen"


def _lines(facts: Mapping[str, Any], most: int) -> Iterator[Line]:
    name = (safe(facts["name"]), "name")
    if facts["why_not"]:
        yield line(name, f": {safe(facts['why_not'])}")
        return
    entry, near = facts["entry"], facts["nearest"]
    if entry is not None:
        place = f" on {safe(entry['host'])}" if entry["host"] not in ("", "treadle", os.uname().nodename) else ""
        took = f"made by run {safe(entry['run'][:8])}{place} in {duration(entry['duration'])}"
        yield line(name, ": ", ("the local cache has its outputs", "good"), f": {took}")
    elif near is None:
        yield line(name, ": ", ("nothing of it is in the local cache", "warn"))
    else:
        yield line(name, ": ", ("the local cache has no entry for it as it is now", "warn"))
        ago = f"run {safe(near['run'][:8])} stored {duration(near['age'])} ago"
        said = facts["differs"]
        yield line(f"  nearest of {wording.count(facts['stored'], 'entry', 'entries')} is what {ago}:")
        for text in said[:most] or ["nothing differs: its entry is gone, damaged, or of another folder"]:
            yield line(f"    {safe(text)}")
        if len(said) > most:
            yield line(f"    and {len(said) - most} more, see -v")
    yield line(f"  key {facts['key'] if most > _SHOWN else facts['key'][:16]}, which holds:")
    for text in facts["binds"]:
        yield line(f"    {safe(text)}")
    for text in facts["parts"] if most > _SHOWN else ():
        yield line(f"    {wording.element(text)}")
    if most == _SHOWN:
        yield line(f"    and {wording.count(len(facts['parts']), 'element')}, see -v")
