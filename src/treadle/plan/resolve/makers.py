"""Which action makes each path of a plan, and that no other one does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from treadle.content.trust import STATE_FOLDER
from treadle.core.paths import folders_above, parents
from treadle.errors import TreadleError
from treadle.plan.read.scope_paths import Places
from treadle.plan.yaml.diagnostics import Problems

from .declared_outputs import Declared, Instance, Output


class Makers:
    """Finds the maker of a path, by its own name or through links."""

    __slots__ = ("_inside", "declared", "disk", "problems", "source")

    def __init__(self, places: Places, declared: Declared, problems: Problems) -> None:
        self._inside: dict[str, list[Instance]] = {}
        self.source = places.source
        self.disk = places.globs.disk
        self.declared = declared
        self.problems = problems

    def place(self, output: Output) -> str:
        """Return where an output is written."""
        return str(self.source.place(output.node.start))

    def check(self, instances: Sequence[Instance]) -> None:
        """Keep an error for each path that two claim, or that lies below another."""
        first: dict[str, tuple[Instance, Output]] = {}
        places = self.declared.places
        for instance in instances:
            for output in self._claims(instance):
                path = output.path
                if path in places:
                    path = places[path]
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
                for folder in parents(places.get(output.path, output.path)):
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
        wrong = "lies in the state folder" if f"{place}/".startswith(f"{STATE_FOLDER}/") else wrong
        wrong = "is the plan itself" if place == instance.spec.home.places.plan else wrong
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
        maker, above = known
        if not above.path.endswith("/"):
            self.problems.add(
                self.source.error(
                    f"{output.path} lies below {above.path}, which {maker.uid} makes as a file",
                    output.node,
                    facts=(f"{above.path} is made at {self.place(above)}",),
                    hint=f"a folder with all that is in it is {above.path}/; else give one of them another path",
                )
            )
        elif maker is not instance:
            self.problems.add(
                self.source.error(
                    f"the output {output.path} of {instance.uid} lies in {above.path}, an output of {maker.uid}",
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
        makers = self.of(path)
        if not makers:
            self.disk.kind(path)
            makers = self.behind(path)
        return makers

    def inside(self, tree: str) -> list[Instance]:
        """Return the actions that make what the links in a folder lead to."""
        found = self._inside.get(tree)
        if found is None:
            makers = dict.fromkeys(one for name in self.names_inside(tree) for one in self.of(name))
            found = self._inside[tree] = list(makers)
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
