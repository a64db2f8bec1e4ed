"""Instances of actions and what they make, in the forms that globs and edges ask for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable

from treadle.content.trust import STATE_FOLDER
from treadle.core.paths import folders_above, parents
from treadle.plan.language.globs import Disk
from treadle.plan.language.templates import Scope
from treadle.plan.read.spec import Slot, Spec
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

    :param left_out: why it is not in, or ""
    :param is_hollow: it stands for a family that is left out and has no values, so its texts mean nothing
    """

    __slots__ = ("depfile", "expand", "is_hollow", "left_out", "outputs", "scope", "spec", "stdout", "uid")

    def __init__(self, uid: str, spec: Spec, scope: Scope) -> None:
        self.uid = uid
        self.spec = spec
        self.scope = scope
        self.outputs: list[Output] = []
        self.stdout: str | None = None
        self.depfile: str | None = None
        self.expand: str | None = None
        self.left_out = ""
        self.is_hollow = False

    def made(self) -> Iterable[str]:
        """Yield every path that it writes, the depfile too."""
        for output in self.outputs:
            yield output.path
        if self.depfile is not None:
            yield self.depfile


class Declared:
    """Who makes what, in the forms that globs ask for.

    :param former: paths that actions made in former runs

    `above` holds the folders that declared outputs lie in. What is declared through a link counts by the name
    without links too, see `find_places`.
    """

    __slots__ = ("above", "depfiles", "files", "folders", "former", "former_folders", "names", "ordered", "places")

    def __init__(self, instances: Iterable[Instance], former: Collection[str]) -> None:
        self.files: dict[str, Instance] = {}
        self.folders: dict[str, Instance] = {}
        self.depfiles: set[str] = set()
        self.former = former
        self.former_folders = {path for path in former if path.endswith("/")}
        for instance in instances:
            for output in instance.outputs:
                (self.folders if output.path.endswith("/") else self.files).setdefault(output.path, instance)
            if instance.depfile is not None:
                self.depfiles.add(instance.depfile)
        self.ordered = sorted([*self.files, *self.folders])
        self.above = folders_above(self.ordered)
        self.places: dict[str, str] = {}
        """What is declared through a link -> its name without links."""
        self.names: dict[str, str] = {}
        """The same, the other way round."""

    def find_places(self, disk: Disk, former: Callable[[], object]) -> None:
        """Find the names without links of what is declared through links as they are now.

        An output folder that is itself a link is what that leads to, unless an action has made the link: then the
        next attempt takes it away.

        :param former: returns what knows the outputs of former runs, asked only where an output folder is a link
        """
        around = folders_above(self.depfiles) if self.depfiles else ()
        links = disk.links_among({*self.above, *self.folders, *around})
        if not links:
            return
        for path in (*self.files, *self.folders, *self.depfiles):
            at = path.rfind("/", 0, -1) + 1
            folder, own = path[:at], path[at:]
            if path in links and _is_of_others(path, former()):
                folder, own = path, ""
            if not folder or links.isdisjoint((folder, *parents(folder))):
                continue
            real = disk.trail(folder)[-1]
            place = own if real == "./" and own else real + own
            if place != path:
                self.places[path] = place
                self.names.setdefault(place, path)
        for path, place in self.places.items():
            if path in self.depfiles:
                self.depfiles.add(place)
            makers = self.folders if path.endswith("/") else self.files
            if path in makers and place != "./":
                makers.setdefault(place, makers[path])
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
        if path in self.files or path in self.former or path in self.depfiles:
            return False
        if path.startswith(STATE_FOLDER + "/"):
            return False
        if not self.folders and not self.former_folders:
            return True
        return not any(folder in self.folders or folder in self.former_folders for folder in parents(path))


def _is_of_others(link: str, former: object) -> bool:
    """Return whether a link in the place of an output folder is surely not from an action."""
    has_left_link = getattr(former, "has_left_link", None)
    return has_left_link is not None and not has_left_link(link)
