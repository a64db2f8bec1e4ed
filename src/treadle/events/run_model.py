"""A run as its events tell it: what all reports are made from. It knows no files and no format of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from treadle.core.outcomes import FAILED, INTERRUPTED, NOT_STARTED, STATUSES
from treadle.errors import UsageError

from .schema import Event

UNFINISHED = "not finished"
"""The result of a run whose events end before it did."""


class Attempt:
    """One start of an action.

    :param slot: the lowest number that no other running action had
    :param start: seconds since the run began
    :param duration: seconds, None as long as no event has said how long it took
    """

    __slots__ = ("duration", "failure", "number", "slot", "start")

    def __init__(self, number: int, slot: int, start: float) -> None:
        self.number = number
        self.slot = slot
        self.start = start
        self.duration: float | None = None
        self.failure = ""


class ActionRun:
    """One action in a run.

    :param name: its uid
    :param about: what the event `action` says of it
    """

    __slots__ = (
        *("about", "attempts", "decided_at", "duration", "exit_code", "failure", "has_ended", "log", "name"),
        *("emptied", "output", "reasons", "status", "verdict"),
    )

    def __init__(self, name: str, about: Mapping[str, Any]) -> None:
        self.name = name
        self.about = about
        self.verdict = ""
        self.decided_at = 0.0
        """When its verdict was reached, in seconds since the run began."""
        self.reasons: list[Mapping[str, Any]] = []
        self.attempts: list[Attempt] = []
        self.status = NOT_STARTED
        self.has_ended = False
        self.duration = 0.0
        """Seconds of its last attempt."""
        self.failure = ""
        self.emptied: list[str] = []
        """The output folders from which something was removed before it started."""
        self.exit_code: int | None = None
        self.log = ""
        self.output: list[tuple[str, int]] = []
        """Texts that it printed, and how many bytes before each are left out."""

    @property
    def family(self) -> str:
        """Its name in the plan; `fit` for `fit@a`."""
        return str(self.about.get("family", self.name))

    @property
    def command(self) -> str:
        """What it runs, as people read it."""
        return str(self.about.get("command", ""))

    @property
    def needs(self) -> list[str]:
        """The names of those that it waits for."""
        return [*self.about.get("needs", ()), *self.about.get("after", ())]

    @property
    def why(self) -> str:
        """The reasons in words."""
        return "; ".join(str(why.get("text", "")) for why in self.reasons)

    @property
    def waited(self) -> float:
        """Seconds from its verdict to its first start: it waited for tokens, and for its turn."""
        return max(0.0, self.attempts[0].start - self.decided_at) if self.attempts else 0.0

    def printed(self) -> str:
        """Return what it printed, with a line for each gap."""
        parts = []
        for text, omitted in self.output:
            if omitted:
                parts.append(f"[... {omitted:,} bytes are left out ...]\n")
            parts.append(text)
        return "".join(parts)


def further(problem: Event) -> list[str]:
    """Return what an error says beside its first line."""
    facts = [str(fact) for fact in problem.get("facts", ())]
    return [*facts, f"hint: {problem['hint']}"] if problem.get("hint") else facts


class Run:
    """A run; it grows with each event that it takes."""

    def __init__(self) -> None:
        self.began = ""
        """When it began, as ISO 8601 in UTC."""
        self.treadle = ""
        self.names: list[str] = []
        """What was asked for; nothing in a bare run."""
        self.plan = ""
        """The path of the plan, relative to its root."""
        self.left_out: Mapping[str, str] = {}
        self.actions: dict[str, ActionRun] = {}
        self.order: list[ActionRun] = []
        """The actions that have ended, in the order in which they did."""
        self.notes: list[str] = []
        self.problems: list[Event] = []
        self.summary: Event | None = None
        """What it all came to; None if its end was never told, as when it was killed."""
        self.last = 0.0
        """Seconds from its begin to its last event."""

    @classmethod
    def of(cls, events: Iterable[Event]) -> Run:
        """Return the run that events tell; of several runs the last one.

        :raises UsageError: an event is none that Treadle writes
        """
        from .schema import check_shapes

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
        """Take in an event; a kind that is not known here is of a newer Treadle, and left alone."""
        self.last = max(self.last, float(event.get("t", 0.0)))
        take = _TAKERS.get(event["event"])
        if take is not None:
            take(self, event)

    def complete(self) -> None:
        """Say of what ran at the last event, in a run that was killed, that it was interrupted then."""
        for action in self.actions.values():
            attempt = action.attempts[-1] if action.attempts else None
            if attempt is not None and not action.has_ended:
                if attempt.duration is None:
                    attempt.duration = max(0.0, self.last - attempt.start)
                action.status, action.duration = INTERRUPTED, attempt.duration
                action.failure = action.failure or "the events end while it was running"
                action.has_ended = True
                self.order.append(action)

    def counts(self) -> dict[str, int]:
        """Return how many actions have each status."""
        counts = dict.fromkeys(STATUSES, 0)
        for action in self.actions.values():
            counts[action.status] += 1
        return counts

    def with_status(self, *statuses: str) -> list[ActionRun]:
        """Return the actions with one of these statuses, in the order of the plan."""
        return [action for action in self.actions.values() if action.status in statuses]

    @property
    def result(self) -> str:
        """What it came to, in a word."""
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
        self._of(event).attempts.append(attempt)

    def _take_output(self, event: Event) -> None:
        self._of(event).output.append((str(event["text"]), int(event.get("omitted", 0))))

    def _take_attempt(self, event: Event) -> None:
        action = self._of(event)
        action.duration, action.failure = float(event["duration"]), str(event.get("failure", ""))
        number = event.get("attempt", event.get("attempts"))
        # an attempt that could not even start has told no start
        if action.attempts and number in (action.attempts[-1].number, None):
            action.attempts[-1].duration = action.duration
            action.attempts[-1].failure = action.failure

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
        action.log = str(event.get("log", ""))

    def _take_summary(self, event: Event) -> None:
        self.summary = event


_TAKERS = {
    "run": Run._take_run,
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
