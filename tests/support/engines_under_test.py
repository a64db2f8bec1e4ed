"""The engines that the contract suites are run against: name -> what makes one for a walk.

An engine on a cluster is added here, by its name, where the programs of the cluster are installed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from foreign_engine import OtherProcess
from treadle.engines.choice import EngineChoice

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from treadle import BaseRunner, CommandWalk

LEASE = 6.0
"""Seconds: long enough for a machine with much to do, short enough to wait for."""


def by_name(walk: CommandWalk, **said: Any) -> BaseRunner:
    """Return a runner for an engine as a plan says it."""

    def folder() -> str:
        path = os.path.join(walk.store.folder, "runs", walk.run_id)
        os.makedirs(path, exist_ok=True)
        return path

    return EngineChoice.of({"lease": LEASE, **said}).runner(folder)


WORKERS: dict[str, dict[str, Any]] = {
    "process": {"name": "process"},
    "process-delayed": {"name": "process", "delay": 0.2, "workers": 3},
    "slurm": {"name": "slurm"},
    "dask": {"name": "dask"},
}
"""Engines with workers, as a plan says them."""


CLUSTERS = {"slurm": "slurm"}
"""Engine -> the fixture that starts what it needs, or skips the test."""


def start(request: pytest.FixtureRequest, name: str) -> None:
    """Start what an engine needs, for one test."""
    if name in CLUSTERS:
        request.getfixturevalue(CLUSTERS[name])


def _made(said: dict[str, Any]) -> Callable[[CommandWalk], BaseRunner]:
    return lambda walk: by_name(walk, **said)


def _on_dask(walk: CommandWalk) -> BaseRunner:
    from dask_clusters import shared

    return by_name(walk, name="dask", address=shared().address)


ENGINES: dict[str, Callable[[CommandWalk], BaseRunner | None]] = {
    "local": lambda _walk: None,
    "foreign": lambda _walk: OtherProcess(),
    **{name: _made(said) for name, said in WORKERS.items() if name != "dask"},
    "dask": _on_dask,
}
"""All that a walk can use."""
