"""Options of a wrong kind are refused in words, where they are given and not where they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from treadle import (
    DAG,
    Command,
    CommandWalk,
    Demand,
    FolderCache,
    Limits,
    Node,
    Pool,
    Retries,
    Settings,
    UsageError,
)
from treadle.aio import Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INFINITE, NO_NUMBER = float("inf"), float("nan")
WRONG: dict[Callable[..., object], dict[str, tuple[Any, ...]]] = {
    Retries: {
        "max": (-1, "2", 1.5, True, None),
        "on": ("killed", ["exit 300"], [1], 3),
        "backoff": (-1, "5s", INFINITE, NO_NUMBER, True),
        "jitter": (-0.1, 1.5, "1", NO_NUMBER),
        "passes": (0, -1, "2", 1.5, True),
        "grow": (
            2,
            "memory",
            [2],
            {"memory": 1},
            {"memory": []},
            {"memory": "x"},
            {1: 2},
            {"cpus": [-1]},
            {"a": True},
        ),
    },
    Limits: {
        "queue": (3, None, b"net"),
        "tokens": ("2", 1.5, True, None),
        "priority": ("1", None, True, NO_NUMBER),
        "timeout": (-1, 0, "5m", True, NO_NUMBER),
        "retries": (2, -1, "2"),
        "resources": ([1], 3, "gpus", {"gpus": "1"}, {"gpus": -1}, {1: 1}, [{"gpus": 1}, 3], {"gpus": 1.5}),
        "mutex": ([1], [""], 3),
        "exclusive": (1, "yes"),
        "group": (3,),
        "limit": (0, -1, "2", True),
    },
    Settings: {
        "jobs": (-1, "2", 1.5, True),
        "queues": (3, ["net"], "net"),
        "force": ("ab",),
        "environ": (["A=1"], "A=1"),
        "blocked": (["a"],),
        "limits": (Limits(tokens=2), ["a"]),
        "pool": ([1], {"cpus": 1}, 3),
    },
    Pool: {
        "resources": ([1], "cpus", 3, {"cpus": "1"}, {"cpus": -1}, {1: 1}),
        "slots": (3, [1]),
        "nodes": (3, "ab", ["a"], {"a": 1}),
        "variables": (3, ["A"]),
        "max": (3, {"cpus": 0}, {"cpus": "1"}, {"cpus": True}),
    },
    Demand: {
        "resources": ([1], "gpus", 3),
        "queue": (3, None),
        "tokens": ("2", 1.5, True),
        "nodes": ("2", None),
        "group": (3,),
        "fallbacks": ((1,), ({"gpus": -1},)),
    },
}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [(kind, name, value) for kind, names in WRONG.items() for name, values in names.items() for value in values],
)
def test_an_option_of_a_wrong_kind_is_refused_in_words(kind: Callable[..., object], name: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        kind(**{name: value})
    assert caught.value.facts[0].startswith("expected ")


@pytest.mark.parametrize("node", [(3, {}), ("a", [1]), ("a", 3), ("a", {}, 3)])
def test_a_node_of_a_wrong_kind_is_refused_in_words(node: tuple[Any, ...]) -> None:
    with pytest.raises(UsageError, match="a node of a pool is"):
        Node(*node)


@pytest.mark.parametrize("window", [-1, "many", [1], -0.5 - 1])
def test_a_window_of_a_wrong_kind_is_refused_in_words(window: Any) -> None:
    with pytest.raises(UsageError, match="jobs_window is a number of jobs, or None, not "):
        Scheduler(jobs_window=window).run()


def test_what_is_right_is_taken() -> None:
    assert Retries(on="timeout").on == ("timeout",)
    assert Retries(grow={"memory": [1, 2], "cpus": 1.5}).grow == {"memory": (1, 2), "cpus": 1.5}
    assert Retries(3, ["any", "exit 3-5"], 1, 0, 2).max == 3
    assert Limits("net", 0, 1, 3, Retries(1), {"gpus": 0}, "m", exclusive=True, group="g", limit=1).mutex == ("m",)
    assert Limits(resources=[]).resources == {}
    assert Settings(jobs=0, queues={}, pool=Pool(nodes=[]), environ={}, force={"a"}).jobs > 0
    assert Scheduler(jobs_window=0).run()


WRONG_CACHES: dict[str, Callable[[], Any]] = {
    "text": lambda: "store",
    "bytes": lambda: b"store",
    "names": lambda: ["store"],
    "nothing": lambda: [None],
    "a number": lambda: 5,
    "true": lambda: True,
    "an object": lambda: object(),  # noqa: PLW0108 (a class is refused before it is called)
    "a cache alone": lambda: FolderCache("store"),
    "a class": lambda: [FolderCache],
    "a dict": lambda: {"a": FolderCache("s")},
    "a set": lambda: {"a"},
    "a generator": lambda: (None for _ in range(1)),
}


@pytest.mark.parametrize("kind", WRONG_CACHES)
def test_caches_that_are_none_are_refused(kind: str) -> None:
    with pytest.raises(UsageError, match="caches is "):
        CommandWalk(DAG(), caches=WRONG_CACHES[kind]())


def test_a_class_of_caches_is_no_function_that_opens_them() -> None:
    with pytest.raises(UsageError, match="caches is <class "):
        CommandWalk(DAG(), caches=FolderCache)  # type: ignore[arg-type]


def test_the_one_of_several_caches_that_is_none_is_named() -> None:
    with pytest.raises(UsageError, match="caches has 1 in it"):
        CommandWalk(DAG(), caches=[FolderCache("s"), 1])  # type: ignore[list-item]


@pytest.mark.parametrize("kind", [*WRONG_CACHES, "none"])
def test_what_opens_caches_has_to_return_caches(kind: str, tmp_path: Path) -> None:
    """The first action that is about to run opens them, and fails with these words."""
    actions = DAG()
    actions.add_vertex("a", Command(["touch", "o"], outputs=["o"]))
    report = CommandWalk(actions, str(tmp_path), caches=WRONG_CACHES.get(kind, lambda: None)).run()
    why = report.actions["a"].failure or ""
    assert why.startswith("what `caches` has returned is ")
    assert "caches=[FolderCache('store')]" in why
    assert CommandWalk(actions, str(tmp_path), caches=lambda: iter([])).run().ok  # type: ignore[arg-type, return-value]
    assert CommandWalk(actions, str(tmp_path), caches=iter([FolderCache(str(tmp_path / "s"))])).run().ok  # type: ignore[arg-type]
