"""Loads a plan: reads the file, checks it from the outside in, and hands out a Plan or every mistake in it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from treadle._startup.interpreter import inherited
from treadle.core.output_index import OutputIndex
from treadle.core.paths import below
from treadle.core.redaction import digest
from treadle.errors import PlanError, TreadleError
from treadle.frontends.base import Action, Looks, Outline
from treadle.frontends.names import Names

from .circles import find_circle
from .language.globs import Disk, Globs
from .language.templates import GlobItem
from .language.value_files import ValueFiles
from .model import Plan, TrackedEnviron
from .read import groups
from .read.file import PlanFile, join_queues, secret_params
from .read.spec import Spec
from .resolve import glob_matches
from .resolve.commands import CommandBuilder, circle_error
from .resolve.declared_outputs import DeclaredOutputs, Instance
from .resolve.edges import Linker
from .resolve.instances import Expander
from .resolve.tags import tags
from .schema.validator import Validator
from .yaml import parser
from .yaml.diagnostics import Problems


def load_plan(
    path: str,
    *,
    params: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    previous_outputs: Callable[[str], Collection[str]] | None = None,
    rest: Sequence[str] | None = None,
    generated: Collection[str] = (),
) -> Plan:
    """Read and check a plan.

    :param path: its path
    :param params: parameters given from outside, as text
    :param environ: the environment; the process's own if left out
    :param previous_outputs: given the root, returns paths relative to it that actions made in former runs:
        globs never take them
    :param rest: the words behind `--`, for the parameter with `rest: true`; None if there was no `--`
    :param generated: uids of actions that are up to date and make plans: these are read too
    :raises PlanError: with the first ten mistakes by place
    """
    with _no_garbage_collector():
        asked = TrackedEnviron(inherited() if environ is None else environ)
        return _read(path, dict(params or {}), asked, rest).build(previous_outputs, generated)


def load_outline(
    path: str,
    *,
    params: Mapping[str, str] | None = None,
    previous_outputs: Callable[[str], Collection[str]] | None = None,
    generated: Collection[str] = (),
) -> Outline:
    """Read the names in a plan: it is checked no further than that takes, in about half of the time.

    The parameters are those of `load_plan`.

    :raises PlanError: with the first ten mistakes by place
    """
    with _no_garbage_collector():
        return _read(path, dict(params or {}), TrackedEnviron(inherited()), None).outline(
            previous_outputs, generated
        )


@contextmanager
def _no_garbage_collector() -> Iterator[None]:
    """Keep the garbage collector away: all that is made stays, and looking through it is half of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _read(path: str, params: dict[str, str], environ: TrackedEnviron, rest: Sequence[str] | None) -> _Loading:
    problems = Problems()
    try:
        source = parser.read_source(path)
        root_node = parser.parse(source)
    except TreadleError as error:
        raise PlanError([error]) from None
    validator = Validator(source, problems)
    top = PlanFile(validator, environ, source.file)
    top.read_top(root_node)
    problems.check()
    name = os.path.relpath(top.path, top.root)
    disk = Disk(top.root)
    top.value_files = ValueFiles(disk)
    top.rest = rest
    top.read_values(params)
    top.settle(top.root, name, Globs(disk))
    files = [top]
    if "include" in top.entries:
        from .read.includes import with_included

        files = with_included(top, disk)
    loading = _Loading(files, name, disk)
    loading.read_actions(0)
    return loading


class _Loading:
    """The parts of a plan on their way to a whole.

    :param files: the plan's own file, and those that it includes
    """

    __slots__ = ("disk", "environ", "files", "name", "problems", "queues", "source", "top", "validator")

    def __init__(self, files: Sequence[PlanFile], name: str, disk: Disk) -> None:
        self.files = files
        self.top = files[0]
        self.validator = self.top.validator
        self.source = self.validator.source
        self.problems = self.validator.problems
        self.environ = self.top.environ
        self.name = name
        self.queues: dict[str, int] = {}
        self.disk = disk

    def read_actions(self, first: int) -> None:
        """Read the actions of all parts from the given one on."""
        self.queues = join_queues(self.files)
        for file in self.files[first:]:
            file.read_actions(self.queues)
        self.problems.check()

    def build(self, previous_outputs: Callable[[str], Collection[str]] | None, generated: Collection[str]) -> Plan:
        """Return the plan.

        :param generated: uids of the actions whose plans are read
        """
        top = self.top
        instances, previous = self._all_instances(previous_outputs, generated)
        names = self._names(instances)
        expanding = [one for one in instances if one.expand is not None]
        producers = {one.uid: one for one in expanding if not one.disabled}
        names.open = [uid for uid in producers if uid not in generated]
        names.closed = [one.uid for one in expanding if one.disabled]
        declared = DeclaredOutputs(
            instances, previous, self.disk, lambda: previous or (previous_outputs and previous_outputs(top.root))
        )
        linker = self._linked(instances, declared, names)
        if any(instance.spec.edits is not None for instance in instances):
            from .resolve.edits import link_edits

            link_edits(linker)
        linker.settle()
        for file in self.files if not names.open else ():
            groups.check(file, names)
        actions = self._actions(linker, CommandBuilder(linker, self.name))
        self._check_files(linker)
        hidden = {name for instance in instances for name in instance.spec.secret}
        if hidden:
            self._check_params(hidden)
        self.problems.check()
        circle = find_circle({uid: one.predecessors + one.after for uid, one in actions.items()})
        if circle:
            where = {uid: str(actions[uid].place) for uid in circle}
            raise PlanError([circle_error(linker, circle, where)])
        disabled = {one.uid: one.disabled for one in instances if one.disabled}
        default = groups.default(self.top, names, actions)
        is_idle = not default and groups.is_default_disabled(self.top, names, instances)
        return Plan(
            top.path,
            self.name,
            top.root,
            actions,
            disabled,
            dict(names.groups),
            default,
            self.queues,
            top.params,
            {uid: one.expand for uid, one in producers.items() if one.expand is not None and uid in actions},
            names,
            Looks(self._asked(hidden), self.disk.listed, self.disk.folders(), self.disk.read, self.disk.links),
            {
                one.uid: glob_matches.previous_matches(one, linker.declared) if one.uid in actions else ()
                for one in (instances if names.open else ())
                if _has_globs(one.spec)
            },
            is_idle,
            groups.unclear_default(self.top, names, instances),
        )

    def outline(
        self, previous_outputs: Callable[[str], Collection[str]] | None, generated: Collection[str]
    ) -> Outline:
        """Return the names.

        :param generated: uids of the actions whose plans are read
        """
        instances, _ = self._all_instances(previous_outputs, generated)
        known = [one for one in instances if not one.disabled]
        helps = {one.uid: one.spec.help for one in known}
        producers = {one.uid: one.expand for one in known if one.expand is not None}
        return Outline(self.top.root, helps, producers, self._names(instances))

    def _all_instances(
        self, previous_outputs: Callable[[str], Collection[str]] | None, generated: Collection[str]
    ) -> tuple[list[Instance], Collection[str]]:
        """Return all instances, and what actions made in former runs as far as it is asked for."""
        asked: list[Collection[str]] = []

        def previous(specs: Iterable[Spec]) -> Collection[str]:
            if not asked and previous_outputs is not None and any(_has_globs(spec) for spec in specs):
                asked.append(previous_outputs(self.top.root))
            return asked[0] if asked else ()

        specs = self._specs()
        instances = self._instances(specs, previous(specs))
        if generated:
            instances = self._with_made(instances, previous, generated)
        return instances, previous(())

    def _specs(self) -> list[Spec]:
        return [spec for file in self.files for spec in file.specs]

    def _instances(self, specs: Sequence[Spec], previous: Collection[str]) -> list[Instance]:
        found = Expander(self.source, self.environ, previous, self.disk).expand(specs, self.problems)
        self.problems.check()
        return found

    def _with_made(
        self,
        instances: list[Instance],
        previous: Callable[[Iterable[Spec]], Collection[str]],
        generated: Collection[str],
    ) -> list[Instance]:
        """Read plans that actions have made, and those that actions in them have made; return all instances.

        :param previous: returns what actions made in former runs, if one of these has globs
        """
        from .resolve.generated import check_names, with_generated

        number = 0
        while len(self.files) > number:
            number = len(self.files)
            self.files = with_generated(self.files, instances, generated, self.disk)
            self.read_actions(number)
            specs = self._specs()
            instances = self._instances(specs, previous(specs))
        check_names(instances, self.problems)
        self.problems.check()
        return instances

    def _linked(self, instances: list[Instance], declared: DeclaredOutputs, names: Names) -> Linker:
        """Return the linker of the plan, which has done its work.

        As long as there are plans that have not been read, what cannot be understood without them is left out.
        """
        resolver = self.top.file_scope.resolver
        if not names.open:
            linker = Linker(resolver, instances, declared, names, self.problems)
            linker.link()
            return linker
        from .resolve.partial import link

        return link(resolver, instances, declared, names, self.problems)

    def _asked(self, hidden: Collection[str]) -> dict[str, str | None]:
        """Return the variables that were asked for, of secret ones a digest of the value."""
        asked = self.environ.looked_up
        for name in hidden:
            value = asked.get(name)
            if value is not None:
                asked[name] = digest(name, value)
        return asked

    def _check_params(self, hidden: Collection[str]) -> None:
        """Refuse parameters that take their value from secret variables."""
        for file in self.files:
            for error in secret_params(file.validator, file.entries, hidden):
                self.problems.add(error)

    def _check_files(self, linker: Linker) -> None:
        """Refuse what an action makes or edits, if it is read before any action runs."""
        if not self.top.value_files.named and not any(file.included for file in self.files):
            return
        editors = {}
        if any(instance.spec.edits is not None for instance in linker.instances):
            from .resolve.edits import editors_of

            editors = editors_of(linker)
        for path, told in self.top.value_files.named.items():
            bare = below(path, self.top.root)
            producers = linker.declared.producers_by_any_name(bare)
            if producers:
                self.problems.add(
                    told(f"{producers[0].uid} makes this file, and it is read before any action runs")
                )
            elif any((editor := editors.get(name)) for name in (bare, *linker.declared.other_names(bare))):
                problem = told(f"{editor} edits this file, and it is read before any action runs")
                problem.hint = "to take it out of a glob of edits, use exclude"
                self.problems.add(problem)
        for file in self.files:
            for path in file.included.values():
                if (bare := below(path, self.top.root)) in editors:
                    self.validator.add(
                        f"{editors[bare]} edits the included plan {bare}",
                        file.entries["include"],
                        facts=("included plans are read before any action runs",),
                        hint="to take it out of a glob of edits, use exclude",
                    )

    def _names(self, instances: list[Instance]) -> Names:
        families: dict[str, list[str]] = {spec.name: [] for file in self.files for spec in file.specs}
        outputs = OutputIndex()
        producing: set[str] = set()
        for instance in instances:
            families[instance.spec.name].append(instance.uid)
            for output in instance.outputs:
                outputs.add(output.path, instance.uid)
                producing.add(instance.spec.name)
        names = Names(families, {}, outputs, self.top.root)
        making = producing if len(self.files) > 1 else ()
        for file in reversed(self.files):
            groups.read(file, names, making)
        return names

    def _actions(self, linker: Linker, filler: CommandBuilder) -> dict[str, Action]:
        found: dict[str, Action] = {}
        broken = {error.place for error in self.problems.errors()}
        for instance in linker.instances:
            deps = linker.dependencies[instance.uid]
            if instance.disabled or not deps.is_complete:
                continue
            try:
                command = filler.command(instance, deps)
                its_tags = tags(instance) if instance.spec.tags else ()
            except TreadleError as error:
                self.problems.collect(error)
            else:
                found[instance.uid] = Action(
                    instance.uid,
                    instance.spec.name,
                    instance.spec.help,
                    command,
                    tuple(deps.predecessors),
                    _only_after(instance, linker) if deps.after else (),
                    command.place or self.source.place(instance.spec.key.start),
                    its_tags,
                )
            if broken and len(self.problems) > len(broken) + 100:
                break
        return found


def _only_after(instance: Instance, linker: Linker) -> tuple[str, ...]:
    """Return the uids of those that an action waits for and does not need.

    What is left out keeps the order of what is ordered through it, as far as that closes no circle.
    """
    deps = linker.dependencies[instance.uid]
    after = dict.fromkeys([one.uid for one in deps.after if not one.disabled])
    if len(after) < len(deps.after):
        after |= dict.fromkeys(_through_left_out(instance, linker))
    return tuple([uid for uid in after if uid not in deps.predecessors])


def _through_left_out(instance: Instance, linker: Linker) -> list[str]:
    """Return what comes before an action through actions that are left out."""
    seen: set[str] = set()
    found: dict[str, Instance] = {}
    stack = [one for one in linker.dependencies[instance.uid].after if one.disabled]
    while stack:
        here = stack.pop()
        if here.uid in seen:
            continue
        seen.add(here.uid)
        for one in linker.dependencies[here.uid].before():
            if one.disabled:
                stack.append(one)
            else:
                found[one.uid] = one
    return [uid for uid in found if not _comes_after(uid, instance.uid, linker)]


def _comes_after(uid: str, other: str, linker: Linker) -> bool:
    """Return whether an action comes after another one, whichever way: then it cannot come before it."""
    seen: set[str] = set()
    stack = [uid]
    while stack:
        here = stack.pop()
        if here == other:
            return True
        if here not in seen:
            seen.add(here)
            deps = linker.dependencies[here]
            stack += [*deps.predecessors, *(one.uid for one in deps.before())]
    return False


def _has_globs(spec: Spec) -> bool:
    if spec.variants is not None:
        return True
    slots = spec.inputs if spec.edits is None else (*spec.inputs, spec.edits)
    return spec.has_globs or any(isinstance(item, GlobItem) for slot in slots for item in slot.items)
