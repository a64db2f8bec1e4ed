"""Recorder: makes the events of a run of what happens in it.

A run with one edit loads it, to record itself: what only some runs need is imported where it is needed.
"""

from __future__ import annotations

from time import monotonic

from treadle.core.decision import blocked
from treadle.core.outcomes import BLOCKED, NO_OUTCOME, QUEUED, RAN, RESTORED, SKIPPED, STATUSES, outcome_of_end
from treadle.errors import PlanError, TreadleError

from .bus import Subscriber
from .encoding import SCHEMA, inside, place_data, problem_data, reason_data, without_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol

    from treadle.core.decision import Verdict
    from treadle.core.outcomes import Outcome

    from .attachments import Attachments
    from .bus import (
        Action,
        Ended,
        LogOpened,
        PlanRead,
        Requested,
        Restored,
        RunEnded,
        Started,
        Stored,
        WalkBegan,
        WalkEnded,
    )
    from .encoding import Event
    from .sanitize import Tail

    class Sink(Protocol):
        """Takes the events of a run."""

        @property
        def are_live(self) -> bool:
            """Whether they are read while the run lasts."""

        def set_root(self, root: str) -> None:
            """Use the folder that the paths of the events are relative to."""

        def take(self, event: Event) -> None:
            """Write or keep an event."""

        def flush(self) -> None:
            """Write the events that wait."""


TICK = 0.1
"""Seconds between two looks at the output of actions."""


class Recorder(Subscriber):
    """Records one run: its begin, what its walks do, its end.

    :param sink: it gets the events
    :param began: when the run began, on the monotonic clock
    :param files: the files that the run itself writes
    :param warn: prints a remark on the run
    """

    needs_all = True

    def __init__(
        self, sink: Sink, began: float, files: Sequence[str] = (), warn: Callable[[str], None] | None = None
    ) -> None:
        self.sink = sink
        self.files = files
        self.warn = warn
        self.tick = TICK if sink.are_live else None
        self.ends: dict[str, str] = {}
        """name -> status of all that have ended."""
        self.interrupted = False
        self._began = began
        self._saved = 0.0
        self._over_at: float | None = None
        self._redacted: Callable[[str], str] | None = None
        """Returns a text without the secrets of the plan; None as long as none was read."""
        self._root = ""
        """The folder that paths are relative to; that of the plan file as long as it was not read."""
        self._left: dict[str, Verdict | None] = {}
        self._why_left: Mapping[str, str] = {}
        """The actions that the last walk has not started."""
        self._starts: dict[str, float] = {}
        self._tails: dict[str, Tail] = {}
        self._logs: dict[str, str] = {}
        """Running action -> its log."""
        self._between: dict[str, dict[str, Any]] = {}
        """name -> the end of its last attempt, of actions that are to be tried again."""
        self._call: tuple[Sequence[str], Mapping[str, str]] | None = None
        """Words and parameters of the call, until they are recorded: the plan knows what is secret."""
        self._reported: dict[str, Sequence[str]] = {}
        """name -> outputs, of the actions whose outputs are shown."""
        self._attachments: Attachments | None = None
        self._has_plan = False
        self._known: set[str] = set()
        self._decided: set[str] = set()
        """Names whose verdict has been recorded."""
        self._next_look = 0.0

    def begin(
        self,
        root: str,
        began: str,
        names: Sequence[str],
        version: str,
        *,
        argv: Sequence[str] = (),
        params: Mapping[str, str] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Record that the run begins.

        :param root: the folder of the plan, as far as it is known
        :param began: date and time in UTC
        :param names: the names that were selected
        :param version: the version of Treadle
        :param argv: the words of the command line; none in a program
        :param params: the parameters that were given; None for a program that is not called with any
        :param about: further fields of the event: `host`, `jobs`, `commit`
        """
        self._set_root(root)
        self._call = (argv, params or {}) if argv or params is not None else None
        self._record("run", schema=SCHEMA, treadle=version, began=began, names=list(names), **(about or {}))
        self.sink.flush()

    def plan_read(self, event: PlanRead) -> None:
        """Record the plan."""
        self._set_root(event.root)
        is_first = not self._has_plan
        self._redacted = event.redacted
        self._has_plan = True
        if self._call is not None:
            redacted = self._said

            values = {
                name: redacted(value) if isinstance(value, str) else [redacted(one) for one in value]
                for name, value in event.params.items()
            }
            self._record("call", argv=[redacted(word) for word in self._call[0]], params=values)
            self._call = None
        if self.files and self._attachments is None:
            # without a file of events or a report nothing shows them
            from .attachments import Attachments

            self._attachments = Attachments(event.root)
        self._record(
            "plan",
            file=event.file,
            actions=event.total,
            queues=event.queues,
            left_out=dict(event.disabled),
        )
        if is_first and self.warn is not None:
            self._warn_of_files_in_the_way(event, self.warn)

    def _warn_of_files_in_the_way(self, plan: PlanRead, warn: Callable[[str], None]) -> None:
        """Warn of a file of the run that an action reads or makes: its content differs each time."""
        import os

        for path in self.files:
            touching = plan.touching(os.path.relpath(os.path.realpath(path), os.path.realpath(plan.root)))
            if touching:
                warn(f"{path} is part of what {touching[0]} reads or makes: it will run again each time")

    def waiting(self, holder: str) -> None:
        """Record which run is waited for."""
        self._record("waiting", holder=holder)
        self.sink.flush()

    def note(self, text: str) -> None:
        """Record a remark."""
        self._record("note", text=without_root(text, self._root))

    def walk_began(self, _: WalkBegan) -> None:
        """Write the events so far: those of the actions follow."""
        self.sink.flush()

    def action(self, event: Action) -> None:
        """Record an action."""
        if event.name in self._known:
            return
        self._known.add(event.name)
        if event.report:
            self._reported[event.name] = event.outputs
        data = {
            "name": event.name,
            "family": event.family,
            "help": event.help,
            "command": event.command,
            "needs": event.needs,
            "after": event.after,
            "queue": event.queue,
            "tokens": event.tokens,
        }
        if event.outputs:
            data["outputs"] = list(event.outputs)
        if event.place is not None:
            data["place"] = place_data(event.place, self._root)
        if event.conditions:
            data["conditions"] = event.conditions
        if event.is_last:
            data["finally"] = True
        self._take("action", data)

    def decided(self, name: str, verdict: Verdict) -> None:
        """Record the verdict on an action."""
        if name not in self._decided:
            self._decided.add(name)
            reasons = [reason_data(why) for why in verdict.reasons]
            self._take("verdict", {"name": name, "verdict": verdict.decision, "reasons": reasons})

    def started(self, event: Started) -> None:
        """Record the start of an attempt."""
        self._between.pop(event.name, None)
        start = self._starts[event.name] = _rounded(event.at - self._began)
        more = {"console": True} if event.console else {}
        self._record("started", name=event.name, attempt=event.attempt, slot=event.slot, start=start, **more)
        # after a kill, the file shows what was running
        self.sink.flush()

    def log_opened(self, event: LogOpened) -> None:
        """Follow the output of an attempt, which is all that its log has."""
        self._logs[event.name] = event.log
        from .sanitize import Tail

        self._tails[event.name] = Tail(event.log)

    def outputs_restored(self, event: Restored) -> None:
        """Record that outputs were restored."""
        about = {"name": event.name, "key": event.key, "store": event.store, "run": event.run, "host": event.host}
        times = {"seconds": _rounded(event.seconds), "saved": _rounded(event.saved)}
        self._record("restored", **about, bytes=event.size, **times)

    def outputs_stored(self, event: Stored) -> None:
        """Record that outputs were stored."""
        more = {"tied": event.tied} if event.tied else {}
        self._record("stored", name=event.name, key=event.key, store=event.store, bytes=event.size, **more)

    def cache_fault(self, store: str, kind: str) -> None:
        """Record a fault of a cache."""
        self._record("cache_fault", store=store, fault=kind)

    def attempt_ended(self, event: Ended) -> None:
        """Record the end of an attempt that another one follows."""
        end = self._between[event.name] = self._end_of(event)
        attempt = {key: end[key] for key in _OF_ATTEMPTS if key in end}
        if event.kept_log:
            attempt["log"] = inside(self._root, event.kept_log)
        self._record("attempt", **attempt, attempt=event.attempts, delay=event.delay or 0.0)

    def ended(self, event: Ended) -> None:
        """Record the end of an action; if it was to be tried again and was not, that of its last attempt."""
        last = self._between.get(event.name)
        if last is None or last["attempts"] != event.attempts:
            last = self._end_of(event)
        elif event.how != last["status"]:
            # more attempts had to end well
            last = {**last, **_end(event.name, event.outcome, event.attempts, last["duration"])}
        if event.how in (RAN, RESTORED, SKIPPED) and self._attachments is not None:
            for shown in self._attachments.of(self._reported.pop(event.name, ())):
                self._record("file", name=event.name, **shown)
        self._record_end(last)

    def round(self) -> None:
        """Record new output, and write the events."""
        now = monotonic()
        if self.tick is not None and now >= self._next_look:
            self._next_look = now + TICK
            for name in self._logs:
                self._record_output(name)
        self.sink.flush()

    def walk_ended(self, event: WalkEnded) -> None:
        """Keep the actions that the walk has not started: it may be the last one."""
        self._left, self._why_left = dict(event.verdicts), event.why
        self.interrupted = event.interrupted
        self._saved = event.saved

    def run_ended(self, event: RunEnded) -> None:
        """Record the actions that the run has not started."""
        self._over_at = event.at
        self._left, self._why_left = dict(event.verdicts), event.why
        self.interrupted = event.interrupted
        self._finish()

    def blocked(self, names: Sequence[str], origins: Sequence[str]) -> None:
        """Record blocked names of a plan that was not generated; nothing else is known of them."""
        verdict = blocked(origins)
        for name in names:
            if name not in self._known:
                self._known.add(name)
                known = {"family": name, "help": "", "command": "", "needs": list(origins), "after": []}
                self._record("action", name=name, **known, queue="default", tokens=1)
            self.decided(name, verdict)
            self._record_end(_end(name, outcome_of_end(BLOCKED)))

    def requested(self, event: Requested) -> None:
        """Record a request and its answer."""
        said = dict(event.request)
        text = without_root(event.text, self._root)
        self._record("request", user=event.user, via=event.via, ok=event.ok, text=text, **said)
        self.sink.flush()

    def problem(self, error: TreadleError) -> None:
        """Record the errors of a generated plan."""
        self.record_problems(error)

    def record_problems(self, error: BaseException) -> None:
        """Record an error, or each of the problems in it."""
        self._record_unread_call()
        for problem in error.problems if isinstance(error, PlanError) else (error,):
            if isinstance(problem, TreadleError):
                self._record("problem", **problem_data(problem, self._root))
            else:
                self._record("problem", text=f"{type(problem).__name__}: {problem}".removesuffix(": "))

    def summary(self, exit_code: int, skipped: int = 0) -> None:
        """Record the summary.

        :param skipped: how many more were skipped, of which nothing else is recorded
        """
        self._record_unread_call()
        if self._over_at is None:
            self._finish()
        counts = dict.fromkeys(STATUSES, 0)
        for status in self.ends.values():
            counts[status] += 1
        counts[SKIPPED] += skipped
        self._record(
            "summary",
            total=sum(counts.values()),
            counts=counts,
            duration=_rounded((self._over_at or monotonic()) - self._began),
            saved=_rounded(self._saved),
            interrupted=self.interrupted,
            exit_code=exit_code,
        )

    def _record_unread_call(self) -> None:
        """Record the call without its values: without the plan nothing says which are secret."""
        if self._call is not None:
            from treadle.core.redaction import REDACTED, without_any_values

            argv, params = self._call
            words = [without_root(word, self._root) for word in without_any_values(argv)]
            self._record("call", argv=words, params=dict.fromkeys(params, REDACTED))
            self._call = None

    def _finish(self) -> None:
        for name, verdict in self._left.items():
            if verdict is not None:
                self.decided(name, verdict)
            end = _end(name, NO_OUTCOME)
            if name in self._why_left:
                end["reason"] = without_root(self._why_left[name], self._root)
            self._record_end(end)
        self._left = {}

    def _end_of(self, event: Ended) -> dict[str, Any]:
        """Return the fields for the end of an attempt; its output is recorded before."""
        name = event.name
        end = _end(name, event.outcome, event.attempts, _rounded(event.duration))
        end["status"] = event.how
        if name in self._logs:
            self._record_output(name, last=True)
            del self._logs[name]
        start = self._starts.pop(name, None)
        if start is not None:
            end["start"] = start
            if QUEUED in event.heard:
                end["queued"] = _rounded(event.heard[QUEUED] - self._began)
            if event.resources is not None:
                end["resources"] = event.resources.as_data()
            if event.host:
                end["host"] = event.host
            if event.exit_code is not None:
                end["exit_code"] = event.exit_code
            if event.usage is not None:
                end["usage"] = event.usage.as_data()
        if event.values is not None:
            said = event.values.as_data()
            texts = said.get("attributes", {})
            texts.update({name: without_root(text, self._root) for name, text in texts.items()})
            end.update(said)
        if event.restored:
            end["restored"] = event.restored
        if event.store:
            end["store"] = event.store
        if event.emptied:
            end["emptied"] = list(event.emptied)
        if event.failure:
            end["failure"] = without_root(event.failure, self._root)
        elif event.outcome.reason:
            end["reason"] = without_root(event.outcome.reason, self._root)
        if event.log:
            end["log"] = inside(self._root, event.log)
            if event.failure and self._redacted is not None:
                from .sanitize import last_line

                # what a secret is only a plan says
                last = self._said(last_line(event.log))
                if last:
                    end["last_line"] = last
        return end

    def _said(self, text: str) -> str:
        """Return a text without the secrets of the plan, and without the folder that it is in."""
        return without_root(self._redacted(text) if self._redacted is not None else text, self._root)

    def _record_output(self, name: str, *, last: bool = False) -> None:
        text, omitted = self._tails[name].new(last=last)
        if text or omitted:
            self._record("output", name=name, text=text, **({"omitted": omitted} if omitted else {}))

    def _record_end(self, end: dict[str, Any]) -> None:
        name = end["name"]
        self._between.pop(name, None)
        self._tails.pop(name, None)
        self.ends[name] = end["status"]
        self._take("ended", end)

    def _record(self, kind: str, **fields: Any) -> None:
        self._take(kind, fields)

    def _take(self, kind: str, fields: Mapping[str, Any]) -> None:
        # each action that runs has four events, so their fields are copied once
        self.sink.take({"event": kind, "t": round(monotonic() - self._began, 6), **fields})

    def _set_root(self, root: str) -> None:
        self._root = root
        self.sink.set_root(root)


_OF_ATTEMPTS = (
    *("name", "outcome", "category", "queued", "start", "duration", "exit_code", "failure", "resources", "usage"),
    *("host", "last_line", "measurements", "attributes", "artifacts"),
)
"""The fields of an end that an attempt has too which another one follows."""


def _end(name: str, ended: Outcome, attempts: int = 0, duration: float = 0.0) -> dict[str, Any]:
    """Return the fields that each end has."""
    about = {"name": name, "status": ended.end, "outcome": ended.kind, "category": ended.category}
    return {**about, "attempts": attempts, "duration": duration}


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
