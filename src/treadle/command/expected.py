"""ExpectedDurations: how long actions are likely to take, by the records of a store. It looks at no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from treadle.state.records import Entry, Owner


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
