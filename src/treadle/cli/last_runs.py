"""What `list` and `status` say of the last run of each action: its outcome, duration and age."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from treadle.core.outcomes import words
from treadle.ui.durations import duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from treadle.session.last_outcomes import LastOutcome

    Lasts = Mapping[str, LastOutcome | None]


def last_data(last: LastOutcome | None) -> dict[str, object]:
    """Return the last run of an action for programs; all is null where it has not come to an end."""
    return {
        "last_outcome": None if last is None else last.kind,
        "last_reason": None if last is None else last.outcome.reason or None,
        "last_ended": None if last is None else last.at / 1000,
        "last_duration": None if last is None else last.duration,
        "last_code": None if last is None else last.code,
        "last_memory": None if last is None else last.memory,
    }


def last_words(last: LastOutcome | None, now: float) -> str:
    """Return the last run of an action in words.

    :param now: milliseconds since the epoch
    """
    if last is None:
        return "has not run"
    took = "" if last.duration is None else f" in {duration(last.duration)}"
    return f"{words(last.kind)}{took}, {duration((now - last.at) / 1000)} ago"


def in_order(sort: str, uids: Iterable[str], lasts: Lasts) -> list[str]:
    """Return actions by name, or by the duration of their last run, the longest first.

    :param sort: `name` or `duration`
    """
    if sort == "name":
        return sorted(uids)
    return sorted(uids, key=lambda uid: _seconds(lasts[uid]), reverse=True)


def slowest(number: int, lasts: Lasts) -> list[str]:
    """Return so many actions that took longest when they last ran; none that did not."""
    return [uid for uid in in_order("duration", lasts, lasts) if _seconds(lasts[uid]) >= 0][:number]


def slowest_rows(number: int, lasts: Lasts) -> list[tuple[str, str]]:
    """Return the same with their last runs in words."""
    now = time() * 1000
    return [(uid, last_words(lasts[uid], now)) for uid in slowest(number, lasts)]


def _seconds(last: LastOutcome | None) -> float:
    return -1.0 if last is None or last.duration is None else last.duration
