"""What is refused in words, where a subclass or a caller of the library gives what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs import Book, graph, nothing
from treadle import DAG, Command, Job, ProcessJob, ReturnValue, Scheduler
from treadle.aio import AbstractJob
from treadle.aio import Scheduler as AioScheduler
from treadle.command.graph_checks import connect_by_files
from treadle.errors import TreadleError, UsageError
from treadle.testing import CallJob

if TYPE_CHECKING:
    from jobs import Notify


@pytest.mark.parametrize("data", [None, "cc -c a.c", ["cc", "a.c"], {"inputs": ["a"]}], ids=repr)
def test_edges_from_files_want_commands(data: object) -> None:
    dag = DAG()
    dag.add_vertex("a", Command(["true"], outputs=["x"]))
    dag.add_vertex("b", data)
    with pytest.raises(TreadleError, match=r"the vertex 'b' holds .*\n.*expected a Command"):
        connect_by_files(dag)


def test_edges_from_files_want_a_graph() -> None:
    with pytest.raises(TreadleError, match="expected a treadle"):
        connect_by_files({"a": Command(["true"])})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["inputs", "outputs", "edits"])
def test_a_command_takes_no_empty_path(name: str) -> None:
    with pytest.raises(UsageError, match=f"the {name} of a Command contain an empty text"):
        Command(["true"], **{name: ["a", ""]})  # type: ignore[arg-type]


class Unset(Job):
    """A job that does not call the `__init__` of Job."""

    def __init__(self, uid: Any, data: Any, notify_end: Notify) -> None:
        self.uid = uid


def test_a_job_without_the_init_of_its_class_is_refused_in_words() -> None:
    book = Book(Unset)
    with pytest.raises(UsageError, match="the Unset for 'a' was made without the __init__ of Job"):
        Scheduler(book.provide, book.collect).run(graph(("a",)))


@pytest.mark.parametrize("limit", [0, -2, -0.5, "x", True, float("nan")], ids=repr)
def test_a_time_limit_of_a_job_that_is_none_fails_the_job_in_words(limit: Any) -> None:
    class Limited(CallJob):
        timeout = limit

    jobs: list[Job] = []

    def provide(uid: Any, data: Any, predecessors: frozenset[Any], notify: Notify) -> Job:
        jobs.append(Limited(uid, data, notify, nothing))
        return jobs[-1]

    Scheduler(provide, lambda job: False).run(graph(("a",)))
    assert jobs[0].failure == f"its timeout is {limit!r}, expected seconds above 0, None for no limit"


@pytest.mark.parametrize("word", ["text", "Path", "bytes"])
def test_a_program_may_be_named_by_a_path(word: str, tmp_path: Path) -> None:
    program = tmp_path / "it"
    program.write_text("#!/bin/sh\ntest $1 = x\n")
    program.chmod(0o755)
    given: Any = {"text": str(program), "Path": program, "bytes": bytes(program)}[word]

    class Program(ProcessJob):
        @property
        def cmdline(self) -> list[Any]:
            return [given, Path("x")]

    job = Program("a", None, lambda uid: None)
    job.run()
    assert job.final_status == ReturnValue.success, job.failure


@pytest.mark.parametrize("argv", ["ls", ["ls", 1], [None], [], 3], ids=repr)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_command_line_that_is_none_is_refused_in_words(argv: Any) -> None:
    class Program(ProcessJob):
        @property
        def cmdline(self) -> Any:
            return argv

    job = Program("a", None, lambda uid: None)
    job.run()
    assert "its cmdline is" in (job.failure or "")


class Fine(AbstractJob):
    """A job that does nothing."""

    async def co_run(self) -> None:
        return None


@pytest.mark.parametrize("value", ["x", True, [1]], ids=repr)
@pytest.mark.parametrize("name", ["timeout", "shutdown_timeout"])
def test_a_time_limit_of_a_scheduler_of_coroutines_is_a_number(name: str, value: Any) -> None:
    inner = AioScheduler(Fine(), label="inner", **{name: value})
    for scheduler in (inner, AioScheduler(inner)):
        with pytest.raises(
            UsageError, match=rf"the {name} of the scheduler 'inner' is .*\n.*seconds, None for no limit"
        ):
            scheduler.run()
