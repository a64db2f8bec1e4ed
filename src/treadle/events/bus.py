"""What happens in a walk, as data, and the bus that hands it to subscribers.

A walk publishes and does not know its subscribers. A subscriber is called in the thread of the walk. One that
raises is dropped with a note, and the run goes on without it.
"""

from __future__ import annotations

from treadle.core.outcomes import RAN, outcome_of_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import Any

    from treadle.core.decision import Reason, Verdict
    from treadle.core.outcomes import Outcome, Report, Usage
    from treadle.core.pool import Allocation
    from treadle.core.time_left import TimeLeft
    from treadle.core.values import Values
    from treadle.errors import Place, TreadleError


class Action:
    """An action of a walk, before anything is decided on it.

    :ivar name: its uid, as text
    :ivar family: the action of the plan that it is an instance of
    :ivar command: its command in readable form; "" if only the job knows it
    :ivar needs: the actions whose end it waits for, and whose failure blocks it
    :ivar after: the actions whose end it waits for, however they end
    :ivar place: where the plan declares it
    :ivar outputs: the files and folders that it makes
    :ivar report: whether reports show its outputs
    :ivar conditions: name -> the condition on its outcome, of those in `needs` of which not a success is needed
    :ivar is_last: whether it comes at the end of the run
    """

    __slots__ = (
        *("after", "command", "conditions", "family", "help", "is_last", "name", "needs"),
        *("outputs", "place", "queue", "report", "tokens"),
    )

    def __init__(
        self,
        name: str,
        *,
        family: str = "",
        help: str = "",  # noqa: A002 - the word of plans
        command: str = "",
        needs: Collection[str] = (),
        after: Collection[str] = (),
        queue: str = "default",
        tokens: int = 1,
        place: Place | None = None,
        outputs: Sequence[str] = (),
        report: bool = False,
        conditions: Mapping[str, str] | None = None,
    ) -> None:
        self.conditions = dict(conditions or {})
        self.is_last = False
        self.outputs = outputs
        self.report = report
        self.name = name
        self.family = family or name
        self.help = help
        self.command = command
        self.needs = sorted(needs)
        self.after = sorted(after)
        self.queue = queue
        self.tokens = tokens
        self.place = place


class WalkBegan:
    """A walk begins.

    :ivar names: the actions that it walks
    :ivar untouched: how many more actions are not walked, since their files have not changed
    :ivar queues: name -> tokens
    :ivar time_left: returns what is expected of how long its actions take; None where nothing can be
    :ivar unneeded: how many of those that are not walked are not needed, as long as nothing fails
    :ivar is_last: whether it is that of the actions at the end, which a first request to stop does not end
    :ivar describe: returns one of these actions, for a subscriber that needs a few of them; None where nothing can
    """

    __slots__ = ("describe", "is_last", "names", "queues", "time_left", "unneeded", "untouched")

    def __init__(
        self,
        names: Sequence[str],
        untouched: int,
        queues: Mapping[str, int],
        time_left: Callable[[], TimeLeft] | None = None,
        unneeded: int = 0,
        *,
        is_last: bool = False,
        describe: Callable[[str], Action] | None = None,
    ) -> None:
        self.is_last = is_last
        self.describe = describe
        self.unneeded = unneeded
        self.names = names
        self.untouched = untouched
        self.queues = queues
        self.time_left = time_left


class PlanRead:
    """A plan was read.

    :ivar file: its name, relative to the root
    :ivar root: the folder that all paths are relative to
    :ivar total: how many actions it has
    :ivar disabled: name -> why the plan disables it
    :ivar touching: returns the actions that read or make a path
    :ivar params: the values of its parameters
    :ivar redacted: returns a text without the secret values of its actions
    """

    __slots__ = ("disabled", "file", "params", "queues", "redacted", "root", "total", "touching")

    def __init__(
        self,
        file: str,
        root: str,
        total: int,
        queues: Mapping[str, int],
        disabled: Mapping[str, str],
        touching: Callable[[str], Sequence[str]],
        params: Mapping[str, str | Sequence[str]],
        redacted: Callable[[str], str],
    ) -> None:
        self.params = params
        self.redacted = redacted
        self.file = file
        self.root = root
        self.total = total
        self.queues = queues
        self.disabled = disabled
        self.touching = touching


class Started:
    """An attempt of an action starts.

    :ivar attempt: 1 for the first
    :ivar at: when, on the monotonic clock
    :ivar console: whether it has the terminal for itself
    """

    __slots__ = ("at", "attempt", "console", "name", "slot")

    def __init__(self, name: str, attempt: int, slot: int | None, at: float, *, console: bool = False) -> None:
        self.name = name
        self.attempt = attempt
        self.slot = slot
        self.at = at
        self.console = console


class LogOpened:
    """From now on an attempt prints to its log, which is empty.

    :ivar log: the path of the file
    :ivar output: how the action wants it to be shown: `stream`, `block` or `quiet`; "" where it does not say
    :ivar makes_files: whether its result is files, and not what it prints
    """

    __slots__ = ("attempt", "log", "makes_files", "name", "output")

    def __init__(self, name: str, attempt: int, log: str, *, output: str = "", makes_files: bool = True) -> None:
        self.name = name
        self.attempt = attempt
        self.log = log
        self.output = output
        self.makes_files = makes_files


class Ended:
    """An action ended, or one attempt of it.

    :ivar how: one of `core.outcomes.ENDS`
    :ivar outcome: how it ended, in full: `how` follows from it
    :ivar duration: seconds that the last attempt took
    :ivar reasons: why it ran; of a blocked action the failures that block it
    :ivar failure: how it failed, in words
    :ivar attempts: how often it was started
    :ivar emptied: the output folders from which something was removed before it started
    :ivar restored: the place that its outputs were restored from, "" if it ran
    :ivar store: the name of the cache that this was, "" if it has none
    :ivar command: its command in readable form
    :ivar log: the path of its log; "" if there is none
    :ivar kept_log: the path that this log has once the next attempt has started; "" if none follows
    :ivar exit_code: negative for a signal, None if no program of it ended
    :ivar delay: seconds until the next attempt, None if none follows
    :ivar grown: type of resources, or `timeout` -> the amount of the next attempt, of what it gets more of
    :ivar most: the largest number of attempts that it may have
    :ivar usage: what its programs have used, None if that is not known
    :ivar values: what it has said of its work, None for nothing
    :ivar resources: what its last attempt got of the pool, None where it asked for nothing there
    :ivar host: where its last attempt ran, as its engine says; "" for this machine
    :ivar heard: phase -> when its last attempt came to it, on the monotonic clock, of those that were reported
    """

    __slots__ = (
        *("attempts", "command", "delay", "duration", "emptied", "exit_code", "failure", "grown", "heard", "host"),
        "how",
        *("kept_log", "log", "most", "name", "outcome", "reasons", "resources", "restored", "store", "usage"),
        "values",
    )

    def __init__(
        self,
        name: str,
        how: str = RAN,
        duration: float = 0.0,
        reasons: Sequence[Reason] = (),
        failure: str = "",
        attempts: int = 1,
        emptied: Sequence[str] = (),
        *,
        command: str = "",
        restored: str = "",
        log: str = "",
        exit_code: int | None = None,
        delay: float | None = None,
        most: int = 1,
        usage: Usage | None = None,
        values: Values | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        self.name = name
        self.how = how
        self.outcome = outcome or outcome_of_end(how)
        self.duration = duration
        self.reasons = tuple(reasons)
        self.failure = failure
        self.attempts = attempts
        self.emptied = tuple(emptied)
        self.restored = restored
        self.command = command
        self.log = log
        self.exit_code = exit_code
        self.delay = delay
        self.grown: Mapping[str, float] = {}
        self.most = most
        self.usage = usage
        self.values = values
        self.kept_log = self.host = self.store = ""
        self.resources: Allocation | None = None
        self.heard: Mapping[str, float] = {}


class Requested:
    """A request to change what the run does, by another program or a method of the session; and its answer.

    :ivar request: its fields, with its `verb` and its `id`
    :ivar user: the name of the user that it comes from
    :ivar via: how it came: `socket`, `ledger` or `program`
    :ivar text: the answer, in words
    :ivar ok: whether it was done, or was so already
    """

    __slots__ = ("ok", "request", "text", "user", "via")

    def __init__(self, request: Mapping[str, Any], user: str, via: str, text: str, *, ok: bool) -> None:
        self.request = request
        self.user = user
        self.via = via
        self.text = text
        self.ok = ok


class Restored:
    """The outputs of an action were restored from a cache; its end follows.

    :ivar key: what they were found by
    :ivar store: the name of the cache
    :ivar run: the run that made them
    :ivar host: where that was
    :ivar size: bytes
    :ivar seconds: how long it took to fetch and place them
    :ivar saved: how long it took to make them
    """

    __slots__ = ("host", "key", "name", "run", "saved", "seconds", "size", "store")

    def __init__(
        self, name: str, key: str, store: str, *, run: str, host: str, size: int, seconds: float, saved: float
    ) -> None:
        self.name = name
        self.key = key
        self.store = store
        self.run = run
        self.host = host
        self.size = size
        self.seconds = seconds
        self.saved = saved


class Stored:
    """The outputs of an action were stored in a cache, possibly after its end.

    :ivar key: what they are found by
    :ivar store: the name of the cache
    :ivar size: bytes
    :ivar tied: the output that holds the path of the root, so that they are of use there alone; "" if none does
    """

    __slots__ = ("key", "name", "size", "store", "tied")

    def __init__(self, name: str, key: str, store: str, size: int, tied: str = "") -> None:
        self.name = name
        self.key = key
        self.store = store
        self.size = size
        self.tied = tied


class WalkEnded:
    """A walk is over.

    :ivar verdicts: action that was not started -> its verdict, None if nothing was decided
    :ivar why: action that was not started -> why, where that is known
    :ivar total: how many actions it has walked
    :ivar saved: seconds that the actions which were skipped took when they last ran
    """

    __slots__ = ("interrupted", "ok", "saved", "total", "verdicts", "why")

    def __init__(
        self,
        verdicts: Mapping[str, Verdict | None],
        *,
        ok: bool,
        interrupted: bool,
        saved: float = 0.0,
        total: int = 0,
        why: Mapping[str, str] | None = None,
    ) -> None:
        self.why = why or {}
        self.verdicts = verdicts
        self.total = total
        self.ok = ok
        self.interrupted = interrupted
        self.saved = saved


def end_of_walk(report: Report, saved: float) -> WalkEnded:
    """Return what subscribers get of the end of a walk.

    :param saved: seconds that the actions which were skipped took when they last ran
    """
    left = {str(uid): one for uid, one in report.actions.items() if one.is_open}
    return WalkEnded(
        {name: one.verdict for name, one in left.items()},
        ok=report.ok,
        interrupted=report.interrupted,
        saved=saved,
        total=len(report.actions),
        why={name: one.outcome.reason for name, one in left.items() if one.outcome.reason},
    )


class RunEnded(WalkEnded):
    """A run of a plan is over; it has the data of the last walk.

    :ivar disabled: name -> why the plan disables it
    :ivar at: when, on the monotonic clock: subscribers are called one after the other
    """

    __slots__ = ("at", "disabled")

    def __init__(self, disabled: Mapping[str, str], walk: WalkEnded, at: float) -> None:
        super().__init__(
            walk.verdicts,
            ok=walk.ok,
            interrupted=walk.interrupted,
            saved=walk.saved,
            total=walk.total,
            why=walk.why,
        )
        self.disabled = disabled
        self.at = at


class Subscriber:
    """Called with what happens in a walk; a subclass overrides the methods that it needs."""

    tick: float | None = None
    """Seconds between two calls of `round` while an action runs; None: it is called at each end only."""
    needs_all = False
    """Whether it needs an event for each action of a plan, also if a snapshot shows that nothing has changed."""

    def waiting(self, holder: str) -> None:
        """Handle that another run holds the state folder.

        :param holder: that run, in words
        """

    def note(self, text: str) -> None:
        """Handle a remark on the walk or on the state."""

    def walk_began(self, event: WalkBegan) -> None:
        """Handle the begin of a walk."""

    def action(self, event: Action) -> None:
        """Handle an action; called for each one, after `walk_began`."""

    def decided(self, name: str, verdict: Verdict) -> None:
        """Handle the verdict on an action, with its reasons."""

    def asking(self, name: str, text: str) -> None:
        """Handle that the terminal is needed, to ask whether an action may start.

        :param text: the question
        """

    def answered(self, name: str) -> None:
        """Handle that the question is over; what came of it is in the next event of the action."""

    def started(self, event: Started) -> None:
        """Handle the start of an attempt."""

    def log_opened(self, event: LogOpened) -> None:
        """Handle that an attempt prints to its log from now on."""

    def attempt_ended(self, event: Ended) -> None:
        """Handle the end of an attempt that another one follows."""

    def outputs_restored(self, event: Restored) -> None:
        """Handle that the outputs of an action were restored from a cache."""

    def outputs_stored(self, event: Stored) -> None:
        """Handle that the outputs of an action were stored in a cache."""

    def cache_fault(self, store: str, kind: str) -> None:
        """Handle that a cache did not do what was asked of it; called once for each kind, a note says more.

        :param store: the name of the cache
        """

    def ended(self, event: Ended) -> None:
        """Handle the end of an action: it ran, was skipped, is blocked.

        Called once for each action that had its turn. The others are in the event of `walk_ended`.
        """

    def plan_read(self, event: PlanRead) -> None:
        """Handle the plan that is about to be walked; called again when more of it is known.

        On the fast path no plan is read.
        """

    def blocked(self, names: Sequence[str], origins: Sequence[str]) -> None:
        """Handle selected names that are not known, since the plan that declares them was not generated.

        :param origins: the failures that block them
        """

    def stop_requested(self, count: int) -> None:
        """Handle a request to stop the run.

        :param count: how many there were: the first terminates running actions, further ones kill them
        """

    def draining(self) -> None:
        """Handle that nothing new starts from now on: after failures, or after so many ends as were asked for."""

    def requested(self, event: Requested) -> None:
        """Handle a request to change what the run does, which was answered."""

    def problem(self, error: TreadleError) -> None:
        """Handle an error that does not end the run immediately."""

    def run_ended(self, event: RunEnded) -> None:
        """Handle the end of a run, which may have been several walks: the first ones generate plans."""

    def round(self) -> None:
        """Do what is due in each round of the loop, and at each tick."""

    def walk_ended(self, event: WalkEnded) -> None:
        """Handle the end of a walk."""


class Bus:
    """Hands what is published to each subscriber.

    :param subscribers: in the order in which they are called
    :param within: a bus whose subscribers are called first; one that raises is dropped there too
    """

    __slots__ = ("_subscribers", "_within")

    def __init__(self, subscribers: Iterable[Subscriber] = (), *, within: Bus | None = None) -> None:
        self._within = within
        self._subscribers: list[Subscriber] = list(within._subscribers) if within is not None else []
        for subscriber in subscribers:
            self.add(subscriber)

    def __bool__(self) -> bool:
        return bool(self._subscribers)

    def add(self, subscriber: Subscriber) -> None:
        """Add a subscriber: it is called with what is published from now on.

        :raises UsageError: it is no `Subscriber`
        """
        _require_subscriber(subscriber)
        self._subscribers.append(subscriber)

    @property
    def tick(self) -> float | None:
        """The shortest tick of the subscribers, None if none has one."""
        wanted = [one.tick for one in self._subscribers if one.tick is not None]
        return min(wanted, default=None)

    @property
    def needs_all(self) -> bool:
        """Whether a subscriber needs an event for each action of a plan."""
        return any(one.needs_all for one in self._subscribers)

    def wants(self, method: str) -> bool:
        """Return whether a subscriber overrides a method; otherwise its events need not be made."""
        ours = getattr(Subscriber, method)
        return any(getattr(type(one), method) is not ours or method in vars(one) for one in self._subscribers)

    def has(self, kind: type[Subscriber]) -> bool:
        """Return whether a subscriber of some class is called."""
        return any(isinstance(one, kind) for one in self._subscribers)

    def publish(self, method: str, *arguments: Any) -> None:
        """Call a method of each subscriber."""
        dropped: list[str] = []
        for subscriber in tuple(self._subscribers):
            try:
                getattr(subscriber, method)(*arguments)
            except Exception as error:
                self.remove(subscriber)
                name = type(subscriber).__name__
                dropped.append(f"{name}.{method} failed, and {name} is not called any more: {_in_words(error)}")
        for text in dropped:
            self.publish("note", text)

    def remove(self, subscriber: Subscriber) -> None:
        """Call a subscriber no more."""
        if self._within is not None:
            self._within.remove(subscriber)
        # by identity; what it has published itself may have dropped it before
        self._subscribers = [one for one in self._subscribers if one is not subscriber]


def _require_subscriber(given: object) -> None:
    if isinstance(given, Subscriber):
        return
    from treadle.errors import UsageError

    is_class = isinstance(given, type) and issubclass(given, Subscriber)
    raise UsageError(
        f"{given!r} cannot subscribe: expected an object of a subclass of treadle.Subscriber",
        hint="call the class: bus.add(MySubscriber())" if is_class else "",
    )


def _in_words(error: Exception) -> str:
    """Return an exception as text; if its own text fails, the name of its class."""
    try:
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    except Exception:
        return type(error).__name__
