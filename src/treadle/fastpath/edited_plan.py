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

from . import probe, snapshot_file
from .partial_walk import STAMPS, Part, items_of, links_of_discovered, numbers_of, replace_lists
from .probe import MADE, WATCHED, split_texts

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from treadle.command.walk import CommandWalk
    from treadle.core.graph.dag import DAG

    from .partial_walk import Row, Watch
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
    try:
        part = ChangedPart(probed, actions, watch)
        return part if part.is_sound(environ) and part.waits_for(written) else None
    except (ValueError, LookupError, OverflowError):
        return None


def _tops(paths: list[str]) -> list[str]:
    """Return paths without the folders that are in another one of them: a tree is looked up once."""
    folders = {path for path in paths if path.endswith("/")}
    return [path for path in paths if path not in folders or path[: path.rfind("/", 0, -1) + 1] not in folders]


class ChangedPart(Part):
    """The dirty part of a plan that was edited."""

    def __init__(self, probed: ProbeResult, actions: DAG, watch: Watch) -> None:
        super().__init__(probed)
        self.actions = actions
        self.watch = watch
        self._texts: list[bytes] = []
        """What the snapshot is to keep of all actions."""
        self._number_of: dict[Hashable, int] = {}
        self._watched: dict[bytes, Row] = {}
        self._environ: dict[str, str | None] = {}

    def is_sound(self, environ: Mapping[str, str]) -> bool:
        """Find what is dirty; return whether the snapshot can decide for all the others.

        :raises ValueError: it is not what it should be; so do LookupError and OverflowError
        """
        snapshot, actions = self.probed.snapshot, self.actions.vertex_data
        if len(actions) != self.probed.total:
            return False
        self._number_of = numbers_of(self.actions)
        for uid in actions:
            self._texts += items_of(self.actions, str(uid), self._number_of)
        sums = memoryview(snapshot.section(probe.ITEM_SUMS)).cast("Q")
        edited = [n for n, text in enumerate(self._texts[::2]) if xxh3_64_intdigest(text) != sums[2 * n]]
        if not self._are_the_same_actions(edited):
            return False
        befores = [self._before(uid) for uid in actions]
        others = self._with_others_before(befores)
        self.items = self._with_all_after({*self.probed.items, *edited, *others}, befores)
        self._fill_from_plan()
        return self._watches_the_same(environ)

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
                    if one != uid and self._number_of.get(one, -1) not in before:
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
        for number, before in enumerate(now):
            if not before <= set(befores[number]):
                yield number

    def _before(self, uid: Hashable) -> set[int]:
        """Return what an action comes after as the plan says, with or without needing it."""
        before = {self._number_of[one] for one in self.actions.get_predecessors(uid)}
        return before.union(self._number_of[one] for one in self.actions.get_after(uid))

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

    def _fill_from_plan(self) -> None:
        uids = list(self.actions.vertex_data)
        self.uids = [str(uids[number]) for number in self.items]
        inside = set(self.uids)
        for uid in self.uids:
            before = [one for one in self.actions.get_predecessors(uid) if one in inside]
            after = [one for one in self.actions.get_after(uid) if one in inside]
            command = self.actions.vertex_data[uid]
            self.graph.update_vertex(uid, command, before, enable_checks=False, after=after)
        self.find_records()

    def _watches_the_same(self, environ: Mapping[str, str]) -> bool:
        """Return whether the plan depends on the same files and folders as before."""
        self._environ = self.watch.environ_with(self.actions.vertex_data.values(), environ)
        rows = self.watch.rows_with(self.actions.vertex_data.values())
        watched = {os.fsencode(path): stamp for path, stamp in rows.items()}
        snapshot = self.probed.snapshot
        paths = snapshot.paths()
        kind_of = dict(zip(paths, snapshot.section(probe.KINDS), strict=True))
        if not {paths[row] for row in self.probed.moved}.isdisjoint(
            os.fsencode(path) for path in (*self.watch.system, *self.watch.search)
        ):
            return False
        # what an action makes is looked after as its output
        self._watched = {path: stamp for path, stamp in watched.items() if kind_of.get(path) != MADE}
        return {path for path, kind in kind_of.items() if kind == WATCHED} == set(self._watched)

    def refreshed(self, walk: CommandWalk) -> tuple[list[bytes], list[bytes] | None] | None:
        """Return the snapshot with what the walk has seen, and what the plan says now."""
        facts, snapshot = self.probed.facts, self.probed.snapshot
        facts.environ, facts.folders = self._environ, list(self.watch.folders)
        facts.links = {
            **self.watch.links,
            **links_of_discovered(walk, {uid: self.actions.vertex_data[uid] for uid in self.uids}),
        }
        facts.has_globs, facts.queues = self.watch.has_globs, dict(self.watch.queues)
        facts.generates_plans = self.watch.generates_plans
        fresh = super().refreshed(walk)
        if fresh is None:
            return None
        sections, _ = fresh
        self._put_watched(sections)
        befores = {
            number: sorted(
                self._before(uid)
                | {self._number_of[one] for one in walk.producers_of_discovered(uid) if one in self._number_of}
            )
            for number, uid in zip(self.items, self.uids, strict=True)
        }
        replace_lists(sections, probe.BEFORE_ENDS, snapshot.befores(), befores)
        before = sections[probe.ITEM_FILE]
        sections[probe.ITEM_FILE : probe.ITEM_SUMS + 1] = snapshot_file.item_sections(self._texts)
        return sections, None if sections[probe.ITEM_FILE] == before else self._texts

    def _put_watched(self, sections: list[bytes]) -> None:
        """Put the stamps in their place that the plan was read with."""
        snapshot, moved = self.probed.snapshot, set(self.probed.moved)
        number_of = {path: number for number, path in enumerate(snapshot.paths()) if path in self._watched}
        stamps = [bytearray(sections[column]) for column in STAMPS]
        values = [memoryview(column).cast("q") for column in stamps]
        previous = [snapshot.column(column) for column in STAMPS]
        for path, stamp in self._watched.items():
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
