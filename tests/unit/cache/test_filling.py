"""Work beside a run: as many threads as may be, an end that does not wait too long, and nothing that is forgotten."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cache_stores import KEY, placed, put, staged, stored, tree
from treadle import CacheError, Digest, FolderCache
from treadle.cache.base import ENTRY_LIMIT
from treadle.cache.entry import decode_entry
from treadle.cache.filling import Background, Filling
from treadle.cache.restore import stage

TIMEOUT = 20.0


def test_work_is_done_by_as_many_threads_as_may_be() -> None:
    background, barrier = Background(3), threading.Barrier(3)
    done: list[int] = []
    for _ in range(30):
        background.add(lambda: done.append(barrier.wait(TIMEOUT)))
    assert background.close(TIMEOUT) == 0
    assert sorted(set(done)) == [0, 1, 2]
    assert len(done) == 30


def test_what_is_not_done_in_time_is_counted_and_given_up() -> None:
    """F2."""
    background, goes_on = Background(2), threading.Event()
    done: list[int] = []

    def work() -> None:
        goes_on.wait(TIMEOUT)
        done.append(1)

    for _ in range(5):
        background.add(work)
    assert background.close(0.05) == 5
    goes_on.set()
    assert background.close(TIMEOUT) == 0
    assert len(done) == 2


def test_a_wait_is_given_up_when_the_run_is_to_end_meanwhile() -> None:
    """F2: a signal that comes while the end of a run waits."""
    background, goes_on, asked = Background(1), threading.Event(), iter((False, False, True))

    def work() -> None:
        goes_on.wait(TIMEOUT)

    background.add(work)
    assert background.close(TIMEOUT, lambda: next(asked)) == 1
    goes_on.set()
    assert background.close(TIMEOUT) == 0


def test_a_store_without_room_is_not_filled(tmp_path: Path) -> None:
    """L6, T6: what others have stored does not take the rest of the disk."""
    far = FolderCache(str(tmp_path / "far"), least_free=0)
    near = FolderCache(str(tmp_path / "near"), least_free=1 << 60)
    put(tmp_path / "a", {"out": "1\n"})
    stored(far, tmp_path / "a", "out")
    body = far.get_entry(KEY, ENTRY_LIMIT)
    assert body is not None
    faults: list[str] = []
    filling = Filling(decode_entry(body, KEY), [near], lambda _, error: faults.append(error.kind))
    (tmp_path / "staging").mkdir()
    assert stage(far, decode_entry(body, KEY), ["out"], str(tmp_path / "staging"), filling.keep) is not None
    filling.finish(lambda _: KEY)
    assert faults == ["stores nothing, as the disk is nearly full"]
    assert not (tmp_path / "near").exists()


def test_work_that_raises_keeps_nothing_else_from_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    background = Background(1)
    done: list[int] = []
    background.add(lambda: done.append(1 // 0))
    assert background.close(TIMEOUT) == 0
    background.add(lambda: done.append(1))
    assert background.close(TIMEOUT) == 0
    assert done == [1]


def test_a_thread_stays_for_more_work_and_ends_with_the_run() -> None:
    """To start one for each piece of work would cost more than the work."""
    background, threads = Background(1), set()
    done = threading.Semaphore(0)

    def work() -> None:
        threads.add(threading.current_thread())
        done.release()

    for _ in range(20):
        background.add(work)
        assert done.acquire(timeout=TIMEOUT)
    assert len(threads) == 1
    assert background.close(TIMEOUT) == 0
    for one in threads:
        one.join(TIMEOUT)
        assert not one.is_alive()


def test_work_wakes_a_thread_that_had_none_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treadle.cache.filling._NAP", 0.0)
    monkeypatch.setattr("treadle.cache.filling._STAYS", TIMEOUT)
    background, done = Background(2), threading.Semaphore(0)
    for _ in range(50):
        background.add(done.release)
        background.add(done.release)
        assert done.acquire(timeout=TIMEOUT / 2)
        assert done.acquire(timeout=TIMEOUT / 2)
    assert background.close(TIMEOUT) == 0


class Full(FolderCache):
    """A store that takes no blobs."""

    def put_blob(self, digest: Digest, path: str) -> None:
        raise CacheError("is full", path)


def test_what_was_fetched_fills_other_stores_and_one_that_fails_is_told_once(tmp_path: Path) -> None:
    """F7: files, folders and the Tree of them; then they serve without the first one."""
    far = FolderCache(str(tmp_path / "far"), least_free=0)
    near, full = FolderCache(str(tmp_path / "near"), least_free=0), Full(str(tmp_path / "full"), least_free=0)
    put(tmp_path / "a", {"out": "1\n", "d/x/y": "! 2\n", "d/l": "-> x/y", "d/e/": "", "none": ""})
    (tmp_path / "log").write_text("said\n")
    names = ("out", "d/", "none")
    stored(far, tmp_path / "a", *names, log=str(tmp_path / "log"))
    body = far.get_entry(KEY, ENTRY_LIMIT)
    assert body is not None
    entry = decode_entry(body, KEY)
    faults: list[str] = []
    filling = Filling(
        entry, [full, near], lambda cache, error: faults.append(f"{type(cache).__name__} {error.kind}")
    )
    (tmp_path / "staging").mkdir()
    assert stage(far, entry, names, str(tmp_path / "staging"), filling.keep) is not None
    filling.finish(lambda _: KEY)
    assert faults == ["Full is full"]
    assert staged(full, tmp_path / "no", *names) is None
    (tmp_path / "b").mkdir()
    assert placed(near, tmp_path / "b", *names)
    made = tree(tmp_path / "b")
    assert {name: made.get(name) for name in tree(tmp_path / "a")} == tree(tmp_path / "a")
