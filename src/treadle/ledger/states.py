"""The states of a recorded run."""

from __future__ import annotations

from treadle.core.states import BROKEN, DONE, FAILED, LOST, RUNNING, STOPPED

STATES = (RUNNING, DONE, FAILED, STOPPED, LOST, BROKEN)
"""The states that the ledger distinguishes: of a run that goes on only that run knows more."""
LOST_WITH_RUN = "its run was lost"
"""The failure of what was under way in a run that was lost."""

__all__ = ["BROKEN", "DONE", "FAILED", "LOST", "LOST_WITH_RUN", "RUNNING", "STATES", "STOPPED"]
