"""The last outcome of each action: what its last run on record says, or what the end of another one has made of it.

What a failure has blocked, and what was not needed, has no run of its own. That follows from the graph: the
outcomes of what it needs came after its own.

Blocked actions are not put on record, as one failure may block 100,000 of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.command.discovered import owner_of
from treadle.core.conditions import BLOCKED, NEEDLESS, ON_SUCCESS, Start, has_failed, judge, parse
from treadle.core.outcomes import KINDS, NO_OUTCOME, PASS, outcome
from treadle.state.records import unstarted_from

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping

    from treadle.command.command import Command
    from treadle.core.outcomes import Outcome, Usage
    from treadle.frontends.base import Project
    from treadle.state.store import Store


class LastOutcome:
    """How an action ended, by the last that is known of it.

    :ivar at: when, in milliseconds since the epoch
    :ivar duration: seconds of its last attempt; this and what follows is None where nothing ran
    :ivar code: the exit code of its last program, negative for a signal
    :ivar memory: bytes at its peak: of all its processes, where that is known, else of the largest one
    :ivar cpu: seconds of CPU
    :ivar origins: the failures that it is blocked by
    """

    __slots__ = ("at", "code", "cpu", "duration", "memory", "origins", "outcome")

    def __init__(self, ended: Outcome, at: int, origins: Iterable[Hashable] = ()) -> None:
        self.outcome = ended
        self.at = at
        self.origins = frozenset(origins)
        self.duration: float | None = None
        self.code: int | None = None
        self.memory: int | None = None
        self.cpu: float | None = None

    @property
    def kind(self) -> str:
        """The kind of the outcome."""
        return self.outcome.kind


def own_outcome(store: Store, key: str, *, is_up_to_date: bool = False) -> LastOutcome | None:
    """Return what is on record of the last end of an action, None if it has not come to one.

    :param is_up_to_date: whether it is up to date: that it could not be started once does not count then
    """
    said = store.unstarted.get(key)
    if said is not None and not is_up_to_date:
        end = unstarted_from(said)
        return LastOutcome(outcome(end.kind if end.kind in KINDS else "failed", end.text), end.ended_at)
    entry = store.entries.get(key)
    run = entry.last_run if entry is not None else None
    if run is None:
        return None
    found = LastOutcome(outcome(run.kind if run.kind in KINDS else "failed", run.text), run.ended_at)
    if run.state != "adopted":
        found.duration = run.duration
        found.code = 0 if run.code is None and found.outcome.category == PASS else run.code
    if run.usage is not None:
        found.memory, found.cpu = _peak(run.usage), run.usage.cpu
    return found


def _peak(usage: Usage) -> int | None:
    if usage.tree_peak is not None:
        return usage.tree_peak
    # a look each second may have come too late for what the largest process had
    known = [one for one in (usage.sampled_peak, usage.largest_process) if one is not None]
    return max(known, default=None)


def in_doubt(store: Store, plan: Project, uids: Iterable[str]) -> list[str]:
    """Return those of some actions that could not be started, but may be up to date by their records."""
    if not store.unstarted:
        return []
    found = []
    for uid in uids:
        key = owner_of(uid, plan.actions[uid].command).key
        entry = store.entries.get(key)
        if key in store.unstarted and entry is not None and entry.counts:
            found.append(uid)
    return found


def last_outcomes(
    store: Store, plan: Project, commands: Mapping[str, Command], up_to_date: Collection[str] = ()
) -> dict[str, LastOutcome | None]:
    """Return the last outcome of each action, None for one that has come to no end.

    :param commands: uid -> Command, each after all that it needs
    :param up_to_date: those of what is `in_doubt` that are
    """
    found: dict[str, LastOutcome | None] = {}
    for uid, command in commands.items():
        own = own_outcome(store, owner_of(uid, command).key, is_up_to_date=uid in up_to_date)
        found[uid] = _as_followed(plan, uid, found, own)
    return found


def _as_followed(
    plan: Project, uid: str, known: Mapping[str, LastOutcome | None], own: LastOutcome | None
) -> LastOutcome | None:
    """Return what the ends of those before an action say of it, where they came later than its own."""
    action = plan.actions[uid]
    starts = []
    for before in action.predecessors:
        last = known.get(before)
        ended = NO_OUTCOME if last is None else last.outcome
        condition = parse(action.conditions[before]) if before in action.conditions else ON_SUCCESS
        # what has passed is up to date from then on
        is_met = condition.is_met(ended) or (ended.category == PASS and condition.may_follow_skip)
        starts.append(Start(before, ended, is_met, last.origins if last is not None else (), condition.text))
    if all(start.is_met for start in starts):
        return own
    judged = judge(starts)
    at = max((last.at for start in judged.by if (last := known.get(str(start.uid))) is not None), default=0)
    if judged.kind not in (BLOCKED, NEEDLESS) or (own is not None and own.at > at):
        return own
    kind = "blocked" if judged.kind == BLOCKED else "not_needed"
    return LastOutcome(outcome(kind), at, judged.origins)


def is_failed(last: LastOutcome | None) -> bool:
    """Return whether an action has failed itself: not whether another failure blocks it."""
    return last is not None and has_failed(last.outcome) and last.kind != "blocked"
