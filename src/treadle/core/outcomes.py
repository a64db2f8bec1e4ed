"""How actions go and end: their phases, the words for an end, what became of each one, and the counts of a run.

It knows no clock.
"""

from __future__ import annotations

from treadle.errors import InternalError
from treadle.status import ReturnValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from typing import Any, Self

    from .decision import Verdict
    from .pool import Allocation
    from .values import Values

RAN = "ran"
RESTORED = "restored"
"""Its outputs were brought back from a cache in place of running it."""
SKIPPED = "skipped"
FAILED = "failed"
INTERRUPTED = "interrupted"
BLOCKED = "blocked"
SKIPPED_ITSELF = "skipped itself"
"""It said itself that it does not apply here."""
NOT_NEEDED = "not needed"
"""What it was needed for did not happen."""
DISABLED = "disabled"
"""It was switched off."""
NOT_STARTED = "not started"
"""The run ended before its turn."""

ENDS = (RAN, RESTORED, SKIPPED, FAILED, INTERRUPTED, BLOCKED, SKIPPED_ITSELF, NOT_NEEDED, DISABLED)
"""How an action that had its turn may end."""
UNTRIED = (SKIPPED, NOT_NEEDED, DISABLED)
"""The ends of what was not tried, and need not be."""
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
    "restored": (PASS, 13, ReturnValue.success, RESTORED),
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
    "disabled": (SKIP, 83, ReturnValue.skip, DISABLED),
    "not_ready": (NONE, 75, ReturnValue.notready, FAILED),
    "not_started": (NONE, -1, ReturnValue.unknown, NOT_STARTED),
}
"""Kind of outcome -> its category, its code for people and for `--exit-code=mask`, the status that follows from it,
and the word that a run counts it under. The kinds, in this order:

- it did what it should; its outputs differed, or it failed, as was expected; it ran and found nothing to do; its
  outputs were brought back from a cache
- its outputs differ from what was expected; it failed; it could not be started or asked; its outputs are missing;
  it reached its time limit; what it asks for cannot be given; it was killed for memory; its machine went away
- it was asked to end; the run ended
- nothing changed (`skip`); it said that it does not apply; a failure before it; its condition was not met although
  nothing failed; the plan has switched it off
- it was not ready and no attempt is left; the run ended before its turn
"""
_WORDS = {
    "expected_diff": "differs as expected",
    "expected_failure": "failed as expected",
    "unchanged": "found nothing to do",
    "diffed": "differs",
    "timeout": "timed out",
}
"""Kind -> what people read, where that is neither the word of its end nor the kind itself."""
_SAID_BY_REASON = {
    *("success", "restored", "failed", "error", "broken", "timeout", "invalid", "interrupted"),
    *("skip", "skipped", "blocked", "not_needed", "disabled", "not_started"),
}
"""Kinds whose reason is enough: it says what went wrong, or follows the word of the end."""


def words(kind: str) -> str:
    """Return what people read of a kind of outcome."""
    if kind in ("success", "skip", "skipped"):
        return label(KINDS[kind][3])
    return _WORDS.get(kind, kind.replace("_", " "))


def told(kind: str, reason: str) -> str:
    """Return what people read of why something ended as it did: the reason, after the kind where that adds to it.

    :param reason: "" if there is none
    """
    said = words(kind)
    if not reason:
        return said
    return reason if kind in _SAID_BY_REASON or reason.startswith(said) else f"{said}: {reason}"


def remark(kind: str) -> str:
    """Return what people read of a kind after the word of its end, where that is not all; "" where it is."""
    return words(kind) if kind in _WORDS or kind == "cancelled" else ""


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

    @property
    def is_needless(self) -> bool:
        """Whether it has no result although nothing failed: it does not apply, or was not needed."""
        return self.is_good and self.category != PASS and self.kind != "skip"

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
_KINDS_OF_ENDS = {
    RAN: "success",
    RESTORED: "restored",
    SKIPPED: "skip",
    FAILED: "failed",
    INTERRUPTED: "interrupted",
    BLOCKED: "blocked",
    SKIPPED_ITSELF: "skipped",
    NOT_NEEDED: "not_needed",
    DISABLED: "disabled",
    NOT_STARTED: "not_started",
}


def outcome_of_end(how: str, reason: str = "") -> Outcome:
    """Return the outcome of something of which only the word is known that a run counts it under."""
    return outcome(_KINDS_OF_ENDS.get(how, "failed"), reason)


_OF_STATUS = {status: outcome(kind) for status, kind in _KINDS_OF_STATUS.items()}


def outcome_of_status(status: ReturnValue, reason: str = "") -> Outcome:
    """Return the outcome that a bare status means; of `unknown` it is an error, as no job should end so."""
    return outcome(_KINDS_OF_STATUS[status], reason) if reason else _OF_STATUS[status]


WAITING, READY, QUEUED, SUBMITTED, STARTED, FINISHING, DONE = PHASES = (
    *("waiting", "ready", "queued", "submitted", "started", "finishing", "done"),
)
STEPS: dict[str, tuple[str, ...]] = {
    WAITING: (READY,),
    READY: (QUEUED, DONE),
    QUEUED: (SUBMITTED,),
    SUBMITTED: (STARTED,),
    STARTED: (FINISHING,),
    FINISHING: (DONE, QUEUED),
    DONE: (),
}
"""Phase of an action -> the phases that may come next. The phases, in this order:

- what it comes after has not ended; that has, and it has a job; the job waits for tokens and resources
- it has these, and an engine has its attempt; that runs; it has ended and is seen to; nothing more comes of it

What is skipped, or could never start, is done at once; what is tried again is queued
again when its delay is over.
"""
_OF_AN_ATTEMPT = PHASES[2:]
_UNHEARD: Mapping[str, float] = {}


class Steps:
    """The phase of a job that was queued, and when each attempt of it has come to which phase.

    :param phase: that of a job for which nothing was reported yet
    """

    __slots__ = ("_heard", "phase")

    def __init__(self, phase: str = READY) -> None:
        self.phase = phase
        self._heard: list[dict[str, float]] = []

    @property
    def times(self) -> list[dict[str, float]]:
        """For each attempt the phases it has come to, each with its time on the monotonic clock.

        A step that was not reported is as late as the next one. Only the last attempt is `done` at some time.
        """
        return [filled_in(heard) for heard in self._heard]

    def go(self, phase: str, at: float) -> None:
        """Go on to the next phase.

        :raises InternalError: there is no such step
        """
        if phase not in STEPS[self.phase]:
            raise InternalError(f"a job that is {self.phase} cannot become {phase}")
        if phase == QUEUED:
            self._heard.append({})
        self.phase = phase
        self.hear(at)

    def pass_on(self, phase: str, at: float) -> None:
        """Come to a later phase of this attempt: what is between was not reported. What is there already stays.

        :raises InternalError: it is past that phase
        """
        if self.phase == phase:
            return
        number = PHASES.index(phase)
        if PHASES.index(QUEUED) <= PHASES.index(self.phase) < number:
            self.phase = PHASES[number - 1]
        self.go(phase, at)

    @property
    def heard(self) -> Mapping[str, float]:
        """What was reported of the last attempt: phase -> time, also what is reported later."""
        return self._heard[-1] if self._heard else _UNHEARD

    def hear(self, at: float) -> None:
        """Take in when this attempt has come to its phase; the last time that is said counts."""
        if self._heard:
            self._heard[-1][self.phase] = at


def filled_in(heard: Mapping[str, float]) -> dict[str, float]:
    """Return when an attempt has come to each phase, up to the last one that was reported.

    :param heard: phase -> time, of those that were
    """
    times: dict[str, float] = {}
    at = None
    for phase in reversed(_OF_AN_ATTEMPT):
        at = heard.get(phase, at)
        if at is not None:
            times[phase] = at
    return dict(reversed(times.items()))


NOT_QUEUED, SKIPPED_OVER = Steps(), Steps(DONE)
"""Those of all jobs that were not queued yet, and of all that never are: they are never changed."""


class Stepped:
    """What goes through the phases, and has a hook for each that something may be done at."""

    uid: Any
    steps = NOT_QUEUED
    """Its phase, and when each attempt has come to which one; a job that is started by hand has none of it."""

    def go(self, phase: str, at: float) -> None:
        """Go on to the next phase.

        :raises InternalError: there is no such step
        """
        if self.steps is NOT_QUEUED:
            self.steps = Steps()
        self.steps.go(phase, at)

    def on_queued(self, scheduler: Any) -> None:
        """Take note that an attempt waits for tokens and resources from now on."""

    def on_submitted(self, scheduler: Any) -> None:
        """Take note that an attempt has its tokens and resources, and is about to be given to what runs it."""

    def on_start(self, scheduler: Any) -> None:
        """Take note of the start; called when an attempt of it starts."""

    def on_finish(self, scheduler: Any) -> None:
        """Take note of the end; called when it was collected, also if it was skipped or interrupted."""


class _Attributes:
    """The `attributes` of a job, made when they are asked for; a subclass may set something else by this name."""

    def __get__(self, job: SaysValues | None, kind: type | None = None) -> dict[str, str]:
        return {} if job is None else values_of(job).attributes


class SaysValues:
    """What can say something of its work, besides how it has ended: measurements and attributes."""

    _treadle_values: Values | None = None
    """What its last attempt has said, None for nothing."""

    attributes = _Attributes()
    """Name -> text: what its last attempt has said of its work. A job adds to it."""

    def measure(self, name: str, value: float) -> None:
        """Say a measurement of this attempt; of one name the last value counts. Any thread may call this.

        :raises UsageError: the name is no text without blanks, or the value no finite number
        """
        values_of(self).measure(name, value)


def values_of(job: SaysValues) -> Values:
    """Return what the last attempt of a job has said, for more to be added."""
    if job._treadle_values is None:
        from .values import Values

        job._treadle_values = Values()
    return job._treadle_values


class JobTimingInfo(tuple[float | None, float | None, float]):
    """When a job started and ended (seconds since the epoch, None if it has not) and for how long it ran.

    It is a named tuple of these three, made without the module `collections`.
    """

    __slots__ = ()

    def __new__(cls, start_time: float | None, stop_time: float | None, duration: float) -> Self:
        """Return the three as one."""
        return super().__new__(cls, (start_time, stop_time, duration))

    @property
    def start_time(self) -> float | None:
        """When it started."""
        return self[0]

    @property
    def stop_time(self) -> float | None:
        """When it ended."""
        return self[1]

    @property
    def duration(self) -> float:
        """Seconds that it ran, or has run up to now."""
        return self[2]

    def __getnewargs__(self) -> tuple[float | None, float | None, float]:
        return (self[0], self[1], self[2])

    def __repr__(self) -> str:
        return f"JobTimingInfo(start_time={self[0]!r}, stop_time={self[1]!r}, duration={self[2]!r})"


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
        # what says of itself that it was not started is left
        if how in self.counts:
            self.counts[how] += 1

    def pause(self, uid: str) -> None:
        """Note the end of an attempt that another one follows."""
        self.running.pop(uid, None)


WHERE_KNOWN = ("largest_process", "tree_peak", "sampled_peak", "tree_read", "tree_written")
"""What of a `Usage` is not always known."""


class Usage:
    """What an attempt has used: its programs, and of their descendants those that were waited for.

    :ivar wall: seconds from the start of its first program to the end of its last one
    :ivar user: seconds of CPU in user mode
    :ivar system: seconds of CPU in the kernel
    :ivar blocks_in: blocks of 512 bytes that were read from storage; what the system had in memory does not count
    :ivar blocks_out: blocks of 512 bytes that were written to storage
    :ivar largest_process: bytes of memory at the peak of the largest single process, not of all together. None
        where none was clearly larger than the process that started it: the system counts that one in
    :ivar tree_peak: bytes of memory at the peak of all its processes together, with the files that the system kept
        in memory for them, as their control group counts it; None without one
    :ivar sampled_peak: bytes of memory of all its processes together, as the most that a look each second has
        found; None where there is a control group, and where it was over before the first look
    :ivar tree_read: bytes that its control group read from storage
    :ivar tree_written: bytes that its control group wrote to storage
    """

    __slots__ = (
        *("blocks_in", "blocks_out", "largest_process", "sampled_peak", "system", "tree_peak", "tree_read"),
        *("tree_written", "user", "wall"),
    )

    def __init__(
        self,
        wall: float,
        user: float,
        system: float,
        blocks_in: int = 0,
        blocks_out: int = 0,
        largest_process: int | None = None,
        *,
        tree_peak: int | None = None,
        sampled_peak: int | None = None,
        tree_read: int | None = None,
        tree_written: int | None = None,
    ) -> None:
        self.wall = wall
        self.user = user
        self.system = system
        self.blocks_in = blocks_in
        self.blocks_out = blocks_out
        self.largest_process = largest_process
        self.tree_peak = tree_peak
        self.sampled_peak = sampled_peak
        self.tree_read = tree_read
        self.tree_written = tree_written

    @property
    def cpu(self) -> float:
        """Seconds of CPU, in user mode and in the kernel."""
        return self.user + self.system

    def as_data(self) -> dict[str, float]:
        """Return it as data that JSON can hold, in the same units; what is not known is left out."""
        data: dict[str, float] = {name: round(getattr(self, name), 6) for name in ("wall", "user", "system")}
        data |= {"blocks_in": self.blocks_in, "blocks_out": self.blocks_out}
        for name in WHERE_KNOWN:
            amount = getattr(self, name)
            if amount is not None:
                data[name] = amount
        return data

    def __repr__(self) -> str:
        return f"Usage({', '.join(f'{name}={value!r}' for name, value in self.as_data().items())})"


_NOWHERE: frozenset[Hashable] = frozenset()
_NO_EARLIER: list[Any] = []
"""That of all that have had no attempt before: it is never changed."""
MOST_ATTEMPTS = 1000
"""Attempts of an action that are reported."""


class ActionReport:
    """How one action fared in a walk.

    :param outcome: how it ended
    :param status: what follows from that; None if the walk ended before its turn
    :param verdict: what was decided, with the reasons, also if it then did not start; None if nothing was
    """

    __slots__ = (
        *("attempt", "attempt_outcome", "duration", "earlier", "exit_code", "failure", "heard", "host"),
        *("interrupted", "is_open", "log", "origins", "outcome", "resources", "status", "uid", "unrecorded"),
        *("usage", "values", "verdict"),
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
        self.usage: Usage | None = None
        """What its last attempt has used; None where no program of it ran, or its engine does not say."""
        self.values: Values | None = None
        """What its last attempt has said of its work, None for nothing."""
        self.attempt = 0
        """The number of its last attempt, 0 if none has started."""
        self.attempt_outcome = outcome
        """How its last attempt has ended: well, where another one had to end well too and did not come to it."""
        self.earlier: list[ActionReport] = _NO_EARLIER
        """How it fared up to the end of each attempt before, the first one first."""
        self.heard: Mapping[str, float] = _UNHEARD
        """Phase -> when its last attempt came to it, of those that were reported."""
        self.host = ""
        """Where its last attempt ran, as its engine says; "" where that says nothing."""
        self.resources: Allocation | None = None
        """What its last attempt got of the pool, None where it asked for nothing there."""
        self.exit_code: int | None = None
        """That of its last attempt, negative for a signal; None if no program of it ended."""
        self.log = ""
        """The log of its last attempt, "" if it has none."""
        self.failure: str | None = None
        """Why it did not end well: an exit code, a signal, a time limit, an exception, an impossible demand. None
        where only the status that its job gave itself says so, and for what did not run."""
        self.interrupted = False
        """Whether it was ended from outside and by no time limit: what it would have done is not known then."""
        self.is_open = False
        """Whether the walk ended before its turn."""
        self.unrecorded: str | None = None
        """Why it is not on record though it ended well: what changed while it ran. It runs again next time."""

    def follow(self, before: ActionReport | None) -> None:
        """Take in what was reported of the action before: if that was of another attempt, it is an earlier one."""
        if before is None or not before.attempt:
            return
        if before.attempt < self.attempt:
            earlier = before.earlier or []
            earlier.append(before)
            del earlier[: 1 - MOST_ATTEMPTS]
            self.earlier, before.earlier = earlier, _NO_EARLIER
        else:
            self.earlier = before.earlier

    @property
    def attempts(self) -> list[AttemptReport]:
        """How each attempt of this run has gone, of many the last thousand; empty if none has started."""
        if not self.attempt:
            return []
        return [AttemptReport(one) for one in (*self.earlier, self)]

    @property
    def measurements(self) -> Mapping[str, float]:
        """Name -> number: what its last attempt has measured."""
        return {} if self.values is None else self.values.measurements

    @property
    def attributes(self) -> Mapping[str, str]:
        """Name -> text: what else its last attempt has said of its work."""
        return {} if self.values is None else self.values.attributes

    @property
    def artifacts(self) -> Sequence[str]:
        """The files that its last attempt has named as worth a look, relative to the root if they are in it."""
        return () if self.values is None else self.values.artifacts

    def __repr__(self) -> str:
        name = self.status.name if self.status is not None else "not started"
        return f"ActionReport({self.uid!r}, {name})"


class AttemptReport:
    """How one attempt of an action has gone.

    :ivar number: 1 for the first one
    :ivar reason: why it ended so, in words; "" where the outcome says it all
    :ivar duration: seconds that it took
    :ivar times: phase -> when it came to it, on the monotonic clock, see `Job.steps`
    :ivar resources: type -> the amount that it got of the pool, or the names of the instances; empty where it asked
        for nothing there
    :ivar host: where it ran, as its engine or else the pool calls it; "" where neither says so
    :ivar usage: what its programs have used, None where that is not known
    :ivar exit_code: negative for a signal, None if no program of it ended
    :ivar log: the path of its log, "" if it has none; of many attempts the first logs are not kept
    """

    __slots__ = (
        *("artifacts", "attributes", "duration", "exit_code", "host", "log", "measurements", "number", "outcome"),
        *("reason", "resources", "times", "usage"),
    )

    def __init__(self, report: ActionReport) -> None:
        ended, got = report.attempt_outcome, report.resources
        self.number = report.attempt
        self.outcome = ended
        self.reason = ended.reason if ended.is_good else report.failure or report.outcome.reason
        self.duration = report.duration
        self.times = filled_in(report.heard)
        self.resources: Mapping[str, int | Sequence[str]] = {} if got is None else got.as_data()
        self.host = report.host or ("" if got is None else got.node)
        self.usage, self.exit_code, self.log = report.usage, report.exit_code, report.log
        self.measurements, self.attributes = report.measurements, report.attributes
        self.artifacts = report.artifacts

    def __repr__(self) -> str:
        return f"AttemptReport({self.number}, {self.outcome.kind})"


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
