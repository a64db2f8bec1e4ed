"""A subscriber that keeps how attempts and actions have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle import Subscriber

if TYPE_CHECKING:
    from treadle.events.bus import Ended


class Ends(Subscriber):
    """Keeps the ends of a walk."""

    def __init__(self) -> None:
        self.attempts: list[Ended] = []
        self.ends: list[Ended] = []

    def attempt_ended(self, event: Ended) -> None:
        """Keep the end of an attempt that another one follows."""
        self.attempts.append(event)

    def ended(self, event: Ended) -> None:
        """Keep the end of an action."""
        self.ends.append(event)
