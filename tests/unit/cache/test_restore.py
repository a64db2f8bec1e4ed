"""Restoring: verified before anything is in its place, and never anywhere else than in the root."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from cache_stores import KEY, placed, put, staged, stored, tree
from treadle.cache.base import ENTRY_LIMIT, CacheError, Digest
from treadle.cache.entry import EntryError, decode_entry, encode_entry
from treadle.cache.folder import FolderCache
from treadle.cache.messages import File
from treadle.cache.restore import NotPlacedError, Placement, TooSlowError, stage
from treadle.testing import LIES, LyingCache


@pytest.fixture
def cache(tmp_path: Path) -> FolderCache:
    return FolderCache(str(tmp_path / "store"), least_free=0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def made(cache: FolderCache, tmp_path: Path) -> FolderCache:
    """A store with a file, a folder and a link."""
    folder = tmp_path / "made"
    put(folder, {"o/f": "file", "d/x/y": "! inside", "d/l": "-> x/y", "o/l": "-> f"})
    stored(cache, folder, "o/f", "d/", "o/l")
    return cache


OUTPUTS = ("o/f", "d/", "o/l")


def blobs(cache: FolderCache) -> list[Path]:
    return sorted(Path(cache.folder).glob("cas/*/*"))


@pytest.mark.parametrize("lie", LIES)
def test_whatever_a_store_returns_is_verified_before_it_is_in_its_place(
    made: FolderCache, root: Path, lie: str
) -> None:
    """T2, T3, L5, case 37, case 38."""
    put(root, {"mine": "1"})
    lying = LyingCache(made, lie)
    lying.get_entry("cd" * 32, ENTRY_LIMIT) if "faults" not in lie and lie != "bugs" else None
    try:
        is_there = staged(lying, root / "s", *OUTPUTS) is not None
    except (EntryError, CacheError, OSError, TypeError, AttributeError, ZeroDivisionError):
        is_there = False
    # what has no lie about blobs or this entry is right
    assert not is_there
    assert {name for name in tree(root) if not name.startswith("s/")} == {"mine"}


def test_the_entry_of_another_action_is_refused(made: FolderCache, root: Path, tmp_path: Path) -> None:
    """T3, case 38: its digest has its key in it."""
    body = made.get_entry(KEY, ENTRY_LIMIT)
    assert body is not None
    made.put_entry("cd" * 32, body)
    with pytest.raises(EntryError):
        staged(made, root / "s", *OUTPUTS, key="cd" * 32)


@pytest.mark.parametrize("at", [0, 0.5, 1])
@pytest.mark.parametrize("kind", range(3))
def test_a_damaged_blob_of_a_folder_of_our_own_is_found_and_goes(
    made: FolderCache, root: Path, kind: int, at: float
) -> None:
    """L2, L5: by the value that is recorded."""
    blob = blobs(made)[kind]
    data = bytearray(blob.read_bytes())
    data[min(int(at * len(data)), len(data) - 1)] ^= 1
    blob.write_bytes(data)
    with pytest.raises(EntryError):
        staged(made, root / "s", *OUTPUTS)
    assert not blob.exists()


def test_a_blob_that_is_gone_is_a_miss(made: FolderCache, root: Path) -> None:
    """L7, case 39: also between its entry and it."""
    for number in range(3):
        blob = blobs(made)[number]
        data = blob.read_bytes()
        blob.unlink()
        assert staged(made, root / f"s{number}", *OUTPUTS) is None
        blob.write_bytes(data)
    assert staged(made, root / "s", *OUTPUTS) is not None


@pytest.mark.parametrize(
    "outputs", [("o/f",), ("o/f", "d/", "o/l", "more"), ("o/f", "d", "o/l"), ("o/f/", "d/", "o/l")]
)
def test_outputs_that_are_declared_otherwise_are_a_miss(
    made: FolderCache, root: Path, outputs: tuple[str, ...]
) -> None:
    """T3."""
    with pytest.raises(EntryError):
        staged(made, root / "s", *outputs)


def test_more_than_there_is_room_for_is_not_fetched(made: FolderCache, root: Path) -> None:
    """T6: the sizes are added before the first blob."""
    body = made.get_entry(KEY, ENTRY_LIMIT)
    assert body is not None
    entry = decode_entry(body, KEY)
    large = replace(
        entry,
        files=(File("o/f", Digest("cd" * 32, 1 << 60)),),
        values={**entry.values, "o/f": f"file {1 << 60} aa"},
    )
    made.put_entry(KEY, encode_entry(large, KEY))
    with pytest.raises(CacheError, match="more than there is room for"):
        staged(made, root / "s", *OUTPUTS)


def test_outputs_that_come_too_slowly_are_given_up(made: FolderCache, root: Path) -> None:
    """T1: each file may come in time, and all of them last for days."""
    seconds: list[tuple[int, int]] = []

    def none(files: int, size: int) -> float:
        seconds.append((files, size))
        return -1.0

    body = made.get_entry(KEY, ENTRY_LIMIT)
    assert body is not None
    entry = decode_entry(body, KEY)
    outputs = list(entry.values)
    for number, most in enumerate((none, lambda _, __: 60.0)):
        (root / f"staging{number}").mkdir()
        if number:
            assert stage(made, entry, outputs, str(root / "staging1"), seconds=most) is not None
        else:
            with pytest.raises(TooSlowError):
                stage(made, entry, outputs, str(root / "staging0"), seconds=most)
    assert len(seconds) == 1
    assert seconds[0][0] > 1


def test_a_log_that_claims_to_be_long_is_refused(made: FolderCache, root: Path) -> None:
    """T2, R7."""
    body = made.get_entry(KEY, ENTRY_LIMIT)
    assert body is not None
    entry = replace(decode_entry(body, KEY), log=Digest("cd" * 32, (1 << 20) + 1))
    made.put_entry(KEY, encode_entry(entry, KEY))
    with pytest.raises(EntryError, match="bytes where"):
        staged(made, root / "s", *OUTPUTS)


def test_a_file_that_came_in_between_is_kept_and_nothing_is_placed(made: FolderCache, root: Path) -> None:
    """R4: what was placed is taken back."""
    found = staged(made, root / "s", *OUTPUTS)
    assert found is not None
    put(root, {"o/l": "of the user", "d/": ""})
    with pytest.raises(NotPlacedError):
        Placement(str(root)).place(found)
    assert {name: text for name, text in tree(root).items() if not name.startswith("s/")} == {
        "o/": "",
        "o/l": "of the user",
        "d/": "",
    }


@pytest.mark.parametrize("missing", ["o", "d"])
def test_where_there_is_no_folder_nothing_is_placed(made: FolderCache, root: Path, missing: str) -> None:
    """R4."""
    found = staged(made, root / "s", *OUTPUTS)
    assert found is not None
    put(root, {"o/": "", "d/": ""})
    (root / missing).rmdir()
    with pytest.raises(NotPlacedError):
        Placement(str(root)).place(found)
    assert not [name for name in tree(root) if name.startswith(("o/", "d/")) and name not in ("o/", "d/")]


@pytest.mark.parametrize("when", range(5))
def test_a_placement_that_fails_takes_back_what_it_placed(
    made: FolderCache, root: Path, when: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R4: at each of its renames."""
    found = staged(made, root / "s", *OUTPUTS)
    assert found is not None
    put(root, {"o/": "", "d/": ""})
    before = tree(root)
    real, calls = os.rename, [0]

    def rename(source: str, target: str, **given: int) -> None:
        calls[0] += 1
        if calls[0] == when + 1:
            raise OSError(28, "No space left on device")
        real(source, target, **given)

    monkeypatch.setattr(os, "rename", rename)
    if when == 4:
        Placement(str(root)).place(found)
        assert (root / "o/f").read_text() == "file"
        return
    with pytest.raises(NotPlacedError, match="No space left"):
        Placement(str(root)).place(found)
    assert tree(root) == before


def test_a_folder_that_is_not_empty_gets_nothing(made: FolderCache, root: Path) -> None:
    """C3."""
    found = staged(made, root / "s", *OUTPUTS)
    assert found is not None
    put(root, {"o/": "", "d/mine": "1"})
    with pytest.raises(NotPlacedError, match="d/ holds mine, which stays there"):
        Placement(str(root)).place(found)
    assert not (root / "o/f").exists()


OUTSIDE = {
    "the folder of a file": ("o", "d/"),
    "an output folder": ("d", "o/"),
}


@pytest.mark.parametrize("target", ["../outside", "absolute", "../root/../outside", "in/../../outside"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_through_a_link_that_leads_out_nothing_is_placed(
    made: FolderCache, root: Path, tmp_path: Path, name: str, target: str
) -> None:
    """R6, case 45."""
    outside = tmp_path / "outside"
    put(outside, {"kept": "1"})
    link, other = OUTSIDE[name]
    put(root, {other: "", "in/": ""})
    (root / link).symlink_to(str(outside) if target == "absolute" else target)
    found = staged(made, root / "s", *OUTPUTS)
    assert found is not None
    with pytest.raises(NotPlacedError):
        Placement(str(root)).place(found)
    assert tree(outside) == {"kept": "1"}
    assert (root / link).is_symlink()


@pytest.mark.parametrize("target", ["real", "./real", "in/../real", "absolute", "two"])
def test_a_link_of_the_user_is_followed_to_a_folder_in_the_root(
    cache: FolderCache, root: Path, tmp_path: Path, target: str
) -> None:
    """R6, case 46."""
    put(tmp_path / "made", {"o/f": "file", "d/x": "1"})
    stored(cache, tmp_path / "made", "o/f", "d/")
    put(root, {"real/": "", "in/": "", "d/": "", "two": "-> one", "one": "-> real"})
    (root / "o").symlink_to(str(root / "real") if target == "absolute" else target)
    found = staged(cache, root / "s", "o/f", "d/")
    assert found is not None
    Placement(str(root)).place(found)
    assert (root / "real/f").read_text() == "file"
    assert (root / "o").is_symlink()


def test_links_in_a_circle_are_given_up(made: FolderCache, root: Path) -> None:
    """R6."""
    put(root, {"o": "-> p", "p": "-> o", "d/": ""})
    found = staged(made, root / "s", *OUTPUTS)
    assert found is not None
    with pytest.raises(NotPlacedError, match="too many links"):
        Placement(str(root)).place(found)


def test_a_link_behind_a_link_is_not_placed(made: FolderCache, root: Path) -> None:
    """T4: what its `..` leads to was judged by names."""
    put(root, {"real/": "", "o": "-> real", "d/": ""})
    found = staged(made, root / "s", *OUTPUTS)
    assert found is not None
    with pytest.raises(NotPlacedError, match="below another link"):
        Placement(str(root)).place(found)
    put(root, {"deep/": ""})
    (root / "o").unlink()
    (root / "o").mkdir()
    (root / "d").rmdir()
    (root / "d").symlink_to("deep")
    with pytest.raises(NotPlacedError, match="has links in it"):
        Placement(str(root)).place(found)


def test_a_link_that_leads_to_something_else_here_is_not_placed(
    cache: FolderCache, root: Path, tmp_path: Path
) -> None:
    """L5: what an output that is a link holds is what it leads to."""
    put(tmp_path / "made", {"l": "-> in", "in": "1"})
    stored(cache, tmp_path / "made", "l")
    put(root, {"in": "2"})
    found = staged(cache, root / "s", "l")
    assert found is not None
    with pytest.raises(NotPlacedError, match="something else"):
        Placement(str(root)).place(found)
    assert not os.path.lexists(root / "l")


def test_a_folder_that_is_swapped_for_a_link_meanwhile_leads_nowhere(
    cache: FolderCache, root: Path, tmp_path: Path
) -> None:
    """R6, case 45: 10,000 swaps while outputs are placed."""
    outside = tmp_path / "outside"
    put(outside, {"d/kept": "1"})
    put(tmp_path / "made", {"a/b/f": "file"})
    stored(cache, tmp_path / "made", "a/b/f")
    put(root, {"a/b/": ""})
    real, link = str(root / "a"), str(root / "link")
    os.symlink(outside, link)
    (outside / "b").mkdir()
    swaps, is_over = [0], threading.Event()

    def swap() -> None:
        hidden = str(root / "hidden")
        while not is_over.is_set() or swaps[0] < 10_000:
            try:
                os.rename(real, hidden)
                os.rename(link, real)
                os.rename(real, link)
                os.rename(hidden, real)
            except OSError:
                break
            swaps[0] += 1

    found = staged(cache, root / "s", "a/b/f")
    assert found is not None
    thread = threading.Thread(target=swap)
    thread.start()
    done = 0
    try:
        while swaps[0] < 10_000 and thread.is_alive():
            try:
                Placement(str(root)).place(found)
            except NotPlacedError:
                continue
            done += 1
            for folder in (root / "a/b/f", root / "hidden/b/f"):
                try:
                    os.rename(folder, root / "s/0")
                    break
                except OSError:
                    continue
            else:
                # it is where the swap had it at that moment
                while not os.path.lexists(root / "s/0"):
                    for folder in (root / "a/b/f", root / "hidden/b/f"):
                        if os.path.lexists(folder) and not os.path.lexists(outside / "b/f"):
                            try:
                                os.rename(folder, root / "s/0")
                                break
                            except OSError:
                                continue
    finally:
        is_over.set()
        thread.join()
    assert tree(outside) == {"b/": "", "d/": "", "d/kept": "1"}
    assert swaps[0] >= 10_000
    assert done > 0


def test_what_is_empty_is_never_asked_for(cache: FolderCache, root: Path, tmp_path: Path) -> None:
    """W5."""
    put(tmp_path / "made", {"o": "", "d/x": ""})
    stored(cache, tmp_path / "made", "o", "d/")
    asked: list[Digest] = []

    class Watched(FolderCache):
        def get_blob(self, digest: Digest, path: str) -> bool:
            asked.append(digest)
            return super().get_blob(digest, path)

    (root / "r").mkdir()
    assert placed(Watched(cache.folder), root / "r", "o", "d/")
    assert [one.size for one in asked] != []
    assert all(one.size for one in asked)
    assert not any(path.name.startswith("e3b0c442") for path in blobs(cache))
