"""Where the file system gives each change a stamp of its own, what was just made is known at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from treadle.content import timestamps
from treadle.content.files import Files
from treadle.content.timestamps import NO_DEVICE, fine_device


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "probe", os.O_RDWR | os.O_CREAT)
    os.write(opened, b"text")
    yield opened
    os.close(opened)


def test_the_file_stays_what_it_was(fd: int) -> None:
    fine_device(fd)
    assert os.pread(fd, 99, 0) == b"text"


@pytest.mark.parametrize(
    ("stamps", "device"),
    [
        ([1, 2, 3, 4, 5, 6], 7),
        ([1, 1, 1, 1, 1, 1], NO_DEVICE),
        ([1, 2, 2, 3, 4, 5], NO_DEVICE),
        ([1, 2, 3, 4, 5, 5], NO_DEVICE),
    ],
)
def test_one_stamp_that_stays_is_enough_to_be_coarse(
    fd: int, stamps: list[int], device: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(stamps)

    def look(_: int) -> Any:
        return SimpleNamespace(st_ctime_ns=next(looks), st_dev=7)

    monkeypatch.setattr(timestamps, "monotonic_ns", lambda: 0)
    assert fine_device(fd, look) == device


def test_what_took_longer_than_a_tick_proves_nothing(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0, 1_000_000])
    monkeypatch.setattr(timestamps, "monotonic_ns", lambda: next(times))
    assert fine_device(fd) == NO_DEVICE


def test_where_nothing_can_be_written_nothing_is_proved(tmp_path: Path) -> None:
    (tmp_path / "probe").write_text("text")
    opened = os.open(tmp_path / "probe", os.O_RDONLY)
    assert fine_device(opened) == NO_DEVICE
    os.close(opened)
    (tmp_path / "empty").touch()
    opened = os.open(tmp_path / "empty", os.O_RDWR)
    assert fine_device(opened) == NO_DEVICE
    os.close(opened)


def test_what_was_just_made_is_sure_on_a_fine_device_alone(tmp_path: Path) -> None:
    (tmp_path / "made").write_text("x")
    (tmp_path / "tree" / "inner").mkdir(parents=True)
    device = (tmp_path / "made").stat().st_dev
    for sure_device, is_sure in ((device, True), (NO_DEVICE, False), (device + 1, False)):
        files = Files(str(tmp_path))
        files.clock = lambda: (tmp_path / "made").stat().st_ctime_ns
        files.fine_device = sure_device
        assert files.see_made("made").sure is is_sure
        assert all(look.sure is is_sure for look in files.see_made("tree/").folders.values())


def test_a_look_that_is_no_look_at_what_was_made_trusts_no_young_stamp(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    files = Files(str(tmp_path))
    files.clock = lambda: (tmp_path / "a").stat().st_ctime_ns
    files.fine_device = (tmp_path / "a").stat().st_dev
    assert not files.see("a", made=True).sure
    assert not files.see_again("a", made=True).sure
    assert files.see_made("a").sure
    assert files.see_again("a", made=True).sure
