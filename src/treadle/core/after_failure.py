"""What may still start in a run that a failure has ended: what a condition lets in, and what that needs.

It is given the graph, the outcomes so far and what runs, and knows no jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .conditions import is_calm
from .graph.algorithms import reached

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterator, Mapping

    from .graph.dag import DAG
    from .outcomes import Outcome


class AfterFailure:
    """The rest of a run after a failure.

    :param dag: the graph
    :param is_met: `(uid, predecessor, outcome)`, see `Walk.is_met`
    """

    def __init__(self, dag: DAG, is_met: Callable[[Hashable, Hashable, Outcome], bool]) -> None:
        self.dag = dag
        self.is_met = is_met
        self.let_in: set[Hashable] = set()
        """What a condition has let in that a failure met, or the end of something that was let in."""
        self.wanted: set[Hashable] = set()
        """What may be let in yet, and what has to run for that."""

    def may_start(self, uid: Hashable, *, is_met_by_failure: bool) -> bool:
        """Return whether an action may start, all conditions of which are met.

        :param is_met_by_failure: whether one was met by something else than a success
        """
        if is_met_by_failure or not self.let_in.isdisjoint(self.dag.get_conditions(uid)):
            self.let_in.add(uid)
            return True
        return uid in self.wanted

    def look(self, outcomes: Mapping[Hashable, Outcome], running: Collection[Hashable]) -> None:
        """Find what is wanted, after one more failure.

        What is not wanted will not be started, so `always` is met by its end. What has failed already, and what
        would have to fail without having been started, is waited for by nothing.

        :param outcomes: the outcome of each action that has ended for good
        :param running: the actions that run, or will be tried again
        """
        hopeless: dict[Hashable, bool] = {}

        def needed(uid: Hashable) -> list[Hashable]:
            return list(self._needed(uid, outcomes, running))

        def is_hopeless(uid: Hashable) -> bool:
            stack = [uid]
            while stack:
                here = stack[-1]
                before = needed(here)
                todo = [p for p in before if p not in hopeless]
                if todo and here not in hopeless:
                    stack += todo
                    continue
                hopeless[here] = self._is_unmet(here, outcomes, running) or any(hopeless[p] for p in before)
                stack.pop()
            return hopeless[uid]

        candidates = dict.fromkeys(self._candidates(outcomes, running))
        self.wanted = set(reached([uid for uid in candidates if not is_hopeless(uid)], needed))

    def _candidates(
        self, outcomes: Mapping[Hashable, Outcome], running: Collection[Hashable]
    ) -> Iterator[Hashable]:
        """Yield what a condition lets in, as far as that edge goes."""
        for end, start, condition in self.dag.conditions():
            if end in outcomes or end in running or start in running:
                continue
            ended = outcomes.get(start)
            if ended is None:
                if condition.may_follow_no_start:
                    yield end
            elif (start in self.let_in or not is_calm(ended)) and self.is_met(end, start, ended):
                yield end

    def _needed(
        self, uid: Hashable, outcomes: Mapping[Hashable, Outcome], running: Collection[Hashable]
    ) -> Iterator[Hashable]:
        """Yield the predecessors of an action that have to run and succeed for it."""
        conditions = self.dag.get_conditions(uid)
        for p in self.dag.get_predecessors(uid):
            if p not in outcomes and p not in running:
                condition = conditions.get(p)
                if condition is None or not condition.may_follow_no_start:
                    yield p

    def _is_unmet(self, uid: Hashable, outcomes: Mapping[Hashable, Outcome], running: Collection[Hashable]) -> bool:
        """Return whether a predecessor keeps an action from running, whatever comes."""
        conditions = self.dag.get_conditions(uid)
        for p in self.dag.get_predecessors(uid):
            if p in running:
                continue
            condition, ended = conditions.get(p), outcomes.get(p)
            if ended is not None:
                if not self.is_met(uid, p, ended):
                    return True
            elif condition is not None and not (condition.may_follow_success or condition.may_follow_no_start):
                return True
        return False
