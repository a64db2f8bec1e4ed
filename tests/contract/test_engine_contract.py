"""The tests that `treadle.testing` has for engines of others, on each engine that there is."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engines_under_test import WORKERS, start
from treadle.engines.checking import ask, findings
from treadle.engines.choice import EngineChoice
from treadle.testing import EngineContract

if TYPE_CHECKING:
    from treadle import Engine


class TestEachEngine(EngineContract):
    """All engines with workers."""

    name = ""

    @pytest.fixture(autouse=True, params=list(WORKERS))
    def _named(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param
        start(request, self.name)
        self.said = dict(WORKERS[self.name])
        if self.name == "dask" and "killed" not in request.node.name:
            # one cluster for all that leave its workers alive
            from dask_clusters import shared

            self.said["address"] = shared().address

    def make_engine(self) -> Engine:
        return EngineChoice.of(self.said).make()

    @pytest.mark.parametrize("is_locked", [True, False])
    def test_each_worker_answers_a_check(self, tmp_path: Path, is_locked: bool) -> None:
        """E5: by the way that attempts take; what is not as it should be is named."""
        (tmp_path / "run").mkdir(mode=0o700)
        lock = tmp_path / "lock"
        with lock.open("w") as file:
            if is_locked:
                fcntl.flock(file, fcntl.LOCK_EX)
            choice = EngineChoice.of(self.said)
            answers = ask(choice, lambda: str(tmp_path / "run"), lock=str(lock), programs=["/bin/sh"])
        found = findings(choice, answers, ["/bin/sh"])
        assert [one.what for one in found if not one.is_good] == ([] if is_locked else ["lock"]), found
        assert len(found) == 10
        assert len({one.node for one in answers}) == len(choice.capacity().nodes)
