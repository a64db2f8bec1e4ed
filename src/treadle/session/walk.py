"""PlanWalk: the walk of a call over actions of a plan. It adds the checks and the events of the plan."""

from __future__ import annotations

from treadle._startup.interpreter import inherited
from treadle.command.walk import CommandWalk, Settings, usable_cpus
from treadle.events.bus import PlanRead

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from treadle.command.walk import Rest
    from treadle.core.graph.dag import DAG
    from treadle.core.pool import Pool
    from treadle.events.bus import Action
    from treadle.frontends.base import Project

    from .call import Call
    from .options import Options


class PlanWalk(CommandWalk):
    """A CommandWalk of a call.

    :param call: the call; events go to its bus
    :param plan: the plan; None if it was not loaded, as only its dirty part is walked
    :param done: the actions that an earlier walk of the same run has walked
    :param rest: the rest of the graph, if this is its dirty part
    """

    def __init__(
        self,
        call: Call,
        actions: DAG,
        root: str,
        settings: Settings,
        *,
        plan: Project | None = None,
        done: Collection[str] = (),
        rest: Rest | None = None,
    ) -> None:
        super().__init__(actions, root, settings, rest=rest)
        self.call = call
        self.plan = plan
        self.done = done
        self.bus = call.bus
        self._published_stops = 0

    def about_to_walk(self) -> None:
        """Refuse outputs of other plans; from now on requests to stop are for the walk.

        :raises PlanError: another plan makes the same
        """
        if self.plan is not None:
            from .conflicts import refuse_shared_outputs

            refuse_shared_outputs(self.plan, map(str, self.actions.vertex_data), self.store)
        self.call.under_way = True
        self.call.stops.attach(self)

    def describe(self, uid: Any) -> Action:
        """Return the data of an action for subscribers, with what the plan knows of it."""
        data = super().describe(uid)
        action = self.plan.actions.get(uid) if self.plan is not None else None
        if action is not None:
            data.family, data.help, data.place = action.family, action.help, action.place
            # those of the walk before are no longer in the graph
            data.needs = sorted({*data.needs, *(one for one in action.predecessors if one in self.done)})
        return data

    def _round(self) -> None:
        stops = self.call.stops
        stops.repeat()
        if stops.count != self._published_stops:
            self._published_stops = stops.count
            self.bus.publish("stop_requested", stops.count)
        super()._round()


def resource_settings(options: Options, plan: str) -> dict[str, Any]:
    """Return the settings of a walk about resources: what finds the pool, when the first action asks for some.

    :param plan: what the plan says, see `Project.pool`
    """
    most, _, told = plan.partition(" ")

    def find() -> Pool:
        from .pool import pool_of

        return pool_of(told, options.pool, options.resources, inherited(), options.jobs or usable_cpus())

    if options.pool:
        from treadle.plan.read.pool import read_file

        most = str(read_file(options.pool).get("max_running", most))
    return {"pool": find, "max_running": int(most) if most else None}


def publish_plan(call: Call, plan: Project, left_out: Mapping[str, str] | None = None) -> None:
    """Publish the plan that is about to be walked.

    :param left_out: name -> why it is disabled, if this differs from the plan
    """
    if not call.bus.wants("plan_read"):
        return
    from .lookup import PathUse

    queues = {"default": call.options.jobs or usable_cpus(), **plan.queues}
    disabled = {uid: why or "" for uid, why in (plan.left_out if left_out is None else left_out).items()}
    touching = PathUse(plan).users
    call.bus.publish("plan_read", PlanRead(plan.name, plan.root, len(plan.actions), queues, disabled, touching))
