"""PlanWalk: the walk of a call over actions of a plan. It adds the checks and the events of the plan."""

from __future__ import annotations

from treadle._startup.interpreter import inherited
from treadle.command.job import CommandJob
from treadle.command.walk import CommandWalk, Settings, usable_cpus
from treadle.errors import TreadleError, UsageError
from treadle.events.bus import PlanRead
from treadle.scheduling.scheduler import DRAINING

CACHE = "TREADLE_CACHE"
"""The variable that says whether a cache is used."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import Any

    from treadle.cache.base import OutputCache
    from treadle.command.command import Command
    from treadle.command.walk import Rest
    from treadle.core.callbacks import NotifyEnd
    from treadle.core.conditions import Start
    from treadle.core.graph.dag import DAG
    from treadle.core.outcomes import Outcome, Report
    from treadle.core.pool import Pool
    from treadle.events.bus import Action
    from treadle.frontends.base import Project
    from treadle.scheduling.job import Job

    from .call import Call
    from .options import Options
    from .resuming import Resuming
    from .shared_cache import Shared


class PlanWalk(CommandWalk):
    """A CommandWalk of a call.

    :param call: the call; events go to its bus
    :param plan: the plan; None if it was not loaded, as only its dirty part is walked
    :param done: the actions that an earlier walk of the same run has walked
    :param rest: the rest of the graph, if this is its dirty part
    :param last: the actions at the end of the run
    :param starts: uid -> how predecessors of it have ended in an earlier walk, where that decides whether it runs
    :param is_due: whether these take place whatever this walk does
    :param ended: uid -> how it ended, of what earlier walks of the same run have walked
    :param cache: what the plan says of its cache, see `Project.cache`, if it was not loaded
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
        last: DAG | None = None,
        is_due: bool = False,
        starts: Mapping[str, Sequence[Start]] | None = None,
        ended: Mapping[str, Outcome] | None = None,
        cache: str = "",
    ) -> None:
        said = cache if plan is None else plan.cache
        caches, self._shared = caches_of(call, said, root)
        system = system_of(said) if caches and '"system"' in said else ()
        names = namespaces_of(said) if caches else ()
        super().__init__(
            *(actions, root, settings),
            rest=rest,
            last=last,
            caches=caches,
            cache_system=system,
            cache_namespaces=names,
        )
        self.is_due = is_due
        self._starts = starts or {}
        self._ended = ended or {}
        self.call = call
        self.plan = plan
        self.done = done
        self.bus = call.bus
        if call.controls is not None:
            call.controls.begin(self)
        self._published_stops = 0
        self._is_draining = False
        if call.resuming is not None:
            self.patience = call.resuming.patience
            self.takes_over = call.resuming.takes_over
            if self.takes_over and (settings.engine is None or settings.engine.is_local):
                raise UsageError(
                    "programs of this machine end with their run: there is nothing to take over",
                    hint="without --hot it goes on; `engine:` or --engine has actions run by workers",
                )
        self._read_yes: Callable[[Callable[[], bool]], bool] | None = None

    @property
    def asks_servers(self) -> bool:
        """Whether one of its caches is elsewhere."""
        return self._shared is not None

    def about_to_walk(self) -> None:
        """Refuse outputs of other plans; from now on requests to stop are for the walk.

        :raises PlanError: another plan makes the same
        """
        if self.plan is not None:
            from .conflicts import refuse_shared_outputs

            last = self.last.vertex_data if self.last is not None else ()
            refuse_shared_outputs(self.plan, map(str, [*self.actions.vertex_data, *last]), self.store)
        if self.call.resuming is not None:
            self._resume(self.call.resuming)
        self.call.under_way = True
        self.call.stops.leaves = self.settings.engine is not None and self.call.options.outlive is not None
        self.call.stops.attach(self)

    def _resume(self, resuming: Resuming) -> None:
        """Take in what other runs have done meanwhile that go on with the same one.

        :raises UsageError: one of them is under way
        """
        recording = self.call.recording
        resuming.look_again(recording.id if recording is not None else "")
        self.settings.done_since = resuming.done_since
        forced = self.settings.force.difference(resuming.done_since, resuming.marked_done)
        self.settings.force = forced.union(resuming.marked_todo)
        self.settings.marked_done = resuming.marked_done

    def comes_before(self, uid: str) -> Collection[str]:
        """Return the actions that come directly before one, also those that an earlier walk has run."""
        action = None if self.plan is None else self.plan.actions.get(uid)
        planned = () if action is None else (*action.predecessors, *action.after)
        if uid not in self.actions.vertex_data:
            return planned
        # the graph has those too that it was found to read of
        return {*planned, *super().comes_before(uid)}

    def command_of(self, uid: str) -> Command:
        """Return the Command of an action, also of one that an earlier walk has run."""
        if uid in self.actions.vertex_data or self.plan is None or uid not in self.plan.actions:
            return super().command_of(uid)
        return self.plan.actions[uid].command

    def known_commands(self) -> Iterable[Command]:
        """Return the Commands of the whole plan."""
        others = [] if self.plan is None else [action.command for action in self.plan.actions.values()]
        return [*super().known_commands(), *others]

    def files_of_plan(self) -> Iterable[str]:
        """Return the files that the plan was read from."""
        plan = self.plan
        return () if plan is None else [plan.file, *(file for file, _ in plan.included.values()), *plan.looks.read]

    @property
    def _has_conditions(self) -> bool:
        return bool(self._starts) or super()._has_conditions

    def _outside_starts(self, uid: Any) -> Collection[Start]:
        return [*self._starts.get(uid, ()), *super()._outside_starts(uid)]

    def failures_of(self, report: Report) -> dict[str, str]:
        """Return uid -> kind of outcome of all that failed before the actions at the end, in earlier walks too."""
        before = {uid: ended.kind for uid, ended in self._ended.items() if ended.category == "FAIL"}
        return {uid: kind for uid, kind in before.items() if uid not in report.actions} | super().failures_of(
            report
        )

    def wants_last(self, report: Report) -> bool:
        """Return whether the actions at the end take place: also after an earlier walk that has started some."""
        return self.is_due or super().wants_last(report)

    def is_confirmed(self, uid: str, text: str) -> bool:
        """Return whether the call answers all questions.

        :raises TreadleError: it does not, and there is no terminal to ask on
        """
        if self.call.options.yes:
            return True
        if self._read_yes is None and self.call.asker is not None:
            self._read_yes = self.call.asker()
        if self._read_yes is None:
            raise TreadleError(
                f"it has to be confirmed, and there is no terminal to ask on (--yes answers): {text}"
            )
        return super().is_confirmed(uid, text)

    def confirm(self, uid: str, text: str, is_given_up: Callable[[], bool]) -> bool:
        """Read the answer to the question that the display has asked."""
        return super().confirm(uid, text, is_given_up) if self._read_yes is None else self._read_yes(is_given_up)

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
        """Return the job that runs the command; what lacked memory or time in a run that is resumed gets more."""
        job = super().create_job(uid, data, predecessors, notify_end)
        resuming = self.call.resuming
        if resuming is not None and uid in resuming.ends and isinstance(job, CommandJob):
            from treadle.scheduling.retrying import begin_after

            codes = () if job.command.codes is None else job.command.codes.retry
            seed = self._seed_of(uid)
            grown = begin_after(
                job, job.limits.retries, resuming.ends[uid], seed=seed, codes=codes, pool=self._find_pool
            )
            if grown:
                self.bus.publish("note", f"{uid}: it begins with {grown}, as its last attempt lacked that")
        return job

    def about_to_start(self, jobs: list[Any]) -> None:
        """Write the marks of a batch of jobs; where another run has taken over our identity, none starts."""
        ownership = self.call.ownership
        if ownership is not None and not ownership.may_start():
            for job in jobs:
                job.left_out = "another run has taken over its workflow"
            return
        super().about_to_start(jobs)

    def describe(self, uid: Any) -> Action:
        """Return the data of an action for subscribers, with what the plan knows of it."""
        data = super().describe(uid)
        action = self.plan.actions.get(uid) if self.plan is not None else None
        if action is not None:
            data.family, data.help, data.place = action.family, action.help, action.place
            data.report = action.report
            # those of the walk before are no longer in the graph
            data.needs = sorted({*data.needs, *(one for one in action.predecessors if one in self.done)})
            data.conditions.update(action.conditions)
        elif self.plan is None:
            # an instance is named by its family and its values
            data.family = uid.partition("@")[0]
        return data

    def _round(self) -> None:
        stops = self.call.stops
        stops.repeat()
        if stops.count != self._published_stops:
            self._published_stops = stops.count
            self.bus.publish("stop_requested", stops.count)
        elif not self._is_draining and self.scheduler is not None and self.scheduler.stop_mode == DRAINING:
            self._is_draining = True
            self.bus.publish("draining")
        super()._round()


def caches_of(
    call: Call, said: str, root: str, *, looks: bool = False
) -> tuple[Callable[[], Sequence[OutputCache]] | tuple[()], Shared | None]:
    """Return what opens the caches of a walk, an empty tuple if it has none; and the shared one of them.

    The option wins, then the environment, then the plan.

    :param said: what the plan says, see `Project.cache`
    :param looks: whether the walk only looks: then it has caches on this machine alone, and writes to none
    """
    mode = call.options.cache or inherited().get(CACHE, "")
    if mode == "off" or not (mode or said):
        return (), None
    from .caches import caches_to_look_at, check_mode, open_caches

    check_mode(mode)
    shared, environ = None, inherited()
    if looks:
        return lambda: caches_to_look_at(mode, said, root, environ), None
    if mode in ("read", "write") or "TREADLE_CACHE_URL" in environ or '"shared"' in said:
        from .shared_cache import shared_of

        shared = shared_of(mode, said, environ, call.breakers, is_watching=call.options.watch)

    def note(text: str) -> None:
        call.bus.publish("note", text)

    def open_them() -> Sequence[OutputCache]:
        caches = open_caches(mode, said, root, environ, note)
        return caches if shared is None else (*caches, *shared.open(note))

    return open_them, shared


def namespaces_of(said: str) -> Sequence[str]:
    """Return the namespaces of the caches.

    :param said: what the plan says, see `Project.cache`
    """
    environ = inherited()
    if "TREADLE_CACHE_NAMESPACE" not in environ and '"namespaces"' not in said:
        return ()
    from . import shared_cache

    return shared_cache.namespaces_of(said, environ)


def system_of(said: str) -> Sequence[str]:
    """Return the further folders in which discovered inputs of what is cached may be.

    :param said: what the plan says, see `Project.cache`
    """
    import json

    found: list[str] = json.loads(said).get("system", [])
    return found


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
    found: dict[str, Any] = {"pool": find, "max_running": int(most) if most else None}
    if options.engine or options.dask or '"engine"' in told:
        from .engine import engine_settings

        found |= engine_settings(options, told)
    return found


def limit_settings(call: Call, ends: int = 0) -> dict[str, Any]:
    """Return the settings of a walk about the end of the run.

    :param ends: how many actions have run in earlier walks of it
    """
    options = call.options
    # the walk stops as by a signal at its deadline, so there is one way to stop: looks and questions end too
    deadline = None if options.run_timeout is None else call.began + options.run_timeout
    return {"deadline": deadline, "stop_after": max(options.stop_after - ends, 0)}


def publish_plan(call: Call, plan: Project, left_out: Mapping[str, str] | None = None) -> None:
    """Publish the plan that is about to be walked.

    :param left_out: name -> why it is disabled, if this differs from the plan
    """
    if not call.bus.wants("plan_read"):
        return

    def touching(path: str) -> Sequence[str]:
        # few runs ask for it, and each run is recorded
        from .lookup import PathUse

        return PathUse(plan).users(path)

    queues = {"default": call.options.jobs or usable_cpus(), **plan.queues}
    disabled = {uid: why or "" for uid, why in (plan.left_out if left_out is None else left_out).items()}
    params = {name: param.value for name, param in plan.params.items()}
    read = PlanRead(
        plan.name, plan.root, len(plan.actions), queues, disabled, touching, params, plan.without_secrets
    )
    call.bus.publish("plan_read", read)
