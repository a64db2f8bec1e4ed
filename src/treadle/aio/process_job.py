"""ProcessJob: a Command as a job of a scheduler. It fingerprints nothing: that is what a walk is for."""

from __future__ import annotations

import os
from itertools import count

from treadle._startup.environment import inherited
from treadle.engines.local import GRACE, Start
from treadle.engines.process import describe_status
from treadle.engines.process_marks import mark_of
from treadle.errors import ProgramError

from .job import AbstractJob
from .programs import PROGRAMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from treadle.command.command import Command
    from treadle.command.fingerprinting import Questions
    from treadle.engines.process import Process


class ProcessJob(AbstractJob):
    """Runs a Command and returns 0; another exit code is a ProgramError.

    Of the command count what it runs (`steps` or `script`), `cwd`, `env`, `stdout` and the time limit. Where the
    limit is reached or the job is cancelled, the whole tree of the program gets TERM and, after the grace, KILL.

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

    async def co_run(self) -> int:
        """Run the command to its end.

        :return: 0
        :raises ProgramError: it could not be started, has ended with another exit code, or its time was up
        """
        command = self.command
        start = self._start()
        try:
            how, is_late = await PROGRAMS.run(start, command.limits.timeout, self.grace)
        finally:
            start.close()
        if is_late:
            raise ProgramError(f"{command.shown}: ended after its time limit of {command.limits.timeout:g} s")
        if how.code is None:
            raise ProgramError(how.error)
        if how.code:
            raise ProgramError(f"{command.shown}: {describe_status(how.code)}", code=how.code)
        return 0

    def text_label(self) -> str:
        """Return the first line of what it runs."""
        return self.command.shown.partition("\n")[0]

    def details(self) -> str:
        """Return all that it runs."""
        return self.command.shown

    def _start(self) -> _Start:
        # only a run of programs pays for what looks at files
        from treadle.command.fingerprinting import Questions
        from treadle.content.files import Files

        command, root = self.command, os.path.abspath(self.root)
        argvs = command.argvs()
        if not argvs:
            raise ProgramError("there is no program to start")
        questions = Questions(Files(root), inherited())
        environ = questions.environment(command)
        return _Start(
            None if command.stdout is None else os.path.join(self.root, command.stdout),
            [_found(argv, environ, questions) for argv in argvs],
            mark=mark_of(_RUN, str(next(_NUMBERS))),
            environ=environ,
            cwd=os.path.normpath(os.path.join(root, command.cwd)),
            own_session=not command.console,
        )


class _Start(Start):
    """A Start whose stdout is opened with the program, so that what waits for its start holds no descriptor."""

    __slots__ = ("_fd", "_stdout")

    def __init__(self, stdout: str | None, argvs: Sequence[Sequence[str]], **options: Any) -> None:
        super().__init__(argvs, **options)
        self._stdout = stdout
        self._fd: int | None = None

    def spawn(self, number: int = 0) -> Process:
        """Open its stdout before the first program, and start one."""
        if self._stdout is not None and self._fd is None:
            self._fd = os.open(self._stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            self.files = (None, self._fd, None)
        try:
            return super().spawn(number)
        except OSError:
            if number == 0:
                self.close()
            raise

    def why_not(self, error: Exception, number: int = 0) -> str:
        """Say so if it is its stdout that cannot be opened."""
        if isinstance(error, OSError) and self._stdout is not None and error.filename == self._stdout:
            return f"{self._stdout} cannot be written: {error.strerror}"
        return super().why_not(error, number)

    def close(self) -> None:
        """Close its stdout."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _found(argv: tuple[str, ...], environ: Mapping[str, str], questions: Questions) -> tuple[str, ...]:
    """Return the argv with its program looked for on the PATH that it will see."""
    if "/" in argv[0]:
        return argv
    return (questions.program(argv[0], environ) or argv[0], *argv[1:])


_RUN = f"aio-{os.urandom(8).hex()}"
_NUMBERS = count()
