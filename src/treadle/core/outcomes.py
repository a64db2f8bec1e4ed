"""How actions end: the words for it, what became of each action of a walk, and the counts while a run goes on.

It knows no clock.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from treadle.status import ReturnValue

    from .decision import Verdict

RAN = "ran"
SKIPPED = "skipped"
FAILED = "failed"
INTERRUPTED = "interrupted"
BLOCKED = "blocked"
NOT_STARTED = "not started"
"""The run ended before its turn."""

ENDS = (RAN, SKIPPED, FAILED, INTERRUPTED, BLOCKED)
"""How an action that had its turn may end."""
STATUSES = (*ENDS, NOT_STARTED)
UP_TO_DATE = "up to date"


def label(how: str) -> str:
    """Return what people read of an end; programs read the end itself."""
    return UP_TO_DATE if how == SKIPPED else how


class RunCounts:
    """The progress of a run, as counts and names.

    :param total: how many actions it has
    :param began: when it began, in seconds of any clock that `now` is also taken from
    """

    __slots__ = ("began", "counts", "running", "total")

    def __init__(self, total: int, began: float) -> None:
        self.total = total
        self.began = began
        self.counts = dict.fromkeys(ENDS, 0)
        self.running: dict[str, float] = {}
        """uid -> when it started; in the order of the starts."""

    @property
    def done(self) -> int:
        """How many actions have ended."""
        return sum(self.counts.values())

    @property
    def left(self) -> int:
        """How many actions have neither ended nor started."""
        return self.total - self.done - len(self.running)

    def expect(self, number: int, how: str = "") -> None:
        """Add actions to the total.

        :param how: their end, if they have ended already
        """
        self.total += number
        if how:
            self.counts[how] += number

    def start(self, uid: str, now: float) -> None:
        """Note the start of an attempt."""
        self.running[uid] = now

    def end(self, uid: str, how: str) -> None:
        """Note the end of an action."""
        self.running.pop(uid, None)
        self.counts[how] += 1

    def pause(self, uid: str) -> None:
        """Note the end of an attempt that another one follows."""
        self.running.pop(uid, None)


_NOWHERE: frozenset[Hashable] = frozenset()


class ActionReport:
    """How one action fared in a walk.

    :param status: its last status; None if the walk ended before its turn
    :param verdict: what was decided, with the reasons, also if it then did not start; None if nothing was
    """

    __slots__ = (
        *("attempts", "duration", "failure", "interrupted", "is_open", "origins", "status"),
        *("uid", "unrecorded", "verdict"),
    )

    def __init__(self, uid: Hashable, status: ReturnValue | None, verdict: Verdict | None) -> None:
        self.uid: Any = uid
        self.status = status
        self.verdict = verdict
        self.origins: frozenset[Hashable] = _NOWHERE
        """The failures that it is blocked by: always those where it began, never those in between."""
        self.duration = 0.0
        """Seconds that its last attempt took."""
        self.attempts = 0
        self.failure: str | None = None
        """Why it did not end well: an exit code, a signal, a time limit, an exception, an impossible demand. None
        where only the status that its job gave itself says so, and for what did not run."""
        self.interrupted = False
        """Whether it was ended from outside and by no time limit: what it would have done is not known then."""
        self.is_open = False
        """Whether the walk ended before its turn."""
        self.unrecorded: str | None = None
        """Why it is not on record though it ended well: what changed while it ran. It runs again next time."""

    def __repr__(self) -> str:
        name = self.status.name if self.status is not None else "not started"
        return f"ActionReport({self.uid!r}, {name})"


class Report:
    """What a walk has done: one `ActionReport` for each action, in the order of the graph."""

    def __init__(self, actions: dict[Hashable, ActionReport], interrupted: bool) -> None:
        self.actions = actions
        self.interrupted = interrupted
        """Whether it was made to end before all was done: by `stop`, Ctrl-C or an exception in a hook."""

    @property
    def ok(self) -> bool:
        """Whether every action ended well or needed nothing."""
        return all(a.status is not None and a.status.is_good for a in self.actions.values())

    def with_status(self, *statuses: ReturnValue | None) -> list[ActionReport]:
        """Return the actions that ended with one of these statuses."""
        return [action for action in self.actions.values() if action.status in statuses]
