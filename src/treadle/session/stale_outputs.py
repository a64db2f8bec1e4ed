"""Outputs of actions that are no longer in the plan. It says which they are, and removes nothing."""

from __future__ import annotations

import os

from treadle.core.output_index import OutputIndex
from treadle.core.paths import folders_around
from treadle.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from treadle.command.command import Command
    from treadle.frontends.base import Project
    from treadle.session.call import Call
    from treadle.state.records import Owner
    from treadle.state.store import Store


class Stale:
    """What an action has left that is no longer in the plan.

    :ivar paths: the paths that may be removed, with the action that made them
    :ivar kept: those that are left since their actions had `keep`
    :ivar keys: of the records of these actions
    """

    def __init__(self, call: Call, plan: Project, store: Store) -> None:
        self.paths: list[tuple[str, Owner]] = []
        self.kept: list[str] = []
        self.keys: list[str] = []
        self._call = call
        self._plan = plan
        self._store = store

    def find(self) -> Stale:
        """Find them, and say which are left alone and why; return itself.

        :raises UsageError: not all of the plan is known
        """
        plan = self._plan
        if plan.unread:
            raise UsageError(
                f"not all of the plan is known: {plan.makers[plan.unread[0]]} is not made yet",
                hint="`treadle run` makes it; what is stale can be said then",
            )
        made = made_by(plan)
        bare = {path.rstrip("/") for path in made}
        sources = Sources(plan, made)
        told: set[str] = set()
        for key, entry in self._store.entries.items():
            owner = entry.owner
            if not owner.made or not self._is_stale(owner.label, owner.uid):
                continue
            self.keys.append(key)
            for path in owner.made:
                if path.rstrip("/") in bare or path in entry.released:
                    continue
                if os.path.lexists(os.path.join(plan.root, path.rstrip("/"))) and path not in told:
                    told.add(path)
                    why = sources.why_read(path) or _why_left(path, made)
                    if why:
                        self._call.console.warn(f"{path} is left alone: {why}")
                    elif owner.keeps:
                        self.kept.append(path)
                    else:
                        self.paths.append((path, owner))
        return self

    def _is_stale(self, label: str, uid: str) -> bool:
        """Return whether an action is no longer in the plan.

        One that is there under its name may have made other outputs with another value of a parameter, and one that
        `when` leaves out may come back, with what the plan holds that it makes. A plan that is gone may be this one
        under its former name.
        """
        plan = self._plan
        if label != plan.name and os.path.exists(os.path.join(plan.root, label)):
            # what another plan makes is for that one to say
            return False
        if plan.names.maker_of_plan(uid) is not None:
            return False
        return uid not in plan.left_out and (uid not in plan.actions or not plan.params)


class Sources:
    """What a plan is made of, and what its actions read, edit or start and none of them makes.

    It may have come from an action once, and is a source of the plan now.

    :param made: what the actions of the plan make
    """

    def __init__(self, plan: Project, made: OutputIndex) -> None:
        read: set[str] = set()
        # links that globs have met are looked at too, and are no files of the plan
        files = [path for path in (plan.file, *plan.looks.read) if os.path.isfile(path)]
        of_plan = {os.path.relpath(path, plan.root) for path in files}
        for action in plan.actions.values():
            command = action.command
            read.update(command.inputs, command.edits, _programs_of(command))
        read = {path.rstrip("/") for path in read.difference(made)}
        self._read = read.union(*map(_folders_of, read))
        self._of_plan = of_plan.union(*map(_folders_of, of_plan))

    def why_read(self, path: str) -> str:
        """Return that a former output, or something in it, is a source of the plan; "" if it is none."""
        bare = path.rstrip("/")
        if bare in self._of_plan:
            return "the plan reads it"
        return "an action of the plan reads it" if bare in self._read else ""


def made_by(plan: Project) -> OutputIndex:
    """Return what the actions of a plan make, the data of discoveries too."""
    return OutputIndex((path, uid) for uid, action in plan.actions.items() for path in action.command.made)


def _programs_of(command: Command) -> Iterator[str]:
    """Yield the files that a command starts, relative to the root; what is found on PATH is none of them."""
    started = [argv[0] for argv in command.argvs() if argv]
    for name, folder in (*((name, command.cwd) for name in started), *((tool.name, "") for tool in command.tools)):
        if "/" in name and not os.path.isabs(name):
            yield os.path.normpath(os.path.join(folder, name))


def _folders_of(path: str) -> Iterator[str]:
    return (folder.rstrip("/") for folder in folders_around(path))


def _why_left(path: str, made: OutputIndex) -> str:
    """Return why an output stays where it is, "" if it may go."""
    if path.endswith("/") and made.paths_in(path):
        return "an action of the plan makes something in it"
    if made.around(path):
        return "it lies in the output folder of another action"
    return ""
