"""The agent of a worker: runs attempt specs by the local engine, as long as the runs that they are of show life.

One agent runs any number of attempts, of one run or of several. It reads the lease of each run, shows signs of
life of its own, has a guard that ends what it has started if it goes away, and leaves a report for each attempt. It
knows no engine: what it says to one are hints.
"""

from __future__ import annotations

import os
import platform
import signal
import time
from typing import TYPE_CHECKING

from treadle._startup.interpreter import LC_CTYPE, own_ctype
from treadle.core import lease
from treadle.core.lease import Silence

from . import probing, shared_folder
from .guarding import Guarding
from .left_running import LeftRunning
from .leftovers import end_leftovers
from .local import LocalRunner
from .process_marks import AGENT, MARK, end_marked
from .shared_folder import SharedFolder
from .spec import ELSEWHERE, ENDED, GONE, REFUSED, STARTED, AttemptSpec, Hint, RunFolder, WorkerReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .base import Attempt, AttemptEnd

LOST_LEASE = "its worker has seen no sign of the run for the time of its lease"
CUT_OFF = "its worker could show the run no sign of life for the time of its lease"
STOPPED = "it was stopped before it began"


def now_with_sleep() -> float:
    """Return seconds on a clock that goes on while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def new_name() -> str:
    """Return a name for a worker that no other one has."""
    host = "".join(char if char.isascii() and (char.isalnum() or char in "-.") else "-" for char in platform.node())
    return f"{host[:40] or 'host'}-{os.getpid()}-{os.urandom(4).hex()}"


class _Run:
    """What the agent knows of a run.

    :ivar silence: how long its lease has not been renewed
    """

    __slots__ = (
        *("counter", "folder", "is_met", "lease", "next_look", "next_pulse", "outlives", "pulsed_at", "seconds"),
        *("shown_at", "silence"),
    )

    def __init__(self, folder: RunFolder, spec: AttemptSpec, now: float) -> None:
        self.folder = folder
        self.seconds = spec.lease
        """Its own silence after which the run takes the worker for gone."""
        self.outlives = spec.outlives
        """The silence of the run after which all of it is ended."""
        self.silence = Silence(now)
        self.lease: lease.Lease | None = None
        self.counter = 0
        """How often the agent has shown life to this run."""
        self.is_met = False
        """Whether all is seen that the run expects its workers to see."""
        self.next_look = self.next_pulse = self.pulsed_at = self.shown_at = now


class _Attempt:
    __slots__ = (
        *("ahead", "began", "end", "ends_as", "expected", "held_until", "is_asked", "is_running", "mark", "run"),
        *("spec", "started_at", "unseen", "waits_until"),
    )

    def __init__(self, spec: AttemptSpec, run: _Run) -> None:
        self.spec = spec
        self.run = run
        self.expected = probing.expected_of(spec.expected)
        self.ahead = probing.clock_of(spec.folder.owner(spec.token))
        """Seconds that the clock of the shared folder is ahead of ours."""
        self.unseen = list(spec.inputs)
        """The inputs that are not seen yet as the run sees them."""
        self.mark = ""
        """The mark by which the guard finds it."""
        self.is_running = False
        """Whether its programs were given to the local engine."""
        self.waits_until: float | None = None
        """Until when its log is waited for."""
        self.ends_as = ""
        """Why the agent has ended it, "" if it has not."""
        self.is_asked = False
        """Whether the run has asked for its end."""
        self.end: AttemptEnd | None = None
        self.held_until = 0.0
        """How it has ended, and until when that is held back: see `_is_held`."""
        self.started_at = time.time()
        self.began = now_with_sleep()


class Agent:
    """Runs attempt specs. All of it is called from one thread, but for `wake`.

    :param view: how it sees the files of runs
    :param tell: called with each hint
    :param clock: seconds on a clock that goes on while the machine sleeps
    :param guards: whether a guard process is started with the first attempt
    :param own: variables whose values are those of this process, whatever a spec says
    """

    def __init__(
        self,
        *,
        name: str = "",
        view: SharedFolder | None = None,
        tell: Callable[[Hint], None] = lambda _hint: None,
        clock: Callable[[], float] = now_with_sleep,
        guards: bool = True,
        own: Sequence[str] = (),
    ) -> None:
        self.name = name or new_name()
        self.host = platform.node()
        self._view = view or SharedFolder()
        self._tell = tell
        self._clock = clock
        self._own = (*_OF_THE_PLACE, *own)
        self._runner = LocalRunner()
        self._guarding = Guarding(self.name, self.wake) if guards else None
        self._runs: dict[str, _Run] = {}
        self._left = LeftRunning(self._view, self._clock, self.name)
        self._known_runs: set[str] = set()
        """The folders of all runs of which it has begun something."""
        self._attempts: dict[str, _Attempt] = {}
        self._waiting: dict[str, float] = {}
        """The files of specs that cannot be seen yet -> until when they are waited for."""
        self._digests: dict[str, str] = {}
        self._stopped: dict[str, bool] = {}
        """Tokens that were stopped before they came -> whether their grace is over."""

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing to do."""
        return not (self._attempts or self._waiting)

    @property
    def has_left(self) -> bool:
        """Whether something may run that attempts of a run under way have left; `work` sees to it."""
        return bool(self._left)

    def take(self, path: str, patience: float = lease.LEASE) -> None:
        """Take in the file of a spec; it begins as soon as that can be seen.

        :param patience: seconds for which it is waited for
        """
        self._waiting[path] = self._clock() + patience
        self._look_for_specs()

    def stop(self, token: str, *, kill: bool = False) -> None:
        """Have an attempt end: TERM, and KILL after its grace or at once."""
        one = self._attempts.get(token)
        if one is None and self._give_back(f"{token}.json"):
            return
        if one is None:
            self._stopped[token] = kill
        elif not one.is_running:
            self._end(one, WorkerReport(token, None, STOPPED))
        else:
            one.is_asked = True
            if kill:
                self._runner.kill(token)
            else:
                self._runner.stop(token)

    def _give_back(self, name: str = "") -> bool:
        """Wait no longer for specs that cannot be seen; the run takes them back, or gives them to another worker.

        :param name: that of a file; "" for all
        :return: whether there was one
        """
        found = [path for path in self._waiting if not name or os.path.basename(path) == name]
        for path in found:
            del self._waiting[path]
            self._tell(Hint(os.path.basename(path).removesuffix(".json"), GONE, STOPPED))
        return bool(found)

    def wake(self) -> None:
        """Make a `work` that is under way return."""
        self._runner.wake()

    def work(self, timeout: float) -> None:
        """Wait until something ends, `wake` is called, or so many seconds are over; see to all that is due."""
        self._look_for_freeze()
        self._look_for_specs()
        now = self._clock()
        due = [one.next_look for one in self._runs.values()] + [one.next_pulse for one in self._runs.values()]
        if self._waiting or any(one.waits_until is not None for one in self._attempts.values()):
            due.append(now + _LOOK_FOR_FILES)
        due += self._left.next_look()
        due += [one.held_until for one in self._attempts.values() if one.end is not None]
        wait = max(0.0, min([now + timeout, *due]) - now)
        ended = self._runner.poll(wait)
        self._look_for_freeze()
        for end in ended:
            self._take_end(end)
        for one in list(self._attempts.values()):
            if one.end is not None:
                self._take_end(one.end)
        self._see_to_runs()
        if self._left:
            self._left.see_to()
        for one in list(self._attempts.values()):
            if one.waits_until is not None and not one.is_running:
                self._start(one)
        if self._guarding is not None and any(one.is_running for one in self._attempts.values()):
            self._see_to_guard()

    def end_all(self, why: str, *, kill: bool = False) -> None:
        """Have all that runs end, with its grace or at once; the reports say why."""
        self._give_back()
        for one in list(self._attempts.values()):
            self._give_up(one, why, kill=kill)

    def close(self) -> None:
        """Give everything back; nothing runs."""
        self._runner.close()
        if self._guarding is not None:
            self._guarding.close()

    def _look_for_specs(self) -> None:
        for path, until in list(self._waiting.items()):
            text = self._view.read_once_written(path)
            if text is None and self._clock() < until:
                continue
            del self._waiting[path]
            token = os.path.basename(path).removesuffix(".json")
            try:
                if text is None:
                    raise ValueError(f"{path} cannot be seen by the worker on {self.host}")
                spec = AttemptSpec.from_json(text)
                probing.expected_of(spec.expected)
            except ValueError as error:
                self._tell(Hint(token, REFUSED, str(error)))
                continue
            self._begin(spec)

    def _begin(self, spec: AttemptSpec) -> None:
        """Begin an attempt, if nothing has before."""
        try:
            if not spec.folder.claim(spec.token, self.name):
                self._tell(Hint(spec.token, ELSEWHERE, "begun elsewhere"))
                return
        except OSError as error:
            self._tell(Hint(spec.token, REFUSED, f"{error.filename}: {error.strerror}, on {self.host}"))
            return
        run = self._runs.get(spec.run)
        if spec.number > 1 or spec.run not in self._known_runs:
            # what was given up without a sign of life may live here
            self._known_runs.add(spec.run)
            end_leftovers()
            if spec.number > 1:
                end_marked(str(spec.attempt["mark"]))
        if run is None:
            self._left.forget(spec.folder)
            run = self._runs[spec.run] = _Run(spec.folder, spec, self._clock())
            self._show_life(run)
        one = self._attempts[spec.token] = _Attempt(spec, run)
        self._look_at(run)
        if spec.token not in self._attempts:
            return
        refused = "" if spec.is_probe else self._refusal(spec)
        if refused:
            self._end(one, WorkerReport(spec.token, None, refused, "invalid"))
        elif spec.token in self._stopped:
            del self._stopped[spec.token]
            self._end(one, WorkerReport(spec.token, None, STOPPED))
        else:
            one.waits_until = self._clock() + spec.patience
            self._start(one)

    def _refusal(self, spec: AttemptSpec) -> str:
        """Return why this worker is none for an attempt: it has another system, or another program."""
        own = system_name()
        if spec.system and spec.system != own:
            return f"the worker on {self.host} has another system: {own}, expected {spec.system}"
        for path, digest in spec.programs.items():
            if path not in self._digests:
                self._digests[path] = shared_folder.digest_of(path)
            if self._digests[path] != digest:
                there = "another" if self._digests[path] else "no"
                return f"the worker on {self.host} has {there} {path} (`mixed: ok` lets it run with its own)"
        return ""

    def _start(self, one: _Attempt) -> None:
        """Start the programs of an attempt; if its log cannot be seen yet, later."""
        is_late = one.waits_until is not None and self._clock() >= one.waits_until
        if not self._has_met(one, is_late=is_late):
            return
        attempt = one.spec.to_start()
        if attempt.log is not None and not is_late and not self._view.exists(attempt.log):
            return
        one.unseen = [path for path in one.unseen if not self._view.shows(path, one.spec.inputs[path])]
        if one.unseen:
            if is_late:
                # what it would make of another content would go on record as made of this one
                why = f"the worker on {self.host} does not see {one.unseen[0]} as the run does"
                self._end(one, WorkerReport(one.spec.token, None, why, "broken", self.host))
            return
        if self._guarding is not None:
            self._guarding.see_to_it(self._living_marks())
            one.mark = self._guarding.mark
        attempt.environ = self._environment(attempt, one)
        one.is_running, one.waits_until = True, None
        self._runner.grace = one.spec.grace
        try:
            self._runner.start(one.spec.token, attempt)
        except OSError as error:
            self._end(one, WorkerReport(one.spec.token, None, f"{error.strerror} on {self.host}", "broken"))
            return
        self._tell(Hint(one.spec.token, STARTED, self.name))

    def _has_met(self, one: _Attempt, *, is_late: bool) -> bool:
        """Return whether an attempt may start: this worker sees all that the run expects, and it is no probe."""
        spec, expected = one.spec, one.expected
        if expected is None or (one.run.is_met and not spec.is_probe):
            return True
        if not (is_late or expected.sees_folder(spec.folder, self._view)):
            return False
        faults = expected.faults(spec.folder, self._view, one.ahead)
        if spec.is_probe:
            seen = {
                **probing.look(spec.programs, system_name()),
                "skew": expected.ahead - one.ahead,
                "faults": faults,
            }
            self._end(one, WorkerReport(spec.token, 0, host=self.host, seen=seen))
            return False
        if faults:
            why = f"the worker on {self.host} is none for this run: {'; '.join(faults)}"
            self._end(one, WorkerReport(spec.token, None, why, "broken", self.host))
            return False
        one.run.is_met = True
        return True

    def _living_marks(self) -> set[str]:
        return {one.mark for one in self._attempts.values() if one.is_running and one.mark}

    def _environment(self, attempt: Attempt, one: _Attempt) -> dict[str, str]:
        """Return the environment of an attempt: its own, and of the worker what belongs to the place."""
        environ = dict(attempt.environ)
        for name in (*self._own, *one.spec.passed):
            environ.pop(name, None)
            value = own_ctype(os.environ) if name == LC_CTYPE else os.environ.get(name)
            if value is not None:
                environ[name] = value
        # by the first mark the run finds it, by the second the guard
        before = environ.get(MARK) or os.environ.get(MARK)
        environ[MARK] = " ".join([*([before] if before else []), f"{one.mark or self.name}{AGENT}"])
        return environ

    def _take_end(self, end: AttemptEnd) -> None:
        one = self._attempts.get(str(end.key))
        if one is None or self._is_held(one, end):
            return
        error, cause = (one.ends_as, "lost") if one.ends_as else (end.error, end.cause)
        usage = None if end.usage is None else end.usage.as_data()
        self._end(
            one,
            WorkerReport(
                *(one.spec.token, None if one.ends_as else end.code, error, cause, self.host, usage),
                outputs={path: shared_folder.seen(path) for path in one.spec.outputs},
                started_at=one.started_at,
                ended_at=time.time(),
            ),
        )

    def _is_held(self, one: _Attempt, end: AttemptEnd) -> bool:
        """Return whether the end of an attempt is held back: what asked its programs to end may ask us right now.

        An engine that ends a job or a host signals all of its processes, in any order. Then it is lost, and has not
        failed.
        """
        if end.code != -signal.SIGTERM or one.is_asked or one.ends_as:
            return False
        if one.end is None:
            one.end, one.held_until = end, self._clock() + _HOLD
        return self._clock() < one.held_until

    def _end(self, one: _Attempt, report: WorkerReport) -> None:
        """Leave the report of an attempt."""
        self._attempts.pop(one.spec.token, None)
        text = ""
        try:
            shared_folder.write(one.spec.folder.report(one.spec.token), report.to_json())
        except OSError as error:
            # the run is gone with its folder, or there is no room: it counts as lost there
            text = f"{error.filename}: {error.strerror}"
        self._tell(Hint(one.spec.token, ENDED, text))
        if not any(other.run is one.run for other in self._attempts.values()):
            self._runs.pop(one.spec.run, None)
            self._left.note(one.spec.folder, str(one.spec.attempt["mark"]), one.run.outlives)
        if not self._runs and self._guarding is not None:
            self._guarding.rest()

    def _see_to_runs(self) -> None:
        now = self._clock()
        for run in list(self._runs.values()):
            if now >= run.next_pulse:
                self._show_life(run)
            if now >= run.next_look:
                self._look_at(run)

    def _look_at(self, run: _Run) -> None:
        """Read the lease of a run: end what it says, and all if it has not been renewed."""
        text = self._view.read(run.folder.lease)
        found = None if text is None else lease.parse(text)
        now = self._clock()
        if found is not None:
            run.lease, run.outlives = found, found.seconds
            run.silence.see(found.counter, now)
        run.next_look = now + lease.look(min(run.seconds, run.outlives))
        is_silent = run.silence.seconds(now) > run.outlives
        for one in list(self._attempts.values()):
            if one.run is not run:
                continue
            if is_silent:
                self._give_up(one, LOST_LEASE)
            elif run.lease is not None and run.lease.has_to_end(one.spec.token):
                self.stop(one.spec.token)

    def _give_up(self, one: _Attempt, why: str, *, kill: bool = False) -> None:
        """End an attempt of which the run is not there any more."""
        if one.is_running:
            one.ends_as = one.ends_as or why
            if kill:
                self._runner.kill(one.spec.token)
            else:
                self._runner.stop(one.spec.token)
        else:
            self._end(one, WorkerReport(one.spec.token, None, why, "lost", self.host))

    def _look_for_freeze(self) -> None:
        """Give up what was run while this process was frozen for a lease: the guard has ended it."""
        now = self._clock()
        frozen = [run for run in self._runs.values() if now - run.pulsed_at > run.seconds]
        if frozen and self._guarding is not None:
            # the old one may be ending what it finds, also what we start now
            self._guarding.replace(self._living_marks())
        for run in frozen:
            silent, run.pulsed_at, run.next_pulse = now - run.pulsed_at, now, now
            for one in list(self._attempts.values()):
                if one.run is run:
                    self._give_up(one, f"its worker was frozen for {silent:.0f} s")

    def _show_life(self, run: _Run) -> None:
        """Write a new counter for a run, and one for the guard."""
        run.counter += 1
        run.pulsed_at = self._clock()
        interval = lease.renewal(run.seconds)
        run.next_pulse = run.pulsed_at + interval
        try:
            shared_folder.write(run.folder.pulse(self.name), str(run.counter))
            run.shown_at = run.pulsed_at
        except OSError:
            if run.pulsed_at + interval - run.shown_at >= run.seconds:
                # the run takes us for gone before we can try again, and begins another attempt
                for one in list(self._attempts.values()):
                    if one.run is run:
                        self._give_up(one, CUT_OFF)
        if self._guarding is not None:
            self._guarding.see_to_it(self._living_marks())
            self._guarding.tell_in(run.folder.gone(self.name))
            self._tell_guard()

    def _see_to_guard(self) -> None:
        """Start another guard if the one that there was has ended, and give it the time that we may be silent."""
        assert self._guarding is not None
        if self._guarding.see_to_it(self._living_marks()):
            self._tell_guard()

    def _tell_guard(self) -> None:
        if self._guarding is not None and self._runs:
            self._guarding.show_life(min(one.seconds for one in self._runs.values()) * (1 + _GUARD_MARGIN))


_GUARD_MARGIN = 0.1
"""The share of a lease that a guard waits longer than we do: what it has ended we have given up."""
_OF_THE_PLACE = ("TMPDIR",)
"""Variables that a program gets from the worker."""
_HOLD = 0.5
"""Seconds for which an end by TERM is held back that this worker has not asked for."""
_LOOK_FOR_FILES = 0.02
"""Seconds between two looks for what the run has written and the worker cannot see yet."""


def system_name() -> str:
    """Return what this system calls itself, with its version and its processor."""
    try:
        found = platform.freedesktop_os_release()
    except OSError:
        return f"{platform.system()} {platform.release()} {platform.machine()}"
    return f"{found.get('ID', '')} {found.get('VERSION_ID', '')} {platform.machine()}"
