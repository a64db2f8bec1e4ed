"""The rounds of a run whose actions make plans: the makers first, then the whole plan is read again."""

from __future__ import annotations

from treadle.command_walk import CommandWalk, Settings

from .makers import with_makers_of_found
from .makers_of_plans import MAX_ROUNDS, forced_among, too_deep

TYPE_CHECKING = False
if TYPE_CHECKING:
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
        """Return the whole plan; what it returns is not whole if there is an `end` then."""
        made = [uid for uid in plan.makers if uid not in plan.unread]
        for _ in range(MAX_ROUNDS):
            unread = plan.unread
            if not unread:
                return plan
            if not self._walk(plan, unread):
                return plan
            made += unread
            plan = self.context.load_with(made)
        raise too_deep(plan)

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
