"""Discovered inputs: what actions read in addition to what they declare, as looked at and as recorded.

It knows the Commands of a walk and which of them ran at the same time, and decides whether what an action has read
may go on record.

A producer that only a depfile names is waited for from the next run on, and is brought in with its consumer. A
run that is not recorded logs these names too, so that the next one knows the order.
"""

from __future__ import annotations

import os

from treadle.content.digests import ABSENT, SUCCESS, is_folder
from treadle.content.files import GRANULARITY, moved
from treadle.content.links import Links, Producers
from treadle.core.elements import DISCOVERED, OUTPUT, digest, paths_of
from treadle.errors import DAGError
from treadle.state.records import Owner
from treadle.state.store import run_file

from .command import Command, written_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from treadle.content.files import Files, Look, Seen
    from treadle.core.graph.dag import DAG
    from treadle.state.records import Entry
    from treadle.state.store import Store

    from .fingerprinting import ActionInputs


class Overlaps:
    """Which actions of a walk ran at the same time, by the order of their starts and ends."""

    __slots__ = ("_begun", "_ends", "_over")

    def __init__(self) -> None:
        self._ends = 0
        self._begun: dict[str, int] = {}
        self._over: dict[str, int] = {}

    def begins(self, uid: str) -> None:
        """Note that an attempt of an action begins."""
        self._begun[uid] = self._ends

    def is_over(self, uid: str, *, has_run: bool) -> None:
        """Note that an action is over; one that will be tried again is not."""
        self._ends += has_run
        self._over[uid] = self._ends if has_run else 0

    def overlapped(self, uid: str, other: str) -> bool:
        """Return whether `other` has run since the last attempt of `uid` began, runs now, or has yet to run."""
        end = self._over.get(other)
        return end is None or end > self._begun.get(uid, 0)


class DiscoveredInputs:
    """Adds the discovered inputs of the actions of one walk to their fingerprints.

    :param files: the files of the root
    :param commands: all actions of the walk
    """

    def __init__(self, files: Files, commands: Mapping[Any, Command]) -> None:
        self.files = files
        self.overlaps = Overlaps()
        self._commands = commands
        self._producers: Producers | None = None
        self._links: Links | None = None
        """The links as they are when the walk is over."""

    def add(
        self,
        uid: str,
        command: Command,
        inputs: ActionInputs,
        before: Mapping[str, Seen],
        started: float,
        left_by: Callable[[str], Mapping[str, Seen]],
    ) -> list[str]:
        """Add what the discovery names to the result; return the paths that may have held something else meanwhile.

        A path that is absent goes on record as absent: when it appears, the action runs.

        :param before: path -> what was seen of it at the start, of the inputs discovered the time before
        :param started: when the attempt began, in seconds since the epoch
        :param left_by: returns path -> what was seen of it when an action of this walk had ended
        :raises TreadleError: the data of the discovery is missing or not valid
        """
        since = int(started * 1e9) - GRANULARITY
        changed = []
        fresh: dict[str, Seen] = {}
        links = Links(self.files.root)
        for path, seen, was_there in look_at_discovered(self.files, uid, command, links):
            inputs.add_discovered(path, seen)
            own = _own_in(path, command)
            producers = self._producers_of(uid, path, links)
            if _is_around(path, seen) or seen.value.startswith(SUCCESS):
                # what represents a success is only written by its producer, which is looked at below
                has_moved = False
            elif path in before:
                has_moved = _others_moved(own, before[path], seen) if own else moved(before[path], seen)
            elif seen.value == ABSENT:
                # it may be a temporary file of the command: it counts if it is known to have existed
                has_moved = was_there or bool(producers)
            else:
                has_moved = _has_new_stamp(seen, own, since) and not _is_as_left(seen, producers, left_by)
            if not (path in before or _is_around(path, seen) or seen.value.startswith(SUCCESS)):
                fresh[path] = seen
            if has_moved or any(self.overlaps.overlapped(uid, one) for one in producers):
                changed.append(path)
        changed += self._moved_on_the_way(fresh, since) if fresh else ()
        return list(dict.fromkeys(changed))

    def _moved_on_the_way(self, fresh: Mapping[str, Seen], since: int) -> list[str]:
        """Return the paths that may have been read through another folder or link than exists now.

        They were not looked at when the action began, so the times of the folders and links decide.

        :param fresh: path -> what was seen of it, of what was discovered for the first time
        """
        looks = [look for seen in fresh.values() for look in (*seen.looks.values(), *seen.folders.values())]
        since -= max((look.lag for look in looks), default=0)
        found = self.files.ways(fresh).moved_since(since)
        trees = [
            path
            for path, seen in fresh.items()
            if any(look.may_be_renamed_since(since) for look in seen.links.values())
        ]
        return [*found, *trees]

    def producers_of(self, uid: str, found: Iterable[str]) -> list[str]:
        """Return the producers of the discovered inputs of an action."""
        links = Links(self.files.root)
        return list(dict.fromkeys(one for path in found for one in self._producers_of(uid, path, links)))

    def with_real_names(self, found: Iterable[str]) -> list[str]:
        """Return paths, and their names without links."""
        if self._links is None:
            self._links = Links(self.files.root)
        links = self._links
        return list(dict.fromkeys(name for path in found for name in (path, links.real(path))))

    def links_of(self, found: Iterable[str]) -> dict[str, str]:
        """Return link -> where it leads to, of the links on the way of paths when the walk is over."""
        if self._links is None:
            self._links = Links(self.files.root)
        links = self._links
        return {link: links.text(link) for path in found for link in links.trail(path)[:-1]}

    def _producers_of(self, uid: str, path: str, links: Links) -> list[str]:
        if self._producers is None:
            self._producers = Producers(self.files.root, written_by(self._commands))
        return [producer for producer in self._producers.of(path, links) if producer != uid]


def look_at_discovered(files: Files, uid: str, command: Command, links: Links) -> Iterator[tuple[str, Seen, bool]]:
    """Yield each discovered input of a command: path, what it holds now, whether a look before found a file.

    A folder counts with all that is in it, and its path has a trailing `/`; of a folder around the root only its
    existence counts.

    :raises TreadleError: the data of the discovery is missing or not valid, or a file cannot be read
    """
    if command.discovery is None:
        return
    from .discovery import discovered_paths

    is_declared = _Declared(command, links)
    folder = ""
    if command.workdir:
        from .fresh_room import folder_of

        folder = folder_of(links.root, command.label, uid)
    for path in discovered_paths(command.discovery, links, command.cwd, uid, folder):
        if is_declared(path):
            continue
        if path == "/":
            # a path that ends with / is a tree
            path = "/."
        was_there = files.has_met(path)
        seen = files.see_again(path)
        if is_folder(seen.value) and not _holds(path, files.root):
            path = "./" if path == "." else f"{path}/"
            if is_declared(path):
                continue
            was_there = files.has_met(path)
            seen = files.see_again(path)
        yield path, seen, was_there


class _Declared:
    """Whether a path is declared by a Command, by any name that it has through links."""

    def __init__(self, command: Command, links: Links) -> None:
        self._links = links
        self._paths = {*command.inputs, *command.made, *command.edits}
        # another name of a declared input is an input of its own; an output is never an input of its action
        made = {links.place(path) for path in self._paths.difference(command.inputs)}
        self._paths |= made
        self._made = made
        self._folders = tuple(path for path in {*command.outputs, *made} if path.endswith("/"))

    def __call__(self, path: str) -> bool:
        real = self._links.real(path)
        return (
            path in self._paths
            or real in self._made
            or path.startswith(self._folders)
            or real.startswith(self._folders)
        )


def _is_around(path: str, seen: Seen) -> bool:
    """Return whether it is a folder of which only the existence counts."""
    return not path.endswith("/") and is_folder(seen.value)


def _holds(path: str, root: str) -> bool:
    """Return whether a folder holds the root: its content changes for other reasons all the time."""
    full = os.path.realpath(os.path.join(root, path))
    real = os.path.realpath(root)
    return real != full and os.path.join(real, "").startswith(os.path.join(full, ""))


def _own_in(path: str, command: Command) -> tuple[str, ...]:
    """Return what an action itself writes in a folder that it reads: this changes in each run."""
    if not path.endswith("/"):
        return ()
    return tuple(name for name in (*command.made, *command.edits) if _lies_in(name, path))


def _lies_in(path: str, folder: str) -> bool:
    return folder == "./" or path.removeprefix("./").startswith(folder.removeprefix("./"))


def _others(seen: Seen, own: tuple[str, ...]) -> dict[str, Look]:
    """Return the looks at files that the action does not write itself."""
    exact = set(own)
    folders = tuple(name for name in own if name.endswith("/"))
    return {
        path: look
        for path, look in seen.looks.items()
        if (name := path.removeprefix("./")) not in exact and not name.startswith(folders)
    }


def _folders(seen: Seen, own: tuple[str, ...]) -> list[str]:
    """Return the folders in which the action writes nothing: the others have another stamp after each run."""
    return [path for path in seen.folders if not any(_lies_in(one, path) or _lies_in(path, one) for one in own)]


def _others_moved(own: tuple[str, ...], before: Seen, after: Seen) -> bool:
    """Return whether a folder may have held something else for a while, without what the action writes."""
    then, now = _others(before, own), _others(after, own)
    if then.keys() != now.keys() or _folders(before, own) != _folders(after, own):
        return True
    if any(then[path].has_moved(look) for path, look in now.items()):
        return True
    return any(before.folders[path].has_moved(after.folders[path]) for path in _folders(after, own))


def _is_as_left(seen: Seen, producers: Iterable[str], left_by: Callable[[str], Mapping[str, Seen]]) -> bool:
    """Return whether a file is as its producer has left it: then it has not changed since, however new it is.

    Whether the producer was over when the attempt began is checked apart. A stamp is the same for each name.
    """
    sure = (one for producer in producers for one in left_by(producer).values() if one.sure)
    left = {look.stamp for one in sure for look in one.looks.values()}
    return not seen.folders and all(look.stamp in left for look in seen.looks.values())


def _has_new_stamp(seen: Seen, own: tuple[str, ...], since: int) -> bool:
    """Return whether something was written since a time (nanoseconds) that the action does not write itself."""
    looks = [*_others(seen, own).values(), *(seen.folders[path] for path in _folders(seen, own))]
    return any(look.stamp[0] >= since - look.lag for look in looks)


def owner_of(uid: str, command: Command) -> Owner:
    """Return the owner of the record of an action: its outputs or, without any, its plan, uid and command.

    So two values of a parameter that lead to other outputs have records of their own, and outputs keep their record
    when their action or plan gets another name.
    """
    parts = dict.fromkeys((OUTPUT + path for path in command.outputs), "")
    if not parts:
        parts = {"label": command.label, "uid": uid, "command": command.counted}
    return Owner(
        digest(parts),
        command.label,
        uid,
        command.outputs,
        depfile="" if command.discovery is None else command.discovery.path,
        keeps=command.keep,
        once=command.once,
        exclude={path: command.exclude[path] for path in command.outputs if path in command.exclude},
        presence=command.presence,
    )


def stand_ins(commands: Iterable[object]) -> dict[str, str]:
    """Return folder -> the file that represents what is in it, of outputs that are judged by presence."""
    found: dict[str, str] = {}
    for command in commands:
        if isinstance(command, Command) and (command.presence or command.installed):
            found |= {folder: run_file(folder) for folder in (*command.presence, *command.installed)}
    return found


def discovered_on_record(store: Store, uid: str, command: Command) -> list[str]:
    """Return the discovered inputs of the last success of an action, also if that was not recorded."""
    entry = store.entries.get(owner_of(uid, command).key) if command.discovery is not None else None
    return discovered_in(entry) if entry is not None else []


def discovered_in(entry: Entry) -> list[str]:
    """Return the discovered inputs in an entry of the store, also of a success that was not recorded."""
    found = entry.found_at_end
    if found:
        return found
    success = entry.success
    return paths_of(success.results, DISCOVERED) if success is not None else []


def producers_on_record(store: Store, commands: Mapping[str, Command]) -> Iterator[tuple[str, str]]:
    """Yield (action, producer) for each discovered input that another action makes or edits."""
    producers: Producers | None = None
    for uid, command in commands.items():
        found = discovered_on_record(store, uid, command) if command.discovery is not None else ()
        if not found:
            continue
        if producers is None:
            producers = Producers(os.path.abspath(store.root), written_by(commands))
        for producer in dict.fromkeys(one for path in found for one in producers.of(path)):
            if producer != uid:
                yield uid, producer


def wait_for_producers(store: Store, actions: DAG) -> None:
    """Add edges from the producers of discovered inputs, as recorded, to the actions that read them."""
    commands: dict[str, Command] = actions.vertex_data  # type: ignore[assignment]
    for uid, producer in list(producers_on_record(store, commands)):
        try:
            actions.update_vertex(uid, predecessors=[producer])
        except DAGError:
            # this closes a cycle: then the order of the plan counts
            continue
