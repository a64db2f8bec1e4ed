"""Joins an engine with a scheduler: gives it attempts as specs, and finds out how each has ended.

What an engine says is a hint. An attempt has ended when its report is there; it is lost when nothing can be running
of it any more, and not before: then another attempt may begin. A thread of its own does all of it, so that a slow
folder or a slow engine never holds up the loop of the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from _queue import Empty, SimpleQueue
from time import time
from typing import TYPE_CHECKING, Any

from treadle.core import lease, states
from treadle.core.lease import Lease, Silence
from treadle.errors import TreadleError, listed

from . import shared_folder
from .agent import now_with_sleep, system_name
from .base import LEFT, BaseRunner
from .probing import Expected
from .process_marks import KILL
from .shared_folder import SETTLED, SharedFolder
from .spec import (
    ENDED,
    GONE,
    MOST_AT_ONCE,
    REFUSED,
    STARTED,
    AttemptSpec,
    RunFolder,
    WorkerReport,
    amounts_text,
    handles_in,
    worker_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .base import Attempt, AttemptEnd, AttemptStart
    from .spec import Engine, Hint

FIND_INTERVAL = 600.0
"""Seconds between two questions to the engine about all that is believed alive."""
PENDING_AFTER = 30.0
"""Seconds after which an attempt that no worker has begun is reported."""
LOOK_INTERVAL = 0.05
"""Seconds between two looks for what a worker has written and we cannot see yet."""


class _Remote:
    """What is known of an attempt that an engine has."""

    __slots__ = (
        *("attempt", "cause", "gone_at", "handle", "has_begun", "is_stopped", "is_unseen", "key", "report"),
        *("report_until", "silence", "spec", "state", "submitted_at", "suspicion", "tell_at", "worker"),
    )

    def __init__(self, key: object, attempt: Attempt, spec: AttemptSpec, now: float) -> None:
        self.key = key
        self.attempt = attempt
        self.spec = spec
        self.handle = ""
        self.submitted_at = now
        self.tell_at: float | None = now + PENDING_AFTER
        """When to report that it waits; None if that was reported."""
        self.is_unseen = False
        """Whether it seems that no worker sees the folder of the run."""
        self.has_begun = False
        """Whether its start was reported."""
        self.worker = ""
        """The worker that has it, "" as long as that is not known."""
        self.silence = Silence(now)
        """How long its worker has not shown life."""
        self.gone_at: float | None = None
        """When it was first believed to be gone."""
        self.suspicion = ""
        """Why."""
        self.cause = "lost"
        """How it counts if it is."""
        self.report: WorkerReport | None = None
        """Its report, while its outputs cannot be seen yet."""
        self.report_until: float | None = None
        """Until when its report, and then its outputs, are waited for; None before a hint that it has ended."""
        self.is_stopped = False
        self.state = states.MADE
        """Its state, see `core.states.ATTEMPT`."""

    def go(self, new: str) -> None:
        """Come to a state; steps between that were not reported are filled in.

        :raises InternalError: there is no such way
        """
        before = states.before(states.ATTEMPT, new)
        for between in (states.SUBMITTED, states.STARTED):
            if self.state not in before and between in states.ATTEMPT[self.state]:
                self.state = between
        self.state = states.step(states.ATTEMPT, self.state, new, f"the attempt {self.spec.token}")


class RemoteRunner(BaseRunner):
    """Runs attempts by an engine; give it to a Scheduler, or to `several.Engines`.

    :param name: what the engine is called
    :param folder: returns the folder of the run, which is there by then; called when something is to start
    :param seconds: the length of the lease: the silence after which a worker counts as gone
    :param outlives: the silence of this run after which workers end what they run of it; None for the same
    :param patience: seconds for which a file that the other side has written is waited for
    :param passed: variables whose values are those of the worker
    :param is_mixed: whether workers may have other programs and another system than we
    :param lock: a file of which the run holds the lock, which its workers are to see; "" for none
    :param queue_timeout: seconds for which an attempt may wait for a worker; None for as long as it takes
    :param view: how we see the files of workers
    :param clock: seconds on a clock that goes on while the machine sleeps
    """

    reports_starts = True

    def __init__(
        self,
        name: str,
        engine: Engine,
        folder: Callable[[], str],
        *,
        seconds: float = lease.LEASE,
        outlives: float | None = None,
        patience: float | None = None,
        passed: Sequence[str] = (),
        is_mixed: bool = False,
        lock: str = "",
        queue_timeout: float | None = None,
        view: SharedFolder | None = None,
        clock: Callable[[], float] = now_with_sleep,
    ) -> None:
        super().__init__()
        self.name = name
        self.engine = engine
        self._make_folder = folder
        self._seconds = seconds
        self._outlives = seconds if outlives is None else outlives
        self._patience = seconds if patience is None else patience
        self._passed = tuple(passed)
        self._system = "" if is_mixed else system_name()
        self._compares = not is_mixed
        self._lock = lock
        self.on_probe: Callable[[object, WorkerReport], None] | None = None
        """Called with the key and the report of a probe, from the thread of this engine, before its end."""
        self._queue_timeout = queue_timeout
        self._view = view or SharedFolder()
        self._clock = clock
        self.leaves = False
        """Whether what is to end is left running, for a run that takes it over."""
        self._has_left = False
        self._handed: list[tuple[object, Attempt]] = []
        """What was started since the last poll."""
        self._orders: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        # of the thread alone from here on
        self._folder: RunFolder | None = None
        self._inherited: list[RunFolder] = []
        """The folders of killed runs of which it may take something over."""
        self._remotes: dict[str, _Remote] = {}
        self._given_up: dict[str, _Remote] = {}
        """Attempts that count as lost, and have left no report."""
        self._tokens: dict[object, str] = {}
        """Key -> the token of its last attempt."""
        self._counter = 0
        self._stops: dict[str, None] = {}
        self._next_renewal = self._next_look = self._next_find = 0.0
        self._is_closing = False
        self._lost_handles: list[str] = []
        """What the engine may yet keep of attempts that are lost."""
        self._losses: set[str] = set()
        """Actions of which an attempt was lost."""
        self._digests: dict[tuple[str, int, int], str] = {}
        self._expected: dict[str, Any] = {}
        """What workers have to see, as `Expected.as_data`."""
        self._is_met = False
        """Whether any worker has begun anything of this run."""

    # what the loop of the run calls

    def submit(self, key: object, attempt: Attempt) -> None:
        """Keep an attempt for the end of the round: the engine gets all of a round together.

        :raises ValueError: it cannot be run by another process
        """
        spec = getattr(key, "taken_over", None)
        if spec is not None:
            self._hand_over()
            self._order("take over", (key, attempt, spec))
            return
        attempt.as_data()
        self._handed.append((key, attempt))

    def inherit(self, folders: Sequence[str]) -> None:
        """Show life to the workers of killed runs, as if these lived, until this one ends.

        What they run may be taken over: a key whose `taken_over` is the spec of such an attempt goes on with it.

        :param folders: the folders of these runs
        """
        for path in folders:
            folder = RunFolder(path)
            found = lease.parse(self._view.read(folder.lease) or b"")
            self._counter = max(self._counter, 0 if found is None else found.counter)
            self._inherited.append(folder)
        self._counter += 1
        for folder in self._inherited:
            # the thread may have to wait until the engine is open
            self._write_lease(folder, is_over=False)
        self._order("renew", None)

    def end(self, tokens: Sequence[str]) -> None:
        """Have attempts end that nothing has taken over."""
        self._order("end", tokens)

    def cancel(self, key: object, *, at_once: bool) -> None:
        """Have an attempt end."""
        self._hand_over()
        self._order("leave" if self.leaves and not at_once else "stop", (key, at_once))

    def poll(self, timeout: float | None) -> list[AttemptStart | AttemptEnd]:
        """Hand over what was started in this round, and return what was reported."""
        self._hand_over()
        return super().poll(timeout)

    def recover(self) -> list[AttemptStart | AttemptEnd]:
        """Hand over what was just being started, and return what was reported."""
        self._hand_over()
        return super().recover()

    def close(self) -> None:
        """Notify all workers that the run is over, and wait for the engine to be closed."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._orders.put(("close", None))
            self.engine.wake()
            thread.join()

    def _hand_over(self) -> None:
        if self._handed:
            handed, self._handed = self._handed, []
            self._order("submit", handed)

    def _order(self, what: str, of: object) -> None:
        self._orders.put((what, of))
        if self._thread is None:
            self._is_closing = False
            self._thread = threading.Thread(target=self._keep, name=f"engine {self.name}", daemon=True)
            self._thread.start()
        else:
            self.engine.wake()

    # what the thread does

    def _keep(self) -> None:
        """Do all that has to do with the engine until the run is over."""
        is_open = False
        try:
            self._folder = RunFolder(self._make_folder())
            self._folder.make()
            # what may outlive us may begin while nothing holds the lock
            lock = "" if self._outlives > self._seconds else self._lock
            self._expected = Expected.prepare(self._folder, lock).as_data()
            self._renew()
            self.engine.open(self._folder)
            is_open = True
        except Exception as error:
            self._refuse_all(_words(error))
        failures = 0
        while self._folder is not None and is_open and not self._is_closing:
            try:
                self._step(self._folder)
                failures = 0
            except Exception as error:
                # what runs is ended by the lease, and its reports are looked for all the same
                failures += 1
                for one in list(self._remotes.values()):
                    self._suspect(one, f"the engine {self.name} has failed: {_words(error)}")
                if failures > _MOST_FAILURES:
                    self._refuse_all(_words(error))
                    break
        with contextlib.suppress(Exception):
            self._renew(is_over=not self._has_left)
        with contextlib.suppress(Exception):
            self.engine.close(keep=self._has_left)
        if self._folder is not None and is_open and not (self._remotes or self._has_left):
            self._tidy(self._folder)
        self._has_left, self._inherited = False, []
        for known in (self._remotes, self._tokens, self._stops, self._given_up):
            known.clear()

    def _refuse_all(self, why: str) -> None:
        """End all that there is and that comes: the engine cannot be used."""
        for one in list(self._remotes.values()):
            self._end(one, error=why, cause="broken")
        while not self._is_closing:
            what, of = self._orders.get()
            if what == "submit":
                for key, _ in of:
                    self.report(key, error=why, cause="broken")
            elif what == "take over":
                self.report(of[0], error=why, cause="broken")
            self._is_closing = what == "close"

    def _step(self, folder: RunFolder) -> None:
        self._take_orders(folder)
        if self._is_closing:
            # nothing runs, or what runs is given up: the lease says so
            return
        for hint in self.engine.poll(self._time_to_wait()):
            self._hear(hint)
        now = self._clock()
        self._see_to_waiting(folder, now)
        if now >= self._next_renewal:
            self._renew()
        if now >= self._next_find:
            self._find()
        looks_at_all = now >= self._next_look
        if looks_at_all:
            self._next_look = now + lease.look(self._seconds)
        if looks_at_all and self._given_up:
            self._look_for_late()
        for one in list(self._remotes.values()):
            if looks_at_all or one.report_until is not None or one.gone_at is not None:
                self._look_at(one, one.spec.folder)
        if self._lost_handles:
            lost, self._lost_handles = self._lost_handles, []
            with contextlib.suppress(Exception):
                # a worker that is frozen would keep its place, and the next attempt may need it
                self.engine.stop(lost, kill=True)

    def _see_to_waiting(self, folder: RunFolder, now: float) -> None:
        """Report what waits for a worker for long, and end what has waited for as long as it may."""
        if all(now < when for when in self._ends_of_waiting()):
            return
        waiting = [one for one in self._remotes.values() if not one.has_begun and one.gone_at is None]
        late = [one for one in waiting if one.tell_at is not None and now >= one.tell_at]
        if late:
            self._tell_waiting(late)
        for one in waiting:
            if self._queue_timeout is not None and now >= one.submitted_at + self._queue_timeout:
                self._end_waiting(one, folder)

    def _ends_of_waiting(self) -> Iterator[float]:
        """Yield when something is due for what no worker has begun."""
        for one in self._remotes.values():
            if not one.has_begun and one.gone_at is None:
                if one.tell_at is not None:
                    yield one.tell_at
                if self._queue_timeout is not None:
                    yield one.submitted_at + self._queue_timeout

    def _tell_waiting(self, late: Sequence[_Remote]) -> None:
        for one in late:
            one.tell_at = None
        names = listed([one.spec.uid for one in late], 3)
        self.note(f"no worker of {self.name} has begun {names} within {PENDING_AFTER:g} s: {self._missing(late)}")

    def _missing(self, late: Sequence[_Remote]) -> str:
        """Return what is missing for attempts that wait: what the engine says, else what they ask for."""
        ask = getattr(self.engine, "pending", None)
        told: dict[str, str] = {}
        if ask is not None:
            with contextlib.suppress(Exception):
                told = ask([one.handle for one in late])
        if words := sorted({str(why) for why in told.values() if why}):
            return listed(words, 3)
        asked = sorted({_asked(one.spec) for one in late})
        return f"it waits for a worker {' or '.join(asked[:3])}"

    def _end_waiting(self, one: _Remote, folder: RunFolder) -> None:
        """End an attempt that has waited for too long; if a worker begins it just now, it goes on."""
        if not folder.claim(one.spec.token):
            # until its worker is seen
            one.submitted_at = self._clock()
            return
        with contextlib.suppress(Exception):
            self.engine.stop([one.handle], kill=True)
        why = f"no worker of {self.name} has begun it within {self._queue_timeout:g} s (queue_timeout)"
        self._end(one, error=f"{why}: {self._missing([one])}", cause="broken")

    def _time_to_wait(self) -> float:
        if not self._orders.empty():
            return 0.0
        due = min([self._next_renewal, self._next_look, *self._ends_of_waiting()])
        wait = max(0.0, due - self._clock())
        is_awaited = any(one.report_until is not None or one.gone_at is not None for one in self._remotes.values())
        return min(wait, LOOK_INTERVAL) if is_awaited else wait

    def _take_orders(self, folder: RunFolder) -> None:
        handed: list[tuple[object, Attempt]] = []
        while True:
            try:
                what, of = self._orders.get(block=False)
            except Empty:
                break
            if what == "submit":
                handed += of
                continue
            if handed:
                # the order to stop may be for one of them
                self._submit(handed, folder)
                handed = []
            if what == "stop":
                key, at_once = of
                self._stop(key, at_once=at_once)
            elif what == "leave":
                self._leave(of[0])
            elif what == "take over":
                self._take_over(*of)
            elif what == "end":
                self._end_inherited(of)
            elif what == "renew":
                self._renew()
            else:
                self._is_closing = True
        if handed:
            self._submit(handed, folder)

    def _submit(self, handed: Iterable[tuple[object, Attempt]], folder: RunFolder) -> None:
        """Write specs, and give them to the engine, those of equal demand together."""
        groups: dict[str, list[_Remote]] = {}
        for key, attempt in handed:
            spec = self._spec_of(key, attempt, folder)
            one = self._remotes[spec.token] = _Remote(key, attempt, spec, self._clock())
            self._tokens[key] = spec.token
            try:
                shared_folder.write(folder.spec(spec.token), spec.to_json())
            except OSError as error:
                self._end(one, error=f"{error.filename}: {error.strerror}", cause="broken")
                continue
            groups.setdefault(repr((spec.node, sorted(spec.resources.items()))), []).append(one)
        for group in groups.values():
            for start in range(0, len(group), MOST_AT_ONCE):
                part = group[start : start + MOST_AT_ONCE]
                try:
                    handles = self.engine.submit([one.spec for one in part])
                    for one, handle in zip(part, handles, strict=True):
                        one.handle = handle
                    _note_handles(folder, part)
                except Exception as error:
                    # some of them may run: these end, as all of them count as gone
                    for one in part:
                        self._suspect(one, f"the engine {self.name} has failed: {_words(error)}")

    def _spec_of(self, key: object, attempt: Attempt, folder: RunFolder) -> AttemptSpec:
        resources = getattr(key, "resources", None)
        number = int(getattr(key, "attempt", 1))
        return AttemptSpec(
            token=f"{number}-{os.urandom(8).hex()}",
            uid=str(getattr(key, "uid", "")),
            number=number,
            run=folder.path,
            attempt=attempt.as_data(),
            node="" if resources is None else resources.node,
            resources={} if resources is None else resources.as_data(),
            inputs=self._views_of(key, attempt),
            outputs=tuple(attempt.outputs),
            lease=self._seconds,
            outlives=self._outlives,
            grace=self.grace,
            patience=self._patience,
            is_alone=str(getattr(key, "uid", "")) in self._losses,
            sight=str(getattr(key, "sight", "")),
            passed=self._passed,
            programs=self._programs_of(attempt) if self._compares else {},
            system=self._system,
            expected=self._expected,
            is_probe=getattr(key, "is_probe", False),
        )

    def _views_of(self, key: object, attempt: Attempt) -> dict[str, str]:
        """Return what a worker has to see as we do: what the key says, else the inputs that have changed lately."""
        views: dict[str, str] | None = getattr(key, "views", None)
        return self._recent(attempt.inputs) if views is None else views

    def _recent(self, paths: Iterable[str]) -> dict[str, str]:
        """Return what we see of files that have changed lately: no worker has an old view of others any more."""
        since = time() - SETTLED
        found = {}
        for path in paths:
            with contextlib.suppress(OSError):
                if os.stat(path).st_ctime > since:
                    found[path] = shared_folder.seen(path)
        return found

    def _programs_of(self, attempt: Attempt) -> dict[str, str]:
        found: dict[str, str] = {}
        for argv in attempt.argvs:
            path = os.path.join(attempt.cwd or os.getcwd(), argv[0])
            if "/" not in argv[0]:
                continue
            try:
                status = os.stat(path)
            except OSError:
                continue
            known = (path, status.st_mtime_ns, status.st_size)
            if known not in self._digests:
                self._digests[known] = shared_folder.digest_of(path)
            found[path] = self._digests[known]
        return found

    def _take_over(self, key: object, attempt: Attempt, spec: AttemptSpec) -> None:
        """Go on with an attempt of a killed run: its signs of life and its report are looked for as of any other.

        What no worker has begun the engine may have yet; else it begins anew, as if it had been lost.
        """
        one = self._remotes[spec.token] = _Remote(key, attempt, spec, self._clock())
        self._tokens[key] = spec.token
        one.handle = handles_in(self._view.read(spec.folder.handles)).get(spec.token, "")
        self._look_at(one, spec.folder)
        if spec.token not in self._remotes or one.report is not None:
            return
        has_begun = self._view.exists(spec.folder.owner(spec.token))
        found = self.engine.find([one.handle]) if one.handle else {}
        if has_begun and found.get(one.handle) == GONE:
            self._suspect(one, f"the engine {self.name} does not know it any more")
        elif not has_begun and found.get(one.handle, GONE) == GONE and spec.folder.claim(spec.token):
            self._end(one, error="the killed run had handed it over, and no worker has begun it", cause="lost")
            self._losses.discard(spec.uid)

    def _end_inherited(self, tokens: Sequence[str]) -> None:
        """End attempts of killed runs, also those that wait with the engine and would start later."""
        self._stops.update(dict.fromkeys(tokens))
        self._renew()
        known: dict[str, str] = {}
        for folder in self._inherited:
            known.update(handles_in(self._view.read(folder.handles)))
        with contextlib.suppress(Exception):
            # the lease says it too
            self.engine.stop([known[token] for token in tokens if token in known], kill=False)

    def _leave(self, key: object) -> None:
        """Leave an attempt running: from here on it is one of a run that is over."""
        one = self._remotes.get(self._tokens.get(key, ""))
        if one is None:
            return
        # it may have ended
        self._look_at(one, one.spec.folder)
        if self._remotes.pop(one.spec.token, None) is not None:
            self._has_left = True
            self._tokens.pop(key, None)
            self.report(key, error=f"it goes on with the engine {self.name}", cause=LEFT)

    def _stop(self, key: object, *, at_once: bool) -> None:
        one = self._remotes.get(self._tokens.get(key, ""))
        if one is None:
            return
        one.is_stopped = True
        if one.state == states.STARTED:
            one.go(states.STOPPING)
        if one.spec.token not in self._stops:
            self._stops[one.spec.token] = None
            self._renew()
        if not one.has_begun and one.spec.folder.claim(one.spec.token):
            # no worker begins it from here on
            self._end(one, code=-KILL)
        with contextlib.suppress(Exception):
            # the lease says it too
            self.engine.stop([one.handle], kill=at_once)

    def _hear(self, hint: Hint) -> None:
        one = self._remotes.get(hint.token)
        if one is None:
            return
        if hint.what == STARTED:
            self._has_begun(one)
        elif hint.what == ENDED:
            self._await_report(one)
        elif hint.what == GONE:
            self._await_report(one)
            self._suspect(one, hint.text, hint.cause)
        elif hint.what == REFUSED:
            self._end(one, error=hint.text or f"the engine {self.name} has refused it", cause="invalid")

    def _has_begun(self, one: _Remote) -> None:
        if not one.has_begun:
            if one.state != states.STOPPING:
                one.go(states.STARTED)
            one.has_begun = self._is_met = True
            one.silence.see(0, self._clock())
            self.report_start(one.key)

    def _await_report(self, one: _Remote) -> None:
        if one.report_until is None:
            one.report_until = self._clock() + self._patience

    def _suspect(self, one: _Remote, why: str, cause: str = "lost") -> None:
        """Take an attempt for gone: whatever runs of it yet is to end, and its report may still come."""
        if one.gone_at is None:
            one.gone_at, one.suspicion, one.cause = self._clock(), why, cause
            self._stops[one.spec.token] = None
            self._renew()

    def _look_at(self, one: _Remote, folder: RunFolder) -> None:
        """Look for the report of an attempt, and for signs of life."""
        token, now = one.spec.token, self._clock()
        if one.report is None:
            text = self._view.read_once_written(folder.report(token))
            one.report = None if text is None else WorkerReport.from_json(text)
            if one.report is not None:
                one.report_until = now + self._patience
        if one.report is not None:
            if self._are_outputs_seen(one, one.report) or now >= (one.report_until or now):
                self._take_report(one, one.report)
            return
        if not one.worker:
            one.worker = worker_in(self._view.read_once_written(folder.owner(token)))
            if one.worker:
                self._has_begun(one)
        if one.worker:
            pulse = self._view.read(folder.pulse(one.worker))
            if pulse and pulse.isdigit():
                one.silence.see(int(pulse), now)
            if one.gone_at is None and self._view.exists(folder.gone(one.worker)):
                # its guard says so, also where the engine has started the same spec anew and says nothing
                self._suspect(one, f"its worker {one.worker} is gone")
        if one.gone_at is None and one.report_until is not None and now >= one.report_until:
            one.is_unseen = not (one.worker or self._is_met)
            unseen = f"no worker of {self.name} has seen {folder.path}: all need it at the same path"
            self._suspect(one, unseen if one.is_unseen else "it has ended, and its worker has left no report")
        elif one.worker and one.gone_at is None and self._view.exists(folder.gone(one.worker)):
            self._suspect(one, "its worker has ended")
        elif one.has_begun and one.silence.seconds(now) > self._seconds:
            self._suspect(one, f"there was no sign of its worker for {self._seconds:g} s")
        if one.gone_at is not None:
            self._look_for_loss(one, folder, now)

    def _look_for_loss(self, one: _Remote, folder: RunFolder, now: float) -> None:
        """Report that an attempt is lost, as soon as it is sure that nothing of it runs any more."""
        if one.report_until is None:
            one.report_until = now
        if one.worker:
            is_gone = self._view.exists(folder.gone(one.worker))
            text = self._view.read_once_written(folder.report(one.spec.token)) if is_gone else None
            if text is not None and WorkerReport.from_json(text) is not None:
                # it came in between: the next look takes it; one that is damaged is none
                return
        else:
            # what we make, no worker can begin
            is_gone = folder.claim(one.spec.token)
        margin = lease.renewal(self._seconds)
        is_over = one.silence.seconds(now) > self._seconds + self.grace + margin
        if is_gone or (is_over and now >= one.report_until):
            cause = "broken" if one.is_unseen else one.cause
            self._end(one, error=one.suspicion, cause=cause, host=_host_of(one.worker))

    def _look_for_late(self) -> None:
        """Note reports of attempts that were given up: they change nothing any more."""
        for token, one in list(self._given_up.items()):
            text = self._view.read(one.spec.folder.report(token))
            report = None if text is None else WorkerReport.from_json(text)
            if report is None:
                continue
            del self._given_up[token]
            one.go(states.ENDED)
            how = report.error or f"exit code {report.code}"
            self.note(f"{one.spec.uid}: attempt {one.spec.number} was given up, and its report came late: {how}")

    def _are_outputs_seen(self, one: _Remote, report: WorkerReport) -> bool:
        """Return whether we see what its worker has seen of its outputs, if it ended well."""
        if report.code not in one.attempt.success:
            return True
        return all(self._view.seen(path) == there for path, there in report.outputs.items())

    def _take_report(self, one: _Remote, report: WorkerReport) -> None:
        code, error, cause = report.code, report.error, report.cause
        if one.spec.is_probe and self.on_probe is not None:
            self.on_probe(one.key, report)
        is_inherited = self._folder is not None and one.spec.run != self._folder.path
        if is_inherited and code is None and not one.is_stopped:
            # it could not begin, or was given up, while there was no run: of this one it says nothing
            cause = "lost"
        was_ended = code < 0 if code is not None else not cause
        if one.gone_at is not None and not one.is_stopped and was_ended:
            # it was ended, or not begun any more, as we took it for gone
            code, error, cause = None, one.suspicion, one.cause
        if one.is_stopped and code is None:
            # it was stopped before it began, or with its run
            code, error, cause = -KILL, "", ""
        self._end(one, code, error, cause, report.host, report)

    def _end(
        self,
        one: _Remote,
        code: int | None = None,
        error: str = "",
        cause: str = "",
        host: str = "",
        report: WorkerReport | None = None,
    ) -> None:
        token = one.spec.token
        if cause == "lost":
            self._losses.add(one.spec.uid)
            if report is None:
                self._given_up[token] = one
                self._lost_handles += [one.handle] if one.handle else []
        has_run = one.has_begun or report is not None
        ended = states.ENDED if has_run else states.CANCELLED if one.is_stopped else states.REFUSED
        one.go(states.LOST if cause == "lost" and report is None else ended)
        self._remotes.pop(token, None)
        self._stops.pop(token, None)
        if self._tokens.get(one.key) == token:
            del self._tokens[one.key]
        with contextlib.suppress(OSError):
            # it holds an environment
            os.unlink(one.spec.folder.spec(token))
        usage = None if report is None else report.to_usage()
        self.report(one.key, code, error, usage=usage, cause=cause, host=host)

    def _renew(self, *, is_over: bool = False) -> None:
        """Write the lease, with a new counter and what is to end."""
        if self._folder is None:
            return
        self._counter += 1
        self._next_renewal = self._clock() + lease.renewal(min(self._seconds, self._outlives))
        for folder in (self._folder, *self._inherited):
            self._write_lease(folder, is_over=is_over)

    def _write_lease(self, folder: RunFolder, *, is_over: bool) -> None:
        text = Lease(self._counter, self._outlives, tuple(self._stops), is_over).text()
        with contextlib.suppress(OSError):
            # a full disk: the workers end what they run if it lasts for a lease
            shared_folder.write(folder.lease, text)

    def _find(self) -> None:
        """Ask the engine of all that is believed alive."""
        is_first, self._next_find = self._next_find == 0.0, self._clock() + FIND_INTERVAL
        by_handle = {one.handle: one for one in self._remotes.values() if one.handle}
        if is_first or not by_handle:
            return
        for handle, what in self.engine.find(list(by_handle)).items():
            if what == GONE and handle in by_handle:
                self._suspect(by_handle[handle], f"the engine {self.name} does not know it any more")

    def _tidy(self, folder: RunFolder) -> None:
        """Remove what has served its time: without the folders no worker can begin anything."""
        for name in ("specs", "attempts", "workers"):
            shutil.rmtree(os.path.join(folder.path, name), ignore_errors=True)
        for path in (folder.token, folder.lease):
            with contextlib.suppress(OSError):
                os.unlink(path)
        with contextlib.suppress(OSError):
            # there may be the events of the run
            os.rmdir(folder.path)


_MOST_FAILURES = 100
"""So often in a row the engine may fail: then nothing more is tried."""


def _note_handles(folder: RunFolder, part: Iterable[_Remote]) -> None:
    """Put down how another process finds attempts with the engine; without it only workers know them."""
    text = json.dumps({one.spec.token: one.handle for one in part})
    with contextlib.suppress(OSError):
        fd = os.open(folder.handles, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(fd, "wb") as file:
            file.write(f"{text}\n".encode())


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, TreadleError) else f"{type(error).__name__}: {error}".removesuffix(": ")


def _asked(spec: AttemptSpec) -> str:
    """Return what a spec asks of a worker, in words."""
    has = f"with {amounts_text(spec.resources)}" if spec.resources else "that is free"
    return f"{has} ({spec.node})" if spec.node else has


def _host_of(worker: str) -> str:
    """Return the host in the name of a worker, see `agent.new_name`."""
    return worker.rsplit("-", 2)[0] if worker.count("-") > 1 else worker
