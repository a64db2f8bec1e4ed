"""Reads `needs` of an action: names of others, each with the outcome that is needed and the number of matches."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from treadle.errors import UsageError
from treadle.plan.language import templates
from treadle.plan.schema.keys import NEEDS_KEYS
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.nodes import Items, Node, Scalar, Table

from .spec import Need

if TYPE_CHECKING:
    from treadle.core.conditions import Condition

_WORD = re.compile(r"[A-Za-z_][\w.]*")


def read(validator: Validator, node: Node | None, values: Collection[str]) -> list[Need]:
    """Return the entries of `needs`; errors are kept.

    :param values: names of parameters, vars and `foreach` values
    """
    if node is None:
        return []
    if isinstance(node, Items):
        validator.check_commas(node)
    found = []
    for one in node.nodes if isinstance(node, Items) else (node,):
        with validator.problems.collecting():
            if isinstance(one, Table):
                need = _of_map(validator, one, values)
                if need is not None:
                    found.append(need)
            elif validator.is_text(one, "a name in needs") and isinstance(one, Scalar):
                found.append(Need(templates.parse(validator.source, one), None, "", one))
    return found


def _of_map(validator: Validator, node: Table, values: Collection[str]) -> Need | None:
    entries = validator.entries(node, NEEDS_KEYS, "an entry of needs")
    name, when, expects = (entries.get(key) for key in ("action", "when", "expects"))
    if not isinstance(name, Scalar):
        if "action" not in node.nodes and node.nodes.keys() <= NEEDS_KEYS.keys():
            hint = "for example {action: test, when: on_failure}"
            validator.add("an entry of needs names no action", node, hint=hint)
        return None
    template = templates.parse(validator.source, name)
    count = expects.text if isinstance(expects, Scalar) else "+"
    return Need(template, _condition(validator, when, values), count, node)


def _condition(validator: Validator, node: Node | None, values: Collection[str]) -> Condition | None:
    """Return the condition on the outcome, None for the default."""
    if not isinstance(node, Scalar):
        return None
    from treadle.core import conditions

    try:
        found = conditions.parse(node.text)
    except UsageError as error:
        value = next(
            (
                word
                for word in _WORD.findall(node.text)
                if word.lower() not in conditions.NAMES and word.partition(".")[0] in values
            ),
            "",
        )
        if value:
            at = validator.source.inside(node, node.text.find(value), value)
            what = f"{value} is a value of the plan, and when of needs is about outcomes"
            facts = ("when of an action compares values, when of an entry of needs names outcomes",)
            raise validator.error(
                what, at, facts=facts, hint=f"when: {value} ... is a key of the action, next to needs"
            ) from None
        what = error.what.replace("the condition", "when", 1)
        raise validator.error(what, node, facts=tuple(error.facts), hint=error.hint) from None
    return None if found.is_default else found
