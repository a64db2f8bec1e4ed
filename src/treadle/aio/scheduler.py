"""PureScheduler and Scheduler: jobs that run as coroutines when what they require is done.

They combine the graph of the jobs, its run, the shutdown and the lists; each of those has its own module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from treadle.errors import RunError, UsageError
from treadle.scheduling.hooks import shown

from . import listing
from .badges import DONE
from .dot import dot_format, draw, graphviz_source, write_dot
from .graph import JobGraph, counted, described, in_order
from .job import AbstractJob, run_alone
from .refusals import check
from .run import Run
from .shutdown import shut_down
from .watch import Watch, wall_clock

if TYPE_CHECKING:
    from treadle.core.outcomes import Outcome
    from treadle.core.pool import Pool

    from .conditions import Conditions
    from .sharing import Shared


class PureScheduler(JobGraph):
    """Jobs and what they require; it is no job itself, and its run raises nothing that a job has raised.

    :param jobs_or_sequences: jobs and sequences
    :param jobs_window: how many may run at once; None or 0: no limit
    :param timeout: seconds for a whole run, None for no limit
    :param shutdown_timeout: seconds for the shutdown of all jobs together, None for no limit
    :param watch: where `verbose` takes its times from; None: the time of day
    :param verbose: print what happens
    :param pool: what there is for jobs that ask for resources, also for those in nested schedulers; None for what
        this machine has
    :param max_running: how many jobs may run at once, in this scheduler and in all within; None for any number
    :param fail_fast: whether nothing new starts after the first job has failed, critical or not; what runs goes on
        to its end, and the run has failed then
    """

    def __init__(
        self,
        *jobs_or_sequences: Any,
        jobs_window: int | None = None,
        timeout: float | None = None,
        shutdown_timeout: float | None = 1,
        watch: Watch | None = None,
        verbose: bool = False,
        pool: Pool | None = None,
        max_running: int | None = None,
        fail_fast: bool = False,
    ) -> None:
        self.fail_fast = fail_fast
        self._aio_pool = pool
        self._aio_most = max_running
        self._aio_shared: Shared | None = None
        """What the run under way shares with the schedulers within; None where no job asks for anything."""
        self.jobs_window = jobs_window
        self.timeout = timeout
        self.shutdown_timeout = shutdown_timeout
        self.watch = watch
        self.verbose = verbose
        self._aio_last: Run | None = None
        self._aio_is_running = False
        self._aio_has_shut_down = False
        self._aio_is_checked = False
        self._aio_listener: Callable[[str, AbstractJob], object] | None = None
        super().__init__(*jobs_or_sequences)

    def run(self, *args: Any, **kwds: Any) -> bool:
        """Run the jobs in an event loop of their own; return and raise what `co_run` does.

        :raises RunError: if an event loop runs here already; there, use `await co_run()`
        """
        result: bool = run_alone(lambda: self.co_run(*args, **kwds), "co_run")
        return result

    def orchestrate(self, *args: Any, **kwds: Any) -> bool:
        """Do what `run` does."""
        return self.run(*args, **kwds)

    def shutdown(self) -> bool | None:
        """Shut the jobs down in an event loop of their own; return what `co_shutdown` does."""
        result: bool | None = run_alone(self.co_shutdown, "co_shutdown")
        return result

    async def co_run(self) -> bool:
        """Run the jobs, then shut them all down.

        :return: whether all finite jobs were done in time and no critical one has raised
        :raises DAGError: if there is a cycle, or a requirement that is not among the jobs; nothing has started
        :raises RunError: if it runs already, or holds a job that cannot run again; nothing has started
        :raises UsageError: if a job is in two schedulers, or a coroutine in two jobs; nothing has started
        """
        run = self._prepared()
        if not self.jobs:
            return True
        self._aio_is_running = True
        self.jobs.begin_run(f"{described(self)} ran")
        self._print(f"starts with {len(self)} jobs")
        try:
            await run.run(self.timeout)
        finally:
            self._aio_is_running = False
            await self._clean_up(run)
        return not (run.timed_out or run.failure)

    async def co_shutdown(self) -> bool | None:
        """Call `co_shutdown` of all jobs, also of those that never started, and wait `shutdown_timeout` seconds.

        A run does this at its end.

        :return: whether all have come to their end; None if they have been shut down before
        """
        if self._aio_has_shut_down:
            return None
        self._aio_has_shut_down = True
        self._print("shuts down")
        return await shut_down(self.jobs, self.shutdown_timeout)

    def failed_critical(self) -> bool:
        """Return whether the last run ended because a critical job failed."""
        return self._aio_last is not None and self._aio_last.failure is not None

    def failed_time_out(self) -> float | bool:
        """Return the time limit if the last run has reached it, else False."""
        if self.timeout is None or self._aio_last is None:
            return False
        return self.timeout if self._aio_last.timed_out else False

    @property
    def _aio_has_timed_out(self) -> bool:
        """Whether the last run ended because of its time limit, and nothing failed before."""
        return not self.failed_critical() and self._aio_last is not None and self._aio_last.timed_out

    def why(self) -> str:
        """Return in words how the last run ended."""
        if self.failed_critical():
            run = self._aio_last
            is_critical = run is None or run.failed is None or run.failed.is_critical()
            return f"a{' CRITICAL' if is_critical else ''} job has raised an exception"
        limit = self.failed_time_out()
        return "FINE" if limit is False else f"TIMED OUT after {limit}s"

    def stats(self) -> str:
        """Return how many jobs are done, run and have not started, and how many there are."""
        done, ongoing, idle = self._counts()
        return f"{done}D + {ongoing}R + {idle}I = {len(self)}"

    def __repr__(self) -> str:
        done, ongoing, idle = self._counts()
        return f"{type(self).__name__} with {done} done + {ongoing} ongoing + {idle} idle = {len(self)} job(s)"

    def list(self, details: bool = False, silence_done_jobs: bool = False) -> None:
        """Print a line for each job, in an order that honours what they require.

        :param details: print the details of each job below its line
        :param silence_done_jobs: leave out what is done
        :raises DAGError: if there is no such order
        """
        listing.print_list(self, details, silence_done_jobs)

    def list_safe(self, silence_done_jobs: bool = False) -> None:
        """Print a line for each job, also where no order honours what they require."""
        listing.print_safe_list(self, silence_done_jobs)

    def debrief(self, details: bool = False, silence_done_jobs: bool = False) -> None:
        """Print how the run went: the list, then each exception; critical jobs come first, with their stacks."""
        print(f"----- {self.why()}")
        self.list(details, silence_done_jobs)
        listing.print_exceptions(self)

    def repr_entries(self) -> str:
        """Return the numbers of the jobs that require nothing."""
        return listing.numbers("entries", self.entry_jobs())

    def repr_exits(self) -> str:
        """Return the numbers of the jobs that nothing requires."""
        return listing.numbers("exits", self.exit_jobs())

    def dot_format(self) -> str:
        """Return the graph in the language of Graphviz; schedulers are clusters."""
        return dot_format(self)

    def export_as_dotfile(self, filename: str) -> str:
        """Write the graph in the language of Graphviz to a file; return a line that says so."""
        return write_dot(self, filename)

    def export_as_graphic(self, filename: str, suffix: str) -> str:
        """Draw the graph, by the program `dot`, and return the name of the file.

        :param filename: the file, without its suffix
        :param suffix: the format: png, svg, pdf
        :raises TreadleError: if `dot` is not there, or has failed
        """
        return draw(self, filename, suffix)

    def export_as_pngfile(self, filename: str) -> str:
        """Draw the graph as `filename`.png, see `export_as_graphic`."""
        return self.export_as_graphic(filename, "png")

    def export_as_svgfile(self, filename: str) -> str:
        """Draw the graph as `filename`.svg, see `export_as_graphic`."""
        return self.export_as_graphic(filename, "svg")

    def graph(self) -> Any:
        """Return the graph as an object of the package `graphviz`, which notebooks show.

        :raises ModuleNotFoundError: if that package is not there
        """
        return graphviz_source(self)

    def close_all_jobs(self) -> None:
        """Close the coroutines that have not been started, of all jobs, also within schedulers."""
        for job in self.iterate_jobs():
            job._aio_close()

    def close_idle_jobs(self) -> None:
        """Close the coroutines of the jobs for which nothing has been done, also within schedulers."""
        for job in self.iterate_jobs():
            if job.is_idle():
                job._aio_close()

    def _counts(self) -> tuple[int, int, int]:
        done = sum(1 for job in self.jobs if job.is_done())
        ongoing = sum(1 for job in self.jobs if job.is_running()) - done
        return done, ongoing, len(self) - done - ongoing

    def _prepared(self) -> Run:
        """Refuse what cannot run, reset what a previous run has set, and return the next run."""
        if self._aio_is_running:
            raise RunError(f"{described(self)} runs already")
        # else the scheduler that this one is a job of has checked and reset all
        graphs: list[Any] = [] if self._aio_is_checked else check(self)
        listener = self._take if self.verbose or self._aio_listener is not None else None
        for graph in graphs or [self]:
            for name in ("timeout", "shutdown_timeout"):
                _check_seconds(graph, name)
        window = _window(self.jobs_window)
        if graphs:
            shared = self._aio_shared = _shared(graphs)
        else:
            shared = self._aio_shared
        share = None if shared is None else shared.share(self, window)
        conditions = _conditions(self)
        run = Run(
            *(self.jobs, counted(self), window, graphs[1:], listener, share, conditions),
            fail_fast=bool(self.fail_fast),
        )
        for graph in graphs:
            graph._aio_prepare(is_checked=graph is not self, shared=shared)
        self._aio_last = run
        if self.verbose and not self._aio_is_checked:
            listing.number(self)
        return run

    def _aio_prepare(self, *, is_checked: bool, shared: Shared | None) -> None:
        """Reset what a previous run has set.

        :param is_checked: whether the scheduler around it has checked it for this run
        :param shared: what it shares with that one
        """
        self._aio_is_checked = is_checked
        self._aio_shared = shared
        self._aio_last = None
        self._aio_has_shut_down = False

    def _aio_close_run(self) -> None:
        """Note that the run around it is over, and with it what was checked for it."""
        self._aio_is_checked = False
        self._aio_shared = None
        self.jobs.end_run()

    def _aio_listen(self, listener: Callable[[str, AbstractJob], object] | None) -> None:
        self._aio_listener = listener

    async def _clean_up(self, run: Run) -> None:
        try:
            await self.co_shutdown()
        finally:
            for graph in run.inner:
                graph._aio_close_run()
            if not self._aio_is_checked:
                # else the run around it has not ended yet, although this scheduler does not run again in it
                self.jobs.end_run()
                self._aio_shared = None
            if not run.is_whole(len(self)):
                for job in self.iterate_jobs():
                    if job._aio_phase != DONE:
                        job._aio_close()

    def _take(self, what: str, job: AbstractJob) -> None:
        if self._aio_listener is not None:
            self._aio_listener(what, job)
        if self.verbose:
            print(f"{self._clock()} {self.stats()} {what}: {job.repr_id()} {AbstractJob.__repr__(job)}")

    def _print(self, what: str) -> None:
        if self.verbose:
            print(f"{self._clock()} {self.stats()} {described(self)} {what}")

    def _clock(self) -> str:
        return wall_clock() if self.watch is None else self.watch.elapsed()


class Scheduler(PureScheduler, AbstractJob):
    """A scheduler that is a job too, so that it can be in another one. See PureScheduler and AbstractJob.

    If it is critical, its run raises what a critical job of its has raised, and TimeoutError.
    """

    def __init__(
        self,
        *jobs_or_sequences: Any,
        jobs_window: int | None = None,
        timeout: float | None = None,
        shutdown_timeout: float | None = 1,
        watch: Watch | None = None,
        verbose: bool = False,
        pool: Pool | None = None,
        max_running: int | None = None,
        fail_fast: bool = False,
        **kwds: Any,
    ) -> None:
        PureScheduler.__init__(
            self,
            *jobs_or_sequences,
            jobs_window=jobs_window,
            timeout=timeout,
            shutdown_timeout=shutdown_timeout,
            watch=watch,
            verbose=verbose,
            pool=pool,
            max_running=max_running,
            fail_fast=fail_fast,
        )
        AbstractJob.__init__(self, **kwds)

    async def co_run(self) -> bool:
        """Run the jobs, then shut them all down, as PureScheduler does; if it is critical, raise what went wrong.

        :raises TimeoutError: the time was up
        :raises Exception: what the first critical job has raised that failed
        """
        if await super().co_run():
            return True
        if not self.is_critical() or self._aio_last is None:
            return False
        if self._aio_last.failure is not None:
            raise self._aio_last.failure
        raise TimeoutError(f"{described(self)} has not ended within {self.timeout} s")

    def dot_cluster_name(self) -> str:
        """Return its name in a graph."""
        return f"cluster_{self.repr_id()}"

    def dot_style(self) -> str:
        """Return its attributes for Graphviz."""
        return self._aio_style("")

    def __repr__(self) -> str:
        return PureScheduler.__repr__(self)

    def _aio_outcome(self) -> Outcome | None:
        """Return how its run has ended, also where it is not critical and has raised nothing."""
        ended = AbstractJob._aio_outcome(self)
        if ended is None or not self.is_done() or self._aio_end is not None:
            return ended
        if self._aio_last is None or (self._aio_exception is None and self._aio_value is not False):
            return ended
        from treadle.core.outcomes import outcome

        if self._aio_has_timed_out:
            return outcome("timeout", self.why())
        return outcome("failed", self.why()) if self._aio_exception is None else ended

    def _aio_close(self) -> None:
        self.close_all_jobs()

    def _aio_has_shutdown(self) -> bool:
        return True


def _shared(graphs: list[Any]) -> Shared | None:
    """Return what all these schedulers share, None where no job asks for anything."""
    if not any(
        graph._aio_pool is not None
        or graph._aio_most is not None
        or [job for job in graph.jobs if job._aio_asks is not None]
        for graph in graphs
    ):
        return None
    # only a run with demands pays for this
    from .sharing import Shared

    shared = Shared(graphs)
    return shared if shared.demands or graphs[0]._aio_most is not None else None


def _conditions(graph: PureScheduler) -> Conditions | None:
    """Return the conditions of the jobs, None where none has one."""
    if not (graph.fail_fast or [job for job in graph.jobs if job._aio_when is not None]):
        return None
    from .conditions import Conditions

    return Conditions(lambda: in_order(graph))


def _check_seconds(graph: Any, name: str) -> None:
    value = getattr(graph, name, None)
    # not a number does not equal itself
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value != value):
        raise UsageError(
            f"the {name} of {described(graph)} is {shown(value)}", facts=("expected seconds, None for no limit",)
        )


def _window(jobs_window: Any) -> int:
    try:
        window = int(jobs_window or 0)
    except (TypeError, ValueError):
        window = -1
    if window < 0:
        raise UsageError(
            f"jobs_window is a number of jobs, or None, not {shown(jobs_window)}",
            facts=("expected how many may run at once; 0 or None for any number",),
        )
    return window
