"""Whether an action makes the same bytes again: it runs in two folders that are as different as two machines are.

Only what it declares and what it was found to read is in them. The folders have names of other lengths; HOME,
TMPDIR, USER and the umask are other ones, and the second run begins in another second.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import struct
from contextlib import contextmanager, suppress
from tempfile import mkdtemp
from time import sleep, time
from typing import TYPE_CHECKING, NamedTuple

from treadle.command.outputs import remove_tree
from treadle.command.walk import CommandWalk, Settings
from treadle.core.graph.dag import DAG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from treadle.command.command import Command
    from treadle.core.pool import Pool

    from .call import StopRequests

_NAMES = ("a", "another-folder-with-a-name-of-another-length")
_USERS = ("first", "second-user")
_MASKS = (0o022, 0o027)
_LARGEST = 64 << 20
"""Bytes of a file in which the reason for a difference is looked for."""
_LONGEST = 600
"""Seconds that an action may have run whose times are looked for as numbers."""
_TIMES = re.compile(
    rb"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?)?|\d\d:\d\d:\d\d(?:[.,]\d+)?|\b1\d{9}(?:[.]?\d+)?\b"
)
_LOG_LINES = 5
_INTERRUPTED = "it was interrupted"


class Difference(NamedTuple):
    """How one output differs.

    :ivar path: the output, or the file in it
    :ivar what: what differs, in words
    """

    path: str
    what: str


class Checked(NamedTuple):
    """What has come of it.

    :ivar failure: why it could not be compared, "" if it was
    """

    differences: list[Difference]
    failure: str = ""


class Place:
    """One of the two folders, with what is different there.

    :param root: the folder that the paths of the action are relative to there
    :param environ: the variables that Treadle is called with there
    """

    def __init__(
        self, root: str, home: str, tmp: str, user: str, environ: Mapping[str, str], mask: int = 0o022
    ) -> None:
        self.root = root
        self.home = home
        self.tmp = tmp
        self.user = user
        self.environ = {name: value for name, value in environ.items() if not name.startswith("XDG_")}
        self.environ |= {"HOME": home, "TMPDIR": tmp, "USER": user, "LOGNAME": user}
        self.mask = mask
        self.began = self.ended = 0.0

    def plain(self, data: bytes) -> tuple[bytes, list[str]]:
        """Return data without what is different in this place, and what of it was there, in words."""
        found = []
        for what, text in (
            ("the path of its folder", self.root),
            ("the path of HOME", self.home),
            ("the path of TMPDIR", self.tmp),
            ("the name of the user", self.user),
        ):
            raw = os.fsencode(text)
            if raw in data:
                found.append(what)
                data = data.replace(raw, what.encode())
        return data, found

    def without_times(self, data: bytes) -> bytes:
        """Return data without times, as text or as numbers of four bytes."""
        data = _TIMES.sub(b"time", data)
        first, last = int(self.began) - 1, int(self.ended) + 2
        if last - first < _LONGEST:
            for second in range(first, last):
                for order in "<>":
                    data = data.replace(struct.pack(f"{order}I", second), b"time")
        return data


def _made(top: str, number: int, environ: Mapping[str, str]) -> Place:
    """Make the folders of one of the two.

    :param top: where
    """
    root, home, tmp = (os.path.join(top, _NAMES[number], name) for name in ("root", "home", "tmp"))
    for folder in (root, home, tmp):
        os.makedirs(folder)
    return Place(root, home, tmp, _USERS[number], environ, _MASKS[number])


def reproduce(
    uid: str,
    walk: CommandWalk,
    paths: Iterable[str],
    environ: Mapping[str, str],
    stops: StopRequests,
    pool: Callable[[], Pool],
) -> Checked:
    """Run an action twice and compare what it makes.

    :param walk: one that has the action, in the root that paths are relative to
    :param paths: what of the root it reads, folders with a `/` at the end
    :param environ: the environment that Treadle itself was called with
    :param stops: requests to end: what runs ends then, and nothing is left of it
    :param pool: finds what there is for an action that asks for resources
    """
    command, root = walk.command_of(uid), walk.root
    # from here on a signal does not end us at once
    stops.attach(walk)
    try:
        usual = Settings(walk.settings.jobs, walk.settings.queues, pool=pool)
        return _reproduced(uid, command, root, paths, usual, environ, stops)
    finally:
        stops.detach()


def _reproduced(
    uid: str,
    command: Command,
    root: str,
    paths: Iterable[str],
    usual: Settings,
    environ: Mapping[str, str],
    stops: StopRequests,
) -> Checked:
    top = os.path.realpath(mkdtemp(prefix="treadle-check-"))
    paths = list(paths)
    try:
        places = [_made(top, number, environ) for number in range(2)]
        for place in places:
            for path in paths:
                _copy(os.path.join(root, path), os.path.join(place.root, path))
            _lead_here(place.root, root)
            os.makedirs(os.path.join(place.root, command.cwd), exist_ok=True)
            _wait_for_another_second(places[0].ended)
            failure = _INTERRUPTED if stops.is_set() else _run(uid, command, place, usual, stops)
            if failure:
                return Checked([], failure)
        return Checked([one for output in command.outputs for one in _compared(output, *places)])
    finally:
        remove_tree(top)


def _wait_for_another_second(ended: float) -> None:
    """Wait until a second is over: an action may have looked at the clock at its end."""
    while int(time()) == int(ended):
        sleep(0.05)


def _copy(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target.rstrip("/")), exist_ok=True)
    if source.endswith("/"):
        shutil.copytree(source, target, symlinks=True, copy_function=_copy_file, dirs_exist_ok=True)
    elif os.path.lexists(source) and not os.path.lexists(target):
        shutil.copy2(source, target)


def _copy_file(source: str, target: str) -> None:
    # a pipe or a socket in a folder is none of its content
    if stat.S_ISREG(os.lstat(source).st_mode):
        shutil.copy2(source, target)


def _lead_here(copy: str, root: str) -> None:
    """Have absolute links that lead into a folder lead into its copy: what is written by them stays there."""
    tops = tuple(f"{top}/" for top in dict.fromkeys((root, os.path.realpath(root))))
    for at, folders, files in os.walk(copy):
        for path in (os.path.join(at, name) for name in (*folders, *files)):
            target = os.readlink(path) if os.path.islink(path) else ""
            top = next((one for one in tops if f"{target}/".startswith(one)), None)
            if top is not None:
                os.unlink(path)
                os.symlink(os.path.join(copy, target[len(top) :]), path)


@contextmanager
def _in_place(place: Place) -> Iterator[None]:
    """Have the variables and the umask of a place: what Treadle itself writes goes there too."""
    before, mask = dict(os.environ), os.umask(place.mask)
    try:
        os.environ.clear()
        os.environ.update(place.environ)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.umask(mask)


class _Walk(CommandWalk):
    """Ends when that is asked for."""

    stops: StopRequests

    def _round(self) -> None:
        self.stops.repeat()
        super()._round()


def _run(uid: str, command: Command, place: Place, usual: Settings, stops: StopRequests) -> str:
    """Run an action in a place; return why it did not end well, "" if it did."""
    graph = DAG()
    graph.add_vertex(uid, command)
    with _in_place(place):
        place.began = time()
        walk = _Walk(graph, place.root, Settings(usual.jobs, usual.queues, environ=place.environ, pool=usual.pool))
        walk.stops = stops
        stops.attach(walk)
        report = walk.run()
        place.ended = time()
    action = report.actions[uid]
    if action.outcome.kind == "success":
        return ""
    why = action.failure or action.outcome.reason or action.outcome.kind
    lines = _last_lines(action.log) if action.log else []
    return "\n".join([f"it does not end well with only what it declares: {why}", *lines])


def _last_lines(path: str) -> list[str]:
    with suppress(OSError), open(path, "rb") as file:
        return file.read()[-4096:].decode("utf-8", "replace").splitlines()[-_LOG_LINES:]
    return []


def _compared(output: str, one: Place, two: Place) -> Iterator[Difference]:
    if not output.endswith("/"):
        yield from _compared_file(output, one, two)
        return
    names = [set(_names_in(os.path.join(place.root, output))) for place in (one, two)]
    for name in sorted(names[0] ^ names[1]):
        yield Difference(output + name, "it is made in one of two folders")
    for name in sorted(names[0] & names[1]):
        yield from _compared_file(output + name, one, two)


def _names_in(folder: str) -> Iterator[str]:
    for at, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield os.path.relpath(os.path.join(at, name), folder)


def _compared_file(path: str, one: Place, two: Place) -> Iterator[Difference]:
    full = [os.path.join(place.root, path) for place in (one, two)]
    modes = [os.lstat(name).st_mode for name in full]
    if stat.S_IFMT(modes[0]) != stat.S_IFMT(modes[1]):
        yield Difference(path, "it is not of the same kind")
    elif stat.S_ISLNK(modes[0]):
        if os.readlink(full[0]) != os.readlink(full[1]):
            yield Difference(path, "it leads to something else")
    elif stat.S_ISREG(modes[0]):
        if (modes[0] ^ modes[1]) & stat.S_IXUSR:
            yield Difference(path, "it is executable in one of two folders")
        if what := _what_differs(full, one, two):
            yield Difference(path, what)


def _what_differs(full: list[str], one: Place, two: Place) -> str:
    """Return in words how two files differ, "" if they do not."""
    sizes = [os.path.getsize(name) for name in full]
    if max(sizes) > _LARGEST:
        return "" if sizes[0] == sizes[1] and _are_same(full) else "its bytes differ"
    first, second = (_read(name) for name in full)
    if first == second:
        # both may hold what another machine has not
        return ""
    return why_unlike(first, second, one, two)


def why_unlike(first: bytes, second: bytes, one: Place, two: Place) -> str:
    """Return in words why the bytes of a file are not the same in two places, as far as that can be seen."""
    (plain, found), (other, found_too) = one.plain(first), two.plain(second)
    held = list(dict.fromkeys([*found, *found_too]))
    said = f"it holds {' and '.join(held)}" if held else ""
    if plain == other:
        return said
    more = ""
    if one.without_times(plain) == two.without_times(other):
        more = "it holds a time"
    elif sorted(plain.splitlines()) == sorted(other.splitlines()):
        more = "the order of its lines differs"
    elif len(plain) == len(other) and sorted(plain) == sorted(other):
        more = "the order of what it holds differs"
    elif len(first) != len(second):
        more = f"its length differs: {len(first)} and {len(second)} bytes"
    else:
        at = next(number for number, pair in enumerate(zip(first, second, strict=True)) if pair[0] != pair[1])
        more = f"its bytes differ, first at {at}"
    return f"{said}; {more}" if said else more


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _are_same(full: list[str]) -> bool:
    with open(full[0], "rb") as one, open(full[1], "rb") as two:
        while piece := one.read(1 << 20):
            if piece != two.read(1 << 20):
                return False
        return not two.read(1)
