"""What is known of each action's last start and last success: an append-only log in the state folder.

Reading never writes and needs no lock; only the run that holds the lock writes. A log that is missing, of another
format or damaged counts as empty, which `notes` says in one line; an end that was cut off is dropped.
It knows nothing of commands, files of actions, or the graph.
"""

from __future__ import annotations

import os
import stat

from . import frames, process
from .errors import StateError
from .frames import DamageError
from .lock import Lock
from .records import STARTED, Owner, Record, Run, owner_from, record_from, record_texts, run_from, run_texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from .files import Stamp

STATE_FOLDER = ".treadle"
FORMAT = b"treadle records 1\n"
_ID_SIZE = 33
_HEAD_SIZE = len(FORMAT) + _ID_SIZE
_COMPACT_FROM = 1 << 20

BEGUN, CLOSED, START, SUCCESS, OTHER_END, DROPPED, STAMPS = b"B", b"E", b"S", b"R", b"F", b"D", b"P"


class Entry:
    """What the log says of one key.

    :ivar state: the word of its last frame; only SUCCEEDED counts
    """

    __slots__ = ("_end", "_success", "counts", "owner", "state")

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.state = STARTED
        self.counts = False
        self._success: bytes | None = None
        self._end: bytes | None = None

    @property
    def record(self) -> Record | None:
        """The last success; it stays for `why` when it no longer counts."""
        return record_from(frames.unpack(self._success)) if self._success is not None else None

    @property
    def last_run(self) -> Run | None:
        """The last run that came to an end, well or not; None if the last one was cut off, or there was none."""
        body = self._success if self.counts else self._end
        return run_from(frames.unpack(body))[1] if body is not None else None

    def started(self, owner: Owner) -> None:
        """Take in that it was about to start."""
        self.owner, self.state, self.counts, self._end = owner, STARTED, False, None

    def ended(self, owner: Owner, state: str, body: bytes, counts: bool) -> None:
        """Take in how a run of it ended."""
        self.owner, self.state, self.counts = owner, state, counts
        if counts:
            self._success, self._end = body, None
        else:
            self._end = body

    def frames(self) -> list[bytes]:
        """Return the frames that say all of it again."""
        made = []
        if self._success is not None:
            made.append(_frame(SUCCESS, self._success))
        if self._end is not None:
            made.append(_frame(OTHER_END, self._end))
        elif not self.counts:
            made.append(frames.pack(START, ["", *self.owner.texts()]))
        return made


class Store:
    """The records of one root.

    :param root: the folder that holds the state folder
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.folder = os.path.join(root, STATE_FOLDER)
        self.path = os.path.join(self.folder, "records")
        self.notes: list[str] = []
        """Lines about what was found wrong with the state."""
        self.entries: dict[str, Entry] = {}
        self.stamps: dict[str, tuple[Stamp, str]] = {}
        """path -> stamp and value of files that former runs have read."""
        self.lock = Lock(self.folder)
        self._open_runs: dict[str, list[str]] = {}
        self._end = 0
        self._fd = -1
        self._run: str | None = None

    def load(self) -> None:
        """Read the log as it is now."""
        self.entries, self.stamps, self._open_runs, self.notes, self._end = {}, {}, {}, [], 0
        data = self._read()
        if not data:
            return
        if not data.startswith(FORMAT) or len(data) < _HEAD_SIZE:
            self.notes.append(f"{self.path} is of another format: everything counts as new")
            return
        try:
            self._end = _HEAD_SIZE
            for letter, body, end in frames.scan(data, _HEAD_SIZE):
                self._apply(letter, body)
                self._end = end
        except (DamageError, ValueError, IndexError):
            self.entries, self.stamps, self._open_runs, self._end = {}, {}, {}, 0
            self.notes.append(f"{self.path} is damaged: everything counts as new")

    def former_outputs(self) -> set[str]:
        """Return all paths that actions were about to make in former runs."""
        return {path for entry in self.entries.values() for path in entry.owner.outputs}

    def acquire(self, run: str, *, wait: bool = True, on_wait: Callable[[str], None] | None = None) -> None:
        """Make the state folder if there is none, take its lock, and read the log.

        What an earlier run left running when it was killed is ended before this returns.

        :param run: the id of our run
        :raises StateError: the folder cannot be made or written
        :raises BusyError: another run holds the lock, and `wait` is false
        """
        self._make_folder()
        self.lock.acquire(run, os.environ.get(process.MARK, ""), wait=wait, on_wait=on_wait)
        self._run = run
        self.load()
        for left in list(self._open_runs):
            self._end_left_over(left)

    def release(self) -> None:
        """Close the run, if it wrote anything, and give the lock back."""
        try:
            if self._run in self._open_runs:
                self._append([frames.pack(CLOSED, [self._run or ""])])
                self._compact()
        finally:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
            self.lock.release()

    def mark_started(self, owners: Iterable[Owner]) -> None:
        """Put down, in one write, that these are about to start: their records cease to count."""
        made = [] if self._run in self._open_runs else [self._begin()]
        for owner in owners:
            made.append(frames.pack(START, [self._run or "", *owner.texts()]))
            self._entry(owner).started(owner)
        self._append(made)

    def save(self, record: Record) -> None:
        """Put a success on record."""
        frame = frames.pack(SUCCESS, record_texts(record))
        self._append([frame])
        self._entry(record.owner).ended(record.owner, record.run.state, frame[frames.HEAD_SIZE :], counts=True)

    def save_end(self, owner: Owner, run: Run) -> None:
        """Put down a run that gives no record."""
        frame = frames.pack(OTHER_END, run_texts(owner, run))
        self._append([frame])
        self._entry(owner).ended(owner, run.state, frame[frames.HEAD_SIZE :], counts=False)

    def drop(self, keys: Collection[str]) -> None:
        """Remove all that is known of these keys."""
        self._append([frames.pack(DROPPED, list(keys))])
        for key in keys:
            self.entries.pop(key, None)

    def remember(self, stamps: Mapping[str, tuple[Stamp, str]]) -> None:
        """Put down stamps of files, so that the next run need not read them."""
        if stamps:
            self.stamps.update(stamps)
            self._append([frames.pack(STAMPS, _stamp_texts(stamps))])

    def _entry(self, owner: Owner) -> Entry:
        entry = self.entries.get(owner.key)
        if entry is None:
            entry = self.entries[owner.key] = Entry(owner)
        return entry

    def _apply(self, letter: bytes, body: bytes) -> None:
        texts = frames.unpack(body)
        if letter in (SUCCESS, OTHER_END):
            owner, run, _ = run_from(texts)
            self._entry(owner).ended(owner, run.state, body, counts=letter == SUCCESS)
        elif letter == START:
            owner, _ = owner_from(texts, 1)
            self._entry(owner).started(owner)
        elif letter == BEGUN:
            self._open_runs[texts[0]] = texts[1:]
        elif letter == CLOSED:
            self._open_runs.pop(texts[0], None)
        elif letter == DROPPED:
            for key in texts:
                self.entries.pop(key, None)
        elif letter == STAMPS:
            for path, ctime, inode, size, value in zip(*(texts[n::5] for n in range(5)), strict=True):
                self.stamps[path] = ((int(ctime), int(inode), int(size)), value)

    def _read(self) -> bytes:
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            return b""
        except OSError as error:
            self.notes.append(f"{self.path} cannot be read ({error.strerror}): everything counts as new")
            return b""
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                self.notes.append(f"{self.path} is not a file: everything counts as new")
                return b""
            with open(fd, "rb", closefd=False) as file:
                data = file.read()
            if not data:
                self.notes.append(f"{self.path} is empty: everything counts as new")
            return data
        finally:
            os.close(fd)

    def _make_folder(self) -> None:
        try:
            os.makedirs(self.folder, exist_ok=True)
            for name, text in _BESIDE.items():
                path = os.path.join(self.folder, name)
                if not os.path.exists(path):
                    with open(path, "w", encoding="ascii") as file:
                        file.write(text)
        except OSError as error:
            raise StateError(
                f"the state folder {self.folder} cannot be made: {error.strerror}",
                hint="the root of a plan must be a folder that can be written to",
            ) from error

    def _open_for_writing(self) -> None:
        """Open the log where its last whole frame ends; start a new one if what is there does not count."""
        try:
            if self._end == 0:
                self._set_aside()
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(self.path, flags, 0o644)
            if self._end == 0:
                head = FORMAT + os.urandom(16).hex().encode() + b"\n"
                os.ftruncate(self._fd, 0)
                self._write(head)
                self._end = len(head)
            else:
                os.ftruncate(self._fd, self._end)
        except OSError as error:
            raise _write_error(self.path, error) from error

    def _set_aside(self) -> None:
        try:
            mode = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISREG(mode):
            os.replace(self.path, f"{self.path}.damaged-{os.urandom(4).hex()}")

    def _append(self, made: list[bytes]) -> None:
        data = b"".join(made)
        if self._fd < 0:
            self._open_for_writing()
        try:
            self._write(data, self._end)
        except OSError as error:
            # a torn frame in the middle would void all that follows it
            os.ftruncate(self._fd, self._end)
            raise _write_error(self.path, error) from error
        self._end += len(data)

    def _write(self, data: bytes, at: int = 0) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(self._fd, view, at)
            view, at = view[done:], at + done

    def _begin(self) -> bytes:
        run = self._run or ""
        facts = [run, *_here(self.folder), str(os.getpid())]
        self._open_runs[run] = facts[1:]
        return frames.pack(BEGUN, facts)

    def _end_left_over(self, run: str) -> None:
        """End what a run that was killed has left running, if it ran here and nowhere else."""
        facts = self._open_runs[run]
        if facts[:3] == list(_here(self.folder)):
            alive = process.end_marked(f"{run}/")
            if alive:
                pids = ", ".join(str(pid) for pid in alive)
                raise StateError(f"processes of a run that was killed do not end: {pids}")
        self._append([frames.pack(CLOSED, [run])])
        del self._open_runs[run]

    def _compact(self) -> None:
        """Write the log anew if most of it is of the past."""
        if self._end < _COMPACT_FROM:
            return
        made = [frame for entry in self.entries.values() for frame in entry.frames()]
        made.append(frames.pack(STAMPS, _stamp_texts(self.stamps)))
        if 3 * sum(map(len, made)) > self._end:
            return
        fresh = f"{self.path}.new"
        try:
            with open(fresh, "wb") as file:
                file.write(FORMAT + os.urandom(16).hex().encode() + b"\n" + b"".join(made))
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self.path)
        except OSError as error:
            raise _write_error(fresh, error) from error


_BESIDE = {
    ".gitignore": "*\n",
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n# Treadle's state. Remove it, and all runs.\n",
}


def _frame(letter: bytes, body: bytes) -> bytes:
    return frames.pack(letter, frames.unpack(body))


def _stamp_texts(stamps: Mapping[str, tuple[Stamp, str]]) -> list[str]:
    texts: list[str] = []
    for path, ((ctime, inode, size), value) in stamps.items():
        texts += [path, str(ctime), str(inode), str(size), value]
    return texts


def _here(folder: str) -> tuple[str, str, str]:
    """Return host, boot and state folder: processes of a run can only be left where all three are the same."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
    except OSError:
        boot = ""
    status = os.stat(folder)
    return os.uname().nodename, boot, f"{status.st_dev}:{status.st_ino}"


def _write_error(path: str, error: OSError) -> StateError:
    return StateError(
        f"the state cannot be written: {path}: {error.strerror}",
        hint="what has been recorded before stays; make room or the folder writable, and run again",
    )
