"""Conflicts: outputs that another plan in the same root declares too. They are errors while both plans exist.

A plan and one that it includes are not two plans here: the same action makes the output in both.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.errors import PlanError, TreadleError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from treadle.frontends.base import Action, Project
    from treadle.state.store import Store


def refuse_shared_outputs(plan: Project, uids: Iterable[str], store: Store) -> None:
    """Refuse outputs that another plan has made and still declares; plans are read only if the records name them.

    :param uids: the actions that are walked
    :param store: the records, which have been read
    :raises PlanError: there is such a plan
    """
    mine = {_bare(path): plan.actions[uid] for uid in uids for path in plan.actions[uid].command.outputs}
    shared: dict[str, set[str]] = {}
    for entry in store.entries.values():
        label = entry.label
        if label != plan.name:
            paths = mine.keys() & map(_bare, entry.owner.outputs)
            if paths:
                shared.setdefault(label, set()).update(paths)
    problems = [
        _problem(path, plan, mine[path], other, action)
        for label, paths in shared.items()
        if (other := _other(plan, label)) is not None
        for action in other.actions.values()
        for path in map(_bare, action.command.outputs)
        if path in paths
    ]
    if problems:
        raise PlanError(sorted(problems, key=_order))


def _bare(path: str) -> str:
    return path.rstrip("/")


def _other(plan: Project, label: str) -> Project | None:
    """Return the plan of that name in the same root, None if it is gone."""
    from treadle.frontends.base import Request
    from treadle.state.previous_outputs import PreviousOutputs

    from .front_ends import load

    path = os.path.join(plan.root, label)
    try:
        if not label or not os.path.isfile(path) or os.path.samefile(path, plan.file) or path in plan.looks.read:
            return None
        other = load(Request(path, previous_outputs=PreviousOutputs))
    except (OSError, ValueError, TreadleError):
        return None
    return other if other.root == plan.root and plan.file not in other.looks.read else None


def _problem(path: str, plan: Project, mine: Action, other: Project, theirs: Action) -> TreadleError:
    place = theirs.place
    return TreadleError(
        f"two plans make {path}: {mine.uid} in {plan.name}, and {theirs.uid} in {other.name}",
        facts=[f"{other.name}:{place.line}:{place.column}: {theirs.uid}"],
        hint="give one of them another output, or delete the plan that is no longer needed",
        place=mine.place,
    )


def _order(problem: TreadleError) -> tuple[int, str]:
    return (problem.place.line if problem.place else 0, problem.what)
