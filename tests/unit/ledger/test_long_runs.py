"""A recorded run that lasts for some seconds has a thread beside its loop; a shorter one has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from treadle.events import background
from treadle.events.background import Background
from treadle.events.bus import Started
from treadle.ledger import recording as module
from treadle.ledger.recording import Recording, RunRecord

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the run lives by."""
    time = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: time[0])
    return time


def test_the_thread_begins_two_seconds_after_the_first_start(tmp_path: Path, now: list[float]) -> None:
    begun: list[Background] = []

    def begin(recording: Recording) -> Background:
        begun.append(Background(recording.warn))
        begun[-1].begin()
        return begun[-1]

    notes: list[str] = []
    (tmp_path / ".treadle").mkdir(mode=0o755)
    recording = Recording(lambda: str(tmp_path), RunRecord(now[0], 1e9), notes.append, begin_beside=begin)
    recording.round()
    now[0] += 10
    recording.round()
    assert begun == []
    recording.started(Started("a", 1, 0, now[0]))
    now[0] += background.DELAY - 0.1
    recording.started(Started("b", 1, 1, now[0]))
    recording.round()
    assert begun == []
    now[0] += 0.2
    recording.round()
    recording.round()
    assert [one.has_begun for one in begun] == [True]
    recording.close(0)
    assert [one.has_begun for one in begun] == [False]
    assert notes == []
