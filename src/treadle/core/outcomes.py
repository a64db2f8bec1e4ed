"""How actions end: the words for it, what became of each action of a walk, and the counts while a run goes on.

It knows no clock.
"""

from __future__ import annotations

from treadle.status import ReturnValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from .decision import Verdict

RAN = "ran"
SKIPPED = "skipped"
FAILED = "failed"
INTERRUPTED = "interrupted"
BLOCKED = "blocked"
SKIPPED_ITSELF = "skipped itself"
"""It said itself that it does not apply here."""
NOT_NEEDED = "not needed"
"""What it was needed for did not happen."""
NOT_STARTED = "not started"
"""The run ended before its turn."""

ENDS = (RAN, SKIPPED, FAILED, INTERRUPTED, BLOCKED, SKIPPED_ITSELF, NOT_NEEDED)
"""How an action that had its turn may end."""
STATUSES = (*ENDS, NOT_STARTED)
UP_TO_DATE = "up to date"


def label(how: str) -> str:
    """Return what people read of an end; programs read the end itself."""
    return UP_TO_DATE if how == SKIPPED else how


PASS, FAIL, CANCEL, SKIP, NONE = CATEGORIES = ("PASS", "FAIL", "CANCEL", "SKIP", "NONE")

KINDS: dict[str, tuple[str, int, ReturnValue, str]] = {
    "success": (PASS, 0, ReturnValue.success, RAN),
    "expected_diff": (PASS, 10, ReturnValue.success, RAN),
    "expected_failure": (PASS, 11, ReturnValue.success, RAN),
    "unchanged": (PASS, 12, ReturnValue.unchanged, RAN),
    "diffed": (FAIL, 64, ReturnValue.failure, FAILED),
    "failed": (FAIL, 65, ReturnValue.failure, FAILED),
    "error": (FAIL, 66, ReturnValue.failure, FAILED),
    "broken": (FAIL, 67, ReturnValue.failure, FAILED),
    "timeout": (FAIL, 68, ReturnValue.failure, FAILED),
    "invalid": (FAIL, 69, ReturnValue.failure, FAILED),
    "out_of_memory": (FAIL, 72, ReturnValue.failure, FAILED),
    "lost": (FAIL, 73, ReturnValue.failure, FAILED),
    "cancelled": (CANCEL, 70, ReturnValue.unknown, INTERRUPTED),
    "interrupted": (CANCEL, 71, ReturnValue.unknown, INTERRUPTED),
    "skip": (SKIP, 79, ReturnValue.skip, SKIPPED),
    "skipped": (SKIP, 80, ReturnValue.skip, SKIPPED_ITSELF),
    "blocked": (SKIP, 81, ReturnValue.force_fail, BLOCKED),
    "not_needed": (SKIP, 82, ReturnValue.skip, NOT_NEEDED),
    "disabled": (SKIP, 83, ReturnValue.skip, SKIPPED),
    "not_ready": (NONE, 75, ReturnValue.notready, FAILED),
    "not_started": (NONE, -1, ReturnValue.unknown, NOT_STARTED),
}
"""Kind of outcome -> its category, its code for people and for `--exit-code=mask`, the status that follows from it,
and the word that a run counts it under. The kinds, in this order:

- it did what it should; its outputs differed, or it failed, as was expected; it ran and found nothing to do
- its outputs differ from what was expected; it failed; it could not be started or asked; its outputs are missing;
  it reached its time limit; what it asks for cannot be given; it was killed for memory; its machine went away
- it was ended as somebody asked; the run ended
- nothing changed (`skip`); it said that it does not apply; a failure before it; its condition was not met although
  nothing failed; the plan has switched it off
- it was not ready and no attempt is left; the run ended before its turn
"""
_KINDS_OF_STATUS = {
    ReturnValue.success: "success",
    ReturnValue.unchanged: "unchanged",
    ReturnValue.failure: "failed",
    ReturnValue.notready: "not_ready",
    ReturnValue.skip: "skip",
    ReturnValue.force_fail: "blocked",
    ReturnValue.unknown: "error",
}


class Outcome:
    """How an attempt or an action has ended; it is never changed.

    :param category: PASS, FAIL, CANCEL, SKIP or NONE
    :param kind: one of `KINDS`, of that category
    :param code: that of the kind
    :param reason: in words, "" where the kind says it all
    :raises ValueError: there is no such kind, or it has another category
    """

    __slots__ = ("category", "code", "kind", "reason")

    def __init__(self, category: str, kind: str, code: int, reason: str = "") -> None:
        known = KINDS.get(kind)
        if known is None or known[:2] != (category, code):
            raise ValueError(f"there is no outcome {kind!r} of category {category!r} and code {code!r}")
        self.category = category
        self.kind = kind
        self.code = code
        self.reason = reason

    @property
    def status(self) -> ReturnValue:
        """The status that follows from it."""
        return KINDS[self.kind][2]

    @property
    def end(self) -> str:
        """The word that a run counts it under."""
        return KINDS[self.kind][3]

    @property
    def is_good(self) -> bool:
        """Whether it did what it should, or need not run."""
        return self.status.is_good

    def _key(self) -> tuple[str, str]:
        return (self.kind, self.reason)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Outcome{(self.category, self.kind, self.code, self.reason)!r}"

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}" if self.reason else self.kind


def outcome(kind: str, reason: str = "") -> Outcome:
    """Return the outcome of a kind.

    :raises ValueError: there is no such kind
    """
    category, code, _, _ = KINDS.get(kind, ("", 0, None, ""))
    return Outcome(category, kind, code, reason)


NO_OUTCOME = outcome("not_started")
_OF_STATUS = {status: outcome(kind) for status, kind in _KINDS_OF_STATUS.items()}


def outcome_of_status(status: ReturnValue, reason: str = "") -> Outcome:
    """Return the outcome that a bare status stands for; of `unknown` it is an error, as no job should end so."""
    return outcome(_KINDS_OF_STATUS[status], reason) if reason else _OF_STATUS[status]


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

    :param outcome: how it ended
    :param status: what follows from that; None if the walk ended before its turn
    :param verdict: what was decided, with the reasons, also if it then did not start; None if nothing was
    """

    __slots__ = (
        *("attempts", "duration", "failure", "interrupted", "is_open", "origins", "outcome", "status"),
        *("uid", "unrecorded", "verdict"),
    )

    def __init__(self, uid: Hashable, outcome: Outcome, verdict: Verdict | None) -> None:
        self.uid: Any = uid
        self.status: ReturnValue | None = None if outcome.kind == "not_started" else outcome.status
        self.outcome = outcome
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
