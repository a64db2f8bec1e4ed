"""The states of a run, of an action in it and of an attempt of that, each with its legal steps.

A run checks its steps before it writes them as events: what is no step here is a bug. The ledger checks them again
when it reads them: there it comes from a run or an attempt that was given up, and is late. See `Steps` of
`core.outcomes` for the phases of a job in the scheduler, which the times of an attempt are of.
"""

from __future__ import annotations

from treadle.errors import InternalError

from .outcomes import CANCEL, FAIL, PASS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .outcomes import Outcome

OPENED, RUNNING, DRAINING, STOPPING = "opened", "running", "draining", "stopping"
DONE, FAILED, STOPPED, LOST, BROKEN = "done", "failed", "stopped", "lost", "broken"
_OVER = (DONE, FAILED, STOPPED, BROKEN)

RUN: Mapping[str, tuple[str, ...]] = {
    # nothing was walked yet: the plan may be wrong, the state in use
    OPENED: (RUNNING, *_OVER, LOST),
    RUNNING: (DRAINING, STOPPING, *_OVER, LOST),
    # nothing new starts: after failures, after so many ends, or near the limit of the run
    DRAINING: (STOPPING, *_OVER, LOST),
    # a request came; if all had ended by then, it has stopped nothing
    STOPPING: (*_OVER, LOST),
    **dict.fromkeys((*_OVER, LOST), ()),
}
"""State of a run -> those that may come next. `lost` is said by another one that looks; a run that goes on with one
that is over is a run of its own. Broken: the plan or the call was wrong."""

WAITING, READY, QUEUED, RETRYING = "waiting", "ready", "queued", "retrying"
BLOCKED, NOT_NEEDED, SKIPPED, CANCELLED = "blocked", "not needed", "skipped", "cancelled"

ACTION: Mapping[str, tuple[str, ...]] = {
    WAITING: (READY, BLOCKED, NOT_NEEDED, SKIPPED),
    # what could not be described, or asks for what there is not, never queues
    READY: (QUEUED, SKIPPED, DONE, FAILED, CANCELLED),
    QUEUED: (RUNNING, FAILED, CANCELLED),
    RUNNING: (DONE, FAILED, RETRYING, CANCELLED, SKIPPED),
    RETRYING: (QUEUED, DONE, FAILED, CANCELLED),
    **dict.fromkeys((BLOCKED, NOT_NEEDED, SKIPPED, DONE, FAILED, CANCELLED), ()),
}
"""State of an action -> those that may come next. What ran may say of itself that it was skipped; where the run
ends between two attempts, the end of the last one is that of the action."""

MADE, SUBMITTED, STARTED, REFUSED, ENDED = "made", "submitted", "started", "refused", "ended"

ATTEMPT: Mapping[str, tuple[str, ...]] = {
    MADE: (SUBMITTED,),
    SUBMITTED: (STARTED, REFUSED, LOST, CANCELLED),
    STARTED: (ENDED, LOST, STOPPING),
    STOPPING: (ENDED, LOST),
    # its report was found after all, and no other attempt has begun
    LOST: (ENDED,),
    **dict.fromkeys((REFUSED, CANCELLED, ENDED), ()),
}
"""State of an attempt -> those that may come next."""


def before(table: Mapping[str, tuple[str, ...]], state: str) -> tuple[str, ...]:
    """Return the states from which one may come next."""
    return tuple(one for one, following in table.items() if state in following)


def step(table: Mapping[str, tuple[str, ...]], old: str, new: str, what: str) -> str:
    """Return the new state.

    :param what: what it is a state of, in words
    :raises InternalError: there is no such step
    """
    if new not in table[old]:
        raise InternalError(f"{what} that is {old} cannot become {new}")
    return new


def end_of_run(exit_code: int, *, is_interrupted: bool, has_problems: bool) -> str:
    """Return the state that a run is in which has ended so.

    :param is_interrupted: whether a request has ended it
    :param has_problems: whether the plan or the call was wrong
    """
    if is_interrupted:
        return STOPPED
    return BROKEN if has_problems else FAILED if exit_code else DONE


def end_of(outcome: Outcome) -> str:
    """Return the state that an action is in which has ended so."""
    if outcome.category == PASS:
        return DONE
    if outcome.category == FAIL or outcome.kind == "not_ready":
        return FAILED
    if outcome.category == CANCEL or outcome.kind == "not_started":
        return CANCELLED
    return _OF_SKIPS.get(outcome.kind, SKIPPED)


_OF_SKIPS = {"blocked": BLOCKED, "not_needed": NOT_NEEDED}


class ActionStates:
    """The actions of a run that something has happened to, and their attempts: all that is reported is a step.

    What nothing was reported of waits. Steps between, such as that it was ready, need not be reported.
    """

    __slots__ = ("_attempts", "_states")

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._attempts: dict[str, tuple[int, str]] = {}

    def state(self, name: str) -> str:
        """Return the state of an action."""
        return self._states.get(name, WAITING)

    def begin(self, names: Iterable[str]) -> None:
        """Begin a walk: what was over is another action by its name, of a plan that was generated meanwhile."""
        if self._states:
            for name in names:
                if not ACTION[self._states.get(name, WAITING)]:
                    del self._states[name]
                    self._attempts.pop(name, None)

    def started(self, name: str, attempt: int) -> None:
        """Take in that an attempt has started.

        :raises InternalError: another one of it has not ended, or it has itself
        """
        number, state = self._attempts.get(name, (0, ENDED))
        # only what has ended, or is given up, is followed by another one
        if state not in _ENDS or attempt <= number:
            raise InternalError(f"attempt {attempt} of {name} cannot start: attempt {number} is {state}")
        self._attempts[name] = (attempt, STARTED)
        self._pass(name, RUNNING)

    def attempt_ended(self, name: str, attempt: int, outcome: Outcome) -> None:
        """Take in that an attempt has ended, and another one is to follow.

        :raises InternalError: it is not the one that runs
        """
        self._end_attempt(name, attempt, outcome)
        self._pass(name, RETRYING)

    def ended(self, name: str, attempts: int, outcome: Outcome) -> None:
        """Take in the end of an action.

        :param attempts: how many attempts it had
        :raises InternalError: it has ended already, or it is another attempt that runs
        """
        if name in self._attempts and self._attempts[name][1] == STARTED:
            self._end_attempt(name, attempts, outcome)
        self._pass(name, end_of(outcome))

    def _end_attempt(self, name: str, attempt: int, outcome: Outcome) -> None:
        number, state = self._attempts.get(name, (0, MADE))
        if number != attempt:
            raise InternalError(f"attempt {attempt} of {name} cannot end: attempt {number} is {state}")
        end = LOST if outcome.kind == "lost" else ENDED
        self._attempts[name] = (number, step(ATTEMPT, state, end, f"attempt {number} of {name}"))

    def _pass(self, name: str, new: str) -> None:
        """Come to a state, through those between that were not reported."""
        old = self._states.get(name, WAITING)
        if new not in _REACHED[old]:
            raise InternalError(f"{name} that is {old} cannot become {new}")
        self._states[name] = new


_ENDS = (ENDED, LOST)
_UNTOLD = (WAITING, READY, QUEUED, RETRYING)
"""States of an action that need not be reported before the next one is."""


def _reached(old: str) -> frozenset[str]:
    found, opened = set[str](), [old]
    while opened:
        for new in ACTION[opened.pop()]:
            if new not in found:
                found.add(new)
                if new in _UNTOLD:
                    opened.append(new)
    return frozenset(found)


_REACHED = {state: _reached(state) for state in ACTION}
"""State of an action -> the states that it may be reported to be in next."""
