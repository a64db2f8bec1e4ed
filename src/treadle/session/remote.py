"""RunControl: a run that is under way in another process of this machine, as programs and the command see it."""

from __future__ import annotations

import os
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

from treadle.content.trust import STATE_FOLDER
from treadle.control import requests
from treadle.control.client import UnreachableError, ask, new_id
from treadle.errors import TreadleError, UsageError
from treadle.ledger.run_files import is_alive, run_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from treadle.ledger.run_files import RunFile

PATIENCE = 6.0
"""Seconds for a run that has just begun to listen: it does so once it has lasted for two."""
_PAUSE = 0.05


class RunControl:
    """A run that is under way, also in another process: to look at it, and to change what it does.

    ::

        run = treadle.RunControl(root="project")
        run.set_limits(queues={"net": 2})

    Each method returns what the run has answered, in words. A request names and counts: it makes a run do nothing
    that its plan does not say.

    :param run: its identifier, or the beginning of it; "last" for the one that has begun last
    :param root: the folder of its plan
    :param ledger: the address of a ledger that several folders share: a run that is not in this one is asked by it
    :raises UsageError: there is no such run, or it has ended
    """

    def __init__(self, run: str = "last", root: str | os.PathLike[str] = ".", *, ledger: str = "") -> None:
        self._ledger = ""
        self._events = ""
        try:
            found = _alive(os.path.join(os.path.abspath(root), STATE_FOLDER), run)
        except UsageError:
            if not ledger or run == "last":
                raise
            from treadle.ledger.address import checked

            from .ledger_requests import run_in_ledger

            self._ledger = checked(ledger)
            self.id = run_in_ledger(ledger, run)
            """The identifier of the run."""
        else:
            self.id = found.id
            self._events = found.path

    def state(self) -> dict[str, Any]:
        """Return what the run does now, what waits and for what, as docs/reference/command.md lists it.

        :raises TreadleError: it does not answer
        """
        state = self._ask(requests.STATE).get("state")
        if not isinstance(state, dict):
            raise TreadleError(f"the run {self.id} does not say what it does")
        return state

    def pause(self) -> str:
        """Start nothing new until `go_on`; what runs goes on.

        :raises UsageError: the run is about to end
        """
        return self._done(requests.PAUSE)

    def go_on(self) -> str:
        """Start again what may start.

        :raises UsageError: the run is about to end
        """
        return self._done(requests.CONTINUE)

    def stop(self, *, now: bool = False) -> str:
        """Start nothing new, and end what runs.

        :param now: whether it is killed, and not asked to end first
        """
        return self._done(requests.STOP, now=now)

    def set_limits(
        self,
        *,
        queues: Mapping[str, int] | None = None,
        resources: Mapping[str, int] | None = None,
        limits: Mapping[str, int] | None = None,
        max_running: int | None = None,
    ) -> str:
        """Change how much may run at the same time; what runs goes on, also if that is less.

        :param queues: name -> tokens
        :param resources: type -> how much may be used, up to what the pool has
        :param limits: family of actions with a `limit` -> how many of it may run
        :param max_running: how many actions may run, over all queues
        :raises UsageError: one of these is not known to the run, or is more than there is: then nothing is changed
        """
        said = {"queues": queues, "resources": resources, "limits": limits, "max_running": max_running}
        given = {name: value for name, value in said.items() if value is not None}
        return self._done(requests.SET, **given)

    def mark(self, names: Sequence[str], mark: str) -> str:
        """Take actions for done or to do in a run that resumes this one.

        :param names: actions, as the plan names them
        :param mark: `done` or `todo`
        :raises UsageError: one is not known, or the run has no identity and it is `done`
        """
        return self._done(requests.MARK, names=list(names), **{"as": mark})

    def _done(self, verb: str, **said: Any) -> str:
        return str(self._ask(verb, id=new_id(), **said)["text"])

    def _ask(self, verb: str, **said: Any) -> dict[str, Any]:
        request = requests.request_of({"verb": verb, **said}).as_data()
        answer = self._answer_by_ledger(request) if self._ledger else self._answer(request)
        if not answer["ok"]:
            hint = answer.get("hint")
            raise UsageError(str(answer["text"]), hint=hint if isinstance(hint, str) else "")
        return answer

    def _answer_by_ledger(self, request: dict[str, Any]) -> dict[str, Any]:
        from .ledger_requests import ask_by_ledger

        return ask_by_ledger(self._ledger, self.id, {"id": new_id(), **request})

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        end, pause = monotonic() + PATIENCE, Event()
        while True:
            try:
                return ask(os.path.dirname(self._events), request)
            except UnreachableError as error:
                if not is_alive(self._events):
                    raise UsageError(f"the run {self.id} has ended", hint="`treadle show` says how") from error
                if monotonic() >= end:
                    raise TreadleError(f"the run {self.id} cannot be reached: {error.what}") from error
                pause.wait(_PAUSE)


def _alive(state: str, run: str) -> RunFile:
    """Return the run that a word means, of those that are under way.

    :raises UsageError: there is none
    """
    known = list(run_files(state))
    alive = [one for one in known if is_alive(one.path)]
    if run == "last":
        if not alive:
            hint = "`treadle runs` lists the recorded ones" if known else ""
            raise UsageError("no run is under way here", hint=hint)
        return alive[-1]
    found = [one for one in alive if run and one.id.startswith(run)]
    if not found and any(one.id.startswith(run) for one in known if run):
        raise UsageError(f"the run {run} has ended", hint="`treadle show` says how")
    if not found:
        under_way = [one.id for one in alive]
        raise UsageError(f"there is no run {run}", facts=[f"under way: {', '.join(under_way) or 'none'}"])
    return next((one for one in found if one.id == run), found[-1])
