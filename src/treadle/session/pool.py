"""pool_of: what there is for the actions of a run, from the machine, the plan, `--pool` and `-r`."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING

from treadle.core.pool import MOST_INSTANCES, Pool, amount_of
from treadle.engines.machine import pool_of_machine
from treadle.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_GIVEN = re.compile(r"([A-Za-z][A-Za-z0-9_]*)=(.+)")
_SHARED = re.compile(r"([0-9]{1,9})x([1-9][0-9]{0,8})")


def pool_of(plan: str, file: str, given: Sequence[str], environ: Mapping[str, str], jobs: int) -> Pool:
    """Return the pool of a run: of each type what was said last, in the order machine, plan, file, options.

    :param plan: what the plan says, the JSON of `Project.pool`
    :param file: a file with a map of types, as `pool` of a plan takes it; "" for none
    :param given: the values of `-r`: TYPE=AMOUNT, or TYPE=NUMBERxSLOTS for instances
    :param jobs: how many processors there are where nothing else is said
    :raises UsageError: an option is wrong
    :raises TreadleError: the file cannot be read, or says something wrong
    """
    machine = pool_of_machine(environ, cpus=jobs)
    node = machine.nodes[0]
    resources, slots = dict(node.resources), dict(node.slots)
    bounds: dict[str, float] = {}
    told = [json.loads(plan or "{}")]
    if file:
        from treadle.plan.read.pool import read_file

        told.append(read_file(file))
    for said in told:
        for kind, what in said.get("resources", {}).items():
            resources[kind] = what
            slots.pop(kind, None)
        slots.update(said.get("slots", {}))
        bounds.update(said.get("max", {}))
    for text in given:
        _set(text, resources, slots)
    return Pool(resources, slots=slots, variables=machine.variables, max=bounds)


def _set(text: str, resources: dict[str, int | Sequence[str]], slots: dict[str, int]) -> None:
    given = _GIVEN.fullmatch(text)
    if given is None:
        raise UsageError(f"-r {text}: expected TYPE=AMOUNT, such as gpus=1 or memory=8GiB")
    kind, value = given[1], given[2]
    known = resources.get(kind)
    close = [] if known is not None else difflib.get_close_matches(kind, resources, n=1, cutoff=0.8)
    if close:
        # a type that only actions name is new here; one letter besides a known type it is a slip
        raise UsageError(
            f"-r {text}: there is no {kind!r}",
            hint=f"did you mean {close[0]}? A new type with such a name has to be in `pool:` of the plan",
        )
    shared = _SHARED.fullmatch(value)
    if shared is not None:
        value, slots[kind] = shared[1], int(shared[2])
    amount = amount_of(kind, value)
    if isinstance(amount, str):
        raise UsageError(f"-r {text}: {kind} {amount}")
    if shared is None and (known is None or isinstance(known, int)) and kind != "gpus":
        resources[kind] = amount
        return
    if amount > MOST_INSTANCES:
        raise UsageError(f"-r {text}: {kind} must be at most {MOST_INSTANCES}, as each is an instance of its own")
    # instances: the first of those that are known, or numbered ones
    names = [] if known is None or isinstance(known, int) else list(known)
    resources[kind] = names[:amount] if amount <= len(names) else [str(number) for number in range(amount)]
