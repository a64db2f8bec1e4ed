"""Programs as one writes them against e3's job, DAG, status and fingerprint modules: only the imports are ours.

The walks keep their fingerprints as files. A uid says how its action behaves: see `SimpleWalk.create_job`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from treadle.e3 import (
    DAG,
    DEFAULT_JOB_MAX_DURATION,
    DAGError,
    EmptyJob,
    Fingerprint,
    Job,
    ProcessJob,
    ReturnValue,
    Scheduler,
    Walk,
    native,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SUCCESS, FAILURE, SKIP = ReturnValue.success, ReturnValue.failure, ReturnValue.skip
FORCE_FAIL, NOTREADY = ReturnValue.force_fail, ReturnValue.notready


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class ShellJob(ProcessJob):
    """A job whose data is a script of the shell."""

    @property
    def cmdline(self) -> list[str]:
        return ["sh", "-c", self.data]


class DoNothingJob(Job):
    """A job that is no process."""

    def run(self) -> None:
        pass


class SimpleWalk(Walk):
    """No fingerprints at all; keeps the jobs that it handed out."""

    def __init__(self, actions: DAG) -> None:
        self.saved_jobs: dict[Any, Job] = {}
        self.requeued: dict[Any, int] = {}
        super().__init__(actions)

    def get_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
        job = super().get_job(uid, data, predecessors, notify_end)
        self.saved_jobs[uid] = job
        return job

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
        if "nothing" in str(uid):
            return DoNothingJob(uid, data, notify_end)
        script = "exit 0"
        if "bad" in str(uid):
            script = "exit 1"
        elif "unchanged" in str(uid):
            script = "exit 126"
        elif "never" in str(uid):
            script = "exit 75"
        elif "once" in str(uid):
            script = f"test -e once.{uid} || {{ touch once.{uid}; exit 75; }}"
        elif "download" in str(uid):
            script = "cp remote local"
        elif data:
            script = data
        return ShellJob(uid, script, notify_end)

    def request_requeue(self, job: Job) -> bool:
        self.requeued[job.uid] = self.requeued.get(job.uid, 0) + 1
        return self.requeued[job.uid] < 3


class FingerprintWalk(SimpleWalk):
    """A file of JSON for each fingerprint, which holds a source of the action and its predecessors' checksums."""

    def fingerprint_file(self, uid: Any) -> Path:
        return Path("fingerprints") / f"{uid}.json"

    def compute_fingerprint(self, uid: Any, data: Any, is_prediction: bool = False) -> Fingerprint | None:
        if "no_fingerprint" in str(uid) or (is_prediction and "download" in str(uid)):
            return None
        fingerprint = Fingerprint()
        source = Path("sources") / str(uid)
        if source.exists():
            fingerprint.add_file(str(source))
        if "download" in str(uid):
            fingerprint.add_file("local")
        for predecessor in self.actions.get_predecessors(uid):
            before = self.load_previous_fingerprint(predecessor)
            if before is not None:
                fingerprint.add(str(predecessor), before.checksum())
        return fingerprint

    def save_fingerprint(self, uid: Any, fingerprint: Fingerprint | None) -> None:
        path = self.fingerprint_file(uid)
        path.parent.mkdir(exist_ok=True)
        if fingerprint is None:
            path.unlink(missing_ok=True)
        else:
            fingerprint.save_to_file(str(path))

    def load_previous_fingerprint(self, uid: Any) -> Fingerprint | None:
        path = self.fingerprint_file(uid)
        return Fingerprint.load_from_file(str(path)) if path.exists() else None


class DryRunWalk(FingerprintWalk):
    """Shows what would run: saves nothing, and looks at what it predicted itself first."""

    def save_fingerprint(self, uid: Any, fingerprint: Fingerprint | None) -> None:
        pass

    def load_previous_fingerprint(self, uid: Any) -> Fingerprint | None:
        if uid in self.new_fingerprints:
            predicted: Fingerprint | None = self.new_fingerprints[uid]
            return predicted
        return super().load_previous_fingerprint(uid)

    def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
        return EmptyJob(uid, data, notify_end, SKIP)

    @property
    def would_run(self) -> set[Any]:
        return {uid for uid, verdict in native(self).verdicts.items() if verdict.decision == "run"}


both = pytest.mark.parametrize("walk_class", [SimpleWalk, FingerprintWalk])


def chain(*uids: Any) -> DAG:
    """Return a graph in which each comes after the one before it."""
    dag = DAG()
    for number, uid in enumerate(uids):
        dag.add_vertex(uid, predecessors=[uids[number - 1]] if number else None)
    return dag


def ran(walk: SimpleWalk) -> set[Any]:
    """Return the uids whose jobs really ran."""
    return {uid for uid, job in walk.saved_jobs.items() if not job.should_skip}


def write(path: str, text: str) -> None:
    """Write a file, with the folder that it is in."""
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text)


@both
def test_a_good_job(walk_class: type[SimpleWalk]) -> None:
    walk = walk_class(chain("1"))
    assert walk.job_status == {"1": SUCCESS}
    assert isinstance(walk.saved_jobs["1"], ShellJob)


def test_without_fingerprints_all_runs_each_time() -> None:
    for _ in range(2):
        assert ran(SimpleWalk(chain("1", "2"))) == {"1", "2"}


def test_with_fingerprints_the_second_and_the_third_walk_skip() -> None:
    assert ran(FingerprintWalk(chain("1", "2"))) == {"1", "2"}
    for _ in range(2):
        walk = FingerprintWalk(chain("1", "2"))
        assert walk.job_status == {"1": SKIP, "2": SKIP}
        assert all(isinstance(job, EmptyJob) and job.status == SKIP for job in walk.saved_jobs.values())
        assert walk.prev_fingerprints == walk.new_fingerprints


@both
def test_a_job_that_is_no_process(walk_class: type[SimpleWalk]) -> None:
    assert walk_class(chain("nothing")).job_status == {"nothing": SUCCESS}
    again = walk_class(chain("nothing")).job_status
    assert again == {"nothing": SUCCESS if walk_class is SimpleWalk else SKIP}


@both
def test_a_bad_job_runs_again_in_the_next_walk(walk_class: type[SimpleWalk]) -> None:
    for _ in range(2):
        walk = walk_class(chain("1.bad"))
        assert walk.job_status == {"1.bad": FAILURE}
        assert ran(walk) == {"1.bad"}
        assert walk.failure_source == {}


@both
def test_a_failed_predecessor_fails_all_after_it_and_is_their_origin(walk_class: type[SimpleWalk]) -> None:
    dag = chain("1.bad", "2", "3")
    dag.add_vertex("other.bad")
    dag.add_vertex("4", predecessors=["3", "other.bad"])
    dag.add_vertex("free")
    for _ in range(2):
        walk = walk_class(dag)
        assert [walk.job_status[uid] for uid in ("1.bad", "2", "3", "4")] == [FAILURE, *[FORCE_FAIL] * 3]
        assert walk.job_status["free"] in (SUCCESS, SKIP)
        assert walk.failure_source == {"2": {"1.bad"}, "3": {"1.bad"}, "4": {"1.bad", "other.bad"}}
        assert all(isinstance(walk.saved_jobs[uid], EmptyJob) for uid in ("2", "3", "4"))


def test_the_reason_of_a_skip_names_origins() -> None:
    reasons: dict[str, str] = {}

    class Telling(SimpleWalk):
        def create_skipped_job(self, uid: Any, data: Any, predecessors: Any, reason: str, *args: Any) -> Job:
            reasons[uid] = reason
            return super().create_skipped_job(uid, data, predecessors, reason, *args)

    Telling(chain("1.bad", "2", "3"))
    assert reasons.keys() == {"2", "3"}
    assert "Origin(s) of failure:\n  1.bad\n" in reasons["3"]


def test_a_failure_before_it_leaves_a_fingerprint_as_it_is() -> None:
    """Differs from e3 on purpose: there all after a failure lose their fingerprints and run again."""
    dag = DAG()
    dag.add_vertex("1", "exit $(cat status)")
    dag.add_vertex("2", predecessors=["1"])
    write("status", "0")
    FingerprintWalk(dag)
    write("sources/1", "changed")
    write("status", "1")
    before = Path("fingerprints/2.json").read_bytes()
    walk = FingerprintWalk(dag)
    assert walk.job_status == {"1": FAILURE, "2": FORCE_FAIL}
    assert Path("fingerprints/2.json").read_bytes() == before
    assert not Path("fingerprints/1.json").exists()
    write("status", "0")
    Path("sources/1").unlink()
    assert ran(FingerprintWalk(dag)) == {"1"}


def test_a_predecessor_without_a_fingerprint_makes_its_direct_successors_run() -> None:
    dag = chain("1", "2.no_fingerprint", "3", "4")
    assert ran(FingerprintWalk(dag)) == {"1", "2.no_fingerprint", "3", "4"}
    walk = FingerprintWalk(dag)
    assert ran(walk) == {"2.no_fingerprint", "3"}
    assert walk.job_status == {"1": SKIP, "2.no_fingerprint": SUCCESS, "3": SUCCESS, "4": SKIP}


def test_a_changed_source_makes_those_run_that_depend_on_it() -> None:
    dag = DAG()
    for uid, *predecessors in (("1",), ("3",), ("2", "1"), ("4", "2", "3"), ("5", "3")):
        dag.add_vertex(uid, predecessors=predecessors)
        write(f"sources/{uid}", "first")
    FingerprintWalk(dag)
    write("sources/1", "second")
    assert ran(FingerprintWalk(dag)) == {"1", "2", "4"}
    assert ran(FingerprintWalk(dag)) == set()


@both
def test_not_ready_then_ok(walk_class: type[SimpleWalk]) -> None:
    walk = walk_class(chain("1.once", "2"))
    assert walk.requeued == {"1.once": 1}
    assert walk.job_status == {"1.once": SUCCESS, "2": SUCCESS}


@both
def test_never_ready(walk_class: type[SimpleWalk]) -> None:
    for _ in range(2):
        walk = walk_class(chain("1.never", "2"))
        assert walk.requeued == {"1.never": 3}
        assert walk.job_status == {"1.never": NOTREADY, "2": FORCE_FAIL}
        assert walk.failure_source == {"2": {"1.never"}}


def test_a_skipped_job_is_never_asked_about_requeueing() -> None:
    class NotReadyWalk(SimpleWalk):
        def create_job(self, uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Any) -> Job:
            return EmptyJob(uid, data, notify_end, NOTREADY)

    walk = NotReadyWalk(chain("1"))
    assert (walk.requeued, walk.job_status) == ({}, {"1": NOTREADY})


def test_unchanged_is_as_good_as_success() -> None:
    walk = FingerprintWalk(chain("1.unchanged", "2"))
    assert walk.job_status == {"1.unchanged": ReturnValue.unchanged, "2": SUCCESS}
    assert ran(FingerprintWalk(chain("1.unchanged", "2"))) == set()


def test_a_program_that_leaves_with_skip_has_run_and_is_recorded() -> None:
    dag = DAG()
    dag.add_vertex("1", "exit 125")
    assert FingerprintWalk(dag).job_status == {"1": SKIP}
    assert ran(FingerprintWalk(dag)) == set()


def test_dry_runs_change_nothing() -> None:
    dag = chain("1", "2", "3")
    assert DryRunWalk(dag).would_run == {"1", "2", "3"}
    assert DryRunWalk(dag).would_run == {"1", "2", "3"}
    assert not Path("fingerprints").exists()
    FingerprintWalk(chain("1", "2"))
    assert DryRunWalk(dag).would_run == {"3"}
    FingerprintWalk(dag)
    assert DryRunWalk(dag).would_run == set()
    write("sources/2", "new")
    assert DryRunWalk(dag).would_run == {"2", "3"}
    assert ran(FingerprintWalk(dag)) == {"2", "3"}
    assert DryRunWalk(dag).would_run == set()


@pytest.mark.parametrize("garbage", ["", "{", "[]", '{"elements": 5}', "\0\udcff"])
def test_a_corrupted_fingerprint_runs_that_action_alone(garbage: str) -> None:
    dag = chain("1", "2", "3", "4", "5")
    FingerprintWalk(dag)
    good = Path("fingerprints/3.json").read_bytes()
    Path("fingerprints/3.json").write_text(garbage, errors="surrogateescape")
    walk = FingerprintWalk(dag)
    assert ran(walk) == {"3"}
    assert [walk.job_status[uid] for uid in "45"] == [SKIP, SKIP]
    assert Path("fingerprints/3.json").read_bytes() == good


def test_a_download_predicts_nothing_and_what_follows_looks_at_what_came() -> None:
    dag = chain("1.download", "2")
    Path("remote").write_text("first")
    assert ran(FingerprintWalk(dag)) == {"1.download", "2"}
    assert ran(FingerprintWalk(dag)) == {"1.download"}
    Path("remote").write_text("second")
    assert ran(FingerprintWalk(dag)) == {"1.download", "2"}


def test_a_failed_predecessor_without_a_prediction_is_no_crash() -> None:
    walk = FingerprintWalk(chain("1.download.bad", "2", "3"))
    assert walk.job_status == {"1.download.bad": FAILURE, "2": FORCE_FAIL, "3": FORCE_FAIL}
    assert walk.new_fingerprints.keys() == walk.prev_fingerprints.keys() == walk.job_status.keys()


@pytest.mark.parametrize("uids", [(1, 2, 3), (("a", 1), ("a", 2), "a")])
def test_uids_need_not_be_text(uids: tuple[Any, ...]) -> None:
    """Differs from e3 on purpose: there they raise KeyError once there are fingerprints."""
    assert ran(FingerprintWalk(chain(*uids))) == set(uids)
    assert ran(FingerprintWalk(chain(*uids))) == set()


def test_should_execute_action_decides() -> None:
    seen: list[tuple[Any, Any, Any]] = []

    class Stubborn(FingerprintWalk):
        def should_execute_action(self, uid: Any, previous_fingerprint: Any, new_fingerprint: Any) -> bool:
            seen.append((uid, previous_fingerprint, new_fingerprint))
            return uid == "2" or super().should_execute_action(uid, previous_fingerprint, new_fingerprint)

    assert ran(Stubborn(chain("1", "2"))) == {"1", "2"}
    assert [previous for _, previous, _ in seen] == [None, None]
    assert all(isinstance(new, Fingerprint) for _, _, new in seen)
    assert ran(Stubborn(chain("1", "2"))) == {"2"}


class TestConstruction:
    def test_the_defaults(self) -> None:
        walk = SimpleWalk(DAG())
        assert (walk.queues, walk.tokens, walk.job_timeout) == ({}, 1, DEFAULT_JOB_MAX_DURATION)
        assert DEFAULT_JOB_MAX_DURATION == 86400
        assert (walk.job_status, walk.failure_source) == ({}, {})
        assert isinstance(walk.scheduler, Scheduler)

    def test_one_token_runs_one_after_the_other(self) -> None:
        dag = DAG()
        for number in range(4):
            dag.add_vertex(str(number))
        walk = SimpleWalk(dag)
        assert walk.scheduler is not None
        assert walk.scheduler.max_active_jobs == 1

    def test_set_scheduling_params_comes_before_the_scheduler(self) -> None:
        class Wide(SimpleWalk):
            def set_scheduling_params(self) -> None:
                assert (self.queues, self.tokens) == ({}, 1)
                assert self.scheduler is None
                self.queues = {"default": 3}
                self.job_timeout = 5

        dag = DAG()
        for number in range(4):
            dag.add_vertex(str(number), "exit 0")
        walk = Wide(dag)
        assert walk.scheduler is not None
        assert walk.scheduler.queues == {"default": 3}
        assert walk.scheduler.job_timeout == 5
        assert walk.scheduler.max_active_jobs == 3

    @pytest.mark.parametrize(
        "hook", ["load_previous_fingerprint", "compute_fingerprint", "create_job", "save_fingerprint"]
    )
    def test_an_exception_in_a_hook_comes_out_of_the_constructor(self, hook: str) -> None:
        def boom(*_: Any, **__: Any) -> None:
            raise LookupError(hook)

        broken = type("Broken", (FingerprintWalk,), {hook: boom})
        with pytest.raises(LookupError, match=hook):
            broken(chain("1"))

    def test_a_cycle_is_refused_before_anything_runs(self) -> None:
        """Differs from e3 on purpose: there the walk never ends."""
        dag = DAG()
        dag.update_vertex("1", predecessors=["2"], enable_checks=False)
        dag.update_vertex("2", predecessors=["1"], enable_checks=False)
        dag.update_vertex("3", "touch ran", enable_checks=False)
        with pytest.raises(DAGError, match="cycle"):
            SimpleWalk(dag)
        assert not Path("ran").exists()


def test_one_line_is_logged_for_each_job_that_ran(caplog: pytest.LogCaptureFixture) -> None:
    dag = DAG()
    dag.add_vertex("1", "exit 0")
    dag.add_vertex("2", "exit 1", ["1"])
    dag.add_vertex("3", "exit 0", ["2"])
    with caplog.at_level(logging.INFO):
        SimpleWalk(dag)
        lines = [message for message in caplog.messages if message.startswith("[")]
    assert lines == ["[default    success      0s] exit 0", "[default    failure      0s] exit 1"]


class NopJob(Job):
    """Notes that it ran."""

    ran: list[Any] = []  # noqa: RUF012 - shared on purpose, as such programs do

    def run(self) -> None:
        NopJob.ran.append(self.uid)


class TestScheduler:
    """Schedulers with a provider and a collect function, as programs without a Walk have them."""

    def test_minimal_run(self) -> None:
        results: list[Any] = []
        dag = DAG()
        dag.add_vertex("1")
        dag.add_vertex("2")

        class Slow(ProcessJob):
            @property
            def cmdline(self) -> list[str]:
                return ["sleep", "0.1"]

        def collect(job: Job) -> None:
            results.append(job.status)

        scheduler = Scheduler(Scheduler.simple_provider(Slow), tokens=2, collect=collect)
        scheduler.run(dag)
        assert scheduler.max_active_jobs == 2
        assert results == [SUCCESS, SUCCESS]

    def test_dependent_jobs_run_one_by_one(self) -> None:
        dag = chain("1", "2", "3")
        scheduler = Scheduler(Scheduler.simple_provider(NopJob), tokens=2)
        NopJob.ran.clear()
        scheduler.run(dag)
        assert (scheduler.max_active_jobs, NopJob.ran) == (1, ["1", "2", "3"])

    def test_ordering_by_priority(self) -> None:
        class Ranked(NopJob):
            @property
            def priority(self) -> int:
                return -int(self.uid)

        dag = DAG()
        for uid in ("3", "0", "1"):
            dag.add_vertex(uid)
        NopJob.ran.clear()
        Scheduler(Scheduler.simple_provider(Ranked)).run(dag)
        assert NopJob.ran == ["0", "1", "3"]

    def test_requeue_until_it_has_run_enough(self) -> None:
        results: dict[Any, int] = {}

        def collect(job: Job) -> bool:
            results[job.uid] = results.get(job.uid, 0) + 1
            return results[job.uid] < 3

        dag = chain("1", "2")
        Scheduler(Scheduler.simple_provider(NopJob), tokens=2, collect=collect).run(dag)
        assert results == {"1": 3, "2": 3}

    def test_a_skip_never_starts(self) -> None:
        jobs: list[Job] = []

        class SkippedJob(NopJob):
            should_skip = True

        NopJob.ran.clear()
        Scheduler(Scheduler.simple_provider(SkippedJob), collect=jobs.append, tokens=2).run(chain("1", "2"))
        assert NopJob.ran == []
        assert [(job.timing_info.start_time, job.timing_info.stop_time) for job in jobs] == [(None, None)] * 2

    def test_collect_feeds_the_provider(self) -> None:
        results: dict[Any, bool] = {}
        skipped: list[Any] = []

        def provide(uid: Any, data: Any, predecessors: frozenset[Any], notify_end: Callable[[Any], object]) -> Job:
            if any(not results[p] for p in predecessors):
                return EmptyJob(uid, data, notify_end, FORCE_FAIL)
            return ShellJob(uid, data, notify_end)

        def collect(job: Job) -> None:
            if job.should_skip:
                skipped.append(job.uid)
            results[job.uid] = job.status == SUCCESS

        dag = DAG()
        dag.add_vertex("1", "exit 1")
        dag.add_vertex("2", "exit 0", ["1"])
        dag.add_vertex("3", "exit 0", ["2"])
        dag.add_vertex("4", "exit 0")
        Scheduler(provide, tokens=2, collect=collect).run(dag)
        assert results == {"1": False, "2": False, "3": False, "4": True}
        assert skipped == ["2", "3"]

    def test_a_timeout_interrupts_all(self) -> None:
        class Endless(ProcessJob):
            @property
            def cmdline(self) -> list[str]:
                return ["sleep", "300"]

        jobs: list[Job] = []
        dag = DAG()
        for uid in "1234":
            dag.add_vertex(uid)
        Scheduler(Scheduler.simple_provider(Endless), collect=jobs.append, tokens=4, job_timeout=0.05).run(dag)
        assert [(job.interrupted, job.status) for job in jobs] == [(True, FAILURE)] * 4

    def test_no_timeout_is_none(self) -> None:
        """Differs from e3 on purpose: there None is documented and raises."""
        NopJob.ran.clear()
        Scheduler(Scheduler.simple_provider(NopJob), job_timeout=None).run(chain("1"))
        assert NopJob.ran == ["1"]

    def test_keyboard_interrupt_ends_what_runs_and_leaves_the_rest(self) -> None:
        class Endless(ProcessJob):
            @property
            def cmdline(self) -> list[str]:
                return ["sleep", "300"]

        class Interrupted(Scheduler):
            def log_state(self) -> None:
                raise KeyboardInterrupt

        jobs: list[Job] = []
        dag = chain("1", "2")
        dag.add_vertex("3")
        scheduler = Interrupted(Scheduler.simple_provider(Endless), collect=jobs.append)
        with pytest.raises(KeyboardInterrupt):
            scheduler.run(dag)
        assert [(job.uid, job.interrupted) for job in jobs] == [("1", True)]
