"""Outputs of actions that are no longer in the plan. It says which they are, and removes nothing."""

from __future__ import annotations

import os

from treadle.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from treadle.plan import Plan
    from treadle.session.call import Call
    from treadle.state.records import Owner
    from treadle.state.store import Store


class Stale:
    """What an action has left that is no longer in the plan.

    :ivar paths: the outputs and depfiles that may go, with the action that made them
    :ivar kept: those that are left since their actions had `keep`
    :ivar keys: of the records of these actions
    """

    def __init__(self, call: Call, plan: Plan, store: Store) -> None:
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
        commands = [action.command for action in plan.actions.values()]
        made = {path for command in commands for path in (*command.outputs, command.depfile or "")}
        bare = {path.rstrip("/") for path in made}
        read = {path.rstrip("/") for command in commands for path in (*command.inputs, *command.edits)}
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
                    why = _why_left(path, made, read)
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


def _why_left(path: str, made: set[str], read: set[str]) -> str:
    """Return why an output stays where it is, "" if it may go."""
    bare = path.rstrip("/")
    if any(one == bare or one.startswith(f"{bare}/") for one in read):
        return "an action of the plan reads it"
    if path.endswith("/") and any(one.startswith(path) for one in made):
        return "an action of the plan makes something in it"
    if any(one.endswith("/") and path.startswith(one) for one in made):
        return "it lies in the output folder of another action"
    return ""
