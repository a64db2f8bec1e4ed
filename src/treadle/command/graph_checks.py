"""Edges of a graph of Commands that follow from their files, and what is refused before anything starts.

It knows nothing of the walk. Of the disk it looks at links.
"""

from __future__ import annotations

from treadle.core.output_index import OutputIndex
from treadle.errors import DAGError, TreadleError, nearest
from treadle.state.records import is_inside

from .command import Command, written_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence

    from treadle.content.links import Links
    from treadle.core.graph.dag import DAG
    from treadle.core.pool import Pool


def check_commands(
    actions: DAG,
    queues: Mapping[str, int],
    roots: Collection[str] = (),
    links: Links | None = None,
) -> None:
    """Refuse what can be refused before anything starts.

    :param queues: name -> tokens
    :param roots: the absolute paths of the root, as far as they are known
    :param links: the links in the root; None to compare paths as text
    :raises TreadleError: a uid is not text, data is not a Command, an output is outside the root or has two
        producers, a queue is unknown or too small, or a consumer of a file does not come after its producer
    :raises DAGError: the graph has a cycle or a predecessor that is not there
    """
    actions.check()
    producers: dict[str, str] = {}
    names: dict[str, str] = {}
    for uid, command in actions.vertex_data.items():
        if not isinstance(uid, str) or not isinstance(command, Command):
            raise TreadleError(f"a CommandWalk needs texts as uids and Commands as data, not {uid!r}: {command!r}")
        discovery = command.discovery
        data = () if discovery is None else (discovery.path,)
        for output in (*command.outputs, *data):
            if producers.setdefault(output, uid) != uid:
                raise TreadleError(
                    f"{output} is an output of {producers[output]} and of {uid}", place=command.place
                )
            if links is not None:
                place = links.place_of_output(output)
                other = names.setdefault(place, output)
                if producers[other] != uid:
                    raise TreadleError(
                        f"{other} of {producers[other]} and {output} of {uid} are one file through links: {place}",
                        place=command.place,
                    )
            if not is_inside(output):
                what = "output" if discovery is None or output in command.outputs else discovery.kind
                plain = _plain(output)
                # with a .. in it, links decide which file it is
                if plain != output and ".." not in output.split("/") and is_inside(plain):
                    hint = f"write {plain}"
                    raise TreadleError(
                        f"{uid}: the {what} {output} is not a plain path", hint=hint, place=command.place
                    )
                raise TreadleError(f"{uid}: the {what} {output} is not inside the root", place=command.place)
        if discovery is not None and discovery.path in (*command.inputs, *command.edits):
            raise TreadleError(
                f"{uid} reads its {discovery.kind} {discovery.path}, which is removed before it starts",
                hint="leave it out of inputs, or name another file for the data",
                place=command.place,
            )
        _check_limits(uid, command, queues)
    check_edges(actions, roots, links)


def refused_demands(
    actions: DAG, find_pool: Callable[[], Pool], is_here: Callable[[str, Command], bool] | None = None
) -> dict[str, str]:
    """Return uid -> why even the whole pool could not meet its demand.

    :param find_pool: returns what there is; called if there is a demand
    :param is_here: returns whether an action runs on this machine; None where all do
    """
    found: dict[str, str] = {}
    commands: Mapping[str, Command] = actions.vertex_data  # type: ignore[assignment]
    for uid, command in commands.items():
        demand = command.limits.demand
        if demand is not None and is_here is not None and is_here(uid, command):
            from .engine_runs import demand_here

            demand = demand_here(demand, demand.queue, demand.tokens)
        refused = None if demand is None else find_pool().refusal(demand)
        if refused is not None:
            found[uid] = refused
    return found


def _check_limits(uid: str, command: Command, queues: Mapping[str, int]) -> None:
    limits = command.limits
    if limits.queue not in queues:
        near = nearest(limits.queue, queues)
        raise TreadleError(
            f"{uid}: there is no queue {limits.queue!r}",
            hint=f"did you mean {near}?" if near else "declare the queue with its number of tokens",
            place=command.place,
        )
    if not 0 <= limits.tokens <= queues[limits.queue]:
        raise TreadleError(
            f"{uid} asks for {limits.tokens} tokens of queue {limits.queue!r}, which has {queues[limits.queue]}",
            hint=f"ask for fewer, or run with -j {limits.tokens}" if limits.queue == "default" else "ask for fewer",
            place=command.place,
        )


def connect_by_files(actions: DAG, root: str = "") -> None:
    """Add edges so that each action comes after those that make or edit what it reads.

    An action reads its inputs, what it edits, and the programs and tools that it names by a path. An input may be
    an output, lie in an output folder, or be a folder with an output in it.

    :param actions: uid -> Command; existing edges stay
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
    for consumer, producer, _ in file_edges(actions.vertex_data, [root] if root else (), links):
        edges.setdefault(consumer, {})[producer] = None
    for consumer, producers in edges.items():
        actions.update_vertex(consumer, predecessors=producers, enable_checks=False)
    actions.check()


def check_edges(actions: DAG, roots: Collection[str] = (), links: Links | None = None) -> None:
    """Refuse a graph in which a consumer of a file may run before its producer.

    An edge of either kind is enough, and so is a path of edges.

    :param roots: the absolute paths of the root, see `file_edges`
    :param links: the links in the root, see `file_edges`
    :raises TreadleError: an edge is missing or has a condition; the error names consumer, producer and file
    """
    indirect: dict[Hashable, dict[Hashable, str]] = {}
    before: frozenset[Hashable] = frozenset()
    last: Hashable = None
    for consumer, producer, path in file_edges(actions.vertex_data, roots, links):
        if consumer != last:
            before, last = actions.get_predecessors(consumer), consumer
        if producer not in before:
            indirect.setdefault(consumer, {}).setdefault(producer, path)
        elif (condition := actions.get_condition(producer, consumer)) is not None:
            raise TreadleError(
                f"{consumer} reads {path}, an output of {producer}, and needs it with the condition `{condition}`",
                facts=("a file can be read only if its producer has succeeded",),
                hint="leave the condition out, or do not read the file",
                place=actions.vertex_data[consumer].place,
            )
    for consumer, producers in indirect.items():
        _find_before(actions, consumer, producers)


def _find_before(actions: DAG, consumer: Hashable, producers: Mapping[Hashable, str]) -> None:
    """Raise if a producer does not come before a consumer, by any path of edges."""
    from treadle.core.graph.algorithms import reached

    missing = dict(producers)
    for here in reached([consumer], lambda uid: actions.get_predecessors(uid) | actions.get_after(uid)):
        missing.pop(here, None)
        if not missing:
            return
    for producer, path in missing.items():
        command: Command = actions.vertex_data[consumer]
        raise TreadleError(
            f"{consumer} reads {path}, an output of {producer}, but does not come after it",
            facts=("without an edge it may run first, and be recorded with an old file",),
            hint=f"make {producer} a predecessor of {consumer}, or call `connect_by_files` to add all edges",
            place=command.place,
        )


def file_edges(
    commands: Mapping[Hashable, Command], roots: Collection[str] = (), links: Links | None = None
) -> Iterator[tuple[Hashable, Hashable, str]]:
    """Yield (consumer, producer, path) for each path that an action reads and another one makes or edits.

    :param roots: the absolute paths of the root: an absolute path below one of them is one of the root
    :param links: the links in the root, so that a path that no action makes by its own name is looked up by those
        that it has through links; None to compare paths as text
    """
    prefixes = {f"/{_joined('.', root.lstrip('/'))}/" for root in roots}
    written = _Written(commands, links)
    outputs = written.outputs
    for consumer, command in commands.items() if outputs else ():
        for path in read_by(command):
            name = path
            if "./" in path or "//" in path or path.startswith("/"):
                name = _plain(path, prefixes)
            exclude = command.exclude.get(path, ())
            producers: Collection[Hashable] = outputs.of(name, exclude)
            # what it edits is known by the name that it has here
            if links is not None and all(uid == consumer for uid in producers):
                producers = written.through_links(name, exclude)
            for uid in producers:
                if uid != consumer:
                    yield consumer, uid, path


def read_by(command: Command) -> Iterable[str]:
    """Return the paths that a command declares to read: inputs, edits, and programs and tools with a `/`."""
    script = command.script
    if script is not None and "/" not in script.shell[0] and not (command.edits or command.tools):
        return command.inputs
    programs = [script.shell[0]] if script is not None else [argv[0] for argv in command.steps]
    own = [_joined(command.cwd, name) for name in programs if "/" in name]
    tools = [_joined(".", tool.name) for tool in command.tools if "/" in tool.name]
    return (*command.inputs, *command.edits, *own, *tools)


def _plain(path: str, prefixes: Iterable[str] = ()) -> str:
    """Return a path without `.`, `..` and empty names, as text; `./` stays.

    :param prefixes: the root as absolute paths with a trailing `/`: a path below one of them is relative to it
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


class _Written:
    """The outputs and edited files of some Commands, also by their names without links."""

    def __init__(self, commands: Mapping[Hashable, Command], links: Links | None = None) -> None:
        self.outputs = OutputIndex()
        self._links = links
        self._through_links: dict[tuple[str, Sequence[str]], Collection[Hashable]] = {}
        for written, uid in written_by(commands):
            path = _plain(written) if "./" in written or "//" in written else written
            self.outputs.add(path, uid)
            if links is not None and (place := links.place_of_output(path)) != path:
                self.outputs.add(place, uid)

    def through_links(self, path: str, exclude: Sequence[str] = ()) -> Collection[Hashable]:
        """Return the actions that make or edit what a path leads to through links, by any name on its way."""
        found = self._through_links.get((path, exclude))
        if found is None:
            assert self._links is not None
            names = self._links.other_names(path)
            found = self._through_links[path, exclude] = dict.fromkeys(
                uid for name in names for uid in self.outputs.of(name, exclude)
            )
        return found
