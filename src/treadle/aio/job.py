"""AbstractJob and Job: what a job requires, its progress and its end. They know no scheduler.

A program derives from AbstractJob and sets attributes of its own: ours begin with `_aio_`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from types import CoroutineType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol
from weakref import ref

from treadle._startup.interpreter import RareCollection
from treadle.core.graph.dot import quoted
from treadle.core.outcomes import SaysValues, Usage
from treadle.errors import JobEnd, ProgramError, RunError, TreadleError, UsageError
from treadle.scheduling.hooks import awaitable, call_job_hook, shown

from .badges import DONE, IDLE, RUNNING, SCHEDULED, badge

if TYPE_CHECKING:
    from treadle.command.command import Retries
    from treadle.core.conditions import Condition
    from treadle.core.outcomes import Outcome
    from treadle.core.pool import Allocation
    from treadle.core.retry import Tries

Requirements = Any
"""A job, a Sequence, None, or a list, tuple or set of those, nested to any depth."""


class JobHolder(Protocol):
    """A holder of jobs: a scheduler."""

    def add(self, job: Any) -> Any:
        """Add a job."""


class _Told:
    """Names the outcome of a job. A program may set an attribute of this name in place of it."""

    def __get__(self, job: AbstractJob, owner: type) -> Outcome | None:
        return job._aio_outcome()


class AbstractJob(SaysValues):
    """One piece of work: subclasses define it by `co_run` and `co_shutdown`.

    :param forever: no end waits for it: it is cancelled when all others have ended
    :param critical: an exception that it raises ends the whole run
    :param label: its name in lists and graphs
    :param required: what must be done before, as for `requires`
    :param scheduler: a scheduler that it is added to
    :param resources: type -> how much it needs of the pool of its scheduler: a number, or a text such as `8GiB`
    :param mutex: names; jobs that share one never run at the same time
    :param exclusive: whether nothing else may run while it runs
    :param expected_duration: how many seconds it will take, if that is known: of jobs that wait for their turn,
        that goes first with which the longest path to the end begins
    :param retries: how often and after which ends it is tried again, a `Retries`; None for never. Its `co_run` is
        called for each attempt, and it waits anew for what it asks for
    :raises UsageError: one of the last two is of a wrong kind
    """

    resources: Allocation | None = None
    """What it got of the pool, from its start on; None where it asks for nothing."""
    _aio_asks: tuple[Any, Any, Any, str, int | None] | None = None
    """What it asks for, as it was given: resources, mutex, exclusive, and a group with its limit."""
    _aio_expected: float | None = None
    _aio_phase = IDLE
    _aio_value: Any = None
    _aio_exception: BaseException | None = None
    _aio_stack: TracebackType | None = None
    """Where it has raised its exception: when that is raised again, its own traceback grows."""
    _aio_end: tuple[str, str] | None = None
    """The kind and the reason of its outcome where it has neither returned nor raised: skipped, left out, ended."""
    _aio_origins: tuple[AbstractJob, ...] = ()
    """The failures that it is blocked by: always those where it began."""
    _aio_when: dict[AbstractJob, Condition] | None = None
    """The conditions of what it requires, where they have one."""
    _aio_retries: Retries | None = None
    _aio_tries: Tries | None = None
    """What is known of its attempts in this run, from the end of the first on."""
    _aio_attempt = 0
    """The number of its last attempt, if it has retries."""
    _aio_remark = ""
    """What its attempts add to the reason of its outcome."""
    _aio_number = "??"
    _aio_closed = False
    """Whether it holds a coroutine that was closed, or started other than by a run."""
    usage: Usage | None = None
    """What its program has used; None if it runs none."""
    _aio_holders: tuple[ref[Any], ...] = ()
    """The schedulers that it has been added to."""

    def __init__(
        self,
        *,
        forever: bool = False,
        critical: bool = True,
        label: str | None = None,
        required: Requirements = None,
        scheduler: JobHolder | None = None,
        resources: Mapping[str, int | str] | None = None,
        mutex: Iterable[str] = (),
        exclusive: bool = False,
        expected_duration: float | None = None,
        retries: Retries | None = None,
    ) -> None:
        # these are read most often: an attribute of an instance is found sooner than one of its class
        self._aio_phase = IDLE
        self._aio_closed = False
        self.forever = forever
        self.critical = critical
        self.label = label
        self.required: set[AbstractJob] = set()
        """The jobs that must be done before it starts."""
        if resources is not None or mutex or exclusive:
            self._aio_asks = ({} if resources is None else resources, mutex, exclusive, "", None)
        if retries is not None:
            check_retries(self, retries)
            self._aio_retries = retries
        if expected_duration is not None:
            self._aio_expected = _duration(expected_duration)
        if required is not None:
            self.requires(required)
        if scheduler is not None:
            scheduler.add(self)

    async def co_run(self) -> Any:
        """Do the work, and return the result."""
        raise NotImplementedError(f"{type(self).__name__} has no co_run()")

    async def co_shutdown(self) -> Any:
        """Give back what the job holds; called once, when its scheduler ends, also if it never started."""

    def requires(
        self, *requirements: Requirements, remove: bool = False, when: str | Condition | None = None
    ) -> AbstractJob:
        """Add to what must be done before; return the job itself.

        :param requirements: jobs, sequences (their last job), lists, tuples and sets of those, None for nothing;
            the job itself does not count
        :param remove: remove them instead
        :param when: how these must have ended so that it starts: `on_success`, `on_failure`, `always`, or an
            expression such as `timeout or diffed`; it decides in place of whether they are critical. None: that
            they have ended. Of one that was required before, the last word counts.
        :raises KeyError: one that is to be removed is not there
        :raises UsageError: there is no such condition
        """
        condition = None if when is None else _condition(self, when)
        for job in jobs_in(requirements):
            if remove:
                self.required.remove(job)
            elif job is not self:
                self.required.add(job)
            else:
                continue
            if condition is not None and not remove:
                self._aio_when = {**(self._aio_when or {}), job: condition}
            elif self._aio_when is not None:
                self._aio_when.pop(job, None)
        return self

    def text_label(self) -> str | None:
        """Return its name in lists if it has no label; None for no name."""
        return None

    def graph_label(self) -> str | None:
        """Return its name in graphs; None for its number and its name."""
        return None

    def details(self) -> str | None:
        """Return more about it, for lists with details; it may have many lines."""
        return None

    def is_critical(self) -> bool:
        """Return whether an exception that it raises ends the whole run."""
        return self.critical

    def is_idle(self) -> bool:
        """Return whether nothing has been done for it yet."""
        return self._aio_phase == IDLE

    def is_scheduled(self) -> bool:
        """Return whether all that it requires is done, so that it runs or waits for its turn; also after that."""
        return self._aio_phase >= SCHEDULED

    def is_running(self) -> bool:
        """Return whether it has had its turn; also after its end."""
        return self._aio_phase >= RUNNING

    def is_done(self) -> bool:
        """Return whether it has returned or raised; what was cancelled has not."""
        return self._aio_phase == DONE

    def raised_exception(self) -> BaseException | bool | None:
        """Return the exception that it has raised, None if there is none, False if it was never scheduled."""
        return False if self._aio_phase == IDLE else self._aio_exception

    def result(self) -> Any:
        """Return what it has returned; None if it has raised.

        :raises ValueError: if it is not done
        """
        if self._aio_phase != DONE:
            raise ValueError(f"the job {name_of(self)!r} is not done, so it has no result")
        return self._aio_value

    outcome = _Told()
    """How it has ended, an `Outcome`: `not_started` before its turn, None while it runs."""

    def standalone_run(self) -> Any:
        """Run this job alone, without what it requires, and return its result: a help for debugging."""
        if self._aio_is_used_up():
            raise used_up(self)
        self._aio_closed = True
        return run_alone(self._aio_awaited, "co_run")

    def repr_id(self) -> str:
        """Return its number in the scheduler that has counted its jobs last."""
        return self._aio_number

    def repr_short(self) -> str:
        """Return its badge."""
        is_raised = self._aio_exception is not None
        return badge(
            self._aio_phase, critical=call_hook(self, "is_critical"), forever=self.forever, raised=is_raised
        )

    def repr_main(self) -> str:
        """Return its class and its name."""
        return f"<{type(self).__name__} `{name_of(self)}`>"

    def repr_result(self) -> str:
        """Return its result or its exception as text."""
        error = self._aio_exception
        if error is not None:
            kind = "CRIT. EXC." if call_hook(self, "is_critical") else "exception"
            return f"!! {kind} => {type(error).__name__}:{error}!!"
        if self._aio_end is not None and self._aio_end[0] in ("skipped", "blocked", "not_needed"):
            return f"[{self._aio_outcome()}]"
        return f"[[ -> {self._aio_value}]]" if self.is_done() else "[not done]"

    def repr_requires(self) -> str:
        """Return the numbers of the jobs that it requires; empty if there are none."""
        numbers = sorted((job.repr_id() for job in self.required), key=lambda text: (len(text), text))
        return f"requires={{{', '.join(numbers)}}}" if numbers else ""

    def dot_style(self) -> str:
        """Return its attributes for Graphviz."""
        return self._aio_style("rounded")

    def __repr__(self) -> str:
        return f"{self.repr_short()} {self.repr_main()} {self.repr_result()} {self.repr_requires()}"

    def _aio_is_used_up(self) -> bool:
        """Return whether it cannot run (again)."""
        return False

    def _aio_style(self, corners: str) -> str:
        """Return its attributes for Graphviz: red and thick if critical, dashed if forever."""
        name = call_hook(self, "graph_label") or f"{self.repr_id()}: {name_of(self)}"
        shape = ",".join(word for word in (corners, "dashed" if self.forever else "") if word)
        border = 'color="red",penwidth="2"' if call_hook(self, "is_critical") else 'penwidth="0.5"'
        return f'style="{shape}",label={quoted(name)},shape="box",{border}'

    def _aio_outcome(self) -> Outcome | None:
        """Return how it has ended; None while it runs."""
        from treadle.core.outcomes import NO_OUTCOME, outcome

        if self._aio_end is not None:
            return outcome(*self._aio_end)
        if self._aio_phase < RUNNING:
            return NO_OUTCOME
        if self._aio_phase < DONE:
            return None
        error = self._aio_exception
        if error is None:
            return outcome("success")
        ended = outcome_of_error(error)
        if not self._aio_remark:
            return ended
        return outcome(ended.kind, f"{ended.reason}; {self._aio_remark}" if ended.reason else self._aio_remark)

    def _aio_awaited(self) -> Awaitable[Any]:
        """Return the awaitable of a run."""
        work: Awaitable[Any] = awaitable(self.co_run)
        return work

    def _aio_close(self) -> None:
        """Close coroutines that would never be awaited."""

    def _aio_has_shutdown(self) -> bool:
        """Return whether its shutdown does anything."""
        return type(self).co_shutdown is not AbstractJob.co_shutdown

    def _aio_forget(self) -> None:
        """Reset what a previous run has set."""
        self._aio_phase = IDLE
        self._aio_value = self._aio_exception = self._aio_stack = self._aio_end = None
        self._aio_origins = ()
        if self._aio_retries is not None:
            self._aio_tries, self._aio_attempt, self._aio_remark = None, 0, ""
        if self._treadle_values is not None:
            self._treadle_values = None
        if self._aio_asks is not None:
            self.resources = None

    def _aio_join(self, holders: tuple[ref[Any], ...]) -> None:
        """Note that it was added to a scheduler.

        :param holders: the one reference to it, in a tuple that all its jobs share
        """
        if not self._aio_holders:
            self._aio_holders = holders
        elif holders[0] not in self._aio_holders:
            self._aio_holders += holders

    def _aio_set_number(self, number: str) -> None:
        self._aio_number = number

    def _aio_enter(self, phase: int) -> None:
        self._aio_phase = phase

    def _aio_return(self, value: Any) -> None:
        self._aio_value = value
        self._aio_phase = DONE

    def _aio_raise(self, error: BaseException) -> None:
        self._aio_exception = error
        self._aio_stack = error.__traceback__
        self._aio_phase = DONE


def _duration(seconds: object) -> float:
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < float("inf"):
        return float(seconds)
    raise UsageError(f"the expected_duration is {shown(seconds)}", facts=("expected seconds, None if not known",))


class _Made:
    """What awaits another coroutine each time: that which a function makes."""

    __slots__ = ("__name__", "factory")

    def __init__(self, factory: Callable[[], Awaitable[Any]]) -> None:
        self.factory = factory
        self.__name__ = str(getattr(factory, "__name__", type(factory).__name__))

    def __await__(self) -> Any:
        return awaitable(self.factory).__await__()


class Job(AbstractJob):
    """A job that is a coroutine object: it can run once. With `retries` it is a function that makes one each time.

    :param corun: what is awaited when it runs; with `retries` a function that makes it, for each attempt
    :param coshutdown: what is awaited when its scheduler ends
    :param options: as for AbstractJob
    """

    def __init__(
        self,
        corun: Awaitable[Any] | Callable[[], Awaitable[Any]],
        *args: Any,
        coshutdown: Awaitable[Any] | None = None,
        **kwds: Any,
    ) -> None:
        if kwds.get("retries") is not None:
            corun = _made_by(corun)
        elif type(corun) is not CoroutineType:
            _check_awaitable(corun, "Job")
        if coshutdown is not None:
            _check_awaitable(coshutdown, "coshutdown")
        self.corun: Awaitable[Any] = corun  # type: ignore[assignment]
        self.coshutdown = coshutdown
        super().__init__(*args, **kwds)

    async def co_run(self) -> Any:
        """Await the coroutine."""
        return await self.corun

    async def co_shutdown(self) -> Any:
        """Await the coroutine that was given for it."""
        return None if self.coshutdown is None else await self.coshutdown

    def text_label(self) -> str | None:
        """Return the name of the coroutine."""
        return f"Job[{getattr(self.corun, '__name__', type(self.corun).__name__)} (...)]"

    def close(self) -> None:
        """Close the coroutines that it holds, if they have not been started: they will not be awaited."""
        self._aio_close()

    def _aio_close(self) -> None:
        self._aio_closed = True
        for one in (self.corun, self.coshutdown):
            if isinstance(one, CoroutineType) and not one.cr_running and not one.cr_suspended:
                one.close()

    def _aio_awaited(self) -> Awaitable[Any]:
        return self.corun if type(self).co_run is Job.co_run else awaitable(self.co_run)

    def _aio_is_used_up(self) -> bool:
        if type(self.corun) is _Made and self.coshutdown is None:
            return self._aio_closed
        return self._aio_closed or self._aio_phase != IDLE

    def _aio_has_shutdown(self) -> bool:
        return self.coshutdown is not None or type(self).co_shutdown is not Job.co_shutdown


class Chain:
    """Jobs that run one after the other: a Sequence."""

    jobs: list[AbstractJob]


def name_of(job: AbstractJob) -> str:
    """Return the name of a job."""
    return job.label or call_hook(job, "text_label") or "NOLABEL"


def call_hook(job: AbstractJob, name: str) -> Any:
    """Call a hook of a job and return its result; an exception gets a note that names both.

    A job without a label is named by its class there: its other name comes from a hook itself.
    """
    return call_job_hook(getattr(job, name), lambda: known_as(job))


def known_as(job: AbstractJob) -> str:
    """Return the name of a job without calling one of its hooks: its label, its coroutine or its class."""
    if job.label:
        return job.label
    return f"{Job.text_label(job)}" if isinstance(job, Job) else type(job).__name__


def flat(jobs: Iterable[Any], holder: str) -> Iterator[AbstractJob]:
    """Yield the jobs among jobs, sequences and lists of those.

    :param holder: the kind of their holder, for the error
    """
    for one in jobs:
        if isinstance(one, AbstractJob):
            yield one
        elif isinstance(one, Chain):
            yield from one.jobs
        elif isinstance(one, list | tuple | set | frozenset):
            yield from flat(one, holder)
        elif one is not None:
            raise TypeError(f"a {holder} holds jobs and sequences, not {one!r}")


def used_up(job: AbstractJob) -> RunError:
    """Return the error of a job whose coroutine is used up."""
    return RunError(
        f"the job {name_of(job)!r} cannot run again: its coroutine has been used or closed",
        hint="a coroutine runs once: make new jobs for another run, or derive from AbstractJob",
    )


def _condition(job: AbstractJob, when: str | Condition) -> Condition:
    # only a job with a condition pays for this
    from treadle.core.conditions import parse

    try:
        return parse(when)
    except UsageError as error:
        error += f"of the job {known_as(job)!r}"
        raise


def jobs_in(requirements: Iterable[Requirements]) -> Iterator[AbstractJob]:
    """Yield each job in these requirements."""
    for one in requirements:
        if isinstance(one, AbstractJob):
            yield one
        elif isinstance(one, Chain):
            yield from one.jobs[-1:]
        elif one is not None:
            if isinstance(one, str | bytes) or not hasattr(one, "__iter__"):
                raise TypeError(f"a requirement is a job, a sequence or a list of those, not {one!r}")
            yield from jobs_in(one)


def run_alone(make: Callable[[], Awaitable[Any]], name: str) -> Any:
    """Await what `make` returns, in an event loop of its own.

    :param name: the coroutine function to await instead where an event loop runs already
    :raises RunError: if one does
    """
    if asyncio._get_running_loop() is not None:
        raise RunError("an event loop runs here already", hint=f"use `await {name}()`")

    async def body() -> Any:
        return await make()

    with RareCollection(), asyncio.Runner() as runner:
        return runner.run(body())


def outcome_of_error(error: BaseException) -> Outcome:
    """Return the outcome of a job that has raised an exception."""
    from treadle.core.outcomes import outcome

    if isinstance(error, JobEnd):
        return outcome(error.kind, str(error))
    kind = error.kind if isinstance(error, ProgramError) else "error"
    return outcome(kind, f"{error}" if isinstance(error, TreadleError) else f"{type(error).__name__}: {error}")


def check_retries(job: AbstractJob, retries: object) -> None:
    """Refuse what are no retries of a job.

    :raises UsageError: they are of a wrong kind, or the job cannot be tried again
    """
    from treadle.command.command import Retries

    if not isinstance(retries, Retries):
        raise UsageError(f"the retries of a job are {shown(retries)}", facts=("expected Retries(2), or None",))
    if retries.passes > 1:
        raise UsageError(
            "a job of treadle.aio has retries with passes", hint="passes are for a CommandWalk: call it so often"
        )
    if hasattr(job, "jobs"):
        raise UsageError("a scheduler is not tried again", hint="give retries to the jobs in it")


def _made_by(given: Any) -> Any:
    if callable(given):
        return _Made(given)
    if isinstance(given, CoroutineType):
        given.close()
    raise TypeError(
        f"a Job with retries takes a function that makes its coroutine, not {given!r}: a coroutine runs once;"
        " write Job(lambda: work(1), retries=...) or Job(partial(work, 1), retries=...)"
    )


def _check_awaitable(given: object, what: str) -> None:
    if hasattr(given, "__await__"):
        return
    hint = f": call it, {given.__name__}(...)" if hasattr(given, "__name__") and callable(given) else ""
    raise TypeError(f"{what} takes a coroutine, not {given!r}{hint}")
