"""Which files an action starts, and their producers: programs and tools with a `/` in their name.

Programs found on PATH have no producer, and programs that a script starts are not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from treadle.core.paths import normalise, parents
from treadle.errors import TreadleError
from treadle.plan.language.templates import ROOT_MARK, Ref, Scope, Template
from treadle.plan.read.spec import Spec
from treadle.plan.yaml.nodes import Node, Source

from .declared_outputs import DeclaredOutputs, Instance

_PATHS = frozenset(("in", "out", "depfile"))


@dataclass(slots=True, frozen=True, eq=False)
class StartedProgram:
    """A file that an action starts, or a tool of it.

    :param is_late: whether an earlier command of the same action may make it
    """

    path: str
    node: Node
    is_late: bool = False


@dataclass(slots=True, frozen=True, eq=False)
class Programs:
    """Finds the programs that actions start, and their producers."""

    source: Source
    root: str
    declared: DeclaredOutputs

    def known(self, instance: Instance) -> list[StartedProgram]:
        """Return the programs of an instance that are known before its inputs are.

        Errors in a name are left to the command builder.
        """
        spec = instance.spec
        found = self._started(instance, instance.scope, with_paths=False)
        if spec.sh is not None and "/" in spec.settings.shell[0]:
            node = spec.entries.get("shell", spec.key)
            found.extend(self._file(spec.settings.shell[0], _cwd(instance, True), node))
        return found

    def by_paths(self, instance: Instance, scope: Scope) -> list[StartedProgram]:
        """Return the programs of an instance whose names contain `${in}`, `${out}` or `${depfile}`.

        :param scope: has the values of these
        """
        return self._started(instance, scope, with_paths=True)

    def _started(self, instance: Instance, scope: Scope, *, with_paths: bool) -> list[StartedProgram]:
        found: list[StartedProgram] = []
        for templates, in_cwd, node, is_late in _named(instance.spec):
            if _has_paths(templates[0]) is with_paths:
                with suppress(TreadleError):
                    name = next((text for template in templates for text in scope.raw.items(template)), "")
                    name = name.replace(ROOT_MARK, self.root)
                    found.extend(self._file(name, _cwd(instance, in_cwd), node, is_late=is_late))
        return found

    def _file(self, name: str, cwd: str, node: Node, *, is_late: bool = False) -> Iterator[StartedProgram]:
        if "/" in name and not name.endswith("/"):
            path = name if name.startswith("/") or not cwd else f"{cwd}/{name}"
            # the system follows links before ..
            place = self.declared.disk.named(path) if ".." in path else normalise(path, self.root)
            yield StartedProgram(place, node, is_late)

    def wait(
        self, instance: Instance, started: Iterable[StartedProgram], predecessors: dict[str, Node | None]
    ) -> None:
        """Add the producers of the programs of an instance to its predecessors.

        :raises TreadleError: it makes a program itself, or the producer is disabled
        """
        for one in started:
            for producer in self.declared.producers_by_any_name(one.path):
                if producer is instance:
                    if not one.is_late:
                        raise self._own(instance, one)
                elif producer.disabled:
                    raise self.source.error(
                        f"{instance.uid} starts {one.path} of {producer.uid}, which is disabled",
                        one.node,
                        facts=(f"{producer.uid}: {producer.disabled}",),
                        hint="give both the same when:",
                    )
                else:
                    predecessors[producer.uid] = one.node

    def _own(self, instance: Instance, started: StartedProgram) -> TreadleError:
        paths = (started.path, *self.declared.other_names(started.path))
        names = [name for path in paths for name in (path, *parents(path))]
        known = self.declared.as_declared
        declared = {known.get(name, name) for name in names}
        output = next(one for one in instance.outputs if one.path in declared)
        return self.source.error(
            f"{instance.uid} starts its own output {started.path}",
            started.node,
            facts=(f"made at {self.source.place(output.node.start)}",),
            hint="let an action of its own make it, or an earlier command of run:",
        )


def starts(spec: Spec) -> bool:
    """Whether an action names programs that may be files of the plan."""
    return bool(spec.steps or spec.argv or spec.settings.tools) or "/" in spec.settings.shell[0]


def _named(spec: Spec) -> Iterator[tuple[Sequence[Template], bool, Node, bool]]:
    """Yield (words, is relative to cwd, node, is a later command) of each command; the first word is a program."""
    for number, step in enumerate(spec.steps):
        yield [word.template for word in step], True, step[0].template.node, number > 0
    if spec.argv:
        yield spec.argv, True, spec.argv[0].node, False
    for name, version in spec.settings.tools:
        yield [name], False, name.node, False
        if version:
            yield [word.template for word in version], False, version[0].template.node, False


def _has_paths(template: Template) -> bool:
    return any(isinstance(part, Ref) and part.name.split(".")[0] in _PATHS for part in template.pieces)


def _cwd(instance: Instance, is_relative: bool) -> str:
    """Return the folder that names are relative to, "" for the root."""
    resolver = instance.spec.file_scope.resolver
    if not is_relative or "cwd" not in instance.spec.files:
        return resolver.folder
    try:
        return resolver.below_root(instance.scope.raw.text(instance.spec.files["cwd"]))
    except TreadleError:
        return resolver.folder
