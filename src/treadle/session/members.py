"""The folder of a member: a plan that is included by a plan above is used as a part of that.

Alone it would know nothing of the other members. So in its folder the topmost plan that includes it is taken, with
one state for all members. Names are those of the member's own plan there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.content.timestamps import kept_look
from treadle.errors import PlanError, TreadleError, UsageError, listed
from treadle.frontends.names import is_pattern

from .fast_start import member_note

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from treadle.content.timestamps import Kept
    from treadle.frontends.base import Project


_MOST_NAMES = 3


class Member:
    """The nearest plan, as a part of one that includes it.

    :param nearest: its absolute path
    :param plan: that of the plan which includes it
    """

    def __init__(self, nearest: str, plan: str) -> None:
        self.nearest = nearest
        self.plan = plan

    def parts(self, included: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        """Return the prefixes of its names -> the folder that its paths are relative to; one for each include.

        :param included: as `Project` has it
        :raises UsageError: the plan does not include it after all
        """
        found = {}
        for prefix, (file, folder) in included.items():
            if os.path.exists(file) and os.path.samefile(file, self.nearest):
                found[prefix] = folder
        if not found:
            raise UsageError(
                f"{os.path.relpath(self.plan)} does not include {os.path.relpath(self.nearest)} now",
                hint=f"use it alone: -f {os.path.relpath(self.nearest)}",
            )
        return found

    @property
    def note(self) -> str:
        """The line about it."""
        return member_note(self.plan, self.nearest, os.getcwd())

    def actions(self, plan: Project) -> list[str]:
        """Return the uids of its actions, and of those of plans that it includes or generates."""
        prefixes = tuple(self.parts(plan.included))
        return [uid for uid in plan.actions if uid.startswith(prefixes)]

    def groups(self, plan: Project) -> list[str]:
        """Return the names of its groups, and of itself."""
        prefixes = tuple(self.parts(plan.included))
        return [name for name in plan.groups if f"{name}:" in prefixes or name.startswith(prefixes)]

    def owns(self, plan: Project, label: str, uid: str) -> bool:
        """Return whether an action on record, which may be gone, belongs to it.

        :param label: the plan of the action
        """
        return label == plan.name and uid.startswith(tuple(self.parts(plan.included)))

    def defaults(self, plan: Project) -> list[str]:
        """Return the names of what a run of it without names runs.

        :raises UsageError: it has no default, and no action with outputs
        """
        found = [prefix[:-1] for prefix in self.parts(plan.included) if prefix[:-1] in plan.names.groups]
        if not found:
            own = [
                name
                for prefix in self.parts(plan.included)
                for name in plan.names.known_below(prefix, groups=False)
            ]
            raise UsageError(
                f"no action was named, and {os.path.relpath(self.nearest)} has no default",
                facts=[f"its actions: {listed(dict.fromkeys(own))}"],
                hint="name an action, or add `default: [NAME]` to the plan",
            )
        return found

    def whole_names(self, plan: Project, name: str) -> list[str]:
        """Return the names in the whole plan of a name in the member's folder.

        A name of its own plan comes first, then an output of it, then the name as the whole plan has it.
        """
        found = []
        for prefix, folder in self.parts(plan.included).items():
            if _is_known(plan, prefix + name):
                found.append(prefix + name)
            path = os.path.join(folder, name)
            if folder and name != "*" and (is_pattern(name) or not found) and _is_known(plan, path):
                found.append(path)
        return found or [name]

    def explain(self, plan: Project, name: str, error: UsageError) -> None:
        """Add to the error about a name what the member and other parts of the plan have."""
        known = dict.fromkeys(plan.names.known_below(""))
        elsewhere = [one for one in known if one.endswith(f":{name}")]
        if elsewhere:
            here = " and ".join(prefix[:-1] for prefix in self.parts(plan.included))
            error.facts = (*error.facts, f"{here} has none; other parts of the plan have {listed(elsewhere)}")
            error.hint = f"write the whole name: {listed(elsewhere[:_MOST_NAMES])}"
        else:
            own = [one for prefix in self.parts(plan.included) for one in plan.names.known_below(prefix)]
            error.hint = plan.names.unknown(name, own).hint


def _is_known(plan: Project, name: str) -> bool:
    try:
        plan.names.find(name)
    except UsageError:
        return False
    return True


def plan_taken(nearby: Sequence[str], looked: dict[str, Kept]) -> tuple[str, Member | None]:
    """Return the plan to use, and what the nearest one is in it: the topmost plan that includes the nearest one.

    :param nearby: the nearest plan, and those above it
    :param looked: gets the status of each file that decided it, from just before it was read
    :raises PlanError: a plan above cannot be read, so that it may include the nearest one
    """
    nearest = nearby[0]

    def note(path: str) -> None:
        looked.setdefault(path, kept_look(path))

    for plan in reversed(nearby[1:]):
        try:
            if _includes(plan, nearest, note):
                return plan, Member(nearest, plan)
        except TreadleError as error:
            alone = os.path.relpath(nearest)
            problem = error.problems[0] if isinstance(error, PlanError) else error
            what = problem.what if problem.place is not None else f"{os.path.relpath(plan)}: {problem.what}"
            facts = (*problem.facts, f"so it is not known whether {os.path.relpath(plan)} includes {alone}")
            hint = f"correct it, or use the nearest plan alone: -f {alone}"
            raise PlanError([TreadleError(what, facts=facts, hint=hint, place=problem.place)]) from None
    return nearest, None


def _includes(plan: str, nearest: str, note: Callable[[str], None]) -> bool:
    from treadle.plan.read.members import includes

    found = includes(plan, nearest, note)
    if found is None:
        from treadle.frontends.base import Request

        from .front_ends import outline

        known = outline(Request(plan)).included.values()
        found = any(os.path.exists(file) and os.path.samefile(file, nearest) for file, _ in known)
    return found
