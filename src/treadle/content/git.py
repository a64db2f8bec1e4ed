"""What git keeps of a checkout, read so that nothing which the checkout configures is run or followed.

A checkout may come with a configuration of its own, in `.git/config` of an archive that was unpacked or in a bare
repository that is nested in it, and git runs programs that a configuration names: `core.fsmonitor`, hooks, filters.
So the index is read here, and objects are read by a git with an empty repository of our own: no
configuration, index, hook or remote of the checkout is in its reach. Nothing is written into the checkout, and
nothing is fetched.
"""

from __future__ import annotations

import os
import stat

from . import trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

COMMITS = 50
"""Commits that are looked at, the latest that changed a file."""
_PATIENCE = 5.0
"""Seconds that one call of git may take."""
_LONG_PATIENCE = 120.0
"""Seconds for what lists a whole commit or work tree."""
_SHORTEST = 20_000_000
"""Nanoseconds within which two changes may have the same time."""
_LARGEST = 1 << 30
_HEXADECIMAL = frozenset("0123456789abcdef")
_DEEPEST = 5
"""How often a reference may name another one."""


class Checkout:
    """A folder that is under version control.

    :param top: the folder, without links
    :param own: its `.git`, or the folder that this file names
    """

    def __init__(self, top: str, own: str) -> None:
        self.top = top
        self.own = own
        shared = read_text(os.path.join(own, "commondir")) or ""
        self.common = os.path.normpath(os.path.join(own, shared.strip())) if "\0" not in shared else own
        self.objects = os.path.join(self.common, "objects")
        config = (read_text(os.path.join(self.common, "config")) or "").lower()
        self.is_sha256 = "objectformat" in config and "sha256" in config
        self.has_modes = not ("filemode" in config and "filemode=false" in "".join(config.split()))
        """Whether modes of files on its file system say which can be executed."""

    @property
    def counts(self) -> bool:
        """Whether no other user may write to it."""
        return trust.foreign((self.own, self.common, self.objects)) is None

    def head(self) -> str:
        """Return the id of the commit that is checked out, "" if there is none that can be found."""
        return self.read_head()[1]

    def read_head(self, note: Callable[[str], None] = lambda _: None) -> tuple[str, str]:
        """Return the reference that is checked out and the id of its commit, "" for what there is not.

        :param note: called with each path just before it is looked at
        """
        path = os.path.join(self.own, "HEAD")
        note(path)
        # old versions of git have made a link
        text = f"ref: {os.readlink(path)}" if os.path.islink(path) else read_text(path) or ""
        name = ""
        for _ in range(_DEEPEST):
            if not text.startswith("ref:"):
                break
            name = text[4:].strip()
            for folder in dict.fromkeys((self.own, self.common)):
                note(os.path.normpath(os.path.join(folder, name)) if "\0" not in name else folder)
            note(os.path.join(self.common, "packed-refs"))
            text = self.reference(name)
        text = text.strip()
        return name, text if len(text) in (40, 64) and _HEXADECIMAL.issuperset(text) else ""

    def reference(self, name: str) -> str:
        """Return what a reference holds, "" if there is none: an id, or `ref: ` and the name of another one."""
        if not name.startswith("refs/") or ".." in name.split("/"):
            return ""
        for folder in (self.own, self.common):
            text = read_text(os.path.join(folder, name))
            if text:
                return text
        for line in (read_text(os.path.join(self.common, "packed-refs")) or "").splitlines():
            if line.endswith(f" {name}"):
                return line.partition(" ")[0]
        return ""

    def index(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield path and id of each file of the index; a folder of a sparse one has a `/` at its end.

        :raises ValueError: it is none that can be read
        """
        for path, found, _ in self.entries():
            yield path, found

    def entries(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Yield the same with what else the index says of each file.

        :raises ValueError: it is none that can be read
        """
        size = 32 if self.is_sha256 else 20
        path = os.path.join(self.own, "index")
        data = _bytes(path)
        if data is None:
            if os.path.lexists(path):
                raise ValueError(f"{path} is no file that can be read")
            return
        shared = yield from _entries(data, size)
        if shared:
            # the rest of a split index
            yield from _entries(_bytes(os.path.join(self.own, f"sharedindex.{shared}")) or b"", size)


def _entries(data: bytes, size: int) -> Generator[tuple[bytes, bytes, bytes], None, str]:
    """Yield what an index holds: path, id, and all numbers of an entry.

    :return: the name of the index that it adds to, "" if there is none
    """
    version = int.from_bytes(data[4:8])
    if data[:4] != b"DIRC" or version not in (2, 3, 4):
        raise ValueError(f"no index of git: {data[:8]!r}")
    at, path = 12, b""
    for _ in range(int.from_bytes(data[8:12])):
        start = at
        at += 40 + size
        found, flags = data[at - size : at], int.from_bytes(data[at : at + 2])
        at += 4 if flags & 0x4000 else 2
        facts = data[start:at]
        kept = 0
        if version == 4:
            # the path is that of the entry before without its end, and an end of its own
            byte = data[at]
            cut, at = byte & 127, at + 1
            while byte & 128:
                if cut > _LARGEST:
                    # a number without an end would be as long as the index
                    raise ValueError(f"no index of git: a path is cut by more than {_LARGEST}")
                byte = data[at]
                cut, at = ((cut + 1) << 7) + (byte & 127), at + 1
            kept = max(len(path) - cut, 0)
        end = data.index(b"\0", at)
        path = path[:kept] + data[at:end]
        at = end + 1 if version == 4 else start + ((end - start) // 8 + 1) * 8
        yield path, found, facts
    while at + 8 < len(data) - size:
        length = int.from_bytes(data[at + 4 : at + 8])
        if data[at : at + 4] == b"link":
            return data[at + 8 : at + 8 + size].hex()
        at += 8 + length
    return ""


def commit_around(folder: str) -> str:
    """Return the commit that is checked out around a folder, "" if none is; it is read without running git."""
    checkout = checkout_of(folder)
    return checkout.head() if checkout is not None and checkout.counts else ""


def checkout_of(folder: str) -> Checkout | None:
    """Return the checkout around a folder, None if there is none."""
    top = os.path.realpath(folder)
    while True:
        own = os.path.join(top, ".git")
        if os.path.isfile(own):
            named = (read_text(own) or "").partition("gitdir:")[2].strip()
            own = os.path.normpath(os.path.join(top, named)) if named else own
        if os.path.isfile(os.path.join(own, "HEAD")):
            return Checkout(top, own)
        above = os.path.dirname(top)
        if above == top:
            return None
        top = above


def tracks(path: str) -> bool:
    """Return whether git tracks a file or folder, or something in it; in doubt it does."""
    return Tracked().has(path)


class Tracked:
    """What git tracks. The index of a checkout is read once."""

    def __init__(self) -> None:
        self._known: dict[str, set[bytes] | None] = {}
        """Top of a checkout -> files of its index and the folders around them, folders with `/`; None: in doubt."""

    def has(self, path: str) -> bool:
        """Return whether git tracks a file or folder, or something in it; in doubt it does.

        Names that differ in case alone are one name on some file systems, and so here.
        """
        checkout, name = _located(path)
        if checkout is None:
            return False
        if checkout.top not in self._known:
            self._known[checkout.top] = _names_of(checkout)
        known = self._known[checkout.top]
        if known is None:
            return True
        bare = name.lower()
        # a folder of a sparse index means all that is in it
        return not known.isdisjoint((bare, bare + b"/", *(b"%s//" % one for one in _above(bare + b"/"))))


def tracked_among(paths: Iterable[str]) -> list[str]:
    """Return which of some files git surely tracks: none where there is no index, or none that can be read.

    Nothing is run for it, and no work tree is looked at, so it does not matter whose the checkout is.
    """
    known: dict[str, set[bytes]] = {}
    found = []
    for path in paths:
        checkout, name = _located(path)
        if checkout is None:
            continue
        if checkout.top not in known:
            try:
                known[checkout.top] = {one for one, _ in checkout.index()}
            except (ValueError, IndexError):
                known[checkout.top] = set()
        if name in known[checkout.top]:
            found.append(path)
    return found


def _located(path: str) -> tuple[Checkout | None, bytes]:
    """Return the checkout around a path, and the path as its index names it. No link at its end is followed."""
    full = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    checkout = checkout_of(os.path.dirname(full))
    return checkout, b"" if checkout is None else os.fsencode(os.path.relpath(full, checkout.top))


def _names_of(checkout: Checkout) -> set[bytes] | None:
    names: set[bytes] = set()
    try:
        for found, _ in checkout.index():
            one = found.lower()
            if one.endswith(b"/"):
                names.add(one.rstrip(b"/") + b"//")
            else:
                names.add(one)
            for folder in _above(one):
                if folder + b"/" in names:
                    break
                names.add(folder + b"/")
    except (ValueError, IndexError):
        return None
    return names


def _above(path: bytes) -> Iterator[bytes]:
    """Yield the folders of a path, innermost first; of one with `/` at its end itself too."""
    at = path.rfind(b"/")
    while at > 0:
        yield path[:at]
        at = path.rfind(b"/", 0, at)


def contents(path: str, size: int) -> Iterator[bytes]:
    """Yield what a file of this size held, in the index and in the latest commits that changed it, each once."""
    import tempfile

    full = os.path.realpath(path)
    checkout = checkout_of(os.path.dirname(full))
    program = trust.program_outside("git", checkout.top) if checkout is not None else None
    if checkout is None or program is None or not checkout.counts or "\n" in full:
        return
    name = os.path.relpath(full, checkout.top)
    with tempfile.TemporaryDirectory(prefix="treadle-") as folder:
        reader = Reader(checkout, program, folder)
        objects = reader.staged(name)
        head = checkout.head()
        commits = reader.run(["rev-list", f"-n{COMMITS}", head, "--", name]) if head else b""
        objects += [f"{commit}:{name}" for commit in commits.decode("ascii", "replace").split()]
        names = "".join(f"{one}\n" for one in objects).encode("utf-8", "surrogateescape")
        found_objects = reader.run(["cat-file", "--batch-check"], names).decode("utf-8", "replace")
        found = (line.split() for line in found_objects.splitlines())
        for blob in dict.fromkeys(words[0] for words in found if words[1:] == ["blob", str(size)]):
            yield reader.run(["cat-file", "blob", blob])


class IndexEntry:
    """What an index says of a file.

    :param facts: its numbers, in the form of the index
    """

    __slots__ = ("_times", "id", "is_left_out", "mode", "stage")

    def __init__(self, found: bytes, facts: bytes) -> None:
        size = len(found)
        numbers = [int.from_bytes(facts[at : at + 4]) for at in range(0, 40, 4)]
        flags = int.from_bytes(facts[40 + size : 42 + size])
        more = int.from_bytes(facts[42 + size : 44 + size])
        self.id = found.hex()
        self.mode = numbers[6]
        self.stage = flags >> 12 & 3
        self.is_left_out = bool(more & 0x4000)
        """Whether a sparse checkout leaves it out of the work tree."""
        self._times = (*numbers[:4], numbers[5], numbers[9])

    def holds(self, status: os.stat_result, written: int) -> bool:
        """Return whether a file is surely the one that the index knows.

        :param written: when the index was written: a later change may have the same times
        """
        if status.st_mtime_ns >= written - _SHORTEST:
            return False
        seconds = 1_000_000_000
        now = (*divmod(status.st_ctime_ns, seconds), *divmod(status.st_mtime_ns, seconds))
        bits = 0xFFFFFFFF
        return self._times == tuple([one & bits for one in (*now, status.st_ino, status.st_size)])


def ids_of_index(checkout: Checkout) -> dict[str, IndexEntry]:
    """Return path -> what the index says of it.

    :raises ValueError: it is none that can be read
    """
    # in a split index a name may be left out, as the other half has it
    return {os.fsdecode(path): IndexEntry(found, facts) for path, found, facts in checkout.entries() if path}


_QUIET = (
    *("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-c", "protocol.allow=never"),
    *("-c", "core.untrackedCache=false"),
)


def run_git(words: Sequence[str], checkout: Checkout, *, work_tree: bool = False) -> bytes | None:
    """Return what git prints of a checkout; None if it cannot be run, or fails to list a work tree, else b"".

    It is asked for nothing that runs filters, and hooks, monitors and transports are off. It is the repository of
    the checkout whatever `GIT_DIR` says.

    :param work_tree: whether it lists the work tree
    """
    import subprocess

    program = trust.program_outside("git", checkout.top)
    if program is None or not checkout.counts:
        return None
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    environ |= {"GIT_DIR": checkout.own, "GIT_WORK_TREE": checkout.top}
    try:
        done = subprocess.run(
            [program, "--no-optional-locks", "--no-pager", *_QUIET, *words],
            cwd=checkout.top,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environ,
            timeout=_LONG_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None if work_tree else b""
    return done.stdout


def has_changes(checkout: Checkout) -> bool | None:
    """Return whether tracked files differ from the commit that is checked out; None if git cannot say it.

    It runs the filters that the repository configures, so a command that only looks must not call it.
    """
    words = ["status", "--porcelain", "-z", "--untracked-files=no", "--no-renames", "--ignore-submodules=none"]
    found = run_git(words, checkout, work_tree=True)
    return None if found is None else bool(found)


class Reader:
    """A git that sees the objects of a checkout, and nothing else of it.

    :param folder: an empty folder, for a repository of our own
    """

    def __init__(self, checkout: Checkout, program: str, folder: str) -> None:
        self.checkout = checkout
        self.program = program
        self.folder = folder
        for name in ("objects", "refs"):
            os.mkdir(os.path.join(folder, name))
        version, more = (1, "[extensions]\n\tobjectFormat = sha256\n") if checkout.is_sha256 else (0, "")
        files = {
            "HEAD": "ref: refs/heads/none\n",
            "config": f"[core]\n\trepositoryFormatVersion = {version}\n\tbare = true\n{more}",
            "shallow": read_text(os.path.join(checkout.common, "shallow")),
        }
        for name, text in files.items():
            if text:
                with open(os.path.join(folder, name), "w", encoding="ascii", errors="replace") as file:
                    file.write(text)
        self._environ = {
            "PATH": os.defpath,
            "HOME": folder,
            "LC_ALL": "C",
            "GIT_DIR": folder,
            "GIT_OBJECT_DIRECTORY": checkout.objects,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
        }

    def staged(self, name: str) -> list[str]:
        """Return the ids that the index has of a file."""
        try:
            return [found.hex() for path, found in self.checkout.index() if path == os.fsencode(name)]
        except (ValueError, IndexError):
            return []

    def run(self, words: Sequence[str], stdin: bytes = b"") -> bytes:
        """Return what git prints, b"" if it fails."""
        return self.read(words, stdin, _PATIENCE) or b""

    def read(self, words: Sequence[str], stdin: bytes = b"", patience: float = 0.0) -> bytes | None:
        """Return what git prints, None if it fails.

        :param patience: seconds that it may take
        """
        import subprocess

        try:
            done = subprocess.run(
                [self.program, *words],
                cwd=self.folder,
                input=stdin,
                capture_output=True,
                env=self._environ,
                timeout=patience or _LONG_PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None


def _bytes(path: str) -> bytes | None:
    """Return what a file holds, None if it is none that can be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            status = os.fstat(fd)
            return file.read() if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST else None
    except (OSError, ValueError):
        # a name that a checkout gives may hold a NUL
        return None


def read_text(path: str) -> str | None:
    """Return what a file of a repository holds, None if it is none that can be read."""
    data = _bytes(path)
    return None if data is None else data.decode("utf-8", "surrogateescape")
