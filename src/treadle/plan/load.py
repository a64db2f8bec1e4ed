"""Loads a plan: reads the file, checks it from the outside in, and hands out a Plan or every mistake in it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from treadle._startup.interpreter import inherited
from treadle.core.paths import below
from treadle.core.redaction import digest
from treadle.errors import PlanError, TreadleError
from treadle.frontends.base import Action, Looks, Outline
from treadle.frontends.names import Names

from .language.globs import Disk, Globs
from .language.templates import GlobItem
from .language.value_files import ValueFiles
from .model import AskedEnviron, Plan
from .read import groups
from .read.file import Part, join_queues, secret_params
from .read.spec import Spec
from .resolve import glob_matches as answers
from .resolve.commands import Filler, circle_error
from .resolve.declared_outputs import Declared, Instance
from .resolve.edges import Linker, find_circle
from .resolve.instances import Expander
from .resolve.tags import tags
from .schema.validator import Reader
from .yaml import parser as loader
from .yaml.diagnostics import Problems


def load_plan(
    file: str,
    *,
    params: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    former_outputs: Callable[[str], Collection[str]] | None = None,
    rest: Sequence[str] | None = None,
    made: Collection[str] = (),
) -> Plan:
    """Read and check a plan.

    :param file: its path
    :param params: parameters given from outside, as text
    :param environ: the environment; the process's own if left out
    :param former_outputs: given the root, returns paths relative to it that actions made in former runs:
        globs never take them
    :param rest: the words behind `--`, for the parameter with `rest: true`; None if there was no `--`
    :param made: uids of actions that are up to date and make plans: these are read too
    :raises PlanError: with the first ten mistakes by place
    """
    with _no_garbage_collector():
        asked = AskedEnviron(inherited() if environ is None else environ)
        return _read(file, dict(params or {}), asked, rest).build(former_outputs, made)


def load_outline(
    file: str,
    *,
    params: Mapping[str, str] | None = None,
    former_outputs: Callable[[str], Collection[str]] | None = None,
    made: Collection[str] = (),
) -> Outline:
    """Read the names in a plan: it is checked no further than that takes, in about half of the time.

    The parameters are those of `load_plan`.

    :raises PlanError: with the first ten mistakes by place
    """
    with _no_garbage_collector():
        return _read(file, dict(params or {}), AskedEnviron(inherited()), None).outline(former_outputs, made)


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


def _read(file: str, params: dict[str, str], environ: AskedEnviron, rest: Sequence[str] | None) -> _Loading:
    problems = Problems()
    try:
        source = loader.read_source(file)
        root_node = loader.parse(source)
    except TreadleError as error:
        raise PlanError([error]) from None
    reader = Reader(source, problems)
    top = Part(reader, environ, source.file)
    top.read_top(root_node)
    problems.check()
    name = os.path.relpath(top.file, top.root)
    disk = Disk(top.root)
    top.files = ValueFiles(disk)
    top.rest = rest
    top.read_values(params)
    top.settle(top.root, name, Globs(disk))
    parts = [top]
    if "include" in top.entries:
        from .read.includes import with_included

        parts = with_included(top, disk)
    loading = _Loading(parts, name, disk)
    loading.read_actions(0)
    return loading


class _Loading:
    """The parts of a plan on their way to a whole.

    :param parts: the plan's own file, and those that it includes
    """

    __slots__ = ("disk", "environ", "name", "parts", "problems", "queues", "reader", "source", "top")

    def __init__(self, parts: Sequence[Part], name: str, disk: Disk) -> None:
        self.parts = parts
        self.top = parts[0]
        self.reader = self.top.reader
        self.source = self.reader.source
        self.problems = self.reader.problems
        self.environ = self.top.environ
        self.name = name
        self.queues: dict[str, int] = {}
        self.disk = disk

    def read_actions(self, first: int) -> None:
        """Read the actions of all parts from the given one on."""
        self.queues = join_queues(self.parts)
        for part in self.parts[first:]:
            part.read_actions(self.queues)
        self.problems.check()

    def build(self, former_outputs: Callable[[str], Collection[str]] | None, made: Collection[str]) -> Plan:
        """Return the plan.

        :param made: uids of the actions whose plans are read
        """
        top = self.top
        instances, former = self._all_instances(former_outputs, made)
        names = self._names(instances)
        expanding = [one for one in instances if one.expand is not None]
        makers = {one.uid: one for one in expanding if not one.left_out}
        names.open = [uid for uid in makers if uid not in made]
        names.closed = [one.uid for one in expanding if one.left_out]
        declared = Declared(instances, former)
        declared.find_places(self.disk, lambda: former or (former_outputs and former_outputs(top.root)))
        linker = self._linked(instances, declared, names)
        if any(instance.spec.edits is not None for instance in instances):
            from .resolve.edits import link_edits

            link_edits(linker)
        linker.settle()
        for part in self.parts if not names.open else ():
            groups.check(part, names)
        actions = self._actions(linker, Filler(linker, self.name))
        self._check_files(linker)
        hidden = {name for instance in instances for name in instance.spec.secret}
        if hidden:
            self._check_params(hidden)
        self.problems.check()
        circle = find_circle({uid: one.predecessors + one.after for uid, one in actions.items()})
        if circle:
            where = {uid: str(actions[uid].place) for uid in circle}
            raise PlanError([circle_error(linker, circle, where)])
        left_out = {one.uid: one.left_out for one in instances if one.left_out}
        default = groups.default(self.top, names, actions)
        is_idle = not default and groups.is_default_left_out(self.top, names, instances)
        return Plan(
            top.file,
            self.name,
            top.root,
            actions,
            left_out,
            dict(names.groups),
            default,
            self.queues,
            top.params,
            {uid: one.expand for uid, one in makers.items() if one.expand is not None and uid in actions},
            names,
            Looks(self._asked(hidden), self.disk.listed, self.disk.folders(), self.disk.read, self.disk.links),
            {
                one.uid: answers.passed_over(one, linker.declared) if one.uid in actions else ()
                for one in (instances if names.open else ())
                if _has_globs(one.spec)
            },
            is_idle,
            groups.unclear_default(self.top, names, instances),
        )

    def outline(self, former_outputs: Callable[[str], Collection[str]] | None, made: Collection[str]) -> Outline:
        """Return the names.

        :param made: uids of the actions whose plans are read
        """
        instances, _ = self._all_instances(former_outputs, made)
        known = [one for one in instances if not one.left_out]
        helps = {one.uid: one.spec.help for one in known}
        makers = {one.uid: one.expand for one in known if one.expand is not None}
        return Outline(self.top.root, helps, makers, self._names(instances))

    def _all_instances(
        self, former_outputs: Callable[[str], Collection[str]] | None, made: Collection[str]
    ) -> tuple[list[Instance], Collection[str]]:
        """Return all instances, and what actions made in former runs as far as it is asked for."""
        asked: list[Collection[str]] = []

        def former(specs: Iterable[Spec]) -> Collection[str]:
            if not asked and former_outputs is not None and any(_has_globs(spec) for spec in specs):
                asked.append(former_outputs(self.top.root))
            return asked[0] if asked else ()

        specs = self._specs()
        instances = self._instances(specs, former(specs))
        if made:
            instances = self._with_made(instances, former, made)
        return instances, former(())

    def _specs(self) -> list[Spec]:
        return [spec for part in self.parts for spec in part.specs]

    def _instances(self, specs: Sequence[Spec], former: Collection[str]) -> list[Instance]:
        found = Expander(self.source, self.environ, former, self.disk).expand(specs, self.problems)
        self.problems.check()
        return found

    def _with_made(
        self,
        instances: list[Instance],
        former: Callable[[Iterable[Spec]], Collection[str]],
        made: Collection[str],
    ) -> list[Instance]:
        """Read plans that actions have made, and those that actions in them have made; return all instances.

        :param former: returns what actions made in former runs, if one of these has globs
        """
        from .resolve.generated import check_names, with_made

        number = 0
        while len(self.parts) > number:
            number = len(self.parts)
            self.parts = with_made(self.parts, instances, made, self.disk)
            self.read_actions(number)
            specs = self._specs()
            instances = self._instances(specs, former(specs))
        check_names(instances, self.problems)
        self.problems.check()
        return instances

    def _linked(self, instances: list[Instance], declared: Declared, names: Names) -> Linker:
        """Return the linker of the plan, which has done its work.

        As long as there are plans that have not been read, what cannot be understood without them is left out.
        """
        places = self.top.home.places
        if not names.open:
            linker = Linker(places, instances, declared, names, self.problems)
            linker.link()
            return linker
        from .resolve.partial import link

        return link(places, instances, declared, names, self.problems)

    def _asked(self, hidden: Collection[str]) -> dict[str, str | None]:
        """Return the variables that were asked for, of secret ones a digest of the value."""
        asked = self.environ.asked
        for name in hidden:
            value = asked.get(name)
            if value is not None:
                asked[name] = digest(name, value)
        return asked

    def _check_params(self, hidden: Collection[str]) -> None:
        """Refuse parameters that take their value from secret variables."""
        for part in self.parts:
            for error in secret_params(part.reader, part.entries, hidden):
                self.problems.add(error)

    def _check_files(self, linker: Linker) -> None:
        """Refuse what an action makes or edits, if it is read before any action runs."""
        if not self.top.files.named and not any(part.included for part in self.parts):
            return
        editors = {}
        if any(instance.spec.edits is not None for instance in linker.instances):
            from .resolve.edits import editors_of

            editors = editors_of(linker)
        for path, told in self.top.files.named.items():
            bare = below(path, self.top.root)
            makers = linker.makers.by_any_name(bare)
            if makers:
                self.problems.add(told(f"{makers[0].uid} makes this file, and it is read before any action runs"))
            elif any((editor := editors.get(name)) for name in (bare, *linker.makers.names(bare))):
                problem = told(f"{editor} edits this file, and it is read before any action runs")
                problem.hint = "in edits, exclude takes it out of a glob"
                self.problems.add(problem)
        for part in self.parts:
            for file in part.included.values():
                if (bare := below(file, self.top.root)) in editors:
                    self.reader.add(
                        f"{editors[bare]} edits the included plan {bare}",
                        part.entries["include"],
                        facts=("what is included is read before anything runs",),
                        hint="in edits, exclude takes it out of a glob",
                    )

    def _names(self, instances: list[Instance]) -> Names:
        families: dict[str, list[str]] = {spec.name: [] for part in self.parts for spec in part.specs}
        outputs: dict[str, str] = {}
        for instance in instances:
            families[instance.spec.name].append(instance.uid)
            for output in instance.outputs:
                outputs.setdefault(output.path, instance.uid)
        names = Names(families, {}, outputs, self.top.root)
        making = {names.uids[uid] for uid in outputs.values()} if len(self.parts) > 1 else ()
        for part in reversed(self.parts):
            groups.read(part, names, making)
        return names

    def _actions(self, linker: Linker, filler: Filler) -> dict[str, Action]:
        found: dict[str, Action] = {}
        broken = {error.place for error in self.problems.errors()}
        for instance in linker.instances:
            reading = linker.readings[instance.uid]
            if instance.left_out or not reading.is_whole:
                continue
            try:
                command = filler.command(instance, reading)
                its_tags = tags(instance) if instance.spec.tags else ()
            except TreadleError as error:
                self.problems.keep(error)
            else:
                found[instance.uid] = Action(
                    instance.uid,
                    instance.spec.name,
                    instance.spec.help,
                    command,
                    tuple(reading.predecessors),
                    _only_after(instance, linker) if reading.after else (),
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
    reading = linker.readings[instance.uid]
    after = dict.fromkeys([one.uid for one in reading.after if not one.left_out])
    if len(after) < len(reading.after):
        after |= dict.fromkeys(_through_left_out(instance, linker))
    return tuple([uid for uid in after if uid not in reading.predecessors])


def _through_left_out(instance: Instance, linker: Linker) -> list[str]:
    """Return what comes before an action through actions that are left out."""
    seen: set[str] = set()
    found: dict[str, Instance] = {}
    stack = [one for one in linker.readings[instance.uid].after if one.left_out]
    while stack:
        here = stack.pop()
        if here.uid in seen:
            continue
        seen.add(here.uid)
        for one in linker.readings[here.uid].before():
            if one.left_out:
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
            reading = linker.readings[here]
            stack += [*reading.predecessors, *(one.uid for one in reading.before())]
    return False


def _has_globs(spec: Spec) -> bool:
    if spec.variants is not None:
        return True
    slots = spec.inputs if spec.edits is None else (*spec.inputs, spec.edits)
    return spec.has_globs or any(isinstance(item, GlobItem) for slot in slots for item in slot.items)
