"""Which actions make and read which path of a plan, as the plan says it. It looks at no file and no record."""

from __future__ import annotations

from treadle.core.graph.algorithms import reached
from treadle.core.output_index import OutputIndex
from treadle.core.paths import overlap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from treadle.frontends.base import Project

DATA, NEEDS, AFTER = "data", "needs", "after"
"""What an edge stands for: a file, a dependency without one, order alone."""


class Readers:
    """Answers which actions make a path and which read it.

    :param plan: the plan, with all its actions
    """

    def __init__(self, plan: Project) -> None:
        self.plan = plan
        self._outputs = OutputIndex(
            (path, uid) for uid, one in plan.actions.items() for path in one.command.written
        )
        self._followers: dict[str, dict[str, list[str]]] | None = None
        self._waiting: dict[str, list[str]] | None = None

    def makers(self, path: str) -> list[str]:
        """Return the actions that make or edit a path, something in it, or a folder around it."""
        return list(self._outputs.of(path))

    def read_by(self, path: str) -> list[str]:
        """Return the actions that read an output, something in it, or a tree around it."""
        maker = self.makers(path)[:1]
        followers = self.followers(maker[0]) if maker else {}
        return [uid for uid, paths in followers.items() if any(overlap(one, path) for one in paths)]

    def touching(self, path: str) -> list[str]:
        """Return the actions that read or make a path, or a folder around it."""
        readers = (
            uid
            for uid, action in self.plan.actions.items()
            if any(overlap(one, path) for one in action.command.inputs)
        )
        return list(dict.fromkeys([*self.makers(path), *readers]))

    def followers(self, uid: str) -> dict[str, list[str]]:
        """Return the actions that read what an action makes, each with the paths, in the order of the plan."""
        if self._followers is None:
            self._followers = {}
            for reader, action in self.plan.actions.items():
                for path in action.command.inputs:
                    for maker in self.makers(path):
                        if maker != reader:
                            self._followers.setdefault(maker, {}).setdefault(reader, []).append(path)
        return self._followers.get(uid, {})

    def all_followers(self, uid: str) -> list[str]:
        """Return all that follows an action through files, near ones first."""
        return list(reached([uid], self.followers))[1:]

    def needed_by(self, uid: str) -> list[str]:
        """Return the actions that wait for an action without reading a file of it."""
        if self._waiting is None:
            self._waiting = {}
            for one, action in self.plan.actions.items():
                for before in action.predecessors:
                    self._waiting.setdefault(before, []).append(one)
        readers = self.followers(uid)
        return [one for one in self._waiting.get(uid, ()) if one not in readers]

    def edges(self, uid: str) -> list[tuple[str, str]]:
        """Return what comes before an action: (other action, DATA, NEEDS or AFTER)."""
        action = self.plan.actions[uid]
        data = {maker for path in action.command.inputs for maker in self.makers(path)}
        found = [(one, DATA if one in data else NEEDS) for one in action.predecessors]
        return found + [(one, AFTER) for one in action.after if one in self.plan.actions]
