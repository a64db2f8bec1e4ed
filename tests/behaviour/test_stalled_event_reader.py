"""Events into a pipe whose reader stops: the run goes on, and says what was lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from project import Project
from treadle.events import files as sinks
from treadle.events.files import Lines


def opened(tmp_path: Path) -> tuple[Lines, int]:
    """Return the lines of a FIFO, and its other end."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    lines = Lines(str(path))
    lines.patience = 0.05
    return lines, reader


def read_all(reader: int) -> bytes:
    found = b""
    while True:
        try:
            piece = os.read(reader, 1 << 16)
        except BlockingIOError:
            return found
        if not piece:
            return found
        found += piece


@pytest.mark.parametrize("size", [10, 5000, 200_000])
def test_a_reader_that_stops_and_goes_on_gets_all_that_fits(tmp_path: Path, size: int) -> None:
    lines, reader = opened(tmp_path)
    given = [b"%d " % n + b"x" * size + b"\n" for n in range(15)]
    for line in given:
        lines.add(line)
        assert lines.flush()
    found = b""
    while len(found) < sum(map(len, given)):
        found += read_all(reader)
        assert lines.flush()
    lines.close()
    assert (found, lines.failure, lines.lost) == (b"".join(given), "", 0)
    os.close(reader)


def test_what_is_too_much_is_lost_line_by_line_and_told(tmp_path: Path) -> None:
    lines, reader = opened(tmp_path)
    count = 100
    for n in range(count):
        lines.add(b"%04d" % n + b"x" * 100_000 + b"\n")
        lines.flush()
    assert 0 < lines.lost < count - sinks.MOST_WAITING // 100_000 + 2
    found = b""
    while not found.endswith(b"\n") or lines._rest:
        found += read_all(reader)
        lines.flush()
    lines.close()
    kept = found.splitlines()
    assert len(kept) == count - lines.lost
    assert all(len(line) == 100_004 for line in kept)
    assert lines.failure.endswith(f"{lines.lost} lines were lost, as its reader has not read them")
    os.close(reader)


def test_a_plain_file_gets_all(tmp_path: Path) -> None:
    lines = Lines(str(tmp_path / "file"))
    for _ in range(100):
        lines.add(b"x" * 100_000 + b"\n")
    lines.close()
    assert lines.failure == ""
    assert (tmp_path / "file").stat().st_size == 100 * 100_001


def test_a_run_goes_on_to_its_end(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    actions = "".join(f"  a{n}: {{sh: 'echo {'x' * 300} > ${{out}}', out: o/{n}}}\n" for n in range(200))
    project.write("plan", "treadle: 1\nactions:\n" + actions)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    done = project.treadle("run", *(f"a{n}" for n in range(200)), "--events", str(fifo))
    assert "200 run" in done.out
    assert "lines were lost, as its reader has not read them" in done.err
    assert json.loads(read_all(reader).splitlines()[0])["event"] == "run"
    os.close(reader)
