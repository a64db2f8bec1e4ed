"""Job, EmptyJob and ProcessJob by themselves, started by hand."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from treadle import EmptyJob, Job, JobTimingInfo, ProcessJob, ReturnValue
from treadle.engines.base import AttemptEnd
from treadle.testing import CallJob, ManualRunner
from waiting import DEADLINE, is_alive, until

if TYPE_CHECKING:
    from collections.abc import Hashable


class Ends:
    """Stands in for `notify_end` and can be waited for."""

    def __init__(self) -> None:
        self.uids: list[Hashable] = []
        self.event = threading.Event()

    def __call__(self, uid: Hashable) -> None:
        self.uids.append(uid)
        self.event.set()


def started(job_class: type[Job], uid: Hashable = "uid", data: Any = None) -> Any:
    """Return a job that was started by hand and has ended."""
    ends = Ends()
    job = job_class(uid, data, ends)
    job.start(0)
    assert ends.event.wait(DEADLINE)
    assert ends.uids == [uid]
    return job


class Shell(ProcessJob):
    """Runs its data as a script of the shell."""

    @property
    def cmdline(self) -> list[str]:
        return ["sh", "-c", self.data]


class TestJob:
    def test_it_runs_in_a_thread_and_tells_its_end(self) -> None:
        seen: list[int] = []

        class Note(Job):
            def run(self) -> None:
                seen.append(threading.get_ident())

        job = started(Note, uid=("a", 1))
        assert seen
        assert seen[0] != threading.get_ident()
        assert (job.status, job.final_status, job.slot, job.attempt) == (
            ReturnValue.success,
            ReturnValue.success,
            0,
            1,
        )

    def test_each_has_an_index_of_its_own(self) -> None:
        one, other = EmptyJob("a", None, Ends()), EmptyJob("b", None, Ends())
        assert other.index > one.index

    def test_an_exception_is_a_failure_and_its_traceback_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        class Crash(Job):
            def run(self) -> None:
                raise RuntimeError("what a mess")

        job = started(Crash)
        assert (job.status, job.final_status) == (ReturnValue.failure, ReturnValue.failure)
        assert job.failure == "RuntimeError: what a mess"
        assert "job uid raised an exception" in caplog.text
        assert 'raise RuntimeError("what a mess")' in caplog.text

    def test_also_one_that_says_success_and_crashes_is_a_failure(self) -> None:
        class Liar(Job):
            @property
            def status(self) -> ReturnValue:
                return ReturnValue.success

            def run(self) -> None:
                sys.exit(0)

        assert started(Liar).final_status == ReturnValue.failure

    def test_one_without_run_is_a_failure(self) -> None:
        assert started(Job).failure == "NotImplementedError: Job has no run()"

    def test_interrupted_before_its_thread_runs_it_is_not_run(self) -> None:
        ran: list[int] = []
        job = CallJob("uid", None, Ends(), lambda: ran.append(1))
        job.interrupt()
        job.run_guarded()
        assert not ran
        assert job.final_status == ReturnValue.unknown

    def test_interrupt_is_true_the_first_time(self) -> None:
        job = EmptyJob("uid", None, Ends())
        assert [job.interrupt(), job.interrupt()] == [True, False]
        assert job.interrupted

    def test_what_was_interrupted_is_no_success_whatever_it_says(self) -> None:
        job = CallJob("uid", None, Ends(), lambda: None)
        job.prepare(0)
        job.interrupt()
        assert (job.status, job.final_status) == (ReturnValue.success, ReturnValue.unknown)

    def test_timing_counts_on_while_it_runs_and_starts_afresh(self) -> None:
        job = EmptyJob("uid", None, Ends())
        info = job.timing_info
        assert (info.start_time, info.stop_time, info.duration) == (None, None, 0.0)
        job.prepare(0)
        one, other = job.timing_info.duration, job.timing_info.duration
        assert 0 <= one < other
        assert job.timing_info.stop_time is None
        job.record_stop_time()
        ended = job.timing_info
        assert ended.duration == job.timing_info.duration >= other
        assert ended.start_time is not None
        assert ended.stop_time is not None
        job.interrupt()
        job.fail("why not")
        job.prepare(3)
        assert (job.slot, job.attempt, job.interrupted, job.failure) == (3, 2, False, None)
        assert job.timing_info.stop_time is None

    def test_timing_is_a_tuple_of_start_stop_and_duration(self) -> None:
        job = EmptyJob("uid", None, Ends())
        assert tuple(job.timing_info) == (None, None, 0.0)
        job.prepare(0)
        job.record_stop_time()
        info = job.timing_info
        start, stop, duration = tuple(info)
        assert (start, stop, duration) == (info.start_time, info.stop_time, info.duration)
        for copied in (copy.copy(info), pickle.loads(pickle.dumps(info))):
            assert (type(copied), copied) == (JobTimingInfo, info)
        assert repr(JobTimingInfo(1.0, None, 2.5)) == "JobTimingInfo(start_time=1.0, stop_time=None, duration=2.5)"


class TestEmptyJob:
    def test_it_is_skipped_and_has_its_status_from_the_start(self) -> None:
        assert EmptyJob("uid", None, Ends()).status == ReturnValue.force_fail
        job = EmptyJob("uid", None, Ends(), ReturnValue.unchanged)
        assert (job.should_skip, job.status) == (True, ReturnValue.unchanged)

    def test_run_may_be_called(self) -> None:
        job = EmptyJob("uid", None, Ends(), ReturnValue.skip)
        job.run()
        assert job.status == ReturnValue.skip
        assert job.timing_info.start_time is None


class TestStatusOfAProcess:
    def test_before_the_start_it_is_not_ready(self) -> None:
        assert Shell("uid", "exit 0", Ends()).status == ReturnValue.notready

    def test_before_another_attempt_it_is_not_ready_again(self) -> None:
        job = started(Shell, data="exit 0")
        job.prepare(0)
        assert (job.status, job.proc_handle) == (ReturnValue.notready, None)

    @pytest.mark.parametrize("status", ReturnValue)
    def test_an_exit_code_of_a_return_value_is_that(self, status: ReturnValue) -> None:
        assert started(Shell, data=f"exit {status.value}").status == status

    @pytest.mark.parametrize(("script", "code"), [("exit 6", 6), ("exit 74", 74), ("kill -KILL $$", -9)])
    def test_any_other_is_a_failure_and_one_line_says_so(
        self, script: str, code: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        job = started(Shell, data=script)
        assert job.status == ReturnValue.failure
        assert f"job uid returned an unknown status {code}" in caplog.messages

    def test_none_is_a_failure_and_one_line_says_so(self, caplog: pytest.LogCaptureFixture) -> None:
        job = started(Shell, data="exit 0")
        job.proc_handle.status = None
        assert job.status == ReturnValue.failure
        assert "job uid returned None for status" in caplog.messages

    def test_the_status_may_be_set_by_an_overridden_run(self) -> None:
        class Wrapped(Shell):
            def run(self) -> None:
                super().run()
                assert self.proc_handle is not None
                self.proc_handle.status = 126

        assert started(Wrapped, data="exit 0").status == ReturnValue.unchanged

    def test_what_cannot_be_started_is_a_failure_and_not_notready(self, caplog: pytest.LogCaptureFixture) -> None:
        class Missing(ProcessJob):
            @property
            def cmdline(self) -> list[str]:
                return ["/no/such/program"]

        job = started(Missing)
        assert (job.status, job.failure) == (ReturnValue.failure, "/no/such/program: the program was not found")
        assert "job uid could not be started: /no/such/program: the program was not found" in caplog.messages

    def test_a_host_tells_why_it_could_not_be_started(self) -> None:
        job = Shell("uid", "exit 0", Ends())
        job.prepare(0)
        job.ended(AttemptEnd(job, None, "no such program"))
        assert (job.status, job.failure) == (ReturnValue.failure, "no such program")

    def test_a_host_tells_of_the_last_program_of_several(self) -> None:
        runner = ManualRunner()
        job = Shell("uid", "exit 0", Ends())
        job.prepare(0)
        start = job.make_attempt()
        assert start is not None
        job.proc_handle = runner.start("first", start)
        last = runner.start("last", start)
        runner.end("first", 0)
        runner.end("last", 1)
        job.ended(AttemptEnd(job, 1, "", last))
        assert job.status == ReturnValue.failure

    def test_without_a_cmdline_it_is_a_failure_with_its_traceback(self, caplog: pytest.LogCaptureFixture) -> None:
        assert started(ProcessJob).failure == "NotImplementedError: ProcessJob has no cmdline"
        assert "Traceback" in caplog.text


class Options(ProcessJob):
    """Runs the script of its data with the options of its data."""

    @property
    def cmdline(self) -> list[str]:
        return ["sh", "-c", self.data[0]]

    @property
    def cmd_options(self) -> dict[str, Any]:
        options: dict[str, Any] = self.data[1]
        return options


class TestCmdOptions:
    def test_output_takes_both_streams(self, tmp_path: Path) -> None:
        path = tmp_path / "out"
        started(Options, data=("echo out; echo err >&2", {"output": str(path)}))
        assert path.read_text() == "out\nerr\n"

    def test_error_takes_its_own(self, tmp_path: Path) -> None:
        out, err = tmp_path / "out", tmp_path / "err"
        started(Options, data=("echo out; echo err >&2", {"output": out, "error": err}))
        assert (out.read_text(), err.read_text()) == ("out\n", "err\n")

    def test_output_may_be_a_descriptor_which_stays_open(self, tmp_path: Path) -> None:
        with (tmp_path / "out").open("wb") as out:
            started(Options, data=("echo hello", {"output": out.fileno()}))
            out.write(b"more")
        assert (tmp_path / "out").read_bytes() == b"hello\nmore"

    def test_output_none_is_our_own(self, capfd: pytest.CaptureFixture[str]) -> None:
        started(Shell, data="echo hello")
        assert capfd.readouterr().out == "hello\n"

    def test_input_is_a_file_or_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "in").write_text("hello\n")
        options = {"input": str(tmp_path / "in"), "output": str(tmp_path / "out")}
        started(Options, data=("cat", options))
        assert (tmp_path / "out").read_text() == "hello\n"
        assert started(Shell, data="read -r line").status == ReturnValue.failure

    def test_cwd_is_where_it_runs(self, tmp_path: Path) -> None:
        started(Options, data=("pwd -P >out", {"cwd": str(tmp_path)}))
        assert (tmp_path / "out").read_text() == f"{tmp_path.resolve()}\n"

    @pytest.mark.parametrize(
        ("options", "printed"),
        [
            ({}, "ours."),
            ({"env": {"OTHER": "theirs"}}, ".theirs"),
            ({"env": {"OTHER": "theirs"}, "ignore_environ": False}, "ours.theirs"),
            ({"env": {"ONE": "new"}, "ignore_environ": False}, "new."),
        ],
    )
    def test_env_replaces_ours_or_adds_to_it(
        self, options: dict[str, Any], printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ONE", "ours")
        path = tmp_path / "out"
        started(Options, data=("echo $ONE.$OTHER", {**options, "output": str(path)}))
        assert path.read_text() == printed + "\n"

    def test_an_unknown_option_is_refused_in_words(self) -> None:
        job = started(Options, data=("true", {"shell": True, "bg": True}))
        assert (job.status, job.failure) == (ReturnValue.failure, "unknown cmd_options: bg, shell")

    @pytest.mark.parametrize(
        "options", [{"output": "out", "error": "/no/such/folder/err"}, {"input": "/no/such/file"}]
    )
    def test_a_file_that_cannot_be_opened_is_a_failure_and_leaves_nothing_open(
        self, options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        before = os.listdir("/proc/self/fd")
        job = started(Options, data=("true", options))
        assert job.status == ReturnValue.failure
        assert "/no/such" in job.failure
        assert os.listdir("/proc/self/fd") == before


class TestInterruptOfAProcess:
    def test_it_ends_the_program_and_is_always_true(self) -> None:
        ends = Ends()
        job = Shell("uid", "sleep 300 & wait", ends)
        job.start(0)
        until(lambda: job.proc_handle is not None, "it has a process")
        assert [job.interrupt(), job.interrupt()] == [True, True]
        assert ends.event.wait(DEADLINE)
        assert job.final_status == ReturnValue.unknown

    def test_one_that_comes_before_the_process_is_there_still_ends_it(self) -> None:
        ran: list[Shell] = []

        class Late(Shell):
            def make_attempt(self) -> Any:
                start = super().make_attempt()
                self.interrupt()
                ran.append(self)
                return start

        job = started(Late, data="sleep 300")
        assert ran == [job]
        assert job.final_status == ReturnValue.unknown
        assert not is_alive(job.proc_handle.pid)

    def test_two_jobs_whose_uids_look_alike_do_not_end_each_other(self) -> None:
        jobs = [Shell(uid, "sleep 300", Ends()) for uid in (1, "1")]
        for job in jobs:
            job.start(0)
            until(lambda job=job: job.proc_handle is not None, "it has a process")  # type: ignore[misc]
        handles = [job.proc_handle for job in jobs]
        assert handles[0] is not None
        assert handles[1] is not None
        jobs[0].interrupt()
        assert not handles[0].is_running()
        assert handles[1].is_running()
        jobs[1].interrupt()


def test_the_log_is_named_after_the_module(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="treadle.scheduling.job"):
        started(Shell, data="exit 6").status
    assert [record.name for record in caplog.records] == ["treadle.scheduling.job"]
