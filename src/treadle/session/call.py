"""One call of Treadle: what was asked for, the plan and the actions that it names, requests to stop, the report."""

from __future__ import annotations

import os
from time import monotonic, time

from treadle.core.outcomes import Report
from treadle.errors import PlanError, UsageError, listed
from treadle.events.bus import Bus, RunEnded, end_of_walk

from .fast_start import DEFAULT_PLAN, plans_nearby
from .options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
    from typing import Protocol, Self

    from treadle.cache.policy import Breaker
    from treadle.command.walk import CommandWalk
    from treadle.content.git_changes import Differences
    from treadle.content.timestamps import Kept
    from treadle.core.outcomes import ActionReport
    from treadle.errors import TreadleError
    from treadle.frontends.base import Project
    from treadle.ledger.recording import Recording
    from treadle.state.previous_outputs import PreviousOutputs
    from treadle.ui.console import Console

    from .fast_start import FastStart
    from .members import Member
    from .ownership import Ownership
    from .resuming import Resuming
    from .selection import Selection

    class WalkControls(Protocol):
        """What requests have changed in a run."""

        def begin(self, walk: CommandWalk) -> None:
            """Let a walk that is about to begin go on with what was changed."""


class RunReport(Report):
    """What a run has done.

    :ivar untouched: how many actions were not walked, since nothing of them has moved
    :ivar saved: seconds that the actions which were skipped took when they last ran
    :ivar problems: what is wrong with plans that actions have generated
    :ivar unmade: the actions that were to generate a plan and did not, by failures of their own or before them
    """

    def __init__(
        self,
        actions: dict[Hashable, ActionReport],
        interrupted: bool = False,
        untouched: int = 0,
        saved: float = 0.0,
    ) -> None:
        super().__init__(actions, interrupted)
        self.untouched = untouched
        self.saved = saved
        self.problems: list[TreadleError] = []
        self.unmade: list[str] = []
        self.is_cut = False
        """Whether it ended before the whole plan was known, by a limit or a request."""

    @classmethod
    def of(cls, report: Report, walk: CommandWalk) -> Self:
        """Return what a walk has done."""
        return cls(report.actions, report.interrupted, walk.untouched, walk.saved)

    @property
    def ok(self) -> bool:
        """Whether every action ended well or needed nothing, and every plan could be generated."""
        return super().ok and not (self.problems or self.unmade or self.is_cut)


class StopRequests:
    """Counts what asks a run to end: the first request ends what runs, further ones end it at once."""

    leaves = False
    """Whether a run that is hung up leaves running what its engine runs: it knows how long that may go on."""

    def __init__(self) -> None:
        self.count = 0
        self.code = 0
        """The exit code of the first request, 0 if there was none."""
        self.is_leaving = False
        """Whether what an engine runs is left running when the first request ends the run."""
        self._walk: CommandWalk | None = None
        self._repeated = 0

    def is_set(self) -> bool:
        """Return whether there was a request: what waits asks this, as it would ask a threading.Event."""
        return self.count > 0

    def forget(self) -> None:
        """Drop the requests of before: a run is about to begin, and what they were meant for is over."""
        self.count = self.code = self._repeated = 0
        self.is_leaving = False
        self._walk = None

    def attach(self, walk: CommandWalk) -> None:
        """From now on requests are for a walk, which may have started actions."""
        self._walk = walk

    def detach(self) -> None:
        """From now on there is no walk."""
        self._walk = None

    @property
    def walk(self) -> CommandWalk | None:
        """The walk that requests are for, None if there is none."""
        return self._walk

    def wake(self) -> None:
        """Make the loop of the walk go round once. Any thread may call this."""
        walk = self._walk
        if walk is not None and walk.scheduler is not None:
            walk.scheduler.wake()

    def repeat(self) -> None:
        """Send each request to the walk once more: a walk that is only about to begin does not listen yet."""
        if self._repeated < self.count and self._walk is not None:
            self._repeated = self.count
            self._stop(self._walk)

    def request(self) -> None:
        """Ask the run to end; asked again, it ends at once. Any thread may call this."""
        self.count += 1
        if self._walk is not None:
            self._stop(self._walk)

    def _stop(self, walk: CommandWalk) -> None:
        """Request the end of a walk, as often as that was asked for."""
        from treadle.scheduling.scheduler import KILLING, STOPPING

        if self.count == 1 and self.is_leaving:
            walk.leave()
            return
        walk.stop(STOPPING if self.count == 1 else KILLING)


class Call:
    """One call: its options, and the bus on which events are published.

    :param plan: the path of the plan; "" for that of the options
    :param options: names, parameters and settings
    :param console: the console of the command line; None without one
    :param stops: the requests to stop
    :param found: the result of the fast path
    """

    def __init__(
        self,
        plan: str | os.PathLike[str] = "",
        options: Options | None = None,
        *,
        console: Console | None = None,
        stops: StopRequests | None = None,
        found: FastStart | None = None,
    ) -> None:
        self.options = options or Options()
        if plan:
            from copy import copy

            # other sessions may have been given the same options
            self.options = copy(self.options)
            self.options.file = os.fspath(plan)
        self.resuming: Resuming | None = None
        """What is known of the run that this one goes on with, None for none."""
        self.identity = ""
        """The digest of the plan's parameters, once a run with a workflow knows them."""
        self.ownership: Ownership | None = None
        """The hold of the run on its identity, None without one."""
        self.recording: Recording | None = None
        """What records the run, None as long as nothing does."""
        self._console = console
        self.bus = Bus()
        """The bus on which the walks of a run publish events."""
        self.stops = stops or StopRequests()
        self.found = found
        self.began = monotonic() if found is None else found.began
        self._moment = (0.0, 0.0)
        """When it began, on the monotonic clock and since the epoch, as that was first asked for."""
        self.previous_outputs: PreviousOutputs | None = None
        """The outputs of previous runs, as the globs of the loaded plan saw them."""
        self.breakers: dict[str, Breaker] = {}
        """Address of a shared cache -> what says whether it is asked: a call may have several walks."""
        self.under_way = False
        """Whether actions may have started."""
        self.member: Member | None = None
        """What the nearest plan is in the plan of this call, once that was found; None if it is that plan."""
        self.nearby: list[str] = []
        """The nearest plan and those above it, among which the plan was found; [] if the call names it."""
        self.nearby_looks: dict[str, Kept] = {}
        """The files that decided which one of them it is, each as it was just before it was read."""
        self.is_member_noted = False
        """Whether the line about the plan that includes the nearest one was printed."""
        self._plan_file = ""
        self._is_run = False
        self.rejected: dict[str, str] = {}
        """uid -> why it is not selected, of the actions that -l, --since, --only or --where take out."""
        self._narrowed: tuple[Project, list[str]] | None = None
        """The plan of which that is, and what is selected."""
        self._since: Differences | None = None
        """What differs from the commit of --since."""
        self._selection: Selection | None = None
        """What judges actions for --only and --where."""
        self.controls: WalkControls | None = None
        """What requests have changed in the run, None as long as there was none, see `controls.controls_of`."""
        self.asker: Callable[[], Callable[[Callable[[], bool]], bool] | None] | None = None
        """Called when there is a question; returns what reads the answer, see `ui.ask`, None without a terminal."""

    @property
    def console(self) -> Console:
        """The console of the command line; a silent one in a call from a program."""
        if self._console is None:
            from treadle.ui.console import Console

            self._console = Console.silent()
        return self._console

    @property
    def colours(self) -> bool:
        """Whether programs are asked to write colours although their output goes to a log."""
        return self._console is not None and self._console.screen.colours

    @property
    def began_at(self) -> float:
        """When it began, in seconds since the epoch: the same in all that is written of it."""
        if self._moment[0] != self.began:
            self._moment = (self.began, time() - (monotonic() - self.began))
        return self._moment[1]

    @property
    def done_since(self) -> Mapping[str, int]:
        """Action -> milliseconds since the epoch: when the run began in which a run that is resumed has done it."""
        return {} if self.resuming is None else self.resuming.done_since

    def exit_code_of(self, report: RunReport) -> int:
        """Return the usual exit code of a run: 0, 1, 2 where a plan is wrong, or that of the signal."""
        if report.interrupted and self.stops.code:
            return self.stops.code
        return 2 if report.problems else 0 if report.ok else 1

    def end(self, report: RunReport, disabled: Mapping[str, str]) -> None:
        """Publish the end of the run.

        :param disabled: name -> why the plan disables it
        """
        if self.bus:
            walk = end_of_walk(report, report.saved)
            self.bus.publish("run_ended", RunEnded(disabled, walk, monotonic()))

    def load(self, *, is_run: bool = False) -> Project:
        """Load the plan and its generated plans, as far as their producers are up to date.

        :param is_run: whether producers that always run are about to run
        :raises TreadleError: there is none, or it is not right
        """
        self._is_run = is_run
        plan = self.load_with(())
        if plan.looks.work_trees and not is_run:
            from .work_trees import recorded_note

            self.note(recorded_note(plan.root, plan.looks.work_trees))
        if plan.plan_producers:
            from .generated_plans import with_generated_plans

            plan = with_generated_plans(plan, self.load_with, self.forced_among, is_run=is_run)
        return plan

    def load_with(self, made: Collection[str]) -> Project:
        """Load the plan, and the plans that some of its actions have generated.

        :param made: the uids of these actions
        """
        self.plan_file()
        if self.member is not None and not self.options.quiet:
            self.note_member(self.member.note)
        try:
            return self._read(self._previous_outputs, made)
        except PlanError:
            if self.member is not None:
                # where the mistakes are in another member, the nearest plan may be right
                self.note_member(self.member.note)
            raise

    def note_member(self, text: str) -> None:
        """Print which plan is used in place of the nearest one, once."""
        if text and not self.is_member_noted:
            self.is_member_noted = True
            self.note(text)

    def _read(
        self, previous_outputs: Callable[[str], PreviousOutputs] | None, made: Collection[str] = ()
    ) -> Project:
        from treadle.frontends.base import Request

        from .front_ends import load
        from .work_trees import work_trees_on_record

        file, options = self.plan_file(), self.options
        return load(
            Request(
                file,
                options.params,
                options.rest,
                previous_outputs,
                made,
                keeps_globs=bool(options.since),
                keeps_values=bool(options.where),
                is_run=self._is_run,
                work_trees=work_trees_on_record,
            )
        )

    def load_for_forget(self) -> Project:
        """Load the plan; if its globs match nothing, let them match outputs of previous runs, which may be named.

        :raises TreadleError: there is none, or it is not right in another way
        """
        try:
            return self.load()
        except PlanError as problem:
            try:
                return self._read(None)
            except PlanError:
                raise problem from None

    def _previous_outputs(self, root: str) -> PreviousOutputs:
        from treadle.state.previous_outputs import PreviousOutputs

        self.previous_outputs = PreviousOutputs(root)
        return self.previous_outputs

    @property
    def knows_plan_file(self) -> bool:
        """Whether it was settled which plan is meant; on the fast path the snapshot has it."""
        return self._plan_file != ""

    def go_to(self, folder: str, plan: str) -> None:
        """Go on in another folder, as if the call had been made there.

        :param plan: the plan; "" for what is found from there
        """
        os.chdir(folder)
        self.options.file = plan
        self._plan_file, self.member, self.nearby, self.found = "", None, [], None

    def plan_file(self) -> str:
        """Return the path of the plan: the named one, else the topmost that includes the nearest one, else that.

        :raises UsageError: there is none
        :raises PlanError: one that may include the nearest one cannot be read
        """
        if not self._plan_file:
            self._plan_file = self.options.file
        if not self._plan_file:
            self.nearby = nearby = plans_nearby(os.getcwd())
            if not nearby:
                raise no_plan(os.getcwd())
            self._plan_file = nearby[0]
            if len(nearby) > 1:
                from .members import plan_taken

                self._plan_file, self.member = plan_taken(nearby, self.nearby_looks)
        return self._plan_file

    def names_in(self, plan: Project, names: Sequence[str] | None = None) -> list[str]:
        """Return names of the call as the whole plan has them; in the folder of a member, they are its own.

        :param names: those of the call if left out; without any, of a member those that it runs by default
        """
        given = self.options.names if names is None else names
        if self.member is None:
            return list(given)
        if names is None and not given:
            return self.member.defaults(plan)
        return [whole for name in given for whole in self.member.whole_names(plan, name)]

    def forced_among(self, plan: Project, uids: Sequence[str]) -> list[str]:
        """Return those of some actions that are forced."""
        if self.options.force_all:
            return [uid for uid in uids if uid not in self.done_since]
        named = {uid for name in self.names_in(plan, self.options.force) for uid in plan.names.named(name) or ()}
        return [uid for uid in uids if uid in named and uid not in self.done_since]

    def all_actions(self, plan: Project) -> list[str]:
        """Return the uids of all actions of the plan; in the folder of a member, of its part."""
        return list(plan.actions) if self.member is None else self.member.actions(plan)

    def select(self, plan: Project, names: Sequence[str]) -> list[str]:
        """Return the uids that names select; a path may be relative to the current folder, or absolute."""
        found: set[str] = set()
        for name in names:
            try:
                for whole in self.names_in(plan, [name]):
                    found.update(_select(plan, whole))
            except UsageError as error:
                if self.member is not None:
                    self.member.explain(plan, name, error)
                raise
        return [uid for uid in plan.actions if uid in found]

    def select_known(self, plan: Project, given: Sequence[str] | None = None) -> list[str]:
        """Return the uids that names select, but never the producer of an unread plan in place of an action in it.

        :param given: the names; those of the call if left out
        :raises UsageError: one of them may be in a plan that is not generated yet
        """
        names = self.options.names if given is None else given
        for name in self.names_in(plan, names):
            producer = plan.names.producer_of_plan(name)
            if producer is not None and producer in plan.unread:
                raise UsageError(
                    f"{name} is not known: {plan.plan_producers[producer]} is not generated yet",
                    hint=f"`treadle run {producer}` generates it",
                )
        return self.select(plan, names)

    def selected(self, plan: Project) -> list[str]:
        """Return the uids that the names of the call select, the default of the plan without names.

        :raises UsageError: no action was named and the plan has no default
        """
        if self.options.names:
            return self.narrowed(plan, self.select(plan, self.options.names))
        if self.member is not None:
            found = {uid for name in self.names_in(plan) for uid in plan.names.named(name) or ()}
            return self.narrowed(plan, [uid for uid in plan.actions if uid in found])
        if not plan.default and plan.actions and not plan.is_idle:
            raise UsageError(
                "no action was named, and the plan has no default",
                facts=[f"its actions: {listed(plan.actions)}"],
                hint="name an action, or add `default: [NAME]` to the plan",
            )
        return self.narrowed(plan, list(plan.default))

    def narrowed(self, plan: Project, uids: list[str]) -> list[str]:
        """Return those of some actions that -l, --since, --only and --where take, all of them without these.

        :raises UsageError: none matches -l, the commit of --since is not known, or --where is no expression
        """
        options, self.rejected = self.options, {}
        found = self._since_commit(plan, self._tagged(plan, uids))
        if options.judges:
            is_strict = bool(options.tags or options.since)
            found = self.judge_by(plan.root).narrowed(plan, found, self.rejected, is_strict=is_strict)
        self._narrowed = (plan, found)
        return found

    def judge_by(self, root: str) -> Selection:
        """Return what judges actions, by what is on record in a root when this is called first."""
        if self._selection is None:
            from .selection import Selection

            self._selection = Selection(self.options, root)
        return self._selection

    def forget_selection(self) -> None:
        """Judge anew the next time: something may have run since."""
        self._selection = self._since = None

    @property
    def deselected(self) -> dict[str, str]:
        """The actions that -l, --since, --only or --where take out, each with the reason.

        Without those that are walked all the same, as a selected one needs them, or as the run ends with them.
        """
        if not self.rejected or self._narrowed is None:
            return {}
        plan, selected = self._narrowed
        needed = plan.dag(selected).vertex_data

        def is_walked(uid: str) -> bool:
            return bool(needed) if plan.actions[uid].is_last else uid in needed

        return {uid: why for uid, why in self.rejected.items() if not is_walked(uid)}

    def differences(self, root: str) -> Differences:
        """Return what differs from the commit of --since.

        :param root: that of the plan
        :raises UsageError: there is no repository, no git, or no such commit
        """
        if self._since is None:
            from treadle.content.git_changes import changed_since

            self._since = changed_since(self.options.since, root)
        return self._since

    def _since_commit(self, plan: Project, uids: list[str]) -> list[str]:
        if not self.options.since:
            return uids
        from .since import affected

        found = affected(plan, uids, self.differences(plan.root))
        why = f"nothing that it depends on differs from {self.options.since}"
        self.rejected.update({uid: why for uid in uids if uid not in found})
        return [uid for uid in uids if uid in found]

    def _tagged(self, plan: Project, uids: list[str]) -> list[str]:
        """Return those of some actions that match -l, all of them without -l.

        :raises UsageError: none matches
        """
        expression = self.options.tags
        if not expression:
            return uids
        from treadle.plan.resolve.tags import tagged

        found = tagged(expression, plan.actions, uids)
        if not found:
            of = "the named actions" if self.options.names else "the default actions"
            hint = "" if self.options.names else f"to select from all actions: '*' -l '{expression}'"
            raise UsageError(f"-l {expression} matches none of {of}", hint=hint)
        taken = set(found)
        self.rejected.update({uid: f"its tags do not fit {expression}" for uid in uids if uid not in taken})
        return found

    def publish_problem(self, error: TreadleError) -> None:
        """Publish an error that does not end the run: a problem of a generated plan."""
        self.bus.publish("problem", error)

    def note(self, text: str) -> None:
        """Print a note about the state or, without a console, publish it."""
        if self._console is None:
            self.bus.publish("note", text)
        else:
            self._console.warn(text)


def no_plan(folder: str) -> UsageError:
    """Return the error for a folder without a plan in it or above it."""
    return UsageError(
        f"there is no {DEFAULT_PLAN} in {folder} or in a folder above it",
        hint="`treadle init` makes one; to name one: -f FILE, or `treadle run some.yaml`",
    )


def _select(plan: Project, name: str) -> list[str]:
    try:
        return plan.select([name])
    except UsageError as error:
        if not error.hint:
            error.hint = "`treadle list --all` shows all names, also of disabled actions"
        from treadle.content.links import Links

        links = Links(plan.root)
        here = links.named(os.path.join(os.getcwd(), name))
        _name_users(plan, {name, here}, error)
        for path in dict.fromkeys((here, links.place(here), links.real(here))):
            if path.startswith("/") or path == name:
                continue
            try:
                return plan.select([path + "/" if name.endswith("/") else path])
            except UsageError:
                continue
        raise


def _name_users(plan: Project, paths: Collection[str], error: UsageError) -> None:
    """Add to an error about a path which actions read that path."""
    from .lookup import PathUse

    use = PathUse(plan)
    there = [path for path in paths if os.path.lexists(os.path.join(plan.root, path))]
    reading = list(dict.fromkeys(uid for path in there for uid in use.users(path)))
    if reading:
        error.facts = (*error.facts, f"it is an input of {listed(reading)}")
        error.hint = "name an action or an output"
