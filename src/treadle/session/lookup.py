"""PathUse: which actions of a plan produce and consume each path, as the plan declares it. It reads no file."""

from __future__ import annotations

import os.path
from functools import cached_property
from typing import TYPE_CHECKING

from treadle.command.graph_checks import read_by
from treadle.core.graph.algorithms import reached
from treadle.core.output_index import OutputIndex
from treadle.core.paths import overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.command.command import Command
    from treadle.frontends.base import Project

DATA, NEEDS, AFTER = "data", "needs", "after"
"""What an edge means: a file, a dependency without one, order alone."""


class PathUse:
    """Finds the producers and consumers of paths.

    :param plan: the plan, with all its actions
    """

    def __init__(self, plan: Project) -> None:
        self.plan = plan

    @cached_property
    def _outputs(self) -> OutputIndex:
        return OutputIndex((path, uid) for uid, one in self.plan.actions.items() for path in one.command.written)

    @cached_property
    def _consumers(self) -> dict[str, dict[str, list[str]]]:
        """Uid -> the actions that read what it produces -> these paths."""
        found: dict[str, dict[str, list[str]]] = {}
        for consumer, action in self.plan.actions.items():
            exclude = action.command.exclude
            for path in self.reads(action.command):
                for producer in self._outputs.of(path, exclude.get(path, ())):
                    if producer != consumer:
                        found.setdefault(producer, {}).setdefault(consumer, []).append(path)
        return found

    @cached_property
    def _successors(self) -> dict[str, list[str]]:
        return self.plan.successors()

    def reads(self, command: Command) -> list[str]:
        """Return the inputs of a command, and the programs that it starts or names as tools by a path."""
        inputs = dict.fromkeys(command.inputs)
        root = self.plan.root
        others = (
            os.path.relpath(os.path.join(root, path), root) for path in read_by(command) if path not in inputs
        )
        return list(inputs | dict.fromkeys(others))

    def producers(self, path: str, exclude: Sequence[str] = ()) -> list[str]:
        """Return the actions that make or edit a path, something in it, or a folder around it.

        :param exclude: patterns of what does not count in it
        """
        return list(self._outputs.of(path, exclude))

    def consumers(self, path: str) -> list[str]:
        """Return the actions that read an output, something in it, or a tree around it."""
        producer = self.producers(path)[:1]
        consumers = self.consumers_of(producer[0]) if producer else {}
        return [uid for uid, paths in consumers.items() if any(overlap(one, path) for one in paths)]

    def users(self, path: str) -> list[str]:
        """Return the actions that make, edit or read a path, or a folder around it."""
        consumers = (
            uid
            for uid, action in self.plan.actions.items()
            if any(overlap(one, path) for one in self.reads(action.command))
        )
        return list(dict.fromkeys([*self.producers(path), *consumers]))

    def consumers_of(self, uid: str) -> dict[str, list[str]]:
        """Return the actions that read what an action produces, each with the paths, in the order of the plan."""
        return self._consumers.get(uid, {})

    def all_consumers_of(self, uid: str) -> list[str]:
        """Return all actions that depend on an action through files, the nearest first."""
        return list(reached([uid], self.consumers_of))[1:]

    def needed_by(self, uid: str) -> list[str]:
        """Return the actions that wait for an action without reading a file of it."""
        consumers = self.consumers_of(uid)
        return [one for one in self._successors.get(uid, ()) if one not in consumers]

    def edges(self, uid: str) -> list[tuple[str, str]]:
        """Return what comes before an action: (other action, DATA, NEEDS or AFTER)."""
        action = self.plan.actions[uid]
        exclude = action.command.exclude
        data = {one for path in self.reads(action.command) for one in self.producers(path, exclude.get(path, ()))}
        found = [(one, DATA if one in data else NEEDS) for one in action.predecessors]
        return found + [(one, AFTER) for one in action.after if one in self.plan.actions]
