"""Reads `pool` and `max_running` of a plan, and amounts of resources. It looks at no machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from treadle.core.pool import MEMORY, amount_of, is_instance
from treadle.core.retry import TIMEOUT
from treadle.plan.schema.keys import DURATION_KIND, MAX_RUNNING, NAME, POOL, POOL_KEYS, seconds
from treadle.plan.schema.validator import Validator
from treadle.plan.yaml.diagnostics import Problems
from treadle.plan.yaml.nodes import Items, Scalar, Table, shape
from treadle.plan.yaml.parser import parse, read_source

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from treadle.errors import TreadleError
    from treadle.plan.yaml.nodes import Node

MAX = "max"
"""The key of a pool that is no type: how much attempts may grow to."""
_FACTOR = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


def read_pool(validator: Validator, entries: Mapping[str, Node]) -> dict[str, Any]:
    """Return what a file says of the pool, as plain data; errors are kept.

    The keys are `resources` (type -> an amount or a list of names), `slots` (type -> number), `max` (type or
    `timeout` -> how much a further attempt may grow to) and `max_running`.
    """
    said: dict[str, Any] = {}
    resources: dict[str, int | list[str]] = {}
    slots: dict[str, int] = {}
    for name, value in validator.table(entries.get("pool"), "pool").items():
        if name.text == MAX:
            if bounds := _bounds(validator, value):
                said[MAX] = bounds
        elif is_type(validator, name):
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
    is_right = NAME.fullmatch(name.text) is not None and not name.text.startswith("_") and name.text != MAX
    if not is_right:
        hint = "letters, digits and _ only, and a letter first"
        if name.text == MAX:
            hint = "max in pool says how much of each type a further attempt may grow to"
        validator.add(f"{name.text!r} is not a valid type of resources", name, hint=hint)
    return is_right


def read_growth(validator: Validator, node: Node | None) -> dict[str, float | tuple[float, ...]]:
    """Return how what an attempt asks for grows: type or `timeout` -> a factor, or the next amounts."""
    found: dict[str, float | tuple[float, ...]] = {}
    for name, value in validator.table(node, "grow").items():
        if name.text != TIMEOUT and not is_type(validator, name):
            continue
        if isinstance(value, Items):
            texts = validator.texts(value, f"an amount of {name.text} in grow")
            amounts = [_amount(validator, name.text, text, f"an amount of {name.text} in grow") for text in texts]
            if not texts:
                validator.add(f"grow has no amount of {name.text}", value, hint="for example [4, 8]")
            if right := tuple([amount for amount in amounts if amount is not None]):
                found[name.text] = right
            continue
        example = {MEMORY: "[16GiB, 32GiB]", TIMEOUT: "[10m, 1h]"}.get(name.text, "[4, 8]")
        is_number = isinstance(value, Scalar) and value.style is None and _FACTOR.fullmatch(value.text)
        if is_number and float(value.text) > 1:  # type: ignore[union-attr]
            found[name.text] = float(value.text)  # type: ignore[union-attr]
        else:
            given = f"{value.text!r}" if isinstance(value, Scalar) else shape(value)
            factor = "a number above 1 with six digits before and after the point at most"
            what = f"{name.text} in grow must be {factor}, or a list of amounts, not {given}"
            validator.add(what, value, hint=f"1.5 multiplies it, {example} are the next amounts")
    return found


def check_growth(validator: Validator, node: Node | None, kinds: Collection[str]) -> None:
    """Keep an error for what grows and is not asked for.

    :param kinds: the types that are
    """
    grow = node.nodes.get("grow") if isinstance(node, Table) else None
    if not isinstance(grow, Table):
        return
    for name in grow.nodes:
        if name not in kinds and name != TIMEOUT:
            what = f"{name} in grow is nothing that the action asks for"
            validator.add(what, grow.keys[name], hint=f"resources: {{{name}: ...}} says how much it asks for")


def _bounds(validator: Validator, node: Node) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in validator.table(node, "max of the pool").items():
        if (name.text == TIMEOUT or is_type(validator, name)) and validator.is_text(value, name.text):
            amount = _amount(validator, name.text, value, f"{name.text} in max")  # type: ignore[arg-type]
            if amount is not None and amount > 0:
                found[name.text] = amount
            elif amount is not None:
                validator.add(f"{name.text} in max must be more than 0", value, hint="take it out for no bound")
    return found


def _amount(validator: Validator, kind: str, node: Scalar, what: str) -> float | None:
    """Return an amount of a type, or seconds of a time limit; None where it is wrong, which is kept as an error."""
    if kind == TIMEOUT:
        wrong, example = DURATION_KIND.check(node) if DURATION_KIND.check else "", "10m"
        amount: int | float | str = wrong or seconds(node.text)
    else:
        amount, example = amount_of(kind, node.text), _example(kind).partition(": ")[2]
    if isinstance(amount, str):
        validator.add(f"{what} {amount}, not {node.text!r}", node, hint=f"for example {example}")
        return None
    return amount


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


def demand_error(validator: Validator, kind: str, node: Scalar, wrong: str) -> TreadleError:
    """Return the error for an amount that an action asks for."""
    return validator.error(f"{kind} {wrong}, not {node.text!r}", node, hint=f"for example {_example(kind)}")
