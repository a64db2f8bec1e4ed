"""Which actions `--only` and `--where` select, by what is known of each of them.

That is its last outcome, what it took, and whether it would run.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from treadle.command.discovered import owner_of
from treadle.command.walk import CommandWalk, Settings
from treadle.core import decision, wording
from treadle.core.graph.algorithms import reached
from treadle.core.outcomes import PASS, words
from treadle.state.store import Store

from .generated_plans import with_discovered_producers
from .last_outcomes import in_doubt, is_failed, last_outcomes, own_outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from treadle.core.decision import Verdict
    from treadle.frontends.base import Project
    from treadle.plan.language.enabled_if import Operand
    from treadle.plan.language.where import Where

    from .last_outcomes import LastOutcome
    from .options import Options

RESOURCE = "resources."
"""What the names of demands begin with in an expression."""


class Selection:
    """Judges actions, by what is on record when it is made.

    :param options: those of the call
    :param root: the root of the plan
    """

    def __init__(self, options: Options, root: str) -> None:
        self.options = options
        self._now = time()
        self._store = Store(root)
        self._store.load()
        self.notes = self._store.notes
        """Lines about what was found wrong with the records."""
        self._plan: Project | None = None
        self._lasts: dict[str, LastOutcome | None] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._where: Where | None = None

    def narrowed(
        self, plan: Project, uids: Sequence[str], rejected: dict[str, str], *, is_strict: bool = False
    ) -> list[str]:
        """Return the actions that are selected, in the order of the plan.

        :param uids: what the call selects without what is judged here
        :param rejected: what is not selected is added with the reason
        :param is_strict: whether only these are selected, and never what they need
        """
        options = self.options
        whole = self.take(plan, uids)
        chooses = options.only not in ("", "all") or options.where
        judged = whole if chooses and not is_strict else list(uids)
        why = {uid: said for uid in whole if (said := self._why_not(plan, whole, uid))}
        found = [uid for uid in judged if uid not in why]
        if options.only == "failed" if options.with_blocked is None else options.with_blocked:
            matching = {uid for uid in whole if uid not in why}
            found += [uid for uid in judged if uid in why and self._is_blocked_by(uid, matching)]
        if options.with_after:
            followers = plan.successors()
            found = list(reached(found, lambda uid: followers.get(uid, ())))
        taken = set(found)
        rejected.update({uid: why[uid] for uid in judged if uid not in taken})
        return [uid for uid in plan.actions if uid in taken]

    def last_of(self, plan: Project, uids: Sequence[str]) -> dict[str, LastOutcome | None]:
        """Return the last outcome of each of some actions, None for one that has come to no end."""
        self.take(plan, uids)
        return {uid: self._lasts[uid] for uid in uids}

    def take(self, plan: Project, uids: Sequence[str]) -> list[str]:
        """Look up some actions and all that they need; return all of these, each after what it needs."""
        if plan is not self._plan:
            self._plan, self._lasts, self._verdicts, self._where = plan, {}, {}, None
        commands = {str(uid): command for uid, command in plan.dag(with_discovered_producers(plan, list(uids)))}
        # what is at the end of a run is in no graph
        others = [uid for uid in uids if uid not in commands]
        if not self._lasts.keys() >= {*commands, *others}:
            doubtful = in_doubt(self._store, plan, commands)
            if doubtful:
                self._look(plan, commands)
            current = [uid for uid in doubtful if self._verdicts[uid].decision == decision.SKIP]
            self._lasts.update(last_outcomes(self._store, plan, commands, current))
            for uid in others:
                self._lasts[uid] = own_outcome(self._store, owner_of(uid, plan.actions[uid].command).key)
        return [*commands, *others]

    def _look(self, plan: Project, uids: Iterable[str]) -> None:
        """Decide which of some actions would run; none of them needs what is not among them."""
        wanted = [uid for uid in uids if not plan.actions[uid].is_last]
        if not self._verdicts.keys() >= set(wanted):
            walk = CommandWalk(plan.dag(wanted), plan.root, Settings(self.options.jobs, plan.queues))
            self._verdicts.update(walk.look())

    def _why_not(self, plan: Project, whole: Sequence[str], uid: str) -> str:
        """Return why an action is not selected, "" if it is.

        :param whole: all that is judged
        """
        options, last = self.options, self._lasts[uid]
        only, said = options.only, ""
        if only == "failed":
            said = "" if is_failed(last) else _how(last)
        elif only == "not-passed":
            is_well = last is not None and (last.outcome.category == PASS or last.kind == "not_needed")
            said = _how(last) if is_well else ""
        elif only == "not-run":
            is_due = last is None or (last.kind == "blocked" and not self._has_run(plan, uid))
            said = "" if is_due else _how(last)
        elif only == "changed":
            self._look(plan, whole)
            said = self._why_unchanged(uid)
        if said:
            return f"--only {only}: {said}"
        if options.where:
            holds, shown = self._expression(plan).holds(self._values(plan, uid))
            return "" if holds else f"--where: {shown or 'it is false'}"
        return ""

    def _why_unchanged(self, uid: str) -> str:
        verdict = self._verdicts.get(uid)
        if verdict is None:
            return "it is at the end of the run"
        if verdict.decision == decision.RUN:
            return ""
        said = "up to date" if verdict.decision == decision.SKIP else verdict.decision
        return f"{said}: {wording.reasons(verdict.reasons)}" if verdict.reasons else said

    def _has_run(self, plan: Project, uid: str) -> bool:
        entry = self._store.entries.get(owner_of(uid, plan.actions[uid].command).key)
        return entry is not None and entry.last_run is not None

    def _is_blocked_by(self, uid: str, failed: Collection[str]) -> bool:
        last = self._lasts[uid]
        return last is not None and last.kind == "blocked" and not last.origins.isdisjoint(failed)

    def _expression(self, plan: Project) -> Where:
        if self._where is None:
            from treadle.plan.language.where import Where

            more = dict.fromkeys(name for values in plan.values.values() for name in values)
            for action in plan.actions.values():
                more.update(dict.fromkeys(RESOURCE + kind for kind in action.command.limits.resources))
            self._where = Where(self.options.where, more)
        return self._where

    def _values(self, plan: Project, uid: str) -> dict[str, Operand]:
        """Return what an expression may name of an action."""
        from treadle.plan.language.where import UNKNOWN, LastKind, duration, memory, number

        action, last = plan.actions[uid], self._lasts[uid]
        values: dict[str, Operand] = {**plan.values.get(uid, {})}
        for kind, amount in action.command.limits.resources.items():
            values[RESOURCE + kind] = memory(amount) if kind == "memory" else number(amount)
        return {
            **values,
            "name": uid,
            "family": action.family,
            "tags": action.tags,
            "outcome": UNKNOWN if last is None else LastKind(last.kind),
            "age": duration(None if last is None else max(self._now - last.at / 1000, 0.0)),
            "code": number(None if last is None else last.code),
            "duration": duration(None if last is None else last.duration),
            "cpu": duration(None if last is None else last.cpu),
            "memory": memory(None if last is None else last.memory),
        }


def _how(last: LastOutcome | None) -> str:
    """Return in words how an action has ended."""
    return "it has not run" if last is None else f"its last outcome: {words(last.kind)}"
