"""The words for how an action ended, as people and programs read them: one list for all."""

from __future__ import annotations

RAN = "ran"
SKIPPED = "skipped"
FAILED = "failed"
INTERRUPTED = "interrupted"
BLOCKED = "blocked"
NOT_STARTED = "not started"
"""The run ended before its turn."""

ENDS = (RAN, SKIPPED, FAILED, INTERRUPTED, BLOCKED)
"""How an action that had its turn may end."""
STATUSES = (*ENDS, NOT_STARTED)
