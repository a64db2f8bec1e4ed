"""The dirty part of a plan that was edited: the Commands that differ now, and what moved.

An action of the same name, Command and record, none of whose files moved, would be skipped again, whatever else
the plan says. It knows nothing of plans: their Commands are handed in. Where actions were added, removed, renamed
or put into another order, where other files decide what the plan is, or where what moved decides fingerprints
without a word in a Command (a folder of PATH, the system's version), only a walk over all of it can decide.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from xxhash import xxh3_64_intdigest

from treadle.command.discovered import owner_of
from treadle.content.links import Producers
from treadle.content.timestamps import UNSURE
from treadle.core.graph.dag import DAG, edge_conditions

from . import probe, snapshot_file
from .partial_walk import STAMPS, Part, files_of, items_of, links_of_discovered, numbers_of, replace_lists
from .probe import MADE, WATCHED, split_texts

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence

    from treadle.command.walk import CommandWalk
    from treadle.core.conditions import Condition
    from treadle.core.graph.dag import DAG, Starts

    from .partial_walk import Watch
    from .probe import ProbeResult


def changed_part(
    probed: ProbeResult, actions: DAG, watch: Watch, written: Iterable[tuple[str, str]], environ: Mapping[str, str]
) -> ChangedPart | None:
    """Return the dirty part of a plan that was edited, None if only a walk over all of it can decide.

    :param probed: what is dirty whatever the plan says now
    :param actions: uid -> Command, as the plan says now
    :param watch: what the plan depends on now
    :param written: path and action, for all that the actions of the plan make or edit
    :param environ: the variables that Commands may be sensitive to
    """
    if len(actions.vertex_data) != probed.total:
        return None
    try:
        plan = EditedPlan(probed, actions, watch, environ)
        items = plan.dirty_items()
        if items is None or not (plan.watches_the_same() and plan.waits_for(written)):
            return None
        return ChangedPart(plan, items)
    except (ValueError, LookupError, OverflowError):
        return None


def _tops(paths: list[str]) -> list[str]:
    """Return paths without the folders that are in another one of them: a tree is looked up once."""
    folders = {path for path in paths if path.endswith("/")}
    return [path for path in paths if path not in folders or path[: path.rfind("/", 0, -1) + 1] not in folders]


class EditedPlan:
    """What an edited plan says now, compared with its snapshot.

    :param probed: what is dirty whatever the plan says
    :param actions: as many as the snapshot has
    :param watch: what the plan depends on now
    :param environ: the variables that Commands may be sensitive to
    :raises ValueError: the snapshot is not what it should be; so do LookupError and OverflowError
    """

    def __init__(self, probed: ProbeResult, actions: DAG, watch: Watch, environ: Mapping[str, str]) -> None:
        self.probed = probed
        self.actions = actions
        self.watch = watch
        self.number_of = numbers_of(actions)
        self.texts = [text for uid in actions.vertex_data for text in items_of(actions, str(uid), self.number_of)]
        """What the snapshot is to keep of all actions."""
        self.environ = watch.environ_with(actions.vertex_data.values(), environ)
        snapshot = probed.snapshot
        self._kind_of = dict(zip(snapshot.paths(), snapshot.section(probe.KINDS), strict=True))
        rows = watch.rows_with(actions.vertex_data.values())
        watched = {os.fsencode(path): stamp for path, stamp in rows.items()}
        # what an action makes is looked after as its output
        self.watched = {path: stamp for path, stamp in watched.items() if self._kind_of.get(path) != MADE}

    def dirty_items(self) -> list[int] | None:
        """Return the numbers of the actions to walk; None if the snapshot cannot decide for all the others."""
        sums = memoryview(self.probed.snapshot.section(probe.ITEM_SUMS)).cast("Q")
        edited = [n for n, text in enumerate(self.texts[::2]) if xxh3_64_intdigest(text) != sums[2 * n]]
        if not self._are_the_same_actions(edited):
            return None
        befores = [self.before(uid) for uid in self.actions.vertex_data]
        others = self._with_others_before(befores)
        found = self._with_all_after({*self.probed.items, *edited, *others}, befores)
        return self._with_unneeded_before(found, befores) if self.probed.unneeded else found

    def _with_unneeded_before(self, items: list[int], befores: Sequence[set[int]]) -> list[int]:
        """Return actions with all unneeded ones before them: they are no successes to those after them."""
        offsets = self.probed.snapshot.column(probe.OFFSETS)
        found, fresh = set(items), list(items)
        while fresh:
            more = {number for number in befores[fresh.pop()] if offsets[number] == probe.UNNEEDED} - found
            found |= more
            fresh += more
        return self.probed.snapshot.with_unneeded_before(sorted(found), offsets)

    def watches_the_same(self) -> bool:
        """Return whether the plan depends on the same files and folders as before."""
        paths = self.probed.snapshot.paths()
        if not {paths[row] for row in self.probed.moved}.isdisjoint(
            os.fsencode(path) for path in (*self.watch.system, *self.watch.search)
        ):
            return False
        return {path for path, kind in self._kind_of.items() if kind == WATCHED} == set(self.watched)

    def waits_for(self, written: Iterable[tuple[str, str]]) -> bool:
        """Return whether discovered inputs have no producer, or one that their action came after before."""
        snapshot = self.probed.snapshot
        producers = Producers(self.watch.root, written)
        rows_of_item, befores, paths = snapshot.item_rows(), snapshot.befores(), snapshot.paths()
        for number, (uid, command) in enumerate(self.actions.vertex_data.items()):
            if command.discovery is None:
                continue
            declared = {*command.inputs, *command.outputs}
            before = set(befores[number])
            for path in _tops([os.fsdecode(paths[row]) for row in rows_of_item[number]]):
                for one in producers.of(path) if path not in declared else ():
                    if one != uid and self.number_of.get(one, -1) not in before:
                        return False
        return True

    def _are_the_same_actions(self, numbers: list[int]) -> bool:
        """Return whether edited actions have their names, places and records still."""
        uids = list(self.actions.vertex_data)
        before = self.probed.snapshot.items(2 * number for number in numbers)
        for number, text in zip(numbers, before, strict=True):
            uid = str(uids[number])
            key = owner_of(uid, self.actions.vertex_data[uid]).key
            if split_texts(text)[0] != uid or self.probed.snapshot.key(number).hex() != key:
                return False
        return True

    def _with_others_before(self, now: Sequence[set[int]]) -> Iterable[int]:
        """Yield the actions that come after others than before: it is not in what they say of themselves."""
        befores = self.probed.snapshot.befores()
        offsets = self.probed.snapshot.column(probe.OFFSETS) if self.probed.unneeded else None
        for number, before in enumerate(now):
            known = set(befores[number])
            # what was not needed by an edge that is gone may be needed now
            is_unneeded = offsets is not None and offsets[number] == probe.UNNEEDED
            if not before <= known or (is_unneeded and before != known):
                yield number

    def before(self, uid: Hashable) -> set[int]:
        """Return what an action comes after as the plan says, with or without needing it."""
        before = {self.number_of[one] for one in self.actions.get_predecessors(uid)}
        return before.union(self.number_of[one] for one in self.actions.get_after(uid))

    def _with_all_after(self, numbers: set[int], befores: Sequence[set[int]]) -> list[int]:
        """Return actions with all that come after them now, or came after them by what they were found to read."""
        followers: dict[int, list[int]] = {}
        for number, starts in enumerate(befores):
            for before in starts:
                followers.setdefault(before, []).append(number)
        found: set[int] = set()
        while numbers - found:
            found = set(self.probed.snapshot.with_all_after(numbers))
            numbers = found.union(*(followers.get(n, ()) for n in found))
        return sorted(found)

    def files(self, last: DAG | None) -> list[str]:
        """Return the files that are read only after a failure or at the end of a run, and that no action makes."""
        found: Collection[Hashable] = ()
        if edge_conditions(self.actions):
            from treadle.core.unneeded import unneeded

            found = unneeded(self.actions)
        return files_of(self.watch.root, self.actions.vertex_data, found, last)

    def graph_of(self, items: Sequence[int]) -> tuple[DAG, dict[str, dict[Hashable, Condition]]]:
        """Return some of the actions, and the conditions of edges from others."""
        uids = list(self.actions.vertex_data)
        inside = {uids[number]: None for number in items}
        graph = DAG()
        outside: dict[str, dict[Hashable, Condition]] = {}
        for uid in inside:
            before: Starts = [one for one in self.actions.get_predecessors(uid) if one in inside]
            after = [one for one in self.actions.get_after(uid) if one in inside]
            if conditions := self.actions.get_conditions(uid):
                before = {one: conditions.get(one) for one in before}
                outside[str(uid)] = {one: condition for one, condition in conditions.items() if one not in inside}
            graph.update_vertex(uid, self.actions.vertex_data[uid], before, enable_checks=False, after=after)
        return graph, outside


class ChangedPart(Part):
    """The dirty part of a plan that was edited."""

    def __init__(self, plan: EditedPlan, items: Sequence[int]) -> None:
        super().__init__(plan.probed, items, *plan.graph_of(items))
        self._plan = plan

    def refreshed(self, walk: CommandWalk) -> tuple[list[bytes], list[bytes] | None] | None:
        """Return the snapshot with what the walk has seen, and what the plan says now."""
        plan, watch, facts = self._plan, self._plan.watch, self.probed.facts
        facts.environ, facts.folders = plan.environ, list(watch.folders)
        facts.links = {
            **watch.links,
            **links_of_discovered(walk, {uid: self.graph.vertex_data[uid] for uid in self.uids}),
        }
        facts.has_globs, facts.queues = watch.has_globs, dict(watch.queues)
        facts.generates_plans, facts.pool, facts.cache = watch.generates_plans, watch.pool, watch.cache
        facts.nearby, facts.files = list(watch.nearby), plan.files(self.last)
        fresh = super().refreshed(walk)
        if fresh is None:
            return None
        sections, _ = fresh
        self._put_watched(sections)
        befores = {
            number: sorted(
                plan.before(uid)
                | {plan.number_of[one] for one in walk.producers_of_discovered(uid) if one in plan.number_of}
            )
            for number, uid in zip(self.items, self.uids, strict=True)
        }
        replace_lists(sections, probe.BEFORE_ENDS, self.probed.snapshot.befores(), befores)
        before = sections[probe.ITEM_FILE]
        sections[probe.ITEM_FILE : probe.ITEM_SUMS + 1] = snapshot_file.item_sections(plan.texts)
        return sections, None if sections[probe.ITEM_FILE] == before else plan.texts

    def _put_watched(self, sections: list[bytes]) -> None:
        """Put the stamps in their place that the plan was read with."""
        snapshot, moved, watched = self.probed.snapshot, set(self.probed.moved), self._plan.watched
        number_of = {path: number for number, path in enumerate(snapshot.paths()) if path in watched}
        stamps = [bytearray(sections[column]) for column in STAMPS]
        values = [memoryview(column).cast("q") for column in stamps]
        previous = [snapshot.column(column) for column in STAMPS]
        for path, stamp in watched.items():
            number = number_of[path]
            before = tuple(column[number] for column in previous)
            now = tuple(column[number] for column in values)
            if number not in moved and stamp == before:
                continue
            # an action that reads it and was not walked has the stamp from before; one that was may have another
            sure = number in moved and now in (before, stamp)
            for column, value in zip(values, stamp if sure else UNSURE, strict=True):
                column[number] = value
        for column in values:
            column.release()
        for place, stamped in zip(STAMPS, stamps, strict=True):
            sections[place] = bytes(stamped)
