"""What is handed to an engine and what comes back, as plain data, and the base of engines outside of this process.

An attempt says what is to be started by argvs, an environment and paths: what runs it opens the files, here or
on another machine that sees the same folder.
"""

from __future__ import annotations

from _queue import Empty, SimpleQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol, Self

    from treadle.core.outcomes import Usage

    from .process import Process
    from .without_shell import Direct

    class Runner(Protocol):
        """What a Scheduler has programs run by: a LocalRunner, a BaseRunner, several of them, or a fake.

        All of it is called from one thread, but for `wake`. Keys are the caller's.
        """

        grace: float

        @property
        def active(self) -> int:
            """How many have been started and not been reported as ended."""

        @property
        def has_room(self) -> bool:
            """Whether the system has the resources for one more program, as far as is known."""

        def start(self, key: object, attempt: Attempt) -> Process | None:
            """Start it; what cannot be started has ended at the next `poll`.

            :return: the program, where it is one of this process
            :raises OSError: a shortage (see `errors.is_shortage`), nothing has been started; try again later
            """

        def tells_start(self, key: object) -> bool:
            """Return whether `poll` reports the start of what `start` takes under this key: it may wait first."""

        def knows(self, key: object) -> bool:
            """Return whether it was started under this key and has not been reported as ended."""

        def poll(self, timeout: float | None) -> Sequence[AttemptStart | AttemptEnd]:
            """Wait until something ends, `wake` is called or `timeout` seconds are over: return what ended.

            Starts are reported too, where `tells_start` says so.
            """

        def stop(self, key: object) -> None:
            """Ask for its end, and see to it after the grace."""

        def kill(self, key: object) -> None:
            """End it at once."""

        def recover(self) -> Sequence[AttemptStart | AttemptEnd]:
            """Make good what an exception out of one of these calls may have left half done.

            What was just being started is known from now on and can be stopped. Return what has ended already,
            also what the last `poll` has returned.
            """

        def wake(self) -> None:
            """Make a `poll` that is under way return."""

        def close(self) -> None:
            """Give its resources back; nothing may be running."""


GRACE = 5.0
"""Seconds between TERM and KILL."""


LEFT = "left"
"""The cause of the end of an attempt that goes on with its engine, as the run was asked to leave it."""


class Attempt:
    """What is to be started.

    The files are paths; a number is a descriptor of this process, which no other can use.

    :ivar argvs: one argv after the other, until one ends with a code that is not in `success`
    :ivar success: the exit codes after which the next one starts
    :ivar mark: the mark of its processes: the value of TREADLE_RUN in their environment
    :ivar environ: the whole environment, the mark not yet in it
    :ivar cwd: the folder to run in, None for that of the engine's process
    :ivar stdin: where it reads from, None for nowhere
    :ivar stdout: where its output goes, emptied first; None for the log, and without one for that of the engine
    :ivar stderr: the same for errors; None for the log, and without one for where stdout goes
    :ivar log: a file that is there, and is added to
    :ivar is_measured: whether its whole tree is measured from its start where the engine can do that: it asks for
        memory, or is expected to last
    :ivar inputs: files that it reads, absolute, where another machine may run it: it starts where these are seen as
        here
    :ivar outputs: the paths that it makes, absolute, where another machine may run it; a trailing `/` is a folder
    :ivar own_session: False keeps it in the session and group of the engine's process: it has the terminal
    :ivar direct: how the first of `argvs`, a shell, is left out to the same effect; not every engine does
    """

    __slots__ = (
        *("argvs", "cwd", "direct", "environ", "inputs", "is_measured", "log", "mark", "outputs"),
        *("own_session", "stderr", "stdin", "stdout", "success"),
    )

    def __init__(
        self,
        argvs: Sequence[Sequence[str]],
        *,
        mark: str,
        environ: Mapping[str, str],
        cwd: str | None = None,
        stdin: str | int | None = None,
        stdout: str | int | None = None,
        stderr: str | int | None = None,
        log: str | None = None,
        own_session: bool = True,
        success: Sequence[int] = (0,),
        direct: Direct | None = None,
        is_measured: bool = False,
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.is_measured = is_measured
        self.direct = direct
        self.success = tuple(success)
        self.argvs = argvs
        self.mark = mark
        self.environ = environ
        self.cwd = cwd
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.log = log
        self.own_session = own_session

    def environment(self) -> dict[str, str]:
        """Return the environment of its programs: with the mark, by which all that descends from them is found."""
        from .process_marks import with_mark

        return dict(with_mark(self.environ, self.mark))

    def as_data(self) -> dict[str, Any]:
        """Return it as data that JSON can hold.

        :raises ValueError: it holds descriptors, or the terminal of this process: it cannot be run elsewhere
        """
        if not self.own_session or any(isinstance(one, int) for one in (self.stdin, self.stdout, self.stderr)):
            raise ValueError("it uses files of this process, and cannot be run by another one")
        data = {name: getattr(self, name) for name in self.__slots__ if name not in _OF_THIS_PROCESS}
        return {
            **data,
            "argvs": [list(map(str, argv)) for argv in self.argvs],
            "environ": dict(self.environ),
            "outputs": list(self.outputs),
            "success": list(self.success),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return what `as_data` has made data of."""
        return cls(**data)


_OF_THIS_PROCESS = ("direct", "inputs", "own_session")
"""Fields of an attempt that mean nothing to another process, or that reach it in another way."""


class AttemptStart:
    """That something has started which waited after it was given to `start`."""

    __slots__ = ("key",)

    def __init__(self, key: object) -> None:
        self.key = key


class AttemptEnd:
    """How something that was started has ended.

    :ivar code: the exit code of the last program, negative for a signal; None if there is none
    :ivar error: why there is none: it could not be started, or it is not known how it ended
    :ivar process: the last program that was started, where it was one of this process
    :ivar usage: what its programs have used together; None where that is not known
    :ivar cause: the kind of outcome that its engine knows, else "": `out_of_memory` if that is why it was killed,
        `lost` if its worker or its node went away, `broken` if the engine has failed, so that there is no exit code
    :ivar host: where it ran, "" if the engine does not say
    """

    __slots__ = ("cause", "code", "error", "host", "key", "process", "usage")

    def __init__(
        self,
        key: object,
        code: int | None,
        error: str = "",
        process: Process | None = None,
        usage: Usage | None = None,
        cause: str = "",
        host: str = "",
    ) -> None:
        self.cause = cause
        self.host = host
        self.key = key
        self.code = code
        self.error = error
        self.process = process
        self.usage = usage


class BaseRunner:
    """Base of an engine that runs attempts elsewhere: in another process, in a pool, on a cluster.

    A subclass overrides `submit` and `cancel`, and calls `report` once for each attempt, from any thread. It is a
    `Runner`: give it to a Scheduler as its `runner`, or as one of `engines.several.Engines`.
    """

    grace = GRACE
    """Seconds that an attempt has to end by itself when it is cancelled."""
    reports_starts = False
    """Whether it calls `report_start`: what it was given may wait. Else that has started when it is submitted."""

    def __init__(self) -> None:
        self.on_end: Callable[[], None] | None = None
        """Called whenever a start or an end was reported, from the thread that reports it."""
        self.on_note: Callable[[str], None] | None = None
        """Called with notes about a run, from any thread."""
        self._running: dict[object, Attempt] = {}
        self._ends: SimpleQueue[AttemptStart | AttemptEnd | None] = SimpleQueue()
        self._told: list[AttemptStart | AttemptEnd] = []

    def submit(self, key: object, attempt: Attempt) -> None:
        """Have an attempt run; return at once. An exception is the end of this attempt.

        :param key: what `report` is to be called with
        """
        raise NotImplementedError(f"{type(self).__name__} has no submit()")

    def cancel(self, key: object, *, at_once: bool) -> None:
        """Have an attempt end; its end is reported as any other.

        :param at_once: whether its grace is over
        """
        raise NotImplementedError(f"{type(self).__name__} has no cancel()")

    def report_start(self, key: object) -> None:
        """Report that an attempt has started; any thread may call this. One that ends first needs no such call."""
        self._put(AttemptStart(key))

    def report(
        self,
        key: object,
        code: int | None = None,
        error: str = "",
        *,
        usage: Usage | None = None,
        cause: str = "",
        host: str = "",
    ) -> None:
        """Report the end of an attempt; any thread may call this, and only the first call for an attempt counts.

        :param code: the exit code of its last program, negative for a signal
        :param error: why there is none
        :param usage: what its programs have used, as far as the engine knows
        :param cause: `out_of_memory` if that is known to be why it was killed, `lost` if its worker or its node
            went away while it ran, which is no fault of the action, `broken` if the engine has failed
        :param host: where it ran
        """
        if code is None and not error and cause != "lost":
            error, cause = "it is not known how it ended", cause or "broken"
        self._put(AttemptEnd(key, code, error, usage=usage, cause=cause, host=host))

    def note(self, text: str) -> None:
        """Report something other than an end, such as what attempts wait for; any thread may call this."""
        if self.on_note is not None:
            self.on_note(text)

    def _put(self, told: AttemptStart | AttemptEnd | None) -> None:
        self._ends.put(told)
        # what comes before it and is still there has its call, and all is taken together
        if self.on_end is not None and self._ends.qsize() <= 1:
            self.on_end()

    def lose(self, error: str) -> None:
        """Report the end of all that runs: the engine is gone. Any thread may call this.

        :param error: what happened to it
        """
        for key in list(self._running):
            self.report(key, error=error, cause="broken")

    @property
    def active(self) -> int:
        """How many have been started and not been returned by `poll`."""
        return len(self._running)

    @property
    def has_room(self) -> bool:
        """Whether it takes one more."""
        return True

    def start(self, key: object, attempt: Attempt) -> None:
        """Submit an attempt; what cannot be submitted has ended at the next `poll`."""
        self._running[key] = attempt
        try:
            self.submit(key, attempt)
        except BaseException as error:
            # also of an interrupt: nothing would ever end it
            self.report(key, error=f"{type(error).__name__}: {error}".removesuffix(": "))
            if not isinstance(error, Exception):
                raise

    def tells_start(self, key: object) -> bool:  # noqa: ARG002 - it is the same for all
        """Return whether `poll` reports its start."""
        return self.reports_starts

    def knows(self, key: object) -> bool:
        """Return whether it was started under this key and its end has not been returned by `poll`."""
        return key in self._running

    def poll(self, timeout: float | None) -> list[AttemptStart | AttemptEnd]:
        """Wait until something is reported, `wake` is called or `timeout` seconds are over: return what was."""
        self._told = []
        wait: tuple[bool, float | None] = (timeout != 0, timeout or None)
        while True:
            try:
                told = self._ends.get(*wait)
            except Empty:
                break
            wait = (False, None)
            if isinstance(told, AttemptStart):
                is_new = told.key in self._running
            else:
                is_new = told is not None and self._running.pop(told.key, None) is not None
            if told is not None and is_new:
                self._told.append(told)
        return self._told

    def stop(self, key: object) -> None:
        """Have it end within the grace."""
        if key in self._running:
            self.cancel(key, at_once=False)

    def kill(self, key: object) -> None:
        """Have it end at once."""
        if key in self._running:
            self.cancel(key, at_once=True)

    def recover(self) -> list[AttemptStart | AttemptEnd]:
        """Return what was reported, also what the last `poll` has returned."""
        told = list(self._told)
        return [*told, *self.poll(0)]

    def wake(self) -> None:
        """Make a `poll` that is under way return."""
        self._put(None)

    def close(self) -> None:
        """Give its resources back; nothing runs."""
