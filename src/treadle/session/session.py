"""Session: Treadle on a plan, for programs: run it, ask what a run would do, watch it."""

from __future__ import annotations

from time import monotonic

from .call import Call
from .fast_start import call_of, find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from treadle.core.decision import Verdict
    from treadle.events.bus import Subscriber

    from .run_report import RunReport
    from .watch.loop import WatchDisplay


class Session(Call):
    """Treadle on a plan. It prints nothing: subscribers are called with what happens.

    ::

        report = treadle.Session("plan.yaml").run()

    The parameters are those of `Call`.
    """

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
        """
        from .run import run

        self.began = monotonic()
        self.stops.forget()
        self.found = find(call_of(self.options), self.began)
        try:
            return run(self)
        finally:
            self.stops.detach()
            if self.found is not None:
                self.found.close()
                self.found = None

    def look(self) -> dict[str, Verdict]:
        """Return what a run would do with each action now, with the reasons; nothing is written or started.

        :raises TreadleError: the plan or the call is wrong, or the state cannot be read
        """
        from .look import looked

        plan = self.load()
        walk = looked(self, plan, [*self.selected(plan), *plan.makers])
        return {str(uid): verdict for uid, verdict in walk.verdicts.items()}

    def watch(self, display: WatchDisplay | None = None) -> None:
        """Run, and again each time something that it depends on changes, until `stop` is called.

        :param display: what shows the rounds
        :raises UsageError: the library that watches files is not there, or what was asked for is wrong
        """
        from .watch.loop import WatchLoop

        self.stops.forget()
        WatchLoop(self, display).run()
