"""From instances to the edges between them: which action reads the outputs of which, and which are disabled."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from treadle.content.trust import STATE_FOLDER
from treadle.core.paths import parents
from treadle.core.wording import count
from treadle.errors import TreadleError, listed, nearest
from treadle.frontends.names import Names
from treadle.plan.circles import circle_numbers
from treadle.plan.language.globs import Disk
from treadle.plan.language.templates import GlobItem, Scope, Template, TreeItem, escape
from treadle.plan.read.file_scope import PathResolver
from treadle.plan.read.spec import FromItem, Need
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import Node

from . import glob_matches
from .conditions import add_needs
from .declared_outputs import DeclaredOutputs, Instance, OutputCheck
from .dependencies import Dependencies
from .programs import Programs, starts
from .references import References

MAX_CLOSE = 20
OWN = "take it out of in, or let another action make it"


class Linker:
    """Finds the edges of a plan.

    :param instances: all of them, disabled ones too
    :ivar broken: the instances with errors
    """

    __slots__ = (
        *("broken", "by_uid", "declared", "dependencies", "disk", "instances", "names", "problems"),
        *("programs", "references", "root", "source"),
    )

    def __init__(
        self,
        resolver: PathResolver,
        instances: Sequence[Instance],
        declared: DeclaredOutputs,
        names: Names,
        problems: Problems,
    ) -> None:
        self.source = resolver.source
        self.root = resolver.root
        self.disk: Disk = resolver.globs.disk
        self.instances = instances
        self.declared = declared
        self.programs = Programs(resolver.source, resolver.root, declared)
        self.names = names
        self.problems = problems
        self.by_uid = {instance.uid: instance for instance in instances}
        self.references = References(resolver.source, names, self.by_uid)
        self.dependencies: dict[str, Dependencies] = {}
        self.broken: list[Instance] = []

    def link(self) -> None:
        """Find producers, paths that are read, and disabled actions; errors are kept."""
        OutputCheck(self.declared, self.source, self.problems).check(self.instances)
        any_disabled = bool([instance for instance in self.instances if instance.disabled])
        for instance in self.instances:
            deps = self.dependencies[instance.uid] = Dependencies()
            if instance.is_placeholder:
                continue
            before = self.problems.reported
            if any_disabled:
                self._find_required(instance, deps)
            try:
                self._find_order(instance, deps)
            except TreadleError as error:
                self.problems.collect(error)
            if self.problems.reported != before:
                self.broken.append(instance)
        if any_disabled:
            _disable_dependents(self.instances, self.dependencies)
        for instance in self.instances:
            if not instance.disabled:
                before = self.problems.reported
                deps = self.dependencies[instance.uid]
                for producer, unknown in deps.unloaded:
                    if not producer.disabled:
                        self.problems.collect(unknown)
                self._inputs(instance, deps)
                try:
                    self.programs.wait(instance, deps.started, deps.predecessors)
                except TreadleError as error:
                    self.problems.collect(error)
                deps.is_complete = self.problems.reported == before
                if not deps.is_complete:
                    self.broken.append(instance)

    def check_source(self, path: str, node: Node, instance: Instance) -> None:
        """Check that a file that no action makes is there, and is what it is written as.

        :raises TreadleError: it is not
        """
        self._check_input(path, [], node, instance)

    # Before it is known which actions are disabled.

    def _find_required(self, instance: Instance, deps: Dependencies) -> None:
        """Find the inputs without which it is disabled; `_inputs` reports the same errors again."""
        producer = self.by_uid.get(instance.spec.file_scope.generated_by)
        if producer is not None:
            deps.required.append((producer, producer.expand or ""))
        for slot in instance.spec.inputs:
            for item in slot.items:
                with self.problems.collecting():
                    if isinstance(item, FromItem):
                        producers = [
                            producer for producer, _ in self.references.outputs(item, instance, is_early=True)
                        ]
                        if producers and not item.empty:
                            deps.any_of.append((producers, _shown(item, instance.scope), False))
                    elif not isinstance(item, GlobItem):
                        for text, node in _texts(item, instance.scope):
                            path = instance.spec.file_scope.resolver.path(text, node, "an input")
                            if not self._is_open_tree(path):
                                deps.required.extend(
                                    (producer, path) for producer in self._producers_of(path, instance)
                                )

    def _find_order(self, instance: Instance, deps: Dependencies) -> None:
        spec = instance.spec
        if starts(spec):
            deps.started = self.programs.known(instance)
            for one in deps.started:
                deps.required.extend(
                    (producer, one.path) for producer in self.declared.producers_by_any_name(one.path)
                )
        if spec.needs:
            deps.needs = [(need, self._needed(instance, need, deps)) for need in spec.needs]
        if spec.after:
            after = self._waited_for(instance, spec.after, "after", deps)
            deps.after = [one for _, found in after for one in found]

    def _needed(self, instance: Instance, need: Need, deps: Dependencies) -> list[Instance]:
        """Return the actions of an entry of needs; errors are kept."""
        known = (self.problems.reported, len(deps.unloaded))
        named = self._waited_for(instance, [need.name], "needs", deps, may_miss=need.expects in ("?", "*"))
        is_met = need.is_met_by("disabled")
        deps.any_of.extend((found, name, is_met) for name, found in named if found or not is_met)
        actions = list(dict.fromkeys(one for _, found in named for one in found))
        is_known = not any(one.is_placeholder for one in actions)
        if is_known and known == (self.problems.reported, len(deps.unloaded)):
            missed = need.misses(len(actions))
            if missed:
                names = listed(repr(name) for name, _ in named) or "the list"
                selects = f"selects {count(len(actions), 'action')}" if actions else "selects no action"
                facts = (listed(one.uid for one in actions),) if actions else ()
                hint = 'expects: "*" takes any number'
                self.problems.add(
                    self.source.error(f"needs: {names} {selects}, {missed}", need.node, facts=facts, hint=hint)
                )
        return actions

    def _waited_for(
        self,
        instance: Instance,
        names: Sequence[Template],
        kind: str,
        deps: Dependencies,
        *,
        may_miss: bool = False,
    ) -> list[tuple[str, list[Instance]]]:
        found, unloaded = self.references.waited_for(instance, names, kind, self.problems, may_miss=may_miss)
        deps.unloaded = (*deps.unloaded, *unloaded)
        return found

    def _is_open_tree(self, path: str) -> bool:
        """Whether a tree takes what is enabled: it is not an output, nor in one."""
        if not path.endswith("/") or path in self.declared.folders:
            return False
        return not any(folder in self.declared.folders for folder in parents(path))

    # After that.

    def _inputs(self, instance: Instance, deps: Dependencies) -> None:
        for slot in instance.spec.inputs:
            paths: list[str] = []
            is_text = slot.is_text
            for item in slot.items:
                try:
                    if isinstance(item, Template):
                        self._paths(item, instance, deps, paths)
                        is_text = is_text and not instance.scope.is_list(item)
                        continue
                    if isinstance(item, TreeItem):
                        self._trees(item, instance, deps, paths)
                        is_text = is_text and len(paths) == 1
                        continue
                    is_text = False
                    if isinstance(item, GlobItem):
                        paths.extend(self._glob(item, instance, deps))
                    else:
                        paths.extend(self._outputs(item, instance, deps))
                except TreadleError as error:
                    self.problems.collect(error)
            deps.named[slot.name] = (paths, is_text)
        if len(deps.named) == 1:
            deps.paths = paths
        else:
            deps.paths = [path for paths, _ in deps.named.values() for path in paths]
        if deps.hidden:
            deps.paths = [*deps.paths, *deps.hidden]
        if instance.spec.settings.baseline:
            from .baselines import add_baselines

            add_baselines(self.source, self.declared, instance, deps, self.problems)
        if instance.spec.file_scope.generated_by:
            deps.predecessors[instance.spec.file_scope.generated_by] = None
        if deps.needs:
            add_needs(self.source, instance, deps, self.problems)

    def _glob(self, item: GlobItem, instance: Instance, deps: Dependencies) -> Sequence[str]:
        resolver = instance.spec.file_scope.resolver
        found = glob_matches.matches(resolver, item, instance.scope, self.declared, None)
        if not found and not item.empty:
            raise glob_matches.no_match_error(resolver, item, instance.scope, self.declared, instance)
        for path in found:
            producer = self.declared.files.get(path)
            if producer is None:
                for one in self.declared.producers_through_links(path):
                    if one is not instance and not one.disabled:
                        deps.predecessors[one.uid] = item.node
            if producer is instance:
                raise self._own(instance, path, item.node, "the glob takes it: use exclude")
            if producer is not None:
                deps.predecessors[producer.uid] = item.node
        return found

    def _outputs(self, item: FromItem, instance: Instance, deps: Dependencies) -> list[str]:
        found: dict[str, None] = {}
        for producer, paths in self.references.outputs(item, instance):
            if not producer.disabled:
                found.update(dict.fromkeys(paths))
                deps.predecessors[producer.uid] = item.node
        if not found and not item.empty:
            what = f"from: {_shown(item, instance.scope)} selects no outputs"
            raise self.source.error(what, item.node, hint="if that is right, add empty: ok")
        return list(found)

    def _paths(self, item: Template, instance: Instance, deps: Dependencies, found: list[str]) -> None:
        resolver = instance.spec.file_scope.resolver
        sources = resolver.known_sources
        for text in instance.scope.raw.items(item):
            if text in sources:
                found.append(sources[text])
                continue
            path = resolver.path(text, item.node, "an input")
            if path in deps.exclude:
                raise self._two_ways(path, item.node)
            if not self._path(path, item.node, instance, deps):
                sources[text] = path
            found.append(path)

    def _trees(self, item: TreeItem, instance: Instance, deps: Dependencies, found: list[str]) -> None:
        """Take folders that are read with an exclude."""
        resolver = instance.spec.file_scope.resolver
        exclude = resolver.excluded(item.exclude, instance.scope)
        for text, node in _texts(item, instance.scope):
            path = resolver.path(text, node, "an input")
            if not path.endswith("/"):
                hint = f"write {text}/" if self.disk.kind(path) != "file" else "exclude is for folders"
                raise self.source.error(f"a tree is a folder, and {text} has no / at its end", node, hint=hint)
            if deps.exclude.get(path, exclude) != exclude or path in (known for known in self._plain(deps, found)):
                raise self._two_ways(path, node)
            if exclude:
                deps.exclude[path] = exclude
            self._path(path, node, instance, deps)
            found.append(path)

    def _plain(self, deps: Dependencies, found: list[str]) -> list[str]:
        """Return what an action is known to read so far without an exclude."""
        known = [*found, *(path for paths, _ in deps.named.values() for path in paths)]
        return [path for path in known if path not in deps.exclude]

    def _two_ways(self, path: str, node: Node) -> TreadleError:
        what = f"the action reads {path} twice, with another exclude"
        return self.source.error(what, node, hint="name the folder once, with all patterns in one exclude")

    def _path(self, path: str, node: Node, instance: Instance, deps: Dependencies) -> bool:
        """Wait for the producers of a path that is read; return whether there may be any."""
        exclude = deps.exclude.get(path, ())
        producers = self._producers_of(path, instance, exclude)
        for producer in producers:
            if producer is instance:
                hint = f"{OWN}, or leave it out: {{tree: {path}, exclude: [...]}}" if path[-1] == "/" else OWN
                raise self._own(instance, self._shared(instance, path), node, hint)
            if not producer.disabled:
                deps.predecessors[producer.uid] = node
        self._check_input(path, producers, node, instance)
        if not path.endswith("/"):
            return bool(producers)
        for tree in (path, *self.declared.other_names(path)) if producers or exclude else ():
            for hidden in self.declared.hidden_in(tree, exclude):
                for producer in self.declared.exact(hidden):
                    if producer is not instance and not producer.disabled:
                        deps.predecessors[producer.uid] = node
                        deps.hidden[hidden] = None
        for inner in self.declared.presence if path not in deps.apart else ():
            if inner != path and inner.startswith(path) and self.declared.presence[inner] in producers:
                pattern = f"/{escape(inner[len(path) :])}"
                deps.apart[path] = (*deps.apart.get(path, ()), pattern)
                deps.hidden[inner] = None
        return self._wait_inside(path, instance, deps, exclude) or bool(producers)

    def _producers_of(self, path: str, instance: Instance, exclude: tuple[str, ...] = ()) -> list[Instance]:
        """Return the producers of a path by any name, without the reader itself by another name."""
        producers = self.declared.producers(path, exclude)
        return producers or [
            one for one in self.declared.producers_by_any_name(path, exclude) if one is not instance
        ]

    def _wait_inside(self, tree: str, instance: Instance, deps: Dependencies, exclude: tuple[str, ...]) -> bool:
        """Wait for the producers of what links in a tree lead to, see `settle`; return whether there are any."""
        producers = self.declared.producers_inside(tree, exclude)
        for producer in producers:
            if producer is not instance and not producer.disabled:
                deps.yielding[producer.uid] = None
        return bool(producers)

    def settle(self) -> None:
        """Add the edges that yield, where they close no circle.

        Packages that link to each other, each with its outputs, would wait for each other: there the order of the
        plan decides. They settle after a run or two, so the plan is not refused.
        """
        yielding = {uid: deps.yielding for uid, deps in self.dependencies.items() if deps.yielding}
        if not yielding:
            return
        edges = {
            uid: {**dict.fromkeys(deps.waits_for), **deps.yielding, **{one.uid: None for one in deps.after}}
            for uid, deps in self.dependencies.items()
        }
        circles = circle_numbers(edges)
        for uid, producers in yielding.items():
            own = circles.get(uid)
            apart = [producer for producer in producers if own is None or circles.get(producer) != own]
            self.dependencies[uid].predecessors.update(dict.fromkeys(apart))

    def _own(self, instance: Instance, path: str, node: Node, hint: str) -> TreadleError:
        path = self.declared.as_declared.get(path, path)
        output = next(one for one in instance.outputs if one.path == path)
        what = f"{instance.uid} reads its own output {path}"
        return self.source.error(what, node, facts=(f"made at {self.source.place(output.node.start)}",), hint=hint)

    def _shared(self, instance: Instance, path: str) -> str:
        """Return the output of an instance that a path overlaps: the same, below it or above it."""
        for output in instance.outputs:
            for name in (output.path, self.declared.real_names.get(output.path, output.path)):
                if path in (name, *parents(name)) or name in parents(path):
                    return output.path
        return instance.outputs[0].path

    def _check_input(self, path: str, producers: list[Instance], node: Node, instance: Instance) -> None:
        declared = self.declared
        tree = path.endswith("/")
        written = instance.spec.file_scope.resolver.as_written
        other = path[:-1] if tree else path + "/"
        producer = (declared.files if tree else declared.folders).get(other)
        if producer is not None:
            kind = "a file" if tree else "a folder"
            raise self.source.error(
                f"{other} is {kind} that {producer.uid} makes", node, hint=f"write {written(other)}"
            )
        if not tree and STATE_FOLDER in path and self._is_log(path, instance):
            return
        if tree or STATE_FOLDER in path:
            self._check_state(path, node)
        if producers:
            return
        if path in declared.depfiles:
            raise self.source.error(
                f"{path} is a depfile, not an output", node, hint="name it in out: of its action too"
            )
        if other in declared.above:
            raise self.source.error(
                f"the input {path} is a folder", node, hint=f"write {written(other)} for the whole tree"
            )
        kind = self.disk.kind(path)
        if kind == ("folder" if tree else "file"):
            return
        if kind:
            what = "is a file" if tree else "is a folder"
            hint = f"write {written(other)}" + ("" if tree else " for the whole tree")
            raise self.source.error(f"the input {path} {what}", node, hint=hint)
        raise self._missing(path, node, instance)

    def _is_log(self, path: str, instance: Instance) -> bool:
        """Return whether a path is the log of an action that this one needs: it is there when that has run."""
        from treadle.command.job import log_path

        needed = (one.uid for _, found in self.dependencies[instance.uid].needs for one in found)
        label = os.path.relpath(os.path.abspath(self.source.file), self.root)
        return any(path == log_path(STATE_FOLDER, label, uid) for uid in needed)

    def _check_state(self, path: str, node: Node) -> None:
        state = f"{self.root}/{STATE_FOLDER}/"
        full = self.disk.full(path.removeprefix("./"))
        if (path.endswith("/") and state.startswith(full)) or full.startswith(state):
            where = "is in" if full.startswith(state) else "contains"
            what = f"the input {path} {where} the state folder {STATE_FOLDER}/"
            raise self.source.error(what, node, hint="name the folders in it, or use a glob")

    def _missing(self, path: str, node: Node, instance: Instance) -> TreadleError:
        close = None
        if len(self.problems) < MAX_CLOSE:
            close = nearest(path, set(self._neighbours(path)) - {path})
        hint = (
            f"did you mean {instance.spec.file_scope.resolver.as_written(close)}?"
            if close
            else "correct the path, or name it in out: of the action that makes it"
        )
        if any(char in path for char in "*?"):
            hint = f'a value is never a pattern: give the var {{glob: "{path}"}}, or write the glob here'
        where = () if path.startswith("/") else (f"looked in {self.root}",)
        what = f"the input {path} does not exist and no action makes it"
        return self.source.error(what, node, facts=(f"{instance.uid} reads it", *where), hint=hint)

    def _neighbours(self, path: str) -> list[str]:
        folder, _, name = path.rstrip("/").rpartition("/")
        found = self._names_in(folder + "/" if folder or path.startswith("/") else "")
        if folder and not found:
            # the typo may be in the name of the folder: look for the same file in a folder with a similar name
            around = folder.rpartition("/")[0]
            near_by = self._names_in(around + "/" if around or path.startswith("/") else "")
            near = nearest(folder + "/", [one for one in near_by if one.endswith("/")])
            if near and any(one == name for one, _, _ in self.disk.names(self.disk.full(near))):
                found = [near + name]
        return [*found, *list(self.declared.files)[:2000]]

    def _names_in(self, prefix: str) -> list[str]:
        there = self.disk.names(self.disk.full(prefix))[:500]
        return [prefix + name + ("/" if kind == "folder" else "") for name, kind, _ in there]


def _texts(item: Template | TreeItem, scope: Scope) -> list[tuple[str, Node]]:
    """Return the paths of an item as they are written, each with its place."""
    templates = item.paths if isinstance(item, TreeItem) else [item]
    return [(text, template.node) for template in templates for text in scope.raw.items(template)]


def _shown(item: FromItem, scope: Scope) -> str:
    return listed(name for template in item.names for name in scope.items(template))


def _disable_dependents(instances: Sequence[Instance], dependencies: Mapping[str, Dependencies]) -> None:
    """Disable the actions that need, or read the outputs of, disabled ones."""
    queue = [instance for instance in instances if instance.disabled]
    readers: dict[str, list[tuple[Instance, str]]] = {}
    lists: dict[str, list[tuple[Instance, int]]] = {}
    enabled: dict[tuple[str, int], int] = {}
    for instance in instances:
        deps = dependencies[instance.uid]
        for producer, path in deps.required:
            readers.setdefault(producer.uid, []).append((instance, path))
        for at, (producers, _, _) in enumerate(deps.any_of):
            uids = {producer.uid for producer in producers}
            enabled[instance.uid, at] = len(uids)
            for uid in uids:
                lists.setdefault(uid, []).append((instance, at))
    while queue:
        gone = queue.pop()
        for reader, path in readers.get(gone.uid, ()):
            if not reader.disabled:
                reader.disabled = f"needs {path} of {gone.uid}, which is disabled"
                reader.is_unclear = gone.is_unclear
                queue.append(reader)
        for reader, at in lists.get(gone.uid, ()):
            enabled[reader.uid, at] -= 1
            if not enabled[reader.uid, at] and not reader.disabled:
                producers, name, is_met = dependencies[reader.uid].any_of[at]
                is_unclear = any(producer.is_unclear for producer in producers)
                if is_met and not is_unclear:
                    continue
                reader.disabled = f"needs {name}, which is disabled"
                reader.is_unclear = is_unclear
                queue.append(reader)
