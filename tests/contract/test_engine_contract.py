"""The tests that `treadle.testing` has for engines of others, on each engine that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engines_under_test import WORKERS, start
from treadle.engines.choice import EngineChoice
from treadle.testing import EngineContract

if TYPE_CHECKING:
    from treadle import Engine


class TestEachEngine(EngineContract):
    """All engines with workers."""

    name = ""

    @pytest.fixture(autouse=True, params=list(WORKERS))
    def _named(self, request: pytest.FixtureRequest) -> None:
        start(request, request.param)
        self.name = request.param
        start(request, self.name)
        self.said = dict(WORKERS[self.name])
        if self.name == "dask" and "killed" not in request.node.name:
            # one cluster for all that leave its workers alive
            from dask_clusters import shared

            self.said["address"] = shared().address

    def make_engine(self) -> Engine:
        return EngineChoice.of(self.said).make()
