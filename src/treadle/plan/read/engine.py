"""Reads `engine` of a plan: the engine that its actions run on. It knows no engines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from treadle.core.pool import amount_of
from treadle.plan.schema.keys import ENGINE_KEYS, WORKERS_KEYS, seconds
from treadle.plan.yaml.nodes import Items, Scalar, Table

from .pool import demand_error, is_type

if TYPE_CHECKING:
    from treadle.plan.schema.validator import Validator
    from treadle.plan.yaml.nodes import Node

_OWN_KEYS = frozenset(key.name for key in ENGINE_KEYS.values() if key.name != "options")
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def read_engine(validator: Validator, node: Node) -> dict[str, Any]:
    """Return what a file says of its engine as plain data, with a `name`; errors are kept."""
    if isinstance(node, Scalar):
        return {"name": node.text}
    said: dict[str, Any] = {}
    entries = validator.entries(node, ENGINE_KEYS, "the engine")
    name = entries.get("name")
    if name is None and isinstance(node, Table):
        validator.add("the engine has no name", node, hint="engine: {name: process, workers: 4}")
        return {}
    for key in ("lease", "patience", "queue_timeout", "delay"):
        if isinstance(value := entries.get(key), Scalar):
            said[key] = seconds(value.text)
    if isinstance(name, Scalar):
        said["name"] = name.text
    if "pass" in entries:
        said["pass"] = [one.text for one in validator.texts(entries["pass"], "a variable in pass")]
    said.update({key: "ok" for key in ("mixed", "insecure") if key in entries})
    if "workers" in entries:
        said["workers"] = _workers(validator, entries["workers"])
    if "options" in entries:
        table = validator.table(entries["options"], "options of the engine")
        for option, value in table.items():
            if option.text in _OWN_KEYS:
                validator.add(f"{option.text} is no option of an engine, but a key of engine", option)
            said[option.text] = _plain(value)
    return said


def _workers(validator: Validator, node: Node) -> int | dict[str, Any]:
    if isinstance(node, Scalar):
        return int(node.text)
    entries = validator.entries(node, WORKERS_KEYS, "workers")
    said: dict[str, Any] = {}
    if isinstance(most := entries.get("max"), Scalar):
        said["max"] = int(most.text)
    resources: dict[str, int] = {}
    for kind, value in validator.table(entries.get("resources"), "resources of workers").items():
        if is_type(validator, kind) and validator.is_text(value, f"the amount of {kind.text}"):
            assert isinstance(value, Scalar)
            amount = amount_of(kind.text, value.text)
            if isinstance(amount, str):
                raise demand_error(validator, kind.text, value, amount)
            resources[kind.text] = amount
    return said | ({"resources": resources} if resources else {})


def _plain(node: Node) -> Any:
    """Return what a value means: a number, true or false, or a text; lists and maps of these."""
    if isinstance(node, Items):
        return [_plain(one) for one in node.nodes]
    if isinstance(node, Table):
        return {name: _plain(value) for name, value in node.nodes.items()}
    assert isinstance(node, Scalar)
    if node.style is None and node.text in ("true", "false"):
        return node.text == "true"
    return int(node.text) if node.style is None and _WHOLE.fullmatch(node.text) else node.text
