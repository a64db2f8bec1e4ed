"""Loads a plan: reads and checks its files, and returns a Plan or raises its errors.

Little is done per action, without checking less: what many actions share (the text of a script, settings from
`defaults`, a common source) is checked once. The YAML parser takes a third of the time that remains.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from treadle._startup.interpreter import RareCollection, inherited
from treadle.content.git_values import GitValues
from treadle.core.graph.algorithms import reached
from treadle.core.output_index import OutputIndex
from treadle.core.paths import below
from treadle.core.redaction import digest
from treadle.errors import PlanError, TreadleError
from treadle.frontends.base import Action, ListedOutputs, Looks, Outline, PreviousOutputs
from treadle.frontends.names import Names

from .circles import find_circle
from .language.globs import Disk
from .language.templates import GlobItem
from .language.value_files import ValueFiles
from .model import Plan, TrackedEnviron
from .read import groups
from .read.file import Common, PlanFile, join_queues, read_header, read_values, secret_params
from .read.joined_pools import join_pools
from .read.spec import Spec
from .resolve import conditions, glob_matches
from .resolve.commands import CommandBuilder, circle_error, hide_gpus
from .resolve.declared_outputs import DeclaredOutputs, Instance
from .resolve.edges import Linker
from .resolve.instances import Expander, values_of
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
    keeps_globs: bool = False,
    keeps_values: bool = False,
    is_run: bool = False,
    work_trees: Callable[[str], Mapping[str, str]] | None = None,
) -> Plan:
    """Read and check a plan.

    :param path: its path
    :param params: parameters given from outside, as text
    :param environ: the environment; by default the process's own
    :param previous_outputs: called with the root; returns paths relative to it that actions made in previous runs,
        which globs never match
    :param rest: the arguments after `--`, for the parameter with `rest: true`; None if there was no `--`
    :param generated: uids of up-to-date actions that generate plans: these are loaded too
    :param keeps_globs: whether the plan says later which of its globs match a path, which keeps much in memory
    :param keeps_values: whether it says what the values of its instances are
    :param is_run: whether to compute what `${git.dirty}` is, which runs filters of git; else `work_trees` says it
    :param work_trees: see `Request`
    :raises PlanError: the first ten errors by place
    """
    with RareCollection():
        tracked = TrackedEnviron(inherited() if environ is None else environ)
        loader = _read(path, dict(params or {}), tracked, rest, is_run=is_run, work_trees=work_trees)
        plan = loader.build(previous_outputs, generated)
        if keeps_globs:
            specs = [spec for file in loader.files for spec in file.specs]
            plan.matching = partial(glob_matches.actions_matching, specs, loader.instances)
        if keeps_values:
            plan.values = {one.uid: values_of(one.scope) for one in loader.instances if one.spec.foreach}
        return plan


def load_outline(
    path: str,
    *,
    params: Mapping[str, str] | None = None,
    previous_outputs: Callable[[str], Collection[str]] | None = None,
    generated: Collection[str] = (),
) -> Outline:
    """Read the names in a plan. It is checked only as far as needed, in about half of the time.

    The parameters are those of `load_plan`.

    :raises PlanError: the first ten errors by place
    """
    with RareCollection():
        return _read(path, dict(params or {}), TrackedEnviron(inherited()), None).outline(
            previous_outputs, generated
        )


def _read(
    path: str,
    params: dict[str, str],
    environ: TrackedEnviron,
    rest: Sequence[str] | None,
    *,
    is_run: bool = False,
    work_trees: Callable[[str], Mapping[str, str]] | None = None,
) -> _Loader:
    problems = Problems()
    try:
        source = parser.read_source(path)
        node = parser.parse(source)
    except TreadleError as error:
        raise PlanError([error]) from None
    header = read_header(Validator(source, problems), node, source.file)
    problems.check()
    assert header is not None
    root, disk = header.root, Disk(header.root)
    recorded: Callable[[], Mapping[str, str]] = dict if work_trees is None else partial(work_trees, root)
    git = GitValues(disk.note, is_run=is_run, recorded=recorded)
    common = Common(root, os.path.relpath(header.path, root), environ, disk, ValueFiles(disk), git)
    top = read_values(header, common, params, rest=rest)
    files = [top]
    if "include" in top.entries:
        from .read.includes import with_included

        files = with_included(top)
    loader = _Loader(files)
    loader.read_actions(0)
    return loader


class _Loader:
    """Builds a plan from its files.

    :param files: the plan's own file, and those that it includes
    """

    __slots__ = (
        *(
            "cache",
            "common",
            "disk",
            "files",
            "instances",
            "pool",
            "problems",
            "queues",
            "source",
            "top",
            "validator",
        ),
    )

    def __init__(self, files: Sequence[PlanFile]) -> None:
        self.files = files
        self.top = files[0]
        self.common = self.top.common
        self.disk = self.common.disk
        self.validator = self.top.validator
        self.source = self.validator.source
        self.problems = self.validator.problems
        self.queues: dict[str, int] = {}
        self.pool = ""
        self.cache = ""
        self.instances: Sequence[Instance] = ()

    def read_actions(self, first: int) -> None:
        """Read the actions of all files from the given one on."""
        self.queues = join_queues(self.files)
        self.pool = join_pools((file.validator, file.entries) for file in self.files)
        if any("cache" in file.entries for file in self.files):
            from .read.cache import join_caches

            self.cache = join_caches((file.validator, file.entries) for file in self.files)
        for file in self.files[first:]:
            file.read_actions(self.queues)
        self.problems.check()

    def build(self, previous_outputs: Callable[[str], Collection[str]] | None, generated: Collection[str]) -> Plan:
        """Return the plan.

        :param generated: uids of the actions whose plans are loaded
        """
        top, root, disk = self.top, self.common.root, self.disk
        instances, previous = self._all_instances(previous_outputs, generated)
        self.instances = instances
        expanding = [one for one in instances if one.expand is not None]
        producers = {one.uid: one for one in expanding if not one.disabled}
        unread = [uid for uid in producers if uid not in generated]
        names = self._names(instances, unread, [one.uid for one in expanding if one.disabled])
        declared = DeclaredOutputs(instances, previous, disk, lambda: previous or _known(previous_outputs, root))
        linker = self._linked(instances, declared, names)
        if any(instance.spec.edits is not None for instance in instances):
            from .resolve.edits import link_edits

            link_edits(linker)
        linker.settle()
        for file in self.files if not names.open else ():
            groups.check(file, names)
        actions = self._actions(linker, CommandBuilder(linker, self.common.plan, self.common.environ))
        self._check_files(linker)
        hide_gpus(one.command for one in actions.values())
        secrets = {name for instance in instances for name in instance.spec.settings.secret}
        for file in self.files if secrets else ():
            for error in secret_params(file.validator, file.entries, secrets):
                self.problems.add(error)
        if [one for one in actions.values() if one.is_last]:
            conditions.check_last(self.source, instances, linker.dependencies, self.problems)
        self.problems.check()
        circle = find_circle({uid: one.predecessors + one.after for uid, one in actions.items()})
        if circle:
            raise PlanError([circle_error(linker, circle, {uid: str(actions[uid].place) for uid in circle})])
        default = groups.default(top, names, actions)
        return Plan(
            top.path,
            self.common.plan,
            root,
            actions,
            {one.uid: one.disabled for one in instances if one.disabled},
            dict(names.groups),
            default,
            self.queues,
            top.params,
            {uid: one.expand for uid, one in producers.items() if one.expand is not None and uid in actions},
            names,
            Looks(
                self._looked_up(secrets),
                disk.listed,
                disk.folders(),
                disk.read,
                disk.links,
                self.common.git.dirty,
                self.common.git.is_used,
            ),
            {
                one.uid: glob_matches.previous_matches(one, declared) if one.uid in actions else ()
                for one in (instances if names.open else ())
                if _has_globs(one.spec)
            },
            not default and groups.is_default_disabled(top, names, instances),
            groups.unclear_default(top, names, instances),
            self.pool,
            self._included(),
            cache=self.cache,
        )

    def outline(
        self, previous_outputs: Callable[[str], Collection[str]] | None, generated: Collection[str]
    ) -> Outline:
        """Return the names.

        :param generated: uids of the actions whose plans are loaded
        """
        instances, _ = self._all_instances(previous_outputs, generated)
        known = [one for one in instances if not one.disabled]
        helps = {one.uid: one.spec.help for one in known}
        producers = {one.uid: one.expand for one in known if one.expand is not None}
        return Outline(self.common.root, helps, producers, self._names(instances), self._included())

    def _included(self) -> dict[str, tuple[str, str]]:
        """Return prefix -> file and folder of each plan that is included."""
        files = [file for file in self.files[1:] if not file.file_scope.generated_by]
        return {file.prefix: (file.path, file.file_scope.resolver.folder) for file in files}

    def _all_instances(
        self, previous_outputs: Callable[[str], Collection[str]] | None, generated: Collection[str]
    ) -> tuple[list[Instance], PreviousOutputs]:
        """Return all instances, and the outputs of previous runs if an action has globs.

        Generated plans are loaded, and those that their actions have generated.
        """
        previous: PreviousOutputs | None = None
        number = 0
        while True:
            specs = [spec for file in self.files for spec in file.specs]
            if previous is None and previous_outputs is not None and any(_has_globs(spec) for spec in specs):
                previous = _known(previous_outputs, self.common.root)
            instances = Expander(self.source, self.common.environ, previous or ListedOutputs(), self.disk).expand(
                specs, self.problems
            )
            self.problems.check()
            if not generated or len(self.files) == number:
                break
            from .resolve.generated import with_generated

            number = len(self.files)
            self.files = with_generated(self.files, instances, generated)
            self.read_actions(number)
        if generated:
            from .resolve.generated import check_names

            check_names(instances, self.problems)
            self.problems.check()
        return instances, previous or ListedOutputs()

    def _linked(self, instances: list[Instance], declared: DeclaredOutputs, names: Names) -> Linker:
        """Return the linker of the plan, with all links.

        As long as some plans are not loaded, actions that cannot be understood without them are disabled.
        """
        resolver = self.top.file_scope.resolver
        if not names.open:
            linker = Linker(resolver, instances, declared, names, self.problems)
            linker.link()
            return linker
        from .resolve.partial import link

        return link(resolver, instances, declared, names, self.problems)

    def _looked_up(self, secrets: Collection[str]) -> dict[str, str | None]:
        """Return the variables that were looked up; of secret ones, a digest of the value."""
        found = self.common.environ.looked_up
        for name in secrets:
            value = found.get(name)
            if value is not None:
                found[name] = digest(name, value)
        return found

    def _check_files(self, linker: Linker) -> None:
        """Refuse actions that make or edit files which are read before any action runs."""
        named = self.common.value_files.named
        if not named and not any(file.included for file in self.files):
            return
        editors = {}
        if any(instance.spec.edits is not None for instance in linker.instances):
            from .resolve.edits import editors_of

            editors = editors_of(linker)
        for path, error_at in named.items():
            bare = below(path, self.common.root)
            producers = linker.declared.producers_by_any_name(bare)
            if producers:
                what = f"{producers[0].uid} makes this file, and it is read before any action runs"
                self.problems.add(error_at(what))
            elif any((editor := editors.get(name)) for name in (bare, *linker.declared.other_names(bare))):
                problem = error_at(f"{editor} edits this file, and it is read before any action runs")
                problem.hint = "to take it out of a glob of edits, use exclude"
                self.problems.add(problem)
        for file in self.files:
            for path in file.included.values():
                if (bare := below(path, self.common.root)) in editors:
                    self.validator.add(
                        f"{editors[bare]} edits the included plan {bare}",
                        file.entries["include"],
                        facts=("included plans are read before any action runs",),
                        hint="to take it out of a glob of edits, use exclude",
                    )

    def _names(self, instances: list[Instance], unread: Sequence[str] = (), disabled: Sequence[str] = ()) -> Names:
        """Return the names of the plan.

        :param unread: the producers of plans that are not loaded
        :param disabled: the disabled producers of plans
        """
        families: dict[str, list[str]] = {spec.name: [] for file in self.files for spec in file.specs}
        outputs = OutputIndex()
        producing: set[str] = set()
        for instance in instances:
            families[instance.spec.name].append(instance.uid)
            for output in instance.outputs:
                outputs.add(output.path, instance.uid)
                producing.add(instance.spec.name)
        names = Names(families, {}, outputs, self.common.root, open=unread, closed=disabled)
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
                if deps.conditions:
                    conditions.check(self.source, instance, deps, self.problems)
            except TreadleError as error:
                self.problems.collect(error)
            else:
                found[instance.uid] = Action(
                    instance.uid,
                    instance.spec.name,
                    instance.spec.help,
                    command,
                    tuple(deps.waits_for) if deps.conditions else tuple(deps.predecessors),
                    _only_after(instance, linker) if deps.after else (),
                    command.place or self.source.place(instance.spec.key.start),
                    its_tags,
                    instance.spec.flag("report"),
                    {uid: need.says for uid, need in deps.conditions.items()} if deps.conditions else {},
                    "finally" in instance.spec.entries and instance.spec.flag("finally"),
                )
            if broken and len(self.problems) > len(broken) + 100:
                break
        return found


def _known(previous_outputs: Callable[[str], Collection[str]] | None, root: str) -> PreviousOutputs:
    """Return the outputs of previous runs, with what is known of them."""
    found = previous_outputs(root) if previous_outputs is not None else ()
    return found if isinstance(found, PreviousOutputs) else ListedOutputs(found)


def _only_after(instance: Instance, linker: Linker) -> tuple[str, ...]:
    """Return the uids of the actions that an action waits for and does not need.

    A disabled action keeps the order of the actions before and after it, if that closes no circle.
    """
    deps = linker.dependencies[instance.uid]
    after = dict.fromkeys([one.uid for one in deps.after if not one.disabled])
    if len(after) < len(deps.after):
        after |= dict.fromkeys(_through_disabled(instance, linker))
    return tuple([uid for uid in after if uid not in deps.predecessors and uid not in deps.conditions])


def _through_disabled(instance: Instance, linker: Linker) -> list[str]:
    """Return the uids of enabled actions that come before an action through disabled ones."""

    def before(one: Instance, *, disabled: bool) -> list[Instance]:
        return [other for other in linker.dependencies[one.uid].before() if bool(other.disabled) is disabled]

    starts = [one for one in linker.dependencies[instance.uid].after if one.disabled]
    chain = reached(starts, lambda one: before(one, disabled=True))
    found = dict.fromkeys(other.uid for one in chain for other in before(one, disabled=False))
    return [uid for uid in found if not _comes_after(uid, instance.uid, linker)]


def _comes_after(uid: str, other: str, linker: Linker) -> bool:
    """Whether an action comes after another one, by any path."""

    def before(here: str) -> list[str]:
        deps = linker.dependencies[here]
        return [*deps.waits_for, *(one.uid for one in deps.before())]

    return other in reached([uid], before)


def _has_globs(spec: Spec) -> bool:
    if spec.variants is not None:
        return True
    slots = spec.inputs if spec.edits is None else (*spec.inputs, spec.edits)
    return spec.has_globs or any(isinstance(item, GlobItem) for slot in slots for item in slot.items)
