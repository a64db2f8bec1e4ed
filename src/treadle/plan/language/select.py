"""`select`: a map that stands for one of its values, chosen by a text; what a plan reads is what was chosen.

It knows no keys of plans: wherever such a map stands, the value that was chosen stands in its place.
"""

from __future__ import annotations

from collections.abc import Iterator

from treadle.errors import TreadleError, listed, nearest
from treadle.plan.yaml.nodes import Items, Node, Scalar, Source, Table, shape

from .templates import Scope, Template, parse

SELECT, ELSE = "select", "else"


class Selection:
    """Puts what was chosen in the place of selects, with the values of one scope.

    :param hidden: names whose values are shown nowhere
    """

    __slots__ = ("hidden", "picks", "scope", "source")

    def __init__(self, source: Source, scope: Scope, hidden: frozenset[str] = frozenset()) -> None:
        self.source = source
        self.scope = scope
        self.hidden = hidden
        self.picks: list[str] = []
        """What was chosen, in the order in which it was met."""

    def resolve(self, node: Node) -> Node:
        """Return a node with what was chosen in the place of all selects in it; itself if there is none.

        :raises TreadleError: nothing can be chosen
        """
        while isinstance(node, Table) and SELECT in node.nodes:
            node = self._chosen(node)
        if isinstance(node, Scalar):
            return node
        if isinstance(node, Items):
            inside = [self.resolve(one) for one in node.nodes]
            if all(one is before for one, before in zip(inside, node.nodes, strict=True)):
                return node
            template = Items(node.start, flow=node.flow)
            template.end, template.nodes = node.end, inside
            return template
        values = {name: self.resolve(one) for name, one in node.nodes.items()}
        if all(one is node.nodes[name] for name, one in values.items()):
            return node
        table = Table(node.start, flow=node.flow)
        table.end, table.keys, table.nodes = node.end, node.keys, values
        return table

    def _chosen(self, table: Table) -> Node:
        template = selector(self.source, table)
        text = self.scope.text(template)
        found = table.nodes.get(text) if text not in (SELECT, ELSE) else None
        if found is None:
            found = table.nodes.get(ELSE)
        if found is None:
            raise self._nothing(table, template, text)
        if isinstance(found, Scalar) and found.is_null:
            raise self.source.error(
                f"select: the value of {text} is empty",
                table.keys.get(text, table),
                hint='write "" or [] if that is meant',
            )
        self.picks.append(text)
        return found

    def _nothing(self, table: Table, template: Template, text: str) -> TreadleError:
        known = [name for name in table.nodes if name != SELECT]
        close = nearest(text, known)
        hidden = any(ref.name in self.hidden for ref in template.refs)
        shown = "this value, which is secret" if hidden else repr(text)
        return self.source.error(
            f"select has no value for {shown}",
            template.node,
            facts=(f"it has {listed(known) or 'nothing'}",),
            hint=f"did you mean {close}?" if close and not hidden else "add it, or else:",
        )


def selector(source: Source, table: Table) -> Template:
    """Return the text that chooses."""
    node = table.nodes[SELECT]
    if not isinstance(node, Scalar) or node.is_null:
        at = table.keys[SELECT] if isinstance(node, Scalar) else node
        raise source.error(
            f"select must be a text, not {shape(node)}", at, hint='select: "${mode}", and a value for each'
        )
    if len(table.nodes) == 1:
        raise source.error(
            "select has no values to choose from", table, hint="add NAME: VALUE for each choice, and else:"
        )
    return parse(source, node)


def selects(node: Node) -> Iterator[Table]:
    """Yield all selects in a node, those in the values of others too."""
    stack = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, Items):
            stack.extend(one.nodes)
        elif isinstance(one, Table):
            if SELECT in one.nodes:
                yield one
            stack.extend(one.nodes.values())


def may_select(source: Source, node: Node) -> bool:
    """Whether there may be a select in a node: a look at its text, so that others pay next to nothing."""
    text = source.text
    return text.find(SELECT, node.start, node.end) >= 0 or text.find("*", node.start, node.end) >= 0
