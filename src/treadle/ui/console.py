"""What every subcommand has: its options, the plan that they name, and where to print."""

from __future__ import annotations

import os
import sys
from time import monotonic

from treadle.cli.exit_codes import code_of_lost
from treadle.errors import UsageError, listed
from treadle.session.fast_start import DEFAULT_PLAN, nearest_plan
from treadle.ui.screen import Screen, can_redraw, wants_colours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from typing import TextIO

    from treadle.cli.signals import Interrupts
    from treadle.command.walk import CommandWalk
    from treadle.plan import Plan
    from treadle.session.fast_start import Found
    from treadle.session.options import Options
    from treadle.state.previous_outputs import FormerOutputs
    from treadle.ui.text import Line


class Context:
    """One call of the command.

    :param options: what was asked for
    :param interrupts: hears the signals
    :param found: what the first look has found
    """

    def __init__(self, options: Options, interrupts: Interrupts, found: Found | None = None) -> None:
        self.options = options
        self.interrupts = interrupts
        self.found = found
        self.began = monotonic() if found is None else found.began
        self.former: FormerOutputs | None = None
        """What the globs of the plan were told of former runs, once it is loaded."""
        self.under_way = False
        """Whether actions may have started."""
        self.screen = _screen(sys.stdout, options.color)
        self.errors = _screen(sys.stderr, options.color)
        self.errors.redraws = False

    def shown(self, path: str) -> str:
        """Return a path as people at this place would write it."""
        full = os.path.abspath(path)
        relative = os.path.relpath(full, self.options.origin)
        return full if relative.startswith("../../..") else relative

    def warn(self, text: str) -> None:
        """Print one line to stderr, with the status line out of its way."""
        from treadle.ui.text import line, safe

        self.screen.erase()
        self.errors.write([line(("treadle: ", "dim"), safe(text))])

    def say(self, lines: Iterable[Line]) -> None:
        """Print lines to stdout."""
        self.screen.write(lines)

    def say_data(self, data: object) -> None:
        """Print data for programs, as JSON."""
        import json

        from treadle.ui.text import line

        self.say(line(one) for one in json.dumps(data, indent=2).split("\n"))

    @property
    def room(self) -> int:
        """Cells that a line may take on stdout, 0 where it is no terminal: then no line is broken."""
        return self.screen.width if self.screen.stream.isatty() else 0

    def ended(self, code: int) -> int:
        """Return the exit code of a command, which is another one if not all that it printed could be written."""
        return code_of_lost(code, self.screen.failure) if self.screen.gone else code

    def starts(self) -> None:
        """Hear that an action starts."""

    def load(self, *, is_run: bool = False) -> Plan:
        """Load the plan, and the plans that its actions have made, as far as these actions are up to date.

        :param is_run: whether those that run each time are about to run
        :raises TreadleError: there is none, or it is not right
        """
        plan = self.load_with(())
        if plan.makers:
            from treadle.session.makers_of_plans import with_known

            plan = with_known(plan, self.options, self.load_with, is_run=is_run)
        return plan

    def load_with(self, made: Collection[str]) -> Plan:
        """Load the plan, and those that some of its actions have made.

        :param made: the uids of these actions
        """
        from treadle.plan import load_plan

        return load_plan(
            self.plan_file(),
            params=self.options.params,
            former_outputs=self._former_outputs,
            rest=self.options.rest,
            made=made,
        )

    def load_for_forget(self) -> Plan:
        """Load the plan; if its globs find nothing, let them take outputs of former runs: these may be named.

        :raises TreadleError: there is none, or it is not right in another way
        """
        from treadle.errors import PlanError
        from treadle.plan import load_plan

        try:
            return self.load()
        except PlanError as problem:
            try:
                return load_plan(self.plan_file(), params=self.options.params, rest=self.options.rest)
            except PlanError:
                raise problem from None

    def _former_outputs(self, root: str) -> FormerOutputs:
        from treadle.state.previous_outputs import FormerOutputs

        self.former = FormerOutputs(root)
        return self.former

    def plan_file(self) -> str:
        """Return the path of the plan.

        :raises UsageError: there is none
        """
        return self.options.file or find_plan(os.getcwd())

    def select(self, plan: Plan, names: Sequence[str]) -> list[str]:
        """Return the uids that names stand for; a path may be relative to where we stand, or absolute."""
        found: set[str] = set()
        for name in names:
            found.update(_select(plan, name))
        return [uid for uid in plan.actions if uid in found]

    def select_known(self, plan: Plan, given: Sequence[str] | None = None) -> list[str]:
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

    def selected(self, plan: Plan) -> list[str]:
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

    def tagged(self, plan: Plan, uids: list[str]) -> list[str]:
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

    def look(self, walk: CommandWalk) -> None:
        """Have a walk find out what a run would do, and print what is wrong with the state."""
        walk.look()
        for note in walk.store.notes:
            self.warn(note)


def plain_context(interrupts: Interrupts) -> Context:
    """Return a context for the time before the arguments are known."""
    from treadle.session.options import Options

    return Context(Options(), interrupts)


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


def _select(plan: Plan, name: str) -> list[str]:
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


def _name_readers(plan: Plan, paths: Collection[str], error: UsageError) -> None:
    """Say of a path that stands for no action which ones read it."""
    from treadle.session.lookup import Readers

    readers = Readers(plan)
    there = [path for path in paths if os.path.lexists(os.path.join(plan.root, path))]
    reading = list(dict.fromkeys(uid for path in there for uid in readers.touching(path)))
    if reading:
        error.facts = (*error.facts, f"it is what {listed(reading)} read{'s' * (len(reading) == 1)}")
        error.hint = "name an action"


def _screen(stream: TextIO, choice: str) -> Screen:
    return Screen(stream, colours=wants_colours(stream, choice, os.environ), redraws=can_redraw(stream, os.environ))
