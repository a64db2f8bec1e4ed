"""Pool and Demand: what there is of each resource, what an attempt asks for, and what it got.

An *amount* is a number of things that are alike (`memory`, licences). An *instance* has a name of its own (GPU `0`)
and a number of slots: so many attempts may share it. A demand for two GPUs asks for one slot of each of two.
This knows no queues, jobs or machines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from treadle.errors import InternalError, UsageError, listed

from .text import size_text

MEMORY = "memory"
_AMOUNT = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?) ?([kKMGT]i?B|B)?")
_BYTES = {
    "B": 1,
    **{f"{letter}iB": 1024**power for power, letter in enumerate("kMGT", 1)},
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", 1)},
    "KiB": 1024,
    "KB": 1000,
}
MOST_INSTANCES = 10_000
"""How many instances of a type a number may ask for: each has a name and slots of its own."""
LOCAL = "local"
"""The name of the node where a pool names none."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What an attempt needs in order to start: all of it is given at once and given back at its end.

    :param resources: type -> how much; for instances how many, each another one. What is not named is not needed,
        but for `cpus`, of which an attempt in the queue `default` takes 1 where the pool knows them
    :param queue: the queue that it waits in
    :param tokens: how many tokens of this queue it takes
    :param nodes: on how many nodes it runs; only 1 is possible
    :param mutex: names; attempts that share one never run at the same time
    :param exclusive: whether nothing else may run while it runs, in any queue
    :param group: the group that `limit` counts in, such as a family of actions
    :param limit: how many of its group may run at the same time; None for any number
    :param fallbacks: what it asks for in place of `resources` where the whole pool could not meet these: the first
        that it could
    :param site: only nodes of this site meet it; where the pool has none of it, all of no site
    :raises UsageError: an amount is no whole number of 0 or more, or a name is reserved
    """

    resources: Mapping[str, int] = field(default_factory=dict)
    queue: str = "default"
    tokens: int = 1
    nodes: int = 1
    mutex: tuple[str, ...] = ()
    exclusive: bool = False
    group: str = ""
    limit: int | None = None
    fallbacks: tuple[Mapping[str, int], ...] = ()
    site: str = ""

    def __post_init__(self) -> None:
        for one in (self.resources, *self.fallbacks):
            given: object = one
            if not isinstance(given, Mapping):
                raise UsageError(f"the resources are {given!r}", facts=("expected a dict: type -> amount",))
            for name, amount in one.items():
                _check_type(name)
                _check_amount(f"the demand for {name!r}", amount)
        for what, name in (("queue", self.queue), ("group", self.group), ("site", self.site)):
            if not _is_text(name):
                raise UsageError(f"the {what} of a demand is {name!r}", facts=("expected a name",))
        for what, number in (("tokens", self.tokens), ("nodes", self.nodes)):
            if _is_not_whole(number):
                raise UsageError(f"the {what} of a demand are {number!r}", facts=("expected a whole number",))
        mutex: object = self.mutex
        if not isinstance(mutex, tuple) or not all(isinstance(name, str) and name for name in mutex):
            raise UsageError(f"mutex is {mutex!r}", facts=("expected a tuple of names",))
        exclusive: object = self.exclusive
        if not isinstance(exclusive, bool):
            raise UsageError(f"exclusive is {exclusive!r}", facts=("expected True or False",))
        if self.limit is not None and (_is_not_whole(self.limit) or self.limit < 1):
            raise UsageError(f"the limit is {self.limit!r}", facts=("expected a whole number above 0",))


@dataclass(frozen=True, slots=True)
class Node:
    """One place that attempts run on.

    :param name: what it is called
    :param resources: type -> an amount, or the names of the instances
    :param slots: type of instances -> how many attempts may share one; 1 where it is not named
    :param site: what it is part of, where not all nodes are alike: it meets the demands that name this alone
    :raises UsageError: an amount is no whole number of 0 or more, or a name is reserved or there twice
    """

    name: str
    resources: Mapping[str, int | Sequence[str]] = field(default_factory=dict)
    slots: Mapping[str, int] = field(default_factory=dict)
    site: str = ""

    def __post_init__(self) -> None:
        if not (_is_text(self.name) and _is_text(self.site) and _is_map(self.resources) and _is_map(self.slots)):
            raise UsageError(
                f"a node of a pool is {self.name!r} with {self.resources!r}",
                facts=("expected a name and a dict: type -> an amount, or names of instances",),
            )
        for name, what in self.resources.items():
            _check_type(name)
            if isinstance(what, str):
                raise UsageError(
                    f"{name!r} of node {self.name!r} is {what!r}", facts=("expected a number, or names",)
                )
            if isinstance(what, Sequence):
                wrong = next((one for one in what if not is_instance(one)), None)
                if wrong is not None:
                    raise UsageError(
                        f"{wrong!r} is no name of an instance of {name!r}",
                        facts=("expected a text without commas",),
                    )
                if len(set(what)) < len(what):
                    raise UsageError(f"{name!r} of node {self.name!r} names one instance twice: {listed(what)}")
            else:
                _check_amount(f"{name!r} of node {self.name!r}", what)
        for name, number in self.slots.items():
            if isinstance(self.resources.get(name), int | None):
                raise UsageError(f"slots of {name!r}, which node {self.name!r} has no instances of")
            if _is_not_whole(number) or number < 1:
                raise UsageError(f"{name!r} has {number!r} slots", facts=("expected a whole number above 0",))


class Pool:
    """What there is of each resource.

    :param resources: that of a machine: type -> an amount, or the names of the instances
    :param slots: type of instances -> how many attempts may share one; 1 where it is not named
    :param nodes: several places, in place of one machine; a demand is met by one of them
    :param variables: type of instances -> a variable of the environment that programs expect their names in; for
        `gpus` CUDA_VISIBLE_DEVICES if nothing else is said
    :param max: type, or `timeout` in seconds -> how much a further attempt may grow to, where that is less than
        what there is
    :raises UsageError: an amount is no whole number of 0 or more, a name is reserved or there twice, or both a
        machine and nodes are described
    """

    def __init__(
        self,
        resources: Mapping[str, int | Sequence[str]] | None = None,
        *,
        slots: Mapping[str, int] | None = None,
        nodes: Iterable[Node] = (),
        variables: Mapping[str, str] | None = None,
        max: Mapping[str, float] | None = None,  # noqa: A002 - the plan's word
    ) -> None:
        given: object = resources
        if given is not None and not isinstance(given, Mapping):
            raise UsageError(
                f"the resources of a pool are {given!r}",
                facts=("expected a dict: type -> an amount, or names of instances",),
            )
        for name, one in (("slots", slots), ("variables", variables), ("max", max)):
            if one is not None and not isinstance(one, Mapping):
                raise UsageError(f"the {name} of a pool are {one!r}", facts=("expected a dict, by type",))
        listed_nodes: object = nodes
        is_list = isinstance(listed_nodes, Iterable) and not isinstance(listed_nodes, str | Mapping)
        several = tuple(nodes) if is_list else ()
        if not is_list or not all(map(_is_node, several)):
            raise UsageError(f"the nodes of a pool are {nodes!r}", facts=("expected a list of Node(name, {...})",))
        if several and (resources or slots):
            raise UsageError("a pool has resources of its own and nodes", facts=("expected one of both",))
        self.nodes = several or (Node(LOCAL, dict(resources or {}), dict(slots or {})),)
        self._sites = {node.site for node in self.nodes}
        names = [node.name for node in self.nodes]
        if len(set(names)) < len(names):
            raise UsageError(f"two nodes of a pool have one name: {listed(names)}")
        self.max = dict(max or {})
        for name, most in self.max.items():
            if _is_no_number(most) or not most > 0:
                raise UsageError(
                    f"a pool has max={{{name!r}: {most!r}}}",
                    facts=("expected a number above 0: how much of it a further attempt may grow to",),
                )
        self.variables = {"gpus": "CUDA_VISIBLE_DEVICES", **(variables or {})}

    def at(self, site: str) -> Pool:
        """Return the part that meets demands for a site."""
        if len(self._sites) == 1:
            return self
        there = site if site in self._sites else ""
        nodes = [node for node in self.nodes if node.site == there]
        return Pool(nodes=nodes, variables=self.variables, max=self.max)

    def most(self, name: str) -> int | None:
        """Return how much of a type one demand could get, None where no node knows the type."""
        sizes = [size_of(node.resources[name]) for node in self.nodes if name in node.resources]
        return max(sizes, default=None)

    def most_beside(self, kind: str, amounts: Mapping[str, float]) -> float | None:
        """Return how much of a type an attempt may grow to, that one node has with all else that it asks for.

        The most of each type over all nodes could be a demand that no node meets.

        :param amounts: type -> what it asks for; what no node knows, such as a time limit, does not count
        :return: None for any amount
        """
        sizes = [
            size_of(node.resources[kind])
            for node in self.nodes
            if kind in node.resources
            and all(
                amount <= size_of(node.resources.get(name, 0))
                for name, amount in amounts.items()
                if name != kind and self.most(name) is not None
            )
        ]
        most = [*([max(sizes)] if sizes else []), *([self.max[kind]] if kind in self.max else [])]
        return min(most, default=None)

    def chosen(self, demand: Demand) -> Demand:
        """Return the first of a demand and its fallbacks that the whole pool could meet, else the last.

        What is free now does not count: else one plan would use GPUs or not by chance.
        """
        if not demand.fallbacks:
            return demand
        several = [replace(demand, resources=one, fallbacks=()) for one in (demand.resources, *demand.fallbacks)]
        part = self.at(demand.site)
        return next((one for one in several if part.refusal(one) is None), several[-1])

    def refusal(self, demand: Demand) -> str | None:
        """Return why the whole pool, with nothing running, could not meet a demand; None if it could."""
        if demand.fallbacks:
            demand = self.chosen(demand)
        if (part := self.at(demand.site)) is not self:
            return part.refusal(demand)
        if demand.nodes != 1:
            return f"it asks for {demand.nodes} nodes, and no engine runs one attempt on several"
        for name, amount in demand.resources.items():
            most = self.most(name)
            asked, has = _amount_texts(name, amount, most or 0)
            if amount and most is None:
                return f"it asks for {asked} of {name!r}, which the pool does not have (it has {self.summary()})"
            if most == 0 and amount:
                return f"it asks for {asked} of {name!r}, of which {self._place_of_most()} has none"
            if most is not None and amount > most:
                return f"it asks for {asked} of {name!r}, of which {self._place_of_most()} has at most {has}"
        if not any(_is_within(demand, node) for node in self.nodes):
            return f"no node has all that it asks for at once: {_amounts(demand.resources)}"
        return None

    def summary(self) -> str:
        """Return the types and how much of each one demand could get."""
        names = list(dict.fromkeys(name for node in self.nodes for name in node.resources))
        return _amounts({name: self.most(name) or 0 for name in names}) or "nothing"

    def _place_of_most(self) -> str:
        return "the pool" if len(self.nodes) == 1 else "a node"


@dataclass(frozen=True, slots=True)
class Allocation:
    """What an attempt holds from its start to its end.

    :param node: where it runs
    :param amounts: type -> how much it has
    :param instances: type -> the names of its instances
    :param variables: type of instances of the pool -> the variable that programs expect their names in
    """

    node: str
    amounts: Mapping[str, int] = field(default_factory=dict)
    instances: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def as_data(self) -> dict[str, int | list[str]]:
        """Return what it has as data: type -> an amount, or the names of the instances."""
        found: dict[str, int | list[str]] = dict(self.amounts)
        found.update({kind: list(names) for kind, names in self.instances.items()})
        # a mutex and the like are types of our own
        return {kind: held for kind, held in found.items() if not kind.startswith("_")}

    def environment(self) -> dict[str, str]:
        """Return the variables of the environment that say to a program what it holds.

        They are TREADLE_CPUS, TREADLE_MEMORY and so on for each type, TREADLE_GPU_IDS and so on for the names of
        instances, and the variables of `Pool.variables`, which are empty for what it holds none of.
        """
        said = {f"TREADLE_{kind.upper()}": str(amount) for kind, amount in self.amounts.items()}
        for kind, variable in self.variables.items():
            said[variable] = ",".join(self.instances.get(kind, ()))
        for kind, names in self.instances.items():
            said[f"TREADLE_{kind.removesuffix('s').upper()}_IDS"] = ",".join(names)
        return said


class Room:
    """What is free at one place now. Less than nothing may be free, after the place was made smaller.

    :param name: what the place is called
    :param resources: type -> an amount, or the names of the instances
    :param slots: type of instances -> how many attempts may share one
    """

    __slots__ = ("available", "closed", "ids", "left", "name", "size", "slots")

    def __init__(self, name: str, resources: Mapping[str, int | Sequence[str]], slots: Mapping[str, int]) -> None:
        self.name = name
        self.size = {kind: size_of(what) for kind, what in resources.items()}
        self.available = dict(self.size)
        """type -> the amount that is free, or the number of instances that have a free slot."""
        self.ids = {kind: tuple(what) for kind, what in resources.items() if not isinstance(what, int)}
        self.slots = {kind: slots.get(kind, 1) for kind in self.ids}
        self.left = {kind: [self.slots[kind]] * len(ids) for kind, ids in self.ids.items()}
        """type -> free slots of each instance; of one that is closed less than none."""
        self.closed: dict[str, set[int]] = {}
        """type -> the instances that nothing gets, as the place was made smaller."""

    def lacking(self, need: Mapping[str, int]) -> float:
        """Return how much is missing for a need, as the sum of the shares of what the place has of each type."""
        return sum(max(0, amount - self.available[kind]) / max(1, self.size[kind]) for kind, amount in need.items())

    def left_over(self, need: Mapping[str, int]) -> float:
        """Return how much would be left of what a need asks for, as the sum of the shares."""
        return sum((self.available[kind] - amount) / max(1, self.size[kind]) for kind, amount in need.items())

    def could_meet(self, need: Mapping[str, int]) -> bool:
        """Return whether the place, with nothing running, has what a need asks for."""
        return all(amount <= self.size.get(kind, 0) for kind, amount in need.items())

    def has_open(self, need: Mapping[str, int]) -> bool:
        """Return whether of instances so many may be used as a need asks for."""
        return all(
            amount <= len(self.ids[kind]) - len(self.closed.get(kind, ()))
            for kind, amount in need.items()
            if kind in self.ids
        )

    def choose(self, kind: str, number: int, kept: Iterable[int] = ()) -> list[int]:
        """Return the instances for a demand: those with the fewest free slots that will do, then the lowest."""
        left = self.left[kind]
        may = [index for index, free in enumerate(left) if free > 0 and index not in kept]
        return sorted(sorted(may, key=lambda index: left[index])[:number])

    def take(self, need: Mapping[str, int], chosen: Mapping[str, Sequence[int]]) -> None:
        """Take what a need asks for, and these instances."""
        for kind, amount in need.items():
            if kind not in chosen:
                self.available[kind] -= amount
                continue
            left = self.left[kind]
            for index in chosen[kind]:
                left[index] -= 1
                self.available[kind] -= left[index] == 0

    def check_return(self, need: Mapping[str, int], chosen: Mapping[str, Sequence[int]]) -> None:
        """Look whether what is given back was taken.

        :raises InternalError: it was not, and nothing was changed
        """
        for kind, amount in need.items():
            taken = [index for index in chosen.get(kind, ()) if self.left[kind][index] >= self.slots[kind]]
            if taken or (kind not in chosen and self.available[kind] + amount > self.size[kind]):
                raise InternalError(f"more of {kind!r} is given back than was taken of {self.name!r}")

    def give_back(self, need: Mapping[str, int], chosen: Mapping[str, Sequence[int]]) -> None:
        """Give back what was taken."""
        for kind, amount in need.items():
            if kind not in chosen:
                self.available[kind] += amount
                continue
            left = self.left[kind]
            for index in chosen[kind]:
                self.available[kind] += left[index] == 0
                left[index] += 1
            if self.closed.get(kind):
                # one that is closed may still be in use, and counts in place of this one
                self._close_others(kind, self.size[kind])

    def resize(self, kind: str, size: int) -> None:
        """Set how much there is of an amount, or how many instances may be used; what is held stays held."""
        if kind in self.ids:
            self._close_others(kind, size)
            return
        self.available[kind] = self.available.get(kind, 0) + size - self.size.get(kind, 0)
        self.size[kind] = size

    def _close_others(self, kind: str, size: int) -> None:
        """Let so many instances be used: those that are used now; none at all while more than that are."""
        left, slots, before = self.left[kind], self.slots[kind], self.closed.get(kind, set())
        for index in before:
            left[index] += slots
        in_order = sorted(range(len(left)), key=lambda index: (left[index], index))
        used = sum(free < slots for free in left)
        closed = self.closed[kind] = set(in_order[size if used <= size else 0 :])
        for index in closed:
            # what is given back to it counts, and makes none of it free
            left[index] -= slots
        self.size[kind] = min(size, len(left))
        self.available[kind] = sum(free > 0 for free in left)


def amount_of(kind: str, text: str) -> int | str:
    """Return an amount as a number, bytes where it has a unit; a text says what is wrong with it."""
    found = _AMOUNT.fullmatch(text)
    if found is None or (found[2] is None and "." in found[1]):
        return "must be a whole number" + (" with a unit, such as 8GiB or 500MB" if kind == MEMORY else "")
    if found[2] is None:
        return "needs a unit, such as 8GiB or 500MB" if kind == MEMORY and int(found[1]) else int(found[1])
    return int(float(found[1]) * _BYTES[found[2]])


def is_instance(name: object) -> bool:
    """Return whether this may be the name of an instance: programs get the names with commas between them."""
    return isinstance(name, str) and name != "" and "," not in name and name.isprintable()


def size_of(what: int | Sequence[str]) -> int:
    """Return how much a demand could get of a type: the amount, or the number of instances."""
    return what if isinstance(what, int) else len(what)


def _is_within(demand: Demand, node: Node) -> bool:
    return all(amount <= size_of(node.resources.get(name, 0)) for name, amount in demand.resources.items())


def _amounts(amounts: Mapping[str, int]) -> str:
    return ", ".join(f"{_amount_texts(name, amount)[0]} {name}" for name, amount in amounts.items())


def _amount_texts(name: str, *amounts: int) -> list[str]:
    """Return amounts of a type in words; sizes that look alike when they are rounded are given in bytes."""
    texts = [size_text(one) if name == MEMORY and one >= _KIB else str(one) for one in amounts]
    return texts if len({*texts}) == len({*amounts}) else [str(one) for one in amounts]


_KIB = 1024


def _check_type(name: object) -> None:
    if not isinstance(name, str) or not name or name.startswith("_"):
        raise UsageError(
            f"{name!r} is no type of a resource", facts=("expected a name that does not begin with _",)
        )


def _check_amount(what: str, amount: object) -> None:
    if _is_not_whole(amount) or amount < 0:  # type: ignore[operator]
        raise UsageError(f"{what} is {amount!r}", facts=("expected a whole number, 0 or more",))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_map(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_node(value: object) -> bool:
    return isinstance(value, Node)


def _is_no_number(value: object) -> bool:
    return isinstance(value, bool) or not isinstance(value, int | float)


def _is_not_whole(amount: object) -> bool:
    return not isinstance(amount, int) or isinstance(amount, bool)
