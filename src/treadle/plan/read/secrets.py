"""Parameters and secrets: what is kept nowhere cannot be the value of a parameter, as that is part of commands."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from treadle.errors import TreadleError
from treadle.plan.schema.validator import Reader
from treadle.plan.yaml.nodes import Node, Scalar, Table

from .variants import words_of


def named(entries: Mapping[str, Node]) -> set[str]:
    """Return the variables that a file calls secret, as far as its text alone says so.

    :param entries: the entries at its top
    """
    actions = entries.get("actions")
    tables = [entries.get("defaults"), *(actions.nodes.values() if isinstance(actions, Table) else ())]
    return {word for table in tables if isinstance(table, Table) for word in words_of(table.nodes.get("secret"))}


def refused(reader: Reader, entries: Mapping[str, Node], secrets: Container[str]) -> list[TreadleError]:
    """Return an error for each parameter of a file that takes its value from a secret variable."""
    return [
        reader.error(
            f"the parameter {param} takes its value from {variable.text}, which is secret",
            variable,
            facts=("the value of a parameter becomes part of commands, and these are shown and kept",),
            hint=f"track: [{variable.text}] on the action, which then reads ${variable.text} itself",
        )
        for param, variable in _taken(entries)
        if variable.text in secrets
    ]


def is_taken(entries: Mapping[str, Node]) -> bool:
    """Whether a parameter of a file takes its value from the environment."""
    return next(_taken(entries), None) is not None


def _taken(entries: Mapping[str, Node]) -> Iterator[tuple[str, Scalar]]:
    params = entries.get("params")
    for name, node in params.nodes.items() if isinstance(params, Table) else ():
        variable = node.nodes.get("env") if isinstance(node, Table) else None
        if isinstance(variable, Scalar):
            yield name, variable
