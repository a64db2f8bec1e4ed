"""Demand, Node and Pool: what is refused when they are made, and what a whole pool could never give."""

from __future__ import annotations

from typing import Any

import pytest

from treadle import Limits
from treadle.core.pool import Demand, Node, Pool, Room
from treadle.errors import InternalError, UsageError

MACHINE = Pool({"cpus": 8, "gpus": ["0", "1"], "memory": 64})
CLUSTER = Pool(nodes=[Node("a", {"cpus": 16, "gpus": 1}), Node("b", {"cpus": 4, "gpus": 4, "disk": 10})])


@pytest.mark.parametrize("name", ["_run", "", 3, None])
def test_a_type_has_a_name_that_is_not_reserved(name: Any) -> None:
    for make in (lambda: Demand({name: 1}), lambda: Pool({name: 1})):
        with pytest.raises(UsageError, match="is no type of a resource"):
            make()


@pytest.mark.parametrize("amount", [-1, 1.5, True, "2", None])
def test_an_amount_is_a_whole_number(amount: Any) -> None:
    for make in (lambda: Demand({"cpus": amount}), lambda: Pool({"cpus": amount})):
        with pytest.raises(UsageError, match=r"'cpus'.* is "):
            make()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Pool({"gpus": ["0", "0"]}), "names one instance twice"),
        (lambda: Pool({"gpus": ["0", ""]}), "'' is no name of an instance"),
        (lambda: Pool({"gpus": ["0,1"]}), "'0,1' is no name of an instance"),
        (lambda: Pool({"cpus": 4}, slots={"cpus": 2}), "has no instances of"),
        (lambda: Pool({"gpus": ["0"]}, slots={"gpus": 0}), "0 slots"),
        (lambda: Pool({"cpus": 4}, nodes=[Node("a")]), "resources of its own and nodes"),
        (lambda: Pool(nodes=[Node("a"), Node("a")]), "two nodes of a pool have one name"),
        (
            lambda: Demand(mutex="database"),  # type: ignore[arg-type]
            "expected a tuple of names",
        ),
        (lambda: Demand(mutex=(1,)), "expected a tuple of names"),  # type: ignore[arg-type]
        (lambda: Demand(mutex=("",)), "expected a tuple of names"),
        (lambda: Demand(None), "expected a dict: type -> amount"),  # type: ignore[arg-type]
        (lambda: Demand(["gpus"]), "expected a dict: type -> amount"),  # type: ignore[arg-type]
        (lambda: Demand(exclusive="no"), "expected True or False"),  # type: ignore[arg-type]
        (lambda: Demand(group="fit", limit=0), "expected a whole number above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make()


@pytest.mark.parametrize(
    ("pool", "demand", "words"),
    [
        (MACHINE, Demand({"gpus": 3}), "it asks for 3 of 'gpus', of which the pool has at most 2"),
        (MACHINE, Demand({"memory": 65}), "it asks for 65 of 'memory', of which the pool has at most 64"),
        (
            Pool({"memory": 1 << 30}),
            Demand({"memory": 3 << 30}),
            "it asks for 3.0 GiB of 'memory', of which the pool has at most 1.0 GiB",
        ),
        (
            Pool({"memory": 1 << 30}),
            Demand({"memory": (1 << 30) + 1}),
            "it asks for 1073741825 of 'memory', of which the pool has at most 1073741824",
        ),
        (
            Pool({"memory": 1 << 30}),
            Demand({"tape": 1}),
            "it asks for 1 of 'tape', which the pool does not have (it has 1.0 GiB memory)",
        ),
        (
            MACHINE,
            Demand({"tape": 1}),
            "it asks for 1 of 'tape', which the pool does not have (it has 8 cpus, 2 gpus, 64 memory)",
        ),
        (Pool({"gpus": []}), Demand({"gpus": 1}), "it asks for 1 of 'gpus', of which the pool has none"),
        (Pool(), Demand({"tape": 1}), "it asks for 1 of 'tape', which the pool does not have (it has nothing)"),
        (CLUSTER, Demand({"gpus": 5}), "it asks for 5 of 'gpus', of which a node has at most 4"),
        (CLUSTER, Demand({"gpus": 2, "cpus": 8}), "no node has all that it asks for at once: 2 gpus, 8 cpus"),
        (MACHINE, Demand(nodes=2), "it asks for 2 nodes, and no engine runs one attempt on several"),
    ],
)
def test_what_even_the_empty_pool_cannot_give_is_refused(pool: Pool, demand: Demand, words: str) -> None:
    """A7."""
    assert pool.refusal(demand) == words


@pytest.mark.parametrize(
    ("pool", "demand"),
    [
        (MACHINE, Demand({"gpus": 2, "cpus": 8, "memory": 64})),
        (MACHINE, Demand({"tape": 0})),
        (MACHINE, Demand()),
        (CLUSTER, Demand({"cpus": 16})),
        (CLUSTER, Demand({"cpus": 4, "gpus": 4, "disk": 10})),
    ],
)
def test_what_it_could_give_is_not(pool: Pool, demand: Demand) -> None:
    """A7."""
    assert pool.refusal(demand) is None


def test_giving_back_checks_all_before_anything_changes() -> None:
    """A10."""
    room = Room("a", {"cpus": 4, "gpus": ["0", "1"]}, {"gpus": 2})
    room.take({"cpus": 2, "gpus": 1}, {"gpus": [1]})
    before = (dict(room.available), {kind: list(left) for kind, left in room.left.items()})
    for need, chosen in (({"cpus": 3}, {}), ({"cpus": 2, "gpus": 1}, {"gpus": [0]})):
        with pytest.raises(InternalError, match=r"more of '(cpus|gpus)' is given back than was taken"):
            room.check_return(need, chosen)
    assert (room.available, room.left) == before
    room.check_return({"cpus": 2, "gpus": 1}, {"gpus": [1]})


def test_a_mutex_of_a_command_may_be_one_name() -> None:
    assert Limits(mutex="database").mutex == ("database",)
