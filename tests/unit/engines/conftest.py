"""What the tests of engines share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from treadle.engines import process, process_marks
from treadle.engines.local import LocalRunner

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["pidfd", "waitid", "neither"])
def runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalRunner]:
    """A runner of programs, by each way of this system to learn of their ends."""
    monkeypatch.setattr(process_marks, "HAVE_PIDFD", request.param == "pidfd")
    monkeypatch.setattr(process, "HAVE_WAITID", request.param != "neither")
    made = LocalRunner()
    yield made
    made.close()
