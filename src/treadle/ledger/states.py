"""The states of a recorded run."""

from __future__ import annotations

RUNNING, DONE, FAILED, STOPPED, LOST, BROKEN = "running", "done", "failed", "stopped", "lost", "broken"
STATES = (RUNNING, DONE, FAILED, STOPPED, LOST, BROKEN)
"""The states of a run; broken: the plan or the call was wrong."""
