"""What is known of each action's last start and last success: an append-only log in the state folder.

Reading never writes and needs no lock; only the run that holds the lock writes. A log that is missing, of another
format or damaged counts as empty, which `notes` says in one line; an end that was cut off is dropped.
It knows nothing of commands, files of actions, or the graph.
"""

from __future__ import annotations

import os
import stat

from xxhash import xxh3_128

from treadle.content import trust
from treadle.content.trust import STATE_FOLDER
from treadle.core.paths import folders_around
from treadle.errors import StateError

from . import log, own_files, records
from .lock import Lock
from .log import DamageError
from .records import Entry, Owner, Record, Run, Unstarted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from treadle.content.files import Stamp

    from .records import Mark

FORMAT = b"treadle records 5\n"
_MANIFEST = b"treadle manifest 1\n"
_ID_SIZE = 33
_HEAD_SIZE = len(FORMAT) + _ID_SIZE
_COMPACT_FROM = 1 << 20


class Known:
    """What is remembered of a log, so that it need not be read from its start.

    :param store_id: the id of the log
    :param length: how long it was, with no run open
    :param size: how long it is now: if it is longer later, what is dirty must be determined again
    :param offsets: where the frames are that are wanted
    """

    __slots__ = ("length", "offsets", "size", "store_id")

    def __init__(self, store_id: str, length: int, size: int, offsets: Sequence[int]) -> None:
        self.store_id = store_id
        self.length = length
        self.size = size
        self.offsets = offsets


class Manifests:
    """What actions have made in their output folders, name by name: a file for each action, read when it is needed.

    A manifest says what came to be and what it held, never what is there now. A lost or damaged one says nothing.

    :param folder: the folder that holds them
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def read(self, key: str) -> dict[str, str]:
        """Return path -> value of what the action with this key has made in its output folders.

        Folders end with `/`.
        """
        data = own_files.read(self._path(key))
        if data is None or not data.startswith(_MANIFEST):
            return {}
        try:
            for _, body, _ in log.scan(data, len(_MANIFEST)):
                texts = log.unpack(body)
                return dict(zip(texts[::2], texts[1::2], strict=True))
        except ValueError:
            pass
        return {}

    def write(self, key: str, made: Mapping[str, str]) -> None:
        """Put down what an action has made in its output folders; what was there before is replaced.

        :raises StateError: it cannot be written
        """
        if not made:
            self.remove(key)
            return
        texts = [text for pair in made.items() for text in pair]
        path = self._path(key)
        try:
            own_files.make_folder(*os.path.split(self.folder))
            own_files.replace(path, [_MANIFEST + log.pack(log.MADE, texts)])
        except OSError as error:
            raise StateError(
                f"the state cannot be written: {path}: {error.strerror}",
                hint="make room or the folder writable, and run again",
            ) from error

    def remove(self, key: str) -> None:
        """Remove what is known of one action."""
        try:
            os.unlink(self._path(key))
        except OSError:
            return

    def remove_all_but(self, keys: Collection[str]) -> None:
        """Remove what is known of all other actions."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return
        for name in names:
            if name not in keys:
                self.remove(name)

    def _path(self, key: str) -> str:
        return os.path.join(self.folder, key)


def run_file(folder: str) -> str:
    """Return the path, relative to the root, of the file that represents an output folder judged by presence.

    It holds another text from each start of an action on that makes the folder, whichever action that is. So what
    a run has seen there says which run has made the folder, as long as it did not begin to be made again.
    """
    return f"{STATE_FOLDER}/installed/{xxh3_128(os.fsencode(folder)).hexdigest()}"


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
        self.unstarted: dict[str, bytes] = {}
        """key -> how its action has ended that could not be started, if nothing of it has started since: what
        `records.unstarted_from` reads. It may be up to date by now, and its record says nothing of it."""
        self.stamps: dict[str, tuple[Stamp, str]] = {}
        """path -> stamp and value of files that earlier runs have read."""
        self.lock = Lock(self.folder)
        self.manifests = Manifests(os.path.join(self.folder, "made"))
        """What actions have made in their output folders."""
        self._places: set[str] = set()
        """The root by its name and without links, once they were needed."""
        self.is_partial = False
        """Whether only what was wanted and what came after has been read."""
        self.unmarked = ""
        """Why the log that was begun has no mark, so that it counts for nothing in the next run."""
        self.stays_open = False
        """Whether the run is not closed, as what it has started goes on: the next one sees to that."""
        self.begins_with: tuple[str, ...] = ()
        """What is put down of a run that begins: the engine that it uses, and the length of the lease there."""
        self._open_runs: dict[str, list[str]] = {}
        self._id = ""
        self._end = 0
        self._fd = -1
        self._run: str | None = None
        self._held: list[bytes] = []
        """Frames that are to be written with the next ones."""

    @property
    def position(self) -> tuple[str, int]:
        """The id of the log and its length, as far as we have read or written it."""
        return self._id, self._end

    def load_known(self, known: Known) -> bool:
        """Read the records that are wanted and all that came after; return whether the log is the known one."""
        self._forget()
        try:
            with open(self.path, "rb") as file:
                head = file.read(_HEAD_SIZE)
                if not head.startswith(FORMAT) or head[len(FORMAT) : -1].decode("ascii") != known.store_id:
                    return False
                if not trust.is_marked(known.store_id):
                    return False
                for offset in known.offsets:
                    file.seek(offset)
                    frame = file.read(log.HEAD_SIZE)
                    frame += file.read(log.length_of(frame))
                    letter, body, _ = next(log.scan(frame, 0))
                    self._apply(letter, body, offset)
                if os.fstat(file.fileno()).st_size != known.size:
                    return False
                file.seek(known.length)
                tail = file.read()
            self._end = known.length
            self._scan(tail, known.length)
        except (OSError, DamageError, ValueError, StopIteration):
            return False
        self._id, self.is_partial = known.store_id, True
        return True

    def load(self) -> None:
        """Read the log as it is now; what another user may have written counts as empty."""
        self._forget()
        found = self._foreign()
        if found is not None:
            self.notes.append(f"{self.path} is not used: {_AS_NEW}: {_words(found)}")
            return
        data = self._read()
        if not data:
            return
        if not data.startswith(FORMAT) or len(data) < _HEAD_SIZE:
            self.notes.append(f"{self.path} is of another format: {_AS_NEW}")
            return
        try:
            self._id = data[len(FORMAT) : _HEAD_SIZE - 1].decode("ascii")
            if not trust.is_marked(self._id):
                if not trust.is_state_trusted():
                    self._forget()
                    self.notes.append(_unmarked_note(self.path))
                    return
                if self._is_tracked():
                    self._forget()
                    self.notes.append(f"{self.path} is tracked by git, and may come from anybody: {_AS_NEW}")
                    return
            self._end = _HEAD_SIZE
            self._scan(data, 0)
        except (DamageError, ValueError, IndexError):
            self._forget()
            self.notes.append(f"{self.path} is damaged: {_AS_NEW}")

    def _forget(self) -> None:
        self.entries, self.unstarted, self.stamps, self._open_runs, self.notes = {}, {}, {}, {}, []
        self._id, self._end, self.is_partial = "", 0, False

    def _scan(self, data: bytes, start: int) -> None:
        """Take in the frames from `_end` on; `data` begins at `start` of the log."""
        for letter, body, end in log.scan(data, self._end - start):
            self._apply(letter, body, self._end)
            self._end = start + end

    def acquire(
        self,
        run: str,
        *,
        wait: bool = True,
        until: float | None = None,
        on_wait: Callable[[str], None] | None = None,
        known: Known | None = None,
        mark: str = "",
    ) -> None:
        """Make the state folder if there is none, take its lock, and read the log.

        What an earlier run left running when it was killed has to be ended before anything starts, see
        `killed_runs` and `command.walk.acquire_state`.

        :param run: the id of our run
        :param mark: the mark of the action that this process runs in, "" if it runs in none
        :param known: what need not be read; if the log is another one now, all is read
        :raises StateError: the folder cannot be made or written
        :raises BusyError: another run holds the lock, and `wait` is false, or it does so at the time `until`
        """
        self.make_folder()
        self.lock.acquire(run, mark, wait=wait, until=until, on_wait=on_wait)
        self._run, self.stays_open = run, False
        if known is None or not self.load_known(known):
            self.load()
        if self._id:
            trust.keep_mark(self._id)
        if not self._id:
            # of a log that does not count, or is gone: they would speak of actions of the new one
            self.manifests.remove_all_but(())

    def killed_runs(self) -> list[tuple[str, bool]]:
        """Return the runs that were never closed, each with whether it ran here and nowhere else."""
        here = list(_here(self.folder))
        return [(run, facts[:3] == here) for run, facts in self._open_runs.items() if run != self._run]

    def begun_with(self, run: str) -> list[str]:
        """Return what was put down of a run that was never closed, other than where it ran."""
        return self._open_runs.get(run, [])[4:]

    def close_killed(self, run: str) -> None:
        """Put down that nothing of a run that was killed is left running."""
        self._append([log.pack(log.CLOSED, [run])])
        del self._open_runs[run]

    def close_run(self) -> None:
        """Put down that the run is over, if it wrote anything; write the log anew if most of it is of the past."""
        if self._run in self._open_runs and not self.stays_open:
            self._append([log.pack(log.CLOSED, [self._run or ""])])
            del self._open_runs[self._run]
            self._compact()

    def release(self) -> None:
        """Close the run and give the lock back."""
        try:
            self.flush()
            self.close_run()
        finally:
            self._held.clear()
            self._run = None
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
            self.lock.release()

    def open_run(self) -> None:
        """Put down that the run begins, if it is not: what it starts from now on is ended after a kill."""
        if self._run not in self._open_runs:
            self._append([self._begin()])

    def mark_started(self, owners: Iterable[Owner], found: Mapping[str, Mark] | None = None) -> None:
        """Put down, in one write, that these are about to start: their records cease to count.

        :param found: key -> what is in the place of its outputs; nothing, if it is left out
        """
        made = [] if self._run in self._open_runs else [self._begin()]
        marks: list[tuple[str, bytes]] = []
        for owner in owners:
            mark = found.get(owner.key) if found else None
            frame = log.pack(log.START, [self._run or "", *owner.texts(), *(mark or _NOTHING_THERE).texts()])
            made.append(frame)
            marks.append((owner.key, frame))
        at = self._append(made) + (len(made[0]) if len(made) > len(marks) else 0)
        for key, frame in marks:
            self._entry(key).started(frame[log.HEAD_SIZE :], at)
            at += len(frame)

    def note_runs(self, presence: Collection[str], others: Iterable[str]) -> None:
        """Note, before anything of it runs, that outputs are about to be made.

        An action that has made a folder by presence has to run again where another one makes it or something in
        it: of this root, or of a plan with a state of its own around the folder.

        :param presence: folders that are judged by presence
        :param others: all other outputs
        :raises StateError: it cannot be written
        """
        self._places = self._places or {os.path.abspath(self.root), os.path.realpath(self.root)}
        for path in _run_files_around(self._places, (*presence, *others)):
            try:
                os.unlink(path)
            except OSError:
                continue
        for folder in presence:
            path = os.path.join(self.root, run_file(folder))
            try:
                own_files.make_folder(self.folder, "installed")
                own_files.replace(path, [os.urandom(16).hex().encode()])
            except OSError as error:
                raise StateError(
                    f"the state cannot be written: {path}: {error.strerror}",
                    hint="make room or the folder writable, and run again",
                ) from error

    def save(self, record: Record, *, held: bool = False) -> None:
        """Put a success on record.

        :param held: it need not be written before the next mark, or `flush`: until then a kill loses it
        """
        frame = log.pack(log.SUCCESS, records.record_texts(record))
        if held and self._fd >= 0:
            offset = self._end + sum(map(len, self._held))
            self._held.append(frame)
        else:
            offset = self._append([frame])
        self._entry(record.owner.key).succeeded(frame[log.HEAD_SIZE :], offset)

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            self._append([])

    def save_end(self, owner: Owner, run: Run, found: Sequence[str] = ()) -> None:
        """Put down a run that gives no record.

        :param found: what it was found to read: the next run waits for whatever makes that
        """
        frame = log.pack(log.OTHER_END, [*records.run_texts(owner, run), *found])
        offset = self._append([frame])
        self._entry(owner.key).ended(frame[log.HEAD_SIZE :], offset)

    def save_unstarted(self, key: str, end: Unstarted) -> None:
        """Put down that an action could not be started; its record stays as it is."""
        frame = log.pack(log.UNSTARTED, end.texts(key))
        self._append([frame])
        self.unstarted[key] = frame[log.HEAD_SIZE :]

    def drop(self, keys: Collection[str]) -> None:
        """Remove all that is known of these keys."""
        self._append([log.pack(log.DROPPED, list(keys))])
        for key in keys:
            self.entries.pop(key, None)
            self.unstarted.pop(key, None)
            self.manifests.remove(key)

    def release_paths(self, paths: Mapping[str, Collection[str]]) -> None:
        """Make outputs ordinary files: until their action starts again nothing says that it made them.

        :param paths: path -> keys of the records that it is an output of
        """
        self._append([log.pack(log.RELEASED, [path, *keys]) for path, keys in paths.items()])
        for path, keys in paths.items():
            self._apply_rest(log.RELEASED, [path, *keys])

    def remember(self, stamps: Mapping[str, tuple[Stamp, str]]) -> None:
        """Put down stamps of files, so that the next run need not read them."""
        if stamps:
            self.stamps.update(stamps)
            self._append([log.pack(log.STAMPS, _stamp_texts(stamps))])

    def _entry(self, key: str) -> Entry:
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = Entry()
        if self.unstarted:
            # whatever is taken in of it is newer
            self.unstarted.pop(key, None)
        return entry

    def _apply(self, letter: bytes, body: bytes, offset: int) -> None:
        if letter == log.SUCCESS:
            self._entry(log.text_at(body, 0)).succeeded(body, offset)
        elif letter == log.OTHER_END:
            self._entry(log.text_at(body, 0)).ended(body, offset)
        elif letter == log.START:
            self._entry(log.text_at(body, 1)).started(body, offset)
        elif letter == log.UNSTARTED:
            self.unstarted[log.text_at(body, 0)] = body
        else:
            self._apply_rest(letter, log.unpack(body))

    def _apply_rest(self, letter: bytes, texts: list[str]) -> None:
        if letter == log.BEGUN:
            self._open_runs[texts[0]] = texts[1:]
        elif letter == log.CLOSED:
            self._open_runs.pop(texts[0], None)
        elif letter == log.DROPPED:
            for key in texts:
                self.entries.pop(key, None)
                self.unstarted.pop(key, None)
        elif letter == log.RELEASED:
            for entry in filter(None, map(self.entries.get, texts[1:])):
                entry.released |= {texts[0]}
        elif letter == log.STAMPS:
            for path, ctime, inode, size, value in zip(*(texts[n::5] for n in range(5)), strict=True):
                self.stamps[path] = ((int(ctime), int(inode), int(size)), value)

    def _read(self) -> bytes:
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            return b""
        except OSError as error:
            self.notes.append(f"{self.path} cannot be read ({error.strerror}): {_AS_NEW}")
            return b""
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                self.notes.append(f"{self.path} is not a file: {_AS_NEW}")
                return b""
            with open(fd, "rb", closefd=False) as file:
                data = file.read()
            if not data:
                self.notes.append(f"{self.path} is empty: {_AS_NEW}")
            return data
        finally:
            os.close(fd)

    def _is_tracked(self) -> bool:
        """Return whether a commit has brought the log, or may have: that it counts was said of a cache."""
        from treadle.content.git import tracks

        return tracks(self.folder)

    def _foreign(self) -> tuple[str, str] | None:
        """Return what of the state another user may have put there, with the reason."""
        return trust.foreign((self.root, self.folder, self.path, self.manifests.folder))

    def make_folder(self) -> None:
        """Make the state folder if there is none, with what belongs into each.

        :raises StateError: it cannot be made, or another user may write to it
        """
        self._refuse(trust.foreign((self.root, self.folder, self.path)))
        try:
            if not os.path.isdir(self.folder):
                os.makedirs(self.root, exist_ok=True)
                try:
                    # whatever the umask says: what others could write to would not count at the next run
                    os.mkdir(self.folder, 0o755)
                except FileExistsError:
                    # another run may have made it since
                    if not os.path.isdir(self.folder):
                        raise
            self._refuse_link()
            trust.give_folder(self.folder, self.root)
            self._refuse(own_files.foreign_folder(self.folder, _FOLDERS))
            for name, text in _BESIDE.items():
                own_files.create(os.path.join(self.folder, name), text)
        except OSError as error:
            raise StateError(
                f"the state folder {self.folder} cannot be made: {error.strerror}",
                hint="the root of a plan must be a folder that can be written to",
            ) from error

    def _refuse(self, found: tuple[str, str] | None) -> None:
        """Refuse the state folder for what another user may have put there.

        :raises StateError: something was found
        """
        if found is not None:
            raise StateError(
                f"the state folder {self.folder} is not used: {_words(found)}",
                facts=(trust.RULE,),
                hint=trust.hint(found),
                page=trust.PAGE,
            )

    def _refuse_link(self) -> None:
        """Check that the state folder is a real one, or a link to state of our own that was moved elsewhere.

        :raises StateError: it is a link to anything else, which may have come with a checkout
        """
        if not os.path.islink(self.folder):
            return
        there = os.path.realpath(self.folder)
        head = self._head_on_disk()
        if trust.is_marked(_id_in(head)):
            return
        # safe is said of owners and modes: the link may have come with a checkout all the same, and lead to a
        # folder of ours that holds other things. `clean --replaced` would empty one of that name
        is_for_state = head.startswith(FORMAT) or not os.listdir(there)
        if is_for_state and trust.is_safe(there) and trust.is_safe(self.root):
            return
        raise StateError(
            f"the state folder {self.folder} is a link to {there}, where there is no state of yours",
            hint="remove the link; to keep state elsewhere, run once, move .treadle there, and make the link then",
            page="docs/howto/faq.md#can-the-state-be-on-another-disk",
        )

    def _head_on_disk(self) -> bytes:
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:
            return b""
        try:
            return os.read(fd, _HEAD_SIZE)
        except OSError:
            return b""
        finally:
            os.close(fd)

    def _open_for_writing(self) -> None:
        """Open the log where its last whole frame ends; start a new one if what is there does not count."""
        try:
            if self._end == 0:
                self._set_aside()
            # its id is the name of its mark, which no other user is to know
            self._fd = own_files.open_own(self.path, os.O_RDWR | (0 if self._end else os.O_TRUNC), 0o600)
            if self._end == 0:
                head = self._new_head()
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

    def _append(self, made: list[bytes]) -> int:
        """Write frames; return where they begin."""
        if self._fd < 0:
            self._open_for_writing()
        data = b"".join((*self._held, *made))
        try:
            self._write(data, self._end)
        except OSError as error:
            # a torn frame in the middle would void all that follows it
            os.ftruncate(self._fd, self._end)
            raise _write_error(self.path, error) from error
        self._held.clear()
        self._end += len(data)
        return self._end - sum(map(len, made))

    def _write(self, data: bytes, at: int = 0) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(self._fd, view, at)
            view, at = view[done:], at + done

    def _begin(self) -> bytes:
        run = self._run or ""
        facts = [run, *_here(self.folder), str(os.getpid()), *self.begins_with]
        self._open_runs[run] = facts[1:]
        return log.pack(log.BEGUN, facts)

    def _compact(self) -> None:
        """Write the log anew if most of it is of the past."""
        if self._end < _COMPACT_FROM or self.is_partial:
            return
        size = sum(entry.size for entry in self.entries.values())
        if 3 * size > self._end:
            return
        stamps = log.pack(log.STAMPS, _stamp_texts(self.stamps))
        if 3 * (size + len(stamps)) > self._end:
            return
        made = [self._new_head()]
        at = len(made[0])
        offsets = {}
        for entry in self.entries.values():
            for letter, body in entry.bodies():
                offsets[entry, letter == log.SUCCESS] = at
                made.append(log.frame(letter, body))
                at += len(made[-1])
        for key, entry in self.entries.items():
            made += [log.pack(log.RELEASED, [path, key]) for path in sorted(entry.released)]
        made += [log.frame(log.UNSTARTED, body) for body in self.unstarted.values()]
        self._replace(b"".join((*made, stamps)))
        self.manifests.remove_all_but(self.entries)
        for (entry, is_success), offset in offsets.items():
            if is_success:
                entry.offset = offset
            else:
                entry.last_offset = offset

    def _new_head(self) -> bytes:
        is_new = not self._id
        self._id = trust.new_id(self._id)
        if is_new:
            self.unmarked = trust.mark(self._id)
        return FORMAT + self._id.encode() + b"\n"

    def _replace(self, data: bytes) -> None:
        try:
            own_files.replace(self.path, [data], 0o600, sync=True)
        except OSError as error:
            raise _write_error(self.path, error) from error
        os.close(self._fd)
        self._fd, self._end = -1, len(data)


def _run_files_around(places: Collection[str], paths: Iterable[str]) -> set[str]:
    """Return the files of all states that represent some outputs, or folders around them.

    :param places: the root, by its name and without links
    """
    paths = list(paths)
    folders = {path[: path.rfind("/", 0, len(path) - 1) + 1] for path in paths}
    tops = {
        top for place in places for folder in folders for top in folders_around(os.path.join(place, folder, "x"))
    }
    known = {top: files for top in tops if (files := _run_files_in(top))}
    found: set[str] = set()
    for place in places if known else ():
        for path in paths:
            full = os.path.join(place, path)
            ends = [len(full) - len(path) + len(one) for one in (path, *folders_around(path)) if one.endswith("/")]
            for top in folders_around(full):
                if top in known:
                    folders = {full[len(top) : end] for end in ends if end > len(top)}
                    found |= known[top].intersection([top + run_file(folder) for folder in folders])
    return found


def _run_files_in(top: str) -> set[str]:
    """Return the files in the state of a folder that represent folders judged by presence."""
    folder = f"{top}{STATE_FOLDER}/installed"
    # hardly ever one is there, and learning that from an exception takes twice as long
    if not os.access(folder, os.F_OK):
        return set()
    try:
        names = os.listdir(folder)
    except OSError:
        return set()
    if trust.foreign((top, os.path.dirname(folder), folder)) is not None:
        return set()
    return {f"{folder}/{name}" for name in names}


_FOLDERS = ("logs", "quick", "failed", "replaced", "made")
"""The folders in the state folder, each with the module that writes into it: `command_job`, `quick`, `outputs`,
`manifests`."""

_NOTHING_THERE = records.Mark()

_AS_NEW = "everything counts as new, and outputs of previous plans and parameters as ordinary files"
"""What it means that there are no records: globs take what only records showed to be an output."""
_BESIDE = {
    ".gitignore": "*\n",
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n# Treadle's state. Remove it, and all runs.\n",
}


def _id_in(head: bytes) -> str:
    """Return the id that the head of a log says, "" if it is none."""
    return head[len(FORMAT) :].decode("ascii", "replace").rstrip("\n") if head.startswith(FORMAT) else ""


def _unmarked_note(path: str) -> str:
    return (
        f"{path} was not made by Treadle for you on this machine: {_AS_NEW}"
        f" ({trust.TRUST_STATE}=1 lets state count that a CI cache or another user has brought)"
    )


def _words(found: tuple[str, str]) -> str:
    return f"{found[0]}: {found[1]}"


def _stamp_texts(stamps: Mapping[str, tuple[Stamp, str]]) -> list[str]:
    texts: list[str] = []
    for path, ((ctime, inode, size), value) in stamps.items():
        texts += [path, str(ctime), str(inode), str(size), value]
    return texts


def _here(folder: str) -> tuple[str, str, str]:
    """Return host, boot and state folder: processes of a run can only be left where all three are the same."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
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
