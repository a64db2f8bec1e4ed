"""Artifacts: files that an attempt leaves besides its outputs, moved to the state folder after its end.

They are no outputs and in no fingerprint. Only what an attempt has written itself is moved: no input and no output
of any action, nothing that git tracks, no link, nothing that is reached through one. A walk without an action that
names artifacts does not load this.

What an attempt has changed is found by a look before it and one after it, never by a clock. A pattern alone would
take files of a user. Only the whole plan knows what other actions read and make: if an action with artifacts is
dirty, the fast path leaves the plan to the full walk.
"""

from __future__ import annotations

import os
import re
import shutil
from errno import EXDEV
from typing import TYPE_CHECKING

from treadle.content.git import tracked_among
from treadle.content.trust import STATE_FOLDER
from treadle.core.outcomes import FAIL, PASS
from treadle.core.patterns import Exclusion, check_names, name_regex
from treadle.state import own_files

from .outputs import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from treadle.core.outcomes import Outcome

    from .command import Command

FOLDER = "artifacts"
"""The folder in the state folder."""
MOST = 3
"""Attempts of an action of which the artifacts are kept."""
Identity = tuple[int, ...]


def is_kept(when: str, ended: Outcome) -> bool:
    """Return whether an end is one after which a file is moved."""
    if when == "success":
        return ended.category == PASS
    return when == "always" or (when == "failure" and (ended.category == FAIL or ended.kind == "not_ready"))


class Artifacts:
    """The artifacts of one attempt, which is about to start.

    :param patterns: pattern -> one of `WHEN`; of several that a file meets the last one counts
    :param base: the folder that the paths of the attempt are relative to: the root, or one of its own
    :param cwd: the folder that it runs in, relative to that
    """

    def __init__(self, patterns: Mapping[str, str], base: str, cwd: str) -> None:
        self._patterns = patterns
        self._base = base
        self._cwd = os.path.normpath(os.path.join(base, cwd))
        self._before = {path: self._identity(path) for path in self._found()}

    def keep(
        self, state: str, place: str, attempt: int, ended: Outcome, is_declared: Callable[[str], bool]
    ) -> dict[str, str]:
        """Move what the attempt has left; return where from and where to, relative to the folder of its paths.

        :param state: the state folder
        :param place: the folder for the artifacts of the action, relative to the state folder
        :param is_declared: returns whether a path is an input or an output of an action
        :raises OSError: something cannot be moved
        """
        wanted = [path for path, when in self._found().items() if is_kept(when, ended) and self._is_new(path)]
        wanted = [path for path in wanted if not is_declared(self._relative(path))]
        tracked = set(tracked_among(wanted)) if wanted else set()
        wanted = [path for path in wanted if path not in tracked]
        if not wanted:
            return {}
        own_files.make_folder(state, place)
        folder = os.path.join(state, place, str(attempt))
        if os.path.lexists(folder):
            # of a former run
            _remove(folder)
        own_files.make_folder(state, f"{place}/{attempt}")
        moved = {}
        for path in wanted:
            inside = os.path.relpath(path, self._cwd)
            above = os.path.dirname(inside)
            target = os.path.join(folder, inside)
            if above:
                own_files.make_folder(state, f"{place}/{attempt}/{above}")
            _move(path, target)
            moved[self._relative(path)] = target
        _prune(os.path.join(state, place), str(attempt))
        return moved

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self._base)

    def _is_new(self, path: str) -> bool:
        return self._identity(path) != self._before.get(path)

    @staticmethod
    def _identity(path: str) -> Identity:
        try:
            status = os.lstat(path)
        except OSError:
            return ()
        # another name or another mode is nothing that was written
        return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)

    def _found(self) -> dict[str, str]:
        """Return the files that patterns are met by, each with the word of the last one."""
        top = os.path.realpath(self._base)
        here, state = f"{os.path.realpath(self._cwd)}/", os.path.realpath(os.path.join(self._base, STATE_FOLDER))
        if not here.startswith(f"{top.rstrip('/')}/") or here.startswith(f"{state}/"):
            # through a link it runs elsewhere
            return {}
        found: dict[str, str] = {}
        for pattern, when in self._patterns.items():
            for path in self._matches(self._cwd, check_names(pattern.split("/"))):
                # the last pattern decides on its place too
                found.pop(path, None)
                found[path] = when
        own = os.path.join(self._base, STATE_FOLDER, "")
        return {path: when for path, when in found.items() if not path.startswith(own)}

    def _matches(self, folder: str, names: list[str]) -> Iterator[str]:
        head, rest = names[0], names[1:]
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            return
        if head == "**" and rest:
            yield from self._matches(folder, rest)
        matches = re.compile(name_regex("*" if head == "**" else head)).fullmatch
        for entry in filter(lambda entry: matches(entry.name), listed):
            if entry.is_dir(follow_symlinks=False):
                if head == "**" or rest:
                    yield from self._matches(entry.path, names if head == "**" else rest)
            elif not rest and entry.is_file(follow_symlinks=False):
                yield entry.path


def _move(path: str, target: str) -> None:
    try:
        os.rename(path, target)
    except OSError as error:
        if error.errno != EXDEV:
            raise
        shutil.copy2(path, target, follow_symlinks=False)
        os.unlink(path)


def _prune(folder: str, newest: str) -> None:
    """Remove the artifacts of all attempts but the last ones; of what another run has left the newest stay."""
    os.utime(os.path.join(folder, newest))
    kept = [name for name in os.listdir(folder) if name.isascii() and name.isdigit() and name != newest]
    kept.sort(key=lambda name: os.lstat(os.path.join(folder, name)).st_mtime_ns, reverse=True)
    for name in kept[MOST - 1 :]:
        _remove(os.path.join(folder, name))


def _remove(path: str) -> None:
    if os.path.isdir(path) or os.path.islink(path):
        remove_tree(path)
    else:
        os.unlink(path)


def declared_in(commands: Iterable[Command], made: Iterable[str], root: str) -> Callable[[str], bool]:
    """Return a function: whether a path is an input or an output of one of some commands, or in such a folder.

    By whatever name: a link may lead to a folder of files that others read.

    :param made: further paths of this kind, such as inputs that were discovered
    :param root: the folder that paths are relative to
    """
    files: set[str] = set()
    folders: dict[str, Exclusion | None] = {}
    for path in made:
        files.add(_by_its_name(root, path))
        if path.endswith("/"):
            folders[os.path.realpath(os.path.join(root, path))] = None
    for command in commands:
        for path in (*command.inputs, *command.made, *command.edits, *command.baseline.values()):
            full = os.path.realpath(os.path.join(root, path))
            files.update((full, _by_its_name(root, path)))
            if path.endswith("/"):
                patterns = command.exclude.get(path)
                is_whole = not patterns or folders.get(full, patterns) is None
                folders[full] = None if is_whole else Exclusion(patterns or ())

    def is_declared(path: str) -> bool:
        full = _by_its_name(root, path)
        if full in files:
            return True
        above = os.path.dirname(full)
        while above != os.path.dirname(above):
            exclusion = folders.get(above)
            if above in folders and not (exclusion and exclusion.covers(os.path.relpath(full, above))):
                return True
            above = os.path.dirname(above)
        return False

    return is_declared


def _by_its_name(root: str, path: str) -> str:
    """Return an absolute path without links, but for one at its end."""
    above, name = os.path.split(os.path.join(root, path.rstrip("/")))
    return os.path.join(os.path.realpath(above), name)
