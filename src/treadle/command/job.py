"""CommandJob: a Command as a job. It knows nothing of fingerprints, records and the graph."""

from __future__ import annotations

import os

from treadle.engines.base import Attempt
from treadle.engines.process import describe_status
from treadle.engines.process_marks import mark_of
from treadle.errors import TreadleError
from treadle.scheduling.job import ProcessJob
from treadle.state import own_files
from treadle.status import ReturnValue

from .discovery import wrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from treadle.core.callbacks import NotifyEnd

    from .command import Command
    from .fingerprinting import Questions


USUAL_LABEL = "treadle.yaml"
CONSOLE_QUEUE = "console"
"""The queue of the actions that keep the terminal; it has one token."""


class Place:
    """Where the jobs of one walk run.

    :param root: the folder that paths are relative to
    :param state: the state folder
    :param run: the id of the run, for the marks of processes
    :param questions: knows the environment and the programs
    :param actions: uid -> Command
    """

    __slots__ = ("actions", "colours", "questions", "root", "run", "state")

    def __init__(
        self, root: str, state: str, run: str, questions: Questions, actions: Mapping[Any, Command]
    ) -> None:
        self.root = root
        self.state = state
        self.run = run
        self.questions = questions
        self.actions = actions
        self.colours = False
        """Whether programs are to write colours though their output goes to a log."""

    def log(self, uid: str) -> str:
        """Return the path of the file that takes what an action prints."""
        return log_path(self.state, self.actions[uid].label, uid)

    def aside(self, uid: str, kind: str = "failed") -> str:
        """Return the folder that takes what a failed action has written, or what was there before (`replaced`)."""
        return os.path.join(self.state, kind, own_name(self.actions[uid].label, uid))


class CommandJob(ProcessJob):
    """Runs a Command: exit code 0 is success, 75 asks for another attempt, all else is failure.

    :param place: where it runs
    :param ready: called just before each attempt, makes room for its outputs; may raise TreadleError
    """

    logs_failures = False

    def __init__(
        self, uid: str, data: Command, notify_end: NotifyEnd, place: Place, ready: Callable[[CommandJob], None]
    ) -> None:
        super().__init__(uid, data, notify_end)
        self.command = data
        self.place = place
        self.ready = ready
        self.announced = 0
        """The last attempt that the observer was told of."""
        self.made_room = False
        """Whether output files of former runs have been removed for this attempt."""
        self.restored = ""
        """Where its outputs came from, "" if they were not restored."""
        self.emptied: list[str] = []
        """Output folders from which something was removed before an attempt."""
        self.queue_name = CONSOLE_QUEUE if data.console else data.limits.queue
        self.tokens = data.limits.tokens
        self.timeout = data.limits.timeout

    @property
    def priority(self) -> int:
        """The priority of the command."""
        return self.command.limits.priority

    def status_of(self, code: int | None) -> ReturnValue:
        """Only 0 and 75 mean anything: a shell's 126, `cannot execute`, is not e3's `unchanged`."""
        if code in (ReturnValue.success, ReturnValue.notready):
            return ReturnValue(code)
        return ReturnValue.failure

    def how_it_ended(self) -> str:
        """Return in words how the last attempt has ended."""
        return self._why_not_good() or describe_status(self.code)

    def make_attempt(self) -> Attempt | None:
        """Make room for the outputs, and return what is to be started; None where the outputs were restored."""
        command, place = self.command, self.place
        argvs: Sequence[Sequence[str]] = command.argvs()
        if not argvs:
            raise TreadleError("it has nothing to run")
        self.made_room = False
        self.restored = ""
        self.ready(self)
        self.made_room = True
        if self.restored:
            # nothing is started: its outputs are there
            if not command.console:
                self._prepared_log()
            self._code, self._has_ended = 0, True
            return None
        environ = place.questions.environment(command)
        argvs = [self._resolved(argv, environ) for argv in argvs]
        if command.discovery is not None:
            command.discovery.prepare(place.root)
            # what wraps a program is found as the program is, on the PATH of the action
            argvs = [
                self._resolved(argv, environ) for argv in wrapped(command.discovery, argvs, place.root, self.uid)
            ]
        if place.colours and prints_to_its_log(command) and _SAY_COLOURS.isdisjoint(environ):
            environ |= COLOURED
        cwd = place.root if command.cwd == "." else os.path.normpath(os.path.join(place.root, command.cwd))
        log = None if command.console else self._prepared_log()
        stdout = None if command.console or command.stdout is None else os.path.join(place.root, command.stdout)
        return Attempt(
            argvs,
            mark=mark_of(place.run, self.uid),
            environ=environ,
            cwd=cwd,
            stdin=0 if command.console else None,
            stdout=stdout,
            log=log,
            own_session=not command.console,
        )

    def _prepared_log(self) -> str:
        """Return the path of the log, which is there then; the first attempt finds it empty."""
        place = self.place
        log = place.log(self.uid)
        flags = os.O_WRONLY | os.O_APPEND | (os.O_TRUNC if self.attempt == 1 else 0)
        try:
            try:
                os.close(own_files.open_own(log, flags))
            except FileNotFoundError:
                own_files.make_folder(place.state, "logs")
                os.close(own_files.open_own(log, flags))
        except OSError as error:
            raise TreadleError(f"{error.filename} cannot be written: {error.strerror}") from error
        return log

    def _resolved(self, argv: Sequence[str], environ: Mapping[str, str]) -> Sequence[str]:
        if "/" in argv[0]:
            return argv
        return (self.place.questions.program(argv[0], environ) or argv[0], *argv[1:])


COLOURED = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "CARGO_TERM_COLOR": "always"}
"""What makes programs write colours where they see no terminal. No fingerprint holds it."""
_SAY_COLOURS = {"NO_COLOR", *COLOURED}
_REDIRECTS = (">", "|", "`", "$(")


def prints_to_its_log(command: Command) -> bool:
    """Return whether people alone read what a command prints: nothing in it redirects, pipes or captures.

    Escape sequences in an output would be worse than no colours. In doubt the answer is no.
    """
    if command.stdout is not None or command.console:
        return False
    texts = (command.script.text,) if command.script is not None else sum(command.steps, ())
    return not any(mark in text for text in texts for mark in _REDIRECTS)


def log_path(state: str, label: str, uid: str) -> str:
    """Return the path of the file that takes what an action prints.

    :param state: the state folder
    :param label: whose action it is: two plans in one root may have actions of one name
    """
    return os.path.join(state, "logs", f"{own_name(label, uid)}.log")


def own_name(label: str, uid: str) -> str:
    """Return a name for what belongs to an action: its own; that of its plan is added if it has an unusual one."""
    return file_name(uid if label in ("", USUAL_LABEL) else f"{label}+{uid}")


_PLAIN = dict.fromkeys(b"_.@,+=-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
"""What `str.translate` takes away: a name of which nothing is left is a plain one."""


def file_name(uid: str) -> str:
    """Return a name for a file that stands for an action: its own, if that is a plain one."""
    safe = uid
    if uid.translate(_PLAIN):
        safe = "".join(c if c.isalnum() or c in "_.@,+=-" else f"%{ord(c):02x}" for c in uid)
    if len(safe.encode()) > 150 or safe.startswith("."):
        from xxhash import xxh3_64_hexdigest

        safe = f"{safe[:60].lstrip('.')}-{xxh3_64_hexdigest(uid.encode('utf-8', 'surrogatepass'))}"
    return safe
