"""Requests to a run by a ledger that several machines share: how a run takes them, and how they are sent."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

from treadle.control.apply import refused
from treadle.control.requests import request_of
from treadle.errors import TreadleError, UsageError
from treadle.ledger.database import Database
from treadle.ledger.ledger import run_named
from treadle.ledger.queries import run_of
from treadle.ledger.requests import Requests, answer_to, send, withdraw
from treadle.ledger.states import RUNNING

from .controls import controls_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treadle.events.background import Background
    from treadle.ledger.recording import Recording

    from .call import Call

_LOOP = 1.0
"""Seconds that the thread next to the loop waits for it; what takes longer is answered at the next look."""
PATIENCE = 30.0
"""Seconds that an answer is waited for: a run looks every two, and less often after a failure of the server."""
_PAUSE = 0.2


def ledger_requests(call: Call, recording: Recording, background: Background) -> Requests:
    """Return what takes the requests to a recorded run, in the thread next to its loop."""
    controls = controls_of(call)

    def handle(data: object, user: str) -> Mapping[str, Any] | None:
        try:
            request = request_of(data)
        except UsageError as error:
            return refused(error.what, error.hint).as_data()
        if background.is_closing:
            return refused("the run has ended", "`treadle show` says how").as_data()
        found: SimpleQueue[dict[str, Any]] = SimpleQueue()
        background.hand(lambda: found.put(controls.handle(request, user, "ledger").as_data()))
        try:
            return found.get(timeout=_LOOP)
        except Empty:
            return None

    return Requests(recording.id, handle)


def run_in_ledger(url: str, run: str) -> str:
    """Return the identifier of a run that is under way, also in another folder or on another machine.

    :param run: its identifier, or the beginning of it
    :raises TreadleError: there is none, or the ledger cannot be used
    """
    with Database(url) as database:
        found = run_of(database, run_named(database, run))
    if found.state != RUNNING:
        raise UsageError(f"the run {found.id} has ended", hint="`treadle show` says how")
    return found.id


def ask_by_ledger(url: str, run: str, request: Mapping[str, Any], patience: float = PATIENCE) -> dict[str, Any]:
    """Send a request to a run by a ledger, and return its answer.

    :param request: with an `id`
    :raises TreadleError: the ledger cannot be used, or the run does not answer
    """
    pause, end = Event(), monotonic() + patience
    with Database(url) as database:
        send(database, run, request)
        while (answer := answer_to(database, run, request["id"])) is None:
            if monotonic() >= end:
                what = f"the run {run} does not answer"
                if withdraw(database, run, request["id"]):
                    raise TreadleError(what, facts=["the request was withdrawn"], hint="is its machine there?")
                if monotonic() >= end + patience:
                    raise TreadleError(what, facts=["it has taken the request"], hint="`treadle show` says more")
            pause.wait(_PAUSE)
    if not isinstance(answer.get("ok"), bool) or not isinstance(answer.get("text"), str):
        raise TreadleError(f"what answers for the run {run} is not a run of Treadle")
    return answer
