"""What is expected of actions before they run: how long they take, by records, and what they take up of a run.

It looks at no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from treadle.core.pool import Pool
    from treadle.state.records import Entry, Owner

    from .command import Limits


class ExpectedDurations:
    """What is expected of actions: what their last success took, else the median of their family.

    A family is what has one name up to an `@`: the instances of one action of a plan.

    :param entries: key -> what is known of an action
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._medians: dict[tuple[str, str], float] | None = None

    def of(self, owner: Owner) -> float | None:
        """Return the seconds that an action is expected to take, None if there is no record that says so."""
        entry = self._entries.get(owner.key)
        known = entry.last_success if entry is not None else None
        # 0: what was there was adopted, and nothing ran
        if known is not None and known[2]:
            return known[2]
        if self._medians is None:
            self._medians = _medians(self._entries.values())
        return self._medians.get((owner.label, _family(owner.uid)))


def _medians(entries: Iterable[Entry]) -> dict[tuple[str, str], float]:
    """Return label and family -> the median of what the last successes took."""
    families: dict[tuple[str, str], list[float]] = {}
    for entry in entries:
        known = entry.last_success
        if known is not None and known[2]:
            label, uid, seconds = known
            families.setdefault((label, _family(uid)), []).append(seconds)
    return {family: _median(sorted(all_of_it)) for family, all_of_it in families.items()}


def _family(uid: str) -> str:
    return uid.partition("@")[0]


def _median(ordered: list[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def shares_of(
    limits: Limits, queue: str, queues: Mapping[str, int], pool: Pool | None, max_running: int | None
) -> dict[str, float]:
    """Return name -> the part that an action takes of all that bounds how many run at the same time.

    :param queue: the queue that it waits in
    :param queues: name -> tokens
    :param pool: what there is; None if nothing asks for any
    """
    shares = {f"queue {queue}": limits.tokens / max(1, queues.get(queue, 1))}
    if max_running:
        shares["run"] = 1 / max_running
    if limits.limit:
        shares[f"group {limits.group}"] = 1 / limits.limit
    shares |= {f"mutex {name}": 1.0 for name in limits.mutex}
    resources: Mapping[str, int] = limits.resources
    if pool is not None and limits.fallbacks and limits.demand is not None:
        resources = pool.chosen(limits.demand).resources
    for kind, amount in resources.items():
        shares[f"resource {kind}"] = amount / max(1, _size(kind, pool))
    return shares


def _size(kind: str, pool: Pool | None) -> int:
    """Return how much there is of a type, over all nodes; each slot of an instance counts."""
    if pool is None:
        return 0
    from treadle.core.pool import size_of

    return sum(
        size_of(node.resources[kind]) * node.slots.get(kind, 1) for node in pool.nodes if kind in node.resources
    )
