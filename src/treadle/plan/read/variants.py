"""An action with selects that foreach values decide: what it is for its instances, read once for each choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from treadle.plan.language import select, templates
from treadle.plan.language.templates import Scope
from treadle.plan.yaml.nodes import Items, Node, Scalar, Source, Table

from .spec import Spec
from .variables import PLATFORM

_UNTRACKED = {"env": "a select can only use variables that its action tracks\nwrite track: [NAME]"}


class Variants:
    """Makes an action of what its selects choose.

    :param known: what selects know beside the scope: the platform, tracked variables
    :param read: reads an action in which nothing is to be chosen any more
    """

    __slots__ = ("_made", "hidden", "known", "node", "read", "source")

    def __init__(
        self,
        source: Source,
        node: Node,
        known: Mapping[str, str],
        hidden: frozenset[str],
        read: Callable[[Node], Spec],
    ) -> None:
        self.source = source
        self.node = node
        self.known = known
        self.hidden = hidden
        self.read = read
        self._made: dict[tuple[str, ...], Spec] = {}

    def of(self, scope: Scope) -> Spec:
        """Return the action as it is with the values of a scope.

        :raises TreadleError: a select chooses nothing
        """
        unknown = {**scope.unknown, **_UNTRACKED}
        selection = select.Selection(self.source, scope.with_local(self.known, unknown), self.hidden)
        node = selection.resolve(self.node)
        picks = tuple(selection.picks)
        if picks not in self._made:
            self._made[picks] = self.read(node)
        return self._made[picks]

    def depends_on(self, names: Mapping[str, object]) -> bool:
        """Whether any of some names decides what is chosen."""
        inside = self.node.nodes.items() if isinstance(self.node, Table) else ()
        parts = [value for name, value in inside if name != "foreach"] or [self.node]
        refs = [ref for part in parts for table in select.selects(part) for ref in self._refs(table)]
        return any(ref in names for ref in refs)

    def _refs(self, table: Table) -> list[str]:
        return [ref.name.split(".")[0] for ref in select.selector(self.source, table).refs]

    def check(self) -> None:
        """Look at each text that might be chosen.

        :raises TreadleError: one is no text with values
        """
        stack: list[Node] = list(select.selects(self.node))
        while stack:
            node = stack.pop()
            if isinstance(node, Scalar):
                templates.parse(self.source, node)
            else:
                stack.extend(node.nodes.values() if isinstance(node, Table) else node.nodes)


def known_to(texts: Mapping[str, str]) -> dict[str, str]:
    """Return what selects of an action know beside its scope.

    :param texts: the variables that it tracks, with their values
    """
    return {**PLATFORM, **{f"env.{name}": text for name, text in texts.items()}}


def words_of(node: Node | None) -> list[str]:
    """Return the texts of a text or of a list."""
    if isinstance(node, Scalar):
        return [node.text]
    return [one.text for one in node.nodes if isinstance(one, Scalar)] if isinstance(node, Items) else []
