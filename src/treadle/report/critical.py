"""The critical path of a run: the chain of actions, each after the one before, that took longest.

No number of tokens makes the run shorter than it.
"""

from __future__ import annotations

from typing import Any

from treadle.core.graph.order import Wiring
from treadle.events.run_model import Run


def critical_path(run: Run) -> list[str]:
    """Return the names of the actions on the critical path that ran, in order; none if none ran."""
    needs: dict[Any, list[str]] = {
        name: [n for n in action.needs if n in run.actions] for name, action in run.actions.items()
    }
    took = {name: spent(run, name) for name in run.actions}
    best: dict[str, float] = {}
    before: dict[str, str | None] = {}
    wiring = Wiring(needs, (needs.__getitem__,))
    for name in (str(wiring.ids[number]) for number in wiring.sort()[0]):
        last = max(needs[name], key=lambda one: best.get(one, 0.0), default=None)
        best[name] = took[name] + (best.get(last, 0.0) if last is not None else 0.0)
        before[name] = last
    path = []
    at: str | None = max(best, key=best.__getitem__, default=None)
    while at is not None:
        if took[at] > 0:
            path.append(at)
        at = before[at]
    return path[::-1]


def spent(run: Run, name: str) -> float:
    """Return the seconds of all attempts of an action."""
    return sum(attempt.duration or 0.0 for attempt in run.actions[name].attempts)
