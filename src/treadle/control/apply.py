"""`apply`: what a request does to a run, as a function of the two. It knows no sockets, no tables and no scheduler.

Both ways in are served by it: the socket of a run, and the table of a shared ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from treadle.core.pool import MEMORY
from treadle.core.text import size_text
from treadle.errors import listed, nearest

from . import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from .requests import Request

RUNNING, DRAINING, STOPPING, KILLING = "running", "draining", "stopping", "killing"
"""Whether new actions start; draining: none does, and what runs goes on to its end."""
ENDING = {
    DRAINING: "nothing new starts any more",
    STOPPING: "what runs is being ended",
    KILLING: "it is being killed",
}

QUEUE, RESOURCE = "queue", "type of resources"
"""What may be bounded, in words."""
_LONGEST_COMPARED, _MOST_COMPARED = 100, 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes of a request.

    :ivar ok: whether it was done, or was so already
    :ivar text: that in words
    :ivar hint: what to do, where it was refused
    :ivar changes: what is to be done, in order: `("limits", {queues, resources, limits, max_running})`,
        `("pause",)`, `("continue",)`, `("stop", 1)` or `("stop", 2)` as the first or second signal,
        `("mark", names, done or todo)`
    :ivar data: what the run does, for a request that asks for it
    """

    ok: bool
    text: str
    hint: str = ""
    changes: tuple[tuple[Any, ...], ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """Return it as it is sent."""
        sent: dict[str, Any] = {"ok": self.ok, "text": self.text}
        if self.hint:
            sent["hint"] = self.hint
        if self.data:
            sent["state"] = self.data
        return sent


def apply(request: Request, state: Mapping[str, Any]) -> Answer:
    """Return what a request does to a run.

    :param state: what the run does, as `session.run_state` says it and docs/reference/command.md lists it
    """
    return _VERBS[request.verb](request, state)


def refused(text: str, hint: str = "") -> Answer:
    """Return the answer to what is not done."""
    return Answer(False, text, hint)


def _state(_: Request, state: Mapping[str, Any]) -> Answer:
    # the names of all actions are there to compare with, and may be many
    return Answer(True, state["state"], data={name: value for name, value in state.items() if name != "actions"})


def _pause(_: Request, state: Mapping[str, Any]) -> Answer:
    if state["state"] != RUNNING:
        return refused(f"the run is ending: {ENDING[state['state']]}")
    if state["paused"]:
        return Answer(True, "it is paused already")
    count = len(state["running"])
    rest = f"{count} still running" if count else "nothing runs"
    return Answer(True, f"paused: nothing new starts, {rest}", changes=(("pause",),))


def _continue(_: Request, state: Mapping[str, Any]) -> Answer:
    if state["state"] != RUNNING:
        return refused(f"the run is ending: {ENDING[state['state']]}", "`treadle resume` goes on once it has ended")
    if not state["paused"]:
        return Answer(True, "it is not paused")
    return Answer(True, "it goes on", changes=(("continue",),))


def _stop(request: Request, state: Mapping[str, Any]) -> Answer:
    if request.now:
        if state["state"] == KILLING:
            return Answer(True, "what runs is being killed already")
        return Answer(True, "what runs is killed", changes=(("stop", 2),))
    if state["state"] in (STOPPING, KILLING):
        return Answer(True, f"it is stopping already: {ENDING[state['state']]}")
    return Answer(True, "nothing new starts, and what runs is asked to end", changes=(("stop", 1),))


def _set(request: Request, state: Mapping[str, Any]) -> Answer:
    """Return what a change of limits does: all of it, or nothing where a part is wrong."""
    words = []
    for kind, given, bounds in (
        (QUEUE, request.queues, state["queues"]),
        (RESOURCE, request.resources, state["resources"]),
        ("limit of a family", request.limits, state["limits"]),
    ):
        for name, number in given.items():
            wrong = _wrong(kind, name, number, bounds)
            if wrong is not None:
                return wrong
            words.append(_changed(kind, name, number, bounds[name]))
    if request.max_running is not None:
        words.append(_changed("", "max_running", request.max_running, state["max_running"]))
    limits = {
        "queues": dict(request.queues),
        "resources": dict(request.resources),
        "limits": dict(request.limits),
        "max_running": request.max_running,
    }
    return Answer(True, "; ".join(words), changes=(("limits", limits),))


def _wrong(kind: str, name: str, number: int, bounds: Mapping[str, Any]) -> Answer | None:
    if name not in bounds:
        close = _nearest(name, bounds)
        known = f"known: {listed(sorted(bounds))}" if bounds else "this run has none"
        return refused(f"there is no {kind} {name}", f"did you mean {close}?" if close else known)
    most = bounds[name].get("most")
    if most is not None and number > most:
        return refused(
            f"the pool has at most {_amount(kind, name, most)} of {name}, and not {_amount(kind, name, number)}"
        )
    return None


def _nearest(name: str, known: Collection[str]) -> str | None:
    # a comparison of long lists would hold up the run
    return nearest(name, known) if len(name) <= _LONGEST_COMPARED and len(known) <= _MOST_COMPARED else None


def _changed(kind: str, name: str, number: int, bound: Mapping[str, int] | None) -> str:
    what = f"{QUEUE} {name}" if kind == QUEUE else name
    if bound is None:
        return f"{what}: {number}"
    held = bound["size"] - bound["free"]
    more = f" ({_amount(kind, name, held)} in use until enough has ended)" if held > number else ""
    return f"{what}: {_amount(kind, name, bound['size'])} -> {_amount(kind, name, number)}{more}"


def _amount(kind: str, name: str, number: int) -> str:
    return size_text(number) if (kind, name) == (RESOURCE, MEMORY) else str(number)


def _mark(request: Request, state: Mapping[str, Any]) -> Answer:
    if request.mark == requests.DONE and not state["workflow"]:
        return refused(
            "only actions of a run with --workflow can be marked as done",
            "elsewhere that would be a record by word of mouth; `treadle adopt NAME` records what is there",
        )
    known: Collection[str] | None = state.get("actions")
    for name in request.names:
        if known is not None and name not in known:
            close = _nearest(name, known)
            return refused(f"there is no action {name}", f"did you mean {close}?" if close else "")
    shown = listed(request.names, 3)
    return Answer(
        True,
        f"{shown}: {request.mark} for a run that resumes this one",
        changes=(("mark", request.names, request.mark),),
    )


_VERBS: Mapping[str, Callable[[Request, Mapping[str, Any]], Answer]] = {
    requests.SET: _set,
    requests.PAUSE: _pause,
    requests.CONTINUE: _continue,
    requests.STOP: _stop,
    requests.MARK: _mark,
    requests.STATE: _state,
}
