"""Commands as jobs: awaited, with the rules of a tree of processes."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from aio_jobs import Letters, turn
from treadle import Command, Environment, Limits, Script
from treadle.aio import ProcessJob, PureScheduler, Scheduler
from treadle.errors import ProgramError, TreadleError

if TYPE_CHECKING:
    from pathlib import Path


def shell(text: str, **options: object) -> Command:
    return Command(script=Script(text), **options)  # type: ignore[arg-type]


def raised_by(job: ProcessJob, **options: float) -> str:
    """Run a job that fails; return what it says."""
    assert PureScheduler(job, **options).run() is False  # type: ignore[arg-type]
    return str(job.raised_exception())


def test_a_command_is_awaited_and_returns_its_exit_code(tmp_path: Path) -> None:
    first = ProcessJob(shell("echo one > file"), root=str(tmp_path))
    second = ProcessJob(shell("echo two >> file"), root=str(tmp_path), required=first)
    assert Scheduler(second, first).run()
    assert second.result() == 0
    assert (tmp_path / "file").read_text() == "one\ntwo\n"


def test_the_same_job_runs_again_and_so_does_its_program(tmp_path: Path) -> None:
    scheduler = Scheduler(ProcessJob(shell("echo x >> file"), root=str(tmp_path)))
    assert scheduler.run()
    assert scheduler.run()
    assert (tmp_path / "file").read_text() == "x\nx\n"


def test_folder_environment_and_output_are_those_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("DROPPED", "dropped")
    text = 'echo "${PWD##*/} $SET ${KEPT-} ${DROPPED-nothing}"; cat'
    environment = Environment(set={"SET": "set"}, pass_=["KEPT"])
    command = shell(text, cwd="sub", env=environment, stdout="out.txt")
    assert Scheduler(ProcessJob(command, root=str(tmp_path))).run()
    assert (tmp_path / "out.txt").read_text() == "sub set kept nothing\n"


def test_the_steps_of_a_command_run_until_one_fails(tmp_path: Path) -> None:
    steps = [["touch", "a"], ["false"], ["touch", "b"]]
    text = raised_by(ProcessJob(Command(steps), root=str(tmp_path)))
    assert text == "touch a\nfalse\ntouch b: exit code 1"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_another_exit_code_is_an_error_that_has_it() -> None:
    job = ProcessJob(shell("exit 3"))
    with pytest.raises(ProgramError, match="exit 3: exit code 3") as caught:
        Scheduler(job).run()
    assert caught.value.code == 3


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (Command(["no-such-program"]), "no-such-program: the program was not found on PATH"),
        (Command(), "there is no program to start"),
        (Command(["true"], cwd="gone"), "the folder it should run in is not there"),
        (Command(["true"], stdout="gone/out"), "gone/out cannot be written: No such file"),
    ],
)
def test_what_cannot_be_started_says_why(tmp_path: Path, command: Command, says: str) -> None:
    job = ProcessJob(command, root=str(tmp_path))
    assert says in raised_by(job)
    assert isinstance(job.raised_exception(), TreadleError)


def test_the_time_limit_of_a_command_ends_its_tree() -> None:
    job = ProcessJob(Command(["sleep", "1000"], limits=Limits(timeout=0.01)))
    assert raised_by(job) == "sleep 1000: ended after its time limit of 0.01 s"


def test_a_cancelled_job_ends_its_tree_and_waits_for_it(tmp_path: Path) -> None:
    text = "trap 'echo told >> said; exit 0' TERM; (trap '' TERM; echo > ready; exec sleep 1000) & wait"

    async def main() -> None:
        job = ProcessJob(shell(text), root=str(tmp_path), grace=0.01)
        run = asyncio.ensure_future(Scheduler(job).co_run())
        while not (tmp_path / "ready").exists():
            await turn()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    # that its child is gone too is seen at the end of the session
    assert (tmp_path / "said").read_text() == "told\n"


def test_a_time_limit_of_the_scheduler_ends_the_tree_too() -> None:
    job = ProcessJob(Command(["sleep", "1000"]))
    assert PureScheduler(job, timeout=0.01).run() is False
    assert not job.is_done()


def test_many_programs_take_one_thread() -> None:
    before = {thread.name for thread in threading.enumerate()}
    threads: set[str] = set()

    class Counting(ProcessJob):
        async def co_run(self) -> int:
            code = await super().co_run()
            threads.update(thread.name for thread in threading.enumerate())
            return code

    assert Scheduler(*(Counting(Command(["true"])) for _ in range(20)), jobs_window=5).run()
    assert threads - before <= {"treadle-programs"}


def test_a_process_job_is_called_by_what_it_runs() -> None:
    job = ProcessJob(shell("echo one\necho two"))
    assert job.repr_main() == "<ProcessJob `echo one`>"
    assert job.details() == "echo one\necho two"
    letters = Letters("a")
    assert ProcessJob(Command(["true"]), required=letters["a"], label="b", critical=False).label == "b"
    letters.close()
