"""The rounds of a run whose actions generate plans: first the producers run, then the whole plan is loaded.

A producer that fails is an action that fails: its plan stays unread, what depends on that is blocked, and all else
goes on as far as -k says. If it says that it does not apply, or was not needed, what depends on it is not needed.
An action that needs such a producer, that reads what the plan's actions have made in previous runs, or that cannot
be understood without the plan depends on it.

It is apart from `generated_plans`: the call that loads a plan needs that module, and this one needs the call.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from treadle.command.discovered import discovered_on_record, producers_on_record
from treadle.command.walk import Settings
from treadle.core.graph.algorithms import reached
from treadle.core.graph.dag import DAG
from treadle.core.outcomes import FAIL
from treadle.errors import PlanError, UsageError, listed
from treadle.frontends.names import is_pattern
from treadle.scheduling.scheduler import KILLING, STOPPING
from treadle.state.store import Store
from treadle.status import ReturnValue

from .call import RunReport
from .generated_plans import (
    JudgedActions,
    left_by,
    refuse_too_deep,
    with_all_after,
    with_all_before,
    with_discovered_producers,
)
from .own_limits import own_limits
from .walk import PlanWalk, limit_settings, publish_plan, resource_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence

    from treadle.core.conditions import Start
    from treadle.core.outcomes import ActionReport, Outcome
    from treadle.frontends.base import Project

    from .call import Call


class Rounds:
    """Brings the producers of plans up to date, until all of the plan is known that can be generated.

    :param call: the call
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.done: set[str] = set()
        """The uids of all that has been walked."""
        self.failed: dict[str, tuple[str, ...]] = {}
        """uid of each failed or blocked action -> the origins of that failure, itself among them.

        So it is with a producer that has neither failed nor generated a plan, see `_is_needless`.
        """
        self.end: RunReport | None = None
        """The report, if the run ends here."""
        self.has_run = False
        """Whether an action has started or failed."""
        self._walked: Project | None = None
        """The plan of the last walk."""
        self.outcomes: dict[str, Outcome] = {}
        """uid -> how it has ended, of all that has been walked."""
        self.ends = 0
        """How many actions have run in the walks so far."""
        self._failures = 0
        """Failures that count for -k: those of producers that the named actions need."""
        self._report: RunReport | None = None
        self._reports: dict[Hashable, ActionReport] = {}
        """uid -> the report of the action in the walks so far."""
        self._problems: list[PlanError] = []
        """The problems of generated plans."""
        self._blocked_names: list[str] = []

    def whole(self, plan: Project) -> Project:
        """Return the plan as far as it can be known; if there is an `end` then, the run is over.

        What was walked is walked again if it is another action in a plan that is better known.
        """
        try:
            return self._whole(plan)
        except PlanError:
            # the run ends here, and what has started is to be tidied up after
            if self._walked is not None and self.has_run and (last := self._walked.last()) is not None:
                self._walk_last(RunReport({}), self._walked, last)
            raise

    def _whole(self, plan: Project) -> Project:
        made = [uid for uid in plan.plan_producers if uid not in plan.unread]
        judged = JudgedActions()
        judged.keep(plan, with_all_before(plan, made))
        while wanted := _first_of(plan, self.failed):
            refuse_too_deep(plan)
            if not self._walk_all(plan, wanted):
                return plan
            judged.keep(plan, with_all_before(plan, wanted))
            made += [uid for uid in wanted if uid not in self.failed]
            try:
                plan, made = self._load(plan, made)
            except PlanError:
                # a producer that was only looked at may read what has been generated now
                if self.done.issuperset(made):
                    raise
                plan, made = self._load(plan, [uid for uid in made if uid in self.done])
            moved = judged.take_changed(plan)
            if moved:
                self.done -= moved
                self.failed = {uid: origins for uid, origins in self.failed.items() if uid not in moved}
                plan, made = self._load(plan, [uid for uid in made if uid not in moved])
        if self.failed:
            self._failures = self._counted(self._needed(plan, if_unclear=True))
            limit = self.call.options.keep_going
            if limit and self._failures >= limit and self._report is not None:
                self._finish(self._report, plan)
        return plan

    def complete(self, report: RunReport) -> None:
        """Add to the report of the last walk what the walks before have done, and what could not be generated."""
        report.actions = {**self._reports, **report.actions}
        report.unmade = [uid for uid, origins in self.failed.items() if not all(map(self._is_needless, origins))]
        report.problems = list(self._problems)

    def selected(self, plan: Project) -> list[str]:
        """Return the selected actions, as far as they are known; the others are published as blocked at the end."""
        call = self.call
        if not self.failed:
            return call.selected(plan)
        names = call.names_in(plan)
        found: dict[str, None] = {}
        for name in names:
            unknown = plan.names.unclear_among([name])
            known = self.known(plan, [name])
            found.update(dict.fromkeys(known))
            self._blocked_names += sorted(unknown) if unknown or known else [name]
        if not names:
            found = dict.fromkeys(plan.default)
            self._blocked_names += plan.unclear
        try:
            return call.narrowed(plan, list(found))
        except UsageError:
            # the tags of -l may be in a plan that was not generated
            return []

    def known(self, plan: Project, names: Iterable[str]) -> list[str]:
        """Return the uids of names, without names that may be in a plan that was not generated."""
        if not self.failed:
            return self.call.select(plan, list(names))
        found: dict[str, None] = {}
        for name in names:
            try:
                found.update(dict.fromkeys(self.call.select(plan, [name])))
            except UsageError:
                continue
        return list(found)

    def blocked(self, plan: Project, uids: Iterable[str]) -> Mapping[str, Collection[str]]:
        """Return which of some actions are blocked by failures, each with their origins.

        What a condition says of what has been walked is in `starts`.
        """
        if not self.failed:
            return {}
        found = {
            uid: [one for one in origins if not self._is_needless(one)]
            for uid, origins in blocked_by(plan, uids, self.failed).items()
        }
        return {uid: origins for uid, origins in found.items() if origins}

    def _is_needless(self, uid: str) -> bool:
        """Return whether an action has ended without a result although nothing failed."""
        ended = self.outcomes.get(uid)
        return ended is not None and ended.is_needless

    def starts(self, plan: Project, uids: Iterable[str]) -> dict[str, list[Start]]:
        """Return uid -> how those of its predecessors have ended that decide whether it runs.

        These are the ones with a condition, and those that were not needed; successes and failures of all others
        are known without it.
        """
        from treadle.core.conditions import ON_SUCCESS, Start, parse

        found: dict[str, list[Start]] = {}
        uids = list(uids)
        for uid, origins in blocked_by(plan, uids, self.failed).items() if self.failed else ():
            needless = [Start(one, self.outcomes[one], False) for one in origins if self._is_needless(one)]
            if needless:
                found[uid] = needless
        for uid in uids:
            conditions = plan.actions[uid].conditions
            for before in plan.actions[uid].predecessors:
                ended = self.outcomes.get(before)
                if ended is None or (before not in conditions and before in self.failed):
                    continue
                condition = parse(conditions.get(before, ON_SUCCESS))
                if before in conditions or not condition.is_met(ended):
                    origins = self.failed.get(before, ())
                    start = Start(before, ended, condition.is_met(ended), origins, condition.text)
                    found.setdefault(uid, []).append(start)
        return found

    @property
    def failures_left(self) -> int:
        """Failures left until nothing new starts, by -k; 0 for any number."""
        limit = self.call.options.keep_going
        return max(limit - self._failures, 1) if limit else 0

    def publish_unknown(self, plan: Project) -> None:
        """Publish that selected names which are not known are blocked by producers that failed."""
        origins = dict.fromkeys(origin for uid in plan.unread for origin in self.failed.get(uid, ()))
        if self._blocked_names and all(map(self._is_needless, origins)):
            names = listed(dict.fromkeys(self._blocked_names))
            self.call.bus.publish("note", f"not needed, as {listed(origins)} has generated no plan: {names}")
        elif self._blocked_names:
            self.call.bus.publish("blocked", list(dict.fromkeys(self._blocked_names)), tuple(origins))

    def left_out(self, plan: Project) -> dict[str, str]:
        """Return uid -> why it is disabled, without what is published as blocked."""
        return {uid: why for uid, why in plan.left_out.items() if uid not in self._blocked_names}

    def _load(self, plan: Project, made: list[str]) -> tuple[Project, list[str]]:
        """Load the plan with the plans of some producers; a wrong plan is a failure of its producer.

        :param plan: what is known of it
        :param made: the producers
        """
        try:
            return self.call.load_with(made), made
        except PlanError as error:
            bad = [uid for uid in made if _is_in(error, plan, uid)]
            if not bad or not all(self._may_go_on_without(plan, uid) for uid in bad):
                raise
            self._note_broken(error, bad)
        return self._load(plan, [uid for uid in made if uid not in bad])

    def _may_go_on_without(self, plan: Project, uid: str) -> bool:
        limit = self.call.options.keep_going
        needed = self._needed(plan) if limit else ()
        return uid not in needed or self._counted(needed) + 1 < limit

    def _note_broken(self, error: PlanError, uids: Sequence[str]) -> None:
        self.call.publish_problem(error)
        self._problems.append(error)
        self.failed.update({uid: (uid,) for uid in uids})

    def _needed(self, plan: Project, *, if_unclear: bool = False) -> Collection[str]:
        """Return the producers of unread plans that the selected actions need.

        :param if_unclear: whether to include those of which this is not known
        """
        if not self.call.names_in(plan):
            return plan.plan_producers
        return needed_producers(self.call, plan, if_unclear=if_unclear)

    def _counted(self, needed: Iterable[str]) -> int:
        """Return how many failures have kept producers from generating their plans."""
        origins = {origin for uid in needed for origin in self.failed.get(uid, ())}
        return sum(not self._is_needless(origin) for origin in origins)

    def _walk_all(self, plan: Project, uids: list[str]) -> bool:
        """Walk some producers and what they need; return whether the run goes on.

        Producers that no selected action needs come last, and their failures do not stop the run.
        """
        limit = self.call.options.keep_going
        if limit == 0:
            return self._walk(plan, uids, 0)
        needed = self._needed(plan)
        first = [uid for uid in uids if uid in needed]
        others = [uid for uid in uids if uid not in needed]
        if first and not self._walk(plan, first, max(limit - self._counted(needed), 1)):
            return False
        return not others or self._walk(plan, others, 0)

    def _walk(self, plan: Project, uids: list[str], limit: int) -> bool:
        """Walk some producers and what they need; return whether the run goes on.

        :param limit: failures after which nothing new starts, 0 for any number
        """
        options = self.call.options
        dag = plan.dag(with_discovered_producers(plan, uids), self.done)
        here = [str(uid) for uid in dag.vertex_data]
        asked = self._asked(plan) if options.names_limits else ()
        forced = self.call.forced_among(plan, here)
        if options.repeats:
            forced += [uid for uid in here if uid in asked and uid not in self.call.done_since]
        settings = Settings(
            options.jobs,
            plan.queues,
            keep_going=limit,
            force=forced,
            done_since=self.call.done_since,
            wait=options.wait,
            limits=own_limits(options, [dag], lambda names: self._known(plan, names), asked),
            **limit_settings(self.call, self.ends),
            **resource_settings(options, plan.pool),
            blocked=self.blocked(plan, here),
            colours=self.call.colours,
        )
        publish_plan(self.call, plan)
        walk = PlanWalk(
            self.call, dag, plan.root, settings, plan=plan, done=self.done, starts=self.starts(plan, here)
        )
        report = self._report = RunReport.of(walk.run(), walk)
        self._walked = plan
        bad = self._take(report, walk)
        own = [one for one in bad if one.status != ReturnValue.force_fail]
        self.ends += walk.runs_ended
        is_over = options.stop_after and self.ends >= options.stop_after
        is_cut = bool(report.interrupted or is_over or any(one.is_open for one in report.actions.values()))
        if not is_cut and (limit == 0 or len(own) < limit):
            return True
        report.is_cut = is_cut
        self._finish(report, plan)
        return False

    def _take(self, report: RunReport, walk: PlanWalk) -> list[ActionReport]:
        """Take in what a walk has done; return what did not end well."""
        self.has_run = self.has_run or walk.wants_last(report)
        self.done.update(map(str, report.actions))
        self._reports |= report.actions
        self.outcomes.update((str(uid), one.outcome) for uid, one in report.actions.items())
        bad = [one for one in report.actions.values() if one.status is not None and not one.status.is_good]
        self.failed.update({str(one.uid): tuple(map(str, one.origins)) or (str(one.uid),) for one in bad})
        needless = [uid for uid in map(str, report.actions) if self._is_needless(uid)]
        producers = () if walk.plan is None else walk.plan.plan_producers
        self.failed.update({uid: (uid,) for uid in needless if uid in producers})
        return bad

    def _walk_let_in(self, report: RunReport, plan: Project) -> None:
        """Walk what a failure lets in by a condition, though it ends the run; the report takes that in."""
        names = self.call.names_in(plan)
        selected = self.known(plan, names) if names else plan.default
        inside = list(map(str, plan.dag(selected, self.done).vertex_data))
        starts = self.starts(plan, inside)
        let_in = [
            uid for uid, them in starts.items() if any(one.is_met and one.outcome.category == FAIL for one in them)
        ]
        if not let_in:
            return
        dag = plan.dag(let_in, self.done)
        options = self.call.options
        here = list(map(str, dag.vertex_data))
        settings = Settings(
            options.jobs,
            plan.queues,
            wait=options.wait,
            done_since=self.call.done_since,
            **resource_settings(options, plan.pool),
            blocked=self.blocked(plan, here),
            colours=self.call.colours,
        )
        walk = PlanWalk(self.call, dag, plan.root, settings, plan=plan, done=self.done, starts=starts)
        ended = RunReport.of(walk.run(), walk)
        self._take(ended, walk)
        report.actions |= ended.actions
        report.interrupted |= ended.interrupted

    def _known(self, plan: Project, names: Iterable[str]) -> list[str]:
        """Return the uids of those names that mean no action of a plan that is not generated yet."""
        found: dict[str, None] = {}
        for name in names:
            with suppress(UsageError):
                found.update(dict.fromkeys(self.call.select_known(plan, [name])))
        return list(found)

    def _asked(self, plan: Project) -> list[str]:
        """Return the selected actions that are known."""
        names = self.call.names_in(plan)
        found = self._known(plan, names) if names else list(plan.default)
        try:
            return self.call.narrowed(plan, found)
        except UsageError:
            return []

    def _finish(self, report: RunReport, plan: Project) -> None:
        """End the run with the report of the last walk, after what failures let in, and the actions at the end."""
        if not report.interrupted:
            self._walk_let_in(report, plan)
        last = plan.last()
        if last is not None and self.has_run:
            self._walk_last(report, plan, last)
        self.call.end(report, {})
        self.complete(report)
        self.end = report

    def _walk_last(self, report: RunReport, plan: Project, last: DAG) -> None:
        """Walk the actions at the end, which the report takes in; after a request to stop they take place too."""
        options = self.call.options
        settings = Settings(
            options.jobs,
            plan.queues,
            wait=options.wait,
            **resource_settings(options, plan.pool),
            colours=self.call.colours,
        )
        walk = PlanWalk(
            *(self.call, DAG(), plan.root, settings),
            plan=plan,
            done=self.done,
            last=last,
            is_due=True,
            ended=self.outcomes,
        )
        stops = self.call.stops.count
        if stops:
            walk.stop(STOPPING if stops == 1 else KILLING)
        ended = walk.run()
        report.actions |= ended.actions
        report.interrupted |= ended.interrupted


def _first_of(plan: Project, failed: Collection[str]) -> list[str]:
    """Return the producers of unread plans that come first: those whose globs cannot match outputs of the others.

    :param failed: producers that have failed in this run
    """
    unsure = with_all_after(plan, plan.guessed) if plan.guessed else ()
    unread = [uid for uid in plan.unread if uid not in failed]
    return [uid for uid in unread if uid not in unsure] or unread


def _is_in(error: PlanError, plan: Project, uid: str) -> bool:
    """Return whether a problem is in the file that a producer has generated."""
    file = plan.plan_producers.get(uid)
    places = [one.place.file for one in error.problems if one.place is not None]
    return file is not None and os.path.join(plan.root, file) in [os.path.abspath(place) for place in places]


def needed_producers(call: Call, plan: Project, *, if_unclear: bool) -> set[str]:
    """Return the producers of unread plans that the named actions need.

    :param if_unclear: whether to return all of them if a name is not known without these plans
    """
    unread = plan.unread
    found: set[str] = set()
    for name in call.names_in(plan):
        is_clear = not _may_be_in_unread(plan, name)
        try:
            uids = call.select(plan, [name])
            is_clear = is_clear and not plan.names.unclear_among([name])
        except UsageError:
            # it may be an output of an action in an unread plan
            uids, is_clear = [], False
        found |= set(unread) if if_unclear and not is_clear else _needed_by(plan, uids, unread)
    return found


def _needed_by(plan: Project, uids: list[str], unread: Collection[str]) -> set[str]:
    inside = list(map(str, plan.dag(with_discovered_producers(plan, uids)).vertex_data))
    reads = _blocked_by_previous(plan, inside, Store(plan.root), unread)
    return {uid for uid in unread if uid in inside} | {
        producer for producers in reads.values() for producer in producers
    }


def blocked_by(
    plan: Project, uids: Iterable[str], failed: Mapping[str, Collection[str]]
) -> dict[str, tuple[str, ...]]:
    """Return uid -> origins of the actions that failures block directly, without those that come after these.

    :param failed: uid of each failed or blocked action of an earlier walk -> origins of that failure
    """
    found: dict[str, dict[str, None]] = {}
    inside = dict.fromkeys(uid for uid in uids if uid in plan.actions)
    store = Store(plan.root)
    for uid in inside:
        conditions = plan.actions[uid].conditions
        for before in plan.actions[uid].predecessors:
            if before in failed and before not in conditions:
                found.setdefault(uid, {}).update(dict.fromkeys(failed[before]))
    reads = _blocked_by_previous(plan, inside, store, failed)
    commands = {uid: action.command for uid, action in plan.actions.items()}
    pairs = [
        *((uid, producer) for uid, producers in reads.items() for producer in producers),
        *producers_on_record(store, commands),
    ]
    for uid, producer in pairs:
        if producer in failed and uid in inside:
            found.setdefault(uid, {}).update(dict.fromkeys(failed[producer]))
    return {uid: tuple(origins) for uid, origins in found.items()}


def _blocked_by_previous(
    plan: Project, uids: Iterable[str], store: Store, producers: Collection[str]
) -> dict[str, dict[str, None]]:
    """Return uid -> the producers of unread plans whose actions, in previous runs, made what it reads."""
    store.load()
    left = left_by(plan, store, producers)
    found: dict[str, dict[str, None]] = {}
    for uid in uids if left else ():
        command = plan.actions[uid].command
        read = [
            *command.inputs,
            *command.edits,
            *discovered_on_record(store, uid, command),
            *plan.guessed.get(uid, ()),
        ]
        touching = dict.fromkeys(producer for path in read for producer in left.of(path))
        if touching:
            found[uid] = touching
    return found


def _may_be_in_unread(plan: Project, name: str) -> bool:
    """Return whether a given name, or one in a group, may match an action of an unread plan."""
    groups = plan.names.groups
    for one in reached([name], lambda one: groups[one].members if one in groups else ()):
        if one not in groups and is_pattern(one):
            head = one.replace("?", "*").partition("*")[0]
            # a pattern may also take outputs
            if any(f"{uid}:".startswith(head) or head.startswith(f"{uid}:") for uid in plan.unread):
                return True
            if "/" in one:
                return True
    return False
