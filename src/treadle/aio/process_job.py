"""ProcessJob: a Command as a job of a scheduler. It fingerprints nothing: that is what a walk is for."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from treadle._startup.interpreter import inherited
from treadle.command.job import REPORT
from treadle.command.reported import SUFFIX, take
from treadle.core.codes import outcome_of_code
from treadle.core.outcomes import outcome, values_of
from treadle.engines.base import GRACE, Attempt
from treadle.engines.process import describe_status
from treadle.engines.process_marks import mark_of
from treadle.errors import ProgramError, Skipped

from .job import AbstractJob, name_of
from .programs import PROGRAMS

if TYPE_CHECKING:
    from treadle.command.command import Command
    from treadle.command.fingerprinting import Fingerprinter
    from treadle.core.outcomes import Outcome


class ProcessJob(AbstractJob):
    """Runs a Command and returns its exit code, 0; one that means no success is a ProgramError.

    It uses of the command what it runs (`steps` or `script`), what its exit codes mean (`codes`, `expect`), `cwd`,
    `env`, `stdout` and the time limit. If the
    limit is reached or the job is cancelled, the whole tree of the program gets TERM and, after the grace, KILL.
    What the limits of the command ask of the pool counts where the job itself asks for nothing, and so do their
    retries; their queue and tokens are for walks. The program finds what the job got in the variables of
    `Allocation.environment`.

    :param command: what to run
    :param root: the folder that its paths are relative to
    :param grace: seconds between TERM and KILL
    :param options: as for AbstractJob
    """

    def __init__(self, command: Command, *, root: str = ".", grace: float = GRACE, **options: Any) -> None:
        self.command = command
        self.root = root
        self.grace = grace
        super().__init__(**options)
        limits = command.limits
        if self._aio_retries is None and limits.retries.max and limits.retries.passes == 1:
            self._aio_retries = limits.retries
        if self._aio_asks is None and limits.says_demand:
            self._aio_asks = (limits.resources, limits.mutex, limits.exclusive, limits.group, limits.limit)

    async def co_run(self) -> int:
        """Run the command to its end.

        :return: its exit code: 0, unless the command says that another one is a success, or expected
        :raises ProgramError: it could not be started, its exit code means a failure, or its time was up
        :raises Skipped: its exit code says that it does not apply
        """
        command, timeout = self.command, self.command.limits.timeout
        if self._aio_tries is not None:
            # it may have grown
            timeout = self._aio_tries.amounts.get("timeout")
        attempt, report = self._attempt(), ""
        if REPORT not in command.env.set:
            from tempfile import gettempdir

            # no other user can know the name: the mark of these runs is drawn
            report = os.path.join(gettempdir(), f"treadle-{attempt.mark.replace('/', '-')}{SUFFIX}")
            attempt.environ = {**attempt.environ, REPORT: report}
        self.usage = None
        try:
            how, is_late = await PROGRAMS.run(attempt, timeout, self.grace)
        finally:
            if report and os.path.lexists(report):
                self._take_report(report, attempt)
        self.usage = how.usage
        if is_late:
            text = f"{command.shown}: ended after its time limit of {timeout:g} s"
            raise ProgramError(text, kind="timeout")
        if how.code is None:
            raise ProgramError(how.error)
        ended = _outcome_of(how.code, command)
        if how.cause and ended.kind in ("failed", "expected_failure"):
            ended = outcome(how.cause, f"{describe_status(how.code)}: memory ran out")
        if ended.kind == "skipped":
            raise Skipped(ended.reason)
        if not ended.is_good:
            raise ProgramError(f"{command.shown}: {ended.reason}", code=how.code, kind=ended.kind)
        if ended.kind != "success":
            self._aio_end = (ended.kind, ended.reason)
        return how.code

    def text_label(self) -> str:
        """Return the first line of what it runs."""
        return self.command.shown.partition("\n")[0]

    def details(self) -> str:
        """Return all that it runs."""
        return self.command.shown

    def _take_report(self, path: str, attempt: Attempt) -> None:
        secrets = [value for name in self.command.env.secret if (value := attempt.environ.get(name))]
        cwd, root = attempt.cwd or "", os.path.abspath(self.root)
        wrong = take(path, values_of(self), cwd=cwd, root=root, secrets=secrets)
        if wrong:
            text = f"{name_of(self)}: its report was not taken as it is: {'; '.join(wrong)}"
            logging.getLogger("treadle.aio").warning("%s", text)

    def _attempt(self) -> Attempt:
        # only a run of programs pays for what looks at files
        from treadle.command.fingerprinting import Fingerprinter
        from treadle.content.files import Files

        command, root = self.command, os.path.abspath(self.root)
        argvs = command.argvs()
        if not argvs:
            raise ProgramError("there is no program to start")
        fingerprinter = Fingerprinter(Files(root), inherited())
        environ = fingerprinter.environment(command)
        if self.resources is not None and self._aio_asks is not None and self._aio_asks[0]:
            said = self.resources.environment()
            # what the command sets itself is left alone
            environ |= {name: value for name, value in said.items() if name not in command.env.set}
        return Attempt(
            [_resolved(argv, environ, fingerprinter) for argv in argvs],
            mark=mark_of(_RUN, str(next(_NUMBERS))),
            environ=environ,
            cwd=os.path.normpath(os.path.join(root, command.cwd)),
            stdout=None if command.stdout is None else os.path.join(self.root, command.stdout),
            own_session=not command.console,
            success=(0,) if command.codes is None else sorted(command.codes.success),
        )


def _outcome_of(code: int, command: Command) -> Outcome:
    """Return what an exit code means; a signal is a failure, whatever is expected."""
    if code < 0:
        return outcome("failed", describe_status(code))
    return outcome_of_code(code, describe_status(code), command.codes, command.expect)


def _resolved(argv: tuple[str, ...], environ: Mapping[str, str], fingerprinter: Fingerprinter) -> tuple[str, ...]:
    """Return an argv with the path of its program, looked up on the PATH of its own environment."""
    if "/" in argv[0]:
        return argv
    return (fingerprinter.program(argv[0], environ) or argv[0], *argv[1:])


_RUN = f"aio-{os.urandom(8).hex()}"
_NUMBERS = count()
