"""Observer: the older way to follow a CommandWalk, with the walk and its jobs in place of data.

`Subscriber` has replaced it; it stays until the next release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.events.bus import Subscriber

if TYPE_CHECKING:
    from typing import Any

    from treadle.core.decision import Verdict
    from treadle.events.bus import Ended, Started, WalkBegan

    from .job import CommandJob


class Observer:
    """Called with what happens in a CommandWalk; each method may be overridden."""

    def waiting(self, holder: str) -> None:
        """Take note that another run holds the state folder."""

    def note(self, text: str) -> None:
        """Take note of a line about the state."""

    def began(self, walk: Any) -> None:
        """Take note that the walk begins."""

    def decided(self, uid: str) -> None:
        """Take note that the verdict on an action was reached."""

    def started(self, job: CommandJob) -> None:
        """Take note that an attempt of an action starts."""

    def ended(self, uid: str, retry: bool) -> None:
        """Take note that an action ended or was skipped; with `retry` it starts again later."""

    def round(self) -> None:
        """Take note of each round of the loop, and of each tick."""


class Observed(Subscriber):
    """Calls an observer with what a walk publishes.

    :param observer: what it calls
    :param walk: the walk that it follows
    """

    def __init__(self, observer: Observer, walk: Any) -> None:
        self.observer = observer
        self.walk = walk

    def waiting(self, holder: str) -> None:
        """Pass it on."""
        self.observer.waiting(holder)

    def note(self, text: str) -> None:
        """Pass it on."""
        self.observer.note(text)

    def walk_began(self, _: WalkBegan) -> None:
        """Pass it on."""
        self.observer.began(self.walk)

    def decided(self, name: str, _: Verdict) -> None:
        """Pass it on."""
        self.observer.decided(name)

    def started(self, event: Started) -> None:
        """Pass it on."""
        self.observer.started(self.walk.starting[event.name])

    def attempt_ended(self, event: Ended) -> None:
        """Pass it on."""
        self.observer.ended(event.name, retry=True)

    def ended(self, event: Ended) -> None:
        """Pass it on."""
        self.observer.ended(event.name, retry=False)

    def round(self) -> None:
        """Pass it on."""
        self.observer.round()
