"""Folders of their own that actions run in: laid out before an attempt, and emptied of the outputs after a success.

A `Command` with a `workdir` runs in `.treadle/work/NAME`. There each declared input is a link, or a copy, in its
relative place, and nothing else is there: what is not declared is missing. After a success each output is renamed
to its place. A walk without such a Command does not load this module.

No link leads to a whole folder: it would show excluded files, lead out by `..`, and put an output inside of an
input folder into its real place. Outputs are renamed and not linked back, so that the folder can be removed.
Those of the last success stay until then, as a failed attempt has not touched them.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager
from errno import EXDEV
from typing import TYPE_CHECKING

from treadle.content.digests import ABSENT, FOLDER, LINK, SAME, SUCCESS, walk_tree
from treadle.content.trust import STATE_FOLDER
from treadle.core.paths import holds, shortened
from treadle.core.patterns import exclusion
from treadle.errors import TreadleError
from treadle.state import own_files
from treadle.state.ownership import OURS, mount_points

from .job import own_name
from .outputs import Room, hint_of, lstat, move_aside, move_from, names_in, remove_tree
from .workdir import COPY, NAME

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from treadle.content.files import Seen
    from treadle.state.ownership import Ownership

    from .command import Command
    from .fingerprinting import ActionInputs

_OLD, _BESIDE = ".old", ".beside"
"""In the folder of these folders, each with a folder for each run: output folders that were moved away for new
ones, and paths that are next to the places of outputs. No encoded name of an action begins with a dot. What a
checkout brings names no run that was killed here, so it is never taken for what such a run has left."""


def folder_of(root: str, label: str, uid: str) -> str:
    """Return the path of the folder of an action.

    :param root: the folder that paths are relative to
    """
    return os.path.join(root, STATE_FOLDER, NAME, own_name(label, uid))


def shown(root: str, folder: str) -> str:
    """Return the path of a folder of an action relative to the root."""
    return os.path.relpath(folder, root)


class FreshRoom(Room):
    """The room of an action with a folder of its own: what is in the place of outputs stays there until its end.

    :param folder: its folder
    :param run: the id of the run
    """

    def __init__(self, command: Command, ownership: Ownership, key: str, folder: str, run: str) -> None:
        super().__init__(command, ownership, key)
        self.folder = folder
        self.is_there = False
        """Whether its folder was made for the last attempt, and is there still."""
        self.taken: list[str] = []
        """The outputs of this attempt that are in their places."""
        self._olds: list[tuple[str, str, dict[str, tuple[int, ...]]]] = []
        """Output folders that were moved away: where to, their path, the names in them with their identities."""
        self._has_old = False
        """Whether there is a folder for these."""
        self._has_intent = False
        """Whether something was put down of what is next to the places of outputs."""
        self._old = os.path.join(_OLD, run, os.path.basename(folder))
        self._intent = os.path.join(os.path.dirname(folder), _BESIDE, run, os.path.basename(folder))
        self._run = run

    @property
    def state(self) -> str:
        """The state folder."""
        return os.path.dirname(os.path.dirname(self.folder))

    @property
    def folders(self) -> Iterable[str]:
        """The folders around outputs that the attempt has made: not before its outputs are in their places."""
        return [path for path in self.mark.folders if os.path.isdir(os.path.join(self.root, path))]

    def holds_leftovers(self, *, made_room: bool) -> bool:
        """Return whether what an earlier attempt may have left is still there."""
        del made_room
        return self.was_unfinished and not set(self.command.made) <= set(self.taken)

    def _note_excluded(self, folder: str) -> None:
        """Note nothing: the attempt finds its output folders empty."""

    def make(self, inputs: ActionInputs, aside: str) -> None:
        """Make the folder, with its inputs in it; what is in the place of outputs stays.

        :raises TreadleError: an output cannot be put into its place, or the folder cannot be made
        """
        del aside
        self.taken = []
        self._refuse_tracked()
        for output in self.command.made:
            full = os.path.join(self.root, output)
            status = None if output.endswith("/") else lstat(full)
            if status is not None:
                self._refuse_alias(output, full, status, inputs)
        try:
            self._begin()
            self._lay_out(inputs)
        except OSError as error:
            raise TreadleError(
                f"its folder {shown(self.root, self.folder)} cannot be made: {error.strerror or error}",
                facts=(f"at {error.filename}",) if error.filename else (),
            ) from error

    def make_for_restore(self, inputs: ActionInputs, aside: str) -> None:
        """Make room in the places of the outputs, as for an action without a folder of its own."""
        super().make(inputs, aside)
        self.taken = list(self.command.made)

    def _begin(self) -> None:
        # a link in its place is no way to what is to be removed
        own_files.make_folder(self.state, NAME)
        _remove_any(self.folder)
        if os.path.lexists(self.folder):
            raise TreadleError(
                f"the folder {shown(self.root, self.folder)} of its last attempt cannot be removed",
                hint="something is mounted in it, or is not yours: remove it by hand",
            )
        self.is_there = True
        own_files.make_folder(self.state, f"{NAME}/{os.path.basename(self.folder)}")

    def _lay_out(self, inputs: ActionInputs) -> None:
        command = self.command
        for output in command.made:
            os.makedirs(os.path.join(self.folder, os.path.dirname(output)), exist_ok=True)
        os.makedirs(os.path.join(self.folder, command.cwd), exist_ok=True)
        for path, seen in inputs.seen.items():
            if path.startswith("/") or seen.value == ABSENT:
                # it is read where it is; or a baseline is yet to be made
                continue
            own = next((one for one in command.made if one.endswith("/") and path.startswith(one)), "")
            if own:
                raise TreadleError(
                    f"it reads {path}, which is in its output {own}",
                    hint="a new folder begins with empty output folders: read it from another place",
                )
            if path.endswith("/"):
                self._place_tree(path, seen)
            else:
                os.makedirs(os.path.dirname(os.path.join(self.folder, path)), exist_ok=True)
                self._place(path)

    def _place_tree(self, path: str, seen: Seen) -> None:
        """Put an input folder in its place: what counts of it, each file for itself."""
        full = os.path.join(self.root, path)
        if seen.value.startswith(SUCCESS):
            # which run has installed it is all that counts, and it may be large
            self._place_whole(path.rstrip("/"))
            return
        top = os.path.join(self.folder, path)
        os.makedirs(top, exist_ok=True)
        exclude = self.command.exclude.get(path)
        left_out = exclusion(tuple(exclude)) if exclude else None
        for name, entry, kind, before in walk_tree(full, follow=True, is_excluded=left_out):
            inside = f"{path}{name}".removeprefix("./")
            if kind == FOLDER:
                os.makedirs(os.path.join(self.folder, inside), exist_ok=True)
            elif self._is_own(inside):
                continue
            elif kind == SAME:
                there = os.path.relpath(os.path.join(top, before), os.path.dirname(os.path.join(top, name)))
                _link(there, os.path.join(self.folder, inside))
            elif kind == LINK:
                _link(os.readlink(entry.path), os.path.join(self.folder, inside))
            else:
                self._place(inside)

    def _is_own(self, path: str) -> bool:
        return any(holds(output, path) for output in self.command.made)

    def _place(self, path: str) -> None:
        """Put a file in its place, as a link or a copy; what another input has put there stays."""
        source, place = os.path.join(self.root, path), os.path.join(self.folder, path)
        if self.command.workdir == COPY and os.path.isfile(source):
            if not os.path.lexists(place):
                shutil.copy2(source, place)
        else:
            _link(source, place)

    def _place_whole(self, path: str) -> None:
        """Link to a folder as a whole, but for what of it has a folder here, or is an output."""
        source, place = os.path.join(self.root, path), os.path.join(self.folder, path)
        if self._is_own(path):
            return
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if self.command.workdir == COPY and os.path.isdir(source) and not os.path.isdir(place):
            shutil.copytree(source, place, symlinks=True)
        elif os.path.isdir(place) and not os.path.islink(place):
            for name in os.listdir(source):
                self._place_whole(f"{path}/{name}")
        else:
            _link(source, place)

    def missing(self) -> list[str]:
        """Return the outputs that the attempt has not made, or made of the wrong kind.

        Links that lead somewhere are judged in their places: what they lead to may be elsewhere there.
        """
        found = []
        for output in self.command.outputs:
            full = os.path.join(self.folder, output.rstrip("/"))
            if os.path.islink(full):
                there = os.path.join(self.root, os.path.dirname(output.rstrip("/")), os.readlink(full))
                found += [] if os.path.exists(full) or os.path.exists(there) else [output]
                continue
            is_right = (
                os.path.isdir(full) if output.endswith("/") else os.path.exists(full) and not os.path.isdir(full)
            )
            found += [] if is_right else [output]
        return found

    def commit(self, aside: str) -> None:
        """Rename what the attempt has made to its place, and remove what was moved away for it.

        :param aside: for what is in the place of an output and is not ours
        :raises TreadleError: something cannot be put into its place
        """
        top = os.path.join(os.path.realpath(self.state), NAME, os.path.basename(self.folder), "")
        if mounted := sorted(one for one in mount_points() if one.startswith(top)):
            raise TreadleError(
                f"{mounted[0][len(top) :]} is mounted in its folder",
                hint="unmount it at the end of the command: what is mounted is no output",
            )
        for output in self.command.made:
            self._refuse_elsewhere(output, top)
        try:
            # what is in an output folder goes with it
            for output in sorted(self.command.made, key=lambda path: (path[-1] != "/", path)):
                self._take(output, aside)
        finally:
            for old, output, names in self._olds:
                self._remove_old(old, output, names, aside)
            self._olds.clear()
            if self._has_old:
                self._has_old = False
                old = os.path.join(self.state, NAME, self._old)
                _remove_empty_tree(old)
                _remove_empty(os.path.dirname(old))
            if self._has_intent:
                self._has_intent = False
                _unlink(self._intent)
                _remove_empty(os.path.dirname(self._intent))

    def _refuse_elsewhere(self, output: str, top: str) -> None:
        """Refuse an output that its folder only links to: it may be a file of the user.

        :param top: the path of its folder without links, with a `/` at its end
        """
        above = os.path.dirname(os.path.join(self.folder, output.rstrip("/")))
        if not f"{os.path.realpath(above)}/".startswith(top):
            raise TreadleError(
                f"its output {output} is below a link that leads out of its folder",
                hint="make the output itself a link, or write to a real folder",
            )

    def _take(self, output: str, aside: str) -> None:
        try:
            self._turn_links(output)
            if output.endswith("/"):
                self._commit_folder(output, aside)
            else:
                self._commit_file(output, aside)
        except OSError as error:
            full = os.path.join(self.root, output)
            raise TreadleError(
                f"no room for the output {output}: {error.strerror or error}",
                facts=(f"in the way: {error.filename}",) if error.filename else (),
                hint=hint_of(error, full),
            ) from error
        if output not in self.taken:
            self.taken.append(output)

    def _commit_file(self, output: str, aside: str) -> None:
        new, full = os.path.join(self.folder, output), os.path.join(self.root, output)
        if lstat(new) is None:
            # it has gone with a folder around it; or it is the data of a discovery, which is missed when it is read
            return
        status = lstat(full)
        if status is None:
            self._make_folders(os.path.dirname(output), aside)
        elif stat.S_ISDIR(status.st_mode) or self._verdict(output, status) != OURS:
            self._clear(output, full, status, aside)
        self._put(new, full)

    def _commit_folder(self, output: str, aside: str) -> None:
        new, full = os.path.join(self.folder, output.rstrip("/")), os.path.join(self.root, output.rstrip("/"))
        if lstat(new) is None:
            return
        self._leave_out(output)
        status = lstat(full)
        if status is not None and stat.S_ISLNK(status.st_mode) and self._link_verdict(output, full) == OURS:
            os.unlink(full)
            status = None
        if status is None:
            self._make_folders(os.path.dirname(output.rstrip("/")), aside)
            self._before[output] = set()
            self._put(new, full)
            return
        names = self._names_if_ours(output) if stat.S_ISDIR(status.st_mode) else None
        if names is not None and self._exchange(new, full, output, names):
            self._before[output] = set()
            return
        # something in it stays: file by file, as it would be written
        self._make_folder(output, aside)
        # also what came to it in the meantime is none of ours
        self._before[output] = self._names_that_stay(output)
        # what is put there goes if the rest cannot be; what is in the way of the folder itself does not
        self.taken.append(output)
        if os.path.islink(new):
            if not _is_empty(full):
                raise FileExistsError(17, "files that no run has made are there", full)
            os.rmdir(full)
            self._before[output] = set()
            self._put(new, full)
            return
        self._merge(output, aside)

    def _leave_out(self, output: str) -> None:
        """Remove from a new output folder what `exclude` leaves out: it is none of the output, so it goes."""
        full = os.path.join(self.folder, output.rstrip("/"))
        if output not in self.command.exclude or os.path.islink(full):
            return
        kept = {name for name, _ in names_in(self.folder, output, self.command.exclude)}
        own = [one for one in self.command.made if one != output and holds(output, one)]
        for name, _ in reversed(list(names_in(self.folder, output))):
            if name not in kept and not any(holds(one, name) for one in own):
                path = os.path.join(self.folder, name.rstrip("/"))
                with _written(os.path.dirname(path)):
                    _remove_empty(path) if name.endswith("/") else _unlink(path)

    def _names_if_ours(self, output: str) -> dict[str, tuple[int, ...]] | None:
        """Return the names in an output folder with their identities, if all of it is ours; else None."""
        full = os.path.join(self.root, output.rstrip("/"))
        top = os.path.realpath(full)
        if any(f"{one}/".startswith(f"{top}/") for one in mount_points()):
            return None
        found = {}
        for name, status in names_in(self.root, output):
            if self._name_verdict(output, name, status, is_sure=False) != OURS:
                return None
            found[name[len(output) :]] = _identity(status)
        return found

    def _exchange(self, new: str, full: str, output: str, names: dict[str, tuple[int, ...]]) -> bool:
        """Move an output folder away, and the new one to its place; return False where it cannot be moved."""
        folder, self._has_old = own_files.make_folder(self.state, f"{NAME}/{self._old}"), True
        old = os.path.join(folder, output.rstrip("/"))
        if os.path.lexists(old):
            # of an attempt before, and could not be removed
            return False
        os.makedirs(os.path.dirname(old), exist_ok=True)
        try:
            _rename(full, old)
        except PermissionError:
            # the folder around it cannot be written to, but what is in it may be
            return False
        except OSError as error:
            if error.errno != EXDEV:
                raise
            old = self._beside(full, "old")
            try:
                os.rename(full, old)
            except OSError:
                # of a layer of a container, which is not written to
                return False
        try:
            self._put(new, full)
        except OSError:
            if not os.path.lexists(full):
                _rename(old, full)
            raise
        self._olds.append((old, output, names))
        return True

    def _merge(self, folder: str, aside: str) -> None:
        """Put what the attempt has made in a folder next to what stays there, never over it."""
        new = os.path.join(self.folder, folder)
        with os.scandir(new) as entries:
            made = sorted(entries, key=lambda entry: entry.name)
        with _written(new):
            self._merge_all(made, folder, aside)

    def _merge_all(self, made: Iterable[os.DirEntry[str]], folder: str, aside: str) -> None:
        for entry in made:
            path = f"{folder}{entry.name}"
            full = os.path.join(self.root, path)
            status = lstat(full)
            if path in self.command.made or f"{path}/" in self.command.made:
                # it has a turn of its own, with what is ours in its place
                continue
            if status is None:
                self._put(entry.path, full)
            elif entry.is_dir(follow_symlinks=False) and os.path.isdir(full) and not os.path.islink(full):
                self._merge(f"{path}/", aside)
            else:
                move_aside(self.root, path, aside)
                self.replaced.append(path)
                for before in self._before.values():
                    before -= {one for one in before if one.rstrip("/") == path or one.startswith(f"{path}/")}
                self._put(entry.path, full)

    def _put(self, new: str, full: str) -> None:
        """Rename something to its place; on another file system it is copied next to it first."""
        try:
            _rename(new, full)
            return
        except OSError as error:
            if error.errno != EXDEV:
                raise
        beside = self._beside(full, "new")
        try:
            if os.path.isdir(new) and not os.path.islink(new):
                _copy_tree(new, beside)
            else:
                shutil.copy2(new, beside, follow_symlinks=False)
            os.rename(beside, full)
        except OSError:
            _remove_any(beside)
            raise

    def _beside(self, full: str, kind: str) -> str:
        """Return a new name next to a path; it is put down first, so that the next run finds it after a kill."""
        folder, name = os.path.split(full)
        token = os.urandom(8).hex()
        beside = os.path.join(folder, f".{shortened(name)}.{token}.treadle-{kind}")
        own_files.make_folder(self.state, f"{NAME}/{_BESIDE}/{self._run}")
        known = (own_files.read(self._intent) or b"") if self._has_intent else b""
        self._has_intent = True
        own_files.replace(self._intent, [known, os.fsencode(beside), b"\0", os.fsencode(full), b"\0"])
        return beside

    def _turn_links(self, output: str) -> None:
        """Have absolute links in an output that lead into its folder lead to the same place in the root."""
        top = f"{self.folder}/"
        paths = [output]
        if output.endswith("/") and not os.path.islink(os.path.join(self.folder, output.rstrip("/"))):
            paths += [name for name, status in names_in(self.folder, output) if stat.S_ISLNK(status.st_mode)]
        for path in paths:
            full = os.path.join(self.folder, path.rstrip("/"))
            text = os.readlink(full) if os.path.islink(full) else ""
            if text.startswith(top):
                with _written(os.path.dirname(full)):
                    os.unlink(full)
                    os.symlink(os.path.join(self.root, text[len(top) :]), full)

    def _remove_old(self, old: str, output: str, names: dict[str, tuple[int, ...]], aside: str) -> None:
        """Remove a folder that was moved away; what came to it in the meantime is moved aside."""
        for path, status in names_in(os.path.dirname(old), f"{os.path.basename(old)}/"):
            name = path.partition("/")[2]
            if not stat.S_ISDIR(status.st_mode) and names.get(name) != _identity(status):
                move_from(os.path.join(os.path.dirname(old), path), f"{output}{name}", aside)
                self.replaced.append(f"{output}{name}")
        _remove(old)

    def put_aside(self, folder: str) -> str:
        """Move what of a failed attempt is in its place already into `folder`, which is emptied first."""
        return self._put_made_aside(self.taken, folder)

    def end(self, *, keeps: bool) -> str:
        """Remove the folder, unless it is kept; return where it is then, "" without one."""
        if not self.is_there:
            return ""
        if keeps:
            # its command may have removed it
            return shown(self.root, self.folder) if os.path.isdir(self.folder) else ""
        self.is_there = False
        _remove(self.folder)
        return ""


def tidy(state: str, run: str) -> list[str]:
    """Tidy up after a run that was killed while outputs were renamed; return what was moved aside.

    Copies next to the places of outputs are removed. Output folders that were moved away are moved to `replaced`:
    what came to them in the meantime cannot be distinguished from what was ours.

    :param state: the state folder
    :param run: the id of that run
    """
    moved: list[str] = []
    top = os.path.join(state, NAME)
    for name in _own_names(top, _BESIDE, run):
        intent = os.path.join(top, _BESIDE, run, name)
        texts = (own_files.read(intent) or b"").split(b"\0")
        for beside, full in zip(texts[::2], texts[1::2], strict=False):
            path, place = os.fsdecode(beside), os.path.relpath(os.fsdecode(full), os.path.dirname(state))
            if path.endswith(".treadle-new"):
                _remove_any(path)
            elif path.endswith(".treadle-old") and not place.startswith("../"):
                moved += _rescue_tree(path, place, os.path.join(state, "replaced", name))
        _unlink(intent)
    for name in _own_names(top, _OLD, run):
        old = os.path.join(top, _OLD, run, name)
        moved += _rescue_tree(old, "", os.path.join(state, "replaced", name))
    for kind in (_BESIDE, _OLD):
        _remove_empty(os.path.join(top, kind, run))
    return moved


def _own_names(top: str, kind: str, run: str) -> Collection[str]:
    """Return the names in a folder of ours; a checkout may have brought links, which lead to what is not ours."""
    folder = os.path.join(top, kind, run)
    return () if any(map(os.path.islink, (top, os.path.dirname(folder), folder))) else _names(folder)


def _rescue_tree(old: str, place: str, aside: str) -> list[str]:
    found: list[str] = []
    if os.path.islink(old):
        return found
    for path, status in list(names_in(os.path.dirname(old), f"{os.path.basename(old)}/")):
        name = os.path.join(place, path.partition("/")[2])
        if not stat.S_ISDIR(status.st_mode):
            move_from(os.path.join(os.path.dirname(old), path), name, aside)
            found.append(name)
    _remove(old)
    return found


def _rename(source: str, target: str) -> None:
    """Rename, also a folder that cannot be written to: as it is, it cannot get another one around it."""
    try:
        os.rename(source, target)
    except PermissionError:
        status = os.lstat(source)
        if not stat.S_ISDIR(status.st_mode) or status.st_mode & stat.S_IWUSR:
            raise
        os.chmod(source, status.st_mode | stat.S_IRWXU)
        try:
            os.rename(source, target)
        except OSError:
            os.chmod(source, status.st_mode)
            raise
        os.chmod(target, status.st_mode)


@contextmanager
def _written(folder: str) -> Iterator[None]:
    """Write to a folder of a new output, also if its command has taken that right away."""
    mode = os.lstat(folder).st_mode
    if not mode & stat.S_IWUSR:
        os.chmod(folder, mode | stat.S_IRWXU)
    try:
        yield
    finally:
        if not mode & stat.S_IWUSR:
            os.chmod(folder, mode)


def _link(text: str, place: str) -> None:
    try:
        os.symlink(text, place)
    except FileExistsError:
        # another input has brought it
        return


def _remove(folder: str) -> None:
    """Remove a folder with all that is in it, also where a command has made folders that cannot be written to."""
    if not os.path.lexists(folder):
        return
    remove_tree(folder)
    if not os.path.lexists(folder):
        return
    for path, status in _folders_in(folder):
        if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
            try:
                os.chmod(path, status.st_mode | stat.S_IRWXU)
            except OSError:
                continue
    remove_tree(folder)


def _remove_any(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        _remove(path)
    else:
        _unlink(path)


def _folders_in(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield a folder and those in it, each before it is listed; no link is followed, no mount is entered."""
    todo, mounts = [folder], mount_points()
    while todo:
        path = todo.pop()
        status = lstat(path)
        if status is None or not stat.S_ISDIR(status.st_mode) or os.path.realpath(path) in mounts:
            continue
        yield path, status
        todo += [os.path.join(path, name) for name in _names(path)]


def _remove_empty_tree(folder: str) -> None:
    for path, _ in reversed(list(_folders_in(folder))):
        _remove_empty(path)


def _names(folder: str) -> Collection[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return ()


def _copy_tree(folder: str, place: str) -> None:
    """Copy a folder with its links; of what cannot be copied the first error is raised as it is."""
    errors: list[OSError] = []

    def copy(source: str, target: str) -> None:
        try:
            shutil.copy2(source, target, follow_symlinks=False)
        except OSError as error:
            errors.append(error)
            raise

    try:
        shutil.copytree(folder, place, symlinks=True, copy_function=copy)
    except shutil.Error as error:
        raise (errors or [error])[0] from error


def _remove_empty(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:
        return


def _is_empty(folder: str) -> bool:
    return not os.listdir(folder)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
