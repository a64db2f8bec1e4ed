"""CommandJob: a Command as a job. It knows no records and no graph."""

from __future__ import annotations

import os
from time import time

from treadle.core.outcomes import outcome, values_of
from treadle.engines.base import LEFT, Attempt, AttemptEnd
from treadle.engines.process import describe_status
from treadle.engines.process_marks import mark_of
from treadle.errors import TreadleError
from treadle.scheduling.job import ProcessJob
from treadle.state import own_files
from treadle.status import ReturnValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from treadle.core.callbacks import NotifyEnd
    from treadle.core.decision import Reason
    from treadle.core.outcomes import Outcome
    from treadle.engines.spec import AttemptSpec
    from treadle.engines.without_shell import Direct, Shells
    from treadle.scheduling.job import Host

    from .artifacts import Artifacts
    from .caching import Hit
    from .command import Command, Limits, Script
    from .fingerprinting import Fingerprinter


USUAL_LABEL = "treadle.yaml"
CONSOLE_QUEUE = "console"
"""The queue of the actions with `console`; it has one token."""


class JobContext:
    """What the jobs of one walk share.

    :param root: the folder that paths are relative to
    :param state: the state folder
    :param run: the id of the run, for the marks of processes
    :param fingerprinter: has the environment and the programs
    :param actions: uid -> Command
    :param colours: whether programs are asked to write colours although their output goes to a log
    :param has_workers: whether the run has an engine: what runs here needs what this machine has
    """

    __slots__ = (
        *("_earlier", "_named", "_scripts", "_shells", "actions", "colours", "fingerprinter", "has_workers"),
        *("root", "run", "state"),
    )

    def __init__(
        self,
        root: str,
        state: str,
        run: str,
        fingerprinter: Fingerprinter,
        actions: Mapping[Any, Command],
        *,
        colours: bool = False,
        has_workers: bool = False,
    ) -> None:
        self.has_workers = has_workers
        self.root = root
        self.state = state
        self.run = run
        self.fingerprinter = fingerprinter
        self.actions = actions
        self.colours = colours
        self._scripts = 0
        """How many scripts have started."""
        self._shells: Shells | None = None
        self._earlier: Sequence[str] | None = None
        """The names of the folders with logs of earlier attempts, None before they are needed."""
        self._named = ("", "")
        """The action that was asked for last, and the name of what belongs to it: a start asks several times."""

    def log(self, uid: str) -> str:
        """Return the path of the log of an action."""
        return f"{self.state}/logs/{self._name_of(uid)}.log"

    def _name_of(self, uid: str) -> str:
        if self._named[0] != uid:
            self._named = (uid, own_name(self.actions[uid].label, uid))
        return self._named[1]

    def direct(self, script: Script, argv: Sequence[str], environ: Mapping[str, str], cwd: str) -> Direct | None:
        """Return how a script is started without its shell, None if it needs one; the first of a run have one.

        To know a shell so well costs as much as to start a few.

        :param argv: the shell with its options and the script
        """
        self._scripts += 1
        if self._scripts <= _WITH_SHELL or script.words:
            return None
        from .plain_words import plain_words

        plain = plain_words(script.text, script.variables)
        if plain is None:
            return None
        if self._shells is None:
            from treadle.engines.without_shell import Shells

            self._shells = Shells()
        return self._shells.direct(argv, environ, cwd, plain.words, plain.target, plain.shown)

    def earlier_log(self, uid: str, attempt: int) -> str:
        """Return the path of the log of an attempt that another one has followed."""
        return os.path.join(self.state, earlier_logs(self.actions[uid].label, uid), f"{attempt}.log")

    def has_earlier(self, uid: str) -> bool:
        """Return whether there are logs of earlier attempts of an action, or were when it was first asked."""
        if self._earlier is None:
            try:
                self._earlier = os.listdir(os.path.join(self.state, _EARLIER))
            except OSError:
                self._earlier = ()
        return bool(self._earlier) and own_name(self.actions[uid].label, uid) in self._earlier

    def aside(self, uid: str, kind: str = "failed") -> str:
        """Return the folder for what a failed action has written, or for what was there before it (`replaced`)."""
        return f"{self.state}/{kind}/{self._name_of(uid)}"


class CommandJob(ProcessJob):
    """Runs a Command: exit code 0 is success, 75 asks for another attempt, all else is failure.

    :param context: what the jobs of its walk share
    :param ready: called just before each attempt, makes room for its outputs; returns where they were restored
        from, "" if the action has to run; may raise TreadleError
    :param engine: the engine that runs its program, "" for this machine
    :param limits: those of this run; None for those of its Command
    """

    logs_failures = False
    guarding = False
    """Whether its next step is a guard, see `guarded_job.GuardedJob`."""
    _report = ""
    """The file in which its attempt may say something of its work, "" if none has started since the last look."""

    def __init__(
        self,
        uid: str,
        data: Command,
        notify_end: NotifyEnd,
        context: JobContext,
        ready: Callable[[CommandJob], str],
        engine: str = "",
        limits: Limits | None = None,
    ) -> None:
        super().__init__(uid, data, notify_end)
        self.command = data
        self.limits = limits = limits or data.limits
        self.context = context
        self.ready = ready
        self.engine = engine
        self.lasts = False
        """Whether it is expected to last, so that it is worth a control group."""
        self._logged = self._turned = 0
        """The last attempt that had a log, and the last one of which the log of the one before was kept."""
        self._announced = 0
        """The last attempt that was published as started."""
        self.folder = context.root
        """The folder that its paths are relative to while it runs: the root, or a folder of its own."""
        self.differs = ""
        """Which outputs of its last attempt differ from their baselines, in words, "" if none does."""
        self.artifacts: Artifacts | None = None
        """The artifacts of its attempt, if its command has any."""
        self.left_out = ""
        """Why it does not start though it is its turn, "" if it does."""
        self.made_room = False
        """Whether the outputs of previous runs have been removed for this attempt."""
        self.restored = ""
        """Where its outputs came from, "" if they were not restored."""
        self.restored_by = ""
        """The name of the cache that its outputs came from, "" if that has none."""
        self.restored_log: bytes | None = None
        """What the action printed whose outputs were restored, None if that is not known."""
        self.met_by: Sequence[Reason] = ()
        """The ends other than successes that let it in, see `decision.MET_BY`."""
        self.emptied: list[str] = []
        """Output folders from which something was removed before an attempt."""
        self.queue_name = CONSOLE_QUEUE if data.console else limits.queue
        self.tokens = limits.tokens
        self.timeout = limits.timeout
        self.demand = limits.demand
        if context.has_workers and not engine:
            from .engine_runs import demand_here

            self.demand = demand_here(self.demand, self.queue_name, self.tokens)
        self.sight = ""
        """What its attempt reads, as it was at its start, see `taking_over`; "" where it runs on this machine."""
        self.views: Mapping[str, str] | None = None
        """What a worker has to see before it starts, see `engine_runs.views_of`; None where that is not known."""
        self.taken_over: AttemptSpec | None = None
        """The attempt of a killed run that it goes on with, None if it begins its own."""
        self.reads_since = 0.0
        """When its attempt may have begun to read, in seconds since the epoch: an engine reports that late."""
        self.is_left = False
        """Whether its attempt goes on with its engine after the run."""
        self._whole_limit: float | None = None
        """Its time limit, where part of that was over when it was taken over."""

    def prepare(self, slot: int) -> None:
        """Forget the program of the attempt before, and where that came from."""
        super().prepare(slot)
        self.taken_over, self.reads_since = None, self._start_time or 0.0

    def can_take_over(self, spec: AttemptSpec) -> bool:
        """Return whether an attempt of a killed run is what this one would be."""
        command, log = self.command, spec.attempt.get("log")
        # what these note at a start is not known any more
        is_plain = not (command.workdir or command.artifacts or command.guards is not None or command.console)
        return (
            is_plain
            and self.attempt == 1
            and spec.sight == self.sight != ""
            and (log, list(spec.outputs)) == (self.context.log(self.uid), self._output_paths())
        )

    def take_over(self, spec: AttemptSpec, began: float | None) -> None:
        """Go on with an attempt of a killed run.

        :param began: when it began, in seconds since the epoch; None where that is not known
        """
        self.taken_over = spec
        self._logged = self._turned = self.attempt
        if began is None:
            return
        over = max(time() - began, 0.0)
        self.reads_since = min(began, self.reads_since)
        if self.timeout is not None:
            self._whole_limit, self.timeout = self.timeout, max(self.timeout - over, 0.001)

    def ended(self, how: AttemptEnd) -> None:
        """Take in how the program has ended; what is left running has not, for a run that takes it over."""
        self.is_left = how.cause == LEFT
        super().ended(AttemptEnd(how.key, None) if self.is_left else how)
        if self.is_left:
            self.failure, self.interrupted = how.error, True
        if self._whole_limit is not None:
            self.timeout = self._limit = self._whole_limit
            self._whole_limit = None

    def _output_paths(self) -> list[str]:
        return [os.path.join(self.folder, path) for path in self.command.written]

    @property
    def longest_attempt(self) -> float | None:
        """The time limit of its next attempt, which may have grown, also before guards; None for no limit."""
        tries = self._treadle_tries
        return self.limits.timeout if tries is None else tries.amounts.get("timeout")

    @property
    def priority(self) -> int:
        """The priority of the command."""
        return self.limits.priority

    def status_of(self, code: int | None) -> ReturnValue:
        """Return the status of an exit code: 126 of a shell (`cannot execute`) is not e3's `unchanged`."""
        return self._outcome_of(code).status

    @property
    def outcome(self) -> Outcome:
        """How it ended: what its exit code means, where it came to its end by one."""
        ended, code = super().outcome, self.code
        if code is None or self.failure is not None or self.interrupted or self.guarding:
            return ended
        meant = self._outcome_of(code)
        # a subclass may have its own `status`
        return self._by_cause(meant) if meant.status == self.status else ended

    @property
    def ended_well_at_once(self) -> bool:
        """Whether its program ended with 0, where that means success, and has not had the terminal."""
        command = self.command
        return (
            self.code == 0
            and not (self.restored or self.interrupted or self.guarding or self.left_out or command.console)
            and self.failure is None
            and command.codes is None
            and command.expect is None
            and self.limits.retries.passes == 1
        )

    def _outcome_of(self, code: int | None) -> Outcome:
        """Return what an exit code means; a signal is a failure, whatever is expected."""
        command = self.command
        is_usual = command.codes is None and command.expect is None and not self.differs
        if self.restored:
            return _RESTORED
        if code == 0 and is_usual:
            return _SUCCESS
        why = describe_status(code)
        if code is None or code < 0:
            return outcome("failed", why)
        from treadle.core.codes import outcome_of_code

        found = outcome_of_code(code, why, command.codes, command.expect, self.differs)
        if (command.baseline or command.accept) and found.kind in ("diffed", "expected_diff"):
            from .baseline import how_to_accept

            return outcome(found.kind, f"{found.reason}{how_to_accept(self.uid)}")
        return found

    def start(self, slot: int, host: Host | None = None) -> None:
        """Start the program; what is left out has ended at once."""
        if self.left_out and host is not None:
            host.run_process(self, None)
        else:
            super().start(slot, host)

    def announce(self) -> bool:
        """Return whether this attempt is yet to be published as started, and count it as published from now on.

        A start that met a shortage is tried again, and is the same attempt.
        """
        is_new, self._announced = self._announced != self.attempt, self.attempt
        return is_new

    def _resource_variables(self, command: Command) -> dict[str, str]:
        """Return the variables that say what it holds; what the command sets itself is left alone."""
        # with an engine, actions of this machine have a demand in any case: they learn no more than without one
        if self.demand is not None and self.resources is not None and self.limits.demand is not None:
            said = self.resources.environment()
        else:
            # it asks for no GPU where others ask for some: no pool was looked for
            said = dict.fromkeys(_NAME_GPUS, "") if command.limits.resources.get("gpus") == 0 else {}
        return {name: value for name, value in said.items() if name not in command.env.set}

    def take_hit(self) -> Hit | None:
        """Return the outputs that were found for it before its turn, None if they were not looked for."""
        return None

    def how_it_ended(self) -> str:
        """Return in words how the last attempt has ended."""
        return self.outcome.reason or self._why_not_good() or describe_status(self.code)

    def make_attempt(self) -> Attempt | None:
        """Make room for the outputs, and return what to start; None if the outputs were restored."""
        command, context = self.command, self.context
        argvs: Sequence[Sequence[str]] = command.argvs()
        if not argvs:
            raise TreadleError("it has nothing to run")
        self.made_room = False
        self.restored = self.differs = ""
        self.restored = self.ready(self)
        self.made_room = True
        if self.taken_over is not None:
            going_on = self.taken_over.to_start()
            self._report = going_on.environ.get(REPORT, "")
            return going_on
        if command.artifacts:
            from .artifacts import Artifacts

            self.artifacts = None if self.restored else Artifacts(command.artifacts, self.folder, command.cwd)
        if self.restored:
            # its outputs are there, so nothing is started
            if not command.console:
                self._write_log(self.restored_log or b"")
            self._code, self._has_ended = 0, True
            return None
        environ = context.fingerprinter.environment(command)
        if command.limits.resources or command.limits.fallbacks:
            environ |= self._resource_variables(command)
        # always there: a shell with -u ends a script that names a variable which is not
        environ.setdefault(MET_BY, told_of(self.met_by) if self.met_by else "")
        argvs = [self._resolved(argv, environ) for argv in argvs]
        if command.discovery is not None:
            from .discovery import wrapped

            command.discovery.prepare(self.folder)
            # what wraps a program is found as the program is, on the PATH of the action
            argvs = [
                self._resolved(argv, environ) for argv in wrapped(command.discovery, argvs, self.folder, self.uid)
            ]
        if REPORT not in command.env.set:
            # a name of this run: what a killed one has left is none of ours
            self._report = environ[REPORT] = f"{context.log(self.uid)[:-4]}.{context.run}.report"
        if context.colours and prints_to_its_log(command) and _SAY_COLOURS.isdisjoint(environ):
            environ |= COLOURED
        cwd = self.folder if command.cwd == "." else os.path.normpath(os.path.join(self.folder, command.cwd))
        log = None if command.console else self._prepared_log()
        if command.console:
            # its report goes where logs are
            own_files.make_folder(context.state, "logs")
        stdout = None if command.console or command.stdout is None else os.path.join(self.folder, command.stdout)
        direct = None
        if (
            command.script is not None
            and stdout is None
            and log is not None
            and len(argvs) == 1
            and not self.engine
        ):
            own = command.script
            # what wraps a shell wants to see it
            if argvs[0][1:] == (*own.shell[1:], own.text):
                direct = context.direct(own, argvs[0], environ, cwd)
        return Attempt(
            argvs,
            mark=mark_of(context.run, self.uid),
            environ=environ,
            cwd=cwd,
            stdin=0 if command.console else None,
            stdout=stdout,
            log=log,
            own_session=not command.console,
            success=_USUAL if command.codes is None else sorted(command.codes.success),
            direct=direct,
            is_measured=self.lasts or "memory" in self.limits.resources,
            inputs=self._input_files() if self.engine else (),
            outputs=self._output_paths() if self.engine else (),
        )

    def _input_files(self) -> list[str]:
        """Return the files that it reads, without those in folders that it reads: others may be writing there."""
        command = self.command
        paths = (*command.inputs, *command.edits)
        return [os.path.join(self.folder, path) for path in paths if not path.endswith("/")]

    @property
    def secrets(self) -> list[str]:
        """The values that nothing may show."""
        command = self.command
        given = self.context.fingerprinter.environment(command) if command.env.secret else {}
        return [given[name] for name in command.env.secret if name in given]

    def take_report(self) -> list[str]:
        """Take in what its attempt has said in its report; return what is wrong with that, in words."""
        path, self._report = self._report, ""
        if not path or not os.path.lexists(path):
            return []
        from .reported import take

        command, secrets = self.command, self.secrets
        cwd = os.path.normpath(os.path.join(self.folder, command.cwd))
        values = values_of(self)
        wrong = take(path, values, cwd=cwd, root=self.folder, secrets=secrets)
        if command.workdir:
            from .workdir import artifacts

            values.artifacts = artifacts(values.artifacts, command.outputs, self.context.root, self.folder)
        return wrong

    def _prepared_log(self) -> str:
        """Make the log, empty; return its path."""
        context = self.context
        log = context.log(self.uid)
        flags = os.O_WRONLY | os.O_APPEND | os.O_TRUNC
        try:
            try:
                os.close(own_files.open_own(log, flags))
            except FileNotFoundError:
                own_files.make_folder(context.state, "logs")
                os.close(own_files.open_own(log, flags))
        except OSError as error:
            raise TreadleError(f"{error.filename} cannot be written: {error.strerror}") from error
        self._logged = self.attempt
        return log

    def _write_log(self, printed: bytes) -> None:
        """Make the log of an action that does not run, with what it printed when it ran elsewhere."""
        log = self._prepared_log()
        if printed:
            try:
                with open(own_files.open_own(log, os.O_WRONLY | os.O_APPEND), "wb") as file:
                    file.write(printed)
            except OSError as error:
                raise TreadleError(f"{log} cannot be written: {error.strerror}") from error

    def turn_logs(self) -> None:
        """Keep the log of the attempt before; before the first one drop what a former run has kept."""
        context, uid = self.context, self.uid
        if self._turned >= self.attempt or (self.attempt == 1 and not context.has_earlier(uid)):
            return
        from . import attempt_logs

        place = earlier_logs(self.command.label, uid)
        if self.attempt == 1:
            attempt_logs.drop(context.state, place)
        else:
            has_log = self._logged == self.attempt - 1
            attempt_logs.keep(context.state, place, self.attempt - 1, context.log(uid) if has_log else "")
        self._turned = self.attempt

    def _resolved(self, argv: Sequence[str], environ: Mapping[str, str]) -> Sequence[str]:
        if "/" in argv[0]:
            return argv
        return (self.context.fingerprinter.program(argv[0], environ) or argv[0], *argv[1:])


_SUCCESS = outcome("success")
_RESTORED = outcome("restored")
_USUAL = (0,)
MET_BY = "TREADLE_MET_BY"
"""The variable with what let an action in: a line for each, its kind of outcome and its name.

Successes are not in it, as they have outputs: a value of theirs would be an input in no fingerprint. An action
after a failure runs each time, so the variable is never older than the run.
"""
_MOST_MET_BY = 64 << 10
"""Bytes of that variable: a system bounds what one may have."""
_WITH_SHELL = 20
"""So many scripts of a run have a shell in any case: a run of a few actions neither loads nor tries anything."""
REPORT = "TREADLE_REPORT"
"""The variable with the path of the report."""
COLOURED = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "CARGO_TERM_COLOR": "always"}
"""Variables that make programs write colours without a terminal. They are not part of fingerprints.

A command that redirects, pipes or captures does not get them: it might write escape sequences into an output.
"""
_NAME_GPUS = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""As in `engines.machine`, which a run without demands does not load."""
_SAY_COLOURS = {"NO_COLOR", *COLOURED}
_REDIRECTS = (">", "|", "`", "$(")


def told_of(met_by: Sequence[Reason]) -> str:
    """Return which outcomes let an action start, a line for each; a last one counts those without room."""
    lines: list[str] = []
    size = 0
    for reason in met_by:
        line = f"{reason.new} {reason.name}"
        size += len(line.encode("utf-8", "surrogateescape")) + 1
        if size > _MOST_MET_BY:
            return "\n".join([*lines, f"... {len(met_by) - len(lines)} more"])
        lines.append(line)
    return "\n".join(lines)


def prints_to_its_log(command: Command) -> bool:
    """Return whether all that a command prints goes to its log: nothing in it redirects, pipes or captures.

    Escape sequences in an output would be worse than no colours, so in doubt it returns False.
    """
    if command.stdout is not None or command.console:
        return False
    texts = (command.script.text,) if command.script is not None else sum(command.steps, ())
    return not any(mark in text for text in texts for mark in _REDIRECTS)


def log_path(state: str, label: str, uid: str) -> str:
    """Return the path of the log of an action.

    :param state: the state folder
    :param label: the plan of the action: two plans in one root may have actions of one name
    """
    return os.path.join(state, "logs", f"{own_name(label, uid)}.log")


_EARLIER = "logs/attempts"
"""The folder in the state folder with a folder for each action of which more than one attempt was made."""


def earlier_logs(label: str, uid: str) -> str:
    """Return the folder for the logs of earlier attempts of an action, relative to the state folder."""
    return f"{_EARLIER}/{own_name(label, uid)}"


def own_name(label: str, uid: str) -> str:
    """Return a file name for what belongs to an action: its uid, with its plan if that is not treadle.yaml.

    No name of an action has the comma that is between them, but in the `[...]` at its end.
    """
    return file_name(uid if label in ("", USUAL_LABEL) else f"{label},{uid}")


_PLAIN = dict.fromkeys(b"_.@,+=-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
"""Characters that `str.translate` removes: a name of these alone is a plain one."""


def file_name(uid: str) -> str:
    """Return a file name for an action: its uid, with escapes and a digest where a file name needs them."""
    safe = uid
    if uid.translate(_PLAIN):
        safe = "".join(c if c.isalnum() or c in "_.@,+=-" else f"%{ord(c):02x}" for c in uid)
    if len(safe.encode()) > 150 or safe.startswith("."):
        from xxhash import xxh3_64_hexdigest

        safe = f"{safe[:60].lstrip('.')}-{xxh3_64_hexdigest(uid.encode('utf-8', 'surrogatepass'))}"
    return safe
