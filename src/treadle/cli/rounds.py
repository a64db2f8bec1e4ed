"""The rounds of a run whose actions make plans: the makers first, then the whole plan is read again."""

from __future__ import annotations

from treadle.command_walk import CommandWalk, Settings
from treadle.errors import PlanError

from .makers import with_makers_of_found
from .makers_of_plans import Judged, forced_among, refuse_too_deep, with_all_after

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.plan import Plan
    from treadle.walk import Report

    from .context import Context
    from .progress import Progress
    from .recording import Recorder


class Rounds:
    """Brings the makers of plans up to date, until the whole plan is known.

    :param context: the call
    :param progress: who shows the run
    :param recorder: who tells of it, if anybody does
    """

    def __init__(self, context: Context, progress: Progress, recorder: Recorder | None) -> None:
        self.context = context
        self.progress = progress
        self.recorder = recorder
        self.done: set[str] = set()
        """The uids of all that has been walked."""
        self.end: Report | None = None
        """The report, if the run ends here."""

    def whole(self, plan: Plan) -> Plan:
        """Return the whole plan; what it returns is not whole if there is an `end` then.

        What was walked is walked again if it is another action in a plan that is better known.
        """
        made = [uid for uid in plan.makers if uid not in plan.unread]
        judged = Judged()
        judged.keep(plan, with_all_before(plan, made))
        while plan.unread:
            refuse_too_deep(plan)
            wanted = _first_of(plan)
            if not self._walk(plan, wanted):
                return plan
            judged.keep(plan, with_all_before(plan, wanted))
            made += wanted
            try:
                plan = self.context.load_with(made)
            except PlanError:
                # what was only looked at may read what has been made now
                if self.done.issuperset(made):
                    raise
                made = [uid for uid in made if uid in self.done]
                plan = self.context.load_with(made)
            moved = judged.take_moved(plan)
            if moved:
                self.done -= moved
                made = [uid for uid in made if uid not in moved]
                plan = self.context.load_with(made)
        return plan

    def _walk(self, plan: Plan, uids: list[str]) -> bool:
        context, options = self.context, self.context.options
        dag = plan.dag(with_makers_of_found(plan, uids), self.done)
        here = [str(uid) for uid in dag.vertex_data]
        settings = Settings(
            options.jobs,
            plan.queues,
            keep_going=options.keep_going,
            force=forced_among(plan, options, here),
            wait=options.wait,
        )
        progress = self.progress
        progress.plan = plan
        observer = progress if self.recorder is None else self.recorder.beside(progress, plan)
        report = CommandWalk(dag, plan.root, settings, observer).run()
        self.done.update(here)
        if report.ok and not report.interrupted:
            context.screen.erase()
            return True
        progress.finish(report, {})
        if self.recorder is not None:
            self.recorder.finish(report)
        self.end = report
        return False


def with_all_before(plan: Plan, uids: Sequence[str]) -> list[str]:
    """Return some actions and all that they need."""
    return [str(uid) for uid in plan.dag(with_makers_of_found(plan, list(uids))).vertex_data]


def _first_of(plan: Plan) -> list[str]:
    """Return those makers of unread plans that come first: of which no glob waits to see what the others make."""
    unsure = with_all_after(plan, plan.guessed) if plan.guessed else ()
    return [uid for uid in plan.unread if uid not in unsure] or plan.unread
