"""Instances of actions, their outputs by path, and the producers of a path, also through links."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from treadle.content.digests import LITTER
from treadle.content.trust import STATE_FOLDER
from treadle.core.output_index import OutputIndex
from treadle.core.paths import folders_above, parents
from treadle.core.patterns import exclusion
from treadle.errors import TreadleError
from treadle.frontends.base import PreviousOutputs
from treadle.plan.language.globs import Disk
from treadle.plan.language.templates import Scope
from treadle.plan.read.spec import Slot, Spec
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import Node, Source

_LITTER = exclusion(LITTER)


@dataclass(slots=True, eq=False)
class Output:
    """An output: its path, the node that declares it, and the entry of `out`; depfiles and `stdout` have none.

    :param exclude: patterns of what in a folder is none of it
    :param by_presence: whether it is judged by presence
    """

    path: str
    node: Node
    slot: Slot | None = None
    exclude: tuple[str, ...] = ()
    by_presence: bool = False

    @property
    def name(self) -> str:
        """Its name in the plan, or ""."""
        return self.slot.name if self.slot is not None else ""


@dataclass(slots=True, eq=False)
class Instance:
    """An action with the values of one choice of `foreach`, and its outputs.

    :param disabled: why it is disabled, or ""
    :param is_unclear: whether it is disabled because a generated plan is not loaded
    :param is_placeholder: it represents a disabled family without values, so its texts have no meaning
    """

    uid: str
    spec: Spec
    scope: Scope
    outputs: Sequence[Output] = ()
    stdout: str | None = None
    depfile: str | None = None
    expand: str | None = None
    disabled: str = ""
    is_placeholder: bool = False
    is_unclear: bool = False


class DeclaredOutputs:
    """What the actions of a plan make, by path.

    An output that is declared through a link counts by the name without links too, as links are now. An output
    folder that is itself a link is what the link leads to, unless an action has made the link: then the next
    attempt removes it.

    :param previous: paths that actions made in previous runs
    :param previous_links: called if an output folder is a link; returns what knows the outputs of previous runs
    :ivar above: the folders that contain declared outputs
    :ivar presence: the output folders that are judged by presence
    :ivar real_names: what is declared through a link -> its name without links
    :ivar as_declared: the reverse
    """

    __slots__ = (
        *(
            "_hidden",
            "_index",
            "_inside",
            "above",
            "as_declared",
            "depfiles",
            "disk",
            "files",
            "folders",
            "ordered",
        ),
        *("presence", "previous", "previous_folders", "real_names"),
    )

    def __init__(
        self,
        instances: Iterable[Instance],
        previous: PreviousOutputs,
        disk: Disk,
        previous_links: Callable[[], PreviousOutputs],
    ) -> None:
        self.disk = disk
        self.files: dict[str, Instance] = {}
        self.folders: dict[str, Instance] = {}
        self.depfiles: set[str] = set()
        self.previous = previous
        self.presence: dict[str, Instance] = {}
        self.previous_folders = {path for path in previous if path.endswith("/")}
        for instance in instances:
            for output in instance.outputs:
                (self.folders if output.path.endswith("/") else self.files).setdefault(output.path, instance)
                if output.by_presence and not instance.disabled:
                    self.presence[output.path] = instance
            if instance.depfile is not None:
                self.depfiles.add(instance.depfile)
        self.above = folders_above([*self.files, *self.folders])
        self.real_names: dict[str, str] = {}
        self.as_declared: dict[str, str] = {}
        if self._find_real_names(previous_links):
            self.above = folders_above([*self.files, *self.folders])
        self._index = OutputIndex((*self.files.items(), *self.folders.items()))
        self.ordered = sorted(self._index)
        self._inside: dict[tuple[str, tuple[str, ...]], list[Instance]] = {}
        self._hidden: dict[tuple[str, tuple[str, ...]], list[str]] = {}

    def _find_real_names(self, previous_links: Callable[[], PreviousOutputs]) -> bool:
        """Add the outputs by their names without links; return whether there are any."""
        around = folders_above(self.depfiles) if self.depfiles else ()
        links = self.disk.links_among({*self.above, *self.folders, *around})
        if not links:
            return False
        for path in (*self.files, *self.folders, *self.depfiles):
            at = path.rfind("/", 0, -1) + 1
            folder, own = path[:at], path[at:]
            if path in links and not previous_links().has_left_link(path):
                folder, own = path, ""
            if not folder or links.isdisjoint((folder, *parents(folder))):
                continue
            real = self.disk.trail(folder)[-1]
            name = own if real == "./" and own else real + own
            if name != path:
                self.real_names[path] = name
                self.as_declared.setdefault(name, path)
        for path, name in self.real_names.items():
            if path in self.depfiles:
                self.depfiles.add(name)
            known = self.folders if path.endswith("/") else self.files
            if path in known and name != "./":
                known.setdefault(name, known[path])
        return True

    def below(self, prefix: str) -> Iterator[str]:
        """Yield the declared outputs that begin with a text."""
        at = bisect_left(self.ordered, prefix)
        while at < len(self.ordered) and self.ordered[at].startswith(prefix):
            yield self.ordered[at]
            at += 1

    def is_free(self, path: str) -> bool:
        """Whether a file on the disk is not made by any action."""
        if path in self.files or path in self.previous or path in self.depfiles:
            return False
        if path.startswith(STATE_FOLDER + "/"):
            return False
        if not self.folders and not self.previous_folders:
            return True
        return not any(folder in self.folders or folder in self.previous_folders for folder in parents(path))

    def producers(self, path: str, exclude: tuple[str, ...] = ()) -> list[Instance]:
        """Return the producers of a path: of the file, of a folder around it, or of what is below a tree.

        :param exclude: patterns of what does not count in a tree
        """
        return list(self._index.of(path, exclude))

    def exact(self, path: str) -> list[Instance]:
        """Return the producers of this very path."""
        return list(self._index.exact(path))

    def hidden_in(self, tree: str, exclude: tuple[str, ...]) -> list[str]:
        """Return the outputs in a tree that it does not count, and that are no litter: an action makes them.

        An output stays out if a pattern of `exclude` says its name, or that of a folder around it, without `*`, `?`
        or `[`: what is left out by its name is meant. So a pattern, and one of LITTER, never hides a generated
        source.
        """
        found = self._hidden.get((tree, exclude))
        if found is None:
            is_excluded, start = exclusion(exclude), 0 if tree == "./" else len(tree)
            inside = [(path, path[start:]) for path in self._index.paths_in(tree) if path != tree]
            found = self._hidden[tree, exclude] = [
                path
                for path, name in inside
                if (is_excluded.covers(name) or _LITTER.covers(name)) and not is_excluded.names(name)
            ]
        return found

    def other_names(self, path: str) -> list[str]:
        """Return the other names of what a path leads to: by each link on the way, and without any."""
        end = len(path) if path.endswith("/") else path.rfind("/") + 1
        folder, own = path[:end], path[end:]
        trail = self.disk.trail(folder) if folder and folder != "./" else ()
        found = [own if name == "./" and own else f"{name.rstrip('/')}/{own}" for name in trail if name != folder]
        if own and self.disk.is_link(path):
            found += self.disk.trail(path)
        return [name for name in found if name != path]

    def producers_through_links(self, path: str, exclude: tuple[str, ...] = ()) -> list[Instance]:
        """Return the producers of what a path leads to through links, by its other names."""
        return list(dict.fromkeys(one for name in self.other_names(path) for one in self.producers(name, exclude)))

    def producers_by_any_name(self, path: str, exclude: tuple[str, ...] = ()) -> list[Instance]:
        """Return the producers of a path by its own name or, if there are none, through links."""
        found = self.producers(path, exclude)
        if not found:
            self.disk.kind(path)
            found = self.producers_through_links(path, exclude)
        return found

    def producers_inside(self, tree: str, exclude: tuple[str, ...] = ()) -> list[Instance]:
        """Return the producers of what the links in a folder lead to."""
        found = self._inside.get((tree, exclude))
        if found is None:
            names = self.names_inside(tree, exclude)
            found = self._inside[tree, exclude] = list(
                dict.fromkeys(one for name in names for one in self.producers(name))
            )
        return found

    def names_inside(self, tree: str, exclude: tuple[str, ...] = ()) -> list[str]:
        """Return the names of what the links in a folder lead to: files, or folders with a `/` at the end.

        A target that does not exist yet may become either. Links that actions make, and those in output folders,
        are skipped: what they lead to is not known before the run.
        """
        if tree in self.folders or any(folder in self.folders for folder in parents(tree)):
            return []
        found: dict[str, None] = {}
        for link in self.disk.links_in(tree, lambda link: bool(self.producers(link)), exclude):
            for name in self.disk.trail(link)[1:]:
                found |= {name: None, f"{name.rstrip('/')}/": None}
        return list(found)


@dataclass(slots=True, eq=False)
class OutputCheck:
    """Keeps an error for each path that two actions make, or that is below another output."""

    declared: DeclaredOutputs
    source: Source
    problems: Problems
    first: dict[str, tuple[Instance, Output]] = field(default_factory=dict)
    """Path without `/` -> the first output there."""

    def check(self, instances: Sequence[Instance]) -> None:
        """Check the outputs of all actions."""
        real_names = self.declared.real_names
        for instance in instances:
            for output in _outputs_and_depfile(instance):
                path = output.path
                if path in real_names:
                    path = real_names[path]
                    self._check_real_name(instance, output, path)
                bare = path.rstrip("/")
                known = self.first.setdefault(bare, (instance, output))
                if known[0] is not instance:
                    self.problems.add(self._two_make(bare, known, (instance, output)))
                elif known[1].path.endswith("/") != output.path.endswith("/"):
                    what = f"{instance.uid} makes {bare} as a file and as a folder"
                    self._add(what, output, f"name it once: {bare}/ for the folder with all that is in it")
                elif (known[1].exclude, known[1].by_presence) != (output.exclude, output.by_presence):
                    what = f"{instance.uid} makes {bare}/ twice, with another exclude or check"
                    self._add(what, output, "name it once")
        if not any(folder[:-1] in self.first for folder in folders_above(self.first)):
            return
        for instance in instances:
            for output in _outputs_and_depfile(instance):
                for folder in parents(real_names.get(output.path, output.path)):
                    if folder[:-1] in self.first:
                        self._check_above(instance, output, *self.first[folder[:-1]])

    def _add(self, what: str, output: Output, hint: str = "", *facts: str) -> None:
        self.problems.add(self.source.error(what, output.node, facts=facts, hint=hint))

    def _made_at(self, output: Output) -> str:
        return f"{output.path} is made at {self.source.place(output.node.start)}"

    def _two_make(
        self, place: str, first: tuple[Instance, Output], second: tuple[Instance, Output]
    ) -> TreadleError:
        """Return the error for two actions that make one path, by one name or by two."""
        (one, known), (other, output) = first, second
        what = f"two actions make {output.path}: {one.uid} and {other.uid}"
        facts: tuple[str, ...] = (f"{one.uid} makes it at {self.source.place(known.node.start)}",)
        if known.path.rstrip("/") != output.path.rstrip("/"):
            what = f"two actions make one file: {one.uid} makes {known.path} and {other.uid} makes {output.path}"
            facts = (f"through links both are {place}", self._made_at(known))
        return self.source.error(what, output.node, facts=facts, hint="name it once, or give each its own path")

    def _check_real_name(self, instance: Instance, output: Output, name: str) -> None:
        """Keep an error if an output leads through a link to where outputs are not allowed."""
        wrong = "is the root itself" if name == "./" else ""
        wrong = "is in the state folder" if f"{name}/".startswith(f"{STATE_FOLDER}/") else wrong
        wrong = "is the plan itself" if name == instance.spec.file_scope.resolver.plan else wrong
        if wrong:
            links = ", ".join(self.declared.disk.trail(output.path)[:-1])
            fact = f"the links on its way: {links}"
            self._add(f"an output {wrong}, through a link: {output.path}", output, "", fact)

    def _check_above(self, instance: Instance, output: Output, producer: Instance, above: Output) -> None:
        if not above.path.endswith("/"):
            what = f"{output.path} is below {above.path}, which {producer.uid} makes as a file"
            hint = f"a folder with all that is in it is {above.path}/; else give one of them another path"
            self._add(what, output, hint, self._made_at(above))
        elif producer is not instance:
            what = f"the output {output.path} of {instance.uid} is inside {above.path}, an output of {producer.uid}"
            self._add(what, output, "one action makes a folder with all that is in it", self._made_at(above))


def _outputs_and_depfile(instance: Instance) -> Sequence[Output]:
    if instance.depfile is None:
        return instance.outputs
    return [*instance.outputs, Output(instance.depfile, instance.spec.files["depfile"].node)]
