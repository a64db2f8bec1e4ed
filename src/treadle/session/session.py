"""Session: a plan for programs: run it, look what a run would do, watch it."""

from __future__ import annotations

from _thread import allocate_lock
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from treadle.errors import RunError, UsageError

from .call import Call
from .fast_start import call_of, find
from .options import Options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike
    from typing import Any

    from treadle.core.decision import Verdict
    from treadle.events.bus import Subscriber

    from .call import RunReport
    from .watch.loop import WatchDisplay


class Session(Call):
    r"""A plan to run, look at or watch. It prints nothing: subscribers are called with what happens.

    >>> from pathlib import Path
    >>> from treadle import Session
    >>> plan = "treadle: 1\nactions: {a: {sh: 'echo > ${out}', out: made}}"
    >>> written = Path("plan.yaml").write_text(plan)
    >>> session = Session("plan.yaml")
    >>> session.run().ok
    True
    >>> session.look()["a"].decision
    'skip'

    A session has one run at a time.

    :param plan: the path of the plan; "" for that of the options
    :param options: the names, parameters and settings of its runs
    :raises UsageError: an argument is of a wrong kind
    """

    def __init__(self, plan: str | PathLike[str] = "", options: Options | None = None) -> None:
        _require_right(plan, options)
        super().__init__(plan, options)
        self.options.check()
        self._running = allocate_lock()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Add a subscriber, which is called with what happens in the runs of this session."""
        self.bus.add(subscriber)

    def stop(self) -> None:
        """End the current run or watch; a second call kills what runs. Any thread may call this.

        Without a run or watch it does nothing.
        """
        self.stops.request()

    def pause(self) -> str:
        """Start nothing new in the current run or watch until `go_on`; what runs goes on. Any thread may call this.

        :raises UsageError: the run is about to end
        """
        return self._asked({"verb": "pause"})

    def go_on(self) -> str:
        """Start again what may start. Any thread may call this.

        :raises UsageError: the run is about to end
        """
        return self._asked({"verb": "continue"})

    def set_limits(
        self,
        *,
        queues: Mapping[str, int] | None = None,
        resources: Mapping[str, int] | None = None,
        limits: Mapping[str, int] | None = None,
        max_running: int | None = None,
    ) -> str:
        """Change how much of the current run or watch may run at the same time, see `RunControl.set_limits`.

        Any thread may call this.

        :raises UsageError: one of these is not known to the run, or is more than there is: then nothing is changed
        """
        said = {"queues": queues, "resources": resources, "limits": limits, "max_running": max_running}
        return self._asked({"verb": "set", **{name: value for name, value in said.items() if value is not None}})

    def state(self) -> dict[str, Any]:
        """Return what the current run does, as docs/reference/command.md describes it. Any thread may call this."""
        from .controls import asked

        found: dict[str, Any] = asked(self, {"verb": "state"})["state"]
        return found

    def _asked(self, request: dict[str, Any]) -> str:
        from .controls import asked

        return str(asked(self, request)["text"])

    def run(self) -> RunReport:
        """Run the selected actions, by the fast path if possible, and return the report.

        :raises TreadleError: the plan or the call is wrong, or the state cannot be used
        :raises RunError: it runs already
        """
        with self._alone():
            return self._run()

    def resume(self, run: str = "last") -> RunReport:
        """Go on with a recorded run, and return the report: what that has done is not done again.

        Names, parameters and what else selects actions are those of that run; all other options are those of this
        session. The run is recorded.

        :param run: its identifier, the beginning of one, `last`, `last-1` and so on
        :raises UsageError: there is no such run, it is under way, or it is of another plan
        :raises TreadleError: the plan or the call is wrong, or the state cannot be used
        :raises RunError: the session runs already
        """
        from copy import copy

        from .recorded import resume_named

        options = self.options
        with self._alone():
            self.options = copy(options)
            try:
                resume_named(self, run, self.note)
                return self._run()
            finally:
                self.options, self.resuming = options, None

    def _run(self) -> RunReport:
        from .run import run

        self.began = monotonic()
        self.under_way = False
        self.found = find(call_of(self.options), self.began)
        try:
            return run(self)
        finally:
            if self.found is not None:
                self.found.close()
                self.found = None

    def look(self) -> dict[str, Verdict]:
        """Return the verdict on each action as of now, with reasons; nothing is written or started.

        :raises TreadleError: the plan or the call is wrong, or the state cannot be read
        """
        from .look import looked

        self.options.check()
        self.forget_selection()
        plan = self.load()
        walk = looked(self, plan, [*self.selected(plan), *plan.plan_producers])
        return {str(uid): verdict for uid, verdict in walk.verdicts.items()}

    def watch(self, display: WatchDisplay | None = None) -> None:
        """Run, and run again after each change of an input, until `stop` is called.

        :param display: shows the rounds
        :raises UsageError: the library that watches files is not installed, or the options are wrong
        """
        from .watch.loop import WatchLoop

        with self._alone():
            WatchLoop(self, display).run()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Refuse other runs of this session meanwhile; earlier requests to stop do not count."""
        if not self._running.acquire(blocking=False):
            raise RunError("this session runs already", hint="make another Session for the same plan")
        try:
            self.options.check()
            self.forget_selection()
            self.stops.forget()
            # of the run before
            self.controls = None
            yield
        finally:
            self.stops.detach()
            self._running.release()


def _require_right(plan: object, options: object) -> None:
    if not isinstance(options, Options | None):
        raise UsageError(f"{options!r} is not a treadle.Options", hint="for example Options(['build'], jobs=2)")
    if plan is not None and not isinstance(plan, str) and not hasattr(plan, "__fspath__"):
        raise UsageError(f"the plan is {plan!r}", facts=["expected the path of a plan"])
