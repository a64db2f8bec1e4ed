"""Conditions: which jobs may start after how others have ended, also while a run ends by a failure.

Loaded by runs in which a requirement has a condition, or a job has said that it does not apply. It starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from treadle.core.conditions import BLOCKED, NEEDLESS, NOT_STARTED, Condition, Start, is_calm, judge
from treadle.core.outcomes import KINDS, NO_OUTCOME, outcome

from .badges import DONE, FAILED_BEFORE
from .job import AbstractJob, name_of

if TYPE_CHECKING:
    from treadle.core.after_failure import AfterFailure
    from treadle.core.outcomes import Outcome

_NEVER_RAN = ("skipped", "not_needed", "blocked", "disabled", "not_started", "interrupted")
HAS_ENDED = Condition("when it has ended", set(KINDS).difference(_NEVER_RAN))
"""That of a requirement without a condition: also the failure of a job that is not critical meets it."""
_KINDS = {BLOCKED: "blocked", NEEDLESS: "not_needed", NOT_STARTED: "not_started"}
_INTERRUPTED = outcome("interrupted")


class Conditions:
    """The conditions of the jobs of one run.

    :param order: returns all of them, each after what it requires; None where no requirement has a condition
    """

    def __init__(self, order: Callable[[], Sequence[AbstractJob]] | None = None) -> None:
        self._order = order
        self._fatal: set[AbstractJob] = set()
        """The critical jobs that have failed: nothing follows these but by a condition."""
        self._outcomes: dict[Any, Outcome] = {}
        """Of what has ended for good; kept from the first critical failure on."""
        self._after_failure: AfterFailure | None = None

    @property
    def can_let_in(self) -> bool:
        """Whether anything may start after a critical failure."""
        return self._order is not None

    def left_out(self, job: AbstractJob) -> tuple[str, str] | None:
        """Return how a job ends that will not start, all of whose requirements have ended; None if it may start.

        :return: the kind of its outcome, and the reason
        """
        starts = [self._start(job, before) for before in job.required]
        judged = judge(starts)
        kind = _KINDS.get(judged.kind)
        if kind is not None:
            origins: tuple[Any, ...] = judged.origins
            job._aio_origins = origins
            uids: list[Any] = [*(origins or [start.uid for start in judged.by])]
            names = ", ".join(sorted(repr(name_of(uid)) for uid in uids))
            return kind, f"{'by' if kind == 'blocked' else 'after'} {names}"
        if self._after_failure is None:
            return None
        may_start = self._after_failure.may_start(job, is_met_by_failure=self._is_by_failure(job))
        return None if may_start else ("not_started", FAILED_BEFORE)

    def fail(self, job: AbstractJob, running: Collection[AbstractJob]) -> list[AbstractJob]:
        """Take in a critical failure; return what runs and may run on: it was let in, or what is let in needs it.

        :param running: the jobs that run
        """
        self._fatal.add(job)
        order = self._order() if self._order is not None else ()
        if self._after_failure is None:
            from treadle.core.after_failure import AfterFailure
            from treadle.core.graph.dag import DAG

            dag = DAG()
            for one in order:
                dag.add_vertex(one, None, {before: _condition(one, before) for before in one.required})
                if one._aio_phase == DONE or one._aio_end is not None:
                    self._outcomes[one] = _ended(one)
            self._after_failure = AfterFailure(dag, self._is_met)
        self.note(job, running)
        found = []
        for one in order:
            if one in running and self._is_by_failure(one):
                found.append(one)
            elif one in self._after_failure.wanted:
                needed = [before for before in one.required if not self._is_met(one, before, _INTERRUPTED)]
                found += [before for before in needed if before in running]
        return found

    def note(self, job: AbstractJob, running: Collection[AbstractJob]) -> None:
        """Take in an end; where it is not calm, find what may be let in now."""
        if self._after_failure is not None:
            ended = self._outcomes[job] = _ended(job)
            # that of what is not started is expected, and changes nothing
            if not is_calm(ended) and ended.kind != "not_started":
                self._after_failure.look(self._outcomes, running)

    def is_let_in(self, job: AbstractJob) -> bool:
        """Return whether a job that waits for its turn may start after all."""
        after = self._after_failure
        return after is None or job in after.let_in or job in after.wanted

    def _start(self, job: AbstractJob, before: AbstractJob) -> Start:
        ended = _ended(before)
        return Start(before, ended, self._is_met(job, before, ended), before._aio_origins)

    def _is_by_failure(self, job: AbstractJob) -> bool:
        """Return whether something else than a success has met a condition of a job."""
        return any(_condition(job, before) is not None and not is_calm(_ended(before)) for before in job.required)

    def _is_met(self, job: Any, before: Any, ended: Outcome) -> bool:
        condition = _condition(job, before)
        if condition is None:
            return before not in self._fatal and HAS_ENDED.is_met(ended)
        return condition.is_met(ended)


def _condition(job: AbstractJob, before: Any) -> Condition | None:
    return None if job._aio_when is None else job._aio_when.get(before)


def _ended(job: AbstractJob) -> Outcome:
    return job._aio_outcome() or NO_OUTCOME
