"""GuardedJob: a CommandJob that starts when its guards are passed.

It starts in steps: its `require` commands run in a thread, then it is asked for on the terminal, then it starts as
any other. Until then nothing of it is touched: its outputs and its record stay.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

from treadle.core.redaction import without_values_in
from treadle.engines.local import SPAWN_ERRORS
from treadle.engines.process import describe_spawn_error, describe_status, spawn
from treadle.engines.process_marks import mark_of, with_mark
from treadle.errors import TreadleError
from treadle.scheduling.job import Job
from treadle.status import ReturnValue

from .guards import Requirement
from .job import CONSOLE_QUEUE, CommandJob

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

    from treadle.scheduling.job import Host

_PAUSE = 0.02
"""Seconds between two looks at a command that is required."""
_LINE = 200
"""Characters of the last line of its output that a failure shows."""
_TAIL = 65536
"""Bytes of its output that the last line is looked for in: it may print any number."""


class GuardedJob(CommandJob):
    """A CommandJob that starts when its guards are passed.

    :param is_confirmed: see `CommandWalk.is_confirmed`
    :param confirm: see `CommandWalk.confirm`
    """

    def __init__(
        self,
        *arguments: Any,
        is_confirmed: Callable[[str, str], bool],
        confirm: Callable[[str, str, Callable[[], bool]], bool],
    ) -> None:
        super().__init__(*arguments)
        guards = self.command.guards
        assert guards is not None
        self.guards = guards
        self._confirm = confirm
        self._refusal: TreadleError | None = None
        self._steps: list[Callable[[], None]] = [self._require] if guards.require else []
        try:
            if guards.confirm and not is_confirmed(self.uid, guards.confirm):
                self._steps.append(self._ask)
        except TreadleError as error:
            self._refusal = error
            self._steps = [self._refuse]
        self._as_action = (self.queue_name, self.tokens, self.timeout, self.demand)
        self._take_step()

    def _take_step(self) -> None:
        """Take the queue and the time limit of the next step."""
        self.guarding = bool(self._steps)
        self.queue_name, self.tokens, self.timeout, self.demand = self._as_action
        if self.guarding:
            # questions are asked one by one, and not while another action has the terminal
            self.queue_name = CONSOLE_QUEUE if self.is_asking else "default"
            self.tokens, self.timeout, self.demand = 1, None, None

    @property
    def is_asking(self) -> bool:
        """Whether the step is a question."""
        return self.guarding and self._steps[0] == self._ask

    @property
    def has_runner(self) -> bool:
        """Whether its step is the action itself."""
        return not self.guarding and super().has_runner

    def passed(self) -> None:
        """Go on to the next step, which is the action itself after the last guard."""
        self._steps.pop(0)
        self.attempt = 0
        self._take_step()

    @property
    def status(self) -> ReturnValue:
        """That of the step."""
        if self.guarding:
            return ReturnValue.success if self.failure is None else ReturnValue.failure
        return super().status

    def start(self, slot: int, host: Host | None = None) -> None:
        """Start the step: a guard in a thread, the action as any other."""
        if self.guarding and not self.left_out:
            Job.start(self, slot, host)
        else:
            super().start(slot, host)

    def run_guarded(self) -> None:
        """Check a guard, in a thread."""
        if not self.guarding:
            super().run_guarded()
            return
        try:
            self._steps[0]()
        except (OSError, TreadleError) as error:
            self.fail(self._hidden(str(error)))
        except BaseException as error:
            self.fail(f"{type(error).__name__}: {error}")

    def interrupt(self) -> bool:
        """End the step."""
        if not self.guarding:
            return super().interrupt()
        return Job.interrupt(self)

    def how_it_ended(self) -> str:
        """Return in words how the step has ended."""
        return (self._why_not_good() or "") if self.guarding else super().how_it_ended()

    def _refuse(self) -> None:
        assert self._refusal is not None
        raise self._refusal

    def _ask(self) -> None:
        is_yes = self._confirm(self.uid, self.guards.confirm, self._is_given_up)
        if not is_yes and not self._is_given_up():
            self.fail(f"declined: {self.guards.confirm}")

    def _is_given_up(self) -> bool:
        """Return whether nothing new starts any more, as another action has failed or the run is to end."""
        return self.interrupted or bool(getattr(self._host, "stop_mode", 0))

    def _hidden(self, text: str) -> str:
        environ = self.context.fingerprinter.environment(self.command)
        return without_values_in(text, [environ.get(name, "") for name in self.command.env.secret])

    def _require(self) -> None:
        for one in self.guards.require:
            why = one.failed
            for argv in one.argvs if not why else ():
                why = self._why_not(argv, one)
                if self.interrupted:
                    return
                if why:
                    break
            if why:
                self.fail(self._hidden(one.failure(why)))
                return

    def _why_not(self, argv: Sequence[str], one: Requirement) -> str:
        """Run a command as the action would; return why it did not end well, "" if it did."""
        command, context = self.command, self.context
        environ = context.fingerprinter.environment(command) | one.variables
        cwd = os.path.normpath(os.path.join(context.root, command.cwd))
        mark = mark_of(context.run, self.uid)
        limit = self.limits.timeout
        end = None if limit is None else monotonic() + limit
        shown = next((line for line in one.shown.splitlines() if line.strip()), "an empty script")
        with tempfile.TemporaryFile() as output:
            files = (None, output.fileno(), output.fileno())
            try:
                resolved = self._resolved(argv, environ)
                child = spawn(resolved, mark=mark, environ=with_mark(environ, mark), cwd=cwd, files=files)
            except SPAWN_ERRORS as error:
                return describe_spawn_error(error, argv, cwd, environ)
            while not child.has_ended(_PAUSE):
                if self.interrupted or (end is not None and monotonic() >= end):
                    # it is no attempt that could clean up: all that it has started ends at once
                    child.kill(recursive=True)
                    return "" if limit is None else f"{shown}: it did not end within {limit:g} s"
            # what it has left in its group ends here, as with an action
            code = child.reap()
            last = self._last_line(output)
        if code == 0:
            return ""
        return f"{shown}: {describe_status(code)}" + (f", it printed: {last}" if last else "")

    def _last_line(self, output: IO[bytes]) -> str:
        """Return the last line of what was printed; secrets are looked for before it is cut."""
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - _TAIL))
        lines = self._hidden(output.read().decode("utf-8", "replace")).strip().splitlines()
        return lines[-1].strip()[:_LINE] if lines else ""
