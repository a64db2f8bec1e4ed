"""The probe: which actions of an earlier run may be dirty now, by its snapshot. It knows no plans and no argv.

It is never bolder than the walk. It checks only whether anything that the walk looked at has moved: files and
folders by their stamps, variables, the log of records. What did not move, the walk would skip again. What moved is
handed to a walk over the dirty actions and all that come after them, which decides by content as always.

A snapshot is a file of columns. A row is a path with its stamp. The first rows are watched for every action: when
one of them moved, nothing of the snapshot counts. The others belong to items (the actions), each of which names its
rows. The file is a line that names the format, a table with the length and checksum of each section, a checksum of
that table, and the sections. Only the sections that are needed are read, and none counts before its checksum does.
What an item says of itself is in a second file, which stays as it is while columns are written anew. What writes
both is `snapshot_file`.
"""

from __future__ import annotations

import gc
import os
import stat
import sys
from itertools import accumulate, pairwise

from xxhash import xxh3_64_intdigest

from treadle import __version__
from treadle.content import trust
from treadle.content.timestamps import FileSystems, stamp_of_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Stat = Callable[[bytes], os.stat_result]
    Stamps = tuple[memoryview[int], memoryview[int], memoryview[int]]

FORMAT = b"treadle snapshot 24\n"
FACTS, PATHS, KINDS, CTIMES, INODES, SIZES, ROW_ENDS, ROWS, BEFORE_ENDS, BEFORES, KEYS, ITEM_FILE = range(12)
ITEM_ENDS, ITEM_SUMS, NUMBERS = 12, 13, 14
PER_ITEM = 4
"""How many numbers there are per item, each in a column of its own: the first is NUMBERS."""
_SECTIONS = NUMBERS + PER_ITEM
WATCHED, READ, MADE = range(3)
"""The kinds of rows: watched for all items, read by items, made by one of them (and read by others)."""
KEY_SIZE = 16
_TABLE_SIZE = 8 * (2 * _SECTIONS + 1)
_CHUNK = 4096
_WORTH_A_HELPER = 5000
_WORTH_AN_INDEX = 50
FOLDER = "quick"
OFFSETS, SUCCESSES, LASTS, DURATIONS = range(NUMBERS, NUMBERS + PER_ITEM)
"""Columns of numbers per action: where the record is in the log that lets it be skipped (else NEVER), where
those of its last success and its last run are (-1: nowhere), and the microseconds that skipping it saves."""
OF_ITSELF = -2
"""In place of the offset of a record: the action is judged by what its rows say, and not by its record."""
UNNEEDED = -3
"""In place of the offset of a record: the action runs only after a failure, so it is never dirty of itself."""
NEVER = -1
"""In place of the offset of a record: the action has none that counts, so it is dirty each time."""


class Facts:
    """What a snapshot says in addition to its columns.

    :param log: id and length of the log of records when it was written, and the length when all of it was last read
    :param plan: the file that the walk was made of, relative to the root if it is in it
    :param saved: seconds that skipping everything saves
    :param environ: name -> value, None if it is not set
    :param folders: paths that have to be folders
    :param links: path of a link that something leads through -> where to
    :param has_globs: whether the plan has globs: what they match depends on previous outputs
    :param queues: name -> tokens
    :param generates_plans: whether actions generate plans that are a part of this one
    :param pool: what the plan says of resources, see `Project.pool`
    :param cache: what the plan says of its cache, see `Project.cache`
    :param nearby: the nearest plan and those above it that may include it, relative to the root, if one of them was
        taken; [] if the call named the plan
    :param last: what its writer keeps of the actions at the end, as texts
    :param files: paths that have to be files: declared inputs of what runs only after a failure or at the
        end of a run, so has no rows
    """

    __slots__ = (
        *(
            "cache",
            "environ",
            "files",
            "folders",
            "generates_plans",
            "has_globs",
            "last",
            "links",
            "log",
            "nearby",
            "plan",
            "pool",
        ),
        "queues",
        "saved",
    )

    def __init__(
        self,
        log: tuple[str, int, int],
        plan: str,
        saved: float,
        environ: Mapping[str, str | None],
        folders: Sequence[str],
        links: Mapping[str, str],
        has_globs: bool,
        queues: Mapping[str, int],
        generates_plans: bool,
        pool: str,
        cache: str,
        nearby: Sequence[str] = (),
        last: Sequence[str] = (),
        files: Sequence[str] = (),
    ) -> None:
        self.files = list(files)
        self.last = list(last)
        self.pool = pool
        self.cache = cache
        self.log = log
        self.plan = plan
        self.saved = saved
        self.environ = dict(environ)
        self.folders = list(folders)
        self.links = dict(links)
        self.has_globs = has_globs
        self.queues = dict(queues)
        self.generates_plans = generates_plans
        self.nearby = list(nearby)

    def texts(self) -> list[str]:
        """Return them as texts."""
        store_id, length, read = self.log
        texts = [
            __version__,
            store_id,
            str(length),
            str(read),
            self.plan,
            repr(self.saved),
            "y" if self.has_globs else "",
            "y" if self.generates_plans else "",
            self.pool,
            self.cache,
        ]
        texts += [str(len(self.folders)), *self.folders, str(len(self.environ))]
        for name, value in self.environ.items():
            texts += [name, "" if value is None else f"={value}"]
        texts.append(str(len(self.links)))
        for link, text in self.links.items():
            texts += [link, text]
        texts += [str(len(self.nearby)), *self.nearby, str(len(self.last)), *self.last]
        texts += [str(len(self.files)), *self.files]
        for queue, tokens in self.queues.items():
            texts += [queue, str(tokens)]
        return texts


def facts_from(texts: Sequence[str]) -> Facts | None:
    """Return the facts that `Facts.texts` has made texts of; None if another version of Treadle did."""
    if texts[0] != __version__:
        return None
    store_id, length, read, plan, saved, has_globs, generates_plans, pool, cache, count = texts[1:11]
    at = 11 + int(count)
    folders = texts[11:at]
    names = texts[at + 1 : at + 1 + 2 * int(texts[at])]
    environ = {n: v[1:] if v else None for n, v in zip(names[::2], names[1::2], strict=True)}
    at += 1 + len(names)
    last = at + 1 + 2 * int(texts[at])
    links = dict(zip(texts[at + 1 : last : 2], texts[at + 2 : last : 2], strict=True))
    at = last + 1 + int(texts[last])
    nearby = texts[last + 1 : at]
    end = at + 1 + int(texts[at])
    at_end, at = texts[at + 1 : end], end
    end = at + 1 + int(texts[at])
    files, at = texts[at + 1 : end], end
    queues = dict(zip(texts[at::2], map(int, texts[at + 1 :: 2]), strict=True))
    log = (store_id, int(length), int(read))
    are = bool(has_globs), queues, bool(generates_plans), pool, cache, nearby, at_end, files
    return Facts(log, plan, float(saved), environ, folders, links, *are)


class DamageError(ValueError):
    """A section is not what was written."""


class Snapshot:
    """A snapshot on disk, read section by section.

    :param path: the file
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1
        self._spans: list[tuple[int, int, int]] = []

    def open(self) -> bool:
        """Return whether there is one that can be read."""
        try:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            head = os.read(self._fd, len(FORMAT) + _TABLE_SIZE)
        except OSError:
            return False
        if len(head) != len(FORMAT) + _TABLE_SIZE or not head.startswith(FORMAT):
            return False
        table = head[len(FORMAT) :]
        *numbers, checksum = memoryview(table).cast("Q")
        if xxh3_64_intdigest(table[:-8]) != checksum:
            return False
        at = len(head)
        for length, own in zip(numbers[::2], numbers[1::2], strict=True):
            self._spans.append((at, length, own))
            at += length
        return True

    def status(self) -> os.stat_result:
        """Return what the system says of the open file."""
        return os.fstat(self._fd)

    def close(self) -> None:
        """Give the file back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def section(self, number: int) -> bytes:
        """Return one section.

        :raises DamageError: it is not what was written
        """
        at, length, checksum = self._spans[number]
        data = os.pread(self._fd, length, at)
        if len(data) != length or xxh3_64_intdigest(data) != checksum:
            raise DamageError(f"{self.path}: section {number}")
        return data

    def column(self, number: int) -> memoryview[int]:
        """Return one of the sections of signed numbers."""
        return memoryview(self.section(number)).cast("q")

    def facts(self) -> list[str]:
        """Return the texts of its writer."""
        return split_texts(self.section(FACTS))

    def paths(self) -> list[bytes]:
        """Return the path of each row."""
        joined = self.section(PATHS)
        return joined.split(b"\0") if joined else []

    def moved_rows(self, root: str, stat: Stat = os.stat) -> list[int]:
        """Return the rows whose path has another stamp now. Many rows are shared with a forked helper.

        :param root: the folder that paths are relative to
        """
        paths = self.paths()
        stamps = (self.column(CTIMES), self.column(INODES), self.column(SIZES))
        here = os.getcwd()
        os.chdir(root)
        systems = FileSystems(".")
        systems.stamp(os.stat("."), ".")
        collects = gc.isenabled()
        # what is made below goes at once, and nothing of it is part of a circle
        gc.disable()
        try:
            if len(paths) < _WORTH_A_HELPER or _usable_cpus() < 2:
                return _moved(paths, stamps, 0, len(paths), stat, systems)
            return _moved_by_two(paths, stamps, stat, systems)
        finally:
            if collects:
                gc.enable()
            os.chdir(here)

    def item_rows(self) -> Lists:
        """Return the rows of each item."""
        return Lists(self.section(ROW_ENDS), self.section(ROWS))

    def befores(self) -> Lists:
        """Return the items before each item."""
        return Lists(self.section(BEFORE_ENDS), self.section(BEFORES))

    def items_of(self, rows: Iterable[int]) -> set[int]:
        """Return the items that name one of these rows."""
        return self.item_rows().holders(rows)

    def with_all_after(self, items: Iterable[int]) -> list[int]:
        """Return items with all that come after them, in order."""
        befores = self.befores()
        found = set(items)
        fresh = set(found)
        after: dict[int, list[int]] | None = None
        while fresh:
            if after is None and len(found) > _WORTH_AN_INDEX:
                after = befores.reversed()
            if after is None:
                fresh = befores.holders(fresh) - found
            else:
                fresh = {n for item in fresh for n in after.get(item, ())} - found
            found |= fresh
        return sorted(found)

    def with_unneeded_before(self, items: Sequence[int], offsets: memoryview[int]) -> list[int]:
        """Return items with all unneeded ones before them, in order: they are no successes to those after them.

        :param offsets: the column OFFSETS
        """
        befores = self.befores()
        found, fresh = set(items), list(items)
        while fresh:
            more = {n for n in befores[fresh.pop()] if offsets[n] == UNNEEDED} - found
            found |= more
            fresh += more
        return sorted(found)

    def key(self, number: int) -> bytes:
        """Return the key of one item."""
        return self.section(KEYS)[number * KEY_SIZE : (number + 1) * KEY_SIZE]

    def items(self, wanted: Iterable[int]) -> list[bytes]:
        """Return what was written for some items.

        :raises DamageError: it is not what was written
        """
        ends = memoryview(self.section(ITEM_ENDS)).cast("Q")
        sums = memoryview(self.section(ITEM_SUMS)).cast("Q")
        path = item_file(self.path, self.section(ITEM_FILE))
        found = []
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            raise DamageError(path) from None
        try:
            for number in wanted:
                first = ends[number - 1] if number else 0
                item = os.pread(fd, ends[number] - first, first)
                if xxh3_64_intdigest(item) != sums[number]:
                    raise DamageError(f"{path}: item {number}")
                found.append(item)
        except OSError:
            raise DamageError(path) from None
        finally:
            os.close(fd)
        return found


def item_file(path: str, name: bytes) -> str:
    """Return the path of the file that holds the items of the snapshot `path`.

    :param name: its section ITEM_FILE
    """
    return f"{path}-{name.hex()}"


def _moved(
    paths: list[bytes], stamps: Stamps, first: int, last: int, stat: Stat, systems: FileSystems
) -> list[int]:
    ctimes, inodes, sizes = stamps
    moved: list[int] = []
    for a in range(first, last, _CHUNK):
        b = min(a + _CHUNK, last)
        try:
            found = list(map(stat, paths[a:b]))
        except OSError:
            moved += [n for n in range(a, b) if _stamp(paths[n], stat, systems) != (ctimes[n], inodes[n], sizes[n])]
            continue
        own_inodes = systems.inodes(found, paths[a:b])
        if (
            [s.st_ctime_ns for s in found] != ctimes[a:b].tolist()
            or own_inodes != inodes[a:b].tolist()
            or [s.st_size for s in found] != sizes[a:b].tolist()
        ):
            moved += [
                n
                for n, s in enumerate(found, a)
                if s.st_ctime_ns != ctimes[n] or own_inodes[n - a] != inodes[n] or s.st_size != sizes[n]
            ]
    return moved


def _stamp(path: bytes, stat: Stat, systems: FileSystems) -> tuple[int, int, int]:
    try:
        status = stat(path)
    except OSError as error:
        return stamp_of_error(error)
    return systems.stamp(status, path)


def _moved_by_two(paths: list[bytes], stamps: Stamps, stat: Stat, systems: FileSystems) -> list[int]:
    """Look at one half in a forked child, which shares our memory, and writes into a pipe what has moved."""
    middle = len(paths) // 2
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            found = _moved(paths, stamps, middle, len(paths), stat, systems)
            with open(writable, "wb") as file:
                file.write(b" ".join([b"%d" % number for number in found]))
            code = 0
        finally:
            os._exit(code)
    os.close(writable)
    moved = _moved(paths, stamps, 0, middle, stat, systems)
    with open(readable, "rb") as pipe:
        theirs = pipe.read()
    if os.waitpid(child, 0)[1] != 0:
        return moved + _moved(paths, stamps, middle, len(paths), stat, systems)
    return moved + [int(number) for number in theirs.split()]


class Lists:
    """Many lists of numbers in two columns: where each list ends, and all of them one after the other.

    No list is made of a column here: there may be a number for each file of a large project.
    """

    __slots__ = ("_raw", "ends", "flat")

    def __init__(self, ends: bytes, flat: bytes) -> None:
        self.ends = memoryview(ends).cast("I")
        self.flat = memoryview(flat).cast("I")
        self._raw = flat

    def span(self, number: int) -> tuple[int, int]:
        """Return where one of the lists begins and ends."""
        return self.ends[number - 1] if number else 0, self.ends[number]

    def __getitem__(self, number: int) -> list[int]:
        first, last = self.span(number)
        return self.flat[first:last].tolist()

    def holders(self, wanted: Iterable[int]) -> set[int]:
        """Return the numbers of the lists that hold one of `wanted`."""
        from bisect import bisect_right

        found: set[int] = set()
        for number in wanted:
            raw = number.to_bytes(_WIDTH, sys.byteorder)
            at = self._raw.find(raw)
            while at >= 0:
                # the same bytes may also span two numbers
                if at % _WIDTH == 0:
                    found.add(bisect_right(self.ends, at // _WIDTH))
                at = self._raw.find(raw, at + 1)
        return found

    def reversed(self) -> dict[int, list[int]]:
        """Return for each number the lists that hold it."""
        after: dict[int, list[int]] = {}
        start = 0
        for item, end in enumerate(self.ends):
            for before in self.flat[start:end]:
                after.setdefault(before, []).append(item)
            start = end
        return after


_WIDTH = 4


def split_texts(data: bytes) -> list[str]:
    """Return the texts that `join_texts` has made bytes of."""
    count = int.from_bytes(data[:4], sys.byteorder)
    lengths = memoryview(data)[4 : 4 + 4 * count].cast("I")
    ends = list(accumulate(lengths, initial=4 + 4 * count))
    return [data[a:b].decode("utf-8", "surrogateescape") for a, b in pairwise(ends)]


def _usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


class ProbeResult:
    """What is dirty.

    :param items: the numbers of the actions to walk, with all that come after them; none: there is nothing to do
    :param moved: the rows that have another stamp
    :param is_of_plan: whether the plan has to be read first: then `items` are those that are dirty whatever it says
    :param log_size: how long the log of records was when it was probed
    :ivar unneeded: how many actions run only after a failure
    """

    __slots__ = ("facts", "is_of_plan", "items", "log_size", "moved", "snapshot", "total", "unneeded")

    def __init__(
        self,
        snapshot: Snapshot,
        facts: Facts,
        items: list[int],
        moved: list[int],
        total: int,
        *,
        is_of_plan: bool,
        log_size: int,
    ) -> None:
        self.snapshot = snapshot
        self.facts = facts
        self.items = items
        self.moved = moved
        self.total = total
        self.is_of_plan = is_of_plan
        self.log_size = log_size
        self.unneeded = 0

    @property
    def is_nothing_to_do(self) -> bool:
        """Whether all would be skipped."""
        return not self.items and not self.is_of_plan


NO_PATH = ""
"""In place of PATH: no folder of it is in the root, so no program of the root is found by it."""


def own_path(root: str, environ: Mapping[str, str]) -> str:
    """Return PATH if a folder of it may be in the root, else NO_PATH: it decides which programs are inputs."""
    inside = os.path.join(root, "")
    path = environ.get("PATH", os.defpath)
    if any(not f.startswith("/") or os.path.join(f, "").startswith(inside) for f in path.split(os.pathsep)):
        return path or os.curdir
    return NO_PATH


def _is_another(name: str, value: str | None, root: str, environ: Mapping[str, str]) -> bool:
    if name == "PATH" and value == NO_PATH:
        return own_path(root, environ) != NO_PATH
    if name == "=root":  # ROOT_OF_PLAN, whose module is not loaded here
        return os.path.realpath(root) != value
    if name == "LC_CTYPE":
        from treadle._startup.interpreter import own_ctype

        # Python may have set it
        return own_ctype(environ) != value
    return environ.get(name) != value and not _is_redacted(name, value, environ)


def probe_snapshot(
    root: str, path: str, environ: Mapping[str, str], plans: Sequence[str], nearby: Sequence[str] = ()
) -> ProbeResult | None:
    """Return what is dirty by a snapshot, or None if only a walk over the whole plan can decide.

    :param root: the folder that paths are relative to
    :param path: the file of the snapshot
    :param plans: absolute paths of the plans that the call may name: a snapshot of another one says nothing
    :param nearby: the nearest plan and those above it that may include it: a snapshot that was made with others
        around says nothing
    """
    place = os.path.dirname(path)
    # the folders of plans above the nearest one are looked at where these are looked for
    folders = (root, os.path.dirname(place), place, *map(os.path.dirname, (*plans, *nearby[:1])))
    if trust.foreign(dict.fromkeys(folders)) is not None:
        return None
    snapshot = Snapshot(path)
    if not snapshot.open():
        return None
    try:
        is_ours = trust.counts(path, snapshot.status())
        result = _probe(snapshot, root, environ, plans, nearby) if is_ours else None
    except (DamageError, ValueError, IndexError, OverflowError, OSError):
        # also where the log is a folder or a pipe, and where the system cannot read it
        result = None
    if result is None:
        snapshot.close()
    return result


def _probe(
    snapshot: Snapshot, root: str, environ: Mapping[str, str], plans: Sequence[str], nearby: Sequence[str]
) -> ProbeResult | None:
    facts = facts_from(snapshot.facts())
    if facts is None or not _is_of(facts, root, plans, nearby):
        return None
    if any(_is_another(name, value, root, environ) for name, value in facts.environ.items()):
        return None
    if not _are_the_same_folders(root, facts) or not all(
        os.path.isfile(os.path.join(root, p)) for p in facts.files
    ):
        return None
    log = _tail(root, facts)
    if log is None:
        return None
    log_size, voided = log
    moved = snapshot.moved_rows(root)
    is_of_plan = bool(moved) and not (
        _are_for_a_part(snapshot, root, moved) and _lead_through_the_same(snapshot, root, moved, facts.links)
    )
    numbers = snapshot.column(OFFSETS)
    dirty = {at for at, number in enumerate(numbers) if number == NEVER} if NEVER in numbers else set()
    if moved:
        dirty |= snapshot.items_of(moved)
    if voided:
        dirty |= _items_with_keys(snapshot, voided)
    items = sorted(dirty) if is_of_plan else snapshot.with_all_after(dirty) if dirty else []
    unneeded = 0
    if UNNEEDED in numbers:
        if not is_of_plan:
            items = snapshot.with_unneeded_before(items, numbers)
        unneeded = numbers.tolist().count(UNNEEDED)
    found = ProbeResult(snapshot, facts, items, moved, len(numbers), is_of_plan=is_of_plan, log_size=log_size)
    found.unneeded = unneeded
    return found


def _is_of(facts: Facts, root: str, plans: Sequence[str], nearby: Sequence[str]) -> bool:
    """Return whether a snapshot is of a plan that the call names or, with the same plans around, may find."""
    if facts.nearby:
        return [os.path.normpath(os.path.join(root, path)) for path in facts.nearby] == nearby
    return os.path.join(root, facts.plan) in plans


def _is_redacted(name: str, value: str | None, environ: Mapping[str, str]) -> bool:
    """Return whether a digest is that of the value of a variable."""
    from treadle.core.redaction import is_digest_of

    return is_digest_of(value, name, environ.get(name))


def _are_for_a_part(snapshot: Snapshot, root: str, moved: list[int]) -> bool:
    """Return whether a walk over some actions can look after these rows: nothing that the plan depends on moved."""
    kinds, paths = snapshot.section(KINDS), snapshot.paths()
    for row in moved:
        if kinds[row] == WATCHED:
            return False
        if kinds[row] == READ:
            # a plan whose input is gone, or is no file any more, is not right: only loading it can decide that
            try:
                mode = os.stat(os.path.join(os.fsencode(root), paths[row])).st_mode
            except OSError:
                return False
            if not stat.S_ISREG(mode) and not paths[row].endswith(b"/"):
                return False
    return True


def _are_the_same_folders(root: str, facts: Facts) -> bool:
    """Return whether paths are folders, and none is a new link: a command run through one has another `..`."""
    are_links = False
    for folder in facts.folders:
        name = folder.rstrip("/") or "/"
        full = os.path.join(root, name)
        try:
            mode = os.lstat(full).st_mode
        except OSError:
            return False
        if stat.S_ISLNK(mode):
            are_links = True
            if name not in facts.links or not os.path.isdir(full):
                return False
        elif not stat.S_ISDIR(mode) or name in facts.links:
            return False
    return not are_links or _are_the_same_links(root, facts.links)


def _are_the_same_links(root: str, links: Mapping[str, str]) -> bool:
    for link, text in links.items():
        try:
            if os.readlink(os.path.join(root, link.rstrip("/"))) != text:
                return False
        except OSError:
            if text:
                return False
    return True


def _lead_through_the_same(snapshot: Snapshot, root: str, moved: list[int], links: Mapping[str, str]) -> bool:
    """Return whether paths lead through the links that they led through: turned ones lead to what others make."""
    if not _are_the_same_links(root, links):
        return False
    kinds, paths = snapshot.section(KINDS), snapshot.paths()
    read = {os.fsdecode(paths[row]) for row in moved if kinds[row] == READ}
    # an action may make a link, and what is around it is no work of its own
    made = {os.fsdecode(paths[row]).rpartition("/")[0] for row in moved if kinds[row] == MADE}
    tops = {above for path in (*read, *made) for above in _with_above(path.rstrip("/"))}
    if any(path not in links and os.path.islink(os.path.join(root, path)) for path in tops):
        return False
    return not any(path.endswith("/") and _holds_another_link(root, path, links) for path in read)


def _holds_another_link(root: str, folder: str, links: Mapping[str, str]) -> bool:
    """Return whether a folder of a tree holds a link that was none when the plan was read."""
    prefix = folder.removeprefix("./")
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            return any(entry.is_symlink() and prefix + entry.name not in links for entry in entries)
    except OSError:
        return True


def _with_above(path: str) -> list[str]:
    """Return a path and the folders around it."""
    found = []
    while path:
        found.append(path)
        path = path.rpartition("/")[0]
    return found


def _tail(root: str, facts: Facts) -> tuple[int, list[bytes]] | None:
    """Return the size of the log and the keys that it has said something of since.

    None if it is another log, or has grown so much that it should be read as a whole.
    """
    store_id, length, read = facts.log
    path = os.path.join(root, trust.STATE_FOLDER, "records")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        if not trust.counts(path, status):
            return None
        size = status.st_size
        head = os.pread(fd, 64, 0).split(b"\n", 2)
        if size < length or len(head) < 3 or head[1] != store_id.encode() or not trust.is_marked(store_id):
            return None
        if size == length:
            return size, []
        if size > 3 * read + (1 << 20):
            return None
        keys = _keys_in(os.pread(fd, size - length, length), facts)
        return None if keys is None else (size, keys)
    finally:
        os.close(fd)


def _keys_in(tail: bytes, facts: Facts) -> list[bytes] | None:
    from treadle.state import log

    keys = []
    try:
        for letter, body, _ in log.scan(tail, 0):
            if letter in (log.START, log.SUCCESS, log.OTHER_END):
                keys.append(bytes.fromhex(log.text_at(body, 1 if letter == log.START else 0)))
            elif letter == log.DROPPED:
                keys += [bytes.fromhex(key) for key in log.unpack(body)]
    except ValueError:
        return None
    return None if keys and facts.has_globs else keys


def _items_with_keys(snapshot: Snapshot, keys: list[bytes]) -> set[int]:
    joined = snapshot.section(KEYS)
    size = KEY_SIZE
    at = {joined[n : n + size]: n // size for n in range(0, len(joined), size)}
    return {at[key] for key in keys if key in at}
