"""Files: looked at once, hashed once, and never trusted on a stamp that is not sure."""

from __future__ import annotations

import os
import time
from pathlib import Path

from treadle.content import files as files_module
from treadle.content.files import Files, moved

OLD = 1_000_000_000_123_456_789


def test_a_file_is_read_once_in_a_run_however_often_it_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    files = Files(str(tmp_path))
    assert files.see("a").value == files.see("a").value
    assert files.see("a").value.startswith("file 1 ")
    assert files.hashed == 1


def test_a_stamp_that_is_known_and_sure_saves_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x")
    first = Files(str(tmp_path))
    wait_for_the_grain(path)
    first.see("a")
    assert "a" in first.learned
    second = Files(str(tmp_path), first.learned)
    assert second.see("a").value == first.see("a").value
    assert second.hashed == 0


def test_a_stamp_within_the_clocks_grain_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x")
    files = Files(str(tmp_path))
    now = path.stat().st_ctime_ns + files_module.GRANULARITY // 2
    with_clock(files, now)
    assert not files.see("a").sure
    assert files.learned == {}


def test_a_whole_second_stamp_needs_two_seconds_to_be_sure() -> None:
    class Status:
        st_ctime_ns = 5_000_000_000
        st_dev = 1

    assert not files_module.is_sure(Status(), 6_500_000_000)  # type: ignore[arg-type]
    assert files_module.is_sure(Status(), 7_200_000_000)  # type: ignore[arg-type]


def test_same_size_and_same_mtime_is_noticed_by_the_ctime(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    wait_for_the_grain(path)
    first = Files(str(tmp_path))
    before = first.see("a").value
    status = path.stat()
    path.write_text("new")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Files(str(tmp_path), first.learned).see("a").value != before


def test_a_file_from_the_future_is_never_sure(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x")
    files = Files(str(tmp_path))
    with_clock(files, path.stat().st_ctime_ns - 10**12)
    assert not files.see("a").sure


def test_a_touch_is_no_other_content_but_counts_as_moved(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x")
    files = Files(str(tmp_path))
    before = files.see("a")
    os.utime(path, ns=(OLD, OLD))
    after = files.see_again("a")
    assert before.value == after.value
    assert moved(before, after)


def test_a_link_to_a_file_is_not_a_move(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x")
    files = Files(str(tmp_path))
    before = files.see("a")
    os.link(path, tmp_path / "b")
    assert not moved(before, files.see_again("a"))


def test_a_tree_moves_when_a_file_in_it_is_written_added_or_removed(tmp_path: Path) -> None:
    tree = tmp_path / "t"
    tree.mkdir()
    (tree / "a").write_text("x")
    files = Files(str(tmp_path))
    before = files.see("t/")
    assert not moved(before, files.see_again("t/"))
    (tree / "b").write_text("y")
    added = files.see_again("t/")
    assert moved(before, added)
    (tree / "b").unlink()
    removed = files.see_again("t/")
    assert moved(added, removed)
    (tree / "a").write_text("x")
    assert moved(removed, files.see_again("t/"))


def test_files_of_a_tree_are_not_read_again_when_their_stamps_are_known(tmp_path: Path) -> None:
    tree = tmp_path / "t"
    (tree / "s").mkdir(parents=True)
    for name in ("a", "s/b", "s/c"):
        (tree / name).write_text(name)
        wait_for_the_grain(tree / name)
    first = Files(str(tmp_path))
    value = first.see("t/").value
    assert sorted(first.learned) == ["t/a", "t/s/b", "t/s/c"]
    second = Files(str(tmp_path), first.learned)
    assert second.see("t/").value == value
    assert second.hashed == 0


def test_what_was_written_is_forgotten_with_the_folders_around_and_below(tmp_path: Path) -> None:
    (tmp_path / "t" / "s").mkdir(parents=True)
    for name in ("t/a", "t/s/b", "u"):
        (tmp_path / name).write_text("old")
    files = Files(str(tmp_path))
    before = {path: files.see(path).value for path in ("t/", "t/a", "t/s/", "t/s/b", "u")}
    for name in ("t/a", "t/s/b", "u"):
        (tmp_path / name).write_text("newer")
    files.forget(["t/s/b"])
    assert files.see("t/").value != before["t/"]
    assert files.see("t/s/").value != before["t/s/"]
    assert files.see("t/a").value == before["t/a"]
    files.forget(["t/"])
    assert files.see("t/a").value != before["t/a"]
    assert files.see("u").value == before["u"]


def test_an_absent_file_is_absent_also_where_its_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    files = Files(str(tmp_path))
    assert [files.see(p).value for p in ("no", "f/x", "no/", "no/x")] == ["absent"] * 4


def test_what_takes_the_place_of_a_file_that_is_just_looked_at_is_not_trusted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        wait_for_the_grain(tmp_path / name)
    files = Files(str(tmp_path))
    now = time.time_ns()

    def swap() -> int:
        # it is asked for between the look and the reading
        (tmp_path / "b").rename(tmp_path / "a")
        return now

    files.clock = swap
    assert not files.see("a").sure
    assert files.learned == {}


def wait_for_the_grain(path: Path) -> None:
    """Come back when a stamp of `path` that is taken now is sure: at once for most, after a tick for a fresh one."""
    end = path.stat().st_ctime_ns + files_module.GRANULARITY
    while time.time_ns() <= end:
        os.sched_yield()


def with_clock(files: Files, now: int) -> None:
    """Let the next look believe that it is `now`."""
    files.clock = lambda: now
