"""Which of what is in the place of an output was made by an action and may be removed. It changes nothing.

The one place that decides it, for a run that makes room, for `clean`, and for globs. What is there is

- OURS: it holds what the last success has left there, or is a hard link to an input, which stays then;
- LEFT: an attempt that was killed, or one with `keep` that failed, may have left it: when it started there was
  nothing, or only ours, and later writes to it cannot be distinguished. It is so still after a success with
  `keep` that has not written it;
- ADOPTED: it holds what it did when `adopt` took it as current: no run of Treadle has made it;
- ALTERED: the last success has left something else there;
- FOREIGN: no run has made it.

What is OURS may be removed. What is LEFT or ADOPTED may be moved aside, by whatever command meets it. All else is
its owner's.
"""

from __future__ import annotations

import os
import stat

from treadle.content.timestamps import unescaped
from treadle.core.elements import OUTPUT, path_of
from treadle.core.paths import folders_around
from treadle.errors import TreadleError

from .records import ADOPTED as WAS_ADOPTED
from .records import FAILED, INTERRUPTED, SKIPPED_ITSELF, STARTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from treadle.content.files import Files

    from .records import Entry
    from .store import Store

OURS, LEFT, ADOPTED, ALTERED, FOREIGN = "ours", "left", "adopted", "altered", "foreign"
FOLDER_VALUE = "folder"
NOT_OURS = "not ours"
"""The value of an output with `keep` that was there before its action, and is its owner's still."""

LEFT_VALUE = "left"
"""The value of what an attempt before the last success may have left, and that one with `keep` has not written."""

EXCLUDED = "excluded"
"""In place of a verdict: `exclude` leaves it out of an output folder, so no run looks at it."""

WHY_LEFT = {
    EXCLUDED: "its exclude leaves it out",
    FOREIGN: "no run of Treadle has made it",
    ALTERED: "it holds something else than a run has left there",
}


def link_value(text: str) -> str:
    """Return the value of a link that holds this text."""
    return f"link {text}"


class Claim:
    """What one action may call its own, as its last success and its last start say.

    :param entry: what is on record of it
    :param read_manifest: returns what it has made in its output folders
    :param by_name: whether what is judged by presence is its own whatever it holds now
    """

    __slots__ = (
        *("_above", "_exclude", "_left", "_manifest", "_presence", "_read_manifest", "by_name"),
        *("foreign", "folders", "has_succeeded", "is_adopted", "released", "values"),
    )

    def __init__(self, entry: Entry, read_manifest: Callable[[], dict[str, str]], *, by_name: bool = True) -> None:
        record, end, mark = entry.record, entry.last_run, entry.mark
        self.by_name = by_name and record is not None and record.owner.once
        """Whether what it has made is its own whatever it holds now: it is judged by presence."""
        owner = entry.owner
        self._exclude = owner.exclude
        self._presence = owner.presence if by_name else ()
        self.has_succeeded = record is not None
        self.is_adopted = record is not None and record.run.state == WAS_ADOPTED
        """Whether what is on record is from elsewhere, and was taken as current."""
        self.released = entry.released
        self.values: dict[str, set[str]] = {}
        self.folders: dict[str, None] = {}
        """Folders around its outputs that it has made, outermost first."""
        self.foreign: frozenset[str] | None = None
        """Where an attempt may have left something: what is not from it all the same."""
        self._read_manifest = read_manifest
        self._manifest: dict[str, str] | None = None
        self._above: set[str] | None = None
        self._left: set[str] = set()
        if record is not None:
            for name, value in record.elements.items():
                path = path_of(name, (OUTPUT,))
                if path is not None and not path.endswith("/"):
                    self.values[path] = {value}
            self._take(record.run.made)
        if end is not None and not entry.counts:
            self._take(end.made)
            if end.state in (FAILED, INTERRUPTED, SKIPPED_ITSELF) and end.foreign is not None:
                self.foreign = frozenset(end.foreign)
        if entry.state == STARTED and mark is not None:
            self.folders.update(dict.fromkeys(mark.folders))
            self.foreign = frozenset(mark.foreign)

    def _take(self, made: Mapping[str, str]) -> None:
        for path, value in made.items():
            if value == FOLDER_VALUE:
                self.folders[path] = None
            elif value == NOT_OURS:
                self.values.pop(path, None)
            elif value == LEFT_VALUE:
                self.values.pop(path, None)
                self._left.add(path)
            elif value.startswith("link "):
                # what a link leads to is no work of its own
                self.values[path] = {value}
            else:
                self.values.setdefault(path, set()).add(value)

    def moved(self, folder: str) -> Claim:
        """Return the same claim, with its paths below a folder."""
        moved = object.__new__(Claim)
        moved.by_name, moved.has_succeeded, moved.is_adopted = self.by_name, self.has_succeeded, self.is_adopted
        moved._exclude = {folder + path: patterns for path, patterns in self._exclude.items()}
        moved._presence = tuple([folder + path for path in self._presence])
        moved.released = frozenset(folder + path for path in self.released)
        moved.values = {folder + path: known for path, known in self.values.items()}
        moved.folders = {folder + path: None for path in self.folders}
        moved.foreign = self.foreign and frozenset(folder + path for path in self.foreign)
        moved._left = {folder + path for path in self._left}
        moved._manifest = moved._above = None
        moved._read_manifest = lambda: {folder + path: value for path, value in self.manifest.items()}
        return moved

    @property
    def manifest(self) -> dict[str, str]:
        """What it has made in its output folders, path -> value."""
        if self._manifest is None:
            self._manifest = self._read_manifest()
        return self._manifest

    def of(self, path: str, value: Callable[[], str]) -> str:
        """Return the verdict on an output file.

        :param value: returns what is there now, as `Ownership.value` describes it
        """
        if path in self.released:
            return FOREIGN
        known = self.values.get(path)
        if known and (self.by_name or value() in known):
            return ADOPTED if self.is_adopted else OURS
        if self._may_be_left(path):
            return LEFT
        return ALTERED if known else FOREIGN

    def of_name(self, path: str, value: Callable[[], str]) -> str:
        """Return the verdict on a name in an output folder; a path of a folder ends with `/`."""
        if path in self.released or (self._exclude and is_excluded(path, self._exclude)):
            return FOREIGN
        known = self.manifest.get(path)
        if known == LEFT_VALUE:
            return LEFT
        if known is not None and (self.is_by_name(path) or value() == known):
            return ADOPTED if self.is_adopted else OURS
        if self._may_be_left(path):
            return LEFT
        return FOREIGN if known is None else ALTERED

    def is_by_name(self, path: str) -> bool:
        """Return whether what has this name in an output folder is its own whatever it holds now."""
        return self.by_name or (bool(self._presence) and path.startswith(self._presence))

    def may_be_in(self, folder: str) -> bool:
        """Return whether something in a folder in an output folder may be ours or left."""
        if self._above is None:
            self._above = set()
            for path in self.manifest:
                for above in folders_around(path):
                    if above in self._above:
                        break
                    self._above.add(above)
        return self.foreign is not None or folder in self._above or folder in self.manifest

    def _may_be_left(self, path: str) -> bool:
        return path in self._left or (self.foreign is not None and path not in self.foreign)


class Ownership:
    """What all records of one root say.

    :param store: the records, which have been read
    :param files: reads what is there; what it knows is not read again
    """

    def __init__(self, store: Store, files: Files) -> None:
        self.store = store
        self.files = files
        self.root = files.root
        self._members: dict[str, Ownership | None] = {}
        """Folder -> what a state of its own there says, None if there is none."""
        self._keys: dict[str, list[str]] | None = None
        self._around: set[str] | None = None
        """Folders around outputs of any record."""
        self._claims: dict[str, Claim] = {}

    def claim(self, key: str, *, by_name: bool = True) -> Claim | None:
        """Return what one action may call its own, by its record now.

        :param by_name: see `Claim`
        """
        entry = self.store.entries.get(key)
        if entry is None:
            return None
        return Claim(entry, lambda: self.store.manifests.read(key), by_name=by_name)

    def keys_of(self, path: str) -> Sequence[str]:
        """Return the records of actions that this is an output or the depfile of."""
        return self.keys.get(path, ())

    @property
    def keys(self) -> Mapping[str, Sequence[str]]:
        """Path -> keys of records, of all outputs and depfiles."""
        if self._keys is None:
            self._keys = {}
            for key, entry in self.store.entries.items():
                for path in entry.owner.made:
                    self._keys.setdefault(path, []).append(key)
        return self._keys

    def claims_on(self, path: str, but: str = "") -> list[Claim]:
        """Return the claims on an output, or on an output folder.

        What no action of this root has made, an action of a plan with a state of its own in a folder around it may
        have made, which is a member of this plan now.

        :param but: the key of a record that is left out
        """
        keys = self.keys_of(path)
        entries = [entry for key in (*keys, but) if (entry := self.store.entries.get(key)) is not None]
        found = self._own_claims_on(path, but)
        if not any(entry.offset >= 0 or path in entry.released for entry in entries):
            found += self._member_claims_on(path)
        return found

    def _member_claims_on(self, path: str) -> list[Claim]:
        """Return the claims of actions that have run in a folder around a path, with a state of its own."""
        found: list[Claim] = []
        for folder in folders_around(path):
            member = self._member(folder)
            if member is not None:
                found += [claim.moved(folder) for claim in member._own_claims_on(path[len(folder) :])]
        return found

    def _member(self, folder: str) -> Ownership | None:
        if folder not in self._members:
            from .store import Store

            store = Store(os.path.join(self.root, folder))
            known = None
            if os.path.exists(store.path):
                store.load()
                known = Ownership(store, self.files)
            self._members[folder] = known
        return self._members[folder]

    def _own_claims_on(self, path: str, but: str = "") -> list[Claim]:
        found = []
        for key in self.keys_of(path):
            if key == but:
                continue
            if key not in self._claims:
                claim = self.claim(key)
                if claim is None:
                    continue
                self._claims[key] = claim
            found.append(self._claims[key])
        return found

    def of_file(self, path: str, status: os.stat_result, own: Claim | None = None, key: str = "") -> str:
        """Return the verdict on the file in the place of an output.

        :param status: of what is there, links not followed
        :param own: what the action says that has this output, `key` that of its record
        """
        value = self.value_of(path, status)
        found = FOREIGN if own is None else own.of(path, value)
        if found == OURS:
            return OURS
        verdicts = {found, *(claim.of(path, value) for claim in self.claims_on(path, key))}
        if OURS not in verdicts:
            # an action that is another one now may have made it in an output folder
            verdicts.update(
                claim.of_name(path, value)
                for folder in folders_around(path)
                for claim in self.claims_on(folder)
                if folder not in claim.released
            )
        return next(one for one in (OURS, LEFT, ADOPTED, ALTERED, FOREIGN) if one in verdicts)

    def is_previous_output(self, path: str, status: os.stat_result, label: str) -> bool:
        """Return whether a file is an output of an action of this plan, and holds what that has left there.

        For what is in the output folder of another action: there only what is not in the plan any more can
        have such an output.

        :param label: the plan
        """
        value = self.value_of(path, status)
        for made in (path, *folders_around(path)):
            for key, claim in zip(self.keys_of(made), self._own_claims_on(made), strict=True):
                # by its name alone nothing is a previous output: its owner may have written to it since
                if (
                    self.store.entries[key].label == label
                    and not claim.is_by_name(path)
                    and made not in claim.released
                ):
                    verdict = (
                        claim.of(path, value) if made == path and path[-1] != "/" else claim.of_name(path, value)
                    )
                    if verdict == OURS:
                        return True
        return False

    def keeps(self, path: str) -> bool:
        """Return whether what has this name stays: an action with `keep` has made it, or one judged by presence."""
        owners = [
            self.store.entries[key].owner for one in (path, *folders_around(path)) for key in self.keys_of(one)
        ]
        return any(owner.keeps or owner.once or path.startswith(owner.presence or ("/",)) for owner in owners)

    def has_outputs_in(self, folder: str) -> bool:
        """Return whether any record has an output in a folder or around it; it ends with `/`."""
        if any(self.keys_of(one) for one in (folder, *folders_around(folder))):
            return True
        if self._around is None:
            self._around = {folder for path in self.keys for folder in folders_around(path)}
        return folder in self._around

    def of_path(self, path: str) -> str:
        """Return the verdict on a file, which may be an output or be in the output folder of an action."""
        try:
            status = os.lstat(os.path.join(self.root, path))
        except OSError:
            return FOREIGN
        if path in self.keys:
            return self.of_file(path, status)
        value = self.value_of(path, status)
        for folder in folders_around(path):
            for claim in self.claims_on(folder):
                verdict = FOREIGN if folder in claim.released else claim.of_name(path, value)
                if verdict in (OURS, LEFT, ADOPTED):
                    return verdict
        return FOREIGN

    def value_of(self, path: str, status: os.stat_result) -> Callable[[], str]:
        """Return a function that returns the value of a path that is there, and reads it once."""
        known: list[str] = []

        def value() -> str:
            if not known:
                known.append(self.value(path, status))
            return known[0]

        return value

    def value(self, path: str, status: os.stat_result) -> str:
        """Return the value of what is there: of a link its text, of a folder no more than that it is one.

        What cannot be read, or is another file now, has a value that equals no other one.
        """
        full = os.path.join(self.root, path.rstrip("/"))
        mode = status.st_mode
        try:
            if stat.S_ISLNK(mode):
                return link_value(os.readlink(full))
            if stat.S_ISDIR(mode):
                return FOLDER_VALUE
            seen = self.files.see_again(path, made=True)
        except (OSError, TreadleError):
            return ""
        look = seen.looks.get(path)
        if look is None or look.stamp != self.files.systems.stamp(status, full):
            return ""
        return seen.value


def is_excluded(path: str, exclude: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a path in an output folder is none of its content; one of a folder ends with `/`.

    :param exclude: output folder -> patterns of what is left out
    """
    from treadle.core.patterns import exclusion

    return any(
        path.startswith(folder) and exclusion(tuple(patterns)).covers(path[len(folder) :])
        for folder, patterns in exclude.items()
    )


class Aliases:
    """The inputs of an action by their inode: an output that is a hard link to one may go, as the input stays.

    :param inputs: files and folders, relative to the root
    """

    def __init__(self, root: str, inputs: Iterable[str]) -> None:
        self._root = root
        self._inputs = inputs
        self._paths: dict[tuple[int, int], list[str]] | None = None

    def of(self, status: os.stat_result) -> Collection[str]:
        """Return the inputs that are this file."""
        if stat.S_ISDIR(status.st_mode):
            return ()
        if self._paths is None:
            self._paths = {}
            for path in self._inputs:
                self._add(path)
        return self._paths.get((status.st_dev, status.st_ino), ())

    def _add(self, path: str) -> None:
        todo = [path]
        while todo:
            path = todo.pop()
            full = os.path.join(self._root, path)
            try:
                if path.endswith("/"):
                    with os.scandir(full) as entries:
                        for entry in entries:
                            is_folder = entry.is_dir(follow_symlinks=False)
                            todo.append(f"{path}{entry.name}{'/' if is_folder else ''}")
                    continue
                status = os.stat(full)
            except OSError:
                continue
            assert self._paths is not None
            self._paths.setdefault((status.st_dev, status.st_ino), []).append(path)


def is_same_entry(root: str, one: str, other: str) -> bool:
    """Return whether two paths are the same name in the same folder, whatever links lead there."""
    one, other = os.path.join(root, one), os.path.join(root, other)
    if os.path.basename(one) != os.path.basename(other):
        return False
    try:
        return os.path.samestat(os.stat(os.path.dirname(one)), os.stat(os.path.dirname(other)))
    except OSError:
        return False


def mount_points() -> frozenset[str]:
    """Return the folders and files that something is mounted on; nothing where the system does not say it."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            return frozenset([unescaped(line.split(" ", 5)[4]) for line in file])
    except (OSError, IndexError):
        return frozenset()
