"""Outputs on disk: makes room for them before an attempt, checks them after it, puts them aside if it failed.

`ownership` decides which files Treadle may remove (they are *ours*). It knows nothing of fingerprints.
"""

from __future__ import annotations

import os
import stat
from errno import EACCES, EEXIST, EISDIR, ENOTDIR, ENOTEMPTY, EPERM, EROFS, EXDEV

from treadle.content.digests import ABSENT, is_folder, is_gone
from treadle.core.paths import folders_around
from treadle.errors import TreadleError
from treadle.state import own_files
from treadle.state.ownership import (
    ADOPTED,
    ALTERED,
    EXCLUDED,
    FOLDER_VALUE,
    FOREIGN,
    LEFT,
    LEFT_VALUE,
    NOT_OURS,
    OURS,
    Aliases,
    is_excluded,
    is_same_entry,
    link_value,
    mount_points,
)
from treadle.state.records import Mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from treadle.content.files import Seen
    from treadle.state.ownership import Claim, Ownership

    from .command import Command
    from .fingerprinting import ActionInputs

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def hint_of(error: OSError, full: str) -> str:
    """Return a hint how to remove an obstacle to an output."""
    if error.errno in (EACCES, EPERM, EROFS):
        return "check the owner and the mode of the folder"
    above = full.rstrip("/")
    while above and not os.path.lexists(above):
        above = os.path.dirname(above)
    if os.path.islink(above) and not os.path.exists(above):
        return "a link on its path leads nowhere: make its target, or remove the link"
    if error.errno in (EEXIST, ENOTDIR, EISDIR, ENOTEMPTY):
        return "no run of Treadle has left it so: move it away, or declare other outputs"
    return ""


class Room:
    """The files in the place of the outputs of one action, before and after an attempt.

    :param command: the action
    :param ownership: decides which of them are ours
    :param key: the key of its record
    """

    def __init__(self, command: Command, ownership: Ownership, key: str) -> None:
        self.command = command
        self.root = ownership.root
        self.replaced: list[str] = []
        """Files that were moved aside because Treadle has not made them."""
        self.leftovers: list[str] = []
        """Files that were moved aside because an unfinished attempt may have left them."""
        self.emptied: list[str] = []
        """Output folders from which files of previous runs were removed."""
        self.touched_links = False
        """Whether a hard link was removed: this changes the stamp of the file, which may be an input."""
        self.mark = Mark()
        self._ownership = ownership
        self._key = key
        # a run that could remove what was edited moves it aside
        self._claim = ownership.claim(key, by_name=False)
        if self._claim is not None:
            self.mark = Mark(self._claim.folders)
        self._before: dict[str, set[str]] = {}
        """Output folder -> the paths in it that Treadle has not made."""
        self._holding_excluded: set[str] = set()
        """Output folders that hold something that is excluded from them."""
        self._links: dict[str, tuple[int, ...]] = {}
        """Output folder -> the identity of the link that was in its place before the attempt."""
        self._left: dict[str, tuple[int, ...]] = {}
        """With `keep`: path -> the identity of a file that an earlier attempt, or others since, may have left."""
        self._aliases = Aliases(self.root, command.inputs)

    @property
    def was_unfinished(self) -> bool:
        """Whether an earlier attempt may have left files that were not moved aside before this one."""
        return self._claim is not None and self._claim.foreign is not None

    @property
    def folders(self) -> Iterable[str]:
        """The folders around outputs that the attempt has made."""
        return self.mark.folders

    def holds_leftovers(self, *, made_room: bool) -> bool:
        """Return whether what an earlier attempt may have left is still there.

        :param made_room: whether `make` has come to its end
        """
        return self.was_unfinished and not made_room

    def look(self, is_as_left: Callable[[str], bool], known_folders: set[str]) -> Mark:
        """Return the mark to write before the action starts.

        :param is_as_left: returns whether an output file was missing, or as its last success has left it, at the
            last look: then it is not looked at again
        :param known_folders: folders that are known to exist; others that exist are added
        """
        foreign: list[str] = []
        data = "" if self.command.discovery is None else self.command.discovery.path
        folders: dict[str, None] = dict(self._claim.folders) if self._claim is not None else {}
        for output in self.command.made:
            if output.endswith("/"):
                foreign += self._foreign_names(output)
            elif output != data and (self.command.keep or not is_as_left(output)):
                status = lstat(os.path.join(self.root, output))
                if status is not None and self._is_foreign(output, status):
                    foreign.append(output)
            for folder in reversed(list(self._missing_around(output, known_folders))):
                folders[folder] = None
        self.mark = Mark(folders, foreign)
        return self.mark

    def _is_foreign(self, output: str, status: os.stat_result) -> bool:
        """Return whether Treadle has not made what is in the place of an output file."""
        if stat.S_ISDIR(status.st_mode) and not self.command.keep:
            # the folder is removed if previous actions have made all that is in it
            sweep = Sweep(self._ownership, f"{output}/", [], "", is_in_the_way=True, is_dry=True)
            sweep.go()
            return bool(sweep.left or sweep.errors)
        verdict = self._verdict(output, status)
        self._note_left(output, verdict, status)
        return verdict in (FOREIGN, ALTERED)

    def _note_left(self, path: str, verdict: str, status: os.stat_result) -> None:
        if verdict == LEFT and self.command.keep and not stat.S_ISDIR(status.st_mode):
            self._left[path] = _identity(status)

    def _missing_around(self, output: str, known: set[str]) -> Iterator[str]:
        for folder in folders_around(output):
            if folder in known:
                return
            if os.path.isdir(os.path.join(self.root, folder)):
                known.add(folder)
                return
            yield folder

    def _foreign_names(self, folder: str) -> list[str]:
        """Return the paths in an output folder that Treadle has not made, and note them.

        A link in its place that is not ours is one of them, and the folder that it leads to is gone through.
        """
        full = os.path.join(self.root, folder.rstrip("/"))
        status = lstat(full)
        if status is not None and stat.S_ISLNK(status.st_mode) and self._link_verdict(folder, full) != FOREIGN:
            self._before[folder] = set()
            return []
        goes = not self.command.keep
        found = []
        for name, status in names_in(self.root, folder, self.command.exclude):
            verdict = self._name_verdict(folder, name, status, is_sure=goes)
            self._note_left(name, verdict, status)
            # outputs of previous actions are removed before the start
            if verdict in (FOREIGN, ALTERED) and not (
                goes and self._ownership.is_previous_output(name, status, self.command.label)
            ):
                found.append(name)
        self._before[folder] = set(found)
        self._note_excluded(folder)
        return found

    def _note_excluded(self, folder: str) -> None:
        """Note whether an output folder holds what is excluded from it: that stays, and the attempt finds it."""
        if folder in self.command.exclude:
            counted = {name for name, _ in names_in(self.root, folder, self.command.exclude)}
            if any(name not in counted for name, _ in names_in(self.root, folder)):
                self._holding_excluded.add(folder)

    def keeps_something(self, folder: str) -> bool:
        """Return whether something in an output folder would stay where it is when room is made for an attempt.

        Also what is excluded stays.
        """
        for name, status in names_in(self.root, folder, {}):
            is_foreign = name != folder and self._name_verdict(folder, name, status, is_sure=True) in (
                FOREIGN,
                ALTERED,
            )
            if is_foreign and not self._ownership.is_previous_output(name, status, self.command.label):
                return True
        return False

    def _name_verdict(self, folder: str, name: str, status: os.stat_result, *, is_sure: bool) -> str:
        """Return the verdict on a path in an output folder.

        :param is_sure: whether a path that an action has made counts as unchanged, whatever it holds
        """
        value = self._ownership.value_of(name, status)
        verdicts = set()
        for claim in self._claims_on_folder(folder):
            if is_sure and name in claim.manifest and not claim.is_adopted:
                return OURS
            verdicts.add(claim.of_name(name, value))
        return next((one for one in (OURS, LEFT, ADOPTED, ALTERED) if one in verdicts), FOREIGN)

    def _verdict(self, output: str, status: os.stat_result) -> str:
        found = self._ownership.of_file(output, status, self._claim, self._key)
        return OURS if found != OURS and status.st_nlink > 1 and self._aliases.of(status) else found

    def make(self, inputs: ActionInputs, aside: str) -> None:
        """Make the folders around outputs and the output folders; remove or move aside what is in their place.

        What is ours is removed. What is not, or may not be, is moved into `aside`, but for names in output folders
        that no action has made: they stay.

        :param inputs: what was seen of the inputs: an output that is one of them is refused
        :raises TreadleError: something is in the way
        """
        if not self.command.keep:
            self._refuse_tracked()
        for output in self.command.made:
            full = os.path.join(self.root, output)
            try:
                if output.endswith("/"):
                    self._make_folder(output, aside)
                    continue
                status = lstat(full)
                if status is None:
                    self._make_folders(os.path.dirname(output), aside)
                    continue
                self._refuse_alias(output, full, status, inputs)
                if not self.command.keep:
                    self._clear(output, full, status, aside)
            except OSError as error:
                raise TreadleError(
                    f"no room for the output {output}: {error.strerror}",
                    facts=(f"in the way: {error.filename}",),
                    hint=hint_of(error, full),
                ) from error

    def goes_on(self) -> None:
        """Take what an attempt has written so far as written by this one, which it is: it was taken over."""
        self._left.clear()

    def make_for_restore(self, inputs: ActionInputs, aside: str) -> None:
        """Make the places of the outputs ready for what comes from elsewhere: `make` has done so."""

    def _refuse_tracked(self) -> None:
        """Refuse outputs that git tracks and that no run has made, before anything is removed or moved.

        The index is read without git, so the owner of the checkout does not matter: a forged index can at most
        refuse an action.

        :raises TreadleError: there are some
        """
        foreign = []
        for output in self.command.outputs:
            full = os.path.join(self.root, output)
            status = lstat(full) if output in self.mark.foreign else None
            if status is not None and not stat.S_ISDIR(status.st_mode) and self._verdict(output, status) == FOREIGN:
                foreign.append(full)
        if not foreign:
            return
        from treadle.content.git import tracked_among

        tracked = [os.path.relpath(full, self.root) for full in tracked_among(foreign)]
        if tracked:
            raise TreadleError(
                f"its output {tracked[0]} is tracked by git, and no run of Treadle has made it",
                facts=(
                    *(f"so is {path}" for path in tracked[1:6]),
                    "without keep: true it would be moved aside before the command starts",
                ),
                hint="name it in `in` if it is only read, or in `edits` if it is read and rewritten;"
                " `keep: true` is for a generated file that is committed: it is taken over as it is",
            )

    def _clear(self, output: str, full: str, status: os.stat_result, aside: str) -> None:
        is_folder = stat.S_ISDIR(status.st_mode)
        self.touched_links |= not is_folder and status.st_nlink > 1
        if is_folder:
            self._clear_folder(output, aside)
        verdict = OURS if is_folder else self._verdict(output, status)
        if verdict == OURS:
            remove_file(full, output)
            return
        move_aside(self.root, output, aside)
        (self.leftovers if verdict == LEFT else self.replaced).append(output)

    def _clear_folder(self, output: str, aside: str) -> None:
        """Remove a folder in the place of an output file, if previous actions have made all that is in it."""
        for is_dry in (True, False):
            sweep = Sweep(self._ownership, f"{output}/", [], aside, is_in_the_way=True, is_dry=is_dry)
            sweep.go()
            if sweep.left or sweep.errors:
                return
        self.leftovers += sweep.leftovers
        self.replaced += sweep.moved

    def _make_folders(self, folder: str, aside: str) -> None:
        """Make a folder and those around it; remove a file of a previous action that is in the way.

        It is made before the start, so no command needs `mkdir -p`, and an empty one afterwards is no failure.
        """
        full = os.path.join(self.root, folder)
        try:
            _make_folder(full)
            return
        except (FileExistsError, NotADirectoryError):
            around = [folder, *(above.rstrip("/") for above in folders_around(folder))]
            files = [path for path in around if not os.path.isdir(os.path.join(self.root, path))]
            in_way = [path for path in files if os.path.lexists(os.path.join(self.root, path))]
            if self.command.keep or len(in_way) != 1 or not self._remove_previous(in_way[0], aside):
                raise
        _make_folder(full)

    def _remove_previous(self, path: str, aside: str) -> bool:
        """Remove a file of a previous action; return whether it is gone."""
        verdict = self._ownership.of_path(path)
        if verdict not in (OURS, LEFT, ADOPTED) or self._ownership.keeps(path):
            return False
        if verdict == OURS:
            os.unlink(os.path.join(self.root, path))
        else:
            move_aside(self.root, path, aside)
            (self.leftovers if verdict == LEFT else self.replaced).append(path)
        return True

    def _make_folder(self, output: str, aside: str) -> None:
        """Make an output folder, and remove what the last success or a killed attempt has left in it."""
        full = os.path.join(self.root, output.rstrip("/"))
        status = lstat(full)
        if status is not None and stat.S_ISLNK(status.st_mode) and not self._keeps_link(output, full, aside):
            status = None
        if status is None:
            # also if the action makes a link: whether it finds a folder must not depend on previous runs
            self._make_folders(output.rstrip("/"), aside)
            return
        if stat.S_ISLNK(status.st_mode):
            # the link of a user: the folder that it leads to is the output folder
            status = os.stat(full)
            self._links[output] = _identity(os.lstat(full))
        if not stat.S_ISDIR(status.st_mode):
            if output in self._links or self.command.keep or not self._remove_previous(output.rstrip("/"), aside):
                raise FileExistsError(17, "a file is there", full)
            _make_folder(full)
            return
        claims = self._claims_on_folder(output)
        if self.command.keep or not (claims or self._ownership.has_outputs_in(output)):
            return
        sweep = Sweep(
            *(self._ownership, output, claims, aside),
            aliases=self._aliases,
            moves_altered=True,
            label=self.command.label,
            exclude=self.command.exclude,
        )
        sweep.go()
        self.emptied += [output] if sweep.removed else []
        self.replaced += sweep.moved
        self.leftovers += sweep.leftovers
        self.touched_links |= sweep.touched_links
        if sweep.errors:
            path, error = sweep.errors[0]
            raise TreadleError(
                f"{path} cannot be removed or moved aside: {error}",
                hint="a previous run has left it in an output folder, where the next run would find it",
            )
        self._before[output] = self._names_that_stay(output)

    def _names_that_stay(self, output: str) -> set[str]:
        """Return what in an output folder is not ours; a folder of ours stays so, whatever is in it."""
        return {
            name
            for name, status in names_in(self.root, output, self.command.exclude)
            if name[-1] != "/" or self._name_verdict(output, name, status, is_sure=True) not in (OURS, LEFT)
        }

    def _claims_on_folder(self, output: str) -> list[Claim]:
        own = [self._claim] if self._claim is not None else []
        return own + self._ownership.claims_on(output, self._key)

    def _keeps_link(self, output: str, full: str, aside: str) -> bool:
        """Remove a link that the action has made in the place of an output folder; return whether it stays."""
        if self.command.keep:
            return True
        verdict = self._link_verdict(output, full)
        if verdict == FOREIGN:
            return True
        if verdict == OURS:
            os.unlink(full)
        else:
            move_aside(self.root, output.rstrip("/"), aside)
            (self.leftovers if verdict == LEFT else self.replaced).append(output)
        return False

    def _link_verdict(self, output: str, full: str) -> str:
        value = link_value(os.readlink(full))
        verdicts = {claim.of(output, lambda: value) for claim in self._claims_on_folder(output)}
        return next((one for one in (OURS, LEFT, ADOPTED, ALTERED) if one in verdicts), FOREIGN)

    def _is_same_link(self, output: str, full: str) -> bool:
        """Return whether the link in the place of an output folder is the one from before the attempt."""
        return self._links.get(output) == _identity(os.lstat(full))

    def _refuse_alias(self, output: str, full: str, status: os.stat_result, inputs: ActionInputs) -> None:
        """Refuse an output that is an input: the same entry of a folder, or with `keep` the same file."""
        target = _stat(full) if stat.S_ISLNK(status.st_mode) else status
        if target is None:
            return
        inode = self._ownership.files.systems.stamp(target, full)[1]
        looks = ((path, look) for seen in inputs.seen.values() for path, look in seen.looks.items())
        for path in [path for path, look in looks if look.stamp[1] == inode and path != output]:
            there = _stat(os.path.join(self.root, path))
            if there is None or not os.path.samestat(target, there):
                continue
            if self.command.keep or is_same_entry(self.root, output, path):
                raise TreadleError(
                    f"the output {output} is the input {path} by another name",
                    facts=("with `keep: true` it would be written to",) if self.command.keep else (),
                    hint="one of them is a link",
                )

    def look_for_adoption(self) -> None:
        """Note the files in output folders that Treadle has not made: `adopt` does not make them ours."""
        for output in self.command.outputs:
            if output.endswith("/") and self._claims_on_folder(output):
                self._foreign_names(output)
            if os.path.islink(full := os.path.join(self.root, output.rstrip("/"))):
                self._links[output] = _identity(os.lstat(full))

    def made(self, values: Mapping[str, Seen], discovery: str = "") -> tuple[dict[str, str], dict[str, str]]:
        """Return what the action has made apart from the values of its outputs, and the manifest of its folders.

        :param values: output -> what was seen of it after its end
        :param discovery: the value of the data of its discovery
        """
        made: dict[str, str] = dict.fromkeys(self.mark.folders, FOLDER_VALUE)
        manifest: dict[str, str] = {}
        for output in self.command.outputs:
            full = os.path.join(self.root, output.rstrip("/"))
            status = lstat(full)
            if status is None:
                continue
            if stat.S_ISLNK(status.st_mode) and not self._is_same_link(output, full):
                made[output] = link_value(os.readlink(full))
            elif output.endswith("/"):
                manifest.update(self._came_to_be(output, values.get(output)))
            if self.command.keep and output in self.mark.foreign:
                made[output] = NOT_OURS
            elif self._is_as_it_was_left(output, status):
                made[output] = LEFT_VALUE
        if self.command.discovery is not None and discovery:
            made[self.command.discovery.path] = discovery
        return made, manifest

    def _came_to_be(self, folder: str, seen: Seen | None) -> Iterator[tuple[str, str]]:
        """Yield the paths in an output folder, itself among them, that its action has made, with their values."""
        before = self._before.get(folder, ())
        looks = seen.looks if seen is not None else {}
        for name, status in names_in(self.root, folder, self.command.exclude):
            if self._is_as_it_was_left(name, status):
                yield name, LEFT_VALUE
            elif name not in before:
                yield name, looks[name].value if name in looks else self._ownership.value(name, status)

    def is_whole(self, folder: str) -> bool:
        """Return whether nothing was in an output folder when its action started: it has made all of it.

        What is excluded from the folder was something too: what the action makes may depend on it.
        """
        return self._before.get(folder, set()) <= {folder} and folder not in self._holding_excluded

    def names_made(self, folder: str) -> list[str]:
        """Return the names at the top level of an output folder that its action has made."""
        before = self._before.get(folder, ())
        start, found = len(folder), []
        for path, _ in names_in(self.root, folder, self.command.exclude, is_deep=False):
            if path != folder and path not in before:
                found.append(path[start:].rstrip("/"))
        return found

    def _is_as_it_was_left(self, path: str, status: os.stat_result) -> bool:
        """Return whether a file that an earlier attempt may have left was not written by this attempt."""
        return bool(self._left) and self._left.get(path) == _identity(status)

    def put_aside(self, folder: str) -> str:
        """Move what a failed attempt has written into `folder`, which is emptied first.

        What cannot be moved is removed: nothing half-written stays in the place of an output.

        :returns: a path that could not be removed either and why, "" if all are gone
        """
        return self._put_made_aside(self.command.made, folder)

    def _put_made_aside(self, outputs: Iterable[str], folder: str) -> str:
        remove_tree(folder)
        stays = []
        for output in outputs:
            full = os.path.join(self.root, output.rstrip("/"))
            status = lstat(full)
            if status is None:
                continue
            is_folder = stat.S_ISDIR(status.st_mode) or self._is_same_link(output, full)
            if output.endswith("/") and is_folder:
                stays += self._put_names_aside(output, folder)
            elif not is_folder:
                stays.append(self._move_or_remove(output.rstrip("/"), folder))
        return next(filter(None, stays), "")

    def _put_names_aside(self, output: str, folder: str) -> list[str]:
        before = self._before.get(output, set())
        names = [name for name, _ in names_in(self.root, output, self.command.exclude) if name not in before]
        stays = [self._move_or_remove(name, folder) for name in names if not name.endswith("/")]
        remove_empty_folders(self.root, names)
        return stays

    def _move_or_remove(self, path: str, folder: str) -> str:
        """Move a file, or remove it if it cannot be moved; return why it is still there, "" if it is gone."""
        full, aside = os.path.join(self.root, path), os.path.join(folder, path)
        state = os.path.dirname(os.path.dirname(folder))
        try:
            own_files.make_folder(state, os.path.relpath(os.path.dirname(aside), state))
            try:
                os.replace(full, aside)
            except OSError as error:
                if error.errno != EXDEV or path not in self.command.baseline:
                    raise
                # what differs may be accepted; anything else may be large, and is only for a look
                move_across(full, aside)
        except OSError:
            try:
                remove_file(full, path)
            except OSError as error:
                return f"{path} cannot be removed: {_text_of(error)}"
        return ""


class Sweep:
    """Removes the files that are ours in one output folder, and moves aside those that may be ours; others stay.

    It follows no link and enters no mount in the folder.

    :param folder: the output folder, relative to the root
    :param claims: those of the actions that make it
    :param aside: the folder for files that may be ours
    :param aliases: the inputs of its action: hard links to them may be removed
    :param moves_altered: whether altered files that were ours are moved aside too, and the folder itself stays
    :param is_in_the_way: whether to remove the whole folder, whichever action has made its files
    :param label: the plan whose previous actions may have left outputs in the folder, to be removed too
    :param is_dry: whether to change nothing, and only note what would be done
    :param exclude: output folder -> patterns of what is none of its content: that stays
    """

    def __init__(
        self,
        ownership: Ownership,
        folder: str,
        claims: list[Claim],
        aside: str,
        *,
        aliases: Aliases | None = None,
        moves_altered: bool = False,
        is_in_the_way: bool = False,
        label: str | None = None,
        is_dry: bool = False,
        exclude: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.folder = folder
        self.exclude = exclude or {}
        self.aside = aside
        self.moves_altered = moves_altered
        self.is_in_the_way = is_in_the_way
        self.label = label
        self.is_dry = is_dry
        self.removed: list[str] = []
        self.moved: list[str] = []
        """Files that were altered or adopted, and were moved aside."""
        self.leftovers: list[str] = []
        """Files that an unfinished attempt may have left, and that were moved aside."""
        self.left: list[tuple[str, str]] = []
        """Path and verdict of what stays; a folder with all that is in it."""
        self.errors: list[tuple[str, str]] = []
        self.touched_links = False
        """Whether a hard link was removed."""
        self._ownership = ownership
        self._root = ownership.root
        self._claims = claims
        self._aliases = aliases
        self._mounts: set[str] | None = None

    def go(self) -> None:
        """Go through the folder."""
        try:
            self._device = os.lstat(os.path.join(self._root, self.folder)).st_dev
        except OSError as error:
            self.errors.append((self.folder, _text_of(error)))
            return
        todo = [(self.folder, False)]
        while todo:
            folder, is_done = todo.pop()
            if is_done:
                self._leave(folder)
                continue
            todo.append((folder, True))
            todo += [(below, False) for below in self._files_of(folder)]

    def _files_of(self, folder: str) -> list[str]:
        """Handle the files of one folder; return the folders in it to go through."""
        full = os.path.join(self._root, folder)
        below = []
        try:
            fd = os.open(full, _FOLDER_FLAGS)
        except OSError as error:
            self.errors.append((folder, _text_of(error)))
            return []
        try:
            for name in sorted(os.listdir(fd)):
                try:
                    status = os.lstat(name, dir_fd=fd)
                    if self.exclude and self._leaves(folder + name, status):
                        continue
                    if not stat.S_ISDIR(status.st_mode):
                        self._file(folder + name, status, fd)
                    elif self._is_mounted(f"{folder}{name}", status):
                        self.left.append((f"{folder}{name}/", "it is a mount point"))
                    elif self._may_be_in(f"{folder}{name}/"):
                        below.append(f"{folder}{name}/")
                    else:
                        self.left.append((f"{folder}{name}/", FOREIGN))
                except FileNotFoundError:
                    continue
                except OSError as error:
                    self.errors.append((folder + name, _text_of(error)))
                except TreadleError as error:
                    self.errors.append((folder + name, error.facts[0] if error.facts else error.what))
        finally:
            os.close(fd)
        return below

    def _leaves(self, path: str, status: os.stat_result) -> bool:
        path = f"{path}/" if stat.S_ISDIR(status.st_mode) else path
        if not is_excluded(path, self.exclude):
            return False
        self.left.append((path, EXCLUDED))
        return True

    def _may_be_in(self, folder: str) -> bool:
        if any(claim.may_be_in(folder) for claim in self._claims):
            return True
        # an empty folder may be one that a user has made
        return (self.is_in_the_way or self.label is not None) and self._ownership.has_outputs_in(folder)

    def _is_mounted(self, path: str, status: os.stat_result) -> bool:
        if status.st_dev != self._device:
            return True
        if self._mounts is None:
            # no link is followed below the output folder, so names can be compared as text
            top = os.path.join(os.path.realpath(os.path.join(self._root, self.folder)), "")
            self._mounts = {self.folder + one.removeprefix(top) for one in mount_points() if one.startswith(top)}
        return path in self._mounts

    def _of(self, path: str, status: os.stat_result) -> str:
        if self.is_in_the_way:
            return FOREIGN if self._ownership.keeps(path) else self._ownership.of_path(path)
        if self.label is not None and self._ownership.is_previous_output(path, status, self.label):
            return OURS
        value = self._ownership.value_of(path, status)
        verdicts = {claim.of_name(path, value) for claim in self._claims}
        if OURS in verdicts:
            return OURS
        if LEFT in verdicts and not (self._ownership.keys_of(path) and self._is_of_another(path, status)):
            return LEFT
        if ADOPTED in verdicts:
            return ADOPTED
        if self._aliases is not None and ALTERED in verdicts and status.st_nlink > 1 and self._aliases.of(status):
            return OURS
        return ALTERED if ALTERED in verdicts else FOREIGN

    def _is_of_another(self, path: str, status: os.stat_result) -> bool:
        """Return whether a file is what the last success of an action that has this output has left."""
        return self._ownership.of_file(path, status) == OURS

    def _file(self, path: str, status: os.stat_result, fd: int) -> None:
        verdict = self._of(path, status)
        self.touched_links |= status.st_nlink > 1
        if verdict == OURS:
            if not self.is_dry:
                os.unlink(os.path.basename(path), dir_fd=fd)
            self.removed.append(path)
        elif verdict in (LEFT, ADOPTED) or (verdict == ALTERED and self.moves_altered):
            if not self.is_dry:
                move_aside(self._root, path, self.aside)
            (self.leftovers if verdict == LEFT else self.moved).append(path)
        else:
            self.left.append((path, verdict))

    def _leave(self, folder: str) -> None:
        """Remove a folder that is ours, if it is empty now."""
        if self.is_dry or (folder == self.folder and self.moves_altered):
            return
        if self.is_in_the_way:
            _remove_empty(os.path.join(self._root, folder))
            return
        status = lstat(os.path.join(self._root, folder.rstrip("/")))
        verdicts = {claim.of_name(folder, lambda: FOLDER_VALUE) for claim in self._claims}
        if (
            status is not None
            and self.label is not None
            and self._ownership.is_previous_output(folder, status, self.label)
        ):
            verdicts.add(OURS)
        if verdicts.isdisjoint((OURS, LEFT, ADOPTED)):
            return
        _remove_empty(os.path.join(self._root, folder))


def names_in(
    root: str, folder: str, exclude: Mapping[str, Sequence[str]] | None = None, *, is_deep: bool = True
) -> Iterator[tuple[str, os.stat_result]]:
    """Yield path and status of an output folder itself and of all that is in it; folders end with `/`.

    It follows no links, except one in the place of the folder itself. Folders that cannot be listed are left out.

    :param exclude: output folder -> patterns of what is none of its content
    :param is_deep: whether to go into the folders in it too
    """
    left_out = None
    if exclude and folder in exclude:
        from treadle.core.patterns import exclusion

        left_out = exclusion(tuple(exclude[folder]))
    todo = [folder]
    while todo:
        path = todo.pop()
        full = os.path.join(root, path)
        try:
            status = os.stat(full) if path == folder else os.lstat(full.rstrip("/"))
            if not stat.S_ISDIR(status.st_mode):
                continue
            yield path, status
            with os.scandir(full) as entries:
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if left_out is not None and left_out(f"{path}{entry.name}"[len(folder) :], is_folder):
                        continue
                    if is_folder and is_deep:
                        todo.append(f"{path}{entry.name}/")
                    elif is_folder:
                        yield f"{path}{entry.name}/", entry.stat(follow_symlinks=False)
                    else:
                        yield path + entry.name, entry.stat(follow_symlinks=False)
        except OSError:
            continue


def altered(folder: str, seen: Seen, made: Mapping[str, str], since: int) -> list[str]:
    """Return the paths in an output folder that are not as its last success has left them, sorted.

    :param seen: what is there
    :param made: path -> value of what that success has made
    :param since: when it ended, in milliseconds since the epoch
    """
    there = {path: look.value for path, look in seen.looks.items()}
    found = {path for path, value in made.items() if path in there and value != there[path]}
    gone = [path for path in made if path.startswith(folder) and path not in there and path not in seen.folders]
    found.update(path for path in gone if not made[path].startswith("link "))
    new = [path for path, look in seen.looks.items() if path not in made and look.stamp[0] > since * 1_000_000]
    return sorted(found.union(new))


def missing(values: Mapping[str, str]) -> list[str]:
    """Return the outputs that do not exist, or that are a file in place of a folder or the other way round.

    :param values: path -> what it holds, as `digests` describes it
    """
    return [path for path, value in values.items() if value == ABSENT or path.endswith("/") != is_folder(value)]


def move_aside(root: str, path: str, folder: str) -> str:
    """Move a path into a folder, never over an existing one; return its new path.

    If `folder` has the path already, it goes into `folder.1`, and so on.

    :param folder: the folder of the action, two levels below the state folder
    :raises TreadleError: it cannot be moved
    """
    return move_from(os.path.join(root, path), path, folder)


def move_from(full: str, path: str, folder: str) -> str:
    """Do the same with a file that is elsewhere.

    :param full: where it is
    :param path: its path relative to the root, which it has in `folder`
    :raises TreadleError: it cannot be moved
    """
    state, kind = os.path.split(os.path.dirname(folder))
    try:
        base = own_files.make_folder(state, kind)
        for number in range(_MOST_COPIES):
            inside = os.path.join(os.path.basename(folder) + (f".{number}" if number else ""), path)
            aside = os.path.join(base, inside)
            if _has_folders_for(base, inside) and not os.path.lexists(aside):
                _move(full, aside)
                return aside
    except OSError as error:
        raise _unmovable(path, error) from error
    raise _unmovable(path, OSError(17, "too many copies are there", folder))


def _has_folders_for(base: str, path: str) -> bool:
    """Make the folders for a path; return False if a file has the name of one."""
    folder = base
    for name in path.split("/")[:-1]:
        above, folder = folder, os.path.join(folder, name)
        # a file that was moved aside before may have this name
        if not own_files.make_one(folder, above, is_replacing=False):
            return False
    return True


_MOST_COPIES = 100_000


def _unmovable(path: str, error: OSError) -> TreadleError:
    return TreadleError(
        f"{path} cannot be moved aside, and Treadle may not have made it",
        facts=(f"{error.filename}: {error.strerror}" if error.strerror else str(error),),
    )


def _move(full: str, aside: str) -> None:
    try:
        os.rename(full, aside)
    except OSError as error:
        if error.errno != EXDEV:
            raise
        move_across(full, aside)


def move_across(full: str, aside: str) -> None:
    """Move a file or link to another file system; follow no link at its new place, and overwrite nothing."""
    import shutil

    status = os.lstat(full)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(full), aside)
        if os.geteuid() == 0:
            os.lchown(aside, status.st_uid, status.st_gid)
    elif stat.S_ISREG(status.st_mode):
        with open(full, "rb") as source:
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with open(fd, "wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                if os.geteuid() == 0:
                    # its owner stays
                    os.chown(aside, status.st_uid, status.st_gid, follow_symlinks=False)
                shutil.copystat(full, aside, follow_symlinks=False)
            except OSError:
                # an incomplete copy is removed, and the file stays in its place
                os.unlink(aside)
                raise
    else:
        raise OSError(EXDEV, "a pipe, socket or device cannot be moved to another file system", full)
    os.unlink(full)


def remove_empty_folders(root: str, folders: Iterable[str]) -> None:
    """Remove those of some folders that are empty, the innermost first. Links are no folders."""
    for folder in sorted({path for path in folders if path.endswith("/")}, key=lambda path: -path.count("/")):
        _remove_empty(os.path.join(root, folder.rstrip("/")))


def remove_file(full: str, output: str) -> None:
    """Remove the file in the place of an output, or an empty folder there."""
    try:
        os.unlink(full)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError) as error:
        try:
            # an action may have made it for files that are gone
            os.rmdir(full)
        except OSError:
            if not os.path.isdir(full):
                raise error from None
            raise TreadleError(
                f"the output {output} is declared as a file, but it is a folder",
                hint=f"it holds files that no run of Treadle has made: move it away, or declare it as {output}/",
            ) from error


def remove_tree(folder: str) -> int:
    """Remove a folder of the state with all that is in it, however deep; return how many files there were.

    What is mounted in it stays.
    """
    if os.path.islink(folder):
        os.unlink(folder)
        return 0
    todo, count = [(folder, False)], 0
    mounts = {one for one in mount_points() if f"{one}/".startswith(f"{os.path.realpath(folder)}/")}
    while todo:
        path, is_done = todo.pop()
        if is_done:
            _remove_empty(path)
            continue
        if mounts and os.path.realpath(path) in mounts:
            continue
        todo.append((path, True))
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append((entry.path, False))
                    else:
                        os.unlink(entry.path)
                        count += 1
        except OSError:
            continue
    return count


def _remove_empty(full: str) -> bool:
    """Remove a folder if it is empty, and no link; return whether it is gone."""
    try:
        os.rmdir(full)
    except OSError:
        return False
    return True


def if_full(root: str) -> str:
    """Return a text if the disk is full, else "": the log of an action could not say this."""
    disk = os.statvfs(root)
    free = disk.f_bavail if os.geteuid() else disk.f_bfree
    return "; no space left on the disk" if disk.f_blocks and not free else ""


def _make_folder(folder: str) -> None:
    status = _stat(folder)
    if status is None or not stat.S_ISDIR(status.st_mode):
        os.makedirs(folder, exist_ok=True)


def _stat(full: str) -> os.stat_result | None:
    try:
        return os.stat(full)
    except OSError:
        return None


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_ctime_ns


def lstat(full: str) -> os.stat_result | None:
    """Return the status of a path itself, None where nothing is."""
    try:
        return os.lstat(full)
    except OSError as error:
        if is_gone(error):
            return None
        raise


def _text_of(error: OSError) -> str:
    return error.strerror or str(error)
