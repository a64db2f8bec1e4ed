"""What requests have changed in a run: it holds for all walks of the run, and of a watch for all of its rounds."""

from __future__ import annotations

import os
from _thread import get_ident
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from treadle.control.apply import Answer, apply, refused
from treadle.control.requests import MARK
from treadle.events.bus import Requested
from treadle.scheduling.live import LiveLimits

from .run_state import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle.command.walk import CommandWalk
    from treadle.control.requests import Request
    from treadle.control.server import Reply
    from treadle.events.background import Background
    from treadle.ledger.recording import Recording
    from treadle.scheduling.scheduler import Scheduler

    from .call import Call

MOST_REMEMBERED = 10_000
"""The ids of so many requests are known, so that one that comes again is not done again."""


class Controls:
    """The requests to a run, and what they have changed.

    :param call: the call of the run
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.is_paused = False
        self.live = LiveLimits()
        self.live.on_standstill = self._say_standstill
        self.run = ""
        """The identifier of the recorded run, "" if it is not recorded."""
        self.workflow = ""
        self.keep_marks: Callable[[Request, str], None] | None = None
        """Keeps a mark for a run that resumes this one; None where no run can."""
        self._state = RunState()
        self._done: dict[str, Answer] = {}
        """Id of a request -> its answer."""

    def begin(self, walk: CommandWalk) -> None:
        """Let a walk that is about to begin go on with what was changed."""
        walk.is_paused, walk.live = self.is_paused and not self.call.stops.is_set(), self.live

    def go_on_in(self, call: Call) -> None:
        """Go on in another run, which follows the one of before in a watch."""
        self.call, self.run, self.keep_marks = call, "", None

    def state(self) -> dict[str, Any]:
        """Return what the run does; for the thread of the loop, see `ask`."""
        walk = self.call.stops.walk
        # the end of a run goes on where the run was stopped
        is_paused = self.is_paused and (walk is None or walk.is_paused)
        found = self._state.data(self.call, is_paused=is_paused)
        return {"run": self.run, "workflow": self.workflow, **found}

    def handle(self, request: Request, user: str, via: str) -> Answer:
        """Do what a request asks for, and return the answer; for the thread of the loop, see `ask`.

        :param user: the name of the user that it comes from
        :param via: how it came: `socket`, `ledger` or `program`
        """
        if request.id and request.id in self._done:
            return self._done[request.id]
        answer = apply(request, self.state())
        if request.changes:
            while len(self._done) >= MOST_REMEMBERED:
                del self._done[next(iter(self._done))]
            self._done[request.id] = answer
            try:
                for change in answer.changes:
                    self._make(change, request, user)
            except OSError as error:
                answer = self._done[request.id] = refused(f"it cannot be kept: {error.strerror}: {error.filename}")
            self.call.bus.publish("requested", Requested(request.as_data(), user, via, answer.text, ok=answer.ok))
        return answer

    def ask(self, request: Request, user: str, via: str) -> Answer:
        """Do the same in any thread: it is done in the thread of the loop, and waited for."""
        while True:
            walk = self.call.stops.walk
            scheduler = None if walk is None else walk.scheduler
            if scheduler is None or scheduler.thread in (0, get_ident()):
                return self.handle(request, user, via)
            found = _called_in_loop(scheduler, lambda: self.handle(request, user, via))
            if found is not None:
                return found
            # the loop has ended before it came to it

    def _make(self, change: tuple[Any, ...], request: Request, user: str) -> None:
        stops = self.call.stops
        walk = stops.walk
        what = change[0]
        if what == "pause":
            self.is_paused = True
            if walk is not None:
                walk.pause()
        elif what == "continue":
            self.is_paused = False
            if walk is not None:
                walk.go_on()
        elif what == "stop":
            while stops.count < change[1]:
                stops.request()
        elif what == "limits":
            self._set(change[1])
        elif what == MARK and self.keep_marks is not None:
            self.keep_marks(request, user)

    def _set(self, limits: dict[str, Any]) -> None:
        walk = self.call.stops.walk
        said = {**limits, "groups": limits["limits"]}
        del said["limits"]
        self.live.change(**said)
        if walk is not None and walk.scheduler is not None:
            walk.live = walk.scheduler.live = self.live
            if walk.scheduler.thread:
                walk.scheduler.take_over_limits()
            walk.scheduler.wake()

    def _say_standstill(self) -> None:
        run = f" {self.run}" if self.run else ""
        self.call.bus.publish(
            "note",
            "nothing runs and nothing can start: what waits asks for more than the limits that were set let it have"
            f" (`treadle show{run}` says what, `treadle set` raises them)",
        )


def _called_in_loop(scheduler: Scheduler, function: Callable[[], Answer]) -> Answer | None:
    """Return what a function returns in the thread of a loop; None if that has ended without calling it."""
    found: SimpleQueue[Answer | BaseException] = SimpleQueue()

    def call() -> None:
        try:
            found.put(function())
        except BaseException as error:
            # it is the error of the one that asks
            found.put(error)

    scheduler.call_soon(call)
    while True:
        is_over = not scheduler.thread
        try:
            answer = found.get(timeout=0 if is_over else 0.1)
        except Empty:
            if is_over:
                return None
            continue
        if isinstance(answer, BaseException):
            raise answer
        return answer


def controls_of(call: Call) -> Controls:
    """Return the controls of a call, which are made at the first request."""
    known = call.controls
    if isinstance(known, Controls):
        return known
    new = call.controls = Controls(call)
    walk = call.stops.walk
    if walk is not None:
        new.begin(walk)
    return new


def asked(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of the run of a call to a request of this program.

    :raises UsageError: it is refused
    """
    from treadle.control.client import new_id
    from treadle.control.requests import STATE, request_of
    from treadle.errors import UsageError

    data = request if request["verb"] == STATE else {**request, "id": new_id()}
    answer = controls_of(call).ask(request_of(data), user_name(os.getuid()), "program")
    if not answer.ok:
        raise UsageError(answer.text, hint=answer.hint)
    return answer.as_data()


def user_name(uid: int) -> str:
    """Return the name of a user, or the number where no list of users has a name for it."""
    from pwd import getpwuid

    try:
        return getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def listen(call: Call, recording: Recording, background: Background) -> None:
    """Take requests to a recorded run on a socket in its folder; where it can have none one line says so."""
    from treadle.control.server import Server
    from treadle.errors import TreadleError
    from treadle.ledger.marks import keep_mark

    controls = controls_of(call)
    controls.run = recording.id
    controls.workflow = str(getattr(call.options, "workflow", ""))

    def keep(request: Request, user: str) -> None:
        keep_mark(recording.folder, request.names, request.mark, user)

    controls.keep_marks = keep

    def handle(request: Request, user: int, reply: Reply) -> None:
        background.hand(lambda: reply(controls.handle(request, user_name(user), "socket")))

    server = Server(recording.folder, handle)
    try:
        background.watch(server.open(), server.serve)
    except (OSError, TreadleError) as error:
        text = error.what if isinstance(error, TreadleError) else f"{server.path}: {error.strerror}"
        recording.warn(f"the run takes no requests: {text}")
        return
    background.every(_SECONDS, server.close_late, first=_SECONDS)
    background.at_end(server.close)


_SECONDS = 5.0
"""Seconds between two looks at connections that do nothing."""
