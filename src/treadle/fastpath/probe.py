"""The quick answer: which actions of a run that was done before are doubtful now. It knows no plans and no argv.

It is never bolder than the walk. It asks no more than whether anything that the walk looked at has moved: files and
folders by their stamps, variables, the log of records. What did not move, the walk would skip again. What moved is
handed to a walk over the doubtful actions and all that come after them, which decides by content as always.
"""

from __future__ import annotations

import os
import stat

from treadle._version import VERSION
from treadle.content import trust

from . import snapshot_file as columns
from .snapshot_file import DamageError, Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOLDER = "quick"
KEPT = 8
"""Snapshots that are kept for one root: one for each plan, parameters and selection."""
OFFSETS, SUCCESSES, LASTS, DURATIONS = range(columns.NUMBERS, columns.NUMBERS + columns.PER_ITEM)
"""Columns of numbers per action: where the record stands in the log that lets it be skipped (else NEVER), where
those of its last success and its last run stand (-1: nowhere), and the microseconds that skipping it saves."""
OF_ITSELF = -2
"""In place of the offset of a record: the action is judged by what its rows say, and not by its record."""
NEVER = -1
"""In place of the offset of a record: the action has none that counts, so it is doubtful each time."""


class Facts:
    """What a snapshot says beside its columns.

    :param log: id and length of the log of records when it was written, and the length when all of it was last read
    :param plan: the file that the walk was made of, relative to the root where it lies in it
    :param saved: seconds that skipping everything saves
    :param environ: name -> value, None if it is not set
    :param folders: paths that have to be folders
    :param links: path of a link that something leads through -> where to
    :param has_globs: whether the plan has globs: what they match depends on previous outputs
    :param queues: name -> tokens
    :param generates_plans: whether actions generate plans that are a part of this one
    """

    __slots__ = (
        *("environ", "folders", "generates_plans", "has_globs", "links", "log", "plan", "queues"),
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
    ) -> None:
        self.log = log
        self.plan = plan
        self.saved = saved
        self.environ = dict(environ)
        self.folders = list(folders)
        self.links = dict(links)
        self.has_globs = has_globs
        self.queues = dict(queues)
        self.generates_plans = generates_plans

    def texts(self) -> list[str]:
        """Return them as texts."""
        store_id, length, read = self.log
        texts = [
            VERSION,
            store_id,
            str(length),
            str(read),
            self.plan,
            repr(self.saved),
            "y" if self.has_globs else "",
            "y" if self.generates_plans else "",
        ]
        texts += [str(len(self.folders)), *self.folders, str(len(self.environ))]
        for name, value in self.environ.items():
            texts += [name, "" if value is None else f"={value}"]
        texts.append(str(len(self.links)))
        for link, text in self.links.items():
            texts += [link, text]
        for queue, tokens in self.queues.items():
            texts += [queue, str(tokens)]
        return texts


def facts_from(texts: Sequence[str]) -> Facts | None:
    """Return the facts that `Facts.texts` has made texts of; None if another version of Treadle did."""
    if texts[0] != VERSION:
        return None
    store_id, length, read, plan, saved, has_globs, generates_plans, count = texts[1:9]
    at = 9 + int(count)
    folders = texts[9:at]
    names = texts[at + 1 : at + 1 + 2 * int(texts[at])]
    environ = {n: v[1:] if v else None for n, v in zip(names[::2], names[1::2], strict=True)}
    at += 1 + len(names)
    last = at + 1 + 2 * int(texts[at])
    links = dict(zip(texts[at + 1 : last : 2], texts[at + 2 : last : 2], strict=True))
    queues = dict(zip(texts[last::2], map(int, texts[last + 1 :: 2]), strict=True))
    log = (store_id, int(length), int(read))
    return Facts(log, plan, float(saved), environ, folders, links, bool(has_globs), queues, bool(generates_plans))


class Answer:
    """What is doubtful.

    :param items: the numbers of the actions to walk, with all that come after them; none: there is nothing to do
    :param moved: the rows that have another stamp
    """

    __slots__ = ("facts", "is_of_plan", "items", "log_size", "moved", "snapshot", "total")

    def __init__(self, snapshot: Snapshot, facts: Facts, items: list[int], moved: list[int], total: int) -> None:
        self.snapshot = snapshot
        self.facts = facts
        self.items = items
        self.moved = moved
        self.total = total
        self.is_of_plan = False
        """Whether the plan has to be read first: then `items` are those that are doubtful whatever it says."""
        self.log_size = 0
        """How long the log of records was when it was asked."""

    @property
    def is_nothing_to_do(self) -> bool:
        """Whether all would be skipped."""
        return not self.items and not self.is_of_plan


NO_PATH = ""
"""In place of PATH: no folder of it lies in the root, so no program of the root is found by it."""


def own_path(root: str, environ: Mapping[str, str]) -> str:
    """Return PATH if a folder of it may lie in the root, else NO_PATH: which programs are inputs hangs on it."""
    inside = os.path.join(root, "")
    path = environ.get("PATH", os.defpath)
    if any(not f.startswith("/") or os.path.join(f, "").startswith(inside) for f in path.split(os.pathsep)):
        return path or os.curdir
    return NO_PATH


def _is_another(name: str, value: str | None, root: str, environ: Mapping[str, str]) -> bool:
    if name == "PATH" and value == NO_PATH:
        return own_path(root, environ) != NO_PATH
    if name == "LC_CTYPE":
        from treadle._startup.interpreter import own_ctype

        # Python may have set it
        return own_ctype(environ) != value
    return environ.get(name) != value and not _is_hidden(name, value, environ)


def ask(root: str, path: str, environ: Mapping[str, str], plans: Sequence[str]) -> Answer | None:
    """Return the answer of a snapshot, or None if only a walk over the whole plan can tell.

    :param root: the folder that paths are relative to
    :param path: the file of the snapshot
    :param plans: absolute paths of the plans that the call may mean: a snapshot of another one says nothing
    """
    place = os.path.dirname(path)
    if (
        trust.foreign(dict.fromkeys((root, os.path.dirname(place), place, *map(os.path.dirname, plans))))
        is not None
    ):
        return None
    snapshot = Snapshot(path)
    if not snapshot.open():
        return None
    try:
        answer = _ask(snapshot, root, environ, plans) if trust.counts(path, snapshot.status()) else None
    except (DamageError, ValueError, IndexError, OverflowError, OSError):
        # also where the log is a folder or a pipe, and where the system cannot read it
        answer = None
    if answer is None:
        snapshot.close()
    return answer


def _ask(snapshot: Snapshot, root: str, environ: Mapping[str, str], plans: Sequence[str]) -> Answer | None:
    facts = facts_from(snapshot.facts())
    if facts is None or os.path.join(root, facts.plan) not in plans:
        return None
    if any(_is_another(name, value, root, environ) for name, value in facts.environ.items()):
        return None
    if not _are_the_same_folders(root, facts):
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
    doubtful = {at for at, number in enumerate(numbers) if number == NEVER} if NEVER in numbers else set()
    if moved:
        doubtful |= snapshot.items_of(moved)
    if voided:
        doubtful |= _items_with_keys(snapshot, voided)
    items = sorted(doubtful) if is_of_plan else snapshot.with_all_after(doubtful) if doubtful else []
    answer = Answer(snapshot, facts, items, moved, len(numbers))
    answer.is_of_plan = is_of_plan
    answer.log_size = log_size
    return answer


def _is_hidden(name: str, value: str | None, environ: Mapping[str, str]) -> bool:
    """Return whether a digest is that of the value of a variable."""
    from treadle.core.redaction import is_digest_of

    return is_digest_of(value, name, environ.get(name))


def _are_for_a_part(snapshot: Snapshot, root: str, moved: list[int]) -> bool:
    """Return whether a walk over some actions can look after these rows: nothing that the plan depends on moved."""
    kinds, paths = snapshot.section(columns.KINDS), snapshot.paths()
    for row in moved:
        if kinds[row] == columns.WATCHED:
            return False
        if kinds[row] == columns.READ:
            # a plan whose input is gone, or is no file any more, is not right: only loading it can say so
            try:
                mode = os.stat(os.path.join(os.fsencode(root), paths[row])).st_mode
            except OSError:
                return False
            if not stat.S_ISREG(mode) and not paths[row].endswith(b"/"):
                return False
    return True


def _are_the_same_folders(root: str, facts: Facts) -> bool:
    """Return whether paths are folders, none a link that was none: a command behind one sees another `..`."""
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
    kinds, paths = snapshot.section(columns.KINDS), snapshot.paths()
    read = {os.fsdecode(paths[row]) for row in moved if kinds[row] == columns.READ}
    # an action may make a link, and what is around it is no work of its own
    made = {os.fsdecode(paths[row]).rpartition("/")[0] for row in moved if kinds[row] == columns.MADE}
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
    """Return a path and the folders that it lies in."""
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
    from treadle.state import log as frames

    keys = []
    try:
        for letter, body, _ in frames.scan(tail, 0):
            if letter in (frames.START, frames.SUCCESS, frames.OTHER_END):
                keys.append(bytes.fromhex(frames.text_at(body, 1 if letter == frames.START else 0)))
            elif letter == frames.DROPPED:
                keys += [bytes.fromhex(key) for key in frames.unpack(body)]
    except ValueError:
        return None
    return None if keys and facts.has_globs else keys


def _items_with_keys(snapshot: Snapshot, keys: list[bytes]) -> set[int]:
    joined = snapshot.section(columns.KEYS)
    size = columns.KEY_SIZE
    at = {joined[n : n + size]: n // size for n in range(0, len(joined), size)}
    return {at[key] for key in keys if key in at}


def write(folder: str, name: str, sections: Sequence[bytes], items: Sequence[bytes] | None = None) -> None:
    """Write a snapshot into the state folder, and remove the oldest of too many; a failure changes nothing.

    :param items: what its items say of themselves; None where that is there already
    """
    from treadle.state import own_files

    place = os.path.join(folder, FOLDER)
    path = os.path.join(place, name)
    try:
        own_files.make_folder(folder, FOLDER, 0o700)
        columns.write(path, sections, items)
        _tidy(place, columns.item_file(path, sections[columns.ITEM_FILE]))
    except OSError:
        return


def drop(folder: str, name: str) -> None:
    """Remove a snapshot: only the whole plan can tell what is to be done now."""
    try:
        os.unlink(os.path.join(folder, FOLDER, name))
    except OSError:
        return


def _tidy(place: str, items: str) -> None:
    """Remove the oldest of too many snapshots, and items that the newest one has no more.

    :param items: the file with its items
    """
    entries = list(os.scandir(place))
    snapshots = [entry for entry in entries if "-" not in entry.name and not entry.name.endswith(".new")]
    snapshots.sort(key=lambda entry: entry.stat().st_mtime_ns)
    kept = {entry.name for entry in snapshots[-KEPT:]}
    newest, _, wanted = os.path.basename(items).partition("-")
    for entry in entries:
        name, _, of_items = entry.name.partition("-")
        outdated = of_items and name == newest and of_items != wanted and not of_items.endswith(".new")
        if outdated or name.partition(".")[0] not in kept:
            os.unlink(entry.path)
