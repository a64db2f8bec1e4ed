"""TimeLeft: how long the rest of a walk takes, if each action takes what is expected of it. It knows no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph.longest_path import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class TimeLeft:
    """The expected rest of a walk: it is no shorter than its longest path, nor than its work in full queues.

    :param seconds: action -> how long it is expected to take, None where that is not known
    :param paths: action -> the seconds of the longest path that begins with it
    :param shares: action -> name of what bounds how many run at the same time -> the part of it that it takes
    :param drains: returns whether nothing new starts, so that only what runs is left
    """

    def __init__(
        self,
        seconds: Mapping[str, float | None],
        paths: Mapping[str, float],
        shares: Mapping[str, Mapping[str, float]],
        drains: Callable[[], bool] = lambda: False,
    ) -> None:
        self._drains = drains
        self._seconds = {name: UNKNOWN if known is None else known for name, known in seconds.items()}
        """The actions that have not ended."""
        self._known = {name for name, known in seconds.items() if known is not None}
        self._paths = paths
        self._shares = shares
        self._order = sorted(self._seconds, key=lambda name: paths[name])
        """By their paths, the longest last; some may have ended."""
        self._work: dict[str, float] = {}
        """Name of what bounds -> the seconds that all of it is needed."""
        for name, taken in self._seconds.items():
            self._add(name, taken, self._work)

    def end(self, name: str) -> None:
        """Note that an action has ended, or is up to date."""
        taken = self._seconds.pop(name, None)
        if taken is not None:
            self._known.discard(name)
            self._add(name, -taken, self._work)

    def estimate(self, running: Mapping[str, float], now: float) -> float | None:
        """Return the seconds that are left; None where less than half of what is left has a known duration.

        :param running: action -> when it has started
        """
        if self._drains():
            return self._estimate_of_running(running, now)
        if not self._seconds or 2 * len(self._known) < len(self._seconds):
            return None
        longest = self._longest_of_waiting(running)
        work = dict(self._work)
        for name, since in running.items():
            taken = self._seconds.get(name)
            if taken is not None:
                spent = min(taken, max(0.0, now - since))
                longest = max(longest, self._paths[name] - spent)
                self._add(name, -spent, work)
        return max(longest, *work.values()) if work else longest

    def _estimate_of_running(self, running: Mapping[str, float], now: float) -> float | None:
        left = [name for name in running if name in self._seconds]
        if 2 * len(self._known.intersection(left)) < len(left):
            return None
        return max((self._seconds[name] - now + running[name] for name in left), default=None)

    def _add(self, name: str, seconds: float, work: dict[str, float]) -> None:
        for what, share in self._shares[name].items():
            work[what] = work.get(what, 0.0) + seconds * share

    def _longest_of_waiting(self, running: Mapping[str, float]) -> float:
        if len(self._order) > 2 * len(self._seconds):
            self._order = [name for name in self._order if name in self._seconds]
        for name in reversed(self._order):
            if name in self._seconds and name not in running:
                return self._paths[name]
        return 0.0
