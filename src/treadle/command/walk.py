"""CommandWalk: a walk over a DAG of Commands, with fingerprints by content, records, and checked outputs.

It knows nothing of plans, of the terminal, or of how programs are started.
"""

from __future__ import annotations

import os
from time import monotonic, time_ns

from treadle._startup.interpreter import inherited
from treadle.content.digests import ABSENT
from treadle.content.files import Files
from treadle.content.fingerprint import Fingerprint
from treadle.content.links import Links, Producers
from treadle.content.trust import STATE_FOLDER, TRUST_STATE, is_state_trusted
from treadle.core import decision, wording
from treadle.core.decision import Reason, Verdict
from treadle.core.elements import DISCOVERED, INPUT, OUTPUT, path_of, paths_of
from treadle.core.outcomes import CANCEL, FAIL, NONE, PASS, SKIP, outcome, told, values_of
from treadle.core.output_index import OutputIndex
from treadle.engines import process_marks
from treadle.errors import StateError, StopRequestedError, TreadleError, listed
from treadle.events.bus import Action, LogOpened, Started
from treadle.scheduling.hooks import refusal, words_of
from treadle.scheduling.job import Job
from treadle.scheduling.scheduler import DRAINING, KILLING, STOPPING
from treadle.state.ownership import FOLDER_VALUE, Ownership
from treadle.state.records import (
    FAILED,
    INTERRUPTED,
    MOVED,
    SKIPPED_ITSELF,
    STARTED,
    SUCCEEDED,
    Owner,
    Record,
    Run,
    Unstarted,
)
from treadle.state.store import Store, run_file
from treadle.walk import Walk

from . import outputs
from .command import Command, written_by
from .discovered import DiscoveredInputs, discovered_in, owner_of, stand_ins, wait_for_producers
from .fingerprinting import Fingerprinter, made_once
from .graph_checks import check_commands, refused_demands
from .job import CONSOLE_QUEUE, CommandJob, JobContext, own_name
from .outputs import Room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
    from typing import Any

    from treadle.cache.base import OutputCache
    from treadle.content.files import Seen, Stamp
    from treadle.core.after_failure import AfterFailure
    from treadle.core.callbacks import NotifyEnd
    from treadle.core.conditions import Judgement, Start
    from treadle.core.graph.dag import DAG
    from treadle.core.outcomes import Outcome, Report
    from treadle.core.pool import Pool
    from treadle.engines.base import BaseRunner
    from treadle.engines.choice import EngineChoice
    from treadle.engines.spec import Engine
    from treadle.events.bus import Ended
    from treadle.state.records import Entry
    from treadle.state.store import Known

    from .caching import Caching, Hit
    from .command import Limits
    from .expected import ExpectedDurations
    from .fingerprinting import ActionInputs
    from .observer import Observer
    from .taking_over import TakingOver


def acquire_state(
    store: Store,
    run: str,
    *,
    wait: bool = True,
    until: float | None = None,
    on_wait: Callable[[str], None] | None = None,
    known: Known | None = None,
    patience: float | None = None,
    say: Callable[[str], None] = lambda _: None,
    keeps: Callable[[Sequence[str]], bool] | None = None,
    made: Callable[[str], Engine | None] | None = None,
) -> None:
    """Take the lock of a state folder, read its log, and end what an earlier run left running when it was killed.

    :param run: the id of our run
    :param until: until when another run is waited for, on the monotonic clock; None for as long as it takes
    :param known: what need not be read; if the log is another one now, all is read
    :param patience: for how long what was left with an engine is waited for; None for as long as it takes
    :param say: called with a remark on that
    :param keeps: returns, for what was put down of a killed run (see `Store.begun_with`), whether what it has left
        with an engine goes on: then that run is not closed
    :param made: returns an engine by its name; None for one with no settings
    :raises StateError: the folder cannot be made or written, or what was left running does not end
    :raises BusyError: another run holds the lock, or what was left with an engine lives, and `wait` is false, or
        that is so at the time `until`
    """
    mark = os.environ.get(process_marks.MARK, "")
    store.acquire(run, wait=wait, until=until, on_wait=on_wait, known=known, mark=mark)
    try:
        _end_killed(store, wait=wait, until=_earlier(until, patience), say=say, keeps=keeps, made=made)
    except BaseException:
        store.release()
        raise


def _end_killed(
    store: Store,
    *,
    wait: bool,
    until: float | None,
    say: Callable[[str], None],
    keeps: Callable[[Sequence[str]], bool] | None = None,
    made: Callable[[str], Engine | None] | None = None,
) -> None:
    """End what runs have left that were never closed, here and elsewhere."""
    killed = store.killed_runs()
    fetched = os.path.join(store.folder, "restore")
    if os.path.lexists(fetched):
        # also of a run that had begun nothing yet. What is in its place already is not there any more
        outputs.remove_tree(fetched)
    kept = {left for left, _ in killed if keeps is not None and keeps(store.begun_with(left))}
    if killed:
        from .reported import remove_left

        remove_left(os.path.join(store.folder, "logs"), kept)
        if os.path.isdir(os.path.join(store.folder, "work")):
            from .fresh_room import tidy

            for left, _ in killed:
                tidy(store.folder, left)
    for left, was_here in killed:
        if was_here:
            of_workers = (process_marks.AGENT, process_marks.WORKER) if left in kept else ()
            alive = process_marks.end_marked(f"{left}/", but=of_workers)
            if alive:
                raise StateError(f"processes of a killed run do not end: {listed(alive)}")
        if left in kept:
            continue
        engine = store.begun_with(left)
        if len(engine) == 2:
            from .engine_runs import engine_of_killed
            from .left_elsewhere import end_elsewhere

            end_elsewhere(
                *(store.folder, left, engine[0], float(engine[1])),
                made=(made or engine_of_killed)(engine[0]),
                was_here=was_here,
                wait=wait,
                until=until,
                say=say,
            )
        store.close_killed(left)


def _earlier(until: float | None, patience: float | None) -> float | None:
    end = None if patience is None else monotonic() + patience
    return min((one for one in (until, end) if one is not None), default=None)


class OutdatedError(Exception):
    """The log has changed since the fast path looked at it: what is dirty has to be found again."""


class Settings:
    """How a CommandWalk runs.

    >>> from treadle import DAG, Command, CommandWalk, Settings
    >>> actions = DAG()
    >>> for name in ("a", "b", "c"):
    ...     actions.add_vertex(name, Command(["true"]))
    >>> report = CommandWalk(actions, settings=Settings(jobs=1, stop_after=2)).run()
    >>> [action.outcome.kind for action in report.actions.values()]
    ['success', 'success', 'not_started']

    :param jobs: tokens of the default queue; None for the number of usable CPUs
    :param queues: further queues, name -> tokens
    :param keep_going: failures after which nothing new starts, and what runs may end; 0 for any number
    :param fail_fast: short for `keep_going=1`
    :param stop_after: actions that have run, well or not, after whose end nothing new starts; 0 for any number
    :param deadline: when what runs is ended and nothing new starts, on the clock of `time.monotonic`; None for
        never. What has a time limit, or took longer last time, than is left until then is not started
    :param limits: uid -> limits that count in place of those of its Command
    :param force: uids that run whatever their records say
    :param environ: the environment to take variables from; None for our own
    :param wait: whether to wait for another run in the same root
    :param blocked: uid -> the failures of an earlier walk that it is blocked by
    :param pool: what there is for actions that ask for resources, or a function that finds it when the first one
        does; None for what this machine has
    :param max_running: how many actions may run at the same time, over all queues; None for any number
    :param colours: whether programs are asked to write colours although their output goes to a log
    :param engine: the engine that runs actions, by name, or a map with `name` and what is said of it; None for this
        machine
    :param done_since: uid -> milliseconds since the epoch: what runs each time does not, if it has succeeded since
        then, nothing of it has changed, and nothing before it runs or has run since it did
    """

    __slots__ = (
        *("blocked", "colours", "deadline", "done_since", "engine", "environ", "force", "jobs", "keep_going"),
        "marked_done",
        *("limits", "max_running"),
        *("pool", "queues", "stop_after", "wait"),
    )

    def __init__(
        self,
        jobs: int | None = None,
        queues: Mapping[str, int] | None = None,
        keep_going: int = 0,
        force: Collection[str] = (),
        environ: Mapping[str, str] | None = None,
        wait: bool = True,
        blocked: Mapping[str, Collection[str]] | None = None,
        colours: bool = False,
        pool: Pool | Callable[[], Pool] | None = None,
        max_running: int | None = None,
        fail_fast: bool = False,
        stop_after: int = 0,
        deadline: float | None = None,
        limits: Mapping[str, Limits] | None = None,
        done_since: Mapping[str, int] | None = None,
        engine: str | Mapping[str, Any] | EngineChoice | None = None,
    ) -> None:
        maps: dict[str, object] = {"queues": queues, "environ": environ, "blocked": blocked, "limits": limits}
        maps["done_since"] = done_since
        is_number = jobs is None or (type(jobs) is int and jobs >= 0)
        are_maps = all(one is None or hasattr(one, "keys") for one in maps.values())
        if not (is_number and are_maps and type(force) is not str):
            _refuse(jobs=jobs, force=force, **maps)
        if not (pool is None or callable(pool) or hasattr(pool, "most_beside")):
            _refuse(pool=pool)
        self.engine: EngineChoice | None = None
        if engine is not None:
            from treadle.engines.choice import EngineChoice

            self.engine = EngineChoice.of(engine)
            jobs = jobs or self.engine.processors()
        self.done_since = done_since or {}
        self.marked_done: Mapping[str, int] = {}
        """uid -> when a user has taken it for done, in milliseconds since the epoch, for a run that resumes another
        one: it is skipped, and not recorded."""
        self.stop_after = stop_after
        self.deadline = deadline
        self.limits = dict(limits or {})
        self.max_running = max_running
        self.pool = pool
        self.jobs = jobs or usable_cpus()
        self.queues = dict(queues or {})
        self.keep_going = 1 if fail_fast else keep_going
        self.force = frozenset(force)
        self.environ = inherited() if environ is None else dict(environ)
        self.wait = wait
        self.blocked = dict(blocked or {})
        self.colours = colours


def _refuse(**given: object) -> None:
    from .option_checks import check_settings

    check_settings(given)


class Rest:
    """The rest of a larger graph, all of which is up to date, where a walk is of the dirty part.

    :param known: the records that need not be read
    :param stamps: called when the log has been read; returns what is known of files
    :param untouched: how many actions the rest has
    :param saved: how many seconds they took when they last ran
    :param unneeded: how many of the rest are not needed, as long as nothing fails
    :param starts: uid of an action of the walk -> the starts in the rest of its edges that keep it from running
    """

    __slots__ = ("known", "saved", "stamps", "starts", "unneeded", "untouched")

    def __init__(
        self,
        known: Known,
        stamps: Callable[[Store], dict[str, tuple[Stamp, str]]],
        untouched: int,
        saved: float,
        unneeded: int = 0,
        starts: Mapping[str, Sequence[Start]] | None = None,
    ) -> None:
        self.unneeded = unneeded
        self.starts = starts or {}
        self.known = known
        self.stamps = stamps
        self.untouched = untouched
        self.saved = saved


class CommandWalk(Walk):
    """Walks a graph whose vertices carry Commands; uids are text.

    >>> from treadle import DAG, Command, CommandWalk
    >>> actions = DAG()
    >>> actions.add_vertex("make", Command(["touch", "made"], outputs=["made"]))
    >>> actions.add_vertex("copy", Command(["cp", "made", "copy"], inputs=["made"], outputs=["copy"]), ["make"])
    >>> [action.status.name for action in CommandWalk(actions).run().actions.values()]
    ['success', 'success']
    >>> [action.status.name for action in CommandWalk(actions).run().actions.values()]
    ['skip', 'skip']

    :param actions: uid -> Command; an action that reads an output of another has it as predecessor
    :param root: the folder that paths are relative to; the state lives in `.treadle` in it
    :param settings: how to run
    :param observer: the older way to follow it, see `Observer`; `bus.add` takes subscribers
    :param rest: the rest of the graph, if this is its dirty part
    :param last: uid -> Command, walked after all others, whatever their outcomes: see `wants_last`
    :param caches: where outputs are looked up before an action runs, in this order, and stored afterwards; or a
        function that opens them when the first action is about to run
    :param cache_system: further folders outside of the root in which discovered inputs of what is cached may be,
        each absolute and with a `/` at its end
    :param cache_namespaces: names that keep what is cached apart: stored below the first one, looked up below each
    """

    def __init__(
        self,
        actions: DAG,
        root: str = ".",
        settings: Settings | None = None,
        observer: Observer | None = None,
        *,
        rest: Rest | None = None,
        last: DAG | None = None,
        caches: Sequence[OutputCache] | Callable[[], Sequence[OutputCache]] = (),
        cache_system: Sequence[str] = (),
        cache_namespaces: Sequence[str] = (),
    ) -> None:
        super().__init__(actions)
        if caches and (not callable(caches) or isinstance(caches, type)):
            from .option_checks import check_caches

            caches = check_caches(caches)
        self.cache_system = cache_system
        self.cache_namespaces = cache_namespaces
        self.caches = caches
        """Where outputs are looked up before an action runs, and stored afterwards."""
        self._caching: Caching | None = None
        self.restorable: dict[str, str] = {}
        """After `look`: uid -> the name of the cache, of actions whose outputs would be restored in place of
        running."""
        self._foreseen: set[str] = set()
        """Paths that would be restored: what they will hold is known."""
        self.last = last
        """The actions at the end."""
        self._is_last = False
        """Whether these are walked now."""
        self._is_limited = False
        """Whether those of them that run have a time limit, as the run is to end."""
        self.root = os.path.abspath(root)
        self.settings = settings or Settings()
        self.deadline = self.settings.deadline
        if observer is not None:
            from .observer import Observed

            self.bus.add(Observed(observer, self))
        self.patience: float | None = None
        """Seconds to wait for what a killed run has left with an engine; None for as long as it takes."""
        self.takes_over = False
        """Whether what a killed run has left with the engine goes on, as far as it can be taken over."""
        self._found_runners: dict[str, BaseRunner] = {}
        self._left: list[str] = []
        """The actions whose attempts go on with their engine after this run."""
        self._taking_over: TakingOver | None = None
        """The attempts that may be taken over yet, None if there are none."""
        self.starting: dict[str, CommandJob] = {}
        """Name -> the job of the last attempt that was published as started."""
        self.store = Store(self.root)
        self.run_id = os.urandom(8).hex()
        self._rest = rest
        self.untouched = 0 if rest is None else rest.untouched
        self.unneeded = 0 if rest is None else rest.unneeded
        self._owners: dict[str, Owner] = {}
        self._may_start = False
        """Whether tools may be started to print their versions: `look` starts nothing."""
        self._begin({})

    def _begin(self, stamps: Mapping[str, tuple[Stamp, str]]) -> None:
        """Begin a run or a look, with what the store knows: nothing of an earlier one counts.

        :param stamps: what is known of files
        """
        store, commands = self.store, self.actions.vertex_data
        if self.last is not None:
            commands = {**commands, **self.last.vertex_data}
        files = Files(
            self.root,
            stamps,
            fine_device=store.lock.fine_device,
            clocks=store.lock.clocks,
            is_stop_requested=lambda: self._gives_up(STOPPING),
        )
        self.fingerprinter = Fingerprinter(files, self.settings.environ, lambda: self._gives_up(DRAINING))
        self.context = JobContext(
            *(self.root, store.folder, self.run_id, self.fingerprinter, commands),
            colours=self.settings.colours,
            has_workers=self._has_workers,
        )
        files.stand_ins = stand_ins(commands.values())
        self.discovered = DiscoveredInputs(files, commands)
        self._ownership = Ownership(store, files)
        self._inputs: dict[str, ActionInputs] = {}
        self._discovered_before: dict[str, list[str]] = {}
        self._durations: dict[str, float] = {}
        self._expectations: ExpectedDurations | None = None
        self._is_declared: Callable[[str], bool] | None = None
        """Whether a path is an input or an output of an action, once that is needed."""
        self._after_failure: AfterFailure | None = None
        """What may start yet once failures have ended the run, if there are conditions; None before."""
        self._after_a_run: set[str] = set()
        """Actions that ran in this walk, and all after them: files may have changed since the first look."""
        self._ends_before: dict[str, float] = {}
        self._has_required = False
        """Whether commands that actions require have been started."""
        self._rooms: dict[str, Room] = {}
        """uid -> what was in the place of its outputs, of the actions that run now."""
        self._folders: set[str] = set()
        """Folders that existed when an action was about to start."""
        self._replaced: list[str] = []
        self._leftovers: list[str] = []
        self._hits: dict[str, Hit] = {}
        """uid -> the outputs that were restored for it, of the actions that have not been collected yet."""
        self._has_no_records = not store.entries
        """Whether there were no records of previous runs when this one began."""
        self._met_foreign = False
        """Whether a file that Treadle did not make was in the place of an output."""
        self.saved = 0.0 if self._rest is None else self._rest.saved

    def run(self) -> Report:
        """Walk the graph; a root has one run at a time, and another one is waited for.

        :raises TreadleError: a command cannot be right, or the state cannot be written
        :raises RunError: it runs already, in another thread or around this call
        """
        return super().run()

    def _run_alone(self) -> Report:
        self._check()
        self._check_demands()
        known = None if self._rest is None else self._rest.known
        wait, until = self.settings.wait, self.deadline
        self.store.begins_with = self._engine_on_record()
        acquire_state(
            *(self.store, self.run_id),
            wait=wait,
            until=until,
            on_wait=self._wait_for,
            known=known,
            patience=self.patience,
            say=self._say,
            keeps=self._keeps if self.takes_over else None,
            made=self._engine_of_killed,
        )
        try:
            if self._rest is not None and not self.store.is_partial:
                raise OutdatedError("another run has changed the log")
            self._begin(self.store.stamps if self._rest is None else self._rest.stamps(self.store))
            wait_for_producers(self.store, self.actions)
            self._may_start = True
            for note in self.store.notes:
                self._say(note)
            self.about_to_walk()
            if self.takes_over:
                self._take_over_from([run for run, _ in self.store.killed_runs()])
            report = super()._run_alone() if self.last is None else self._run_both(self.last)
            self._tell_moved()
            self._tell_left_out()
            self._end_leftovers()
            if self._left:
                self._tell_left()
            elif self._taking_over is not None:
                # what was not taken over
                _end_killed(self.store, wait=True, until=None, say=self._say, made=self._engine_of_killed)
            if self.store.unmarked and not self.store.notes and not is_state_trusted():
                self._say(unmarked_note(self.store.unmarked))
            self._close_caching()
            self.store.remember(self.fingerprinter.files.learned)
            self.store.close_run()
        finally:
            self.store.release()
        return report

    @property
    def asks_servers(self) -> bool:
        """Whether one of its caches is elsewhere, or may be, as it is not opened: asking it may take a while."""
        return callable(self.caches) or not all(one.is_own for one in self.caches)

    def leave(self) -> None:
        """End the walk as `stop` does, but leave running what an engine runs: another run takes it over."""
        from treadle.engines.remote import RemoteRunner

        for runner in self._found_runners.values():
            if isinstance(runner, RemoteRunner):
                runner.leaves = True
        self.stop()

    def _collect_left(self, job: CommandJob) -> bool:
        """Take in that an attempt goes on: its files and its record are as they are, as if this run were killed."""
        self._left.append(job.uid)
        self.store.stays_open = True
        self._note(job, job.outcome)
        self._count_end(job)
        self._publish_ended(job, retry=False)
        return False

    def _tell_left(self) -> None:
        shown = listed(sorted(self._left), 5)
        self._say(f"left running with the engine: {shown}; `treadle resume --hot` goes on with that")

    def _keeps(self, begun_with: Sequence[str]) -> bool:
        from .taking_over import is_kept

        return is_kept(begun_with, self._engine_on_record()[:1])

    def _take_over_from(self, runs: Sequence[str]) -> None:
        """Take over what runs have left with the engine: all others were closed."""
        self._taking_over = None
        if runs:
            from .taking_over import TakingOver

            self._taking_over = TakingOver(self.store.folder, runs, self._say)

    def _caching_for(self, job: CommandJob) -> Caching | None:
        """Return what has the caches, None if there are none, or none is for an action as it runs now."""
        caching = self._open_caching()
        # what was let in by a failure may make something else, and more than one attempt is to end well
        is_usual = not job.met_by and job.limits.retries.passes == 1 and not self._is_last
        return caching if is_usual else None

    def _open_caching(self) -> Caching | None:
        """Return what has the caches, None if there are none; the first action that is about to run opens them."""
        if self._caching is None:
            caches: Sequence[OutputCache] = ()
            if callable(self.caches):
                from .option_checks import check_caches

                caches = check_caches(self.caches(), is_returned=True)
            else:
                caches = self.caches
            if not caches:
                self.caches = ()
                return None
            from .caching import Caching

            self._caching = Caching(
                *(caches, self.root, self.store.folder, self.run_id, self.fingerprinter),
                system=self.cache_system,
                namespaces=self.cache_namespaces,
            )
        return self._caching

    def _look_up(self, job: CommandJob, inputs: ActionInputs) -> Hit | None:
        """Return the outputs that an action would make, from a cache, verified; None to have it run."""
        caching = self._caching_for(job)
        if caching is None:
            return None
        caching.begins(job.uid, job.command, inputs)
        if job.attempt > 1:
            return None
        from treadle.core.restoring import may_restore

        verdict = self.verdicts.get(job.uid)
        if verdict is None or not may_restore(verdict.reasons):
            return None

        def is_open(paths: Sequence[str]) -> bool:
            producers = self.discovered.producers_of(job.uid, paths)
            return any(self.discovered.overlaps.overlapped(job.uid, one) for one in producers)

        found = job.take_hit()
        hit = caching.still_holds(found, job.command, inputs, is_open) if found is not None else None
        if hit is None:
            hit = caching.look_up(job.uid, job.command, is_open)
        if hit is not None and self.fingerprinter.moved_since(inputs, job.command):
            caching.drop(hit)
            return None
        return hit

    def _drop(self, hit: Hit) -> None:
        assert self._caching is not None
        self._caching.drop(hit)

    def _place(self, job: CommandJob, hit: Hit) -> str:
        """Put outputs from a cache into their places; return where they came from, "" if they cannot be there."""
        from .caching import origin, restored

        assert self._caching is not None
        if not self._caching.place(hit):
            return ""
        self._hits[job.uid] = hit
        job.restored_log, job.restored_by = hit.staged.log, hit.store
        self.bus.publish("outputs_restored", restored(job.uid, hit))
        return origin(hit)

    def _store_outputs(self, job: CommandJob) -> None:
        """Store what an action has made in the caches, where that pays."""
        hit = self._hits.pop(job.uid, None)
        if hit is not None:
            self.saved += hit.entry.duration
            return
        caching = self._caching_for(job) if self.caches and not job.restored else None
        if caching is None or self.outcomes[job.uid].kind != "success":
            return
        from .caching import may_store

        if may_store(self.verdicts[job.uid].reasons) and not self._is_mixed(job.engine):
            room, is_first = self._rooms[job.uid], job.attempt == 1
            caching.store(
                job.uid,
                job.command,
                self._inputs[job.uid],
                job.timing_info.duration,
                self.context.log(job.uid),
                lambda folder: is_first and room.is_whole(folder),
                job.host,
            )

    def _is_mixed(self, engine: str) -> bool:
        """Return whether an engine may have other programs and another system than the key of an entry says."""
        choice = self.settings.engine
        if choice is not None and engine == choice.name:
            return choice.is_mixed
        return bool(getattr(self.engines.get(engine), "is_mixed", False))

    def _tell_caching(self) -> None:
        if self._caching is not None:
            self._caching.publish(self.bus)

    def _close_caching(self) -> None:
        """Wait for what is being stored, unless the run was asked to end."""
        if self._caching is not None:
            caching = self._caching
            caching.close(lambda: self._stop_requested is not None)
            self._tell_caching()
            self._caching = None

    def _engine_on_record(self) -> tuple[str, ...]:
        """Return what the run after a kill has to know of an engine whose workers outlive us."""
        if not self.engines and self.settings.engine is None:
            return ()
        from .engine_runs import on_record

        return on_record(self.engines, self.settings.engine)

    def _engine_of_killed(self, name: str) -> Engine | None:
        """Return an engine of which a killed run has left something."""
        from .engine_runs import engine_of_killed

        return engine_of_killed(name, self.engines, self.settings.engine)

    def _run_both(self, last: DAG) -> Report:
        """Walk the graph, and then the actions at the end."""
        try:
            report = super()._run_alone()
        except KeyboardInterrupt:
            # it is a first request to stop where nothing handles the signal
            self._stop_requested = max(STOPPING, self._stop_requested or 0)
            self._run_last(last, self.report())
            raise
        return self._run_last(last, report)

    def _run_last(self, last: DAG, report: Report) -> Report:
        """Walk the actions at the end, if they take place; return what has become of all."""
        if not self._gives_up(KILLING) and self.wants_last(report):
            if self.bus:
                self._publish_end(report)
            main, untouched, unneeded = self.actions, self.untouched, self.unneeded
            was_ended = self.scheduler is not None and self.scheduler.stop_mode >= DRAINING
            self._is_last, self._is_limited, self._after_failure = True, False, None
            self.actions, self.untouched, self.unneeded, self._positions = main | last, 0, 0, None
            ends = self.failures_of(report).items()
            met_by = tuple([Reason(decision.MET_BY, uid, None, kind) for uid, kind in ends])
            self._met_by.update(dict.fromkeys(last.vertex_data, met_by) if met_by else {})
            try:
                scheduler = self.scheduler = self.create_scheduler()
                if self.bus:
                    self._publish_began(last)
                if was_ended or self._stop_requested is not None:
                    # a pause is of what would still have started: what is at the end of the run takes place
                    self.go_on()
                if self._gives_up(KILLING):
                    # it came before the scheduler was there
                    scheduler.stop(KILLING)
                scheduler.run(last)
                report = self.report()
            finally:
                self.actions, self.untouched, self.unneeded, self._positions = main, untouched, unneeded, None
                self._is_last = False
        return report

    def failures_of(self, report: Report) -> dict[str, str]:
        """Return uid -> kind of outcome of all that failed before the actions at the end."""
        return {str(one.uid): one.outcome.kind for one in report.actions.values() if one.outcome.category == FAIL}

    def wants_last(self, report: Report) -> bool:
        """Return whether the actions at the end take place: by default if another one has started or failed.

        A first request to stop does not keep them from it, `KILLING` does.

        :param report: what has become of all others
        """
        from .last import has_happened

        return has_happened(report)

    def stop(self, stop_mode: int = STOPPING) -> None:
        """End the walk, see `Walk.stop`; the actions at the end go on unless `stop_mode` is KILLING."""
        if not self._is_last or stop_mode >= KILLING:
            super().stop(stop_mode)
            return
        self._stop_requested = max(stop_mode, self._stop_requested or 0)
        # it wakes up, and `_round` sees to the time limits
        self.go_on()

    def _gives_up(self, least: int) -> bool:
        """Return whether what lasts long is given up, as a stop was requested.

        :param least: the mode from which on this is so; what is at the end gives up only when it is killed
        """
        requested = self._stop_requested
        return requested is not None and requested >= (KILLING if self._is_last else least)

    def _check(self) -> None:
        """Check the graph; of a part of a plan the edges through links were checked with the whole plan."""
        links = Links(self.root) if self._rest is None else None
        roots = {self.root, os.path.realpath(self.root)}
        check_commands(self.actions, self._queues(), roots, links)
        if self.last is not None:
            from .last import check_last

            check_commands(self.last, self._queues(), roots, links)
            check_last(self.actions, self.last)

    def _check_demands(self) -> None:
        """Refuse demands that the pool could never meet, of actions that would run.

        What is up to date needs nothing. What turns out later to have to run fails then, with the same reason. What
        is at the end runs, whatever is on record, where something before it fails: so it counts as soon as
        something may run.
        """
        is_here = self._is_here if self._has_workers else None
        refused = refused_demands(self.actions, self._find_pool, is_here)
        at_end = {} if self.last is None else refused_demands(self.last, self._find_pool, is_here)
        if not refused and not at_end:
            return
        given = self.settings
        looking = Settings(given.jobs, given.queues, force=given.force, environ=given.environ)
        verdicts = CommandWalk(self.actions, self.root, looking).look()
        may_run = any(verdict.decision in (decision.RUN, decision.MAY_RUN) for verdict in verdicts.values())
        found = {uid: why for uid, why in refused.items() if verdicts[uid].decision == decision.RUN}
        if may_run:
            found |= at_end
        for uid, why in found.items():
            command = self.actions.vertex_data[uid] if uid in refused or self.last is None else self.last[uid]
            raise TreadleError(
                f"{uid}: {why}",
                hint="say what there is by `pool:` in the plan or by `-r TYPE=N`, or run it elsewhere",
                place=command.place,
            )

    def about_to_walk(self) -> None:
        """Check what has to hold before anything is decided; called under the lock, with the records read.

        A TreadleError refuses the walk: nothing has started then.
        """

    def _wait_for(self, holder: str) -> None:
        self.bus.publish("waiting", holder)

    def _say(self, text: str) -> None:
        self.bus.publish("note", text)

    def _end_leftovers(self) -> None:
        """End the processes that actions have left outside of their groups: they could disturb the next run."""
        mark = f"{self.run_id}/"
        but = (process_marks.AGENT, process_marks.WORKER) if self._left else ()
        if (self._after_a_run or self._has_required) and next(process_marks.marked(mark, but), None) is not None:
            left = process_marks.end_marked(mark, but=but)
            if left:
                self._say(f"{len(left)} processes that actions left running could not be ended")

    def look(self) -> dict[str, Verdict]:
        """Return what a run would do with each action now; nothing is written or started, and no lock is taken."""
        self._check()
        self.store.load()
        self._begin(self.store.stamps)
        wait_for_producers(self.store, self.actions)
        self._may_start, self._needless = False, set()
        verdicts: dict[str, Verdict] = {}
        for uid, command in self.actions:
            self.verdicts[uid] = verdicts[str(uid)] = self._foresee(str(uid), command)
        if self.last is not None:
            verdicts |= self._foresee_last(self.last)
        self._caching = None
        return verdicts

    def unneeded_actions(self) -> set[str]:
        """Return the actions that are not needed as long as nothing runs and nothing fails, by conditions alone."""
        if not self._has_conditions:
            return set()
        from treadle.core.unneeded import unneeded

        kept = [uid for uid in self.actions.vertex_data if not all(s.is_met for s in self._outside_starts(uid))]
        return set(map(str, unneeded(self.actions, self.is_met, kept)))

    def _foresee_last(self, last: DAG) -> dict[str, Verdict]:
        """Return what a run would do with the actions at the end: nothing if it does nothing else."""
        runs = [uid for uid, verdict in self.verdicts.items() if verdict.decision == decision.RUN]
        may_run = [uid for uid, verdict in self.verdicts.items() if verdict.decision == decision.MAY_RUN]
        main, found = self.actions, dict[str, Verdict]()
        self.actions, self._positions = main | last, None
        try:
            for uid, command in last:
                verdict = self._foresee(str(uid), command)
                if (runs or may_run) and not command.once:
                    verdict = self._foresee_after(str(uid), command, verdict, [*runs, *may_run])
                if verdict.decision == decision.RUN and not runs:
                    depends = [Reason(decision.DEPENDS_ON, str(one)) for one in may_run]
                    verdict = Verdict(decision.MAY_RUN if may_run else decision.SKIP, depends)
                elif verdict.reasons and verdict.reasons[0].kind != decision.AT_END:
                    verdict = Verdict(verdict.decision, [Reason(decision.AT_END), *verdict.reasons])
                self.verdicts[uid] = found[str(uid)] = verdict
        finally:
            self.actions, self._positions = main, None
        return found

    def command_of(self, uid: str) -> Command:
        """Return the Command of an action, also of one at the end."""
        last = self.last.vertex_data if self.last is not None else {}
        command: Command = last[uid] if uid in last else self.actions.vertex_data[uid]
        return command

    def last_inputs(self, uid: str) -> ActionInputs | None:
        """Return what was last seen of the files of an action; None if they were not looked at."""
        return self._inputs.get(uid)

    def set_scheduling_params(self) -> None:
        """Take the queues from the settings; each Command has its own time limit."""
        self.queues = self._queues()
        self.job_timeout = None
        self.max_running = self.settings.max_running
        self.keep_going, self.stop_after = self.settings.keep_going, self.settings.stop_after

    def _find_pool(self) -> Pool:
        """Return what there is for demands, which is looked for when the first one is checked."""
        if self.pool is None:
            choice = self.settings.engine
            if choice is None or choice.is_local:
                self.pool = self._pool_here(self.settings.jobs)
            else:
                self.pool = choice.pool(lambda: self._pool_here(None))
        return self.pool

    def _pool_here(self, cpus: int | None) -> Pool:
        """Return what this machine has, as the settings say or as it is found."""
        given = self.settings.pool
        if callable(given):
            return given()
        if given is not None:
            return given
        from treadle.engines.machine import pool_of_machine

        return pool_of_machine(self.settings.environ, cpus=cpus)

    def _failed_before(self, uid: Any) -> Collection[Hashable]:
        return self.settings.blocked.get(uid, ())

    @property
    def _has_conditions(self) -> bool:
        return bool(self._rest is not None and self._rest.starts) or super()._has_conditions

    def _outside_starts(self, uid: Any) -> Collection[Start]:
        return self._rest.starts.get(uid, ()) if self._rest is not None else ()

    def create_scheduler(self) -> Any:
        """Return a Scheduler whose rounds write the records that are held."""
        scheduler = super().create_scheduler()
        scheduler.on_round = self._round
        # one more would have started before the last end is counted
        scheduler.refills = not self.stop_after
        # an attempt is published before there is room for its outputs, see `_ready`
        scheduler.after_start = None
        return scheduler

    def _runners(self) -> dict[str, BaseRunner]:
        if not self.engines and self.settings.engine is None:
            return {}
        from .engine_runs import runners

        found = runners(self.engines, self.settings.engine, self.store.folder, self.run_id)
        if self._taking_over is not None:
            self._taking_over.join(found, *self._engine_on_record()[:1])
        self._found_runners = found
        return found

    def owner(self, uid: str, command: Command) -> Owner:
        """Return the owner of the record of an action, see `discovered.owner_of`."""
        if uid not in self._owners:
            self._owners[uid] = owner_of(uid, command)
        return self._owners[uid]

    def load_previous_fingerprint(self, uid: Any) -> Fingerprint | None:
        """Return the fingerprint of the last success, also if a later failure demands a run, see `demands`."""
        command: Command = self.actions.vertex_data[uid]
        entry = self.store.entries.get(self.owner(uid, command).key)
        if command.once:
            return made_once(command)
        if entry is None:
            return None
        if command.discovery is not None:
            self._discovered_before[uid] = discovered_in(entry)
        success = entry.success
        if success is None:
            return None
        self._durations[uid] = success.duration
        return Fingerprint.from_elements(success.elements, success.results)

    def decide(self, uid: Any, previous: Any, new: Any) -> Verdict:
        """Return the verdict on an action; an output folder that was altered names the first files."""
        if uid in self.settings.marked_done:
            return Verdict(decision.SKIP, (Reason(decision.MARKED),))
        verdict = super().decide(uid, previous, new)
        if not any(_is_altered_folder(why) for why in verdict.reasons):
            return verdict
        return Verdict(verdict.decision, [self._with_files(uid, why) for why in verdict.reasons])

    def _with_files(self, uid: str, why: Reason) -> Reason:
        seen = self._inputs[uid].results.get(why.name.removeprefix(OUTPUT)) if _is_altered_folder(why) else None
        entry = self.store.entries.get(self.owner(uid, self.actions.vertex_data[uid]).key)
        record = entry.record if entry is not None else None
        if seen is None or record is None:
            return why
        made = self.store.manifests.read(record.owner.key)
        files = outputs.altered(why.name.removeprefix(OUTPUT), seen, made, record.run.ended_at)
        return Reason(why.kind, why.name, why.old, why.new, files)

    def demands(self, uid: Any) -> list[Reason]:
        """Return the reasons to run other than a fingerprint change: forced, `always`, last run failed."""
        command: Command = self.actions.vertex_data[uid]
        entry = self.store.entries.get(self.owner(uid, command).key)
        reasons = []
        if uid in self.settings.force:
            reasons.append(Reason(decision.FORCED))
        if command.always:
            is_last = self.last is not None and uid in self.last.vertex_data
            if is_last or not self._is_done(uid, entry):
                reasons.append(Reason(decision.AT_END if is_last else decision.ALWAYS))
        if entry is not None and not entry.counts and not (command.once and entry.state == MOVED):
            last = entry.last_run
            text = told(last.outcome or "failed", last.text) if last is not None and last.text else ""
            kind = _REASON_OF_STATE.get(entry.state, decision.FAILED)
            reasons.append(Reason(kind, "", text or None))
        elif entry is not None and not command.once and entry.ran_for(decision.MET_BY):
            # what it made may be of what that failure left; once nothing has failed it runs on what there is
            reasons.append(Reason(decision.AFTER_FAILURE))
        return reasons

    def _is_done(self, uid: str, entry: Entry | None) -> bool:
        """Return whether an action has succeeded since a run that is resumed, so that it need not run each time."""
        since = self.settings.done_since.get(uid)
        record = entry.record if since is not None and entry is not None and entry.counts else None
        return (
            since is not None
            and record is not None
            and record.run.ended_at >= since
            # what runs before it may be what it is there for, whatever it declares: now, or since it ran itself
            and uid not in self._after_a_run
            and self._last_end_before(uid) <= record.run.ended_at
        )

    def _last_end_before(self, uid: str) -> float:
        """Return when the last one of all that comes before an action has ended, in any run."""
        known = self._ends_before
        opened = [uid]
        while opened:
            here = opened[-1]
            before = self.comes_before(here)
            unknown = [one for one in before if one not in known]
            if unknown:
                opened += unknown
                continue
            known[opened.pop()] = max((max(known[one], self._last_end(one)) for one in before), default=0)
        return known[uid]

    def _last_end(self, uid: str) -> float:
        """Return when an action has ended last, in milliseconds since the epoch; 0 if it never ran."""
        marked = self.settings.marked_done.get(uid, 0)
        entry = self.store.entries.get(self.owner(uid, self.command_of(uid)).key)
        if entry is None:
            return marked
        last = entry.last_run
        # nothing says when something was cut off
        return float("inf") if last is None else max(last.ended_at, marked)

    def comes_before(self, uid: str) -> Collection[str]:
        """Return the actions that come directly before one, also those that an earlier walk has run."""
        graph = self.last if self.last is not None and uid in self.last.vertex_data else self.actions
        return [*map(str, graph.get_predecessors(uid)), *map(str, graph.get_after(uid))]

    def expected_duration(self, uid: Any) -> float | None:
        """Return how long the last success of an action took, else the median of its family; None without both."""
        if self._expectations is None:
            from .expected import ExpectedDurations

            self._expectations = ExpectedDurations(self.store.entries)
        return self._expectations.of(self.owner(uid, self.actions.vertex_data[uid]))

    def _shares(self, uid: Any) -> dict[str, float]:
        from .expected import shares_of

        command: Command = self.actions.vertex_data[uid]
        queue = CONSOLE_QUEUE if command.console else command.limits.queue
        return shares_of(command.limits, queue, self.queues, self.pool, self.max_running)

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint:
        """Return the fingerprint as predicted now, or with the key of the start and the result of the end."""
        if is_prediction:
            self._inputs[uid] = self._predict(uid, data)
        return self._inputs[uid].fingerprint

    def get_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
        """Return the job of an action, and note what comes after an action that runs."""
        if self._is_last or not self._after_a_run.isdisjoint((*predecessors, *self.actions.get_after(uid))):
            self._after_a_run.add(uid)
        job = super().get_job(uid, data, predecessors, notify_end)
        if self._is_last and self._stop_requested is not None and isinstance(job, CommandJob):
            from .last import TIME_AFTER_STOP

            job.timeout = job.timeout or TIME_AFTER_STOP
        return job

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: NotifyEnd) -> Job:
        """Return the job that runs the command."""
        absent = self.fingerprinter.absent(self._inputs[uid], data)
        if absent:
            raise TreadleError(f"the input {absent[0]} is missing", facts=[f"so is {path}" for path in absent[1:6]])
        # at the end of an attempt there may be too few descriptors to load these
        if data.workdir:
            from . import fresh_room  # noqa: F401
        if data.baseline or data.accept:
            from . import baseline  # noqa: F401
        if data.artifacts:
            from . import artifacts  # noqa: F401
        limits = self.settings.limits.get(uid)
        engine = "" if data.console else self.engine_of(uid, data)
        arguments = (uid, data, notify_end, self.context, self._ready, engine, limits)
        steps = self._steps_of(uid, data) if self.caches and self.asks_servers else {}
        if data.guards is not None:
            from .guarded_job import GuardedJob

            job: CommandJob = GuardedJob(*arguments, is_confirmed=self.is_confirmed, confirm=self.confirm, **steps)
        elif steps:
            from .stepped_job import SteppedJob

            job = SteppedJob(*arguments, **steps)
        else:
            job = CommandJob(*arguments)
        job.met_by = self._met_by.get(uid, ())
        job.lasts = self._durations.get(uid, 0.0) >= _LASTS
        return job

    def _steps_of(self, uid: str, command: Command) -> dict[str, Any]:
        """Return what looks the outputs of an action up in a thread, nothing if that is not worth it."""
        limits = self.settings.limits.get(uid) or command.limits
        verdict = self.verdicts.get(uid)
        caching = self._open_caching()
        if caching is None or self._is_last or self._met_by.get(uid) or limits.retries.passes != 1:
            return {}
        if not caching.asks_servers:
            return {}
        from treadle.core.restoring import may_restore

        if verdict is None or not may_restore(verdict.reasons):
            return {}
        wanted = caching.wanted(command, self._inputs[uid], self.expected_duration(uid))
        return (
            {"look_up": lambda: caching.fetch(wanted), "stop_looking": caching.stop} if wanted is not None else {}
        )

    def is_confirmed(self, uid: str, text: str) -> bool:
        """Return whether an action with a question may start without it.

        :param text: the question
        :raises TreadleError: it may not, and it cannot be asked: the action fails with these words
        """
        del uid, text
        return False

    def confirm(self, uid: str, text: str, is_given_up: Callable[[], bool]) -> bool:
        """Ask whether an action may start, in a thread; return whether the answer is yes.

        :param text: the question
        :param is_given_up: returns true when no answer is needed any more
        :raises TreadleError: it cannot be asked: the action fails with these words
        """
        del uid, is_given_up
        raise TreadleError(f"it has to be confirmed: {text}")

    def restore(self, uid: str, command: Command, fingerprint: Fingerprint) -> str | None:
        """Put the outputs of an action that is about to run into their places from elsewhere, such as a cache.

        Called when there is room for them; a subclass overrides it. It either puts all of them there or changes
        nothing. That end is recorded as a success is, and `why` says where the outputs came from.

        :param fingerprint: what the outputs depend on, as it is now
        :return: where they came from, in words; None to have the action run
        :raises OSError: it failed midway: the action fails with these words; so does a TreadleError
        """
        del uid, command, fingerprint
        return None

    def _restored_job(self, uid: Hashable, data: Any, verdict: Verdict, notify_end: NotifyEnd) -> None:
        """Return none: what is restored is asked for when there is room for it."""

    def _restored(self, uid: str, command: Command, fingerprint: Fingerprint) -> str:
        origin: object = self.restore(uid, command, fingerprint)
        if origin is None:
            return ""
        if not isinstance(origin, str) or not origin:
            if (close := getattr(origin, "close", None)) is not None:
                # a coroutine, which nothing awaits
                close()
            raise refusal(self.restore, origin, "a text that says where the outputs came from, or None", uid)
        return origin

    @property
    def _has_workers(self) -> bool:
        """Whether the settings name an engine: what runs on this machine needs what this machine has."""
        return self.settings.engine is not None and not self.settings.engine.is_local

    def _is_here(self, uid: str, command: Command) -> bool:
        return command.console or not self.engine_of(uid, command)

    def engine_of(self, uid: str, command: Command) -> str:
        """Return the name of the engine that runs an action, one of `engines`; "" for this machine.

        By default that of the settings. What has the terminal runs here whatever this says.
        """
        del uid
        choice = self.settings.engine
        return "" if choice is None or choice.is_local or command.limits.engine else choice.name

    def _note_runs(self, commands: Sequence[Command]) -> None:
        presence = [path for command in commands for path in command.presence]
        others = {path for command in commands for path in command.made}
        if others:
            self.store.note_runs(presence, others.difference(presence))
            self.fingerprinter.files.forget([run_file(path) for path in presence])

    def about_to_start(self, jobs: list[Any]) -> None:
        """Write the marks of a batch of jobs before any of them starts; see `Walk.about_to_start`."""
        if self.deadline is not None and not self._is_last:
            jobs = self._that_end_in_time(jobs, self.deadline)
        guarding = [job for job in jobs if getattr(job, "guarding", False)]
        if guarding:
            for job in guarding:
                if job.is_asking:
                    self.bus.publish("asking", job.uid, job.guards.confirm)
                elif not (self._has_required or job.is_looking):
                    # a kill may come before anything else is written of this run
                    self._has_required = True
                    self.store.open_run()
            jobs = [job for job in jobs if job not in guarding]
            if not jobs:
                return
        owners = [self.owner(job.uid, job.data) for job in jobs]
        self._note_runs([job.data for job in jobs])
        found = {}
        for job, owner in zip(jobs, owners, strict=True):
            room = self._rooms[job.uid] = self._room_of(job, owner)
            mark = room.look(self._was_as_left(job.uid), self._folders)
            self._met_foreign |= bool(mark.foreign)
            if mark.folders or mark.foreign:
                found[owner.key] = mark
        self.store.mark_started(owners, found)

    def _room_of(self, job: CommandJob, owner: Owner) -> Room:
        # a job of a subclass of the walk need not have a command of its own
        command: Command = job.data
        if not command.workdir:
            return Room(command, self._ownership, owner.key)
        from .fresh_room import FreshRoom
        from .workdir import NAME

        job.folder = self.context.aside(job.uid, NAME)
        return FreshRoom(job.command, self._ownership, owner.key, job.folder, self.run_id)

    def _that_end_in_time(self, jobs: list[CommandJob], deadline: float) -> list[CommandJob]:
        """Return those that can end before a time; the others are left out, and end without a start."""
        left = max(deadline - monotonic(), 0.0)
        for job in jobs:
            limit, last = job.longest_attempt, self._durations.get(job.uid)
            if limit is not None and limit > left:
                job.left_out = f"its time limit is {limit:g} s, and {left:.1f} s are left of the run"
            elif limit is None and last is not None and last > left:
                job.left_out = f"it took {last:.1f} s last time, and {left:.1f} s are left of the run"
        return [job for job in jobs if not job.left_out]

    def _was_as_left(self, uid: str) -> Callable[[str], bool]:
        """Return a function: whether an output was absent, or as recorded, when the action was predicted."""
        seen, previous = self._inputs[uid].results, self.prev_fingerprints.get(uid)
        known = previous.elements if previous is not None else {}

        def was_as_left(output: str) -> bool:
            one = seen.get(output)
            return one is not None and one.value in (ABSENT, known.get(OUTPUT + output))

        return was_as_left

    def collect(self, job: Any) -> bool:
        """Check and record the outputs of a job that ended, or put them aside."""
        if not isinstance(job, CommandJob):
            return self._collect_unstarted(job)
        if job.left_out:
            return self._collect_left_out(job)
        if job.guarding:
            return self._collect_guard(job)
        if job.uid not in self._rooms:
            # the pool could never meet its demand: it was not started, so its outputs and its record stay
            return self._collect_unstarted(job)
        uid, command = job.uid, job.command
        if job.is_left:
            return self._collect_left(job)
        self.fingerprinter.files.forget(command.written)
        moved_inputs: list[str] = []
        wrong = job.take_report()
        if wrong:
            self._say(f"{uid}: its report was not taken as it is: {'; '.join(wrong)}")
        if command.baseline and job.code is not None and job.failure is None and not job.restored:
            from .baseline import differing

            job.differs = differing(command.baseline, command.outputs, job.folder, self.root)
        ended = self._asked_outcome(job)
        if ended.category == PASS:
            try:
                if command.workdir and not job.restored:
                    self._take_outputs(job)
                moved_inputs = self._finish_inputs(job)
                self.new_fingerprints[uid] = self._compute(uid, command)
            except (OSError, TreadleError) as error:
                job.fail(words_of(error), "broken")
                job.interrupted |= isinstance(error, StopRequestedError)
                ended = job.outcome
        if job.artifacts is not None and job.made_room:
            self._keep_artifacts(job, ended)
        self._replaced += self._rooms[uid].replaced
        self._leftovers += self._rooms[uid].leftovers
        self._note(job, ended)
        if ended.category == PASS:
            self.discovered.overlaps.is_over(uid, has_run=True)
            self._save(job, moved_inputs)
            if command.workdir:
                self._left_in_folder(job, ended, retry=False)
            return self._passed(job)
        return self._gave_no_record(job, ended)

    def known_commands(self) -> Iterable[Command]:
        """Return the Commands whose inputs and outputs are no artifacts of others: those of the walk."""
        return list(self.context.actions.values())

    def files_of_plan(self) -> Iterable[str]:
        """Return further files that are no artifacts, relative to the root or absolute."""
        return ()

    def _keep_artifacts(self, job: CommandJob, ended: Outcome) -> None:
        """Move the artifacts of an attempt, as they are declared; that changes no outcome."""
        from .artifacts import FOLDER, declared_in

        artifacts, job.artifacts = job.artifacts, None
        assert artifacts is not None
        if self._is_declared is None:
            known = {
                path for one in self.store.entries.values() for path in (*one.owner.outputs, *discovered_in(one))
            }
            self._is_declared = declared_in(self.known_commands(), {*known, *self.files_of_plan()}, self.root)
        declared, inputs = self._is_declared, self._inputs[job.uid]
        found = {*inputs.seen, *inputs.results}

        def is_kept(path: str) -> bool:
            return path in found or declared(path)

        place = f"{FOLDER}/{own_name(job.command.label, job.uid)}"
        try:
            moved = artifacts.keep(self.store.folder, place, job.attempt, ended, is_kept)
        except OSError as error:
            self._say(f"{job.uid}: its artifacts cannot be kept: {error.strerror}: {error.filename}")
            return
        if moved:
            values = values_of(job)
            moved = {
                os.path.relpath(os.path.join(job.folder, path), self.root): os.path.relpath(target, self.root)
                for path, target in moved.items()
            }
            self.fingerprinter.files.forget(moved)
            said = [moved.pop(path, path) for path in values.artifacts]
            values.artifacts = [*said, *moved.values()]
            if job.secrets:
                from treadle.core.redaction import without_values

                values.artifacts = [without_values(one, job.secrets) for one in values.artifacts]

    def _take_outputs(self, job: CommandJob) -> None:
        """Put what an action has made in a folder of its own into its places.

        :raises TreadleError: an output is missing, or cannot be put there
        """
        from .fresh_room import FreshRoom

        room = self._rooms[job.uid]
        assert isinstance(room, FreshRoom)
        if missing := room.missing():
            raise _not_written(room.folder, missing)
        try:
            room.commit(self.context.aside(job.uid, "replaced"))
        finally:
            self.fingerprinter.files.forget(job.command.written)

    def _left_in_folder(self, job: CommandJob, ended: Outcome, *, retry: bool) -> str:
        """Remove the folder that an action had of its own; after a failure it is kept: return in words where."""
        from .fresh_room import FreshRoom

        room = self._rooms[job.uid]
        assert isinstance(room, FreshRoom)
        kept = room.end(keeps=ended.category in (FAIL, CANCEL, NONE))
        return f"; its folder is kept: {kept}" if kept and not retry else ""

    def _passed(self, job: CommandJob) -> bool:
        """Return whether an attempt that ended well is followed by another one, as more than one has to."""
        uid, passes, tries = job.uid, job.limits.retries.passes, job._treadle_tries
        number = job.attempt if tries is None else job.attempt - tries.uncounted
        if number >= passes:
            self._count_end(job)
            self._publish_ended(job, retry=False)
            return False
        # this is what is left of it if the run ends now
        why = self.why_stopped or f"{number} of {passes} attempts have passed"
        cut, passed = outcome("interrupted", why), self.outcomes[uid]
        again = not self._gives_up(DRAINING) and self._lets_in(job)
        if not again:
            self._note(job, cut)
        self._publish_ended(job, retry=again)
        self._note(job, cut)
        self.reports[uid].attempt_outcome = passed
        # the next attempt replaces what this one has made, as that of another run would
        self.prev_fingerprints[uid] = self.new_fingerprints[uid]
        job.retry_delay = 0.0
        return again

    def _note(self, job: Job, ended: Outcome) -> None:
        super()._note(job, ended)
        if not isinstance(job, CommandJob):
            return
        report, uid = self.reports[job.uid], job.uid
        report.exit_code = job.code
        if job.made_room and not job.command.console:
            report.log = self.context.log(uid)
        if report.earlier and report.earlier[-1].log == self.context.log(uid):
            report.earlier[-1].log = self.context.earlier_log(uid, report.earlier[-1].attempt)

    def _tell_moved(self) -> None:
        """Publish what was moved aside to make room for outputs, and what missing records mean for that."""
        # what is wrong with the state has said it already
        if self._has_no_records and not self.store.notes and (self._replaced or self._met_foreign):
            self._say(
                "there are no records of previous runs: outputs of other parameter values and of removed actions"
                " are ordinary files now, and globs match them"
            )
        if self._replaced:
            shown = listed(self._replaced, 3)
            self._say(f"moved files that Treadle did not create to {STATE_FOLDER}/replaced/: {shown}")
        if self._leftovers:
            shown = listed(self._leftovers, 3)
            self._say(f"moved files that an unfinished run left to {STATE_FOLDER}/replaced/: {shown}")

    def _round(self) -> None:
        """Write the held records before the scheduler sleeps, in one write with the marks of the next starts."""
        self.store.flush()
        self._tell_caching()
        if self._is_last and self._stop_requested is not None and not self._is_limited:
            from .last import TIME_AFTER_STOP

            self._is_limited = True
            assert self.scheduler is not None
            self.scheduler.limit_running(TIME_AFTER_STOP)
        super()._round()

    def _queues(self) -> dict[str, int]:
        queues = {"default": self.settings.jobs, CONSOLE_QUEUE: 1, **self.settings.queues}
        if self.asks_servers:
            from .stepped_job import LOOK_UP_QUEUE, LOOK_UPS

            queues[LOOK_UP_QUEUE] = LOOK_UPS
        return queues

    def _predict(self, uid: str, command: Command) -> ActionInputs:
        """Return the inputs of an action before it is decided.

        An action that runs looks once more at its start. So without a record an earlier look at its files is
        enough, unless a file was absent then.
        """
        has_run = uid in self._after_a_run
        if command.once:
            return self.fingerprinter.compute_once(command)
        previous = self.prev_fingerprints.get(uid)
        recorded = None if self._may_start else getattr(previous, "elements", {})
        if previous is None:
            inputs = self.fingerprinter.compute(command, recorded=recorded)
            if not (has_run and inputs.absent()):
                return inputs
        inputs = self.fingerprinter.compute(
            command, self._discovered_before.get(uid, ()), has_run, recorded=recorded
        )
        known = getattr(previous, "elements", {})
        self.fingerprinter.add_outputs(inputs, command, has_run, recorded=known)
        return inputs

    def _ready(self, job: CommandJob) -> str:
        """Look once more at the inputs just before the start, and make room for the outputs.

        :return: where they were restored from, "" if the action has to run
        """
        uid = job.uid
        self._after_a_run.add(uid)
        self._hits.pop(uid, None)
        self.discovered.overlaps.begins(uid)
        found = self._discovered_before.get(uid, ())
        try:
            inputs = self._inputs[uid] = self.fingerprinter.compute_again(self._inputs[uid], job.command, found)
            self.fingerprinter.note_routes(inputs, job.command)
        except StopRequestedError:
            job.interrupted = True
            raise
        if job.announce():
            self.starting[uid] = job
            started = Started(uid, job.attempt, job.slot, job.started_at, console=job.command.console)
            self.bus.publish("started", started)
        room, aside = self._rooms[uid], self.context.aside(uid, "replaced")
        if job.engine and self._goes_on(job, inputs):
            room.goes_on()
            self._publish_log(job)
            return ""
        if not job.command.console:
            job.turn_logs()
        hit = self._look_up(job, inputs) if self.caches else None
        # its folder is made for it once it has to run
        waits = hit is not None and bool(job.command.workdir)
        if not waits:
            room.make(inputs, aside)
        if hit is not None:
            room.make_for_restore(inputs, aside)
        job.emptied.extend(room.emptied)
        if room.touched_links:
            # an input that had a hard link there has another stamp now, and was not written to
            again = self._inputs[uid] = self.fingerprinter.compute_again(inputs, job.command, found)
            self.fingerprinter.note_routes(again, job.command)
            if hit is not None and again is not inputs:
                self._drop(hit)
                hit = None
            inputs = again
        restored = self._place(job, hit) if hit is not None else ""
        if waits and not restored:
            room.make(inputs, aside)
        # a success by presence is of here and now: there is nothing that a cache could hold
        if not restored and type(self).restore is not CommandWalk.restore and not job.command.presence:
            room.make_for_restore(inputs, aside)
            restored = self._restored(uid, job.command, inputs.fingerprint)
        if not job.command.console:
            self._publish_log(job)
        return restored

    def _publish_log(self, job: CommandJob) -> None:
        command, log = job.command, self.context.log(job.uid)
        opened = LogOpened(job.uid, job.attempt, log, output=command.output, makes_files=bool(command.outputs))
        self.bus.publish("log_opened", opened)

    def _goes_on(self, job: CommandJob, inputs: ActionInputs) -> bool:
        """Return whether an attempt that is to start is one of a killed run, which goes on."""
        from .engine_runs import views_of
        from .taking_over import sight_of

        job.sight = sight_of(inputs)
        # the places of a folder of its own are only made now
        job.views = None if job.command.workdir else views_of(inputs, job.command, self.root)
        return job.taken_over is not None or (self._taking_over is not None and self._taking_over.take(job))

    def _finish_inputs(self, job: CommandJob) -> list[str]:
        """Complete the fingerprint with the result; return the inputs that changed while the action ran.

        :raises TreadleError: an output is missing, or the data of its discovery
        """
        command, inputs = job.command, self._inputs[job.uid]
        before = dict(inputs.results)
        inputs.forget_results()
        self.fingerprinter.add_made(inputs, command, self._rooms[job.uid].names_made)
        missing = outputs.missing({path: seen.value for path, seen in inputs.results.items()})
        if missing:
            raise _not_written(self.root, missing)
        self.fingerprinter.add_edited(inputs, command)
        moved_inputs = self.fingerprinter.moved_since(inputs, command)
        hit = self._hits.get(job.uid)
        if hit is not None and self._caching is not None:
            moved_inputs += self._caching.finish(hit, inputs)
        elif command.discovery is not None:
            since = job.reads_since
            moved_inputs += self.discovered.add(job.uid, command, inputs, before, since, self._left_by)
        return moved_inputs

    def _left_by(self, uid: str) -> Mapping[str, Seen]:
        """Return path -> what was seen of it at the end of an action, empty before that end."""
        inputs = self._inputs.get(uid) if uid in self.reports else None
        return inputs.results if inputs is not None else {}

    def producers_of_discovered(self, uid: str) -> list[str]:
        """Return the producers of the discovered inputs of an action."""
        command: Command = self.actions.vertex_data[uid]
        if command.discovery is None:
            return []
        inputs = self._inputs.get(uid)
        return self.discovered.producers_of(uid, inputs.results if inputs is not None else ())

    def _save(self, job: CommandJob, moved_inputs: list[str]) -> None:
        uid = job.uid
        owner = self.owner(uid, job.command)
        fingerprint = self.new_fingerprints[uid]
        made = self._made(job, owner)
        if moved_inputs:
            shown = listed(map(self._inputs[uid].shown, moved_inputs), 5)
            text = f"changed while it ran: {shown}{self._circle_of(uid, moved_inputs)}"
            self.reports[uid].unrecorded = text
            found = paths_of(fingerprint.results, DISCOVERED)
            files = {path: self._inputs[uid].results[path].value for path in owner.outputs if path[-1] != "/"}
            self.store.save_end(owner, self._run_of(job, MOVED, text, {**files, **made}), found)
            before = [one.old or "" for one in self.verdicts[uid].reasons if one.kind == decision.INPUTS_MOVED]
            # the second time in a row it is hardly anything else than the action itself
            is_again = any(f" {path}" in known for known in before for path in moved_inputs)
            hint = f"; {wording.OWN_WRITES}" if is_again else ""
            self._say(f"{uid} is not recorded, it will run again: {text}{hint}")
            return
        text = f"restored from {job.restored}" if job.restored else ""
        run = self._run_of(job, SUCCEEDED, text, made)
        if uid in self._hits:
            # how long it takes to run is what the next run asks for
            run.duration = self._hits[uid].entry.duration
        self.store.save(Record(owner, run, fingerprint.elements, fingerprint.results), held=True)
        if self.caches:
            self._store_outputs(job)

    def _circle_of(self, uid: str, paths: Sequence[str]) -> str:
        """Return in words that what an action was found to read is made by an action after it; "" if it is not."""
        from treadle.core.graph.algorithms import reached

        def before(one: Any) -> Any:
            return self.actions.get_predecessors(one) | self.actions.get_after(one)

        for path in paths:
            for producer in self.discovered.producers_of(uid, [path]):
                if uid in reached([producer], before):
                    return f"; {path} is made by {producer}, which comes after it: this circle is never recorded"
        return ""

    def _made(self, job: CommandJob, owner: Owner) -> dict[str, str]:
        """Return what an action has made that is no element; write the manifest of its output folders."""
        discovery = self.fingerprinter.files.see_made(owner.depfile).value if owner.depfile else ""
        made, manifest = self._rooms[job.uid].made(self._inputs[job.uid].results, discovery)
        if any(path.endswith("/") for path in owner.outputs):
            self.store.manifests.write(owner.key, manifest)
        return made

    def _gave_no_record(self, job: CommandJob, ended: Outcome) -> bool:
        """Put aside the outputs of an attempt that did not succeed; return whether another one follows.

        That holds for what skipped itself too: what it wrote is nothing that others may read.
        """
        uid, command = job.uid, job.command
        retry, ended = self._with_next(job, ended)
        has_failed = not ended.is_good
        text = ended.reason or job.how_it_ended()
        if has_failed:
            text = self.reports[uid].failure = text + outputs.if_full(self.root)
        room = self._rooms[uid]
        stays = room.put_aside(self.context.aside(uid)) if job.made_room and not command.keep else ""
        if stays:
            text = f"{text}; {stays}"
            self.reports[uid].failure = text if has_failed else None
        state = SKIPPED_ITSELF if ended.category == SKIP else FAILED
        if ended.category == CANCEL or (job.interrupted and not job.timed_out):
            state = INTERRUPTED
        if command.workdir and (kept := self._left_in_folder(job, ended, retry=retry)):
            text += kept
            self.reports[uid].failure = text if has_failed else None
        is_left = command.keep or stays or room.holds_leftovers(made_room=job.made_room)
        foreign = room.mark.foreign if is_left else None
        run = self._run_of(job, state, text, dict.fromkeys(room.folders, FOLDER_VALUE), foreign)
        self.store.save_end(self.owner(uid, command), run)
        if not retry:
            self.discovered.overlaps.is_over(uid, has_run=True)
            self._count_end(job)
        self._publish_ended(job, retry=retry)
        return retry

    def _with_next(self, job: CommandJob, ended: Outcome) -> tuple[bool, Outcome]:
        """Return whether another attempt follows one that did not succeed, and how this one has ended for that."""
        if self._stop_requested or not _may_retry(job, ended) or not self._lets_in(job):
            return False, ended
        command, is_plain_end = job.command, job.failure is None and not job.timed_out
        retry = self._next_attempt(
            job,
            job.limits.retries,
            ended,
            code=job.code if is_plain_end else None,
            codes=() if command.codes is None else command.codes.retry,
        )
        return retry, self.outcomes[job.uid]

    def _seed_of(self, uid: Hashable) -> str:
        return f"{self.run_id} {uid}"

    def _pool_to_grow_in(self) -> Pool:
        return self._find_pool()

    def _collect_left_out(self, job: CommandJob) -> bool:
        """Leave an action as it is that could not end in time, or with the end of its attempt before."""
        uid = job.uid
        job.attempt -= 1
        if job.attempt:
            self._count_end(job)
        else:
            self._unstarted.add(uid)
            self._why_unstarted[uid] = job.left_out
        self.discovered.overlaps.is_over(uid, has_run=bool(job.attempt))
        return False

    def _tell_left_out(self) -> None:
        """Publish which actions were not started as they could not end in time."""
        if self._why_unstarted:
            named = listed([str(uid) for uid in self._in_order(self._why_unstarted)], 5)
            self._say(f"what may not end in the time of the run was not started: {named}")

    def _collect_guard(self, job: Any) -> bool:
        """Let an action go on that has passed a guard; else it fails, and its outputs and its record stay."""
        assert self.scheduler is not None
        if job.is_asking:
            self.bus.publish("answered", job.uid)
        if job.interrupted or (job.final_status.is_good and self.scheduler.stop_mode):
            # the walk ends before its turn
            return False
        if job.final_status.is_good:
            job.passed()
            return True
        job.attempt = 0
        return self._collect_unstarted(job)

    def _collect_unstarted(self, job: Job) -> bool:
        uid = str(job.uid)
        if uid in self._unstarted:
            self.discovered.overlaps.is_over(uid, has_run=False)
            return False
        ended = self._asked_outcome(job)
        if ended.category in (FAIL, NONE):
            end = Unstarted(ended.kind, time_ns() // 1_000_000, ended.reason)
            self.store.save_unstarted(self.owner(uid, self.actions.vertex_data[uid]).key, end)
        self.discovered.overlaps.is_over(uid, has_run=False)
        self._note(job, ended)
        if ended.kind == "skip":
            self.saved += self._durations.get(uid, 0.0)
        self._count_end(job)
        self._publish_ended(job, retry=False)
        return False

    def describe(self, uid: Any) -> Action:
        """Return the data of an action for subscribers."""
        command: Command = self.actions.vertex_data[uid]
        graph, limits = self.actions, command.limits
        data = Action(
            str(uid),
            command=command.shown,
            needs=list(map(str, graph.get_predecessors(uid))),
            after=list(map(str, graph.get_after(uid))),
            queue=CONSOLE_QUEUE if command.console else limits.queue,
            tokens=limits.tokens,
            place=command.place,
            outputs=command.outputs,
            conditions=self._conditions_of(uid),
        )
        data.is_last = self._is_last
        return data

    def _end_of(self, job: Job, *, retry: bool) -> Ended:
        end = super()._end_of(job, retry=retry)
        if isinstance(job, CommandJob):
            end.command = job.command.shown
            end.restored, end.store = job.restored, job.restored_by
            retries = job.limits.retries
            tries = job._treadle_tries
            end.most = max(retries.max + 1, retries.passes) + (0 if tries is None else tries.uncounted)
            end.emptied = tuple(job.emptied)
            end.log = self.reports[job.uid].log
            if end.log and retry:
                end.kept_log = self.context.earlier_log(end.name, job.attempt)
            if end.failure and end.attempts and not retry:
                end.failure += self._variables_missed(job, end.log)
        return end

    def _variables_missed(self, job: CommandJob, log: str) -> str:
        """Return a line about variables that a failed action names and was not given, "" if there is none."""
        from .variables import hint_of, not_given

        given = self.fingerprinter.environment(job.command)
        missed = not_given(job.command, self.settings.environ, given, log)
        return f"\n{hint_of(missed)}" if missed else ""

    def _count_end(self, job: Job) -> None:
        if not self._is_last:
            # what is at the end blocks no other, and is none of those that are counted
            super()._count_end(job)

    def _count_failure(self) -> None:
        is_known = self._after_failure is not None
        super()._count_failure()
        if is_known:
            self._look_after_failure()

    def _stop_after_failures(self) -> None:
        if self.scheduler is None or not self.actions.has_conditions:
            super()._stop_after_failures()
            return
        from treadle.core.after_failure import AfterFailure

        self._after_failure = AfterFailure(self.actions, self.is_met)
        self._after_failure.let_in.update(self._met_by)
        self._look_after_failure()
        self.scheduler.narrow(self._lets_in)

    def _look_after_failure(self) -> None:
        if self._after_failure is not None and self.scheduler is not None:
            running = {job.uid for job in self.scheduler.active_jobs}
            self._after_failure.look(self.outcomes, running)

    def _lets_in(self, job: Job) -> bool:
        """Return whether a job that is ready may start, also if failures have ended the run."""
        after = self._after_failure
        return after is None or job.uid in after.let_in or job.uid in after.wanted

    def _is_let_in(self, uid: Hashable, judged: Judgement) -> bool:
        return self._after_failure is None or self._after_failure.may_start(uid, is_met_by_failure=bool(judged.by))

    def _run_of(
        self,
        job: CommandJob,
        state: str,
        text: str,
        made: Mapping[str, str],
        foreign: Sequence[str] | None = None,
    ) -> Run:
        reasons, duration = self.verdicts[job.uid].reasons, job.timing_info.duration
        kind, now = self.outcomes[job.uid].kind, time_ns() // 1_000_000
        return Run(
            *(self.run_id, state, now, duration, reasons, text, kind),
            made=made,
            foreign=foreign,
            usage=job.usage,
            code=job.code,
        )

    def _foresee(self, uid: str, command: Command) -> Verdict:
        """Return the verdict as far as it is known before the predecessors have run."""
        if self._has_conditions and (foreseen := self._foresee_conditions(uid)) is not None:
            return foreseen
        pending = [p for p in self.actions.get_predecessors(uid) if self.verdicts[p].decision not in _STAYS]
        previous = self.prev_fingerprints[uid] = self.load_previous_fingerprint(uid)
        try:
            new = self.new_fingerprints[uid] = self.compute_fingerprint(uid, command, is_prediction=True)
        except (OSError, TreadleError) as error:
            what = error.what if isinstance(error, TreadleError) else words_of(error)
            return Verdict(decision.RUN, [Reason(decision.UNANSWERED, "", None, what)])
        verdict = self.decide(uid, previous, new)
        if command.once:
            return verdict
        if pending:
            verdict = self._foresee_after(uid, command, verdict, pending)
        if self.caches and verdict.decision == decision.RUN:
            self._foresee_restore(uid, command, verdict)
        unasked = [Reason(decision.NOT_ASKED, tool.name) for tool in command.tools if tool.version]
        if unasked and verdict.decision == decision.SKIP:
            return Verdict(decision.MAY_RUN, unasked)
        return verdict

    def _foresee_conditions(self, uid: str) -> Verdict | None:
        """Return that an action is not needed, or runs only if something fails; None if neither is so.

        What runs is taken to succeed, and what runs only after a failure not to run.
        """
        unmet, is_sure = [], False
        for p in self._in_order(self.actions.get_predecessors(uid)):
            verdict = self.verdicts[p]
            kind = {decision.SKIP: "skip", decision.NOT_NEEDED: "not_needed"}.get(verdict.decision, "success")
            if any(why.kind == decision.ONLY_IF for why in verdict.reasons):
                kind = "not_needed"
            start = self._start_of(uid, p, outcome(kind))
            if not start.is_met:
                is_over = verdict.decision in _STAYS
                is_sure = is_sure or is_over
                unmet.append(Reason(decision.ONLY_IF, str(p), start.condition, kind if is_over else None))
        if not unmet:
            return None
        self.prev_fingerprints[uid] = self.new_fingerprints[uid] = None
        self._needless.add(uid)
        if is_sure:
            return decision.not_needed(why for why in unmet if why.new is not None)
        return Verdict(decision.MAY_RUN, unmet)

    def _foresee_after(self, uid: str, command: Command, verdict: Verdict, pending: Collection[Any]) -> Verdict:
        """Return a verdict as it holds while some predecessors have yet to run."""
        before = {str(p): self.actions.vertex_data[p] for p in self._in_order(pending)}
        read = self._read_of(uid, command, before)
        return _foreseen(verdict, {p: before[p] for p in read}) if read else verdict

    def _read_of(self, uid: str, command: Command, before: Mapping[str, Command]) -> list[str]:
        """Return which predecessors write what an action reads, apart from files that would be restored."""
        paths = self.fingerprinter.paths(self._inputs[uid], command)
        return _read_from(self.root, [path for path in paths if path not in self._foreseen], before)

    def not_made_yet(self, uid: str, command: Command) -> list[str]:
        """Return the predecessors that would run and write what an action reads, after `look` or while it looks.

        What would be restored is none of them, where it is known.
        """
        pending = [p for p in self.actions.get_predecessors(uid) if self.verdicts[p].decision not in _STAYS]
        before = {str(p): self.actions.vertex_data[p] for p in self._in_order(pending)}
        return self._read_of(uid, command, before) if before else []

    def is_to_come(self, uid: str, paths: Sequence[str]) -> bool:
        """Return whether one of some files that an action was found to read is made by an action that would run."""
        producers = self.discovered.producers_of(uid, paths)
        return any(one not in self.verdicts or self.verdicts[one].decision not in _STAYS for one in producers)

    def _foresee_restore(self, uid: str, command: Command, verdict: Verdict) -> None:
        """Note if the outputs of an action that would run would be restored, and what they would be."""
        from treadle.core.restoring import may_restore

        is_usual = may_restore(verdict.reasons) and command.limits.retries.passes == 1 and not self._is_last
        caching = self._open_caching() if is_usual else None
        if caching is None or self.not_made_yet(uid, command):
            return
        found = caching.foresee(command, self._inputs[uid], lambda paths: self.is_to_come(uid, paths))
        folders = [output for output in command.outputs if output.endswith("/")]
        if found is not None and folders:
            room = Room(command, self._ownership, self.owner(uid, command).key)
            if any(map(room.keeps_something, folders)):
                # they cannot be placed there, so it will run
                return
        if found is not None:
            self.restorable[uid], entry = found
            for file in entry.files:
                self.fingerprinter.files.foresee(file.path, entry.values[file.path])
                self._foreseen.add(file.path)


def _is_altered_folder(why: Reason) -> bool:
    is_by_content = not wording.is_of_another_run(why)
    return why.kind == decision.OUTPUT_ALTERED and why.name.endswith("/") and is_by_content


_LASTS = 1.0
"""Seconds that an action lasts that is measured from its start, if it has taken that long before."""
_STAYS = (decision.SKIP, decision.NOT_NEEDED)
"""The verdicts on what would not run."""
_REASON_OF_STATE = {
    STARTED: decision.INTERRUPTED,
    INTERRUPTED: decision.INTERRUPTED,
    FAILED: decision.FAILED,
    SKIPPED_ITSELF: decision.SKIPPED_ITSELF,
    MOVED: decision.INPUTS_MOVED,
}


def unmarked_note(why: str) -> str:
    """Return the note that the records of this run will not count."""
    return (
        f"the next run will treat all actions as new: the mark of this state cannot be written ({why});"
        f" set XDG_STATE_HOME to a folder that can be written to, or {TRUST_STATE}=1"
    )


def _not_written(root: str, missing: Sequence[str]) -> TreadleError:
    first = missing[0]
    others = [f"nor {path}" for path in missing[1:6]]
    full = os.path.join(root, first.rstrip("/"))
    if not first.endswith("/") and os.path.isdir(full):
        is_link = os.path.islink(full)
        return TreadleError(
            f"its output {first} is {'a link to a folder' if is_link else 'a folder'}, but declared as a file",
            facts=others,
            hint=f"declare it as {first}/"
            + (", and begin the command with `rmdir ${out}`: a folder is made there first" if is_link else ""),
        )
    if first.endswith("/") and os.path.isfile(full):
        return TreadleError(
            f"its output {first} is a file, but declared as a folder",
            facts=others,
            hint=f"declare it as {first.rstrip('/')}",
        )
    return TreadleError(f"it ended well but did not write its output {first}", facts=others)


def _read_from(root: str, paths: Sequence[str], before: Mapping[str, Command]) -> list[str]:
    """Return which predecessors write to these paths; the others do not change the verdict."""
    outputs = OutputIndex(written_by(before))
    found = {uid for path in paths for uid in outputs.of(path)}
    if len(found) < len(before):
        # what a path leads to through links may be made by one of the others, by another name again
        producers = Producers(root, written_by(before))
        found.update(uid for path in paths for uid in producers.of(path))
    return [uid for uid in before if uid in found]


def _foreseen(verdict: Verdict, pending: Mapping[str, Command]) -> Verdict:
    """Return a verdict as it holds while other actions have yet to run."""
    to_come = OutputIndex(written_by(pending))
    sure = [reason for reason in verdict.reasons if not _is_to_come(reason, to_come)]
    if sure:
        return Verdict(decision.RUN, sure)
    return Verdict(decision.MAY_RUN, [Reason(decision.DEPENDS_ON, uid) for uid in pending])


def _is_to_come(reason: Reason, to_come: OutputIndex) -> bool:
    """Return whether a reason is about a file that another action will write before."""
    path = path_of(reason.name, (INPUT, DISCOVERED))
    # a path that was absent may become a folder
    return path is not None and bool(to_come.of(path) or to_come.of(path.rstrip("/") + "/"))


def _may_retry(job: CommandJob, ended: Outcome) -> bool:
    """Return whether an attempt may be followed by another one: else the rule for that is not even loaded."""
    if (job.interrupted and not job.timed_out) or not (job.limits.retries.max or ended.kind == "lost"):
        return False
    # what could not be started here is described wrongly, which another attempt does not change
    return ended.kind != "error" or job.failure is None or bool(job.engine)


def usable_cpus() -> int:
    """Return the number of usable CPUs."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
