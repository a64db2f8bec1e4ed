"""FolderCache: what every store does, and its own size, uses, modes and damage."""

from __future__ import annotations

import os
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from cache_stores import KEY, placed, put, stored, tree
from treadle.cache import folder as folders
from treadle.cache.base import ENTRY_LIMIT, CacheError, Digest
from treadle.cache.folder import FolderCache
from treadle.cache.storing import NotStoredError
from treadle.testing import OutputCacheContract


class TestFolderCache(OutputCacheContract):
    def make_cache(self, folder: str) -> FolderCache:
        return FolderCache(folder, least_free=0)


@pytest.fixture
def cache(tmp_path: Path) -> FolderCache:
    return FolderCache(str(tmp_path / "store"), least_free=0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def digest_of(path: Path) -> Digest:
    return Digest(path.name, path.stat().st_size)


def files(cache: FolderCache, kind: str) -> list[Path]:
    return sorted(Path(cache.folder, kind).glob("*/*"))


def used(path: Path, hours: float) -> None:
    """Let a file be as if it was used so many hours ago."""
    when = time.time() - hours * 3600
    os.utime(path, (when, when))


def test_the_folder_is_for_its_user_alone_and_has_a_tag(cache: FolderCache, root: Path) -> None:
    """L1."""
    put(root, {"o": "text"})
    stored(cache, root, "o")
    for path in Path(cache.folder).rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert not stat.S_IMODE(os.stat(cache.folder).st_mode) & 0o077
    assert Path(cache.folder, "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


def test_a_folder_that_others_may_write_to_is_not_used(cache: FolderCache, root: Path) -> None:
    """L1."""
    Path(cache.folder).mkdir()
    Path(cache.folder).chmod(0o777)
    put(root, {"o": "text"})
    with pytest.raises(CacheError, match="all users may write to it"):
        cache.get_entry(KEY, ENTRY_LIMIT)
    with pytest.raises(CacheError, match="all users may write to it"):
        stored(cache, root, "o")


def test_an_entry_that_others_may_write_to_is_not_used(cache: FolderCache, root: Path) -> None:
    """L1."""
    put(root, {"o": "text"})
    stored(cache, root, "o")
    files(cache, "ac")[0].chmod(0o666)
    with pytest.raises(CacheError, match="is not yours"):
        cache.get_entry(KEY, ENTRY_LIMIT)


def test_the_layout_is_that_of_a_server(cache: FolderCache, root: Path) -> None:
    """W1."""
    put(root, {"o": "text"})
    stored(cache, root, "o")
    assert files(cache, "ac") == [Path(cache.folder, "ac", KEY[:2], KEY)]
    (blob,) = files(cache, "cas")
    assert blob.parent.name == blob.name[:2]
    assert not os.listdir(os.path.join(cache.folder, "new"))


def test_a_use_is_noted_if_the_last_one_is_older_than_an_hour(cache: FolderCache, root: Path) -> None:
    """L6."""
    put(root, {"o": "text"})
    stored(cache, root, "o")
    for path in (*files(cache, "ac"), *files(cache, "cas")):
        used(path, 0.5)
        before = path.stat().st_mtime_ns
        assert cache.get_entry(KEY, ENTRY_LIMIT)
        cache.get_blob(digest_of(path), str(root / f"got{path.name[:4]}"))
        assert path.stat().st_mtime_ns == before
        used(path, 2)
        assert cache.get_entry(KEY, ENTRY_LIMIT)
        cache.get_blob(digest_of(path), str(root / f"got2{path.name[:4]}"))
        assert time.time() - path.stat().st_mtime < 600


def test_a_store_that_cannot_be_written_to_is_read(cache: FolderCache, root: Path) -> None:
    """L6."""
    put(root, {"o": "text"})
    stored(cache, root, "o")
    for path in (*files(cache, "ac"), *files(cache, "cas")):
        used(path, 2)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "not permitted")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "utime", refuse)
        (root / "o").unlink()
        assert placed(cache, root, "o")


def test_the_oldest_go_once_there_is_too_much(tmp_path: Path, root: Path) -> None:
    """L6: down to 80 %; what was used in the last hour stays."""
    cache = FolderCache(str(tmp_path / "store"), 100_000, least_free=0)
    for number in range(5):
        put(root, {f"o{number}": str(number) * 30_000})
        stored(cache, root, f"o{number}", key=f"{number:064x}")
    for number, path in enumerate(sorted(Path(cache.folder).glob("*/*/*"), key=lambda one: one.stat().st_mtime_ns)):
        used(path, 20 - number)
    cache.close(0)
    kept = sum(one.size for one in cache.files())
    assert 40_000 < kept <= 80_000
    assert Path(cache.folder, "treadle-size").read_text() == str(kept)
    assert [placed(cache, root / f"r{number}", f"o{number}", key=f"{number:064x}") for number in _made(root)] == [
        *[False] * 3,
        *[True] * 2,
    ]


def _made(root: Path) -> range:
    for number in range(5):
        (root / f"r{number}").mkdir()
    return range(5)


def test_what_was_used_lately_stays_even_if_it_is_too_much(tmp_path: Path, root: Path) -> None:
    """L6."""
    cache = FolderCache(str(tmp_path / "store"), 10, least_free=0)
    put(root, {"o": "text" * 100})
    stored(cache, root, "o")
    cache.close(0)
    (root / "o").unlink()
    assert placed(cache, root, "o")


def test_gc_removes_what_killed_runs_have_left(cache: FolderCache) -> None:
    """L2."""
    left = Path(cache.scratch, f"tmp-1-{'ab' * 6}")
    left.write_text("half")
    used(left, 2)
    fresh = Path(cache.scratch, f"tmp-2-{'ab' * 8}-1")
    fresh.write_text("half")
    assert cache.gc() == (4, 4)
    assert not left.exists()
    assert fresh.exists()


OTHERS = {
    "new": ["mine", "tmp-mine", "tmp-1", "tmp-1-mine", "tmp-x-00ff"],
    "ac/notes": ["n", "0" * 64],
    "ac/00": ["n", "0" * 63, "G" * 64, "1" * 64, f"{'0' * 64}.txt"],
    "cas/00": ["n", f"00{'F' * 62}"],
}


def test_what_has_no_name_of_the_store_is_left_alone(tmp_path: Path) -> None:
    """L6: the user may name a folder in which there is something else."""
    cache = FolderCache(str(tmp_path / "store"), 0)
    mine = [Path(cache.folder, folder, name) for folder, names in OTHERS.items() for name in names]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text("mine")
        used(path, 24)
    Path(cache.folder).chmod(0o700)
    assert cache.gc() == (0, 0)
    assert cache.verify() == (0, [])
    assert all(path.read_text() == "mine" for path in mine)


@pytest.mark.parametrize(("others", "has_tag"), [([], True), (["id"], True), (["thesis.txt"], False)])
def test_a_folder_in_which_others_have_files_gets_no_tag(tmp_path: Path, others: list[str], has_tag: bool) -> None:
    """L1: what saves files leaves out all that is below a tag."""
    for name in others:
        (tmp_path / name).write_text("mine")
    tmp_path.chmod(0o700)
    FolderCache(str(tmp_path)).gc()
    assert (tmp_path / "CACHEDIR.TAG").exists() == has_tag


@pytest.mark.parametrize("text", [b"", b"\0\0\0"])
def test_a_number_that_was_lost_counts_as_nothing(cache: FolderCache, root: Path, text: bytes) -> None:
    """L6: after a crash of the system."""
    put(root, {"o": "text"})
    stored(cache, root, "o")
    Path(cache.folder, "treadle-size").write_bytes(text)
    cache.close(0)
    assert int(Path(cache.folder, "treadle-size").read_text()) > 0


def _put_in_the_way(path: Path, kind: str) -> None:
    """Put something of a user into the place of what is ours."""
    target = path.with_name("target")
    if kind == "text":
        path.write_text("of the user")
    elif kind == "a long number":
        path.write_text("1" * 20)
    elif kind == "a link":
        target.write_text("12")
        path.symlink_to(target)
    elif kind == "a second name":
        target.write_text("12")
        path.hardlink_to(target)
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        # with names that are like ours, and are none of ours
        for name in ("tmp-1-a", "tmp-12", "ab/ab", f"ab/{'cd' * 32}", f"ab/{'AB' * 32}"):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text("of the user")


def _as_it_is(folder: Path) -> dict[str, object]:
    """Return path -> kind, names and content of what is in a folder."""
    found: dict[str, object] = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        text = path.read_bytes() if kind == stat.S_IFREG else str(path.readlink()) if kind == stat.S_IFLNK else ""
        found[str(path)] = (kind, status.st_nlink if kind == stat.S_IFREG else 0, text)
    return found


OURS = ["treadle-size", "size", "asked", "id", "CACHEDIR.TAG", "ac", "cas", "new", "hints"]


@pytest.mark.parametrize("kind", ["text", "a long number", "a link", "a second name", "a pipe", "a folder"])
@pytest.mark.parametrize("name", OURS)
def test_nothing_of_a_user_in_the_folder_of_a_store_is_lost(
    tmp_path: Path, root: Path, name: str, kind: str
) -> None:
    """L1, L6: whatever its name is. The store works as far as it can, and its size is bounded."""
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    _put_in_the_way(folder / name, kind)
    before = _as_it_is(folder)
    for path in folder.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    cache = FolderCache(str(folder), 10_000, least_free=0)
    for number in range(3):
        put(root, {f"o{number}": str(number) * 4_000})
        with suppress(CacheError, NotStoredError):
            stored(cache, root, f"o{number}", key=f"{number:064x}")
        for kept in cache.files():
            os.utime(kept.path, (1, 1))
        with suppress(CacheError):
            cache.close(0)
            cache.verify()
    with suppress(CacheError):
        cache.gc()
    after = _as_it_is(folder)
    assert {path: after.get(path) for path in before} == before
    size = sum(one.size for one in cache.files())
    assert size <= 10_000
    if name not in ("ac", "cas", "new") or kind == "a folder":
        assert size > 4_000


def test_nothing_is_stored_on_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    """L6."""
    assert not FolderCache(str(tmp_path), least_free=1 << 60).has_room(1)
    assert FolderCache(str(tmp_path), least_free=0).has_room(1)
    assert not FolderCache(str(tmp_path), least_free=0).has_room(1 << 60)


def test_the_disk_is_asked_once_in_a_while_and_before_much_of_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L6: a look for each file would cost more than to copy it, and others fill the disk meanwhile."""
    now, free, asked = [0.0], [8_000], [0]

    def disk(path: str) -> SimpleNamespace:
        asked[0] += 1
        return SimpleNamespace(f_bavail=free[0], f_frsize=1)

    monkeypatch.setattr(os, "statvfs", disk)
    monkeypatch.setattr("treadle.cache.folder.monotonic", lambda: now[0])
    cache = FolderCache(str(tmp_path), least_free=1_000)
    assert [cache.has_room(size) for size in (0, 500, 375)] == [True] * 3
    assert asked == [1]
    # an eighth of what may be taken is gone
    assert cache.has_room(1)
    assert asked == [2]
    free[0] = 1_000
    assert cache.has_room(1)
    now[0] = 1.0
    assert not cache.has_room(1)
    assert not cache.has_room(1)
    assert asked == [4]


def test_no_two_stores_and_threads_give_a_new_file_the_same_name(tmp_path: Path) -> None:
    """L2."""
    stores = [FolderCache(str(tmp_path)) for _ in range(3)]
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda number: stores[number % 3].new_name(), range(300)))
    assert len(set(names)) == 300
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert {one.path for one in stores[0].files()} == set(names)


def test_a_blob_that_vanished_is_written_again(cache: FolderCache, root: Path) -> None:
    """L7: between its entry and it too."""
    put(root, {"o": "text"})
    stored(cache, root, "o")
    files(cache, "cas")[0].unlink()
    (root / "r").mkdir()
    assert not placed(cache, root / "r", "o")
    stored(cache, root, "o")
    (root / "o").unlink()
    assert placed(cache, root, "o")
    assert (root / "o").read_text() == "text"


def test_a_blob_of_another_size_is_a_miss_and_goes(cache: FolderCache, root: Path) -> None:
    """L2: a torn file is found when it is read."""
    put(root, {"o": "text"})
    stored(cache, root, "o")
    (blob,) = files(cache, "cas")
    digest = digest_of(blob)
    blob.write_text("te")
    assert not cache.get_blob(digest, str(root / "got"))
    assert not blob.exists()


def test_stores_are_read_written_and_evicted_at_once_without_a_wrong_byte(tmp_path: Path) -> None:
    """L7: three threads; each process has its own locks."""
    place = str(tmp_path / "store")
    wrong: list[str] = []
    hits = [0]
    is_over = threading.Event()

    def work(name: str) -> None:
        root = tmp_path / name
        root.mkdir()
        cache = FolderCache(place, 1 << 20, least_free=0)
        for number in range(60):
            text = f"text {number % 7}" * 100
            put(root, {"o": text})
            stored(cache, root, "o", key=f"{number % 7:064x}")
            for other in range(7):
                target = root / f"{number}-{other}"
                target.mkdir()
                if placed(cache, target, "o", key=f"{other:064x}"):
                    hits[0] += 1
                    if (target / "o").read_text() != f"text {other}" * 100:
                        wrong.append(f"{name} {number} {other}")

    def evict() -> None:
        while not is_over.is_set():
            for path in list(Path(place).glob("*/*/*"))[::3]:
                path.unlink(missing_ok=True)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    evictor = threading.Thread(target=evict)
    for one in (*threads, evictor):
        one.start()
    for one in threads:
        one.join()
    is_over.set()
    evictor.join()
    assert not wrong
    assert hits[0] > 0


def test_a_blob_is_never_linked_to_an_output(cache: FolderCache, root: Path) -> None:
    """L3."""
    put(root, {"o": "text"})
    stored(cache, root, "o")
    (root / "o").unlink()
    placed(cache, root, "o")
    (root / "o").write_text("other")
    (root / "r").mkdir()
    assert placed(cache, root / "r", "o")
    assert (root / "r/o").read_text() == "text"
    assert tree(root / "r")["o"] == "text"


@pytest.mark.parametrize("error", ["EXDEV", "EINVAL", "ENOSYS", "EOPNOTSUPP"])
def test_where_the_kernel_cannot_copy_it_is_read_and_written(
    cache: FolderCache, root: Path, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L3."""
    import errno

    def refuse(*_: object) -> int:
        raise OSError(getattr(errno, error), "no")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    put(root, {"o": "text" * 500_000})
    stored(cache, root, "o")
    (root / "o").unlink()
    assert placed(cache, root, "o")
    assert (root / "o").read_text() == "text" * 500_000


def test_where_the_kernel_copies_less_the_rest_is_read_and_written(
    cache: FolderCache, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L3: a short result."""
    real = os.copy_file_range
    calls = [0]

    def short(source: int, target: int, count: int) -> int:
        calls[0] += 1
        return real(source, target, min(count, 3)) if calls[0] % 2 else 0

    monkeypatch.setattr(os, "copy_file_range", short)
    put(root, {"o": "a longer text" * 10_000})
    stored(cache, root, "o")
    (root / "o").unlink()
    assert placed(cache, root, "o")
    assert (root / "o").read_text() == "a longer text" * 10_000
    assert calls[0]


def test_the_evictor_knows_the_hour_of_the_rule() -> None:
    assert folders._LATELY == 3600
