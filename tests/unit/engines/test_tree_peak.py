"""The memory of all processes of an attempt together: by a control group, or sampled (rule M2)."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from hungry import MEBI
from project import wait_until
from treadle import DAG, Attempt, BaseRunner, Command, CommandWalk, Limits, Usage
from treadle.engines import control_groups, local, sampling
from treadle.engines.local import LocalRunner
from treadle.engines.sampling import Sampler
from treadle.state.records import _usage_from, _usage_text
from treadle.ui import why

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from treadle.engines.base import AttemptEnd

BIG = 60 * MEBI
MARK = f"peak-{os.getpid()}/a"
PART = f"held = b'x' * {BIG // 2}; print('ready', flush=True); input()"
TWO = f"import subprocess, sys; other = subprocess.Popen([sys.executable, '-ISc', {PART!r}]); {PART}; other.wait()"
"""Two processes that hold half of it each until their common input ends."""


class Held:
    """A program that holds memory until it is let go."""

    def __init__(self, runner: LocalRunner, folder: Path, *, code: str = TWO, is_measured: bool = False) -> None:
        self.runner = runner
        self.log = folder / "log"
        self.log.touch()
        read, self._write = os.pipe()
        argv = [sys.executable, "-ISc", code]
        attempt = Attempt([argv], mark=MARK, environ=os.environ, stdin=read, log=str(self.log))
        attempt.is_measured = is_measured
        runner.start("a", attempt)
        os.close(read)

    def let_go(self) -> AttemptEnd:
        """Have both programs end, and return how."""
        os.close(self._write)
        ends: list[AttemptEnd] = []

        def has_ended() -> bool:
            ends.extend(self.runner.poll(0.05))
            return bool(ends)

        wait_until(has_ended)
        return ends[0]


@pytest.fixture
def runner() -> Iterator[LocalRunner]:
    made = LocalRunner(groups=lambda: None)
    yield made
    made.close()


def test_a_look_adds_what_all_processes_of_a_mark_have(tmp_path: Path, runner: LocalRunner) -> None:
    """M2."""
    held = Held(runner, tmp_path)
    wait_until(lambda: held.log.read_text().count("ready") == 2)
    sampler = Sampler()
    sampler.watch(MARK)
    sampler.watch("another/mark")
    wait_until(lambda: sampler.peak(MARK))
    assert BIG <= (sampler.forget(MARK) or 0) < BIG + 100 * MEBI
    assert sampler.forget("another/mark") is None
    sampler.close()
    assert held.let_go().code is not None


def test_what_lasts_is_sampled(tmp_path: Path, runner: LocalRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """M2."""
    monkeypatch.setattr(local, "_AGE_OF_THE_SAMPLED", 0.0)
    monkeypatch.setattr(sampling, "INTERVAL", 0.01)
    held = Held(runner, tmp_path)
    wait_until(lambda: runner.poll(0.01) == [] and ((runner._sampler and runner._sampler.peak(MARK)) or 0) >= BIG)
    usage = held.let_go().usage
    assert usage is not None
    assert (usage.sampled_peak or 0) >= BIG
    assert usage.tree_peak is None
    assert usage.as_data()["sampled_peak"] == usage.sampled_peak
    sampler = runner._sampler
    assert sampler is not None
    wait_until(lambda: sampler._thread is None, message="it looks on although nothing runs")


def test_what_is_over_within_a_second_starts_no_sampler(tmp_path: Path, runner: LocalRunner) -> None:
    """M2."""
    usage = Held(runner, tmp_path, code="input()").let_go().usage
    assert usage is not None
    assert usage.sampled_peak is None
    assert runner._sampler is None


class FakeGroup:
    """A control group that counts as it is told."""

    peak: int | None = 12345
    moved: tuple[int, int] | None = (1, 2)

    def __init__(self, kills: int | None) -> None:
        self.kills = kills
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class FakeGroups:
    """Makes one group."""

    def __init__(self, kills: int | None) -> None:
        self.group = FakeGroup(kills)
        self.pids: list[int] = []

    def make(self, pid: int) -> FakeGroup:
        self.pids.append(pid)
        return self.group

    def close(self) -> None:
        """Do nothing."""


def test_a_group_that_knows_no_peak_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """M2."""
    monkeypatch.setattr(local, "_AGE_OF_THE_SAMPLED", 0.0)
    groups = FakeGroups(None)
    runner = LocalRunner(groups=lambda: groups)  # type: ignore[arg-type, return-value]
    for peak in (None, 12345):
        groups.group.peak = peak
        held = Held(runner, tmp_path, code="input()", is_measured=True)
        if peak is None:
            wait_until(lambda: runner.poll(0.01) == [] and runner._sampler and runner._sampler.peak(MARK))
        usage = held.let_go().usage
        assert usage is not None
        assert (usage.tree_peak, usage.sampled_peak is None) == (peak, peak is not None)
    runner.close()


def test_a_sampler_is_closed_while_its_thread_takes_itself_out() -> None:
    class Leaving(Sampler):
        looks = 0

        @property
        def _thread(self) -> threading.Thread | None:
            self.looks += 1
            return None if self.looks > 1 else threading.current_thread()

        @_thread.setter
        def _thread(self, _: object) -> None:
            self.looks = 0

    joined: list[object] = []

    def join(thread: threading.Thread) -> None:
        joined.append(thread)

    sampler = Leaving()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "join", join)
        sampler.close()
    assert joined == [threading.current_thread()]


@pytest.mark.parametrize(
    ("code", "kills", "counted", "cause"),
    [
        ("import os; os.kill(os.getpid(), 9)", 1, (4, 4), "out_of_memory"),
        ("raise SystemExit(2)", 1, (4, 4), "out_of_memory"),
        ("pass", 1, (4, 4), ""),
        ("import os; os.kill(os.getpid(), 9)", 0, (4, 5), ""),
        ("import os; os.kill(os.getpid(), 9)", None, (4, 5), "out_of_memory"),
        ("raise SystemExit(2)", None, (4, 5), ""),
    ],
)
def test_a_control_group_tells_what_it_has_counted(
    tmp_path: Path, code: str, kills: int | None, counted: tuple[int, int], cause: str
) -> None:
    """M2: and whether it was killed for memory, whatever the machine has counted."""
    groups, counts = FakeGroups(kills), list(counted)
    runner = LocalRunner(groups=lambda: groups, kills=lambda: counts.pop(0) if len(counts) > 1 else counts[0])  # type: ignore[arg-type, return-value]
    held = Held(runner, tmp_path, code=f"try: input()\nexcept EOFError: pass\n{code}", is_measured=True)
    runner.poll(0.01)
    end = held.let_go()
    runner.close()
    assert end.cause == cause
    assert len(groups.pids) == 1
    assert groups.group.is_closed
    assert end.usage is not None
    data = end.usage.as_data()
    assert (data["tree_peak"], data["tree_read"], data["tree_written"]) == (12345, 1, 2)
    assert "sampled_peak" not in data


def test_groups_are_looked_for_once_and_only_for_what_is_measured(tmp_path: Path) -> None:
    """M2."""
    looks = []
    runner = LocalRunner(groups=lambda: looks.append(1))
    for is_measured, expected in ((False, 0), (True, 1), (True, 1)):
        Held(runner, tmp_path, code="pass", is_measured=is_measured).let_go()
        assert len(looks) == expected
    runner.close()


class Machine:
    """Folders as those of the system for control groups, and of processes."""

    def __init__(self, folder: Path, own: str, files: Mapping[str, str]) -> None:
        self.root, self.proc = folder / "cgroup", folder / "proc"
        self.own = self.root / own.strip("/")
        self.own.mkdir(parents=True)
        (self.proc / "self").mkdir(parents=True)
        (self.proc / str(os.getpid())).mkdir()
        (self.proc / "self/cgroup").write_text(f"4:memory:/x\n0::{own}\n")
        for name, text in files.items():
            (self.own / name).write_text(text.replace("US", str(os.getpid())))

    def add_process(self, pid: int, parent: int) -> None:
        (self.proc / str(pid)).mkdir(exist_ok=True)
        (self.proc / str(pid) / "stat").write_text(f"{pid} (a ) b) S {parent} 0 0")

    def find(self) -> control_groups.Groups | None:
        return control_groups.find(str(self.root), str(self.proc))


def make_with_files(folder: str) -> None:
    os.mkdir(folder)
    for name in ("cgroup.procs", "cgroup.subtree_control"):
        with open(f"{folder}/{name}", "w", encoding="ascii"):
            pass


FILES = {"cgroup.controllers": "cpu io memory", "cgroup.subtree_control": "", "cgroup.procs": "US"}


@pytest.mark.parametrize(
    ("own", "files", "is_found"),
    [
        ("/", FILES, True),
        ("/", {**FILES, "cgroup.procs": "US\n31\n"}, True),
        ("/", {**FILES, "cgroup.procs": "US\n32\n"}, False),
        ("/", {**FILES, "cgroup.procs": "US\n32\n", "cgroup.subtree_control": "memory"}, True),
        ("/", {**FILES, "cgroup.controllers": "cpu io"}, False),
        ("/", {"cgroup.procs": "US"}, False),
        ("/user/scope", FILES, False),
    ],
)
def test_groups_are_made_where_that_is_ours_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, files: dict[str, str], *, is_found: bool
) -> None:
    """M2: 31 is a child of ours, 32 is of another program."""
    monkeypatch.setattr(control_groups, "_make", make_with_files)
    machine = Machine(tmp_path, own, files)
    machine.add_process(31, os.getpid())
    machine.add_process(32, 1)
    machine.add_process(1, 0)
    groups = machine.find()
    assert (groups is not None) == is_found
    if groups is None:
        assert not list(machine.own.glob("treadle-*"))
        return
    group = groups.make(77)
    assert group is not None
    (folder,) = machine.own.glob("treadle-*/1")
    assert (folder / "cgroup.procs").read_text() == "77"
    assert (group.peak, group.moved, group.kills) == (None, None, None)
    (folder / "memory.peak").write_text("4096\n")
    (folder / "io.stat").write_text("8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n")
    (folder / "memory.events").write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
    assert (group.peak, group.moved, group.kills) == (4096, (11, 22), 2)
    groups.close()


def test_a_group_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    """M2: nothing is said of it."""
    assert control_groups.find(str(tmp_path / "none"), str(tmp_path)) is None
    machine = Machine(tmp_path, "/", FILES)
    # without the files that the system puts there nothing can be written
    assert machine.find() is None
    assert not list(machine.own.glob("treadle-*"))


class Looking(BaseRunner):
    """Keeps what is to be measured."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, bool] = {}

    def submit(self, key: object, attempt: Attempt) -> None:
        self.found[attempt.mark.rpartition("/")[2]] = attempt.is_measured
        self.report(key, 0)


def test_what_asks_for_memory_or_has_lasted_is_measured_from_its_start(tmp_path: Path) -> None:
    """M2."""

    class Walk(CommandWalk):
        def engine_of(self, uid: str, command: Command) -> str:
            return "looking"

        def load_previous_fingerprint(self, uid: str) -> None:
            self._durations.update({"long": 1.0, "short": 0.9})

    dag = DAG()
    for uid in ("new", "short", "long"):
        dag.add_vertex(uid, Command([["true"]]))
    dag.add_vertex("asks", Command([["true"]], limits=Limits(resources={"memory": 1})))
    walk = Walk(dag, root=str(tmp_path))
    engine = Looking()
    walk.engines = {"looking": engine}
    walk.run()
    assert engine.found == {"new": False, "short": False, "long": True, "asks": True}


def test_why_tells_it_in_words() -> None:
    """M2."""
    assert why._usage_text(Usage(1.0, 0, 0, tree_peak=3 * MEBI)) == "all of it took 3.0 MiB"
    assert why._usage_text(Usage(1.0, 0, 0, sampled_peak=3 * MEBI)) == "all of it took 3.0 MiB (sampled)"


@pytest.mark.parametrize(
    "usage",
    [
        Usage(1.0, 2.0, 3.0, 4, 5),
        Usage(1.0, 2.0, 3.0, 4, 5, 6),
        Usage(1.0, 2.0, 3.0, 4, 5, tree_peak=7, tree_read=0, tree_written=8),
        Usage(1.0, 2.0, 3.0, 4, 5, 6, sampled_peak=9),
    ],
)
def test_records_keep_all_of_it(usage: Usage) -> None:
    """M2."""
    assert _usage_from(_usage_text(usage), 1.0).as_data() == usage.as_data()
