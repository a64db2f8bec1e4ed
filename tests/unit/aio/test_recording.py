"""The faces that a scheduler shares with walks: events and what is made of them, and graphs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import treadle.aio
from aio_jobs import Letters, Log, Logging, endless, raising, value
from treadle.aio import Job, PureScheduler, Recording, Scheduler, as_dag
from treadle.core.outcomes import STATUSES
from treadle.errors import DAGError, UsageError
from treadle.events.run_model import Run
from treadle.events.schema import FIELDS, read_events
from treadle.report.html import html
from treadle.report.junit import junit
from treadle.report.trace import trace

if TYPE_CHECKING:
    from pathlib import Path


def recorded(scheduler: PureScheduler, path: Path, ok: bool | None = True) -> list[dict[str, Any]]:
    """Run a scheduler; return the events."""
    with Recording(scheduler, str(path / "events")):
        assert scheduler.run() is ok
    return list(read_events(str(path / "events")))


def mixed() -> PureScheduler:
    inner = Scheduler(Job(value(), label="x"), Job(value(), label="x"), label="inner")
    bad = Job(raising(ValueError("no")), label="bad", critical=False, required=inner)
    return PureScheduler(inner, bad, Job(endless(), forever=True, label="f"))


def test_a_run_is_told_as_the_events_of_a_walk_are(tmp_path: Path) -> None:
    events = recorded(mixed(), tmp_path)
    assert [event["event"] for event in events[:6]] == ["run", *["action"] * 5]
    assert events[-1] | {"t": 0, "duration": 0} == {
        "event": "summary",
        "t": 0,
        "duration": 0,
        "total": 5,
        "counts": dict.fromkeys(STATUSES, 0) | {"ran": 4, "failed": 1},
        "saved": 0.0,
        "interrupted": False,
        "exit_code": 0,
    }
    assert all(event.keys() <= {"event", "t", *FIELDS[event["event"]]} for event in events)
    assert [event["t"] for event in events] == sorted(event["t"] for event in events)


def test_the_reports_are_made_of_them(tmp_path: Path) -> None:
    run = Run.of(recorded(mixed(), tmp_path))
    assert {name: action.status for name, action in run.actions.items()} == {
        "inner": "ran",
        "inner/x": "ran",
        "inner/x 2": "ran",
        "bad": "failed",
        "f": "ran",
    }
    assert run.actions["bad"].needs == ["inner/x", "inner/x 2"]
    assert run.actions["bad"].failure == "ValueError: no"
    assert "inner/x 2" in "".join(html(run))
    assert "ValueError: no" in "".join(junit(run))
    assert "inner/x 2" in "".join(trace(run))


def test_slots_are_free_again_when_a_job_has_ended(tmp_path: Path) -> None:
    letters = Letters("a b c:a,b d:c")
    events = recorded(Scheduler(*letters), tmp_path)
    assert [event["slot"] for event in events if event["event"] == "started"] == [0, 1, 0, 0]


def test_what_was_cut_short_and_what_never_started_is_told(tmp_path: Path) -> None:
    scheduler = PureScheduler(Job(endless(), label="a"), Job(value(), label="b"), jobs_window=1, timeout=0.001)
    events = recorded(scheduler, tmp_path, ok=False)
    ended = {event["name"]: event["status"] for event in events if event["event"] == "ended"}
    assert ended == {"a": "interrupted", "b": "not started"}
    assert (events[-1]["exit_code"], events[-1]["interrupted"]) == (1, False)


def test_a_run_that_is_cancelled_is_told_as_interrupted(tmp_path: Path) -> None:
    log = Log()

    async def main() -> None:
        started = asyncio.Event()

        async def long() -> None:
            started.set()
            await endless()

        scheduler = Scheduler(Job(long(), label="a"), Logging(log, "b"))
        with Recording(scheduler, str(tmp_path / "events")):
            run = asyncio.ensure_future(scheduler.co_run())
            await started.wait()
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run

    asyncio.run(main())
    run = Run.of(read_events(str(tmp_path / "events")))
    assert (run.result, run.actions["a"].status) == ("interrupted", "interrupted")


def test_a_file_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    scheduler = Scheduler(job := Job(value()))
    with pytest.raises(UsageError), Recording(scheduler, str(tmp_path / "file" / "events")):
        pytest.fail("it did begin")
    assert job.is_idle()
    job.close()


def test_a_scheduler_is_silent_again_afterwards(tmp_path: Path) -> None:
    scheduler = Scheduler(Logging(Log(), "a"))
    events = recorded(scheduler, tmp_path)
    assert scheduler.run()
    assert list(read_events(str(tmp_path / "events"))) == events


def test_a_scheduler_as_a_graph_has_the_views_of_any_graph() -> None:
    letters = Letters("a b:a d")
    inner = Scheduler(letters["b"], label="inner", required=letters["d"])
    letters["b"].requires(letters["a"], remove=True)
    last = Job(value(), label="last", required=[inner, letters["a"]])
    scheduler = Scheduler(letters["a"], letters["d"], inner, last)
    dag = as_dag(scheduler)
    assert str(dag).splitlines() == [
        *("a -> (none)", "d -> (none)", "inner -> d", "inner/b -> inner", "last -> a, inner/b"),
    ]
    assert dag["inner/b"] is letters["b"]
    assert dag.longest_path() == ["d", "inner", "inner/b", "last"]
    assert '"inner/b" -> "inner";' in dag.as_dot()
    scheduler.close_all_jobs()


def test_a_cycle_is_no_graph() -> None:
    letters = Letters("a b:a")
    letters["a"].requires(letters["b"])
    with pytest.raises(DAGError, match="a cycle of 2 jobs: a -> b -> a"):
        as_dag(PureScheduler(*letters))
    letters.close()


def test_the_names_of_the_package_are_these() -> None:
    assert set(treadle.aio.__all__) == {
        *("AbstractJob", "ActionJob", "Job", "PrintJob", "ProcessJob", "PureScheduler", "Publishing", "Recording"),
        *("Scheduler", "Sequence", "Watch", "as_dag", "Diffed", "Failed", "NotReady", "Skipped"),
    }
    assert all(getattr(treadle.aio, name).__doc__ for name in treadle.aio.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = treadle.aio.Nothing
