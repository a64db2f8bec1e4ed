"""Mixins: named parts of actions. An action that uses some is read as if their entries were its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from treadle.errors import TreadleError, listed, nearest
from treadle.plan.language import select
from treadle.plan.schema.keys import ACTION_NAME, MIXIN_KEYS
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.nodes import Items, Node, Scalar, Table

USE = "use"
_WAYS = ("run", "argv", "sh")
_JOINED = ("track", "pass", "secret")
"""Lists of names that are joined; all others are replaced."""


class Mixins:
    """The mixins of one file.

    :param node: the value of `mixins`, None without it
    """

    __slots__ = ("_known", "_selecting", "_wrong", "validator")

    def __init__(self, validator: Validator, node: Node | None) -> None:
        self.validator = validator
        self._known: dict[str, Table] = {}
        self._selecting: set[str] = set()
        """Those that have a select."""
        self._wrong: set[str] = set()
        """Those with an error: it is not reported once more for each action."""
        for key, value in validator.table(node, "mixins", pattern=ACTION_NAME).items():
            before = validator.problems.reported
            if isinstance(value, Table) and USE in value.nodes:
                what = f"the mixin {key.text} uses others"
                validator.add(what, value.keys[USE], hint="name all of them in use: of the action")
            elif isinstance(value, Table) and select.SELECT in value.nodes:
                hint = "put it into the values of its keys"
                validator.add(f"the mixin {key.text} cannot be a select as a whole", value, hint=hint)
            else:
                self._known[key.text] = self._checked(key.text, value)
            if validator.problems.reported > before:
                self._wrong.add(key.text)
            if select.may_select(validator.source, value):
                self._selecting.add(key.text)

    def _checked(self, name: str, node: Node) -> Table:
        """Return a mixin with its valid entries; a select is checked when it has chosen."""
        keys = node.keys if isinstance(node, Table) else {}
        nodes = node.nodes if isinstance(node, Table) else {}
        chosen = {
            key: value
            for key, value in nodes.items()
            if key in MIXIN_KEYS and isinstance(value, Table) and select.SELECT in value.nodes
        }
        plain = node
        if isinstance(node, Table):
            rest = {key: value for key, value in nodes.items() if key not in chosen}
            plain = Table(node.start, node.flow, node.end, {key: keys[key] for key in rest}, rest)
        entries = {**self.validator.entries(plain, MIXIN_KEYS, f"the mixin {name}"), **chosen}
        return Table(
            node.start, flow=False, end=node.end, keys={key: keys[key] for key in entries}, nodes=dict(entries)
        )

    def applied(self, node: Node) -> tuple[Node, bool]:
        """Return an action with the entries of the mixins that it uses, and whether these may have selects.

        :raises TreadleError: it names one that there is not
        """
        if not isinstance(node, Table) or USE not in node.nodes:
            return node, False
        names = self._names(node.nodes[USE], node.keys[USE])
        parts = [*(self._known[name.text] for name in names if name.text in self._known), _without_use(node)]
        whole = parts[0]
        for part in parts[1:]:
            whole = _merged(whole, part)
        keys, nodes = whole.keys, whole.nodes
        applied = Table(node.start, node.flow, node.end, dict(keys), dict(nodes))
        return applied, not self._selecting.isdisjoint(name.text for name in names)

    def _names(self, node: Node, key: Scalar) -> list[Scalar]:
        if isinstance(node, Table):
            raise self.validator.error(
                "use must be a name or a list of names, not a map", node, hint="use: [compiler]"
            )
        if isinstance(node, Scalar) and node.is_null:
            raise self.validator.error("use names no mixin", key, hint="for example use: [compiler]")
        names = self.validator.texts(node, "a name in use")
        for number, name in enumerate(names):
            if name.text not in self._known and name.text not in self._wrong:
                raise self._unknown(name)
            if any(name.text == other.text for other in names[:number]):
                raise self.validator.error(f"use names the mixin {name.text} twice", name, hint="name it once")
        return names

    def _unknown(self, name: Scalar) -> TreadleError:
        close = nearest(name.text, self._known)
        known = listed(self._known)
        facts = (f"the mixins of this file: {known}",) if known else ("this file has no mixins",)
        hint = f"did you mean {close}?" if close else f"mixins: {{{name.text}: {{...}}}} at the top"
        if "${" in name.text:
            hint = "use takes fixed names; a select in a mixin depends on values"
        return self.validator.error(f"there is no mixin {name.text!r}", name, facts=facts, hint=hint)


def _without_use(node: Table) -> Table:
    keys = {name: key for name, key in node.keys.items() if name != USE}
    return Table(node.start, node.flow, node.end, keys, {name: node.nodes[name] for name in keys})


def _merged(before: Table, after: Table) -> Table:
    """Return the entries of two parts of an action, of which the later one wins."""
    keys, nodes = {**before.keys, **after.keys}, {**before.nodes, **after.nodes}
    if any(way in after.nodes for way in _WAYS):
        for way in _WAYS:
            if way not in after.nodes:
                keys.pop(way, None)
                nodes.pop(way, None)
    env = (before.nodes.get("env"), after.nodes.get("env"))
    # a variable is what the later part says of it
    taken = {name for key in ("track", "pass") for name in _words(after.nodes.get(key))}
    if isinstance(env[0], Table):
        kept = {name: key for name, key in env[0].keys.items() if name not in taken}
        if isinstance(env[1], Table):
            nodes["env"] = _joined_tables(env[1], {**kept, **env[1].keys}, {**env[0].nodes, **env[1].nodes})
        elif env[1] is None:
            nodes["env"] = _joined_tables(env[0], kept, env[0].nodes)
    if isinstance(env[1], Table):
        taken |= env[1].nodes.keys()
    for key in _JOINED:
        first, second = before.nodes.get(key), after.nodes.get(key)
        if first is None or isinstance(first, Table) or isinstance(second, Table):
            continue
        gone = taken if key != "secret" else set()
        texts = [one for one in _scalars(first) if not (isinstance(one, Scalar) and one.text in gone)]
        at = second or first
        nodes[key] = Items(at.start, flow=False, end=at.end, nodes=[*texts, *_scalars(second)])
    return Table(after.start, after.flow, after.end, keys, nodes)


def _joined_tables(at: Table, keys: Mapping[str, Scalar], nodes: Mapping[str, Node]) -> Table:
    return Table(at.start, flow=False, end=at.end, keys=dict(keys), nodes={name: nodes[name] for name in keys})


def _scalars(node: Node | None) -> Sequence[Node]:
    return () if node is None else node.nodes if isinstance(node, Items) else (node,)


def _words(node: Node | None) -> list[str]:
    return [one.text for one in _scalars(node) if isinstance(one, Scalar)]
