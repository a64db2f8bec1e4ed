"""FolderCache: a store in a folder of the user, with a bound on its size. The layout is that of a server.

`ac/ab/KEY` are entries, `cas/ab/SHA256` blobs. Each file is written under another name and renamed, blobs before
the entry that names them; nothing is synced, as a torn file is found when it is read. Eviction takes no lock: what
vanishes while it is wanted is a miss.

If only the user can write to the store, damage is found by the digest that the record needs anyway, else by
SHA-256.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from hashlib import sha256
from itertools import count
from time import monotonic, time
from typing import TYPE_CHECKING, NamedTuple, Self

from treadle.content import trust

from .base import ENTRY_LIMIT, CacheError, Digest, UnusableEntryError
from .copying import NEW, copy, read_small, write_all

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 5 << 30
"""Bytes that a store may have where nothing else is said."""
_LEAST_FREE = 1 << 30
_ROOM_LASTS = 1.0
"""Seconds for which what the system says of free bytes holds, less what was asked for since."""
_ROOM_SHARE = 8
"""It does not hold for more than such a part of what is free above the bound: others fill the disk too."""
_LATELY = 3600.0
"""What was used in so many seconds stays; and a use is not noted again before."""
_DOWN_TO = 0.8
_TAG = "CACHEDIR.TAG"
_TAG_TEXT = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of outputs that Treadle makes. It may be removed at any time.\n"
)
_SIZE = "treadle-size"
"""The file with the number of bytes that are stored. The folder may have other files: none has such a name."""
ASKED = "treadle-asked"
"""The file with the largest size that a plan asked for lately."""
_NAMES = {"ac", "cas", "new", "hints", _SIZE, ASKED, "id", _TAG}
"""What is in the folder of a store."""
_TEMPORARY = "tmp-"
_SHORTEST = 12
"""Random digits in such a name at least."""
_LONGEST = 19
"""Digits of a number of bytes at most."""
_HEX = 64
_DIGITS = "0123456789abcdef"
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Kept(NamedTuple):
    """A file of a store."""

    path: str
    used: float
    size: int


class FolderCache:
    """A store in a folder of its user.

    :param folder: where it is; it is made when something is stored
    :param size: how many bytes it may have; above that the oldest are removed
    :param writable: whether anything is stored
    :param least_free: bytes that have to be free on the disk for anything to be stored
    :param notes_use: whether the times of what is read are set, by which the oldest are known
    :ivar source: the address of a server that is not believed by all users of the store, "" for none: what comes
        from there is kept below other keys, by which it is found only with the same address
    """

    name = "local"
    is_own = True
    source = ""

    def __init__(
        self,
        folder: str,
        size: int = SIZE,
        *,
        writable: bool = True,
        least_free: int = _LEAST_FREE,
        notes_use: bool = True,
    ) -> None:
        self.folder = os.path.abspath(folder)
        self.size = size
        self.writable = writable
        self.least_free = least_free
        self.notes_use = notes_use
        self._added = 0
        """Bytes that were stored since the size was last noted."""
        self._is_checked = self._is_ready = False
        self._numbers = count(1)
        self._new = f"{self.folder}/new"
        self._own = os.urandom(6).hex()
        """What the names of this store's new files have: a process elsewhere may have our number."""
        self._room, self._room_until = 0, 0.0
        self._gives = False

    def unnoted(self) -> FolderCache:
        """Return the same store, to be looked at: no use of it is noted."""
        found = FolderCache(self.folder, self.size, writable=False, notes_use=False)
        found.source = self.source
        return found

    @property
    def scratch(self) -> str:
        """The folder for files that are to become blobs: a file in it is renamed, not copied."""
        self._make_ready()
        return self._new

    def get_entry(self, key: str, limit: int) -> bytes | None:
        """Return the entry of a key, None if it is not there."""
        path = self._entry(key)
        self._check()
        try:
            fd = os.open(path, _READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _fault("cannot be read", error) from error
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or not trust.counts(path, status):
                raise CacheError("holds a file that is not yours", path)
            if status.st_size > limit:
                raise UnusableEntryError("holds an entry that is too long", path)
            body = os.read(fd, limit)
        except OSError as error:
            raise _fault("cannot be read", error) from error
        finally:
            os.close(fd)
        if self.notes_use:
            _use(path, status.st_mtime)
        return body

    def has_blob(self, digest: Digest) -> bool:
        """Return whether there is a blob of this size; it is not read, and its use is not noted."""
        try:
            status = os.lstat(self._blob(digest))
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size == digest.size

    def read_blob(self, digest: Digest) -> bytes | None:
        """Return what a blob holds, None if it is not there or damaged; its use is not noted."""
        if not self.has_blob(digest):
            return None
        try:
            fd = os.open(self._blob(digest), _READ)
            with open(fd, "rb") as file:
                data = file.read(digest.size + 1)
        except OSError:
            return None
        return data if sha256(data).hexdigest() == digest.hash else None

    def get_blob(self, digest: Digest, path: str) -> bool:
        """Write a blob to a new file; return False if it is not there."""
        kept = self._blob(digest)
        self._check()
        try:
            source = os.open(kept, _READ)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _fault("cannot be read", error) from error
        try:
            status = os.fstat(source)
            if not stat.S_ISREG(status.st_mode) or status.st_size != digest.size:
                self.discard(digest)
                return False
            data = read_small(source, digest.size)
            target = os.open(path, NEW, 0o666)
            try:
                if data is None:
                    copy(source, target)
                else:
                    write_all(target, data)
            finally:
                os.close(target)
        finally:
            os.close(source)
        if self.notes_use:
            _use(kept, status.st_mtime)
        return True

    def put_blob(self, digest: Digest, path: str) -> None:
        """Store a file as a blob; one in `scratch` is moved."""
        self._make_ready()
        kept = self._blob(digest)
        if self._gives:
            _give(path, self.folder)
        is_ours = os.path.dirname(path) == self._new
        with suppress(OSError):
            # its use is noted first: an eviction that comes now leaves it
            os.utime(kept)
            if os.lstat(kept).st_size == digest.size:
                if is_ours:
                    os.unlink(path)
                return
        try:
            if not is_ours:
                fresh = self.new_name()
                with open(path, "rb") as source:
                    target = os.open(fresh, NEW, 0o600)
                    try:
                        copy(source.fileno(), target)
                    finally:
                        os.close(target)
                path = fresh
            _put(path, kept)
        except OSError as error:
            raise _fault("cannot be written", error) from error
        self._added += digest.size

    def put_entry(self, key: str, body: bytes) -> None:
        """Store an entry."""
        self._make_ready()
        try:
            self._replace(self._entry(key), body)
        except OSError as error:
            raise _fault("cannot be written", error) from error
        self._added += len(body)

    def add_hint(self, owner: str, line: bytes, most: int) -> None:
        """Add a line to the hints of an action.

        :param most: how many are kept
        """
        self._make_ready()
        path = self._hints(owner)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            try:
                fd = os.open(path, flags, 0o600)
            except FileNotFoundError:
                _make_private(os.path.dirname(path))
                fd = os.open(path, flags, 0o600)
            try:
                if self._gives:
                    trust.give(fd, self.folder, is_private=True)
                write_all(fd, line)
                size = os.fstat(fd).st_size
                if size > 2 * most * len(line):
                    kept = b"".join(os.pread(fd, size, 0).splitlines(keepends=True)[-most:])
                    self._replace(path, kept)
            finally:
                os.close(fd)
        except OSError as error:
            raise _fault("cannot be written", error) from error
        self._added += len(line)

    def hints(self, owner: str, most: int) -> bytes:
        """Return the lines that were added for an action, nothing if there are none.

        :param most: how many bytes; of more the last
        """
        try:
            self._check()
            fd = os.open(self._hints(owner), _READ)
        except (OSError, CacheError):
            return b""
        with open(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or not trust.counts(file.name, status):
                return b""
            file.seek(max(0, status.st_size - most))
            return file.read(most)

    def _replace(self, path: str, data: bytes) -> None:
        fresh = self.new_name()
        fd = os.open(fresh, NEW, 0o600)
        try:
            if self._gives:
                trust.give(fd, self.folder, is_private=True)
            write_all(fd, data)
        finally:
            os.close(fd)
        _put(fresh, path)

    def new_name(self) -> str:
        """Return a path in `scratch` that no other process takes."""
        return f"{self._new}/{_TEMPORARY}{os.getpid()}-{self._own}-{next(self._numbers)}"

    def discard(self, digest: Digest) -> None:
        """Remove a blob that is damaged."""
        with suppress(OSError):
            os.unlink(self._blob(digest))

    def close(self, wait: float) -> int:
        """Note what was stored; if it is too much now, remove the oldest."""
        del wait
        if self._added and self.writable:
            with suppress(OSError, CacheError):
                self._note_size()
        return 0

    def _note_size(self) -> None:
        added, self._added = self._added, 0
        with self._locked_size() as file:
            known = file.read()
            if known is None:
                self._evict(self.size)
                return
            size = known + added
            if size > self.size:
                size = self._evict(int(self.size * _DOWN_TO))[1]
            file.write(size)

    def gc(self, size: int | None = None) -> tuple[int, int]:
        """Remove what was used longest ago, down to a size; return how many bytes are gone, and how many are left.

        :param size: None for what the store may have
        """
        self._make_ready()
        try:
            with self._locked_size() as file:
                freed, left = self._evict(self.size if size is None else size)
                file.write(left)
        except OSError as error:
            raise _fault("cannot be written", error) from error
        return freed, left

    def _evict(self, size: int) -> tuple[int, int]:
        now = time()
        kept = sorted(self.files(), key=lambda one: one.used)
        left = sum(one.size for one in kept)
        freed = 0
        for one in kept:
            is_left = os.path.basename(one.path).startswith(_TEMPORARY)
            if now - one.used < _LATELY or (left <= size and not is_left):
                continue
            with suppress(OSError):
                os.unlink(one.path)
                freed, left = freed + one.size, left - one.size
        return freed, left

    def verify(self) -> tuple[int, list[str]]:
        """Read all entries and blobs, and remove those that are damaged; return how many there are, and these.

        What killed runs have left in `new` is none of them.
        """
        self._check()
        count, damaged = 0, []
        for kept in self.files():
            kind, name = kept.path.split("/")[-3], os.path.basename(kept.path)
            if kind not in ("ac", "cas"):
                continue
            count += 1
            try:
                is_right = _is_entry(kept.path, name) if kind == "ac" else _is_blob(kept.path, name)
            except FileNotFoundError:
                # evicted meanwhile
                continue
            except OSError:
                is_right = False
            if not is_right:
                damaged.append(f"{kind}/{name}")
                with suppress(OSError):
                    os.unlink(kept.path)
        return count, damaged

    def files(self) -> Iterator[Kept]:
        """Yield entries, blobs, hints and what killed runs have left: what has no name of these is left alone."""
        for kind in ("ac", "cas", "hints", "new"):
            top = os.path.join(self.folder, kind)
            folders = [top] if kind == "new" else [os.path.join(top, name) for name in _names_in(top)]
            for folder in folders:
                for name in _names_in(folder):
                    if not (_is_temporary(name) if kind == "new" else _is_key(name, folder)):
                        # the folder may be one that has other files too: these are none of ours
                        continue
                    with suppress(OSError):
                        status = os.lstat(os.path.join(folder, name))
                        if stat.S_ISREG(status.st_mode):
                            yield Kept(os.path.join(folder, name), status.st_mtime, status.st_size)

    def _locked_size(self) -> _Size:
        return _Size(os.path.join(self.folder, _SIZE))

    def _entry(self, key: str) -> str:
        return f"{self.folder}/ac/{key[:2]}/{key}"

    def _hints(self, owner: str) -> str:
        return f"{self.folder}/hints/{owner[:2]}/{owner}"

    def _blob(self, digest: Digest) -> str:
        return f"{self.folder}/cas/{digest.hash[:2]}/{digest.hash}"

    def why_refused(self) -> str:
        """Return in words why the folder is not used, "" if it is."""
        try:
            self._check()
        except CacheError as error:
            return str(error)
        is_other = os.path.lexists(self.folder) and not os.path.isdir(self.folder)
        return f"is not used: {self.folder} is not a folder" if is_other else ""

    def _check(self) -> None:
        """Refuse a folder to which another user may write."""
        if self._is_checked:
            return
        found = trust.foreign((self.folder,))
        if found is not None:
            raise CacheError("is not used", f"{found[0]}: {found[1]}")
        self._is_checked = True

    def has_room(self, size: int) -> bool:
        """Return whether so many bytes may be stored."""
        now = monotonic()
        if now < self._room_until and size <= self._room:
            self._room -= size
            return True
        free = self._free()
        if free < size:
            self._room_until = 0.0
            return False
        self._room, self._room_until = (free - size) // _ROOM_SHARE, now + _ROOM_LASTS
        return True

    def _free(self) -> int:
        """Return how many bytes of the disk may be taken."""
        folder = self.folder
        while not os.path.lexists(folder):
            # it is made when something is stored
            folder = os.path.dirname(folder)
        try:
            disk = os.statvfs(folder)
        except OSError:
            return -1
        return disk.f_bavail * disk.f_frsize - self.least_free

    def _make_ready(self) -> None:
        if self._is_ready:
            return
        self._check()
        self._gives = trust.gives()
        try:
            _make_private(self.folder)
            # what saves files leaves out a folder with a tag, also what others have in it
            is_ours_alone = set(os.listdir(self.folder)) <= _NAMES
            for name in ("ac", "cas", "new"):
                _make_private(os.path.join(self.folder, name))
            tag = os.path.join(self.folder, _TAG)
            if is_ours_alone and not os.path.lexists(tag):
                with suppress(FileExistsError), open(os.open(tag, NEW, 0o600), "w", encoding="ascii") as file:
                    file.write(_TAG_TEXT)
        except OSError as error:
            raise _fault("cannot be written", error) from error
        self._is_ready = True


class _Size:
    """The one number of a store, locked while it is read and written.

    What is in its place and is none of ours stays: then there is no number, and the store is looked through.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._text = b""
        self._is_ours = False

    def __enter__(self) -> Self:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            self._fd = os.open(self._path, flags, 0o600)
        except OSError:
            if not os.path.lexists(self._path):
                raise
            return self
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        except OSError:
            os.close(self._fd)
            raise
        status = os.fstat(self._fd)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            # a crash of the system may leave zeros
            self._text = os.pread(self._fd, _LONGEST + 1, 0).strip(b"\0") or b"0"
            self._is_ours = is_number(self._text)
        return self

    def __exit__(self, *error: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def read(self) -> int | None:
        """Return the number, 0 if none was written yet; None if something else is in its place."""
        return int(self._text) if self._is_ours else None

    def write(self, size: int) -> None:
        """Replace the number."""
        if self._is_ours:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, b"%d" % size, 0)


def is_number(text: bytes) -> bool:
    """Return whether a text is a number as one is written here."""
    return len(text) <= _LONGEST and text.isdigit()


def _put(fresh: str, kept: str) -> None:
    """Rename a file to its place; remove it if that fails."""
    try:
        try:
            os.rename(fresh, kept)
        except FileNotFoundError:
            _make_private(os.path.dirname(kept))
            os.rename(fresh, kept)
    except OSError:
        with suppress(OSError):
            os.unlink(fresh)
        raise


def _make_private(folder: str) -> None:
    """Make a folder for its owner alone, and those above it."""
    above = os.path.dirname(folder)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        if above == folder:
            raise
        _make_private(above)
        os.mkdir(folder, 0o700)
    trust.give_folder(folder, above, is_private=True)


def _give(path: str, folder: str) -> None:
    """Leave a file that root has made for the user who called it to that user, see `trust.give`."""
    with suppress(OSError):
        fd = os.open(path, _READ)
        try:
            trust.give(fd, folder, is_private=True)
        finally:
            os.close(fd)


def _is_blob(path: str, name: str) -> bool:
    hasher = sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            hasher.update(piece)
    return hasher.hexdigest() == name


def _is_entry(path: str, name: str) -> bool:
    """Return whether a file holds an entry of the key that is its name, or path sets."""
    from .entry import EntryError, decode_entry
    from .messages import MessageError, decode_result

    with open(path, "rb") as file:
        body = file.read(ENTRY_LIMIT + 1)
    try:
        result = decode_result(body)
        if result.note is not None:
            decode_entry(body, name)
    except (EntryError, MessageError):
        return False
    return len(body) <= ENTRY_LIMIT


def _is_key(name: str, folder: str) -> bool:
    """Return whether a name is one of an entry or a blob in a folder of a store."""
    return len(name) == _HEX and name[:2] == os.path.basename(folder) and not name.strip(_DIGITS)


def _is_temporary(name: str) -> bool:
    """Return whether a name is one that `new_name` or a copy of an output has: its process, and random digits."""
    words = name.removeprefix(_TEMPORARY).split("-")
    is_ours = len(words) > 1 and words[0].isdigit() and len(words[1]) >= _SHORTEST and not words[1].strip(_DIGITS)
    return name.startswith(_TEMPORARY) and is_ours


def _use(path: str, used: float) -> None:
    """Note that a file was used; a store that cannot be written to is read without that."""
    if time() - used > _LATELY:
        with suppress(OSError):
            os.utime(path)


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _fault(kind: str, error: OSError) -> CacheError:
    return CacheError(kind, f"{error.filename}: {error.strerror}" if error.filename else str(error))
