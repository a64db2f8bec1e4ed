"""Job, EmptyJob, ProcessJob: what one job needs and how it ended. They know no graph and no admission."""

from __future__ import annotations

import os
from _thread import RLock
from itertools import count
from time import monotonic, time

from treadle._startup.interpreter import inherited
from treadle.core.outcomes import JobTimingInfo, Outcome, SaysValues, Stepped, outcome, outcome_of_status
from treadle.engines.base import Attempt
from treadle.engines.local import SPAWN_ERRORS, OpenFiles
from treadle.engines.process import describe_status, usage_of
from treadle.errors import JobEnd, TreadleError, UsageError, is_shortage, listed
from treadle.status import ReturnValue

from .hooks import add_note_of, refusal_of_unrun, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from treadle.core.callbacks import NotifyEnd
    from treadle.core.outcomes import Usage
    from treadle.core.pool import Allocation, Demand
    from treadle.core.retry import Policy, Tries
    from treadle.engines.base import AttemptEnd
    from treadle.engines.process import Process

    class Host(Protocol):
        """What starts jobs: a Scheduler, or a fake."""

        def run_in_thread(self, job: Job) -> None:
            """Call `job.run_guarded()` in a thread, then report that the job ended."""

        def run_process(self, job: ProcessJob, start: Attempt | None) -> Process | None:
            """Attempt a program for the job, whose `ended` is called at its end; None where it did not start."""

        def interrupt_process(self, job: ProcessJob) -> None:
            """End the tree of the job's program: TERM, grace, KILL."""


USE_SCHEDULER_TIMEOUT: float = -1.0
"""A job's `timeout` that means the one of its scheduler."""


class Job(Stepped, SaysValues):
    """One piece of work.

    Subclasses override `run`, and `status`, `priority`, `queue_name`, `tokens` or `timeout` where the defaults
    do not do. The names are those of e3.

    :param uid: the vertex that it works for
    :param data: the data of that vertex
    :param notify_end: called with the uid when a job that was started by hand has ended
    """

    lock = RLock()
    """That of its scheduler: held while `job_provider` or `collect` runs, so that a `run` which holds it may share
    data with these. Each scheduler has its own, so a callback may wait for another run. The class has one for the
    jobs that no scheduler runs."""
    index_counter = 0

    queue_name = "default"
    tokens = 1
    demand: Demand | None = None
    """What an attempt needs, in place of `queue_name` and `tokens`; None for these two alone."""
    resources: Allocation | None = None
    """What its last attempt got of a pool; None where no job of the run has had a demand before it started."""
    timeout: float | None = USE_SCHEDULER_TIMEOUT
    """Seconds that one attempt may last; None for no limit."""
    engine = ""
    """The engine that runs its program, "" for this machine; see `Walk.engines`."""
    retries: Policy | None = None
    """How often and after which ends it is tried again, such as `Retries(2)`; None for never. A walk goes by it, if
    its `request_requeue` is left alone; a `CommandJob` goes by its limits."""
    retry_delay = 0.0
    """Seconds to wait before it is queued again, when `collect` has it queued again."""

    # class attributes until a job starts: most jobs of a large graph have not started
    slot: int | None = None
    interrupted = False
    timed_out = False
    attempt = 0
    failure: str | None = None
    """Why it failed, where that is not for `status` to say: an exception, an impossible demand."""
    failure_kind = "error"
    """The kind of outcome that goes with `failure`."""
    _said: Outcome | None = None
    """How it has ended by its own word, that of a `JobEnd` such as `Skipped` that its work has raised."""
    usage: Usage | None = None
    """What its last attempt has used; None where no program of it ran, or its engine does not say."""
    _treadle_tries: Tries | None = None
    """What is known of its attempts, from the first on that another one might follow; None before."""
    _limit: float | None = None
    """Seconds that its last attempt could last, its own or those of its scheduler; None for no limit."""
    _start_time: float | None = None
    _stop_time: float | None = None
    _started_at = _stopped_at = 0.0
    _host: Host | None = None

    def __init__(self, uid: Any, data: Any, notify_end: NotifyEnd) -> None:
        # no lock: an interrupt at the end of a `with` would leave it held, and the next job would wait for ever
        self.index = Job.index_counter = next(_NUMBERS)
        self.uid: Any = uid
        self.data = data
        self.notify_end = notify_end

    should_skip = False
    """Whether it is never started: it takes no token and is collected at once."""

    @property
    def ended_well_at_once(self) -> bool:
        """Whether it is sure before it is collected that it has ended well, but for what it has made."""
        return False

    @property
    def priority(self) -> int:
        """Among what waits in one queue the higher goes first."""
        return 0

    @property
    def status(self) -> ReturnValue:
        """How it ended; a plain job that ran to its end succeeded."""
        if self.failure is None and self._said is not None:
            return self._said.status
        return ReturnValue.success if self.failure is None else ReturnValue.failure

    @property
    def final_status(self) -> ReturnValue:
        """The status that follows from its `outcome`: that of its own only where it came to its end."""
        return self.outcome.status

    @property
    def outcome(self) -> Outcome:
        """How it ended: its `status` as an outcome, if it did not crash and was neither interrupted nor refused.

        What was interrupted may have left its work half done, whatever it says itself. A status that is no
        ReturnValue, such as a bare number, makes the job a failure: 0 may be an exit code or a False.
        """
        if self.timed_out:
            return outcome("timeout", self._why_not_good() or "")
        if self.interrupted:
            return outcome("interrupted", self.failure or "")
        if self._said is not None and self.failure is None:
            return self._said
        status = attribute_of(self, "status") if self.failure is None else ReturnValue.failure
        if not isinstance(status, ReturnValue):
            self.fail(f"its status is {shown(status)}, expected a ReturnValue such as ReturnValue.success")
        if self.failure is not None:
            return outcome(self.failure_kind, self.failure)
        return outcome_of_status(status, "" if status.is_good else self._why_not_good() or "")

    @property
    def timing_info(self) -> JobTimingInfo:
        """When it started and ended; the duration of one that runs counts on, 0.0 for one that never started."""
        start, stop = self._start_time, self._stop_time
        if start is None:
            return JobTimingInfo(None, None, 0.0)
        return JobTimingInfo(start, stop, (monotonic() if stop is None else self._stopped_at) - self._started_at)

    @property
    def started_at(self) -> float:
        """When its last attempt started, on the monotonic clock."""
        return self._started_at

    def record_start_time(self) -> None:
        """Note that it starts now; an attempt after the first starts afresh."""
        self._start_time = time()
        self._started_at = monotonic()
        self._stop_time = None

    def record_stop_time(self) -> None:
        """Note that it ends now."""
        self._stop_time = time()
        self._stopped_at = monotonic()

    def prepare(self, slot: int) -> None:
        """Forget what the attempt before has left, and take the slot of the next one."""
        self.slot = slot
        self.attempt += 1
        self.interrupted = self.timed_out = False
        self.failure = self._said = None
        if self._treadle_values is not None:
            self._treadle_values = None
        self.record_start_time()

    def start(self, slot: int, host: Host | None = None) -> None:
        """Run it in a thread of the host's; without a host in one of its own, and call `notify_end` at the end.

        :param slot: a number that no other running job has
        """
        self._host = host
        if host is not None:
            host.run_in_thread(self)
            return
        self.prepare(slot)
        import threading

        def body() -> None:
            self.run_guarded()
            self.record_stop_time()
            self.notify_end(self.uid)

        threading.Thread(target=body, name=str(self.uid), daemon=True).start()

    def run(self) -> None:
        """Do the work."""
        raise NotImplementedError(f"{type(self).__name__} has no run()")

    def run_guarded(self) -> None:
        """Call `run` unless the job was interrupted before."""
        if self.interrupted:
            self.fail("interrupted before it started")
            return
        run: Callable[[], Any] = self.run
        try:
            left = run()
            if left is not None and (refused := refusal_of_unrun(left)):
                self.fail(refused)
        except BaseException as error:
            self.ended_by(error)

    def ended_by(self, error: BaseException) -> None:
        """Note what its work has raised: a `JobEnd` says how it has ended, all else is an error and is logged."""
        if isinstance(error, JobEnd):
            self._said = outcome(error.kind, str(error))
            return
        self.fail(f"{type(error).__name__}: {error}")
        _log().error("job %s raised an exception", self.uid, exc_info=error)

    def fail(self, reason: str, kind: str = "error") -> None:
        """Make it a failure for a reason that `status` does not know.

        :param kind: the kind of its outcome, see `core.outcomes.KINDS`
        """
        self.failure, self.failure_kind = reason, kind

    def _why_not_good(self) -> str | None:
        """Return in words why it did not end well, None where only its status says so."""
        if self.failure is not None:
            return self.failure
        if self.timed_out:
            return f"ended after its time limit of {self._limit:g} s"
        return "interrupted" if self.interrupted else None

    def interrupt(self) -> bool:
        """Ask it to end; return True the first time. What runs in a thread has to look at `interrupted` itself."""
        first = not self.interrupted
        self.interrupted = True
        return first

    @property
    def has_runner(self) -> bool:
        """Whether its work is a program that the runner of its host starts."""
        return False


class EmptyJob(Job):
    """A job that is never started: its status is known beforehand."""

    should_skip = True

    def __init__(
        self, uid: Any, data: Any, notify_end: NotifyEnd, status: ReturnValue = ReturnValue.force_fail
    ) -> None:
        super().__init__(uid, data, notify_end)
        self._status = status

    @property
    def status(self) -> ReturnValue:
        """The status given at construction."""
        return self._status

    def run(self) -> None:
        """Do nothing."""


class ProcessJob(Job):
    """A job that is a program: subclasses say which by `cmdline`, and how by `cmd_options`."""

    logs_failures = True
    """Whether a program that could not be started is reported in the log; False if that is reported elsewhere."""

    def __init__(self, uid: Any, data: Any, notify_end: NotifyEnd) -> None:
        super().__init__(uid, data, notify_end)
        self.proc_handle: Process | None = None
        self._code: int | None = None
        self._has_ended = False
        self._cause = ""
        """Why its program was killed, as far as its engine knows."""
        self.host = ""
        """Where its last attempt ran, "" where its engine does not say."""

    @property
    def cmdline(self) -> list[str]:
        """The program and its arguments."""
        raise NotImplementedError(f"{type(self).__name__} has no cmdline")

    @property
    def cmd_options(self) -> dict[str, Any]:
        """How to start it; a key that is not here is refused.

        - `cwd`: the folder, ours if left out
        - `output`, `error`: None for our own stdout and stderr, a path, or a descriptor; stderr goes where
          stdout goes if left out
        - `input`: a path; left out, there is nothing to read
        - `env`: the environment, ours if left out; `ignore_environ=False` adds ours to it
        """
        return {"output": None}

    @property
    def status(self) -> ReturnValue:
        """The exit code as a ReturnValue: notready before the start, failure for what is not one."""
        if self.failure is not None:
            return ReturnValue.failure
        if self.proc_handle is None and not self._has_ended:
            return ReturnValue.notready
        return self.status_of(self.code)

    @property
    def outcome(self) -> Outcome:
        """How it ended; what was killed for memory says so where its engine knows it."""
        return self._by_cause(super().outcome)

    def _by_cause(self, ended: Outcome) -> Outcome:
        if self._cause == "lost" and ended.kind in ("lost", "failed", "expected_failure"):
            return outcome("lost", why_lost(self.failure or "", self.host))
        if self._cause and ended.kind in ("failed", "expected_failure"):
            return outcome(self._cause, f"{describe_status(self.code)}: memory ran out")
        return ended

    @property
    def code(self) -> int | None:
        """The exit code of its last program, negative for a signal; None if none has ended."""
        return self._code if self.proc_handle is None else self.proc_handle.status

    def status_of(self, code: int | None) -> ReturnValue:
        """Return the status of an exit code."""
        if code is None:
            _log().warning("job %s returned None for status", self.uid)
            return ReturnValue.failure
        try:
            return ReturnValue(code)
        except ValueError:
            _log().warning("job %s returned an unknown status %s", self.uid, code)
            return ReturnValue.failure

    def _why_not_good(self) -> str | None:
        """Return what other jobs say, or else the exit code or the signal that ended the program."""
        why = super()._why_not_good()
        is_over = self.proc_handle is not None or self._has_ended
        return why if why is not None or not is_over else describe_status(self.code)

    def prepare(self, slot: int) -> None:
        """Forget the program of the attempt before."""
        super().prepare(slot)
        self.proc_handle = self.usage = None
        self._code, self._has_ended, self._cause = None, False, ""

    @property
    def has_runner(self) -> bool:
        """Whether `run` is not overridden."""
        return type(self).run is ProcessJob.run

    def start(self, slot: int, host: Host | None = None) -> None:
        """Give the program to the host, which waits for all of them at once; an overridden `run` is called."""
        if host is None or not self.has_runner:
            super().start(slot, host)
            return
        self._host = host
        attempt = None
        try:
            attempt = self.make_attempt()
        except Exception as error:
            if is_shortage(error):
                raise
            self._not_started(error)
        self.proc_handle = host.run_process(self, attempt)

    def run(self) -> None:
        """Run the program and wait for its end; what cannot be started is a failure."""
        try:
            attempt = self.make_attempt()
            if attempt is None:
                return
            files = OpenFiles(attempt)
            try:
                self.proc_handle = files.spawn()
            except SPAWN_ERRORS as error:
                self.fail(files.why_not(error))
                _log().error("job %s could not be started: %s", self.uid, self.failure)
                return
            if self.interrupted:
                # `interrupt` may have looked before there was a program to end
                self.proc_handle.kill(recursive=True)
            self.proc_handle.wait()
            self.usage = usage_of([self.proc_handle.rusage], monotonic() - self._started_at)
            files.close()
        except (OSError, TreadleError) as error:
            self._not_started(error)

    def ended(self, how: AttemptEnd) -> None:
        """Take in how the program has ended, when a host has run it."""
        self._code, self._has_ended, self.usage = how.code, True, how.usage
        self._cause, self.host = how.cause, how.host
        if how.process is not None:
            self.proc_handle = how.process
        elif how.host and how.usage is not None:
            # its start was reported late, maybe together with its end
            self._started_at = monotonic() - how.usage.wall
        error = how.error or (LOST if how.cause == "lost" and how.code is None else "")
        if error and self.failure is None:
            self.fail(error, how.cause or "error")
            if self.logs_failures:
                _log().error("job %s: %s", self.uid, error)
        elif self.proc_handle is not None and self.proc_handle.status is None:
            self.proc_handle.status = how.code

    def _not_started(self, error: Exception) -> None:
        """Fail since it is not known what is to be started: a user error, or a bug in a subclass."""
        is_user_error = isinstance(error, OSError | TreadleError)
        self.fail(str(error) if is_user_error else f"{type(error).__name__}: {error}")
        trace = None if is_user_error else error
        if trace is not None or self.logs_failures:
            _log().error("job %s could not be started: %s", self.uid, self.failure, exc_info=trace)

    def make_attempt(self) -> Attempt | None:
        """Return what is to be started, from `cmdline` and `cmd_options`; None if it has ended without."""
        from treadle.engines.process_marks import mark_of

        argv: Any = self.cmdline
        options: Any = self.cmd_options
        if not isinstance(argv, list | tuple) or not argv or not all(isinstance(word, _WORDS) for word in argv):
            raise UsageError(
                f"its cmdline is {shown(argv)}", facts=("expected a list of texts such as ['echo', 'hello']",)
            )
        argv = list(map(os.fsdecode, argv))
        if not isinstance(options, dict):
            raise UsageError(f"its cmd_options are {shown(options)}", facts=("expected a dict",))
        options = dict(options)
        cwd = options.pop("cwd", None)
        output, error = options.pop("output", None), options.pop("error", None)
        stdin = options.pop("input", None)
        environ = inherited() if "env" not in options else dict(options.pop("env"))
        if not options.pop("ignore_environ", True):
            environ = {**inherited(), **environ}
        if options:
            raise TreadleError(f"unknown cmd_options: {listed(sorted(options))}")
        # 1 and "1" are two uids
        mark = mark_of(RUN_ID, f"{self.index}-{self.uid}")
        if self.demand is not None and self.resources is not None:
            environ |= self.resources.environment()
        stdin, output, error = (
            one if one is None or isinstance(one, int) else os.fspath(one) for one in (stdin, output, error)
        )
        return Attempt([argv], mark=mark, environ=environ, cwd=cwd, stdin=stdin, stdout=output, stderr=error)

    def interrupt(self) -> bool:
        """End the program with all that it has started; always True."""
        super().interrupt()
        if self._host is not None and self.has_runner:
            self._host.interrupt_process(self)
        elif self.proc_handle is not None:
            self.proc_handle.kill(recursive=True)
        return True


LOST = "its worker went away while it ran"


def why_lost(error: str, host: str) -> str:
    """Return in words why an attempt was lost.

    :param error: what its engine says, "" if that is nothing
    :param host: where it ran, "" if that is not known
    """
    return (error or LOST) + (f" (on {host})" if host else "")


_WORDS = (str, bytes, os.PathLike)
_NUMBERS = count(1)
"""The number of the next job; taking one is a single step."""

RUN_ID = os.urandom(8).hex()
"""What this process puts into the marks of the programs that it starts for jobs of no particular run."""


def attribute_of(job: Job, name: str) -> Any:
    """Return an attribute of a job that a subclass may compute; an exception gets a note that names both."""
    try:
        return getattr(job, name)
    except Exception as error:
        add_note_of(error, f"{type(job).__name__}.{name}", [job.uid])
        raise


def check(job: Job, uid: Any) -> None:
    """Refuse a job that a subclass has not set up.

    :param uid: the vertex that it was made for
    """
    if not hasattr(job, "index"):
        raise UsageError(
            f"the {type(job).__name__} for {uid!r} was made without the __init__ of Job",
            hint="call super().__init__(uid, data, notify_end) in its own",
        )


def _log() -> Any:
    import logging

    return logging.getLogger("treadle.scheduling.job")
