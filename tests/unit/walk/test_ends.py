"""How a run ends and what is said of it: why a program failed, interruptions, late stops, two runs at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from jobs import Shell, Sleeper, calling, graph
from treadle import DAG, Command, CommandWalk, CoroutineJob, EmptyJob, Job, ReturnValue, Scheduler, Walk
from treadle.errors import RunError
from treadle.scheduling.scheduler import DRAINING, KILLING, STOPPING
from treadle.testing import CallJob, MemoryWalk
from waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobs import Notify

SUCCESS, FAILURE, NOTREADY = ReturnValue.success, ReturnValue.failure, ReturnValue.notready


class Endless(CoroutineJob):
    """Waits until it is cancelled."""

    async def co_run(self) -> None:
        import asyncio

        await asyncio.Event().wait()


class Making(MemoryWalk):
    """Makes jobs by uid; nothing has a fingerprint."""

    limit: float | None = None

    def __init__(self, dag: DAG, **jobs: Callable[[Any, Any, Notify], Job]) -> None:
        super().__init__(dag)
        self.jobs = jobs

    def set_scheduling_params(self) -> None:
        self.tokens = 4
        self.job_timeout = self.limit

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        return self.jobs[uid](uid, data, notify_end)


def shell(script: str, **attributes: Any) -> Callable[[Any, Any, Notify], Job]:
    """Return what makes a job that runs a script."""
    return type("Script", (Shell,), {"cmdline": property(lambda self: ["sh", "-c", script]), **attributes})


class OddStatus(CallJob):
    """Says by its status alone that it failed."""

    status = FAILURE


WHY: dict[str, tuple[Any, str | None]] = {
    "exit code": (shell("exit 3"), "exit code 3"),
    "exit code 1": (shell("exit 1"), "exit code 1"),
    "not ready": (shell("exit 75"), "exit code 75"),
    "a signal": (shell("kill -9 $$"), "killed by SIGKILL"),
    "a time limit of its own": (shell("sleep 300", timeout=0.01), "ended after its time limit of 0.01 s"),
    "no such program": (
        type("Lost", (Shell,), {"cmdline": property(lambda self: ["/no/such/program"])}),
        "/no/such/program",
    ),
    "an exception": (calling(lambda: 1 // 0), "ZeroDivisionError: integer division or modulo by zero"),
    "a coroutine out of time": (
        type("Late", (Endless,), {"timeout": 0.01}),
        "ended after its time limit of 0.01 s",
    ),
    "too many tokens": (shell("true", tokens=99), "it asks for 99 tokens of queue 'default', which has 4"),
    "its status alone": (lambda uid, data, end: OddStatus(uid, data, end, lambda: None), None),
    "known beforehand": (lambda uid, data, end: EmptyJob(uid, data, end, FAILURE), None),
    "success": (shell("true"), None),
    "exit 126, unchanged": (shell("exit 126"), None),
}


@pytest.mark.parametrize("case", WHY)
def test_the_report_says_why_an_action_did_not_end_well(case: str) -> None:
    make, words = WHY[case]
    walk = Making(graph(("a",), ("behind", "a")), a=make, behind=calling(lambda: None))
    actions = walk.run().actions
    if words is None:
        assert actions["a"].failure is None
    else:
        assert (actions["a"].failure or "").startswith(words)
    assert actions["behind"].failure is None


def test_a_time_limit_of_the_walk_is_named_too() -> None:
    walk = Making(graph(("a",)), a=Sleeper)
    walk.limit = 0.01
    assert walk.run().actions["a"].failure == "ended after its time limit of 0.01 s"


@pytest.mark.parametrize("kind", [Sleeper, Endless])
def test_what_was_interrupted_is_said_to_be(kind: type[Job]) -> None:
    walk = Making(graph(("a",)), a=kind)
    thread = threading.Thread(target=stop_when_it_runs, args=(walk,))
    thread.start()
    report = walk.run()
    thread.join()
    assert report.interrupted
    assert report.actions["a"].failure is not None
    assert "interrupted" in report.actions["a"].failure


def stop_when_it_runs(walk: Walk, stop_mode: int = STOPPING) -> None:
    """Stop a walk as soon as a job runs."""
    until(lambda: walk.scheduler is not None and walk.scheduler.active_jobs, "a job runs")
    walk.stop(stop_mode)


class TestInterrupted:
    """Whether a run was made to end before all was done."""

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, SystemExit])
    def test_it_is_after_an_exception_in_the_loop(self, error: type[BaseException]) -> None:
        class Cut(Making):
            def request_requeue(self, job: Any) -> bool:
                raise error

        walk = Cut(graph(("a",), ("b", "a")), a=calling(lambda: NOTREADY))
        with pytest.raises(error):
            walk.run()
        assert walk.report().interrupted
        assert walk.report().actions["a"].status == NOTREADY

    @pytest.mark.parametrize("stop_mode", [DRAINING, STOPPING, KILLING])
    def test_it_is_after_a_stop(self, stop_mode: int) -> None:
        walk = Making(graph(("a",), ("b", "a")))
        walk.jobs = {"a": calling(lambda: walk.stop(stop_mode)), "b": calling(lambda: None)}
        assert walk.run().interrupted
        assert walk.report().interrupted

    def test_it_is_not_after_a_run_that_ended_by_itself(self) -> None:
        walk = Making(graph(("a",)), a=calling(lambda: FAILURE))
        assert not walk.run().interrupted


class TestLateStop:
    """A stop is for the run that is under way, or for the first one that is to come."""

    @pytest.mark.parametrize("stop_mode", [DRAINING, STOPPING, KILLING])
    @pytest.mark.parametrize("kind", ["walk", "commands"])
    def test_what_comes_after_a_run_does_not_stop_the_next(self, kind: str, stop_mode: int, tmp_path: Path) -> None:
        walk: Walk
        if kind == "walk":
            walk = Making(graph(("a",)), a=calling(lambda: None))
        else:
            dag = DAG()
            dag.add_vertex("a", Command(["true"]))
            walk = CommandWalk(dag, str(tmp_path))
        assert walk.run().ok
        walk.stop(stop_mode)
        assert not walk.report().interrupted
        report = walk.run()
        assert (report.ok, report.interrupted) == (True, False)

    def test_a_run_that_was_stopped_does_not_stop_the_next(self) -> None:
        walk = Making(graph(("a",), ("b", "a")))
        walk.jobs = {"a": calling(walk.stop), "b": calling(lambda: None)}
        assert walk.run().interrupted
        walk.jobs["a"] = calling(lambda: None)
        report = walk.run()
        assert (report.ok, report.interrupted) == (True, False)

    def test_after_an_exception_the_next_run_is_not_called_interrupted(self) -> None:
        walk = Making(graph(("a",)), a=lambda *_: 1 // 0)  # type: ignore[arg-type]
        with pytest.raises(ZeroDivisionError):
            walk.run()
        walk.jobs["a"] = calling(lambda: None)
        assert not walk.run().interrupted

    def test_before_the_first_run_it_counts(self) -> None:
        walk = Making(graph(("a",)), a=calling(lambda: None))
        walk.stop()
        report = walk.run()
        assert (report.ok, report.interrupted) == (False, True)


class TestTwoRunsAtOnce:
    """One object has one run at a time: its state is that of the run."""

    @pytest.mark.parametrize("kind", ["walk", "commands", "scheduler"])
    def test_the_second_one_is_refused_and_the_first_goes_on(self, kind: str, tmp_path: Path) -> None:
        is_running, may_end = threading.Event(), threading.Event()

        def work() -> None:
            is_running.set()
            assert may_end.wait(DEADLINE)

        run: Callable[[], object]
        if kind == "walk":
            run = Making(graph(("a",)), a=calling(work)).run
        elif kind == "scheduler":
            scheduler = Scheduler(lambda uid, data, _, end: CallJob(uid, data, end, work))
            run = lambda: scheduler.run(graph(("a",)))  # noqa: E731
        else:

            class Slow(CommandWalk):
                def set_scheduling_params(self) -> None:
                    super().set_scheduling_params()
                    work()

            dag = DAG()
            dag.add_vertex("a", Command(["true"]))
            run = Slow(dag, str(tmp_path)).run
        ended: list[object] = []
        thread = threading.Thread(target=lambda: ended.append(run()), daemon=True)
        thread.start()
        assert is_running.wait(DEADLINE)
        with pytest.raises(RunError, match="runs already"):
            run()
        may_end.set()
        thread.join(DEADLINE)
        assert len(ended) == 1

    def test_a_walk_cannot_run_itself_in_a_hook(self) -> None:
        class Own(Making):
            def demands(self, uid: Any) -> Any:
                return self.run()

        walk = Own(graph(("a",)), a=calling(lambda: None))
        report = walk.run()
        assert (report.actions["a"].failure or "").startswith("this walk runs already")

    def test_one_after_the_other_is_fine_also_from_other_threads(self) -> None:
        walk = Making(graph(("a",)), a=calling(lambda: None))
        for _ in range(2):
            thread = threading.Thread(target=walk.run)
            thread.start()
            thread.join()
            assert walk.run().ok
