"""Who makes what actions were found to read without declaring it. It looks at records, never at files."""

from __future__ import annotations

import os

from treadle.content.links import Makers
from treadle.core.elements import digest
from treadle.errors import DAGError
from treadle.state.records import Owner

from .fingerprinting import FOUND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from treadle.core.graph.dag import DAG
    from treadle.state.store import Entry, Store

    from .command import Command


def owner_of(uid: str, command: Command) -> Owner:
    """Return whose record an action's is: that of its outputs or, without any, of plan, action and command.

    So two values of a parameter that lead to other outputs have records of their own, and outputs keep their record
    when their action or plan gets another name.
    """
    parts = {f"output {path}": "" for path in command.outputs}
    if not parts:
        parts = {"label": command.label, "uid": uid, "command": command.shown}
    return Owner(
        digest(parts),
        command.label,
        uid,
        command.outputs,
        depfile=command.depfile or "",
        keeps=command.keep,
        once=command.once,
    )


def writers_of(paths: Iterable[str], commands: Mapping[str, Command]) -> list[str]:
    """Return which of these actions write to one of the paths: to it, to a folder around it, into a tree."""
    exact = set(paths)
    folders = {folder for path in exact for folder in _folders_around(path)}
    everything = "./" in exact

    def is_read(made: str) -> bool:
        return everything or made in exact or made in folders or not exact.isdisjoint(_folders_around(made))

    return [uid for uid, command in commands.items() if any(map(is_read, (*command.outputs, *command.edits)))]


def _folders_around(path: str) -> list[str]:
    found, at = [], path.rfind("/", 0, len(path) - 1)
    while at > 0:
        found.append(path[: at + 1])
        at = path.rfind("/", 0, at)
    return found


def found_on_record(store: Store, uid: str, command: Command) -> list[str]:
    """Return what an action was found to read when it last ended well, on record or not."""
    entry = store.entries.get(owner_of(uid, command).key) if command.depfile is not None else None
    return found_in(entry) if entry is not None else []


def found_in(entry: Entry) -> list[str]:
    """Return what an action was found to read when it last ended well, whether that gave a record or not."""
    found = entry.found_at_end
    if found:
        return found
    success = entry.success
    return [name[len(FOUND) :] for name in success.answers if name.startswith(FOUND)] if success is not None else []


def makers_on_record(store: Store, commands: Mapping[str, Command]) -> Iterator[tuple[str, str]]:
    """Yield (action, maker) for each output of another that an action was found to read last time."""
    makers: Makers | None = None
    for uid, command in commands.items():
        found = found_on_record(store, uid, command) if command.depfile is not None else ()
        if not found:
            continue
        if makers is None:
            made = {path: other for other, c in commands.items() for path in (*c.outputs, *c.edits)}
            makers = Makers(os.path.abspath(store.root), made)
        for maker in dict.fromkeys(maker for path in found for maker in makers.of(path)):
            if maker != uid:
                yield uid, maker


def wait_for_makers(store: Store, actions: DAG) -> None:
    """Let each action wait for the makers of what it was found to read last time."""
    commands: dict[str, Command] = actions.vertex_data  # type: ignore[assignment]
    for uid, maker in list(makers_on_record(store, commands)):
        try:
            actions.update_vertex(uid, predecessors=[maker])
        except DAGError:
            # they wait for each other: then the order of the plan counts
            continue
