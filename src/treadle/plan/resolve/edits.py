"""Files that actions edit in place: finds and checks them, and lets their readers wait.

An edited file is part of the result of its action, and not of its key: else a formatter would run again for its
own change. A file has one editor, as two would run in turns for ever. A reader brings the editor into the run, as
with outputs: with an edge that only orders, a check that is requested alone would be recorded for a text that the
next run changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from treadle.content.trust import STATE_FOLDER
from treadle.core.output_index import OutputIndex
from treadle.core.paths import holds
from treadle.core.patterns import exclusion
from treadle.plan.language.templates import GlobItem, Template, TreeItem
from treadle.plan.read.spec import FromItem
from treadle.plan.yaml.nodes import Node

from . import glob_matches
from .declared_outputs import Instance
from .edges import Linker


def link_edits(linker: Linker) -> None:
    """Find the edited files, and let their readers wait; errors are kept."""
    editors: dict[str, tuple[Instance, Node]] = {}
    for instance in linker.instances:
        if instance.spec.edits is not None and not instance.disabled:
            _Edits(linker, instance).find(editors)
    edited = OutputIndex((path, instance) for path, (instance, _) in editors.items())
    for instance in linker.instances if editors else ():
        if not instance.disabled:
            deps = linker.dependencies[instance.uid]
            for path in (*deps.paths, *deps.baseline.values(), *[one.path for one in deps.started]):
                exclude = deps.exclude.get(path, ())
                for name in (path, *linker.declared.other_names(path)):
                    _wait(instance, edited.of(name, exclude), deps.predecessors)
                if path.endswith("/"):
                    for name in linker.declared.names_inside(path, exclude):
                        _wait(instance, edited.of(name), deps.yielding)


def editors_of(linker: Linker) -> dict[str, str]:
    """Return file -> uid of the enabled action that edits it, also by the name without links."""
    found: dict[str, str] = {}
    for uid, deps in linker.dependencies.items():
        if deps.edits is not None:
            names = linker.declared.other_names
            found |= {name: uid for path in deps.edits[0] for name in (path, *names(path)[-1:])}
    return found


def _wait(
    instance: Instance, editors: Iterable[Instance], waits_for: dict[str, Node | None] | dict[str, None]
) -> None:
    waits_for.update((editor.uid, None) for editor in editors if editor is not instance)


class _Edits:
    """The edits of one action.

    :ivar reads: each name of what the action reads -> how it is declared
    """

    __slots__ = ("deps", "instance", "linker", "reads")

    def __init__(self, linker: Linker, instance: Instance) -> None:
        self.linker = linker
        self.instance = instance
        self.deps = linker.dependencies[instance.uid]
        names = linker.declared.other_names
        self.reads = {name: path for path in self.deps.paths for name in (path, *names(path))}

    def find(self, editors: dict[str, tuple[Instance, Node]]) -> None:
        """Find the files, and add them to those of other actions; errors are kept."""
        spec = self.instance.spec
        assert spec.edits is not None
        paths: dict[str, None] = {}
        names = self.linker.declared.other_names
        before = self.linker.problems.reported
        is_text = spec.edits.is_text
        for item in spec.edits.items:
            with self.linker.problems.collecting():
                is_text = is_text and isinstance(item, Template) and item.whole is None
                for path in self._paths(item):
                    self._check(path, item.node, editors)
                    paths[path] = None
                    for name in (path, *names(path)[-1:]):
                        editors[name] = (self.instance, item.node)
        self.deps.edits = (list(paths), is_text)
        if self.linker.problems.reported > before:
            self.deps.is_complete = False

    def _paths(self, item: Template | GlobItem | TreeItem | FromItem) -> Sequence[str]:
        resolver, scope = self.instance.spec.file_scope.resolver, self.instance.scope
        if isinstance(item, GlobItem):
            found = glob_matches.matches(resolver, item, scope, self.linker.declared, None)
            if not found and not item.empty:
                raise glob_matches.no_match_error(resolver, item, scope, self.linker.declared, self.instance)
            return found
        if isinstance(item, FromItem):
            what = "edits cannot use from: the outputs of other actions"
            raise self.linker.source.error(what, item.node, hint="edit them where they are made")
        if isinstance(item, TreeItem):
            raise self.linker.source.error("edits needs files, but this is a folder", item.node, hint="use a glob")
        return [resolver.path(text, item.node, "an edited file") for text in scope.raw.items(item)]

    def _check(self, path: str, node: Node, editors: dict[str, tuple[Instance, Node]]) -> None:
        linker, instance = self.linker, self.instance
        if path.endswith("/"):
            raise linker.source.error(
                f"edits needs files, but {path} is a folder", node, hint=f'a glob: "{path}**/*"'
            )
        wrong = "is outside the root" if path.startswith("/") else ""
        wrong = "is in the state folder" if path.startswith(STATE_FOLDER + "/") else wrong
        wrong = "is the plan itself" if path == instance.spec.file_scope.resolver.plan else wrong
        if wrong:
            raise linker.source.error(
                f"the edited file {path} {wrong}", node, hint="to take it out of a glob, use exclude"
            )
        producers = linker.declared.producers_by_any_name(path)
        if producers:
            raise linker.source.error(
                f"{instance.uid} edits {path}, which {producers[0].uid} makes",
                node,
                facts=(f"{producers[0].uid} is defined at {linker.source.place(producers[0].spec.key.start)}",),
                hint="let one action do both: run: takes several commands; to take it out of a glob, use exclude",
            )
        linker.check_source(path, node, instance)
        names = (path, *linker.declared.other_names(path))
        other, place = next((editors[name] for name in names if name in editors), (instance, node))
        if other is not instance:
            raise linker.source.error(
                f"two actions edit {path}: {other.uid} and {instance.uid}",
                node,
                facts=(f"{other.uid} edits it at {linker.source.place(place.start)}",),
                hint="let one action run both commands: run: takes several",
            )
        for read, declared in self.reads.items():
            is_excluded = exclusion(self.deps.exclude.get(declared, ()))
            if any(holds(read, name) and not is_excluded.covers(name.removeprefix(read)) for name in names):
                what = f"{instance.uid} reads {declared} and edits {path}"
                raise linker.source.error(what, node, hint="take it out of in: what is edited is read too")
