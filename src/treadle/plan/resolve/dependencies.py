"""What one instance reads and waits for, as the linker finds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from treadle.errors import TreadleError
from treadle.plan.read.spec import Need
from treadle.plan.yaml.nodes import Node

from .declared_outputs import Instance
from .programs import StartedProgram


@dataclass(slots=True, eq=False)
class Dependencies:
    """What one instance reads and waits for.

    :param named: the name of an input, "" without names -> its paths, and whether they were written as one text
    :param paths: all paths that it reads
    :param required: (producer, path) without which it is disabled
    :param any_of: (actions, name, whether their being disabled is met by a condition): if not, it is disabled if
        all of one list are
    :param predecessors: uids of the actions whose success it waits for, with the node that says so, if known
    :param conditions: uids of the actions of which another outcome than success is needed, with that need
    :param yielding: it waits for these too if they do not wait for it: producers of what links in its trees lead to
    :param needs: the entries of its `needs`, each with its actions
    :param after: the actions of its `after`
    :param started: the programs that it starts, as far as they are known before its inputs are
    :param is_complete: whether all that it reads was found
    :param unloaded: producers of plans that are not loaded and may have a name in `needs` or `after`, and the error
        about that name if the producer is enabled
    :param edits: the files that it edits, and whether they were written as one text
    :param exclude: folder that it reads -> patterns of what does not count in it
    :param apart: folder that it reads -> patterns of outputs in it that are judged by presence, and read apart
    :param baseline: output -> the file that it is compared with
    :param hidden: outputs in these folders that they do not count, and that are read too
    """

    named: dict[str, tuple[list[str], bool]] = field(default_factory=dict)
    paths: Sequence[str] = ()
    required: list[tuple[Instance, str]] = field(default_factory=list)
    any_of: list[tuple[list[Instance], str, bool]] = field(default_factory=list)
    predecessors: dict[str, Node | None] = field(default_factory=dict)
    conditions: dict[str, Need] = field(default_factory=dict)
    yielding: dict[str, None] = field(default_factory=dict)
    needs: Sequence[tuple[Need, list[Instance]]] = ()
    after: Sequence[Instance] = ()
    started: Sequence[StartedProgram] = ()
    is_complete: bool = True
    unloaded: Sequence[tuple[Instance, TreadleError]] = ()
    edits: tuple[list[str], bool] | None = None
    exclude: dict[str, tuple[str, ...]] = field(default_factory=dict)
    apart: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hidden: dict[str, None] = field(default_factory=dict)
    baseline: dict[str, str] = field(default_factory=dict)

    def before(self) -> list[Instance]:
        """Return the actions that it waits for, as far as they are known of a disabled one."""
        needs = (one for _, found in self.needs for one in found)
        found = [*self.after, *needs, *(producer for producer, _ in self.required)]
        return found + [producer for producers, _, _ in self.any_of for producer in producers]

    @property
    def waits_for(self) -> list[str]:
        """The uids of its predecessors, whatever outcome it needs of them."""
        return [*self.predecessors, *self.conditions]
