"""The states that a recorded run comes through, as it says them itself and as the ledger has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers import Fifo, plan
from treadle import Options, Session, Subscriber, TreadleError
from treadle.core.states import RUN
from treadle.ledger.ledger import open_ledger
from treadle.ledger.queries import RunFilter, runs

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
actions:
  good: {sh: "true"}
  bad: {sh: "exit 1"}
  slow: {sh: "exec sleep 600"}
  held: {sh: "read -r line < down"}
"""


class States(Subscriber):
    """Keeps the states that a run is in, and stops it once something has started that waits for that."""

    tick = 0.05

    def __init__(self, session: Session, down: Fifo) -> None:
        self.session = session
        self.seen: list[str] = []
        self.down = down

    def look(self) -> None:
        recording = self.session.recording
        if recording is not None and self.seen[-1:] != [recording.state]:
            self.seen.append(recording.state)

    def log_opened(self, event: object) -> None:
        self.look()
        if getattr(event, "name", "") == "slow":
            self.session.stop()

    def round(self) -> None:
        self.look()

    def draining(self) -> None:
        self.look()
        self.down.open()

    def stop_requested(self, count: int) -> None:
        self.look()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["good"], ["running", "done"]),
        # what runs goes on to its end
        (["bad", "held"], ["running", "draining", "failed"]),
        (["slow"], ["running", "stopping", "stopped"]),
        (["good", "nonsense"], ["broken"]),
    ],
)
def test_a_run_comes_through_its_states(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    path = plan(tmp_path, PLAN)
    session = Session(path, Options(names, record=True, jobs=2))
    states = States(session, Fifo(tmp_path / "down"))
    session.subscribe(states)
    # so that there is a folder to record in
    Session(path, Options(["good"], record=True)).run()
    try:
        session.run()
    except TreadleError:
        assert expected == ["broken"]
    states.look()
    # what comes at once is not seen in between
    assert [one for one in states.seen if one != "opened"] == expected
    for old, new in zip(states.seen, states.seen[1:], strict=False):
        assert new in RUN[old]
    with open_ledger(str(tmp_path / ".treadle"), print) as ledger:
        assert runs(ledger, RunFilter())[0].state == expected[-1]
