"""Several engines in one run: each attempt goes to the one that its job names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.errors import UsageError, listed

from .local import LocalRunner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .base import Attempt, AttemptEnd, AttemptStart, BaseRunner, Runner
    from .process import Process


class Engines:
    """A Runner that hands each attempt to the engine that the `engine` of its key names, "" for this machine.

    :param engines: name -> engine
    """

    def __init__(self, engines: Mapping[str, BaseRunner]) -> None:
        self.local = LocalRunner()
        self.engines = dict(engines)
        for engine in self.engines.values():
            engine.on_end = self.local.wake

    @property
    def grace(self) -> float:
        """Seconds between TERM and KILL."""
        return self.local.grace

    @grace.setter
    def grace(self, seconds: float) -> None:
        self.local.grace = seconds
        for engine in self.engines.values():
            engine.grace = seconds

    @property
    def active(self) -> int:
        """How many have been started and not been reported as ended."""
        return sum(engine.active for engine in self._all())

    @property
    def has_room(self) -> bool:
        """Whether each of them takes one more: which one it is for is not known yet."""
        return all(engine.has_room for engine in self._all())

    def start(self, key: object, attempt: Attempt) -> Process | None:
        """Have its engine start it.

        :raises UsageError: there is no engine of that name
        """
        return self._of(key).start(key, attempt)

    def tells_start(self, key: object) -> bool:
        """Return whether its engine reports when it starts."""
        name = getattr(key, "engine", "")
        return name in self.engines and self.engines[name].tells_start(key)

    def knows(self, key: object) -> bool:
        """Return whether it was started under this key and has not been reported as ended."""
        return any(engine.knows(key) for engine in self._all())

    def poll(self, timeout: float | None) -> list[AttemptStart | AttemptEnd]:
        """Wait until something is reported by one of them, `wake` is called or `timeout` seconds are over."""
        ended = self._elsewhere()
        ended += self.local.poll(0 if ended else timeout)
        return ended + self._elsewhere()

    def stop(self, key: object) -> None:
        """Ask for its end, and see to it after the grace."""
        self._of(key).stop(key)

    def kill(self, key: object) -> None:
        """End it at once."""
        self._of(key).kill(key)

    def recover(self) -> list[AttemptStart | AttemptEnd]:
        """Return what has ended in any of them, also what the last `poll` has returned."""
        return [end for engine in self._all() for end in engine.recover()]

    def wake(self) -> None:
        """Make a `poll` that is under way return; any thread and any signal handler may call it."""
        self.local.wake()

    def close(self) -> None:
        """Give their resources back; nothing may be running."""
        for engine in self._all():
            engine.close()

    def _all(self) -> list[Runner]:
        return [self.local, *self.engines.values()]

    def _elsewhere(self) -> list[AttemptStart | AttemptEnd]:
        return [end for engine in self.engines.values() if engine.active for end in engine.poll(0)]

    def _of(self, key: object) -> Runner:
        name = getattr(key, "engine", "")
        if not name:
            return self.local
        if name not in self.engines:
            raise UsageError(f"there is no engine {name!r}", facts=(f"there are {listed(self.engines) or 'none'}",))
        return self.engines[name]
