"""Storing: only what is as it was recorded, and what may be restored."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cache_stores import KEY, placed, put, staged, stored, tree, value
from treadle.cache import storing
from treadle.cache.base import CacheError
from treadle.cache.entry import Entry
from treadle.cache.folder import FolderCache
from treadle.cache.key import tied_key
from treadle.cache.storing import Copies, Made, NotStoredError, PrivateError


@pytest.fixture
def cache(tmp_path: Path) -> FolderCache:
    return FolderCache(str(tmp_path / "store"), least_free=0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    (tmp_path / "another root").mkdir()
    return tmp_path / "another root"


def entries(cache: FolderCache) -> int:
    return len(list(Path(cache.folder).glob("ac/*/*")))


OUTPUTS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "a file": ({"o": "text"}, ("o",)),
    "an empty file": ({"o": ""}, ("o",)),
    "an executable": ({"o": "! text"}, ("o",)),
    "files in folders": ({"a/b/c": "1", "a/d": "2"}, ("a/b/c", "a/d")),
    "a large file": ({"o": "0123456789" * 300_000}, ("o",)),
    "a folder": ({"d/x": "1", "d/y/z": "! 2", "d/e/": "", "d/l": "-> y/z"}, ("d/",)),
    "an empty folder": ({"d/": ""}, ("d/",)),
    "deep folders": ({"d/" + "x/" * 50 + "f": "1"}, ("d/",)),
    "folders that are the same": ({"d/a/x": "1", "d/b/x": "1", "d/c/a/x": "1"}, ("d/",)),
    "names of all kinds": ({"d/ü b\n'": "1", "d/-rf": "2", "d/$(x)": "3", "é": "4"}, ("d/", "é")),
    "a link to an output": ({"o": "1", "l": "-> o"}, ("o", "l")),
    "a link to nowhere in a folder": ({"d/l": "-> nowhere"}, ("d/",)),
    "a folder in a folder": ({"a/d/x": "1", "a/f": "2"}, ("a/d/", "a/f")),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_was_stored_is_restored_as_it_was(cache: FolderCache, root: Path, other: Path, name: str) -> None:
    """L4, R5, W2, W5."""
    files, outputs = OUTPUTS[name]
    put(root, files)
    stored(cache, root, *outputs)
    assert placed(cache, other, *outputs)
    found = {path: text for path, text in tree(other).items() if not path.startswith(".staging")}
    assert found == tree(root)
    assert [value(other, output) for output in outputs] == [value(root, output) for output in outputs]


@pytest.mark.parametrize(
    ("path", "mode", "umask", "is_stored"),
    [
        ("o", 0o600, 0o022, False),
        ("o", 0o640, 0o022, False),
        ("o", 0o400, 0o022, False),
        ("x", 0o700, 0o022, False),
        ("d/x", 0o600, 0o022, False),
        ("d/e", 0o700, 0o022, False),
        ("d", 0o700, 0o022, False),
        ("o", 0o444, 0o022, True),
        ("o", 0o640, 0o027, True),
        ("o", 0o600, 0o027, False),
        ("o", 0o600, 0o077, True),
        ("d", 0o700, 0o077, True),
    ],
)
def test_what_others_may_not_read_is_not_stored(
    cache: FolderCache, root: Path, path: str, mode: int, umask: int, is_stored: bool
) -> None:
    """R5: modes are not kept, so a key would come back for all."""
    put(root, {"o": "1", "x": "! 2", "d/x": "3", "d/e/y": "4"})
    before = os.umask(umask)
    try:
        (root / path).chmod(mode)
        if is_stored:
            stored(cache, root, path if path != "d" else "d/")
        else:
            with pytest.raises(PrivateError, match=f"{path}.* has the mode {mode:o}"):
                stored(cache, root, "o", "x", "d/")
    finally:
        os.umask(before)
    assert entries(cache) == is_stored


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002, 0o027])
def test_modes_are_those_of_new_files(cache: FolderCache, root: Path, other: Path, umask: int) -> None:
    """R5, case 47: 0666 or 0777 less the umask, whatever the stored file had."""
    put(root, {"o": "1", "x": "! 2", "d/x": "! 3"})
    (root / "o").chmod(0o666)
    (root / "x").chmod(0o6777)
    stored(cache, root, "o", "x", "d/")
    before = os.umask(umask)
    try:
        assert placed(cache, other, "o", "x", "d/")
    finally:
        os.umask(before)
    modes = [(other / name).stat().st_mode & 0o7777 for name in ("o", "x", "d/x")]
    assert modes == [0o666 & ~umask, 0o777 & ~umask, 0o777 & ~umask]


@pytest.mark.parametrize("output", ["o", "d/"])
def test_an_output_that_was_written_to_since_is_not_stored(cache: FolderCache, root: Path, output: str) -> None:
    """L4."""
    put(root, {"o": "1", "d/x": "1"})
    values = {output: value(root, output)}
    (root / ("o" if output == "o" else "d/x")).write_text("2")
    with pytest.raises(NotStoredError, match="has changed since"):
        stored(cache, root, values=values)
    assert entries(cache) == 0
    assert not os.listdir(cache.scratch)


def test_an_output_that_is_gone_is_not_stored(cache: FolderCache, root: Path) -> None:
    """L4."""
    put(root, {"o": "1"})
    values = {"o": value(root, "o")}
    (root / "o").unlink()
    with pytest.raises(NotStoredError):
        stored(cache, root, values=values)


def make(root: Path, what: str) -> None:
    """Make something in the folder `d` that is not stored."""
    (root / "d").mkdir()
    path = root / "d/x"
    if what == "a pipe":
        os.mkfifo(path)
    elif what == "a name that is no text":
        with open(os.fsencode(root / "d") + b"/\xff", "w"):
            return
    elif what.startswith("a link"):
        path.symlink_to(
            {"a link out": "../../x", "a link with a root": "/etc", "a link to state": "../.treadle/x"}[what]
        )
    else:
        path = root / "d" / what
        path.mkdir()


@pytest.mark.parametrize(
    "what",
    ["a pipe", "a name that is no text", "a link out", "a link with a root", "a link to state", ".git", ".treadle"],
)
def test_what_cannot_be_restored_is_not_stored(cache: FolderCache, root: Path, what: str) -> None:
    """C1."""
    make(root, what)
    with pytest.raises(NotStoredError):
        stored(cache, root, "d/")
    assert entries(cache) == 0


@pytest.mark.parametrize("target", ["/etc/passwd", "../x", "a/../../x"])
def test_an_output_that_is_a_link_out_of_the_root_is_not_stored(
    cache: FolderCache, root: Path, target: str
) -> None:
    """C1."""
    (root / "l").symlink_to(target)
    with pytest.raises(NotStoredError):
        stored(cache, root, values={"l": "file 1 aa"})


def test_a_folder_that_is_a_link_is_not_stored(cache: FolderCache, root: Path) -> None:
    put(root, {"real/x": "1", "d": "-> real"})
    with pytest.raises(NotStoredError, match="is a link"):
        stored(cache, root, "d/")


def test_a_tree_that_is_too_large_is_not_stored(
    cache: FolderCache, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T4."""
    put(root, {f"d/{number}": "" for number in range(11)})
    monkeypatch.setattr(storing, "MOST_NODES", 10)
    with pytest.raises(NotStoredError, match="too large"):
        stored(cache, root, "d/")
    monkeypatch.setattr(storing, "MOST_NODES", 11)
    stored(cache, root, "d/")


@pytest.mark.parametrize("output", ["o", "d/"])
def test_without_room_nothing_is_copied(cache: FolderCache, root: Path, output: str) -> None:
    """L6: the copies would take the rest of the disk from what runs."""
    put(root, {"o": "12345", "d/a": "12345", "d/b": "12345"})
    made = Made(KEY, {output: value(root, output)}, {}, Entry())
    asked: list[int] = []

    def room(size: int) -> bool:
        asked.append(size)
        return len(asked) < (2 if output == "d/" else 1)

    with pytest.raises(CacheError, match="nearly full"):
        Copies(made, str(root), cache.scratch, room)
    assert set(asked) == {5}
    assert os.listdir(cache.scratch) == []


def test_what_an_output_leaves_out_is_not_stored(cache: FolderCache, root: Path, other: Path) -> None:
    """L4: it is none of its content."""
    put(root, {"d/x": "1", "d/x.log": "2"})
    full = describe_without_logs(root)
    stored(cache, root, values={"d/": full}, exclude={"d/": lambda name, _: name.endswith(".log")})
    assert placed(cache, other, "d/")
    assert [name for name in tree(other) if name.startswith("d/")] == ["d/", "d/x"]


def describe_without_logs(root: Path) -> str:
    from treadle.content.digests import describe_tree

    return describe_tree(str(root / "d"), is_excluded=lambda name, _: name.endswith(".log"))


@pytest.mark.parametrize("before", [0, 1, (1 << 20) - 5, (1 << 20) - 1, 1 << 20, (2 << 20) - 3])
@pytest.mark.parametrize("output", ["o", "d/"])
def test_an_output_with_the_path_of_the_root_is_tied_to_it(
    cache: FolderCache, root: Path, output: str, before: int
) -> None:
    """K6: wherever it is in the file."""
    put(root, {"o" if output == "o" else "d/x": "." * before + str(root) + "..."})
    found = stored(cache, root, output)
    assert found.tied == ("o" if output == "o" else "d/x")
    assert found.key == tied_key(KEY, str(root))
    assert staged(cache, root / "s", output) is None
    assert staged(cache, root / "s", output, key=tied_key(KEY, str(root))) is not None


def test_an_output_with_the_real_path_of_the_root_is_tied_too(
    cache: FolderCache, root: Path, tmp_path: Path
) -> None:
    """K6: a program may say either."""
    (tmp_path / "named").symlink_to(root)
    put(root, {"o": f"{root}/x"})
    assert stored(cache, tmp_path / "named", "o").tied == "o"
    put(root, {"p": f"{root}"[:-1]})
    assert stored(cache, tmp_path / "named", "p").tied == ""


def test_a_log_comes_with_its_entry_if_it_is_short(cache: FolderCache, root: Path, tmp_path: Path) -> None:
    """R7."""
    put(root, {"o": "1"})
    log = tmp_path / "log"
    for size, is_kept in ((0, True), (5, True), (1 << 20, True), ((1 << 20) + 1, False)):
        log.write_bytes(b"\xff" * size)
        stored(cache, root, "o", log=str(log))
        found = staged(cache, root / f"s{size}", "o")
        assert found is not None
        assert found.log == (b"\xff" * size if is_kept else None)


def test_blobs_are_there_before_the_entry(cache: FolderCache, root: Path) -> None:
    """L2."""
    put(root, {"o": "1", "d/x": "2"})
    order: list[str] = []

    class Watched(FolderCache):
        def put_blob(self, digest: object, path: str) -> None:
            order.append("blob")
            super().put_blob(digest, path)  # type: ignore[arg-type]

        def put_entry(self, key: str, body: bytes) -> None:
            order.append("entry")
            super().put_entry(key, body)

    stored(Watched(cache.folder, least_free=0), root, "o", "d/")
    assert order == ["blob", "blob", "blob", "entry"]


def test_what_the_disk_refuses_leaves_nothing(
    cache: FolderCache, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L2, case 41."""
    put(root, {"o": "1"})
    real = os.rename

    def refuse(source: str, target: str, **given: int) -> None:
        if "/cas/" in target:
            raise OSError(28, "No space left on device", target)
        real(source, target, **given)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(Exception, match="No space left"):
        stored(cache, root, "o")
    assert entries(cache) == 0
    assert not os.listdir(cache.scratch)


@pytest.mark.parametrize("size", [1, 2048, 1 << 16, (1 << 16) + 1, 3 << 20])
@pytest.mark.parametrize("when", ["before it is read", "after it is read", "shorter", "longer"])
@pytest.mark.parametrize("output", ["o", "d/"])
def test_what_is_written_to_while_it_is_copied_is_never_stored_as_something_else(
    cache: FolderCache, root: Path, monkeypatch: pytest.MonkeyPatch, size: int, when: str, output: str
) -> None:
    """L4: of small files, which are read at once, and of those that the kernel copies."""
    path = root / ("o" if output == "o" else "d/x")
    put(root, {path.relative_to(root).as_posix(): "a" * size})
    recorded = value(root, output)
    real = os.fstat
    news = {"shorter": b"a" * (size - 1), "longer": b"a" * (size + 1)}

    def written(fd: int) -> os.stat_result:
        status = real(fd)
        if when != "after it is read" and os.readlink(f"/proc/self/fd/{fd}") == str(path):
            path.write_bytes(news.get(when, b"b" * size))
        return status

    monkeypatch.setattr(os, "fstat", written)
    if when == "after it is read":
        made = Made(KEY, {output: recorded}, {}, Entry())
        copies = Copies(made, str(root), cache.scratch)
        path.write_bytes(b"b" * size)
        copies.store(cache)
        assert [one.read_bytes() for one in Path(cache.folder).glob("cas/*/*") if one.stat().st_size == size] in (
            [b"a" * size],
            # a Tree may be as long
            [b"a" * size] * 2,
        )
        return
    with pytest.raises(NotStoredError, match="has changed since"):
        stored(cache, root, output, values={output: recorded})
    assert entries(cache) == 0
    assert os.listdir(cache.scratch) == []


def test_what_a_store_has_taken_is_left_alone(cache: FolderCache, root: Path) -> None:
    """L2: files of one content are one blob, and no copy is left."""
    put(root, {"o": "1", "p": "1", "d/a": "1", "d/b": "", "q": ""})
    stored(cache, root, "o", "p", "d/", "q")
    stored(cache, root, "o", "p", "d/", "q")
    assert os.listdir(cache.scratch) == []
    assert sum(one.read_bytes() == b"1" for one in Path(cache.folder).glob("cas/*/*")) == 1
    assert not [one for one in Path(cache.folder).glob("cas/*/*") if not one.stat().st_size]
