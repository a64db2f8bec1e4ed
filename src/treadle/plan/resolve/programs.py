"""Which files an action starts, and what makes them: programs and tools with a `/` in their name.

What is found on PATH has no maker, and what a script starts is not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from treadle.core.paths import normalise, parents
from treadle.errors import TreadleError
from treadle.plan.language.templates import Ref, Scope, Template
from treadle.plan.read.spec import Spec
from treadle.plan.yaml.nodes import Node, Source

from .declared_outputs import Instance, Producers

_PATHS = frozenset(("in", "out", "depfile"))


class StartedProgram:
    """A file that an action starts, or whose identity counts.

    :param is_late: whether an earlier command of the same action may have made it
    """

    __slots__ = ("is_late", "node", "path")

    def __init__(self, path: str, node: Node, *, is_late: bool = False) -> None:
        self.path = path
        self.node = node
        self.is_late = is_late


class Programs:
    """Finds what actions start, and lets them wait for its makers."""

    __slots__ = ("producers", "root", "source")

    def __init__(self, source: Source, root: str, producers: Producers) -> None:
        self.source = source
        self.root = root
        self.producers = producers

    def producers_of(self, one: StartedProgram) -> list[Instance]:
        """Return the makers of what is started, by this name or by one that it has without links."""
        return self.producers.by_any_name(one.path)

    def known(self, instance: Instance) -> list[StartedProgram]:
        """Return what an instance starts, as far as it can be said before its inputs are known.

        What is wrong in a name is left to what makes the command.
        """
        found: list[StartedProgram] = []
        for templates, in_cwd, node, is_late in _named(instance.spec):
            if not _has_paths(templates[0]):
                found.extend(self._started(templates, instance.scope, _cwd(instance, in_cwd), (node, is_late)))
        if instance.spec.sh is not None and "/" in instance.spec.shell[0]:
            node = instance.spec.entries.get("shell", instance.spec.key)
            found.extend(self._file(instance.spec.shell[0], _cwd(instance, True), (node, False)))
        return found

    def by_paths(self, instance: Instance, scope: Scope) -> list[StartedProgram]:
        """Return what an instance starts under names that hold its `${in}`, `${out}` or `${depfile}`.

        :param scope: knows these
        """
        found: list[StartedProgram] = []
        for templates, in_cwd, node, is_late in _named(instance.spec):
            if _has_paths(templates[0]):
                found.extend(self._started(templates, scope, _cwd(instance, in_cwd), (node, is_late)))
        return found

    def _started(
        self, templates: Sequence[Template], scope: Scope, cwd: str, where: tuple[Node, bool]
    ) -> Iterator[StartedProgram]:
        try:
            name = next((text for template in templates for text in scope.items(template)), "")
        except TreadleError:
            return
        yield from self._file(name, cwd, where)

    def _file(self, name: str, cwd: str, where: tuple[Node, bool]) -> Iterator[StartedProgram]:
        if "/" in name and not name.endswith("/"):
            path = name if name.startswith("/") or not cwd else f"{cwd}/{name}"
            # the system follows links before it follows ..
            place = self.producers.disk.named(path) if ".." in path else normalise(path, self.root)
            yield StartedProgram(place, where[0], is_late=where[1])

    def wait(self, instance: Instance, started: Iterable[StartedProgram], predecessors: dict[str, None]) -> None:
        """Add the makers of what an instance starts to its predecessors.

        :raises TreadleError: it makes that itself, or its maker is left out
        """
        for one in started:
            for producer in self.producers_of(one):
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
                    predecessors[producer.uid] = None

    def _own(self, instance: Instance, started: StartedProgram) -> TreadleError:
        paths = (started.path, *self.producers.names(started.path))
        names = [name for path in paths for name in (path, *parents(path))]
        known = self.producers.declared.as_declared
        declared = {known.get(name, name) for name in names}
        output = next(one for one in instance.outputs if one.path in declared)
        return self.source.error(
            f"{instance.uid} starts its own output {started.path}",
            started.node,
            facts=(f"made at {self.producers.place(output)}",),
            hint="let an action of its own make it, or an earlier command of run:",
        )


def starts(spec: Spec) -> bool:
    """Whether an action names programs that may be files of the plan."""
    return bool(spec.steps or spec.argv or spec.tools) or "/" in spec.shell[0]


def _named(spec: Spec) -> Iterator[tuple[Sequence[Template], bool, Node, bool]]:
    """Yield (words, is relative to cwd, place, is a later command) of each command; its first word counts."""
    for number, step in enumerate(spec.steps):
        yield [word.template for word in step], True, step[0].template.node, number > 0
    if spec.argv:
        yield spec.argv, True, spec.argv[0].node, False
    for name, version in spec.tools:
        yield [name], False, name.node, False
        if version:
            yield [word.template for word in version], False, version[0].template.node, False


def _has_paths(template: Template) -> bool:
    return any(isinstance(part, Ref) and part.name.split(".")[0] in _PATHS for part in template.pieces)


def _cwd(instance: Instance, is_asked: bool) -> str:
    """Return the folder that names are relative to, "" for the root."""
    folder = instance.spec.file_scope.resolver.folder
    if not is_asked or instance.spec.cwd is None:
        return folder
    try:
        text = instance.scope.text(instance.spec.cwd)
    except TreadleError:
        return folder
    return f"{folder}/{text}" if folder and not text.startswith("/") else text
