"""The states of a recorded run."""

from __future__ import annotations

RUNNING, DONE, FAILED, STOPPED, LOST, BROKEN = "running", "done", "failed", "stopped", "lost", "broken"
STATES = (RUNNING, DONE, FAILED, STOPPED, LOST, BROKEN)
"""The states of a run; broken: the plan or the call was wrong."""
LOST_WITH_RUN = "its run was lost"
"""The failure of what was under way in a run that was lost."""
