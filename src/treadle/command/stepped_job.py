"""SteppedJob: a CommandJob that starts after other steps, each in a thread. Until then nothing of it is touched.

One step is here: to look its outputs up in caches of which one is elsewhere, so that no server holds the walk up.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from treadle.errors import TreadleError
from treadle.scheduling.job import Job
from treadle.status import ReturnValue

from .job import CommandJob

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from treadle.scheduling.job import Host

    from .caching import Hit

LOOK_UP_QUEUE = "shared cache"
"""The queue of the look-ups: they wait for a server, and take no room from what runs."""
LOOK_UPS = 8


class SteppedJob(CommandJob):
    """A CommandJob that starts after other steps.

    :param look_up: returns its outputs if a cache has them; None where that is no step
    :param stop_looking: ends what `look_up` waits for
    """

    def __init__(
        self,
        *arguments: Any,
        look_up: Callable[[], Hit | None] | None = None,
        stop_looking: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(*arguments)
        self._look_up = look_up
        self._stop_looking = stop_looking
        self._hit: Hit | None = None
        """The outputs that were found."""
        self._as_action = (self.queue_name, self.tokens, self.timeout, self.demand)
        self._steps: list[Callable[[], None]] = self._first_steps()
        if look_up is not None:
            self._steps.append(self._look)
        self._take_step()

    def _first_steps(self) -> list[Callable[[], None]]:
        """Return the steps before its outputs are looked up."""
        return []

    def _take_step(self) -> None:
        """Take the queue and the time limit of the next step."""
        self.guarding = bool(self._steps)
        self.queue_name, self.tokens, self.timeout, self.demand = self._as_action
        if self.guarding:
            self.queue_name = LOOK_UP_QUEUE if self.is_looking else self._queue_of_step()
            self.tokens, self.timeout, self.demand = 1, None, None

    def _queue_of_step(self) -> str:
        return "default"

    @property
    def is_asking(self) -> bool:
        """Whether the step is a question."""
        return False

    @property
    def is_looking(self) -> bool:
        """Whether the step is the look at caches."""
        return self.guarding and self._steps[0] == self._look

    @property
    def has_runner(self) -> bool:
        """Whether its step is the action itself."""
        return not self.guarding and super().has_runner

    def passed(self) -> None:
        """Go on to the next step, which is the action itself after the last one."""
        self._steps.pop(0)
        self.attempt = 0
        self._take_step()

    @property
    def status(self) -> ReturnValue:
        """That of the step."""
        if self.guarding:
            return ReturnValue.success if self.failure is None else ReturnValue.failure
        return super().status

    def start(self, slot: int, host: Host | None = None) -> None:
        """Start the step: in a thread, the action as any other."""
        if self.guarding and not self.left_out:
            Job.start(self, slot, host)
        else:
            super().start(slot, host)

    def run_guarded(self) -> None:
        """Take a step, in a thread."""
        if not self.guarding:
            super().run_guarded()
            return
        try:
            self._steps[0]()
        except (OSError, TreadleError) as error:
            self.fail(self._hidden(str(error)))
        except BaseException as error:
            self.fail(f"{type(error).__name__}: {error}")

    def interrupt(self) -> bool:
        """End the step."""
        if not self.guarding:
            return super().interrupt()
        if self.is_looking and self._stop_looking is not None:
            self._stop_looking()
        return Job.interrupt(self)

    def how_it_ended(self) -> str:
        """Return in words how the step has ended."""
        return (self._why_not_good() or "") if self.guarding else super().how_it_ended()

    def take_hit(self) -> Hit | None:
        """Return the outputs that were found, once."""
        hit, self._hit = self._hit, None
        return hit

    def _hidden(self, text: str) -> str:
        return text

    def _look(self) -> None:
        assert self._look_up is not None
        # caches are no reason to fail: then it runs
        with suppress(Exception):
            self._hit = self._look_up()
