"""What can be refused of a graph of Commands is refused before anything starts. It knows nothing of the walk."""

from __future__ import annotations

from treadle.errors import TreadleError, nearest
from treadle.state.store import is_inside

from .command import Command
from .file_edges import check_edges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from treadle.content.links import Links
    from treadle.core.graph.dag import DAG


def check_commands(
    actions: DAG, queues: Mapping[str, int], roots: Collection[str] = (), links: Links | None = None
) -> None:
    """Refuse what can be refused before anything starts.

    :param queues: name -> tokens
    :param roots: the absolute paths of the root, as far as they are known
    :param links: the links in the root; None to compare paths as text
    :raises TreadleError: a uid is no text, data is no Command, an output leaves the root or has two makers,
        a queue is unknown or too small, an action reads what another one makes and does not come after it
    :raises DAGError: the graph has a cycle or a predecessor that is not there
    """
    actions.check()
    makers: dict[str, str] = {}
    names: dict[str, str] = {}
    for uid, command in actions.vertex_data.items():
        if not isinstance(uid, str) or not isinstance(command, Command):
            raise TreadleError(f"a CommandWalk takes texts as uids and Commands as data, not {uid!r}: {command!r}")
        for output in command.outputs:
            if makers.setdefault(output, uid) != uid:
                raise TreadleError(f"{output} is made by {makers[output]} and by {uid}", place=command.place)
            if links is not None:
                place = links.place_of_output(output)
                other = names.setdefault(place, output)
                if makers[other] != uid:
                    raise TreadleError(
                        f"{makers[other]} makes {other}, and {uid} makes {output}: through links both are {place}",
                        place=command.place,
                    )
            if not is_inside(output):
                raise TreadleError(
                    f"{uid} has an output that is not inside the root: {output}", place=command.place
                )
        discovery = command.discovery
        if discovery is not None and not is_inside(discovery.path):
            raise TreadleError(
                f"{uid} has a {discovery.kind} that is not inside the root: {discovery.path}", place=command.place
            )
        _check_limits(uid, command, queues)
    check_edges(actions, roots, links)


def _check_limits(uid: str, command: Command, queues: Mapping[str, int]) -> None:
    limits = command.limits
    if limits.queue not in queues:
        near = nearest(limits.queue, queues)
        raise TreadleError(
            f"{uid} asks for the queue {limits.queue!r}, which does not exist",
            hint=f"did you mean {near}?" if near else "declare it with its number of tokens",
            place=command.place,
        )
    if not 0 <= limits.tokens <= queues[limits.queue]:
        raise TreadleError(
            f"{uid} asks for {limits.tokens} tokens of queue {limits.queue!r}, which has {queues[limits.queue]}",
            hint=f"ask for fewer, or run with -j {limits.tokens}" if limits.queue == "default" else "ask for fewer",
            place=command.place,
        )
