"""The inputs of a plan, looked at before it is loaded, and the snapshot that is written after the walk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treadle.content.files import is_sure
from treadle.content.timestamps import ABSENT, UNSURE, Clocks, FileSystems, kept_look
from treadle.fastpath.probe import WATCHED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treadle.command.walk import CommandWalk
    from treadle.content.timestamps import Kept
    from treadle.fastpath.partial_walk import Watch
    from treadle.frontends.base import Project
    from treadle.session.call import Call

    Row = tuple[int, int, int]

_SYSTEM = ("/etc/os-release", "/usr/lib/os-release")
"""The files with the version of the system."""


class PlanInputs:
    """Looks at the inputs of a plan before it is read, so that no later change is missed."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.found = call.found
        self.file = os.path.abspath(call.plan_file())
        self.rows: dict[str, Kept] = {}
        self.system: dict[str, Kept] = {}
        self.search: dict[str, Kept] = {}
        if self.found is None or call.options.is_special:
            self.found = None
            return
        # a word that could be a plan is one as soon as there is such a file
        plans = [
            os.path.join(self.found.here, word)
            for word in self.found.call.words
            if word.endswith((".yaml", ".yml"))
        ]
        self.rows.update(call.nearby_looks)
        for path in (self.file, *self._nearer_plans(), *plans):
            if path not in self.rows:
                self.rows[path] = kept_look(path)
        for path in _SYSTEM:
            self.system[path] = kept_look(path)
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = os.path.join(os.path.abspath(folder or "."), "")
            self.search[path] = kept_look(path)

    def _nearer_plans(self) -> list[str]:
        """Return the places where a new plan would be found before this one."""
        assert self.found is not None
        paths = []
        folder = self.found.here
        while not self.file.startswith(os.path.join(folder, "")) and folder != os.path.dirname(folder):
            paths.append(os.path.join(folder, "treadle.yaml"))
            folder = os.path.dirname(folder)
        return [] if self.found.call.file else paths

    def keep(self, walk: CommandWalk, plan: Project) -> None:
        """Write a snapshot of a walk over all that was selected."""
        watch = self.watch(plan, walk.store.lock.clocks)
        if self.found is None or watch is None:
            return
        from treadle.fastpath import snapshot_file
        from treadle.fastpath.partial_walk import columns_of

        name = self.found.call.key(plan.root, self.found.here)
        if _reads_unselected_outputs(walk, plan):
            snapshot_file.drop(walk.store.folder, name)
            return
        made = columns_of(walk, watch)
        snapshot_file.write(walk.store.folder, name, made.sections(), made.items)

    def watch(self, plan: Project, clocks: Clocks | None = None) -> Watch | None:
        """Return what a plan depends on, None if it gets no snapshot.

        :param clocks: the clocks of file systems, if they have been measured
        """
        if plan.looks.work_trees:
            # whether a work tree differs from its commit is in no stamp
            return None
        if self.found is None or not os.path.join(self.found.here, "").startswith(os.path.join(plan.root, "")):
            return None
        from treadle.fastpath.partial_walk import Watch, rows_of

        systems, clocks = FileSystems(plan.root), clocks or Clocks()

        def stamps(kept: Mapping[str, Kept]) -> dict[str, Row]:
            return {path: _stamp(path, *one, systems, clocks) for path, one in kept.items()}

        rows = stamps(self.rows)
        if self.call.previous_outputs is not None:
            for path, seen in self.call.previous_outputs.looked.items():
                rows |= {name: stamp for name, stamp, _, _ in rows_of(path, seen, WATCHED)}
        for folder, (status, when) in plan.looks.listed.items():
            path = os.path.join(folder, "")
            rows[path] = _stamp(path, status or ABSENT, when, systems, clocks)
        for path, (status, when) in plan.looks.read.items():
            rows[path] = _stamp(path, status or ABSENT, when, systems, clocks)
        return Watch(
            {_from(plan.root, path): stamp for path, stamp in rows.items()},
            {_from(plan.root, path): stamp for path, stamp in stamps(self.system).items()},
            {_from(plan.root, path): stamp for path, stamp in stamps(self.search).items()},
            plan.looks.environ,
            folders=plan.looks.folders,
            links=plan.looks.links,
            plan=_from(plan.root, plan.file),
            root=plan.root,
            has_globs=bool(plan.looks.listed),
            queues=plan.queues,
            generates_plans=bool(plan.plan_producers),
            pool=plan.pool,
            cache=plan.cache,
            # a call of which the words name a plan looks for none
            nearby=[os.path.relpath(path, plan.root) for path in self.call.nearby if not self.found.call.file],
        )


def _reads_unselected_outputs(walk: CommandWalk, plan: Project) -> bool:
    """Return whether a producer of a discovered input is outside of the walk: the next run has to select it."""
    from treadle.command.command import written_by
    from treadle.content.links import Producers
    from treadle.fastpath.partial_walk import discovered_by

    inside = walk.actions.vertex_data
    readers = [str(uid) for uid, command in inside.items() if command.discovery is not None]
    if not readers:
        return False
    others = {uid: one.command for uid, one in plan.actions.items() if uid not in inside}
    producers = Producers(plan.root, written_by(others))
    return any(producers.of(path) for uid in readers for path in discovered_by(walk, uid))


def _stamp(path: str, found: os.stat_result | Row, when: int, systems: FileSystems, clocks: Clocks) -> Row:
    """Return the stamp of a path, UNSURE if a change after it could have the same stamp.

    The lag of a clock is known only after the lock was taken, so this is called after the walk.
    """
    if not isinstance(found, os.stat_result):
        return found
    return systems.stamp(found, path) if is_sure(found, when, lag=clocks.lag(found, path)) else UNSURE


def _from(root: str, path: str) -> str:
    """Return a path relative to the root if it is inside, so that the folder may move."""
    inside = os.path.join(root, "")
    if path == inside:
        return "./"
    return path.removeprefix(inside)
