"""Which actions read what others make, by the paths that their Commands declare. Of the disk it looks at links."""

from __future__ import annotations

from treadle.errors import DAGError, TreadleError

from .command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping

    from treadle.content.links import Links
    from treadle.core.graph.dag import DAG


def connect_by_files(actions: DAG, root: str = "") -> None:
    """Make each action come after those that make or edit what it reads, as their Commands say.

    An action reads its inputs, what it edits, and the programs and tools that it names by a path. An input may be
    an output, lie in an output folder, or be a folder with an output in it.

    :param actions: uid -> Command; edges that are there stay
    :param root: the root of the walk, as an absolute path: Commands may name files below it absolutely, and
        one file by several names that lead through links; without it paths are compared as text
    :raises DAGError: actions read from each other in a circle, or a vertex holds no Command
    """
    from treadle.core.graph.dag import require_graph

    require_graph(actions)
    for uid, data in actions.vertex_data.items():
        if not isinstance(data, Command):
            from treadle.scheduling.hooks import shown

            raise DAGError(f"the vertex {uid!r} holds {shown(data)}", facts=("expected a Command",))
    edges: dict[Hashable, dict[Hashable, None]] = {}
    links = None
    if root:
        from treadle.content.links import Links

        links = Links(root)
    for reader, maker, _ in file_edges(actions.vertex_data, [root] if root else (), links):
        edges.setdefault(reader, {})[maker] = None
    for reader, makers in edges.items():
        actions.update_vertex(reader, predecessors=makers, enable_checks=False)
    actions.check()


def check_edges(actions: DAG, roots: Collection[str] = (), links: Links | None = None) -> None:
    """Refuse a graph in which an action may run before one that makes what it reads.

    An edge of either kind is enough, and so is a path of edges.

    :param roots: the absolute paths of the root, see `file_edges`
    :param links: the links in the root, see `file_edges`
    :raises TreadleError: there is no such path; it names the reader, the maker and the file
    """
    indirect: dict[Hashable, dict[Hashable, str]] = {}
    before: frozenset[Hashable] = frozenset()
    last: Hashable = None
    for reader, maker, path in file_edges(actions.vertex_data, roots, links):
        if reader != last:
            before, last = actions.get_predecessors(reader), reader
        if maker not in before:
            indirect.setdefault(reader, {}).setdefault(maker, path)
    for reader, makers in indirect.items():
        _find_before(actions, reader, makers)


def _find_before(actions: DAG, reader: Hashable, makers: Mapping[Hashable, str]) -> None:
    """Go back from a reader until all makers are met."""
    missing = dict(makers)
    seen: set[Hashable] = set()
    stack = [reader]
    while stack and missing:
        here = stack.pop()
        starts = (actions.get_predecessors(here) | actions.get_after(here)) - seen
        seen |= starts
        stack += starts
        for start in starts:
            missing.pop(start, None)
    for maker, path in missing.items():
        command: Command = actions.vertex_data[reader]
        raise TreadleError(
            f"{reader} reads {path}, which {maker} makes, and does not come after it",
            facts=("without an edge it may run first, and be recorded with an old file",),
            hint=f"give {reader} the predecessor {maker}, or let `connect_by_files` add the edges of all files",
            place=command.place,
        )


def file_edges(
    commands: Mapping[Hashable, Command], roots: Collection[str] = (), links: Links | None = None
) -> Iterator[tuple[Hashable, Hashable, str]]:
    """Yield (reader, maker, path) for each path that an action reads and another one makes or edits.

    :param roots: the absolute paths of the root: an absolute path below one of them is one of the root
    :param links: the links in the root, so that a path that no action makes by its own name is looked up by those
        that it has through links; None to compare paths as text
    """
    prefixes = {f"/{_joined('.', root.lstrip('/'))}/" for root in roots}
    made = _Made(commands, links)
    if not made.exact:
        return
    exact, has_folders = made.exact, made.has_folders
    for reader, command in commands.items():
        for written in read_by(command):
            path = written
            if "./" in written or "//" in written or written.startswith("/"):
                path = _plain(written, prefixes)
            makers: Collection[Hashable] = ()
            if has_folders or path in exact or path.endswith("/"):
                makers = made.of(path)
            # what it edits is known by the name that it has here
            if links is not None and all(maker == reader for maker in makers):
                makers = made.behind(path)
            for maker in makers:
                if maker != reader:
                    yield reader, maker, written


def read_by(command: Command) -> Iterable[str]:
    """Return the paths that a command says it reads."""
    script = command.script
    if script is not None and "/" not in script.shell[0] and not (command.edits or command.tools):
        return command.inputs
    programs = [script.shell[0]] if script is not None else [argv[0] for argv in command.steps]
    own = [_joined(command.cwd, name) for name in programs if "/" in name]
    tools = [_joined(".", tool.name) for tool in command.tools if "/" in tool.name]
    return (*command.inputs, *command.edits, *own, *tools)


def _plain(path: str, prefixes: Iterable[str] = ()) -> str:
    """Return a path without `.`, `..` and empty names, as far as its text tells; `./` stays.

    :param prefixes: the root as absolute paths with a trailing `/`: what lies below one of them is relative to it
    """
    if path.startswith("/"):
        full = "/" + _joined(".", path.lstrip("/")) + "/" * path.endswith("/")
        for prefix in prefixes:
            if full.startswith(prefix):
                return full[len(prefix) :] or "./"
        return path
    return (_joined(".", path) + "/" * path.endswith("/")).removeprefix("/") or "./"


def _joined(folder: str, name: str) -> str:
    """Return a path below the root as text."""
    if name.startswith("/"):
        return name
    names: list[str] = []
    for part in f"{folder}/{name}".split("/"):
        if part == ".." and names and names[-1] != "..":
            names.pop()
        elif part not in ("", "."):
            names.append(part)
    return "/".join(names)


class _Made:
    """The makers and editors of each path."""

    def __init__(self, commands: Mapping[Hashable, Command], links: Links | None = None) -> None:
        self.exact: dict[str, tuple[Hashable, ...]] = {}
        """Path -> its maker, and the actions that edit it."""
        for uid, command in commands.items():
            for written in (*command.outputs, *command.edits):
                path = _plain(written) if "./" in written or "//" in written else written
                self.exact[path] = (*self.exact.get(path, ()), uid)
                if links is not None and (place := links.place_of_output(path)) != path:
                    self.exact[place] = (*self.exact.get(place, ()), uid)
        self._links = links
        self._behind: dict[str, Collection[Hashable]] = {}
        self.has_folders = any(path.endswith("/") for path in self.exact)
        self._trees: dict[str, Collection[Hashable]] = {}
        self._around: dict[str, Collection[Hashable]] = {}
        self._sorted: list[str] | None = None

    def of(self, path: str) -> Collection[Hashable]:
        """Return the actions that make a path, what is around it or, of a folder, what is in it."""
        if path.endswith("/"):
            found = self._trees.get(path)
            if found is None:
                found = self._trees[path] = (*self._around_of(path), *self._inside(path))
            return found
        exact = self.exact.get(path, ())
        return (*exact, *self._around_of(path)) if self.has_folders else exact

    def behind(self, path: str) -> Collection[Hashable]:
        """Return the actions that make what a path leads to through links, by any name on its way."""
        found = self._behind.get(path)
        if found is None:
            assert self._links is not None
            names = self._links.other_names(path)
            found = self._behind[path] = dict.fromkeys(maker for name in names for maker in self.of(name))
        return found

    def _around_of(self, path: str) -> Collection[Hashable]:
        """Return the makers of a folder that a path lies in."""
        at = path.rfind("/", 0, len(path) - 1)
        if at <= 0 or not self.has_folders:
            return ()
        folder = path[: at + 1]
        found = self._around.get(folder)
        if found is None:
            found = self._around[folder] = (*self.exact.get(folder, ()), *self._around_of(folder))
        return found

    def _inside(self, tree: str) -> Iterable[Hashable]:
        """Return the makers of a folder, and of what is in it."""
        if tree == "./":
            return dict.fromkeys(uid for uids in self.exact.values() for uid in uids)
        from bisect import bisect_left

        if self._sorted is None:
            self._sorted = sorted(self.exact)
        found: dict[Hashable, None] = {}
        for at in range(bisect_left(self._sorted, tree), len(self._sorted)):
            if not self._sorted[at].startswith(tree):
                break
            found.update(dict.fromkeys(self.exact[self._sorted[at]]))
        return found
