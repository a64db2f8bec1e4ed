"""Jobs of actions that do not run, but that do something: they leave records alone and unblock nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobs import graph
from treadle import DAG, Command, CommandWalk, CoroutineJob, EmptyJob, Job, ProcessJob, ReturnValue, Walk
from treadle.testing import MemoryWalk

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from jobs import Notify

SUCCESS, FAILURE, SKIP, FORCE_FAIL = (
    ReturnValue.success,
    ReturnValue.failure,
    ReturnValue.skip,
    ReturnValue.force_fail,
)


class Prints(Job):
    """Does its work in a thread."""

    def run(self) -> None:
        self.data["printed"].append(self.uid)


class Says(Prints):
    """As above, and has the status that it was told to have."""

    told = SKIP

    @property
    def status(self) -> ReturnValue:
        return self.told


class Fails(Prints):
    """Has no luck."""

    def run(self) -> None:
        super().run()
        raise OSError("the printer is on fire")


class Awaits(CoroutineJob):
    """Does its work in the event loop."""

    async def co_run(self) -> None:
        self.data["printed"].append(self.uid)


class Echoes(ProcessJob):
    """Does its work in a program."""

    @property
    def cmdline(self) -> list[str]:
        self.data["printed"].append(self.uid)
        return ["true"]


KINDS = [Prints, Says, Fails, Awaits, Echoes]


def job_for(kind: type[Job], uid: Any, printed: list[Any], notify_end: Notify, status: ReturnValue) -> Job:
    """Return the job of an action that does not run."""
    job = kind(uid, {"printed": printed}, notify_end)
    if isinstance(job, Says):
        job.told = status
    return job


class Telling(MemoryWalk):
    """Fingerprints are the data; what does not run has a job all the same."""

    def __init__(self, dag: DAG, records: dict[Hashable, Any], kind: type[Job], *fail: str) -> None:
        super().__init__(dag, records)
        self.kind = kind
        self.fail = fail
        self.printed: list[Any] = []

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Any:
        return "as always"

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
        return EmptyJob(uid, data, notify_end, FAILURE if uid in self.fail else SUCCESS)

    def create_skipped_job(
        self, uid: Any, data: Any, predecessors: frozenset[Any], reason: str, notify_end: Notify, status: Any = SKIP
    ) -> Job:
        return job_for(self.kind, uid, self.printed, notify_end, status)


LINE = graph(("a",), ("b", "a"), ("c", "b"))


def recorded() -> dict[Hashable, Any]:
    """Return the records of a run in which all went well."""
    records: dict[Hashable, Any] = {}
    Telling(LINE, records, Prints).run()
    assert records.keys() == {"a", "b", "c"}
    return records


@pytest.mark.parametrize("kind", KINDS)
def test_the_job_of_a_skipped_action_leaves_its_record_alone(kind: type[Job]) -> None:
    records = recorded()
    before = dict(records)
    walk = Telling(LINE, records, kind)
    walk.run()
    assert walk.printed == ["a", "b", "c"]
    assert records == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_job_of_a_blocked_action_leaves_its_record_alone_and_unblocks_nothing(kind: type[Job]) -> None:
    records = recorded()
    del records["a"]
    before = dict(records)
    walk = Telling(LINE, records, kind, "a")
    report = walk.run()
    assert walk.printed == ["b", "c"]
    assert records == before
    assert not report.actions["b"].status.is_good if report.actions["b"].status is not None else False
    assert report.actions["c"].origins == {"a"}


def test_a_blocked_action_is_reported_as_such_however_well_its_job_ended() -> None:
    actions = Telling(LINE, {}, Prints, "a").run().actions
    assert [actions[uid].status for uid in "abc"] == [FAILURE, FORCE_FAIL, FORCE_FAIL]


@pytest.mark.parametrize("outcome", [True, False])
def test_an_action_that_a_replaced_get_job_did_not_decide_on_runs_and_loses_its_record(outcome: bool) -> None:
    class Own(Telling):
        def get_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
            return job_for(Prints if outcome else Fails, uid, self.printed, notify_end, SUCCESS)

    dropped: list[Any] = []

    class Noting(Own):
        def save_fingerprint(self, uid: Any, fingerprint: Any) -> None:
            if fingerprint is None:
                dropped.append(uid)
            super().save_fingerprint(uid, fingerprint)

    records = recorded()
    Noting(LINE, records, Prints).run()
    assert dropped[0] == "a"
    assert ("a" in records) is outcome


def test_an_overridden_about_to_start_hears_only_of_what_was_decided_to_run() -> None:
    heard: list[Any] = []

    class Hearing(Telling):
        def about_to_start(self, jobs: list[Job]) -> None:
            heard.extend(job.uid for job in jobs)
            super().about_to_start(jobs)

        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Notify) -> Job:
            return job_for(Prints, uid, self.printed, notify_end, SUCCESS)

    records = recorded()
    del records["b"]
    Hearing(LINE, records, Prints).run()
    assert heard == ["b"]


def commands(broken: bool = False) -> DAG:
    """Return two actions of files, of which the first may fail."""
    dag = DAG()
    script = "exit 3" if broken else "cp in a"
    dag.add_vertex("a", Command(["sh", "-c", script], inputs=["in"], outputs=["a"]))
    dag.add_vertex("b", Command(["cp", "a", "b"], inputs=["a"], outputs=["b"]), ["a"])
    return dag


def telling_commands(kind: type[Job], printed: list[Any]) -> Callable[..., Walk]:
    """Return a CommandWalk whose actions that do not run have a job."""

    class TellingCommands(CommandWalk):
        def create_skipped_job(
            self,
            uid: Any,
            data: Any,
            predecessors: frozenset[Any],
            reason: str,
            notify_end: Notify,
            status: ReturnValue = FAILURE,
        ) -> Job:
            return job_for(kind, uid, printed, notify_end, status)

    return TellingCommands


@pytest.mark.parametrize("kind", KINDS)
def test_both_hold_for_a_walk_over_commands(kind: type[Job], tmp_path: Path) -> None:
    (tmp_path / "in").write_text("1")
    root = str(tmp_path)
    assert CommandWalk(commands(), root).run().ok
    printed: list[Any] = []
    walk = telling_commands(kind, printed)
    walk(commands(), root).run()
    assert printed == ["a", "b"]
    assert [a.status for a in CommandWalk(commands(), root).run().actions.values()] == [SKIP, SKIP]
    printed.clear()
    report = walk(commands(broken=True), root).run()
    assert printed == ["b"]
    assert report.actions["b"].origins == {"a"}
    after = CommandWalk(commands(), root).run().actions
    assert [after[uid].status for uid in "ab"] == [SUCCESS, SKIP]
