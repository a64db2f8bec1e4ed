"""Actions with selects that foreach values decide: read once for each combination of choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from treadle.plan.language import select, templates
from treadle.plan.language.templates import Scope
from treadle.plan.yaml.nodes import Items, Node, Scalar, Source, Table

from .spec import Spec
from .variables import PLATFORM

_UNTRACKED = {"env": "a select can only use variables that its action tracks\nwrite track: [NAME]"}


@dataclass(slots=True, eq=False)
class Variants:
    """Makes the actions that selects choose.

    :param known: what selects may use in addition to the scope: the platform, tracked variables
    :param secret: names whose values must not be shown
    :param read: reads an action without selects
    """

    source: Source
    node: Node
    known: Mapping[str, str]
    secret: frozenset[str]
    read: Callable[[Node], Spec]
    _specs: dict[tuple[str, ...], Spec] = field(default_factory=dict)

    def of(self, scope: Scope) -> Spec:
        """Return the action with the values of a scope.

        :raises TreadleError: a select has no value for its text
        """
        unknown = {**scope.unknown, **_UNTRACKED}
        selection = select.Selection(self.source, scope.with_local(self.known, unknown), self.secret)
        node = selection.resolve(self.node)
        picks = tuple(selection.picks)
        if picks not in self._specs:
            self._specs[picks] = self.read(node)
        return self._specs[picks]

    def depends_on(self, names: Mapping[str, object]) -> bool:
        """Whether a select uses any of some names."""
        inside = self.node.nodes.items() if isinstance(self.node, Table) else ()
        parts = [value for name, value in inside if name != "foreach"] or [self.node]
        refs = [ref for part in parts for table in select.selects(part) for ref in self._refs(table)]
        return any(ref in names for ref in refs)

    def _refs(self, table: Table) -> list[str]:
        return [ref.name.split(".")[0] for ref in select.selector(self.source, table).refs]

    def check(self) -> None:
        """Parse each text that may be chosen.

        :raises TreadleError: one has an invalid reference
        """
        stack: list[Node] = list(select.selects(self.node))
        while stack:
            node = stack.pop()
            if isinstance(node, Scalar):
                templates.parse(self.source, node)
            else:
                stack.extend(node.nodes.values() if isinstance(node, Table) else node.nodes)


def known_to(texts: Mapping[str, str]) -> dict[str, str]:
    """Return what selects of an action may use in addition to its scope.

    :param texts: its tracked variables with their values
    """
    return {**PLATFORM, **{f"env.{name}": text for name, text in texts.items()}}


def words_of(node: Node | None) -> list[str]:
    """Return the texts of a text or of a list."""
    if isinstance(node, Scalar):
        return [node.text]
    return [one.text for one in node.nodes if isinstance(one, Scalar)] if isinstance(node, Items) else []
