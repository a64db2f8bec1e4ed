"""Columns of stamps that answer "what is doubtful?" in bulk. It knows nothing of plans, Commands and records.

A row is a path with its stamp. The first rows are watched for everybody: when one of them moved, nothing of the
snapshot counts. The others belong to items (the actions of its writer), each of which names its rows.

A file is a line that names the format, a table with the length and checksum of each section, a checksum of that,
and the sections. Only the sections that are asked for are read, and none is believed before its checksum is. What
an item says of itself lies in a second file, which stays as it is while columns are written anew.
"""

from __future__ import annotations

import gc
import os
import sys
from itertools import accumulate, chain, pairwise

from xxhash import xxh3_64_intdigest, xxh3_128_digest

from treadle.content.timestamps import UNSURE, FileSystems, stamp_of_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Stat = Callable[[bytes], os.stat_result]
    Stamps = tuple[memoryview[int], memoryview[int], memoryview[int]]
    AnyPath = str | bytes

FORMAT = b"treadle snapshot 9\n"
FACTS, PATHS, KINDS, CTIMES, INODES, SIZES, ROW_ENDS, ROWS, BEFORE_ENDS, BEFORES, KEYS, ITEM_FILE = range(12)
ITEM_ENDS, ITEM_SUMS, NUMBERS = 12, 13, 14
PER_ITEM = 4
"""How many numbers there are per item, each in a column of its own: the first is NUMBERS."""
_SECTIONS = NUMBERS + PER_ITEM
WATCHED, READ, MADE = range(3)
"""The kinds of rows: watched for everybody, read by items, made by one of them (and read by others)."""
KEY_SIZE = 16
_TABLE_SIZE = 8 * (2 * _SECTIONS + 1)
_CHUNK = 4096
_WORTH_A_HELPER = 5000
_WORTH_AN_INDEX = 50


class DamageError(ValueError):
    """A section is not what was written."""


class Columns:
    """What a snapshot holds, in lists that can be written.

    :param facts: texts of its writer, which alone knows what they say
    """

    def __init__(self, facts: Sequence[str]) -> None:
        self.facts = list(facts)
        self.paths: list[bytes] = []
        self.kinds = bytearray()
        self.stamps: list[tuple[int, int, int]] = []
        self.values: list[str | None] = []
        """What each path held; it is not written, but tells whether two looks saw the same."""
        self.item_rows: list[list[int]] = []
        """Per item the numbers of its rows."""
        self.befores: list[list[int]] = []
        """Per item the numbers of the items before it."""
        self.numbers: list[tuple[int, ...]] = []
        """PER_ITEM numbers per item, which are theirs."""
        self.keys: list[bytes] = []
        """One key of KEY_SIZE bytes per item."""
        self.items: list[bytes] = []
        """Per item what its writer wants to find again, and no later look will change."""
        self._row_of: dict[bytes, int] = {}

    def row(self, path: str, stamp: tuple[int, int, int], kind: int = READ, value: str | None = None) -> int:
        """Return the number of the row of a path, which is added if it is not there.

        :param value: what the path held when it was looked at, if that is known: two looks that saw the same are
            as sure as the surer one, all others leave a stamp that is doubtful
        """
        raw = os.fsencode(path)
        number = self._row_of.get(raw)
        if number is None:
            number = self._row_of[raw] = len(self.paths)
            self.paths.append(raw)
            self.kinds.append(kind)
            self.stamps.append(stamp)
            self.values.append(value)
            return number
        if kind != READ:
            self.kinds[number] = kind
        before = self.stamps[number]
        same = value is not None and value == self.values[number]
        if stamp != before:
            self.stamps[number] = max(stamp, before) if same and UNSURE in (stamp, before) else UNSURE
        elif value != self.values[number]:
            self.stamps[number] = UNSURE
        if not same:
            self.values[number] = None
        return number

    def sections(self) -> list[bytes]:
        """Return the sections in their order."""
        from array import array

        ctimes, inodes, sizes = zip(*self.stamps, strict=True) if self.stamps else ((), (), ())
        return [
            join_texts(self.facts),
            b"\0".join(self.paths),
            bytes(self.kinds),
            array("q", ctimes).tobytes(),
            array("q", inodes).tobytes(),
            array("q", sizes).tobytes(),
            *_ragged(self.item_rows),
            *_ragged(self.befores),
            b"".join(self.keys),
            *item_sections(self.items),
            *(array("q", (of_item[n] for of_item in self.numbers)).tobytes() for n in range(PER_ITEM)),
        ]


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


def item_sections(items: Sequence[bytes]) -> tuple[bytes, bytes, bytes]:
    """Return the sections ITEM_FILE, ITEM_ENDS and ITEM_SUMS of what items say of themselves."""
    from array import array

    ends = array("Q", accumulate(map(len, items))).tobytes()
    return xxh3_128_digest(b"".join(items)), ends, array("Q", map(xxh3_64_intdigest, items)).tobytes()


def item_file(path: str, name: bytes) -> str:
    """Return the path of the file that holds the items of the snapshot `path`.

    :param name: its section ITEM_FILE
    """
    return f"{path}-{name.hex()}"


def write(path: str, sections: Sequence[bytes], items: Sequence[bytes] | None = None) -> None:
    """Write a snapshot; whoever reads the file finds the old one or the new one.

    :param items: what each item says of itself, if it is not there already
    :raises OSError: it cannot be written
    """
    table = b"".join(
        number.to_bytes(8, sys.byteorder) for part in sections for number in (len(part), xxh3_64_intdigest(part))
    )
    from treadle.state import own_files

    if items is not None:
        own_files.replace(item_file(path, sections[ITEM_FILE]), items)
    own_files.replace(path, [FORMAT + table + xxh3_64_intdigest(table).to_bytes(8, sys.byteorder), *sections])


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
    """Look at one half in a forked child: it sees what we see, shares our memory, and ends with the answer."""
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
    with open(readable, "rb") as answer:
        theirs = answer.read()
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
                # the same bytes may also lie across two numbers
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


def _ragged(lists: list[list[int]]) -> tuple[bytes, bytes]:
    from array import array

    flat = array("I", chain.from_iterable(lists))
    return array("I", accumulate(map(len, lists))).tobytes(), flat.tobytes()


def join_texts(texts: Sequence[str]) -> bytes:
    """Return texts as bytes, to be read by `split_texts`."""
    raw = [text.encode("utf-8", "surrogateescape") for text in texts]
    lengths = b"".join([len(one).to_bytes(4, sys.byteorder) for one in raw])
    return len(raw).to_bytes(4, sys.byteorder) + lengths + b"".join(raw)


def split_texts(data: bytes) -> list[str]:
    """Return the texts that `join_texts` has made bytes of."""
    count = int.from_bytes(data[:4], sys.byteorder)
    lengths = memoryview(data)[4 : 4 + 4 * count].cast("I")
    ends = list(accumulate(lengths, initial=4 + 4 * count))
    return [data[a:b].decode("utf-8", "surrogateescape") for a, b in pairwise(ends)]


def _usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
