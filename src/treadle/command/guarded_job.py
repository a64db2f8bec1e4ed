"""GuardedJob: a SteppedJob that starts when its guards are passed.

Its first steps: its `require` commands run in a thread, then it is asked for on the terminal. Until then nothing of
it is touched: its outputs and its record stay.
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

from .guards import Guards, Requirement
from .job import CONSOLE_QUEUE
from .stepped_job import SteppedJob

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

_PAUSE = 0.02
"""Seconds between two looks at a command that is required."""
_LINE = 200
"""Characters of the last line of its output that a failure shows."""
_TAIL = 65536
"""Bytes of its output that the last line is looked for in: it may print any number."""


class GuardedJob(SteppedJob):
    """A SteppedJob that starts when its guards are passed.

    :param is_confirmed: see `CommandWalk.is_confirmed`
    :param confirm: see `CommandWalk.confirm`
    """

    def __init__(
        self,
        *arguments: Any,
        is_confirmed: Callable[[str, str], bool],
        confirm: Callable[[str, str, Callable[[], bool]], bool],
        **look_up: Any,
    ) -> None:
        self._is_confirmed = is_confirmed
        self._confirm = confirm
        self._refusal: TreadleError | None = None
        super().__init__(*arguments, **look_up)

    @property
    def guards(self) -> Guards:
        """Those of its command."""
        guards = self.command.guards
        assert guards is not None
        return guards

    def _first_steps(self) -> list[Callable[[], None]]:
        guards = self.guards
        steps: list[Callable[[], None]] = [self._require] if guards.require else []
        try:
            if guards.confirm and not self._is_confirmed(self.uid, guards.confirm):
                steps.append(self._ask)
        except TreadleError as error:
            self._refusal = error
            return [self._refuse]
        return steps

    def _queue_of_step(self) -> str:
        # questions are asked one by one, and not while another action has the terminal
        return CONSOLE_QUEUE if self.is_asking else "default"

    @property
    def is_asking(self) -> bool:
        """Whether the step is a question."""
        return self.guarding and self._steps[0] == self._ask

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
