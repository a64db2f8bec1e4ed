"""The exit code of `run --exit-code=mask`: a sum of what there was among the outcomes of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.outcomes import CANCEL, FAIL, NONE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from treadle.core.outcomes import Outcome

DIFFED, TIMEOUT, FAILED, CANCELLED, NOT_STARTED, OTHER = (2, 4, 8, 16, 32, 64)
_OF_KIND = {"diffed": DIFFED, "timeout": TIMEOUT, "not_started": NOT_STARTED}
_OF_CATEGORY = {FAIL: FAILED, CANCEL: CANCELLED, NONE: OTHER}


def bits_of(outcomes: Iterable[Outcome]) -> int:
    """Return the sum of the bits of outcomes: 0 if all is well.

    What is blocked adds nothing: the failure before it has its bit.
    """
    bits = 0
    for outcome in outcomes:
        bits |= _OF_KIND.get(outcome.kind) or _OF_CATEGORY.get(outcome.category, 0)
    return bits
