"""The types of functions that callers hand in. No run loads this: annotations name them for type checkers alone."""

from __future__ import annotations

from collections.abc import Callable, Hashable

NotifyEnd = Callable[[Hashable], object]
"""Called with the uid of a job when the job has ended."""
