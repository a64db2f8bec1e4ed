"""Each test of treadle.aio runs in asyncio's debug mode, and leaves nothing that was never awaited or retrieved."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture(autouse=True)
def _asyncio_has_nothing_to_complain_about(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    complaints = _Complaints()
    logger = logging.getLogger("asyncio")
    logger.addHandler(complaints)
    # what was there before needs no look
    gc.freeze()
    yield
    # what was never awaited or retrieved says so when it is collected; a warning is an error here
    gc.collect()
    gc.unfreeze()
    logger.removeHandler(complaints)
    assert not complaints.messages
