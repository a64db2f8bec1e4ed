"""Which reasons to run are met by outputs from elsewhere too, such as a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .decision import (
    ADDED,
    AFTER_FAILURE,
    CHANGED,
    FAILED,
    INPUTS_MOVED,
    INTERRUPTED,
    NEW,
    OUTPUT_ALTERED,
    OUTPUT_MISSING,
    REMOVED,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .decision import Reason

_RESTORABLE = {
    *(NEW, CHANGED, ADDED, REMOVED, OUTPUT_MISSING, OUTPUT_ALTERED),
    *(FAILED, INTERRUPTED, INPUTS_MOVED, AFTER_FAILURE),
}
"""What is forced, or follows what is not known, runs."""


def may_restore(reasons: Iterable[Reason]) -> bool:
    """Return whether an action that runs for some reasons may have its outputs restored in place of that."""
    return all(why.kind in _RESTORABLE for why in reasons)
