"""Workers, guards, runs and parts of clusters that are killed or frozen at any moment (J4).

    pytest tests/behaviour/test_killed_engines.py                      # five of each kind
    TREADLE_KILLS=100 pytest tests/behaviour/test_killed_engines.py    # a hundred of each; TREADLE_SEED=7 for others

`python tests/support/engine_kills.py` does the same, and prints its figures.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from typing import TYPE_CHECKING

import pytest

from engine_kills import KINDS, trials

if TYPE_CHECKING:
    from slurm_cluster import SlurmCluster

TIMES = int(os.environ.get("TREADLE_KILLS", "5"))
SEED = int(os.environ.get("TREADLE_SEED", "1"))
ALL = TIMES > 5
"""Whether each kind is tried on each engine; else on a cluster those in OWN."""
OWN = (("dask", "kill-scheduler"),)


@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        (engine, kind)
        for engine, kinds in KINDS.items()
        for kind in kinds
        if ALL or engine == "process" or (engine, kind) in OWN
    ],
)
def test_whatever_is_killed_or_frozen_the_bytes_are_right_and_nothing_runs_twice_or_is_left(
    request: pytest.FixtureRequest, engine: str, kind: str
) -> None:
    cluster: SlurmCluster | None = request.getfixturevalue("slurm") if engine == "slurm" else None
    if engine.startswith("dask"):
        for name in ("distributed", "cryptography"):
            if importlib.util.find_spec(name) is None:
                pytest.skip(f"{name} is not installed")
    at_once = min(TIMES, 2 if engine.startswith("dask") else 5)
    ended = list(trials(kind, TIMES, engine=engine, seed=SEED, at_once=at_once, cluster=cluster))
    if cluster is not None:
        _await_node(cluster)
    assert [one.wrong for one in ended if one.wrong] == []
    assert any(one.was_hit for one in ended)


def _await_node(cluster: SlurmCluster) -> None:
    """Wait until the node takes jobs again: on a busy machine it takes its time after so many kills."""
    for _ in range(5):
        with contextlib.suppress(AssertionError):
            cluster.start()
            return
