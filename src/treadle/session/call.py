"""One call of Treadle: what was asked for, the plan and the actions that it names, requests to stop, the report."""

from __future__ import annotations

import os
from time import monotonic

from treadle.errors import UsageError, listed
from treadle.events.bus import Bus, RunEnded, WalkEnded
from treadle.walk import Report

from .fast_start import DEFAULT_PLAN, nearest_plan
from .options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
    from typing import Self

    from treadle.command.walk import CommandWalk
    from treadle.errors import TreadleError
    from treadle.frontends.base import Project
    from treadle.state.previous_outputs import PreviousOutputs
    from treadle.ui.console import Console
    from treadle.walk import ActionReport

    from .fast_start import Found


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

    @classmethod
    def of(cls, report: Report, walk: CommandWalk) -> Self:
        """Return what a walk has done."""
        return cls(report.actions, report.interrupted, walk.untouched, walk.saved)

    @property
    def ok(self) -> bool:
        """Whether every action ended well or needed nothing, and every plan could be generated."""
        return super().ok and not self.problems and not self.unmade


class StopRequests:
    """Counts what asks a run to end: the first request ends what runs, further ones end it at once."""

    def __init__(self) -> None:
        self.count = 0
        self.code = 0
        """The exit code that the first request stands for, 0 if there was none."""
        self._walk: CommandWalk | None = None
        self._repeated = 0

    def is_set(self) -> bool:
        """Return whether there was a request: what waits asks this, as it would ask a threading.Event."""
        return self.count > 0

    def forget(self) -> None:
        """Drop the requests of before: a run is about to begin, and what they were meant for is over."""
        self.count = self.code = self._repeated = 0
        self._walk = None

    def attach(self, walk: CommandWalk) -> None:
        """From now on requests are for a walk, which may have started actions."""
        self._walk = walk

    def detach(self) -> None:
        """From now on there is no walk."""
        self._walk = None

    def repeat(self) -> None:
        """Tell the walk of each request once more: a walk that is only about to begin does not listen yet."""
        if self._repeated < self.count and self._walk is not None:
            self._repeated = self.count
            self.tell(self._walk)

    def request(self) -> None:
        """Ask the run to end; asked again, it ends at once. Any thread may call this."""
        self.count += 1
        if self._walk is not None:
            self.tell(self._walk)

    def tell(self, walk: CommandWalk) -> None:
        """Tell a walk to end, as often as that was asked for."""
        from treadle.scheduling.scheduler import KILLING, STOPPING

        walk.stop(STOPPING if self.count == 1 else KILLING)


class Call:
    """One call: what was asked for, and where what happens is published.

    :param plan: the path of the plan; "" for that of the options
    :param options: what is asked for beside it
    :param console: where the command line prints; None for nowhere
    :param stops: what has asked the run to end
    :param found: what a first look has found
    """

    def __init__(
        self,
        plan: str | os.PathLike[str] = "",
        options: Options | None = None,
        *,
        console: Console | None = None,
        stops: StopRequests | None = None,
        found: Found | None = None,
    ) -> None:
        self.options = options or Options()
        if plan:
            from copy import copy

            # other sessions may have been given the same options
            self.options = copy(self.options)
            self.options.file = os.fspath(plan)
        self._console = console
        self.bus = Bus()
        """Where the walks of a run publish what happens in them."""
        self.stops = stops or StopRequests()
        self.found = found
        self.began = monotonic() if found is None else found.began
        self.former: PreviousOutputs | None = None
        """What the globs of the plan were told of former runs, once it is loaded."""
        self.under_way = False
        """Whether actions may have started."""

    @property
    def console(self) -> Console:
        """Where the command line prints; nowhere in a call from a program."""
        if self._console is None:
            from treadle.ui.console import Console

            self._console = Console.silent()
        return self._console

    @property
    def colours(self) -> bool:
        """Whether programs are to write colours though their output goes to a log."""
        return self._console is not None and self._console.screen.colours

    def end(self, report: RunReport, disabled: Mapping[str, str]) -> None:
        """Tell subscribers that the run is over.

        :param disabled: name -> why the plan leaves it out
        """
        if self.bus:
            left = {str(uid): one.verdict for uid, one in report.actions.items() if one.is_open}
            walk = WalkEnded(
                left,
                ok=report.ok,
                interrupted=report.interrupted,
                saved=report.saved,
                total=len(report.actions),
            )
            self.bus.publish("run_ended", RunEnded(disabled, walk))

    def load(self, *, is_run: bool = False) -> Project:
        """Load the plan, and the plans that its actions have made, as far as these actions are up to date.

        :param is_run: whether those that run each time are about to run
        :raises TreadleError: there is none, or it is not right
        """
        plan = self.load_with(())
        if plan.makers:
            from .generated_plans import with_known

            plan = with_known(plan, self.options, self.load_with, is_run=is_run)
        return plan

    def load_with(self, made: Collection[str]) -> Project:
        """Load the plan, and those that some of its actions have made.

        :param made: the uids of these actions
        """
        return self._read(self._former_outputs, made)

    def _read(self, former_outputs: Callable[[str], PreviousOutputs] | None, made: Collection[str] = ()) -> Project:
        from treadle.frontends.base import Request

        from .front_ends import load

        file, options = self.plan_file(), self.options
        return load(Request(file, options.params, options.rest, former_outputs, made))

    def load_for_forget(self) -> Project:
        """Load the plan; if its globs find nothing, let them take outputs of former runs: these may be named.

        :raises TreadleError: there is none, or it is not right in another way
        """
        from treadle.errors import PlanError

        try:
            return self.load()
        except PlanError as problem:
            try:
                return self._read(None)
            except PlanError:
                raise problem from None

    def _former_outputs(self, root: str) -> PreviousOutputs:
        from treadle.state.previous_outputs import PreviousOutputs

        self.former = PreviousOutputs(root)
        return self.former

    def plan_file(self) -> str:
        """Return the path of the plan.

        :raises UsageError: there is none
        """
        return self.options.file or find_plan(os.getcwd())

    def select(self, plan: Project, names: Sequence[str]) -> list[str]:
        """Return the uids that names stand for; a path may be relative to where we stand, or absolute."""
        found: set[str] = set()
        for name in names:
            found.update(_select(plan, name))
        return [uid for uid in plan.actions if uid in found]

    def select_known(self, plan: Project, given: Sequence[str] | None = None) -> list[str]:
        """Return the uids of the names that were given, for what must not fall upon the maker of a plan instead.

        :param given: the names, all of those that were given if it is left out
        :raises UsageError: one of them may stand in a plan that is not made yet
        """
        names = self.options.names if given is None else given
        for name in names:
            maker = plan.names.maker_of_plan(name)
            if maker is not None and maker in plan.unread:
                raise UsageError(
                    f"{name} is not known: {plan.makers[maker]} is not made yet",
                    hint=f"`treadle run {maker}` makes it",
                )
        return self.select(plan, names)

    def selected(self, plan: Project) -> list[str]:
        """Return the uids of the names that were given, those of a bare run if there are none.

        :raises UsageError: nothing was named and the plan has no default
        """
        if self.options.names:
            return self.tagged(plan, self.select(plan, self.options.names))
        if not plan.default and plan.actions and not plan.is_idle:
            raise UsageError(
                "nothing was named, and the plan has nothing that runs by default",
                facts=[f"it has {listed(plan.actions)}"],
                hint="name an action, or write `default: [NAME]` into the plan",
            )
        return self.tagged(plan, list(plan.default))

    def tagged(self, plan: Project, uids: list[str]) -> list[str]:
        """Return those of some actions that -l takes, all of them without -l.

        :raises UsageError: it takes none of them
        """
        expression = self.options.tags
        if not expression:
            return uids
        from treadle.plan.resolve.tags import tagged

        found = tagged(expression, plan.actions, uids)
        if not found:
            of = "what was named" if self.options.names else "what runs by default"
            hint = "" if self.options.names else f"'*' names all actions: '*' -l '{expression}'"
            raise UsageError(f"-l {expression} takes nothing of {of}", hint=hint)
        return found

    def tell_problem(self, error: TreadleError) -> None:
        """Publish an error that does not end the run: what is wrong with a plan that an action has generated."""
        self.bus.publish("problem", error)

    def note(self, text: str) -> None:
        """Say something of the state, where there is a place to print it, and else to subscribers."""
        if self._console is None:
            self.bus.publish("note", text)
        else:
            self._console.warn(text)


def find_plan(folder: str) -> str:
    """Return the treadle.yaml of a folder or of the nearest one above it.

    :raises UsageError: there is none
    """
    path = nearest_plan(folder)
    if path is None:
        raise UsageError(
            f"there is no {DEFAULT_PLAN} in {folder} or a folder above it",
            hint="name a plan with -f FILE, or as in `treadle run some.yaml`",
        )
    return path


def _select(plan: Project, name: str) -> list[str]:
    try:
        return plan.select([name])
    except UsageError as error:
        if not error.hint:
            error.hint = "`treadle list --all` shows the names, and what is left out"
        from treadle.content.links import Links

        links = Links(plan.root)
        here = links.named(os.path.join(os.getcwd(), name))
        _name_readers(plan, {name, here}, error)
        for path in dict.fromkeys((here, links.place(here), links.real(here))):
            if path.startswith("/") or path == name:
                continue
            try:
                return plan.select([path + "/" if name.endswith("/") else path])
            except UsageError:
                continue
        raise


def _name_readers(plan: Project, paths: Collection[str], error: UsageError) -> None:
    """Say of a path that stands for no action which ones read it."""
    from .lookup import Readers

    readers = Readers(plan)
    there = [path for path in paths if os.path.lexists(os.path.join(plan.root, path))]
    reading = list(dict.fromkeys(uid for path in there for uid in readers.touching(path)))
    if reading:
        error.facts = (*error.facts, f"it is what {listed(reading)} read{'s' * (len(reading) == 1)}")
        error.hint = "name an action"
