"""Between a CommandWalk and its snapshot: what a walk has seen as columns, and the dirty part as a walk.

It knows nothing of plans; what a front end depends on is handed in as `Watch`.
"""

from __future__ import annotations

import os
from struct import pack

from treadle.command.walk import CommandWalk, Rest
from treadle.content.digests import ABSENT, SUCCESS
from treadle.content.timestamps import ABSENT as NO_STAMP
from treadle.content.timestamps import UNSURE
from treadle.core.elements import value_of
from treadle.core.graph.dag import DAG
from treadle.errors import TreadleError
from treadle.state.store import Known

from . import probe
from .probe import MADE, READ, WATCHED, split_texts
from .snapshot_file import Columns, command_from, join_texts, texts_of, texts_of_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
    from typing import Any

    from treadle.command.command import Command
    from treadle.content.files import Seen
    from treadle.core.conditions import Condition, Start
    from treadle.core.graph.dag import Starts
    from treadle.state.store import Store

    from .probe import ProbeResult

    Row = tuple[int, int, int]


_MICROSECOND = 1_000_000
"""Of them a second has."""


class Watch:
    """What a front end depends on: when one of these moves, the plan has to be loaded again.

    :param rows: path -> stamp, or UNSURE where it is not known
    :param system: the same for what decides fingerprints in addition to Commands
    :param search: the same for the folders of PATH, which count if a tool is looked for there
    :param environ: variables that were looked up, None for those that are not set
    :param folders: paths that have to be folders
    :param links: path of a link that a path of the plan leads through -> where to
    :param plan: the file that all of it was read from, relative to the root if it is in it
    :param root: the folder of the project
    :param has_globs: whether the plan has globs
    :param queues: name -> tokens
    :param generates_plans: whether actions generate plans that are a part of this one
    :param pool: what the plan says of resources, see `Project.pool`
    :param cache: what the plan says of its cache, see `Project.cache`
    :param nearby: the plans among which this one was found, relative to the root, see `Facts`
    """

    __slots__ = (
        *("cache", "environ", "folders", "generates_plans", "has_globs", "links", "nearby", "plan"),
        *("pool", "queues", "root", "rows", "search", "system"),
    )

    def __init__(
        self,
        rows: Mapping[str, Row],
        system: Mapping[str, Row],
        search: Mapping[str, Row],
        environ: Mapping[str, str | None],
        *,
        folders: Sequence[str],
        links: Mapping[str, str],
        plan: str,
        root: str,
        has_globs: bool,
        queues: Mapping[str, int],
        generates_plans: bool,
        pool: str,
        cache: str,
        nearby: Sequence[str] = (),
    ) -> None:
        self.pool = pool
        self.cache = cache
        self.nearby = nearby
        self.rows = dict(rows)
        self.system = dict(system)
        self.search = dict(search)
        self.environ = dict(environ)
        self.folders = folders
        self.links = links
        self.plan = plan
        self.root = root
        self.has_globs = has_globs
        self.queues = queues
        self.generates_plans = generates_plans

    def environ_with(self, commands: Collection[Command], environ: Mapping[str, str]) -> dict[str, str | None]:
        """Return its variables, and those that some Commands are sensitive to."""
        from treadle.core.redaction import digest

        found = dict(self.environ)
        for command in commands:
            for name in command.env.track:
                value = environ.get(name)
                found[name] = digest(name, value) if value is not None and name in command.env.secret else value
        # a program of the root is an input of what starts it, and PATH says which one that is
        has_tools = any(command.tools for command in commands)
        found["PATH"] = environ.get("PATH") if has_tools else probe.own_path(self.root, environ)
        return found

    def rows_with(self, commands: Iterable[Command]) -> dict[str, Row]:
        """Return its rows; of the folders of PATH those in the root, all of them where a tool is looked for."""
        everywhere = any(command.tools for command in commands)
        search = {path: stamp for path, stamp in self.search.items() if everywhere or not path.startswith("/")}
        return self.rows | self.system | search


def columns_of(walk: CommandWalk, watch: Watch) -> Columns:
    """Return what a walk over a whole plan has seen."""
    actions: dict[str, Command] = walk.actions.vertex_data  # type: ignore[assignment]
    environ = watch.environ_with(actions.values(), walk.settings.environ)
    made = Columns(())
    for path, stamp in watch.rows_with(actions.values()).items():
        made.row(path, stamp, WATCHED)
    number_of = numbers_of(walk.actions)
    unneeded = walk.unneeded_actions()
    saved = 0.0
    for uid, command in actions.items():
        found = {number_of[p] for p in walk.producers_of_discovered(uid) if p in number_of}
        befores = {number_of[p] for p in walk.actions.get_predecessors(uid)} | found
        befores.update(number_of[p] for p in walk.actions.get_after(uid))
        item = _item_of(walk, uid, command, is_unneeded=uid in unneeded)
        made.item_rows.append([made.row(*row) for row in item.rows])
        made.befores.append(sorted(befores))
        made.numbers.append(item.numbers)
        made.keys.append(bytes.fromhex(walk.owner(uid, command).key))
        made.items += items_of(walk.actions, uid, number_of)
        saved += item.duration
    store_id, length = walk.store.position
    log = (store_id, length, length)
    links = {**watch.links, **links_of_discovered(walk, actions)}
    facts = probe.Facts(
        *(log, watch.plan, saved, environ, watch.folders, links),
        *(watch.has_globs, watch.queues, watch.generates_plans, watch.pool, watch.cache, watch.nearby),
        last_of(walk),
        files_of(watch.root, actions, unneeded, walk.last),
    )
    made.facts = facts.texts()
    return made


def files_of(
    root: str, actions: Mapping[Any, Command], unneeded: Collection[Hashable], last: DAG | None
) -> list[str]:
    """Return the files that are read only after a failure or at the end of a run, and that no action makes.

    They have no rows, and a plan without one of them is wrong.

    :param root: the folder that paths are relative to
    :param unneeded: those of the actions that run only after a failure
    """
    at_end: Mapping[Any, Command] = last.vertex_data if last is not None else {}
    late = [*(actions[uid] for uid in actions if uid in unneeded), *at_end.values()]
    read = dict.fromkeys(path for one in late for path in (*one.inputs, *one.edits))
    if not read:
        return []
    made = {path for command in (*actions.values(), *at_end.values()) for path in command.made}
    return [path for path in read if path not in made and os.path.isfile(os.path.join(root, path))]


def last_of(walk: CommandWalk) -> list[str]:
    """Return what a snapshot keeps of the actions at the end, with where their records are in the log."""
    texts: list[str] = []
    for uid, command in walk.last.vertex_data.items() if walk.last is not None else ():
        entry = walk.store.entries.get(walk.owner(str(uid), command).key)
        frames = (entry.offset, entry.last_offset) if entry is not None else (-1, -1)
        place = texts_of_place(command.place)
        own = [*map(str, frames), str(uid), str(len(place)), *place, *texts_of(command)]
        texts += (str(len(own)), *own)
    return texts


def last_from(texts: Sequence[str]) -> tuple[DAG | None, list[int]]:
    """Return the graph of the actions that `last_of` has made texts of, and where in the log their records are.

    :raises ValueError: the texts are not what they should be; so does LookupError
    """
    if not texts:
        return None, []
    graph, frames, before, at = DAG(), list[int](), list[str](), 0
    while at < len(texts):
        own = texts[at + 1 : at + 1 + int(texts[at])]
        at += 1 + len(own)
        frames += [offset for offset in map(int, own[:2]) if offset >= 0]
        uid, end = own[2], 4 + int(own[3])
        graph.add_vertex(uid, command_from(own[end:], own[4:end]), after=before[-1:])
        before.append(uid)
    return graph, frames


def links_of_discovered(walk: CommandWalk, actions: Mapping[str, Command]) -> dict[str, str]:
    """Return the links that what actions were found to read leads through, and where they lead to."""
    found: dict[str, str] = {}
    for uid, command in actions.items():
        inputs = walk.last_inputs(uid) if command.discovery is not None else None
        if inputs is not None:
            found |= walk.discovered.links_of(inputs.results)
    return found


def numbers_of(actions: DAG) -> dict[Hashable, int]:
    """Return the number of each action of a graph."""
    return {uid: number for number, uid in enumerate(actions.vertex_data)}


def items_of(actions: DAG, uid: str, number_of: Mapping[Hashable, int]) -> tuple[bytes, bytes]:
    """Return what a snapshot keeps of one action whatever comes: itself, and its place."""
    command: Command = actions.vertex_data[uid]
    only_after = actions.get_after(uid) - actions.get_predecessors(uid)
    after = [str(n) for n in sorted(number_of[p] for p in only_after)]
    texts = [uid, str(len(after)), *after]
    if conditions := actions.get_conditions(uid):
        texts[1] += f"+{len(conditions)}"
        for start in sorted(conditions, key=number_of.__getitem__):
            texts += (str(number_of[start]), str(start), conditions[start].text)
    texts += texts_of(command)
    return join_texts(texts), join_texts(texts_of_place(command.place))


class _Item:
    """What a snapshot says of one action: rows of what its verdict was made with, NEVER without a record."""

    __slots__ = ("duration", "frames", "offset", "rows")

    def __init__(self, walk: CommandWalk, uid: str, command: Command, *, is_unneeded: bool) -> None:
        entry = walk.store.entries.get(walk.owner(uid, command).key)
        inputs = walk.last_inputs(uid)
        self.rows: list[tuple[str, Row, int, str | None]] = []
        self.offset = probe.UNNEEDED if is_unneeded else probe.NEVER
        self.duration = 0.0
        self.frames = (entry.offset, entry.last_offset) if entry is not None else (-1, -1)
        if inputs is None:
            return
        # also of what failed: the watch loop tries it again when something has moved since
        outputs = set(command.outputs)
        for path, seen in (*inputs.seen.items(), *inputs.results.items()):
            # what another action has installed is its output: it calls for no round of a watcher
            kind = MADE if path in outputs or seen.value.startswith(SUCCESS) else READ
            self.rows += rows_of(path, seen, kind)
        if command.discovery is not None:
            # where a link is turned, what was found has another real name
            for path in walk.discovered.with_real_names(inputs.results):
                if path not in inputs.results:
                    self.rows += rows_of(path, walk.fingerprinter.files.see(path), READ)
        if is_unneeded or entry is None or not entry.counts or not _ended_well(walk, uid) or walk.demands(uid):
            return
        if any(tool.version for tool in command.tools) or "PATH" in command.env.set:
            return
        self.offset, self.duration = entry.offset, entry.duration

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers that are kept of it, see `probe.OFFSETS`."""
        return (self.offset, *self.frames, round(self.duration * _MICROSECOND))


def _ended_well(walk: CommandWalk, uid: str) -> bool:
    status = walk.job_status.get(uid)
    return status is not None and status.is_good


def rows_of(path: str, seen: Seen, kind: int) -> list[tuple[str, Row, int, str | None]]:
    """Return the rows of one look: path, stamp, kind and, of a single file, the value."""
    if path.endswith("/") or seen.strays:
        rows: list[tuple[str, Row, int, str | None]] = [
            (path, look.stamp if look.sure else UNSURE, kind, look.value or None)
            for looks in (seen.folders, seen.looks)
            for path, look in looks.items()
        ]
        rows += [
            (path, NO_STAMP if look is None else look.stamp if look.sure else UNSURE, kind, None)
            for path, look in seen.strays.items()
        ]
        if not rows:
            # a folder that is gone, or a file in its place: either way it counts as soon as there is one again
            return [(path, NO_STAMP, kind, None)]
        return rows
    if seen.value == ABSENT or path not in seen.looks:
        return [(path, NO_STAMP, kind, ABSENT)]
    return [(path, seen.looks[path].stamp if seen.sure else UNSURE, kind, seen.value)]


class _OnceItem(_Item):
    """The same of an action that runs only while an output is missing: that they are there is all that counts."""

    __slots__ = ()

    def __init__(self, walk: CommandWalk, uid: str, command: Command, *, is_unneeded: bool) -> None:
        super().__init__(walk, uid, command, is_unneeded=is_unneeded)
        if is_unneeded:
            return
        self.rows, self.offset, self.duration = [], probe.NEVER, 0.0
        if not _ended_well(walk, uid) or walk.demands(uid):
            return
        for path in command.outputs:
            try:
                status = os.stat(os.path.join(walk.root, path))
            except OSError:
                return
            if path.endswith("/"):
                stamp = walk.fingerprinter.files.systems.stamp(status, os.path.join(walk.root, path))
                self.rows.append((path, stamp, MADE, None))
            else:
                try:
                    seen = walk.fingerprinter.files.see(path, True)
                except TreadleError:
                    return
                self.rows += rows_of(path, seen, MADE)
        self.offset = probe.OF_ITSELF


def _item_of(walk: CommandWalk, uid: str, command: Command, *, is_unneeded: bool) -> _Item:
    return (_OnceItem if command.once else _Item)(walk, uid, command, is_unneeded=is_unneeded)


def part_of(probed: ProbeResult) -> Part | None:
    """Return the dirty part of a plan, None if the snapshot is not what it should be."""
    try:
        return Part(probed, probed.items, *_graph_of(probed))
    except (TreadleError, ValueError, LookupError, OverflowError):
        return None


def _graph_of(probed: ProbeResult) -> tuple[DAG, dict[str, dict[Hashable, Condition]]]:
    """Return the dirty actions as the snapshot has them, and the conditions of edges from others."""
    snapshot, items = probed.snapshot, probed.items
    before = snapshot.befores()
    texts = snapshot.items(item for number in items for item in (2 * number, 2 * number + 1))
    actions = [split_texts(text) for text in texts[::2]]
    uids = {number: parts[0] for number, parts in zip(items, actions, strict=True)}
    graph = DAG()
    outside: dict[str, dict[Hashable, Condition]] = {}
    for number, parts, place in zip(items, actions, texts[1::2], strict=True):
        uid, (count, _, conditional) = parts[0], parts[1].partition("+")
        end = 2 + int(count)
        after = [uids[int(n)] for n in parts[2:end] if int(n) in uids]
        only_after = set(after)
        predecessors: Starts = [uids[n] for n in before[number] if n in uids and uids[n] not in only_after]
        if conditional:
            at, end = end, end + 3 * int(conditional)
            triples = zip(parts[at:end:3], parts[at + 1 : end : 3], parts[at + 2 : end : 3], strict=True)
            predecessors, outside[uid] = _with_conditions(predecessors, triples, uids)
        command = command_from(parts[end:], split_texts(place))
        graph.update_vertex(uid, command, predecessors, enable_checks=False, after=after)
    return graph, outside


def _with_conditions(
    predecessors: Iterable[Hashable], triples: Iterable[tuple[str, str, str]], uids: Mapping[int, str]
) -> tuple[dict[Hashable, Condition | None], dict[Hashable, Condition]]:
    """Return predecessors with their conditions, and the others with theirs.

    :param triples: number, name and condition of starts
    :param uids: number -> name of those that are walked
    :raises UsageError: a condition is not what was written
    """
    from treadle.core.conditions import parse

    inside: dict[Hashable, Condition | None] = dict.fromkeys(predecessors)
    outside: dict[Hashable, Condition] = {}
    for number, name, text in triples:
        (inside if int(number) in uids else outside)[name] = parse(text)
    return inside, outside


class Part:
    """The dirty part of a plan, as a walk.

    :param probed: what is dirty
    :param items: the numbers of the actions that are walked
    :param graph: these actions, in the same order
    :param outside: uid -> start -> condition, of edges from actions that are not walked
    :raises ValueError: the snapshot is not what it should be; so do LookupError and OverflowError
    """

    def __init__(
        self,
        probed: ProbeResult,
        items: Sequence[int],
        graph: DAG,
        outside: Mapping[str, Mapping[Hashable, Condition]],
    ) -> None:
        self.probed = probed
        self.items = items
        self.outside = outside
        self.graph = graph
        self.uids = list(map(str, graph.vertex_data))
        if len(self.uids) != len(items):
            raise ValueError("two actions of a snapshot have one name")
        self.durations: list[float] = []
        self._known: list[int]
        self.last, self._known = last_from(probed.facts.last)
        """The actions at the end."""
        self._key_of: dict[int, str] = {}
        snapshot = probed.snapshot
        offsets, successes, lasts, durations = (snapshot.column(number) for number in _NUMBERS)
        for number in items:
            self.durations.append(durations[number] / _MICROSECOND)
            self._known += [offset for offset in (successes[number], lasts[number]) if offset >= 0]
            if offsets[number] >= 0:
                self._key_of[number] = snapshot.key(number).hex()

    def rest(self) -> Rest:
        """Return what is known of the actions that are not walked; they count as skipped."""
        store_id, length, _ = self.probed.facts.log
        known = Known(store_id, length, self.probed.log_size, self._known)
        saved = self.probed.facts.saved - sum(self.durations)
        unneeded = self.probed.unneeded
        if unneeded:
            offsets = self.probed.snapshot.column(probe.OFFSETS)
            unneeded -= sum(offsets[number] == probe.UNNEEDED for number in self.items)
        untouched = self.probed.total - len(self.uids)
        return Rest(known, self._stamps, untouched, saved, unneeded, self._starts_outside())

    def _starts_outside(self) -> dict[str, list[Start]]:
        """Return the edges from actions that are not walked, and so up to date, that keep others from running."""
        found: dict[str, list[Start]] = {}
        for uid, conditions in self.outside.items():
            from treadle.core.conditions import Start
            from treadle.core.outcomes import outcome

            for start, condition in conditions.items():
                if not condition.may_follow_skip:
                    unmet = Start(start, outcome("skip"), False, (), condition.text)
                    found.setdefault(uid, []).append(unmet)
        return found

    def _stamps(self, store: Store) -> dict[str, tuple[Row, str]]:
        """Return stamp and value of the files that did not move, so that they need not be read.

        The value is in the record of each action that reads or makes the file, and the stamp is in its row.
        """
        snapshot, moved = self.probed.snapshot, set(self.probed.moved)
        paths = snapshot.paths()
        stamps = [snapshot.column(number) for number in (probe.CTIMES, probe.INODES, probe.SIZES)]
        rows_of_item = snapshot.item_rows()
        known: dict[str, tuple[Row, str]] = {}
        for number, key in self._key_of.items():
            entry = store.entries.get(key)
            record = entry.record if entry is not None else None
            for row in rows_of_item[number]:
                stamp = (stamps[0][row], stamps[1][row], stamps[2][row])
                if record is None or row in moved or stamp in (UNSURE, NO_STAMP):
                    continue
                path = os.fsdecode(paths[row])
                value = value_of(path, record.elements)
                # what represents a success says nothing of what the file holds
                if value is not None and not value.startswith(SUCCESS):
                    known[path] = (stamp, value)
        return known

    def _reads_others(self, walk: CommandWalk) -> bool:
        """Return whether an action was found to read something that its rows do not name."""
        paths = self.probed.snapshot.paths()
        rows_of_item = self.probed.snapshot.item_rows()
        for number, uid in zip(self.items, self.uids, strict=True):
            if self.graph.vertex_data[uid].discovery is not None:
                before = {os.fsdecode(paths[row]) for row in rows_of_item[number]}
                if not discovered_by(walk, uid) <= before:
                    return True
        return False

    def refreshed(self, walk: CommandWalk) -> tuple[list[bytes], list[bytes] | None] | None:
        """Return the snapshot with what the walk has seen in place of what was dirty.

        :return: its sections, and what its items say of themselves if that has changed; None where an action was
            found to read something else than before: what makes that only the whole plan can say
        """
        if self._reads_others(walk):
            return None
        sections = [self.probed.snapshot.section(number) for number in range(_NUMBERS.stop)]
        rows_of_item = self.probed.snapshot.item_rows()
        used = {row for number in self.items for row in rows_of_item[number]}
        rows = _Rows(sections, set(self.probed.moved), used)
        numbers = [bytearray(sections[number]) for number in _NUMBERS]
        columns_of_numbers = [memoryview(column).cast("q") for column in numbers]
        lists: dict[int, list[int]] = {}
        saved = self.probed.facts.saved - sum(self.durations)
        unneeded = walk.unneeded_actions()
        for number, uid in zip(self.items, self.uids, strict=True):
            item = _item_of(walk, uid, self.graph.vertex_data[uid], is_unneeded=uid in unneeded)
            lists[number] = [rows.take(*row) for row in item.rows]
            for column, value in zip(columns_of_numbers, item.numbers, strict=True):
                column[number] = value
            saved += item.duration
        rows.put(sections)
        sections[_NUMBERS.start : _NUMBERS.stop] = map(bytes, numbers)
        replace_lists(sections, probe.ROW_ENDS, rows_of_item, lists)
        facts = self.probed.facts
        store_id, length = walk.store.position
        facts.log, facts.saved = (store_id, length, facts.log[2]), saved
        facts.last = last_of(walk)
        sections[probe.FACTS] = join_texts(facts.texts())
        return sections, None


def discovered_by(walk: CommandWalk, uid: str) -> set[str]:
    """Return what an action was found to read, also by the names without links, and what it makes."""
    inputs = walk.last_inputs(uid)
    return set(walk.discovered.with_real_names(inputs.results)) if inputs is not None else set()


class _Rows:
    """The rows of a snapshot, changed by what a walk has seen."""

    def __init__(self, sections: list[bytes], moved: set[int], used: Iterable[int]) -> None:
        self._paths = sections[probe.PATHS].split(b"\0")
        self._kinds = bytearray(sections[probe.KINDS])
        self._columns = [bytearray(sections[number]) for number in STAMPS]
        self._stamps = [memoryview(column).cast("q") for column in self._columns]
        self._moved = moved
        self._fresh = Columns(())
        self._added: list[Row] = []
        self._number_of = {self._paths[row]: row for row in used}

    def take(self, path: str, stamp: Row, kind: int, value: str | None) -> int:
        """Take in a look at a path; return its row."""
        raw = os.fsencode(path)
        number = self._number_of.get(raw)
        if number is None:
            number = self._number_of[raw] = self._find(raw, kind)
        fresh = self._fresh.row(path, stamp, kind, value)
        stamp = self._fresh.stamps[fresh]
        added = number - len(self._stamps[0])
        if added >= 0:
            self._added[added] = stamp
            return number
        before = (self._stamps[0][number], self._stamps[1][number], self._stamps[2][number])
        if stamp != before and number not in self._moved:
            # others have read it too, and trust a stamp that it has no more
            stamp = UNSURE
        for column, part in zip(self._stamps, stamp, strict=True):
            column[number] = part
        return number

    def _find(self, raw: bytes, kind: int) -> int:
        try:
            return self._paths.index(raw)
        except ValueError:
            self._paths.append(raw)
            self._kinds.append(kind)
            self._added.append(UNSURE)
            return len(self._paths) - 1

    def put(self, sections: list[bytes]) -> None:
        """Put the rows into the sections."""
        if self._added:
            sections[probe.PATHS] = b"\0".join(self._paths)
        sections[probe.KINDS] = bytes(self._kinds)
        for at, number in enumerate(STAMPS):
            added = pack(f"{len(self._added)}q", *(stamp[at] for stamp in self._added))
            sections[number] = bytes(self._columns[at]) + added


_NUMBERS = range(probe.NUMBERS, probe.NUMBERS + probe.PER_ITEM)
STAMPS = (probe.CTIMES, probe.INODES, probe.SIZES)


def replace_lists(
    sections: list[bytes], place: int, before: probe.Lists, lists: Mapping[int, Sequence[int]]
) -> None:
    """Put other lists in the place of some.

    :param place: the section of their ends; they are in the next one
    """
    pieces: list[bytes | memoryview[int]] = []
    ends = before.ends.tolist()
    at = 0
    for number, rows in sorted(lists.items()):
        first, last = before.span(number)
        pieces += [before.flat[at:first], pack(f"{len(rows)}I", *rows)]
        at = last
        grown = len(rows) - (last - first)
        if grown:
            ends[number:] = [end + grown for end in ends[number:]]
    sections[place] = pack(f"{len(ends)}I", *ends)
    sections[place + 1] = b"".join([*pieces, before.flat[at:]])
