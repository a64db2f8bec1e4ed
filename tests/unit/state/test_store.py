"""The store of records: what is written is read back, and whatever happens to the file, nothing wrong is."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from treadle.command.walk import acquire_state
from treadle.core.decision import Reason
from treadle.core.outcomes import Usage
from treadle.engines.process_marks import MARK, marked
from treadle.errors import BusyError, StateError, UsageError
from treadle.state import lock, log
from treadle.state.records import (
    FAILED,
    INTERRUPTED,
    STARTED,
    SUCCEEDED,
    Owner,
    Record,
    Run,
    Unstarted,
    record_from,
    record_texts,
    run_from,
    run_texts,
    success_from,
    unstarted_from,
)
from treadle.state.store import FORMAT, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

A = Owner("ka", "plan.yaml", "a", ["out/a", "site/"])
B = Owner("kb", "plan.yaml", "b", [])
REASONS = [Reason("changed", "input x", "old", "new"), Reason("new"), Reason("added", "env é", None, "")]


def record(owner: Owner, value: str = "1", run: str = "r1") -> Record:
    elements = {"command": f"cp {value}", "input ü\udc80\n": value, "output out/a": "file 1 ab"}
    return Record(
        owner,
        Run(run, SUCCEEDED, 1_700_000_000_000, 1.25, REASONS, "", "expected_diff"),
        elements,
        ["output out/a"],
    )


def written(root: Path, run: str = "r1") -> Store:
    store = Store(str(root))
    store.acquire(run)
    store.mark_started([A, B])
    store.save(record(A))
    store.save_end(B, Run(run, FAILED, 1_700_000_000_001, 0.5, [Reason("new")], "exit code 2", "diffed"))
    store.remember({"x": ((1, 2, 3), "file 3 cd")})
    store.release()
    return store


def read(root: Path) -> Store:
    store = Store(str(root))
    store.load()
    return store


def test_the_kind_of_outcome_is_kept(tmp_path: Path) -> None:
    written(tmp_path)
    last = [entry.last_run for entry in read(tmp_path).entries.values()]
    assert [(run.outcome, run.text, len(run.reasons)) for run in last if run is not None] == [
        ("expected_diff", "", 3),
        ("diffed", "exit code 2", 1),
    ]


def snapshot(store: Store) -> dict[str, tuple[str, bool, dict[str, str] | None]]:
    return {
        key: (entry.state, entry.counts, entry.record.elements if entry.record else None)
        for key, entry in store.entries.items()
    }


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    written(tmp_path)
    store = read(tmp_path)
    entry = store.entries["ka"]
    assert entry.counts
    assert entry.state == SUCCEEDED
    found = entry.record
    assert found is not None
    assert found.elements == record(A).elements
    assert found.results == {"output out/a"}
    assert found.run.reasons == tuple(REASONS)
    assert found.run.duration == 1.25
    assert entry.owner.outputs == ("out/a", "site/")
    assert store.stamps == {"x": ((1, 2, 3), "file 3 cd")}
    assert store.notes == []
    last = store.entries["kb"].last_run
    assert last is not None
    assert (last.state, last.text) == (FAILED, "exit code 2")
    assert not store.entries["kb"].counts
    assert {path for entry in store.entries.values() for path in entry.owner.made} == {"out/a", "site/"}


def test_a_mark_makes_a_record_not_count_and_keeps_its_elements(tmp_path: Path) -> None:
    written(tmp_path)
    store = Store(str(tmp_path))
    store.acquire("r2")
    store.mark_started([A])
    again = read(tmp_path)
    entry = again.entries["ka"]
    assert (entry.counts, entry.state, entry.last_run) == (False, STARTED, None)
    assert entry.record is not None
    assert entry.record.elements == record(A).elements
    store.save_end(A, Run("r2", INTERRUPTED, 1, 0.1, [], "interrupted"))
    store.release()
    entry = read(tmp_path).entries["ka"]
    assert (entry.counts, entry.state) == (False, INTERRUPTED)
    assert entry.record is not None


def test_a_dropped_key_is_gone(tmp_path: Path) -> None:
    written(tmp_path)
    store = Store(str(tmp_path))
    store.acquire("r2")
    store.drop(["ka", "not there"])
    store.release()
    assert list(read(tmp_path).entries) == ["kb"]


def test_reading_writes_nothing_and_needs_no_folder(tmp_path: Path) -> None:
    store = read(tmp_path)
    assert (store.entries, store.notes) == ({}, [])
    assert os.listdir(tmp_path) == []


def test_taking_the_lock_and_writing_nothing_leaves_no_log(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.acquire("r1")
    store.release()
    assert sorted(os.listdir(tmp_path / ".treadle")) == [".gitignore", "CACHEDIR.TAG", "lock"]


def test_a_log_cut_at_any_byte_holds_a_prefix_of_what_was_written_and_can_go_on(tmp_path: Path) -> None:
    store = written(tmp_path / "full")
    data = Path(store.path).read_bytes()
    ends = [0, *(end for _, _, end in log.scan(data, len(FORMAT) + 33))]
    states = {}
    for end in ends[1:]:
        Path(store.path).write_bytes(data[:end])
        states[end] = snapshot(read(tmp_path / "full"))
    for size in range(len(data)):
        Path(store.path).write_bytes(data[:size])
        cut = read(tmp_path / "full")
        whole = max(end for end in ends if end <= size)
        assert snapshot(cut) == states.get(whole, {}), size
    for size in range(0, len(data), 7):
        Path(store.path).write_bytes(data[:size])
        again = Store(str(tmp_path / "full"))
        again.acquire("r2")
        again.mark_started([B])
        again.save(record(B, run="r2"))
        again.release()
        after = read(tmp_path / "full")
        assert after.notes == []
        assert after.entries["kb"].counts


def test_a_flipped_bit_anywhere_never_gives_a_record_that_was_not_written(tmp_path: Path) -> None:
    store = written(tmp_path)
    data = Path(store.path).read_bytes()
    good = snapshot(read(tmp_path))
    for at in range(len(data)):
        broken = bytearray(data)
        broken[at] ^= 1 << random.Random(at).randrange(8)
        Path(store.path).write_bytes(bytes(broken))
        found = read(tmp_path)
        if len(FORMAT) <= at < len(FORMAT) + 33:
            continue  # the id stands for nothing yet
        assert snapshot(found) == {}, at
        assert len(found.notes) == 1, at
    assert good != {}


@pytest.mark.parametrize("content", [b"garbage" * 50, b"treadle records 5\n" + b"x" * 100, b"", b"\0" * 500])
def test_garbage_counts_as_empty_with_one_line_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    store = written(tmp_path)
    Path(store.path).write_bytes(content)
    found = read(tmp_path)
    assert (found.entries, len(found.notes)) == ({}, 1)
    assert "everything counts as new" in found.notes[0]
    written(tmp_path, "r9")
    assert read(tmp_path).entries["ka"].counts


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_something_else_in_the_place_of_the_log_is_set_aside_and_never_written_through(
    tmp_path: Path, kind: str
) -> None:
    store = written(tmp_path)
    os.unlink(store.path)
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    if kind == "folder":
        os.mkdir(store.path)
    elif kind == "fifo":
        os.mkfifo(store.path)
    else:
        os.symlink(outside, store.path)
    found = read(tmp_path)
    assert (found.entries, len(found.notes)) == ({}, 1)
    written(tmp_path, "r2")
    assert read(tmp_path).entries["ka"].counts
    assert outside.read_bytes() == b"mine"


def test_the_log_is_written_anew_when_most_of_it_is_of_the_past(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.acquire("r1")
    for number in range(900):
        store.mark_started([A])
        store.save(record(A, "x" * 1500 + str(number)))
    store.remember({"x": ((1, 2, 3), "file 3 cd")})
    store.mark_started([B])
    store.release()
    assert os.path.getsize(store.path) < 10_000
    again = read(tmp_path)
    found = again.entries["ka"].record
    assert found is not None
    assert found.elements["command"].endswith("899")
    assert again.entries["kb"].state == STARTED
    assert again.stamps == {"x": ((1, 2, 3), "file 3 cd")}
    written(tmp_path, "r2")
    assert read(tmp_path).entries["kb"].state == FAILED


HOLD = """
import sys
from treadle.state.store import Store
store = Store(sys.argv[1])
store.acquire("holder")
print("held", flush=True)
sys.stdin.read()
"""


def holder(root: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_a_second_run_waits_and_is_told_for_whom(tmp_path: Path) -> None:
    child = holder(tmp_path)
    heard: list[str] = []

    def told(words: str) -> None:
        heard.append(words)
        child.kill()

    with child:
        store = Store(str(tmp_path))
        store.acquire("r1", on_wait=told)
        store.release()
    assert len(heard) == 1
    assert str(child.pid) in heard[0]


def test_a_second_run_that_may_not_wait_says_who_is_at_work(tmp_path: Path) -> None:
    child = holder(tmp_path)
    with child:
        with pytest.raises(BusyError, match=str(child.pid)):
            Store(str(tmp_path)).acquire("r1", wait=False)
        child.kill()


def test_a_run_inside_an_action_of_the_same_root_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MARK, "other/x holder/some-action")
    child = holder(tmp_path)
    with child:
        with pytest.raises(UsageError, match="same root"):
            acquire_state(Store(str(tmp_path)), "r1")
        child.kill()


def test_questions_do_not_wait_for_a_run(tmp_path: Path) -> None:
    written(tmp_path)
    child = holder(tmp_path)
    with child:
        assert read(tmp_path).entries["ka"].counts
        child.kill()


def test_whether_a_run_is_at_work_is_seen_without_a_trace(tmp_path: Path) -> None:
    look = Store(str(tmp_path)).lock
    assert not look.is_busy()
    assert list(tmp_path.iterdir()) == []
    child = holder(tmp_path)
    with child:
        assert look.is_busy()
        assert look.holder().startswith(f"process {child.pid}")
        child.kill()
    assert not look.is_busy()


def test_a_look_at_the_lock_does_not_turn_away_who_may_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path)
    looking = os.open(tmp_path / ".treadle" / "lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    store = Store(str(tmp_path))
    # whoever looks is gone again after a moment
    monkeypatch.setattr(lock, "sleep", lambda seconds: os.close(looking))
    store.acquire("r9", wait=False)
    store.release()


LEAVE = """
import os, sys
from treadle.engines.process_marks import mark_of, with_mark
from treadle.engines.process import spawn
from treadle.state.store import Store
from treadle.state.records import Owner
store = Store(sys.argv[1])
store.acquire(sys.argv[2])
store.mark_started([Owner("k", "", "a", [])])
mark = mark_of(sys.argv[2], "a")
child = spawn(["setsid", "sh", "-c", "trap '' TERM; echo up; exec sleep 300"], mark=mark, environ=with_mark(os.environ, mark))
sys.stdin.read()
"""


def leave_one_running(root: Path) -> str:
    """Kill a run that has an action running; return what the marks of its processes begin with."""
    run = f"left{os.urandom(4).hex()}"
    child = subprocess.Popen(
        [sys.executable, "-c", LEAVE, str(root), run], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGKILL)
    with child:
        child.wait()
    return f"{run}/"


def test_what_a_killed_run_left_running_is_ended_before_the_next_one_starts(tmp_path: Path) -> None:
    left = leave_one_running(tmp_path)
    assert list(marked(left))
    store = Store(str(tmp_path))
    acquire_state(store, "next")
    assert not list(marked(left))
    assert store.entries["k"].state == STARTED
    store.release()


def test_a_copy_of_the_folder_does_not_end_the_processes_of_the_original(tmp_path: Path) -> None:
    left = leave_one_running(tmp_path / "original")
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    store = Store(str(tmp_path / "copy"))
    acquire_state(store, "next")
    store.release()
    assert list(marked(left))
    original = Store(str(tmp_path / "original"))
    acquire_state(original, "next")
    original.release()
    assert not list(marked(left))


def test_a_state_folder_that_cannot_be_made_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / ".treadle").write_text("a file")
    with pytest.raises(StateError, match=r"\.treadle"):
        Store(str(tmp_path)).acquire("r1")


def test_a_write_that_fails_leaves_no_torn_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path))
    store.acquire("r1")
    store.mark_started([A])
    real = os.pwrite

    def half(fd: int, data: bytes, at: int) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return real(fd, data[: len(data) // 2], at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", half)
        with pytest.raises(StateError, match="No space left"):
            store.save(record(A))
    store.save(record(A, "second"))
    store.release()
    again = read(tmp_path)
    assert again.notes == []
    found = again.entries["ka"].record
    assert found is not None
    assert found.elements["command"] == "cp second"


def test_a_held_record_is_lost_with_us_until_something_is_written(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.acquire("r1")
    store.mark_started([A])
    store.save(record(A), held=True)
    assert read(tmp_path).entries["ka"].state == STARTED
    store.mark_started([B])
    assert read(tmp_path).entries["ka"].counts
    assert read(tmp_path).entries["kb"].state == STARTED
    store.release()


@pytest.mark.parametrize("how", [Store.flush, Store.close_run, Store.release])
def test_a_held_record_is_written_at_the_end_and_found_where_its_entry_says(
    tmp_path: Path, how: Callable[[Store], None]
) -> None:
    store = Store(str(tmp_path))
    store.acquire("r1")
    store.mark_started([A, B])
    store.save(record(A), held=True)
    store.save(record(B), held=True)
    how(store)
    found = read(tmp_path)
    assert {key: entry.offset for key, entry in store.entries.items()} == {
        key: entry.offset for key, entry in found.entries.items()
    }
    success = found.entries["ka"].success
    assert success is not None
    assert (success.elements, success.results) == (record(A).elements, ["output out/a"])
    assert success.duration == 1.25
    assert found.entries["kb"].duration == 1.25
    store.release()


def test_an_owner_of_many_outputs_is_read_whole(tmp_path: Path) -> None:
    many = Owner("k", "plan.yaml", "é", [f"out/{n}" for n in range(7)])
    store = Store(str(tmp_path))
    store.acquire("r1")
    store.mark_started([many])
    assert read(tmp_path).entries["k"].owner.texts() == many.texts()
    store.save(record(many))
    store.release()
    assert read(tmp_path).entries["k"].owner.texts() == many.texts()
    assert read(tmp_path).entries["k"].duration == 1.25


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_state_folder_that_another_run_makes_meanwhile_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_folder: bool
) -> None:
    real, folder = os.mkdir, tmp_path / ".treadle"

    def late(path: str, mode: int = 0o777) -> None:
        if path == str(folder) and not folder.exists():
            real(path, 0o755) if is_folder else folder.touch()
        real(path, mode)

    monkeypatch.setattr(os, "mkdir", late)
    if is_folder:
        Store(str(tmp_path)).make_folder()
    else:
        with pytest.raises(StateError, match="cannot be made: File exists"):
            Store(str(tmp_path)).make_folder()


@pytest.mark.parametrize("foreign", [None, [], ["x", "y"]], ids=str)
@pytest.mark.parametrize(
    "usage", [None, Usage(1.25, 0.5, 0.125, 3, 4), Usage(1.25, 61.5, 0.0, 0, 0, 3 << 30)], ids=str
)
def test_what_a_run_has_used_is_read_back_and_records_without_it_are_read_too(
    usage: Usage | None, foreign: list[str] | None
) -> None:
    """M1: records that were written before it was kept say nothing of it, and stay valid."""
    run = Run("r1", SUCCEEDED, 1_700_000_000_000, 1.25, REASONS, made={"a": "b"}, foreign=foreign, usage=usage)
    texts = [*run_texts(A, run), "found"]
    _, again, end = run_from(texts)
    assert texts[end:] == ["found"]
    assert again.foreign == foreign
    assert (again.usage and again.usage.as_data()) == (usage and usage.as_data())
    elements = {"command": "cp", "output out/a": "file 1 ab"}
    texts = record_texts(Record(A, run, elements, ["output out/a"]))
    assert record_from(texts).elements == elements
    success = success_from(texts)
    assert (success.elements, success.results, success.duration) == (elements, ["output out/a"], 1.25)
    if usage is None:
        assert not any("usage" in text for text in texts)


def test_a_run_keeps_its_exit_code_and_texts_without_one_still_read() -> None:
    """S1: the code of a failure costs a few bytes, and a success has none."""
    failed = Run("r1", FAILED, 1, 2.0, REASONS, "exit code 3", "failed", usage=Usage(1.0, 0.5, 0.25), code=-9)
    texts = run_texts(A, failed)
    again = run_from([*texts, "found"])
    assert (again[1].code, again[1].usage is not None, again[2]) == (-9, True, len(texts))
    without = Run("r1", FAILED, 1, 2.0, REASONS, "exit code 3", "failed", usage=Usage(1.0, 0.5, 0.25), code=0)
    older = run_texts(A, without)
    assert len(texts) == len(older) + 2
    assert run_from(older)[1].code is None
    one = record(A)
    one.run.code = 2
    found = record_from(record_texts(one))
    assert (found.run.code, found.elements, found.results) == (2, one.elements, one.results)
    assert success_from(record_texts(one)).elements == one.elements


def test_an_end_without_a_start_is_kept_beside_the_record_until_the_next_start(tmp_path: Path) -> None:
    """S1: at most 200 bytes; it makes nothing up to date, and takes nothing from a record; a compaction keeps it."""
    store = written(tmp_path)
    before = {key: (entry.counts, entry.offset) for key, entry in store.entries.items()}
    store.acquire("r2")
    for key in ("ka", "0" * 32):
        at = store.position[1]
        store.save_unstarted(key, Unstarted("error", 1_700_000_000_000, "no program é" * 100))
        assert store.position[1] - at <= 200
    store.release()
    found = read(tmp_path)
    assert {key: (entry.counts, entry.offset) for key, entry in found.entries.items()} == before
    end = unstarted_from(found.unstarted["ka"])
    assert (end.kind, end.ended_at, end.text[:10]) == ("error", 1_700_000_000_000, "no program")
    store.acquire("r3")
    for number in range(900):
        store.mark_started([B])
        store.save(record(B, "x" * 1500 + str(number)))
    store.release()
    assert os.path.getsize(store.path) < 100_000, "it was written anew"
    assert set(read(tmp_path).unstarted) == {"ka", "0" * 32}
    store.acquire("r4")
    store.mark_started([A])
    assert set(store.unstarted) == {"0" * 32}
    store.drop(["0" * 32])
    store.release()
    assert (store.unstarted, read(tmp_path).unstarted) == ({}, {})
