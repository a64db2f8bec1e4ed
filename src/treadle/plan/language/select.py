"""`select`: replaces a map by one of its values, chosen by a text, before anything else reads it.

It knows no keys of plans: such a map can be anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from treadle.errors import TreadleError, listed, nearest
from treadle.plan.yaml.nodes import Items, Node, Scalar, Source, Table, shape

from .templates import Scope, Template, parse

SELECT, ELSE = "select", "else"


@dataclass(slots=True)
class Selection:
    """Replaces selects by the values that they choose, with the names of one scope.

    :param secret: names whose values must not be shown
    """

    source: Source
    scope: Scope
    secret: frozenset[str] = frozenset()
    picks: list[str] = field(default_factory=list)
    """The names that were chosen, in order."""

    def resolve(self, node: Node) -> Node:
        """Return a node with all selects in it replaced; the node itself if it has none.

        :raises TreadleError: a select has no value for its text
        """
        while isinstance(node, Table) and SELECT in node.nodes:
            node = self._chosen(node)
        if isinstance(node, Scalar):
            return node
        if isinstance(node, Items):
            inside = [self.resolve(one) for one in node.nodes]
            if all(one is before for one, before in zip(inside, node.nodes, strict=True)):
                return node
            return Items(node.start, node.flow, node.end, inside)
        values = {name: self.resolve(one) for name, one in node.nodes.items()}
        if all(one is node.nodes[name] for name, one in values.items()):
            return node
        return Table(node.start, node.flow, node.end, node.keys, values)

    def _chosen(self, table: Table) -> Node:
        template = selector(self.source, table)
        text = self.scope.text(template)
        found = table.nodes.get(text) if text not in (SELECT, ELSE) else None
        if found is None:
            found = table.nodes.get(ELSE)
        if found is None:
            raise self._nothing(table, template, text)
        if isinstance(found, Scalar) and found.is_null:
            what = f"select: the value of {text} is empty"
            raise self.source.error(what, table.keys.get(text, table), hint='write "" or [] if that is meant')
        self.picks.append(text)
        return found

    def _nothing(self, table: Table, template: Template, text: str) -> TreadleError:
        known = [name for name in table.nodes if name != SELECT]
        close = nearest(text, known)
        secret = any(ref.name in self.secret for ref in template.refs)
        shown = "this value, which is secret" if secret else repr(text)
        what = f"select has no value for {shown}"
        hint = f"did you mean {close}?" if close and not secret else "add it, or else:"
        return self.source.error(what, template.node, facts=(f"it has {listed(known) or 'nothing'}",), hint=hint)


def selector(source: Source, table: Table) -> Template:
    """Return the text by which a select chooses."""
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
    """Yield all selects in a node, nested ones too."""
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
    """Whether a node may have a select: a search in its text, which costs next to nothing."""
    text = source.text
    return text.find(SELECT, node.start, node.end) >= 0 or text.find("*", node.start, node.end) >= 0
