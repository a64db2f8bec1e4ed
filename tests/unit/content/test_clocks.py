"""A clock of a file system that is behind ours: a stamp is sure only when it is older by that much more."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from treadle.content import timestamps
from treadle.content.files import GRANULARITY, Files
from treadle.content.timestamps import A_DAY, Clocks, clock_lag
from treadle.state.lock import Lock

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND + 5
NETWORK, LOCAL, DISK = os.makedev(0, 50), os.makedev(0, 51), os.makedev(8, 1)


@pytest.fixture
def fd(tmp_path: Path) -> int:
    (tmp_path / "probe").write_text("text")
    return os.open(tmp_path / "probe", os.O_RDWR)


def looking(*ctimes: int) -> Callable[[int], Any]:
    """Return a look that finds these times, one after the other."""
    found = iter(ctimes)
    return lambda _: SimpleNamespace(st_ctime_ns=next(found), st_dev=NETWORK)


@pytest.mark.parametrize(
    ("ctimes", "lag"),
    [
        ((NOW, NOW, NOW), 0),
        ((NOW - 3 * SECOND, NOW - 2 * SECOND, NOW - 5 * SECOND), 2 * SECOND),
        ((NOW - 3 * A_DAY, NOW - 3 * A_DAY, NOW - 3 * A_DAY), 3 * A_DAY),
        ((NOW + SECOND, NOW + SECOND, NOW + SECOND), 0),
    ],
    ids=["ours", "behind, by the quickest of some changes", "days behind", "ahead"],
)
def test_a_clock_is_measured_with_a_change(fd: int, ctimes: tuple[int, ...], lag: int) -> None:
    assert clock_lag(fd, lambda: NOW, looking(*ctimes)) == lag
    assert os.pread(fd, 99, 0) == b"text"
    os.close(fd)


def test_a_clock_that_cannot_be_measured_may_be_a_day_behind(tmp_path: Path) -> None:
    (tmp_path / "probe").write_text("text")
    (tmp_path / "empty").touch()
    for name, flags in (("probe", os.O_RDONLY), ("empty", os.O_RDWR)):
        opened = os.open(tmp_path / name, flags)
        assert clock_lag(opened) == A_DAY
        os.close(opened)


@pytest.mark.parametrize(
    ("kind", "device", "lag"),
    [
        ("nfs4", NETWORK, A_DAY),
        ("cifs", NETWORK, A_DAY),
        ("fuse.sshfs", NETWORK, A_DAY),
        ("virtiofs", NETWORK, A_DAY),
        ("a type of tomorrow", NETWORK, A_DAY),
        ("tmpfs", LOCAL, 0),
        ("overlay", LOCAL, 0),
        ("btrfs", LOCAL, 0),
        ("zfs", LOCAL, 0),
        ("ext4", DISK, 0),
    ],
)
def test_the_type_says_whether_a_clock_is_ours(
    kind: str, device: int, lag: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timestamps, "mount_of", lambda _: ["/", kind, "source", "rw"])
    monkeypatch.setattr("sys.platform", "linux")
    status: Any = SimpleNamespace(st_dev=device)
    assert Clocks().lag(status, "/x") == lag
    assert Clocks({device: 7}).lag(status, "/x") == 7


def test_where_no_mount_is_found_a_clock_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timestamps, "mount_of", lambda _: [])
    status: Any = SimpleNamespace(st_dev=NETWORK)
    assert Clocks().lag(status, "/x") == A_DAY


def test_the_lock_measures_the_clock_of_its_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timestamps, "_is_block_device", lambda _: False)
    monkeypatch.setattr(timestamps, "clock_lag", lambda _: 42)
    lock = Lock(str(tmp_path))
    lock.acquire("run", "")
    assert lock.clocks.lag(tmp_path.stat(), str(tmp_path)) == 42
    lock.release()


@pytest.mark.parametrize("path", ["a", "tree/"])
@pytest.mark.parametrize(
    ("lag", "age", "is_sure"),
    [
        (0, 2 * GRANULARITY, True),
        (0, GRANULARITY // 2, False),
        (3 * SECOND, 2 * GRANULARITY, False),
        (3 * SECOND, 3 * SECOND + 2 * GRANULARITY, True),
        (A_DAY, 3600 * SECOND, False),
        (A_DAY, A_DAY + 3 * SECOND, True),
        (0, -SECOND, False),
        (3 * SECOND, -SECOND, False),
    ],
)
def test_what_is_younger_than_the_lag_is_neither_sure_nor_remembered(
    tmp_path: Path, path: str, lag: int, age: int, is_sure: bool
) -> None:
    """The second of two writes may get the stamp of the first for as long as the clock is behind."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "inner").write_text("x")
    (tmp_path / "a").write_text("x")
    newest = max(one.stat().st_ctime_ns for one in (tmp_path, *tmp_path.rglob("*")))
    files = Files(str(tmp_path))
    files.clocks = Clocks({tmp_path.stat().st_dev: lag})
    files.clock = lambda: newest + age
    seen = files.see(path)
    # a file system may have given a whole second by chance, which is judged by another grain
    if all(look.stamp[0] % SECOND for look in (*seen.looks.values(), *seen.folders.values())):
        assert seen.sure is is_sure
        assert all(look.sure is is_sure for look in seen.folders.values())
        assert bool(files.learned) is is_sure
