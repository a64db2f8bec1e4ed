"""Instances of actions and what they make, in the forms that globs and edges ask for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from treadle.content.trust import STATE_FOLDER
from treadle.core.paths import folders_above, parents
from treadle.errors import TreadleError
from treadle.plan.language.globs import Disk
from treadle.plan.language.templates import Scope
from treadle.plan.read.file_scope import PathResolver
from treadle.plan.read.spec import Slot, Spec
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import Node


class Output:
    """An output: its path, where it was written, and under which name: a depfile and `stdout` have none."""

    __slots__ = ("node", "path", "slot")

    def __init__(self, path: str, node: Node, slot: Slot | None = None) -> None:
        self.path = path
        self.node = node
        self.slot = slot

    @property
    def name(self) -> str:
        """Its name in the plan, or ""."""
        return self.slot.name if self.slot is not None else ""


class Instance:
    """One action to be: uid, values and outputs; what it reads is found out later.

    :param disabled: why it is not in, or ""
    :param is_placeholder: it stands for a family that is left out and has no values, so its texts mean nothing
    """

    __slots__ = ("depfile", "disabled", "expand", "is_placeholder", "outputs", "scope", "spec", "stdout", "uid")

    def __init__(self, uid: str, spec: Spec, scope: Scope) -> None:
        self.uid = uid
        self.spec = spec
        self.scope = scope
        self.outputs: list[Output] = []
        self.stdout: str | None = None
        self.depfile: str | None = None
        self.expand: str | None = None
        self.disabled = ""
        self.is_placeholder = False

    def made(self) -> Iterable[str]:
        """Yield every path that it writes, the depfile too."""
        for output in self.outputs:
            yield output.path
        if self.depfile is not None:
            yield self.depfile


class DeclaredOutputs:
    """Who makes what, in the forms that globs ask for.

    :param previous: paths that actions made in former runs

    `above` holds the folders that declared outputs lie in. What is declared through a link counts by the name
    without links too, see `find_real_names`.
    """

    __slots__ = (
        "above",
        "as_declared",
        "depfiles",
        "files",
        "folders",
        "ordered",
        "previous",
        "previous_folders",
        "real_names",
    )

    def __init__(self, instances: Iterable[Instance], previous: Collection[str]) -> None:
        self.files: dict[str, Instance] = {}
        self.folders: dict[str, Instance] = {}
        self.depfiles: set[str] = set()
        self.previous = previous
        self.previous_folders = {path for path in previous if path.endswith("/")}
        for instance in instances:
            for output in instance.outputs:
                (self.folders if output.path.endswith("/") else self.files).setdefault(output.path, instance)
            if instance.depfile is not None:
                self.depfiles.add(instance.depfile)
        self.ordered = sorted([*self.files, *self.folders])
        self.above = folders_above(self.ordered)
        self.real_names: dict[str, str] = {}
        """What is declared through a link -> its name without links."""
        self.as_declared: dict[str, str] = {}
        """The same, the other way round."""

    def find_real_names(self, disk: Disk, previous: Callable[[], object]) -> None:
        """Find the names without links of what is declared through links as they are now.

        An output folder that is itself a link is what that leads to, unless an action has made the link: then the
        next attempt takes it away.

        :param previous: returns what knows the outputs of former runs, asked only where an output folder is a link
        """
        around = folders_above(self.depfiles) if self.depfiles else ()
        links = disk.links_among({*self.above, *self.folders, *around})
        if not links:
            return
        for path in (*self.files, *self.folders, *self.depfiles):
            at = path.rfind("/", 0, -1) + 1
            folder, own = path[:at], path[at:]
            if path in links and _is_of_others(path, previous()):
                folder, own = path, ""
            if not folder or links.isdisjoint((folder, *parents(folder))):
                continue
            real = disk.trail(folder)[-1]
            place = own if real == "./" and own else real + own
            if place != path:
                self.real_names[path] = place
                self.as_declared.setdefault(place, path)
        for path, place in self.real_names.items():
            if path in self.depfiles:
                self.depfiles.add(place)
            producers = self.folders if path.endswith("/") else self.files
            if path in producers and place != "./":
                producers.setdefault(place, producers[path])
        self.ordered = sorted([*self.files, *self.folders])
        self.above = folders_above(self.ordered)

    def below(self, prefix: str) -> Iterable[str]:
        """Yield the declared outputs that begin with a text."""
        at = bisect_left(self.ordered, prefix)
        while at < len(self.ordered) and self.ordered[at].startswith(prefix):
            yield self.ordered[at]
            at += 1

    def is_free(self, path: str) -> bool:
        """Whether no action makes a file that is on the disk."""
        if path in self.files or path in self.previous or path in self.depfiles:
            return False
        if path.startswith(STATE_FOLDER + "/"):
            return False
        if not self.folders and not self.previous_folders:
            return True
        return not any(folder in self.folders or folder in self.previous_folders for folder in parents(path))


def _is_of_others(link: str, previous: object) -> bool:
    """Return whether a link in the place of an output folder is surely not from an action."""
    has_left_link = getattr(previous, "has_left_link", None)
    return has_left_link is not None and not has_left_link(link)


class Producers:
    """Finds the maker of a path, by its own name or through links."""

    __slots__ = ("_inside", "declared", "disk", "problems", "source")

    def __init__(self, resolver: PathResolver, declared: DeclaredOutputs, problems: Problems) -> None:
        self._inside: dict[str, list[Instance]] = {}
        self.source = resolver.source
        self.disk = resolver.globs.disk
        self.declared = declared
        self.problems = problems

    def place(self, output: Output) -> str:
        """Return where an output is written."""
        return str(self.source.place(output.node.start))

    def check(self, instances: Sequence[Instance]) -> None:
        """Keep an error for each path that two claim, or that lies below another."""
        first: dict[str, tuple[Instance, Output]] = {}
        real_names = self.declared.real_names
        for instance in instances:
            for output in self._claims(instance):
                path = output.path
                if path in real_names:
                    path = real_names[path]
                    self._check_place(instance, output, path)
                bare = path.rstrip("/")
                known = first.setdefault(bare, (instance, output))
                if known[0] is not instance:
                    self.problems.add(self._two_make(bare, known, (instance, output)))
                elif known[1].path.endswith("/") != output.path.endswith("/"):
                    self.problems.add(
                        self.source.error(
                            f"{instance.uid} makes {bare} as a file and as a folder",
                            output.node,
                            hint=f"name it once: {bare}/ for the folder with all that is in it",
                        )
                    )
        above = folders_above(first)
        if not any(folder[:-1] in first for folder in above):
            return
        for instance in instances:
            for output in self._claims(instance):
                for folder in parents(real_names.get(output.path, output.path)):
                    self._check_above(instance, output, folder, first)

    def _two_make(
        self, place: str, first: tuple[Instance, Output], second: tuple[Instance, Output]
    ) -> TreadleError:
        """Return the error for two actions that make one path, by one name or by two."""
        (one, known), (other, output) = first, second
        what = f"two actions make {output.path}: {one.uid} and {other.uid}"
        facts: tuple[str, ...] = (f"{one.uid} makes it at {self.place(known)}",)
        if known.path.rstrip("/") != output.path.rstrip("/"):
            what = f"two actions make one file: {one.uid} makes {known.path} and {other.uid} makes {output.path}"
            facts = (f"through links both are {place}", f"{known.path} is made at {self.place(known)}")
        return self.source.error(what, output.node, facts=facts, hint="name it once, or give each its own path")

    def _check_place(self, instance: Instance, output: Output, place: str) -> None:
        """Keep an error if an output leads through a link to where none may be."""
        wrong = "is the root itself" if place == "./" else ""
        wrong = "is in the state folder" if f"{place}/".startswith(f"{STATE_FOLDER}/") else wrong
        wrong = "is the plan itself" if place == instance.spec.file_scope.resolver.plan else wrong
        if wrong:
            links = ", ".join(self.disk.trail(output.path)[:-1])
            what = f"an output {wrong}, through a link: {output.path}"
            self.problems.add(self.source.error(what, output.node, facts=(f"the links on its way: {links}",)))

    def _claims(self, instance: Instance) -> Sequence[Output]:
        depfile = instance.depfile
        if depfile is None or instance.spec.depfile is None:
            return instance.outputs
        return [*instance.outputs, Output(depfile, instance.spec.depfile.node)]

    def _check_above(
        self, instance: Instance, output: Output, folder: str, first: Mapping[str, tuple[Instance, Output]]
    ) -> None:
        known = first.get(folder[:-1])
        if known is None:
            return
        producer, above = known
        if not above.path.endswith("/"):
            self.problems.add(
                self.source.error(
                    f"{output.path} is below {above.path}, which {producer.uid} makes as a file",
                    output.node,
                    facts=(f"{above.path} is made at {self.place(above)}",),
                    hint=f"a folder with all that is in it is {above.path}/; else give one of them another path",
                )
            )
        elif producer is not instance:
            what = f"the output {output.path} of {instance.uid} is inside {above.path}, an output of {producer.uid}"
            self.problems.add(
                self.source.error(
                    what,
                    output.node,
                    facts=(f"{above.path} is made at {self.place(above)}",),
                    hint="one action makes a folder with all that is in it",
                )
            )

    def of(self, path: str) -> list[Instance]:
        """Return which action makes a path: the file, a folder that it lies in, or what lies below a tree."""
        declared = self.declared
        found = declared.files.get(path) or declared.folders.get(path)
        if found is not None:
            return [found]
        if declared.folders:
            for folder in parents(path):
                if folder in declared.folders:
                    return [declared.folders[folder]]
        if not path.endswith("/"):
            return []
        prefix = "" if path == "./" else path
        below = (declared.files.get(one) or declared.folders[one] for one in declared.below(prefix))
        return list(dict.fromkeys(below))

    def names(self, path: str) -> list[str]:
        """Return the other names of what a path leads to: by each link on the way, and without any."""
        end = len(path) if path.endswith("/") else path.rfind("/") + 1
        folder, own = path[:end], path[end:]
        trail = self.disk.trail(folder) if folder and folder != "./" else ()
        found = [
            own if place == "./" and own else f"{place.rstrip('/')}/{own}" for place in trail if place != folder
        ]
        if own and self.disk.is_link(path):
            found += self.disk.trail(path)
        return [name for name in found if name != path]

    def behind(self, path: str) -> list[Instance]:
        """Return the actions that make what a path leads to through links, by its other names."""
        return list(dict.fromkeys(one for name in self.names(path) for one in self.of(name)))

    def by_any_name(self, path: str) -> list[Instance]:
        """Return the makers of a path by its own name or, where no action makes it by that one, through links."""
        producers = self.of(path)
        if not producers:
            self.disk.kind(path)
            producers = self.behind(path)
        return producers

    def inside(self, tree: str) -> list[Instance]:
        """Return the actions that make what the links in a folder lead to."""
        found = self._inside.get(tree)
        if found is None:
            producers = dict.fromkeys(one for name in self.names_inside(tree) for one in self.of(name))
            found = self._inside[tree] = list(producers)
        return found

    def names_inside(self, tree: str) -> list[str]:
        """Return the names of what the links in a folder lead to: files, or folders with a `/` at the end.

        Where nothing is yet, it may become either. Links that actions make lead to what is not known before, and so
        do those in output folders.
        """
        folders = self.declared.folders
        if tree in folders or any(folder in folders for folder in parents(tree)):
            return []
        found: dict[str, None] = {}
        for link in self.disk.links_in(tree, lambda link: bool(self.of(link))):
            for name in self.disk.trail(link)[1:]:
                found |= {name: None, f"{name.rstrip('/')}/": None}
        return list(found)
