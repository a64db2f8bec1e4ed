"""Session: Treadle on a plan, for programs: run it, ask what a run would do, watch it."""

from __future__ import annotations

from _thread import allocate_lock
from contextlib import contextmanager
from time import monotonic

from treadle.errors import RunError, UsageError

from .call import Call
from .fast_start import call_of, find
from .options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from treadle.core.decision import Verdict
    from treadle.events.bus import Subscriber

    from .call import RunReport
    from .watch.loop import WatchDisplay


class Session(Call):
    """Treadle on a plan. It prints nothing: subscribers are called with what happens.

    ::

        report = treadle.Session("plan.yaml").run()

    A session has one run at a time.

    :param plan: the path of the plan; "" for that of the options
    :param options: what is asked for beside it
    :raises UsageError: something of it is of a wrong kind
    """

    def __init__(self, plan: str | PathLike[str] = "", options: Options | None = None) -> None:
        _require_right(plan, options)
        super().__init__(plan, options)
        self.options.check()
        self._running = allocate_lock()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Have a subscriber called with what happens in the runs of this session."""
        self.bus.add(subscriber)

    def stop(self) -> None:
        """Have the run end: what runs is ended, and ended at once the second time. Any thread may call this.

        It is for the run or watch of now: where there is none, it does nothing.
        """
        self.stops.request()

    def run(self) -> RunReport:
        """Run what was asked for, by a snapshot of the last run where that can answer; subscribers are told.

        :raises TreadleError: the plan or the call is wrong, or the state cannot be used
        :raises RunError: it runs already
        """
        from .run import run

        with self._alone():
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
        """Return what a run would do with each action now, with the reasons; nothing is written or started.

        :raises TreadleError: the plan or the call is wrong, or the state cannot be read
        """
        from .look import looked

        self.options.check()
        plan = self.load()
        walk = looked(self, plan, [*self.selected(plan), *plan.makers])
        return {str(uid): verdict for uid, verdict in walk.verdicts.items()}

    def watch(self, display: WatchDisplay | None = None) -> None:
        """Run, and again each time something that it depends on changes, until `stop` is called.

        :param display: what shows the rounds
        :raises UsageError: the library that watches files is not there, or what was asked for is wrong
        """
        from .watch.loop import WatchLoop

        with self._alone():
            WatchLoop(self, display).run()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold off other runs of this session; what was asked of the run before does not count for this one."""
        if not self._running.acquire(blocking=False):
            raise RunError("this session runs already", hint="make another one of the same plan")
        try:
            self.options.check()
            self.stops.forget()
            yield
        finally:
            self.stops.detach()
            self._running.release()


def _require_right(plan: object, options: object) -> None:
    if not isinstance(options, Options | None):
        raise UsageError(f"{options!r} is no treadle.Options", hint="for example Options(['build'], jobs=2)")
    if plan is not None and not isinstance(plan, str) and not hasattr(plan, "__fspath__"):
        raise UsageError(f"the plan is {plan!r}", facts=["expected the path of a plan"])
