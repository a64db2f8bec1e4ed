"""A run, built from its events: the source of all reports. It knows no files and no format of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from treadle.core import wording
from treadle.core.outcomes import (
    FAILED,
    INTERRUPTED,
    KINDS,
    NO_OUTCOME,
    NOT_STARTED,
    SKIPPED,
    STATUSES,
    Outcome,
    outcome,
    outcome_of_end,
    told,
)
from treadle.errors import UsageError

from .schema import Event, check_shapes

UNFINISHED = "not finished"
"""The result of a run whose events end before it did."""


@dataclass(slots=True)
class Attempt:
    """One start of an action.

    :ivar slot: the lowest number that no other running action had
    :ivar start: seconds since the run began
    :ivar queued: when it began to wait for its turn, in seconds since then; None if no event has it
    :ivar duration: seconds, None as long as no event has it
    :ivar usage: what its programs have used, by the names of `core.outcomes.Usage`; empty if no event has it
    :ivar measurements: what it has measured itself, as a number for each name
    :ivar attributes: what else it has said of its work
    :ivar artifacts: paths of files that it has named
    :ivar resources: type -> the amount that it got of the pool, or the names of the instances
    :ivar host: where it ran, "" for the machine of the run
    :ivar last_line: the last line that it printed, if it failed
    :ivar log: its log; of an earlier attempt the one that is kept, if the run went on to the next
    :ivar output: texts that it printed, each with the number of bytes that are left out before it
    """

    number: int
    slot: int
    start: float
    duration: float | None = None
    failure: str = ""
    usage: Mapping[str, float] = field(default_factory=dict)
    measurements: Mapping[str, float] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    artifacts: list[str] = field(default_factory=list)
    outcome: Outcome = NO_OUTCOME
    queued: float | None = None
    exit_code: int | None = None
    resources: Mapping[str, float | list[str]] = field(default_factory=dict)
    host: str = ""
    log: str = ""
    last_line: str = ""
    output: list[tuple[str, int]] = field(default_factory=list)

    def printed(self) -> str:
        """Return its output, with a line for each gap."""
        return _joined(self.output)


@dataclass(slots=True, eq=False)
class ActionRun:
    """One action in a run.

    :ivar name: its uid
    :ivar about: the fields of its event `action`
    :ivar decided_at: when its verdict was reached, in seconds since the run began
    :ivar duration: seconds of its last attempt
    :ivar emptied: the output folders from which something was removed before it started
    :ivar restored: where its outputs came from, "" if it ran
    :ivar output: texts that its last attempt printed, each with the number of bytes that are left out before it
    :ivar files: the events `file`: what is shown of its outputs
    """

    name: str
    about: Mapping[str, Any]
    verdict: str = ""
    decided_at: float = 0.0
    reasons: list[Mapping[str, Any]] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    status: str = NOT_STARTED
    outcome: Outcome = NO_OUTCOME
    has_ended: bool = False
    duration: float = 0.0
    failure: str = ""
    emptied: list[str] = field(default_factory=list)
    restored: str = ""
    exit_code: int | None = None
    log: str = ""
    output: list[tuple[str, int]] = field(default_factory=list)
    files: list[Event] = field(default_factory=list)

    @property
    def family(self) -> str:
        """Its name in the plan; `fit` for `fit@a`."""
        return str(self.about.get("family", self.name))

    @property
    def command(self) -> str:
        """Its command in readable form."""
        return str(self.about.get("command", ""))

    @property
    def needs(self) -> list[str]:
        """The names of the actions that it waits for."""
        return [*self.about.get("needs", ()), *self.about.get("after", ())]

    @property
    def when(self) -> list[str]:
        """Which outcomes of others it needs, and whether it comes at the end, in words."""
        said = wording.conditions({str(name): str(text) for name, text in self.about.get("conditions", {}).items()})
        return [*(("at the end of the run",) if self.about.get("finally") else ()), *said]

    @property
    def outputs(self) -> list[str]:
        """The files and folders that it makes."""
        return list(self.about.get("outputs", ()))

    @property
    def why(self) -> str:
        """The reasons in words."""
        return "; ".join(str(why.get("text", "")) for why in self.reasons)

    @property
    def usage(self) -> Mapping[str, float]:
        """What the programs of its last attempt have used, empty if that is not known."""
        return self.attempts[-1].usage if self.attempts else {}

    @property
    def waited(self) -> float:
        """Seconds from its verdict to its first start: it waited for tokens, and for its turn."""
        return max(0.0, self.attempts[0].start - self.decided_at) if self.attempts else 0.0

    @property
    def told(self) -> str:
        """In words why it ended as it did."""
        return told(self.outcome.kind, self.failure or self.outcome.reason)

    def printed(self) -> str:
        """Return the output of its last attempt, with a line for each gap."""
        return _joined(self.output)


def _joined(output: Iterable[tuple[str, int]]) -> str:
    parts = []
    for text, omitted in output:
        if omitted:
            parts.append(f"[... {omitted:,} bytes are left out ...]\n")
        parts.append(text)
    return "".join(parts)


def further(problem: Event) -> list[str]:
    """Return the facts and the hint of an error."""
    facts = [str(fact) for fact in problem.get("facts", ())]
    return [*facts, f"hint: {problem['hint']}"] if problem.get("hint") else facts


@dataclass(slots=True, eq=False)
class Run:
    """A run; it grows with each event that it takes.

    :ivar began: when it began, as ISO 8601 in UTC
    :ivar names: the names that were asked for; none in a bare run
    :ivar host: the name of the machine
    :ivar jobs: how many actions could run in parallel, 0 if no event says so
    :ivar commit: the commit that was checked out, "" if there was none
    :ivar argv: the words of the command line
    :ivar params: the values of the parameters of the plan
    :ivar plan: the path of the plan, relative to its root
    :ivar left_out: disabled action -> why the plan disables it
    :ivar order: the actions that have ended, in the order of their ends
    :ivar summary: the event `summary`; None if there is none, as of a run that was killed
    :ivar last: seconds from the begin of the run to its last event
    """

    began: str = ""
    treadle: str = ""
    names: list[str] = field(default_factory=list)
    host: str = ""
    jobs: int = 0
    commit: str = ""
    argv: list[str] = field(default_factory=list)
    params: Mapping[str, str | list[str]] = field(default_factory=dict)
    plan: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    actions: dict[str, ActionRun] = field(default_factory=dict)
    order: list[ActionRun] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Event] = field(default_factory=list)
    summary: Event | None = None
    last: float = 0.0

    @classmethod
    def of(cls, events: Iterable[Event]) -> Run:
        """Return the run of some events; of several runs the last one.

        :raises UsageError: an event is none that Treadle writes
        """
        run = cls()
        for event in events:
            if event["event"] == "run":
                run = cls()
            try:
                check_shapes(event)
                run.take(event)
            except (LookupError, TypeError, ValueError) as error:
                what = f"without {error}" if isinstance(error, LookupError) else f"with {error}"
                raise UsageError(
                    f"these are no events as Treadle writes them: there is one `{event['event']}` {what}"
                ) from error
        run.complete()
        return run

    def take(self, event: Event) -> None:
        """Add an event; a kind that is not known here is of a newer Treadle, and ignored."""
        self.last = max(self.last, float(event.get("t", 0.0)))
        take = _TAKERS.get(event["event"])
        if take is not None:
            take(self, event)

    def complete(self) -> None:
        """Mark actions that ran at the last event of a killed run as interrupted then."""
        for action in self.actions.values():
            attempt = action.attempts[-1] if action.attempts else None
            if attempt is not None and not action.has_ended:
                if attempt.duration is None:
                    attempt.duration = max(0.0, self.last - attempt.start)
                action.status, action.duration = INTERRUPTED, attempt.duration
                action.failure = action.failure or "the events end while it was running"
                action.outcome = attempt.outcome = outcome_of_end(INTERRUPTED)
                action.has_ended = True
                self.order.append(action)

    def counts(self) -> dict[str, int]:
        """Return how many actions have each status."""
        counts = dict.fromkeys(STATUSES, 0)
        for action in self.actions.values():
            counts[action.status] += 1
        if self.summary is not None:
            # a recorded run counts what was up to date, and says no more of it
            counts[SKIPPED] = max(counts[SKIPPED], int(self.summary.get("counts", {}).get(SKIPPED, 0)))
        return counts

    def with_status(self, *statuses: str) -> list[ActionRun]:
        """Return the actions with one of these statuses, in the order of the plan."""
        return [action for action in self.actions.values() if action.status in statuses]

    @property
    def result(self) -> str:
        """The result, in a word."""
        if self.problems:
            return "error"
        if self.summary is None:
            return UNFINISHED
        if self.summary.get("interrupted"):
            return "interrupted"
        return "failed" if self.summary.get("exit_code") else "succeeded"

    @property
    def duration(self) -> float:
        """Seconds that it took."""
        return float(self.summary["duration"]) if self.summary is not None else self.last

    @property
    def saved(self) -> float:
        """Seconds that skipping has saved."""
        return float(self.summary.get("saved", 0.0)) if self.summary is not None else 0.0

    def _of(self, event: Event) -> ActionRun:
        name = str(event["name"])
        action = self.actions.get(name)
        if action is None:
            action = self.actions[name] = ActionRun(name, {})
        return action

    def _take_run(self, event: Event) -> None:
        self.began, self.treadle = str(event.get("began", "")), str(event.get("treadle", ""))
        self.names = list(event.get("names", ()))
        self.host, self.commit = str(event.get("host", "")), str(event.get("commit", ""))
        self.jobs = int(event.get("jobs", 0))

    def _take_call(self, event: Event) -> None:
        self.argv, self.params = list(event.get("argv", ())), dict(event.get("params", {}))

    def _take_file(self, event: Event) -> None:
        self._of(event).files.append(event)

    def _take_plan(self, event: Event) -> None:
        self.plan, self.left_out = str(event.get("file", "")), dict(event.get("left_out", {}))

    def _take_action(self, event: Event) -> None:
        self._of(event).about = event

    def _take_note(self, event: Event) -> None:
        self.notes.append(str(event["text"]))

    def _take_problem(self, event: Event) -> None:
        self.problems.append(event)

    def _take_verdict(self, event: Event) -> None:
        action = self._of(event)
        action.verdict, action.reasons = str(event["verdict"]), list(event.get("reasons", ()))
        action.decided_at = float(event.get("t", 0.0))

    def _take_started(self, event: Event) -> None:
        attempt = Attempt(int(event["attempt"]), int(event["slot"]), float(event["start"]))
        action = self._of(event)
        action.attempts.append(attempt)
        action.output = attempt.output

    def _take_output(self, event: Event) -> None:
        self._of(event).output.append((str(event["text"]), int(event.get("omitted", 0))))

    def _take_attempt(self, event: Event) -> None:
        action = self._of(event)
        action.duration, action.failure = float(event["duration"]), str(event.get("failure", ""))
        number = event.get("attempt", event.get("attempts"))
        # an attempt that could not start has no event `started`
        action.outcome = _outcome(event)
        if action.attempts and number in (action.attempts[-1].number, None):
            action.attempts[-1].duration = action.duration
            action.attempts[-1].failure = action.failure
            for name in _OF_ATTEMPTS:
                if name in event:
                    setattr(action.attempts[-1], name, event[name])
            action.attempts[-1].outcome = action.outcome

    def _take_ended(self, event: Event) -> None:
        self._take_attempt(event)
        action = self._of(event)
        status = str(event["status"])
        action.status = status if status in STATUSES else FAILED
        if not action.has_ended:
            self.order.append(action)
        action.has_ended = True
        action.exit_code = event.get("exit_code")
        action.emptied = list(event.get("emptied", ()))
        action.restored = str(event.get("restored", ""))
        action.log = str(event.get("log", ""))

    def _take_summary(self, event: Event) -> None:
        self.summary = event


_OF_ATTEMPTS = (
    *(
        "queued",
        "exit_code",
        "last_line",
        "log",
        "resources",
        "usage",
        "measurements",
        "attributes",
        "artifacts",
        "host",
    ),
)
"""Fields of the end of an attempt that are kept as they are."""


def _outcome(event: Event) -> Outcome:
    """Return the outcome that the end of an attempt or an action has; older events have a status alone."""
    kind = str(event.get("outcome", ""))
    reason = str(event.get("reason", ""))
    return outcome(kind, reason) if kind in KINDS else outcome_of_end(str(event.get("status", FAILED)), reason)


_TAKERS = {
    "run": Run._take_run,
    "call": Run._take_call,
    "file": Run._take_file,
    "plan": Run._take_plan,
    "action": Run._take_action,
    "note": Run._take_note,
    "problem": Run._take_problem,
    "verdict": Run._take_verdict,
    "started": Run._take_started,
    "output": Run._take_output,
    "attempt": Run._take_attempt,
    "ended": Run._take_ended,
    "summary": Run._take_summary,
}
