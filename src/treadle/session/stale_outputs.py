"""Stale outputs: those of actions that are no longer in the plan. It removes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from treadle.core.output_index import OutputIndex
from treadle.core.paths import folders_around
from treadle.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from treadle.command.command import Command
    from treadle.frontends.base import Project
    from treadle.state.records import Owner
    from treadle.state.store import Store


@dataclass(slots=True)
class Stale:
    """The outputs of actions that are no longer in the plan.

    An output that an action could make with another parameter value is none: which values are still wanted is not
    known.

    :param paths: the paths that may be removed, with the owner of each
    :param kept: the paths that stay, as their actions had `keep`
    :param keys: the keys of the records of these actions
    """

    paths: list[tuple[str, Owner]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


def stale_outputs(plan: Project, store: Store, warn: Callable[[str], None]) -> Stale:
    """Return the stale outputs; those that stay for another reason are warned of.

    :raises UsageError: a generated plan is not known
    """
    if plan.unread:
        raise UsageError(
            f"stale outputs are not known yet: {plan.plan_producers[plan.unread[0]]} is not generated yet",
            hint="`treadle run` generates it",
        )
    stale = Stale()
    made = made_by(plan)
    bare = {path.rstrip("/") for path in made}
    sources = Sources(plan, made)
    seen: set[str] = set()
    for key, entry in store.entries.items():
        owner = entry.owner
        if not owner.made or not _is_stale(plan, owner):
            continue
        stale.keys.append(key)
        for path in owner.made:
            full = os.path.join(plan.root, path.rstrip("/"))
            if path.rstrip("/") in bare or path in entry.released or path in seen or not os.path.lexists(full):
                continue
            seen.add(path)
            why = sources.why_read(path) or _why_left(path, made)
            if why:
                warn(f"{path} is left alone: {why}")
            elif owner.keeps:
                stale.kept.append(path)
            else:
                stale.paths.append((path, owner))
    return stale


def _is_stale(plan: Project, owner: Owner) -> bool:
    """Return whether an action is no longer in the plan.

    An action of the plan may have made other outputs with another value of a parameter. A disabled action may be
    enabled again, with the plan that it generates. A plan that is gone may be this one under its old name.
    """
    if owner.label != plan.name and os.path.exists(os.path.join(plan.root, owner.label)):
        # outputs of another plan belong to that plan
        return False
    if plan.names.producer_of_plan(owner.uid) is not None:
        return False
    return owner.uid not in plan.left_out and (owner.uid not in plan.actions or not plan.params)


class Sources:
    """The sources of a plan: its files, and what its actions read, edit or start and none of them makes.

    A source may be an output of a previous plan.

    :param made: the outputs of the actions of the plan
    """

    def __init__(self, plan: Project, made: OutputIndex) -> None:
        read: set[str] = set()
        # links that globs have matched are among them, and are not files of the plan
        files = [path for path in (plan.file, *plan.looks.read) if os.path.isfile(path)]
        of_plan = {os.path.relpath(path, plan.root) for path in files}
        for action in plan.actions.values():
            command = action.command
            read.update(command.inputs, command.edits, programs_of(command))
        read = {path.rstrip("/") for path in read.difference(made)}
        self._read = read.union(*map(_folders_of, read))
        self._of_plan = of_plan.union(*map(_folders_of, of_plan))

    def why_read(self, path: str) -> str:
        """Return why a previous output is a source of the plan, or holds one; "" if it is none."""
        bare = path.rstrip("/")
        if bare in self._of_plan:
            return "the plan reads it"
        return "an action of the plan reads it" if bare in self._read else ""


def made_by(plan: Project) -> OutputIndex:
    """Return the outputs of a plan, and the data of its discoveries."""
    return OutputIndex((path, uid) for uid, action in plan.actions.items() for path in action.command.made)


def programs_of(command: Command) -> Iterator[str]:
    """Yield the programs that a command starts by a path, relative to the root."""
    started = [argv[0] for argv in command.argvs() if argv]
    for name, folder in (*((name, command.cwd) for name in started), *((tool.name, "") for tool in command.tools)):
        if "/" in name and not os.path.isabs(name):
            yield os.path.normpath(os.path.join(folder, name))


def _folders_of(path: str) -> Iterator[str]:
    return (folder.rstrip("/") for folder in folders_around(path))


def _why_left(path: str, made: OutputIndex) -> str:
    """Return why an output stays, "" if it may be removed."""
    if path.endswith("/") and made.paths_in(path):
        return "an action of the plan makes something in it"
    if made.around(path):
        return "it is in the output folder of another action"
    return ""
