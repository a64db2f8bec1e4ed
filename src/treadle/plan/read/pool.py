"""Reads `pool` and `max_running` of a plan, and amounts of resources. It looks at no machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.core.pool import MEMORY, amount_of, is_instance
from treadle.plan.schema.keys import MAX_RUNNING, NAME, POOL, POOL_KEYS
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import Items, Scalar
from treadle.plan.yaml.parser import parse, read_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from treadle.errors import TreadleError
    from treadle.plan.yaml.nodes import Node


def read_pool(validator: Validator, entries: Mapping[str, Node]) -> dict[str, Any]:
    """Return what a file says of the pool, as plain data; errors are kept.

    The keys are `resources` (type -> an amount or a list of names), `slots` (type -> number) and `max_running`.
    """
    said: dict[str, Any] = {}
    resources: dict[str, int | list[str]] = {}
    slots: dict[str, int] = {}
    for name, value in validator.table(entries.get("pool"), "pool").items():
        if is_type(validator, name):
            one = _resource(validator, name, value, slots)
            if one is not None:
                resources[name.text] = one
    most = entries.get("max_running")
    if isinstance(most, Scalar):
        said["max_running"] = int(most.text)
    return said | ({"resources": resources} if resources else {}) | ({"slots": slots} if slots else {})


def read_file(file: str) -> dict[str, Any]:
    """Return what a file of a pool says, as `read_pool` returns it.

    :raises PlanError: it says something wrong
    """
    source = read_source(file)
    problems = Problems()
    validator = Validator(source, problems)
    said: dict[str, Any] = {}
    with problems.collecting():
        node = parse(source)
        keys = {key.name: key for key in (POOL, MAX_RUNNING)}
        said = read_pool(validator, validator.entries(node, keys, "the file of a pool"))
    problems.check()
    return said


def is_type(validator: Validator, name: Scalar) -> bool:
    """Return whether a name may be that of a type of resources; keep an error if not."""
    is_right = NAME.fullmatch(name.text) is not None and not name.text.startswith("_")
    if not is_right:
        hint = "letters, digits and _ only, and a letter first"
        validator.add(f"{name.text!r} is not a valid type of resources", name, hint=hint)
    return is_right


def _resource(validator: Validator, name: Scalar, value: Node, slots: dict[str, int]) -> int | list[str] | None:
    if isinstance(value, Scalar):
        amount = amount_of(name.text, value.text)
        if isinstance(amount, str):
            validator.add(
                f"{name.text} {amount}, not {value.text!r}", value, hint=f"for example {_example(name.text)}"
            )
            return None
        return amount
    if isinstance(value, Items):
        return _names(validator, name, value)
    given = validator.entries(value, POOL_KEYS, f"the {name.text} of the pool")
    if "ids" not in value.nodes:
        validator.add(f"{name.text} needs ids: with names", value, hint=f"{name.text}: {{ids: [0, 1], slots: 2}}")
        return None
    number = given.get("slots")
    if isinstance(number, Scalar):
        slots[name.text] = int(number.text)
    return _names(validator, name, given.get("ids"))


def _names(validator: Validator, name: Scalar, value: Node | None) -> list[str] | None:
    names = validator.texts(value, f"an instance of {name.text}")
    texts = [one.text for one in names]
    wrong = next((one for one in names if not is_instance(one.text)), None)
    if wrong is not None:
        what = f"{wrong.text!r} is no name of an instance of {name.text}"
        validator.add(what, wrong, hint="write a text without commas: programs get the names with commas between")
        return None
    twice = next((one for at, one in enumerate(names) if one.text in texts[:at]), None)
    if twice is not None:
        validator.add(f"the ids of {name.text} name {twice.text} twice", twice, hint="take one out")
        return None
    return texts


def _example(kind: str) -> str:
    return f"{kind}: 8GiB" if kind == MEMORY else f"{kind}: 4"


def join_pools(files: Iterable[tuple[Validator, Mapping[str, Node]]]) -> str:
    """Return what a plan says of its pool, as `Project.pool`. What an including plan says of a type counts.

    :param files: the validator and the entries at the top of each file, an including one before those it includes
    """
    joined: dict[str, Any] = {}
    for validator, entries in files:
        said = read_pool(validator, entries)
        for key, value in said.items():
            joined[key] = {**value, **joined.get(key, {})} if isinstance(value, dict) else joined.get(key, value)
    if not joined:
        return ""
    # most plans say nothing, and a run that reads one then loads no json
    import json

    most = joined.pop("max_running", "")
    return f"{most} {json.dumps(joined) if joined else ''}".rstrip()


def demand_error(validator: Validator, kind: str, node: Scalar, wrong: str) -> TreadleError:
    """Return the error for an amount that an action asks for."""
    return validator.error(f"{kind} {wrong}, not {node.text!r}", node, hint=f"for example {_example(kind)}")
