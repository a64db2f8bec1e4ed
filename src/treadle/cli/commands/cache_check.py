"""`cache check`: whether actions make the same bytes in another folder, so that what they make can be shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle._startup.interpreter import inherited
from treadle.cache import policy
from treadle.core import wording
from treadle.core.elements import COMMAND, DISCOVERED, ENV, ROOT, paths_of
from treadle.core.text import safe
from treadle.errors import TreadleError
from treadle.session.look import looked
from treadle.session.reproducing import Checked, reproduce
from treadle.session.walk import resource_settings
from treadle.ui.console import FORMAT
from treadle.ui.text import line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from treadle.command.walk import CommandWalk
    from treadle.core.pool import Pool
    from treadle.session.call import Call
    from treadle.ui.text import Line

_CURES = {
    "its folder": "use relative paths, or -ffile-prefix-map of the compiler",
    "a time": "take it from an input, or set SOURCE_DATE_EPOCH",
    "the order": "sort what it lists",
}
"""What a difference says -> the usual cure."""


def check(call: Call, names: Sequence[str]) -> int:
    """Run actions twice, in two folders, and print what differs; return 1 if something does.

    :raises TreadleError: what an action reads is not there yet
    """
    plan = call.load()
    uids = call.select_known(plan, names)
    walk = looked(call, plan, uids)
    found: dict[str, Checked] = {}
    at_end = walk.last.vertex_data if walk.last is not None else {}
    for uid in uids:
        if uid in at_end:
            call.note(f"{safe(uid)} is not checked, it is never cached: it comes at the end of a run")
            continue
        if why := policy.why_not(walk.command_of(uid)):
            call.note(f"{safe(uid)} is not checked, it is never cached: {safe(why)}")
            continue
        found[uid] = _checked(walk, uid, call, resource_settings(call.options, plan.pool)["pool"])
        if call.stops.is_set():
            call.note(f"{safe(uid)} was interrupted, and is not checked")
            return call.stops.code or 1
        if not (call.options.json or call.options.quiet):
            call.console.say(_lines(uid, found[uid], len(walk.command_of(uid).outputs)))
    if not found:
        raise TreadleError("there is nothing to check")
    if call.options.json:
        actions = [
            {"name": uid, "failure": one.failure, "differences": [part._asdict() for part in one.differences]}
            for uid, one in found.items()
        ]
        call.console.say_data({"format": FORMAT, "actions": actions})
    return 1 if any(one.failure or one.differences for one in found.values()) else 0


def _checked(walk: CommandWalk, uid: str, call: Call, pool: Callable[[], Pool]) -> Checked:
    command, inputs = walk.command_of(uid), walk.last_inputs(uid)
    if inputs is None:
        raise TreadleError(f"{uid}: what it depends on cannot be read")
    waits = walk.not_made_yet(uid, command) or inputs.absent()
    if waits:
        raise TreadleError(f"{uid} cannot be checked before {waits[0]} is there", hint=f"`treadle run {uid}` first")
    elements = inputs.fingerprint.elements
    named = [name for name, value in elements.items() if name == ROOT or (_may_hold(name) and walk.root in value)]
    if named:
        what = "its command or a variable" if ROOT in named else named[0]
        return Checked([], f"{what} holds the path of this folder, so it makes something else in another one")
    paths = [*inputs.seen, *paths_of(elements, DISCOVERED)]
    inside = [path for path in dict.fromkeys(paths) if not path.startswith(("/", "../"))]
    return reproduce(uid, walk, inside, inherited(), call.stops, pool)


def _may_hold(name: str) -> bool:
    return name == COMMAND or name.startswith(ENV)


def _lines(uid: str, verdict: Checked, count: int) -> Iterator[Line]:
    name = (safe(uid), "name")
    if not verdict.failure and not verdict.differences:
        yield line(name, ": ", ("the same bytes in two folders", "good"), f": {wording.count(count, 'output')}")
        return
    if verdict.failure:
        first, *rest = verdict.failure.splitlines()
        yield line(name, ": ", (safe(first), "bad"))
        yield from (line(f"  {safe(text)}") for text in rest)
        return
    yield line(name, ": ", ("not the same in two folders", "bad"))
    for one in verdict.differences:
        yield line(f"  {safe(one.path)}: {safe(one.what)}")
    cures = [cure for what, cure in _CURES.items() if any(what in one.what for one in verdict.differences)]
    yield from (line(f"  the usual cure: {cure}") for cure in cures)
