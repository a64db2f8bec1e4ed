"""What an attempt has used, as the wait tells it that collects its programs (rule M1)."""

from __future__ import annotations

import os
import resource
import sys
from typing import TYPE_CHECKING

import pytest

from hungry import MEBI, allocates, burns, shown
from treadle.engines.base import Attempt, AttemptEnd
from treadle.engines.local import LocalRunner
from treadle.engines.process import can_measure, spawn, usage_of
from treadle.engines.process_marks import with_mark

if TYPE_CHECKING:
    from treadle.core.outcomes import Usage

MARK = f"test-usage-{os.getpid()}/one"


def end_of(runner: LocalRunner, *argvs: list[str]) -> AttemptEnd:
    runner.start("key", Attempt(argvs, mark=MARK, environ=os.environ))
    (end,) = runner.poll(60)
    return end


def used(runner: LocalRunner, *argvs: list[str]) -> Usage:
    usage = end_of(runner, *argvs).usage
    assert usage is not None
    return usage


def own_peak() -> int:
    """Return the peak of this process in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def test_cpu_is_that_of_the_program(runner: LocalRunner) -> None:
    """M1."""
    usage = used(runner, burns(0.2))
    # its own count has a grain of a hundredth of a second
    assert 0.18 <= usage.cpu < 1.0
    assert usage.wall >= 0.18


def test_cpu_of_descendants_counts_where_they_were_waited_for(runner: LocalRunner) -> None:
    """M1."""
    assert used(runner, ["sh", "-c", shown(burns(0.1), burns(0.1))]).cpu >= 0.18
    left = f"{shown(burns(5))} & "
    assert used(runner, ["sh", "-c", left + shown(burns(0.05))]).cpu < 1.0


def test_programs_one_after_the_other_are_added_up(runner: LocalRunner) -> None:
    """M1."""
    usage = used(runner, burns(0.1), burns(0.1))
    assert usage.cpu >= 0.18
    assert usage.wall >= 0.18


def test_the_peak_is_that_of_the_largest_single_process_in_bytes(runner: LocalRunner) -> None:
    """M1: two side by side are not added up, and one in the depth of the tree counts."""
    # a peak that is hardly above our own is not told
    size = own_peak() * 5 // 4 + 100 * MEBI
    peak = used(runner, allocates(size)).largest_process
    assert peak is not None
    assert size <= peak < size + 40 * MEBI
    side_by_side = f"{shown(allocates(size))} & {shown(allocates(size))}; wait"
    peak = used(runner, ["sh", "-c", side_by_side]).largest_process
    assert peak is not None
    assert size <= peak < size + 40 * MEBI


def test_the_peak_of_a_program_smaller_than_us_is_not_known(runner: LocalRunner) -> None:
    """M1: the system takes our size for part of what the child had, and this is not told as the child's."""
    held = b"x" * (own_peak() + 50 * MEBI)
    assert used(runner, ["true"]).largest_process is None
    del held
    # what we had once is remembered
    assert used(runner, ["true"]).largest_process is None


def test_a_program_that_was_killed_has_used_something_too(runner: LocalRunner) -> None:
    """M1."""
    end = end_of(runner, ["sh", "-c", f"{shown(burns(0.1))}; kill -9 $$"])
    assert end.code == -9
    assert end.usage is not None
    assert end.usage.cpu >= 0.08


def test_what_could_not_be_started_has_used_nothing_that_is_known(runner: LocalRunner) -> None:
    """M1: of two programs the first one counts, if the second one cannot be started."""
    assert end_of(runner, ["/no/such/program"]).usage is None
    assert used(runner, burns(0.05), ["/no/such/program"]).cpu < 1.0


def test_blocks_that_reach_the_storage_are_counted() -> None:
    """M1: they are the sums of what each wait says."""

    class Rusage:
        ru_utime, ru_stime, ru_inblock, ru_oublock, ru_maxrss = 0.5, 0.25, 3, 4, 0

    usage = usage_of([Rusage, Rusage], 2.0)
    assert usage is not None
    assert usage.as_data() == {"wall": 2.0, "user": 1.0, "system": 0.5, "blocks_in": 6, "blocks_out": 8}
    assert usage_of([Rusage, None], 2.0) is None
    # what an interrupt has ended while it was being started
    assert usage_of([], 2.0) is None


def test_where_the_system_cannot_say_it_the_exit_code_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """M1: a Python without `resource` has `os.wait4`, which would fail after it has collected the child."""
    monkeypatch.setitem(sys.modules, "resource", None)
    assert not can_measure()
    child = spawn(["sh", "-c", "exit 7"], mark=MARK, environ=with_mark(os.environ, MARK))
    assert child.wait(20) == 7
    assert child.rusage is None
    runner = LocalRunner()
    end = end_of(runner, ["sh", "-c", "exit 7"])
    runner.close()
    assert (end.code, end.usage) == (7, None)
